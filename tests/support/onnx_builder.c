/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "onnx_builder.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "reference_run.h"

/* ---- memory ---- */

void *onnx_block(struct onnx_builder *b, size_t n, size_t size_bytes)
{
    void *block = calloc(n + 1, size_bytes);
    if ((b->n_blocks & (b->n_blocks + 1)) == 0) /* full at 0, 1, 3, 7, ... */
        b->blocks = realloc(b->blocks, (2 * b->n_blocks + 1) * sizeof(*b->blocks));
    b->blocks[b->n_blocks++] = block;
    return block;
}

static char *copy_string(struct onnx_builder *b, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(onnx_block(b, size, 1), text, size);
}

static void *copy_bytes(struct onnx_builder *b, const void *data, size_t n, size_t size_bytes)
{
    void *block = onnx_block(b, n, size_bytes);
    if (n)
        memcpy(block, data, n * size_bytes);
    return block;
}

/* Appends to a repeated field of pointers. */
static void append(struct onnx_builder *b, void *array, size_t *n, void *element)
{
    void ***list = array;
    void **grown = onnx_block(b, *n + 1, sizeof(*grown));
    if (*n)
        memcpy(grown, *list, *n * sizeof(*grown));
    grown[(*n)++] = element;
    *list = grown;
}

#define NEW(b, type, lower)                                                                                  \
    ({                                                                                                       \
        Tf2__Onnx__##type *new_message = onnx_block(b, 1, sizeof(*new_message));                             \
        tf2__onnx__##lower##__init(new_message);                                                             \
        new_message;                                                                                         \
    })

void onnx_open(struct onnx_builder *b, int64_t opset)
{
    memset(b, 0, sizeof(*b));
    b->seed = 1;
    b->model = NEW(b, ModelProto, model_proto);
    b->graph = NEW(b, GraphProto, graph_proto);
    b->model->graph = b->graph;
    b->model->has_ir_version = 1;
    b->model->ir_version = 8;
    b->graph->name = copy_string(b, "g");
    Tf2__Onnx__OperatorSetIdProto *set = NEW(b, OperatorSetIdProto, operator_set_id_proto);
    set->has_version = 1;
    set->version = opset;
    append(b, &b->model->opset_import, &b->model->n_opset_import, set);
}

void onnx_close(struct onnx_builder *b)
{
    for (size_t i = 0; i < b->n_blocks; i++)
        free(b->blocks[i]);
    free(b->blocks);
    memset(b, 0, sizeof(*b));
}

/* ---- inputs, outputs, tensors ---- */

void onnx_input(struct onnx_builder *b, const char *name, const int64_t *dims, size_t n_dims)
{
    Tf2__Onnx__ValueInfoProto *info = NEW(b, ValueInfoProto, value_info_proto);
    info->name = copy_string(b, name);
    info->type = NEW(b, TypeProto, type_proto);
    info->type->tensor_type = NEW(b, TypeProto__Tensor, type_proto__tensor);
    info->type->tensor_type->has_elem_type = 1;
    info->type->tensor_type->elem_type = 1;
    Tf2__Onnx__TensorShapeProto *shape = NEW(b, TensorShapeProto, tensor_shape_proto);
    info->type->tensor_type->shape = shape;
    for (size_t d = 0; d < n_dims; d++) {
        Tf2__Onnx__TensorShapeProto__Dimension *dim =
            NEW(b, TensorShapeProto__Dimension, tensor_shape_proto__dimension);
        dim->has_dim_value = dims[d] > 0;
        dim->dim_value = dims[d] > 0 ? dims[d] : 0;
        if (dims[d] < 0) {
            char param[32];
            snprintf(param, sizeof(param), "d%d", (int)-dims[d]);
            dim->dim_param = copy_string(b, param);
        }
        append(b, &shape->dim, &shape->n_dim, dim);
    }
    append(b, &b->graph->input, &b->graph->n_input, info);
}

void onnx_output(struct onnx_builder *b, const char *name)
{
    Tf2__Onnx__ValueInfoProto *info = NEW(b, ValueInfoProto, value_info_proto);
    info->name = copy_string(b, name);
    append(b, &b->graph->output, &b->graph->n_output, info);
}

Tf2__Onnx__TensorProto *onnx_tensor(
    struct onnx_builder *b, const char *name, int32_t type, const int64_t *dims, size_t n_dims,
    const void *raw, size_t raw_bytes)
{
    Tf2__Onnx__TensorProto *tensor = NEW(b, TensorProto, tensor_proto);
    tensor->name = name ? copy_string(b, name) : NULL;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->n_dims = n_dims;
    tensor->dims = copy_bytes(b, dims, n_dims, sizeof(*dims));
    tensor->has_raw_data = raw != NULL;
    tensor->raw_data.len = raw_bytes;
    tensor->raw_data.data = copy_bytes(b, raw, raw_bytes, 1);
    return tensor;
}

