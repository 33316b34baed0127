/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pad.c: more elements (or, with a constant, fewer) before and after each dimension.
 */
#include "transform/op/int8.h"
#include "transform/op/pad.h"

/* One dimension: reflection needs begin, end < in (the edge is not repeated), removal at most what there is.
 */
static enum tf2_status
check_dim(const struct tf2_pad_attr *a, uint32_t d, int64_t in, int64_t *out, struct tf2_error *error)
{
    const int64_t begin = a->begin[d], end = a->end[d];
    const int64_t low = a->mode == TF2_PAD_CONSTANT ? -in : 0;
    const int64_t high = a->mode == TF2_PAD_REFLECT ? in - 1 : INT32_MAX;
    if (begin < low || begin > high || end < low || end > high)
        return tf2__fail(
            error, TF2_ERR_VALUE, "padding %lld, %lld of dimension %u (extent %lld), wanted %lld to %lld",
            (long long)begin, (long long)end, d, (long long)in, (long long)low, (long long)high);
    *out = begin + in + end;
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_pad_attr *a = attr;
    (void)n_in;
    if ((unsigned)a->mode > TF2_PAD_EDGE)
        return tf2__fail(error, TF2_ERR_VALUE, "no mode of padding has number %d", (int)a->mode);
    if (a->mode == TF2_PAD_CONSTANT && a->value != a->value)
        return tf2__fail(error, TF2_ERR_VALUE, "the padding's value is not a number");
    TF2__TRY(tf2__check_rank(a->n_dims, in[0], "padding", error));
    *out = *in[0];
    for (uint32_t d = 0; d < a->n_dims; d++)
        TF2__TRY(check_dim(a, d, in[0]->dim[d], &out->dim[d], error));
    return tf2__check_output(out, error);
}

/* Where the input has what belongs at index `i` (output index - begin); -1: nowhere. */
int64_t tf2__pad_source(enum tf2_pad_mode mode, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent)
        return i;
    switch (mode) {
    case TF2_PAD_CONSTANT:
        return -1;
    case TF2_PAD_REFLECT:
        return i < 0 ? -i : 2 * (extent - 1) - i;
    case TF2_PAD_EDGE:
        return i < 0 ? 0 : extent - 1;
    }
    return -1;
}

/* The input element for an index of the output: *offset behind the first; false: the constant. */
static bool
find_source(const struct tf2_pad_attr *a, const struct tf2__view *in, const int64_t *index, int64_t *offset)
{
    *offset = 0;
    for (uint32_t d = 0; d < a->n_dims; d++) {
        int64_t i = tf2__pad_source(a->mode, index[d] - a->begin[d], in->shape.dim[d]);
        if (i < 0)
            return false;
        *offset += i * in->stride[d];
    }
    return true;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_pad_attr *a = attr;
    const float *x = in[0].data;
    struct tf2__walk walk;
    int64_t offset;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, out) = find_source(a, &in[0], walk.index, &offset) ? x[offset] : a->value;
}

/* The constant is rounded like any real number. */
static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2_pad_attr *a = attr;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(&out->quant, activation);
    const uint8_t *x = in[0].data;
    uint8_t table[256], value = 0;
    struct tf2__walk walk;
    int64_t offset;
    (void)n_in;
    tf2__int8_table(&in[0].quant, &out->quant, activation, table);
    if (a->mode == TF2_PAD_CONSTANT)
        value =
            tf2__quant_round(tf2__quant_factor(a->value, out->quant.scale), &bounds, out->quant.zero_point);
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at_u8(&walk, out) = find_source(a, &in[0], walk.index, &offset) ? table[x[offset]] : value;
}

static const struct tf2__op_int8 int8_form = {.check = tf2__int8_check_move, .eval = int8_eval};

const struct tf2__op tf2__op_pad = {
    .id = TF2_OP_PAD,
    .name = "pad",
    .attr_bytes = sizeof(struct tf2_pad_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
