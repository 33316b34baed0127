/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf_layers.c: the rest of a TensorFlow network: biases, batch normalization, reductions, heads, pads, resizing,
 * element-wise operators, on maps in both orders of dimensions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "tf_builder.h"

/* The numbers of y for x = 0, 1, 2, ... of one image; [1, 2, 2, 3] unless it says otherwise. */
static void check_ramp(struct tf_builder *b, const char *shape, const float *wanted)
{
    float x[64];
    const float *const in[] = {x};
    struct tf_import im = tf_imported(b);
    for (int i = 0; i < 64; i++)
        x[i] = (float)i;
    tf_gives(&im, 0, in, shape, wanted);
    tf_import_free(&im);
}

/* A pool of one pixel makes the input a map. */
static void open_ramp(struct tf_builder *b, bool last)
{
    tf_open(b);
    if (last)
        tf_placeholder(b, "x", DIMS(1, 2, 2, 3));
    else
        tf_placeholder(b, "x", DIMS(1, 3, 2, 2));
    tf_node(b, "MaxPool", "map", "x");
    tf_ints_attr(b, "ksize", INTS(1, 1, 1, 1));
    tf_ints_attr(b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(b, "padding", "VALID");
    tf_string_attr(b, "data_format", last ? "NHWC" : "NCHW");
}

static void test_bias_add(void **state)
{
    struct tf_builder b;
    (void)state;
    for (int last = 0; last < 2; last++) {
        float wanted[12];
        for (int i = 0; i < 12; i++)
            wanted[i] = (float)i + (last ? (float[]){10, 20, 30}[i % 3] : (float[]){10, 20, 30}[i / 4]);
        open_ramp(&b, last);
        tf_floats(&b, "bias", DIMS(3), (const float[]){10, 20, 30});
        tf_node(&b, "BiasAdd", "y", "map bias");
        tf_string_attr(&b, "data_format", last ? "NHWC" : "NCHW");
        check_ramp(&b, last ? "1x2x2x3" : "1x3x2x2", wanted);
    }
}

static void test_batch_norm(void **state)
{
    struct tf_builder b;
    (void)state;
    for (int last = 0; last < 2; last++) {
        float wanted[12];
        for (int i = 0; i < 12; i++) {
            const int c = last ? i % 3 : i / 4;
            const float scale[3] = {1, 2, 3}, offset[3] = {5, 6, 7}, mean[3] = {1, 0, -1},
                        variance[3] = {3, 8, 15};
            wanted[i] = ((float)i - mean[c]) / sqrtf(variance[c] + 1) * scale[c] + offset[c];
        }
        open_ramp(&b, last);
        tf_floats(&b, "scale", DIMS(3), (const float[]){1, 2, 3});
        tf_floats(&b, "offset", DIMS(3), (const float[]){5, 6, 7});
        tf_floats(&b, "mean", DIMS(3), (const float[]){1, 0, -1});
        tf_floats(&b, "variance", DIMS(3), (const float[]){3, 8, 15});
        tf_node(&b, last ? "FusedBatchNormV3" : "FusedBatchNorm", "y", "map scale offset mean variance");
        tf_float_attr(&b, "epsilon", 1);
        tf_bool_attr(&b, "is_training", false);
        tf_string_attr(&b, "data_format", last ? "NHWC" : "NCHW");
        check_ramp(&b, last ? "1x2x2x3" : "1x3x2x2", wanted);
    }
    open_ramp(&b, true);
    tf_floats(&b, "s", DIMS(3), NULL);
    tf_node(&b, "FusedBatchNormV3", "y", "map s s s s");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (FusedBatchNormV3)", "is_training", "inference");
}

/* Batch normalization as networks of 2017 have it: the factors are computed from constants. */
static void test_written_batch_norm(void **state)
{
    struct tf_builder b;
    float wanted[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        wanted[i] = ((float)i - (float[]){1, 0, -1}[i % 3]) / (float[]){2, 3, 4}[i % 3] * 2 + 5;
    open_ramp(&b, true);
    tf_floats(&b, "variance", DIMS(3), (const float[]){3, 8, 15});
    tf_float(&b, "epsilon", 1);
    tf_floats(&b, "gamma", DIMS(3), (const float[]){2, 2, 2});
    tf_floats(&b, "mean", DIMS(3), (const float[]){1, 0, -1});
    tf_floats(&b, "beta", DIMS(3), (const float[]){5, 5, 5});
    tf_node(&b, "Add", "add", "variance epsilon");
    tf_node(&b, "Rsqrt", "rsqrt", "add");
    tf_node(&b, "Mul", "factor", "rsqrt gamma");
    tf_node(&b, "Mul", "scaled", "map factor");
    tf_node(&b, "Mul", "shift", "mean factor");
    tf_node(&b, "Sub", "term", "beta shift");
    tf_node(&b, "AddV2", "y", "scaled term");
    check_ramp(&b, "1x2x2x3", wanted);
}

static void test_reductions(void **state)
{
    struct tf_builder b;
    (void)state;
    for (int bits = 0; bits < 8; bits++) {
        const bool last = bits & 1, keep = bits & 2, max = bits & 4;
        float wanted[3];
        for (int c = 0; c < 3; c++) { /* elements c, c + 3, ... or 4 c, 4 c + 1, ... */
            if (last)
                wanted[c] = max ? (float)(c + 9) : (float)c + 4.5f;
            else
                wanted[c] = max ? (float)(4 * c + 3) : (float)(4 * c) + 1.5f;
        }
        open_ramp(&b, last);
        if (last)
            tf_ints(&b, "axes", INTS(1, -2));
        else
            tf_ints(&b, "axes", INTS(2, 3));
        tf_node(&b, max ? "Max" : "Mean", "y", "map axes");
        tf_bool_attr(&b, "keep_dims", keep);
        check_ramp(&b, !keep ? "1x3" : last ? "1x1x1x3" : "1x3x1x1", wanted);
    }
}

/* What stays has the file's order. */
static void test_other_reductions(void **state)
{
    static const struct {
        const char *op;
        int64_t axis;
        bool keep;
        const char *shape;
        float wanted[6];
    } cases[] = {
        {"Mean", 3, false, "1x2x2", {1, 4, 7, 10}},
        {"Mean", -1, true, "1x2x2x1", {1, 4, 7, 10}},
        {"Sum", 1, false, "1x2x3", {6, 8, 10, 12, 14, 16}},
        {"Min", 2, true, "1x2x1x3", {0, 1, 2, 6, 7, 8}},
        {"Max", 2, false, "1x2x3", {3, 4, 5, 9, 10, 11}},
    };
    struct tf_builder b;
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        open_ramp(&b, true);
        tf_int(&b, "axis", cases[i].axis);
        tf_node(&b, cases[i].op, "y", "map axis");
        tf_bool_attr(&b, "keep_dims", cases[i].keep);
        check_ramp(&b, cases[i].shape, cases[i].wanted);
    }
    open_ramp(&b, true);
    tf_int(&b, "axis", 2);
    tf_node(&b, "Prod", "y", "map axis");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Prod)", "only supported on constants");
}

