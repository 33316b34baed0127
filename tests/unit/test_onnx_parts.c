/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_parts.c: ONNX operators that become several nodes of the graph: reductions, normalizations, activations,
 * comparisons and choices, repetitions, moves between channels and pixels. Results are worked out by hand or computed
 * from the definition.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "onnx_builder.h"
#include "reference_run.h"

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})
#define VALUES(...) ((const float[]){__VA_ARGS__})

static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims,
    size_t n_dims)
{
    onnx_open(b, opset);
    onnx_input(b, "x", dims, n_dims);
    onnx_node(b, type, inputs, "y");
    onnx_output(b, "y");
}

/* Imports; output 0 has this shape and these numbers for this x. */
static struct onnx_import
gives(struct onnx_builder *b, const float *x, const char *shape, const float *wanted, double tolerance)
{
    struct onnx_import im = onnx_imported(b);
    struct reference_outputs outputs = {0};
    struct tf2_error error;
    char text[128];
    if (reference_run(im.graph, NULL, &x, &outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_string_equal(tf2_shape_format(&outputs.shape[0], text, sizeof(text)), shape);
    for (int64_t i = 0; i < tf2_shape_count(&outputs.shape[0]); i++) {
        if (!(fabs((double)outputs.data[0][i] - wanted[i]) <= tolerance))
            fail_msg(
                "number %lld is %g, wanted %g", (long long)i, (double)outputs.data[0][i], (double)wanted[i]);
    }
    reference_outputs_free(&outputs);
    return im;
}

static void
gives_only(struct onnx_builder *b, const float *x, const char *shape, const float *wanted, double tolerance)
{
    struct onnx_import im = gives(b, x, shape, wanted, tolerance);
    onnx_import_free(&im);
}

/* ---- reductions ---- */

/* [1, 2, 2, 3] */
static const float map[] = {1, -2, 3, 4, 5, -6, 7, 8, -9, 10, -11, 12};

static void test_reduce(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t axes[4];
        size_t n_axes;
        int64_t keepdims;
        const char *shape;
        float wanted[6];
        const char *batch; /* the shape for a batch of 3 */
    } cases[] = {
        {"ReduceMean", {1}, 1, 1, "1x1x2x3", {4, 3, -3, 7, -3, 3}, "3x1x2x3"},
        {"ReduceSum", {1}, 1, 0, "1x2x3", {8, 6, -6, 14, -6, 6}, "3x2x3"},
        {"ReduceMax", {-3}, 1, 0, "1x2x3", {7, 8, 3, 10, 5, 12}, "3x2x3"},
        {"ReduceSum", {-1}, 1, 1, "1x2x2x1", {2, 3, 6, 11}, "3x2x2x1"},
        {"ReduceSum", {2, 3}, 2, 0, "1x2", {5, 17}, "3x2"},
        {"ReduceMean", {3, 2}, 2, 0, "1x2", {5 / 6.0f, 17 / 6.0f}, "3x2"},
        {"ReduceMin", {2}, 1, 0, "1x2x3", {1, -2, -6, 7, -11, -9}, "3x2x3"},
        {"ReduceL1", {1, 2, 3}, 3, 0, "1", {78}, "3"},
        {"ReduceSumSquare", {3}, 1, 1, "1x2x2x1", {14, 77, 194, 365}, "3x2x2x1"},
        {"ReduceLogSum", {3}, 1, 0, "1x2x2", {0.693147181f, 1.09861229f, 1.79175947f, 2.39789527f}, "3x2x2"},
        {"ReduceMax", {1, 3}, 2, 1, "1x1x2x1", {8, 12}, "3x1x2x1"},
        {"ReduceL2",
         {0, 1},
         2,
         0,
         "2x3",
         {7.07106781f, 8.24621125f, 9.48683298f, 10.7703296f, 12.083046f, 13.4164079f},
         "-"},
        {"ReduceMean", {0}, 0, 1, "1x1x1x1", {22 / 12.0f}, "1x1x1x1"},
    };
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct onnx_builder b;
        one_node(&b, 11, cases[i].type, "x", DIMS(0, 2, 2, 3));
        if (cases[i].n_axes)
            onnx_ints_attr(&b, "axes", cases[i].axes, cases[i].n_axes);
        onnx_int_attr(&b, "keepdims", cases[i].keepdims);
        struct onnx_import im = gives(&b, map, cases[i].shape, cases[i].wanted, 2e-6);
        onnx_has_batch(&im, 3, cases[i].batch);
        onnx_import_free(&im);
    }
}

