/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_builder.c: the layers of the built-in networks and their weights.
 *
 * Random numbers: splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA
 * 2014), one stream for the whole network, taken in the order of the layers; in a layer weights, bias, mean,
 * variance, scale, offset. A number's top 24 bits become an odd multiple of 2^-24 in (-1, 1), scaled in
 * double precision and rounded once, so the weights are the same on every machine. bench/onnx_nets.py draws
 * the same ones: change both.
 *
 * Weights are uniform in +-gain * sqrt(6 / fan_in), of variance gain^2 * 2 / fan_in: a ReLU network then
 * neither blows up nor fades with depth (He et al.: Delving Deep into Rectifiers, 2015).
 */
#include "net_builder.h"

#include <math.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 96
#define SMALL          0.05 /* biases and means */
#define SPREAD         0.25 /* of variances and scales around their centre */
#define PRELU_SLOPE    0.25

/* The dimensions of one constant. */
struct extents {
    uint32_t n;
    int64_t dim[5];
};

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* center + bound * a number in (-1, 1) */
static float draw(uint64_t *state, double center, double bound)
{
    const double half = 1 << 23;
    double unit = ((double)(splitmix64(state) >> 40) - half + 0.5) / half;
    return (float)(center + bound * unit);
}

static bool failed(const struct bench_net *net)
{
    return net->status != TF2_OK;
}

static void fail_memory(struct bench_net *net, const char *name)
{
    net->status = TF2_ERR_NO_MEMORY;
    if (net->error) {
        net->error->status = TF2_ERR_NO_MEMORY;
        snprintf(
            net->error->message, sizeof(net->error->message), "out of memory for the weights of '%s'", name);
    }
}

static void
join(char *text, const struct bench_net *net, const char *before, const char *name, const char *after)
{
    int n = snprintf(text, NAME_MAX_BYTES, "%s%s%.48s%s", net->prefix, before, name, after);
    assert(n >= 0 && n < NAME_MAX_BYTES);
    (void)n;
}

void bench_prefix(struct bench_net *net, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(net->prefix, sizeof(net->prefix), format, args);
    va_end(args);
}

/* The channels of a tensor, 1 after a failure. */
static int64_t channels_of(const struct bench_net *net, tf2_tensor_id x)
{
    const struct tf2_shape *shape = failed(net) ? NULL : tf2_graph_shape(net->graph, x);
    return shape && shape->n_dims > 1 ? shape->dim[1] : 1;
}

/* What one output of a fully connected layer sees. */
static int64_t inputs_of(const struct bench_net *net, tf2_tensor_id x)
{
    const struct tf2_shape *shape = failed(net) ? NULL : tf2_graph_shape(net->graph, x);
    return shape && shape->dim[0] > 0 ? tf2_shape_count(shape) / shape->dim[0] : 1;
}

/* A constant "<layer><suffix>" of numbers in center +- bound. */
static tf2_tensor_id constant(
    struct bench_net *net, const char *layer, const char *suffix, struct extents extents, double center,
    double bound)
{
    char name[NAME_MAX_BYTES];
    struct tf2_shape shape = {.n_dims = extents.n};
    tf2_tensor_id tensor = TF2_NO_TENSOR;
    float *data;
    size_t n;
    if (failed(net))
        return TF2_NO_TENSOR;
    for (uint32_t d = 0; d < extents.n; d++)
        shape.dim[d] = extents.dim[d];
    join(name, net, "", layer, suffix);
    n = (size_t)tf2_shape_count(&shape);
    data = malloc((n ? n : 1) * sizeof(*data));
    if (!data) {
        fail_memory(net, name);
        return TF2_NO_TENSOR;
    }
    for (size_t i = 0; i < n; i++)
        data[i] = bound == 0 ? (float)center : draw(&net->random, center, bound);
    net->status = tf2_graph_add_constant(net->graph, name, TF2_DTYPE_F32, &shape, data, &tensor, net->error);
    free(data);
    return tensor;
}

static tf2_tensor_id
vector(struct bench_net *net, const char *layer, const char *suffix, int64_t n, double center, double bound)
{
    return constant(net, layer, suffix, (struct extents){1, {n}}, center, bound);
}

static double weight_bound(int64_t fan_in, double gain)
{
    return (gain == 0 ? 1 : gain) * sqrt(6.0 / (double)fan_in);
}

