/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c: an instance on one device behind the public calls: names become shapes, and arguments are checked.
 */
#include <tf2/session.h>

#include "runtime/devices.h"
#include "runtime/instance.h"
#include "transform/model/model.h"

struct tf2_session {
    struct tf2_env env;
    struct tf2__instance *instance;
    const struct tf2__plan *plan; /* the instance's */
};

void tf2_session_options_defaults(struct tf2_session_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static const struct tf2_shape *
find_shape(const struct tf2_session_options *options, const char *name, bool only)
{
    for (size_t i = 0; i < options->n_input_shapes; i++) {
        const struct tf2_named_shape *shape = &options->input_shapes[i];
        bool unnamed = !shape->name || !*shape->name;
        if (unnamed ? only : strcmp(shape->name, name) == 0)
            return &shape->shape;
    }
    return NULL;
}

static enum tf2_status check_shape_names(
    const struct tf2_graph *graph, const struct tf2_session_options *options, struct tf2_error *error)
{
    for (size_t i = 0; i < options->n_input_shapes; i++) {
        const char *name = options->input_shapes[i].name;
        bool found = (!name || !*name) && graph->n_inputs == 1;
        for (uint32_t k = 0; k < graph->n_inputs && name && !found; k++)
            found = strcmp(graph->tensors[graph->inputs[k]].name, name) == 0;
        if (!found)
            return tf2__fail(error, TF2_ERR_NOT_FOUND, "no input is called '%s'", name ? name : "");
    }
    return TF2_OK;
}

static enum tf2_status check_options(
    const struct tf2_graph *graph, const struct tf2_session_options *options, struct tf2_error *error)
{
    if (options->n_input_shapes && !options->input_shapes)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "session: input_shapes is NULL, n_input_shapes is not 0");
    TF2__TRY(check_shape_names(graph, options, error));
    if (options->batch < 0)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "batch %lld, wanted 1 or more", (long long)options->batch);
    return TF2_OK;
}

static enum tf2_status find_shapes(
    const struct tf2_graph *graph, const struct tf2_session_options *options, struct tf2_shape *shapes,
    struct tf2_error *error)
{
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2__tensor *tensor = &graph->tensors[graph->inputs[i]];
        const struct tf2_shape *wanted = find_shape(options, tensor->name, graph->n_inputs == 1);
        shapes[i] = wanted ? *wanted : tensor->shape;
        if (shapes[i].n_dims != tensor->shape.n_dims)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "input '%s': a shape of %u dimensions, wanted %u", tensor->name,
                shapes[i].n_dims, tensor->shape.n_dims);
        if (!wanted && options->batch && shapes[i].n_dims > 0)
            shapes[i].dim[0] = options->batch;
    }
    return TF2_OK;
}

static enum tf2_status make_instance(
    struct tf2_session *session, const struct tf2_model *model, struct tf2__device *device,
    const struct tf2_session_options *options, struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    TF2__TRY(check_options(graph, options, error));
    struct tf2_shape *shapes = tf2__calloc(&session->env, graph->n_inputs, sizeof(*shapes));
    if (!shapes)
        return tf2__fail_memory(error, graph->n_inputs * sizeof(*shapes), "input shapes");
    enum tf2_status status = find_shapes(graph, options, shapes, error);
    const struct tf2__instance_options how = {
        .input_shapes = shapes,
        .pixels = options->pixels ? &model->preprocess : NULL,
        .weight_budget_bytes = options->weight_budget_bytes,
        .profile = options->profile};
    if (status == TF2_OK)
        status = tf2__instance_create(graph, &device, NULL, 1, &how, NULL, &session->instance, error);
    tf2__free(&session->env, shapes);
    return status;
}

