/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_ops_act.c: element-wise functions of one tensor and of two, conversions, softmax.
 */
#include "transform/import/tflite/tflite.h"

#include <float.h>

/* ---- of one tensor ---- */

struct function {
    int32_t code;
    struct tf2_activation activation;
};

static const struct function functions[] = {
    {14, {.kind = TF2_ACTIVATION_SIGMOID}},
    {19, {.kind = TF2_ACTIVATION_RELU}},
    {20, {.kind = TF2_ACTIVATION_CLIP, .alpha = -1, .beta = 1}},
    {21, {.kind = TF2_ACTIVATION_CLIP, .alpha = 0, .beta = 6}},
    {28, {.kind = TF2_ACTIVATION_TANH}},
    {47, {.kind = TF2_ACTIVATION_EXP}},
    {59, {.kind = TF2_ACTIVATION_AFFINE, .alpha = -1}},
    {73, {.kind = TF2_ACTIVATION_LOG}},
    {75, {.kind = TF2_ACTIVATION_SQRT}},
    {76, {.kind = TF2_ACTIVATION_POW, .alpha = -0.5f}},
    {92, {.kind = TF2_ACTIVATION_POW, .alpha = 2}},
    {101, {.kind = TF2_ACTIVATION_ABS}},
    {111, {.kind = TF2_ACTIVATION_ELU, .alpha = 1}},
    {117, {.kind = TF2_ACTIVATION_HARD_SWISH}},
    {152, {.kind = TF2_ACTIVATION_CLIP, .alpha = 0, .beta = 1}},
};

/* One input, computed in the order that it has. */
static enum tf2_status convert_unary(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum tf2_op id, const void *attr,
    struct tf2_error *error)
{
    const bool first = tf2__lite_is_first(lite, op, 0);
    tf2_tensor_id in;
    TF2__TRY(tf2__lite_want(lite, op, 0, first, &in, error));
    return tf2__lite_emit(lite, op, 0, first, id, attr, &in, 1, TF2__LITE_ACT_NONE, error);
}

enum tf2_status
tf2__lite_convert_activation(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    for (size_t i = 0; i < TF2__COUNT(functions); i++) {
        if (functions[i].code == op->code)
            return convert_unary(lite, op, TF2_OP_ACTIVATION, &functions[i].activation, error);
    }
    return tf2__fail(error, TF2_ERR_INTERNAL, "no function for operator %d", op->code);
}

enum tf2_status
tf2__lite_convert_leaky_relu(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_activation leaky = {
        .kind = TF2_ACTIVATION_LEAKY_RELU, .alpha = tf2__fb_f32(&lite->fb, &op->options, 0, 0)};
    return convert_unary(lite, op, TF2_OP_ACTIVATION, &leaky, error);
}

/* The slope is one for all, or one per channel: [1, ..., C]. */
enum tf2_status
tf2__lite_convert_prelu(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2__lite_tensor *slope = tf2__lite_in(lite, op, 1);
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    const int64_t count = tf2_shape_count(&slope->shape), channels = x.n_dims > 1 ? x.dim[x.n_dims - 1] : 1;
    const struct tf2_shape vector = {.n_dims = 1, .dim = {count}};
    const bool first = x.n_dims > 2;
    tf2_tensor_id in[2];
    if (count != 1 && (count != channels || slope->shape.dim[slope->shape.n_dims - 1] != channels))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "a slope of %lld numbers, wanted one for all or one for each of %lld channels", (long long)count,
            (long long)channels);
    TF2__TRY(tf2__lite_want(lite, op, 0, first, &in[0], error));
    TF2__TRY(tf2__lite_constant(lite, op, 1, &vector, NULL, &in[1], error));
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_PRELU, NULL, in, 2, TF2__LITE_ACT_NONE, error);
}

/* ---- of two tensors ---- */

