/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_quant.c: QuantizeLinear and DequantizeLinear.
 *
 * On data they are QUANTIZE and DEQUANTIZE nodes; signed numbers become unsigned ones, 128 more, with the zero point.
 * Constants are computed here: what DequantizeLinear makes of integers are floats that know these integers (struct
 * tf2__steps). transform/quant/lower.h makes an integer graph of it.
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

/* ---- parameters ---- */

/* Scales and zero points: one for all, or one per index of `axis`. */
struct parameters {
    const float *scale;
    const int64_t *zero_point; /* NULL: 0 */
    int64_t n;
    uint32_t axis;
};

struct range {
    int32_t type;
    int64_t low, high;
};

static const struct range ranges[] = {
    {TF2__ONNX_UINT8, 0, 255}, {TF2__ONNX_INT8, -128, 127}, {TF2__ONNX_INT32, INT32_MIN, INT32_MAX}};

static const struct range *find_range(int32_t type)
{
    for (size_t i = 0; i < TF2__COUNT(ranges); i++) {
        if (ranges[i].type == type)
            return &ranges[i];
    }
    return NULL;
}

static enum tf2_status check_type(int32_t type, struct tf2_error *error)
{
    return find_range(type) ? TF2_OK
                            : tf2__fail(
                                  error, TF2_ERR_UNSUPPORTED,
                                  "integers of type %s, wanted uint8, int8 or (constants) "
                                  "int32",
                                  tf2__onnx_type_name(type));
}

static enum tf2_status
check_numbers(const struct parameters *p, const struct range *range, struct tf2_error *error)
{
    for (int64_t i = 0; i < p->n; i++) {
        if (!(p->scale[i] >= 1e-30f && p->scale[i] <= 1e30f))
            return tf2__fail(
                error, TF2_ERR_VALUE, "scale %lld is %g, wanted 1e-30 to 1e30", (long long)i, p->scale[i]);
        if (p->zero_point && (p->zero_point[i] < range->low || p->zero_point[i] > range->high))
            return tf2__fail(
                error, TF2_ERR_VALUE, "zero point %lld is out of range", (long long)p->zero_point[i]);
    }
    return TF2_OK;
}

/* shape: the quantized tensor's. */
static enum tf2_status read_parameters(
    const struct tf2__onnx_node *node, const struct tf2_shape *shape, const struct tf2__onnx_array *scale,
    const struct tf2__onnx_array *zero_point, int32_t type, struct parameters *p, struct tf2_error *error)
{
    *p = (struct parameters){.scale = scale->data, .n = scale->count};
    TF2__TRY(check_type(type, error));
    if (!tf2__onnx_is_float(scale->type) || scale->shape.n_dims > 1 || scale->count == 0)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a scale of %u dimensions of type %s, wanted one float or a list",
            scale->shape.n_dims, tf2__onnx_type_name(scale->type));
    if (zero_point && (zero_point->count != scale->count || tf2__onnx_is_float(zero_point->type)))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld scales and %lld zero points of type %s", (long long)scale->count,
            (long long)zero_point->count, tf2__onnx_type_name(zero_point->type));
    p->zero_point = zero_point ? zero_point->data : NULL;
    if (tf2__onnx_attr_int(node, "block_size", 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "scales for blocks");
    TF2__TRY(check_numbers(p, find_range(type), error));
    if (p->n == 1)
        return TF2_OK;
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(node, "axis", 1), shape->n_dims, false, &p->axis, error));
    if (shape->dim[p->axis] != p->n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld scales for %lld indices of axis %u", (long long)p->n,
            (long long)shape->dim[p->axis], p->axis);
    return TF2_OK;
}

/* Which scale element i of a dense tensor has: (i / inner) % n. */
static int64_t inner_of(const struct parameters *p, const struct tf2_shape *shape)
{
    int64_t inner = 1;
    for (uint32_t d = p->axis + 1; p->n > 1 && d < shape->n_dims; d++)
        inner *= shape->dim[d];
    return inner;
}

/* ---- constants ---- */