void onnx_initializer(struct onnx_builder *b, Tf2__Onnx__TensorProto *tensor)
{
    append(b, &b->graph->initializer, &b->graph->n_initializer, tensor);
}

Tf2__Onnx__TensorProto *
onnx_floats(struct onnx_builder *b, const char *name, const int64_t *dims, size_t n_dims, const float *data)
{
    size_t n = 1;
    for (size_t d = 0; d < n_dims; d++)
        n *= (size_t)dims[d];
    if (!data) {
        float *random = onnx_block(b, n, sizeof(*random));
        reference_fill(random, n, b->seed++, -1, 1);
        data = random;
    }
    Tf2__Onnx__TensorProto *tensor = onnx_tensor(b, name, 1, dims, n_dims, data, n * sizeof(*data));
    onnx_initializer(b, tensor);
    return tensor;
}

Tf2__Onnx__TensorProto *onnx_ints(struct onnx_builder *b, const char *name, const int64_t *values, size_t n)
{
    Tf2__Onnx__TensorProto *tensor = onnx_tensor(b, name, 7, DIMS((int64_t)n), values, n * sizeof(*values));
    onnx_initializer(b, tensor);
    return tensor;
}

Tf2__Onnx__TensorProto *onnx_int(struct onnx_builder *b, const char *name, int64_t value)
{
    Tf2__Onnx__TensorProto *tensor = onnx_tensor(b, name, 7, NO_DIMS, &value, sizeof(value));
    onnx_initializer(b, tensor);
    return tensor;
}

Tf2__Onnx__TensorProto *onnx_list(struct onnx_builder *b, const char *name, const float *values, size_t n)
{
    return onnx_floats(b, name, DIMS((int64_t)n), values);
}

Tf2__Onnx__TensorProto *onnx_float(struct onnx_builder *b, const char *name, float value)
{
    return onnx_floats(b, name, NO_DIMS, &value);
}

/* ---- nodes ---- */

