/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stress.c: requests from 16 threads over 4 devices that fail, hang and are slow at random, with
 * cancels, deadlines, leases, models that come and go, ordered clients and full queues. Every request
 * completes exactly once, with the right bits when it says so; the figures add up; nothing is lost.
 *
 * TF2_TEST_ROUNDS: thousands of requests (default 60). TF2_TEST_SEED: of all decisions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_run.h"
#include "rig.h"

#define N_THREADS      16
#define N_ACCELERATORS 5
#define N_CLIENTS      (4 + N_THREADS / 4) /* shared ones, then an ordered one for every fourth thread */
#define N_SLOTS        48
/* The thread that leases: two that hold a device each would wait for each other with a pipeline over both. */
#define LEASES 3
#define N_ITEMS 32

struct stress;

/* One request under way. */
struct slot {
    struct stress *stress;
    float out[8];
    struct tf2_request *request;
    size_t item;
    uint32_t accelerator;
    bool used, has_callback, wants_out, is_ordered;
    uint64_t number;
    _Atomic uint64_t told; /* number + 1 of the last request that the callback was called for */
    atomic_int status;
    struct worker *worker;
};

struct worker {
    struct stress *stress;
    uint32_t index;
    uint64_t seed;
    uint64_t n_requests;
    struct tf2_client *own; /* ordered; NULL: it uses the shared ones */
    uint64_t next_told;     /* of `own`: the number that has to be told next */
    struct slot slots[N_SLOTS];
    uint64_t n_submitted, n_busy, n_by_status[100];
    pthread_t thread;
};

struct stress {
    struct rig rig;
    struct bank banks[N_ACCELERATORS];
    struct tf2_accelerator *accelerators[N_ACCELERATORS];
    struct tf2_client *clients[N_CLIENTS];
    struct worker workers[N_THREADS];
    atomic_uint n_wrong; /* with the first message: */
    char wrong[200];
    atomic_bool stop;
};

static void wrong(struct stress *s, const char *what, uint64_t number)
{
    if (atomic_fetch_add(&s->n_wrong, 1) == 0)
        snprintf(s->wrong, sizeof(s->wrong), "%s (request %llu)", what, (unsigned long long)number);
}

static uint64_t pick(struct worker *w, uint64_t n)
{
    return (uint64_t)(reference_random(&w->seed) * (double)n);
}

/* --- one request --- */

static void
told(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct slot *slot = user;
    (void)request;
    if (atomic_load(&slot->told) == slot->number + 1)
        wrong(slot->stress, "it was told twice", slot->number);
    if ((status != TF2_OK) != (error != NULL))
        wrong(slot->stress, "status and error differ", slot->number);
    if (slot->is_ordered && slot->number != slot->worker->next_told++)
        wrong(slot->stress, "it was told out of order", slot->number);
    atomic_store(&slot->status, (int)status);
    atomic_store(&slot->told, slot->number + 1);
}

static void check_slot(struct worker *w, struct slot *slot)
{
    enum tf2_status status = TF2_OK;
    struct stress *s = w->stress;
    if (slot->request)
        status = tf2_request_wait(slot->request, TF2_FOREVER, NULL);
    while (slot->has_callback && atomic_load(&slot->told) != slot->number + 1)
        rig_sleep(20000);
    if (slot->request && slot->has_callback && (int)status != atomic_load(&slot->status))
        wrong(s, "callback and wait differ", slot->number);
    if (!slot->request)
        status = (enum tf2_status)atomic_load(&slot->status);
    if (status == TF2_OK && slot->wants_out &&
        !bank_right(&s->banks[slot->accelerator], slot->item, slot->out))
        wrong(s, "the bits are wrong", slot->number);
    if (status != TF2_OK && status != TF2_ERR_CANCELLED && status != TF2_ERR_DEADLINE &&
        status != TF2_ERR_DEVICE)
        wrong(s, tf2_status_name(status), slot->number);
    w->n_by_status[status]++;
    tf2_request_release(&slot->request);
    slot->used = false;
}

