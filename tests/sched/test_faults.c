/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faults.c: devices that fail, hang and lie: requests complete once, elsewhere, with the right bits;
 * devices come back when they are well again; the engine ends whatever they do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

/* So long that a machine may pause a thread for a second. */
#define WATCHDOG_NS  (1500 * MS)
#define NO_DEVICE_NS (1500 * MS)

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    struct tf2_client *client;
};

static void open_fixture(struct fixture *f, uint32_t n_devices, const struct tf2_engine_options *options)
{
    struct tf2_engine_options quick = {0};
    if (options)
        quick = *options;
    quick.watchdog_ns = quick.watchdog_ns ? quick.watchdog_ns : WATCHDOG_NS;
    quick.probe_ns = quick.probe_ns ? quick.probe_ns : MS;
    quick.no_device_ns = quick.no_device_ns ? quick.no_device_ns : NO_DEVICE_NS;
    struct tf2_model *model = model_conv();
    bank_open(&f->bank, model, 16, 7);
    rig_open(&f->rig, n_devices, &quick);
    f->accelerator = rig_load(&f->rig, model, NULL);
    f->client = rig_client(&f->rig, NULL);
}

static void close_fixture(struct fixture *f)
{
    tf2_client_destroy(&f->client);
    tf2_accelerator_close(&f->accelerator);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

static void submit(struct fixture *f, struct call *call, size_t item)
{
    call_submit(call, f->client, f->accelerator, &f->bank, item, NULL);
}

static void make_faulty(struct fixture *f, size_t device, enum fault_kind kind, unsigned n)
{
    atomic_store(&f->rig.control[device].next[kind], n);
}

static bool is_hanging(struct fixture *f, size_t device)
{
    return atomic_load(&f->rig.control[device].n_hanging) > 0;
}

/* A request that hangs on device 0, the only one that takes work when it begins. */
static void hang_on_first(struct fixture *f, struct call *call, enum fault_kind kind)
{
    make_faulty(f, 0, kind, 1);
    do {
        submit(f, call, 5);
        RIG_UNTIL(is_hanging(f, 0) || tf2_request_done(call->request));
        if (!is_hanging(f, 0))
            call_wait(call, TF2_OK);
    } while (!is_hanging(f, 0));
}

/* --- failures --- */

static void test_every_failure_is_retried(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_WRITE, FAULT_RUN, FAULT_FINISH, FAULT_READ};
    for (size_t k = 0; k < TF2__COUNT(kinds); k++) {
        struct fixture f;
        struct call calls[64];
        struct tf2_engine_stats stats;
        struct tf2_device_stats device;
        open_fixture(&f, 2, NULL);
        atomic_store(&f.rig.control[1].run_ns, MS); /* so that both get some */
        make_faulty(&f, 0, kinds[k], 1);
        for (size_t i = 0; i < 64; i++)
            call_submit_counted(&calls[i], f.client, f.accelerator, &f.bank, i % 16, 0, NULL);
        for (size_t i = 0; i < 64; i++) {
            RIG_UNTIL(atomic_load(&calls[i].n_callbacks) > 0);
            assert_true(calls[i].status == TF2_OK && bank_right(&f.bank, i % 16, calls[i].out));
        }
        RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
        assert_int_equal(tf2_engine_stats(f.rig.engine, &stats), TF2_OK);
        assert_int_equal(tf2_engine_device_stats(f.rig.engine, 0, &device), TF2_OK);
        assert_true(stats.n_retries == 1 && stats.n_completed == 64 && stats.n_failed == 0);
        assert_true(device.n_failures == 1 && device.n_set_aside == 1);
        assert_int_equal(rig_logged(&f.rig, "fault:0 is set aside"), 1);
        assert_int_equal(rig_logged(&f.rig, "fault:0 is back"), 1);
        close_fixture(&f);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(atomic_load(&calls[i].n_callbacks), 1);
    }
}

