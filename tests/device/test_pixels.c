/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pixels.c: sessions that take 8-bit pixels compute what sessions that take the preprocessed float32 image
 * compute: float32 and int8 models, RGB, BGR and gray, with and without padding, on and off the grid of the pixels, for
 * networks that want their channels first or last.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <tf2/tf2.h>

#include "transform/ir/graph.h"

#define H 9
#define W 21
#define O 5

static struct tf2_devices *devices; /* cl:0, host */

static int open_devices(void **state)
{
    (void)state;
    return tf2_devices_open("cl:0,host", NULL, &devices, NULL) == TF2_OK ? 0 : -1;
}

static int close_devices(void **state)
{
    (void)state;
    tf2_devices_close(&devices);
    return 0;
}

struct variant {
    int channels, pad;
    enum tf2_channels order;
    bool int8;
    bool off_grid;     /* the scale is not that of the pixels */
    bool read_as_float; /* the input is an output, too */
    bool relu;          /* fused into the quantization */
    bool twice;         /* quantized a second time, around another zero point; both are summed */
    bool last;          /* the network's input is [N, H, W, C] */
};

#define TRY(call) assert_int_equal(call, TF2_OK)

static tf2_tensor_id add_int8(struct tf2_graph *graph, const struct variant *v, tf2_tensor_id x, float scale)
{
    static const uint8_t zero_points[3] = {104, 117, 123};
    static const float offsets[3] = {-0.05f, 0.1f, -0.025f};
    const struct tf2_shape of_channel = {1, {v->channels}}, of_output = {1, {O}};
    const struct tf2_shape of_weights = {4, {O, v->channels, 3, 3}};
    const struct tf2__quant in = {.scale = v->off_grid ? 1.3f * scale : scale, .channel_zero_point = zero_points};
    const struct tf2__quant w = {.scale = 0.01f}, out = {.scale = 0.7f, .zero_point = 90};
    int8_t *weights = tf2__arena_alloc(&graph->arena, O * 27, 1);
    int32_t *bias = tf2__arena_alloc(&graph->arena, O, sizeof(*bias));
    tf2_tensor_id quantized[2] = {x}, sum[3], y;
    for (int i = 0; i < O * 27; i++)
        weights[i] = (int8_t)(i * 37 % 255 - 127);
    for (int i = 0; i < O; i++)
        bias[i] = 1000 * i - 1700;
    struct tf2_conv_attr attr = {0};
    for (int d = 0; d < 2; d++)
        attr.window.pad_begin[d] = attr.window.pad_end[d] = v->pad;
    TRY(tf2__graph_adopt_constant(graph, "offset", TF2_DTYPE_F32, &of_channel, offsets, &quantized[1], NULL));
    const struct tf2_activation relu = {.kind = TF2_ACTIVATION_RELU};
    TRY(tf2__graph_add_int8(
        graph, TF2_OP_QUANTIZE, "q", NULL, quantized, 2, v->relu ? &relu : NULL, TF2_DTYPE_U8, &in, &sum[0], NULL));
    TRY(tf2__graph_adopt_quantized(graph, "w", TF2_DTYPE_S8, &of_weights, &w, weights, &sum[1], NULL));
    TRY(tf2__graph_adopt_quantized(graph, "b", TF2_DTYPE_S32, &of_output, NULL, bias, &sum[2], NULL));
    TRY(tf2__graph_add_int8(graph, TF2_OP_CONV, "conv", &attr, sum, 3, NULL, TF2_DTYPE_U8, &out, &y, NULL));
    if (v->twice) {
        const struct tf2__quant other = {.scale = in.scale};
        static const float shifted[3] = {-52.05f, -58.4f, -61.525f};
        tf2_tensor_id both[2] = {y};
        TRY(tf2__graph_adopt_constant(graph, "offset2", TF2_DTYPE_F32, &of_channel, shifted, &quantized[1], NULL));
        TRY(tf2__graph_add_int8(
            graph, TF2_OP_QUANTIZE, "q2", NULL, quantized, 2, NULL, TF2_DTYPE_U8, &other, &sum[0], NULL));
        TRY(tf2__graph_add_int8(graph, TF2_OP_CONV, "conv2", &attr, sum, 3, NULL, TF2_DTYPE_U8, &out, &both[1], NULL));
        TRY(tf2__graph_add_int8(graph, TF2_OP_ELTWISE, "sum", NULL, both, 2, NULL, TF2_DTYPE_U8, &out, &y, NULL));
    }
    TRY(tf2__graph_add_int8(graph, TF2_OP_DEQUANTIZE, "y", NULL, &y, 1, NULL, TF2_DTYPE_F32, NULL, &y, NULL));
    return y;
}

