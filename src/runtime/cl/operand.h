/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operand.h: what element-wise launches (map.cl, map_int8.cl) walk over.
 */
#ifndef TF2__CL_OPERAND_H
#define TF2__CL_OPERAND_H

#include "runtime/cl/internal.h"

enum tf2__cl_place {
    TF2__CL_PLACE_TENSOR = 0, /* plan tensor `id` */
    TF2__CL_PLACE_BUFFER = 1, /* uploaded buffer `id` */
    TF2__CL_PLACE_ARENA = 2,  /* scratch in the arena */
};

/* An operand: where it lies, `offset` elements further on, and its strides over the output's dimensions. */
struct tf2__cl_operand {
    enum tf2__cl_place place;
    uint32_t id;
    int64_t offset;
    int64_t stride[TF2_MAX_DIMS];
};

struct tf2__cl_operand tf2__cl_operand_tensor(const struct tf2__plan *plan, uint32_t tensor);
/* A tensor that broadcasts to `shape` as in NumPy: aligned at the last dimension. */
struct tf2__cl_operand
tf2__cl_operand_broadcast(const struct tf2__plan *plan, uint32_t tensor, const struct tf2_shape *shape);
/* A dense constant with one value per index of dimensions axis .. axis + n - 1. */
struct tf2__cl_operand
tf2__cl_operand_buffer(uint32_t buffer, const struct tf2_shape *shape, uint32_t axis, uint32_t n);
/* Two arguments: memory and element offset. */
enum tf2_status tf2__cl_arg_operand(struct tf2__cl_build *build, const struct tf2__cl_operand *operand);

/* The table of map.cl: outer extents, outer strides per operand, inner strides per operand. */
enum tf2_status tf2__cl_walk_table(
    struct tf2__cl_build *build, const struct tf2__cl_walk *walk, uint32_t n_operands, uint32_t *buffer);
/* Indices of the outer dimensions but the innermost of them, which the kernel loops over. */
int64_t tf2__cl_walk_outer(const struct tf2__cl_walk *walk);

/*
 * Lets a walk over `shape` run over the padding of the output's pixels too, so that it has no tails: what is computed
 * there nobody reads, and what is read there (a neighbour, or slack behind a buffer) does no harm. operands[0] is the
 * output.
 */
struct tf2_shape tf2__cl_padded_shape(
    const struct tf2__plan *plan, const struct tf2_shape *shape, const struct tf2__cl_operand *const *operands,
    uint32_t n_operands);

/* step_map_int8.c: y = x over the same indices for the u8 tensors of a step; rescaled where they differ. */
enum tf2_status tf2__cl_copy_int8(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2_shape *shape,
    const struct tf2__cl_operand *y, const struct tf2__cl_operand *x);

#endif
