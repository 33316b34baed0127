/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_random_int8.c: random networks on integers give the same bits on OpenCL, on the host device and by the
 * operators' definitions, whatever the batch; from two devices and two threads; their plans keep their
 * promises.
 *
 * Environment: as test_kernels.c; TF2_TEST_ROUNDS defaults to 500. TF2_DOT says which kernels.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_check.h"
#include "random_int8.h"
#include "runtime/devices.h"
#include "transform/model/model.h"

#define ROUNDS      500
#define BATCH       8
#define MAX_PRINTED 3

/* NULL: a reason is printed. */
static struct tf2_devices *open_devices(const char *spec)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_devices_open(spec, NULL, &devices, &error);
    if (status == TF2_ERR_NO_DEVICE)
        print_message("%s\n", error.message);
    else if (status != TF2_OK)
        fail_msg("%s: %s", spec, error.message);
    return devices;
}

static void must_open(
    struct krun *run, const struct tf2_model *model, struct tf2_devices *devices, size_t index, int64_t batch)
{
    if (!krun_open(run, model, devices, index, batch))
        fail_msg("%s", run->error.message);
}

/* --- one graph --- */

/* Both devices, one input, equal bits. */
static bool run_both(struct krun run[2], uint64_t seed, bool special)
{
    for (int d = 0; d < 2; d++) {
        krun_fill(&run[d], seed, special);
        if (!krun_go(&run[d]))
            return false;
    }
    return krun_equal(&run[0], &run[1]);
}

/* Item i of a batch is what a run alone gives. Outputs are [batch, ...]. */
static bool item_is_alone(const struct krun *batch, struct krun *one, size_t i)
{
    krun_take_item(one, batch, i);
    if (!krun_go(one))
        return false;
    for (uint32_t o = 0; o < one->n_out; o++) {
        const size_t n_bytes = krun_out_bytes(one, o);
        assert_int_equal(n_bytes * BATCH, krun_out_bytes(batch, o));
        if (memcmp(one->out[o], batch->out[o] + i * n_bytes, n_bytes) == 0)
            continue;
        print_message("  output %u: item %zu of a batch is not what it is alone\n", o, i);
        return false;
    }
    return true;
}

static bool check_runs(const struct tf2_model *model, struct kdevices *devices, uint64_t seed)
{
    struct krun one[2], batch[2];
    for (size_t d = 0; d < 2; d++) {
        must_open(&one[d], model, devices->devices, d, 0);
        must_open(&batch[d], model, devices->devices, d, BATCH);
    }
    kcount_kernels(devices, one[0].session);
    bool good = run_both(one, seed, false) && krun_as_defined(&one[1], model->graph) &&
                run_both(one, seed, true) && run_both(one, seed, false);
    if (!good)
        print_message("  ^ batch 1\n");
    if (good && !run_both(batch, seed + 1, false)) {
        print_message("  ^ batch %d\n", BATCH);
        good = false;
    }
    for (size_t i = seed % 3; good && i < BATCH; i += 3)
        good = item_is_alone(&batch[0], &one[0], i);
    for (size_t d = 0; d < 2; d++) {
        krun_close(&one[d]);
        krun_close(&batch[d]);
    }
    return good;
}

/* The plan on paper, and step by step in an arena full of not-a-numbers. */
static bool check_plan(
    const struct tf2_model *model, struct kdevices *devices, size_t index, int64_t batch, uint64_t seed)
{
    struct tf2__device *device = tf2__devices_get(devices->devices, index);
    struct tf2__plan *plan = NULL;
    struct tf2_shape shapes[64];
    const struct tf2__plan_options options = {.input_shapes = shapes};
    struct tf2_error error = {0};
    struct krun host;
    must_open(&host, model, devices->devices, 1, batch);
    krun_fill(&host, seed, false);
    assert_true(krun_go(&host) && host.n_in <= 64);
    for (uint32_t i = 0; i < host.n_in; i++)
        shapes[i] = host.in_info[i].shape;
    if (tf2__plan_create(model->graph, &options, device, &plan, &error) != TF2_OK)
        fail_msg("%s", error.message);
    bool good = plan_check(plan);
    if (good && seed % 4 == 0)
        good = arena_check(
            device, plan, (const float *const *)host.in, (const float *const *)(void *)host.out, 0);
    if (!good)
        print_message(
            "  ^ the plan of %s, batch %lld\n", index ? "host" : "the tested device", (long long)batch);
    tf2__plan_destroy(&plan);
    krun_close(&host);
    return good;
}

