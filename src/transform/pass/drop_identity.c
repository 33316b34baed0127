/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop_identity.c: removes nodes that hand their input on unchanged, whatever the shapes will be, and makes
 * every graph output something that a node computes.
 *
 * A node counts as an identity only by its attributes, never because today's shapes happen to agree: a
 * reshape to [1, 1000] changes nothing at batch 1 and much at batch 2. One walk in order of computation
 * follows `alias`:
 *
 *     x ─▶ dropout ─▶ y ─▶ flatten ─▶ z ─▶ conv         alias[y] = x, alias[z] = x: conv reads x
 *
 * A graph output that would become a graph input or a constant keeps one identity node.
 */
#include "transform/pass/rewrite.h"

/* Entries that copy the extent at their place, and at most one other: the count leaves it no choice. */
static bool is_noop_reshape(const struct tf2_reshape_attr *attr, uint32_t rank)
{
    uint32_t n_other = 0;
    if (attr->n_dims != rank)
        return false;
    for (uint32_t d = 0; d < rank; d++)
        n_other += attr->dim[d] != 0;
    return n_other <= 1;
}

static bool is_noop_slice(const struct tf2_slice_attr *attr)
{
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        bool from_start = attr->begin[d] == 0 || attr->begin[d] <= -INT32_MAX;
        bool to_end = attr->end[d] >= INT32_MAX; /* no extent is larger */
        if (!from_start || !to_end || (attr->step[d] != 0 && attr->step[d] != 1))
            return false;
    }
    return true;
}

static bool is_noop_pad(const struct tf2_pad_attr *attr)
{
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        if (attr->begin[d] != 0 || attr->end[d] != 0)
            return false;
    }
    return true;
}

static bool is_noop_transpose(const struct tf2_transpose_attr *attr)
{
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        if (attr->perm[d] != d)
            return false;
    }
    return true;
}

static bool is_noop_activation(const struct tf2_activation *attr)
{
    return attr->kind == TF2_ACTIVATION_NONE ||
           (attr->kind == TF2_ACTIVATION_AFFINE && attr->alpha == 1 && attr->beta == 0);
}

static bool is_noop(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const void *attr = node->attr;
    if (node->activation.kind != TF2_ACTIVATION_NONE)
        return false;
    uint32_t rank = graph->tensors[node->in[0]].shape.n_dims;
    switch (node->op->id) {
    case TF2_OP_IDENTITY:
    case TF2_OP_DROPOUT:
        return true;
    case TF2_OP_ACTIVATION:
        return is_noop_activation(attr);
    case TF2_OP_CONCAT: /* on integers it can change the scale */
        return node->n_in == 1 && !tf2__node_is_int8(graph, node);
    case TF2_OP_FLATTEN:
        return rank == 2 && tf2__rewrite_axis(((const struct tf2_axis_attr *)attr)->axis, rank) == 1;
    case TF2_OP_RESHAPE:
        return is_noop_reshape(attr, rank);
    case TF2_OP_UNSQUEEZE:
        return ((const struct tf2_axes_attr *)attr)->axes == 0;
    case TF2_OP_SLICE:
        return is_noop_slice(attr);
    case TF2_OP_TRANSPOSE:
        return is_noop_transpose(attr);
    case TF2_OP_PAD:
        return is_noop_pad(attr);
    default: /* a squeeze of no axes removes what happens to be 1 */
        return false;
    }
}

struct context {
    struct tf2_graph *graph;
    tf2_tensor_id *alias; /* what to read instead of a tensor */
    bool *is_output;
    bool *changed;
};

/* Lets the readers of a node that does nothing read its input; the node stays only as a graph output of its
 * own. */
static enum tf2_status bypass(struct context *c, uint32_t index, struct tf2_error *error)
{
    struct tf2__node *node = &c->graph->nodes[index];
    tf2_tensor_id x = node->in[0];
    bool computed = c->graph->tensors[x].producer != TF2__NO_NODE;
    c->alias[node->out] = x;
    if (computed || !c->is_output[node->out]) {
        *c->changed = node->dead = true;
    } else if (node->op->id != TF2_OP_IDENTITY) {
        *c->changed = true;
        return tf2__rewrite_node(c->graph, index, TF2_OP_IDENTITY, NULL, &x, 1, error);
    }
    return TF2_OK;
}

static enum tf2_status sweep(struct context *c, struct tf2_error *error)
{
    for (uint32_t i = 0; i < c->graph->n_nodes; i++) {
        struct tf2__node *node = &c->graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (node->in[k] == TF2_NO_TENSOR || c->alias[node->in[k]] == node->in[k])
                continue;
            node->in[k] = c->alias[node->in[k]];
            *c->changed = true;
        }
        if (is_noop(c->graph, node))
            TF2__TRY(bypass(c, i, error));
    }
    return TF2_OK;
}

/* Graph outputs follow, too, unless they would no longer be computed by a node. */
static enum tf2_status redirect_outputs(struct context *c, struct tf2_error *error)
{
    struct tf2_graph *graph = c->graph;
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        struct tf2__graph_output *output = &graph->outputs[i];
        char name[TF2__REWRITE_NAME_BYTES];
        tf2_tensor_id to = c->alias[output->tensor];
        if (graph->tensors[to].producer != TF2__NO_NODE) {
            output->tensor = to;
        } else if (graph->tensors[output->tensor].producer == TF2__NO_NODE) {
            *c->changed = true;
            tf2__rewrite_name(graph, output->name, "copy", name);
            TF2__TRY(tf2_graph_add_node(graph, TF2_OP_IDENTITY, name, NULL, &to, 1, &output->tensor, error));
        }
    }
    return TF2_OK;
}

TF2__PASS_DEFINE(drop_identity)
{
    const struct tf2_env *env = &graph->arena.env;
    struct context c = {.graph = graph, .changed = changed};
    enum tf2_status status;
    c.alias = tf2__calloc(env, graph->n_tensors, sizeof(*c.alias));
    c.is_output = tf2__calloc(env, graph->n_tensors, sizeof(*c.is_output));
    if (!c.alias || !c.is_output) {
        status = tf2__fail_memory(error, graph->n_tensors * sizeof(*c.alias), "following identities");
        goto end;
    }
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        c.alias[t] = t;
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        c.is_output[graph->outputs[i].tensor] = true;
    status = sweep(&c, error);
    if (status == TF2_OK)
        status = redirect_outputs(&c, error);
end:
    tf2__free(env, c.is_output);
    tf2__free(env, c.alias);
    return status;
}
