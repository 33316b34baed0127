/* SPDX-License-Identifier: Apache-2.0 */
/*
 * affine.h: nodes that compute y = mul[c] * x + add[c], c the index along one axis: SCALE, BATCH_NORM, the
 * affine activation, and element-wise sums, differences, products and quotients with constants.
 */
#ifndef TF2__PASS_AFFINE_H
#define TF2__PASS_AFFINE_H

#include "transform/pass/rewrite.h"

/* A chain of such nodes as one. All numbers in double precision, to be rounded once at the end. */
struct tf2__affine {
    struct tf2_graph *graph;
    size_t n;                    /* extent of the axis */
    double *mul, *add;           /* the chain so far */
    double *node_mul, *node_add; /* one node, while it is looked at */
    bool per_channel;            /* some node of the chain fixes the extent of the axis */
};

/* The identity for an axis of n elements. When the budget is spent, nothing can be appended to it. */
enum tf2_status
tf2__affine_init(struct tf2__affine *affine, struct tf2_graph *graph, int64_t n, struct tf2_error *error);
void tf2__affine_finish(struct tf2__affine *affine);

/* The one input of the node that is data, when the node may be such a one by its operator; else
 * TF2_NO_TENSOR. */
tf2_tensor_id tf2__affine_data_input(const struct tf2_graph *graph, const struct tf2__node *node);

/*
 * Puts the node behind the chain: affine = node(affine). False, and nothing changed, when the node does not
 * compute one factor and one summand per index along `axis` (< rank of its data input; extent affine->n).
 */
bool tf2__affine_append(struct tf2__affine *affine, const struct tf2__node *node, uint32_t axis);

/* Whether the chain is the same for all indices. */
bool tf2__affine_is_uniform(const struct tf2__affine *affine);
bool tf2__affine_has_mul(const struct tf2__affine *affine);
bool tf2__affine_has_add(const struct tf2__affine *affine);

#endif
