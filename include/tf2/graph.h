/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/graph.h: build a network node by node, as the importers do.
 *
 * A graph belongs to one thread until it is made into a model (tf2_model_from_graph). Nodes are added in
 * the order of computation: a node's inputs exist before it, so a graph cannot have a cycle. Each call checks
 * its node and infers the output's shape at once; a failed call leaves the graph as it was.
 */
#ifndef TF2_GRAPH_H
#define TF2_GRAPH_H

#include <tf2/common.h>
#include <tf2/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tf2_graph;

/* A tensor of a graph. TF2_NO_TENSOR stands for an optional input that is left out. */
typedef uint32_t tf2_tensor_id;
#define TF2_NO_TENSOR UINT32_MAX

/* An empty graph, owned by the caller. env NULL: defaults. */
TF2_API enum tf2_status
tf2_graph_create(const struct tf2_env *env, struct tf2_graph **graph, struct tf2_error *error);
/* Frees the graph and clears *graph; NULL and a cleared handle are allowed. */
TF2_API void tf2_graph_destroy(struct tf2_graph **graph);

/*
 * A graph input, filled at every run. Feature maps are [N, C, spatial...]; dimension 0 is the batch.
 * Names are copied; every tensor name of a graph is unique. Only TF2_DTYPE_F32 for now.
 */
TF2_API enum tf2_status tf2_graph_add_input(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    tf2_tensor_id *tensor, struct tf2_error *error);

/* A constant with `data` (dense, row-major, copied). Only TF2_DTYPE_F32 for now; NaN and infinities are refused. */
TF2_API enum tf2_status tf2_graph_add_constant(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const void *data, tf2_tensor_id *tensor, struct tf2_error *error);

/*
 * A node. attr: the operator's attribute struct (see TF2_OP_MAP), copied; NULL means all zero. The output
 * tensor gets the node's name. TF2_ERR_SHAPE, TF2_ERR_VALUE or TF2_ERR_GRAPH say what does not fit.
 */
TF2_API enum tf2_status tf2_graph_add_node(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, tf2_tensor_id *output, struct tf2_error *error);

/* Makes a tensor a graph output called `name` (NULL: the tensor's name). Order of calls is order of outputs. */
TF2_API enum tf2_status tf2_graph_add_output(
    struct tf2_graph *graph, tf2_tensor_id tensor, const char *name, struct tf2_error *error);

/* The inferred shape of a tensor; valid until the graph is changed. NULL for an id that is none. */
TF2_API const struct tf2_shape *tf2_graph_shape(const struct tf2_graph *graph, tf2_tensor_id tensor);

#ifdef __cplusplus
}
#endif

#endif
