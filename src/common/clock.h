/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h: a monotonic clock.
 */
#ifndef TF2__COMMON_CLOCK_H
#define TF2__COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t tf2__clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
