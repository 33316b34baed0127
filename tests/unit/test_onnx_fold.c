/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_fold.c: what the ONNX importer computes itself: operators on constants and shapes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx_builder.h"

static void open_model(struct onnx_builder *b, int64_t opset)
{
    onnx_open(b, opset);
    onnx_input(b, "x", DIMS(0, 2));
}

/* Puts the value `v` behind x in y = concat(x, float(v)), and its shape too. */
static void observe(struct onnx_builder *b)
{
    onnx_ints(b, "row", INTS(1, -1));
    onnx_node(b, "Cast", "v", "v_float");
    onnx_int_attr(b, "to", 1);
    onnx_node(b, "Reshape", "v_float row", "v_row");
    onnx_node(b, "Shape", "v", "v_shape");
    onnx_node(b, "Cast", "v_shape", "s_float");
    onnx_int_attr(b, "to", 1);
    onnx_node(b, "Reshape", "s_float row", "s_row");
    onnx_node(b, "Concat", "x v_row s_row", "y");
    onnx_int_attr(b, "axis", 1);
    onnx_output(b, "y");
}

/* v has these numbers, and is of `rank` dimensions > 0. */
static void has_value(struct onnx_builder *b, const float *wanted, size_t n)
{
    observe(b);
    struct onnx_import im = onnx_import(b, NULL);
    if (im.status != TF2_OK)
        fail_msg("import failed: %s", im.error.message);
    onnx_close(b);
    assert_int_equal(im.graph->n_nodes, 1);
    char shape[32];
    snprintf(shape, sizeof(shape), "1x%zu", n);
    const float *found = onnx_has_constant(&im, &im.graph->nodes[0], 1, shape);
    for (size_t i = 0; i < n; i++) {
        if (found[i] != wanted[i])
            fail_msg("number %zu is %g, wanted %g", i, found[i], wanted[i]);
    }
    onnx_import_free(&im);
}

#define HAS_VALUE(b, ...) has_value(b, FLOATS(__VA_ARGS__))

static void value_refused(struct onnx_builder *b, enum tf2_status status, const char *text)
{
    observe(b);
    onnx_refused(b, status, text);
}

/* ---- arithmetic ---- */

static void test_int_binary(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float wanted[3];
    } rows[] = {
        {"Add", {10, -4, 4}},   {"Sub", {4, -10, 10}},      {"Mul", {21, -21, -21}},
        {"Div", {2, -2, -2}},   {"Mod", {1, 2, -2}},        {"Max", {7, 3, 7}},
        {"Min", {3, -7, -3}},   {"Equal", {0, 0, 0}},       {"Less", {0, 1, 0}},
        {"Greater", {1, 0, 1}}, {"LessOrEqual", {0, 1, 0}}, {"GreaterOrEqual", {1, 0, 1}},
        {"Sum", {10, -4, 4}},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        open_model(&b, 13);
        onnx_ints(&b, "a", INTS(7, -7, 7));
        onnx_ints(&b, "c", INTS(3, 3, -3));
        onnx_node(&b, rows[i].type, "a c", "v");
        has_value(&b, rows[i].wanted, 3);
    }
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(7, -7));
    onnx_ints(&b, "c", INTS(3, 3));
    onnx_node(&b, "Mod", "a c", "v");
    onnx_int_attr(&b, "fmod", 1);
    HAS_VALUE(&b, 1, -1);
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(3, -2));
    onnx_ints(&b, "c", INTS(4, 3));
    onnx_node(&b, "Pow", "a c", "v");
    HAS_VALUE(&b, 81, -8);
}

static void test_overflow(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t a, b;
    } rows[] = {
        {"Add", INT64_MAX, 1},  {"Sub", INT64_MIN, 1},  {"Mul", INT64_MAX, 2},
        {"Div", 1, 0},          {"Div", INT64_MIN, -1}, {"Mod", 1, 0},
        {"Mod", INT64_MIN, -1}, {"Pow", 10, 30},        {"Pow", 0, -1},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        open_model(&b, 13);
        onnx_ints(&b, "a", INTS(rows[i].a));
        onnx_ints(&b, "c", INTS(rows[i].b));
        onnx_node(&b, rows[i].type, "a c", "v");
        value_refused(&b, TF2_ERR_VALUE, "overflow or division by zero");
    }
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(INT64_MIN));
    onnx_node(&b, "Neg", "a", "v");
    value_refused(&b, TF2_ERR_UNSUPPORTED, "-9223372036854775808");
}

