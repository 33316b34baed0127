/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_attr.c: attributes of nodes: checked against the operator's list, then read.
 *
 * An attribute that the list does not have is refused: it could change what the operator means.
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

/* The types of AttributeProto.type that are read, and their letters in the operator table. */
static char type_letter(const Tf2__Onnx__AttributeProto *attr)
{
    switch (attr->type) {
    case 1:
        return 'f';
    case 2:
        return 'i';
    case 3:
        return 's';
    case 4:
        return 't';
    case 6:
        return 'F';
    case 7:
        return 'I';
    case 8:
        return 'S';
    default:
        return '?';
    }
}

/* Whether the field of this type is there. Old files do not say the type; then the field tells. */
static bool has_field(const Tf2__Onnx__AttributeProto *attr, char letter)
{
    switch (letter) {
    case 'f':
        return attr->has_f;
    case 'i':
        return attr->has_i;
    case 's':
        return attr->s != NULL;
    case 't':
        return attr->t != NULL;
    case 'F':
        return attr->n_floats > 0;
    case 'I':
        return attr->n_ints > 0;
    default:
        return attr->n_strings > 0;
    }
}

/* A list may be empty; proto3 writers leave out numbers that are 0 and strings that are empty. */
static bool type_fits(const Tf2__Onnx__AttributeProto *attr, char letter)
{
    if (letter == 'x')
        letter = 'f';
    if (attr->has_type && attr->type != 0)
        return type_letter(attr) == letter && (letter != 't' || attr->t);
    return has_field(attr, letter);
}

/* The type letter for a name in a row's list, 0 when it is not there. */
static char allowed_type(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at;) {
        size_t word = strcspn(at, ":");
        if (word == length && memcmp(at, name, length) == 0)
            return at[word + 1];
        at += word + 2;
        at += *at == ' ';
    }
    return 0;
}

static enum tf2_status check_attr(const struct tf2__onnx_node *node, size_t i, struct tf2_error *error)
{
    const Tf2__Onnx__AttributeProto *attr = node->proto->attribute[i];
    if (!attr->name || !*attr->name)
        return tf2__fail(error, TF2_ERR_FORMAT, "an attribute has no name");
    char letter = allowed_type(node->op->attrs, attr->name);
    if (!letter)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "attribute '%.60s' is not supported", attr->name);
    if (attr->ref_attr_name && *attr->ref_attr_name)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "attribute '%s' refers to a function's attribute outside of a function",
            attr->name);
    if (!type_fits(attr, letter))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "attribute '%s' is of another type than the operator wants", attr->name);
    if ((letter == 'f' && !isfinite(attr->f)) || (letter == 'x' && isnan(attr->f)))
        return tf2__fail(
            error, TF2_ERR_VALUE, "attribute '%s' is %g, wanted a finite number", attr->name, attr->f);
    for (size_t k = 0; k < i; k++) {
        const char *other = node->proto->attribute[k]->name;
        if (other && strcmp(other, attr->name) == 0)
            return tf2__fail(error, TF2_ERR_FORMAT, "attribute '%s' is given twice", attr->name);
    }
    return TF2_OK;
}

/* No operator has more than a dozen attributes, and no row allows one twice: the comparison of each with each
 * ends at the first that is not in the list or repeated. */
enum tf2_status tf2__onnx_check_attrs(const struct tf2__onnx_node *node, struct tf2_error *error)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++)
        TF2__TRY(check_attr(node, i, error));
    return TF2_OK;
}

const Tf2__Onnx__AttributeProto *tf2__onnx_attr(const struct tf2__onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->proto->n_attribute; i++) {
        if (strcmp(node->proto->attribute[i]->name, name) == 0)
            return node->proto->attribute[i];
    }
    return NULL;
}

int64_t tf2__onnx_attr_int(const struct tf2__onnx_node *node, const char *name, int64_t otherwise)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(node, name);
    return attr ? attr->i : otherwise;
}

float tf2__onnx_attr_float(const struct tf2__onnx_node *node, const char *name, float otherwise)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(node, name);
    return attr ? attr->f : otherwise;
}

const char *tf2__onnx_attr_string(const struct tf2__onnx_node *node, const char *name, const char *otherwise)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(node, name);
    return attr ? (attr->s ? attr->s : "") : otherwise;
}

static enum tf2_status fill_list(
    struct tf2__onnx_list *list, const char *name, const int64_t *values, size_t n, struct tf2_error *error)
{
    if (n > TF2__ONNX_MAX_LIST)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s has %zu numbers, at most %d are supported", name, n,
            TF2__ONNX_MAX_LIST);
    list->given = true;
    list->n = n;
    if (n)
        memcpy(list->v, values, n * sizeof(*values));
    return TF2_OK;
}

enum tf2_status tf2__onnx_attr_list(
    const struct tf2__onnx_node *node, const char *name, struct tf2__onnx_list *list, struct tf2_error *error)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(node, name);
    memset(list, 0, sizeof(*list));
    return attr ? fill_list(list, name, attr->ints, attr->n_ints, error) : TF2_OK;
}

enum tf2_status tf2__onnx_list(
    const struct tf2__onnx_node *node, const char *name, const struct tf2__onnx_array *input,
    struct tf2__onnx_list *list, struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_attr_list(node, name, list, error));
    if (!input)
        return TF2_OK;
    if (list->given)
        return tf2__fail(error, TF2_ERR_FORMAT, "%s is given as an attribute and as an input", name);
    if (tf2__onnx_is_float(input->type) || input->shape.n_dims > 1 || !input->data)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s is a tensor of %u dimensions of type %s, wanted a list of integers",
            name, input->shape.n_dims, tf2__onnx_type_name(input->type));
    return fill_list(list, name, input->data, (size_t)input->count, error);
}

enum tf2_status tf2__onnx_attr_word(
    const struct tf2__onnx_node *node, const char *name, const char *const *words, size_t n_words, int *index,
    struct tf2_error *error)
{
    const char *word = tf2__onnx_attr_string(node, name, NULL);
    if (!word)
        return TF2_OK;
    for (size_t i = 0; i < n_words; i++) {
        if (strcmp(word, words[i]) == 0) {
            *index = (int)i;
            return TF2_OK;
        }
    }
    return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%s '%.60s' is not supported", name, word);
}

enum tf2_status
tf2__onnx_axis(int64_t axis, uint32_t n_dims, bool or_end, uint32_t *result, struct tf2_error *error)
{
    int64_t wrapped = axis < 0 && axis >= -(int64_t)n_dims ? axis + n_dims : axis;
    if (wrapped < 0 || wrapped >= (int64_t)n_dims + or_end)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "axis %lld of a tensor of %u dimensions", (long long)axis, n_dims);
    *result = (uint32_t)wrapped;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_axes(const struct tf2__onnx_list *list, uint32_t n_dims, uint32_t *mask, struct tf2_error *error)
{
    uint32_t axis = 0;
    *mask = 0;
    for (size_t i = 0; i < list->n; i++) {
        TF2__TRY(tf2__onnx_axis(list->v[i], n_dims, false, &axis, error));
        if (*mask >> axis & 1)
            return tf2__fail(error, TF2_ERR_FORMAT, "axis %u is listed twice", axis);
        *mask |= 1u << axis;
    }
    return TF2_OK;
}

enum tf2_status tf2__onnx_int32(int64_t value, const char *what, int32_t *result, struct tf2_error *error)
{
    if (value < INT32_MIN || value > INT32_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "%s is %lld, which is out of range", what, (long long)value);
    *result = (int32_t)value;
    return TF2_OK;
}