/* What a mean can do at other sizes a sum cannot: its factor is a number. */
static void test_reduce_sizes(void **state)
{
    (void)state;
    const struct tf2_shape larger = SHAPE(1, 2, 5, 7);
    struct onnx_builder b;
    for (int form = 0; form < 4; form++) {
        one_node(&b, 11, form % 2 ? "ReduceSum" : "ReduceMean", "x", DIMS(0, 2, 2, 3));
        onnx_ints_attr(&b, "axes", (const int64_t[]){3, 2}, form < 2 ? 1 : 2);
        struct onnx_import im = onnx_imported(&b);
        onnx_has_shape_for(&im, &larger, form % 2 ? "-" : form < 2 ? "1x2x5x1" : "1x2x1x1");
        onnx_import_free(&im);
    }
}

static void test_reduce_forms(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 18, "ReduceMean", "x", DIMS(1, 2, 2, 3)); /* no axes: nothing */
    onnx_int_attr(&b, "noop_with_empty_axes", 1);
    gives_only(&b, map, "1x2x2x3", map, 0);
    one_node(&b, 18, "ReduceMax", "x a", DIMS(2, 6));
    onnx_ints(&b, "a", INTS(1));
    gives_only(&b, map, "2x1", VALUES(5, 12), 0);
    one_node(&b, 18, "ReduceMean", "x a", DIMS(12));
    onnx_ints(&b, "a", INTS(0));
    onnx_int_attr(&b, "keepdims", 0);
    gives_only(&b, map, "scalar", VALUES(22 / 12.0f), 1e-6);
    one_node(&b, 18, "ReduceMean", "x a", DIMS(1, 2, 1, 2, 1, 3));
    onnx_ints(&b, "a", INTS(1));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "an input of 6 dimensions");
    one_node(&b, 18, "ReduceProd", "x a", DIMS(1, 2, 2, 3));
    onnx_ints(&b, "a", INTS(1));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "ReduceProd", "only supported on constants");
    one_node(&b, 18, "ReduceSum", "x a", DIMS(1, 2, 2, 3));
    onnx_ints(&b, "a", INTS(4));
    onnx_refused(&b, TF2_ERR_SHAPE, "axis 4");
}

/* ---- normalizations ---- */

/* [1, 2, 1, 2]: the means of the channels are 2 and -2, the variances 1 and 0; of all, 0 and 4.5. */
static const float pairs[] = {1, 3, -2, -2};

static void open_norm(struct onnx_builder *b, int64_t opset, const char *type, float epsilon, size_t n)
{
    one_node(b, opset, type, "x s b", DIMS(0, 2, 1, 2));
    onnx_floats(b, "s", DIMS((int64_t)n), VALUES(2, 3));
    onnx_floats(b, "b", DIMS((int64_t)n), VALUES(0.5f, -1));
    onnx_float_attr(b, "epsilon", epsilon);
}

static void test_instance_norm(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_norm(&b, 13, "InstanceNormalization", 1, 2);
    struct onnx_import im = gives(&b, pairs, "1x2x1x2", VALUES(-0.914213562f, 1.914213562f, -1, -1), 1e-6);
    onnx_has_batch(&im, 3, "3x2x1x2");
    onnx_has_shape_for(&im, &SHAPE(2, 2, 5, 4), "2x2x5x4");
    onnx_import_free(&im);
    open_norm(&b, 13, "InstanceNormalization", 1, 1);
    onnx_refused(&b, TF2_ERR_SHAPE, "input 1 of shape 1, wanted 2 numbers");
    open_norm(&b, 13, "InstanceNormalization", -1, 2);
    onnx_refused(&b, TF2_ERR_VALUE, "epsilon is -1");
}

