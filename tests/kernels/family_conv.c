/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_conv.c: convolutions and inner products: extents, windows, groups, residuals, activations.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "families.h"

/* Few enough multiply-accumulates for the scalar reference. */
static int64_t cap(int64_t channels, int64_t limit)
{
    return channels < limit ? channels : limit;
}

/* The map itself, or one that was computed: with a layout and a halo of the library's own. */
static tf2_tensor_id source(struct kgraph *k, struct tf2_shape shape)
{
    tf2_tensor_id x = kinput(k, shape);
    switch (krange(k, 0, 4)) {
    case 0:
        return krelu(k, x);
    case 1:
        return kconv_1x1(k, x, shape.dim[1]);
    case 2:
        return knode(k, kchance(k, 2) ? TF2_OP_IDENTITY : TF2_OP_DROPOUT, NULL, KIN(x));
    default:
        return x;
    }
}

static void conv_dims(struct kgraph *k, uint32_t n_spatial, int64_t max_extent, int64_t max_kernel)
{
    struct tf2_shape shape = kmap_shape(k, kchance(k, 3) ? 70 : 20, n_spatial, max_extent);
    tf2_tensor_id x = source(k, shape);
    int64_t n_out = kchannels(k, shape.dim[1] > 24 ? 24 : 70);
    koutput(k, kconv(k, x, n_out, krange(k, 1, max_kernel), 0, kwindow(k, n_spatial)));
}

static void conv_1d(struct kgraph *k)
{
    conv_dims(k, 1, 31, 5);
}

static void conv_2d(struct kgraph *k)
{
    conv_dims(k, 2, 11, 4);
}

static void conv_3d(struct kgraph *k)
{
    conv_dims(k, 3, 5, 3);
}

/* At most four channels stay planar when only convolutions read them. */
static void conv_planar(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = kinput(k, kmap_shape(k, 4, n_spatial, n_spatial == 3 ? 5 : 13));
    int64_t n = krange(k, 1, 3);
    for (int64_t i = 0; i < n; i++)
        koutput(k, kconv(k, x, kchannels(k, 40), krange(k, 1, 4), 0, kwindow(k, n_spatial)));
    if (kchance(k, 3))
        koutput(k, krelu(k, x)); /* no longer only convolutions */
}

/* Maps of one pixel, row or column, with more padding than map. */
static void conv_pixel(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 40, n_spatial, 1);
    if (n_spatial > 1 && kchance(k, 2))
        shape.dim[2 + krange(k, 0, n_spatial - 1)] = kextent(k, 7);
    tf2_tensor_id x = source(k, shape);
    if (kchance(k, 2))
        x = knode(k, TF2_OP_IDENTITY, NULL, KIN(x));
    tf2_tensor_id y = kconv(k, x, kchannels(k, 40), krange(k, 1, 5), 0, kwindow(k, n_spatial));
    koutput(k, kchance(k, 2) ? kconv_same(k, y, kchannels(k, 9)) : y);
}

/* Numbers of pixels and output channels on both sides of every tile shape. */
static void conv_tiles(struct kgraph *k)
{
    static const int64_t vectors[] = {1, 2, 3, 4, 6, 8};
    int64_t vw = (int64_t)4 << krange(k, 0, 2);
    int64_t n_out = vw * vectors[krange(k, 0, 5)] + krange(k, -1, 1);
    int64_t n_pixels = kchance(k, 2) ? krange(k, 1, 15) : krange(k, 1, 60) * krange(k, 1, 3);
    tf2_tensor_id x = kinput(k, KSHAPE(krange(k, 1, 2), krange(k, 1, 9), n_pixels));
    koutput(k, kconv(k, x, n_out > 0 ? n_out : 1, krange(k, 1, 2), 0, (struct tf2_window){0}));
}

/* Long rows and many taps: several strips per launch. */
static void conv_strips(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, KSHAPE(1, krange(k, 3, 24), krange(k, 20, 40), krange(k, 9, 30)));
    koutput(k, kconv_same(k, x, krange(k, 3, 24)));
}

