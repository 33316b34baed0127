/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.h: graphs to files of other programs' formats.
 */
#ifndef TF2__EXPORT_H
#define TF2__EXPORT_H

#include "transform/ir/graph.h"

/*
 * Writes `graph`, called `name`, as an ONNX file at `path`: under another name first, then renamed. All nodes
 * that have no ONNX form are told in one message (TF2_ERR_UNSUPPORTED). The graph is not changed.
 */
enum tf2_status
tf2__export_onnx(const struct tf2_graph *graph, const char *name, const char *path, struct tf2_error *error);

#endif
