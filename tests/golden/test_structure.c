/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_structure.c: well-known networks without trained weights: the OpenCL device against the host device,
 * and sizes against shapes.json. TF2_TEST_SLOW=1 also runs those whose host run takes seconds.
 */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NMSE 1e-9

static const struct structure {
    const char *file;
    bool slow;           /* more than two seconds on the host device */
    const char *logits;  /* what goes into the softmax at the end: random weights make that 0 and 1 */
} structures[] = {
    {"MobileNetSSD_deploy.prototxt", false, "mbox_conf"},
    {"ResNet-50-deploy.prototxt", true, "fc1000"},
    {"SSD_VGG_300x300_deploy.prototxt", true, "mbox_conf"},
    {"VGG16_deploy.prototxt", true, "fc8"},
    {"bvlc_alexnet_deploy.prototxt", false, "fc8"},
    {"bvlc_googlenet_deploy.prototxt", false, "loss3/classifier"},
    {"bvlc_reference_caffenet_deploy.prototxt", false, "fc8"},
    {"c3d_resnet18_ucf101_deploy_v1.1.prototxt", true, "fc8"},
    {"c3d_sport1m_deploy_v1.0.prototxt", true, "fc8-1"},
    {"lenet_deploy.prototxt", false, "ip2"},
    {"light_bvlc_alexnet.onnx", false, "r24"},
    {"light_inception_v1.onnx", false, "r143"},
    {"light_resnet50.onnx", true, "r174"},
    {"light_shufflenet.onnx", false, "r201"},
    {"light_squeezenet.onnx", false, "r65"},
    {"light_vgg19.onnx", true, "r46"},
    {"mobilenet_v1_deploy.prototxt", false, "fc7"},
    {"mobilenet_v2_deploy.prototxt", false, "fc7"},
    {"squeezenet_v1.0_deploy.prototxt", false, "pool10"},
};
#define N_STRUCTURES (sizeof(structures) / sizeof(structures[0]))

static void random_weights(struct tf2_import_options *options)
{
    tf2_import_options_defaults(options);
    options->random_weights_seed = 7;
}

/*
 * Multiply-accumulates and the output's shape, of the Caffe ones. Whatever batch these files have, a model is
 * made for one image.
 */
static void check_sizes(const struct structure *s, const json_t *shapes)
{
    const json_t *wanted = json_object_get(shapes, s->file), *layers, *last;
    struct tf2_import_options options;
    struct tf2_tensor_info output;
    struct golden_net net;
    if (!wanted)
        return;
    random_weights(&options);
    golden_import(&net, golden_sharedf("models/structure/%s", s->file), NULL, &options);
    assert_int_equal(net.info.n_outputs, 1);
    assert_int_equal(tf2_model_output(net.model, 0, &output), TF2_OK);
    assert_int_equal(net.info.macs, json_integer_value(json_object_get(wanted, "macs_per_image")));
    layers = json_object_get(wanted, "layers");
    last = json_object_get(json_array_get(layers, json_array_size(layers) - 1), "output");
    assert_int_equal(output.shape.n_dims, json_array_size(last));
    assert_int_equal(output.shape.dim[0], 1);
    for (uint32_t d = 1; d < output.shape.n_dims; d++) {
        const json_int_t extent = json_integer_value(json_array_get(last, d));
        if (extent != -1) /* as many rows as detections: here as many as there may be */
            assert_int_equal(output.shape.dim[d], extent);
    }
    golden_finish(&net);
}

static void run_structure(const struct structure *s)
{
    struct tf2_import_options options;
    struct golden_net net;
    float *input, *wanted;
    double nmse;
    random_weights(&options);
    options.outputs = &s->logits;
    options.n_outputs = 1;
    golden_import(&net, golden_sharedf("models/structure/%s", s->file), NULL, &options);
    golden_prepare_batch(&net, "host", 1);
    const size_t n = (size_t)tf2_shape_count(&net.output_info[0].shape);
    input = golden_random(net.n_input);
    wanted = golden_floats(n);
    golden_run(&net, input);
    memcpy(wanted, net.output[0], n * sizeof(float));
    golden_prepare_batch(&net, "cl:0", 1);
    golden_run(&net, input);
    nmse = golden_nmse(net.output[0], wanted, n);
    print_message("  %s: NMSE %.1e, allowed %.0e\n", s->file, nmse, MAX_NMSE);
    assert_true(nmse <= MAX_NMSE);
    golden_finish(&net);
    free(input);
    free(wanted);
}

static void test_devices_agree(void **state)
{
    const char *slow = getenv("TF2_TEST_SLOW");
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < N_STRUCTURES; i++) {
        if (structures[i].slow && !(slow && strcmp(slow, "1") == 0))
            print_message("  %s: left out, TF2_TEST_SLOW=1 runs it\n", structures[i].file);
        else
            run_structure(&structures[i]);
    }
}

static void test_sizes(void **state)
{
    json_t *shapes;
    (void)state;
    golden_need_shared();
    shapes = golden_json(golden_shared("models/structure/shapes.json"));
    for (size_t i = 0; i < N_STRUCTURES; i++)
        check_sizes(&structures[i], shapes);
    json_decref(shapes);
}

/* Detections of the whole network, on both devices: rows of the same classes, scores and boxes. */
static void test_detections(void **state)
{
    struct tf2_import_options options;
    struct golden_net net;
    float *input, *wanted;
    size_t n, n_found = 0;
    (void)state;
    golden_need_shared();
    random_weights(&options);
    golden_import(&net, golden_shared("models/structure/MobileNetSSD_deploy.prototxt"), NULL, &options);
    golden_prepare_batch(&net, "host", 1);
    n = (size_t)tf2_shape_count(&net.output_info[0].shape);
    input = golden_random(net.n_input);
    wanted = golden_floats(n);
    golden_run(&net, input);
    memcpy(wanted, net.output[0], n * sizeof(float));
    golden_prepare_batch(&net, "cl:0", 1);
    golden_run(&net, input);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(net.output[0][i] - wanted[i]) <= 1e-3f * (1 + fabsf(wanted[i])));
    while (n_found < n / 7 && wanted[7 * n_found] == 0)
        n_found++;
    print_message("  MobileNetSSD_deploy.prototxt: %zu detections\n", n_found);
    assert_true(n_found > 10);
    golden_finish(&net);
    free(input);
    free(wanted);
}

/* Without a seed a definition alone is an error, never a network of zeros. */
static void test_weights_are_needed(void **state)
{
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    (void)state;
    golden_need_shared();
    assert_int_not_equal(
        tf2_model_import(golden_shared("models/structure/lenet_deploy.prototxt"), NULL, NULL, &model, &error),
        TF2_OK);
    assert_non_null(strstr(error.message, "weights"));
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_agree),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_detections),
        cmocka_unit_test(test_weights_are_needed),
    };
    return golden_status(cmocka_run_group_tests_name("golden structure", tests, NULL, NULL));
}
