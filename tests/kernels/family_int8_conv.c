/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_int8_conv.c: convolutions, also transposed, and inner products on integers: windows, groups, residuals, zero points,
 * numbers at the ends of their ranges, shapes at the edges of tiles.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "kint8.h"

/* The quantized input itself, or a map that was computed, moved, or put together. */
static tf2_tensor_id source(struct kgraph *k, struct tf2_shape shape)
{
    struct tf2_shape wide = shape;
    tf2_tensor_id x;
    switch (krange(k, 0, 7)) {
    case 0:
        return kconv8_1x1(k, kinput8(k, shape), shape.dim[1]);
    case 1:
        return klookup8(k, kinput8(k, shape), false);
    case 2:
        return kmove8(k, TF2_OP_IDENTITY, NULL, kinput8(k, shape));
    case 3:
        wide.dim[1] += krange(k, 1, 5);
        return kslice8(k, kinput8(k, wide), 1, wide.dim[1] - shape.dim[1], wide.dim[1]);
    case 4:
        if (shape.dim[1] < 2)
            return kinput8(k, shape);
        wide.dim[1] = krange(k, 1, shape.dim[1] - 1);
        x = kinput8(k, wide);
        wide.dim[1] = shape.dim[1] - wide.dim[1];
        return kconcat8(k, 1, KIN(x, ksomething8(k, kinput8(k, wide))), kquant_of(k, x));
    default:
        return kinput8(k, shape);
    }
}

static void conv_dims(struct kgraph *k, uint32_t n_spatial, int64_t max_extent, int64_t max_kernel)
{
    struct tf2_shape shape = kmap_shape(k, kchance(k, 3) ? 70 : 20, n_spatial, max_extent);
    tf2_tensor_id x = source(k, shape);
    const struct kconv8 c = {
        .n_out = kchannels(k, shape.dim[1] > 24 ? 24 : 70),
        .kernel = krange(k, 1, max_kernel),
        .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, x, &c));
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

/* Kernels of one, over maps of all sizes: pixels that are equally far apart, or not (strides, slices, halos).
 */
static void conv_pointwise(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = source(k, kmap_shape(k, 70, n_spatial, n_spatial == 3 ? 5 : 11));
    struct kconv8 c = {.n_out = kchannels(k, 70), .kernel = 1};
    for (uint32_t d = 0; d < n_spatial; d++)
        c.window.stride[d] = (int32_t)(kchance(k, 4) ? krange(k, 1, 3) : 1);
    if (kchance(k, 4))
        koutput8(k, kconv8_same(k, x, 5)); /* now x has a halo */
    koutput8(k, kconv8(k, x, &c));
}

/* Maps of one pixel, row or column, with more padding than map. */
static void conv_pixel(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 40, n_spatial, 1);
    if (n_spatial > 1 && kchance(k, 2))
        shape.dim[2 + krange(k, 0, n_spatial - 1)] = kextent(k, 7);
    const struct kconv8 c = {
        .n_out = kchannels(k, 40),
        .kernel = krange(k, 1, 5),
        .window = kwindow(k, n_spatial),
        .no_f32 = true};
    tf2_tensor_id y = kconv8(k, source(k, shape), &c);
    koutput8(k, kchance(k, 2) ? kconv8_same(k, y, kchannels(k, 9)) : y);
}

/* Numbers of pixels and output channels on both sides of every tile shape. */
static void conv_tiles(struct kgraph *k)
{
    static const int64_t vectors[] = {1, 2, 3, 4, 6, 8};
    const int64_t lanes = (int64_t)4 << krange(k, 0, 2);
    const int64_t n_out = lanes * vectors[krange(k, 0, 5)] + krange(k, -1, 1);
    const int64_t n_pixels = kchance(k, 2) ? krange(k, 1, 35) : krange(k, 1, 60) * krange(k, 1, 3);
    const struct kconv8 c = {.n_out = n_out, .kernel = krange(k, 1, 2)};
    koutput8(k, kconv8(k, kinput8(k, KSHAPE(krange(k, 1, 2), kchannels(k, 70), n_pixels)), &c));
}

