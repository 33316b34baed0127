/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c: maximum and average over sliding windows.
 *
 * The average's divisor is the number of pixels under the window, or, with count_include_pad, of positions
 * within
 * [-pad_begin, input + pad_end): what rounding up adds beyond that never counts (Caffe, PyTorch, ONNX).
 */
#include "transform/op/check.h"
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

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_pool_attr *a = attr;
    struct pool p = {.kind = a->kind, .count_include_pad = a->count_include_pad};
    uint32_t n_spatial;
    (void)n_in;
    if (tf2__pool_resolve(a, &in[0].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__map_windows(p.dim, n_spatial);
    tf2__map_init(&p.x, &in[0]);
    tf2__map_init(&p.y, out);
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t c = 0; c < p.y.c; c++)
            pool_channel(&p, tf2__map_at(&p.x, n, c), tf2__map_at(&p.y, n, c));
    }
}

const struct tf2__op tf2__op_pool = {
    .id = TF2_OP_POOL,
    .name = "pool",
    .attr_bytes = sizeof(struct tf2_pool_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
};
