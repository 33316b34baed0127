/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counting_env.h: an environment that counts what is allocated, makes allocations fail, and keeps the log.
 */
#ifndef TF2_TEST_COUNTING_ENV_H
#define TF2_TEST_COUNTING_ENV_H

#include <pthread.h>
#include <stdatomic.h>

#include <tf2/common.h>

/* An environment that counts, and fails when told. Threads may share it. */
struct counting_env {
    struct tf2_env env;
    atomic_long n_allocs;  /* since the start */
    atomic_long n_live;    /* not released yet */
    atomic_long countdown; /* the allocation that fails: 1 is the next one; 0: none */
    bool keeps_failing;    /* all after it fail too */
    char log[16384];       /* all messages, one per line */
    size_t log_used;
    pthread_mutex_t log_lock;
};

void counting_env_init(struct counting_env *counting);

#endif
