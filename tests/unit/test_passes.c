/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_passes.c: every pass on small graphs: what it has to rewrite, what it has to leave alone, and that the
 * network still computes the same at its own batch, at 1 and at 3.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "net.h"
#include "pass_check.h"
#include "transform/pass/pass.h"

/* Runs a pass that has to change the graph; dead nodes are not counted. */
static void fires(struct net *net, const char *pass, uint32_t n_nodes)
{
    assert_true(pass_check(net, pass, 1e-5));
    assert_int_equal(net->graph->n_nodes, n_nodes);
    assert_false(pass_check(net, pass, 1e-5)); /* once is enough */
}

static void is_silent(struct net *net, const char *pass)
{
    uint32_t n_nodes = net->graph->n_nodes;
    assert_false(pass_check(net, pass, 1e-5));
    assert_int_equal(net->graph->n_nodes, n_nodes);
}

static const struct tf2__node *node_of_output(const struct net *net, uint32_t i)
{
    tf2_tensor_id tensor = net->graph->outputs[i].tensor;
    assert_int_not_equal(net->graph->tensors[tensor].producer, TF2__NO_NODE);
    return &net->graph->nodes[net->graph->tensors[tensor].producer];
}

/* ---- drop-identity ---- */

static void test_identity_chain(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 3, 4, 5));
    x = net_node(&net, TF2_OP_IDENTITY, NULL, NULL, IN(x));
    x = net_conv(&net, x, 4, 3, 0, true);
    x = net_node(&net, TF2_OP_DROPOUT, NULL, NULL, IN(x));
    x = net_activation(&net, x, TF2_ACTIVATION_NONE, 0, 0);
    x = net_activation(&net, x, TF2_ACTIVATION_AFFINE, 1, 0);
    x = net_node(&net, TF2_OP_CONCAT, NULL, &(struct tf2_axis_attr){.axis = 1}, IN(x));
    x = net_node(
        &net, TF2_OP_TRANSPOSE, NULL, &(struct tf2_transpose_attr){.n_dims = 4, .perm = {0, 1, 2, 3}}, IN(x));
    x = net_node(&net, TF2_OP_PAD, NULL, &(struct tf2_pad_attr){.n_dims = 4, .mode = TF2_PAD_EDGE}, IN(x));
    x = net_node(
        &net, TF2_OP_SLICE, NULL,
        &(struct tf2_slice_attr){
            .n_dims = 4, .end = {INT64_MAX, INT32_MAX, INT64_MAX, INT64_MAX}, .step = {1, 1, 0, 1}},
        IN(x));
    x = net_node(
        &net, TF2_OP_RESHAPE, NULL, &(struct tf2_reshape_attr){.n_dims = 4, .dim = {0, 0, -1, 0}}, IN(x));
    x = net_node(
        &net, TF2_OP_RESHAPE, NULL, &(struct tf2_reshape_attr){.n_dims = 4, .dim = {0, 4, 0, 0}}, IN(x));
    x = net_node(&net, TF2_OP_UNSQUEEZE, NULL, NULL, IN(x));
    x = net_gemm(&net, x, 6, 1, true);
    x = net_node(&net, TF2_OP_FLATTEN, "last", &(struct tf2_axis_attr){.axis = -1}, IN(x));
    net_output(&net, x);
    fires(&net, "drop-identity", 2);
    assert_string_equal(net.graph->outputs[0].name, "last");
    net_close(&net);
}

