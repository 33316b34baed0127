/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_math.c: element-wise operators, normalizations and softmax against values computed by hand or by
 * other programs (named at each), and against plain recomputation on random shapes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops.h"

/* onnxruntime 1.20.1 */
static void batch_norm(void **unused)
{
    struct tf2_batch_norm_attr attr = {.epsilon = 0.01f};
    (void)unused;
    struct ops_tensor in[5] = {
        ops_values(SHAPE(1, 2, 2, 2), (float[]){0, 1, 2, 3, 4, 5, 6, 7}),
        ops_values(SHAPE(2), (float[]){1, 2}),
        ops_values(SHAPE(2), (float[]){.5f, -1}),
        ops_values(SHAPE(2), (float[]){1, 5}),
        ops_values(SHAPE(2), (float[]){4, .25f}),
    };
    ops_expect(
        TF2_OP_BATCH_NORM, &attr, in, 5, SHAPE(1, 2, 2, 2),
        (float[]){0.0006238222f, 0.5f, 0.9993762f, 1.498752f, -4.922323f, -1, 2.922321f, 6.844645f}, 1e-6);
}

static void scale(void **unused)
{
    static const float x[] = {1, 2, 3, 4, 5, 6};
    struct tf2_scale_attr attr = {.axis = 1};
    (void)unused;
    /* Along channels, with a bias. */
    struct ops_tensor in[3] = {
        ops_values(SHAPE(1, 3, 2), x), ops_values(SHAPE(3), (float[]){1, 10, 100}),
        ops_values(SHAPE(3), (float[]){.5f, 0, -.5f})};
    ops_expect(TF2_OP_SCALE, &attr, in, 3, SHAPE(1, 3, 2), (float[]){1.5f, 2.5f, 30, 40, 499.5f, 599.5f}, 0);
    /* Over channels and width, repeated for each image. */
    attr.axis = -2;
    in[0] = ops_values(SHAPE(3, 1, 2), x);
    in[1] = ops_values(SHAPE(1, 2), (float[]){2, -1});
    in[2] = (struct ops_tensor){0};
    ops_expect(TF2_OP_SCALE, &attr, in, 3, SHAPE(3, 1, 2), (float[]){2, -2, 6, -4, 10, -6}, 0);
    /* The first two of three dimensions, and a scalar bias. */
    attr.axis = 0;
    in[0] = ops_values(SHAPE(1, 3, 2), x);
    in[1] = ops_values(SHAPE(1, 3), (float[]){1, 10, 100});
    in[2] = ops_values(SCALAR, (float[]){1});
    ops_expect(TF2_OP_SCALE, &attr, in, 3, SHAPE(1, 3, 2), (float[]){2, 3, 31, 41, 501, 601}, 0);
}

static void prelu(void **unused)
{
    static const float x[] = {-1, 2, -3, 4, -5, 0};
    static const float by_channel[] = {-.5f, 2, 6, 4, -1.25f, 0};
    static const float slopes[] = {.5f, -2, .25f};
    struct tf2_no_attr attr = {0};
    struct tf2_shape shapes[] = {SHAPE(3), SHAPE(3, 1), SHAPE(3, 1, 1, 1), SHAPE(1, 3, 1)};
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(shapes); i++) {
        struct ops_tensor in[2] = {ops_values(SHAPE(1, 3, 2), x), ops_values(shapes[i], slopes)};
        ops_expect(TF2_OP_PRELU, &attr, in, 2, SHAPE(1, 3, 2), by_channel, 0);
    }
    struct ops_tensor in[2] = {ops_values(SHAPE(6), x), ops_values(SHAPE(1), (float[]){.5f})};
    ops_expect(TF2_OP_PRELU, &attr, in, 2, SHAPE(6), (float[]){-.5f, 2, -1.5f, 4, -2.5f, 0}, 0);
}

/* Across channels: onnxruntime 1.20.1. Within a channel: every window holds all four pixels, 1 + 0.9 * 30 / 9
 * = 4. */
