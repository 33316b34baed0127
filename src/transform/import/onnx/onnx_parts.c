/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_parts.c: short forms for operators that become several nodes of the graph: each adds one node whose result the
 * next one reads.
 */
#include "transform/import/onnx/internal.h"

enum tf2_status tf2__onnx_part_act(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_activation_kind kind, float alpha,
    float beta, tf2_tensor_id *x, struct tf2_error *error)
{
    const struct tf2_activation attr = {.kind = kind, .alpha = alpha, .beta = beta};
    return tf2__onnx_emit_part(onnx, node, "part", TF2_OP_ACTIVATION, &attr, x, 1, x, error);
}

enum tf2_status tf2__onnx_part_transpose(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const uint32_t *perm, uint32_t n_dims,
    tf2_tensor_id *x, struct tf2_error *error)
{
    struct tf2_transpose_attr attr = {.n_dims = n_dims};
    bool nothing = true;
    for (uint32_t d = 0; d < n_dims; d++) {
        attr.perm[d] = perm[d];
        nothing = nothing && perm[d] == d;
    }
    return nothing ? TF2_OK
                   : tf2__onnx_emit_part(onnx, node, "turned", TF2_OP_TRANSPOSE, &attr, x, 1, x, error);
}

enum tf2_status tf2__onnx_part_reshape(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const int64_t *dims, uint32_t n_dims,
    tf2_tensor_id *x, struct tf2_error *error)
{
    struct tf2_reshape_attr attr = {.n_dims = n_dims};
    memcpy(attr.dim, dims, n_dims * sizeof(*dims));
    return tf2__onnx_emit_part(onnx, node, "shaped", TF2_OP_RESHAPE, &attr, x, 1, x, error);
}

enum tf2_status tf2__onnx_part_eltwise(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_eltwise_kind kind, tf2_tensor_id a,
    tf2_tensor_id b, tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2_eltwise_attr attr = {.kind = kind};
    const tf2_tensor_id in[] = {a, b};
    return tf2__onnx_emit_part(onnx, node, "part", TF2_OP_ELTWISE, &attr, in, 2, out, error);
}

enum tf2_status tf2__onnx_part_number(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, float value, tf2_tensor_id *id,
    struct tf2_error *error)
{
    const struct tf2_shape shape = {.n_dims = 0};
    void *data;
    TF2__TRY(tf2__onnx_alloc(onnx, 1, sizeof(float), true, &data, error));
    *(float *)data = value;
    return tf2__onnx_emit_constant(onnx, node, "number", &shape, data, id, error);
}

enum tf2_status tf2__onnx_part_step(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id condition, float yes, float no,
    tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SELECT};
    tf2_tensor_id in[3] = {condition};
    TF2__TRY(tf2__onnx_part_number(onnx, node, yes, &in[1], error));
    TF2__TRY(tf2__onnx_part_number(onnx, node, no, &in[2], error));
    return tf2__onnx_emit_part(onnx, node, "step", TF2_OP_ELTWISE, &attr, in, 3, out, error);
}

enum tf2_status tf2__onnx_result(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id id, struct tf2_error *error)
{
    struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->output[0]);
    if (!value || value->is_output)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_IDENTITY, NULL, &id, 1, &id, error);
    value->tensor = id;
    value->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}
