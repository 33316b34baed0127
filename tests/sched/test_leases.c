/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_leases.c: devices for one client alone: who gets them, when, and who runs where meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"
#include "sched/internal.h"

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    struct tf2_client *a, *b, *c;
};

static void open_limited(struct fixture *f, uint32_t n_devices, uint64_t lease_wait_ns)
{
    const struct tf2_engine_options options = {
        .watchdog_ns = 20000 * MS, .probe_ns = MS, .no_device_ns = 20000 * MS, .lease_wait_ns = lease_wait_ns};
    struct tf2_model *model = model_gemm();
    bank_open(&f->bank, model, 4, 7);
    rig_open(&f->rig, n_devices, &options);
    f->accelerator = rig_load(&f->rig, model, NULL);
    f->a = rig_client(&f->rig, &(struct tf2_client_options){.name = "a"});
    f->b = rig_client(&f->rig, &(struct tf2_client_options){.name = "b"});
    f->c = rig_client(&f->rig, &(struct tf2_client_options){.name = "c"});
}

static void open_fixture(struct fixture *f, uint32_t n_devices)
{
    open_limited(f, n_devices, 0);
}

static void close_fixture(struct fixture *f)
{
    tf2_client_destroy(&f->a);
    tf2_client_destroy(&f->b);
    tf2_client_destroy(&f->c);
    tf2_accelerator_close(&f->accelerator);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

static uint32_t n_leased(const struct fixture *f)
{
    uint32_t n = 0;
    for (size_t i = 0; i < f->rig.n_devices; i++) {
        struct tf2_device_stats stats;
        assert_int_equal(tf2_engine_device_stats(f->rig.engine, i, &stats), TF2_OK);
        n += stats.leased;
    }
    return n;
}

/* On which device a request of this client runs now. */
static uint32_t device_of(struct fixture *f, struct tf2_client *client)
{
    struct call call;
    struct tf2_request_info info;
    call_submit(&call, client, f->accelerator, &f->bank, 0, NULL);
    assert_int_equal(tf2_request_wait(call.request, 20000 * MS, NULL), TF2_OK);
    assert_int_equal(tf2_request_info(call.request, &info), TF2_OK);
    call_wait(&call, TF2_OK);
    return info.device;
}

static uint32_t leased_device(const struct fixture *f)
{
    struct tf2_device_stats stats;
    uint32_t i = 0;
    while (tf2_engine_device_stats(f->rig.engine, i, &stats) == TF2_OK && !stats.leased)
        i++;
    return i;
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "0 devices", tf2_client_lease(f.a, 0, 0, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "3 devices", tf2_client_lease(f.a, 3, 0, e));
    MUST(tf2_client_lease(f.a, 1, 0, e));
    REFUSED(TF2_ERR_INVALID_STATE, "'a'", tf2_client_lease(f.a, 1, TF2_FOREVER, e));
    REFUSED(TF2_ERR_BUSY, "2 devices", tf2_client_lease(f.b, 2, 0, e));
    uint64_t begin_ns = rig_now();
    REFUSED(TF2_ERR_BUSY, "in time", tf2_client_lease(f.b, 2, 20 * MS, e));
    assert_true(rig_now() - begin_ns >= 20 * MS);
    assert_int_equal(n_leased(&f), 1);
    MUST(tf2_client_lease(f.b, 1, 0, e));
    assert_int_equal(n_leased(&f), 2);
    tf2_client_unlease(f.c); /* has none */
    tf2_client_unlease(f.a);
    assert_int_equal(n_leased(&f), 1);
    tf2_client_destroy(&f.b);
    assert_int_equal(n_leased(&f), 0);
    MUST(tf2_client_lease(f.c, 2, 0, e));
    assert_int_equal(n_leased(&f), 2);
    close_fixture(&f);
}

static void test_who_runs_where(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 3);
    MUST(tf2_client_lease(f.a, 1, 0, e));
    const uint32_t own = leased_device(&f);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(device_of(&f, f.a), own);
        assert_int_not_equal(device_of(&f, f.b), own);
    }
    rig_run_items(f.b, f.accelerator, &f.bank, 200); /* a flood does not spill over */
    struct tf2_device_stats stats;
    assert_int_equal(tf2_engine_device_stats(f.rig.engine, own, &stats), TF2_OK);
    assert_int_equal(stats.n_items, 30);
    tf2_client_unlease(f.a);
    for (int i = 0; i < 1000 && device_of(&f, f.b) != own; i++)
        assert_true(i < 999);
    close_fixture(&f);
}

