/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_graph.c: building graphs and what is refused, looking things up, other input shapes, sorting,
 * verifying.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "net.h"
#include "transform/ir/graph.h"

/* The call fails with this status, and its message has `text` in it. */
static void
refused(enum tf2_status status, const struct tf2_error *error, enum tf2_status wanted, const char *text)
{
    assert_int_equal(status, wanted);
    assert_int_equal(error->status, wanted);
    if (!strstr(error->message, text))
        fail_msg("message \"%s\", wanted \"%s\" in it", error->message, text);
}

static void test_create(void **state)
{
    (void)state;
    struct tf2_graph *graph = NULL;
    struct tf2_error error;
    refused(tf2_graph_create(NULL, NULL, &error), &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    assert_int_equal(tf2_graph_create(NULL, &graph, NULL), TF2_OK);
    refused(tf2__graph_verify(graph, &error), &error, TF2_ERR_GRAPH, "no input");
    tf2_graph_destroy(&graph);
    assert_null(graph);
    tf2_graph_destroy(&graph);
    tf2_graph_destroy(NULL);
}

static void test_names(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    char long_name[1026];
    tf2_tensor_id id = 77;
    const float value = 1;
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3));
    net_node(&net, TF2_OP_IDENTITY, "y", NULL, IN(x));
    const char *names[] = {NULL, "", "x", "y", long_name};
    const enum tf2_status wanted[] = {
        TF2_ERR_INVALID_ARGUMENT, TF2_ERR_INVALID_ARGUMENT, TF2_ERR_GRAPH, TF2_ERR_GRAPH, TF2_ERR_VALUE};
    for (size_t i = 0; i < TF2__COUNT(names); i++) {
        const struct tf2_shape shape = SHAPE(1);
        enum tf2_status status = tf2_graph_add_input(net.graph, names[i], TF2_DTYPE_F32, &shape, &id, &error);
        refused(status, &error, wanted[i], "");
        status = tf2_graph_add_constant(net.graph, names[i], TF2_DTYPE_F32, &shape, &value, &id, &error);
        refused(status, &error, wanted[i], "");
        status = tf2_graph_add_node(net.graph, TF2_OP_IDENTITY, names[i], NULL, &x, 1, &id, &error);
        refused(status, &error, wanted[i], "");
    }
    assert_int_equal(id, 77);
    assert_int_equal(net.graph->n_tensors, 2);
    assert_int_equal(net.graph->n_nodes, 1);
    assert_int_equal(tf2__graph_find(net.graph, "x"), x);
    assert_int_equal(tf2__graph_find(net.graph, "z"), TF2_NO_TENSOR);
    net_close(&net);
}

