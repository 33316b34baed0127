/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_lookup.c: functions of quantized data as tables, as the exporter of this library writes them:
 *
 *     u8 ─ Cast to int32 ─ [Add the channel's place] ─ Gather of a constant uint8 table ─ DequantizeLinear
 *
 * What the table's numbers stand for is only said by the DequantizeLinear: it makes the LOOKUP node.
 */
#include "transform/import/onnx/internal.h"

#define TABLE 256

/* A quantized value whose numbers are indices now. */
static enum tf2_status pass_index(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, int64_t n_tables,
    struct tf2_error *error)
{
    const struct tf2__onnx_value *in = tf2__onnx_in(onnx, node, i);
    struct tf2__onnx_value *out = tf2__onnx_find(onnx, node->proto->output[0]);
    if (!out)
        return tf2__fail(error, TF2_ERR_FORMAT, "output 0 has no name");
    out->tensor = in->tensor;
    out->n_tables = n_tables;
    out->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_cast_index(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_value *in = tf2__onnx_in(onnx, node, 0);
    const int64_t to = tf2__onnx_attr_int(node, "to", 0);
    if (to == in->integer_type && !in->lookup) { /* PyTorch writes such before each DequantizeLinear */
        TF2__TRY(pass_index(onnx, node, 0, 0, error));
        tf2__onnx_find(onnx, node->proto->output[0])->integer_type = in->integer_type;
        return TF2_OK;
    }
    if (in->integer_type != TF2__ONNX_UINT8 || in->lookup || (to != TF2__ONNX_INT32 && to != TF2__ONNX_INT64))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "of quantized data: supported is uint8 to int32, as the indices of a table");
    return pass_index(onnx, node, 0, 1, error);
}

/* The places of the channels' tables: 256 * c along dimension 1. */
static bool are_places(const struct tf2__onnx_array *array, const struct tf2_shape *x)
{
    bool ok = !tf2__onnx_is_float(array->type) && x->n_dims >= 2 && array->count == x->dim[1] &&
              array->shape.n_dims <= x->n_dims && array->shape.n_dims + 1 >= x->n_dims;
    for (uint32_t d = 0; ok && d < array->shape.n_dims; d++) {
        const uint32_t of_x = d + x->n_dims - array->shape.n_dims;
        ok = array->shape.dim[d] == (of_x == 1 ? x->dim[1] : 1);
    }
    for (int64_t c = 0; ok && c < array->count; c++)
        ok = ((const int64_t *)array->data)[c] == c * TABLE;
    return ok;
}

enum tf2_status
tf2__onnx_add_index(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const size_t index = tf2__onnx_in(onnx, node, 0)->n_tables ? 0 : 1;
    const struct tf2__onnx_array *places;
    const struct tf2_shape *x = tf2__onnx_shape(onnx, tf2__onnx_in(onnx, node, index)->tensor, 0);
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1 - index, &places, error));
    if (strcmp(node->op->name, "Add") != 0 || tf2__onnx_in(onnx, node, index)->n_tables != 1 ||
        !are_places(places, x))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "of indices: supported is the place of each channel's table");
    return pass_index(onnx, node, index, x->dim[1], error);
}

enum tf2_status
tf2__onnx_gather_table(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_value *index = tf2__onnx_in(onnx, node, 1);
    struct tf2__onnx_value *out = tf2__onnx_find(onnx, node->proto->output[0]);
    const struct tf2__onnx_array *table;
    TF2__TRY(tf2__onnx_fixed(onnx, node, 0, &table, error));
    if (!out || table->type != TF2__ONNX_UINT8 || table->shape.n_dims != 1 ||
        table->count != index->n_tables * TABLE || tf2__onnx_attr_int(node, "axis", 0) != 0)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "by quantized data: supported is a list of uint8, 256 for each table");
    out->tensor = index->tensor;
    out->n_lookups = index->n_tables;
    out->lookup = table;
    out->integer_type = TF2__ONNX_UINT8;
    out->state = TF2__ONNX_TENSOR;
    return TF2_OK;
}

enum tf2_status tf2__onnx_emit_lookup(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_value *value,
    const struct tf2__quant *quant, tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2__onnx_array *table = value->lookup;
    struct tf2_shape shape = {.n_dims = 1, .dim = {TABLE}};
    tf2_tensor_id in[2] = {value->tensor, TF2_NO_TENSOR};
    void *data;
    if (value->n_lookups > 1)
        shape = (struct tf2_shape){.n_dims = 2, .dim = {value->n_lookups, TABLE}};
    TF2__TRY(tf2__onnx_alloc(onnx, table->count, 1, true, &data, error));
    for (int64_t i = 0; i < table->count; i++)
        ((uint8_t *)data)[i] = (uint8_t)((const int64_t *)table->data)[i];
    TF2__TRY(tf2__onnx_emit_table(onnx, node, &shape, data, &in[1], error));
    return tf2__onnx_emit_int8_part(
        onnx, node, "lookup", TF2_OP_LOOKUP, in, 2, TF2_DTYPE_U8, quant, id, error);
}
