/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_quant_parts.c: the algorithms of quantization against known answers: histograms, ranges, rounding of weights,
 * tables, equalization, rounding with compensation.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "net.h"
#include "reference_run.h"
#include "transform/quant/gptq.h"
#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

static struct tf2_error error;

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s", error.message);                                                                   \
    } while (0)

struct fixture {
    struct tf2__arena arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct tf2_env env;
    tf2_env_defaults(&env);
    tf2__arena_init(&f->arena, &env);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tf2__arena_finish(&f->arena);
    free(f);
    return 0;
}

static struct tf2__arena *arena_of(void **state)
{
    return &((struct fixture *)*state)->arena;
}

/* ---- rounding ---- */

static void test_round(void **state)
{
    (void)state;
    for (int i = -4000; i <= 4000; i++)
        assert_true(tf2__nearest(i / 8.0) == rint(i / 8.0));
    assert_int_equal(tf2__to_u8(2.5, 1, 10), 12); /* half to even */
    assert_int_equal(tf2__to_u8(3.5, 1, 10), 14);
    assert_int_equal(tf2__to_u8(1e30, 1, 10), 255);
    assert_int_equal(tf2__to_u8(-1e30, 1, 10), 0);
    assert_int_equal(tf2__to_u8(NAN, 1, 10), 10);
}

/* ---- observers ---- */

static uint64_t count_bins(const struct tf2__observer *o)
{
    uint64_t n = o->n_zero;
    for (size_t i = 0; i < TF2__OBSERVE_BINS; i++)
        n += o->bins[i];
    return n;
}

static void test_observer_grows(void **state)
{
    struct tf2__observer o;
    const float parts[][3] = {{1, 2, 0}, {-100, 3, 0.5f}, {5000, 0, -7}, {-1e-3f, 1e6f, 2}};
    OK(tf2__observer_init(&o, arena_of(state), &error));
    for (size_t i = 0; i < 4; i++) {
        assert_true(tf2__observer_add(&o, parts[i], 3) == SIZE_MAX);
        assert_int_equal(count_bins(&o), 3 * (i + 1));
        assert_true(o.low <= o.min && o.low + o.width * TF2__OBSERVE_BINS > o.max);
    }
    assert_true(o.min == -100 && o.max == 1e6 && o.n == 12 && o.n_zero == 2);
}

static void test_observer_refuses(void **state)
{
    struct tf2__observer o;
    const float values[] = {1, NAN, 2}, infinite[] = {1, 2, INFINITY};
    OK(tf2__observer_init(&o, arena_of(state), &error));
    assert_int_equal(tf2__observer_add(&o, values, 3), 1);
    assert_int_equal(tf2__observer_add(&o, infinite, 3), 2);
    assert_int_equal(o.n, 0);
}

/* Two halves merged are like all at once, up to the bins' width. */
static void test_observer_merge(void **state)
{
    static float a[5000], b[3000];
    struct tf2__observer first, second;
    reference_fill(a, 5000, 1, -3, 9);
    reference_fill(b, 3000, 2, -40, 2);
    OK(tf2__observer_init(&first, arena_of(state), &error));
    OK(tf2__observer_init(&second, arena_of(state), &error));
    tf2__observer_add(&first, a, 5000);
    tf2__observer_add(&second, b, 3000);
    tf2__observer_merge(&first, &second);
    assert_int_equal(count_bins(&first), 8000);
    assert_true(first.min < -39 && first.max > 8);
    struct tf2__range r = tf2__range_choose(&first, TF2_RANGE_MINMAX, 100);
    assert_true(r.low == first.min && r.high == first.max);
}

static void test_channels(void **state)
{
    struct tf2__channel_stats s;
    const float values[] = {1, -2, 3, 0, 0, 0, 5, 5, 5, 1, 1, -4}; /* [2, 2, 3] */
    OK(tf2__channel_stats_init(&s, 2, arena_of(state), &error));
    tf2__channel_stats_add(&s, values, 2, 3);
    assert_true(s.max_abs[0] == 5 && s.max_abs[1] == 4);
    assert_true(s.sum[0] == 17 && s.sum[1] == -2);
    assert_true(s.sum_squares[0] == 89 && s.sum_squares[1] == 18);
    assert_int_equal(s.n, 6);
}

