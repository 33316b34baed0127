/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h: what the files of the scheduler share.
 *
 *     request.c      submit, wait, cancel; completion and its delivery
 *     client.c       tenants, their leases of devices
 *     pick.c         what a worker does next: fair queueing, batches, gangs
 *     worker.c       a device's thread: runs jobs
 *     health.c       the timekeeper's thread: watchdog, deadlines; devices set aside, checked and taken back
 *     accelerator.c  models loaded into the engine, and their names
 *     load.c         the thread in which one is loaded
 *     budget.c       what weights take on each device
 *     route.c        ways through devices: replicas, splits; pipeline.c: pipelines (cut.c cuts a graph into stages)
 *     stats.c, metrics.c, trace.c  figures
 *
 * How a request travels:
 *
 *     submit ─▶ flow (a queue for each client and accelerator) ─ pick ─▶ job (a batch on a route) ─▶ stage ─▶ stage ─▶ delivery
 *                 ▲                                                        │ its device failed
 *                 └────────────────────────────────────────────────────────┘
 *
 * Everything here is guarded by engine->lock, except what a comment says is not. Runs, callbacks and the making of
 * instances happen without it. A worker's `phase` is atomic: the watchdog may take a job away from a worker that
 * runs (PHASE_RUN to PHASE_REVOKED), but not while the caller's buffers are being copied; the worker notices when it
 * wants to go on to PHASE_COPY.
 */
#ifndef TF2__SCHED_INTERNAL_H
#define TF2__SCHED_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <tf2/engine.h>

#include "common/base.h"
#include "common/clock.h"
#include "common/list.h"
#include "runtime/devices.h"
#include "runtime/instance.h"
#include "sched/histogram.h"
#include "transform/model/model.h"

/* --- requests --- */

enum tf2__request_state {
    TF2__REQUEST_WAITING, /* in its flow */
    TF2__REQUEST_RUNNING, /* in a job */
    TF2__REQUEST_HELD,    /* has its result, waits for earlier ones of an ordered client */
    TF2__REQUEST_DONE,
};

struct tf2_request {
    struct tf2__flow *flow;
    struct tf2__link link;  /* in flow->waiting, or the list of those to be delivered */
    struct tf2__link order; /* in client->order; only of ordered clients */
    enum tf2__request_state state;
    enum tf2_status status;
    struct tf2_error *error; /* with a message, or NULL */
    bool has_handle;         /* the caller will release it */
    bool delivered;          /* the callback has returned */
    pthread_cond_t done;
    uint32_t n_waiters;
    uint64_t submitted_ns, started_ns, ended_ns;
    uint64_t deadline_ns; /* UINT64_MAX: none */
    tf2_request_callback callback;
    void *user;
    struct tf2_request_info info;
    const void **inputs; /* behind the struct, as the outputs */
    void **outputs;
};

/* What a client has for one accelerator. */
struct tf2__flow {
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    struct tf2__link of_client, of_engine;
    struct tf2__link waiting; /* in order of submission */
    size_t n_waiting;
    size_t n_requests; /* that exist: also with a handle only */
    uint64_t blocked_ns; /* since when routes are healthy, but none without devices that others lease; 0: there is one */
};

/* --- clients --- */

struct tf2_client {
    struct tf2_engine *engine;
    struct tf2__link link;
    struct tf2__link flows;
    struct tf2__link order; /* ordered clients: what was submitted and is not delivered */
    struct tf2__link told_next; /* ordered clients: what is done while a callback runs */
    bool is_told;               /* a callback runs, or is about to */
    char *name;
    struct tf2_client_options options;
    bool closed; /* the handle is gone; it lives on for its requests */
    size_t n_waiting, n_running, n_requests;
    double virtual_time; /* device ns over weight, see pick.c */
    uint64_t served_ns;  /* when it last had a turn */
    bool asks_lease;
    size_t n_leased;
    struct tf2_client_stats stats;
    struct tf2__histogram wait, latency;
};

/* A client that waits for devices; lies on its stack. */
struct tf2__lease_wait {
    struct tf2__link link;
    struct tf2_client *client;
    size_t n_devices;
};

/* --- accelerators --- */

/* A part of a route that is run in one go: on one device, or on several that share memory. */
struct tf2__stage {
    uint32_t n_parts;
    uint32_t *workers; /* per part; workers[0] leads */
    size_t *taken_bytes; /* per part: of its device's weights, all instances together */
    bool is_reserve;   /* of a route for when others cannot be taken */
    struct tf2__instance *instances[TF2_MAX_BATCH_SIZES + 1]; /* per batch size */
    struct tf2_graph *graph; /* a pipeline's own cut; NULL: the accelerator's */
    uint32_t n_inputs, n_outputs;
    /* Pipelines: per input and output of the stage: the request's (its number), or with TF2__IN_JOB added the job's
     * buffer. NULL: all are the request's, in order. */
    uint32_t *inputs, *outputs;
    /* The devices' check: items for every input, and what they gave when the accelerator was loaded. */
    void **check_inputs, **check_outputs;
    double check_ns; /* how long that run took */
};

