/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.c: devices that fail, and the thread that watches the time.
 *
 *     HEALTHY ── a run fails, a check gives other results ──▶ SET_ASIDE ── a check succeeds ──▶ HEALTHY
 *        │                                                       ▲
 *        └── a run takes longer than the watchdog allows ─▶ HUNG ─┘ the call returned at last
 *
 * A check is a run on made-up inputs whose outputs were noted when the accelerator was loaded. Checks of a device that
 * keeps failing come ever more seldom.
 */
#include "sched/internal.h"

#define MAX_PROBE_DOUBLINGS 64

/* --- checks --- */

static enum tf2_status
check_item(const struct tf2__stage *stage, struct tf2__instance *instance, bool record, struct tf2_error *error)
{
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        TF2__TRY(tf2__instance_write(instance, i, -1, stage->check_inputs[i], error));
    TF2__TRY(tf2__instance_run(instance, 0, error));
    const struct tf2__plan *plan = tf2__instance_plan(instance);
    for (uint32_t i = 0; i < stage->n_outputs; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[plan->outputs[i]];
        size_t size = (size_t)tf2_shape_count(&t->shape) * tf2_dtype_size_bytes(t->dtype);
        char *found = (char *)stage->check_outputs[i] + (record ? 0 : size);
        TF2__TRY(tf2__instance_read(instance, i, -1, found, error));
        if (!record && memcmp(found, stage->check_outputs[i], size) != 0)
            return tf2__fail(error, TF2_ERR_VALUE, "a check gave other results than when the model was loaded");
    }
    return TF2_OK;
}

enum tf2_status tf2__stage_check(const struct tf2__stage *stage, bool record, struct tf2_error *error)
{
    return check_item(stage, stage->instances[0], record, error);
}

/* A stage that runs on this worker alone, or NULL. */
static const struct tf2__stage *find_check(const struct tf2__worker *worker, struct tf2_accelerator **accelerator)
{
    TF2__LIST_EACH(a, &worker->engine->accelerators, struct tf2_accelerator, link)
    {
        for (uint32_t i = 0; i < a->n_routes; i++) {
            for (uint32_t k = 0; k < a->routes[i].n_stages; k++) {
                const struct tf2__stage *stage = &a->routes[i].stages[k];
                if (stage->n_parts == 1 && stage->workers[0] == worker->index && stage->check_inputs) {
                    *accelerator = a;
                    return stage;
                }
            }
        }
    }
    return NULL;
}

static void back_in_service(struct tf2__worker *worker)
{
    struct tf2_engine *engine = worker->engine;
    const uint64_t check_ns = engine->options.check_ns;
    if (worker->state != TF2_DEVICE_HEALTHY)
        tf2__log(&engine->env, TF2_LOG_INFO, "device %s is back in service", worker->device->info.id);
    worker->state = TF2_DEVICE_HEALTHY;
    worker->check_at_ns = check_ns ? tf2__engine_later(tf2__clock_ns(), check_ns) : 0;
    tf2__accelerators_note_health(engine);
    tf2__leases_grant(engine);
    tf2__wake(engine, NULL);
}

/* Runs the check without the lock; *revoked: the watchdog gave it up. */
static enum tf2_status run_check(
    struct tf2__worker *worker, const struct tf2__stage *stage, struct tf2_accelerator *accelerator, bool *revoked,
    struct tf2_error *error)
{
    struct tf2_engine *engine = worker->engine;
    worker->running = accelerator;
    accelerator->n_refs++;
    tf2__unlock(engine);
    atomic_store(&worker->since_ns, tf2__clock_ns());
    atomic_store(&worker->phase, TF2__PHASE_RUN);
    enum tf2_status status = tf2__stage_check(stage, false, error);
    int run = TF2__PHASE_RUN;
    *revoked = !atomic_compare_exchange_strong(&worker->phase, &run, TF2__PHASE_IDLE);
    tf2__lock(engine);
    return status;
}

