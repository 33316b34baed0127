/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loading.c: what loading may cost: the weights of all models together keep to a device's budget, and a device that hangs
 * while a model is loaded holds nobody up. Budgets need an OpenCL device.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net.h"
#include "rig.h"

#define LOAD_WATCHDOG_NS (1000 * MS)

/* x [1, 64] -> gemm, five times -> y [1, 64]: blocks of weights to stream. */
static struct tf2_model *model_wide(void)
{
    struct net net;
    struct tf2_model *model = NULL;
    net_open(&net, 8);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 64));
    for (int i = 0; i < 5; i++)
        x = net_gemm(&net, x, 64, 1, true);
    net_output(&net, x);
    MUST(tf2_model_from_graph(&net.graph, "wide", NULL, &model, e));
    net_close(&net);
    return model;
}

/* --- one budget for all --- */

static void needs_opencl(void)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error;
    rig_set_device("cl:0");
    if (tf2_devices_open(rig_device(), NULL, &devices, &error) != TF2_OK) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    tf2_devices_close(&devices);
}

static size_t weights_on(const struct rig *rig, size_t device)
{
    struct tf2_device_stats stats;
    assert_int_equal(tf2_engine_device_stats(rig->engine, device, &stats), TF2_OK);
    return stats.weights_bytes;
}

/* Whether runs of the accelerator stream; its results have to be right. */
static bool streams(struct rig *rig, struct tf2_accelerator *accelerator, const struct bank *bank)
{
    struct tf2_accelerator_stats stats;
    struct tf2_client *client = rig_client(rig, NULL);
    rig_run_items(client, accelerator, bank, 8);
    tf2_client_destroy(&client);
    assert_int_equal(tf2_accelerator_stats(accelerator, &stats), TF2_OK);
    return stats.streamed_bytes > 0;
}

/* What one accelerator takes when there is room. */
static size_t whole_bytes(const struct tf2_load_options *options)
{
    struct rig rig;
    const struct tf2_engine_options large = {.weight_budget_bytes = 1 << 30};
    rig_open(&rig, 1, &large);
    struct tf2_accelerator *accelerator = rig_load(&rig, model_wide(), options);
    size_t bytes = weights_on(&rig, 0);
    tf2_accelerator_close(&accelerator);
    assert_int_equal(weights_on(&rig, 0), 0);
    rig_close(&rig);
    assert_true(bytes >= 5 * 64 * 64 * sizeof(float));
    return bytes;
}

static void open_banked(struct rig *rig, struct bank *bank, uint32_t n_devices, size_t budget_bytes)
{
    struct tf2_model *model = model_wide();
    bank_open(bank, model, 4, 3);
    tf2_model_destroy(&model);
    rig_open(rig, n_devices, &(struct tf2_engine_options){.weight_budget_bytes = budget_bytes});
}

/* The second of two models has what the first left; a third that of the first when that is gone. */
static void test_two_models(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tf2_device_stats stats;
    needs_opencl();
    const size_t whole = whole_bytes(NULL), budget = whole + whole / 2;
    open_banked(&rig, &bank, 2, budget);
    struct tf2_accelerator *first = rig_load(&rig, model_wide(), NULL);
    assert_int_equal(weights_on(&rig, 0), whole);
    struct tf2_accelerator *second = rig_load(&rig, model_wide(), NULL);
    assert_false(streams(&rig, first, &bank));
    assert_true(streams(&rig, second, &bank));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tf2_engine_device_stats(rig.engine, i, &stats), TF2_OK);
        assert_int_equal(stats.weight_budget_bytes, budget);
        assert_in_range(stats.weights_bytes, whole + 1, budget);
    }
    tf2_accelerator_close(&first);
    assert_in_range(weights_on(&rig, 0), 1, whole / 2);
    struct tf2_accelerator *third = rig_load(&rig, model_wide(), NULL);
    assert_false(streams(&rig, third, &bank));
    tf2_accelerator_close(&second);
    tf2_accelerator_close(&third);
    assert_int_equal(weights_on(&rig, 0) + weights_on(&rig, 1), 0);
    bank_close(&bank);
    rig_close(&rig);
}

