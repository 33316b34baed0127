/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower.c: integer nodes for what a quantized file computes between its roundings.
 *
 *     u8 ─ DEQUANTIZE ─▶ conv ─▶ relu ─▶ QUANTIZE ─ u8        u8 ─▶ conv + relu ─▶ u8
 *
 * One walk in order of computation copies the graph. Every tensor of the old graph has a u8 form, a float form, or both in
 * the new one; a node computes on integers when its data inputs have u8 forms, its operator has an integer form, and its
 * result is rounded (convolutions, products and averages can also write floats). Nodes that only move data do so on u8.
 * All others stay float, with the roundings around them. So a rounding is never lost and none is added.
 *
 * A sum that is rounded together with a convolution's result, which is not, is the convolution's residual: such a
 * convolution waits for the sum.
 */
#include "transform/quant/lower.h"

#include <math.h>
#include <stdio.h>

#include "transform/op/int8.h"
#include "transform/quant/lower_internal.h"
#include "transform/quant/scheme.h"

/* What the integer kernels of the OpenCL runtime take, see assign.c. */
#define MAX_ELTWISE_INPUTS 3

/* ---- names and constants of the new graph ---- */

void tf2__lower_name(
    const struct tf2__lowering *l, const char *name, const char *suffix, char result[TF2__REWRITE_NAME_BYTES])
{
    if (tf2__graph_find(l->to, name) == TF2_NO_TENSOR)
        snprintf(result, TF2__REWRITE_NAME_BYTES, "%s", name);
    else
        tf2__quant_name(l->from, l->to, true, name, suffix, result);
}

enum tf2_status tf2__lower_constant(
    struct tf2__lowering *l, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, const void *data, tf2_tensor_id *id, struct tf2_error *error)
{
    const size_t n_bytes = (size_t)tf2_shape_count(shape) * tf2_dtype_size_bytes(dtype);
    char free_name[TF2__REWRITE_NAME_BYTES];
    void *copy = tf2__arena_alloc(&l->to->arena, n_bytes, 1);
    if (!copy)
        return tf2__fail_memory(error, n_bytes, "a constant");
    memcpy(copy, data, n_bytes);
    tf2__lower_name(l, name, "again", free_name);
    return tf2__graph_adopt_quantized(l->to, free_name, dtype, shape, quant, copy, id, error);
}

/* ---- forms of tensors ---- */

static bool is_constant(const struct tf2__lowering *l, tf2_tensor_id t)
{
    return l->from->tensors[t].data != NULL;
}

static bool has_u8(const struct tf2__lowering *l, tf2_tensor_id t)
{
    return t != TF2_NO_TENSOR && l->u8[t] != TF2_NO_TENSOR;
}

static const struct tf2__quant *quant_of(const struct tf2__lowering *l, tf2_tensor_id t)
{
    return &l->to->tensors[l->u8[t]].quant;
}

static enum tf2_status want_f32(struct tf2__lowering *l, tf2_tensor_id t, struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &l->from->tensors[t];
    char name[TF2__REWRITE_NAME_BYTES];
    if (l->f32[t] != TF2_NO_TENSOR)
        return TF2_OK;
    if (is_constant(l, t))
        return tf2__lower_constant(
            l, tensor->name, TF2_DTYPE_F32, &tensor->shape, NULL, tensor->data, &l->f32[t], error);
    if (!has_u8(l, t))
        return tf2__fail(error, TF2_ERR_INTERNAL, "%s: neither float nor uint8", tensor->name);
    tf2__lower_name(l, tensor->name, "float", name);
    return tf2__graph_add_int8(
        l->to, TF2_OP_DEQUANTIZE, name, NULL, &l->u8[t], 1, NULL, TF2_DTYPE_F32, NULL, &l->f32[t], error);
}

/* ---- what follows a node ---- */

