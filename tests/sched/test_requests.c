/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_requests.c: requests from submission to completion: waiting, callbacks, cancelling, deadlines, order,
 * limits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    struct tf2_client *client;
};

static void open_fixture(
    struct fixture *f, uint32_t n_devices, const struct tf2_engine_options *engine,
    const struct tf2_client_options *client)
{
    struct tf2_model *model = model_gemm();
    bank_open(&f->bank, model, 16, 7);
    rig_open(&f->rig, n_devices, engine);
    f->accelerator = rig_load(&f->rig, model, NULL);
    f->client = rig_client(&f->rig, client);
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

/* All devices hang in a request each. */
static void occupy(struct fixture *f, struct call *calls)
{
    for (uint32_t i = 0; i < f->rig.n_devices; i++)
        atomic_store(&f->rig.control[i].next[FAULT_HANG], 1);
    for (uint32_t i = 0; i < f->rig.n_devices; i++)
        submit(f, &calls[i], i);
    for (uint32_t i = 0; i < f->rig.n_devices; i++)
        RIG_UNTIL(atomic_load(&f->rig.control[i].n_hanging) == 1);
}

static void let_go(struct fixture *f)
{
    for (uint32_t i = 0; i < f->rig.n_devices; i++)
        fault_release(&f->rig.control[i]);
}

static void test_wait_and_poll(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, waits;
    struct tf2_request_info info;
    struct tf2_engine_stats stats;
    open_fixture(&f, 1, NULL, NULL);
    occupy(&f, &runs);
    submit(&f, &waits, 3);
    assert_int_equal(tf2_engine_stats(f.rig.engine, &stats), TF2_OK);
    assert_true(stats.n_running == 1 && stats.n_waiting == 1 && stats.n_submitted == 2);
    REFUSED(TF2_ERR_TIMEOUT, "not complete", tf2_request_wait(runs.request, 0, e));
    uint64_t begin_ns = rig_now();
    REFUSED(TF2_ERR_TIMEOUT, "not complete", tf2_request_wait(waits.request, 20 * MS, e));
    assert_true(rig_now() - begin_ns >= 20 * MS);
    assert_false(tf2_request_done(runs.request));
    assert_int_equal(tf2_request_info(runs.request, &info), TF2_ERR_INVALID_STATE);
    let_go(&f);
    MUST(tf2_request_wait(runs.request, TF2_FOREVER, e));
    MUST(tf2_request_wait(waits.request, TF2_FOREVER - 1, e));
    assert_true(tf2_request_done(waits.request));
    MUST(tf2_request_wait(waits.request, 0, e)); /* as often as one likes */
    assert_int_equal(tf2_request_info(waits.request, &info), TF2_OK);
    assert_true(info.queue_ns >= 20 * MS && info.n_attempts == 1 && info.batch == 1 && info.device == 0);
    assert_int_equal(tf2_request_info(runs.request, &info), TF2_OK);
    assert_true(info.run_ns >= 20 * MS);
    call_wait(&runs, TF2_OK);
    call_wait(&waits, TF2_OK);
    close_fixture(&f);
}

/* --- callbacks --- */

static void test_callback_only(void **state)
{
    (void)state;
    struct fixture f;
    struct call calls[50];
    open_fixture(&f, 2, NULL, NULL);
    for (size_t i = 0; i < 50; i++)
        call_submit_counted(&calls[i], f.client, f.accelerator, &f.bank, i % 16, 0, NULL);
    for (size_t i = 0; i < 50; i++) {
        RIG_UNTIL(atomic_load(&calls[i].n_callbacks) > 0);
        assert_true(calls[i].status == TF2_OK && !calls[i].has_error);
        assert_true(bank_right(&f.bank, i % 16, calls[i].out));
    }
    close_fixture(&f);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(atomic_load(&calls[i].n_callbacks), 1);
}

/* A failure comes with an error, whatever it is. */
static void test_callback_has_an_error(void **state)
{
    (void)state;
    static const enum tf2_status wanted[] = {TF2_ERR_DEVICE, TF2_ERR_DEADLINE, TF2_ERR_CANCELLED};
    struct fixture f;
    struct call calls[3];
    const struct tf2_engine_options options = {.max_attempts = 1};
    open_fixture(&f, 1, &options, NULL);
    struct tf2_client *other = rig_client(&f.rig, NULL);
    atomic_store(&f.rig.control[0].next[FAULT_HANG], 1);
    atomic_store(&f.rig.control[0].next[FAULT_RUN], 1);
    call_submit_counted(&calls[0], f.client, f.accelerator, &f.bank, 0, 0, NULL);
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_hanging) == 1);
    call_submit_counted(&calls[1], f.client, f.accelerator, &f.bank, 0, 5 * MS, NULL);
    call_submit_counted(&calls[2], other, f.accelerator, &f.bank, 0, 0, NULL);
    tf2_client_destroy(&other);
    RIG_UNTIL(atomic_load(&calls[1].n_callbacks) == 1);
    let_go(&f);
    for (int i = 0; i < 3; i++) {
        RIG_UNTIL(atomic_load(&calls[i].n_callbacks) == 1);
        assert_int_equal(calls[i].status, wanted[i]);
        assert_true(calls[i].has_error);
    }
    close_fixture(&f);
}

