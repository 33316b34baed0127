/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faces_parts.c: the parts of examples/faces against numbers by hand, and the cascade on made-up
 * networks: the same function in each layout of files, and networks that answer with nonsense.
 * tests/golden/test_cascade.c has real ones.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "face_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- boxes ---- */

static struct face make_box(float x1, float y1, float x2, float y2, float score)
{
    return (struct face){.x1 = x1, .y1 = y1, .x2 = x2, .y2 = y2, .score = score};
}

static void test_overlap(void **state)
{
    /* 10 x 10 pixels each, 5 x 10 in common; then 4 x 4 inside of the first. */
    const struct face a = make_box(0, 0, 9, 9, 1), b = make_box(5, 0, 14, 9, 1), c = make_box(2, 2, 5, 5, 1);
    const struct face far = make_box(10, 0, 19, 9, 1);
    (void)state;
    assert_true(fabs(face_overlap(&a, &b, FACE_OVERLAP_UNION) - 50.0 / 150) < 1e-12);
    assert_true(fabs(face_overlap(&a, &b, FACE_OVERLAP_MIN) - 0.5) < 1e-12);
    assert_true(fabs(face_overlap(&a, &c, FACE_OVERLAP_UNION) - 0.16) < 1e-12);
    assert_true(face_overlap(&a, &c, FACE_OVERLAP_MIN) == 1);
    assert_true(face_overlap(&a, &far, FACE_OVERLAP_UNION) == 0);
}

static void test_suppress(void **state)
{
    /* The third is the best and drops the first; the second and it are not alike enough; the last one
     * overlaps only the dropped one. */
    const struct face boxes[] = {
        make_box(3, 0, 12, 9, 0.8f), make_box(0, 20, 9, 29, 0.7f), make_box(0, 0, 9, 9, 0.9f),
        make_box(6, 0, 15, 9, 0.75f)};
    struct face_candidates list = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(boxes); i++)
        assert_true(face_candidates_add(&list, &(struct face_candidate){.face = boxes[i]}));
    face_suppress(&list, 0, 0.5, FACE_OVERLAP_UNION);
    assert_int_equal(list.n, 3);
    assert_true(list.items[0].face.score == 0.9f);
    assert_true(list.items[1].face.score == 0.75f);
    assert_true(list.items[2].face.score == 0.7f);
    /* What is before `first` neither drops nor is dropped. */
    face_suppress(&list, 3, 0.0, FACE_OVERLAP_MIN);
    assert_int_equal(list.n, 3);
    face_suppress(&list, 0, 0.0, FACE_OVERLAP_MIN);
    assert_int_equal(list.n, 2);
    face_candidates_finish(&list);
}

static void test_move_and_square(void **state)
{
    struct face_candidate c = {.face = make_box(10, 20, 29, 59, 1), .move = {0.1f, -0.1f, 0.2f, 0}};
    (void)state;
    face_box_move(&c, 1); /* 20 x 40 pixels */
    assert_true(c.face.x1 == 12 && c.face.y1 == 16 && c.face.x2 == 33 && c.face.y2 == 59);
    face_box_square(&c.face); /* 21 x 43 */
    assert_true(c.face.x1 == 1 && c.face.x2 == 44 && c.face.y1 == 16 && c.face.y2 == 59);
    assert_true(face_is_sound(&c));
    c.move[3] = (float)NAN;
    assert_false(face_is_sound(&c));
    c.move[3] = 0;
    c.face.landmarks[4].y = -(float)INFINITY;
    assert_false(face_is_sound(&c));
}

/* ---- pixels ---- */

static const struct face_pixels plain = {.scale = {1, 1, 1}};

static struct tf2_image make_image(uint8_t *pixels, int32_t width, int32_t height)
{
    return (struct tf2_image){.width = width, .height = height, .channels = 3, .pixels = pixels};
}

/* One row of two pixels to four: a quarter and three quarters between, the ends repeated. */
static void test_fill_grows(void **state)
{
    uint8_t pixels[] = {0, 100, 200, 80, 20, 200};
    static const float wanted[3][4] = {{0, 20, 60, 80}, {100, 80, 40, 20}, {200, 200, 200, 200}};
    const struct tf2_image image = make_image(pixels, 2, 1);
    const struct face_region all = {0, 0, 2, 1};
    const struct face_strides strides = {.channel = 4, .row = 4, .column = 1};
    float found[12];
    (void)state;
    assert_true(face_fill(&image, &all, 4, 1, &plain, &strides, found));
    assert_memory_equal(found, wanted, sizeof(found));
}

