/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c: looks at the bytes of a protobuf file before they are unpacked: can protobuf-c be trusted with
 * them. (Wire format: protobuf.dev/programming-guides/encoding.)
 *
 * The check walks through all messages that the .proto knows and says where a file is damaged. It also
 * refuses a field that may occur once and occurs twice: protobuf-c joins such messages and copies all that
 * came before each time, so a file of a megabyte could keep it busy for minutes. What passes the check can
 * only fail to be unpacked for want of memory.
 */
#include "transform/import/wire.h"

#include <protobuf-c/protobuf-c.h>

struct reader {
    const char *what; /* "ONNX" */
    const unsigned char *data;
    size_t at, end; /* offsets in the file */
};

bool tf2__wire_varint(const unsigned char *data, size_t end, size_t *at, size_t max_bytes, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < max_bytes && *at < end; i++) {
        unsigned char byte = data[(*at)++];
        *value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_varint(struct reader *r, size_t max_bytes, uint64_t *value)
{
    return tf2__wire_varint(r->data, r->end, &r->at, max_bytes, value);
}

/* Tags and lengths are 32-bit numbers. */
static bool read_varint32(struct reader *r, uint64_t *value)
{
    return read_varint(r, 5, value) && *value <= INT32_MAX;
}

static enum tf2_status damaged(const struct reader *r, const char *what, struct tf2_error *error)
{
    return tf2__fail(error, TF2_ERR_FORMAT, "damaged %s file: %s at byte %zu", r->what, what, r->at);
}

static unsigned scalar_wire(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
        return TF2__WIRE_32;
    case PROTOBUF_C_TYPE_DOUBLE:
        return TF2__WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return TF2__WIRE_BYTES;
    default:
        return TF2__WIRE_VARINT;
    }
}

/* Many numbers in one field: whole ones only. */
static enum tf2_status check_packed(struct reader *r, unsigned wire, struct tf2_error *error)
{
    uint64_t value;
    size_t size = r->end - r->at;
    if ((wire == TF2__WIRE_32 && size % 4) || (wire == TF2__WIRE_64 && size % 8))
        return damaged(r, "a list ends within a number", error);
    while (wire == TF2__WIRE_VARINT && r->at < r->end) {
        if (!read_varint(r, 10, &value))
            return damaged(r, "a number without end", error);
    }
    return TF2_OK;
}

static enum tf2_status
check_message(const ProtobufCMessageDescriptor *type, struct reader *r, struct tf2_error *error);

/* The contents of a field with a length. Fields that the .proto does not have are passed over. */
static enum tf2_status
check_bytes(const ProtobufCFieldDescriptor *field, struct reader *r, struct tf2_error *error)
{
    uint64_t length;
    if (!read_varint32(r, &length))
        return damaged(r, "a bad length", error);
    if (length > r->end - r->at)
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "damaged or incomplete %s file: %llu bytes wanted at byte %zu, %zu are there", r->what,
            (unsigned long long)length, r->at, r->end - r->at);
    struct reader inner = {.what = r->what, .data = r->data, .at = r->at, .end = r->at + (size_t)length};
    r->at = inner.end;
    if (!field)
        return TF2_OK;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(field->descriptor, &inner, error);
    unsigned wire = scalar_wire(field->type);
    if (wire == TF2__WIRE_BYTES)
        return TF2_OK;
    return field->label == PROTOBUF_C_LABEL_REPEATED ? check_packed(&inner, wire, error)
                                                     : damaged(r, "a field of another type", error);
}

static enum tf2_status
check_field(const ProtobufCFieldDescriptor *field, unsigned wire, struct reader *r, struct tf2_error *error)
{
    uint64_t value;
    if (wire == TF2__WIRE_BYTES)
        return check_bytes(field, r, error);
    if (field && scalar_wire(field->type) != wire)
        return damaged(r, "a field of another type", error);
    if (wire == TF2__WIRE_VARINT)
        return read_varint(r, 10, &value) ? TF2_OK : damaged(r, "a number without end", error);
    size_t size = wire == TF2__WIRE_32 ? 4 : wire == TF2__WIRE_64 ? 8 : SIZE_MAX;
    if (size > r->end - r->at)
        return damaged(r, size == SIZE_MAX ? "an unknown kind of field" : "a number without end", error);
    r->at += size;
    return TF2_OK;
}

/* Calls itself through check_bytes; the messages do not contain themselves, so that ends soon. */
static enum tf2_status
check_message(const ProtobufCMessageDescriptor *type, struct reader *r, struct tf2_error *error)
{
    uint64_t seen = 0, tag;
    while (r->at < r->end) {
        if (!read_varint(r, 5, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
            return damaged(r, "a bad tag", error);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED) {
            uint64_t bit = (uint64_t)1 << (field - type->fields);
            if (seen & bit)
                return tf2__fail(
                    error, TF2_ERR_FORMAT, "damaged %s file: a second '%s' in one %s at byte %zu", r->what,
                    field->name, type->short_name, r->at);
            seen |= bit;
        }
        TF2__TRY(check_field(field, (unsigned)(tag & 7), r, error));
    }
    return TF2_OK;
}

enum tf2_status tf2__wire_check(
    const ProtobufCMessageDescriptor *type, const char *what, const unsigned char *data, size_t size_bytes,
    struct tf2_error *error)
{
    struct reader r = {.what = what, .data = data, .end = size_bytes};
    return check_message(type, &r, error);
}
