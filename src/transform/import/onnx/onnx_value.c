/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_value.c: the values of a node's inputs and outputs, and the way from values into the graph, with the
 * shapes of all lanes kept beside the graph's own.
 */
#include "transform/import/onnx/internal.h"

#include <stdio.h>

enum tf2_status tf2__onnx_charge(struct tf2__onnx *onnx, uint64_t bytes, struct tf2_error *error)
{
    if (bytes > onnx->budget_bytes)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "the constants computed at import are too large for a file of %zu bytes",
            onnx->source->size_bytes);
    onnx->budget_bytes -= bytes;
    return TF2_OK;
}

enum tf2_status tf2__onnx_alloc(
    struct tf2__onnx *onnx, int64_t count, size_t size_bytes, bool in_graph, void **data,
    struct tf2_error *error)
{
    struct tf2__arena *arena = in_graph ? &onnx->graph->arena : &onnx->arena;
    TF2__TRY(tf2__onnx_charge(onnx, (uint64_t)count * size_bytes, error));
    *data = tf2__arena_alloc(arena, (size_t)count, size_bytes);
    return *data ? TF2_OK : tf2__fail_memory(error, (size_t)count * size_bytes, "a constant");
}

/* ---- lanes ---- */

enum tf2_status tf2__onnx_reserve_lanes(struct tf2__onnx *onnx, tf2_tensor_id id, struct tf2_error *error)
{
    if (id >= onnx->cap_lane_shapes) {
        size_t size = sizeof(*onnx->lane_shapes);
        uint32_t cap = TF2__MAX(64, 2 * id);
        void *grown = tf2__grow(&onnx->env, onnx->lane_shapes, onnx->cap_lane_shapes * size, cap * size);
        if (!grown)
            return tf2__fail_memory(error, cap * size, "the shapes of tensors");
        onnx->lane_shapes = grown;
        onnx->cap_lane_shapes = cap;
    }
    memset(&onnx->lane_shapes[id], 0, sizeof(onnx->lane_shapes[id]));
    onnx->lane_shapes[id].lanes = 1;
    onnx->lane_shapes[id].shape[0] = onnx->graph->tensors[id].shape;
    return TF2_OK;
}

const struct tf2_shape *tf2__onnx_shape(const struct tf2__onnx *onnx, tf2_tensor_id id, int lane)
{
    const struct tf2__onnx_lane_shapes *shapes = &onnx->lane_shapes[id];
    return shapes->lanes >> lane & 1 ? &shapes->shape[lane] : NULL;
}

bool tf2__onnx_dim_varies(const struct tf2__onnx *onnx, tf2_tensor_id id, uint32_t d)
{
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        const struct tf2_shape *shape = tf2__onnx_shape(onnx, id, l);
        if (shape && shape->dim[d] != onnx->lane_shapes[id].shape[0].dim[d])
            return true;
    }
    return false;
}

static void warn_batch(struct tf2__onnx *onnx, tf2_tensor_id id)
{
    if (!onnx->warned_batch)
        tf2__log(
            &onnx->env, TF2_LOG_WARNING,
            "%s: '%s' is written for this batch only; the network cannot run with others", onnx->source->name,
            onnx->graph->tensors[id].name);
    onnx->warned_batch = true;
}

void tf2__onnx_drop_lane(struct tf2__onnx *onnx, tf2_tensor_id id, int lane)
{
    if (lane == TF2__ONNX_LANE_BATCH && tf2__onnx_shape(onnx, id, lane))
        warn_batch(onnx, id);
    onnx->lane_shapes[id].lanes &= ~(1u << lane);
}