/* What looks like an identity at batch 1, or at this image size, only. */
static void test_identity_by_accident(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 5));
    tf2_tensor_id y[7];
    y[0] = net_node(&net, TF2_OP_SQUEEZE, NULL, NULL, IN(net_input(&net, "b", SHAPE(2, 4, 5))));
    y[1] = net_node(
        &net, TF2_OP_RESHAPE, NULL, &(struct tf2_reshape_attr){.n_dims = 3, .dim = {1, 4, -1}}, IN(x));
    y[2] = net_node(
        &net, TF2_OP_RESHAPE, NULL, &(struct tf2_reshape_attr){.n_dims = 3, .dim = {-1, 4, 5}}, IN(x));
    y[3] = net_node(
        &net, TF2_OP_SLICE, NULL, &(struct tf2_slice_attr){.n_dims = 3, .end = {1, INT64_MAX, INT64_MAX}},
        IN(x));
    y[4] = net_node(
        &net, TF2_OP_SLICE, NULL,
        &(struct tf2_slice_attr){.n_dims = 3, .end = {INT64_MAX, INT64_MAX, INT64_MAX}, .step = {1, 2, 1}},
        IN(x));
    y[5] = net_node(
        &net, TF2_OP_TRANSPOSE, NULL, &(struct tf2_transpose_attr){.n_dims = 3, .perm = {0, 2, 1}}, IN(x));
    y[6] = net_activation(&net, x, TF2_ACTIVATION_AFFINE, 1, 1e-3f);
    for (int i = 0; i < 7; i++)
        net_output(&net, y[i]);
    is_silent(&net, "drop-identity");
    net_close(&net);
}

/* Outputs that are inputs or constants keep one node; readers do not go through it. */
static void test_identity_outputs(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4));
    tf2_tensor_id d = net_node(&net, TF2_OP_DROPOUT, "d", NULL, IN(x));
    tf2_tensor_id e = net_node(&net, TF2_OP_DROPOUT, "e", NULL, IN(d));
    tf2_tensor_id y = net_conv(&net, e, 2, 1, 0, false);
    net_output(&net, d);
    net_output(&net, e);
    net_output(&net, x);
    net_output(&net, y);
    fires(&net, "drop-identity", 4); /* d, e, a copy of x, the convolution */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(node_of_output(&net, i)->op->id, TF2_OP_IDENTITY);
        assert_int_equal(node_of_output(&net, i)->in[0], x);
    }
    assert_int_equal(node_of_output(&net, 3)->in[0], x);
    assert_string_equal(net.graph->outputs[2].name, "x");
    net_close(&net);
}

/* ---- fold-constants, drop-dead ---- */

static void test_fold_constants(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id c = net_constant(&net, SHAPE(1, 3, 4, 4));
    c = net_conv(&net, c, 3, 3, 1, true);
    c = net_activation(&net, c, TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id y = net_eltwise(&net, TF2_ELTWISE_PROD, x, c);
    net_output(&net, y);
    fires(&net, "fold-constants", 1);
    net_close(&net);

    /* A fused activation is computed, too. */
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    c = net_conv(&net, net_constant(&net, SHAPE(1, 3, 4, 4)), 3, 3, 1, true);
    c = net_activation(&net, c, TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, x, c));
    fires(&net, "fuse-activation", 2);
    fires(&net, "fold-constants", 1);
    net_close(&net);

    /* A constant as graph output is computed by one node. */
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 3));
    c = net_activation(&net, net_constant(&net, SHAPE(2, 3)), TF2_ACTIVATION_SIGMOID, 0, 0);
    net_output(&net, c);
    pass_check(&net, NULL, 1e-5);
    assert_int_equal(net.graph->n_nodes, 1);
    assert_int_equal(node_of_output(&net, 0)->op->id, TF2_OP_IDENTITY);
    net_close(&net);
}

/* Not finite, or too large. */
static void test_fold_constants_refused(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3));
    tf2_tensor_id c = net_activation(&net, net_filled(&net, -1, SHAPE(3)), TF2_ACTIVATION_LOG, 0, 0);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, x, c));
    is_silent(&net, "fold-constants");
    net_close(&net);

    net_open(&net, 1);
    const struct tf2_resize_attr resize = {.size = {8192, 8192}};
    struct tf2_error error;
    bool changed = false;
    net_input(&net, "x", SHAPE(1, 3));
    c = net_node(&net, TF2_OP_RESIZE, NULL, &resize, IN(net_constant(&net, SHAPE(1, 1, 2, 2))));
    net_output(&net, c);
    for (size_t i = 0; i < tf2__n_passes; i++)
        assert_int_equal(tf2__pass_run(&tf2__passes[i], net.graph, &changed, &error), TF2_OK);
    assert_false(changed);
    net_close(&net);
}

