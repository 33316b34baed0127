/* SPDX-License-Identifier: Apache-2.0 */
/*
 * affine.c: recognizing and composing per-channel factors and summands.
 *
 *     node(affine(x)) = m * (mul * x + add) + a = (m * mul) * x + (m * add + a)
 */
#include "transform/pass/affine.h"

#include <math.h>

enum tf2_status
tf2__affine_init(struct tf2__affine *affine, struct tf2_graph *graph, int64_t n, struct tf2_error *error)
{
    size_t n_bytes = (size_t)n * 4 * sizeof(double);
    *affine = (struct tf2__affine){.graph = graph};
    if (!tf2__rewrite_spend(graph, n_bytes))
        return TF2_OK;
    double *numbers = tf2__alloc(&graph->arena.env, n_bytes);
    if (!numbers)
        return tf2__fail_memory(error, n_bytes, "per-channel factors");
    memset(numbers, 0, n_bytes);
    affine->n = (size_t)n;
    affine->mul = numbers;
    affine->add = numbers + affine->n;
    affine->node_mul = numbers + 2 * affine->n;
    affine->node_add = numbers + 3 * affine->n;
    for (size_t c = 0; c < affine->n; c++)
        affine->mul[c] = 1;
    return TF2_OK;
}

void tf2__affine_finish(struct tf2__affine *affine)
{
    tf2__free(&affine->graph->arena.env, affine->mul);
    affine->mul = NULL;
}

/* A constant as numbers along one axis: values[c * stride], stride 0 for one number. */
struct numbers {
    const float *values;
    size_t stride;
};

static double number(const struct numbers *numbers, size_t c)
{
    return numbers->values[c * numbers->stride];
}

/*
 * Reads a constant whose dimension 0 lies at dimension `first` of a tensor with the given rank. False unless
 * its extents are 1 everywhere, or n at the axis.
 */
static bool read_numbers(
    const struct tf2_graph *graph, tf2_tensor_id tensor, int64_t first, uint32_t rank, uint32_t axis,
    size_t n, struct numbers *numbers)
{
    numbers->values = tf2__graph_constant_f32(graph, tensor);
    numbers->stride = 0;
    if (!numbers->values)
        return false;
    const struct tf2_shape *shape = &graph->tensors[tensor].shape;
    if (first < 0 || first + shape->n_dims > rank)
        return false;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] == 1)
            continue;
        if (first + d != axis || (uint64_t)shape->dim[d] != n)
            return false;
        numbers->stride = 1;
    }
    return true;
}

static bool read_scale(struct tf2__affine *affine, const struct tf2__node *node, uint32_t rank, uint32_t axis)
{
    const struct tf2_graph *graph = affine->graph;
    const struct tf2_scale_attr *attr = node->attr;
    uint32_t first = tf2__rewrite_axis(attr->axis, rank);
    struct numbers mul, add = {0};
    bool has_add = node->n_in > 2 && node->in[2] != TF2_NO_TENSOR;
    if (first == UINT32_MAX || !read_numbers(graph, node->in[1], first, rank, axis, affine->n, &mul))
        return false;
    if (has_add && !read_numbers(graph, node->in[2], first, rank, axis, affine->n, &add))
        return false;
    for (size_t c = 0; c < affine->n; c++) {
        affine->node_mul[c] = number(&mul, c);
        affine->node_add[c] = has_add ? number(&add, c) : 0;
    }
    affine->per_channel |= mul.stride || add.stride;
    return true;
}

/* y = scale * (x - mean) / sqrt(variance + epsilon) + bias */
static bool
read_batch_norm(struct tf2__affine *affine, const struct tf2__node *node, uint32_t rank, uint32_t axis)
{
    const struct tf2_graph *graph = affine->graph;
    const struct tf2_batch_norm_attr *attr = node->attr;
    struct numbers in[5];
    for (uint32_t k = 1; k < 5; k++) {
        if (node->n_in <= k || !read_numbers(graph, node->in[k], 1, rank, axis, affine->n, &in[k]))
            return false;
    }
    for (size_t c = 0; c < affine->n; c++) {
        double mul = number(&in[1], c) / sqrt(number(&in[4], c) + (double)attr->epsilon);
        affine->node_mul[c] = mul;
        affine->node_add[c] = number(&in[2], c) - number(&in[3], c) * mul;
    }
    affine->per_channel = true;
    return true;
}

/* Takes constant operand k of an element-wise node into factor and summand of one index. */
static void
apply_operand(const struct tf2_eltwise_attr *attr, uint32_t k, double value, double *mul, double *add)
{
    switch (attr->kind) {
    case TF2_ELTWISE_SUM:
        *add += (attr->has_coefficients ? attr->coefficient[k] : 1.0) * value;
        return;
    case TF2_ELTWISE_PROD:
        *mul *= value;
        return;
    case TF2_ELTWISE_SUB: /* x - value, or value - x */
        *mul = k == 1 ? 1 : -1;
        *add = k == 1 ? -value : value;
        return;
    default: /* division; infinite for a zero, which is refused with everything out of range */
        *mul = 1 / value;
        return;
    }
}

