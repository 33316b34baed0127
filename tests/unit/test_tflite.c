/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tflite.c: operators of TensorFlow Lite files in float: values by their definitions, in the file's order of
 * dimensions.
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

/* Numbers in [-1, 1) that depend on i. */
static float number(size_t i)
{
    return (float)((i * 7919 + 13) % 401) / 200.5f - 1;
}

static void fill(float *data, size_t n, size_t seed)
{
    for (size_t i = 0; i < n; i++)
        data[i] = number(i + 1000 * seed);
}

/* ---- convolutions ---- */

#define H 5
#define W 4
#define C 3
#define O 6

struct conv {
    int kh, kw, stride, dilation, same, per_group; /* input channels per group */
};

static int out_extent(const struct conv *c, int in, int k)
{
    const int wide = (k - 1) * c->dilation + 1;
    return c->same ? (in + c->stride - 1) / c->stride : (in - wide) / c->stride + 1;
}

/* w: [O, kh, kw, per_group] or, depthwise, [1, kh, kw, O]. Output channel o reads the group o * groups / O. */
static void
convolve(const struct conv *c, bool depthwise, const float *x, const float *w, const float *bias, float *y)
{
    const int oh = out_extent(c, H, c->kh), ow = out_extent(c, W, c->kw), groups = C / c->per_group;
    const int ph = c->same ? ((oh - 1) * c->stride + (c->kh - 1) * c->dilation + 1 - H) : 0;
    const int pw = c->same ? ((ow - 1) * c->stride + (c->kw - 1) * c->dilation + 1 - W) : 0;
    const int top = ph > 0 ? ph / 2 : 0, left = pw > 0 ? pw / 2 : 0;
    for (int i = 0; i < oh * ow * O; i++) {
        const int o = i % O, at_x = i / O % ow, at_y = i / O / ow;
        double sum = bias[o];
        for (int k = 0; k < c->kh * c->kw * c->per_group; k++) {
            const int ch = k % c->per_group, kx = k / c->per_group % c->kw, ky = k / c->per_group / c->kw;
            const int iy = at_y * c->stride - top + ky * c->dilation,
                      ix = at_x * c->stride - left + kx * c->dilation;
            if (iy < 0 || iy >= H || ix < 0 || ix >= W)
                continue;
            const float weight = depthwise ? w[(ky * c->kw + kx) * O + o]
                                           : w[((o * c->kh + ky) * c->kw + kx) * c->per_group + ch];
            sum += (double)weight * x[(iy * W + ix) * C + o * groups / O * c->per_group + ch];
        }
        y[i] = (float)sum;
    }
}

static void check_conv(const struct conv *c, bool depthwise, int activation)
{
    float x[H * W * C], w[O * 3 * 3 * C], bias[O], y[H * W * O];
    struct lite_builder b;
    fill(x, N(x), 1);
    fill(w, N(w), 2);
    fill(bias, N(bias), 3);
    convolve(c, depthwise, x, w, bias, y);
    const int oh = out_extent(c, H, c->kh), ow = out_extent(c, W, c->kw);
    for (int i = 0; i < oh * ow * O && activation == 3; i++)
        y[i] = fminf(fmaxf(y[i], 0), 6);
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, H, W, C));
    const size_t n_w = (size_t)(O * c->kh * c->kw * c->per_group);
    const int weights =
        depthwise ? lite_constant(&b, "w", LITE_F32, DIMS(1, c->kh, c->kw, O), w, n_w * 4)
                  : lite_constant(&b, "w", LITE_F32, DIMS(O, c->kh, c->kw, c->per_group), w, n_w * 4);
    const int b_id = lite_constant(&b, "b", LITE_F32, DIMS(O), bias, sizeof(bias));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, oh, ow, O));
    lite_op(&b, depthwise ? 4 : 3, IDS(in, weights, b_id), IDS(out));
    lite_byte(&b, 0, !c->same);
    lite_int(&b, 1, c->stride);
    lite_int(&b, 2, c->stride);
    lite_byte(&b, depthwise ? 4 : 3, activation);
    lite_int(&b, depthwise ? 5 : 4, c->dilation);
    lite_int(&b, depthwise ? 6 : 5, c->dilation);
    lite_check(&b, IDS(in), IDS(out), x, y, (size_t)(oh * ow * O), 1e-5);
}

