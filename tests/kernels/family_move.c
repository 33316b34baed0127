/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_move.c: what only moves data: concat, slice, reshape and relatives, transpose, pad. Most of it
 * should become views; the neighbours (padded convolutions above all) are chosen so that it sometimes must
 * not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "families.h"

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
    uint32_t before = k->n_outputs;
    if (is_map(k, y) && kchance(k, 2))
        koutput(k, kconv_same(k, y, kchannels(k, 20)));
    else if (kchance(k, 2))
        koutput(k, kactivation(k, y, TF2_ACTIVATION_HARD_SWISH));
    if (kchance(k, 2) || k->n_outputs == before)
        koutput(k, y);
}

/* --- concat --- */

/* A piece of `shape`: an input, a constant, computed, or computed and read by others too. */
static tf2_tensor_id piece(struct kgraph *k, struct tf2_shape shape)
{
    tf2_tensor_id x;
    switch (krange(k, 0, 7)) {
    case 0:
        return kinput(k, shape);
    case 1:
        return kconstant(k, shape);
    case 2:
        x = krelu(k, kinput(k, shape));
        koutput(k, x);
        return x;
    case 3:
        x = krelu(k, kinput(k, shape));
        if (is_map(k, x))
            koutput(k, kconv_same(k, x, kchannels(k, 9))); /* a halo of its own */
        return x;
    case 4:
        x = kinput(k, shape);
        return is_map(k, x) ? kconv_same(k, x, shape.dim[1]) : krelu(k, x);
    case 5: {
        struct tf2_shape wide = shape;
        uint32_t d = (uint32_t)krange(k, 0, shape.n_dims - 1);
        wide.dim[d] += 2;
        x = kinput(k, wide);
        return kslice(k, kchance(k, 2) ? krelu(k, x) : x, d, 1, 1 + shape.dim[d]);
    }
    default:
        return krelu(k, kinput(k, shape));
    }
}

static tf2_tensor_id concat_of(struct kgraph *k, struct tf2_shape shape, uint32_t axis, size_t n)
{
    tf2_tensor_id in[MAX_PIECES];
    koutput(
        k, krelu(k, kinput(k, KSHAPE(1, 2)))); /* all pieces may be constants, and a network needs an input */
    for (size_t i = 0; i < n; i++) {
        struct tf2_shape part = shape;
        part.dim[axis] = axis == 1 ? kchannels(k, 20) : krange(k, 1, 4);
        in[i] = i && kchance(k, 6) ? in[krange(k, 0, (int64_t)i - 1)] : piece(k, part);
    }
    int32_t written = (int32_t)axis - (kchance(k, 4) ? (int32_t)shape.n_dims : 0);
    return kconcat(k, written, in, n);
}

static void concat_channels(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 3), 5);
    finish(k, concat_of(k, shape, 1, (size_t)krange(k, 1, 6)));
}

static void concat_axis(struct kgraph *k)
{
    struct tf2_shape shape = any_shape(k, 1, 6);
    finish(k, concat_of(k, shape, (uint32_t)krange(k, 0, shape.n_dims - 1), (size_t)krange(k, 1, 4)));
}

/* Concats of concats, along the same and other axes, the inner ones used elsewhere too. */
static void concat_nested(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 12, (uint32_t)krange(k, 1, 2), 5);
    tf2_tensor_id x = concat_of(k, shape, 1, (size_t)krange(k, 1, 3));
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        uint32_t axis = kchance(k, 2) ? 1 : (uint32_t)krange(k, 0, shape.n_dims - 1);
        struct tf2_shape part = *kshape(k, x);
        part.dim[axis] = krange(k, 1, 5);
        tf2_tensor_id other = piece(k, part);
        bool swap = kchance(k, 2), twice = kchance(k, 4);
        tf2_tensor_id in[3] = {swap ? other : x, swap ? x : other, x};
        if (kchance(k, 4))
            koutput(k, kconv_same(k, x, kchannels(k, 9)));
        if (kchance(k, 4))
            koutput(k, x);
        x = kconcat(k, (int32_t)axis, in, twice ? 3 : 2);
    }
    finish(k, x);
}

/* One tensor in two concats: only one can claim it. */
static void concat_shared(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 20, (uint32_t)krange(k, 1, 2), 5);
    tf2_tensor_id x = krelu(k, kinput(k, shape)), y = krelu(k, kinput(k, shape)), z = ksomething(k, x);
    tf2_tensor_id first = kconcat(k, 1, (tf2_tensor_id[]){x, y, z}, (size_t)krange(k, 2, 3));
    uint32_t axis = (uint32_t)krange(k, 0, shape.n_dims - 1);
    tf2_tensor_id second = kconcat(k, (int32_t)axis, (tf2_tensor_id[]){z, x, x}, (size_t)krange(k, 1, 3));
    if (kchance(k, 2))
        first = kconv_same(k, first, 7);
    koutput(k, first);
    finish(k, second);
}

/* Channels are split, each part goes its own way, and they are joined again (Inception, ShuffleNet v2, CSP).
 */