static void test_inputs_and_constants(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    tf2_tensor_id id;
    enum tf2_status status;
    float values[3] = {1, 2, NAN};
    const struct tf2_shape bad_shapes[] = {SHAPE(1, 0), SHAPE(-1), SHAPE(65536, 32768), {.n_dims = 9}};
    net_open(&net, 1);
    for (size_t i = 0; i < TF2__COUNT(bad_shapes); i++) {
        status = tf2_graph_add_input(net.graph, "x", TF2_DTYPE_F32, &bad_shapes[i], &id, &error);
        refused(status, &error, TF2_ERR_SHAPE, "x");
        status = tf2_graph_add_constant(net.graph, "x", TF2_DTYPE_F32, &bad_shapes[i], values, &id, &error);
        refused(status, &error, TF2_ERR_SHAPE, "x");
    }
    status = tf2_graph_add_input(net.graph, "x", TF2_DTYPE_F32, NULL, &id, &error);
    refused(status, &error, TF2_ERR_SHAPE, "x");
    status = tf2_graph_add_input(net.graph, "x", TF2_DTYPE_U8, &SHAPE(3), &id, &error);
    refused(status, &error, TF2_ERR_UNSUPPORTED, "uint8");
    status = tf2_graph_add_constant(net.graph, "c", TF2_DTYPE_S8, &SHAPE(3), values, &id, &error);
    refused(status, &error, TF2_ERR_UNSUPPORTED, "int8");
    status = tf2_graph_add_constant(net.graph, "c", TF2_DTYPE_F32, &SHAPE(3), values, &id, &error);
    refused(status, &error, TF2_ERR_VALUE, "weight 2 is NaN");
    values[2] = -INFINITY;
    status = tf2_graph_add_constant(net.graph, "c", TF2_DTYPE_F32, &SHAPE(3), values, &id, &error);
    refused(status, &error, TF2_ERR_VALUE, "weight 2 is infinite");
    status = tf2_graph_add_constant(net.graph, "c", TF2_DTYPE_F32, &SHAPE(3), NULL, &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    status = tf2_graph_add_input(NULL, "x", TF2_DTYPE_F32, &SHAPE(3), &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    assert_int_equal(net.graph->n_tensors, 0);
    assert_int_equal(net.graph->n_inputs, 0);

    /* Constants are copied. */
    values[2] = 3;
    assert_int_equal(
        tf2_graph_add_constant(net.graph, "c", TF2_DTYPE_F32, &SHAPE(3), values, &id, &error), TF2_OK);
    values[0] = 8;
    assert_float_equal(tf2__graph_constant_f32(net.graph, id)[0], 1, 0);
    assert_null(tf2__graph_constant_f32(net.graph, TF2_NO_TENSOR));
    assert_null(tf2__graph_constant_f32(net.graph, net_input(&net, "x", SHAPE(1))));
    net_close(&net);
}

static void test_nodes(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    tf2_tensor_id id = 77;
    enum tf2_status status;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    tf2_tensor_id w = net_constant(&net, SHAPE(2, 3, 3, 3));
    tf2_tensor_id misfit = net_constant(&net, SHAPE(2, 4, 3, 3));
    tf2_tensor_id computed = net_node(&net, TF2_OP_IDENTITY, NULL, NULL, IN(w));
    uint32_t n_tensors = net.graph->n_tensors;
    status = tf2_graph_add_node(net.graph, (enum tf2_op)99, "n", NULL, IN(x), &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "99");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x), &id, &error);
    refused(status, &error, TF2_ERR_GRAPH, "1 inputs, conv takes 2 to 4");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x, w, w, w, w), &id, &error);
    refused(status, &error, TF2_ERR_GRAPH, "5 inputs");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(TF2_NO_TENSOR, w), &id, &error);
    refused(status, &error, TF2_ERR_GRAPH, "left out");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x, 1000), &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "no tensor 1000");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x, computed), &id, &error);
    refused(status, &error, TF2_ERR_UNSUPPORTED, "computed");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x, misfit), &id, &error);
    refused(status, &error, TF2_ERR_SHAPE, "");
    const struct tf2_activation clip = {.kind = TF2_ACTIVATION_CLIP, .alpha = 2, .beta = 1};
    status = tf2_graph_add_node(net.graph, TF2_OP_ACTIVATION, "n", &clip, IN(x), &id, &error);
    refused(status, &error, TF2_ERR_VALUE, "n (activation)");
    status = tf2_graph_add_node(NULL, TF2_OP_CONV, "n", NULL, IN(x, w), &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, NULL, 2, &id, &error);
    refused(status, &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    assert_int_equal(id, 77);
    assert_int_equal(net.graph->n_tensors, n_tensors);

    status = tf2_graph_add_node(net.graph, TF2_OP_CONV, "n", NULL, IN(x, w, TF2_NO_TENSOR), &id, &error);
    assert_int_equal(status, TF2_OK);
    assert_true(tf2_shape_equal(tf2_graph_shape(net.graph, id), &SHAPE(1, 2, 2, 2)));
    assert_null(tf2_graph_shape(net.graph, TF2_NO_TENSOR));
    assert_null(tf2_graph_shape(NULL, id));
    net_close(&net);
}

