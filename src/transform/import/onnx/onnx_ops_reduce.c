/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_reduce.c: ReduceMean, ReduceSum, ReduceMax and their relatives on data.
 *
 * Sums and means are pools, maxima too, whose window has the whole extent (0) along reduced dimensions and 1 along
 * others. Pools have two dimensions that are not reduced in front; other axes are brought behind them first:
 *
 *     x ─ transpose: kept axes, then reduced ones ─ unsqueeze: two kept ones at least ─ pool ─ squeeze ─ transpose back
 *
 * Over channels alone (axis 1), sums and means are a convolution of one output channel instead: channels last, that is
 * a sum over neighbours, where transposing would move the whole map.
 */
#include "transform/import/onnx/internal.h"

#define MAX_POOL_DIMS (2 + TF2_MAX_SPATIAL)

/* A convolution of one output channel: all weights are the same. */
static enum tf2_status reduce_channels(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, bool mean, tf2_tensor_id *x,
    struct tf2_error *error)
{
    const struct tf2_conv_attr attr = {0};
    struct tf2_shape shape = *tf2__onnx_shape(onnx, *x, 0);
    tf2_tensor_id in[2] = {*x};
    const int64_t n = shape.dim[1];
    void *data;
    shape.dim[0] = 1;
    for (uint32_t d = 2; d < shape.n_dims; d++)
        shape.dim[d] = 1;
    TF2__TRY(tf2__onnx_alloc(onnx, n, sizeof(float), true, &data, error));
    for (int64_t c = 0; c < n; c++)
        ((float *)data)[c] = mean ? 1 / (float)n : 1;
    TF2__TRY(tf2__onnx_emit_constant(onnx, node, "weights", &shape, data, &in[1], error));
    return tf2__onnx_emit_part(onnx, node, "sum", TF2_OP_CONV, &attr, in, 2, x, error);
}

/* Where the axes go before a pool. */
struct order {
    uint32_t n_dims, n_front; /* dimensions of x, and of extent 1 that are put before them */
    uint32_t perm[TF2_MAX_DIMS];
    uint32_t inverse[TF2_MAX_DIMS];
    uint32_t axes; /* the reduced ones, transposed, behind n_front others */
};

static struct order find_order(uint32_t axes, uint32_t n_dims)
{
    struct order order = {.n_dims = n_dims};
    const bool stays = !(axes & 3); /* two kept dimensions are in front already */
    uint32_t n = 0;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (stays || !(axes >> d & 1))
            order.perm[n++] = d;
    }
    order.n_front = n < 2 ? 2 - n : 0;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (!stays && (axes >> d & 1))
            order.perm[n++] = d;
    }
    for (uint32_t i = 0; i < n_dims; i++) {
        order.inverse[order.perm[i]] = i;
        order.axes |= (axes >> order.perm[i] & 1) << (i + order.n_front);
    }
    return order;
}

/* A sum is the mean times a number, which holds for these extents only: with others the window does not fit, or leaves
 * more than one element, which cannot be squeezed. Returns that number. */
static double fix_extents(
    const struct tf2__onnx *onnx, tf2_tensor_id x, uint32_t axes, struct tf2_pool_attr *pool, uint32_t *fixed)
{
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, x, 0);
    double count = 1;
    *fixed = 0;
    for (uint32_t d = 2; d < shape->n_dims; d++) {
        if (!(axes >> d & 1))
            continue;
        count *= (double)shape->dim[d];
        if (tf2__onnx_dim_varies(onnx, x, d)) {
            pool->window.kernel[d - 2] = (int32_t)shape->dim[d]; /* below 2^31 */
            *fixed |= 1u << d;
        }
    }
    return count;
}

static enum tf2_status reduce_pool(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2__onnx_reduction reduction,
    uint32_t axes, tf2_tensor_id *x, struct tf2_error *error)
{
    struct tf2_pool_attr attr = {.kind = reduction == TF2__ONNX_MAX ? TF2_POOL_MAX : TF2_POOL_AVG};
    struct tf2_axes_attr fixed = {0};
    double count = 1;
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++)
        attr.window.kernel[d] = !(axes >> (d + 2) & 1);
    if (reduction == TF2__ONNX_SUM)
        count = fix_extents(onnx, *x, axes, &attr, &fixed.axes);
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "pool", TF2_OP_POOL, &attr, x, 1, x, error));
    if (fixed.axes) {
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "squeezed", TF2_OP_SQUEEZE, &fixed, x, 1, x, error));
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "widened", TF2_OP_UNSQUEEZE, &fixed, x, 1, x, error));
    }
    return count == 1 ? TF2_OK
                      : tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, (float)count, 0, x, error);
}

