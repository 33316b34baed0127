/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_tensor.c: constants. A TensorProto becomes the one that ONNX would have, pointing to the same bytes, and
 * is read as such.
 *
 * A list that is shorter than the tensor repeats its last number, an empty one means zeros (tensor.proto).
 */
#include "transform/import/tf/internal.h"

static const struct {
    int32_t onnx;
    const char *name;
} types[] = {
    [TF2__TF_FLOAT] = {TF2__ONNX_FLOAT, "float32"},
    [TF2__TF_DOUBLE] = {TF2__ONNX_DOUBLE, "float64"},
    [TF2__TF_INT32] = {TF2__ONNX_INT32, "int32"},
    [TF2__TF_UINT8] = {TF2__ONNX_UINT8, "uint8"},
    [TF2__TF_INT16] = {TF2__ONNX_INT16, "int16"},
    [TF2__TF_INT8] = {TF2__ONNX_INT8, "int8"},
    [TF2__TF_STRING] = {0, "string"},
    [TF2__TF_INT64] = {TF2__ONNX_INT64, "int64"},
    [TF2__TF_BOOL] = {TF2__ONNX_BOOL, "bool"},
    [TF2__TF_BFLOAT16] = {TF2__ONNX_BFLOAT16, "bfloat16"},
    [TF2__TF_UINT16] = {TF2__ONNX_UINT16, "uint16"},
    [TF2__TF_HALF] = {TF2__ONNX_FLOAT16, "float16"},
    [TF2__TF_RESOURCE] = {0, "resource"},
    [TF2__TF_UINT32] = {TF2__ONNX_UINT32, "uint32"},
    [TF2__TF_UINT64] = {TF2__ONNX_UINT64, "uint64"},
};

int32_t tf2__tf_onnx_type(int32_t dtype)
{
    return dtype > 0 && dtype < (int32_t)TF2__COUNT(types) ? types[dtype].onnx : 0;
}

const char *tf2__tf_type_name(int32_t dtype)
{
    bool known = dtype > 0 && dtype < (int32_t)TF2__COUNT(types) && types[dtype].name;
    return known ? types[dtype].name : "an unknown type";
}

bool tf2__tf_shape(const Tf2__Tf__TensorShapeProto *proto, struct tf2_shape *shape)
{
    if (!proto || proto->unknown_rank || proto->n_dim > TF2_MAX_DIMS)
        return false;
    shape->n_dims = (uint32_t)proto->n_dim;
    for (uint32_t d = 0; d < shape->n_dims; d++)
        shape->dim[d] = proto->dim[d]->has_size ? proto->dim[d]->size : 0;
    return true;
}

bool tf2__tf_scalar(const Tf2__Tf__TensorProto *proto, double *number)
{
    float value = 0;
    struct tf2_shape shape = {0};
    if (!proto || proto->dtype != TF2__TF_FLOAT ||
        (proto->tensor_shape && !tf2__tf_shape(proto->tensor_shape, &shape)) || tf2_shape_count(&shape) != 1)
        return false;
    if (proto->tensor_content.len == sizeof(value))
        memcpy(&value, proto->tensor_content.data, sizeof(value));
    else if (proto->n_float_val)
        value = proto->float_val[0];
    *number = value;
    return true;
}

/* The list of numbers that belongs to a type. */
struct numbers {
    const void *data;
    size_t n, size; /* bytes of one */
    bool widen;     /* 32-bit unsigned numbers, which ONNX keeps in 64 bits */
};

static struct numbers find_numbers(const Tf2__Tf__TensorProto *proto)
{
    switch (proto->dtype) {
    case TF2__TF_FLOAT:
        return (struct numbers){proto->float_val, proto->n_float_val, sizeof(float), false};
    case TF2__TF_DOUBLE:
        return (struct numbers){proto->double_val, proto->n_double_val, sizeof(double), false};
    case TF2__TF_INT64:
        return (struct numbers){proto->int64_val, proto->n_int64_val, sizeof(int64_t), false};
    case TF2__TF_UINT64:
        return (struct numbers){proto->uint64_val, proto->n_uint64_val, sizeof(uint64_t), false};
    case TF2__TF_UINT32:
        return (struct numbers){proto->uint32_val, proto->n_uint32_val, sizeof(uint32_t), true};
    case TF2__TF_BOOL:
        return (struct numbers){proto->bool_val, proto->n_bool_val, sizeof(protobuf_c_boolean), false};
    case TF2__TF_HALF:
    case TF2__TF_BFLOAT16:
        return (struct numbers){proto->half_val, proto->n_half_val, sizeof(int32_t), false};
    default:
        return (struct numbers){proto->int_val, proto->n_int_val, sizeof(int32_t), false};
    }
}