static void test_conv(void **state)
{
    static const struct conv cases[] = {{3, 3, 1, 1, 1, C}, {3, 3, 2, 1, 1, C}, {2, 3, 1, 1, 0, C},
                                        {1, 1, 1, 1, 0, C}, {3, 2, 1, 2, 1, C}, {3, 3, 1, 1, 1, 1}};
    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        check_conv(&cases[i], false, i % 2 ? 3 : 0);
}

static void test_depthwise(void **state)
{
    static const struct conv cases[] = {{3, 3, 1, 1, 1, 1}, {3, 2, 2, 1, 1, 1}, {2, 2, 1, 2, 0, 1}};
    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        check_conv(&cases[i], true, i % 2 ? 0 : 3);
}

/* Every second pixel in an image of its own, a convolution, and back. */
static void test_dilation_by_batch(void **state)
{
    static const struct conv c = {3, 3, 1, 2, 1, C};
    static const int32_t block[] = {2, 2}, pads[] = {2, 3, 2, 2}, crops[] = {0, 1, 0, 0};
    float x[H * W * C], w[O * 9 * C], bias[O], y[H * W * O];
    struct lite_builder b;
    (void)state;
    fill(x, N(x), 1);
    fill(w, N(w), 2);
    fill(bias, N(bias), 3);
    convolve(&c, false, x, w, bias, y);
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, H, W, C));
    const int w_id = lite_constant(&b, "w", LITE_F32, DIMS(O, 3, 3, C), w, sizeof(w));
    const int b_id = lite_constant(&b, "b", LITE_F32, DIMS(O), bias, sizeof(bias));
    const int bl = lite_constant(&b, "block", LITE_I32, DIMS(2), block, sizeof(block));
    const int pa = lite_constant(&b, "pads", LITE_I32, DIMS(2, 2), pads, sizeof(pads));
    const int cr = lite_constant(&b, "crops", LITE_I32, DIMS(2, 2), crops, sizeof(crops));
    const int spread = lite_tensor(&b, "spread", LITE_F32, DIMS(4, 5, 4, C));
    const int conv = lite_tensor(&b, "conv", LITE_F32, DIMS(4, 3, 2, O));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, H, W, O));
    lite_op(&b, 38, IDS(in, bl, pa), IDS(spread));
    lite_op(&b, 3, IDS(spread, w_id, b_id), IDS(conv));
    lite_byte(&b, 0, 1);
    lite_int(&b, 1, 1);
    lite_int(&b, 2, 1);
    lite_op(&b, 37, IDS(conv, bl, cr), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, y, N(y), 1e-5);
}

/* A volume of one channel whose 2 x 1 x 1 filter is the difference of neighbours. */
static void test_conv_3d(void **state)
{
    static const float w[] = {-1, 1}, x[] = {1, 2, 4, 8, 16, 32}, y[] = {3, 6, 12, 24};
    struct lite_builder b;
    (void)state;
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 3, 1, 2, 1));
    const int w_id = lite_constant(&b, "w", LITE_F32, DIMS(2, 1, 1, 1, 1), w, sizeof(w));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 2, 1, 2, 1));
    lite_op(&b, 132, IDS(in, w_id), IDS(out));
    lite_byte(&b, 0, 1);
    for (int field = 1; field <= 3; field++)
        lite_int(&b, field, 1);
    lite_check(&b, IDS(in), IDS(out), x, y, N(y), 1e-6);
}

/* ---- pools and reductions ---- */

static void check_unary(
    int code, const int32_t *dims, size_t n_dims, const int32_t *out_dims, size_t n_out_dims, const float *x,
    const float *y, size_t n, void (*options)(struct lite_builder *b), const int32_t *axes, size_t n_axes)
{
    struct lite_builder b;
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, dims, n_dims);
    const int list = n_axes ? lite_ints(&b, "axes", axes, n_axes) : -1;
    const int out = lite_tensor(&b, "y", LITE_F32, out_dims, n_out_dims);
    lite_op(&b, code, n_axes ? (const int32_t[]){in, list} : (const int32_t[]){in}, n_axes ? 2 : 1, IDS(out));
    if (options)
        options(&b);
    lite_check(&b, IDS(in), IDS(out), x, y, n, 1e-5);
}

