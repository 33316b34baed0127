/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tensorflow.c: TensorFlow's frozen graphs: the two families of MTCNN files and MobileNet v1, float32
 * and int8.
 *
 * pnet, rnet and onet.pb want B, G, R and give y before x; facenet_*.pb have their spatial axes as (x, y), as
 * the Caffe files do. All inputs and maps have their channels last.
 */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-4

/* ---- MTCNN ---- */

struct output {
    const char *name; /* in reference/mtcnn */
    const char *plain, *facenet;
    int64_t channels;
};

static const struct net {
    const char *name;
    const char *plain_input, *facenet_input;
    int64_t n, rows, columns, out_rows, out_columns; /* out_rows 0: the outputs are not maps */
    size_t n_outputs;
    struct output outputs[3];
} nets[] = {
    {"pnet",
     "input",
     "pnet/input",
     1,
     120,
     160,
     55,
     75,
     2,
     {{"prob", "pnet/prob1", "pnet/prob1", 2}, {"reg", "pnet/conv4-2/BiasAdd", "pnet/conv4-2/BiasAdd", 4}}},
    {"rnet",
     "input",
     "rnet/input",
     8,
     24,
     24,
     0,
     0,
     2,
     {{"prob", "rnet/prob1", "rnet/prob1", 2},
      {"reg", "rnet/Flatten_1/flatten/Reshape", "rnet/conv5-2/conv5-2", 4}}},
    {"onet",
     "input",
     "onet/input",
     8,
     48,
     48,
     0,
     0,
     3,
     {{"prob", "onet/prob1", "onet/prob1", 2},
      {"reg", "onet/Flatten_1/flatten/Reshape", "onet/conv6-2/conv6-2", 4},
      {"points", "onet/Flatten_2/flatten/Reshape", "onet/conv6-3/conv6-3", 10}}},
};

/* [n, c, rows, columns] to [n, rows, columns, c] or, swapped, [n, columns, rows, c]; channel c is from[c]. */
static void turn(
    const float *in, int64_t n, int64_t n_channels, int64_t rows, int64_t columns, bool swapped,
    const int *from, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t y = 0; y < rows; y++) {
            for (int64_t x = 0; x < columns; x++) {
                const int64_t pixel = swapped ? x * rows + y : y * columns + x;
                for (int64_t c = 0; c < n_channels; c++)
                    out[(i * rows * columns + pixel) * n_channels + c] =
                        in[((i * n_channels + from[c]) * rows + y) * columns + x];
            }
        }
    }
}

