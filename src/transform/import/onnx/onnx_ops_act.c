/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_act.c: operators of one data input that work element by element, softmax, and those that do
 * nothing to data (Identity, Dropout, Cast).
 */
#include "transform/import/onnx/internal.h"

#include <float.h>
#include <math.h>

static enum tf2_status emit_activation(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_activation_kind kind, float alpha,
    float beta, struct tf2_error *error)
{
    struct tf2_activation attr = {.kind = kind, .alpha = alpha, .beta = beta};
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_ACTIVATION, &attr, &x, 1, &x, error);
}

/* Operators that are one activation, with the defaults of their attributes `alpha` and `beta`. */
enum tf2_status
tf2__onnx_convert_act(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    static const struct {
        const char *name;
        enum tf2_activation_kind kind;
        float alpha, beta;
    } rows[] = {
        {"Abs", TF2_ACTIVATION_ABS, 0, 0},
        {"Elu", TF2_ACTIVATION_ELU, 1, 0},
        {"Erf", TF2_ACTIVATION_ERF, 0, 0},
        {"Exp", TF2_ACTIVATION_EXP, 0, 0},
        {"HardSigmoid", TF2_ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f},
        {"HardSwish", TF2_ACTIVATION_HARD_SWISH, 0, 0},
        {"LeakyRelu", TF2_ACTIVATION_LEAKY_RELU, 0.01f, 0},
        {"Log", TF2_ACTIVATION_LOG, 0, 0},
        {"Neg", TF2_ACTIVATION_AFFINE, -1, 0},
        {"Reciprocal", TF2_ACTIVATION_POW, -1, 0},
        {"Relu", TF2_ACTIVATION_RELU, 0, 0},
        {"Sigmoid", TF2_ACTIVATION_SIGMOID, 0, 0},
        {"Sqrt", TF2_ACTIVATION_SQRT, 0, 0},
        {"Tanh", TF2_ACTIVATION_TANH, 0, 0},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        if (strcmp(rows[i].name, node->op->name) == 0)
            return emit_activation(
                onnx, node, rows[i].kind, tf2__onnx_attr_float(node, "alpha", rows[i].alpha),
                tf2__onnx_attr_float(node, "beta", rows[i].beta), error);
    }
    return tf2__fail(error, TF2_ERR_INTERNAL, "no activation belongs to this row of the table");
}

/* A bound of Clip: an attribute before opset 11, an input since; without one the type's own limit. */
static enum tf2_status clip_bound(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *name, size_t i, float limit,
    float *bound, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    double value = tf2__onnx_attr_float(node, name, limit);
    TF2__TRY(tf2__onnx_fixed(onnx, node, i, &array, error));
    TF2__TRY(tf2__onnx_number(array, name, &value, error));
    if (isnan(value))
        return tf2__fail(error, TF2_ERR_VALUE, "%s is not a number", name);
    *bound = (float)fmin(fmax(value, -FLT_MAX), FLT_MAX);
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_clip(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    float low = 0, high = 0;
    TF2__TRY(clip_bound(onnx, node, "min", 1, -FLT_MAX, &low, error));
    TF2__TRY(clip_bound(onnx, node, "max", 2, FLT_MAX, &high, error));
    if (low == 0 && high == FLT_MAX)
        return emit_activation(onnx, node, TF2_ACTIVATION_RELU, 0, 0, error);
    return emit_activation(onnx, node, TF2_ACTIVATION_CLIP, low, high, error);
}

/* The exponent has to be one number; a shape of more dimensions than the input's would add dimensions. */
enum tf2_status
tf2__onnx_convert_pow(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    tf2_tensor_id x;
    double exponent = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_number(array, "the exponent", &exponent, error));
    if (!array || array->shape.n_dims > tf2__onnx_shape(onnx, x, 0)->n_dims)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "the exponent has more dimensions than the base");
    if (!isfinite(exponent) || (double)(float)exponent != exponent)
        return tf2__fail(error, TF2_ERR_VALUE, "the exponent is %g, wanted a finite float", exponent);
    if (exponent == 1)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    if (exponent == 0.5)
        return emit_activation(onnx, node, TF2_ACTIVATION_SQRT, 0, 0, error);
    return emit_activation(onnx, node, TF2_ACTIVATION_POW, (float)exponent, 0, error);
}

/* The slope broadcasts to the input from the last dimension on: it has to be one number, or run over
 * dimension 1. */
enum tf2_status
tf2__onnx_convert_prelu(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *slope;
    tf2_tensor_id in[2], out;
    char text[128], x_text[128];
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &in[0], error));
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 1, &slope, error));
    const struct tf2_shape *x = tf2__onnx_shape(onnx, in[0], 0);
    bool fits = slope->shape.n_dims <= x->n_dims;
    for (uint32_t back = 1; fits && back <= slope->shape.n_dims; back++) {
        uint32_t axis = x->n_dims - back;
        int64_t extent = slope->shape.dim[slope->shape.n_dims - back];
        fits = extent == 1 || (axis == 1 && extent == x->dim[1]);
    }
    if (!fits)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "slope of shape %s for an input of shape %s, wanted one per channel or one",
            tf2_shape_format(&slope->shape, text, sizeof(text)), tf2_shape_format(x, x_text, sizeof(x_text)));
    TF2__TRY(tf2__onnx_data(onnx, node, 1, &in[1], error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_PRELU, NULL, in, 2, &out, error);
}

/* Before opset 13 the dimensions from `axis` on count as one; when only one of them is there, that is no
 * difference. */
enum tf2_status
tf2__onnx_convert_softmax(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_softmax_attr attr = {.log = strcmp(node->op->name, "LogSoftmax") == 0};
    tf2_tensor_id x;
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    int64_t wanted = tf2__onnx_attr_int(node, "axis", onnx->opset < 13 ? 1 : -1);
    TF2__TRY(tf2__onnx_axis(wanted, n_dims, false, &axis, error));
    attr.axis = (int32_t)axis;
    attr.flatten = onnx->opset < 13 && axis + 1 < n_dims;
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SOFTMAX, &attr, &x, 1, &x, error);
}

/* ---- nothing to do ---- */

enum tf2_status
tf2__onnx_convert_identity(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    return tf2__onnx_pass(onnx, node, 0, 0, error);
}

/* ratio and seed only matter in training. */
enum tf2_status
tf2__onnx_convert_dropout(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    double training = 0;
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_fixed(onnx, node, 2, &array, error));
    TF2__TRY(tf2__onnx_number(array, "training_mode", &training, error));
    if (training != 0)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "training_mode is set: export the model for inference");
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_DROPOUT, NULL, &x, 1, &x, error);
}

enum tf2_status
tf2__onnx_convert_cast(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    int64_t to = tf2__onnx_attr_int(node, "to", 0);
    if (tf2__onnx_in(onnx, node, 0)->integer_type)
        return tf2__onnx_cast_index(onnx, node, error);
    if (to == TF2__ONNX_BOOL)
        return tf2__onnx_convert_truth(onnx, node, error);
    if (to != TF2__ONNX_FLOAT)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "data is float32 and stays it, found a cast to %s",
            to > 0 && to <= TF2__ONNX_BFLOAT16 ? tf2__onnx_type_name((int32_t)to) : "an unknown type");
    return tf2__onnx_pass(onnx, node, 0, 0, error);
}
