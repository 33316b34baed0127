/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.h: rewriting a graph into a smaller one that computes the same.
 *
 * One pass is one function in a file of its own and one row of the table in pass.c. It must be right for
 * every input shape with which tf2__graph_infer accepts the graph, not just for the shapes stored now:
 * another batch, another image size. Where the original accepts a shape, so does the result (for GEMM as a
 * convolution: where the weights fit), and the values are the same up to rounding.
 */
#ifndef TF2__PASS_PASS_H
#define TF2__PASS_PASS_H

#include "transform/ir/graph.h"

struct tf2__pass {
    const char *name;
    /*
     * Sets *changed when it rewrote something; never clears it. The graph comes in sorted and without dead
     * nodes. It may leave dead nodes, nodes out of order and producers of dead nodes' outputs behind: the
     * caller sorts. On failure the graph may be rewritten in part.
     */
    enum tf2_status (*run)(struct tf2_graph *graph, bool *changed, struct tf2_error *error);
};

/* The rows, in order. */
extern const struct tf2__pass tf2__passes[];
extern const size_t tf2__n_passes;

/* Runs one pass; when it changed something, sorts and verifies the graph and logs a line (debug). */
enum tf2_status
tf2__pass_run(const struct tf2__pass *pass, struct tf2_graph *graph, bool *changed, struct tf2_error *error);

/*
 * Runs the whole table again and again until nothing changes (at most a fixed number of times). New constants
 * are limited to a few times the size of the old ones: when that is used up, what is left stays as it is.
 */
enum tf2_status tf2__passes_run(struct tf2_graph *graph, struct tf2_error *error);

#endif
