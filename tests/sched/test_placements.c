/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_placements.c: pipelines, splits and what the engine chooses by itself: the bits of a session on one
 * device, also when devices fail or hang. Splits need devices that share memory: PoCL's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

#define N_DEVICES   3
#define WATCHDOG_NS (1000 * MS)

struct placed {
    const char *device;
    struct tf2_load_options load;
};

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    struct tf2_client *client;
    struct placed *placed;
};

/* Skips the test where there is no such placement. */
static void open_fixture(struct fixture *f, void **state)
{
    const struct tf2_engine_options options = {
        .watchdog_ns = WATCHDOG_NS, .probe_ns = MS, .no_device_ns = 30000 * MS, .max_attempts = 100};
    struct tf2_devices *devices = NULL;
    struct tf2_accelerator_stats stats;
    struct tf2_error error;
    f->placed = *state;
    rig_set_device(f->placed->device);
    if (tf2_devices_open(rig_device(), NULL, &devices, &error) != TF2_OK) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    tf2_devices_close(&devices);
    struct tf2_model *model = model_deep();
    bank_open(&f->bank, model, 16, 7);
    rig_open(&f->rig, N_DEVICES, &options);
    enum tf2_status status =
        tf2_accelerator_load(f->rig.engine, model, &f->placed->load, &f->accelerator, &error);
    tf2_model_destroy(&model);
    const enum tf2_placement wanted = f->placed->load.placement;
    bool there = status == TF2_OK && tf2_accelerator_stats(f->accelerator, &stats) == TF2_OK &&
                 (wanted == TF2_PLACEMENT_AUTO || stats.placement == wanted);
    if (!there) {
        if (status != TF2_OK && status != TF2_ERR_UNSUPPORTED)
            fail_msg("%s", error.message);
        print_message("skipped: no %s here: %s\n", tf2_placement_name(wanted), status ? error.message : "");
        tf2_accelerator_close(&f->accelerator);
        bank_close(&f->bank);
        rig_close(&f->rig);
        skip();
    }
    f->client = rig_client(&f->rig, NULL);
}

