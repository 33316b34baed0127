/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_int8_move.c: bytes that are moved: concatenated (equal and other quantizations), cut, reshaped,
 * transposed, padded, in chains.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kint8.h"

#define MAX_PIECES 8

static bool is_map(const struct kgraph *k, tf2_tensor_id x)
{
    return kshape(k, x)->n_dims >= 3 && kshape(k, x)->n_dims <= 5;
}

static struct tf2_shape any_shape(struct kgraph *k, int64_t low, int64_t high)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, low, high)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 24) : kextent(k, shape.n_dims > 4 ? 3 : 7);
    return shape;
}

/* What is done with a result: nothing, arithmetic, or a convolution that reads a halo. */
static void finish(struct kgraph *k, tf2_tensor_id y)
{
    const uint32_t before = k->n_outputs;
    if (is_map(k, y) && kchance(k, 2))
        koutput8(k, kconv8_same(k, y, kchannels(k, 20)));
    else if (kchance(k, 2))
        koutput8(k, klookup8(k, y, false));
    if (kchance(k, 2) || k->n_outputs == before)
        koutput8(k, y);
}

static tf2_tensor_id maybe_something(struct kgraph *k, tf2_tensor_id x)
{
    return kchance(k, 2) ? ksomething8(k, x) : x;
}

/* --- concat --- */

/* The same numbers with quantization `quant`: what makes a piece that a concat can claim. */
static tf2_tensor_id as(struct kgraph *k, tf2_tensor_id x, struct tf2__quant quant)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SUM};
    return knode8(k, TF2_OP_ELTWISE, &attr, KIN(x, x), NULL, &quant);
}

/* A piece of `shape`: an input, computed, or computed and read by others too; of quantization `quant` or
 * another. */
static tf2_tensor_id piece(struct kgraph *k, struct tf2_shape shape, struct tf2__quant quant)
{
    const struct tf2__quant own = kquant_like(k, quant);
    struct tf2_shape wide = shape;
    const uint32_t d = (uint32_t)krange(k, 0, shape.n_dims - 1);
    tf2_tensor_id x;
    switch (krange(k, 0, 6)) {
    case 0:
        return kinput8_as(k, shape, own);
    case 1:
        x = as(k, kinput8(k, shape), own);
        koutput8(k, x);
        return x;
    case 2:
        x = as(k, kinput8(k, shape), own);
        if (is_map(k, x))
            koutput8(k, kconv8_same(k, x, kchannels(k, 9))); /* a halo of its own */
        return x;
    case 3:
        x = kinput8(k, shape);
        return is_map(k, x) ? kconv8_same(k, x, shape.dim[1]) : ksomething8(k, x);
    case 4:
        wide.dim[d] += 2;
        x = kinput8_as(k, wide, own);
        return kslice8(k, kchance(k, 2) ? as(k, x, own) : x, d, 1, 1 + shape.dim[d]);
    default:
        return as(k, kinput8(k, shape), own);
    }
}

static tf2_tensor_id concat_of(struct kgraph *k, struct tf2_shape shape, uint32_t axis, size_t n)
{
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    tf2_tensor_id in[MAX_PIECES];
    for (size_t i = 0; i < n; i++) {
        struct tf2_shape part = shape;
        part.dim[axis] = axis == 1 ? kchannels(k, 20) : krange(k, 1, 4);
        in[i] = i && kchance(k, 6) ? in[krange(k, 0, (int64_t)i - 1)] : piece(k, part, quant);
    }
    const int32_t written = (int32_t)axis - (kchance(k, 4) ? (int32_t)shape.n_dims : 0);
    return kconcat8(k, written, in, n, &quant);
}

static void concat_channels(struct kgraph *k)
{
    const struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 3), 5);
    finish(k, concat_of(k, shape, 1, (size_t)krange(k, 1, 6)));
}

static void concat_axis(struct kgraph *k)
{
    const struct tf2_shape shape = any_shape(k, 1, 6);
    finish(k, concat_of(k, shape, (uint32_t)krange(k, 0, shape.n_dims - 1), (size_t)krange(k, 1, 4)));
}

