/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_int8.h: random networks on integers, 3 to 25 nodes.
 */
#ifndef TF2_TEST_RANDOM_INT8_H
#define TF2_TEST_RANDOM_INT8_H

#include "kint8.h"

/*
 * From float inputs to float outputs, all bits of which are defined. Batch 1; items of a larger batch do not
 * mix: item i of every output depends on item i of the inputs alone.
 */
void random_int8(struct kgraph *k);

#endif