static void conv_group(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    int64_t group = krange(k, 2, 9), in = krange(k, 1, 5), out = kchannels(k, 33);
    struct tf2_shape shape = kmap_shape(k, 1, n_spatial, n_spatial == 3 ? 4 : 9);
    shape.dim[1] = group * in;
    tf2_tensor_id x = source(k, shape);
    koutput(k, kconv(k, x, group * cap(out, 70 / group), krange(k, 1, 3), group, kwindow(k, n_spatial)));
}

/* One input channel per group, one or more output channels. */
static void conv_depthwise(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 70, n_spatial, n_spatial == 3 ? 5 : 11);
    int64_t multiplier = kchance(k, 4) ? krange(k, 2, 3) : 1;
    tf2_tensor_id x = source(k, shape);
    tf2_tensor_id y =
        kconv(k, x, shape.dim[1] * multiplier, krange(k, 1, 5), shape.dim[1], kwindow(k, n_spatial));
    if (kchance(k, 3))
        y = knode(k, TF2_OP_ELTWISE, NULL, KIN(y, kchance(k, 2) ? krelu(k, y) : kconstant(k, *kshape(k, y))));
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    koutput(k, y);
}

/* conv + something of its shape, then an activation: what the passes fuse into one step. */
static void conv_residual(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 24, n_spatial, n_spatial == 3 ? 4 : 9);
    tf2_tensor_id x = source(k, shape), other;
    int64_t n_out = kchance(k, 3) ? shape.dim[1] : kchannels(k, 70);
    tf2_tensor_id y = kconv(k, x, n_out, krange(k, 1, 3), 0, kwindow(k, n_spatial));
    struct tf2_shape out = *kshape(k, y);
    switch (krange(k, 0, 5)) {
    case 0:
        other = kinput(k, out); /* the caller's order: not the kernel's */
        break;
    case 1:
        other = kconstant(k, out);
        break;
    case 2:
        other = krelu(k, y); /* needs the sum before the residual */
        break;
    case 3: {
        /* A channel slice: adjacent channels, but not at a multiple of anything. */
        struct tf2_shape wide = out;
        wide.dim[1] += 3;
        other = kslice(k, krelu(k, kinput(k, wide)), 1, 1, 1 + out.dim[1]);
        break;
    }
    case 4:
        other = kconv_1x1(k, krelu(k, kinput(k, out)), n_out);
        break;
    default:
        other = krelu(k, kinput(k, out));
        break;
    }
    struct tf2_eltwise_attr sum = {.kind = kchance(k, 6) ? TF2_ELTWISE_SUB : TF2_ELTWISE_SUM};
    bool swap = kchance(k, 2);
    y = knode(k, TF2_OP_ELTWISE, &sum, KIN(swap ? other : y, swap ? y : other));
    if (!kchance(k, 4))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    koutput(k, y);
    if (kchance(k, 4))
        koutput(k, other);
}

/* Every activation behind a convolution or an inner product. */
static void conv_activation(struct kgraph *k)
{
    static const enum tf2_activation_kind of_positive[] = {
        TF2_ACTIVATION_EXP, TF2_ACTIVATION_LOG, TF2_ACTIVATION_SQRT, TF2_ACTIVATION_POW};
    bool positive = kchance(k, 3);
    k->data = positive ? KDATA_POSITIVE : KDATA_SIGNED;
    enum tf2_activation_kind kind =
        positive ? of_positive[krange(k, 0, 3)] : (enum tf2_activation_kind)krange(k, 1, 9);
    if (kchance(k, 5))
        kind = TF2_ACTIVATION_AFFINE;
    /* Few terms: exponentials stay finite. */
    struct tf2_shape shape = kmap_shape(k, 6, (uint32_t)krange(k, 1, 3), 5);
    tf2_tensor_id x = kinput(k, shape);
    tf2_tensor_id y = kchance(k, 4) ? kconv_same(k, x, kchannels(k, 70)) : kconv_1x1(k, x, kchannels(k, 70));
    koutput(k, kactivation(k, y, kind));
}

