/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TF2_TEST_EXTREMES_H
#define TF2_TEST_EXTREMES_H

#include "kcase.h"

/* All activations at extreme numbers, device 0 against device 1; prints what is wrong and returns false. */
bool extremes_check(const struct kdevices *devices);

#endif
