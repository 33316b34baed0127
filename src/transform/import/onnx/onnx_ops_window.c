/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_window.c: operators with sliding windows: convolution and pooling; and LRN.
 */
#include "transform/import/onnx/internal.h"

/* How many spatial dimensions input 0 has. */
static enum tf2_status
n_spatial(const struct tf2__onnx *onnx, tf2_tensor_id x, uint32_t *n, struct tf2_error *error)
{
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, x, 0);
    char text[128];
    if (shape->n_dims < 3 || shape->n_dims > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input of shape %s, wanted batch, channels and 1 to %d spatial dimensions",
            tf2_shape_format(shape, text, sizeof(text)), TF2_MAX_SPATIAL);
    *n = shape->n_dims - 2;
    return TF2_OK;
}

/* Copies an attribute of one number per spatial dimension; absent ones leave zeros (the default). */
static enum tf2_status spatial_list(
    const struct tf2__onnx_node *node, const char *name, uint32_t n, int32_t *result, struct tf2_error *error)
{
    struct tf2__onnx_list list;
    TF2__TRY(tf2__onnx_attr_list(node, name, &list, error));
    if (list.given && list.n != n)
        return tf2__fail(error, TF2_ERR_SHAPE, "%s has %zu numbers, wanted %u", name, list.n, n);
    for (size_t i = 0; i < list.n; i++) {
        if (list.v[i] < 1)
            return tf2__fail(error, TF2_ERR_VALUE, "%s has %lld", name, (long long)list.v[i]);
        TF2__TRY(tf2__onnx_int32(list.v[i], name, &result[i], error));
    }
    return TF2_OK;
}

/* pads: the beginnings of all dimensions, then the ends. */
static enum tf2_status
read_pads(const struct tf2__onnx_node *node, uint32_t n, struct tf2_window *window, struct tf2_error *error)
{
    struct tf2__onnx_list pads;
    TF2__TRY(tf2__onnx_attr_list(node, "pads", &pads, error));
    if (!pads.given)
        return TF2_OK;
    if (pads.n != 2 * n)
        return tf2__fail(error, TF2_ERR_SHAPE, "pads has %zu numbers, wanted %u", pads.n, 2 * n);
    for (uint32_t d = 0; d < n; d++) {
        if (pads.v[d] < 0 || pads.v[d + n] < 0)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "negative pads are not supported");
        if (window->auto_pad != TF2_AUTO_PAD_EXPLICIT && (pads.v[d] || pads.v[d + n]))
            return tf2__fail(error, TF2_ERR_FORMAT, "auto_pad and pads contradict each other");
        TF2__TRY(tf2__onnx_int32(pads.v[d], "pads", &window->pad_begin[d], error));
        TF2__TRY(tf2__onnx_int32(pads.v[d + n], "pads", &window->pad_end[d], error));
    }
    return TF2_OK;
}

static enum tf2_status
read_window(const struct tf2__onnx_node *node, uint32_t n, struct tf2_window *window, struct tf2_error *error)
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    static const enum tf2_auto_pad values[] = {
        TF2_AUTO_PAD_EXPLICIT, TF2_AUTO_PAD_SAME_UPPER, TF2_AUTO_PAD_SAME_LOWER, TF2_AUTO_PAD_VALID};
    int word = 0;
    TF2__TRY(tf2__onnx_attr_word(node, "auto_pad", words, TF2__COUNT(words), &word, error));
    window->auto_pad = values[word];
    TF2__TRY(spatial_list(node, "kernel_shape", n, window->kernel, error));
    TF2__TRY(spatial_list(node, "strides", n, window->stride, error));
    TF2__TRY(spatial_list(node, "dilations", n, window->dilation, error));
    return read_pads(node, n, window, error);
}

/* ---- Conv ---- */

