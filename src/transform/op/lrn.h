/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lrn.h: the table of the normalization's integer form; for whoever quantizes a graph and for the kernels.
 *
 *     S = sum over the window's channels of (x - zero_point)^2       exact
 *     v = (float)(x - zero_point) * table[S >> shift]
 */
#ifndef TF2__OP_LRN_H
#define TF2__OP_LRN_H

#include "transform/ir/op.h"

#define TF2__LRN_MIN_TABLE 256
#define TF2__LRN_MAX_TABLE 65536

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

#endif
