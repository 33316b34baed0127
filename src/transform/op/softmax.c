/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmax.c: exp(x - max) / sum of exp(x - max), or the logarithm of it, along one axis or over all elements
 * from an axis on. Subtracting the maximum keeps exp from overflowing.
 */
#include "transform/op/check.h"

#include <math.h>

/* Cuts a shape into the dimensions that are summed over (*inner) and the others (*outer); the rest have
 * extent 1. */
static void split(
    const struct tf2_shape *shape, uint32_t axis, bool flatten, struct tf2_shape *outer,
    struct tf2_shape *inner)
{
    *outer = *shape;
    *inner = *shape;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        bool summed = d == axis || (flatten && d > axis);
        (summed ? outer : inner)->dim[d] = 1;
    }
}

/* One group of numbers that add up to 1. `in` and `out` point at its first element and have its shape. */
static void softmax(const struct tf2__view *in, const struct tf2__view *out, bool log_result)
{
    struct tf2__walk walk;
    double max = -HUGE_VAL, sum = 0;
    for (tf2__walk_start(&walk, &in->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        max = fmax(max, *tf2__walk_at(&walk, in));
    for (tf2__walk_start(&walk, &in->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        sum += exp(*tf2__walk_at(&walk, in) - max);
    const double log_sum = log(sum);
    for (tf2__walk_start(&walk, &in->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double x = *tf2__walk_at(&walk, in) - max;
        *tf2__walk_at(&walk, out) = (float)(log_result ? x - log_sum : exp(x) / sum);
    }
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_softmax_attr *a = attr;
    uint32_t axis;
    (void)n_in;
    TF2__TRY(tf2__check_axis(a->axis, in[0]->n_dims, &axis, error));
    *out = *in[0];
    return TF2_OK;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_softmax_attr *a = attr;
    struct tf2_shape outer, inner;
    struct tf2__walk walk;
    uint32_t axis = 0;
    (void)n_in;
    if (tf2__check_axis(a->axis, out->shape.n_dims, &axis, NULL) != TF2_OK)
        return; /* infer has refused it */
    split(&out->shape, axis, a->flatten, &outer, &inner);
    for (tf2__walk_start(&walk, &outer); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        struct tf2__view x = in[0], y = *out;
        x.data = tf2__walk_at(&walk, &in[0]);
        y.data = tf2__walk_at(&walk, out);
        x.shape = y.shape = inner;
        softmax(&x, &y, a->log);
    }
}

const struct tf2__op tf2__op_softmax = {
    .id = TF2_OP_SOFTMAX,
    .name = "softmax",
    .attr_bytes = sizeof(struct tf2_softmax_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
};