static void
check_output(const struct golden_net *g, const struct net *net, const struct output *o, bool facenet)
{
    static const int same[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, y_first[4] = {1, 0, 3, 2};
    static const int y_points[10] = {5, 6, 7, 8, 9, 0, 1, 2, 3, 4};
    const int *from = facenet || o->channels == 2 ? same : o->channels == 4 ? y_first : y_points;
    const int64_t rows = net->out_rows ? net->out_rows : 1, columns = net->out_rows ? net->out_columns : 1;
    const size_t n = (size_t)(net->n * o->channels * rows * columns);
    struct tf2_shape shape = SHAPE(net->n, o->channels), found = shape;
    char what[128];
    if (net->out_rows) {
        shape = SHAPE(net->n, o->channels, rows, columns);
        found =
            facenet ? SHAPE(net->n, columns, rows, o->channels) : SHAPE(net->n, rows, columns, o->channels);
    }
    struct tf2_array wanted =
        golden_npy(golden_sharedf("reference/mtcnn/%s_%s.npy", net->name, o->name), TF2_DTYPE_F32, shape);
    float *turned = golden_floats(n);
    turn(wanted.data, net->n, o->channels, rows, columns, facenet, from, turned);
    snprintf(what, sizeof(what), "%s%s %s", facenet ? "facenet_" : "", net->name, o->name);
    golden_compare(what, golden_output(g, facenet ? o->facenet : o->plain, found), turned, n, TOLERANCE);
    free(turned);
    tf2_array_finish(&wanted);
}

static void check_net(const struct net *net, bool facenet)
{
    static const int rgb[3] = {0, 1, 2}, bgr[3] = {2, 1, 0};
    const struct tf2_shape size =
        facenet ? SHAPE(1, net->columns, net->rows, 3) : SHAPE(1, net->rows, net->columns, 3);
    const struct tf2_named_shape named = {facenet ? net->facenet_input : net->plain_input, size};
    const struct tf2_import_options options = {
        .input_shapes = &named, .n_input_shapes = net->out_rows ? 1 : 0};
    struct golden_net g;
    golden_import(
        &g, golden_sharedf("models/mtcnn/tensorflow/%s%s.pb", facenet ? "facenet_" : "", net->name), NULL,
        &options);
    struct tf2_array input = golden_npy(
        golden_sharedf("reference/mtcnn/%s_input.npy", net->name), TF2_DTYPE_F32,
        SHAPE(net->n, 3, net->rows, net->columns));
    float *values = golden_floats((size_t)tf2_shape_count(&input.shape));
    turn(input.data, net->n, 3, net->rows, net->columns, facenet, facenet ? rgb : bgr, values);
    assert_int_equal(g.info.n_outputs, net->n_outputs);
    for (int device = 0; device < 2; device++) {
        golden_prepare_batch(&g, device ? "host" : "cl:0", net->n);
        assert_int_equal(g.input.layout, TF2_LAYOUT_NHWC);
        golden_run(&g, values);
        for (size_t i = 0; i < net->n_outputs; i++)
            check_output(&g, net, &net->outputs[i], facenet);
    }
    free(values);
    tf2_array_finish(&input);
    golden_finish(&g);
}

static void test_mtcnn(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
        check_net(&nets[i], false);
}

static void test_facenet_mtcnn(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
        check_net(&nets[i], true);
}

/* No transpose is left to be computed: all are views. */
static void test_no_transposes(void **state)
{
    (void)state;
    golden_need_shared();
    for (size_t i = 1; i < sizeof(nets) / sizeof(nets[0]); i++) {
        for (int facenet = 0; facenet < 2; facenet++) {
            struct tf2_session_stats stats;
            struct tf2_step_info step;
            struct golden_net g;
            golden_import(
                &g,
                golden_sharedf("models/mtcnn/tensorflow/%s%s.pb", facenet ? "facenet_" : "", nets[i].name),
                NULL, NULL);
            golden_prepare(&g, "cl:0", NULL);
            tf2_session_stats(g.session, &stats);
            for (size_t k = 0; k < stats.n_steps; k++) {
                assert_int_equal(tf2_session_step(g.session, k, &step), TF2_OK);
                assert_string_not_equal(step.op, "transpose");
            }
            golden_finish(&g);
        }
    }
}

/* ---- MobileNet ---- */

#define N_PHOTOS  16
#define SIDE      128
#define N_PIXELS  ((size_t)SIDE * SIDE * 3)
#define N_CLASSES 1001

static const struct tf2_import_options mobilenet_options = {
    .preprocess = {.mean = {127.5f, 127.5f, 127.5f, 127.5f}, .scale = 1 / 127.5f}};

static void import_mobilenet(struct golden_net *g)
{
    golden_import(g, golden_shared("models/mobilenet_v1_0.25_128/frozen_graph.pb"), NULL, &mobilenet_options);
}

static struct tf2_array load_pixels(void)
{
    return golden_npy(
        golden_shared("reference/mobilenet_v1_0.25_128/inputs_u8.npy"), TF2_DTYPE_U8,
        SHAPE(N_PHOTOS, SIDE, SIDE, 3));
}

static void to_input(const struct tf2_tensor_info *input, const uint8_t *pixels, float *values)
{
    const struct tf2_image image = {
        .width = SIDE, .height = SIDE, .channels = 3, .pixels = (uint8_t *)(uintptr_t)pixels};
    assert_int_equal(tf2_image_to_input(&image, &mobilenet_options.preprocess, input, values, NULL), TF2_OK);
}

static void test_mobilenet(void **state)
{
    struct golden_net g;
    float *values, *found = NULL;
    (void)state;
    golden_need_shared();
    import_mobilenet(&g);
    struct tf2_array pixels = load_pixels();
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/mobilenet_v1_0.25_128/float_prob.npy"), TF2_DTYPE_F32,
        SHAPE(N_PHOTOS, N_CLASSES));
    values = golden_floats(N_PHOTOS * N_PIXELS);
    found = golden_floats((size_t)N_PHOTOS * N_CLASSES);
    for (int device = 0; device < 2; device++) {
        const int64_t n = device ? 2 : N_PHOTOS; /* the reference device takes its time */
        golden_prepare_batch(&g, device ? "host" : "cl:0", 1);
        for (int64_t i = 0; i < n; i++)
            to_input(
                &g.input, (const uint8_t *)pixels.data + (size_t)i * N_PIXELS, values + (size_t)i * N_PIXELS);
        golden_run_all(&g, values, n, N_CLASSES, found);
        golden_compare(
            device ? "mobilenet, host" : "mobilenet, cl:0", found, wanted.data, (size_t)n * N_CLASSES,
            TOLERANCE);
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(
                golden_argmax(found + i * N_CLASSES, N_CLASSES),
                golden_argmax((const float *)wanted.data + i * N_CLASSES, N_CLASSES));
    }
    free(found);
    free(values);
    tf2_array_finish(&wanted);
    tf2_array_finish(&pixels);
    golden_finish(&g);
}

/* ---- int8 ---- */

