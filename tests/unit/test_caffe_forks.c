/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_forks.c: layers of SSD's and of C3D's Caffe: what their parameters become, numbers by hand, and what is
 * refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"
#include "../support/reference_run.h"
#include "transform/import/caffe/caffe.pb-c.h"

/* Runs the only output of `text` on x, and compares. */
static void check_run(
    const char *text, const void *weights, size_t n_bytes, const float *x, const float *wanted, size_t n)
{
    const struct tf2_import_options options = {.random_weights_seed = weights ? 0 : 1};
    struct caffe_net net;
    struct reference_outputs outputs = {0};
    struct tf2_error error;
    caffe_net_import(&net, text, weights, n_bytes, &options);
    if (net.status != TF2_OK)
        fail_msg("%s\n%s", text, net.error.message);
    if (reference_run(net.graph, NULL, &x, &outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_int_equal(tf2_shape_count(&outputs.shape[0]), n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(outputs.data[0][i] - wanted[i]) <= 1e-6f * (1 + fabsf(wanted[i]))))
            fail_msg("%s\nelement %zu is %g instead of %g", text, i, outputs.data[0][i], wanted[i]);
    }
    reference_outputs_free(&outputs);
    caffe_net_free(&net);
}

/* --- C3D --- */

/* A kernel of two frames and one pixel, two frames further each time. */
static void convolves_videos(void **state)
{
    static const float x[] = {1, 2, 10, 20, 100, 200, 1000, 2000}, weight[] = {1, 3};
    static const float wanted[] = {31, 62, 3100, 6200};
    static const char *const texts[] = {
        "input: 'x' input_shape { dim: [1, 1, 4, 1, 2] } layer { name: 'c' type: 'Convolution3D' bottom: 'x' "
        "top: 'y' "
        "convolution3d_param { num_output: 1 bias_term: false kernel_size: 1 kernel_depth: 2 "
        "temporal_stride: 2 } }",
        "input: 'x' input_shape { dim: [1, 1, 4, 1, 2] } layers { name: 'c' type: CONVOLUTION3D bottom: 'x' "
        "top: 'y' "
        "convolution_param { num_output: 1 bias_term: false kernel_size: 1 kernel_depth: 2 temporal_stride: "
        "2 } }",
    };
    const struct caffe_blobs layer = {.name = "c", .n_blobs = 1, .blob = {{5, {1, 1, 2, 1, 1}, weight}}};
    size_t n;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(texts); i++)
        check_run(texts[i], weights, n, x, wanted, 4);
    free(weights);
}

/* Padded in time by a frame of zeros at either end, and in space not at all. */
static void pads_time_apart(void **state)
{
    static const float x[] = {1, 10}, weight[] = {1, 2, 4}, wanted[] = {42, 21};
    const struct caffe_blobs layer = {.name = "c", .n_blobs = 1, .blob = {{5, {1, 1, 3, 1, 1}, weight}}};
    size_t n;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    (void)state;
    check_run(
        "input: 'x' input_shape { dim: [1, 1, 2, 1, 1] } layer { name: 'c' type: 'Convolution3D' bottom: 'x' "
        "top: 'y' "
        "convolution3d_param { num_output: 1 bias_term: false kernel_size: 1 kernel_depth: 3 temporal_pad: 1 "
        "} }",
        weights, n, x, wanted, 2);
    free(weights);
}

/* Height and width in pairs, rounded up; two frames are one. */
static void pools_videos(void **state)
{
    static const float x[] = {1, 5, 2, 3, 9, 4, 6, 7, 8, 0, 0, 0}, most[] = {9, 4, 7, 8}, mean[] = {3, 5};
    (void)state;
    check_run(
        "input: 'x' input_shape { dim: [1, 1, 4, 1, 3] } layer { name: 'p' type: 'Pooling3D' bottom: 'x' "
        "top: 'y' "
        "pooling3d_param { pool: MAX kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 } }",
        NULL, 0, x, most, 4);
    check_run(
        "input: 'x' input_shape { dim: [1, 1, 2, 1, 1] } layers { name: 'p' type: POOLING3D bottom: 'x' top: "
        "'y' "
        "pooling_param { pool: AVE kernel_size: 1 kernel_depth: 1 } }",
        NULL, 0, (const float[]){3, 5}, mean, 2);
}

