/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cli.c: the programs, as a user starts them: exit status, messages, text, JSON and files.
 *
 * Tests that need ../shared (or TF2_SHARED) are skipped without it; test_bench.c has tf2-bench.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tf2/image.h>

static void test_help_and_version(void **state)
{
    static const char *const programs[][2] = {
        {"TF2_RUN", "tf2-run"},
        {"TF2_BENCH", "tf2-bench"},
        {"TF2_INFO", "tf2-info"},
        {"TF2_CONVERT", "tf2-convert"},
        {"TF2_FACES", "tf2-faces"}};
    char wanted[128];
    (void)state;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        WORKS(programs[i][0], "--help");
        snprintf(wanted, sizeof(wanted), "Usage: %s ", programs[i][1]);
        assert_non_null(strstr(out_text, wanted));
        assert_string_equal(err_text, "");
        WORKS(programs[i][0], "--version");
        snprintf(wanted, sizeof(wanted), "%s (libtf2) ", programs[i][1]);
        assert_non_null(strstr(out_text, wanted));
        FAILS(programs[i][0], programs[i][1], 2, "--nonsense", "--nonsense");
        FAILS(programs[i][0], programs[i][1], 2, "-x", "-x");
        FAILS(programs[i][0], programs[i][1], 2, "--help=1 takes no value", "--help=1");
        FAILS(programs[i][0], programs[i][1], 2, "--devices needs a value", "--devices");
    }
}

static void test_run_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_RUN", NULL), 2);
    assert_message("tf2-run", "no MODEL");
    FAILS("TF2_RUN", "tf2-run", 2, "no INPUT", "x.onnx");
    FAILS("TF2_RUN", "tf2-run", 2, "no INPUT", "x.prototxt", "x.caffemodel");
    FAILS("TF2_RUN", "tf2-run", 2, "--top 0", "--top", "0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--top 5x", "--top", "5x", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--mean 1,,2", "--mean", "1,,2", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--scale 0", "--scale", "0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "rgb or bgr", "--channels", "grb", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "NAME:SHAPE", "--input", "data:1,0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "placement \"both\" is not known", digits(), "--placement", "both");
    FAILS("TF2_RUN", "tf2-run", 2, "--crop", "--crop=1", "x.onnx", "x.png");
}

