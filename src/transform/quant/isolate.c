/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolate.c: one node as a graph of its own, so that a device can run it alone.
 */
#include "transform/quant/scheme.h"

/* A constant that no tensor of the network it comes from is called like. */
static enum tf2_status adopt(
    const struct tf2_graph *from, struct tf2_graph *graph, const char *what, const struct tf2_shape *shape,
    const float *data, tf2_tensor_id *id, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    tf2__quant_name(from, graph, true, "integer", what, name);
    return tf2__graph_adopt_constant(graph, name, TF2_DTYPE_F32, shape, data, id, error);
}

/* The weights that the integers stand for, in the graph's arena. */
static enum tf2_status add_weights(
    const struct tf2_graph *from, struct tf2_graph *graph, const struct tf2_shape *shape,
    const struct tf2__int_weights *weights, tf2_tensor_id *in, struct tf2_error *error)
{
    const size_t n = (size_t)tf2_shape_count(shape), n_out = (size_t)shape->dim[0], n_k = n / n_out;
    const struct tf2_shape bias_shape = {.n_dims = 1, .dim = {shape->dim[0]}};
    float *real = tf2__arena_alloc(&graph->arena, n, sizeof(*real));
    float *bias = tf2__arena_alloc(&graph->arena, n_out, sizeof(*bias));
    if (!real || !bias)
        return tf2__fail_memory(error, n * sizeof(*real), "weights");
    for (size_t o = 0; o < n_out; o++) {
        bias[o] = (float)weights->bias[o];
        for (size_t k = 0; k < n_k; k++)
            real[o * n_k + k] = (float)weights->q[o * n_k + k] * weights->scale[o];
    }
    TF2__TRY(adopt(from, graph, "weights", shape, real, &in[1], error));
    return adopt(from, graph, "bias", &bias_shape, bias, &in[2], error);
}

/* The tensor of the new graph for an input of the node, made when it is met first. */
static enum tf2_status
add_input(struct tf2_graph *to, const struct tf2__tensor *tensor, tf2_tensor_id *id, struct tf2_error *error)
{
    *id = tf2__graph_find(to, tensor->name);
    if (*id != TF2_NO_TENSOR)
        return TF2_OK;
    if (tensor->data)
        return tf2__graph_adopt_constant(
            to, tensor->name, tensor->dtype, &tensor->shape, tensor->data, id, error);
    return tf2_graph_add_input(to, tensor->name, TF2_DTYPE_F32, &tensor->shape, id, error);
}

static enum tf2_status fill(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__int_weights *weights,
    struct tf2_graph *to, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS], out, unused;
    char name[TF2__REWRITE_NAME_BYTES];
    uint32_t n_in = node->n_in;
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] != TF2_NO_TENSOR && !(weights && (k == 1 || k == 2)))
            TF2__TRY(add_input(to, &graph->tensors[node->in[k]], &in[k], error));
    }
    if (weights) {
        n_in = TF2__MAX(n_in, 3);
        TF2__TRY(add_weights(graph, to, &graph->tensors[node->in[1]].shape, weights, in, error));
    }
    TF2__TRY(tf2_graph_add_node(to, node->op->id, node->name, node->attr, in, n_in, &out, error));
    if (to->n_inputs == 0) { /* it reads constants only; a network has to have an input */
        tf2__quant_name(graph, to, true, "no", "input", name);
        TF2__TRY(tf2_graph_add_input(
            to, name, TF2_DTYPE_F32, &(struct tf2_shape){.n_dims = 1, .dim = {1}}, &unused, error));
    }
    return tf2_graph_add_output(to, out, NULL, error);
}

enum tf2_status tf2__quant_isolate(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__int_weights *weights,
    struct tf2_graph **result, struct tf2_error *error)
{
    struct tf2_graph *to;
    TF2__TRY(tf2_graph_create(&graph->arena.env, &to, error));
    enum tf2_status status = fill(graph, node, weights, to, error);
    if (status != TF2_OK) {
        tf2_graph_destroy(&to);
        return status;
    }
    *result = to;
    return TF2_OK;
}
