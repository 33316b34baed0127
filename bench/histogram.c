/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram.c: log-linear classes: values below 128 have one each, from there every octave is cut into 128.
 */
#include "histogram.h"

#include <math.h>

static uint32_t class_of(uint64_t value)
{
    if (value < (1u << HISTOGRAM_BITS))
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_BITS;
    return ((shift + 1) << HISTOGRAM_BITS) + (uint32_t)((value >> shift) - (1u << HISTOGRAM_BITS));
}

static double middle_of(uint32_t class)
{
    if (class < (1u << HISTOGRAM_BITS))
        return class;
    uint32_t shift = (class >> HISTOGRAM_BITS) - 1;
    uint32_t base = (class & ((1u << HISTOGRAM_BITS) - 1)) + (1u << HISTOGRAM_BITS);
    return ldexp(base + 0.5, (int)shift);
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count[class_of(value)]++;
    h->min = h->n == 0 || value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
    h->sum += (double)value;
    h->n++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->n == 0)
        return;
    for (uint32_t c = 0; c < HISTOGRAM_CLASSES; c++)
        into->count[c] += from->count[c];
    into->min = into->n == 0 || from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->sum += from->sum;
    into->n += from->n;
}

double histogram_mean(const struct histogram *h)
{
    return h->n ? h->sum / (double)h->n : 0;
}

double histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)h->n), seen = 0;
    if (h->n == 0)
        return 0;
    rank = rank < 1 ? 1 : rank > h->n ? h->n : rank;
    for (uint32_t c = 0; c < HISTOGRAM_CLASSES; c++) {
        seen += h->count[c];
        if (seen >= rank)
            return fmin(fmax(middle_of(c), (double)h->min), (double)h->max);
    }
    return (double)h->max;
}
