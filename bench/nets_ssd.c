/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets_ssd.c: SSD (Liu et al. 2016) on VGG-16 for 300 x 300 pixels and the 21 classes of PASCAL VOC, layer for layer as
 * in the Caffe definition its authors published.
 *
 * The confidences' gain leaves them close together, as they are for a picture without objects: some boxes of each class
 * are above the threshold, and the suppression has as many candidates as it takes.
 */
#include "nets_families.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define N_CLASSES    21
#define NORM_SCALE   20
#define GAIN_HEAD    0.3
#define NAME_BYTES   48

/* A map that boxes are predicted from. */
static const struct source {
    const char *name;
    int32_t per_pixel;
    uint32_t n_ratios;
    float min_size, max_size, step;
} sources[] = {
    {"conv4_3_norm", 4, 2, 30, 60, 8}, {"fc7", 6, 4, 60, 111, 16},       {"conv6_2", 6, 4, 111, 162, 32},
    {"conv7_2", 6, 4, 162, 213, 64},   {"conv8_2", 4, 2, 213, 264, 100}, {"conv9_2", 4, 2, 264, 315, 300},
};

/* A 1 x 1 convolution and one of 3 x 3 behind it. */
static const struct extra {
    const char *reduce, *expand;
    struct bench_conv first, second;
} extras[] = {
    {"conv6_1",
     "conv6_2",
     {.channels = 256, .kernel = 1},
     {.channels = 512, .kernel = 3, .stride = 2, .pad = 1}},
    {"conv7_1",
     "conv7_2",
     {.channels = 128, .kernel = 1},
     {.channels = 256, .kernel = 3, .stride = 2, .pad = 1}},
    {"conv8_1", "conv8_2", {.channels = 128, .kernel = 1}, {.channels = 256, .kernel = 3}},
    {"conv9_1", "conv9_2", {.channels = 128, .kernel = 1}, {.channels = 256, .kernel = 3}},
};

/* Convolution `name`, then "<name>_relu". */
static tf2_tensor_id
conv_relu(struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv)
{
    char relu[NAME_BYTES];
    snprintf(relu, sizeof(relu), "%s_relu", name);
    return bench_relu(net, bench_conv(net, x, name, conv), relu);
}

/* maps[i]: the i-th of the sources; the first is not normalized yet. */
static void backbone(struct bench_net *net, tf2_tensor_id image, tf2_tensor_id maps[COUNT(sources)])
{
    const struct bench_conv fc6 = {.channels = 1024, .kernel = 3, .pad = 6, .dilation = 6};
    const struct bench_conv fc7 = {.channels = 1024, .kernel = 1};
    tf2_tensor_id x = maps[0] = bench_vgg_stages(net, image, 0, 4);
    x = bench_vgg_stages(net, bench_max_pool(net, x, "pool4", 2, 2, 0), 4, 1);
    x = bench_max_pool(net, x, "pool5", 3, 1, 1);
    x = bench_relu(net, bench_conv(net, x, "fc6", &fc6), "relu6");
    x = maps[1] = bench_relu(net, bench_conv(net, x, "fc7", &fc7), "relu7");
    for (size_t i = 0; i < COUNT(extras); i++) {
        x = conv_relu(net, x, extras[i].reduce, &extras[i].first);
        x = maps[2 + i] = conv_relu(net, x, extras[i].expand, &extras[i].second);
    }
}

static tf2_tensor_id normalize(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    const struct tf2_normalize_attr attr = {.region = TF2_NORMALIZE_CHANNELS, .epsilon = 1e-10f};
    const tf2_tensor_id in[2] = {x, bench_constant(net, name, ".scale", 512, NORM_SCALE)};
    return bench_node(net, TF2_OP_NORMALIZE, name, &attr, in, 2);
}

