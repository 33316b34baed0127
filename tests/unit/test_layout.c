/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_layout.c: networks whose border is [N, H, W, C]: what the importers' helper makes, what a model and a
 * session say and plan, and how the numbers of images get in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <tf2/tf2.h>

#include "net.h"
#include "transform/import/nhwc.h"
#include "transform/ir/layout.h"

#define TRY(call) assert_int_equal(call, TF2_OK)

/* ---- the importers' helper ---- */

static void one_transpose_each_way(void **state)
{
    struct net net;
    struct tf2__nhwc nhwc;
    tf2_tensor_id first, again, back, last;
    (void)state;
    net_open(&net, 1);
    const tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 5, 6, 3));
    tf2__nhwc_init(&nhwc, net.graph, NULL, NULL);
    TRY(tf2__nhwc_first(&nhwc, (struct tf2__nhwc_value){x, false}, &first, NULL));
    assert_true(tf2_shape_equal(tf2_graph_shape(net.graph, first), &SHAPE(1, 3, 5, 6)));
    TRY(tf2__nhwc_first(&nhwc, (struct tf2__nhwc_value){x, false}, &again, NULL));
    assert_int_equal(again, first);
    TRY(tf2__nhwc_file(&nhwc, (struct tf2__nhwc_value){first, true}, &back, NULL));
    assert_int_equal(back, x);
    assert_int_equal(net.graph->n_nodes, 1);

    const tf2_tensor_id y = net_conv(&net, first, 4, 3, 1, false);
    TRY(tf2__nhwc_file(&nhwc, (struct tf2__nhwc_value){y, true}, &last, NULL));
    assert_true(tf2_shape_equal(tf2_graph_shape(net.graph, last), &SHAPE(1, 5, 6, 4)));
    TRY(tf2__nhwc_first(&nhwc, (struct tf2__nhwc_value){last, false}, &again, NULL));
    assert_int_equal(again, y);
    tf2__nhwc_finish(&nhwc);
    net_close(&net);
}

static void small_ranks_have_one_order(void **state)
{
    struct net net;
    struct tf2__nhwc nhwc;
    tf2_tensor_id id;
    (void)state;
    net_open(&net, 1);
    const tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 7));
    tf2__nhwc_init(&nhwc, net.graph, NULL, NULL);
    TRY(tf2__nhwc_first(&nhwc, (struct tf2__nhwc_value){x, false}, &id, NULL));
    assert_int_equal(id, x);
    assert_int_equal(tf2__nhwc_axis(true, 2, 1), 1);
    tf2__nhwc_finish(&nhwc);
    net_close(&net);
}

/* [N, D, H, W, C] and [N, C, D, H, W] */
static void axes(void **state)
{
    static const uint32_t inside[5] = {0, 2, 3, 4, 1};
    (void)state;
    for (uint32_t d = 0; d < 5; d++) {
        assert_int_equal(tf2__nhwc_axis(true, 5, d), inside[d]);
        assert_int_equal(tf2__nhwc_file_axis(true, 5, inside[d]), d);
        assert_int_equal(tf2__nhwc_axis(false, 5, d), d);
    }
}

static void permute(void **state)
{
    static const float from[6] = {1, 2, 3, 4, 5, 6}, wanted[6] = {1, 4, 2, 5, 3, 6};
    float to[6];
    (void)state;
    tf2__nhwc_permute(&SHAPE(2, 1, 3), (const uint32_t[]){2, 1, 0}, from, to);
    assert_memory_equal(to, wanted, sizeof(to));
}

/* ---- models and sessions ---- */

/* [2, 8, 9, 3] to [2, 8, 9, n_out], with the transposes or without. */
static struct tf2_model *make_model(bool turned, int64_t n_out)
{
    struct net net;
    struct tf2_model *model = NULL;
    const struct tf2_transpose_attr to_first = tf2__layout_to_first(4), to_last = tf2__layout_to_last(4);
    net_open(&net, 7);
    tf2_tensor_id x = net_input(&net, "x", turned ? SHAPE(2, 8, 9, 3) : SHAPE(2, 3, 8, 9));
    if (turned)
        x = net_node(&net, TF2_OP_TRANSPOSE, "in", &to_first, IN(x));
    x = net_conv(&net, x, 16, 3, 1, true);
    x = net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0);
    x = net_conv(&net, x, n_out, 1, 0, true);
    if (turned)
        x = net_node(&net, TF2_OP_TRANSPOSE, "out", &to_last, IN(x));
    net_output(&net, x);
    TRY(tf2_model_from_graph(&net.graph, "turned", NULL, &model, NULL));
    net_close(&net);
    return model;
}

static void
run(const struct tf2_model *model, struct tf2_devices *devices, size_t device, const float *in, float *out)
{
    struct tf2_session *session = NULL;
    TRY(tf2_session_create(model, devices, device, NULL, &session, NULL));
    TRY(tf2_session_run(session, (const void *[]){in}, (void *[]){out}, NULL));
    tf2_session_destroy(&session);
}