/* Whatever a device says, the request says TF2_ERR_DEVICE, with the device's message. */
static void test_attempts(void **state)
{
    (void)state;
    struct fixture f;
    struct call call;
    struct tf2_error error;
    struct tf2_request_info info;
    const struct tf2_engine_options options = {.max_attempts = 2, .probe_ns = 10000 * MS};
    open_fixture(&f, 2, &options);
    for (size_t i = 0; i < 2; i++) {
        make_faulty(&f, i, FAULT_RUN, 1);
        atomic_store(&f.rig.control[i].status, TF2_ERR_NO_MEMORY);
    }
    submit(&f, &call, 1);
    assert_int_equal(tf2_request_wait(call.request, TF2_FOREVER, &error), TF2_ERR_DEVICE);
    assert_int_equal(error.status, TF2_ERR_DEVICE);
    assert_non_null(strstr(error.message, "failed on purpose"));
    assert_int_equal(tf2_request_info(call.request, &info), TF2_OK);
    assert_int_equal(info.n_attempts, 2);
    call_wait(&call, TF2_ERR_DEVICE);
    close_fixture(&f);
}

static void test_all_devices_fail(void **state)
{
    (void)state;
    struct fixture f;
    struct call call, later;
    open_fixture(&f, 2, &(struct tf2_engine_options){.max_attempts = 100});
    make_faulty(&f, 0, FAULT_RUN, FAULT_ALWAYS);
    make_faulty(&f, 1, FAULT_RUN, FAULT_ALWAYS);
    uint64_t begin_ns = rig_now();
    submit(&f, &call, 1);
    call_wait(&call, TF2_ERR_NO_DEVICE);
    assert_true(rig_now() - begin_ns >= NO_DEVICE_NS);
    /* Its own time counts from its own submission, though the devices were gone before. */
    begin_ns = rig_now();
    submit(&f, &call, 1);
    call_wait(&call, TF2_ERR_NO_DEVICE);
    assert_true(rig_now() - begin_ns >= NO_DEVICE_NS);
    submit(&f, &later, 2);
    fault_clear(&f.rig.control[1]);
    call_wait(&later, TF2_OK);
    close_fixture(&f);
}

/* The engine looks in time, though its watchdog has little to do. */
static void test_no_device_in_time(void **state)
{
    (void)state;
    struct fixture f;
    struct call call;
    open_fixture(&f, 1, &(struct tf2_engine_options){.max_attempts = 100, .watchdog_ns = 60000 * MS});
    make_faulty(&f, 0, FAULT_RUN, FAULT_ALWAYS);
    submit(&f, &call, 1);
    call_wait(&call, TF2_ERR_NO_DEVICE);
    uint64_t begin_ns = rig_now();
    submit(&f, &call, 1);
    call_wait(&call, TF2_ERR_NO_DEVICE);
    assert_true(rig_now() - begin_ns < 10000 * MS);
    close_fixture(&f);
}

static void test_probes_become_rare(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2, NULL);
    make_faulty(&f, 0, FAULT_RUN, FAULT_ALWAYS);
    rig_run_items(f.client, f.accelerator, &f.bank, 16);
    while (rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY)
        rig_run_items(f.client, f.accelerator, &f.bank, 16);
    unsigned before = atomic_load(&f.rig.control[0].n_runs);
    uint64_t begin_ns = rig_now();
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_runs) - before >= 9); /* after 1, 2, 4 ... 64, 64 ... ms */
    assert_true(rig_now() - begin_ns >= 200 * MS);
    close_fixture(&f);
}

/* --- hangs --- */

