/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_int8.c: a network on integers, whose results are the same bits on every device, today and later:
 * they are written down here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device_test.h"
#include "transform/ir/graph.h"

#define N_X   243
#define N_Y   5
#define BATCH 3

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})
#define IN(...)                                                                                              \
    (const tf2_tensor_id[]){__VA_ARGS__}, sizeof((tf2_tensor_id[]){__VA_ARGS__}) / sizeof(tf2_tensor_id)

/* A constant whose numbers follow a pattern that does not repeat soon. */
static tf2_tensor_id
constant(struct tf2_graph *g, const char *name, enum tf2_dtype dtype, struct tf2_shape shape, double scale)
{
    const size_t n = (size_t)tf2_shape_count(&shape), n_out = (size_t)shape.dim[0];
    tf2_tensor_id id = TF2_NO_TENSOR;
    void *data = tf2__arena_alloc(&g->arena, n, tf2_dtype_size_bytes(dtype));
    float *scales = tf2__arena_alloc(&g->arena, n_out, sizeof(*scales));
    struct tf2__quant quant = {.channel_scale = scales};
    assert_true(data && scales);
    for (size_t i = 0; i < n; i++) {
        const int value = (int)(i * i * 37 + i * 91 + 13) % 255 - 127;
        if (dtype == TF2_DTYPE_S8)
            ((int8_t *)data)[i] = (int8_t)value;
        else if (dtype == TF2_DTYPE_S32)
            ((int32_t *)data)[i] = value * 200;
        else
            ((float *)data)[i] = (float)value / 1024;
    }
    for (size_t o = 0; o < n_out; o++)
        scales[o] = (float)(scale * (1 + (double)(o % 5) / 4));
    MUST(tf2__graph_adopt_quantized(
        g, name, dtype, &shape, dtype == TF2_DTYPE_S8 ? &quant : NULL, data, &id, e));
    return id;
}

static tf2_tensor_id
add(struct tf2_graph *g, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    size_t n, bool relu, float scale, int32_t zero_point)
{
    const struct tf2__quant quant = {.scale = scale, .zero_point = zero_point};
    const struct tf2_activation activation = {.kind = relu ? TF2_ACTIVATION_RELU : TF2_ACTIVATION_NONE};
    tf2_tensor_id id = TF2_NO_TENSOR;
    MUST(tf2__graph_add_int8(
        g, op, name, attr, in, n, &activation, scale > 0 ? TF2_DTYPE_U8 : TF2_DTYPE_F32,
        scale > 0 ? &quant : NULL, &id, e));
    return id;
}

static tf2_tensor_id quantize(struct tf2_graph *g, tf2_tensor_id x)
{
    static const uint8_t zero_points[] = {123, 117, 104};
    const struct tf2__quant quant = {.scale = 1.0f / 64, .channel_zero_point = zero_points};
    tf2_tensor_id id = TF2_NO_TENSOR;
    tf2_tensor_id offset = constant(g, "offset", TF2_DTYPE_F32, SHAPE(3), 1);
    MUST(tf2__graph_add_int8(
        g, TF2_OP_QUANTIZE, "q", NULL, IN(x, offset), NULL, TF2_DTYPE_U8, &quant, &id, e));
    return id;
}

/* Padding of other numbers in each channel, a residual, depthwise, a requantizing concat, all pools, float32
 * last. */
