/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_barrier.c: threads that wait for each other: nobody is early, what was written before is seen, a failure reaches
 * all, and the next round is whole again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "common/barrier.h"

#define MAX_PARTS 5
#define WAITS     300
#define ROUNDS    20

struct shared {
    struct tf2__barrier *barrier;
    uint32_t n;
    uint32_t written[MAX_PARTS]; /* plain memory: the barrier orders it */
    uint32_t wrong[MAX_PARTS];
    uint32_t has_left[MAX_PARTS];
};

struct part {
    struct shared *shared;
    uint32_t index;
    pthread_t thread;
};

/* Each writes its own number, all check all, again and again. Even waits are for writing, odd ones for reading. */
static void *count_together(void *user)
{
    struct part *part = user;
    struct shared *s = part->shared;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        tf2__barrier_enter(s->barrier, part->index);
        for (uint32_t i = 0; i < WAITS; i++) {
            s->written[part->index] = round * WAITS + i;
            if (!tf2__barrier_wait(s->barrier, part->index))
                s->wrong[part->index]++;
            for (uint32_t k = 0; k < s->n; k++)
                s->wrong[part->index] += s->written[k] != round * WAITS + i;
            if (!tf2__barrier_wait(s->barrier, part->index))
                s->wrong[part->index]++;
        }
        tf2__barrier_leave(s->barrier, part->index);
    }
    return NULL;
}

/* One part fails, after some waits of each round, but for the last round. Part 0 starts the next round when it has left:
 * the others wait for that with a barrier of their own, as a program's threads would. */
struct failing {
    struct shared *shared;
    struct tf2__barrier *start;
    uint32_t index;
    pthread_t thread;
};

static void *fail_in_turn(void *user)
{
    struct failing *part = user;
    struct shared *s = part->shared;
    tf2__barrier_enter(part->start, part->index);
    for (uint32_t round = 0; round <= ROUNDS; round++) {
        const uint32_t who = round % s->n, when = round % 7;
        bool failed = false, fails = round < ROUNDS;
        tf2__barrier_wait(part->start, part->index);
        tf2__barrier_enter(s->barrier, part->index);
        if (tf2__barrier_failed(s->barrier, part->index) < s->n && part->index == who)
            s->wrong[part->index]++;
        for (uint32_t i = 0; i < 10 && !failed; i++) {
            if (fails && part->index == who && i == when) {
                s->written[who] = round;
                tf2__barrier_fail(s->barrier, who);
                failed = true;
            } else {
                failed = !tf2__barrier_wait(s->barrier, part->index);
                if (failed &&
                    (!fails || i + 1 < when)) /* who still waits for the last time hears of it too */
                    s->wrong[part->index]++;
            }
        }
        uint32_t first = tf2__barrier_failed(s->barrier, part->index);
        s->wrong[part->index] += failed != fails || first != (fails ? who : TF2__BARRIER_MAX_PARTS);
        s->wrong[part->index] += fails && s->written[who] != round;
        s->has_left[part->index] = round;
        tf2__barrier_leave(s->barrier, part->index);
        for (uint32_t k = 0; part->index == 0 && k < s->n; k++)
            s->wrong[0] += s->has_left[k] != round;
    }
    return NULL;
}

static uint32_t total_wrong(const struct shared *s)
{
    uint32_t wrong = 0;
    for (uint32_t k = 0; k < s->n; k++)
        wrong += s->wrong[k];
    return wrong;
}

static void nobody_is_early(void **state)
{
    (void)state;
    struct tf2_env env;
    tf2_env_defaults(&env);
    for (uint32_t n = 1; n <= MAX_PARTS; n++) {
        struct shared s = {.barrier = tf2__barrier_create(&env, n), .n = n};
        struct part parts[MAX_PARTS];
        assert_non_null(s.barrier);
        for (uint32_t i = 0; i < n; i++) {
            parts[i] = (struct part){.shared = &s, .index = i};
            assert_int_equal(pthread_create(&parts[i].thread, NULL, count_together, &parts[i]), 0);
        }
        for (uint32_t i = 0; i < n; i++)
            pthread_join(parts[i].thread, NULL);
        assert_int_equal(total_wrong(&s), 0);
        tf2__barrier_destroy(&s.barrier);
        assert_null(s.barrier);
    }
}

