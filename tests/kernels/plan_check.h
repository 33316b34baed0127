/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_check.h: whether a plan keeps its promises, found out again from its steps alone.
 */
#ifndef TF2_TEST_PLAN_CHECK_H
#define TF2_TEST_PLAN_CHECK_H

#include "runtime/device.h"

/*
 * Lifetimes, overlaps, views inside the interiors of their roots, halos: zeroed in time, never part of a
 * view, and as wide as convolutions read. Prints what is wrong and returns false.
 */
bool plan_check(const struct tf2__plan *plan);

/*
 * Runs the plan step by step and looks at the whole arena after each: only elements of the step's output (its
 * scratch, its halo for fills) may have changed. The arena is full of NaNs before, but for halos that are
 * zeroed once: so what is read before it is written shows in the outputs too. wanted: per output, what it has
 * to be (NMSE up to `tolerance`).
 */
bool arena_check(
    struct tf2__device *device, struct tf2__plan *plan, const float *const *inputs,
    const float *const *wanted, double tolerance);

/* Offset of an element of a tensor in the arena; index NULL: the first. */
int64_t plan_element(const struct tf2__plan *plan, uint32_t tensor, const int64_t *index);

#endif
