/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_quant_weights.c: what quantization does to weights, against known answers: rounding to nearest,
 * equalization, rounding with compensation.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "reference_run.h"
#include "transform/quant/gptq.h"
#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

#include "test_quant_fixture.h"

/* ---- weights ---- */

static void test_weights(void **state)
{
    const float w[] = {1, -0.5f, 0.25f, 0, 0, 0, 0.01f, 0.02f, -127};
    const struct tf2__weights_extents e = {.n_out = 3, .n_k = 3, .n_groups = 1};
    int8_t q[9];
    float scale[3];
    double bias[3] = {0}, min_scale[3] = {0, 1e-3, 0};
    struct tf2__int_weights result = {q, scale, bias};
    (void)state;
    tf2__weights_round(w, &e, NULL, min_scale, &result);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(q[i] * scale[0] - w[i]) <= 0.5001 * scale[0]);
    assert_true(scale[1] >= 1e-3f && q[3] == 0 && q[4] == 0);
    assert_true(q[8] == -127 && scale[2] >= 0.6f);
}

/* One large weight that meets small inputs is cut off for the sake of the others. */
static void test_weights_importance(void **state)
{
    const struct tf2__weights_extents e = {.n_out = 1, .n_k = 64, .n_groups = 1};
    float w[64], scale;
    double importance[64], bias = 0;
    int8_t q[64];
    struct tf2__int_weights result = {q, &scale, &bias};
    (void)state;
    reference_fill(w, 64, 3, -0.5f, 0.5f);
    w[0] = 1;
    for (int k = 0; k < 64; k++)
        importance[k] = k ? 1 : 1e-6;
    tf2__weights_round(w, &e, NULL, NULL, &result);
    const float plain = scale;
    tf2__weights_round(w, &e, importance, NULL, &result);
    assert_true(scale < 0.75f * plain && q[0] == 127);
}

/* ---- equalization ---- */