/* Half the size: the mean of four, rounded; no averaging beyond neighbours when it shrinks more. */
static void test_fill_shrinks(void **state)
{
    uint8_t pixels[6 * 2 * 3];
    const struct tf2_image image = make_image(pixels, 6, 2);
    const struct face_strides strides = {.channel = 1, .row = 9, .column = 3};
    float found[9];
    (void)state;
    for (size_t i = 0; i < 12; i++)
        memset(pixels + 3 * i, (int)(i * i), 3);
    assert_true(face_fill(&image, &(struct face_region){0, 0, 6, 2}, 3, 1, &plain, &strides, found));
    assert_true(found[0] == 22); /* (0 + 1 + 36 + 49) / 4 = 21.5 */
    assert_true(found[3] == 40); /* (4 + 9 + 64 + 81) / 4 = 39.5 */
    assert_true(found[8] == 66); /* (16 + 25 + 100 + 121) / 4 = 65.5 */
    assert_true(face_fill(&image, &(struct face_region){0, 0, 6, 1}, 2, 1, &plain, &strides, found));
    assert_true(found[0] == 1 && found[3] == 16); /* pixels 1 and 4 */
}

/* A region that reaches over all edges of a white photo is black there; channels and axes go where they
 * should. */
static void test_fill_outside(void **state)
{
    uint8_t pixels[2 * 2 * 3];
    const struct tf2_image image = make_image(pixels, 2, 2);
    const struct face_pixels bgr = {TF2_CHANNELS_BGR, {1, 2, 3}, {1, 10, 100}};
    const struct face_strides swapped = {.channel = 16, .row = 1, .column = 4};
    float found[48];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        memcpy(pixels + 3 * i, (const uint8_t[]){10, 20, (uint8_t)(30 + i)}, 3);
    assert_true(face_fill(&image, &(struct face_region){-1, -1, 4, 4}, 4, 4, &bgr, &swapped, found));
    for (size_t y = 0; y < 4; y++) {
        for (size_t x = 0; x < 4; x++) {
            bool inside = x >= 1 && x <= 2 && y >= 1 && y <= 2;
            float blue = inside ? (float)(30 + (y - 1) * 2 + x - 1) : 0;
            assert_true(found[0 * 16 + x * 4 + y] == blue - 1);
            assert_true(found[1 * 16 + x * 4 + y] == ((inside ? 20.0f : 0) - 2) * 10);
            assert_true(found[2 * 16 + x * 4 + y] == ((inside ? 10.0f : 0) - 3) * 100);
        }
    }
}

/* Landmarks where they belong: nothing moves. Twice as large and moved: every second pixel. */
static void test_align(void **state)
{
    static const struct face_point places[FACE_N_LANDMARKS] = {
        {38.2946f, 51.6963f},
        {73.5318f, 51.5014f},
        {56.0252f, 71.7366f},
        {41.5493f, 92.3655f},
        {70.7299f, 92.2041f}};
    static uint8_t pixels[240 * 240 * 3];
    const struct tf2_image image = make_image(pixels, 240, 240);
    struct face_point landmarks[FACE_N_LANDMARKS];
    struct tf2_image aligned;
    struct tf2_error error;
    (void)state;
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 7919 >> 3);
    for (int zoom = 1; zoom <= 2; zoom++) {
        for (size_t i = 0; i < FACE_N_LANDMARKS; i++) {
            landmarks[i].x = places[i].x * (float)zoom + 5;
            landmarks[i].y = places[i].y * (float)zoom + 9;
        }
        assert_int_equal(face_align(&image, landmarks, 112, 112, &aligned, &error), TF2_OK);
        for (size_t y = 0; y < 112; y++) {
            for (size_t x = 0; x < 112; x++)
                for (size_t c = 0; c < 3; c++)
                    assert_in_range(
                        1 + aligned.pixels[(y * 112 + x) * 3 + c] -
                            pixels[((y * (size_t)zoom + 9) * 240 + x * (size_t)zoom + 5) * 3 + c],
                        0, 2);
        }
        tf2_image_finish(&aligned);
    }
    /* 96 wide: eight columns less on both sides. */
    assert_int_equal(face_align(&image, places, 96, 112, &aligned, &error), TF2_OK);
    assert_in_range(1 + aligned.pixels[0] - pixels[8 * 3], 0, 2);
    tf2_image_finish(&aligned);
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++)
        landmarks[i] = (struct face_point){7, 7};
    assert_int_equal(face_align(&image, landmarks, 112, 112, &aligned, &error), TF2_ERR_VALUE);
    assert_non_null(strstr(error.message, "all at one place"));
    landmarks[0].x = (float)NAN;
    assert_int_equal(face_align(&image, landmarks, 112, 112, &aligned, &error), TF2_ERR_VALUE);
    assert_int_equal(face_align(&image, places, 0, 112, &aligned, &error), TF2_ERR_INVALID_ARGUMENT);
}

