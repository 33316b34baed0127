/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets_mobile.c: MobileNet v1 (Howard et al. 2017) and v2 (Sandler et al. 2018) for 1000 classes and 224 x 224 pixels,
 * layer for layer as in the Caffe definitions of MobileNet-Caffe (plain ReLU where the papers have one that ends at 6).
 */
#include "nets_families.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GAIN_LAST    0.5
#define GAIN_LINEAR  0.5 /* the scale of a linear layer: what is added up does not grow then */
#define NAME_BYTES   48

/* Convolution `name`, "<name>/bn", "<name>/scale". */
static tf2_tensor_id conv_norm(
    struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv, double gain)
{
    char norm[NAME_BYTES], scale[NAME_BYTES];
    snprintf(norm, sizeof(norm), "%s/bn", name);
    snprintf(scale, sizeof(scale), "%s/scale", name);
    return bench_norm_scale(net, bench_conv(net, x, name, conv), norm, scale, gain);
}

/* The same for "conv<number><part>", then "relu<number><part>". */
static tf2_tensor_id layer(
    struct bench_net *net, tf2_tensor_id x, const char *number, const char *part,
    const struct bench_conv *conv)
{
    char name[NAME_BYTES], relu[NAME_BYTES];
    snprintf(name, sizeof(name), "conv%s%s", number, part);
    snprintf(relu, sizeof(relu), "relu%s%s", number, part);
    return bench_relu(net, conv_norm(net, x, name, conv, 1), relu);
}

static void classify(struct bench_net *net, tf2_tensor_id x)
{
    const struct bench_conv fc7 = {.channels = BENCH_N_CLASSES, .kernel = 1, .gain = GAIN_LAST};
    x = bench_conv(net, bench_mean(net, x, "pool6", 0), "fc7", &fc7);
    bench_output(net, bench_softmax(net, x, "prob"));
}

static tf2_tensor_id stem(struct bench_net *net)
{
    const struct bench_conv conv1 = {.channels = 32, .kernel = 3, .stride = 2, .pad = 1, .no_bias = true};
    return layer(net, bench_input(net, 3, 224, 224), "1", "", &conv1);
}

/* A depthwise convolution and one of 1 x 1. */
static const struct separable {
    const char *number;
    int32_t in, out, stride;
} separables[] = {
    {"2_1", 32, 64, 1},   {"2_2", 64, 128, 2},  {"3_1", 128, 128, 1}, {"3_2", 128, 256, 2},
    {"4_1", 256, 256, 1}, {"4_2", 256, 512, 2}, {"5_1", 512, 512, 1}, {"5_2", 512, 512, 1},
    {"5_3", 512, 512, 1}, {"5_4", 512, 512, 1}, {"5_5", 512, 512, 1}, {"5_6", 512, 1024, 2},
    {"6", 1024, 1024, 1},
};

void bench_net_mobilenet_v1(struct bench_net *net)
{
    tf2_tensor_id x = stem(net);
    for (size_t i = 0; i < COUNT(separables); i++) {
        const struct separable *s = &separables[i];
        const struct bench_conv depthwise = {
            .channels = s->in, .kernel = 3, .stride = s->stride, .pad = 1, .group = s->in, .no_bias = true};
        const struct bench_conv pointwise = {.channels = s->out, .kernel = 1, .no_bias = true};
        x = layer(net, x, s->number, "/dw", &depthwise);
        x = layer(net, x, s->number, "/sep", &pointwise);
    }
    classify(net, x);
}

/* Wider by a 1 x 1 convolution, depthwise, narrower again; with a residual where nothing changes. */
static const struct inverted {
    const char *number;
    int32_t wide, out, stride;
    const char *sum; /* the layer that adds the input, or NULL */
} inverteds[] = {
    {"2_1", 32, 16, 1, NULL},          {"2_2", 96, 24, 2, NULL},         {"3_1", 144, 24, 1, "block_3_1"},
    {"3_2", 144, 32, 2, NULL},         {"4_1", 192, 32, 1, "block_4_1"}, {"4_2", 192, 32, 1, "block_4_2"},
    {"4_3", 192, 64, 1, NULL},         {"4_4", 384, 64, 1, "block_4_4"}, {"4_5", 384, 64, 1, "block_4_5"},
    {"4_6", 384, 64, 1, "block_4_6"},  {"4_7", 384, 96, 2, NULL},        {"5_1", 576, 96, 1, "block_5_1"},
    {"5_2", 576, 96, 1, "block_5_2"},  {"5_3", 576, 160, 2, NULL},       {"6_1", 960, 160, 1, "block_6_1"},
    {"6_2", 960, 160, 1, "block_6_2"}, {"6_3", 960, 320, 1, NULL},
};

void bench_net_mobilenet_v2(struct bench_net *net)
{
    const struct bench_conv last = {.channels = 1280, .kernel = 1, .no_bias = true};
    tf2_tensor_id x = stem(net);
    for (size_t i = 0; i < COUNT(inverteds); i++) {
        const struct inverted *s = &inverteds[i];
        const struct bench_conv expand = {.channels = s->wide, .kernel = 1, .no_bias = true};
        const struct bench_conv depthwise = {
            .channels = s->wide,
            .kernel = 3,
            .stride = s->stride,
            .pad = 1,
            .group = s->wide,
            .no_bias = true};
        const struct bench_conv linear = {.channels = s->out, .kernel = 1, .no_bias = true};
        const tf2_tensor_id shortcut = x;
        char name[NAME_BYTES];
        x = layer(net, x, s->number, "/expand", &expand);
        x = layer(net, x, s->number, "/dwise", &depthwise);
        snprintf(name, sizeof(name), "conv%s/linear", s->number);
        x = conv_norm(net, x, name, &linear, s->sum ? GAIN_LINEAR : 1);
        if (s->sum)
            x = bench_add(net, shortcut, x, s->sum);
    }
    classify(net, layer(net, x, "6_4", "", &last));
}