/* A pipe that nobody writes to must not be waited for. */
static void test_no_files(void **state)
{
    (void)state;
    const char *pipe = at_work("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    FAILS("TF2_RUN", "tf2-run", 1, "pipe: not a regular file", pipe, "x.png");
    FAILS("TF2_RUN", "tf2-run", 1, "pipe: not a regular file", digits(), pipe);
    FAILS("TF2_INFO", "tf2-info", 1, "pipe: not a regular file", pipe);
    FAILS("TF2_BENCH", "tf2-bench", 1, "pipe: not a regular file", pipe);
    FAILS(
        "TF2_RUN", "tf2-run", 1, "/dev/zero: labels", digits(),
        source("models/digits/samples/sample_00_label_6.png"), "--labels", "/dev/zero");
}

static void test_run_failures(void **state)
{
    const char *image = source("models/digits/samples/sample_00_label_6.png");
    const char *text = at_work("text.png");
    (void)state;
    write_file(text, "no image\n", 9);
    mkdir(at_work("empty"), 0700);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent.onnx", "/nonexistent.onnx", image);
    FAILS("TF2_RUN", "tf2-run", 1, "text.png: ", text, image);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent.png: cannot open", digits(), "/nonexistent.png");
    FAILS("TF2_RUN", "tf2-run", 1, "text.png: not a JPEG, PNG, BMP or PPM", digits(), text);
    FAILS("TF2_RUN", "tf2-run", 1, "empty: no .jpg", digits(), at_work("empty"));
    FAILS(
        "TF2_RUN", "tf2-run", 1, "shape 360x10 does not fit input image, wanted Nx1x8x8", digits(),
        source("models/digits/reference_prob.npy"));
    FAILS("TF2_RUN", "tf2-run", 1, "--mean has numbers for 3", "--mean", "1,2,3", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "labels cannot be read", "--labels", "/nonexistent", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "1 labels, the model's output has 10", "--labels", text, digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "cl:99", "--devices", "cl:99", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "nothing", "--output", "nothing", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent/x.json", "--json", "/nonexistent/x.json", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "not a directory", "--npy-out", text, digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "would both be written as", "--npy-out", work_dir, digits(), image, image);
}

static void test_run_text(void **state)
{
    char named[1200];
    (void)state;
    WORKS(
        "TF2_RUN", digits(), source("models/digits/samples/sample_00_label_6.png"), "--labels",
        source("models/digits/labels.txt"), "--top", "2");
    assert_non_null(strstr(out_text, "sample_00_label_6.png\n    1"));
    assert_non_null(strstr(out_text, "\n    2"));
    assert_null(strstr(out_text, "\n    3"));
    /* No label file: the same, without names; and the input's name may be told. */
    snprintf(named, sizeof(named), "image=%s", source("models/digits/samples/sample_00_label_6.png"));
    WORKS("TF2_RUN", digits(), named);
    assert_non_null(strstr(out_text, "sample_00_label_6.png\n    1"));
    assert_non_null(strstr(out_text, "\n    5"));
}

/* The whole directory in several ways: sample_NN_label_D.png. */
static void check_samples(const char *devices, const char *batch, const char *placement)
{
    const char *json = at_work("samples.json");
    WORKS(
        "TF2_RUN", digits(), source("models/digits/samples"), "--labels", source("models/digits/labels.txt"),
        "--json", json, "--devices", devices, "--batch", batch, "--placement", placement);
    json_t *root = load_json(json);
    const json_t *results = list(root, "results");
    assert_string_equal(string(root, "model"), digits());
    assert_int_equal(json_array_size(results), 12);
    int n_right = 0;
    for (size_t i = 0; i < 12; i++) {
        const json_t *result = json_array_get(results, i);
        const json_t *output = json_array_get(list(result, "outputs"), 0);
        const json_t *top = json_array_get(list(output, "top"), 0);
        const char *label = strstr(string(result, "input"), "_label_") + strlen("_label_");
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "sample_%02zu_label_", i);
        assert_non_null(strstr(string(result, "input"), wanted));
        assert_string_equal(string(output, "name"), "prob");
        assert_int_equal(json_array_size(list(output, "shape")), 2);
        assert_int_equal(json_array_size(list(output, "top")), 5);
        assert_true(number(top, "score") > 0.2);
        n_right += string(top, "label")[0] == label[0] && number(top, "index") == label[0] - '0';
    }
    assert_true(n_right >= 11);
    json_decref(root);
}

static void test_run_directory(void **state)
{
    (void)state;
    check_samples("host", "1", "replicate");
    check_samples("all", "1", "replicate");
    check_samples("all", "5", "replicate");
    check_samples("1,host", "1", "pipeline");
    check_samples("all", "5", "auto");
}

/* A uint8 .npy of 360 items, alone and in batches that do not divide it. */
static void test_run_npy(void **state)
{
    static const char *const batches[] = {"1", "7"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        WORKS(
            "TF2_RUN", digits(), source("models/digits/heldout_images.npy"), "--npy-out", at_work("npy"),
            "--json", "-", "--batch", batches[i]);
        compare_arrays(
            at_work("npy/heldout_images.prob.npy"), source("models/digits/reference_prob.npy"), 1e-5f);
        json_t *root = json_loads(out_text, 0, NULL);
        assert_non_null(root);
        assert_int_equal(json_array_size(list(root, "results")), 360);
        const json_t *last = json_array_get(list(root, "results"), 359);
        assert_non_null(strstr(string(last, "input"), "heldout_images.npy[359]"));
        json_decref(root);
        unlink(at_work("npy/heldout_images.prob.npy"));
    }
}

/* float32 goes in as it is: the same as uint8 without mean and scale; with these, uint8 changes. */
static void test_run_float_npy(void **state)
{
    struct tf2_array images;
    static float values[64];
    const struct tf2_shape shape = {4, {1, 1, 8, 8}}, item = {3, {1, 8, 8}};
    (void)state;
    assert_int_equal(tf2_npy_load(source("models/digits/heldout_images.npy"), NULL, &images, NULL), TF2_OK);
    for (size_t i = 0; i < 64; i++)
        values[i] = ((const uint8_t *)images.data)[i];
    assert_int_equal(tf2_npy_save(at_work("f32.npy"), TF2_DTYPE_F32, &shape, values, NULL), TF2_OK);
    assert_int_equal(tf2_npy_save(at_work("u8.npy"), TF2_DTYPE_U8, &item, images.data, NULL), TF2_OK);
    WORKS(
        "TF2_RUN", digits(), at_work("f32.npy"), at_work("u8.npy"), "--npy-out", at_work("npy"), "--devices",
        "1");
    compare_arrays(at_work("npy/f32.prob.npy"), at_work("npy/u8.prob.npy"), 0);
    /* (v - 0) * 0.5 of the doubled values gives them back. */
    for (size_t i = 0; i < 64; i++)
        ((uint8_t *)images.data)[i] = (uint8_t)(((uint8_t *)images.data)[i] / 2);
    assert_int_equal(tf2_npy_save(at_work("u8.npy"), TF2_DTYPE_U8, &item, images.data, NULL), TF2_OK);
    for (size_t i = 0; i < 64; i++)
        values[i] = (float)(((const uint8_t *)images.data)[i] - 3) * 2;
    assert_int_equal(tf2_npy_save(at_work("f32.npy"), TF2_DTYPE_F32, &shape, values, NULL), TF2_OK);
    WORKS(
        "TF2_RUN", digits(), at_work("f32.npy"), at_work("u8.npy"), "--npy-out", at_work("npy"), "--devices",
        "1", "--mean", "3", "--scale", "2");
    compare_arrays(at_work("npy/f32.prob.npy"), at_work("npy/u8.prob.npy"), 0);
    tf2_array_finish(&images);
}

static void test_run_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    FAILS(
        "TF2_RUN", "tf2-run", 1, "/dev/full", digits(), source("models/digits/samples/sample_00_label_6.png"),
        "--json", "/dev/full");
}