/* Two convolutions in a row with different padding each, the first map read by both and by an output. */
static void conv_chain(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 2);
    tf2_tensor_id x = source(k, kmap_shape(k, 20, n_spatial, 9));
    tf2_tensor_id y = kconv(k, x, kchannels(k, 20), 3, 0, kwindow(k, n_spatial));
    tf2_tensor_id z = kconv(k, y, kchannels(k, 20), krange(k, 1, 3), 0, kwindow(k, n_spatial));
    if (kchance(k, 2))
        koutput(k, y);
    koutput(k, z);
    koutput(k, kconv_same(k, y, kchannels(k, 9)));
    if (kchance(k, 2))
        koutput(k, kconv_1x1(k, z, 5));
}

/* Padding of its own node: the passes merge it into the convolution. */
static void conv_pad_node(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 20, n_spatial, 7);
    struct tf2_pad_attr pad = {.n_dims = shape.n_dims};
    for (uint32_t d = 2; d < shape.n_dims; d++) {
        pad.begin[d] = krange(k, 0, 3);
        pad.end[d] = krange(k, 0, 3);
    }
    pad.value = kchance(k, 4) ? 0.5f : 0;
    tf2_tensor_id x = knode(k, TF2_OP_PAD, &pad, KIN(source(k, shape)));
    koutput(k, kconv(k, x, kchannels(k, 33), krange(k, 1, 3), 0, kwindow(k, n_spatial)));
}

/* What is worth transforming: 3x3, enough channels; maps that are no multiple of a tile. */
static void conv_winograd(struct kgraph *k)
{
    static const int64_t widths[] = {8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48};
    int64_t in = widths[krange(k, 0, 10)], out = widths[krange(k, 0, 10)];
    struct tf2_window window = {.auto_pad = TF2_AUTO_PAD_EXPLICIT};
    bool flat = kchance(k, 5);
    struct tf2_shape shape = flat ? KSHAPE(krange(k, 1, 2), in, krange(k, 3, 40))
                                  : KSHAPE(krange(k, 1, 2), in, krange(k, 2, 11), krange(k, 2, 11));
    for (uint32_t d = 0; d < shape.n_dims - 2; d++) {
        window.pad_begin[d] = (int32_t)(kchance(k, 2) ? 1 : krange(k, 0, 3));
        window.pad_end[d] = (int32_t)(kchance(k, 2) ? 1 : krange(k, 0, 3));
    }
    struct tf2_conv_attr attr = {.window = window};
    tf2_tensor_id x = source(k, shape), parts[2];
    if (kchance(k, 3)) /* a part of a wider map: not the whole pixel */
        x = kslice(k, krelu(k, x), 1, krange(k, 0, 3), in - krange(k, 0, 2));
    struct tf2_shape weights = *kshape(k, x);
    weights.dim[0] = out;
    for (uint32_t d = 2; d < weights.n_dims; d++)
        weights.dim[d] = 3;
    tf2_tensor_id w = kconstant(k, weights), b = kchance(k, 3) ? TF2_NO_TENSOR : kconstant(k, KSHAPE(out));
    tf2_tensor_id y = knode_try(k, TF2_OP_CONV, &attr, KIN(x, w, b));
    y = y == TF2_NO_TENSOR ? kconv_same(k, x, out) : y;
    if (kchance(k, 3))
        y = knode(k, TF2_OP_ELTWISE, NULL, KIN(y, krelu(k, kinput(k, *kshape(k, y)))));
    if (kchance(k, 2))
        y = kactivation(k, y, kchance(k, 2) ? TF2_ACTIVATION_RELU : TF2_ACTIVATION_LEAKY_RELU);
    parts[0] = y;
    parts[1] = kconv_1x1(k, y, kchannels(k, 9));
    koutput(k, kchance(k, 3) ? kconcat(k, 1, kchance(k, 2) ? parts : (tf2_tensor_id[]){parts[1], y}, 2) : y);
}

