/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c: requests from submission to delivery.
 *
 *     WAITING ─▶ RUNNING ─▶ HELD (ordered clients) ─▶ DONE ─▶ callback ─▶ given back
 *        ▲          │
 *        └── retry ─┘
 *
 * A request exists until it is delivered and its handle is released, whichever is later; then it lies in no list
 * and its memory is freed. While it exists its flow, client and accelerator do.
 */
#include "sched/internal.h"

/* --- memory --- */

static struct tf2_request *alloc_request(struct tf2__flow *flow)
{
    const struct tf2_accelerator *accelerator = flow->accelerator;
    size_t n_pointers = (size_t)accelerator->n_inputs + accelerator->n_outputs;
    struct tf2_request *request =
        tf2__calloc(&accelerator->engine->env, 1, sizeof(*request) + n_pointers * sizeof(void *));
    if (!request)
        return NULL;
    if (!tf2__engine_cond_init(&request->done)) {
        tf2__free(&accelerator->engine->env, request);
        return NULL;
    }
    request->flow = flow;
    request->inputs = (const void **)(request + 1);
    request->outputs = (void **)(request + 1) + accelerator->n_inputs;
    tf2__list_init(&request->link);
    tf2__list_init(&request->order);
    return request;
}

/* Frees a request that nobody needs any more, and what it kept alive. */
static void release_request(struct tf2_request *request)
{
    struct tf2__flow *flow = request->flow;
    struct tf2_client *client = flow->client;
    struct tf2_accelerator *accelerator = flow->accelerator;
    const struct tf2_env *env = &accelerator->engine->env;
    if (request->has_handle || !request->delivered)
        return;
    flow->n_requests--;
    client->n_requests--;
    pthread_cond_destroy(&request->done);
    tf2__free(env, request->error);
    tf2__free(env, request);
    tf2__client_release(client);
    tf2__accelerator_unref(accelerator);
}

/* --- completion --- */

static void count(struct tf2_request *request)
{
    struct tf2_engine *engine = request->flow->accelerator->engine;
    struct tf2_client *client = request->flow->client;
    uint64_t latency_ns = request->ended_ns - request->submitted_ns;
    switch ((int)request->status) {
    case TF2_OK:
        engine->stats.n_completed++;
        client->stats.n_completed++;
        request->flow->accelerator->n_completed++;
        tf2__histogram_add(&engine->latency, latency_ns);
        tf2__histogram_add(&client->latency, latency_ns);
        return;
    case TF2_ERR_CANCELLED:
        engine->stats.n_cancelled++;
        client->stats.n_cancelled++;
        return;
    case TF2_ERR_DEADLINE:
        engine->stats.n_deadline++;
        client->stats.n_deadline++;
        return;
    default:
        engine->stats.n_failed++;
        client->stats.n_failed++;
        return;
    }
}

static void keep_error(struct tf2_request *request, const struct tf2_error *error)
{
    if (!error)
        return;
    request->error = tf2__alloc(&request->flow->accelerator->engine->env, sizeof(*request->error));
    if (request->error)
        *request->error = *error;
}

/* Callbacks of an ordered client come one after the other: while a thread is in one, it gets the next ones too. */
static void deliver_one(struct tf2_request *request, struct tf2__link *deliver)
{
    struct tf2_client *client = request->flow->client;
    tf2__list_remove(&request->order);
    request->state = TF2__REQUEST_DONE;
    if (request->n_waiters)
        pthread_cond_broadcast(&request->done);
    if (!request->callback && request->has_handle)
        request->delivered = true;
    else
        tf2__list_append(client->is_told ? &client->told_next : deliver, &request->link);
    if (!request->delivered)
        client->is_told = client->options.ordered;
}

/* Puts the client's next request in front. */
static void deliver_next(struct tf2_client *client, struct tf2__link *deliver)
{
    client->is_told = !tf2__list_empty(&client->told_next);
    if (!client->is_told)
        return;
    struct tf2_request *next = TF2__CONTAINER(client->told_next.next, struct tf2_request, link);
    tf2__list_remove(&next->link);
    tf2__list_prepend(deliver, &next->link);
}

