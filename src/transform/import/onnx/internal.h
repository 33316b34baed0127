/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h: what the files of the ONNX importer share.
 *
 *     bytes ─ protobuf-c ─▶ ModelProto ─ names (onnx_names.c) ─▶ values, needed nodes in order
 *           ─ each node (onnx.c): row of the operator table (onnx_table.c)
 *                 ├─ all inputs known: folded (onnx_fold*.c), nothing goes into the graph
 *                 └─ else: converted (onnx_ops_*.c) to one or more nodes of the graph
 *
 * A value is what an ONNX name stands for: a tensor of the graph, or a constant. Shapes are known at import,
 * so what a network computes from shapes (Shape, Gather, Concat, ... Reshape) is constant here. To find out
 * what of it depends on the batch or on the size of the input, every shape and every such constant is
 * computed several times, once per lane: for the input shapes as they are, for another batch, and for other
 * spatial extents. What comes out the same in two lanes does not depend on what differs between them. A lane
 * is dropped where the network cannot take its shapes (a fully connected layer behind a free-size map, say).
 */
#ifndef TF2__IMPORT_ONNX_INTERNAL_H
#define TF2__IMPORT_ONNX_INTERNAL_H

#include "common/file.h"
#include "transform/import/import.h"
#include "transform/import/onnx/onnx.pb-c.h"

#define TF2__ONNX_MIN_OPSET 7
#define TF2__ONNX_MAX_OPSET 23

/* Lists in attributes and inputs (axes, pads, ...) are at most two numbers per dimension. */
#define TF2__ONNX_MAX_LIST (2 * TF2_MAX_DIMS)

enum {
    TF2__ONNX_LANE_FILE = 0,  /* the input shapes of the import; always valid */
    TF2__ONNX_LANE_BATCH = 1, /* another batch */
    TF2__ONNX_LANE_SIZE = 2,  /* other spatial extents */
    TF2__ONNX_LANES = 3,
    TF2__ONNX_ALL_LANES = (1 << TF2__ONNX_LANES) - 1,
};

/* TensorProto.DataType, as far as it is read. */
enum {
    TF2__ONNX_FLOAT = 1,
    TF2__ONNX_UINT8 = 2,
    TF2__ONNX_INT8 = 3,
    TF2__ONNX_UINT16 = 4,
    TF2__ONNX_INT16 = 5,
    TF2__ONNX_INT32 = 6,
    TF2__ONNX_INT64 = 7,
    TF2__ONNX_BOOL = 9,
    TF2__ONNX_FLOAT16 = 10,
    TF2__ONNX_DOUBLE = 11,
    TF2__ONNX_UINT32 = 12,
    TF2__ONNX_UINT64 = 13,
    TF2__ONNX_BFLOAT16 = 16,
};

/* Known numbers. All float types are kept as float, all integer types and bool as int64_t. Unlike a tensor of
 * the graph an array may be empty (an extent of 0). */
struct tf2__onnx_array {
    int32_t type; /* TF2__ONNX_FLOAT and so on: what the file calls it */
    struct tf2_shape shape;
    int64_t count;
    const void *data; /* NULL where only the shape is known */
    bool in_graph;    /* the data lies in the graph's arena */
    const struct tf2__steps *steps; /* floats made of integers by DequantizeLinear; else NULL */
};

/* A constant in all lanes. */
struct tf2__onnx_const {
    uint32_t lanes; /* bit l: array[l] is valid */
    uint32_t equal; /* bit l: array[l] is valid and the same as array[0] */
    struct tf2__onnx_array array[TF2__ONNX_LANES];
};

enum tf2__onnx_state {
    TF2__ONNX_UNSEEN = 0, /* not computed yet */
    TF2__ONNX_POISON = 1, /* could not be computed, the reason is in the report */
    TF2__ONNX_TENSOR = 2, /* computed at run time */
    TF2__ONNX_CONST = 3,  /* known now */
};

#define TF2__ONNX_NO_NODE UINT32_MAX

struct tf2__onnx_value {
    const char *name;
    enum tf2__onnx_state state;
    uint32_t node;   /* which node computes it; TF2__ONNX_NO_NODE */
    uint32_t n_uses; /* readers among the needed nodes, and network outputs */
    bool is_output;  /* of the network */
    const Tf2__Onnx__TensorProto *initializer;
    const Tf2__Onnx__ValueInfoProto *input;
    tf2_tensor_id tensor;             /* of a tensor, and of a constant that a node of the graph reads */
    struct tf2__onnx_const *constant; /* in the importer's arena */

