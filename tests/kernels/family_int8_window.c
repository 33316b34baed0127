/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_int8_window.c: pools, normalization and resizing on integers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kint8.h"
#include "transform/op/lrn.h"

static tf2_tensor_id some_map(struct kgraph *k, uint32_t n_spatial, int64_t max_extent)
{
    const struct tf2_shape shape = kmap_shape(k, kchance(k, 4) ? 200 : 70, n_spatial, max_extent);
    tf2_tensor_id x = kinput8(k, shape);
    switch (krange(k, 0, 4)) {
    case 0:
        return klookup8(k, x, false);
    case 1:
        return kconv8_same(k, x, kchannels(k, 70));
    case 2:
        if (shape.dim[1] < 2)
            return x;
        return kslice8(
            k, ksomething8(k, x), 1, krange(k, 0, shape.dim[1] / 2 - 1), shape.dim[1] - krange(k, 0, 1));
    default:
        return x;
    }
}

/* A map that a padded convolution reads too, so that it has a halo; and one behind. */
static void finish(struct kgraph *k, tf2_tensor_id x, tf2_tensor_id y)
{
    if (kchance(k, 4) && kshape(k, x)->n_dims >= 3)
        koutput8(k, kconv8_same(k, x, kchannels(k, 9)));
    if (kis_u8(k, y) && kchance(k, 3) && kshape(k, y)->n_dims >= 3)
        y = kconv8_same(k, y, kchannels(k, 9));
    koutput8(k, y);
}

/* --- pools --- */

static void pool(struct kgraph *k, enum tf2_pool_kind kind, uint32_t n_spatial)
{
    tf2_tensor_id x = some_map(k, n_spatial, n_spatial == 3 ? 5 : 13), y = TF2_NO_TENSOR;
    struct tf2_pool_attr attr = {
        .kind = kind,
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .count_include_pad = kchance(k, 2),
        .global = kchance(k, 6)};
    const bool f32 = kchance(k, 4);
    for (int i = 0; i < 500 && y == TF2_NO_TENSOR; i++) {
        attr.window = kwindow(k, n_spatial);
        for (uint32_t d = 0; d < n_spatial; d++)
            attr.window.kernel[d] = (int32_t)krange(k, 1, 4);
        y = kpool8_try(k, &attr, x, f32);
    }
    finish(k, x, y == TF2_NO_TENSOR ? x : y);
}

static void pool_max(struct kgraph *k)
{
    pool(k, TF2_POOL_MAX, (uint32_t)krange(k, 1, 2));
}

static void pool_avg(struct kgraph *k)
{
    pool(k, TF2_POOL_AVG, (uint32_t)krange(k, 1, 2));
}

static void pool_3d(struct kgraph *k)
{
    pool(k, (enum tf2_pool_kind)krange(k, 0, 1), 3);
}

/* The pools of networks: 3x3 and 2x2, many channels, padding or a last window that hangs over. */
static void pool_usual(struct kgraph *k)
{
    const int32_t kernel = (int32_t)krange(k, 2, 3), stride = (int32_t)krange(k, 1, 2);
    const int32_t pad = (int32_t)krange(k, 0, 1);
    const bool unusual = kchance(k, 3); /* columns unlike rows */
    const struct tf2_pool_attr attr = {
        .kind = kchance(k, 3) ? TF2_POOL_AVG : TF2_POOL_MAX,
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .window = {
            .kernel = {kernel, unusual ? (int32_t)krange(k, 2, 4) : kernel},
            .stride = {stride, unusual ? (int32_t)krange(k, 1, 4) : stride},
            .dilation = {1, unusual ? (int32_t)krange(k, 1, 2) : 1},
            .pad_begin = {pad, pad},
            .pad_end = {pad, pad}}};
    const struct tf2_shape shape = KSHAPE(1, kchannels(k, 70), krange(k, 4, 14), krange(k, 7, 14));
    tf2_tensor_id x = kconv8_1x1(k, kinput8(k, shape), kchannels(k, 70) + (kchance(k, 2) ? 64 : 0));
    const struct tf2__quant quant = *kquant_of(k, x);
    finish(k, x, knode8(k, TF2_OP_POOL, &attr, KIN(x), NULL, &quant));
}

