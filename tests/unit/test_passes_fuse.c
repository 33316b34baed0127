/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_passes_fuse.c: the passes that rewire nodes or add some (merge-pad, fuse-add, gemm-to-conv), and all
 * passes together on blocks of well-known networks. Compared as in test_passes.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net.h"
#include "transform/ir/layout.h"
#include "pass_check.h"
#include "reference_run.h"
#include "transform/pass/pass.h"

static void fires(struct net *net, const char *pass, uint32_t n_nodes)
{
    assert_true(pass_check(net, pass, 1e-5));
    assert_int_equal(net->graph->n_nodes, n_nodes);
    assert_false(pass_check(net, pass, 1e-5));
}

static void is_silent(struct net *net, const char *pass)
{
    assert_false(pass_check(net, pass, 1e-5));
}

static void optimizes_to(struct net *net, uint32_t n_nodes)
{
    pass_check(net, NULL, 1e-5);
    assert_int_equal(net->graph->n_nodes, n_nodes);
}

static const struct tf2__node *node_of_output(const struct net *net, uint32_t i)
{
    tf2_tensor_id tensor = net->graph->outputs[i].tensor;
    assert_int_not_equal(net->graph->tensors[tensor].producer, TF2__NO_NODE);
    return &net->graph->nodes[net->graph->tensors[tensor].producer];
}

static tf2_tensor_id add_relu(struct net *net, tf2_tensor_id x)
{
    return net_activation(net, x, TF2_ACTIVATION_RELU, 0, 0);
}

static tf2_tensor_id add_sum(struct net *net, tf2_tensor_id a, tf2_tensor_id b)
{
    return net_eltwise(net, TF2_ELTWISE_SUM, a, b);
}

/* ---- merge-pad ---- */

static tf2_tensor_id add_pad(struct net *net, tf2_tensor_id x, float value)
{
    const struct tf2_pad_attr attr = {
        .n_dims = 4, .value = value, .begin = {0, 0, 1, 0}, .end = {0, 0, 2, 1}};
    return net_node(net, TF2_OP_PAD, NULL, &attr, IN(x));
}

static tf2_tensor_id add_pool(struct net *net, tf2_tensor_id x, const struct tf2_pool_attr *base)
{
    struct tf2_pool_attr attr = *base;
    attr.window.kernel[0] = attr.window.kernel[1] = 3;
    attr.window.stride[0] = attr.window.stride[1] = 2;
    return net_node(net, TF2_OP_POOL, NULL, &attr, IN(x));
}

static void test_merge_pad_conv(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2, 6, 5));
    tf2_tensor_id p = add_pad(&net, x, 0);
    net_output(&net, net_conv(&net, p, 3, 3, 1, true));
    net_output(&net, net_conv(&net, p, 3, 1, 0, true));
    fires(&net, "merge-pad", 2);
    net_close(&net);

    /* Not zero; SAME depends on what it sees; channels; cropping. */
    const struct tf2_conv_attr same = {.window = {.stride = {2, 2}, .auto_pad = TF2_AUTO_PAD_SAME_UPPER}};
    const struct tf2_pad_attr channels = {.n_dims = 4, .end = {0, 1}};
    const struct tf2_pad_attr crop = {.n_dims = 4, .begin = {0, 0, -1, 0}, .end = {0, 0, 1, 0}};
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 2, 5, 5));
    net_output(&net, net_conv(&net, add_pad(&net, x, 0.5f), 3, 3, 1, true));
    for (int64_t kernel = 2; kernel < 4; kernel++) { /* with 2, it adds nothing at this size */
        tf2_tensor_id w = net_constant(&net, SHAPE(3, 2, kernel, kernel));
        p = add_pad(&net, x, 0);
        net_output(&net, net_node(&net, TF2_OP_CONV, NULL, &same, IN(p, w)));
    }
    net_output(&net, net_conv(&net, net_node(&net, TF2_OP_PAD, NULL, &channels, IN(x)), 3, 3, 1, true));
    net_output(&net, net_conv(&net, net_node(&net, TF2_OP_PAD, NULL, &crop, IN(x)), 3, 3, 1, true));
    is_silent(&net, "merge-pad");
    net_close(&net);
}

