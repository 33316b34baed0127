/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c: from a graph to steps: one per node, with relayout copies where the caller's dense tensors and the
 * device's layout differ. What depends on shapes only is computed here, and is a constant from then on. Then layout.c,
 * the device's choice of kernels, and place.c.
 */
#include "runtime/plan/plan.h"

#include <stdlib.h>

#include "runtime/device.h"
#include "transform/ir/layout.h"

/* With at most this many channels a network input stays planar: vectors over channels would be mostly empty. One that
 * comes with its channels last stays so: it is copied row by row. */
#define MAX_PLANAR_CHANNELS 4

struct tf2__step *tf2__plan_add_step(
    struct tf2__plan *plan, enum tf2__step_kind kind, const char *name, const uint32_t *in, uint32_t n_in,
    uint32_t out)
{
    if (plan->n_steps == plan->cap_steps) {
        uint32_t cap = plan->cap_steps ? 2 * plan->cap_steps : 64;
        struct tf2__step *steps = tf2__arena_alloc(&plan->arena, cap, sizeof(*steps));
        if (!steps)
            return NULL;
        if (plan->n_steps)
            memcpy(steps, plan->steps, plan->n_steps * sizeof(*steps));
        plan->steps = steps;
        plan->cap_steps = cap;
    }
    struct tf2__step *step = &plan->steps[plan->n_steps];
    *step = (struct tf2__step){.kind = kind, .name = name, .n_in = n_in, .out = out};
    step->in = tf2__arena_alloc(&plan->arena, n_in, sizeof(*step->in));
    if (!step->in)
        return NULL;
    if (n_in)
        memcpy(step->in, in, n_in * sizeof(*in));
    plan->n_steps++;
    return step;
}

/* A dense stand-in for a graph tensor. Room was reserved. */
static uint32_t add_dense(struct tf2__plan *plan, uint32_t like)
{
    uint32_t id = plan->n_tensors++;
    assert(id < plan->cap_tensors);
    plan->tensors[id] = (struct tf2__plan_tensor){
        .name = plan->tensors[like].name,
        .dtype = plan->tensors[like].dtype,
        .shape = plan->tensors[like].shape,
        .quant = plan->tensors[like].quant,
        .root = id,
        .dense = true};
    return id;
}

/* Whether row-major and channels-last order are the same for this shape. */
static bool order_is_dense(const struct tf2_shape *shape)
{
    if (shape->n_dims <= 2 || shape->dim[1] == 1)
        return true;
    for (uint32_t d = 2; d < shape->n_dims; d++) {
        if (shape->dim[d] != 1)
            return false;
    }
    return true;
}

/* What the readers of a graph tensor are. */
struct readers {
    bool any, only_convs, only_quantize;
    bool only_transpose; /* their kernels read any order */
    bool padded;         /* a convolution reads padding */
};

static struct readers classify_readers(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    struct readers r = {.only_convs = true, .only_quantize = true, .only_transpose = true};
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (node->in[k] != tensor || node->op->reads_shapes_only)
                continue;
            r.any = true;
            r.only_quantize &= node->op->id == TF2_OP_QUANTIZE;
            r.only_transpose &= node->op->id == TF2_OP_TRANSPOSE;
            if (node->op->id != TF2_OP_CONV || k != 0) {
                r.only_convs = false;
                r.padded |= node->op->id == TF2_OP_CONV_TRANSPOSE && k == 0;
                continue;
            }
            const struct tf2_conv_attr *conv = node->attr;
            r.padded |= conv->window.auto_pad == TF2_AUTO_PAD_SAME_UPPER ||
                        conv->window.auto_pad == TF2_AUTO_PAD_SAME_LOWER;
            for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++)
                r.padded |= conv->window.pad_begin[d] != 0 || conv->window.pad_end[d] != 0;
        }
    }
    return r;
}

static enum tf2_status plan_inputs(struct tf2__plan *plan, struct tf2_error *error)
{
    const struct tf2_graph *graph = plan->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        uint32_t id = graph->inputs[i];
        struct tf2__plan_tensor *tensor = &plan->tensors[id];
        const struct readers r = classify_readers(graph, id);
        plan->inner_inputs[i] = tf2__layout_inner_input(graph, i);
        tensor->planar =
            r.only_convs && tensor->shape.n_dims >= 3 && tensor->shape.dim[1] <= MAX_PLANAR_CHANNELS;
        if (plan->pixels) {
            TF2__TRY(tf2__plan_pixels(plan, i, error));
            continue;
        }
        bool same_order = !plan->policy.channels_last || order_is_dense(&tensor->shape) || tensor->planar;
        if (!r.any || r.only_quantize || r.only_transpose || (same_order && !(r.padded && plan->policy.halo))) {
            tensor->dense = true;
            plan->inputs[i] = id;
            continue;
        }
        plan->inputs[i] = add_dense(plan, id);
        if (!tf2__plan_add_step(plan, TF2__STEP_COPY, tensor->name, &plan->inputs[i], 1, id))
            return tf2__fail_memory(error, sizeof(struct tf2__step), "a step");
    }
    return TF2_OK;
}

