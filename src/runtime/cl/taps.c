/* SPDX-License-Identifier: Apache-2.0 */
/*
 * taps.c: the inputs of a convolution, cut into taps of `width` neighbouring bytes.
 *
 * Inputs are given by their byte offsets relative to a pixel's base. Sorted, they are covered from the lowest on: a
 * tap begins at the first input not covered yet. So a tap may run over several pixels of a kernel row, and over bytes
 * that are no inputs at all, which get weight 0. Offsets may be in any order and with gaps: channels of a slice, planes,
 * reversed channels.
 */
#include "runtime/cl/internal.h"

#include <stdlib.h>

struct input {
    int32_t offset;
    uint32_t index;
};

static int by_offset(const void *a, const void *b)
{
    const struct input *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

enum tf2_status tf2__cl_taps_make(
    struct tf2__arena *arena, const cl_int *offsets, int64_t n, int32_t width, struct tf2__cl_taps *taps,
    struct tf2_error *error)
{
    struct input *inputs = tf2__arena_alloc(arena, (size_t)n, sizeof(*inputs));
    taps->offset = tf2__arena_alloc(arena, (size_t)n, sizeof(*taps->offset));
    taps->place = tf2__arena_alloc(arena, (size_t)n, sizeof(*taps->place));
    if (!inputs || !taps->offset || !taps->place)
        return tf2__fail_memory(error, (size_t)n * sizeof(*inputs), "a table of taps");
    for (int64_t i = 0; i < n; i++)
        inputs[i] = (struct input){offsets[i], (uint32_t)i};
    qsort(inputs, (size_t)n, sizeof(*inputs), by_offset);
    taps->n = 0;
    for (int64_t i = 0; i < n; i++) {
        if (taps->n == 0 || inputs[i].offset - taps->offset[taps->n - 1] >= width)
            taps->offset[taps->n++] = inputs[i].offset;
        int64_t tap = taps->n - 1;
        taps->place[inputs[i].index] = tap * width + inputs[i].offset - taps->offset[tap];
    }
    return TF2_OK;
}