static void test_merge_pad_pool(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_pool_attr max = {.kind = TF2_POOL_MAX}, average = {.kind = TF2_POOL_AVG};
    const struct tf2_pool_attr ceil = {.kind = TF2_POOL_MAX, .rounding = TF2_POOL_CEIL};
    const struct tf2_pool_attr excluding = {.kind = TF2_POOL_AVG, .window = {.pad_begin = {1, 1}}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2, 6, 7));
    tf2_tensor_id relu = net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, add_pool(&net, add_pad(&net, relu, 0), &max));
    net_output(&net, add_pool(&net, add_pad(&net, x, 0), &average));
    fires(&net, "merge-pad", 3);
    net_close(&net);

    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 2, 6, 7));
    relu = net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, add_pool(&net, add_pad(&net, x, 0), &max));       /* zero may win */
    net_output(&net, add_pool(&net, add_pad(&net, relu, 0), &ceil));   /* counts windows differently */
    net_output(&net, add_pool(&net, add_pad(&net, x, 0), &excluding)); /* would count both or none */
    is_silent(&net, "merge-pad");
    net_close(&net);
}

/* ---- fuse-add ---- */

static void test_fuse_add(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct net net;
        const struct tf2_eltwise_attr ones = {.has_coefficients = true, .coefficient = {1, 1}};
        net_open(&net, 30 + (uint64_t)kind);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
        tf2_tensor_id a = net_conv(&net, x, 3, 3, 1, kind & 1);
        tf2_tensor_id b = kind < 2 ? x : net_conv(&net, x, 3, 1, 0, kind & 1);
        net_output(
            &net, kind & 1 ? net_node(&net, TF2_OP_ELTWISE, NULL, &ones, IN(b, a)) : add_sum(&net, a, b));
        fires(&net, "fuse-add", kind < 2 ? 1 : 2);
        assert_int_equal(node_of_output(&net, 0)->op->id, TF2_OP_CONV);
        assert_int_equal(node_of_output(&net, 0)->in[3], kind < 2 ? x : a); /* the later one takes it */
        net_close(&net);
    }
}

/* There is room for one. */
static void test_fuse_add_once(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id y = net_input(&net, "y", SHAPE(1, 3, 4, 4));
    tf2_tensor_id a = add_sum(&net, net_conv(&net, x, 3, 3, 1, true), x);
    net_output(&net, add_sum(&net, a, net_activation(&net, x, TF2_ACTIVATION_TANH, 0, 0)));
    net_output(&net, y);
    fires(&net, "fuse-add", 3);
    net_close(&net);
}

/* The other operand is computed behind the convolution: the order has to change. */
static void test_fuse_add_reorders(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id a = net_conv(&net, x, 3, 3, 1, true);
    tf2_tensor_id b = net_activation(&net, x, TF2_ACTIVATION_TANH, 0, 0);
    b = net_activation(&net, b, TF2_ACTIVATION_EXP, 0, 0);
    tf2_tensor_id y = add_relu(&net, add_sum(&net, a, b));
    net_output(&net, y);
    fires(&net, "fuse-add", 4);
    assert_int_equal(net.graph->nodes[2].op->id, TF2_OP_CONV);
    fires(&net, "fuse-activation", 3);
    assert_int_equal(node_of_output(&net, 0)->activation.kind, TF2_ACTIVATION_RELU);
    net_close(&net);
}

static void test_fuse_add_refused(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_eltwise_attr weighted = {.has_coefficients = true, .coefficient = {1, -1}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, net_node(&net, TF2_OP_ELTWISE, NULL, &weighted, IN(a, x)));
    a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, a);
    net_output(&net, add_sum(&net, a, x));
    a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, add_sum(&net, a, a));
    a = add_relu(&net, net_conv(&net, x, 3, 3, 1, true));
    net_output(&net, add_sum(&net, a, x));
    a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_MAX, a, x));
    a = net_conv(&net, x, 3, 3, 1, true); /* the constant does not grow with the batch */
    net_output(&net, add_sum(&net, a, net_constant(&net, SHAPE(1, 3, 4, 4))));
    is_silent(&net, "fuse-add");
    pass_check(&net, "fuse-activation", 1e-5);
    is_silent(&net, "fuse-add"); /* the fused activation is in the way, too */
    net_close(&net);
}

