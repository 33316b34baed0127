/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_detect.c: transposed convolutions, normalization to a length, prior boxes, detection outputs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>

#include "families.h"

/* The input, or a map that was computed; sometimes one that a padded convolution reads too. */
static tf2_tensor_id some_map(struct kgraph *k, struct tf2_shape shape)
{
    tf2_tensor_id x = kinput(k, shape);
    if (kchance(k, 2))
        x = kchance(k, 2) ? krelu(k, x) : kconv_1x1(k, x, shape.dim[1]);
    if (kchance(k, 4))
        koutput(k, kconv_same(k, x, kchannels(k, 9)));
    return x;
}

/* --- transposed convolutions --- */

static tf2_tensor_id
deconv(struct kgraph *k, tf2_tensor_id x, int64_t n_out, int64_t kernel, int64_t group, int64_t max_stride)
{
    struct tf2_conv_transpose_attr attr = {.group = (int32_t)group};
    struct tf2_shape shape = *kshape(k, x);
    const uint32_t n_spatial = shape.n_dims - 2;
    attr.window = kwindow(k, n_spatial);
    shape.dim[0] = n_out;
    shape.dim[1] /= group;
    for (uint32_t d = 0; d < n_spatial; d++) {
        attr.window.stride[d] = (int32_t)krange(k, 1, max_stride);
        attr.output_pad[d] = (int32_t)(kchance(k, 3) ? krange(k, 0, 3) : 0);
        shape.dim[2 + d] = krange(k, 1, kernel);
    }
    for (;;) {
        tf2_tensor_id w = kconstant(k, shape);
        tf2_tensor_id b = kchance(k, 3) ? TF2_NO_TENSOR : kconstant(k, KSHAPE(n_out));
        tf2_tensor_id y = knode_try(k, TF2_OP_CONV_TRANSPOSE, &attr, KIN(x, w, b));
        if (y != TF2_NO_TENSOR)
            return y;
        for (uint32_t d = 0; d < n_spatial; d++) { /* less is cut off */
            attr.window.pad_begin[d] /= 2;
            attr.window.pad_end[d] /= 2;
        }
    }
}

/* Activations are fused, scales folded, and what follows sometimes wants a halo. */
static void finish(struct kgraph *k, tf2_tensor_id y)
{
    if (kchance(k, 3))
        y = knode(
            k, TF2_OP_SCALE, &(struct tf2_scale_attr){.axis = 1},
            KIN(y, kconstant(k, KSHAPE(kshape(k, y)->dim[1]))));
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 7));
    if (kchance(k, 3))
        y = kconv_same(k, y, kchannels(k, 9));
    koutput(k, y);
}

static void deconv_dims(struct kgraph *k, uint32_t n_spatial, int64_t max_extent, int64_t kernel)
{
    tf2_tensor_id x = some_map(k, kmap_shape(k, 40, n_spatial, max_extent));
    finish(k, deconv(k, x, kchannels(k, 40), kernel, 1, n_spatial == 3 ? 2 : 4));
}

static void deconv_1d(struct kgraph *k)
{
    deconv_dims(k, 1, 20, 6);
}

static void deconv_2d(struct kgraph *k)
{
    deconv_dims(k, 2, 8, 5);
}

static void deconv_3d(struct kgraph *k)
{
    deconv_dims(k, 3, 4, 3);
}

static void deconv_group(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    const int64_t group = krange(k, 2, 6);
    struct tf2_shape shape = kmap_shape(k, 1, n_spatial, n_spatial == 3 ? 3 : 7);
    shape.dim[1] = group * krange(k, 1, 9);
    finish(k, deconv(k, some_map(k, shape), group * kchannels(k, 9), 4, group, 3));
}

/* A group per channel, as learned upsampling has it. */
static void deconv_depthwise(struct kgraph *k)
{
    const uint32_t n_spatial = (uint32_t)krange(k, 1, 3);
    struct tf2_shape shape = kmap_shape(k, 40, n_spatial, n_spatial == 3 ? 3 : 7);
    shape.dim[1] += shape.dim[1] == 1;
    finish(k, deconv(k, some_map(k, shape), shape.dim[1], 5, shape.dim[1], 3));
}

/* Parts of channels, in front and behind. */
static void deconv_views(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 30, 2, 6);
    shape.dim[1] += 2;
    tf2_tensor_id x = krelu(k, kinput(k, shape));
    x = kslice(k, x, 1, krange(k, 0, 1), shape.dim[1] - krange(k, 0, 1));
    tf2_tensor_id y = deconv(k, x, kchannels(k, 20), 3, 1, 3);
    koutput(k, kconcat(k, 1, KIN(y, krelu(k, y))));
}

/* --- normalize --- */

static void normalize(struct kgraph *k)
{
    const struct tf2_normalize_attr attr = {
        .region = (enum tf2_normalize_region)krange(k, 0, 1), .epsilon = kchance(k, 2) ? 1e-10f : 0};
    const uint32_t n_spatial = (uint32_t)krange(k, 0, 3);
    struct tf2_shape shape = kmap_shape(k, 70, n_spatial, n_spatial == 3 ? 4 : 7);
    tf2_tensor_id x = n_spatial ? some_map(k, shape) : kinput(k, shape), scale = TF2_NO_TENSOR;
    if (kchance(k, 3) && shape.dim[1] > 1 && n_spatial)
        x = kslice(k, krelu(k, x), 1, 1, shape.dim[1]);
    if (!kchance(k, 3))
        scale = kconstant(k, KSHAPE(kchance(k, 3) ? 1 : kshape(k, x)->dim[1]));
    tf2_tensor_id y = knode(k, TF2_OP_NORMALIZE, &attr, KIN(x, scale));
    if (kchance(k, 3) && n_spatial)
        y = kconv_same(k, y, kchannels(k, 9));
    koutput(k, y);
}