static void test_layer_norm(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_norm(&b, 17, "LayerNormalization", 1, 2);
    struct onnx_import im = gives(&b, pairs, "1x2x1x2", VALUES(-0.914213562f, 1.121320344f, 0.5f, -1), 1e-6);
    onnx_has_batch(&im, 3, "3x2x1x2");
    onnx_has_shape_for(&im, &SHAPE(2, 6, 5, 2), "2x6x5x2");
    onnx_import_free(&im);
    /* Over all of an item, without a bias. */
    one_node(&b, 17, "LayerNormalization", "x s", DIMS(0, 2, 1, 2));
    onnx_floats(&b, "s", DIMS(2, 1, 2), VALUES(1, 2, 3, 4));
    onnx_int_attr(&b, "axis", 1);
    onnx_float_attr(&b, "epsilon", 0.5f);
    im = gives(&b, pairs, "1x2x1x2", VALUES(0.447213595f, 2.683281573f, -2.683281573f, -3.577708764f), 1e-6);
    onnx_has_batch(&im, 3, "3x2x1x2");
    onnx_import_free(&im);
    one_node(&b, 17, "LayerNormalization", "x s", DIMS(0, 2));
    onnx_floats(&b, "s", DIMS(2), VALUES(1, 1));
    onnx_float_attr(&b, "epsilon", 1);
    gives_only(&b, pairs, "1x2", VALUES(-0.707106781f, 0.707106781f), 1e-6);
    open_norm(&b, 17, "LayerNormalization", 1, 1);
    onnx_refused(&b, TF2_ERR_SHAPE, "wanted 2 numbers");
}

/* Opset 18 has a scale for each group, opset 21 one for each channel. */
static void test_group_norm(void **state)
{
    (void)state;
    struct onnx_builder b;
    open_norm(&b, 21, "GroupNormalization", 0.5f, 2);
    onnx_int_attr(&b, "num_groups", 1);
    struct onnx_import im =
        gives(&b, pairs, "1x2x1x2", VALUES(1.39442719f, 3.183281573f, -3.683281573f, -3.683281573f), 2e-6);
    onnx_has_batch(&im, 3, "3x2x1x2");
    onnx_has_shape_for(&im, &SHAPE(2, 2, 5, 4), "2x2x5x4");
    onnx_import_free(&im);
    open_norm(&b, 18, "GroupNormalization", 0.5f, 1);
    onnx_int_attr(&b, "num_groups", 1);
    gives_only(&b, pairs, "1x2x1x2", VALUES(1.39442719f, 3.183281573f, -1.288854382f, -1.288854382f), 2e-6);
    one_node(&b, 18, "GroupNormalization", "x s b", DIMS(0, 4, 1, 2));
    onnx_floats(&b, "s", DIMS(2), VALUES(2, 3));
    onnx_floats(&b, "b", DIMS(2), VALUES(0.5f, -1));
    onnx_float_attr(&b, "epsilon", 0.5f);
    onnx_int_attr(&b, "num_groups", 2);
    gives_only(
        &b, VALUES(1, 3, -2, -2, 2, 2, 0, 0), "1x4x1x2",
        VALUES(
            1.39442719f, 3.183281573f, -1.288854382f, -1.288854382f, 1.449489743f, 1.449489743f,
            -3.449489743f, -3.449489743f),
        2e-6);
    open_norm(&b, 18, "GroupNormalization", 1, 2);
    onnx_int_attr(&b, "num_groups", 2);
    gives_only(&b, pairs, "1x2x1x2", VALUES(-0.914213562f, 1.914213562f, -1, -1), 1e-6);
    open_norm(&b, 21, "GroupNormalization", 1, 2);
    onnx_int_attr(&b, "num_groups", 3);
    onnx_refused(&b, TF2_ERR_VALUE, "num_groups is 3 for 2 channels");
}

