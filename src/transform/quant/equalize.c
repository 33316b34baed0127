/* SPDX-License-Identifier: Apache-2.0 */
/*
 * equalize.c: cross-layer equalization.
 *
 * A ReLU (and a maximum, a mean, a sum, a concat) commutes with positive factors per channel. So a channel can be made
 * larger by the weights that compute it and smaller again by the weights that read it (Nagel et al., "Data-free
 * quantization through weight equalization and bias correction", 2019, section 4.1). All activations of a tensor share
 * one scale, so channels that are small in it lose bits; weights have a scale per output channel, so computing a channel
 * larger costs nothing, and only the weights that read it get a wider spread. The factor weighs the two: with r the
 * channel's part of its tensor's range, m the largest part that its weights have of their rows,
 *
 *     x' = x / s    w' = w * s    s = r^(1/2) / m^(1/4)
 *
 * (Xiao et al., "SmoothQuant", 2022, weigh the same two, also with ranges measured on samples).
 *
 * Every channel of every tensor is a variable; nodes that do not mix channels make variables equal (union-find), what
 * does not commute freezes them at 1. So residual connections, concats and several readers need no special cases.
 */
#include <math.h>

#include "transform/pass/rewrite.h"
#include "transform/quant/scheme.h"

/* Exponents of r and m; found on SqueezeNet. Evening out activations fully makes all channels likely to be clipped. */
#define RANGE_EXPONENT  0.5
#define SPREAD_EXPONENT 0.25
#define MIN_RANGE       0.1 /* smaller parts count as this: a channel that was silent may wake up */
#define MAX_FACTOR      32.0
#define N_FUTURE        300 /* r is what one in so many samples reaches */

struct equalizer {
    struct tf2_graph *graph;
    const struct tf2__scheme *scheme;
    const struct tf2__channel_stats *stats;
    size_t *first; /* per tensor that is no constant: its first variable; n_channels of them */
    size_t n_variables;
    size_t *parent; /* union-find */
    bool *frozen;   /* of roots */
    double *range;  /* of roots: the largest part r */
    double *spread; /* of roots: the largest part m */
    double *factor; /* per variable: 1 / s */
};

static int64_t n_channels(const struct equalizer *e, tf2_tensor_id t)
{
    const struct tf2_shape *shape = &e->graph->tensors[t].shape;
    return shape->n_dims >= 2 ? shape->dim[1] : 1;
}

static size_t find(const struct equalizer *e, size_t v)
{
    while (e->parent[v] != v) {
        e->parent[v] = e->parent[e->parent[v]];
        v = e->parent[v];
    }
    return v;
}

static void join(const struct equalizer *e, size_t a, size_t b)
{
    a = find(e, a);
    b = find(e, b);
    e->frozen[TF2__MIN(a, b)] |= e->frozen[TF2__MAX(a, b)];
    e->parent[TF2__MAX(a, b)] = TF2__MIN(a, b);
}

static void freeze(const struct equalizer *e, tf2_tensor_id t)
{
    if (e->graph->tensors[t].data)
        return;
    for (int64_t c = 0; c < n_channels(e, t); c++)
        e->frozen[find(e, e->first[t] + (size_t)c)] = true;
}

/* Channel c of one is channel c of the other. */
static void join_tensors(const struct equalizer *e, tf2_tensor_id a, tf2_tensor_id b)
{
    if (n_channels(e, a) != n_channels(e, b) || e->graph->tensors[a].data || e->graph->tensors[b].data) {
        freeze(e, a);
        freeze(e, b);
        return;
    }
    for (int64_t c = 0; c < n_channels(e, a); c++)
        join(e, e->first[a] + (size_t)c, e->first[b] + (size_t)c);
}

static void freeze_all(const struct equalizer *e, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] != TF2_NO_TENSOR)
            freeze(e, node->in[k]);
    }
    freeze(e, node->out);
}

static bool commutes(enum tf2_activation_kind kind)
{
    return kind == TF2_ACTIVATION_NONE || kind == TF2_ACTIVATION_RELU || kind == TF2_ACTIVATION_LEAKY_RELU ||
           kind == TF2_ACTIVATION_ABS;
}

