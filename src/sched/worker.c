/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c: a device's thread. All calls to the device that belong to requests are made here.
 *
 *     lock ─▶ gang? stage? pick ─▶ unlock ─▶ copy in ─▶ run ─▶ copy out ─▶ lock ─▶ complete ─▶ ...
 *                                              COPY     RUN      COPY
 *
 * While a worker is in RUN the watchdog may take its job away: then the job is not touched any more here.
 */
#include "sched/internal.h"

#include <sched.h>

/* --- phases --- */

static void set_phase(struct tf2__worker *worker, int phase)
{
    atomic_store(&worker->since_ns, tf2__clock_ns());
    atomic_store(&worker->phase, phase);
}

/* From RUN to another phase; false: the watchdog was faster. */
static bool leave_run(struct tf2__worker *worker, int phase)
{
    int run = TF2__PHASE_RUN;
    atomic_store(&worker->since_ns, tf2__clock_ns());
    return atomic_compare_exchange_strong(&worker->phase, &run, phase);
}

/* --- data --- */

static const void *input_of(const struct tf2__job *job, const struct tf2__stage *stage, uint32_t input, uint32_t item)
{
    uint32_t from = stage->inputs ? stage->inputs[input] : input;
    if (from & TF2__IN_JOB) {
        uint32_t buffer = from & ~TF2__IN_JOB;
        return (const char *)job->buffers[buffer] + item * job->route->buffer_bytes[buffer];
    }
    return job->requests[item]->inputs[from];
}

static void *output_of(const struct tf2__job *job, const struct tf2__stage *stage, uint32_t output, uint32_t item)
{
    uint32_t to = stage->outputs ? stage->outputs[output] : output;
    if (to & TF2__IN_JOB) {
        uint32_t buffer = to & ~TF2__IN_JOB;
        return (char *)job->buffers[buffer] + item * job->route->buffer_bytes[buffer];
    }
    return job->requests[item]->outputs[to];
}

/* A batch is exactly as large as its instance's, so that with one request everything can be copied at once. */
static int64_t item_of(const struct tf2__job *job, uint32_t item)
{
    return job->n == 1 ? -1 : (int64_t)item;
}

static enum tf2_status
copy_in(struct tf2__job *job, const struct tf2__stage *stage, struct tf2_error *error)
{
    struct tf2__instance *instance = stage->instances[job->size];
    for (uint32_t item = 0; item < job->n; item++) {
        for (uint32_t i = 0; i < stage->n_inputs; i++) {
            const void *input = input_of(job, stage, i, item);
            if (job->n == 1 && tf2__instance_lend(instance, i, input))
                continue;
            TF2__TRY(tf2__instance_write(instance, i, item_of(job, item), input, error));
        }
    }
    return TF2_OK;
}

static enum tf2_status
copy_out(struct tf2__job *job, const struct tf2__stage *stage, struct tf2_error *error)
{
    for (uint32_t item = 0; item < job->n; item++) {
        for (uint32_t i = 0; i < stage->n_outputs; i++) {
            void *to = output_of(job, stage, i, item);
            if (to)
                TF2__TRY(
                    tf2__instance_read(stage->instances[job->size], i, item_of(job, item), to, error));
        }
    }
    return TF2_OK;
}

/* --- jobs --- */

/* What is known of a run when it has ended. */
struct outcome {
    enum tf2_status status;
    struct tf2_error error;
    bool revoked;
    uint64_t begin_ns, end_ns;
};

static void count_run(struct tf2__worker *worker, const struct outcome *outcome, uint32_t n_items)
{
    worker->stats.busy_ns += outcome->end_ns - outcome->begin_ns;
    worker->stats.n_runs++;
    worker->stats.n_items += n_items;
}

static void complete_job(struct tf2__job *job, struct tf2__link *deliver)
{
    tf2__job_settle(job);
    for (uint32_t i = 0; i < job->n; i++)
        tf2__request_complete(job->requests[i], TF2_OK, NULL, deliver);
    job->n = 0;
}

/* The leader's end of a stage. The job was not taken away. */
static void after_stage(struct tf2__worker *worker, struct tf2__job *job, struct outcome *outcome, struct tf2__link *deliver)
{
    struct tf2_engine *engine = worker->engine;
    const struct tf2__stage *stage = &job->route->stages[job->stage];
    job->device_ns += (double)(outcome->end_ns - outcome->begin_ns) * stage->n_parts;
    count_run(worker, outcome, job->n);
    if (engine->trace)
        tf2__trace_add(worker, job, outcome->begin_ns, outcome->end_ns, outcome->status != TF2_OK);
    if (outcome->status != TF2_OK) {
        if (outcome->status != TF2_ERR_CANCELLED)
            tf2__worker_set_aside(worker, outcome->error.message, deliver);
        tf2__job_fail(job, &outcome->error, deliver);
        tf2__job_end(job);
        return;
    }
    if (worker->state == TF2_DEVICE_HEALTHY)
        worker->probe_wait_ns = 0;
    if (++job->stage < job->route->n_stages) {
        struct tf2__worker *next = &engine->workers[job->route->stages[job->stage].workers[0]];
        tf2__list_append(&next->stages, &job->link);
        atomic_fetch_add(&engine->work, 1);
        pthread_cond_signal(&next->wake);
        if (next->state != TF2_DEVICE_HEALTHY)
            tf2__worker_drop_stages(next, deliver);
        return;
    }
    complete_job(job, deliver);
    tf2__job_end(job);
}

