/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c: output extents and padding of sliding windows.
 *
 * With extent = (kernel - 1) * dilation + 1 and padded = input + padding on both sides, the output is
 *
 *     floor   floor((padded - extent) / stride) + 1
 *     ceil    ceil((padded - extent) / stride) + 1, less the windows that would start beyond the input
 *     SAME    ceil(input / stride), and as much padding as this takes (ONNX, TensorFlow)
 *
 * PyTorch and ONNX always drop windows beyond the input, Caffe in padded pools only. An unpadded pool has
 * one only when stride is larger than the kernel; it would be empty.
 *
 * A transposed convolution is the same backwards: there input = floor((output + padding - extent) / stride) + 1.
 *
 * Attributes are 32-bit and extents below 2^31, so that no product here exceeds 2^62.
 */
#include "transform/op/window.h"

#include "transform/op/check.h"

/* Fills in what is given, before padding and output are known. */
static enum tf2_status set_dim(
    const struct tf2_window *window, uint32_t d, int64_t kernel, int64_t in, struct tf2__window_dim *dim,
    struct tf2_error *error)
{
    bool explicit_pads = window->auto_pad == TF2_AUTO_PAD_EXPLICIT;
    *dim = (struct tf2__window_dim){
        .in = in,
        .kernel = kernel,
        .stride = window->stride[d] ? window->stride[d] : 1,
        .dilation = window->dilation[d] ? window->dilation[d] : 1,
        .pad_begin = explicit_pads ? window->pad_begin[d] : 0,
        .pad_end = explicit_pads ? window->pad_end[d] : 0,
    };
    if (kernel < 1 || kernel > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "kernel extent %lld in spatial dimension %u, wanted 1 or more",
            (long long)kernel, d);
    if (dim->stride < 1 || dim->dilation < 1)
        return tf2__fail(
            error, TF2_ERR_VALUE, "stride %lld, dilation %lld in spatial dimension %u, wanted 1 or more",
            (long long)dim->stride, (long long)dim->dilation, d);
    if (dim->pad_begin < 0 || dim->pad_end < 0)
        return tf2__fail(
            error, TF2_ERR_VALUE, "padding %lld, %lld in spatial dimension %u, wanted 0 or more",
            (long long)dim->pad_begin, (long long)dim->pad_end, d);
    return TF2_OK;
}

static int64_t window_extent(const struct tf2__window_dim *dim)
{
    return (dim->kernel - 1) * dim->dilation + 1;
}

static void resolve_same(struct tf2__window_dim *dim, bool upper)
{
    dim->out = tf2__ceil_div(dim->in, dim->stride);
    int64_t pad = (dim->out - 1) * dim->stride + window_extent(dim) - dim->in;
    pad = TF2__MAX(pad, 0);
    dim->pad_begin = upper ? pad / 2 : pad - pad / 2;
    dim->pad_end = pad - dim->pad_begin;
}

static enum tf2_status resolve_padded(
    struct tf2__window_dim *dim, enum tf2_pool_rounding rounding, uint32_t d, struct tf2_error *error)
{
    int64_t extent = window_extent(dim);
    int64_t room = dim->in + dim->pad_begin + dim->pad_end - extent;
    if (rounding == TF2_POOL_CEIL) {
        int64_t starts = (dim->in + dim->pad_begin - 1) / dim->stride + 1;
        dim->out = tf2__ceil_div(room, dim->stride) + 1;
        dim->out = TF2__MIN(dim->out, starts);
    } else {
        dim->out = room < 0 ? 0 : room / dim->stride + 1;
    }
    if (dim->out < 1)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "window of %lld pixels (kernel %lld, dilation %lld) in spatial dimension %u is larger than the "
            "input of "
            "%lld with padding %lld, %lld",
            (long long)extent, (long long)dim->kernel, (long long)dim->dilation, d, (long long)dim->in,
            (long long)dim->pad_begin, (long long)dim->pad_end);
    return TF2_OK;
}

enum tf2_status tf2__window_resolve(
    const struct tf2_window *window, const int64_t *kernel, enum tf2_pool_rounding rounding,
    const struct tf2_shape *in, struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error)
{
    TF2__TRY(tf2__check_feature_map(in, error));
    if ((unsigned)window->auto_pad > TF2_AUTO_PAD_VALID)
        return tf2__fail(error, TF2_ERR_VALUE, "no automatic padding has number %d", (int)window->auto_pad);
    for (uint32_t d = 0; d < in->n_dims - 2; d++) {
        TF2__TRY(set_dim(window, d, kernel[d], in->dim[2 + d], &dims[d], error));
        if (window->auto_pad == TF2_AUTO_PAD_SAME_UPPER || window->auto_pad == TF2_AUTO_PAD_SAME_LOWER)
            resolve_same(&dims[d], window->auto_pad == TF2_AUTO_PAD_SAME_UPPER);
        else
            TF2__TRY(resolve_padded(&dims[d], rounding, d, error));
    }
    *n_spatial = in->n_dims - 2;
    return TF2_OK;
}

#define MAX_PADDED_WINDOWS 65536

/* Windows that start in the leading padding and, dilated, step over the whole input. Only tried when the
 * dilation is larger than the input: an exotic case, so that the limit on the work costs nothing. */
static bool has_empty_window(const struct tf2__window_dim *dim)
{
    if (dim->dilation <= dim->in)
        return false;
    for (int64_t o = 0; o < dim->out; o++) {
        int64_t start = o * dim->stride - dim->pad_begin;
        if (start >= 0)
            return false;
        if (start + tf2__ceil_div(-start, dim->dilation) * dim->dilation >= dim->in ||
            o == MAX_PADDED_WINDOWS)
            return true;
    }
    return false;
}