static void pool_global(struct kgraph *k)
{
    const struct tf2_pool_attr attr = {.kind = (enum tf2_pool_kind)krange(k, 0, 1), .global = true};
    tf2_tensor_id x = some_map(k, (uint32_t)krange(k, 1, 3), 6);
    tf2_tensor_id y = kpool8_try(k, &attr, x, kchance(k, 3));
    if (kis_u8(k, y) && kchance(k, 2))
        y = kmove8(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, y);
    else if (kis_u8(k, y) && kchance(k, 2))
        y = kconv8_1x1(k, y, kchannels(k, 33));
    koutput8(k, y);
}

/* Averages in the middle of two steps of the output, if nothing were rounded. */
static void pool_ties(struct kgraph *k)
{
    const int32_t kernel = (int32_t)krange(k, 2, 7);
    const struct tf2_pool_attr attr = {.kind = TF2_POOL_AVG, .window = {.kernel = {kernel, kernel}}};
    tf2_tensor_id x = kinput8(k, KSHAPE(1, kchannels(k, 40), krange(k, 7, 12), krange(k, 7, 12)));
    struct tf2__quant quant = kquant(k, 1);
    quant.scale =
        (float)((double)kquant_of(k, x)->scale / (kernel * kernel) * (double)(2 * krange(k, 1, 30)));
    koutput8(k, knode8(k, TF2_OP_POOL, &attr, KIN(x), NULL, &quant));
}

/* --- normalization --- */

static void normalize(struct kgraph *k, bool curve)
{
    static const float betas[] = {0.75f, 0.5f, 1, 0.6f};
    const struct tf2_lrn_attr attr = {
        .region = TF2_LRN_ACROSS_CHANNELS,
        .size = (int32_t)(kchance(k, 2) ? 5 : 2 * krange(k, 0, 4) + 1),
        .alpha = kuniform(k, 0.01f, 1),
        .beta = betas[krange(k, 0, 3)],
        .k = kuniform(k, 0.5f, 2)};
    const int64_t n_table = curve ? TF2__LRN_CURVE : (int64_t)1 << krange(k, 8, 13);
    tf2_tensor_id x = kchance(k, 3) ? kinput8(k, KSHAPE(krange(k, 1, 3), kchannels(k, 270)))
                                    : some_map(k, (uint32_t)krange(k, 1, 3), 5);
    finish(k, x, klrn8(k, x, &attr, n_table));
}

static void lrn_table(struct kgraph *k)
{
    normalize(k, false);
}

static void lrn_curve(struct kgraph *k)
{
    normalize(k, true);
}

/* --- resizing --- */

static void resize(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = some_map(k, n_spatial, n_spatial == 3 ? 4 : 9), y = TF2_NO_TENSOR;
    struct tf2_resize_attr attr = {
        .coordinates = (enum tf2_resize_coordinates)krange(k, 0, 4),
        .nearest = (enum tf2_resize_nearest)krange(k, 0, 3)};
    for (int i = 0; i < 100 && y == TF2_NO_TENSOR; i++) {
        for (uint32_t d = 0; d < n_spatial; d++) {
            const bool sized = kchance(k, 2);
            attr.size[d] = sized ? krange(k, 1, n_spatial == 3 ? 6 : 14) : 0;
            attr.scale[d] = sized ? 0 : kchance(k, 2) ? (float)krange(k, 1, 3) : kuniform(k, 0.3f, 2.5f);
        }
        y = kmove8_try(k, TF2_OP_RESIZE, &attr, x);
    }
    finish(k, x, y == TF2_NO_TENSOR ? x : y);
}

const struct kfamily8 families8_window[] = {
    {.name = "int8_pool_max", .build = pool_max},
    {.name = "int8_pool_avg", .build = pool_avg},
    {.name = "int8_pool_3d", .build = pool_3d},
    {.name = "int8_pool_usual", .build = pool_usual},
    {.name = "int8_pool_ties", .build = pool_ties},
    {.name = "int8_pool_global", .build = pool_global},
    {.name = "int8_lrn_table", .build = lrn_table},
    {.name = "int8_lrn_curve", .build = lrn_curve},
    {.name = "int8_resize", .build = resize, .may_refuse = true},
    {0},
};
