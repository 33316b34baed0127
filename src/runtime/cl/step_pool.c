/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_pool.c: pooling of float32 and of u8 (pool.cl, pool_int8.cl).
 */
#include "runtime/cl/internal.h"

#include "transform/op/window.h"

/* One window position along one dimension. */
struct span {
    int64_t start;        /* the first position, negative in the padding */
    int64_t first, last;  /* positions first .. last - 1 lie inside the input */
    int64_t padded;       /* positions inside the padded extent */
};

static struct span span_at(const struct tf2__window_dim *w, int64_t o)
{
    struct span s = {.start = o * w->stride - w->pad_begin};
    tf2__window_taps(w, o, &s.first, &s.last);
    s.last = TF2__MAX(s.last, s.first);
    s.padded = TF2__MIN(w->kernel, tf2__ceil_div(w->in + w->pad_end - s.start, w->dilation));
    return s;
}

/* Four numbers for every output index, as the kernels read them. */
static void fill_entries(const struct tf2__window_dim *w, int64_t stride, cl_int *entry)
{
    for (int64_t o = 0; o < w->out; o++, entry += 4) {
        const struct span s = span_at(w, o);
        entry[0] = (cl_int)((s.start + s.first * w->dilation) * stride);
        entry[1] = (cl_int)(s.last - s.first);
        entry[2] = (cl_int)s.padded;
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

/* --- u8 --- */

/* An average's factor for every output pixel; one factor for maxima. */
static enum tf2_status
make_factors(struct tf2__cl_build *build, const struct tf2__step *step, uint32_t *factors)
{
    const struct tf2_pool_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *x = &build->plan->tensors[step->in[0]];
    const struct tf2__plan_tensor *y = &build->plan->tensors[step->out];
    const double y_scale = y->dtype == TF2_DTYPE_U8 ? y->quant.scale : 1;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n = 0;
    void *data;
    TF2__TRY(tf2__pool_resolve(attr, &x->shape, dims, &n, build->error));
    int64_t count = 1;
    for (uint32_t d = 0; d < n && attr->kind == TF2_POOL_AVG; d++)
        count *= dims[d].out;
    TF2__TRY(tf2__cl_buffer_map(build, count, factors, &data));
    for (int64_t i = 0; i < count; i++) {
        double positions = 1;
        int64_t rest = i;
        for (uint32_t d = n; d-- > 0 && attr->kind == TF2_POOL_AVG;) {
            const struct span s = span_at(&dims[d], rest % dims[d].out);
            positions *= (double)(attr->count_include_pad && !attr->global ? s.padded : s.last - s.first);
            rest /= dims[d].out;
        }
        ((cl_float *)data)[i] = tf2__quant_factor(x->quant.scale, y_scale * positions);
    }
    return tf2__cl_buffer_unmap(build, *factors, data);
}

static enum tf2_status pool_int8_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_pool_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *in = &build->plan->tensors[step->in[0]];
    const struct tf2__plan_tensor *out = &build->plan->tensors[step->out];
    struct tf2__cl_map_view x, y;
    uint32_t table, factors, n = 0;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    TF2__TRY(tf2__pool_resolve(attr, &in->shape, dims, &n, build->error));
    TF2__TRY(make_table(build, step, &x, &y, &table));
    TF2__TRY(make_factors(build, step, &factors));
    const struct tf2__quant_bounds bounds =
        tf2__quant_bounds(out->dtype, &out->quant, &step->node->activation);
    const bool plain =
        tf2__quant_equal(&in->quant, &out->quant) && step->node->activation.kind == TF2_ACTIVATION_NONE;

    int64_t n_rows = y.n * y.dim[0] * y.dim[1];
    int64_t n_channels = y.c + out->room;
    int64_t piece = n_rows >= 16 ? tf2__round_up(n_channels, 16) : 64;
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_POOL_INT8, "pool_int8"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_buffer(build, factors);
    tf2__cl_arg_int(build, n_channels);
    tf2__cl_arg_int(build, piece);
    tf2__cl_arg_int(build, attr->kind == TF2_POOL_AVG);
    tf2__cl_arg_int(build, out->dtype == TF2_DTYPE_F32);
    tf2__cl_arg_int(build, plain);
    tf2__cl_arg_int(
        build, plain && attr->kind == TF2_POOL_MAX && dims[n - 1].kernel <= 3 && dims[n - 1].dilation == 1);
    tf2__cl_arg_int(build, in->quant.zero_point);
    tf2__cl_arg_float(build, bounds.lo);
    tf2__cl_arg_float(build, bounds.hi);
    tf2__cl_arg_int(build, out->quant.zero_point);
    tf2__cl_launch_size(build, n_rows, tf2__ceil_div(n_channels, piece));
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_pool_int8 = {
    .op = TF2_OP_POOL, .int8 = true, .name = "pool_int8", .make = pool_int8_make};
