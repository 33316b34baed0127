/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_int8.c: the convolution on integers.
 *
 *     sum = bias[o] + sum of (x - zero_point[c]) * w      32 bits, wraps around; padding adds nothing
 *     v   = (float)sum * factor[o] + (float)(add - its zero point) * its factor
 *
 * As in conv.c a chunk of neighbouring output pixels is summed on the stack, one kernel tap after the other. A
 * product of 9 and 8 bits fits 16 bits, which compilers turn into the widest vectors. Where kernel position, stride
 * and padding leave planes as they are (1x1), their rows are one long row.
 */
#include "transform/op/int8.h"
#include "transform/op/map.h"

#define CHUNK 256 /* output pixels summed together */

struct conv {
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, w, y, add; /* w: [O, C / group, k...]; add.data NULL: none */
    const struct tf2__view *bias; /* NULL: none */
    const struct tf2__quant *x_quant, *w_quant;
    uint8_t zero_point;          /* of x, where it has one for all channels */
    int64_t group_in, group_out; /* channels per group */
    struct tf2__int8_sink sink;
    float add_factor;
    int32_t add_zero_point;
};

/* An output channel of one image. */
struct channel {
    const int8_t *w;
    const uint8_t *x; /* its group's first input channel */
    const uint8_t *zero_points;
    int64_t zero_point_step; /* 0: the same for all input channels */
    uint32_t bias;
    float factor;
};

/* Output pixels from .. from + count - 1 of a row; sums[i] is pixel from + i. */
struct span {
    int64_t from, count;
    uint32_t *sums;
};

/* sums[i] += w * (x[i] - zero_point), for every input channel. */
static void add_row(
    const struct conv *p, const struct channel *ch, const int8_t *w, const uint8_t *x, int64_t step,
    uint32_t *sums, int64_t n)
{
    for (int64_t c = 0; c < p->group_in; c++) {
        const int16_t weight = w[c * p->w.c_stride];
        const int16_t zero_point = ch->zero_points[c * ch->zero_point_step];
        const uint8_t *row = x + c * p->x.c_stride;
        if (step == 1) {
            for (int64_t i = 0; i < n; i++)
                sums[i] += (uint32_t)(int16_t)(weight * (int16_t)(row[i] - zero_point));
        } else {
            for (int64_t i = 0; i < n; i++)
                sums[i] += (uint32_t)(weight * (row[i * step] - zero_point));
        }
    }
}

/* The same for a single pixel. */
static uint32_t
add_pixel(const struct conv *p, const struct channel *ch, const int8_t *w, const uint8_t *x, uint32_t sum)
{
    for (int64_t c = 0; c < p->group_in; c++) {
        const int32_t zero_point = ch->zero_points[c * ch->zero_point_step];
        sum += (uint32_t)(w[c * p->w.c_stride] * (x[c * p->x.c_stride] - zero_point));
    }
    return sum;
}

/* One row of the kernel over one row of the input. */
static void add_taps(
    const struct conv *p, const struct channel *ch, const int8_t *w, const uint8_t *x,
    const struct span *span)
{
    const struct tf2__window_dim *dim = &p->dim[2];
    const int64_t step = dim->stride * p->x.stride[2];
    for (int64_t k = 0; k < dim->kernel; k++) {
        const int64_t offset = k * dim->dilation - dim->pad_begin;
        int64_t first, end;
        if (offset >= dim->in)
            return;
        tf2__window_outputs(dim, k, &first, &end);
        first = TF2__MAX(first, span->from);
        end = TF2__MIN(end, span->from + span->count);
        if (first >= end)
            continue;
        const uint8_t *pixel = x + (first * dim->stride + offset) * p->x.stride[2];
        const int8_t *weight = w + k * p->w.stride[2];
        uint32_t *sums = span->sums + (first - span->from);
        if (end - first == 1)
            *sums = add_pixel(p, ch, weight, pixel, *sums);
        else
            add_row(p, ch, weight, pixel, step, sums, end - first);
    }
}

/* Sums a span of the output row (od, oh). */
static void
sum_span(const struct conv *p, const struct channel *ch, int64_t od, int64_t oh, const struct span *span)
{
    int64_t kd, kd_end, kh_first, kh_end;
    tf2__window_taps(&p->dim[0], od, &kd, &kd_end);
    tf2__window_taps(&p->dim[1], oh, &kh_first, &kh_end);
    for (int64_t i = 0; i < span->count; i++)
        span->sums[i] = ch->bias;
    for (; kd < kd_end; kd++) {
        int64_t d = od * p->dim[0].stride - p->dim[0].pad_begin + kd * p->dim[0].dilation;
        for (int64_t kh = kh_first; kh < kh_end; kh++) {
            int64_t h = oh * p->dim[1].stride - p->dim[1].pad_begin + kh * p->dim[1].dilation;
            add_taps(
                p, ch, ch->w + kd * p->w.stride[0] + kh * p->w.stride[1],
                ch->x + d * p->x.stride[0] + h * p->x.stride[1], span);
        }
    }
}