static tf2_tensor_id add_float(struct tf2_graph *graph, const struct variant *v, tf2_tensor_id x)
{
    const struct tf2_shape shape = {4, {O, v->channels, 3, 3}};
    float weights[O * 27];
    tf2_tensor_id in[2] = {x}, y;
    struct tf2_conv_attr attr = {0};
    for (int i = 0; i < O * 27; i++)
        weights[i] = (float)(i * 37 % 255 - 127) / 256;
    for (int d = 0; d < 2; d++)
        attr.window.pad_begin[d] = attr.window.pad_end[d] = v->pad;
    TRY(tf2_graph_add_constant(graph, "w", TF2_DTYPE_F32, &shape, weights, &in[1], NULL));
    TRY(tf2_graph_add_node(graph, TF2_OP_CONV, "y", &attr, in, 2, &y, NULL));
    return y;
}

static struct tf2_model *make_model(const struct variant *v)
{
    const struct tf2_import_options options = {
        .preprocess = {.channels = v->order, .mean = {104.1f, 116.8f, 123.05f}, .scale = 0.5f}, .no_optimize = true};
    const struct tf2_shape first = {4, {2, v->channels, H, W}}, last = {4, {2, H, W, v->channels}};
    const struct tf2_transpose_attr turn = {4, {0, 3, 1, 2}};
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    tf2_tensor_id x;
    TRY(tf2_graph_create(NULL, &graph, NULL));
    TRY(tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, v->last ? &last : &first, &x, NULL));
    if (v->last)
        TRY(tf2_graph_add_node(graph, TF2_OP_TRANSPOSE, "turned", &turn, &x, 1, &x, NULL));
    TRY(tf2_graph_add_output(graph, v->int8 ? add_int8(graph, v, x, 0.5f) : add_float(graph, v, x), "out", NULL));
    if (v->read_as_float)
        TRY(tf2_graph_add_output(graph, x, "seen", NULL));
    TRY(tf2_model_from_graph(&graph, "pixels", &options, &model, NULL));
    return model;
}

static void run(
    const struct tf2_model *model, size_t device, bool pixels, const void *in, float *out, float *seen)
{
    const struct tf2_session_options options = {.pixels = pixels};
    const void *inputs[] = {in};
    void *outputs[] = {out, seen};
    struct tf2_session *session = NULL;
    struct tf2_tensor_info info;
    struct tf2_error error = {0};
    if (tf2_session_create(model, devices, device, &options, &session, &error) != TF2_OK)
        fail_msg("%s", error.message);
    TRY(tf2_session_input(session, 0, &info));
    assert_int_equal(info.dtype, pixels ? TF2_DTYPE_U8 : TF2_DTYPE_F32);
    assert_int_equal(info.shape.dim[info.layout == TF2_LAYOUT_NHWC ? 1 : 2], H);
    assert_int_equal(tf2_session_run(session, inputs, outputs, &error), TF2_OK);
    tf2_session_destroy(&session);
}

