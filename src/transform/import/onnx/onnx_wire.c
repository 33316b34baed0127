/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_wire.c: looks at the bytes before they are unpacked: is this ONNX at all?
 */
#include "transform/import/onnx/internal.h"
#include "transform/import/wire.h"

/* The wire types of ModelProto's fields as the ONNX specification has them; -1: no such field. */
static const int8_t model_fields[] = {
    [0] = -1,  [1] = 0,   [2] = 2,   [3] = 2,   [4] = 2,   [5] = 0,   [6] = 2,   [7] = 2,   [8] = 2,
    [9] = -1,  [10] = -1, [11] = -1, [12] = -1, [13] = -1, [14] = 2,  [15] = -1, [16] = -1, [17] = -1,
    [18] = -1, [19] = -1, [20] = 2,  [21] = -1, [22] = -1, [23] = -1, [24] = -1, [25] = 2,  [26] = 2,
};

/* Walks over the top-level fields only. A file cut short still counts, so that it is refused as a damaged
 * ONNX file and not as an unknown one. */
bool tf2__onnx_probe(const unsigned char *data, size_t size_bytes)
{
    size_t at = 0;
    bool has_version = false, has_graph = false;
    uint64_t tag, value;
    while (at < size_bytes) {
        if (!tf2__wire_varint(data, size_bytes, &at, 5, &tag))
            return false;
        uint64_t field = tag >> 3;
        if (field >= TF2__COUNT(model_fields) || model_fields[field] != (int)(tag & 7))
            return false;
        if (!tf2__wire_varint(data, size_bytes, &at, 10, &value))
            break;
        if (field == 1 && (value == 0 || value > 1000))
            return false;
        has_version |= field == 1;
        has_graph |= field == 7;
        if ((tag & 7) == TF2__WIRE_VARINT)
            continue;
        if (value > size_bytes - at)
            break;
        at += (size_t)value;
    }
    return has_version && has_graph;
}

enum tf2_status tf2__onnx_check_bytes(const unsigned char *data, size_t size_bytes, struct tf2_error *error)
{
    return tf2__wire_check(&tf2__onnx__model_proto__descriptor, "ONNX", data, size_bytes, error);
}