enum tf2_status tf2_session_create(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index,
    const struct tf2_session_options *options, struct tf2_session **out, struct tf2_error *error)
{
    struct tf2_session_options defaults;
    tf2_session_options_defaults(&defaults);
    if (!options)
        options = &defaults;
    if (!model || !devices || !out || device_index >= tf2_devices_count(devices))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "session: model, devices or result is NULL, or no device %zu",
            device_index);
    struct tf2__device *device = tf2__devices_get(devices, device_index);
    struct tf2_session *session = tf2__calloc(&device->env, 1, sizeof(*session));
    if (!session)
        return tf2__fail_memory(error, sizeof(*session), "a session");
    session->env = device->env;
    enum tf2_status status = make_instance(session, model, device, options, error);
    if (status != TF2_OK) {
        tf2_session_destroy(&session);
        return status;
    }
    session->plan = tf2__instance_plan(session->instance);
    *out = session;
    return TF2_OK;
}

void tf2_session_destroy(struct tf2_session **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2_env env = (*handle)->env;
    tf2__instance_destroy(&(*handle)->instance);
    tf2__free(&env, *handle);
    *handle = NULL;
}

enum tf2_status
tf2_session_input(const struct tf2_session *session, size_t index, struct tf2_tensor_info *info)
{
    if (!session || !info || index >= session->plan->graph->n_inputs)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2_graph *graph = session->plan->graph;
    *info = (struct tf2_tensor_info){
        .name = graph->tensors[graph->inputs[index]].name,
        .dtype = session->plan->tensors[session->plan->inputs[index]].dtype,
        .shape = session->plan->tensors[session->plan->inputs[index]].shape};
    return TF2_OK;
}

enum tf2_status
tf2_session_output(const struct tf2_session *session, size_t index, struct tf2_tensor_info *info)
{
    if (!session || !info || index >= session->plan->graph->n_outputs)
        return TF2_ERR_INVALID_ARGUMENT;
    *info = (struct tf2_tensor_info){
        .name = session->plan->graph->outputs[index].name,
        .dtype = session->plan->tensors[session->plan->outputs[index]].dtype,
        .shape = session->plan->tensors[session->plan->outputs[index]].shape};
    return TF2_OK;
}

enum tf2_status tf2_session_run(
    struct tf2_session *session, const void *const *inputs, void *const *outputs, struct tf2_error *error)
{
    if (!session || !inputs || !outputs)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "run: session, inputs or outputs is NULL");
    for (uint32_t i = 0; i < session->plan->graph->n_inputs; i++) {
        if (!inputs[i])
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "run: input %u is NULL", i);
        TF2__TRY(tf2__instance_write(session->instance, i, -1, inputs[i], error));
    }
    TF2__TRY(tf2__instance_run(session->instance, 0, error));
    for (uint32_t i = 0; i < session->plan->graph->n_outputs; i++) {
        if (outputs[i])
            TF2__TRY(tf2__instance_read(session->instance, i, -1, outputs[i], error));
    }
    return TF2_OK;
}

void tf2_session_stats(const struct tf2_session *session, struct tf2_session_stats *stats)
{
    struct tf2__instance_stats of_instance;
    if (!session || !stats)
        return;
    tf2__instance_stats(session->instance, &of_instance);
    *stats = (struct tf2_session_stats){
        .n_runs = of_instance.n_runs,
        .macs = of_instance.macs,
        .weights_bytes = of_instance.weights_bytes,
        .arena_bytes = of_instance.arena_bytes,
        .live_bytes = of_instance.live_bytes,
        .n_steps = session->plan->n_steps,
        .streamed_bytes = of_instance.streamed_bytes,
        .transfer_ns = of_instance.transfer_ns,
        .stall_ns = of_instance.stall_ns};
}

enum tf2_status tf2_session_step(const struct tf2_session *session, size_t index, struct tf2_step_info *info)
{
    static const char *const kinds[] = {"", "copy", "fill", "pixels"};
    if (!session || !info || index >= session->plan->n_steps)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2__step *step = &session->plan->steps[index];
    struct tf2__instance_stats stats;
    tf2__instance_stats(session->instance, &stats);
    *info = (struct tf2_step_info){
        .name = step->name,
        .op = step->node ? step->node->op->name : kinds[step->kind],
        .kernel = step->kernel ? step->kernel : "",
        .macs = step->macs,
        .total_ns = tf2__instance_step_ns(session->instance, (uint32_t)index),
        .n_runs = stats.n_runs};
    return TF2_OK;
}
