/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite.c: makes the int8 graph that a scheme describes.
 *
 * Nodes keep their names, so tensors can be compared with those of the float graph by name. QUANTIZE and DEQUANTIZE
 * appear where a tensor is wanted in a form that its producer does not write: "x.u8" and "x.float", one each.
 */
#include <math.h>

#include "transform/op/lrn.h"
#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

#define MAX_BIAS 2147483647.0

struct writer {
    const struct tf2__scheme *s;
    const struct tf2_graph *from;
    struct tf2_graph *to;
    tf2_tensor_id *u8, *f32; /* per tensor of `from`: its forms in `to` */
};

/* A copy in the new graph, which outlives the scheme. NULL when out of memory. */
static void *keep(const struct writer *w, const void *data, size_t n_bytes)
{
    void *copy = tf2__arena_alloc(&w->to->arena, n_bytes, 1);
    return copy ? memcpy(copy, data, n_bytes) : NULL;
}

static enum tf2_status keep_constant(struct writer *w, tf2_tensor_id id, struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &w->from->tensors[id];
    char other[TF2__REWRITE_NAME_BYTES];
    const char *name = tensor->name;
    if (w->f32[id] != TF2_NO_TENSOR)
        return TF2_OK;
    if (tf2__graph_find(w->to, name) != TF2_NO_TENSOR) { /* weights or a table made here have it */
        tf2__quant_name(w->from, w->to, true, tensor->name, "float", other);
        name = other;
    }
    return tf2_graph_add_constant(
        w->to, name, tensor->dtype, &tensor->shape, tensor->data, &w->f32[id], error);
}

/* The quantization of a u8 tensor, its array in the new graph. */
static enum tf2_status
keep_quant(const struct writer *w, tf2_tensor_id id, struct tf2__quant *quant, struct tf2_error *error)
{
    *quant = w->s->quant[id];
    if (!quant->channel_zero_point)
        return TF2_OK;
    size_t n = (size_t)w->from->tensors[id].shape.dim[1];
    quant->channel_zero_point = keep(w, quant->channel_zero_point, n);
    return quant->channel_zero_point ? TF2_OK : tf2__fail_memory(error, n, "zero points");
}

/* A constant called "base.suffix" of data that is copied. */
static enum tf2_status add_constant(
    const struct writer *w, const char *base, const char *suffix, enum tf2_dtype dtype,
    struct tf2_shape shape, const struct tf2__quant *quant, const void *data, tf2_tensor_id *id,
    struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    size_t n_bytes = (size_t)tf2_shape_count(&shape) * tf2_dtype_size_bytes(dtype);
    const void *copy = keep(w, data, n_bytes);
    if (!copy)
        return tf2__fail_memory(error, n_bytes, "a constant");
    tf2__quant_name(w->from, w->to, false, base, suffix, name);
    return tf2__graph_adopt_quantized(w->to, name, dtype, &shape, quant, copy, id, error);
}

static enum tf2_status want_u8(struct writer *w, tf2_tensor_id id, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    const char *base = w->from->tensors[id].name;
    tf2_tensor_id in[2] = {w->f32[id], TF2_NO_TENSOR};
    struct tf2__quant quant;
    if (w->u8[id] != TF2_NO_TENSOR)
        return TF2_OK;
    if (w->s->offset[id]) {
        const struct tf2_shape shape = {.n_dims = 1, .dim = {w->from->tensors[id].shape.dim[1]}};
        TF2__TRY(
            add_constant(w, base, "offset", TF2_DTYPE_F32, shape, NULL, w->s->offset[id], &in[1], error));
    }
    TF2__TRY(keep_quant(w, id, &quant, error));
    tf2__quant_name(w->from, w->to, false, base, "u8", name);
    return tf2__graph_add_int8(
        w->to, TF2_OP_QUANTIZE, name, NULL, in, in[1] == TF2_NO_TENSOR ? 1 : 2, NULL, TF2_DTYPE_U8, &quant,
        &w->u8[id], error);
}

static enum tf2_status want_f32(struct writer *w, tf2_tensor_id id, struct tf2_error *error)
{
    char name[TF2__REWRITE_NAME_BYTES];
    if (w->from->tensors[id].data)
        return keep_constant(w, id, error);
    if (w->f32[id] != TF2_NO_TENSOR)
        return TF2_OK;
    tf2__quant_name(w->from, w->to, false, w->from->tensors[id].name, "float", name);
    return tf2__graph_add_int8(
        w->to, TF2_OP_DEQUANTIZE, name, NULL, &w->u8[id], 1, NULL, TF2_DTYPE_F32, NULL, &w->f32[id], error);
}

