/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accelerator.c: models in an engine: loading, names, the end.
 *
 * An accelerator is counted: handles, requests, jobs and calls under way keep it. It is made without the lock, in a thread of
 * its own (load.c), so requests to others go on, and appears in the engine's list when it is complete.
 */
#include "sched/internal.h"

#include "runtime/shapes.h"

void tf2_load_options_defaults(struct tf2_load_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static const char *const placement_names[] = {"auto", "replicate", "pipeline", "split"};

const char *tf2_placement_name(enum tf2_placement placement)
{
    return (unsigned)placement < TF2__COUNT(placement_names) ? placement_names[placement] : "invalid";
}

bool tf2_placement_parse(const char *name, enum tf2_placement *placement)
{
    for (size_t i = 0; name && placement && i < TF2__COUNT(placement_names); i++) {
        if (strcmp(name, placement_names[i]) == 0) {
            *placement = (enum tf2_placement)i;
            return true;
        }
    }
    return false;
}

/* --- the end --- */

static void free_accelerator(struct tf2_accelerator *accelerator)
{
    struct tf2_env env = accelerator->engine->env;
    tf2__routes_free(accelerator);
    tf2_model_destroy(&accelerator->model);
    tf2__free(&env, accelerator->inputs);
    tf2__free(&env, accelerator->outputs);
    tf2__free(&env, accelerator->input_shapes);
    tf2__free(&env, accelerator->taken_bytes);
    tf2__free(&env, accelerator->name);
    tf2__free(&env, accelerator);
}

static void free_flows(struct tf2_accelerator *accelerator)
{
    struct tf2_engine *engine = accelerator->engine;
    TF2__LIST_EACH_SAFE(flow, &engine->flows, struct tf2__flow, of_engine)
    {
        if (flow->accelerator != accelerator)
            continue;
        tf2__list_remove(&flow->of_engine);
        tf2__list_remove(&flow->of_client);
        tf2__free(&engine->env, flow);
    }
}

void tf2__accelerator_unref(struct tf2_accelerator *accelerator)
{
    struct tf2_engine *engine = accelerator->engine;
    if (--accelerator->n_refs > 0)
        return;
    free_flows(accelerator);
    if (accelerator->linked)
        tf2__list_remove(&accelerator->link);
    tf2__unlock(engine);
    free_accelerator(accelerator);
    tf2__lock(engine);
    engine->n_refs--; /* never the last one: whoever calls has another */
}

void tf2_accelerator_close(struct tf2_accelerator **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2_accelerator *accelerator = *handle;
    struct tf2_engine *engine = accelerator->engine;
    *handle = NULL;
    tf2__lock(engine);
    engine->n_refs++;
    accelerator->n_handles--;
    tf2__accelerator_unref(accelerator);
    tf2__engine_unref_unlock(engine);
}

/* --- loading --- */

static enum tf2_status check_options(
    const struct tf2_engine *engine, const struct tf2_load_options *options, struct tf2_error *error)
{
    uint64_t seen = 0;
    if ((unsigned)options->placement >= TF2__COUNT(placement_names) ||
        (unsigned)options->objective > TF2_OBJECTIVE_LATENCY)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "load: no placement has number %d, or no objective %d",
            (int)options->placement, (int)options->objective);
    if (options->n_batch_sizes > TF2_MAX_BATCH_SIZES)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "load: %zu batch sizes, at most %d", options->n_batch_sizes,
            TF2_MAX_BATCH_SIZES);
    for (size_t i = 0; i < options->n_batch_sizes; i++) {
        if (options->batch_sizes[i] < 1 || (i && options->batch_sizes[i] <= options->batch_sizes[i - 1]))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT, "load: batch size %zu is %u, wanted ascending numbers from 1 on",
                i, options->batch_sizes[i]);
    }
    if (options->n_devices && !options->devices)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "load: devices is NULL, n_devices is not 0");
    for (size_t i = 0; i < options->n_devices; i++) {
        size_t device = options->devices[i];
        if (device >= engine->n_workers || (seen >> device & 1))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT, "load: device number %zu is not there or occurs twice (there are %u)",
                device, engine->n_workers);
        seen |= (uint64_t)1 << device;
    }
    return TF2_OK;
}

