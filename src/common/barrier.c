/* SPDX-License-Identifier: Apache-2.0 */
/*
 * barrier.c: see barrier.h. A part's counter is round << WAIT_BITS | waits; all ones in the lower bits: it has left.
 */
#include "common/barrier.h"

#include <sched.h>
#include <stdatomic.h>

#include "common/pause.h"

#define WAIT_BITS 20
#define LEFT      (((uint64_t)1 << WAIT_BITS) - 1)
#define PART_BITS 10
/* Before it lets others run: some microseconds. */
#define SPINS 200

struct place {
    _Alignas(TF2__ALIGNMENT) _Atomic uint64_t at; /* a cache line each */
};

struct tf2__barrier {
    struct tf2_env env;
    uint32_t n;
    struct place *places;
    _Atomic uint64_t
        failed; /* the last failed round << PART_BITS | the part that failed first in it; 0: none yet */
    _Atomic uint64_t aborted; /* the last round that was aborted */
};

struct tf2__barrier *tf2__barrier_create(const struct tf2_env *env, uint32_t n_parts)
{
    assert(n_parts > 0 && n_parts <= TF2__BARRIER_MAX_PARTS);
    struct tf2__barrier *barrier = tf2__calloc(env, 1, sizeof(*barrier));
    if (!barrier)
        return NULL;
    barrier->env = *env;
    barrier->n = n_parts;
    barrier->places = tf2__calloc(env, n_parts, sizeof(*barrier->places));
    if (!barrier->places)
        tf2__barrier_destroy(&barrier);
    return barrier;
}

void tf2__barrier_destroy(struct tf2__barrier **handle)
{
    if (!*handle)
        return;
    struct tf2_env env = (*handle)->env;
    tf2__free(&env, (*handle)->places);
    tf2__free(&env, *handle);
    *handle = NULL;
}

static uint64_t own(const struct tf2__barrier *barrier, uint32_t part)
{
    return atomic_load_explicit(&barrier->places[part].at, memory_order_relaxed);
}

static void publish(struct tf2__barrier *barrier, uint32_t part, uint64_t at)
{
    atomic_store_explicit(&barrier->places[part].at, at, memory_order_release);
}

static uint64_t round_of(uint64_t at)
{
    return at >> WAIT_BITS;
}

static bool has_failed(const struct tf2__barrier *barrier, uint64_t round)
{
    return atomic_load_explicit(&barrier->failed, memory_order_acquire) >> PART_BITS == round;
}

static void relax(uint32_t *spins)
{
    if (++*spins >= SPINS) {
        *spins = 0;
        sched_yield();
        return;
    }
    tf2__pause();
}

void tf2__barrier_enter(struct tf2__barrier *barrier, uint32_t part)
{
    publish(barrier, part, (round_of(own(barrier, part)) + 1) << WAIT_BITS);
}

static bool is_aborted(const struct tf2__barrier *barrier, uint64_t round)
{
    return atomic_load_explicit(&barrier->aborted, memory_order_acquire) == round;
}

/* Until all counters are at least `at`; false: a part of the round failed first (watch), or it was aborted. */
static bool wait_for(struct tf2__barrier *barrier, uint32_t part, uint64_t at, bool watch)
{
    uint32_t spins = 0;
    for (uint32_t i = 0; i < barrier->n; i++) {
        if (i == part)
            continue;
        while (atomic_load_explicit(&barrier->places[i].at, memory_order_acquire) < at) {
            if (is_aborted(barrier, round_of(at)) || (watch && has_failed(barrier, round_of(at))))
                return false;
            relax(&spins);
        }
    }
    return !is_aborted(barrier, round_of(at)) && !(watch && has_failed(barrier, round_of(at)));
}

bool tf2__barrier_wait(struct tf2__barrier *barrier, uint32_t part)
{
    uint64_t at = own(barrier, part) + 1;
    assert((at & LEFT) != LEFT);
    publish(barrier, part, at);
    return wait_for(barrier, part, at, true);
}

void tf2__barrier_fail(struct tf2__barrier *barrier, uint32_t part)
{
    uint64_t round = round_of(own(barrier, part)), now = round << PART_BITS | part;
    uint64_t before = atomic_load_explicit(&barrier->failed, memory_order_relaxed);
    while (before >> PART_BITS != round) {
        if (atomic_compare_exchange_weak_explicit(
                &barrier->failed, &before, now, memory_order_acq_rel, memory_order_relaxed))
            break;
    }
}

void tf2__barrier_abort(struct tf2__barrier *barrier)
{
    uint64_t round = 0; /* some parts may not have entered yet */
    for (uint32_t i = 0; i < barrier->n; i++)
        round = TF2__MAX(round, round_of(atomic_load_explicit(&barrier->places[i].at, memory_order_acquire)));
    atomic_store_explicit(&barrier->aborted, round, memory_order_release);
}

uint32_t tf2__barrier_failed(const struct tf2__barrier *barrier, uint32_t part)
{
    uint64_t failed = atomic_load_explicit(&barrier->failed, memory_order_acquire);
    bool now = failed >> PART_BITS == round_of(own(barrier, part));
    return now ? (uint32_t)(failed & (((uint64_t)1 << PART_BITS) - 1)) : TF2__BARRIER_MAX_PARTS;
}

bool tf2__barrier_is_last(const struct tf2__barrier *barrier, uint32_t part)
{
    const uint64_t at = atomic_load_explicit(&barrier->places[part].at, memory_order_acquire);
    for (uint32_t i = 0; i < barrier->n; i++) {
        if (atomic_load_explicit(&barrier->places[i].at, memory_order_acquire) < at)
            return false;
    }
    return true;
}

void tf2__barrier_leave(struct tf2__barrier *barrier, uint32_t part)
{
    uint64_t at = own(barrier, part) | LEFT;
    publish(barrier, part, at);
    if (part == 0)
        (void)wait_for(barrier, part, at, false);
}