/* Of what only reads shapes: the inputs in whichever form there is. */
static enum tf2_status
write_shapes_only(struct writer *w, const struct tf2__node *node, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++) {
        const tf2_tensor_id id = node->in[k];
        if (w->from->tensors[id].data)
            TF2__TRY(keep_constant(w, id, error));
        in[k] = w->f32[id] != TF2_NO_TENSOR ? w->f32[id] : w->u8[id];
    }
    return tf2__graph_add_int8(
        w->to, node->op->id, node->name, node->attr, in, node->n_in, &node->activation, TF2_DTYPE_F32, NULL,
        &w->f32[node->out], error);
}

static enum tf2_status write_float(struct writer *w, const struct tf2__node *node, struct tf2_error *error)
{
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    if (node->op->reads_shapes_only)
        return write_shapes_only(w, node, error);
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(want_f32(w, node->in[k], error));
        in[k] = w->f32[node->in[k]];
    }
    TF2__TRY(tf2_graph_add_node(
        w->to, node->op->id, node->name, node->attr, in, node->n_in, &w->f32[node->out], error));
    w->to->nodes[w->to->n_nodes - 1].activation = node->activation;
    return TF2_OK;
}

/* Weights and bias of node number `index` as constants. The bias is in steps of the sums. */
static enum tf2_status write_weights(
    struct writer *w, uint32_t index, tf2_tensor_id *weights, tf2_tensor_id *bias, struct tf2_error *error)
{
    const struct tf2__node *node = &w->from->nodes[index];
    const struct tf2__int_weights *source = &w->s->weights[index];
    const struct tf2_shape *shape = &w->from->tensors[node->in[1]].shape;
    const size_t n_out = (size_t)shape->dim[0];
    const double x_scale = w->s->quant[node->in[0]].scale;
    int32_t *steps = tf2__arena_alloc(w->s->arena, n_out, sizeof(*steps));
    struct tf2__quant quant = {.channel_scale = keep(w, source->scale, n_out * sizeof(*source->scale))};
    if (!steps || !quant.channel_scale)
        return tf2__fail_memory(error, n_out * sizeof(*steps), "a bias");
    for (size_t o = 0; o < n_out; o++)
        steps[o] =
            (int32_t)rint(tf2__clamp(source->bias[o] / (x_scale * source->scale[o]), -MAX_BIAS, MAX_BIAS));
    TF2__TRY(add_constant(w, node->name, "weights", TF2_DTYPE_S8, *shape, &quant, source->q, weights, error));
    const struct tf2_shape bias_shape = {.n_dims = 1, .dim = {shape->dim[0]}};
    return add_constant(w, node->name, "bias", TF2_DTYPE_S32, bias_shape, NULL, steps, bias, error);
}

static enum tf2_status write_table(struct writer *w, const struct tf2__node *node, struct tf2_error *error)
{
    const int64_t n = tf2__scheme_tables(w->from, node);
    struct tf2_shape shape = {.n_dims = 1, .dim = {256}};
    tf2_tensor_id in[2] = {w->u8[node->in[0]], TF2_NO_TENSOR};
    uint8_t *tables = tf2__arena_alloc(w->s->arena, (size_t)n, 256);
    if (!tables)
        return tf2__fail_memory(error, (size_t)n * 256, "tables");
    for (int64_t c = 0; c < n; c++)
        tf2__scheme_table(
            w->from, node, c, &w->s->quant[node->in[0]], &w->s->quant[node->out], tables + 256 * c);
    if (n > 1)
        shape = (struct tf2_shape){.n_dims = 2, .dim = {n, 256}};
    TF2__TRY(add_constant(w, node->name, "table", TF2_DTYPE_U8, shape, NULL, tables, &in[1], error));
    return tf2__graph_add_int8(
        w->to, TF2_OP_LOOKUP, node->name, NULL, in, 2, NULL, TF2_DTYPE_U8, &w->s->quant[node->out],
        &w->u8[node->out], error);
}

/* Neighbouring factors differ by less than half a step of a full-scale number, if a table can do that. */
static bool is_fine(const float *table, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        if (fabsf(table[i] - table[i - 1]) * 512 > fabsf(table[i - 1]))
            return false;
    }
    return true;
}

/* A curve, or the least table that is fine. */
static enum tf2_status lrn_factors(
    const struct writer *w, const struct tf2__node *node, float *factors, int64_t *n, struct tf2_error *error)
{
    const struct tf2__quant *x = &w->s->quant[node->in[0]], *y = &w->s->quant[node->out];
    *n = TF2__LRN_CURVE;
    if (tf2__lrn_curve(node->attr, x, y, factors))
        return TF2_OK;
    for (*n = 1024;; *n *= 2) {
        if (!tf2__lrn_table(node->attr, x, y, *n, factors))
            return tf2__fail(
                error, TF2_ERR_VALUE, "%s: a factor of the normalization is not finite", node->name);
        if (*n == TF2__LRN_MAX_TABLE || is_fine(factors, *n))
            return TF2_OK;
    }
}

