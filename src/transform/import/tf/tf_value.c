/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_value.c: values in the two orders of dimensions, and nodes as ONNX has them, imported while they are
 * made.
 */
#include "transform/import/tf/internal.h"

#include <stdio.h>

#include "transform/import/nhwc.h"

#define MIN_DIMS 3 /* with fewer the two orders are the same */

/* ---- what a value is ---- */

struct tf2__tf_value *tf2__tf_in(const struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i)
{
    if (i >= node->n_in)
        return NULL;
    const struct tf2__tf_node *from = &tf->nodes[node->in[i].node];
    return &from->out[node->in[i].output];
}

bool tf2__tf_is_const(const struct tf2__onnx_value *value)
{
    return value->state == TF2__ONNX_CONST;
}

const struct tf2_shape *tf2__tf_shape_of(const struct tf2__tf *tf, const struct tf2__onnx_value *value)
{
    if (tf2__tf_is_const(value))
        return &value->constant->array[0].shape;
    return tf2__onnx_shape(&tf->onnx, value->tensor, 0);
}

uint32_t tf2__tf_rank(const struct tf2__tf *tf, const struct tf2__tf_value *value)
{
    const struct tf2__onnx_value *any = value->first ? value->first : value->file;
    return any ? tf2__tf_shape_of(tf, any)->n_dims : 0;
}

struct tf2_shape tf2__tf_file_shape(const struct tf2__tf *tf, const struct tf2__tf_value *value)
{
    const struct tf2_shape *shape = tf2__tf_shape_of(tf, value->file ? value->file : value->first);
    struct tf2_shape result = *shape;
    for (uint32_t d = 0; d < shape->n_dims; d++)
        result.dim[d] = shape->dim[tf2__nhwc_axis(!value->file, shape->n_dims, d)];
    return result;
}

bool tf2__tf_prefers_first(const struct tf2__tf *tf, const struct tf2__tf_value *value)
{
    return value->first && !tf2__tf_is_const(value->first) && tf2__tf_rank(tf, value) >= MIN_DIMS;
}

/* ---- one order or the other ---- */

static enum tf2_status check_plain(const struct tf2__tf_value *value, struct tf2_error *error)
{
    if (value->spread)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "SpaceToBatchND is only supported around one convolution, with BatchToSpaceND right behind it");
    if (value->random)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "random numbers are only supported where they make a dropout");
    return TF2_OK;
}

/* The other order of x. */
static enum tf2_status turn(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, bool to_first,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    const uint32_t n = tf2__tf_shape_of(tf, x)->n_dims;
    int64_t perm[TF2_MAX_DIMS];
    for (uint32_t d = 0; d < n; d++)
        perm[d] = to_first ? tf2__nhwc_file_axis(true, n, d) : tf2__nhwc_axis(true, n, d);
    return tf2__tf_run_transpose(tf, node, x, perm, n, to_first ? "nchw" : "nhwc", result, error);
}

enum tf2_status tf2__tf_as_file(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *value,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    TF2__TRY(check_plain(value, error));
    if (!value->file && tf2__tf_rank(tf, value) < MIN_DIMS)
        value->file = value->first;
    if (!value->file)
        TF2__TRY(turn(tf, node, value->first, false, &value->file, error));
    *result = value->file;
    return TF2_OK;
}

enum tf2_status tf2__tf_as_first(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *value,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    TF2__TRY(check_plain(value, error));
    if (!value->first && tf2__tf_rank(tf, value) < MIN_DIMS)
        value->first = value->file;
    if (!value->first)
        TF2__TRY(turn(tf, node, value->file, true, &value->first, error));
    *result = value->first;
    return TF2_OK;
}

static enum tf2_status input(
    const struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__tf_value **value,
    struct tf2_error *error)
{
    *value = tf2__tf_in(tf, node, i);
    return *value ? TF2_OK : tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
}

enum tf2_status tf2__tf_file(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    struct tf2_error *error)
{
    struct tf2__tf_value *from;
    TF2__TRY(input(tf, node, i, &from, error));
    return tf2__tf_as_file(tf, node, from, value, error);
}

