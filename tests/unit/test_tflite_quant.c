/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tflite_quant.c: quantized TensorFlow Lite files compute on integers, with the file's scales, to the last bit.
 *
 * Expected numbers are computed here by the rule q = clamp(rint(float(sum) * factor) + zero point) on the file's own
 * integers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lite_builder.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A quantization as the file has it. */
struct quant {
    int type;
    float scale;
    int zero_point;
};

static int low(const struct quant *q)
{
    return q->type == LITE_I8 ? -128 : 0;
}

static float real(const struct quant *q, int value)
{
    return (float)(value - q->zero_point) * q->scale;
}

/* The real number that v steps of the quantization are. */
static float rounded(const struct quant *q, float v, bool relu)
{
    const float least = relu ? 0 : (float)(low(q) - q->zero_point);
    const float steps = fminf(fmaxf(rintf(v), least), (float)(low(q) + 255 - q->zero_point));
    return steps * q->scale;
}

static int
tensor(struct lite_builder *b, const char *name, const struct quant *q, const int32_t *dims, size_t n)
{
    const int id = lite_tensor(b, name, q->type, dims, n);
    lite_quant(b, id, q->scale, q->zero_point);
    return id;
}

/* Imports and runs; the integers have to be these to the last bit, and floats with roundings close to them. */
static void check(
    struct lite_builder *b, const int32_t *in, const int32_t *out, const float *x, const float *wanted,
    size_t n, float step, size_t n_int8, size_t n_float)
{
    float *found = calloc(n, sizeof(*found));
    struct tf2_model *model = NULL;
    struct tf2_model_info info;
    size_t n_bytes;
    const unsigned char *bytes = lite_pack(b, in, 1, out, 1, &n_bytes);
    assert_int_equal(tf2_model_import_memory("q", bytes, n_bytes, NULL, 0, NULL, &model, NULL), TF2_OK);
    tf2_model_info(model, &info);
    assert_int_equal(info.n_int8_nodes, n_int8);
    assert_int_equal(info.n_nodes, n_int8 + n_float);
    tf2_model_destroy(&model);
    lite_run(b, in, 1, out, 1, false, x, found, n);
    for (size_t i = 0; i < n; i++) {
        if (found[i] != wanted[i])
            fail_msg("element %zu is %.9g, wanted %.9g", i, (double)found[i], (double)wanted[i]);
    }
    lite_run(b, in, 1, out, 1, true, x, found, n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(found[i] - wanted[i]) <= 1.001f * step);
    free(found);
    lite_close(b);
}

/* ---- convolutions ---- */

enum { C = 4, O = 6, P = 9, K = 3 }; /* channels, pixels of a 3 x 3 map, filter */

struct conv {
    struct quant x, w, y;
    bool depthwise, per_channel, relu;
    size_t n_int8; /* nodes on integers, quantize and dequantize among them */
};

static int32_t weight(const struct conv *c, int i)
{
    return low(&c->w) + (i * 2654435761u >> 7) % 256;
}

static void check_conv(const struct conv *c)
{
    const int n_out = c->depthwise ? C : O, n_k = K * K * (c->depthwise ? 1 : C);
    uint8_t w[O * K * K * C];
    int32_t bias[O];
    float x[P * C], wanted[P * O];
    int q[P * C];
    struct lite_builder b;
    for (int i = 0; i < n_out * n_k; i++)
        w[i] = (uint8_t)weight(c, i);
    for (int i = 0; i < n_out; i++)
        bias[i] = i * 1000 - 2500 + (i == 1) * 33554431;
    for (int i = 0; i < P * C; i++) {
        q[i] = low(&c->x) + (i * 53) % 256;
        x[i] = real(&c->x, q[i]);
    }
    lite_open(&b);
    const int in = tensor(&b, "x", &c->x, DIMS(1, 3, 3, C));
    const int w_id = c->depthwise
                         ? lite_constant(&b, "w", c->w.type, DIMS(1, K, K, C), w, (size_t)(n_out * n_k))
                         : lite_constant(&b, "w", c->w.type, DIMS(O, K, K, C), w, (size_t)(n_out * n_k));
    const int b_id = lite_constant(&b, "b", LITE_I32, DIMS(n_out), bias, (size_t)n_out * 4);
    const int out = tensor(&b, "y", &c->y, DIMS(1, 3, 3, n_out));
    lite_quant(&b, w_id, c->w.scale, c->w.zero_point);
    lite_quant(&b, b_id, c->x.scale * c->w.scale, 0);
    b.tensors[w_id].axis = c->depthwise ? 3 : 0;
    for (int o = 0; c->per_channel && o < n_out; o++) {
        b.tensors[w_id].scales[o] = c->w.scale * (float)(1 + o);
        b.tensors[b_id].scales[o] = c->x.scale * b.tensors[w_id].scales[o];
        b.tensors[w_id].n_scales = b.tensors[w_id].n_zero_points = (size_t)n_out;
        b.tensors[b_id].n_scales = b.tensors[b_id].n_zero_points = (size_t)n_out;
    }
    lite_op(&b, c->depthwise ? 4 : 3, IDS(in, w_id, b_id), IDS(out));
    lite_int(&b, 1, 1);
    lite_int(&b, 2, 1);
    lite_byte(&b, c->depthwise ? 4 : 3, c->relu);
    for (int i = 0; i < P * n_out; i++) {
        const int o = i % n_out, px = i / n_out % 3, py = i / n_out / 3;
        const double scale = b.tensors[w_id].scales[c->per_channel ? o : 0];
        int32_t sum = bias[o];
        for (int k = 0; k < n_k; k++) {
            const int ch = c->depthwise ? o : k % C, tap = c->depthwise ? k : k / C;
            const int iy = py - 1 + tap / K, ix = px - 1 + tap % K;
            const int at = c->depthwise ? tap * C + o : o * n_k + k;
            if (iy >= 0 && iy < 3 && ix >= 0 && ix < 3)
                sum += (q[(iy * 3 + ix) * C + ch] - c->x.zero_point) * (weight(c, at) - c->w.zero_point);
        }
        wanted[i] = rounded(&c->y, (float)sum * (float)(c->x.scale * scale / c->y.scale), c->relu);
    }
    check(&b, (int32_t[]){in}, (int32_t[]){out}, x, wanted, (size_t)(P * n_out), c->y.scale, c->n_int8, 2);
}