static bool check_seed(struct kdevices *devices, uint64_t seed)
{
    struct tf2_model *model = kmodel(random_int8, seed, false);
    const struct kfamily8 family = {.name = "random_int8", .build = random_int8};
    bool good = check_runs(model, devices, seed) && krun_passes_keep(devices, &family, model, seed, 0);
    for (size_t d = 0; d < 2; d++)
        good &= check_plan(model, devices, d, 1 + 2 * (int64_t)(seed % 2), seed);
    if (!good) {
        print_message("TF2_TEST_SEED=%llu:\n", (unsigned long long)seed);
        kprint8(model->graph);
    }
    tf2_model_destroy(&model);
    return good;
}

static void test_random_int8(void **state)
{
    struct kdevices devices = {0};
    uint64_t first, n, n_bad = 0;
    char spec[64];
    const char *tested = getenv("TF2_TEST_DEVICE");
    (void)state;
    snprintf(spec, sizeof(spec), "%s,host", tested ? tested : "cl:0");
    devices.devices = open_devices(spec);
    if (!devices.devices)
        skip();
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
        n_bad += !check_seed(&devices, seed);
    kprint_kernels(&devices);
    tf2_devices_close(&devices.devices);
    if (n_bad)
        fail_msg("%llu or more of %llu networks are wrong", (unsigned long long)n_bad, (unsigned long long)n);
}

/* --- two threads --- */

#define THREAD_RUNS 10

struct worker {
    struct krun run;
    const struct krun *wanted;
    bool good;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    w->good = true;
    for (int i = 0; i < THREAD_RUNS && w->good; i++) {
        w->good =
            tf2_session_run(
                w->run.session, (const void *const *)w->run.in, (void *const *)w->run.out, NULL) == TF2_OK;
        for (uint32_t o = 0; o < w->run.n_out && w->good; o++)
            w->good = memcmp(w->run.out[o], w->wanted->out[o], krun_out_bytes(&w->run, o)) == 0;
    }
    return NULL;
}

/* The devices 0 and 1 at once, many runs each; wanted: the bits of host, device 2. */
static bool check_threads(const struct tf2_model *model, struct tf2_devices *devices, uint64_t seed)
{
    struct worker workers[2];
    struct krun host;
    pthread_t threads[2];
    must_open(&host, model, devices, 2, 3);
    krun_fill(&host, seed, false);
    assert_true(krun_go(&host));
    for (size_t t = 0; t < 2; t++) {
        workers[t] = (struct worker){.wanted = &host};
        must_open(&workers[t].run, model, devices, t, 3);
        krun_fill(&workers[t].run, seed, false);
    }
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    for (size_t t = 0; t < 2; t++) {
        pthread_join(threads[t], NULL);
        krun_close(&workers[t].run);
    }
    krun_close(&host);
    return workers[0].good && workers[1].good;
}

static void threads_on(const char *spec)
{
    uint64_t first, n, n_bad = 0;
    struct tf2_devices *devices = open_devices(spec);
    if (!devices)
        skip();
    kseeds(&first, &n, ROUNDS / 20);
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++) {
        struct tf2_model *model = kmodel(random_int8, seed, false);
        if (!check_threads(model, devices, seed)) {
            print_message("TF2_TEST_SEED=%llu on %s:\n", (unsigned long long)seed, spec);
            kprint8(model->graph);
            n_bad++;
        }
        tf2_model_destroy(&model);
    }
    tf2_devices_close(&devices);
    if (n_bad)
        fail_msg("%s: two threads give other bits than one", spec);
}

static void test_threads_two_devices(void **state)
{
    (void)state;
    threads_on("cl:0,cl:1,host");
}

static void test_threads_one_device_twice(void **state)
{
    (void)state;
    threads_on("cl:0,cl:0,host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_int8),
        cmocka_unit_test(test_threads_two_devices),
        cmocka_unit_test(test_threads_one_device_twice),
    };
    return cmocka_run_group_tests_name("random_int8", tests, NULL, NULL);
}
