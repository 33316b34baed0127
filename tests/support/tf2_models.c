/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_models.c: the networks of tf2_file.h.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net.h"
#include "tf2_file.h"
#include "transform/ir/graph.h"

static const struct tf2_preprocess preprocess = {
    .channels = TF2_CHANNELS_BGR, .mean = {104, 117, 123.5f}, .scale = 1 / 64.0f};

static struct tf2_model *make(struct net *net, const char *name, bool optimize)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    const struct tf2_import_options options = {.preprocess = preprocess, .no_optimize = !optimize};
    if (tf2_model_from_graph(&net->graph, name, &options, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

/* [1, 3, 6, 6] to [1, 4, 3, 3] */
static tf2_tensor_id add_layers(struct net *net, tf2_tensor_id x)
{
    const struct tf2_lrn_attr lrn = {.size = 3, .alpha = 0.5f, .beta = 0.75f, .k = 2};
    const struct tf2_pool_attr max = {.window = {.kernel = {2, 2}, .stride = {2, 2}}};
    const struct tf2_eltwise_attr sum = {
        .kind = TF2_ELTWISE_SUM, .has_coefficients = true, .coefficient = {0.5f, -2}};
    tf2_tensor_id c = net_conv(net, x, 4, 3, 1, true);
    tf2_tensor_id y = net_activation(net, c, TF2_ACTIVATION_RELU, 0, 0);
    y = net_eltwise(net, TF2_ELTWISE_SUM, net_conv(net, y, 4, 3, 1, false), c);
    y = net_scale(net, net_batch_norm(net, y), true);
    y = net_activation(net, y, TF2_ACTIVATION_CLIP, -1, 4);
    y = net_node(net, TF2_OP_PRELU, "prelu", NULL, IN(y, net_constant(net, SHAPE(4))));
    y = net_node(net, TF2_OP_LRN, "lrn", &lrn, IN(y));
    y = net_node(net, TF2_OP_POOL, "pool", &max, IN(y));
    tf2_tensor_id d = net_node(net, TF2_OP_DROPOUT, NULL, NULL, IN(y));
    return net_node(
        net, TF2_OP_ELTWISE, "coefficients", &sum, IN(d, net_activation(net, y, TF2_ACTIVATION_TANH, 0, 0)));
}

/* [1, 4, 3, 3] to [1, 36, 3] */
static tf2_tensor_id add_moves(struct net *net, tf2_tensor_id y)
{
    const struct tf2_axis_attr channels = {.axis = 1};
    const struct tf2_slice_attr slice = {
        .n_dims = 4, .begin = {0, 1, 0, -1}, .end = {1, 7, INT64_MAX, INT64_MIN}, .step = {1, 2, 1, -1}};
    const struct tf2_resize_attr nearest = {
        .mode = TF2_RESIZE_NEAREST,
        .coordinates = TF2_RESIZE_ASYMMETRIC,
        .nearest = TF2_RESIZE_FLOOR,
        .scale = {2, 2}};
    const struct tf2_resize_attr linear = {.mode = TF2_RESIZE_LINEAR, .size = {5, 5}};
    const struct tf2_pad_attr pad = {
        .n_dims = 4, .mode = TF2_PAD_CONSTANT, .value = -1.5f, .begin = {0, 0, 1}, .end = {0, 0, 0, 1}};
    const struct tf2_transpose_attr transpose = {.n_dims = 4, .perm = {0, 2, 3, 1}};
    const struct tf2_reshape_attr reshape = {.n_dims = 3, .dim = {0, -1, 3}};
    y = net_node(net, TF2_OP_CONCAT, "concat", &channels, IN(y, y));
    y = net_node(net, TF2_OP_SLICE, "slice", &slice, IN(y));
    y = net_node(net, TF2_OP_RESIZE, "nearest", &nearest, IN(y));
    y = net_node(net, TF2_OP_RESIZE, "linear", &linear, IN(y));
    y = net_node(net, TF2_OP_PAD, "pad", &pad, IN(y));
    y = net_node(net, TF2_OP_TRANSPOSE, "transpose", &transpose, IN(y));
    return net_node(net, TF2_OP_RESHAPE, "reshape", &reshape, IN(y));
}

struct tf2_model *tf2_file_float_model(bool optimize)
{
    struct net net;
    const struct tf2_axes_attr two = {.axes = 1u << 2}, none = {0};
    const struct tf2_axis_attr one = {.axis = 1};
    const struct tf2_softmax_attr softmax = {.axis = -1, .log = true};
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true, .count_include_pad = true};
    net_open(&net, 11);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
    tf2_tensor_id second = net_input(&net, "second input", SHAPE(1, 5));
    tf2_tensor_id layers = add_layers(&net, x);
    tf2_tensor_id y = add_moves(&net, layers);
    y = net_node(&net, TF2_OP_UNSQUEEZE, "unsqueeze", &two, IN(y));
    y = net_node(&net, TF2_OP_SQUEEZE, "squeeze", &two, IN(y));
    y = net_node(&net, TF2_OP_FLATTEN, "flatten", &one, IN(y));
    y = net_eltwise(&net, TF2_ELTWISE_MAX, net_gemm(&net, y, 5, 1, true), second);
    net_output(&net, net_node(&net, TF2_OP_SOFTMAX, "log-probabilities", &softmax, IN(y)));
    y = net_node(&net, TF2_OP_POOL, "average", &global, IN(layers));
    y = net_node(&net, TF2_OP_SQUEEZE, "vector", &none, IN(y));
    net_output(&net, net_node(&net, TF2_OP_IDENTITY, "identity", NULL, IN(y)));
    return make(&net, "every float operator", optimize);
}

/* ---- integers ---- */

static const void *keep(struct net *net, const void *data, size_t n_bytes)
{
    void *copy = tf2__arena_alloc(&net->graph->arena, n_bytes, 1);
    assert_non_null(copy);
    return memcpy(copy, data, n_bytes);
}

static tf2_tensor_id add_constant(
    struct net *net, const char *name, enum tf2_dtype dtype, struct tf2_shape shape,
    const struct tf2__quant *quant, const void *data)
{
    tf2_tensor_id id;
    struct tf2_error error;
    size_t n_bytes = (size_t)tf2_shape_count(&shape) * tf2_dtype_size_bytes(dtype);
    if (tf2__graph_adopt_quantized(
            net->graph, name, dtype, &shape, quant, keep(net, data, n_bytes), &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static tf2_tensor_id add_int8(
    struct net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    tf2_tensor_id id;
    struct tf2_error error;
    if (tf2__graph_add_int8(
            net->graph, op, name, attr, inputs, n_inputs, activation, quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32,
            quant, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static tf2_tensor_id add_weights(struct net *net, const char *name, struct tf2_shape shape, bool per_channel)
{
    int8_t data[4 * 4 * 9];
    float scales[4];
    for (size_t i = 0; i < TF2__COUNT(data); i++)
        data[i] = (int8_t)((int)(i * 37 % 255) - 127);
    for (size_t i = 0; i < TF2__COUNT(scales); i++)
        scales[i] = 0.001f * (float)(i + 1);
    struct tf2__quant quant = {.scale = 0.002f};
    if (per_channel)
        quant = (struct tf2__quant){.channel_scale = keep(net, scales, sizeof(scales))};
    return add_constant(net, name, TF2_DTYPE_S8, shape, &quant, data);
}

static tf2_tensor_id add_lookup(struct net *net, tf2_tensor_id x, const struct tf2__quant *quant)
{
    uint8_t table[256];
    for (size_t i = 0; i < TF2__COUNT(table); i++)
        table[i] = (uint8_t)(i * i >> 8);
    tf2_tensor_id t = add_constant(net, "table", TF2_DTYPE_U8, SHAPE(256), NULL, table);
    return add_int8(net, TF2_OP_LOOKUP, "square", NULL, IN(x, t), NULL, quant);
}

struct tf2_model *tf2_file_int8_model(void)
{
    static const uint8_t zero_points[] = {104, 117, 123};
    static const float offset[] = {0, 0, 1 / 128.0f};
    static const int32_t bias[] = {1000, -2000, 3000, -4000};
    const struct tf2_activation relu = {.kind = TF2_ACTIVATION_RELU};
    const struct tf2_activation clip = {.kind = TF2_ACTIVATION_CLIP, .alpha = -2, .beta = 3};
    const struct tf2_conv_attr same = {.window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}, .group = 1};
    const struct tf2_softmax_attr softmax = {.axis = 1};
    struct net net;
    net_open(&net, 12);
    struct tf2__quant in = {
        .scale = 1 / 64.0f, .channel_zero_point = keep(&net, zero_points, sizeof(zero_points))};
    const struct tf2__quant a = {.scale = 0.05f}, b = {.scale = 0.04f, .zero_point = 77};
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
    tf2_tensor_id o = add_constant(&net, "offset", TF2_DTYPE_F32, SHAPE(3), NULL, offset);
    tf2_tensor_id w1 = add_weights(&net, "w1", SHAPE(4, 3, 3, 3), true);
    tf2_tensor_id bias1 = add_constant(&net, "b1", TF2_DTYPE_S32, SHAPE(4), NULL, bias);
    tf2_tensor_id w2 = add_weights(&net, "w2", SHAPE(4, 4, 3, 3), false);
    tf2_tensor_id q = add_int8(&net, TF2_OP_QUANTIZE, "quantize", NULL, IN(x, o), NULL, &in);
    tf2_tensor_id y = add_int8(&net, TF2_OP_CONV, "conv1", &same, IN(q, w1, bias1), &relu, &a);
    y = add_lookup(&net, y, &a);
    y = add_int8(&net, TF2_OP_CONV, "conv2", &same, IN(y, w2, TF2_NO_TENSOR, y), &clip, &b);
    y = add_int8(&net, TF2_OP_DEQUANTIZE, "features", NULL, IN(y), NULL, NULL);
    net_output(&net, y);
    net_output(&net, net_node(&net, TF2_OP_SOFTMAX, "prob", &softmax, IN(y)));
    return make(&net, "integers", false);
}