static void test_broadcast(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_floats(&b, "a", DIMS(2, 1), (const float[]){10, 20});
    onnx_floats(&b, "c", DIMS(3), (const float[]){1, 2, 3});
    onnx_node(&b, "Add", "a c", "v");
    HAS_VALUE(&b, 11, 12, 13, 21, 22, 23);
    open_model(&b, 13);
    onnx_floats(&b, "a", DIMS(2), NULL);
    onnx_floats(&b, "c", DIMS(3), NULL);
    onnx_node(&b, "Add", "a c", "v");
    value_refused(&b, TF2_ERR_SHAPE, "do not broadcast");
    open_model(&b, 13);
    onnx_floats(&b, "a", DIMS(2), NULL);
    onnx_ints(&b, "c", INTS(1, 2));
    onnx_node(&b, "Add", "a c", "v");
    value_refused(&b, TF2_ERR_FORMAT, "float32 and int64");
}

static void test_unary(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float wanted[3];
    } rows[] = {
        {"Abs", {2.5f, 4, 0.25f}},
        {"Neg", {2.5f, -4, -0.25f}},
        {"Floor", {-3, 4, 0}},
        {"Ceil", {-2, 4, 1}},
        {"Round", {-2, 4, 0}},
        {"Sign", {-1, 1, 1}},
        {"Reciprocal", {-0.4f, 0.25f, 4}},
    };
    struct onnx_builder b;
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        open_model(&b, 13);
        onnx_list(&b, "a", FLOATS(-2.5f, 4, 0.25f));
        onnx_node(&b, rows[i].type, "a", "v");
        has_value(&b, rows[i].wanted, 3);
    }
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(16, 2));
    onnx_node(&b, "Sqrt", "a", "v");
    HAS_VALUE(&b, 4, sqrtf(2));
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(-3, 0, 5));
    onnx_node(&b, "Sign", "a", "v");
    HAS_VALUE(&b, -1, 0, 1);
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(3));
    onnx_node(&b, "Sqrt", "a", "v");
    value_refused(&b, TF2_ERR_UNSUPPORTED, "int64");
    /* Floor is only for known numbers. */
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 2));
    onnx_node(&b, "Floor", "x", "y");
    onnx_output(&b, "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Floor)", "an input is data");
}

static void test_cast(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(-2.75f, 2.75f, 0));
    onnx_node(&b, "Cast", "a", "v");
    onnx_int_attr(&b, "to", 7);
    HAS_VALUE(&b, -2, 2, 0);
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(-2.75f, 2.75f, 0));
    onnx_node(&b, "Cast", "a", "v");
    onnx_int_attr(&b, "to", 9);
    HAS_VALUE(&b, 1, 1, 0);
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(300));
    onnx_node(&b, "Cast", "a", "v");
    onnx_int_attr(&b, "to", 2);
    value_refused(&b, TF2_ERR_VALUE, "300 does not fit the type uint8");
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(1e30f));
    onnx_node(&b, "Cast", "a", "v");
    onnx_int_attr(&b, "to", 7);
    value_refused(&b, TF2_ERR_VALUE, "does not fit");
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(1));
    onnx_node(&b, "Cast", "a", "v");
    onnx_int_attr(&b, "to", 8);
    value_refused(&b, TF2_ERR_UNSUPPORTED, "string");
}

static void test_logic(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(1, 2, 3));
    onnx_ints(&b, "c", INTS(1, 5, 3));
    onnx_ints(&b, "d", INTS(2));
    onnx_node(&b, "Equal", "a c", "e");
    onnx_node(&b, "Greater", "a d", "g");
    onnx_node(&b, "And", "e g", "both");
    onnx_node(&b, "Not", "both", "not");
    onnx_node(&b, "Where", "not a d", "v");
    HAS_VALUE(&b, 1, 2, 2);
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(1));
    onnx_node(&b, "Where", "a a a", "v");
    value_refused(&b, TF2_ERR_FORMAT, "wanted a bool input");
}

static void test_reduce(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float wanted;
    } rows[] = {{"ReduceProd", -30}, {"ReduceSum", 0}, {"ReduceMax", 3}, {"ReduceMin", -5}};
    struct onnx_builder b;
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        open_model(&b, 13);
        onnx_ints(&b, "a", INTS(3, -5, 2));
        onnx_node(&b, rows[i].type, "a", "v");
        has_value(&b, &rows[i].wanted, 1);
    }
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(1, 2));
    onnx_node(&b, "ReduceMean", "a", "v");
    HAS_VALUE(&b, 1.5f);
    open_model(&b, 13);
    onnx_floats(&b, "a", DIMS(2, 2, 3), (const float[]){1, -2, 3, 4, 5, -6, 7, 8, 9, 10, -11, 12});
    onnx_node(&b, "ReduceSum", "a axes", "v");
    onnx_ints(&b, "axes", INTS(0, -1));
    HAS_VALUE(&b, 26, 14);
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(1, 2));
    onnx_node(&b, "ReduceMean", "a", "v");
    value_refused(&b, TF2_ERR_UNSUPPORTED, "of integers");
    open_model(&b, 13);
    onnx_ints(&b, "a", INTS(INT64_MAX, 2));
    onnx_node(&b, "ReduceSum", "a", "v");
    value_refused(&b, TF2_ERR_VALUE, "overflows");
}