static void split_join(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 2), 7);
    tf2_tensor_id in[MAX_PIECES];
    size_t n = (size_t)krange(k, 2, 4);
    int64_t at = 0, width[MAX_PIECES];
    shape.dim[1] = 0;
    for (size_t i = 0; i < n; i++)
        shape.dim[1] += width[i] = kchannels(k, 20);
    tf2_tensor_id x = kinput(k, shape);
    if (kchance(k, 2))
        x = ksomething(k, x);
    for (size_t i = 0; i < n; i++, at += width[i - 1]) {
        in[i] = kslice(k, x, 1, at, at + width[i]);
        for (int64_t j = krange(k, 0, 2); j > 0; j--)
            in[i] = ksomething(k, in[i]);
    }
    finish(k, kconcat(k, 1, in, n));
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
    tf2_tensor_id x = kinput(k, any_shape(k, 1, 6)), y = TF2_NO_TENSOR;
    if (kchance(k, 2))
        x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape.n_dims};
    for (int i = 0; i < 200 && y == TF2_NO_TENSOR; i++) {
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            bool whole = kchance(k, 2);
            attr.begin[d] = whole ? 0 : random_bound(k, shape.dim[d]);
            attr.end[d] = whole ? INT64_MAX : random_bound(k, shape.dim[d]);
            attr.step[d] = whole ? 1 : steps[krange(k, 0, 10)];
        }
        y = knode_try(k, TF2_OP_SLICE, &attr, KIN(x));
    }
    finish(k, y == TF2_NO_TENSOR ? x : y);
}

/* Steps of two over extents of one and more, read with padding: the stride is not the distance of rows. */
static void slice_conv(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = ksomething(k, kinput(k, kmap_shape(k, 24, n_spatial, kchance(k, 2) ? 2 : 6)));
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape.n_dims};
    for (uint32_t d = 0; d < shape.n_dims; d++) {
        attr.end[d] = INT64_MAX;
        attr.step[d] = d != 1 && kchance(k, 3) ? krange(k, 1, 3) : 1;
        if (kchance(k, 3))
            attr.begin[d] = krange(k, 0, shape.dim[d] - 1);
    }
    tf2_tensor_id y = knode(k, TF2_OP_SLICE, &attr, KIN(x));
    koutput(k, kconv(k, y, kchannels(k, 24), krange(k, 1, 3), 0, kwindow(k, n_spatial)));
    if (kchance(k, 2))
        koutput(k, kconv_same(k, x, 5));
    if (kchance(k, 3))
        koutput(k, y);
}

/* --- shapes --- */

/* Another shape of as many elements: dimensions are split and merged at random. */
static struct tf2_shape regroup(struct kgraph *k, struct tf2_shape shape, uint32_t max_dims)
{
    for (int64_t i = krange(k, 1, 4); i > 0; i--) {
        uint32_t d = shape.n_dims ? (uint32_t)krange(k, 0, shape.n_dims - 1) : 0;
        if (shape.n_dims > 1 && d + 1 < shape.n_dims && kchance(k, 2)) {
            shape.dim[d] *= shape.dim[d + 1];
            for (uint32_t e = d + 1; e + 1 < shape.n_dims; e++)
                shape.dim[e] = shape.dim[e + 1];
            shape.n_dims--;
        } else if (shape.n_dims < max_dims) {
            int64_t factor = 1;
            for (int64_t f = 2; f < 8; f++)
                factor = shape.n_dims && shape.dim[d] % f == 0 && kchance(k, 2) ? f : factor;
            for (uint32_t e = shape.n_dims; e > d; e--)
                shape.dim[e] = shape.dim[e - 1];
            shape.dim[d] = factor;
            shape.n_dims++;
            if (d + 1 < shape.n_dims)
                shape.dim[d + 1] /= factor;
        }
    }
    return shape;
}

static void reshape(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, any_shape(k, 1, 6));
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        if (kchance(k, 2))
            x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
        struct tf2_shape shape = regroup(k, *kshape(k, x), 6);
        if (kchance(k, 2) && shape.n_dims && shape.dim[0] == kshape(k, x)->dim[0])
            shape.dim[0] = 0;
        if (kchance(k, 2) && shape.n_dims > 1)
            shape.dim[shape.n_dims - 1] = -1;
        x = kreshape(k, x, shape);
    }
    finish(k, x);
}

/* Reshapes that keep the batch, between maps: the same at every batch. */
static void reshape_maps(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 24, (uint32_t)krange(k, 1, 3), 6), tail = shape;
    tf2_tensor_id x = ksomething(k, kinput(k, shape));
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        tail = *kshape(k, x);
        for (uint32_t d = 0; d + 1 < tail.n_dims; d++)
            tail.dim[d] = tail.dim[d + 1];
        tail.n_dims--;
        tail = regroup(k, tail, 4);
        struct tf2_shape to = {.n_dims = tail.n_dims + 1};
        for (uint32_t d = 0; d < tail.n_dims; d++)
            to.dim[1 + d] = tail.dim[d];
        x = kreshape(k, x, to);
        if (kchance(k, 2))
            x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
    }
    finish(k, x);
}