static void test_hang(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    struct tf2_device_stats device;
    struct tf2_request_info info;
    open_fixture(&f, 2, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG);
    rig_run_items(f.client, f.accelerator, &f.bank, 32); /* meanwhile */
    assert_int_equal(tf2_request_wait(hangs.request, TF2_FOREVER, NULL), TF2_OK);
    assert_int_equal(tf2_request_info(hangs.request, &info), TF2_OK);
    assert_true(info.n_attempts == 2 && info.device == 1);
    assert_true(bank_right(&f.bank, 5, hangs.out));
    memset(hangs.out, 0x77, sizeof(hangs.out)); /* ours again: the run that hangs must not write here */
    assert_int_equal(rig_state(&f.rig, 0), TF2_DEVICE_HUNG);
    rig_run_items(f.client, f.accelerator, &f.bank, 32);
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    assert_int_equal(rig_logged(&f.rig, "fault:0 is back"), 1);
    for (size_t i = 0; i < sizeof(hangs.out); i++)
        assert_int_equal(((unsigned char *)hangs.out)[i], 0x77);
    tf2_request_release(&hangs.request);
    assert_int_equal(tf2_engine_device_stats(f.rig.engine, 0, &device), TF2_OK);
    const uint64_t runs = device.n_runs;
    for (int i = 0; device.n_runs == runs; i++) {
        assert_true(i < 1000);
        rig_run_items(f.client, f.accelerator, &f.bank, 16);
        assert_int_equal(tf2_engine_device_stats(f.rig.engine, 0, &device), TF2_OK);
    }
    close_fixture(&f);
}

/* While the caller's data is in use the request cannot be taken away, but nothing else goes to the device. */
static void test_hang_in_copy(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 2, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG_WRITE);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HUNG);
    rig_run_items(f.client, f.accelerator, &f.bank, 32);
    assert_false(tf2_request_done(hangs.request));
    fault_release(&f.rig.control[0]);
    call_wait(&hangs, TF2_OK);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

/* It returns late from a copy and hangs in the run that follows. */
static void test_hang_after_copy(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 2, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG_WRITE);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HUNG);
    make_faulty(&f, 0, FAULT_HANG, 1);
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(atomic_load(&f.rig.control[0].next[FAULT_HANG]) == 0);
    call_wait(&hangs, TF2_OK); /* by the other one */
    assert_true(is_hanging(&f, 0));
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

/* A check that hangs is given up like a run; what waits goes to the other device. */
static void test_hang_in_check(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2, &(struct tf2_engine_options){.check_ns = 2 * MS});
    make_faulty(&f, 0, FAULT_HANG, 1);
    RIG_UNTIL(is_hanging(&f, 0));
    rig_run_items(f.client, f.accelerator, &f.bank, 32);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HUNG);
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

static void test_close_while_it_hangs(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 2, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG);
    call_wait(&hangs, TF2_OK);
    tf2_accelerator_close(&f.accelerator);
    tf2_client_destroy(&f.client);
    assert_int_equal(atomic_load(&f.rig.control[0].n_states) > 0, 1); /* the call is still inside */
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_states) == 0);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

/* --- wrong results --- */

static void test_lies_are_found(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2, &(struct tf2_engine_options){.check_ns = 2 * MS});
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_runs) > 5); /* checks, though nobody asks for anything */
    make_faulty(&f, 0, FAULT_WRONG, FAULT_ALWAYS);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_SET_ASIDE);
    assert_true(rig_logged(&f.rig, "other results") >= 1);
    rig_run_items(f.client, f.accelerator, &f.bank, 64);
    assert_int_equal(rig_state(&f.rig, 0), TF2_DEVICE_SET_ASIDE);
    fault_clear(&f.rig.control[0]);
    RIG_UNTIL(rig_state(&f.rig, 0) == TF2_DEVICE_HEALTHY);
    close_fixture(&f);
}

/* A device that failed does not come back as long as it lies. */
static void test_no_return_with_lies(void **state)
{
    (void)state;
    struct fixture f;
    struct call call;
    open_fixture(&f, 1, &(struct tf2_engine_options){.no_device_ns = 10000 * MS});
    make_faulty(&f, 0, FAULT_WRONG, 4); /* checks, so many times */
    make_faulty(&f, 0, FAULT_RUN, 1);
    submit(&f, &call, 3);
    call_wait(&call, TF2_OK);
    assert_int_equal(atomic_load(&f.rig.control[0].n_faults[FAULT_WRONG]), 4);
    assert_int_equal(rig_logged(&f.rig, "other results"), 4);
    close_fixture(&f);
}

