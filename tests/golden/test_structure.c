/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_structure.c: well-known networks without trained weights: the OpenCL device against the host device,
 * and sizes against shapes.json. TF2_TEST_SLOW=1 also runs those whose host run takes seconds.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NMSE 1e-9

static const struct structure {
    const char *file;
    bool slow;           /* more than two seconds on the host device */
    const char *logits;  /* what goes into the softmax at the end: random weights make that 0 and 1 */
    const char *refused; /* a layer type that the message names, or NULL */
} structures[] = {
    {"MobileNetSSD_deploy.prototxt", false, NULL, "DetectionOutput"},
    {"ResNet-50-deploy.prototxt", true, "fc1000", NULL},
    {"SSD_VGG_300x300_deploy.prototxt", false, NULL, "DetectionOutput"},
    {"VGG16_deploy.prototxt", true, "fc8", NULL},
    {"bvlc_alexnet_deploy.prototxt", false, "fc8", NULL},
    {"bvlc_googlenet_deploy.prototxt", false, "loss3/classifier", NULL},
    {"bvlc_reference_caffenet_deploy.prototxt", false, "fc8", NULL},
    {"c3d_resnet18_ucf101_deploy_v1.1.prototxt", false, NULL, "Convolution3D"},
    {"c3d_sport1m_deploy_v1.0.prototxt", false, NULL, "CONVOLUTION3D"},
    {"lenet_deploy.prototxt", false, "ip2", NULL},
    {"light_bvlc_alexnet.onnx", false, "r24", NULL},
    {"light_inception_v1.onnx", false, "r143", NULL},
    {"light_resnet50.onnx", true, "r174", NULL},
    {"light_shufflenet.onnx", false, "r201", NULL},
    {"light_squeezenet.onnx", false, "r65", NULL},
    {"light_vgg19.onnx", true, "r46", NULL},
    {"mobilenet_v1_deploy.prototxt", false, "fc7", NULL},
    {"mobilenet_v2_deploy.prototxt", false, "fc7", NULL},
    {"squeezenet_v1.0_deploy.prototxt", false, "pool10", NULL},
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
    for (uint32_t d = 1; d < output.shape.n_dims; d++)
        assert_int_equal(output.shape.dim[d], json_integer_value(json_array_get(last, d)));
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
        if (structures[i].refused)
            continue;
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
    for (size_t i = 0; i < N_STRUCTURES; i++) {
        if (!structures[i].refused)
            check_sizes(&structures[i], shapes);
    }
    json_decref(shapes);
}

static void test_refused(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < N_STRUCTURES; i++) {
        struct tf2_import_options options;
        struct tf2_model *model = NULL;
        struct tf2_error error = {0};
        if (!structures[i].refused)
            continue;
        random_weights(&options);
        enum tf2_status status = tf2_model_import(
            golden_sharedf("models/structure/%s", structures[i].file), NULL, &options, &model, &error);
        if (status != TF2_ERR_UNSUPPORTED || !strstr(error.message, structures[i].refused))
            fail_msg("%s: %s: %s", structures[i].file, tf2_status_name(status), error.message);
        assert_null(model);
    }
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
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_weights_are_needed),
    };
    return golden_status(cmocka_run_group_tests_name("golden structure", tests, NULL, NULL));
}