static void failure_reaches_all(void **state)
{
    (void)state;
    struct tf2_env env;
    tf2_env_defaults(&env);
    for (uint32_t n = 2; n <= MAX_PARTS; n++) {
        struct shared s = {.barrier = tf2__barrier_create(&env, n), .n = n};
        struct tf2__barrier *start = tf2__barrier_create(&env, n);
        struct failing parts[MAX_PARTS];
        for (uint32_t i = 0; i < n; i++) {
            parts[i] = (struct failing){.shared = &s, .start = start, .index = i};
            assert_int_equal(pthread_create(&parts[i].thread, NULL, fail_in_turn, &parts[i]), 0);
        }
        for (uint32_t i = 0; i < n; i++)
            pthread_join(parts[i].thread, NULL);
        assert_int_equal(total_wrong(&s), 0);
        tf2__barrier_destroy(&start);
        tf2__barrier_destroy(&s.barrier);
    }
}

/* Waits for a part that never comes; then leaves. */
static void *wait_in_vain(void *user)
{
    struct part *part = user;
    struct shared *s = part->shared;
    tf2__barrier_enter(s->barrier, part->index);
    s->wrong[part->index] = tf2__barrier_wait(s->barrier, part->index);
    tf2__barrier_leave(s->barrier, part->index);
    return NULL;
}

/* Part 2 hangs elsewhere, once before it entered and once behind: the others give up, part 0 leaves too. When it has
 * come back the next round is whole. */
static void abort_frees_all(void **state)
{
    struct tf2_env env;
    (void)state;
    tf2_env_defaults(&env);
    struct shared s = {.barrier = tf2__barrier_create(&env, 3), .n = 3};
    for (int entered = 0; entered <= 1; entered++) {
        struct part parts[3];
        if (entered)
            tf2__barrier_enter(s.barrier, 2);
        for (uint32_t i = 0; i < 2; i++) {
            parts[i] = (struct part){.shared = &s, .index = i};
            assert_int_equal(pthread_create(&parts[i].thread, NULL, wait_in_vain, &parts[i]), 0);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        tf2__barrier_abort(s.barrier);
        for (uint32_t i = 0; i < 2; i++)
            pthread_join(parts[i].thread, NULL);
        assert_int_equal(total_wrong(&s), 0);
        if (!entered)
            tf2__barrier_enter(s.barrier, 2);
        assert_false(tf2__barrier_wait(s.barrier, 2));
        tf2__barrier_leave(s.barrier, 2);
    }
    struct part parts[3];
    for (uint32_t i = 0; i < 3; i++) {
        parts[i] = (struct part){.shared = &s, .index = i};
        assert_int_equal(pthread_create(&parts[i].thread, NULL, wait_in_vain, &parts[i]), 0);
    }
    for (uint32_t i = 0; i < 3; i++)
        pthread_join(parts[i].thread, NULL);
    assert_int_equal(total_wrong(&s), 3); /* all waits succeeded */
    tf2__barrier_destroy(&s.barrier);
}

/* Who waits and who is waited for, as a watchdog sees it: in the middle of a round, and at its end. */
static void last_ones_are_told(void **state)
{
    struct tf2_env env;
    (void)state;
    tf2_env_defaults(&env);
    struct shared s = {.barrier = tf2__barrier_create(&env, 3), .n = 3};
    struct part parts[2];
    for (uint32_t i = 0; i < 3; i++)
        assert_true(tf2__barrier_is_last(s.barrier, i)); /* all are equally far */
    for (uint32_t i = 0; i < 2; i++) {
        parts[i] = (struct part){.shared = &s, .index = i};
        assert_int_equal(pthread_create(&parts[i].thread, NULL, wait_in_vain, &parts[i]), 0);
    }
    while (tf2__barrier_is_last(s.barrier, 0) || tf2__barrier_is_last(s.barrier, 1))
        sched_yield();
    assert_true(tf2__barrier_is_last(s.barrier, 2)); /* has not even entered */
    tf2__barrier_enter(s.barrier, 2);
    assert_true(tf2__barrier_is_last(s.barrier, 2));
    assert_false(tf2__barrier_is_last(s.barrier, 0));
    assert_true(tf2__barrier_wait(s.barrier, 2));
    pthread_join(parts[1].thread, NULL);
    assert_false(tf2__barrier_is_last(s.barrier, 1)); /* has left */
    assert_true(tf2__barrier_is_last(s.barrier, 2));
    tf2__barrier_leave(s.barrier, 2);
    pthread_join(parts[0].thread, NULL);
    tf2__barrier_destroy(&s.barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_early),
        cmocka_unit_test(failure_reaches_all),
        cmocka_unit_test(abort_frees_all),
        cmocka_unit_test(last_ones_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