/* Returns whether it was accepted. */
static bool submit(struct worker *w, struct slot *slot, uint64_t number)
{
    struct stress *s = w->stress;
    struct tf2_request_options options = {0};
    const bool wants_handle = w->own ? pick(w, 2) : pick(w, 4);
    slot->stress = s;
    slot->worker = w;
    slot->number = number;
    slot->accelerator = (uint32_t)pick(w, N_ACCELERATORS);
    slot->item = pick(w, N_ITEMS);
    slot->wants_out = pick(w, 20) > 0;
    slot->is_ordered = w->own != NULL;
    slot->has_callback = w->own || !wants_handle || pick(w, 2);
    memset(slot->out, 0, sizeof(slot->out));
    options.timeout_ns = pick(w, 8) ? 0 : 1 + pick(w, 3 * MS);
    options.callback = slot->has_callback ? told : NULL;
    options.user = slot;
    const struct bank *bank = &s->banks[slot->accelerator];
    const void *inputs[] = {bank->in + slot->item * bank->n_in};
    void *outputs[] = {slot->wants_out ? slot->out : NULL};
    struct tf2_client *client = w->own ? w->own : s->clients[pick(w, 4)];
    enum tf2_status status = tf2_client_submit(
        client, s->accelerators[slot->accelerator], inputs, outputs, &options,
        wants_handle ? &slot->request : NULL, NULL);
    slot->used = status == TF2_OK;
    if (status == TF2_OK)
        w->n_submitted++;
    else if (status == TF2_ERR_BUSY)
        w->n_busy++;
    else
        wrong(s, tf2_status_name(status), number);
    return slot->used;
}

/* --- threads --- */

static void *work(void *user)
{
    struct worker *w = user;
    for (uint64_t number = 0; number < w->n_requests;) {
        struct slot *slot = &w->slots[pick(w, N_SLOTS)];
        if (slot->used && slot->request && pick(w, 4) == 0)
            tf2_request_cancel(slot->request);
        if (slot->used)
            check_slot(w, slot);
        if (w->index == LEASES && pick(w, 500) == 0 &&
            tf2_client_lease(w->own, 1 + pick(w, 2), pick(w, 2 * MS), NULL) == TF2_OK)
            slot = &w->slots[0];
        if (w->own && pick(w, 50) == 0)
            tf2_client_unlease(w->own);
        if (slot->used)
            continue;
        if (submit(w, slot, number))
            number++;
        else
            sched_yield();
    }
    for (size_t i = 0; i < N_SLOTS; i++) {
        if (w->slots[i].used)
            check_slot(w, &w->slots[i]);
    }
    if (w->own)
        tf2_client_unlease(w->own);
    return NULL;
}

/* Loads and closes a model all the time; devices may fail on the way. */
static void *come_and_go(void *user)
{
    struct stress *s = user;
    struct tf2_model *model = model_two();
    while (!atomic_load(&s->stop)) {
        struct tf2_accelerator *accelerator = NULL;
        enum tf2_status status = tf2_accelerator_load(s->rig.engine, model, NULL, &accelerator, NULL);
        if (status != TF2_OK && status != TF2_ERR_DEVICE && status != TF2_ERR_NO_DEVICE)
            wrong(s, tf2_status_name(status), 0);
        rig_sleep(2 * MS);
        tf2_accelerator_close(&accelerator);
    }
    tf2_model_destroy(&model);
    return NULL;
}

/* Reads all figures all the time. */
static bool ignore(void *user, const char *text, size_t n_bytes)
{
    (void)user;
    (void)text;
    return n_bytes > 0;
}

static void *look(void *user)
{
    struct stress *s = user;
    while (!atomic_load(&s->stop)) {
        struct tf2_engine_stats stats;
        struct tf2_client_stats client;
        struct tf2_accelerator_stats accelerator;
        tf2_engine_stats(s->rig.engine, &stats);
        if (stats.n_submitted != stats.n_completed + stats.n_failed + stats.n_cancelled + stats.n_deadline +
                                     stats.n_waiting + stats.n_running)
            wrong(s, "the engine's figures do not add up", stats.n_submitted);
        tf2_client_stats(s->clients[0], &client);
        tf2_accelerator_stats(s->accelerators[1], &accelerator);
        if (tf2_engine_write_metrics(s->rig.engine, ignore, NULL, NULL) != TF2_OK ||
            tf2_engine_write_trace(s->rig.engine, ignore, NULL, NULL) != TF2_OK)
            wrong(s, "no report", 0);
        rig_sleep(3 * MS);
    }
    return NULL;
}