static void lrn(void **unused)
{
    struct tf2_lrn_attr attr = {.size = 3, .alpha = .3f, .beta = .75f, .k = 1};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 5, 1, 1), (float[]){1, 2, -3, 4, .5f});
    ops_expect(
        TF2_OP_LRN, &attr, &in, 1, SHAPE(1, 5, 1, 1),
        (float[]){0.737788f, 1.037222f, -1.080993f, 1.554858f, 0.2424505f}, 1e-6);
    attr.region = TF2_LRN_WITHIN_CHANNEL;
    attr.alpha = .9f;
    in = ops_values(SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4});
    ops_expect(
        TF2_OP_LRN, &attr, &in, 1, SHAPE(1, 1, 2, 2), (float[]){0.3535534f, 0.7071068f, 1.06066f, 1.414214f},
        1e-6);
    /* A window as large as can be said. */
    attr.size = INT32_MAX;
    attr.alpha = 0;
    in = ops_values(SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4});
    ops_expect(TF2_OP_LRN, &attr, &in, 1, SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4}, 0);
}

/* The sum over pixels of a channel, each distance tested. */
static void lrn_random(void **unused)
{
    uint64_t state = 11;
    (void)unused;
    for (int i = 0; i < 40; i++) {
        struct tf2_shape s =
            SHAPE(ops_range(&state, 1, 2), ops_range(&state, 1, 6), ops_range(&state, 1, 6), 3);
        struct tf2_lrn_attr attr = {
            .region = (enum tf2_lrn_region)(i % 2),
            .size = 2 * (int32_t)ops_range(&state, 0, 4) + 1,
            .alpha = .5f,
            .beta = .75f,
            .k = 2};
        const int64_t half = attr.size / 2;
        struct ops_tensor x = ops_noise(s, &state), y = ops_run(TF2_OP_LRN, &attr, &x, 1);
        struct tf2__walk out, in;
        for (tf2__walk_start(&out, &s); tf2__walk_more(&out); tf2__walk_next(&out)) {
            double sum = 0, n = i % 2 ? (double)attr.size * attr.size : attr.size;
            for (tf2__walk_start(&in, &s); tf2__walk_more(&in); tf2__walk_next(&in)) {
                int64_t distance[4];
                for (int d = 0; d < 4; d++)
                    distance[d] = llabs(in.index[d] - out.index[d]);
                bool pixels = distance[1] == 0 && distance[2] <= half && distance[3] <= half;
                bool channels = distance[1] <= half && distance[2] == 0 && distance[3] == 0;
                if (distance[0] == 0 && (i % 2 ? pixels : channels))
                    sum += pow(*tf2__walk_at(&in, &x.view), 2);
            }
            double wanted = *tf2__walk_at(&out, &x.view) / pow(2 + .5 / n * sum, .75);
            assert_true(fabs(*tf2__walk_at(&out, &y.view) - wanted) < 1e-6);
        }
        ops_free(&x);
        ops_free(&y);
    }
}

static void eltwise_kinds(void **unused)
{
    static const float a[] = {1, -2, 3}, b[] = {4, 5, -6}, c[] = {.5f, 8, 2};
    static const struct {
        enum tf2_eltwise_kind kind;
        uint32_t n_in;
        float wanted[3];
    } cases[] = {
        {TF2_ELTWISE_SUM, 3, {5.5f, 11, -1}}, {TF2_ELTWISE_PROD, 3, {2, -80, -36}},
        {TF2_ELTWISE_MAX, 3, {4, 8, 3}},      {TF2_ELTWISE_MIN, 3, {.5f, -2, -6}},
        {TF2_ELTWISE_SELECT, 3, {4, 8, -6}},
        {TF2_ELTWISE_SUB, 2, {-3, -7, 9}},    {TF2_ELTWISE_DIV, 2, {.25f, -.4f, -.5f}},
    };
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct tf2_eltwise_attr attr = {.kind = cases[i].kind};
        struct ops_tensor in[3] = {ops_values(SHAPE(3), a), ops_values(SHAPE(3), b), ops_values(SHAPE(3), c)};
        ops_expect(TF2_OP_ELTWISE, &attr, in, cases[i].n_in, SHAPE(3), cases[i].wanted, 0);
        if (cases[i].n_in == 2)
            ops_free(&in[2]);
    }
    struct tf2_eltwise_attr weighted = {.has_coefficients = true, .coefficient = {1, -1, .5f}};
    struct ops_tensor in[3] = {ops_values(SHAPE(3), a), ops_values(SHAPE(3), b), ops_values(SHAPE(3), c)};
    ops_expect(TF2_OP_ELTWISE, &weighted, in, 3, SHAPE(3), (float[]){-2.75f, -3, 10}, 0);
}