static void test_drop_dead(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id y = net_conv(&net, x, 2, 1, 0, false);
    tf2_tensor_id unused = net_conv(&net, y, 2, 1, 0, false);
    net_scale(&net, unused, true);
    net_output(&net, y);
    fires(&net, "drop-dead", 1);
    assert_int_equal(net.graph->n_inputs, 1);
    net_close(&net);
}

/* ---- fold-scale ---- */

static void test_fold_scale_chain(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct net net;
        net_open(&net, 10 + (uint64_t)kind);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 5, 4));
        if (kind < 2)
            x = net_conv(&net, x, 6, 3, 1, kind == 0);
        else
            x = net_gemm(&net, x, 6, 1, kind == 2);
        x = net_batch_norm(&net, x);
        x = net_scale(&net, x, true);
        x = net_eltwise(
            &net, TF2_ELTWISE_PROD, net_constant(&net, kind < 2 ? SHAPE(6, 1, 1) : SHAPE(1, 6)), x);
        x = net_eltwise(
            &net, TF2_ELTWISE_DIV, x,
            net_constant_in(&net, 0.5f, 2, kind < 2 ? SHAPE(1, 6, 1, 1) : SHAPE(6)));
        x = net_eltwise(&net, TF2_ELTWISE_SUB, net_constant(&net, SHAPE(1)), x);
        x = net_activation(&net, x, TF2_ACTIVATION_AFFINE, 0.5f, -2);
        x = net_eltwise(&net, TF2_ELTWISE_SUM, x, net_constant(&net, SHAPE(1, 1)));
        net_output(&net, x);
        fires(&net, "fold-scale", 1);
        assert_int_equal(node_of_output(&net, 0)->n_in, 3);
        net_close(&net);
    }
}

/* An activation between two factors ends the chain. */
static void test_fold_scale_activation(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_conv(&net, net_input(&net, "x", SHAPE(1, 3, 5, 4)), 6, 3, 1, true);
    x = net_activation(&net, net_scale(&net, x, true), TF2_ACTIVATION_RELU, 0, 0);
    x = net_scale(&net, x, true);
    net_output(&net, x);
    fires(&net, "fuse-activation", 3);
    fires(&net, "fold-scale", 2);
    assert_int_equal(net.graph->nodes[0].activation.kind, TF2_ACTIVATION_RELU);
    net_close(&net);
}

/* A weighted sum, and only a bias: the weights stay as they are. */
static void test_fold_scale_sum(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_eltwise_attr weighted = {.has_coefficients = true, .coefficient = {3, -2}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 5, 4));
    x = net_conv(&net, x, 6, 3, 1, true);
    tf2_tensor_id c = net_constant(&net, SHAPE(1, 6, 1, 1));
    net_output(&net, net_node(&net, TF2_OP_ELTWISE, NULL, &weighted, IN(c, x)));
    fires(&net, "fold-scale", 1);
    net_close(&net);

    net_open(&net, 1);
    x = net_conv(&net, net_input(&net, "x", SHAPE(1, 3, 5, 4)), 6, 3, 1, true);
    tf2_tensor_id weights = net.graph->nodes[0].in[1];
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, x, net_constant(&net, SHAPE(6, 1, 1))));
    fires(&net, "fold-scale", 1);
    assert_int_equal(net.graph->nodes[0].in[1], weights);
    net_close(&net);
}