/* Moves elements without looking at them. */
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
        return true;
    case TF2_OP_RESIZE:
        return ((const struct tf2_resize_attr *)node->attr)->mode == TF2_RESIZE_NEAREST;
    default:
        return false;
    }
}

/* The rounding of a tensor that nobody reads otherwise, maybe behind moves; NULL: none. */
static const struct tf2__node *find_rounding(const struct tf2__lowering *l, tf2_tensor_id t)
{
    for (;;) {
        const uint32_t reader = tf2__uses_single(&l->uses, t);
        const struct tf2__node *node = reader == TF2__NO_NODE ? NULL : &l->from->nodes[reader];
        if (node && node->op->id == TF2_OP_QUANTIZE)
            return node->n_in == 1 && !l->from->tensors[node->out].quant.channel_zero_point ? node : NULL;
        if (!node || !is_move(node))
            return NULL;
        t = node->out;
    }
}

static struct tf2__lower_tail find_tail(const struct tf2__lowering *l, const struct tf2__node *node)
{
    struct tf2__lower_tail tail = {.last = node->out, .activation_node = TF2__NO_NODE, .name = node->name};
    const uint32_t reader = tf2__uses_single(&l->uses, node->out);
    if (reader != TF2__NO_NODE && l->from->nodes[reader].op->id == TF2_OP_ACTIVATION) {
        const struct tf2_activation *activation = l->from->nodes[reader].attr;
        if (tf2__quant_fuses(activation->kind)) {
            tail.activation = *activation;
            tail.activation_node = reader;
            tail.last = l->from->nodes[reader].out;
            tail.name = l->from->nodes[reader].name;
        }
    }
    const struct tf2__node *rounding = find_rounding(l, tail.last);
    if (!rounding)
        return tail;
    tail.quant = &l->from->tensors[rounding->out].quant;
    if (rounding->in[0] == tail.last)
        tail.name = rounding->name;
    return tail;
}

/* ---- integer nodes ---- */

static bool all_u8(const struct tf2__lowering *l, const struct tf2__node *node)
{
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (!has_u8(l, node->in[k]))
            return false;
    }
    return true;
}

static enum tf2_status add_int8(
    struct tf2__lowering *l, enum tf2_op op, const struct tf2__lower_tail *tail, const void *attr,
    const tf2_tensor_id *in, uint32_t n_in, tf2_tensor_id *out, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    tf2__lower_name(l, tail->name, "u8", name);
    return tf2__graph_add_int8(
        l->to, op, name, attr, in, n_in, &tail->activation, tail->quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32,
        tail->quant, out, error);
}

/* Pools, sums and concats: the same node on u8. */
static enum tf2_status lower_same(
    struct tf2__lowering *l, const struct tf2__node *node, const struct tf2__lower_tail *tail,
    tf2_tensor_id *out, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = l->u8[node->in[k]];
    return add_int8(l, node->op->id, tail, node->attr, in, node->n_in, out, error);
}

/* An element-wise function of one tensor as a table, or one for each channel. */
static enum tf2_status lower_table(
    struct tf2__lowering *l, const struct tf2__node *node, const struct tf2__lower_tail *tail,
    tf2_tensor_id *out, struct tf2_error *error)
{
    const int64_t n = node->op->id == TF2_OP_ACTIVATION ? 1 : tf2__scheme_tables(l->from, node);
    struct tf2_shape shape = {.n_dims = 1, .dim = {256}};
    char name[TF2__REWRITE_NAME_BYTES];
    tf2_tensor_id in[2] = {l->u8[node->in[0]], TF2_NO_TENSOR};
    if (n == 0)
        return TF2_OK;
    if (n > 1)
        shape = (struct tf2_shape){.n_dims = 2, .dim = {n, 256}};
    uint8_t *tables = tf2__alloc(&l->from->arena.env, (size_t)n * 256);
    if (!tables)
        return tf2__fail_memory(error, (size_t)n * 256, "tables");
    for (int64_t c = 0; c < n; c++)
        tf2__scheme_table(l->from, node, c, quant_of(l, node->in[0]), tail->quant, tables + 256 * c);
    tf2__quant_name(l->from, l->to, true, tail->name, "table", name);
    enum tf2_status status = tf2__lower_constant(l, name, TF2_DTYPE_U8, &shape, NULL, tables, &in[1], error);
    if (status == TF2_OK)
        status = add_int8(l, TF2_OP_LOOKUP, tail, NULL, in, 2, out, error);
    tf2__free(&l->from->arena.env, tables);
    return status;
}