/* One map is larger only with another input: the sum broadcasts then. */
static void test_fuse_add_broadcast(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    struct reference_outputs outputs = {0};
    struct tf2_error error;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 1, 1));
    tf2_tensor_id a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, add_sum(&net, a, net_node(&net, TF2_OP_POOL, NULL, &global, IN(x))));
    is_silent(&net, "fuse-add");
    float pixels[3 * 4 * 4] = {0};
    assert_int_equal(
        reference_run(net.graph, &SHAPE(1, 3, 4, 4), (const float *[]){pixels}, &outputs, &error), TF2_OK);
    reference_outputs_free(&outputs);
    net_close(&net);

    /* Maps of a fixed size and of a fixed batch, which happen to be the input's. */
    const struct tf2_resize_attr four = {.size = {4, 4}};
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(2, 3, 4, 4));
    a = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, add_sum(&net, a, net_node(&net, TF2_OP_RESIZE, NULL, &four, IN(x))));
    a = net_conv(&net, x, 3, 3, 1, true);
    tf2_tensor_id c = net_constant(&net, SHAPE(2, 3, 4, 4));
    net_output(&net, add_sum(&net, a, net_node(&net, TF2_OP_IDENTITY, NULL, NULL, IN(c))));
    is_silent(&net, "fuse-add");
    net_close(&net);

    /* An input of its own batch. */
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id bias_map = net_input(&net, "bias map", SHAPE(1, 3, 4, 4));
    net_output(&net, add_sum(&net, net_conv(&net, x, 3, 3, 1, true), bias_map));
    is_silent(&net, "fuse-add");
    net_close(&net);
}

/* ---- gemm-to-conv ---- */

static tf2_tensor_id add_flatten(struct net *net, tf2_tensor_id x, int kind)
{
    const struct tf2_axis_attr flatten = {.axis = 1};
    const struct tf2_reshape_attr free_rest = {.n_dims = 2, .dim = {0, -1}};
    const struct tf2_reshape_attr fixed = {.n_dims = 2, .dim = {1, -1}};
    if (kind == 0)
        return net_node(net, TF2_OP_FLATTEN, NULL, &flatten, IN(x));
    return net_node(net, TF2_OP_RESHAPE, NULL, kind == 1 ? &free_rest : &fixed, IN(x));
}

/* A map of one to three dimensions, directly or over a flatten. */
static void test_gemm_of_map(void **state)
{
    (void)state;
    const struct tf2_shape shapes[] = {SHAPE(1, 3, 5), SHAPE(1, 3, 4, 5), SHAPE(1, 2, 3, 4, 2)};
    for (size_t i = 0; i < TF2__COUNT(shapes); i++) {
        for (int flatten = -1; flatten < 3; flatten++) {
            struct net net;
            net_open(&net, 40 + i);
            tf2_tensor_id x = net_input(&net, "x", shapes[i]);
            x = flatten < 0 ? x : add_flatten(&net, x, flatten);
            x = net_gemm(&net, x, 7, 1, flatten & 1);
            net_output(&net, x);
            fires(&net, "gemm-to-conv", 2);
            assert_int_equal(net.graph->nodes[0].op->id, TF2_OP_CONV);
            assert_int_equal(node_of_output(&net, 0)->op->id, TF2_OP_SQUEEZE);
            assert_true(tf2_shape_equal(tf2_graph_shape(net.graph, x), &SHAPE(1, 7)));
            net_close(&net);
        }
    }
}

/* A map that was turned to channels last is read as it was before, with the weights in its order; also by two layers. */
static void test_gemm_of_turned_map(void **state)
{
    (void)state;
    const struct tf2_shape shapes[] = {SHAPE(1, 3, 5), SHAPE(1, 3, 4, 5), SHAPE(1, 2, 3, 4, 2)};
    for (size_t i = 0; i < TF2__COUNT(shapes); i++) {
        const struct tf2_transpose_attr turn = tf2__layout_to_last(shapes[i].n_dims);
        for (int flatten = -1; flatten < 3; flatten++) {
            struct net net;
            net_open(&net, 40 + i);
            tf2_tensor_id x = net_input(&net, "x", shapes[i]);
            tf2_tensor_id y = net_node(&net, TF2_OP_TRANSPOSE, NULL, &turn, IN(x));
            y = flatten < 0 ? y : add_flatten(&net, y, flatten);
            net_output(&net, net_gemm(&net, y, 7, 1, true));
            net_output(&net, net_gemm(&net, y, 2, 1, false));
            fires(&net, "gemm-to-conv", 4);
            for (uint32_t k = 0; k < net.graph->n_nodes; k++) {
                const struct tf2__node *node = &net.graph->nodes[k];
                assert_int_not_equal(node->op->id, TF2_OP_TRANSPOSE);
                if (node->op->id == TF2_OP_CONV)
                    assert_int_equal(node->in[0], x);
            }
            net_close(&net);
        }
    }
}