/* Many taps and many pixels: several chunks of tiles, several blocks of channels. */
static void conv_large(struct kgraph *k)
{
    tf2_tensor_id x = kinput8(k, KSHAPE(1, krange(k, 40, 70), krange(k, 30, 42), krange(k, 30, 42)));
    const struct kconv8 c = {
        .n_out = krange(k, 30, 70),
        .kernel = 3,
        .exact_kernel = true,
        .window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    koutput8(k, kconv8(k, x, &c));
}

/* More inputs than 4096 for an output. */
static void conv_wide(struct kgraph *k)
{
    const struct tf2_shape shape =
        KSHAPE(krange(k, 1, 2), krange(k, 460, 600), krange(k, 1, 6), krange(k, 1, 6));
    const struct kconv8 c = {
        .n_out = kchannels(k, 33),
        .kernel = 3,
        .exact_kernel = true,
        .extreme = kchance(k, 2),
        .window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    koutput8(k, kconv8(k, kinput8(k, shape), &c));
}

/* A few channels of many: most of what lies between the first and the last input is not read. */
static void conv_part(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 1, n_spatial, n_spatial == 3 ? 4 : 9);
    shape.dim[1] = krange(k, 40, 90);
    tf2_tensor_id x = kinput8(k, shape);
    if (kchance(k, 2))
        x = kconv8_same(k, x, shape.dim[1]);
    const int64_t begin = krange(k, 0, 30);
    const struct kconv8 c = {
        .n_out = kchannels(k, 30), .kernel = krange(k, 1, 3), .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, kslice8(k, x, 1, begin, begin + krange(k, 1, 17)), &c));
    if (kchance(k, 2))
        koutput8(k, kconv8_same(k, x, kchannels(k, 9)));
}

/* 3x3 in steps of one, where a transform may pay: maps that tiles of 2 and of 4 cover, or not. */
static void conv_winograd(struct kgraph *k)
{
    struct tf2_shape shape =
        KSHAPE(krange(k, 1, 2), krange(k, 8, 70), krange(k, 3, 21), krange(k, 3, 21));
    struct kconv8 c = {
        .n_out = kchance(k, 2) ? 8 * krange(k, 1, 8) : krange(k, 8, 70),
        .kernel = 3,
        .exact_kernel = true,
        .extreme = kchance(k, 3),
        .residual = kchance(k, 3),
        .wrap = kchance(k, 6)};
    for (int d = 0; d < 2; d++) {
        c.window.pad_begin[d] = (int32_t)krange(k, 0, 2);
        c.window.pad_end[d] = (int32_t)krange(k, 0, 2);
    }
    koutput8(k, kconv8(k, source(k, shape), &c));
}

