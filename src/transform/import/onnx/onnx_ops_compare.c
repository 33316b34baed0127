/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_compare.c: comparisons of data, what combines them, and Where.
 *
 * A truth value is a float, 0 or 1. a > b is the choice of 1 or 0 by a - b, which is 0 only when they are equal (IEEE
 * 754 with subnormal numbers). What the choice does not take is never looked at: infinities there do no harm.
 */
#include "transform/import/onnx/internal.h"

/* a - b > 0, or b - a > 0, or |a - b| > 0. */
static const struct comparison {
    const char *name;
    bool reversed, absolute, negated;
} comparisons[] = {
    {"Equal", false, true, true}, {"Greater", false, false, false},    {"GreaterOrEqual", true, false, true},
    {"Less", true, false, false}, {"LessOrEqual", false, false, true},
};

enum tf2_status
tf2__onnx_convert_compare(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct comparison *c = comparisons;
    tf2_tensor_id in[2], x;
    while (c + 1 < comparisons + TF2__COUNT(comparisons) && strcmp(c->name, node->op->name) != 0)
        c++;
    for (size_t i = 0; i < 2; i++)
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[c->reversed ? 1 - i : i], error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_SUB, in[0], in[1], &x, error));
    if (c->absolute)
        TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ABS, 0, 0, &x, error));
    TF2__TRY(tf2__onnx_part_step(onnx, node, x, !c->negated, c->negated, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

enum tf2_status
tf2__onnx_convert_truth(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ABS, 0, 0, &x, error));
    TF2__TRY(tf2__onnx_part_step(onnx, node, x, 1, 0, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* Input i as a tensor of the graph; a constant of truth values becomes one of floats. */
static enum tf2_status truth(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, tf2_tensor_id *id,
    struct tf2_error *error)
{
    const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
    const struct tf2__onnx_array *array;
    void *data;
    if (!value || value->state != TF2__ONNX_CONST || value->constant->array[0].type != TF2__ONNX_BOOL)
        return tf2__onnx_data(onnx, node, i, id, error);
    TF2__TRY(tf2__onnx_fixed(onnx, node, i, &array, error));
    TF2__TRY(tf2__onnx_alloc(onnx, array->count, sizeof(float), true, &data, error));
    for (int64_t k = 0; k < array->count; k++)
        ((float *)data)[k] = ((const int64_t *)array->data)[k] != 0;
    return tf2__onnx_emit_constant(onnx, node, "truth", &array->shape, data, id, error);
}

enum tf2_status
tf2__onnx_convert_logic(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const bool is_and = strcmp(node->op->name, "And") == 0;
    tf2_tensor_id in[2], x;
    for (size_t i = 0; i < 2; i++)
        TF2__TRY(truth(onnx, node, i, &in[i], error));
    TF2__TRY(tf2__onnx_part_eltwise(
        onnx, node, is_and ? TF2_ELTWISE_MIN : TF2_ELTWISE_MAX, in[0], in[1], &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

enum tf2_status
tf2__onnx_convert_not(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, -1, 1, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

enum tf2_status
tf2__onnx_convert_sign(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x, negative, positive;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_part_step(onnx, node, x, 1, 0, &positive, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, -1, 0, &x, error));
    TF2__TRY(tf2__onnx_part_step(onnx, node, x, 1, 0, &negative, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_SUB, positive, negative, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

enum tf2_status
tf2__onnx_convert_where(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SELECT};
    tf2_tensor_id in[3], out;
    TF2__TRY(truth(onnx, node, 0, &in[0], error));
    for (size_t i = 1; i < 3; i++)
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[i], error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_ELTWISE, &attr, in, 3, &out, error);
}