enum tf2_status tf2__tf_first(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    struct tf2_error *error)
{
    struct tf2__tf_value *from;
    TF2__TRY(input(tf, node, i, &from, error));
    return tf2__tf_as_first(tf, node, from, value, error);
}

enum tf2_status tf2__tf_any(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_value **value,
    bool *first, struct tf2_error *error)
{
    struct tf2__tf_value *from;
    TF2__TRY(input(tf, node, i, &from, error));
    *first = tf2__tf_prefers_first(tf, from);
    return *first ? tf2__tf_as_first(tf, node, from, value, error)
                  : tf2__tf_as_file(tf, node, from, value, error);
}

void tf2__tf_set(struct tf2__tf_node *node, size_t k, bool first, struct tf2__onnx_value *value)
{
    if (k < node->n_out)
        node->out[k] = (struct tf2__tf_value){.file = first ? NULL : value, .first = first ? value : NULL};
}

void tf2__tf_set_file(struct tf2__tf_node *node, size_t k, struct tf2__onnx_value *value)
{
    tf2__tf_set(node, k, false, value);
}

void tf2__tf_set_first(struct tf2__tf_node *node, size_t k, struct tf2__onnx_value *value)
{
    tf2__tf_set(node, k, true, value);
}

void tf2__tf_alias(struct tf2__tf_node *node, size_t k, const struct tf2__tf_value *value)
{
    if (k < node->n_out)
        node->out[k] = *value;
}

/* ---- known numbers ---- */

enum tf2_status tf2__tf_known(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, const struct tf2__onnx_const **known,
    struct tf2_error *error)
{
    struct tf2__onnx_value *value;
    TF2__TRY(tf2__tf_file(tf, node, i, &value, error));
    if (!tf2__tf_is_const(value))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input %zu ('%.100s') is computed from data, only constants and what is computed from shapes are "
            "supported",
            i, value->name);
    *known = value->constant;
    return TF2_OK;
}

enum tf2_status tf2__tf_ints(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, struct tf2__onnx_list *list,
    struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    TF2__TRY(tf2__tf_known(tf, node, i, &known, error));
    const struct tf2__onnx_array *array = &known->array[0];
    if (known->lanes != known->equal)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input %zu depends on the shape of the network's input", i);
    if (tf2__onnx_is_float(array->type) || array->shape.n_dims > 1 || array->count > TF2__ONNX_MAX_LIST)
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "input %zu has %lld numbers of type %s, wanted a list of at most %d integers", i,
            (long long)array->count, tf2__onnx_type_name(array->type), TF2__ONNX_MAX_LIST);
    *list = (struct tf2__onnx_list){.given = true, .n = (size_t)array->count};
    if (list->n)
        memcpy(list->v, array->data, list->n * sizeof(list->v[0]));
    return TF2_OK;
}

enum tf2_status tf2__tf_int(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, int64_t *number, struct tf2_error *error)
{
    struct tf2__onnx_list list;
    TF2__TRY(tf2__tf_ints(tf, node, i, &list, error));
    if (list.n != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "input %zu has %zu numbers, wanted one", i, list.n);
    *number = list.v[0];
    return TF2_OK;
}

enum tf2_status tf2__tf_axis(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t i, uint32_t n_dims, uint32_t *axis,
    struct tf2_error *error)
{
    int64_t number = 0;
    TF2__TRY(tf2__tf_int(tf, node, i, &number, error));
    return tf2__onnx_axis(number, n_dims, false, axis, error);
}

/* ---- nodes as ONNX has them ---- */

void tf2__tf_call_init(
    struct tf2__tf_call *call, const char *op, size_t n_in, struct tf2__onnx_value *const *in)
{
    call->op = op;
    call->n_in = n_in;
    call->n_attrs = 0;
    for (size_t i = 0; i < n_in; i++)
        call->in[i] = in[i];
}

