/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_window.c: operators with sliding windows: convolutions and pooling; LRN and LpNormalization.
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

/* ---- ConvTranspose ---- */

/* ONNX's weights [I, O / group, ...] as the graph has them, [O, I / group, ...]. */
static enum tf2_status turned_weights(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, int64_t n_in, int64_t group, tf2_tensor_id *id,
    struct tf2_error *error)
{
    const struct tf2__onnx_array *w;
    struct tf2_shape shape;
    char text[128];
    void *data;
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 1, &w, error));
    if (w->shape.n_dims < 3 || w->shape.dim[0] != n_in || n_in % group || !w->count)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "weights of shape %s, wanted %lld in dimension 0, a multiple of the %lld groups",
            tf2_shape_format(&w->shape, text, sizeof(text)), (long long)n_in, (long long)group);
    const int64_t group_in = n_in / group, group_out = w->shape.dim[1];
    const int64_t n_taps = w->count / n_in / group_out;
    shape = w->shape;
    shape.dim[1] = group_in;
    if (!tf2__mul_i64(group_out, group, &shape.dim[0]))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld groups of %lld outputs", (long long)group, (long long)group_out);
    TF2__TRY(tf2__onnx_charge(onnx, (uint64_t)w->count * sizeof(float), error));
    TF2__TRY(tf2__onnx_alloc(onnx, w->count, sizeof(float), true, &data, error));
    const float *from = w->data;
    for (int64_t i = 0; i < n_in; i++) {
        for (int64_t o = 0; o < group_out; o++, from += n_taps) {
            int64_t row = (i / group_in * group_out + o) * group_in + i % group_in;
            memcpy((float *)data + row * n_taps, from, (size_t)n_taps * sizeof(float));
        }
    }
    return tf2__onnx_emit_constant(onnx, node, "weights", &shape, data, id, error);
}

static enum tf2_status read_output_padding(
    const struct tf2__onnx_node *node, uint32_t n, struct tf2_conv_transpose_attr *attr,
    struct tf2_error *error)
{
    struct tf2__onnx_list list;
    TF2__TRY(tf2__onnx_attr_list(node, "output_padding", &list, error));
    if (list.given && list.n != n)
        return tf2__fail(error, TF2_ERR_SHAPE, "output_padding has %zu numbers, wanted %u", list.n, n);
    for (size_t i = 0; i < list.n; i++)
        TF2__TRY(tf2__onnx_int32(list.v[i], "output_padding", &attr->output_pad[i], error));
    return TF2_OK;
}

/* What is cut off of one dimension, or added to it, so that `wanted` pixels are left. */
static enum tf2_status fit_output(
    struct tf2_conv_transpose_attr *attr, uint32_t d, int64_t in, int64_t kernel, int64_t wanted,
    struct tf2_error *error)
{
    struct tf2_window *w = &attr->window;
    const int64_t stride = TF2__MAX(w->stride[d], 1), dilation = TF2__MAX(w->dilation[d], 1);
    const int64_t whole = (in - 1) * stride + (kernel - 1) * dilation + 1 + attr->output_pad[d];
    const int64_t pad = TF2__MAX(whole - wanted, 0);
    const int64_t begin = w->auto_pad == TF2_AUTO_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
    if (wanted < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "output_shape has %lld", (long long)wanted);
    TF2__TRY(tf2__onnx_int32(begin, "output_shape", &w->pad_begin[d], error));
    TF2__TRY(tf2__onnx_int32(pad - begin, "output_shape", &w->pad_end[d], error));
    return tf2__onnx_int32(
        attr->output_pad[d] + TF2__MAX(wanted - whole, 0), "output_shape", &attr->output_pad[d], error);
}

