/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pixels.c: network inputs that are given as 8-bit pixels, u8 [N, H, W, C].
 *
 *     memory [N, H, W, C]  what the caller writes
 *     view   [N, C, H, W]  of the same bytes, channels reversed for a network that wants BGR
 *
 * The view stands for the graph's input, or for what the transpose behind an input [N, H, W, C] makes of it.
 * A QUANTIZE node whose grid is that of the pixels has nothing left to do: its result is the view, or a copy of its
 * bytes with a halo, whatever the bytes stand for. Any other reader gets float32, computed from the view by a PIXELS step.
 */
#include "runtime/plan/plan.h"

/* Pixels are read from where they lie; neighbouring channels may be in either order for convolutions only. */
static bool only_convs_read(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in && !graph->nodes[i].op->reads_shapes_only; k++) {
            if (graph->nodes[i].in[k] == tensor && (graph->nodes[i].op->id != TF2_OP_CONV || k != 0))
                return false;
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i].tensor == tensor)
            return false;
    }
    return true;
}

/* Whether quantizing a preprocessed pixel of channel c gives the pixel again, for all 256. As in op/quantize.c. */
static bool is_exact(
    const struct tf2_preprocess *p, const struct tf2__quant *quant, float offset, int64_t c)
{
    int32_t zero_point = quant->channel_zero_point ? quant->channel_zero_point[c] : quant->zero_point;
    const struct tf2__quant_bounds bounds = {(float)-zero_point, (float)(255 - zero_point)};
    const float inverse = tf2__quant_factor(1, quant->scale), scale = p->scale == 0 ? 1 : p->scale;
    for (int pixel = 0; pixel < 256; pixel++) {
        float v = ((float)pixel - p->mean[c]) * scale;
        v = v - offset;
        if (tf2__quant_round(v * inverse, &bounds, zero_point) != pixel)
            return false;
    }
    return true;
}

uint32_t tf2__plan_find_pixels(const struct tf2__plan *plan, tf2_tensor_id tensor)
{
    for (uint32_t i = 0; plan->pixels && i < plan->graph->n_inputs; i++) {
        if (plan->inner_inputs[i] == tensor)
            return plan->pixel_view[i];
    }
    return TF2_NO_TENSOR;
}

uint32_t tf2__plan_exact_pixels(const struct tf2__plan *plan, const struct tf2__node *node)
{
    const struct tf2_graph *graph = plan->graph;
    const struct tf2__tensor *out = &graph->tensors[node->out];
    const float *offset = node->n_in > 1 ? tf2__graph_constant_f32(graph, node->in[1]) : NULL;
    bool plain = node->op->id == TF2_OP_QUANTIZE && node->activation.kind == TF2_ACTIVATION_NONE;
    const uint32_t view = plain ? tf2__plan_find_pixels(plan, node->in[0]) : TF2_NO_TENSOR;
    if (view == TF2_NO_TENSOR || !only_convs_read(graph, node->out))
        return TF2_NO_TENSOR;
    for (int64_t c = 0; c < plan->tensors[view].shape.dim[1]; c++) {
        if (!is_exact(&plan->preprocess, &out->quant, offset ? offset[c] : 0, c))
            return TF2_NO_TENSOR;
    }
    return view;
}

bool tf2__plan_needs_float(const struct tf2__plan *plan, tf2_tensor_id tensor)
{
    const struct tf2_graph *graph = plan->graph;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in && !node->op->reads_shapes_only; k++) {
            if (node->in[k] == tensor && tf2__plan_exact_pixels(plan, node) == TF2_NO_TENSOR)
                return true;
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i].tensor == tensor)
            return true;
    }
    return false;
}

static void make_pixel_view(struct tf2__plan *plan, uint32_t memory, uint32_t view, uint32_t input)
{
    const struct tf2_shape *shape = &plan->tensors[input].shape;
    const int64_t n = shape->dim[0], c = shape->dim[1], h = shape->dim[2], w = shape->dim[3];
    bool reversed = c == 3 && plan->preprocess.channels == TF2_CHANNELS_BGR;
    plan->tensors[memory] = (struct tf2__plan_tensor){
        .name = plan->tensors[input].name,
        .dtype = TF2_DTYPE_U8,
        .shape = {.n_dims = 4, .dim = {n, h, w, c}},
        .quant = {.scale = 1},
        .root = memory,
        .dense = true};
    plan->tensors[view] = (struct tf2__plan_tensor){
        .name = plan->tensors[input].name,
        .dtype = TF2_DTYPE_U8,
        .shape = *shape,
        .quant = {.scale = 1},
        .root = memory,
        .laid_out = true,
        .reversed = reversed,
        .stride = {h * w * c, reversed ? -1 : 1, w * c, c},
        .offset = reversed ? c - 1 : 0};
}

enum tf2_status tf2__plan_pixels(struct tf2__plan *plan, uint32_t input, struct tf2_error *error)
{
    const uint32_t id = plan->graph->inputs[input], inner = plan->inner_inputs[input];
    const struct tf2__plan_tensor *tensor = &plan->tensors[id];
    const struct tf2_shape *shape = &plan->tensors[inner].shape;
    char text[128];
    if (shape->n_dims != 4 || (shape->dim[1] != 1 && shape->dim[1] != 3))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%s' of shape %s cannot take pixels, wanted %s", tensor->name,
            tf2_shape_format(&tensor->shape, text, sizeof(text)),
            inner == id ? "[N, 1 or 3, H, W]" : "[N, H, W, 1 or 3]");
    uint32_t memory = plan->n_tensors++, view = plan->n_tensors++;
    assert(view < plan->cap_tensors);
    make_pixel_view(plan, memory, view, inner);
    plan->inputs[input] = memory;
    plan->pixel_view[input] = view;
    if (!tf2__plan_needs_float(plan, inner))
        return TF2_OK;
    if (!tf2__plan_add_step(plan, TF2__STEP_PIXELS, tensor->name, &view, 1, inner))
        return tf2__fail_memory(error, sizeof(struct tf2__step), "a step");
    return TF2_OK;
}
