/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h: small graphs for tests in a few lines. A call that fails makes the test fail. Constants get random
 * numbers in [-1, 1), the same for the same sequence of calls.
 */
#ifndef TF2_TEST_NET_H
#define TF2_TEST_NET_H

#include <tf2/graph.h>

struct net {
    struct tf2_graph *graph;
    uint64_t seed;
    uint32_t n_names;
};

/* A shape: SHAPE(1, 3, 8, 8). */
#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

/* Inputs of a node: IN(x, w). */
#define IN(...)                                                                                              \
    (const tf2_tensor_id[]){__VA_ARGS__}, sizeof((tf2_tensor_id[]){__VA_ARGS__}) / sizeof(tf2_tensor_id)

void net_open(struct net *net, uint64_t seed);
void net_close(struct net *net);
tf2_tensor_id net_input(struct net *net, const char *name, struct tf2_shape shape);
/* Random numbers in [low, high). */
tf2_tensor_id net_constant_in(struct net *net, float low, float high, struct tf2_shape shape);
tf2_tensor_id net_constant(struct net *net, struct tf2_shape shape);
/* Every element the same. */
tf2_tensor_id net_filled(struct net *net, float value, struct tf2_shape shape);
/* A node, called `name`; NULL: "n1", "n2", ... */
tf2_tensor_id net_node(
    struct net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs);
void net_output(struct net *net, tf2_tensor_id tensor);

/* Shorthands. conv: n_out channels, square kernel, stride 1, padding `pad` all around. */
tf2_tensor_id
net_conv(struct net *net, tf2_tensor_id x, int64_t n_out, int64_t kernel, int32_t pad, bool bias);
tf2_tensor_id net_gemm(struct net *net, tf2_tensor_id x, int64_t n_out, int32_t axis, bool bias);
tf2_tensor_id net_batch_norm(struct net *net, tf2_tensor_id x);
tf2_tensor_id net_scale(struct net *net, tf2_tensor_id x, bool bias);
tf2_tensor_id
net_activation(struct net *net, tf2_tensor_id x, enum tf2_activation_kind kind, float alpha, float beta);
tf2_tensor_id net_eltwise(struct net *net, enum tf2_eltwise_kind kind, tf2_tensor_id a, tf2_tensor_id b);

#endif
