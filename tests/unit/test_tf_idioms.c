/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf_idioms.c: what TensorFlow networks write in several nodes and the graph has one for: PReLU, leaky
 * ReLU, softmax, dropout; and nodes that only look like it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "tf_builder.h"

/* x [1, 2, 1, 2] is a map of two channels; x - 1 = -1, 0, 1, 2 is "x" of what follows. */
static void open_map(struct tf_builder *b)
{
    tf_open(b);
    tf_placeholder(b, "in", DIMS(1, 2, 1, 2));
    tf_node(b, "AvgPool", "map", "in");
    tf_ints_attr(b, "ksize", INTS(1, 1, 1, 1));
    tf_ints_attr(b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(b, "padding", "SAME");
    tf_float(b, "one", 1);
    tf_node(b, "Sub", "x", "map one");
    tf_float(b, "zero", 0);
    tf_float(b, "half", 0.5f);
    tf_floats(b, "a", DIMS(2), (const float[]){0.25f, 4});
}

/* in = 0, 4, -2, 3: x = -1, 3, -3, 2. */
static void check(struct tf_builder *b, const float *wanted, enum tf2_op op, uint32_t n)
{
    const float in[4] = {0, 4, -2, 3};
    const float *const inputs[] = {in};
    struct tf_import im = tf_imported(b);
    tf_gives(&im, 0, inputs, "1x2x1x2", wanted);
    assert_int_equal(tf_count(&im, op), n);
    tf_import_free(&im);
}

static const float prelu[4] = {
    -0.25f, 3, -0.75f, 2}; /* slopes 1/4 for -1 and -3, 4 for what is positive here */

static void test_prelu(void **state)
{
    /* Each: nodes "op name inputs", the last one y. */
    static const char *const forms[][8][3] = {
        {{"Relu", "p", "x"},
         {"Neg", "n", "x"},
         {"Relu", "r", "n"},
         {"Neg", "m", "r"},
         {"Mul", "s", "a m"},
         {"Add", "y", "p s"}},
        {{"Greater", "g", "x zero"}, {"Mul", "s", "x a"}, {"Select", "y", "g x s"}},
        {{"GreaterEqual", "g", "x zero"},
         {"Identity", "i", "a"},
         {"Mul", "s", "i x"},
         {"SelectV2", "y", "g x s"}},
        {{"Relu", "p", "x"},
         {"Neg", "n", "x"},
         {"Relu", "r", "n"},
         {"Neg", "b", "a"},
         {"Mul", "s", "b r"},
         {"AddV2", "y", "s p"}},
        {{"Relu", "p", "x"},
         {"Neg", "n", "x"},
         {"Relu", "r", "n"},
         {"Mul", "s", "r a"},
         {"Neg", "m", "s"},
         {"Add", "y", "p m"}},
        {{"Relu", "p", "x"}, {"Neg", "n", "x"}, {"Relu", "r", "n"}, {"Mul", "s", "r a"}, {"Sub", "y", "p s"}},
        {{"Relu", "p", "x"},
         {"Abs", "b", "x"},
         {"Sub", "d", "x b"},
         {"Mul", "e", "a d"},
         {"Mul", "s", "e half"},
         {"Add", "y", "p s"}},
        {{"Maximum", "p", "zero x"}, {"Minimum", "m", "x zero"}, {"Mul", "s", "a m"}, {"AddV2", "y", "p s"}},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(forms); i++) {
        struct tf_builder b;
        open_map(&b);
        for (size_t k = 0; k < 8 && forms[i][k][0]; k++)
            tf_node(&b, forms[i][k][0], forms[i][k][1], forms[i][k][2]);
        check(&b, prelu, TF2_OP_PRELU, 1);
    }
}

/* Of another x, or with another threshold. */
static void test_no_prelu(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_node(&b, "Relu", "p", "x");
    tf_node(&b, "Neg", "n", "map");
    tf_node(&b, "Relu", "r", "n");
    tf_node(&b, "Neg", "m", "r");
    tf_node(&b, "Mul", "s", "a m");
    tf_node(&b, "Add", "y", "p s");
    check(&b, (const float[]){0, 3, -0.5f, 2}, TF2_OP_PRELU, 0);
    open_map(&b);
    tf_node(&b, "Greater", "g", "x half");
    tf_node(&b, "Mul", "s", "x a");
    tf_node(&b, "Select", "y", "g x s");
    check(&b, (const float[]){-0.25f, 3, -0.75f, 2}, TF2_OP_PRELU, 0);
    open_map(&b);
    tf_float(&b, "big", 2.5f);
    tf_node(&b, "Greater", "g", "x big");
    tf_node(&b, "Mul", "s", "x a");
    tf_node(&b, "SelectV2", "y", "g x s");
    check(&b, (const float[]){-0.25f, 3, -0.75f, 8}, TF2_OP_PRELU, 0);
    open_map(&b); /* a list chooses items of a batch */
    tf_node(&b, "Reshape", "flat", "x minus");
    tf_ints(&b, "minus", INTS(-1));
    tf_node(&b, "Greater", "g", "flat half");
    tf_node(&b, "Select", "y", "g x x");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Select)", "chooses items of a batch");
}

