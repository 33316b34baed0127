/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flatbuffer.h: reads FlatBuffers (Google, "FlatBuffer Internals") without trusting them.
 *
 *     file     [u32 root table] [identifier, 4 bytes] ...
 *     table    [i32 distance back to its vtable] fields ...
 *     vtable   [u16 its bytes] [u16 the table's bytes] [u16 place of field 0 in the table, 0: absent] ...
 *     vector   [u32 number of elements] elements            string: a vector of bytes
 *     reference from anywhere to a table or vector: u32, forwards from where it is stored
 *
 * Nothing is verified in advance: every access checks all that it touches, so work is bounded by what the caller asks
 * for, and tables that refer to each other in circles do no harm. The first problem is kept, like in a cursor: from
 * then on everything reads as absent, and the caller looks at `status` when it is convenient.
 */
#ifndef TF2__IMPORT_FLATBUFFER_H
#define TF2__IMPORT_FLATBUFFER_H

#include "common/base.h"

struct tf2__flatbuffer {
    const unsigned char *data;
    size_t size_bytes;
    enum tf2_status status;
    struct tf2_error *error; /* gets the first problem; NULL allowed */
};

/* A table, or none: all its fields are absent then. */
struct tf2__fb_table {
    size_t at; /* place in the file; 0: none */
    size_t size_bytes;
    size_t vtable;
    size_t vtable_bytes;
};

/* A vector: its elements lie in the file. n == 0: absent or empty. */
struct tf2__fb_vector {
    size_t at; /* the first element */
    uint32_t n;
};

/* Whether a FlatBuffer with this identifier (4 letters) may be here. */
bool tf2__fb_probe(const unsigned char *data, size_t size_bytes, const char *identifier);

struct tf2__fb_table tf2__fb_root(struct tf2__flatbuffer *fb);

/* Scalars of a table by number of the field. */
uint8_t
tf2__fb_u8(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, uint8_t otherwise);
int32_t
tf2__fb_i32(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, int32_t otherwise);
int64_t
tf2__fb_i64(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, int64_t otherwise);
float tf2__fb_f32(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, float otherwise);

struct tf2__fb_table tf2__fb_table(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field);
/* A vector of elements of this size, all inside the file. */
struct tf2__fb_vector tf2__fb_vector(
    struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, size_t element_bytes);

/* Elements: i < n. */
int32_t tf2__fb_i32_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i);
int64_t tf2__fb_i64_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i);
float tf2__fb_f32_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i);
/* Of a vector of tables. */
struct tf2__fb_table tf2__fb_table_at(struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i);

#endif