static void close_fixture(struct fixture *f)
{
    tf2_client_destroy(&f->client);
    tf2_accelerator_close(&f->accelerator);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

static bool is(const struct fixture *f, enum tf2_placement placement)
{
    return f->placed->load.placement == placement;
}

static void test_results(void **state)
{
    struct fixture f;
    struct tf2_device_stats stats;
    open_fixture(&f, state);
    for (int i = 0; i < 20; i++)
        rig_run_items(f.client, f.accelerator, &f.bank, 1);
    rig_run_items(f.client, f.accelerator, &f.bank, 300);
    for (size_t i = 0; i < N_DEVICES && !is(&f, TF2_PLACEMENT_AUTO); i++) {
        assert_int_equal(tf2_engine_device_stats(f.rig.engine, i, &stats), TF2_OK);
        assert_int_equal(stats.n_items, 320); /* all of them on every device */
    }
    close_fixture(&f);
}

/* One request at a time, so that each device in turn is the one that fails. */
static void test_failures(void **state)
{
    static const enum fault_kind kinds[] = {FAULT_RUN, FAULT_FINISH};
    struct fixture f;
    struct tf2_engine_stats stats;
    open_fixture(&f, state);
    for (size_t k = 0; k < TF2__COUNT(kinds); k++) {
        for (size_t i = 0; i < N_DEVICES; i++) {
            atomic_store(&f.rig.control[i].next[kinds[k]], 1);
            rig_run_items(f.client, f.accelerator, &f.bank, 40);
            for (size_t d = 0; d < N_DEVICES; d++)
                RIG_UNTIL(rig_state(&f.rig, d) == TF2_DEVICE_HEALTHY);
        }
    }
    assert_int_equal(tf2_engine_stats(f.rig.engine, &stats), TF2_OK);
    assert_true(stats.n_completed == 40 * N_DEVICES * TF2__COUNT(kinds) && stats.n_failed == 0);
    if (!is(&f, TF2_PLACEMENT_AUTO))
        assert_true(stats.n_retries >= N_DEVICES * TF2__COUNT(kinds));
    close_fixture(&f);
}

static bool is_hanging(struct fixture *f, size_t device)
{
    return atomic_load(&f->rig.control[device].n_hanging) > 0;
}

static void all_are_healthy(struct fixture *f)
{
    for (size_t i = 0; i < N_DEVICES; i++)
        RIG_UNTIL(rig_state(&f->rig, i) == TF2_DEVICE_HEALTHY);
}

#define N_CALLS 10

static bool are_done(const struct call *calls)
{
    bool all = true;
    for (size_t k = 0; k < N_CALLS; k++)
        all &= tf2_request_done(calls[k].request);
    return all;
}

/* Requests, one of which hangs on the device. While another one is out of service they may not come by there: then again. */
static void hang_on(struct fixture *f, size_t device, struct call *calls)
{
    for (;;) {
        all_are_healthy(f);
        atomic_store(&f->rig.control[device].next[FAULT_HANG], 1);
        for (size_t k = 0; k < N_CALLS; k++)
            call_submit(&calls[k], f->client, f->accelerator, &f->bank, k, NULL);
        RIG_UNTIL(is_hanging(f, device) || are_done(calls));
        if (is_hanging(f, device))
            return;
        for (size_t k = 0; k < N_CALLS; k++)
            call_wait(&calls[k], TF2_OK);
    }
}

/* Pipelines and splits have replicas in reserve. */
static void test_hangs(void **state)
{
    struct fixture f;
    open_fixture(&f, state);
    for (size_t i = 0; i < N_DEVICES && !is(&f, TF2_PLACEMENT_AUTO); i++) {
        struct call calls[N_CALLS];
        hang_on(&f, i, calls);
        RIG_UNTIL(rig_state(&f.rig, i) == TF2_DEVICE_HUNG);
        for (size_t k = 0; k < N_CALLS; k++)
            call_wait(&calls[k], TF2_OK);
        fault_release(&f.rig.control[i]);
        RIG_UNTIL(rig_state(&f.rig, i) == TF2_DEVICE_HEALTHY);
        rig_run_items(f.client, f.accelerator, &f.bank, 20);
    }
    close_fixture(&f);
}

/* Those that wait for a device that hangs are not given up, whether it leads or not. */
static void test_only_one_hangs(void **state)
{
    struct fixture f;
    struct tf2_device_stats stats;
    for (size_t hung = 0; hung < N_DEVICES; hung++) {
        struct call calls[N_CALLS];
        open_fixture(&f, state);
        hang_on(&f, hung, calls);
        for (size_t k = 0; k < N_CALLS; k++)
            call_wait(&calls[k], TF2_OK);
        for (size_t i = 0; i < N_DEVICES; i++) {
            assert_int_equal(tf2_engine_device_stats(f.rig.engine, i, &stats), TF2_OK);
            assert_int_equal(stats.state, i == hung ? TF2_DEVICE_HUNG : TF2_DEVICE_HEALTHY);
            assert_int_equal(stats.n_set_aside, i == hung);
        }
        fault_release(&f.rig.control[hung]);
        RIG_UNTIL(rig_state(&f.rig, hung) == TF2_DEVICE_HEALTHY);
        close_fixture(&f);
    }
}

static void test_hang_at_the_end(void **state)
{
    struct fixture f;
    struct call calls[N_CALLS];
    open_fixture(&f, state);
    for (size_t i = is(&f, TF2_PLACEMENT_AUTO) ? 0 : N_DEVICES; i < N_DEVICES; i++)
        atomic_store(&f.rig.control[i].next[FAULT_HANG], 1);
    hang_on(&f, is(&f, TF2_PLACEMENT_AUTO) ? 0 : N_DEVICES - 1, calls);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    for (size_t k = 0; k < N_CALLS; k++)
        RIG_UNTIL(tf2_request_done(calls[k].request));
    assert_int_equal(tf2_request_wait(calls[N_CALLS - 1].request, 0, NULL), TF2_ERR_CANCELLED);
    for (size_t k = 0; k < N_CALLS; k++)
        tf2_request_release(&calls[k].request);
    tf2_client_destroy(&f.client);
    tf2_accelerator_close(&f.accelerator);
    tf2_devices_close(&f.rig.devices);
    for (size_t i = 0; i < N_DEVICES; i++)
        fault_release(&f.rig.control[i]);
    RIG_UNTIL(atomic_load(&f.rig.env.n_live) == 0);
    rig_sleep(20 * MS);
    close_fixture(&f);
}

/* Nothing is leased away from under it: others wait while a part of its devices is somebody's own. */
static void test_lease(void **state)
{
    struct fixture f;
    struct call calls[20];
    open_fixture(&f, state);
    struct tf2_client *other = rig_client(&f.rig, NULL);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 20; i++)
            call_submit(&calls[i], f.client, f.accelerator, &f.bank, i % 16, NULL);
        MUST(tf2_client_lease(other, 1 + (size_t)round % N_DEVICES, TF2_FOREVER, e));
        rig_run_items(other, f.accelerator, &f.bank, 5);
        tf2_client_unlease(other);
        for (size_t i = 0; i < 20; i++)
            call_wait(&calls[i], TF2_OK);
    }
    tf2_client_destroy(&other);
    close_fixture(&f);
}

#define TESTS_OF(placement)                                                                                  \
    {"results of " #placement, test_results, NULL, NULL, &placement},                                        \
        {"failures of " #placement, test_failures, NULL, NULL, &placement},                                  \
        {"hangs of " #placement, test_hangs, NULL, NULL, &placement},                                        \
        {"hang at the end of " #placement, test_hang_at_the_end, NULL, NULL, &placement},                    \
    {                                                                                                        \
        "lease of " #placement, test_lease, NULL, NULL, &placement                                           \
    }

int main(void)
{
    static struct placed pipeline = {"host", {.placement = TF2_PLACEMENT_PIPELINE}};
    static struct placed batched_pipeline = {
        "host", {.placement = TF2_PLACEMENT_PIPELINE, .batch_sizes = {2, 4}, .n_batch_sizes = 2}};
    static struct placed split = {"cl:0", {.placement = TF2_PLACEMENT_SPLIT}};
    static struct placed batched_split = {
        "cl:0",
        {.placement = TF2_PLACEMENT_SPLIT, .batch_sizes = {3}, .n_batch_sizes = 1, .max_delay_ns = MS}};
    static struct placed automatic = {
        "host", {.placement = TF2_PLACEMENT_AUTO, .objective = TF2_OBJECTIVE_LATENCY}};
    const struct CMUnitTest tests[] = {
        TESTS_OF(pipeline),      TESTS_OF(batched_pipeline), TESTS_OF(split),
        TESTS_OF(batched_split), TESTS_OF(automatic),
        {"only one hangs of split", test_only_one_hangs, NULL, NULL, &split},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