/* C3D 1.0's weights file: blobs of five extents, named by other numbers than Caffe's. */
static void weights_of_videos(void **state)
{
    static const float x[] = {1, 2, 10, 20, 100, 200, 1000, 2000}, wanted[] = {32, 63, 3101, 6201};
    float weight[] = {1, 3}, bias[] = {1};
    Tf2__Caffe__VideoBlobProto blobs[2] = {
        TF2__CAFFE__VIDEO_BLOB_PROTO__INIT, TF2__CAFFE__VIDEO_BLOB_PROTO__INIT};
    Tf2__Caffe__VideoBlobProto *list[2] = {&blobs[0], &blobs[1]};
    Tf2__Caffe__VideoWeightsLayer layer = TF2__CAFFE__VIDEO_WEIGHTS_LAYER__INIT, *layers[] = {&layer};
    Tf2__Caffe__VideoWeightsNet net = TF2__CAFFE__VIDEO_WEIGHTS_NET__INIT;
    unsigned char bytes[256];
    char name[] = "c";
    (void)state;
    for (int i = 0; i < 2; i++) {
        blobs[i].has_num = blobs[i].has_channels = blobs[i].has_length = blobs[i].has_height =
            blobs[i].has_width = 1;
        blobs[i].num = blobs[i].channels = blobs[i].length = blobs[i].height = blobs[i].width = 1;
    }
    blobs[0].length = 2;
    blobs[0].n_data = 2;
    blobs[0].data = weight;
    blobs[1].n_data = 1;
    blobs[1].data = bias;
    layer.name = name;
    layer.n_blobs = 2;
    layer.blobs = list;
    net.n_layers = 1;
    net.layers = layers;
    const size_t n = tf2__caffe__video_weights_net__pack(&net, bytes);
    check_run(
        "input: 'x' input_shape { dim: [1, 1, 4, 1, 2] } layers { name: 'c' type: CONVOLUTION3D bottom: 'x' "
        "top: 'y' "
        "convolution_param { num_output: 1 kernel_size: 1 kernel_depth: 2 temporal_stride: 2 } }",
        bytes, n, x, wanted, 4);
    /* Cut off anywhere it is refused. */
    for (size_t cut = 1; cut < n; cut++) {
        const struct tf2_import_options options = {0};
        struct caffe_net import;
        caffe_net_import(
            &import,
            "input: 'x' input_shape { dim: [1, 1, 4, 1, 2] } layers { name: 'c' type: CONVOLUTION3D bottom: "
            "'x' top: 'y' "
            "convolution_param { num_output: 1 kernel_size: 1 kernel_depth: 2 temporal_stride: 2 } }",
            bytes, cut, &options);
        assert_int_not_equal(import.status, TF2_OK);
        caffe_net_free(&import);
    }
}

static void videos_are_inputs(void **state)
{
    static const struct {
        const char *layer, *shape;
    } cases[] = {
        {"layer { name: 'd' type: 'VideoData' top: 'data' top: 'label' transform_param { crop_size: 112 "
         "mean_value: 128 "
         "mirror: false } video_data_param { source: 'list' new_length: 8 new_height: 128 new_width: 171 "
         "batch_size: 30 "
         "sampling_rate: 2 } } layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'y' }",
         "1x3x8x112x112"},
        {"layer { name: 'd' type: 'VideoData' top: 'data' video_data_param { new_length: 4 new_height: 12 "
         "new_width: 17 } "
         "} layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'y' }",
         "1x3x4x12x17"},
        {"layers { name: 'd' type: VIDEO_DATA top: 'data' top: 'label' image_data_param { crop_size: 10 "
         "new_length: 16 "
         "use_image: true } } layers { name: 'r' type: RELU bottom: 'data' top: 'y' }",
         "1x3x16x10x10"},
    };
    struct caffe_net net;
    char text[128];
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        caffe_net_random(&net, cases[i].layer);
        assert_int_equal(net.graph->n_inputs, 1);
        assert_int_equal(net.graph->n_outputs, 1);
        assert_string_equal(caffe_net_shape(&net, "data", text), cases[i].shape);
        caffe_net_free(&net);
    }
    caffe_net_import(
        &net,
        "layer { name: 'd' type: 'VideoData' top: 'x' video_data_param { new_length: 4 } } "
        "layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'y' }",
        NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_SHAPE, "input 'x'", "open", NULL);
    caffe_net_free(&net);
}

