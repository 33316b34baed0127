/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv.c: convolution over one to three spatial dimensions, with groups, dilation and an optional residual.
 *
 * Evaluated row by row (conv_rows.h): a chunk of neighbouring output pixels is summed one kernel tap after the
 * other, all input channels for each. A tap's range of pixels that do not meet padding is computed once, so
 * that the inner loop has no tests.
 */
#include "transform/op/conv_rows.h"
#include "transform/op/int8.h"

/* sums[i] += w * x[i], for every input channel. */
static void
add_row(const struct tf2__conv_rows *p, const float *w, const float *x, int64_t step, double *sums, int64_t n)
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
static double add_pixel(const struct tf2__conv_rows *p, const float *w, const float *x, double sum)
{
    for (int64_t c = 0; c < p->group_in; c++)
        sum += (double)w[c * p->w.c_stride] * x[c * p->x.c_stride];
    return sum;
}

/* One row of the kernel over one row of the input. */
static void
add_taps(const struct tf2__conv_rows *p, const float *w, const float *x, const struct tf2__conv_span *span)
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
    const struct tf2__conv_rows *p, const float *w, const float *x, int64_t od, int64_t oh,
    const struct tf2__conv_span *span)
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

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_conv_attr *a = attr;
    char text[TF2__SHAPE_TEXT], out_text[TF2__SHAPE_TEXT];
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n_spatial;
    TF2__TRY(tf2__conv_resolve(a, in[0], in[1], dims, &n_spatial, error));
    TF2__TRY(tf2__conv_output(dims, n_spatial, a->group, in, n_in, out, error));
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
    struct tf2__conv_rows p;
    uint32_t n_spatial;
    if (tf2__conv_resolve(a, &in[0].shape, &in[1].shape, p.dim, &n_spatial, NULL) != TF2_OK)
        return; /* infer has refused it */
    tf2__conv_rows(&p, n_spatial, a->group, in, n_in, sum_span, out);
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
