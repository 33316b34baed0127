/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_dense.c: fully connected layers, and operators that combine elements of tensors with factors or with
 * each other, in ONNX.
 */
#include "transform/export/onnx.h"

/* Gemm works on matrices: other inputs are flattened, other results get their shape back. */
const char *tf2__export_gemm(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_gemm_attr *attr = node->attr;
    const int32_t n_dims = (int32_t)tf2__export_shape(e, node->in[0])->n_dims;
    const int32_t axis = attr->axis < 0 ? attr->axis + n_dims : attr->axis;
    const char *x = tf2__export_in(e, 0);
    if (n_dims != 2 || axis != 1) {
        x = tf2__export_op(e, "Flatten", TF2__EXPORT_IN(x));
        tf2__export_attr_int(e, "axis", axis);
    }
    const char *y =
        tf2__export_main(e, "Gemm", TF2__EXPORT_IN(x, tf2__export_in(e, 1), tf2__export_in(e, 2)));
    tf2__export_attr_int(e, "transB", 1);
    return axis != 1 ? tf2__export_reshape_to_out(e, y) : y;
}

const char *tf2__export_batch_norm(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_batch_norm_attr *attr = node->attr;
    const char *in[5];
    for (uint32_t k = 0; k < TF2__COUNT(in); k++)
        in[k] = tf2__export_in(e, k);
    const char *y = tf2__export_main(e, "BatchNormalization", in, TF2__COUNT(in));
    tf2__export_attr_float(e, "epsilon", attr->epsilon);
    return y;
}

/* A factor or summand that runs along x's dimensions from `axis` on, as ONNX broadcasts it. */
static const char *
spread(struct tf2__export *e, const char *part, tf2_tensor_id constant, uint32_t axis, uint32_t n_dims)
{
    struct tf2_shape shape = *tf2__export_shape(e, constant);
    while (shape.n_dims && shape.n_dims < n_dims - axis)
        shape.dim[shape.n_dims++] = 1;
    return tf2__export_floats(e, part, constant, &shape);
}

const char *tf2__export_scale(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_scale_attr *attr = node->attr;
    const uint32_t n_dims = tf2__export_shape(e, node->in[0])->n_dims;
    const uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)n_dims : attr->axis);
    const char *x = tf2__export_in(e, 0);
    const char *y =
        tf2__export_main(e, "Mul", TF2__EXPORT_IN(x, spread(e, "scale", node->in[1], axis, n_dims)));
    if (node->n_in < 3 || node->in[2] == TF2_NO_TENSOR)
        return y;
    return tf2__export_op(e, "Add", TF2__EXPORT_IN(y, spread(e, "bias", node->in[2], axis, n_dims)));
}

/* How a kind is called in ONNX, for two inputs and for more; NULL: one after the other. */
static const struct {
    const char *two, *more;
} eltwise_types[] = {
    [TF2_ELTWISE_SUM] = {"Add", "Sum"}, [TF2_ELTWISE_PROD] = {"Mul", NULL},
    [TF2_ELTWISE_MAX] = {"Max", "Max"}, [TF2_ELTWISE_MIN] = {"Min", "Min"},
    [TF2_ELTWISE_SUB] = {"Sub", NULL},  [TF2_ELTWISE_DIV] = {"Div", NULL},
    [TF2_ELTWISE_SELECT] = {NULL, NULL},
};

const char *tf2__export_eltwise(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_eltwise_attr *attr = node->attr;
    const char *in[TF2_ELTWISE_MAX_INPUTS] = {NULL};
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = tf2__export_in(e, k);
        if (attr->has_coefficients && attr->coefficient[k] != 1)
            in[k] = tf2__export_op(
                e, "Mul", TF2__EXPORT_IN(in[k], tf2__export_number(e, "coefficient", attr->coefficient[k])));
    }
    if (node->n_in > 2 && eltwise_types[attr->kind].more)
        return tf2__export_main(e, eltwise_types[attr->kind].more, in, node->n_in);
    if (attr->kind == TF2_ELTWISE_SELECT) {
        const char *positive = tf2__export_op(e, "Greater", TF2__EXPORT_IN(in[0], tf2__export_number(e, "zero", 0)));
        return tf2__export_main(e, "Where", TF2__EXPORT_IN(positive, in[1], in[2]));
    }
    const char *type = eltwise_types[attr->kind].two, *y = in[0];
    for (uint32_t k = 1; k < node->n_in; k++)
        y = (k + 1 < node->n_in ? tf2__export_op : tf2__export_main)(e, type, TF2__EXPORT_IN(y, in[k]));
    return y;
}

const char *tf2__export_concat(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_axis_attr *attr = node->attr;
    const char *in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = tf2__export_in(e, k);
    const char *y = tf2__export_main(e, "Concat", in, node->n_in);
    tf2__export_attr_int(e, "axis", attr->axis);
    return y;
}