/* Concats of concats, along the same and other axes, the inner ones used elsewhere too. */
static void concat_nested(struct kgraph *k)
{
    const struct tf2_shape shape = kmap_shape(k, 12, (uint32_t)krange(k, 1, 2), 5);
    tf2_tensor_id x = concat_of(k, shape, 1, (size_t)krange(k, 1, 3));
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        const uint32_t axis = kchance(k, 2) ? 1 : (uint32_t)krange(k, 0, shape.n_dims - 1);
        const struct tf2__quant quant = kquant_like(k, *kquant_of(k, x));
        struct tf2_shape part = *kshape(k, x);
        part.dim[axis] = krange(k, 1, 5);
        tf2_tensor_id other = piece(k, part, quant);
        const bool swap = kchance(k, 2), twice = kchance(k, 4);
        const tf2_tensor_id in[3] = {swap ? other : x, swap ? x : other, x};
        if (kchance(k, 4))
            koutput8(k, kconv8_same(k, x, kchannels(k, 9)));
        if (kchance(k, 4))
            koutput8(k, x);
        x = kconcat8(k, (int32_t)axis, in, twice ? 3 : 2, &quant);
    }
    finish(k, x);
}

/* One tensor in two concats: only one can claim it. */
static void concat_shared(struct kgraph *k)
{
    const struct tf2_shape shape = kmap_shape(k, 20, (uint32_t)krange(k, 1, 2), 5);
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    tf2_tensor_id x = as(k, kinput8(k, shape), quant), y = as(k, kinput8(k, shape), quant);
    tf2_tensor_id z = as(k, x, kquant_like(k, quant));
    tf2_tensor_id first = kconcat8(k, 1, (tf2_tensor_id[]){x, y, z}, (size_t)krange(k, 2, 3), &quant);
    const uint32_t axis = (uint32_t)krange(k, 0, shape.n_dims - 1);
    const struct tf2__quant other = kquant_like(k, quant);
    tf2_tensor_id second =
        kconcat8(k, (int32_t)axis, (tf2_tensor_id[]){z, x, x}, (size_t)krange(k, 1, 3), &other);
    if (kchance(k, 2))
        first = kconv8_same(k, first, 7);
    koutput8(k, first);
    finish(k, second);
}

/* Channels are split, each part goes its own way, and they are joined again. */
static void split_join(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 2), 7);
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    tf2_tensor_id in[MAX_PIECES];
    const size_t n = (size_t)krange(k, 2, 4);
    int64_t at = 0, width[MAX_PIECES];
    shape.dim[1] = 0;
    for (size_t i = 0; i < n; i++)
        shape.dim[1] += width[i] = kchannels(k, 20);
    tf2_tensor_id x = maybe_something(k, kinput8_as(k, shape, quant));
    for (size_t i = 0; i < n; i++, at += width[i - 1]) {
        in[i] = kslice8(k, x, 1, at, at + width[i]);
        for (int64_t j = krange(k, 0, 2); j > 0; j--)
            in[i] = kchance(k, 2) ? as(k, in[i], quant) : ksomething8(k, in[i]);
    }
    finish(k, kconcat8(k, 1, in, n, &quant));
}

/* --- slice --- */

static int64_t random_bound(struct kgraph *k, int64_t extent)
{
    static const int64_t extremes[] = {0, 1, -1, INT64_MAX, INT64_MIN, 100, -100, INT32_MAX};
    return kchance(k, 3) ? extremes[krange(k, 0, 7)] : krange(k, -extent, extent);
}

static void slice_any(struct kgraph *k)
{
    static const int64_t steps[] = {0, 1, 1, 2, 3, -1, -2, 5, 1000, -1000, INT32_MAX};
    tf2_tensor_id x = maybe_something(k, kinput8(k, any_shape(k, 1, 6))), y = TF2_NO_TENSOR;
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape.n_dims};
    for (int i = 0; i < 200 && y == TF2_NO_TENSOR; i++) {
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            const bool whole = kchance(k, 2);
            attr.begin[d] = whole ? 0 : random_bound(k, shape.dim[d]);
            attr.end[d] = whole ? INT64_MAX : random_bound(k, shape.dim[d]);
            attr.step[d] = whole ? 1 : steps[krange(k, 0, 10)];
        }
        y = kmove8_try(k, TF2_OP_SLICE, &attr, x);
    }
    finish(k, y == TF2_NO_TENSOR ? x : y);
}

/* Parts of a map, read with padding. */
static void slice_conv(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = maybe_something(k, kinput8(k, kmap_shape(k, 24, n_spatial, kchance(k, 2) ? 2 : 6)));
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape.n_dims};
    for (uint32_t d = 0; d < shape.n_dims; d++) {
        attr.end[d] = INT64_MAX;
        attr.step[d] = d != 1 && kchance(k, 3) ? krange(k, 1, 3) : 1;
        if (kchance(k, 3))
            attr.begin[d] = krange(k, 0, shape.dim[d] - 1);
    }
    tf2_tensor_id y = kmove8(k, TF2_OP_SLICE, &attr, x);
    const struct kconv8 c = {
        .n_out = kchannels(k, 24), .kernel = krange(k, 1, 3), .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, y, &c));
    if (kchance(k, 2))
        koutput8(k, kconv8_same(k, x, 5));
    if (kchance(k, 3))
        koutput8(k, y);
}

