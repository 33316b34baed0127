/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_quant_parts.c: the algorithms of quantization against known answers: rounding, histograms, ranges,
 * tables, which nodes are on integers. test_quant_weights.c has those that change weights.
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
#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

#include "test_quant_fixture.h"

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
        TEST(test_tables),
        TEST(test_assign_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