/* Convolution "<source>_mbox_<what>", then channels last ("_perm") and flat ("_flat"). */
static tf2_tensor_id
head(struct bench_net *net, tf2_tensor_id map, const struct source *source, const char *what, int32_t per_box)
{
    const struct bench_conv conv = {
        .channels = source->per_pixel * per_box, .kernel = 3, .pad = 1, .gain = GAIN_HEAD};
    const struct tf2_transpose_attr last = {.n_dims = 4, .perm = {0, 2, 3, 1}};
    const struct tf2_axis_attr flat = {.axis = 1};
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s_mbox_%s", source->name, what);
    tf2_tensor_id x = bench_conv(net, map, name, &conv);
    snprintf(name, sizeof(name), "%s_mbox_%s_perm", source->name, what);
    x = bench_node(net, TF2_OP_TRANSPOSE, name, &last, &x, 1);
    snprintf(name, sizeof(name), "%s_mbox_%s_flat", source->name, what);
    return bench_node(net, TF2_OP_FLATTEN, name, &flat, &x, 1);
}

static tf2_tensor_id
prior_box(struct bench_net *net, tf2_tensor_id map, tf2_tensor_id image, const struct source *source)
{
    struct tf2_prior_box_attr attr = {
        .n_sizes = 1,
        .n_max_sizes = 1,
        .n_ratios = source->n_ratios,
        .min_size = {source->min_size},
        .max_size = {source->max_size},
        .ratio = {2, 1 / 2.0f, 3, 1 / 3.0f},
        .variance = {0.1f, 0.1f, 0.2f, 0.2f},
        .step_height = source->step,
        .step_width = source->step,
        .offset = 0.5f};
    const tf2_tensor_id in[2] = {map, image};
    char name[NAME_BYTES];
    for (uint32_t i = source->n_ratios; i < TF2_PRIOR_BOX_MAX; i++)
        attr.ratio[i] = 0;
    snprintf(name, sizeof(name), "%s_mbox_priorbox", source->name);
    return bench_node(net, TF2_OP_PRIOR_BOX, name, &attr, in, 2);
}

static tf2_tensor_id confidences(struct bench_net *net, tf2_tensor_id joined)
{
    const struct tf2_reshape_attr rows = {.n_dims = 3, .dim = {0, -1, N_CLASSES}};
    const struct tf2_softmax_attr softmax = {.axis = 2};
    const struct tf2_axis_attr flat = {.axis = 1};
    tf2_tensor_id x = bench_node(net, TF2_OP_RESHAPE, "mbox_conf_reshape", &rows, &joined, 1);
    x = bench_node(net, TF2_OP_SOFTMAX, "mbox_conf_softmax", &softmax, &x, 1);
    return bench_node(net, TF2_OP_FLATTEN, "mbox_conf_flatten", &flat, &x, 1);
}

void bench_net_ssd_vgg(struct bench_net *net)
{
    const struct tf2_detection_attr detect = {
        .n_classes = N_CLASSES,
        .code = TF2_BOX_CENTER_SIZE,
        .confidence = 0.01f,
        .nms_threshold = 0.45f,
        .nms_eta = 1,
        .top_k = 400,
        .keep_top_k = 200};
    tf2_tensor_id maps[COUNT(sources)], offsets[COUNT(sources)], scores[COUNT(sources)],
        boxes[COUNT(sources)], in[3];
    const tf2_tensor_id image = bench_input(net, 3, 300, 300);
    backbone(net, image, maps);
    maps[0] = normalize(net, maps[0], sources[0].name);
    for (size_t i = 0; i < COUNT(sources); i++) {
        offsets[i] = head(net, maps[i], &sources[i], "loc", 4);
        scores[i] = head(net, maps[i], &sources[i], "conf", N_CLASSES);
        boxes[i] = prior_box(net, maps[i], image, &sources[i]);
    }
    in[0] = bench_concat(net, offsets, COUNT(sources), "mbox_loc");
    in[1] = bench_concat(net, scores, COUNT(sources), "mbox_conf");
    in[2] = bench_concat_axis(net, boxes, COUNT(sources), "mbox_priorbox", 2);
    in[1] = confidences(net, in[1]);
    bench_output(net, bench_node(net, TF2_OP_DETECTION_OUTPUT, "detection_out", &detect, in, 3));
}
