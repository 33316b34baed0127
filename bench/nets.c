/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nets.c: the built-in networks, layer for layer as in the Caffe definitions their authors published:
 * SqueezeNet v1.0 and v1.1 (Iandola et al. 2016), bvlc_googlenet (Szegedy et al. 2014), ResNet-50 (He et al.
 * 2015, strides in the 1x1 convolutions) and the three of MTCNN (Zhang et al. 2016). Layers have the names
 * they have there. ResNet-18 is that of the paper, with names like ResNet-50's. Other families have files of their own,
 * see nets_families.h.
 *
 * PNet is fully convolutional and takes any picture; here 288 x 384, the first and largest level of the
 * pyramid for a 480 x 640 frame and the customary smallest face of 20 pixels (12 / 20 of the frame).
 *
 * The last layers have gains found by trial, so that logits spread by about 1 to 2 for inputs in -1 ... 1:
 * the softmax is then neither flat nor one-hot. bench/onnx_nets.py has the same gains.
 */
#include "nets.h"
#include "nets_families.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array)       (sizeof(array) / sizeof((array)[0]))
#define GAIN_SQUEEZENET    1.0
#define GAIN_GOOGLENET     0.4
#define GAIN_RESNET_BRANCH 0.5 /* the last scale of a branch: 16 additions do not grow then */
#define GAIN_RESNET        0.06
#define GAIN_MTCNN         0.3

/* What differs between the versions of SqueezeNet. pools: bit i: a pool follows fire i. */
struct squeezenet {
    struct bench_conv conv1, conv10;
    unsigned pools;
};

static tf2_tensor_id fire(struct bench_net *net, tf2_tensor_id x, int number, int32_t squeeze)
{
    const struct bench_conv reduce = {.channels = squeeze, .kernel = 1};
    const struct bench_conv expand1x1 = {.channels = 4 * squeeze, .kernel = 1};
    const struct bench_conv expand3x3 = {.channels = 4 * squeeze, .kernel = 3, .pad = 1};
    tf2_tensor_id part[2];
    bench_prefix(net, "fire%d/", number);
    x = bench_conv_relu(net, x, "squeeze1x1", &reduce);
    part[0] = bench_conv_relu(net, x, "expand1x1", &expand1x1);
    part[1] = bench_conv_relu(net, x, "expand3x3", &expand3x3);
    x = bench_concat(net, part, 2, "concat");
    bench_prefix(net, "%s", "");
    return x;
}

static void squeezenet(struct bench_net *net, const struct squeezenet *version)
{
    char pool[8];
    tf2_tensor_id x = bench_input(net, 3, 227, 227);
    x = bench_conv_relu(net, x, "conv1", &version->conv1);
    x = bench_max_pool(net, x, "pool1", 3, 2, 0);
    for (int i = 2; i < 10; i++) {
        x = fire(net, x, i, 16 * (i / 2)); /* 16 16 32 32 48 48 64 64 */
        snprintf(pool, sizeof(pool), "pool%d", i);
        if (version->pools >> i & 1)
            x = bench_max_pool(net, x, pool, 3, 2, 0);
    }
    x = bench_dropout(net, x, "drop9");
    x = bench_conv_relu(net, x, "conv10", &version->conv10);
    x = bench_mean(net, x, "pool10", 0);
    bench_output(net, bench_softmax(net, x, "prob"));
}

static void squeezenet_1_0(struct bench_net *net)
{
    static const struct squeezenet version = {
        .conv1 = {.channels = 96, .kernel = 7, .stride = 2},
        .conv10 =
            {.channels = BENCH_N_CLASSES, .kernel = 1, .pad = 1, .gain = GAIN_SQUEEZENET}, /* the file pads */
        .pools = 1 << 4 | 1 << 8,
    };
    squeezenet(net, &version);
}