/* --- SSD --- */

static void normalizes(void **state)
{
    static const float x[] = {3, 6, 4, 8}, scale[] = {10, 20}, shared[] = {5};
    static const float pixels[] = {6, 6, 16, 16};
    const float all[] = {15 / sqrtf(125), 30 / sqrtf(125), 20 / sqrtf(125), 40 / sqrtf(125)};
    struct caffe_blobs layer = {.name = "n", .n_blobs = 1, .blob = {{1, {2}, scale}}};
    size_t n;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    (void)state;
    check_run(
        "input: 'x' input_shape { dim: [1, 2, 1, 2] } layer { name: 'n' type: 'Normalize' bottom: 'x' top: "
        "'y' "
        "norm_param { across_spatial: false scale_filler { type: 'constant' value: 20 } channel_shared: "
        "false } }",
        weights, n, x, pixels, 4);
    free(weights);
    layer.blob[0] = (struct caffe_blob){1, {1}, shared};
    weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    check_run(
        "input: 'x' input_shape { dim: [1, 2, 1, 2] } layer { name: 'n' type: 'Normalize' bottom: 'x' top: "
        "'y' }",
        weights, n, x, all, 4);
    free(weights);
}

static void prior_boxes(void **state)
{
    struct caffe_net net;
    (void)state;
    caffe_net_random(
        &net,
        "input: 'x' input_shape { dim: [1, 3, 8, 8] } layer { name: 'p' type: 'PriorBox' bottom: 'x' bottom: "
        "'x' "
        "top: 'y' prior_box_param { min_size: 30 max_size: 60 aspect_ratio: 2 aspect_ratio: 1 aspect_ratio: "
        "2 "
        "aspect_ratio: 0.5 flip: true clip: true variance: [0.1, 0.2, 0.3, 0.4] step: 8 offset: 0.25 } }");
    const struct tf2_prior_box_attr *a = caffe_net_node(&net, TF2_OP_PRIOR_BOX)->attr;
    assert_int_equal(a->n_sizes, 1);
    assert_int_equal(a->n_max_sizes, 1);
    assert_true(a->min_size[0] == 30 && a->max_size[0] == 60);
    assert_int_equal(a->n_ratios, 2); /* what is there already is left out */
    assert_true(a->ratio[0] == 2 && a->ratio[1] == 0.5f);
    assert_true(a->variance[0] == 0.1f && a->variance[3] == 0.4f);
    assert_true(a->clip && a->step_height == 8 && a->step_width == 8 && a->offset == 0.25f);
    assert_int_equal(a->image_height, 0);
    caffe_net_free(&net);

    caffe_net_random(
        &net, "input: 'x' input_shape { dim: [1, 3, 8, 8] } layer { name: 'p' type: 'PriorBox' bottom: 'x' "
              "bottom: 'x' "
              "top: 'y' prior_box_param { min_size: 30 min_size: 40 aspect_ratio: 3 flip: false variance: "
              "0.25 img_h: 5 "
              "img_w: 7 step_h: 2 step_w: 3 } }");
    a = caffe_net_node(&net, TF2_OP_PRIOR_BOX)->attr;
    assert_int_equal(a->n_sizes, 2);
    assert_int_equal(a->n_max_sizes, 0);
    assert_int_equal(a->n_ratios, 1);
    assert_true(a->variance[0] == 0.25f && a->variance[3] == 0.25f && !a->clip && a->offset == 0.5f);
    assert_true(a->image_height == 5 && a->image_width == 7 && a->step_height == 2 && a->step_width == 3);
    caffe_net_free(&net);

    caffe_net_random(
        &net, "input: 'x' input_shape { dim: [1, 3, 8, 8] } layer { name: 'p' type: 'PriorBox' bottom: 'x' "
              "bottom: 'x' "
              "top: 'y' prior_box_param { min_size: 30 img_size: 9 } }");
    a = caffe_net_node(&net, TF2_OP_PRIOR_BOX)->attr;
    assert_true(
        a->variance[0] == 0.1f && a->variance[3] == 0.1f && a->image_height == 9 && a->image_width == 9);
    caffe_net_free(&net);
}