static void join_concat(const struct equalizer *e, const struct tf2__node *node)
{
    const struct tf2_axis_attr *attr = node->attr;
    uint32_t axis = tf2__rewrite_axis(attr->axis, e->graph->tensors[node->out].shape.n_dims);
    size_t at = e->first[node->out];
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (!tf2__scheme_is_data(e->graph, node, k)) {
            freeze_all(e, node); /* the others must not differ from it */
            return;
        }
    }
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (axis != 1) {
            join_tensors(e, node->in[k], node->out);
            continue;
        }
        for (int64_t c = 0; c < n_channels(e, node->in[k]); c++)
            join(e, at++, e->first[node->in[k]] + (size_t)c);
    }
}

/* Elements keep their order: [N, C, H, W] to [N, C * H * W] and the like. */
static void join_reshape(const struct equalizer *e, const struct tf2__node *node)
{
    const struct tf2_shape *in = &e->graph->tensors[node->in[0]].shape;
    const struct tf2_shape *out = &e->graph->tensors[node->out].shape;
    bool fits = in->n_dims >= 2 && out->n_dims >= 2 && in->dim[0] == out->dim[0];
    int64_t n_in = fits ? tf2_shape_count(in) / in->dim[0] / in->dim[1] : 1;
    int64_t n_out = fits ? tf2_shape_count(out) / out->dim[0] / out->dim[1] : 1;
    if (!fits || n_in % n_out || e->graph->tensors[node->in[0]].data) {
        freeze_all(e, node);
        return;
    }
    for (int64_t c = 0; c < out->dim[1]; c++)
        join(e, e->first[node->out] + (size_t)c, e->first[node->in[0]] + (size_t)(c * n_out / n_in));
}

static void join_eltwise(const struct equalizer *e, const struct tf2__node *node)
{
    const struct tf2_eltwise_attr *attr = node->attr;
    bool linear = attr->kind == TF2_ELTWISE_SUM || attr->kind == TF2_ELTWISE_SUB ||
                  attr->kind == TF2_ELTWISE_MAX || attr->kind == TF2_ELTWISE_MIN;
    for (uint32_t k = 0; k < node->n_in; k++)
        linear &= tf2_shape_equal(&e->graph->tensors[node->in[k]].shape, &e->graph->tensors[node->out].shape);
    if (!linear || !commutes(node->activation.kind)) {
        freeze_all(e, node);
        return;
    }
    for (uint32_t k = 0; k < node->n_in; k++)
        join_tensors(e, node->in[k], node->out);
}

static void join_layer(const struct equalizer *e, const struct tf2__node *node)
{
    if (tf2__scheme_extents(e->graph, node).n_in == 0) {
        freeze_all(e, node);
        return;
    }
    if (!tf2__graph_constant_f32(e->graph, node->in[1]) || !commutes(node->activation.kind))
        freeze(e, node->out);
    if (node->n_in > 3 && node->in[3] != TF2_NO_TENSOR)
        join_tensors(e, node->in[3], node->out);
}

/* And leaves channels alone. */
static bool pads_with_zeros(const struct tf2_pad_attr *attr)
{
    return attr->value == 0 && attr->begin[1] == 0 && attr->end[1] == 0;
}

static void join_node(const struct equalizer *e, const struct tf2__node *node)
{
    switch (node->op->id) {
    case TF2_OP_CONV:
    case TF2_OP_CONV_TRANSPOSE:
    case TF2_OP_GEMM:
        join_layer(e, node);
        return;
    case TF2_OP_PRIOR_BOX: /* reads no values */
        return;
    case TF2_OP_ACTIVATION:
        if (!commutes(((const struct tf2_activation *)node->attr)->kind))
            break;
        join_tensors(e, node->in[0], node->out);
        return;
    case TF2_OP_PAD:
        if (!pads_with_zeros(node->attr))
            break;
        join_tensors(e, node->in[0], node->out);
        return;
    case TF2_OP_IDENTITY:
    case TF2_OP_DROPOUT:
    case TF2_OP_POOL:
    case TF2_OP_PRELU:
    case TF2_OP_RESIZE:
        join_tensors(e, node->in[0], node->out);
        return;
    case TF2_OP_CONCAT:
        join_concat(e, node);
        return;
    case TF2_OP_ELTWISE:
        join_eltwise(e, node);
        return;
    case TF2_OP_FLATTEN:
    case TF2_OP_RESHAPE:
    case TF2_OP_SQUEEZE:
    case TF2_OP_UNSQUEEZE:
        join_reshape(e, node);
        return;
    default:
        break;
    }
    freeze_all(e, node);
}

