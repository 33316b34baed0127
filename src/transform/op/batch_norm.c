/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_norm.c: batch normalization with the statistics of training, y = scale * (x - mean) / sqrt(variance +
 * epsilon)
 * + bias, along dimension 1.
 */
#include "transform/op/check.h"

#include <math.h>

enum { IN_X, IN_SCALE, IN_BIAS, IN_MEAN, IN_VARIANCE, N_IN };

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    static const char *const names[N_IN] = {"x", "scale", "bias", "mean", "variance"};
    const struct tf2_batch_norm_attr *a = attr;
    (void)n_in;
    TF2__TRY(tf2__check_finite(a->epsilon, "epsilon", error));
    if (a->epsilon < 0)
        return tf2__fail(error, TF2_ERR_VALUE, "epsilon is %g, wanted 0 or more", a->epsilon);
    TF2__TRY(tf2__check_channels(in[IN_X], error));
    for (int i = IN_SCALE; i < N_IN; i++)
        TF2__TRY(tf2__check_vector(in[i], in[IN_X]->dim[1], names[i], error));
    *out = *in[IN_X];
    return TF2_OK;
}

static double channel_value(const struct tf2__view *view, int64_t c)
{
    return ((const float *)view->data)[c * view->stride[0]];
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_batch_norm_attr *a = attr;
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t c = walk.index[1];
        double deviation = sqrt(channel_value(&in[IN_VARIANCE], c) + (double)a->epsilon);
        double x = *tf2__walk_at(&walk, &in[IN_X]) - channel_value(&in[IN_MEAN], c);
        double y = channel_value(&in[IN_SCALE], c) * x / deviation + channel_value(&in[IN_BIAS], c);
        *tf2__walk_at(&walk, out) = (float)y;
    }
}

const struct tf2__op tf2__op_batch_norm = {
    .id = TF2_OP_BATCH_NORM,
    .name = "batch_norm",
    .attr_bytes = sizeof(struct tf2_batch_norm_attr),
    .min_inputs = N_IN,
    .max_inputs = N_IN,
    .constant_inputs = 1u << IN_SCALE | 1u << IN_BIAS | 1u << IN_MEAN | 1u << IN_VARIANCE,
    .infer = infer,
    .eval = eval,
};
