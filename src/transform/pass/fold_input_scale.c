/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold_input_scale.c: factors and summands in front of a convolution or GEMM go into its weights and bias.
 *
 *     sum over i of w[o, i] * (mul[i] * x[i] + add[i]) + b[o]
 *         = sum over i of (w[o, i] * mul[i]) * x[i]  +  (b[o] + sum over i of w[o, i] * add[i])
 *
 * Padding is zero behind the SCALE; in front of it, it is zero only where the summand is: with padding,
 * factors alone are folded.
 */
#include "transform/pass/affine.h"

#include <float.h>
#include <math.h>

/* Weights as [O, n_in, inner]: row o reads input channels first(o) .. first(o) + n_in - 1. */
struct layout {
    size_t n_out, n_in, inner;
    size_t group_out; /* output channels per group */
};

static bool find_layout(
    const struct tf2_graph *graph, const struct tf2__node *node, size_t n_channels, struct layout *layout)
{
    size_t group = 1;
    if (node->op->id != TF2_OP_CONV && node->op->id != TF2_OP_GEMM)
        return false;
    const struct tf2_shape *x = &graph->tensors[node->in[0]].shape;
    const struct tf2_shape *w = &graph->tensors[node->in[1]].shape;
    const size_t row = (size_t)(tf2_shape_count(w) / w->dim[0]);
    layout->n_out = (size_t)w->dim[0];
    layout->n_in = n_channels;
    if (node->op->id == TF2_OP_CONV) {
        const struct tf2_conv_attr *attr = node->attr;
        group = attr->group ? (size_t)attr->group : 1;
        layout->n_in = (size_t)w->dim[1];
    } else if (tf2__rewrite_axis(((const struct tf2_gemm_attr *)node->attr)->axis, x->n_dims) != 1) {
        return false;
    }
    layout->inner = row / layout->n_in;
    layout->group_out = layout->n_out / group;
    return layout->n_in * group == n_channels && layout->inner * layout->n_in == row;
}

/* Whether the node reads positions beyond its input, for any extent of it. */
static bool may_read_padding(const struct tf2_graph *graph, const struct tf2__node *node)
{
    if (node->op->id != TF2_OP_CONV)
        return false;
    const struct tf2_window *window = &((const struct tf2_conv_attr *)node->attr)->window;
    const struct tf2_shape *w = &graph->tensors[node->in[1]].shape;
    for (uint32_t d = 0; d + 2 < w->n_dims; d++) {
        if (window->auto_pad == TF2_AUTO_PAD_EXPLICIT && (window->pad_begin[d] || window->pad_end[d]))
            return true;
        if ((window->auto_pad == TF2_AUTO_PAD_SAME_UPPER || window->auto_pad == TF2_AUTO_PAD_SAME_LOWER) &&
            w->dim[2 + d] > 1)
            return true;
    }
    return false;
}

/* What the new constants are computed into. */
struct folded {
    float *weights; /* in the arena: it becomes the constant */
    double *shift;  /* bias, and weights times summands */
    double largest; /* magnitude among them */
};

static void compute(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct layout *layout,
    const struct tf2__affine *affine, struct folded *folded)
{
    const float *w = graph->tensors[node->in[1]].data;
    const float *bias = node->n_in > 2 ? tf2__graph_constant_f32(graph, node->in[2]) : NULL;
    float *out = folded->weights;
    for (size_t o = 0; o < layout->n_out; o++) {
        size_t first = o / layout->group_out * layout->n_in;
        double shift = bias ? bias[o] : 0;
        for (size_t c = first; c < first + layout->n_in; c++) {
            for (size_t k = 0; k < layout->inner; k++, w++, out++) {
                double value = *w * affine->mul[c];
                folded->largest = fmax(folded->largest, fabs(value));
                *out = (float)value;
                shift += *w * affine->add[c];
            }
        }
        folded->largest = fmax(folded->largest, fabs(shift));
        folded->shift[o] = shift;
    }
}

