/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tflite.c: published networks as TensorFlow Lite files, float and quantized, against TensorFlow Lite's own
 * outputs. Tensors are [N, H, W, C].
 *
 * The MTCNN files were trained on (x, y) maps, see test_mtcnn.c: spatial axes are swapped.
 */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-4

/* ---- MTCNN ---- */

struct output {
    const char *reference, *name;
    int64_t channels;
};

static const struct mtcnn {
    const char *file, *name;
    int64_t n, rows, columns, out_rows, out_columns; /* out 0: no maps */
    size_t n_outputs;
    struct output outputs[3];
} nets[] = {
    {"pnet_160x120",
     "pnet",
     1,
     120,
     160,
     55,
     75,
     2,
     {{"prob", "pnet/prob1", 2}, {"reg", "pnet/conv4-2/BiasAdd", 4}}},
    {"rnet", "rnet", 8, 24, 24, 0, 0, 2, {{"prob", "rnet/prob1", 2}, {"reg", "rnet/conv5-2/conv5-2", 4}}},
    {"onet",
     "onet",
     8,
     48,
     48,
     0,
     0,
     3,
     {{"prob", "onet/prob1", 2}, {"reg", "onet/conv6-2/conv6-2", 4}, {"points", "onet/conv6-3/conv6-3", 10}}},
};

/* [n, channels, rows, columns] to [n, columns, rows, channels] or, back, the other way round: the same permutation. */
static float *reversed(const float *from, int64_t n, int64_t a, int64_t b, int64_t c)
{
    float *to = golden_floats((size_t)(n * a * b * c));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t x = 0; x < a; x++) {
            for (int64_t y = 0; y < b; y++) {
                for (int64_t z = 0; z < c; z++)
                    to[((i * c + z) * b + y) * a + x] = from[((i * a + x) * b + y) * c + z];
            }
        }
    }
    return to;
}

static void check_output(
    const struct golden_net *net, const struct mtcnn *m, const struct output *o, int64_t batch, int64_t first)
{
    char what[128];
    const int64_t rows = m->out_rows ? m->out_rows : 1, columns = m->out_rows ? m->out_columns : 1;
    const int64_t per_item = rows * columns * o->channels;
    const struct tf2_shape in_file =
        m->out_rows ? SHAPE(m->n, o->channels, rows, columns) : SHAPE(m->n, o->channels);
    struct tf2_array wanted = golden_npy(
        golden_sharedf("reference/mtcnn/%s_%s.npy", m->name, o->reference), TF2_DTYPE_F32, in_file);
    float *turned =
        reversed((const float *)wanted.data + first * per_item, batch, o->channels, rows, columns);
    const float *found = golden_output(
        net, o->name, m->out_rows ? SHAPE(batch, columns, rows, o->channels) : SHAPE(batch, o->channels));
    snprintf(what, sizeof(what), "%s %s, batch %d", m->file, o->reference, (int)batch);
    golden_compare(what, found, turned, (size_t)(batch * per_item), TOLERANCE);
    free(turned);
    tf2_array_finish(&wanted);
}

static void run_mtcnn(const struct mtcnn *m, const char *device, int64_t batch)
{
    struct golden_net net;
    struct tf2_array input = golden_npy(
        golden_sharedf("reference/mtcnn/%s_input.npy", m->name), TF2_DTYPE_F32,
        SHAPE(m->n, 3, m->rows, m->columns));
    float *turned = reversed(input.data, m->n, 3, m->rows, m->columns);
    golden_import(&net, golden_sharedf("models/mtcnn/tflite/%s.tflite", m->file), NULL, NULL);
    golden_prepare_batch(&net, device, batch);
    assert_true(tf2_shape_equal(&net.input.shape, &SHAPE(batch, m->columns, m->rows, 3)));
    assert_int_equal(net.info.n_outputs, m->n_outputs);
    for (int64_t first = 0; first < m->n; first += batch) {
        golden_run(&net, turned + (size_t)(first / batch) * net.n_input);
        for (size_t k = 0; k < m->n_outputs; k++)
            check_output(&net, m, &m->outputs[k], batch, first);
    }
    golden_finish(&net);
    free(turned);
    tf2_array_finish(&input);
}

static void test_mtcnn(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        run_mtcnn(&nets[i], "cl:0", 1);
        run_mtcnn(&nets[i], "host", nets[i].n);
        if (nets[i].n > 1)
            run_mtcnn(&nets[i], "cl:0", 4);
    }
}

