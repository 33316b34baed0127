/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assign.c: which nodes compute on integers, in which forms tensors exist, and which tensors share a quantization.
 *
 * Convolutions and inner products are what is worth it. Other nodes follow them: a node that can and whose input is
 * there as integers does too. At the end of the network, where only floats are wanted, nodes that merely move data go
 * back to float, so that the last convolution writes its sums as they are and nothing is rounded to 8 bits.
 */
#include "transform/ir/layout.h"
#include "transform/quant/scheme.h"

#include <math.h>

/* sum |w| * 255 and the bias each have to stay below 2^30: sums must not wrap around. */
#define MAX_SUM 1073741824.0

/*
 * What the integer kernels of the OpenCL runtime take (src/runtime/cl/step_map_int8.c). The definition takes more, but a
 * model should run on all devices.
 */
#define MAX_ELTWISE_INPUTS 3
#define MAX_LRN_CHANNELS   2048
#define MAX_LRN_SIZE       33

bool tf2__scheme_has_weights(const struct tf2__node *node)
{
    return node->op->id == TF2_OP_CONV || node->op->id == TF2_OP_CONV_TRANSPOSE ||
           node->op->id == TF2_OP_GEMM;
}

bool tf2__scheme_is_data(const struct tf2_graph *graph, const struct tf2__node *node, uint32_t k)
{
    return node->in[k] != TF2_NO_TENSOR && !graph->tensors[node->in[k]].data;
}

struct tf2__weights_extents tf2__scheme_extents(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_shape *x = &graph->tensors[node->in[0]].shape, *w = &graph->tensors[node->in[1]].shape;
    struct tf2__weights_extents e = {
        .n_out = w->dim[0], .n_k = tf2_shape_count(w) / w->dim[0], .n_groups = 1};
    if (node->op->id == TF2_OP_CONV || node->op->id == TF2_OP_CONV_TRANSPOSE) {
        e.n_in = w->dim[1];
        e.n_groups = x->dim[1] / e.n_in;
    } else if (graph->tensors[node->out].shape.n_dims == 2) {
        e.n_in = x->dim[1];
    }
    e.n_taps = e.n_in ? e.n_k / e.n_in : 0;
    return e;
}

uint32_t tf2__scheme_bias_dim(const struct tf2_graph *graph, const struct tf2__node *node)
{
    return node->op->id == TF2_OP_GEMM ? graph->tensors[node->out].shape.n_dims - 1 : 1;
}

/* Whether no sum can wrap around, whatever scale between 0.6 and 1 of the largest weight is chosen. */
static bool sums_fit(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2__weights_extents e = tf2__scheme_extents(graph, node);
    const float *w = tf2__graph_constant_f32(graph, node->in[1]);
    if (!w || (double)e.n_k * 127 * 255 < MAX_SUM)
        return w != NULL;
    for (int64_t o = 0; o < e.n_out; o++, w += e.n_k) {
        double sum = 0, max = 0;
        for (int64_t k = 0; k < e.n_k; k++) {
            sum += fabs((double)w[k]);
            max = fmax(max, fabs((double)w[k]));
        }
        if (sum / 0.6 * 127 * 255 >= MAX_SUM * max && max > 0)
            return false;
    }
    return true;
}

/* Moves data without looking at it. */
static bool is_move(const struct tf2__node *node)
{
    switch (node->op->id) {
    case TF2_OP_IDENTITY:
    case TF2_OP_DROPOUT:
    case TF2_OP_FLATTEN:
    case TF2_OP_RESHAPE:
    case TF2_OP_SQUEEZE:
    case TF2_OP_UNSQUEEZE:
    case TF2_OP_SLICE:
    case TF2_OP_TRANSPOSE:
    case TF2_OP_PAD:
        return node->activation.kind == TF2_ACTIVATION_NONE;
    case TF2_OP_RESIZE:
        return node->activation.kind == TF2_ACTIVATION_NONE &&
               ((const struct tf2_resize_attr *)node->attr)->mode == TF2_RESIZE_NEAREST;
    default:
        return false;
    }
}

static bool is_pool(const struct tf2__node *node, enum tf2_pool_kind kind)
{
    return node->op->id == TF2_OP_POOL && ((const struct tf2_pool_attr *)node->attr)->kind == kind;
}

static bool all_data(const struct tf2_graph *graph, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (!tf2__scheme_is_data(graph, node, k))
            return false;
    }
    return true;
}

/* Across channels, with factors that are finite: with k = 0 the normalization of nothing is infinite. */
static bool has_int_lrn(const struct tf2_graph *graph, const struct tf2__node *node)
{
    const struct tf2_lrn_attr *attr = node->attr;
    const struct tf2_shape *x = &graph->tensors[node->in[0]].shape;
    return tf2__scheme_is_data(graph, node, 0) && attr->region == TF2_LRN_ACROSS_CHANNELS && attr->k >= 1e-3f &&
           attr->alpha >= 0 && attr->beta >= 0 && attr->beta <= 4 && attr->size <= MAX_LRN_SIZE &&
           x->n_dims >= 2 && x->n_dims <= 5 && x->dim[1] <= MAX_LRN_CHANNELS;
}

