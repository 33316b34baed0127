/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c: a closed loop: so many runs are in flight, and when one is complete the next one begins in its place, from
 * the completion's callback, so that no device waits for a thread of ours.
 *
 *     warm up ─▶ until nothing runs ─▶ run until the time is over ─▶ what runs then is finished and counts
 *
 * A run is a request to each model, one after the other. The wall time is from the first submission to the last
 * completion.
 */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

struct loop;

/* A run in flight: its buffers, and where it is. */
struct slot {
    struct loop *loop;
    float **inputs[BENCH_MAX_MODELS];
    float **outputs[BENCH_MAX_MODELS];
    size_t model;
    uint64_t start_ns;
};

struct loop {
    const struct bench_setup *setup;
    struct bench_result *result;
    struct slot *slots;
    pthread_mutex_t mutex;
    pthread_cond_t idle; /* nothing runs any more */
    size_t n_running;
    uint64_t start_ns, until_ns, end_ns;
    uint64_t n_runs;
    struct histogram *latency_ns; /* NULL: warming up */
    struct tf2_error error;       /* the first failure; it ends the loop */
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

/* --- preparing --- */

static enum tf2_status
check_float(const struct tf2_accelerator *accelerator, size_t n_inputs, size_t n_outputs, struct tf2_error *error)
{
    for (size_t i = 0; i < n_inputs + n_outputs; i++) {
        struct tf2_tensor_info info = {0};
        if (i < n_inputs)
            tf2_accelerator_input(accelerator, i, &info);
        else
            tf2_accelerator_output(accelerator, i - n_inputs, &info);
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

static void add_stats(struct bench_result *result, const struct tf2_accelerator *accelerator)
{
    struct tf2_accelerator_stats stats;
    struct tf2_accelerator_stats *sum = &result->stats;
    tf2_accelerator_stats(accelerator, &stats);
    sum->placement = stats.placement;
    sum->n_stages = stats.n_stages;
    sum->macs += stats.macs;
    sum->weights_bytes += stats.weights_bytes;
    sum->arena_bytes += stats.arena_bytes;
    sum->live_bytes += stats.live_bytes;
    sum->streamed_bytes += stats.streamed_bytes;
    sum->transfer_ns += stats.transfer_ns;
    sum->stall_ns += stats.stall_ns;
}

static void read_stats(const struct bench_setup *setup, struct bench_result *result)
{
    memset(&result->stats, 0, sizeof(result->stats));
    for (size_t m = 0; m < setup->n_models; m++)
        add_stats(result, result->accelerators[m]);
}

static enum tf2_status load_models(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error)
{
    struct tf2_tensor_info input = {0};
    for (size_t m = 0; m < setup->n_models; m++) {
        struct tf2_model_info info;
        tf2_model_info(setup->models[m], &info);
        cli_progress("preparing %s on %zu device%s", info.name, result->n_devices, result->n_devices == 1 ? "" : "s");
        enum tf2_status status =
            tf2_accelerator_load(result->engine, setup->models[m], &setup->load, &result->accelerators[m], error);
        if (status == TF2_OK)
            status = check_float(result->accelerators[m], info.n_inputs, info.n_outputs, error);
        if (status != TF2_OK)
            return status;
    }
    cli_progress_clear();
    read_stats(setup, result);
    result->macs_per_run = result->stats.macs;
    result->images_per_run = 1;
    if (tf2_accelerator_input(result->accelerators[0], 0, &input) == TF2_OK && input.shape.n_dims >= 2)
        result->images_per_run = input.shape.dim[0];
    return TF2_OK;
}

/* As many as keep every device busy: a split runs one at a time, a pipeline has one in each stage and one waiting. */
static size_t choose_inflight(const struct bench_setup *setup, const struct bench_result *result)
{
    if (setup->n_inflight)
        return setup->n_inflight;
    if (result->stats.placement == TF2_PLACEMENT_SPLIT)
        return 1;
    return result->stats.placement == TF2_PLACEMENT_PIPELINE ? 2 * result->n_devices : result->n_devices;
}

enum tf2_status
bench_prepare(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error)
{
    const struct tf2_engine_options engine = {.n_trace_events = setup->n_events, .watchdog_ns = 600000000000u};
    const struct tf2_client_options client = {.name = "tf2-bench", .max_queued = UINT32_MAX};
    memset(result, 0, sizeof(*result));
    enum tf2_status status = tf2_engine_create(setup->devices, &engine, &result->engine, error);
    if (status == TF2_OK)
        status = tf2_client_create(result->engine, &client, &result->client, error);
    if (status != TF2_OK)
        return status;
    result->n_devices = tf2_engine_n_devices(result->engine);
    status = load_models(setup, result, error);
    if (status == TF2_OK)
        result->n_inflight = choose_inflight(setup, result);
    return status;
}

/* --- buffers --- */

typedef enum tf2_status tensor_getter(const struct tf2_accelerator *, size_t, struct tf2_tensor_info *);

static float **make_buffers(const struct tf2_accelerator *accelerator, size_t n, tensor_getter *get, uint64_t seed)
{
    float **buffers = cli_alloc(n, sizeof(*buffers));
    for (size_t i = 0; i < n; i++) {
        struct tf2_tensor_info info = {0};
        get(accelerator, i, &info);
        size_t n_values = (size_t)tf2_shape_count(&info.shape);
        buffers[i] = tf2_alloc(n_values * sizeof(float));
        if (!buffers[i])
            exit(cli_fail("out of memory: %zu values", n_values));
        for (size_t k = 0; seed && k < n_values; k++)
            buffers[i][k] = bench_random_value(&seed);
    }
    return buffers;
}

static void free_buffers(float **buffers, size_t n)
{
    for (size_t i = 0; buffers && i < n; i++)
        tf2_free(buffers[i]);
    free(buffers);
}

static struct slot *make_slots(struct loop *loop)
{
    const struct bench_setup *setup = loop->setup;
    struct slot *slots = cli_alloc(loop->result->n_inflight, sizeof(*slots));
    for (size_t k = 0; k < loop->result->n_inflight; k++) {
        slots[k].loop = loop;
        for (size_t m = 0; m < setup->n_models; m++) {
            struct tf2_model_info info;
            const struct tf2_accelerator *accelerator = loop->result->accelerators[m];
            tf2_model_info(setup->models[m], &info);
            slots[k].inputs[m] = make_buffers(accelerator, info.n_inputs, tf2_accelerator_input, setup->seed + m + 1);
            slots[k].outputs[m] = make_buffers(accelerator, info.n_outputs, tf2_accelerator_output, 0);
        }
    }
    return slots;
}

static void free_slots(const struct loop *loop)
{
    for (size_t k = 0; k < loop->result->n_inflight; k++) {
        for (size_t m = 0; m < loop->setup->n_models; m++) {
            struct tf2_model_info info;
            tf2_model_info(loop->setup->models[m], &info);
            free_buffers(loop->slots[k].inputs[m], info.n_inputs);
            free_buffers(loop->slots[k].outputs[m], info.n_outputs);
        }
    }
    free(loop->slots);
}

/* --- the loop --- */

static void submit(struct slot *slot);

static void finish_slot(struct slot *slot, const struct tf2_error *error)
{
    struct loop *loop = slot->loop;
    uint64_t now = now_ns();
    pthread_mutex_lock(&loop->mutex);
    if (error && loop->error.status == TF2_OK)
        loop->error = *error;
    if (!error && loop->latency_ns)
        histogram_add(loop->latency_ns, now - slot->start_ns);
    loop->n_runs += !error;
    loop->end_ns = now;
    bool more = now < loop->until_ns && loop->error.status == TF2_OK;
    if (!more && --loop->n_running == 0)
        pthread_cond_signal(&loop->idle);
    pthread_mutex_unlock(&loop->mutex);
    if (more) {
        slot->model = 0;
        slot->start_ns = now;
        submit(slot);
    }
}

static void
on_complete(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    static const struct tf2_error unknown = {TF2_ERR_INTERNAL, "a request failed"};
    struct slot *slot = user;
    (void)request;
    if (status == TF2_OK && ++slot->model < slot->loop->setup->n_models)
        submit(slot);
    else
        finish_slot(slot, status == TF2_OK ? NULL : error ? error : &unknown);
}

static void submit(struct slot *slot)
{
    const struct bench_result *result = slot->loop->result;
    const struct tf2_request_options options = {.callback = on_complete, .user = slot};
    struct tf2_error error;
    enum tf2_status status = tf2_client_submit(
        result->client, result->accelerators[slot->model], (const void *const *)slot->inputs[slot->model],
        (void *const *)slot->outputs[slot->model], &options, NULL, &error);
    if (status != TF2_OK)
        finish_slot(slot, &error);
}

/* The line that is shown while it runs. The mutex is held. */
static void show(const struct loop *loop, uint64_t now, uint64_t n_before, const uint64_t *busy_before, uint64_t before_ns)
{
    char devices[256] = "";
    size_t used = 0;
    double seconds = (double)(now - before_ns) * 1e-9;
    for (size_t k = 0; k < loop->result->n_devices && used < sizeof(devices) - 32; k++) {
        struct tf2_device_stats stats = {0};
        tf2_engine_device_stats(loop->result->engine, k, &stats);
        used += (size_t)snprintf(
            devices + used, sizeof(devices) - used, "  %s %.0f %%", stats.id,
            (double)(stats.busy_ns - busy_before[k]) * 1e-7 / seconds);
    }
    cli_progress(
        "%.1f of %.1f s  %.1f fps  p50 %.3f  p99 %.3f ms%s", (double)(now - loop->start_ns) * 1e-9,
        loop->setup->duration_s, (double)(loop->n_runs - n_before) * (double)loop->result->images_per_run / seconds,
        histogram_quantile(loop->latency_ns, 0.5) * 1e-6, histogram_quantile(loop->latency_ns, 0.99) * 1e-6, devices);
}

/* Until nothing runs. The mutex is held. */
static void watch(struct loop *loop)
{
    uint64_t before_ns = loop->start_ns, n_before = 0, busy_before[BENCH_MAX_DEVICES] = {0};
    for (;;) {
        uint64_t now = now_ns();
        if (now - before_ns >= 500000000 || n_before == 0) {
            if (!loop->latency_ns)
                cli_progress("warming up");
            else if (now - before_ns >= 500000000)
                show(loop, now, n_before, busy_before, before_ns);
            for (size_t k = 0; k < loop->result->n_devices; k++) {
                struct tf2_device_stats stats = {0};
                tf2_engine_device_stats(loop->result->engine, k, &stats);
                busy_before[k] = stats.busy_ns;
            }
            before_ns = now;
            n_before = loop->n_runs;
        }
        if (loop->n_running == 0)
            break;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&loop->idle, &loop->mutex, &until);
    }
    cli_progress_clear();
}

/* Runs for so many seconds, at least once. */
static void run_for(struct loop *loop, double seconds, struct histogram *latency_ns)
{
    loop->latency_ns = latency_ns;
    loop->n_runs = 0;
    loop->start_ns = now_ns();
    loop->until_ns = loop->start_ns + (uint64_t)(seconds * 1e9);
    loop->n_running = loop->result->n_inflight;
    for (size_t k = 0; k < loop->result->n_inflight; k++) {
        loop->slots[k].model = 0;
        loop->slots[k].start_ns = now_ns();
        submit(&loop->slots[k]);
    }
    pthread_mutex_lock(&loop->mutex);
    watch(loop);
    pthread_mutex_unlock(&loop->mutex);
}

static void note_devices(struct bench_result *result, bool before)
{
    for (size_t k = 0; k < result->n_devices; k++) {
        struct tf2_device_stats stats = {0};
        struct bench_device *device = &result->devices[k];
        tf2_engine_device_stats(result->engine, k, &stats);
        device->id = stats.id;
        device->busy_ns = stats.busy_ns - (before ? 0 : device->busy_ns);
        device->n_items = stats.n_items - (before ? 0 : device->n_items);
    }
}

/* What was streamed during the measurement. */
static void note_streaming(const struct bench_setup *setup, struct bench_result *result)
{
    const struct tf2_accelerator_stats before = result->stats;
    read_stats(setup, result);
    result->stats.streamed_bytes -= before.streamed_bytes;
    result->stats.transfer_ns -= before.transfer_ns;
    result->stats.stall_ns -= before.stall_ns;
}

enum tf2_status
bench_measure(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error)
{
    struct loop loop = {.setup = setup, .result = result};
    pthread_mutex_init(&loop.mutex, NULL);
    pthread_cond_init(&loop.idle, NULL);
    loop.slots = make_slots(&loop);
    if (setup->warmup_s > 0)
        run_for(&loop, setup->warmup_s, NULL);
    if (loop.error.status == TF2_OK) {
        read_stats(setup, result);
        note_devices(result, true);
        run_for(&loop, setup->duration_s, &result->latency_ns);
        note_devices(result, false);
        note_streaming(setup, result);
    }
    result->n_runs = loop.n_runs;
    result->wall_s = (double)(loop.end_ns - loop.start_ns) * 1e-9;
    free_slots(&loop);
    pthread_cond_destroy(&loop.idle);
    pthread_mutex_destroy(&loop.mutex);
    if (loop.error.status != TF2_OK)
        *error = loop.error;
    return loop.error.status;
}

void bench_finish(const struct bench_setup *setup, struct bench_result *result)
{
    for (size_t m = 0; m < setup->n_models; m++)
        tf2_accelerator_close(&result->accelerators[m]);
    tf2_client_destroy(&result->client);
    tf2_engine_destroy(&result->engine);
}
