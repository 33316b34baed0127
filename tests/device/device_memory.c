/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_memory.c: a run allocates nothing; whatever allocation fails while things are made, the answer is
 * TF2_ERR_NO_MEMORY and nothing is lost.
 *
 * What is seen: every allocation through the environment, exactly; the C library's heap as a whole before and
 * after many runs (mallinfo2). What is not seen: memory that a driver allocates and frees again within a run,
 * and what it maps itself without malloc.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "device_test.h"

#define RUNS 1000

static size_t heap_in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33))
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

static void check_runs(struct tf2_session *session, struct counting_env *counting)
{
    float x[243] = {1, 2, 3}, y[5];
    const void *inputs[] = {x};
    void *outputs[] = {y};
    for (int i = 0; i < 20; i++) /* what a driver sets up once */
        MUST(tf2_session_run(session, inputs, outputs, e));
    long allocs = atomic_load(&counting->n_allocs), live = atomic_load(&counting->n_live);
    size_t before = heap_in_use();
    for (int i = 0; i < RUNS; i++)
        MUST(tf2_session_run(session, inputs, outputs, e));
    size_t after = heap_in_use();
    assert_int_equal(atomic_load(&counting->n_allocs), allocs);
    assert_int_equal(atomic_load(&counting->n_live), live);
    if (after > before + 4096)
        fail_msg("the heap grew by %zu bytes in %d runs", after - before, RUNS);
}

static void test_run_allocates_nothing(void **state)
{
    const struct device_case *c = *state;
    struct counting_env counting;
    counting_env_init(&counting);
    struct tf2_devices *devices = devices_or_null(c->spec, &counting.env);
    if (!devices)
        skip();
    for (int i = 0; i < 6; i++) { /* float32, integers, and streamed weights, without and with a profile */
        struct tf2_model *model = i < 2   ? model_net(&counting.env)
                                  : i < 4 ? model_int8(&counting.env)
                                          : model_blocks(&counting.env);
        struct tf2_session_options options;
        struct tf2_session *session = NULL;
        tf2_session_options_defaults(&options);
        options.profile = i % 2;
        options.weight_budget_bytes = i < 4 ? 0 : least_budget(model, devices);
        MUST(tf2_session_create(model, devices, 0, &options, &session, e));
        check_runs(session, &counting);
        tf2_session_destroy(&session);
        tf2_model_destroy(&model);
    }
    tf2_devices_close(&devices);
    assert_int_equal(atomic_load(&counting.n_live), 0);
}

/* Making and destroying sessions again and again leaves the heap as it was. */
static void leaves_nothing(void **state, struct tf2_model *(*make)(const struct tf2_env *env), bool streams)
{
    const struct device_case *c = *state;
    struct counting_env counting;
    counting_env_init(&counting);
    struct tf2_devices *devices = devices_or_null(c->spec, &counting.env);
    if (!devices)
        skip();
    struct tf2_model *model = make(&counting.env);
    struct tf2_session *session = NULL;
    struct tf2_session_options options;
    size_t before = 0;
    tf2_session_options_defaults(&options);
    options.weight_budget_bytes = streams ? least_budget(model, devices) : 0;
    for (int i = 0; i < 60; i++) {
        if (i == 20)
            before = heap_in_use();
        MUST(tf2_session_create(model, devices, 0, &options, &session, e));
        tf2_session_destroy(&session);
    }
    size_t after = heap_in_use();
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
    assert_int_equal(atomic_load(&counting.n_live), 0);
    /* A leak of a kernel or buffer object per session would be some 40 * 200 bytes at least. */
    if (after > before + 8192)
        fail_msg("the heap grew by %zu bytes in 40 sessions", after - before);
}

static void test_sessions_leave_nothing(void **state)
{
    leaves_nothing(state, model_net, false);
}

static void test_int8_sessions_leave_nothing(void **state)
{
    leaves_nothing(state, model_int8, false);
}

static void test_streaming_sessions_leave_nothing(void **state)
{
    leaves_nothing(state, model_blocks, true);
}

/* --- allocation failures --- */

/* One thing that allocates: makes it, and takes it back when that worked. */
struct maker {
    struct counting_env counting;
    const char *spec;
    struct tf2_devices *devices;
    struct tf2_model *model;
    size_t weight_budget_bytes;
    enum tf2_status (*make)(struct maker *m, struct tf2_error *error);
};

static enum tf2_status make_session(struct maker *m, struct tf2_error *error)
{
    struct tf2_session *session = NULL;
    struct tf2_session_options options;
    tf2_session_options_defaults(&options);
    options.profile = true;
    options.batch = 2;
    options.weight_budget_bytes = m->weight_budget_bytes;
    enum tf2_status status = tf2_session_create(m->model, m->devices, 0, &options, &session, error);
    assert_true((status == TF2_OK) == (session != NULL));
    tf2_session_destroy(&session);
    return status;
}

static enum tf2_status make_devices(struct maker *m, struct tf2_error *error)
{
    struct tf2_devices *devices = NULL;
    enum tf2_status status = tf2_devices_open(m->spec, &m->counting.env, &devices, error);
    assert_true((status == TF2_OK) == (devices != NULL));
    tf2_devices_close(&devices);
    return status;
}

