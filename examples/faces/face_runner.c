/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_runner.c: requests to an engine over all devices.
 *
 *     submit ─▶ accelerator by model and shape (loaded when it is first needed) ─▶ engine ─▶ done, wait returns
 *
 * Levels of a pyramid and batches of candidates are requests at the same time; the engine gives each to the device that is
 * free first. Loading happens in the submitting thread, while the devices work on what was submitted before.
 * Accelerators are kept: photos of one size use them again. Those that were not used for longest go when there are
 * too many or they hold too much memory.
 *
 * The mutex guards the cache and the flags of requests.
 */
#define _POSIX_C_SOURCE 200809L
#include "face_runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "face_internal.h"

#define MAX_CACHED      96
#define MAX_ARENA_BYTES ((size_t)768 << 20)
#define WATCHDOG_NS     600000000000u /* the reference device is slow */

struct cached {
    struct tf2_accelerator *accelerator;
    const struct tf2_model *model;
    struct tf2_shape shape;
    size_t arena_bytes;
    uint64_t last_use;
};

struct face_runner {
    struct tf2_engine *engine;
    struct tf2_client *client;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    struct cached cache[MAX_CACHED];
    size_t n_cached;
    size_t arena_bytes;
    uint64_t clock;
};

/* --- accelerators --- */

static void drop(struct face_runner *runner, size_t index)
{
    runner->arena_bytes -= runner->cache[index].arena_bytes;
    tf2_accelerator_close(&runner->cache[index].accelerator);
    runner->cache[index] = runner->cache[--runner->n_cached];
}

static void drop_oldest(struct face_runner *runner)
{
    size_t oldest = 0;
    for (size_t i = 1; i < runner->n_cached; i++) {
        if (runner->cache[i].last_use < runner->cache[oldest].last_use)
            oldest = i;
    }
    drop(runner, oldest);
}

static enum tf2_status
load(struct face_runner *runner, const struct face_request *r, struct cached *made, struct tf2_error *error)
{
    const struct tf2_named_shape named = {.shape = r->shape};
    const struct tf2_load_options options = {
        .placement = TF2_PLACEMENT_REPLICATE, .input_shapes = &named, .n_input_shapes = 1};
    struct tf2_accelerator_stats stats;
    memset(made, 0, sizeof(*made));
    enum tf2_status status = tf2_accelerator_load(runner->engine, r->model, &options, &made->accelerator, error);
    if (status != TF2_OK)
        return status;
    tf2_accelerator_stats(made->accelerator, &stats);
    made->model = r->model;
    made->shape = r->shape;
    made->arena_bytes = stats.arena_bytes * tf2_engine_n_devices(runner->engine);
    return TF2_OK;
}

/* The mutex is held. */
static enum tf2_status get_accelerator(
    struct face_runner *runner, const struct face_request *r, struct tf2_accelerator **accelerator,
    struct tf2_error *error)
{
    struct cached *found = NULL, made;
    for (size_t i = 0; i < runner->n_cached && !found; i++) {
        if (runner->cache[i].model == r->model && tf2_shape_equal(&runner->cache[i].shape, &r->shape))
            found = &runner->cache[i];
    }
    if (!found) {
        enum tf2_status status = load(runner, r, &made, error);
        if (status != TF2_OK)
            return status;
        while (runner->n_cached == MAX_CACHED ||
               (runner->n_cached > 0 && runner->arena_bytes + made.arena_bytes > MAX_ARENA_BYTES))
            drop_oldest(runner);
        found = &runner->cache[runner->n_cached++];
        *found = made;
        runner->arena_bytes += made.arena_bytes;
    }
    found->last_use = ++runner->clock;
    *accelerator = found->accelerator;
    return TF2_OK;
}

/* --- the runner --- */

enum tf2_status
face_runner_create(struct tf2_devices *devices, struct face_runner **runner, struct tf2_error *error)
{
    const struct tf2_engine_options options = {.watchdog_ns = WATCHDOG_NS};
    struct face_runner *r = calloc(1, sizeof(*r));
    if (!r)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: a runner");
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->done, NULL);
    enum tf2_status status = tf2_engine_create(devices, &options, &r->engine, error);
    if (status == TF2_OK)
        status = tf2_client_create(r->engine, NULL, &r->client, error);
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
    while (r->n_cached > 0)
        drop(r, 0);
    tf2_client_destroy(&r->client);
    tf2_engine_destroy(&r->engine);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    *runner = NULL;
}

static void
on_complete(void *user, struct tf2_request *unused, enum tf2_status status, const struct tf2_error *error)
{
    struct face_request *request = user;
    struct face_runner *runner = request->runner;
    (void)unused;
    pthread_mutex_lock(&runner->mutex);
    request->status = status;
    if (error)
        request->error = *error;
    request->done = true;
    pthread_cond_broadcast(&runner->done);
    pthread_mutex_unlock(&runner->mutex);
}

static enum tf2_status make_outputs(
    struct face_request *request, const struct tf2_accelerator *accelerator, struct tf2_error *error)
{
    struct tf2_model_info info;
    tf2_model_info(request->model, &info);
    for (size_t i = 0; i < info.n_outputs; i++) {
        struct tf2_tensor_info output;
        tf2_accelerator_output(accelerator, i, &output);
        request->output_shapes[i] = output.shape;
        request->outputs[i] = malloc((size_t)tf2_shape_count(&output.shape) * sizeof(float));
        if (!request->outputs[i])
            return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: output %zu of %s", i, info.name);
    }
    return TF2_OK;
}

void face_runner_submit(struct face_runner *runner, struct face_request *request)
{
    const struct tf2_request_options options = {.callback = on_complete, .user = request};
    const void *inputs[1] = {request->input};
    struct tf2_accelerator *accelerator = NULL;
    request->runner = runner;
    request->done = false;
    pthread_mutex_lock(&runner->mutex);
    enum tf2_status status = get_accelerator(runner, request, &accelerator, &request->error);
    if (status == TF2_OK)
        status = make_outputs(request, accelerator, &request->error);
    if (status == TF2_OK)
        status = tf2_client_submit(
            runner->client, accelerator, inputs, (void *const *)request->outputs, &options, NULL, &request->error);
    if (status != TF2_OK) {
        request->status = status;
        request->done = true;
    }
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
    for (size_t i = runner->n_cached; i-- > 0;) {
        if (runner->cache[i].model == model)
            drop(runner, i);
    }
    pthread_mutex_unlock(&runner->mutex);
}

size_t face_runner_n_devices(const struct face_runner *runner)
{
    return tf2_engine_n_devices(runner->engine);
}
