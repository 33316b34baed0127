/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_int8_map.c: integer forms that take elements one by one (eltwise, concat, lookup, quantize, dequantize)
 * against plain loops, bit by bit; those that only move elements against where the float form moves them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops_int8.h"

static struct tf2_shape random_shape(uint64_t *state, int64_t least, int64_t most, int64_t largest)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)ops_range(state, least, most)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = ops_range(state, 1, largest);
    return shape;
}

/* The number of the element of `in` that NumPy pairs with element i of out. */
static size_t paired(const struct tf2_shape *out, const struct tf2_shape *in, size_t i)
{
    size_t number = 0, stride = 1;
    for (uint32_t d = out->n_dims; d-- > 0;) {
        const size_t index = i % (size_t)out->dim[d];
        const int64_t own = (int64_t)d - (int64_t)(out->n_dims - in->n_dims);
        i /= (size_t)out->dim[d];
        if (own < 0)
            continue;
        if (in->dim[own] != 1)
            number += index * stride;
        stride *= (size_t)in->dim[own];
    }
    return number;
}

static float term(const struct tf2_eltwise_attr *a, const struct q_tensor *in, int k, size_t i, float step)
{
    const struct tf2__quant *quant = &in->view.quant;
    double numerator = quant->scale;
    if (a->has_coefficients)
        numerator *= a->coefficient[k];
    if (a->kind == TF2_ELTWISE_SUB && k == 1)
        numerator = -numerator;
    return (float)(Q_U8(*in)[i] - quant->zero_point) * q_expect_factor(numerator, step);
}

static float eltwise_value(
    const struct tf2_eltwise_attr *a, const struct q_tensor *in, int n_in, const struct q_tensor *out,
    size_t i)
{
    const float step = out->view.quant.scale;
    size_t at[TF2_ELTWISE_MAX_INPUTS];
    for (int k = 0; k < n_in; k++)
        at[k] = paired(&out->view.shape, &in[k].view.shape, i);
    if (a->kind == TF2_ELTWISE_PROD) {
        const int product = (Q_U8(in[0])[at[0]] - in[0].view.quant.zero_point) *
                            (Q_U8(in[1])[at[1]] - in[1].view.quant.zero_point);
        return (float)product *
               q_expect_factor((double)in[0].view.quant.scale * in[1].view.quant.scale, step);
    }
    float v = term(a, &in[0], 0, at[0], step);
    for (int k = 1; k < n_in; k++) {
        const float x = term(a, &in[k], k, at[k], step);
        if (a->kind == TF2_ELTWISE_MAX)
            v = x > v ? x : v;
        else if (a->kind == TF2_ELTWISE_MIN)
            v = x < v ? x : v;
        else
            v = v + x;
    }
    return v;
}

static void random_eltwise(struct tf2_eltwise_attr *a, int *n_in, uint64_t *state)
{
    *a = (struct tf2_eltwise_attr){.kind = (enum tf2_eltwise_kind)ops_range(state, 0, 4)};
    a->has_coefficients = a->kind == TF2_ELTWISE_SUM && ops_range(state, 0, 1);
    for (int k = 0; k < TF2_ELTWISE_MAX_INPUTS; k++)
        a->coefficient[k] = (float)ops_range(state, -8, 8) / 3;
    *n_in = 2;
    if (a->kind != TF2_ELTWISE_SUB && a->kind != TF2_ELTWISE_PROD)
        *n_in = (int)(ops_range(state, 0, 9) ? ops_range(state, 2, 4) : TF2_ELTWISE_MAX_INPUTS);
}