/* --- cancelling --- */

static void test_cancel(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, waits, later;
    struct tf2_request_info info;
    struct tf2_client_stats stats;
    open_fixture(&f, 1, NULL, NULL);
    occupy(&f, &runs);
    submit(&f, &waits, 1);
    submit(&f, &later, 2);
    assert_int_equal(tf2_request_cancel(runs.request), TF2_ERR_INVALID_STATE);
    assert_int_equal(tf2_request_cancel(waits.request), TF2_OK);
    assert_true(tf2_request_done(waits.request));
    assert_int_equal(tf2_request_cancel(waits.request), TF2_ERR_INVALID_STATE);
    assert_int_equal(tf2_request_info(waits.request, &info), TF2_OK);
    assert_true(info.n_attempts == 0 && info.run_ns == 0);
    let_go(&f);
    call_wait(&runs, TF2_OK);
    call_wait(&later, TF2_OK);
    call_wait(&waits, TF2_ERR_CANCELLED);
    assert_int_equal(tf2_client_stats(f.client, &stats), TF2_OK);
    assert_true(stats.n_submitted == 3 && stats.n_completed == 2 && stats.n_cancelled == 1);
    close_fixture(&f);
}

/* A request whose handle was given back goes on; one that waits when its client goes is cancelled. */
static void test_release_early(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, waits;
    struct tf2_engine_stats stats;
    open_fixture(&f, 1, NULL, NULL);
    occupy(&f, &runs);
    submit(&f, &waits, 4);
    tf2_request_release(&runs.request);
    tf2_request_release(&waits.request);
    let_go(&f);
    do {
        rig_sleep(MS);
        assert_int_equal(tf2_engine_stats(f.rig.engine, &stats), TF2_OK);
    } while (stats.n_completed < 2);
    assert_true(bank_right(&f.bank, 0, runs.out) && bank_right(&f.bank, 4, waits.out));
    close_fixture(&f);
}

/* --- deadlines --- */

static void test_deadline(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, late[3], patient;
    const struct tf2_request_options soon = {.timeout_ns = 10 * MS}, at_once = {.timeout_ns = 1},
                                     never = {.timeout_ns = TF2_FOREVER};
    open_fixture(&f, 1, NULL, NULL);
    atomic_store(&f.rig.control[0].next[FAULT_HANG], 1);
    call_submit(
        &runs, f.client, f.accelerator, &f.bank, 0, &(struct tf2_request_options){.timeout_ns = 10000 * MS});
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_hanging) == 1);
    call_submit(&patient, f.client, f.accelerator, &f.bank, 1, &never);
    call_submit(&late[0], f.client, f.accelerator, &f.bank, 2, &soon);
    call_submit(&late[1], f.client, f.accelerator, &f.bank, 3, &at_once);
    call_submit(&late[2], f.client, f.accelerator, &f.bank, 4, &soon);
    for (int i = 0; i < 3; i++) /* while the device still hangs */
        call_wait(&late[i], TF2_ERR_DEADLINE);
    assert_int_equal(atomic_load(&f.rig.control[0].n_hanging), 1);
    let_go(&f);
    call_wait(&runs, TF2_OK);
    call_wait(&patient, TF2_OK);
    close_fixture(&f);
}

