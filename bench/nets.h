/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets.h: the networks that tf2-bench builds in, with seeded random weights, so that a figure needs no
 * download. Layers, names and shapes are those of the published Caffe definitions; only the weights are made
 * up.
 */
#ifndef BENCH_NETS_H
#define BENCH_NETS_H

#include <tf2/graph.h>

/* The names bench_net_build knows, *n of them: static, never NULL. */
const char *const *bench_net_names(size_t *n);

/*
 * Builds a network as a graph of batch 1, which the caller owns and destroys; *graph is written only on
 * success. TF2_ERR_NOT_FOUND for a name that is none (the message lists them all), else what tf2_graph_*
 * give.
 */
enum tf2_status
bench_net_build(const char *name, uint64_t seed, struct tf2_graph **graph, struct tf2_error *error);

#endif