/* Whether there is an integer form of the node with these attributes and inputs. */
static bool has_int_form(const struct tf2_graph *graph, const struct tf2__node *node)
{
    if (tf2__scheme_has_weights(node))
        return tf2__scheme_is_data(graph, node, 0) && sums_fit(graph, node) &&
               (node->n_in < 4 || node->in[3] == TF2_NO_TENSOR || tf2__scheme_is_data(graph, node, 3));
    if (tf2__scheme_tables(graph, node) > 0)
        return tf2__scheme_is_data(graph, node, 0);
    if (node->op->id == TF2_OP_ELTWISE) {
        const struct tf2_eltwise_attr *attr = node->attr;
        if (attr->kind >= TF2_ELTWISE_DIV || (attr->kind == TF2_ELTWISE_PROD && node->n_in != 2) ||
            node->n_in > MAX_ELTWISE_INPUTS)
            return false;
        return all_data(graph, node);
    }
    if (node->op->id == TF2_OP_LRN)
        return has_int_lrn(graph, node);
    if (node->op->id == TF2_OP_CONCAT)
        return node->activation.kind == TF2_ACTIVATION_NONE && all_data(graph, node);
    return (is_move(node) || node->op->id == TF2_OP_POOL) &&
           tf2__scheme_is_data(graph, node, 0);
}

/* Whether the integer form can write floats. */
static bool writes_f32(const struct tf2__node *node)
{
    return tf2__scheme_has_weights(node) || is_pool(node, TF2_POOL_AVG);
}

/* What assigning needs to know of the graph. */
struct assigner {
    struct tf2__scheme *scheme;
    const struct tf2_graph *graph;
    bool *can;        /* per node: has an integer form and may use it */
    uint32_t *n_uses; /* per tensor */
    uint32_t *n_int;  /* per tensor: uses by integer nodes, while going backwards */
    bool *floatable;  /* per tensor: could be float without a conversion */
};

static bool is_int_tensor(const struct assigner *a, tf2_tensor_id t)
{
    uint32_t producer = a->graph->tensors[t].producer;
    return producer != TF2__NO_NODE && a->scheme->on_int[producer];
}

static bool any_int_input(const struct assigner *a, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (tf2__scheme_is_data(a->graph, node, k) && is_int_tensor(a, node->in[k]))
            return true;
    }
    return false;
}

static void go_forward(struct assigner *a)
{
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        a->scheme->on_int[i] = a->can[i] && (tf2__scheme_has_weights(node) || any_int_input(a, node));
    }
}

/* A tensor that only this chain reads, from something that can write floats. */
static void find_floatable(struct assigner *a)
{
    for (uint32_t t = 0; t < a->graph->n_tensors; t++)
        a->floatable[t] = a->graph->tensors[t].producer == TF2__NO_NODE;
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        bool floatable = !writes_f32(node);
        for (uint32_t k = 0; floatable && k < node->n_in; k++) {
            if (tf2__scheme_is_data(a->graph, node, k))
                floatable = a->floatable[node->in[k]];
        }
        floatable = (floatable || writes_f32(node)) && a->n_uses[node->out] == 1;
        a->floatable[node->out] = floatable || !a->scheme->on_int[i];
    }
}

static bool inputs_floatable(const struct assigner *a, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (tf2__scheme_is_data(a->graph, node, k) && !a->floatable[node->in[k]])
            return false;
    }
    return true;
}

/* Readers are settled before the nodes that they read. */
static void go_backward(struct assigner *a)
{
    for (uint32_t i = a->graph->n_nodes; i-- > 0;) {
        const struct tf2__node *node = &a->graph->nodes[i];
        bool *on_int = &a->scheme->on_int[i];
        uint32_t n_int = a->n_int[node->out];
        if (*on_int && n_int == 0 && !writes_f32(node) && inputs_floatable(a, node))
            *on_int = false;
        else if (!*on_int && a->can[i] && is_move(node) && n_int > 0 && n_int == a->n_uses[node->out])
            *on_int = true; /* in front of the first convolution: the input is quantized before it is moved */
        for (uint32_t k = 0; *on_int && k < node->n_in; k++) {
            if (tf2__scheme_is_data(a->graph, node, k))
                a->n_int[node->in[k]]++;
        }
    }
}

