/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c: the ways of requests through devices.
 *
 *     replicate   one route for each device                     tier 0
 *     split       one route, its only stage has all devices     tier 0; replicas, whose weights it shares, tier 1
 *     pipeline    one route of as many stages as devices        tier 0
 *
 * A route of a higher tier is taken while none of a lower one is healthy. Every stage of one device runs once on made-up
 * inputs: what comes out is kept for later checks of the device, and the time for the first charges.
 */
#include "sched/route.h"

/* --- memory --- */

static void free_values(const struct tf2_env *env, void **values, uint32_t n)
{
    for (uint32_t i = 0; values && i < n; i++)
        tf2__free(env, values[i]);
    tf2__free(env, values);
}

static void free_stage(const struct tf2_env *env, struct tf2__stage *stage)
{
    for (size_t i = TF2__COUNT(stage->instances); i-- > 0;)
        tf2__instance_destroy(&stage->instances[i]);
    free_values(env, stage->check_inputs, stage->n_inputs);
    free_values(env, stage->check_outputs, stage->n_outputs);
    tf2_graph_destroy(&stage->graph);
    tf2__free(env, stage->workers);
    tf2__free(env, stage->inputs);
    tf2__free(env, stage->outputs);
}

static void free_route(const struct tf2_env *env, struct tf2__route *route)
{
    for (uint32_t i = 0; route->jobs && i < route->max_jobs; i++) {
        free_values(env, route->jobs[i].buffers, route->n_buffers);
        tf2__free(env, route->jobs[i].requests);
    }
    for (uint32_t i = 0; route->stages && i < route->n_stages; i++)
        free_stage(env, &route->stages[i]);
    tf2__free(env, route->jobs);
    tf2__free(env, route->stages);
    tf2__free(env, route->buffer_bytes);
}

void tf2__routes_free(struct tf2_accelerator *accelerator)
{
    const struct tf2_env *env = &accelerator->engine->env;
    /* Backwards: later routes use packed weights of the first one. */
    for (uint32_t i = accelerator->routes ? accelerator->n_routes : 0; i-- > 0;)
        free_route(env, &accelerator->routes[i]);
    tf2__free(env, accelerator->routes);
    accelerator->routes = NULL;
    accelerator->n_routes = 0;
}

enum tf2_status tf2__route_jobs(struct tf2__route *route, uint32_t max_jobs, struct tf2_error *error)
{
    struct tf2_accelerator *accelerator = route->accelerator;
    const struct tf2_env *env = &accelerator->engine->env;
    const uint32_t most = accelerator->batch_sizes[accelerator->n_batch_sizes - 1];
    route->jobs = tf2__calloc(env, max_jobs, sizeof(*route->jobs));
    if (!route->jobs)
        return tf2__fail_memory(error, max_jobs * sizeof(*route->jobs), "jobs");
    route->max_jobs = max_jobs;
    for (uint32_t i = 0; i < max_jobs; i++) {
        struct tf2__job *job = &route->jobs[i];
        job->accelerator = accelerator;
        job->requests = tf2__calloc(env, most, sizeof(*job->requests));
        job->buffers = tf2__calloc(env, route->n_buffers, sizeof(*job->buffers));
        if (!job->requests || !job->buffers)
            return tf2__fail_memory(error, most * sizeof(*job->requests), "a job");
        for (uint32_t k = 0; k < route->n_buffers; k++) {
            job->buffers[k] = tf2__alloc(env, route->buffer_bytes[k] * most);
            if (!job->buffers[k])
                return tf2__fail_memory(error, route->buffer_bytes[k] * most, "a pipeline's buffer");
        }
        tf2__list_append(&route->idle_jobs, &job->link);
    }
    return TF2_OK;
}

/* --- stages --- */

enum tf2_status tf2__stage_init(
    struct tf2__route *route, struct tf2__stage *stage, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    stage->n_parts = n;
    stage->workers = tf2__calloc(&route->accelerator->engine->env, n, sizeof(*stage->workers));
    if (!stage->workers)
        return tf2__fail_memory(error, n * sizeof(*stage->workers), "a stage");
    for (uint32_t i = 0; i < n; i++) {
        stage->workers[i] = workers[i];
        route->workers |= (uint64_t)1 << workers[i];
    }
    return TF2_OK;
}