static void eltwise(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 1;
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        struct q_tensor in[TF2_ELTWISE_MAX_INPUTS];
        struct ops_tensor real[TF2_ELTWISE_MAX_INPUTS];
        struct tf2_eltwise_attr attr;
        int n_in;
        random_eltwise(&attr, &n_in, &state);
        const struct tf2_shape full = random_shape(&state, 0, 4, ops_range(&state, 0, 9) ? 5 : 9);
        for (int k = 0; k < n_in; k++) {
            /* Leading dimensions left out, extents of 1: what broadcasts. */
            const uint32_t missing = (uint32_t)ops_range(&state, 0, k ? full.n_dims : 0);
            struct tf2_shape shape = {.n_dims = full.n_dims - missing};
            for (uint32_t d = 0; d < shape.n_dims; d++)
                shape.dim[d] = ops_range(&state, 0, 3) ? full.dim[missing + d] : 1;
            in[k] = q_random_u8(shape, q_random_quant(&state, 0.1), &state);
        }
        const struct tf2__quant quant = q_random_quant(&state, attr.kind == TF2_ELTWISE_PROD ? 0.5 : 0.2);
        const struct tf2_activation activation = q_random_activation(&state, 0.2);
        struct q_tensor out = q_run(TF2_OP_ELTWISE, &attr, in, (uint32_t)n_in, &activation, &quant);
        for (size_t j = 0; j < out.n_bytes; j++)
            q_expect(&out, j, eltwise_value(&attr, in, n_in, &out, j), &activation, &seen);
        for (int k = 0; k < n_in; k++)
            real[k] = q_real(&in[k]);
        q_expect_close(TF2_OP_ELTWISE, &attr, real, (uint32_t)n_in, &activation, &out, 1e-5);
        q_free(&out);
        for (int k = 0; k < n_in; k++)
            q_free(&in[k]);
    }
    q_expect_seen(&seen);
}

/* Rows longer than what is computed together. */
static void eltwise_long(void **unused)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SUM};
    const struct tf2_activation none = {0};
    struct q_seen seen = {0};
    uint64_t state = 2;
    (void)unused;
    for (int64_t n = 120; n < 400; n += 4) {
        struct q_tensor in[] = {
            q_random_u8(SHAPE(2, n), q_random_quant(&state, 0.1), &state),
            q_random_u8(SHAPE(2, 1), q_random_quant(&state, 0.1), &state)};
        const struct tf2__quant quant = q_random_quant(&state, 0.2);
        struct q_tensor out = q_run(TF2_OP_ELTWISE, &attr, in, 2, &none, &quant);
        for (size_t j = 0; j < out.n_bytes; j++)
            q_expect(&out, j, eltwise_value(&attr, in, 2, &out, j), &none, &seen);
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
}

/* The coefficient times the scale is not rounded before the division: factors next to ties. */
static void eltwise_coefficients(void **unused)
{
    struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SUM, .has_coefficients = true};
    const struct tf2_activation none = {0};
    struct q_seen seen = {0};
    uint64_t state = 12;
    (void)unused;
    for (int i = 0; i < 200; i++) {
        struct tf2__quant in_quant = q_random_quant(&state, 0.1);
        attr.coefficient[0] = (float)ops_range(&state, 1, 1000) / 333;
        const struct tf2__quant quant = {.scale = 2 * attr.coefficient[0] * in_quant.scale};
        struct q_tensor in[] = {
            q_dense(TF2_DTYPE_U8, SHAPE(256)), q_random_u8(SCALAR, q_random_quant(&state, 0.1), &state)};
        in[0].view.quant = in_quant;
        for (size_t q = 0; q < 256; q++)
            in[0].block[q] = (uint8_t)q;
        struct q_tensor out = q_run(TF2_OP_ELTWISE, &attr, in, 2, &none, &quant);
        for (size_t j = 0; j < out.n_bytes; j++)
            q_expect(&out, j, eltwise_value(&attr, in, 2, &out, j), &none, &seen);
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
}