/* --- detection --- */

static struct tf2_prior_box_attr prior_attr(struct kgraph *k)
{
    struct tf2_prior_box_attr attr = {
        .n_sizes = (uint32_t)krange(k, 1, 3), .n_ratios = (uint32_t)krange(k, 0, 3), .offset = 0.5f};
    attr.clip = kchance(k, 2);
    attr.n_max_sizes = kchance(k, 2) ? attr.n_sizes : 0;
    for (uint32_t i = 0; i < 3; i++) {
        attr.min_size[i] = (float)krange(k, 2, 9);
        attr.max_size[i] = attr.min_size[i] + (float)krange(k, 1, 5);
        attr.ratio[i] = kuniform(k, 0.3f, 3);
    }
    for (int i = 0; i < 4; i++)
        attr.variance[i] = kuniform(k, 0.1f, 0.3f);
    if (kchance(k, 3))
        attr.step_height = attr.step_width = (float)krange(k, 1, 4);
    if (kchance(k, 3)) {
        attr.image_height = (int32_t)krange(k, 5, 40);
        attr.image_width = (int32_t)krange(k, 5, 40);
    }
    return attr;
}

static void prior_box(struct kgraph *k)
{
    tf2_tensor_id image = kinput(k, KSHAPE(1, 3, krange(k, 5, 30), krange(k, 5, 30)));
    const struct tf2_pool_attr pool = {.window = {.kernel = {2, 2}, .stride = {2, 2}}};
    tf2_tensor_id map = knode(k, TF2_OP_POOL, &pool, KIN(image)), joined[2];
    for (int i = 0; i < 2; i++) {
        const struct tf2_prior_box_attr attr = prior_attr(k);
        joined[i] = knode(k, TF2_OP_PRIOR_BOX, &attr, KIN(i ? image : map, image));
    }
    koutput(k, kconcat(k, 2, joined, 2));
    if (kchance(k, 2))
        koutput(k, krelu(k, joined[0]));
    if (kchance(k, 2))
        koutput(k, map);
}

/* Offsets and scores as a network predicts them, by convolutions, channels last. */
static tf2_tensor_id head(struct kgraph *k, tf2_tensor_id map, int64_t n_channels)
{
    static const uint32_t last[] = {0, 2, 3, 1};
    tf2_tensor_id x = ktranspose(k, kconv_1x1(k, map, n_channels), last);
    return knode(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, KIN(x));
}

static void detection(struct kgraph *k)
{
    tf2_tensor_id map = kinput(k, KSHAPE(krange(k, 1, 2), krange(k, 3, 9), krange(k, 1, 6), krange(k, 1, 6)));
    const struct tf2_prior_box_attr prior = prior_attr(k);
    tf2_tensor_id boxes = knode(k, TF2_OP_PRIOR_BOX, &prior, KIN(map, map));
    const struct tf2_shape shape = *kshape(k, map);
    const int64_t per_pixel = kshape(k, boxes)->dim[2] / 4 / (shape.dim[2] * shape.dim[3]);
    struct tf2_detection_attr attr = {.n_classes = (int32_t)krange(k, 2, 6)};
    attr.background = (int32_t)krange(k, -1, attr.n_classes - 1);
    attr.code = (enum tf2_box_code)krange(k, 0, 2);
    attr.boxes_per_class = kchance(k, 3);
    attr.variance_in_offsets = kchance(k, 3);
    attr.confidence = kchance(k, 2) ? -FLT_MAX : kuniform(k, -1, 1);
    attr.nms_threshold = kuniform(k, 0.1f, 0.9f);
    attr.nms_eta = kchance(k, 2) ? kuniform(k, 0.5f, 1) : 0;
    attr.top_k = (int32_t)(kchance(k, 2) ? krange(k, 1, 40) : 0);
    attr.keep_top_k = (int32_t)(kchance(k, 3) ? 0 : krange(k, 1, 60));
    const int64_t n_offsets = per_pixel * 4 * (attr.boxes_per_class ? attr.n_classes : 1);
    tf2_tensor_id offsets = head(k, map, n_offsets), scores = head(k, map, per_pixel * attr.n_classes);
    if (kchance(k, 2))
        scores = krelu(k, scores); /* many are the same */
    koutput(k, knode(k, TF2_OP_DETECTION_OUTPUT, &attr, KIN(offsets, scores, boxes)));
}

const struct kfamily families_detect[] = {
    {"deconv_1d", deconv_1d, 0, 0},
    {"deconv_2d", deconv_2d, 0, 0},
    {"deconv_3d", deconv_3d, 0, 0},
    {"deconv_group", deconv_group, 0, 0},
    {"deconv_depthwise", deconv_depthwise, 0, 0},
    {"deconv_views", deconv_views, 0, 0},
    {"normalize", normalize, 0, 0},
    {"prior_box", prior_box, 0, 0},
    {"detection", detection, 0, 0},
    {0},
};
