/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_batches.c: which requests run together, how long they wait for each other, and that it cannot be seen
 * in results.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rig.h"

#define N_ITEMS 16

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerator;
    struct tf2_client *client;
    struct call first, calls[N_ITEMS];
};

static void open_fixture(struct fixture *f, uint32_t n_devices, const struct tf2_load_options *options)
{
    struct tf2_model *model = model_conv();
    bank_open(&f->bank, model, N_ITEMS, 7);
    rig_open(&f->rig, n_devices, NULL);
    f->accelerator = rig_load(&f->rig, model, options);
    f->client = rig_client(&f->rig, NULL);
}

static void close_fixture(struct fixture *f)
{
    tf2_client_destroy(&f->client);
    tf2_accelerator_close(&f->accelerator);
    bank_close(&f->bank);
    rig_close(&f->rig);
}

/* Submits n requests while the only device hangs in another one, lets it go, and gives the size of each one's
 * batch. */
static void run_behind(struct fixture *f, size_t n, uint32_t *batch)
{
    struct tf2_request_info info;
    atomic_store(&f->rig.control[0].next[FAULT_HANG], 1);
    call_submit(&f->first, f->client, f->accelerator, &f->bank, 0, NULL);
    RIG_UNTIL(atomic_load(&f->rig.control[0].n_hanging) == 1);
    for (size_t i = 0; i < n; i++)
        call_submit(&f->calls[i], f->client, f->accelerator, &f->bank, i, NULL);
    fault_release(&f->rig.control[0]);
    call_wait(&f->first, TF2_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tf2_request_wait(f->calls[i].request, TF2_FOREVER, NULL), TF2_OK);
        assert_int_equal(tf2_request_info(f->calls[i].request, &info), TF2_OK);
        batch[i] = info.batch;
        call_wait(&f->calls[i], TF2_OK);
    }
}

/* The largest size that can be filled; a rest goes in smaller ones, in order. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint32_t batch[11];
    } cases[] = {
        {1, {1}},
        {2, {2, 2}},
        {3, {2, 2, 1}},
        {5, {5, 5, 5, 5, 5}},
        {6, {5, 5, 5, 5, 5, 1}},
        {9, {5, 5, 5, 5, 5, 2, 2, 2, 2}},
        {11, {5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1}}};
    struct fixture f;
    uint32_t batch[N_ITEMS];
    const struct tf2_load_options options = {.batch_sizes = {1, 2, 5}, .n_batch_sizes = 3};
    open_fixture(&f, 1, &options);
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        run_behind(&f, cases[i].n, batch);
        for (size_t k = 0; k < cases[i].n; k++)
            if (batch[k] != cases[i].batch[k])
                fail_msg(
                    "%zu requests: number %zu ran with %u, wanted %u", cases[i].n, k, batch[k],
                    cases[i].batch[k]);
    }
    close_fixture(&f);
}

static void test_delay(void **state)
{
    (void)state;
    struct fixture f;
    struct tf2_request_info info;
    const struct tf2_load_options options = {
        .batch_sizes = {3}, .n_batch_sizes = 1, .max_delay_ns = 100 * MS};
    open_fixture(&f, 2, &options);
    /* Alone: it waits as long as it may, then goes. */
    call_submit(&f.first, f.client, f.accelerator, &f.bank, 1, NULL);
    assert_int_equal(tf2_request_wait(f.first.request, TF2_FOREVER, NULL), TF2_OK);
    assert_int_equal(tf2_request_info(f.first.request, &info), TF2_OK);
    assert_true(info.queue_ns >= 100 * MS && info.batch == 1);
    call_wait(&f.first, TF2_OK);
    /* Three: the last one makes the batch, none waits for the delay. (A machine that stops for so long may.)
     * */
    int n_early = 0;
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 3; i++)
            call_submit(&f.calls[i], f.client, f.accelerator, &f.bank, i, NULL);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(tf2_request_wait(f.calls[i].request, TF2_FOREVER, NULL), TF2_OK);
            assert_int_equal(tf2_request_info(f.calls[i].request, &info), TF2_OK);
            n_early += info.queue_ns < 100 * MS && info.batch == 3;
            call_wait(&f.calls[i], TF2_OK);
        }
    }
    assert_true(n_early >= 15);
    close_fixture(&f);
}

static void test_delay_without_end(void **state)
{
    (void)state;
    struct fixture f;
    const struct tf2_load_options options = {
        .batch_sizes = {2}, .n_batch_sizes = 1, .max_delay_ns = TF2_FOREVER};
    open_fixture(&f, 2, &options);
    call_submit(&f.calls[0], f.client, f.accelerator, &f.bank, 0, NULL);
    rig_sleep(30 * MS);
    assert_false(tf2_request_done(f.calls[0].request));
    call_submit(&f.calls[1], f.client, f.accelerator, &f.bank, 1, NULL);
    call_wait(&f.calls[0], TF2_OK);
    call_wait(&f.calls[1], TF2_OK);
    call_submit(&f.calls[0], f.client, f.accelerator, &f.bank, 0, NULL);
    assert_int_equal(tf2_engine_destroy(&f.rig.engine), TF2_OK);
    call_wait(&f.calls[0], TF2_ERR_CANCELLED);
    close_fixture(&f);
}