/* Devices that have no program yet, and a session on them. */
static enum tf2_status make_both(struct maker *m, struct tf2_error *error)
{
    struct tf2_session *session = NULL;
    struct tf2_devices *devices = NULL;
    enum tf2_status status = tf2_devices_open(m->spec, &m->counting.env, &devices, error);
    if (status == TF2_OK)
        status = tf2_session_create(m->model, devices, 0, NULL, &session, error);
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
    return status;
}

/* Lets the first, second, ... allocation fail (and, in a second walk, all after it) until it works. */
static void walk(struct maker *m, const char *what)
{
    for (int keeps_failing = 0; keeps_failing < 2; keeps_failing++) {
        enum tf2_status status = TF2_ERR_NO_MEMORY;
        long n, n_failed = 0, live = atomic_load(&m->counting.n_live);
        m->counting.keeps_failing = keeps_failing;
        for (n = 1; n < 5000; n++) {
            struct tf2_error error = {0};
            long allocs = atomic_load(&m->counting.n_allocs);
            atomic_store(&m->counting.countdown, n);
            status = m->make(m, &error);
            atomic_store(&m->counting.countdown, 0);
            bool reached = atomic_load(&m->counting.n_allocs) - allocs >= n;
            if (status != TF2_OK && status != TF2_ERR_NO_MEMORY)
                fail_msg(
                    "%s, allocation %ld fails: %s (%s)", what, n, tf2_status_name(status), error.message);
            if (status != TF2_OK && (error.status != status || !error.message[0]))
                fail_msg("%s, allocation %ld fails: no message", what, n);
            if (atomic_load(&m->counting.n_live) != live)
                fail_msg(
                    "%s, allocation %ld fails (%s): %ld blocks lost", what, n, tf2_status_name(status),
                    atomic_load(&m->counting.n_live) - live);
            n_failed += status != TF2_OK;
            if (!reached)
                break;
        }
        assert_int_equal(status, TF2_OK);
        assert_true(n_failed > 0);
        print_message("  %s: %ld allocations, %ld of them fatal\n", what, n - 1, n_failed);
    }
}

static void test_failing_session(void **state)
{
    const struct device_case *c = *state;
    struct maker m = {.spec = c->spec, .make = make_session};
    counting_env_init(&m.counting);
    m.devices = devices_or_null(c->spec, &m.counting.env);
    if (!m.devices)
        skip();
    m.model = model_net(NULL);
    walk(&m, "a session");
    tf2_model_destroy(&m.model);
    m.model = model_int8(NULL);
    walk(&m, "a session on integers");
    tf2_model_destroy(&m.model);
    m.model = model_blocks(NULL);
    m.weight_budget_bytes = least_budget(m.model, m.devices);
    walk(&m, "a session with streamed weights");
    tf2_model_destroy(&m.model);
    tf2_devices_close(&m.devices);
    assert_int_equal(atomic_load(&m.counting.n_live), 0);
}

static void test_failing_devices(void **state)
{
    const struct device_case *c = *state;
    struct maker m = {.spec = c->spec, .make = make_devices};
    counting_env_init(&m.counting);
    struct tf2_devices *devices = devices_or_null(c->spec, NULL);
    if (!devices)
        skip();
    tf2_devices_close(&devices);
    walk(&m, "devices");
    /* A list that fails at its second device gives the first one back. */
    m.spec = "host,host";
    walk(&m, "two devices");
    m.model = model_small(NULL);
    m.spec = c->spec;
    m.make = make_both;
    walk(&m, "devices and programs");
    tf2_model_destroy(&m.model);
}

/* A failed session leaves its device as it was: the next one gives right numbers. */
static void test_after_failure(void **state)
{
    const struct device_case *c = *state;
    struct counting_env counting;
    counting_env_init(&counting);
    struct tf2_devices *devices = devices_or_null(c->spec, &counting.env);
    if (!devices)
        skip();
    struct tf2_model *model = model_small(NULL);
    struct tf2_session *session = NULL;
    float x[7] = {0, 1}, y[7] = {0};
    const void *inputs[] = {x};
    void *outputs[] = {y};
    for (long n = 1; n < 12; n++) {
        atomic_store(&counting.countdown, n);
        (void)tf2_session_create(model, devices, 0, NULL, &session, NULL);
        atomic_store(&counting.countdown, 0);
        tf2_session_destroy(&session);
        MUST(tf2_session_create(model, devices, 0, NULL, &session, e));
        MUST(tf2_session_run(session, inputs, outputs, e));
        assert_true(y[0] == 0 && y[1] > 0.76f && y[1] < 0.77f);
        tf2_session_destroy(&session);
    }
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

const struct CMUnitTest memory_tests[] = {
    cmocka_unit_test(test_run_allocates_nothing),       cmocka_unit_test(test_sessions_leave_nothing),
    cmocka_unit_test(test_int8_sessions_leave_nothing), cmocka_unit_test(test_failing_session),
    cmocka_unit_test(test_failing_devices),             cmocka_unit_test(test_after_failure),
    cmocka_unit_test(test_streaming_sessions_leave_nothing),
};
const size_t n_memory_tests = sizeof(memory_tests) / sizeof(memory_tests[0]);
