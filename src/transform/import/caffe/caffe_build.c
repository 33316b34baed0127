/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_build.c: what the functions of the layer types share: a layer's inputs and result, nodes, names.
 *
 * A node is called as its layer (parts of it "layer.part"). Caffe keeps names of layers and blobs apart and
 * lets layers share one; a graph has one space of names, so a name that is taken gets "#2", "#3" and so on.
 */
#include "transform/import/caffe/caffe.h"

#include <math.h>
#include <stdio.h>

tf2_tensor_id
tf2__caffe_in(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t bottom)
{
    return caffe->values[layer->in[bottom]].tensor;
}

const struct tf2_shape *
tf2__caffe_in_shape(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t bottom)
{
    return tf2_graph_shape(caffe->graph, tf2__caffe_in(caffe, layer, bottom));
}

void tf2__caffe_set_top(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, uint32_t top, tf2_tensor_id tensor)
{
    caffe->values[layer->out[top]].tensor = tensor;
}

const char *
tf2__caffe_tensor_name(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *part)
{
    const char *name = *layer->name ? layer->name : layer->type;
    size_t room = strlen(name) + (part ? strlen(part) : 0) + 16;
    char *text = tf2__arena_alloc(&caffe->arena, room, 1);
    if (!text)
        return NULL;
    snprintf(text, room, "%s%s%s", name, part ? "." : "", part ? part : "");
    if (tf2__graph_find(caffe->graph, text) == TF2_NO_TENSOR)
        return text;

    char *plain = tf2__arena_strdup(&caffe->arena, text);
    if (!plain)
        return NULL;
    uint32_t number = tf2__strmap_get(&caffe->suffixes, plain);
    number = number == TF2__STRMAP_NONE ? 2 : number;
    do
        snprintf(text, room, "%s#%u", plain, number++);
    while (tf2__graph_find(caffe->graph, text) != TF2_NO_TENSOR);
    return tf2__strmap_set(&caffe->suffixes, plain, number) ? text : NULL;
}

enum tf2_status tf2__caffe_node(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *part, enum tf2_op op,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *out, struct tf2_error *error)
{
    const char *name = tf2__caffe_tensor_name(caffe, layer, part);
    if (!name)
        return tf2__fail_memory(error, strlen(layer->name), "a name");
    return tf2_graph_add_node(caffe->graph, op, name, attr, in, n_in, out, error);
}

enum tf2_status tf2__caffe_whole_node(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, enum tf2_op op, const void *attr,
    const tf2_tensor_id *in, size_t n_in, struct tf2_error *error)
{
    tf2_tensor_id out = TF2_NO_TENSOR;
    TF2__TRY(tf2__caffe_node(caffe, layer, NULL, op, attr, in, n_in, &out, error));
    tf2__caffe_set_top(caffe, layer, 0, out);
    return TF2_OK;
}

enum tf2_status tf2__caffe_activation(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, enum tf2_activation_kind kind,
    float alpha, float beta, struct tf2_error *error)
{
    const struct tf2_activation attr = {.kind = kind, .alpha = alpha, .beta = beta};
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    TF2__TRY(tf2__caffe_finite(alpha, "parameter", error));
    TF2__TRY(tf2__caffe_finite(beta, "parameter", error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_ACTIVATION, &attr, &in, 1, error);
}

enum tf2_status tf2__caffe_bottoms(
    const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer,
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS], struct tf2_error *error)
{
    size_t n = layer->param->n_bottom;
    if (n > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu bottoms, at most %d are supported", n, TF2_MAX_NODE_INPUTS);
    for (uint32_t i = 0; i < n; i++)
        in[i] = tf2__caffe_in(caffe, layer, i);
    return TF2_OK;
}

enum tf2_status tf2__caffe_finite(double value, const char *what, struct tf2_error *error)
{
    if (!isfinite(value))
        return tf2__fail(error, TF2_ERR_VALUE, "%s is %g, wanted a finite number", what, value);
    return TF2_OK;
}

enum tf2_status tf2__caffe_axis(int32_t axis, uint32_t rank, uint32_t *canonical, struct tf2_error *error)
{
    int64_t found = axis < 0 ? (int64_t)axis + rank : axis;
    if (found < 0 || found >= rank)
        return tf2__fail(error, TF2_ERR_VALUE, "axis %d of a blob of %u dimensions", axis, rank);
    *canonical = (uint32_t)found;
    return TF2_OK;
}
