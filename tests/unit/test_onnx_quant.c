/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_quant.c: ONNX files with QuantizeLinear and DequantizeLinear, or with operators on integers: what computes
 * on integers, the numbers, what is refused. The numbers are worked out by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include <tf2/tf2.h>

#include "onnx_builder.h"

enum { UINT8 = 2, INT8 = 3, INT16 = 5, INT32 = 6 };

static void integers(
    struct onnx_builder *b, const char *name, int32_t type, const int64_t *dims, size_t n_dims,
    const void *data, size_t n_bytes)
{
    onnx_initializer(b, onnx_tensor(b, name, type, dims, n_dims, data, n_bytes));
}

static void scale(struct onnx_builder *b, const char *name, float value)
{
    onnx_initializer(b, onnx_tensor(b, name, 1, NO_DIMS, &value, sizeof(value)));
}

static void zero_point(struct onnx_builder *b, const char *name, int32_t type, int value)
{
    const int8_t byte = (int8_t)value;
    integers(b, name, type, NO_DIMS, &byte, 1);
}

/* x in steps of 0.5 from -2 (int8), y in steps of 2 from 3; w [2, 2, 1, 1] in steps of 1 and 0.5; b. */
static void parameters(struct onnx_builder *b, int32_t w_type, const int8_t *w, int w_zero)
{
    const int8_t zeros[2] = {(int8_t)w_zero, (int8_t)w_zero};
    const int32_t bias[2] = {4, -8};
    const float scales[2] = {1, 0.5f}, bias_scales[2] = {0.5f, 0.25f};
    onnx_open(b, 13);
    onnx_input(b, "x", DIMS(1, 2, 1, 2));
    scale(b, "xs", 0.5f);
    zero_point(b, "xz", INT8, -2);
    scale(b, "ys", 2);
    zero_point(b, "yz", INT8, 3);
    integers(b, "w", w_type, DIMS(2, 2, 1, 1), w, 4);
    integers(b, "wz", w_type, DIMS(2), zeros, 2);
    integers(b, "b", INT32, DIMS(2), bias, sizeof(bias));
    onnx_list(b, "ws", scales, 2);
    onnx_list(b, "bs", bias_scales, 2);
}