static void set_forms(const struct assigner *a)
{
    struct tf2__scheme *s = a->scheme;
    memset(s->as_u8, 0, a->graph->n_tensors * sizeof(*s->as_u8));
    memset(s->as_f32, 0, a->graph->n_tensors * sizeof(*s->as_f32));
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in && !node->op->reads_shapes_only; k++) {
            if (tf2__scheme_is_data(a->graph, node, k))
                (s->on_int[i] ? s->as_u8 : s->as_f32)[node->in[k]] = true;
        }
    }
    for (uint32_t i = 0; i < a->graph->n_outputs; i++)
        s->as_f32[a->graph->outputs[i].tensor] = true;
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        if (!s->on_int[i])
            s->as_f32[node->out] = true;
        else if (!writes_f32(node) || !s->as_f32[node->out])
            s->as_u8[node->out] = true;
    }
}

static tf2_tensor_id find_group(tf2_tensor_id *group, tf2_tensor_id t)
{
    while (group[t] != t) {
        group[t] = group[group[t]];
        t = group[t];
    }
    return t;
}

static void join(tf2_tensor_id *group, tf2_tensor_id a, tf2_tensor_id b)
{
    a = find_group(group, a);
    b = find_group(group, b);
    group[TF2__MAX(a, b)] = TF2__MIN(a, b);
}

/*
 * A move or a maximum keeps its input's quantization. What a concat joins is written in the concat's quantization: then
 * the concat is free, and nothing is rounded twice. Only an input that others read too keeps its own.
 */
static void join_groups(const struct assigner *a)
{
    struct tf2__scheme *s = a->scheme;
    for (tf2_tensor_id t = 0; t < a->graph->n_tensors; t++)
        s->group[t] = t;
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        if (!s->on_int[i])
            continue;
        if (is_move(node) || is_pool(node, TF2_POOL_MAX))
            join(s->group, node->in[0], node->out);
        for (uint32_t k = 0; node->op->id == TF2_OP_CONCAT && k < node->n_in; k++) {
            if (a->n_uses[node->in[k]] == 1)
                join(s->group, node->in[k], node->out);
        }
    }
    for (tf2_tensor_id t = 0; t < a->graph->n_tensors; t++)
        s->group[t] = find_group(s->group, t);
}

static void count_uses(const struct assigner *a)
{
    for (uint32_t i = 0; i < a->graph->n_nodes; i++) {
        const struct tf2__node *node = &a->graph->nodes[i];
        for (uint32_t k = 0; k < node->n_in && !node->op->reads_shapes_only; k++) {
            if (node->in[k] != TF2_NO_TENSOR)
                a->n_uses[node->in[k]]++;
        }
    }
    for (uint32_t i = 0; i < a->graph->n_outputs; i++)
        a->n_uses[a->graph->outputs[i].tensor]++;
}

enum tf2_status
tf2__scheme_assign(struct tf2__scheme *scheme, const bool *forced_float, struct tf2_error *error)
{
    const struct tf2_graph *graph = scheme->graph;
    struct assigner a = {.scheme = scheme, .graph = graph};
    a.can = tf2__arena_alloc(scheme->arena, graph->n_nodes, sizeof(*a.can));
    a.n_uses = tf2__arena_alloc(scheme->arena, graph->n_tensors, sizeof(*a.n_uses));
    a.n_int = tf2__arena_alloc(scheme->arena, graph->n_tensors, sizeof(*a.n_int));
    a.floatable = tf2__arena_alloc(scheme->arena, graph->n_tensors, sizeof(*a.floatable));
    if (!a.can || !a.n_uses || !a.n_int || !a.floatable)
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*a.n_uses), "a quantization scheme");
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        a.can[i] = !(forced_float && forced_float[i]) && has_int_form(graph, &graph->nodes[i]) &&
                   !tf2__layout_turns_input(graph, &graph->nodes[i]); /* it says how the input lies */
    count_uses(&a);
    go_forward(&a);
    find_floatable(&a);
    go_backward(&a);
    set_forms(&a);
    join_groups(&a);
    return TF2_OK;
}

enum tf2_status tf2__scheme_init(
    struct tf2__scheme *s, const struct tf2_graph *graph, struct tf2__arena *arena, struct tf2_error *error)
{
    *s = (struct tf2__scheme){.arena = arena, .graph = graph};
    s->on_int = tf2__arena_alloc(arena, graph->n_nodes, sizeof(*s->on_int));
    s->weights = tf2__arena_alloc(arena, graph->n_nodes, sizeof(*s->weights));
    s->as_u8 = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->as_u8));
    s->as_f32 = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->as_f32));
    s->group = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->group));
    s->range = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->range));
    s->quant = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->quant));
    s->offset = tf2__arena_alloc(arena, graph->n_tensors, sizeof(*s->offset));
    if (!s->on_int || !s->weights || !s->as_u8 || !s->as_f32 || !s->group || !s->range || !s->quant ||
        !s->offset)
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*s->quant), "a quantization scheme");
    return TF2_OK;
}
