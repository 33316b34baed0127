/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tf_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reference_run.h"

/* ---- memory ---- */

void *tf_block(struct tf_builder *b, size_t n, size_t size_bytes)
{
    void *block = calloc(n + 1, size_bytes);
    if ((b->n_blocks & (b->n_blocks + 1)) == 0) /* full at 0, 1, 3, 7, ... */
        b->blocks = realloc(b->blocks, (2 * b->n_blocks + 1) * sizeof(*b->blocks));
    b->blocks[b->n_blocks++] = block;
    return block;
}

static void *copy_bytes(struct tf_builder *b, const void *data, size_t n, size_t size_bytes)
{
    void *block = tf_block(b, n, size_bytes);
    if (n)
        memcpy(block, data, n * size_bytes);
    return block;
}

static char *copy_string(struct tf_builder *b, const char *text)
{
    return copy_bytes(b, text, strlen(text), 1);
}

/* Appends to a repeated field of pointers. */
static void append(struct tf_builder *b, void *array, size_t *n, void *element)
{
    void ***list = array;
    void **grown = tf_block(b, *n + 1, sizeof(*grown));
    if (*n)
        memcpy(grown, *list, *n * sizeof(*grown));
    grown[(*n)++] = element;
    *list = grown;
}

#define NEW(b, type, lower)                                                                                  \
    ({                                                                                                       \
        Tf2__Tf__##type *new_message = tf_block(b, 1, sizeof(*new_message));                                 \
        tf2__tf__##lower##__init(new_message);                                                               \
        new_message;                                                                                         \
    })

void tf_open(struct tf_builder *b)
{
    memset(b, 0, sizeof(*b));
    b->seed = 1;
    b->graph = NEW(b, GraphDef, graph_def);
}

void tf_close(struct tf_builder *b)
{
    for (size_t i = 0; i < b->n_blocks; i++)
        free(b->blocks[i]);
    free(b->blocks);
    memset(b, 0, sizeof(*b));
}

/* Calls `use` for each word. */
static void for_words(
    struct tf_builder *b, const char *words, void (*use)(struct tf_builder *b, const char *word, void *user),
    void *user)
{
    for (char *word = strtok(copy_string(b, words), " "); word; word = strtok(NULL, " "))
        use(b, word, user);
}

/* ---- nodes and attributes ---- */

static void add_input(struct tf_builder *b, const char *word, void *user)
{
    Tf2__Tf__NodeDef *node = user;
    append(b, &node->input, &node->n_input, copy_string(b, word));
}

void tf_node(struct tf_builder *b, const char *op, const char *name, const char *inputs)
{
    b->node = NEW(b, NodeDef, node_def);
    b->node->op = copy_string(b, op);
    b->node->name = copy_string(b, name);
    for_words(b, inputs, add_input, b->node);
    if (b->function)
        append(b, &b->function->node_def, &b->function->n_node_def, b->node);
    else
        append(b, &b->graph->node, &b->graph->n_node, b->node);
}

Tf2__Tf__AttrValue *tf_attr(struct tf_builder *b, const char *name)
{
    Tf2__Tf__AttrEntry *entry = NEW(b, AttrEntry, attr_entry);
    entry->key = copy_string(b, name);
    entry->value = NEW(b, AttrValue, attr_value);
    append(b, &b->node->attr, &b->node->n_attr, entry);
    return entry->value;
}

void tf_int_attr(struct tf_builder *b, const char *name, int64_t value)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->has_i = 1;
    attr->i = value;
}

void tf_float_attr(struct tf_builder *b, const char *name, float value)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->has_f = 1;
    attr->f = value;
}

void tf_bool_attr(struct tf_builder *b, const char *name, bool value)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->has_b = 1;
    attr->b = value;
}

void tf_type_attr(struct tf_builder *b, const char *name, int32_t value)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->has_type = 1;
    attr->type = value;
}

void tf_string_attr(struct tf_builder *b, const char *name, const char *value)
{
    tf_attr(b, name)->s = copy_string(b, value);
}

