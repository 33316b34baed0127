/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8.c: checks and loops that the operators' integer forms share.
 */
#include "transform/op/int8.h"

#include <float.h>
#include <stdio.h>

static bool is_scale(float scale)
{
    return scale > 0 && scale <= FLT_MAX;
}

/* what: the tensor in messages. */
static enum tf2_status
check_u8(const struct tf2__type *type, bool per_channel, const char *what, struct tf2_error *error)
{
    const struct tf2__quant *quant = &type->quant;
    if (type->dtype != TF2_DTYPE_U8)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s of type %s, wanted uint8", what, tf2_dtype_name(type->dtype));
    if (!is_scale(quant->scale))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s of scale %g, wanted a finite number above 0", what, quant->scale);
    if (quant->zero_point < 0 || quant->zero_point > 255)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s of zero point %d, wanted 0 to 255", what, quant->zero_point);
    if (quant->channel_scale)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%s has a scale per channel, wanted one for all", what);
    if (quant->channel_zero_point && !per_channel)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s has a zero point per channel, wanted one for all", what);
    if (quant->channel_zero_point && type->shape.n_dims < 2)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s has zero points for channels, but no channels", what);
    return TF2_OK;
}

enum tf2_status tf2__int8_check_input(
    const struct tf2__type *type, uint32_t number, bool per_channel, struct tf2_error *error)
{
    char what[32];
    snprintf(what, sizeof(what), "input %u", number);
    return check_u8(type, per_channel, what, error);
}

enum tf2_status tf2__int8_check_output(const struct tf2__type *out, bool per_channel, struct tf2_error *error)
{
    return check_u8(out, per_channel, "output", error);
}

enum tf2_status tf2__int8_check_result(const struct tf2__type *out, struct tf2_error *error)
{
    if (out->dtype == TF2_DTYPE_F32)
        return TF2_OK;
    if (out->dtype != TF2_DTYPE_U8)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "output of type %s, wanted uint8 or float32",
            tf2_dtype_name(out->dtype));
    return check_u8(out, false, "output", error);
}

enum tf2_status tf2__int8_check_factor(
    double numerator, double denominator, const char *what, int64_t number, struct tf2_error *error)
{
    const double factor = numerator / denominator;
    if (!(fabs(factor) <= TF2__INT8_MAX_FACTOR))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "%s %lld: steps of %g for an output in steps of %g, wanted at most %g "
            "times as large",
            what, (long long)number, numerator, denominator, TF2__INT8_MAX_FACTOR);
    return TF2_OK;
}

static enum tf2_status
check_weights(const struct tf2__type *weights, double x_scale, double out_scale, struct tf2_error *error)
{
    if (weights->dtype != TF2_DTYPE_S8)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "weights of type %s, wanted int8", tf2_dtype_name(weights->dtype));
    if (weights->quant.zero_point != 0 || weights->quant.channel_zero_point)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "weights of zero point %d%s, wanted 0", weights->quant.zero_point,
            weights->quant.channel_zero_point ? " and others per channel" : "");
    const int64_t n = weights->quant.channel_scale ? weights->shape.dim[0] : 1;
    for (int64_t o = 0; o < n; o++) {
        const float scale = tf2__quant_scale(&weights->quant, o);
        if (!is_scale(scale))
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "weights of scale %g (%s %lld), wanted a finite number above 0",
                scale, n > 1 ? "output channel" : "all from", (long long)o);
        TF2__TRY(tf2__int8_check_factor(x_scale * scale, out_scale, "output channel", o, error));
    }
    return TF2_OK;
}

enum tf2_status tf2__int8_check_sum(
    const struct tf2__type *x, const struct tf2__type *weights, const struct tf2__type *bias,
    const struct tf2__type *out, struct tf2_error *error)
{
    TF2__TRY(tf2__int8_check_result(out, error));
    TF2__TRY(
        check_weights(weights, x->quant.scale, out->dtype == TF2_DTYPE_U8 ? out->quant.scale : 1, error));
    if (bias && bias->dtype != TF2_DTYPE_S32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "bias of type %s, wanted int32", tf2_dtype_name(bias->dtype));
    return TF2_OK;
}

enum tf2_status tf2__int8_check_move(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)n_in;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    TF2__TRY(tf2__int8_check_output(out, false, error));
    if (in[0]->quant.scale != out->quant.scale || in[0]->quant.zero_point != out->quant.zero_point)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "from scale %.9g, zero point %d to scale %.9g, zero point %d: elements are only moved, wanted "
            "the same",
            in[0]->quant.scale, in[0]->quant.zero_point, out->quant.scale, out->quant.zero_point);
    return TF2_OK;
}

void tf2__int8_table(
    const struct tf2__quant *in, const struct tf2__quant *out, const struct tf2_activation *activation,
    uint8_t table[256])
{
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(out, activation);
    const float factor = tf2__quant_factor(in->scale, out->scale);
    for (int32_t q = 0; q < 256; q++)
        table[q] = tf2__quant_round((float)(q - in->zero_point) * factor, &bounds, out->zero_point);
}

void tf2__int8_map(const struct tf2__view *in, const uint8_t table[256], const struct tf2__view *out)
{
    const int64_t x_step = tf2__int8_row_stride(in), y_step = tf2__int8_row_stride(out);
    struct tf2__walk walk;
    const int64_t n = tf2__int8_rows_start(&walk, &out->shape);
    for (; tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const uint8_t *x = tf2__walk_at_u8(&walk, in);
        uint8_t *y = tf2__walk_at_u8(&walk, out);
        for (int64_t i = 0; i < n; i++)
            y[i * y_step] = table[x[i * x_step]];
    }
}