/* kernel_shape repeats what the weights' shape says. */
static enum tf2_status check_kernel_shape(
    const struct tf2_window *window, uint32_t n, const struct tf2_shape *weights, struct tf2_error *error)
{
    char text[128];
    for (uint32_t d = 0; d < n; d++) {
        if (window->kernel[d] && weights->n_dims == n + 2 && window->kernel[d] != weights->dim[d + 2])
            return tf2__fail(
                error, TF2_ERR_SHAPE, "kernel_shape has %d in dimension %u, the weights are %s",
                window->kernel[d], d, tf2_shape_format(weights, text, sizeof(text)));
    }
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_conv(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_conv_attr attr = {0};
    tf2_tensor_id in[3], out;
    uint32_t n = 0;
    size_t n_in = tf2__onnx_in(onnx, node, 2) ? 3 : 2;
    for (size_t i = 0; i < n_in; i++)
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[i], error));
    TF2__TRY(n_spatial(onnx, in[0], &n, error));
    TF2__TRY(read_window(node, n, &attr.window, error));
    TF2__TRY(check_kernel_shape(&attr.window, n, tf2__onnx_shape(onnx, in[1], 0), error));
    memset(attr.window.kernel, 0, sizeof(attr.window.kernel));
    int64_t group = tf2__onnx_attr_int(node, "group", 1);
    if (group < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "group %lld", (long long)group);
    TF2__TRY(tf2__onnx_int32(group, "group", &attr.group, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_CONV, &attr, in, n_in, &out, error);
}

/* ---- pooling ---- */

static enum tf2_status convert_pool(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_pool_kind kind,
    struct tf2_error *error)
{
    struct tf2_pool_attr attr = {.kind = kind};
    tf2_tensor_id x;
    uint32_t n = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(n_spatial(onnx, x, &n, error));
    TF2__TRY(read_window(node, n, &attr.window, error));
    if (!attr.window.kernel[0])
        return tf2__fail(error, TF2_ERR_FORMAT, "kernel_shape is missing");
    attr.rounding = tf2__onnx_attr_int(node, "ceil_mode", 0) ? TF2_POOL_CEIL : TF2_POOL_FLOOR;
    attr.count_include_pad = tf2__onnx_attr_int(node, "count_include_pad", 0) != 0;
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_POOL, &attr, &x, 1, &x, error);
}

/* storage_order only concerns the second output, which is refused when it is used. */
enum tf2_status
tf2__onnx_convert_max_pool(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    return convert_pool(onnx, node, TF2_POOL_MAX, error);
}

enum tf2_status tf2__onnx_convert_average_pool(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    return convert_pool(onnx, node, TF2_POOL_AVG, error);
}

enum tf2_status tf2__onnx_convert_global_pool(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_pool_attr attr = {.global = true};
    tf2_tensor_id x;
    attr.kind = strcmp(node->op->name, "GlobalMaxPool") == 0 ? TF2_POOL_MAX : TF2_POOL_AVG;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_POOL, &attr, &x, 1, &x, error);
}

/* ReduceMean and ReduceMax over exactly the spatial axes are global pools; then those axes go when keepdims
 * is 0. */
enum tf2_status
tf2__onnx_convert_reduce(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_pool_attr attr = {.global = true};
    const struct tf2__onnx_array *array;
    struct tf2__onnx_list list;
    struct tf2_axes_attr axes;
    tf2_tensor_id x;
    if (strcmp(node->op->name, "ReduceMax") == 0)
        attr.kind = TF2_POOL_MAX;
    else if (strcmp(node->op->name, "ReduceMean") == 0)
        attr.kind = TF2_POOL_AVG;
    else
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only supported on constants and shapes");
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_list(node, "axes", array, &list, error));
    uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    TF2__TRY(tf2__onnx_axes(&list, n_dims, &axes.axes, error));
    if (list.n == 0 && tf2__onnx_attr_int(node, "noop_with_empty_axes", 0))
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    if (n_dims < 3 || axes.axes != ((1u << n_dims) - 1 - 3))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "only supported over all spatial axes (2 and on), found %zu axes of %u dimensions", list.n,
            n_dims);
    if (tf2__onnx_attr_int(node, "keepdims", 1))
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_POOL, &attr, &x, 1, &x, error);
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "pool", TF2_OP_POOL, &attr, &x, 1, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SQUEEZE, &axes, &x, 1, &x, error);
}

/* ---- LRN ---- */

enum tf2_status
tf2__onnx_convert_lrn(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_lrn_attr attr = {
        .region = TF2_LRN_ACROSS_CHANNELS,
        .alpha = tf2__onnx_attr_float(node, "alpha", 1e-4f),
        .beta = tf2__onnx_attr_float(node, "beta", 0.75f),
        .k = tf2__onnx_attr_float(node, "bias", 1.0f),
    };
    tf2_tensor_id x;
    if (!tf2__onnx_attr(node, "size"))
        return tf2__fail(error, TF2_ERR_FORMAT, "size is missing");
    TF2__TRY(tf2__onnx_int32(tf2__onnx_attr_int(node, "size", 0), "size", &attr.size, error));
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_LRN, &attr, &x, 1, &x, error);
}