static void window_2_same(struct lite_builder *b)
{
    lite_byte(b, 0, 0);
    for (int field = 1; field <= 4; field++)
        lite_int(b, field, 2);
}

/* 3 x 3 in windows of 2 with padding at the end: the average counts what is there only. */
static void test_pool(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, average[] = {3, 4.5f, 7.5f, 9},
                       largest[] = {5, 6, 8, 9};
    (void)state;
    check_unary(1, DIMS(1, 3, 3, 1), DIMS(1, 2, 2, 1), x, average, 4, window_2_same, NO_DIMS);
    check_unary(17, DIMS(1, 3, 3, 1), DIMS(1, 2, 2, 1), x, largest, 4, window_2_same, NO_DIMS);
}

static void keep_dims(struct lite_builder *b)
{
    lite_byte(b, 0, 1);
}

static void test_reduce(void **state)
{
    static const float x[] = {1, -2, 3, 4, 5, -6, 7, 8}; /* [1, 2, 2, 2] */
    static const float mean[] = {4, 1}, sum[] = {-1, 7, -1, 15}, largest[] = {1, 4, 5, 8},
                       least[] = {-2, 3, -6, 7};
    static const float pixel_sum[] = {16, 4};
    (void)state;
    check_unary(40, DIMS(1, 2, 2, 2), DIMS(1, 2), x, mean, 2, NULL, IDS(1, 2));
    check_unary(40, DIMS(1, 2, 2, 2), DIMS(1, 1, 1, 2), x, mean, 2, keep_dims, IDS(2, 1));
    check_unary(74, DIMS(1, 2, 2, 2), DIMS(1, 2), x, pixel_sum, 2, NULL, IDS(-3, -2));
    check_unary(74, DIMS(1, 2, 2, 2), DIMS(1, 2, 2, 1), x, sum, 4, keep_dims, IDS(-1));
    check_unary(82, DIMS(1, 2, 2, 2), DIMS(1, 2, 2), x, largest, 4, NULL, IDS(3));
    check_unary(82, DIMS(4, 2), DIMS(4, 1), x, largest, 4, keep_dims, IDS(1));
    check_unary(89, DIMS(1, 4, 2), DIMS(1, 4), x, least, 4, NULL, IDS(2));
}

/* ---- element by element ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double relu(double x)
{
    return fmax(x, 0);
}

static double relu_n1(double x)
{
    return fmin(fmax(x, -1), 1);
}

static double relu6(double x)
{
    return fmin(fmax(x, 0), 6);
}

static double negative(double x)
{
    return -x;
}

static double square(double x)
{
    return x * x;
}

static double elu(double x)
{
    return x >= 0 ? x : exp(x) - 1;
}

static double hard_swish(double x)
{
    return x * fmin(fmax(x + 3, 0), 6) / 6;
}

static double inverse_root(double x)
{
    return 1 / sqrt(x);
}

static void test_functions(void **state)
{
    static const struct {
        int code;
        double (*f)(double);
        bool positive;
    } cases[] = {{14, sigmoid, false},        {19, relu, false},       {20, relu_n1, false},
                 {21, relu6, false},          {28, tanh, false},       {47, exp, false},
                 {59, negative, false},       {73, log, true},         {75, sqrt, true},
                 {76, inverse_root, true}, {92, square, false},     {101, fabs, false},
                 {111, elu, false},           {117, hard_swish, false}};
    float x[24], y[24];
    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        for (size_t k = 0; k < N(x); k++) {
            x[k] = 8 * number(k);
            x[k] = cases[i].positive ? fabsf(x[k]) + 0.1f : x[k];
            y[k] = (float)cases[i].f(x[k]);
        }
        check_unary(cases[i].code, DIMS(1, 3, 4, 2), DIMS(1, 3, 4, 2), x, y, N(x), NULL, NO_DIMS);
    }
}

static void slope(struct lite_builder *b)
{
    lite_float(b, 0, 0.25f);
}

static void test_leaky_relu_and_prelu(void **state)
{
    static const float x[] = {-4, 4, 2, -2}, leaky[] = {-1, 4, 2, -0.5f}, prelu[] = {-2, 4, 2, 6},
                       slopes[] = {0.5f, -3};
    struct lite_builder b;
    (void)state;
    check_unary(98, DIMS(1, 1, 2, 2), DIMS(1, 1, 2, 2), x, leaky, 4, slope, NO_DIMS);
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 2, 2));
    const int alpha = lite_constant(&b, "slope", LITE_F32, DIMS(1, 1, 2), slopes, sizeof(slopes));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 2, 2));
    lite_op(&b, 54, IDS(in, alpha), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, prelu, 4, 1e-6);
}

/* x op [2] along the channels, and [2] op x; a pixel is (3, -4). */
static void test_two_operands(void **state)
{
    static const struct {
        int code, activation;
        float right[2], left[2];
    } cases[] = {{0, 0, {8, -2}, {8, -2}},  {18, 0, {15, -8}, {15, -8}},
                 {41, 0, {-2, -6}, {2, 6}}, {42, 0, {0.6f, -2}, {5.0f / 3, -0.5f}},
                 {55, 0, {5, 2}, {5, 2}},   {57, 0, {3, -4}, {3, -4}},
                 {99, 0, {4, 36}, {4, 36}}, {0, 1, {8, 0}, {8, 0}}};
    static const float pixel[2] = {3, -4}, constant[2] = {5, 2};
    (void)state;
    for (size_t i = 0; i < 2 * N(cases); i++) {
        struct lite_builder b;
        lite_open(&b);
        const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 1, 2));
        const int c = lite_constant(&b, "c", LITE_F32, DIMS(2), constant, sizeof(constant));
        const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 1, 2));
        lite_op(&b, cases[i / 2].code, IDS(i % 2 ? c : in, i % 2 ? in : c), IDS(out));
        if (cases[i / 2].activation)
            lite_byte(&b, 0, cases[i / 2].activation);
        lite_check(&b, IDS(in), IDS(out), pixel, i % 2 ? cases[i / 2].left : cases[i / 2].right, 2, 1e-6);
    }
}

