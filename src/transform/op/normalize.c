/* SPDX-License-Identifier: Apache-2.0 */
/*
 * normalize.c: division by the root of the sum of squares, of a pixel's channels or of a whole image, then one factor for
 * all or one per channel (Liu et al.: ParseNet, 2015; Caffe's Normalize layer as SSD has it, ONNX's LpNormalization with
 * p = 2).
 */
#include "transform/op/check.h"

#include <math.h>

static double square(float x)
{
    return (double)x * x;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_normalize_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
    if ((unsigned)a->region > TF2_NORMALIZE_ALL)
        return tf2__fail(error, TF2_ERR_VALUE, "no region has number %d", (int)a->region);
    TF2__TRY(tf2__check_finite(a->epsilon, "epsilon", error));
    if (a->epsilon < 0)
        return tf2__fail(error, TF2_ERR_VALUE, "epsilon is %g, wanted 0 or more", a->epsilon);
    TF2__TRY(tf2__check_channels(in[0], error));
    if (n_in > 1 && in[1] && (in[1]->n_dims != 1 || (in[1]->dim[0] != 1 && in[1]->dim[0] != in[0]->dim[1])))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "scale of shape %s, wanted [1] or [%lld]",
            tf2_shape_format(in[1], text, sizeof(text)), (long long)in[0]->dim[1]);
    *out = *in[0];
    return TF2_OK;
}

/* The shape of what is normalized together, and of where such regions begin. */
static void split(
    const struct tf2_normalize_attr *a, struct tf2_shape x, struct tf2_shape *starts,
    struct tf2_shape *region)
{
    *starts = *region = x;
    for (uint32_t d = 0; d < x.n_dims; d++)
        *(d == 1 || (d > 1 && a->region == TF2_NORMALIZE_ALL) ? &starts->dim[d] : &region->dim[d]) = 1;
}

/* The region of x that begins at element `at`, to y. */
static void normalize(
    const struct tf2_normalize_attr *a, const struct tf2__view *x, int64_t at, const struct tf2__view *scale,
    const struct tf2__view *y, int64_t y_at, const struct tf2_shape *region)
{
    const float *from = (const float *)x->data + at;
    float *to = (float *)y->data + y_at;
    const int64_t scale_step = scale && scale->shape.dim[0] > 1 ? scale->stride[0] : 0;
    struct tf2__walk walk;
    double sum = a->epsilon;
    for (tf2__walk_start(&walk, region); tf2__walk_more(&walk); tf2__walk_next(&walk))
        sum += square(from[tf2__walk_offset(&walk, x)]);
    const double root = sqrt(sum);
    for (tf2__walk_start(&walk, region); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double factor = scale ? ((const float *)scale->data)[walk.index[1] * scale_step] : 1;
        double value = from[tf2__walk_offset(&walk, x)];
        to[tf2__walk_offset(&walk, y)] = root > 0 ? (float)(factor * value / root) : 0.0f;
    }
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2__view *scale = n_in > 1 && in[1].data ? &in[1] : NULL;
    struct tf2_shape starts, region;
    struct tf2__walk walk;
    split(attr, out->shape, &starts, &region);
    for (tf2__walk_start(&walk, &starts); tf2__walk_more(&walk); tf2__walk_next(&walk))
        normalize(
            attr, &in[0], tf2__walk_offset(&walk, &in[0]), scale, out, tf2__walk_offset(&walk, out), &region);
}

const struct tf2__op tf2__op_normalize = {
    .id = TF2_OP_NORMALIZE,
    .name = "normalize",
    .attr_bytes = sizeof(struct tf2_normalize_attr),
    .min_inputs = 1,
    .max_inputs = 2,
    .constant_inputs = 1u << 1,
    .infer = infer,
    .eval = eval,
};
