/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_window.c: convolutions and pools.
 *
 * TensorFlow gives strides and the like for all dimensions in the order of data_format, and filters as
 * [spatial..., I, O], for depthwise convolutions [H, W, C, M] with M outputs for each of C inputs.
 */
#include "transform/import/tf/internal.h"

/* The numbers of the spatial dimensions out of those of all; the others have to be 1. */
static enum tf2_status take_spatial(
    const struct tf2__onnx_list *list, const char *what, bool last, uint32_t n, int64_t *result,
    struct tf2_error *error)
{
    if (list->n != n + 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "%s has %zu numbers, wanted %u", what, list->n, n + 2);
    const size_t channel = last ? n + 1 : 1, first = last ? 1 : 2;
    if (list->v[0] != 1 || list->v[channel] != 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s has %lld for the batch and %lld for the channels, wanted 1", what,
            (long long)list->v[0], (long long)list->v[channel]);
    memcpy(result, list->v + first, n * sizeof(*result));
    return TF2_OK;
}

/* explicit_paddings: before and after each dimension, in the order of data_format. */
static enum tf2_status
take_padding(const struct tf2__tf_node *node, struct tf2__tf_window *window, struct tf2_error *error)
{
    struct tf2__onnx_list pads;
    const uint32_t n = window->n;
    window->padding = tf2__tf_attr_string(node, "padding", "");
    if (strcmp(window->padding, "SAME") == 0 || strcmp(window->padding, "VALID") == 0)
        return TF2_OK;
    if (strcmp(window->padding, "EXPLICIT") != 0)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "padding '%.20s', wanted SAME, VALID or EXPLICIT", window->padding);
    TF2__TRY(tf2__tf_attr_list(node, "explicit_paddings", &pads, error));
    if (pads.n != 2 * (n + 2))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "explicit_paddings has %zu numbers, wanted %u", pads.n, 2 * (n + 2));
    const size_t channel = window->last ? n + 1 : 1, first = window->last ? 1 : 2;
    if (pads.v[0] || pads.v[1] || pads.v[2 * channel] || pads.v[2 * channel + 1])
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "explicit_paddings of batch or channels, wanted 0");
    for (uint32_t d = 0; d < n; d++) {
        window->pad[d] = pads.v[2 * (first + d)];
        window->pad[n + d] = pads.v[2 * (first + d) + 1];
    }
    return TF2_OK;
}

/* The map of a window: x with its channels first, of n spatial dimensions. */
static enum tf2_status take_map(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *x,
    const struct tf2__tf_window *window, struct tf2__onnx_value **map, struct tf2_error *error)
{
    TF2__TRY(
        window->last ? tf2__tf_as_first(tf, node, x, map, error) : tf2__tf_as_file(tf, node, x, map, error));
    const struct tf2_shape *shape = tf2__tf_shape_of(tf, *map);
    char text[128];
    if (shape->n_dims != window->n + 2)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input of shape %s, wanted %u dimensions",
            tf2_shape_format(shape, text, sizeof(text)), window->n + 2);
    return TF2_OK;
}

static void add_window(struct tf2__tf_call *call, const struct tf2__tf_window *window)
{
    tf2__tf_call_list(call, "strides", window->stride, window->n);
    if (strcmp(window->padding, "EXPLICIT") == 0)
        tf2__tf_call_list(call, "pads", window->pad, 2 * (size_t)window->n);
    else
        tf2__tf_call_string(call, "auto_pad", strcmp(window->padding, "SAME") == 0 ? "SAME_UPPER" : "VALID");
}

/* ---- convolutions ---- */

static bool is_depthwise(const struct tf2__tf_node *node)
{
    return strcmp(node->op->name, "DepthwiseConv2dNative") == 0;
}

enum tf2_status tf2__tf_read_conv(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_window *window,
    struct tf2_error *error)
{
    struct tf2__onnx_list list;
    (void)tf;
    *window = (struct tf2__tf_window){.n = strcmp(node->op->name, "Conv3D") == 0 ? 3 : 2};
    TF2__TRY(tf2__tf_channels_last(node, &window->last, error));
    TF2__TRY(tf2__tf_attr_list(node, "strides", &list, error));
    TF2__TRY(take_spatial(&list, "strides", window->last, window->n, window->stride, error));
    TF2__TRY(tf2__tf_attr_list(node, "dilations", &list, error));
    for (uint32_t d = 0; d < window->n; d++)
        window->dilation[d] = 1;
    if (list.n)
        TF2__TRY(take_spatial(&list, "dilations", window->last, window->n, window->dilation, error));
    return take_padding(node, window, error);
}

