/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_norm.c: softmax, local response normalization, normalization to a length (norm.cl).
 */
#include "runtime/cl/internal.h"

/* Splits a shape into the dimensions before and those inside a reduction; strides of x and y for each. */
static void split_dims(
    const struct tf2__plan *plan, const struct tf2__step *step, uint32_t first, uint32_t last, bool inside,
    struct tf2__cl_walk *walk)
{
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]], *y = &plan->tensors[step->out];
    struct tf2_shape shape = {0};
    int64_t strides[2][TF2_MAX_DIMS] = {{0}};
    const int64_t *operands[2] = {strides[0], strides[1]};
    for (uint32_t d = 0; d < x->shape.n_dims; d++) {
        if ((d >= first && d < last) != inside)
            continue;
        shape.dim[shape.n_dims] = x->shape.dim[d];
        strides[0][shape.n_dims] = y->stride[d];
        strides[1][shape.n_dims++] = x->stride[d];
    }
    tf2__cl_collapse(&shape, operands, 2, walk);
}

static int64_t count(const struct tf2__cl_walk *walk)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < walk->n_dims; d++)
        n *= walk->dim[d];
    return n;
}

static enum tf2_status softmax_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_softmax_attr *attr = step->node->attr;
    uint32_t n_dims = build->plan->tensors[step->in[0]].shape.n_dims;
    uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)n_dims : attr->axis);
    struct tf2__cl_walk outer, inner;
    cl_int t[33] = {0};
    uint32_t table;
    split_dims(build->plan, step, axis, attr->flatten ? n_dims : axis + 1, false, &outer);
    split_dims(build->plan, step, axis, attr->flatten ? n_dims : axis + 1, true, &inner);
    if (outer.n_dims > 5 || inner.n_dims > 6)
        return tf2__fail(build->error, TF2_ERR_UNSUPPORTED, "softmax over too many separate dimensions");
    for (uint32_t d = 0; d < 5; d++)
        t[d] = 1;
    for (uint32_t d = 0; d < outer.n_dims; d++) {
        uint32_t to = 5 - outer.n_dims + d;
        t[to] = (cl_int)outer.dim[d];
        t[5 + to] = (cl_int)outer.stride[1][d];
        t[10 + to] = (cl_int)outer.stride[0][d];
    }
    for (uint32_t d = 0; d < 6; d++)
        t[15 + d] = 1;
    for (uint32_t d = 0; d < inner.n_dims; d++) {
        uint32_t to = 6 - inner.n_dims + d;
        t[15 + to] = (cl_int)inner.dim[d];
        t[21 + to] = (cl_int)inner.stride[1][d];
        t[27 + to] = (cl_int)inner.stride[0][d];
    }
    int64_t n = inner.dim[inner.n_dims - 1];
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_NORM, "softmax"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, count(&inner) / n);
    tf2__cl_arg_int(build, n);
    tf2__cl_arg_int(build, attr->log);
    tf2__cl_launch_size(build, count(&outer), 1);
    if (step->node->activation.kind == TF2_ACTIVATION_NONE)
        return TF2_OK;
    return tf2__cl_make_activation(build, &step->node->activation, step->out);
}

const struct tf2__cl_row tf2__cl_row_softmax = {
    .op = TF2_OP_SOFTMAX, .name = "softmax", .make = softmax_make};

static enum tf2_status make_across(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_lrn_attr *attr = step->node->attr;
    struct tf2__cl_map_view x, y;
    uint32_t table;
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    /* Rows are n, d, h; the pixels of a row are along w. */
    const cl_int t[14] = {
        1,
        (cl_int)x.n,
        (cl_int)x.dim[0],
        (cl_int)x.dim[1],
        0,
        (cl_int)x.stride_n,
        (cl_int)x.stride[0],
        (cl_int)x.stride[1],
        0,
        (cl_int)y.stride_n,
        (cl_int)y.stride[0],
        (cl_int)y.stride[1],
        (cl_int)x.stride[2],
        (cl_int)y.stride[2]};
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_NORM, "lrn_channels"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, x.dim[2]);
    tf2__cl_arg_int(build, x.c);
    tf2__cl_arg_int(build, TF2__MIN(attr->size / 2, x.c));
    tf2__cl_arg_float(build, (float)attr->size);
    tf2__cl_arg_float(build, attr->alpha);
    tf2__cl_arg_float(build, attr->beta);
    tf2__cl_arg_float(build, attr->k);
    tf2__cl_launch_size(build, x.n * x.dim[0] * x.dim[1], 1);
    return TF2_OK;
}