static enum tf2_status keep_steps(
    struct tf2__onnx_fold *fold, const struct parameters *p, const int32_t *step, struct tf2_error *error)
{
    struct tf2__steps *steps;
    void *scale;
    TF2__TRY(tf2__onnx_alloc(fold->onnx, p->n, sizeof(float), true, &scale, error));
    memcpy(scale, p->scale, (size_t)p->n * sizeof(float));
    steps = tf2__arena_alloc(&fold->onnx->graph->arena, 1, sizeof(*steps));
    if (!steps)
        return tf2__fail_memory(error, sizeof(*steps), "a quantized constant");
    *steps = (struct tf2__steps){.step = step, .scale = scale, .n_scales = p->n, .axis = p->axis};
    fold->out[0].steps = steps;
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_dequantize(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *x = fold->in[0], *zero_point = fold->n_in > 2 ? fold->in[2] : NULL;
    struct parameters p;
    void *data, *step;
    TF2__TRY(read_parameters(fold->node, &x->shape, fold->in[1], zero_point, x->type, &p, error));
    TF2__TRY(tf2__onnx_fold_out(fold, 0, TF2__ONNX_FLOAT, &x->shape, &data, error));
    TF2__TRY(tf2__onnx_alloc(fold->onnx, x->count, sizeof(int32_t), true, &step, error));
    const int64_t inner = inner_of(&p, &x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / inner % p.n;
        const int64_t value = ((const int64_t *)x->data)[i] - (p.zero_point ? p.zero_point[k] : 0);
        if (value < INT32_MIN || value > INT32_MAX)
            return tf2__fail(
                error, TF2_ERR_VALUE, "number %lld less its zero point is out of range", (long long)i);
        ((int32_t *)step)[i] = (int32_t)value;
        ((float *)data)[i] = (float)value * p.scale[k];
    }
    return keep_steps(fold, &p, step, error);
}

/* The type of the integers: that of the zero point, or the attribute, or uint8. */
static int32_t output_type(const struct tf2__onnx_node *node, const struct tf2__onnx_array *zero_point)
{
    const int64_t type = tf2__onnx_attr_int(node, "output_dtype", 0);
    if (zero_point)
        return zero_point->type;
    return type > 0 && type < 64 ? (int32_t)type : TF2__ONNX_UINT8;
}

enum tf2_status tf2__onnx_fold_quantize(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *x = fold->in[0], *zero_point = fold->n_in > 2 ? fold->in[2] : NULL;
    const int32_t type = output_type(fold->node, zero_point);
    struct parameters p;
    void *data;
    if (!tf2__onnx_is_float(x->type))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of %s", tf2__onnx_type_name(x->type));
    TF2__TRY(read_parameters(fold->node, &x->shape, fold->in[1], zero_point, type, &p, error));
    TF2__TRY(tf2__onnx_fold_weights_out(fold, type, &x->shape, &data, error));
    const struct range *range = find_range(type);
    const int64_t inner = inner_of(&p, &x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = i / inner % p.n;
        const double zero = p.zero_point ? (double)p.zero_point[k] : 0;
        const double v = rint(((const float *)x->data)[i] / p.scale[k]) + zero;
        ((int64_t *)data)[i] = (int64_t)fmin(fmax(v, (double)range->low), (double)range->high);
    }
    return TF2_OK;
}

/* ---- data ---- */

/* One scale and one zero point for all of a tensor, as u8. */
static enum tf2_status data_quant(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, int32_t type, const struct tf2_shape *shape,
    struct tf2__quant *quant, struct tf2_error *error)
{
    const struct tf2__onnx_array *scale, *zero_point;
    struct parameters p;
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 1, &scale, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 2, &zero_point, error));
    if (zero_point && type && zero_point->type != type)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "a zero point of type %s for integers of type %s",
            tf2__onnx_type_name(zero_point->type), tf2__onnx_type_name(type));
    type = zero_point ? zero_point->type : type ? type : output_type(node, NULL);
    TF2__TRY(read_parameters(node, shape, scale, zero_point, type, &p, error));
    if (p.n != 1 || (type != TF2__ONNX_UINT8 && type != TF2__ONNX_INT8))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "data as %s with %lld scales, wanted uint8 or int8 with one",
            tf2__onnx_type_name(type), (long long)p.n);
    *quant = (struct tf2__quant){
        .scale = p.scale[0],
        .zero_point = (int32_t)(p.zero_point ? p.zero_point[0] : 0) + (type == TF2__ONNX_INT8 ? 128 : 0)};
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_quantize(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_value *zero_point = tf2__onnx_in(onnx, node, 2);
    struct tf2__onnx_value *out = tf2__onnx_find(onnx, node->proto->output[0]);
    struct tf2__quant quant;
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(data_quant(onnx, node, 0, tf2__onnx_shape(onnx, x, 0), &quant, error));
    TF2__TRY(tf2__onnx_emit_int8(onnx, node, TF2_OP_QUANTIZE, &x, 1, TF2_DTYPE_U8, &quant, &x, error));
    out->integer_type = zero_point ? zero_point->constant->array[0].type : output_type(node, NULL);
    return TF2_OK;
}