_Static_assert(sizeof(protobuf_c_boolean) == sizeof(int32_t), "bools are read as 32-bit integers");

/* All `count` numbers, the last one repeated, in memory of the import. */
static enum tf2_status expand(
    struct tf2__tf *tf, const struct numbers *numbers, size_t count, const void **result,
    struct tf2_error *error)
{
    const size_t size = numbers->widen ? sizeof(uint64_t) : numbers->size;
    static const uint64_t zero;
    void *data;
    TF2__TRY(tf2__onnx_alloc(&tf->onnx, (int64_t)count, size, false, &data, error));
    for (size_t i = 0; i < count; i++) {
        const size_t from = TF2__MIN(i, numbers->n ? numbers->n - 1 : 0);
        const void *number =
            numbers->n ? (const char *)numbers->data + from * numbers->size : (const void *)&zero;
        if (numbers->widen)
            ((uint64_t *)data)[i] = numbers->n ? *(const uint32_t *)number : 0;
        else
            memcpy((char *)data + i * size, number, size);
    }
    *result = data;
    return TF2_OK;
}

/* Puts the list into the field that ONNX has for the type. */
static void set_numbers(Tf2__Onnx__TensorProto *to, int32_t dtype, const void *data, size_t n)
{
    void *list = (void *)(uintptr_t)data;
    switch (dtype) {
    case TF2__TF_FLOAT:
        to->float_data = list;
        to->n_float_data = n;
        break;
    case TF2__TF_DOUBLE:
        to->double_data = list;
        to->n_double_data = n;
        break;
    case TF2__TF_INT64:
        to->int64_data = list;
        to->n_int64_data = n;
        break;
    case TF2__TF_UINT32:
    case TF2__TF_UINT64:
        to->uint64_data = list;
        to->n_uint64_data = n;
        break;
    default:
        to->int32_data = list;
        to->n_int32_data = n;
    }
}

static enum tf2_status fill(
    struct tf2__tf *tf, const Tf2__Tf__TensorProto *proto, Tf2__Onnx__TensorProto *to, size_t count,
    struct tf2_error *error)
{
    const struct numbers numbers = find_numbers(proto);
    const void *data = numbers.data;
    if (proto->tensor_content.len) {
        to->has_raw_data = true;
        to->raw_data = proto->tensor_content;
        return TF2_OK;
    }
    if (numbers.n > count)
        return tf2__fail(error, TF2_ERR_FORMAT, "%zu numbers for a shape of %zu elements", numbers.n, count);
    if (numbers.n < count || numbers.widen)
        TF2__TRY(expand(tf, &numbers, count, &data, error));
    set_numbers(to, proto->dtype, data, count);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_const(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, "value");
    const Tf2__Tf__TensorProto *proto = attr ? attr->tensor : NULL;
    struct tf2_shape shape = {0};
    char text[128];
    if (!proto)
        return tf2__fail(error, TF2_ERR_FORMAT, "the constant has no value");
    if (!tf2__tf_onnx_type(proto->dtype))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a constant of type %s (%d) is not supported",
            tf2__tf_type_name(proto->dtype), (int)proto->dtype);
    if (proto->tensor_shape && !tf2__tf_shape(proto->tensor_shape, &shape))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a constant of %zu dimensions, at most %d supported",
            proto->tensor_shape->n_dim, TF2_MAX_DIMS);
    const int64_t count = tf2__onnx_count(&shape);
    if (count < 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "a constant of shape %s: extents must not be negative, their product below 2^31",
            tf2_shape_format(&shape, text, sizeof(text)));

    Tf2__Onnx__TensorProto *to = tf2__arena_alloc(&tf->onnx.arena, 1, sizeof(*to));
    int64_t *dims = tf2__arena_alloc(&tf->onnx.arena, shape.n_dims, sizeof(*dims));
    if (!to || !dims)
        return tf2__fail_memory(error, sizeof(*to), "a constant");
    *to = (Tf2__Onnx__TensorProto)TF2__ONNX__TENSOR_PROTO__INIT;
    memcpy(dims, shape.dim, shape.n_dims * sizeof(*dims));
    to->n_dims = shape.n_dims;
    to->dims = dims;
    to->has_data_type = true;
    to->data_type = tf2__tf_onnx_type(proto->dtype);
    TF2__TRY(fill(tf, proto, to, (size_t)count, error));

    struct tf2__onnx_value *value = tf2__onnx_declare(&tf->onnx, node->name);
    if (!value)
        return tf2__fail_memory(error, sizeof(*value), "a constant");
    value->initializer = to;
    value->n_uses = 1;
    TF2__TRY(tf2__onnx_load(&tf->onnx, value, error));
    tf2__tf_set_file(node, 0, value);
    return TF2_OK;
}
