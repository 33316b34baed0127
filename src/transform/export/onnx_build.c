/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_build.c: makes the messages of an ONNX graph: nodes, attributes, initializers, and names for them.
 */
#include "transform/export/onnx.h"

#include <stdio.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian and written as it is");

enum { ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_INTS = 7 }; /* AttributeProto.AttributeType */

void *tf2__export_alloc(struct tf2__export *e, size_t n, size_t size_bytes)
{
    void *block = tf2__arena_alloc(&e->arena, n, size_bytes);
    if (!block)
        e->no_memory = true;
    return block;
}

const char *tf2__export_refuse(struct tf2__export *e, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    tf2__report_add(
        &e->report, TF2_ERR_UNSUPPORTED, "node '%.100s' (%s): %s", e->node->name, e->node->op->name, reason);
    return "";
}

/* ---- names ---- */

/* "base/part#number" in the arena; parts that are NULL and number 1 are left out. */
static char *make_name(struct tf2__export *e, const char *base, const char *part, uint32_t number)
{
    size_t size_bytes = strlen(base) + (part ? strlen(part) : 0) + 16;
    char *name = tf2__export_alloc(e, size_bytes, 1);
    char tail[16] = "";
    if (!name)
        return NULL;
    if (number > 1)
        snprintf(tail, sizeof(tail), "#%u", number);
    snprintf(name, size_bytes, "%s%s%s%s", base, part ? "/" : "", part ? part : "", tail);
    return name;
}

const char *tf2__export_name(struct tf2__export *e, const char *base, const char *part)
{
    char *first = make_name(e, base, part, 1), *name = first;
    uint32_t number = first ? tf2__strmap_get(&e->used, first) : TF2__STRMAP_NONE;
    if (number == TF2__STRMAP_NONE)
        number = 1;
    while (name && tf2__strmap_get(&e->used, name) != TF2__STRMAP_NONE)
        name = make_name(e, base, part, ++number);
    if (!name || !tf2__strmap_set(&e->used, name, 1) || !tf2__strmap_set(&e->used, first, number)) {
        e->no_memory = true;
        return "";
    }
    return name;
}

/* ---- lists of messages ---- */

/* Makes room for one more pointer. */
static bool reserve(struct tf2__export *e, void ***list, size_t n, size_t *cap)
{
    if (n < *cap)
        return true;
    size_t new_cap = *cap ? 2 * *cap : 32;
    void **grown = tf2__export_alloc(e, new_cap, sizeof(*grown));
    if (!grown)
        return false;
    if (n)
        memcpy(grown, *list, n * sizeof(*grown));
    *list = grown;
    *cap = new_cap;
    return true;
}

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text; /* protobuf-c has no const; packing changes nothing */
}

/* ---- nodes ---- */

/* A node called `name` that makes the value `out`. Inputs that are left out at the end are dropped. */
static const char *add_node(
    struct tf2__export *e, const char *name, const char *out, const char *type, const char *const *in,
    size_t n_in)
{
    Tf2__Onnx__NodeProto *node = tf2__export_alloc(e, 1, sizeof(*node));
    char **names = tf2__export_alloc(e, n_in + 1, sizeof(*names));
    if (!node || !names || !reserve(e, (void ***)&e->onnx->node, e->onnx->n_node, &e->cap_nodes))
        return "";
    while (n_in && !*in[n_in - 1])
        n_in--;
    for (size_t i = 0; i < n_in; i++)
        names[i] = text_of(in[i]);
    names[n_in] = text_of(out);
    tf2__onnx__node_proto__init(node);
    node->name = text_of(name);
    node->op_type = text_of(type);
    node->n_input = n_in;
    node->input = names;
    node->n_output = 1;
    node->output = &names[n_in];
    e->onnx->node[e->onnx->n_node++] = node;
    e->last = node;
    return out;
}

const char *tf2__export_main(struct tf2__export *e, const char *type, const char *const *in, size_t n_in)
{
    return add_node(e, e->node->name, tf2__export_name(e, e->node->name, type), type, in, n_in);
}

const char *tf2__export_op(struct tf2__export *e, const char *type, const char *const *in, size_t n_in)
{
    return tf2__export_op_of(e, e->node->name, type, in, n_in);
}

const char *tf2__export_op_of(
    struct tf2__export *e, const char *base, const char *type, const char *const *in, size_t n_in)
{
    const char *name = tf2__export_name(e, base, type);
    return add_node(e, name, name, type, in, n_in);
}

/* ---- attributes ---- */

#define MAX_ATTRS 8 /* no node here has more */

static Tf2__Onnx__AttributeProto *add_attr(struct tf2__export *e, const char *name, int32_t type)
{
    Tf2__Onnx__NodeProto *node = e->last;
    if (e->no_memory || !node)
        return NULL;
    if (!node->attribute)
        node->attribute = tf2__export_alloc(e, MAX_ATTRS, sizeof(*node->attribute));
    Tf2__Onnx__AttributeProto *attr = tf2__export_alloc(e, 1, sizeof(*attr));
    if (!attr || !node->attribute)
        return NULL;
    assert(node->n_attribute < MAX_ATTRS);
    tf2__onnx__attribute_proto__init(attr);
    attr->name = text_of(name);
    attr->has_type = 1;
    attr->type = type;
    node->attribute[node->n_attribute++] = attr;
    return attr;
}