/* output_shape takes the place of pads. It is a number in the file: other sizes of the input are not meant. */
static enum tf2_status read_output_shape(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const tf2_tensor_id *in,
    struct tf2_conv_transpose_attr *attr, struct tf2_error *error)
{
    const struct tf2_shape x = *tf2__onnx_shape(onnx, in[0], 0), w = *tf2__onnx_shape(onnx, in[1], 0);
    struct tf2__onnx_list list;
    TF2__TRY(tf2__onnx_attr_list(node, "output_shape", &list, error));
    if (!list.given)
        return TF2_OK;
    if (list.n != x.n_dims - 2 || w.n_dims != x.n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "output_shape has %zu numbers, wanted %u", list.n, x.n_dims - 2);
    for (uint32_t d = 0; d < x.n_dims - 2; d++)
        TF2__TRY(fit_output(attr, d, x.dim[2 + d], w.dim[2 + d], list.v[d], error));
    attr->window.auto_pad = TF2_AUTO_PAD_EXPLICIT;
    return TF2_OK;
}

/* Lanes in which x has another size than the one that output_shape was made for. */
static void drop_other_sizes(struct tf2__onnx *onnx, tf2_tensor_id x, tf2_tensor_id out)
{
    const struct tf2_shape shape = *tf2__onnx_shape(onnx, x, 0);
    for (int lane = 1; lane < TF2__ONNX_LANES; lane++) {
        const struct tf2_shape *other = tf2__onnx_shape(onnx, x, lane);
        bool same = true;
        for (uint32_t d = 2; other && d < shape.n_dims; d++)
            same &= other->dim[d] == shape.dim[d];
        if (!same)
            tf2__onnx_drop_lane(onnx, out, lane);
    }
}

enum tf2_status tf2__onnx_convert_conv_transpose(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_conv_transpose_attr attr = {0};
    tf2_tensor_id in[3], out;
    uint32_t n = 0;
    const size_t n_in = tf2__onnx_in(onnx, node, 2) ? 3 : 2;
    const int64_t group = tf2__onnx_attr_int(node, "group", 1);
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &in[0], error));
    if (n_in > 2)
        TF2__TRY(tf2__onnx_data(onnx, node, 2, &in[2], error));
    TF2__TRY(n_spatial(onnx, in[0], &n, error));
    if (group < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "group %lld", (long long)group);
    TF2__TRY(tf2__onnx_int32(group, "group", &attr.group, error));
    TF2__TRY(read_window(node, n, &attr.window, error));
    TF2__TRY(read_output_padding(node, n, &attr, error));
    TF2__TRY(turned_weights(onnx, node, tf2__onnx_shape(onnx, in[0], 0)->dim[1], group, &in[1], error));
    TF2__TRY(check_kernel_shape(&attr.window, n, tf2__onnx_shape(onnx, in[1], 0), error));
    memset(attr.window.kernel, 0, sizeof(attr.window.kernel));
    TF2__TRY(read_output_shape(onnx, node, in, &attr, error));
    TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_CONV_TRANSPOSE, &attr, in, n_in, &out, error));
    if (tf2__onnx_attr(node, "output_shape"))
        drop_other_sizes(onnx, in[0], out);
    return TF2_OK;
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

/* ---- LpNormalization ---- */

/* Along channels; another axis changes places with them, there and back. */
enum tf2_status tf2__onnx_convert_lp_normalization(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2_normalize_attr attr = {.region = TF2_NORMALIZE_CHANNELS};
    struct tf2_transpose_attr swap = {0};
    const int64_t p = tf2__onnx_attr_int(node, "p", 2);
    tf2_tensor_id x;
    uint32_t axis = 0;
    if (p != 2)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "p %lld is not supported, only 2", (long long)p);
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    swap.n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(node, "axis", -1), swap.n_dims, false, &axis, error));
    if (swap.n_dims < 2)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only supported on two or more dimensions");
    if (axis == 1)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_NORMALIZE, &attr, &x, 1, &x, error);
    for (uint32_t d = 0; d < swap.n_dims; d++)
        swap.perm[d] = d == 1 ? axis : d == axis ? 1 : d;
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "swap", TF2_OP_TRANSPOSE, &swap, &x, 1, &x, error));
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "normalize", TF2_OP_NORMALIZE, &attr, &x, 1, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_TRANSPOSE, &swap, &x, 1, &x, error);
}
