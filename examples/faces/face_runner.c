/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_runner.c: one queue, a thread for each device.
 *
 *     submit ─▶ queue ─▶ worker (device, sessions by model and shape) ─▶ done, wait returns
 *
 * A worker makes the sessions that it needs and keeps them: photos of one size use them again. It takes the
 * first request that it has a session for, else the first one, so that two devices do not both prepare what
 * one is ready for. The sessions that were not used for longest go when there are too many or they hold too
 * much memory. Sessions are made by one worker at a time: that compiles kernels.
 *
 * The mutex guards the queue and the flags of requests. Sessions belong to their worker's thread, except in
 * face_runner_forget, when nothing is in the queue.
 */
#define _POSIX_C_SOURCE 200809L
#include "face_runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "face_internal.h"

#define MAX_SESSIONS    96
#define MAX_ARENA_BYTES ((size_t)768 << 20)

struct cached {
    struct tf2_session *session;
    const struct tf2_model *model;
    struct tf2_shape shape;
    size_t arena_bytes;
    uint64_t last_use;
};

struct worker {
    struct face_runner *runner;
    size_t device;
    pthread_t thread;
    struct cached cache[MAX_SESSIONS];
    size_t n_cached;
    size_t arena_bytes;
    uint64_t clock;
};

struct face_runner {
    struct tf2_devices *devices;
    struct worker *workers;
    size_t n_workers;
    size_t n_started;
    pthread_mutex_t mutex;
    pthread_mutex_t preparing;
    pthread_cond_t work; /* something was queued, or it ends */
    pthread_cond_t done;
    struct face_request *first, *last;
    bool stop;
};

static struct cached *
find_session(struct worker *w, const struct tf2_model *model, const struct tf2_shape *shape)
{
    for (size_t i = 0; i < w->n_cached; i++) {
        if (w->cache[i].model == model && tf2_shape_equal(&w->cache[i].shape, shape))
            return &w->cache[i];
    }
    return NULL;
}

static void drop_session(struct worker *w, size_t index)
{
    w->arena_bytes -= w->cache[index].arena_bytes;
    tf2_session_destroy(&w->cache[index].session);
    w->cache[index] = w->cache[--w->n_cached];
}

static void drop_oldest(struct worker *w)
{
    size_t oldest = 0;
    for (size_t i = 1; i < w->n_cached; i++) {
        if (w->cache[i].last_use < w->cache[oldest].last_use)
            oldest = i;
    }
    drop_session(w, oldest);
}

static enum tf2_status
make_session(struct worker *w, const struct face_request *r, struct cached *made, struct tf2_error *error)
{
    const struct tf2_named_shape named = {.shape = r->shape};
    const struct tf2_session_options options = {.input_shapes = &named, .n_input_shapes = 1};
    struct tf2_session_stats stats;
    memset(made, 0, sizeof(*made));
    pthread_mutex_lock(&w->runner->preparing);
    enum tf2_status status =
        tf2_session_create(r->model, w->runner->devices, w->device, &options, &made->session, error);
    pthread_mutex_unlock(&w->runner->preparing);
    if (status != TF2_OK)
        return status;
    tf2_session_stats(made->session, &stats);
    made->model = r->model;
    made->shape = r->shape;
    made->arena_bytes = stats.arena_bytes;
    return TF2_OK;
}

static enum tf2_status get_session(
    struct worker *w, const struct face_request *r, struct tf2_session **session, struct tf2_error *error)
{
    struct cached *found = find_session(w, r->model, &r->shape);
    if (!found) {
        struct cached made;
        enum tf2_status status = make_session(w, r, &made, error);
        if (status != TF2_OK)
            return status;
        while (w->n_cached == MAX_SESSIONS ||
               (w->n_cached > 0 && w->arena_bytes + made.arena_bytes > MAX_ARENA_BYTES))
            drop_oldest(w);
        found = &w->cache[w->n_cached++];
        *found = made;
        w->arena_bytes += made.arena_bytes;
    }
    found->last_use = ++w->clock;
    *session = found->session;
    return TF2_OK;
}

static enum tf2_status run(struct worker *w, struct face_request *r, struct tf2_error *error)
{
    struct tf2_session *session = NULL;
    struct tf2_model_info info;
    const void *inputs[1] = {r->input};
    enum tf2_status status = get_session(w, r, &session, error);
    if (status != TF2_OK)
        return status;
    tf2_model_info(r->model, &info);
    for (size_t i = 0; i < info.n_outputs; i++) {
        struct tf2_tensor_info output;
        tf2_session_output(session, i, &output);
        r->output_shapes[i] = output.shape;
        r->outputs[i] = malloc((size_t)tf2_shape_count(&output.shape) * sizeof(float));
        if (!r->outputs[i])
            return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: output %zu of %s", i, info.name);
    }
    return tf2_session_run(session, inputs, (void *const *)r->outputs, error);
}

