/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn.h: what stands for the power in the normalization's integer form; for whoever quantizes a graph and for the
 * kernels.
 *
 *     S = sum over the window's channels of (x - zero_point)^2       exact
 *
 * v comes from a table or is computed on a curve, which the number of elements tells:
 *
 *     v = (float)(x - zero_point) * table[S >> shift]
 *
 *     t = (float)S + offset = m * 2^e, 1 <= m < 2                    every operation rounded to float
 *     y = (m + a0) * m + a1
 *     v = ((float)(x - zero_point) * octave[(e + 127) mod 8]) * ((y + (m + a2)) * y + a3)
 *     curve: offset, a0, ..., a3, octave[0], ..., octave[7]
 *
 * A polynomial of degree 4 in two multiplications: Knuth, The Art of Computer Programming 2, 4.6.4, "Adaptation of
 * coefficients"; the octaves have its leading coefficient.
 */
#ifndef TF2__OP_LRN_H
#define TF2__OP_LRN_H

#include "transform/ir/op.h"

#define TF2__LRN_MIN_TABLE 256
#define TF2__LRN_MAX_TABLE 65536

#define TF2__LRN_OCTAVES     5            /* the first of them in a curve */
#define TF2__LRN_CURVE       13           /* elements of a curve */
#define TF2__LRN_CURVE_ERROR (1.0 / 2048) /* relative, of a factor */

/* The least shift that makes every S of a window of `size` channels an index below n_table. */
uint32_t tf2__lrn_shift(int32_t size, int32_t zero_point, int64_t n_table);

/*
 * table[i] = x->scale / y->scale * (k + alpha / size * x->scale^2 * S)^-beta for the middle S of those that have
 * index i, computed in double and rounded once. attr is valid and normalizes across channels, n_table a power of two.
 * false: an entry is no finite number, the table cannot be used.
 */
bool tf2__lrn_table(
    const struct tf2_lrn_attr *attr, const struct tf2__quant *x, const struct tf2__quant *y, int64_t n_table,
    float *table);

/*
 * The curve of the same function, TF2__LRN_CURVE elements, with step = alpha / size * x->scale^2:
 *     offset      k / step: then k + step * S = step * (S + offset)
 *     polynomial  of m^-beta, relative error at most TF2__LRN_CURVE_ERROR
 *     octave      x->scale / y->scale * (step * 2^e)^-beta for the 8 octaves from that of the offset on, times the
 *                 polynomial's leading coefficient
 * false: there is none. beta is too large for the polynomial, offset and largest S are more than 8 octaves apart,
 * alpha is 0, or numbers are too large or too small. A table can be made then.
 */
bool tf2__lrn_curve(
    const struct tf2_lrn_attr *attr, const struct tf2__quant *x, const struct tf2__quant *y, float *curve);

#endif
