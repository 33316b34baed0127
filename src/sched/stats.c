/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c: snapshots of the figures.
 */
#include "sched/internal.h"

/* The lock is no part of what a caller sees. */
static struct tf2_engine *lockable(const struct tf2_engine *engine)
{
    return (struct tf2_engine *)(uintptr_t)engine;
}

enum tf2_status tf2_engine_stats(const struct tf2_engine *engine, struct tf2_engine_stats *stats)
{
    if (!engine || !stats)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__lock(lockable(engine));
    *stats = engine->stats;
    stats->elapsed_ns = tf2__clock_ns() - engine->started_ns;
    tf2__histogram_summary(&engine->latency, &stats->latency);
    tf2__unlock(lockable(engine));
    return TF2_OK;
}

enum tf2_status
tf2_engine_device_stats(const struct tf2_engine *engine, size_t device, struct tf2_device_stats *stats)
{
    if (!engine || !stats || device >= engine->n_workers)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__lock(lockable(engine));
    const struct tf2__worker *worker = &engine->workers[device];
    *stats = worker->stats;
    stats->state = worker->state;
    stats->leased = worker->lease != NULL;
    stats->weights_bytes = worker->weights_bytes;
    stats->weight_budget_bytes = tf2__budget_limit(worker);
    stats->id = worker->device->info.id;
    tf2__unlock(lockable(engine));
    return TF2_OK;
}

enum tf2_status tf2_client_stats(const struct tf2_client *client, struct tf2_client_stats *stats)
{
    if (!client || !stats)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__lock(client->engine);
    *stats = client->stats;
    stats->n_waiting = client->n_waiting;
    stats->n_running = client->n_running;
    tf2__histogram_summary(&client->wait, &stats->wait);
    tf2__histogram_summary(&client->latency, &stats->latency);
    tf2__unlock(client->engine);
    return TF2_OK;
}

static void add_instance(const struct tf2__instance *instance, struct tf2_accelerator_stats *stats)
{
    struct tf2__instance_stats of;
    tf2__instance_stats(instance, &of);
    stats->weights_bytes += of.weights_bytes - of.shared_weights_bytes;
    stats->arena_bytes = TF2__MAX(stats->arena_bytes, of.arena_bytes);
    stats->live_bytes = TF2__MAX(stats->live_bytes, of.live_bytes);
    stats->streamed_bytes += of.streamed_bytes;
    stats->transfer_ns += of.transfer_ns;
    stats->stall_ns += of.stall_ns;
}

enum tf2_status
tf2_accelerator_stats(const struct tf2_accelerator *accelerator, struct tf2_accelerator_stats *stats)
{
    if (!accelerator || !stats)
        return TF2_ERR_INVALID_ARGUMENT;
    *stats = (struct tf2_accelerator_stats){
        .placement = accelerator->placement, .n_stages = accelerator->routes[accelerator->main_route].n_stages};
    for (uint32_t i = 0; i < accelerator->n_routes; i++) {
        for (uint32_t k = 0; k < accelerator->routes[i].n_stages; k++) {
            const struct tf2__stage *stage = &accelerator->routes[i].stages[k];
            for (uint32_t b = 0; b < accelerator->n_batch_sizes; b++)
                add_instance(stage->instances[b], stats);
            if (i == accelerator->main_route)
                stats->macs += tf2__instance_plan(stage->instances[0])->macs;
        }
    }
    tf2__lock(accelerator->engine);
    stats->n_completed = accelerator->n_completed;
    stats->n_runs = accelerator->n_runs;
    tf2__unlock(accelerator->engine);
    return TF2_OK;
}

/* The stage and step of a running number over all stages of the main route. */
enum tf2_status
tf2_accelerator_step(const struct tf2_accelerator *accelerator, size_t index, struct tf2_step_info *info)
{
    if (!accelerator || !info)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2__route *route = &accelerator->routes[accelerator->main_route];
    for (uint32_t k = 0; k < route->n_stages; k++) {
        const struct tf2__instance *instance = route->stages[k].instances[0];
        uint32_t n_steps = tf2__instance_plan(instance)->n_steps;
        if (index < n_steps) {
            tf2__instance_step_info(instance, (uint32_t)index, info);
            return TF2_OK;
        }
        index -= n_steps;
    }
    return TF2_ERR_INVALID_ARGUMENT;
}