/* ---- activations ---- */

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double mish(double x)
{
    return x * tanh(softplus(x));
}

static double softsign(double x)
{
    return x / (1 + fabs(x));
}

static double celu(double x)
{
    return fmax(0, x) + fmin(0, 0.75 * expm1(x / 0.75));
}

static double selu(double x)
{
    return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
}

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        double (*wanted)(double);
    } cases[] = {{"Celu", celu}, {"Erf", erf},   {"Gelu", gelu},         {"Gelu", gelu_tanh},
                 {"Mish", mish}, {"Selu", selu}, {"Softplus", softplus}, {"Softsign", softsign}};
    static const float x[] = {-200, -3, -0.5f, 0, 0.25f, 2, 90, 200};
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct onnx_builder b;
        float wanted[8];
        for (int k = 0; k < 8; k++)
            wanted[k] = (float)cases[i].wanted(x[k]);
        one_node(&b, 20, cases[i].type, "x", DIMS(1, 8));
        if (cases[i].wanted == celu)
            onnx_float_attr(&b, "alpha", 0.75f);
        if (cases[i].wanted == gelu_tanh)
            onnx_string_attr(&b, "approximate", "tanh");
        gives_only(&b, x, "1x8", wanted, 3e-5);
    }
    struct onnx_builder b;
    one_node(&b, 20, "Celu", "x", DIMS(1, 8));
    onnx_float_attr(&b, "alpha", 0);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "alpha is 0");
    one_node(&b, 20, "Gelu", "x", DIMS(1, 8));
    onnx_string_attr(&b, "approximate", "fast");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'fast'");
}

/* ---- truth values ---- */

static void test_compare(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        float wanted[4];
    } cases[] = {
        {"Equal", {0, 1, 0, 0}}, {"Greater", {0, 0, 1, 1}},     {"GreaterOrEqual", {0, 1, 1, 1}},
        {"Less", {1, 0, 0, 0}},  {"LessOrEqual", {1, 1, 0, 0}},
    };
    static const float x[] = {-1, 0.5f, 0.50000006f, INFINITY};
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct onnx_builder b;
        onnx_open(&b, 13);
        onnx_input(&b, "x", DIMS(1, 4));
        onnx_float(&b, "c", 0.5f);
        onnx_node(&b, cases[i].type, "x c", "t");
        onnx_node(&b, "Cast", "t", "y");
        onnx_int_attr(&b, "to", 1);
        onnx_output(&b, "y");
        gives_only(&b, x, "1x4", cases[i].wanted, 0);
    }
}

static void test_logic(void **state)
{
    (void)state;
    static const char *const types[] = {"And", "Or"};
    static const float wanted[][4] = {{0, 1, 1, 0}, {1, 1, 1, 1}};
    static const float x[] = {-3, -0.5f, 0.25f, 2}, sign[] = {-1, 0, 0, 1};
    struct onnx_builder b;
    for (int i = 0; i < 2; i++) { /* x > -1 and not x > 1 */
        onnx_open(&b, 13);
        onnx_input(&b, "x", DIMS(1, 4));
        onnx_float(&b, "minus", -1);
        onnx_float(&b, "plus", 1);
        onnx_node(&b, "Greater", "x minus", "a");
        onnx_node(&b, "Greater", "x plus", "c");
        onnx_node(&b, "Not", "c", "d");
        onnx_node(&b, types[i], "a d", "y");
        onnx_output(&b, "y");
        gives_only(&b, x, "1x4", wanted[i], 0);
    }
    one_node(&b, 13, "Sign", "x", DIMS(1, 4));
    gives_only(&b, VALUES(-3, 0, -0.0f, 1e-40f), "1x4", sign, 0);
    one_node(&b, 13, "Cast", "x", DIMS(1, 4));
    onnx_int_attr(&b, "to", 9);
    gives_only(&b, VALUES(-3, 0, -0.0f, 0.5f), "1x4", VALUES(1, 0, 0, 1), 0);
}

