/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cifar.c: ResNet-20 on 100 CIFAR-10 pictures. Two ONNX files of the same network: one has shortcuts
 * with strided Slice and computed Pad, the other with MaxPool 1x1 and constant Pad.
 */
#include "golden.h"

#include <stdlib.h>

#define N_PICTURES 100
#define N_CLASSES  10
#define SIZE       32
#define N_PIXELS   ((size_t)3 * SIZE * SIZE)
#define TOLERANCE  1e-4

static const char *const files[] = {
    "models/resnet20_cifar10/resnet20.onnx", "models/resnet20_cifar10/resnet20_simple.onnx"};

static float *load_pictures(void)
{
    struct tf2_array pixels = golden_npy(
        golden_shared("images/cifar10/images_u8.npy"), TF2_DTYPE_U8, SHAPE(N_PICTURES, SIZE, SIZE, 3));
    float *values = golden_floats(N_PICTURES * N_PIXELS);
    for (size_t i = 0; i < N_PICTURES; i++)
        golden_imagenet((const uint8_t *)pixels.data + i * N_PIXELS, SIZE, SIZE, values + i * N_PIXELS);
    tf2_array_finish(&pixels);
    return values;
}

/* The classes are right as often as the reference's. */
static void check_classes(const float *logits, int64_t n)
{
    json_t *manifest = golden_json(golden_shared("reference/resnet20_cifar10/manifest.json"));
    const json_t *predictions = json_object_get(manifest, "predictions");
    for (int64_t i = 0; i < n; i++) {
        size_t wanted = (size_t)json_integer_value(json_array_get(predictions, (size_t)i));
        assert_int_equal(golden_argmax(logits + i * N_CLASSES, N_CLASSES), wanted);
    }
    json_decref(manifest);
}

static void run_file(const char *file, const char *device, int64_t batch, int64_t n)
{
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/resnet20_cifar10/logits.npy"), TF2_DTYPE_F32, SHAPE(N_PICTURES, N_CLASSES));
    float *values = load_pictures();
    float *results = golden_floats((size_t)(n * N_CLASSES));
    struct golden_net net;
    golden_import(&net, golden_shared(file), NULL, NULL);
    golden_prepare_batch(&net, device, batch);
    assert_true(tf2_shape_equal(&net.input.shape, &SHAPE(batch, 3, SIZE, SIZE)));
    golden_run_all(&net, values, n, N_CLASSES, results);
    golden_compare(file, results, wanted.data, (size_t)(n * N_CLASSES), TOLERANCE);
    check_classes(results, n);
    golden_finish(&net);
    tf2_array_finish(&wanted);
    free(values);
    free(results);
}

static void test_one_by_one(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < 2; i++)
        run_file(files[i], "cl:0", 1, N_PICTURES);
}

static void test_batches(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < 2; i++) {
        run_file(files[i], "cl:0", 4, N_PICTURES);
        run_file(files[i], "cl:0", 25, N_PICTURES);
    }
}

static void test_host(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < 2; i++)
        run_file(files[i], "host", 2, 2);
}

static void test_stored_input(void **state)
{
    struct tf2_array stored;
    float *values;
    (void)state;
    golden_need_shared();
    stored = golden_npy(
        golden_shared("reference/resnet20_cifar10/input_0.npy"), TF2_DTYPE_F32, SHAPE(1, 3, SIZE, SIZE));
    values = load_pictures();
    golden_compare("picture 0", values, stored.data, N_PIXELS, 1e-6);
    tf2_array_finish(&stored);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_input),
        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_host),
    };
    return golden_status(cmocka_run_group_tests_name("golden cifar", tests, NULL, NULL));
}