static void test_cosine(void **state)
{
    const float a[] = {3, 4}, b[] = {4, 3}, zero[] = {0, 0};
    (void)state;
    assert_true(fabs(face_cosine(a, b, 2) - 0.96) < 1e-12);
    assert_true(face_cosine(a, zero, 2) == 0);
}

static void test_layout_names(void **state)
{
    static const struct {
        const char *path;
        enum face_layout layout;
    } known[] = {
        {"a/det1.prototxt", FACE_LAYOUT_CAFFE},
        {"det2.tf2", FACE_LAYOUT_CAFFE},
        {"my.PROTOTXT", FACE_LAYOUT_CAFFE},
        {"a.b/pnet.onnx", FACE_LAYOUT_ONNX},
        {"pnet.tf2", FACE_LAYOUT_ONNX},
        {"pnet.pb", FACE_LAYOUT_TENSORFLOW},
        {"x/facenet_pnet.pb", FACE_LAYOUT_FACENET},
        {"pnet.tflite", FACE_LAYOUT_FACENET},
        {"det1.d/onet.onnx", FACE_LAYOUT_ONNX},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++)
        assert_int_equal(face_path_layout(known[i].path), known[i].layout);
    assert_string_equal(face_layout_name(FACE_LAYOUT_FACENET), "facenet");
    assert_null(face_layout_name((enum face_layout)5));
    assert_null(face_layout_name((enum face_layout) - 1));
}

/* ---- made-up networks ---- */

struct made_output {
    int64_t size;
    float bias[10], weight; /* weights are random numbers times `weight` */
};

static const struct made_net {
    const char *name;
    int64_t side; /* of the kernel, which is the whole picture except for P-Net */
    int32_t stride;
    size_t n_outputs;
    struct made_output outputs[3];
} made_nets[FACE_N_STAGES] = {
    {"pnet", 12, 2, 2, {{2, {0, 0.5f}, 0.03f}, {4, {0.05f, 0, -0.1f, 0.02f}, 0.003f}}},
    {"rnet", 24, 1, 2, {{2, {0, 0.72f}, 0.01f}, {4, {0, 0.1f, 0, -0.1f}, 0.002f}}},
    {"onet",
     48,
     1,
     3,
     {{2, {0, 0.75f}, 0.003f},
      {4, {0.05f}, 0.001f},
      {10, {.1f, .2f, .3f, .4f, .5f, .6f, .7f, .8f, .9f, 1}, 0.001f}}},
};

/* The layouts, as docs/faces.md tells them. */
static const struct convention {
    bool swapped, bgr, y_first;
} conventions[] = {
    [FACE_LAYOUT_CAFFE] = {.swapped = true},
    [FACE_LAYOUT_ONNX] = {.swapped = false},
    [FACE_LAYOUT_TENSORFLOW] = {.bgr = true, .y_first = true},
    [FACE_LAYOUT_FACENET] = {.swapped = true},
};

/* How a network is written down. */
struct form {
    const struct convention *row;
    bool channels_last;
    float poison; /* added to the biases of box regressions and landmarks */
};

static float random_value(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / (float)(1 << 23) - 1;
}

/* Where number i of an output of `size` is in the file: y and x change places in boxes and landmarks. */
static size_t place_of(const struct form *form, int64_t size, size_t i)
{
    if (!form->row->y_first || size == 2)
        return i;
    return size == FACE_N_REGRESSION ? i ^ 1 : (i + FACE_N_LANDMARKS) % (2 * FACE_N_LANDMARKS);
}

