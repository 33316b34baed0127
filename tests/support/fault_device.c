/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_device.c: every call asks fault() whether it is at fault now, then goes to the inner device.
 * Executables and run states wrap those of the inner device.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fault_device.h"

#include "common/clock.h"
#include "common/list.h"

#define LONGEST_HANG_NS 60000000000u

struct fault_device {
    struct tf2__device base;
    struct tf2_devices *inner_devices;
    struct tf2__device *inner;
    struct fault_control *control;
};

struct tf2__executable {
    struct tf2__executable *inner;
    const struct tf2__plan *plan;
};

struct tf2__run_state {
    struct fault_device *device;
    struct tf2__run_state *inner;
    uint64_t n_values; /* of the first input */
};

static struct fault_device *fault_of(struct tf2__device *device)
{
    return TF2__CONTAINER(device, struct fault_device, base);
}

/* --- control --- */

void fault_control_init(struct fault_control *control, uint64_t seed)
{
    pthread_condattr_t attributes;
    memset(control, 0, sizeof(*control));
    atomic_store(&control->seed, seed);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&control->released, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&control->lock, NULL);
}

void fault_control_finish(struct fault_control *control)
{
    pthread_cond_destroy(&control->released);
    pthread_mutex_destroy(&control->lock);
}

void fault_release(struct fault_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->n_releases++;
    pthread_cond_broadcast(&control->released);
    pthread_mutex_unlock(&control->lock);
}

void fault_clear(struct fault_control *control)
{
    for (int i = 0; i < FAULT_KINDS; i++) {
        atomic_store(&control->skip[i], 0);
        atomic_store(&control->next[i], 0);
        atomic_store(&control->per_million[i], 0);
    }
}

