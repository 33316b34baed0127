/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gptq.h: rounding the weights of one layer so that errors make up for each other.
 */
#ifndef TF2__QUANT_GPTQ_H
#define TF2__QUANT_GPTQ_H

#include "transform/quant/scheme.h"

struct tf2__gptq;

/* *gptq is NULL (and no failure) for a node that this cannot be done for. */
enum tf2_status tf2__gptq_create(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2_env *env,
    struct tf2__gptq **gptq, struct tf2_error *error);
void tf2__gptq_destroy(struct tf2__gptq **gptq);
/* Shows it what the layer reads in one sample: input 0 in the graph's shape. */
void tf2__gptq_add(struct tf2__gptq *gptq, const float *x);
/* Rounds the node's weights. Scales are as in `weights`; its integers are replaced. */
enum tf2_status
tf2__gptq_round(struct tf2__gptq *gptq, struct tf2__int_weights *weights, struct tf2_error *error);

#endif
