/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold_scale.c: factors and summands behind a convolution or GEMM go into its weights and bias (batch
 * normalization at inference: Ioffe and Szegedy 2015, section 3.1).
 *
 *     mul[o] * (sum of w[o, ...] * x + b[o]) + add[o]  =  sum of (mul[o] * w[o, ...]) * x + (mul[o] * b[o] +
 * add[o])
 *
 * A whole chain (Caffe: BatchNorm, Scale) is taken at once, in double precision, so that weights are rounded
 * once.
 */
#include "transform/pass/affine.h"

#include <float.h>
#include <math.h>

/* The axis of output channels, when weights can take factors: nothing may lie between them and the output. */
static bool find_channel_axis(const struct tf2_graph *graph, const struct tf2__node *node, uint32_t *axis)
{
    if (node->activation.kind != TF2_ACTIVATION_NONE || tf2__node_is_int8(graph, node))
        return false;
    if (node->op->id == TF2_OP_CONV || node->op->id == TF2_OP_CONV_TRANSPOSE)
        *axis = 1;
    else if (node->op->id == TF2_OP_GEMM)
        *axis = graph->tensors[node->out].shape.n_dims - 1;
    else
        return false;
    return node->n_in < 4 || node->in[3] == TF2_NO_TENSOR;
}

/* Collects the nodes behind `node` that can go into it; returns how many. */
static uint32_t collect(
    const struct tf2_graph *graph, const struct tf2__uses *uses, const struct tf2__node *node, uint32_t axis,
    struct tf2__affine *affine)
{
    uint32_t n = 0;
    tf2_tensor_id tensor = node->out;
    for (;;) {
        uint32_t reader = tf2__uses_single(uses, tensor);
        if (reader == TF2__NO_NODE || !tf2__affine_append(affine, &graph->nodes[reader], axis))
            return n;
        n++;
        tensor = graph->nodes[reader].out;
        if (graph->nodes[reader].activation.kind != TF2_ACTIVATION_NONE)
            return n;
    }
}

/* The weights times the factors, or TF2_NO_TENSOR in *folded when a number gets too large or the budget is
 * spent. */
static enum tf2_status fold_weights(
    struct tf2_graph *graph, tf2_tensor_id weights, const struct tf2__affine *affine, tf2_tensor_id *folded,
    struct tf2_error *error)
{
    const struct tf2_shape shape = graph->tensors[weights].shape;
    const float *w = graph->tensors[weights].data;
    size_t n = (size_t)tf2_shape_count(&shape), row = n / affine->n;
    double largest = 0;
    *folded = TF2_NO_TENSOR;
    if (!tf2__rewrite_spend(graph, n * sizeof(*w)))
        return TF2_OK;
    float *data = tf2__arena_alloc(&graph->arena, n, sizeof(*data));
    if (!data)
        return tf2__fail_memory(error, n * sizeof(*data), "folded weights");
    for (size_t o = 0; o < affine->n; o++) {
        for (size_t i = o * row; i < (o + 1) * row; i++) {
            double value = w[i] * affine->mul[o];
            largest = fmax(largest, fabs(value));
            data[i] = (float)value;
        }
    }
    if (largest > FLT_MAX)
        return TF2_OK;
    return tf2__rewrite_adopt(graph, graph->tensors[weights].name, "folded", &shape, data, folded, error);
}

/* Turns affine->add into the new bias. */
static void fold_bias(const struct tf2_graph *graph, const struct tf2__node *node, struct tf2__affine *affine)
{
    if (node->n_in < 3 || node->in[2] == TF2_NO_TENSOR)
        return;
    const float *bias = graph->tensors[node->in[2]].data;
    for (size_t o = 0; o < affine->n; o++)
        affine->add[o] += bias[o] * affine->mul[o];
}

static enum tf2_status
fold(struct tf2_graph *graph, uint32_t index, struct tf2__affine *affine, bool *done, struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[index];
    tf2_tensor_id weights = node->in[1], bias;
    const struct tf2_shape shape = {.n_dims = 1, .dim = {(int64_t)affine->n}};
    *done = false;
    fold_bias(graph, node, affine);
    if (!tf2__rewrite_in_range(affine->add, affine->n))
        return TF2_OK;
    if (tf2__affine_has_mul(affine))
        TF2__TRY(fold_weights(graph, node->in[1], affine, &weights, error));
    if (weights == TF2_NO_TENSOR)
        return TF2_OK;
    if (tf2__affine_has_add(affine)) {
        TF2__TRY(tf2__rewrite_constant(graph, node->name, "bias.folded", &shape, affine->add, &bias, error));
        TF2__TRY(tf2__rewrite_set_input(graph, index, 2, bias, error));
    } else if (node->n_in > 2) {
        node->in[2] = TF2_NO_TENSOR;
    }
    node->in[1] = weights;
    *done = true;
    return TF2_OK;
}

static enum tf2_status fold_behind(
    struct tf2_graph *graph, const struct tf2__uses *uses, uint32_t index, bool *changed,
    struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[index];
    struct tf2__affine affine;
    uint32_t axis, n;
    bool done = false;
    if (!find_channel_axis(graph, node, &axis) || tf2__uses_single(uses, node->out) == TF2__NO_NODE)
        return TF2_OK;
    TF2__TRY(tf2__affine_init(&affine, graph, graph->tensors[node->in[1]].shape.dim[0], error));
    n = collect(graph, uses, node, axis, &affine);
    enum tf2_status status = n ? fold(graph, index, &affine, &done, error) : TF2_OK;
    tf2__affine_finish(&affine);
    for (uint32_t i = 0; i < n && done; i++) {
        uint32_t reader = tf2__uses_single(uses, node->out);
        node->activation = graph->nodes[reader].activation;
        tf2__rewrite_absorb(graph, index, reader);
        *changed = true;
    }
    return status;
}

TF2__PASS_DEFINE(fold_scale)
{
    struct tf2__uses uses;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        if (!graph->nodes[i].dead)
            status = fold_behind(graph, &uses, i, changed, error);
    }
    tf2__uses_finish(&uses);
    return status;
}
