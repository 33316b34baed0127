/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower_internal.h: what lower.c and lower_dense.c share.
 */
#ifndef TF2__QUANT_LOWER_INTERNAL_H
#define TF2__QUANT_LOWER_INTERNAL_H

#include "transform/pass/rewrite.h"

struct tf2__lowering {
    const struct tf2_graph *from;
    struct tf2_graph *to;
    struct tf2__uses uses;   /* of `from` */
    tf2_tensor_id *u8, *f32; /* per tensor of `from`: its forms in `to`; TF2_NO_TENSOR */
    bool *done;              /* per node of `from`: taken in by an earlier one */
    bool *waits;             /* per node of `from`: a convolution that a later sum takes in */
};

/* What follows a node, as far as nobody else reads it. */
struct tf2__lower_tail {
    struct tf2_activation activation; /* NONE, RELU or CLIP */
    tf2_tensor_id last;               /* the node's result with the activation */
    uint32_t activation_node;         /* TF2__NO_NODE */
    const struct tf2__quant
        *quant;       /* what it is rounded to (moves may lie between); NULL: it is read as float */
    const char *name; /* for the node that computes it */
};

/* A constant of data that is copied, under `name` or one like it. */
enum tf2_status tf2__lower_constant(
    struct tf2__lowering *l, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, const void *data, tf2_tensor_id *id, struct tf2_error *error);
/* A name that is free in `to`: `name` itself, or "name.suffix". */
void tf2__lower_name(
    const struct tf2__lowering *l, const char *name, const char *suffix,
    char result[TF2__REWRITE_NAME_BYTES]);

/*
 * The integer form of a convolution or GEMM on the u8 form of its input; *out is NO_TENSOR when there is none (weights
 * without integers, sums that would not fit). residual: a u8 tensor of `to` to be added (convolutions); NO_TENSOR. The
 * output is tail->quant, or float32.
 */
enum tf2_status tf2__lower_dense(
    struct tf2__lowering *l, const struct tf2__node *node, tf2_tensor_id residual,
    const struct tf2__lower_tail *tail, tf2_tensor_id *out, struct tf2_error *error);

/* lower_dense.c: whether the node is a convolution with the integers of a file, on an input with this quantization. */
bool tf2__lower_takes_channels(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__quant *x);

/* shift.c: sums around a rounding become its zero points per channel. Before anything is lowered. */
enum tf2_status tf2__lower_shifts(struct tf2_graph *graph, struct tf2_error *error);

#endif
