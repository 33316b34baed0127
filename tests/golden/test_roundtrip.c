/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_roundtrip.c: a network that this library quantized, exported as ONNX and imported again, is the same integer
 * network: equal bits, no calibration.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_IMAGES  360
#define N_CLASSES 10
#define N_PIXELS  64

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

static enum tf2_status read_sample(void *user, size_t index, float *const *inputs, struct tf2_error *error)
{
    (void)error;
    memcpy(inputs[0], (const float *)user + index * N_PIXELS, N_PIXELS * sizeof(float));
    return TF2_OK;
}

static struct tf2_model *quantize(float *images)
{
    struct tf2_devices *devices = NULL;
    struct tf2_model *model = NULL, *result = NULL;
    struct tf2_error error;
    if (tf2_model_import(golden_source("models/digits/digits.onnx"), NULL, NULL, &model, &error) != TF2_OK ||
        tf2_devices_open("cl:0", NULL, &devices, &error) != TF2_OK ||
        tf2_model_quantize(model, devices, 0, read_sample, images, 64, NULL, &result, NULL, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
    return result;
}

static void test_digits(void **state)
{
    char path[] = "/tmp/tf2-roundtrip-XXXXXX.onnx";
    const int file = mkstemps(path, 5);
    float *images = load_images(), *results[2];
    struct golden_net nets[2] = {{.model = quantize(images)}};
    struct tf2_error error;
    (void)state;
    assert_true(file >= 0);
    close(file);
    if (tf2_model_export_onnx(nets[0].model, path, &error) != TF2_OK)
        fail_msg("%s", error.message);
    golden_import(&nets[1], path, NULL, NULL);
    unlink(path);
    tf2_model_info(nets[0].model, &nets[0].info);
    assert_int_equal(nets[0].info.n_int8_nodes, nets[1].info.n_int8_nodes);
    assert_int_equal(nets[0].info.weights_bytes, nets[1].info.weights_bytes);
    for (size_t i = 0; i < 2; i++) {
        results[i] = golden_floats((size_t)N_IMAGES * N_CLASSES);
        golden_prepare_batch(&nets[i], "cl:0", 12);
        golden_run_all(&nets[i], images, N_IMAGES, N_CLASSES, results[i]);
        golden_finish(&nets[i]);
    }
    assert_memory_equal(results[0], results[1], (size_t)N_IMAGES * N_CLASSES * sizeof(float));
    free(results[0]);
    free(results[1]);
    free(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digits)};
    return golden_status(cmocka_run_group_tests_name("golden roundtrip", tests, NULL, NULL));
}