/* PNet's file is for large photos; another size can be asked for. */
static void test_mtcnn_other_size(void **state)
{
    const struct tf2_named_shape named = {"pnet/input", SHAPE(1, 40, 33, 3)};
    struct tf2_import_options options;
    struct golden_net net;
    (void)state;
    golden_need_shared();
    tf2_import_options_defaults(&options);
    options.input_shapes = &named;
    options.n_input_shapes = 1;
    golden_import(&net, golden_shared("models/mtcnn/tflite/pnet.tflite"), NULL, &options);
    golden_prepare(&net, "cl:0", NULL);
    golden_output(&net, "pnet/prob1", SHAPE(1, 15, 12, 2));
    golden_finish(&net);
}

/* ---- ResNet-8, CIFAR-10 ---- */

#define N_PICTURES 100
#define N_CLASSES  10
#define N_PIXELS   ((size_t)32 * 32 * 3)

static float *load_pictures(void)
{
    struct tf2_array pixels =
        golden_npy(golden_shared("images/cifar10/images_u8.npy"), TF2_DTYPE_U8, SHAPE(N_PICTURES, 32, 32, 3));
    float *values = golden_floats(N_PICTURES * N_PIXELS);
    for (size_t i = 0; i < N_PICTURES * N_PIXELS; i++)
        values[i] = ((const uint8_t *)pixels.data)[i];
    tf2_array_finish(&pixels);
    return values;
}

static void test_resnet8(void **state)
{
    (void)state;
    golden_need_shared();
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/resnet8_cifar10_tflite/float_prob.npy"), TF2_DTYPE_F32,
        SHAPE(N_PICTURES, N_CLASSES));
    float *values = load_pictures(), *results = golden_floats(N_PICTURES * N_CLASSES);
    static const int64_t batches[] = {1, 25};
    for (size_t i = 0; i < 2; i++) {
        struct golden_net net;
        golden_import(
            &net, golden_shared("models/resnet8_cifar10_tflite/pretrainedResnet.tflite"), NULL, NULL);
        golden_prepare_batch(&net, "cl:0", batches[i]);
        golden_run_all(&net, values, N_PICTURES, N_CLASSES, results);
        golden_compare("resnet8", results, wanted.data, (size_t)N_PICTURES * N_CLASSES, TOLERANCE);
        golden_finish(&net);
    }
    tf2_array_finish(&wanted);
    free(values);
    free(results);
}

/* ---- quantized ---- */

/*
 * Reference outputs are bytes q of (q - zero point) / 256. One form comes from a runtime that scales sums in float, as
 * this library does, the other from integer arithmetic alone; they differ by some steps, see the README beside them.
 */
struct quantized {
    const char *name, *model, *folder, *runtime, *integer;
    enum tf2_dtype dtype;
    int64_t n, size, n_classes;
    int32_t zero_point;
};

static const struct quantized mobilenet = {
    "mobilenet",
    "models/mobilenet_v1_0.25_128/mobilenet_v1_0.25_128_quant.tflite",
    "mobilenet_v1_0.25_128",
    "quant_u8",
    "quant_u8_integer",
    TF2_DTYPE_U8,
    16,
    128,
    1001,
    0};
static const struct quantized resnet8 = {
    "resnet8",
    "models/resnet8_cifar10_tflite/pretrainedResnet_quant.tflite",
    "resnet8_cifar10_tflite",
    "quant_i8",
    "quant_i8_integer",
    TF2_DTYPE_S8,
    N_PICTURES,
    32,
    N_CLASSES,
    -128};

/* The bytes as 0 .. 255. */
static float *load_steps(const struct quantized *m, const char *file)
{
    struct tf2_array array = golden_npy(
        golden_sharedf("reference/%s/%s.npy", m->folder, file), m->dtype, SHAPE(m->n, m->n_classes));
    float *steps = golden_floats((size_t)(m->n * m->n_classes));
    for (int64_t i = 0; i < m->n * m->n_classes; i++)
        steps[i] =
            (float)((m->dtype == TF2_DTYPE_U8 ? ((const uint8_t *)array.data)[i] : ((const int8_t *)array.data)[i]) - m->zero_point);
    tf2_array_finish(&array);
    return steps;
}