static void concat(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 3;
    (void)unused;
    for (int i = 0; i < 400; i++) {
        const struct tf2_shape shape = random_shape(&state, 1, 5, 4);
        const uint32_t axis = (uint32_t)ops_range(&state, 0, shape.n_dims - 1), n_in = 1 + (uint32_t)i % 4;
        const struct tf2_axis_attr attr = {.axis = (int32_t)axis};
        const struct tf2__quant quant = q_random_quant(&state, 0.1);
        const struct tf2_activation activation = q_random_activation(&state, 0.1);
        struct q_tensor in[4];
        size_t inner = 1, outer = 1, start = 0;
        for (uint32_t d = 0; d < shape.n_dims; d++)
            *(d < axis ? &outer : &inner) *= d == axis ? 1 : (size_t)shape.dim[d];
        for (uint32_t k = 0; k < n_in; k++) {
            struct tf2_shape own = shape;
            own.dim[axis] = ops_range(&state, 1, 4);
            in[k] = q_random_u8(own, k == 1 ? quant : q_random_quant(&state, 0.1), &state);
        }
        struct q_tensor out = q_run(TF2_OP_CONCAT, &attr, in, n_in, &activation, &quant);
        const size_t row = (size_t)out.view.shape.dim[axis] * inner;
        for (uint32_t k = 0; k < n_in; k++) {
            const size_t own_row = (size_t)in[k].view.shape.dim[axis] * inner;
            const struct tf2__quant *own = &in[k].view.quant;
            for (size_t j = 0; j < in[k].n_bytes; j++) {
                const size_t at = j / own_row * row + start + j % own_row;
                const float f = q_expect_factor(own->scale, quant.scale);
                q_expect(&out, at, (float)(in[k].block[j] - own->zero_point) * f, &activation, &seen);
                if (k == 1 && activation.kind == TF2_ACTIVATION_NONE)
                    assert_int_equal(out.block[at], in[k].block[j]); /* the same quantization */
            }
            start += own_row;
        }
        assert_true(start == row && outer * row == out.n_bytes);
        q_free(&out);
        for (uint32_t k = 0; k < n_in; k++)
            q_free(&in[k]);
    }
    q_expect_seen(&seen);
}

#define FILL (-1000.0f) /* what the float form pads with: no u8 number */

/* The operator has to put the numbers where its float form puts them. */
static void expect_moved(
    enum tf2_op op, const void *attr, const void *float_attr, struct tf2__quant quant, struct tf2_shape shape,
    uint64_t *state, struct q_seen *seen)
{
    const struct tf2_activation activation = q_random_activation(state, 0.1);
    struct q_tensor in = q_random_u8(shape, quant, state);
    struct ops_tensor numbers = ops_dense(&shape);
    for (size_t i = 0; i < in.n_bytes; i++)
        numbers.block[i] = in.block[i];
    struct q_tensor out = q_run(op, attr, &in, 1, &activation, &quant);
    struct ops_tensor moved = ops_run(op, float_attr, &numbers, 1);
    assert_true(tf2_shape_equal(&moved.view.shape, &out.view.shape));
    for (size_t i = 0; i < out.n_bytes; i++) {
        float v = moved.block[i] - (float)quant.zero_point;
        if (moved.block[i] == FILL)
            v = (float)((double)((const struct tf2_pad_attr *)attr)->value / quant.scale);
        q_expect(&out, i, v, &activation, seen);
        if (activation.kind == TF2_ACTIVATION_NONE && moved.block[i] != FILL)
            assert_int_equal(out.block[i], (int)moved.block[i]);
    }
    ops_free(&moved);
    ops_free(&numbers);
    q_free(&out);
    q_free(&in);
}

static void reshaping(void **unused)
{
    const struct tf2_no_attr none = {0};
    struct q_seen seen = {0};
    uint64_t state = 4;
    (void)unused;
    for (int i = 0; i < 150; i++) {
        struct tf2_shape shape = random_shape(&state, 1, 6, 4);
        const struct tf2_axis_attr axis = {.axis = (int32_t)ops_range(&state, 0, shape.n_dims)};
        const struct tf2_reshape_attr reshape = {.n_dims = 3, .dim = {1, 0, -1}};
        const uint32_t one = (uint32_t)ops_range(&state, 0, shape.n_dims - 1);
        const struct tf2_axes_attr axes = {.axes = 1u << one};
        expect_moved(TF2_OP_IDENTITY, &none, &none, q_random_quant(&state, 0.1), shape, &state, &seen);
        expect_moved(TF2_OP_DROPOUT, &none, &none, q_random_quant(&state, 0.1), shape, &state, &seen);
        expect_moved(TF2_OP_FLATTEN, &axis, &axis, q_random_quant(&state, 0.1), shape, &state, &seen);
        expect_moved(TF2_OP_UNSQUEEZE, &axes, &axes, q_random_quant(&state, 0.1), shape, &state, &seen);
        if (shape.n_dims > 1 && shape.dim[0] == 1)
            expect_moved(
                TF2_OP_RESHAPE, &reshape, &reshape, q_random_quant(&state, 0.1), shape, &state, &seen);
        shape.dim[one] = 1;
        expect_moved(TF2_OP_SQUEEZE, &axes, &axes, q_random_quant(&state, 0.1), shape, &state, &seen);
    }
    expect_moved(TF2_OP_IDENTITY, &none, &none, q_random_quant(&state, 0.1), SCALAR, &state, &seen);
}

