/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_spread.c: dilated convolutions as older TensorFlow wrote them: SpaceToBatchND, a convolution without
 * dilation, BatchToSpaceND.
 *
 *     pad by p, take every b-th pixel as an image of its own ─▶ conv ─▶ put the pixels together, cut c off
 *                              =  conv with dilation b and padding p - c
 *
 * Nothing is computed until the last of the three is there. One-dimensional convolutions have an ExpandDims
 * behind the first and a Squeeze in front of the last: then both are done around the convolution here.
 */
#include "transform/import/tf/internal.h"

struct tf2__tf_spread {
    struct tf2__tf_value *x; /* what is spread */
    struct tf2__onnx_list block;
    const struct tf2__onnx_const *pads; /* [n, 2] */
    const struct tf2__tf_node *conv;    /* NULL: not met yet */
    uint32_t lifted;                    /* the dimension that ExpandDims has added; 0: none */
    bool lowered;                       /* Squeeze has removed it again */
};

/* A block and [n, 2] numbers beside it. */
static enum tf2_status read_inputs(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_list *block,
    const struct tf2__onnx_const **pads, struct tf2_error *error)
{
    TF2__TRY(tf2__tf_ints(tf, node, 1, block, error));
    TF2__TRY(tf2__tf_known(tf, node, 2, pads, error));
    const struct tf2_shape *shape = &(*pads)->array[0].shape;
    if (block->n < 1 || block->n > TF2_MAX_SPATIAL || shape->n_dims != 2 ||
        shape->dim[0] != (int64_t)block->n || shape->dim[1] != 2 ||
        tf2__onnx_is_float((*pads)->array[0].type))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "a block of %zu numbers, wanted 1 to %d, and two integers beside each",
            block->n, TF2_MAX_SPATIAL);
    return TF2_OK;
}

static enum tf2_status set_spread(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error)
{
    struct tf2__tf_spread *copy = tf2__arena_alloc(&tf->onnx.arena, 1, sizeof(*copy));
    if (!copy)
        return tf2__fail_memory(error, sizeof(*copy), "a dilated convolution");
    *copy = *spread;
    tf2__tf_alias(node, 0, &(struct tf2__tf_value){.spread = copy});
    return TF2_OK;
}

enum tf2_status
tf2__tf_convert_space_to_batch(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_spread spread = {.x = tf2__tf_in(tf, node, 0)};
    struct tf2__onnx_value *unused;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &unused, &first, error)); /* a plain tensor */
    TF2__TRY(read_inputs(tf, node, &spread.block, &spread.pads, error));
    return set_spread(tf, node, &spread, error);
}

/* ExpandDims in front of the convolution. */
enum tf2_status tf2__tf_spread_lift(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error)
{
    struct tf2__tf_spread lifted = *spread;
    const uint32_t n_dims = tf2__tf_rank(tf, spread->x) + 1;
    if (spread->conv || spread->lifted || n_dims != 4)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "only supported in front of a one-dimensional convolution");
    TF2__TRY(tf2__tf_axis(tf, node, 1, n_dims, &lifted.lifted, error));
    if (lifted.lifted != 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "axis %u, wanted 1", lifted.lifted);
    return set_spread(tf, node, &lifted, error);
}

/* Squeeze behind it. */
enum tf2_status tf2__tf_spread_lower(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error)
{
    struct tf2__tf_spread lowered = *spread;
    struct tf2__onnx_list axes;
    TF2__TRY(tf2__tf_attr_list(node, "squeeze_dims", &axes, error));
    if (!spread->conv || !spread->lifted || axes.n != 1 || (axes.v[0] != 1 && axes.v[0] != -3))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only supported behind a one-dimensional convolution");
    lowered.lowered = true;
    return set_spread(tf, node, &lowered, error);
}

enum tf2_status tf2__tf_spread_conv(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error)
{
    struct tf2__tf_spread with_conv = *spread;
    if (spread->conv)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "a second convolution between SpaceToBatchND and BatchToSpaceND, wanted one");
    with_conv.conv = node;
    return set_spread(tf, node, &with_conv, error);
}