static void squeezenet_1_1(struct bench_net *net)
{
    static const struct squeezenet version = {
        .conv1 = {.channels = 64, .kernel = 3, .stride = 2},
        .conv10 = {.channels = BENCH_N_CLASSES, .kernel = 1, .gain = GAIN_SQUEEZENET},
        .pools = 1 << 3 | 1 << 5,
    };
    squeezenet(net, &version);
}

/* Output channels of an inception module's convolutions. */
struct inception {
    const char *name;
    int32_t n1x1, reduce3x3, n3x3, reduce5x5, n5x5, project;
    const char *pool; /* the pool that follows, or NULL */
};

static const struct inception inceptions[] = {
    {"3a", 64, 96, 128, 16, 32, 32, NULL},
    {"3b", 128, 128, 192, 32, 96, 64, "pool3/3x3_s2"},
    {"4a", 192, 96, 208, 16, 48, 64, NULL},
    {"4b", 160, 112, 224, 24, 64, 64, NULL},
    {"4c", 128, 128, 256, 24, 64, 64, NULL},
    {"4d", 112, 144, 288, 32, 64, 64, NULL},
    {"4e", 256, 160, 320, 32, 128, 128, "pool4/3x3_s2"},
    {"5a", 256, 160, 320, 32, 128, 128, NULL},
    {"5b", 384, 192, 384, 48, 128, 128, NULL},
};

static tf2_tensor_id inception(struct bench_net *net, tf2_tensor_id x, const struct inception *m)
{
    const struct bench_conv n1x1 = {.channels = m->n1x1, .kernel = 1};
    const struct bench_conv reduce3x3 = {.channels = m->reduce3x3, .kernel = 1};
    const struct bench_conv n3x3 = {.channels = m->n3x3, .kernel = 3, .pad = 1};
    const struct bench_conv reduce5x5 = {.channels = m->reduce5x5, .kernel = 1};
    const struct bench_conv n5x5 = {.channels = m->n5x5, .kernel = 5, .pad = 2};
    const struct bench_conv project = {.channels = m->project, .kernel = 1};
    tf2_tensor_id part[4];
    bench_prefix(net, "inception_%s/", m->name);
    part[0] = bench_conv_relu(net, x, "1x1", &n1x1);
    part[1] = bench_conv_relu(net, x, "3x3_reduce", &reduce3x3);
    part[1] = bench_conv_relu(net, part[1], "3x3", &n3x3);
    part[2] = bench_conv_relu(net, x, "5x5_reduce", &reduce5x5);
    part[2] = bench_conv_relu(net, part[2], "5x5", &n5x5);
    part[3] = bench_max_pool(net, x, "pool", 3, 1, 1);
    part[3] = bench_conv_relu(net, part[3], "pool_proj", &project);
    x = bench_concat(net, part, 4, "output");
    bench_prefix(net, "%s", "");
    return m->pool ? bench_max_pool(net, x, m->pool, 3, 2, 0) : x;
}

static tf2_tensor_id googlenet_stem(struct bench_net *net)
{
    const struct bench_conv conv1 = {.channels = 64, .kernel = 7, .stride = 2, .pad = 3};
    const struct bench_conv reduce = {.channels = 64, .kernel = 1};
    const struct bench_conv conv2 = {.channels = 192, .kernel = 3, .pad = 1};
    tf2_tensor_id x = bench_input(net, 3, 224, 224);
    x = bench_relu(net, bench_conv(net, x, "conv1/7x7_s2", &conv1), "conv1/relu_7x7");
    x = bench_max_pool(net, x, "pool1/3x3_s2", 3, 2, 0);
    x = bench_lrn(net, x, "pool1/norm1");
    bench_prefix(net, "conv2/");
    x = bench_conv_relu(net, x, "3x3_reduce", &reduce);
    x = bench_conv_relu(net, x, "3x3", &conv2);
    x = bench_lrn(net, x, "norm2");
    bench_prefix(net, "%s", "");
    return bench_max_pool(net, x, "pool2/3x3_s2", 3, 2, 0);
}

