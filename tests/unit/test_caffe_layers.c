/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_layers.c: every layer type of the Caffe importer: small networks are imported and run with the
 * operators' definitions, and compared with numbers worked out by hand from Caffe's definition of the layer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"
#include "../support/reference_run.h"

#define MAX_VALUES 24

/* Imports `text`, runs it on x (one input) and compares the only output. */
static void check_net(
    const char *text, const void *weights, size_t weights_bytes, const char *shape, const float *x,
    const float *wanted, size_t n_wanted)
{
    const struct tf2_import_options options = {.random_weights_seed = weights ? 0 : 1};
    struct caffe_net net;
    struct reference_outputs outputs = {0};
    struct tf2_error error;
    char shape_text[128];
    caffe_net_import(&net, text, weights, weights_bytes, &options);
    if (net.status != TF2_OK)
        fail_msg("%s\n%s", text, net.error.message);
    assert_int_equal(net.graph->n_outputs, 1);
    if (reference_run(net.graph, NULL, &x, &outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_shape_format(&outputs.shape[0], shape_text, sizeof(shape_text));
    if (strcmp(shape_text, shape) != 0)
        fail_msg("%s\n%s instead of %s", text, shape_text, shape);
    assert_int_equal(tf2_shape_count(&outputs.shape[0]), n_wanted);
    for (size_t i = 0; i < n_wanted; i++) {
        if (!(fabsf(outputs.data[0][i] - wanted[i]) <= 1e-5f * (1 + fabsf(wanted[i]))))
            fail_msg("%s\nelement %zu is %g instead of %g", text, i, outputs.data[0][i], wanted[i]);
    }
    reference_outputs_free(&outputs);
    caffe_net_free(&net);
}

static const float ramp[MAX_VALUES * 4] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
};
static const float mixed[] = {-2, -1, 0, 0.5, 1, 8};

/* A layer without weights on one input. */
struct plain_case {
    const char *input; /* extents */
    const char *layer; /* everything but name, bottom "x" and top "y" of the first; may open further layers */
    const float *x;    /* NULL: 1, 2, 3 ... */
    const char *shape;
    size_t n;
    float wanted[MAX_VALUES];
};

#define E1 2.7182818f

static const struct plain_case plain_cases[] = {
    {"dim: 1 dim: 6", "type: 'ReLU'", mixed, "1x6", 6, {0, 0, 0, 0.5, 1, 8}},
    {"dim: 1 dim: 6",
     "type: 'ReLU' relu_param { negative_slope: 0.5 engine: CAFFE }",
     mixed,
     "1x6",
     6,
     {-1, -0.5, 0, 0.5, 1, 8}},
    {"dim: 1 dim: 6", "type: 'ReLU6'", mixed, "1x6", 6, {0, 0, 0, 0.5, 1, 6}},
    {"dim: 1 dim: 6",
     "type: 'Clip' clip_param { min: -1.5 max: 0.75 }",
     mixed,
     "1x6",
     6,
     {-1.5, -1, 0, 0.5, 0.75, 0.75}},
    {"dim: 1 dim: 6",
     "type: 'ELU' elu_param { alpha: 2 }",
     mixed,
     "1x6",
     6,
     {-1.7293294f, -1.2642411f, 0, 0.5, 1, 8}},
    {"dim: 1 dim: 6", "type: 'AbsVal'", mixed, "1x6", 6, {2, 1, 0, 0.5, 1, 8}},
    {"dim: 1 dim: 6",
     "type: 'Sigmoid'",
     mixed,
     "1x6",
     6,
     {0.11920292f, 0.26894142f, 0.5, 0.62245933f, 0.73105858f, 0.99966465f}},
    {"dim: 1 dim: 6",
     "type: 'TanH'",
     mixed,
     "1x6",
     6,
     {-0.96402758f, -0.76159416f, 0, 0.46211716f, 0.76159416f, 0.99999977f}},
    {"dim: 1 dim: 6",
     "type: 'Swish' swish_param { beta: 2 }",
     mixed,
     "1x6",
     6,
     {-0.03597242f, -0.11920292f, 0, 0.36552929f, 0.88079708f, 7.9999991f}},
    {"dim: 1 dim: 6",
     "type: 'Swish'",
     mixed,
     "1x6",
     6,
     {-0.23840584f, -0.26894142f, 0, 0.31122967f, 0.73105858f, 7.9973172f}},
    {"dim: 1 dim: 3",
     "type: 'Power' power_param { power: 2 scale: 3 shift: -1 }",
     NULL,
     "1x3",
     3,
     {4, 25, 64}},
    {"dim: 1 dim: 3", "type: 'Power' power_param { scale: 0.5 shift: 1 }", NULL, "1x3", 3, {1.5, 2, 2.5}},
    {"dim: 1 dim: 3",
     "type: 'Power' power_param { power: 0.5 }",
     NULL,
     "1x3",
     3,
     {1, 1.4142135f, 1.7320508f}},
    {"dim: 1 dim: 3", "type: 'Power' power_param { power: 0 scale: 9 }", NULL, "1x3", 3, {1, 1, 1}},
    {"dim: 1 dim: 3", "type: 'Power'", NULL, "1x3", 3, {1, 2, 3}},
    {"dim: 1 dim: 3", "type: 'Exp'", NULL, "1x3", 3, {E1, E1 *E1, E1 *E1 *E1}},
    {"dim: 1 dim: 3", "type: 'Exp' exp_param { base: 2 scale: 2 shift: 1 }", NULL, "1x3", 3, {8, 32, 128}},
    {"dim: 1 dim: 3", "type: 'Log'", NULL, "1x3", 3, {0, 0.69314718f, 1.0986123f}},
    {"dim: 1 dim: 3",
     "type: 'Log' log_param { base: 2 scale: 4 shift: -2 }",
     NULL,
     "1x3",
     3,
     {1, 2.5849625f, 3.3219281f}},
    {"dim: 1 dim: 3", "type: 'Dropout' dropout_param { dropout_ratio: 0.9 }", NULL, "1x3", 3, {1, 2, 3}},
    {"dim: 1 dim: 3 dim: 1 dim: 1",
     "type: 'Softmax'",
     NULL,
     "1x3x1x1",
     3,
     {0.09003057f, 0.24472847f, 0.66524096f}},
    {"dim: 1 dim: 2 dim: 2",
     "type: 'Softmax' softmax_param { axis: -1 }",
     NULL,
     "1x2x2",
     4,
     {0.26894142f, 0.73105858f, 0.26894142f, 0.73105858f}},
    /* across: x / (k + alpha / size * sum of squares)^beta */
    {"dim: 1 dim: 3 dim: 1 dim: 1",
     "type: 'LRN' lrn_param { local_size: 3 alpha: 3 beta: 1 k: 2 }",
     NULL,
     "1x3x1x1",
     3,
     {1.f / 7, 2.f / 16, 3.f / 15}},
    /* within: k does not count, the divisor is the window's area */
    {"dim: 1 dim: 1 dim: 1 dim: 3",
     "type: 'LRN' lrn_param { local_size: 3 alpha: 9 beta: 1 k: 5 "
     "norm_region: WITHIN_CHANNEL }",
     NULL,
     "1x1x1x3",
     3,
     {1.f / 6, 2.f / 15, 3.f / 14}},

    /* 4 x 4, kernel 3, stride 2: rounded up to 2 x 2 */
    {"dim: 1 dim: 1 dim: 4 dim: 4",
     "type: 'Pooling' pooling_param { kernel_size: 3 stride: 2 }",
     NULL,
     "1x1x2x2",
     4,
     {11, 12, 15, 16}},
    {"dim: 1 dim: 1 dim: 4 dim: 4",
     "type: 'Pooling' pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
     NULL,
     "1x1x2x2",
     4,
     {6, 7.5, 12, 13.5}},
    {"dim: 1 dim: 1 dim: 4 dim: 4",
     "type: 'Pooling' pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }",
     NULL,
     "1x1x1x1",
     1,
     {11}},
    {"dim: 1 dim: 1 dim: 4 dim: 4",
     "type: 'Pooling' pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }",
     NULL,
     "1x1x1x1",
     1,
     {11}},
    /* the padding counts: 1 + 2 + 3 + 4 over 9 */
    {"dim: 1 dim: 1 dim: 2 dim: 2",
     "type: 'Pooling' pooling_param { pool: AVE kernel_size: 3 pad: 1 }",
     NULL,
     "1x1x2x2",
     4,
     {10.f / 9, 10.f / 9, 10.f / 9, 10.f / 9}},
    /* 4 wide, kernel 3, stride 2, pad 1: rounded up to 3; the last window has 2 columns, one of them padding
     */
    {"dim: 1 dim: 1 dim: 1 dim: 4",
     "type: 'Pooling' pooling_param { pool: AVE kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 0 "
     "pad_w: 1 }",
     NULL,
     "1x1x1x3",
     3,
     {1, 3, 2}},
    {"dim: 1 dim: 2 dim: 2 dim: 2",
     "type: 'Pooling' pooling_param { pool: AVE global_pooling: true }",
     NULL,
     "1x2x1x1",
     2,
     {2.5, 6.5}},
    {"dim: 1 dim: 2 dim: 2 dim: 2",
     "type: 'Pooling' pooling_param { global_pooling: true }",
     NULL,
     "1x2x1x1",
     2,
     {4, 8}},

    {"dim: 1 dim: 2 dim: 1 dim: 3", "type: 'Flatten'", NULL, "1x6", 6, {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Flatten' flatten_param { axis: 1 end_axis: 2 }",
     NULL,
     "1x2x3",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Flatten' flatten_param { axis: -3 end_axis: -2 }",
     NULL,
     "1x2x3",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Reshape' reshape_param { shape { dim: 0 dim: -1 dim: 2 } }",
     NULL,
     "1x3x2",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Reshape' reshape_param { shape { dim: 6 } axis: 1 }",
     NULL,
     "1x6",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Reshape' reshape_param { shape { dim: 2 dim: 1 } axis: 1 num_axes: 1 }",
     NULL,
     "1x2x1x1x3",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 3",
     "type: 'Reshape' reshape_param { shape { dim: 1 dim: 1 } axis: -1 }",
     NULL,
     "1x2x3x1x1",
     6,
     {1, 2, 3, 4, 5, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Permute' permute_param { order: 0 order: 2 order: 3 order: 1 }",
     NULL,
     "1x1x3x2",
     6,
     {1, 4, 2, 5, 3, 6}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Permute' permute_param { order: 0 order: 3 }",
     NULL,
     "1x3x2x1",
     6,
     {1, 4, 2, 5, 3, 6}},

    {"dim: 1 dim: 4",
     "type: 'Slice' top: 'z' } layer { name: 'd' type: 'Concat' bottom: 'z' bottom: 'y' top: 'w'",
     NULL,
     "1x4",
     4,
     {3, 4, 1, 2}},
    {"dim: 1 dim: 4",
     "type: 'Slice' top: 'z' slice_param { slice_point: 1 } } layer { name: 'd' type: 'Concat' "
     "bottom: 'z' bottom: 'y' top: 'w' concat_param { concat_dim: 1 }",
     NULL,
     "1x4",
     4,
     {2, 3, 4, 1}},
    {"dim: 1 dim: 1 dim: 3",
     "type: 'Slice' top: 'z' top: 'v' slice_param { slice_dim: 2 slice_point: [1, 2] } } "
     "layer { name: 'd' type: 'Concat' bottom: 'z' bottom: 'y' bottom: 'v' top: 'w' concat_param { axis: -2 "
     "}",
     NULL,
     "1x3x1",
     3,
     {2, 1, 3}},
    {"dim: 1 dim: 2",
     "type: 'Split' top: 'z' } layer { name: 'd' type: 'Eltwise' bottom: 'y' bottom: 'z' top: 'w'",
     NULL,
     "1x2",
     2,
     {2, 4}},
    {"dim: 1 dim: 2",
     "type: 'Power' power_param { shift: 1 } } layer { name: 'd' type: 'Eltwise' bottom: 'y' "
     "bottom: 'x' top: 'w' eltwise_param { coeff: 1 coeff: -2 }",
     NULL,
     "1x2",
     2,
     {0, -1}},
    {"dim: 1 dim: 2",
     "type: 'Power' power_param { shift: 1 } } layer { name: 'd' type: 'Eltwise' bottom: 'y' "
     "bottom: 'x' top: 'w' eltwise_param { operation: PROD stable_prod_grad: false }",
     NULL,
     "1x2",
     2,
     {2, 6}},
    {"dim: 1 dim: 2",
     "type: 'Power' power_param { scale: -1 } } layer { name: 'd' type: 'Eltwise' bottom: 'y' "
     "bottom: 'x' bottom: 'x' top: 'w' eltwise_param { operation: MAX }",
     NULL,
     "1x2",
     2,
     {1, 2}},
    {"dim: 1 dim: 1 dim: 3 dim: 3",
     "type: 'Pooling' pooling_param { kernel_size: 2 } } layer { name: 'd' "
     "type: 'Crop' bottom: 'x' bottom: 'y' top: 'w' crop_param { axis: 2 offset: 1 }",
     NULL,
     "1x1x2x2",
     4,
     {5, 6, 8, 9}},
    {"dim: 1 dim: 1 dim: 3 dim: 3",
     "type: 'Pooling' pooling_param { kernel_size: 2 } } layer { name: 'd' "
     "type: 'Crop' bottom: 'x' bottom: 'y' top: 'w' crop_param { offset: 1 offset: 0 }",
     NULL,
     "1x1x2x2",
     4,
     {4, 5, 7, 8}},

    /* two bottoms: the second stretches over the first */
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Pooling' pooling_param { global_pooling: true } } layer { name: 'f' "
     "type: 'Flatten' bottom: 'y' top: 'f' } layer { name: 'd' type: 'Scale' bottom: 'x' bottom: 'f' top: "
     "'w' "
     "scale_param { axis: 0 }",
     NULL,
     "1x2x1x3",
     6,
     {3, 6, 9, 24, 30, 36}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Pooling' pooling_param { global_pooling: true } } layer { name: 'f' "
     "type: 'Flatten' bottom: 'y' top: 'f' } layer { name: 'd' type: 'Bias' bottom: 'x' bottom: 'f' top: 'w' "
     "bias_param { axis: 0 }",
     NULL,
     "1x2x1x3",
     6,
     {4, 5, 6, 10, 11, 12}},
    {"dim: 1 dim: 2 dim: 1 dim: 3",
     "type: 'Pooling' pooling_param { global_pooling: true } } layer { name: 'f' "
     "type: 'Reshape' bottom: 'y' top: 'f' reshape_param { shape { dim: 2 } } } layer { name: 'd' type: "
     "'Scale' "
     "bottom: 'x' bottom: 'f' top: 'w'",
     NULL,
     "1x2x1x3",
     6,
     {3, 6, 9, 24, 30, 36}},

    /* made-up factors change nothing */
    {"dim: 1 dim: 2 dim: 2",
     "type: 'BatchNorm' batch_norm_param { eps: 0 use_global_stats: true }",
     NULL,
     "1x2x2",
     4,
     {1, 2, 3, 4}},
    {"dim: 1 dim: 2 dim: 2",
     "type: 'Scale' scale_param { bias_term: true filler { value: 3 } }",
     NULL,
     "1x2x2",
     4,
     {1, 2, 3, 4}},
    {"dim: 1 dim: 2 dim: 2", "type: 'PReLU'", mixed, "1x2x2", 4, {-0.5, -0.25, 0, 0.5}},
};

static void layers_without_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(plain_cases); i++) {
        const struct plain_case *c = &plain_cases[i];
        char text[1024];
        snprintf(
            text, sizeof(text),
            "input: 'x' input_shape { %s } layer { name: 'layer' bottom: 'x' top: 'y' %s }", c->input,
            c->layer);
        check_net(text, NULL, 0, c->shape, c->x ? c->x : ramp, c->wanted, c->n);
    }
}