/* What was asked for, else the memory of the smallest device that has its own; 0: no limit. */
static size_t weight_budget(const struct tf2_accelerator *accelerator, const struct tf2__stage *stage)
{
    uint64_t least = UINT64_MAX;
    if (accelerator->weight_budget_bytes)
        return accelerator->weight_budget_bytes;
    for (uint32_t i = 0; i < stage->n_parts; i++) {
        const struct tf2__device *device = accelerator->engine->workers[stage->workers[i]].device;
        if (!device->memory && device->info.memory_bytes)
            least = TF2__MIN(least, device->info.memory_bytes);
    }
    return least == UINT64_MAX ? 0 : (size_t)least;
}

/* The instances of a stage, one for each batch size. shapes: of its graph's inputs, for one request. */
static enum tf2_status make_instances(
    const struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2_shape *shapes,
    const double *shares, const struct tf2__stage *like, bool takes_pixels, struct tf2_error *error)
{
    const struct tf2_engine *engine = accelerator->engine;
    const struct tf2_graph *graph = stage->graph ? stage->graph : accelerator->model->graph;
    const size_t budget_bytes = weight_budget(accelerator, stage);
    struct tf2__device *devices[64];
    struct tf2_shape *batched = tf2__calloc(&engine->env, graph->n_inputs, sizeof(*batched));
    if (!batched)
        return tf2__fail_memory(error, graph->n_inputs * sizeof(*batched), "shapes");
    for (uint32_t i = 0; i < stage->n_parts; i++)
        devices[i] = engine->workers[stage->workers[i]].device;
    enum tf2_status status = TF2_OK;
    for (uint32_t k = 0; k < accelerator->n_batch_sizes && status == TF2_OK; k++) {
        memcpy(batched, shapes, graph->n_inputs * sizeof(*batched));
        for (uint32_t i = 0; k > 0 && i < graph->n_inputs; i++) {
            if (batched[i].n_dims > 0)
                batched[i].dim[0] = accelerator->batch_sizes[k];
        }
        const struct tf2__instance_options options = {
            .input_shapes = batched,
            .pixels = accelerator->pixels && takes_pixels ? &accelerator->model->preprocess : NULL,
            .weight_budget_bytes = budget_bytes,
            .profile = accelerator->profile};
        status = tf2__instance_create(
            graph, devices, shares, stage->n_parts, &options, like ? like->instances[k] : NULL, &stage->instances[k],
            error);
    }
    tf2__free(&engine->env, batched);
    stage->n_inputs = graph->n_inputs;
    stage->n_outputs = graph->n_outputs;
    return status;
}

/* Every input and output of a batch has the batch on its first axis, as many times what one request has. */
static enum tf2_status
check_batches(const struct tf2_accelerator *accelerator, const struct tf2__stage *stage, struct tf2_error *error)
{
    const struct tf2__plan *one = tf2__instance_plan(stage->instances[0]);
    for (uint32_t k = 1; k < accelerator->n_batch_sizes; k++) {
        const struct tf2__plan *batch = tf2__instance_plan(stage->instances[k]);
        for (uint32_t i = 0; i < stage->n_inputs + stage->n_outputs; i++) {
            bool in = i < stage->n_inputs;
            uint32_t t1 = in ? one->inputs[i] : one->outputs[i - stage->n_inputs];
            uint32_t tn = in ? batch->inputs[i] : batch->outputs[i - stage->n_inputs];
            const struct tf2_shape *a = &one->tensors[t1].shape, *b = &batch->tensors[tn].shape;
            if (a->n_dims == 0 || a->dim[0] != 1 || b->dim[0] != accelerator->batch_sizes[k] ||
                tf2_shape_count(b) != tf2_shape_count(a) * accelerator->batch_sizes[k])
                return tf2__fail(
                    error, TF2_ERR_UNSUPPORTED, "'%s' has no batch axis of one item per request: load it without batch sizes",
                    one->tensors[t1].name);
        }
    }
    return TF2_OK;
}

/* --- checks --- */