static void googlenet(struct bench_net *net)
{
    tf2_tensor_id x = googlenet_stem(net);
    for (size_t i = 0; i < COUNT(inceptions); i++)
        x = inception(net, x, &inceptions[i]);
    x = bench_mean(net, x, "pool5/7x7_s1", 7);
    x = bench_dropout(net, x, "pool5/drop_7x7_s1");
    x = bench_dense(net, x, "loss3/classifier", BENCH_N_CLASSES, GAIN_GOOGLENET);
    bench_output(net, bench_softmax(net, x, "prob"));
}

/* Convolution "res<tag>", normalization "bn<tag>", scale "scale<tag>". */
static tf2_tensor_id resnet_conv(
    struct bench_net *net, tf2_tensor_id x, const char *block, const char *branch,
    const struct bench_conv *conv, double gain)
{
    char name[32];
    snprintf(name, sizeof(name), "res%s_%s", block, branch);
    x = bench_conv(net, x, name, conv);
    return bench_batch_norm(net, x, name + strlen("res"), gain);
}

static tf2_tensor_id
resnet_relu(struct bench_net *net, tf2_tensor_id x, const char *block, const char *branch)
{
    char name[32];
    snprintf(name, sizeof(name), "res%s%s_relu", block, branch);
    return bench_relu(net, x, name);
}

/* project: the shortcut is a convolution too, as in the first block of a stage. */
static tf2_tensor_id bottleneck(
    struct bench_net *net, tf2_tensor_id x, const char *block, int32_t width, int32_t stride, bool project)
{
    const struct bench_conv wide = {.channels = 4 * width, .kernel = 1, .stride = stride, .no_bias = true};
    const struct bench_conv a = {.channels = width, .kernel = 1, .stride = stride, .no_bias = true};
    const struct bench_conv b = {.channels = width, .kernel = 3, .pad = 1, .no_bias = true};
    const struct bench_conv c = {.channels = 4 * width, .kernel = 1, .no_bias = true};
    tf2_tensor_id shortcut = project ? resnet_conv(net, x, block, "branch1", &wide, 1) : x;
    char sum[16];
    x = resnet_relu(net, resnet_conv(net, x, block, "branch2a", &a, 1), block, "_branch2a");
    x = resnet_relu(net, resnet_conv(net, x, block, "branch2b", &b, 1), block, "_branch2b");
    x = resnet_conv(net, x, block, "branch2c", &c, GAIN_RESNET_BRANCH);
    snprintf(sum, sizeof(sum), "res%s", block);
    return resnet_relu(net, bench_add(net, shortcut, x, sum), block, "");
}

/* Two convolutions of 3 x 3; the strides are in the first, and the shortcut is a convolution only where it has to be. */
static tf2_tensor_id
basic_block(struct bench_net *net, tf2_tensor_id x, const char *block, int32_t width, int32_t stride)
{
    const struct bench_conv wide = {.channels = width, .kernel = 1, .stride = stride, .no_bias = true};
    const struct bench_conv a = {.channels = width, .kernel = 3, .stride = stride, .pad = 1, .no_bias = true};
    const struct bench_conv b = {.channels = width, .kernel = 3, .pad = 1, .no_bias = true};
    tf2_tensor_id shortcut = stride > 1 ? resnet_conv(net, x, block, "branch1", &wide, 1) : x;
    char sum[16];
    x = resnet_relu(net, resnet_conv(net, x, block, "branch2a", &a, 1), block, "_branch2a");
    x = resnet_conv(net, x, block, "branch2b", &b, GAIN_RESNET_BRANCH);
    snprintf(sum, sizeof(sum), "res%s", block);
    return resnet_relu(net, bench_add(net, shortcut, x, sum), block, "");
}

