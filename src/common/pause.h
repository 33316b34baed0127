/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.h: what a loop does that waits for another thread to write.
 */
#ifndef TF2__COMMON_PAUSE_H
#define TF2__COMMON_PAUSE_H

/* Some 10 to 50 ns in which the core is left to others. */
static inline void tf2__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