/* Weights with zero points of any kind; where they do not fit 8 bits three nodes more double the input. */
static void test_conv(void **state)
{
    static const struct quant s8_w = {LITE_I8, 0.01f, 0}, u8_w = {LITE_U8, 0.01f, 128},
                              far_w = {LITE_U8, 0.01f, 201};
    static const struct quant end_w = {LITE_U8, 0.01f, 0}, other_w = {LITE_U8, 0.01f, 255};
    static const struct quant s8 = {LITE_I8, 0.5f, -7}, s8_y = {LITE_I8, 6.1f, 20}, u8 = {LITE_U8, 0.25f, 77};
    static const struct quant u8_y = {LITE_U8, 5.5f, 100};
    const struct conv cases[] = {
        {s8, s8_w, s8_y, false, false, false, 3},  {s8, s8_w, s8_y, true, true, true, 3},
        {s8, s8_w, s8_y, false, true, true, 3},    {u8, u8_w, u8_y, false, false, true, 3},
        {u8, far_w, u8_y, false, false, false, 6}, {u8, far_w, u8_y, true, false, true, 6},
        {u8, end_w, u8_y, false, false, true, 6},  {u8, other_w, u8_y, true, false, false, 6}};
    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        check_conv(&cases[i]);
}

/* ---- others ---- */

static void test_fully_connected(void **state)
{
    static const struct quant xq = {LITE_U8, 0.1f, 3}, yq = {LITE_U8, 4.0f, 90};
    static const uint8_t w[] = {0, 255, 100, 7, 250, 30};
    static const int32_t bias[] = {100, -200};
    static const int q[] = {0, 200, 255};
    float x[3], wanted[2];
    struct lite_builder b;
    (void)state;
    lite_open(&b);
    const int in = tensor(&b, "x", &xq, DIMS(1, 3));
    const int w_id = lite_constant(&b, "w", LITE_U8, DIMS(2, 3), w, sizeof(w));
    const int b_id = lite_constant(&b, "b", LITE_I32, DIMS(2), bias, sizeof(bias));
    const int out = tensor(&b, "y", &yq, DIMS(1, 2));
    lite_quant(&b, w_id, 0.02f, 220);
    lite_quant(&b, b_id, 0.1f * 0.02f, 0);
    lite_op(&b, 9, IDS(in, w_id, b_id), IDS(out));
    for (int o = 0; o < 2; o++) {
        int32_t sum = bias[o];
        for (int k = 0; k < 3; k++)
            sum += (q[k] - 3) * (w[3 * o + k] - 220);
        wanted[o] = rounded(&yq, (float)sum * (float)((double)0.1f * 0.02f / 4.0f), false);
    }
    for (int k = 0; k < 3; k++)
        x[k] = real(&xq, q[k]);
    check(&b, (int32_t[]){in}, (int32_t[]){out}, x, wanted, 2, yq.scale, 4, 0);
}

/* x + x in other scales, then requantized, and as a table. */
static void test_sum_and_table(void **state)
{
    static const struct quant xq = {LITE_I8, 0.1f, 5}, sq = {LITE_I8, 0.15f, -20},
                              tq = {LITE_I8, 1.0f / 256, -128};
    float x[16], wanted[16];
    struct lite_builder b;
    (void)state;
    for (int i = 0; i < 16; i++) {
        x[i] = real(&xq, -128 + 17 * i);
        const float factor = (float)((double)xq.scale / sq.scale), steps = (float)(-128 + 17 * i - 5);
        const float sum = rounded(&sq, steps * factor + steps * factor, false);
        wanted[i] = rounded(&tq, (float)(256 / (1 + exp(-(double)sum))), false);
    }
    lite_open(&b);
    const int in = tensor(&b, "x", &xq, DIMS(1, 2, 2, 4)), sum = tensor(&b, "sum", &sq, DIMS(1, 2, 2, 4));
    const int out = tensor(&b, "y", &tq, DIMS(1, 2, 2, 4));
    lite_op(&b, 0, IDS(in, in), IDS(sum));
    lite_op(&b, 14, IDS(sum), IDS(out));
    check(&b, (int32_t[]){in}, (int32_t[]){out}, x, wanted, 16, tq.scale, 4, 2);
}

