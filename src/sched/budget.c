/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.c: what weights take on each device, all accelerators together.
 *
 *     limit of a device    ┌──────────────┬──────────────┬───────────────┐
 *                          │ accelerator  │ accelerator  │ left for what │
 *                          └──────────────┴──────────────┴─is loaded next┘
 *
 * An accelerator is planned with what is left when it is loaded, and keeps what it took until it is closed. So that two loads do
 * not count on the same bytes, one at a time plans for a device that has a limit.
 */
#include "sched/internal.h"

size_t tf2__budget_limit(const struct tf2__worker *worker)
{
    const struct tf2__device *device = worker->device;
    const size_t asked_bytes = worker->engine->options.weight_budget_bytes;
    if (!device->streams_weights)
        return 0;
    if (asked_bytes)
        return asked_bytes;
    return device->memory ? 0 : (size_t)device->info.memory_bytes;
}

/* Devices with a limit among those, as bits. */
static uint64_t limited(const struct tf2_engine *engine, const uint32_t *workers, uint32_t n)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (tf2__budget_limit(&engine->workers[workers[i]]))
            bits |= (uint64_t)1 << workers[i];
    }
    return bits;
}

void tf2__budget_acquire(struct tf2_engine *engine, const uint32_t *workers, uint32_t n, uint64_t *held)
{
    const uint64_t wanted = limited(engine, workers, n);
    while (engine->planned & wanted)
        tf2__engine_wait(engine, &engine->changed, TF2_FOREVER);
    engine->planned |= wanted;
    *held = wanted;
}

void tf2__budget_release(struct tf2_engine *engine, uint64_t *held)
{
    engine->planned &= ~*held;
    *held = 0;
    pthread_cond_broadcast(&engine->changed);
}

/* What the accelerator may still take on one device; 0: no limit. */
static enum tf2_status left_on(
    const struct tf2_accelerator *accelerator, uint32_t index, size_t *left_bytes, struct tf2_error *error)
{
    const struct tf2__worker *worker = &accelerator->engine->workers[index];
    const size_t limit = tf2__budget_limit(worker), own = accelerator->weight_budget_bytes;
    size_t left = SIZE_MAX;
    *left_bytes = 0;
    if (!worker->device->streams_weights || (!limit && !own))
        return TF2_OK;
    if (limit)
        left = limit - TF2__MIN(limit, worker->weights_bytes);
    if (own)
        left = TF2__MIN(left, own - TF2__MIN(own, accelerator->taken_bytes[index]));
    if (left == 0)
        return tf2__fail(
            error, TF2_ERR_NO_MEMORY, "device %s: weights take all of its %zu bytes already", worker->device->info.id,
            limit ? limit : own);
    *left_bytes = left;
    return TF2_OK;
}

enum tf2_status tf2__budget_left(
    const struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, size_t *left_bytes,
    struct tf2_error *error)
{
    struct tf2_engine *engine = accelerator->engine;
    enum tf2_status status = TF2_OK;
    *left_bytes = 0;
    tf2__lock(engine);
    for (uint32_t i = 0; i < n && status == TF2_OK; i++) {
        size_t left;
        status = left_on(accelerator, workers[i], &left, error);
        if (status == TF2_OK && left && (*left_bytes == 0 || left < *left_bytes))
            *left_bytes = left;
    }
    tf2__unlock(engine);
    return status;
}

void tf2__budget_take(struct tf2_accelerator *accelerator, uint32_t worker, size_t bytes)
{
    struct tf2_engine *engine = accelerator->engine;
    tf2__lock(engine);
    engine->workers[worker].weights_bytes += bytes;
    accelerator->taken_bytes[worker] += bytes;
    tf2__unlock(engine);
}

void tf2__budget_give_back(struct tf2_accelerator *accelerator, uint32_t worker, size_t bytes)
{
    struct tf2_engine *engine = accelerator->engine;
    tf2__lock(engine);
    engine->workers[worker].weights_bytes -= bytes;
    accelerator->taken_bytes[worker] -= bytes;
    tf2__unlock(engine);
}