/* What is not chosen may be infinite or no number. */
static void test_where(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_float(&b, "zero", 0);
    onnx_floats(&b, "other", DIMS(4), VALUES(5, 6, 7, 8));
    onnx_node(&b, "Greater", "x zero", "t");
    onnx_node(&b, "Log", "x", "log");
    onnx_node(&b, "Where", "t log other", "y");
    onnx_output(&b, "y");
    struct onnx_import im = gives(&b, VALUES(-1, 1, 0, 2), "1x4", VALUES(5, 0, 7, 0.693147181f), 1e-6);
    onnx_has_batch(&im, 3, "3x4");
    onnx_import_free(&im);
    /* By a constant. */
    one_node(&b, 13, "Where", "t x zero", DIMS(1, 4));
    const uint8_t truth[] = {1, 0, 0, 1};
    onnx_initializer(&b, onnx_tensor(&b, "t", 9, DIMS(4), truth, sizeof(truth)));
    onnx_float(&b, "zero", 0);
    gives_only(&b, VALUES(-1, 1, 3, 2), "1x4", VALUES(-1, 0, 0, 2), 0);
}

/* ---- repetitions and moves ---- */

static void test_tile(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 13, "Tile", "x r", DIMS(0, 2, 1));
    onnx_ints(&b, "r", INTS(1, 2, 3));
    struct onnx_import im = gives(&b, VALUES(4, 5), "1x4x3", VALUES(4, 4, 4, 5, 5, 5, 4, 4, 4, 5, 5, 5), 0);
    onnx_has_batch(&im, 3, "3x4x3");
    onnx_import_free(&im);
    one_node(&b, 13, "Tile", "x r", DIMS(0, 2, 1));
    onnx_ints(&b, "r", INTS(1, 1, 65));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "65 copies along dimension 2");
    one_node(&b, 13, "Tile", "x r", DIMS(0, 2, 1));
    onnx_ints(&b, "r", INTS(1, 0, 1));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "0 copies");
    one_node(&b, 13, "Tile", "x r", DIMS(0, 2, 1));
    onnx_ints(&b, "r", INTS(1, 1));
    onnx_refused(&b, TF2_ERR_SHAPE, "2 repeats for an input of 3 dimensions");
}

/* x[:, [1, 0]] as a Gather of rows between two transposes, and indices of two dimensions. */
static void test_gathers(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 18);
    onnx_input(&b, "x", DIMS(0, 3, 2));
    const int64_t rows[] = {2, 0, 1};
    onnx_initializer(&b, onnx_tensor(&b, "i", 7, DIMS(3, 1), rows, sizeof(rows)));
    onnx_node(&b, "Transpose", "x", "t");
    onnx_ints_attr(&b, "perm", INTS(1, 0, 2));
    onnx_node(&b, "GatherND", "t i", "g");
    onnx_node(&b, "Transpose", "g", "y");
    onnx_ints_attr(&b, "perm", INTS(1, 0, 2));
    onnx_output(&b, "y");
    struct onnx_import im = gives(&b, VALUES(1, 2, 3, 4, 5, 6), "1x3x2", VALUES(5, 6, 1, 2, 3, 4), 0);
    onnx_has_batch(&im, 3, "3x3x2");
    onnx_import_free(&im);
    one_node(&b, 18, "GatherND", "x i", DIMS(1, 3, 2));
    onnx_initializer(&b, onnx_tensor(&b, "i", 7, DIMS(1, 3), rows, sizeof(rows)));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "GatherND", "indices of shape 1x3");
    one_node(&b, 13, "Gather", "x i", DIMS(0, 6));
    const int64_t windows[] = {0, 1, 2, 2, 3, 4};
    onnx_initializer(&b, onnx_tensor(&b, "i", 7, DIMS(2, 3), windows, sizeof(windows)));
    onnx_int_attr(&b, "axis", 1);
    im = gives(&b, VALUES(1, 2, 3, 4, 5, 6), "1x2x3", VALUES(1, 2, 3, 3, 4, 5), 0);
    onnx_has_batch(&im, 3, "3x2x3");
    onnx_import_free(&im);
}