/* The shape of a node's result in one lane. */
static void infer_lane(struct tf2__onnx *onnx, const struct tf2__node *node, int lane)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    struct tf2__onnx_lane_shapes *out = &onnx->lane_shapes[node->out];
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : tf2__onnx_shape(onnx, node->in[k], lane);
        if (!in[k] && node->in[k] != TF2_NO_TENSOR)
            return;
    }
    if (node->op->infer(node->attr, in, node->n_in, &out->shape[lane], NULL) == TF2_OK &&
        out->shape[lane].n_dims <= TF2_MAX_DIMS && tf2_shape_count(&out->shape[lane]))
        out->lanes |= 1u << lane;
    else if (lane == TF2__ONNX_LANE_BATCH)
        warn_batch(onnx, node->out);
}

/* ---- inputs ---- */

enum tf2_status
tf2__onnx_load(struct tf2__onnx *onnx, struct tf2__onnx_value *value, struct tf2_error *error)
{
    struct tf2__onnx_const *constant = tf2__arena_alloc(&onnx->arena, 1, sizeof(*constant));
    if (!constant)
        return tf2__fail_memory(error, sizeof(*constant), "a constant");
    value->state = TF2__ONNX_POISON;
    TF2__TRY(tf2__onnx_read_tensor(onnx, value->initializer, value->name, &constant->array[0], error));
    for (int l = 1; l < TF2__ONNX_LANES; l++)
        constant->array[l] = constant->array[0];
    constant->lanes = constant->equal = TF2__ONNX_ALL_LANES;
    value->constant = constant;
    value->state = TF2__ONNX_CONST;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_load_inputs(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    for (size_t i = 0; i < node->proto->n_input; i++) {
        struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->input[i]);
        if (value && value->state == TF2__ONNX_UNSEEN && value->initializer)
            TF2__TRY(tf2__onnx_load(onnx, value, error));
        if (value && value->state == TF2__ONNX_UNSEEN)
            return tf2__fail(
                error, TF2_ERR_INTERNAL, "input '%s' is read before it is computed", value->name);
    }
    return TF2_OK;
}

struct tf2__onnx_value *
tf2__onnx_in(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i)
{
    return i < node->proto->n_input ? tf2__onnx_find(onnx, node->proto->input[i]) : NULL;
}

bool tf2__onnx_out_used(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i)
{
    const struct tf2__onnx_value *value =
        i < node->proto->n_output ? tf2__onnx_find(onnx, node->proto->output[i]) : NULL;
    return value && value->n_uses;
}

/* Puts a constant into the graph, once. Where its numbers depend on the lane, so would everything behind it.
 */
static enum tf2_status
constant_to_graph(struct tf2__onnx *onnx, struct tf2__onnx_value *value, struct tf2_error *error)
{
    const struct tf2__onnx_const *constant = value->constant;
    const struct tf2__onnx_array *array = &constant->array[0];
    if (!tf2__onnx_is_float(array->type))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input '%s' is of type %s, only float data is supported", value->name,
            tf2__onnx_type_name(array->type));
    if (array->in_graph)
        TF2__TRY(tf2__graph_adopt_constant(
            onnx->graph, value->name, TF2_DTYPE_F32, &array->shape, array->data, &value->tensor, error));
    else
        TF2__TRY(tf2_graph_add_constant(
            onnx->graph, value->name, TF2_DTYPE_F32, &array->shape, array->data, &value->tensor, error));
    onnx->graph->tensors[value->tensor].steps = array->steps;
    TF2__TRY(tf2__onnx_reserve_lanes(onnx, value->tensor, error));
    struct tf2__onnx_lane_shapes *shapes = &onnx->lane_shapes[value->tensor];
    for (int l = 1; l < TF2__ONNX_LANES; l++)
        shapes->shape[l] = array->shape;
    shapes->lanes = constant->equal;
    return TF2_OK;
}