static enum tf2_status init(
    struct tf2_accelerator *accelerator, const struct tf2_load_options *options, struct tf2_error *error)
{
    const struct tf2_graph *graph = accelerator->model->graph;
    const struct tf2_env *env = &accelerator->engine->env;
    accelerator->name = tf2__strdup(env, options->name ? options->name : accelerator->model->name);
    accelerator->input_shapes = tf2__calloc(env, graph->n_inputs, sizeof(*accelerator->input_shapes));
    accelerator->inputs = tf2__calloc(env, graph->n_inputs, sizeof(*accelerator->inputs));
    accelerator->outputs = tf2__calloc(env, graph->n_outputs, sizeof(*accelerator->outputs));
    accelerator->taken_bytes = tf2__calloc(env, accelerator->engine->n_workers, sizeof(*accelerator->taken_bytes));
    if (!accelerator->name || !accelerator->input_shapes || !accelerator->inputs || !accelerator->outputs ||
        !accelerator->taken_bytes)
        return tf2__fail_memory(error, sizeof(*accelerator), "an accelerator");
    accelerator->n_inputs = graph->n_inputs;
    accelerator->n_outputs = graph->n_outputs;
    accelerator->pixels = options->pixels;
    accelerator->profile = options->profile;
    accelerator->placement = options->placement;
    accelerator->max_delay_ns = options->max_delay_ns;
    accelerator->weight_budget_bytes = options->weight_budget_bytes;
    accelerator->batch_sizes[accelerator->n_batch_sizes++] = 1;
    for (size_t i = 0; i < options->n_batch_sizes; i++) {
        if (options->batch_sizes[i] > 1)
            accelerator->batch_sizes[accelerator->n_batch_sizes++] = options->batch_sizes[i];
    }
    return tf2__input_shapes(
        graph, options->input_shapes, options->n_input_shapes,
        options->batch == 0 && accelerator->n_batch_sizes > 1 ? 1 : options->batch, accelerator->input_shapes, error);
}

/* A plan for one request on the first device tells what requests look like. */
static enum tf2_status
describe_requests(struct tf2_accelerator *accelerator, struct tf2__device *device, struct tf2_error *error)
{
    const struct tf2__plan_options options = {
        .input_shapes = accelerator->input_shapes,
        .pixels = accelerator->pixels ? &accelerator->model->preprocess : NULL,
        .n_parts = 1};
    struct tf2__plan *plan = NULL;
    TF2__TRY(tf2__plan_create(accelerator->model->graph, &options, device, &plan, error));
    for (uint32_t i = 0; i < accelerator->n_inputs; i++)
        tf2__plan_input_info(plan, i, &accelerator->inputs[i]);
    for (uint32_t i = 0; i < accelerator->n_outputs; i++)
        tf2__plan_output_info(plan, i, &accelerator->outputs[i]);
    tf2__plan_destroy(&plan);
    return TF2_OK;
}

enum tf2_status tf2__accelerator_fill(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n_workers,
    struct tf2_error *error)
{
    TF2__TRY(tf2__load_enter(accelerator, (uint64_t)1 << workers[0], NULL, error));
    TF2__TRY(describe_requests(accelerator, accelerator->engine->workers[workers[0]].device, error));
    tf2__load_leave(accelerator);
    return tf2__routes_make(accelerator, objective, workers, n_workers, error);
}

/* Nothing but what does not call devices. */
static enum tf2_status create(
    struct tf2_engine *engine, const struct tf2_model *model, const struct tf2_load_options *options,
    struct tf2_accelerator **out, struct tf2_error *error)
{
    struct tf2_accelerator *accelerator = tf2__calloc(&engine->env, 1, sizeof(*accelerator));
    if (!accelerator)
        return tf2__fail_memory(error, sizeof(*accelerator), "an accelerator");
    accelerator->engine = engine;
    accelerator->model = tf2__model_ref(model);
    accelerator->n_refs = accelerator->n_handles = 1;
    tf2__lock(engine);
    engine->n_refs++;
    bool stopping = engine->stopping;
    tf2__unlock(engine);
    enum tf2_status status = stopping ? tf2__fail(error, TF2_ERR_INVALID_STATE, "load: the engine was destroyed")
                                      : init(accelerator, options, error);
    if (status != TF2_OK)
        tf2_accelerator_close(&accelerator);
    *out = accelerator;
    return status;
}

