/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collapse.c: strided walks with as few dimensions as possible, so that kernels see long inner loops: a dense
 * tensor becomes one dimension, a channels-last map with a halo becomes images x rows x (columns * channels).
 */
#include "runtime/cl/internal.h"

static void sort_by_stride(struct tf2__cl_walk *walk, uint32_t n_operands)
{
    for (uint32_t i = 1; i < walk->n_dims; i++) {
        for (uint32_t k = i; k > 0 && walk->stride[0][k - 1] < walk->stride[0][k]; k--) {
            int64_t dim = walk->dim[k];
            walk->dim[k] = walk->dim[k - 1];
            walk->dim[k - 1] = dim;
            for (uint32_t op = 0; op < n_operands; op++) {
                int64_t stride = walk->stride[op][k];
                walk->stride[op][k] = walk->stride[op][k - 1];
                walk->stride[op][k - 1] = stride;
            }
        }
    }
}

/* Whether dimension d and the next inner one are one run for every operand. */
static bool mergeable(const struct tf2__cl_walk *walk, uint32_t d, uint32_t n_operands)
{
    for (uint32_t op = 0; op < n_operands; op++) {
        if (walk->stride[op][d] != walk->stride[op][d + 1] * walk->dim[d + 1])
            return false;
    }
    return true;
}

static void merge(struct tf2__cl_walk *walk, uint32_t d, uint32_t n_operands)
{
    walk->dim[d] *= walk->dim[d + 1];
    for (uint32_t op = 0; op < n_operands; op++)
        walk->stride[op][d] = walk->stride[op][d + 1];
    for (uint32_t k = d + 1; k + 1 < walk->n_dims; k++) {
        walk->dim[k] = walk->dim[k + 1];
        for (uint32_t op = 0; op < n_operands; op++)
            walk->stride[op][k] = walk->stride[op][k + 1];
    }
    walk->n_dims--;
}

void tf2__cl_collapse(
    const struct tf2_shape *shape, const int64_t *const *strides, uint32_t n_operands,
    struct tf2__cl_walk *walk)
{
    memset(walk, 0, sizeof(*walk));
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] == 1)
            continue;
        walk->dim[walk->n_dims] = shape->dim[d];
        for (uint32_t op = 0; op < n_operands; op++)
            walk->stride[op][walk->n_dims] = strides[op][d];
        walk->n_dims++;
    }
    sort_by_stride(walk, n_operands);
    for (uint32_t d = walk->n_dims; d-- > 0;) {
        while (d + 1 < walk->n_dims && mergeable(walk, d, n_operands))
            merge(walk, d, n_operands);
    }
    if (walk->n_dims == 0) {
        walk->n_dims = 1;
        walk->dim[0] = 1;
        for (uint32_t op = 0; op < n_operands; op++)
            walk->stride[op][0] = 1;
    }
}

void tf2__cl_map_of(const struct tf2__plan *plan, uint32_t tensor, struct tf2__cl_map_view *view)
{
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    uint32_t n = t->shape.n_dims;
    assert(n <= 2 + TF2_MAX_SPATIAL);
    *view = (struct tf2__cl_map_view){.n = 1, .c = 1, .dim = {1, 1, 1}, .stride_c = 1};
    if (n > 0) {
        view->n = t->shape.dim[0];
        view->stride_n = t->stride[0];
    }
    if (n > 1) {
        view->c = t->shape.dim[1];
        view->stride_c = t->stride[1];
    }
    for (uint32_t d = 2; d < n && d < 5; d++) {
        view->dim[5 - n + d - 2] = t->shape.dim[d];
        view->stride[5 - n + d - 2] = t->stride[d];
    }
}