static bool is_integer_eltwise(const struct tf2__node *node)
{
    const struct tf2_eltwise_attr *attr = node->attr;
    return attr->kind < TF2_ELTWISE_DIV && (attr->kind != TF2_ELTWISE_PROD || node->n_in == 2) &&
           node->n_in <= MAX_ELTWISE_INPUTS;
}

/* *out is NO_TENSOR where the node has no integer form here. */
static enum tf2_status lower_node(
    struct tf2__lowering *l, const struct tf2__node *node, const struct tf2__lower_tail *tail,
    tf2_tensor_id *out, struct tf2_error *error)
{
    const bool rounded = tail->quant != NULL;
    *out = TF2_NO_TENSOR;
    if (node->n_in == 0 || !has_u8(l, node->in[0]) || node->activation.kind != TF2_ACTIVATION_NONE)
        return TF2_OK;
    switch (node->op->id) {
    case TF2_OP_CONV:
    case TF2_OP_GEMM:
        return tf2__lower_dense(l, node, TF2_NO_TENSOR, tail, out, error);
    case TF2_OP_POOL:
        if (rounded || ((const struct tf2_pool_attr *)node->attr)->kind == TF2_POOL_AVG)
            return lower_same(l, node, tail, out, error);
        return TF2_OK;
    case TF2_OP_ELTWISE:
        return rounded && all_u8(l, node) && is_integer_eltwise(node) ? lower_same(l, node, tail, out, error)
                                                                      : TF2_OK;
    case TF2_OP_CONCAT:
        if (rounded && all_u8(l, node) && tail->activation_node == TF2__NO_NODE)
            return lower_same(l, node, tail, out, error);
        return TF2_OK;
    case TF2_OP_ACTIVATION:
    case TF2_OP_PRELU:
    case TF2_OP_SCALE:
    case TF2_OP_BATCH_NORM:
        return rounded ? lower_table(l, node, tail, out, error) : TF2_OK;
    default:
        return TF2_OK;
    }
}

/* ---- the walk ---- */

static enum tf2_status
copy_float(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    char name[TF2__REWRITE_NAME_BYTES];
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(want_f32(l, node->in[k], error));
        in[k] = l->f32[node->in[k]];
    }
    tf2__lower_name(l, node->name, "float", name);
    TF2__TRY(
        tf2_graph_add_node(l->to, node->op->id, name, node->attr, in, node->n_in, &l->f32[node->out], error));
    l->to->nodes[l->to->n_nodes - 1].activation = node->activation;
    return TF2_OK;
}

/* An integer form that its operator refuses (a factor out of range) is no error: floats take it. */
static bool is_refusal(enum tf2_status status)
{
    return status == TF2_ERR_UNSUPPORTED || status == TF2_ERR_VALUE || status == TF2_ERR_SHAPE;
}

/* The sum of a convolution's result, which nobody else reads, and a rounded tensor of its shape; NULL: there is none. */
static const struct tf2__node *find_sum(const struct tf2__lowering *l, const struct tf2__node *conv)
{
    const uint32_t reader = tf2__uses_single(&l->uses, conv->out);
    const struct tf2__node *sum = reader == TF2__NO_NODE ? NULL : &l->from->nodes[reader];
    if (conv->op->id != TF2_OP_CONV || !has_u8(l, conv->in[0]) || !sum || sum->op->id != TF2_OP_ELTWISE ||
        sum->n_in != 2)
        return NULL;
    const struct tf2_eltwise_attr *attr = sum->attr;
    const tf2_tensor_id other = sum->in[sum->in[0] == conv->out];
    const uint32_t producer = l->from->tensors[other].producer;
    if (attr->kind != TF2_ELTWISE_SUM || attr->has_coefficients || producer == TF2__NO_NODE ||
        l->from->nodes[producer].op->id != TF2_OP_DEQUANTIZE ||
        !tf2_shape_equal(&l->from->tensors[other].shape, &l->from->tensors[conv->out].shape))
        return NULL;
    return find_tail(l, sum).quant ? sum : NULL;
}

