/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range.c: how much of what a tensor holds its 8 bits shall cover.
 *
 * A wide range makes coarse steps, a narrow one cuts off large values. All methods work on the histogram:
 *
 *     MINMAX      what was seen
 *     PERCENTILE  the same share cut off at both ends
 *     MSE         the range of least squared error on the real grid: clipping, rounding, and zero being one of the 256
 *                 numbers (Sung, Shin, Hwang, "Resiliency of deep neural networks under quantization", 2015; Banner et
 *                 al., "Post training 4-bit quantization of convolutional networks", 2019)
 *     KL          the range whose 256 steps keep the distribution best (Migacz, "8-bit inference with TensorRT", 2017)
 *
 * Zeros count in none of them: they are exact in any range, and after a ReLU they would drown everything else.
 */
#include "transform/quant/observe.h"

#include <math.h>

#include "transform/quant/round.h"

#define LEVELS 256

/* Below this a float's products with weights of the same size would leave the normal numbers. */
#define MIN_SCALE 1e-18

struct tf2__quant tf2__range_quant(const struct tf2__range *range)
{
    double low = fmin(range->low, 0), high = fmax(range->high, 0);
    double scale = (high - low) / (LEVELS - 1);
    if (high - low == 0)
        scale = 1; /* nothing but zeros */
    scale = fmin(fmax(scale, MIN_SCALE), 1e30);
    struct tf2__quant quant = {.scale = (float)scale};
    quant.zero_point = (int32_t)fmin(fmax(rint(-low / quant.scale), 0), LEVELS - 1);
    return quant;
}

static double middle(const struct tf2__observer *o, size_t bin)
{
    return o->low + ((double)bin + 0.5) * o->width;
}

double tf2__range_error(const struct tf2__observer *o, const struct tf2__quant *quant)
{
    const double inverse = 1 / (double)quant->scale;
    const double low = -quant->zero_point, high = LEVELS - 1 - quant->zero_point;
    double sum = 0;
    for (size_t i = 0; o->width > 0 && i < TF2__OBSERVE_BINS; i++) {
        if (!o->bins[i])
            continue;
        double x = middle(o, i), v = x * inverse;
        double q = tf2__nearest(v < low ? low : v > high ? high : v);
        double e = x - q * quant->scale;
        sum += (double)o->bins[i] * e * e;
    }
    return sum;
}

static struct tf2__range seen(const struct tf2__observer *o)
{
    return (struct tf2__range){o->n ? fmin(o->min, 0) : 0, o->n ? fmax(o->max, 0) : 0};
}

/* The level that the largest of n_future draws reaches on average, by the mean and variance of the extremes seen. */
static double expect(double sum, double squares, double n, double n_future)
{
    const double euler = 0.57721566490153286, deviation_factor = 0.77969680123368; /* sqrt(6) / pi */
    double mean = sum / n;
    double variance =
        n > 1 ? (squares - sum * mean) / (n - 1) : 0.01 * mean * mean; /* one sample tells nothing */
    return mean + deviation_factor * sqrt(fmax(variance, 0)) * (log(n_future) - euler);
}

struct tf2__range tf2__range_expect(const struct tf2__observer *o, double n_future)
{
    struct tf2__range range = seen(o);
    if (o->n_parts == 0)
        return range;
    range.low = -fmax(expect(-o->sum[0], o->squares[0], (double)o->n_parts, n_future), 0);
    range.high = fmax(expect(o->sum[1], o->squares[1], (double)o->n_parts, n_future), 0);
    return range;
}

double tf2__channel_expect(const struct tf2__channel_stats *stats, int64_t c, double n_future)
{
    if (stats->n_parts == 0)
        return stats->max_abs[c];
    return fmax(
        stats->max_abs[c],
        expect(stats->sum_max[c], stats->squares_max[c], (double)stats->n_parts, n_future));
}

/* `outside` per cent lie beyond the ends, half of it at each end that has values. */
static struct tf2__range choose_percentile(const struct tf2__observer *o, double outside)
{
    struct tf2__range range = seen(o);
    const double share =
        outside / 100 * (double)(o->n - o->n_zero) / (range.low < 0 && range.high > 0 ? 2 : 1);
    double n = 0;
    for (size_t i = TF2__OBSERVE_BINS; range.high > 0 && i-- > 0;) {
        n += (double)o->bins[i];
        if (n > share) {
            range.high = fmax(fmin(range.high, o->low + (double)(i + 1) * o->width), 0);
            break;
        }
    }
    n = 0;
    for (size_t i = 0; range.low < 0 && i < TF2__OBSERVE_BINS; i++) {
        n += (double)o->bins[i];
        if (n > share) {
            range.low = fmin(fmax(range.low, o->low + (double)i * o->width), 0);
            break;
        }
    }
    return range;
}

