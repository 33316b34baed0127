/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn.c: local response normalization (Krizhevsky et al., 2012), over neighbouring channels or, as Caffe has
 * it too, over neighbouring pixels of a channel. Outside channels and image there are zeros, which count into
 * the divisor.
 */
#include "transform/op/check.h"

#include <math.h>

static double square(float x)
{
    return (double)x * x;
}

/* The window of `size` around `center`, cut to 0 .. extent - 1. */
static void cut_window(int64_t center, int64_t size, int64_t extent, int64_t *first, int64_t *end)
{
    *first = TF2__MAX(center - size / 2, 0);
    *end = TF2__MIN(center + size / 2 + 1, extent);
}

static double sum_channels(const struct tf2__view *x, const struct tf2__walk *walk, int64_t size)
{
    const float *center = tf2__walk_at(walk, x);
    int64_t first, end;
    double sum = 0;
    cut_window(walk->index[1], size, x->shape.dim[1], &first, &end);
    for (int64_t c = first; c < end; c++)
        sum += square(center[(c - walk->index[1]) * x->stride[1]]);
    return sum;
}

static double sum_pixels(const struct tf2__view *x, const struct tf2__walk *walk, int64_t size)
{
    const float *center = tf2__walk_at(walk, x);
    int64_t first_h, end_h, first_w, end_w;
    double sum = 0;
    cut_window(walk->index[2], size, x->shape.dim[2], &first_h, &end_h);
    cut_window(walk->index[3], size, x->shape.dim[3], &first_w, &end_w);
    for (int64_t h = first_h; h < end_h; h++) {
        for (int64_t w = first_w; w < end_w; w++)
            sum += square(center[(h - walk->index[2]) * x->stride[2] + (w - walk->index[3]) * x->stride[3]]);
    }
    return sum;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_lrn_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
    (void)n_in;
    if ((unsigned)a->region > TF2_LRN_WITHIN_CHANNEL)
        return tf2__fail(error, TF2_ERR_VALUE, "no region has number %d", (int)a->region);
    if (a->size < 1 || a->size % 2 == 0)
        return tf2__fail(error, TF2_ERR_VALUE, "size %d, wanted an odd number", a->size);
    TF2__TRY(tf2__check_finite(a->alpha, "alpha", error));
    TF2__TRY(tf2__check_finite(a->beta, "beta", error));
    TF2__TRY(tf2__check_finite(a->k, "k", error));
    TF2__TRY(tf2__check_channels(in[0], error));
    if (a->region == TF2_LRN_WITHIN_CHANNEL && in[0]->n_dims != 4)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input %s for normalization within channels, wanted [N, C, H, W]",
            tf2_shape_format(in[0], text, sizeof(text)));
    *out = *in[0];
    return TF2_OK;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_lrn_attr *a = attr;
    const bool across = a->region == TF2_LRN_ACROSS_CHANNELS;
    const double n = across ? a->size : (double)a->size * a->size;
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double sum = across ? sum_channels(&in[0], &walk, a->size) : sum_pixels(&in[0], &walk, a->size);
        double x = *tf2__walk_at(&walk, &in[0]);
        *tf2__walk_at(&walk, out) = (float)(x / pow(a->k + a->alpha / n * sum, a->beta));
    }
}

const struct tf2__op tf2__op_lrn = {
    .id = TF2_OP_LRN,
    .name = "lrn",
    .attr_bytes = sizeof(struct tf2_lrn_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
};