static void beta_2(struct lite_builder *b)
{
    lite_float(b, 0, 2);
}

static void test_softmax_and_norms(void **state)
{
    static const float x[] = {0, 0.5f, 3, -4};
    const float e = expf(1), soft[] = {1 / (1 + e), e / (1 + e), 1, expf(-14) / (1 + expf(-14))};
    const float logs[] = {
        logf(1 / (1 + expf(0.5f))), logf(1 / (1 + expf(-0.5f))), logf(1 / (1 + expf(-7))),
        -7 + logf(1 / (1 + expf(-7)))};
    static const float l2[] = {0, 1, 0.6f, -0.8f};
    (void)state;
    check_unary(25, DIMS(1, 1, 2, 2), DIMS(1, 1, 2, 2), x, soft, 4, beta_2, NO_DIMS);
    check_unary(50, DIMS(2, 2), DIMS(2, 2), x, logs, 4, NULL, NO_DIMS);
    check_unary(11, DIMS(1, 1, 2, 2), DIMS(1, 1, 2, 2), x, l2, 4, NULL, NO_DIMS);
}

static void lrn_options(struct lite_builder *b)
{
    lite_int(b, 0, 1);
    lite_float(b, 1, 1);
    lite_float(b, 2, 0.5f);
    lite_float(b, 3, 1);
}

/* y = x / (1 + 0.5 * sum of squares over the neighbours). */
static void test_lrn(void **state)
{
    static const float x[] = {1, 2, 3}, y[] = {1 / 3.5f, 2 / 8.0f, 3 / 7.5f};
    (void)state;
    check_unary(13, DIMS(1, 1, 1, 3), DIMS(1, 1, 1, 3), x, y, 3, lrn_options, NO_DIMS);
}

/* ---- moves ---- */