/* --- the end --- */

/* The rest of the engine goes when the device returns at last; then nothing is left. */
static void close_hung(struct fixture *f)
{
    tf2_client_destroy(&f->client);
    tf2_accelerator_close(&f->accelerator);
    tf2_devices_close(&f->rig.devices);
    assert_true(atomic_load(&f->rig.env.n_live) > 0);
    fault_release(&f->rig.control[0]);
    RIG_UNTIL(atomic_load(&f->rig.env.n_live) == 0);
    rig_sleep(20 * MS); /* its thread ends */
    close_fixture(f);
}

static void test_shutdown_with_work(void **state)
{
    (void)state;
    struct fixture f;
    static struct call calls[100];
    unsigned n_ok = 0;
    open_fixture(&f, 2, NULL);
    atomic_store(&f.rig.control[0].run_ns, 50 * MS);
    atomic_store(&f.rig.control[1].run_ns, 50 * MS);
    for (size_t i = 0; i < 100; i++)
        call_submit_counted(&calls[i], f.client, f.accelerator, &f.bank, i % 16, 0, NULL);
    RIG_UNTIL(atomic_load(&calls[5].n_callbacks) == 1);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_OK);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(atomic_load(&calls[i].n_callbacks), 1);
        assert_true(calls[i].status == TF2_ERR_CANCELLED || bank_right(&f.bank, i % 16, calls[i].out));
        n_ok += calls[i].status == TF2_OK;
    }
    assert_in_range(n_ok, 6, 99);
    close_fixture(&f);
}

static void test_shutdown_with_a_hung_device(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 1, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG);
    uint64_t begin_ns = rig_now();
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    assert_true(rig_now() - begin_ns < 20 * WATCHDOG_NS);
    call_wait(&hangs, TF2_ERR_CANCELLED);
    close_hung(&f);
}

/* It hangs only after the end has begun: the request completes all the same. */
static void *let_it_run_on(void *user)
{
    struct fixture *f = user;
    rig_sleep(WATCHDOG_NS / 2);
    make_faulty(f, 0, FAULT_HANG, 1);
    fault_release(&f->rig.control[0]);
    return NULL;
}

static void test_shutdown_before_it_hangs(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    pthread_t thread;
    open_fixture(&f, 1, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG_WRITE);
    assert_int_equal(pthread_create(&thread, NULL, let_it_run_on, &f), 0);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    pthread_join(thread, NULL);
    assert_true(tf2_request_done(hangs.request));
    call_wait(&hangs, TF2_ERR_CANCELLED);
    close_hung(&f);
}

/* In a copy the request keeps the caller's data until the device returns, also after the engine. */
static void test_shutdown_with_a_hung_copy(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 1, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG_WRITE);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    assert_false(tf2_request_done(hangs.request));
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(tf2_request_done(hangs.request));
    call_wait(&hangs, TF2_OK);
    close_fixture(&f);
}

/* The other device has nothing to do with it. */
static void test_shutdown_with_a_hung_copy_of_two(void **state)
{
    (void)state;
    struct fixture f;
    struct call hangs;
    open_fixture(&f, 2, NULL);
    hang_on_first(&f, &hangs, FAULT_HANG_WRITE);
    uint64_t begin_ns = rig_now();
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_ERR_TIMEOUT);
    assert_true(rig_now() - begin_ns < 20 * WATCHDOG_NS); /* before the hang ends by itself */
    assert_false(tf2_request_done(hangs.request));
    fault_release(&f.rig.control[0]);
    RIG_UNTIL(tf2_request_done(hangs.request));
    call_wait(&hangs, TF2_OK);
    tf2_client_destroy(&f.client);
    tf2_accelerator_close(&f.accelerator);
    tf2_devices_close(&f.rig.devices);
    RIG_UNTIL(atomic_load(&f.rig.env.n_live) == 0);
    rig_sleep(20 * MS); /* its threads end */
    close_fixture(&f);
}