static void squeeze_flatten(struct kgraph *k)
{
    struct tf2_shape shape = any_shape(k, 1, 5);
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = kchance(k, 2) ? 1 : shape.dim[d];
    tf2_tensor_id x = kinput(k, shape);
    if (kchance(k, 2))
        x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
    for (int64_t i = krange(k, 1, 3); i > 0; i--) {
        uint32_t n_dims = kshape(k, x)->n_dims;
        struct tf2_axes_attr axes = {0};
        tf2_tensor_id y = TF2_NO_TENSOR;
        switch (krange(k, 0, 3)) {
        case 0:
            y = knode_try(
                k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = (int32_t)krange(k, 0, n_dims)}, KIN(x));
            break;
        case 1:
            for (uint32_t d = 0; d < n_dims; d++)
                axes.axes |= kshape(k, x)->dim[d] == 1 && kchance(k, 2) ? 1u << d : 0;
            y = knode_try(k, TF2_OP_SQUEEZE, &axes, KIN(x));
            break;
        default:
            if (n_dims < 5)
                axes.axes = 1u << krange(k, 0, n_dims) | (kchance(k, 2) ? 1u : 0);
            y = knode_try(k, TF2_OP_UNSQUEEZE, &axes, KIN(x));
            break;
        }
        x = y == TF2_NO_TENSOR ? x : y;
    }
    finish(k, x);
}

static void transpose(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, any_shape(k, 1, 6));
    for (int64_t i = krange(k, 1, 2); i > 0; i--) {
        uint32_t perm[TF2_MAX_DIMS], n_dims = kshape(k, x)->n_dims;
        if (kchance(k, 2))
            x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
        for (uint32_t d = 0; d < n_dims; d++) {
            uint32_t other = (uint32_t)krange(k, 0, d);
            perm[d] = perm[other];
            perm[other] = d;
        }
        x = ktranspose(k, x, perm);
        if (kchance(k, 3))
            x = kreshape(k, x, regroup(k, *kshape(k, x), 6));
    }
    finish(k, x);
}

/* ShuffleNet: [N, g c, H, W] -> [N, g, c, H, W] -> [N, c, g, H, W] -> back, in 1-D to 3-D. */
static void channel_shuffle(struct kgraph *k)
{
    static const uint32_t perm[TF2_MAX_DIMS] = {0, 2, 1, 3, 4, 5};
    struct tf2_shape shape = kmap_shape(k, 1, (uint32_t)krange(k, 1, 3), 5);
    int64_t group = krange(k, 2, 5), width = kchannels(k, 17);
    shape.dim[1] = group * width;
    tf2_tensor_id x = kinput(k, shape);
    if (kchance(k, 2))
        x = kconv(k, x, shape.dim[1], 1, group, (struct tf2_window){0});
    struct tf2_shape wide = {.n_dims = shape.n_dims + 1, .dim = {0, group, width}}, back = shape;
    for (uint32_t d = 2; d < shape.n_dims; d++)
        wide.dim[1 + d] = shape.dim[d];
    back.dim[0] = 0;
    back.dim[1] = -1;
    x = kreshape(k, ktranspose(k, kreshape(k, x, wide), perm), back);
    if (kchance(k, 2))
        x = kconv(k, x, shape.dim[1], 3, shape.dim[1], kwindow(k, shape.n_dims - 2));
    finish(k, x);
}

static void pad(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, any_shape(k, 1, 6)), y = TF2_NO_TENSOR;
    if (kchance(k, 2))
        x = is_map(k, x) ? ksomething(k, x) : krelu(k, x);
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_pad_attr attr = {.n_dims = shape.n_dims, .mode = (enum tf2_pad_mode)krange(k, 0, 2)};
    attr.value = kchance(k, 2) ? 0 : kuniform(k, -1, 1);
    for (int i = 0; i < 200 && y == TF2_NO_TENSOR; i++) {
        int64_t low = attr.mode == TF2_PAD_CONSTANT && kchance(k, 2) ? -3 : 0;
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            attr.begin[d] = kchance(k, 2) ? 0 : krange(k, low, 4);
            attr.end[d] = kchance(k, 2) ? 0 : krange(k, low, 4);
        }
        y = knode_try(k, TF2_OP_PAD, &attr, KIN(x));
    }
    finish(k, y == TF2_NO_TENSOR ? x : y);
}

const struct kfamily families_move[] = {
    {"concat_channels", concat_channels, 0, 0},
    {"concat_axis", concat_axis, 0, 0},
    {"concat_nested", concat_nested, 0, 0},
    {"concat_shared", concat_shared, 0, 0},
    {"split_join", split_join, 0, 0},
    {"slice_any", slice_any, 0, 0},
    {"slice_conv", slice_conv, 0, 0},
    {"reshape", reshape, 0, 0},
    {"reshape_maps", reshape_maps, 0, 0},
    {"squeeze_flatten", squeeze_flatten, 0, 0},
    {"transpose", transpose, 0, 0},
    {"channel_shuffle", channel_shuffle, 0, 0},
    {"pad", pad, 0, 0},
    {0},
};
