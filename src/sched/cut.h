/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut.h: parts of a graph as graphs of their own, for the stages of a pipeline.
 */
#ifndef TF2__SCHED_CUT_H
#define TF2__SCHED_CUT_H

#include "transform/ir/graph.h"

/*
 * A part: nodes first .. last-1 of `graph`. Its inputs are the tensors that they read and do not compute, its
 * outputs those that later nodes read (`crossing`) and those that are outputs of the graph.
 */
struct tf2__cut {
    struct tf2_graph *graph; /* owned; constants lie in the graph it was cut from */
    uint32_t n_inputs, n_outputs;
    tf2_tensor_id *inputs, *outputs; /* per input and output: the tensor of the whole graph; in the part's arena */
    uint32_t *graph_output;          /* per output: which one of the graph's it is; UINT32_MAX: it crosses */
};

/* Whether the graph can be cut in front of node `position` (0 < position < n_nodes). */
bool tf2__cut_allowed(const struct tf2_graph *graph, uint32_t position);
/* What crosses such a cut, in bytes, with these shapes of all tensors. */
int64_t tf2__cut_bytes(const struct tf2_graph *graph, const struct tf2_shape *shapes, uint32_t position);

/* Maps cross with channels last, which is how devices have them; so the shapes of crossing tensors of rank 4 and 5 are
 * [N, spatial..., C] in the part. */
enum tf2_status tf2__cut_make(
    const struct tf2_graph *graph, uint32_t first, uint32_t last, struct tf2__cut *cut, struct tf2_error *error);
/* The shape of a tensor where it crosses. */
struct tf2_shape tf2__cut_shape(const struct tf2_shape *shape);
bool tf2__cut_crosses(const struct tf2_graph *graph, tf2_tensor_id tensor, uint32_t position);

#endif