/* With everything leased the others wait; the one with the lease is not charged for it. */
static void test_all_devices(void **state)
{
    (void)state;
    struct fixture f;
    struct call waits;
    open_fixture(&f, 2);
    MUST(tf2_client_lease(f.a, 2, 0, e));
    call_submit(&waits, f.b, f.accelerator, &f.bank, 1, NULL);
    rig_run_items(f.a, f.accelerator, &f.bank, 50);
    assert_false(tf2_request_done(waits.request));
    tf2_client_unlease(f.a);
    call_wait(&waits, TF2_OK);
    close_fixture(&f);
}

/* --- those who ask --- */

struct asker {
    struct fixture *f;
    struct tf2_client *client;
    size_t n_devices;
    uint64_t timeout_ns, hold_ns;
    atomic_uint *counter, *holding; /* devices that are leased, as the askers see it */
    unsigned order;
    atomic_int has; /* 1 while it has it, 2 after */
    enum tf2_status status;
    pthread_t thread;
};

static void *ask(void *user)
{
    struct asker *a = user;
    a->status = tf2_client_lease(a->client, a->n_devices, a->timeout_ns, NULL);
    if (a->status != TF2_OK)
        return NULL;
    a->order = atomic_fetch_add(a->counter, 1);
    if (atomic_fetch_add(a->holding, (unsigned)a->n_devices) + a->n_devices > a->f->rig.n_devices)
        a->status = TF2_ERR_INTERNAL;
    atomic_store(&a->has, 1);
    rig_sleep(a->hold_ns);
    atomic_fetch_sub(a->holding, (unsigned)a->n_devices);
    atomic_store(&a->has, 2);
    tf2_client_unlease(a->client);
    return NULL;
}

