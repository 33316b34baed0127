/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h: checks that many operators' shape inference shares.
 */
#ifndef TF2__OP_CHECK_H
#define TF2__OP_CHECK_H

#include "transform/ir/op.h"

#define TF2__SHAPE_TEXT 192 /* room for any shape in a message */

/* Resolves an axis that may count from the end, over n_dims dimensions, to 0 .. n_dims - 1. */
static inline enum tf2_status
tf2__check_axis(int64_t axis, uint32_t n_dims, uint32_t *resolved, struct tf2_error *error)
{
    int64_t n = n_dims;
    if (axis < -n || axis >= n)
        return tf2__fail(
            error, TF2_ERR_VALUE, "axis %lld of %lld dimensions, wanted %lld to %lld", (long long)axis,
            (long long)n, (long long)-n, (long long)n - 1);
    *resolved = (uint32_t)(axis < 0 ? axis + n : axis);
    return TF2_OK;
}

/* [N, C, spatial...] with one to three spatial dimensions. */
static inline enum tf2_status tf2__check_feature_map(const struct tf2_shape *in, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (in->n_dims < 3 || in->n_dims > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input %s, wanted [N, C, spatial...] with 1 to %d spatial dimensions",
            tf2_shape_format(in, text, sizeof(text)), TF2_MAX_SPATIAL);
    return TF2_OK;
}

/* [N, C, ...]: there is a dimension of channels. */
static inline enum tf2_status tf2__check_channels(const struct tf2_shape *in, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (in->n_dims < 2)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input %s, wanted [N, C, ...]", tf2_shape_format(in, text, sizeof(text)));
    return TF2_OK;
}

/* An attribute with one entry per dimension of the input. */
static inline enum tf2_status
tf2__check_rank(uint32_t n_entries, const struct tf2_shape *in, const char *what, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (n_entries != in->n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s of %u dimensions for input %s, wanted %u", what, n_entries,
            tf2_shape_format(in, text, sizeof(text)), in->n_dims);
    return TF2_OK;
}

/* A vector of n elements. */
static inline enum tf2_status
tf2__check_vector(const struct tf2_shape *shape, int64_t n, const char *what, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (shape->n_dims != 1 || shape->dim[0] != n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s of shape %s, wanted [%lld]", what,
            tf2_shape_format(shape, text, sizeof(text)), (long long)n);
    return TF2_OK;
}

/* Channels of input and weights [O, I / group, ...] fit the groups (0: 1). */
static inline enum tf2_status tf2__check_group(
    int32_t group, const struct tf2_shape *x, const struct tf2_shape *weights, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    int64_t n_groups = group ? group : 1;
    if (n_groups < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "%d groups, wanted 1 or more", group);
    if (x->dim[1] % n_groups || weights->dim[0] % n_groups)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld input and %lld output channels, wanted multiples of the %lld groups",
            (long long)x->dim[1], (long long)weights->dim[0], (long long)n_groups);
    if (weights->dim[1] != x->dim[1] / n_groups)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "weights %s for %lld input channels in %lld groups, wanted %lld in dimension 1",
            tf2_shape_format(weights, text, sizeof(text)), (long long)x->dim[1], (long long)n_groups,
            (long long)(x->dim[1] / n_groups));
    return TF2_OK;
}

static inline enum tf2_status tf2__check_finite(double value, const char *what, struct tf2_error *error)
{
    if (!(value - value == 0))
        return tf2__fail(error, TF2_ERR_VALUE, "%s is %g, wanted a finite number", what, value);
    return TF2_OK;
}

/* The inferred shape is neither empty nor too large. */
static inline enum tf2_status tf2__check_output(const struct tf2_shape *out, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT];
    if (tf2_shape_count(out) == 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "output %s: every extent must be 1 or more, their product below 2^31",
            tf2_shape_format(out, text, sizeof(text)));
    return TF2_OK;
}

#endif
