/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shift.c: zero points per channel, as this library's ONNX files have them: as a summand before the rounding, which is
 * subtracted behind it.
 *
 *     x ─ + a[c] ─ QUANTIZE, zero point 0 ─ DEQUANTIZE ─ - b[c] ─▶ conv
 *
 * Where every b[c] is an integer z[c] times the scale, the integers are those of a QUANTIZE with the zero points z and the
 * offset z * scale - a. Only convolutions of integers take such: every reader has to be one.
 */
#include <math.h>

#include "transform/quant/lower_internal.h"

/* So many are looked for: they are at a network's inputs, and each takes a look at all nodes. */
#define MAX_SHIFTS 64

/* A SCALE node along channels whose factors are 1: its summands; else NULL. */
static const float *summands(const struct tf2_graph *graph, uint32_t index)
{
    const struct tf2__node *node = &graph->nodes[index];
    const struct tf2_scale_attr *attr = node->attr;
    if (node->op->id != TF2_OP_SCALE || node->activation.kind != TF2_ACTIVATION_NONE || node->n_in != 3 ||
        node->in[2] == TF2_NO_TENSOR || node->dead)
        return NULL;
    const struct tf2_shape *shape = &graph->tensors[node->out].shape,
                           *along = &graph->tensors[node->in[1]].shape;
    const float *factor = tf2__graph_constant_f32(graph, node->in[1]);
    if (tf2__rewrite_axis(attr->axis, shape->n_dims) != 1 || along->n_dims != 1 ||
        along->dim[0] != shape->dim[1] || !tf2_shape_equal(along, &graph->tensors[node->in[2]].shape) ||
        !factor)
        return NULL;
    for (int64_t c = 0; c < shape->dim[1]; c++) {
        if (factor[c] != 1)
            return NULL;
    }
    return tf2__graph_constant_f32(graph, node->in[2]);
}

/* The node that computes a tensor which only one node reads, if it is of this operator. */
static uint32_t only_producer(
    const struct tf2_graph *graph, const struct tf2__uses *uses, tf2_tensor_id tensor, enum tf2_op op)
{
    const uint32_t index = tf2__rewrite_producer(graph, tensor);
    const bool found = index != TF2__NO_NODE && graph->nodes[index].op->id == op &&
                       graph->nodes[index].activation.kind == TF2_ACTIVATION_NONE &&
                       tf2__uses_single(uses, tensor) != TF2__NO_NODE;
    return found ? index : TF2__NO_NODE;
}

/* b as zero points; NULL: they are none. In the graph's arena. */
static const uint8_t *zero_points(struct tf2_graph *graph, const float *b, int64_t n, float scale)
{
    uint8_t *z = tf2__arena_alloc(&graph->arena, (size_t)n, 1);
    for (int64_t c = 0; z && c < n; c++) {
        const double value = rint(-(double)b[c] / scale);
        if (!(value >= 0 && value <= 255) || (float)(value * scale) != -b[c])
            return NULL;
        z[c] = (uint8_t)value;
    }
    return z;
}

/* Whether all readers of the tensor are convolutions that take zero points per channel. */
static bool readers_take(
    const struct tf2_graph *graph, const struct tf2__uses *uses, tf2_tensor_id tensor,
    const struct tf2__quant *quant)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        if (!node->dead && node->in[0] == tensor && tf2__lower_takes_channels(graph, node, quant))
            n++;
    }
    return n > 0 && n == uses->count[tensor];
}

/* Gives QUANTIZE `q` the offset z * scale - a (a NULL: 0), where there is any, and the input in front of a. */
static enum tf2_status set_offset(
    struct tf2_graph *graph, uint32_t q, const uint8_t *z, const float *a, tf2_tensor_id x,
    struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &graph->tensors[graph->nodes[q].out];
    const struct tf2_shape shape = {.n_dims = 1, .dim = {tensor->shape.dim[1]}};
    float *offset = tf2__arena_alloc(&graph->arena, (size_t)shape.dim[0], sizeof(*offset));
    tf2_tensor_id id;
    bool any = false;
    if (!offset)
        return tf2__fail_memory(error, (size_t)shape.dim[0] * sizeof(*offset), "an offset");
    for (int64_t c = 0; c < shape.dim[0]; c++) {
        offset[c] = (float)((double)z[c] * tensor->quant.scale - (a ? a[c] : 0));
        any |= offset[c] != 0;
    }
    graph->nodes[q].in[0] = x;
    if (!any)
        return TF2_OK;
    TF2__TRY(tf2__rewrite_adopt(graph, tensor->name, "offset", &shape, offset, &id, error));
    return tf2__rewrite_set_input(graph, q, 1, id, error);
}

/* Node `index` subtracts: takes its summands into the QUANTIZE before it where that can be. */
static enum tf2_status take(
    struct tf2_graph *graph, const struct tf2__uses *uses, uint32_t index, uint32_t *n_tried,
    struct tf2_error *error)
{
    const float *b = summands(graph, index);
    struct tf2__node *behind = &graph->nodes[index];
    const uint32_t d = b ? only_producer(graph, uses, behind->in[0], TF2_OP_DEQUANTIZE) : TF2__NO_NODE;
    const uint32_t q =
        d == TF2__NO_NODE ? d : only_producer(graph, uses, graph->nodes[d].in[0], TF2_OP_QUANTIZE);
    if (q == TF2__NO_NODE || graph->nodes[q].n_in != 1)
        return TF2_OK;
    struct tf2__tensor *tensor = &graph->tensors[graph->nodes[q].out];
    const int64_t n_channels = tensor->shape.dim[1];
    struct tf2__quant quant = tensor->quant;
    if (quant.zero_point != 0 || quant.channel_zero_point)
        return TF2_OK;
    quant.channel_zero_point = zero_points(graph, b, n_channels, quant.scale);
    if (!quant.channel_zero_point || ++*n_tried > MAX_SHIFTS ||
        !readers_take(graph, uses, behind->out, &quant))
        return TF2_OK;
    tf2_tensor_id x = graph->nodes[q].in[0];
    const uint32_t front = only_producer(graph, uses, x, TF2_OP_SCALE);
    const float *a = front == TF2__NO_NODE ? NULL : summands(graph, front);
    if (a) {
        x = graph->nodes[front].in[0];
        graph->nodes[front].dead = true;
    }
    tensor->quant = quant;
    TF2__TRY(set_offset(graph, q, quant.channel_zero_point, a, x, error));
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (!graph->nodes[i].dead && graph->nodes[i].in[0] == behind->out)
            graph->nodes[i].in[0] = behind->in[0];
    }
    behind->dead = true;
    return TF2_OK;
}

enum tf2_status tf2__lower_shifts(struct tf2_graph *graph, struct tf2_error *error)
{
    struct tf2__uses uses;
    uint32_t n_tried = 0;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++)
        status = take(graph, &uses, i, &n_tried, error);
    tf2__uses_finish(&uses);
    if (n_tried)
        tf2__graph_compact(graph);
    return status;
}