/* --- all of it --- */

static void load_all(struct stress *s)
{
    struct tf2_model *models[N_ACCELERATORS] = {
        model_copy(5), model_conv(), model_gemm(), model_gemm(), model_deep()};
    for (uint32_t i = 0; i < N_ACCELERATORS; i++) {
        struct tf2_load_options options = {.max_delay_ns = 50000};
        if (i == 2) {
            options.n_batch_sizes = 2;
            options.batch_sizes[0] = 2;
            options.batch_sizes[1] = 5;
        }
        if (i == 4)
            options.placement = TF2_PLACEMENT_PIPELINE;
        bank_open(&s->banks[i], models[i], N_ITEMS, i + 1);
        s->accelerators[i] = rig_load(&s->rig, models[i], &options);
    }
    for (uint32_t i = 0; i < N_CLIENTS; i++) {
        const struct tf2_client_options options = {
            .weight = 1 + i % 3,
            .priority = i == 1   ? TF2_PRIORITY_HIGH
                        : i == 2 ? TF2_PRIORITY_LOW
                                 : TF2_PRIORITY_NORMAL,
            .max_in_flight = i == 3 ? 2 : 0,
            .max_queued = i == 0 ? 20 : 0,
            .ordered = i >= 4};
        s->clients[i] = rig_client(&s->rig, &options);
    }
}

static void make_trouble(struct stress *s)
{
    static const struct {
        enum fault_kind kind;
        unsigned per_million;
    } faults[] = {{FAULT_WRITE, 200},  {FAULT_RUN, 3000}, {FAULT_FINISH, 300},   {FAULT_READ, 200},
                  {FAULT_OPEN, 20000}, {FAULT_HANG, 200}, {FAULT_HANG_WRITE, 50}};
    for (uint32_t i = 0; i < s->rig.n_devices; i++) {
        struct fault_control *c = &s->rig.control[i];
        for (size_t k = 0; k < TF2__COUNT(faults); k++)
            atomic_store(&c->per_million[faults[k].kind], faults[k].per_million);
        atomic_store(&c->hang_ns, 60 * MS);
        atomic_store(&c->run_ns, i == 3 ? 100000 : 0);
    }
}

static void check_figures(struct stress *s)
{
    struct tf2_engine_stats stats;
    struct tf2_client_stats client, all = {0};
    uint64_t n_submitted = 0, n_busy = 0, by_status[100] = {0};
    for (uint32_t i = 0; i < N_THREADS; i++) {
        n_submitted += s->workers[i].n_submitted;
        n_busy += s->workers[i].n_busy;
        for (size_t k = 0; k < TF2__COUNT(by_status); k++)
            by_status[k] += s->workers[i].n_by_status[k];
        assert_true(!s->workers[i].own || s->workers[i].next_told == s->workers[i].n_requests);
    }
    for (uint32_t i = 0; i < N_CLIENTS; i++) {
        assert_int_equal(tf2_client_stats(s->clients[i], &client), TF2_OK);
        assert_int_equal(client.n_waiting + client.n_running, 0);
        all.n_submitted += client.n_submitted;
        all.n_completed += client.n_completed;
        all.n_failed += client.n_failed;
        all.n_cancelled += client.n_cancelled;
        all.n_deadline += client.n_deadline;
    }
    assert_int_equal(tf2_engine_stats(s->rig.engine, &stats), TF2_OK);
    assert_int_equal(stats.n_waiting + stats.n_running, 0);
    assert_int_equal(stats.n_submitted, n_submitted);
    assert_int_equal(stats.n_completed, by_status[TF2_OK]);
    assert_int_equal(stats.n_failed, by_status[TF2_ERR_DEVICE]);
    assert_int_equal(stats.n_cancelled, by_status[TF2_ERR_CANCELLED]);
    assert_int_equal(stats.n_deadline, by_status[TF2_ERR_DEADLINE]);
    assert_int_equal(stats.latency.n, stats.n_completed);
    assert_int_equal(all.n_submitted, n_submitted);
    assert_int_equal(all.n_completed, stats.n_completed);
    assert_int_equal(all.n_failed, stats.n_failed);
    assert_int_equal(all.n_cancelled, stats.n_cancelled);
    assert_int_equal(all.n_deadline, stats.n_deadline);
    assert_int_equal(
        stats.n_submitted, stats.n_completed + stats.n_failed + stats.n_cancelled + stats.n_deadline);
    print_message(
        "%.1f s: %llu requests: %llu ok, %llu cancelled, %llu too late, %llu failed; %llu tried again, %llu "
        "refused\n",
        (double)stats.elapsed_ns * 1e-9, (unsigned long long)n_submitted,
        (unsigned long long)stats.n_completed, (unsigned long long)stats.n_cancelled,
        (unsigned long long)stats.n_deadline, (unsigned long long)stats.n_failed,
        (unsigned long long)stats.n_retries, (unsigned long long)n_busy);
}

