/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lifetimes.c: everything may be destroyed in any order, and nothing is lost or used afterwards (the
 * rig counts allocations; the sanitizers see the rest).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

enum part { ENGINE, CLIENT, ACCELERATOR, DEVICES, REQUEST, N_PARTS };

struct all {
    struct rig rig;
    struct bank bank;
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    struct call call;
};

/* One device, and a request that is still running or done. */
static void open_all(struct all *all, bool runs)
{
    struct tf2_model *model = model_conv();
    bank_open(&all->bank, model, 2, 1);
    rig_open(&all->rig, 1, NULL);
    all->accelerator = rig_load(&all->rig, model, NULL);
    all->client = rig_client(&all->rig, NULL);
    if (runs)
        atomic_store(&all->rig.control[0].next[FAULT_HANG], 1);
    call_submit(&all->call, all->client, all->accelerator, &all->bank, 1, NULL);
    if (runs)
        RIG_UNTIL(atomic_load(&all->rig.control[0].n_hanging) == 1);
    else
        assert_int_equal(tf2_request_wait(all->call.request, TF2_FOREVER, NULL), TF2_OK);
}

static void destroy(struct all *all, enum part part)
{
    switch (part) {
    case ENGINE:
        fault_release(&all->rig.control[0]); /* what runs is finished first */
        assert_int_equal(tf2_engine_destroy(&all->rig.engine), TF2_OK);
        return;
    case CLIENT:
        tf2_client_destroy(&all->client);
        return;
    case ACCELERATOR:
        tf2_accelerator_close(&all->accelerator);
        return;
    case DEVICES:
        tf2_devices_close(&all->rig.devices);
        return;
    default:
        tf2_request_release(&all->call.request);
        return;
    }
}

static void destroy_in_order(const enum part *order, bool runs)
{
    struct all all;
    open_all(&all, runs);
    for (int i = 0; i < N_PARTS; i++)
        destroy(&all, order[i]);
    bank_close(&all.bank);
    rig_close(&all.rig);
}

static void permute(enum part *order, int n, bool runs)
{
    if (n == N_PARTS) {
        destroy_in_order(order, runs);
        return;
    }
    for (int i = n; i < N_PARTS; i++) {
        enum part first = order[n];
        order[n] = order[i];
        order[i] = first;
        permute(order, n + 1, runs);
        order[i] = order[n];
        order[n] = first;
    }
}

static void test_any_order(void **state)
{
    (void)state;
    enum part order[] = {ENGINE, CLIENT, ACCELERATOR, DEVICES, REQUEST};
    permute(order, 0, false);
}

static void test_any_order_while_it_runs(void **state)
{
    (void)state;
    enum part order[] = {ENGINE, CLIENT, ACCELERATOR, DEVICES, REQUEST};
    permute(order, 0, true);
}

/* What runs is finished, also when its client and accelerator are gone; what waits is cancelled. */
static void test_requests_outlive_the_engine(void **state)
{
    (void)state;
    struct all all;
    struct call waiting;
    struct tf2_request_info info;
    open_all(&all, true);
    call_submit(&waiting, all.client, all.accelerator, &all.bank, 0, NULL);
    destroy(&all, CLIENT);
    destroy(&all, ACCELERATOR);
    assert_true(tf2_request_done(waiting.request));
    assert_false(tf2_request_done(all.call.request));
    destroy(&all, ENGINE);
    destroy(&all, DEVICES);
    assert_int_equal(tf2_request_info(all.call.request, &info), TF2_OK);
    assert_int_equal(info.n_attempts, 1);
    assert_int_equal(tf2_request_cancel(all.call.request), TF2_ERR_INVALID_STATE);
    call_wait(&all.call, TF2_OK);
    call_wait(&waiting, TF2_ERR_CANCELLED);
    bank_close(&all.bank);
    rig_close(&all.rig);
}

