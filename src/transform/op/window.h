/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h: sliding windows resolved to numbers: defaults filled in, padding and output extents computed.
 * Used by shape inference and by the kernels' planners, so that both agree.
 */
#ifndef TF2__OP_WINDOW_H
#define TF2__OP_WINDOW_H

#include "transform/ir/op.h"

/* One spatial dimension of a window. */
struct tf2__window_dim {
    int64_t in, out;
    int64_t kernel, stride, dilation;
    int64_t pad_begin, pad_end;
};

/* Kernel positions *first .. *end - 1 of a dimension lie inside the input for output o. */
static inline void
tf2__window_taps(const struct tf2__window_dim *dim, int64_t o, int64_t *first, int64_t *end)
{
    int64_t start = o * dim->stride - dim->pad_begin;
    *first = start < 0 ? tf2__ceil_div(-start, dim->dilation) : 0;
    *end = start < dim->in ? (dim->in - 1 - start) / dim->dilation + 1 : 0;
    *end = TF2__MIN(*end, dim->kernel);
}

/* Outputs *first .. *end - 1 of a dimension meet the input at kernel position k. */
static inline void
tf2__window_outputs(const struct tf2__window_dim *dim, int64_t k, int64_t *first, int64_t *end)
{
    int64_t offset = k * dim->dilation - dim->pad_begin; /* output o meets input o * stride + offset */
    *first = offset < 0 ? tf2__ceil_div(-offset, dim->stride) : 0;
    *end = offset < dim->in ? (dim->in - 1 - offset) / dim->stride + 1 : 0;
    *end = TF2__MIN(*end, dim->out);
}

/*
 * Resolves `window` over the spatial dimensions of `in` ([N, C, spatial...], one to three of them). kernel:
 * the kernel's extents (pools: window->kernel). dims[0 .. *n_spatial - 1]. TF2_ERR_SHAPE, TF2_ERR_VALUE for
 * negative or absurd attributes and windows larger than the padded input; nothing overflows.
 */
enum tf2_status tf2__window_resolve(
    const struct tf2_window *window, const int64_t *kernel, enum tf2_pool_rounding rounding,
    const struct tf2_shape *in, struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error);

/* The same for a pool: global pools and kernels taken from the attributes. */
enum tf2_status tf2__pool_resolve(
    const struct tf2_pool_attr *attr, const struct tf2_shape *in, struct tf2__window_dim *dims,
    uint32_t *n_spatial, struct tf2_error *error);

/* The same for a convolution with weights of the given shape. */
enum tf2_status tf2__conv_resolve(
    const struct tf2_conv_attr *attr, const struct tf2_shape *in, const struct tf2_shape *weights,
    struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error);

/*
 * The same for a transposed convolution: kernel position k of input pixel i meets output i * stride + k * dilation -
 * pad_begin.
 */
enum tf2_status tf2__conv_transpose_resolve(
    const struct tf2_conv_transpose_attr *attr, const struct tf2_shape *in, const struct tf2_shape *weights,
    struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error);

/* Kernel position k of a transposed convolution meets the outputs from .. from + count - 1 for input pixels *first ..
 * *end - 1. */
static inline void tf2__window_sources(
    const struct tf2__window_dim *dim, int64_t k, int64_t from, int64_t count, int64_t *first, int64_t *end)
{
    int64_t offset = k * dim->dilation - dim->pad_begin; /* input i meets output i * stride + offset */
    *first = from > offset ? tf2__ceil_div(from - offset, dim->stride) : 0;
    *end = from + count > offset ? tf2__ceil_div(from + count - offset, dim->stride) : 0;
    *end = TF2__MIN(*end, dim->in);
}

#endif
