/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reshape.c: the operators that keep all elements in row-major order and at most change the shape: identity,
 * dropout (which does nothing at inference), flatten, reshape, squeeze, unsqueeze.
 */
#include "transform/op/int8.h"

static enum tf2_status infer_identity(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)n_in;
    (void)error;
    *out = *in[0];
    return TF2_OK;
}

/* Unlike elsewhere the axis may be n_dims: then everything comes before it. */
static enum tf2_status infer_flatten(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_axis_attr *a = attr;
    const int32_t n_dims = (int32_t)in[0]->n_dims;
    (void)n_in;
    if (a->axis < -n_dims || a->axis > n_dims)
        return tf2__fail(
            error, TF2_ERR_VALUE, "axis %d of %d dimensions, wanted %d to %d", a->axis, n_dims, -n_dims,
            n_dims);
    const int32_t axis = a->axis < 0 ? a->axis + n_dims : a->axis;
    *out = (struct tf2_shape){.n_dims = 2, .dim = {1, 1}};
    for (int32_t d = 0; d < n_dims; d++)
        out->dim[d < axis ? 0 : 1] *= in[0]->dim[d];
    return TF2_OK;
}

/* Copies the extents that are given; the product of all but the free one goes to *known. */
static enum tf2_status known_extents(
    const struct tf2_reshape_attr *a, const struct tf2_shape *in, struct tf2_shape *out, int64_t *known,
    uint32_t *free_dim, struct tf2_error *error)
{
    *known = 1;
    *free_dim = a->n_dims;
    *out = (struct tf2_shape){.n_dims = a->n_dims};
    for (uint32_t d = 0; d < a->n_dims; d++) {
        int64_t extent = a->dim[d];
        if (extent == 0 && d < in->n_dims)
            extent = in->dim[d];
        if (extent == -1 && *free_dim == a->n_dims) {
            *free_dim = d;
            extent = 1;
        }
        if (extent < 1)
            return tf2__fail(
                error, TF2_ERR_VALUE,
                "extent %lld of dimension %u, wanted 1 or more, 0 where the input has this dimension, or -1 "
                "once",
                (long long)a->dim[d], d);
        if (!tf2__mul_i64(*known, extent, known))
            return tf2__fail(error, TF2_ERR_SHAPE, "the new shape's extents are too large for their product");
        out->dim[d] = extent;
    }
    return TF2_OK;
}

static enum tf2_status infer_reshape(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_reshape_attr *a = attr;
    char text[TF2__SHAPE_TEXT], in_text[TF2__SHAPE_TEXT];
    const int64_t count = tf2_shape_count(in[0]);
    uint32_t free_dim = 0;
    int64_t known = 1;
    (void)n_in;
    if (a->n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_VALUE, "new shape of %u dimensions, at most %d supported", a->n_dims,
            TF2_MAX_DIMS);
    TF2__TRY(known_extents(a, in[0], out, &known, &free_dim, error));
    if (free_dim < a->n_dims && count % known == 0) {
        out->dim[free_dim] = count / known;
        known = count;
    }
    if (known != count)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s (%lld elements) does not reshape to %s%s",
            tf2_shape_format(in[0], in_text, sizeof(in_text)), (long long)count,
            tf2_shape_format(out, text, sizeof(text)), free_dim < a->n_dims ? " times a free extent" : "");
    return TF2_OK;
}

static enum tf2_status infer_squeeze(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_axes_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
    (void)n_in;
    if (a->axes >> in[0]->n_dims)
        return tf2__fail(
            error, TF2_ERR_VALUE, "axes 0x%x (a bit each), input %s has %u dimensions", a->axes,
            tf2_shape_format(in[0], text, sizeof(text)), in[0]->n_dims);
    *out = (struct tf2_shape){0};
    for (uint32_t d = 0; d < in[0]->n_dims; d++) {
        bool chosen = a->axes >> d & 1;
        if (chosen && in[0]->dim[d] != 1)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "dimension %u of input %s, wanted extent 1", d,
                tf2_shape_format(in[0], text, sizeof(text)));
        if (!chosen && (a->axes || in[0]->dim[d] != 1))
            out->dim[out->n_dims++] = in[0]->dim[d];
    }
    return TF2_OK;
}

