/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c: starting and stopping: the devices' workers, the timekeeper, and the memory that all share.
 *
 * The engine is counted: its handle, each thread, client and accelerator hold a reference. So a thread that hangs in a
 * device can be left behind, and handles may be destroyed in any order.
 */
#include "sched/internal.h"

#include "common/host_memory.h"

#include <stdlib.h>

#define MAX_WORKERS 64 /* bits of tf2__route.workers */
#define END_NS      10000000000u /* at the end, for callbacks that are under way */

/* --- waiting --- */

bool tf2__engine_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

void tf2__engine_wait(struct tf2_engine *engine, pthread_cond_t *condition, uint64_t until_ns)
{
    const struct timespec until = {
        .tv_sec = (time_t)(until_ns / 1000000000u), .tv_nsec = (long)(until_ns % 1000000000u)};
    if (until_ns == TF2_FOREVER)
        pthread_cond_wait(condition, &engine->lock);
    else
        pthread_cond_timedwait(condition, &engine->lock, &until);
}

uint64_t tf2__engine_later(uint64_t now_ns, uint64_t wait_ns)
{
    return wait_ns >= TF2_FOREVER - now_ns ? TF2_FOREVER : now_ns + wait_ns;
}

bool tf2__engine_is_worker(const struct tf2_engine *engine)
{
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if (engine->workers[i].started && pthread_equal(engine->workers[i].thread, pthread_self()))
            return true;
    }
    return engine->timekeeper_started && pthread_equal(engine->timekeeper, pthread_self());
}

/* --- memory --- */

void *tf2_alloc(size_t size_bytes)
{
    return tf2__host_alloc(size_bytes);
}

void tf2_free(void *memory)
{
    tf2__host_free(memory);
}

/* --- making --- */

