/* SPDX-License-Identifier: Apache-2.0 */
/*
 * families.h: the table of graph families, one row per kind of operator and situation. Each list ends with a
 * row without a name.
 */
#ifndef TF2_TEST_FAMILIES_H
#define TF2_TEST_FAMILIES_H

#include "kcase.h"

extern const struct kfamily families_conv[];   /* conv, gemm */
extern const struct kfamily families_map[];    /* activation, prelu, batch_norm, scale, eltwise */
extern const struct kfamily families_move[];   /* concat, slice, reshape and relatives, transpose, pad */
extern const struct kfamily families_window[]; /* pool, lrn, softmax, resize */
extern const struct kfamily families_detect[]; /* conv_transpose, normalize, prior_box, detection_output */
extern const struct kfamily families_net[];    /* several inputs and outputs, constants, views of views */

#endif
