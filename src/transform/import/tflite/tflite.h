/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite.h: what the files of the TensorFlow Lite importer share.
 *
 *     bytes ─ flatbuffer.c ─▶ tensors, operators (tflite_read.c) ─ operators that the outputs need, in the file's order
 *           ─ each (tflite.c): row of the operator table (tflite_table.c)
 *                 ├─ integers that are known, shapes: computed now (tflite_fold.c)
 *                 └─ else: converted (tflite_ops_*.c) to nodes of the graph
 *
 * Layout. The file's maps are [N, H, W, C], the graph's are [N, C, H, W] ("first" below): import/nhwc.h.
 *
 * Quantization. A quantized tensor is computed in float, rounded by a QUANTIZE node, and read through a DEQUANTIZE node;
 * constants are floats that know their integers (struct tf2__steps). transform/quant/lower.h makes integer nodes of it.
 * Signed activations become unsigned: 128 is added to numbers and zero points, the reals stay.
 *
 * Field numbers, operators' numbers and defaults are those of the public schema (tensorflow/lite/schema/schema.fbs).
 */
#ifndef TF2__IMPORT_TFLITE_H
#define TF2__IMPORT_TFLITE_H

#include "transform/import/import.h"
#include "transform/import/nhwc.h"
#include "transform/import/tflite/flatbuffer.h"

/* TensorType, as far as it is read. */
enum {
    TF2__LITE_FLOAT32 = 0,
    TF2__LITE_FLOAT16 = 1,
    TF2__LITE_INT32 = 2,
    TF2__LITE_UINT8 = 3,
    TF2__LITE_INT64 = 4,
    TF2__LITE_BOOL = 6,
    TF2__LITE_INT8 = 9,
};

/* ActivationFunctionType. */
enum {
    TF2__LITE_ACT_NONE = 0,
    TF2__LITE_ACT_RELU = 1,
    TF2__LITE_ACT_RELU_N1_TO_1 = 2,
    TF2__LITE_ACT_RELU6 = 3,
    TF2__LITE_ACT_TANH = 4,
};

enum tf2__lite_state {
    TF2__LITE_UNSEEN = 0, /* constants that were not needed yet, too */
    TF2__LITE_POISON = 1, /* could not be computed, the reason is in the report */
    TF2__LITE_DATA = 2,   /* computed at run time, or a constant that nodes read: value */
    TF2__LITE_KNOWN = 3,  /* integers known now: known[] */
    TF2__LITE_SPREAD = 4, /* space moved into the batch, for a dilated convolution: see tflite_ops_window.c */
};

#define TF2__LITE_MAX_KNOWN 256 /* integers of a tensor that are computed at import */
#define TF2__LITE_NO_OP     UINT32_MAX

struct tf2__lite_tensor {
    const char *name; /* unique, not empty */
    int32_t type;
    struct tf2_shape shape;     /* extents as the file has them; 0 or less: unknown */
    const unsigned char *bytes; /* NULL: computed, or an input */
    size_t n_bytes;
    struct tf2__fb_vector scales, zero_points; /* empty: not quantized */
    int32_t quant_axis;
    bool is_sparse;
    bool is_input, is_output;
    uint32_t n_uses;   /* readers among the needed operators, and outputs */
    uint32_t producer; /* operator; TF2__LITE_NO_OP */
    enum tf2__lite_state state;
    struct tf2__nhwc_value value; /* float32 */
    const int64_t *known;
    int64_t n_known;
    struct tf2_shape known_shape;
};

struct tf2__lite_row;

struct tf2__lite_op {
    const struct tf2__lite_row *row; /* NULL: a number that is not in the table */
    int32_t code;
    const char *custom; /* code CUSTOM: its name */
    const char *label;  /* for messages: the name of its first output */
    struct tf2__fb_vector in, out;
    struct tf2__fb_table options;
    bool needed, refused;
};

struct tf2__lite {
    const struct tf2__source *source;
    const struct tf2_import_options *options;
    struct tf2_graph *graph;
    struct tf2_env env;
    struct tf2__arena arena;
    struct tf2__nhwc nhwc;
    struct tf2__flatbuffer fb;
    struct tf2__strmap names; /* tensor's name → index */
    struct tf2__lite_tensor *tensors;
    uint32_t n_tensors;
    struct tf2__lite_op *ops;
    uint32_t n_ops;
    uint32_t *inputs, *outputs; /* tensors */
    uint32_t n_inputs, n_outputs;
    uint64_t budget_bytes; /* what constants may still take */
    struct tf2__report report;
};

/* ---- tflite_read.c ---- */

/* Fills tensors, ops, inputs and outputs; marks what the outputs need. */
enum tf2_status tf2__lite_read(struct tf2__lite *lite, struct tf2_error *error);
const char *tf2__lite_type_name(int32_t type);

/* ---- tflite_value.c: tensors of the file as tensors of the graph ---- */