/* Over everything: as one row. */
static enum tf2_status reduce_all(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2__onnx_reduction reduction,
    uint32_t n_dims, tf2_tensor_id *x, struct tf2_error *error)
{
    static const int64_t row[] = {1, 1, -1}, ones[TF2_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
    TF2__TRY(tf2__onnx_part_reshape(onnx, node, row, 3, x, error));
    TF2__TRY(reduce_pool(onnx, node, reduction, 1u << 2, x, error));
    return tf2__onnx_part_reshape(onnx, node, ones, n_dims, x, error);
}

enum tf2_status tf2__onnx_part_reduce(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2__onnx_reduction reduction,
    uint32_t axes, tf2_tensor_id *x, struct tf2_error *error)
{
    const uint32_t n_dims = tf2__onnx_shape(onnx, *x, 0)->n_dims;
    const struct order order = find_order(axes, n_dims);
    const struct tf2_axes_attr front = {.axes = (1u << order.n_front) - 1};
    if (axes == 0)
        return TF2_OK;
    if (axes == (1u << n_dims) - 1)
        return reduce_all(onnx, node, reduction, n_dims, x, error);
    if (n_dims + order.n_front > MAX_POOL_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a reduction of an input of %u dimensions, at most %d supported",
            n_dims, MAX_POOL_DIMS);
    if (axes == 2 && n_dims > 2 && reduction != TF2__ONNX_MAX && !tf2__onnx_dim_varies(onnx, *x, 1))
        return reduce_channels(onnx, node, reduction == TF2__ONNX_MEAN, x, error);
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, order.perm, n_dims, x, error));
    if (order.n_front)
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "widened", TF2_OP_UNSQUEEZE, &front, x, 1, x, error));
    TF2__TRY(reduce_pool(onnx, node, reduction, order.axes, x, error));
    if (order.n_front)
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "squeezed", TF2_OP_SQUEEZE, &front, x, 1, x, error));
    return tf2__onnx_part_transpose(onnx, node, order.inverse, n_dims, x, error);
}

/* ---- the operators ---- */

enum step {
    NOTHING = 0,
    NEGATE,
    ABSOLUTE,
    SQUARE,
    ROOT,
    LOGARITHM,
};

/* A reduction with something done to each number before it and after it. */
static const struct row {
    const char *name;
    enum step before;
    enum tf2__onnx_reduction reduction;
    enum step after;
} rows[] = {
    {"ReduceL1", ABSOLUTE, TF2__ONNX_SUM, NOTHING},      {"ReduceL2", SQUARE, TF2__ONNX_SUM, ROOT},
    {"ReduceLogSum", NOTHING, TF2__ONNX_SUM, LOGARITHM}, {"ReduceMax", NOTHING, TF2__ONNX_MAX, NOTHING},
    {"ReduceMean", NOTHING, TF2__ONNX_MEAN, NOTHING},    {"ReduceMin", NEGATE, TF2__ONNX_MAX, NEGATE},
    {"ReduceSum", NOTHING, TF2__ONNX_SUM, NOTHING},      {"ReduceSumSquare", SQUARE, TF2__ONNX_SUM, NOTHING},
};

static enum tf2_status do_step(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum step step, tf2_tensor_id *x,
    struct tf2_error *error)
{
    switch (step) {
    case NOTHING:
        break;
    case NEGATE:
        return tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, -1, 0, x, error);
    case ABSOLUTE:
        return tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ABS, 0, 0, x, error);
    case SQUARE:
        return tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, *x, *x, x, error);
    case ROOT:
        return tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_SQRT, 0, 0, x, error);
    case LOGARITHM:
        return tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_LOG, 0, 0, x, error);
    }
    return TF2_OK;
}

/* Axes from an input or an attribute; without any, all. *nothing: the node hands its input on. */
static enum tf2_status read_axes(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, uint32_t n_dims, uint32_t *axes, bool *nothing,
    struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    struct tf2__onnx_list list;
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_list(node, "axes", array, &list, error));
    TF2__TRY(tf2__onnx_axes(&list, n_dims, axes, error));
    *nothing = list.n == 0 && tf2__onnx_attr_int(node, "noop_with_empty_axes", 0);
    if (list.n == 0)
        *axes = (1u << n_dims) - 1;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_reduce(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_axes_attr axes = {0};
    const struct row *row = rows;
    bool nothing = false;
    tf2_tensor_id x;
    while (row < rows + TF2__COUNT(rows) && strcmp(row->name, node->op->name) != 0)
        row++;
    if (row == rows + TF2__COUNT(rows))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only supported on constants and shapes");
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    const uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    TF2__TRY(read_axes(onnx, node, n_dims, &axes.axes, &nothing, error));
    const bool keeps = tf2__onnx_attr_int(node, "keepdims", 1) != 0;
    const bool is_global = n_dims > 2 && n_dims <= MAX_POOL_DIMS && axes.axes == (1u << n_dims) - 1 - 3;
    if (nothing)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    if (is_global && row->reduction != TF2__ONNX_SUM && row->before == NOTHING) {
        const struct tf2_pool_attr pool = {
            .kind = row->reduction == TF2__ONNX_MAX ? TF2_POOL_MAX : TF2_POOL_AVG, .global = true};
        if (keeps)
            return tf2__onnx_emit(onnx, node, 0, TF2_OP_POOL, &pool, &x, 1, &x, error);
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "pool", TF2_OP_POOL, &pool, &x, 1, &x, error));
    } else {
        TF2__TRY(do_step(onnx, node, row->before, &x, error));
        TF2__TRY(tf2__onnx_part_reduce(onnx, node, row->reduction, axes.axes, &x, error));
        TF2__TRY(do_step(onnx, node, row->after, &x, error));
    }
    if (keeps || axes.axes == 0)
        return tf2__onnx_result(onnx, node, x, error);
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SQUEEZE, &axes, &x, 1, &x, error);
}
