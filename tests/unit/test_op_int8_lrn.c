/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_int8_lrn.c: the integer form of normalization across channels against plain loops, bit by bit; its tables
 * and curves against the power in double.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops_int8.h"
#include "transform/op/lrn.h"

static struct tf2_shape random_shape(uint64_t *state)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)ops_range(state, 2, 4)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = ops_range(state, 1, 9);
    return shape;
}

/* The sum of squares for element j, over the channels' window. */
static int64_t squares(const struct q_tensor *in, const struct tf2_lrn_attr *a, size_t j)
{
    const struct tf2_shape *shape = &in->view.shape;
    int64_t sum = 0, inner = 1;
    for (uint32_t d = 2; d < shape->n_dims; d++)
        inner *= shape->dim[d];
    const int64_t n_c = shape->dim[1], c = (int64_t)j / inner % n_c;
    for (int64_t other = 0; other < n_c; other++) {
        const int64_t q = in->block[(int64_t)j + (other - c) * inner] - in->view.quant.zero_point;
        if (2 * (other > c ? other - c : c - other) < a->size)
            sum += q * q;
    }
    return sum;
}

static void lrn(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 11;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        const struct tf2_lrn_attr attr = {
            .size = i % 10 ? (int32_t)(1 + 2 * ops_range(&state, 0, 4)) : INT32_MAX,
            .alpha = (float)ops_range(&state, 0, 200) / 100,
            .beta = (float)ops_range(&state, 0, 10) / 8,
            .k = (float)ops_range(&state, 1, 4) / 2};
        const struct tf2_shape shape = random_shape(&state);
        const struct tf2__quant xq = q_random_quant(&state, 0.02), quant = q_random_quant(&state, 0.01);
        const struct tf2_activation activation = q_random_activation(&state, 0.01);
        const int64_t n = 256 << ops_range(&state, 0, 8), far = TF2__MAX(xq.zero_point, 255 - xq.zero_point);
        struct q_tensor in[2] = {q_random_u8(shape, xq, &state), q_dense(TF2_DTYPE_F32, SHAPE(n))};
        int64_t shift = 0;
        while ((attr.size * far * far) >> shift >= n)
            shift++;
        assert_int_equal(tf2__lrn_shift(attr.size, xq.zero_point, n), shift);
        assert_true(tf2__lrn_table(&attr, &xq, &quant, n, Q_F32(in[1])));
        struct q_tensor out = q_run(TF2_OP_LRN, &attr, in, 2, &activation, &quant);
        for (size_t j = 0; j < out.n_bytes; j++) {
            const float f = Q_F32(in[1])[squares(&in[0], &attr, j) >> shift];
            q_expect(&out, j, (float)(in[0].block[j] - xq.zero_point) * f, &activation, &seen);
        }
        if (n == 65536 && attr.size < 10) {
            struct ops_tensor real = q_real(&in[0]);
            q_expect_close(TF2_OP_LRN, &attr, &real, 1, &activation, &out, 1e-3);
        }
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
    assert_true(seen.n_low > 10 && seen.n_high > 10 && seen.n_between > 100);
}

/* Entries by hand, and a table that cannot be. */
static void lrn_table(void **unused)
{
    const struct tf2__quant x = {.scale = 0.5f, .zero_point = 255}, y = {.scale = 0.25f};
    struct tf2_lrn_attr attr = {.size = 1, .alpha = 2, .beta = 0.5f, .k = 1};
    float table[65536];
    (void)unused;
    assert_int_equal(tf2__lrn_shift(1, 255, 65536), 0); /* 65025 is the largest sum */
    assert_int_equal(tf2__lrn_shift(1, 128, 65536), 0);
    assert_int_equal(tf2__lrn_shift(1, 255, 32768), 1);
    assert_int_equal(tf2__lrn_shift(1, 128, 256), 7); /* 16384 >> 6 is 256 */
    assert_int_equal(tf2__lrn_shift(5, 0, 4096), 7);
    assert_true(tf2__lrn_table(&attr, &x, &y, 65536, table));
    assert_true(table[0] == 2 && table[16] == (float)(2 / sqrt(1 + 2 * 0.25 * 16)));
    assert_true(tf2__lrn_table(&attr, &x, &y, 32768, table)); /* sums 32 and 33 share an entry */
    assert_true(table[16] == (float)(2 / sqrt(1 + 2 * 0.25 * 32.5)));
    attr.k = 0;
    assert_false(tf2__lrn_table(&attr, &x, &y, 65536, table)); /* 0 to the power -0.5 */
    attr.k = -1;
    assert_false(tf2__lrn_table(&attr, &x, &y, 65536, table));
}

/* What lrn.h says, by other means. */
static float on_curve(const float *curve, float x, int64_t sum)
{
    int e; /* one more than in lrn.h */
    const float m = 2 * frexpf((float)sum + curve[0], &e);
    const float power = m + curve[1], y = power * m + curve[2], z = y + (m + curve[3]);
    const float octave = x * curve[5 + (e + 126) % 8], polynomial = z * y;
    return octave * (polynomial + curve[4]);
}