/* --- shapes --- */

/* Splits dimension d in two, or merges it with the next. */
static struct tf2_shape regroup_at(struct kgraph *k, struct tf2_shape shape, uint32_t d)
{
    int64_t factor = 1;
    if (d + 1 < shape.n_dims && kchance(k, 2)) {
        shape.dim[d] *= shape.dim[d + 1];
        for (uint32_t e = d + 1; e + 1 < shape.n_dims; e++)
            shape.dim[e] = shape.dim[e + 1];
        shape.n_dims--;
        return shape;
    }
    for (int64_t f = 2; f < 8; f++)
        factor = shape.dim[d] % f == 0 && kchance(k, 2) ? f : factor;
    for (uint32_t e = shape.n_dims; e > d; e--)
        shape.dim[e] = shape.dim[e - 1];
    shape.dim[d] = factor;
    shape.dim[d + 1] /= factor;
    shape.n_dims++;
    return shape;
}

/* Another shape of as many elements; keep: dimension 0 stays as it is. */
static tf2_tensor_id reshape(struct kgraph *k, tf2_tensor_id x, bool keep)
{
    struct tf2_shape shape = *kshape(k, x);
    struct tf2_reshape_attr attr;
    for (int64_t i = krange(k, 1, 4); i > 0; i--) {
        const uint32_t first = keep && shape.n_dims > 1;
        if (shape.n_dims < 6 && (!keep || shape.n_dims > 1))
            shape = regroup_at(k, shape, (uint32_t)krange(k, first, shape.n_dims - 1));
    }
    attr.n_dims = shape.n_dims;
    for (uint32_t d = 0; d < shape.n_dims; d++)
        attr.dim[d] = shape.dim[d];
    if (keep)
        attr.dim[0] = 0;
    if (kchance(k, 2) && shape.n_dims > 1)
        attr.dim[shape.n_dims - 1] = -1;
    return kmove8(k, TF2_OP_RESHAPE, &attr, x);
}

static void reshape_any(struct kgraph *k)
{
    tf2_tensor_id x = kinput8(k, any_shape(k, 1, 6));
    for (int64_t i = krange(k, 1, 3); i > 0; i--)
        x = reshape(k, maybe_something(k, x), false);
    finish(k, x);
}

/* Reshapes that keep the batch, between maps. */
static void reshape_maps(struct kgraph *k)
{
    tf2_tensor_id x = ksomething8(k, kinput8(k, kmap_shape(k, 24, (uint32_t)krange(k, 1, 3), 6)));
    for (int64_t i = krange(k, 1, 3); i > 0; i--)
        x = maybe_something(k, reshape(k, x, true));
    finish(k, x);
}

static tf2_tensor_id squeeze_one(struct kgraph *k, tf2_tensor_id x)
{
    const uint32_t n_dims = kshape(k, x)->n_dims;
    const struct tf2_axis_attr flatten = {.axis = (int32_t)krange(k, 0, n_dims)};
    struct tf2_axes_attr axes = {0};
    switch (krange(k, 0, 4)) {
    case 0:
        return kmove8_try(k, TF2_OP_FLATTEN, &flatten, x);
    case 1:
        for (uint32_t d = 0; d < n_dims; d++)
            axes.axes |= kshape(k, x)->dim[d] == 1 && kchance(k, 2) ? 1u << d : 0;
        return kmove8_try(k, TF2_OP_SQUEEZE, &axes, x);
    case 2:
        return kmove8(k, kchance(k, 2) ? TF2_OP_IDENTITY : TF2_OP_DROPOUT, NULL, x);
    default:
        if (n_dims < 5)
            axes.axes = 1u << krange(k, 0, n_dims) | (kchance(k, 2) ? 1u : 0);
        return kmove8_try(k, TF2_OP_UNSQUEEZE, &axes, x);
    }
}

static void squeeze_flatten(struct kgraph *k)
{
    struct tf2_shape shape = any_shape(k, 1, 5);
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = kchance(k, 2) ? 1 : shape.dim[d];
    tf2_tensor_id x = maybe_something(k, kinput8(k, shape));
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        tf2_tensor_id y = squeeze_one(k, x);
        x = y == TF2_NO_TENSOR ? x : y;
    }
    finish(k, x);
}

