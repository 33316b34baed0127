/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_quant.c: tensors of integers in ONNX: QuantizeLinear behind what makes them, DequantizeLinear (one per
 * tensor) in front of what reads them, with scales and zero points as initializers; the operators that are
 * about integers themselves.
 *
 *     x ─ DequantizeLinear ─┐
 *     w ─ DequantizeLinear ─┼─▶ Conv ─▶ Relu ─▶ QuantizeLinear ─▶ y
 *     b ─ DequantizeLinear ─┘
 *
 * w is s8, its scales run along axis 0; b is s32, its scales are those of x times those of w.
 */
#include "transform/export/onnx.h"

#include <math.h>

#define TABLE 256

/* ---- initializers of a tensor ---- */

/* Scale and zero point of an activation; zero points per channel are not said here, see shift(). */
static void write_u8_parameters(struct tf2__export *e, tf2_tensor_id id)
{
    static const struct tf2_shape scalar = {0};
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    struct tf2__export_value *value = &e->values[id];
    uint8_t *zero_point = tf2__export_alloc(e, 1, 1);
    if (!zero_point)
        return;
    *zero_point = (uint8_t)(tensor->quant.channel_zero_point ? 0 : tensor->quant.zero_point);
    value->scale = tf2__export_name(e, tensor->name, "scale");
    value->zero_point = tf2__export_name(e, tensor->name, "zero_point");
    tf2__export_initializer(e, value->scale, TF2__EXPORT_FLOAT, &scalar, &tensor->quant.scale);
    tf2__export_initializer(e, value->zero_point, TF2__EXPORT_UINT8, &scalar, zero_point);
}

/* The same for weights: one scale for all or per output channel, all zero points 0. */
static void write_s8_parameters(struct tf2__export *e, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    struct tf2__export_value *value = &e->values[id];
    const float *scales = tensor->quant.channel_scale;
    const int64_t n = scales ? tensor->shape.dim[0] : 1;
    const struct tf2_shape shape = {.n_dims = scales != NULL, .dim = {n}};
    value->scale = tf2__export_name(e, tensor->name, "scale");
    value->zero_point = tf2__export_name(e, tensor->name, "zero_point");
    tf2__export_initializer(
        e, value->scale, TF2__EXPORT_FLOAT, &shape, scales ? scales : &tensor->quant.scale);
    tf2__export_initializer(
        e, value->zero_point, TF2__EXPORT_INT8, &shape, tf2__export_alloc(e, (size_t)n, 1));
}

/* Scale and zero point are initializers afterwards. */
static const struct tf2__export_value *parameters(struct tf2__export *e, tf2_tensor_id id)
{
    if (!e->values[id].scale) {
        if (e->graph->tensors[id].dtype == TF2_DTYPE_S8)
            write_s8_parameters(e, id);
        else
            write_u8_parameters(e, id);
    }
    if (!e->values[id].scale)
        e->values[id].scale = e->values[id].zero_point = ""; /* out of memory */
    return &e->values[id];
}

/* ---- conversions ---- */

/*
 * Zero points per channel (where with_zero_points) as real numbers, less `offset` (NULL: none): what is added
 * in front of a QuantizeLinear of zero point 0 and subtracted behind the DequantizeLinear. ONNX could say
 * them in these nodes, but ONNX Runtime then makes an integer convolution of what follows, and that does not
 * take them.
 */
static const char *
write_shift(struct tf2__export *e, tf2_tensor_id id, bool with_zero_points, const float *offset)
{
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    const struct tf2__quant *quant = &tensor->quant;
    const struct tf2_shape shape = tf2__export_along_channels(tensor->shape.dim[1], tensor->shape.n_dims);
    const char *name = tf2__export_name(e, tensor->name, "shift");
    float *shift = tf2__export_alloc(e, (size_t)tensor->shape.dim[1], sizeof(*shift));
    for (int64_t c = 0; shift && c < tensor->shape.dim[1]; c++) {
        double zero_point = with_zero_points ? quant->channel_zero_point[c] : 0;
        shift[c] = (float)(zero_point * quant->scale - (offset ? offset[c] : 0));
    }
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, &shape, shift);
    return name;
}

const char *tf2__export_real(struct tf2__export *e, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    struct tf2__export_value *value = &e->values[id];
    if (value->real)
        return value->real;
    const struct tf2__export_value *p = parameters(e, id);
    const char *y = tf2__export_op_of(
        e, tensor->name, "DequantizeLinear", TF2__EXPORT_IN(value->name, p->scale, p->zero_point));
    if (tensor->quant.channel_scale)
        tf2__export_attr_int(e, "axis", 0);
    if (tensor->quant.channel_zero_point)
        y = tf2__export_op_of(e, tensor->name, "Sub", TF2__EXPORT_IN(y, write_shift(e, id, true, NULL)));
    value->real = y;
    return y;
}