void tf2__worker_probe(struct tf2__worker *worker, struct tf2__link *deliver)
{
    struct tf2_error error = {0};
    struct tf2_accelerator *accelerator = NULL;
    bool revoked = false;
    const struct tf2__stage *stage = find_check(worker, &accelerator);
    tf2__wake(worker->engine, NULL); /* a request may have been meant for this worker */
    enum tf2_status status = stage ? run_check(worker, stage, accelerator, &revoked, &error) : TF2_OK;
    if (revoked)
        tf2__worker_came_back(worker);
    else if (status != TF2_OK)
        tf2__worker_set_aside(worker, error.message, deliver);
    else if (worker->state != TF2_DEVICE_HUNG) /* a loader may hang in it meanwhile */
        back_in_service(worker);
    atomic_store(&worker->phase, TF2__PHASE_IDLE);
    if (accelerator) {
        worker->running = NULL;
        tf2__accelerator_unref(accelerator);
    }
}

/* --- setting aside --- */

static bool workers_healthy(const struct tf2_engine *engine, uint64_t workers)
{
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if ((workers >> i & 1) && engine->workers[i].state != TF2_DEVICE_HEALTHY)
            return false;
    }
    return true;
}

bool tf2__route_healthy(const struct tf2__route *route)
{
    return workers_healthy(route->accelerator->engine, route->workers);
}

void tf2__flow_note_leases(struct tf2__flow *flow)
{
    struct tf2_engine *engine = flow->client->engine;
    bool blocked = engine->n_leases > 0 && !flow->accelerator->unavailable_ns;
    for (uint32_t i = 0; i < flow->accelerator->n_routes && blocked; i++)
        blocked = !tf2__route_open_to(&flow->accelerator->routes[i], flow->client);
    if (!blocked) {
        flow->blocked_ns = 0;
    } else if (!flow->blocked_ns) {
        flow->blocked_ns = tf2__clock_ns();
        tf2__timekeeper_by(engine, tf2__engine_later(flow->blocked_ns, engine->options.lease_wait_ns));
    }
}

void tf2__accelerators_note_health(struct tf2_engine *engine)
{
    uint64_t now_ns = tf2__clock_ns();
    TF2__LIST_EACH(accelerator, &engine->accelerators, struct tf2_accelerator, link)
    {
        bool available = accelerator->n_routes == 0;
        for (uint32_t i = 0; i < accelerator->n_routes && !available; i++)
            available = tf2__route_healthy(&accelerator->routes[i]);
        if (available)
            accelerator->unavailable_ns = 0;
        else if (!accelerator->unavailable_ns) {
            accelerator->unavailable_ns = now_ns;
            tf2__timekeeper_by(engine, tf2__engine_later(now_ns, engine->options.no_device_ns));
        }
    }
    TF2__LIST_EACH(flow, &engine->flows, struct tf2__flow, of_engine)
        tf2__flow_note_leases(flow);
}

void tf2__worker_drop_stages(struct tf2__worker *worker, struct tf2__link *deliver)
{
    struct tf2_error error;
    tf2__fail(&error, TF2_ERR_DEVICE, "device %s was set aside", worker->device->info.id);
    while (!tf2__list_empty(&worker->stages)) {
        struct tf2__job *job = TF2__CONTAINER(worker->stages.next, struct tf2__job, link);
        tf2__list_remove(&job->link);
        tf2__job_fail(job, &error, deliver);
        tf2__job_end(job);
    }
}

/* What waits for the device goes elsewhere. */
static void out_of_service(struct tf2__worker *worker, enum tf2_device_state state, struct tf2__link *deliver)
{
    struct tf2_engine *engine = worker->engine;
    worker->state = worker->n_hung_loads ? TF2_DEVICE_HUNG : state;
    worker->stats.n_failures++;
    worker->stats.n_set_aside++;
    if (!worker->probe_wait_ns)
        worker->probe_wait_ns = engine->options.probe_ns;
    else if (worker->probe_wait_ns < engine->options.probe_ns * MAX_PROBE_DOUBLINGS)
        worker->probe_wait_ns *= 2;
    worker->probe_at_ns = tf2__engine_later(tf2__clock_ns(), worker->probe_wait_ns);
    if (worker->gang) { /* nobody runs, the leader fails the job */
        int forms = TF2__GANG_FORMS;
        atomic_compare_exchange_strong(&worker->gang->go, &forms, TF2__GANG_DISSOLVED);
    }
    tf2__worker_drop_stages(worker, deliver);
    tf2__accelerators_note_health(engine);
    tf2__wake(engine, NULL);
}

void tf2__worker_set_aside(struct tf2__worker *worker, const char *why, struct tf2__link *deliver)
{
    tf2__log(
        &worker->engine->env, TF2_LOG_WARNING, "device %s is set aside: %s", worker->device->info.id, why);
    out_of_service(worker, TF2_DEVICE_SET_ASIDE, deliver);
}