/* A constant as it broadcasts with a tensor of `rank` dimensions in this order. */
static enum tf2_status want_constant(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, bool first, uint32_t rank,
    tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2_shape shape = tf2__lite_in(lite, op, i)->shape;
    struct tf2_shape wide = {.n_dims = rank};
    uint32_t perm[TF2_MAX_DIMS];
    if (shape.n_dims > rank)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a constant of %u dimensions with a tensor of %u", shape.n_dims,
            rank);
    for (uint32_t d = 0; d < rank; d++) {
        wide.dim[d] = d < rank - shape.n_dims ? 1 : shape.dim[d - (rank - shape.n_dims)];
        perm[tf2__nhwc_axis(first, rank, d)] = d;
    }
    return tf2__lite_constant(lite, op, i, &wide, perm, id, error);
}

static bool is_constant(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i)
{
    return tf2__lite_is_constant(tf2__lite_in(lite, op, i));
}

/* Both inputs in one order of dimensions. */
static enum tf2_status want_both(
    struct tf2__lite *lite, const struct tf2__lite_op *op, tf2_tensor_id in[2], bool *first,
    struct tf2_error *error)
{
    uint32_t rank[2];
    for (uint32_t i = 0; i < 2; i++)
        rank[i] = tf2__lite_shape(lite, tf2__lite_in(lite, op, i)).n_dims;
    const bool constant[2] = {is_constant(lite, op, 0), is_constant(lite, op, 1)};
    if (constant[0] && constant[1])
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of two constants");
    *first = tf2__lite_is_first(lite, op, 0) || tf2__lite_is_first(lite, op, 1);
    /* Tensors of different ranks line up at their last dimension, in the file's order only. */
    *first = *first && (rank[0] == rank[1] || constant[0] || constant[1]);
    for (uint32_t i = 0; i < 2; i++) {
        if (constant[i] && *first)
            TF2__TRY(want_constant(lite, op, i, true, rank[!i], &in[i], error));
        else
            TF2__TRY(tf2__lite_want(lite, op, i, *first, &in[i], error));
    }
    return TF2_OK;
}

static enum tf2_status convert_binary(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum tf2_eltwise_kind kind, bool has_activation,
    struct tf2_error *error)
{
    const struct tf2_eltwise_attr attr = {.kind = kind};
    tf2_tensor_id in[2];
    bool first;
    TF2__TRY(want_both(lite, op, in, &first, error));
    const uint8_t activation =
        has_activation ? tf2__fb_u8(&lite->fb, &op->options, 0, 0) : TF2__LITE_ACT_NONE;
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_ELTWISE, &attr, in, 2, activation, error);
}

#define BINARY(name, kind, has_activation)                                                                   \
    enum tf2_status tf2__lite_convert_##name(                                                                \
        struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)                      \
    {                                                                                                        \
        return convert_binary(lite, op, kind, has_activation, error);                                        \
    }
BINARY(add, TF2_ELTWISE_SUM, true)
BINARY(sub, TF2_ELTWISE_SUB, true)
BINARY(mul, TF2_ELTWISE_PROD, true)
BINARY(div, TF2_ELTWISE_DIV, true)
BINARY(maximum, TF2_ELTWISE_MAX, false)
BINARY(minimum, TF2_ELTWISE_MIN, false)

enum tf2_status tf2__lite_convert_squared_difference(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SUB};
    const struct tf2_activation square = {.kind = TF2_ACTIVATION_POW, .alpha = 2};
    tf2_tensor_id in[2], difference;
    bool first;
    TF2__TRY(want_both(lite, op, in, &first, error));
    TF2__TRY(tf2__lite_part(lite, op, "difference", TF2_OP_ELTWISE, &attr, in, 2, &difference, error));
    return tf2__lite_emit(
        lite, op, 0, first, TF2_OP_ACTIVATION, &square, &difference, 1, TF2__LITE_ACT_NONE, error);
}

/* ---- conversions ---- */