static void test_outputs(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3));
    refused(tf2__graph_verify(net.graph, &error), &error, TF2_ERR_GRAPH, "no output");
    assert_int_equal(tf2_graph_add_output(net.graph, x, NULL, &error), TF2_OK);
    assert_string_equal(net.graph->outputs[0].name, "x");
    refused(tf2_graph_add_output(net.graph, x, "x", &error), &error, TF2_ERR_GRAPH, "x: two");
    assert_int_equal(tf2_graph_add_output(net.graph, x, "other", &error), TF2_OK);
    refused(tf2_graph_add_output(net.graph, 5, "y", &error), &error, TF2_ERR_INVALID_ARGUMENT, "no such");
    refused(tf2_graph_add_output(NULL, 0, "y", &error), &error, TF2_ERR_INVALID_ARGUMENT, "");
    assert_int_equal(net.graph->n_outputs, 2);
    assert_int_equal(tf2__graph_verify(net.graph, &error), TF2_OK);
    net_close(&net);
}

/* Shapes for other inputs; the graph keeps its own. */
static void test_infer(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    struct tf2_shape shapes[16];
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 6));
    tf2_tensor_id c = net_conv(&net, x, 4, 3, 0, true);
    tf2_tensor_id f = net_node(&net, TF2_OP_FLATTEN, NULL, &(struct tf2_axis_attr){.axis = 1}, IN(c));
    tf2_tensor_id y = net_gemm(&net, f, 5, 1, true);
    net_output(&net, y);
    assert_true(net.graph->n_tensors <= TF2__COUNT(shapes));
    assert_int_equal(tf2__graph_infer(net.graph, &SHAPE(7, 3, 8, 6), shapes, &error), TF2_OK);
    assert_true(tf2_shape_equal(&shapes[c], &SHAPE(7, 4, 6, 4)));
    assert_true(tf2_shape_equal(&shapes[y], &SHAPE(7, 5)));
    assert_true(tf2_shape_equal(tf2_graph_shape(net.graph, y), &SHAPE(1, 5)));
    refused(tf2__graph_infer(net.graph, &SHAPE(1, 3, 9, 6), shapes, &error), &error, TF2_ERR_SHAPE, "gemm");
    refused(tf2__graph_infer(net.graph, &SHAPE(1, 2, 8, 6), shapes, &error), &error, TF2_ERR_SHAPE, "conv");
    refused(tf2__graph_infer(net.graph, &SHAPE(0, 3, 8, 6), shapes, &error), &error, TF2_ERR_SHAPE, "x");
    struct tf2_shape large = SHAPE(1000000000, 3, 8, 6);
    refused(tf2__graph_infer(net.graph, &large, shapes, &error), &error, TF2_ERR_SHAPE, "x");
    net_close(&net);
}

static void test_compact(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3));
    tf2_tensor_id a = net_node(&net, TF2_OP_IDENTITY, "a", NULL, IN(x));
    tf2_tensor_id b = net_eltwise(&net, TF2_ELTWISE_SUM, a, a);
    net_output(&net, a);
    net_output(&net, b);
    net.graph->nodes[1].in[0] = net.graph->nodes[1].in[1] = x;
    net.graph->outputs[0].tensor = x;
    net.graph->nodes[0].dead = true;
    tf2__graph_compact(net.graph);
    assert_int_equal(net.graph->n_nodes, 1);
    assert_int_equal(net.graph->tensors[b].producer, 0);
    assert_int_equal(net.graph->tensors[a].producer, TF2__NO_NODE);
    assert_int_equal(tf2__graph_verify(net.graph, &error), TF2_OK);
    net_close(&net);
}