/* Pseudo-random numbers of moderate size: bytes for pixels, else floats within -1 ... 1. */
static void fill_values(const struct tf2__plan_tensor *tensor, void *data, uint64_t seed)
{
    int64_t n = tf2_shape_count(&tensor->shape);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
        if (tensor->dtype == TF2_DTYPE_F32)
            ((float *)data)[i] = (float)((double)(seed >> 40) / (1 << 23) - 1);
        else
            ((uint8_t *)data)[i] = (uint8_t)(seed >> 56);
    }
}

static void **alloc_values(
    const struct tf2_env *env, const struct tf2__plan *plan, const uint32_t *tensors, uint32_t n, size_t copies)
{
    void **values = tf2__calloc(env, n, sizeof(*values));
    for (uint32_t i = 0; values && i < n; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[tensors[i]];
        values[i] = tf2__alloc(env, copies * (size_t)tf2_shape_count(&t->shape) * tf2_dtype_size_bytes(t->dtype));
        if (!values[i]) {
            free_values(env, values, n);
            return NULL;
        }
    }
    return values;
}

/* Notes what the stage gives for made-up inputs. */
static enum tf2_status
make_check(const struct tf2_accelerator *accelerator, struct tf2__stage *stage, struct tf2_error *error)
{
    const struct tf2_env *env = &accelerator->engine->env;
    const struct tf2__plan *plan = tf2__instance_plan(stage->instances[0]);
    stage->check_inputs = alloc_values(env, plan, plan->inputs, stage->n_inputs, 1);
    stage->check_outputs = alloc_values(env, plan, plan->outputs, stage->n_outputs, 2); /* noted, and found later */
    if (!stage->check_inputs || !stage->check_outputs)
        return tf2__fail_memory(error, (size_t)plan->arena_bytes, "a device's check");
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        fill_values(&plan->tensors[plan->inputs[i]], stage->check_inputs[i], i + 1);
    uint64_t start_ns = tf2__clock_ns();
    TF2__TRY(tf2__stage_check(stage, true, error));
    stage->check_ns = (double)(tf2__clock_ns() - start_ns);
    return TF2_OK;
}

enum tf2_status tf2__stage_prepare(
    const struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2_shape *shapes,
    const double *shares, const struct tf2__stage *like, bool takes_pixels, struct tf2_error *error)
{
    TF2__TRY(make_instances(accelerator, stage, shapes, shares, like, takes_pixels, error));
    TF2__TRY(check_batches(accelerator, stage, error));
    return stage->n_parts == 1 ? make_check(accelerator, stage, error) : TF2_OK;
}

/* --- times --- */

/* One part of a split, in a thread of its own. */
struct part_run {
    struct tf2__instance *instance;
    uint32_t part;
    enum tf2_status status;
};

static void *run_part(void *user)
{
    struct part_run *run = user;
    run->status = tf2__instance_run(run->instance, run->part, NULL);
    return NULL;
}

/* Runs all parts of an instance at once; false: one failed, or a thread could not be started. */
static bool run_parts(struct tf2__instance *instance, uint32_t n_parts)
{
    struct part_run runs[64];
    pthread_t threads[64];
    uint32_t n = 1;
    runs[0] = (struct part_run){instance, 0, TF2_OK};
    for (; n < n_parts; n++) {
        runs[n] = (struct part_run){instance, n, TF2_OK};
        if (pthread_create(&threads[n], NULL, run_part, &runs[n]) != 0)
            break;
    }
    if (n < n_parts) /* the started ones wait for those that never come */
        tf2__instance_abort(instance);
    else
        run_part(&runs[0]);
    bool ok = n == n_parts;
    for (uint32_t i = 1; i < n; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < n; i++)
        ok &= runs[i].status == TF2_OK;
    return ok;
}

#define TIMING_RUNS 3
#define TIMING_NS   2000000 /* no further run after so long: loading should not take many times what a run does */

/* The shortest of a few runs, times the devices that they take. */
static double stage_time(const struct tf2__stage *stage, uint32_t size)
{
    uint64_t best_ns = UINT64_MAX, sum_ns = 0;
    for (int i = 0; i < TIMING_RUNS && sum_ns < TIMING_NS; i++) {
        uint64_t start_ns = tf2__clock_ns();
        if (!run_parts(stage->instances[size], stage->n_parts))
            return 0;
        uint64_t ns = tf2__clock_ns() - start_ns;
        best_ns = TF2__MIN(best_ns, ns);
        sum_ns += ns;
    }
    return (double)best_ns * stage->n_parts;
}

