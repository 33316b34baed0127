/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prelu.c: x where it is positive, slope * x elsewhere; one slope, or one per channel.
 */
#include "transform/op/check.h"

/* The dimension of `slope` that runs over channels: the one of more than one element; n_dims when there is
 * none. */
static uint32_t channel_dim(const struct tf2_shape *slope)
{
    uint32_t d = 0;
    while (d < slope->n_dims && slope->dim[d] == 1)
        d++;
    return d;
}

/* [1], [C] or [C, 1, 1] and the like: any number of extents of 1 around. */
static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT], in_text[TF2__SHAPE_TEXT];
    int64_t count = tf2_shape_count(in[1]);
    uint32_t d = channel_dim(in[1]);
    (void)attr;
    (void)n_in;
    if (count != 1 && (in[0]->n_dims < 2 || count != in[0]->dim[1] || in[1]->dim[d] != count))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "slope %s for input %s, wanted one element or one per channel",
            tf2_shape_format(in[1], text, sizeof(text)), tf2_shape_format(in[0], in_text, sizeof(in_text)));
    *out = *in[0];
    return TF2_OK;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const float *slope = in[1].data;
    const uint32_t d = channel_dim(&in[1].shape);
    const int64_t stride = d < in[1].shape.n_dims ? in[1].stride[d] : 0;
    struct tf2__walk walk;
    (void)attr;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double x = *tf2__walk_at(&walk, &in[0]);
        double factor = stride ? slope[walk.index[1] * stride] : slope[0];
        *tf2__walk_at(&walk, out) = (float)(x > 0 ? x : factor * x);
    }
}

const struct tf2__op tf2__op_prelu = {
    .id = TF2_OP_PRELU,
    .name = "prelu",
    .attr_bytes = sizeof(struct tf2_no_attr),
    .min_inputs = 2,
    .max_inputs = 2,
    .constant_inputs = 1u << 1,
    .infer = infer,
    .eval = eval,
};
