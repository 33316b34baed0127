/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_memory.c: whichever allocation fails while an engine is made, a model loaded, a client made or a
 * request submitted, the answer is TF2_ERR_NO_MEMORY, nothing is lost and everything goes on working.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rig.h"
#include "tf2_file.h"

#define MOST_ALLOCATIONS 3000

/* What is made, one after the other. */
struct made {
    struct rig rig;
    struct bank bank;
    struct tf2_model *model;
    struct tf2_accelerator *accelerator;
    struct tf2_client *client;
    enum tf2_placement placement;
};

static enum tf2_status make_all(struct made *m, struct tf2_error *error)
{
    const struct tf2_engine_options options = {.n_trace_events = 10, .repository = "somewhere"};
    const struct tf2_load_options load = {
        .placement = m->placement,
        .batch_sizes = {2, 3},
        .n_batch_sizes = 2,
        .profile = true,
        .name = "walk"};
    const struct tf2_client_options client = {.name = "client"};
    float out[RIG_MAX_VALUES] = {0};
    const void *inputs[] = {m->bank.in};
    void *outputs[] = {out};
    TF2__TRY(tf2_engine_create(m->rig.devices, &options, &m->rig.engine, error));
    TF2__TRY(tf2_accelerator_load(m->rig.engine, m->model, &load, &m->accelerator, error));
    TF2__TRY(tf2_client_create(m->rig.engine, &client, &m->client, error));
    TF2__TRY(tf2_client_run(m->client, m->accelerator, inputs, outputs, error));
    assert_true(bank_right(&m->bank, 0, out));
    return TF2_OK;
}

static void free_all(struct made *m)
{
    tf2_client_destroy(&m->client);
    tf2_accelerator_close(&m->accelerator);
    assert_int_equal(tf2_engine_destroy(&m->rig.engine), TF2_OK);
}

static void walk(enum tf2_placement placement, bool keeps_failing)
{
    struct made m = {.model = model_conv(), .placement = placement};
    long n = 0;
    enum tf2_status status = TF2_ERR_NO_MEMORY;
    bank_open(&m.bank, m.model, 1, 1);
    rig_open_devices(&m.rig, 2);
    m.rig.env.keeps_failing = keeps_failing;
    const long live = atomic_load(&m.rig.env.n_live);
    while (status != TF2_OK) {
        struct tf2_error error = {0};
        assert_true(++n < MOST_ALLOCATIONS);
        atomic_store(&m.rig.env.countdown, n);
        status = make_all(&m, &error);
        atomic_store(&m.rig.env.countdown, 0);
        free_all(&m);
        if (status != TF2_OK &&
            (status != TF2_ERR_NO_MEMORY || error.status != status || !strstr(error.message, "memory")))
            fail_msg("allocation %ld: %s (%s)", n, tf2_status_name(status), error.message);
        if (atomic_load(&m.rig.env.n_live) != live)
            fail_msg("allocation %ld: %ld blocks are lost", n, atomic_load(&m.rig.env.n_live) - live);
    }
    assert_true(n > 50); /* it was about something */
    tf2_model_destroy(&m.model);
    bank_close(&m.bank);
    rig_close(&m.rig);
}

static void test_one_allocation_fails(void **state)
{
    (void)state;
    walk(TF2_PLACEMENT_REPLICATE, false);
    walk(TF2_PLACEMENT_PIPELINE, false);
    walk(TF2_PLACEMENT_AUTO, false);
}

static void test_all_allocations_fail(void **state)
{
    (void)state;
    walk(TF2_PLACEMENT_REPLICATE, true);
    walk(TF2_PLACEMENT_PIPELINE, true);
}

/* A model from the repository: the file's memory too. */
static void test_open_by_name(void **state)
{
    (void)state;
    struct rig rig;
    char path[256], folder[256];
    struct tf2_model *model = model_gemm();
    MUST(tf2_model_save(model, tf2_file_path(path), NULL, e));
    tf2_model_destroy(&model);
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = 0;
    char *name = strrchr(path, '/') + 1;
    *strrchr(name, '.') = 0;
    const struct tf2_engine_options options = {.repository = folder};
    rig_open(&rig, 1, &options);
    const long live = atomic_load(&rig.env.n_live);
    enum tf2_status status = TF2_ERR_NO_MEMORY;
    for (long n = 1; status != TF2_OK; n++) {
        struct tf2_accelerator *accelerator = NULL;
        assert_true(n < MOST_ALLOCATIONS);
        atomic_store(&rig.env.countdown, n);
        status = tf2_accelerator_open(rig.engine, name, NULL, &accelerator, NULL);
        atomic_store(&rig.env.countdown, 0);
        assert_true(status == TF2_OK || (status == TF2_ERR_NO_MEMORY && !accelerator));
        tf2_accelerator_close(&accelerator);
        assert_int_equal(atomic_load(&rig.env.n_live), live);
    }
    rig_close(&rig);
}

/* Figures and traces: nothing is written when a part of it would be missing. */
static bool note_writing(void *user, const char *text, size_t n_bytes)
{
    (void)text;
    *(size_t *)user += n_bytes;
    return true;
}

static void test_reports(void **state)
{
    (void)state;
    struct rig rig;
    const struct tf2_engine_options options = {.n_trace_events = 4};
    rig_open(&rig, 2, &options);
    for (int trace = 0; trace <= 1; trace++) {
        enum tf2_status status = TF2_ERR_NO_MEMORY;
        for (long n = 1; status != TF2_OK; n++) {
            size_t written = 0;
            atomic_store(&rig.env.countdown, n);
            status = trace ? tf2_engine_write_trace(rig.engine, note_writing, &written, NULL)
                           : tf2_engine_write_metrics(rig.engine, note_writing, &written, NULL);
            assert_true(
                status == TF2_OK ? written > 100 && n > 1 : status == TF2_ERR_NO_MEMORY && written == 0);
        }
        atomic_store(&rig.env.countdown, 0);
    }
    rig_close(&rig);
}

/* A message that there is no memory for is not needed: the status is. */
static void test_error_without_memory(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct call call;
    const struct tf2_engine_options options = {.max_attempts = 1};
    struct tf2_model *model = model_gemm();
    bank_open(&bank, model, 1, 1);
    rig_open(&rig, 1, &options);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, NULL);
    struct tf2_client *client = rig_client(&rig, NULL);
    atomic_store(&rig.control[0].next[FAULT_HANG], 1);
    call_submit(&call, client, accelerator, &bank, 0, NULL);
    RIG_UNTIL(atomic_load(&rig.control[0].n_hanging) == 1);
    rig.env.keeps_failing = true;
    atomic_store(&rig.env.countdown, 1);
    atomic_store(&rig.control[0].next[FAULT_RUN], 1);
    fault_release(&rig.control[0]);
    call_wait(&call, TF2_ERR_DEVICE);
    atomic_store(&rig.env.countdown, 0);
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_allocation_fails), cmocka_unit_test(test_all_allocations_fail),
        cmocka_unit_test(test_open_by_name),         cmocka_unit_test(test_reports),
        cmocka_unit_test(test_error_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
