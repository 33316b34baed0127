/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peak.h: how fast a core can multiply and add.
 */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* Measured fp32 multiply-adds a second of this core, in units of 1e9. Takes about 60 ms. */
double bench_peak_gmacs(void);
/* The instructions that were measured, such as "avx512f". */
const char *bench_peak_kind(void);

#endif
