/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn.c: local response normalization (Krizhevsky et al., 2012), over neighbouring channels or, as Caffe has
 * it too, over neighbouring pixels of a channel. Outside channels and image there are zeros, which count into
 * the divisor.
 *
 * The integer form has a table or a curve instead of the power (lrn.h), as input 1. It exists across channels only.
 */
#include "transform/op/lrn.h"

#include "transform/op/int8.h"

#include <math.h>

#define MAX_SUM         (1 << 24) /* on a curve: a float holds it exactly */
#define MAX_COEFFICIENT 1e6

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
    if (n != TF2__LRN_CURVE && (n < TF2__LRN_MIN_TABLE || n > TF2__LRN_MAX_TABLE || (n & (n - 1))))
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "table of shape %s, wanted a vector of %d elements, or of %d to %d, a power of two",
            tf2_shape_format(table, text, sizeof(text)), TF2__LRN_CURVE, TF2__LRN_MIN_TABLE,
            TF2__LRN_MAX_TABLE);
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

/* A curve's polynomial. */
static float polynomial(const float *curve, float m)
{
    const float *a = curve + 1;
    const float y = (m + a[0]) * m + a[1];
    return (y + (m + a[2])) * y + a[3];
}

/* v of x, which is a number less its zero point. */
static float on_curve(const float *curve, float x, int64_t sum)
{
    const float t = (float)sum + curve[0];
    uint32_t bits;
    float m;
    memcpy(&bits, &t, sizeof(bits));
    const uint32_t mantissa = (bits & 0x7fffff) | 0x3f800000;
    memcpy(&m, &mantissa, sizeof(m));
    return (x * curve[TF2__LRN_OCTAVES + (bits >> 23) % 8]) * polynomial(curve, m);
}

#define N_NODES 5

/* u: coefficients of m^-beta, 1 <= m <= 2: interpolated at Chebyshev's nodes, by Newton's divided differences. */
static void interpolate(double beta, double u[N_NODES])
{
    double node[N_NODES], difference[N_NODES];
    for (int i = 0; i < N_NODES; i++) {
        node[i] = 1.5 - 0.5 * cos((2 * i + 1) * acos(-1) / (2 * N_NODES));
        difference[i] = pow(node[i], -beta);
        u[i] = 0;
    }
    for (int order = 1; order < N_NODES; order++) {
        for (int i = N_NODES - 1; i >= order; i--)
            difference[i] = (difference[i] - difference[i - 1]) / (node[i] - node[i - order]);
    }
    for (int i = N_NODES - 1; i >= 0; i--) { /* u = u * (m - node[i]) + difference[i] */
        for (int k = N_NODES - 1; k > 0; k--)
            u[k] = u[k - 1] - node[i] * u[k];
        u[0] = difference[i] - node[i] * u[0];
    }
}

/* The polynomial of m^-beta / factor. false: its error is too large. */
static bool fit_power(double beta, float *curve, double *factor)
{
    enum { N_TRIALS = 1024 };
    double u[N_NODES];
    interpolate(beta, u);
    *factor = u[4];
    const double a0 = (u[3] / u[4] - 1) / 2, b = u[2] / u[4] - a0 * (a0 + 1), a1 = u[1] / u[4] - a0 * b;
    const double a2 = b - 2 * a1, a3 = u[0] / u[4] - a1 * (a1 + a2);
    memcpy(curve + 1, (float[]){(float)a0, (float)a1, (float)a2, (float)a3}, 4 * sizeof(*curve));
    for (int i = 0; i < N_TRIALS; i++) {
        const float m = 1 + (float)i / N_TRIALS;
        if (!(fabs(polynomial(curve, m) * *factor * pow(m, beta) - 1) <= TF2__LRN_CURVE_ERROR))
            return false;
    }
    return true;
}

/* With these elements every factor is finite. */
static enum tf2_status check_curve(const float *curve, struct tf2_error *error)
{
    if (!(curve[0] >= 1 && curve[0] <= TF2__INT8_MAX_FACTOR))
        return tf2__fail(
            error, TF2_ERR_VALUE, "offset %g of a curve, wanted 1 to %g", curve[0], TF2__INT8_MAX_FACTOR);
    for (int i = 1; i < TF2__LRN_CURVE; i++) {
        const double most = i < TF2__LRN_OCTAVES ? MAX_COEFFICIENT : TF2__INT8_MAX_FACTOR;
        if (!(fabs(curve[i]) <= most))
            return tf2__fail(
                error, TF2_ERR_VALUE, "element %d of a curve is %g, wanted at most %g", i, curve[i], most);
    }
    return TF2_OK;
}

bool tf2__lrn_curve(
    const struct tf2_lrn_attr *attr, const struct tf2__quant *x, const struct tf2__quant *y, float *curve)
{
    const double step = (double)attr->alpha / attr->size * x->scale * x->scale;
    const int64_t largest = largest_sum(attr->size, x->zero_point);
    const double offset = attr->k / step;
    double factor;
    if (!(step > 0 && offset >= 1 && offset <= TF2__INT8_MAX_FACTOR) || largest > MAX_SUM ||
        !fit_power(attr->beta, curve, &factor))
        return false;
    curve[0] = (float)offset;
    const int first = ilogbf(curve[0]);
    if (ilogbf((float)largest + curve[0]) - first > 7)
        return false;
    factor *= (double)x->scale / y->scale;
    for (int e = first; e < first + 8; e++)
        curve[TF2__LRN_OCTAVES + (e + 127) % 8] =
            (float)(factor * pow(step * ldexp(1, e), -(double)attr->beta));
    return check_curve(curve, NULL) == TF2_OK;
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
    const int64_t n = table->shape.dim[0];
    const bool is_curve = n == TF2__LRN_CURVE;
    const uint32_t shift = is_curve ? 0 : tf2__lrn_shift(a->size, x->quant.zero_point, n);
    float curve[TF2__LRN_CURVE];
    struct tf2__walk walk;
    (void)n_in;
    for (int i = 0; i < TF2__LRN_CURVE; i++)
        curve[i] = ((const float *)table->data)[i * table->stride[0]];
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const uint8_t *center = tf2__walk_at_u8(&walk, x);
        const int64_t sum = sum_channels_u8(x, center, &walk, a->size);
        const float q = (float)(*center - x->quant.zero_point);
        const float v = is_curve ? on_curve(curve, q, sum)
                                 : q * ((const float *)table->data)[(sum >> shift) * table->stride[0]];
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
    if (in[1]->shape.dim[0] == TF2__LRN_CURVE) {
        const int64_t largest = largest_sum(a->size, in[0]->quant.zero_point);
        if (largest > MAX_SUM)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "sums of squares up to %lld on a curve, wanted at most %d",
                (long long)largest, MAX_SUM);
        if (in[1]->data)
            TF2__TRY(check_curve(in[1]->data, error));
    }
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
