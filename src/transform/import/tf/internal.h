/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h: what the files of the TensorFlow importer share.
 *
 *     bytes ─ protobuf-c ─▶ GraphDef ─ functions inlined, names resolved (tf_scope.c) ─▶ nodes
 *           ─ idioms of several nodes become one (tf_idioms.c) ─▶ needed nodes in order (tf_graph.c)
 *           ─ each node: row of the operator table (tf_table.c) ─▶ nodes as ONNX has them (tf_ops_*.c)
 *           ─ these at once to the ONNX importer's machinery ─▶ folded, or nodes of the graph
 *
 * That machinery knows what a constant is, computes with shapes for several batches and sizes at a time, and
 * has the operators (../onnx/internal.h). Here is what is TensorFlow's own: the file, its names, its
 * operators in terms of those, and the order of dimensions.
 *
 * TensorFlow's maps are [N, spatial..., C] (unless an operator's data_format says otherwise), the graph's are
 * [N, C, spatial...]. A value is a tensor in one of the two orders or in both: whoever needs an order asks
 * for it and gets a transpose if there is none yet. What works in any order takes the one that is there.
 */
#ifndef TF2__IMPORT_TF_INTERNAL_H
#define TF2__IMPORT_TF_INTERNAL_H

#include "transform/import/onnx/internal.h"
#include "transform/import/tf/tf.pb-c.h"

#define TF2__TF_NO_NODE  UINT32_MAX
#define TF2__TF_NO_SCOPE UINT32_MAX

/* DataType, as far as it is read. */
enum {
    TF2__TF_FLOAT = 1,
    TF2__TF_DOUBLE = 2,
    TF2__TF_INT32 = 3,
    TF2__TF_UINT8 = 4,
    TF2__TF_INT16 = 5,
    TF2__TF_INT8 = 6,
    TF2__TF_STRING = 7,
    TF2__TF_INT64 = 9,
    TF2__TF_BOOL = 10,
    TF2__TF_BFLOAT16 = 14,
    TF2__TF_UINT16 = 17,
    TF2__TF_HALF = 19,
    TF2__TF_RESOURCE = 20,
    TF2__TF_UINT32 = 22,
    TF2__TF_UINT64 = 23,
};

struct tf2__tf_spread;

/* A tensor of the file. */
struct tf2__tf_value {
    struct tf2__onnx_value *file;  /* as the file has it; NULL: not made */
    struct tf2__onnx_value *first; /* [N, C, spatial...] of the file's [N, spatial..., C]; NULL: not made */
    const struct tf2__tf_spread *spread; /* between SpaceToBatchND and BatchToSpaceND; the others are NULL */
    bool random; /* random numbers, or a mask made of them: dropout; the others are NULL */
};

/* Output `output` of a node. */
struct tf2__tf_ref {
    uint32_t node;
    uint32_t output;
};

struct tf2__tf_op;

struct tf2__tf_node {
    const Tf2__Tf__NodeDef *def;
    const char *name;            /* with those of the calls around it */
    uint32_t scope;              /* the function call, or 0 for the graph itself, that it is in */
    uint32_t callee;             /* the scope of the function that it calls; TF2__TF_NO_SCOPE: none */
    const struct tf2__tf_op *op; /* NULL: not supported */
    struct tf2__tf_ref *in;      /* without control inputs; NULL: not resolved yet */
    uint32_t n_in;
    uint32_t n_out; /* outputs that somebody reads: 0 .. n_out - 1 */
    struct tf2__tf_value *out;
    bool needed;
    bool poison;  /* could not be computed, the report says why */
    int64_t axis; /* of a softmax that was written in several nodes */
    float alpha;  /* of a leaky ReLU that was written in several nodes */
};

/* A graph or a function's body where it is called. */
struct tf2__tf_scope {
    const Tf2__Tf__FunctionDef *function; /* NULL: the graph */
    uint32_t call;                        /* the node that calls it */
    uint32_t depth;
    const char *prefix; /* of the names in it */
};

/* An output of the network. */
struct tf2__tf_output {
    const char *name;
    struct tf2__tf_ref ref;
};

