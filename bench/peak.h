/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peak.h: how fast a core can multiply and add.
 */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* What multiplies. The first is float32, the others multiply bytes and add up in 32 bits. */
enum bench_peak_unit {
    BENCH_PEAK_FMA,  /* fused multiply-add, the widest there is */
    BENCH_PEAK_AVX2, /* vpmaddwd on bytes widened to 16 bits, then an add */
    BENCH_PEAK_VNNI, /* vpdpbusd, 512 bits wide where it exists, else 256 */
    BENCH_PEAK_AMX,  /* tdpbusd on tiles, where the processor has it and the system allows it */
    BENCH_PEAK_UNITS,
};

struct bench_peak {
    double gmacs;     /* multiply-adds a second of this core, in units of 1e9; 0: it has not got that unit */
    const char *kind; /* the instructions, such as "avx512f"; "" without */
};

/* Measures all of them on the calling thread, about 60 ms each. */
void bench_peak_measure(struct bench_peak peaks[BENCH_PEAK_UNITS]);
/* A key: "fma", "avx2", "vnni", "amx". */
const char *bench_peak_name(enum bench_peak_unit unit);

/* One loop: does `n` rounds of `macs_per_round` multiply-adds. */
struct bench_peak_loop {
    const char *kind;
    void (*run)(unsigned long n);
    double macs_per_round;
};

/* peak_int8.c: the loop for a unit other than FMA; run is NULL where it is missing. */
struct bench_peak_loop bench_peak_int8_loop(enum bench_peak_unit unit);
/* After the last run of such a loop on this thread. */
void bench_peak_int8_release(enum bench_peak_unit unit);

#endif
