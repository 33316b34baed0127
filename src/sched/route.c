/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c: the ways of requests through devices.
 *
 *     replicate   one route for each device                     tier 0
 *     split       one route, its only stage has all devices     tier 0; replicas, whose weights it shares, tier 1
 *     pipeline    one route of as many stages as devices        tier 0; replicas, where there is room for them, tier 1
 *
 * A route of a higher tier is taken while none of a lower one can be: a device is out of service or leased by somebody else. Every stage of one device runs once on made-up
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

static void free_stage(struct tf2_accelerator *accelerator, struct tf2__stage *stage)
{
    const struct tf2_env *env = &accelerator->engine->env;
    for (size_t i = TF2__COUNT(stage->instances); i-- > 0;)
        tf2__instance_destroy(&stage->instances[i]);
    for (uint32_t i = 0; stage->workers && stage->taken_bytes && i < stage->n_parts; i++)
        tf2__budget_give_back(accelerator, stage->workers[i], stage->taken_bytes[i]);
    free_values(env, stage->check_inputs, stage->n_inputs);
    free_values(env, stage->check_outputs, stage->n_outputs);
    tf2_graph_destroy(&stage->graph);
    tf2__free(env, stage->workers);
    tf2__free(env, stage->taken_bytes);
    tf2__free(env, stage->inputs);
    tf2__free(env, stage->outputs);
}

static void free_route(struct tf2__route *route)
{
    const struct tf2_env *env = &route->accelerator->engine->env;
    for (uint32_t i = 0; route->jobs && i < route->max_jobs; i++) {
        free_values(env, route->jobs[i].buffers, route->n_buffers);
        tf2__free(env, route->jobs[i].requests);
    }
    for (uint32_t i = 0; route->stages && i < route->n_stages; i++)
        free_stage(route->accelerator, &route->stages[i]);
    tf2__free(env, route->jobs);
    tf2__free(env, route->stages);
    tf2__free(env, route->buffer_bytes);
}

static void drop_last(struct tf2_accelerator *accelerator)
{
    struct tf2__route *route = &accelerator->routes[--accelerator->n_routes];
    free_route(route);
    memset(route, 0, sizeof(*route));
}

/* Backwards: later routes use packed weights of earlier ones. */
static void drop_routes(struct tf2_accelerator *accelerator)
{
    while (accelerator->n_routes > 0)
        drop_last(accelerator);
}

void tf2__routes_free(struct tf2_accelerator *accelerator)
{
    drop_routes(accelerator);
    tf2__free(&accelerator->engine->env, accelerator->routes);
    accelerator->routes = NULL;
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
    const struct tf2_env *env = &route->accelerator->engine->env;
    stage->workers = tf2__calloc(env, n, sizeof(*stage->workers));
    stage->taken_bytes = tf2__calloc(env, n, sizeof(*stage->taken_bytes));
    if (!stage->workers || !stage->taken_bytes)
        return tf2__fail_memory(error, n * sizeof(*stage->taken_bytes), "a stage");
    stage->is_reserve = route->tier > 0;
    for (uint32_t i = 0; i < n; i++) {
        stage->workers[i] = workers[i];
        route->workers |= (uint64_t)1 << workers[i];
    }
    return TF2_OK;
}

/* The part of what is left on the devices that the next instance may take; 0: no limit. A reserve gets half of it in all. */
static enum tf2_status instance_budget(
    const struct tf2_accelerator *accelerator, const struct tf2__stage *stage, size_t stage_bytes, uint32_t size,
    size_t *budget_bytes, struct tf2_error *error)
{
    size_t taken_bytes = 0;
    *budget_bytes = 0;
    if (stage_bytes == 0)
        return TF2_OK;
    for (uint32_t i = 0; i < stage->n_parts; i++)
        taken_bytes = TF2__MAX(taken_bytes, stage->taken_bytes[i]);
    *budget_bytes = (stage_bytes - TF2__MIN(stage_bytes, taken_bytes)) / (accelerator->n_batch_sizes - size);
    return *budget_bytes ? TF2_OK
                         : tf2__fail(
                               error, TF2_ERR_NO_MEMORY, "device %s: nothing is left for weights of a batch of %u",
                               accelerator->engine->workers[stage->workers[0]].device->info.id,
                               accelerator->batch_sizes[size]);
}

static void take_weights(struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2__instance *instance)
{
    for (uint32_t i = 0; i < stage->n_parts; i++) {
        const size_t bytes = tf2__instance_device_bytes(instance, i);
        tf2__budget_take(accelerator, stage->workers[i], bytes);
        stage->taken_bytes[i] += bytes;
    }
}

struct entering {
    const struct tf2_accelerator *accelerator;
    const struct tf2__stage *stage;
};

