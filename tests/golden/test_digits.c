/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_digits.c: the bundled network on its 360 held-out images and on the sample files. Never skipped: all
 * of it is in the source tree.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_IMAGES  360
#define N_CLASSES 10
#define N_PIXELS  64
#define TOLERANCE 1e-4

static const char *const sample_files[] = {
    "sample_00_label_6.png", "sample_01_label_8.png", "sample_02_label_9.png", "sample_03_label_0.png",
    "sample_04_label_3.png", "sample_05_label_6.png", "sample_06_label_9.png", "sample_07_label_5.png",
    "sample_08_label_7.png", "sample_09_label_1.png", "sample_10_label_4.png", "sample_11_label_2.png",
};

static float *load_images(void)
{
    struct tf2_array pixels =
        golden_npy(golden_source("models/digits/heldout_images.npy"), TF2_DTYPE_U8, SHAPE(N_IMAGES, 1, 8, 8));
    float *values = golden_floats((size_t)N_IMAGES * N_PIXELS);
    for (size_t i = 0; i < (size_t)N_IMAGES * N_PIXELS; i++)
        values[i] = ((const uint8_t *)pixels.data)[i];
    tf2_array_finish(&pixels);
    return values;
}

static void check_accuracy(const float *probabilities)
{
    struct tf2_array labels =
        golden_npy(golden_source("models/digits/heldout_labels.npy"), TF2_DTYPE_U8, SHAPE(N_IMAGES));
    size_t n_right = 0;
    for (size_t i = 0; i < N_IMAGES; i++)
        n_right +=
            golden_argmax(probabilities + i * N_CLASSES, N_CLASSES) == ((const uint8_t *)labels.data)[i];
    print_message("  %zu of %d right\n", n_right, N_IMAGES);
    assert_true(100 * n_right >= (size_t)97 * N_IMAGES);
    tf2_array_finish(&labels);
}

/* All held-out images; results: 360 x 10. */
static void run_heldout(const char *device, int64_t batch, float *results)
{
    struct tf2_array wanted = golden_npy(
        golden_source("models/digits/reference_prob.npy"), TF2_DTYPE_F32, SHAPE(N_IMAGES, N_CLASSES));
    float *values = load_images();
    struct golden_net net;
    char what[64];
    snprintf(what, sizeof(what), "%s, batch %d", device, (int)batch);
    golden_import(&net, golden_source("models/digits/digits.onnx"), NULL, NULL);
    golden_prepare_batch(&net, device, batch);
    assert_string_equal(net.input.name, "image");
    assert_true(tf2_shape_equal(&net.input.shape, &SHAPE(batch, 1, 8, 8)));
    golden_output(&net, "prob", SHAPE(batch, N_CLASSES));
    golden_run_all(&net, values, N_IMAGES, N_CLASSES, results);
    golden_compare(what, results, wanted.data, (size_t)N_IMAGES * N_CLASSES, TOLERANCE);
    check_accuracy(results);
    golden_finish(&net);
    tf2_array_finish(&wanted);
    free(values);
}

static void test_heldout(void **state)
{
    static float one[N_IMAGES * N_CLASSES], eight[N_IMAGES * N_CLASSES];
    (void)state;
    run_heldout("cl:0", 1, one);
    run_heldout("cl:0", 8, eight);
    golden_compare("batch 8 and batch 1", eight, one, (size_t)N_IMAGES * N_CLASSES, 1e-5);
}

static void test_host(void **state)
{
    static float results[N_IMAGES * N_CLASSES];
    (void)state;
    run_heldout("host", 1, results);
    run_heldout("host", 8, results);
}

/* Odd batches too, and one that is not a multiple of any tile. */
static void test_batches(void **state)
{
    static float results[N_IMAGES * N_CLASSES];
    static const int64_t batches[] = {2, 3, 5, 36, 120};
    (void)state;
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
        run_heldout("cl:0", batches[i], results);
}

/* The .png files, read by the library as a program would; the label is in the file's name. */
static void test_samples(void **state)
{
    struct golden_net net;
    (void)state;
    golden_import(&net, golden_source("models/digits/digits.onnx"), NULL, NULL);
    golden_prepare(&net, "cl:0", NULL);
    for (size_t i = 0; i < sizeof(sample_files) / sizeof(sample_files[0]); i++) {
        struct tf2_image image;
        struct tf2_error error;
        float values[N_PIXELS];
        char name[128];
        snprintf(name, sizeof(name), "models/digits/samples/%s", sample_files[i]);
        if (tf2_image_load(golden_source(name), 1, NULL, &image, &error) != TF2_OK)
            fail_msg("%s", error.message);
        assert_int_equal(image.width, 8);
        assert_int_equal(image.height, 8);
        tf2_image_to_tensor(&image, &net.info.preprocess, values);
        tf2_image_finish(&image);
        golden_run(&net, values);
        assert_int_equal(golden_argmax(net.output[0], N_CLASSES), strstr(name, "label_")[6] - '0');
    }
    golden_finish(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heldout),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests_name("golden digits", tests, NULL, NULL);
}
