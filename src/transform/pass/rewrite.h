/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite.h: what passes have in common: who reads a tensor, taking a node into the one before it, new
 * constants.
 */
#ifndef TF2__PASS_REWRITE_H
#define TF2__PASS_REWRITE_H

#include "transform/ir/graph.h"
#include "transform/pass/pass.h"

/* One of these per pass, so that the table in pass.c can be checked against the definitions. */
#define TF2__PASS_DEFINE(function)                                                                           \
    enum tf2_status tf2__pass_##function(struct tf2_graph *graph, bool *changed, struct tf2_error *error);   \
    enum tf2_status tf2__pass_##function(struct tf2_graph *graph, bool *changed, struct tf2_error *error)

/*
 * Readers of every tensor, counted once when a pass starts. Passes keep it right for what they change;
 * tensors added later are not in it.
 */
struct tf2__uses {
    struct tf2_env env;
    uint32_t n_tensors;
    uint32_t *count;  /* node inputs and graph outputs that read the tensor */
    uint32_t *reader; /* a node that does; TF2__NO_NODE when a graph output does, or nothing */
};

enum tf2_status
tf2__uses_init(struct tf2__uses *uses, const struct tf2_graph *graph, struct tf2_error *error);
void tf2__uses_finish(struct tf2__uses *uses);
/* The node that reads `tensor`, if that is its only use; else TF2__NO_NODE. */
uint32_t tf2__uses_single(const struct tf2__uses *uses, tf2_tensor_id tensor);

/*
 * Whether a pass may make another `n_bytes` of constants (or work through as many): a file in which a hundred
 * thousand nodes share one large constant must not become a hundred thousand constants. tf2__passes_run sets
 * the budget.
 */
bool tf2__rewrite_spend(struct tf2_graph *graph, size_t n_bytes);

/*
 * Takes node `taken`, the only reader of what `node` computes, into `node`: `node` now computes the tensor
 * that `taken` did, so that no reader has to be changed, and `taken` is dead. The caller has moved its
 * attributes.
 */
void tf2__rewrite_absorb(struct tf2_graph *graph, uint32_t node, uint32_t taken);

/* Sets input k of a node, adding left-out inputs before it where the node has fewer. */
enum tf2_status tf2__rewrite_set_input(
    struct tf2_graph *graph, uint32_t node, uint32_t k, tf2_tensor_id tensor, struct tf2_error *error);

/* Makes the node another operator with these attributes (copied) and inputs; name, output and activation
 * stay. */
enum tf2_status tf2__rewrite_node(
    struct tf2_graph *graph, uint32_t node, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs,
    uint32_t n_inputs, struct tf2_error *error);

/* Infers the node's output shape from the stored ones. */
enum tf2_status tf2__rewrite_infer(
    const struct tf2_graph *graph, const struct tf2__node *node, struct tf2_shape *shape,
    struct tf2_error *error);

#define TF2__REWRITE_NAME_BYTES 1025

/* A tensor name that is free: "base.suffix", cut and numbered where needed. */
void tf2__rewrite_name(
    const struct tf2_graph *graph, const char *base, const char *suffix, char name[TF2__REWRITE_NAME_BYTES]);

/* A float constant called "base.suffix" of data in the graph's arena. */
enum tf2_status tf2__rewrite_adopt(
    struct tf2_graph *graph, const char *base, const char *suffix, const struct tf2_shape *shape,
    const float *data, tf2_tensor_id *tensor, struct tf2_error *error);

/* A float constant called "base.suffix" of numbers in double precision, rounded here. They must be in range.
 */
enum tf2_status tf2__rewrite_constant(
    struct tf2_graph *graph, const char *base, const char *suffix, const struct tf2_shape *shape,
    const double *values, tf2_tensor_id *tensor, struct tf2_error *error);

/* Whether all numbers round to finite floats. */
bool tf2__rewrite_in_range(const double *values, size_t n);

/* The dimension that `axis` means for a tensor of this rank; UINT32_MAX when none. */
static inline uint32_t tf2__rewrite_axis(int32_t axis, uint32_t rank)
{
    int64_t d = axis < 0 ? (int64_t)axis + rank : axis;
    return d >= 0 && d < rank ? (uint32_t)d : UINT32_MAX;
}

/* Whether the tensor is a constant. TF2_NO_TENSOR is none. */
static inline bool tf2__rewrite_is_constant(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    return tensor != TF2_NO_TENSOR && graph->tensors[tensor].data != NULL;
}

/* The live node that computes `tensor`, or TF2__NO_NODE. */
static inline uint32_t tf2__rewrite_producer(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    return tensor == TF2_NO_TENSOR ? TF2__NO_NODE : graph->tensors[tensor].producer;
}

#endif