static void slice_and_transpose(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 5;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        struct tf2_shape shape = random_shape(&state, 1, 5, 6);
        struct tf2_slice_attr slice = {.n_dims = shape.n_dims};
        struct tf2_transpose_attr transpose = {.n_dims = shape.n_dims};
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            const uint32_t other = (uint32_t)ops_range(&state, 0, d);
            const bool back = ops_range(&state, 0, 2) == 0;
            const int64_t low = ops_range(&state, 0, shape.dim[d] - 1);
            const int64_t high = ops_range(&state, low, shape.dim[d] - 1);
            transpose.perm[d] = transpose.perm[other];
            transpose.perm[other] = d;
            slice.begin[d] = back ? high : low;
            slice.end[d] = back ? (low ? low - 1 : INT64_MIN) : high + 1;
            slice.step[d] = ops_range(&state, 1, 3) * (back ? -1 : 1);
        }
        expect_moved(TF2_OP_SLICE, &slice, &slice, q_random_quant(&state, 0.1), shape, &state, &seen);
        expect_moved(
            TF2_OP_TRANSPOSE, &transpose, &transpose, q_random_quant(&state, 0.1), shape, &state, &seen);
    }
}

static void pad(void **unused)
{
    static const float fills[] = {0, 1, -3.3f, 1e30f, -1e30f, INFINITY, -INFINITY, 0.05f};
    struct q_seen seen = {0};
    uint64_t state = 6;
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        const struct tf2__quant quant = q_random_quant(&state, 0.1);
        struct tf2_shape shape = random_shape(&state, 1, 4, 5);
        struct tf2_pad_attr attr = {
            .n_dims = shape.n_dims,
            .mode = (enum tf2_pad_mode)ops_range(&state, 0, 2),
            .value = quant.scale * ((float)ops_range(&state, -200, 200) + 0.5f)};
        if (i % 2)
            attr.value = fills[i / 2 % (int)TF2__COUNT(fills)];
        for (uint32_t d = 0; d < shape.n_dims; d++) {
            const bool less = attr.mode == TF2_PAD_CONSTANT && shape.dim[d] > 2;
            attr.begin[d] = ops_range(&state, less ? -1 : 0, TF2__MIN(3, shape.dim[d] - 1));
            attr.end[d] = ops_range(&state, less ? -1 : 0, TF2__MIN(3, shape.dim[d] - 1));
        }
        struct tf2_pad_attr float_attr = attr;
        float_attr.value = FILL;
        expect_moved(TF2_OP_PAD, &attr, &float_attr, quant, shape, &state, &seen);
    }
    assert_true(seen.n_low > 10 && seen.n_high > 10 && seen.n_between > 100);
}

static void resize(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 7;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        const struct tf2_shape shape = random_shape(&state, 3, 5, 5);
        struct tf2_resize_attr attr = {
            .coordinates = (enum tf2_resize_coordinates)ops_range(&state, 0, 4),
            .nearest = (enum tf2_resize_nearest)ops_range(&state, 0, 3)};
        for (int d = 0; d < TF2_MAX_SPATIAL; d++)
            attr.size[d] = ops_range(&state, 1, 8);
        expect_moved(TF2_OP_RESIZE, &attr, &attr, q_random_quant(&state, 0.1), shape, &state, &seen);
    }
}