static enum tf2_status make_within(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_lrn_attr *attr = step->node->attr;
    uint32_t n_spatial = build->plan->tensors[step->in[0]].shape.n_dims - 2;
    struct tf2__cl_map_view x, y;
    uint32_t table;
    double window = 1;
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    const cl_int t[12] = {(cl_int)x.n,        (cl_int)x.dim[0],    (cl_int)x.dim[1],    (cl_int)x.dim[2],
                          (cl_int)x.stride_n, (cl_int)x.stride[0], (cl_int)x.stride[1], (cl_int)x.stride[2],
                          (cl_int)y.stride_n, (cl_int)y.stride[0], (cl_int)y.stride[1], (cl_int)y.stride[2]};
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_NORM, "lrn_within"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, x.c);
    for (uint32_t d = 0; d < 3; d++) {
        bool used = d + n_spatial >= 3;
        tf2__cl_arg_int(build, used ? attr->size / 2 : 0);
        window *= used ? attr->size : 1;
    }
    tf2__cl_arg_float(build, (float)window);
    tf2__cl_arg_float(build, attr->alpha);
    tf2__cl_arg_float(build, attr->beta);
    tf2__cl_arg_float(build, attr->k);
    tf2__cl_launch_size(build, x.n * x.dim[0] * x.dim[1] * x.dim[2], 1);
    return TF2_OK;
}

static enum tf2_status lrn_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_lrn_attr *attr = step->node->attr;
    TF2__TRY(attr->region == TF2_LRN_ACROSS_CHANNELS ? make_across(build, step) : make_within(build, step));
    if (step->node->activation.kind == TF2_ACTIVATION_NONE)
        return TF2_OK;
    return tf2__cl_make_activation(build, &step->node->activation, step->out);
}

static bool lrn_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    return plan->tensors[step->in[0]].shape.n_dims <= 2 + TF2_MAX_SPATIAL;
}

const struct tf2__cl_row tf2__cl_row_lrn = {
    .op = TF2_OP_LRN, .name = "lrn", .fits = lrn_fits, .make = lrn_make};

/* A factor per channel, 1 where there are none. */
static enum tf2_status
make_scale(struct tf2__cl_build *build, const struct tf2__step *step, int64_t n_channels, uint32_t *buffer)
{
    const bool given = step->n_in > 1 && step->in[1] != TF2_NO_TENSOR;
    const struct tf2__plan_tensor *scale = given ? &build->plan->tensors[step->in[1]] : NULL;
    const int64_t n = tf2__round_up(n_channels, build->device->vector_width);
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, n, buffer, &data));
    for (int64_t c = 0; c < n; c++) {
        const float *from = scale ? scale->data : NULL;
        ((cl_float *)data)[c] = c >= n_channels ? 0 : !from ? 1 : from[scale->shape.dim[0] > 1 ? c : 0];
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

static enum tf2_status normalize_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_normalize_attr *attr = step->node->attr;
    const bool whole = attr->region == TF2_NORMALIZE_ALL;
    struct tf2__cl_map_view x, y;
    uint32_t table, scale;
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    const cl_int t[13] = {(cl_int)x.dim[0],    (cl_int)x.dim[1],    (cl_int)x.dim[2],    (cl_int)x.stride_n,
                          (cl_int)x.stride[0], (cl_int)x.stride[1], (cl_int)x.stride[2], (cl_int)x.stride_c,
                          (cl_int)y.stride_n,  (cl_int)y.stride[0], (cl_int)y.stride[1], (cl_int)y.stride[2],
                          (cl_int)y.stride_c};
    TF2__TRY(make_scale(build, step, x.c, &scale));
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_NORM, "normalize_length"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, scale);
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, x.c);
    tf2__cl_arg_int(build, whole);
    tf2__cl_arg_float(build, attr->epsilon);
    tf2__cl_launch_size(build, whole ? x.n : x.n * x.dim[0] * x.dim[1], 1);
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_normalize = {
    .op = TF2_OP_NORMALIZE, .name = "normalize", .fits = lrn_fits, .make = normalize_make};