#define TF2__IN_JOB 0x80000000u

/* Which part of the stage the worker has; it has one. */
static inline uint32_t tf2__stage_part(const struct tf2__stage *stage, uint32_t worker)
{
    uint32_t part = 0;
    while (stage->workers[part] != worker)
        part++;
    return part;
}

struct tf2__route {
    struct tf2_accelerator *accelerator;
    uint32_t n_stages;
    struct tf2__stage *stages;
    uint32_t tier;    /* routes of a higher tier are for when none of a lower one is healthy */
    uint64_t workers; /* bit w: uses worker w */
    uint32_t n_jobs, max_jobs; /* under way */
    struct tf2__link idle_jobs; /* the others of max_jobs */
    struct tf2__job *jobs;
    size_t *buffer_bytes; /* pipelines: what a job carries between stages, per item */
    uint32_t n_buffers;
};

struct tf2_accelerator {
    struct tf2_engine *engine;
    struct tf2__link link;
    char *name;
    struct tf2_model *model; /* kept alive */
    struct tf2__load *load;  /* while it is being loaded */
    uint32_t n_handles;
    size_t n_refs; /* handles, requests, jobs, calls under way */
    bool linked;   /* in engine->accelerators */
    struct tf2_shape *input_shapes; /* per input of the graph, for one request */
    bool pixels, profile;
    size_t weight_budget_bytes; /* on each device, of its own; 0: only the device's limit holds */
    size_t *taken_bytes;        /* per worker: of that */
    enum tf2_placement placement;
    uint32_t n_inputs, n_outputs;
    struct tf2_tensor_info *inputs, *outputs; /* of one request */
    uint32_t batch_sizes[TF2_MAX_BATCH_SIZES + 1]; /* ascending; the first is 1 */
    uint32_t n_batch_sizes;
    uint64_t max_delay_ns;
    double run_ns[TF2_MAX_BATCH_SIZES + 1]; /* expected device time of a whole run, per batch size; measured */
    struct tf2__route *routes;
    uint32_t n_routes;
    uint32_t main_route; /* the one that is preferred; of replicas the first */
    uint64_t unavailable_ns; /* since when no route is healthy; 0: one is */
    size_t n_completed, n_runs;
};

/* --- jobs --- */

struct tf2__job {
    struct tf2_accelerator *accelerator;
    struct tf2__link link; /* in route->idle_jobs or worker->stages */
    struct tf2__route *route;
    uint32_t stage;
    uint32_t size; /* index into batch_sizes */
    uint32_t n;
    struct tf2_request **requests; /* n of them, room for the largest batch */
    void **buffers; /* pipelines: route->n_buffers */
    uint64_t started_ns;
    atomic_uint n_arrived; /* splits, not guarded: workers that are ready, without the leader */
    atomic_int go;         /* splits, not guarded */
    uint32_t n_inside;     /* workers that have not left the job */
    bool failed;           /* its requests were taken away from it */
    double device_ns;      /* spent so far */
    double charged_ns;     /* what its clients were charged when it began */
};

enum {
    TF2__GANG_FORMS,
    TF2__GANG_RUNS,
    TF2__GANG_DISSOLVED, /* nobody runs: a device failed before all were there */
};

/* --- workers --- */

enum {
    TF2__PHASE_IDLE,
    TF2__PHASE_COPY,    /* the caller's buffers are in use */
    TF2__PHASE_RUN,
    TF2__PHASE_REVOKED, /* was in RUN for too long: its job was taken away */
};

enum tf2__idle {
    TF2__IDLE_NOT,
    TF2__IDLE_SPINS,
    TF2__IDLE_ASLEEP,
};

struct tf2__worker {
    struct tf2_engine *engine;
    uint32_t index;
    struct tf2__device *device;
    pthread_t thread;
    bool started, ended;
    pthread_cond_t wake;
    enum tf2__idle idle;
    enum tf2_device_state state;
    atomic_int phase;             /* not guarded */
    atomic_uint_least64_t since_ns; /* not guarded: when the phase began */
    struct tf2__job *job;         /* what it runs */
    struct tf2_accelerator *running; /* kept alive while a call into its instances may be under way */
    struct tf2__link stages;      /* jobs of pipelines that go on here */
    struct tf2__job *gang;        /* a split that waits for this worker */
    struct tf2_client *lease;     /* who has it alone; NULL: shared */
    uint32_t n_committed;         /* jobs under way whose route comes here */
    uint64_t probe_at_ns, probe_wait_ns, check_at_ns;
    uint32_t n_hung_loads; /* calls to the device from loaders that were given up */
    size_t weights_bytes; /* on the device, of all accelerators */
    struct tf2_device_stats stats;
};