/* How the bytes found compare with one form of the reference. */
static void compare_steps(
    const struct quantized *m, const char *what, const float *found, const float *wanted, double least_equal)
{
    const size_t n = (size_t)m->n_classes;
    size_t n_equal = 0, n_same = 0;
    float largest = 0;
    for (size_t i = 0; i < (size_t)m->n * n; i++) {
        n_equal += found[i] == wanted[i];
        largest = fmaxf(largest, fabsf(found[i] - wanted[i]));
    }
    for (size_t i = 0; i < (size_t)m->n; i++)
        n_same += golden_argmax(found + i * n, n) == golden_argmax(wanted + i * n, n);
    print_message(
        "  %s, %s: %zu of %zu bytes equal, largest difference %g, same class %zu of %d\n", m->name, what,
        n_equal, (size_t)m->n * n, (double)largest, n_same, (int)m->n);
    assert_true((double)n_equal >= least_equal * (double)((size_t)m->n * n));
}

/* The best class is the best of one of the references, or a step below it there. */
static void check_classes(const struct quantized *m, const float *found, const float *const *references)
{
    const size_t n = (size_t)m->n_classes;
    for (size_t i = 0; i < (size_t)m->n; i++) {
        const size_t best = golden_argmax(found + i * n, n);
        bool is_best = false;
        for (size_t k = 0; k < 2; k++) {
            const float *wanted = references[k] + i * n;
            is_best |= wanted[best] >= wanted[golden_argmax(wanted, n)] - 1;
        }
        if (!is_best)
            fail_msg("%s, picture %zu: class %zu, which no reference has", m->name, i, best);
    }
}

/* Pixels as the bytes that a session for pixels takes. */
static struct tf2_array load_pixels(const struct quantized *m)
{
    const bool cifar = m == &resnet8;
    return golden_npy(
        cifar ? golden_shared("images/cifar10/images_u8.npy")
              : golden_sharedf("reference/%s/inputs_u8.npy", m->folder),
        TF2_DTYPE_U8, SHAPE(m->n, m->size, m->size, 3));
}

/* Runs all pictures on a device; the outputs in steps. */
static float *run_quantized(const struct quantized *m, const char *device, bool pixels, int64_t n)
{
    struct tf2_array images = load_pixels(m);
    const size_t n_pixels = (size_t)(m->size * m->size * 3), n_out = (size_t)m->n_classes;
    float *results = golden_floats((size_t)m->n * n_out), *values = golden_floats(n_pixels);
    struct tf2_session_options options;
    struct golden_net net;
    tf2_session_options_defaults(&options);
    options.pixels = pixels;
    golden_import(&net, golden_shared(m->model), NULL, NULL);
    golden_prepare(&net, device, &options);
    assert_true(net.info.n_int8_nodes > 0);
    assert_true(net.info.preprocess.scale > 0);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *image = (const uint8_t *)images.data + (size_t)i * n_pixels;
        for (size_t k = 0; k < n_pixels; k++)
            values[k] = ((float)image[k] - net.info.preprocess.mean[0]) * net.info.preprocess.scale;
        golden_run(&net, pixels ? (const void *)image : values);
        const float *found = golden_output(&net, NULL, SHAPE(1, m->n_classes));
        for (size_t k = 0; k < n_out; k++)
            results[(size_t)i * n_out + k] = found[k] * 256;
    }
    golden_finish(&net);
    tf2_array_finish(&images);
    free(values);
    return results;
}

static void check_quantized(const struct quantized *m)
{
    float *found = run_quantized(m, "cl:0", false, m->n);
    float *runtime = load_steps(m, m->runtime), *integer = load_steps(m, m->integer);
    float *pixels = run_quantized(m, "cl:0", true, m->n), *host = run_quantized(m, "host", false, 2);
    const size_t n = (size_t)(m->n * m->n_classes);
    compare_steps(m, "as scaled in float", found, runtime, 1);
    compare_steps(m, "as scaled in integers", found, integer, 0.5);
    check_classes(m, found, (const float *const[]){runtime, integer});
    assert_memory_equal(pixels, found, n * sizeof(float));
    assert_memory_equal(host, found, 2 * (size_t)m->n_classes * sizeof(float));
    free(found);
    free(runtime);
    free(integer);
    free(pixels);
    free(host);
}

static void test_mobilenet_quantized(void **state)
{
    (void)state;
    golden_need_shared();
    check_quantized(&mobilenet);
}

static void test_resnet8_quantized(void **state)
{
    (void)state;
    golden_need_shared();
    check_quantized(&resnet8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtcnn),
        cmocka_unit_test(test_mtcnn_other_size),
        cmocka_unit_test(test_resnet8),
        cmocka_unit_test(test_mobilenet_quantized),
        cmocka_unit_test(test_resnet8_quantized),
    };
    return golden_status(cmocka_run_group_tests_name("golden tflite", tests, NULL, NULL));
}
