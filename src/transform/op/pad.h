/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pad.h: where an element of a padded dimension comes from; shared by the definition and by the kernels'
 * planners.
 */
#ifndef TF2__OP_PAD_H
#define TF2__OP_PAD_H

#include "transform/ir/op.h"

/* The input index for position i - begin of an input extent; -1: the constant. Attributes valid. */
int64_t tf2__pad_source(enum tf2_pad_mode mode, int64_t i, int64_t extent);

#endif
