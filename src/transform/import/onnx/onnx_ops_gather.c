/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_gather.c: Gather and GatherND with known indices: slices, one for each run of evenly spaced indices, joined.
 */
#include "transform/import/onnx/internal.h"

/* Indices first, first + step, ... */
struct run {
    int64_t first, step, n;
};

/* The longest run from index i on. */
static struct run find_run(const int64_t *v, int64_t n, int64_t extent, int64_t i)
{
    const int64_t first = v[i] < 0 ? v[i] + extent : v[i];
    struct run run = {.first = first, .step = 1, .n = 1};
    for (int64_t last = first; ++i < n; run.n++) {
        const int64_t index = v[i] < 0 ? v[i] + extent : v[i];
        if (run.n == 1)
            run.step = index - last;
        if (run.step == 0 || index - last != run.step)
            break;
        last = index;
    }
    if (run.n == 1)
        run.step = 1;
    return run;
}

static void set_slice(const struct run *run, uint32_t axis, struct tf2_slice_attr *slice)
{
    const int64_t last = run->first + (run->n - 1) * run->step;
    slice->begin[axis] = run->first;
    slice->end[axis] = run->step > 0 ? last + 1 : last > 0 ? last - 1 : INT64_MIN;
    slice->step[axis] = run->step;
}

static enum tf2_status
check_indices(const struct tf2__onnx_array *indices, int64_t extent, bool varies, struct tf2_error *error)
{
    const int64_t *v = indices->data;
    for (int64_t i = 0; i < indices->count; i++) {
        if (v[i] < -extent || v[i] >= extent)
            return tf2__fail(
                error, TF2_ERR_VALUE, "index %lld of %lld elements", (long long)v[i], (long long)extent);
        if (v[i] < 0 && varies && indices->count > 1)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "indices from the end of a dimension of open size");
    }
    return TF2_OK;
}

/* The parts of x that the indices name, joined along the axis: output 0, or a part of it. */
static enum tf2_status emit_runs(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_array *indices,
    uint32_t axis, bool is_part, tf2_tensor_id *x, struct tf2_error *error)
{
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, *x, 0);
    const struct tf2_axis_attr joined = {.axis = (int32_t)axis};
    const int64_t *v = indices->data, extent = shape->dim[axis];
    struct tf2_slice_attr slice;
    struct run runs[TF2_MAX_NODE_INPUTS];
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    size_t n = 0;
    TF2__TRY(check_indices(indices, extent, tf2__onnx_dim_varies(onnx, *x, axis), error));
    for (int64_t i = 0; i < indices->count; i += runs[n++].n) {
        if (n == TF2_MAX_NODE_INPUTS)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "indices of more than %d evenly spaced parts",
                TF2_MAX_NODE_INPUTS);
        runs[n] = find_run(v, indices->count, extent, i);
    }
    tf2__onnx_slice_all(&slice, shape->n_dims);
    set_slice(&runs[0], axis, &slice);
    if (indices->count == 1 && v[0] < 0) { /* from the end, whatever the extent is */
        slice.begin[axis] = v[0];
        slice.end[axis] = v[0] == -1 ? INT64_MAX : v[0] + 1;
    }
    if (n == 1 && !is_part)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_SLICE, &slice, x, 1, x, error);
    for (size_t i = 0; i < n; i++) {
        if (n > 1)
            set_slice(&runs[i], axis, &slice);
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "slice", TF2_OP_SLICE, &slice, x, 1, &in[i], error));
    }
    if (n == 1) {
        *x = in[0];
        return TF2_OK;
    }
    if (!is_part)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_CONCAT, &joined, in, n, x, error);
    return tf2__onnx_emit_part(onnx, node, "joined", TF2_OP_CONCAT, &joined, in, n, x, error);
}

static enum tf2_status read_indices(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_array **indices,
    struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, indices, error));
    if (!*indices || tf2__onnx_is_float((*indices)->type) || (*indices)->count == 0)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "the indices are no integers");
    return TF2_OK;
}

/* Gives the axis the shape of the indices: output 0. Only one dimension behind it may be of open size. */
static enum tf2_status split_axis(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, uint32_t axis, const struct tf2_shape *indices,
    tf2_tensor_id *x, struct tf2_error *error)
{
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, *x, 0);
    struct tf2_reshape_attr attr = {.n_dims = 0};
    size_t n_open = 0;
    if (shape->n_dims - 1 + indices->n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a result of %u dimensions, at most %d supported",
            shape->n_dims - 1 + indices->n_dims, TF2_MAX_DIMS);
    for (uint32_t d = 0; d < axis; d++)
        attr.dim[attr.n_dims++] = 0;
    for (uint32_t d = 0; d < indices->n_dims; d++)
        attr.dim[attr.n_dims++] = indices->dim[d];
    for (uint32_t d = axis + 1; d < shape->n_dims; d++) {
        const bool open = tf2__onnx_dim_varies(onnx, *x, d);
        attr.dim[attr.n_dims++] = open ? -1 : shape->dim[d];
        n_open += open;
    }
    if (n_open > 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "indices of %u dimensions before %zu dimensions of open size",
            indices->n_dims, n_open);
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_RESHAPE, &attr, x, 1, x, error);
}

enum tf2_status
tf2__onnx_convert_gather(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    if (tf2__onnx_in(onnx, node, 1)->n_tables)
        return tf2__onnx_gather_table(onnx, node, error);
    const struct tf2__onnx_array *indices;
    tf2_tensor_id x;
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_indices(onnx, node, &indices, error));
    TF2__TRY(tf2__onnx_axis(
        tf2__onnx_attr_int(node, "axis", 0), tf2__onnx_shape(onnx, x, 0)->n_dims, false, &axis, error));
    TF2__TRY(emit_runs(onnx, node, indices, axis, indices->shape.n_dims != 1, &x, error));
    if (indices->shape.n_dims == 1)
        return TF2_OK;
    if (indices->shape.n_dims > 1)
        return split_axis(onnx, node, axis, &indices->shape, &x, error);
    const struct tf2_axes_attr squeeze = {.axes = 1u << axis};
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SQUEEZE, &squeeze, &x, 1, &x, error);
}

/* Indices [n, 1] of the first dimension, as exporters write x[:, [2, 1, 0]] between two transposes. */
enum tf2_status tf2__onnx_convert_gather_nd(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *indices;
    char text[128];
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_indices(onnx, node, &indices, error));
    if (tf2__onnx_attr_int(node, "batch_dims", 0) || indices->shape.n_dims != 2 || indices->shape.dim[1] != 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "indices of shape %s with batch_dims %lld, only nx1 with 0 is supported",
            tf2_shape_format(&indices->shape, text, sizeof(text)),
            (long long)tf2__onnx_attr_int(node, "batch_dims", 0));
    if (tf2__onnx_shape(onnx, x, 0)->n_dims == 0)
        return tf2__fail(error, TF2_ERR_SHAPE, "input without dimensions");
    return emit_runs(onnx, node, indices, 0, false, &x, error);
}