/* Counts what grows faster than the file; fails when a (hostile) file asks for too much. */
enum tf2_status tf2__lite_charge(struct tf2__lite *lite, uint64_t n_bytes, struct tf2_error *error);
/* Memory in the graph's arena, charged. */
enum tf2_status tf2__lite_alloc(
    struct tf2__lite *lite, int64_t count, size_t size_bytes, void **data, struct tf2_error *error);

/* Input or output number i; NULL when left out. */
struct tf2__lite_tensor *
tf2__lite_in(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i);
struct tf2__lite_tensor *
tf2__lite_out(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i);

/* Whether the tensor is one of 8-bit numbers that stand for reals. */
bool tf2__lite_is_quantized(const struct tf2__lite_tensor *tensor);
/* What the numbers of a quantized activation stand for, as u8. */
enum tf2_status tf2__lite_quant(
    const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, struct tf2__quant *quant,
    struct tf2_error *error);
/* Whether the file has the tensor's contents. */
static inline bool tf2__lite_is_constant(const struct tf2__lite_tensor *tensor)
{
    return tensor->bytes != NULL;
}
/* The shape in the file's order, also of tensors whose shape the file leaves open. Of what is in the graph. */
struct tf2_shape tf2__lite_shape(const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor);

/* Input i as floats, channels first (of 3 to 5 dimensions) or as in the file. */
enum tf2_status tf2__lite_want(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, bool first, tf2_tensor_id *id,
    struct tf2_error *error);
/* Whether the input is there with channels first. */
bool tf2__lite_is_first(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i);
/*
 * Constant input i as a new constant: seen with the extents `view` (as many elements; NULL: its own), the dimensions
 * permuted: dimension d is the view's dimension perm[d] (NULL: as they are).
 */
enum tf2_status tf2__lite_constant(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, const struct tf2_shape *view,
    const uint32_t *perm, tf2_tensor_id *id, struct tf2_error *error);
/* The integers of input i, known at import. NULL, 0 when left out. */
enum tf2_status tf2__lite_known(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, const int64_t **known, int64_t *n,
    struct tf2_error *error);

/* An axis of input of this rank, negative ones from the end. */
enum tf2_status tf2__lite_axis(int64_t axis, uint32_t rank, uint32_t *resolved, struct tf2_error *error);

/* A node whose result only other nodes of the same operator need. */
enum tf2_status tf2__lite_part(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const char *suffix, enum tf2_op id,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *out, struct tf2_error *error);
/*
 * The node whose result, after the fused activation (an ActivationFunctionType), is output i; where that is a quantized
 * tensor it is rounded. first: whether the node gives the channels first.
 */
enum tf2_status tf2__lite_emit(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, bool first, enum tf2_op id,
    const void *attr, const tf2_tensor_id *in, size_t n_in, uint8_t activation, struct tf2_error *error);
/* A float tensor of the graph becomes the tensor's value, rounded where it is quantized. */
enum tf2_status tf2__lite_define(
    struct tf2__lite *lite, struct tf2__lite_tensor *tensor, struct tf2__nhwc_value value,
    struct tf2_error *error);
/* A name that no tensor of the file or the graph has: "base.suffix". */
void tf2__lite_name(const struct tf2__lite *lite, const char *base, const char *suffix, char name[1024]);

/* ---- tflite_fold.c ---- */

/* True when the operator's result is known integers; then they are stored. */
enum tf2_status
tf2__lite_fold(struct tf2__lite *lite, const struct tf2__lite_op *op, bool *done, struct tf2_error *error);
/* Reads a constant of integers into known[], if it is one of few. */
enum tf2_status
tf2__lite_load_known(struct tf2__lite *lite, struct tf2__lite_tensor *tensor, struct tf2_error *error);

/* ---- tflite_table.c ---- */

typedef enum tf2_status (*tf2__lite_convert_fn)(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error);

struct tf2__lite_row {
    const char *name;
    int8_t min_in, max_in;        /* max -1: any number */
    int8_t n_out;                 /* -1: any number */
    tf2__lite_convert_fn convert; /* NULL: not supported */
};

/* NULL for a number that is not in the table. */
const struct tf2__lite_row *tf2__lite_row_find(int32_t code);

#define TF2__LITE_CONVERTERS(X)                                                                              \
    X(activation)                                                                                            \
    X(add) X(batch_to_space) X(cast) X(concat) X(conv) X(conv_3d) X(depthwise) X(dequantize) X(div)          \
        X(expand_dims) X(fully_connected) X(l2_norm) X(leaky_relu) X(lrn) X(max) X(maximum) X(mean) X(min)   \
            X(minimum) X(mirror_pad) X(mul) X(pad) X(pool) X(prelu) X(reshape) X(resize_bilinear)            \
                X(resize_nearest) X(shape_only) X(slice) X(softmax) X(space_to_batch) X(split) X(split_v)    \
                    X(squared_difference) X(squeeze) X(strided_slice) X(sub) X(sum) X(transpose)
#define TF2__LITE_DECLARE(name)                                                                              \
    enum tf2_status tf2__lite_convert_##name(                                                                \
        struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error);
TF2__LITE_CONVERTERS(TF2__LITE_DECLARE)
#undef TF2__LITE_DECLARE

#endif
