/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_shape.c: shapes and what computes with them: Shape, Rank, Reshape, Squeeze, ExpandDims, Fill, Range,
 * Gather.
 */
#include "transform/import/nhwc.h"
#include "transform/import/tf/internal.h"

/* The extents as the file has them, without a transpose of the data. */
enum tf2_status tf2__tf_convert_shape(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *x, *in[2], *out;
    int64_t order[TF2_MAX_DIMS];
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    TF2__TRY(tf2__tf_run_plain(tf, node, node->op->onnx, 1, &x, NULL, &out, error));
    if (first && strcmp(node->op->onnx, "Shape") == 0) {
        const uint32_t n = tf2__tf_shape_of(tf, x)->n_dims;
        for (uint32_t d = 0; d < n; d++)
            order[d] = tf2__nhwc_axis(true, n, d);
        in[0] = out;
        TF2__TRY(tf2__tf_make_ints(tf, node, order, n, &in[1], error));
        TF2__TRY(tf2__tf_run_plain(tf, node, "Gather", 2, in, "shape", &out, error));
    }
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_rank(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2], *out;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    const int64_t rank = tf2__tf_shape_of(tf, in[0])->n_dims;
    TF2__TRY(tf2__tf_make_ints(tf, node, &rank, 1, &in[0], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){0}, 1, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Squeeze", 2, in, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

/* An extent of 0 is one, not a copy of the input's. */
enum tf2_status
tf2__tf_convert_reshape(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    struct tf2__onnx_value *in[2], *out;
    struct tf2__tf_call call;
    TF2__TRY(tf2__tf_file(tf, node, 0, &in[0], error));
    TF2__TRY(tf2__tf_known(tf, node, 1, &known, error));
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[1], error));
    tf2__tf_call_init(&call, "Reshape", 2, in);
    tf2__tf_call_int(&call, "allowzero", 1);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

/* x with the axes (of the file) of the mask removed or added; `op` takes them as its second input. */
static enum tf2_status run_axes(
    struct tf2__tf *tf, struct tf2__tf_node *node, const char *op, struct tf2__onnx_value *x, uint32_t mask,
    uint32_t n_dims, bool first, bool result_first, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2] = {x}, *out;
    int64_t axes[TF2_MAX_DIMS];
    size_t n = 0;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (mask >> d & 1)
            axes[n++] = tf2__nhwc_axis(first, n_dims, d);
    }
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, n, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, op, 2, in, NULL, &out, error));
    tf2__tf_set(node, 0, result_first, out);
    return TF2_OK;
}

/* With channels first that order stays where batch and channels stay; two dimensions are the same in both. */
enum tf2_status
tf2__tf_convert_squeeze(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    struct tf2__onnx_list list;
    struct tf2__onnx_value *value;
    uint32_t mask = 0;
    bool first;
    if (x->spread)
        return tf2__tf_spread_lower(tf, node, x->spread, error);
    TF2__TRY(tf2__tf_attr_list(node, "squeeze_dims", &list, error));
    if (!list.n)
        TF2__TRY(tf2__tf_attr_list(node, "axis", &list, error));
    TF2__TRY(tf2__tf_any(tf, node, 0, &value, &first, error));
    const struct tf2_shape shape = tf2__tf_file_shape(tf, x);
    TF2__TRY(tf2__onnx_axes(&list, shape.n_dims, &mask, error));
    if (!list.n)
        mask = tf2__shape_ones(&shape);
    if (!mask) {
        tf2__tf_alias(node, 0, x);
        return TF2_OK;
    }
    const uint32_t ends = 1u | 1u << (shape.n_dims - 1);
    const uint32_t n_left = shape.n_dims - (uint32_t)__builtin_popcount(mask);
    if (first && (mask & ends)) {
        TF2__TRY(tf2__tf_as_file(tf, node, x, &value, error));
        first = false;
    }
    return run_axes(tf, node, "Squeeze", value, mask, shape.n_dims, first, first && n_left >= 3, error);
}

enum tf2_status
tf2__tf_convert_expand_dims(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    struct tf2__onnx_value *value;
    uint32_t axis = 0;
    bool first;
    if (x->spread)
        return tf2__tf_spread_lift(tf, node, x->spread, error);
    TF2__TRY(tf2__tf_any(tf, node, 0, &value, &first, error));
    const uint32_t n_dims = tf2__tf_shape_of(tf, value)->n_dims + 1;
    if (n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%u dimensions, at most %d supported", n_dims, TF2_MAX_DIMS);
    TF2__TRY(tf2__tf_axis(tf, node, 1, n_dims, &axis, error));
    if (first && (axis == 0 || axis + 1 == n_dims)) {
        TF2__TRY(tf2__tf_as_file(tf, node, x, &value, error));
        first = false;
    }
    return run_axes(tf, node, "Unsqueeze", value, 1u << axis, n_dims, first, first, error);
}

enum tf2_status tf2__tf_convert_fill(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2], *out;
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[0], error));
    TF2__TRY(tf2__tf_file(tf, node, 0, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Expand", 2, in, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_range(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[3], *out;
    for (size_t i = 0; i < 3; i++)
        TF2__TRY(tf2__tf_file(tf, node, i, &in[i], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Range", 3, in, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_gather(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2], *out;
    struct tf2__tf_call call;
    uint32_t axis = 0;
    TF2__TRY(tf2__tf_file(tf, node, 0, &in[0], error));
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[1], error));
    if (node->n_in > 2)
        TF2__TRY(tf2__tf_axis(tf, node, 2, tf2__tf_shape_of(tf, in[0])->n_dims, &axis, error));
    if (tf2__tf_attr_int(node, "batch_dims", 0) != 0)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "batch_dims is not supported");
    tf2__tf_call_init(&call, "Gather", 2, in);
    tf2__tf_call_int(&call, "axis", axis);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}