/* Takes the request that suits the worker best out of the queue; waits for one. NULL: the runner ends. */
static struct face_request *take(struct worker *w)
{
    struct face_runner *runner = w->runner;
    while (!runner->first && !runner->stop)
        pthread_cond_wait(&runner->work, &runner->mutex);
    if (!runner->first)
        return NULL;
    struct face_request *before = NULL, *r = runner->first;
    while (r && !find_session(w, r->model, &r->shape)) {
        before = r;
        r = r->next;
    }
    if (!r) {
        before = NULL;
        r = runner->first;
    }
    *(before ? &before->next : &runner->first) = r->next;
    if (runner->last == r)
        runner->last = before;
    return r;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct face_request *r;
    pthread_mutex_lock(&w->runner->mutex);
    while ((r = take(w))) {
        pthread_mutex_unlock(&w->runner->mutex);
        r->status = run(w, r, &r->error);
        pthread_mutex_lock(&w->runner->mutex);
        r->done = true;
        pthread_cond_broadcast(&w->runner->done);
    }
    pthread_mutex_unlock(&w->runner->mutex);
    return NULL;
}

static enum tf2_status start(struct face_runner *runner, struct tf2_error *error)
{
    for (size_t k = 0; k < runner->n_workers; k++) {
        runner->workers[k].runner = runner;
        runner->workers[k].device = k;
        if (pthread_create(&runner->workers[k].thread, NULL, work, &runner->workers[k]) != 0)
            return face_fail(
                error, TF2_ERR_THREAD, "thread %zu of %zu cannot be started", k + 1, runner->n_workers);
        runner->n_started++;
    }
    return TF2_OK;
}

enum tf2_status
face_runner_create(struct tf2_devices *devices, struct face_runner **runner, struct tf2_error *error)
{
    struct face_runner *r = calloc(1, sizeof(*r));
    if (!r)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: a runner");
    pthread_mutex_init(&r->mutex, NULL);
    pthread_mutex_init(&r->preparing, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    r->devices = devices;
    r->n_workers = tf2_devices_count(devices);
    r->workers = calloc(r->n_workers, sizeof(*r->workers));
    enum tf2_status status =
        r->workers ? start(r, error)
                   : face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu workers", r->n_workers);
    if (status != TF2_OK)
        face_runner_destroy(&r);
    else
        *runner = r;
    return status;
}

void face_runner_destroy(struct face_runner **runner)
{
    struct face_runner *r = runner ? *runner : NULL;
    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    r->stop = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->mutex);
    for (size_t k = 0; k < r->n_started; k++) {
        pthread_join(r->workers[k].thread, NULL);
        while (r->workers[k].n_cached > 0)
            drop_session(&r->workers[k], 0);
    }
    pthread_cond_destroy(&r->done);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->preparing);
    pthread_mutex_destroy(&r->mutex);
    free(r->workers);
    free(r);
    *runner = NULL;
}

void face_runner_submit(struct face_runner *runner, struct face_request *request)
{
    request->done = false;
    request->next = NULL;
    pthread_mutex_lock(&runner->mutex);
    *(runner->last ? &runner->last->next : &runner->first) = request;
    runner->last = request;
    pthread_cond_signal(&runner->work);
    pthread_mutex_unlock(&runner->mutex);
}

enum tf2_status
face_runner_wait(struct face_runner *runner, struct face_request *request, struct tf2_error *error)
{
    pthread_mutex_lock(&runner->mutex);
    while (!request->done)
        pthread_cond_wait(&runner->done, &runner->mutex);
    pthread_mutex_unlock(&runner->mutex);
    if (request->status != TF2_OK && error)
        *error = request->error;
    return request->status;
}

void face_request_finish(struct face_request *request)
{
    for (size_t i = 0; i < FACE_MAX_OUTPUTS; i++)
        free(request->outputs[i]);
    free(request->input);
    memset(request, 0, sizeof(*request));
}

void face_runner_forget(struct face_runner *runner, const struct tf2_model *model)
{
    pthread_mutex_lock(&runner->mutex);
    for (size_t k = 0; k < runner->n_workers; k++) {
        struct worker *w = &runner->workers[k];
        for (size_t i = w->n_cached; i-- > 0;) {
            if (w->cache[i].model == model)
                drop_session(w, i);
        }
    }
    pthread_mutex_unlock(&runner->mutex);
}

size_t face_runner_n_devices(const struct face_runner *runner)
{
    return runner->n_workers;
}
