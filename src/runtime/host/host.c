/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c: the reference device. Every step is the operator's own eval() on the plan's views; tensors are
 * dense and row-major. It defines what all other devices have to compute, and needs no OpenCL.
 */
#include "runtime/device.h"

#include <tf2/version.h>

#include "common/clock.h"

struct tf2__executable {
    const struct tf2__plan *plan;
};

struct tf2__run_state {
    const struct tf2__plan *plan;
    struct tf2_env env;
    unsigned char *arena;
};

static void host_destroy(struct tf2__device *device)
{
    struct tf2_env env = device->env;
    tf2__free(&env, device);
}

static enum tf2_status
host_choose(struct tf2__device *device, struct tf2__plan *plan, struct tf2_error *error)
{
    (void)device;
    (void)error;
    for (uint32_t i = 0; i < plan->n_steps; i++)
        plan->steps[i].kernel = "reference";
    return TF2_OK;
}

static size_t tensor_bytes(const struct tf2__plan_tensor *t)
{
    return (size_t)tf2_shape_count(&t->shape) * tf2_dtype_size_bytes(t->dtype);
}

/* Constants are read where the graph has them: there is nothing to pack, to share or to stream. */
static enum tf2_status host_compile(
    struct tf2__device *device, struct tf2__plan *plan, const struct tf2__executable *like,
    struct tf2__executable **executable, struct tf2_error *error)
{
    (void)like;
    *executable = tf2__calloc(&device->env, 1, sizeof(**executable));
    if (!*executable)
        return tf2__fail_memory(error, sizeof(**executable), "an executable");
    (*executable)->plan = plan;
    return TF2_OK;
}

static void host_release(struct tf2__device *device, struct tf2__executable *executable)
{
    tf2__free(&device->env, executable);
}

static enum tf2_status host_open(
    struct tf2__device *device, const struct tf2__executable *executable, const struct tf2__part *part,
    struct tf2__run_state **out, struct tf2_error *error)
{
    if (part->n_parts > 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "the reference device cannot share a step with other devices");
    struct tf2__run_state *state = tf2__calloc(&device->env, 1, sizeof(*state));
    if (!state)
        return tf2__fail_memory(error, sizeof(*state), "a session");
    state->plan = executable->plan;
    state->env = device->env;
    state->arena = tf2__calloc(&device->env, (size_t)state->plan->arena_bytes, 1);
    if (!state->arena) {
        tf2__free(&device->env, state);
        return tf2__fail_memory(
            error, (size_t)executable->plan->arena_bytes, "intermediate tensors");
    }
    *out = state;
    return TF2_OK;
}

static void host_close(struct tf2__device *device, struct tf2__run_state *state)
{
    if (!state)
        return;
    tf2__free(&device->env, state->arena);
    tf2__free(&device->env, state);
}

static void make_view(const struct tf2__run_state *state, uint32_t id, struct tf2__view *view)
{
    memset(view, 0, sizeof(*view));
    if (id == TF2_NO_TENSOR)
        return;
    const struct tf2__plan_tensor *t = &state->plan->tensors[id];
    if (t->data) {
        tf2__view_dense(view, t->data, t->dtype, &t->shape);
        view->quant = t->quant;
        return;
    }
    view->data =
        state->arena + (size_t)tf2__plan_offset(state->plan, id) * tf2_dtype_size_bytes(t->dtype);
    view->dtype = t->dtype;
    view->quant = t->quant;
    view->shape = t->shape;
    memcpy(view->stride, t->stride, sizeof(view->stride));
}

/* One u8 number in another quantization. */
static uint8_t rescale(uint8_t q, const struct tf2__quant *in, const struct tf2__quant *out)
{
    const struct tf2_activation none = {0};
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(out, &none);
    float v = (float)(q - in->zero_point) * tf2__quant_factor(in->scale, out->scale);
    return tf2__quant_round(v, &bounds, out->zero_point);
}

static void copy_element(
    const struct tf2__walk *to, const struct tf2__view *out, const struct tf2__walk *from,
    const struct tf2__view *in, bool same)
{
    if (out->dtype == TF2_DTYPE_F32)
        *tf2__walk_at(to, out) = *tf2__walk_at(from, in);
    else if (same)
        *tf2__walk_at_u8(to, out) = *tf2__walk_at_u8(from, in);
    else
        *tf2__walk_at_u8(to, out) = rescale(*tf2__walk_at_u8(from, in), &in->quant, &out->quant);
}