/* Sums become output elements. y, add: element numbers of the span's first pixel. */
static void store_span(const struct conv *p, float factor, const struct span *span, int64_t y, int64_t add)
{
    for (int64_t i = 0; i < span->count; i++) {
        float v = (float)(int32_t)span->sums[i] * factor;
        if (p->add.data) {
            int32_t a = ((const uint8_t *)p->add.data)[add + i * p->add.stride[2]];
            float residual = (float)(a - p->add_zero_point) * p->add_factor;
            v = v + residual;
        }
        tf2__int8_store(&p->sink, p->y.data, y + i * p->y.stride[2], v);
    }
}

/* Where a row of a map begins. */
static int64_t row_at(const struct tf2__map *map, int64_t n, int64_t c, int64_t d, int64_t h)
{
    return n * map->n_stride + c * map->c_stride + d * map->stride[0] + h * map->stride[1];
}

static void conv_channel(const struct conv *p, const struct channel *ch, int64_t n, int64_t o)
{
    uint32_t sums[CHUNK];
    for (int64_t od = 0; od < p->y.size[0]; od++) {
        for (int64_t oh = 0; oh < p->y.size[1]; oh++) {
            int64_t y = row_at(&p->y, n, o, od, oh), add = row_at(&p->add, n, o, od, oh);
            for (int64_t from = 0; from < p->dim[2].out; from += CHUNK) {
                struct span span = {from, TF2__MIN(CHUNK, p->dim[2].out - from), sums};
                sum_span(p, ch, od, oh, &span);
                store_span(p, ch->factor, &span, y + from * p->y.stride[2], add + from * p->add.stride[2]);
            }
        }
    }
}

static struct channel find_channel(const struct conv *p, int64_t n, int64_t o)
{
    const struct tf2__quant *quant = p->x_quant;
    const int64_t first = o / p->group_out * p->group_in;
    struct channel ch = {
        .w = (const int8_t *)p->w.data + o * p->w.n_stride,
        .x = tf2__map_at_u8(&p->x, n, first),
        .zero_points = &p->zero_point,
        .factor = tf2__quant_factor((double)quant->scale * tf2__quant_scale(p->w_quant, o), p->sink.scale)};
    if (p->bias)
        ch.bias = (uint32_t)((const int32_t *)p->bias->data)[o * p->bias->stride[0]];
    if (quant->channel_zero_point) {
        ch.zero_points = quant->channel_zero_point + first;
        ch.zero_point_step = 1;
    }
    return ch;
}

/* Whether a window takes each position of the dimension by itself: out == in says that nothing is padded. */
static bool is_pointwise(const struct tf2__window_dim *dim)
{
    return dim->kernel == 1 && dim->stride == 1 && dim->out == dim->in;
}

static bool rows_join(const struct tf2__map *map, int d)
{
    return !map->data || map->stride[d] == map->size[d + 1] * map->stride[d + 1];
}

/* Makes dimensions d and d + 1 one where they lie so in memory. */
static void join(struct tf2__map *map, int d)
{
    map->size[d + 1] *= map->size[d];
    map->size[d] = 1;
    map->stride[d] = 0;
}

/* Joins the planes of a volume and the rows of a plane where the windows cannot tell them from one row. */
static void join_rows(struct conv *p)
{
    for (int d = 0; d < TF2_MAX_SPATIAL - 1; d++) {
        if (!is_pointwise(&p->dim[d]) || !is_pointwise(&p->dim[d + 1]) || !rows_join(&p->x, d) ||
            !rows_join(&p->y, d) || !rows_join(&p->add, d))
            continue;
        p->dim[d + 1].in = p->dim[d + 1].out = p->dim[d].in * p->dim[d + 1].in;
        p->dim[d].in = p->dim[d].out = 1;
        join(&p->x, d);
        join(&p->y, d);
        join(&p->add, d);
    }
}

static void eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2_conv_attr *a = attr;
    struct conv p = {
        .bias = n_in > 2 && in[2].data ? &in[2] : NULL,
        .x_quant = &in[0].quant,
        .w_quant = &in[1].quant,
        .zero_point = (uint8_t)in[0].quant.zero_point,
        .sink = tf2__int8_sink(out, activation)};
    uint32_t n_spatial;
    if (tf2__conv_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__map_windows(p.dim, n_spatial);
    tf2__map_init(&p.x, &in[0]);
    tf2__map_init(&p.w, &in[1]);
    tf2__map_init(&p.y, out);
    if (n_in > 3 && in[3].data) {
        tf2__map_init(&p.add, &in[3]);
        p.add_zero_point = in[3].quant.zero_point;
        p.add_factor = tf2__quant_factor(in[3].quant.scale, p.sink.scale);
    }
    p.group_in = p.w.c;
    p.group_out = p.y.c / (a->group ? a->group : 1);
    join_rows(&p);
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t o = 0; o < p.y.c; o++) {
            struct channel ch = find_channel(&p, n, o);
            conv_channel(&p, &ch, n, o);
        }
    }
}

static enum tf2_status check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(tf2__int8_check_input(in[0], 0, true, error));
    TF2__TRY(tf2__int8_check_sum(in[0], in[1], n_in > 2 ? in[2] : NULL, out, error));
    if (n_in < 4 || !in[3])
        return TF2_OK;
    TF2__TRY(tf2__int8_check_input(in[3], 3, false, error));
    return tf2__int8_check_factor(
        in[3]->quant.scale, out->dtype == TF2_DTYPE_U8 ? out->quant.scale : 1, "input", 3, error);
}

const struct tf2__op_int8 tf2__int8_conv = {.check = check, .eval = eval};
