/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_eltwise.c: what ONNX operators that work element by element become in the graph, with data and
 * constants on either side, in their old and new forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "onnx_builder.h"

/* A model with input x of a shape, and one node that makes y of it. */
static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims,
    size_t n_dims)
{
    onnx_open(b, opset);
    onnx_input(b, "x", dims, n_dims);
    onnx_node(b, type, inputs, "y");
    onnx_output(b, "y");
}

/* ---- element by element ---- */

static void has_activation(
    const struct onnx_import *im, uint32_t i, enum tf2_activation_kind kind, float alpha, float beta)
{
    const struct tf2_activation *attr = im->graph->nodes[i].attr;
    assert_string_equal(im->graph->nodes[i].op->name, "activation");
    assert_int_equal(attr->kind, kind);
    assert_true(attr->alpha == alpha && attr->beta == beta);
}

static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum tf2_activation_kind kind;
        float alpha, beta;
    } rows[] = {
        {"Relu", TF2_ACTIVATION_RELU, 0, 0},
        {"LeakyRelu", TF2_ACTIVATION_LEAKY_RELU, 0.01f, 0},
        {"Sigmoid", TF2_ACTIVATION_SIGMOID, 0, 0},
        {"Tanh", TF2_ACTIVATION_TANH, 0, 0},
        {"HardSigmoid", TF2_ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f},
        {"HardSwish", TF2_ACTIVATION_HARD_SWISH, 0, 0},
        {"Elu", TF2_ACTIVATION_ELU, 1, 0},
        {"Abs", TF2_ACTIVATION_ABS, 0, 0},
        {"Exp", TF2_ACTIVATION_EXP, 0, 0},
        {"Log", TF2_ACTIVATION_LOG, 0, 0},
        {"Sqrt", TF2_ACTIVATION_SQRT, 0, 0},
        {"Neg", TF2_ACTIVATION_AFFINE, -1, 0},
        {"Reciprocal", TF2_ACTIVATION_POW, -1, 0},
        {"Clip", TF2_ACTIVATION_CLIP, -FLT_MAX, FLT_MAX},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        one_node(&b, 14, rows[i].type, "x", DIMS(0, 4));
        struct onnx_import im = onnx_imported(&b);
        has_activation(&im, 0, rows[i].kind, rows[i].alpha, rows[i].beta);
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 14, "HardSigmoid", "x", DIMS(0, 4));
    onnx_float_attr(&b, "alpha", 0.25f);
    onnx_float_attr(&b, "beta", 0.75f);
    struct onnx_import im = onnx_imported(&b);
    has_activation(&im, 0, TF2_ACTIVATION_HARD_SIGMOID, 0.25f, 0.75f);
    onnx_import_free(&im);
    one_node(&b, 13, "HardSwish", "x", DIMS(0, 4));
    onnx_refused(&b, TF2_ERR_FORMAT, "opset 13", "14");
    one_node(&b, 13, "Elu", "x", DIMS(0, 4));
    onnx_float_attr(&b, "alpha", NAN);
    onnx_refused(&b, TF2_ERR_VALUE, "alpha", "finite");
}

static void test_clip(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 9, "Clip", "x", DIMS(0, 4));
    onnx_float_attr(&b, "min", 0);
    onnx_float_attr(&b, "max", 6);
    struct onnx_import im = onnx_imported(&b);
    has_activation(&im, 0, TF2_ACTIVATION_CLIP, 0, 6);
    onnx_import_free(&im);
    one_node(&b, 13, "Clip", "x - high", DIMS(0, 4));
    onnx_float(&b, "high", 6);
    im = onnx_imported(&b);
    has_activation(&im, 0, TF2_ACTIVATION_CLIP, -FLT_MAX, 6);
    onnx_import_free(&im);
    one_node(&b, 13, "Clip", "x low high", DIMS(0, 4));
    onnx_float(&b, "low", 0);
    onnx_float(&b, "high", INFINITY);
    im = onnx_imported(&b);
    has_activation(&im, 0, TF2_ACTIVATION_RELU, 0, 0);
    onnx_import_free(&im);
    one_node(&b, 13, "Clip", "x low", DIMS(0, 4));
    onnx_list(&b, "low", FLOATS(0, 1));
    onnx_refused(&b, TF2_ERR_FORMAT, "min has 2 numbers");
    one_node(&b, 13, "Clip", "x low", DIMS(0, 4));
    onnx_input(&b, "low", NO_DIMS);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'low'");
}

static void test_pow(void **state)
{
    (void)state;
    static const float exponents[] = {2, 0.5f, -1, 3.25f};
    static const enum tf2_activation_kind kinds[] = {
        TF2_ACTIVATION_POW, TF2_ACTIVATION_SQRT, TF2_ACTIVATION_POW, TF2_ACTIVATION_POW};
    for (size_t i = 0; i < TF2__COUNT(exponents); i++) {
        struct onnx_builder b;
        one_node(&b, 13, "Pow", "x e", DIMS(0, 4));
        onnx_float(&b, "e", exponents[i]);
        struct onnx_import im = onnx_imported(&b);
        has_activation(&im, 0, kinds[i], kinds[i] == TF2_ACTIVATION_POW ? exponents[i] : 0, 0);
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 13, "Pow", "x e", DIMS(0, 4));
    onnx_floats(&b, "e", DIMS(4), NULL);
    onnx_refused(&b, TF2_ERR_FORMAT, "the exponent has 4 numbers");
}

