/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perturb.c: a float graph in which an error can be added to the result of every chosen node, from an input of its own.
 * So one session tells what each layer's error does to the outputs.
 */
#include "transform/pass/rewrite.h"
#include "transform/quant/scheme.h"

struct builder {
    const struct tf2_graph *from;
    struct tf2_graph *to;
    tf2_tensor_id *map;
};

static enum tf2_status
add_inputs(const struct builder *b, const struct tf2__node *node, tf2_tensor_id *in, struct tf2_error *error)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        const struct tf2__tensor *tensor = &b->from->tensors[node->in[k]];
        tf2_tensor_id *id = &b->map[node->in[k]];
        if (tensor->data && *id == TF2_NO_TENSOR)
            TF2__TRY(tf2__graph_adopt_constant(
                b->to, tensor->name, tensor->dtype, &tensor->shape, tensor->data, id, error));
        in[k] = *id;
    }
    return TF2_OK;
}

static enum tf2_status add_node(const struct builder *b, uint32_t index, bool chosen, struct tf2_error *error)
{
    const struct tf2__node *node = &b->from->nodes[index];
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    char name[TF2__REWRITE_NAME_BYTES];
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS], out, noise;
    TF2__TRY(add_inputs(b, node, in, error));
    TF2__TRY(tf2_graph_add_node(b->to, node->op->id, node->name, node->attr, in, node->n_in, &out, error));
    b->to->nodes[b->to->n_nodes - 1].activation = node->activation;
    b->map[node->out] = out;
    if (!chosen)
        return TF2_OK;
    tf2__quant_name(b->from, b->to, true, node->name, "error", name);
    TF2__TRY(
        tf2_graph_add_input(b->to, name, TF2_DTYPE_F32, &b->from->tensors[node->out].shape, &noise, error));
    tf2__quant_name(b->from, b->to, true, node->name, "disturbed", name);
    return tf2_graph_add_node(
        b->to, TF2_OP_ELTWISE, name, &sum, (const tf2_tensor_id[]){out, noise}, 2, &b->map[node->out], error);
}

static enum tf2_status add_all(
    const struct builder *b, const bool *chosen, const tf2_tensor_id *outputs, uint32_t n_outputs,
    struct tf2_error *error)
{
    for (uint32_t t = 0; t < b->from->n_tensors; t++)
        b->map[t] = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < b->from->n_inputs; i++) {
        const struct tf2__tensor *tensor = &b->from->tensors[b->from->inputs[i]];
        TF2__TRY(tf2_graph_add_input(
            b->to, tensor->name, tensor->dtype, &tensor->shape, &b->map[b->from->inputs[i]], error));
    }
    for (uint32_t i = 0; i < b->from->n_nodes; i++)
        TF2__TRY(add_node(b, i, chosen[i], error));
    for (uint32_t i = 0; i < n_outputs; i++) {
        bool known = false;
        for (uint32_t k = 0; k < i; k++)
            known |= outputs[k] == outputs[i];
        if (!known)
            TF2__TRY(tf2_graph_add_output(b->to, b->map[outputs[i]], NULL, error));
    }
    return tf2__graph_verify(b->to, error);
}

enum tf2_status tf2__quant_perturb(
    const struct tf2_graph *from, const bool *chosen, const tf2_tensor_id *outputs, uint32_t n_outputs,
    struct tf2_graph **result, struct tf2_error *error)
{
    struct builder b = {.from = from};
    TF2__TRY(tf2_graph_create(&from->arena.env, &b.to, error));
    b.map = tf2__calloc(&from->arena.env, from->n_tensors, sizeof(*b.map));
    enum tf2_status status = b.map ? add_all(&b, chosen, outputs, n_outputs, error)
                                   : tf2__fail_memory(error, from->n_tensors * sizeof(*b.map), "a graph");
    tf2__free(&from->arena.env, b.map);
    if (status != TF2_OK) {
        tf2_graph_destroy(&b.to);
        return status;
    }
    *result = b.to;
    return TF2_OK;
}
