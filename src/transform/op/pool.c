/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c: maximum and average over sliding windows.
 *
 * The average's divisor is the number of pixels under the window, or, with count_include_pad, of positions
 * within
 * [-pad_begin, input + pad_end): what rounding up adds beyond that never counts (Caffe, PyTorch, ONNX).
 *
 * On integers: v = (float)(max - zero_point) * factor, or v = (float)(sum of (x - zero_point)) * factor with the
 * divisor in the factor. The sum has 32 bits and wraps around.
 */
#include "transform/op/int8.h"
#include "transform/op/map.h"

#include <math.h>

/* The taps of one window along one dimension. */
struct taps {
    int64_t first, end; /* taps first .. end - 1 lie on pixels */
    int64_t n_padded;   /* taps on pixels or padding */
    int64_t start;      /* the pixel under tap 0, negative in the padding */
};

static struct taps find_taps(const struct tf2__window_dim *dim, int64_t o)
{
    struct taps taps = {.start = o * dim->stride - dim->pad_begin};
    taps.first = taps.start < 0 ? tf2__ceil_div(-taps.start, dim->dilation) : 0;
    taps.end = (dim->in - 1 - taps.start) / dim->dilation + 1;
    taps.end = TF2__MIN(taps.end, dim->kernel);
    taps.n_padded = (dim->in + dim->pad_end - 1 - taps.start) / dim->dilation + 1;
    taps.n_padded = TF2__MIN(taps.n_padded, dim->kernel);
    return taps;
}

struct pool {
    enum tf2_pool_kind kind;
    bool count_include_pad;
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, y;
    struct tf2__int8_sink sink; /* integer form */
};

/* The maximum or sum over one window. x: the channel's first pixel. */
static double reduce(const struct pool *p, const struct taps *taps, const float *x)
{
    double result = p->kind == TF2_POOL_MAX ? -HUGE_VAL : 0;
    for (int64_t kd = taps[0].first; kd < taps[0].end; kd++) {
        const float *plane = x + (taps[0].start + kd * p->dim[0].dilation) * p->x.stride[0];
        for (int64_t kh = taps[1].first; kh < taps[1].end; kh++) {
            const float *row = plane + (taps[1].start + kh * p->dim[1].dilation) * p->x.stride[1];
            for (int64_t kw = taps[2].first; kw < taps[2].end; kw++) {
                double value = row[(taps[2].start + kw * p->dim[2].dilation) * p->x.stride[2]];
                if (p->kind == TF2_POOL_AVG)
                    result += value;
                else if (value > result)
                    result = value;
            }
        }
    }
    return result;
}

/* In floating point: three paddings of 2^31 are absurd, but not refused. */
static double divisor(const struct pool *p, const struct taps *taps)
{
    double n = 1;
    if (p->kind == TF2_POOL_MAX)
        return 1;
    for (int d = 0; d < TF2_MAX_SPATIAL; d++)
        n *= (double)(p->count_include_pad ? taps[d].n_padded : taps[d].end - taps[d].first);
    return n;
}

static void pool_channel(const struct pool *p, const float *x, float *y)
{
    struct taps taps[TF2_MAX_SPATIAL];
    for (int64_t od = 0; od < p->dim[0].out; od++) {
        taps[0] = find_taps(&p->dim[0], od);
        for (int64_t oh = 0; oh < p->dim[1].out; oh++) {
            taps[1] = find_taps(&p->dim[1], oh);
            float *row = y + od * p->y.stride[0] + oh * p->y.stride[1];
            for (int64_t ow = 0; ow < p->dim[2].out; ow++) {
                taps[2] = find_taps(&p->dim[2], ow);
                row[ow * p->y.stride[2]] = (float)(reduce(p, taps, x) / divisor(p, taps));
            }
        }
    }
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_pool_attr *a = attr;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n_spatial;
    (void)n_in;
    if ((unsigned)a->kind > TF2_POOL_AVG)
        return tf2__fail(error, TF2_ERR_VALUE, "no kind of pool has number %d", (int)a->kind);
    TF2__TRY(tf2__pool_resolve(a, in[0], dims, &n_spatial, error));
    *out = *in[0];
    for (uint32_t d = 0; d < n_spatial; d++)
        out->dim[2 + d] = dims[d].out;
    return tf2__check_output(out, error);
}