static void test_prelu(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 9, "PRelu", "x s", DIMS(0, 4, 5, 6));
    onnx_floats(&b, "s", DIMS(4, 1, 1), NULL);
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_PRELU, "y", "1x4x5x6");
    onnx_import_free(&im);
    /* Along the last dimension, which is what ONNX says and not what the operator does. */
    one_node(&b, 9, "PRelu", "x s", DIMS(0, 4, 5, 4));
    onnx_floats(&b, "s", DIMS(4), NULL);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "slope of shape 4", "1x4x5x4");
}

static void test_nothing(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_float(&b, "ratio", 0.5f);
    onnx_node(&b, "Dropout", "x ratio", "a mask");
    onnx_node(&b, "Identity", "a", "b");
    onnx_node(&b, "Cast", "b", "c");
    onnx_int_attr(&b, "to", 1);
    onnx_node(&b, "Relu", "c", "y");
    onnx_node(&b, "Identity", "y", "z");
    onnx_output(&b, "y");
    onnx_output(&b, "z");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->n_nodes, 3);
    onnx_has_node(&im, 0, TF2_OP_DROPOUT, "a", "1x4");
    onnx_has_node(&im, 1, TF2_OP_ACTIVATION, "y", "1x4");
    onnx_has_node(&im, 2, TF2_OP_IDENTITY, "z", "1x4");
    onnx_import_free(&im);
    one_node(&b, 13, "Cast", "x", DIMS(0, 4));
    onnx_int_attr(&b, "to", 10);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "float16");
    one_node(&b, 13, "Dropout", "x r t", DIMS(0, 4));
    onnx_float(&b, "r", 0.5f);
    onnx_initializer(&b, onnx_tensor(&b, "t", 9, NO_DIMS, "\1", 1));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "training_mode");
}

static void test_softmax(void **state)
{
    (void)state;
    static const struct {
        int64_t opset, axis; /* 99: none */
        int32_t wanted;
        bool flatten;
    } rows[] = {
        {11, 99, 1, true}, {11, 3, 3, false}, {11, -2, 2, true}, {13, 99, 3, false}, {13, 1, 1, false},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        one_node(&b, rows[i].opset, i % 2 ? "LogSoftmax" : "Softmax", "x", DIMS(0, 4, 5, 6));
        if (rows[i].axis != 99)
            onnx_int_attr(&b, "axis", rows[i].axis);
        struct onnx_import im = onnx_imported(&b);
        const struct tf2_softmax_attr *attr = onnx_has_node(&im, 0, TF2_OP_SOFTMAX, "y", "1x4x5x6")->attr;
        assert_int_equal(attr->axis, rows[i].wanted);
        assert_int_equal(attr->flatten, rows[i].flatten);
        assert_int_equal(attr->log, i % 2);
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 13, "Softmax", "x", DIMS(0, 4));
    onnx_int_attr(&b, "axis", 2);
    onnx_refused(&b, TF2_ERR_SHAPE, "axis 2");
}

/* ---- two or more inputs ---- */

static void test_scalar_operand(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool reversed;
        float value, alpha, beta;
        enum tf2_activation_kind kind;
    } rows[] = {
        {"Add", false, 3, 1, 3, TF2_ACTIVATION_AFFINE},
        {"Add", true, 3, 1, 3, TF2_ACTIVATION_AFFINE},
        {"Sub", false, 3, 1, -3, TF2_ACTIVATION_AFFINE},
        {"Sub", true, 3, -1, 3, TF2_ACTIVATION_AFFINE},
        {"Mul", false, 3, 3, 0, TF2_ACTIVATION_AFFINE},
        {"Div", false, 4, 0.25f, 0, TF2_ACTIVATION_AFFINE},
        {"Max", false, 0, 0, 0, TF2_ACTIVATION_RELU},
        {"Max", true, -1, -1, FLT_MAX, TF2_ACTIVATION_CLIP},
        {"Min", false, 6, -FLT_MAX, 6, TF2_ACTIVATION_CLIP},
        {"Sum", false, 2, 1, 2, TF2_ACTIVATION_AFFINE},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        one_node(&b, 13, rows[i].type, rows[i].reversed ? "c x" : "x c", DIMS(0, 4));
        onnx_float(&b, "c", rows[i].value);
        struct onnx_import im = onnx_imported(&b);
        assert_int_equal(im.graph->n_nodes, 1);
        has_activation(&im, 0, rows[i].kind, rows[i].alpha, rows[i].beta);
        onnx_import_free(&im);
    }
}

