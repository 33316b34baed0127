/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_resample.c: resize and padding by tables of source positions (resample.cl). The positions come from
 * the operators' own functions, so that all devices agree.
 */
#include "runtime/cl/internal.h"

#include "transform/op/pad.h"
#include "transform/op/resize.h"

static enum tf2_status finish(struct tf2__cl_build *build, const struct tf2__step *step)
{
    if (step->node->activation.kind == TF2_ACTIVATION_NONE)
        return TF2_OK;
    return tf2__cl_make_activation(build, &step->node->activation, step->out);
}

/* Two arguments: between what a fused activation keeps bytes. */
static void arg_byte_bounds(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__quant *quant = &build->plan->tensors[step->out].quant;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(quant, &step->node->activation);
    tf2__cl_arg_int(build, (int64_t)bounds.lo + quant->zero_point);
    tf2__cl_arg_int(build, (int64_t)bounds.hi + quant->zero_point);
}

/* The two tables of one resize: offsets behind the 12 extents and strides, weights of the second source. */
static enum tf2_status make_tables(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_map_view *x,
    const struct tf2__cl_map_view *y, uint32_t *table, uint32_t *factors)
{
    const struct tf2_resize_attr *attr = step->node->attr;
    uint32_t n_spatial = build->plan->tensors[step->in[0]].shape.n_dims - 2;
    int64_t n = y->dim[0] + y->dim[1] + y->dim[2];
    void *table_data, *factor_data;
    TF2__TRY(tf2__cl_buffer_map(build, 12 + 2 * n, table, &table_data));
    TF2__TRY(tf2__cl_buffer_map(build, n, factors, &factor_data));
    cl_int *t = table_data;
    cl_float *f = factor_data;
    const int64_t head[12] = {y->n,        y->dim[0],    y->dim[1],    y->dim[2],
                              x->stride_n, x->stride[0], x->stride[1], x->stride[2],
                              y->stride_n, y->stride[0], y->stride[1], y->stride[2]};
    for (uint32_t i = 0; i < 12; i++)
        *t++ = (cl_int)head[i];
    for (uint32_t d = 0; d < 3; d++) {
        for (int64_t o = 0; o < y->dim[d]; o++) {
            struct tf2__resize_tap tap = {0};
            if (d + n_spatial >= 3)
                tap = tf2__resize_tap_at(attr, d + n_spatial - 3, x->dim[d], y->dim[d], o);
            *t++ = (cl_int)(tap.low * x->stride[d]);
            *t++ = (cl_int)(tap.high * x->stride[d]);
            *f++ = (cl_float)tap.weight;
        }
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, *table, table_data));
    return tf2__cl_buffer_unmap(build, *factors, factor_data);
}

static enum tf2_status resize_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_resize_attr *attr = step->node->attr;
    struct tf2__cl_map_view x, y;
    uint32_t table, factors;
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    bool bytes = build->plan->tensors[step->out].dtype == TF2_DTYPE_U8;
    TF2__TRY(make_tables(build, step, &x, &y, &table, &factors));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_RESAMPLE, bytes ? "resize_bytes" : "resize"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_launch_size(build, y.n * y.dim[0] * y.dim[1], 1);
    if (bytes) {
        tf2__cl_arg_int(build, y.c);
        arg_byte_bounds(build, step);
        return TF2_OK;
    }
    tf2__cl_arg_buffer(build, factors);
    tf2__cl_arg_int(build, y.c);
    tf2__cl_arg_int(build, attr->mode == TF2_RESIZE_LINEAR);
    return finish(build, step);
}

const struct tf2__cl_row tf2__cl_row_resize = {.op = TF2_OP_RESIZE, .name = "resize", .make = resize_make};

/* Bytes are read and written one after the other. */
static bool resize_bytes_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]], *y = &plan->tensors[step->out];
    return x->shape.dim[1] == 1 || (x->stride[1] == 1 && y->stride[1] == 1);
}

const struct tf2__cl_row tf2__cl_row_resize_int8 = {
    .op = TF2_OP_RESIZE, .int8 = true, .name = "resize_bytes", .fits = resize_bytes_fits, .make = resize_make};

static enum tf2_status pad_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_pad_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *x = &build->plan->tensors[step->in[0]];
    const struct tf2__plan_tensor *y = &build->plan->tensors[step->out];
    uint32_t lead = TF2_MAX_DIMS - y->shape.n_dims, buffer;
    int64_t n = 2 * TF2_MAX_DIMS + lead, rows = 1;
    void *data;
    for (uint32_t d = 0; d < y->shape.n_dims; d++)
        n += y->shape.dim[d];
    TF2__TRY(tf2__cl_buffer_map(build, n, &buffer, &data));
    cl_int *t = data, *source = t + 2 * TF2_MAX_DIMS;
    for (uint32_t d = 0; d < TF2_MAX_DIMS; d++) {
        bool used = d >= lead;
        t[d] = used ? (cl_int)y->shape.dim[d - lead] : 1;
        t[TF2_MAX_DIMS + d] = used ? (cl_int)y->stride[d - lead] : 0;
        for (int64_t i = 0; i < t[d]; i++) {
            int64_t from = 0;
            if (used)
                from = tf2__pad_source(attr->mode, i - attr->begin[d - lead], x->shape.dim[d - lead]);
            *source++ = from < 0 ? -1 : (cl_int)(used ? from * x->stride[d - lead] : 0);
        }
        rows *= d + 1 < TF2_MAX_DIMS ? t[d] : 1;
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, buffer, data));
    bool bytes = y->dtype == TF2_DTYPE_U8;
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_RESAMPLE, bytes ? "pad_bytes" : "pad"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, buffer);
    tf2__cl_launch_size(build, rows, 1);
    if (bytes) {
        const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(&y->quant, &step->node->activation);
        const float value = attr->mode == TF2_PAD_CONSTANT ? tf2__quant_factor(attr->value, y->quant.scale) : 0;
        tf2__cl_arg_int(build, tf2__quant_round(value, &bounds, y->quant.zero_point));
        arg_byte_bounds(build, step);
        return TF2_OK;
    }
    tf2__cl_arg_float(build, attr->value);
    return finish(build, step);
}

const struct tf2__cl_row tf2__cl_row_pad = {.op = TF2_OP_PAD, .name = "pad", .make = pad_make};

const struct tf2__cl_row tf2__cl_row_pad_int8 = {
    .op = TF2_OP_PAD, .int8 = true, .name = "pad_bytes", .make = pad_make};