static enum tf2_status write_lrn(struct writer *w, const struct tf2__node *node, struct tf2_error *error)
{
    tf2_tensor_id in[2] = {w->u8[node->in[0]], TF2_NO_TENSOR};
    float *factors = tf2__arena_alloc(w->s->arena, TF2__LRN_MAX_TABLE, sizeof(*factors));
    struct tf2_shape shape = {.n_dims = 1};
    if (!factors)
        return tf2__fail_memory(error, TF2__LRN_MAX_TABLE * sizeof(*factors), "a table");
    TF2__TRY(lrn_factors(w, node, factors, &shape.dim[0], error));
    TF2__TRY(add_constant(w, node->name, "table", TF2_DTYPE_F32, shape, NULL, factors, &in[1], error));
    return tf2__graph_add_int8(
        w->to, TF2_OP_LRN, node->name, node->attr, in, 2, &node->activation, TF2_DTYPE_U8,
        &w->s->quant[node->out], &w->u8[node->out], error);
}

static enum tf2_status write_int(struct writer *w, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &w->from->nodes[index];
    const bool u8 = w->s->as_u8[node->out];
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = TF2_NO_TENSOR;
        if (!tf2__scheme_is_data(w->from, node, k))
            continue;
        TF2__TRY(want_u8(w, node->in[k], error));
        in[k] = w->u8[node->in[k]];
    }
    if (tf2__scheme_tables(w->from, node) > 0)
        return write_table(w, node, error);
    if (node->op->id == TF2_OP_LRN)
        return write_lrn(w, node, error);
    uint32_t n_in = node->n_in;
    if (tf2__scheme_has_weights(node)) {
        TF2__TRY(write_weights(w, index, &in[1], &in[2], error));
        n_in = TF2__MAX(n_in, 3);
    }
    return tf2__graph_add_int8(
        w->to, node->op->id, node->name, node->attr, in, n_in, &node->activation,
        u8 ? TF2_DTYPE_U8 : TF2_DTYPE_F32, u8 ? &w->s->quant[node->out] : NULL,
        u8 ? &w->u8[node->out] : &w->f32[node->out], error);
}

/* A layer that the integer arithmetic does not take: tells how to do without. */
static enum tf2_status write_layer(struct writer *w, uint32_t index, struct tf2_error *error)
{
    const enum tf2_status status = write_int(w, index, error);
    if (!error || (status != TF2_ERR_UNSUPPORTED && status != TF2_ERR_VALUE))
        return status;
    const struct tf2_error cause = *error;
    return tf2__fail(
        error, status, "%s; it can stay float32: float_nodes (--keep-float) '%s'", cause.message,
        w->from->nodes[index].name);
}

static enum tf2_status write_all(struct writer *w, struct tf2_error *error)
{
    for (uint32_t t = 0; t < w->from->n_tensors; t++)
        w->u8[t] = w->f32[t] = TF2_NO_TENSOR;
    for (uint32_t i = 0; i < w->from->n_inputs; i++) {
        const struct tf2__tensor *tensor = &w->from->tensors[w->from->inputs[i]];
        TF2__TRY(tf2_graph_add_input(
            w->to, tensor->name, tensor->dtype, &tensor->shape, &w->f32[w->from->inputs[i]], error));
    }
    for (uint32_t i = 0; i < w->from->n_nodes; i++)
        TF2__TRY(w->s->on_int[i] ? write_layer(w, i, error) : write_float(w, &w->from->nodes[i], error));
    for (uint32_t i = 0; i < w->from->n_outputs; i++) {
        const struct tf2__graph_output *output = &w->from->outputs[i];
        TF2__TRY(want_f32(w, output->tensor, error));
        TF2__TRY(tf2_graph_add_output(w->to, w->f32[output->tensor], output->name, error));
    }
    return tf2__graph_verify(w->to, error);
}

enum tf2_status
tf2__quant_rewrite(const struct tf2__scheme *scheme, struct tf2_graph **result, struct tf2_error *error)
{
    const struct tf2_graph *from = scheme->graph;
    struct writer w = {.s = scheme, .from = from};
    w.u8 = tf2__arena_alloc(scheme->arena, from->n_tensors, sizeof(*w.u8));
    w.f32 = tf2__arena_alloc(scheme->arena, from->n_tensors, sizeof(*w.f32));
    if (!w.u8 || !w.f32)
        return tf2__fail_memory(error, from->n_tensors * sizeof(*w.u8), "rewriting a graph");
    TF2__TRY(tf2_graph_create(&from->arena.env, &w.to, error));
    enum tf2_status status = write_all(&w, error);
    if (status != TF2_OK) {
        tf2_graph_destroy(&w.to);
        return status;
    }
    *result = w.to;
    return TF2_OK;
}
