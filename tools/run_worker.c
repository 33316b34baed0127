/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_worker.c: jobs on an accelerator, from several threads, so that all devices have work.
 *
 * The workers share one queue: the number of the next job. A worker takes `batch` jobs in a row, reads their
 * files, packs the items into batches, runs them, and then waits until all earlier jobs are reported before
 * it reports its own; so the output's order is that of the jobs, and what is in memory is bounded. The first
 * job in order that fails ends the program's work.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct run_shared {
    const struct run_task *task;
    const struct run_jobs *jobs;
    struct run_report *report;
    pthread_mutex_t mutex;
    pthread_cond_t turn;
    size_t next_job;   /* to be taken */
    size_t n_reported; /* all jobs before this one */
    bool failed;
    struct tf2_error error;
};

struct run_worker {
    struct run_shared *shared;
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    pthread_t thread;
    float *inputs[RUN_MAX_INPUTS]; /* a batch */
    float *outputs[RUN_MAX_OUTPUTS];
};

/* A job in work. */
struct run_work {
    struct run_source sources[RUN_MAX_INPUTS];
    struct run_result result;
};

/* Where an item of the batch came from. */
struct run_slot {
    struct run_work *work;
    size_t item;
};

static size_t output_item_size(const struct run_task *task, size_t output)
{
    struct tf2_shape shape = run_item_shape(task, output);
    return (size_t)tf2_shape_count(&shape);
}

static bool load_job(
    struct run_work *work, const struct run_task *task, const struct run_job *job, struct tf2_error *error)
{
    work->result.job = job;
    if (!run_job_load(work->sources, task, job, error))
        return false;
    work->result.n_items = work->sources[0].n_items;
    for (size_t o = 0; o < task->info.n_outputs; o++)
        work->result.outputs[o] = cli_alloc(work->result.n_items * output_item_size(task, o), sizeof(float));
    return true;
}

static void finish_job(struct run_work *work, const struct run_task *task)
{
    run_job_unload(work->sources, task);
    for (size_t o = 0; o < task->info.n_outputs; o++)
        free(work->result.outputs[o]);
    memset(work, 0, sizeof(*work));
}

/* Runs the n slots (at most a batch; what is left of the batch is zeros) and hands the outputs to their jobs.
 */
static bool run_batch(struct run_worker *w, const struct run_slot *slots, size_t n, struct tf2_error *error)
{
    const struct run_task *task = w->shared->task;
    for (size_t i = 0; i < task->info.n_inputs; i++) {
        size_t size = run_item_size(task, i);
        memset(w->inputs[i], 0, size * (size_t)task->batch * sizeof(float));
        for (size_t k = 0; k < n; k++)
            run_source_write(&slots[k].work->sources[i], task, i, slots[k].item, w->inputs[i] + k * size);
    }
    if (tf2_client_run(
            w->client, w->accelerator, (const void *const *)w->inputs, (void *const *)w->outputs, error) != TF2_OK)
        return false;
    for (size_t o = 0; o < task->info.n_outputs; o++) {
        size_t size = output_item_size(task, o);
        for (size_t k = 0; k < n; k++)
            memcpy(
                slots[k].work->result.outputs[o] + slots[k].item * size, w->outputs[o] + k * size,
                size * sizeof(float));
    }
    return true;
}

/* Loads and runs n jobs; *n_good of them (the first ones) can be reported. */
static bool run_chunk(
    struct run_worker *w, size_t first, size_t n, struct run_work *works, size_t *n_good,
    struct tf2_error *error)
{
    const struct run_task *task = w->shared->task;
    size_t batch = (size_t)task->batch, n_slots = 0;
    struct run_slot *slots = cli_alloc(batch, sizeof(*slots));
    bool good = true, runs = true;
    size_t n_loaded = 0;
    while (n_loaded < n &&
           (good = load_job(&works[n_loaded], task, &w->shared->jobs->jobs[first + n_loaded], error)))
        n_loaded++;
    for (size_t j = 0; j < n_loaded && runs; j++) {
        for (size_t item = 0; item < works[j].result.n_items && runs; item++) {
            slots[n_slots++] = (struct run_slot){&works[j], item};
            if (n_slots == batch) {
                runs = run_batch(w, slots, n_slots, error);
                n_slots = 0;
            }
        }
    }
    if (runs && n_slots > 0)
        runs = run_batch(w, slots, n_slots, error);
    free(slots);
    *n_good = runs ? n_loaded : 0;
    return good && runs;
}

