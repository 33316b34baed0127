/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h: runs models on devices as fast as they go, and measures.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <tf2/tf2.h>

#include "histogram.h"

#define BENCH_MAX_MODELS 8

/* What is measured. The models run one after the other, all of them make one image's work. */
struct bench_setup {
    struct tf2_model *models[BENCH_MAX_MODELS];
    size_t n_models;
    struct tf2_devices *devices;
    size_t n_workers; /* the first so many devices work */
    struct tf2_session_options session;
    double duration_s;
    double warmup_s;
    uint64_t seed;   /* of the input values */
    size_t n_events; /* runs to remember for each device, for a trace; 0: none */
};

struct bench_event {
    uint64_t start_ns; /* since the start of the measurement */
    uint64_t end_ns;
};

struct bench_worker {
    struct tf2_session *sessions[BENCH_MAX_MODELS];
    float **inputs[BENCH_MAX_MODELS];
    float **outputs[BENCH_MAX_MODELS];
    struct histogram *latency_ns;
    struct bench_event *events;
    size_t n_events;
    uint64_t n_runs;
    uint64_t busy_ns;
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t streamed_bytes, transfer_ns, stall_ns; /* see struct bench_result */
    _Alignas(64) _Atomic uint64_t n_live; /* runs so far, for the progress line */
    struct tf2_error error;
    enum tf2_status status;
};

struct bench_result {
    struct bench_worker *workers;
    size_t n_workers;
    int64_t images_per_run;
    int64_t macs_per_run;
    size_t weights_bytes; /* of one device */
    size_t arena_bytes;   /* of one device */
    size_t live_bytes;    /* the least that arena_bytes could be */
    uint64_t n_runs;
    double wall_s;
    uint64_t streamed_bytes; /* of weights, on all devices, while it was measured */
    uint64_t transfer_ns;    /* what that took, */
    uint64_t stall_ns;       /* and how much of it runs waited for */
    struct histogram latency_ns;
};

/* The next number of a sequence that *state is the seed of, evenly spread over -1 ... 1. */
float bench_random_value(uint64_t *state);
/* Makes sessions and buffers. Call bench_finish whether it succeeds or not. */
enum tf2_status
bench_prepare(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error);
/* Warms up and measures. */
enum tf2_status
bench_measure(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error);
void bench_finish(const struct bench_setup *setup, struct bench_result *result);

#endif