/* A layer called "layer" with weights of its own; blobs without data are 0.5, 1, 1.5 ... */
struct weighted_case {
    const char *input;
    const char *layer;
    size_t n_blobs;
    struct caffe_blob blob[3];
    const char *shape;
    size_t n;
    float wanted[MAX_VALUES];
};

static const float third[] = {4};
static const float variance[] = {4, 36};
static const float mean[] = {4, 8};

/* clang-format off */
static const struct weighted_case weighted_cases[] = {
    /* out = .5 x0 + 1 x1 + .5 and 1.5 x0 + 2 x1 + 1 */
    {"dim: 1 dim: 2 dim: 1 dim: 2", "type: 'Convolution' convolution_param { num_output: 2 kernel_size: 1 }",
     2, {{4, {2, 2, 1, 1}, NULL}, {1, {2}, NULL}}, "1x2x1x2", 4, {4, 5.5, 8.5, 12}},
    {"dim: 1 dim: 1 dim: 3 dim: 3", "type: 'Convolution' convolution_param { num_output: 1 bias_term: false "
     "kernel_size: 2 stride: 1 }", 1, {{4, {1, 1, 2, 2}, NULL}}, "1x1x2x2", 4, {18.5, 23.5, 33.5, 38.5}},
    {"dim: 1 dim: 1 dim: 3 dim: 3", "type: 'Convolution' convolution_param { num_output: 1 bias_term: false "
     "kernel_h: 1 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 1 }", 1, {{4, {1, 1, 1, 2}, NULL}},
     "1x1x2x4", 8, {1, 2.5, 4, 1.5, 7, 11.5, 13, 4.5}},
    {"dim: 1 dim: 1 dim: 3 dim: 3", "type: 'Convolution' convolution_param { num_output: 1 bias_term: false "
     "kernel_size: 2 kernel_size: 1 dilation: 2 force_nd_im2col: true }", 1, {{4, {1, 1, 2, 1}, NULL}},
     "1x1x1x3", 3, {7.5, 9, 10.5}},
    /* one spatial dimension, and three */
    {"dim: 1 dim: 1 dim: 4", "type: 'Convolution' convolution_param { num_output: 1 bias_term: false "
     "kernel_size: 2 stride: 2 }", 1, {{3, {1, 1, 2}, NULL}}, "1x1x2", 2, {2.5, 5.5}},
    {"dim: 1 dim: 1 dim: 2 dim: 1 dim: 3", "type: 'Convolution' convolution_param { num_output: 1 bias_term: "
     "false kernel_size: [2, 1, 3] }", 1, {{5, {1, 1, 2, 1, 3}, NULL}}, "1x1x1x1x1", 1, {45.5}},
    /* groups */
    {"dim: 1 dim: 2 dim: 1 dim: 1", "type: 'Convolution' convolution_param { num_output: 2 kernel_size: 1 "
     "group: 2 }", 2, {{4, {2, 1, 1, 1}, NULL}, {1, {2}, NULL}}, "1x2x1x1", 2, {1, 3}},
    {"dim: 1 dim: 2 dim: 1 dim: 1", "type: 'ConvolutionDepthwise' convolution_param { num_output: 2 "
     "kernel_size: 1 }", 2, {{4, {2, 1, 1, 1}, NULL}, {1, {2}, NULL}}, "1x2x1x1", 2, {1, 3}},
    {"dim: 1 dim: 2 dim: 1 dim: 1", "type: 'DepthwiseConvolution' convolution_param { num_output: 2 "
     "kernel_size: 1 group: 2 bias_term: false }", 1, {{4, {2, 1, 1, 1}, NULL}}, "1x2x1x1", 2, {0.5, 2}},

    /* input channel by input channel: .5 1 and 1.5 2 */
    {"dim: 1 dim: 2 dim: 1 dim: 1", "type: 'Deconvolution' convolution_param { num_output: 2 kernel_size: 1 "
     "bias_term: false }", 1, {{4, {2, 2, 1, 1}, NULL}}, "1x2x1x1", 2, {3.5, 5}},
    {"dim: 1 dim: 2 dim: 1 dim: 2", "type: 'Deconvolution' convolution_param { num_output: 1 kernel_h: 1 "
     "kernel_w: 2 stride_h: 1 stride_w: 2 bias_term: false }", 1, {{4, {2, 1, 1, 2}, NULL}}, "1x1x1x4", 4,
     {5, 7, 7, 10}},
    {"dim: 1 dim: 2 dim: 1 dim: 2", "type: 'Deconvolution' convolution_param { num_output: 2 kernel_h: 1 "
     "kernel_w: 2 stride: 2 group: 2 pad_h: 0 pad_w: 1 }", 2, {{4, {2, 1, 1, 2}, NULL}, {1, {2}, NULL}},
     "1x2x1x2", 4, {1.5, 1.5, 7, 7}},

    {"dim: 1 dim: 2 dim: 1 dim: 1", "type: 'InnerProduct' inner_product_param { num_output: 3 }", 2, {{2, {3,
     2}, NULL}, {1, {3}, NULL}}, "1x3", 3, {3, 6.5, 10}},
    /* the same matrix turned: .5 1 1.5 / 2 2.5 3 */
    {"dim: 1 dim: 2", "type: 'InnerProduct' inner_product_param { num_output: 3 bias_term: false transpose: "
     "true }", 1, {{2, {2, 3}, NULL}}, "1x3", 3, {4.5, 6, 7.5}},
    {"dim: 1 dim: 2 dim: 2", "type: 'InnerProduct' inner_product_param { num_output: 1 bias_term: false "
     "axis: 2 }", 1, {{2, {1, 2}, NULL}}, "1x2x1", 2, {2.5, 5.5}},
    {"dim: 1 dim: 2 dim: 2", "type: 'InnerProduct' inner_product_param { num_output: 1 bias_term: false "
     "axis: -1 }", 1, {{2, {1, 2}, NULL}}, "1x2x1", 2, {2.5, 5.5}},

    /* mean 1, 2 and variance 1, 9 after division by 4 */
    {"dim: 1 dim: 2 dim: 2", "type: 'BatchNorm' batch_norm_param { eps: 0 moving_average_fraction: 0.5 }", 3,
     {{1, {2}, mean}, {1, {2}, variance}, {1, {1}, third}}, "1x2x2", 4, {0, 1, 1.f / 3, 2.f / 3}},
    {"dim: 1 dim: 2 dim: 2", "type: 'Scale' scale_param { bias_term: true }", 2, {{1, {2}, NULL}, {1, {2},
     mean}}, "1x2x2", 4, {4.5, 5, 11, 12}},
    {"dim: 1 dim: 2 dim: 2", "type: 'Scale' scale_param { axis: 2 }", 1, {{1, {2}, NULL}}, "1x2x2", 4, {0.5,
     2, 1.5, 4}},
    {"dim: 1 dim: 2 dim: 2", "type: 'Scale' scale_param { num_axes: -1 }", 1, {{2, {2, 2}, NULL}}, "1x2x2", 4,
     {0.5, 2, 4.5, 8}},
    {"dim: 1 dim: 2 dim: 2", "type: 'Scale' scale_param { num_axes: 0 bias_term: true }", 2, {{0, {0}, third},
     {0, {0}, NULL}}, "1x2x2", 4, {4.5, 8.5, 12.5, 16.5}},
    {"dim: 1 dim: 2 dim: 2", "type: 'Bias'", 1, {{1, {2}, mean}}, "1x2x2", 4, {5, 6, 11, 12}},
    {"dim: 1 dim: 2 dim: 1 dim: 3", "type: 'Scale' bottom: 'f' scale_param { bias_term: true } } layer { "
     "name: 'p' type: 'ReLU' bottom: 'y' top: 'z'", 1, {{1, {2}, mean}}, "1x2x1x3", 6, {7, 10, 13, 32, 38,
     44}},

    {"dim: 1 dim: 2 dim: 2", "type: 'PReLU' } layer { name: 'n' type: 'Power' bottom: 'y' top: 'z'", 1, {{1,
     {2}, NULL}}, "1x2x2", 4, {1, 2, 3, 4}},
};
/* clang-format on */

