/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_device.h: a device that forwards everything to a real one, and fails, hangs, lies or dawdles when
 * told.
 *
 *     engine ─ fault device ─ host (or cl:N)
 *                   ▲
 *              fault_control: what goes wrong, from any thread, at any time
 */
#ifndef TF2_TEST_FAULT_DEVICE_H
#define TF2_TEST_FAULT_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/devices.h"

enum fault_kind {
    FAULT_COMPILE,
    FAULT_OPEN,
    FAULT_WRITE,
    FAULT_RUN,    /* fails before anything is computed */
    FAULT_FINISH, /* fails when all is computed */
    FAULT_READ,
    FAULT_HANG,       /* in run: until the hang's end, then it computes */
    FAULT_HANG_WRITE, /* the same in write, where the caller's data is in use */
    FAULT_HANG_COMPILE,
    FAULT_HANG_OPEN,
    FAULT_WRONG,      /* a bit of what is read is another one */
    FAULT_KINDS,
};

#define FAULT_ALWAYS UINT32_MAX

/* Belongs to the test and outlives the device. */
struct fault_control {
    atomic_uint skip[FAULT_KINDS];        /* so many calls from now on are not at fault, then */
    atomic_uint next[FAULT_KINDS];        /* so many are; FAULT_ALWAYS: all */
    atomic_uint per_million[FAULT_KINDS]; /* and of the others so many of a million, by `seed` */
    atomic_uint_least64_t seed;
    atomic_uint n_faults[FAULT_KINDS]; /* so far */
    atomic_int status;                 /* what calls fail with; 0: TF2_ERR_DEVICE */

    /* What a run takes: a fixed part, and one for each value of the first input. In sleep, or busy. */
    atomic_uint_least64_t run_ns, value_ns;
    atomic_bool spins;

    atomic_uint n_runs;   /* begun */
    atomic_uint n_states; /* run states that are open */

    /* A hang ends when it is released, or by itself after hang_ns. */
    atomic_uint_least64_t hang_ns; /* 0: a minute, so that a broken test ends */
    pthread_mutex_t lock;
    pthread_cond_t released;
    unsigned n_releases; /* guarded */
    atomic_uint n_hanging;
};

void fault_control_init(struct fault_control *control, uint64_t seed);
void fault_control_finish(struct fault_control *control);
/* All hanging calls go on. */
void fault_release(struct fault_control *control);
/* No new faults. What hangs hangs on. */
void fault_clear(struct fault_control *control);

/* Adds a device that forwards to the one that `spec` names ("host"). id: a constant. A failure makes the test
 * fail. */
void fault_device_add(
    struct tf2_devices *devices, const char *spec, const char *id, struct fault_control *control);

#endif