static enum tf2_status plan_outputs(struct tf2__plan *plan, struct tf2_error *error)
{
    const struct tf2_graph *graph = plan->graph;
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        uint32_t id = graph->outputs[i].tensor;
        plan->outputs[i] = id;
        if (plan->tensors[id].data)
            continue;
        /* Always a tensor of its own: the internal one may be a view, have a halo, or be read after being
         * overwritten. layout.c merges the two where that is safe. */
        plan->outputs[i] = add_dense(plan, id);
        if (!tf2__plan_add_step(plan, TF2__STEP_COPY, graph->outputs[i].name, &id, 1, plan->outputs[i]))
            return tf2__fail_memory(error, sizeof(struct tf2__step), "a step");
    }
    return TF2_OK;
}

/* Operators that only rearrange: the device sees a copy. */
static bool is_copy(enum tf2_op op)
{
    return op == TF2_OP_IDENTITY || op == TF2_OP_DROPOUT || op == TF2_OP_FLATTEN || op == TF2_OP_RESHAPE ||
           op == TF2_OP_SQUEEZE || op == TF2_OP_UNSQUEEZE;
}

/* Operators whose kernels want their data laid out by the plan, halo and all. */
static bool wants_layout(enum tf2_op op)
{
    return op == TF2_OP_CONV || op == TF2_OP_CONV_TRANSPOSE || op == TF2_OP_POOL || op == TF2_OP_LRN ||
           op == TF2_OP_RESIZE;
}

/* Constants are dense: one that such an operator takes as its data gets a copy with a layout of its own. */
static enum tf2_status lay_out_constant(struct tf2__plan *plan, uint32_t *in, struct tf2_error *error)
{
    uint32_t constant = *in, id = plan->n_tensors++;
    assert(id < plan->cap_tensors);
    plan->tensors[id] = (struct tf2__plan_tensor){
        .name = plan->tensors[constant].name,
        .dtype = plan->tensors[constant].dtype,
        .shape = plan->tensors[constant].shape,
        .quant = plan->tensors[constant].quant,
        .root = id};
    if (!tf2__plan_add_step(plan, TF2__STEP_COPY, plan->tensors[id].name, &constant, 1, id))
        return tf2__fail_memory(error, sizeof(struct tf2__step), "a step");
    *in = id;
    return TF2_OK;
}

/* A quantized image that is the pixels themselves. */
static enum tf2_status
plan_exact_pixels(struct tf2__plan *plan, const struct tf2__node *node, uint32_t pixels, struct tf2_error *error)
{
    struct tf2__step *step = tf2__plan_add_step(plan, TF2__STEP_COPY, node->name, &pixels, 1, node->out);
    if (!step)
        return tf2__fail_memory(error, sizeof(*step), "a step");
    step->node = node;
    plan->tensors[node->out].reversed = plan->policy.channels_last && plan->tensors[pixels].reversed;
    return TF2_OK;
}

static void dense_strides(struct tf2__plan_tensor *tensor)
{
    int64_t stride = 1;
    for (uint32_t d = tensor->shape.n_dims; d-- > 0; stride *= tensor->shape.dim[d])
        tensor->stride[d] = stride;
}

/* Known once the shapes are: what reads nothing but shapes, and what moves or joins such constants. */
static bool is_known(const struct tf2__plan *plan, const struct tf2__node *node)
{
    bool derived = false;
    if (node->op->reads_shapes_only)
        return true;
    if (!is_copy(node->op->id) && node->op->id != TF2_OP_CONCAT)
        return false;
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (!plan->tensors[node->in[k]].data)
            return false;
        derived |= !plan->graph->tensors[node->in[k]].data;
    }
    return derived;
}