void tf2__request_complete(
    struct tf2_request *request, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver)
{
    struct tf2_client *client = request->flow->client;
    assert(request->state == TF2__REQUEST_WAITING || request->state == TF2__REQUEST_RUNNING);
    request->status = status;
    request->ended_ns = tf2__clock_ns();
    request->info.run_ns = request->started_ns ? request->ended_ns - request->started_ns : 0;
    keep_error(request, error);
    count(request);
    if (!client->options.ordered) {
        deliver_one(request, deliver);
        return;
    }
    request->state = TF2__REQUEST_HELD;
    while (!tf2__list_empty(&client->order)) {
        struct tf2_request *first = TF2__CONTAINER(client->order.next, struct tf2_request, order);
        if (first->state != TF2__REQUEST_HELD)
            break;
        deliver_one(first, deliver);
    }
}

static void call_back(struct tf2_request *request)
{
    struct tf2_error error;
    const struct tf2_error *of = NULL;
    if (!request->callback)
        return;
    if (request->status != TF2_OK)
        of = request->error;
    if (request->status != TF2_OK && !of) {
        tf2__fail(&error, request->status, "%s", tf2_status_message(request->status));
        of = &error;
    }
    request->callback(request->user, request, request->status, of);
}

void tf2__requests_deliver(struct tf2_engine *engine, struct tf2__link *deliver)
{
    while (!tf2__list_empty(deliver)) {
        struct tf2_request *request = TF2__CONTAINER(deliver->next, struct tf2_request, link);
        tf2__list_remove(&request->link);
        call_back(request);
        tf2__lock(engine);
        request->delivered = true;
        deliver_next(request->flow->client, deliver);
        release_request(request);
        tf2__unlock(engine);
    }
}

/* --- off the queue and back --- */

/* The timekeeper looks when the deadline of a request that waits has come. */
static void watch_deadline(const struct tf2_request *request)
{
    struct tf2_engine *engine = request->flow->accelerator->engine;
    if (request->deadline_ns >= engine->next_deadline_ns)
        return;
    engine->next_deadline_ns = request->deadline_ns;
    tf2__timekeeper_by(engine, request->deadline_ns);
}

static void dequeue(struct tf2_request *request)
{
    tf2__list_remove(&request->link);
    request->flow->n_waiting--;
    request->flow->client->n_waiting--;
    request->flow->accelerator->engine->stats.n_waiting--;
}

void tf2__request_drop(
    struct tf2_request *request, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver)
{
    dequeue(request);
    tf2__request_complete(request, status, error, deliver);
}

void tf2__flow_cancel(
    struct tf2__flow *flow, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver)
{
    while (!tf2__list_empty(&flow->waiting))
        tf2__request_drop(TF2__CONTAINER(flow->waiting.next, struct tf2_request, link), status, error, deliver);
}

void tf2__request_retry(struct tf2_request *request, const struct tf2_error *error, struct tf2__link *deliver)
{
    struct tf2__flow *flow = request->flow;
    struct tf2_engine *engine = flow->accelerator->engine;
    if (engine->stopping || flow->client->closed) {
        tf2__request_complete(request, TF2_ERR_CANCELLED, NULL, deliver);
        return;
    }
    if (request->info.n_attempts >= engine->options.max_attempts) {
        struct tf2_error last = *error;
        last.status = TF2_ERR_DEVICE; /* whatever the device called it */
        tf2__request_complete(request, last.status, &last, deliver);
        return;
    }
    request->state = TF2__REQUEST_WAITING;
    tf2__list_prepend(&flow->waiting, &request->link);
    flow->n_waiting++;
    flow->client->n_waiting++;
    engine->stats.n_waiting++;
    engine->stats.n_retries++;
    watch_deadline(request);
    tf2__wake(engine, flow->accelerator);
}

