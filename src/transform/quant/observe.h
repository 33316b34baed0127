/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe.h: what values a tensor takes, and the range of them that 8 bits shall cover.
 */
#ifndef TF2__QUANT_OBSERVE_H
#define TF2__QUANT_OBSERVE_H

#include <tf2/quantize.h>

#include "transform/ir/graph.h"

#define TF2__OBSERVE_BINS 4096

/*
 * A histogram that grows: when a value lies outside, bins are merged two by two, so that twice the range is covered.
 * Zeros are counted apart: they are represented exactly whatever the range is. Zero-initialize.
 */
struct tf2__observer {
    double min, max;           /* of the values seen */
    uint64_t n, n_zero;        /* values seen, zeros among them */
    uint64_t n_parts;          /* calls of tf2__observer_add: one per sample */
    double sum[2], squares[2]; /* of the ends of the range of least squared error of each sample alone */
    double low, width;         /* bin i: low + i * width .. low + (i + 1) * width; width 0: no bins yet */
    uint64_t *bins;            /* [TF2__OBSERVE_BINS], in the caller's arena */
    uint64_t *part;            /* [TF2__OBSERVE_BINS]: work space, one sample's */
};

enum tf2_status
tf2__observer_init(struct tf2__observer *observer, struct tf2__arena *arena, struct tf2_error *error);
/* Returns the index of the first value that is not finite, SIZE_MAX when there is none. */
size_t tf2__observer_add(struct tf2__observer *observer, const float *values, size_t n);
/* As if all that `from` saw had been shown to `into` (as the middles of its bins). */
void tf2__observer_merge(struct tf2__observer *into, const struct tf2__observer *from);

/* Per channel. Zero-initialize n; the arrays have n_channels elements. */
struct tf2__channel_stats {
    int64_t n_channels;
    uint64_t n;       /* values per channel */
    uint64_t n_parts; /* calls of tf2__channel_stats_add */
    float *max_abs;
    double *sum_max, *squares_max; /* of the samples' largest magnitudes */
    float *part_max;               /* work space */
    double *sum;
    double *sum_squares;
};

enum tf2_status tf2__channel_stats_init(
    struct tf2__channel_stats *stats, int64_t n_channels, struct tf2__arena *arena, struct tf2_error *error);
/* values: n_outer blocks of n_channels rows of n_inner. */
void tf2__channel_stats_add(
    struct tf2__channel_stats *stats, const float *values, int64_t n_outer, int64_t n_inner);

/* low <= 0 <= high */
struct tf2__range {
    double low, high;
};

/*
 * The range that one in n_future samples will leave, by a Gumbel distribution through the samples' extremes; at least
 * what was seen.
 */
struct tf2__range tf2__range_expect(const struct tf2__observer *observer, double n_future);
/* The same of a channel's magnitude. */
double tf2__channel_expect(const struct tf2__channel_stats *stats, int64_t channel, double n_future);

/* The range by one of the methods (AUTO: MSE); percentile as in the options. Without values: 0 .. 0. */
struct tf2__range
tf2__range_choose(const struct tf2__observer *observer, enum tf2_range method, double percentile);

/* The u8 quantization that covers a range: 0 is one of its numbers, the scale is legal. */
struct tf2__quant tf2__range_quant(const struct tf2__range *range);

/* The sum of squared errors when all values seen are quantized so. */
double tf2__range_error(const struct tf2__observer *observer, const struct tf2__quant *quant);

#endif