/* Softmax over the last dimension, and the sums of a matrix product. */
static void test_head(void **state)
{
    struct tf_builder b;
    const float e1 = expf(-1), e2 = expf(-2), sum = 1 + e1 + e2;
    float wanted[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        wanted[i] = (float[]){e2, e1, 1}[i % 3] / sum;
    open_ramp(&b, true);
    tf_node(&b, "Softmax", "y", "map");
    check_ramp(&b, "1x2x2x3", wanted);
    for (int i = 0; i < 12; i++)
        wanted[i] = logf(wanted[i]);
    open_ramp(&b, true);
    tf_node(&b, "LogSoftmax", "y", "map");
    check_ramp(&b, "1x2x2x3", wanted);

    /* 0 .. 11 in TensorFlow's order times the columns (1, 0, ...) and (0, 1, 2, ...) */
    float matrix[24];
    for (int i = 0; i < 12; i++) {
        matrix[2 * i] = i == 5;
        matrix[2 * i + 1] = (float)i;
    }
    for (int transposed = 0; transposed < 2; transposed++) {
        float turned[24];
        for (int i = 0; i < 24; i++)
            turned[i % 2 * 12 + i / 2] = matrix[i];
        open_ramp(&b, true);
        tf_ints(&b, "shape", INTS(-1, 12));
        tf_node(&b, "Reshape", "flat", "map shape");
        if (transposed)
            tf_floats(&b, "w", DIMS(2, 12), turned);
        else
            tf_floats(&b, "w", DIMS(12, 2), matrix);
        tf_node(&b, "MatMul", "y", "flat w");
        tf_bool_attr(&b, "transpose_b", transposed);
        check_ramp(&b, "1x2", (const float[]){5, 506}); /* 506: the sum of the squares up to 11 */
    }
}

static void test_pads(void **state)
{
    struct tf_builder b;
    float wanted[3 * 4 * 3] = {0};
    (void)state;
    for (int i = 0; i < 36; i++)
        wanted[i] = -7;
    for (int y = 0; y < 2; y++) {
        for (int i = 0; i < 6; i++)
            wanted[(y + 1) * 12 + 3 + i] = (float)(y * 6 + i);
    }
    open_ramp(&b, true);
    tf_int_tensor(&b, "pads", DIMS(4, 2), (const int64_t[]){0, 0, 1, 0, 1, 1, 0, 0});
    tf_float(&b, "seven", -7);
    tf_node(&b, "PadV2", "y", "map pads seven");
    check_ramp(&b, "1x3x4x3", wanted);

    open_ramp(&b, true);
    tf_int_tensor(&b, "pads", DIMS(4, 2), (const int64_t[]){0, 0, 1, 0, 0, 0, 0, 0});
    tf_node(&b, "MirrorPad", "y", "map pads");
    tf_string_attr(&b, "mode", "REFLECT");
    check_ramp(&b, "1x3x2x3", (const float[]){6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    open_ramp(&b, true);
    tf_int_tensor(&b, "pads", DIMS(4, 2), (const int64_t[]){0, 0, 1, 0, 0, 0, 0, 0});
    tf_node(&b, "MirrorPad", "y", "map pads");
    tf_string_attr(&b, "mode", "SYMMETRIC");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "mode SYMMETRIC");
}

/* One row of two pixels, to four: TensorFlow's three ways of finding the source. */
static void test_resize(void **state)
{
    static const struct {
        const char *op;
        bool corners, centers;
        float wanted[4];
    } cases[] = {
        {"ResizeNearestNeighbor", false, false, {0, 0, 1, 1}},
        {"ResizeNearestNeighbor", false, true, {0, 0, 1, 1}},
        {"ResizeNearestNeighbor", true, false, {0, 0, 1, 1}},
        {"ResizeBilinear", false, false, {0, 0.5f, 1, 1}},
        {"ResizeBilinear", false, true, {0, 0.25f, 0.75f, 1}},
        {"ResizeBilinear", true, false, {0, 1 / 3.0f, 2 / 3.0f, 1}},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct tf_builder b;
        tf_open(&b);
        tf_placeholder(&b, "x", DIMS(1, 1, 2, 1));
        tf_ints(&b, "size", INTS(1, 4));
        tf_node(&b, cases[i].op, "y", "x size");
        tf_bool_attr(&b, "align_corners", cases[i].corners);
        tf_bool_attr(&b, "half_pixel_centers", cases[i].centers);
        check_ramp(&b, "1x1x4x1", cases[i].wanted);
    }
}

/* depth_radius 1: x / (bias + alpha * sum over up to three channels)^beta */
static void test_lrn(void **state)
{
    struct tf_builder b;
    float wanted[12];
    (void)state;
    for (int i = 0; i < 12; i++) {
        float sum = 0;
        for (int c = i % 3 - 1; c <= i % 3 + 1; c++)
            sum += c < 0 || c > 2 ? 0 : (float)((i - i % 3 + c) * (i - i % 3 + c));
        wanted[i] = (float)i / sqrtf(2 + 0.5f * sum);
    }
    open_ramp(&b, true);
    tf_node(&b, "LRN", "y", "map");
    tf_int_attr(&b, "depth_radius", 1);
    tf_float_attr(&b, "bias", 2);
    tf_float_attr(&b, "alpha", 0.5f);
    tf_float_attr(&b, "beta", 0.5f);
    check_ramp(&b, "1x2x2x3", wanted);
}

static float relu6(float x)
{
    return fminf(fmaxf(x - 5, 0), 6);
}

static float leaky(float x)
{
    return x < 5 ? 0.2f * (x - 5) : x - 5;
}

static float elu(float x)
{
    return x < 5 ? expf(x - 5) - 1 : x - 5;
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(5 - x));
}

static float square(float x)
{
    return (x - 5) * (x - 5);
}

static float negative(float x)
{
    return 5 - x;
}

static void test_unary(void **state)
{
    static const struct {
        const char *op;
        float (*value)(float x); /* of x - 5 */
    } cases[] = {{"Relu6", relu6},     {"LeakyRelu", leaky}, {"Elu", elu},
                 {"Sigmoid", sigmoid}, {"Square", square},   {"Neg", negative}};
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct tf_builder b;
        float wanted[12];
        for (int k = 0; k < 12; k++)
            wanted[k] = cases[i].value((float)k);
        open_ramp(&b, true);
        tf_float(&b, "five", 5);
        tf_node(&b, "Sub", "less", "map five");
        tf_node(&b, cases[i].op, "y", "less");
        check_ramp(&b, "1x2x2x3", wanted);
    }
}

