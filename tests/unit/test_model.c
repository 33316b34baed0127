/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_model.c: making a model of a graph, what it tells about itself, and running out of memory at every
 * allocation. Nothing here calls the importers: this program must link without them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include <tf2/model.h>

#include "net.h"
#include "transform/model/model.h"

static tf2_tensor_id add_layers(struct net *net)
{
    tf2_tensor_id x = net_input(net, "x", SHAPE(1, 3, 8, 8));
    x = net_scale(net, net_batch_norm(net, net_conv(net, x, 4, 3, 1, false)), true);
    x = net_activation(net, x, TF2_ACTIVATION_RELU, 0, 0);
    return net_gemm(net, x, 5, 1, true);
}

static struct tf2_model *make_model(const struct tf2_import_options *options)
{
    struct net net;
    struct tf2_model *model = NULL;
    struct tf2_error error;
    net_open(&net, 1);
    net_output(&net, add_layers(&net));
    if (tf2_model_from_graph(&net.graph, "small", options, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_null(net.graph);
    return model;
}

static void test_info(void **state)
{
    (void)state;
    struct tf2_model *model = make_model(NULL);
    struct tf2_model_info info;
    struct tf2_tensor_info tensor;
    tf2_model_info(model, &info);
    assert_string_equal(info.name, "small");
    assert_int_equal(info.n_inputs, 1);
    assert_int_equal(info.n_outputs, 1);
    assert_int_equal(info.n_nodes, 3); /* two convolutions, squeeze */
    assert_int_equal(info.macs, 64 * 4 * 27 + 5 * 4 * 64);
    assert_int_equal(info.weights_bytes, 4 * (4 * 27 + 4 + 5 * 4 * 64 + 5));
    assert_float_equal(info.preprocess.scale, 0, 0);

    assert_int_equal(tf2_model_input(model, 0, &tensor), TF2_OK);
    assert_string_equal(tensor.name, "x");
    assert_int_equal(tensor.dtype, TF2_DTYPE_F32);
    assert_true(tf2_shape_equal(&tensor.shape, &SHAPE(1, 3, 8, 8)));
    assert_int_equal(tf2_model_output(model, 0, &tensor), TF2_OK);
    assert_true(tf2_shape_equal(&tensor.shape, &SHAPE(1, 5)));
    assert_int_equal(tf2_model_input(model, 1, &tensor), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_output(model, 1, &tensor), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_output(model, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_output(NULL, 0, &tensor), TF2_ERR_INVALID_ARGUMENT);
    tf2_model_destroy(&model);
    assert_null(model);
    tf2_model_destroy(&model);
    tf2_model_destroy(NULL);
}

static void test_options(void **state)
{
    (void)state;
    struct tf2_import_options options = {
        .no_optimize = true, .preprocess = {.channels = TF2_CHANNELS_BGR, .mean = {1, 2, 3}, .scale = 0.5f}};
    struct tf2_model *model = make_model(&options);
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    assert_int_equal(info.n_nodes, 5);
    assert_int_equal(info.macs, 64 * 4 * 27 + 5 * 4 * 64);
    assert_int_equal(info.preprocess.channels, TF2_CHANNELS_BGR);
    assert_float_equal(info.preprocess.mean[2], 3, 0);
    assert_float_equal(info.preprocess.scale, 0.5f, 0);
    tf2_model_destroy(&model);
}

/* Weights that two nodes read count once. */
static void test_shared_weights(void **state)
{
    (void)state;
    struct net net;
    struct tf2_model *model;
    struct tf2_model_info info;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id w = net_constant(&net, SHAPE(3, 3, 1, 1));
    net_constant(&net, SHAPE(100)); /* nobody reads it */
    x = net_node(&net, TF2_OP_CONV, NULL, NULL, IN(x, w));
    net_output(&net, net_node(&net, TF2_OP_CONV, NULL, NULL, IN(x, w)));
    assert_int_equal(tf2_model_from_graph(&net.graph, "shared", NULL, &model, NULL), TF2_OK);
    tf2_model_info(model, &info);
    assert_int_equal(info.weights_bytes, 36);
    assert_int_equal(info.macs, 2 * 16 * 9);
    tf2_model_destroy(&model);
}

/* On failure the graph is still the caller's and the result untouched. */
static void test_refused(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    struct tf2_graph *none = NULL;
    struct tf2_model *model = (struct tf2_model *)&net;
    struct tf2_import_options options[5] = {0};
    options[0].preprocess.mean[1] = NAN;
    options[1].preprocess.mean[3] = INFINITY;
    options[2].preprocess.scale = NAN;
    options[3].preprocess.scale = -INFINITY;
    options[4].preprocess.channels = (enum tf2_channels)2;
    net_open(&net, 1);
    tf2_tensor_id y = add_layers(&net);
    assert_int_equal(
        tf2_model_from_graph(&net.graph, "n", NULL, &model, &error), TF2_ERR_GRAPH); /* no output */
    net_output(&net, y);
    for (size_t i = 0; i < TF2__COUNT(options); i++)
        assert_int_equal(
            tf2_model_from_graph(&net.graph, "n", &options[i], &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_from_graph(NULL, "n", NULL, &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_from_graph(&none, "n", NULL, &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_from_graph(&net.graph, NULL, NULL, &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_from_graph(&net.graph, "n", NULL, NULL, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_non_null(net.graph);
    assert_ptr_equal(model, &net);
    net_close(&net);
}

static void count_line(void *user, enum tf2_log_level level, const char *message)
{
    uint32_t *n_lines = user;
    assert_int_equal(level, TF2_LOG_DEBUG);
    *n_lines += strncmp(message, "pass ", 5) == 0;
}

static void test_log(void **state)
{
    (void)state;
    uint32_t n_lines = 0;
    struct net net;
    struct tf2_model *model;
    net_open(&net, 1);
    net_output(&net, add_layers(&net));
    net.graph->arena.env.logger =
        (struct tf2_logger){.write = count_line, .user = &n_lines, .level = TF2_LOG_DEBUG};
    assert_int_equal(tf2_model_from_graph(&net.graph, "logged", NULL, &model, NULL), TF2_OK);
    assert_int_equal(n_lines, 3); /* fold-scale, fuse-activation, gemm-to-conv */
    tf2_model_destroy(&model);
}

/* ---- running out of memory ---- */

struct counted {
    size_t n_calls, fail_at; /* fail_at: the call that fails, from 1 on */
    size_t n_live;
};

static void *counted_alloc(void *user, size_t size, size_t alignment)
{
    struct counted *counted = user;
    void *ptr = NULL;
    if (++counted->n_calls == counted->fail_at || posix_memalign(&ptr, alignment, size) != 0)
        return NULL;
    counted->n_live++;
    return ptr;
}

static void counted_release(void *user, void *ptr)
{
    ((struct counted *)user)->n_live--;
    free(ptr);
}

/* A graph on which every pass has something to do. */
static enum tf2_status build_everything(struct tf2_graph *g)
{
    /* Weights large enough to get arena blocks of their own, so that these allocations can fail. */
    enum { C = 32 };
    static const float numbers[C * C * 9] = {0.5f, 1, 2};
    static float factors[C];
    const struct tf2_shape map = SHAPE(1, C, 4, 4), w1 = SHAPE(C, C, 3, 3), w2 = SHAPE(3, C * 16),
                           vector = SHAPE(C);
    const struct tf2_pad_attr pad = {.n_dims = 4, .begin = {0, 0, 1, 1}, .end = {0, 0, 1, 1}};
    const struct tf2_scale_attr scale = {.axis = 1};
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM}, prod = {.kind = TF2_ELTWISE_PROD};
    const struct tf2_activation relu = {.kind = TF2_ACTIVATION_RELU};
    const struct tf2_activation gate = {.kind = TF2_ACTIVATION_HARD_SIGMOID, .alpha = 1 / 6.0f, .beta = 0.5f};
    const struct tf2_gemm_attr gemm = {.axis = 1};
    tf2_tensor_id x, c, w, v, s, a, b;
    for (int i = 0; i < C; i++)
        factors[i] = 1 + 0.5f * (float)i;
#define NODE(op, name, attr, out, ...)                                                                       \
    TF2__TRY(tf2_graph_add_node(g, op, name, attr, IN(__VA_ARGS__), &(out), NULL))
    TF2__TRY(tf2_graph_add_input(g, "x", TF2_DTYPE_F32, &map, &x, NULL));
    TF2__TRY(tf2_graph_add_constant(g, "w", TF2_DTYPE_F32, &w1, numbers, &w, NULL));
    TF2__TRY(tf2_graph_add_constant(g, "v", TF2_DTYPE_F32, &w2, numbers, &v, NULL));
    TF2__TRY(tf2_graph_add_constant(g, "s", TF2_DTYPE_F32, &vector, factors, &s, NULL));
    NODE(TF2_OP_ACTIVATION, "relu of constant", &relu, c, s);
    NODE(TF2_OP_SCALE, "input scale", &scale, a, x, s);
    NODE(TF2_OP_PAD, "pad", &pad, b, a);
    NODE(TF2_OP_CONV, "conv", NULL, b, b, w);
    NODE(TF2_OP_BATCH_NORM, "bn", NULL, b, b, s, s, s, s);
    NODE(TF2_OP_CONV, "pointless", NULL, c, b, w);
    NODE(TF2_OP_ELTWISE, "sum", &sum, b, b, x);
    NODE(TF2_OP_ACTIVATION, "gate", &gate, a, b);
    NODE(TF2_OP_ELTWISE, "swish", &prod, b, a, b);
    NODE(TF2_OP_SCALE, "free scale", &scale, a, b, s, s);
    NODE(TF2_OP_SCALE, "another", &scale, a, a, s, s);
    NODE(TF2_OP_ELTWISE, "both", &sum, b, a, b);
    NODE(TF2_OP_DROPOUT, "dropout", NULL, b, b);
    NODE(TF2_OP_GEMM, "gemm", &gemm, b, b, v);
#undef NODE
    TF2__TRY(tf2_graph_add_output(g, b, NULL, NULL));
    return tf2_graph_add_output(g, x, NULL, NULL);
}

static enum tf2_status build_model(const struct tf2_env *env, struct tf2_model **model)
{
    struct tf2_graph *graph = NULL;
    enum tf2_status status = tf2_graph_create(env, &graph, NULL);
    if (status == TF2_OK)
        status = build_everything(graph);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, "m", NULL, model, NULL);
    tf2_graph_destroy(&graph);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        struct counted counted = {.fail_at = fail_at};
        const struct tf2_env env = {
            .allocator = {.alloc = counted_alloc, .release = counted_release, .user = &counted}};
        struct tf2_model *model = NULL;
        enum tf2_status status = build_model(&env, &model);
        bool failed = counted.n_calls >= fail_at;
        assert_int_equal(status, failed ? TF2_ERR_NO_MEMORY : TF2_OK);
        assert_int_equal(model != NULL, !failed);
        tf2_model_destroy(&model);
        assert_int_equal(counted.n_live, 0);
        if (!failed) {
            print_message("%zu allocations\n", counted.n_calls);
            assert_true(fail_at > 30);
            return;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),    cmocka_unit_test(test_options), cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_log),     cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