/* The published SqueezeNet on photos, against the recorded probabilities. */
static void test_run_squeezenet(void **state)
{
    const char *definition = shared("models/squeezenet_v1.1/deploy.prototxt");
    const char *weights = shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel");
    (void)state;
    if (!definition || !weights) {
        print_message("no SqueezeNet in ../shared\n");
        skip();
    }
    WORKS(
        "TF2_RUN", definition, weights, shared("images/evaluation_227/espresso.ppm"), "--mean", "104,117,123",
        "--channels", "bgr", "--labels", shared("models/labels/imagenet_synset_words.txt"), "--top", "1",
        "--npy-out", at_work("npy"));
    assert_non_null(strstr(out_text, "  967  n07920052 espresso"));
    /* The recorded input tensor gives the same as the picture that it was made of. */
    WORKS(
        "TF2_RUN", definition, weights, shared("reference/squeezenet_v1.1/input_espresso.npy"), "--npy-out",
        at_work("npy"));
    compare_arrays(at_work("npy/espresso.prob.npy"), at_work("npy/input_espresso.prob.npy"), 1e-6f);
}

static void test_info(void **state)
{
    (void)state;
    WORKS("TF2_INFO", "--json", "-", digits(), "--kernels");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    string(root, "version");
    assert_true(json_array_size(list(root, "devices")) >= 1);
    const json_t *environment = json_object_get(root, "environment");
    assert_non_null(json_object_get(environment, "TF2_DOT"));
    assert_non_null(json_object_get(environment, "POCL_DEVICES"));
    const json_t *model = json_object_get(root, "model");
    const json_t *input = json_array_get(list(model, "inputs"), 0);
    assert_string_equal(string(input, "name"), "image");
    assert_int_equal(json_array_size(list(model, "outputs")), 1);
    assert_true(number(model, "macs") == 1217536);
    assert_true(json_array_size(list(root, "steps")) > 10);
    json_decref(root);
    WORKS("TF2_INFO", "--devices", "host");
    assert_non_null(strstr(out_text, "\nhost "));
    assert_non_null(strstr(out_text, "POCL_DEVICES"));
    FAILS("TF2_INFO", "tf2-info", 1, "/nonexistent", "/nonexistent");
    FAILS("TF2_INFO", "tf2-info", 2, "need a MODEL", "--kernels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_version), cmocka_unit_test(test_run_usage),
        cmocka_unit_test(test_no_files),
        cmocka_unit_test(test_run_failures),     cmocka_unit_test(test_run_text),
        cmocka_unit_test(test_run_directory),    cmocka_unit_test(test_run_npy),
        cmocka_unit_test(test_run_float_npy),    cmocka_unit_test(test_run_full_disk),
        cmocka_unit_test(test_run_squeezenet),   cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