/* Where it pays even beside instructions for bytes. */
static void conv_winograd_large(struct kgraph *k)
{
    tf2_tensor_id x = kinput8(k, KSHAPE(1, krange(k, 112, 140), krange(k, 17, 20), krange(k, 17, 20)));
    const struct kconv8 c = {
        .n_out = krange(k, 113, 130),
        .kernel = 3,
        .exact_kernel = true,
        .extreme = kchance(k, 3),
        .residual = kchance(k, 2),
        .window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    koutput8(k, kconv8(k, x, &c));
}

/* The same with inputs of 255 and weights of one sign: sums on both sides of 2^25 and 2^29, which such transforms
 * bear with. */
static void conv_winograd_bound(struct kgraph *k)
{
    const struct tf2__quant saturated = {.scale = 1e-12f};
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    const bool many = kchance(k, 3);
    const int64_t channels = many ? krange(k, 1822, 1848) : krange(k, 106, 124), extent = krange(k, 4, many ? 6 : 9);
    const tf2_tensor_id x = kinput8(k, KSHAPE(1, channels, extent, extent));
    const tf2_tensor_id square = knode8(k, TF2_OP_ELTWISE, &product, KIN(x, x), NULL, &saturated);
    const struct kconv8 c = {
        .n_out = many ? 8 : krange(k, 8, 24),
        .kernel = 3,
        .exact_kernel = true,
        .one_sign = true,
        .f32 = !kchance(k, 3),
        .window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    koutput8(k, kconv8(k, square, &c));
}

static void conv_group(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    const int64_t group = krange(k, 2, 9), out = kchannels(k, 70 / group);
    struct tf2_shape shape = kmap_shape(k, 1, n_spatial, n_spatial == 3 ? 4 : 9);
    shape.dim[1] = group * (kchance(k, 4) ? krange(k, 6, 20) : krange(k, 1, 5));
    const struct kconv8 c = {
        .n_out = group * out, .kernel = krange(k, 1, 3), .group = group, .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, source(k, shape), &c));
}

/* One input channel per group, one or more output channels. */
static void conv_depthwise(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 70, n_spatial, n_spatial == 3 ? 5 : 11);
    const int64_t multiplier = kchance(k, 4) ? krange(k, 2, 3) : 1;
    const struct kconv8 c = {
        .n_out = shape.dim[1] * multiplier,
        .kernel = krange(k, 1, 5),
        .group = shape.dim[1],
        .extreme = kchance(k, 4),
        .wrap = kchance(k, 8),
        .window = kwindow(k, n_spatial)};
    tf2_tensor_id y = kconv8(k, source(k, shape), &c);
    koutput8(k, kis_u8(k, y) && kchance(k, 3) ? kconv8_1x1(k, y, kchannels(k, 20)) : y);
}

/* Several images of a depthwise network's first layers: 3x3, strides 1 and 2. */
static void conv_depthwise_3x3(struct kgraph *k)
{
    const struct tf2_shape shape = KSHAPE(1, kchannels(k, 70), krange(k, 3, 20), krange(k, 3, 20));
    struct kconv8 c = {.n_out = shape.dim[1], .kernel = 3, .exact_kernel = true, .group = shape.dim[1]};
    const int32_t stride = (int32_t)krange(k, 1, 2);
    for (int d = 0; d < 2; d++) {
        c.window.stride[d] = stride;
        c.window.pad_begin[d] = (int32_t)krange(k, 0, 1);
        c.window.pad_end[d] = (int32_t)krange(k, 0, 1);
    }
    koutput8(k, kconv8(k, kconv8_1x1(k, kinput8(k, shape), shape.dim[1]), &c));
}

static void conv_residual(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 24, n_spatial, n_spatial == 3 ? 4 : 9);
    const struct kconv8 c = {
        .n_out = kchance(k, 3) ? shape.dim[1] : kchannels(k, 70),
        .kernel = krange(k, 1, 3),
        .residual = true,
        .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, source(k, shape), &c));
}

/* x + f(x), twice: as residual networks have it. The first sum is read three times. */
static void conv_block(struct kgraph *k)
{
    const struct tf2_shape shape = KSHAPE(1, kchannels(k, 40), krange(k, 2, 9), krange(k, 2, 9));
    tf2_tensor_id x = ksomething8(k, kinput8(k, shape));
    for (int i = 0; i < 2; i++) {
        const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
        tf2_tensor_id y = kconv8_same(k, kconv8_1x1(k, x, kchannels(k, 20)), shape.dim[1]);
        x = keltwise8(k, &sum, KIN(x, y));
    }
    koutput8(k, x);
}

static void conv_float_output(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = source(k, kmap_shape(k, 70, n_spatial, n_spatial == 3 ? 5 : 9));
    const struct kconv8 c = {
        .n_out = kchannels(k, 70), .kernel = krange(k, 1, 3), .f32 = true, .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, x, &c));
}