static void test_leaky(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_node(&b, "Mul", "s", "half x");
    tf_node(&b, "Maximum", "y", "x s");
    check(&b, (const float[]){-0.5f, 3, -1.5f, 2}, TF2_OP_ELTWISE, 0);
    open_map(&b); /* a slope above 1 is something else: the larger one is taken */
    tf_float(&b, "two", 2);
    tf_node(&b, "Mul", "s", "two x");
    tf_node(&b, "Maximum", "y", "x s");
    check(&b, (const float[]){-1, 6, -3, 4}, TF2_OP_ELTWISE, 1);
}

static void test_softmax(void **state)
{
    (void)state;
    for (int bits = 0; bits < 8; bits++) {
        const bool with_max = bits & 1, along_rows = bits & 2, list = bits & 4;
        struct tf_builder b;
        float wanted[4], e[4] = {expf(-1), expf(3), expf(-3), expf(2)};
        for (int i = 0; i < 4; i++)
            wanted[i] = e[i] / (e[i] + e[along_rows ? i ^ 2 : i ^ 1]);
        open_map(&b);
        if (list)
            tf_ints(&b, "axis", INTS(along_rows ? 1 : 3));
        else
            tf_int(&b, "axis", along_rows ? 1 : -1);
        if (with_max) {
            tf_node(&b, "Max", "max", "x axis");
            tf_bool_attr(&b, "keep_dims", true);
            tf_node(&b, "Sub", "less", "x max");
        }
        tf_node(&b, "Exp", "exp", with_max ? "less" : "x");
        tf_node(&b, "Sum", "sum", "exp axis");
        tf_bool_attr(&b, "keep_dims", true);
        tf_node(&b, "RealDiv", "y", "exp sum");
        check(&b, wanted, TF2_OP_SOFTMAX, 1);
    }
}

/* The sum of other numbers, or without its dimension. */
static void test_no_softmax(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_int(&b, "axis", 3);
    tf_node(&b, "Exp", "exp", "x");
    tf_node(&b, "Exp", "other", "map");
    tf_node(&b, "Sum", "sum", "other axis");
    tf_bool_attr(&b, "keep_dims", true);
    tf_node(&b, "RealDiv", "y", "exp sum");
    const float e = expf(-1), sums[2] = {1 + expf(4), expf(-2) + expf(3)};
    check(
        &b, (const float[]){e / sums[0], expf(3) / sums[0], expf(-3) / sums[1], expf(2) / sums[1]}, TF2_OP_SOFTMAX,
        0);
}