/* Computes such a node: its result is a constant of the plan, float32. */
static enum tf2_status
plan_known(struct tf2__plan *plan, const struct tf2__node *node, struct tf2_error *error)
{
    struct tf2__plan_tensor *out = &plan->tensors[node->out];
    struct tf2__view in[TF2_MAX_NODE_INPUTS], view;
    size_t n = (size_t)tf2_shape_count(&out->shape);
    float *data = tf2__arena_alloc(&plan->arena, n, sizeof(*data));
    if (!data)
        return tf2__fail_memory(error, n * sizeof(*data), node->name);
    for (uint32_t k = 0; k < node->n_in; k++) {
        const struct tf2__plan_tensor *t = &plan->tensors[node->in[k]];
        tf2__view_dense(&in[k], t->data, t->dtype, &t->shape);
    }
    tf2__view_dense(&view, data, TF2_DTYPE_F32, &out->shape);
    node->op->eval(node->attr, in, node->n_in, &view);
    tf2__activation_apply(&node->activation, &view);
    out->data = data;
    dense_strides(out);
    return TF2_OK;
}

static enum tf2_status
plan_nodes(struct tf2__plan *plan, const struct tf2_shape *shapes, struct tf2_error *error)
{
    for (uint32_t i = 0; i < plan->graph->n_nodes; i++) {
        const struct tf2__node *node = &plan->graph->nodes[i];
        uint32_t pixels = tf2__plan_exact_pixels(plan, node);
        if (is_known(plan, node)) {
            TF2__TRY(plan_known(plan, node, error));
            continue;
        }
        if (pixels != TF2_NO_TENSOR) {
            TF2__TRY(plan_exact_pixels(plan, node, pixels, error));
            continue;
        }
        if (tf2__layout_turns_input(plan->graph, node) && tf2__plan_find_pixels(plan, node->out) != TF2_NO_TENSOR)
            continue; /* computed from the pixels */
        bool copies = is_copy(node->op->id) && node->activation.kind == TF2_ACTIVATION_NONE;
        enum tf2__step_kind kind = copies ? TF2__STEP_COPY : TF2__STEP_NODE;
        uint32_t data = node->n_in ? node->in[0] : TF2_NO_TENSOR;
        if (plan->policy.channels_last && wants_layout(node->op->id) && plan->tensors[data].data)
            TF2__TRY(lay_out_constant(plan, &data, error));
        struct tf2__step *step = tf2__plan_add_step(plan, kind, node->name, node->in, node->n_in, node->out);
        if (step && node->n_in)
            step->in[0] = data;
        if (!step)
            return tf2__fail_memory(error, sizeof(*step), "a step");
        step->node = node;
        step->macs = tf2__node_macs(node, shapes);
        if (__builtin_add_overflow(plan->macs, step->macs, &plan->macs))
            plan->macs = INT64_MAX; /* a file can describe more work than fits */
    }
    return TF2_OK;
}

static enum tf2_status
init_tensors(struct tf2__plan *plan, const struct tf2_shape *input_shapes, struct tf2_error *error)
{
    const struct tf2_graph *graph = plan->graph;
    struct tf2_shape *shapes = tf2__arena_alloc(&plan->arena, graph->n_tensors, sizeof(*shapes));
    plan->cap_tensors = graph->n_tensors + 2 * graph->n_inputs + graph->n_outputs + graph->n_nodes;
    plan->tensors = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*plan->tensors));
    plan->inputs = tf2__arena_alloc(&plan->arena, graph->n_inputs, sizeof(*plan->inputs));
    plan->outputs = tf2__arena_alloc(&plan->arena, graph->n_outputs, sizeof(*plan->outputs));
    plan->fill_once = tf2__arena_alloc(&plan->arena, plan->cap_tensors, sizeof(*plan->fill_once));
    plan->pixel_view = tf2__arena_alloc(&plan->arena, graph->n_inputs, sizeof(*plan->pixel_view));
    plan->inner_inputs = tf2__arena_alloc(&plan->arena, graph->n_inputs, sizeof(*plan->inner_inputs));
    if (!shapes || !plan->tensors || !plan->inputs || !plan->pixel_view || !plan->inner_inputs || !plan->outputs || !plan->fill_once)
        return tf2__fail_memory(error, plan->cap_tensors * sizeof(*plan->tensors), "a plan");
    TF2__TRY(tf2__graph_infer(graph, input_shapes, shapes, error));
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        plan->tensors[i] = (struct tf2__plan_tensor){
            .name = graph->tensors[i].name,
            .dtype = graph->tensors[i].dtype,
            .shape = shapes[i],
            .quant = graph->tensors[i].quant,
            .data = graph->tensors[i].data,
            .root = i};
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        if (plan->tensors[i].data)
            dense_strides(&plan->tensors[i]);
    }
    plan->n_tensors = graph->n_tensors;
    TF2__TRY(plan_inputs(plan, error));
    TF2__TRY(plan_nodes(plan, shapes, error));
    return plan_outputs(plan, error);
}