/* ---- ranges ---- */

static double gauss(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += reference_random(seed);
    return sum - 6;
}

static void observe_gauss(struct tf2__observer *o, void **state, size_t n, double outlier)
{
    float *values = malloc(n * sizeof(*values));
    uint64_t seed = 5;
    OK(tf2__observer_init(o, arena_of(state), &error));
    for (size_t i = 0; i < n; i++)
        values[i] = (float)gauss(&seed);
    values[n / 2] = (float)outlier;
    tf2__observer_add(o, values, n);
    free(values);
}

static void test_range_methods(void **state)
{
    struct tf2__observer o;
    observe_gauss(&o, state, 200000, 100);
    struct tf2__range all = tf2__range_choose(&o, TF2_RANGE_MINMAX, 100);
    assert_true(all.high == 100 && all.low < -4);
    struct tf2__range inner = tf2__range_choose(&o, TF2_RANGE_PERCENTILE, 99);
    assert_true(
        fabs(inner.high - 2.576) < 0.15 && fabs(inner.low + 2.576) < 0.15); /* half a per cent at each end */
    struct tf2__range mse = tf2__range_choose(&o, TF2_RANGE_MSE, 100);
    assert_true(mse.high > 3 && mse.high < 95);
    struct tf2__range kl = tf2__range_choose(&o, TF2_RANGE_KL, 100);
    assert_true(kl.high > 2 && kl.high <= 100);
    observe_gauss(&o, state, 2000, 100); /* few values: most bins beyond the bulk are empty */
    assert_true(tf2__range_choose(&o, TF2_RANGE_KL, 100).high < 60);
}

/* MSE finds what trying everything finds, nearly. */
static void test_range_mse_is_least(void **state)
{
    struct tf2__observer o;
    observe_gauss(&o, state, 100000, 12);
    struct tf2__range r = tf2__range_choose(&o, TF2_RANGE_MSE, 100);
    struct tf2__quant quant = tf2__range_quant(&r);
    double found = tf2__range_error(&o, &quant), best = INFINITY;
    for (double low = 2; low < 6; low += 0.1) {
        for (double high = 2; high < 13; high += 0.1) {
            quant = tf2__range_quant(&(struct tf2__range){-low, high});
            best = fmin(best, tf2__range_error(&o, &quant));
        }
    }
    assert_true(found <= 1.05 * best);
}

static void test_range_degenerate(void **state)
{
    struct tf2__observer o;
    const float zeros[4] = {0}, same[4] = {-3, -3, -3, -3}, tiny[2] = {1e-38f, 0};
    static const enum tf2_range methods[] = {
        TF2_RANGE_AUTO, TF2_RANGE_MINMAX, TF2_RANGE_PERCENTILE, TF2_RANGE_MSE, TF2_RANGE_KL};
    for (size_t m = 0; m < 5; m++) {
        OK(tf2__observer_init(&o, arena_of(state), &error));
        struct tf2__range r = tf2__range_choose(&o, methods[m], 99.99);
        assert_true(r.low == 0 && r.high == 0);
        tf2__observer_add(&o, zeros, 4);
        r = tf2__range_choose(&o, methods[m], 99.99);
        assert_true(r.low == 0 && r.high == 0 && tf2__range_quant(&r).scale == 1);
        OK(tf2__observer_init(&o, arena_of(state), &error));
        tf2__observer_add(&o, same, 4);
        r = tf2__range_choose(&o, methods[m], 99.99);
        assert_true(r.low >= -3.1 && r.low <= -0.29 && r.high == 0);
        assert_int_equal(tf2__range_quant(&r).zero_point, 255);
        OK(tf2__observer_init(&o, arena_of(state), &error));
        tf2__observer_add(&o, tiny, 2);
        r = tf2__range_choose(&o, methods[m], 99.99);
        assert_true(tf2__range_quant(&r).scale >= 1e-30f);
    }
}

