/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c: tenants and their leases.
 *
 * A lease is granted as a whole, in the order of asking, and a client can have or ask for one only: nobody holds
 * devices while waiting for more, so there is no deadlock. Devices are marked as soon as enough are free of leases;
 * then nothing new of others begins on them, and the asking thread waits until what is under way there has ended.
 */
#include "sched/internal.h"

#include <math.h>

#define MAX_WEIGHT 1e6
#define MIN_WEIGHT 1e-6

void tf2_client_options_defaults(struct tf2_client_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static enum tf2_status check_options(const struct tf2_client_options *options, struct tf2_error *error)
{
    if (!isfinite(options->weight) || (options->weight != 0 && options->weight < MIN_WEIGHT) ||
        options->weight > MAX_WEIGHT)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "client: weight %g, wanted 0 (for 1) or %g to %g", options->weight,
            MIN_WEIGHT, MAX_WEIGHT);
    if ((unsigned)options->priority > TF2_PRIORITY_LOW)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "client: no priority class has number %d", (int)options->priority);
    return TF2_OK;
}

static void free_client(struct tf2_client *client)
{
    struct tf2_env env = client->engine->env;
    tf2__free(&env, client->name);
    tf2__free(&env, client);
}

enum tf2_status tf2_client_create(
    struct tf2_engine *engine, const struct tf2_client_options *options, struct tf2_client **out,
    struct tf2_error *error)
{
    static const struct tf2_client_options defaults = {0};
    options = options ? options : &defaults;
    if (!engine || !out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "client: engine or result is NULL");
    TF2__TRY(check_options(options, error));
    struct tf2_client *client = tf2__calloc(&engine->env, 1, sizeof(*client));
    if (!client)
        return tf2__fail_memory(error, sizeof(*client), "a client");
    client->engine = engine;
    client->options = *options;
    client->options.weight = options->weight > 0 ? options->weight : 1;
    client->options.max_queued = options->max_queued ? options->max_queued : engine->options.max_queued;
    client->name = tf2__strdup(&engine->env, options->name ? options->name : "");
    client->options.name = client->name;
    tf2__list_init(&client->flows);
    tf2__list_init(&client->order);
    tf2__list_init(&client->told_next);
    if (!client->name) {
        free_client(client);
        return tf2__fail_memory(error, strlen(options->name) + 1, "a client's name");
    }
    tf2__lock(engine);
    bool stopping = engine->stopping;
    if (!stopping) {
        tf2__list_append(&engine->clients, &client->link);
        engine->n_refs++;
    }
    tf2__unlock(engine);
    if (stopping) {
        free_client(client);
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "client: the engine was destroyed");
    }
    *out = client;
    return TF2_OK;
}

void tf2__client_release(struct tf2_client *client)
{
    if (!client->closed || client->n_requests > 0)
        return;
    TF2__LIST_EACH_SAFE(flow, &client->flows, struct tf2__flow, of_client)
    {
        tf2__list_remove(&flow->of_engine);
        tf2__free(&client->engine->env, flow);
    }
    tf2__list_remove(&client->link);
    client->engine->n_refs--; /* never the last one: whoever calls has another */
    free_client(client);
}

static void end_lease(struct tf2_client *client)
{
    struct tf2_engine *engine = client->engine;
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if (engine->workers[i].lease == client)
            engine->workers[i].lease = NULL;
    }
    engine->n_leases -= client->n_leased > 0;
    client->n_leased = 0;
    tf2__leases_grant(engine);
    tf2__accelerators_note_health(engine); /* who was blocked and is by the next lease has been all the time */
    tf2__wake(engine, NULL);
}

void tf2_client_destroy(struct tf2_client **handle)
{
    struct tf2__link deliver;
    if (!handle || !*handle)
        return;
    struct tf2_client *client = *handle;
    struct tf2_engine *engine = client->engine;
    *handle = NULL;
    tf2__list_init(&deliver);
    tf2__lock(engine);
    engine->n_refs++;
    client->n_requests++; /* so that it stays until the last line */
    client->closed = true;
    if (client->n_leased)
        end_lease(client);
    TF2__LIST_EACH(flow, &client->flows, struct tf2__flow, of_client)
        tf2__flow_cancel(flow, TF2_ERR_CANCELLED, NULL, &deliver);
    tf2__unlock(engine);
    tf2__requests_deliver(engine, &deliver);
    tf2__lock(engine);
    client->n_requests--;
    tf2__client_release(client);
    tf2__engine_unref_unlock(engine);
}

/* --- leases --- */

static uint32_t count_free(const struct tf2_engine *engine)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < engine->n_workers; i++)
        n += !engine->workers[i].lease && engine->workers[i].state == TF2_DEVICE_HEALTHY;
    return n;
}

