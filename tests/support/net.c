/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "net.h"
#include "reference_run.h"

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        struct tf2_error error = {0};                                                                        \
        struct tf2_error *e = &error;                                                                        \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s: %s", #call, error.message);                                                        \
    } while (0)

void net_open(struct net *net, uint64_t seed)
{
    *net = (struct net){.seed = seed};
    CHECK(tf2_graph_create(NULL, &net->graph, e));
}

void net_close(struct net *net)
{
    tf2_graph_destroy(&net->graph);
}

tf2_tensor_id net_input(struct net *net, const char *name, struct tf2_shape shape)
{
    tf2_tensor_id id;
    CHECK(tf2_graph_add_input(net->graph, name, TF2_DTYPE_F32, &shape, &id, e));
    return id;
}

tf2_tensor_id net_constant_in(struct net *net, float low, float high, struct tf2_shape shape)
{
    char name[32];
    tf2_tensor_id id;
    size_t n = (size_t)tf2_shape_count(&shape);
    float *data = malloc(n * sizeof(*data));
    snprintf(name, sizeof(name), "c%u", ++net->n_names);
    reference_fill(data, n, net->seed++, low, high);
    CHECK(tf2_graph_add_constant(net->graph, name, TF2_DTYPE_F32, &shape, data, &id, e));
    free(data);
    return id;
}

tf2_tensor_id net_constant(struct net *net, struct tf2_shape shape)
{
    return net_constant_in(net, -1, 1, shape);
}

tf2_tensor_id net_filled(struct net *net, float value, struct tf2_shape shape)
{
    return net_constant_in(net, value, value, shape);
}

tf2_tensor_id net_node(
    struct net *net, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs)
{
    char number[32];
    tf2_tensor_id id;
    snprintf(number, sizeof(number), "n%u", ++net->n_names);
    CHECK(tf2_graph_add_node(net->graph, op, name ? name : number, attr, inputs, n_inputs, &id, e));
    return id;
}

void net_output(struct net *net, tf2_tensor_id tensor)
{
    CHECK(tf2_graph_add_output(net->graph, tensor, NULL, e));
}

tf2_tensor_id
net_conv(struct net *net, tf2_tensor_id x, int64_t n_out, int64_t kernel, int32_t pad, bool bias)
{
    struct tf2_conv_attr attr = {0};
    struct tf2_shape shape = *tf2_graph_shape(net->graph, x);
    shape.dim[0] = n_out;
    for (uint32_t d = 2; d < shape.n_dims; d++) {
        shape.dim[d] = kernel;
        attr.window.pad_begin[d - 2] = attr.window.pad_end[d - 2] = pad;
    }
    tf2_tensor_id w = net_constant(net, shape);
    if (!bias)
        return net_node(net, TF2_OP_CONV, NULL, &attr, IN(x, w));
    tf2_tensor_id b = net_constant(net, SHAPE(n_out));
    return net_node(net, TF2_OP_CONV, NULL, &attr, IN(x, w, b));
}

tf2_tensor_id net_gemm(struct net *net, tf2_tensor_id x, int64_t n_out, int32_t axis, bool bias)
{
    const struct tf2_gemm_attr attr = {.axis = axis};
    const struct tf2_shape *shape = tf2_graph_shape(net->graph, x);
    int64_t n_in = 1;
    for (uint32_t d = axis < 0 ? shape->n_dims - (uint32_t)-axis : (uint32_t)axis; d < shape->n_dims; d++)
        n_in *= shape->dim[d];
    tf2_tensor_id w = net_constant(net, SHAPE(n_out, n_in));
    if (!bias)
        return net_node(net, TF2_OP_GEMM, NULL, &attr, IN(x, w));
    tf2_tensor_id b = net_constant(net, SHAPE(n_out));
    return net_node(net, TF2_OP_GEMM, NULL, &attr, IN(x, w, b));
}

tf2_tensor_id net_batch_norm(struct net *net, tf2_tensor_id x)
{
    const struct tf2_batch_norm_attr attr = {.epsilon = 1e-5f};
    int64_t n = tf2_graph_shape(net->graph, x)->dim[1];
    tf2_tensor_id scale = net_constant(net, SHAPE(n));
    tf2_tensor_id bias = net_constant(net, SHAPE(n));
    tf2_tensor_id mean = net_constant(net, SHAPE(n));
    tf2_tensor_id variance = net_constant_in(net, 0.2f, 2, SHAPE(n));
    return net_node(net, TF2_OP_BATCH_NORM, NULL, &attr, IN(x, scale, bias, mean, variance));
}

tf2_tensor_id net_scale(struct net *net, tf2_tensor_id x, bool bias)
{
    const struct tf2_scale_attr attr = {.axis = 1};
    int64_t n = tf2_graph_shape(net->graph, x)->dim[1];
    tf2_tensor_id scale = net_constant(net, SHAPE(n));
    if (!bias)
        return net_node(net, TF2_OP_SCALE, NULL, &attr, IN(x, scale));
    tf2_tensor_id shift = net_constant(net, SHAPE(n));
    return net_node(net, TF2_OP_SCALE, NULL, &attr, IN(x, scale, shift));
}

tf2_tensor_id
net_activation(struct net *net, tf2_tensor_id x, enum tf2_activation_kind kind, float alpha, float beta)
{
    const struct tf2_activation attr = {.kind = kind, .alpha = alpha, .beta = beta};
    return net_node(net, TF2_OP_ACTIVATION, NULL, &attr, IN(x));
}

tf2_tensor_id net_eltwise(struct net *net, enum tf2_eltwise_kind kind, tf2_tensor_id a, tf2_tensor_id b)
{
    const struct tf2_eltwise_attr attr = {.kind = kind};
    return net_node(net, TF2_OP_ELTWISE, NULL, &attr, IN(a, b));
}
