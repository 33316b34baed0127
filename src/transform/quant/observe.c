/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe.c: histograms and statistics per channel of what a tensor holds during calibration.
 *
 * One pass over the data is enough: the histogram starts with the range of the first values and doubles whenever one
 * lies outside. Doubling merges neighbours, so a bin is never split and counts stay exact.
 */
#include "transform/quant/observe.h"

#include <float.h>
#include <math.h>

enum tf2_status
tf2__observer_init(struct tf2__observer *observer, struct tf2__arena *arena, struct tf2_error *error)
{
    *observer = (struct tf2__observer){0};
    observer->bins = tf2__arena_alloc(arena, TF2__OBSERVE_BINS, sizeof(*observer->bins));
    observer->part = tf2__arena_alloc(arena, TF2__OBSERVE_BINS, sizeof(*observer->part));
    if (!observer->bins || !observer->part)
        return tf2__fail_memory(error, TF2__OBSERVE_BINS * sizeof(*observer->bins), "a histogram");
    return TF2_OK;
}

/* Twice the width: upwards, or (the old bins become the upper half) downwards. */
static void grow(struct tf2__observer *o, bool down)
{
    const size_t half = TF2__OBSERVE_BINS / 2;
    for (size_t i = 0; i < half; i++)
        o->bins[i] = o->bins[2 * i] + o->bins[2 * i + 1];
    memset(o->bins + half, 0, half * sizeof(*o->bins));
    if (down) {
        memcpy(o->bins + half, o->bins, half * sizeof(*o->bins));
        memset(o->bins, 0, half * sizeof(*o->bins));
        o->low -= o->width * TF2__OBSERVE_BINS;
    }
    o->width *= 2;
}

/* Makes the bins reach from min to max. */
static void cover(struct tf2__observer *o, double min, double max)
{
    if (o->width == 0) {
        double span = fmax(max - min, fmax(fmax(fabs(min), fabs(max)) * 1e-3, 1e-30));
        o->low = min;
        o->width = span / (TF2__OBSERVE_BINS - 1); /* max itself is inside */
    }
    while (min < o->low)
        grow(o, true);
    while (max >= o->low + o->width * TF2__OBSERVE_BINS)
        grow(o, false);
}

static void count(struct tf2__observer *o, double value, uint64_t n)
{
    size_t bin = (size_t)((value - o->low) / o->width);
    o->bins[TF2__MIN(bin, TF2__OBSERVE_BINS - 1)] += n;
}

static void widen(struct tf2__observer *o, double min, double max)
{
    o->min = o->n ? fmin(o->min, min) : min;
    o->max = o->n ? fmax(o->max, max) : max;
}

/* SIZE_MAX: all finite. */
static size_t find_extremes(const float *values, size_t n, float *min, float *max)
{
    *min = FLT_MAX;
    *max = -FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(values[i]) <= FLT_MAX))
            return i;
        *min = values[i] < *min ? values[i] : *min;
        *max = values[i] > *max ? values[i] : *max;
    }
    return SIZE_MAX;
}

/* One sample: its own histogram first, so that its own range can be found, then added to all. */
static void count_part(struct tf2__observer *o, const float *values, size_t n, float min, float max)
{
    const double low = o->low, inverse = o->width > 0 ? 1 / o->width : 0;
    struct tf2__observer part = {
        .min = min, .max = max, .n = n, .low = low, .width = o->width, .bins = o->part};
    memset(o->part, 0, TF2__OBSERVE_BINS * sizeof(*o->part));
    for (size_t i = 0; i < n; i++) {
        if (values[i] == 0) {
            part.n_zero++;
            continue;
        }
        size_t bin = (size_t)((values[i] - low) * inverse);
        o->part[TF2__MIN(bin, TF2__OBSERVE_BINS - 1)]++;
    }
    const struct tf2__range range = tf2__range_choose(&part, TF2_RANGE_MSE, 100);
    const double ends[2] = {range.low, range.high};
    for (int i = 0; i < 2; i++) {
        o->sum[i] += ends[i];
        o->squares[i] += ends[i] * ends[i];
    }
    for (size_t i = 0; i < TF2__OBSERVE_BINS; i++)
        o->bins[i] += o->part[i];
    o->n += n;
    o->n_zero += part.n_zero;
    o->n_parts++;
}

size_t tf2__observer_add(struct tf2__observer *observer, const float *values, size_t n)
{
    float min, max;
    size_t bad = find_extremes(values, n, &min, &max);
    if (bad != SIZE_MAX || n == 0)
        return bad;
    widen(observer, min, max);
    if (min != 0 || max != 0)
        cover(observer, min, max);
    count_part(observer, values, n, min, max);
    return SIZE_MAX;
}

void tf2__observer_merge(struct tf2__observer *into, const struct tf2__observer *from)
{
    if (from->n == 0)
        return;
    widen(into, from->min, from->max);
    if (from->width > 0)
        cover(into, from->low, from->low + from->width * (TF2__OBSERVE_BINS - 0.5));
    for (size_t i = 0; from->width > 0 && i < TF2__OBSERVE_BINS; i++) {
        if (from->bins[i])
            count(into, from->low + ((double)i + 0.5) * from->width, from->bins[i]);
    }
    into->n += from->n;
    into->n_zero += from->n_zero;
}

enum tf2_status tf2__channel_stats_init(
    struct tf2__channel_stats *stats, int64_t n_channels, struct tf2__arena *arena, struct tf2_error *error)
{
    size_t n = (size_t)n_channels;
    *stats = (struct tf2__channel_stats){.n_channels = n_channels};
    stats->max_abs = tf2__arena_alloc(arena, n, sizeof(*stats->max_abs));
    stats->sum_max = tf2__arena_alloc(arena, n, sizeof(*stats->sum_max));
    stats->squares_max = tf2__arena_alloc(arena, n, sizeof(*stats->squares_max));
    stats->part_max = tf2__arena_alloc(arena, n, sizeof(*stats->part_max));
    stats->sum = tf2__arena_alloc(arena, n, sizeof(*stats->sum));
    stats->sum_squares = tf2__arena_alloc(arena, n, sizeof(*stats->sum_squares));
    if (!stats->max_abs || !stats->sum_max || !stats->squares_max || !stats->part_max || !stats->sum ||
        !stats->sum_squares)
        return tf2__fail_memory(error, n * sizeof(double), "statistics of channels");
    return TF2_OK;
}

void tf2__channel_stats_add(
    struct tf2__channel_stats *stats, const float *values, int64_t n_outer, int64_t n_inner)
{
    memset(stats->part_max, 0, (size_t)stats->n_channels * sizeof(*stats->part_max));
    for (int64_t outer = 0; outer < n_outer; outer++) {
        for (int64_t c = 0; c < stats->n_channels; c++, values += n_inner) {
            double sum = 0, squares = 0;
            float max_abs = stats->part_max[c];
            for (int64_t i = 0; i < n_inner; i++) {
                float magnitude = fabsf(values[i]);
                sum += values[i];
                squares += (double)values[i] * values[i];
                max_abs = magnitude > max_abs ? magnitude : max_abs;
            }
            stats->sum[c] += sum;
            stats->sum_squares[c] += squares;
            stats->part_max[c] = max_abs;
        }
    }
    for (int64_t c = 0; c < stats->n_channels; c++) {
        const double max = stats->part_max[c];
        stats->sum_max[c] += max;
        stats->squares_max[c] += max * max;
        stats->max_abs[c] = (float)fmax(stats->max_abs[c], max);
    }
    stats->n_parts++;
    stats->n += (uint64_t)(n_outer * n_inner);
}