static void eltwise_broadcast(void **unused)
{
    struct tf2_eltwise_attr attr = {0};
    (void)unused;
    struct ops_tensor in[3] = {
        ops_values(SHAPE(2, 1, 1), (float[]){100, 200}), ops_values(SHAPE(2, 1), (float[]){10, 20}),
        ops_values(SHAPE(3), (float[]){1, 2, 3})};
    ops_expect(
        TF2_OP_ELTWISE, &attr, in, 3, SHAPE(2, 2, 3),
        (float[]){111, 112, 113, 121, 122, 123, 211, 212, 213, 221, 222, 223}, 0);
    attr.kind = TF2_ELTWISE_SUB;
    in[0] = ops_values(SCALAR, (float[]){1});
    in[1] = ops_values(SHAPE(2, 2), (float[]){1, 2, 3, 4});
    ops_expect(TF2_OP_ELTWISE, &attr, in, 2, SHAPE(2, 2), (float[]){0, -1, -2, -3}, 0);
}

/* onnxruntime 1.20.1; the second row overflows unless the maximum is subtracted. */
static void softmax(void **unused)
{
    static const float x[] = {1, 2, 3, 1000, 1001, 999};
    struct tf2_softmax_attr attr = {.axis = 1};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(2, 3), x);
    ops_expect(
        TF2_OP_SOFTMAX, &attr, &in, 1, SHAPE(2, 3),
        (float[]){0.09003057f, 0.2447285f, 0.6652409f, 0.2447285f, 0.6652409f, 0.09003057f}, 1e-6);
    attr = (struct tf2_softmax_attr){.axis = -1, .log = true};
    in = ops_values(SHAPE(2, 3), x);
    ops_expect(
        TF2_OP_SOFTMAX, &attr, &in, 1, SHAPE(2, 3),
        (float[]){-2.407606f, -1.407606f, -0.4076059f, -1.407606f, -0.4076059f, -2.407606f}, 1e-6);
    /* Far below the maximum the logarithm is still exact. */
    in = ops_values(SHAPE(2), (float[]){-3000, 0});
    ops_expect(TF2_OP_SOFTMAX, &attr, &in, 1, SHAPE(2), (float[]){-3000, 0}, 0);
}

/* Which elements add up to 1. */
static void softmax_axes(void **unused)
{
    uint64_t state = 21;
    (void)unused;
    for (int i = 0; i < 40; i++) {
        struct tf2_shape s = {.n_dims = (uint32_t)ops_range(&state, 1, 4)};
        struct tf2_softmax_attr attr = {
            .axis = (int32_t)ops_range(&state, 0, s.n_dims - 1), .flatten = i % 2};
        int64_t outer = 1, middle = 1, inner = 1;
        for (uint32_t d = 0; d < s.n_dims; d++) {
            s.dim[d] = ops_range(&state, 1, 4);
            bool summed = d == (uint32_t)attr.axis || (attr.flatten && d > (uint32_t)attr.axis);
            *(d < (uint32_t)attr.axis ? &outer : summed ? &middle : &inner) *= s.dim[d];
        }
        struct ops_tensor x = ops_noise(s, &state), y = ops_run(TF2_OP_SOFTMAX, &attr, &x, 1);
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t n = 0; n < inner; n++) {
                const int64_t at = o * middle * inner + n;
                double sum = 0;
                for (int64_t k = 0; k < middle; k++)
                    sum += exp(x.block[at + k * inner]);
                for (int64_t k = 0; k < middle; k++)
                    assert_true(fabs(exp(x.block[at + k * inner]) / sum - y.block[at + k * inner]) < 1e-6);
            }
        }
        ops_free(&x);
        ops_free(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm),    cmocka_unit_test(scale),
        cmocka_unit_test(prelu),         cmocka_unit_test(lrn),
        cmocka_unit_test(lrn_random),    cmocka_unit_test(softmax),
        cmocka_unit_test(eltwise_kinds), cmocka_unit_test(eltwise_broadcast),
        cmocka_unit_test(softmax_axes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
