/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_transpose.c: transposed convolution over one to three spatial dimensions, with groups and dilation (Zeiler et al.:
 * Deconvolutional Networks, 2010; Caffe's Deconvolution, ONNX's ConvTranspose).
 *
 *     y[o, i * stride + k * dilation - pad] = bias[o] + sum over c, i, k of w[o, c, k] * x[c, i]
 *
 * Evaluated as conv.c does it: a chunk of neighbouring output pixels is summed in double precision on the stack, one
 * kernel position after the other.
 */
#include "transform/op/int8.h"
#include "transform/op/map.h"

#define CHUNK 128 /* output pixels summed together */

struct deconv {
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, w, y; /* w: [O, C / group, k...] */
    int64_t group_in;        /* channels per group */
};

/* Output pixels from .. from + count - 1 of a row; sums[i] is pixel from + i. */
struct span {
    int64_t from, count;
    double *sums;
};

/* One row of the kernel over one row of the input. */
static void add_row(const struct deconv *p, const float *w, const float *x, const struct span *span)
{
    const struct tf2__window_dim *dim = &p->dim[2];
    for (int64_t k = 0; k < dim->kernel; k++) {
        int64_t first, end;
        tf2__window_sources(dim, k, span->from, span->count, &first, &end);
        const int64_t offset = k * dim->dilation - dim->pad_begin - span->from;
        for (int64_t c = 0; c < p->group_in; c++) {
            const double weight = w[k * p->w.stride[2] + c * p->w.c_stride];
            const float *row = x + c * p->x.c_stride;
            for (int64_t i = first; i < end; i++)
                span->sums[i * dim->stride + offset] += weight * row[i * p->x.stride[2]];
        }
    }
}

/* Sums a span of the output row (od, oh). w, x: the output channel's weights, its group's first input channel. */
static void sum_span(
    const struct deconv *p, const float *w, const float *x, int64_t od, int64_t oh, const struct span *span)
{
    for (int64_t kd = 0; kd < p->dim[0].kernel; kd++) {
        int64_t d, d_end, h, h_end;
        tf2__window_sources(&p->dim[0], kd, od, 1, &d, &d_end);
        for (int64_t kh = 0; d < d_end && kh < p->dim[1].kernel; kh++) {
            tf2__window_sources(&p->dim[1], kh, oh, 1, &h, &h_end);
            if (h < h_end)
                add_row(
                    p, w + kd * p->w.stride[0] + kh * p->w.stride[1],
                    x + d * p->x.stride[0] + h * p->x.stride[1], span);
        }
    }
}

static void
sum_row(const struct deconv *p, const float *w, const float *x, double bias, int64_t od, int64_t oh, float *y)
{
    double sums[CHUNK];
    for (int64_t from = 0; from < p->dim[2].out; from += CHUNK) {
        struct span span = {from, TF2__MIN(CHUNK, p->dim[2].out - from), sums};
        for (int64_t i = 0; i < span.count; i++)
            sums[i] = bias;
        sum_span(p, w, x, od, oh, &span);
        for (int64_t i = 0; i < span.count; i++)
            y[(from + i) * p->y.stride[2]] = (float)sums[i];
    }
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_conv_transpose_attr *a = attr;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n_spatial;
    TF2__TRY(tf2__conv_transpose_resolve(a, in[0], in[1], dims, &n_spatial, error));
    TF2__TRY(tf2__check_group(a->group, in[0], in[1], error));
    if (n_in > 2 && in[2])
        TF2__TRY(tf2__check_vector(in[2], in[1]->dim[0], "bias", error));
    *out = *in[0];
    out->dim[1] = in[1]->dim[0];
    for (uint32_t d = 0; d < n_spatial; d++)
        out->dim[2 + d] = dims[d].out;
    return tf2__check_output(out, error);
}

/* All weights for each input pixel, whether the result is cut off or not. Below 2^62. */
static int64_t
macs(const void *attr, const struct tf2_shape *const *in, uint32_t n_in, const struct tf2_shape *out)
{
    (void)attr;
    (void)n_in;
    (void)out;
    return tf2_shape_count(in[0]) / in[0]->dim[1] * tf2_shape_count(in[1]);
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_conv_transpose_attr *a = attr;
    const struct tf2__view *bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    struct deconv p;
    uint32_t n_spatial;
    if (tf2__conv_transpose_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__map_windows(p.dim, n_spatial);
    tf2__map_init(&p.x, &in[0]);
    tf2__map_init(&p.w, &in[1]);
    tf2__map_init(&p.y, out);
    p.group_in = p.w.c;
    const int64_t group_out = p.y.c / (a->group ? a->group : 1);
    for (int64_t n = 0; n < p.y.n; n++) {
        for (int64_t o = 0; o < p.y.c; o++) {
            const float *w = (const float *)p.w.data + o * p.w.n_stride;
            const float *x = tf2__map_at(&p.x, n, o / group_out * p.group_in);
            double start = bias ? ((const float *)bias->data)[o * bias->stride[0]] : 0;
            for (int64_t od = 0; od < p.y.size[0]; od++) {
                for (int64_t oh = 0; oh < p.y.size[1]; oh++)
                    sum_row(
                        &p, w, x, start, od, oh,
                        tf2__map_at(&p.y, n, o) + od * p.y.stride[0] + oh * p.y.stride[1]);
            }
        }
    }
}

const struct tf2__op tf2__op_conv_transpose = {
    .id = TF2_OP_CONV_TRANSPOSE,
    .name = "conv_transpose",
    .attr_bytes = sizeof(struct tf2_conv_transpose_attr),
    .min_inputs = 2,
    .max_inputs = 3,
    .constant_inputs = 1u << 1 | 1u << 2,
    .infer = infer,
    .macs = macs,
    .eval = eval,
    .int8 = &tf2__int8_conv_transpose,
};
