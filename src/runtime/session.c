/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c: an instance on one device behind the public calls, which check their arguments.
 */
#include <tf2/session.h>

#include "runtime/devices.h"
#include "runtime/instance.h"
#include "runtime/shapes.h"
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

static enum tf2_status make_instance(
    struct tf2_session *session, const struct tf2_model *model, struct tf2__device *device,
    const struct tf2_session_options *options, struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    struct tf2_shape *shapes = tf2__calloc(&session->env, graph->n_inputs, sizeof(*shapes));
    if (!shapes)
        return tf2__fail_memory(error, graph->n_inputs * sizeof(*shapes), "input shapes");
    enum tf2_status status = tf2__input_shapes(
        graph, options->input_shapes, options->n_input_shapes, options->batch, shapes, error);
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
    tf2__plan_input_info(session->plan, (uint32_t)index, info);
    return TF2_OK;
}

enum tf2_status
tf2_session_output(const struct tf2_session *session, size_t index, struct tf2_tensor_info *info)
{
    if (!session || !info || index >= session->plan->graph->n_outputs)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__plan_output_info(session->plan, (uint32_t)index, info);
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
        if (!tf2__instance_lend(session->instance, i, inputs[i]))
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
    if (!session || !info || index >= session->plan->n_steps)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__instance_step_info(session->instance, (uint32_t)index, info);
    return TF2_OK;
}
