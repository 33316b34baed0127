/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_ops_reduce.c: means, sums and extremes over the pixels or over the last dimension; the L2 norm.
 *
 *     over all pixels            a global pool of the map
 *     over the last dimension    [N, H, W, C] is looked at as a map of H channels and W x C pixels: a pool whose window
 *                                is one row of it
 *
 * A sum is the mean times the count (of a window of this size, so that no other size goes through), a minimum the
 * negative of the negatives' maximum.
 */
#include "transform/import/tflite/tflite.h"

#include <float.h>

enum kind {
    MEAN,
    SUM,
    MAX,
    MIN,
};

static enum tf2_status scaled(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const char *suffix, double factor,
    tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2_activation attr = {.kind = TF2_ACTIVATION_AFFINE, .alpha = (float)factor};
    return factor == 1 ? TF2_OK
                       : tf2__lite_part(lite, op, suffix, TF2_OP_ACTIVATION, &attr, id, 1, id, error);
}

/* A pool of `count` numbers each. */
static enum tf2_status pooled(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum kind kind, const struct tf2_pool_attr *pool,
    int64_t count, tf2_tensor_id *id, struct tf2_error *error)
{
    struct tf2_pool_attr attr = *pool;
    attr.kind = kind == MEAN || kind == SUM ? TF2_POOL_AVG : TF2_POOL_MAX;
    TF2__TRY(scaled(lite, op, "negative", kind == MIN ? -1 : 1, id, error));
    TF2__TRY(tf2__lite_part(lite, op, "pool", TF2_OP_POOL, &attr, id, 1, id, error));
    return scaled(lite, op, "scaled", kind == MIN ? -1 : kind == SUM ? (double)count : 1, id, error);
}

/* Over the last dimension of a tensor in the file's order; the dimension stays, with extent 1. */
static enum tf2_status reduce_last(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum kind kind, tf2_tensor_id *id,
    struct tf2_error *error)
{
    const struct tf2_shape shape = lite->graph->tensors[*id].shape;
    const uint32_t n_missing = shape.n_dims < 3 ? 3 - shape.n_dims : 0, rank = shape.n_dims + n_missing;
    struct tf2_axes_attr ones = {0};
    struct tf2_pool_attr pool = {.window.auto_pad = TF2_AUTO_PAD_VALID};
    if (shape.n_dims == 0 || rank > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "over the last of %u dimensions", shape.n_dims);
    for (uint32_t d = 0; d < n_missing; d++)
        ones.axes |= 1u << (rank - 2 - d);
    for (uint32_t d = 2; d < rank; d++) {
        pool.window.kernel[d - 2] = 1;
        pool.window.stride[d - 2] = 1;
    }
    pool.window.kernel[rank - 3] = (int32_t)shape.dim[shape.n_dims - 1];
    if (n_missing)
        TF2__TRY(tf2__lite_part(lite, op, "wide", TF2_OP_UNSQUEEZE, &ones, id, 1, id, error));
    TF2__TRY(pooled(lite, op, kind, &pool, shape.dim[shape.n_dims - 1], id, error));
    return n_missing ? tf2__lite_part(lite, op, "narrow", TF2_OP_SQUEEZE, &ones, id, 1, id, error) : TF2_OK;
}

static enum tf2_status read_axes(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t rank, uint32_t *mask,
    struct tf2_error *error)
{
    const int64_t *axes;
    int64_t n;
    uint32_t axis;
    *mask = 0;
    TF2__TRY(tf2__lite_known(lite, op, 1, &axes, &n, error));
    for (int64_t i = 0; i < n; i++) {
        TF2__TRY(tf2__lite_axis(axes[i], rank, &axis, error));
        *mask |= 1u << axis;
    }
    return TF2_OK;
}

/*
 * Puts the result out with or without the reduced dimensions. They are squeezed in any case, which refuses a map of
 * another size than the window is for.
 */
