/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_tensor.c: reads the numbers of a TensorProto, whatever form they are stored in.
 *
 * float32 and int64 data is used where it lies; everything else is widened: half, bfloat16 and double to
 * float, the integers to int64_t.
 */
#include "transform/import/onnx/internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian and read as it is");

bool tf2__onnx_is_float(int32_t type)
{
    return type == TF2__ONNX_FLOAT || type == TF2__ONNX_FLOAT16 || type == TF2__ONNX_DOUBLE ||
           type == TF2__ONNX_BFLOAT16;
}

const char *tf2__onnx_type_name(int32_t type)
{
    static const char *const names[] = {
        "undefined", "float32", "uint8",     "int8",       "uint16",   "int16",
        "int32",     "int64",   "string",    "bool",       "float16",  "float64",
        "uint32",    "uint64",  "complex64", "complex128", "bfloat16",
    };
    return type >= 0 && type < (int32_t)TF2__COUNT(names) ? names[type] : "an unknown type";
}

static size_t raw_bytes(int32_t type)
{
    switch (type) {
    case TF2__ONNX_BOOL:
    case TF2__ONNX_INT8:
    case TF2__ONNX_UINT8:
        return 1;
    case TF2__ONNX_FLOAT16:
    case TF2__ONNX_BFLOAT16:
    case TF2__ONNX_INT16:
    case TF2__ONNX_UINT16:
        return 2;
    case TF2__ONNX_FLOAT:
    case TF2__ONNX_INT32:
    case TF2__ONNX_UINT32:
        return 4;
    case TF2__ONNX_DOUBLE:
    case TF2__ONNX_INT64:
    case TF2__ONNX_UINT64:
        return 8;
    default:
        return 0;
    }
}

/* How many numbers the typed field holds that belongs to a type. */
static size_t typed_count(const Tf2__Onnx__TensorProto *proto)
{
    switch (proto->data_type) {
    case TF2__ONNX_FLOAT:
        return proto->n_float_data;
    case TF2__ONNX_DOUBLE:
        return proto->n_double_data;
    case TF2__ONNX_INT64:
        return proto->n_int64_data;
    case TF2__ONNX_UINT32:
    case TF2__ONNX_UINT64:
        return proto->n_uint64_data;
    default:
        return proto->n_int32_data;
    }
}

/* IEEE binary16 to binary32, exactly. */
static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    uint32_t bits;
    float value;
    if (exponent == 0) {
        value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 0x1f ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float bfloat_to_float(uint16_t bfloat)
{
    uint32_t bits = (uint32_t)bfloat << 16;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Element i of raw_data as the bytes of its type. */
#define RAW(c_type, proto, i)                                                                                \
    ({                                                                                                       \
        c_type raw_element;                                                                                  \
        memcpy(&raw_element, (proto)->raw_data.data + (size_t)(i) * sizeof(c_type), sizeof(c_type));         \
        raw_element;                                                                                         \
    })

static float float_at(const Tf2__Onnx__TensorProto *proto, bool raw, int64_t i)
{
    switch (proto->data_type) {
    case TF2__ONNX_FLOAT:
        return raw ? RAW(float, proto, i) : proto->float_data[i];
    case TF2__ONNX_DOUBLE:
        return (float)(raw ? RAW(double, proto, i) : proto->double_data[i]);
    case TF2__ONNX_FLOAT16:
        return half_to_float(raw ? RAW(uint16_t, proto, i) : (uint16_t)proto->int32_data[i]);
    default:
        return bfloat_to_float(raw ? RAW(uint16_t, proto, i) : (uint16_t)proto->int32_data[i]);
    }
}

/* The same for integers; unsigned 64-bit numbers above INT64_MAX are refused by the caller (negative here).
 */
static int64_t int_at(const Tf2__Onnx__TensorProto *proto, bool raw, int64_t i)
{
    switch (proto->data_type) {
    case TF2__ONNX_INT64:
        return raw ? RAW(int64_t, proto, i) : proto->int64_data[i];
    case TF2__ONNX_UINT64:
        return raw ? RAW(int64_t, proto, i) : (int64_t)proto->uint64_data[i];
    case TF2__ONNX_UINT32:
        return raw ? (int64_t)RAW(uint32_t, proto, i) : (int64_t)(uint32_t)proto->uint64_data[i];
    case TF2__ONNX_INT32:
        return raw ? RAW(int32_t, proto, i) : proto->int32_data[i];
    case TF2__ONNX_INT16:
        return raw ? RAW(int16_t, proto, i) : (int16_t)proto->int32_data[i];
    case TF2__ONNX_UINT16:
        return raw ? RAW(uint16_t, proto, i) : (uint16_t)proto->int32_data[i];
    case TF2__ONNX_INT8:
        return raw ? RAW(int8_t, proto, i) : (int8_t)proto->int32_data[i];
    case TF2__ONNX_UINT8:
        return raw ? RAW(uint8_t, proto, i) : (uint8_t)proto->int32_data[i];
    default: /* bool */
        return raw ? RAW(uint8_t, proto, i) != 0 : proto->int32_data[i] != 0;
    }
}

static enum tf2_status read_dims(
    const Tf2__Onnx__TensorProto *proto, const char *what, struct tf2__onnx_array *array,
    struct tf2_error *error)
{
    if (proto->n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%s' has %zu dimensions, at most %d supported", what,
            proto->n_dims, TF2_MAX_DIMS);
    array->type = proto->data_type;
    array->shape.n_dims = (uint32_t)proto->n_dims;
    for (size_t d = 0; d < proto->n_dims; d++)
        array->shape.dim[d] = proto->dims[d];
    array->count = tf2__onnx_count(&array->shape);
    if (array->count < 0) {
        char text[128];
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "tensor '%s' has the shape %s: extents must not be negative, their product below "
            "2^31",
            what, tf2_shape_format(&array->shape, text, sizeof(text)));
    }
    return TF2_OK;
}

/* Where the data is: raw or typed, all of it and once. */
static enum tf2_status check_data(
    const Tf2__Onnx__TensorProto *proto, const char *what, int64_t count, bool *raw, struct tf2_error *error)
{
    size_t typed = typed_count(proto), element = raw_bytes(proto->data_type);
    if (proto->has_segment)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "tensor '%s' is stored in segments", what);
    if (!element)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%s' is of type %s (%d), which is not supported", what,
            tf2__onnx_type_name(proto->data_type), (int)proto->data_type);
    *raw = proto->has_raw_data && proto->raw_data.len;
    if (*raw && typed)
        return tf2__fail(error, TF2_ERR_FORMAT, "tensor '%s' has its data twice", what);
    if (*raw && proto->raw_data.len != (size_t)count * element)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%s' has %zu bytes of data, its shape and type need %zu", what,
            proto->raw_data.len, (size_t)count * element);
    if (!*raw && typed != (size_t)count)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%s' has %zu numbers, its shape needs %lld", what, typed,
            (long long)count);
    return TF2_OK;
}