/* Weights -128 and 127, and sums that wrap around. */
static void conv_extreme(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 2);
    tf2_tensor_id x = source(k, kmap_shape(k, 70, n_spatial, 9));
    const struct kconv8 c = {
        .n_out = kchannels(k, 40),
        .kernel = krange(k, 1, 3),
        .extreme = true,
        .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, x, &c));
}

static void conv_wrap(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 2);
    tf2_tensor_id x = source(k, kmap_shape(k, 70, n_spatial, 9));
    const struct kconv8 c = {
        .n_out = kchannels(k, 40),
        .kernel = krange(k, 1, 3),
        .extreme = kchance(k, 2),
        .wrap = true,
        .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, x, &c));
}

/* A float input, quantized with an offset and a zero point for each channel. */
static tf2_tensor_id by_channel(struct kgraph *k, struct tf2_shape shape)
{
    struct tf2__quant quant = kquant(k, 1.0 / 64);
    uint8_t *zero_points = tf2__arena_alloc(&k->graph->arena, (size_t)shape.dim[1], 1);
    assert_non_null(zero_points);
    for (int64_t c = 0; c < shape.dim[1]; c++)
        zero_points[c] = (uint8_t)kquant(k, 1).zero_point;
    if (!kchance(k, 4))
        quant.channel_zero_point = zero_points;
    tf2_tensor_id x = kinput(k, shape);
    tf2_tensor_id offset = kchance(k, 2) ? kconstant(k, KSHAPE(shape.dim[1])) : TF2_NO_TENSOR;
    return knode8(k, TF2_OP_QUANTIZE, NULL, KIN(x, offset), NULL, &quant);
}

/* Padding is another number in each channel. */
static void conv_channel_zero(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = by_channel(k, kmap_shape(k, 40, n_spatial, n_spatial == 3 ? 5 : 9));
    const int64_t channels = kshape(k, x)->dim[1], group = kchance(k, 4) ? channels : 1;
    const int64_t n = krange(k, 1, 2);
    for (int64_t i = 0; i < n; i++) {
        const struct kconv8 c = {
            .n_out = group > 1 ? channels : kchannels(k, 40),
            .group = group,
            .kernel = krange(k, 1, 4),
            .window = kwindow(k, n_spatial)};
        koutput8(k, kconv8(k, x, &c));
    }
}

/* The first layer of nearly every network. */
static void conv_rgb(struct kgraph *k)
{
    tf2_tensor_id x = by_channel(k, KSHAPE(krange(k, 1, 2), 3, krange(k, 5, 24), krange(k, 5, 40)));
    struct kconv8 c = {.n_out = kchannels(k, 64), .kernel = 2 * krange(k, 1, 3) + 1, .exact_kernel = true};
    const int32_t stride = (int32_t)krange(k, 1, 2), pad = (int32_t)krange(k, 0, c.kernel / 2);
    for (int d = 0; d < 2; d++) {
        c.window.stride[d] = stride;
        c.window.pad_begin[d] = c.window.pad_end[d] = pad;
    }
    koutput8(k, kconv8(k, x, &c));
}

/* Two convolutions with different padding each, the first map read by both and by an output. */
static void conv_chain(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 2);
    tf2_tensor_id x = source(k, kmap_shape(k, 20, n_spatial, 9));
    const struct kconv8 first = {
        .n_out = kchannels(k, 20), .kernel = 3, .no_f32 = true, .window = kwindow(k, n_spatial)};
    tf2_tensor_id y = kconv8(k, x, &first);
    const struct kconv8 second = {
        .n_out = kchannels(k, 20),
        .kernel = krange(k, 1, 3),
        .no_f32 = true,
        .window = kwindow(k, n_spatial)};
    tf2_tensor_id z = kconv8(k, y, &second);
    if (kchance(k, 2))
        koutput8(k, y);
    koutput8(k, z);
    koutput8(k, kconv8_same(k, y, kchannels(k, 9)));
}

