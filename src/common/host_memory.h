/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_memory.h: memory of tf2_alloc, which kernels may read in place.
 *
 * A device that works on host memory reads inputs where the caller has them, if that is safe: kernels read whole
 * vectors and may touch a little more than the tensor, and a run that was given up may still read when its request is
 * complete and the caller frees the memory. So blocks have slack on both sides, and a block that is held is freed when
 * it is released. One table for the process, since tf2_alloc knows no engine; all functions are thread-safe.
 */
#ifndef TF2__COMMON_HOST_MEMORY_H
#define TF2__COMMON_HOST_MEMORY_H

#include "common/base.h"

/* What may be read before and behind a block. */
#define TF2__HOST_SLACK_BYTES 256
/* Smaller data is copied, which takes less time than asking. Not constant for the sake of tests. */
extern size_t tf2__host_least_bytes;

struct tf2__host_block;

/* Aligned to pages; NULL when out of memory or for size 0. */
void *tf2__host_alloc(size_t size_bytes);
/* NULL allowed. The memory goes when nobody holds it. */
void tf2__host_free(void *memory);

/* The block that all of data .. data + size_bytes - 1 lies in, kept until it is released; NULL: there is none, or it is
 * small. */
struct tf2__host_block *tf2__host_hold(const void *data, size_t size_bytes);
void tf2__host_release(struct tf2__host_block *block);

#endif
