/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h: runs models on devices as fast as they go, through an engine, and measures.
 */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <tf2/tf2.h>

#include "histogram.h"

#define BENCH_MAX_MODELS  8
#define BENCH_MAX_DEVICES 64

/* What is measured. The models run one after the other, all of them make one image's work. */
struct bench_setup {
    struct tf2_model *models[BENCH_MAX_MODELS];
    size_t n_models;
    struct tf2_devices *devices;
    struct tf2_load_options load;
    size_t n_inflight; /* runs at the same time; 0: as many as keep all devices busy */
    double duration_s;
    double warmup_s;
    uint64_t seed;     /* of the input values */
    size_t n_events;   /* runs to remember for a trace; 0: none */
};

struct bench_device {
    const char *id;
    uint64_t busy_ns, n_items; /* during the measurement */
};

struct bench_result {
    struct tf2_engine *engine; /* NULL: not made yet */
    struct tf2_client *client;
    struct tf2_accelerator *accelerators[BENCH_MAX_MODELS];
    struct bench_device devices[BENCH_MAX_DEVICES];
    size_t n_devices;
    size_t n_inflight;
    int64_t images_per_run;
    int64_t macs_per_run;
    struct tf2_accelerator_stats stats; /* the models' sums */
    uint64_t n_runs;
    double wall_s;
    struct histogram latency_ns;
};

/* The next number of a sequence that *state is the seed of, evenly spread over -1 ... 1. */
float bench_random_value(uint64_t *state);
/* Makes the engine and loads the models. Call bench_finish whether it succeeds or not. */
enum tf2_status
bench_prepare(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error);
/* Warms up and measures. */
enum tf2_status
bench_measure(const struct bench_setup *setup, struct bench_result *result, struct tf2_error *error);
void bench_finish(const struct bench_setup *setup, struct bench_result *result);

#endif
