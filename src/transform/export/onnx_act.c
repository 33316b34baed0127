/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_act.c: activations, alone and fused, PReLU and softmax in ONNX.
 */
#include "transform/export/onnx.h"

/* Activations that are one ONNX operator, with the attributes alpha and beta it has. */
static const struct {
    const char *type; /* NULL: see make() */
    bool alpha, beta;
} simple[] = {
    [TF2_ACTIVATION_NONE] = {"Identity", false, false},
    [TF2_ACTIVATION_RELU] = {"Relu", false, false},
    [TF2_ACTIVATION_LEAKY_RELU] = {"LeakyRelu", true, false},
    [TF2_ACTIVATION_SIGMOID] = {"Sigmoid", false, false},
    [TF2_ACTIVATION_TANH] = {"Tanh", false, false},
    [TF2_ACTIVATION_HARD_SIGMOID] = {"HardSigmoid", true, true},
    [TF2_ACTIVATION_ELU] = {"Elu", true, false},
    [TF2_ACTIVATION_ABS] = {"Abs", false, false},
    [TF2_ACTIVATION_EXP] = {"Exp", false, false},
    [TF2_ACTIVATION_LOG] = {"Log", false, false},
    [TF2_ACTIVATION_SQRT] = {"Sqrt", false, false},
    [TF2_ACTIVATION_ERF] = {"Erf", false, false},
};

/* A node that is the graph's own (tf2__export_main) or one behind it (tf2__export_op). */
typedef const char *(*make_node)(struct tf2__export *e, const char *type, const char *const *in, size_t n_in);

static const char *
make_affine(struct tf2__export *e, const struct tf2_activation *a, make_node make, const char *x)
{
    const bool scales = a->alpha != 1, adds = a->beta != 0;
    if (scales)
        x = (adds ? tf2__export_op : make)(
            e, "Mul", TF2__EXPORT_IN(x, tf2__export_number(e, "factor", a->alpha)));
    if (adds)
        x = make(e, "Add", TF2__EXPORT_IN(x, tf2__export_number(e, "term", a->beta)));
    return scales || adds ? x : make(e, "Identity", TF2__EXPORT_IN(x));
}

/* ONNX's HardSwish came with opset 14. */
static const char *make_hard_swish(struct tf2__export *e, make_node make, const char *x)
{
    const char *gate = tf2__export_op(e, "HardSigmoid", TF2__EXPORT_IN(x));
    tf2__export_attr_float(e, "alpha", 1.0f / 6);
    tf2__export_attr_float(e, "beta", 0.5f);
    return make(e, "Mul", TF2__EXPORT_IN(x, gate));
}

static const char *
make_activation(struct tf2__export *e, const struct tf2_activation *a, make_node make, const char *x)
{
    switch (a->kind) {
    case TF2_ACTIVATION_CLIP:
        return make(
            e, "Clip",
            TF2__EXPORT_IN(x, tf2__export_number(e, "min", a->alpha), tf2__export_number(e, "max", a->beta)));
    case TF2_ACTIVATION_HARD_SWISH:
        return make_hard_swish(e, make, x);
    case TF2_ACTIVATION_AFFINE:
        return make_affine(e, a, make, x);
    case TF2_ACTIVATION_POW:
        return make(e, "Pow", TF2__EXPORT_IN(x, tf2__export_number(e, "exponent", a->alpha)));
    default:
        break;
    }
    if ((size_t)a->kind >= TF2__COUNT(simple) || !simple[a->kind].type)
        return tf2__export_refuse(e, "activation %d has no ONNX form", (int)a->kind);
    const char *y = make(e, simple[a->kind].type, TF2__EXPORT_IN(x));
    if (simple[a->kind].alpha)
        tf2__export_attr_float(e, "alpha", a->alpha);
    if (simple[a->kind].beta)
        tf2__export_attr_float(e, "beta", a->beta);
    return y;
}

const char *tf2__export_fused(struct tf2__export *e, const struct tf2_activation *activation, const char *x)
{
    return activation->kind == TF2_ACTIVATION_NONE ? x : make_activation(e, activation, tf2__export_op, x);
}

const char *tf2__export_activation(struct tf2__export *e, const struct tf2__node *node)
{
    return make_activation(e, node->attr, tf2__export_main, tf2__export_in(e, 0));
}

/* ONNX broadcasts the slope from the last dimension on. */
const char *tf2__export_prelu(struct tf2__export *e, const struct tf2__node *node)
{
    const int64_t n = tf2_shape_count(tf2__export_shape(e, node->in[1]));
    struct tf2_shape shape = {.n_dims = 1, .dim = {1}};
    if (n > 1)
        shape = tf2__export_along_channels(n, tf2__export_shape(e, node->in[0])->n_dims);
    const char *slope = tf2__export_floats(e, "slope", node->in[1], &shape);
    return tf2__export_main(e, "PRelu", TF2__EXPORT_IN(tf2__export_in(e, 0), slope));
}

/* Over several axes: they are made one before, and taken apart again. */
const char *tf2__export_softmax(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_softmax_attr *attr = node->attr;
    const int32_t n_dims = (int32_t)tf2__export_shape(e, node->in[0])->n_dims;
    int32_t axis = attr->axis < 0 ? attr->axis + n_dims : attr->axis;
    const bool flatten = attr->flatten && axis + 1 < n_dims;
    const char *x = tf2__export_in(e, 0);
    if (flatten) {
        x = tf2__export_op(e, "Flatten", TF2__EXPORT_IN(x));
        tf2__export_attr_int(e, "axis", axis);
        axis = 1;
    }
    const char *y = tf2__export_main(e, attr->log ? "LogSoftmax" : "Softmax", TF2__EXPORT_IN(x));
    tf2__export_attr_int(e, "axis", axis);
    return flatten ? tf2__export_reshape_to_out(e, y) : y;
}
