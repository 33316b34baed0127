/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv.c: convolution over one to three spatial dimensions, with groups, dilation and an optional residual.
 *
 * Evaluated row by row: a chunk of neighbouring output pixels is summed in double precision on the stack, one
 * kernel tap after the other and all input channels for each. A tap's range of pixels that do not meet
 * padding is computed once, so that the inner loop has no tests.
 */
#include "transform/op/int8.h"
#include "transform/op/map.h"

#define CHUNK 128 /* output pixels summed together */

struct conv {
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, w, y, add; /* w: [O, C / group, k...]; add.data NULL: none */
    const struct tf2__view *bias;
    int64_t group_in, group_out; /* channels per group */
};

/* Output pixels from .. from + count - 1 of a row; sums[i] is pixel from + i. */
struct span {
    int64_t from, count;
    double *sums;
};

/* sums[i] += w * x[i], for every input channel. */
static void
add_row(const struct conv *p, const float *w, const float *x, int64_t step, double *sums, int64_t n)
{
    for (int64_t c = 0; c < p->group_in; c++) {
        const double weight = w[c * p->w.c_stride];
        const float *row = x + c * p->x.c_stride;
        if (step == 1) {
            for (int64_t i = 0; i < n; i++)
                sums[i] += weight * row[i];
        } else {
            for (int64_t i = 0; i < n; i++)
                sums[i] += weight * row[i * step];
        }
    }
}

/* The same for a single pixel. */
static double add_pixel(const struct conv *p, const float *w, const float *x, double sum)
{
    for (int64_t c = 0; c < p->group_in; c++)
        sum += (double)w[c * p->w.c_stride] * x[c * p->x.c_stride];
    return sum;
}

/* One row of the kernel over one row of the input. */
static void add_taps(const struct conv *p, const float *w, const float *x, const struct span *span)
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
        const float *pixel = x + (first * dim->stride + offset) * p->x.stride[2];
        const float *weight = w + k * p->w.stride[2];
        double *sums = span->sums + (first - span->from);
        if (end - first == 1)
            *sums = add_pixel(p, weight, pixel, *sums);
        else
            add_row(p, weight, pixel, step, sums, end - first);
    }
}

/* Sums a span of the output row (od, oh). w, x: the output channel's weights, its group's first input
 * channel. */
static void sum_span(
    const struct conv *p, const float *w, const float *x, int64_t od, int64_t oh, const struct span *span)
{
    int64_t kd, kd_end, kh_first, kh_end;
    tf2__window_taps(&p->dim[0], od, &kd, &kd_end);
    tf2__window_taps(&p->dim[1], oh, &kh_first, &kh_end);
    for (; kd < kd_end; kd++) {
        int64_t d = od * p->dim[0].stride - p->dim[0].pad_begin + kd * p->dim[0].dilation;
        for (int64_t kh = kh_first; kh < kh_end; kh++) {
            int64_t h = oh * p->dim[1].stride - p->dim[1].pad_begin + kh * p->dim[1].dilation;
            add_taps(
                p, w + kd * p->w.stride[0] + kh * p->w.stride[1], x + d * p->x.stride[0] + h * p->x.stride[1],
                span);
        }
    }
}

/* One output row of image n and output channel o. */
static void conv_row(const struct conv *p, int64_t n, int64_t o, int64_t od, int64_t oh)
{
    double sums[CHUNK];
    const float *w = tf2__map_at(&p->w, o, 0);
    const float *x = tf2__map_at(&p->x, n, o / p->group_out * p->group_in);
    float *y = tf2__map_at(&p->y, n, o) + od * p->y.stride[0] + oh * p->y.stride[1];
    const float *add = NULL;
    if (p->add.data)
        add = tf2__map_at(&p->add, n, o) + od * p->add.stride[0] + oh * p->add.stride[1];
    double bias = p->bias ? ((const float *)p->bias->data)[o * p->bias->stride[0]] : 0;
    for (int64_t from = 0; from < p->dim[2].out; from += CHUNK) {
        struct span span = {from, TF2__MIN(CHUNK, p->dim[2].out - from), sums};
        for (int64_t i = 0; i < span.count; i++)
            sums[i] = add ? bias + add[(from + i) * p->add.stride[2]] : bias;
        sum_span(p, w, x, od, oh, &span);
        for (int64_t i = 0; i < span.count; i++)
            y[(from + i) * p->y.stride[2]] = (float)sums[i];
    }
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_conv_attr *a = attr;
    char text[TF2__SHAPE_TEXT], out_text[TF2__SHAPE_TEXT];
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n_spatial;
    TF2__TRY(tf2__conv_resolve(a, in[0], in[1], dims, &n_spatial, error));
    TF2__TRY(tf2__check_group(a->group, in[0], in[1], error));
    if (n_in > 2 && in[2])
        TF2__TRY(tf2__check_vector(in[2], in[1]->dim[0], "bias", error));
    *out = *in[0];
    out->dim[1] = in[1]->dim[0];
    for (uint32_t d = 0; d < n_spatial; d++)
        out->dim[2 + d] = dims[d].out;
    TF2__TRY(tf2__check_output(out, error));
    if (n_in > 3 && in[3] && !tf2_shape_equal(in[3], out))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "residual of shape %s, wanted the output's %s",
            tf2_shape_format(in[3], text, sizeof(text)), tf2_shape_format(out, out_text, sizeof(out_text)));
    return TF2_OK;
}

/* Below 2^62, because weights and output are below 2^31 elements each. */
static int64_t
macs(const void *attr, const struct tf2_shape *const *in, uint32_t n_in, const struct tf2_shape *out)
{
    (void)attr;
    (void)n_in;
    return tf2_shape_count(out) * (tf2_shape_count(in[1]) / in[1]->dim[0]);
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_conv_attr *a = attr;
    struct conv p = {.bias = n_in > 2 && in[2].data ? &in[2] : NULL};
    uint32_t n_spatial;
    if (tf2__conv_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__map_windows(p.dim, n_spatial);
    tf2__map_init(&p.x, &in[0]);
    tf2__map_init(&p.w, &in[1]);
    tf2__map_init(&p.y, out);
    if (n_in > 3 && in[3].data)
        tf2__map_init(&p.add, &in[3]);
    p.group_in = p.w.c;
    p.group_out = p.y.c / (a->group ? a->group : 1);
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t o = 0; o < p.y.c; o++) {
            for (int64_t od = 0; od < p.y.size[0]; od++) {
                for (int64_t oh = 0; oh < p.y.size[1]; oh++)
                    conv_row(&p, n, o, od, oh);
            }
        }
    }
}

const struct tf2__op tf2__op_conv = {
    .id = TF2_OP_CONV,
    .name = "conv",
    .attr_bytes = sizeof(struct tf2_conv_attr),
    .min_inputs = 2,
    .max_inputs = 4,
    .constant_inputs = 1u << 1 | 1u << 2,
    .infer = infer,
    .macs = macs,
    .eval = eval,
    .int8 = &tf2__int8_conv,
};
