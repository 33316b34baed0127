/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c: a plan, its executable and one run state on one device, behind the public calls.
 */
#include <tf2/session.h>

#include "runtime/device.h"
#include "runtime/devices.h"
#include "transform/ir/layout.h"
#include "transform/model/model.h"

struct tf2_session {
    struct tf2_env env;
    struct tf2__device *device;
    struct tf2__plan *plan;
    struct tf2__executable *executable;
    struct tf2__run_state *state;
    uint64_t n_runs;
    uint64_t *step_ns; /* NULL: no profiling */
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

static enum tf2_status make_plan(
    struct tf2_session *session, const struct tf2_model *model, const struct tf2_session_options *options,
    struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    if (options->n_input_shapes && !options->input_shapes)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "session: input_shapes is NULL, n_input_shapes is not 0");
    TF2__TRY(check_shape_names(graph, options, error));
    if (options->batch < 0)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "batch %lld, wanted 1 or more", (long long)options->batch);
    struct tf2_shape *shapes = tf2__calloc(&session->env, graph->n_inputs, sizeof(*shapes));
    if (!shapes)
        return tf2__fail_memory(error, graph->n_inputs * sizeof(*shapes), "input shapes");
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2__tensor *tensor = &graph->tensors[graph->inputs[i]];
        const struct tf2_shape *wanted = find_shape(options, tensor->name, graph->n_inputs == 1);
        shapes[i] = wanted ? *wanted : tensor->shape;
        if (shapes[i].n_dims != tensor->shape.n_dims) {
            tf2__fail(
                error, TF2_ERR_SHAPE, "input '%s': a shape of %u dimensions, wanted %u", tensor->name,
                shapes[i].n_dims, tensor->shape.n_dims);
            tf2__free(&session->env, shapes);
            return TF2_ERR_SHAPE;
        }
        if (!wanted && options->batch && shapes[i].n_dims > 0)
            shapes[i].dim[0] = options->batch;
    }
    enum tf2_status status = tf2__plan_create(
        model->graph, shapes, options->pixels ? &model->preprocess : NULL, session->device, &session->plan, error);
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
    session->device = device;

    enum tf2_status status = make_plan(session, model, options, error);
    if (status == TF2_OK)
        status = device->ops->compile(device, session->plan, &session->executable, error);
    if (status == TF2_OK)
        status = device->ops->open(device, session->executable, &session->state, error);
    if (status == TF2_OK && options->profile) {
        session->step_ns = tf2__calloc(&session->env, session->plan->n_steps, sizeof(*session->step_ns));
        if (!session->step_ns)
            status = tf2__fail_memory(error, session->plan->n_steps * sizeof(uint64_t), "a profile");
    }
    if (status != TF2_OK) {
        tf2_session_destroy(&session);
        return status;
    }
    *out = session;
    return TF2_OK;
}

void tf2_session_destroy(struct tf2_session **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2_session *session = *handle;
    struct tf2_env env = session->env;
    if (session->state)
        session->device->ops->close(session->device, session->state);
    if (session->executable)
        session->device->ops->release(session->device, session->executable);
    tf2__plan_destroy(&session->plan);
    tf2__free(&env, session->step_ns);
    tf2__free(&env, session);
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
        .shape = session->plan->tensors[session->plan->inputs[index]].shape,
        .layout = session->plan->pixels ? TF2_LAYOUT_NHWC : tf2__layout_of_input(graph, (uint32_t)index)};
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
        .shape = session->plan->tensors[session->plan->outputs[index]].shape,
        .layout = tf2__layout_of_output(session->plan->graph, (uint32_t)index)};
    return TF2_OK;
}

enum tf2_status tf2_session_run(
    struct tf2_session *session, const void *const *inputs, void *const *outputs, struct tf2_error *error)
{
    if (!session || !inputs || !outputs)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "run: session, inputs or outputs is NULL");
    const struct tf2__plan *plan = session->plan;
    const struct tf2__device_ops *ops = session->device->ops;
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++) {
        if (!inputs[i])
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "run: input %u is NULL", i);
        TF2__TRY(ops->write(session->state, plan->inputs[i], inputs[i], error));
    }
    TF2__TRY(ops->run(session->state, 0, plan->n_steps, session->step_ns, error));
    for (uint32_t i = 0; i < plan->graph->n_outputs; i++) {
        if (outputs[i])
            TF2__TRY(ops->read(session->state, plan->outputs[i], outputs[i], error));
    }
    TF2__TRY(ops->finish(session->state, error)); /* also when nothing was read */
    session->n_runs++;
    return TF2_OK;
}

void tf2_session_stats(const struct tf2_session *session, struct tf2_session_stats *stats)
{
    if (!session || !stats)
        return;
    const struct tf2__plan *plan = session->plan;
    *stats = (struct tf2_session_stats){
        .n_runs = session->n_runs,
        .macs = plan->macs,
        .weights_bytes = plan->weights_bytes,
        .arena_bytes = (size_t)plan->arena_bytes,
        .live_bytes = (size_t)plan->live_bytes,
        .n_steps = plan->n_steps};
}

enum tf2_status tf2_session_step(const struct tf2_session *session, size_t index, struct tf2_step_info *info)
{
    static const char *const kinds[] = {"", "copy", "fill", "pixels"};
    if (!session || !info || index >= session->plan->n_steps)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2__step *step = &session->plan->steps[index];
    *info = (struct tf2_step_info){
        .name = step->name,
        .op = step->node ? step->node->op->name : kinds[step->kind],
        .kernel = step->kernel ? step->kernel : "",
        .macs = step->macs,
        .total_ns = session->step_ns ? session->step_ns[index] : 0,
        .n_runs = session->n_runs};
    return TF2_OK;
}