static void start(struct asker *a)
{
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static uint32_t n_asking(const struct fixture *f)
{
    tf2__lock(f->rig.engine);
    const uint32_t n = f->rig.engine->n_asking;
    tf2__unlock(f->rig.engine);
    return n;
}

/* In the order of asking: one that wants all is not overtaken by one that wants little. */
static void test_order_of_asking(void **state)
{
    (void)state;
    struct fixture f;
    atomic_uint counter = 0, holding = 0;
    open_fixture(&f, 2);
    MUST(tf2_client_lease(f.c, 1, 0, e));
    struct asker all = {
        .f = &f,
        .client = f.a,
        .n_devices = 2,
        .timeout_ns = TF2_FOREVER,
        .counter = &counter,
        .holding = &holding};
    struct asker one = {
        .f = &f,
        .client = f.b,
        .n_devices = 1,
        .timeout_ns = TF2_FOREVER,
        .counter = &counter,
        .holding = &holding};
    start(&all);
    RIG_UNTIL(n_asking(&f) == 1); /* before the other one does */
    start(&one);
    RIG_UNTIL(n_asking(&f) == 2);
    assert_true(atomic_load(&all.has) == 0 && atomic_load(&one.has) == 0);
    assert_int_equal(n_leased(&f), 1);
    tf2_client_unlease(f.c);
    pthread_join(all.thread, NULL);
    pthread_join(one.thread, NULL);
    assert_true(all.status == TF2_OK && one.status == TF2_OK);
    assert_true(all.order == 0 && one.order == 1);
    close_fixture(&f);
}

/* One that gives up lets those behind it go on. */
static void test_giving_up(void **state)
{
    (void)state;
    struct fixture f;
    atomic_uint counter = 0, holding = 0;
    open_fixture(&f, 2);
    MUST(tf2_client_lease(f.c, 1, 0, e));
    struct asker all = {
        .f = &f,
        .client = f.a,
        .n_devices = 2,
        .timeout_ns = 60 * MS,
        .counter = &counter,
        .holding = &holding};
    start(&all);
    rig_sleep(20 * MS);
    MUST(tf2_client_lease(f.b, 1, TF2_FOREVER, e));
    pthread_join(all.thread, NULL);
    assert_int_equal(all.status, TF2_ERR_BUSY);
    close_fixture(&f);
}

/* Two clients want everything, again and again, while all three submit: no deadlock, never both. */
static void test_two_want_everything(void **state)
{
    (void)state;
    struct fixture f;
    atomic_uint counter = 0, holding = 0;
    open_fixture(&f, 2);
    for (int round = 0; round < 30; round++) {
        struct asker askers[2] = {
            {.f = &f,
             .client = f.a,
             .n_devices = 2,
             .timeout_ns = TF2_FOREVER,
             .hold_ns = MS / 2,
             .counter = &counter,
             .holding = &holding},
            {.f = &f,
             .client = f.b,
             .n_devices = round % 3 ? 2 : 1,
             .timeout_ns = TF2_FOREVER,
             .hold_ns = MS / 2,
             .counter = &counter,
             .holding = &holding}};
        start(&askers[0]);
        start(&askers[1]);
        rig_run_items(f.c, f.accelerator, &f.bank, 20);
        for (int i = 0; i < 2; i++) {
            pthread_join(askers[i].thread, NULL);
            assert_int_equal(askers[i].status, TF2_OK);
        }
    }
    assert_int_equal(atomic_load(&counter), 60);
    assert_int_equal(n_leased(&f), 0);
    close_fixture(&f);
}

/* --- draining --- */

/* What runs ends first: the lease is there when the device is free, and nothing of others begins in between.
 * */
static void test_drained_first(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, waits;
    atomic_uint counter = 0, holding = 0;
    open_fixture(&f, 1);
    atomic_store(&f.rig.control[0].next[FAULT_HANG], 1);
    call_submit(&runs, f.b, f.accelerator, &f.bank, 1, NULL);
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_hanging) == 1);
    call_submit(&waits, f.b, f.accelerator, &f.bank, 2, NULL);
    REFUSED(TF2_ERR_BUSY, "in time", tf2_client_lease(f.a, 1, 10 * MS, e));
    assert_int_equal(n_leased(&f), 0);
    struct asker a = {
        .f = &f,
        .client = f.a,
        .n_devices = 1,
        .timeout_ns = TF2_FOREVER,
        .hold_ns = 50 * MS,
        .counter = &counter,
        .holding = &holding};
    start(&a);
    RIG_UNTIL(n_leased(&f) == 1);
    assert_int_equal(atomic_load(&a.has), 0);
    fault_release(&f.rig.control[0]);
    call_wait(&runs, TF2_OK);
    call_wait(&waits, TF2_OK);
    assert_int_equal(atomic_load(&a.has), 2); /* not before the lease was over */
    pthread_join(a.thread, NULL);
    assert_int_equal(a.status, TF2_OK);
    close_fixture(&f);
}

/* A client that is busy itself gets its lease: its own work need not end. */
struct flood {
    struct fixture *f;
    atomic_bool stop;
    pthread_t thread;
};