/* The place of y[0, c, h, w] in x, for blocks of 2 and two channels of pixels. */
static int64_t depth_index(int form, int64_t c, int64_t h, int64_t w, int64_t n_w)
{
    const int64_t i = h % 2, j = w % 2, channel = form == 0 ? (i * 2 + j) * 2 + c : (c * 2 + i) * 2 + j;
    return (channel * 1 + h / 2) * (n_w / 2) + w / 2;
}

static void test_depth_to_space(void **state)
{
    (void)state;
    static const char *const modes[] = {"DCR", "CRD"};
    float x[16], wanted[16];
    struct onnx_builder b;
    for (int form = 0; form < 2; form++) {
        for (int i = 0; i < 16; i++)
            x[i] = (float)i;
        for (int64_t k = 0; k < 16; k++)
            wanted[k] = (float)depth_index(form, k / 8, k / 4 % 2, k % 4, 4);
        one_node(&b, 13, "DepthToSpace", "x", DIMS(0, 8, 1, 2));
        onnx_int_attr(&b, "blocksize", 2);
        onnx_string_attr(&b, "mode", modes[form]);
        struct onnx_import im = gives(&b, x, "1x2x2x4", wanted, 0);
        onnx_has_shape_for(&im, &SHAPE(3, 8, 5, 7), "3x2x10x14");
        onnx_import_free(&im);
    }
    one_node(&b, 13, "SpaceToDepth", "x", DIMS(0, 2, 2, 4)); /* the way back from DCR */
    onnx_int_attr(&b, "blocksize", 2);
    for (int64_t k = 0; k < 16; k++)
        x[k] = (float)depth_index(0, k / 8, k / 4 % 2, k % 4, 4);
    for (int i = 0; i < 16; i++)
        wanted[i] = (float)i;
    struct onnx_import im = gives(&b, x, "1x8x1x2", wanted, 0);
    onnx_has_shape_for(&im, &SHAPE(3, 2, 10, 14), "3x8x5x7");
    onnx_has_shape_for(&im, &SHAPE(1, 2, 3, 4), "-");
    onnx_import_free(&im);
    one_node(&b, 13, "DepthToSpace", "x", DIMS(0, 6, 1, 2));
    onnx_int_attr(&b, "blocksize", 2);
    onnx_refused(&b, TF2_ERR_SHAPE, "6 channels, wanted a multiple of 4");
    one_node(&b, 13, "SpaceToDepth", "x", DIMS(0, 6, 3, 2));
    onnx_int_attr(&b, "blocksize", 2);
    onnx_refused(&b, TF2_ERR_SHAPE, "3 x 2 pixels");
    one_node(&b, 13, "DepthToSpace", "x", DIMS(0, 6, 3, 2));
    onnx_refused(&b, TF2_ERR_VALUE, "blocksize is 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce),         cmocka_unit_test(test_reduce_sizes),
        cmocka_unit_test(test_reduce_forms),   cmocka_unit_test(test_instance_norm),
        cmocka_unit_test(test_layer_norm),     cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_activations),    cmocka_unit_test(test_compare),
        cmocka_unit_test(test_logic),          cmocka_unit_test(test_where),
        cmocka_unit_test(test_tile),           cmocka_unit_test(test_gathers),
        cmocka_unit_test(test_depth_to_space),
    };
    return cmocka_run_group_tests_name("onnx parts", tests, NULL, NULL);
}