static void layers_with_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(weighted_cases); i++) {
        const struct weighted_case *c = &weighted_cases[i];
        struct caffe_blobs layer = {.name = "layer", .n_blobs = c->n_blobs};
        char text[1024];
        memcpy(layer.blob, c->blob, sizeof(layer.blob));
        snprintf(
            text, sizeof(text),
            "input: 'x' input_shape { %s } %s layer { name: 'layer' bottom: 'x' top: 'y' %s }", c->input,
            strstr(c->layer, "'f'")
                ? "layer { name: 'g' type: 'Pooling' bottom: 'x' top: 'g' pooling_param { "
                  "global_pooling: true } } layer { name: 'f' type: 'Reshape' bottom: 'g' top: "
                  "'f' reshape_param { shape { dim: 2 } } }"
                : "",
            c->layer);
        bool is_old = c->blob[0].n_dims <= 4;
        for (int form = CAFFE_WEIGHTS_NEW; form <= CAFFE_WEIGHTS_DOUBLE; form++) {
            size_t n;
            if (form == CAFFE_WEIGHTS_LEGACY && !is_old)
                continue;
            unsigned char *weights = caffe_pack_weights(&layer, 1, form, &n);
            check_net(text, weights, n, c->shape, ramp, c->wanted, c->n);
            free(weights);
        }
    }
}

static void prelu_slopes(void **state)
{
    static const float slope[] = {0.5, 0.25};
    const float x[] = {-4, 4, -4, 8};
    struct caffe_blobs layer = {.name = "layer", .n_blobs = 1, .blob = {{1, {2}, slope}}};
    size_t n;
    (void)state;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    check_net(
        "input: 'x' input_shape { dim: 1 dim: 2 dim: 2 } layer { name: 'layer' bottom: 'x' top: 'x' type: "
        "'PReLU' }",
        weights, n, "1x2x2", x, (const float[]){-2, 4, -1, 8}, 4);
    free(weights);
    layer.blob[0].n_dims = 0;
    weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    check_net(
        "input: 'x' input_shape { dim: 1 dim: 2 dim: 2 } layer { name: 'layer' bottom: 'x' top: 'x' type: "
        "'PReLU' "
        "prelu_param { channel_shared: true filler { value: 0.25 } } }",
        weights, n, "1x2x2", x, (const float[]){-2, 4, -2, 8}, 4);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_without_weights),
        cmocka_unit_test(layers_with_weights),
        cmocka_unit_test(prelu_slopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
