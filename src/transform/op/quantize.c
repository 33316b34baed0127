/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.c: between float32 and u8 tensors.
 *
 *     quantize    q = clamp(rint((x - offset[c]) * (1 / scale)) + zero_point[c])
 *     dequantize  x = (q - zero_point) * scale
 *
 * offset is what a zero point, which is an integer, cannot say: the fractional part of a mean that the network's
 * preprocessing subtracts. Whoever quantizes the graph adds it to the biases behind.
 */
#include "transform/op/int8.h"

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    (void)attr;
    if (n_in > 1 && in[1]) {
        TF2__TRY(tf2__check_channels(in[0], error));
        TF2__TRY(tf2__check_vector(in[1], in[0]->dim[1], "offset", error));
    }
    *out = *in[0];
    return TF2_OK;
}

static enum tf2_status check_f32(const struct tf2__type *type, const char *what, struct tf2_error *error)
{
    if (type->dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s of type %s, wanted float32", what, tf2_dtype_name(type->dtype));
    return TF2_OK;
}

static enum tf2_status quantize_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(check_f32(in[0], "input 0", error));
    if (n_in > 1 && in[1])
        TF2__TRY(check_f32(in[1], "offset", error));
    return tf2__int8_check_output(out, true, error);
}

/* Rounds to one channel: its zero point, and the bounds around it. */
struct channel {
    int32_t zero_point;
    float offset;
    struct tf2__quant_bounds bounds;
};

static struct channel find_channel(
    const struct tf2__view *out, const struct tf2__view *offset, int64_t c,
    const struct tf2_activation *activation)
{
    struct tf2__quant quant = out->quant;
    if (quant.channel_zero_point)
        quant.zero_point = quant.channel_zero_point[c];
    return (struct channel){
        .zero_point = quant.zero_point,
        .offset = offset ? ((const float *)offset->data)[c * offset->stride[0]] : 0,
        .bounds = tf2__quant_bounds_u8(&quant, activation)};
}

static uint8_t quantize_one(float x, const struct channel *channel, float inverse)
{
    float v = x - channel->offset;
    v = v * inverse;
    /* Not a number: the zero point. */
    return tf2__quant_round(v == v ? v : 0, &channel->bounds, channel->zero_point);
}

static void quantize_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__view *offset = n_in > 1 && in[1].data ? &in[1] : NULL;
    const float inverse = tf2__quant_factor(1, out->quant.scale);
    struct channel channel = find_channel(out, offset, 0, activation);
    int64_t last_c = 0;
    struct tf2__walk walk;
    (void)attr;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t c = walk.shape.n_dims > 1 ? walk.index[1] : 0;
        if (c != last_c)
            channel = find_channel(out, offset, c, activation);
        last_c = c;
        *tf2__walk_at_u8(&walk, out) = quantize_one(*tf2__walk_at(&walk, &in[0]), &channel, inverse);
    }
}

static enum tf2_status dequantize_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)n_in;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    return check_f32(out, "output", error);
}

static void dequantize_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__quant *quant = &in[0].quant;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_f32(activation);
    struct tf2__walk walk;
    (void)attr;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int32_t q = *tf2__walk_at_u8(&walk, &in[0]);
        *tf2__walk_at(&walk, out) = tf2__quant_clamp((float)(q - quant->zero_point) * quant->scale, &bounds);
    }
}

static const struct tf2__op_int8 quantize_int8 = {.check = quantize_check, .eval = quantize_eval};
static const struct tf2__op_int8 dequantize_int8 = {.check = dequantize_check, .eval = dequantize_eval};

const struct tf2__op tf2__op_quantize = {
    .id = TF2_OP_QUANTIZE,
    .name = "quantize",
    .attr_bytes = sizeof(struct tf2_no_attr),
    .min_inputs = 1,
    .max_inputs = 2,
    .constant_inputs = 1u << 1,
    .infer = infer,
    .int8 = &quantize_int8,
};

const struct tf2__op tf2__op_dequantize = {
    .id = TF2_OP_DEQUANTIZE,
    .name = "dequantize",
    .attr_bytes = sizeof(struct tf2_no_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .int8 = &dequantize_int8,
};