/* A node's integer form is there: it stands for all that the tail has taken in. */
static void take_in(struct tf2__lowering *l, const struct tf2__lower_tail *tail, tf2_tensor_id out)
{
    (tail->quant ? l->u8 : l->f32)[tail->last] = out;
    if (tail->activation_node != TF2__NO_NODE)
        l->done[tail->activation_node] = true;
}

static enum tf2_status compute(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    const struct tf2__lower_tail tail = find_tail(l, node);
    struct tf2_error problem;
    tf2_tensor_id out;
    enum tf2_status status = lower_node(l, node, &tail, &out, &problem);
    if (status != TF2_OK && !is_refusal(status))
        return tf2__fail(error, status, "%s", problem.message);
    if (status != TF2_OK || out == TF2_NO_TENSOR)
        return copy_float(l, node, error);
    take_in(l, &tail, out);
    return TF2_OK;
}

/* A sum that a convolution waits for. */
static enum tf2_status compute_sum(
    struct tf2__lowering *l, const struct tf2__node *sum, const struct tf2__node *conv,
    struct tf2_error *error)
{
    const struct tf2__lower_tail tail = find_tail(l, sum);
    const tf2_tensor_id other = sum->in[sum->in[0] == conv->out];
    struct tf2_error problem;
    tf2_tensor_id out = TF2_NO_TENSOR;
    enum tf2_status status = TF2_OK;
    if (has_u8(l, other))
        status = tf2__lower_dense(l, conv, l->u8[other], &tail, &out, &problem);
    if (status != TF2_OK && !is_refusal(status))
        return tf2__fail(error, status, "%s", problem.message);
    if (status == TF2_OK && out != TF2_NO_TENSOR) {
        take_in(l, &tail, out);
        return TF2_OK;
    }
    TF2__TRY(compute(l, conv, error));
    return compute(l, sum, error);
}

/* The convolution that waits for this sum; NULL: none does. */
static const struct tf2__node *find_waiting(const struct tf2__lowering *l, const struct tf2__node *sum)
{
    for (uint32_t k = 0; sum->op->id == TF2_OP_ELTWISE && k < sum->n_in; k++) {
        const uint32_t producer = l->from->tensors[sum->in[k]].producer;
        if (producer != TF2__NO_NODE && l->waits[producer])
            return &l->from->nodes[producer];
    }
    return NULL;
}

/* Whether what a PAD adds is one of the 256 numbers, or is going to be rounded to one. */
static bool pads_exactly(const struct tf2__lowering *l, const struct tf2__node *node)
{
    const struct tf2_pad_attr *attr = node->attr;
    const struct tf2__quant *quant = quant_of(l, node->in[0]);
    const struct tf2__node *rounding = find_rounding(l, node->out);
    if (node->op->id != TF2_OP_PAD || attr->mode != TF2_PAD_CONSTANT || attr->value == 0)
        return true;
    if (rounding && tf2__quant_equal(quant, &l->from->tensors[rounding->out].quant))
        return true;
    const double steps = attr->value / (double)quant->scale;
    return fabs(steps - rint(steps)) < 1e-4 && steps >= -quant->zero_point &&
           steps <= 255 - quant->zero_point;
}

