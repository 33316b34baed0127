/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peak_int8.c: loops of independent multiply-adds of bytes, in assembler: compilers move so many accumulators
 * in and out of memory otherwise. Instructions: Intel 64 and IA-32 Architectures Software Developer's Manual,
 * volumes 1 (detection, tile configuration, chapters 13 and 18) and 2.
 */
#define _GNU_SOURCE
#include "peak.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of CPUID leaf 7. */
#define LEAF7_0_EDX_AMX_TILE (1u << 24)
#define LEAF7_0_EDX_AMX_INT8 (1u << 25)
#define LEAF7_1_EAX_AVX_VNNI (1u << 4)

/* The kernel gives tile registers to a process that asks (arch_prctl(2)). */
#define REQUEST_PERMISSION 0x1023
#define TILE_DATA          18

#define REPEAT_12(X, ...)                                                                                    \
    X(0, __VA_ARGS__)                                                                                        \
    X(1, __VA_ARGS__)                                                                                        \
    X(2, __VA_ARGS__)                                                                                        \
    X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__)                \
        X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__)

#define ZERO(i, unused) "vpxor %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define CLOBBERED                                                                                            \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",  \
        "xmm12", "xmm13", "xmm14", "xmm15"

/* Accumulators 0 .. 11; 14 and 15 are the factors, 12 and 13 hold products of words. */
#define LOOP(body, factors)                                                                                  \
    __asm__ volatile(factors REPEAT_12(ZERO, ) "1:\n\t" body "dec %[n]\n\t"                                  \
                                               "jnz 1b\n\t"                                                  \
                                               "vzeroupper"                                                  \
                     : [n] "+r"(n)                                                                           \
                     : [bytes] "r"(0x01020304)                                                               \
                     : CLOBBERED)

#define FACTORS                                                                                              \
    "vmovd %[bytes], %%xmm14\n\t"                                                                            \
    "vpbroadcastd %%xmm14, %%ymm14\n\t"                                                                      \
    "vmovdqa %%ymm14, %%ymm15\n\t"
#define FACTORS_512                                                                                          \
    "vpbroadcastd %[bytes], %%zmm14\n\t"                                                                     \
    "vmovdqa64 %%zmm14, %%zmm15\n\t"

#define DOT_512(i, unused) "vpdpbusd %%zmm15, %%zmm14, %%zmm" #i "\n\t"
#define DOT_256(i, unused) "%{vex%} vpdpbusd %%ymm15, %%ymm14, %%ymm" #i "\n\t"
#define MADD(i, product)                                                                                     \
    "vpmaddwd %%ymm15, %%ymm14, %%ymm" #product "\n\t"                                                       \
    "vpaddd %%ymm" #product ", %%ymm" #i ", %%ymm" #i "\n\t"

__attribute__((target("avx512f,avx512vnni"), noinline)) static void loop_vnni_512(unsigned long n)
{
    LOOP(REPEAT_12(DOT_512, ), FACTORS_512);
}

__attribute__((target("avx2"), noinline)) static void loop_vnni_256(unsigned long n)
{
    LOOP(REPEAT_12(DOT_256, ), FACTORS);
}

/* Writing a product register anew breaks its chain, so two of them are enough. */
__attribute__((target("avx2"), noinline)) static void loop_avx2(unsigned long n)
{
    LOOP(REPEAT_12(MADD, 12), FACTORS);
}

/* Tiles 0 .. 5 are sums, 6 and 7 factors; each of 16 rows of 64 bytes. */
#define N_TILE_SUMS 6

__attribute__((noinline)) static void loop_amx(unsigned long n)
{
    __asm__ volatile("1:\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm0\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm1\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm2\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm3\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm4\n\t"
                     "tdpbusd %%tmm7, %%tmm6, %%tmm5\n\t"
                     "dec %[n]\n\t"
                     "jnz 1b"
                     : [n] "+r"(n)
                     :
                     : "cc");
}

/* The 64 bytes that ldtilecfg reads: palette 1, bytes of a row and rows of each tile. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t n_rows[16];
};

static bool start_amx(void)
{
    static const uint8_t factors[16 * 64] = {1, 2, 3, 4};
    struct tile_config config = {.palette = 1};
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & LEAF7_0_EDX_AMX_TILE) ||
        !(d & LEAF7_0_EDX_AMX_INT8))
        return false;
    if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0)
        return false;
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.n_rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %[config]\n\t"
                     "tilezero %%tmm0\n\t"
                     "tilezero %%tmm1\n\t"
                     "tilezero %%tmm2\n\t"
                     "tilezero %%tmm3\n\t"
                     "tilezero %%tmm4\n\t"
                     "tilezero %%tmm5\n\t"
                     "tileloadd (%[factors], %[stride], 1), %%tmm6\n\t"
                     "tileloadd (%[factors], %[stride], 1), %%tmm7"
                     :
                     : [config] "m"(config), [factors] "r"(factors), [stride] "r"(64ul)
                     : "memory");
    return true;
}

static struct bench_peak_loop vnni_loop(void)
{
    unsigned a, b, c, d;
    if (__builtin_cpu_supports("avx512vnni"))
        return (struct bench_peak_loop){"avx512_vnni", loop_vnni_512, 64 * 12};
    if (__builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
        (a & LEAF7_1_EAX_AVX_VNNI))
        return (struct bench_peak_loop){"avx_vnni", loop_vnni_256, 32 * 12};
    return (struct bench_peak_loop){0};
}

struct bench_peak_loop bench_peak_int8_loop(enum bench_peak_unit unit)
{
    if (unit == BENCH_PEAK_VNNI)
        return vnni_loop();
    if (unit == BENCH_PEAK_AVX2 && __builtin_cpu_supports("avx2"))
        return (struct bench_peak_loop){"avx2 vpmaddwd", loop_avx2, 16 * 12};
    if (unit == BENCH_PEAK_AMX && start_amx())
        return (struct bench_peak_loop){"amx_int8", loop_amx, 16.0 * 16 * 64 * N_TILE_SUMS};
    return (struct bench_peak_loop){0};
}

void bench_peak_int8_release(enum bench_peak_unit unit)
{
    if (unit == BENCH_PEAK_AMX)
        __asm__ volatile("tilerelease" ::: "memory");
}

#else

struct bench_peak_loop bench_peak_int8_loop(enum bench_peak_unit unit)
{
    (void)unit;
    return (struct bench_peak_loop){0};
}

void bench_peak_int8_release(enum bench_peak_unit unit)
{
    (void)unit;
}

#endif