/* The device of this part is called next. */
static enum tf2_status enter_part(void *user, uint32_t part, struct tf2_error *error)
{
    const struct entering *e = user;
    return tf2__load_enter(e->accelerator, (uint64_t)1 << e->stage->workers[part], NULL, error);
}

/* The instance of one batch size. batched: room for its input shapes. */
static enum tf2_status make_instance(
    struct tf2_accelerator *accelerator, struct tf2__stage *stage, uint32_t size, const struct tf2_shape *shapes,
    struct tf2_shape *batched, struct tf2__instance_options *options, const double *shares,
    const struct tf2__stage *like, struct tf2_error *error)
{
    const struct tf2_graph *graph = stage->graph ? stage->graph : accelerator->model->graph;
    const struct tf2__instance *same = like ? like->instances[size] : size ? stage->instances[0] : NULL;
    struct tf2__device *devices[64];
    for (uint32_t i = 0; i < stage->n_parts; i++)
        devices[i] = accelerator->engine->workers[stage->workers[i]].device;
    memcpy(batched, shapes, graph->n_inputs * sizeof(*batched));
    for (uint32_t i = 0; size > 0 && i < graph->n_inputs; i++) {
        if (batched[i].n_dims > 0)
            batched[i].dim[0] = accelerator->batch_sizes[size];
    }
    options->input_shapes = batched;
    struct entering entering = {accelerator, stage};
    options->enter = enter_part;
    options->user = &entering;
    TF2__TRY(enter_part(&entering, 0, error));
    TF2__TRY(tf2__instance_create(
        graph, devices, shares, stage->n_parts, options, same, &stage->instances[size], error));
    tf2__load_leave(accelerator);
    take_weights(accelerator, stage, stage->instances[size]);
    return TF2_OK;
}

/* The instances of a stage, one for each batch size. shapes: of its graph's inputs, for one request. */
static enum tf2_status make_instances(
    struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2_shape *shapes,
    const double *shares, const struct tf2__stage *like, bool takes_pixels, struct tf2_error *error)
{
    const struct tf2_env *env = &accelerator->engine->env;
    const struct tf2_graph *graph = stage->graph ? stage->graph : accelerator->model->graph;
    struct tf2__instance_options options = {
        .pixels = accelerator->pixels && takes_pixels ? &accelerator->model->preprocess : NULL,
        .profile = accelerator->profile};
    size_t left_bytes;
    TF2__TRY(tf2__budget_left(accelerator, stage->workers, stage->n_parts, &left_bytes, error));
    if (stage->is_reserve)
        left_bytes -= left_bytes / 2;
    struct tf2_shape *batched = tf2__calloc(env, graph->n_inputs, sizeof(*batched));
    if (!batched)
        return tf2__fail_memory(error, graph->n_inputs * sizeof(*batched), "shapes");
    enum tf2_status status = TF2_OK;
    for (uint32_t k = 0; k < accelerator->n_batch_sizes && status == TF2_OK; k++) {
        status = instance_budget(accelerator, stage, left_bytes, k, &options.weight_budget_bytes, error);
        if (status == TF2_OK)
            status = make_instance(accelerator, stage, k, shapes, batched, &options, shares, like, error);
    }
    tf2__free(env, batched);
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
    TF2__TRY(tf2__load_enter(accelerator, (uint64_t)1 << stage->workers[0], NULL, error));
    uint64_t start_ns = tf2__clock_ns();
    TF2__TRY(tf2__stage_check(stage, true, error));
    stage->check_ns = (double)(tf2__clock_ns() - start_ns);
    tf2__load_leave(accelerator);
    return TF2_OK;
}