/* x → a → b → c, with d reading a, b and c. */
static void open_chain(struct net *net)
{
    net_open(net, 1);
    tf2_tensor_id x = net_input(net, "x", SHAPE(1, 3));
    tf2_tensor_id a = net_node(net, TF2_OP_IDENTITY, "a", NULL, IN(x));
    tf2_tensor_id b = net_node(net, TF2_OP_IDENTITY, "b", NULL, IN(a));
    tf2_tensor_id c = net_node(net, TF2_OP_IDENTITY, "c", NULL, IN(b));
    net_output(net, net_node(net, TF2_OP_CONCAT, "d", NULL, IN(a, b, c)));
}

static void test_verify(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    open_chain(&net);
    struct tf2_graph *g = net.graph;
    tf2_tensor_id a = g->nodes[0].out;
    assert_int_equal(tf2__graph_verify(g, &error), TF2_OK);

    g->nodes[0].in[0] = g->nodes[2].out;
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "a (identity): 'c' is read before");
    g->nodes[0].in[0] = g->inputs[0];
    g->tensors[a].producer = 1;
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "another producer");
    g->tensors[a].producer = 0;
    g->tensors[a].shape.dim[1] = 4;
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "stored shape");
    g->tensors[a].shape.dim[1] = 3;
    g->nodes[1].in[0] = 1000;
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "no tensor 1000");
    g->nodes[1].in[0] = a;
    g->nodes[1].n_in = 0;
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "0 inputs");
    g->nodes[1].n_in = 1;
    g->nodes[3].dead = true; /* the output is read, but nothing computes it */
    tf2__graph_compact(g);
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "output d");
    g->outputs[0].tensor = g->nodes[2].out;
    assert_int_equal(tf2__graph_verify(g, &error), TF2_OK);
    g->nodes[1].dead = true;
    tf2__graph_compact(g);
    refused(tf2__graph_verify(g, &error), &error, TF2_ERR_GRAPH, "'b' is read, but nothing computes it");
    net_close(&net);
}

static void swap_nodes(struct tf2_graph *graph, uint32_t i, uint32_t k)
{
    struct tf2__node node = graph->nodes[i];
    graph->nodes[i] = graph->nodes[k];
    graph->nodes[k] = node;
    graph->tensors[graph->nodes[i].out].producer = i;
    graph->tensors[graph->nodes[k].out].producer = k;
}

static void test_sort(void **state)
{
    (void)state;
    struct net net;
    struct tf2_error error;
    open_chain(&net);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t k = 0; k < i; k++) {
            swap_nodes(net.graph, i, k);
            assert_int_not_equal(tf2__graph_verify(net.graph, &error), TF2_OK);
            assert_int_equal(tf2__graph_sort(net.graph, &error), TF2_OK);
            assert_int_equal(tf2__graph_verify(net.graph, &error), TF2_OK);
            assert_string_equal(net.graph->nodes[3].name, "d");
        }
    }
    /* A cycle through all, and of one node. */
    net.graph->nodes[0].in[0] = net.graph->nodes[3].out;
    refused(tf2__graph_sort(net.graph, &error), &error, TF2_ERR_INTERNAL, "depends on itself");
    net.graph->nodes[0].in[0] = net.graph->nodes[0].out;
    refused(tf2__graph_sort(net.graph, &error), &error, TF2_ERR_INTERNAL, "depends on itself");
    net_close(&net);
}

/* Sorting is linear and does not recurse. */
static void test_sort_deep(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct net net;
    struct tf2_error error;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1));
    for (int i = 0; i < N; i++)
        x = net_node(&net, TF2_OP_IDENTITY, NULL, NULL, IN(x));
    net_output(&net, x);
    for (uint32_t i = 0; i < N / 2; i++)
        swap_nodes(net.graph, i, N - 1 - i);
    assert_int_equal(tf2__graph_sort(net.graph, &error), TF2_OK);
    assert_int_equal(tf2__graph_verify(net.graph, &error), TF2_OK);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_inputs_and_constants),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_infer),
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sort_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