/* A window without a single pixel has no maximum and no mean. */
static enum tf2_status check_pool_dim(const struct tf2__window_dim *dim, uint32_t d, struct tf2_error *error)
{
    int64_t extent = window_extent(dim);
    if (dim->pad_begin >= extent || dim->pad_end >= extent)
        return tf2__fail(
            error, TF2_ERR_VALUE,
            "padding %lld, %lld in spatial dimension %u, wanted less than the window's %lld",
            (long long)dim->pad_begin, (long long)dim->pad_end, d, (long long)extent);
    if (has_empty_window(dim))
        return tf2__fail(
            error, TF2_ERR_VALUE,
            "padding %lld and dilation %lld in spatial dimension %u let a window miss the whole input of "
            "%lld",
            (long long)dim->pad_begin, (long long)dim->dilation, d, (long long)dim->in);
    return TF2_OK;
}

enum tf2_status tf2__pool_resolve(
    const struct tf2_pool_attr *attr, const struct tf2_shape *in, struct tf2__window_dim *dims,
    uint32_t *n_spatial, struct tf2_error *error)
{
    static const struct tf2_window whole = {.auto_pad = TF2_AUTO_PAD_VALID};
    int64_t kernel[TF2_MAX_SPATIAL];
    TF2__TRY(tf2__check_feature_map(in, error));
    if ((unsigned)attr->rounding > TF2_POOL_CEIL)
        return tf2__fail(error, TF2_ERR_VALUE, "no pool rounding has number %d", (int)attr->rounding);
    for (uint32_t d = 0; d < in->n_dims - 2; d++)
        kernel[d] = attr->global || attr->window.kernel[d] == 0 ? in->dim[2 + d] : attr->window.kernel[d];
    TF2__TRY(tf2__window_resolve(
        attr->global ? &whole : &attr->window, kernel, attr->rounding, in, dims, n_spatial, error));
    for (uint32_t d = 0; d < *n_spatial; d++)
        TF2__TRY(check_pool_dim(&dims[d], d, error));
    return TF2_OK;
}

/* The weights' extents are the kernel's, and those that the window repeats. */
static enum tf2_status check_kernel(
    const struct tf2_window *window, const struct tf2_shape *in, const struct tf2_shape *weights,
    struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT], in_text[TF2__SHAPE_TEXT];
    TF2__TRY(tf2__check_feature_map(in, error));
    if (weights->n_dims != in->n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "weights %s for input %s, wanted as many dimensions",
            tf2_shape_format(weights, text, sizeof(text)), tf2_shape_format(in, in_text, sizeof(in_text)));
    for (uint32_t d = 0; d < in->n_dims - 2; d++) {
        if (window->kernel[d] && window->kernel[d] != weights->dim[2 + d])
            return tf2__fail(
                error, TF2_ERR_SHAPE, "weights %s, wanted kernel extent %d in spatial dimension %u",
                tf2_shape_format(weights, text, sizeof(text)), window->kernel[d], d);
    }
    return TF2_OK;
}

enum tf2_status tf2__conv_resolve(
    const struct tf2_conv_attr *attr, const struct tf2_shape *in, const struct tf2_shape *weights,
    struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error)
{
    TF2__TRY(check_kernel(&attr->window, in, weights, error));
    return tf2__window_resolve(&attr->window, &weights->dim[2], TF2_POOL_FLOOR, in, dims, n_spatial, error);
}

/* The output of one dimension, and what is cut off. */
static enum tf2_status resolve_transposed(
    struct tf2__window_dim *dim, enum tf2_auto_pad auto_pad, int64_t output_pad, uint32_t d,
    struct tf2_error *error)
{
    int64_t whole = (dim->in - 1) * dim->stride + window_extent(dim) + output_pad;
    if (output_pad < 0)
        return tf2__fail(
            error, TF2_ERR_VALUE, "output padding %lld in spatial dimension %u, wanted 0 or more",
            (long long)output_pad, d);
    if (auto_pad == TF2_AUTO_PAD_SAME_UPPER || auto_pad == TF2_AUTO_PAD_SAME_LOWER) {
        int64_t pad = TF2__MAX(whole - dim->in * dim->stride, 0);
        dim->pad_begin = auto_pad == TF2_AUTO_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
        dim->pad_end = pad - dim->pad_begin;
        dim->out = dim->in * dim->stride;
    } else {
        dim->out = whole - dim->pad_begin - dim->pad_end;
    }
    if (dim->out < 1)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "padding %lld, %lld in spatial dimension %u leaves nothing of %lld pixels",
            (long long)dim->pad_begin, (long long)dim->pad_end, d, (long long)whole);
    return TF2_OK;
}

enum tf2_status tf2__conv_transpose_resolve(
    const struct tf2_conv_transpose_attr *attr, const struct tf2_shape *in, const struct tf2_shape *weights,
    struct tf2__window_dim *dims, uint32_t *n_spatial, struct tf2_error *error)
{
    const enum tf2_auto_pad auto_pad = attr->window.auto_pad;
    TF2__TRY(check_kernel(&attr->window, in, weights, error));
    if ((unsigned)auto_pad > TF2_AUTO_PAD_VALID)
        return tf2__fail(error, TF2_ERR_VALUE, "no automatic padding has number %d", (int)auto_pad);
    *n_spatial = in->n_dims - 2;
    for (uint32_t d = 0; d < *n_spatial; d++) {
        TF2__TRY(set_dim(&attr->window, d, weights->dim[2 + d], in->dim[2 + d], &dims[d], error));
        TF2__TRY(resolve_transposed(&dims[d], auto_pad, attr->output_pad[d], d, error));
    }
    return TF2_OK;
}