enum tf2_status tf2__stage_prepare(
    struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2_shape *shapes,
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
static double stage_time(const struct tf2_accelerator *accelerator, const struct tf2__stage *stage)
{
    uint64_t best_ns = UINT64_MAX, sum_ns = 0, workers = 0;
    for (uint32_t i = 0; i < stage->n_parts; i++)
        workers |= (uint64_t)1 << stage->workers[i];
    for (int i = 0; i < TIMING_RUNS && sum_ns < TIMING_NS; i++) {
        if (tf2__load_enter(accelerator, workers, stage->n_parts > 1 ? stage : NULL, NULL) != TF2_OK)
            return 0;
        uint64_t start_ns = tf2__clock_ns();
        bool ok = run_parts(stage->instances[0], stage->n_parts);
        tf2__load_leave(accelerator);
        if (!ok)
            return 0;
        uint64_t ns = tf2__clock_ns() - start_ns;
        best_ns = TF2__MIN(best_ns, ns);
        sum_ns += ns;
    }
    return (double)best_ns * stage->n_parts;
}

double tf2__route_time(const struct tf2__route *route)
{
    double sum = 0;
    for (uint32_t i = 0; i < route->n_stages; i++) {
        double ns = stage_time(route->accelerator, &route->stages[i]);
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
    const uint32_t first = accelerator->n_routes;
    enum tf2_status status = TF2_OK;
    for (uint32_t i = 0; i < n && status == TF2_OK; i++) {
        const struct tf2__stage *like = i ? &accelerator->routes[first].stages[0] : NULL;
        status = add_simple(accelerator, tier, &workers[i], 1, NULL, like, error);
        if (status != TF2_OK && accelerator->n_routes > first + i)
            drop_last(accelerator);
    }
    return status;
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
        double ns = tf2__route_time(route);
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

static bool devices_share_memory(const struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n)
{
    const struct tf2__worker *all = accelerator->engine->workers;
    for (uint32_t i = 0; i < n; i++) {
        if (!all[workers[i]].device->memory || all[workers[i]].device->memory != all[workers[0]].device->memory)
            return false;
    }
    return true;
}

static bool has_limit(const struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n)
{
    bool has = accelerator->weight_budget_bytes > 0;
    for (uint32_t i = 0; i < n; i++)
        has |= tf2__budget_limit(&accelerator->engine->workers[workers[i]]) > 0;
    return has;
}

/* Whether replicas stream weights, which a pipeline, that has a part on each device only, may not have to. */
static bool streams(const struct tf2_accelerator *accelerator)
{
    struct tf2__instance_stats stats;
    tf2__instance_stats(accelerator->routes[0].stages[0].instances[0], &stats);
    return stats.streamed_bytes > 0;
}

/* A pipeline, and replicas as its reserve where there is room for them. */
static enum tf2_status add_pipeline(
    struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    TF2__TRY(tf2__pipeline_make(accelerator, workers, n, error));
    const enum tf2_status status = add_replicas(accelerator, 1, workers, n, error);
    if (status != TF2_ERR_NO_MEMORY || !has_limit(accelerator, workers, n))
        return status;
    tf2__log(
        &accelerator->engine->env, TF2_LOG_INFO, "%s: no room for replicas beside the pipeline: %s", accelerator->name,
        error ? error->message : "");
    return TF2_OK;
}

/* Nothing but replicas after all; with the budget that the others had. */
static enum tf2_status only_replicas(
    struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    accelerator->placement = TF2_PLACEMENT_REPLICATE;
    drop_routes(accelerator);
    return add_replicas(accelerator, 0, workers, n, error);
}

/* A split, when it is at least 10 % faster than one device. */
static enum tf2_status choose_for_latency(
    struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    TF2__TRY(add_split(accelerator, workers, n, error));
    double alone_ns = tf2__route_time(&accelerator->routes[0]);
    double split_ns = tf2__route_time(&accelerator->routes[n]) / n;
    if (split_ns > 0 && split_ns < 0.9 * alone_ns) {
        accelerator->placement = TF2_PLACEMENT_SPLIT;
        return TF2_OK;
    }
    if (streams(accelerator))
        return only_replicas(accelerator, workers, n, error);
    drop_last(accelerator);
    for (uint32_t i = 0; i < n; i++)
        accelerator->routes[i].tier = 0;
    return TF2_OK;
}

/* Replicas; where they have to stream their weights, a pipeline, if all devices together get more done with it. */
static enum tf2_status choose_for_throughput(
    struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error)
{
    TF2__TRY(add_replicas(accelerator, 0, workers, n, error));
    if (!streams(accelerator))
        return TF2_OK;
    double alone_ns = tf2__route_time(&accelerator->routes[0]);
    drop_routes(accelerator);
    accelerator->placement = TF2_PLACEMENT_PIPELINE;
    if (add_pipeline(accelerator, workers, n, NULL) == TF2_OK) {
        double pipeline_ns = tf2__route_time(&accelerator->routes[0]);
        if (pipeline_ns > 0 && pipeline_ns < alone_ns)
            return TF2_OK;
    }
    return only_replicas(accelerator, workers, n, error);
}

static enum tf2_status choose_placement(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n,
    struct tf2_error *error)
{
    accelerator->placement = TF2_PLACEMENT_REPLICATE;
    if (objective == TF2_OBJECTIVE_THROUGHPUT)
        return choose_for_throughput(accelerator, workers, n, error);
    if (devices_share_memory(accelerator, workers, n))
        return choose_for_latency(accelerator, workers, n, error);
    return add_replicas(accelerator, 0, workers, n, error);
}

enum tf2_status tf2__routes_make(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers,
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
        status = choose_placement(accelerator, objective, workers, n_workers, error);
        break;
    case TF2_PLACEMENT_SPLIT:
        status = add_split(accelerator, workers, n_workers, error);
        break;
    case TF2_PLACEMENT_PIPELINE:
        status = add_pipeline(accelerator, workers, n_workers, error);
        break;
    default:
        status = add_replicas(accelerator, 0, workers, n_workers, error);
        break;
    }
    if (status == TF2_OK)
        note_main_route(accelerator);
    return status;
}
