/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peak.c: loops of independent multiply-adds in registers: the ceilings that gmacs is to be compared with.
 *
 * A fused multiply-add takes about 4 cycles and two start in each, so 8 chains would do; 12 leave room.
 * Compiled with -ffp-contract=fast, so that a * b + c becomes one instruction where there is one.
 */
#define _POSIX_C_SOURCE 200809L
#include "peak.h"

#include <time.h>

#define N_CHAINS 12

/* One width of vectors: n rounds of N_CHAINS multiply-adds. The result is used, or the loop would be dropped.
 */
#define DEFINE_LOOP(name, bytes, attributes)                                                                 \
    typedef float name##_vector __attribute__((vector_size(bytes)));                                         \
    attributes static void name(unsigned long n)                                                             \
    {                                                                                                        \
        volatile float sink = 0.5f;                                                                          \
        name##_vector a = {sink}, b = {sink};                                                                \
        name##_vector c0 = {0}, c1 = {1}, c2 = {2}, c3 = {3}, c4 = {4}, c5 = {5};                            \
        name##_vector c6 = {6}, c7 = {7}, c8 = {8}, c9 = {9}, c10 = {10}, c11 = {11};                        \
        for (unsigned long i = 0; i < n; i++) {                                                              \
            c0 = c0 * a + b;                                                                                 \
            c1 = c1 * a + b;                                                                                 \
            c2 = c2 * a + b;                                                                                 \
            c3 = c3 * a + b;                                                                                 \
            c4 = c4 * a + b;                                                                                 \
            c5 = c5 * a + b;                                                                                 \
            c6 = c6 * a + b;                                                                                 \
            c7 = c7 * a + b;                                                                                 \
            c8 = c8 * a + b;                                                                                 \
            c9 = c9 * a + b;                                                                                 \
            c10 = c10 * a + b;                                                                               \
            c11 = c11 * a + b;                                                                               \
        }                                                                                                    \
        name##_vector sum = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;                     \
        sink = sum[0];                                                                                       \
    }

#if defined(__x86_64__)
DEFINE_LOOP(loop_avx512, 64, __attribute__((target("avx512f"), noinline)))
DEFINE_LOOP(loop_avx2, 32, __attribute__((target("avx2,fma"), noinline)))
#endif
DEFINE_LOOP(loop_base, 16, __attribute__((noinline)))

static struct bench_peak_loop fma_loop(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return (struct bench_peak_loop){"avx512f", loop_avx512, 16 * N_CHAINS};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct bench_peak_loop){"avx2", loop_avx2, 8 * N_CHAINS};
#endif
    return (struct bench_peak_loop){"baseline", loop_base, 4 * N_CHAINS};
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best of short stretches, so that an interruption does not count; the first ones wake the core up. */
static double best_gmacs(const struct bench_peak_loop *loop)
{
    const unsigned long n = 100000;
    double best = 0;
    for (double start = now_s(); now_s() - start < 0.06;) {
        double before = now_s();
        loop->run(n);
        double gmacs = (double)n * loop->macs_per_round / (now_s() - before) * 1e-9;
        best = gmacs > best ? gmacs : best;
    }
    return best;
}

void bench_peak_measure(struct bench_peak peaks[BENCH_PEAK_UNITS])
{
    for (enum bench_peak_unit unit = 0; unit < BENCH_PEAK_UNITS; unit++) {
        struct bench_peak_loop loop = unit == BENCH_PEAK_FMA ? fma_loop() : bench_peak_int8_loop(unit);
        peaks[unit] = (struct bench_peak){0, ""};
        if (!loop.run)
            continue;
        peaks[unit] = (struct bench_peak){best_gmacs(&loop), loop.kind};
        if (unit != BENCH_PEAK_FMA)
            bench_peak_int8_release(unit);
    }
}

const char *bench_peak_name(enum bench_peak_unit unit)
{
    static const char *const names[BENCH_PEAK_UNITS] = {"fma", "avx2", "vnni", "amx"};
    return names[unit];
}