enum tf2_status tf2__plan_create(
    const struct tf2_graph *graph, const struct tf2__plan_options *options, struct tf2__device *device,
    struct tf2__plan **out, struct tf2_error *error)
{
    struct tf2__plan *plan = tf2__calloc(&device->env, 1, sizeof(*plan));
    if (!plan)
        return tf2__fail_memory(error, sizeof(*plan), "a plan");
    tf2__arena_init(&plan->arena, &device->env);
    plan->graph = graph;
    plan->policy = device->policy;
    plan->n_parts = TF2__MAX(options->n_parts, 1);
    plan->weight_budget_bytes = options->weight_budget_bytes;
    plan->pixels = options->pixels != NULL;
    if (options->pixels)
        plan->preprocess = *options->pixels;

    enum tf2_status status = init_tensors(plan, options->input_shapes, error);
    if (status == TF2_OK)
        status = tf2__plan_layout(plan, error);
    if (status == TF2_OK)
        status = device->ops->choose(device, plan, error);
    if (status == TF2_OK)
        status = tf2__plan_place(plan, error);
    if (status != TF2_OK) {
        tf2__plan_destroy(&plan);
        return status;
    }
    *out = plan;
    return TF2_OK;
}

void tf2__plan_destroy(struct tf2__plan **plan)
{
    if (!plan || !*plan)
        return;
    struct tf2_env env = (*plan)->arena.env;
    tf2__arena_finish(&(*plan)->arena);
    tf2__free(&env, *plan);
    *plan = NULL;
}

void tf2__plan_input_info(const struct tf2__plan *plan, uint32_t index, struct tf2_tensor_info *info)
{
    const struct tf2__plan_tensor *tensor = &plan->tensors[plan->inputs[index]];
    *info = (struct tf2_tensor_info){
        .name = plan->graph->tensors[plan->graph->inputs[index]].name,
        .dtype = tensor->dtype,
        .shape = tensor->shape,
        .layout = plan->pixels ? TF2_LAYOUT_NHWC : tf2__layout_of_input(plan->graph, index)};
}

void tf2__plan_output_info(const struct tf2__plan *plan, uint32_t index, struct tf2_tensor_info *info)
{
    const struct tf2__plan_tensor *tensor = &plan->tensors[plan->outputs[index]];
    *info = (struct tf2_tensor_info){
        .name = plan->graph->outputs[index].name,
        .dtype = tensor->dtype,
        .shape = tensor->shape,
        .layout = tf2__layout_of_output(plan->graph, index)};
}

int64_t tf2__plan_offset(const struct tf2__plan *plan, uint32_t tensor)
{
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    return plan->tensors[t->root].arena_bytes / (int64_t)tf2_dtype_size_bytes(t->dtype) + t->offset;
}

static bool same_tensor(const struct tf2__plan_tensor *a, const struct tf2__plan_tensor *b)
{
    return a->dtype == b->dtype && tf2_shape_equal(&a->shape, &b->shape) && a->data == b->data && a->root == b->root &&
           a->offset == b->offset && a->arena_bytes == b->arena_bytes &&
           memcmp(a->stride, b->stride, sizeof(a->stride)) == 0;
}

static bool same_step(const struct tf2__step *a, const struct tf2__step *b)
{
    return a->kind == b->kind && a->node == b->node && a->n_in == b->n_in && a->out == b->out &&
           memcmp(a->in, b->in, a->n_in * sizeof(*a->in)) == 0 && strcmp(a->kernel, b->kernel) == 0 &&
           a->scratch_bytes == b->scratch_bytes && a->scratch_at == b->scratch_at;
}

bool tf2__plan_equal(const struct tf2__plan *a, const struct tf2__plan *b)
{
    if (a == b)
        return true;
    bool same = a->graph == b->graph && a->n_parts == b->n_parts && a->weight_budget_bytes == b->weight_budget_bytes &&
                a->pixels == b->pixels && a->n_tensors == b->n_tensors && a->n_steps == b->n_steps &&
                a->arena_bytes == b->arena_bytes && a->n_fill_once == b->n_fill_once &&
                memcmp(&a->preprocess, &b->preprocess, sizeof(a->preprocess)) == 0;
    for (uint32_t i = 0; same && i < a->n_tensors; i++)
        same = same_tensor(&a->tensors[i], &b->tensors[i]);
    for (uint32_t i = 0; same && i < a->n_steps; i++)
        same = same_step(&a->steps[i], &b->steps[i]);
    return same;
}
