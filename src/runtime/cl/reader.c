/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.c: the thread that sends streamed weights to a device, one piece after the other, run after run. It has a queue
 * of its own, and goes ahead of the run as far as the slots allow: the first pieces of the next run come while this one
 * ends.
 *
 *     reader   fill 0 ── fill 1 ──────── fill 2 ── fill 3 ── ...      two slots: piece p goes to p % 2, when what last read
 *     run            └── use 0 ── use 1 ──────┴── use 2 ── ...        from that slot is complete
 *
 * Pieces are counted over all runs. `n_filled` says how far the reader is, `n_released` how far the run is; each side
 * waits for the other's number. A transfer that fails is told to the run that wants the piece; the reader goes on.
 */
#define _DEFAULT_SOURCE
#include "runtime/cl/stream.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/pause.h"

/* A run looks this often for a piece before it sleeps: some microseconds. */
#define SPINS 500

struct tf2__cl_reader {
    const struct tf2__executable *exe;
    const struct tf2__cl_stream *stream;
    cl_command_queue queue;
    struct tf2__cl_memory slots[TF2__CL_MAX_SLOTS];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled, released;
    bool has_lock, has_filled, has_released, has_thread;

    _Atomic uint64_t n_filled;
    cl_int code[TF2__CL_MAX_SLOTS]; /* of the slot's transfer; written before n_filled */

    /* Under the lock. */
    uint64_t n_released;
    cl_event last_use[TF2__CL_MAX_SLOTS]; /* NULL: none */
    bool stop;

    /* The run's own. */
    uint64_t next; /* the piece that it holds or wants, counted over all runs */
    bool held;

    _Atomic uint64_t streamed_bytes, transfer_ns, stall_ns;
};

cl_mem tf2__cl_reader_slot(const struct tf2__cl_reader *reader, uint32_t piece)
{
    return reader->slots[piece % reader->stream->n_slots].mem;
}

/* --- the thread --- */

static cl_int send_piece(struct tf2__cl_reader *r, uint32_t piece)
{
    const struct tf2__cl_stream *s = r->stream;
    const uint32_t last = s->pieces[piece + 1].first_copy;
    cl_event done = NULL;
    cl_int code = CL_SUCCESS;
    size_t bytes = 0;
    uint64_t start = tf2__clock_ns();
    for (uint32_t i = s->pieces[piece].first_copy; i < last && code == CL_SUCCESS; i++) {
        const struct tf2__cl_copy *copy = &s->copies[i];
        const char *from = (const char *)r->exe->buffers[copy->buffer].host + copy->from_bytes;
        code = clEnqueueWriteBuffer(
            r->queue, tf2__cl_reader_slot(r, piece), CL_FALSE, copy->to_bytes, copy->size_bytes, from, 0,
            NULL, i + 1 == last ? &done : NULL);
        bytes += copy->size_bytes;
    }
    cl_int waited = done ? clWaitForEvents(1, &done) : clFinish(r->queue);
    if (done)
        clReleaseEvent(done);
    atomic_fetch_add_explicit(&r->transfer_ns, tf2__clock_ns() - start, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->streamed_bytes, bytes, memory_order_relaxed);
    return code == CL_SUCCESS ? waited : code;
}

/* How many pieces have to be released before piece `number` may be sent: all up to the one that had its slot before. In
 * a run's first round of the slots that is one of the last pieces of the run before. */
static uint64_t needed(const struct tf2__cl_reader *r, uint64_t number)
{
    const uint64_t n = r->stream->n_pieces, n_slots = r->stream->n_slots, piece = number % n;
    if (number < n && number < n_slots)
        return 0;
    if (piece >= n_slots)
        return number - n_slots + 1;
    const uint64_t before = n - 1 - (n - 1 - piece) % n_slots; /* the last piece of a run in this slot */
    return number - piece - n + before + 1;
}

/* False: the reader shall stop. */
static bool wait_for_slot(struct tf2__cl_reader *r, uint64_t number)
{
    uint32_t slot = (uint32_t)(number % r->stream->n_pieces) % r->stream->n_slots;
    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->n_released < needed(r, number))
        pthread_cond_wait(&r->released, &r->lock);
    bool stop = r->stop;
    cl_event event = r->last_use[slot];
    r->last_use[slot] = NULL;
    pthread_mutex_unlock(&r->lock);
    if (event) {
        (void)clWaitForEvents(1, &event); /* what failed is told by the run's own queue */
        clReleaseEvent(event);
    }
    return !stop;
}