/* The transposes are views: the plan has the steps of the network without them. */
static void transposes_are_free(void **state)
{
    struct tf2_devices *devices = NULL;
    struct tf2_session_stats stats[2];
    (void)state;
    TRY(tf2_devices_open("cl:0", NULL, &devices, NULL));
    for (int turned = 0; turned < 2; turned++) {
        struct tf2_model *model = make_model(turned, 32);
        struct tf2_session *session = NULL;
        TRY(tf2_session_create(model, devices, 0, NULL, &session, NULL));
        tf2_session_stats(session, &stats[turned]);
        tf2_session_destroy(&session);
        tf2_model_destroy(&model);
    }
    /* Channels first: a copy in and the fill of its padding, two convolutions, a copy out. Channels last
     * has no copy out: the second convolution writes the output. */
    assert_int_equal(stats[0].n_steps, 5);
    assert_int_equal(stats[1].n_steps, 4);
    tf2_devices_close(&devices);
}

static void same_numbers(void **state)
{
    enum { N = 2, H = 8, W = 9, C = 3 };
    static float first[N * C * H * W], last[N * H * W * C], wanted[N * 32 * H * W], found[N * H * W * 32];
    struct tf2_devices *devices = NULL;
    struct tf2_tensor_info info;
    (void)state;
    TRY(tf2_devices_open("cl:0,host", NULL, &devices, NULL));
    for (int64_t n_out = 5; n_out <= 32; n_out += 27) {
        struct tf2_model *inner = make_model(false, n_out), *turned = make_model(true, n_out);
        for (int i = 0; i < N * C * H * W; i++)
            first[i] = (float)(i * 29 % 64) / 64;
        for (int n = 0; n < N; n++) {
            for (int i = 0; i < H * W; i++) {
                for (int c = 0; c < C; c++)
                    last[(n * H * W + i) * C + c] = first[(n * C + c) * H * W + i];
            }
        }
        TRY(tf2_model_input(inner, 0, &info));
        assert_int_equal(info.layout, TF2_LAYOUT_NCHW);
        TRY(tf2_model_input(turned, 0, &info));
        assert_int_equal(info.layout, TF2_LAYOUT_NHWC);
        TRY(tf2_model_output(turned, 0, &info));
        assert_int_equal(info.layout, TF2_LAYOUT_NHWC);
        run(inner, devices, 1, first, wanted);
        for (size_t device = 0; device < 2; device++) {
            run(turned, devices, device, last, found);
            for (int n = 0; n < N; n++) {
                for (int i = 0; i < H * W; i++) {
                    for (int c = 0; c < n_out; c++) {
                        float a = wanted[(n * n_out + c) * H * W + i], b = found[(n * H * W + i) * n_out + c];
                        assert_true(a - b < 1e-4f && b - a < 1e-4f);
                    }
                }
            }
        }
        tf2_model_destroy(&turned);
        tf2_model_destroy(&inner);
    }
    tf2_devices_close(&devices);
}

/* An input that something else reads as it lies is not the image that the transpose makes of it. */
static void read_by_others(void **state)
{
    const struct tf2_transpose_attr to_first = tf2__layout_to_first(4);
    struct net net;
    (void)state;
    net_open(&net, 7);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 8, 9, 3));
    net_output(&net, net_node(&net, TF2_OP_TRANSPOSE, "in", &to_first, IN(x)));
    assert_int_equal(tf2__layout_of_input(net.graph, 0), TF2_LAYOUT_NHWC);
    net_output(&net, net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0));
    assert_int_equal(tf2__layout_of_input(net.graph, 0), TF2_LAYOUT_NCHW);
    net_close(&net);
}

/* ---- images ---- */

static void image_to_input(void **state)
{
    uint8_t pixels[6] = {1, 2, 3, 11, 12, 13};
    const struct tf2_image image = {.width = 2, .height = 1, .channels = 3, .pixels = pixels};
    const struct tf2_preprocess preprocess = {.channels = TF2_CHANNELS_BGR, .mean = {1, 2, 4}, .scale = 0.5f};
    static const float last[6] = {1, 0, -1.5f, 6, 5, 3.5f}, first[6] = {1, 6, 0, 5, -1.5f, 3.5f};
    struct tf2_tensor_info input = {.name = "x", .shape = SHAPE(4, 1, 2, 3), .layout = TF2_LAYOUT_NHWC};
    struct tf2_image size;
    struct tf2_error error;
    float values[6];
    (void)state;
    assert_true(tf2_image_extents(&input, &size));
    assert_int_equal(size.channels, 3);
    assert_int_equal(size.height, 1);
    assert_int_equal(size.width, 2);
    TRY(tf2_image_to_input(&image, &preprocess, &input, values, &error));
    assert_memory_equal(values, last, sizeof(values));
    input = (struct tf2_tensor_info){.name = "x", .shape = SHAPE(4, 3, 1, 2)};
    TRY(tf2_image_to_input(&image, &preprocess, &input, values, &error));
    assert_memory_equal(values, first, sizeof(values));

    input.shape.dim[3] = 3;
    assert_int_equal(tf2_image_to_input(&image, &preprocess, &input, values, &error), TF2_ERR_SHAPE);
    assert_string_equal(
        error.message, "an image of 2 x 1 pixels, 3 channels is no input 'x' of shape 4x3x1x3");
    input.shape.dim[1] = 2;
    assert_false(tf2_image_extents(&input, &size));
    input.layout = TF2_LAYOUT_NHWC; /* the last dimension is 3 */
    assert_true(tf2_image_extents(&input, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_transpose_each_way),
        cmocka_unit_test(small_ranks_have_one_order),
        cmocka_unit_test(axes),
        cmocka_unit_test(permute),
        cmocka_unit_test(transposes_are_free),
        cmocka_unit_test(same_numbers),
        cmocka_unit_test(read_by_others),
        cmocka_unit_test(image_to_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