#define DETECTION                                                                                            \
    "input: 'loc' input: 'conf' input: 'prior' input_shape { dim: [1, 8] } input_shape { dim: [1, 6] } "     \
    "input_shape { dim: [1, 2, 8] } layer { name: 'layer' type: 'DetectionOutput' bottom: 'loc' bottom: "    \
    "'conf' "                                                                                                \
    "bottom: 'prior' top: 'y' "

static void detection_outputs(void **state)
{
    struct caffe_net net;
    char text[128];
    (void)state;
    caffe_net_random(
        &net, DETECTION
        "detection_output_param { num_classes: 3 share_location: true background_label_id: 1 nms_param { "
        "nms_threshold: 0.45 top_k: 400 eta: 0.75 } save_output_param { output_directory: 'x' } code_type: "
        "CENTER_SIZE keep_top_k: 200 variance_encoded_in_target: true confidence_threshold: 0.01 } }");
    const struct tf2_detection_attr *a = caffe_net_node(&net, TF2_OP_DETECTION_OUTPUT)->attr;
    assert_int_equal(a->n_classes, 3);
    assert_int_equal(a->background, 1);
    assert_int_equal(a->code, TF2_BOX_CENTER_SIZE);
    assert_true(!a->boxes_per_class && a->variance_in_offsets && a->confidence == 0.01f);
    assert_true(a->nms_threshold == 0.45f && a->nms_eta == 0.75f && a->top_k == 400 && a->keep_top_k == 200);
    assert_string_equal(caffe_net_shape(&net, "layer", text), "1x1x200x7");
    caffe_net_free(&net);

    caffe_net_random(&net, DETECTION "detection_output_param { num_classes: 3 } }");
    a = caffe_net_node(&net, TF2_OP_DETECTION_OUTPUT)->attr;
    assert_int_equal(a->background, 0);
    assert_int_equal(a->code, TF2_BOX_CORNER);
    assert_true(!a->boxes_per_class && !a->variance_in_offsets && a->confidence == -FLT_MAX);
    assert_true(a->nms_threshold == 0.3f && a->nms_eta == 1 && a->top_k == 0 && a->keep_top_k == 0);
    assert_string_equal(caffe_net_shape(&net, "layer", text), "1x1x4x7"); /* two boxes of two classes */
    caffe_net_free(&net);
}

/* --- refused --- */

#define VIDEO(layer)                                                                                         \
    "input: 'x' input_shape { dim: [1, 1, 4, 4, 4] } layer { name: 'layer' bottom: 'x' top: 'y' " layer
#define IMAGE(layer)                                                                                         \
    "input: 'x' input_shape { dim: [1, 2, 4, 4] } layer { name: 'layer' bottom: 'x' top: 'y' " layer

