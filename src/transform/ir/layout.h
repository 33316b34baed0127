/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h: the order of dimensions at a network's border.
 *
 * Inside, feature maps are [N, C, spatial...]. A network that takes or gives [N, spatial..., C] says so by
 * its first and last nodes, transposes: nothing else is stored, so every file format that holds the graph
 * holds this too.
 *
 *     input [N, H, W, C] ─▶ transpose 0,3,1,2 ─▶ network ─▶ transpose 0,2,3,1 ─▶ output [N, H, W, C]
 */
#ifndef TF2__IR_LAYOUT_H
#define TF2__IR_LAYOUT_H

#include "transform/ir/graph.h"

/* [N, spatial..., C] to [N, C, spatial...] for a tensor of this rank, and back. */
struct tf2_transpose_attr tf2__layout_to_first(uint32_t n_dims);
struct tf2_transpose_attr tf2__layout_to_last(uint32_t n_dims);

/* Whether the node is such a transpose of three or more dimensions, and nothing else. */
bool tf2__layout_turns_first(const struct tf2__node *node);
bool tf2__layout_turns_last(const struct tf2__node *node);
/* Whether the node turns a graph input to channels first. */
bool tf2__layout_turns_input(const struct tf2_graph *graph, const struct tf2__node *node);

/* What stands for input number `index` inside: what its only reader makes of it when that turns it to
 * channels first, else the input itself. */
tf2_tensor_id tf2__layout_inner_input(const struct tf2_graph *graph, uint32_t index);
/* NHWC: the input is turned, see above. */
enum tf2_layout tf2__layout_of_input(const struct tf2_graph *graph, uint32_t index);
/* NHWC: the output is what a node turned to channels last. */
enum tf2_layout tf2__layout_of_output(const struct tf2_graph *graph, uint32_t index);

/* The dimension of the channels in a tensor of two or more dimensions. */
static inline uint32_t tf2__layout_channel_dim(enum tf2_layout layout, uint32_t n_dims)
{
    return layout == TF2_LAYOUT_NHWC ? n_dims - 1 : 1;
}

#endif
