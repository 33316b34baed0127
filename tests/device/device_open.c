/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_open.c: device specifications, closing in any order, life without OpenCL.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device_test.h"

static const char *id_of(const struct tf2_devices *devices, size_t index)
{
    struct tf2_device_info info = {0};
    assert_int_equal(tf2_devices_info(devices, index, &info), TF2_OK);
    assert_non_null(info.id);
    assert_non_null(info.name);
    assert_non_null(info.vendor);
    assert_non_null(info.driver);
    assert_non_null(info.type);
    assert_true(info.vector_width >= 1 && info.compute_units >= 1);
    return info.id;
}

/* The ids that a specification opens, in order. */
static void expect_ids(const char *spec, size_t n, const char *const *ids)
{
    struct tf2_devices *devices = devices_or_null(spec, NULL);
    if (!devices)
        return;
    assert_int_equal(tf2_devices_count(devices), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(id_of(devices, i), ids[i]);
    tf2_devices_close(&devices);
    assert_null(devices);
}

static void test_specs(void **state)
{
    (void)state;
    expect_ids("host", 1, (const char *[]){"host"});
    expect_ids("host,host", 2, (const char *[]){"host", "host"});
    expect_ids("cl:0", 1, (const char *[]){"cl:0"});
    expect_ids("1", 1, (const char *[]){"cl:0"});
    expect_ids("2", 2, (const char *[]){"cl:0", "cl:1"});
    expect_ids("cl:0,host", 2, (const char *[]){"cl:0", "host"});
    expect_ids("host,cl:0", 2, (const char *[]){"host", "cl:0"});
    expect_ids("host,1,host", 3, (const char *[]){"host", "cl:0", "host"});
    expect_ids("cl:1", 1, (const char *[]){"cl:1"});
    expect_ids("cl:00", 1, (const char *[]){"cl:0"});
}

/* NULL, "" and "all" are the same. */
static void test_all(void **state)
{
    struct tf2_devices *all = devices_or_null("all", NULL), *empty, *null;
    (void)state;
    if (!all)
        skip();
    empty = devices_or_null("", NULL);
    null = devices_or_null(NULL, NULL);
    assert_true(tf2_devices_count(all) >= 1);
    assert_int_equal(tf2_devices_count(empty), tf2_devices_count(all));
    assert_int_equal(tf2_devices_count(null), tf2_devices_count(all));
    for (size_t i = 0; i < tf2_devices_count(all); i++)
        assert_string_equal(id_of(all, i), id_of(null, i));
    tf2_devices_close(&empty);
    tf2_devices_close(&all);
    tf2_devices_close(&null);
}

static void expect_failure(const char *spec, enum tf2_status wanted, enum tf2_status without_opencl)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_devices_open(spec, NULL, &devices, &error);
    if (status != wanted && status != without_opencl)
        fail_msg(
            "'%s': %s (%s), wanted %s", spec, tf2_status_name(status), error.message,
            tf2_status_name(wanted));
    assert_null(devices);
    assert_int_equal(error.status, status);
    assert_true(error.message[0] != '\0' && !strchr(error.message, '\n'));
    assert_int_equal(tf2_devices_open(spec, NULL, &devices, NULL), status);
}