/* --- loading --- */

static void test_faults_while_loading(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_COMPILE, FAULT_OPEN,   FAULT_WRITE,
                                            FAULT_RUN,     FAULT_FINISH, FAULT_READ};
    struct fixture f;
    open_fixture(&f, 2, NULL);
    for (size_t k = 0; k < TF2__COUNT(kinds); k++) {
        struct tf2_accelerator *second = NULL;
        struct tf2_model *model = model_gemm();
        const struct tf2_load_options options = {.placement = TF2_PLACEMENT_REPLICATE, .name = "second"};
        const long live = atomic_load(&f.rig.env.n_live);
        make_faulty(&f, 1, kinds[k], 1);
        REFUSED(TF2_ERR_DEVICE, "second", tf2_accelerator_load(f.rig.engine, model, &options, &second, e));
        assert_null(second);
        assert_int_equal(atomic_load(&f.rig.control[1].next[kinds[k]]), 0);
        assert_int_equal(atomic_load(&f.rig.env.n_live), live);
        MUST(tf2_accelerator_load(f.rig.engine, model, &options, &second, e));
        tf2_accelerator_close(&second);
        tf2_model_destroy(&model);
        rig_run_items(f.client, f.accelerator, &f.bank, 8);
    }
    close_fixture(&f);
}

/* Models come and go while others run. */
static void *load_again_and_again(void *user)
{
    struct fixture *f = user;
    struct bank bank;
    struct tf2_model *model = model_gemm();
    bank_open(&bank, model, 4, 3);
    for (int i = 0; i < 20; i++) {
        struct tf2_accelerator *accelerator = NULL;
        struct tf2_client *client = NULL;
        float out[RIG_MAX_VALUES];
        const void *inputs[] = {bank.in};
        void *outputs[] = {out};
        if (tf2_accelerator_load(f->rig.engine, model, NULL, &accelerator, NULL) != TF2_OK ||
            tf2_client_create(f->rig.engine, NULL, &client, NULL) != TF2_OK ||
            tf2_client_run(client, accelerator, inputs, outputs, NULL) != TF2_OK ||
            !bank_right(&bank, 0, out))
            return "a load or run failed";
        tf2_client_destroy(&client);
        tf2_accelerator_close(&accelerator);
    }
    tf2_model_destroy(&model);
    bank_close(&bank);
    return NULL;
}

static void test_load_while_others_run(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t threads[2];
    open_fixture(&f, 2, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_again_and_again, &f), 0);
    rig_run_items(f.client, f.accelerator, &f.bank, 2000);
    for (int i = 0; i < 2; i++) {
        void *message;
        pthread_join(threads[i], &message);
        if (message)
            fail_msg("%s", (const char *)message);
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failure_is_retried),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_all_devices_fail),
        cmocka_unit_test(test_no_device_in_time),
        cmocka_unit_test(test_probes_become_rare),
        cmocka_unit_test(test_hang),
        cmocka_unit_test(test_hang_in_copy),
        cmocka_unit_test(test_hang_after_copy),
        cmocka_unit_test(test_hang_in_check),
        cmocka_unit_test(test_close_while_it_hangs),
        cmocka_unit_test(test_lies_are_found),
        cmocka_unit_test(test_no_return_with_lies),
        cmocka_unit_test(test_shutdown_with_work),
        cmocka_unit_test(test_shutdown_with_a_hung_device),
        cmocka_unit_test(test_shutdown_before_it_hangs),
        cmocka_unit_test(test_shutdown_with_a_hung_copy),
        cmocka_unit_test(test_shutdown_with_a_hung_copy_of_two),
        cmocka_unit_test(test_faults_while_loading),
        cmocka_unit_test(test_load_while_others_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
