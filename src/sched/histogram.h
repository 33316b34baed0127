/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.h: durations in classes of about 1.6 %, in fixed memory: 64 classes for each power of two.
 */
#ifndef TF2__SCHED_HISTOGRAM_H
#define TF2__SCHED_HISTOGRAM_H

#include <tf2/engine.h>

#define TF2__HISTOGRAM_BITS    6
#define TF2__HISTOGRAM_CLASSES ((48 - TF2__HISTOGRAM_BITS + 1) << TF2__HISTOGRAM_BITS) /* up to 2^48 ns, three days */

/* Zeroed is empty. */
struct tf2__histogram {
    uint32_t count[TF2__HISTOGRAM_CLASSES];
    uint64_t n, sum_ns, min_ns, max_ns;
};

void tf2__histogram_add(struct tf2__histogram *histogram, uint64_t ns);
void tf2__histogram_summary(const struct tf2__histogram *histogram, struct tf2_latency *latency);
/* How many were at most `ns`, up to the width of a class. */
uint64_t tf2__histogram_below(const struct tf2__histogram *histogram, uint64_t ns);

#endif
