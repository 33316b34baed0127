/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.c: the fully connected layer, y[m, o] = sum of x[m, k] * weights[o, k] + bias[o].
 *
 * The dimensions that make k are walked in runs of equal stride, as long as the layout has them: one run per
 * row when x is dense.
 *
 * On integers the same sum, less x's zero point, in 32 bits that wrap around: v = (float)sum * factor[o].
 */
#include "transform/op/int8.h"

/* The trailing dimensions of x as walk (the outer ones) and runs of `length` elements. */
struct rows {
    uint32_t first, last; /* dimensions first .. last - 1 are walked */
    int64_t length, stride;
};

static struct rows find_runs(const struct tf2__view *x, uint32_t axis)
{
    uint32_t d = x->shape.n_dims - 1;
    struct rows rows = {.first = axis, .last = d, .length = x->shape.dim[d], .stride = x->stride[d]};
    while (rows.last > axis && x->stride[rows.last - 1] == rows.length * rows.stride) {
        rows.last--;
        rows.length *= x->shape.dim[rows.last];
    }
    return rows;
}

/* Where in m's row of x a run begins. */
struct run {
    int64_t index[TF2_MAX_DIMS], offset;
};

/* false: it was the last one. */
static bool next_run(const struct tf2__view *x, const struct rows *rows, struct run *run)
{
    for (uint32_t d = rows->last; d-- > rows->first;) {
        run->offset += x->stride[d];
        if (++run->index[d] < x->shape.dim[d])
            return true;
        run->offset -= x->shape.dim[d] * x->stride[d];
        run->index[d] = 0;
    }
    return false;
}

/* row: the first element of m's row of x. w: output o's weights, `step` apart. */
static double
dot(const struct tf2__view *x, const struct rows *rows, const float *row, const float *w, int64_t step)
{
    struct run run = {0};
    int64_t k = 0;
    double sum = 0;
    do {
        for (int64_t i = 0; i < rows->length; i++, k++)
            sum += (double)row[run.offset + i * rows->stride] * w[k * step];
    } while (next_run(x, rows, &run));
    return sum;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_gemm_attr *a = attr;
    char text[TF2__SHAPE_TEXT], in_text[TF2__SHAPE_TEXT];
    uint32_t axis = 0;
    int64_t n_k = 1;
    TF2__TRY(tf2__check_axis(a->axis, in[0]->n_dims, &axis, error));
    for (uint32_t d = axis; d < in[0]->n_dims; d++)
        n_k *= in[0]->dim[d];
    if (in[1]->n_dims != 2 || in[1]->dim[1] != n_k)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "weights %s for input %s flattened from axis %u, wanted [outputs, %lld]",
            tf2_shape_format(in[1], text, sizeof(text)), tf2_shape_format(in[0], in_text, sizeof(in_text)),
            axis, (long long)n_k);
    if (n_in > 2 && in[2])
        TF2__TRY(tf2__check_vector(in[2], in[1]->dim[0], "bias", error));
    *out = *in[0];
    out->n_dims = axis + 1;
    out->dim[axis] = in[1]->dim[0];
    return tf2__check_output(out, error);
}

static int64_t
macs(const void *attr, const struct tf2_shape *const *in, uint32_t n_in, const struct tf2_shape *out)
{
    (void)attr;
    (void)n_in;
    return tf2_shape_count(out) * in[1]->dim[1];
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2__view *x = &in[0], *w = &in[1];
    const struct tf2__view *bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    struct tf2__walk walk;
    (void)attr;
    const uint32_t axis = out->shape.n_dims - 1;
    struct rows rows = find_runs(x, axis);
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t o = walk.index[axis];
        const float *row = x->data;
        for (uint32_t d = 0; d < axis; d++)
            row += walk.index[d] * x->stride[d];
        double sum = dot(x, &rows, row, (const float *)w->data + o * w->stride[0], w->stride[1]);
        if (bias)
            sum += ((const float *)bias->data)[o * bias->stride[0]];
        *tf2__walk_at(&walk, out) = (float)sum;
    }
}

/* The products that a run adds. Neighbours have a loop of their own, which vectorizes. */
static uint32_t
dot_run(const uint8_t *x, int64_t x_step, int32_t zero_point, const int8_t *w, int64_t w_step, int64_t n)
{
    uint32_t sum = 0;
    if (x_step == 1 && w_step == 1) {
        for (int64_t i = 0; i < n; i++)
            sum += (uint32_t)((x[i] - zero_point) * w[i]);
    } else {
        for (int64_t i = 0; i < n; i++)
            sum += (uint32_t)((x[i * x_step] - zero_point) * w[i * w_step]);
    }
    return sum;
}

static uint32_t dot_int8(
    const struct tf2__view *x, const struct rows *rows, const uint8_t *row, const int8_t *w, int64_t step)
{
    struct run run = {0};
    int64_t k = 0;
    uint32_t sum = 0;
    do {
        sum += dot_run(row + run.offset, rows->stride, x->quant.zero_point, w + k * step, step, rows->length);
        k += rows->length;
    } while (next_run(x, rows, &run));
    return sum;
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__view *x = &in[0], *w = &in[1];
    const struct tf2__view *bias = n_in > 2 && in[2].data ? &in[2] : NULL;
    const struct tf2__int8_sink sink = tf2__int8_sink(out, activation);
    const uint32_t axis = out->shape.n_dims - 1;
    const struct rows rows = find_runs(x, axis);
    struct tf2__walk walk;
    (void)attr;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const int64_t o = walk.index[axis];
        const uint8_t *row = x->data;
        for (uint32_t d = 0; d < axis; d++)
            row += walk.index[d] * x->stride[d];
        uint32_t sum = dot_int8(x, &rows, row, (const int8_t *)w->data + o * w->stride[0], w->stride[1]);
        if (bias)
            sum += (uint32_t)((const int32_t *)bias->data)[o * bias->stride[0]];
        const float factor =
            tf2__quant_factor((double)x->quant.scale * tf2__quant_scale(&w->quant, o), sink.scale);
        tf2__int8_store(&sink, out->data, tf2__walk_offset(&walk, out), (float)(int32_t)sum * factor);
    }
}

static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    TF2__TRY(tf2__int8_check_input(in[0], 0, false, error));
    return tf2__int8_check_sum(in[0], in[1], n_in > 2 ? in[2] : NULL, out, error);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_gemm = {
    .id = TF2_OP_GEMM,
    .name = "gemm",
    .attr_bytes = sizeof(struct tf2_gemm_attr),
    .min_inputs = 2,
    .max_inputs = 3,
    .constant_inputs = 1u << 1 | 1u << 2,
    .infer = infer,
    .macs = macs,
    .eval = eval,
    .int8 = &int8_form,
};