static double channel_range(const struct equalizer *e, tf2_tensor_id t, int64_t channel)
{
    return tf2__channel_expect(&e->stats[t], channel, N_FUTURE);
}

/* The part that each channel has of the range that it shares a quantization with. */
static void find_ranges(const struct equalizer *e, double *group_max)
{
    for (uint32_t t = 0; t < e->graph->n_tensors; t++) {
        for (int64_t c = 0; e->scheme->as_u8[t] && c < e->stats[t].n_channels; c++)
            group_max[e->scheme->group[t]] = fmax(group_max[e->scheme->group[t]], channel_range(e, t, c));
    }
    for (uint32_t t = 0; t < e->graph->n_tensors; t++) {
        double whole = group_max[e->scheme->group[t]];
        if (!e->scheme->as_u8[t] || !(whole > 0) || e->stats[t].n_channels != n_channels(e, t))
            continue;
        for (int64_t c = 0; c < e->stats[t].n_channels; c++) {
            double *range = &e->range[find(e, e->first[t] + (size_t)c)];
            *range = fmax(*range, channel_range(e, t, c) / whole);
        }
    }
}

/* The part that the weights on each input channel have of the largest in their rows. */
static void find_spreads(const struct equalizer *e, uint32_t index)
{
    const struct tf2__node *node = &e->graph->nodes[index];
    if (!e->scheme->on_int[index] || !tf2__scheme_has_weights(node) || !tf2__scheme_is_data(e->graph, node, 0))
        return;
    const struct tf2__weights_extents x = tf2__scheme_extents(e->graph, node);
    const float *w = tf2__graph_constant_f32(e->graph, node->in[1]);
    if (x.n_in == 0 || !w)
        return;
    for (int64_t o = 0; o < x.n_out; o++, w += x.n_k) {
        const size_t first = e->first[node->in[0]] + (size_t)(o / (x.n_out / x.n_groups) * x.n_in);
        double whole = 0;
        for (int64_t k = 0; k < x.n_k; k++)
            whole = fmax(whole, fabs((double)w[k]));
        for (int64_t k = 0; whole > 0 && k < x.n_k; k++) {
            double *spread = &e->spread[find(e, first + (size_t)(k / x.n_taps))];
            *spread = fmax(*spread, fabs((double)w[k]) / whole);
        }
    }
}

static void choose_factors(const struct equalizer *e, size_t *n_scaled)
{
    for (size_t v = 0; v < e->n_variables; v++) {
        size_t root = find(e, v);
        e->factor[v] = 1;
        if (e->frozen[root] || !(e->range[root] > 0) || !(e->spread[root] > 0))
            continue;
        double s =
            pow(fmax(e->range[root], MIN_RANGE), RANGE_EXPONENT) / pow(e->spread[root], SPREAD_EXPONENT);
        e->factor[v] = fmin(fmax(1 / s, 1 / MAX_FACTOR), MAX_FACTOR);
        *n_scaled += e->factor[v] != 1;
    }
}

/*
 * Rows times the factors of the outputs, columns divided by those of the inputs (1 of a constant input). Constants can
 * be shared: new ones.
 */