static bool read_eltwise(
    struct tf2__affine *affine, const struct tf2__node *node, tf2_tensor_id x, uint32_t rank, uint32_t axis)
{
    const struct tf2_graph *graph = affine->graph;
    const struct tf2_eltwise_attr *attr = node->attr;
    bool weighted = attr->kind == TF2_ELTWISE_SUM && attr->has_coefficients;
    if (attr->kind == TF2_ELTWISE_MAX || attr->kind == TF2_ELTWISE_MIN || attr->kind == TF2_ELTWISE_SELECT ||
        (attr->kind == TF2_ELTWISE_DIV && node->in[0] != x))
        return false;
    for (size_t c = 0; c < affine->n; c++) {
        affine->node_mul[c] = 1;
        affine->node_add[c] = 0;
    }
    for (uint32_t k = 0; k < node->n_in; k++) {
        struct numbers numbers;
        if (node->in[k] == x) {
            for (size_t c = 0; weighted && c < affine->n; c++)
                affine->node_mul[c] = attr->coefficient[k];
            continue;
        }
        int64_t first = (int64_t)rank - graph->tensors[node->in[k]].shape.n_dims;
        if (!read_numbers(graph, node->in[k], first, rank, axis, affine->n, &numbers))
            return false;
        for (size_t c = 0; c < affine->n; c++)
            apply_operand(attr, k, number(&numbers, c), &affine->node_mul[c], &affine->node_add[c]);
        affine->per_channel |= numbers.stride != 0;
    }
    return true;
}

tf2_tensor_id tf2__affine_data_input(const struct tf2_graph *graph, const struct tf2__node *node)
{
    tf2_tensor_id x = TF2_NO_TENSOR;
    switch (node->op->id) {
    case TF2_OP_SCALE:
    case TF2_OP_BATCH_NORM:
        return tf2__rewrite_is_constant(graph, node->in[0]) ? TF2_NO_TENSOR : node->in[0];
    case TF2_OP_ACTIVATION:
        if (((const struct tf2_activation *)node->attr)->kind != TF2_ACTIVATION_AFFINE)
            return TF2_NO_TENSOR;
        return tf2__rewrite_is_constant(graph, node->in[0]) ? TF2_NO_TENSOR : node->in[0];
    case TF2_OP_ELTWISE:
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (tf2__rewrite_is_constant(graph, node->in[k]))
                continue;
            if (x != TF2_NO_TENSOR)
                return TF2_NO_TENSOR;
            x = node->in[k];
        }
        return x;
    default:
        return TF2_NO_TENSOR;
    }
}

static bool read_node(struct tf2__affine *affine, const struct tf2__node *node, uint32_t axis)
{
    const struct tf2_graph *graph = affine->graph;
    tf2_tensor_id x = tf2__affine_data_input(graph, node);
    if (x == TF2_NO_TENSOR)
        return false;
    uint32_t rank = graph->tensors[x].shape.n_dims;
    if (axis >= rank || (uint64_t)graph->tensors[x].shape.dim[axis] != affine->n)
        return false;
    switch (node->op->id) {
    case TF2_OP_SCALE:
        return read_scale(affine, node, rank, axis);
    case TF2_OP_BATCH_NORM:
        return read_batch_norm(affine, node, rank, axis);
    case TF2_OP_ELTWISE:
        return read_eltwise(affine, node, x, rank, axis);
    default:
        for (size_t c = 0; c < affine->n; c++) {
            affine->node_mul[c] = ((const struct tf2_activation *)node->attr)->alpha;
            affine->node_add[c] = ((const struct tf2_activation *)node->attr)->beta;
        }
        return true;
    }
}

bool tf2__affine_append(struct tf2__affine *affine, const struct tf2__node *node, uint32_t axis)
{
    if (!affine->mul || !tf2__rewrite_spend(affine->graph, affine->n * sizeof(double)) ||
        !read_node(affine, node, axis))
        return false;
    for (size_t c = 0; c < affine->n; c++) {
        double mul = affine->node_mul[c] * affine->mul[c];
        double add = affine->node_mul[c] * affine->add[c] + affine->node_add[c];
        affine->node_mul[c] = mul;
        affine->node_add[c] = add;
    }
    if (!tf2__rewrite_in_range(affine->node_mul, affine->n) ||
        !tf2__rewrite_in_range(affine->node_add, affine->n))
        return false;
    memcpy(affine->mul, affine->node_mul, affine->n * sizeof(double));
    memcpy(affine->add, affine->node_add, affine->n * sizeof(double));
    return true;
}

bool tf2__affine_is_uniform(const struct tf2__affine *affine)
{
    for (size_t c = 1; c < affine->n; c++) {
        if (affine->mul[c] != affine->mul[0] || affine->add[c] != affine->add[0])
            return false;
    }
    return true;
}

bool tf2__affine_has_mul(const struct tf2__affine *affine)
{
    for (size_t c = 0; c < affine->n; c++) {
        if (affine->mul[c] != 1)
            return true;
    }
    return false;
}

bool tf2__affine_has_add(const struct tf2__affine *affine)
{
    for (size_t c = 0; c < affine->n; c++) {
        if (affine->add[c] != 0)
            return true;
    }
    return false;
}
