/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h: shapes for other inputs. Whether two tensors have the same shape by accident or always is found by
 * trying: other batches, other image sizes, and one input alone changed.
 */
#ifndef TF2__PASS_PROBE_H
#define TF2__PASS_PROBE_H

#include "transform/ir/graph.h"

struct tf2__probes {
    struct tf2_env env;
    uint32_t n_probes;
    uint32_t n_tensors;
    struct tf2_shape *shapes; /* [n_probes][n_tensors]; n_dims TF2__PROBE_UNKNOWN: cannot be computed */
};

#define TF2__PROBE_UNKNOWN UINT32_MAX

enum tf2_status
tf2__probes_init(struct tf2__probes *probes, const struct tf2_graph *graph, struct tf2_error *error);
void tf2__probes_finish(struct tf2__probes *probes);

/* Whether `a` and `b` have the same shape in every probe in which `out`, computed of them, has one. */
bool tf2__probes_same_shape(
    const struct tf2__probes *probes, tf2_tensor_id a, tf2_tensor_id b, tf2_tensor_id out);

#endif
