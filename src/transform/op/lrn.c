/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn.c: local response normalization (Krizhevsky et al., 2012), over neighbouring channels or, as Caffe has
 * it too, over neighbouring pixels of a channel. Outside channels and image there are zeros, which count into
 * the divisor.
 *
 * The integer form has a table instead of the power (lrn.h), as input 1. It exists across channels only.
 */
#include "transform/op/lrn.h"

#include "transform/op/int8.h"

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

static enum tf2_status check_table(const struct tf2_shape *table, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    const int64_t n = table->n_dims == 1 ? table->dim[0] : 0;
    if (n < TF2__LRN_MIN_TABLE || n > TF2__LRN_MAX_TABLE || (n & (n - 1)))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "table of shape %s, wanted a vector of %d to %d elements, a power of two",
            tf2_shape_format(table, text, sizeof(text)), TF2__LRN_MIN_TABLE, TF2__LRN_MAX_TABLE);
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_lrn_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
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
    if (n_in > 1 && in[1])
        TF2__TRY(check_table(in[1], error));
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

/* Below 2^47. */
static int64_t largest_sum(int32_t size, int32_t zero_point)
{
    const int64_t farthest = TF2__MAX(zero_point, 255 - zero_point);
    return size * farthest * farthest;
}

uint32_t tf2__lrn_shift(int32_t size, int32_t zero_point, int64_t n_table)
{
    uint32_t shift = 0;
    while (largest_sum(size, zero_point) >> shift >= n_table)
        shift++;
    return shift;
}

bool tf2__lrn_table(
    const struct tf2_lrn_attr *attr, const struct tf2__quant *x, const struct tf2__quant *y, int64_t n_table,
    float *table)
{
    const double n_sums = (double)((int64_t)1 << tf2__lrn_shift(attr->size, x->zero_point, n_table));
    const double step = (double)attr->alpha / attr->size * x->scale * x->scale;
    bool finite = true;
    for (int64_t i = 0; i < n_table; i++) {
        const double middle = (double)i * n_sums + (n_sums - 1) / 2;
        table[i] = (float)((double)x->scale / y->scale * pow(attr->k + step * middle, -(double)attr->beta));
        finite &= isfinite(table[i]) != 0;
    }
    return finite;
}

/* The sum of squares around the walk's element. center: this element of x. */
static int64_t
sum_channels_u8(const struct tf2__view *x, const uint8_t *center, const struct tf2__walk *walk, int64_t size)
{
    int64_t first, end, sum = 0;
    cut_window(walk->index[1], size, x->shape.dim[1], &first, &end);
    for (int64_t c = first; c < end; c++) {
        int32_t q = center[(c - walk->index[1]) * x->stride[1]] - x->quant.zero_point;
        sum += q * q;
    }
    return sum;
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2_lrn_attr *a = attr;
    const struct tf2__view *x = &in[0], *table = &in[1];
    const struct tf2__int8_sink sink = tf2__int8_sink(out, activation);
    const uint32_t shift = tf2__lrn_shift(a->size, x->quant.zero_point, table->shape.dim[0]);
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const uint8_t *center = tf2__walk_at_u8(&walk, x);
        int64_t i = sum_channels_u8(x, center, &walk, a->size) >> shift;
        float v = (float)(*center - x->quant.zero_point) * ((const float *)table->data)[i * table->stride[0]];
        tf2__int8_store(&sink, out->data, tf2__walk_offset(&walk, out), v);
    }
}

static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    const struct tf2_lrn_attr *a = attr;
    if (a->region != TF2_LRN_ACROSS_CHANNELS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "normalization within channels on integers, wanted across channels");
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    if (n_in < 2 || !in[1])
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "normalization on integers without a table (input 1)");
    if (in[1]->dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "table of type %s, wanted float32", tf2_dtype_name(in[1]->dtype));
    return tf2__int8_check_output(out, false, error);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_lrn = {
    .id = TF2_OP_LRN,
    .name = "lrn",
    .attr_bytes = sizeof(struct tf2_lrn_attr),
    .min_inputs = 1,
    .max_inputs = 2,
    .constant_inputs = 1u << 1,
    .int8_inputs = 1u << 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