static void test_fold_scale_refused(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
    tf2_tensor_id twice = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_scale(&net, twice, true));
    net_output(&net, net_activation(&net, twice, TF2_ACTIVATION_RELU, 0, 0));
    tf2_tensor_id shown = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, shown);
    net_output(&net, net_scale(&net, shown, true));
    /* along the width; over all elements; a divisor; not by a constant; too large; a larger rank */
    tf2_tensor_id y = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, y, net_constant(&net, SHAPE(6))));
    y = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, y, net_constant(&net, SHAPE(6, 6, 6))));
    y = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_DIV, net_filled(&net, 1, SHAPE(1)), y));
    y = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, y, x));
    y = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_DIV, y, net_filled(&net, 0, SHAPE(1))));
    y = net_conv(&net, x, 6, 3, 1, true);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, y, net_constant(&net, SHAPE(1, 1, 6, 1, 1))));
    is_silent(&net, "fold-scale");
    net_close(&net);
}

/* ---- merge-scale ---- */

static void test_merge_scale(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id chain = net_scale(&net, net_batch_norm(&net, x), true);
    chain = net_activation(&net, chain, TF2_ACTIVATION_AFFINE, 2, 1);
    net_output(&net, chain);
    tf2_tensor_id scalar = net_eltwise(&net, TF2_ELTWISE_DIV, x, net_filled(&net, 128, SHAPE(1)));
    scalar = net_eltwise(&net, TF2_ELTWISE_SUB, scalar, net_filled(&net, 1, SHAPE(1)));
    net_output(&net, scalar);
    net_output(&net, net_batch_norm(&net, x));
    fires(&net, "merge-scale", 3);
    assert_int_equal(node_of_output(&net, 0)->op->id, TF2_OP_SCALE);
    assert_int_equal(node_of_output(&net, 1)->op->id, TF2_OP_ACTIVATION);
    assert_int_equal(node_of_output(&net, 2)->op->id, TF2_OP_SCALE);
    net_close(&net);
}

/* The activation behind a chain stays with it; a shared or shown link does not go away. */
static void test_merge_scale_limits(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id y = net_scale(&net, net_scale(&net, x, false), true);
    net_output(&net, net_activation(&net, y, TF2_ACTIVATION_RELU, 0, 0));
    fires(&net, "fuse-activation", 2);
    fires(&net, "merge-scale", 1);
    assert_int_equal(node_of_output(&net, 0)->activation.kind, TF2_ACTIVATION_RELU);
    net_close(&net);

    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    y = net_scale(&net, x, true);
    net_output(&net, y);
    net_output(&net, net_scale(&net, y, true));
    y = net_activation(&net, x, TF2_ACTIVATION_AFFINE, 2, 1); /* not another form for one node */
    net_output(&net, y);
    is_silent(&net, "merge-scale");
    net_close(&net);

    /* Numbers for any extent of dimension 1 must not become factors for today's. */
    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    y = net_eltwise(&net, TF2_ELTWISE_PROD, x, net_filled(&net, 2, SHAPE(1)));
    y = net_eltwise(&net, TF2_ELTWISE_SUM, y, net_filled(&net, 1, SHAPE(1)));
    net_output(&net, net_activation(&net, y, TF2_ACTIVATION_RELU, 0, 0));
    fires(&net, "fuse-activation", 2);
    is_silent(&net, "merge-scale");
    net_close(&net);
}

/* ---- fold-input-scale ---- */

static tf2_tensor_id add_group_conv(struct net *net, tf2_tensor_id x, int32_t group, enum tf2_auto_pad pad)
{
    const struct tf2_conv_attr attr = {.window = {.auto_pad = pad}, .group = group};
    int64_t n_in = tf2_graph_shape(net->graph, x)->dim[1];
    tf2_tensor_id w = net_constant(net, SHAPE(2 * n_in, n_in / group, 3, 3));
    return net_node(net, TF2_OP_CONV, NULL, &attr, IN(x, w));
}

