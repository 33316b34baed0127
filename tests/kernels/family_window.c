/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_window.c: pooling, local response normalization, softmax, resizing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "families.h"

/* A map that is the input, or computed; sometimes a part of a wider one. */
static tf2_tensor_id some_map(struct kgraph *k, uint32_t n_spatial, int64_t max_extent)
{
    struct tf2_shape shape = kmap_shape(k, 40, n_spatial, max_extent);
    tf2_tensor_id x = kinput(k, shape);
    switch (krange(k, 0, 4)) {
    case 0:
        return krelu(k, x);
    case 1:
        return kconv_same(k, x, kchannels(k, 20));
    case 2:
        if (shape.dim[1] < 2)
            return x;
        return kslice(k, krelu(k, x), 1, krange(k, 0, shape.dim[1] / 2 - 1), shape.dim[1] - krange(k, 0, 1));
    default:
        return x;
    }
}

/* A computed map that a padded convolution reads too, so that it has a halo; or one without spatial
 * neighbours. */
static void finish(struct kgraph *k, tf2_tensor_id x, tf2_tensor_id y)
{
    if (kchance(k, 4))
        koutput(k, kconv_same(k, x, kchannels(k, 9)));
    if (kchance(k, 3) && kshape(k, y)->n_dims >= 3)
        y = kconv_same(k, y, kchannels(k, 9));
    else if (kchance(k, 3))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 7));
    koutput(k, y);
}

static void pool(struct kgraph *k, enum tf2_pool_kind kind, uint32_t n_spatial)
{
    tf2_tensor_id x = some_map(k, n_spatial, n_spatial == 3 ? 5 : 13), y = TF2_NO_TENSOR;
    struct tf2_pool_attr attr = {
        .kind = kind,
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .count_include_pad = kchance(k, 2),
        .global = kchance(k, 6)};
    for (int i = 0; i < 500 && y == TF2_NO_TENSOR; i++) {
        attr.window = kwindow(k, n_spatial);
        for (uint32_t d = 0; d < n_spatial; d++)
            attr.window.kernel[d] = kchance(k, 8) ? 0 : (int32_t)krange(k, 1, 4);
        y = knode_try(k, TF2_OP_POOL, &attr, KIN(x));
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

static void pool_global(struct kgraph *k)
{
    const struct tf2_pool_attr attr = {.kind = (enum tf2_pool_kind)krange(k, 0, 1), .global = true};
    tf2_tensor_id x = some_map(k, (uint32_t)krange(k, 1, 3), 6);
    tf2_tensor_id y = knode(k, TF2_OP_POOL, &attr, KIN(x));
    if (kchance(k, 2))
        y = knode(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, KIN(y));
    else if (kchance(k, 2))
        y = kconv_1x1(k, y, kchannels(k, 33));
    koutput(k, y);
}

static struct tf2_lrn_attr lrn_attr(struct kgraph *k, enum tf2_lrn_region region)
{
    static const float betas[] = {0.75f, 0.5f, 1, 0.6f};
    return (struct tf2_lrn_attr){
        .region = region,
        .size = (int32_t)(2 * krange(k, 0, 4) + 1),
        .alpha = kuniform(k, 0.01f, 1),
        .beta = betas[krange(k, 0, 3)],
        .k = kuniform(k, 0.5f, 2)};
}

static void lrn_across(struct kgraph *k)
{
    const struct tf2_lrn_attr attr = lrn_attr(k, TF2_LRN_ACROSS_CHANNELS);
    if (kchance(k, 5)) {
        tf2_tensor_id x = kinput(k, KSHAPE(krange(k, 1, 3), kchannels(k, 70)));
        koutput(k, knode(k, TF2_OP_LRN, &attr, KIN(x)));
        return;
    }
    tf2_tensor_id x = some_map(k, (uint32_t)krange(k, 1, 3), 5);
    finish(k, x, knode(k, TF2_OP_LRN, &attr, KIN(x)));
}

static void lrn_within(struct kgraph *k)
{
    const struct tf2_lrn_attr attr = lrn_attr(k, TF2_LRN_WITHIN_CHANNEL);
    tf2_tensor_id x = some_map(k, 2, 7);
    finish(k, x, knode(k, TF2_OP_LRN, &attr, KIN(x)));
}

static void softmax(struct kgraph *k)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, 1, 6)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 40) : kextent(k, shape.n_dims > 4 ? 3 : 7);
    tf2_tensor_id x = kinput(k, shape);
    bool map = shape.n_dims >= 3 && shape.n_dims <= 5;
    if (kchance(k, 2))
        x = map && kchance(k, 2) ? kconv_1x1(k, x, kchannels(k, 20)) : krelu(k, x);
    if (map && kchance(k, 4))
        koutput(k, kconv_same(k, x, 5));
    int32_t n = (int32_t)shape.n_dims;
    const struct tf2_softmax_attr attr = {
        .axis = (int32_t)krange(k, -n, n - 1), .flatten = kchance(k, 3), .log = kchance(k, 3)};
    tf2_tensor_id y = knode(k, TF2_OP_SOFTMAX, &attr, KIN(x));
    if (kchance(k, 4))
        y = kactivation(k, y, TF2_ACTIVATION_AFFINE);
    koutput(k, y);
}

static void resize(struct kgraph *k)
{
    uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    tf2_tensor_id x = some_map(k, n_spatial, n_spatial == 3 ? 4 : 9), y = TF2_NO_TENSOR;
    struct tf2_resize_attr attr = {
        .mode = (enum tf2_resize_mode)krange(k, 0, 1),
        .coordinates = (enum tf2_resize_coordinates)krange(k, 0, 4),
        .nearest = (enum tf2_resize_nearest)krange(k, 0, 3)};
    for (int i = 0; i < 100 && y == TF2_NO_TENSOR; i++) {
        for (uint32_t d = 0; d < n_spatial; d++) {
            bool sized = kchance(k, 2);
            attr.size[d] = sized ? krange(k, 1, n_spatial == 3 ? 6 : 14) : 0;
            attr.scale[d] = sized ? 0 : kchance(k, 2) ? (float)krange(k, 1, 3) : kuniform(k, 0.3f, 2.5f);
        }
        y = knode_try(k, TF2_OP_RESIZE, &attr, KIN(x));
    }
    finish(k, x, y == TF2_NO_TENSOR ? x : y);
}

const struct kfamily families_window[] = {
    {"pool_max", pool_max, 0, 0},       {"pool_avg", pool_avg, 0, 0},     {"pool_3d", pool_3d, 0, 0},
    {"pool_global", pool_global, 0, 0}, {"lrn_across", lrn_across, 0, 0}, {"lrn_within", lrn_within, 0, 0},
    {"softmax", softmax, 0, 0},         {"resize", resize, 0, 0},         {0},
};
