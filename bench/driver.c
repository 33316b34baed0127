/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c: one thread for each device, each in a loop over its own sessions.
 *
 *     warm up ─▶ barrier ─▶ run until the time is over ─▶ what runs then is finished and counts
 *
 * Everything is allocated before the loop; in it a run costs two readings of the clock and one count in a
 * histogram. The wall time is from the first worker's start to the last one's end.
 */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

struct shared {
    const struct bench_setup *setup;
    struct bench_result *result;
    pthread_barrier_t barrier;
    atomic_bool stop;
    atomic_bool measuring;
    atomic_size_t n_finished;
};

struct thread {
    struct shared *shared;
    struct bench_worker *worker;
    pthread_t handle;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 (Steele, Lea, Flood 2014), to the range -1 ... 1. */
float bench_random_value(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) / (float)(1 << 23) - 1;
}

typedef enum tf2_status tensor_getter(const struct tf2_session *, size_t, struct tf2_tensor_info *);

static float **make_buffers(const struct tf2_session *session, size_t n, tensor_getter *get, uint64_t seed)
{
    float **buffers = cli_alloc(n, sizeof(*buffers));
    for (size_t i = 0; i < n; i++) {
        struct tf2_tensor_info info = {0};
        get(session, i, &info);
        size_t n_values = (size_t)tf2_shape_count(&info.shape);
        buffers[i] = cli_alloc(n_values, sizeof(float));
        for (size_t k = 0; seed && k < n_values; k++)
            buffers[i][k] = bench_random_value(&seed);
    }
    return buffers;
}

static enum tf2_status
check_float(const struct tf2_session *session, size_t n, tensor_getter *get, struct tf2_error *error)
{
    for (size_t i = 0; i < n; i++) {
        struct tf2_tensor_info info = {0};
        get(session, i, &info);
        if (info.dtype == TF2_DTYPE_F32)
            continue;
        error->status = TF2_ERR_UNSUPPORTED;
        snprintf(
            error->message, sizeof(error->message), "%.200s is %s, wanted float32", info.name,
            tf2_dtype_name(info.dtype));
        return error->status;
    }
    return TF2_OK;
}

static enum tf2_status prepare_model(
    const struct bench_setup *setup, struct bench_worker *w, size_t device, size_t m, struct tf2_error *error)
{
    struct tf2_model_info info;
    tf2_model_info(setup->models[m], &info);
    enum tf2_status status =
        tf2_session_create(setup->models[m], setup->devices, device, &setup->session, &w->sessions[m], error);
    if (status == TF2_OK)
        status = check_float(w->sessions[m], info.n_inputs, tf2_session_input, error);
    if (status == TF2_OK)
        status = check_float(w->sessions[m], info.n_outputs, tf2_session_output, error);
    if (status != TF2_OK)
        return status;
    w->inputs[m] = make_buffers(w->sessions[m], info.n_inputs, tf2_session_input, setup->seed + m + 1);
    w->outputs[m] = make_buffers(w->sessions[m], info.n_outputs, tf2_session_output, 0);
    return TF2_OK;
}

static void read_totals(const struct bench_setup *setup, struct bench_result *result)
{
    struct tf2_tensor_info input;
    result->images_per_run = 1;
    if (tf2_session_input(result->workers[0].sessions[0], 0, &input) == TF2_OK && input.shape.n_dims >= 2)
        result->images_per_run = input.shape.dim[0];
    for (size_t m = 0; m < setup->n_models; m++) {
        struct tf2_session_stats stats;
        tf2_session_stats(result->workers[0].sessions[m], &stats);
        result->macs_per_run += stats.macs;
        result->weights_bytes += stats.weights_bytes;
        result->arena_bytes += stats.arena_bytes;
        result->live_bytes += stats.live_bytes;
    }
}

enum tf2_status
bench_prepare(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error)
{
    memset(result, 0, sizeof(*result));
    result->n_workers = setup->n_workers;
    if (posix_memalign((void **)&result->workers, 64, setup->n_workers * sizeof(*result->workers)) != 0)
        exit(cli_fail("out of memory: %zu workers", setup->n_workers));
    memset(result->workers, 0, setup->n_workers * sizeof(*result->workers));
    for (size_t k = 0; k < setup->n_workers; k++) {
        struct bench_worker *w = &result->workers[k];
        cli_progress("preparing device %zu of %zu", k + 1, setup->n_workers);
        w->latency_ns = cli_alloc(1, sizeof(*w->latency_ns));
        if (setup->n_events > 0)
            w->events = cli_alloc(setup->n_events, sizeof(*w->events));
        for (size_t m = 0; m < setup->n_models; m++) {
            enum tf2_status status = prepare_model(setup, w, k, m, error);
            if (status != TF2_OK)
                return status;
        }
    }
    cli_progress_clear();
    read_totals(setup, result);
    return TF2_OK;
}

static bool run_once(const struct shared *s, struct bench_worker *w)
{
    for (size_t m = 0; m < s->setup->n_models; m++) {
        w->status = tf2_session_run(
            w->sessions[m], (const void *const *)w->inputs[m], (void *const *)w->outputs[m], &w->error);
        if (w->status != TF2_OK)
            return false;
    }
    return true;
}

static void warm_up(struct shared *s, struct bench_worker *w)
{
    uint64_t end = now_ns() + (uint64_t)(s->setup->warmup_s * 1e9);
    while (now_ns() < end && !atomic_load(&s->stop)) {
        if (!run_once(s, w))
            atomic_store(&s->stop, true);
    }
}

