/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_bench.h: what the figures of tf2-sched-bench share.
 */
#ifndef BENCH_SCHED_BENCH_H
#define BENCH_SCHED_BENCH_H

#include "sched_load.h"

#define SCHED_MAX_ROWS 64

struct sched_row {
    char what[96];
    char asked[32]; /* "": nothing */
    char measured[64];
    double value; /* for JSON; what it is the unit says */
    const char *unit;
};

struct sched_bench {
    struct tf2_devices *devices;
    size_t n_devices;
    double duration_s; /* of each measurement */
    struct sched_row rows[SCHED_MAX_ROWS];
    size_t n_rows;
    /* The networks, int8, made when they are first needed. */
    struct tf2_model *squeezenet, *resnet50;
};

/* Adds a row. asked NULL: nothing. format: of what is measured. */
void sched_report(
    struct sched_bench *bench, const char *asked, double value, const char *unit, const char *format, ...)
    TF2_PRINTF(5, 6);

/* Figures: 0, or 1 after a message. */
int sched_overhead(struct sched_bench *bench);
int sched_scaling(struct sched_bench *bench);
int sched_fairness(struct sched_bench *bench);
int sched_greedy(struct sched_bench *bench);
int sched_exclusive(struct sched_bench *bench);
int sched_split(struct sched_bench *bench);
int sched_pipeline(struct sched_bench *bench);
int sched_streaming(struct sched_bench *bench);

/* The built-in network, quantized to int8; the bench owns it. NULL after a message. */
struct tf2_model *sched_squeezenet(struct sched_bench *bench);
struct tf2_model *sched_resnet50(struct sched_bench *bench);

#endif