struct tf2__tf {
    struct tf2__onnx onnx; /* graph, options, arena, report, values */
    const Tf2__Tf__GraphDef *def;
    const Tf2__Tf__SignatureDef *signature; /* of a SavedModel, NULL: none */
    Tf2__Tf__GraphDef *graph_def;           /* what was unpacked: one of both */
    Tf2__Tf__SavedModel *saved_model;
    struct tf2__strmap functions; /* name → index in the library */
    struct tf2__strmap names;     /* full name → node */
    struct tf2__tf_scope *scopes;
    uint32_t n_scopes, cap_scopes;
    struct tf2__tf_node *nodes;
    uint32_t n_nodes, cap_nodes;
    uint32_t *order; /* needed nodes, producers first */
    uint32_t n_order;
    struct tf2__tf_output *outputs;
    size_t n_outputs;
    char *scratch;        /* for a full name */
    size_t scratch_bytes; /* that of the longest */
    bool channels_last;   /* the file's maps are [N, spatial..., C], as far as one can see */
    bool reported;        /* the problem of the current node is in the report already */
};

/* ---- tf_wire.c: the bytes ---- */

bool tf2__tf_probe(const unsigned char *data, size_t size_bytes);
/* Unpacks either kind of file: def and signature are set. */
enum tf2_status tf2__tf_unpack(struct tf2__tf *tf, struct tf2_error *error);

/* ---- tf_scope.c: functions and names ---- */

/* Makes the nodes of the graph and of all functions that it calls. */
enum tf2_status tf2__tf_make_nodes(struct tf2__tf *tf, struct tf2_error *error);
/* What the text of an input in a scope means; false: nothing, *missing (text, or part of it) says what. */
bool tf2__tf_resolve(
    struct tf2__tf *tf, uint32_t scope, const char *text, struct tf2__tf_ref *ref, const char **missing);

/* ---- tf_graph.c: outputs, needed nodes, order ---- */

enum tf2_status tf2__tf_find_outputs(struct tf2__tf *tf, struct tf2_error *error);
/* Resolves the inputs of all nodes that the outputs need; problems go into the report. */
enum tf2_status tf2__tf_mark_needed(struct tf2__tf *tf, struct tf2_error *error);
enum tf2_status tf2__tf_find_order(struct tf2__tf *tf, struct tf2_error *error);
/* Nodes that are needed and not supported go into the report, one line for each kind. */
enum tf2_status tf2__tf_check_ops(struct tf2__tf *tf, struct tf2_error *error);

/* ---- tf_idioms.c ---- */

/* Rewrites needed nodes that compute a softmax, a PReLU or a leaky ReLU in several steps. */
void tf2__tf_find_idioms(struct tf2__tf *tf);

/* ---- tf_input.c ---- */

enum tf2_status tf2__tf_add_inputs(struct tf2__tf *tf, struct tf2_error *error);

/* ---- tf_attr.c ---- */

/* NULL: not there. */
const Tf2__Tf__AttrValue *tf2__tf_attr(const struct tf2__tf_node *node, const char *name);
int64_t tf2__tf_attr_int(const struct tf2__tf_node *node, const char *name, int64_t otherwise);
float tf2__tf_attr_float(const struct tf2__tf_node *node, const char *name, float otherwise);
bool tf2__tf_attr_bool(const struct tf2__tf_node *node, const char *name, bool otherwise);
const char *tf2__tf_attr_string(const struct tf2__tf_node *node, const char *name, const char *otherwise);
/* A list of integers; given == false when it is not there. */
enum tf2_status tf2__tf_attr_list(
    const struct tf2__tf_node *node, const char *name, struct tf2__onnx_list *list, struct tf2_error *error);
/* Whether data_format has the channels last, as it is by default. */
enum tf2_status tf2__tf_channels_last(const struct tf2__tf_node *node, bool *last, struct tf2_error *error);

/* ---- tf_tensor.c ---- */

/* ONNX's number of a DataType, 0: not supported. */
int32_t tf2__tf_onnx_type(int32_t dtype);
const char *tf2__tf_type_name(int32_t dtype);
/* The single float of a constant; false: it is none. */
bool tf2__tf_scalar(const Tf2__Tf__TensorProto *proto, double *number);
/* The shape that a file gives; open extents are -1. False: it does not say how many dimensions. */
bool tf2__tf_shape(const Tf2__Tf__TensorShapeProto *proto, struct tf2_shape *shape);

/* ---- tf_value.c: values, and nodes as ONNX has them ---- */