static void test_binary(void **state)
{
    static const struct {
        const char *op;
        float wanted[4]; /* of 0 .. 3 with (2, 1, 1, 4) */
    } cases[] = {
        {"Add", {2, 2, 3, 7}},
        {"Sub", {-2, 0, 1, -1}},
        {"Mul", {0, 1, 2, 12}},
        {"RealDiv", {0, 1, 2, .75f}},
        {"Maximum", {2, 1, 2, 4}},
        {"Minimum", {0, 1, 1, 3}},
        {"SquaredDifference", {4, 0, 1, 1}},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct tf_builder b;
        tf_open(&b);
        tf_placeholder(&b, "x", DIMS(1, 4));
        tf_floats(&b, "c", DIMS(1, 4), (const float[]){2, 1, 1, 4});
        tf_node(&b, cases[i].op, "y", "x c");
        check_ramp(&b, "1x4", cases[i].wanted);
    }
}

/* Two maps, one of them with its channels first already, and a constant of fewer dimensions. */
static void test_mixed_orders(void **state)
{
    struct tf_builder b;
    float wanted[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        wanted[i] = (float)(3 * i) + (float[]){1, 2, 4}[i % 3];
    open_ramp(&b, true);
    tf_floats(&b, "c", DIMS(1, 3), (const float[]){1, 2, 4});
    tf_node(&b, "AddN", "sum", "map x map");
    tf_node(&b, "Add", "y", "c sum");
    check_ramp(&b, "1x2x2x3", wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bias_add),
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_written_batch_norm),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_other_reductions),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_pads),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_mixed_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
