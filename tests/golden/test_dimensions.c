/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dimensions.c: whole networks of one, two and three dimensions with made-up weights, float32 and int8: sound, a
 * detector on an image, video. OpenCL against the reference device; on integers the same bits, and one item at a time
 * the same as several at once.
 */
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NMSE 1e-9
#define N_ITEMS  4
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- building --- */

struct builder {
    struct tf2_graph *graph;
    uint64_t state;
};

static tf2_tensor_id
constant(struct builder *b, const char *name, const struct tf2_shape *shape, double bound)
{
    const size_t n = (size_t)tf2_shape_count(shape);
    float *data = golden_floats(n);
    struct tf2_error error;
    tf2_tensor_id id;
    for (size_t i = 0; i < n; i++) {
        b->state = b->state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (float)(bound * ((double)(b->state >> 40) / (1 << 23) - 1));
    }
    if (tf2_graph_add_constant(b->graph, name, TF2_DTYPE_F32, shape, data, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    free(data);
    return id;
}

static tf2_tensor_id node(
    struct builder *b, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    size_t n_in)
{
    struct tf2_error error;
    tf2_tensor_id id;
    if (tf2_graph_add_node(b->graph, op, name, attr, in, n_in, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static tf2_tensor_id input(struct builder *b, struct tf2_shape shape)
{
    struct tf2_error error;
    tf2_tensor_id id;
    *b = (struct builder){.state = 9};
    assert_int_equal(tf2_graph_create(NULL, &b->graph, &error), TF2_OK);
    assert_int_equal(tf2_graph_add_input(b->graph, "x", TF2_DTYPE_F32, &shape, &id, &error), TF2_OK);
    return id;
}

static struct tf2_model *finish(struct builder *b, tf2_tensor_id output)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    if (tf2_graph_add_output(b->graph, output, "y", &error) != TF2_OK ||
        tf2_model_from_graph(&b->graph, "net", NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

/* A convolution or a transposed one, with bias; the same in all dimensions. */
struct layer {
    int32_t channels, kernel, stride, pad, dilation, group;
    bool transposed;
};

static tf2_tensor_id layer(struct builder *b, tf2_tensor_id x, const char *name, struct layer l)
{
    struct tf2_shape shape = *tf2_graph_shape(b->graph, x);
    const struct tf2_shape bias = SHAPE(l.channels);
    struct tf2_conv_transpose_attr attr = {.group = l.group};
    char text[64];
    shape.dim[0] = l.channels;
    shape.dim[1] /= l.group ? l.group : 1;
    for (uint32_t d = 0; d + 2 < shape.n_dims; d++) {
        shape.dim[2 + d] = l.kernel;
        attr.window.stride[d] = l.stride;
        attr.window.dilation[d] = l.dilation;
        attr.window.pad_begin[d] = attr.window.pad_end[d] = l.pad;
    }
    const struct tf2_conv_attr conv = {.window = attr.window, .group = l.group};
    const double fan_in = (double)tf2_shape_count(&shape) / l.channels;
    snprintf(text, sizeof(text), "%s.weights", name);
    tf2_tensor_id in[3] = {x, constant(b, text, &shape, sqrt(6 / fan_in))};
    snprintf(text, sizeof(text), "%s.bias", name);
    in[2] = constant(b, text, &bias, 0.1);
    return l.transposed ? node(b, TF2_OP_CONV_TRANSPOSE, name, &attr, in, 3)
                        : node(b, TF2_OP_CONV, name, &conv, in, 3);
}

static tf2_tensor_id relu(struct builder *b, tf2_tensor_id x, const char *name)
{
    const struct tf2_activation attr = {.kind = TF2_ACTIVATION_RELU};
    return node(b, TF2_OP_ACTIVATION, name, &attr, &x, 1);
}

static tf2_tensor_id
max_pool(struct builder *b, tf2_tensor_id x, const char *name, int32_t first, int32_t others)
{
    const struct tf2_pool_attr attr = {
        .window = {.kernel = {first, others, others}, .stride = {first, others, others}}};
    return node(b, TF2_OP_POOL, name, &attr, &x, 1);
}

/* Global mean, fully connected: ten numbers. */
static tf2_tensor_id classify(struct builder *b, tf2_tensor_id x)
{
    const struct tf2_pool_attr mean = {.kind = TF2_POOL_AVG, .global = true};
    const struct tf2_gemm_attr gemm = {.axis = 1};
    x = node(b, TF2_OP_POOL, "mean", &mean, &x, 1);
    const struct tf2_shape weights = SHAPE(10, tf2_graph_shape(b->graph, x)->dim[1]);
    const tf2_tensor_id in[2] = {x, constant(b, "fc.weights", &weights, 0.5)};
    return node(b, TF2_OP_GEMM, "fc", &gemm, in, 2);
}

/* A wave of 2000 samples: strides, dilation, depthwise, a residual, half of the way back up. */
static struct tf2_model *build_sound(void)
{
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    struct builder b;
    tf2_tensor_id x = input(&b, SHAPE(1, 1, 2000));
    x = relu(&b, layer(&b, x, "conv1", (struct layer){16, 16, 4, 8, 1, 1, false}), "relu1");
    x = max_pool(&b, x, "pool1", 4, 0);
    x = relu(&b, layer(&b, x, "conv2", (struct layer){32, 9, 1, 8, 2, 1, false}), "relu2");
    tf2_tensor_id y = relu(&b, layer(&b, x, "depthwise", (struct layer){32, 3, 1, 1, 1, 32, false}), "relu3");
    y = layer(&b, y, "pointwise", (struct layer){32, 1, 1, 0, 1, 1, false});
    x = node(&b, TF2_OP_ELTWISE, "sum", &sum, (const tf2_tensor_id[]){x, y}, 2);
    x = max_pool(&b, x, "pool2", 2, 0);
    x = relu(&b, layer(&b, x, "deconv", (struct layer){24, 4, 2, 1, 1, 1, true}), "relu4");
    x = relu(&b, layer(&b, x, "conv3", (struct layer){24, 5, 1, 2, 1, 4, false}), "relu5");
    return finish(&b, classify(&b, x));
}

/* Eight frames: C3D's kind of layers, and back up in time and space. */
static struct tf2_model *build_video(void)
{
    struct builder b;
    tf2_tensor_id x = input(&b, SHAPE(1, 3, 8, 24, 24));
    x = relu(&b, layer(&b, x, "conv1", (struct layer){16, 3, 1, 1, 1, 1, false}), "relu1");
    x = max_pool(&b, x, "pool1", 1, 2);
    x = relu(&b, layer(&b, x, "conv2", (struct layer){24, 3, 1, 1, 1, 2, false}), "relu2");
    x = max_pool(&b, x, "pool2", 2, 2);
    x = relu(&b, layer(&b, x, "conv3", (struct layer){32, 3, 1, 2, 2, 1, false}), "relu3");
    x = relu(&b, layer(&b, x, "deconv", (struct layer){16, 4, 2, 1, 1, 1, true}), "relu4");
    x = relu(&b, layer(&b, x, "depthwise", (struct layer){16, 4, 2, 1, 1, 16, true}), "relu5");
    return finish(&b, classify(&b, x));
}

/* --- running --- */

static struct tf2_devices *devices; /* 0: OpenCL, 1: the reference */

static void
run(const struct tf2_model *model, size_t device, int64_t batch, const float *items, float *results)
{
    const struct tf2_session_options options = {.batch = batch};
    struct tf2_session *session = NULL;
    struct tf2_tensor_info in, out;
    struct tf2_error error;
    if (tf2_session_create(model, devices, device, &options, &session, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_int_equal(tf2_session_input(session, 0, &in), TF2_OK);
    assert_int_equal(tf2_session_output(session, 0, &out), TF2_OK);
    for (int64_t i = 0; i < N_ITEMS / batch; i++) {
        const void *inputs[] = {items + i * tf2_shape_count(&in.shape)};
        void *outputs[] = {results + i * tf2_shape_count(&out.shape)};
        if (tf2_session_run(session, inputs, outputs, &error) != TF2_OK)
            fail_msg("%s", error.message);
    }
    tf2_session_destroy(&session);
}

static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    const struct tf2_tensor_info *info = user;
    const size_t n = (size_t)tf2_shape_count(&info->shape);
    float *all = golden_random(n * N_ITEMS);
    (void)error;
    memcpy(inputs[0], all + sample * n, n * sizeof(float));
    free(all);
    return TF2_OK;
}

/* Quantized on the items themselves; the nodes named stay or become integers. */
static struct tf2_model *quantize(const struct tf2_model *model, const char *const *on_int, size_t n_on_int)
{
    struct tf2_quantize_report *report = NULL;
    struct tf2_model *result = NULL;
    struct tf2_tensor_info info;
    struct tf2_error error;
    assert_int_equal(tf2_model_input(model, 0, &info), TF2_OK);
    if (tf2_model_quantize(model, devices, 0, read_sample, &info, N_ITEMS, NULL, &result, &report, &error) !=
        TF2_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < n_on_int; i++) {
        size_t k = 0;
        while (k < report->n_layers && strcmp(report->layers[k].name, on_int[i]) != 0)
            k++;
        if (k == report->n_layers || !report->layers[k].is_int8)
            fail_msg("%s is not on integers", on_int[i]);
    }
    tf2_quantize_report_destroy(&report);
    return result;
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

static void
check_classifier(struct tf2_model *model, const char *what, const char *const *on_int, size_t n_on_int)
{
    float f32[N_ITEMS * 10], reference[N_ITEMS * 10], u8[N_ITEMS * 10], other[N_ITEMS * 10];
    struct tf2_tensor_info info;
    assert_int_equal(tf2_model_input(model, 0, &info), TF2_OK);
    float *items = golden_random(N_ITEMS * (size_t)tf2_shape_count(&info.shape));
    run(model, 0, 1, items, f32);
    run(model, 1, 1, items, reference);
    const double nmse = golden_nmse(f32, reference, N_ITEMS * 10);
    struct tf2_model *quantized = quantize(model, on_int, n_on_int);
    run(quantized, 0, 1, items, u8);
    run(quantized, 1, 1, items, other);
    assert_memory_equal(u8, other, sizeof(u8));
    run(quantized, 0, N_ITEMS, items, other);
    assert_memory_equal(u8, other, sizeof(u8));
    const double similarity = cosine(u8, f32, N_ITEMS * 10);
    print_message(
        "  %s: NMSE %.1e, allowed %.0e; int8: cosine %.5f, wanted 0.999\n", what, nmse, MAX_NMSE, similarity);
    assert_true(nmse <= MAX_NMSE);
    assert_true(similarity >= 0.999);
    tf2_model_destroy(&quantized);
    tf2_model_destroy(&model);
    free(items);
}

static void test_sound(void **state)
{
    static const char *const on_int[] = {"conv1", "conv2", "depthwise", "pointwise", "deconv", "conv3", "fc"};
    (void)state;
    check_classifier(build_sound(), "sound", on_int, COUNT(on_int));
}

static void test_video(void **state)
{
    static const char *const on_int[] = {"conv1", "conv2", "conv3", "deconv", "depthwise", "fc"};
    (void)state;
    check_classifier(build_video(), "video", on_int, COUNT(on_int));
}

/* --- a detector --- */

#define N_ROWS 20

static tf2_tensor_id head(struct builder *b, tf2_tensor_id map, const char *name, int32_t channels)
{
    const struct tf2_transpose_attr last = {.n_dims = 4, .perm = {0, 2, 3, 1}};
    const struct tf2_axis_attr flat = {.axis = 1};
    char text[64];
    tf2_tensor_id x = layer(b, map, name, (struct layer){channels, 3, 1, 1, 1, 1, false});
    snprintf(text, sizeof(text), "%s.perm", name);
    x = node(b, TF2_OP_TRANSPOSE, text, &last, &x, 1);
    snprintf(text, sizeof(text), "%s.flat", name);
    return node(b, TF2_OP_FLATTEN, text, &flat, &x, 1);
}

static struct tf2_model *build_detector(void)
{
    const struct tf2_normalize_attr normalize = {.epsilon = 1e-10f};
    const struct tf2_prior_box_attr prior = {
        .n_sizes = 1,
        .n_ratios = 2,
        .min_size = {12},
        .ratio = {2, 0.5f},
        .variance = {0.1f, 0.1f, 0.2f, 0.2f},
        .offset = 0.5f};
    const struct tf2_reshape_attr rows = {.n_dims = 3, .dim = {0, -1, 3}};
    const struct tf2_softmax_attr softmax = {.axis = 2};
    const struct tf2_axis_attr flat = {.axis = 1};
    const struct tf2_detection_attr detect = {
        .n_classes = 3, .confidence = 0.55f, .nms_threshold = 0.45f, .top_k = 40, .keep_top_k = N_ROWS};
    const struct tf2_shape scale = SHAPE(24);
    struct builder b;
    tf2_tensor_id image = input(&b, SHAPE(1, 3, 40, 40)), in[3];
    tf2_tensor_id x = relu(&b, layer(&b, image, "conv1", (struct layer){16, 3, 2, 1, 1, 1, false}), "relu1");
    x = relu(&b, layer(&b, x, "conv2", (struct layer){24, 3, 2, 1, 1, 1, false}), "relu2");
    in[0] = x;
    in[1] = constant(&b, "norm.scale", &scale, 3);
    tf2_tensor_id map = node(&b, TF2_OP_NORMALIZE, "norm", &normalize, in, 2);
    in[0] = head(&b, map, "loc", 3 * 4);
    in[1] = head(&b, map, "conf", 3 * 3);
    in[1] = node(&b, TF2_OP_RESHAPE, "rows", &rows, &in[1], 1);
    in[1] = node(&b, TF2_OP_SOFTMAX, "softmax", &softmax, &in[1], 1);
    in[1] = node(&b, TF2_OP_FLATTEN, "flat", &flat, &in[1], 1);
    in[2] = node(&b, TF2_OP_PRIOR_BOX, "priors", &prior, (const tf2_tensor_id[]){x, image}, 2);
    return finish(&b, node(&b, TF2_OP_DETECTION_OUTPUT, "detection", &detect, in, 3));
}

static void check_rows(const float *found, const float *wanted, size_t *n_boxes)
{
    for (size_t i = 0; i < (size_t)N_ITEMS * N_ROWS * 7; i++) {
        assert_true(fabsf(found[i] - wanted[i]) <= 1e-5f * (1 + fabsf(wanted[i])));
        *n_boxes += i % 7 == 0 && wanted[i] == 0;
    }
}

/* The boxes of integers are the same on both devices; the exponentials behind them are float32. */
static void test_detector(void **state)
{
    static const char *const on_int[] = {"conv1", "conv2", "loc", "conf"};
    struct tf2_model *model = build_detector(), *quantized;
    float *items = golden_random((size_t)N_ITEMS * 3 * 40 * 40);
    float found[N_ITEMS * N_ROWS * 7], wanted[N_ITEMS * N_ROWS * 7];
    size_t n_f32 = 0, n_u8 = 0;
    (void)state;
    run(model, 0, 1, items, found);
    run(model, 1, 1, items, wanted);
    check_rows(found, wanted, &n_f32);
    run(model, 0, N_ITEMS, items, wanted);
    assert_memory_equal(found, wanted, sizeof(found));
    quantized = quantize(model, on_int, COUNT(on_int));
    run(quantized, 0, 1, items, found);
    run(quantized, 1, 1, items, wanted);
    check_rows(found, wanted, &n_u8);
    print_message("  detector: %zu boxes, on integers %zu\n", n_f32, n_u8);
    assert_true(n_f32 > N_ITEMS && n_f32 < N_ITEMS * N_ROWS && n_u8 > N_ITEMS);
    tf2_model_destroy(&quantized);
    tf2_model_destroy(&model);
    free(items);
}

static int open_devices(void **state)
{
    struct tf2_error error;
    (void)state;
    return tf2_devices_open("cl:0,host", NULL, &devices, &error) == TF2_OK ? 0 : -1;
}

static int close_devices(void **state)
{
    (void)state;
    tf2_devices_close(&devices);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_video),
        cmocka_unit_test(test_detector),
    };
    return cmocka_run_group_tests_name("golden dimensions", tests, open_devices, close_devices);
}
