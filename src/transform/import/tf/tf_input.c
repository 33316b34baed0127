/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_input.c: the network's inputs: placeholders that a needed node reads.
 *
 * A batch that the file leaves open is 1; any other open extent has to come from the caller. Where the file's
 * operators have their channels last, inputs that can be maps are turned to channels first at once: that
 * transpose tells the rest of the library how the input lies (ir/layout.h).
 */
#include "transform/import/tf/internal.h"

#include <stdio.h>

static bool is_op(const struct tf2__tf_node *node, const char *op)
{
    return node->def->op && strcmp(node->def->op, op) == 0;
}

/* The shape that the file gives; false: not even the number of dimensions. */
static bool declared_shape(const struct tf2__tf_node *node, struct tf2_shape *shape)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, "shape");
    if (attr && attr->shape && tf2__tf_shape(attr->shape, shape) && shape->n_dims > 0)
        return true;
    /* Files before version 24 left `shape` empty. */
    attr = tf2__tf_attr(node, "_output_shapes");
    return attr && attr->list && attr->list->n_shape == 1 && tf2__tf_shape(attr->list->shape[0], shape);
}

/* "[?, ?, ?, 3]" */
static void format_open(const struct tf2_shape *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (uint32_t d = 0; d < shape->n_dims && used < size; d++) {
        const char *comma = d ? ", " : "";
        if (shape->dim[d] > 0)
            used += (size_t)snprintf(text + used, size - used, "%s%lld", comma, (long long)shape->dim[d]);
        else
            used += (size_t)snprintf(text + used, size - used, "%s?", comma);
    }
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static enum tf2_status input_shape(
    struct tf2__tf *tf, const struct tf2__tf_node *node, bool only, struct tf2_shape *shape,
    struct tf2_error *error)
{
    const struct tf2_shape *wanted = tf2__import_wanted_shape(tf->onnx.options, node->name, only);
    struct tf2_shape declared = {0};
    const bool is_declared = declared_shape(node, &declared);
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, "shape");
    char text[256];
    if (attr && attr->shape && attr->shape->n_dim > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%s' has %zu dimensions, at most %d supported", node->name,
            attr->shape->n_dim, TF2_MAX_DIMS);
    tf->onnx.batch_fixed &= is_declared && declared.n_dims > 0 && declared.dim[0] > 0;
    if (is_declared && wanted && declared.n_dims != wanted->n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%s' has %u dimensions, the shape given for it has %u", node->name,
            declared.n_dims, wanted->n_dims);
    if (!is_declared && !wanted)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "the file does not tell the shape of input '%s': give it (--input %s:SHAPE, or "
            "tf2_import_options.input_shapes)",
            node->name, node->name);
    *shape = wanted ? *wanted : declared;
    format_open(&declared, text, sizeof(text));
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] <= 0 && d > 0)
            return tf2__fail(
                error, TF2_ERR_SHAPE,
                "input '%s' has the shape %s, whose extents are not all numbers: give its shape "
                "(--input %s:%s, or tf2_import_options.input_shapes)",
                node->name, text, node->name, shape->n_dims == 4 ? "1x224x224x3, for example" : "SHAPE");
        shape->dim[d] = TF2__MAX(shape->dim[d], 1);
    }
    return TF2_OK;
}

static enum tf2_status
add_input(struct tf2__tf *tf, struct tf2__tf_node *node, bool only, struct tf2_error *error)
{
    const Tf2__Tf__AttrValue *type = tf2__tf_attr(node, "dtype");
    struct tf2__onnx_value *value, *first;
    struct tf2_shape shape = {0};
    if (type && type->has_type && type->type != TF2__TF_FLOAT)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input '%s' is of type %s, only float32 is supported: choose outputs that do not need it, or "
            "freeze the "
            "graph with a constant in its place",
            node->name, tf2__tf_type_name(type->type));
    TF2__TRY(input_shape(tf, node, only, &shape, error));
    value = tf2__onnx_declare(&tf->onnx, node->name);
    if (!value)
        return tf2__fail_memory(error, sizeof(*value), "an input");
    value->n_uses = 1;
    TF2__TRY(tf2__onnx_add_input(&tf->onnx, value, &shape, tf->channels_last ? 1 : 2, error));
    tf2__tf_set_file(node, 0, value);
    if (tf->channels_last && (shape.n_dims == 4 || shape.n_dims == 5))
        TF2__TRY(tf2__tf_as_first(tf, node, &node->out[0], &first, error));
    return TF2_OK;
}

/* A default that is a tensor of numbers is an example of an input; a single one is a switch or a rate, and
 * stays. */
static bool is_input(const struct tf2__tf_node *node)
{
    const Tf2__Tf__AttrValue *type = tf2__tf_attr(node, "dtype");
    struct tf2_shape shape;
    if (is_op(node, "Placeholder"))
        return true;
    return is_op(node, "PlaceholderWithDefault") && type && type->type == TF2__TF_FLOAT &&
           declared_shape(node, &shape) && shape.n_dims >= 2;
}

/* Whether operators on maps have their channels last: all of them, and there are some. */
static bool has_channels_last(const struct tf2__tf *tf)
{
    static const char *const map_ops[] = {"AvgPool",          "AvgPool3D",
                                          "BiasAdd",          "Conv2D",
                                          "Conv3D",           "DepthwiseConv2dNative",
                                          "FusedBatchNorm",   "FusedBatchNormV2",
                                          "FusedBatchNormV3", "MaxPool",
                                          "MaxPool3D",        "MaxPoolV2",
                                          "ResizeBilinear",   "ResizeNearestNeighbor"};
    bool any = false;
    for (uint32_t i = 0; i < tf->n_order; i++) {
        const struct tf2__tf_node *node = &tf->nodes[tf->order[i]];
        for (size_t k = 0; k < TF2__COUNT(map_ops); k++) {
            bool last;
            if (!is_op(node, map_ops[k]))
                continue;
            if (tf2__tf_channels_last(node, &last, NULL) == TF2_OK && !last)
                return false;
            any |= strcmp(map_ops[k], "BiasAdd") != 0; /* which fully connected layers have too */
        }
    }
    return any;
}

enum tf2_status tf2__tf_add_inputs(struct tf2__tf *tf, struct tf2_error *error)
{
    struct tf2_error problem;
    size_t n = 0;
    for (uint32_t i = 0; i < tf->n_nodes; i++)
        n += tf->nodes[i].needed && is_input(&tf->nodes[i]);
    tf->onnx.batch_fixed = true;
    tf->channels_last = has_channels_last(tf);
    for (uint32_t i = 0; i < tf->n_nodes; i++) {
        struct tf2__tf_node *node = &tf->nodes[i];
        if (!node->needed || !is_input(node) || node->poison ||
            add_input(tf, node, n == 1, &problem) == TF2_OK)
            continue;
        if (problem.status == TF2_ERR_NO_MEMORY || problem.status == TF2_ERR_INTERNAL)
            return tf2__fail(error, problem.status, "%s", problem.message);
        tf2__report_add(&tf->onnx.report, problem.status, "%s", problem.message);
        node->poison = true;
    }
    return TF2_OK;
}

/* An input is there already; a placeholder with a default is its default. */
enum tf2_status
tf2__tf_convert_placeholder(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    (void)error;
    if (!is_input(node))
        tf2__tf_alias(node, 0, tf2__tf_in(tf, node, 0));
    return TF2_OK;
}