enum tf2_status tf2__onnx_convert_dequantize(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, 0);
    struct tf2__quant quant;
    tf2_tensor_id x = value->tensor;
    if (value->state != TF2__ONNX_TENSOR || !value->integer_type)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "input '%s' is not quantized data", value->name);
    TF2__TRY(data_quant(onnx, node, value->integer_type, tf2__onnx_shape(onnx, x, 0), &quant, error));
    if (value->lookup)
        TF2__TRY(tf2__onnx_emit_lookup(onnx, node, value, &quant, &x, error));
    if (!tf2__quant_equal(&quant, &onnx->graph->tensors[x].quant))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input '%s' was made with scale %g and zero point %d, and is read with %g and %d", value->name,
            onnx->graph->tensors[x].quant.scale, onnx->graph->tensors[x].quant.zero_point, quant.scale,
            quant.zero_point);
    return tf2__onnx_emit_int8(onnx, node, TF2_OP_DEQUANTIZE, &x, 1, TF2_DTYPE_F32, NULL, &x, error);
}

/* ---- operators that move quantized data ---- */

static const char *const movers[] = {"Flatten", "Identity", "MaxPool",   "Reshape",  "Slice",
                                     "Split",   "Squeeze",  "Transpose", "Unsqueeze"};

static bool is_mover(const struct tf2__onnx_node *node)
{
    for (size_t i = 0; i < TF2__COUNT(movers); i++) {
        if (strcmp(movers[i], node->op->name) == 0)
            return true;
    }
    return false;
}

/* An output of such an operator, which has been computed in float. */
static enum tf2_status round_again(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2__onnx_value *out,
    const struct tf2__onnx_value *in, struct tf2_error *error)
{
    const struct tf2__quant quant = onnx->graph->tensors[in->tensor].quant;
    out->integer_type = in->integer_type;
    return tf2__onnx_emit_int8_part(
        onnx, node, "u8", TF2_OP_QUANTIZE, &out->tensor, 1, TF2_DTYPE_U8, &quant, &out->tensor, error);
}

enum tf2_status tf2__onnx_convert_moved(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, bool *done, struct tf2_error *error)
{
    const struct tf2__onnx_value *in = tf2__onnx_in(onnx, node, 0);
    *done = in && in->integer_type && !in->lookup && is_mover(node);
    if (!*done)
        return TF2_OK;
    onnx->moves_integers = true;
    const enum tf2_status status = node->op->convert(onnx, node, error);
    onnx->moves_integers = false;
    TF2__TRY(status);
    for (size_t i = 0; i < node->proto->n_output; i++) {
        struct tf2__onnx_value *out = tf2__onnx_find(onnx, node->proto->output[i]);
        if (out && out->state == TF2__ONNX_TENSOR)
            TF2__TRY(round_again(onnx, node, out, in, error));
    }
    return TF2_OK;
}