/* --- the engine --- */

struct tf2__trace_event {
    uint64_t begin_ns, end_ns;
    uint32_t worker, stage, n_items;
    size_t n_waiting;
    bool failed;
    char name[40], client[24];
};

struct tf2_engine {
    struct tf2_env env;
    struct tf2_engine_options options; /* with defaults filled in */
    char *repository;
    pthread_mutex_t lock;
    size_t n_refs;  /* the handle, workers, clients, accelerators; the last one frees */
    bool stopping, opens_by_name;
    uint32_t n_hung_loads; /* loaders that were left behind */
    uint64_t planned; /* bit w: a load plans what weights take on worker w */
    struct tf2_devices *devices;
    struct tf2__worker *workers;
    uint32_t n_workers;
    uint32_t n_alive; /* workers whose thread has not ended */
    pthread_cond_t changed; /* something ended: a job with leased devices, a thread, a load */
    pthread_t timekeeper;
    bool timekeeper_started;
    pthread_cond_t timekeeper_wake;
    uint64_t timekeeper_at_ns;
    atomic_uint work; /* not guarded: counts up when there may be something to do */
    struct tf2__link clients, accelerators, flows;
    struct tf2__link lease_waits; /* in the order of asking */
    uint32_t n_leases, n_asking;  /* clients that have one, that wait for one or for its devices */
    double virtual_time;
    size_t n_jobs; /* that have requests */
    uint64_t started_ns;
    uint64_t next_deadline_ns; /* none of the waiting requests has an earlier one */
    struct tf2_engine_stats stats;
    struct tf2__histogram latency;
    struct tf2__trace_event *trace;
    uint64_t n_traced;
};

static inline void tf2__lock(struct tf2_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
}

static inline void tf2__unlock(struct tf2_engine *engine)
{
    pthread_mutex_unlock(&engine->lock);
}

/* --- engine.c --- */

/* Waits on a condition of the engine until `until_ns` of tf2__clock_ns (TF2_FOREVER: without end). */
void tf2__engine_wait(struct tf2_engine *engine, pthread_cond_t *condition, uint64_t until_ns);
bool tf2__engine_cond_init(pthread_cond_t *condition);
/* now + wait, without overflow. */
uint64_t tf2__engine_later(uint64_t now_ns, uint64_t wait_ns);
/* Gives up a reference and the lock; frees the engine with the last one. */
void tf2__engine_unref_unlock(struct tf2_engine *engine);
/* Whether this thread is one of its workers. */
bool tf2__engine_is_worker(const struct tf2_engine *engine);

/* --- request.c --- */

/*
 * The request has its result (it is on no list). It is delivered as soon as the client's order allows: appended to
 * `deliver`, which tf2__requests_deliver has to be called with, without the lock, as soon as possible.
 */
void tf2__request_complete(
    struct tf2_request *request, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver);
/* Calls the callbacks and gives the requests back. Without the lock. */
void tf2__requests_deliver(struct tf2_engine *engine, struct tf2__link *deliver);
/* Takes a waiting request off its queue and completes it. */
void tf2__request_drop(
    struct tf2_request *request, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver);
/* Completes all waiting requests of a flow. */
void tf2__flow_cancel(struct tf2__flow *flow, enum tf2_status status, const struct tf2_error *error, struct tf2__link *deliver);
/* Puts a request whose run failed back to where it came from, or completes it when it was tried often enough. */
void tf2__request_retry(struct tf2_request *request, const struct tf2_error *error, struct tf2__link *deliver);

/* --- client.c --- */

/* Frees a closed client that has no requests left. Returns whether the engine's reference has to be given up. */
void tf2__client_release(struct tf2_client *client);
/* Gives free devices to those who wait for a lease. */
void tf2__leases_grant(struct tf2_engine *engine);

/* --- pick.c --- */