static void test_fold_input_scale(void **state)
{
    (void)state;
    for (int32_t kind = 0; kind < 6; kind++) {
        struct net net;
        net_open(&net, 20 + (uint64_t)kind);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 5, 6));
        x = net_scale(&net, x, kind != 4);
        if (kind < 3)
            x = add_group_conv(&net, x, 1 << kind, kind ? TF2_AUTO_PAD_VALID : TF2_AUTO_PAD_EXPLICIT);
        else if (kind == 3)
            x = net_gemm(&net, x, 5, 1, true);
        else if (kind == 4)
            x = net_conv(&net, x, 3, 3, 1, true); /* padded, but no summand */
        else
            x = net_conv(&net, x, 3, 1, 0, true);
        net_output(&net, x);
        fires(&net, "fold-input-scale", 1);
        net_close(&net);
    }
}

static void test_fold_input_scale_refused(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 5, 6));
    net_output(&net, net_conv(&net, net_scale(&net, x, true), 3, 3, 1, true));
    net_output(&net, add_group_conv(&net, net_scale(&net, x, true), 2, TF2_AUTO_PAD_SAME_UPPER));
    tf2_tensor_id twice = net_scale(&net, x, false);
    net_output(&net, net_conv(&net, twice, 3, 3, 1, true));
    net_output(&net, net_conv(&net, twice, 3, 3, 1, true));
    tf2_tensor_id shown = net_scale(&net, x, false);
    net_output(&net, shown);
    net_output(&net, net_conv(&net, shown, 3, 3, 1, true));
    net_output(&net, net_gemm(&net, net_scale(&net, x, true), 3, -1, true)); /* along the width */
    /* A reader whose second input is a scalar, not weights. */
    const tf2_tensor_id scalar = net_filled(&net, 0.5f, (struct tf2_shape){.n_dims = 0});
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_MAX, net_scale(&net, x, true), scalar));
    is_silent(&net, "fold-input-scale");
    net_close(&net);
}

/* ---- hard-swish, fuse-activation ---- */

static void test_hard_swish(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_conv(&net, net_input(&net, "x", SHAPE(1, 4, 5, 6)), 3, 3, 1, true);
    tf2_tensor_id gate = net_activation(&net, x, TF2_ACTIVATION_HARD_SIGMOID, 1 / 6.0f, 0.5f);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, gate, x));
    fires(&net, "hard-swish", 2);
    fires(&net, "fuse-activation", 1);
    assert_int_equal(node_of_output(&net, 0)->activation.kind, TF2_ACTIVATION_HARD_SWISH);
    net_close(&net);

    net_open(&net, 1);
    x = net_input(&net, "x", SHAPE(1, 4, 5, 6));
    gate = net_activation(&net, x, TF2_ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, x, gate));
    gate = net_activation(&net, x, TF2_ACTIVATION_HARD_SIGMOID, 1 / 6.0f, 0.5f);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, x, gate));
    net_output(&net, gate); /* read twice */
    gate = net_activation(&net, x, TF2_ACTIVATION_SIGMOID, 0, 0);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, x, gate));
    gate = net_activation(&net, x, TF2_ACTIVATION_HARD_SIGMOID, 1 / 6.0f, 0.5f);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_SUM, x, gate));
    tf2_tensor_id other = net_input(&net, "other", SHAPE(1, 4, 5, 6));
    gate = net_activation(&net, other, TF2_ACTIVATION_HARD_SIGMOID, 1 / 6.0f, 0.5f);
    net_output(&net, net_eltwise(&net, TF2_ELTWISE_PROD, x, gate));
    is_silent(&net, "hard-swish");
    net_close(&net);
}