void tf2_engine_options_defaults(struct tf2_engine_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static void fill_defaults(struct tf2_engine_options *options)
{
    static const uint64_t ms = 1000000;
    struct tf2_engine_options *o = options;
    o->watchdog_ns = o->watchdog_ns ? o->watchdog_ns : 10000 * ms;
    o->load_watchdog_ns = o->load_watchdog_ns ? o->load_watchdog_ns : 300000 * ms;
    o->max_attempts = o->max_attempts ? o->max_attempts : 3;
    o->probe_ns = o->probe_ns ? o->probe_ns : 100 * ms;
    o->no_device_ns = o->no_device_ns ? o->no_device_ns : 5000 * ms;
    o->lease_wait_ns = o->lease_wait_ns ? o->lease_wait_ns : 60000 * ms;
    o->max_queued = o->max_queued ? o->max_queued : 65536;
    o->starve_ns = o->starve_ns ? o->starve_ns : 100 * ms;
    o->spin_ns = o->spin_ns ? o->spin_ns : 20000;
}

static void free_engine(struct tf2_engine *engine)
{
    struct tf2_env env = engine->env;
    for (uint32_t i = 0; i < engine->n_workers; i++)
        pthread_cond_destroy(&engine->workers[i].wake);
    pthread_cond_destroy(&engine->changed);
    pthread_cond_destroy(&engine->timekeeper_wake);
    pthread_mutex_destroy(&engine->lock);
    tf2_devices_close(&engine->devices);
    tf2__free(&env, engine->trace);
    tf2__free(&env, engine->repository);
    tf2__free(&env, engine->workers);
    tf2__free(&env, engine);
}

void tf2__engine_unref_unlock(struct tf2_engine *engine)
{
    bool last = --engine->n_refs == 0;
    tf2__unlock(engine);
    if (last)
        free_engine(engine);
}

static bool init_worker(struct tf2_engine *engine, uint32_t index)
{
    struct tf2__worker *worker = &engine->workers[index];
    worker->engine = engine;
    worker->index = index;
    worker->device = tf2__devices_get(engine->devices, index);
    tf2__list_init(&worker->stages);
    return tf2__engine_cond_init(&worker->wake);
}

/* Everything but the threads. On failure nothing is left but `engine` itself. */
static enum tf2_status init_engine(struct tf2_engine *engine, struct tf2_error *error)
{
    tf2__list_init(&engine->clients);
    tf2__list_init(&engine->accelerators);
    tf2__list_init(&engine->flows);
    tf2__list_init(&engine->lease_waits);
    engine->next_deadline_ns = UINT64_MAX;
    engine->timekeeper_at_ns = UINT64_MAX;
    engine->started_ns = tf2__clock_ns();
    size_t n = tf2_devices_count(engine->devices);
    if (n == 0)
        return tf2__fail(error, TF2_ERR_NO_DEVICE, "an engine of no devices");
    if (n > MAX_WORKERS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "an engine of %zu devices, at most %d", n, MAX_WORKERS);
    engine->workers = tf2__calloc(&engine->env, n, sizeof(*engine->workers));
    if (!engine->workers)
        return tf2__fail_memory(error, n * sizeof(*engine->workers), "workers");
    if (engine->options.n_trace_events) {
        engine->trace = tf2__calloc(&engine->env, engine->options.n_trace_events, sizeof(*engine->trace));
        if (!engine->trace)
            return tf2__fail_memory(
                error, engine->options.n_trace_events * sizeof(*engine->trace), "trace events");
    }
    if (engine->options.repository) {
        engine->repository = tf2__strdup(&engine->env, engine->options.repository);
        if (!engine->repository)
            return tf2__fail_memory(error, strlen(engine->options.repository) + 1, "a path");
        engine->options.repository = engine->repository;
    }
    if (pthread_mutex_init(&engine->lock, NULL) != 0 || !tf2__engine_cond_init(&engine->changed) ||
        !tf2__engine_cond_init(&engine->timekeeper_wake))
        return tf2__fail(error, TF2_ERR_THREAD, "a mutex or condition cannot be made");
    for (uint32_t i = 0; i < n; i++) {
        if (!init_worker(engine, i))
            return tf2__fail(error, TF2_ERR_THREAD, "a condition cannot be made");
        engine->n_workers++;
    }
    return TF2_OK;
}

/* The threads wait for the lock until all are there. */
static enum tf2_status start_threads(struct tf2_engine *engine, struct tf2_error *error)
{
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        struct tf2__worker *worker = &engine->workers[i];
        if (pthread_create(&worker->thread, NULL, tf2__worker_main, worker) != 0)
            return tf2__fail(error, TF2_ERR_THREAD, "thread %u of %u cannot be started", i + 1, engine->n_workers + 1);
        worker->started = true;
        engine->n_refs++;
        engine->n_alive++;
    }
    if (pthread_create(&engine->timekeeper, NULL, tf2__timekeeper_main, engine) != 0)
        return tf2__fail(
            error, TF2_ERR_THREAD, "thread %u of %u cannot be started", engine->n_workers + 1,
            engine->n_workers + 1);
    engine->timekeeper_started = true;
    engine->n_refs++;
    return TF2_OK;
}

static enum tf2_status
open_devices(struct tf2_devices *devices, struct tf2_devices **result, struct tf2_error *error)
{
    if (!devices)
        return tf2_devices_open(NULL, NULL, result, error);
    *result = tf2__devices_ref(devices);
    return TF2_OK;
}

enum tf2_status tf2_engine_create(
    struct tf2_devices *devices, const struct tf2_engine_options *options, struct tf2_engine **out,
    struct tf2_error *error)
{
    if (!out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "engine: no place for the handle (NULL)");
    TF2__TRY(open_devices(devices, &devices, error));
    const struct tf2_env *env = tf2__devices_env(devices);
    struct tf2_engine *engine = tf2__calloc(env, 1, sizeof(*engine));
    if (!engine) {
        tf2_devices_close(&devices);
        return tf2__fail_memory(error, sizeof(*engine), "an engine");
    }
    engine->env = *env;
    engine->devices = devices;
    engine->n_refs = 1;
    if (options)
        engine->options = *options;
    fill_defaults(&engine->options);
    enum tf2_status status = init_engine(engine, error);
    if (status != TF2_OK) {
        free_engine(engine);
        return status;
    }
    tf2__lock(engine);
    status = start_threads(engine, error);
    tf2__unlock(engine);
    if (status != TF2_OK) {
        tf2_engine_destroy(&engine);
        return status;
    }
    *out = engine;
    return TF2_OK;
}

