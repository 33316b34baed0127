/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_squeezenet.c: SqueezeNet v1.1 as Caffe and as ONNX files on 25 photos: every probability and the order
 * of the best five as OpenCV has them.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PHOTOS  25
#define N_CLASSES 1000
#define SIZE      227
#define N_PIXELS  ((size_t)3 * SIZE * SIZE)

/* The allowed differences: from the reference, and between the two forms of the network. */
#define TOLERANCE 1e-4
#define BETWEEN   1e-5

static void import(struct golden_net *net, bool onnx)
{
    struct tf2_import_options options;
    tf2_import_options_defaults(&options);
    options.preprocess = (struct tf2_preprocess){TF2_CHANNELS_BGR, {104, 117, 123}, 1};
    if (onnx)
        golden_import(net, golden_shared("models/squeezenet_v1.1/squeezenet_v1.1.onnx"), NULL, &options);
    else
        golden_import(
            net, golden_shared("models/squeezenet_v1.1/deploy.prototxt"),
            golden_shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel"), &options);
}

/* The network's input for one photo, made by the library from the rule kept with the model. */
static void load_photo(const struct golden_net *net, const char *path, float *values)
{
    struct tf2_image image;
    struct tf2_error error;
    if (tf2_image_load(path, 3, NULL, &image, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_int_equal(image.width, SIZE);
    assert_int_equal(image.height, SIZE);
    tf2_image_to_tensor(&image, &net->info.preprocess, values);
    tf2_image_finish(&image);
}

/* The classes named best in the manifest, in this order. */
static void check_top5(const char *what, const json_t *entry, const float *found)
{
    float left[N_CLASSES];
    const json_t *top5 = json_object_get(entry, "top5");
    memcpy(left, found, sizeof(left));
    assert_int_equal(json_array_size(top5), 5);
    for (size_t k = 0; k < 5; k++) {
        size_t wanted = (size_t)json_integer_value(json_object_get(json_array_get(top5, k), "index"));
        size_t best = golden_argmax(left, N_CLASSES);
        if (best != wanted)
            fail_msg(
                "%s: place %zu is class %zu (%.7f), wanted %zu (%.7f)", what, k + 1, best,
                (double)found[best], wanted, (double)found[wanted]);
        left[best] = -1;
    }
}

/* The first n photos of the manifest, one at a time; results: n x 1000. */
static void run_photos(struct golden_net *net, const char *what, size_t n, float *results)
{
    json_t *manifest = golden_json(golden_shared("reference/squeezenet_v1.1/manifest.json"));
    const json_t *entries = json_object_get(manifest, "entries");
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/squeezenet_v1.1/prob.npy"), TF2_DTYPE_F32, SHAPE(N_PHOTOS, N_CLASSES));
    float *values = golden_floats(N_PIXELS);
    assert_int_equal(json_array_size(entries), N_PHOTOS);
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(entries, i);
        const char *name = json_string_value(json_object_get(entry, "image"));
        char label[256];
        snprintf(label, sizeof(label), "%s, %s", what, name);
        load_photo(net, golden_shared(name), values);
        golden_run(net, values);
        check_top5(label, entry, net->output[0]);
        memcpy(results + i * N_CLASSES, net->output[0], N_CLASSES * sizeof(float));
    }
    golden_compare(what, results, wanted.data, n * N_CLASSES, TOLERANCE);
    free(values);
    tf2_array_finish(&wanted);
    json_decref(manifest);
}

static void check_shapes(const struct golden_net *net, const char *output, struct tf2_shape output_shape)
{
    assert_string_equal(net->input.name, "data");
    assert_true(tf2_shape_equal(&net->input.shape, &SHAPE(1, 3, SIZE, SIZE)));
    golden_output(net, output, output_shape);
}

static void test_both_forms(void **state)
{
    struct golden_net caffe, onnx;
    float *from_caffe, *from_onnx;
    (void)state;
    golden_need_shared();
    from_caffe = golden_floats((size_t)N_PHOTOS * N_CLASSES);
    from_onnx = golden_floats((size_t)N_PHOTOS * N_CLASSES);
    import(&caffe, false);
    golden_prepare(&caffe, "cl:0", NULL);
    check_shapes(&caffe, "prob", caffe.output_info[0].shape);
    assert_int_equal(tf2_shape_count(&caffe.output_info[0].shape), N_CLASSES);
    run_photos(&caffe, "Caffe form, cl:0", N_PHOTOS, from_caffe);
    import(&onnx, true);
    golden_prepare(&onnx, "cl:0", NULL);
    check_shapes(&onnx, NULL, onnx.output_info[0].shape);
    run_photos(&onnx, "ONNX form, cl:0", N_PHOTOS, from_onnx);
    golden_compare(
        "Caffe form and ONNX form, cl:0", from_onnx, from_caffe, (size_t)N_PHOTOS * N_CLASSES, BETWEEN);
    golden_finish(&caffe);
    golden_finish(&onnx);
    free(from_caffe);
    free(from_onnx);
}

static void test_host(void **state)
{
    float results[2 * N_CLASSES];
    (void)state;
    golden_need_shared();
    for (int form = 0; form < 2; form++) {
        struct golden_net net;
        import(&net, form == 1);
        golden_prepare(&net, "host", NULL);
        run_photos(&net, form ? "ONNX form, host" : "Caffe form, host", 2, results);
        golden_finish(&net);
    }
}

/* The entry of the manifest for a photo. */
static size_t entry_of(const char *photo)
{
    json_t *manifest = golden_json(golden_shared("reference/squeezenet_v1.1/manifest.json"));
    const json_t *entries = json_object_get(manifest, "entries");
    char path[128];
    size_t i;
    snprintf(path, sizeof(path), "images/evaluation_227/%s.ppm", photo);
    for (i = 0; i < json_array_size(entries); i++) {
        if (strcmp(json_string_value(json_object_get(json_array_get(entries, i), "image")), path) == 0)
            break;
    }
    assert_in_range(i, 0, N_PHOTOS - 1);
    json_decref(manifest);
    return i;
}

/* The stored tensors are what the library makes of the photos, and give the same probabilities. */
static void test_stored_inputs(void **state)
{
    static const char *const photos[] = {"cat", "espresso", "macaw"};
    struct golden_net net;
    struct tf2_array wanted;
    float *values;
    (void)state;
    golden_need_shared();
    wanted = golden_npy(
        golden_shared("reference/squeezenet_v1.1/prob.npy"), TF2_DTYPE_F32, SHAPE(N_PHOTOS, N_CLASSES));
    values = golden_floats(N_PIXELS);
    import(&net, false);
    golden_prepare(&net, "cl:0", NULL);
    for (size_t i = 0; i < 3; i++) {
        struct tf2_array input = golden_npy(
            golden_sharedf("reference/squeezenet_v1.1/input_%s.npy", photos[i]), TF2_DTYPE_F32,
            SHAPE(1, 3, SIZE, SIZE));
        load_photo(&net, golden_sharedf("images/evaluation_227/%s.ppm", photos[i]), values);
        golden_compare(photos[i], values, input.data, N_PIXELS, 0);
        golden_run(&net, input.data);
        golden_compare(
            photos[i], net.output[0], (const float *)wanted.data + entry_of(photos[i]) * N_CLASSES, N_CLASSES,
            TOLERANCE);
        tf2_array_finish(&input);
    }
    golden_finish(&net);
    tf2_array_finish(&wanted);
    free(values);
}

/* Five at a time give what one at a time gives. */
static void test_batch(void **state)
{
    struct golden_net net;
    struct tf2_array wanted;
    json_t *manifest;
    float *values, *results;
    (void)state;
    golden_need_shared();
    manifest = golden_json(golden_shared("reference/squeezenet_v1.1/manifest.json"));
    wanted = golden_npy(
        golden_shared("reference/squeezenet_v1.1/prob.npy"), TF2_DTYPE_F32, SHAPE(N_PHOTOS, N_CLASSES));
    values = golden_floats(N_PHOTOS * N_PIXELS);
    results = golden_floats((size_t)2 * N_PHOTOS * N_CLASSES);
    import(&net, true);
    for (size_t i = 0; i < N_PHOTOS; i++) {
        const json_t *entry = json_array_get(json_object_get(manifest, "entries"), i);
        load_photo(
            &net, golden_shared(json_string_value(json_object_get(entry, "image"))), values + i * N_PIXELS);
    }
    for (int64_t batch = 1; batch <= 5; batch += 4) {
        float *to = batch == 1 ? results : results + N_PHOTOS * N_CLASSES;
        golden_prepare_batch(&net, "cl:0", batch);
        golden_run_all(&net, values, N_PHOTOS, N_CLASSES, to);
        golden_compare("ONNX form", to, wanted.data, (size_t)N_PHOTOS * N_CLASSES, TOLERANCE);
    }
    golden_compare(
        "batch 5 and batch 1", results + N_PHOTOS * N_CLASSES, results, (size_t)N_PHOTOS * N_CLASSES,
        BETWEEN);
    golden_finish(&net);
    tf2_array_finish(&wanted);
    json_decref(manifest);
    free(values);
    free(results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_stored_inputs),
        cmocka_unit_test(test_batch),
    };
    return golden_status(cmocka_run_group_tests_name("golden squeezenet", tests, NULL, NULL));
}