/* One that had begun before its deadline, failed and waits again: the deadline still counts. */
static void test_deadline_after_a_failure(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, waits;
    const struct tf2_engine_options options = {.probe_ns = 60000 * MS, .no_device_ns = 30000 * MS};
    open_fixture(&f, 1, &options, NULL);
    atomic_store(&f.rig.control[0].next[FAULT_HANG], 1);
    call_submit(
        &runs, f.client, f.accelerator, &f.bank, 0, &(struct tf2_request_options){.timeout_ns = 1500 * MS});
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_hanging) == 1);
    call_submit(&waits, f.client, f.accelerator, &f.bank, 0, &(struct tf2_request_options){.timeout_ns = MS});
    call_wait(&waits, TF2_ERR_DEADLINE);
    atomic_store(&f.rig.control[0].next[FAULT_RUN], 1);
    let_go(&f);
    call_wait(&runs, TF2_ERR_DEADLINE);
    close_fixture(&f);
}

/* --- order --- */

#define N_ORDERED 200

static void check_order(struct call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        RIG_UNTIL(atomic_load(&calls[i].n_callbacks) > 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(atomic_load(&calls[i].n_callbacks), 1);
        if (calls[i].order != i)
            fail_msg("request %zu was told as number %u", i, calls[i].order);
    }
}

/* Callbacks in the order of submission, though the devices are of unequal speed and deadlines pass. */
static void test_ordered_callbacks(void **state)
{
    (void)state;
    struct fixture f;
    static struct call calls[N_ORDERED];
    for (int round = 0; round < 20; round++) {
        atomic_uint counter = 0;
        open_fixture(&f, 4, NULL, &(struct tf2_client_options){.ordered = true});
        for (uint32_t i = 0; i < 4; i++)
            atomic_store(&f.rig.control[i].run_ns, 20000 * i);
        for (size_t i = 0; i < N_ORDERED; i++)
            call_submit_counted(
                &calls[i], f.client, f.accelerator, &f.bank, i % 16, i % 7 == 3 ? 1 : 0, &counter);
        check_order(calls, N_ORDERED);
        for (size_t i = 0; i < N_ORDERED; i++)
            assert_true(calls[i].status == TF2_OK || (i % 7 == 3 && calls[i].status == TF2_ERR_DEADLINE));
        close_fixture(&f);
    }
}

/* A callback that takes its time holds the later ones up. */
static void
slow_first(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct call *call = user;
    (void)request;
    (void)status;
    (void)error;
    if (call->item == 0)
        rig_sleep(50 * MS);
    call->order = atomic_fetch_add(call->counter, 1);
    atomic_fetch_add(&call->n_callbacks, 1);
}

static void test_slow_ordered_callback(void **state)
{
    (void)state;
    struct fixture f;
    struct call calls[8];
    atomic_uint counter = 0;
    open_fixture(&f, 2, NULL, &(struct tf2_client_options){.ordered = true});
    for (size_t i = 0; i < 8; i++) {
        const struct tf2_request_options options = {.callback = slow_first, .user = &calls[i]};
        calls[i] = (struct call){.item = i, .counter = &counter};
        const void *inputs[] = {f.bank.in};
        void *outputs[] = {calls[i].out};
        MUST(tf2_client_submit(f.client, f.accelerator, inputs, outputs, &options, NULL, e));
    }
    check_order(calls, 8);
    close_fixture(&f);
}