double tf2__route_time(const struct tf2__route *route, uint32_t size)
{
    double sum = 0;
    for (uint32_t i = 0; i < route->n_stages; i++) {
        double ns = stage_time(&route->stages[i], size);
        if (ns == 0)
            return 0;
        sum += ns;
    }
    return sum;
}

/* --- placements --- */

struct tf2__route *tf2__route_add(struct tf2_accelerator *accelerator, uint32_t tier, uint32_t n_stages)
{
    struct tf2__route *route = &accelerator->routes[accelerator->n_routes];
    route->stages = tf2__calloc(&accelerator->engine->env, n_stages, sizeof(*route->stages));
    if (!route->stages)
        return NULL;
    route->accelerator = accelerator;
    route->tier = tier;
    route->n_stages = n_stages;
    tf2__list_init(&route->idle_jobs);
    accelerator->n_routes++;
    return route;
}

/* One stage over n devices. */
static enum tf2_status add_simple(
    struct tf2_accelerator *accelerator, uint32_t tier, const uint32_t *workers, uint32_t n, const double *shares,
    const struct tf2__stage *like, struct tf2_error *error)
{
    struct tf2__route *route = tf2__route_add(accelerator, tier, 1);
    if (!route)
        return tf2__fail_memory(error, sizeof(*route->stages), "a route");
    TF2__TRY(tf2__stage_init(route, &route->stages[0], workers, n, error));
    TF2__TRY(tf2__stage_prepare(
        accelerator, &route->stages[0], accelerator->input_shapes, shares, like, true, error));
    return tf2__route_jobs(route, 1, error);
}

static enum tf2_status add_replicas(
    struct tf2_accelerator *accelerator, uint32_t tier, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct tf2__stage *like = accelerator->n_routes ? &accelerator->routes[0].stages[0] : NULL;
        TF2__TRY(add_simple(accelerator, tier, &workers[i], 1, NULL, like, error));
    }
    return TF2_OK;
}

/* The route that is preferred: only the last one can be of a lower tier than the first. What runs cost at first is taken
 * from the checks; a split of it is all devices together about what one alone takes. */
static void note_main_route(struct tf2_accelerator *accelerator)
{
    uint32_t last = accelerator->n_routes - 1;
    accelerator->main_route = accelerator->routes[last].tier < accelerator->routes[0].tier ? last : 0;
    const struct tf2__route *route = &accelerator->routes[accelerator->main_route];
    double ns = 0;
    for (uint32_t i = 0; i < route->n_stages; i++)
        ns += route->stages[i].n_parts == 1 ? route->stages[i].check_ns : accelerator->routes[0].stages[0].check_ns;
    for (uint32_t k = 0; k < accelerator->n_batch_sizes; k++)
        accelerator->run_ns[k] = ns * accelerator->batch_sizes[k];
}

/* The speeds of devices that split the work, from the times of the replicas. NULL: all are of one kind. */
static const double *measure_shares(const struct tf2_accelerator *accelerator, uint32_t n, double *shares)
{
    const struct tf2_engine *engine = accelerator->engine;
    bool same = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct tf2__route *route = &accelerator->routes[i];
        const struct tf2__device *device = engine->workers[route->stages[0].workers[0]].device;
        const struct tf2__device *first = engine->workers[accelerator->routes[0].stages[0].workers[0]].device;
        double ns = tf2__route_time(route, 0);
        same &= strcmp(device->info.name, first->info.name) == 0;
        if (ns == 0)
            return NULL;
        shares[i] = 1 / ns;
    }
    return same ? NULL : shares;
}

/* Replicas, which are the reserve, and before them one route over all. */
static enum tf2_status add_split(
    struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    double shares[64];
    TF2__TRY(add_replicas(accelerator, 1, workers, n, error));
    const double *measured = measure_shares(accelerator, n, shares);
    return add_simple(accelerator, 0, workers, n, measured, &accelerator->routes[0].stages[0], error);
}

