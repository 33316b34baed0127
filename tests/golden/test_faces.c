/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faces.c: MobileFaceNet embeddings of 32 aligned faces, and which pairs they call the same person.
 */
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_FACES   32
#define N_NUMBERS 128
#define SIZE      112
#define N_PIXELS  ((size_t)3 * SIZE * SIZE)
#define TOLERANCE 1e-4

static float *load_faces(const json_t *manifest)
{
    const json_t *faces = json_object_get(manifest, "faces");
    float *values = golden_floats(N_FACES * N_PIXELS);
    assert_int_equal(json_array_size(faces), N_FACES);
    for (size_t i = 0; i < N_FACES; i++) {
        const char *name = json_string_value(json_array_get(faces, i));
        struct tf2_image image;
        struct tf2_error error;
        if (tf2_image_load(golden_sharedf("images/verification_112/%s.ppm", name), 3, NULL, &image, &error) !=
            TF2_OK)
            fail_msg("%s", error.message);
        assert_int_equal(image.width, SIZE);
        assert_int_equal(image.height, SIZE);
        golden_imagenet(image.pixels, SIZE, SIZE, values + i * N_PIXELS);
        tf2_image_finish(&image);
    }
    return values;
}

static const float *embedding_of(const json_t *manifest, const char *name, const float *embeddings)
{
    const json_t *faces = json_object_get(manifest, "faces");
    for (size_t i = 0; i < N_FACES; i++) {
        if (strcmp(json_string_value(json_array_get(faces, i)), name) == 0)
            return embeddings + i * N_NUMBERS;
    }
    fail_msg("no face %s", name);
    return NULL;
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Every pair of the manifest, its cosine, and on which side of the threshold it lies. */
static void check_pairs(const json_t *manifest, const float *embeddings)
{
    const json_t *pairs = json_object_get(manifest, "pairs");
    assert_int_equal(json_array_size(pairs), 48);
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        const float *a = embedding_of(manifest, json_string_value(json_object_get(pair, "a")), embeddings);
        const float *b = embedding_of(manifest, json_string_value(json_object_get(pair, "b")), embeddings);
        double found = cosine(a, b), wanted = json_number_value(json_object_get(pair, "cosine"));
        if (!(fabs(found - wanted) <= 1e-5) || (found > 0.34) != json_is_true(json_object_get(pair, "same")))
            fail_msg("pair %zu: cosine %.6f, wanted %.6f", i, found, wanted);
    }
}

static void run_faces(const char *device, int64_t batch, int64_t n)
{
    json_t *manifest = golden_json(golden_shared("reference/mobilefacenet/manifest.json"));
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/mobilefacenet/embeddings.npy"), TF2_DTYPE_F32, SHAPE(N_FACES, N_NUMBERS));
    float *values = load_faces(manifest);
    float *results = golden_floats((size_t)(n * N_NUMBERS));
    struct golden_net net;
    golden_import(&net, golden_shared("models/mobilefacenet/MobileFaceNet.onnx"), NULL, NULL);
    golden_prepare_batch(&net, device, batch);
    golden_output(&net, "output0", SHAPE(batch, N_NUMBERS));
    golden_run_all(&net, values, n, N_NUMBERS, results);
    golden_compare(device, results, wanted.data, (size_t)(n * N_NUMBERS), TOLERANCE);
    if (n == N_FACES)
        check_pairs(manifest, results);
    golden_finish(&net);
    tf2_array_finish(&wanted);
    json_decref(manifest);
    free(values);
    free(results);
}

static void test_one_by_one(void **state)
{
    (void)state;
    golden_need_shared();
    run_faces("cl:0", 1, N_FACES);
}

static void test_batch(void **state)
{
    (void)state;
    golden_need_shared();
    run_faces("cl:0", 8, N_FACES);
}

static void test_host(void **state)
{
    (void)state;
    golden_need_shared();
    run_faces("host", 1, 1);
}

static void test_stored_input(void **state)
{
    json_t *manifest;
    struct tf2_array stored;
    float *values;
    (void)state;
    golden_need_shared();
    manifest = golden_json(golden_shared("reference/mobilefacenet/manifest.json"));
    stored = golden_npy(
        golden_shared("reference/mobilefacenet/input_person01_a.npy"), TF2_DTYPE_F32,
        SHAPE(1, 3, SIZE, SIZE));
    values = load_faces(manifest);
    golden_compare("person01_a", values, stored.data, N_PIXELS, 1e-6);
    tf2_array_finish(&stored);
    json_decref(manifest);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_input),
        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_host),
    };
    return golden_status(cmocka_run_group_tests_name("golden faces", tests, NULL, NULL));
}