/* Channels taken in steps or backwards: no four of them lie together. */
static void conv_strided_channels(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = ksomething8(k, kinput8(k, kmap_shape(k, 40, n_spatial, n_spatial == 3 ? 4 : 7)));
    struct tf2_slice_attr attr = {.n_dims = 2 + n_spatial};
    for (uint32_t d = 0; d < attr.n_dims; d++)
        attr.end[d] = INT64_MAX;
    attr.step[1] = krange(k, 1, 3);
    if (kchance(k, 2)) {
        attr.begin[1] = -1;
        attr.end[1] = INT64_MIN;
        attr.step[1] = -attr.step[1];
    }
    if (kchance(k, 2))
        attr.step[2] = 2;
    x = kmove8(k, TF2_OP_SLICE, &attr, x);
    const struct kconv8 c = {
        .n_out = kchannels(k, 20), .kernel = krange(k, 1, 3), .window = kwindow(k, n_spatial)};
    koutput8(k, kconv8(k, x, &c));
}

/* --- inner products --- */

static void gemm_ranks(struct kgraph *k)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, 1, 5)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 40) : kextent(k, 5);
    tf2_tensor_id x = kinput8(k, shape);
    if (kchance(k, 2))
        x = ksomething8(k, x);
    const int32_t axis = (int32_t)krange(k, 0, shape.n_dims - 1);
    tf2_tensor_id y = kgemm8(
        k, x, kchance(k, 3) ? axis - (int32_t)shape.n_dims : axis, kchannels(k, 70), kchance(k, 3),
        kchance(k, 4));
    if (kis_u8(k, y) && kchance(k, 3))
        y = kgemm8(k, y, -1, kchannels(k, 20), kchance(k, 2), false);
    koutput8(k, y);
}

/* The head of a classifier: map, flatten or reshape, inner products. */
static void gemm_head(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = source(k, kmap_shape(k, 20, n_spatial, 5));
    if (kchance(k, 2))
        x = kconv8_same(k, x, kchannels(k, 20));
    if (kchance(k, 3))
        x = kmove8(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, x);
    else if (kchance(k, 2))
        x = kmove8(k, TF2_OP_RESHAPE, &(struct tf2_reshape_attr){.n_dims = 2, .dim = {0, -1}}, x);
    koutput8(k, kgemm8(k, kgemm8(k, x, 1, kchannels(k, 70), false, false), 1, kchannels(k, 40), true, false));
}

static void gemm_wide(struct kgraph *k)
{
    tf2_tensor_id x =
        kinput8(k, KSHAPE(kchance(k, 3) ? krange(k, 14, 34) : krange(k, 1, 3), krange(k, 4000, 5000)));
    koutput8(k, kgemm8(k, x, 1, kchannels(k, 40), kchance(k, 2), kchance(k, 2)));
}

/* --- transposed convolutions --- */

static tf2_tensor_id deconv(struct kgraph *k, tf2_tensor_id x, int64_t n_out, int64_t kernel, int64_t group)
{
    struct tf2_conv_transpose_attr attr = {.group = (int32_t)group};
    struct tf2_shape shape = *kshape(k, x);
    const uint32_t n_spatial = shape.n_dims - 2;
    attr.window = kwindow(k, n_spatial);
    shape.dim[0] = n_out;
    shape.dim[1] /= group;
    for (uint32_t d = 0; d < n_spatial; d++) {
        attr.window.stride[d] = (int32_t)krange(k, 1, n_spatial == 3 ? 2 : 3);
        attr.output_pad[d] = (int32_t)(kchance(k, 3) ? krange(k, 0, 2) : 0);
        shape.dim[2 + d] = krange(k, 1, kernel);
    }
    tf2_tensor_id w = kweights8(k, shape, kchance(k, 8));
    const double size = 127 * 60 * sqrt((double)tf2_shape_count(&shape) / (double)n_out);
    const double unit = (double)kquant_of(k, x)->scale * tf2__quant_scale(kquant_of(k, w), 0);
    tf2_tensor_id b = kchance(k, 3) ? TF2_NO_TENSOR : kbias8(k, n_out, size);
    const bool f32 = kchance(k, 5);
    const struct tf2__quant quant = kquant_ties(k, fmin(fmax(unit * size / 100, 1e-5), 1e5), unit);
    const struct tf2_activation activation = kactivation8(k, quant.scale);
    for (;;) {
        tf2_tensor_id y =
            knode8_try(k, TF2_OP_CONV_TRANSPOSE, &attr, KIN(x, w, b), &activation, f32 ? NULL : &quant);
        if (y != TF2_NO_TENSOR)
            return y;
        for (uint32_t d = 0; d < n_spatial; d++) { /* less is cut off */
            attr.window.pad_begin[d] /= 2;
            attr.window.pad_end[d] /= 2;
        }
    }
}