void tf2__worker_came_back(struct tf2__worker *worker)
{
    tf2__log(
        &worker->engine->env, TF2_LOG_WARNING, "device %s has returned from a call that was given up",
        worker->device->info.id);
    if (worker->n_hung_loads) /* another one is still there */
        return;
    worker->state = TF2_DEVICE_SET_ASIDE;
    worker->probe_at_ns = tf2__clock_ns();
}

void tf2__worker_load_hangs(struct tf2__worker *worker, struct tf2__link *deliver)
{
    tf2__log(
        &worker->engine->env, TF2_LOG_ERROR, "device %s has not returned for %.3f s while a model was loaded and is given up",
        worker->device->info.id, (double)worker->engine->options.load_watchdog_ns * 1e-9);
    worker->n_hung_loads++;
    if (worker->state != TF2_DEVICE_HUNG)
        out_of_service(worker, TF2_DEVICE_HUNG, deliver);
}

void tf2__worker_load_came_back(struct tf2__worker *worker)
{
    worker->n_hung_loads--;
    if (atomic_load(&worker->phase) != TF2__PHASE_REVOKED) /* else its own call is not back yet */
        tf2__worker_came_back(worker);
    tf2__wake(worker->engine, NULL);
}

/* --- the timekeeper --- */

void tf2__timekeeper_by(struct tf2_engine *engine, uint64_t at_ns)
{
    if (at_ns >= engine->timekeeper_at_ns)
        return;
    engine->timekeeper_at_ns = at_ns;
    pthread_cond_signal(&engine->timekeeper_wake);
}

/* Takes the job away from a worker that has been in a run for too long. */
static void give_up(struct tf2__worker *worker, struct tf2__link *deliver)
{
    struct tf2__job *job = worker->job;
    struct tf2_error error;
    tf2__log(
        &worker->engine->env, TF2_LOG_ERROR, "device %s has not returned for %.3f s and is given up",
        worker->device->info.id, (double)worker->engine->options.watchdog_ns * 1e-9);
    tf2__fail(&error, TF2_ERR_DEVICE, "device %s did not return in time", worker->device->info.id);
    if (worker->state != TF2_DEVICE_HUNG) /* may be so since a copy that came back late */
        out_of_service(worker, TF2_DEVICE_HUNG, deliver);
    worker->job = NULL;
    if (!job)
        return;
    const struct tf2__stage *stage = &job->route->stages[job->stage];
    if (stage->n_parts > 1)
        tf2__instance_abort(stage->instances[job->size]);
    if (stage->workers[0] == worker->index)
        tf2__job_fail(job, &error, deliver); /* else the leader does, which returns now */
    if (stage->n_parts == 1)
        tf2__job_end(job); /* of a split the worker itself leaves, when it returns */
}

/*
 * How long a run may take. When a device of a split is stuck the others wait for it, and it alone is to be given up; that lets
 * the others go. One that then still does not return is given up too, later.
 */
static uint64_t allowed_ns(const struct tf2__worker *worker)
{
    const uint64_t watchdog_ns = worker->engine->options.watchdog_ns;
    const struct tf2__job *job = worker->job;
    if (!job)
        return watchdog_ns;
    const struct tf2__stage *stage = &job->route->stages[job->stage];
    bool waits = tf2__instance_waits(stage->instances[job->size], tf2__stage_part(stage, worker->index));
    return waits ? tf2__engine_later(watchdog_ns, watchdog_ns) : watchdog_ns;
}

/* When the watchdog has to look again. */
static uint64_t watch(struct tf2_engine *engine, uint64_t now_ns, struct tf2__link *deliver)
{
    uint64_t next_ns = tf2__engine_later(now_ns, engine->options.watchdog_ns / 4);
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        struct tf2__worker *worker = &engine->workers[i];
        int phase = atomic_load(&worker->phase);
        uint64_t since_ns = atomic_load(&worker->since_ns);
        if (phase != TF2__PHASE_RUN && phase != TF2__PHASE_COPY)
            continue;
        const uint64_t until_ns = tf2__engine_later(since_ns, allowed_ns(worker));
        if (now_ns < until_ns) {
            next_ns = TF2__MIN(next_ns, until_ns);
        } else if (phase == TF2__PHASE_RUN) {
            int run = TF2__PHASE_RUN;
            if (atomic_compare_exchange_strong(&worker->phase, &run, TF2__PHASE_REVOKED))
                give_up(worker, deliver);
        } else if (phase == TF2__PHASE_COPY && worker->state == TF2_DEVICE_HEALTHY) {
            /* The caller's buffers are in use: the job stays, but nothing new comes. */
            out_of_service(worker, TF2_DEVICE_HUNG, deliver);
        }
    }
    return next_ns;
}