/* [spatial..., I, O] to [O, I, spatial...]; depthwise [H, W, C, M] to [C * M, 1, H, W]. */
static enum tf2_status take_filter(
    struct tf2__tf *tf, const struct tf2__tf_node *node, uint32_t n, int64_t n_in,
    struct tf2__onnx_value **filter, int64_t *group, struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    struct tf2__onnx_value *in[2];
    char text[128];
    TF2__TRY(tf2__tf_known(tf, node, 1, &known, error));
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[0], error));
    const struct tf2_shape shape = known->array[0].shape;
    if (shape.n_dims != n + 2 || known->array[0].count == 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "filter of shape %s, wanted %u dimensions",
            tf2_shape_format(&shape, text, sizeof(text)), n + 2);
    const bool depthwise = is_depthwise(node);
    const int64_t wanted = shape.dim[n];
    if (depthwise ? wanted != n_in : n_in % wanted != 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "filter of shape %s for %lld channels",
            tf2_shape_format(&shape, text, sizeof(text)), (long long)n_in);
    *group = depthwise ? n_in : n_in / wanted;
    int64_t perm[TF2_MAX_SPATIAL + 2] = {depthwise ? n : n + 1, depthwise ? n + 1 : n};
    for (uint32_t d = 0; d < n; d++)
        perm[2 + d] = d;
    TF2__TRY(tf2__tf_run_transpose(tf, node, in[0], perm, n + 2, "filter", filter, error));
    if (!depthwise)
        return TF2_OK;
    const int64_t dims[4] = {n_in * shape.dim[3], 1, shape.dim[0], shape.dim[1]};
    in[0] = *filter;
    TF2__TRY(tf2__tf_make_ints(tf, node, dims, 4, &in[1], error));
    return tf2__tf_run_plain(tf, node, "Reshape", 2, in, "filter", filter, error);
}

enum tf2_status tf2__tf_run_conv(
    struct tf2__tf *tf, const struct tf2__tf_node *conv, struct tf2__tf_node *node, struct tf2__tf_value *x,
    const struct tf2__tf_window *window, struct tf2_error *error)
{
    struct tf2__tf_call call;
    struct tf2__onnx_value *in[2], *out;
    int64_t group = 1;
    TF2__TRY(take_map(tf, node, x, window, &in[0], error));
    TF2__TRY(take_filter(tf, conv, window->n, tf2__tf_shape_of(tf, in[0])->dim[1], &in[1], &group, error));
    tf2__tf_call_init(&call, "Conv", 2, in);
    add_window(&call, window);
    tf2__tf_call_list(&call, "dilations", window->dilation, window->n);
    tf2__tf_call_int(&call, "group", group);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, window->last, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_conv(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    struct tf2__tf_window window;
    if (x->spread)
        return tf2__tf_spread_conv(tf, node, x->spread, error);
    TF2__TRY(tf2__tf_read_conv(tf, node, &window, error));
    return tf2__tf_run_conv(tf, node, node, x, &window, error);
}

/* ---- pools ---- */

/* ksize and strides: attributes, or the inputs of MaxPoolV2. */
static enum tf2_status read_pool_list(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const char *name, size_t input,
    const struct tf2__tf_window *window, int64_t *result, struct tf2_error *error)
{
    struct tf2__onnx_list list;
    if (input < node->n_in)
        TF2__TRY(tf2__tf_ints(tf, node, input, &list, error));
    else
        TF2__TRY(tf2__tf_attr_list(node, name, &list, error));
    return take_spatial(&list, name, window->last, window->n, result, error);
}

enum tf2_status tf2__tf_convert_pool(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const char *name = node->op->name;
    struct tf2__tf_window window = {.n = strstr(name, "3D") ? 3 : 2};
    struct tf2__onnx_value *x, *out;
    struct tf2__tf_call call;
    TF2__TRY(tf2__tf_channels_last(node, &window.last, error));
    TF2__TRY(read_pool_list(tf, node, "ksize", 1, &window, window.kernel, error));
    TF2__TRY(read_pool_list(tf, node, "strides", 2, &window, window.stride, error));
    TF2__TRY(take_padding(node, &window, error));
    TF2__TRY(take_map(tf, node, tf2__tf_in(tf, node, 0), &window, &x, error));
    tf2__tf_call_init(&call, node->op->onnx, 1, &x);
    tf2__tf_call_list(&call, "kernel_shape", window.kernel, window.n);
    add_window(&call, &window);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, window.last, out);
    return TF2_OK;
}