static tf2_tensor_id node(
    struct bench_net *net, enum tf2_op op, const char *before, const char *name, const void *attr,
    const tf2_tensor_id *in, size_t n_in)
{
    char joined[NAME_MAX_BYTES];
    tf2_tensor_id out = TF2_NO_TENSOR;
    if (failed(net))
        return TF2_NO_TENSOR;
    join(joined, net, before, name, "");
    net->status = tf2_graph_add_node(net->graph, op, joined, attr, in, n_in, &out, net->error);
    return out;
}

/* A window that is the same in all dimensions. */
static struct tf2_window square(int32_t kernel, int32_t stride, int32_t pad)
{
    struct tf2_window window = {
        .kernel = {kernel, kernel, kernel},
        .stride = {stride, stride, stride},
        .pad_begin = {pad, pad, pad},
        .pad_end = {pad, pad, pad},
    };
    return window;
}

tf2_tensor_id bench_node(
    struct bench_net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    size_t n_in)
{
    return node(net, op, "", name, attr, in, n_in);
}

tf2_tensor_id
bench_constant(struct bench_net *net, const char *layer, const char *suffix, int64_t n, double value)
{
    return vector(net, layer, suffix, n, value, 0);
}

static tf2_tensor_id input(struct bench_net *net, struct tf2_shape shape)
{
    tf2_tensor_id tensor = TF2_NO_TENSOR;
    if (!failed(net))
        net->status = tf2_graph_add_input(net->graph, "data", TF2_DTYPE_F32, &shape, &tensor, net->error);
    return tensor;
}

tf2_tensor_id bench_input(struct bench_net *net, int64_t channels, int64_t height, int64_t width)
{
    return input(net, (struct tf2_shape){4, {1, channels, height, width}});
}

tf2_tensor_id
bench_input_video(struct bench_net *net, int64_t channels, int64_t length, int64_t height, int64_t width)
{
    return input(net, (struct tf2_shape){5, {1, channels, length, height, width}});
}

void bench_output(struct bench_net *net, tf2_tensor_id x)
{
    if (!failed(net))
        net->status = tf2_graph_add_output(net->graph, x, NULL, net->error);
}

tf2_tensor_id
bench_conv(struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv)
{
    const struct tf2_shape *shape = failed(net) ? NULL : tf2_graph_shape(net->graph, x);
    const int64_t in_channels = channels_of(net, x) / (conv->group ? conv->group : 1);
    struct tf2_conv_attr attr = {.window = square(0, conv->stride, conv->pad), .group = conv->group};
    struct extents extents = {shape ? shape->n_dims : 4, {conv->channels, in_channels}};
    int64_t fan_in = in_channels;
    tf2_tensor_id in[3] = {x};
    for (uint32_t d = 2; d < extents.n; d++) {
        extents.dim[d] = conv->kernel;
        fan_in *= conv->kernel;
        attr.window.dilation[d - 2] = conv->dilation;
    }
    in[1] = constant(net, name, ".weights", extents, 0, weight_bound(fan_in, conv->gain));
    if (!conv->no_bias)
        in[2] = vector(net, name, ".bias", conv->channels, 0, SMALL);
    return node(net, TF2_OP_CONV, "", name, &attr, in, conv->no_bias ? 2 : 3);
}

tf2_tensor_id
bench_conv_relu(struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv)
{
    char relu[NAME_MAX_BYTES];
    snprintf(relu, sizeof(relu), "relu_%s", name);
    return bench_relu(net, bench_conv(net, x, name, conv), relu);
}

tf2_tensor_id bench_batch_norm(struct bench_net *net, tf2_tensor_id x, const char *tag, double gain)
{
    char norm[NAME_MAX_BYTES], scale[NAME_MAX_BYTES];
    snprintf(norm, sizeof(norm), "bn%s", tag);
    snprintf(scale, sizeof(scale), "scale%s", tag);
    return bench_norm_scale(net, x, norm, scale, gain);
}

