/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold_constants.c: computes nodes that read only constants. The node's output tensor becomes a constant
 * itself, so that no reader changes.
 *
 * Results are kept within bounds: a few bytes of a file can ask for gigabytes (a resize) or hours (a
 * convolution). What is too much stays a node; so does what is not finite, since constants are.
 */
#include "transform/pass/rewrite.h"

#include <math.h>

#define MAX_ELEMENTS ((int64_t)1 << 24) /* of one result */
#define MAX_WORK     ((int64_t)1 << 27) /* steps, all nodes together */

static bool reads_only_constants(const struct tf2_graph *graph, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] != TF2_NO_TENSOR && !tf2__rewrite_is_constant(graph, node->in[k]))
            return false;
    }
    return true;
}

/* A bound for the steps of one evaluation, INT64_MAX when it overflows. */
static int64_t work(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    const struct tf2_shape *out = &graph->tensors[node->out].shape;
    int64_t n_out = tf2_shape_count(out), n_in = 0, product;
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &graph->tensors[node->in[k]].shape;
        n_in += in[k] ? tf2_shape_count(in[k]) : 0;
    }
    switch (node->op->id) {
    case TF2_OP_CONV:
    case TF2_OP_CONV_TRANSPOSE:
    case TF2_OP_GEMM:
        return node->op->macs(node->attr, in, node->n_in, out);
    case TF2_OP_POOL: /* a window can be as large as the map */
    case TF2_OP_LRN:
        return tf2__mul_i64(n_out, n_in, &product) ? product : INT64_MAX;
    case TF2_OP_DETECTION_OUTPUT: /* each box can be compared with each */
        return tf2__mul_i64(n_in, TF2__MAX(n_in, n_out), &product) ? product : INT64_MAX;
    default:
        return TF2__MAX(n_in, n_out);
    }
}

static bool is_finite(const float *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(data[i]))
            return false;
    }
    return true;
}

static enum tf2_status fold(struct tf2_graph *graph, uint32_t index, bool *changed, struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[index];
    struct tf2__tensor *out = &graph->tensors[node->out];
    struct tf2__view in[TF2_MAX_NODE_INPUTS], view;
    int64_t n = tf2_shape_count(&out->shape);
    float *data = tf2__alloc(&graph->arena.env, (size_t)n * sizeof(*data));
    float *kept = NULL;
    if (!data)
        return tf2__fail_memory(error, (size_t)n * sizeof(*data), "a folded constant");
    memset(in, 0, sizeof(in));
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        const struct tf2__tensor *tensor = &graph->tensors[node->in[k]];
        tf2__view_dense(&in[k], tensor->data, tensor->dtype, &tensor->shape);
    }
    tf2__view_dense(&view, data, TF2_DTYPE_F32, &out->shape);
    node->op->eval(node->attr, in, node->n_in, &view);
    tf2__activation_apply(&node->activation, &view);

    bool finite = is_finite(data, n);
    if (finite)
        kept = tf2__arena_alloc(&graph->arena, (size_t)n, sizeof(*data));
    if (kept) {
        memcpy(kept, data, (size_t)n * sizeof(*data));
        out->data = kept;
        out->producer = TF2__NO_NODE;
        *changed = node->dead = true;
    }
    tf2__free(&graph->arena.env, data);
    if (finite && !kept)
        return tf2__fail_memory(error, (size_t)n * sizeof(*data), "a folded constant");
    return TF2_OK;
}

/* Whether the node can and may be computed now. */
static bool is_worth_it(struct tf2_graph *graph, const struct tf2__node *node, int64_t *work_left)
{
    /* An identity of a constant is a graph output, see drop-identity. */
    if (node->op->id == TF2_OP_IDENTITY || !reads_only_constants(graph, node) || tf2__node_is_int8(graph, node))
        return false;
    int64_t n = tf2_shape_count(&graph->tensors[node->out].shape), steps = work(graph, node);
    if (n > MAX_ELEMENTS || steps > *work_left || !tf2__rewrite_spend(graph, (size_t)n * sizeof(float)))
        return false;
    *work_left -= steps;
    return true;
}

TF2__PASS_DEFINE(fold_constants)
{
    int64_t work_left = MAX_WORK;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (is_worth_it(graph, &graph->nodes[i], &work_left))
            TF2__TRY(fold(graph, i, changed, error));
    }
    return TF2_OK;
}