static void test_range_quant(void **state)
{
    (void)state;
    struct tf2__quant q = tf2__range_quant(&(struct tf2__range){0, 255});
    assert_true(q.scale == 1 && q.zero_point == 0);
    q = tf2__range_quant(&(struct tf2__range){-1, 1});
    assert_true(fabs(q.scale - 2 / 255.0) < 1e-7 && (q.zero_point == 127 || q.zero_point == 128));
    q = tf2__range_quant(&(struct tf2__range){-1e38, 1e38});
    assert_true(q.scale <= 1e30f);
}

/* Samples that differ reach further in future; samples that are alike do not. */
static void test_range_expect(void **state)
{
    struct tf2__observer alike, different;
    float values[1000];
    OK(tf2__observer_init(&alike, arena_of(state), &error));
    OK(tf2__observer_init(&different, arena_of(state), &error));
    for (uint64_t s = 0; s < 20; s++) {
        reference_fill(values, 1000, s, 0, 4);
        tf2__observer_add(&alike, values, 1000);
        reference_fill(values, 1000, s, 0, 1 + (float)(s % 7));
        tf2__observer_add(&different, values, 1000);
    }
    double a = tf2__range_expect(&alike, 1000).high / tf2__range_expect(&alike, 20).high;
    double d = tf2__range_expect(&different, 1000).high / tf2__range_expect(&different, 20).high;
    assert_true(a >= 1 && a < 1.05 && d > 1.2 && d < 3);
}

static void test_pixels(void **state)
{
    const struct tf2_shape shape = SHAPE(1, 2, 1, 2);
    const float mean[2] = {104.007f, 120}, good[] = {0 - 104.007f, 255 - 104.007f, 3 - 120, 0};
    const float off[] = {0.5f - 104.007f, 1, 1, 1}, below[] = {-106.007f, 1 - 104.007f, 0, 0};
    float scaled[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        scaled[i] = good[i] / 128;
    assert_true(tf2__quant_is_pixels(good, &shape, 1, mean, 1));
    assert_true(tf2__quant_is_pixels(scaled, &shape, 1, mean, 1 / 128.0f));
    assert_false(tf2__quant_is_pixels(off, &shape, 1, mean, 1));
    assert_false(tf2__quant_is_pixels(below, &shape, 1, mean, 1));
}

/* The u8 form and the offset together are the input, for every pixel. */
static void test_pixels_are_exact(void **state)
{
    const float mean[3] = {104.4f, 117, 122.6f}, scale = 0.5f;
    struct net net;
    struct tf2__scheme s;
    net_open(&net, 3);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
    net_output(&net, net_conv(&net, x, 2, 3, 1, true));
    OK(tf2__scheme_init(&s, net.graph, arena_of(state), &error));
    OK(tf2__scheme_assign(&s, NULL, &error));
    OK(tf2__scheme_pixels(&s, x, mean, scale, &error));
    assert_non_null(s.quant[x].channel_zero_point);
    assert_non_null(s.offset[x]);
    for (int c = 0; c < 3; c++) {
        for (int pixel = 0; pixel < 256; pixel++) {
            double real =
                (pixel - s.quant[x].channel_zero_point[c]) * (double)s.quant[x].scale + s.offset[x][c];
            assert_true(fabs(real - (pixel - (double)mean[c]) * scale) < 1e-5);
        }
    }
    OK(tf2__scheme_weights(&s, NULL, &error));
    const struct tf2__node *node = &net.graph->nodes[0];
    const float *w = tf2__graph_constant_f32(net.graph, node->in[1]);
    const float *bias = tf2__graph_constant_f32(net.graph, node->in[2]);
    for (int o = 0; o < 2; o++) {
        double wanted = bias[o];
        for (int k = 0; k < 27; k++)
            wanted += (double)w[o * 27 + k] * s.offset[x][k / 9];
        assert_true(fabs(s.weights[0].bias[o] - wanted) < 1e-6);
    }
    net_close(&net);
}

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

/* ---- tables ---- */

static void test_tables(void **state)
{
    struct net net;
    uint8_t table[256];
    (void)state;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2, 3, 3));
    tf2_tensor_id y = net_activation(&net, x, TF2_ACTIVATION_SIGMOID, 0, 0);
    tf2_tensor_id slope = net_filled(&net, -2, SHAPE(2));
    net_output(&net, net_node(&net, TF2_OP_PRELU, "p", NULL, IN(y, slope)));
    const struct tf2__quant in = {.scale = 0.05f, .zero_point = 128}, out = {.scale = 1 / 255.0f};
    const struct tf2__node *nodes = net.graph->nodes;
    assert_int_equal(tf2__scheme_tables(net.graph, &nodes[0]), 1);
    assert_int_equal(tf2__scheme_tables(net.graph, &nodes[1]), 2);
    tf2__scheme_table(net.graph, &nodes[0], 0, &in, &out, table);
    for (int q = 0; q < 256; q++) {
        double wanted = 255 / (1 + exp(-(q - 128) * (double)in.scale));
        assert_true(fabs(table[q] - wanted) <= 0.501);
    }
    tf2__scheme_table(net.graph, &nodes[1], 1, &in, &(struct tf2__quant){.scale = 0.1f}, table);
    assert_int_equal(table[128], 0);
    assert_int_equal(table[228], 50);
    assert_int_equal(table[28], 100); /* -5 * -2 */
    net_close(&net);
}