/* "Every extent of 1" means those of now: else the rank would depend on the batch. */
static void settle_squeeze(void *attr, const struct tf2_shape *const *in)
{
    struct tf2_axes_attr *a = attr;
    uint32_t ones = 0;
    for (uint32_t d = 0; d < in[0]->n_dims; d++)
        ones |= in[0]->dim[d] == 1 ? 1u << d : 0;
    if (!a->axes)
        a->axes = ones;
}

static enum tf2_status infer_unsqueeze(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_axes_attr *a = attr;
    const uint32_t n_dims = in[0]->n_dims + (uint32_t)__builtin_popcount(a->axes);
    (void)n_in;
    if (n_dims > TF2_MAX_DIMS || a->axes >> n_dims)
        return tf2__fail(
            error, TF2_ERR_VALUE,
            "axes 0x%x (a bit each) of an output of %u dimensions, at most %d supported", a->axes, n_dims,
            TF2_MAX_DIMS);
    *out = (struct tf2_shape){.n_dims = n_dims};
    for (uint32_t d = 0, from = 0; d < n_dims; d++)
        out->dim[d] = a->axes >> d & 1 ? 1 : in[0]->dim[from++];
    return TF2_OK;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    struct tf2__walk from, to;
    (void)attr;
    (void)n_in;
    tf2__walk_start(&from, &in[0].shape);
    for (tf2__walk_start(&to, &out->shape); tf2__walk_more(&to); tf2__walk_next(&to)) {
        *tf2__walk_at(&to, out) = *tf2__walk_at(&from, &in[0]);
        tf2__walk_next(&from);
    }
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    uint8_t table[256];
    struct tf2__walk from, to;
    (void)attr;
    (void)n_in;
    tf2__int8_table(&in[0].quant, &out->quant, activation, table);
    tf2__walk_start(&from, &in[0].shape);
    for (tf2__walk_start(&to, &out->shape); tf2__walk_more(&to); tf2__walk_next(&to)) {
        *tf2__walk_at_u8(&to, out) = table[*tf2__walk_at_u8(&from, &in[0])];
        tf2__walk_next(&from);
    }
}

static const struct tf2__op_int8 int8_form = {.check = tf2__int8_check_move, .eval = int8_eval};

#define RESHAPING_OP(op, number, attr_struct, infer_function, settle_function)                               \
    const struct tf2__op tf2__op_##op = {                                                                    \
        .id = number,                                                                                        \
        .name = #op,                                                                                         \
        .attr_bytes = sizeof(attr_struct),                                                                   \
        .min_inputs = 1,                                                                                     \
        .max_inputs = 1,                                                                                     \
        .infer = infer_function,                                                                             \
        .settle = settle_function,                                                                           \
        .eval = eval,                                                                                        \
        .int8 = &int8_form,                                                                                  \
    }

RESHAPING_OP(identity, TF2_OP_IDENTITY, struct tf2_no_attr, infer_identity, NULL);
RESHAPING_OP(dropout, TF2_OP_DROPOUT, struct tf2_no_attr, infer_identity, NULL);
RESHAPING_OP(flatten, TF2_OP_FLATTEN, struct tf2_axis_attr, infer_flatten, NULL);
RESHAPING_OP(reshape, TF2_OP_RESHAPE, struct tf2_reshape_attr, infer_reshape, NULL);
RESHAPING_OP(squeeze, TF2_OP_SQUEEZE, struct tf2_axes_attr, infer_squeeze, settle_squeeze);
RESHAPING_OP(unsqueeze, TF2_OP_UNSQUEEZE, struct tf2_axes_attr, infer_unsqueeze, NULL);