/* Over the last of two dimensions. */
static void test_reduce_axis(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float wanted[2];
    } rows[] = {
        {"ReduceL1", {7, 5}},   {"ReduceL2", {5, 5}},      {"ReduceMax", {4, 5}},        {"ReduceMean", {0.5f, 2.5f}},
        {"ReduceMin", {-3, 0}}, {"ReduceProd", {-12, 0}},  {"ReduceSumSquare", {25, 25}}, {"ReduceSum", {1, 5}},
    };
    struct onnx_builder b;
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        open_model(&b, 13);
        onnx_floats(&b, "a", DIMS(2, 2), (const float[]){-3, 4, 0, 5});
        if (strcmp(rows[i].type, "ReduceSum") == 0)
            onnx_ints(&b, "axis", INTS(1));
        onnx_node(&b, rows[i].type, strcmp(rows[i].type, "ReduceSum") == 0 ? "a axis" : "a", "v");
        if (strcmp(rows[i].type, "ReduceSum") != 0)
            onnx_ints_attr(&b, "axes", INTS(1));
        onnx_int_attr(&b, "keepdims", i % 2 ? 0 : 1);
        has_value(&b, rows[i].wanted, 2);
    }
    open_model(&b, 13);
    onnx_list(&b, "a", FLOATS(-2, 0.5f, 3));
    onnx_float(&b, "low", -1);
    onnx_node(&b, "Clip", "a low", "v");
    HAS_VALUE(&b, -1, 0.5f, 3);
}

/* ---- moving ---- */

static void test_movers(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 11);
    onnx_floats(&b, "a", DIMS(2, 3), (const float[]){1, 2, 3, 4, 5, 6});
    onnx_node(&b, "Transpose", "a", "v");
    HAS_VALUE(&b, 1, 4, 2, 5, 3, 6);
    open_model(&b, 11);
    onnx_floats(&b, "a", DIMS(2, 2), (const float[]){1, 2, 3, 4});
    onnx_floats(&b, "c", DIMS(2, 1), (const float[]){8, 9});
    onnx_node(&b, "Concat", "a c", "v");
    onnx_int_attr(&b, "axis", 1);
    HAS_VALUE(&b, 1, 2, 8, 3, 4, 9);
    open_model(&b, 11);
    onnx_floats(&b, "a", DIMS(2, 3), (const float[]){1, 2, 3, 4, 5, 6});
    onnx_ints(&b, "i", INTS(2, -3));
    onnx_node(&b, "Gather", "a i", "v");
    onnx_int_attr(&b, "axis", 1);
    HAS_VALUE(&b, 3, 1, 6, 4);
    open_model(&b, 11);
    onnx_floats(&b, "a", DIMS(2, 1), (const float[]){1, 2});
    onnx_ints(&b, "r", INTS(2, 2));
    onnx_node(&b, "Tile", "a r", "v");
    HAS_VALUE(&b, 1, 1, 2, 2, 1, 1, 2, 2);
    open_model(&b, 11);
    onnx_floats(&b, "a", DIMS(2, 1), (const float[]){1, 2});
    onnx_ints(&b, "s", INTS(2, 1, 2));
    onnx_node(&b, "Expand", "a s", "v");
    HAS_VALUE(&b, 1, 1, 2, 2, 1, 1, 2, 2);
    open_model(&b, 11);
    onnx_ints(&b, "a", INTS(1, 2, 3, 4, 5));
    onnx_node(&b, "Split", "a", "p v");
    onnx_ints_attr(&b, "split", INTS(2, 3));
    HAS_VALUE(&b, 3, 4, 5);
}

static void test_slices(void **state)
{
    (void)state;
    static const struct {
        int64_t begin, end, step;
        float wanted[5];
        size_t n;
    } rows[] = {
        {1, 4, 1, {2, 3, 4}, 3},      {-2, INT64_MAX, 1, {4, 5}, 2},
        {0, -1, 2, {1, 3}, 2},        {-1, INT64_MIN, -1, {5, 4, 3, 2, 1}, 5},
        {3, 0, -2, {4, 2}, 2},        {100, 1, -1, {5, 4, 3}, 3},
        {-100, 2, 1, {1, 2}, 2},      {0, 5, INT64_MAX, {1}, 1},
        {4, -100, INT64_MIN, {5}, 1},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        open_model(&b, 10);
        onnx_ints(&b, "a", INTS(1, 2, 3, 4, 5));
        onnx_ints(&b, "s", INTS(rows[i].begin));
        onnx_ints(&b, "e", INTS(rows[i].end));
        onnx_ints(&b, "axis", INTS(0));
        onnx_ints(&b, "t", INTS(rows[i].step));
        onnx_node(&b, "Slice", "a s e axis t", "v");
        has_value(&b, rows[i].wanted, rows[i].n);
    }
}