/* Those that were asked for and do not hang. The lock is not held. */
static uint32_t choose_workers(
    struct tf2_engine *engine, const struct tf2_load_options *options, uint64_t without, uint32_t *workers)
{
    uint32_t n = 0;
    tf2__lock(engine);
    for (size_t i = 0; i < (options->n_devices ? options->n_devices : engine->n_workers); i++) {
        uint32_t index = (uint32_t)(options->n_devices ? options->devices[i] : i);
        if (!(without >> index & 1) && engine->workers[index].state != TF2_DEVICE_HUNG)
            workers[n++] = index;
    }
    tf2__unlock(engine);
    return n;
}

static enum tf2_status no_device(const struct tf2_engine *engine, uint64_t hung, struct tf2_error *error)
{
    if (!hung)
        return tf2__fail(error, TF2_ERR_NO_DEVICE, "all of its devices hang");
    return tf2__fail(
        error, TF2_ERR_TIMEOUT, "none of its devices returned from a call within %.3f s",
        (double)engine->options.load_watchdog_ns * 1e-9);
}

/* Again and again, without the devices that hung. */
static enum tf2_status load_somewhere(
    struct tf2_engine *engine, const struct tf2_model *model, const struct tf2_load_options *options,
    struct tf2_accelerator **out, struct tf2_error *error)
{
    uint32_t workers[64], n_workers;
    uint64_t all_hung = 0, hung;
    while ((n_workers = choose_workers(engine, options, all_hung, workers)) > 0) {
        struct tf2_accelerator *accelerator = NULL;
        TF2__TRY(create(engine, model, options, &accelerator, error));
        enum tf2_status status = tf2__load_run(accelerator, options->objective, workers, n_workers, &hung, error);
        all_hung |= hung;
        if (hung)
            continue;
        if (status != TF2_OK)
            tf2_accelerator_close(&accelerator);
        *out = accelerator;
        return status;
    }
    return no_device(engine, all_hung, error);
}

enum tf2_status tf2_accelerator_load(
    struct tf2_engine *engine, const struct tf2_model *model, const struct tf2_load_options *options,
    struct tf2_accelerator **out, struct tf2_error *error)
{
    static const struct tf2_load_options defaults = {0};
    struct tf2_accelerator *accelerator = NULL;
    options = options ? options : &defaults;
    if (!engine || !model || !out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "load: engine, model or result is NULL");
    TF2__TRY(check_options(engine, options, error));
    if (tf2__engine_is_worker(engine))
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "load: not from a callback");
    enum tf2_status status = load_somewhere(engine, model, options, &accelerator, error);
    if (status != TF2_OK)
        return tf2__fail_prefix(error, status, "%s", options->name ? options->name : model->name);
    tf2__lock(engine);
    tf2__list_append(&engine->accelerators, &accelerator->link);
    accelerator->linked = true;
    tf2__accelerators_note_health(engine);
    tf2__unlock(engine);
    *out = accelerator;
    return TF2_OK;
}

/* --- what it takes and gives --- */

enum tf2_status
tf2_accelerator_input(const struct tf2_accelerator *accelerator, size_t index, struct tf2_tensor_info *info)
{
    if (!accelerator || !info || index >= accelerator->n_inputs)
        return TF2_ERR_INVALID_ARGUMENT;
    *info = accelerator->inputs[index];
    return TF2_OK;
}

enum tf2_status
tf2_accelerator_output(const struct tf2_accelerator *accelerator, size_t index, struct tf2_tensor_info *info)
{
    if (!accelerator || !info || index >= accelerator->n_outputs)
        return TF2_ERR_INVALID_ARGUMENT;
    *info = accelerator->outputs[index];
    return TF2_OK;
}