/* The next jobs to be done; 0 when there are none or it failed. */
static size_t take_jobs(struct run_shared *s, size_t *first)
{
    size_t n = 0;
    pthread_mutex_lock(&s->mutex);
    if (!s->failed) {
        size_t left = s->jobs->n_jobs - s->next_job;
        n = (size_t)s->task->batch < left ? (size_t)s->task->batch : left;
        *first = s->next_job;
        s->next_job += n;
    }
    pthread_mutex_unlock(&s->mutex);
    return n;
}

static void report_chunk(
    struct run_shared *s, size_t first, size_t n, const struct run_work *works, size_t n_good, bool good,
    const struct tf2_error *error)
{
    pthread_mutex_lock(&s->mutex);
    while (s->n_reported != first && !s->failed)
        pthread_cond_wait(&s->turn, &s->mutex);
    for (size_t j = 0; j < n_good && !s->failed; j++)
        s->failed = !run_report_job(s->report, &works[j].result, &s->error);
    if (!good && !s->failed) {
        s->failed = true;
        s->error = *error;
    }
    if (!isatty(STDOUT_FILENO) || !s->report->text)
        cli_progress("%zu of %zu files", s->report->n_done, s->jobs->n_jobs);
    s->n_reported = first + n;
    pthread_cond_broadcast(&s->turn);
    pthread_mutex_unlock(&s->mutex);
}

static void *work(void *arg)
{
    struct run_worker *w = arg;
    const struct run_task *task = w->shared->task;
    struct run_work *works = cli_alloc((size_t)task->batch, sizeof(*works));
    size_t first = 0, n;
    while ((n = take_jobs(w->shared, &first)) > 0) {
        struct tf2_error error = {0};
        size_t n_good = 0;
        bool good = run_chunk(w, first, n, works, &n_good, &error);
        report_chunk(w->shared, first, n, works, n_good, good, &error);
        for (size_t j = 0; j < n; j++)
            finish_job(&works[j], task);
    }
    free(works);
    return NULL;
}

static void worker_init(struct run_worker *w, struct run_shared *shared)
{
    const struct run_task *task = shared->task;
    w->shared = shared;
    for (size_t i = 0; i < task->info.n_inputs; i++)
        w->inputs[i] = cli_alloc((size_t)tf2_shape_count(&task->inputs[i].shape), sizeof(float));
    for (size_t o = 0; o < task->info.n_outputs; o++)
        w->outputs[o] = cli_alloc((size_t)tf2_shape_count(&task->outputs[o].shape), sizeof(float));
}

static void worker_finish(struct run_worker *w)
{
    for (size_t i = 0; i < w->shared->task->info.n_inputs; i++)
        free(w->inputs[i]);
    for (size_t o = 0; o < w->shared->task->info.n_outputs; o++)
        free(w->outputs[o]);
}

int run_jobs_run(
    const struct run_task *task, const struct run_jobs *jobs, struct tf2_client *client,
    struct tf2_accelerator *accelerator, size_t n_threads, struct run_report *report)
{
    struct run_shared shared = {.task = task, .jobs = jobs, .report = report};
    struct run_worker *workers = cli_alloc(n_threads, sizeof(*workers));
    size_t n_started = 0;
    pthread_mutex_init(&shared.mutex, NULL);
    pthread_cond_init(&shared.turn, NULL);
    for (size_t k = 0; k < n_threads; k++) {
        workers[k].client = client;
        workers[k].accelerator = accelerator;
        worker_init(&workers[k], &shared);
    }
    /* The first worker is this thread; should others not start, it does all. */
    for (size_t k = 1; k < n_threads; k++) {
        if (pthread_create(&workers[k].thread, NULL, work, &workers[k]) != 0)
            break;
        n_started = k;
    }
    work(&workers[0]);
    for (size_t k = 1; k <= n_started; k++)
        pthread_join(workers[k].thread, NULL);
    for (size_t k = 0; k < n_threads; k++)
        worker_finish(&workers[k]);
    free(workers);
    pthread_cond_destroy(&shared.turn);
    pthread_mutex_destroy(&shared.mutex);
    cli_progress_clear();
    return shared.failed ? cli_fail("%s", shared.error.message) : 0;
}