    /* Quantized data (onnx_ops_quant.c). `tensor` is u8. */
    int32_t integer_type;               /* what the file calls it: TF2__ONNX_UINT8, TF2__ONNX_INT8; 0: it is no such */
    int64_t n_tables;                   /* it was cast to indices of so many tables; 0: no */
    const struct tf2__onnx_array *lookup; /* `tensor` is looked up in this; NULL: no */
    int64_t n_lookups;                  /* so many tables */
};

struct tf2__onnx_op;

struct tf2__onnx_node {
    const Tf2__Onnx__NodeProto *proto;
    const struct tf2__onnx_op *op; /* NULL: not supported */
    const char *label, *type;      /* for messages */
    bool needed;
    bool refused; /* the report says why */
};

/* Shapes of a graph tensor in the lanes other than the first. */
struct tf2__onnx_lane_shapes {
    uint32_t lanes;                          /* bit l; bit 0 is always set */
    struct tf2_shape shape[TF2__ONNX_LANES]; /* [0] is the graph's own */
};

/* One import. Everything it owns lies in `arena` or is freed in onnx.c. */
struct tf2__onnx {
    const struct tf2__source *source;
    const struct tf2_import_options *options;
    struct tf2_graph *graph;
    struct tf2_env env;
    struct tf2__arena arena;
    Tf2__Onnx__ModelProto *model;
    Tf2__Onnx__NodeProto **file_nodes; /* the graph's own list of nodes, while it has another one; NULL */
    size_t n_file_nodes;
    int64_t opset;
    struct tf2__strmap names; /* ONNX name → index in values */
    struct tf2__onnx_value **values;
    uint32_t n_values, cap_values;
    struct tf2__onnx_node *nodes; /* as in the file */
    uint32_t n_nodes;
    uint32_t *order; /* the needed nodes, producers first */
    uint32_t n_order;
    struct tf2__onnx_value **outputs; /* the values that become the network's outputs */
    uint32_t n_outputs;
    struct tf2__onnx_lane_shapes *lane_shapes; /* by tensor id */
    uint32_t cap_lane_shapes;
    uint32_t serial;       /* for names made up here */
    uint64_t budget_bytes; /* what folding may still touch, see tf2__onnx_charge */
    struct tf2__file *files; /* mapped data files */
    uint32_t n_files;
    struct tf2__strmap locations; /* where a file lies → index in files */
    bool moves_integers;   /* the node that is converted may read quantized data as floats */
    bool batch_fixed;      /* every input's batch is a number in the file */
    bool warned_batch;
    struct tf2__report report;
};

/* ---- onnx.c: the parts of an import that another importer uses, see ../tf/internal.h ---- */

/* An import into the empty graph. All strings and data must outlive it. Finish in any case. */
void tf2__onnx_init(
    struct tf2__onnx *onnx, const struct tf2__source *source, const struct tf2_import_options *options,
    struct tf2_graph *graph);
void tf2__onnx_finish(struct tf2__onnx *onnx);
/* Imports one node whose inputs have been computed; node->op is its row. A problem goes into the report, and its outputs
 * become poison. */
enum tf2_status
tf2__onnx_import_node(struct tf2__onnx *onnx, struct tf2__onnx_node *node, struct tf2_error *error);
/* Names come from the file and may hold anything; a message is one line. */
void tf2__onnx_make_one_line(struct tf2_error *error);

/* ---- onnx_wire.c: the bytes ---- */

/* Whether the data looks like an ONNX model. */
bool tf2__onnx_probe(const unsigned char *data, size_t size_bytes);
/* Whether the data can be unpacked; TF2_ERR_FORMAT says where it is damaged. */
enum tf2_status tf2__onnx_check_bytes(const unsigned char *data, size_t size_bytes, struct tf2_error *error);

/* ---- onnx_qlinear.c ---- */

/* Replaces operators on integers by float ones between DequantizeLinear and QuantizeLinear. */
enum tf2_status tf2__onnx_expand(struct tf2__onnx *onnx, struct tf2_error *error);
/* Gives the model its nodes back, so that it can be freed. */
void tf2__onnx_restore(struct tf2__onnx *onnx);

/* ---- onnx_names.c: which nodes, in which order ---- */

