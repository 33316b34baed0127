/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detection.h: sizes of a detector's result, for the operator and the devices.
 */
#ifndef TF2__OP_DETECTION_H
#define TF2__OP_DETECTION_H

#include "transform/ir/op.h"

#define TF2__DETECTION_COLUMNS     7
#define TF2__DETECTION_MAX_CLASSES 65536

/* Candidates of a class, at most. */
static inline int64_t tf2__detection_candidates(const struct tf2_detection_attr *a, int64_t n_boxes)
{
    return a->top_k ? TF2__MIN(a->top_k, n_boxes) : n_boxes;
}

/* Rows of the result for each image. */
static inline int64_t tf2__detection_rows(const struct tf2_detection_attr *a, int64_t n_boxes)
{
    int64_t n_classes = a->n_classes - (a->background >= 0);
    return a->keep_top_k ? a->keep_top_k : n_classes * tf2__detection_candidates(a, n_boxes);
}

#endif