/* Takes the last route, a split or pipeline, into use, or throws it away. */
static void settle_last(struct tf2_accelerator *accelerator, bool keep, enum tf2_placement placement)
{
    if (keep) {
        accelerator->placement = placement;
        return;
    }
    free_route(&accelerator->engine->env, &accelerator->routes[--accelerator->n_routes]);
    memset(&accelerator->routes[accelerator->n_routes], 0, sizeof(*accelerator->routes));
    for (uint32_t i = 0; i < accelerator->n_routes; i++)
        accelerator->routes[i].tier = 0;
}

static bool devices_share_memory(const struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n)
{
    const struct tf2__worker *all = accelerator->engine->workers;
    for (uint32_t i = 0; i < n; i++) {
        if (!all[workers[i]].device->memory || all[workers[i]].device->memory != all[workers[0]].device->memory)
            return false;
    }
    return true;
}

/* Whether replicas stream weights, which a pipeline, that has a part on each device only, may not have to. */
static bool streams(const struct tf2_accelerator *accelerator)
{
    struct tf2__instance_stats stats;
    tf2__instance_stats(accelerator->routes[0].stages[0].instances[0], &stats);
    return stats.streamed_bytes > 0;
}

/*
 * Latency: a split, when it is at least 10 % faster than one device. Throughput: replicas, or, when they have to stream
 * their weights, a pipeline, if all devices together get more done with it.
 */
static enum tf2_status choose_placement(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n,
    struct tf2_error *error)
{
    accelerator->placement = TF2_PLACEMENT_REPLICATE;
    if (objective == TF2_OBJECTIVE_LATENCY && devices_share_memory(accelerator, workers, n)) {
        TF2__TRY(add_split(accelerator, workers, n, error));
        double alone_ns = tf2__route_time(&accelerator->routes[0], 0);
        double split_ns = tf2__route_time(&accelerator->routes[n], 0) / n;
        settle_last(accelerator, split_ns > 0 && split_ns < 0.9 * alone_ns, TF2_PLACEMENT_SPLIT);
        return TF2_OK;
    }
    TF2__TRY(add_replicas(accelerator, 0, workers, n, error));
    if (objective != TF2_OBJECTIVE_THROUGHPUT || !streams(accelerator))
        return TF2_OK;
    double alone_ns = tf2__route_time(&accelerator->routes[0], 0);
    if (tf2__pipeline_make(accelerator, workers, n, NULL) != TF2_OK) {
        settle_last(accelerator, false, TF2_PLACEMENT_PIPELINE);
        return TF2_OK;
    }
    double pipeline_ns = tf2__route_time(&accelerator->routes[n], 0);
    for (uint32_t i = 0; i < n; i++)
        accelerator->routes[i].tier = 1;
    settle_last(accelerator, pipeline_ns > 0 && pipeline_ns < alone_ns, TF2_PLACEMENT_PIPELINE);
    return TF2_OK;
}

enum tf2_status tf2__routes_make(
    struct tf2_accelerator *accelerator, const struct tf2_load_options *options, const uint32_t *workers,
    uint32_t n_workers, struct tf2_error *error)
{
    enum tf2_status status;
    accelerator->routes = tf2__calloc(&accelerator->engine->env, n_workers + 1, sizeof(*accelerator->routes));
    if (!accelerator->routes)
        return tf2__fail_memory(error, (n_workers + 1) * sizeof(*accelerator->routes), "routes");
    if (n_workers == 1)
        accelerator->placement = TF2_PLACEMENT_REPLICATE;
    switch (accelerator->placement) {
    case TF2_PLACEMENT_AUTO:
        status = choose_placement(accelerator, options->objective, workers, n_workers, error);
        break;
    case TF2_PLACEMENT_SPLIT:
        status = add_split(accelerator, workers, n_workers, error);
        break;
    case TF2_PLACEMENT_PIPELINE:
        status = tf2__pipeline_make(accelerator, workers, n_workers, error);
        break;
    default:
        status = add_replicas(accelerator, 0, workers, n_workers, error);
        break;
    }
    if (status == TF2_OK)
        note_main_route(accelerator);
    return status;
}