/* The next job for this worker, begun: or NULL, and when to ask again. */
struct tf2__job *tf2__pick(struct tf2__worker *worker, uint64_t now_ns, uint64_t *again_ns);
/* Whether the client's requests could take this route: it is healthy, and nobody else leases a part of it. */
bool tf2__route_open_to(const struct tf2__route *route, const struct tf2_client *client);
/* Wakes workers that may have something to do now: those of the accelerator (NULL: all). */
void tf2__wake(struct tf2_engine *engine, const struct tf2_accelerator *accelerator);
/* Charges the job's device time to its clients; its requests leave it next. */
void tf2__job_settle(struct tf2__job *job);
/* All its requests are tried again, or completed with this error. */
void tf2__job_fail(struct tf2__job *job, const struct tf2_error *error, struct tf2__link *deliver);
/* A worker leaves the job, which has no requests any more; it ends with the last one. */
void tf2__job_end(struct tf2__job *job);

/* --- worker.c --- */

void *tf2__worker_main(void *worker);

/* --- health.c --- */

void *tf2__timekeeper_main(void *engine);
/* The timekeeper looks again at `at_ns` at the latest. */
void tf2__timekeeper_by(struct tf2_engine *engine, uint64_t at_ns);
/* A failure on a device: no more work for it until a check succeeds. */
void tf2__worker_set_aside(struct tf2__worker *worker, const char *why, struct tf2__link *deliver);
/* Its jobs that wait for their next stage here fail. */
void tf2__worker_drop_stages(struct tf2__worker *worker, struct tf2__link *deliver);
/* Runs a check on the device, and sets it aside or takes it back by what comes out. By its own worker, without a job. */
void tf2__worker_probe(struct tf2__worker *worker, struct tf2__link *deliver);
/* Runs the check of a stage with one part. record: notes the outputs; else TF2_ERR_VALUE: they are others. Without the
 * lock, by one thread at a time. */
enum tf2_status tf2__stage_check(const struct tf2__stage *stage, bool record, struct tf2_error *error);
/* A call to this worker's device came back after its job was taken away. */
void tf2__worker_came_back(struct tf2__worker *worker);
/* A call to its device from a loader is given up; has come back. */
void tf2__worker_load_hangs(struct tf2__worker *worker, struct tf2__link *deliver);
void tf2__worker_load_came_back(struct tf2__worker *worker);
/* Whether all devices of a route are healthy. */
bool tf2__route_healthy(const struct tf2__route *route);
/* Notes since when an accelerator has no healthy route, or a flow none that leases of others leave it; after every change of
 * health or leases. */
void tf2__accelerators_note_health(struct tf2_engine *engine);
void tf2__flow_note_leases(struct tf2__flow *flow);

/* --- accelerator.c --- */

/* Gives up one of the accelerator's references (a handle, a request, a job, a running call); frees it with the last one. The
 * lock is held, and given up for that moment. */
void tf2__accelerator_unref(struct tf2_accelerator *accelerator);

/* Plans and prepares everything that calls devices; by the loader. */
enum tf2_status tf2__accelerator_fill(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n_workers,
    struct tf2_error *error);

/* --- load.c --- */

/* Makes it on these devices, in a thread of its own. TF2_ERR_TIMEOUT and *hung not 0: these devices hang, and the accelerator
 * belongs to that thread. Without the lock. */
enum tf2_status tf2__load_run(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n_workers,
    uint64_t *hung, struct tf2_error *error);
/* The loader calls these devices now. split: what all of them run, or NULL. TF2_ERR_CANCELLED: nobody waits for it any more.
 * Without the lock. */
enum tf2_status tf2__load_enter(
    const struct tf2_accelerator *accelerator, uint64_t workers, const struct tf2__stage *split, struct tf2_error *error);
void tf2__load_leave(const struct tf2_accelerator *accelerator);

/* --- budget.c --- */

/* What weights may take on the device; 0: no limit. */
size_t tf2__budget_limit(const struct tf2__worker *worker);
/* Waits until nobody else plans for those of the devices that have a limit. The lock is held, in both. */
void tf2__budget_acquire(struct tf2_engine *engine, const uint32_t *workers, uint32_t n, uint64_t *held);
void tf2__budget_release(struct tf2_engine *engine, uint64_t *held);
/* What a stage of the accelerator over these devices may take on each; 0: no limit. Without the lock, as the rest. */
enum tf2_status tf2__budget_left(
    const struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, size_t *left_bytes,
    struct tf2_error *error);
void tf2__budget_take(struct tf2_accelerator *accelerator, uint32_t worker, size_t bytes);
void tf2__budget_give_back(struct tf2_accelerator *accelerator, uint32_t worker, size_t bytes);

/* --- route.c; route.h has what it shares with pipeline.c --- */

enum tf2_status tf2__routes_make(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers,
    uint32_t n_workers, struct tf2_error *error);
void tf2__routes_free(struct tf2_accelerator *accelerator);

/* --- trace.c --- */

void tf2__trace_add(
    struct tf2__worker *worker, const struct tf2__job *job, uint64_t begin_ns, uint64_t end_ns, bool failed);

#endif