/* The best factor in first .. last for one end, the other end fixed; searched in even steps. */
static double search_end(
    const struct tf2__observer *o, const struct tf2__range *range, bool high, double first, double last,
    int n, double *best_error)
{
    double best = 1;
    for (int i = 0; i <= n; i++) {
        double factor = first + (last - first) * i / n;
        struct tf2__range candidate = *range;
        *(high ? &candidate.high : &candidate.low) *= factor;
        struct tf2__quant quant = tf2__range_quant(&candidate);
        double error = tf2__range_error(o, &quant);
        if (error < *best_error) {
            *best_error = error;
            best = factor;
        }
    }
    return best;
}

/* One end after the other, coarse first, then in finer steps round the best. */
static struct tf2__range choose_mse(const struct tf2__observer *o)
{
    static const double spans[][2] = {{0.1, 1}, {0.7, 1.3}, {0.9, 1.1}};
    const struct tf2__range all = seen(o);
    struct tf2__range range = all;
    struct tf2__quant quant = tf2__range_quant(&range);
    double error = tf2__range_error(o, &quant);
    for (size_t round = 0; round < TF2__COUNT(spans); round++) {
        int n = round == 0 ? 45 : 16;
        if (range.high > 0)
            range.high *= search_end(o, &range, true, spans[round][0], spans[round][1], n, &error);
        if (range.low < 0)
            range.low *= search_end(o, &range, false, spans[round][0], spans[round][1], n, &error);
        range = (struct tf2__range){fmax(range.low, all.low), fmin(range.high, all.high)};
    }
    return range;
}

/* The step that a bin falls on; values beyond the ends fall on the first or last. */
static size_t level_of(const struct tf2__observer *o, const struct tf2__quant *quant, size_t bin)
{
    double q = rint(middle(o, bin) / quant->scale) + quant->zero_point;
    return (size_t)fmin(fmax(q, 0), LEVELS - 1);
}

/*
 * Kullback-Leibler divergence of the values (those beyond the ends moved to the ends) from what is left of them when
 * each step spreads its count evenly over the bins that had values.
 */
static double divergence(const struct tf2__observer *o, const struct tf2__quant *quant)
{
    double inside[LEVELS] = {0}, outside[2] = {0}, total = 0, inside_total = 0, sum = 0;
    size_t filled[LEVELS] = {0}, first = SIZE_MAX, last = 0;
    const double low = (-quant->zero_point - 0.5) * quant->scale;
    const double high = (LEVELS - 1 - quant->zero_point + 0.5) * quant->scale;
    for (size_t i = 0; i < TF2__OBSERVE_BINS; i++) {
        double x = middle(o, i), n = (double)o->bins[i];
        total += n;
        if (x < low || x > high) {
            outside[x > high] += n;
            continue;
        }
        first = TF2__MIN(first, i);
        last = i;
        inside[level_of(o, quant, i)] += n;
        filled[level_of(o, quant, i)] += o->bins[i] > 0;
        inside_total += n;
    }
    if (inside_total == 0)
        return INFINITY;
    for (size_t i = first; i <= last; i++) {
        double p = (double)o->bins[i] + (i == first ? outside[0] : 0) + (i == last ? outside[1] : 0);
        size_t level = level_of(o, quant, i);
        if (p == 0)
            continue;
        double q = filled[level] ? inside[level] / (double)filled[level] : 0;
        q = o->bins[i] ? q / inside_total : 1e-9; /* cut-off values where there were none */
        sum += p / total * log(p / total / q);
    }
    return sum;
}

static struct tf2__range choose_kl(const struct tf2__observer *o)
{
    const struct tf2__range all = seen(o);
    struct tf2__range best = all;
    double best_divergence = INFINITY;
    const double largest = fmax(-all.low, all.high);
    for (int i = 100; i >= 5; i--) { /* the magnitude from which values are cut off, on both sides */
        struct tf2__range range = {fmax(all.low, -largest * i / 100), fmin(all.high, largest * i / 100)};
        struct tf2__quant quant = tf2__range_quant(&range);
        double d = divergence(o, &quant);
        if (d < best_divergence) {
            best_divergence = d;
            best = range;
        }
    }
    return best;
}

struct tf2__range tf2__range_choose(const struct tf2__observer *o, enum tf2_range method, double percentile)
{
    if (o->width == 0)
        return seen(o); /* nothing, or zeros only */
    switch (method) {
    case TF2_RANGE_MINMAX:
        return seen(o);
    case TF2_RANGE_PERCENTILE:
        return choose_percentile(o, 100 - percentile);
    case TF2_RANGE_KL:
        return choose_kl(o);
    case TF2_RANGE_AUTO:
    case TF2_RANGE_MSE:
        break;
    }
    return choose_mse(o);
}
