/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_pool.c: pooling (pool.cl).
 */
#include "runtime/cl/internal.h"

#include "transform/op/window.h"

static enum tf2_status pool_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_pool_attr *attr = step->node->attr;
    struct tf2__cl_map_view x, y;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    cl_int t[29];
    uint32_t n = 0, table;
    int vw = build->device->vector_width;
    TF2__TRY(
        tf2__pool_resolve(attr, &build->plan->tensors[step->in[0]].shape, dims, &n, build->error));
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    for (uint32_t d = 0; d < 3; d++) {
        struct tf2__window_dim w = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
        if (d + n >= 3)
            w = dims[d + n - 3];
        const cl_int numbers[7] = {(cl_int)w.in,       (cl_int)w.out,       (cl_int)w.kernel, (cl_int)w.stride,
                                   (cl_int)w.dilation, (cl_int)w.pad_begin, (cl_int)w.pad_end};
        memcpy(t + 7 * d, numbers, sizeof(numbers));
        t[22 + d] = (cl_int)x.stride[d];
        t[26 + d] = (cl_int)y.stride[d];
    }
    t[21] = (cl_int)x.stride_n;
    t[25] = (cl_int)y.stride_n;
    TF2__TRY(tf2__cl_buffer_from(build, t, TF2__COUNT(t), &table));

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