static void *keep_busy(void *user)
{
    struct flood *flood = user;
    float out[4][RIG_MAX_VALUES];
    struct tf2_request *requests[4] = {NULL};
    for (unsigned i = 0; !atomic_load(&flood->stop); i++) {
        struct tf2_request **slot = &requests[i % 4];
        const void *inputs[] = {flood->f->bank.in};
        void *outputs[] = {out[i % 4]};
        if (*slot)
            tf2_request_wait(*slot, TF2_FOREVER, NULL);
        tf2_request_release(slot);
        tf2_client_submit(flood->f->a, flood->f->accelerator, inputs, outputs, NULL, slot, NULL);
    }
    for (int i = 0; i < 4; i++) {
        if (requests[i])
            tf2_request_wait(requests[i], TF2_FOREVER, NULL);
        tf2_request_release(&requests[i]);
    }
    return NULL;
}

static void test_lease_while_busy(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2);
    atomic_store(&f.rig.control[0].run_ns, MS);
    atomic_store(&f.rig.control[1].run_ns, MS);
    struct flood flood = {.f = &f};
    assert_int_equal(pthread_create(&flood.thread, NULL, keep_busy, &flood), 0);
    for (int i = 0; i < 20; i++) {
        MUST(tf2_client_lease(f.a, 2, 20000 * MS, e));
        rig_sleep(2 * MS);
        tf2_client_unlease(f.a);
    }
    atomic_store(&flood.stop, true);
    pthread_join(flood.thread, NULL);
    close_fixture(&f);
}

/* A leased device that fails: the client's requests go elsewhere meanwhile; those who ask wait for healthy
 * ones. */
static void test_leased_device_fails(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2);
    MUST(tf2_client_lease(f.a, 1, 0, e));
    const uint32_t own = leased_device(&f);
    atomic_store(&f.rig.control[own].next[FAULT_RUN], FAULT_ALWAYS);
    assert_int_equal(device_of(&f, f.a), 1 - own);
    assert_int_equal(rig_state(&f.rig, own), TF2_DEVICE_SET_ASIDE);
    tf2_client_unlease(f.a);
    REFUSED(TF2_ERR_BUSY, "2 devices", tf2_client_lease(f.b, 2, 10 * MS, e));
    fault_clear(&f.rig.control[own]);
    MUST(tf2_client_lease(f.b, 2, TF2_FOREVER, e));
    close_fixture(&f);
}

/* --- what leases leave --- */

/* Both have a device that the other one needs for its pipeline: each goes on with a replica. */
static void test_pipeline_over_two_leases(void **state)
{
    (void)state;
    struct fixture f;
    struct bank bank;
    struct tf2_accelerator_stats stats;
    open_fixture(&f, 2);
    struct tf2_model *model = model_deep();
    bank_open(&bank, model, 8, 3);
    struct tf2_accelerator *pipeline =
        rig_load(&f.rig, model, &(struct tf2_load_options){.placement = TF2_PLACEMENT_PIPELINE});
    MUST(tf2_client_lease(f.a, 1, 0, e));
    MUST(tf2_client_lease(f.b, 1, 0, e));
    rig_run_items(f.a, pipeline, &bank, 20);
    rig_run_items(f.b, pipeline, &bank, 20);
    tf2_client_unlease(f.b);
    rig_run_items(f.c, pipeline, &bank, 20); /* on the device that nobody leases */
    rig_run_items(f.a, pipeline, &bank, 20); /* by the pipeline again */
    assert_int_equal(tf2_accelerator_stats(pipeline, &stats), TF2_OK);
    assert_true(stats.placement == TF2_PLACEMENT_PIPELINE && stats.n_stages == 2);
    tf2_accelerator_close(&pipeline);
    bank_close(&bank);
    close_fixture(&f);
}

#define LEASE_WAIT_NS (200 * MS)

