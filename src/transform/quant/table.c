/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c: element-wise functions of one u8 tensor as tables of 256 numbers, computed once in double precision.
 */
#include <math.h>

#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

/* Functions that grow without bound or are not defined everywhere need more than 8 bits of their input. */
static bool suits_table(enum tf2_activation_kind kind)
{
    switch (kind) {
    case TF2_ACTIVATION_EXP:
    case TF2_ACTIVATION_LOG:
    case TF2_ACTIVATION_SQRT:
    case TF2_ACTIVATION_POW:
        return false;
    default:
        return true;
    }
}

/* 1 for a single number, n for n of them, else 0. */
static int64_t count_factors(const struct tf2_graph *graph, tf2_tensor_id id, int64_t n_channels)
{
    const struct tf2_shape *shape = &graph->tensors[id].shape;
    if (!tf2__graph_constant_f32(graph, id))
        return 0;
    if (tf2_shape_count(shape) == 1)
        return 1;
    return shape->n_dims == 1 && shape->dim[0] == n_channels ? n_channels : 0;
}

static int64_t count_scale_tables(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_scale_attr *attr = node->attr;
    const struct tf2_shape *x = &graph->tensors[node->in[0]].shape;
    int64_t n_channels = x->n_dims >= 2 ? x->dim[1] : 0;
    int64_t n = count_factors(graph, node->in[1], n_channels);
    bool along_channels = attr->axis == 1 || attr->axis == 1 - (int32_t)x->n_dims;
    if (node->n_in > 2 && node->in[2] != TF2_NO_TENSOR && count_factors(graph, node->in[2], n_channels) != n)
        return 0;
    return n <= 1 || along_channels ? n : 0;
}

int64_t tf2__scheme_tables(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_shape *x =
        node->n_in && node->in[0] != TF2_NO_TENSOR ? &graph->tensors[node->in[0]].shape : NULL;
    switch (node->op->id) {
    case TF2_OP_ACTIVATION:
        return suits_table(((const struct tf2_activation *)node->attr)->kind);
    case TF2_OP_PRELU:
        return count_factors(graph, node->in[1], x->n_dims >= 2 ? x->dim[1] : 0);
    case TF2_OP_SCALE:
        return count_scale_tables(graph, node);
    case TF2_OP_BATCH_NORM:
        return x->n_dims >= 2 ? x->dim[1] : 0;
    default:
        return 0;
    }
}

static double factor(const struct tf2_graph *graph, const struct tf2__node *node, uint32_t k, int64_t channel)
{
    const float *values = k < node->n_in ? tf2__graph_constant_f32(graph, node->in[k]) : NULL;
    if (!values)
        return 0;
    return values[tf2_shape_count(&graph->tensors[node->in[k]].shape) == 1 ? 0 : channel];
}

static double value(const struct tf2_graph *graph, const struct tf2__node *node, int64_t c, double x)
{
    switch (node->op->id) {
    case TF2_OP_ACTIVATION:
        x = tf2__activation_value(node->attr, x);
        break;
    case TF2_OP_PRELU:
        x = x >= 0 ? x : x * factor(graph, node, 1, c);
        break;
    case TF2_OP_SCALE:
        x = x * factor(graph, node, 1, c) + factor(graph, node, 2, c);
        break;
    case TF2_OP_BATCH_NORM: {
        const struct tf2_batch_norm_attr *attr = node->attr;
        double deviation = sqrt(factor(graph, node, 4, c) + attr->epsilon);
        x = (x - factor(graph, node, 3, c)) / deviation * factor(graph, node, 1, c) +
            factor(graph, node, 2, c);
        break;
    }
    default:
        break;
    }
    return tf2__activation_value(&node->activation, x);
}

void tf2__scheme_table(
    const struct tf2_graph *graph, const struct tf2__node *node, int64_t channel, const struct tf2__quant *in,
    const struct tf2__quant *out, uint8_t table[256])
{
    for (int q = 0; q < 256; q++) {
        double x = (q - in->zero_point) * (double)in->scale;
        table[q] = tf2__to_u8(value(graph, node, channel, x), 1 / (double)out->scale, out->zero_point);
    }
}