static void test_moves(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 6}; /* [1, 1, 3, 2]: three pixels of two channels */
    static const float turned[] = {1, 3, 5, 2, 4, 6}, padded[] = {0, 1, 2, 0, 3, 4, 0, 5, 6};
    static const float mirrored[] = {3, 4, 1, 2, 3, 4, 5, 6, 3, 4}, edge[] = {1, 2, 1, 2, 3, 4, 5, 6, 5, 6};
    static const int32_t pads[] = {0, 0, 0, 0, 0, 0, 1, 0}, around[] = {0, 0, 0, 0, 1, 1, 0, 0};
    struct lite_builder b;
    (void)state;
    check_unary(39, DIMS(1, 1, 3, 2), DIMS(1, 1, 2, 3), x, turned, 6, NULL, IDS(0, 1, 3, 2));
    check_unary(70, DIMS(1, 3, 2), DIMS(1, 1, 3, 2), x, x, 6, NULL, IDS(1));
    check_unary(43, DIMS(1, 1, 3, 2), DIMS(3, 2), x, x, 6, NULL, NO_DIMS);
    for (int mode = 0; mode < 3; mode++) {
        lite_open(&b);
        const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 3, 2));
        const int p = lite_constant(&b, "p", LITE_I32, DIMS(4, 2), mode ? around : pads, sizeof(pads));
        const int out = mode ? lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 5, 2))
                             : lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 3, 3));
        lite_op(&b, mode ? 100 : 34, IDS(in, p), IDS(out));
        lite_byte(&b, 0, mode == 2);
        lite_check(&b, IDS(in), IDS(out), x, mode == 2 ? edge : mode ? mirrored : padded, mode ? 10 : 9, 0);
    }
}

static void test_concat_and_split(void **state)
{
    static const float x[] = {1, 2, 3, 4}, joined[] = {2, 1, 4, 3}; /* channels change places */
    struct lite_builder b;
    (void)state;
    for (int v = 0; v < 2; v++) {
        lite_open(&b);
        const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 2, 2));
        const int axis = lite_constant(&b, "axis", LITE_I32, NO_DIMS, (const int32_t[]){-1}, 4);
        const int sizes = lite_ints(&b, "sizes", (const int32_t[]){1, -1}, 2);
        const int first = lite_tensor(&b, "first", LITE_F32, DIMS(1, 1, 2, 1));
        const int second = lite_tensor(&b, "second", LITE_F32, DIMS(1, 1, 2, 1));
        const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 2, 2));
        if (v)
            lite_op(&b, 102, IDS(in, sizes, axis), IDS(first, second));
        else
            lite_op(&b, 49, IDS(axis, in), IDS(first, second));
        lite_op(&b, 2, IDS(second, first), IDS(out));
        lite_int(&b, 0, 3);
        lite_check(&b, IDS(in), IDS(out), x, joined, 4, 0);
    }
}

static void test_slices(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, slice[] = {5, 7}, strided[] = {8, 6, 4, 2};
    struct lite_builder b;
    (void)state;
    lite_open(&b);
    int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 2, 2, 2));
    int begin = lite_ints(&b, "begin", IDS(0, 1, 0, 0)), size = lite_ints(&b, "size", IDS(1, -1, 2, 1));
    int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 2, 1));
    lite_op(&b, 65, IDS(in, begin, size), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, slice, 2, 0);

    lite_open(&b); /* x[0, ::-1, ::-1, 1] */
    in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 2, 2, 2));
    begin = lite_ints(&b, "begin", IDS(0, 0, 0, 1));
    const int end = lite_ints(&b, "end", IDS(1, 0, 0, 2)), step = lite_ints(&b, "step", IDS(1, -1, -1, 1));
    out = lite_tensor(&b, "y", LITE_F32, DIMS(2, 2));
    lite_op(&b, 45, IDS(in, begin, end, step), IDS(out));
    lite_int(&b, 0, 6);
    lite_int(&b, 1, 6);
    lite_int(&b, 4, 9);
    lite_check(&b, IDS(in), IDS(out), x, strided, 4, 0);
}

/* Shape, StridedSlice, Pack, Reshape: what exporters write for a flatten. */
static void test_shape_chain(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 6};
    struct lite_builder b;
    (void)state;
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 3, 2)),
              shape = lite_tensor(&b, "shape", LITE_I32, DIMS(4));
    const int begin = lite_ints(&b, "begin", IDS(0)), end = lite_ints(&b, "end", IDS(1)),
              one = lite_ints(&b, "one", IDS(1));
    const int batch = lite_tensor(&b, "batch", LITE_I32, NO_DIMS),
              wanted = lite_tensor(&b, "wanted", LITE_I32, DIMS(2));
    const int rest = lite_constant(&b, "rest", LITE_I32, NO_DIMS, (const int32_t[]){-1}, 4);
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 6));
    lite_op(&b, 77, IDS(in), IDS(shape));
    lite_op(&b, 45, IDS(shape, begin, end, one), IDS(batch));
    lite_int(&b, 4, 1);
    lite_op(&b, 83, IDS(batch, rest), IDS(wanted));
    lite_op(&b, 22, IDS(in, wanted), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, x, 6, 0);
}