/* Who has no device left is told so after a while: counted from the time that nothing was left, or from submission. */
static void test_nothing_is_left(void **state)
{
    (void)state;
    struct fixture f;
    struct call waits[3], served;
    open_limited(&f, 2, LEASE_WAIT_NS);
    MUST(tf2_client_lease(f.a, 1, 0, e));
    rig_run_items(f.b, f.accelerator, &f.bank, 4);
    MUST(tf2_client_lease(f.c, 1, 0, e));
    for (int round = 0; round < 2; round++) {
        uint64_t begin_ns = rig_now();
        for (size_t i = 0; i < 3; i++)
            call_submit(&waits[i], f.b, f.accelerator, &f.bank, i, NULL);
        for (size_t i = 0; i < 3; i++) {
            struct tf2_error error;
            assert_int_equal(tf2_request_wait(waits[i].request, TF2_FOREVER, &error), TF2_ERR_BUSY);
            assert_non_null(strstr(error.message, "leased by other"));
            call_wait(&waits[i], TF2_ERR_BUSY);
        }
        assert_true(rig_now() - begin_ns >= LEASE_WAIT_NS);
        rig_run_items(f.a, f.accelerator, &f.bank, 4);
    }
    call_submit(&served, f.b, f.accelerator, &f.bank, 1, NULL);
    tf2_client_unlease(f.c);
    call_wait(&served, TF2_OK);
    close_fixture(&f);
}

static void *take_turns(void *user)
{
    struct asker *a = user;
    while (!atomic_load(&a->has)) {
        if (tf2_client_lease(a->client, 1, TF2_FOREVER, NULL) != TF2_OK)
            return NULL;
        rig_sleep(LEASE_WAIT_NS / 8);
        tf2_client_unlease(a->client);
    }
    return NULL;
}

/* Others hand the only device from lease to lease: that is as good as one long lease. */
static void test_leases_in_turns(void **state)
{
    (void)state;
    struct fixture f;
    struct call waits;
    open_limited(&f, 1, LEASE_WAIT_NS);
    struct asker askers[2] = {{.f = &f, .client = f.a}, {.f = &f, .client = f.b}};
    MUST(tf2_client_lease(f.a, 1, 0, e));
    assert_int_equal(pthread_create(&askers[1].thread, NULL, take_turns, &askers[1]), 0);
    RIG_UNTIL(n_asking(&f) == 1);
    call_submit(&waits, f.c, f.accelerator, &f.bank, 1, NULL);
    tf2_client_unlease(f.a);
    assert_int_equal(pthread_create(&askers[0].thread, NULL, take_turns, &askers[0]), 0);
    enum tf2_status status = tf2_request_wait(waits.request, 30000 * MS, NULL);
    for (int i = 0; i < 2; i++)
        atomic_store(&askers[i].has, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(askers[i].thread, NULL);
    assert_true(status == TF2_ERR_BUSY || status == TF2_OK); /* OK: there was a gap */
    tf2_request_release(&waits.request);
    close_fixture(&f);
}

/* The engine ends while clients wait for leases. */
static void test_engine_ends(void **state)
{
    (void)state;
    struct fixture f;
    atomic_uint counter = 0, holding = 0;
    open_fixture(&f, 1);
    MUST(tf2_client_lease(f.c, 1, 0, e));
    struct asker a = {
        .f = &f,
        .client = f.a,
        .n_devices = 1,
        .timeout_ns = TF2_FOREVER,
        .counter = &counter,
        .holding = &holding};
    start(&a);
    rig_sleep(20 * MS);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_OK);
    pthread_join(a.thread, NULL);
    assert_int_equal(a.status, TF2_ERR_INVALID_STATE);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_who_runs_where),
        cmocka_unit_test(test_all_devices),
        cmocka_unit_test(test_order_of_asking),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_two_want_everything),
        cmocka_unit_test(test_drained_first),
        cmocka_unit_test(test_lease_while_busy),
        cmocka_unit_test(test_leased_device_fails),
        cmocka_unit_test(test_pipeline_over_two_leases),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_leases_in_turns),
        cmocka_unit_test(test_engine_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
