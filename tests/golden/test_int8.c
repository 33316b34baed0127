/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_int8.c: what quantization keeps of trained networks, and that whole quantized networks give the same bits on
 * every device.
 *
 * SqueezeNet v1.1, calibrated on the calibration photos only: the same best class as float32 on the evaluation photos
 * and on 97 % of random crops of them, logits of the same direction. ResNet-20 and the bundled digits: as many right
 * as in float32.
 */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE      227
#define N_CLASSES 1000
#define N_CROPS   16
#define N_PIXELS  ((size_t)3 * SIZE * SIZE)

/* Samples in memory, one after the other. */
struct samples {
    const float *values;
    size_t n_per_sample;
};

static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    const struct samples *samples = user;
    (void)error;
    memcpy(inputs[0], samples->values + sample * samples->n_per_sample, samples->n_per_sample * sizeof(float));
    return TF2_OK;
}

static struct tf2_model *quantize(
    const struct tf2_model *model, const float *values, size_t n_per_sample, size_t n,
    const struct tf2_quantize_options *options)
{
    struct samples samples = {values, n_per_sample};
    struct tf2_devices *devices = NULL;
    struct tf2_model *result = NULL;
    struct tf2_quantize_report *report = NULL;
    struct tf2_error error = {0};
    if (tf2_devices_open("cl:0", NULL, &devices, &error) != TF2_OK ||
        tf2_model_quantize(
            model, devices, 0, read_sample, &samples, n, options, &result, &report, &error) != TF2_OK)
        fail_msg("%s", error.message);
    print_message(
        "  %zu int8 and %zu float32 nodes, calibration: SQNR %.1f dB, cosine %.5f, same class %.1f %%\n",
        report->n_int8, report->n_float, report->sqnr_db, report->cosine, report->same_class_percent);
    tf2_quantize_report_destroy(&report);
    tf2_devices_close(&devices);
    return result;
}