static enum tf2_status move(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    const struct tf2__quant quant = *quant_of(l, node->in[0]);
    char name[TF2__REWRITE_NAME_BYTES];
    tf2__lower_name(l, node->name, "u8", name);
    return tf2__graph_add_int8(
        l->to, node->op->id, name, node->attr, &l->u8[node->in[0]], 1, NULL, TF2_DTYPE_U8, &quant,
        &l->u8[node->out], error);
}

/* What is there as u8 with another scale becomes this one by a table. */
static enum tf2_status
requantize(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    const struct tf2__quant *quant = &l->from->tensors[node->out].quant;
    const struct tf2_activation none = {.kind = TF2_ACTIVATION_NONE};
    const struct tf2_shape shape = {.n_dims = 1, .dim = {256}};
    const struct tf2__lower_tail tail = {.quant = quant, .name = node->name};
    tf2_tensor_id in[2] = {l->u8[node->in[0]], TF2_NO_TENSOR};
    char name[TF2__REWRITE_NAME_BYTES];
    uint8_t table[256];
    tf2__int8_table(quant_of(l, node->in[0]), quant, &none, table);
    tf2__quant_name(l->from, l->to, true, node->name, "table", name);
    TF2__TRY(tf2__lower_constant(l, name, TF2_DTYPE_U8, &shape, NULL, table, &in[1], error));
    return add_int8(l, TF2_OP_LOOKUP, &tail, NULL, in, 2, &l->u8[node->out], error);
}

/* The quantization of a QUANTIZE node's result, its array in the new graph. */
static enum tf2_status keep_quant(
    struct tf2__lowering *l, const struct tf2__node *node, struct tf2__quant *quant, struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &l->from->tensors[node->out];
    *quant = tensor->quant;
    if (!quant->channel_zero_point)
        return TF2_OK;
    const size_t n = (size_t)tensor->shape.dim[1];
    uint8_t *copy = tf2__arena_alloc(&l->to->arena, n, 1);
    if (!copy)
        return tf2__fail_memory(error, n, "zero points");
    quant->channel_zero_point = memcpy(copy, quant->channel_zero_point, n);
    return TF2_OK;
}

static enum tf2_status
quantize(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    struct tf2__quant quant;
    tf2_tensor_id in[2] = {TF2_NO_TENSOR, TF2_NO_TENSOR};
    char name[TF2__REWRITE_NAME_BYTES];
    TF2__TRY(keep_quant(l, node, &quant, error));
    if (has_u8(l, node->in[0]) && node->n_in == 1 && !quant.channel_zero_point) {
        if (!tf2__quant_equal(quant_of(l, node->in[0]), &quant))
            return requantize(l, node, error);
        l->u8[node->out] = l->u8[node->in[0]];
        return TF2_OK;
    }
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(want_f32(l, node->in[k], error));
        in[k] = l->f32[node->in[k]];
    }
    tf2__lower_name(l, node->name, "u8", name);
    return tf2__graph_add_int8(
        l->to, TF2_OP_QUANTIZE, name, NULL, in, node->n_in, &node->activation, TF2_DTYPE_U8, &quant,
        &l->u8[node->out], error);
}

/* A node that the file has on u8 already: a table. */
static enum tf2_status copy_u8(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    const struct tf2__tensor *table = &l->from->tensors[node->in[1]];
    const struct tf2__lower_tail tail = {.quant = &l->from->tensors[node->out].quant, .name = node->name};
    tf2_tensor_id in[2] = {l->u8[node->in[0]], TF2_NO_TENSOR};
    TF2__TRY(
        tf2__lower_constant(l, table->name, TF2_DTYPE_U8, &table->shape, NULL, table->data, &in[1], error));
    return add_int8(l, TF2_OP_LOOKUP, &tail, NULL, in, 2, &l->u8[node->out], error);
}

/* Nobody but the caller reads it: at the end data is moved as floats, as everywhere in this library. */
static bool is_last(const struct tf2__lowering *l, const struct tf2__node *node)
{
    return l->uses.count[node->out] == 1 && tf2__uses_single(&l->uses, node->out) == TF2__NO_NODE;
}

