/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activation.c: element-wise functions of one input, alone or fused behind another operator.
 */
#include "transform/ir/op.h"

#include <math.h>

static double clamp01(double x)
{
    return fmin(fmax(x, 0), 1);
}

double tf2__activation_value(const struct tf2_activation *a, double x)
{
    switch (a->kind) {
    case TF2_ACTIVATION_NONE:
        return x;
    case TF2_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case TF2_ACTIVATION_CLIP:
        return fmin(fmax(x, a->alpha), a->beta);
    case TF2_ACTIVATION_LEAKY_RELU:
        return x >= 0 ? x : a->alpha * x;
    case TF2_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case TF2_ACTIVATION_TANH:
        return tanh(x);
    case TF2_ACTIVATION_HARD_SIGMOID:
        return clamp01(a->alpha * x + a->beta);
    case TF2_ACTIVATION_HARD_SWISH:
        return x * clamp01(x / 6 + 0.5);
    case TF2_ACTIVATION_ELU:
        return x >= 0 ? x : a->alpha * expm1(x);
    case TF2_ACTIVATION_ABS:
        return fabs(x);
    case TF2_ACTIVATION_EXP:
        return exp(x);
    case TF2_ACTIVATION_LOG:
        return log(x);
    case TF2_ACTIVATION_SQRT:
        return sqrt(x);
    case TF2_ACTIVATION_AFFINE:
        return a->alpha * x + a->beta;
    case TF2_ACTIVATION_POW:
        return pow(x, a->alpha);
    case TF2_ACTIVATION_ERF:
        return erf(x);
    }
    return x;
}

void tf2__activation_apply(const struct tf2_activation *activation, const struct tf2__view *view)
{
    struct tf2__walk walk;
    if (activation->kind == TF2_ACTIVATION_NONE)
        return;
    for (tf2__walk_start(&walk, &view->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        float *y = tf2__walk_at(&walk, view);
        *y = (float)tf2__activation_value(activation, *y);
    }
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_activation *a = attr;
    (void)n_in;
    if ((unsigned)a->kind > TF2_ACTIVATION_ERF)
        return tf2__fail(error, TF2_ERR_VALUE, "no activation has number %d", (int)a->kind);
    if (a->kind == TF2_ACTIVATION_CLIP && !(a->alpha <= a->beta))
        return tf2__fail(
            error, TF2_ERR_VALUE, "clip from %g to %g, wanted minimum <= maximum", a->alpha, a->beta);
    *out = *in[0];
    return TF2_OK;
}

static void
eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const float *x = tf2__walk_at(&walk, &in[0]);
        float *y = tf2__walk_at(&walk, out);
        *y = (float)tf2__activation_value(attr, *x);
    }
}

const struct tf2__op tf2__op_activation = {
    .id = TF2_OP_ACTIVATION,
    .name = "activation",
    .attr_bytes = sizeof(struct tf2_activation),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
};