const char *tf2__export_quantized(struct tf2__export *e, tf2_tensor_id id, const char *x)
{
    const struct tf2__export_value *p = parameters(e, id);
    return tf2__export_op(e, "QuantizeLinear", TF2__EXPORT_IN(x, p->scale, p->zero_point));
}

const char *tf2__export_bias(struct tf2__export *e, tf2_tensor_id id)
{
    const struct tf2__tensor *x = &e->graph->tensors[e->node->in[0]];
    const struct tf2__tensor *w = &e->graph->tensors[e->node->in[1]];
    const struct tf2_shape *shape = tf2__export_shape(e, id);
    const char *name = tf2__export_name(e, e->node->name, "bias_scale");
    float *scales = tf2__export_alloc(e, (size_t)shape->dim[0], sizeof(*scales));
    for (int64_t o = 0; scales && o < shape->dim[0]; o++)
        scales[o] = (float)((double)x->quant.scale * tf2__quant_scale(&w->quant, o));
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, shape, scales);
    const char *real = tf2__export_op_of(
        e, e->graph->tensors[id].name, "DequantizeLinear", TF2__EXPORT_IN(e->values[id].name, name));
    tf2__export_attr_int(e, "axis", 0);
    return real;
}

/* ---- operators ---- */

/* The activation is that of x - offset; without one, offset and zero points are one summand. */
const char *tf2__export_quantize(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2__export_value *p = parameters(e, node->out);
    const float *offset = node->n_in > 1 ? tf2__graph_constant_f32(e->graph, node->in[1]) : NULL;
    const bool per_channel = e->graph->tensors[node->out].quant.channel_zero_point != NULL;
    const bool active = node->activation.kind != TF2_ACTIVATION_NONE;
    const char *x = tf2__export_in(e, 0);
    if (active && offset)
        x = tf2__export_op(e, "Add", TF2__EXPORT_IN(x, write_shift(e, node->out, false, offset)));
    x = tf2__export_fused(e, &node->activation, x);
    if (per_channel || (offset && !active))
        x = tf2__export_op(
            e, "Add", TF2__EXPORT_IN(x, write_shift(e, node->out, per_channel, active ? NULL : offset)));
    return tf2__export_main(e, "QuantizeLinear", TF2__EXPORT_IN(x, p->scale, p->zero_point));
}

/* Not the shared node in front of other readers: this one has the graph node's name. */
const char *tf2__export_dequantize(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2__export_value *p = parameters(e, node->in[0]);
    const char *y = tf2__export_main(
        e, "DequantizeLinear", TF2__EXPORT_IN(e->values[node->in[0]].name, p->scale, p->zero_point));
    return tf2__export_fused(e, &node->activation, y);
}

/* All tables behind each other, narrowed by the fused activation. */
static const char *write_table(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2__tensor *out = &e->graph->tensors[node->out], *from = &e->graph->tensors[node->in[1]];
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(&out->quant, &node->activation);
    const int32_t lo = (int32_t)bounds.lo + out->quant.zero_point;
    const int32_t hi = (int32_t)bounds.hi + out->quant.zero_point;
    const struct tf2_shape flat = {.n_dims = 1, .dim = {tf2_shape_count(&from->shape)}};
    const char *name = tf2__export_name(e, node->name, "table");
    uint8_t *table = tf2__export_alloc(e, (size_t)flat.dim[0], 1);
    for (int64_t i = 0; table && i < flat.dim[0]; i++)
        table[i] = (uint8_t)TF2__MIN(TF2__MAX(((const uint8_t *)from->data)[i], lo), hi);
    tf2__export_initializer(e, name, TF2__EXPORT_UINT8, &flat, table);
    return name;
}

/* Where each channel's table begins. */
static const char *write_offsets(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_shape *x = tf2__export_shape(e, node->in[0]);
    const struct tf2_shape along = tf2__export_along_channels(x->dim[1], x->n_dims);
    const char *name = tf2__export_name(e, node->name, "offset");
    int32_t *offsets = tf2__export_alloc(e, (size_t)x->dim[1], sizeof(*offsets));
    for (int64_t c = 0; offsets && c < x->dim[1]; c++)
        offsets[c] = (int32_t)(c * TABLE);
    tf2__export_initializer(e, name, TF2__EXPORT_INT32, &along, offsets);
    return name;
}

const char *tf2__export_lookup(struct tf2__export *e, const struct tf2__node *node)
{
    const char *table = write_table(e, node);
    const char *index = tf2__export_op(e, "Cast", TF2__EXPORT_IN(e->values[node->in[0]].name));
    tf2__export_attr_int(e, "to", TF2__EXPORT_INT32);
    if (tf2__export_shape(e, node->in[1])->n_dims == 2)
        index = tf2__export_op(e, "Add", TF2__EXPORT_IN(index, write_offsets(e, node)));
    const char *y = tf2__export_main(e, "Gather", TF2__EXPORT_IN(table, index));
    tf2__export_attr_int(e, "axis", 0);
    return y;
}