/* Runs as integers; the number of nodes on integers has to be this one. */
static void check(struct onnx_builder *b, const float *x, const float *wanted, size_t n, size_t n_int8)
{
    struct tf2_model *model = NULL;
    struct tf2_model_info info;
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    struct tf2_error error;
    size_t n_bytes;
    float found[8];
    const unsigned char *bytes = onnx_pack(b, &n_bytes);
    if (tf2_model_import_memory("test.onnx", bytes, n_bytes, NULL, 0, NULL, &model, &error) != TF2_OK ||
        tf2_devices_open("host", NULL, &devices, &error) != TF2_OK ||
        tf2_session_create(model, devices, 0, NULL, &session, &error) != TF2_OK ||
        tf2_session_run(session, (const void *[]){x}, (void *[]){found}, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_model_info(model, &info);
    assert_int_equal(info.n_int8_nodes, n_int8);
    for (size_t i = 0; i < n; i++) {
        if (found[i] != wanted[i])
            fail_msg("element %zu is %.9g, wanted %.9g", i, (double)found[i], (double)wanted[i]);
    }
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
    onnx_close(b);
}

/*
 * x = (3, -1; 2, 4) by channel: in steps less the zero point (6, -2; 4, 8).
 * w = (3, -2; 10, 100): sums of channel 0: 3 x0 - 2 x1 + 4 = 14, -18; of channel 1: 10 x0 + 100 x1 - 8 = 452, 772.
 * v = sum * 0.5 / 2 and sum * 0.25 / 2: 3.5, -4.5; 56.5, 96.5, rounded to even: 4, -4; 56, 96. Real: 8, -8; 112, 192.
 */
static const float input[] = {3, -1, 2, 4}, sums[] = {8, -8, 112, 192}, positive[] = {8, 0, 112, 192};

static void test_qdq(void **state)
{
    static const int8_t w[] = {3, -2, 10, 100};
    (void)state;
    for (int relu = 0; relu < 2; relu++) {
        struct onnx_builder b;
        parameters(&b, INT8, w, 0);
        onnx_node(&b, "QuantizeLinear", "x xs xz", "xq");
        onnx_node(&b, "Cast", "xq", "xc"); /* to what it is: PyTorch writes that */
        onnx_int_attr(&b, "to", INT8);
        onnx_node(&b, "DequantizeLinear", relu ? "xq xs xz" : "xc xs xz", "xd");
        onnx_node(&b, "DequantizeLinear", "w ws wz", "wd");
        onnx_int_attr(&b, "axis", 0);
        onnx_node(&b, "DequantizeLinear", "b bs", "bd");
        onnx_int_attr(&b, "axis", 0);
        onnx_node(&b, "Conv", "xd wd bd", "c");
        onnx_node(&b, relu ? "Relu" : "Identity", "c", "r");
        onnx_node(&b, "QuantizeLinear", "r ys yz", "yq");
        onnx_node(&b, "DequantizeLinear", "yq ys yz", "y");
        onnx_output(&b, "y");
        check(&b, input, relu ? positive : sums, 4, 3);
    }
}

/*
 * Zero points per channel, 4 and 10, as a summand in front and behind; 0.5 is left over in channel 0.
 * x = (3, -1; 2, 4): q = (9, 1; 14, 18), less the zero points (5, -3; 4, 8). Sums of channel 0: 11, -21; of channel 1:
 * 442, 762. v: 2.75, -5.25; 55.25, 95.25. With 2.25 in place of 2 there are no such zero points: 4.75, -11.25; 109.25,
 * 189.25 from floats.
 */
static void test_shift(void **state)
{
    static const int8_t w[] = {3, -2, 10, 100};
    static const float wanted[][4] = {{6, -10, 110, 190}, {4, -12, 110, 190}};
    (void)state;
    for (int form = 0; form < 2; form++) {
        struct onnx_builder b;
        parameters(&b, INT8, w, 0);
        zero_point(&b, "zero", UINT8, 0);
        onnx_floats(&b, "front", DIMS(2, 1, 1), (const float[]){1.5f, 5});
        onnx_floats(&b, "behind", DIMS(2, 1, 1), (const float[]){form ? 2.25f : 2, 5});
        onnx_node(&b, "Add", "x front", "a");
        onnx_node(&b, "QuantizeLinear", "a xs zero", "xq");
        onnx_node(&b, "DequantizeLinear", "xq xs zero", "xd");
        onnx_node(&b, "Sub", "xd behind", "s");
        onnx_node(&b, "DequantizeLinear", "w ws wz", "wd");
        onnx_int_attr(&b, "axis", 0);
        onnx_node(&b, "DequantizeLinear", "b bs", "bd");
        onnx_int_attr(&b, "axis", 0);
        onnx_node(&b, "Conv", "s wd bd", "c");
        onnx_node(&b, "QuantizeLinear", "c ys yz", "yq");
        onnx_node(&b, "DequantizeLinear", "yq ys yz", "y");
        onnx_output(&b, "y");
        check(&b, input, wanted[form], 4, form ? 4 : 3);
    }
}

/*
 * Without the bias, and x added: v = sum * 0.5 / 2 + steps of x * 0.5 / 2 = 2.5 + 1.5, -5.5 - 0.5; 57.5 + 1, 97.5 + 2,
 * rounded to even: 4, -6; 58, 100. The convolution alone is not rounded: it takes x as its residual.
 */
static void test_residual(void **state)
{
    static const int8_t w[] = {3, -2, 10, 100};
    struct onnx_builder b;
    (void)state;
    parameters(&b, INT8, w, 0);
    onnx_node(&b, "QuantizeLinear", "x xs xz", "xq");
    onnx_node(&b, "DequantizeLinear", "xq xs xz", "xd");
    onnx_node(&b, "DequantizeLinear", "w ws wz", "wd");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Conv", "xd wd", "c");
    onnx_node(&b, "Add", "c xd", "a");
    onnx_node(&b, "QuantizeLinear", "a ys yz", "yq");
    onnx_node(&b, "DequantizeLinear", "yq ys yz", "y");
    onnx_output(&b, "y");
    check(&b, input, (const float[]){8, -12, 116, 200}, 4, 3);
}

/* The same weights as uint8 with the zero point 155; and what moves integers as they are. */
static void test_qlinear_conv(void **state)
{
    static const int8_t w[] = {(int8_t)158, (int8_t)153, (int8_t)165, (int8_t)255}, s8[] = {3, -2, 10, 100};
    struct onnx_builder b;
    (void)state;
    parameters(&b, UINT8, w, 155);
    onnx_node(&b, "QuantizeLinear", "x xs xz", "xq");
    onnx_node(&b, "QLinearConv", "xq xs xz w ws wz ys yz b", "yq");
    onnx_output(&b, "yq");
    check(&b, input, sums, 4, 3);
    parameters(&b, INT8, s8, 0);
    onnx_node(&b, "QuantizeLinear", "x xs xz", "xq");
    onnx_node(&b, "QLinearConv", "xq xs xz w ws wz ys yz b", "c");
    onnx_node(&b, "MaxPool", "c", "m");
    onnx_ints_attr(&b, "kernel_shape", INTS(1, 1));
    onnx_node(&b, "Reshape", "m shape", "r");
    onnx_ints(&b, "shape", (const int64_t[]){0, -1}, 2);
    onnx_node(&b, "DequantizeLinear", "r ys yz", "y");
    onnx_output(&b, "y");
    check(&b, input, sums, 4, 5);
}

/* A product by weights [K, N] and what follows it: the columns have scales of their own. */
static void test_qlinear_matmul(void **state)
{
    static const int8_t w[] = {1, 10, -1, 100}; /* [2, 2] */
    static const float x[] = {3, 2}, scales[] = {1, 0.5f};
    const int8_t zeros[2] = {0, 0};
    struct onnx_builder b;
    (void)state;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(1, 2));
    scale(&b, "xs", 0.5f);
    zero_point(&b, "xz", INT8, -2);
    scale(&b, "ys", 2);
    zero_point(&b, "yz", INT8, 3);
    integers(&b, "w", INT8, DIMS(2, 2), w, 4);
    integers(&b, "wz", INT8, DIMS(2), zeros, 2);
    onnx_list(&b, "ws", scales, 2);
    onnx_node(&b, "QuantizeLinear", "x xs xz", "xq");
    onnx_node(&b, "QLinearMatMul", "xq xs xz w ws wz ys yz", "yq");
    onnx_output(&b, "yq");
    /* sums 6 - 4 = 2 and 60 + 400 = 460; v 0.5 and 57.5, to even 0 and 58: real 0 and 116. */
    check(&b, x, (const float[]){0, 116}, 2, 3);
}

/* 256 numbers of a table, cast and gathered as our export writes them. */
static void test_lookup(void **state)
{
    uint8_t table[256];
    struct onnx_builder b;
    (void)state;
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)(255 - i);
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(1, 4));
    scale(&b, "s", 1);
    zero_point(&b, "z", UINT8, 0);
    integers(&b, "table", UINT8, DIMS(256), table, 256);
    onnx_node(&b, "QuantizeLinear", "x s z", "q");
    onnx_node(&b, "Cast", "q", "i");
    onnx_int_attr(&b, "to", INT32);
    onnx_node(&b, "Gather", "table i", "g");
    onnx_node(&b, "DequantizeLinear", "g s z", "y");
    onnx_output(&b, "y");
    check(&b, (const float[]){0, 3, 200, 300}, (const float[]){255, 252, 55, 0}, 4, 3);
}