static enum tf2_status finish(
    struct tf2__lite *lite, const struct tf2__lite_op *op, tf2_tensor_id id, uint32_t mask, bool first,
    struct tf2_error *error)
{
    const struct tf2_axes_attr axes = {.axes = mask};
    if (!tf2__fb_u8(&lite->fb, &op->options, 0, 0))
        return tf2__lite_emit(lite, op, 0, false, TF2_OP_SQUEEZE, &axes, &id, 1, TF2__LITE_ACT_NONE, error);
    TF2__TRY(tf2__lite_part(lite, op, "squeezed", TF2_OP_SQUEEZE, &axes, &id, 1, &id, error));
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_UNSQUEEZE, &axes, &id, 1, TF2__LITE_ACT_NONE, error);
}

static enum tf2_status
convert_reduce(struct tf2__lite *lite, const struct tf2__lite_op *op, enum kind kind, struct tf2_error *error)
{
    const struct tf2_shape shape = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_pool_attr pool = {.global = kind != SUM, .window.auto_pad = TF2_AUTO_PAD_VALID};
    const uint32_t rank = shape.n_dims;
    uint32_t mask, pixels = 0;
    int64_t count = 1;
    tf2_tensor_id id;
    TF2__TRY(read_axes(lite, op, rank, &mask, error));
    for (uint32_t d = 1; d + 1 < rank; d++) {
        pixels |= 1u << d;
        count *= shape.dim[d];
        if (d <= TF2_MAX_SPATIAL)
            pool.window.kernel[d - 1] = (int32_t)shape.dim[d];
    }
    if (rank >= 3 && rank <= 2 + TF2_MAX_SPATIAL && mask == pixels) {
        TF2__TRY(tf2__lite_want(lite, op, 0, true, &id, error));
        TF2__TRY(pooled(lite, op, kind, &pool, count, &id, error));
        return finish(lite, op, id, pixels << 1, true, error);
    }
    if (rank == 0 || mask != 1u << (rank - 1))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "over other dimensions than all pixels or the last one (bits 0x%x of %u)", mask, rank);
    TF2__TRY(tf2__lite_want(lite, op, 0, false, &id, error));
    TF2__TRY(reduce_last(lite, op, kind, &id, error));
    return finish(lite, op, id, mask, false, error);
}

#define REDUCE(name, kind)                                                                                   \
    enum tf2_status tf2__lite_convert_##name(                                                                \
        struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)                      \
    {                                                                                                        \
        return convert_reduce(lite, op, kind, error);                                                        \
    }
REDUCE(mean, MEAN)
REDUCE(sum, SUM)
REDUCE(max, MAX)
REDUCE(min, MIN)

/* x / sqrt(max(sum of x^2 over the last dimension, 1e-6)): the runtime's bound for the sum. */
enum tf2_status
tf2__lite_convert_l2_norm(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_activation square = {.kind = TF2_ACTIVATION_POW, .alpha = 2};
    const struct tf2_activation bound = {.kind = TF2_ACTIVATION_CLIP, .alpha = 1e-6f, .beta = FLT_MAX};
    const struct tf2_activation root = {.kind = TF2_ACTIVATION_SQRT};
    const struct tf2_eltwise_attr quotient = {.kind = TF2_ELTWISE_DIV};
    tf2_tensor_id in[2], *norm = &in[1];
    TF2__TRY(tf2__lite_want(lite, op, 0, false, &in[0], error));
    TF2__TRY(tf2__lite_part(lite, op, "square", TF2_OP_ACTIVATION, &square, &in[0], 1, norm, error));
    TF2__TRY(reduce_last(lite, op, SUM, norm, error));
    TF2__TRY(tf2__lite_part(lite, op, "bound", TF2_OP_ACTIVATION, &bound, norm, 1, norm, error));
    TF2__TRY(tf2__lite_part(lite, op, "root", TF2_OP_ACTIVATION, &root, norm, 1, norm, error));
    const uint8_t activation = tf2__fb_u8(&lite->fb, &op->options, 0, 0);
    return tf2__lite_emit(lite, op, 0, false, TF2_OP_ELTWISE, &quotient, in, 2, activation, error);
}