/* Maps large enough for several strips of tiles, the last one shifted back. */
static void conv_large(struct kgraph *k)
{
    int64_t in = krange(k, 12, 34), out = krange(k, 12, 34);
    tf2_tensor_id x = kinput(k, KSHAPE(1, in, krange(k, 40, 66), krange(k, 40, 66)));
    koutput(k, krelu(k, kconv_same(k, krelu(k, x), out)));
}

static tf2_tensor_id gemm(struct kgraph *k, tf2_tensor_id x, uint32_t axis, int64_t n_out)
{
    const struct tf2_shape *shape = kshape(k, x);
    struct tf2_gemm_attr attr = {.axis = (int32_t)axis};
    int64_t n_in = 1;
    for (uint32_t d = axis; d < shape->n_dims; d++)
        n_in *= shape->dim[d];
    if (kchance(k, 3))
        attr.axis -= (int32_t)shape->n_dims;
    tf2_tensor_id w = kconstant(k, KSHAPE(n_out, n_in));
    tf2_tensor_id b = kchance(k, 3) ? TF2_NO_TENSOR : kconstant(k, KSHAPE(n_out));
    return knode(k, TF2_OP_GEMM, &attr, KIN(x, w, b));
}

static void gemm_ranks(struct kgraph *k)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, 1, 5)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 40) : kextent(k, 5);
    tf2_tensor_id x = kinput(k, shape);
    if (kchance(k, 2))
        x = shape.n_dims > 2 && shape.n_dims < 6 && kchance(k, 2) ? ksomething(k, x) : krelu(k, x);
    uint32_t axis = (uint32_t)krange(k, 0, shape.n_dims - 1);
    tf2_tensor_id y = gemm(k, x, axis, kchannels(k, 70));
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    if (kchance(k, 3) && kshape(k, y)->n_dims > 1)
        y = gemm(k, y, kshape(k, y)->n_dims - 1, kchannels(k, 20));
    koutput(k, y);
}

/* The head of a classifier: map, flatten or reshape, inner products. */
static void gemm_head(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = source(k, kmap_shape(k, 20, n_spatial, 5));
    if (kchance(k, 2))
        x = kconv_same(k, x, kchannels(k, 20));
    if (kchance(k, 3))
        x = knode(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, KIN(x));
    else if (kchance(k, 2))
        x = kreshape(k, x, KSHAPE(0, -1));
    tf2_tensor_id y = gemm(k, x, 1, kchannels(k, 70));
    y = gemm(k, krelu(k, y), 1, kchannels(k, 40));
    if (kchance(k, 2)) {
        /* Smaller numbers: softmax multiplies differences. */
        const struct tf2_activation smaller = {.kind = TF2_ACTIVATION_AFFINE, .alpha = 1.0f / 256};
        y = knode(k, TF2_OP_ACTIVATION, &smaller, KIN(y));
        y = knode(k, TF2_OP_SOFTMAX, &(struct tf2_softmax_attr){.axis = 1}, KIN(y));
    }
    koutput(k, y);
}

const struct kfamily families_conv[] = {
    {"conv_1d", conv_1d, 0, 0},
    {"conv_2d", conv_2d, 0, 0},
    {"conv_3d", conv_3d, 0, 0},
    {"conv_planar", conv_planar, 0, 0},
    {"conv_pixel", conv_pixel, 0, 0},
    {"conv_tiles", conv_tiles, 0, 0},
    {"conv_strips", conv_strips, 0, 0},
    {"conv_group", conv_group, 0, 0},
    {"conv_depthwise", conv_depthwise, 0, 0},
    {"conv_residual", conv_residual, 0, 0},
    {"conv_activation", conv_activation, 0, 0},
    {"conv_chain", conv_chain, 0, 0},
    {"conv_pad_node", conv_pad_node, 0, 0},
    {"conv_winograd", conv_winograd, 0, 0},
    {"conv_large", conv_large, 0, 20},
    {"gemm_ranks", gemm_ranks, 0, 0},
    {"gemm_head", gemm_head, 0, 0},
    {0},
};
