/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_check.h: checks that building (graph.c) and verifying (graph_verify.c) a graph share.
 */
#ifndef TF2__IR_GRAPH_CHECK_H
#define TF2__IR_GRAPH_CHECK_H

#include "transform/ir/graph.h"

/* At most TF2_MAX_DIMS extents of 1 or more, their product below 2^31. `name` stands for the tensor. */
enum tf2_status
tf2__graph_check_shape(const char *name, const struct tf2_shape *shape, struct tf2_error *error);

/* No NaN, no infinity among the weights. */
enum tf2_status
tf2__graph_check_finite(const char *name, const float *values, size_t n, struct tf2_error *error);

/* Scales and zero point of a tensor of integers. */
enum tf2_status tf2__graph_check_quant(
    const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape, const struct tf2__quant *quant,
    struct tf2_error *error);

/* What all operators have in common: number of inputs, which may be left out, which are constants. Collects
 * their shapes, NULL where one is left out. */
enum tf2_status tf2__graph_check_inputs(
    const struct tf2_graph *graph, const struct tf2__op *op, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_shape **shapes, struct tf2_error *error);

/* Whether the operator takes tensors of these types, and its activation. Shapes have been inferred. */
enum tf2_status tf2__graph_check_types(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__type *out,
    struct tf2_error *error);

#endif