/* The value of input i, which has been computed. NULL: there is no such input. */
struct tf2__tf_value *tf2__tf_in(const struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i);
/* Input i in one of the two orders. Fails when it is left out or no plain tensor. */
enum tf2_status tf2__tf_file(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    struct tf2_error *error);
enum tf2_status tf2__tf_first(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    struct tf2_error *error);
/* The same for any value. */
enum tf2_status tf2__tf_as_file(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *value,
    struct tf2__onnx_value **result, struct tf2_error *error);
enum tf2_status tf2__tf_as_first(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *value,
    struct tf2__onnx_value **result, struct tf2_error *error);
/* Whether it is data with the channels first: what works in any order works in that one. */
bool tf2__tf_prefers_first(const struct tf2__tf *tf, const struct tf2__tf_value *value);
/* Input i in the order that it prefers, and which that is. */
enum tf2_status tf2__tf_any(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    bool *first, struct tf2_error *error);

bool tf2__tf_is_const(const struct tf2__onnx_value *value);
/* At import; of a value that has been computed. */
const struct tf2_shape *tf2__tf_shape_of(const struct tf2__tf *tf, const struct tf2__onnx_value *value);
/* Dimensions of the value, and the extents as the file has them. */
uint32_t tf2__tf_rank(const struct tf2__tf *tf, const struct tf2__tf_value *value);
struct tf2_shape tf2__tf_file_shape(const struct tf2__tf *tf, const struct tf2__tf_value *value);
/* Input i as constant; fails when it is computed from data. */
enum tf2_status tf2__tf_known(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, const struct tf2__onnx_const **known,
    struct tf2_error *error);
/* Input i as a list of integers (or one) that does not depend on the shape of the network's input. */
enum tf2_status tf2__tf_ints(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_list *list,
    struct tf2_error *error);
/* One integer of this kind. */
enum tf2_status tf2__tf_int(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, int64_t *number, struct tf2_error *error);
/* Input i as an axis of a tensor of n_dims dimensions. */
enum tf2_status tf2__tf_axis(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, uint32_t n_dims, uint32_t *axis,
    struct tf2_error *error);

/* Sets output k. */
void tf2__tf_set_file(struct tf2__tf_node *node, size_t k, struct tf2__onnx_value *value);
void tf2__tf_set_first(struct tf2__tf_node *node, size_t k, struct tf2__onnx_value *value);
void tf2__tf_set(struct tf2__tf_node *node, size_t k, bool first, struct tf2__onnx_value *value);
/* Output k is the value as it is. */
void tf2__tf_alias(struct tf2__tf_node *node, size_t k, const struct tf2__tf_value *value);

#define TF2__TF_MAX_ATTRS 8

/* A node as ONNX has it. */
struct tf2__tf_call {
    const char *op;
    struct tf2__onnx_value *in[TF2_MAX_NODE_INPUTS]; /* NULL: left out */
    size_t n_in;
    Tf2__Onnx__AttributeProto attrs[TF2__TF_MAX_ATTRS];
    int64_t ints[TF2__TF_MAX_ATTRS][TF2__ONNX_MAX_LIST];
    size_t n_attrs;
};

/* One with n_in inputs. */
void tf2__tf_call_init(
    struct tf2__tf_call *call, const char *op, size_t n_in, struct tf2__onnx_value *const *in);
void tf2__tf_call_int(struct tf2__tf_call *call, const char *name, int64_t value);
void tf2__tf_call_float(struct tf2__tf_call *call, const char *name, float value);
void tf2__tf_call_string(struct tf2__tf_call *call, const char *name, const char *value);
void tf2__tf_call_list(struct tf2__tf_call *call, const char *name, const int64_t *values, size_t n);
/*
 * Imports it. suffix NULL: the result is called as the node; else "node.suffix". On failure the problem is in
 * the report already, and whoever called it ends.
 */
enum tf2_status tf2__tf_run(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const struct tf2__tf_call *call, const char *suffix,
    struct tf2__onnx_value **result, struct tf2_error *error);
/* The same with n results, called as the node's outputs. */
enum tf2_status tf2__tf_run_many(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const struct tf2__tf_call *call, size_t n,
    struct tf2__onnx_value **results, struct tf2_error *error);
/* One without attributes. */
enum tf2_status tf2__tf_run_plain(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const char *op, size_t n_in,
    struct tf2__onnx_value *const *in, const char *suffix, struct tf2__onnx_value **result,
    struct tf2_error *error);
enum tf2_status tf2__tf_run_transpose(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, const int64_t *perm,
    size_t n, const char *suffix, struct tf2__onnx_value **result, struct tf2_error *error);