/* Adds `sign` times what the worker's sessions have streamed so far. */
static void count_streamed(const struct shared *s, struct bench_worker *w, int sign)
{
    for (size_t m = 0; m < s->setup->n_models; m++) {
        struct tf2_session_stats stats;
        tf2_session_stats(w->sessions[m], &stats);
        w->streamed_bytes += (uint64_t)sign * stats.streamed_bytes;
        w->transfer_ns += (uint64_t)sign * stats.transfer_ns;
        w->stall_ns += (uint64_t)sign * stats.stall_ns;
    }
}

static void measure(struct shared *s, struct bench_worker *w)
{
    uint64_t duration = (uint64_t)(s->setup->duration_s * 1e9);
    count_streamed(s, w, -1);
    uint64_t start = now_ns(), before = start;
    w->start_ns = start;
    do {
        if (!run_once(s, w)) {
            atomic_store(&s->stop, true);
            break;
        }
        uint64_t after = now_ns();
        histogram_add(w->latency_ns, after - before);
        if (w->n_events < s->setup->n_events)
            w->events[w->n_events++] = (struct bench_event){before, after};
        w->busy_ns += after - before;
        w->n_runs++;
        atomic_store_explicit(&w->n_live, w->n_runs, memory_order_relaxed);
        before = now_ns();
    } while (before - start < duration && !atomic_load_explicit(&s->stop, memory_order_relaxed));
    w->end_ns = before;
    count_streamed(s, w, 1);
}

static void *work(void *arg)
{
    struct thread *t = arg;
    warm_up(t->shared, t->worker);
    pthread_barrier_wait(&t->shared->barrier);
    atomic_store(&t->shared->measuring, true);
    if (!atomic_load(&t->shared->stop))
        measure(t->shared, t->worker);
    atomic_fetch_add(&t->shared->n_finished, 1);
    return NULL;
}

static uint64_t count_live(const struct shared *s)
{
    uint64_t n = 0;
    for (size_t k = 0; k < s->result->n_workers; k++)
        n += atomic_load_explicit(&s->result->workers[k].n_live, memory_order_relaxed);
    return n * (uint64_t)s->result->images_per_run;
}

/* Until all workers are done: the images of the last half second or more, as fps. */
static void watch(struct shared *s)
{
    const struct timespec pause = {0, 50000000};
    uint64_t last_ns = now_ns(), last_n = 0, start_ns = 0;
    while (atomic_load(&s->n_finished) < s->result->n_workers) {
        nanosleep(&pause, NULL);
        uint64_t now = now_ns(), n = count_live(s);
        if (!atomic_load(&s->measuring)) {
            cli_progress("warming up");
            last_ns = now;
            continue;
        }
        start_ns = start_ns ? start_ns : now;
        if (now - last_ns < 500000000)
            continue;
        cli_progress(
            "%.1f of %.1f s  %llu images  %.1f fps", (double)(now - start_ns) * 1e-9, s->setup->duration_s,
            (unsigned long long)n, (double)(n - last_n) / ((double)(now - last_ns) * 1e-9));
        last_ns = now;
        last_n = n;
    }
    cli_progress_clear();
}

static enum tf2_status collect(struct bench_result *result, struct tf2_error *error)
{
    uint64_t start = UINT64_MAX, end = 0;
    for (size_t k = 0; k < result->n_workers; k++) {
        const struct bench_worker *w = &result->workers[k];
        if (w->status != TF2_OK) {
            *error = w->error;
            return w->status;
        }
        start = w->start_ns < start ? w->start_ns : start;
        end = w->end_ns > end ? w->end_ns : end;
        result->n_runs += w->n_runs;
        result->streamed_bytes += w->streamed_bytes;
        result->transfer_ns += w->transfer_ns;
        result->stall_ns += w->stall_ns;
        histogram_merge(&result->latency_ns, w->latency_ns);
    }
    for (size_t k = 0; k < result->n_workers; k++) {
        struct bench_worker *w = &result->workers[k];
        for (size_t e = 0; e < w->n_events; e++) {
            w->events[e].start_ns -= start;
            w->events[e].end_ns -= start;
        }
    }
    result->wall_s = (double)(end - start) * 1e-9;
    return TF2_OK;
}

enum tf2_status
bench_measure(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error)
{
    struct shared shared = {.setup = setup, .result = result};
    struct thread *threads = cli_alloc(result->n_workers, sizeof(*threads));
    pthread_barrier_init(&shared.barrier, NULL, (unsigned)result->n_workers);
    for (size_t k = 0; k < result->n_workers; k++) {
        threads[k] = (struct thread){.shared = &shared, .worker = &result->workers[k]};
        if (pthread_create(&threads[k].handle, NULL, work, &threads[k]) != 0)
            exit(cli_fail("thread %zu of %zu cannot be started", k + 1, result->n_workers));
    }
    watch(&shared);
    for (size_t k = 0; k < result->n_workers; k++)
        pthread_join(threads[k].handle, NULL);
    pthread_barrier_destroy(&shared.barrier);
    free(threads);
    return collect(result, error);
}

static void free_buffers(float **buffers, size_t n)
{
    for (size_t i = 0; buffers && i < n; i++)
        free(buffers[i]);
    free(buffers);
}

void bench_finish(const struct bench_setup *setup, struct bench_result *result)
{
    for (size_t k = 0; result->workers && k < result->n_workers; k++) {
        struct bench_worker *w = &result->workers[k];
        for (size_t m = 0; m < setup->n_models; m++) {
            struct tf2_model_info info;
            tf2_model_info(setup->models[m], &info);
            free_buffers(w->inputs[m], info.n_inputs);
            free_buffers(w->outputs[m], info.n_outputs);
            tf2_session_destroy(&w->sessions[m]);
        }
        free(w->latency_ns);
        free(w->events);
    }
    free(result->workers);
    memset(result, 0, sizeof(*result));
}
