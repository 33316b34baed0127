/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm_to_conv.c: a fully connected layer is a convolution whose kernel is the whole map, so that one kernel
 * family computes both.
 *
 *     [N, C, H, W] ─▶ gemm ─▶ [N, O]              conv, kernel H x W ─▶ [N, O, 1, 1] ─▶ squeeze ─▶ [N, O]
 *     [N, C, H, W] ─▶ flatten ─▶ gemm             the same: the flatten is left out
 *     [N, C, H, W] ─▶ turned to [N, H, W, C] ─▶ flatten ─▶ gemm    the same, with the weights in the map's own order
 *     [N, K] ─▶ gemm                              unsqueeze ─▶ [N, K, 1, 1] ─▶ conv, kernel 1 x 1 ─▶ squeeze
 *
 * Otherwise weights keep their order, [O, C * H * W] is [O, C, H, W]. The squeeze refuses maps of more than one pixel:
 * with another image size than the weights are for, shape inference fails as it does for GEMM.
 */
#include "transform/ir/layout.h"
#include "transform/pass/rewrite.h"

#include <stdio.h>

#define SPATIAL_RANK_OF_VECTORS 2 /* [N, K] becomes [N, K, 1, 1] */

/* Whether the node lays out its input's elements as [N, all others], N being the input's. */
static bool is_flatten(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_shape *in = &graph->tensors[node->in[0]].shape;
    const struct tf2_shape *out = &graph->tensors[node->out].shape;
    switch (node->op->id) {
    case TF2_OP_FLATTEN:
    case TF2_OP_RESHAPE:
        break;
    case TF2_OP_SQUEEZE: /* of no axes: it depends on the batch what it does */
        if (((const struct tf2_axes_attr *)node->attr)->axes == 0)
            return false;
        break;
    default:
        return false;
    }
    return node->activation.kind == TF2_ACTIVATION_NONE && in->n_dims > 2 && out->n_dims == 2 &&
           in->dim[0] == out->dim[0];
}

/* Whether the node can be a convolution; *x gets what to read: [N, K], or a map of one to three dimensions.
 */
static bool find_input(const struct tf2_graph *graph, const struct tf2__node *node, tf2_tensor_id *x)
{
    if (node->op->id != TF2_OP_GEMM || tf2__rewrite_is_constant(graph, node->in[0]) || tf2__node_is_int8(graph, node))
        return false;
    const struct tf2_gemm_attr *attr = node->attr;
    uint32_t rank = graph->tensors[node->in[0]].shape.n_dims;
    if (tf2__rewrite_axis(attr->axis, rank) != 1 || rank > 2 + TF2_MAX_SPATIAL)
        return false;
    *x = node->in[0];
    uint32_t producer = tf2__rewrite_producer(graph, *x);
    if (rank == 2 && producer != TF2__NO_NODE && is_flatten(graph, &graph->nodes[producer])) {
        tf2_tensor_id map = graph->nodes[producer].in[0];
        if (graph->tensors[map].shape.n_dims <= 2 + TF2_MAX_SPATIAL && !tf2__rewrite_is_constant(graph, map))
            *x = map;
    }
    return true;
}

/* The weights as [O, C, k...]; a tensor made before for another reader of the same weights is used again. */
static enum tf2_status reshape_weights(
    struct tf2_graph *graph, tf2_tensor_id weights, const struct tf2_shape *x, tf2_tensor_id *reshaped,
    struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    struct tf2_shape shape = *x;
    const struct tf2__tensor tensor = graph->tensors[weights];
    shape.dim[0] = tensor.shape.dim[0];
    snprintf(name, sizeof(name), "%.960s.conv", tensor.name);
    *reshaped = tf2__graph_find(graph, name);
    if (*reshaped != TF2_NO_TENSOR && graph->tensors[*reshaped].data == tensor.data &&
        tf2_shape_equal(&graph->tensors[*reshaped].shape, &shape))
        return TF2_OK;
    tf2__rewrite_name(graph, tensor.name, "conv", name);
    return tf2__graph_adopt_constant(graph, name, TF2_DTYPE_F32, &shape, tensor.data, reshaped, error);
}

/* [N, K] to [N, K, 1, 1]. */
static enum tf2_status
unsqueeze(struct tf2_graph *graph, uint32_t index, tf2_tensor_id *x, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    struct tf2_axes_attr attr = {0};
    for (uint32_t d = 2; d < 2 + SPATIAL_RANK_OF_VECTORS; d++)
        attr.axes |= 1u << d;
    tf2__rewrite_name(graph, graph->nodes[index].name, "unsqueeze", name);
    return tf2_graph_add_node(graph, TF2_OP_UNSQUEEZE, name, &attr, x, 1, x, error);
}