static void print_devices(const struct stress *s)
{
    for (uint32_t i = 0; i < s->rig.n_devices; i++) {
        struct tf2_device_stats stats;
        unsigned hangs = atomic_load(&s->rig.control[i].n_faults[FAULT_HANG]) +
                         atomic_load(&s->rig.control[i].n_faults[FAULT_HANG_WRITE]);
        assert_int_equal(tf2_engine_device_stats(s->rig.engine, i, &stats), TF2_OK);
        print_message(
            "%s: %llu runs, set aside %llu times, %u hangs\n", stats.id, (unsigned long long)stats.n_runs,
            (unsigned long long)stats.n_set_aside, hangs);
        assert_true(stats.n_runs > 0);
    }
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_stress(void **state)
{
    (void)state;
    const uint64_t n = 1000 * number_from("TF2_TEST_ROUNDS", 60), seed = number_from("TF2_TEST_SEED", 1);
    struct stress *s = calloc(1, sizeof(*s));
    pthread_t loader, looker;
    const struct tf2_engine_options options = {
        .watchdog_ns = 30 * MS,
        .max_attempts = 2,
        .probe_ns = MS,
        .check_ns = 20 * MS,
        .n_trace_events = 1000,
        .no_device_ns = 60000 * MS};
    rig_open(&s->rig, 4, &options);
    load_all(s);
    make_trouble(s);
    assert_int_equal(pthread_create(&loader, NULL, come_and_go, s), 0);
    assert_int_equal(pthread_create(&looker, NULL, look, s), 0);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        s->workers[i] = (struct worker){
            .stress = s,
            .index = i,
            .seed = seed * 1000 + i,
            .n_requests = n / N_THREADS,
            .own = i % 4 == 3 ? s->clients[4 + i / 4] : NULL};
        assert_int_equal(pthread_create(&s->workers[i].thread, NULL, work, &s->workers[i]), 0);
    }
    for (uint32_t i = 0; i < N_THREADS; i++)
        pthread_join(s->workers[i].thread, NULL);
    atomic_store(&s->stop, true);
    pthread_join(loader, NULL);
    pthread_join(looker, NULL);
    for (uint32_t i = 0; i < s->rig.n_devices; i++) {
        fault_clear(&s->rig.control[i]);
        fault_release(&s->rig.control[i]);
    }
    for (uint32_t i = 0; i < s->rig.n_devices; i++)
        RIG_UNTIL(rig_state(&s->rig, i) == TF2_DEVICE_HEALTHY);
    if (atomic_load(&s->n_wrong))
        fail_msg("%u things are wrong, the first: %s", atomic_load(&s->n_wrong), s->wrong);
    check_figures(s);
    print_devices(s);
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        tf2_client_destroy(&s->clients[i]);
    for (uint32_t i = 0; i < N_ACCELERATORS; i++) {
        tf2_accelerator_close(&s->accelerators[i]);
        bank_close(&s->banks[i]);
    }
    rig_close(&s->rig);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
