/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut.c: a range of a graph's nodes as a graph.
 *
 *     input ─ [transpose to N, C, ...] ─ nodes first .. last-1 ─ [transpose to N, ..., C] ─ output
 *
 * The transposes stand where a map crosses a cut; the planner makes them views, so that what crosses is copied in the
 * order in which it lies on the device.
 */
#include "sched/cut.h"

#include <stdio.h>

#define NAME_BYTES 1100

/* Whether the tensor is computed (or given) before node `position` and read by it or a later one. */
bool tf2__cut_crosses(const struct tf2_graph *graph, tf2_tensor_id tensor, uint32_t position)
{
    const struct tf2__tensor *t = &graph->tensors[tensor];
    if (t->data || (t->producer != TF2__NO_NODE && t->producer >= position))
        return false;
    for (uint32_t i = position; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++) {
            if (graph->nodes[i].in[k] == tensor)
                return true;
        }
    }
    return false;
}

bool tf2__cut_allowed(const struct tf2_graph *graph, uint32_t position)
{
    for (tf2_tensor_id t = 0; t < graph->n_tensors; t++) {
        /* Zero points per channel only exist between a quantize node and its convolutions. */
        if (graph->tensors[t].quant.channel_zero_point && tf2__cut_crosses(graph, t, position))
            return false;
    }
    return true;
}

int64_t tf2__cut_bytes(const struct tf2_graph *graph, const struct tf2_shape *shapes, uint32_t position)
{
    int64_t sum = 0;
    for (tf2_tensor_id t = 0; t < graph->n_tensors; t++) {
        if (tf2__cut_crosses(graph, t, position))
            sum += tf2_shape_count(&shapes[t]) * (int64_t)tf2_dtype_size_bytes(graph->tensors[t].dtype);
    }
    return sum;
}

static bool is_map(const struct tf2_shape *shape)
{
    return shape->n_dims == 4 || shape->n_dims == 5;
}

struct tf2_shape tf2__cut_shape(const struct tf2_shape *shape)
{
    struct tf2_shape turned = *shape;
    for (uint32_t d = 1; is_map(shape) && d < shape->n_dims; d++)
        turned.dim[d] = shape->dim[d + 1 < shape->n_dims ? d + 1 : 1];
    return turned;
}

/* --- making a part --- */

struct part {
    const struct tf2_graph *from;
    struct tf2_graph *to;
    struct tf2__cut *cut;
    uint32_t first, last;
    tf2_tensor_id *map; /* tensor of `from` → tensor of `to`, TF2_NO_TENSOR: not there yet */
};

static enum tf2_status add_transpose(
    struct part *p, tf2_tensor_id in, bool to_first, const char *name, tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2__tensor tensor = p->to->tensors[in];
    const uint32_t n = tensor.shape.n_dims;
    struct tf2_transpose_attr attr = {.n_dims = n};
    for (uint32_t d = 1; d < n; d++)
        attr.perm[d] = to_first ? (d == 1 ? n - 1 : d - 1) : (d + 1 < n ? d + 1 : 1);
    return tf2__graph_add_int8(
        p->to, TF2_OP_TRANSPOSE, name, &attr, &in, 1, NULL, tensor.dtype,
        tensor.dtype == TF2_DTYPE_U8 ? &tensor.quant : NULL, out, error);
}

static bool is_graph_input(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    return graph->tensors[tensor].is_input;
}

/* A tensor from outside the part. */
static enum tf2_status add_input(struct part *p, tf2_tensor_id tensor, struct tf2_error *error)
{
    const struct tf2__tensor *t = &p->from->tensors[tensor];
    const struct tf2__quant *quant = t->dtype == TF2_DTYPE_U8 ? &t->quant : NULL;
    bool turned = is_map(&t->shape) && !is_graph_input(p->from, tensor);
    struct tf2_shape shape = turned ? tf2__cut_shape(&t->shape) : t->shape;
    char name[NAME_BYTES];
    tf2_tensor_id id;
    snprintf(name, sizeof(name), "%.1000s%s", t->name, turned ? " in" : "");
    TF2__TRY(tf2__graph_add_typed_input(p->to, name, t->dtype, &shape, quant, &id, error));
    if (turned)
        TF2__TRY(add_transpose(p, id, true, t->name, &id, error));
    p->map[tensor] = id;
    p->cut->inputs[p->cut->n_inputs++] = tensor;
    return TF2_OK;
}

static enum tf2_status add_constant(struct part *p, tf2_tensor_id tensor, struct tf2_error *error)
{
    const struct tf2__tensor *t = &p->from->tensors[tensor];
    bool quantized = t->quant.scale > 0 || t->quant.channel_scale;
    return tf2__graph_adopt_quantized(
        p->to, t->name, t->dtype, &t->shape, quantized ? &t->quant : NULL, t->data, &p->map[tensor], error);
}

