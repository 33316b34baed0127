/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_builder.h: ONNX models in memory, for tests of the importer. Include after cmocka.h.
 *
 *     struct onnx_builder b;
 *     onnx_open(&b, 13);
 *     onnx_input(&b, "x", DIMS(0, 3, 8, 8));
 *     onnx_floats(&b, "w", DIMS(4, 3, 3, 3), NULL);
 *     onnx_node(&b, "Conv", "x w", "y");
 *     onnx_ints_attr(&b, "pads", INTS(1, 1, 1, 1));
 *     onnx_output(&b, "y");
 *     struct onnx_import im = onnx_import(&b, NULL);
 *     ...
 *     onnx_import_free(&im);
 *     onnx_close(&b);
 *
 * Everything the builder makes is freed by onnx_close. Messages may be changed by hand through b.model.
 */
#ifndef TF2_TEST_ONNX_BUILDER_H
#define TF2_TEST_ONNX_BUILDER_H

#include "transform/import/import.h"
#include "transform/import/onnx/onnx.pb-c.h"

struct onnx_builder {
    Tf2__Onnx__ModelProto *model;
    Tf2__Onnx__GraphProto *graph;
    Tf2__Onnx__NodeProto *node; /* the last one */
    uint64_t seed;
    void **blocks;
    size_t n_blocks;
};

/* A list of extents or numbers with its length: two arguments. */
#define DIMS(...)   (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define INTS(...)   DIMS(__VA_ARGS__)
#define FLOATS(...) (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float)
#define NO_DIMS     NULL, 0 /* a scalar */

void onnx_open(struct onnx_builder *b, int64_t opset);
void onnx_close(struct onnx_builder *b);
/* Memory that lives until onnx_close, zeroed. */
void *onnx_block(struct onnx_builder *b, size_t n, size_t size_bytes);

/* A float input or output. Extent 0: open without a name; -1, -2, ...: open, called "d1", "d2", ... */
void onnx_input(struct onnx_builder *b, const char *name, const int64_t *dims, size_t n_dims);
void onnx_output(struct onnx_builder *b, const char *name);

/* Initializers in raw_data. data NULL: random numbers in [-1, 1). */
Tf2__Onnx__TensorProto *
onnx_floats(struct onnx_builder *b, const char *name, const int64_t *dims, size_t n_dims, const float *data);
/* A list of int64. */
Tf2__Onnx__TensorProto *onnx_ints(struct onnx_builder *b, const char *name, const int64_t *values, size_t n);
Tf2__Onnx__TensorProto *onnx_int(struct onnx_builder *b, const char *name, int64_t value);
/* A list of floats. */
Tf2__Onnx__TensorProto *onnx_list(struct onnx_builder *b, const char *name, const float *values, size_t n);
Tf2__Onnx__TensorProto *onnx_float(struct onnx_builder *b, const char *name, float value);
/* A tensor that belongs to nothing yet. */
Tf2__Onnx__TensorProto *onnx_tensor(
    struct onnx_builder *b, const char *name, int32_t type, const int64_t *dims, size_t n_dims,
    const void *raw, size_t raw_bytes);
/* Makes a tensor an initializer. */
void onnx_initializer(struct onnx_builder *b, Tf2__Onnx__TensorProto *tensor);

/* inputs and outputs: names with blanks between, "-" for one that is left out. Attributes go to the last
 * node. */
void onnx_node(struct onnx_builder *b, const char *type, const char *inputs, const char *outputs);
Tf2__Onnx__AttributeProto *onnx_attr(struct onnx_builder *b, const char *name, int32_t type);
void onnx_int_attr(struct onnx_builder *b, const char *name, int64_t value);
void onnx_float_attr(struct onnx_builder *b, const char *name, float value);
void onnx_string_attr(struct onnx_builder *b, const char *name, const char *value);
void onnx_ints_attr(struct onnx_builder *b, const char *name, const int64_t *values, size_t n);
void onnx_floats_attr(struct onnx_builder *b, const char *name, const float *values, size_t n);
void onnx_tensor_attr(struct onnx_builder *b, const char *name, Tf2__Onnx__TensorProto *tensor);

/* The file's bytes, until onnx_close. */
const unsigned char *onnx_pack(struct onnx_builder *b, size_t *size_bytes);

/* ---- importing ---- */

struct onnx_import {
    enum tf2_status status;
    struct tf2_error error;
    struct tf2_graph *graph; /* NULL after a failure */
};

/* options NULL: defaults. A graph that is imported has been verified. */
struct onnx_import onnx_import(struct onnx_builder *b, const struct tf2_import_options *options);
struct onnx_import
onnx_import_bytes(const void *data, size_t size_bytes, const struct tf2_import_options *options);
void onnx_import_free(struct onnx_import *im);

/* Imports and closes the builder; the import has to succeed. */
struct onnx_import onnx_imported(struct onnx_builder *b);
/* Imports and closes the builder; it has to fail with this status and have all of the words in its message.
 */
#define onnx_refused(b, status, ...) onnx_refused_with(b, NULL, status, (const char *[]){__VA_ARGS__, NULL})
void onnx_refused_with(
    struct onnx_builder *b, const struct tf2_import_options *options, enum tf2_status status,
    const char *const *words);

/* Node number i of the graph; its operator and the shape of its output ("1x4x8x8") have to be these. */
const struct tf2__node *
onnx_has_node(const struct onnx_import *im, uint32_t i, enum tf2_op op, const char *name, const char *shape);
/* Input k of a node has to be a constant of this shape; returns its numbers. */
const float *
onnx_has_constant(const struct onnx_import *im, const struct tf2__node *node, uint32_t k, const char *shape);
/* The shape of output 0 has to be this one when the inputs get these shapes; "-": they have to be refused. */
void onnx_has_shape_for(
    const struct onnx_import *im, const struct tf2_shape *input_shapes, const char *shape);
/* The same with another batch in all inputs. */
void onnx_has_batch(const struct onnx_import *im, int64_t batch, const char *shape);

/* A file under TF2_SHARED; false (and a line says so) when it is absent. */
struct tf2__file;
bool onnx_shared_file(const char *path, struct tf2__file *file);

#endif