/* The weights of an output in the form's order: [size, 3, side, side]. */
static float *make_weights(
    const struct made_net *net, const struct made_output *out, const struct form *form, uint64_t *seed)
{
    size_t side = (size_t)net->side, n = side * side;
    float *weights = calloc((size_t)out->size * 3 * n, sizeof(float));
    assert_non_null(weights);
    for (size_t o = 0; o < (size_t)out->size; o++) {
        for (size_t c = 0; c < 3; c++) {
            for (size_t i = 0; i < n; i++) {
                size_t channel = form->row->bgr ? 2 - c : c, y = i / side, x = i % side;
                size_t at = form->row->swapped ? x * side + y : i;
                weights[(place_of(form, out->size, o) * 3 + channel) * n + at] =
                    out->weight * random_value(seed);
            }
        }
    }
    return weights;
}

static tf2_tensor_id
transpose(struct tf2_graph *graph, tf2_tensor_id x, const char *name, const uint32_t *perm)
{
    struct tf2_transpose_attr attr = {.n_dims = 4};
    tf2_tensor_id y;
    struct tf2_error error;
    for (size_t i = 0; i < 4; i++)
        attr.perm[i] = perm[i];
    if (tf2_graph_add_node(graph, TF2_OP_TRANSPOSE, name, &attr, &x, 1, &y, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return y;
}

static void add_output(
    struct tf2_graph *graph, tf2_tensor_id x, const struct made_net *net, size_t o, const struct form *form,
    uint64_t *seed)
{
    static const uint32_t to_nhwc[4] = {0, 2, 3, 1};
    const struct made_output *out = &net->outputs[o];
    const struct tf2_shape shape = {4, {out->size, 3, net->side, net->side}}, bias_shape = {1, {out->size}};
    const struct tf2_conv_attr attr = {.window.stride = {net->stride, net->stride}};
    float *weights = make_weights(net, out, form, seed), bias[10];
    tf2_tensor_id in[3] = {x}, y;
    char name[32];
    for (size_t i = 0; i < (size_t)out->size; i++)
        bias[place_of(form, out->size, i)] = out->bias[i] + (o > 0 ? form->poison : 0);
    snprintf(name, sizeof(name), "w%zu", o);
    assert_int_equal(
        tf2_graph_add_constant(graph, name, TF2_DTYPE_F32, &shape, weights, &in[1], NULL), TF2_OK);
    snprintf(name, sizeof(name), "b%zu", o);
    assert_int_equal(
        tf2_graph_add_constant(graph, name, TF2_DTYPE_F32, &bias_shape, bias, &in[2], NULL), TF2_OK);
    snprintf(name, sizeof(name), "y%zu", o);
    assert_int_equal(tf2_graph_add_node(graph, TF2_OP_CONV, name, &attr, in, 3, &y, NULL), TF2_OK);
    if (form->channels_last)
        y = transpose(graph, y, o == 0 ? "t0" : o == 1 ? "t1" : "t2", to_nhwc);
    assert_int_equal(tf2_graph_add_output(graph, y, NULL, NULL), TF2_OK);
    free(weights);
}

static void save_net(const struct made_net *net, const struct form *form, const char *folder)
{
    static const uint32_t to_nchw[4] = {0, 3, 1, 2};
    const struct tf2_shape nchw = {4, {1, 3, net->side, net->side}}, nhwc = {4, {1, net->side, net->side, 3}};
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    struct tf2_error error = {.message = ""};
    tf2_tensor_id x;
    uint64_t seed = (uint64_t)net->side;
    char path[128];
    assert_int_equal(tf2_graph_create(NULL, &graph, NULL), TF2_OK);
    assert_int_equal(
        tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, form->channels_last ? &nhwc : &nchw, &x, NULL),
        TF2_OK);
    if (form->channels_last)
        x = transpose(graph, x, "t", to_nchw);
    for (size_t o = 0; o < net->n_outputs; o++)
        add_output(graph, x, net, o, form, &seed);
    snprintf(path, sizeof(path), "%s/%s.tf2", folder, net->name);
    if (tf2_model_from_graph(&graph, net->name, NULL, &model, &error) != TF2_OK ||
        tf2_model_save(model, path, NULL, &error) != TF2_OK)
        fail_msg("%s: %s", path, error.message);
    tf2_model_destroy(&model);
}

static void remove_nets(const char *folder)
{
    for (size_t s = 0; s < FACE_N_STAGES; s++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s.tf2", folder, made_nets[s].name);
        unlink(path);
    }
    rmdir(folder);
}

/* Writes the networks in a form, and finds faces with them in a picture of coloured noise. */
static struct face_list find_faces(enum face_layout layout, const struct form *form, const char *spec)
{
    static uint8_t pixels[70 * 50 * 3];
    const struct tf2_image image = make_image(pixels, 70, 50);
    const struct face_detector_options options = {.layout = layout};
    struct tf2_devices *devices = NULL;
    struct face_runner *runner = NULL;
    struct face_detector *detector = NULL;
    struct face_list list = {0};
    struct tf2_error error = {.message = ""};
    char folder[] = "/tmp/test_faces_XXXXXX";
    uint64_t seed = 5;
    assert_non_null(mkdtemp(folder));
    for (size_t s = 0; s < FACE_N_STAGES; s++)
        save_net(&made_nets[s], form, folder);
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)((random_value(&seed) + 1) * 127.5f);
    if (tf2_devices_open(spec, NULL, &devices, &error) != TF2_OK ||
        face_runner_create(devices, &runner, &error) != TF2_OK ||
        face_detector_create(runner, folder, &options, &detector, &error) != TF2_OK ||
        face_detect(detector, &image, &list, NULL, &error) != TF2_OK)
        fail_msg("%s", error.message);
    face_detector_destroy(&detector);
    face_runner_destroy(&runner);
    tf2_devices_close(&devices);
    remove_nets(folder);
    return list;
}