enum tf2_status tf2__onnx_data(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, tf2_tensor_id *id,
    struct tf2_error *error)
{
    struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
    if (!value)
        return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
    if (value->integer_type && !value->lookup && onnx->moves_integers)
        return tf2__onnx_emit_int8_part(
            onnx, node, "float", TF2_OP_DEQUANTIZE, &value->tensor, 1, TF2_DTYPE_F32, NULL, id, error);
    if (value->integer_type || value->n_tables)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input '%s' is of type uint8 or int8: only DequantizeLinear can read it",
            value->name);
    if (value->tensor == TF2_NO_TENSOR)
        TF2__TRY(constant_to_graph(onnx, value, error));
    *id = value->tensor;
    return TF2_OK;
}

enum tf2_status tf2__onnx_known(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_const **known,
    struct tf2_error *error)
{
    const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
    *known = NULL;
    if (!value)
        return TF2_OK;
    if (value->state != TF2__ONNX_CONST)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input %zu ('%s') is computed from data, only constants and what is computed from shapes are "
            "supported",
            i, value->name);
    *known = value->constant;
    return TF2_OK;
}

enum tf2_status tf2__onnx_fixed(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_array **fixed,
    struct tf2_error *error)
{
    const struct tf2__onnx_const *constant;
    *fixed = NULL;
    TF2__TRY(tf2__onnx_known(onnx, node, i, &constant, error));
    if (!constant)
        return TF2_OK;
    if (constant->lanes != constant->equal)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input %zu ('%s') depends on the shape of the network's input", i,
            node->proto->input[i]);
    *fixed = &constant->array[0];
    return TF2_OK;
}

enum tf2_status tf2__onnx_known_floats(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, const struct tf2__onnx_array **known,
    struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_fixed(onnx, node, i, known, error));
    if (!*known)
        return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
    if (!tf2__onnx_is_float((*known)->type))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input %zu ('%s') is of type %s, only float data is supported", i,
            node->proto->input[i], tf2__onnx_type_name((*known)->type));
    return TF2_OK;
}

enum tf2_status tf2__onnx_number(
    const struct tf2__onnx_array *array, const char *what, double *number, struct tf2_error *error)
{
    if (!array)
        return TF2_OK;
    if (array->count != 1)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s has %lld numbers, wanted one", what, (long long)array->count);
    if (tf2__onnx_is_float(array->type))
        *number = ((const float *)array->data)[0];
    else
        *number = (double)((const int64_t *)array->data)[0];
    return TF2_OK;
}

/* ---- outputs ---- */

void tf2__onnx_make_name(
    struct tf2__onnx *onnx, const char *base, const char *suffix, char *name, size_t size_bytes)
{
    snprintf(name, size_bytes, "%.900s.%s", base, suffix);
    while (tf2__onnx_find(onnx, name) || tf2__graph_find(onnx->graph, name) != TF2_NO_TENSOR)
        snprintf(name, size_bytes, "%.900s.%s_%u", base, suffix, ++onnx->serial);
}

static enum tf2_status add_lanes(struct tf2__onnx *onnx, const tf2_tensor_id *id, struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_reserve_lanes(onnx, *id, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++)
        infer_lane(onnx, &onnx->graph->nodes[onnx->graph->n_nodes - 1], l);
    return TF2_OK;
}

static enum tf2_status add_node(
    struct tf2__onnx *onnx, const char *name, enum tf2_op op, const void *attr, const tf2_tensor_id *in,
    size_t n_in, tf2_tensor_id *id, struct tf2_error *error)
{
    TF2__TRY(tf2_graph_add_node(onnx->graph, op, name, attr, in, n_in, id, error));
    return add_lanes(onnx, id, error);
}

static enum tf2_status add_int8(
    struct tf2__onnx *onnx, const char *name, enum tf2_op op, const tf2_tensor_id *in, size_t n_in,
    enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *id, struct tf2_error *error)
{
    TF2__TRY(tf2__graph_add_int8(onnx->graph, op, name, NULL, in, n_in, NULL, dtype, quant, id, error));
    return add_lanes(onnx, id, error);
}