static void test_dropout(void **state)
{
    static const float x[4] = {-1, 3, -3, 2};
    struct tf_builder b;
    (void)state;
    open_map(&b); /* x / keep * floor(keep + random) */
    tf_ints(&b, "shape", INTS(1, 2, 1, 2));
    tf_node(&b, "RandomUniform", "random", "shape");
    tf_node(&b, "Add", "sum", "half random");
    tf_node(&b, "Floor", "mask", "sum");
    tf_node(&b, "RealDiv", "scaled", "x half");
    tf_node(&b, "Mul", "y", "scaled mask");
    check(&b, x, TF2_OP_ELTWISE, 0);
    open_map(&b); /* x * 2 * cast(random >= rate) */
    tf_float(&b, "two", 2);
    tf_node(&b, "Mul", "scaled", "x two");
    tf_node(&b, "Shape", "shape", "x");
    tf_node(&b, "RandomUniform", "random", "shape");
    tf_node(&b, "GreaterEqual", "keep", "random half");
    tf_node(&b, "Cast", "mask", "keep");
    tf_type_attr(&b, "DstT", 1);
    tf_node(&b, "Mul", "y", "scaled mask");
    check(&b, x, TF2_OP_ELTWISE, 0);
    open_map(&b); /* random numbers that are added are none */
    tf_node(&b, "Shape", "shape", "x");
    tf_node(&b, "RandomUniform", "random", "shape");
    tf_node(&b, "Add", "y", "x random");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Add)", "dropout");
}

/* A rate or a switch that is given a default is that default. */
static void test_placeholder_with_default(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_node(&b, "PlaceholderWithDefault", "factor", "half");
    tf_type_attr(&b, "dtype", 1);
    tf_node(&b, "Mul", "y", "x factor");
    check(&b, (const float[]){-0.5f, 1.5f, -1.5f, 1}, TF2_OP_ELTWISE, 0);
}

/* Whatever reads what is spread says so: no operator takes it for a tensor. */
static void test_spread_refused(void **state)
{
    static const char *const readers[][2] = {
        {"Relu", "s"},
        {"Add", "s x"},
        {"Add", "x s"},
        {"AddN", "x s x"},
        {"Reshape", "s block"},
        {"Softmax", "s"},
        {"SplitV", "s block i"},
        {"Slice", "s block block"},
        {"ConcatV2", "s x i"},
        {"Pack", "s s"},
        {"Unpack", "s"},
        {"Shape", "s"},
        {"Rank", "s"},
        {"Transpose", "s block"},
        {"Pad", "s pads"},
        {"Mean", "s block"},
        {"MatMul", "s a"},
        {"BiasAdd", "s a"},
        {"BiasAdd", "x s"},
        {"Squeeze", "s"},
        {"ExpandDims", "s i"},
        {"SpaceToBatchND", "s block pads"},
        {"SpaceToBatchND", "x s pads"},
        {"LRN", "s"},
        {"ResizeBilinear", "s block"},
        {"Tile", "s block"},
        {"Select", "s x x"},
        {"Gather", "s i"},
        {"Split", "i s"},
        {"StridedSlice", "s block block block"},
        {"BatchToSpaceND", "s block pads"},
        {"Fill", "block s"},
        {"Cast", "s"},
        {"FusedBatchNorm", "s a a a a"},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(readers); i++) {
        struct tf_builder b;
        open_map(&b);
        tf_int(&b, "i", 1);
        tf_ints(&b, "block", INTS(1, 1));
        tf_int_tensor(&b, "pads", DIMS(2, 2), (const int64_t[]){0, 0, 0, 0});
        tf_node(&b, "SpaceToBatchND", "s", "x block pads");
        tf_node(&b, readers[i][0], "y", readers[i][1]);
        tf_type_attr(&b, "DstT", 1);
        tf_bool_attr(&b, "is_training", false);
        tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (");
    }
    struct tf_builder b;
    open_map(&b);
    tf_ints(&b, "block", INTS(1, 1));
    tf_int_tensor(&b, "pads", DIMS(2, 2), (const int64_t[]){0, 0, 0, 0});
    tf_node(&b, "BatchToSpaceND", "y", "x block pads");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (BatchToSpaceND)", "only supported right behind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prelu),
        cmocka_unit_test(test_no_prelu),
        cmocka_unit_test(test_leaky),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_no_softmax),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_placeholder_with_default),
        cmocka_unit_test(test_spread_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
