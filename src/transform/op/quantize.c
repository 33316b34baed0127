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
#include "transform/op/check.h"

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

static enum tf2_status wanted(
    const struct tf2__type *in, enum tf2_dtype in_dtype, const struct tf2__type *out, enum tf2_dtype out_dtype,
    struct tf2_error *error)
{
    if (in->dtype == in_dtype && out->dtype == out_dtype)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_UNSUPPORTED, "from %s to %s, wanted %s to %s", tf2_dtype_name(in->dtype),
        tf2_dtype_name(out->dtype), tf2_dtype_name(in_dtype), tf2_dtype_name(out_dtype));
}

static enum tf2_status quantize_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(wanted(in[0], TF2_DTYPE_F32, out, TF2_DTYPE_U8, error));
    if (n_in > 1 && in[1] && in[1]->dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "offset of type %s, wanted float32", tf2_dtype_name(in[1]->dtype));
    if (out->quant.channel_zero_point)
        return tf2__check_channels(&out->shape, error);
    return TF2_OK;
}

static uint8_t quantize_one(float x, float offset, float inverse, int32_t zero_point)
{
    const struct tf2__quant_bounds bounds = {(float)-zero_point, (float)(255 - zero_point)};
    float v = x - offset;
    v = v * inverse;
    return tf2__quant_round(v == v ? v : 0, &bounds, zero_point); /* NaN: the zero point */
}

static void quantize_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const float *offset = n_in > 1 ? in[1].data : NULL;
    const struct tf2__quant *quant = &out->quant;
    const float inverse = tf2__quant_factor(1, quant->scale);
    struct tf2__walk walk;
    (void)attr;
    (void)activation;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t c = walk.shape.n_dims > 1 ? walk.index[1] : 0;
        int32_t zero_point = quant->channel_zero_point ? quant->channel_zero_point[c] : quant->zero_point;
        *tf2__walk_at_u8(&walk, out) = quantize_one(
            *tf2__walk_at(&walk, &in[0]), offset ? offset[c * in[1].stride[0]] : 0, inverse, zero_point);
    }
}

static enum tf2_status dequantize_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)n_in;
    if (in[0]->quant.channel_zero_point)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "a zero point per channel");
    return wanted(in[0], TF2_DTYPE_U8, out, TF2_DTYPE_F32, error);
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