/* ---- making ---- */

static void test_constants(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "v");
    onnx_ints_attr(&b, "value_ints", INTS(3, 4));
    HAS_VALUE(&b, 3, 4);
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "v");
    onnx_floats_attr(&b, "value_floats", FLOATS(0.5f, 4));
    HAS_VALUE(&b, 0.5f, 4);
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "p");
    onnx_int_attr(&b, "value_int", 7);
    onnx_node(&b, "Constant", "", "q");
    onnx_float_attr(&b, "value_float", 7.5f);
    onnx_node(&b, "Cast", "p", "r");
    onnx_int_attr(&b, "to", 1);
    onnx_node(&b, "Sub", "q r", "s");
    onnx_ints(&b, "zero", INTS(0));
    onnx_node(&b, "Unsqueeze", "s zero", "v");
    HAS_VALUE(&b, 0.5f);
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "v");
    const int64_t numbers[] = {5, 6};
    onnx_tensor_attr(&b, "value", onnx_tensor(&b, NULL, 7, DIMS(2), numbers, sizeof(numbers)));
    HAS_VALUE(&b, 5, 6);
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "v");
    value_refused(&b, TF2_ERR_FORMAT, "0 attributes");
    open_model(&b, 13);
    onnx_node(&b, "Constant", "", "v");
    onnx_string_attr(&b, "value_string", "a");
    value_refused(&b, TF2_ERR_UNSUPPORTED, "value_string");
}

static void test_made(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 15);
    onnx_int(&b, "a", 2);
    onnx_int(&b, "e", 9);
    onnx_int(&b, "d", 3);
    onnx_node(&b, "Range", "a e d", "v");
    HAS_VALUE(&b, 2, 5, 8);
    open_model(&b, 15);
    onnx_floats(&b, "a", DIMS(3, 4, 5), NULL);
    onnx_node(&b, "Shape", "a", "v");
    onnx_int_attr(&b, "start", -2);
    onnx_int_attr(&b, "end", 100);
    HAS_VALUE(&b, 4, 5);
    open_model(&b, 15);
    onnx_floats(&b, "a", DIMS(3, 4, 5), NULL);
    onnx_ints(&b, "one", INTS(1));
    onnx_node(&b, "Size", "a", "s");
    onnx_node(&b, "Reshape", "s one", "v");
    HAS_VALUE(&b, 60);
    open_model(&b, 15);
    onnx_ints(&b, "two", INTS(2));
    onnx_node(&b, "ConstantOfShape", "two", "v");
    HAS_VALUE(&b, 0, 0);
    open_model(&b, 15);
    onnx_int(&b, "a", 0);
    onnx_int(&b, "e", INT64_MAX);
    onnx_int(&b, "d", 1);
    onnx_node(&b, "Range", "a e d", "v");
    value_refused(&b, TF2_ERR_VALUE, "in steps of 1");
    open_model(&b, 15);
    onnx_int(&b, "a", 0);
    onnx_node(&b, "Range", "a a a", "v");
    value_refused(&b, TF2_ERR_VALUE, "in steps of 0");
}

/* A few bytes that ask for gigabytes, at once or bit by bit. */
static void test_budget(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_model(&b, 15);
    onnx_ints(&b, "huge", INTS(1 << 20, 1 << 10));
    onnx_node(&b, "ConstantOfShape", "huge", "v");
    value_refused(&b, TF2_ERR_UNSUPPORTED, "too large for a file of");
    open_model(&b, 15);
    onnx_ints(&b, "huge", INTS(INT64_MAX, 2));
    onnx_node(&b, "ConstantOfShape", "huge", "v");
    value_refused(&b, TF2_ERR_SHAPE, "too large");
    open_model(&b, 15);
    onnx_ints(&b, "large", INTS(1 << 23));
    onnx_node(&b, "ConstantOfShape", "large", "n0");
    for (int i = 0; i < 40; i++) {
        char from[16], to[16];
        snprintf(from, sizeof(from), "n%d", i);
        snprintf(to, sizeof(to), i < 39 ? "n%d" : "v", i + 1);
        onnx_node(&b, "Neg", from, to);
    }
    value_refused(&b, TF2_ERR_UNSUPPORTED, "too large for a file of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int_binary), cmocka_unit_test(test_overflow), cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_unary),      cmocka_unit_test(test_cast),     cmocka_unit_test(test_logic),
        cmocka_unit_test(test_reduce), cmocka_unit_test(test_reduce_axis),     cmocka_unit_test(test_movers),   cmocka_unit_test(test_slices),
        cmocka_unit_test(test_constants),  cmocka_unit_test(test_made),     cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