static const struct refused_case {
    const char *text, *words;
} refused_cases[] = {
    {IMAGE("type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_size: 1 kernel_depth: 1 } }"),
     "wanted time, height and width"},
    {VIDEO("type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_size: 1 } }"),
     "kernel_size is 0"},
    {VIDEO(
         "type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_size: [1, 2] kernel_depth: 1 } }"),
     "more than one kernel_size"},
    {VIDEO("type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_h: 1 kernel_w: 1 kernel_depth: "
           "1 } }"),
     "more than one kernel_size"},
    {VIDEO("type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_size: 1 kernel_depth: 1 stride: "
           "0 } }"),
     "stride is 0"},
    {VIDEO("type: 'Convolution3D' convolution3d_param { num_output: 1 kernel_size: 1 kernel_depth: "
           "4000000000 } }"),
     "4000000000"},
    {VIDEO(
         "type: 'Convolution3D' convolution3d_param { num_output: 1 } convolution_param { num_output: 1 } }"),
     "both convolution3d_param"},
    {VIDEO("type: 'Convolution' convolution_param { num_output: 1 kernel_size: 1 kernel_depth: 1 } }"),
     "3D layers only"},
    {IMAGE("type: 'Pooling' pooling_param { kernel_size: 1 temporal_stride: 1 } }"), "3D layers only"},
    {IMAGE("type: 'Pooling3D' pooling3d_param { kernel_size: 1 kernel_depth: 1 } }"), "wanted N, C, L, H, W"},
    {VIDEO("type: 'Pooling3D' pooling3d_param { kernel_size: 1 kernel_depth: 1 temporal_stride: 4 } }"),
     "starts behind"},
    {VIDEO("type: 'Pooling3D' pooling3d_param { kernel_size: 1 } pooling_param { kernel_size: 1 } }"),
     "both pooling3d_param"},
    {IMAGE("type: 'Deconvolution' convolution_param { num_output: 1 kernel_size: 1 pad: 2 } }"),
     "leaves nothing"},
    {IMAGE("type: 'Deconvolution' convolution_param { num_output: 3 kernel_size: 1 group: 2 } }"), "group 2"},
    {IMAGE("type: 'Deconvolution' convolution_param { num_output: 1 kernel_size: 100000 stride: 100000 } }"),
     "product below 2^31"},
    {IMAGE("type: 'Normalize' norm_param { eps: -1 } }"), "epsilon is -1"},
    {"input: 'x' input_shape { dim: 4 } layer { name: 'layer' bottom: 'x' top: 'y' type: 'Normalize' }",
     "input of 1 dimensions"},
    {IMAGE("type: 'PriorBox' prior_box_param { min_size: 3 } }"), "1 bottoms, wanted 2"},
    {IMAGE("type: 'PriorBox' bottom: 'x' }"), "no min_size"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: -3 } }"), "min_size 0 is -3"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 max_size: 2 } }"),
     "wanted more than min_size"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 aspect_ratio: 0 } }"),
     "aspect_ratio 0 is 0"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 variance: [1, 2] } }"), "2 variances"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 variance: 0 } }"), "variance 0 is 0"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 img_h: 3 } }"),
     "both img_h and img_w"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 step: 3 step_w: 3 step_h: 3 } }"),
     "wanted step"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 img_size: 4000000000 } }"),
     "4000000000"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: 3 aspect_ratio: [2, 3, 4, 5, 6, 7, 8, "
           "9, 10] } }"),
     "more than 16 aspect ratios"},
    {IMAGE("type: 'PriorBox' bottom: 'x' prior_box_param { min_size: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "
           "13, 14, 15, "
           "16, 17] } }"),
     "17 values of min_size"},
    {DETECTION "}", "num_classes is 0"},
    {DETECTION "detection_output_param { num_classes: 4 } }", "scores 1x6"},
    {DETECTION "detection_output_param { num_classes: 3 share_location: false } }", "offsets 1x8"},
    {DETECTION "detection_output_param { num_classes: 3 keep_top_k: 0 } }", "keep_top_k is 0"},
    {DETECTION "detection_output_param { num_classes: 3 nms_param { top_k: -2 } } }", "top_k is -2"},
    {DETECTION "detection_output_param { num_classes: 3 nms_param { eta: 0 } } }", "eta is 0"},
    {DETECTION "detection_output_param { num_classes: 3 nms_param { nms_threshold: nan } } }",
     "nms_threshold is"},
    {DETECTION "detection_output_param { num_classes: 3 code_type: POLAR } }", "code_type cannot be 'POLAR'"},
    {DETECTION "detection_output_param { num_classes: 3 visualize: true } }", "unknown field 'visualize'"},
};

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(refused_cases); i++) {
        const struct tf2_import_options options = {.random_weights_seed = 1};
        struct caffe_net net;
        caffe_net_import(&net, refused_cases[i].text, NULL, 0, &options);
        if (net.status == TF2_OK || !strstr(net.error.message, refused_cases[i].words) ||
            !strstr(net.error.message, "line 1"))
            fail_msg("%s\n%s: %s", refused_cases[i].text, tf2_status_name(net.status), net.error.message);
        caffe_net_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolves_videos),
        cmocka_unit_test(pads_time_apart),
        cmocka_unit_test(pools_videos),
        cmocka_unit_test(videos_are_inputs),
        cmocka_unit_test(weights_of_videos),
        cmocka_unit_test(normalizes),
        cmocka_unit_test(prior_boxes),
        cmocka_unit_test(detection_outputs),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