/* An input of bytes says how pixels become numbers. */
static void test_pixels(void **state)
{
    static const struct quant xq = {LITE_I8, 0.5f, -28}, yq = {LITE_I8, 0.5f, -28};
    struct tf2_model *model = NULL;
    struct tf2_model_info info;
    struct lite_builder b;
    size_t n_bytes;
    (void)state;
    lite_open(&b);
    const int in = tensor(&b, "x", &xq, DIMS(1, 2, 2, 3)), out = tensor(&b, "y", &yq, DIMS(1, 2, 2, 3));
    lite_op(&b, 19, IDS(in), IDS(out));
    const unsigned char *bytes = lite_pack(&b, IDS(in), IDS(out), &n_bytes);
    assert_int_equal(tf2_model_import_memory("q", bytes, n_bytes, NULL, 0, NULL, &model, NULL), TF2_OK);
    tf2_model_info(model, &info);
    assert_true(
        info.preprocess.mean[0] == 100 && info.preprocess.mean[2] == 100 && info.preprocess.scale == 0.5f);
    tf2_model_destroy(&model);
    struct tf2_import_options options = {.preprocess = {.scale = 2}};
    assert_int_equal(tf2_model_import_memory("q", bytes, n_bytes, NULL, 0, &options, &model, NULL), TF2_OK);
    tf2_model_info(model, &info);
    assert_true(info.preprocess.mean[0] == 0 && info.preprocess.scale == 2);
    tf2_model_destroy(&model);
    lite_close(&b);
}

/* ---- averages ---- */

enum { WINDOWS = 16, DEPTH = 3 }; /* windows in a row and in a column; channels */

struct average {
    int type, zero_point, height, width;
    size_t n_int8; /* nodes on integers, quantize and dequantize among them */
};

/* Averages around every integer, halves among them, which go away from zero. */
static void check_average(const struct average *a)
{
    const struct quant q = {a->type, 0.25f, a->zero_point};
    const int n = a->height * a->width, n_out = WINDOWS * WINDOWS * DEPTH;
    float *x = calloc((size_t)(n_out * n), sizeof(*x)), *wanted = calloc((size_t)n_out, sizeof(*wanted));
    struct lite_builder b;
    for (int i = 0; i < n_out; i++) {
        const int window = i / DEPTH, more = i % DEPTH == 0 ? n / 2 : i * 7 % n; /* numbers that are one more */
        int sum = 0;
        for (int k = 0; k < n; k++) {
            const int row = window / WINDOWS * a->height + k / a->width;
            const int column = window % WINDOWS * a->width + k % a->width;
            const int value = low(&q) + (window < 255 ? window + (k < more) : 255);
            x[(row * WINDOWS * a->width + column) * DEPTH + i % DEPTH] = real(&q, value);
            sum += value;
        }
        wanted[i] = real(&q, (sum + (sum >= 0 ? n / 2 : -(n / 2))) / n);
    }
    lite_open(&b);
    const int in = tensor(&b, "x", &q, DIMS(1, WINDOWS * a->height, WINDOWS * a->width, DEPTH));
    const int out = tensor(&b, "y", &q, DIMS(1, WINDOWS, WINDOWS, DEPTH));
    lite_op(&b, 1, IDS(in), IDS(out));
    lite_byte(&b, 0, 1);
    lite_int(&b, 1, a->width);
    lite_int(&b, 2, a->height);
    lite_int(&b, 3, a->width);
    lite_int(&b, 4, a->height);
    check(
        &b, (int32_t[]){in}, (int32_t[]){out}, x, wanted, (size_t)n_out, q.scale, a->n_int8, 2);
    free(x);
    free(wanted);
}

static void test_average(void **state)
{
    static const struct average cases[] = {
        {LITE_U8, 0, 2, 2, 3},     {LITE_U8, 37, 1, 3, 3},  {LITE_U8, 255, 4, 4, 3},   {LITE_U8, 128, 7, 7, 3},
        {LITE_U8, 3, 8, 8, 3},     {LITE_I8, -128, 2, 2, 3}, {LITE_I8, -128, 4, 4, 3}, {LITE_I8, -128, 8, 8, 3},
        {LITE_I8, 0, 2, 3, 3},     {LITE_I8, 0, 8, 8, 3},    {LITE_I8, 127 - 63, 4, 1, 3}};
    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        check_average(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_fully_connected),
        cmocka_unit_test(test_sum_and_table),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_average),
    };
    return cmocka_run_group_tests_name("tflite quant", tests, NULL, NULL);
}
