/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_verify.c: whole graphs: inferring shapes for other inputs, verifying, counting.
 */
#include "transform/ir/graph.h"
#include "transform/ir/graph_check.h"

static enum tf2_status infer_node(
    const struct tf2__node *node, const struct tf2_shape *shapes, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &shapes[node->in[k]];
    *out = (struct tf2_shape){0};
    enum tf2_status status = node->op->infer(node->attr, in, node->n_in, out, error);
    if (status == TF2_OK)
        status = tf2__graph_check_shape("output", out, error);
    if (status != TF2_OK)
        return tf2__fail_prefix(error, status, "%s (%s)", node->name, node->op->name);
    return TF2_OK;
}

enum tf2_status tf2__graph_infer(
    const struct tf2_graph *graph, const struct tf2_shape *input_shapes, struct tf2_shape *shapes,
    struct tf2_error *error)
{
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        shapes[i] = graph->tensors[i].shape;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        TF2__TRY(tf2__graph_check_shape(graph->tensors[graph->inputs[i]].name, &input_shapes[i], error));
        shapes[graph->inputs[i]] = input_shapes[i];
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        TF2__TRY(infer_node(&graph->nodes[i], shapes, &shapes[graph->nodes[i].out], error));
    return TF2_OK;
}

/* Whether something gives the tensor its values before node number `reader` runs. */
static enum tf2_status
verify_tensor(const struct tf2_graph *graph, tf2_tensor_id id, uint32_t reader, struct tf2_error *error)
{
    if (id >= graph->n_tensors)
        return tf2__fail(error, TF2_ERR_GRAPH, "no tensor %u", id);
    const struct tf2__tensor *tensor = &graph->tensors[id];
    if (tensor->producer == TF2__NO_NODE && !tensor->data && !tensor->is_input)
        return tf2__fail(error, TF2_ERR_GRAPH, "'%s' is read, but nothing computes it", tensor->name);
    if (tensor->producer != TF2__NO_NODE && tensor->producer >= reader)
        return tf2__fail(error, TF2_ERR_GRAPH, "'%s' is read before it is computed", tensor->name);
    return TF2_OK;
}

static enum tf2_status verify_node(const struct tf2_graph *graph, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &graph->nodes[index];
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    struct tf2_shape shape = {0};
    if (graph->tensors[node->out].producer != index)
        return tf2__fail(error, TF2_ERR_GRAPH, "its output has another producer");
    if (node->n_in < node->op->min_inputs || node->n_in > node->op->max_inputs)
        return tf2__fail(error, TF2_ERR_GRAPH, "%u inputs", node->n_in);
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = NULL;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(verify_tensor(graph, node->in[k], index, error));
        in[k] = &graph->tensors[node->in[k]].shape;
    }
    TF2__TRY(node->op->infer(node->attr, in, node->n_in, &shape, error));
    if (!tf2_shape_equal(&shape, &graph->tensors[node->out].shape))
        return tf2__fail(error, TF2_ERR_GRAPH, "stored shape differs from the inferred one");
    const struct tf2__tensor *result = &graph->tensors[node->out];
    return tf2__graph_check_types(
        graph, node, &(struct tf2__type){result->dtype, result->shape, result->quant}, error);
}

enum tf2_status tf2__graph_verify(const struct tf2_graph *graph, struct tf2_error *error)
{
    if (graph->n_inputs == 0)
        return tf2__fail(error, TF2_ERR_GRAPH, "the network has no input");
    if (graph->n_outputs == 0)
        return tf2__fail(error, TF2_ERR_GRAPH, "the network has no output");
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        enum tf2_status status = verify_node(graph, i, error);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "%s (%s)", graph->nodes[i].name, graph->nodes[i].op->name);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        enum tf2_status status = verify_tensor(graph, graph->outputs[i].tensor, graph->n_nodes, error);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "output %s", graph->outputs[i].name);
    }
    return TF2_OK;
}

int64_t tf2__node_macs(const struct tf2__node *node, const struct tf2_shape *shapes)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    if (!node->op->macs)
        return 0;
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &shapes[node->in[k]];
    return node->op->macs(node->attr, in, node->n_in, &shapes[node->out]);
}
