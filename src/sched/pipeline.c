/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c: one route of as many stages as devices.
 *
 * Where to cut: every node's time is measured on one device of each kind; then the cuts that make the slowest stage
 * fastest are found by dynamic programming over (stage, node), with the time to copy what crosses counted on
 * both sides. What crosses lies in host buffers of the job.
 *
 *     best[s][i] = min over j < i of max(best[s-1][j], time of nodes j .. i-1 on device s, copies included)
 */
#include "sched/route.h"

#include "sched/cut.h"

#define COPY_BYTES_PER_NS 4.0 /* a guess that holds where memory is copied by a core; cuts of maps of equal time differ by it */
#define COPY_NS           2000.0

struct plan {
    struct tf2_accelerator *accelerator;
    const struct tf2_graph *graph;
    const uint32_t *workers;
    uint32_t n_stages;
    struct tf2_shape *shapes; /* per tensor, for one request */
    double *node_ns;          /* [stage][node] on the stage's device */
    uint32_t *first;          /* [n_stages + 1]: where stages begin */
    struct tf2__cut *cuts;
    uint32_t *buffer; /* per tensor of the graph: the job's buffer, UINT32_MAX: none */
};

/* --- measuring --- */

/* Adds what every step took to its node's time; steps that stand for no node (fills, copies) to the next node's. */
static void collect(const struct tf2__instance *instance, const struct tf2_graph *graph, uint64_t n_runs, double *node_ns)
{
    const struct tf2__plan *plan = tf2__instance_plan(instance);
    double waiting_ns = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        struct tf2_step_info info;
        tf2__instance_step_info(instance, i, &info);
        waiting_ns += (double)info.total_ns / (double)n_runs;
        if (!plan->steps[i].node)
            continue;
        last = (uint32_t)(plan->steps[i].node - graph->nodes);
        node_ns[last] += waiting_ns;
        waiting_ns = 0;
    }
    node_ns[last] += waiting_ns;
}

static enum tf2_status
measure_device(const struct plan *p, uint32_t worker, double *node_ns, struct tf2_error *error)
{
    static const uint64_t n_runs = 3;
    struct tf2__device *device = p->accelerator->engine->workers[worker].device;
    size_t budget_bytes;
    TF2__TRY(tf2__budget_left(p->accelerator, &worker, 1, &budget_bytes, error));
    const struct tf2__instance_options options = {
        .input_shapes = p->accelerator->input_shapes,
        .pixels = p->accelerator->pixels ? &p->accelerator->model->preprocess : NULL,
        .weight_budget_bytes = budget_bytes,
        .profile = true};
    struct tf2__instance *instance = NULL;
    TF2__TRY(tf2__load_enter(p->accelerator, (uint64_t)1 << worker, NULL, error));
    TF2__TRY(tf2__instance_create(p->graph, &device, NULL, 1, &options, NULL, &instance, error));
    enum tf2_status status = TF2_OK;
    for (uint64_t i = 0; i < n_runs && status == TF2_OK; i++)
        status = tf2__instance_run(instance, 0, error);
    if (status == TF2_OK)
        collect(instance, p->graph, n_runs, node_ns);
    tf2__instance_destroy(&instance);
    tf2__load_leave(p->accelerator);
    return status;
}

/* Devices of the same driver's name are of one kind. */
static bool same_kind(const struct tf2__device *a, const struct tf2__device *b)
{
    return a->ops == b->ops && strcmp(a->info.name, b->info.name) == 0 && strcmp(a->info.driver, b->info.driver) == 0;
}

static enum tf2_status measure_nodes(struct plan *p, struct tf2_error *error)
{
    const struct tf2_engine *engine = p->accelerator->engine;
    const uint32_t n_nodes = p->graph->n_nodes;
    for (uint32_t s = 0; s < p->n_stages; s++) {
        struct tf2__device *device = engine->workers[p->workers[s]].device;
        uint32_t other = 0;
        while (other < s && !same_kind(device, engine->workers[p->workers[other]].device))
            other++;
        if (other < s)
            memcpy(&p->node_ns[s * n_nodes], &p->node_ns[other * n_nodes], n_nodes * sizeof(*p->node_ns));
        else
            TF2__TRY(measure_device(p, p->workers[s], &p->node_ns[s * n_nodes], error));
    }
    return TF2_OK;
}

/* --- cutting --- */

static double copy_ns(const struct plan *p, uint32_t position)
{
    if (position == 0 || position == p->graph->n_nodes)
        return 0;
    return COPY_NS + (double)tf2__cut_bytes(p->graph, p->shapes, position) / COPY_BYTES_PER_NS;
}

