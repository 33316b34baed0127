/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_check.c: what has to be true of every tensor and node, whoever made it.
 */
#include "transform/ir/graph_check.h"

#include <float.h>
#include <math.h>

enum tf2_status
tf2__graph_check_shape(const char *name, const struct tf2_shape *shape, struct tf2_error *error)
{
    char text[128];
    if (!shape || shape->n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s: %u dimensions, at most %d supported", name, shape ? shape->n_dims : 0,
            TF2_MAX_DIMS);
    if (tf2_shape_count(shape) == 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s: shape %s: every extent must be 1 or more, their product below 2^31",
            name, tf2_shape_format(shape, text, sizeof(text)));
    return TF2_OK;
}

/* The index of the first NaN or infinity, SIZE_MAX when there is none. Block by block, which vectorizes. */
static size_t find_not_finite(const float *values, size_t n)
{
    for (size_t first = 0; first < n; first += 1024) {
        size_t end = TF2__MIN(first + 1024, n);
        bool bad = false;
        for (size_t i = first; i < end; i++)
            bad |= !(fabsf(values[i]) <= FLT_MAX);
        for (size_t i = first; bad && i < end; i++) {
            if (!isfinite(values[i]))
                return i;
        }
    }
    return SIZE_MAX;
}

enum tf2_status
tf2__graph_check_finite(const char *name, const float *values, size_t n, struct tf2_error *error)
{
    size_t bad = find_not_finite(values, n);
    if (bad == SIZE_MAX)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_VALUE, "%s: weight %zu is %s, wanted a finite number", name, bad,
        isnan(values[bad]) ? "NaN" : "infinite");
}

/* A scale divides and multiplies: it must be neither 0 nor so small or large that a factor overflows. */
static bool is_scale(float scale)
{
    return scale >= 1e-30f && scale <= 1e30f;
}

enum tf2_status tf2__graph_check_quant(
    const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape, const struct tf2__quant *quant,
    struct tf2_error *error)
{
    int64_t n_scales = quant->channel_scale && shape->n_dims ? shape->dim[0] : 0;
    if (dtype != TF2_DTYPE_U8 && dtype != TF2_DTYPE_S8)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%s: a quantized tensor of type %s, wanted uint8 or int8", name,
            tf2_dtype_name(dtype));
    for (int64_t i = 0; i < n_scales; i++) {
        if (!is_scale(quant->channel_scale[i]))
            return tf2__fail(
                error, TF2_ERR_VALUE, "%s: scale %lld is %g, wanted 1e-30 to 1e30", name, (long long)i,
                quant->channel_scale[i]);
    }
    if (n_scales == 0 && !is_scale(quant->scale))
        return tf2__fail(error, TF2_ERR_VALUE, "%s: scale %g, wanted 1e-30 to 1e30", name, quant->scale);
    if (quant->zero_point < 0 || quant->zero_point > (dtype == TF2_DTYPE_U8 ? 255 : 0))
        return tf2__fail(error, TF2_ERR_VALUE, "%s: zero point %d", name, quant->zero_point);
    return TF2_OK;
}

enum tf2_status tf2__graph_check_inputs(
    const struct tf2_graph *graph, const struct tf2__op *op, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_shape **shapes, struct tf2_error *error)
{
    if (n_inputs < op->min_inputs || n_inputs > op->max_inputs)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%zu inputs, %s takes %u to %u", n_inputs, op->name, op->min_inputs,
            op->max_inputs);
    for (size_t i = 0; i < n_inputs; i++) {
        shapes[i] = NULL;
        if (inputs[i] == TF2_NO_TENSOR) {
            if (i < op->min_inputs)
                return tf2__fail(error, TF2_ERR_GRAPH, "input %zu is left out, %s needs it", i, op->name);
            continue;
        }
        if (inputs[i] >= graph->n_tensors)
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "input %zu: no tensor %u", i, inputs[i]);
        const struct tf2__tensor *tensor = &graph->tensors[inputs[i]];
        if (i < 32 && (op->constant_inputs >> i & 1) && !tensor->data)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "input %zu of %s ('%s') is computed, only constants are supported", i, op->name,
                tensor->name);
        shapes[i] = &tensor->shape;
    }
    return TF2_OK;
}

bool tf2__node_is_int8(const struct tf2_graph *graph, const struct tf2__node *node)
{
    if (graph->tensors[node->out].dtype == TF2_DTYPE_U8)
        return true;
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] != TF2_NO_TENSOR && graph->tensors[node->in[k]].dtype == TF2_DTYPE_U8)
            return true;
    }
    return false;
}

/* No input that only the integer form would read. */
static enum tf2_status check_float_inputs(const struct tf2__node *node, struct tf2_error *error)
{
    for (uint32_t k = 0; k < node->n_in && k < 32; k++) {
        if ((node->op->int8_inputs >> k & 1) && node->in[k] != TF2_NO_TENSOR)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "input %u on float32, it exists on integers only", k);
    }
    return TF2_OK;
}

/* Operators that plans turn into views and copies: nothing is computed. */
static bool only_moves(enum tf2_op op)
{
    return op == TF2_OP_IDENTITY || op == TF2_OP_DROPOUT || op == TF2_OP_FLATTEN || op == TF2_OP_RESHAPE ||
           op == TF2_OP_SQUEEZE || op == TF2_OP_UNSQUEEZE || op == TF2_OP_SLICE || op == TF2_OP_CONCAT;
}

/* A fused activation is what the operator of that name takes, behind something that computes. */
static enum tf2_status
check_activation(const struct tf2__node *node, const struct tf2_shape *shape, struct tf2_error *error)
{
    struct tf2_shape same;
    if (node->activation.kind != TF2_ACTIVATION_NONE && only_moves(node->op->id))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "a fused activation, wanted none");
    return tf2__op_find(TF2_OP_ACTIVATION)->infer(&node->activation, &shape, 1, &same, error);
}

enum tf2_status tf2__graph_check_types(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__type *out,
    struct tf2_error *error)
{
    struct tf2__type types[TF2_MAX_NODE_INPUTS];
    const struct tf2__type *in[TF2_MAX_NODE_INPUTS];
    bool all_f32 = out->dtype == TF2_DTYPE_F32;
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = NULL;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        const struct tf2__tensor *tensor = &graph->tensors[node->in[k]];
        types[k] = (struct tf2__type){tensor->dtype, tensor->shape, tensor->quant, tensor->data};
        in[k] = &types[k];
        all_f32 &= tensor->dtype == TF2_DTYPE_F32;
    }
    TF2__TRY(check_activation(node, &out->shape, error));
    if (all_f32 && node->op->eval)
        return check_float_inputs(node, error);
    if (!node->op->int8)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only on float32");
    if (!tf2__quant_fuses(node->activation.kind))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "activation %d on integers", (int)node->activation.kind);
    return node->op->int8->check(node->attr, in, node->n_in, out, error);
}