static enum tf2_status
lower_next(struct tf2__lowering *l, const struct tf2__node *node, struct tf2_error *error)
{
    if (node->op->id == TF2_OP_QUANTIZE)
        return quantize(l, node, error);
    if (node->op->id == TF2_OP_LOOKUP)
        return copy_u8(l, node, error);
    if (node->op->id == TF2_OP_DEQUANTIZE) {
        l->u8[node->out] = l->u8[node->in[0]];
        return TF2_OK;
    }
    if (is_move(node) && has_u8(l, node->in[0]) && !quant_of(l, node->in[0])->channel_zero_point &&
        pads_exactly(l, node) && !is_last(l, node))
        return move(l, node, error);
    const struct tf2__node *conv = find_waiting(l, node);
    if (conv)
        return compute_sum(l, node, conv, error);
    if (find_sum(l, node)) {
        l->waits[node - l->from->nodes] = true;
        return TF2_OK;
    }
    return compute(l, node, error);
}

static enum tf2_status lower_all(struct tf2__lowering *l, struct tf2_error *error)
{
    const struct tf2_graph *from = l->from;
    l->to->pixels = from->pixels;
    for (uint32_t t = 0; t < from->n_tensors; t++)
        l->u8[t] = l->f32[t] = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < from->n_inputs; i++) {
        const struct tf2__tensor *tensor = &from->tensors[from->inputs[i]];
        TF2__TRY(tf2_graph_add_input(
            l->to, tensor->name, tensor->dtype, &tensor->shape, &l->f32[from->inputs[i]], error));
    }
    for (uint32_t i = 0; i < from->n_nodes; i++) {
        if (!l->done[i])
            TF2__TRY(lower_next(l, &from->nodes[i], error));
    }
    for (uint32_t i = 0; i < from->n_outputs; i++) {
        const struct tf2__graph_output *output = &from->outputs[i];
        TF2__TRY(want_f32(l, output->tensor, error));
        TF2__TRY(tf2_graph_add_output(l->to, l->f32[output->tensor], output->name, error));
    }
    return tf2__graph_verify(l->to, error);
}

static bool has_roundings(const struct tf2_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].op->id == TF2_OP_QUANTIZE)
            return true;
    }
    return false;
}

enum tf2_status tf2__quant_lower(struct tf2_graph **graph, struct tf2_error *error)
{
    const struct tf2_env env = (*graph)->arena.env;
    struct tf2__lowering l = {.from = *graph};
    if (!has_roundings(*graph))
        return TF2_OK;
    TF2__TRY(tf2__lower_shifts(*graph, error));
    enum tf2_status status = tf2_graph_create(&env, &l.to, error);
    if (status == TF2_OK)
        status = tf2__uses_init(&l.uses, l.from, error);
    l.u8 = tf2__calloc(&env, l.from->n_tensors, sizeof(*l.u8));
    l.f32 = tf2__calloc(&env, l.from->n_tensors, sizeof(*l.f32));
    l.done = tf2__calloc(&env, l.from->n_nodes, sizeof(*l.done));
    l.waits = tf2__calloc(&env, l.from->n_nodes, sizeof(*l.waits));
    if (status == TF2_OK && (!l.u8 || !l.f32 || !l.done || !l.waits))
        status = tf2__fail_memory(error, l.from->n_tensors * sizeof(*l.u8), "an integer graph");
    if (status == TF2_OK)
        status = lower_all(&l, error);
    tf2__free(&env, l.waits);
    tf2__free(&env, l.done);
    tf2__free(&env, l.f32);
    tf2__free(&env, l.u8);
    if (l.uses.count)
        tf2__uses_finish(&l.uses);
    if (status != TF2_OK) {
        tf2_graph_destroy(&l.to);
        return status;
    }
    tf2_graph_destroy(graph);
    *graph = l.to;
    return TF2_OK;
}
