/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shapes.h: the input shapes that a caller asks for, by name.
 */
#ifndef TF2__SHAPES_H
#define TF2__SHAPES_H

#include <tf2/model.h>

#include "transform/ir/graph.h"

/*
 * shapes[i] for each graph input: the one of `named` with its name (no name: of the only input), else the graph's own
 * with dimension 0 replaced by `batch` (0: left). Checks names and ranks; the graph's operators check the rest.
 */
enum tf2_status tf2__input_shapes(
    const struct tf2_graph *graph, const struct tf2_named_shape *named, size_t n_named, int64_t batch,
    struct tf2_shape *shapes, struct tf2_error *error);

#endif