/* splitmix64 (S. Vigna), so that threads can share a sequence. */
static uint64_t draw(struct fault_control *control)
{
    uint64_t z = atomic_fetch_add(&control->seed, 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool count_down(atomic_uint *counter)
{
    unsigned left = atomic_load(counter);
    while (left > 0) {
        if (atomic_compare_exchange_weak(counter, &left, left - 1))
            return true;
    }
    return false;
}

static bool is_next(struct fault_control *control, enum fault_kind kind)
{
    if (count_down(&control->skip[kind]))
        return false;
    return atomic_load(&control->next[kind]) == FAULT_ALWAYS || count_down(&control->next[kind]);
}

/* Whether this call is at fault. */
static bool fault(struct fault_control *control, enum fault_kind kind)
{
    const unsigned per_million = atomic_load(&control->per_million[kind]);
    bool at_fault = is_next(control, kind) || (per_million && draw(control) % 1000000 < per_million);
    if (at_fault)
        atomic_fetch_add(&control->n_faults[kind], 1);
    return at_fault;
}

static enum tf2_status refuse(struct fault_device *device, const char *what, struct tf2_error *error)
{
    const int status = atomic_load(&device->control->status);
    return tf2__fail(
        error, status ? (enum tf2_status)status : TF2_ERR_DEVICE, "device %s: %s failed on purpose",
        device->base.info.id, what);
}

static struct timespec time_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static void hang(struct fault_control *control)
{
    const uint64_t ns = atomic_load(&control->hang_ns);
    const struct timespec until = time_of(tf2__clock_ns() + (ns ? ns : LONGEST_HANG_NS));
    pthread_mutex_lock(&control->lock);
    const unsigned seen = control->n_releases;
    int timed_out = 0;
    atomic_fetch_add(&control->n_hanging, 1);
    while (control->n_releases == seen && !timed_out)
        timed_out = pthread_cond_timedwait(&control->released, &control->lock, &until);
    atomic_fetch_sub(&control->n_hanging, 1);
    pthread_mutex_unlock(&control->lock);
}

static void dawdle(const struct tf2__run_state *state)
{
    struct fault_control *control = state->device->control;
    const uint64_t ns = atomic_load(&control->run_ns) + atomic_load(&control->value_ns) * state->n_values;
    const uint64_t until_ns = tf2__clock_ns() + ns;
    const struct timespec until = time_of(until_ns);
    if (ns && !atomic_load(&control->spins))
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    while (ns && tf2__clock_ns() < until_ns)
        ;
}

/* --- the device --- */

static void fault_destroy(struct tf2__device *base)
{
    struct fault_device *device = fault_of(base);
    struct tf2_env env = base->env;
    tf2_devices_close(&device->inner_devices);
    tf2__free(&env, device);
}

static enum tf2_status fault_choose(struct tf2__device *base, struct tf2__plan *plan, struct tf2_error *error)
{
    struct tf2__device *inner = fault_of(base)->inner;
    return inner->ops->choose(inner, plan, error);
}

static enum tf2_status fault_compile(
    struct tf2__device *base, struct tf2__plan *plan, const struct tf2__executable *like,
    struct tf2__executable **out, struct tf2_error *error)
{
    struct fault_device *device = fault_of(base);
    if (fault(device->control, FAULT_HANG_COMPILE))
        hang(device->control);
    if (fault(device->control, FAULT_COMPILE))
        return refuse(device, "compile", error);
    struct tf2__executable *executable = tf2__calloc(&base->env, 1, sizeof(*executable));
    if (!executable)
        return tf2__fail_memory(error, sizeof(*executable), "an executable");
    executable->plan = plan;
    enum tf2_status status = device->inner->ops->compile(
        device->inner, plan, like ? like->inner : NULL, &executable->inner, error);
    if (status != TF2_OK)
        tf2__free(&base->env, executable);
    else
        *out = executable;
    return status;
}

static void fault_release_executable(struct tf2__device *base, struct tf2__executable *executable)
{
    struct tf2__device *inner = fault_of(base)->inner;
    inner->ops->release(inner, executable->inner);
    tf2__free(&base->env, executable);
}

static enum tf2_status fault_open(
    struct tf2__device *base, const struct tf2__executable *executable, const struct tf2__part *part,
    struct tf2__run_state **out, struct tf2_error *error)
{
    struct fault_device *device = fault_of(base);
    struct tf2__part inner_part = *part;
    if (fault(device->control, FAULT_HANG_OPEN))
        hang(device->control);
    if (fault(device->control, FAULT_OPEN))
        return refuse(device, "open", error);
    struct tf2__run_state *state = tf2__calloc(&base->env, 1, sizeof(*state));
    if (!state)
        return tf2__fail_memory(error, sizeof(*state), "a run state");
    inner_part.primary = part->primary ? part->primary->inner : NULL;
    state->device = device;
    state->n_values =
        (uint64_t)tf2_shape_count(&executable->plan->tensors[executable->plan->inputs[0]].shape);
    enum tf2_status status =
        device->inner->ops->open(device->inner, executable->inner, &inner_part, &state->inner, error);
    if (status != TF2_OK) {
        tf2__free(&base->env, state);
        return status;
    }
    atomic_fetch_add(&device->control->n_states, 1);
    *out = state;
    return TF2_OK;
}

static void fault_close(struct tf2__device *base, struct tf2__run_state *state)
{
    struct fault_device *device = fault_of(base);
    if (!state)
        return;
    device->inner->ops->close(device->inner, state->inner);
    atomic_fetch_sub(&device->control->n_states, 1);
    tf2__free(&base->env, state);
}

static enum tf2_status fault_write(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, const void *data,
    struct tf2_error *error)
{
    struct fault_control *control = state->device->control;
    if (fault(control, FAULT_HANG_WRITE))
        hang(control);
    if (fault(control, FAULT_WRITE))
        return refuse(state->device, "write", error);
    return state->device->inner->ops->write(state->inner, tensor, offset_bytes, size_bytes, data, error);
}

static enum tf2_status fault_read(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, void *data,
    struct tf2_error *error)
{
    struct fault_control *control = state->device->control;
    if (fault(control, FAULT_READ))
        return refuse(state->device, "read", error);
    TF2__TRY(state->device->inner->ops->read(state->inner, tensor, offset_bytes, size_bytes, data, error));
    if (size_bytes && fault(control, FAULT_WRONG))
        ((unsigned char *)data)[draw(control) % size_bytes] ^= (unsigned char)(1u << draw(control) % 8);
    return TF2_OK;
}

static bool fault_lend(struct tf2__run_state *state, uint32_t input, const void *data)
{
    const struct tf2__device_ops *inner = state->device->inner->ops;
    return inner->lend && inner->lend(state->inner, input, data);
}

static enum tf2_status fault_run(
    struct tf2__run_state *state, uint32_t first, uint32_t last, struct tf2__barrier *barrier, uint64_t *ns,
    struct tf2_error *error)
{
    struct fault_control *control = state->device->control;
    atomic_fetch_add(&control->n_runs, 1);
    if (fault(control, FAULT_HANG))
        hang(control);
    if (fault(control, FAULT_RUN))
        return refuse(state->device, "run", error);
    dawdle(state);
    return state->device->inner->ops->run(state->inner, first, last, barrier, ns, error);
}

static enum tf2_status fault_finish(struct tf2__run_state *state, struct tf2_error *error)
{
    TF2__TRY(state->device->inner->ops->finish(state->inner, error));
    return fault(state->device->control, FAULT_FINISH) ? refuse(state->device, "finish", error) : TF2_OK;
}

static void fault_stats(const struct tf2__run_state *state, struct tf2__device_stats *stats)
{
    state->device->inner->ops->stats(state->inner, stats);
}

static const struct tf2__device_ops fault_ops = {
    .destroy = fault_destroy,
    .choose = fault_choose,
    .compile = fault_compile,
    .release = fault_release_executable,
    .open = fault_open,
    .close = fault_close,
    .write = fault_write,
    .read = fault_read,
    .lend = fault_lend,
    .run = fault_run,
    .finish = fault_finish,
    .stats = fault_stats,
};

void fault_device_add(
    struct tf2_devices *devices, const char *spec, const char *id, struct fault_control *control)
{
    const struct tf2_env *env = tf2__devices_env(devices);
    struct tf2_error error = {0};
    struct fault_device *device = tf2__calloc(env, 1, sizeof(*device));
    if (!device || tf2_devices_open(spec, env, &device->inner_devices, &error) != TF2_OK)
        fail_msg("%s: %s", spec, error.message);
    device->inner = tf2__devices_get(device->inner_devices, 0);
    device->control = control;
    device->base = *device->inner;
    device->base.ops = &fault_ops;
    device->base.info.id = id;
    if (tf2__devices_add(devices, &device->base, &error) != TF2_OK)
        fail_msg("%s", error.message);
}