static void test_after_the_engine(void **state)
{
    (void)state;
    struct all all;
    float out[4];
    struct tf2_request *request = NULL;
    struct tf2_client_stats stats;
    struct tf2_accelerator_stats of_accelerator;
    open_all(&all, false);
    const void *inputs[] = {all.bank.in};
    void *outputs[] = {out};
    destroy(&all, ENGINE);
    REFUSED(
        TF2_ERR_INVALID_STATE, "destroyed",
        tf2_client_submit(all.client, all.accelerator, inputs, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_STATE, "destroyed", tf2_client_run(all.client, all.accelerator, inputs, outputs, e));
    REFUSED(TF2_ERR_INVALID_STATE, "destroyed", tf2_client_lease(all.client, 1, 1000 * MS, e));
    assert_null(request);
    assert_int_equal(tf2_client_stats(all.client, &stats), TF2_OK);
    assert_int_equal(stats.n_completed, 1);
    assert_int_equal(tf2_accelerator_stats(all.accelerator, &of_accelerator), TF2_OK);
    tf2_client_unlease(all.client);
    for (enum part part = CLIENT; part < N_PARTS; part++)
        destroy(&all, part);
    bank_close(&all.bank);
    rig_close(&all.rig);
}

static void test_engine_without_devices_handle(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tf2_model *model = model_gemm();
    bank_open(&bank, model, 4, 9);
    rig_open(&rig, 2, NULL);
    tf2_devices_close(&rig.devices);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, NULL);
    struct tf2_client *client = rig_client(&rig, NULL);
    rig_run_items(client, accelerator, &bank, 20);
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

/* --- from callbacks --- */

struct inside {
    struct rig *rig;
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    struct tf2_model *model;
    const struct bank *bank;
    enum tf2_status destroyed, loaded, opened, leased;
    struct call next;
    atomic_int done;
};

static void
try_everything(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct inside *in = user;
    struct tf2_engine *engine = in->rig->engine;
    struct tf2_accelerator *accelerator = NULL;
    (void)error;
    in->destroyed = tf2_engine_destroy(&engine);
    in->loaded = tf2_accelerator_load(in->rig->engine, in->model, NULL, &accelerator, NULL);
    in->opened = tf2_accelerator_open(in->rig->engine, "conv", NULL, &accelerator, NULL);
    in->leased = tf2_client_lease(in->client, 1, 0, NULL);
    call_submit_counted(&in->next, in->client, in->accelerator, in->bank, 1, 0, NULL);
    atomic_store(
        &in->done, status == TF2_OK && tf2_request_done(request) && engine == in->rig->engine ? 1 : -1);
}

static void test_in_a_callback(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct call call;
    struct tf2_model *model = model_conv();
    bank_open(&bank, model, 2, 1);
    rig_open(&rig, 1, NULL);
    struct inside in = {.rig = &rig, .bank = &bank, .model = model_gemm()};
    in.accelerator = rig_load(&rig, model, NULL);
    in.client = rig_client(&rig, NULL);
    const struct tf2_request_options options = {.callback = try_everything, .user = &in};
    call_submit(&call, in.client, in.accelerator, &bank, 0, &options);
    RIG_UNTIL(atomic_load(&in.done));
    assert_int_equal(atomic_load(&in.done), 1);
    assert_int_equal(in.destroyed, TF2_ERR_INVALID_STATE);
    assert_int_equal(in.loaded, TF2_ERR_INVALID_STATE);
    assert_int_equal(in.opened, TF2_ERR_INVALID_STATE);
    assert_int_equal(in.leased, TF2_ERR_INVALID_STATE);
    RIG_UNTIL(atomic_load(&in.next.n_callbacks) == 1);
    assert_int_equal(in.next.status, TF2_OK);
    assert_true(bank_right(&bank, 1, in.next.out));
    call_wait(&call, TF2_OK);
    tf2_model_destroy(&in.model);
    tf2_client_destroy(&in.client);
    tf2_accelerator_close(&in.accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

static void
release_inside(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct call *call = user;
    (void)request;
    (void)error;
    call->status = status;
    tf2_request_release(&call->request);
    atomic_fetch_add(&call->n_callbacks, 1);
}

/* The handle is given back in the callback: of a request that ran, that is cancelled, and when all else is
 * gone. */
static void test_release_in_a_callback(void **state)
{
    (void)state;
    for (int cancelled = 0; cancelled <= 1; cancelled++) {
        struct all all;
        struct call call;
        open_all(&all, true);
        const struct tf2_request_options options = {.callback = release_inside, .user = &call};
        call_submit(&call, all.client, all.accelerator, &all.bank, 0, &options);
        struct tf2_request *request = call.request;
        if (cancelled)
            assert_int_equal(tf2_request_cancel(request), TF2_OK);
        fault_release(&all.rig.control[0]);
        RIG_UNTIL(atomic_load(&call.n_callbacks) == 1);
        assert_int_equal(call.status, cancelled ? TF2_ERR_CANCELLED : TF2_OK);
        call_wait(&all.call, TF2_OK);
        for (enum part part = ENGINE; part < REQUEST; part++)
            destroy(&all, part);
        bank_close(&all.bank);
        rig_close(&all.rig);
    }
}

/* All else is destroyed by another thread while the callback of a cancelled request runs; then its handle
 * goes. */
struct last {
    struct all *all;
    struct call *call;
};

static void *destroy_the_rest(void *user)
{
    struct all *all = user;
    for (enum part part = ENGINE; part < REQUEST; part++)
        destroy(all, part);
    return NULL;
}

static void
be_the_last(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct last *last = user;
    pthread_t thread;
    (void)request;
    (void)status;
    (void)error;
    pthread_create(&thread, NULL, destroy_the_rest, last->all);
    pthread_join(thread, NULL);
    tf2_request_release(&last->call->request);
}

static void test_last_handle_in_a_callback(void **state)
{
    (void)state;
    struct all all;
    struct call call;
    struct last last = {&all, &call};
    open_all(&all, true);
    const struct tf2_request_options options = {.callback = be_the_last, .user = &last};
    call_submit(&call, all.client, all.accelerator, &all.bank, 0, &options);
    tf2_request_release(&all.call.request);
    assert_int_equal(tf2_request_cancel(call.request), TF2_OK);
    assert_null(call.request);
    bank_close(&all.bank);
    rig_close(&all.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_any_order_while_it_runs),
        cmocka_unit_test(test_requests_outlive_the_engine),
        cmocka_unit_test(test_after_the_engine),
        cmocka_unit_test(test_engine_without_devices_handle),
        cmocka_unit_test(test_in_a_callback),
        cmocka_unit_test(test_release_in_a_callback),
        cmocka_unit_test(test_last_handle_in_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