/* ---- refused ---- */

static void start(struct onnx_builder *b)
{
    onnx_open(b, 21);
    onnx_input(b, "x", DIMS(1, 2, 1, 2));
    scale(b, "s", 1);
    zero_point(b, "z", UINT8, 0);
    onnx_output(b, "y");
}

static void test_refused(void **state)
{
    const float scales[2] = {1, 2};
    const int16_t zero = 0;
    struct onnx_builder b;
    (void)state;
    start(&b);
    onnx_list(&b, "many", scales, 2);
    onnx_node(&b, "QuantizeLinear", "x many", "q");
    onnx_node(&b, "DequantizeLinear", "q many", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "2 scales, wanted uint8 or int8 with one");
    start(&b);
    integers(&b, "z16", INT16, NO_DIMS, &zero, 2);
    onnx_node(&b, "QuantizeLinear", "x s z16", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "int16");
    start(&b);
    scale(&b, "negative", -1);
    onnx_node(&b, "QuantizeLinear", "x negative z", "y");
    onnx_refused(&b, TF2_ERR_VALUE, "scale 0 is -1");
    start(&b);
    onnx_node(&b, "QuantizeLinear", "x s z", "q");
    onnx_node(&b, "Relu", "q", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'q' is of type uint8 or int8: only DequantizeLinear can read it");
    start(&b);
    scale(&b, "other", 2);
    onnx_node(&b, "QuantizeLinear", "x s z", "q");
    onnx_node(&b, "DequantizeLinear", "q other z", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "was made with scale 1");
    start(&b);
    onnx_node(&b, "DequantizeLinear", "x s", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'x' is not quantized data");
    start(&b);
    onnx_node(&b, "QuantizeLinear", "x s z", "q");
    onnx_node(&b, "ConvInteger", "q q", "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "operator ConvInteger: not supported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qdq),
        cmocka_unit_test(test_shift), cmocka_unit_test(test_residual),
        cmocka_unit_test(test_qlinear_conv),
        cmocka_unit_test(test_qlinear_matmul),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("onnx quant", tests, NULL, NULL);
}
