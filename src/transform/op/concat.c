/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concat.c: tensors one behind the other along one dimension.
 */
#include "transform/op/int8.h"

/* All extents but the axis's agree. */
static enum tf2_status check_extents(
    const struct tf2_shape *first, const struct tf2_shape *in, uint32_t number, uint32_t axis,
    struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT], first_text[TF2__SHAPE_TEXT];
    bool fits = in->n_dims == first->n_dims;
    for (uint32_t d = 0; fits && d < in->n_dims; d++)
        fits = d == axis || in->dim[d] == first->dim[d];
    if (!fits)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input %u of shape %s, wanted %s in all dimensions but %u", number,
            tf2_shape_format(in, text, sizeof(text)), tf2_shape_format(first, first_text, sizeof(first_text)),
            axis);
    return TF2_OK;
}

/* At most 64 extents below 2^31 are added. */
static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_axis_attr *a = attr;
    uint32_t axis = 0;
    TF2__TRY(tf2__check_axis(a->axis, in[0]->n_dims, &axis, error));
    *out = *in[0];
    for (uint32_t i = 1; i < n_in; i++) {
        if (!in[i])
            return tf2__fail(error, TF2_ERR_GRAPH, "input %u is left out, concat needs all", i);
        TF2__TRY(check_extents(in[0], in[i], i, axis, error));
        out->dim[axis] += in[i]->dim[axis];
    }
    return tf2__check_output(out, error);
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_axis_attr *a = attr;
    struct tf2__view part = *out;
    uint32_t axis = 0;
    if (tf2__check_axis(a->axis, out->shape.n_dims, &axis, NULL) != TF2_OK)
        return; /* infer has refused it */
    for (uint32_t i = 0; i < n_in; i++) {
        struct tf2__walk walk;
        for (tf2__walk_start(&walk, &in[i].shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
            *tf2__walk_at(&walk, &part) = *tf2__walk_at(&walk, &in[i]);
        if (i + 1 < n_in)
            part.data = (float *)part.data + in[i].shape.dim[axis] * out->stride[axis];
    }
}

/* Every input in the output's steps. */
static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2_axis_attr *a = attr;
    struct tf2__view part = *out;
    uint8_t table[256];
    uint32_t axis = 0;
    if (tf2__check_axis(a->axis, out->shape.n_dims, &axis, NULL) != TF2_OK)
        return; /* infer has refused it */
    for (uint32_t i = 0; i < n_in; i++) {
        part.shape = in[i].shape;
        tf2__int8_table(&in[i].quant, &out->quant, activation, table);
        tf2__int8_map(&in[i], table, &part);
        if (i + 1 < n_in)
            part.data = (uint8_t *)part.data + in[i].shape.dim[axis] * out->stride[axis];
    }
}

static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(tf2__int8_check_output(out, false, error));
    for (uint32_t i = 0; i < n_in; i++) {
        TF2__TRY(tf2__int8_check_input(in[i], i, false, error));
        TF2__TRY(tf2__int8_check_factor(in[i]->quant.scale, out->quant.scale, "input", i, error));
    }
    return TF2_OK;
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_concat = {
    .id = TF2_OP_CONCAT,
    .name = "concat",
    .attr_bytes = sizeof(struct tf2_axis_attr),
    .min_inputs = 1,
    .max_inputs = TF2_MAX_NODE_INPUTS,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
