/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets_vgg.c: networks that are a chain of convolutions, pools and fully connected layers, layer for layer as in the
 * Caffe definitions their authors published: AlexNet (Krizhevsky et al. 2012, bvlc_alexnet, in two groups), VGG-16
 * (Simonyan and Zisserman 2014) and C3D (Tran et al. 2015: clips of 16 frames, Sports-1M).
 */
#include "nets_families.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GAIN_ALEXNET 0.15
#define GAIN_VGG     0.25
#define GAIN_C3D     0.25
#define N_SPORTS     487
#define NAME_BYTES   32

/* Fully connected "fc<n><suffix>", "relu<n>", "drop<n>". */
static tf2_tensor_id dense_relu_drop(struct bench_net *net, tf2_tensor_id x, int n, const char *suffix)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "fc%d%s", n, suffix);
    x = bench_dense(net, x, name, 4096, 1);
    snprintf(name, sizeof(name), "relu%d", n);
    x = bench_relu(net, x, name);
    snprintf(name, sizeof(name), "drop%d", n);
    return bench_dropout(net, x, name);
}

static void
classify(struct bench_net *net, tf2_tensor_id x, const char *suffix, int32_t n_classes, double gain)
{
    char last[NAME_BYTES];
    x = dense_relu_drop(net, x, 6, suffix);
    x = dense_relu_drop(net, x, 7, suffix);
    snprintf(last, sizeof(last), "fc8%s", suffix);
    x = bench_dense(net, x, last, n_classes, gain);
    bench_output(net, bench_softmax(net, x, "prob"));
}

void bench_net_alexnet(struct bench_net *net)
{
    const struct bench_conv conv1 = {.channels = 96, .kernel = 11, .stride = 4};
    const struct bench_conv conv2 = {.channels = 256, .kernel = 5, .pad = 2, .group = 2};
    const struct bench_conv conv3 = {.channels = 384, .kernel = 3, .pad = 1};
    const struct bench_conv conv4 = {.channels = 384, .kernel = 3, .pad = 1, .group = 2};
    const struct bench_conv conv5 = {.channels = 256, .kernel = 3, .pad = 1, .group = 2};
    tf2_tensor_id x = bench_input(net, 3, 227, 227);
    x = bench_lrn(net, bench_relu(net, bench_conv(net, x, "conv1", &conv1), "relu1"), "norm1");
    x = bench_max_pool(net, x, "pool1", 3, 2, 0);
    x = bench_lrn(net, bench_relu(net, bench_conv(net, x, "conv2", &conv2), "relu2"), "norm2");
    x = bench_max_pool(net, x, "pool2", 3, 2, 0);
    x = bench_relu(net, bench_conv(net, x, "conv3", &conv3), "relu3");
    x = bench_relu(net, bench_conv(net, x, "conv4", &conv4), "relu4");
    x = bench_relu(net, bench_conv(net, x, "conv5", &conv5), "relu5");
    classify(net, bench_max_pool(net, x, "pool5", 3, 2, 0), "", BENCH_N_CLASSES, GAIN_ALEXNET);
}

static tf2_tensor_id conv_relu(struct bench_net *net, tf2_tensor_id x, const char *number, int32_t channels)
{
    const struct bench_conv conv = {.channels = channels, .kernel = 3, .pad = 1};
    char name[NAME_BYTES], relu[NAME_BYTES];
    snprintf(name, sizeof(name), "conv%s", number);
    snprintf(relu, sizeof(relu), "relu%s", number);
    return bench_relu(net, bench_conv(net, x, name, &conv), relu);
}

tf2_tensor_id bench_vgg_stages(struct bench_net *net, tf2_tensor_id x, int first, int n_stages)
{
    static const struct {
        int32_t channels, n;
    } stages[] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};
    for (int stage = first; stage < first + n_stages; stage++) {
        char name[NAME_BYTES];
        for (int i = 1; i <= stages[stage].n; i++) {
            snprintf(name, sizeof(name), "%d_%d", stage + 1, i);
            x = conv_relu(net, x, name, stages[stage].channels);
        }
        snprintf(name, sizeof(name), "pool%d", stage + 1);
        if (stage + 1 < first + n_stages)
            x = bench_max_pool(net, x, name, 2, 2, 0);
    }
    return x;
}

void bench_net_vgg16(struct bench_net *net)
{
    tf2_tensor_id x = bench_vgg_stages(net, bench_input(net, 3, 224, 224), 0, 5);
    classify(net, bench_max_pool(net, x, "pool5", 2, 2, 0), "", BENCH_N_CLASSES, GAIN_VGG);
}

void bench_net_c3d(struct bench_net *net)
{
    static const struct {
        const char *number;
        int32_t channels;
        const char *pool; /* the pool that follows, or NULL */
        int32_t length;   /* its frames */
    } layers[] = {
        {"1a", 64, "pool1", 1}, {"2a", 128, "pool2", 2}, {"3a", 256, NULL, 0}, {"3b", 256, "pool3", 2},
        {"4a", 512, NULL, 0},   {"4b", 512, "pool4", 2}, {"5a", 512, NULL, 0}, {"5b", 512, "pool5", 2},
    };
    tf2_tensor_id x = bench_input_video(net, 3, 16, 112, 112);
    for (size_t i = 0; i < COUNT(layers); i++) {
        x = conv_relu(net, x, layers[i].number, layers[i].channels);
        if (layers[i].pool)
            x = bench_max_pool_video(net, x, layers[i].pool, layers[i].length);
    }
    classify(net, x, "-1", N_SPORTS, GAIN_C3D);
}
