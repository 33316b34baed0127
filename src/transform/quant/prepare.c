/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.c: copies a float graph in the form that the other steps work on: only what is needed, every activation that
 * the integer form of its node does not take as a node of its own. Constants are not copied.
 */
#include "transform/quant/scheme.h"

#include <inttypes.h>
#include <stdio.h>

/* While copying: ids of the copy by ids of the original. */
struct copier {
    const struct tf2_graph *from;
    struct tf2_graph *to;
    tf2_tensor_id *map;
    const char **origin;
};

void tf2__quant_name(
    const struct tf2_graph *from, const struct tf2_graph *to, bool constants, const char *base,
    const char *suffix, char name[TF2__REWRITE_NAME_BYTES])
{
    uint64_t number = (uint64_t)from->n_tensors + to->n_tensors; /* grows: no search from 1 each time */
    snprintf(name, TF2__REWRITE_NAME_BYTES, "%.960s.%s", base, suffix);
    for (;;) {
        const tf2_tensor_id theirs = tf2__graph_find(from, name);
        bool is_free = theirs == TF2_NO_TENSOR || (!constants && from->tensors[theirs].data);
        if (is_free && tf2__graph_find(to, name) == TF2_NO_TENSOR)
            return;
        snprintf(name, TF2__REWRITE_NAME_BYTES, "%.960s.%s.%" PRIu64, base, suffix, number++);
    }
}

/* Scale and batch norm become tables as a whole; a quotient and a choice stay float. */
static bool must_split(const struct tf2__node *node)
{
    if (tf2__quant_fuses(node->activation.kind))
        return false;
    if (node->op->id == TF2_OP_ELTWISE)
        return ((const struct tf2_eltwise_attr *)node->attr)->kind < TF2_ELTWISE_DIV;
    return tf2__scheme_has_weights(node);
}

static enum tf2_status copy_constant(struct copier *c, tf2_tensor_id id, struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &c->from->tensors[id];
    if (c->map[id] != TF2_NO_TENSOR || !tensor->data)
        return TF2_OK;
    return tf2__graph_adopt_constant(
        c->to, tensor->name, tensor->dtype, &tensor->shape, tensor->data, &c->map[id], error);
}

static enum tf2_status copy_node(struct copier *c, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &c->from->nodes[index];
    char linear[TF2__REWRITE_NAME_BYTES];
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    bool split = must_split(node);
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(copy_constant(c, node->in[k], error));
        in[k] = c->map[node->in[k]];
    }
    if (split)
        tf2__quant_name(c->from, c->to, true, node->name, "linear", linear);
    c->origin[c->to->n_nodes] = node->name;
    TF2__TRY(tf2_graph_add_node(
        c->to, node->op->id, split ? linear : node->name, node->attr, in, node->n_in, &c->map[node->out],
        error));
    if (!split) {
        c->to->nodes[c->to->n_nodes - 1].activation = node->activation;
        return TF2_OK;
    }
    c->origin[c->to->n_nodes] = node->name;
    return tf2_graph_add_node(
        c->to, TF2_OP_ACTIVATION, node->name, &node->activation, &c->map[node->out], 1, &c->map[node->out],
        error);
}

static enum tf2_status copy_all(struct copier *c, struct tf2_error *error)
{
    const struct tf2_graph *from = c->from;
    for (uint32_t t = 0; t < from->n_tensors; t++)
        c->map[t] = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < from->n_inputs; i++) {
        const struct tf2__tensor *tensor = &from->tensors[from->inputs[i]];
        TF2__TRY(tf2_graph_add_input(
            c->to, tensor->name, tensor->dtype, &tensor->shape, &c->map[from->inputs[i]], error));
    }
    for (uint32_t i = 0; i < from->n_nodes; i++)
        TF2__TRY(copy_node(c, i, error));
    for (uint32_t i = 0; i < from->n_outputs; i++) {
        TF2__TRY(copy_constant(c, from->outputs[i].tensor, error));
        TF2__TRY(tf2_graph_add_output(c->to, c->map[from->outputs[i].tensor], from->outputs[i].name, error));
    }
    return tf2__graph_verify(c->to, error);
}

enum tf2_status
tf2__quant_prepare(const struct tf2_graph *from, struct tf2__prepared *prepared, struct tf2_error *error)
{
    struct copier c = {.from = from};
    for (uint32_t i = 0; i < from->n_nodes; i++) {
        if (tf2__node_is_int8(from, &from->nodes[i]))
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "%s: is quantized already, wanted a float32 network",
                from->nodes[i].name);
    }
    TF2__TRY(tf2_graph_create(&from->arena.env, &c.to, error));
    c.map = tf2__calloc(&from->arena.env, from->n_tensors, sizeof(*c.map));
    c.origin = tf2__arena_alloc(&c.to->arena, 2 * (size_t)from->n_nodes, sizeof(*c.origin));
    enum tf2_status status = c.map && c.origin
                                 ? copy_all(&c, error)
                                 : tf2__fail_memory(error, from->n_tensors * sizeof(*c.map), "a copy");
    tf2__free(&from->arena.env, c.map);
    if (status != TF2_OK) {
        tf2_graph_destroy(&c.to);
        return status;
    }
    *prepared = (struct tf2__prepared){c.to, c.origin};
    return TF2_OK;
}
