/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite.c: what passes have in common. Everything is linear in the graph or better: files decide how many
 * nodes there are, and a pass over a million of them must end.
 */
#include "transform/pass/rewrite.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum tf2_status tf2__uses_init(struct tf2__uses *uses, const struct tf2_graph *graph, struct tf2_error *error)
{
    *uses = (struct tf2__uses){.env = graph->arena.env, .n_tensors = graph->n_tensors};
    uses->count = tf2__calloc(&uses->env, graph->n_tensors, sizeof(*uses->count));
    uses->reader = tf2__calloc(&uses->env, graph->n_tensors, sizeof(*uses->reader));
    if (!uses->count || !uses->reader) {
        tf2__uses_finish(uses);
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*uses->count), "the readers of tensors");
    }
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        uses->reader[t] = TF2__NO_NODE;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++) {
            tf2_tensor_id in = graph->nodes[i].in[k];
            if (in == TF2_NO_TENSOR)
                continue;
            uses->count[in]++;
            uses->reader[in] = i;
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        uses->count[graph->outputs[i].tensor]++;
        uses->reader[graph->outputs[i].tensor] = TF2__NO_NODE;
    }
    return TF2_OK;
}

void tf2__uses_finish(struct tf2__uses *uses)
{
    tf2__free(&uses->env, uses->reader);
    tf2__free(&uses->env, uses->count);
    uses->reader = uses->count = NULL;
}

uint32_t tf2__uses_single(const struct tf2__uses *uses, tf2_tensor_id tensor)
{
    if (tensor >= uses->n_tensors || uses->count[tensor] != 1)
        return TF2__NO_NODE;
    return uses->reader[tensor];
}

bool tf2__rewrite_spend(struct tf2_graph *graph, size_t n_bytes)
{
    if (n_bytes > graph->budget_bytes)
        return false;
    graph->budget_bytes -= n_bytes;
    return true;
}

void tf2__rewrite_absorb(struct tf2_graph *graph, uint32_t node, uint32_t taken)
{
    struct tf2__node *first = &graph->nodes[node];
    struct tf2__node *second = &graph->nodes[taken];
    tf2_tensor_id inner = first->out;
    first->out = second->out;
    second->out = inner;
    second->dead = true;
    graph->tensors[first->out].producer = node;
    graph->tensors[inner].producer = TF2__NO_NODE;
}

enum tf2_status tf2__rewrite_set_input(
    struct tf2_graph *graph, uint32_t node, uint32_t k, tf2_tensor_id tensor, struct tf2_error *error)
{
    struct tf2__node *n = &graph->nodes[node];
    if (k >= n->n_in) {
        tf2_tensor_id *in = tf2__arena_alloc(&graph->arena, k + 1, sizeof(*in));
        if (!in)
            return tf2__fail_memory(error, (k + 1) * sizeof(*in), "inputs of a node");
        for (uint32_t i = 0; i <= k; i++)
            in[i] = i < n->n_in ? n->in[i] : TF2_NO_TENSOR;
        n->in = in;
        n->n_in = k + 1;
    }
    n->in[k] = tensor;
    return TF2_OK;
}

enum tf2_status tf2__rewrite_node(
    struct tf2_graph *graph, uint32_t node, enum tf2_op op_id, const void *attr, const tf2_tensor_id *inputs,
    uint32_t n_inputs, struct tf2_error *error)
{
    const struct tf2__op *op = tf2__op_find(op_id);
    void *new_attr = tf2__arena_alloc(&graph->arena, 1, op->attr_bytes);
    tf2_tensor_id *in = tf2__arena_alloc(&graph->arena, n_inputs, sizeof(*in));
    if (!new_attr || !in)
        return tf2__fail_memory(error, op->attr_bytes, "a node");
    if (attr)
        memcpy(new_attr, attr, op->attr_bytes);
    memcpy(in, inputs, n_inputs * sizeof(*in));
    struct tf2__node *n = &graph->nodes[node];
    n->op = op;
    n->attr = new_attr;
    n->in = in;
    n->n_in = n_inputs;
    return TF2_OK;
}

enum tf2_status tf2__rewrite_infer(
    const struct tf2_graph *graph, const struct tf2__node *node, struct tf2_shape *shape,
    struct tf2_error *error)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &graph->tensors[node->in[k]].shape;
    *shape = (struct tf2_shape){0};
    return node->op->infer(node->attr, in, node->n_in, shape, error);
}

void tf2__rewrite_name(
    const struct tf2_graph *graph, const char *base, const char *suffix, char name[TF2__REWRITE_NAME_BYTES])
{
    /* Numbers start at the number of tensors, which grows with every name taken: no search from 1 each time.
     */
    uint64_t number = graph->n_tensors;
    snprintf(name, TF2__REWRITE_NAME_BYTES, "%.960s.%s", base, suffix);
    while (tf2__graph_find(graph, name) != TF2_NO_TENSOR)
        snprintf(name, TF2__REWRITE_NAME_BYTES, "%.960s.%s.%" PRIu64, base, suffix, number++);
}

bool tf2__rewrite_in_range(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(values[i]) <= FLT_MAX))
            return false;
    }
    return true;
}

enum tf2_status tf2__rewrite_adopt(
    struct tf2_graph *graph, const char *base, const char *suffix, const struct tf2_shape *shape,
    const float *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    tf2__rewrite_name(graph, base, suffix, name);
    return tf2__graph_adopt_constant(graph, name, TF2_DTYPE_F32, shape, data, tensor, error);
}

enum tf2_status tf2__rewrite_constant(
    struct tf2_graph *graph, const char *base, const char *suffix, const struct tf2_shape *shape,
    const double *values, tf2_tensor_id *tensor, struct tf2_error *error)
{
    size_t n = (size_t)tf2_shape_count(shape);
    float *data = tf2__arena_alloc(&graph->arena, n, sizeof(*data));
    if (!data)
        return tf2__fail_memory(error, n * sizeof(*data), "a constant");
    for (size_t i = 0; i < n; i++)
        data[i] = (float)values[i];
    return tf2__rewrite_adopt(graph, base, suffix, shape, data, tensor, error);
}