/* Requests of several clients share a batch, each within its limit. */
static void test_across_clients(void **state)
{
    (void)state;
    struct fixture f;
    struct tf2_request_info info;
    struct tf2_client_stats stats;
    const struct tf2_load_options options = {
        .batch_sizes = {6}, .n_batch_sizes = 1, .max_delay_ns = TF2_FOREVER};
    open_fixture(&f, 1, &options);
    struct tf2_client *second = rig_client(&f.rig, NULL),
                      *capped = rig_client(&f.rig, &(struct tf2_client_options){.max_in_flight = 1});
    for (size_t i = 0; i < 3; i++)
        call_submit(&f.calls[i], capped, f.accelerator, &f.bank, i, NULL);
    for (size_t i = 3; i < 5; i++)
        call_submit(&f.calls[i], second, f.accelerator, &f.bank, i, NULL);
    for (size_t i = 5; i < 7; i++)
        call_submit(&f.calls[i], f.client, f.accelerator, &f.bank, i, NULL);
    rig_sleep(20 * MS);
    assert_false(tf2_request_done(f.calls[0].request)); /* 2 + 2 and one of the capped: not six */
    call_submit(&f.calls[7], f.client, f.accelerator, &f.bank, 7, NULL);
    for (size_t i = 0; i < 8; i++) {
        if (i == 1 || i == 2)
            continue;
        assert_int_equal(tf2_request_wait(f.calls[i].request, TF2_FOREVER, NULL), TF2_OK);
        assert_int_equal(tf2_request_info(f.calls[i].request, &info), TF2_OK);
        assert_int_equal(info.batch, 6);
        call_wait(&f.calls[i], TF2_OK);
    }
    assert_false(tf2_request_done(f.calls[1].request));
    assert_int_equal(tf2_client_stats(second, &stats), TF2_OK);
    assert_true(stats.n_completed == 2 && stats.device_ns > 0);
    assert_int_equal(tf2_request_cancel(f.calls[1].request), TF2_OK);
    assert_int_equal(tf2_request_cancel(f.calls[2].request), TF2_OK);
    call_wait(&f.calls[1], TF2_ERR_CANCELLED);
    call_wait(&f.calls[2], TF2_ERR_CANCELLED);
    tf2_client_destroy(&second);
    tf2_client_destroy(&capped);
    close_fixture(&f);
}

/* A batch whose device fails: each of its requests is tried again. */
static void test_failing_batch(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t batch[N_ITEMS];
    struct tf2_engine_stats stats;
    const struct tf2_load_options options = {.batch_sizes = {4}, .n_batch_sizes = 1};
    open_fixture(&f, 1, &options);
    atomic_store(&f.rig.control[0].next[FAULT_FINISH], 1);
    run_behind(&f, 8, batch);
    assert_int_equal(tf2_engine_stats(f.rig.engine, &stats), TF2_OK);
    assert_true(stats.n_retries == 1 && stats.n_completed == 9); /* the one that hung */
    atomic_store(&f.rig.control[0].next[FAULT_READ], 1);
    call_submit(&f.first, f.client, f.accelerator, &f.bank, 1, NULL);
    call_wait(&f.first, TF2_OK);
    close_fixture(&f);
}

static void test_no_batch_axis(void **state)
{
    (void)state;
    struct rig rig;
    struct tf2_accelerator *accelerator = NULL;
    const struct tf2_load_options batched = {.batch_sizes = {2}, .n_batch_sizes = 1};
    const struct tf2_named_shape pairs = {.name = "x", .shape = {.n_dims = 2, .dim = {2, 8}}};
    const struct tf2_load_options in_pairs = {
        .batch_sizes = {2}, .n_batch_sizes = 1, .input_shapes = &pairs, .n_input_shapes = 1};
    rig_open(&rig, 2, NULL);
    struct tf2_model *model = model_no_batch_axis(), *gemm = model_gemm();
    REFUSED(TF2_ERR_UNSUPPORTED, "batch", tf2_accelerator_load(rig.engine, model, &batched, &accelerator, e));
    REFUSED(TF2_ERR_UNSUPPORTED, "batch", tf2_accelerator_load(rig.engine, gemm, &in_pairs, &accelerator, e));
    assert_null(accelerator);
    MUST(tf2_accelerator_load(rig.engine, model, NULL, &accelerator, e));
    tf2_accelerator_close(&accelerator);
    tf2_model_destroy(&model);
    tf2_model_destroy(&gemm);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_delay_without_end),
        cmocka_unit_test(test_across_clients),
        cmocka_unit_test(test_failing_batch),
        cmocka_unit_test(test_no_batch_axis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