/* --- stopping --- */

static void cancel_all(struct tf2_engine *engine, struct tf2__link *deliver)
{
    TF2__LIST_EACH(flow, &engine->flows, struct tf2__flow, of_engine)
        tf2__flow_cancel(flow, TF2_ERR_CANCELLED, NULL, deliver);
}

/*
 * Whether the worker's thread is going to end. One that is hung is not, once it has been given the time that the watchdog allows
 * for a second time: it may only have been slow. Nor is one that has nothing to do but waits for a job that such a one holds.
 */
static bool will_end(const struct tf2__worker *worker, uint64_t now_ns)
{
    const struct tf2_engine *engine = worker->engine;
    const uint64_t given_up_ns = tf2__engine_later(atomic_load(&worker->since_ns), engine->options.watchdog_ns);
    if (worker->ended)
        return false;
    if (worker->state == TF2_DEVICE_HUNG && worker->running)
        return now_ns < tf2__engine_later(given_up_ns, engine->options.watchdog_ns);
    return engine->n_jobs == 0 || worker->running || worker->gang || !tf2__list_empty(&worker->stages);
}

static bool any_will_end(const struct tf2_engine *engine)
{
    const uint64_t now_ns = tf2__clock_ns();
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if (will_end(&engine->workers[i], now_ns))
            return true;
    }
    return false;
}

/*
 * Threads that end in time are joined, the others left behind. As long as there are jobs, the watchdog sees to it that they
 * end; then only callbacks can be under way, and threads that get no time from the machine.
 */
static bool join_threads(struct tf2_engine *engine)
{
    const uint64_t patience_ns = TF2__MAX(engine->options.watchdog_ns, END_NS);
    bool all = true;
    uint64_t until_ns = tf2__engine_later(tf2__clock_ns(), patience_ns);
    while (any_will_end(engine) && tf2__clock_ns() < until_ns) {
        if (engine->n_jobs > 0)
            until_ns = tf2__engine_later(tf2__clock_ns(), patience_ns);
        tf2__engine_wait(engine, &engine->changed, tf2__clock_ns() + 20000000);
    }
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        struct tf2__worker *worker = &engine->workers[i];
        bool ended = worker->ended;
        if (!worker->started)
            continue;
        tf2__unlock(engine);
        if (ended)
            pthread_join(worker->thread, NULL);
        else
            pthread_detach(worker->thread);
        tf2__lock(engine);
        all &= ended;
    }
    return all && engine->n_hung_loads == 0;
}

enum tf2_status tf2_engine_destroy(struct tf2_engine **handle)
{
    if (!handle || !*handle)
        return TF2_OK;
    struct tf2_engine *engine = *handle;
    struct tf2__link deliver;
    tf2__list_init(&deliver);
    if (tf2__engine_is_worker(engine))
        return TF2_ERR_INVALID_STATE;
    *handle = NULL;
    tf2__lock(engine);
    engine->stopping = true;
    cancel_all(engine, &deliver);
    tf2__unlock(engine);
    tf2__requests_deliver(engine, &deliver);
    tf2__lock(engine);
    tf2__wake(engine, NULL);
    pthread_cond_broadcast(&engine->changed); /* those who wait for leases */
    bool all = join_threads(engine);
    pthread_cond_signal(&engine->timekeeper_wake);
    bool timekeeper = engine->timekeeper_started;
    engine->timekeeper_started = false;
    tf2__unlock(engine);
    if (timekeeper)
        pthread_join(engine->timekeeper, NULL);
    tf2__lock(engine);
    tf2__engine_unref_unlock(engine);
    return all ? TF2_OK : TF2_ERR_TIMEOUT;
}

size_t tf2_engine_n_devices(const struct tf2_engine *engine)
{
    return engine ? engine->n_workers : 0;
}