/* Fills values, nodes, outputs, order; problems of single nodes go into the report. */
enum tf2_status tf2__onnx_resolve(struct tf2__onnx *onnx, struct tf2_error *error);
/* The value of this name, made when it is new. NULL: out of memory. */
struct tf2__onnx_value *tf2__onnx_declare(struct tf2__onnx *onnx, const char *name);
/* NULL: nothing has this name. */
struct tf2__onnx_value *tf2__onnx_find(const struct tf2__onnx *onnx, const char *name);

/* ---- onnx_input.c ---- */

/* Adds the inputs that the needed nodes read. */
enum tf2_status tf2__onnx_add_inputs(struct tf2__onnx *onnx, struct tf2_error *error);
/* Makes the value a graph input. first_spatial: 2, or 1 for [N, spatial..., C]. */
enum tf2_status tf2__onnx_add_input(
    struct tf2__onnx *onnx, struct tf2__onnx_value *value, const struct tf2_shape *shape, uint32_t first_spatial,
    struct tf2_error *error);

/* ---- onnx_tensor.c ---- */

/* Reads a tensor's data; `what` names it in messages. The array may point into `proto`. */
enum tf2_status tf2__onnx_read_tensor(
    struct tf2__onnx *onnx, const Tf2__Onnx__TensorProto *proto, const char *what,
    struct tf2__onnx_array *array, struct tf2_error *error);
bool tf2__onnx_is_float(int32_t type);
const char *tf2__onnx_type_name(int32_t type);

/* ---- onnx_external.c: data in other files ---- */

/* The budget grows by so many times the size of what is read. */
#define TF2__ONNX_BUDGET_FACTOR 8

bool tf2__onnx_is_external(const Tf2__Onnx__TensorProto *proto);
/* The tensor as if its `wanted_bytes` bytes were in the model; they are in a file that stays mapped. */
enum tf2_status tf2__onnx_read_external(
    struct tf2__onnx *onnx, const Tf2__Onnx__TensorProto *proto, const char *what, size_t wanted_bytes,
    Tf2__Onnx__TensorProto *result, struct tf2_error *error);
void tf2__onnx_finish_external(struct tf2__onnx *onnx);

/* ---- onnx_value.c: values of a node's inputs and outputs, and the way into the graph ---- */

/* Counts work and memory that grow faster than the file; fails when a (hostile) file asks for too much. */
enum tf2_status tf2__onnx_charge(struct tf2__onnx *onnx, uint64_t bytes, struct tf2_error *error);
/* Memory for `count` numbers, charged. in_graph: from the graph's arena, for data that becomes a constant
 * there. */
enum tf2_status tf2__onnx_alloc(
    struct tf2__onnx *onnx, int64_t count, size_t size_bytes, bool in_graph, void **data,
    struct tf2_error *error);

/* Room for the shapes of a new tensor in all lanes; only the first is filled in. */
enum tf2_status tf2__onnx_reserve_lanes(struct tf2__onnx *onnx, tf2_tensor_id id, struct tf2_error *error);

/* Reads the initializer of a value, which is a constant then. */
enum tf2_status
tf2__onnx_load(struct tf2__onnx *onnx, struct tf2__onnx_value *value, struct tf2_error *error);
/* A name that nothing in the file and in the graph has: "base.suffix". */
void tf2__onnx_make_name(
    struct tf2__onnx *onnx, const char *base, const char *suffix, char *name, size_t size_bytes);
