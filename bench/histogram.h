/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h: durations in classes of about 0.8 %, in fixed memory.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    7 /* 128 classes an octave */
#define HISTOGRAM_CLASSES ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t count[HISTOGRAM_CLASSES];
    uint64_t n;
    uint64_t min; /* exact */
    uint64_t max; /* exact */
    double sum;   /* exact */
};

/* Zeroed is empty. */
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_mean(const struct histogram *h);
/* The value that the share q (0...1) of all does not exceed: the nearest rank's class, by its middle. */
double histogram_quantile(const struct histogram *h, double q);

#endif
