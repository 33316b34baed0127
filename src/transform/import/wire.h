/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h: protobuf files as bytes, for the importers whose formats are made of it.
 */
#ifndef TF2__IMPORT_WIRE_H
#define TF2__IMPORT_WIRE_H

#include "common/base.h"

/* The kinds of fields. */
enum {
    TF2__WIRE_VARINT = 0,
    TF2__WIRE_64 = 1,
    TF2__WIRE_BYTES = 2,
    TF2__WIRE_32 = 5,
};

/* A number of at most max_bytes bytes at data[*at], which moves behind it. False: it does not end before
 * `end`. */
bool tf2__wire_varint(const unsigned char *data, size_t end, size_t *at, size_t max_bytes, uint64_t *value);

/*
 * Whether the data can be unpacked as this message, whose parts must not contain themselves; TF2_ERR_FORMAT
 * says where a `what` file ("ONNX") is damaged.
 */
struct ProtobufCMessageDescriptor;
enum tf2_status tf2__wire_check(
    const struct ProtobufCMessageDescriptor *type, const char *what, const unsigned char *data,
    size_t size_bytes, struct tf2_error *error);

#endif