static void *read_pieces(void *user)
{
    struct tf2__cl_reader *r = user;
    for (uint64_t number = 0; wait_for_slot(r, number); number++) {
        uint32_t piece = (uint32_t)(number % r->stream->n_pieces);
        r->code[piece % r->stream->n_slots] = send_piece(r, piece);
        pthread_mutex_lock(&r->lock);
        atomic_store_explicit(&r->n_filled, number + 1, memory_order_release);
        pthread_cond_signal(&r->filled);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

/* Signals are for the program's own threads. */
static bool start_thread(struct tf2__cl_reader *r)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    r->has_thread = pthread_create(&r->thread, NULL, read_pieces, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r->has_thread;
}

/* --- start and stop --- */

static enum tf2_status prepare(struct tf2__cl_reader *r, struct tf2_error *error)
{
    struct tf2__cl_device *device = r->exe->device;
    cl_int code;
    r->queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    if (!r->queue)
        return tf2__cl_fail(error, code, "clCreateCommandQueue");
    /* Slack: kernels may read a vector beyond the end. */
    size_t size = r->stream->slot_bytes + r->exe->plan->policy.slack_bytes;
    for (uint32_t i = 0; i < r->stream->n_slots; i++)
        TF2__TRY(tf2__cl_memory_create(
            device, CL_MEM_READ_ONLY, size, "a slot for streamed weights", &r->slots[i], error));
    r->has_lock = pthread_mutex_init(&r->lock, NULL) == 0;
    r->has_filled = pthread_cond_init(&r->filled, NULL) == 0;
    r->has_released = pthread_cond_init(&r->released, NULL) == 0;
    if (!r->has_lock || !r->has_filled || !r->has_released || !start_thread(r))
        return tf2__fail(error, TF2_ERR_THREAD, "the thread that streams weights cannot be started");
    return TF2_OK;
}

enum tf2_status tf2__cl_reader_start(
    const struct tf2__executable *exe, const struct tf2__cl_stream *stream, struct tf2__cl_reader **out,
    struct tf2_error *error)
{
    struct tf2__cl_reader *reader = tf2__calloc(&exe->device->base.env, 1, sizeof(*reader));
    if (!reader)
        return tf2__fail_memory(error, sizeof(*reader), "a reader of weights");
    reader->exe = exe;
    reader->stream = stream;
    enum tf2_status status = prepare(reader, error);
    if (status != TF2_OK) {
        tf2__cl_reader_stop(&reader);
        return status;
    }
    *out = reader;
    return TF2_OK;
}

static void stop_thread(struct tf2__cl_reader *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->released);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
}

void tf2__cl_reader_stop(struct tf2__cl_reader **handle)
{
    if (!*handle)
        return;
    struct tf2__cl_reader *r = *handle;
    struct tf2__cl_device *device = r->exe->device;
    if (r->has_thread)
        stop_thread(r);
    if (r->has_released)
        pthread_cond_destroy(&r->released);
    if (r->has_filled)
        pthread_cond_destroy(&r->filled);
    if (r->has_lock)
        pthread_mutex_destroy(&r->lock);
    for (uint32_t i = 0; i < TF2__CL_MAX_SLOTS; i++) {
        if (r->last_use[i])
            clReleaseEvent(r->last_use[i]);
        tf2__cl_memory_destroy(device, &r->slots[i]);
    }
    if (r->queue)
        clReleaseCommandQueue(r->queue);
    tf2__free(&device->base.env, r);
    *handle = NULL;
}

/* --- the run's side --- */

static bool is_filled(const struct tf2__cl_reader *r)
{
    return atomic_load_explicit(&r->n_filled, memory_order_acquire) > r->next;
}

static void wait_until_filled(struct tf2__cl_reader *r)
{
    if (is_filled(r))
        return;
    uint64_t start = tf2__clock_ns();
    for (uint32_t i = 0; i < SPINS && !is_filled(r); i++)
        tf2__pause();
    pthread_mutex_lock(&r->lock);
    while (!is_filled(r))
        pthread_cond_wait(&r->filled, &r->lock);
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_add_explicit(&r->stall_ns, tf2__clock_ns() - start, memory_order_relaxed);
}

void tf2__cl_reader_release(struct tf2__cl_reader *r, cl_event last_use)
{
    uint32_t slot = (uint32_t)(r->next % r->stream->n_pieces) % r->stream->n_slots;
    pthread_mutex_lock(&r->lock);
    r->last_use[slot] = last_use;
    r->n_released = ++r->next;
    pthread_cond_signal(&r->released);
    pthread_mutex_unlock(&r->lock);
    r->held = false;
}

enum tf2_status tf2__cl_reader_acquire(
    struct tf2__cl_reader *r, cl_command_queue queue, uint32_t piece, struct tf2_error *error)
{
    while (r->next % r->stream->n_pieces != piece) {
        if (r->held)
            clFinish(queue); /* it was used by a run that broke off */
        else
            wait_until_filled(r);
        tf2__cl_reader_release(r, NULL);
    }
    if (!r->held)
        wait_until_filled(r);
    r->held = true;
    cl_int code = r->code[piece % r->stream->n_slots];
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "streaming weights");
}

void tf2__cl_reader_stats(const struct tf2__cl_reader *r, struct tf2__device_stats *stats)
{
    stats->streamed_bytes += atomic_load_explicit(&r->streamed_bytes, memory_order_relaxed);
    stats->transfer_ns += atomic_load_explicit(&r->transfer_ns, memory_order_relaxed);
    stats->stall_ns += atomic_load_explicit(&r->stall_ns, memory_order_relaxed);
}
