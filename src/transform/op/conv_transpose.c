/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_transpose.c: transposed convolution over one to three spatial dimensions, with groups and dilation (Zeiler et al.:
 * Deconvolutional Networks, 2010; Caffe's Deconvolution, ONNX's ConvTranspose).
 *
 *     y[o, i * stride + k * dilation - pad] = bias[o] + sum over c, i, k of w[o, c, k] * x[c, i]
 *
 * Evaluated as conv.c does it (conv_rows.h), one kernel position after the other.
 */
#include "transform/op/conv_rows.h"
#include "transform/op/int8.h"

/* One row of the kernel over one row of the input. */
static void
add_row(const struct tf2__conv_rows *p, const float *w, const float *x, const struct tf2__conv_span *span)
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
    const struct tf2__conv_rows *p, const float *w, const float *x, int64_t od, int64_t oh,
    const struct tf2__conv_span *span)
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

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_conv_transpose_attr *a = attr;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n_spatial;
    TF2__TRY(tf2__conv_transpose_resolve(a, in[0], in[1], dims, &n_spatial, error));
    return tf2__conv_output(dims, n_spatial, a->group, in, n_in, out, error);
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
    struct tf2__conv_rows p;
    uint32_t n_spatial;
    if (tf2__conv_transpose_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__conv_rows(&p, n_spatial, a->group, in, n_in, sum_span, out);
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
