/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_fold_make.c: folding of operators that make numbers out of shapes and attributes: Shape, Range,
 * Constant, ...
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

/* start and end (opset 15) clamp to the rank. */
enum tf2_status tf2__onnx_fold_shape(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    int64_t n_dims = in->n_dims;
    int64_t begin = tf2__onnx_attr_int(fold->node, "start", 0);
    int64_t end = tf2__onnx_attr_int(fold->node, "end", n_dims);
    begin = TF2__MIN(TF2__MAX(begin < 0 ? begin + n_dims : begin, 0), n_dims);
    end = TF2__MIN(TF2__MAX(end < 0 ? end + n_dims : end, begin), n_dims);
    struct tf2_shape shape = {.n_dims = 1, .dim = {end - begin}};
    void *data;
    TF2__TRY(tf2__onnx_fold_out(fold, 0, TF2__ONNX_INT64, &shape, &data, error));
    for (int64_t d = begin; d < end; d++)
        ((int64_t *)data)[d - begin] = in->dim[d];
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_size(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    struct tf2_shape scalar = {0};
    void *data;
    TF2__TRY(tf2__onnx_fold_out(fold, 0, TF2__ONNX_INT64, &scalar, &data, error));
    *(int64_t *)data = fold->in[0]->count;
    return TF2_OK;
}

/* The attribute's value, or float 0, in the shape that the input says. */
enum tf2_status tf2__onnx_fold_constant_of_shape(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(fold->node, "value");
    struct tf2__onnx_array value = {.type = TF2__ONNX_FLOAT, .count = 1, .data = &(float){0}};
    struct tf2_reshape_attr wanted;
    struct tf2_shape shape = {0};
    void *data;
    TF2__TRY(tf2__onnx_parse_reshape(NULL, fold->in[0], &wanted, error));
    if (attr)
        TF2__TRY(tf2__onnx_read_tensor(fold->onnx, attr->t, "value", &value, error));
    if (value.count != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "value has %lld numbers, wanted one", (long long)value.count);
    shape.n_dims = wanted.n_dims;
    memcpy(shape.dim, wanted.dim, sizeof(shape.dim));
    TF2__TRY(tf2__onnx_fold_out(fold, 0, value.type, &shape, &data, error));
    for (int64_t k = 0; k < fold->out[0].count; k++) {
        if (tf2__onnx_is_float(value.type))
            ((float *)data)[k] = ((const float *)value.data)[0];
        else
            ((int64_t *)data)[k] = ((const int64_t *)value.data)[0];
    }
    return TF2_OK;
}

/* start, limit, delta: three numbers of one type. */
enum tf2_status tf2__onnx_fold_range(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    double start = 0, limit = 0, delta = 0;
    int32_t type = fold->in[0]->type;
    void *data;
    TF2__TRY(tf2__onnx_number(fold->in[0], "start", &start, error));
    TF2__TRY(tf2__onnx_number(fold->in[1], "limit", &limit, error));
    TF2__TRY(tf2__onnx_number(fold->in[2], "delta", &delta, error));
    double n = ceil((limit - start) / delta);
    if (!(fabs(start) < 0x1p52) || !(fabs(limit) < 0x1p52) || !(fabs(n) < INT32_MAX) || delta == 0)
        return tf2__fail(error, TF2_ERR_VALUE, "from %g to %g in steps of %g", start, limit, delta);
    struct tf2_shape shape = {.n_dims = 1, .dim = {n > 0 ? (int64_t)n : 0}};
    TF2__TRY(tf2__onnx_fold_out(fold, 0, type, &shape, &data, error));
    for (int64_t k = 0; k < shape.dim[0]; k++) {
        if (tf2__onnx_is_float(type))
            ((float *)data)[k] = (float)(start + (double)k * delta);
        else
            ((int64_t *)data)[k] = (int64_t)(start + (double)k * delta);
    }
    return TF2_OK;
}

/* The numbers of value_int(s) and value_float(s). */
static enum tf2_status list_constant(
    struct tf2__onnx_fold *fold, bool is_float, const void *numbers, size_t n, bool scalar,
    struct tf2_error *error)
{
    struct tf2_shape shape = {.n_dims = scalar ? 0 : 1, .dim = {(int64_t)n}};
    void *data;
    TF2__TRY(tf2__onnx_fold_out(fold, 0, is_float ? TF2__ONNX_FLOAT : TF2__ONNX_INT64, &shape, &data, error));
    if (n)
        memcpy(data, numbers, n * (is_float ? sizeof(float) : sizeof(int64_t)));
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_constant(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    if (fold->node->proto->n_attribute != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "%zu attributes, wanted one", fold->node->proto->n_attribute);
    const Tf2__Onnx__AttributeProto *attr = fold->node->proto->attribute[0];
    if (strcmp(attr->name, "value_float") == 0)
        return list_constant(fold, true, &attr->f, 1, true, error);
    if (strcmp(attr->name, "value_floats") == 0)
        return list_constant(fold, true, attr->floats, attr->n_floats, false, error);
    if (strcmp(attr->name, "value_int") == 0)
        return list_constant(fold, false, &attr->i, 1, true, error);
    if (strcmp(attr->name, "value_ints") == 0)
        return list_constant(fold, false, attr->ints, attr->n_ints, false, error);
    return tf2__onnx_read_tensor(fold->onnx, attr->t, fold->node->proto->output[0], &fold->out[0], error);
}