enum tf2_status tf2__onnx_emit(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, enum tf2_op op, const void *attr,
    const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *id, struct tf2_error *error)
{
    struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->output[i]);
    if (!value)
        return tf2__fail(error, TF2_ERR_FORMAT, "output %zu has no name", i);
    TF2__TRY(add_node(onnx, value->name, op, attr, in, n_in, id, error));
    value->tensor = *id;
    value->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}

enum tf2_status tf2__onnx_emit_part(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix, enum tf2_op op,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *id, struct tf2_error *error)
{
    char name[1024];
    tf2__onnx_make_name(onnx, node->proto->output[0], suffix, name, sizeof(name));
    return add_node(onnx, name, op, attr, in, n_in, id, error);
}

enum tf2_status tf2__onnx_emit_int8(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, enum tf2_op op, const tf2_tensor_id *in, size_t n_in,
    enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *id, struct tf2_error *error)
{
    struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->output[0]);
    if (!value)
        return tf2__fail(error, TF2_ERR_FORMAT, "output 0 has no name");
    TF2__TRY(add_int8(onnx, value->name, op, in, n_in, dtype, quant, id, error));
    value->tensor = *id;
    value->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}

enum tf2_status tf2__onnx_emit_int8_part(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix, enum tf2_op op,
    const tf2_tensor_id *in, size_t n_in, enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *id,
    struct tf2_error *error)
{
    char name[1024];
    tf2__onnx_make_name(onnx, node->proto->output[0], suffix, name, sizeof(name));
    return add_int8(onnx, name, op, in, n_in, dtype, quant, id, error);
}

enum tf2_status tf2__onnx_output_real(
    struct tf2__onnx *onnx, const struct tf2__onnx_value *value, tf2_tensor_id *id, struct tf2_error *error)
{
    char name[1024];
    tf2__onnx_make_name(onnx, value->name, "float", name, sizeof(name));
    return add_int8(onnx, name, TF2_OP_DEQUANTIZE, &value->tensor, 1, TF2_DTYPE_F32, NULL, id, error);
}

enum tf2_status tf2__onnx_emit_table(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2_shape *shape, const void *data,
    tf2_tensor_id *id, struct tf2_error *error)
{
    char name[1024];
    tf2__onnx_make_name(onnx, node->proto->output[0], "table", name, sizeof(name));
    TF2__TRY(tf2__graph_adopt_constant(onnx->graph, name, TF2_DTYPE_U8, shape, data, id, error));
    TF2__TRY(tf2__onnx_reserve_lanes(onnx, *id, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++)
        onnx->lane_shapes[*id].shape[l] = *shape;
    onnx->lane_shapes[*id].lanes = TF2__ONNX_ALL_LANES;
    return TF2_OK;
}

enum tf2_status tf2__onnx_emit_constant(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const char *suffix,
    const struct tf2_shape *shape, const float *data, tf2_tensor_id *id, struct tf2_error *error)
{
    char name[1024];
    tf2__onnx_make_name(onnx, node->proto->output[0], suffix, name, sizeof(name));
    TF2__TRY(tf2__graph_adopt_constant(onnx->graph, name, TF2_DTYPE_F32, shape, data, id, error));
    TF2__TRY(tf2__onnx_reserve_lanes(onnx, *id, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++)
        onnx->lane_shapes[*id].shape[l] = *shape;
    onnx->lane_shapes[*id].lanes = TF2__ONNX_ALL_LANES;
    return TF2_OK;
}

enum tf2_status tf2__onnx_pass(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, size_t k, struct tf2_error *error)
{
    struct tf2__onnx_value *out = tf2__onnx_find(onnx, node->proto->output[i]);
    tf2_tensor_id id;
    TF2__TRY(tf2__onnx_data(onnx, node, k, &id, error));
    if (!out || out->is_output)
        return tf2__onnx_emit(onnx, node, i, TF2_OP_IDENTITY, NULL, &id, 1, &id, error);
    out->tensor = id;
    out->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}