/* ---- which nodes are on integers ---- */

/* The OpenCL kernels' limits: 3 inputs of a sum, a window of 33 for a normalization. */
static void test_assign_limits(void **state)
{
    for (int large = 0; large < 2; large++) {
        struct net net;
        struct tf2__scheme s;
        const struct tf2_lrn_attr lrn = {.size = large ? 35 : 33, .alpha = 1, .beta = 0.75f, .k = 1};
        const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
        tf2_tensor_id in[4];
        net_open(&net, 17);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 4));
        for (int i = 0; i < 4; i++)
            in[i] = net_conv(&net, x, 4, 1, 0, false);
        tf2_tensor_id y = net_node(&net, TF2_OP_ELTWISE, "sum", &sum, in, large ? 4 : 3);
        y = net_node(&net, TF2_OP_LRN, "lrn", &lrn, IN(net_conv(&net, y, 4, 1, 0, false)));
        net_output(&net, net_conv(&net, y, 2, 1, 0, false));
        OK(tf2__scheme_init(&s, net.graph, arena_of(state), &error));
        OK(tf2__scheme_assign(&s, NULL, &error));
        for (uint32_t i = 0; i < net.graph->n_nodes; i++) {
            const enum tf2_op op = net.graph->nodes[i].op->id;
            assert_int_equal(s.on_int[i], op == TF2_OP_CONV || !large);
        }
        net_close(&net);
    }
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
        tf2_tensor_id a =
            net_activation(&net, net_conv(&net, x, 8, 3, 1, true), TF2_ACTIVATION_RELU, 0, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round),
        TEST(test_observer_grows),
        TEST(test_observer_refuses),
        TEST(test_observer_merge),
        TEST(test_channels),
        TEST(test_range_methods),
        TEST(test_range_mse_is_least),
        TEST(test_range_degenerate),
        TEST(test_range_quant),
        TEST(test_range_expect),
        TEST(test_pixels),
        TEST(test_pixels_are_exact),
        TEST(test_weights),
        TEST(test_weights_importance),
        TEST(test_tables),
        TEST(test_assign_limits),
        TEST(test_equalize),
        TEST(test_equalize_clip),
        TEST(test_equalize_constant),
        TEST(test_equalize_concat),
        TEST(test_gptq),
        TEST(test_gptq_conv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
