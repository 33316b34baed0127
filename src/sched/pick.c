/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pick.c: what a worker does next.
 *
 * Fair queueing by device time: a client's virtual time is the device time it was charged, divided by its weight; of
 * the clients that wait in the same class, the one with the least virtual time goes next. A client that was idle does
 * not collect time: it continues at the virtual time of the one served last (start-time fair queueing: P. Goyal, H. Vin,
 * H. Cheng, 1996). What a run costs is known only when it has ended, so the expected time is charged when it begins,
 * which keeps a client from getting all devices at once, and corrected by the measured time at its end.
 *
 * Classes go in order; but a client that has waited for starve_ns without a turn comes before all classes once.
 */
#include "sched/internal.h"

/* --- what a worker may run --- */

/* Whether all workers of a route may work for this client now, as leases are. */
static bool lease_allows(const struct tf2__route *route, const struct tf2_client *client)
{
    const struct tf2_engine *engine = client->engine;
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if ((route->workers >> i & 1) && engine->workers[i].lease && engine->workers[i].lease != client)
            return false;
    }
    return true;
}

bool tf2__route_open_to(const struct tf2__route *route, const struct tf2_client *client)
{
    return tf2__route_healthy(route) && lease_allows(route, client);
}

/* Whether a route touches a device that the client has leased. */
static bool uses_lease(const struct tf2__route *route, const struct tf2_client *client)
{
    const struct tf2_engine *engine = client->engine;
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if ((route->workers >> i & 1) && engine->workers[i].lease == client)
            return true;
    }
    return false;
}

/*
 * The routes that a client's requests may take now are those of the lowest tier that has one; with a lease, those over
 * leased devices if there are any.
 */
static bool
may_take(const struct tf2_accelerator *accelerator, const struct tf2__route *route, const struct tf2_client *client)
{
    if (!tf2__route_open_to(route, client))
        return false;
    bool leased = client->n_leased && uses_lease(route, client);
    for (uint32_t i = 0; i < accelerator->n_routes; i++) {
        const struct tf2__route *other = &accelerator->routes[i];
        if (other == route || !tf2__route_open_to(other, client))
            continue;
        if (other->tier < route->tier)
            return false;
        if (client->n_leased && !leased && other->tier == route->tier && uses_lease(other, client))
            return false;
    }
    return true;
}

/* Whether the route can begin another job now. */
static bool has_room(const struct tf2__route *route)
{
    const struct tf2_engine *engine = route->accelerator->engine;
    const struct tf2__stage *first = &route->stages[0];
    if (route->n_jobs >= route->max_jobs)
        return false;
    for (uint32_t i = 1; i < first->n_parts; i++) {
        if (engine->workers[first->workers[i]].gang)
            return false;
    }
    return true;
}

/* The route by which this worker can begin something of the flow, or NULL. */
static struct tf2__route *find_route(const struct tf2__worker *worker, const struct tf2__flow *flow)
{
    struct tf2_accelerator *accelerator = flow->accelerator;
    for (uint32_t i = 0; i < accelerator->n_routes; i++) {
        struct tf2__route *route = &accelerator->routes[i];
        if (route->stages[0].workers[0] == worker->index && has_room(route) &&
            may_take(accelerator, route, flow->client))
            return route;
    }
    return NULL;
}

/* How many of the client's requests may begin now. */
static size_t allowance(const struct tf2_client *client)
{
    if (!client->options.max_in_flight)
        return SIZE_MAX;
    return client->options.max_in_flight > client->n_running ? client->options.max_in_flight - client->n_running : 0;
}

static const struct tf2_request *oldest(const struct tf2__flow *flow)
{
    return TF2__CONTAINER(flow->waiting.next, struct tf2_request, link);
}

/* --- batches --- */

/* Waiting requests that could run with those of `flow`, up to `most`. */
static size_t
count_ready(const struct tf2__worker *worker, const struct tf2__flow *flow, const struct tf2__route *route, size_t most)
{
    size_t n = TF2__MIN(flow->n_waiting, allowance(flow->client));
    if (n >= most)
        return most;
    TF2__LIST_EACH(other, &worker->engine->flows, struct tf2__flow, of_engine)
    {
        if (other != flow && other->accelerator == flow->accelerator && other->n_waiting &&
            may_take(flow->accelerator, route, other->client))
            n += TF2__MIN(other->n_waiting, allowance(other->client));
    }
    return TF2__MIN(n, most);
}

/* The index of the batch size to run now; -1: wait for more until *ready_ns. */
static int batch_size(
    const struct tf2__worker *worker, const struct tf2__flow *flow, const struct tf2__route *route, uint64_t now_ns,
    uint64_t *ready_ns)
{
    const struct tf2_accelerator *accelerator = flow->accelerator;
    const size_t most = accelerator->batch_sizes[accelerator->n_batch_sizes - 1];
    if (most == 1)
        return 0;
    const size_t n = count_ready(worker, flow, route, most);
    const uint64_t until_ns = tf2__engine_later(oldest(flow)->submitted_ns, accelerator->max_delay_ns);
    if (n < most && now_ns < until_ns && !worker->engine->stopping) {
        *ready_ns = until_ns;
        return -1;
    }
    int size = 0;
    while (size + 1 < (int)accelerator->n_batch_sizes && accelerator->batch_sizes[size + 1] <= n)
        size++;
    return size;
}