/* Without the lock. */
static void run_stage(struct tf2__worker *worker, struct tf2__job *job, struct outcome *outcome)
{
    const struct tf2__stage *stage = &job->route->stages[job->stage];
    struct tf2__instance *instance = stage->instances[job->size];
    outcome->begin_ns = tf2__clock_ns();
    set_phase(worker, TF2__PHASE_COPY);
    outcome->status = copy_in(job, stage, &outcome->error);
    if (outcome->status == TF2_OK) {
        set_phase(worker, TF2__PHASE_RUN);
        outcome->status = tf2__instance_run(instance, 0, &outcome->error);
        outcome->revoked = !leave_run(worker, TF2__PHASE_COPY);
    }
    if (!outcome->revoked && outcome->status == TF2_OK)
        outcome->status = copy_out(job, stage, &outcome->error);
    outcome->end_ns = tf2__clock_ns();
}

/* --- gangs: splits --- */

/* Waits, unlocked, until a number that others write has its value; some spinning, then naps. */
static void wait_until(atomic_uint *value, uint32_t wanted, const atomic_int *go)
{
    for (uint32_t i = 0; atomic_load(value) < wanted && atomic_load(go) == TF2__GANG_FORMS; i++) {
        if (i < 200)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

/* The leader of a split: copies in while the others finish what they have. Without the lock. */
static void lead(struct tf2__worker *worker, struct tf2__job *job, struct outcome *outcome)
{
    const struct tf2__stage *stage = &job->route->stages[0];
    outcome->begin_ns = tf2__clock_ns();
    set_phase(worker, TF2__PHASE_COPY);
    outcome->status = copy_in(job, stage, &outcome->error);
    set_phase(worker, TF2__PHASE_IDLE);
    wait_until(&job->n_arrived, stage->n_parts - 1, &job->go);
    int forms = TF2__GANG_FORMS, to = outcome->status == TF2_OK ? TF2__GANG_RUNS : TF2__GANG_DISSOLVED;
    outcome->begin_ns = tf2__clock_ns();
    if (!atomic_compare_exchange_strong(&job->go, &forms, to))
        outcome->status = tf2__fail(&outcome->error, TF2_ERR_CANCELLED, "a device of a split failed");
    if (outcome->status == TF2_OK) {
        set_phase(worker, TF2__PHASE_RUN);
        outcome->status = tf2__instance_run(stage->instances[job->size], 0, &outcome->error);
        outcome->revoked = !leave_run(worker, TF2__PHASE_COPY);
    }
    if (!outcome->revoked && outcome->status == TF2_OK)
        outcome->status = copy_out(job, stage, &outcome->error);
    outcome->end_ns = tf2__clock_ns();
}

/* A member of a split. The lock is held before and after. */
static void join(struct tf2__worker *worker, struct tf2__link *deliver)
{
    struct tf2_engine *engine = worker->engine;
    struct tf2__job *job = worker->gang;
    const struct tf2__stage *stage = &job->route->stages[0];
    struct tf2__instance *instance = stage->instances[job->size];
    struct outcome outcome = {0};
    const uint32_t n_items = job->n; /* the leader may be through with them before us */
    worker->gang = NULL;
    worker->job = job;
    worker->running = job->accelerator;
    job->accelerator->n_refs++;
    tf2__unlock(engine);
    atomic_fetch_add(&job->n_arrived, 1);
    for (uint32_t i = 0; atomic_load(&job->go) == TF2__GANG_FORMS; i++) {
        if (i < 2000)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    outcome.begin_ns = tf2__clock_ns();
    if (atomic_load(&job->go) == TF2__GANG_RUNS) {
        set_phase(worker, TF2__PHASE_RUN);
        outcome.status = tf2__instance_run(instance, tf2__stage_part(stage, worker->index), &outcome.error);
        outcome.revoked = !leave_run(worker, TF2__PHASE_IDLE);
    } else {
        outcome.status = TF2_ERR_CANCELLED;
    }
    outcome.end_ns = tf2__clock_ns();
    tf2__lock(engine);
    if (outcome.revoked) {
        tf2__worker_came_back(worker);
    } else {
        count_run(worker, &outcome, n_items);
        if (engine->trace)
            tf2__trace_add(worker, job, outcome.begin_ns, outcome.end_ns, outcome.status != TF2_OK);
        if (outcome.status != TF2_OK && outcome.status != TF2_ERR_CANCELLED)
            tf2__worker_set_aside(worker, outcome.error.message, deliver);
    }
    worker->job = NULL;
    tf2__job_end(job);
    tf2__accelerator_unref(worker->running);
    worker->running = NULL;
}

/* --- the loop --- */

/* Runs a job's stage as its leader. The lock is held before and after. */
static void run_job(struct tf2__worker *worker, struct tf2__job *job, struct tf2__link *deliver)
{
    struct tf2_engine *engine = worker->engine;
    struct outcome outcome = {0};
    const bool split = job->route->stages[job->stage].n_parts > 1;
    worker->job = job;
    worker->running = job->accelerator;
    job->accelerator->n_refs++;
    tf2__unlock(engine);
    if (split)
        lead(worker, job, &outcome);
    else
        run_stage(worker, job, &outcome);
    tf2__lock(engine);
    worker->job = NULL;
    if (outcome.revoked) {
        tf2__worker_came_back(worker);
        if (split)
            tf2__job_end(job); /* its requests are gone; it stayed for us */
    } else {
        if (worker->state == TF2_DEVICE_HUNG) /* in a copy, where jobs are not taken away */
            tf2__worker_came_back(worker);
        after_stage(worker, job, &outcome, deliver);
    }
    set_phase(worker, TF2__PHASE_IDLE);
    tf2__accelerator_unref(worker->running);
    worker->running = NULL;
}

/* Looks for work for a while without the lock, then sleeps until it is woken or `until_ns`. */
static void idle(struct tf2__worker *worker, uint64_t until_ns)
{
    struct tf2_engine *engine = worker->engine;
    const unsigned work = atomic_load(&engine->work);
    const uint64_t begin_ns = tf2__clock_ns();
    worker->idle = TF2__IDLE_SPINS;
    tf2__unlock(engine);
    while (atomic_load(&engine->work) == work && tf2__clock_ns() - begin_ns < engine->options.spin_ns)
        sched_yield();
    tf2__lock(engine);
    if (atomic_load(&engine->work) == work && tf2__clock_ns() < until_ns) {
        worker->idle = TF2__IDLE_ASLEEP;
        tf2__engine_wait(engine, &worker->wake, until_ns);
    }
    worker->idle = TF2__IDLE_NOT;
}

/* When there is something to do without being told. */
static uint64_t next_time(const struct tf2__worker *worker, uint64_t again_ns)
{
    if (worker->engine->stopping)
        return TF2_FOREVER;
    if (worker->state == TF2_DEVICE_SET_ASIDE)
        return worker->probe_at_ns;
    return worker->check_at_ns ? TF2__MIN(again_ns, worker->check_at_ns) : again_ns;
}

static bool wants_probe(const struct tf2__worker *worker, uint64_t now_ns)
{
    if (worker->state == TF2_DEVICE_SET_ASIDE)
        return now_ns >= worker->probe_at_ns;
    return worker->check_at_ns && now_ns >= worker->check_at_ns;
}

/* One thing to do, or a rest. The lock is held before and after. */
static void work(struct tf2__worker *worker, struct tf2__link *deliver)
{
    uint64_t now_ns = tf2__clock_ns(), again_ns = TF2_FOREVER;
    struct tf2__job *job;
    if (worker->gang)
        join(worker, deliver);
    else if (wants_probe(worker, now_ns) && !worker->engine->stopping)
        tf2__worker_probe(worker, deliver);
    else if ((job = tf2__pick(worker, now_ns, &again_ns)))
        run_job(worker, job, deliver);
    else
        idle(worker, next_time(worker, again_ns));
}

void *tf2__worker_main(void *user)
{
    struct tf2__worker *worker = user;
    struct tf2_engine *engine = worker->engine;
    struct tf2__link deliver;
    tf2__list_init(&deliver);
    tf2__lock(engine);
    if (engine->options.check_ns)
        worker->check_at_ns = tf2__engine_later(tf2__clock_ns(), engine->options.check_ns);
    while (!(engine->stopping && engine->n_jobs == 0 && !worker->gang)) {
        work(worker, &deliver);
        if (!tf2__list_empty(&deliver)) {
            tf2__unlock(engine);
            tf2__requests_deliver(engine, &deliver);
            tf2__lock(engine);
        }
    }
    worker->ended = true;
    engine->n_alive--;
    pthread_cond_broadcast(&engine->changed);
    tf2__engine_unref_unlock(engine);
    return NULL;
}
