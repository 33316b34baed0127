/* SPDX-License-Identifier: Apache-2.0 */
/*
 * round.h: rounding to the nearest integer, half to even, in a form that compilers turn into vector code on every
 * machine: rint() is a function call where the instruction set has no rounding instruction.
 */
#ifndef TF2__QUANT_ROUND_H
#define TF2__QUANT_ROUND_H

#include "transform/ir/quant.h"

/* For |x| < 2^51, in the default rounding mode. Adding 1.5 * 2^52 leaves no bits for the fraction. */
static inline double tf2__nearest(double x)
{
    const double magic = 6755399441055744.0;
    return (x + magic) - magic;
}

static inline double tf2__clamp(double x, double low, double high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* A real number as u8, the nearest one. NaN gives the zero point. */
static inline uint8_t tf2__to_u8(double x, double inverse_scale, int32_t zero_point)
{
    double v = tf2__clamp(x * inverse_scale, -zero_point, 255 - zero_point);
    return (uint8_t)((int32_t)tf2__nearest(v == v ? v : 0) + zero_point);
}

#endif
