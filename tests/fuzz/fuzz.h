/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h: what the fuzz targets share. A target is one function, LLVMFuzzerTestOneInput; libFuzzer or
 * replay.c calls it with one file after the other.
 */
#ifndef TF2_TESTS_FUZZ_H
#define TF2_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <tf2/image.h>
#include <tf2/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* An allocator that counts, and gives no more than FUZZ_MAX_BYTES at a time, so that a run stays small. */
#define FUZZ_MAX_BYTES ((size_t)64 << 20)

struct fuzz_memory {
    size_t live_bytes;
    size_t n_live;
};

struct tf2_env fuzz_env(struct fuzz_memory *memory);
/* Aborts, for libFuzzer to notice, when something was not freed. */
void fuzz_check_freed(const struct fuzz_memory *memory);
/* Aborts when a failure has no message, or the status is not that of the error. */
void fuzz_check_error(enum tf2_status status, const struct tf2_error *error);
/* Imports and lets go, twice: optimized and as it is. `options` NULL: defaults. */
void fuzz_import(
    const void *data, size_t size_bytes, const void *weights, size_t weights_bytes,
    uint64_t random_weights_seed);

#endif
