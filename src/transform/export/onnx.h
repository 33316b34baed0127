/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx.h: what the files of the ONNX exporter share.
 *
 *     node of the graph ─ row of the table (onnx.c) ─▶ nodes of ONNX, on float values
 *         inputs of integers   come through DequantizeLinear, once per tensor          (onnx_quant.c)
 *         activation           one or two nodes behind                                 (onnx_act.c)
 *         output of integers   goes through QuantizeLinear
 *
 * So a converter knows nothing of integers. It makes nodes with tf2__export_main (which gets the graph node's
 * name) and tf2__export_op (the others) and returns the name of its result, which has to be that of a node it
 * made: the last one's result is renamed to what the tensor is called.
 *
 * Names are strings in the exporter's arena. Running out of memory is remembered, not returned: names are
 * then "", and tf2__export_onnx fails at the end.
 */
#ifndef TF2__EXPORT_ONNX_H
#define TF2__EXPORT_ONNX_H

#include "transform/export/export.h"
#include "transform/import/onnx/onnx.pb-c.h"

enum {
    TF2__EXPORT_FLOAT = 1, /* TensorProto.DataType */
    TF2__EXPORT_UINT8 = 2,
    TF2__EXPORT_INT8 = 3,
    TF2__EXPORT_INT32 = 6,
    TF2__EXPORT_INT64 = 7,
};

/* What a tensor of the graph is called in the file. */
struct tf2__export_value {
    const char *name;  /* its numbers as they are stored */
    const char *real;  /* u8, s8: behind DequantizeLinear; NULL: not needed so far */
    const char *scale; /* u8: scale and zero point; NULL: not needed so far */
    const char *zero_point;
    bool is_written; /* constants: is an initializer */
};

struct tf2__export {
    const struct tf2_graph *graph;
    struct tf2__arena arena;
    struct tf2__strmap used; /* names of values and nodes → the next number to try */
    Tf2__Onnx__GraphProto *onnx;
    Tf2__Onnx__NodeProto *last; /* the node made last; attributes go there */
    size_t cap_nodes, cap_initializers;
    struct tf2__export_value *values; /* by tensor */
    const struct tf2__node *node;     /* the one that is being converted */

    /* The shapes at another batch, by tensor: the file's batch is open. NULL: it is the graph's. */
    const struct tf2_shape *probe;
    bool batch_is_fixed; /* a converter found that the file cannot leave the batch open */

    bool no_memory;
    struct tf2__report report;
};

/* ---- onnx_build.c ---- */

/* Inputs of an ONNX node with their number: "" is one that is left out. */
#define TF2__EXPORT_IN(...)                                                                                  \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* A name that starts with "base/part" and is not used yet, or "base" when part is NULL. */
const char *tf2__export_name(struct tf2__export *e, const char *base, const char *part);
/* Nodes; the result is the name of the value they make. The second form is called `base` in the file. */
const char *tf2__export_main(struct tf2__export *e, const char *type, const char *const *in, size_t n_in);
const char *tf2__export_op(struct tf2__export *e, const char *type, const char *const *in, size_t n_in);
const char *tf2__export_op_of(
    struct tf2__export *e, const char *base, const char *type, const char *const *in, size_t n_in);

/* Attributes of the last node. */
void tf2__export_attr_int(struct tf2__export *e, const char *name, int64_t value);
void tf2__export_attr_float(struct tf2__export *e, const char *name, float value);
void tf2__export_attr_string(struct tf2__export *e, const char *name, const char *value);
void tf2__export_attr_ints(struct tf2__export *e, const char *name, const int64_t *values, size_t n);

/* Initializers. `data` has to live as long as the exporter; `name` comes from tf2__export_name. */
void tf2__export_initializer(
    struct tf2__export *e, const char *name, int32_t type, const struct tf2_shape *shape, const void *data);
/* The same, called after the node and `part`; the numbers are copied. */
const char *tf2__export_number(struct tf2__export *e, const char *part, float value);
const char *tf2__export_ints(struct tf2__export *e, const char *part, const int64_t *values, size_t n);
/* A float constant of the graph with another shape of as many elements. */
const char *tf2__export_floats(
    struct tf2__export *e, const char *part, tf2_tensor_id constant, const struct tf2_shape *shape);

/* Zeroed memory of the arena; on failure no_memory is set. */
void *tf2__export_alloc(struct tf2__export *e, size_t n, size_t size_bytes);

/* The node has no ONNX form. Returns "". */
const char *tf2__export_refuse(struct tf2__export *e, const char *format, ...) TF2_PRINTF(2, 3);

static inline const struct tf2_shape *tf2__export_shape(const struct tf2__export *e, tf2_tensor_id id)
{
    return &e->graph->tensors[id].shape;
}

/* Input k of the current node as float numbers; "" when it is left out. */
const char *tf2__export_in(struct tf2__export *e, uint32_t k);
/* [n, 1, 1, ...]: a vector along dimension 1 as it broadcasts to a tensor of n_dims dimensions. */
struct tf2_shape tf2__export_along_channels(int64_t n, uint32_t n_dims);
/* Reshapes to the shape of the current node's result, leaving the batch open. */
const char *tf2__export_reshape_to_out(struct tf2__export *e, const char *x);

/* ---- onnx_quant.c ---- */

/* A tensor of integers as float numbers. */
const char *tf2__export_real(struct tf2__export *e, tf2_tensor_id id);
/* The current node's bias of s32, whose steps are input scale * weight scale. */
const char *tf2__export_bias(struct tf2__export *e, tf2_tensor_id id);
/* Float numbers to the integers of the tensor. */
const char *tf2__export_quantized(struct tf2__export *e, tf2_tensor_id id, const char *x);

/* ---- converters ---- */

typedef const char *(*tf2__export_convert)(struct tf2__export *e, const struct tf2__node *node);

const char *tf2__export_identity(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_activation(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_prelu(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_softmax(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_conv(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_conv_transpose(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_normalize(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_pool(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_lrn(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_gemm(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_batch_norm(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_scale(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_eltwise(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_concat(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_slice(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_flatten(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_reshape(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_squeeze(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_unsqueeze(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_transpose(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_pad(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_resize(struct tf2__export *e, const struct tf2__node *node);
/* These three read and make integers themselves. */
const char *tf2__export_quantize(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_dequantize(struct tf2__export *e, const struct tf2__node *node);
const char *tf2__export_lookup(struct tf2__export *e, const struct tf2__node *node);

/* The fused activation behind `x`; x itself when there is none. */
const char *tf2__export_fused(struct tf2__export *e, const struct tf2_activation *activation, const char *x);

/* ---- onnx_file.c ---- */

/* At most 2 GiB, protobuf's limit. */
enum tf2_status
tf2__export_write(const Tf2__Onnx__ModelProto *model, const char *path, struct tf2_error *error);

#endif
