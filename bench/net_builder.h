/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_builder.h: layers of the built-in networks: each adds one node (or the usual two or three) with its
 * seeded weights to a graph and gives back the tensor.
 *
 * The first failure is kept in the builder and makes every later call do nothing and give TF2_NO_TENSOR, so
 * that a network reads as a list of layers; look at `status` once, at the end.
 */
#ifndef BENCH_NET_BUILDER_H
#define BENCH_NET_BUILDER_H

#include <tf2/graph.h>

struct bench_net {
    struct tf2_graph *graph;
    struct tf2_error *error; /* NULL allowed */
    enum tf2_status status;
    uint64_t random; /* the state of splitmix64, first the seed */
    char prefix[32]; /* goes before every layer name, such as "fire2/" */
};

/* The same in all spatial dimensions. stride, dilation and group 0 mean 1; gain 0 means 1: weights are uniform with
 * variance gain^2 * 2 / fan_in. */
struct bench_conv {
    int32_t channels, kernel, stride, pad, dilation, group;
    bool no_bias;
    double gain;
};

void bench_prefix(struct bench_net *net, const char *format, ...) TF2_PRINTF(2, 3);

tf2_tensor_id bench_input(struct bench_net *net, int64_t channels, int64_t height, int64_t width);
/* A clip of `length` frames. */
tf2_tensor_id
bench_input_video(struct bench_net *net, int64_t channels, int64_t length, int64_t height, int64_t width);
void bench_output(struct bench_net *net, tf2_tensor_id x);

tf2_tensor_id
bench_conv(struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv);
/* Convolution `name`, then ReLU "relu_<name>". */
tf2_tensor_id
bench_conv_relu(struct bench_net *net, tf2_tensor_id x, const char *name, const struct bench_conv *conv);
/* Batch normalization "bn<tag>", then scale "scale<tag>" around `gain`, as Caffe files have them. */
tf2_tensor_id bench_batch_norm(struct bench_net *net, tf2_tensor_id x, const char *tag, double gain);
/* The same with names of their own. */
tf2_tensor_id
bench_norm_scale(struct bench_net *net, tf2_tensor_id x, const char *norm, const char *scale, double gain);
/* Fully connected, Caffe's InnerProduct. */
tf2_tensor_id
bench_dense(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t channels, double gain);

tf2_tensor_id bench_relu(struct bench_net *net, tf2_tensor_id x, const char *name);
tf2_tensor_id bench_prelu(struct bench_net *net, tf2_tensor_id x, const char *name);
/* Rounded up, as Caffe does. */
tf2_tensor_id bench_max_pool(
    struct bench_net *net, tf2_tensor_id x, const char *name, int32_t kernel, int32_t stride, int32_t pad);
/* Windows of 2 x 2 pixels of `length` frames, which do not overlap; rounded up, as C3D does. */
tf2_tensor_id bench_max_pool_video(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t length);
/* The mean over kernel x kernel pixels, kernel 0: over the whole map. */
tf2_tensor_id bench_mean(struct bench_net *net, tf2_tensor_id x, const char *name, int32_t kernel);
tf2_tensor_id bench_lrn(struct bench_net *net, tf2_tensor_id x, const char *name);
tf2_tensor_id bench_dropout(struct bench_net *net, tf2_tensor_id x, const char *name);
tf2_tensor_id bench_softmax(struct bench_net *net, tf2_tensor_id x, const char *name);
tf2_tensor_id bench_concat(struct bench_net *net, const tf2_tensor_id *x, size_t n, const char *name);
/* The same along another axis. */
tf2_tensor_id
bench_concat_axis(struct bench_net *net, const tf2_tensor_id *x, size_t n, const char *name, int32_t axis);
/* Any other node: operator, attributes, inputs. */
tf2_tensor_id bench_node(
    struct bench_net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    size_t n_in);
/* A constant "<layer><suffix>" of n times the same number. */
tf2_tensor_id
bench_constant(struct bench_net *net, const char *layer, const char *suffix, int64_t n, double value);
tf2_tensor_id bench_add(struct bench_net *net, tf2_tensor_id a, tf2_tensor_id b, const char *name);

#endif
