/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_conformance.c: what every device has to do alike: sessions, their errors, round trips, statistics,
 * profiles.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device_test.h"

static struct tf2_devices *open_case(void **state)
{
    const struct device_case *c = *state;
    struct tf2_devices *devices = devices_or_null(c->spec, NULL);
    if (!devices)
        skip();
    return devices;
}

/* Numbers that no arithmetic makes: copies have to keep every bit. */
static void fill_bits(float *values, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t bits = (seed & 0x807fffffu) | 0x3f000000u; /* finite, normal */
        memcpy(&values[i], &bits, sizeof(bits));
    }
}

/* What is written comes back, from buffers of any alignment; outputs that are NULL are left alone. */
static void test_round_trip(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_copies(NULL);
    for (int64_t batch = 1; batch <= 3; batch++) {
        struct tf2_session_options options;
        struct tf2_session *session = NULL;
        size_t n_a = (size_t)batch * 105, n_b = (size_t)batch * 3;
        tf2_session_options_defaults(&options);
        options.batch = batch;
        MUST(tf2_session_create(model, devices, 0, &options, &session, e));
        float *a = malloc(n_a * 4), *b = malloc(n_b * 4);
        for (size_t shift = 0; shift < 4; shift++) {
            char *in_a = malloc(n_a * 4 + 4), *in_b = malloc(n_b * 4 + 4);
            char *out_a = malloc(n_a * 4 + 4), *out_b = malloc(n_b * 4 + 4), *again = malloc(n_a * 4 + 4);
            fill_bits(a, n_a, (uint32_t)(batch * 10) + (uint32_t)shift);
            fill_bits(b, n_b, 99);
            memcpy(in_a + shift, a, n_a * 4);
            memcpy(in_b + shift, b, n_b * 4);
            const void *inputs[] = {in_a + shift, in_b + shift};
            void *outputs[] = {out_a + shift, out_b + shift, again + shift},
                 *some[] = {NULL, out_b + shift, NULL};
            MUST(tf2_session_run(session, inputs, outputs, e));
            assert_memory_equal(out_a + shift, a, n_a * 4);
            assert_memory_equal(out_b + shift, b, n_b * 4);
            assert_memory_equal(again + shift, a, n_a * 4);
            memset(out_b, 0, n_b * 4 + 4);
            MUST(tf2_session_run(session, inputs, some, e));
            assert_memory_equal(out_b + shift, b, n_b * 4);
            assert_memory_equal(in_a + shift, a, n_a * 4);
            free(in_a);
            free(in_b);
            free(out_a);
            free(out_b);
            free(again);
        }
        free(a);
        free(b);
        tf2_session_destroy(&session);
    }
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

static void test_info(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_copies(NULL);
    struct tf2_session *session = NULL;
    struct tf2_session_options options;
    struct tf2_tensor_info info;
    struct tf2_step_info step;
    tf2_session_options_defaults(&options);
    options.batch = 2;
    MUST(tf2_session_create(model, devices, 0, &options, &session, e));
    assert_int_equal(tf2_session_input(session, 0, &info), TF2_OK);
    assert_string_equal(info.name, "a");
    assert_int_equal(info.shape.dim[0], 2);
    assert_int_equal(info.shape.n_dims, 4);
    assert_int_equal(info.dtype, TF2_DTYPE_F32);
    assert_int_equal(tf2_session_output(session, 1, &info), TF2_OK);
    assert_string_equal(info.name, "b.copy");
    assert_int_equal(info.shape.dim[0], 2);
    assert_int_equal(tf2_session_output(session, 2, &info), TF2_OK);
    assert_string_equal(info.name, "a again");
    assert_int_equal(tf2_session_input(session, 2, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_output(session, 3, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_input(NULL, 0, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_output(NULL, 0, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_input(session, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_output(session, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_step(session, SIZE_MAX, &step), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_step(NULL, 0, &step), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_step(session, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    tf2_session_destroy(&session);
    tf2_session_destroy(&session);
    tf2_session_destroy(NULL);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

static void expect_create(
    const struct tf2_model *model, struct tf2_devices *devices, const struct tf2_session_options *options,
    enum tf2_status wanted, enum tf2_status other, const char *says)
{
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_session_create(model, devices, 0, options, &session, &error);
    if ((status != wanted && status != other) || (says && !strstr(error.message, says)))
        fail_msg(
            "batch %lld: %s (%s), wanted %s (\"...%s...\")", (long long)options->batch,
            tf2_status_name(status), error.message, tf2_status_name(wanted), says ? says : "");
    assert_null(session);
    assert_int_equal(error.status, status);
    assert_true(error.message[0] != '\0');
}

static void test_create_arguments(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_small(NULL);
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    assert_int_equal(tf2_session_create(NULL, devices, 0, NULL, &session, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_true(error.message[0] != '\0');
    assert_int_equal(tf2_session_create(model, NULL, 0, NULL, &session, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_create(model, devices, 0, NULL, NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_create(model, devices, 1, NULL, &session, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(
        tf2_session_create(model, devices, SIZE_MAX, NULL, &session, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_null(session);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

static void test_batches(void **state)
{
    static const int64_t invalid[] = {-1, INT64_MIN, -1000};
    static const int64_t huge[] = {INT64_MAX,        INT64_MAX / 2, (int64_t)1 << 40,
                                   (int64_t)1 << 31, INT32_MAX,     20000000};
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_any_size(NULL), *net = model_net(NULL);
    struct tf2_session_options options;
    tf2_session_options_defaults(&options);
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        options.batch = invalid[i];
        expect_create(model, devices, &options, TF2_ERR_INVALID_ARGUMENT, TF2_ERR_INVALID_ARGUMENT, NULL);
    }
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        options.batch = huge[i];
        expect_create(model, devices, &options, TF2_ERR_SHAPE, TF2_ERR_NO_MEMORY, NULL);
        expect_create(net, devices, &options, TF2_ERR_SHAPE, TF2_ERR_NO_MEMORY, NULL);
    }
    tf2_model_destroy(&model);
    tf2_model_destroy(&net);
    tf2_devices_close(&devices);
}

static void test_input_shapes(void **state)
{
    static const struct {
        const char *name;
        struct tf2_shape shape;
        enum tf2_status wanted, other;
        const char *says;
    } cases[] = {
        {"nobody", {.n_dims = 4, .dim = {1, 3, 9, 9}}, TF2_ERR_NOT_FOUND, TF2_ERR_NOT_FOUND, "nobody"},
        {"X", {.n_dims = 4, .dim = {1, 3, 9, 9}}, TF2_ERR_NOT_FOUND, TF2_ERR_NOT_FOUND, "X"},
        {"x", {.n_dims = 4, .dim = {1, 4, 9, 9}}, TF2_ERR_SHAPE, TF2_ERR_SHAPE, "conv"},
        {"x", {.n_dims = 3, .dim = {1, 3, 9}}, TF2_ERR_SHAPE, TF2_ERR_SHAPE, NULL},
        {"x", {.n_dims = 0}, TF2_ERR_SHAPE, TF2_ERR_INVALID_ARGUMENT, NULL},
        {"x", {.n_dims = 4, .dim = {1, 3, 0, 9}}, TF2_ERR_SHAPE, TF2_ERR_INVALID_ARGUMENT, NULL},
        {"x", {.n_dims = 4, .dim = {1, 3, -5, 9}}, TF2_ERR_SHAPE, TF2_ERR_INVALID_ARGUMENT, NULL},
        {"x", {.n_dims = 4, .dim = {1, 3, 1 << 20, 1 << 20}}, TF2_ERR_SHAPE, TF2_ERR_NO_MEMORY, NULL},
        {"x", {.n_dims = 4, .dim = {1, 3, INT64_MAX, 9}}, TF2_ERR_SHAPE, TF2_ERR_INVALID_ARGUMENT, NULL},
        {"x", {.n_dims = 9}, TF2_ERR_INVALID_ARGUMENT, TF2_ERR_SHAPE, NULL},
        {NULL, {.n_dims = UINT32_MAX}, TF2_ERR_INVALID_ARGUMENT, TF2_ERR_SHAPE, NULL},
    };
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_any_size(NULL), *two = model_copies(NULL);
    struct tf2_session_options options;
    tf2_session_options_defaults(&options);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tf2_named_shape shape = {cases[i].name, cases[i].shape};
        options.input_shapes = &shape;
        options.n_input_shapes = 1;
        expect_create(model, devices, &options, cases[i].wanted, cases[i].other, cases[i].says);
    }
    /* Without a name: fine for one input, not for two. */
    const struct tf2_named_shape unnamed = {NULL, {.n_dims = 4, .dim = {2, 3, 4, 31}}};
    struct tf2_session *session = NULL;
    struct tf2_tensor_info info;
    options.input_shapes = &unnamed;
    options.batch = 7; /* does not count beside shapes */
    MUST(tf2_session_create(model, devices, 0, &options, &session, e));
    assert_int_equal(tf2_session_output(session, 0, &info), TF2_OK);
    assert_int_equal(info.shape.dim[0], 2);
    assert_int_equal(info.shape.dim[2], 4);
    assert_int_equal(info.shape.dim[3], 31);
    tf2_session_destroy(&session);
    expect_create(two, devices, &options, TF2_ERR_NOT_FOUND, TF2_ERR_NOT_FOUND, NULL);
    tf2_model_destroy(&model);
    tf2_model_destroy(&two);
    tf2_devices_close(&devices);
}

/* A run with bad arguments fails with a message, and the session still works. */
static void test_run_errors(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_copies(NULL);
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    float a[105], b[3] = {1, 2, 3}, out_a[105], out_b[3], again[105];
    const void *inputs[] = {a, b}, *first_missing[] = {NULL, b}, *second_missing[] = {a, NULL};
    void *outputs[] = {out_a, out_b, again};
    fill_bits(a, 105, 5);
    MUST(tf2_session_create(model, devices, 0, NULL, &session, e));
    assert_int_equal(tf2_session_run(NULL, inputs, outputs, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_true(error.message[0] != '\0');
    assert_int_equal(tf2_session_run(session, NULL, outputs, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_run(session, inputs, NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_session_run(session, first_missing, outputs, NULL), TF2_ERR_INVALID_ARGUMENT);
    error.message[0] = '\0';
    assert_int_equal(tf2_session_run(session, second_missing, outputs, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_true(error.message[0] != '\0');
    MUST(tf2_session_run(session, inputs, outputs, e));
    assert_memory_equal(a, out_a, sizeof(a));
    assert_memory_equal(b, out_b, sizeof(b));
    tf2_session_destroy(&session);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define PROFILE_RUNS 50

/* Statistics and profile of one session, after some runs. */
static void check_profile(struct tf2_session *session, bool profile, int64_t macs)
{
    struct tf2_session_stats stats;
    float x[2 * 243], y[10];
    const void *inputs[] = {x};
    void *outputs[] = {y};
    fill_bits(x, 2 * 243, 3);
    tf2_session_stats(session, &stats);
    assert_int_equal(stats.n_runs, 0);
    assert_true(stats.n_steps > 0);
    assert_int_equal(stats.macs, macs);
    assert_true(stats.live_bytes > 0 && stats.live_bytes <= stats.arena_bytes);
    assert_true(stats.weights_bytes >= (8 * 27 + 8 * 72 + 1000) * sizeof(float));
    uint64_t start = now_ns();
    for (int i = 0; i < PROFILE_RUNS; i++)
        MUST(tf2_session_run(session, inputs, outputs, e));
    uint64_t wall = now_ns() - start, sum = 0;
    int64_t sum_macs = 0;
    tf2_session_stats(session, &stats);
    assert_int_equal(stats.n_runs, PROFILE_RUNS);
    for (size_t i = 0; i < stats.n_steps; i++) {
        struct tf2_step_info step = {0};
        assert_int_equal(tf2_session_step(session, i, &step), TF2_OK);
        assert_true(step.name && step.op && step.op[0] && step.kernel && step.kernel[0]);
        assert_true(step.macs >= 0);
        assert_int_equal(step.n_runs, PROFILE_RUNS);
        if (!profile)
            assert_int_equal(step.total_ns, 0);
        sum += step.total_ns;
        sum_macs += step.macs;
    }
    assert_int_equal(sum_macs, macs);
    assert_true(sum <= wall);
    if (profile)
        assert_true(sum > 0);
}

static void test_profile(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_net(NULL);
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    for (int profile = 0; profile < 2; profile++) {
        struct tf2_session_options options;
        struct tf2_session *session = NULL;
        tf2_session_options_defaults(&options);
        options.profile = profile;
        options.batch = 2;
        MUST(tf2_session_create(model, devices, 0, &options, &session, e));
        check_profile(session, profile, 2 * info.macs);
        tf2_session_destroy(&session);
    }
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* Sessions of one model at different batches do not disturb each other; rows of a batch are like runs alone.
 */
static void test_independent_sessions(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_net(NULL);
    struct tf2_session *one = NULL, *three = NULL;
    struct tf2_session_options options;
    float x[3 * 243], y[15], alone[3][5];
    const void *inputs[] = {x};
    void *outputs[] = {y};
    tf2_session_options_defaults(&options);
    options.batch = 3;
    fill_bits(x, 3 * 243, 17);
    MUST(tf2_session_create(model, devices, 0, NULL, &one, e));
    MUST(tf2_session_create(model, devices, 0, &options, &three, e));
    for (int round = 0; round < 3; round++) {
        MUST(tf2_session_run(three, inputs, outputs, e));
        for (int i = 0; i < 3; i++) {
            const void *in[] = {x + 243 * i};
            void *out[] = {alone[i]};
            MUST(tf2_session_run(one, in, out, e));
            double sum = 0;
            for (int k = 0; k < 5; k++) {
                sum += alone[i][k];
                assert_true(alone[i][k] - y[5 * i + k] < 1e-5f && y[5 * i + k] - alone[i][k] < 1e-5f);
            }
            assert_true(sum > 0.9999 && sum < 1.0001);
        }
    }
    tf2_session_destroy(&one);
    tf2_session_destroy(&three);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* Nothing is read back, so nothing waits for the run: a device that computes in the background may still be
 * at it. */
static void test_destroy_unread(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_any_size(NULL);
    const struct tf2_named_shape shape = {"x", {.n_dims = 4, .dim = {4, 3, 300, 300}}};
    struct tf2_session_options options;
    struct tf2_session *session = NULL;
    float *x = calloc(4 * 3 * 300 * 300, sizeof(*x));
    const void *inputs[] = {x};
    void *outputs[] = {NULL};
    tf2_session_options_defaults(&options);
    options.input_shapes = &shape;
    options.n_input_shapes = 1;
    MUST(tf2_session_create(model, devices, 0, &options, &session, e));
    for (int i = 0; i < 3; i++)
        MUST(tf2_session_run(session, inputs, outputs, e));
    tf2_session_destroy(&session);
    free(x);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* The same bits whatever the budget; what is too little is told, and how much is enough. */
static void test_weight_budget(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_blocks(NULL);
    const size_t least = least_budget(model, devices);
    struct tf2_session_options options;
    float x[243], wanted[5], found[5];
    const void *inputs[] = {x};
    fill_bits(x, 243, 3);
    tf2_session_options_defaults(&options);
    if (least > 1) {
        options.weight_budget_bytes = least - 1;
        expect_create(model, devices, &options, TF2_ERR_NO_MEMORY, TF2_ERR_NO_MEMORY, "two blocks of output channels");
    }
    for (size_t i = 0; i < 3; i++) { /* no limit, as little as can be, enough for everything */
        const size_t budgets[] = {0, least, 100 * least + 1000000};
        struct tf2_session *session = NULL;
        struct tf2_session_stats stats;
        void *outputs[] = {i == 0 ? wanted : found};
        options.weight_budget_bytes = budgets[i];
        MUST(tf2_session_create(model, devices, 0, &options, &session, e));
        for (int run = 0; run < 3; run++) {
            MUST(tf2_session_run(session, inputs, outputs, e));
            assert_true(i == 0 || memcmp(found, wanted, sizeof(wanted)) == 0);
        }
        tf2_session_stats(session, &stats);
        assert_int_equal(stats.streamed_bytes > 0, i == 1 && least > 1);
        assert_int_equal(stats.transfer_ns > 0, stats.streamed_bytes > 0);
        tf2_session_destroy(&session);
    }
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* Large inputs in memory of tf2_alloc may be read in place, at any address: the bits of those that are copied. */
static void test_inputs_in_place(void **state)
{
    struct tf2_devices *devices = open_case(state);
    struct tf2_model *model = model_any_size(NULL);
    const struct tf2_named_shape shape = {NULL, {.n_dims = 4, .dim = {1, 3, 97, 101}}};
    const size_t size = 3 * 97 * 101 * sizeof(float);
    struct tf2_session *session = NULL;
    struct tf2_session_options options;
    struct tf2_tensor_info out;
    tf2_session_options_defaults(&options);
    options.input_shapes = &shape;
    options.n_input_shapes = 1;
    MUST(tf2_session_create(model, devices, 0, &options, &session, e));
    assert_int_equal(tf2_session_output(session, 0, &out), TF2_OK);
    const size_t out_size = (size_t)tf2_shape_count(&out.shape) * sizeof(float);
    char *copied = malloc(size), *memory = tf2_alloc(size + 256), *wanted = malloc(out_size), *found = malloc(out_size);
    void *wanted_outputs[] = {wanted}, *outputs[] = {found};
    for (size_t shift = 0; shift < 200; shift += shift < 8 ? 1 : 37) {
        const void *inputs[] = {copied}, *in_place[] = {memory + shift};
        fill_bits((float *)(void *)copied, size / sizeof(float), (uint32_t)shift);
        memcpy(memory + shift, copied, size);
        MUST(tf2_session_run(session, in_place, outputs, e));
        MUST(tf2_session_run(session, inputs, wanted_outputs, e));
        assert_memory_equal(found, wanted, out_size);
        assert_memory_equal(memory + shift, copied, size);
    }
    free(copied);
    tf2_free(memory);
    free(wanted);
    free(found);
    tf2_session_destroy(&session);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

const struct CMUnitTest conformance_tests[] = {
    cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_info),
    cmocka_unit_test(test_create_arguments), cmocka_unit_test(test_batches),
    cmocka_unit_test(test_input_shapes),     cmocka_unit_test(test_run_errors),
    cmocka_unit_test(test_profile),          cmocka_unit_test(test_independent_sessions),
    cmocka_unit_test(test_destroy_unread),   cmocka_unit_test(test_weight_budget),
    cmocka_unit_test(test_inputs_in_place),
};
const size_t n_conformance_tests = sizeof(conformance_tests) / sizeof(conformance_tests[0]);
