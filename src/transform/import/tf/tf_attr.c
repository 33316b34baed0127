/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_attr.c: attributes of nodes. An attribute that is left out has its default, which TensorFlow may leave
 * out too.
 */
#include "transform/import/tf/internal.h"

const Tf2__Tf__AttrValue *tf2__tf_attr(const struct tf2__tf_node *node, const char *name)
{
    for (size_t i = 0; i < node->def->n_attr; i++) {
        const Tf2__Tf__AttrEntry *entry = node->def->attr[i];
        if (entry->key && entry->value && strcmp(entry->key, name) == 0)
            return entry->value;
    }
    return NULL;
}

int64_t tf2__tf_attr_int(const struct tf2__tf_node *node, const char *name, int64_t otherwise)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, name);
    return attr && attr->has_i ? attr->i : otherwise;
}

float tf2__tf_attr_float(const struct tf2__tf_node *node, const char *name, float otherwise)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, name);
    return attr && attr->has_f ? attr->f : otherwise;
}

bool tf2__tf_attr_bool(const struct tf2__tf_node *node, const char *name, bool otherwise)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, name);
    return attr && attr->has_b ? attr->b != 0 : otherwise;
}

const char *tf2__tf_attr_string(const struct tf2__tf_node *node, const char *name, const char *otherwise)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, name);
    return attr && attr->s ? attr->s : otherwise;
}

enum tf2_status tf2__tf_attr_list(
    const struct tf2__tf_node *node, const char *name, struct tf2__onnx_list *list, struct tf2_error *error)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, name);
    *list = (struct tf2__onnx_list){.given = attr && attr->list};
    if (!list->given)
        return TF2_OK;
    if (attr->list->n_i > TF2__ONNX_MAX_LIST)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s has %zu numbers, at most %d supported", name, attr->list->n_i,
            TF2__ONNX_MAX_LIST);
    list->n = attr->list->n_i;
    if (list->n)
        memcpy(list->v, attr->list->i, list->n * sizeof(list->v[0]));
    return TF2_OK;
}

enum tf2_status tf2__tf_channels_last(const struct tf2__tf_node *node, bool *last, struct tf2_error *error)
{
    const char *format = tf2__tf_attr_string(node, "data_format", "NHWC");
    *last = strcmp(format, "NHWC") == 0 || strcmp(format, "NDHWC") == 0;
    if (*last || strcmp(format, "NCHW") == 0 || strcmp(format, "NCDHW") == 0)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_UNSUPPORTED, "data_format %.20s, supported are NHWC, NDHWC, NCHW and NCDHW", format);
}
