/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_session_limits.c: legal but absurd graphs and options: the OpenCL device gives what the host gives, or
 * refuses with a message.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include <tf2/tf2.h>

#define N 128

static struct tf2_devices *devices; /* cl:0, host */

static int open_devices(void **state)
{
    (void)state;
    return tf2_devices_open("cl:0,host", NULL, &devices, NULL) == TF2_OK ? 0 : -1;
}

static int close_devices(void **state)
{
    (void)state;
    tf2_devices_close(&devices);
    return 0;
}

/* A model of one node. */
static struct tf2_model *make_model(enum tf2_op op, const void *attr, const struct tf2_shape *shape)
{
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    tf2_tensor_id x, y;
    assert_int_equal(tf2_graph_create(NULL, &graph, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, shape, &x, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_node(graph, op, "y", attr, &x, 1, &y, NULL), TF2_OK);
    assert_int_equal(tf2_graph_add_output(graph, y, NULL, NULL), TF2_OK);
    assert_int_equal(tf2_model_from_graph(&graph, "one", NULL, &model, NULL), TF2_OK);
    return model;
}

static void run(const struct tf2_model *model, size_t device, float *out)
{
    float in[N];
    const void *inputs[] = {in};
    void *outputs[] = {out};
    struct tf2_session *session = NULL;
    for (int i = 0; i < N; i++)
        in[i] = (float)(i % 13) - 4;
    assert_int_equal(tf2_session_create(model, devices, device, NULL, &session, NULL), TF2_OK);
    assert_int_equal(tf2_session_run(session, inputs, outputs, NULL), TF2_OK);
    tf2_session_destroy(&session);
}

static void same_on_both(enum tf2_op op, const void *attr)
{
    const struct tf2_shape shape = {4, {1, 8, 4, 4}};
    struct tf2_model *model = make_model(op, attr, &shape);
    float cl[N] = {0}, host[N] = {0};
    run(model, 0, cl);
    run(model, 1, host);
    for (int i = 0; i < N; i++)
        assert_true(fabsf(cl[i] - host[i]) <= 1e-5f * fabsf(host[i]) + 1e-12f || (isnan(cl[i]) && isnan(host[i])));
    tf2_model_destroy(&model);
}

/* The number of pixels in a window does not fit into 32 bits. */
static void huge_average_window(void **state)
{
    (void)state;
    const struct tf2_pool_attr attr = {
        .kind = TF2_POOL_AVG,
        .window = {
            .kernel = {50000, 50000}, .stride = {50000, 50000}, .pad_begin = {49990, 49990},
            .pad_end = {49990, 49990}},
        .count_include_pad = true};
    same_on_both(TF2_OP_POOL, &attr);
}

static void huge_lrn_window(void **state)
{
    (void)state;
    struct tf2_lrn_attr attr = {
        .region = TF2_LRN_WITHIN_CHANNEL, .size = 46341, .alpha = 1e6f, .beta = 0.75f, .k = 1};
    same_on_both(TF2_OP_LRN, &attr);
    attr.region = TF2_LRN_ACROSS_CHANNELS;
    attr.size = INT32_MAX;
    same_on_both(TF2_OP_LRN, &attr);
}

static void negative_lrn_base(void **state)
{
    (void)state;
    const struct tf2_lrn_attr attr = {.size = 3, .alpha = 1e-6f, .beta = 0.75f, .k = -1};
    same_on_both(TF2_OP_LRN, &attr);
}

static void lrn_of_too_many_dimensions(void **state)
{
    (void)state;
    const struct tf2_shape shape = {6, {1, 8, 2, 2, 2, 2}};
    const struct tf2_lrn_attr attr = {.size = 5, .alpha = 1, .beta = 0.75f, .k = 1};
    struct tf2_model *model = make_model(TF2_OP_LRN, &attr, &shape);
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    assert_int_equal(tf2_session_create(model, devices, 0, NULL, &session, &error), TF2_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "no OpenCL kernel"));
    assert_null(session);
    tf2_model_destroy(&model);
}

static void shapes_that_are_not_there(void **state)
{
    (void)state;
    const struct tf2_shape shape = {4, {1, 8, 4, 4}};
    const struct tf2_activation attr = {.kind = TF2_ACTIVATION_RELU};
    struct tf2_model *model = make_model(TF2_OP_ACTIVATION, &attr, &shape);
    const struct tf2_session_options options = {.n_input_shapes = 1};
    struct tf2_session *session = NULL;
    assert_int_equal(
        tf2_session_create(model, devices, 0, &options, &session, NULL), TF2_ERR_INVALID_ARGUMENT);
    tf2_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(huge_average_window),        cmocka_unit_test(huge_lrn_window),
        cmocka_unit_test(negative_lrn_base),          cmocka_unit_test(lrn_of_too_many_dimensions),
        cmocka_unit_test(shapes_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