/* The cuts in front of nodes first[1] .. first[n_stages - 1]. TF2_ERR_UNSUPPORTED: there are not enough places. */
static enum tf2_status balance(struct plan *p, struct tf2_error *error)
{
    const uint32_t n = p->graph->n_nodes, n_stages = p->n_stages;
    const struct tf2_env *env = &p->accelerator->engine->env;
    double *best = tf2__calloc(env, (size_t)(n_stages + 1) * (n + 1), sizeof(*best));
    uint32_t *from = tf2__calloc(env, (size_t)(n_stages + 1) * (n + 1), sizeof(*from));
    double *copies = tf2__calloc(env, n + 1, sizeof(*copies)); /* < 0: no cut here */
    if (!best || !from || !copies) {
        tf2__free(env, best);
        tf2__free(env, from);
        tf2__free(env, copies);
        return tf2__fail_memory(error, (size_t)(n_stages + 1) * (n + 1) * sizeof(*best), "cutting a graph");
    }
    for (uint32_t i = 0; i <= n; i++)
        copies[i] = i == 0 || i == n || tf2__cut_allowed(p->graph, i) ? copy_ns(p, i) : -1;
    for (uint32_t i = 1; i <= n; i++)
        best[i] = INFINITY; /* no stages, but nodes */
    for (uint32_t s = 1; s <= n_stages; s++) {
        const double *ns = &p->node_ns[(s - 1) * n], *before = &best[(s - 1) * (n + 1)];
        double *now = &best[s * (n + 1)];
        for (uint32_t i = 0; i <= n; i++) {
            double sum = copies[i];
            now[i] = INFINITY;
            for (uint32_t j = i; copies[i] >= 0 && j-- > 0;) {
                sum += ns[j];
                double time = TF2__MAX(before[j], sum + TF2__MAX(copies[j], 0));
                if (copies[j] >= 0 && time < now[i]) {
                    now[i] = time;
                    from[s * (n + 1) + i] = j;
                }
            }
        }
    }
    bool found = isfinite(best[n_stages * (n + 1) + n]);
    p->first[n_stages] = n;
    for (uint32_t s = n_stages; found && s-- > 0;)
        p->first[s] = from[(s + 1) * (n + 1) + p->first[s + 1]];
    tf2__free(env, best);
    tf2__free(env, from);
    tf2__free(env, copies);
    return found ? TF2_OK
                 : tf2__fail(
                       error, TF2_ERR_UNSUPPORTED, "a pipeline of %u stages: the network has only %u nodes to cut between",
                       n_stages, n);
}

/* --- the route --- */

static uint32_t find_graph_input(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    uint32_t i = 0;
    while (i < graph->n_inputs && graph->inputs[i] != tensor)
        i++;
    return i < graph->n_inputs ? i : UINT32_MAX;
}

/* Numbers the tensors that cross. */
static enum tf2_status make_buffers(struct plan *p, struct tf2__route *route, struct tf2_error *error)
{
    const struct tf2_env *env = &p->accelerator->engine->env;
    route->buffer_bytes = tf2__calloc(env, p->graph->n_tensors, sizeof(*route->buffer_bytes));
    if (!route->buffer_bytes)
        return tf2__fail_memory(error, p->graph->n_tensors * sizeof(size_t), "a pipeline's buffers");
    for (tf2_tensor_id t = 0; t < p->graph->n_tensors; t++)
        p->buffer[t] = UINT32_MAX;
    for (uint32_t s = 0; s < p->n_stages; s++) {
        for (uint32_t i = 0; i < p->cuts[s].n_outputs; i++) {
            tf2_tensor_id t = p->cuts[s].outputs[i];
            if (p->cuts[s].graph_output[i] != UINT32_MAX || p->buffer[t] != UINT32_MAX)
                continue;
            p->buffer[t] = route->n_buffers;
            route->buffer_bytes[route->n_buffers++] =
                (size_t)tf2_shape_count(&p->shapes[t]) * tf2_dtype_size_bytes(p->graph->tensors[t].dtype);
        }
    }
    return TF2_OK;
}

