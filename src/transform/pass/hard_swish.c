/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hard_swish.c: x * hard_sigmoid(x) with the usual slope 1/6 and offset 1/2 is one activation (Howard et al.
 * 2019, MobileNetV3, section 5.2).
 */
#include "transform/pass/rewrite.h"

#include <math.h>

static bool is_hard_sigmoid(const struct tf2__node *node)
{
    const struct tf2_activation *attr = node->attr;
    return node->op->id == TF2_OP_ACTIVATION && node->activation.kind == TF2_ACTIVATION_NONE &&
           attr->kind == TF2_ACTIVATION_HARD_SIGMOID && fabs(attr->alpha - 1.0 / 6) < 1e-7 &&
           attr->beta == 0.5f;
}

/* Which operand of the product is hard_sigmoid of the other; -1 when none. */
static int
find_gate(const struct tf2_graph *graph, const struct tf2__uses *uses, const struct tf2__node *node)
{
    const struct tf2_eltwise_attr *attr = node->attr;
    if (node->op->id != TF2_OP_ELTWISE || attr->kind != TF2_ELTWISE_PROD || node->n_in != 2)
        return -1;
    for (int k = 0; k < 2; k++) {
        uint32_t producer = tf2__rewrite_producer(graph, node->in[k]);
        if (producer == TF2__NO_NODE || tf2__uses_single(uses, node->in[k]) == TF2__NO_NODE)
            continue;
        const struct tf2__node *gate = &graph->nodes[producer];
        if (is_hard_sigmoid(gate) && gate->in[0] == node->in[1 - k])
            return k;
    }
    return -1;
}

TF2__PASS_DEFINE(hard_swish)
{
    const struct tf2_activation attr = {.kind = TF2_ACTIVATION_HARD_SWISH};
    struct tf2__uses uses;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        struct tf2__node *node = &graph->nodes[i];
        int gate = node->activation.kind == TF2_ACTIVATION_NONE ? find_gate(graph, &uses, node) : -1;
        if (gate < 0)
            continue;
        tf2_tensor_id x = node->in[1 - gate];
        graph->nodes[graph->tensors[node->in[gate]].producer].dead = true;
        status = tf2__rewrite_node(graph, i, TF2_OP_ACTIVATION, &attr, &x, 1, error);
        *changed = true;
    }
    tf2__uses_finish(&uses);
    return status;
}