static void test_nothing_left(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *second = NULL;
    struct tf2_model *model = model_wide();
    needs_opencl();
    const size_t whole = whole_bytes(NULL);
    open_banked(&rig, &bank, 1, whole);
    struct tf2_accelerator *first = rig_load(&rig, model_wide(), NULL);
    REFUSED(TF2_ERR_NO_MEMORY, "fault:0: weights take all", tf2_accelerator_load(rig.engine, model, NULL, &second, e));
    assert_int_equal(weights_on(&rig, 0), whole);
    tf2_accelerator_close(&first);
    MUST(tf2_accelerator_load(rig.engine, model, NULL, &second, e));
    assert_false(streams(&rig, second, &bank));
    tf2_accelerator_close(&second);
    /* A limit of its own, below the device's. */
    MUST(tf2_accelerator_load(
        rig.engine, model, &(struct tf2_load_options){.weight_budget_bytes = whole / 2}, &second, e));
    assert_in_range(weights_on(&rig, 0), 1, whole / 2);
    assert_true(streams(&rig, second, &bank));
    tf2_accelerator_close(&second);
    tf2_model_destroy(&model);
    bank_close(&bank);
    rig_close(&rig);
}

/* Instances for batches, reserves and parts count too. */
static void test_placements_keep_to_it(void **state)
{
    (void)state;
    static const enum tf2_placement placements[] = {
        TF2_PLACEMENT_REPLICATE, TF2_PLACEMENT_PIPELINE, TF2_PLACEMENT_SPLIT, TF2_PLACEMENT_AUTO};
    needs_opencl();
    const size_t whole = whole_bytes(NULL);
    for (size_t p = 0; p < TF2__COUNT(placements); p++) {
        struct rig rig;
        struct bank bank;
        struct tf2_accelerator *accelerator = NULL;
        struct tf2_model *model = model_wide();
        const struct tf2_load_options options = {
            .placement = placements[p],
            .objective = TF2_OBJECTIVE_LATENCY,
            .batch_sizes = {2},
            .n_batch_sizes = 1};
        open_banked(&rig, &bank, 2, 2 * whole);
        MUST(tf2_accelerator_load(rig.engine, model, &options, &accelerator, e));
        for (size_t i = 0; i < 2; i++)
            assert_in_range(weights_on(&rig, i), 1, 2 * whole);
        (void)streams(&rig, accelerator, &bank);
        tf2_accelerator_close(&accelerator);
        tf2_model_destroy(&model);
        bank_close(&bank);
        rig_close(&rig);
    }
}

#define N_LOADERS 4

struct loader {
    struct rig *rig;
    size_t budget_bytes;
    pthread_t thread;
};

static void *load_some(void *user)
{
    const struct loader *loader = user;
    struct rig *rig = loader->rig;
    struct tf2_model *model = model_wide();
    for (int i = 0; i < 5; i++) {
        struct tf2_accelerator *accelerator = NULL;
        enum tf2_status status = tf2_accelerator_load(rig->engine, model, NULL, &accelerator, NULL);
        if (status != TF2_OK && status != TF2_ERR_NO_MEMORY)
            return "a load failed otherwise";
        if (weights_on(rig, 0) > loader->budget_bytes || weights_on(rig, 1) > loader->budget_bytes)
            return "more than the budget";
        rig_sleep(5 * MS);
        tf2_accelerator_close(&accelerator);
    }
    tf2_model_destroy(&model);
    return NULL;
}

/* Two loads do not count on the same bytes. */
static void test_loads_at_once(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct loader loaders[N_LOADERS];
    needs_opencl();
    const size_t budget = whole_bytes(NULL) / 2 * 3;
    open_banked(&rig, &bank, 2, budget);
    struct tf2_accelerator *stays = rig_load(&rig, model_wide(), &(struct tf2_load_options){.weight_budget_bytes = budget / 3});
    for (int i = 0; i < 2; i++) { /* between planning and taking */
        atomic_store(&rig.control[i].hang_ns, 5 * MS);
        atomic_store(&rig.control[i].next[FAULT_HANG_OPEN], FAULT_ALWAYS);
    }
    for (int i = 0; i < N_LOADERS; i++) {
        loaders[i] = (struct loader){.rig = &rig, .budget_bytes = budget};
        assert_int_equal(pthread_create(&loaders[i].thread, NULL, load_some, &loaders[i]), 0);
    }
    for (int i = 0; i < N_LOADERS; i++) {
        void *message;
        pthread_join(loaders[i].thread, &message);
        if (message)
            fail_msg("%s", (const char *)message);
    }
    assert_true(streams(&rig, stays, &bank));
    tf2_accelerator_close(&stays);
    assert_int_equal(weights_on(&rig, 0) + weights_on(&rig, 1), 0);
    bank_close(&bank);
    rig_close(&rig);
}

