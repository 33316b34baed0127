/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_input.c: the network's inputs: which ones, of what shape, and their shapes in the other lanes.
 *
 * Only inputs that a needed node or an output reads are imported. A batch that the file leaves open is 1; any
 * other open extent has to come from the caller.
 */
#include "transform/import/onnx/internal.h"

#include <stdio.h>

/* How far the spatial extents of the size lane are from the real ones: a multiple of the strides that
 * networks have, different in each dimension so that a swap shows. */
#define SIZE_STEP 64

static const Tf2__Onnx__TensorShapeProto *declared_shape(const Tf2__Onnx__ValueInfoProto *info)
{
    return info->type && info->type->tensor_type ? info->type->tensor_type->shape : NULL;
}

static bool is_open(const Tf2__Onnx__TensorShapeProto__Dimension *dim)
{
    return !dim->has_dim_value || dim->dim_value <= 0;
}

/* "[1, 3, height, ?]" */
static void format_dims(const Tf2__Onnx__TensorShapeProto *shape, char *text, size_t size_bytes)
{
    size_t used = (size_t)snprintf(text, size_bytes, "[");
    for (size_t d = 0; d < shape->n_dim && used < size_bytes; d++) {
        const Tf2__Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
        const char *comma = d ? ", " : "";
        if (!is_open(dim))
            used +=
                (size_t)snprintf(text + used, size_bytes - used, "%s%lld", comma, (long long)dim->dim_value);
        else
            used += (size_t)snprintf(
                text + used, size_bytes - used, "%s%.40s", comma,
                dim->dim_param && *dim->dim_param ? dim->dim_param : "?");
    }
    if (used < size_bytes)
        snprintf(text + used, size_bytes - used, "]");
}

static enum tf2_status open_dims(
    const struct tf2__onnx_value *value, const Tf2__Onnx__TensorShapeProto *declared, struct tf2_error *error)
{
    char dims[256];
    format_dims(declared, dims, sizeof(dims));
    return tf2__fail(
        error, TF2_ERR_SHAPE,
        "input '%s' has the shape %s, whose extents are not all numbers: give its shape "
        "(--input %s:%s, or tf2_import_options.input_shapes)",
        value->name, dims, value->name, declared->n_dim == 4 ? "1x3x224x224, for example" : "SHAPE");
}

/* The shape an input gets: the caller's, or the file's with an open batch as 1. */
static enum tf2_status input_shape(
    struct tf2__onnx *onnx, const struct tf2__onnx_value *value, bool only, struct tf2_shape *shape,
    struct tf2_error *error)
{
    const Tf2__Onnx__TensorShapeProto *declared = declared_shape(value->input);
    const struct tf2_shape *wanted = tf2__import_wanted_shape(onnx->options, value->name, only);
    if (declared && wanted && declared->n_dim != wanted->n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%s' has %zu dimensions, the shape given for it has %u", value->name,
            declared->n_dim, wanted->n_dims);
    if (wanted) {
        *shape = *wanted;
        return TF2_OK;
    }
    if (!declared)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "the file does not tell the shape of input '%s': give it (--input %s:SHAPE, or "
            "tf2_import_options.input_shapes)",
            value->name, value->name);
    if (declared->n_dim > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%s' has %zu dimensions, at most %d supported", value->name,
            declared->n_dim, TF2_MAX_DIMS);
    shape->n_dims = (uint32_t)declared->n_dim;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (is_open(declared->dim[d]) && d > 0)
            return open_dims(value, declared, error);
        shape->dim[d] = is_open(declared->dim[d]) ? 1 : declared->dim[d]->dim_value;
    }
    return TF2_OK;
}

static enum tf2_status check_type(const struct tf2__onnx_value *value, struct tf2_error *error)
{
    const Tf2__Onnx__TypeProto *type = value->input->type;
    int32_t elem = type && type->tensor_type ? type->tensor_type->elem_type : 0;
    if (type && !type->tensor_type)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "input '%s' is not a tensor", value->name);
    if (type && elem != TF2__ONNX_FLOAT)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input '%s' is of type %s, only float32 is supported", value->name,
            tf2__onnx_type_name(elem));
    return TF2_OK;
}

/* The input's shapes in the other lanes. Extents that would not fit leave the lane out. */
static void
set_lanes(struct tf2__onnx *onnx, tf2_tensor_id id, const struct tf2_shape *shape, uint32_t first_spatial)
{
    struct tf2__onnx_lane_shapes *lanes = &onnx->lane_shapes[id];
    for (int l = 0; l < TF2__ONNX_LANES; l++)
        lanes->shape[l] = *shape;
    if (shape->n_dims > 0)
        lanes->shape[TF2__ONNX_LANE_BATCH].dim[0]++;
    for (uint32_t d = 2; d < shape->n_dims; d++)
        lanes->shape[TF2__ONNX_LANE_SIZE].dim[d - 2 + first_spatial] += SIZE_STEP * (int64_t)(d - 1);
    lanes->lanes = 1;
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if (tf2_shape_count(&lanes->shape[l]))
            lanes->lanes |= 1u << l;
    }
}

enum tf2_status tf2__onnx_add_input(
    struct tf2__onnx *onnx, struct tf2__onnx_value *value, const struct tf2_shape *shape, uint32_t first_spatial,
    struct tf2_error *error)
{
    TF2__TRY(tf2_graph_add_input(onnx->graph, value->name, TF2_DTYPE_F32, shape, &value->tensor, error));
    TF2__TRY(tf2__onnx_reserve_lanes(onnx, value->tensor, error));
    value->state = TF2__ONNX_TENSOR;
    set_lanes(onnx, value->tensor, shape, first_spatial);
    return TF2_OK;
}

static enum tf2_status
add_input(struct tf2__onnx *onnx, struct tf2__onnx_value *value, bool only, struct tf2_error *error)
{
    struct tf2_shape shape = {0};
    const Tf2__Onnx__TensorShapeProto *declared = declared_shape(value->input);
    TF2__TRY(check_type(value, error));
    TF2__TRY(input_shape(onnx, value, only, &shape, error));
    TF2__TRY(tf2__onnx_add_input(onnx, value, &shape, 2, error));
    if (!declared || declared->n_dim == 0 || is_open(declared->dim[0]))
        onnx->batch_fixed = false;
    return TF2_OK;
}

enum tf2_status tf2__onnx_add_inputs(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    struct tf2_error problem;
    size_t n = 0;
    for (size_t i = 0; i < graph->n_input; i++) {
        const struct tf2__onnx_value *value = tf2__onnx_find(onnx, graph->input[i]->name);
        n += !value->initializer && value->n_uses;
    }
    onnx->batch_fixed = true;
    for (size_t i = 0; i < graph->n_input; i++) {
        struct tf2__onnx_value *value = tf2__onnx_find(onnx, graph->input[i]->name);
        if (value->initializer || !value->n_uses || add_input(onnx, value, n == 1, &problem) == TF2_OK)
            continue;
        if (problem.status == TF2_ERR_NO_MEMORY)
            return tf2__fail(error, problem.status, "%s", problem.message);
        tf2__report_add(&onnx->report, problem.status, "%s", problem.message);
        value->state = TF2__ONNX_POISON;
    }
    return TF2_OK;
}
