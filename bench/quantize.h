/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.h: int8 models whose speed is to be measured, not their accuracy.
 */
#ifndef BENCH_QUANTIZE_H
#define BENCH_QUANTIZE_H

#include <tf2/tf2.h>

/* Replaces *model, which is float32, by an int8 one. On failure it stays as it was. */
enum tf2_status
bench_quantize(struct tf2_model **model, struct tf2_devices *devices, uint64_t seed, struct tf2_error *error);

#endif
