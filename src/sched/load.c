/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c: loading in a thread of its own, which can be left behind when a device hangs.
 *
 *     caller   ── thread ── waits, looks at the clock ──────────┬── done: takes the accelerator
 *                   │                                           └── given up: the device is hung; again, without it
 *     loader        └── enter, call to a device, leave, enter, ... ── end
 *
 * Before each call to a device the loader says which one it is. A loader that was given up finds out before its next call; it
 * frees the accelerator that it was making, and says that the device has returned. It has references to all that it uses.
 */
#include "sched/internal.h"

struct tf2__load {
    struct tf2_accelerator *accelerator;
    enum tf2_objective objective;
    uint32_t workers[64], n_workers;
    uint64_t planned; /* whose budget it holds */
    pthread_cond_t changed;
    bool done, given_up;
    enum tf2_status status;
    struct tf2_error error;
    uint64_t inside;   /* workers whose device is called now; 0: none */
    uint64_t since_ns; /* since when */
    const struct tf2__stage *stage; /* a split that runs there */
    uint64_t hung;     /* workers that it was given up for */
};

/* --- the loader's thread --- */

enum tf2_status tf2__load_enter(
    const struct tf2_accelerator *accelerator, uint64_t workers, const struct tf2__stage *split, struct tf2_error *error)
{
    struct tf2__load *load = accelerator->load;
    tf2__lock(accelerator->engine);
    bool given_up = load->given_up;
    load->inside = workers;
    load->since_ns = tf2__clock_ns();
    load->stage = split;
    pthread_cond_signal(&load->changed);
    tf2__unlock(accelerator->engine);
    return given_up ? tf2__fail(error, TF2_ERR_CANCELLED, "loading was given up") : TF2_OK;
}

void tf2__load_leave(const struct tf2_accelerator *accelerator)
{
    tf2__lock(accelerator->engine);
    accelerator->load->inside = 0;
    tf2__unlock(accelerator->engine);
}

/* The lock is held. */
static void free_load(struct tf2_engine *engine, struct tf2__load *load)
{
    pthread_cond_destroy(&load->changed);
    tf2__free(&engine->env, load);
}

/* What a loader does that nobody waits for any more. The lock is held, and given up. */
static void end_alone(struct tf2_engine *engine, struct tf2__load *load)
{
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if (load->hung >> i & 1)
            tf2__worker_load_came_back(&engine->workers[i]);
    }
    load->accelerator->n_handles--;
    tf2__accelerator_unref(load->accelerator);
    free_load(engine, load);
    engine->n_hung_loads--;
    tf2__engine_unref_unlock(engine);
}

static void *loader_main(void *user)
{
    struct tf2__load *load = user;
    struct tf2_engine *engine = load->accelerator->engine;
    load->status =
        tf2__accelerator_fill(load->accelerator, load->objective, load->workers, load->n_workers, &load->error);
    tf2__lock(engine);
    load->inside = 0;
    load->done = true;
    if (load->given_up) {
        end_alone(engine, load);
        return NULL;
    }
    pthread_cond_signal(&load->changed);
    tf2__engine_unref_unlock(engine);
    return NULL;
}

/* --- the caller --- */

/* Those of the devices in the present call that are stuck: of a split those that others wait for. */
static uint64_t find_stuck(const struct tf2__load *load)
{
    uint64_t stuck = load->inside;
    for (uint32_t i = 0; load->stage && i < load->stage->n_parts; i++) {
        if (tf2__instance_waits(load->stage->instances[0], i))
            stuck &= ~((uint64_t)1 << load->stage->workers[i]);
    }
    return stuck ? stuck : load->inside;
}

static void give_up(struct tf2_engine *engine, struct tf2__load *load, struct tf2__link *deliver)
{
    load->given_up = true;
    load->hung = find_stuck(load);
    engine->n_hung_loads++;
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        if (load->hung >> i & 1)
            tf2__worker_load_hangs(&engine->workers[i], deliver);
    }
    if (load->stage)
        tf2__instance_abort(load->stage->instances[0]);
    tf2__budget_release(engine, &load->planned);
}

/* Until the loader is done, or hangs. The lock is held. */
static void wait_for_loader(struct tf2_engine *engine, struct tf2__load *load, struct tf2__link *deliver)
{
    while (!load->done && !load->given_up) {
        uint64_t until_ns = TF2_FOREVER;
        if (load->inside)
            until_ns = tf2__engine_later(load->since_ns, engine->options.load_watchdog_ns);
        if (tf2__clock_ns() >= until_ns)
            give_up(engine, load, deliver);
        else
            tf2__engine_wait(engine, &load->changed, until_ns);
    }
}

static enum tf2_status start(struct tf2_engine *engine, struct tf2__load *load, pthread_t *thread, struct tf2_error *error)
{
    engine->n_refs++;
    load->accelerator->load = load;
    if (pthread_create(thread, NULL, loader_main, load) == 0)
        return TF2_OK;
    engine->n_refs--; /* the accelerator has one */
    return tf2__fail(error, TF2_ERR_THREAD, "a thread for loading cannot be started");
}

enum tf2_status tf2__load_run(
    struct tf2_accelerator *accelerator, enum tf2_objective objective, const uint32_t *workers, uint32_t n_workers,
    uint64_t *hung, struct tf2_error *error)
{
    struct tf2_engine *engine = accelerator->engine;
    struct tf2__link deliver;
    pthread_t thread;
    struct tf2__load *load = tf2__calloc(&engine->env, 1, sizeof(*load));
    *hung = 0;
    if (!load)
        return tf2__fail_memory(error, sizeof(*load), "loading");
    if (!tf2__engine_cond_init(&load->changed)) {
        tf2__free(&engine->env, load);
        return tf2__fail(error, TF2_ERR_THREAD, "a condition cannot be made");
    }
    load->accelerator = accelerator;
    load->objective = objective;
    load->n_workers = n_workers;
    memcpy(load->workers, workers, n_workers * sizeof(*workers));
    tf2__list_init(&deliver);
    tf2__lock(engine);
    tf2__budget_acquire(engine, workers, n_workers, &load->planned);
    enum tf2_status status = start(engine, load, &thread, error);
    if (status == TF2_OK)
        wait_for_loader(engine, load, &deliver);
    if (load->given_up) {
        *hung = load->hung;
        tf2__unlock(engine);
        pthread_detach(thread);
        tf2__requests_deliver(engine, &deliver);
        return TF2_ERR_TIMEOUT;
    }
    tf2__budget_release(engine, &load->planned);
    tf2__unlock(engine);
    if (status == TF2_OK) {
        pthread_join(thread, NULL);
        status = load->status;
        if (status != TF2_OK && error)
            *error = load->error;
    }
    accelerator->load = NULL;
    free_load(engine, load);
    return status;
}