static void deconv_any(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = source(k, kmap_shape(k, kchance(k, 3) ? 70 : 20, n_spatial, n_spatial == 3 ? 4 : 9));
    tf2_tensor_id y = deconv(k, x, kchannels(k, 40), 4, 1);
    koutput8(k, kis_u8(k, y) && kchance(k, 3) ? kconv8_same(k, y, kchannels(k, 9)) : y);
}

static void deconv_group(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    const int64_t group = krange(k, 2, 6);
    struct tf2_shape shape = kmap_shape(k, 1, n_spatial, n_spatial == 3 ? 3 : 7);
    shape.dim[1] = group * krange(k, 1, 9);
    koutput8(k, deconv(k, source(k, shape), group * kchannels(k, 9), 3, group));
}

static void deconv_depthwise(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 40, n_spatial, n_spatial == 3 ? 3 : 7);
    shape.dim[1] += shape.dim[1] == 1;
    koutput8(k, deconv(k, source(k, shape), shape.dim[1], 4, shape.dim[1]));
}

const struct kfamily8 families8_conv[] = {
    {.name = "int8_conv_1d", .build = conv_1d},
    {.name = "int8_conv_2d", .build = conv_2d},
    {.name = "int8_conv_3d", .build = conv_3d},
    {.name = "int8_conv_pointwise", .build = conv_pointwise},
    {.name = "int8_conv_pixel", .build = conv_pixel},
    {.name = "int8_conv_tiles", .build = conv_tiles},
    {.name = "int8_conv_large", .build = conv_large, .slow = 25},
    {.name = "int8_conv_wide", .build = conv_wide, .slow = 10},
    {.name = "int8_conv_part", .build = conv_part},
    {.name = "int8_conv_winograd", .build = conv_winograd},
    {.name = "int8_conv_winograd_large", .build = conv_winograd_large, .slow = 20},
    {.name = "int8_conv_winograd_bound", .build = conv_winograd_bound, .slow = 4},
    {.name = "int8_conv_group", .build = conv_group},
    {.name = "int8_conv_depthwise", .build = conv_depthwise},
    {.name = "int8_conv_depthwise_3x3", .build = conv_depthwise_3x3},
    {.name = "int8_conv_residual", .build = conv_residual},
    {.name = "int8_conv_block", .build = conv_block},
    {.name = "int8_conv_float_output", .build = conv_float_output},
    {.name = "int8_conv_extreme", .build = conv_extreme},
    {.name = "int8_conv_wrap", .build = conv_wrap},
    {.name = "int8_conv_channel_zero", .build = conv_channel_zero},
    {.name = "int8_conv_rgb", .build = conv_rgb},
    {.name = "int8_conv_chain", .build = conv_chain},
    {.name = "int8_conv_strided_channels", .build = conv_strided_channels},
    {.name = "int8_deconv", .build = deconv_any},
    {.name = "int8_deconv_group", .build = deconv_group},
    {.name = "int8_deconv_depthwise", .build = deconv_depthwise},
    {.name = "int8_gemm_ranks", .build = gemm_ranks},
    {.name = "int8_gemm_head", .build = gemm_head},
    {.name = "int8_gemm_wide", .build = gemm_wide, .slow = 5},
    {0},
};
