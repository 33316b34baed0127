/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prototxt.h: protobuf's text format into protobuf-c messages, driven by their descriptors (protobuf-c itself
 * has no text format).
 *
 * Names that the descriptor does not have cannot be judged here (a field of a layer that is skipped anyway
 * does not matter), so they are collected, and the caller decides.
 */
#ifndef TF2__IMPORT_PROTOTXT_H
#define TF2__IMPORT_PROTOTXT_H

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"

/* Something the descriptors do not know. The text points into the source. */
struct tf2__prototxt_unknown {
    const char *name; /* of the field */
    size_t name_bytes;
    const char *value; /* a name that the field's enumeration lacks; NULL: the field is unknown */
    size_t value_bytes;
    uint32_t line;
    uint32_t column;
    bool at_top; /* at the file's own level, not inside a message */
};

/* An outermost message: where it starts, and which of the unknowns it has inside. */
struct tf2__prototxt_place {
    const ProtobufCMessage *message;
    uint32_t line;
    uint32_t first_unknown;
    uint32_t n_unknown;
};

struct tf2__prototxt {
    struct tf2_env env;
    ProtobufCMessage *message;
    struct tf2__prototxt_unknown *unknown;
    size_t n_unknown;
    struct tf2__prototxt_place *places; /* in the order of the file */
    size_t n_places;
    bool cut; /* a syntax error: what follows it was not read */
};

/*
 * Parses `text` into a new message. Problems go to `report` with line and column: what follows a wrong value
 * is still read, a syntax error ends it. ignored[n_ignored] (sorted) are field names to skip wherever no
 * descriptor knows them. TF2_ERR_NO_MEMORY when memory ran out (reported in *error), else TF2_OK: look at the
 * report. Either way *out must be given to tf2__prototxt_finish, and out->message, if there is one, is a
 * valid message.
 */
enum tf2_status tf2__prototxt_parse(
    const struct tf2_env *env, const char *text, size_t text_bytes,
    const ProtobufCMessageDescriptor *descriptor, const char *const *ignored, size_t n_ignored,
    struct tf2__prototxt *out, struct tf2__report *report, struct tf2_error *error);
/* Frees everything; a zeroed struct is allowed. */
void tf2__prototxt_finish(struct tf2__prototxt *prototxt);

#endif