/* Those that are idle first. */
static void take_devices(struct tf2_client *client, size_t n)
{
    struct tf2_engine *engine = client->engine;
    for (int busy = 0; busy <= 1; busy++) {
        for (uint32_t i = 0; i < engine->n_workers && client->n_leased < n; i++) {
            struct tf2__worker *worker = &engine->workers[i];
            if (worker->lease || worker->state != TF2_DEVICE_HEALTHY || (!busy && worker->n_committed > 0))
                continue;
            worker->lease = client;
            client->n_leased++;
        }
    }
}

void tf2__leases_grant(struct tf2_engine *engine)
{
    while (!tf2__list_empty(&engine->lease_waits)) {
        struct tf2__lease_wait *wait = TF2__CONTAINER(engine->lease_waits.next, struct tf2__lease_wait, link);
        if (count_free(engine) < wait->n_devices)
            return;
        tf2__list_remove(&wait->link);
        take_devices(wait->client, wait->n_devices);
        engine->n_leases++;
        tf2__accelerators_note_health(engine);
        pthread_cond_broadcast(&engine->changed);
        tf2__wake(engine, NULL); /* requests whose worker is leased now are for another one */
    }
}

/* Whether a job is under way that has requests of others, or is left behind by its requests. */
static bool is_foreign(const struct tf2__job *job, const struct tf2_client *client)
{
    if (job->n_inside == 0)
        return false;
    for (uint32_t i = 0; i < job->n; i++) {
        if (job->requests[i]->flow->client != client)
            return true;
    }
    return job->n == 0;
}

static bool is_busy_for_others(const struct tf2__route *route, const struct tf2_client *client)
{
    for (uint32_t i = 0; route->n_jobs > 0 && i < route->max_jobs; i++) {
        if (is_foreign(&route->jobs[i], client))
            return true;
    }
    return false;
}

/* Whether nothing is under way on the leased devices but the client's own. */
static bool is_drained(const struct tf2_client *client)
{
    const struct tf2_engine *engine = client->engine;
    uint64_t leased = 0;
    for (uint32_t i = 0; i < engine->n_workers; i++)
        leased |= (uint64_t)(engine->workers[i].lease == client) << i;
    TF2__LIST_EACH(accelerator, &engine->accelerators, struct tf2_accelerator, link)
    {
        for (uint32_t i = 0; i < accelerator->n_routes; i++) {
            const struct tf2__route *route = &accelerator->routes[i];
            if ((route->workers & leased) && is_busy_for_others(route, client))
                return false;
        }
    }
    return true;
}

static enum tf2_status
wait_for_lease(struct tf2_client *client, size_t n_devices, uint64_t timeout_ns, struct tf2_error *error)
{
    struct tf2_engine *engine = client->engine;
    const uint64_t until_ns = tf2__engine_later(tf2__clock_ns(), timeout_ns);
    struct tf2__lease_wait wait = {.client = client, .n_devices = n_devices};
    tf2__list_append(&engine->lease_waits, &wait.link);
    engine->n_asking++;
    tf2__leases_grant(engine);
    while (!engine->stopping && (client->n_leased == 0 || !is_drained(client)) && tf2__clock_ns() < until_ns)
        tf2__engine_wait(engine, &engine->changed, until_ns);
    tf2__list_remove(&wait.link);
    engine->n_asking--;
    if (client->n_leased > 0 && is_drained(client) && !engine->stopping)
        return TF2_OK;
    end_lease(client);
    if (engine->stopping)
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "lease: the engine was destroyed");
    return tf2__fail(error, TF2_ERR_BUSY, "lease: no %zu devices could be had in time", n_devices);
}

enum tf2_status
tf2_client_lease(struct tf2_client *client, size_t n_devices, uint64_t timeout_ns, struct tf2_error *error)
{
    if (!client)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "lease: no client (NULL)");
    struct tf2_engine *engine = client->engine;
    if (n_devices == 0 || n_devices > engine->n_workers)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "lease of %zu devices, the engine has %u", n_devices,
            engine->n_workers);
    if (tf2__engine_is_worker(engine))
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "lease: not from a callback");
    tf2__lock(engine);
    enum tf2_status status;
    if (client->n_leased || client->asks_lease) {
        status = tf2__fail(error, TF2_ERR_INVALID_STATE, "lease: client '%s' has or asks for one", client->name);
    } else {
        client->asks_lease = true;
        status = wait_for_lease(client, n_devices, timeout_ns, error);
        client->asks_lease = false;
    }
    tf2__unlock(engine);
    return status;
}

void tf2_client_unlease(struct tf2_client *client)
{
    if (!client)
        return;
    tf2__lock(client->engine);
    if (client->n_leased && !client->asks_lease)
        end_lease(client);
    tf2__unlock(client->engine);
}