static void check_same(const struct face_list *a, const struct face_list *b)
{
    assert_int_equal(a->n_faces, b->n_faces);
    for (size_t i = 0; i < a->n_faces; i++) {
        const float *x = (const float *)&a->faces[i], *y = (const float *)&b->faces[i];
        for (size_t k = 0; k < sizeof(struct face) / sizeof(float); k++)
            assert_true(fabsf(x[k] - y[k]) < 1e-2f);
    }
}

/* One function in all layouts, channels first and last, on all devices and on the host. */
static void test_layouts(void **state)
{
    const struct form onnx = {.row = &conventions[FACE_LAYOUT_ONNX]};
    struct face_list wanted = find_faces(FACE_LAYOUT_ONNX, &onnx, "host");
    (void)state;
    print_message("  %zu faces in noise\n", wanted.n_faces);
    assert_in_range(wanted.n_faces, 2, 50);
    for (int layout = FACE_LAYOUT_CAFFE; layout <= FACE_LAYOUT_FACENET; layout++) {
        for (int last = 0; last < 2; last++) {
            const struct form form = {.row = &conventions[layout], .channels_last = last};
            struct face_list found = find_faces((enum face_layout)layout, &form, last ? "all" : "host");
            check_same(&found, &wanted);
            face_list_finish(&found);
        }
    }
    face_list_finish(&wanted);
}

/* Boxes far away, or at no place at all: no crash, no face. */
static void test_nonsense(void **state)
{
    static const float poisons[] = {1e4f, -1e5f, 1e30f, 3e38f, -3e38f};
    (void)state;
    for (size_t i = 0; i < COUNT(poisons); i++) {
        const struct form form = {.row = &conventions[FACE_LAYOUT_ONNX], .poison = poisons[i]};
        struct face_list found = find_faces(FACE_LAYOUT_AUTO, &form, "1");
        assert_int_equal(found.n_faces, 0);
        face_list_finish(&found);
    }
}

/* The mean colour of each quarter of a picture, as 12 numbers; a reshape pins the batch to `batch`, 0: none
 * does. */