/* Padding less what is cut off, of all lanes, which have to agree: it is the convolution's. */
static enum tf2_status net_padding(
    const struct tf2__onnx_const *pads, const struct tf2__onnx_const *crops, size_t n, int64_t *net,
    struct tf2_error *error)
{
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        if (!(pads->lanes >> l & crops->lanes >> l & 1))
            continue;
        const int64_t *p = pads->array[l].data, *c = crops->array[l].data;
        for (size_t i = 0; i < 2 * n; i++) {
            if (p[i] < 0 || p[i] > INT32_MAX || c[i] < 0 || c[i] > INT32_MAX)
                return tf2__fail(
                    error, TF2_ERR_VALUE, "paddings have %lld, crops %lld", (long long)p[i], (long long)c[i]);
            if (l > 0 && p[i] - c[i] != net[i])
                return tf2__fail(
                    error, TF2_ERR_UNSUPPORTED,
                    "the padding of this dilated convolution depends on the shape of the network's input");
            net[i] = p[i] - c[i];
        }
    }
    return TF2_OK;
}

/* The convolution's own padding lies between the pixels of one image: `block` pixels apart. */
static enum tf2_status add_same_padding(
    struct tf2__tf *tf, const struct tf2__tf_node *conv, const struct tf2__onnx_list *block, size_t from,
    int64_t *net, struct tf2_error *error)
{
    const struct tf2__onnx_const *filter;
    TF2__TRY(tf2__tf_known(tf, conv, 1, &filter, error));
    if (filter->array[0].shape.n_dims < from + block->n)
        return tf2__fail(error, TF2_ERR_SHAPE, "the filter has too few dimensions");
    for (size_t i = 0; i < block->n; i++) {
        const int64_t extra = filter->array[0].shape.dim[from + i] - 1;
        net[2 * i] += extra / 2 * block->v[i];
        net[2 * i + 1] += (extra - extra / 2) * block->v[i];
    }
    return TF2_OK;
}

/* The convolution, of one dimension between ExpandDims and Squeeze. */
static enum tf2_status run_conv(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    const struct tf2__tf_window *window, struct tf2_error *error)
{
    struct tf2__tf_value lifted = {0};
    struct tf2__onnx_value *in[2], *out;
    if (!spread->lifted)
        return tf2__tf_run_conv(tf, spread->conv, node, spread->x, window, error);
    TF2__TRY(tf2__tf_as_file(tf, node, spread->x, &in[0], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){1}, 1, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Unsqueeze", 2, in, "lifted", &lifted.file, error));
    TF2__TRY(tf2__tf_run_conv(tf, spread->conv, node, &lifted, window, error));
    TF2__TRY(tf2__tf_as_first(tf, node, &node->out[0], &in[0], error)); /* [N, C, 1, W] */
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){2}, 1, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Squeeze", 2, in, "lowered", &out, error));
    tf2__tf_set_first(node, 0, out);
    return TF2_OK;
}

enum tf2_status
tf2__tf_convert_batch_to_space(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const struct tf2__tf_spread *spread = tf2__tf_in(tf, node, 0)->spread;
    const struct tf2__onnx_const *crops;
    struct tf2__onnx_list block;
    struct tf2__tf_window window;
    int64_t net[2 * TF2_MAX_SPATIAL];
    if (!spread || !spread->conv)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "only supported right behind a convolution of what SpaceToBatchND made");
    TF2__TRY(read_inputs(tf, node, &block, &crops, error));
    TF2__TRY(tf2__tf_read_conv(tf, spread->conv, &window, error));
    const uint32_t from =
        spread->lifted ? 1 : 0; /* the first spatial dimension of the convolution that is spread */
    if (spread->lowered != (spread->lifted != 0) || block.n != spread->block.n ||
        memcmp(block.v, spread->block.v, block.n * sizeof(block.v[0])) != 0 || from + block.n > window.n)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "another block than that of the SpaceToBatchND before it");
    TF2__TRY(net_padding(spread->pads, crops, block.n, net, error));
    const bool same = strcmp(window.padding, "SAME") == 0;
    if (!window.last || strcmp(window.padding, "EXPLICIT") == 0 || (same && from + block.n != window.n))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "around a convolution with padding SAME or VALID of NHWC maps only");
    if (same)
        TF2__TRY(add_same_padding(tf, spread->conv, &block, from, net, error));
    for (size_t i = 0; i < block.n; i++) {
        const size_t d = from + i;
        if (window.stride[d] != 1 || window.dilation[d] != 1 || block.v[i] < 1 || net[2 * i] < 0 ||
            net[2 * i + 1] < 0)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "block %lld, stride %lld, dilation %lld and padding %lld, %lld are no dilated convolution",
                (long long)block.v[i], (long long)window.stride[d], (long long)window.dilation[d],
                (long long)net[2 * i], (long long)net[2 * i + 1]);
        window.dilation[d] = block.v[i];
        window.pad[d] = net[2 * i];
        window.pad[window.n + d] = net[2 * i + 1];
    }
    window.padding = "EXPLICIT";
    return run_conv(tf, node, spread, &window, error);
}