static void resnet18(struct bench_net *net)
{
    const struct bench_conv conv1 = {.channels = 64, .kernel = 7, .stride = 2, .pad = 3, .no_bias = true};
    tf2_tensor_id x = bench_input(net, 3, 224, 224);
    x = bench_batch_norm(net, bench_conv(net, x, "conv1", &conv1), "_conv1", 1);
    x = bench_max_pool(net, bench_relu(net, x, "conv1_relu"), "pool1", 3, 2, 0);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < 2; i++) {
            const char block[] = {(char)('2' + stage), (char)('a' + i), '\0'};
            x = basic_block(net, x, block, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    x = bench_mean(net, x, "pool5", 7);
    x = bench_dense(net, x, "fc1000", BENCH_N_CLASSES, GAIN_RESNET);
    bench_output(net, bench_softmax(net, x, "prob"));
}

static void resnet50(struct bench_net *net)
{
    static const int n_blocks[] = {3, 4, 6, 3};
    const struct bench_conv conv1 = {.channels = 64, .kernel = 7, .stride = 2, .pad = 3};
    tf2_tensor_id x = bench_input(net, 3, 224, 224);
    x = bench_batch_norm(net, bench_conv(net, x, "conv1", &conv1), "_conv1", 1);
    x = bench_max_pool(net, bench_relu(net, x, "conv1_relu"), "pool1", 3, 2, 0);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < n_blocks[stage]; i++) {
            const char block[] = {(char)('2' + stage), (char)('a' + i), '\0'};
            x = bottleneck(net, x, block, 64 << stage, stage > 0 && i == 0 ? 2 : 1, i == 0);
        }
    }
    x = bench_mean(net, x, "pool5", 7);
    x = bench_dense(net, x, "fc1000", BENCH_N_CLASSES, GAIN_RESNET);
    bench_output(net, bench_softmax(net, x, "prob"));
}

/* Convolution conv<n>, PReLU with the given name and, for pool > 0, pool<n> of stride 2. */
static tf2_tensor_id mtcnn_stage(
    struct bench_net *net, tf2_tensor_id x, int n, const char *prelu, int32_t channels, int32_t kernel,
    int32_t pool)
{
    const struct bench_conv conv = {.channels = channels, .kernel = kernel};
    char name[32];
    snprintf(name, sizeof(name), "conv%d", n);
    x = bench_conv(net, x, name, &conv);
    snprintf(name, sizeof(name), "%s%d", prelu, n);
    x = bench_prelu(net, x, name);
    snprintf(name, sizeof(name), "pool%d", n);
    return pool > 0 ? bench_max_pool(net, x, name, pool, 2, 0) : x;
}

static void mtcnn_pnet(struct bench_net *net)
{
    const struct bench_conv face = {.channels = 2, .kernel = 1, .gain = GAIN_MTCNN};
    const struct bench_conv box = {.channels = 4, .kernel = 1, .gain = GAIN_MTCNN};
    tf2_tensor_id score;
    tf2_tensor_id x = bench_input(net, 3, 288, 384);
    x = mtcnn_stage(net, x, 1, "PReLU", 10, 3, 2);
    x = mtcnn_stage(net, x, 2, "PReLU", 16, 3, 0);
    x = mtcnn_stage(net, x, 3, "PReLU", 32, 3, 0);
    score = bench_conv(net, x, "conv4-1", &face);
    bench_output(net, bench_conv(net, x, "conv4-2", &box));
    bench_output(net, bench_softmax(net, score, "prob1"));
}

static void mtcnn_rnet(struct bench_net *net)
{
    tf2_tensor_id score;
    tf2_tensor_id x = bench_input(net, 3, 24, 24);
    x = mtcnn_stage(net, x, 1, "prelu", 28, 3, 3);
    x = mtcnn_stage(net, x, 2, "prelu", 48, 3, 3);
    x = mtcnn_stage(net, x, 3, "prelu", 64, 2, 0);
    x = bench_prelu(net, bench_dense(net, x, "conv4", 128, 1), "prelu4");
    score = bench_dense(net, x, "conv5-1", 2, GAIN_MTCNN);
    bench_output(net, bench_dense(net, x, "conv5-2", 4, GAIN_MTCNN));
    bench_output(net, bench_softmax(net, score, "prob1"));
}

