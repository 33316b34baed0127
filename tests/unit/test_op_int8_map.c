/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_int8_map.c: integer forms that take elements one by one (eltwise, concat, lookup, quantize, dequantize,
 * normalization across channels) against plain loops, bit by bit; those that only move elements against where the
 * float form moves them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops_int8.h"
#include "transform/op/lrn.h"

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

/* The sum of squares for element j, over the channels' window. */
static int64_t squares(const struct q_tensor *in, const struct tf2_lrn_attr *a, size_t inner, size_t j)
{
    const int64_t n_c = in->view.shape.dim[1], c = (int64_t)(j / inner) % n_c;
    int64_t sum = 0;
    for (int64_t other = 0; other < n_c; other++) {
        const int64_t q = in->block[(int64_t)j + (other - c) * (int64_t)inner] - in->view.quant.zero_point;
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
        const struct tf2_shape shape = random_shape(&state, 2, 4, 9);
        const struct tf2__quant xq = q_random_quant(&state, 0.02), quant = q_random_quant(&state, 0.01);
        const struct tf2_activation activation = q_random_activation(&state, 0.01);
        const int64_t n = 256 << ops_range(&state, 0, 8), far = TF2__MAX(xq.zero_point, 255 - xq.zero_point);
        struct q_tensor in[2] = {q_random_u8(shape, xq, &state), q_dense(TF2_DTYPE_F32, SHAPE(n))};
        int64_t shift = 0;
        size_t inner = 1;
        while ((attr.size * far * far) >> shift >= n)
            shift++;
        assert_int_equal(tf2__lrn_shift(attr.size, xq.zero_point, n), shift);
        assert_true(tf2__lrn_table(&attr, &xq, &quant, n, Q_F32(in[1])));
        for (uint32_t d = 2; d < shape.n_dims; d++)
            inner *= (size_t)shape.dim[d];
        struct q_tensor out = q_run(TF2_OP_LRN, &attr, in, 2, &activation, &quant);
        for (size_t j = 0; j < out.n_bytes; j++) {
            const float f = Q_F32(in[1])[squares(&in[0], &attr, inner, j) >> shift];
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
        const struct tf2_shape shape = random_shape(&state, 2, 4, 9);
        const struct tf2__quant xq = q_random_quant(&state, 0.02), quant = q_random_quant(&state, 0.01);
        const struct tf2_activation activation = q_random_activation(&state, 0.01);
        struct q_tensor in[2] = {q_random_u8(shape, xq, &state), q_dense(TF2_DTYPE_F32, SHAPE(13))};
        size_t inner = 1;
        attr.alpha =
            (float)(attr.k * attr.size / ldexp(1, (int)ops_range(&state, 13, 24)) / xq.scale / xq.scale);
        assert_true(tf2__lrn_curve(&attr, &xq, &quant, Q_F32(in[1])));
        for (uint32_t d = 2; d < shape.n_dims; d++)
            inner *= (size_t)shape.dim[d];
        struct q_tensor out = q_run(TF2_OP_LRN, &attr, in, 2, &activation, &quant);
        for (size_t j = 0; j < out.n_bytes; j++) {
            const float x = (float)(in[0].block[j] - xq.zero_point);
            q_expect(
                &out, j, on_curve(Q_F32(in[1]), x, squares(&in[0], &attr, inner, j)), &activation, &seen);
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
        cmocka_unit_test(eltwise),   cmocka_unit_test(eltwise_long), cmocka_unit_test(concat),
        cmocka_unit_test(reshaping), cmocka_unit_test(pad),          cmocka_unit_test(slice_and_transpose),
        cmocka_unit_test(resize),    cmocka_unit_test(lookup),       cmocka_unit_test(quantize),
        cmocka_unit_test(lrn),       cmocka_unit_test(lrn_table),    cmocka_unit_test(lrn_on_curve),
        cmocka_unit_test(lrn_curve), cmocka_unit_test(dequantize),   cmocka_unit_test(eltwise_coefficients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