/* The data itself when it already has the form we keep, else NULL. */
static const void *borrow(const Tf2__Onnx__TensorProto *proto, bool raw)
{
    const void *data = NULL;
    if (proto->data_type == TF2__ONNX_FLOAT)
        data = raw ? (const void *)proto->raw_data.data : proto->float_data;
    if (proto->data_type == TF2__ONNX_INT64)
        data = raw ? (const void *)proto->raw_data.data : proto->int64_data;
    return (uintptr_t)data % 8 == 0 ? data : NULL;
}

static enum tf2_status widen(
    struct tf2__onnx *onnx, const Tf2__Onnx__TensorProto *proto, const char *what, bool raw,
    struct tf2__onnx_array *array, struct tf2_error *error)
{
    void *data;
    bool is_float = tf2__onnx_is_float(array->type);
    TF2__TRY(tf2__onnx_alloc(
        onnx, array->count, is_float ? sizeof(float) : sizeof(int64_t), is_float, &data, error));
    array->in_graph = is_float;
    for (int64_t i = 0; i < array->count; i++) {
        if (is_float)
            ((float *)data)[i] = float_at(proto, raw, i);
        else
            ((int64_t *)data)[i] = int_at(proto, raw, i);
        if (array->type == TF2__ONNX_UINT64 && ((int64_t *)data)[i] < 0)
            return tf2__fail(
                error, TF2_ERR_VALUE, "tensor '%s': number %lld is above 2^63", what, (long long)i);
    }
    array->data = data;
    return TF2_OK;
}

enum tf2_status tf2__onnx_read_tensor(
    struct tf2__onnx *onnx, const Tf2__Onnx__TensorProto *proto, const char *what,
    struct tf2__onnx_array *array, struct tf2_error *error)
{
    Tf2__Onnx__TensorProto outside;
    bool raw = false;
    memset(array, 0, sizeof(*array));
    TF2__TRY(read_dims(proto, what, array, error));
    const size_t element = raw_bytes(array->type);
    if (element && tf2__onnx_is_external(proto)) {
        TF2__TRY(tf2__onnx_read_external(onnx, proto, what, (size_t)array->count * element, &outside, error));
        proto = &outside;
    }
    TF2__TRY(check_data(proto, what, array->count, &raw, error));
    array->data = borrow(proto, raw);
    return array->data ? TF2_OK : widen(onnx, proto, what, raw, array, error);
}