static void save_embedder(const char *path, int64_t batch)
{
    const struct tf2_shape shape = {4, {batch ? batch : 1, 3, 8, 8}};
    const struct tf2_pool_attr pool = {.kind = TF2_POOL_AVG, .window = {.kernel = {4, 4}, .stride = {4, 4}}};
    const struct tf2_reshape_attr reshape = {.n_dims = 2, .dim = {batch, 12}};
    const struct tf2_axis_attr flatten = {.axis = 1};
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    tf2_tensor_id x;
    assert_int_equal(tf2_graph_create(NULL, &graph, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, &shape, &x, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_node(graph, TF2_OP_POOL, "mean", &pool, &x, 1, &x, NULL), TF2_OK);
    if (batch)
        assert_int_equal(tf2_graph_add_node(graph, TF2_OP_RESHAPE, "y", &reshape, &x, 1, &x, NULL), TF2_OK);
    else
        assert_int_equal(tf2_graph_add_node(graph, TF2_OP_FLATTEN, "y", &flatten, &x, 1, &x, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_output(graph, x, NULL, NULL), TF2_OK);
    assert_int_equal(tf2_model_from_graph(&graph, "embedder", NULL, &model, NULL), TF2_OK);
    assert_int_equal(tf2_model_save(model, path, NULL, NULL), TF2_OK);
    tf2_model_destroy(&model);
}

/* Any batch, or one that does not divide the number of faces: the same embeddings, in order, of length 1. */
static void test_batches(void **state)
{
    enum { N = 37, SIZE = 12 };
    static uint8_t pixels[N][8 * 8 * 3];
    static const int64_t batches[] = {0, 1, 5};
    static const struct face_pixels as_they_are = {.scale = {1, 1, 1}};
    const struct face_embedder_options options = {.pixels = &as_they_are};
    struct tf2_image images[N];
    struct tf2_devices *devices = NULL;
    struct face_runner *runner = NULL;
    char path[] = "/tmp/test_faces_XXXXXX";
    uint64_t seed = 9;
    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i / sizeof(pixels[0])][i % sizeof(pixels[0])] = (uint8_t)((random_value(&seed) + 1) * 127.5f);
    for (size_t i = 0; i < N; i++)
        images[i] = make_image(pixels[i], 8, 8);
    assert_int_equal(tf2_devices_open("all", NULL, &devices, NULL), TF2_OK);
    assert_int_equal(face_runner_create(devices, &runner, NULL), TF2_OK);
    for (size_t b = 0; b < COUNT(batches); b++) {
        struct face_embedder *embedder = NULL;
        struct tf2_error error = {.message = ""};
        float found[N * SIZE];
        save_embedder(path, batches[b]);
        if (face_embedder_create(runner, path, &options, &embedder, &error) != TF2_OK ||
            face_embed_aligned(embedder, images, N, found, &error) != TF2_OK)
            fail_msg("batch %d: %s", (int)batches[b], error.message);
        assert_int_equal(face_embedder_size(embedder), SIZE);
        for (size_t i = 0; i < N; i++) {
            float wanted[SIZE] = {0};
            double square = 0;
            for (size_t k = 0; k < 8 * 8 * 3; k++)
                wanted[k % 3 * 4 + k / 96 * 2 + k / 3 % 8 / 4] += pixels[i][k] / 16.0f;
            for (size_t k = 0; k < SIZE; k++)
                square += (double)wanted[k] * wanted[k];
            for (size_t k = 0; k < SIZE; k++)
                assert_true(fabs(found[i * SIZE + k] - wanted[k] / sqrt(square)) < 1e-5);
        }
        images[3].width = 7;
        assert_int_equal(face_embed_aligned(embedder, images, N, found, &error), TF2_ERR_SHAPE);
        images[3].width = 8;
        face_embedder_destroy(&embedder);
    }
    face_runner_destroy(&runner);
    tf2_devices_close(&devices);
    unlink(path);
}

static void test_arguments(void **state)
{
    static const struct face_detector_options wrong[] = {
        {.layout = (enum face_layout)9}, {.min_face = 11},     {.min_face = NAN}, {.factor = 1},
        {.thresholds = {0, 0, 2}},       {.thresholds = {-1}},
    };
    struct tf2_devices *devices = NULL;
    struct face_runner *runner = NULL;
    struct face_detector *detector = NULL;
    struct face_embedder *embedder = NULL;
    struct tf2_error error;
    (void)state;
    assert_int_equal(tf2_devices_open("host", NULL, &devices, &error), TF2_OK);
    assert_int_equal(face_runner_create(devices, &runner, &error), TF2_OK);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(
            face_detector_create(runner, "/nonexistent", &wrong[i], &detector, NULL),
            TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(
        face_detector_create(runner, "/nonexistent", NULL, &detector, &error), TF2_ERR_NOT_FOUND);
    assert_int_equal(face_embedder_create(runner, "/nonexistent", NULL, &embedder, &error), TF2_ERR_IO);
    assert_null(detector);
    assert_null(embedder);
    face_detector_destroy(&detector);
    face_embedder_destroy(&embedder);
    face_embedder_destroy(NULL);
    face_runner_destroy(&runner);
    face_runner_destroy(&runner);
    tf2_devices_close(&devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap),         cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_move_and_square), cmocka_unit_test(test_fill_grows),
        cmocka_unit_test(test_fill_shrinks),    cmocka_unit_test(test_fill_outside),
        cmocka_unit_test(test_align),           cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_layout_names),    cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_nonsense),        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
