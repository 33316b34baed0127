/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_transpose_int8.c: the transposed convolution on integers.
 *
 *     sum = bias[o] + sum of (x - zero_point) * w      32 bits, wraps around
 *     v   = (float)sum * factor[o]
 *
 * The sum is over the input pixels that a kernel position leads to; there is no padding that could add something.
 */
#include "transform/op/int8.h"
#include "transform/op/map.h"

struct deconv {
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, w, y;
    int32_t zero_point;
    int64_t group_in, group_out; /* channels per group */
};

/* The input pixel that kernel position k of the output at `o` reads, or -1. */
static int64_t source(const struct tf2__window_dim *dim, int64_t k, int64_t o)
{
    int64_t first, end;
    tf2__window_sources(dim, k, o, 1, &first, &end);
    return first < end ? first : -1;
}

static uint32_t add_channels(const struct deconv *p, const int8_t *w, const uint8_t *x)
{
    uint32_t sum = 0;
    for (int64_t c = 0; c < p->group_in; c++)
        sum += (uint32_t)(w[c * p->w.c_stride] * (x[c * p->x.c_stride] - p->zero_point));
    return sum;
}

static uint32_t sum_element(const struct deconv *p, int64_t n, int64_t o, const int64_t *at)
{
    const uint8_t *x = tf2__map_at_u8(&p->x, n, o / p->group_out * p->group_in);
    const int8_t *w = (const int8_t *)p->w.data + o * p->w.n_stride;
    uint32_t sum = 0;
    int64_t i[3];
    for (int64_t kd = 0; kd < p->dim[0].kernel; kd++) {
        if ((i[0] = source(&p->dim[0], kd, at[0])) < 0)
            continue;
        for (int64_t kh = 0; kh < p->dim[1].kernel; kh++) {
            if ((i[1] = source(&p->dim[1], kh, at[1])) < 0)
                continue;
            for (int64_t kw = 0; kw < p->dim[2].kernel; kw++) {
                if ((i[2] = source(&p->dim[2], kw, at[2])) < 0)
                    continue;
                sum += add_channels(
                    p, w + kd * p->w.stride[0] + kh * p->w.stride[1] + kw * p->w.stride[2],
                    x + i[0] * p->x.stride[0] + i[1] * p->x.stride[1] + i[2] * p->x.stride[2]);
            }
        }
    }
    return sum;
}

static void eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2_conv_transpose_attr *a = attr;
    const struct tf2__view *bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    const struct tf2__int8_sink sink = tf2__int8_sink(out, activation);
    struct deconv p = {.zero_point = in[0].quant.zero_point};
    struct tf2_shape shape = {.n_dims = 5};
    struct tf2__walk walk;
    uint32_t n_spatial;
    if (tf2__conv_transpose_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__map_windows(p.dim, n_spatial);
    tf2__map_init(&p.x, &in[0]);
    tf2__map_init(&p.w, &in[1]);
    tf2__map_init(&p.y, out);
    p.group_in = p.w.c;
    p.group_out = p.y.c / (a->group ? a->group : 1);
    shape.dim[0] = p.y.n;
    shape.dim[1] = p.y.c;
    memcpy(&shape.dim[2], p.y.size, sizeof(p.y.size));
    for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const int64_t *at = walk.index;
        uint32_t sum = bias ? (uint32_t)((const int32_t *)bias->data)[at[1] * bias->stride[0]] : 0;
        sum += sum_element(&p, at[0], at[1], &at[2]);
        float factor =
            tf2__quant_factor((double)in[0].quant.scale * tf2__quant_scale(&in[1].quant, at[1]), sink.scale);
        int64_t y = at[0] * p.y.n_stride + at[1] * p.y.c_stride + at[2] * p.y.stride[0] +
                    at[3] * p.y.stride[1] + at[4] * p.y.stride[2];
        tf2__int8_store(&sink, out->data, y, (float)(int32_t)sum * factor);
    }
}

static enum tf2_status check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    return tf2__int8_check_sum(in[0], in[1], n_in > 2 ? in[2] : NULL, out, error);
}

const struct tf2__op_int8 tf2__int8_conv_transpose = {.check = check, .eval = eval};