static void test_channel_operand(void **state)
{
    (void)state;
    static const struct {
        const char *type, *inputs;
        float scale[2], bias[2];
        uint32_t n_in;
    } rows[] = {
        {"Add", "c x", {1, 1}, {2, -4}, 3},     {"Sub", "x c", {1, 1}, {-2, 4}, 3},
        {"Sub", "c x", {-1, -1}, {2, -4}, 3},   {"Mul", "x c", {2, -4}, {0}, 2},
        {"Div", "x c", {0.5f, -0.25f}, {0}, 2},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        one_node(&b, 13, rows[i].type, rows[i].inputs, DIMS(0, 2, 5, 6));
        onnx_floats(&b, "c", DIMS(2, 1, 1), (const float[]){2, -4});
        struct onnx_import im = onnx_imported(&b);
        const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_SCALE, "y", "1x2x5x6");
        assert_int_equal(((const struct tf2_scale_attr *)node->attr)->axis, 1);
        assert_int_equal(node->n_in, rows[i].n_in);
        assert_memory_equal(onnx_has_constant(&im, node, 1, "2"), rows[i].scale, sizeof(rows[i].scale));
        if (rows[i].n_in > 2)
            assert_memory_equal(onnx_has_constant(&im, node, 2, "2"), rows[i].bias, sizeof(rows[i].bias));
        onnx_has_batch(&im, 7, "7x2x5x6");
        onnx_import_free(&im);
    }
}

/* What has no exact affine form stays an element-wise node. */
static void test_other_operands(void **state)
{
    (void)state;
    static const struct {
        const char *type, *inputs, *dims;
    } rows[] = {
        {"Div", "x c", "s"}, {"Div", "c x", "p"}, {"Add", "x c", "hw"},
        {"Add", "x c", "n"}, {"Mul", "x c", "5"}, {"Max", "x c", "c"},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        one_node(&b, 13, rows[i].type, rows[i].inputs, DIMS(2, 3, 4, 5));
        switch (rows[i].dims[0]) {
        case 's':
            onnx_float(&b, "c", 3);
            break;
        case 'p':
            onnx_float(&b, "c", 4);
            break;
        case 'h':
            onnx_floats(&b, "c", DIMS(4, 5), NULL);
            break;
        case 'n':
            onnx_floats(&b, "c", DIMS(2, 1, 1, 1), NULL);
            break;
        case '5':
            onnx_floats(&b, "c", DIMS(1, 1, 1, 1, 1), NULL);
            break;
        default:
            onnx_floats(&b, "c", DIMS(3, 1, 1), NULL);
            break;
        }
        struct onnx_import im = onnx_imported(&b);
        assert_int_equal(im.graph->n_nodes, 1);
        onnx_has_node(&im, 0, TF2_OP_ELTWISE, "y", rows[i].dims[0] == '5' ? "1x2x3x4x5" : "2x3x4x5");
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 13, "Add", "x c", DIMS(2, 3));
    onnx_float(&b, "c", NAN);
    onnx_refused(&b, TF2_ERR_VALUE, "c:", "NaN");
}

static void test_eltwise(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum tf2_eltwise_kind kind;
    } rows[] = {
        {"Add", TF2_ELTWISE_SUM}, {"Sub", TF2_ELTWISE_SUB}, {"Mul", TF2_ELTWISE_PROD},
        {"Div", TF2_ELTWISE_DIV}, {"Max", TF2_ELTWISE_MAX}, {"Min", TF2_ELTWISE_MIN},
        {"Sum", TF2_ELTWISE_SUM},
    };
    struct onnx_builder b;
    struct onnx_import im;
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        one_node(&b, 13, rows[i].type, "x z", DIMS(0, 4, 1));
        onnx_input(&b, "z", DIMS(0, 1, 5));
        im = onnx_imported(&b);
        const struct tf2_eltwise_attr *attr = onnx_has_node(&im, 0, TF2_OP_ELTWISE, "y", "1x4x5")->attr;
        assert_int_equal(attr->kind, rows[i].kind);
        onnx_import_free(&im);
    }
    /* 18 inputs: 16, and the result with the other two. */
    one_node(&b, 13, "Max", "x x x x x x x x x x x x x x x x x x", DIMS(0, 4));
    im = onnx_imported(&b);
    assert_int_equal(onnx_has_node(&im, 0, TF2_OP_ELTWISE, "y.part", "1x4")->n_in, 16);
    assert_int_equal(onnx_has_node(&im, 1, TF2_OP_ELTWISE, "y", "1x4")->n_in, 3);
    onnx_import_free(&im);
    one_node(&b, 13, "Sum", "x", DIMS(0, 4));
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_IDENTITY, "y", "1x4");
    onnx_import_free(&im);
    one_node(&b, 13, "Add", "x i", DIMS(0, 4));
    onnx_int(&b, "i", 3);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'i'", "int64");
    one_node(&b, 13, "Add", "x z", DIMS(0, 4));
    onnx_input(&b, "z", DIMS(0, 3));
    onnx_refused(&b, TF2_ERR_SHAPE, "broadcast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_pow),
        cmocka_unit_test(test_prelu),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_scalar_operand),
        cmocka_unit_test(test_channel_operand),
        cmocka_unit_test(test_other_operands),
        cmocka_unit_test(test_eltwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
