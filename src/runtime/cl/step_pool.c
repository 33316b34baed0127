/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_pool.c: pooling (pool.cl).
 */
#include "runtime/cl/internal.h"

#include "transform/op/window.h"

/* Four numbers for every output index, as pool.cl reads them. */
static void fill_entries(const struct tf2__window_dim *w, int64_t stride, cl_int *entry)
{
    for (int64_t o = 0; o < w->out; o++, entry += 4) {
        int64_t start = o * w->stride - w->pad_begin;
        int64_t first = start < 0 ? tf2__ceil_div(-start, w->dilation) : 0;
        int64_t last = TF2__MIN(w->kernel, tf2__ceil_div(TF2__MAX(w->in - start, 0), w->dilation));
        int64_t padded = TF2__MIN(w->kernel, tf2__ceil_div(w->in + w->pad_end - start, w->dilation));
        entry[0] = (cl_int)((start + first * w->dilation) * stride);
        entry[1] = (cl_int)TF2__MAX(last - first, 0);
        entry[2] = (cl_int)padded;
        entry[3] = (cl_int)(w->dilation * stride);
    }
}

static enum tf2_status make_table(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_map_view *x,
    const struct tf2__cl_map_view *y, uint32_t *table)
{
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n = 0;
    void *data;
    TF2__TRY(tf2__pool_resolve(
        step->node->attr, &build->plan->tensors[step->in[0]].shape, dims, &n, build->error));
    TF2__TRY(tf2__cl_buffer_map(build, 8 + 4 * (y->dim[0] + y->dim[1] + y->dim[2]), table, &data));
    cl_int *t = data;
    const int64_t head[8] = {y->dim[0],   y->dim[1],    y->dim[2],    x->stride_n,
                             y->stride_n, y->stride[0], y->stride[1], y->stride[2]};
    for (uint32_t i = 0; i < 8; i++)
        *t++ = (cl_int)head[i];
    for (uint32_t d = 0; d < 3; d++) {
        struct tf2__window_dim w = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
        if (d + n >= 3)
            w = dims[d + n - 3];
        fill_entries(&w, x->stride[d], t);
        t += 4 * w.out;
    }
    return tf2__cl_buffer_unmap(build, *table, data);
}

static enum tf2_status pool_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_pool_attr *attr = step->node->attr;
    struct tf2__cl_map_view x, y;
    uint32_t table;
    int vw = build->device->vector_width;
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    TF2__TRY(make_table(build, step, &x, &y, &table));

    /* Few rows (a global pool has one per image): spread the channels over work items instead. */
    int64_t n_rows = y.n * y.dim[0] * y.dim[1];
    int64_t n_channels = y.c + build->plan->tensors[step->out].room;
    int64_t piece = n_rows >= 16 ? tf2__round_up(n_channels, vw) : 4 * vw;
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_POOL, "pool"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, n_channels);
    tf2__cl_arg_int(build, piece);
    tf2__cl_arg_int(build, attr->kind == TF2_POOL_AVG);
    tf2__cl_arg_int(build, attr->count_include_pad && !attr->global);
    tf2__cl_launch_size(build, n_rows, tf2__ceil_div(n_channels, piece));
    if (step->node->activation.kind == TF2_ACTIVATION_NONE)
        return TF2_OK;
    return tf2__cl_make_activation(build, &step->node->activation, step->out);
}

const struct tf2__cl_row tf2__cl_row_pool = {.op = TF2_OP_POOL, .name = "pool", .make = pool_make};
