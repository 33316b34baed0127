/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse_activation.c: an activation whose input nobody else reads is applied by the node that computes the
 * input. Two clips in a row, RELU being one from 0 to infinity, become one.
 */
#include "transform/pass/rewrite.h"

#include <math.h>

static bool takes_activation(enum tf2_op op)
{
    return op == TF2_OP_CONV || op == TF2_OP_CONV_TRANSPOSE || op == TF2_OP_GEMM || op == TF2_OP_ELTWISE ||
           op == TF2_OP_SCALE || op == TF2_OP_BATCH_NORM;
}

static bool is_fusable(enum tf2_activation_kind kind)
{
    switch (kind) {
    case TF2_ACTIVATION_RELU:
    case TF2_ACTIVATION_CLIP:
    case TF2_ACTIVATION_LEAKY_RELU:
    case TF2_ACTIVATION_SIGMOID:
    case TF2_ACTIVATION_TANH:
    case TF2_ACTIVATION_HARD_SIGMOID:
    case TF2_ACTIVATION_HARD_SWISH:
    case TF2_ACTIVATION_ELU:
        return true;
    default:
        return false;
    }
}

static bool read_clip(const struct tf2_activation *activation, float *low, float *high)
{
    if (activation->kind == TF2_ACTIVATION_RELU) {
        *low = 0;
        *high = INFINITY;
        return true;
    }
    *low = activation->alpha;
    *high = activation->beta;
    return activation->kind == TF2_ACTIVATION_CLIP;
}

/* first = then(first); false when that is no single activation. */
static bool merge_clips(struct tf2_activation *first, const struct tf2_activation *then)
{
    float low, high, then_low, then_high;
    if (!read_clip(first, &low, &high) || !read_clip(then, &then_low, &then_high))
        return false;
    low = fminf(fmaxf(low, then_low), then_high);
    high = fminf(fmaxf(high, then_low), then_high);
    if (low == 0 && isinf(high))
        *first = (struct tf2_activation){.kind = TF2_ACTIVATION_RELU};
    else
        *first = (struct tf2_activation){.kind = TF2_ACTIVATION_CLIP, .alpha = low, .beta = high};
    return true;
}

/* Takes the activation node behind node `index` into it, if there is one that can be. */
static bool fuse_next(struct tf2_graph *graph, const struct tf2__uses *uses, uint32_t index)
{
    struct tf2__node *node = &graph->nodes[index];
    uint32_t reader = tf2__uses_single(uses, node->out);
    if (reader == TF2__NO_NODE || graph->nodes[reader].op->id != TF2_OP_ACTIVATION ||
        graph->nodes[reader].activation.kind != TF2_ACTIVATION_NONE)
        return false;
    const struct tf2_activation *then = graph->nodes[reader].attr;
    if (tf2__node_is_int8(graph, node) && !tf2__quant_fuses(then->kind))
        return false;
    if (node->op->id == TF2_OP_ACTIVATION && node->activation.kind == TF2_ACTIVATION_NONE) {
        if (!merge_clips(node->attr, then))
            return false;
    } else if (!takes_activation(node->op->id)) {
        return false;
    } else if (node->activation.kind == TF2_ACTIVATION_NONE && is_fusable(then->kind)) {
        node->activation = *then;
    } else if (!merge_clips(&node->activation, then)) {
        return false;
    }
    tf2__rewrite_absorb(graph, index, reader);
    return true;
}

TF2__PASS_DEFINE(fuse_activation)
{
    struct tf2__uses uses;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        while (!graph->nodes[i].dead && fuse_next(graph, &uses, i))
            *changed = true;
    }
    tf2__uses_finish(&uses);
    return TF2_OK;
}