static enum tf2_status replace(
    struct tf2_graph *graph, uint32_t index, const struct tf2__affine *affine, const struct folded *folded,
    struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[index];
    const struct tf2_shape w = graph->tensors[node->in[1]].shape;
    const struct tf2_shape b = {.n_dims = 1, .dim = {w.dim[0]}};
    tf2_tensor_id weights = node->in[1], bias;
    if (tf2__affine_has_mul(affine))
        TF2__TRY(tf2__rewrite_adopt(
            graph, graph->tensors[weights].name, "folded", &w, folded->weights, &weights, error));
    node->in[1] = weights;
    if (!tf2__affine_has_add(affine))
        return TF2_OK;
    TF2__TRY(tf2__rewrite_constant(graph, node->name, "bias.folded", &b, folded->shift, &bias, error));
    return tf2__rewrite_set_input(graph, index, 2, bias, error);
}

/* Folds the chain into node `index`; *done says whether it was possible. */
static enum tf2_status fold(
    struct tf2_graph *graph, uint32_t index, const struct tf2__affine *affine, bool *done,
    struct tf2_error *error)
{
    const struct tf2__node *node = &graph->nodes[index];
    const struct tf2_env *env = &graph->arena.env;
    struct folded folded = {0};
    struct layout layout;
    if (!find_layout(graph, node, affine->n, &layout) ||
        (tf2__affine_has_add(affine) && may_read_padding(graph, node)))
        return TF2_OK;
    size_t n = layout.n_out * layout.n_in * layout.inner;
    if (!tf2__rewrite_spend(graph, n * sizeof(*folded.weights)))
        return TF2_OK;
    folded.weights = tf2__arena_alloc(&graph->arena, n, sizeof(*folded.weights));
    folded.shift = tf2__calloc(env, layout.n_out, sizeof(*folded.shift));
    enum tf2_status status = TF2_OK;
    if (!folded.weights || !folded.shift) {
        status = tf2__fail_memory(error, n * sizeof(*folded.weights), "folded weights");
    } else {
        compute(graph, node, &layout, affine, &folded);
        *done = folded.largest <= FLT_MAX;
    }
    if (*done)
        status = replace(graph, index, affine, &folded, error);
    tf2__free(env, folded.shift);
    return status;
}

/* Node `index` computes factors and summands: gives them to its only reader if that can take them. */
static enum tf2_status fold_into_reader(
    struct tf2_graph *graph, struct tf2__uses *uses, uint32_t index, tf2_tensor_id x, bool *changed,
    struct tf2_error *error)
{
    struct tf2__node *node = &graph->nodes[index];
    uint32_t reader = tf2__uses_single(uses, node->out);
    struct tf2__affine affine;
    bool done = false;
    enum tf2_status status = TF2_OK;
    if (node->activation.kind != TF2_ACTIVATION_NONE || reader == TF2__NO_NODE ||
        graph->nodes[reader].in[0] != node->out)
        return TF2_OK;
    TF2__TRY(tf2__affine_init(&affine, graph, graph->tensors[x].shape.dim[1], error));
    if (tf2__affine_append(&affine, node, 1))
        status = fold(graph, reader, &affine, &done, error);
    tf2__affine_finish(&affine);
    if (done) {
        graph->nodes[reader].in[0] = x;
        if (uses->reader[x] == index)
            uses->reader[x] = reader;
        *changed = node->dead = true;
    }
    return status;
}

TF2__PASS_DEFINE(fold_input_scale)
{
    struct tf2__uses uses;
    enum tf2_status status = TF2_OK;
    TF2__TRY(tf2__uses_init(&uses, graph, error));
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        tf2_tensor_id x = tf2__affine_data_input(graph, &graph->nodes[i]);
        if (x != TF2_NO_TENSOR && graph->tensors[x].shape.n_dims >= 2)
            status = fold_into_reader(graph, &uses, i, x, changed, error);
    }
    tf2__uses_finish(&uses);
    return status;
}
