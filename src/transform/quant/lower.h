/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower.h: a float graph that rounds its tensors (QUANTIZE and DEQUANTIZE nodes, as quantized files are imported) becomes
 * an integer graph with the scales that it has. Nothing is calibrated.
 */
#ifndef TF2__QUANT_LOWER_H
#define TF2__QUANT_LOWER_H

#include "transform/ir/graph.h"

/*
 * Replaces *graph where it has such nodes; the old graph is destroyed, with the floats of constants that became
 * integers. On failure *graph is as it was.
 */
enum tf2_status tf2__quant_lower(struct tf2_graph **graph, struct tf2_error *error);

#endif
