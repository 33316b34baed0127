/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c: any function of one u8 number, as a table: y = table[x], or table[c][x] with one table per channel.
 * Activations that cannot be fused, PReLU and factors per channel become this. The table belongs to the model, so
 * that the result does not depend on a machine's exp().
 */
#include "transform/op/int8.h"

#define TABLE 256

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_shape *table = in[1];
    char text[TF2__SHAPE_TEXT];
    (void)attr;
    (void)n_in;
    bool one = table->n_dims == 1 && table->dim[0] == TABLE;
    bool per_channel =
        table->n_dims == 2 && table->dim[1] == TABLE && in[0]->n_dims > 1 && table->dim[0] == in[0]->dim[1];
    if (!one && !per_channel)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "table of shape %s, wanted [256] or [channels, 256]",
            tf2_shape_format(table, text, sizeof(text)));
    *out = *in[0];
    return TF2_OK;
}

static enum tf2_status check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)n_in;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    if (in[1]->dtype != TF2_DTYPE_U8)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "table of type %s, wanted uint8", tf2_dtype_name(in[1]->dtype));
    return tf2__int8_check_output(out, false, error);
}

static void eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__quant *quant = &out->quant;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(quant, activation);
    const int32_t lo = (int32_t)bounds.lo + quant->zero_point, hi = (int32_t)bounds.hi + quant->zero_point;
    const struct tf2__view *table = &in[1];
    const bool per_channel = table->shape.n_dims == 2;
    const int64_t step = table->stride[per_channel];
    struct tf2__walk walk;
    (void)attr;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t row = per_channel ? walk.index[1] * table->stride[0] : 0;
        int32_t q = ((const uint8_t *)table->data)[row + *tf2__walk_at_u8(&walk, &in[0]) * step];
        *tf2__walk_at_u8(&walk, out) = (uint8_t)TF2__MIN(TF2__MAX(q, lo), hi);
    }
}

static const struct tf2__op_int8 lookup_int8 = {.check = check, .eval = eval};

const struct tf2__op tf2__op_lookup = {
    .id = TF2_OP_LOOKUP,
    .name = "lookup",
    .attr_bytes = sizeof(struct tf2_no_attr),
    .min_inputs = 2,
    .max_inputs = 2,
    .constant_inputs = 1u << 1,
    .infer = infer,
    .int8 = &lookup_int8,
};