static Tf2__Onnx__AttributeProto *add_attr(struct tf2__tf_call *call, const char *name, int32_t type)
{
    assert(call->n_attrs < TF2__TF_MAX_ATTRS);
    Tf2__Onnx__AttributeProto *attr = &call->attrs[call->n_attrs++];
    *attr = (Tf2__Onnx__AttributeProto)TF2__ONNX__ATTRIBUTE_PROTO__INIT;
    attr->name = (char *)(uintptr_t)name;
    attr->has_type = true;
    attr->type = type;
    return attr;
}

void tf2__tf_call_int(struct tf2__tf_call *call, const char *name, int64_t value)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(call, name, 2);
    attr->has_i = true;
    attr->i = value;
}

void tf2__tf_call_float(struct tf2__tf_call *call, const char *name, float value)
{
    Tf2__Onnx__AttributeProto *attr = add_attr(call, name, 1);
    attr->has_f = true;
    attr->f = value;
}

void tf2__tf_call_string(struct tf2__tf_call *call, const char *name, const char *value)
{
    add_attr(call, name, 3)->s = (char *)(uintptr_t)value;
}

void tf2__tf_call_list(struct tf2__tf_call *call, const char *name, const int64_t *values, size_t n)
{
    int64_t *ints = call->ints[call->n_attrs];
    Tf2__Onnx__AttributeProto *attr = add_attr(call, name, 7);
    assert(n <= TF2__ONNX_MAX_LIST);
    memcpy(ints, values, n * sizeof(*ints));
    attr->ints = ints;
    attr->n_ints = n;
}

/* A new value called `name`, or something like it where that is taken. NULL: out of memory. */
static struct tf2__onnx_value *new_value(struct tf2__tf *tf, const char *name, const char *suffix)
{
    char made[1024];
    if (suffix || tf2__onnx_find(&tf->onnx, name)) {
        tf2__onnx_make_name(&tf->onnx, name, suffix ? suffix : "out", made, sizeof(made));
        name = tf2__arena_strdup(&tf->onnx.arena, made);
    }
    struct tf2__onnx_value *value = name ? tf2__onnx_declare(&tf->onnx, name) : NULL;
    if (value)
        value->n_uses = 1;
    return value;
}

/* Output k of a node: "node", "node:1", ... */
static struct tf2__onnx_value *new_output(struct tf2__tf *tf, const char *name, size_t k)
{
    if (k == 0)
        return new_value(tf, name, NULL);
    const size_t size = strlen(name) + 24;
    char *numbered = tf2__arena_alloc(&tf->onnx.arena, size, 1);
    if (!numbered)
        return NULL;
    snprintf(numbered, size, "%s:%zu", name, k);
    return new_value(tf, numbered, NULL);
}

