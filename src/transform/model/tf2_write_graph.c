/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_write_graph.c: the GRAPH section of a .tf2 file, and the list of what goes into WEIGHTS.
 *
 * Tensors get new numbers: inputs, constants in the order in which nodes first read them, results of nodes.
 * What nobody reads is left out. A loaded model has this order already, so saving it again gives the same
 * bytes.
 */
#include "transform/model/tf2_format.h"

struct writer {
    const struct tf2_graph *graph;
    struct tf2__graph_bytes *bytes;
    struct tf2__buffer *out; /* &bytes->graph */
    uint32_t *number;        /* by tensor id; UNSEEN: it has none yet */
    tf2_tensor_id *constants;
    uint32_t n_constants;
    struct tf2_error *error;
};

#define UNSEEN UINT32_MAX

static enum tf2_status check_name(const struct writer *w, const char *what, const char *name)
{
    const char *problem = tf2__name_problem(name);
    if (!problem)
        return TF2_OK;
    return tf2__fail(w->error, TF2_ERR_VALUE, "the name of %s, '%.100s', %s", what, name, problem);
}

static enum tf2_status put_name(struct writer *w, const char *what, const char *name)
{
    TF2__TRY(check_name(w, what, name));
    tf2__buffer_text(w->out, name);
    return TF2_OK;
}

/* Gives the next free place in WEIGHTS to a block and writes its offset. */
static void put_block(struct writer *w, const void *data, size_t n_bytes)
{
    size_t *end = &w->bytes->weights_bytes;
    struct tf2__blob blob = {
        .data = data,
        .n_bytes = n_bytes,
        .offset = (*end + TF2__TF2_ALIGNMENT - 1) / TF2__TF2_ALIGNMENT * TF2__TF2_ALIGNMENT,
    };
    *end = blob.offset + n_bytes;
    tf2__buffer_put(&w->bytes->blobs, &blob, sizeof(blob));
    tf2__buffer_u64(w->out, blob.offset);
}

static void put_shape(struct writer *w, const struct tf2_shape *shape)
{
    tf2__buffer_u8(w->out, (uint8_t)shape->n_dims);
    for (uint32_t d = 0; d < shape->n_dims; d++)
        tf2__buffer_u32(w->out, (uint32_t)shape->dim[d]);
}

/* Arrays follow elsewhere. */
static void put_quant(struct writer *w, const struct tf2__tensor *tensor)
{
    const struct tf2__quant *quant = &tensor->quant;
    unsigned bits = TF2__QUANT_SET;
    bool is_u8 = tensor->dtype == TF2_DTYPE_U8;
    if ((!is_u8 && tensor->dtype != TF2_DTYPE_S8) || (is_u8 && tensor->data)) {
        tf2__buffer_u8(w->out, 0);
        return;
    }
    if (quant->channel_scale)
        bits |= TF2__QUANT_CHANNEL_SCALES;
    if (quant->channel_zero_point)
        bits |= TF2__QUANT_CHANNEL_ZERO_POINTS;
    tf2__buffer_u8(w->out, (uint8_t)bits);
    if (!quant->channel_scale)
        tf2__buffer_f32(w->out, quant->scale);
    if (is_u8 && !quant->channel_zero_point)
        tf2__buffer_u8(w->out, (uint8_t)quant->zero_point);
}

static enum tf2_status put_input(struct writer *w, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &w->graph->tensors[id];
    TF2__TRY(put_name(w, "an input", tensor->name));
    tf2__buffer_u8(w->out, (uint8_t)tensor->dtype);
    put_shape(w, &tensor->shape);
    return TF2_OK;
}

static enum tf2_status put_constant(struct writer *w, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &w->graph->tensors[id];
    TF2__TRY(put_name(w, "a constant", tensor->name));
    tf2__buffer_u8(w->out, (uint8_t)tensor->dtype);
    put_shape(w, &tensor->shape);
    put_quant(w, tensor);
    put_block(w, tensor->data, (size_t)tf2_shape_count(&tensor->shape) * tf2_dtype_size_bytes(tensor->dtype));
    if (tensor->quant.channel_scale)
        put_block(w, tensor->quant.channel_scale, (size_t)tensor->shape.dim[0] * sizeof(float));
    return TF2_OK;
}