/* In logical order; the shapes may differ, the counts do not. */
static void copy_view(const struct tf2__view *in, const struct tf2__view *out, bool as_bytes)
{
    bool same = as_bytes || tf2__quant_equal(&in->quant, &out->quant);
    struct tf2__walk from, to;
    tf2__walk_start(&from, &in->shape);
    tf2__walk_start(&to, &out->shape);
    while (tf2__walk_more(&to)) {
        copy_element(&to, out, &from, in, same);
        tf2__walk_next(&from);
        tf2__walk_next(&to);
    }
}

static enum tf2_status host_write(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, const void *data,
    struct tf2_error *error)
{
    (void)error;
    struct tf2__view view;
    make_view(state, tensor, &view);
    memcpy((unsigned char *)view.data + offset_bytes, data, size_bytes);
    return TF2_OK;
}

static enum tf2_status host_read(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, void *data,
    struct tf2_error *error)
{
    (void)error;
    struct tf2__view view;
    make_view(state, tensor, &view);
    memcpy(data, (const unsigned char *)view.data + offset_bytes, size_bytes);
    return TF2_OK;
}

static void pixels_to_float(
    const struct tf2_preprocess *p, const struct tf2__view *in, const struct tf2__view *out)
{
    const float scale = p->scale == 0 ? 1 : p->scale;
    struct tf2__walk walk;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, out) = ((float)*tf2__walk_at_u8(&walk, in) - p->mean[walk.index[1]]) * scale;
}

static void run_step(const struct tf2__run_state *state, const struct tf2__step *step)
{
    struct tf2__view in[TF2_MAX_NODE_INPUTS], out;
    for (uint32_t k = 0; k < step->n_in; k++)
        make_view(state, step->in[k], &in[k]);
    make_view(state, step->out, &out);
    if (step->kind == TF2__STEP_COPY) {
        copy_view(&in[0], &out, tf2__plan_copies_pixels(step));
    } else if (step->kind == TF2__STEP_PIXELS) {
        pixels_to_float(&state->plan->preprocess, &in[0], &out);
    } else if (step->kind == TF2__STEP_NODE && tf2__node_is_int8(state->plan->graph, step->node)) {
        step->node->op->int8->eval(step->node->attr, in, step->n_in, &step->node->activation, &out);
    } else if (step->kind == TF2__STEP_NODE) {
        step->node->op->eval(step->node->attr, in, step->n_in, &out);
        tf2__activation_apply(&step->node->activation, &out);
    }
}

static enum tf2_status host_run(
    struct tf2__run_state *state, uint32_t first, uint32_t last, struct tf2__barrier *barrier, uint64_t *ns,
    struct tf2_error *error)
{
    (void)barrier;
    (void)error;
    for (uint32_t i = first; i < last; i++) {
        uint64_t start = ns ? tf2__clock_ns() : 0;
        run_step(state, &state->plan->steps[i]);
        if (ns)
            ns[i] += tf2__clock_ns() - start;
    }
    return TF2_OK;
}

static enum tf2_status host_finish(struct tf2__run_state *state, struct tf2_error *error)
{
    (void)state;
    (void)error;
    return TF2_OK;
}

static void host_stats(const struct tf2__run_state *state, struct tf2__device_stats *stats)
{
    *stats = (struct tf2__device_stats){0};
    for (uint32_t i = 0; i < state->plan->n_tensors; i++) {
        if (state->plan->tensors[i].data)
            stats->weights_bytes += tensor_bytes(&state->plan->tensors[i]);
    }
    stats->device_bytes = stats->weights_bytes;
}

static const struct tf2__device_ops host_ops = {
    .destroy = host_destroy,
    .choose = host_choose,
    .compile = host_compile,
    .release = host_release,
    .open = host_open,
    .close = host_close,
    .write = host_write,
    .read = host_read,
    .run = host_run,
    .finish = host_finish,
    .stats = host_stats,
};

enum tf2_status tf2__host_open(const struct tf2_env *env, struct tf2__device **out, struct tf2_error *error)
{
    struct tf2__device *device = tf2__calloc(env, 1, sizeof(*device));
    if (!device)
        return tf2__fail_memory(error, sizeof(*device), "a device");
    device->ops = &host_ops;
    device->env = *env;
    device->info = (struct tf2_device_info){
        .id = "host",
        .name = "reference (scalar C)",
        .vendor = "",
        .driver = "libtf2 " TF2_VERSION_STRING,
        .type = "host",
        .vector_width = 1,
        .compute_units = 1};
    *out = device;
    return TF2_OK;
}