/* --- hangs --- */

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_model *model;
    struct tf2_accelerator *first; /* loaded before anything hangs */
    struct tf2_client *client;
};

static void open_fixture(struct fixture *f, const char *device)
{
    const struct tf2_engine_options options = {
        .load_watchdog_ns = LOAD_WATCHDOG_NS, .probe_ns = MS, .no_device_ns = 30000 * MS};
    rig_set_device(device);
    f->model = model_deep();
    bank_open(&f->bank, f->model, 16, 7);
    rig_open(&f->rig, 2, &options);
    f->first = rig_load(&f->rig, model_deep(), NULL);
    f->client = rig_client(&f->rig, NULL);
}

static void close_fixture(struct fixture *f)
{
    tf2_client_destroy(&f->client);
    tf2_accelerator_close(&f->first);
    tf2_model_destroy(&f->model);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

static enum tf2_status
load(struct fixture *f, enum tf2_placement placement, struct tf2_accelerator **accelerator, struct tf2_error *error)
{
    const struct tf2_load_options options = {.placement = placement, .objective = TF2_OBJECTIVE_LATENCY};
    return tf2_accelerator_load(f->rig.engine, f->model, &options, accelerator, error);
}

static void hang_in(struct fixture *f, size_t device, enum fault_kind kind)
{
    atomic_store(&f->rig.control[device].next[kind], 1);
}

/* The load goes on with the other device; the one that hung comes back, and serves the next load. */
static void test_one_device_hangs(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_HANG_COMPILE, FAULT_HANG_OPEN, FAULT_HANG, FAULT_HANG_WRITE};
    static const enum tf2_placement placements[] = {TF2_PLACEMENT_REPLICATE, TF2_PLACEMENT_PIPELINE};
    struct fixture f;
    open_fixture(&f, "host");
    for (size_t i = 0; i < TF2__COUNT(kinds) * TF2__COUNT(placements); i++) {
        struct tf2_accelerator *accelerator = NULL;
        const size_t device = i % 2;
        const unsigned n_states = atomic_load(&f.rig.control[1 - device].n_states);
        const enum tf2_placement placement = placements[i / TF2__COUNT(kinds)];
        hang_in(&f, device, kinds[i % TF2__COUNT(kinds)]);
        MUST(load(&f, placement, &accelerator, e));
        assert_int_equal(rig_state(&f.rig, device), TF2_DEVICE_HUNG);
        assert_int_equal(rig_state(&f.rig, 1 - device), TF2_DEVICE_HEALTHY);
        rig_run_items(f.client, accelerator, &f.bank, 20);
        rig_run_items(f.client, f.first, &f.bank, 20);
        tf2_accelerator_close(&accelerator);
        fault_release(&f.rig.control[device]);
        RIG_UNTIL(rig_state(&f.rig, device) == TF2_DEVICE_HEALTHY);
        assert_int_equal(atomic_load(&f.rig.control[1 - device].n_states), n_states);
        MUST(load(&f, TF2_PLACEMENT_REPLICATE, &accelerator, e));
        assert_int_equal(atomic_load(&f.rig.control[device].n_states), 2);
        tf2_accelerator_close(&accelerator);
    }
    close_fixture(&f);
}

/* A run that ends on the device meanwhile does not take it back. */
static void test_a_run_beside_it(void **state)
{
    (void)state;
    struct fixture f;
    struct call slow;
    struct tf2_accelerator *accelerator = NULL;
    open_fixture(&f, "host");
    struct fault_control *control = &f.rig.control[1];
    atomic_store(&control->run_ns, 5 * LOAD_WATCHDOG_NS / 2);
    const unsigned n_runs = atomic_load(&control->n_runs);
    for (;;) {
        call_submit(&slow, f.client, f.first, &f.bank, 0, NULL);
        RIG_UNTIL(tf2_request_done(slow.request) || atomic_load(&control->n_runs) > n_runs);
        if (atomic_load(&control->n_runs) > n_runs)
            break;
        call_wait(&slow, TF2_OK);
    }
    atomic_store(&control->run_ns, 0);
    hang_in(&f, 1, FAULT_HANG_COMPILE);
    MUST(load(&f, TF2_PLACEMENT_REPLICATE, &accelerator, e));
    assert_int_equal(rig_state(&f.rig, 1), TF2_DEVICE_HUNG);
    call_wait(&slow, TF2_OK);
    rig_sleep(50 * MS);
    assert_int_equal(rig_state(&f.rig, 1), TF2_DEVICE_HUNG);
    fault_release(control);
    RIG_UNTIL(rig_state(&f.rig, 1) == TF2_DEVICE_HEALTHY);
    tf2_accelerator_close(&accelerator);
    close_fixture(&f);
}

