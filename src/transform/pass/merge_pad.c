/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_pad.c: zeros added around a map become the padding of the convolution or pool that reads it.
 *
 * A convolution's padding is zero: always right with explicit padding (what SAME adds depends on the extent
 * that it sees). An average pool counts the zeros: right when it has no other padding and then counts padding
 * in. A maximum pool ignores its padding: right when zero cannot win, because the map has no negative value
 * and every window meets the map. Pools that round up count windows differently with padding: left alone.
 */
#include "transform/pass/rewrite.h"

/* Whether the node adds only zeros, and only in spatial dimensions. */
static bool is_zero_border(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_pad_attr *attr = node->attr;
    if (node->op->id != TF2_OP_PAD || node->activation.kind != TF2_ACTIVATION_NONE)
        return false;
    if (attr->mode != TF2_PAD_CONSTANT || attr->value != 0)
        return false;
    if (attr->n_dims < 3 || attr->n_dims > 2 + TF2_MAX_SPATIAL ||
        attr->n_dims != graph->tensors[node->in[0]].shape.n_dims)
        return false;
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        if (attr->begin[d] < 0 || attr->end[d] < 0 || (d < 2 && (attr->begin[d] || attr->end[d])))
            return false;
    }
    return true;
}

static bool is_not_negative(const struct tf2_activation *activation)
{
    switch (activation->kind) {
    case TF2_ACTIVATION_RELU:
    case TF2_ACTIVATION_SIGMOID:
    case TF2_ACTIVATION_HARD_SIGMOID:
        return true;
    case TF2_ACTIVATION_CLIP:
        return activation->alpha >= 0;
    default:
        return false;
    }
}

static bool tensor_is_not_negative(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    uint32_t producer = tf2__rewrite_producer(graph, tensor);
    if (producer == TF2__NO_NODE)
        return false;
    const struct tf2__node *node = &graph->nodes[producer];
    if (node->activation.kind != TF2_ACTIVATION_NONE || node->op->id != TF2_OP_ACTIVATION)
        return is_not_negative(&node->activation);
    return is_not_negative(node->attr);
}

/* Adds the border to a window's padding; false when it does not fit. */
static bool add_border(struct tf2_window *window, const struct tf2_pad_attr *pad)
{
    if (window->auto_pad == TF2_AUTO_PAD_VALID) {
        memset(window->pad_begin, 0, sizeof(window->pad_begin));
        memset(window->pad_end, 0, sizeof(window->pad_end));
        window->auto_pad = TF2_AUTO_PAD_EXPLICIT;
    }
    if (window->auto_pad != TF2_AUTO_PAD_EXPLICIT)
        return false;
    for (uint32_t d = 0; d + 2 < pad->n_dims; d++) {
        if (pad->begin[2 + d] > INT32_MAX - window->pad_begin[d] ||
            pad->end[2 + d] > INT32_MAX - window->pad_end[d])
            return false;
        window->pad_begin[d] += (int32_t)pad->begin[2 + d];
        window->pad_end[d] += (int32_t)pad->end[2 + d];
    }
    return true;
}

static bool has_padding(const struct tf2_window *window, uint32_t n_spatial)
{
    for (uint32_t d = 0; d < n_spatial && window->auto_pad != TF2_AUTO_PAD_VALID; d++) {
        if (window->pad_begin[d] || window->pad_end[d])
            return true;
    }
    return false;
}

/* Whether the pool's padding can stand for the border; if so, its new attributes. */
static bool pad_pool(
    const struct tf2_graph *graph, tf2_tensor_id x, const struct tf2_pad_attr *pad,
    struct tf2_pool_attr *pool)
{
    uint32_t n_spatial = pad->n_dims - 2;
    if (pool->global || pool->rounding != TF2_POOL_FLOOR)
        return false;
    for (uint32_t d = 0; d < n_spatial; d++) {
        if (pool->window.dilation[d] > 1 || pool->window.kernel[d] == 0)
            return false;
    }
    if (pool->kind == TF2_POOL_MAX)
        return tensor_is_not_negative(graph, x) && add_border(&pool->window, pad);
    if (has_padding(&pool->window, n_spatial) && !pool->count_include_pad)
        return false;
    pool->count_include_pad = true;
    return add_border(&pool->window, pad);
}

/* Lets the reader take the border's input, if it then still has the same output shape. */
static enum tf2_status merge(
    struct tf2_graph *graph, uint32_t reader, const struct tf2__node *border, bool *changed,
    struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[reader];
    union {
        struct tf2_conv_attr conv;
        struct tf2_pool_attr pool;
    } attr;
    struct tf2_shape shape;
    memcpy(&attr, node->attr, node->op->attr_bytes);
    if (node->op->id == TF2_OP_CONV ? !add_border(&attr.conv.window, border->attr)
                                    : !pad_pool(graph, border->in[0], border->attr, &attr.pool))
        return TF2_OK;

    tf2_tensor_id inputs[4];
    memcpy(inputs, node->in, node->n_in * sizeof(*inputs));
    inputs[0] = border->in[0];
    struct tf2__node merged = *node;
    merged.attr = &attr;
    merged.in = inputs;
    if (tf2__rewrite_infer(graph, &merged, &shape, NULL) != TF2_OK ||
        !tf2_shape_equal(&shape, &graph->tensors[node->out].shape))
        return TF2_OK;
    *changed = true;
    return tf2__rewrite_node(graph, reader, node->op->id, &attr, inputs, node->n_in, error);
}

TF2__PASS_DEFINE(merge_pad)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        if (node->op->id != TF2_OP_CONV && node->op->id != TF2_OP_POOL)
            continue;
        uint32_t producer = tf2__rewrite_producer(graph, node->in[0]);
        if (producer == TF2__NO_NODE || !is_zero_border(graph, &graph->nodes[producer]))
            continue;
        TF2__TRY(merge(graph, i, &graph->nodes[producer], changed, error));
    }
    return TF2_OK;
}
