/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_builder.h: GraphDefs and SavedModels in memory, for tests of the importer. Include after cmocka.h.
 *
 *     struct tf_builder b;
 *     tf_open(&b);
 *     tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
 *     tf_floats(&b, "w", DIMS(3, 3, 3, 4), NULL);
 *     tf_node(&b, "Conv2D", "y", "x w");
 *     tf_ints_attr(&b, "strides", INTS(1, 1, 1, 1));
 *     tf_string_attr(&b, "padding", "SAME");
 *     struct tf_import im = tf_imported(&b);
 *     ...
 *     tf_import_free(&im);
 *
 * Everything the builder makes is freed by tf_close. Messages may be changed by hand.
 */
#ifndef TF2_TEST_TF_BUILDER_H
#define TF2_TEST_TF_BUILDER_H

#include "transform/import/import.h"
#include "transform/import/tf/tf.pb-c.h"

struct tf_builder {
    Tf2__Tf__GraphDef *graph;
    Tf2__Tf__SavedModel *model;       /* NULL until tf_saved_model */
    Tf2__Tf__SignatureDef *signature; /* of it */
    Tf2__Tf__FunctionDef *function;   /* nodes go there; NULL: to the graph */
    Tf2__Tf__NodeDef *node;           /* the last one */
    uint64_t seed;
    void **blocks;
    size_t n_blocks;
};

/* A list of extents or numbers with its length: two arguments. */
#define DIMS(...)   (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define INTS(...)   DIMS(__VA_ARGS__)
#define FLOATS(...) (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float)
#define NO_DIMS     NULL, 0 /* a scalar */

void tf_open(struct tf_builder *b);
void tf_close(struct tf_builder *b);
void *tf_block(struct tf_builder *b, size_t n, size_t size_bytes);

/* inputs: names with blanks between. Attributes go to the last node. */
void tf_node(struct tf_builder *b, const char *op, const char *name, const char *inputs);
Tf2__Tf__AttrValue *tf_attr(struct tf_builder *b, const char *name);
void tf_int_attr(struct tf_builder *b, const char *name, int64_t value);
void tf_float_attr(struct tf_builder *b, const char *name, float value);
void tf_bool_attr(struct tf_builder *b, const char *name, bool value);
void tf_type_attr(struct tf_builder *b, const char *name, int32_t value);
void tf_string_attr(struct tf_builder *b, const char *name, const char *value);
void tf_ints_attr(struct tf_builder *b, const char *name, const int64_t *values, size_t n);
void tf_function_attr(struct tf_builder *b, const char *name, const char *function);

/* A float placeholder; -1: open. */
void tf_placeholder(struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims);
/* Constants in tensor_content. data NULL: random numbers in [-1, 1). */
Tf2__Tf__TensorProto *
tf_floats(struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims, const float *data);
/* One float. */
Tf2__Tf__TensorProto *tf_float(struct tf_builder *b, const char *name, float value);
/* A list of int32, and one int32. */
Tf2__Tf__TensorProto *tf_ints(struct tf_builder *b, const char *name, const int64_t *values, size_t n);
Tf2__Tf__TensorProto *tf_int(struct tf_builder *b, const char *name, int64_t value);
/* int32 of any shape. */
Tf2__Tf__TensorProto *tf_int_tensor(
    struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims, const int64_t *values);
/* A constant node of this type without any numbers. */
Tf2__Tf__TensorProto *
tf_tensor(struct tf_builder *b, const char *name, int32_t dtype, const int64_t *dims, size_t n_dims);

/* Nodes until tf_end_function are a function's; inputs and outputs: names of its arguments and results. */
void tf_begin_function(struct tf_builder *b, const char *name, const char *inputs, const char *outputs);
void tf_result(struct tf_builder *b, const char *output, const char *tensor);
void tf_end_function(struct tf_builder *b);

/* The file is a SavedModel. */
void tf_saved_model(struct tf_builder *b);
void tf_signature_input(struct tf_builder *b, const char *key, const char *tensor);
void tf_signature_output(struct tf_builder *b, const char *key, const char *tensor);

/* The file's bytes, until tf_close. */
const unsigned char *tf_pack(struct tf_builder *b, size_t *size_bytes);

/* ---- importing ---- */

struct tf_import {
    enum tf2_status status;
    struct tf2_error error;
    struct tf2_graph *graph; /* NULL after a failure */
};

/* A graph that is imported has been verified. */
struct tf_import
tf_import_bytes(const void *data, size_t size_bytes, const struct tf2_import_options *options);
void tf_import_free(struct tf_import *im);
/* Imports and closes the builder; the import has to succeed. options NULL: defaults. */
struct tf_import tf_imported(struct tf_builder *b);
struct tf_import tf_imported_with(struct tf_builder *b, const struct tf2_import_options *options);
/* Imports and closes the builder; it has to fail with this status and all of the words in its message. */
#define tf_refused(b, status, ...) tf_refused_with(b, NULL, status, (const char *[]){__VA_ARGS__, NULL})
void tf_refused_with(
    struct tf_builder *b, const struct tf2_import_options *options, enum tf2_status status,
    const char *const *words);

/* Whether the graph has a node of this operator. */
uint32_t tf_count(const struct tf_import *im, enum tf2_op op);
/* Runs the graph on these inputs (of batch `batch`; 0: its own) and compares output 0 in shape and numbers
 * (to 1e-5). */
void tf_gives(
    const struct tf_import *im, int64_t batch, const float *const *inputs, const char *shape,
    const float *wanted);
/* The shape of output 0 has to be this one when the only input gets this shape; "-": it has to be refused. */
void tf_has_shape_for(const struct tf_import *im, struct tf2_shape input, const char *shape);

#endif
