/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_rows.h: what the float convolution (conv.c) and the transposed one (conv_transpose.c) share: the
 * output's shape, and walking over output rows. They differ in which input pixels a kernel position leads to.
 *
 * A chunk of neighbouring output pixels of a row, a span, is summed in double precision on the stack.
 */
#ifndef TF2__OP_CONV_ROWS_H
#define TF2__OP_CONV_ROWS_H

#include "transform/op/map.h"

struct tf2__conv_rows {
    struct tf2__window_dim dim[TF2_MAX_SPATIAL];
    struct tf2__map x, w, y, add; /* w: [O, C / group, k...]; add.data NULL: none */
    const struct tf2__view *bias; /* NULL: none */
    int64_t group_in, group_out;  /* channels per group */
};

/* Output pixels from .. from + count - 1 of a row; sums[i] is pixel from + i. */
struct tf2__conv_span {
    int64_t from, count;
    double *sums;
};

/*
 * Adds all products to a span of the output row (od, oh). w, x: the output channel's weights, its group's
 * first input channel.
 */
typedef void tf2__conv_sum(
    const struct tf2__conv_rows *p, const float *w, const float *x, int64_t od, int64_t oh,
    const struct tf2__conv_span *span);

/* The output [N, O, dims...out] of inputs x, weights and bias (NULL or missing: none), which are checked. */
enum tf2_status tf2__conv_output(
    const struct tf2__window_dim *dims, uint32_t n_spatial, int32_t group, const struct tf2_shape *const *in,
    uint32_t n_in, struct tf2_shape *out, struct tf2_error *error);

/* Every row of the output. p->dim has been resolved for n_spatial dimensions; all else is filled in here. */
void tf2__conv_rows(
    struct tf2__conv_rows *p, uint32_t n_spatial, int32_t group, const struct tf2__view *in, uint32_t n_in,
    tf2__conv_sum *sum, const struct tf2__view *out);

#endif