static void mtcnn_onet(struct bench_net *net)
{
    tf2_tensor_id score;
    tf2_tensor_id x = bench_input(net, 3, 48, 48);
    x = mtcnn_stage(net, x, 1, "prelu", 32, 3, 3);
    x = mtcnn_stage(net, x, 2, "prelu", 64, 3, 3);
    x = mtcnn_stage(net, x, 3, "prelu", 64, 3, 2);
    x = mtcnn_stage(net, x, 4, "prelu", 128, 2, 0);
    x = bench_dropout(net, bench_dense(net, x, "conv5", 256, 1), "drop5");
    x = bench_prelu(net, x, "prelu5");
    score = bench_dense(net, x, "conv6-1", 2, GAIN_MTCNN);
    bench_output(net, bench_dense(net, x, "conv6-2", 4, GAIN_MTCNN));
    bench_output(net, bench_dense(net, x, "conv6-3", 10, GAIN_MTCNN));
    bench_output(net, bench_softmax(net, score, "prob1"));
}

/* Name and builder of each network: X(name, function). */
#define NET_MAP(X)                                                                                           \
    X("squeezenet", squeezenet_1_1)                                                                          \
    X("squeezenet1.0", squeezenet_1_0)                                                                       \
    X("googlenet", googlenet)                                                                                \
    X("resnet18", resnet18)                                                                                  \
    X("resnet50", resnet50)                                                                                  \
    X("vgg16", bench_net_vgg16)                                                                              \
    X("alexnet", bench_net_alexnet)                                                                          \
    X("mobilenet_v1", bench_net_mobilenet_v1)                                                                \
    X("mobilenet_v2", bench_net_mobilenet_v2)                                                                \
    X("ssd_vgg", bench_net_ssd_vgg)                                                                          \
    X("c3d", bench_net_c3d)                                                                                  \
    X("mtcnn_pnet", mtcnn_pnet)                                                                              \
    X("mtcnn_rnet", mtcnn_rnet)                                                                              \
    X("mtcnn_onet", mtcnn_onet)

#define NET_NAME(name, function)  name,
#define NET_BUILD(name, function) function,
static const char *const net_names[] = {NET_MAP(NET_NAME)};
static void (*const net_builds[])(struct bench_net *net) = {NET_MAP(NET_BUILD)};

const char *const *bench_net_names(size_t *n)
{
    *n = COUNT(net_names);
    return net_names;
}

static enum tf2_status fail_name(const char *name, struct tf2_error *error)
{
    size_t used;
    if (!error)
        return TF2_ERR_NOT_FOUND;
    error->status = TF2_ERR_NOT_FOUND;
    snprintf(
        error->message, sizeof(error->message), "no built-in network is called '%.64s', there are:", name);
    for (size_t i = 0; i < COUNT(net_names); i++) {
        used = strlen(error->message);
        snprintf(error->message + used, sizeof(error->message) - used, " %s", net_names[i]);
    }
    return TF2_ERR_NOT_FOUND;
}

enum tf2_status
bench_net_build(const char *name, uint64_t seed, struct tf2_graph **graph, struct tf2_error *error)
{
    struct bench_net net = {.error = error, .random = seed};
    size_t i = 0;
    while (i < COUNT(net_names) && strcmp(name, net_names[i]) != 0)
        i++;
    if (i == COUNT(net_names))
        return fail_name(name, error);
    net.status = tf2_graph_create(NULL, &net.graph, error);
    if (net.status != TF2_OK)
        return net.status;
    net_builds[i](&net);
    if (net.status == TF2_OK)
        *graph = net.graph;
    else
        tf2_graph_destroy(&net.graph);
    return net.status;
}