/* Reads the initializers among a node's inputs. One that cannot be read is poison from then on. */
enum tf2_status
tf2__onnx_load_inputs(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
/* Input i, NULL when left out. Its state is TENSOR or CONST. */
struct tf2__onnx_value *
tf2__onnx_in(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i);
/* Whether output i has a name that somebody reads. */
bool tf2__onnx_out_used(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i);
/* Input i as a tensor of the graph; a constant is put there. Fails when left out or not of a float type. */
enum tf2_status tf2__onnx_data(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, tf2_tensor_id *id,
    struct tf2_error *error);
/* Input i, which has to be known at import; NULL when left out (allowed). */
enum tf2_status tf2__onnx_known(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_const **known,
    struct tf2_error *error);
/* The same when its numbers must not depend on the input's shape; NULL when left out. */
enum tf2_status tf2__onnx_fixed(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_array **fixed,
    struct tf2_error *error);
/* The same as float constant; required. */
enum tf2_status tf2__onnx_known_floats(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_array **known,
    struct tf2_error *error);
/* A single number as double; NULL arrays leave *number alone. */
enum tf2_status tf2__onnx_number(
    const struct tf2__onnx_array *array, const char *what, double *number, struct tf2_error *error);

/* The shape of a tensor in a lane; NULL when the lane is not valid there. */
const struct tf2_shape *tf2__onnx_shape(const struct tf2__onnx *onnx, tf2_tensor_id id, int lane);
/* Whether dimension d of a tensor differs between lanes. */
bool tf2__onnx_dim_varies(const struct tf2__onnx *onnx, tf2_tensor_id id, uint32_t d);
/* What follows from here on is not what ONNX means for the shapes of this lane. */
void tf2__onnx_drop_lane(struct tf2__onnx *onnx, tf2_tensor_id id, int lane);

/* Adds a node of the graph whose result is output i of the ONNX node. */
enum tf2_status tf2__onnx_emit(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, enum tf2_op op, const void *attr,
    const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *id, struct tf2_error *error);
/* Adds a node whose result is only needed by further nodes of the same ONNX node. */
enum tf2_status tf2__onnx_emit_part(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix, enum tf2_op op,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *id, struct tf2_error *error);
/* The same in integer form, or to it (see tf2__graph_add_int8): the result is output 0, or a part. */
enum tf2_status tf2__onnx_emit_int8(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_op op, const tf2_tensor_id *in, size_t n_in,
    enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *id, struct tf2_error *error);
enum tf2_status tf2__onnx_emit_int8_part(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix, enum tf2_op op,
    const tf2_tensor_id *in, size_t n_in, enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *id,
    struct tf2_error *error);
/* A quantized output of the network, as floats. */
enum tf2_status tf2__onnx_output_real(
    struct tf2__onnx *onnx, const struct tf2__onnx_value *value, tf2_tensor_id *id, struct tf2_error *error);
/* Adds a constant of uint8. */
enum tf2_status tf2__onnx_emit_table(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2_shape *shape, const void *data,
    tf2_tensor_id *id, struct tf2_error *error);
/* Adds a constant made up for a node. `data` comes from tf2__onnx_alloc(in_graph). */
enum tf2_status tf2__onnx_emit_constant(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix,
    const struct tf2_shape *shape, const float *data, tf2_tensor_id *id, struct tf2_error *error);
/* Output i is the same as the tensor or constant of input k: no node, unless it is a network output. */
enum tf2_status tf2__onnx_pass(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, size_t k, struct tf2_error *error);

/* ---- onnx_parts.c: operators that become several nodes ---- */

/* *x becomes a function of *x. */
enum tf2_status tf2__onnx_part_act(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_activation_kind kind, float alpha, float beta,
    tf2_tensor_id *x, struct tf2_error *error);
enum tf2_status tf2__onnx_part_transpose(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const uint32_t *perm, uint32_t n_dims, tf2_tensor_id *x,
    struct tf2_error *error);
enum tf2_status tf2__onnx_part_reshape(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const int64_t *dims, uint32_t n_dims, tf2_tensor_id *x,
    struct tf2_error *error);
/* *out = a . b */
enum tf2_status tf2__onnx_part_eltwise(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_eltwise_kind kind, tf2_tensor_id a,
    tf2_tensor_id b, tf2_tensor_id *out, struct tf2_error *error);
/* A constant that is one number. */
enum tf2_status tf2__onnx_part_number(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, float value, tf2_tensor_id *id, struct tf2_error *error);
/* *out = condition > 0 ? yes : no, of numbers. */
enum tf2_status tf2__onnx_part_step(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id condition, float yes, float no,
    tf2_tensor_id *out, struct tf2_error *error);
/* Output 0 is this tensor. */
enum tf2_status tf2__onnx_result(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id id, struct tf2_error *error);

/* ---- onnx_ops_reduce.c ---- */

enum tf2__onnx_reduction {
    TF2__ONNX_MEAN = 0,
    TF2__ONNX_SUM = 1,
    TF2__ONNX_MAX = 2,
};

/* *x reduced over the axes (bits), which stay with extent 1. */
enum tf2_status tf2__onnx_part_reduce(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2__onnx_reduction reduction, uint32_t axes,
    tf2_tensor_id *x, struct tf2_error *error);

/* ---- onnx_attr.c ---- */

/* Checks names and types of a node's attributes against the row's list. The first problem is told. */
enum tf2_status tf2__onnx_check_attrs(const struct tf2__onnx_node *node, struct tf2_error *error);
const Tf2__Onnx__AttributeProto *tf2__onnx_attr(const struct tf2__onnx_node *node, const char *name);
int64_t tf2__onnx_attr_int(const struct tf2__onnx_node *node, const char *name, int64_t otherwise);
float tf2__onnx_attr_float(const struct tf2__onnx_node *node, const char *name, float otherwise);
const char *tf2__onnx_attr_string(const struct tf2__onnx_node *node, const char *name, const char *otherwise);

/* A short list of integers. */
struct tf2__onnx_list {
    bool given;
    size_t n;
    int64_t v[TF2__ONNX_MAX_LIST];
};

enum tf2_status tf2__onnx_attr_list(
    const struct tf2__onnx_node *node, const char *name, struct tf2__onnx_list *list,
    struct tf2_error *error);
/* From an input (NULL: left out), or, as in older opsets, from the attribute `name`. */
enum tf2_status tf2__onnx_list(
    const struct tf2__onnx_node *node, const char *name, const struct tf2__onnx_array *input,
    struct tf2__onnx_list *list, struct tf2_error *error);
/* A number among `n_names` words; fails when the attribute is none of them. */
enum tf2_status tf2__onnx_attr_word(
    const struct tf2__onnx_node *node, const char *name, const char *const *words, size_t n_words, int *index,
    struct tf2_error *error);
/* An axis in 0 .. n_dims - 1 (or n_dims with `or_end`); negative ones count from the end. */
enum tf2_status
tf2__onnx_axis(int64_t axis, uint32_t n_dims, bool or_end, uint32_t *result, struct tf2_error *error);
/* A set of distinct axes as bits. */
enum tf2_status
tf2__onnx_axes(const struct tf2__onnx_list *list, uint32_t n_dims, uint32_t *mask, struct tf2_error *error);
/* A number that fits an int32_t attribute of the graph. */
enum tf2_status tf2__onnx_int32(int64_t value, const char *what, int32_t *result, struct tf2_error *error);

/* ---- onnx_fold.c: computing with known numbers ---- */

/* What a folding function sees: one node in one lane. */
struct tf2__onnx_fold {
    struct tf2__onnx *onnx;
    const struct tf2__onnx_node *node;
    const struct tf2__onnx_array *in[TF2_MAX_NODE_INPUTS]; /* NULL: left out */
    size_t n_in;
    struct tf2__onnx_array out[TF2_MAX_NODE_INPUTS];
    size_t n_out;
};

typedef enum tf2_status (*tf2__onnx_fold_fn)(struct tf2__onnx_fold *fold, struct tf2_error *error);

/* True when the node can be computed now. */
bool tf2__onnx_can_fold(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node);
enum tf2_status
tf2__onnx_fold_node(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
/* Gives out[i] a type, a shape and room for its data. */
enum tf2_status tf2__onnx_fold_out(
    struct tf2__onnx_fold *fold, size_t i, int32_t type, const struct tf2_shape *shape, void **data,
    struct tf2_error *error);
/* The same for integers that are weights: there may be many. */
enum tf2_status tf2__onnx_fold_weights_out(
    struct tf2__onnx_fold *fold, int32_t type, const struct tf2_shape *shape, void **data, struct tf2_error *error);
/* out[i]: the numbers of `in` from element `first` on with the given strides. */
enum tf2_status tf2__onnx_fold_strided(
    struct tf2__onnx_fold *fold, size_t i, const struct tf2__onnx_array *in, int64_t first,
    const int64_t *stride, const struct tf2_shape *shape, struct tf2_error *error);
/* Like tf2_shape_count, but 0 is a valid count; -1 when too large or negative. */
int64_t tf2__onnx_count(const struct tf2_shape *shape);
void tf2__onnx_strides(const struct tf2_shape *shape, int64_t *stride);
/* NumPy's broadcasting of two shapes. */
bool tf2__onnx_broadcast(const struct tf2_shape *a, const struct tf2_shape *b, struct tf2_shape *out);

/* What a Slice says for an input of this shape; arrays: starts, ends, axes, steps (NULL: left out). Absent
 * dimensions take all. */
enum tf2_status tf2__onnx_parse_slice(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *const *arrays, uint32_t n_dims,
    struct tf2_slice_attr *slice, struct tf2_error *error);
/* A slice that takes everything. */
void tf2__onnx_slice_all(struct tf2_slice_attr *slice, uint32_t n_dims);
/* The extents of a Split's parts, for an axis of `extent`. */
enum tf2_status tf2__onnx_parse_split(
    const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_array *sizes,
    int64_t extent, size_t i, int64_t *begin, int64_t *length, struct tf2_error *error);
/* The dimensions a Reshape wants: 0 copies, -1 takes the rest. */
enum tf2_status tf2__onnx_parse_reshape(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *array, struct tf2_reshape_attr *reshape,
    struct tf2_error *error);

/* ---- onnx_ops_quant.c ---- */

/*
 * Converts an operator that reads quantized data and only moves it or takes the largest (MaxPool, Reshape, ...): as
 * floats, and its outputs are rounded again, to what they are already. *done: whether the node is such.
 */
enum tf2_status tf2__onnx_convert_moved(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, bool *done, struct tf2_error *error);

/* ---- onnx_ops_lookup.c: tables ---- */

/* Cast, Add and Gather with quantized data as indices. */
enum tf2_status
tf2__onnx_cast_index(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
enum tf2_status
tf2__onnx_add_index(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
enum tf2_status
tf2__onnx_gather_table(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
/* The node of a value with a table, when it is known what its numbers stand for. */
enum tf2_status tf2__onnx_emit_lookup(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_value *value,
    const struct tf2__quant *quant, tf2_tensor_id *id, struct tf2_error *error);

/* ---- onnx_ops_compare.c ---- */

/* Input 0 as truth values: whether it is not 0. */
enum tf2_status
tf2__onnx_convert_truth(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);

/* ---- onnx_table.c ---- */

typedef enum tf2_status (*tf2__onnx_convert_fn)(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);

struct tf2__onnx_op {
    const char *name;
    int8_t since;                 /* first opset that has it (1: all we read) */
    int8_t until;                 /* last one, 0: still there */
    int8_t min_in;                /* inputs that may not be left out */
    int8_t max_in;                /* -1: any number */
    int8_t max_out;               /* outputs that may be used, -1: any number */
    bool shape_only;              /* folding needs the inputs' shapes, not their data */
    const char *attrs;            /* "name:type ..."; f float, x float or infinite, i, s, t, F I S lists */
    tf2__onnx_fold_fn fold;       /* NULL: never folded */
    tf2__onnx_convert_fn convert; /* NULL: only for known numbers */
};

/* NULL for an operator that is not supported. */
const struct tf2__onnx_op *tf2__onnx_op_find(const char *name);
/* Row i of the table, NULL behind the last. */
const struct tf2__onnx_op *tf2__onnx_op_at(size_t i);

/* clang-format off */
#define TF2__ONNX_CONVERTERS(X)                                                                              \
    X(act) X(average_pool) X(batch_norm) X(binary) X(cast) X(celu) X(clip) X(compare) X(concat) X(conv)      \
    X(conv_transpose) X(depth_to_space) X(dequantize) X(dropout) X(expand) X(flatten) X(gather) X(gather_nd) \
    X(gelu) X(gemm) X(global_pool) X(group_norm) X(identity) X(instance_norm) X(layer_norm) X(logic)         \
    X(lp_normalization) X(lrn) X(matmul) X(max_pool) X(mish) X(not) X(pad) X(pow) X(prelu) X(quantize)       \
    X(reduce) X(reshape) X(resize) X(selu) X(sign) X(slice) X(softmax) X(softplus) X(softsign)               \
    X(space_to_depth) X(split) X(squeeze) X(tile) X(transpose) X(unsqueeze) X(upsample) X(variadic) X(where)
#define TF2__ONNX_FOLDERS(X)                                                                                 \
    X(binary) X(cast) X(clip) X(concat) X(constant) X(constant_of_shape) X(dequantize) X(expand) X(flatten)  \
    X(gather) X(identity) X(quantize) X(range) X(reduce) X(reshape) X(shape) X(size) X(slice) X(split)       \
    X(squeeze) X(tile) X(transpose) X(unary) X(unsqueeze) X(variadic) X(where)
/* clang-format on */
#define TF2__ONNX_DECLARE(name)                                                                              \
    enum tf2_status tf2__onnx_convert_##name(                                                                \
        struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error);
TF2__ONNX_CONVERTERS(TF2__ONNX_DECLARE)
#undef TF2__ONNX_DECLARE
#define TF2__ONNX_DECLARE(name)                                                                              \
    enum tf2_status tf2__onnx_fold_##name(struct tf2__onnx_fold *fold, struct tf2_error *error);
TF2__ONNX_FOLDERS(TF2__ONNX_DECLARE)
#undef TF2__ONNX_DECLARE

#endif
