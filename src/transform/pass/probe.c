/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c: infers a graph's shapes for a handful of other input shapes, as far as each gets: a network whose
 * fully connected layer takes one image size only still tells about the layers before it.
 */
#include "transform/pass/probe.h"

/* Extents are changed this way. Of 1, so that broadcasting shows; to 1, so that it can begin. */
enum change { KEEP, MORE, DOUBLE, HALF, ONE };

static const struct {
    enum change batch, spatial;
} changes[] = {
    {MORE, KEEP}, {DOUBLE, KEEP}, {ONE, KEEP}, {KEEP, MORE}, {KEEP, DOUBLE}, {KEEP, HALF}, {KEEP, ONE},
};

/* Inputs changed alone, each with {MORE, KEEP} and {ONE, KEEP}. */
#define MAX_SINGLE 4

static int64_t apply(enum change change, int64_t extent)
{
    switch (change) {
    case MORE:
        return extent + 1;
    case DOUBLE:
        return extent * 2;
    case HALF:
        return (extent + 1) / 2;
    case ONE:
        return 1;
    case KEEP:
        break;
    }
    return extent;
}

static void change_shape(enum change batch, enum change spatial, struct tf2_shape *shape)
{
    if (shape->n_dims > 0)
        shape->dim[0] = apply(batch, shape->dim[0]);
    for (uint32_t d = 2; d < shape->n_dims; d++)
        shape->dim[d] = apply(spatial, shape->dim[d]);
    if (tf2_shape_count(shape) == 0)
        shape->n_dims = TF2__PROBE_UNKNOWN;
}

static void infer_node(const struct tf2__node *node, struct tf2_shape *shapes)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    struct tf2_shape out = {0};
    shapes[node->out].n_dims = TF2__PROBE_UNKNOWN;
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &shapes[node->in[k]];
        if (in[k] && in[k]->n_dims == TF2__PROBE_UNKNOWN)
            return;
    }
    if (node->op->infer(node->attr, in, node->n_in, &out, NULL) == TF2_OK && tf2_shape_count(&out) > 0)
        shapes[node->out] = out;
}

/* One probe. input: the number of the one to change, UINT32_MAX: all. */
static void probe(
    const struct tf2_graph *graph, enum change batch, enum change spatial, uint32_t input,
    struct tf2_shape *shapes)
{
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        shapes[t] = graph->tensors[t].shape;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        if (input == UINT32_MAX || input == i)
            change_shape(batch, spatial, &shapes[graph->inputs[i]]);
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        infer_node(&graph->nodes[i], shapes);
}

enum tf2_status
tf2__probes_init(struct tf2__probes *probes, const struct tf2_graph *graph, struct tf2_error *error)
{
    uint32_t n_single = graph->n_inputs > 1 ? TF2__MIN(graph->n_inputs, MAX_SINGLE) : 0;
    *probes = (struct tf2__probes){.env = graph->arena.env, .n_tensors = graph->n_tensors};
    size_t n = TF2__COUNT(changes) + 2 * n_single, stride = graph->n_tensors;
    probes->shapes = tf2__calloc(&probes->env, n, stride * sizeof(*probes->shapes));
    if (!probes->shapes)
        return tf2__fail_memory(error, n * stride * sizeof(*probes->shapes), "shapes for other inputs");
    for (size_t i = 0; i < TF2__COUNT(changes); i++)
        probe(
            graph, changes[i].batch, changes[i].spatial, UINT32_MAX,
            probes->shapes + stride * probes->n_probes++);
    for (uint32_t i = 0; i < n_single; i++) {
        probe(graph, MORE, KEEP, i, probes->shapes + stride * probes->n_probes++);
        probe(graph, ONE, KEEP, i, probes->shapes + stride * probes->n_probes++);
    }
    return TF2_OK;
}

void tf2__probes_finish(struct tf2__probes *probes)
{
    tf2__free(&probes->env, probes->shapes);
    probes->shapes = NULL;
}

bool tf2__probes_same_shape(
    const struct tf2__probes *probes, tf2_tensor_id a, tf2_tensor_id b, tf2_tensor_id out)
{
    for (uint32_t i = 0; i < probes->n_probes; i++) {
        const struct tf2_shape *shapes = probes->shapes + (size_t)i * probes->n_tensors;
        if (shapes[out].n_dims != TF2__PROBE_UNKNOWN && !tf2_shape_equal(&shapes[a], &shapes[b]))
            return false;
    }
    return true;
}
