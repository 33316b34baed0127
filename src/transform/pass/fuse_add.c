/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse_add.c: the sum of a convolution's result and another map of the same shape (a residual connection: He
 * et al. 2015) is computed by the convolution: the other map becomes its input `add`.
 *
 *     a ─▶ conv ─▶ y ─┐                    a ─▶ conv ─▶ z
 *     b ──────────────┴▶ sum ─▶ z          b ────┘
 *
 * Of two convolutions the later one takes it, so that the other one's result is there. No cycle can arise:
 * nothing but the sum reads y. The caller sorts, for when b is computed later than the convolution.
 *
 * A sum can broadcast, `add` cannot: both maps must have the same shape for all inputs, not just for today's.
 */
#include "transform/pass/probe.h"
#include "transform/pass/rewrite.h"

/* A sum of two tensors of one shape, coefficients 1. */
static bool
is_plain_sum(const struct tf2_graph *graph, const struct tf2__probes *probes, const struct tf2__node *node)
{
    const struct tf2_eltwise_attr *attr = node->attr;
    if (node->op->id != TF2_OP_ELTWISE || attr->kind != TF2_ELTWISE_SUM || node->n_in != 2)
        return false;
    if (attr->has_coefficients && (attr->coefficient[0] != 1 || attr->coefficient[1] != 1))
        return false;
    if (tf2__rewrite_is_constant(graph, node->in[0]) || tf2__rewrite_is_constant(graph, node->in[1]))
        return false;
    return tf2_shape_equal(&graph->tensors[node->in[0]].shape, &graph->tensors[node->in[1]].shape) &&
           tf2__probes_same_shape(probes, node->in[0], node->in[1], node->out);
}

/* The convolution that computes `tensor` for one reader only and can take a residual; else TF2__NO_NODE. */
static uint32_t find_conv(const struct tf2_graph *graph, const struct tf2__uses *uses, tf2_tensor_id tensor)
{
    uint32_t producer = tf2__rewrite_producer(graph, tensor);
    if (producer == TF2__NO_NODE || tf2__uses_single(uses, tensor) == TF2__NO_NODE)
        return TF2__NO_NODE;
    const struct tf2__node *node = &graph->nodes[producer];
    bool taken = node->n_in > 3 && node->in[3] != TF2_NO_TENSOR;
    if (node->op->id != TF2_OP_CONV || taken || node->activation.kind != TF2_ACTIVATION_NONE ||
        tf2__node_is_int8(graph, node)) /* its result is rounded before it is added */
        return TF2__NO_NODE;
    return producer;
}

static enum tf2_status fuse(
    struct tf2_graph *graph, struct tf2__uses *uses, uint32_t conv, uint32_t sum, tf2_tensor_id other,
    struct tf2_error *error)
{
    TF2__TRY(tf2__rewrite_set_input(graph, conv, 3, other, error));
    graph->nodes[conv].activation = graph->nodes[sum].activation;
    tf2__rewrite_absorb(graph, conv, sum);
    if (uses->reader[other] == sum)
        uses->reader[other] = conv;
    return TF2_OK;
}

TF2__PASS_DEFINE(fuse_add)
{
    struct tf2__uses uses;
    struct tf2__probes probes = {0};
    enum tf2_status status;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    status = tf2__probes_init(&probes, graph, error);
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        if (node->dead || !is_plain_sum(graph, &probes, node))
            continue;
        uint32_t first = find_conv(graph, &uses, node->in[0]);
        uint32_t second = find_conv(graph, &uses, node->in[1]);
        bool use_second = first == TF2__NO_NODE || (second != TF2__NO_NODE && second > first);
        uint32_t conv = use_second ? second : first;
        if (conv == TF2__NO_NODE)
            continue;
        status = fuse(graph, &uses, conv, i, node->in[use_second ? 0 : 1], error);
        *changed = true;
    }
    tf2__probes_finish(&probes);
    tf2__uses_finish(&uses);
    return status;
}