static void test_resize(void **state)
{
    static const float x[] = {0, 4}, corners[] = {0, 2, 4}, centers[] = {0, 1, 3, 4}, plain[] = {0, 2, 4, 4};
    static const struct {
        int code, align, half;
        int32_t width;
        const float *wanted;
    } cases[] = {{23, 1, 0, 3, corners}, {23, 0, 1, 4, centers}, {23, 0, 0, 4, plain}};
    static const float nearest[] = {0, 0, 4};
    struct lite_builder b;
    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        lite_open(&b);
        const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 2, 1));
        const int32_t extents[] = {1, cases[i].width};
        const int size = lite_ints(&b, "size", extents, 2);
        const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, cases[i].width, 1));
        lite_op(&b, cases[i].code, IDS(in, size), IDS(out));
        lite_byte(&b, 2, cases[i].align);
        lite_byte(&b, 3, cases[i].half);
        lite_check(&b, IDS(in), IDS(out), x, cases[i].wanted, (size_t)cases[i].width, 1e-6);
    }
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 1, 2, 1)), size = lite_ints(&b, "size", IDS(1, 3));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1, 3, 1));
    lite_op(&b, 97, IDS(in, size), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, nearest, 3, 0);
}

/* ---- fully connected ---- */

/* Behind a convolution, whose map has its channels first inside: columns follow the file's order. */
static void test_fully_connected(void **state)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, identity[] = {1, 0, 0, 1};
    float w[16], y[2] = {0.5f, -0.5f}, bias[2] = {0.5f, -0.5f};
    struct lite_builder b;
    (void)state;
    fill(w, N(w), 5);
    for (size_t i = 0; i < 16; i++)
        y[i / 8] += w[i] * x[i % 8];
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 2, 2, 2)),
              map = lite_tensor(&b, "map", LITE_F32, DIMS(1, 2, 2, 2));
    const int one = lite_constant(&b, "one", LITE_F32, DIMS(2, 1, 1, 2), identity, sizeof(identity));
    const int w_id = lite_constant(&b, "w", LITE_F32, DIMS(2, 8), w, sizeof(w));
    const int b_id = lite_constant(&b, "b", LITE_F32, DIMS(2), bias, sizeof(bias));
    const int out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 2));
    lite_op(&b, 3, IDS(in, one), IDS(map));
    lite_int(&b, 1, 1);
    lite_int(&b, 2, 1);
    lite_op(&b, 9, IDS(map, w_id, b_id), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, y, 2, 1e-5);
}

/* Weights of 16 bits behind DEQUANTIZE: 1, -2, 0.5, the least subnormal. */
static void test_half_weights(void **state)
{
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x3800, 0x0001};
    static const float x[] = {1, 10, 100, 0x1p24f}, y[] = {1 - 20 + 50 + 1};
    struct lite_builder b;
    (void)state;
    lite_open(&b);
    const int in = lite_tensor(&b, "x", LITE_F32, DIMS(1, 4));
    const int half = lite_constant(&b, "half", LITE_F16, DIMS(1, 4), halves, sizeof(halves));
    const int w = lite_tensor(&b, "w", LITE_F32, DIMS(1, 4)),
              out = lite_tensor(&b, "y", LITE_F32, DIMS(1, 1));
    lite_op(&b, 6, IDS(half), IDS(w));
    lite_op(&b, 9, IDS(in, w), IDS(out));
    lite_check(&b, IDS(in), IDS(out), x, y, 1, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_dilation_by_batch),
        cmocka_unit_test(test_conv_3d),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_leaky_relu_and_prelu),
        cmocka_unit_test(test_two_operands),
        cmocka_unit_test(test_softmax_and_norms),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_concat_and_split),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_shape_chain),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_fully_connected),
        cmocka_unit_test(test_half_weights),
    };
    return cmocka_run_group_tests_name("tflite", tests, NULL, NULL);
}