static tf2_tensor_id transpose_of(struct kgraph *k, tf2_tensor_id x)
{
    struct tf2_transpose_attr attr = {.n_dims = kshape(k, x)->n_dims};
    for (uint32_t d = 0; d < attr.n_dims; d++) {
        const uint32_t other = (uint32_t)krange(k, 0, d);
        attr.perm[d] = attr.perm[other];
        attr.perm[other] = d;
    }
    return kmove8(k, TF2_OP_TRANSPOSE, &attr, x);
}

static void transpose(struct kgraph *k)
{
    tf2_tensor_id x = kinput8(k, any_shape(k, 1, 6));
    for (int64_t i = krange(k, 1, 2); i > 0; i--) {
        x = transpose_of(k, maybe_something(k, x));
        if (kchance(k, 3))
            x = reshape(k, x, false);
    }
    finish(k, x);
}

/* ShuffleNet: [N, g c, ...] -> [N, g, c, ...] -> [N, c, g, ...] -> back, in 1-D to 3-D. */
static void channel_shuffle(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 3), 5);
    const int64_t group = krange(k, 2, 5), width = kchannels(k, 17);
    struct tf2_reshape_attr wide = {.n_dims = shape.n_dims + 1, .dim = {0, group, width}};
    struct tf2_reshape_attr back = {.n_dims = shape.n_dims, .dim = {0, -1}};
    const struct tf2_transpose_attr swap = {.n_dims = shape.n_dims + 1, .perm = {0, 2, 1, 3, 4, 5}};
    shape.dim[1] = group * width;
    for (uint32_t d = 2; d < shape.n_dims; d++)
        wide.dim[1 + d] = back.dim[d] = shape.dim[d];
    tf2_tensor_id x = kmove8(k, TF2_OP_RESHAPE, &wide, maybe_something(k, kinput8(k, shape)));
    x = kmove8(k, TF2_OP_RESHAPE, &back, kmove8(k, TF2_OP_TRANSPOSE, &swap, x));
    finish(k, x);
}

/* Several views of one tensor, put together again. */
static void views(struct kgraph *k)
{
    tf2_tensor_id x = maybe_something(k, kinput8(k, kmap_shape(k, 24, 2, 6)));
    const struct tf2__quant quant = *kquant_of(k, x);
    tf2_tensor_id parts[3] = {x, kmove8(k, TF2_OP_IDENTITY, NULL, x), x};
    if (kshape(k, x)->dim[1] > 1)
        parts[1] = kslice8(k, x, 1, 0, kshape(k, x)->dim[1] - 1);
    if (kchance(k, 2))
        parts[2] = reshape(k, reshape(k, x, true), true);
    for (int i = 0; i < 3; i++)
        koutput8(k, parts[i]);
    finish(k, kconcat8(k, 1, KIN(x, parts[1], x), &quant));
}

static void pad(struct kgraph *k)
{
    tf2_tensor_id x = maybe_something(k, kinput8(k, any_shape(k, 1, 6))), y = TF2_NO_TENSOR;
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_pad_attr attr = {.n_dims = shape.n_dims, .mode = (enum tf2_pad_mode)krange(k, 0, 2)};
    attr.value = kchance(k, 2) ? 0 : kuniform(k, -300, 300) * kquant_of(k, x)->scale;
    for (int i = 0; i < 200 && y == TF2_NO_TENSOR; i++) {
        const int64_t low = attr.mode == TF2_PAD_CONSTANT && kchance(k, 2) ? -3 : 0;
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            attr.begin[d] = kchance(k, 2) ? 0 : krange(k, low, 4);
            attr.end[d] = kchance(k, 2) ? 0 : krange(k, low, 4);
        }
        y = kmove8_try(k, TF2_OP_PAD, &attr, x);
    }
    finish(k, y == TF2_NO_TENSOR ? x : y);
}

const struct kfamily8 families8_move[] = {
    {.name = "int8_concat_channels", .build = concat_channels},
    {.name = "int8_concat_axis", .build = concat_axis},
    {.name = "int8_concat_nested", .build = concat_nested},
    {.name = "int8_concat_shared", .build = concat_shared},
    {.name = "int8_split_join", .build = split_join},
    {.name = "int8_slice_any", .build = slice_any},
    {.name = "int8_slice_conv", .build = slice_conv},
    {.name = "int8_reshape", .build = reshape_any},
    {.name = "int8_reshape_maps", .build = reshape_maps},
    {.name = "int8_squeeze_flatten", .build = squeeze_flatten},
    {.name = "int8_transpose", .build = transpose},
    {.name = "int8_channel_shuffle", .build = channel_shuffle},
    {.name = "int8_views", .build = views},
    {.name = "int8_pad", .build = pad, .may_refuse = true},
    {0},
};
