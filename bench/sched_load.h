/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_load.h: clients that keep an engine busy, for tf2-sched-bench.
 */
#ifndef BENCH_SCHED_LOAD_H
#define BENCH_SCHED_LOAD_H

#include <stdatomic.h>

#include <tf2/engine.h>
#include <tf2/tf2.h>

#include "histogram.h"

#define SCHED_MAX_TENSORS 16

struct sched_slot;

/* A client with `depth` requests under way all the time: each is submitted again in its callback. */
struct sched_load {
    struct tf2_client *client;
    struct tf2_accelerator *accelerator;
    unsigned depth;
    bool once;                       /* they are not submitted again */
    void *inputs[SCHED_MAX_TENSORS]; /* random, shared by all its requests */
    size_t n_inputs, n_outputs;
    struct sched_slot *slots;
    atomic_bool stop;
    atomic_uint n_open;
    _Atomic uint64_t n_done, n_failed;
    atomic_bool counts; /* latencies are noted */
    struct histogram *latency_ns;
    atomic_flag busy; /* guards latency_ns */
};

/* Makes the client and its buffers; nothing runs yet. options NULL: defaults. 0, or 1 after a message. */
int sched_load_open(
    struct sched_load *load, struct tf2_engine *engine, struct tf2_accelerator *accelerator, unsigned depth,
    const struct tf2_client_options *options);
/* All requests are submitted. */
int sched_load_start(struct sched_load *load);
/* Waits for all of them. 0, or 1 after a message when some failed. */
int sched_load_stop(struct sched_load *load);
/* After sched_load_stop, or of a load that was not started, or runs once: then what waits is cancelled. */
void sched_load_close(struct sched_load *load);

/* One request, waited for. Its time is added to latency_ns. */
int sched_load_once(struct sched_load *load);

/* Requests a second and latencies (from now on) over `duration_s`, of a load that has been started. */
double sched_load_rate(struct sched_load *load, double duration_s);

uint64_t sched_now_ns(void);
void sched_sleep_s(double seconds);

#endif