/* A reshape that makes rows of parts of an image is no flatten. */
static void test_gemm_of_rows(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_reshape_attr rows = {.n_dims = 2, .dim = {-1, 12}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 2, 3));
    x = net_node(&net, TF2_OP_RESHAPE, NULL, &rows, IN(x));
    net_output(&net, net_gemm(&net, x, 7, 1, true));
    fires(&net, "gemm-to-conv", 4);
    net_close(&net);
}

/* Layers behind each other need one squeeze between them, and none is read through. */
static void test_gemm_of_vector(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 6));
    x = add_relu(&net, net_gemm(&net, x, 7, 1, true));
    x = add_relu(&net, net_gemm(&net, x, 5, -1, true));
    x = net_gemm(&net, x, 4, -1, false);
    net_output(&net, x);
    optimizes_to(&net, 5); /* unsqueeze, three convolutions, squeeze */
    assert_int_equal(net.graph->nodes[1].activation.kind, TF2_ACTIVATION_RELU);
    assert_int_equal(net.graph->nodes[2].activation.kind, TF2_ACTIVATION_RELU);
    net_close(&net);
}

/* With another image size the weights do not fit, before and after. */
static void test_gemm_other_size(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    struct tf2_shape shapes[16];
    net_open(&net, 1);
    net_output(&net, net_gemm(&net, net_input(&net, "x", SHAPE(1, 3, 4, 4)), 7, 1, true));
    fires(&net, "gemm-to-conv", 2);
    assert_true(net.graph->n_tensors <= TF2__COUNT(shapes));
    assert_int_equal(tf2__graph_infer(net.graph, &SHAPE(5, 3, 4, 4), shapes, &error), TF2_OK);
    assert_int_equal(tf2__graph_infer(net.graph, &SHAPE(1, 3, 5, 4), shapes, &error), TF2_ERR_SHAPE);
    assert_int_equal(tf2__graph_infer(net.graph, &SHAPE(1, 3, 9, 9), shapes, &error), TF2_ERR_SHAPE);
    assert_int_equal(tf2__graph_infer(net.graph, &SHAPE(1, 3, 3, 4), shapes, &error), TF2_ERR_SHAPE);
    net_close(&net);
}

/* Weights that two layers share are one constant afterwards, too. */
static void test_gemm_shared_weights(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_gemm_attr attr = {.axis = 1};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 6)), y = net_input(&net, "y", SHAPE(1, 6));
    tf2_tensor_id w = net_constant(&net, SHAPE(3, 6));
    net_output(&net, net_node(&net, TF2_OP_GEMM, "gx", &attr, IN(x, w)));
    net_output(&net, net_node(&net, TF2_OP_GEMM, "gy", &attr, IN(y, w)));
    fires(&net, "gemm-to-conv", 6);
    const struct tf2__node *first =
        &net.graph->nodes[net.graph->tensors[node_of_output(&net, 0)->in[0]].producer];
    const struct tf2__node *second =
        &net.graph->nodes[net.graph->tensors[node_of_output(&net, 1)->in[0]].producer];
    assert_string_equal(first->name, "gx");
    assert_int_equal(first->in[1], second->in[1]);
    net_close(&net);
}

static void test_gemm_refused(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4));
    net_output(&net, net_gemm(&net, x, 7, -1, true)); /* rows of a sequence */
    net_output(&net, net_gemm(&net, x, 7, 0, true));
    tf2_tensor_id deep = net_input(&net, "deep", SHAPE(1, 2, 2, 2, 2, 2));
    net_output(&net, net_gemm(&net, deep, 7, 1, true));
    is_silent(&net, "gemm-to-conv");
    net_close(&net);
}