static void expire(struct tf2_engine *engine, uint64_t now_ns, struct tf2__link *deliver)
{
    engine->next_deadline_ns = UINT64_MAX;
    TF2__LIST_EACH(flow, &engine->flows, struct tf2__flow, of_engine)
    {
        TF2__LIST_EACH_SAFE(request, &flow->waiting, struct tf2_request, link)
        {
            if (request->deadline_ns <= now_ns)
                tf2__request_drop(request, TF2_ERR_DEADLINE, NULL, deliver);
            else
                engine->next_deadline_ns = TF2__MIN(engine->next_deadline_ns, request->deadline_ns);
        }
    }
    /* Not more often than every millisecond: a look costs a walk over all that waits. */
    if (engine->next_deadline_ns != UINT64_MAX)
        engine->next_deadline_ns = TF2__MAX(engine->next_deadline_ns, now_ns + 1000000);
}

/* Since when no request of the flow can be run; 0: some route can be taken. *limit_ns: how long it may stay like that. */
static uint64_t stuck_since(const struct tf2__flow *flow, uint64_t *limit_ns)
{
    const struct tf2_engine_options *options = &flow->accelerator->engine->options;
    *limit_ns = flow->accelerator->unavailable_ns ? options->no_device_ns : options->lease_wait_ns;
    return flow->accelerator->unavailable_ns ? flow->accelerator->unavailable_ns : flow->blocked_ns;
}

static void drop_stuck(struct tf2_request *request, struct tf2__link *deliver)
{
    const struct tf2_accelerator *accelerator = request->flow->accelerator;
    struct tf2_error error;
    if (accelerator->unavailable_ns)
        tf2__fail(
            &error, TF2_ERR_NO_DEVICE, "accelerator '%s': none of its devices is in service", accelerator->name);
    else
        tf2__fail(
            &error, TF2_ERR_BUSY, "accelerator '%s': devices that it needs are leased by other clients",
            accelerator->name);
    tf2__request_drop(request, error.status, &error, deliver);
}

/* Requests that nothing can run for too long; when to look again. They wait in the order of submission. */
static uint64_t give_up_stuck(struct tf2_engine *engine, uint64_t now_ns, struct tf2__link *deliver)
{
    uint64_t next_ns = TF2_FOREVER, since_ns, limit_ns;
    TF2__LIST_EACH(flow, &engine->flows, struct tf2__flow, of_engine)
    {
        while (flow->n_waiting && (since_ns = stuck_since(flow, &limit_ns))) {
            struct tf2_request *first = TF2__CONTAINER(flow->waiting.next, struct tf2_request, link);
            const uint64_t until_ns = tf2__engine_later(TF2__MAX(since_ns, first->submitted_ns), limit_ns);
            if (now_ns < until_ns) {
                next_ns = TF2__MIN(next_ns, until_ns);
                break;
            }
            drop_stuck(first, deliver);
        }
    }
    return next_ns;
}

void *tf2__timekeeper_main(void *user)
{
    struct tf2_engine *engine = user;
    struct tf2__link deliver;
    tf2__list_init(&deliver);
    tf2__lock(engine);
    while (engine->timekeeper_started) {
        uint64_t now_ns = tf2__clock_ns();
        uint64_t next_ns = watch(engine, now_ns, &deliver);
        if (now_ns >= engine->next_deadline_ns)
            expire(engine, now_ns, &deliver);
        next_ns = TF2__MIN(next_ns, engine->next_deadline_ns);
        next_ns = TF2__MIN(next_ns, give_up_stuck(engine, now_ns, &deliver));
        if (!tf2__list_empty(&deliver)) {
            tf2__unlock(engine);
            tf2__requests_deliver(engine, &deliver);
            tf2__lock(engine);
            continue;
        }
        engine->timekeeper_at_ns = next_ns;
        tf2__engine_wait(engine, &engine->timekeeper_wake, next_ns);
    }
    tf2__engine_unref_unlock(engine);
    return NULL;
}