void tf2__export_attr_int(struct tf2__export *e, const char *name, int64_t value)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(e, name, ATTR_INT);
    if (!attr)
        return;
    attr->has_i = 1;
    attr->i = value;
}

void tf2__export_attr_float(struct tf2__export *e, const char *name, float value)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(e, name, ATTR_FLOAT);
    if (!attr)
        return;
    attr->has_f = 1;
    attr->f = value;
}

void tf2__export_attr_string(struct tf2__export *e, const char *name, const char *value)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(e, name, ATTR_STRING);
    if (attr)
        attr->s = text_of(value);
}

void tf2__export_attr_ints(struct tf2__export *e, const char *name, const int64_t *values, size_t n)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(e, name, ATTR_INTS);
    int64_t *copy = attr ? tf2__export_alloc(e, n, sizeof(*copy)) : NULL;
    if (!copy)
        return;
    memcpy(copy, values, n * sizeof(*copy));
    attr->n_ints = n;
    attr->ints = copy;
}

/* ---- initializers ---- */

static size_t element_bytes(int32_t type)
{
    switch (type) {
    case TF2__EXPORT_UINT8:
    case TF2__EXPORT_INT8:
        return 1;
    case TF2__EXPORT_INT64:
        return 8;
    default:
        return 4;
    }
}

void tf2__export_initializer(
    struct tf2__export *e, const char *name, int32_t type, const struct tf2_shape *shape, const void *data)
{
    Tf2__Onnx__TensorProto *tensor = tf2__export_alloc(e, 1, sizeof(*tensor));
    int64_t *dims = tf2__export_alloc(e, shape->n_dims, sizeof(*dims));
    if (!tensor || !dims || !data ||
        !reserve(e, (void ***)&e->onnx->initializer, e->onnx->n_initializer, &e->cap_initializers))
        return;
    memcpy(dims, shape->dim, shape->n_dims * sizeof(*dims));
    tf2__onnx__tensor_proto__init(tensor);
    tensor->name = text_of(name);
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->n_dims = shape->n_dims;
    tensor->dims = dims;
    tensor->has_raw_data = 1;
    tensor->raw_data.len = (size_t)tf2_shape_count(shape) * element_bytes(type);
    tensor->raw_data.data = (uint8_t *)(uintptr_t)data;
    e->onnx->initializer[e->onnx->n_initializer++] = tensor;
}

const char *tf2__export_number(struct tf2__export *e, const char *part, float value)
{
    const char *name = tf2__export_name(e, e->node->name, part);
    float *copy = tf2__export_alloc(e, 1, sizeof(*copy));
    if (!copy)
        return "";
    *copy = value;
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, &(struct tf2_shape){0}, copy);
    return name;
}

const char *tf2__export_ints(struct tf2__export *e, const char *part, const int64_t *values, size_t n)
{
    const struct tf2_shape shape = {.n_dims = 1, .dim = {(int64_t)n}};
    const char *name = tf2__export_name(e, e->node->name, part);
    int64_t *copy = tf2__export_alloc(e, n, sizeof(*copy));
    if (!copy)
        return "";
    memcpy(copy, values, n * sizeof(*copy));
    tf2__export_initializer(e, name, TF2__EXPORT_INT64, &shape, copy);
    return name;
}

const char *tf2__export_floats(
    struct tf2__export *e, const char *part, tf2_tensor_id constant, const struct tf2_shape *shape)
{
    const char *name = tf2__export_name(e, e->node->name, part);
    assert(tf2_shape_count(shape) == tf2_shape_count(tf2__export_shape(e, constant)));
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, shape, e->graph->tensors[constant].data);
    return name;
}

/* ---- shapes ---- */

struct tf2_shape tf2__export_along_channels(int64_t n, uint32_t n_dims)
{
    struct tf2_shape shape = {.n_dims = n_dims > 1 ? n_dims - 1 : 1, .dim = {n}};
    for (uint32_t d = 1; d < shape.n_dims; d++)
        shape.dim[d] = 1;
    return shape;
}

const char *tf2__export_reshape_to_out(struct tf2__export *e, const char *x)
{
    const struct tf2_shape *shape = tf2__export_shape(e, e->node->out);
    const struct tf2_shape *other = e->probe ? &e->probe[e->node->out] : shape;
    int64_t spec[TF2_MAX_DIMS];
    uint32_t n_open = 0;
    e->batch_is_fixed |= other->n_dims != shape->n_dims;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        spec[d] = shape->dim[d];
        if (other->dim[d] == shape->dim[d])
            continue;
        spec[d] = -1;
        n_open++;
    }
    e->batch_is_fixed |= n_open > 1;
    return tf2__export_op(e, "Reshape", TF2__EXPORT_IN(x, tf2__export_ints(e, "shape", spec, shape->n_dims)));
}