/* Channels of very different sizes between two convolutions, a residual connection and a concat around them. */
static void build_uneven(struct net *net)
{
    net_open(net, 11);
    tf2_tensor_id x = net_input(net, "x", SHAPE(1, 3, 8, 8));
    tf2_tensor_id a = net_conv(net, x, 8, 3, 1, true);
    a = net_activation(net, a, TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id b = net_conv(net, a, 8, 3, 1, true);
    b = net_activation(net, net_eltwise(net, TF2_ELTWISE_SUM, a, b), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id c = net_node(net, TF2_OP_CONCAT, "joint", &(struct tf2_axis_attr){1}, IN(a, b));
    tf2_tensor_id d =
        net_activation(net, net_conv(net, c, 4, 1, 0, false), TF2_ACTIVATION_LEAKY_RELU, 0.1f, 0);
    net_output(net, net_conv(net, d, 5, 1, 0, true));
    float *w = (float *)(uintptr_t)net->graph->tensors[net->graph->nodes[0].in[1]].data;
    for (int i = 0; i < 4 * 27; i++)
        w[i] *= 0.01f;
}

static void observe_all(
    const struct tf2_graph *graph, struct tf2__channel_stats *stats, void **state,
    const struct tf2__scheme *s)
{
    for (uint32_t t = 0; t < graph->n_tensors; t++) {
        const struct tf2_shape *shape = &graph->tensors[t].shape;
        int64_t n = graph->tensors[t].data ? 1 : shape->dim[1];
        OK(tf2__channel_stats_init(&stats[t], n, arena_of(state), &error));
        float *values = calloc((size_t)n, sizeof(*values));
        for (int64_t c = 0; c < n; c++)
            values[c] = c < n / 2 ? 0.1f : 2;
        if (!graph->tensors[t].data)
            tf2__channel_stats_add(&stats[t], values, 1, 1);
        free(values);
    }
    (void)s;
}

/* Equalizes the net's graph and wants it to compute what it did. */
static void check_equalized(struct net *net, void **state)
{
    struct tf2__prepared prepared;
    struct tf2__scheme scheme;
    struct reference_outputs before = {0}, after = {0};
    size_t n_scaled = 0;
    OK(reference_run_random(net->graph, 0, 9, -2, 2, &before, &error));
    OK(tf2__quant_prepare(net->graph, &prepared, &error));
    OK(tf2__scheme_init(&scheme, prepared.graph, arena_of(state), &error));
    OK(tf2__scheme_assign(&scheme, NULL, &error));
    struct tf2__channel_stats *stats = calloc(prepared.graph->n_tensors, sizeof(*stats));
    observe_all(prepared.graph, stats, state, &scheme);
    OK(tf2__quant_equalize(prepared.graph, &scheme, stats, &n_scaled, &error));
    assert_true(n_scaled > 0);
    OK(tf2__graph_verify(prepared.graph, &error));
    OK(reference_run_random(prepared.graph, 0, 9, -2, 2, &after, &error));
    double difference = reference_difference(&before, &after);
    if (!(difference < 1e-5))
        fail_msg("the function changed by %g", difference);
    reference_outputs_free(&before);
    reference_outputs_free(&after);
    free(stats);
    tf2_graph_destroy(&prepared.graph);
}

static void test_equalize(void **state)
{
    struct net net;
    build_uneven(&net);
    check_equalized(&net, state);
    net_close(&net);
}

/* A convolution that reads a constant, beside one that is scaled. The constant is no variable of anybody. */
static void test_equalize_constant(void **state)
{
    struct net net;
    net_open(&net, 13);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
    tf2_tensor_id k = net_constant(&net, SHAPE(1, 16, 8, 8));
    tf2_tensor_id a = net_activation(&net, net_conv(&net, x, 16, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
    tf2_tensor_id b = net_eltwise(&net, TF2_ELTWISE_SUM, a, net_conv(&net, k, 16, 3, 1, false));
    net_output(&net, net_conv(&net, b, 4, 3, 1, true));
    check_equalized(&net, state);
    net_close(&net);
}

/* A constant in a concat freezes all that is joined there, also what comes after it. */
static void test_equalize_concat(void **state)
{
    for (int last = 0; last < 2; last++) {
        struct net net;
        net_open(&net, 14);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
        tf2_tensor_id k = net_constant(&net, SHAPE(1, 2, 8, 8));
        tf2_tensor_id a = net_activation(&net, net_conv(&net, x, 8, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
        tf2_tensor_id b = net_activation(&net, net_conv(&net, a, 6, 1, 0, true), TF2_ACTIVATION_RELU, 0, 0);
        net_output(&net, net_conv(&net, b, 4, 3, 1, true));
        net_output(
            &net, net_node(
                      &net, TF2_OP_CONCAT, "joint", &(struct tf2_axis_attr){1},
                      last ? (const tf2_tensor_id[]){a, k} : (const tf2_tensor_id[]){k, a}, 2));
        check_equalized(&net, state);
        net_close(&net);
    }
}

/* A clip does not commute: nothing may be scaled through it. */
static void test_equalize_clip(void **state)
{
    struct net net;
    struct tf2__prepared prepared;
    struct tf2__scheme scheme;
    size_t n_scaled = 1;
    net_open(&net, 12);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 8, 8));
    tf2_tensor_id a = net_activation(&net, net_conv(&net, x, 8, 3, 1, true), TF2_ACTIVATION_CLIP, 0, 6);
    net_output(&net, net_conv(&net, a, 5, 1, 0, true));
    OK(tf2__quant_prepare(net.graph, &prepared, &error));
    OK(tf2__scheme_init(&scheme, prepared.graph, arena_of(state), &error));
    OK(tf2__scheme_assign(&scheme, NULL, &error));
    struct tf2__channel_stats *stats = calloc(prepared.graph->n_tensors, sizeof(*stats));
    observe_all(prepared.graph, stats, state, &scheme);
    OK(tf2__quant_equalize(prepared.graph, &scheme, stats, &n_scaled, &error));
    for (uint32_t t = 0; t < net.graph->n_nodes; t++)
        if (tf2__scheme_has_weights(&prepared.graph->nodes[t]) && t == 0)
            assert_memory_equal(
                tf2__graph_constant_f32(prepared.graph, prepared.graph->nodes[t].in[1]),
                tf2__graph_constant_f32(net.graph, net.graph->nodes[t].in[1]), 8 * 27 * sizeof(float));
    free(stats);
    tf2_graph_destroy(&prepared.graph);
    net_close(&net);
}

/* ---- rounding with compensation ---- */

static double output_error(
    const float *x, size_t n_x, const float *w, const struct tf2__int_weights *q, int64_t n_out, int64_t n_k)
{
    double sum = 0;
    for (size_t i = 0; i < n_x; i++) {
        for (int64_t o = 0; o < n_out; o++) {
            double e = 0;
            for (int64_t k = 0; k < n_k; k++)
                e += (w[o * n_k + k] - (double)q->q[o * n_k + k] * q->scale[o]) * x[(int64_t)i * n_k + k];
            sum += e * e;
        }
    }
    return sum;
}

/* Correlated inputs: compensation at least halves the squared error. Coarse scales make it visible. */
static void test_gptq(void **state)
{
    enum { N = 200, K = 24, O = 6 };
    struct net net;
    struct tf2__gptq *gptq = NULL;
    static float x[N * K], common[N];
    static int8_t q[O * K];
    float scale[O];
    double bias[O] = {0};
    struct tf2__int_weights weights = {q, scale, bias};
    (void)state;
    net_open(&net, 21);
    tf2_tensor_id in = net_input(&net, "x", SHAPE(1, K));
    net_output(&net, net_gemm(&net, in, O, 1, false));
    const struct tf2__node *node = &net.graph->nodes[0];
    const float *w = tf2__graph_constant_f32(net.graph, node->in[1]);
    reference_fill(x, N * K, 4, -1, 1);
    reference_fill(common, N, 6, -4, 4);
    for (int i = 0; i < N * K; i++)
        x[i] += common[i / K];
    const struct tf2__weights_extents e = tf2__scheme_extents(net.graph, node);
    const double coarse[O] = {0.2, 0.2, 0.2, 0.2, 0.2, 0.2};
    tf2__weights_round(w, &e, NULL, coarse, &weights);
    double nearest = output_error(x, N, w, &weights, O, K);
    OK(tf2__gptq_create(net.graph, node, &net.graph->arena.env, &gptq, &error));
    for (int i = 0; i < N; i++)
        tf2__gptq_add(gptq, x + i * K);
    OK(tf2__gptq_round(gptq, &weights, &error));
    double compensated = output_error(x, N, w, &weights, O, K);
    if (!(compensated < 0.5 * nearest))
        fail_msg("squared error %g, rounding to nearest %g", compensated, nearest);
    tf2__gptq_destroy(&gptq);
    net_close(&net);
}

/* Groups, stride, dilation and padding: patches are what the convolution reads, so zero inputs leave nearest rounding. */
static void test_gptq_conv(void **state)
{
    struct net net;
    struct tf2__gptq *gptq = NULL;
    static int8_t q[8 * 2 * 9], nearest[8 * 2 * 9];
    static float x[4 * 7 * 9];
    float scale[8];
    double bias[8] = {0};
    struct tf2__int_weights weights = {q, scale, bias};
    struct tf2_conv_attr attr = {
        .window = {.stride = {2, 1}, .dilation = {1, 2}, .pad_begin = {1, 2}, .pad_end = {0, 2}}, .group = 2};
    (void)state;
    net_open(&net, 22);
    tf2_tensor_id in = net_input(&net, "x", SHAPE(1, 4, 7, 9));
    net_output(&net, net_node(&net, TF2_OP_CONV, "c", &attr, IN(in, net_constant(&net, SHAPE(8, 2, 3, 3)))));
    const struct tf2__node *node = &net.graph->nodes[0];
    const struct tf2__weights_extents e = tf2__scheme_extents(net.graph, node);
    tf2__weights_round(tf2__graph_constant_f32(net.graph, node->in[1]), &e, NULL, NULL, &weights);
    memcpy(nearest, q, sizeof(q));
    OK(tf2__gptq_create(net.graph, node, &net.graph->arena.env, &gptq, &error));
    tf2__gptq_add(gptq, x); /* all zero */
    OK(tf2__gptq_round(gptq, &weights, &error));
    assert_memory_equal(q, nearest, sizeof(q));
    reference_fill(x, 4 * 7 * 9, 8, -1, 1);
    for (int i = 0; i < 30; i++)
        tf2__gptq_add(gptq, x);
    OK(tf2__gptq_round(gptq, &weights, &error));
    int n_changed = 0;
    for (size_t i = 0; i < sizeof(q); i++) {
        n_changed += q[i] != nearest[i];
        assert_true(abs(q[i] - nearest[i]) <= 12);
    }
    assert_true(n_changed > 0);
    tf2__gptq_destroy(&gptq);
    net_close(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_weights),
        TEST(test_weights_importance),
        TEST(test_equalize),
        TEST(test_equalize_constant),
        TEST(test_equalize_concat),
        TEST(test_equalize_clip),
        TEST(test_gptq),
        TEST(test_gptq_conv),
    };
    return cmocka_run_group_tests_name("quant_weights", tests, NULL, NULL);
}