static tf2_tensor_id build(struct tf2_graph *g, tf2_tensor_id x)
{
    const struct tf2_conv_attr same = {.window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    struct tf2_conv_attr depthwise = same;
    const struct tf2_pool_attr max = {.window = {.kernel = {3, 3}, .stride = {2, 2}}};
    const struct tf2_pool_attr avg = {.kind = TF2_POOL_AVG, .window = {.kernel = {2, 2}}};
    tf2_tensor_id w1 = constant(g, "w1", TF2_DTYPE_S8, SHAPE(20, 3, 3, 3), 0.001);
    tf2_tensor_id w2 = constant(g, "w2", TF2_DTYPE_S8, SHAPE(20, 20, 3, 3), 0.0005);
    tf2_tensor_id w3 = constant(g, "w3", TF2_DTYPE_S8, SHAPE(20, 1, 3, 3), 0.002);
    tf2_tensor_id w4 = constant(g, "w4", TF2_DTYPE_S8, SHAPE(N_Y, 360), 0.003);
    tf2_tensor_id b1 = constant(g, "b1", TF2_DTYPE_S32, SHAPE(20), 1);
    depthwise.group = 20;
    tf2_tensor_id a = add(g, TF2_OP_CONV, "conv1", &same, IN(quantize(g, x), w1, b1), true, 0.03125f, 0);
    tf2_tensor_id b = add(g, TF2_OP_CONV, "conv2", &same, IN(a, w2, b1, a), false, 0.17f, 131);
    tf2_tensor_id c = add(g, TF2_OP_CONV, "depthwise", &depthwise, IN(a, w3), false, 0.05f, 100);
    tf2_tensor_id d = add(g, TF2_OP_ELTWISE, "sum", NULL, IN(b, c), true, 0.11f, 7);
    tf2_tensor_id p = add(g, TF2_OP_POOL, "max", &max, IN(d), false, 0.125f, 3);
    tf2_tensor_id q = add(g, TF2_OP_POOL, "max of b", &max, IN(b), false, 0.17f, 131);
    tf2_tensor_id joint =
        add(g, TF2_OP_CONCAT, "concat", &(struct tf2_axis_attr){.axis = 1}, IN(p, q), false, 0.125f, 60);
    tf2_tensor_id mean = add(g, TF2_OP_POOL, "avg", &avg, IN(joint), false, 0.09f, 61);
    return add(g, TF2_OP_GEMM, "fc", &(struct tf2_gemm_attr){.axis = 1}, IN(mean, w4), false, 0, 0);
}

struct tf2_model *model_int8(const struct tf2_env *env)
{
    const struct tf2_import_options options = {.no_optimize = true};
    const struct tf2_shape shape = SHAPE(1, 3, 9, 9);
    struct tf2_graph *g = NULL;
    struct tf2_model *model = NULL;
    tf2_tensor_id x = TF2_NO_TENSOR;
    MUST(tf2_graph_create(env, &g, e));
    MUST(tf2_graph_add_input(g, "x", TF2_DTYPE_F32, &shape, &x, e));
    MUST(tf2_graph_add_output(g, build(g, x), "y", e));
    MUST(tf2_model_from_graph(&g, "int8", &options, &model, e));
    return model;
}

static void fill(float *x)
{
    for (int i = 0; i < BATCH * N_X; i++)
        x[i] = (float)((i * i * 29 + i * 53) % 1021 - 510) / 255;
}

static const float wanted[BATCH][N_Y] = {
    {0x1.666bfap+1f, -0x1.3600d2p+3f, 0x1.3fe796p+1f, -0x1.6e6b08p+3f, 0x1.555088p+2f},
    {0x1.06a7fp-3f, -0x1.668f5cp+3f, 0x1.3813aap+0f, -0x1.fdff64p+2f, 0x1.71cac2p+1f},
    {0x1.129d2p+1f, -0x1.4d46f8p+3f, -0x1.00b63p-2f, -0x1.7a22d8p+3f, 0x1.848608p+1f},
};

static void check_bits(const float *y, int item)
{
    if (memcmp(y, wanted[item], sizeof(wanted[item])) == 0)
        return;
    fail_msg(
        "item %d: %a, %a, %a, %a, %a, wanted %a, %a, %a, %a, %a", item, y[0], y[1], y[2], y[3], y[4],
        wanted[item][0], wanted[item][1], wanted[item][2], wanted[item][3], wanted[item][4]);
}

static void check_session(const struct tf2_model *model, struct tf2_devices *devices, int64_t batch)
{
    struct tf2_session_options options;
    struct tf2_session *session = NULL;
    float x[BATCH * N_X], y[BATCH * N_Y];
    fill(x);
    tf2_session_options_defaults(&options);
    options.batch = batch;
    MUST(tf2_session_create(model, devices, 0, &options, &session, e));
    for (int i = 0; i + batch <= BATCH; i++) {
        const void *inputs[] = {x + i * N_X};
        void *outputs[] = {y};
        MUST(tf2_session_run(session, inputs, outputs, e));
        for (int k = 0; k < batch; k++)
            check_bits(y + k * N_Y, i + k);
    }
    tf2_session_destroy(&session);
}

/* Alone, in a batch, and again. */
static void test_int8_bits(void **state)
{
    const struct device_case *c = *state;
    struct tf2_devices *devices = devices_or_null(c->spec, NULL);
    if (!devices)
        skip();
    struct tf2_model *model = model_int8(NULL);
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    for (int64_t batch = 1; batch <= BATCH; batch++)
        check_session(model, devices, batch);
    check_session(model, devices, 1);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* A session that failed for want of memory leaves its device as it was. */
static void test_int8_after_failure(void **state)
{
    const struct device_case *c = *state;
    struct counting_env counting;
    counting_env_init(&counting);
    struct tf2_devices *devices = devices_or_null(c->spec, &counting.env);
    if (!devices)
        skip();
    struct tf2_model *model = model_int8(NULL);
    for (long n = 1; n < 40; n += 3) {
        struct tf2_session *session = NULL;
        atomic_store(&counting.countdown, n);
        (void)tf2_session_create(model, devices, 0, NULL, &session, NULL);
        atomic_store(&counting.countdown, 0);
        tf2_session_destroy(&session);
        check_session(model, devices, 1);
    }
    if (strstr(counting.log, "taking simpler ones"))
        fail_msg("for want of memory the device gave up its better kernels");
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
    assert_int_equal(atomic_load(&counting.n_live), 0);
}

const struct CMUnitTest int8_tests[] = {
    cmocka_unit_test(test_int8_bits),
    cmocka_unit_test(test_int8_after_failure),
};
const size_t n_int8_tests = sizeof(int8_tests) / sizeof(int8_tests[0]);
