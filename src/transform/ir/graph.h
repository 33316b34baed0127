/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph.h: the network as a list of nodes in order of computation.
 *
 * Invariants (tf2__graph_verify checks them): a node's inputs are graph inputs, constants or outputs of
 * earlier nodes; every tensor has at most one producer; shapes are what the operators infer. Nodes have one
 * output. Everything lives in the graph's arena and goes with the graph.
 */
#ifndef TF2__IR_GRAPH_H
#define TF2__IR_GRAPH_H

#include <tf2/graph.h>

#include "common/arena.h"
#include "common/strmap.h"
#include "transform/ir/op.h"

#define TF2__NO_NODE UINT32_MAX

/*
 * What integers a float constant stands for, while a quantized file is imported (transform/quant/lower.h makes integer
 * nodes of it): value = step * scale, dense and in the order of the data.
 */
struct tf2__steps {
    const int32_t *step; /* the file's integers less their zero point */
    const float *scale;  /* n_scales of them: one for all, or one per index of dimension `axis` */
    int64_t n_scales;
    uint32_t axis;
};

struct tf2__tensor {
    const char *name;
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    const void *data;  /* constants: dense, row-major; else NULL */
    struct tf2__quant quant; /* dtype U8, S8: what the integers stand for; arrays lie in the graph's arena */
    const struct tf2__steps *steps; /* float constants of quantized files; else NULL; in the graph's arena */
    uint32_t producer; /* the node that computes it, TF2__NO_NODE for inputs and constants */
    bool is_input;     /* filled at every run */
};

struct tf2__node {
    const char *name;
    const struct tf2__op *op;
    void *attr;
    uint32_t n_in;
    tf2_tensor_id *in; /* TF2_NO_TENSOR: left out */
    tf2_tensor_id out;
    struct tf2_activation activation; /* applied to the result; kind NONE until the fuse pass */
    bool dead;                        /* set by passes, removed by tf2__graph_compact */
};

struct tf2__graph_output {
    const char *name;
    tf2_tensor_id tensor;
};

struct tf2_graph {
    struct tf2__arena arena;  /* arena.env is the graph's environment */
    struct tf2__strmap names; /* every tensor name → id */
    struct tf2__strmap output_names;
    struct tf2__tensor *tensors;
    struct tf2__node *nodes;
    tf2_tensor_id *inputs;
    struct tf2__graph_output *outputs;
    uint32_t n_tensors, n_nodes, n_inputs, n_outputs;
    uint32_t cap_tensors, cap_nodes, cap_inputs, cap_outputs;
    size_t budget_bytes; /* constants that passes may still make, see tf2__rewrite_spend */
    /* What the source says of 8-bit images as input: value = (pixel - mean) * scale. scale 0: nothing. */
    struct {
        float mean, scale;
    } pixels;
};

/* A constant whose data already lies in the graph's arena (or outlives the graph): it is not copied. */
enum tf2_status tf2__graph_adopt_constant(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const void *data, tf2_tensor_id *tensor, struct tf2_error *error);

/* The same with a quantization (dtype S8: weights; other types: NULL); its arrays are not copied either. */
enum tf2_status tf2__graph_adopt_quantized(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, const void *data, tf2_tensor_id *tensor, struct tf2_error *error);

/* An input of any type that a node can give: u8 with `quant` (its arrays are not copied), or F32 (quant NULL). For parts
 * of a graph, whose callers know what the bytes stand for. */
enum tf2_status tf2__graph_add_typed_input(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, tf2_tensor_id *tensor, struct tf2_error *error);

/*
 * A node on integers (op->int8): reads u8 and its constants, writes `dtype` U8 with `quant` (its arrays are not
 * copied), or F32 where the operator can (quant NULL). activation NULL: none; else NONE, RELU or CLIP.
 */
enum tf2_status tf2__graph_add_int8(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, const struct tf2_activation *activation, enum tf2_dtype dtype,
    const struct tf2__quant *quant, tf2_tensor_id *output, struct tf2_error *error);

/* Whether the node computes on integers: an input or its output is u8. */
bool tf2__node_is_int8(const struct tf2_graph *graph, const struct tf2__node *node);

/* TF2_NO_TENSOR when no tensor has this name. */
tf2_tensor_id tf2__graph_find(const struct tf2_graph *graph, const char *name);

/* Constant data as floats, or NULL when `tensor` is TF2_NO_TENSOR or no float constant. */
const float *tf2__graph_constant_f32(const struct tf2_graph *graph, tf2_tensor_id tensor);

/* Removes the nodes marked dead. Tensor ids stay valid. */
void tf2__graph_compact(struct tf2_graph *graph);

/*
 * Puts the nodes in order of computation again, after some were appended for earlier ones to read or were
 * given inputs that are computed later. Nodes stay where they are as far as possible; dead ones are removed.
 * Linear. TF2_ERR_INTERNAL for a cycle.
 */
enum tf2_status tf2__graph_sort(struct tf2_graph *graph, struct tf2_error *error);

/*
 * Infers all shapes for other input shapes (one per graph input) without touching the graph:
 * shapes[n_tensors] gets them. Fails where a node cannot take them.
 */
enum tf2_status tf2__graph_infer(
    const struct tf2_graph *graph, const struct tf2_shape *input_shapes, struct tf2_shape *shapes,
    struct tf2_error *error);

/* Checks the invariants; TF2_ERR_GRAPH. */
enum tf2_status tf2__graph_verify(const struct tf2_graph *graph, struct tf2_error *error);

/* Multiply-accumulates of a node with the given shapes (tensor id → shape). */
int64_t tf2__node_macs(const struct tf2__node *node, const struct tf2_shape *shapes);

#endif