static void test_bad_specs(void **state)
{
    static const char *const invalid[] = {
        "0",
        "x",
        " host",
        "HOST",
        "hosts",
        "cl",
        "cl:",
        "cl:x",
        "cl:-1",
        "-1",
        "cl:0x",
        "1.5",
        "cl 0",
        "cl:0;host",
        "host cl:0",
        "12345678901234567890",
        "cl:12345678901234567890",
        "host,x",
        "+1"};
    static const char *const missing[] = {"9999", "cl:9999", "host,cl:9999", "cl:0,9999"};
    char text[400];
    (void)state;
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        expect_failure(invalid[i], TF2_ERR_INVALID_ARGUMENT, TF2_ERR_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        expect_failure(missing[i], TF2_ERR_NO_DEVICE, TF2_ERR_NO_DEVICE);
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    expect_failure(text, TF2_ERR_INVALID_ARGUMENT, TF2_ERR_INVALID_ARGUMENT);
    /* More than the list takes. */
    char *many = calloc(200, 5);
    for (int i = 0; i < 200; i++)
        strcat(many, i ? ",host" : "host");
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_devices_open(many, NULL, &devices, &error);
    assert_true(status == TF2_ERR_UNSUPPORTED || status == TF2_OK);
    tf2_devices_close(&devices);
    free(many);
}

static void test_arguments(void **state)
{
    struct tf2_device_info info;
    struct tf2_devices *devices = NULL, *none = NULL;
    struct tf2_error error = {0};
    (void)state;
    assert_int_equal(tf2_devices_open("host", NULL, NULL, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_true(error.message[0] != '\0');
    assert_int_equal(tf2_devices_open("host", NULL, NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    tf2_devices_close(NULL);
    tf2_devices_close(&none);
    assert_int_equal(tf2_devices_count(NULL), 0);
    assert_int_equal(tf2_devices_info(NULL, 0, &info), TF2_ERR_INVALID_ARGUMENT);
    MUST(tf2_devices_open("host", NULL, &devices, e));
    assert_int_equal(tf2_devices_info(devices, 1, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_devices_info(devices, SIZE_MAX, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_devices_info(devices, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    tf2_devices_close(&devices);
    tf2_devices_close(&devices);
}

static void run_once(struct tf2_session *session)
{
    float x[7] = {0, 1, 2, -1, -2, 0.5f, 100}, y[7] = {0};
    const void *inputs[] = {x};
    void *outputs[] = {y};
    MUST(tf2_session_run(session, inputs, outputs, e));
    assert_true(y[0] == 0 && y[6] > 0.9999f);
}

/* Two lists of the same devices; sessions, models and lists go in the orders that are allowed. */
static void test_close_orders(void **state)
{
    (void)state;
    for (int order = 0; order < 4; order++) {
        struct tf2_devices *a = devices_or_null("cl:0,host", NULL), *b = devices_or_null("host", NULL);
        if (!a)
            a = devices_or_null("host", NULL);
        struct tf2_model *model = model_small(NULL);
        struct tf2_session *s[3] = {NULL};
        MUST(tf2_session_create(model, a, 0, NULL, &s[0], e));
        MUST(tf2_session_create(model, a, tf2_devices_count(a) - 1, NULL, &s[1], e));
        MUST(tf2_session_create(model, b, 0, NULL, &s[2], e));
        for (int i = 0; i < 3; i++)
            run_once(s[i]);
        tf2_session_destroy(&s[order % 3]);
        assert_null(s[order % 3]);
        for (int i = 0; i < 3; i++) {
            if (s[i])
                run_once(s[i]);
        }
        if (order & 1) {
            tf2_session_destroy(&s[2]);
            tf2_devices_close(&b);
            for (int i = 0; i < 2; i++) {
                if (s[i])
                    run_once(s[i]);
            }
        }
        for (int i = 2; i >= 0; i--)
            tf2_session_destroy(&s[i]);
        if (order & 2)
            tf2_model_destroy(&model);
        tf2_devices_close(&a);
        tf2_devices_close(&b);
        tf2_model_destroy(&model);
    }
}

/* --- without OpenCL --- */

static int complain(const char *what)
{
    fprintf(stderr, "without OpenCL: %s\n", what);
    return 1;
}

int child_without_opencl(void)
{
    static const char *const specs[] = {"1", "all", "cl:0", "host,1", ""};
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    float x[7] = {1}, y[7] = {0};
    const void *inputs[] = {x};
    void *outputs[] = {y};
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        error = (struct tf2_error){0};
        if (tf2_devices_open(specs[i], NULL, &devices, &error) != TF2_ERR_NO_DEVICE || devices)
            return complain("opening gives no TF2_ERR_NO_DEVICE");
        if (!strstr(error.message, "pocl-opencl-icd"))
            return complain(error.message);
    }
    if (tf2_devices_open("host", NULL, &devices, &error) != TF2_OK)
        return complain(error.message);
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    struct tf2_session *session = NULL;
    struct tf2_shape shape = {.n_dims = 2, .dim = {1, 7}};
    tf2_tensor_id in, out;
    struct tf2_activation tanh = {.kind = TF2_ACTIVATION_TANH};
    if (tf2_graph_create(NULL, &graph, &error) != TF2_OK ||
        tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, &shape, &in, &error) != TF2_OK ||
        tf2_graph_add_node(graph, TF2_OP_ACTIVATION, "y", &tanh, &in, 1, &out, &error) != TF2_OK ||
        tf2_graph_add_output(graph, out, NULL, &error) != TF2_OK ||
        tf2_model_from_graph(&graph, "m", NULL, &model, &error) != TF2_OK ||
        tf2_session_create(model, devices, 0, NULL, &session, &error) != TF2_OK ||
        tf2_session_run(session, inputs, outputs, &error) != TF2_OK)
        return complain(error.message);
    tf2_session_destroy(&session);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
    return y[0] > 0.76f && y[0] < 0.77f ? 0 : complain("wrong result");
}

/* This program once more, told that there are no drivers. */
static void test_without_opencl(void **state)
{
    int status = 0;
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
        execl("/proc/self/exe", "test_device", "--without-opencl", (char *)NULL);
        _exit(126);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

const struct CMUnitTest open_tests[] = {
    cmocka_unit_test(test_specs),        cmocka_unit_test(test_all),
    cmocka_unit_test(test_bad_specs),    cmocka_unit_test(test_arguments),
    cmocka_unit_test(test_close_orders), cmocka_unit_test(test_without_opencl),
};
const size_t n_open_tests = sizeof(open_tests) / sizeof(open_tests[0]);
