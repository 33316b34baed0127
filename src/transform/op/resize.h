/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resize.h: which input pixels an output pixel of a resize is made of; shared by the definition and by the
 * kernels' planners, so that both agree.
 */
#ifndef TF2__OP_RESIZE_H
#define TF2__OP_RESIZE_H

#include "transform/ir/op.h"

/* Along one dimension: (1 - weight) * input[low] + weight * input[high]. Nearest: low == high, weight 0. */
struct tf2__resize_tap {
    int64_t low, high;
    double weight;
};

/* Output pixel o of spatial dimension d (0: the first after the channels), extents in and out. Attributes
 * valid. */
struct tf2__resize_tap
tf2__resize_tap_at(const struct tf2_resize_attr *attr, uint32_t d, int64_t in, int64_t out, int64_t o);

#endif
