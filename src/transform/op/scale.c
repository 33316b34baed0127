/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale.c: y = scale * x + bias, with factors along one dimension or over several (Caffe's Scale layer).
 */
#include "transform/op/check.h"

/* `shape` equals a part of x's shape that starts at `axis`; a scalar always does. */
static enum tf2_status check_span(
    const struct tf2_shape *x, const struct tf2_shape *shape, uint32_t axis, const char *what,
    struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT], x_text[TF2__SHAPE_TEXT];
    bool fits = shape->n_dims <= x->n_dims - axis;
    for (uint32_t d = 0; fits && d < shape->n_dims; d++)
        fits = shape->dim[d] == x->dim[axis + d];
    if (!fits)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s %s for input %s, wanted the input's extents from axis %u on", what,
            tf2_shape_format(shape, text, sizeof(text)), tf2_shape_format(x, x_text, sizeof(x_text)), axis);
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_scale_attr *a = attr;
    uint32_t axis = 0;
    TF2__TRY(tf2__check_axis(a->axis, in[0]->n_dims, &axis, error));
    TF2__TRY(check_span(in[0], in[1], axis, "scale", error));
    if (n_in > 2 && in[2])
        TF2__TRY(check_span(in[0], in[2], axis, "bias", error));
    *out = *in[0];
    return TF2_OK;
}

/* The element of `view` that belongs to x at walk.index, when its dimension 0 is x's dimension `axis`. */
static double span_value(const struct tf2__walk *walk, const struct tf2__view *view, uint32_t axis)
{
    int64_t offset = 0;
    for (uint32_t d = 0; d < view->shape.n_dims; d++)
        offset += walk->index[axis + d] * view->stride[d];
    return ((const float *)view->data)[offset];
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_scale_attr *a = attr;
    const struct tf2__view *bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    struct tf2__walk walk;
    uint32_t axis = 0;
    if (tf2__check_axis(a->axis, out->shape.n_dims, &axis, NULL) != TF2_OK)
        return; /* infer has refused it */
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double y = *tf2__walk_at(&walk, &in[0]) * span_value(&walk, &in[1], axis);
        if (bias)
            y += span_value(&walk, bias, axis);
        *tf2__walk_at(&walk, out) = (float)y;
    }
}

const struct tf2__op tf2__op_scale = {
    .id = TF2_OP_SCALE,
    .name = "scale",
    .attr_bytes = sizeof(struct tf2_scale_attr),
    .min_inputs = 2,
    .max_inputs = 3,
    .constant_inputs = 1u << 1 | 1u << 2,
    .infer = infer,
    .eval = eval,
};
