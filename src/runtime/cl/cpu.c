/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.c: CPUID, and the operating system's part of it: which registers it saves.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapters 13.3 and 18; Linux,
 * Documentation/arch/x86/xstate.rst.
 */
#define _DEFAULT_SOURCE
#include "runtime/cl/cpu.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATE_AVX     0x6u
#define STATE_AVX512  0xe6u
#define STATE_TILES   0x60000u
#define TILE_DATA     18
#define REQUEST_STATE 0x1023 /* ARCH_REQ_XCOMP_PERM */

static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool may_use_tiles(void)
{
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
}

enum tf2__cl_dot tf2__cl_cpu_dot(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return TF2__CL_DOT_GENERIC;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    const uint32_t tiles = 1u << 24 | 1u << 25; /* AMX-TILE, AMX-INT8 */
    const uint32_t state = saved_state();
    if (!(b & bit_AVX2) || (state & STATE_AVX) != STATE_AVX)
        return TF2__CL_DOT_GENERIC;
    if ((b & avx512) != avx512 || !(c & bit_AVX512VNNI) || (state & STATE_AVX512) != STATE_AVX512)
        return TF2__CL_DOT_AVX2;
    if ((d & tiles) != tiles || (state & STATE_TILES) != STATE_TILES || !may_use_tiles())
        return TF2__CL_DOT_VNNI;
    return TF2__CL_DOT_AMX;
}

#else

enum tf2__cl_dot tf2__cl_cpu_dot(void)
{
    return TF2__CL_DOT_GENERIC;
}

#endif