/* --- submission --- */

static struct tf2__flow *find_flow(struct tf2_client *client, struct tf2_accelerator *accelerator)
{
    TF2__LIST_EACH(flow, &client->flows, struct tf2__flow, of_client)
    {
        if (flow->accelerator == accelerator)
            return flow;
    }
    struct tf2__flow *flow = tf2__calloc(&client->engine->env, 1, sizeof(*flow));
    if (!flow)
        return NULL;
    flow->client = client;
    flow->accelerator = accelerator;
    tf2__list_init(&flow->waiting);
    tf2__list_append(&client->flows, &flow->of_client);
    tf2__list_append(&client->engine->flows, &flow->of_engine);
    tf2__flow_note_leases(flow);
    return flow;
}

static void enqueue(struct tf2_request *request, const struct tf2_request_options *options)
{
    struct tf2__flow *flow = request->flow;
    struct tf2_client *client = flow->client;
    struct tf2_engine *engine = client->engine;
    request->submitted_ns = tf2__clock_ns();
    request->deadline_ns = UINT64_MAX;
    if (options) {
        request->callback = options->callback;
        request->user = options->user;
        if (options->timeout_ns)
            request->deadline_ns = tf2__engine_later(request->submitted_ns, options->timeout_ns);
    }
    watch_deadline(request);
    if (flow->accelerator->unavailable_ns)
        tf2__timekeeper_by(engine, tf2__engine_later(request->submitted_ns, engine->options.no_device_ns));
    if (flow->blocked_ns)
        tf2__timekeeper_by(engine, tf2__engine_later(request->submitted_ns, engine->options.lease_wait_ns));
    if (client->n_waiting == 0 && client->n_running == 0) {
        client->virtual_time = TF2__MAX(client->virtual_time, engine->virtual_time);
        client->served_ns = request->submitted_ns;
    }
    tf2__list_append(&flow->waiting, &request->link);
    if (client->options.ordered)
        tf2__list_append(&client->order, &request->order);
    flow->n_requests++;
    flow->n_waiting++;
    client->n_requests++;
    client->n_waiting++;
    client->stats.n_submitted++;
    flow->accelerator->n_refs++;
    engine->stats.n_waiting++;
    engine->stats.n_submitted++;
}

static enum tf2_status check_submit(
    const struct tf2_client *client, const struct tf2_accelerator *accelerator, const void *const *inputs,
    void *const *outputs, struct tf2_error *error)
{
    if (!client || !accelerator || !inputs || !outputs)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "submit: client, accelerator, inputs or outputs is NULL");
    if (client->engine != accelerator->engine)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "submit: client and accelerator are of two engines");
    for (uint32_t i = 0; i < accelerator->n_inputs; i++) {
        if (!inputs[i])
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "submit: input %u is NULL", i);
    }
    return TF2_OK;
}

/* The lock is held. */
static enum tf2_status make_request(
    struct tf2_client *client, struct tf2_accelerator *accelerator, struct tf2_request **result,
    struct tf2_error *error)
{
    if (client->engine->stopping)
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "submit: the engine was destroyed");
    if (client->n_waiting >= client->options.max_queued)
        return tf2__fail(
            error, TF2_ERR_BUSY, "client '%s': %zu requests are waiting already", client->name,
            client->n_waiting);
    struct tf2__flow *flow = find_flow(client, accelerator);
    *result = flow ? alloc_request(flow) : NULL;
    return *result ? TF2_OK : tf2__fail_memory(error, sizeof(**result), "a request");
}

enum tf2_status tf2_client_submit(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const void *const *inputs, void *const *outputs,
    const struct tf2_request_options *options, struct tf2_request **result, struct tf2_error *error)
{
    struct tf2_request *request = NULL;
    TF2__TRY(check_submit(client, accelerator, inputs, outputs, error));
    struct tf2_engine *engine = client->engine;
    tf2__lock(engine);
    enum tf2_status status = make_request(client, accelerator, &request, error);
    if (status == TF2_OK) {
        memcpy(request->inputs, inputs, accelerator->n_inputs * sizeof(*inputs));
        memcpy(request->outputs, outputs, accelerator->n_outputs * sizeof(*outputs));
        request->has_handle = result != NULL;
        if (result)
            *result = request;
        enqueue(request, options);
        tf2__wake(engine, accelerator);
    }
    tf2__unlock(engine);
    return status;
}