/* results: values without a state. */
static enum tf2_status import_call(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const struct tf2__tf_call *call, size_t n,
    struct tf2__onnx_value **results, struct tf2_error *error)
{
    Tf2__Onnx__NodeProto proto = TF2__ONNX__NODE_PROTO__INIT;
    char **names = tf2__arena_alloc(&tf->onnx.arena, call->n_in + n, sizeof(*names));
    Tf2__Onnx__AttributeProto *attrs[TF2__TF_MAX_ATTRS];
    if (!names)
        return tf2__fail_memory(error, (call->n_in + n) * sizeof(*names), "a node");
    for (size_t i = 0; i < call->n_in; i++)
        names[i] = (char *)(uintptr_t)(call->in[i] ? call->in[i]->name : "");
    for (size_t k = 0; k < n; k++)
        names[call->n_in + k] = (char *)(uintptr_t)results[k]->name;
    for (size_t i = 0; i < call->n_attrs; i++)
        attrs[i] = (Tf2__Onnx__AttributeProto *)(uintptr_t)&call->attrs[i];
    proto.input = names;
    proto.n_input = call->n_in;
    proto.output = names + call->n_in;
    proto.n_output = n;
    proto.attribute = attrs;
    proto.n_attribute = call->n_attrs;
    struct tf2__onnx_node onnx_node = {
        .proto = &proto,
        .op = tf2__onnx_op_find(call->op),
        .label = node->name,
        .type = node->def->op ? node->def->op : "",
        .needed = true};
    assert(onnx_node.op);
    TF2__TRY(tf2__onnx_import_node(&tf->onnx, &onnx_node, error));
    for (size_t k = 0; k < n; k++) {
        if (results[k]->state == TF2__ONNX_POISON) {
            tf->reported = true;
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "see above");
        }
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_run(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const struct tf2__tf_call *call, const char *suffix,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    struct tf2__onnx_value *value = new_value(tf, node->name, suffix);
    if (!value)
        return tf2__fail_memory(error, sizeof(*value), "a value");
    TF2__TRY(import_call(tf, node, call, 1, &value, error));
    *result = value;
    return TF2_OK;
}

enum tf2_status tf2__tf_run_many(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const struct tf2__tf_call *call, size_t n,
    struct tf2__onnx_value **results, struct tf2_error *error)
{
    for (size_t k = 0; k < n; k++) {
        results[k] = new_output(tf, node->name, k);
        if (!results[k])
            return tf2__fail_memory(error, sizeof(**results), "a value");
    }
    return import_call(tf, node, call, n, results, error);
}

enum tf2_status tf2__tf_run_plain(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const char *op, size_t n_in,
    struct tf2__onnx_value *const *in, const char *suffix, struct tf2__onnx_value **result,
    struct tf2_error *error)
{
    struct tf2__tf_call call;
    tf2__tf_call_init(&call, op, n_in, in);
    return tf2__tf_run(tf, node, &call, suffix, result, error);
}

enum tf2_status tf2__tf_run_transpose(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, const int64_t *perm,
    size_t n, const char *suffix, struct tf2__onnx_value **result, struct tf2_error *error)
{
    struct tf2__tf_call call;
    tf2__tf_call_init(&call, "Transpose", 1, &x);
    tf2__tf_call_list(&call, "perm", perm, n);
    return tf2__tf_run(tf, node, &call, suffix, result, error);
}

static enum tf2_status make_constant(
    struct tf2__tf *tf, const struct tf2__tf_node *node, int32_t type, bool scalar, size_t n,
    const void *values, size_t size, struct tf2__onnx_value **result, struct tf2_error *error)
{
    struct tf2__onnx_value *value = new_value(tf, node->name, "list");
    struct tf2__onnx_const *constant = tf2__arena_alloc(&tf->onnx.arena, 1, sizeof(*constant));
    void *data = tf2__arena_alloc(&tf->onnx.arena, n, size);
    if (!value || !constant || !data)
        return tf2__fail_memory(error, sizeof(*constant), "a constant");
    if (n)
        memcpy(data, values, n * size);
    for (int l = 0; l < TF2__ONNX_LANES; l++)
        constant->array[l] = (struct tf2__onnx_array){
            .type = type,
            .shape = {.n_dims = scalar ? 0 : 1, .dim = {(int64_t)n}},
            .count = (int64_t)n,
            .data = data};
    constant->lanes = constant->equal = TF2__ONNX_ALL_LANES;
    value->constant = constant;
    value->state = TF2__ONNX_CONST;
    *result = value;
    return TF2_OK;
}

enum tf2_status tf2__tf_make_ints(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const int64_t *values, size_t n,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    return make_constant(tf, node, TF2__ONNX_INT64, false, n, values, sizeof(*values), result, error);
}

enum tf2_status tf2__tf_make_float(
    struct tf2__tf *tf, const struct tf2__tf_node *node, float value, struct tf2__onnx_value **result,
    struct tf2_error *error)
{
    return make_constant(tf, node, TF2__ONNX_FLOAT, true, 1, &value, sizeof(value), result, error);
}

enum tf2_status tf2__tf_lift(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, uint32_t n_dims,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    const uint32_t rank = tf2__tf_shape_of(tf, x)->n_dims;
    struct tf2__onnx_value *in[2] = {x};
    int64_t axes[TF2_MAX_DIMS];
    *result = x;
    if (rank >= n_dims)
        return TF2_OK;
    for (uint32_t d = 0; d < n_dims - rank; d++)
        axes[d] = d;
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, n_dims - rank, &in[1], error));
    return tf2__tf_run_plain(tf, node, "Unsqueeze", 2, in, "lifted", result, error);
}
