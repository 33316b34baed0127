/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant.h: the arithmetic of quantized tensors, in one place. docs/quantization.md has it in words.
 *
 * Activations are u8 with one scale and one zero point per tensor, weights s8 with one scale per output channel and
 * zero point 0, biases s32, sums s32 that wrap around:
 *
 *     real = (q - zero_point) * scale          q = clamp(rint(v) + zero_point),  v in steps of the output
 *
 * Every operator computes v by the same IEEE float operations in the same order on every device: conversions from
 * s32 and sums round to nearest even, products are never contracted with sums. So results are equal bit by bit.
 * Factors are computed in double precision and rounded once (tf2__quant_factor); all devices take them from here.
 */
#ifndef TF2__IR_QUANT_H
#define TF2__IR_QUANT_H

#include <math.h>

#include <tf2/op.h>

#include "common/base.h"

/* How the integers of a tensor stand for real numbers. All zero for float tensors. */
struct tf2__quant {
    float scale;        /* > 0, finite; ignored where channel_scale is set */
    int32_t zero_point; /* u8: 0 .. 255; s8, s32: 0 */
    /* Constants of type s8: one scale per index of dimension 0; NULL: `scale` for all. */
    const float *channel_scale;
    /* Outputs of QUANTIZE [N, C, ...] only: one zero point per channel; NULL: zero_point for all. Read by
     * convolutions only. */
    const uint8_t *channel_zero_point;
};

static inline bool tf2__quant_equal(const struct tf2__quant *a, const struct tf2__quant *b)
{
    return a->scale == b->scale && a->zero_point == b->zero_point && a->channel_scale == b->channel_scale &&
           a->channel_zero_point == b->channel_zero_point;
}

/* The scale of output channel o of a weight tensor. */
static inline float tf2__quant_scale(const struct tf2__quant *quant, int64_t o)
{
    return quant->channel_scale ? quant->channel_scale[o] : quant->scale;
}

/* numerator / denominator as a device multiplies by it. */
static inline float tf2__quant_factor(double numerator, double denominator)
{
    return (float)(numerator / denominator);
}

/*
 * The bounds of an output in steps from its zero point: what v is clamped to before it is rounded. They are
 * integers, so clamping before or after rounding is the same, and the conversion to integer cannot overflow.
 */
struct tf2__quant_bounds {
    float lo, hi;
};

/* For a u8 output: its range, narrowed by the fused activation (NONE, RELU or CLIP). */
static inline struct tf2__quant_bounds
tf2__quant_bounds_u8(const struct tf2__quant *out, const struct tf2_activation *activation)
{
    double lo = -out->zero_point, hi = 255 - out->zero_point;
    double alpha = activation->kind == TF2_ACTIVATION_CLIP ? activation->alpha : 0;
    if (activation->kind == TF2_ACTIVATION_RELU || activation->kind == TF2_ACTIVATION_CLIP)
        lo = fmin(fmax(rint(alpha / out->scale), lo), hi);
    if (activation->kind == TF2_ACTIVATION_CLIP)
        hi = fmax(fmin(rint(activation->beta / (double)out->scale), hi), lo);
    return (struct tf2__quant_bounds){(float)lo, (float)hi};
}

/* For a float output (the real number itself is v): the activation's bounds. */
static inline struct tf2__quant_bounds tf2__quant_bounds_f32(const struct tf2_activation *activation)
{
    struct tf2__quant_bounds bounds = {-INFINITY, INFINITY};
    if (activation->kind == TF2_ACTIVATION_RELU)
        bounds.lo = 0;
    if (activation->kind == TF2_ACTIVATION_CLIP)
        bounds = (struct tf2__quant_bounds){activation->alpha, activation->beta};
    return bounds;
}

static inline struct tf2__quant_bounds tf2__quant_bounds(
    enum tf2_dtype out_dtype, const struct tf2__quant *out, const struct tf2_activation *activation)
{
    return out_dtype == TF2_DTYPE_U8 ? tf2__quant_bounds_u8(out, activation)
                                     : tf2__quant_bounds_f32(activation);
}

static inline float tf2__quant_clamp(float v, const struct tf2__quant_bounds *bounds)
{
    v = v < bounds->lo ? bounds->lo : v;
    return v > bounds->hi ? bounds->hi : v;
}

/* v in steps of the output → u8. v is not NaN. The caller runs in the default rounding mode. */
static inline uint8_t tf2__quant_round(float v, const struct tf2__quant_bounds *bounds, int32_t zero_point)
{
    return (uint8_t)((int32_t)rintf(tf2__quant_clamp(v, bounds)) + zero_point);
}

/* The operator's integer form takes these activations fused; others are a LOOKUP node behind it. */
static inline bool tf2__quant_fuses(enum tf2_activation_kind kind)
{
    return kind == TF2_ACTIVATION_NONE || kind == TF2_ACTIVATION_RELU || kind == TF2_ACTIVATION_CLIP;
}

#endif
