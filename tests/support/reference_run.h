/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference_run.h: runs a graph with the operators' definitions (tf2__op.eval) on dense row-major buffers.
 * Slow, simple, and what every other way of running is compared with.
 */
#ifndef TF2_TEST_REFERENCE_RUN_H
#define TF2_TEST_REFERENCE_RUN_H

#include "transform/ir/graph.h"

/* Zero-initialize; freed by reference_outputs_free. */
struct reference_outputs {
    uint32_t n;
    struct tf2_shape *shape;
    float **data; /* dense, row-major */
};

/* input_shapes NULL: the graph's own. inputs[i]: dense data of graph input i. outputs is written on success.
 */
enum tf2_status reference_run(
    const struct tf2_graph *graph, const struct tf2_shape *input_shapes, const float *const *inputs,
    struct reference_outputs *outputs, struct tf2_error *error);

/* The same on numbers in [low, high) that depend on seed only. batch 0: the graph's own, else dimension 0 of
 * all. */
enum tf2_status reference_run_random(
    const struct tf2_graph *graph, int64_t batch, uint64_t seed, float low, float high,
    struct reference_outputs *outputs, struct tf2_error *error);

void reference_outputs_free(struct reference_outputs *outputs);

/*
 * The largest difference, relative to the largest magnitude of the output that it is in (at least 1e-3).
 * Infinite when numbers or shapes of outputs differ. Equal values, infinities and NaNs among them, differ by
 * 0.
 */
double reference_difference(const struct reference_outputs *a, const struct reference_outputs *b);

/* The next number of a sequence, uniform in [0, 1). */
double reference_random(uint64_t *state);
void reference_fill(float *data, size_t n, uint64_t seed, float low, float high);

#endif