/* A session on one device of `spec`; outputs of n items, one at a time or `batch` at once. */
static void run(
    const struct tf2_model *model, const char *spec, size_t device, int64_t batch, const float *items, size_t n,
    size_t n_in, float *results, size_t n_out, size_t weight_budget_bytes)
{
    const struct tf2_session_options options = {.batch = batch, .weight_budget_bytes = weight_budget_bytes};
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    if (tf2_devices_open(spec, NULL, &devices, &error) != TF2_OK ||
        tf2_session_create(model, devices, device, &options, &session, &error) != TF2_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < n; i += (size_t)batch) {
        const void *inputs[] = {items + i * n_in};
        void *outputs[GOLDEN_MAX_OUTPUTS] = {results + i * n_out};
        if (tf2_session_run(session, inputs, outputs, &error) != TF2_OK)
            fail_msg("%s", error.message);
    }
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* --- SqueezeNet --- */

/* The numbers before the softmax. */
static struct tf2_model *import_squeezenet(void)
{
    static const char *const outputs[] = {"pool10"};
    const struct tf2_import_options options = {
        .preprocess = {TF2_CHANNELS_BGR, {104, 117, 123}, 1}, .outputs = outputs, .n_outputs = 1};
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    if (tf2_model_import(
            golden_shared("models/squeezenet_v1.1/deploy.prototxt"),
            golden_shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel"), &options, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of a folder, sorted. */
static size_t list(const char *folder, char **paths, size_t max)
{
    DIR *dir = opendir(folder);
    size_t n = 0;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry && n < max; entry = readdir(dir)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        paths[n++] = strdup(path);
    }
    closedir(dir);
    qsort(paths, n, sizeof(*paths), by_name);
    return n;
}

static void load(const char *path, struct tf2_image *image)
{
    struct tf2_error error = {0};
    if (tf2_image_load(path, 3, NULL, image, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

static float *load_folder(const struct tf2_model *model, const char *folder, int32_t size, size_t *n)
{
    char *paths[64];
    struct tf2_model_info info;
    const size_t n_pixels = (size_t)3 * (size_t)size * (size_t)size;
    tf2_model_info(model, &info);
    *n = list(golden_shared(folder), paths, 64);
    float *values = golden_floats(*n * n_pixels);
    for (size_t i = 0; i < *n; i++) {
        struct tf2_image file, image;
        load(paths[i], &file);
        assert_int_equal(tf2_image_resize(&file, size, size, TF2_FIT_STRETCH, &image, NULL), TF2_OK);
        tf2_image_to_tensor(&image, &info.preprocess, values + i * n_pixels);
        tf2_image_finish(&image);
        tf2_image_finish(&file);
        free(paths[i]);
    }
    return values;
}

/* A number in [0, 1) that depends on the seed only (splitmix64). */
static double draw(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

/* A part of 0.7 to 1 of each side, anywhere. */
static void crop(const struct tf2_image *file, uint64_t *seed, const struct tf2_preprocess *preprocess, float *values)
{
    int32_t width = (int32_t)(file->width * (0.7 + 0.3 * draw(seed)));
    int32_t height = (int32_t)(file->height * (0.7 + 0.3 * draw(seed)));
    int32_t left = (int32_t)((file->width - width + 1) * draw(seed));
    int32_t top = (int32_t)((file->height - height + 1) * draw(seed));
    struct tf2_image part = {.width = width, .height = height, .channels = 3}, image;
    part.pixels = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(part.pixels);
    for (int32_t y = 0; y < height; y++)
        memcpy(
            part.pixels + (size_t)y * (size_t)width * 3,
            file->pixels + ((size_t)(top + y) * (size_t)file->width + (size_t)left) * 3, (size_t)width * 3);
    assert_int_equal(tf2_image_resize(&part, SIZE, SIZE, TF2_FIT_STRETCH, &image, NULL), TF2_OK);
    tf2_image_to_tensor(&image, preprocess, values);
    tf2_image_finish(&image);
    free(part.pixels);
}

static size_t compare_classes(const float *found, const float *wanted, size_t n, double *least, double *mean)
{
    size_t n_same = 0;
    *least = 1;
    *mean = 0;
    for (size_t i = 0; i < n; i++) {
        const float *f = found + i * N_CLASSES, *w = wanted + i * N_CLASSES;
        double c = cosine(f, w, N_CLASSES);
        n_same += golden_argmax(f, N_CLASSES) == golden_argmax(w, N_CLASSES);
        *least = fmin(*least, c);
        *mean += c / (double)n;
    }
    return n_same;
}

static void check_photos(const struct tf2_model *fp32, const struct tf2_model *int8)
{
    double least, mean;
    size_t n;
    float *photos = load_folder(fp32, "images/evaluation_227", SIZE, &n);
    float *wanted = golden_floats(n * N_CLASSES), *found = golden_floats(n * N_CLASSES);
    run(fp32, "cl:0", 0, 1, photos, n, N_PIXELS, wanted, N_CLASSES, 0);
    run(int8, "cl:0", 0, 1, photos, n, N_PIXELS, found, N_CLASSES, 0);
    size_t n_same = compare_classes(found, wanted, n, &least, &mean);
    print_message("  photos: same class %zu of %zu, cosine of logits %.5f (least %.5f)\n", n_same, n, mean, least);
    assert_int_equal(n, 25);
    assert_int_equal(n_same, n);
    assert_true(mean >= 0.9995);
    free(found);
    free(wanted);
    free(photos);
}

static void check_crops(const struct tf2_model *fp32, const struct tf2_model *int8)
{
    char *paths[64];
    struct tf2_model_info info;
    double least, mean;
    uint64_t seed = 1;
    size_t n_photos = list(golden_shared("images/evaluation"), paths, 64), n = n_photos * N_CROPS;
    float *values = golden_floats(n * N_PIXELS);
    float *wanted = golden_floats(n * N_CLASSES), *found = golden_floats(n * N_CLASSES);
    tf2_model_info(fp32, &info);
    for (size_t i = 0; i < n_photos; i++) {
        struct tf2_image file;
        load(paths[i], &file);
        for (size_t k = 0; k < N_CROPS; k++)
            crop(&file, &seed, &info.preprocess, values + (i * N_CROPS + k) * N_PIXELS);
        tf2_image_finish(&file);
        free(paths[i]);
    }
    run(fp32, "cl:0", 0, 1, values, n, N_PIXELS, wanted, N_CLASSES, 0);
    run(int8, "cl:0", 0, 1, values, n, N_PIXELS, found, N_CLASSES, 0);
    size_t n_same = compare_classes(found, wanted, n, &least, &mean);
    print_message(
        "  crops: same class %zu of %zu (%.2f %%), cosine of logits %.5f (least %.5f)\n", n_same, n,
        100.0 * (double)n_same / (double)n, mean, least);
    assert_true(n_same * 100 >= n * 97);
    assert_true(mean >= 0.9995);
    free(found);
    free(wanted);
    free(values);
}

/* Host and OpenCL, alone, two at once, eight together. */
static void check_same_bits(const struct tf2_model *int8, const float *items, size_t n_in, size_t n_out)
{
    const size_t n = 8;
    struct tf2_model_info info;
    float *wanted = golden_floats(n * n_out), *found = golden_floats(n * n_out);
    run(int8, "host", 0, 1, items, 2, n_in, wanted, n_out, 0);
    run(int8, "cl:0", 0, 1, items, n, n_in, found, n_out, 0);
    assert_memory_equal(found, wanted, 2 * n_out * sizeof(float));
    run(int8, "2", 1, 1, items, n, n_in, wanted, n_out, 0);
    assert_memory_equal(found, wanted, n * n_out * sizeof(float));
    run(int8, "cl:0", 0, 8, items, n, n_in, wanted, n_out, 0);
    assert_memory_equal(found, wanted, n * n_out * sizeof(float));
    /* Most of the weights streamed; small networks need almost all for two blocks. */
    tf2_model_info(int8, &info);
    const size_t budget = info.weights_bytes > 1000000 ? info.weights_bytes / 4 : info.weights_bytes / 10 * 9;
    run(int8, "cl:0", 0, 1, items, n, n_in, wanted, n_out, budget);
    assert_memory_equal(found, wanted, n * n_out * sizeof(float));
    free(found);
    free(wanted);
}

static void test_squeezenet(void **state)
{
    size_t n;
    (void)state;
    golden_need_shared();
    struct tf2_model *fp32 = import_squeezenet();
    float *photos = load_folder(fp32, "images/calibration_227", SIZE, &n);
    struct tf2_model *int8 = quantize(fp32, photos, N_PIXELS, n, NULL);
    check_photos(fp32, int8);
    check_crops(fp32, int8);
    check_same_bits(int8, photos, N_PIXELS, N_CLASSES);
    tf2_model_destroy(&int8);
    tf2_model_destroy(&fp32);
    free(photos);
}

/* --- ResNet-20 on CIFAR-10, calibrated on other photos made small --- */

static size_t count_right(const float *logits, const uint8_t *labels, size_t n)
{
    size_t n_right = 0;
    for (size_t i = 0; i < n; i++)
        n_right += golden_argmax(logits + 10 * i, 10) == labels[i];
    return n_right;
}

static void test_resnet20(void **state)
{
    enum { N = 100, SIDE = 32, N_IN = 3 * SIDE * SIDE };
    struct tf2_model *fp32 = NULL;
    struct tf2_error error = {0};
    char *paths[64];
    (void)state;
    golden_need_shared();
    if (tf2_model_import(golden_shared("models/resnet20_cifar10/resnet20.onnx"), NULL, NULL, &fp32, &error) != TF2_OK)
        fail_msg("%s", error.message);
    size_t n = list(golden_shared("images/calibration"), paths, 64);
    float *samples = golden_floats(n * N_IN);
    for (size_t i = 0; i < n; i++) {
        struct tf2_image file, image;
        load(paths[i], &file);
        assert_int_equal(tf2_image_resize(&file, SIDE, SIDE, TF2_FIT_STRETCH, &image, NULL), TF2_OK);
        golden_imagenet(image.pixels, SIDE, SIDE, samples + i * N_IN);
        tf2_image_finish(&image);
        tf2_image_finish(&file);
        free(paths[i]);
    }
    struct tf2_array pixels =
        golden_npy(golden_shared("images/cifar10/images_u8.npy"), TF2_DTYPE_U8, SHAPE(N, SIDE, SIDE, 3));
    struct tf2_array labels = golden_npy(golden_shared("images/cifar10/labels_u8.npy"), TF2_DTYPE_U8, SHAPE(N));
    float *values = golden_floats((size_t)N * N_IN), *wanted = golden_floats(N * 10), *found = golden_floats(N * 10);
    for (size_t i = 0; i < N; i++)
        golden_imagenet((const uint8_t *)pixels.data + i * N_IN, SIDE, SIDE, values + i * N_IN);

    struct tf2_model *int8 = quantize(fp32, samples, N_IN, n, NULL);
    run(fp32, "cl:0", 0, 1, values, N, N_IN, wanted, 10, 0);
    run(int8, "cl:0", 0, 1, values, N, N_IN, found, 10, 0);
    long n_fp32 = (long)count_right(wanted, labels.data, N), n_int8 = (long)count_right(found, labels.data, N);
    print_message("  right: %ld in float32, %ld in int8, of %d\n", n_fp32, n_int8, N);
    assert_true(labs(n_fp32 - n_int8) <= 1);
    check_same_bits(int8, values, N_IN, 10);
    tf2_model_destroy(&int8);
    tf2_model_destroy(&fp32);
    tf2_array_finish(&labels);
    tf2_array_finish(&pixels);
    free(found);
    free(wanted);
    free(values);
    free(samples);
}

/* --- the bundled network, calibrated on its sample pictures --- */

static void test_digits(void **state)
{
    enum { N = 360, N_IN = 64 };
    struct tf2_model *fp32 = NULL;
    struct tf2_error error = {0};
    char *paths[64];
    (void)state;
    if (tf2_model_import(golden_source("models/digits/digits.onnx"), NULL, NULL, &fp32, &error) != TF2_OK)
        fail_msg("%s", error.message);
    size_t n = list(golden_source("models/digits/samples"), paths, 64);
    float *samples = golden_floats(n * N_IN);
    for (size_t i = 0; i < n; i++) {
        struct tf2_image image;
        if (tf2_image_load(paths[i], 1, NULL, &image, &error) != TF2_OK)
            fail_msg("%s", error.message);
        tf2_image_to_tensor(&image, NULL, samples + i * N_IN);
        tf2_image_finish(&image);
        free(paths[i]);
    }
    struct tf2_array pixels =
        golden_npy(golden_source("models/digits/heldout_images.npy"), TF2_DTYPE_U8, SHAPE(N, 1, 8, 8));
    struct tf2_array labels =
        golden_npy(golden_source("models/digits/heldout_labels.npy"), TF2_DTYPE_U8, SHAPE(N));
    float *values = golden_floats((size_t)N * N_IN), *wanted = golden_floats(N * 10), *found = golden_floats(N * 10);
    for (size_t i = 0; i < (size_t)N * N_IN; i++)
        values[i] = ((const uint8_t *)pixels.data)[i];

    struct tf2_model *int8 = quantize(fp32, samples, N_IN, n, NULL);
    run(fp32, "cl:0", 0, 1, values, N, N_IN, wanted, 10, 0);
    run(int8, "cl:0", 0, 1, values, N, N_IN, found, 10, 0);
    long n_fp32 = (long)count_right(wanted, labels.data, N), n_int8 = (long)count_right(found, labels.data, N);
    print_message("  right: %ld in float32, %ld in int8, of %d\n", n_fp32, n_int8, N);
    assert_true(n_int8 * 1000 >= n_fp32 * 1000 - 3 * N); /* 0.3 points */
    tf2_model_destroy(&int8);
    tf2_model_destroy(&fp32);
    tf2_array_finish(&labels);
    tf2_array_finish(&pixels);
    free(found);
    free(wanted);
    free(values);
    free(samples);
}

/* --- the same bits of large networks, weights made up --- */

static void same_bits(const char *file, const char *output, size_t side, size_t n_out)
{
    const char *const outputs[] = {output};
    const struct tf2_import_options options = {.random_weights_seed = 7, .outputs = outputs, .n_outputs = 1};
    const struct tf2_quantize_options fast = {
        .range = TF2_RANGE_MINMAX, .no_equalization = true, .no_bias_correction = true};
    struct tf2_model *fp32 = NULL;
    struct tf2_error error = {0};
    const size_t n_in = 3 * side * side;
    if (tf2_model_import(golden_sharedf("models/structure/%s", file), NULL, &options, &fp32, &error) != TF2_OK)
        fail_msg("%s", error.message);
    float *items = golden_random(8 * n_in);
    for (size_t i = 0; i < 8 * n_in; i++)
        items[i] *= 100;
    struct tf2_model *int8 = quantize(fp32, items, n_in, 2, &fast);
    check_same_bits(int8, items, n_in, n_out);
    tf2_model_destroy(&int8);
    tf2_model_destroy(&fp32);
    free(items);
}

static void test_googlenet(void **state)
{
    (void)state;
    golden_need_shared();
    same_bits("bvlc_googlenet_deploy.prototxt", "loss3/classifier", 224, 1000);
}

static void test_resnet50(void **state)
{
    (void)state;
    golden_need_shared();
    same_bits("ResNet-50-deploy.prototxt", "fc1000", 224, 1000);
}

/* MTCNN's three networks; O-Net at its own size, outputs before the softmax. */
static void test_mtcnn(void **state)
{
    static const struct {
        const char *name;
        size_t side, n_out;
        const char *output;
    } nets[] = {{"det1", 12, 4, "conv4-2"}, {"det2", 24, 4, "conv5-2"}, {"det3", 48, 10, "conv6-3"}};
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        const char *const outputs[] = {nets[i].output};
        const struct tf2_named_shape shape = {
            .shape = {4, {1, 3, (int64_t)nets[i].side, (int64_t)nets[i].side}}};
        const struct tf2_import_options options = {
            .input_shapes = &shape, .n_input_shapes = 1, .outputs = outputs, .n_outputs = 1};
        struct tf2_model *fp32 = NULL;
        struct tf2_error error = {0};
        const size_t n_in = 3 * nets[i].side * nets[i].side;
        if (tf2_model_import(
                golden_sharedf("models/mtcnn/caffe/%s.prototxt", nets[i].name),
                golden_sharedf("models/mtcnn/caffe/%s.caffemodel", nets[i].name), &options, &fp32, &error) != TF2_OK)
            fail_msg("%s", error.message);
        float *items = golden_random(8 * n_in);
        struct tf2_model *int8 = quantize(fp32, items, n_in, 8, NULL);
        check_same_bits(int8, items, n_in, nets[i].n_out);
        tf2_model_destroy(&int8);
        tf2_model_destroy(&fp32);
        free(items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits),    cmocka_unit_test(test_squeezenet), cmocka_unit_test(test_resnet20),
        cmocka_unit_test(test_googlenet), cmocka_unit_test(test_resnet50),   cmocka_unit_test(test_mtcnn),
    };
    return golden_status(cmocka_run_group_tests_name("golden int8", tests, NULL, NULL));
}