struct samples {
    char paths[24][64];
    struct tf2_tensor_info input;
};

static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    const struct samples *s = user;
    struct tf2_image file, image;
    enum tf2_status status = tf2_image_load(golden_shared(s->paths[sample]), 3, NULL, &file, error);
    if (status != TF2_OK)
        return status;
    status = tf2_image_resize(&file, SIDE, SIDE, TF2_FIT_STRETCH, &image, error);
    tf2_image_finish(&file);
    if (status == TF2_OK)
        status = tf2_image_to_input(&image, &mobilenet_options.preprocess, &s->input, inputs[0], error);
    tf2_image_finish(&image);
    return status;
}

/* The calibration photos of images.json, in its order. */
static size_t find_samples(struct samples *samples)
{
    json_t *photos = golden_json(golden_shared("images/images.json")), *entry;
    const char *path;
    size_t n = 0;
    json_object_foreach(photos, path, entry)
    {
        if (strncmp(path, "calibration/", 12) == 0 && n < 24)
            snprintf(samples->paths[n++], sizeof(samples->paths[0]), "images/%s", path);
    }
    json_decref(photos);
    return n;
}

/* The int8 model keeps the best class on most photos; pixels give the bits that floats give, and need no
 * float input. */
static void test_mobilenet_int8(void **state)
{
    static struct samples samples;
    struct golden_net g;
    struct tf2_devices *devices = NULL;
    struct tf2_model *int8 = NULL;
    struct tf2_session *sessions[2] = {NULL};
    struct tf2_model_info info;
    struct tf2_error error;
    (void)state;
    golden_need_shared();
    import_mobilenet(&g);
    assert_int_equal(tf2_model_input(g.model, 0, &samples.input), TF2_OK);
    const size_t n_samples = find_samples(&samples);
    assert_int_equal(n_samples, 24);
    assert_int_equal(tf2_devices_open("cl:0", NULL, &devices, &error), TF2_OK);
    if (tf2_model_quantize(
            g.model, devices, 0, read_sample, &samples, n_samples, NULL, &int8, NULL, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_model_info(int8, &info);

    struct tf2_array pixels = load_pixels();
    struct tf2_array wanted = golden_npy(
        golden_shared("reference/mobilenet_v1_0.25_128/float_prob.npy"), TF2_DTYPE_F32,
        SHAPE(N_PHOTOS, N_CLASSES));
    float *values = golden_floats(N_PIXELS), found[2][N_CLASSES];
    size_t n_same = 0;
    for (int k = 0; k < 2; k++) {
        const struct tf2_session_options options = {.batch = 1, .pixels = k == 1};
        if (tf2_session_create(int8, devices, 0, &options, &sessions[k], &error) != TF2_OK)
            fail_msg("%s", error.message);
    }
    for (size_t i = 0; i < N_PHOTOS; i++) {
        const uint8_t *photo = (const uint8_t *)pixels.data + i * N_PIXELS;
        to_input(&samples.input, photo, values);
        assert_int_equal(
            tf2_session_run(sessions[0], (const void *[]){values}, (void *[]){found[0]}, &error), TF2_OK);
        assert_int_equal(
            tf2_session_run(sessions[1], (const void *[]){photo}, (void *[]){found[1]}, &error), TF2_OK);
        assert_memory_equal(found[0], found[1], sizeof(found[0]));
        n_same += golden_argmax(found[0], N_CLASSES) ==
                  golden_argmax((const float *)wanted.data + i * N_CLASSES, N_CLASSES);
    }
    print_message(
        "  mobilenet int8: %zu of %zu nodes on integers, same class as float %zu of %d\n", info.n_int8_nodes,
        info.n_nodes, n_same, N_PHOTOS);
    assert_true(n_same >= 12);
    struct tf2_session_stats stats;
    struct tf2_step_info step;
    tf2_session_stats(sessions[1], &stats);
    for (size_t i = 0; i < stats.n_steps; i++) {
        assert_int_equal(tf2_session_step(sessions[1], i, &step), TF2_OK);
        assert_string_not_equal(step.op, "pixels");
        assert_string_not_equal(step.op, "transpose");
    }
    free(values);
    tf2_array_finish(&wanted);
    tf2_array_finish(&pixels);
    tf2_session_destroy(&sessions[0]);
    tf2_session_destroy(&sessions[1]);
    tf2_model_destroy(&int8);
    tf2_devices_close(&devices);
    golden_finish(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mtcnn),          cmocka_unit_test(test_facenet_mtcnn),
        cmocka_unit_test(test_no_transposes),  cmocka_unit_test(test_mobilenet),
        cmocka_unit_test(test_mobilenet_int8),
    };
    return golden_status(cmocka_run_group_tests_name("golden tensorflow", tests, NULL, NULL));
}