/* The output is the input's real numbers, rounded again where the output is quantized. */
static enum tf2_status pass_on(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    struct tf2__lite_tensor *in = tf2__lite_in(lite, op, 0), *out = tf2__lite_out(lite, op, 0);
    tf2_tensor_id id;
    TF2__TRY(tf2__lite_want(lite, op, 0, tf2__lite_is_first(lite, op, 0), &id, error));
    if (in->state != TF2__LITE_DATA) /* a constant: stays one, with the integers it is made of */
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of a constant");
    return tf2__lite_define(lite, out, (struct tf2__nhwc_value){id, in->value.first}, error);
}

/* QUANTIZE and DEQUANTIZE. A constant behind DEQUANTIZE (weights in float16) is read where it is used. */
enum tf2_status
tf2__lite_convert_dequantize(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2__lite_tensor *in = tf2__lite_in(lite, op, 0);
    struct tf2__lite_tensor *out = tf2__lite_out(lite, op, 0);
    if (!tf2__lite_is_constant(in))
        return pass_on(lite, op, error);
    if (tf2__lite_is_quantized(out))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of a constant to a quantized tensor");
    out->bytes = in->bytes;
    out->n_bytes = in->n_bytes;
    out->type = in->type;
    out->scales = in->scales;
    out->zero_points = in->zero_points;
    out->quant_axis = in->quant_axis;
    out->is_sparse = in->is_sparse;
    out->shape = in->shape;
    return TF2_OK;
}

/* Integers that are known are converted where they are folded; data is float32 and stays it. */
enum tf2_status
tf2__lite_convert_cast(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2__lite_tensor *in = tf2__lite_in(lite, op, 0), *out = tf2__lite_out(lite, op, 0);
    if (in->type != TF2__LITE_FLOAT32 || out->type != TF2__LITE_FLOAT32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "from %s to %s, data is float32", tf2__lite_type_name(in->type),
            tf2__lite_type_name(out->type));
    return pass_on(lite, op, error);
}

/* ---- softmax and norms ---- */

enum { CODE_LOG_SOFTMAX = 50 };

/* Over the last dimension of the file. */
enum tf2_status
tf2__lite_convert_softmax(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const bool first = tf2__lite_is_first(lite, op, 0), log = op->code == CODE_LOG_SOFTMAX;
    const struct tf2_softmax_attr attr = {.axis = first ? 1 : -1, .log = log};
    const float beta = log ? 1 : tf2__fb_f32(&lite->fb, &op->options, 0, 0);
    tf2_tensor_id in;
    TF2__TRY(tf2__lite_want(lite, op, 0, first, &in, error));
    if (beta != 1) {
        const struct tf2_activation scale = {.kind = TF2_ACTIVATION_AFFINE, .alpha = beta};
        TF2__TRY(tf2__lite_part(lite, op, "beta", TF2_OP_ACTIVATION, &scale, &in, 1, &in, error));
    }
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_SOFTMAX, &attr, &in, 1, TF2__LITE_ACT_NONE, error);
}

/* The schema's alpha is for each square, the graph's for their mean. */
enum tf2_status
tf2__lite_convert_lrn(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const int32_t radius = tf2__fb_i32(&lite->fb, &op->options, 0, 0);
    struct tf2_lrn_attr attr = {
        .region = TF2_LRN_ACROSS_CHANNELS,
        .k = tf2__fb_f32(&lite->fb, &op->options, 1, 0),
        .alpha = tf2__fb_f32(&lite->fb, &op->options, 2, 0),
        .beta = tf2__fb_f32(&lite->fb, &op->options, 3, 0)};
    tf2_tensor_id in;
    if (radius < 0 || radius > 1 << 20)
        return tf2__fail(error, TF2_ERR_VALUE, "radius %d, wanted 0 to %d", radius, 1 << 20);
    attr.size = 2 * radius + 1;
    attr.alpha *= (float)attr.size;
    TF2__TRY(tf2__lite_want(lite, op, 0, true, &in, error));
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_LRN, &attr, &in, 1, TF2__LITE_ACT_NONE, error);
}
