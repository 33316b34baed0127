/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.c: classes of durations. The first 64 are single nanoseconds; then each power of two is cut into 64.
 */
#include "sched/histogram.h"

#include "common/base.h"

#define N_LINEAR (1u << TF2__HISTOGRAM_BITS)

static uint32_t class_of(uint64_t ns)
{
    const uint64_t most = ((uint64_t)1 << 48) - 1;
    if (ns > most)
        ns = most;
    if (ns < N_LINEAR)
        return (uint32_t)ns;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(ns) - TF2__HISTOGRAM_BITS;
    return ((octave + 1) << TF2__HISTOGRAM_BITS) + (uint32_t)((ns >> octave) & (N_LINEAR - 1));
}

/* The middle of a class. */
static uint64_t value_of(uint32_t class)
{
    if (class < N_LINEAR)
        return class;
    uint32_t octave = (class >> TF2__HISTOGRAM_BITS) - 1;
    uint64_t low = (uint64_t)(N_LINEAR + (class & (N_LINEAR - 1))) << octave;
    return low + (((uint64_t)1 << octave) >> 1);
}

void tf2__histogram_add(struct tf2__histogram *h, uint64_t ns)
{
    h->count[class_of(ns)]++;
    h->min_ns = h->n ? TF2__MIN(h->min_ns, ns) : ns;
    h->max_ns = TF2__MAX(h->max_ns, ns);
    h->sum_ns += ns;
    h->n++;
}

/* The value at the nearest rank of a share of per_cent. */
static uint64_t quantile(const struct tf2__histogram *h, uint64_t per_cent)
{
    uint64_t rank = (h->n * per_cent + 99) / 100, seen = 0;
    for (uint32_t i = 0; i < TF2__HISTOGRAM_CLASSES; i++) {
        seen += h->count[i];
        if (seen >= rank && seen > 0)
            return TF2__MAX(TF2__MIN(value_of(i), h->max_ns), h->min_ns);
    }
    return h->max_ns;
}

void tf2__histogram_summary(const struct tf2__histogram *h, struct tf2_latency *latency)
{
    memset(latency, 0, sizeof(*latency));
    if (h->n == 0)
        return;
    latency->n = h->n;
    latency->min_ns = h->min_ns;
    latency->mean_ns = h->sum_ns / h->n;
    latency->p50_ns = quantile(h, 50);
    latency->p90_ns = quantile(h, 90);
    latency->p99_ns = quantile(h, 99);
    latency->max_ns = h->max_ns;
}

uint64_t tf2__histogram_below(const struct tf2__histogram *h, uint64_t ns)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < TF2__HISTOGRAM_CLASSES && value_of(i) <= ns; i++)
        sum += h->count[i];
    return sum;
}