static void append_names(struct onnx_builder *b, const char *names, void *array, size_t *n)
{
    char *text = copy_string(b, names), *rest = NULL;
    for (char *name = strtok_r(text, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
        append(b, array, n, strcmp(name, "-") == 0 ? copy_string(b, "") : name);
}

void onnx_node(struct onnx_builder *b, const char *type, const char *inputs, const char *outputs)
{
    Tf2__Onnx__NodeProto *node = NEW(b, NodeProto, node_proto);
    node->op_type = copy_string(b, type);
    append_names(b, inputs, &node->input, &node->n_input);
    append_names(b, outputs, &node->output, &node->n_output);
    append(b, &b->graph->node, &b->graph->n_node, node);
    b->node = node;
}

Tf2__Onnx__AttributeProto *onnx_attr(struct onnx_builder *b, const char *name, int32_t type)
{
    Tf2__Onnx__AttributeProto *attr = NEW(b, AttributeProto, attribute_proto);
    attr->name = copy_string(b, name);
    attr->has_type = 1;
    attr->type = type;
    append(b, &b->node->attribute, &b->node->n_attribute, attr);
    return attr;
}

void onnx_float_attr(struct onnx_builder *b, const char *name, float value)
{
    Tf2__Onnx__AttributeProto *attr = onnx_attr(b, name, 1);
    attr->has_f = 1;
    attr->f = value;
}

void onnx_int_attr(struct onnx_builder *b, const char *name, int64_t value)
{
    Tf2__Onnx__AttributeProto *attr = onnx_attr(b, name, 2);
    attr->has_i = 1;
    attr->i = value;
}

void onnx_string_attr(struct onnx_builder *b, const char *name, const char *value)
{
    onnx_attr(b, name, 3)->s = copy_string(b, value);
}

void onnx_tensor_attr(struct onnx_builder *b, const char *name, Tf2__Onnx__TensorProto *tensor)
{
    onnx_attr(b, name, 4)->t = tensor;
}

void onnx_floats_attr(struct onnx_builder *b, const char *name, const float *values, size_t n)
{
    Tf2__Onnx__AttributeProto *attr = onnx_attr(b, name, 6);
    attr->n_floats = n;
    attr->floats = copy_bytes(b, values, n, sizeof(*values));
}

void onnx_ints_attr(struct onnx_builder *b, const char *name, const int64_t *values, size_t n)
{
    Tf2__Onnx__AttributeProto *attr = onnx_attr(b, name, 7);
    attr->n_ints = n;
    attr->ints = copy_bytes(b, values, n, sizeof(*values));
}

const unsigned char *onnx_pack(struct onnx_builder *b, size_t *size_bytes)
{
    *size_bytes = tf2__onnx__model_proto__get_packed_size(b->model);
    unsigned char *bytes = onnx_block(b, *size_bytes, 1);
    tf2__onnx__model_proto__pack(b->model, bytes);
    return bytes;
}

/* ---- importing ---- */

struct onnx_import
onnx_import_bytes(const void *data, size_t size_bytes, const struct tf2_import_options *options)
{
    struct onnx_import im = {0};
    struct tf2_import_options defaults = {0};
    struct tf2__source source = {.name = "test.onnx", .data = data, .size_bytes = size_bytes};
    assert_int_equal(tf2_graph_create(NULL, &im.graph, NULL), TF2_OK);
    im.error.status = TF2_OK;
    im.status = tf2__importer_onnx.import(&source, options ? options : &defaults, im.graph, &im.error);
    if (im.status == TF2_OK)
        im.status = tf2__graph_verify(im.graph, &im.error);
    if (im.status != TF2_OK) {
        assert_int_equal(im.error.status, im.status);
        assert_true(im.error.message[0] != '\0');
        tf2_graph_destroy(&im.graph);
    }
    return im;
}

struct onnx_import onnx_import(struct onnx_builder *b, const struct tf2_import_options *options)
{
    size_t size_bytes;
    const unsigned char *bytes = onnx_pack(b, &size_bytes);
    assert_true(tf2__importer_onnx.probe(bytes, size_bytes));
    return onnx_import_bytes(bytes, size_bytes, options);
}

void onnx_import_free(struct onnx_import *im)
{
    tf2_graph_destroy(&im->graph);
}

struct onnx_import onnx_imported(struct onnx_builder *b)
{
    struct onnx_import im = onnx_import(b, NULL);
    if (im.status != TF2_OK)
        fail_msg("import failed: %s", im.error.message);
    onnx_close(b);
    return im;
}

void onnx_refused_with(
    struct onnx_builder *b, const struct tf2_import_options *options, enum tf2_status status,
    const char *const *words)
{
    struct onnx_import im = onnx_import(b, options);
    if (im.status != status)
        fail_msg(
            "status %s, wanted %s: %s", tf2_status_name(im.status), tf2_status_name(status),
            im.error.message);
    for (size_t i = 0; words[i]; i++) {
        if (!strstr(im.error.message, words[i]))
            fail_msg("no \"%s\" in the message: %s", words[i], im.error.message);
    }
    onnx_import_free(&im);
    onnx_close(b);
}

/* ---- looking at the graph ---- */

const struct tf2__node *
onnx_has_node(const struct onnx_import *im, uint32_t i, enum tf2_op op, const char *name, const char *shape)
{
    char text[128];
    assert_true(i < im->graph->n_nodes);
    const struct tf2__node *node = &im->graph->nodes[i];
    assert_string_equal(node->op->name, tf2_op_name(op));
    assert_string_equal(node->name, name);
    assert_string_equal(tf2_shape_format(&im->graph->tensors[node->out].shape, text, sizeof(text)), shape);
    return node;
}

const float *
onnx_has_constant(const struct onnx_import *im, const struct tf2__node *node, uint32_t k, const char *shape)
{
    char text[128];
    assert_true(k < node->n_in);
    const struct tf2__tensor *tensor = &im->graph->tensors[node->in[k]];
    assert_non_null(tensor->data);
    assert_string_equal(tf2_shape_format(&tensor->shape, text, sizeof(text)), shape);
    return tensor->data;
}

void onnx_has_shape_for(const struct onnx_import *im, const struct tf2_shape *input_shapes, const char *shape)
{
    char text[128] = "-";
    struct tf2_error error;
    struct tf2_shape *shapes = calloc(im->graph->n_tensors, sizeof(*shapes));
    enum tf2_status status = tf2__graph_infer(im->graph, input_shapes, shapes, &error);
    if (status == TF2_OK)
        tf2_shape_format(&shapes[im->graph->outputs[0].tensor], text, sizeof(text));
    free(shapes);
    assert_string_equal(text, shape);
}

void onnx_has_batch(const struct onnx_import *im, int64_t batch, const char *shape)
{
    struct tf2_shape shapes[8];
    for (uint32_t i = 0; i < im->graph->n_inputs; i++) {
        shapes[i] = im->graph->tensors[im->graph->inputs[i]].shape;
        shapes[i].dim[0] = batch;
    }
    onnx_has_shape_for(im, shapes, shape);
}

bool onnx_shared_file(const char *path, struct tf2__file *file)
{
    char full[1024];
    struct tf2_error error;
    const char *shared = getenv("TF2_SHARED"), *root = getenv("TF2_SOURCE_ROOT");
    if (shared)
        snprintf(full, sizeof(full), "%s/%s", shared, path);
    else
        snprintf(full, sizeof(full), "%s/../shared/%s", root ? root : ".", path);
    if (tf2__file_map(full, file, &error) == TF2_OK)
        return true;
    print_message("skipped: %s\n", error.message);
    return false;
}
