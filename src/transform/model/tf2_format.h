/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_format.h: the .tf2 container, shared by its reader and its writer. docs/model-format.md has the bytes;
 * names here are those of that page.
 */
#ifndef TF2__MODEL_TF2_FORMAT_H
#define TF2__MODEL_TF2_FORMAT_H

#include "transform/model/model.h"

#define TF2__TF2_MAGIC          "\211TF2\r\n\032\n"
#define TF2__TF2_MAGIC_BYTES    8
#define TF2__TF2_MAJOR          1
#define TF2__TF2_MINOR          0
#define TF2__TF2_HEADER_BYTES   24
#define TF2__TF2_ROW_BYTES      32
#define TF2__TF2_CHECKSUM_BYTES 8
#define TF2__TF2_MAX_SECTIONS   64
#define TF2__TF2_ALIGNMENT      64
#define TF2__TF2_MAX_NAME_BYTES 1024

/* Files are read by copying their bytes into numbers. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TF2__TF2_HOST_FITS true
#else
#define TF2__TF2_HOST_FITS false
#endif

enum tf2__section_id {
    TF2__SECTION_GRAPH = 1,
    TF2__SECTION_WEIGHTS = 2,
    TF2__SECTION_PREPROCESS = 3,
    TF2__SECTION_LABELS = 4,
    TF2__SECTION_FACTS = 5,
    TF2__SECTION_EXAMPLE = 6,
};
#define TF2__N_SECTIONS 7 /* numbers run from 1 */

#define TF2__SECTION_MAY_SKIP 1u

/* Bits of `quant`. */
#define TF2__QUANT_SET                 1u
#define TF2__QUANT_CHANNEL_SCALES      2u
#define TF2__QUANT_CHANNEL_ZERO_POINTS 4u

enum tf2__example_form {
    TF2__EXAMPLE_F32 = 0,
    TF2__EXAMPLE_U8 = 1,
    TF2__EXAMPLE_RUNS = 2,
};

/* "GRAPH"; "section" for a number that is none. */
const char *tf2__section_name(uint32_t id);

/* What is wrong with it ("is not valid UTF-8"), NULL when it is a text as a file may have it. */
const char *tf2__text_problem(const char *text);
/* The same; 1 to TF2__TF2_MAX_NAME_BYTES bytes without control characters. */
const char *tf2__name_problem(const char *name);

/*
 * Reading a section field by field. The first failure is kept in `status` and *error, with the section and
 * the offset; from then on everything reads as 0, so that a record can be read whole before it is looked at.
 * Loops over counts from the file have to look at `status`.
 */
struct tf2__cursor {
    const unsigned char *file; /* its beginning, for offsets in messages */
    const unsigned char *at, *end;
    const char *section;
    struct tf2_error *error;
    enum tf2_status status;
};

/* `what` names the field in messages. */
uint8_t tf2__cursor_u8(struct tf2__cursor *cursor, const char *what);
uint16_t tf2__cursor_u16(struct tf2__cursor *cursor, const char *what);
uint32_t tf2__cursor_u32(struct tf2__cursor *cursor, const char *what);
uint64_t tf2__cursor_u64(struct tf2__cursor *cursor, const char *what);
float tf2__cursor_f32(struct tf2__cursor *cursor, const char *what);
/* n_bytes as they lie there; NULL on failure. */
const unsigned char *tf2__cursor_bytes(struct tf2__cursor *cursor, uint64_t n_bytes, const char *what);
/* A number of records of at least record_bytes each. */
uint32_t tf2__cursor_count(struct tf2__cursor *cursor, size_t record_bytes, const char *what);
/* Where they lie; "" on failure. */
const char *tf2__cursor_text(struct tf2__cursor *cursor, const char *what);
const char *tf2__cursor_name(struct tf2__cursor *cursor, const char *what);
/* Fails when something is left over. */
enum tf2_status tf2__cursor_finish(struct tf2__cursor *cursor);
/* Keeps a failure at the place `at`, if it is the first. */
void tf2__cursor_fail(
    struct tf2__cursor *cursor, const unsigned char *at, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(4, 5);

/* Bytes to be written. A failed allocation is kept in `failed`. */
struct tf2__buffer {
    struct tf2_env env;
    unsigned char *data;
    size_t n, cap;
    bool failed;
};

void tf2__buffer_init(struct tf2__buffer *buffer, const struct tf2_env *env);
void tf2__buffer_finish(struct tf2__buffer *buffer);
void tf2__buffer_put(struct tf2__buffer *buffer, const void *data, size_t n_bytes);
void tf2__buffer_u8(struct tf2__buffer *buffer, uint8_t value);
void tf2__buffer_u16(struct tf2__buffer *buffer, uint16_t value);
void tf2__buffer_u32(struct tf2__buffer *buffer, uint32_t value);
void tf2__buffer_u64(struct tf2__buffer *buffer, uint64_t value);
void tf2__buffer_f32(struct tf2__buffer *buffer, float value);
void tf2__buffer_text(struct tf2__buffer *buffer, const char *text);

/* Attributes of an operator as bytes, zeros at the end left out, and back. */
#define TF2__ATTR_MAX_BYTES 256
size_t tf2__attr_encode(enum tf2_op op, const void *attr, unsigned char bytes[TF2__ATTR_MAX_BYTES]);
/* *attr is all of the operator's struct. */
enum tf2_status tf2__attr_decode(
    enum tf2_op op, const unsigned char *bytes, size_t n_bytes, void *attr, struct tf2_error *error);

/* Reads GRAPH into the empty `graph`; constants stay in `weights`, which must outlive it. *name points
 * into the file. */
enum tf2_status tf2__model_read_graph(
    struct tf2__cursor *cursor, const unsigned char *weights, size_t weights_bytes, struct tf2_graph *graph,
    const char **name);

/* A part of WEIGHTS. */
struct tf2__blob {
    const void *data;
    size_t n_bytes;
    size_t offset; /* in the section */
};

/* GRAPH and what belongs into WEIGHTS. Freed by the caller, also after a failure. */
struct tf2__graph_bytes {
    struct tf2__buffer graph;
    struct tf2__buffer blobs; /* an array of struct tf2__blob */
    size_t weights_bytes;
};

enum tf2_status tf2__model_write_graph(
    const struct tf2_model *model, struct tf2__graph_bytes *bytes, struct tf2_error *error);

/* EXAMPLE: the section of these buffers; the model's preprocessing tells how bytes may become the inputs. */
enum tf2_status tf2__example_write(
    const struct tf2_model *model, const void *const *inputs, const void *const *outputs,
    struct tf2__buffer *section, struct tf2_error *error);
/* Checks a section, or with outs (one buffer per input, then one per output) unpacks it. */
enum tf2_status
tf2__example_read(struct tf2__cursor *cursor, const struct tf2_graph *graph, float *const *outs);

#endif