static void lookup(void **unused)
{
    uint64_t state = 8;
    (void)unused;
    for (int i = 0; i < 200; i++) {
        const struct tf2_shape shape = random_shape(&state, i % 2 ? 2 : 0, 5, 4);
        const struct tf2__quant quant = q_random_quant(&state, 0.1), any = {.scale = 1};
        const struct tf2_activation activation = q_random_activation(&state, 0.1);
        struct q_tensor in[2] = {
            q_random_u8(shape, q_random_quant(&state, 0.1), &state),
            i % 2 ? q_random_u8(SHAPE(shape.dim[1], 256), any, &state)
                  : q_random_u8(SHAPE(256), any, &state)};
        struct q_tensor out = q_run(TF2_OP_LOOKUP, NULL, in, 2, &activation, &quant);
        struct q_seen seen = {0};
        size_t inner = 1;
        for (uint32_t d = 2; d < shape.n_dims; d++)
            inner *= (size_t)shape.dim[d];
        for (size_t j = 0; j < out.n_bytes; j++) {
            const size_t c = i % 2 ? j / inner % (size_t)shape.dim[1] : 0;
            const int32_t q = in[1].block[c * 256 + in[0].block[j]];
            q_expect(&out, j, (float)(q - quant.zero_point), &activation, &seen);
        }
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
}

/* Numbers that an input may have: ordinary ones, ties, and what is none. */
static float odd_float(uint64_t *state, float scale)
{
    switch (ops_range(state, 0, 9)) {
    case 0:
        return INFINITY;
    case 1:
        return -INFINITY;
    case 2:
        return NAN;
    case 3:
        return 3e38f;
    case 4:
    case 5:
        return scale * ((float)ops_range(state, -300, 300) + 0.5f);
    default:
        return scale * (float)ops_range(state, -300000, 300000) / 1000;
    }
}

static void quantize(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 9;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        const struct tf2_shape shape = random_shape(&state, i % 3 ? 2 : 0, 4, 4);
        const struct tf2_activation activation = q_random_activation(&state, 0.1);
        struct tf2__quant quant = q_random_quant(&state, 0.1);
        struct q_tensor in[2] = {q_dense(TF2_DTYPE_F32, shape)};
        uint8_t zero_points[4];
        size_t inner = 1;
        for (size_t j = 0; j < q_count(&in[0]); j++)
            Q_F32(in[0])[j] = odd_float(&state, quant.scale);
        for (int c = 0; c < 4; c++)
            zero_points[c] = (uint8_t)ops_random(&state);
        if (i % 3) {
            in[1] = q_dense(TF2_DTYPE_F32, SHAPE(shape.dim[1]));
            for (int64_t c = 0; c < shape.dim[1]; c++)
                Q_F32(in[1])[c] = quant.scale * (float)ops_range(&state, -100, 100) / 100;
        }
        if (i % 3 == 2)
            quant.channel_zero_point = zero_points;
        struct q_tensor out = q_run(TF2_OP_QUANTIZE, NULL, in, i % 3 ? 2 : 1, &activation, &quant);
        for (uint32_t d = 2; d < shape.n_dims; d++)
            inner *= (size_t)shape.dim[d];
        for (size_t j = 0; j < out.n_bytes; j++) {
            const size_t c = shape.n_dims > 1 ? j / inner % (size_t)shape.dim[1] : 0;
            float v = Q_F32(in[0])[j] - (in[1].block ? Q_F32(in[1])[c] : 0);
            v = v * q_expect_factor(1, quant.scale);
            if (quant.channel_zero_point)
                out.view.quant.zero_point = zero_points[c];
            q_expect(&out, j, isnan(v) ? 0 : v, &activation, &seen);
        }
        q_free(&out);
        q_free(&in[0]);
        q_free(&in[1]);
    }
    q_expect_seen(&seen);
}

static void dequantize(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 10;
    (void)unused;
    for (int i = 0; i < 100; i++) {
        const struct tf2_activation activation = q_random_activation(&state, 0.1);
        struct q_tensor in = q_random_u8(random_shape(&state, 0, 5, 4), q_random_quant(&state, 0.1), &state);
        struct q_tensor out = q_run(TF2_OP_DEQUANTIZE, NULL, &in, 1, &activation, NULL);
        for (size_t j = 0; j < in.n_bytes; j++)
            q_expect(
                &out, j, (float)(in.block[j] - in.view.quant.zero_point) * in.view.quant.scale, &activation,
                &seen);
        q_free(&out);
        q_free(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eltwise),
        cmocka_unit_test(eltwise_long),
        cmocka_unit_test(concat),
        cmocka_unit_test(reshaping),
        cmocka_unit_test(pad),
        cmocka_unit_test(slice_and_transpose),
        cmocka_unit_test(resize),
        cmocka_unit_test(lookup),
        cmocka_unit_test(quantize),
        cmocka_unit_test(dequantize),
        cmocka_unit_test(eltwise_coefficients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