/* The first one hangs: nobody behind it is complete, not even one that is cancelled. */
static void test_ordered_handles(void **state)
{
    (void)state;
    struct fixture f;
    struct call calls[4];
    open_fixture(&f, 2, NULL, &(struct tf2_client_options){.ordered = true});
    atomic_store(&f.rig.control[0].next[FAULT_HANG], 1);
    atomic_store(&f.rig.control[1].next[FAULT_HANG], 1);
    submit(&f, &calls[0], 0);
    submit(&f, &calls[1], 1);
    RIG_UNTIL(atomic_load(&f.rig.control[0].n_hanging) + atomic_load(&f.rig.control[1].n_hanging) == 2);
    submit(&f, &calls[2], 2);
    submit(&f, &calls[3], 3);
    assert_int_equal(tf2_request_cancel(calls[3].request), TF2_OK);
    assert_false(tf2_request_done(calls[3].request));
    fault_release(&f.rig.control[1]);
    RIG_UNTIL(atomic_load(&f.rig.control[1].n_runs) > 2 || tf2_request_done(calls[0].request));
    rig_sleep(5 * MS);
    bool first = tf2_request_done(calls[0].request);
    assert_true(first || !tf2_request_done(calls[1].request));
    assert_false(tf2_request_done(calls[2].request) && !first);
    fault_release(&f.rig.control[0]);
    for (int i = 0; i < 3; i++)
        call_wait(&calls[i], TF2_OK);
    call_wait(&calls[3], TF2_ERR_CANCELLED);
    close_fixture(&f);
}

/* --- limits --- */

static void test_max_in_flight(void **state)
{
    (void)state;
    struct fixture f;
    struct call calls[6];
    struct tf2_client_stats stats;
    open_fixture(&f, 4, NULL, &(struct tf2_client_options){.max_in_flight = 2});
    for (uint32_t i = 0; i < 4; i++)
        atomic_store(&f.rig.control[i].next[FAULT_HANG], FAULT_ALWAYS);
    for (size_t i = 0; i < 6; i++)
        submit(&f, &calls[i], i);
    do {
        rig_sleep(30 * MS);
        assert_int_equal(tf2_client_stats(f.client, &stats), TF2_OK);
    } while (stats.n_running < 2);
    assert_true(stats.n_running == 2 && stats.n_waiting == 4);
    for (uint32_t i = 0; i < 4; i++)
        fault_clear(&f.rig.control[i]);
    let_go(&f);
    for (size_t i = 0; i < 6; i++)
        call_wait(&calls[i], TF2_OK);
    close_fixture(&f);
}

static void test_max_queued(void **state)
{
    (void)state;
    struct fixture f;
    struct call runs, calls[3];
    struct tf2_request *request = NULL;
    struct tf2_client_stats stats;
    const struct tf2_client_options options = {.name = "small", .max_queued = 3};
    open_fixture(&f, 1, &(struct tf2_engine_options){.max_queued = 2}, &options);
    const void *inputs[] = {f.bank.in};
    void *outputs[] = {calls[0].out};
    occupy(&f, &runs);
    for (size_t i = 0; i < 3; i++)
        submit(&f, &calls[i], i);
    REFUSED(
        TF2_ERR_BUSY, "small",
        tf2_client_submit(f.client, f.accelerator, inputs, outputs, NULL, &request, e));
    assert_null(request);
    assert_int_equal(tf2_client_stats(f.client, &stats), TF2_OK);
    assert_true(stats.n_submitted == 4 && stats.n_waiting == 3);
    assert_int_equal(tf2_request_cancel(calls[1].request), TF2_OK);
    call_wait(&calls[1], TF2_ERR_CANCELLED);
    submit(&f, &calls[1], 5);                            /* there is room again */
    struct tf2_client *other = rig_client(&f.rig, NULL); /* the engine's limit */
    struct call more[2];
    for (size_t i = 0; i < 2; i++)
        call_submit(&more[i], other, f.accelerator, &f.bank, i, NULL);
    REFUSED(TF2_ERR_BUSY, "waiting", tf2_client_run(other, f.accelerator, inputs, outputs, e));
    let_go(&f);
    call_wait(&runs, TF2_OK);
    for (size_t i = 0; i < 3; i++)
        call_wait(&calls[i], TF2_OK);
    for (size_t i = 0; i < 2; i++)
        call_wait(&more[i], TF2_OK);
    tf2_client_destroy(&other);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_and_poll),
        cmocka_unit_test(test_callback_only),
        cmocka_unit_test(test_callback_has_an_error),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_release_early),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_after_a_failure),
        cmocka_unit_test(test_ordered_callbacks),
        cmocka_unit_test(test_slow_ordered_callback),
        cmocka_unit_test(test_ordered_handles),
        cmocka_unit_test(test_max_in_flight),
        cmocka_unit_test(test_max_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