/* Where a stage's inputs come from and its outputs go. */
static enum tf2_status connect(const struct plan *p, uint32_t s, struct tf2__stage *stage, struct tf2_error *error)
{
    const struct tf2_env *env = &p->accelerator->engine->env;
    const struct tf2__cut *cut = &p->cuts[s];
    stage->inputs = tf2__calloc(env, cut->n_inputs, sizeof(*stage->inputs));
    stage->outputs = tf2__calloc(env, cut->n_outputs, sizeof(*stage->outputs));
    if (!stage->inputs || !stage->outputs)
        return tf2__fail_memory(error, cut->n_inputs * sizeof(*stage->inputs), "a stage");
    for (uint32_t i = 0; i < cut->n_inputs; i++) {
        uint32_t given = find_graph_input(p->graph, cut->inputs[i]);
        if (s > 0 && given != UINT32_MAX && p->accelerator->pixels)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "a pipeline whose later stages read the pixels of '%s'",
                p->graph->tensors[cut->inputs[i]].name);
        stage->inputs[i] = given != UINT32_MAX ? given : p->buffer[cut->inputs[i]] | TF2__IN_JOB;
    }
    for (uint32_t i = 0; i < cut->n_outputs; i++)
        stage->outputs[i] =
            cut->graph_output[i] != UINT32_MAX ? cut->graph_output[i] : p->buffer[cut->outputs[i]] | TF2__IN_JOB;
    return TF2_OK;
}

static enum tf2_status
make_stage(const struct plan *p, uint32_t s, struct tf2__route *route, struct tf2_error *error)
{
    const struct tf2__cut *cut = &p->cuts[s];
    struct tf2__stage *stage = &route->stages[s];
    const struct tf2_env *env = &p->accelerator->engine->env;
    struct tf2_shape *shapes = tf2__calloc(env, cut->n_inputs, sizeof(*shapes));
    if (!shapes)
        return tf2__fail_memory(error, cut->n_inputs * sizeof(*shapes), "shapes");
    for (uint32_t i = 0; i < cut->n_inputs; i++) {
        const struct tf2_shape *whole = &p->shapes[cut->inputs[i]];
        shapes[i] = find_graph_input(p->graph, cut->inputs[i]) != UINT32_MAX ? *whole : tf2__cut_shape(whole);
    }
    stage->graph = cut->graph;
    enum tf2_status status = tf2__stage_init(route, stage, &p->workers[s], 1, error);
    if (status == TF2_OK)
        status = connect(p, s, stage, error);
    if (status == TF2_OK)
        status = tf2__stage_prepare(p->accelerator, stage, shapes, NULL, NULL, s == 0, error);
    tf2__free(env, shapes);
    return status;
}

static enum tf2_status make_route(struct plan *p, struct tf2__route *route, struct tf2_error *error)
{
    for (uint32_t s = 0; s < p->n_stages; s++) {
        TF2__TRY(tf2__cut_make(p->graph, p->first[s], p->first[s + 1], &p->cuts[s], error));
        route->stages[s].graph = p->cuts[s].graph; /* the route's from here on */
    }
    TF2__TRY(make_buffers(p, route, error));
    for (uint32_t s = 0; s < p->n_stages; s++)
        TF2__TRY(make_stage(p, s, route, error));
    return tf2__route_jobs(route, 2 * p->n_stages, error);
}

enum tf2_status
tf2__pipeline_make(struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    const struct tf2_graph *graph = accelerator->model->graph;
    struct plan p = {.accelerator = accelerator, .graph = graph, .workers = workers, .n_stages = n};
    struct tf2__arena arena;
    struct tf2__route *route = tf2__route_add(accelerator, 0, n);
    tf2__arena_init(&arena, &accelerator->engine->env);
    p.shapes = tf2__arena_alloc(&arena, graph->n_tensors, sizeof(*p.shapes));
    p.node_ns = tf2__arena_alloc(&arena, (size_t)n * graph->n_nodes, sizeof(*p.node_ns));
    p.first = tf2__arena_alloc(&arena, n + 1, sizeof(*p.first));
    p.cuts = tf2__arena_alloc(&arena, n, sizeof(*p.cuts));
    p.buffer = tf2__arena_alloc(&arena, graph->n_tensors, sizeof(*p.buffer));
    enum tf2_status status = TF2_OK;
    if (!route || !p.shapes || !p.node_ns || !p.first || !p.cuts || !p.buffer)
        status = tf2__fail_memory(error, graph->n_tensors * sizeof(*p.shapes), "a pipeline");
    if (status == TF2_OK)
        status = tf2__graph_infer(graph, accelerator->input_shapes, p.shapes, error);
    if (status == TF2_OK)
        status = measure_nodes(&p, error);
    if (status == TF2_OK)
        status = balance(&p, error);
    if (status == TF2_OK)
        status = make_route(&p, route, error);
    tf2__arena_finish(&arena);
    return status;
}