void tf_ints_attr(struct tf_builder *b, const char *name, const int64_t *values, size_t n)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->list = NEW(b, AttrValue__ListValue, attr_value__list_value);
    attr->list->i = copy_bytes(b, values, n, sizeof(*values));
    attr->list->n_i = n;
}

void tf_function_attr(struct tf_builder *b, const char *name, const char *function)
{
    Tf2__Tf__AttrValue *attr = tf_attr(b, name);
    attr->func = NEW(b, NameAttrList, name_attr_list);
    attr->func->name = copy_string(b, function);
}

/* ---- placeholders and constants ---- */

static Tf2__Tf__TensorShapeProto *make_shape(struct tf_builder *b, const int64_t *dims, size_t n)
{
    Tf2__Tf__TensorShapeProto *shape = NEW(b, TensorShapeProto, tensor_shape_proto);
    for (size_t d = 0; d < n; d++) {
        Tf2__Tf__TensorShapeProto__Dim *dim = NEW(b, TensorShapeProto__Dim, tensor_shape_proto__dim);
        dim->has_size = 1;
        dim->size = dims[d];
        append(b, &shape->dim, &shape->n_dim, dim);
    }
    return shape;
}

void tf_placeholder(struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims)
{
    tf_node(b, "Placeholder", name, "");
    tf_type_attr(b, "dtype", 1);
    tf_attr(b, "shape")->shape = make_shape(b, dims, n_dims);
}

Tf2__Tf__TensorProto *
tf_tensor(struct tf_builder *b, const char *name, int32_t dtype, const int64_t *dims, size_t n_dims)
{
    Tf2__Tf__TensorProto *tensor = NEW(b, TensorProto, tensor_proto);
    tf_node(b, "Const", name, "");
    tf_type_attr(b, "dtype", dtype);
    tf_attr(b, "value")->tensor = tensor;
    tensor->has_dtype = 1;
    tensor->dtype = dtype;
    tensor->tensor_shape = make_shape(b, dims, n_dims);
    return tensor;
}

static void
set_content(struct tf_builder *b, Tf2__Tf__TensorProto *tensor, const void *data, size_t n, size_t size)
{
    tensor->has_tensor_content = 1;
    tensor->tensor_content.len = n * size;
    tensor->tensor_content.data = copy_bytes(b, data, n, size);
}

static size_t count(const int64_t *dims, size_t n)
{
    size_t result = 1;
    for (size_t d = 0; d < n; d++)
        result *= (size_t)dims[d];
    return result;
}

Tf2__Tf__TensorProto *
tf_floats(struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims, const float *data)
{
    const size_t n = count(dims, n_dims);
    float *random = tf_block(b, n, sizeof(*random));
    reference_fill(random, n, b->seed++, -1, 1);
    Tf2__Tf__TensorProto *tensor = tf_tensor(b, name, 1, dims, n_dims);
    set_content(b, tensor, data ? data : random, n, sizeof(*data));
    return tensor;
}

Tf2__Tf__TensorProto *tf_float(struct tf_builder *b, const char *name, float value)
{
    Tf2__Tf__TensorProto *tensor = tf_tensor(b, name, 1, NO_DIMS);
    tensor->float_val = copy_bytes(b, &value, 1, sizeof(value));
    tensor->n_float_val = 1;
    return tensor;
}

Tf2__Tf__TensorProto *tf_int_tensor(
    struct tf_builder *b, const char *name, const int64_t *dims, size_t n_dims, const int64_t *values)
{
    const size_t n = count(dims, n_dims);
    int32_t *narrow = tf_block(b, n, sizeof(*narrow));
    for (size_t i = 0; i < n; i++)
        narrow[i] = (int32_t)values[i];
    Tf2__Tf__TensorProto *tensor = tf_tensor(b, name, 3, dims, n_dims);
    set_content(b, tensor, narrow, n, sizeof(*narrow));
    return tensor;
}

Tf2__Tf__TensorProto *tf_ints(struct tf_builder *b, const char *name, const int64_t *values, size_t n)
{
    return tf_int_tensor(b, name, DIMS((int64_t)n), values);
}