static void lrn_on_curve(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 12;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        struct tf2_lrn_attr attr = {
            .size = (int32_t)(1 + 2 * ops_range(&state, 0, 4)),
            .beta = (float)ops_range(&state, 1, 8) / 8,
            .k = (float)ops_range(&state, 1, 4) / 2};
        const struct tf2_shape shape = random_shape(&state);
        const struct tf2__quant xq = q_random_quant(&state, 0.02), quant = q_random_quant(&state, 0.01);
        const struct tf2_activation activation = q_random_activation(&state, 0.01);
        struct q_tensor in[2] = {q_random_u8(shape, xq, &state), q_dense(TF2_DTYPE_F32, SHAPE(13))};
        attr.alpha =
            (float)(attr.k * attr.size / ldexp(1, (int)ops_range(&state, 13, 24)) / xq.scale / xq.scale);
        assert_true(tf2__lrn_curve(&attr, &xq, &quant, Q_F32(in[1])));
        struct q_tensor out = q_run(TF2_OP_LRN, &attr, in, 2, &activation, &quant);
        for (size_t j = 0; j < out.n_bytes; j++) {
            const float x = (float)(in[0].block[j] - xq.zero_point);
            q_expect(
                &out, j, on_curve(Q_F32(in[1]), x, squares(&in[0], &attr, j)), &activation, &seen);
        }
        struct ops_tensor real = q_real(&in[0]);
        q_expect_close(TF2_OP_LRN, &attr, &real, 1, &activation, &out, 1e-3);
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
    assert_true(seen.n_low > 10 && seen.n_high > 10 && seen.n_between > 100);
}

struct curve_case {
    struct tf2_lrn_attr attr;
    float x_scale, y_scale;
    int32_t zero_point;
    bool exists;
};

/* Every sum that there is, against the definition in double. */
static void check_curve(const struct curve_case *c, const struct tf2__quant *x, const struct tf2__quant *y)
{
    const int64_t far = TF2__MAX(c->zero_point, 255 - c->zero_point);
    float curve[13];
    double worst = 0;
    if (tf2__lrn_curve(&c->attr, x, y, curve) != c->exists)
        fail_msg("alpha %g, beta %g, k %g: exists: %d", c->attr.alpha, c->attr.beta, c->attr.k, !c->exists);
    for (int64_t sum = 0; c->exists && sum <= c->attr.size * far * far; sum++) {
        const double divisor =
            c->attr.k + (double)c->attr.alpha / c->attr.size * x->scale * x->scale * (double)sum;
        const double wanted = (double)x->scale / y->scale * pow(divisor, -(double)c->attr.beta);
        worst = fmax(worst, fabs(on_curve(curve, 1, sum) / wanted - 1));
    }
    if (!(worst <= 1. / 2048))
        fail_msg("alpha %g, beta %g, k %g: off by %g", c->attr.alpha, c->attr.beta, c->attr.k, worst);
}

static void lrn_curve(void **unused)
{
    static const struct curve_case cases[] = {
        {{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 1}, 1.3f, 0.9f, 0, true},
        {{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 2}, 0.4f, 0.4f, 117, true},
        {{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 1}, 2.9f, 1e-3f, 255, true},
        {{.size = 3, .alpha = 0.01f, .beta = 0.5f, .k = 1}, 0.1f, 0.1f, 3, true},
        {{.size = 1, .alpha = 2e-5f, .beta = 1, .k = 1}, 3, 2, 0, true},
        {{.size = 33, .alpha = 1e-3f, .beta = 0.25f, .k = 1e-3f}, 0.03f, 0.03f, 128, true},
        {{.size = 257, .alpha = 1e-3f, .beta = 0.75f, .k = 1}, 0.3f, 0.03f, 0, true},
        {{.size = 5, .alpha = 1e-16f, .beta = 0.75f, .k = 1}, 1, 1, 0, true},      /* nearly a constant */
        {{.size = 5, .alpha = 5.0f / 2100, .beta = 0.75f, .k = 1}, 1, 1, 0, true}, /* 2^11 to 2^18.3 */
        {{.size = 5, .alpha = 1e-4f, .beta = 1e-3f, .k = 1}, 1, 1, 0, true},
        /* More than 8 octaves, an offset below 1, one that is too large, no slope, sums too large. */
        {{.size = 5, .alpha = 5.0f / 1100, .beta = 0.75f, .k = 1}, 1, 1, 0, false}, /* 2^10.1 to 2^18.3 */
        {{.size = 5, .alpha = 1, .beta = 0.75f, .k = 1}, 0.3f, 1, 0, false},
        {{.size = 1, .alpha = 2, .beta = 0.75f, .k = 1}, 1, 1, 128, false},
        {{.size = 5, .alpha = 1e-21f, .beta = 0.75f, .k = 1}, 1, 1, 0, false},
        {{.size = 5, .alpha = 0, .beta = 0.75f, .k = 1}, 1, 1, 0, false},
        {{.size = 259, .alpha = 1e-3f, .beta = 0.75f, .k = 1}, 0.3f, 0.03f, 0, false},
        /* A power that the polynomial cannot follow, one that needs none. */
        {{.size = 5, .alpha = 1e-4f, .beta = 2, .k = 1}, 1, 1, 0, false},
        {{.size = 5, .alpha = 1e-4f, .beta = 0, .k = 1}, 1, 1, 0, false},
        /* Divisors that reach 0, a falling one, octaves out of range. */
        {{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 0}, 1, 1, 0, false},
        {{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = -1}, 1, 1, 0, false},
        {{.size = 5, .alpha = -1e-4f, .beta = 0.75f, .k = 1}, 1, 1, 0, false},
        {{.size = 5, .alpha = 1e-30f, .beta = 0.75f, .k = 1}, 1e13f, 1e-20f, 0, false},
    };
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        const struct tf2__quant x = {.scale = cases[i].x_scale, .zero_point = cases[i].zero_point};
        check_curve(&cases[i], &x, &(struct tf2__quant){.scale = cases[i].y_scale});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lrn),
        cmocka_unit_test(lrn_table),
        cmocka_unit_test(lrn_on_curve),
        cmocka_unit_test(lrn_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