static void test_fuse_activation(void **state)
{
    (void)state;
    static const enum tf2_activation_kind kinds[] = {
        TF2_ACTIVATION_RELU, TF2_ACTIVATION_CLIP,         TF2_ACTIVATION_LEAKY_RELU, TF2_ACTIVATION_SIGMOID,
        TF2_ACTIVATION_TANH, TF2_ACTIVATION_HARD_SIGMOID, TF2_ACTIVATION_HARD_SWISH, TF2_ACTIVATION_ELU};
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    for (size_t i = 0; i < TF2__COUNT(kinds); i++)
        net_output(&net, net_activation(&net, net_conv(&net, x, 3, 3, 1, true), kinds[i], 0.25f, 0.5f));
    net_output(&net, net_activation(&net, net_gemm(&net, x, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0));
    net_output(
        &net, net_activation(&net, net_eltwise(&net, TF2_ELTWISE_MAX, x, x), TF2_ACTIVATION_RELU, 0, 0));
    net_output(&net, net_activation(&net, net_scale(&net, x, true), TF2_ACTIVATION_RELU, 0, 0));
    net_output(&net, net_activation(&net, net_batch_norm(&net, x), TF2_ACTIVATION_RELU, 0, 0));
    fires(&net, "fuse-activation", TF2__COUNT(kinds) + 4);
    net_close(&net);
}

static void test_fuse_activation_refused(void **state)
{
    (void)state;
    struct net net;
    const struct tf2_pool_attr pool = {.kind = TF2_POOL_AVG, .window = {.kernel = {2, 2}}};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 6, 6));
    tf2_tensor_id twice = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, net_activation(&net, twice, TF2_ACTIVATION_RELU, 0, 0));
    net_output(&net, net_activation(&net, twice, TF2_ACTIVATION_TANH, 0, 0));
    tf2_tensor_id shown = net_conv(&net, x, 3, 3, 1, true);
    net_output(&net, shown);
    net_output(&net, net_activation(&net, shown, TF2_ACTIVATION_RELU, 0, 0));
    net_output(
        &net,
        net_activation(&net, net_node(&net, TF2_OP_POOL, NULL, &pool, IN(x)), TF2_ACTIVATION_RELU, 0, 0));
    net_output(&net, net_activation(&net, net_conv(&net, x, 3, 3, 1, true), TF2_ACTIVATION_EXP, 0, 0));
    is_silent(&net, "fuse-activation");
    net_close(&net);
}

static void test_merge_clips(void **state)
{
    (void)state;
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id y = net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0);
    y = net_activation(&net, y, TF2_ACTIVATION_CLIP, -0.5f, 0.5f);
    y = net_activation(&net, y, TF2_ACTIVATION_CLIP, 0.125f, 6);
    net_output(&net, y);
    y = net_activation(&net, net_conv(&net, x, 3, 3, 1, true), TF2_ACTIVATION_CLIP, -1, INFINITY);
    y = net_activation(&net, y, TF2_ACTIVATION_RELU, 0, 0);
    net_output(&net, y);
    y = net_activation(&net, x, TF2_ACTIVATION_CLIP, -1, -0.5f); /* disjoint: one value is left */
    net_output(&net, net_activation(&net, y, TF2_ACTIVATION_CLIP, 0.25f, 0.5f));
    fires(&net, "fuse-activation", 3);
    assert_float_equal(((const struct tf2_activation *)node_of_output(&net, 0)->attr)->alpha, 0.125, 0);
    assert_float_equal(((const struct tf2_activation *)node_of_output(&net, 0)->attr)->beta, 0.5, 0);
    assert_int_equal(node_of_output(&net, 1)->activation.kind, TF2_ACTIVATION_RELU);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_chain),
        cmocka_unit_test(test_identity_by_accident),
        cmocka_unit_test(test_identity_outputs),
        cmocka_unit_test(test_fold_constants),
        cmocka_unit_test(test_fold_constants_refused),
        cmocka_unit_test(test_drop_dead),
        cmocka_unit_test(test_fold_scale_chain),
        cmocka_unit_test(test_fold_scale_activation),
        cmocka_unit_test(test_fold_scale_sum),
        cmocka_unit_test(test_fold_scale_refused),
        cmocka_unit_test(test_merge_scale),
        cmocka_unit_test(test_merge_scale_limits),
        cmocka_unit_test(test_fold_input_scale),
        cmocka_unit_test(test_fold_input_scale_refused),
        cmocka_unit_test(test_hard_swish),
        cmocka_unit_test(test_fuse_activation),
        cmocka_unit_test(test_fuse_activation_refused),
        cmocka_unit_test(test_merge_clips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