/* --- the choice among clients --- */

struct choice {
    struct tf2__flow *flow;
    struct tf2__route *route;
    int size, rank;
};

static int rank_of(const struct tf2__flow *flow, uint64_t now_ns)
{
    static const int ranks[] = {[TF2_PRIORITY_HIGH] = 0, [TF2_PRIORITY_NORMAL] = 1, [TF2_PRIORITY_LOW] = 2};
    const struct tf2_client *client = flow->client;
    const uint64_t starve_ns = client->engine->options.starve_ns;
    if (client->options.priority != TF2_PRIORITY_HIGH && now_ns - client->served_ns > starve_ns &&
        now_ns - oldest(flow)->submitted_ns > starve_ns)
        return -1;
    return ranks[client->options.priority];
}

static bool is_better(const struct choice *a, const struct choice *b)
{
    if (!b->flow)
        return true;
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->flow->client != b->flow->client && a->flow->client->virtual_time != b->flow->client->virtual_time)
        return a->flow->client->virtual_time < b->flow->client->virtual_time;
    return oldest(a->flow)->submitted_ns < oldest(b->flow)->submitted_ns;
}

static bool choose(struct tf2__worker *worker, uint64_t now_ns, uint64_t *again_ns, struct choice *best)
{
    memset(best, 0, sizeof(*best));
    TF2__LIST_EACH(flow, &worker->engine->flows, struct tf2__flow, of_engine)
    {
        struct choice choice = {.flow = flow};
        uint64_t ready_ns;
        if (!flow->n_waiting || allowance(flow->client) == 0)
            continue;
        choice.rank = rank_of(flow, now_ns);
        if (!is_better(&choice, best))
            continue;
        choice.route = find_route(worker, flow);
        if (!choice.route)
            continue;
        choice.size = batch_size(worker, flow, choice.route, now_ns, &ready_ns);
        if (choice.size < 0)
            *again_ns = TF2__MIN(*again_ns, ready_ns);
        else
            *best = choice;
    }
    return best->flow != NULL;
}

/* --- beginning and ending a job --- */

/* Adds `device_ns` of the job's time to what its clients have used. */
static void charge(const struct tf2__job *job, double device_ns)
{
    for (uint32_t i = 0; i < job->n; i++) {
        struct tf2_client *client = job->requests[i]->flow->client;
        if (!(client->n_leased && uses_lease(job->route, client)))
            client->virtual_time += device_ns / job->n / client->options.weight;
    }
}

static void begin_request(struct tf2__job *job, struct tf2_request *request, uint64_t now_ns)
{
    struct tf2_client *client = request->flow->client;
    tf2__list_remove(&request->link);
    request->flow->n_waiting--;
    client->n_waiting--;
    client->n_running++;
    client->served_ns = now_ns;
    client->engine->stats.n_waiting--;
    client->engine->stats.n_running++;
    request->state = TF2__REQUEST_RUNNING;
    request->started_ns = now_ns;
    request->info.queue_ns = now_ns - request->submitted_ns;
    request->info.device = job->route->stages[0].workers[0];
    request->info.n_attempts++;
    tf2__histogram_add(&client->wait, request->info.queue_ns);
    job->requests[job->n++] = request;
}

static void fill_job(struct tf2__job *job, struct tf2__flow *flow, uint32_t most, uint64_t now_ns)
{
    while (job->n < most && flow->n_waiting && allowance(flow->client) > 0)
        begin_request(job, TF2__CONTAINER(flow->waiting.next, struct tf2_request, link), now_ns);
}

