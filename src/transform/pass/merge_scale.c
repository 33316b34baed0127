/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_scale.c: batch normalization and constant operands that no weights can take become one SCALE node
 * (one affine activation when all channels get the same), and so does a chain of them.
 */
#include "transform/pass/affine.h"

/* Collects the chain that starts at node `index`; returns its number of nodes, *last its last one. */
static uint32_t collect(
    const struct tf2_graph *graph, const struct tf2__uses *uses, uint32_t index, struct tf2__affine *affine,
    uint32_t *last)
{
    uint32_t n = 0;
    while (index != TF2__NO_NODE && tf2__affine_append(affine, &graph->nodes[index], 1)) {
        n++;
        *last = index;
        if (graph->nodes[index].activation.kind != TF2_ACTIVATION_NONE)
            break;
        index = tf2__uses_single(uses, graph->nodes[index].out);
    }
    return n;
}

static enum tf2_status make_affine_activation(
    struct tf2_graph *graph, uint32_t index, tf2_tensor_id x, const struct tf2__affine *affine,
    struct tf2_error *error)
{
    const struct tf2_activation attr = {
        .kind = TF2_ACTIVATION_AFFINE, .alpha = (float)affine->mul[0], .beta = (float)affine->add[0]};
    return tf2__rewrite_node(graph, index, TF2_OP_ACTIVATION, &attr, &x, 1, error);
}

static enum tf2_status make_scale(
    struct tf2_graph *graph, uint32_t index, tf2_tensor_id x, const struct tf2__affine *affine,
    struct tf2_error *error)
{
    const struct tf2_shape shape = {.n_dims = 1, .dim = {(int64_t)affine->n}};
    const struct tf2_scale_attr attr = {.axis = 1};
    const char *name = graph->nodes[index].name;
    tf2_tensor_id inputs[3] = {x};
    uint32_t n_inputs = 2;
    TF2__TRY(tf2__rewrite_constant(graph, name, "scale.folded", &shape, affine->mul, &inputs[1], error));
    if (tf2__affine_has_add(affine)) {
        TF2__TRY(tf2__rewrite_constant(graph, name, "bias.folded", &shape, affine->add, &inputs[2], error));
        n_inputs = 3;
    }
    return tf2__rewrite_node(graph, index, TF2_OP_SCALE, &attr, inputs, n_inputs, error);
}

/* Whether the chain of n nodes gets simpler. A single node may be in the wanted form already. */
static bool is_worth_it(const struct tf2__node *first, uint32_t n)
{
    return n > 1 || (n == 1 && (first->op->id == TF2_OP_BATCH_NORM || first->op->id == TF2_OP_ELTWISE));
}

static enum tf2_status merge(
    struct tf2_graph *graph, const struct tf2__uses *uses, uint32_t index, tf2_tensor_id x, bool *changed,
    struct tf2_error *error)
{
    struct tf2__affine affine;
    uint32_t last = index;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__affine_init(&affine, graph, graph->tensors[x].shape.dim[1], error));
    uint32_t n = collect(graph, uses, index, &affine, &last);
    struct tf2_activation activation = graph->nodes[last].activation;
    /* Activation nodes have no second activation behind them, and SCALE needs a fixed number of channels. */
    bool uniform = tf2__affine_is_uniform(&affine) && activation.kind == TF2_ACTIVATION_NONE;
    if (is_worth_it(&graph->nodes[index], n) && (uniform || affine.per_channel)) {
        if (uniform)
            status = make_affine_activation(graph, index, x, &affine, error);
        else
            status = make_scale(graph, index, x, &affine, error);
        for (uint32_t i = 1; i < n && status == TF2_OK; i++)
            tf2__rewrite_absorb(graph, index, tf2__uses_single(uses, graph->nodes[index].out));
        graph->nodes[index].activation = activation;
        *changed = true;
    }
    tf2__affine_finish(&affine);
    return status;
}

TF2__PASS_DEFINE(merge_scale)
{
    struct tf2__uses uses;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        tf2_tensor_id x = node->dead ? TF2_NO_TENSOR : tf2__affine_data_input(graph, node);
        if (x != TF2_NO_TENSOR && graph->tensors[x].shape.n_dims >= 2)
            status = merge(graph, &uses, i, x, changed, error);
    }
    tf2__uses_finish(&uses);
    return status;
}