static void check(const struct variant *v)
{
    static uint8_t pixels[2 * H * W * 3];
    static float image[2 * 3 * H * W], wanted[2 * O * 11 * W + 1000], found[2 * O * 11 * W + 1000];
    static float seen[2][2 * 3 * H * W];
    struct tf2_model *model = make_model(v);
    struct tf2_model_info info;
    const size_t n = (size_t)(H * W * v->channels);
    for (size_t i = 0; i < 2 * n; i++)
        pixels[i] = (uint8_t)(i * i * 31 + i * 7);
    tf2_model_info(model, &info);
    for (size_t k = 0; k < 2; k++) {
        struct tf2_image one = {.width = W, .height = H, .channels = v->channels, .pixels = pixels + k * n};
        struct tf2_tensor_info input;
        TRY(tf2_model_input(model, 0, &input));
        assert_int_equal(input.layout, v->last ? TF2_LAYOUT_NHWC : TF2_LAYOUT_NCHW);
        TRY(tf2_image_to_input(&one, &info.preprocess, &input, image + k * n, NULL));
    }
    const size_t n_out = (size_t)(2 * O * (H - 2 + 2 * v->pad) * (W - 2 + 2 * v->pad));
    run(model, 1, false, image, wanted, seen[0]);
    for (size_t device = 0; device < 2; device++) {
        memset(found, 0, sizeof(found));
        memset(seen[1], 0, sizeof(seen[1]));
        run(model, device, true, pixels, found, seen[1]);
        for (size_t i = 0; i < n_out; i++) {
            if (v->int8 ? found[i] != wanted[i] : found[i] - wanted[i] > 2e-4f || wanted[i] - found[i] > 2e-4f)
                fail_msg("device %zu, output %zu is %g, wanted %g", device, i, found[i], wanted[i]);
        }
        if (v->read_as_float)
            assert_memory_equal(seen[0], seen[1], 2 * n * sizeof(float));
    }
    tf2_model_destroy(&model);
}

static void same_as_float(void **unused)
{
    (void)unused;
    for (int bits = 0; bits < 768; bits++) {
        const struct variant v = {
            .channels = bits % 3 == 0 ? 1 : 3,
            .pad = bits / 3 % 2,
            .order = bits / 6 % 2 ? TF2_CHANNELS_BGR : TF2_CHANNELS_RGB,
            .int8 = bits / 12 % 2,
            .off_grid = bits / 24 % 2,
            .read_as_float = bits / 48 % 2,
            .relu = bits / 96 % 2,
            .twice = bits / 192 % 2,
            .last = bits / 384 % 2};
        check(&v);
    }
}

/* Pixels that are quantized already cost nothing when there is no padding, one copy when there is. */
static void pixels_in_place(void **unused)
{
    (void)unused;
    for (int bits = 0; bits < 4; bits++) {
        const int pad = bits % 2;
        const struct variant v = {
            .channels = 3, .pad = pad, .order = TF2_CHANNELS_BGR, .int8 = true, .last = bits / 2};
        const struct tf2_session_options options = {.pixels = true};
        struct tf2_model *model = make_model(&v);
        struct tf2_session *session = NULL;
        struct tf2_session_stats stats;
        struct tf2_step_info step;
        int n_copies = 0;
        TRY(tf2_session_create(model, devices, 0, &options, &session, NULL));
        tf2_session_stats(session, &stats);
        for (size_t i = 0; i < stats.n_steps; i++) {
            TRY(tf2_session_step(session, i, &step));
            assert_string_not_equal(step.op, "pixels");
            assert_string_not_equal(step.op, "transpose");
            if (strcmp(step.op, "quantize") == 0) {
                assert_string_equal(step.kernel, "copy");
                n_copies++;
            }
        }
        assert_int_equal(n_copies, pad);
        tf2_session_destroy(&session);
        tf2_model_destroy(&model);
    }
}

static void not_images(void **unused)
{
    const struct tf2_session_options options = {.pixels = true};
    const struct tf2_shape shape = {4, {1, 5, H, W}};
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    tf2_tensor_id x;
    (void)unused;
    TRY(tf2_graph_create(NULL, &graph, NULL));
    TRY(tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, &shape, &x, NULL));
    TRY(tf2_graph_add_output(graph, x, "y", NULL));
    TRY(tf2_model_from_graph(&graph, "five", NULL, &model, NULL));
    assert_int_equal(tf2_session_create(model, devices, 0, &options, &session, &error), TF2_ERR_SHAPE);
    assert_non_null(strstr(error.message, "'x' of shape 1x5x9x21 cannot take pixels"));
    tf2_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_float), cmocka_unit_test(pixels_in_place), cmocka_unit_test(not_images)};
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
