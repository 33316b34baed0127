/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_support.c: the networks of the device suite.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_test.h"

struct tf2_devices *devices_or_null(const char *spec, const struct tf2_env *env)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_devices_open(spec, env, &devices, &error);
    if (status == TF2_ERR_NO_DEVICE) {
        print_message("%s: %s\n", spec, error.message);
        return NULL;
    }
    if (status != TF2_OK)
        fail_msg("%s: %s", spec, error.message);
    return devices;
}

/* --- networks --- */

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})
#define IN(...)                                                                                              \
    (const tf2_tensor_id[]){__VA_ARGS__}, sizeof((tf2_tensor_id[]){__VA_ARGS__}) / sizeof(tf2_tensor_id)

static tf2_tensor_id input(struct tf2_graph *graph, const char *name, struct tf2_shape shape)
{
    tf2_tensor_id id = TF2_NO_TENSOR;
    MUST(tf2_graph_add_input(graph, name, TF2_DTYPE_F32, &shape, &id, e));
    return id;
}

static tf2_tensor_id constant(struct tf2_graph *graph, const char *name, struct tf2_shape shape)
{
    tf2_tensor_id id = TF2_NO_TENSOR;
    size_t n = (size_t)tf2_shape_count(&shape);
    float *data = malloc(n * sizeof(*data));
    for (size_t i = 0; i < n; i++)
        data[i] = (float)((int)(i * 37 % 101) - 50) / 64;
    MUST(tf2_graph_add_constant(graph, name, TF2_DTYPE_F32, &shape, data, &id, e));
    free(data);
    return id;
}

static tf2_tensor_id node(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    size_t n)
{
    tf2_tensor_id id = TF2_NO_TENSOR;
    MUST(tf2_graph_add_node(graph, op, name, attr, in, n, &id, e));
    return id;
}

static void output(struct tf2_graph *graph, tf2_tensor_id tensor, const char *name)
{
    MUST(tf2_graph_add_output(graph, tensor, name, e));
}

static struct tf2_graph *open_graph(const struct tf2_env *env)
{
    struct tf2_graph *graph = NULL;
    MUST(tf2_graph_create(env, &graph, e));
    return graph;
}

static struct tf2_model *finish_graph(struct tf2_graph *graph, const char *name)
{
    struct tf2_model *model = NULL;
    MUST(tf2_model_from_graph(&graph, name, NULL, &model, e));
    assert_null(graph);
    return model;
}

static const struct tf2_conv_attr same = {.window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
static const struct tf2_activation relu = {.kind = TF2_ACTIVATION_RELU};

struct tf2_model *model_net(const struct tf2_env *env)
{
    const struct tf2_pool_attr pool = {
        .window = {.kernel = {2, 2}, .stride = {2, 2}}, .rounding = TF2_POOL_CEIL};
    struct tf2_graph *g = open_graph(env);
    tf2_tensor_id x = input(g, "x", SHAPE(1, 3, 9, 9));
    tf2_tensor_id w1 = constant(g, "w1", SHAPE(8, 3, 3, 3)), b1 = constant(g, "b1", SHAPE(8));
    tf2_tensor_id w2 = constant(g, "w2", SHAPE(8, 8, 3, 3)), w3 = constant(g, "w3", SHAPE(5, 200));
    tf2_tensor_id a =
        node(g, TF2_OP_ACTIVATION, "relu", &relu, IN(node(g, TF2_OP_CONV, "conv1", &same, IN(x, w1, b1))));
    tf2_tensor_id b = node(g, TF2_OP_CONV, "conv2", &same, IN(a, w2));
    tf2_tensor_id sum = node(g, TF2_OP_ELTWISE, "sum", NULL, IN(a, b));
    tf2_tensor_id p = node(g, TF2_OP_POOL, "pool", &pool, IN(sum));
    tf2_tensor_id f = node(g, TF2_OP_GEMM, "fc", &(struct tf2_gemm_attr){.axis = 1}, IN(p, w3));
    output(g, node(g, TF2_OP_SOFTMAX, "softmax", &(struct tf2_softmax_attr){.axis = 1}, IN(f)), "y");
    return finish_graph(g, "net");
}

struct tf2_model *model_blocks(const struct tf2_env *env)
{
    const struct tf2_gemm_attr gemm = {.axis = 1};
    struct tf2_graph *g = open_graph(env);
    tf2_tensor_id x = input(g, "x", SHAPE(1, 3, 9, 9));
    tf2_tensor_id w1 = constant(g, "w1", SHAPE(200, 243)), w2 = constant(g, "w2", SHAPE(150, 200));
    tf2_tensor_id w3 = constant(g, "w3", SHAPE(5, 150));
    tf2_tensor_id a = node(g, TF2_OP_GEMM, "fc1", &gemm, IN(x, w1)), b = node(g, TF2_OP_GEMM, "fc2", &gemm, IN(a, w2));
    output(g, node(g, TF2_OP_GEMM, "fc3", &gemm, IN(b, w3)), "y");
    return finish_graph(g, "blocks");
}

size_t least_budget(const struct tf2_model *model, struct tf2_devices *devices)
{
    const struct tf2_session_options options = {.weight_budget_bytes = 1};
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_session_create(model, devices, 0, &options, &session, &error);
    tf2_session_destroy(&session);
    if (status == TF2_OK)
        return 1;
    const char *least = strstr(error.message, "needs ");
    if (status != TF2_ERR_NO_MEMORY || !least)
        fail_msg("a budget of 1 byte: %s (%s)", tf2_status_name(status), error.message);
    return (size_t)strtoull(least + 6, NULL, 10);
}

struct tf2_model *model_any_size(const struct tf2_env *env)
{
    struct tf2_graph *g = open_graph(env);
    tf2_tensor_id x = input(g, "x", SHAPE(1, 3, 9, 9)), w = constant(g, "w", SHAPE(4, 3, 3, 3));
    output(
        g, node(g, TF2_OP_ACTIVATION, "relu", &relu, IN(node(g, TF2_OP_CONV, "conv", &same, IN(x, w)))), "y");
    return finish_graph(g, "any_size");
}

struct tf2_model *model_small(const struct tf2_env *env)
{
    const struct tf2_activation tanh = {.kind = TF2_ACTIVATION_TANH};
    struct tf2_graph *g = open_graph(env);
    tf2_tensor_id x = input(g, "x", SHAPE(1, 7));
    output(g, node(g, TF2_OP_ACTIVATION, "tanh", &tanh, IN(x)), "y");
    return finish_graph(g, "small");
}

struct tf2_model *model_copies(const struct tf2_env *env)
{
    struct tf2_graph *g = open_graph(env);
    tf2_tensor_id a = input(g, "a", SHAPE(1, 3, 5, 7)), b = input(g, "b", SHAPE(1, 3));
    output(g, node(g, TF2_OP_IDENTITY, "a.copy", NULL, IN(a)), NULL);
    output(g, node(g, TF2_OP_DROPOUT, "b.copy", NULL, IN(b)), NULL);
    output(g, a, "a again");
    return finish_graph(g, "copies");
}