Tf2__Tf__TensorProto *tf_int(struct tf_builder *b, const char *name, int64_t value)
{
    Tf2__Tf__TensorProto *tensor = tf_tensor(b, name, 3, NO_DIMS);
    tensor->int_val = copy_bytes(b, &(int32_t){(int32_t)value}, 1, sizeof(int32_t));
    tensor->n_int_val = 1;
    return tensor;
}

/* ---- functions and SavedModels ---- */

static Tf2__Tf__OpDef__ArgDef *make_arg(struct tf_builder *b, const char *name)
{
    Tf2__Tf__OpDef__ArgDef *arg = NEW(b, OpDef__ArgDef, op_def__arg_def);
    arg->name = copy_string(b, name);
    arg->has_type = 1;
    arg->type = 1;
    return arg;
}

static void add_argument(struct tf_builder *b, const char *word, void *user)
{
    Tf2__Tf__OpDef *signature = user;
    append(b, &signature->input_arg, &signature->n_input_arg, make_arg(b, word));
}

static void add_result(struct tf_builder *b, const char *word, void *user)
{
    Tf2__Tf__OpDef *signature = user;
    append(b, &signature->output_arg, &signature->n_output_arg, make_arg(b, word));
}

void tf_begin_function(struct tf_builder *b, const char *name, const char *inputs, const char *outputs)
{
    if (!b->graph->library)
        b->graph->library = NEW(b, FunctionDefLibrary, function_def_library);
    b->function = NEW(b, FunctionDef, function_def);
    b->function->signature = NEW(b, OpDef, op_def);
    b->function->signature->name = copy_string(b, name);
    for_words(b, inputs, add_argument, b->function->signature);
    for_words(b, outputs, add_result, b->function->signature);
    append(b, &b->graph->library->function, &b->graph->library->n_function, b->function);
}

void tf_result(struct tf_builder *b, const char *output, const char *tensor)
{
    Tf2__Tf__StringEntry *entry = NEW(b, StringEntry, string_entry);
    entry->key = copy_string(b, output);
    entry->value = copy_string(b, tensor);
    append(b, &b->function->ret, &b->function->n_ret, entry);
}

void tf_end_function(struct tf_builder *b)
{
    b->function = NULL;
}

void tf_saved_model(struct tf_builder *b)
{
    Tf2__Tf__MetaGraphDef *meta = NEW(b, MetaGraphDef, meta_graph_def);
    Tf2__Tf__SignatureEntry *entry = NEW(b, SignatureEntry, signature_entry);
    b->model = NEW(b, SavedModel, saved_model);
    b->model->has_saved_model_schema_version = 1;
    b->model->saved_model_schema_version = 1;
    meta->meta_info_def = NEW(b, MetaGraphDef__MetaInfoDef, meta_graph_def__meta_info_def);
    append(b, &meta->meta_info_def->tags, &meta->meta_info_def->n_tags, copy_string(b, "serve"));
    meta->graph_def = b->graph;
    b->signature = NEW(b, SignatureDef, signature_def);
    entry->key = copy_string(b, "serving_default");
    entry->value = b->signature;
    append(b, &meta->signature_def, &meta->n_signature_def, entry);
    append(b, &b->model->meta_graphs, &b->model->n_meta_graphs, meta);
}

static Tf2__Tf__TensorInfoEntry *make_info(struct tf_builder *b, const char *key, const char *tensor)
{
    Tf2__Tf__TensorInfoEntry *entry = NEW(b, TensorInfoEntry, tensor_info_entry);
    entry->key = copy_string(b, key);
    entry->value = NEW(b, TensorInfo, tensor_info);
    entry->value->name = copy_string(b, tensor);
    return entry;
}

void tf_signature_input(struct tf_builder *b, const char *key, const char *tensor)
{
    append(b, &b->signature->inputs, &b->signature->n_inputs, make_info(b, key, tensor));
}

void tf_signature_output(struct tf_builder *b, const char *key, const char *tensor)
{
    append(b, &b->signature->outputs, &b->signature->n_outputs, make_info(b, key, tensor));
}