static enum tf2_status scale_layer(const struct equalizer *e, uint32_t index, struct tf2_error *error)
{
    struct tf2__node *node = &e->graph->nodes[index];
    const struct tf2__weights_extents x = tf2__scheme_extents(e->graph, node);
    const float *w = tf2__graph_constant_f32(e->graph, node->in[1]);
    const float *bias = node->n_in > 2 ? tf2__graph_constant_f32(e->graph, node->in[2]) : NULL;
    const struct tf2_shape shape = e->graph->tensors[node->in[1]].shape;
    const struct tf2_shape bias_shape = {.n_dims = 1, .dim = {x.n_out}};
    const bool is_data = tf2__scheme_is_data(e->graph, node, 0);
    if (x.n_in == 0 || !w)
        return TF2_OK;
    float *scaled = tf2__arena_alloc(&e->graph->arena, (size_t)(x.n_out * x.n_k), sizeof(*scaled));
    float *scaled_bias = tf2__arena_alloc(&e->graph->arena, (size_t)x.n_out, sizeof(*scaled_bias));
    if (!scaled || !scaled_bias)
        return tf2__fail_memory(error, (size_t)(x.n_out * x.n_k) * sizeof(*scaled), "scaled weights");
    for (int64_t o = 0; o < x.n_out; o++) {
        const double *in =
            is_data ? e->factor + e->first[node->in[0]] + o / (x.n_out / x.n_groups) * x.n_in : NULL;
        const double out = e->factor[e->first[node->out] + (size_t)o];
        for (int64_t k = 0; k < x.n_k; k++)
            scaled[o * x.n_k + k] = (float)(w[o * x.n_k + k] * out / (in ? in[k / x.n_taps] : 1));
        scaled_bias[o] = bias ? (float)(bias[o] * out) : 0;
    }
    TF2__TRY(tf2__rewrite_adopt(e->graph, node->name, "scaled", &shape, scaled, &node->in[1], error));
    if (!bias)
        return TF2_OK;
    return tf2__rewrite_adopt(
        e->graph, node->name, "scaled.bias", &bias_shape, scaled_bias, &node->in[2], error);
}

static enum tf2_status alloc_variables(struct equalizer *e, struct tf2__arena *arena, struct tf2_error *error)
{
    e->first = tf2__arena_alloc(arena, e->graph->n_tensors, sizeof(*e->first));
    for (uint32_t t = 0; e->first && t < e->graph->n_tensors; t++) {
        e->first[t] = e->n_variables;
        e->n_variables += e->graph->tensors[t].data ? 0 : (size_t)n_channels(e, t);
    }
    e->parent = tf2__arena_alloc(arena, e->n_variables, sizeof(*e->parent));
    e->frozen = tf2__arena_alloc(arena, e->n_variables, sizeof(*e->frozen));
    e->range = tf2__arena_alloc(arena, e->n_variables, sizeof(*e->range));
    e->spread = tf2__arena_alloc(arena, e->n_variables, sizeof(*e->spread));
    e->factor = tf2__arena_alloc(arena, e->n_variables, sizeof(*e->factor));
    if (!e->first || !e->parent || !e->frozen || !e->range || !e->spread || !e->factor)
        return tf2__fail_memory(error, e->n_variables * sizeof(*e->factor), "equalization");
    for (size_t v = 0; v < e->n_variables; v++)
        e->parent[v] = v;
    return TF2_OK;
}

enum tf2_status tf2__quant_equalize(
    struct tf2_graph *graph, const struct tf2__scheme *scheme, const struct tf2__channel_stats *stats,
    size_t *n_scaled, struct tf2_error *error)
{
    struct equalizer e = {.graph = graph, .scheme = scheme, .stats = stats};
    const uint32_t n_tensors = graph->n_tensors;
    double *group_max = tf2__arena_alloc(scheme->arena, n_tensors, sizeof(*group_max));
    if (!group_max)
        return tf2__fail_memory(error, n_tensors * sizeof(*group_max), "equalization");
    TF2__TRY(alloc_variables(&e, scheme->arena, error));
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        freeze(&e, graph->inputs[i]);
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        freeze(&e, graph->outputs[i].tensor);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        join_node(&e, &graph->nodes[i]);
    find_ranges(&e, group_max);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        find_spreads(&e, i);
    *n_scaled = 0;
    choose_factors(&e, n_scaled);
    for (uint32_t i = 0; *n_scaled && i < graph->n_nodes; i++) {
        if (tf2__scheme_has_weights(&graph->nodes[i]))
            TF2__TRY(scale_layer(&e, i, error));
    }
    return TF2_OK;
}
