/* SPDX-License-Identifier: Apache-2.0 */
/*
 * barrier.h: where the threads that share one run wait for each other.
 *
 * Every part has a counter of its own that only it writes: the round (a run) and how many times it has waited in it. To
 * wait is to count and to watch the others' counters reach the same: some microseconds of spinning, then
 * sched_yield. Nothing has to be reset, so a part that failed cannot leave the barrier in a state in which others hang:
 * it names its round as failed, and everybody who waits in that round gives up.
 *
 *     enter ── wait ── wait ── ... ── wait ── leave          each part, once per round
 *                        └─ fail ──────────────┘
 *
 * All parts have to enter every round, also the one after a failure, and wait equally often. Rounds follow one another:
 * part 0 leaves last, and nobody may enter the next round before it has left.
 */
#ifndef TF2__COMMON_BARRIER_H
#define TF2__COMMON_BARRIER_H

#include "common/base.h"

#define TF2__BARRIER_MAX_PARTS 1024

struct tf2__barrier;

/* n_parts: 1 .. TF2__BARRIER_MAX_PARTS. NULL when out of memory. */
struct tf2__barrier *tf2__barrier_create(const struct tf2_env *env, uint32_t n_parts);
/* NULL is allowed. Not while a part is between enter and leave. */
void tf2__barrier_destroy(struct tf2__barrier **barrier);

void tf2__barrier_enter(struct tf2__barrier *barrier, uint32_t part);
/* Returns when all parts have waited as often in this round, or at once when one of them has failed. What the others
 * wrote before is visible then. False: a part has failed. */
bool tf2__barrier_wait(struct tf2__barrier *barrier, uint32_t part);
/* This part has failed, and will leave next. */
void tf2__barrier_fail(struct tf2__barrier *barrier, uint32_t part);
/* By a thread that is no part: the present round ends. Nobody waits any more in it, part 0 not even for parts that have
 * not left; the next round must not begin before they have. */
void tf2__barrier_abort(struct tf2__barrier *barrier);
/* The part that failed first in this round, as far as `part` can know; none: TF2__BARRIER_MAX_PARTS. What it wrote
 * before it failed is visible. */
uint32_t tf2__barrier_failed(const struct tf2__barrier *barrier, uint32_t part);
/* By any thread: whether no part has come less far than this one. False: it waits for one that has, or has left before it. */
bool tf2__barrier_is_last(const struct tf2__barrier *barrier, uint32_t part);
/* Part 0 returns when all have left. */
void tf2__barrier_leave(struct tf2__barrier *barrier, uint32_t part);

#endif