static void put_activation(struct writer *w, const struct tf2_activation *activation)
{
    tf2__buffer_u8(w->out, (uint8_t)activation->kind);
    if (activation->kind == TF2_ACTIVATION_NONE)
        return;
    tf2__buffer_f32(w->out, activation->alpha);
    tf2__buffer_f32(w->out, activation->beta);
}

static enum tf2_status put_node(struct writer *w, const struct tf2__node *node)
{
    const struct tf2__tensor *result = &w->graph->tensors[node->out];
    unsigned char attr[TF2__ATTR_MAX_BYTES];
    size_t attr_bytes = tf2__attr_encode(node->op->id, node->attr, attr);
    bool same_name = strcmp(node->name, result->name) == 0;
    tf2__buffer_u16(w->out, (uint16_t)node->op->id);
    TF2__TRY(put_name(w, "a node's result", result->name));
    TF2__TRY(check_name(w, "a node", node->name));
    tf2__buffer_text(w->out, same_name ? "" : node->name);
    tf2__buffer_u8(w->out, (uint8_t)node->n_in);
    for (uint32_t k = 0; k < node->n_in; k++)
        tf2__buffer_u32(w->out, node->in[k] == TF2_NO_TENSOR ? TF2_NO_TENSOR : w->number[node->in[k]]);
    tf2__buffer_u16(w->out, (uint16_t)attr_bytes);
    tf2__buffer_put(w->out, attr, attr_bytes);
    put_activation(w, &node->activation);
    tf2__buffer_u8(w->out, (uint8_t)result->dtype);
    put_quant(w, result);
    if (result->quant.channel_zero_point)
        put_block(w, result->quant.channel_zero_point, (size_t)result->shape.dim[1]);
    return TF2_OK;
}

/* Numbers a constant when it is first seen. */
static void see(struct writer *w, tf2_tensor_id id)
{
    if (id == TF2_NO_TENSOR || !w->graph->tensors[id].data || w->number[id] != UNSEEN)
        return;
    w->number[id] = w->graph->n_inputs + w->n_constants;
    w->constants[w->n_constants++] = id;
}

static void number_tensors(struct writer *w)
{
    const struct tf2_graph *graph = w->graph;
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        w->number[t] = UNSEEN;
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        w->number[graph->inputs[i]] = i;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++)
            see(w, graph->nodes[i].in[k]);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        see(w, graph->outputs[i].tensor);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        w->number[graph->nodes[i].out] = graph->n_inputs + w->n_constants + i;
}

static enum tf2_status put_graph(struct writer *w, const char *name)
{
    const struct tf2_graph *graph = w->graph;
    TF2__TRY(put_name(w, "the network", name));
    tf2__buffer_u32(w->out, graph->n_inputs);
    tf2__buffer_u32(w->out, w->n_constants);
    tf2__buffer_u32(w->out, graph->n_nodes);
    tf2__buffer_u32(w->out, graph->n_outputs);
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        TF2__TRY(put_input(w, graph->inputs[i]));
    for (uint32_t i = 0; i < w->n_constants; i++)
        TF2__TRY(put_constant(w, w->constants[i]));
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        TF2__TRY(put_node(w, &graph->nodes[i]));
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        TF2__TRY(put_name(w, "an output", graph->outputs[i].name));
        tf2__buffer_u32(w->out, w->number[graph->outputs[i].tensor]);
    }
    return TF2_OK;
}

enum tf2_status
tf2__model_write_graph(const struct tf2_model *model, struct tf2__graph_bytes *bytes, struct tf2_error *error)
{
    struct writer w = {.graph = model->graph, .bytes = bytes, .out = &bytes->graph, .error = error};
    enum tf2_status status;
    bytes->weights_bytes = 0;
    tf2__buffer_init(&bytes->graph, &model->env);
    tf2__buffer_init(&bytes->blobs, &model->env);
    w.number = tf2__calloc(&model->env, model->graph->n_tensors, sizeof(*w.number));
    w.constants = tf2__calloc(&model->env, model->graph->n_tensors, sizeof(*w.constants));
    if (w.number && w.constants) {
        number_tensors(&w);
        status = put_graph(&w, model->name);
    } else {
        status = tf2__fail_memory(error, model->graph->n_tensors * sizeof(*w.number), "numbers of tensors");
    }
    if (status == TF2_OK && (bytes->graph.failed || bytes->blobs.failed))
        status = tf2__fail_memory(error, bytes->graph.n, "a model's graph");
    tf2__free(&model->env, w.constants);
    tf2__free(&model->env, w.number);
    return status;
}
