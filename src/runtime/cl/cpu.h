/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.h: what this machine's processor can do that PoCL, whose device it is, does not tell.
 */
#ifndef TF2__CL_CPU_H
#define TF2__CL_CPU_H

/* How kernels sum four products of bytes: TF2_DOT of int8.clh. Each includes those before it. */
enum tf2__cl_dot {
    TF2__CL_DOT_GENERIC = 0,
    TF2__CL_DOT_AVX2 = 1,
    TF2__CL_DOT_VNNI = 2, /* AVX-512 VNNI */
    TF2__CL_DOT_AMX = 3,
};

/* The best that processor and operating system allow. For AMX the process has to ask the system; this does. */
enum tf2__cl_dot tf2__cl_cpu_dot(void);

#endif