/* Constants made up for a node. */
enum tf2_status tf2__tf_make_ints(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const int64_t *values, size_t n,
    struct tf2__onnx_value **result, struct tf2_error *error);
enum tf2_status tf2__tf_make_float(
    struct tf2__tf *tf, const struct tf2__tf_node *node, float value, struct tf2__onnx_value **result,
    struct tf2_error *error);
/* x with dimensions of 1 in front, so that it has n_dims of them. */
enum tf2_status tf2__tf_lift(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, uint32_t n_dims,
    struct tf2__onnx_value **result, struct tf2_error *error);

/* ---- tf_ops_*.c, as far as they use each other ---- */

/* An element-wise operator of two values, as output 0. */
enum tf2_status tf2__tf_binary(
    struct tf2__tf *tf, struct tf2__tf_node *node, const char *op, struct tf2__tf_value *a,
    struct tf2__tf_value *b, struct tf2_error *error);

/* A convolution's window, without its padding: numbers of the spatial dimensions. */
struct tf2__tf_window {
    bool last; /* data_format */
    uint32_t n;
    int64_t kernel[TF2_MAX_SPATIAL], stride[TF2_MAX_SPATIAL], dilation[TF2_MAX_SPATIAL];
    int64_t pad[2 * TF2_MAX_SPATIAL]; /* where padding is EXPLICIT: begins, then ends */
    const char *padding;              /* "SAME", "VALID", "EXPLICIT" */
};

enum tf2_status tf2__tf_read_conv(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_window *window,
    struct tf2_error *error);
/* The convolution of node `conv` on x, as output 0 of `node`. */
enum tf2_status tf2__tf_run_conv(
    struct tf2__tf *tf, const struct tf2__tf_node *conv, struct tf2__tf_node *node, struct tf2__tf_value *x,
    const struct tf2__tf_window *window, struct tf2_error *error);
/* A convolution of what SpaceToBatchND made: put off until BatchToSpaceND. */
enum tf2_status tf2__tf_spread_conv(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error);
/* ExpandDims in front of it and Squeeze behind it, where it is of one dimension. */
enum tf2_status tf2__tf_spread_lift(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error);
enum tf2_status tf2__tf_spread_lower(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_spread *spread,
    struct tf2_error *error);
/* A node that reads random numbers: a mask, or a dropout. */
enum tf2_status
tf2__tf_convert_random(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error);

/* ---- tf_table.c ---- */

typedef enum tf2_status (*tf2__tf_convert_fn)(
    struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error);

struct tf2__tf_op {
    const char *name;
    int8_t min_in, max_in; /* inputs; max -1: any number */
    int8_t max_out;        /* outputs that may be read; -1: any number */
    const char *onnx;      /* the operator that it is in ONNX, for functions that serve several */
    tf2__tf_convert_fn convert;
};

/* NULL for an operator that is not supported. */
const struct tf2__tf_op *tf2__tf_op_find(const char *name);
/* Row i of the table, NULL behind the last. */
const struct tf2__tf_op *tf2__tf_op_at(size_t i);
/* Why an operator is not supported, where there is more to say; else NULL. */
const char *tf2__tf_op_reason(const char *name);

/* clang-format off */
#define TF2__TF_CONVERTERS(X)                                                                                \
    X(add_n) X(alias) X(bias_add) X(binary) X(batch_norm) X(batch_to_space) X(cast) X(clip) X(concat)        \
    X(concat_v1) X(const) X(conv) X(expand_dims) X(fill) X(floor_div) X(gather) X(identity_n) X(idiom)       \
    X(leaky) X(lrn) X(matmul) X(mirror_pad) X(old_batch_norm) X(pack) X(pad) X(placeholder) X(pool)          \
    X(prelu) X(random) X(range) X(rank) X(reduce) X(relu6) X(reshape) X(resize) X(rsqrt) X(select) X(shape)  \
    X(slice) X(softmax) X(space_to_batch) X(split) X(split_v) X(square) X(squared_difference) X(squeeze)     \
    X(strided_slice) X(tile) X(transpose) X(unary) X(unpack)
/* clang-format on */
#define TF2__TF_DECLARE(name)                                                                                \
    enum tf2_status tf2__tf_convert_##name(                                                                  \
        struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error);
TF2__TF_CONVERTERS(TF2__TF_DECLARE)
#undef TF2__TF_DECLARE

#endif
