/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lite_builder.h: TensorFlow Lite files in memory, for tests of the importer. Include after cmocka.h.
 *
 *     struct lite_builder b;
 *     lite_open(&b);
 *     int x = lite_tensor(&b, "x", LITE_F32, DIMS(1, 4, 4, 2)), y = lite_tensor(&b, "y", LITE_F32, DIMS(1, 4, 4, 2));
 *     lite_op(&b, 19, IDS(x), IDS(y));
 *     lite_check(&b, IDS(x), IDS(y), in, wanted, n, 1e-6);     imports, runs, compares, closes
 */
#ifndef TF2_TEST_LITE_BUILDER_H
#define TF2_TEST_LITE_BUILDER_H

#include <tf2/tf2.h>

#define DIMS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)
#define IDS(...)  DIMS(__VA_ARGS__)
#define NO_DIMS   NULL, 0

enum { LITE_F32 = 0, LITE_F16 = 1, LITE_I32 = 2, LITE_U8 = 3, LITE_I8 = 9 };

#define LITE_MAX_TENSORS 64
#define LITE_MAX_OPS     32
#define LITE_MAX_FIELDS  12

/* A field of a table: its kind says which member counts. */
struct lite_field {
    char kind; /* 0: absent, 'b' byte, 'i' int32, 'f' float, 'v' list of int32 */
    int32_t i;
    float f;
    int32_t list[16];
    size_t n;
};

struct lite_builder {
    struct {
        const char *name;
        int type;
        int32_t dims[8];
        size_t n_dims;
        const void *data; /* NULL: computed */
        size_t n_bytes;
        float scales[64];
        int64_t zero_points[64];
        size_t n_scales, n_zero_points;
        int32_t axis;
    } tensors[LITE_MAX_TENSORS];
    struct {
        int32_t code;
        const char *custom;
        int32_t in[16], out[16];
        size_t n_in, n_out;
        struct lite_field options[LITE_MAX_FIELDS];
    } ops[LITE_MAX_OPS];
    int n_tensors, n_ops;
    unsigned char *bytes;
    size_t n_bytes;
};

void lite_open(struct lite_builder *b);
void lite_close(struct lite_builder *b);
int lite_tensor(struct lite_builder *b, const char *name, int type, const int32_t *dims, size_t n_dims);
/* The same with contents, which must stay until lite_pack. */
int lite_constant(
    struct lite_builder *b, const char *name, int type, const int32_t *dims, size_t n_dims, const void *data,
    size_t n_bytes);
/* A list of int32. */
int lite_ints(struct lite_builder *b, const char *name, const int32_t *values, size_t n);
/* Makes tensor `id` a quantized one. */
void lite_quant(struct lite_builder *b, int id, float scale, int64_t zero_point);

void lite_op(
    struct lite_builder *b, int32_t code, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out);
/* Options of the last operator, by number of the field. */
void lite_byte(struct lite_builder *b, int field, int32_t value);
void lite_int(struct lite_builder *b, int field, int32_t value);
void lite_float(struct lite_builder *b, int field, float value);
void lite_list(struct lite_builder *b, int field, const int32_t *values, size_t n);

/* The file, until lite_close. */
const unsigned char *lite_pack(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    size_t *n_bytes);

/* Imports, runs on the reference device, optimized and as it is, and compares the first output; closes. */
void lite_check(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    const float *input, const float *wanted, size_t n, double tolerance);
/* Imports and runs once; `found` gets n numbers. no_optimize: floats, with the roundings. Does not close. */
void lite_run(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    bool no_optimize, const float *input, float *found, size_t n);
/* The import has to fail with this status and these words, NULL at the end; closes. */
void lite_refused(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    enum tf2_status status, const char *const *words);

#endif