static enum tf2_status find_tensor(struct part *p, tf2_tensor_id tensor, struct tf2_error *error)
{
    if (p->map[tensor] != TF2_NO_TENSOR)
        return TF2_OK;
    return p->from->tensors[tensor].data ? add_constant(p, tensor, error) : add_input(p, tensor, error);
}

static enum tf2_status add_node(struct part *p, const struct tf2__node *node, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    const struct tf2__tensor *out = &p->from->tensors[node->out];
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(find_tensor(p, node->in[k], error));
        in[k] = p->map[node->in[k]];
    }
    TF2__TRY(tf2__graph_add_int8(
        p->to, node->op->id, out->name, node->attr, in, node->n_in, &node->activation, out->dtype,
        out->dtype == TF2_DTYPE_U8 ? &out->quant : NULL, &p->map[node->out], error));
    p->to->nodes[p->to->n_nodes - 1].name = node->name;
    return TF2_OK;
}

/* An output of the whole graph belongs to the part that computes it; one that nobody computes to the first. */
static bool gives(const struct part *p, tf2_tensor_id tensor)
{
    uint32_t producer = p->from->tensors[tensor].producer;
    return producer == TF2__NO_NODE ? p->first == 0 : producer >= p->first && producer < p->last;
}

static enum tf2_status add_outputs(struct part *p, struct tf2_error *error)
{
    struct tf2__cut *cut = p->cut;
    char name[NAME_BYTES];
    for (uint32_t i = 0; i < p->from->n_outputs; i++) {
        tf2_tensor_id tensor = p->from->outputs[i].tensor;
        if (!gives(p, tensor))
            continue;
        TF2__TRY(find_tensor(p, tensor, error));
        snprintf(name, sizeof(name), "%.1000s", p->from->outputs[i].name);
        TF2__TRY(tf2_graph_add_output(p->to, p->map[tensor], name, error));
        cut->outputs[cut->n_outputs] = tensor;
        cut->graph_output[cut->n_outputs++] = i;
    }
    for (uint32_t i = p->first; i < p->last && p->last < p->from->n_nodes; i++) {
        tf2_tensor_id tensor = p->from->nodes[i].out, id = p->map[tensor];
        if (!tf2__cut_crosses(p->from, tensor, p->last))
            continue;
        snprintf(name, sizeof(name), "%.1000s out", p->from->tensors[tensor].name);
        if (is_map(&p->from->tensors[tensor].shape))
            TF2__TRY(add_transpose(p, id, false, name, &id, error));
        TF2__TRY(tf2_graph_add_output(p->to, id, name, error));
        cut->outputs[cut->n_outputs] = tensor;
        cut->graph_output[cut->n_outputs++] = UINT32_MAX;
    }
    return TF2_OK;
}

static enum tf2_status fill(struct part *p, struct tf2_error *error)
{
    struct tf2__arena *arena = &p->to->arena;
    const uint32_t n = p->from->n_tensors + p->from->n_outputs;
    p->map = tf2__arena_alloc(arena, n, sizeof(*p->map));
    p->cut->inputs = tf2__arena_alloc(arena, n, sizeof(*p->cut->inputs));
    p->cut->outputs = tf2__arena_alloc(arena, n, sizeof(*p->cut->outputs));
    p->cut->graph_output = tf2__arena_alloc(arena, n, sizeof(*p->cut->graph_output));
    if (!p->map || !p->cut->inputs || !p->cut->outputs || !p->cut->graph_output)
        return tf2__fail_memory(error, n * sizeof(*p->map), "a part of a graph");
    for (uint32_t t = 0; t < p->from->n_tensors; t++)
        p->map[t] = TF2_NO_TENSOR;
    for (uint32_t i = 0; p->first == 0 && i < p->from->n_inputs; i++)
        TF2__TRY(add_input(p, p->from->inputs[i], error));
    for (uint32_t i = p->first; i < p->last; i++)
        TF2__TRY(add_node(p, &p->from->nodes[i], error));
    TF2__TRY(add_outputs(p, error));
    return tf2__graph_verify(p->to, error);
}

enum tf2_status tf2__cut_make(
    const struct tf2_graph *graph, uint32_t first, uint32_t last, struct tf2__cut *cut, struct tf2_error *error)
{
    memset(cut, 0, sizeof(*cut));
    struct part part = {.from = graph, .cut = cut, .first = first, .last = last};
    TF2__TRY(tf2_graph_create(&graph->arena.env, &part.to, error));
    enum tf2_status status = fill(&part, error);
    if (status != TF2_OK) {
        tf2_graph_destroy(&part.to);
        return tf2__fail_prefix(error, status, "a stage of nodes %u to %u", first, last);
    }
    cut->graph = part.to;
    return TF2_OK;
}