tf2_tensor_id bench_norm_scale(
    struct bench_net *net, tf2_tensor_id x, const char *norm_name, const char *scale_name, double gain)
{
    const struct tf2_batch_norm_attr norm = {.epsilon = 1e-5f};
    const struct tf2_scale_attr scale = {.axis = 1};
    int64_t n = channels_of(net, x);
    tf2_tensor_id in[5] = {x};
    /* Caffe's BatchNorm only normalizes; ones and zeros stand for the scale and bias that other formats have.
     */
    in[1] = vector(net, norm_name, ".one", n, 1, 0);
    in[2] = vector(net, norm_name, ".zero", n, 0, 0);
    in[3] = vector(net, norm_name, ".mean", n, 0, SMALL);
    in[4] = vector(net, norm_name, ".variance", n, 1, SPREAD);
    in[0] = node(net, TF2_OP_BATCH_NORM, "", norm_name, &norm, in, 5);
    in[1] = vector(net, scale_name, ".scale", n, gain, SPREAD * gain);
    in[2] = vector(net, scale_name, ".offset", n, 0, SMALL);
    return node(net, TF2_OP_SCALE, "", scale_name, &scale, in, 3);
}

tf2_tensor_id
bench_dense(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t channels, double gain)
{
    const struct tf2_gemm_attr attr = {.axis = 1};
    int64_t k = inputs_of(net, x);
    tf2_tensor_id in[3] = {x};
    in[1] = constant(net, name, ".weights", (struct extents){2, {channels, k}}, 0, weight_bound(k, gain));
    in[2] = vector(net, name, ".bias", channels, 0, SMALL);
    return node(net, TF2_OP_GEMM, "", name, &attr, in, 3);
}

tf2_tensor_id bench_relu(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    const struct tf2_activation relu = {.kind = TF2_ACTIVATION_RELU};
    return node(net, TF2_OP_ACTIVATION, "", name, &relu, &x, 1);
}

tf2_tensor_id bench_prelu(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    tf2_tensor_id in[2] = {x};
    in[1] = vector(net, name, ".slope", channels_of(net, x), PRELU_SLOPE, SMALL);
    return node(net, TF2_OP_PRELU, "", name, NULL, in, 2);
}

tf2_tensor_id bench_max_pool(
    struct bench_net *net, tf2_tensor_id x, const char *name, int32_t kernel, int32_t stride, int32_t pad)
{
    const struct tf2_pool_attr attr = {
        .kind = TF2_POOL_MAX,
        .rounding = TF2_POOL_CEIL,
        .window = square(kernel, stride, pad),
    };
    return node(net, TF2_OP_POOL, "", name, &attr, &x, 1);
}

tf2_tensor_id bench_max_pool_video(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t length)
{
    struct tf2_pool_attr attr = {.kind = TF2_POOL_MAX, .rounding = TF2_POOL_CEIL, .window = square(2, 2, 0)};
    attr.window.kernel[0] = attr.window.stride[0] = length;
    return node(net, TF2_OP_POOL, "", name, &attr, &x, 1);
}

tf2_tensor_id bench_mean(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t kernel)
{
    const struct tf2_pool_attr attr = {
        .kind = TF2_POOL_AVG,
        .rounding = TF2_POOL_CEIL,
        .window = square(kernel, 1, 0),
        .global = kernel == 0,
    };
    return node(net, TF2_OP_POOL, "", name, &attr, &x, 1);
}

tf2_tensor_id bench_lrn(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    const struct tf2_lrn_attr attr = {
        .region = TF2_LRN_ACROSS_CHANNELS, .size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 1};
    return node(net, TF2_OP_LRN, "", name, &attr, &x, 1);
}

tf2_tensor_id bench_dropout(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    return node(net, TF2_OP_DROPOUT, "", name, NULL, &x, 1);
}

tf2_tensor_id bench_softmax(struct bench_net *net, tf2_tensor_id x, const char *name)
{
    const struct tf2_softmax_attr attr = {.axis = 1};
    return node(net, TF2_OP_SOFTMAX, "", name, &attr, &x, 1);
}

tf2_tensor_id bench_concat(struct bench_net *net, const tf2_tensor_id *x, size_t n, const char *name)
{
    return bench_concat_axis(net, x, n, name, 1);
}

tf2_tensor_id
bench_concat_axis(struct bench_net *net, const tf2_tensor_id *x, size_t n, const char *name, int32_t axis)
{
    const struct tf2_axis_attr attr = {.axis = axis};
    return node(net, TF2_OP_CONCAT, "", name, &attr, x, n);
}

tf2_tensor_id bench_add(struct bench_net *net, tf2_tensor_id a, tf2_tensor_id b, const char *name)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SUM};
    return node(net, TF2_OP_ELTWISE, "", name, &attr, (const tf2_tensor_id[]){a, b}, 2);
}
