/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c: recognizes the transposes at a network's border.
 */
#include "transform/ir/layout.h"

struct tf2_transpose_attr tf2__layout_to_first(uint32_t n_dims)
{
    struct tf2_transpose_attr attr = {.n_dims = n_dims};
    for (uint32_t d = 1; d < n_dims; d++)
        attr.perm[d] = d == 1 ? n_dims - 1 : d - 1;
    return attr;
}

struct tf2_transpose_attr tf2__layout_to_last(uint32_t n_dims)
{
    struct tf2_transpose_attr attr = {.n_dims = n_dims};
    for (uint32_t d = 1; d < n_dims; d++)
        attr.perm[d] = d + 1 == n_dims ? 1 : d + 1;
    return attr;
}

static bool is_transpose(const struct tf2__node *node, struct tf2_transpose_attr (*wanted)(uint32_t))
{
    const struct tf2_transpose_attr *attr = node->attr;
    if (node->op->id != TF2_OP_TRANSPOSE || node->activation.kind != TF2_ACTIVATION_NONE || attr->n_dims < 3)
        return false;
    const struct tf2_transpose_attr other = wanted(attr->n_dims);
    return memcmp(attr->perm, other.perm, attr->n_dims * sizeof(attr->perm[0])) == 0;
}

bool tf2__layout_turns_first(const struct tf2__node *node)
{
    return is_transpose(node, tf2__layout_to_first);
}

bool tf2__layout_turns_last(const struct tf2__node *node)
{
    return is_transpose(node, tf2__layout_to_last);
}

bool tf2__layout_turns_input(const struct tf2_graph *graph, const struct tf2__node *node)
{
    return tf2__layout_turns_first(node) && graph->tensors[node->in[0]].is_input;
}

tf2_tensor_id tf2__layout_inner_input(const struct tf2_graph *graph, uint32_t index)
{
    const tf2_tensor_id input = graph->inputs[index];
    tf2_tensor_id turned = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (node->in[k] != input)
                continue;
            if (turned != TF2_NO_TENSOR || !tf2__layout_turns_first(node))
                return input;
            turned = node->out;
        }
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i].tensor == input)
            return input;
    }
    return turned == TF2_NO_TENSOR ? input : turned;
}

enum tf2_layout tf2__layout_of_input(const struct tf2_graph *graph, uint32_t index)
{
    bool turned = tf2__layout_inner_input(graph, index) != graph->inputs[index];
    return turned ? TF2_LAYOUT_NHWC : TF2_LAYOUT_NCHW;
}

enum tf2_layout tf2__layout_of_output(const struct tf2_graph *graph, uint32_t index)
{
    uint32_t producer = graph->tensors[graph->outputs[index].tensor].producer;
    bool turned = producer != TF2__NO_NODE && tf2__layout_turns_last(&graph->nodes[producer]);
    return turned ? TF2_LAYOUT_NHWC : TF2_LAYOUT_NCHW;
}