/* --- what callers do with a request --- */

static struct tf2_engine *engine_of(const struct tf2_request *request)
{
    return request->flow->accelerator->engine;
}

enum tf2_status tf2_request_wait(struct tf2_request *request, uint64_t timeout_ns, struct tf2_error *error)
{
    if (!request)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "wait: no request (NULL)");
    struct tf2_engine *engine = engine_of(request);
    const uint64_t until_ns = tf2__engine_later(tf2__clock_ns(), timeout_ns);
    tf2__lock(engine);
    request->n_waiters++;
    while (request->state != TF2__REQUEST_DONE && (timeout_ns == TF2_FOREVER || tf2__clock_ns() < until_ns))
        tf2__engine_wait(engine, &request->done, until_ns);
    request->n_waiters--;
    enum tf2_status status = request->state == TF2__REQUEST_DONE ? request->status : TF2_ERR_TIMEOUT;
    if (status == TF2_ERR_TIMEOUT)
        tf2__fail(error, status, "the request is not complete yet");
    else if (status != TF2_OK && request->error && error)
        *error = *request->error;
    else if (status != TF2_OK)
        tf2__fail(error, status, "%s", tf2_status_message(status));
    tf2__unlock(engine);
    return status;
}

bool tf2_request_done(const struct tf2_request *request)
{
    if (!request)
        return false;
    tf2__lock(engine_of(request));
    bool done = request->state == TF2__REQUEST_DONE;
    tf2__unlock(engine_of(request));
    return done;
}

enum tf2_status tf2_request_cancel(struct tf2_request *request)
{
    struct tf2__link deliver;
    if (!request)
        return TF2_ERR_INVALID_ARGUMENT;
    struct tf2_engine *engine = engine_of(request);
    tf2__list_init(&deliver);
    tf2__lock(engine);
    engine->n_refs++; /* the callback may give the last handle back */
    bool waiting = request->state == TF2__REQUEST_WAITING;
    if (waiting)
        tf2__request_drop(request, TF2_ERR_CANCELLED, NULL, &deliver);
    tf2__unlock(engine);
    tf2__requests_deliver(engine, &deliver);
    tf2__lock(engine);
    tf2__engine_unref_unlock(engine);
    return waiting ? TF2_OK : TF2_ERR_INVALID_STATE;
}

void tf2_request_release(struct tf2_request **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2_request *request = *handle;
    struct tf2_engine *engine = engine_of(request);
    *handle = NULL;
    tf2__lock(engine);
    engine->n_refs++;
    request->has_handle = false;
    release_request(request);
    tf2__engine_unref_unlock(engine);
}

enum tf2_status tf2_request_info(const struct tf2_request *request, struct tf2_request_info *info)
{
    if (!request || !info)
        return TF2_ERR_INVALID_ARGUMENT;
    tf2__lock(engine_of(request));
    bool done = request->state == TF2__REQUEST_DONE;
    if (done)
        *info = request->info;
    tf2__unlock(engine_of(request));
    return done ? TF2_OK : TF2_ERR_INVALID_STATE;
}

enum tf2_status tf2_client_run(
    struct tf2_client *client, struct tf2_accelerator *accelerator, const void *const *inputs, void *const *outputs,
    struct tf2_error *error)
{
    struct tf2_request *request = NULL;
    TF2__TRY(tf2_client_submit(client, accelerator, inputs, outputs, NULL, &request, error));
    enum tf2_status status = tf2_request_wait(request, TF2_FOREVER, error);
    tf2_request_release(&request);
    return status;
}