/* ---- all together ---- */

/* He et al. 2015: two convolutions with batch normalization, and a projected shortcut. */
static tf2_tensor_id add_residual_block(struct net *net, tf2_tensor_id x, bool project)
{
    int64_t n = 4;
    tf2_tensor_id a = net_scale(net, net_batch_norm(net, net_conv(net, x, n, 3, 1, false)), true);
    a = add_relu(net, a);
    a = net_scale(net, net_batch_norm(net, net_conv(net, a, n, 3, 1, false)), true);
    tf2_tensor_id b = project ? net_batch_norm(net, net_conv(net, x, n, 1, 0, false)) : x;
    return add_relu(net, add_sum(net, a, b));
}

static void test_resnet(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
    x = net_eltwise(&net, TF2_ELTWISE_DIV, x, net_filled(&net, 255, SHAPE(1)));
    x = add_relu(&net, net_batch_norm(&net, net_conv(&net, x, 4, 3, 1, true)));
    x = add_residual_block(&net, x, false);
    x = add_residual_block(&net, x, true);
    x = net_node(&net, TF2_OP_POOL, NULL, &global, IN(x));
    x = net_gemm(&net, add_flatten(&net, x, 0), 10, -1, true);
    net_output(&net, x);
    optimizes_to(&net, 1 + 2 + 3 + 1 + 2);
    for (uint32_t i = 0; i < 6; i++) {
        const struct tf2__node *node = &net.graph->nodes[i];
        assert_int_equal(node->op->id, TF2_OP_CONV);
    }
    net_close(&net);
}

/* MatMul and Add, as exporters of fully connected layers write them, with dropout between. */
static void test_dense_chain(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 3, 4, 4));
    x = add_flatten(&net, x, 0);
    for (int i = 0; i < 3; i++) {
        x = add_sum(&net, net_gemm(&net, x, 6 + i, -1, false), net_constant(&net, SHAPE(6 + i)));
        x = net_node(&net, TF2_OP_DROPOUT, NULL, NULL, IN(add_relu(&net, x)));
    }
    x = net_node(&net, TF2_OP_SOFTMAX, NULL, &(struct tf2_softmax_attr){.axis = 1}, IN(x));
    net_output(&net, x);
    optimizes_to(&net, 5);
    net_close(&net);
}

/* Nodes that share one large constant must not get one each, whatever their number. */
static void test_budget(void **state)
{
    (void)state;
    enum { N = 2000, C = 128 };
    struct net net;
    struct tf2_error error;
    const struct tf2_conv_attr attr = {.window = {.pad_begin = {1}, .pad_end = {1}}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, C, 1));
    tf2_tensor_id w = net_constant(&net, SHAPE(C, C, 3));
    for (int i = 0; i < N; i++) {
        tf2_tensor_id y = net_node(&net, TF2_OP_CONV, NULL, &attr, IN(x, w));
        net_output(&net, net_scale(&net, y, true));
    }
    size_t used_bytes = net.graph->arena.used_bytes;
    assert_int_equal(tf2__passes_run(net.graph, &error), TF2_OK);
    assert_in_range(net.graph->n_nodes, N + 1, 2 * N - 1);
    assert_in_range(net.graph->arena.used_bytes - used_bytes, 1 << 20, 100 << 20);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_pad_conv),     cmocka_unit_test(test_merge_pad_pool),
        cmocka_unit_test(test_fuse_add),           cmocka_unit_test(test_fuse_add_once),
        cmocka_unit_test(test_fuse_add_reorders),  cmocka_unit_test(test_fuse_add_refused),
        cmocka_unit_test(test_fuse_add_broadcast), cmocka_unit_test(test_gemm_of_map),
        cmocka_unit_test(test_gemm_of_turned_map), cmocka_unit_test(test_gemm_of_rows),       cmocka_unit_test(test_gemm_of_vector),
        cmocka_unit_test(test_gemm_other_size),    cmocka_unit_test(test_gemm_shared_weights),
        cmocka_unit_test(test_gemm_refused),       cmocka_unit_test(test_resnet),
        cmocka_unit_test(test_dense_chain),        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