static struct tf2__job *begin_job(struct tf2__worker *worker, const struct choice *choice, uint64_t now_ns)
{
    struct tf2_engine *engine = worker->engine;
    struct tf2_accelerator *accelerator = choice->flow->accelerator;
    struct tf2__job *job = TF2__CONTAINER(choice->route->idle_jobs.next, struct tf2__job, link);
    const uint32_t most = accelerator->batch_sizes[choice->size];
    tf2__list_remove(&job->link);
    job->route = choice->route;
    job->size = (uint32_t)choice->size;
    job->stage = job->n = 0;
    job->failed = false;
    job->device_ns = 0;
    job->started_ns = now_ns;
    atomic_store(&job->n_arrived, 0);
    atomic_store(&job->go, TF2__GANG_FORMS);
    job->n_inside = choice->route->stages[0].n_parts;
    engine->virtual_time = TF2__MAX(engine->virtual_time, choice->flow->client->virtual_time);
    fill_job(job, choice->flow, most, now_ns);
    TF2__LIST_EACH(flow, &engine->flows, struct tf2__flow, of_engine)
    {
        if (job->n < most && flow->accelerator == accelerator && may_take(accelerator, job->route, flow->client))
            fill_job(job, flow, most, now_ns);
    }
    for (uint32_t i = 0; i < job->n; i++)
        job->requests[i]->info.batch = job->n;
    job->charged_ns = accelerator->run_ns[choice->size];
    charge(job, job->charged_ns);
    job->route->n_jobs++;
    accelerator->n_refs++;
    accelerator->n_runs++;
    engine->n_jobs++;
    for (uint32_t i = 0; i < engine->n_workers; i++)
        engine->workers[i].n_committed += job->route->workers >> i & 1;
    for (uint32_t i = 1; i < job->route->stages[0].n_parts; i++) {
        struct tf2__worker *member = &engine->workers[job->route->stages[0].workers[i]];
        member->gang = job;
        pthread_cond_signal(&member->wake);
    }
    atomic_fetch_add(&engine->work, 1);
    return job;
}

struct tf2__job *tf2__pick(struct tf2__worker *worker, uint64_t now_ns, uint64_t *again_ns)
{
    struct tf2_engine *engine = worker->engine;
    struct choice choice;
    if (worker->state != TF2_DEVICE_HEALTHY)
        return NULL;
    if (!tf2__list_empty(&worker->stages)) {
        struct tf2__job *job = TF2__CONTAINER(worker->stages.next, struct tf2__job, link);
        tf2__list_remove(&job->link);
        return job;
    }
    if (engine->stopping || !choose(worker, now_ns, again_ns, &choice))
        return NULL;
    return begin_job(worker, &choice, now_ns);
}

void tf2__job_settle(struct tf2__job *job)
{
    struct tf2_accelerator *accelerator = job->accelerator;
    struct tf2_engine *engine = accelerator->engine;
    bool capped = false;
    charge(job, job->device_ns - job->charged_ns);
    if (!job->failed) { /* the expected time follows the measured one */
        double *run_ns = &accelerator->run_ns[job->size];
        *run_ns += (job->device_ns - *run_ns) / 16;
    }
    for (uint32_t i = 0; i < job->n; i++) {
        struct tf2_client *client = job->requests[i]->flow->client;
        client->stats.device_ns += (uint64_t)(job->device_ns / job->n);
        client->n_running--;
        engine->stats.n_running--;
        capped |= client->options.max_in_flight && client->n_waiting;
    }
    engine->n_jobs--;
    if (capped || (engine->stopping && engine->n_jobs == 0))
        tf2__wake(engine, NULL);
}

void tf2__job_fail(struct tf2__job *job, const struct tf2_error *error, struct tf2__link *deliver)
{
    job->failed = true;
    tf2__job_settle(job);
    for (uint32_t i = job->n; i-- > 0;) /* backwards: each goes to the front of its queue */
        tf2__request_retry(job->requests[i], error, deliver);
    job->n = 0;
}

void tf2__job_end(struct tf2__job *job)
{
    struct tf2_accelerator *accelerator = job->accelerator;
    struct tf2_engine *engine = accelerator->engine;
    if (--job->n_inside > 0)
        return;
    assert(job->n == 0);
    tf2__list_append(&job->route->idle_jobs, &job->link);
    if (job->route->n_jobs-- == job->route->max_jobs)
        tf2__wake(engine, accelerator);
    for (uint32_t i = 0; i < engine->n_workers; i++)
        engine->workers[i].n_committed -= job->route->workers >> i & 1;
    if (engine->n_asking)
        pthread_cond_broadcast(&engine->changed);
    tf2__accelerator_unref(accelerator);
}

/* --- waking --- */

void tf2__wake(struct tf2_engine *engine, const struct tf2_accelerator *accelerator)
{
    atomic_fetch_add(&engine->work, 1);
    uint64_t seen = 0;
    for (uint32_t i = 0; accelerator && i < accelerator->n_routes; i++) {
        const struct tf2__route *route = &accelerator->routes[i];
        struct tf2__worker *worker = &engine->workers[route->stages[0].workers[0]];
        if (seen >> worker->index & 1)
            continue;
        seen |= (uint64_t)1 << worker->index;
        if (worker->idle == TF2__IDLE_NOT || worker->state != TF2_DEVICE_HEALTHY)
            continue;
        if (worker->idle == TF2__IDLE_ASLEEP)
            pthread_cond_signal(&worker->wake);
        worker->idle = TF2__IDLE_NOT; /* it is on its way: the next request wakes another */
        if (!engine->n_leases && accelerator->n_batch_sizes == 1)
            return; /* one is enough */
    }
    for (uint32_t i = 0; !accelerator && i < engine->n_workers; i++)
        pthread_cond_signal(&engine->workers[i].wake);
}