/* false: infer has refused it. */
static bool prepare(
    const struct tf2_pool_attr *a, const struct tf2__view *in, const struct tf2__view *out, struct pool *p)
{
    uint32_t n_spatial;
    *p = (struct pool){.kind = a->kind, .count_include_pad = a->count_include_pad};
    if (tf2__pool_resolve(a, &in[0].shape, p->dim, &n_spatial, NULL) != TF2_OK)
        return false;
    tf2__map_windows(p->dim, n_spatial);
    tf2__map_init(&p->x, &in[0]);
    tf2__map_init(&p->y, out);
    return true;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    struct pool p;
    (void)n_in;
    if (!prepare(attr, in, out, &p))
        return;
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t c = 0; c < p.y.c; c++)
            pool_channel(&p, tf2__map_at(&p.x, n, c), tf2__map_at(&p.y, n, c));
    }
}

static uint32_t max_row(const uint8_t *x, int64_t step, int64_t n, uint32_t max)
{
    for (int64_t i = 0; i < n; i++)
        max = TF2__MAX(max, x[i * step]);
    return max;
}

static uint32_t sum_row(const uint8_t *x, int64_t step, int64_t n, uint32_t sum)
{
    for (int64_t i = 0; i < n; i++)
        sum += x[i * step];
    return sum;
}

/* The maximum or sum over one window, zero points still in it. x: the channel's first pixel. */
static uint32_t reduce_u8(const struct pool *p, const struct taps *taps, const uint8_t *x)
{
    const int64_t step = p->dim[2].dilation * p->x.stride[2], n = taps[2].end - taps[2].first;
    uint32_t result = 0;
    for (int64_t kd = taps[0].first; kd < taps[0].end; kd++) {
        const uint8_t *plane = x + (taps[0].start + kd * p->dim[0].dilation) * p->x.stride[0];
        for (int64_t kh = taps[1].first; kh < taps[1].end; kh++) {
            const uint8_t *row = plane + (taps[1].start + kh * p->dim[1].dilation) * p->x.stride[1] +
                                 (taps[2].start + taps[2].first * p->dim[2].dilation) * p->x.stride[2];
            result = p->kind == TF2_POOL_MAX ? max_row(row, step, n, result) : sum_row(row, step, n, result);
        }
    }
    return result;
}

/* The same in steps of the output, padding left out as it should be. */
static float
window_value(const struct pool *p, const struct taps *taps, const uint8_t *x, const struct tf2__quant *quant)
{
    uint32_t result = reduce_u8(p, taps, x), n = 1;
    if (p->kind == TF2_POOL_AVG) {
        for (int d = 0; d < TF2_MAX_SPATIAL; d++)
            n *= (uint32_t)(taps[d].end - taps[d].first);
    }
    result -= n * (uint32_t)quant->zero_point;
    return (float)(int32_t)result * tf2__quant_factor(quant->scale, p->sink.scale * divisor(p, taps));
}

static void pool_channel_u8(const struct pool *p, const struct tf2__quant *quant, int64_t n, int64_t c)
{
    const uint8_t *x = tf2__map_at_u8(&p->x, n, c);
    struct taps taps[TF2_MAX_SPATIAL];
    for (int64_t od = 0; od < p->dim[0].out; od++) {
        taps[0] = find_taps(&p->dim[0], od);
        for (int64_t oh = 0; oh < p->dim[1].out; oh++) {
            taps[1] = find_taps(&p->dim[1], oh);
            int64_t at = n * p->y.n_stride + c * p->y.c_stride + od * p->y.stride[0] + oh * p->y.stride[1];
            for (int64_t ow = 0; ow < p->dim[2].out; ow++) {
                taps[2] = find_taps(&p->dim[2], ow);
                tf2__int8_store(
                    &p->sink, p->y.data, at + ow * p->y.stride[2], window_value(p, taps, x, quant));
            }
        }
    }
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    struct pool p;
    (void)n_in;
    if (!prepare(attr, in, out, &p))
        return;
    p.sink = tf2__int8_sink(out, activation);
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t c = 0; c < p.y.c; c++)
            pool_channel_u8(&p, &in[0].quant, n, c);
    }
}

/* A maximum may be float32 in the float form only: nothing is gained from it. */
static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    const struct tf2_pool_attr *a = attr;
    (void)n_in;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    if (a->kind == TF2_POOL_MAX)
        TF2__TRY(tf2__int8_check_output(out, false, error));
    TF2__TRY(tf2__int8_check_result(out, error));
    return tf2__int8_check_factor(
        in[0]->quant.scale, out->dtype == TF2_DTYPE_U8 ? out->quant.scale : 1, "input", 0, error);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_pool = {
    .id = TF2_OP_POOL,
    .name = "pool",
    .attr_bytes = sizeof(struct tf2_pool_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