static void test_all_devices_hang(void **state)
{
    (void)state;
    struct fixture f;
    struct tf2_accelerator *accelerator = NULL;
    open_fixture(&f, "host");
    hang_in(&f, 0, FAULT_HANG_COMPILE);
    hang_in(&f, 1, FAULT_HANG_OPEN);
    REFUSED(TF2_ERR_TIMEOUT, "deep: none of its devices", load(&f, TF2_PLACEMENT_REPLICATE, &accelerator, e));
    REFUSED(TF2_ERR_NO_DEVICE, "deep: all of its devices hang", load(&f, TF2_PLACEMENT_REPLICATE, &accelerator, e));
    assert_null(accelerator);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_state(&f.rig, i), TF2_DEVICE_HUNG);
        fault_release(&f.rig.control[i]);
    }
    rig_run_items(f.client, f.first, &f.bank, 20);
    for (size_t i = 0; i < 2; i++) {
        RIG_UNTIL(rig_state(&f.rig, i) == TF2_DEVICE_HEALTHY);
        assert_int_equal(atomic_load(&f.rig.control[i].n_states), 1);
    }
    close_fixture(&f);
}

/* In the timing of a split both run, and one of them waits for the other. */
static void test_one_hangs_in_a_split(void **state)
{
    (void)state;
    struct fixture f;
    struct tf2_accelerator *accelerator = NULL;
    needs_opencl();
    open_fixture(&f, "cl:0");
    struct fault_control *control = &f.rig.control[1];
    MUST(load(&f, TF2_PLACEMENT_AUTO, &accelerator, e));
    tf2_accelerator_close(&accelerator);
    atomic_store(&control->skip[FAULT_HANG], 1); /* the check of a replica */
    hang_in(&f, 1, FAULT_HANG);
    MUST(load(&f, TF2_PLACEMENT_AUTO, &accelerator, e));
    assert_int_equal(rig_state(&f.rig, 1), TF2_DEVICE_HUNG);
    assert_int_equal(rig_state(&f.rig, 0), TF2_DEVICE_HEALTHY);
    rig_run_items(f.client, accelerator, &f.bank, 20);
    tf2_accelerator_close(&accelerator);
    fault_release(control);
    RIG_UNTIL(rig_state(&f.rig, 1) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

/* The engine's end does not wait for it; the memory goes when the device returns. */
static void test_end_while_it_hangs(void **state)
{
    (void)state;
    struct fixture f;
    struct tf2_accelerator *accelerator = NULL;
    open_fixture(&f, "host");
    hang_in(&f, 1, FAULT_HANG_OPEN);
    MUST(load(&f, TF2_PLACEMENT_REPLICATE, &accelerator, e));
    tf2_accelerator_close(&accelerator);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    tf2_client_destroy(&f.client);
    tf2_accelerator_close(&f.first);
    tf2_devices_close(&f.rig.devices);
    tf2_model_destroy(&f.model);
    assert_true(atomic_load(&f.rig.env.n_live) > 0);
    fault_release(&f.rig.control[1]);
    RIG_UNTIL(atomic_load(&f.rig.env.n_live) == 0);
    rig_sleep(20 * MS); /* its thread ends */
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_models),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_placements_keep_to_it),
        cmocka_unit_test(test_loads_at_once),
        cmocka_unit_test(test_one_device_hangs),
        cmocka_unit_test(test_a_run_beside_it),
        cmocka_unit_test(test_all_devices_hang),
        cmocka_unit_test(test_one_hangs_in_a_split),
        cmocka_unit_test(test_end_while_it_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