const unsigned char *tf_pack(struct tf_builder *b, size_t *size_bytes)
{
    unsigned char *bytes;
    *size_bytes = b->model ? tf2__tf__saved_model__get_packed_size(b->model)
                           : tf2__tf__graph_def__get_packed_size(b->graph);
    bytes = tf_block(b, *size_bytes, 1);
    if (b->model)
        tf2__tf__saved_model__pack(b->model, bytes);
    else
        tf2__tf__graph_def__pack(b->graph, bytes);
    return bytes;
}

/* ---- importing ---- */

struct tf_import
tf_import_bytes(const void *data, size_t size_bytes, const struct tf2_import_options *options)
{
    struct tf_import im = {.status = TF2_OK};
    const struct tf2__source source = {.name = "test.pb", .data = data, .size_bytes = size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &im.graph, NULL), TF2_OK);
    im.status = tf2__import(&source, options, im.graph, &im.error);
    if (im.status == TF2_OK)
        im.status = tf2__graph_verify(im.graph, &im.error);
    if (im.status != TF2_OK)
        tf2_graph_destroy(&im.graph);
    return im;
}

void tf_import_free(struct tf_import *im)
{
    tf2_graph_destroy(&im->graph);
}

struct tf_import tf_imported_with(struct tf_builder *b, const struct tf2_import_options *options)
{
    size_t size_bytes;
    const unsigned char *bytes = tf_pack(b, &size_bytes);
    struct tf_import im = tf_import_bytes(bytes, size_bytes, options);
    tf_close(b);
    if (im.status != TF2_OK)
        fail_msg("%s", im.error.message);
    return im;
}

struct tf_import tf_imported(struct tf_builder *b)
{
    return tf_imported_with(b, NULL);
}

void tf_refused_with(
    struct tf_builder *b, const struct tf2_import_options *options, enum tf2_status status,
    const char *const *words)
{
    size_t size_bytes;
    const unsigned char *bytes = tf_pack(b, &size_bytes);
    struct tf_import im = tf_import_bytes(bytes, size_bytes, options);
    tf_close(b);
    if (im.status != status)
        fail_msg("status %d, wanted %d: %s", im.status, status, im.status ? im.error.message : "imported");
    assert_int_equal(strncmp(im.error.message, "test.pb: ", 9), 0);
    for (; *words; words++) {
        if (!strstr(im.error.message, *words))
            fail_msg("no \"%s\" in the message: %s", *words, im.error.message);
    }
    tf_import_free(&im);
}

uint32_t tf_count(const struct tf_import *im, enum tf2_op op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < im->graph->n_nodes; i++)
        n += im->graph->nodes[i].op->id == op;
    return n;
}

void tf_gives(
    const struct tf_import *im, int64_t batch, const float *const *inputs, const char *shape,
    const float *wanted)
{
    struct tf2_shape shapes[8];
    struct reference_outputs outputs = {0};
    struct tf2_error error;
    char text[128];
    for (uint32_t i = 0; i < im->graph->n_inputs; i++) {
        shapes[i] = im->graph->tensors[im->graph->inputs[i]].shape;
        if (batch)
            shapes[i].dim[0] = batch;
    }
    if (reference_run(im->graph, shapes, inputs, &outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_string_equal(tf2_shape_format(&outputs.shape[0], text, sizeof(text)), shape);
    for (int64_t i = 0; i < tf2_shape_count(&outputs.shape[0]); i++) {
        if (!(fabsf(outputs.data[0][i] - wanted[i]) <= 1e-5f * fmaxf(1, fabsf(wanted[i]))))
            fail_msg("number %lld is %g, wanted %g", (long long)i, outputs.data[0][i], wanted[i]);
    }
    reference_outputs_free(&outputs);
}

void tf_has_shape_for(const struct tf_import *im, struct tf2_shape input, const char *shape)
{
    struct tf2_shape *shapes = calloc(im->graph->n_tensors, sizeof(*shapes));
    char text[128] = "-";
    if (tf2__graph_infer(im->graph, &input, shapes, NULL) == TF2_OK)
        tf2_shape_format(&shapes[im->graph->outputs[0].tensor], text, sizeof(text));
    assert_string_equal(text, shape);
    free(shapes);
}