/*
 * Puts a squeeze behind node `index`, whose output has become [N, O, 1, ...]. The tensor that the node
 * computed is computed by the squeeze from now on, so that no reader changes; the node gets the new tensor.
 */
static enum tf2_status squeeze(struct tf2_graph *graph, uint32_t index, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    tf2_tensor_id outer = graph->nodes[index].out, inner;
    struct tf2_axes_attr attr = {0};
    struct tf2_shape map, vector = graph->tensors[outer].shape;
    TF2__TRY(tf2__rewrite_infer(graph, &graph->nodes[index], &map, error));
    for (uint32_t d = 2; d < map.n_dims; d++)
        attr.axes |= 1u << d;
    tf2__rewrite_name(graph, graph->nodes[index].name, "squeeze", name);
    graph->tensors[outer].shape = map;
    TF2__TRY(tf2_graph_add_node(graph, TF2_OP_SQUEEZE, name, &attr, &outer, 1, &inner, error));

    uint32_t last = graph->n_nodes - 1;
    graph->tensors[inner].shape = map;
    graph->tensors[inner].producer = index;
    graph->tensors[outer].shape = vector;
    graph->tensors[outer].producer = last;
    graph->nodes[index].out = inner;
    graph->nodes[last].in[0] = inner;
    graph->nodes[last].out = outer;
    return TF2_OK;
}

/*
 * When x is a map that was turned to channels last, what it was turned from, and the weights [O, k..., C] of `inputs` as
 * [O, C, k...], flat. The turned map stays for its other readers.
 */
static enum tf2_status undo_turn(
    struct tf2_graph *graph, uint32_t index, tf2_tensor_id *inputs, tf2_tensor_id *x, struct tf2_error *error)
{
    const uint32_t producer = tf2__rewrite_producer(graph, *x);
    const struct tf2__tensor *weights = &graph->tensors[inputs[1]];
    const size_t n = (size_t)tf2_shape_count(&weights->shape);
    struct tf2_shape turned = graph->tensors[*x].shape, flat = weights->shape;
    struct tf2__view from, to;
    if (producer == TF2__NO_NODE || !tf2__layout_turns_last(&graph->nodes[producer]) ||
        tf2__rewrite_is_constant(graph, graph->nodes[producer].in[0]) ||
        !tf2__rewrite_spend(graph, n * sizeof(float)))
        return TF2_OK;
    const struct tf2_transpose_attr attr = tf2__layout_to_first(turned.n_dims);
    float *data = tf2__arena_alloc(&graph->arena, n, sizeof(*data));
    if (!data)
        return tf2__fail_memory(error, n * sizeof(*data), "weights");
    *x = graph->nodes[producer].in[0];
    turned.dim[0] = flat.dim[0];
    struct tf2_shape first = graph->tensors[*x].shape;
    first.dim[0] = flat.dim[0];
    tf2__view_dense(&from, weights->data, TF2_DTYPE_F32, &turned);
    tf2__view_dense(&to, data, TF2_DTYPE_F32, &first);
    tf2__op_find(TF2_OP_TRANSPOSE)->eval(&attr, &from, 1, &to);
    return tf2__rewrite_adopt(graph, graph->nodes[index].name, "weights.nchw", &flat, data, &inputs[1], error);
}

static enum tf2_status
convert(struct tf2_graph *graph, uint32_t index, tf2_tensor_id x, struct tf2_error *error)
{
    const struct tf2_conv_attr attr = {.group = 1};
    tf2_tensor_id inputs[3] = {x, TF2_NO_TENSOR, TF2_NO_TENSOR};
    uint32_t n_inputs = graph->nodes[index].n_in;
    memcpy(inputs, graph->nodes[index].in, n_inputs * sizeof(*inputs));
    TF2__TRY(undo_turn(graph, index, inputs, &x, error));
    if (graph->tensors[x].shape.n_dims == 2)
        TF2__TRY(unsqueeze(graph, index, &x, error));
    inputs[0] = x;
    const struct tf2_shape shape = graph->tensors[x].shape;
    TF2__TRY(reshape_weights(graph, inputs[1], &shape, &inputs[1], error));
    TF2__TRY(tf2__rewrite_node(graph, index, TF2_OP_CONV, &attr, inputs, n_inputs, error));
    return squeeze(graph, index, error);
}

TF2__PASS_DEFINE(gemm_to_conv)
{
    uint32_t n_nodes = graph->n_nodes; /* not those added here */
    for (uint32_t i = 0; i < n_nodes; i++) {
        tf2_tensor_id x;
        if (!find_input(graph, &graph->nodes[i], &x))
            continue;
        TF2__TRY(convert(graph, i, x, error));
        *changed = true;
    }
    return TF2_OK;
}
