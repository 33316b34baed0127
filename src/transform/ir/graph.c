/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph.c: building graphs, looking things up, re-inferring shapes, verifying.
 *
 * Arrays grow by doubling inside the arena; what they outgrow is given back with the graph.
 */
#include "transform/ir/graph.h"

#include <float.h>
#include <math.h>

#define MAX_NAME_BYTES 1024

enum tf2_status tf2_graph_create(const struct tf2_env *env, struct tf2_graph **out, struct tf2_error *error)
{
    struct tf2_env copy;
    if (!out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "graph: no place for the handle (NULL)");
    tf2__env_copy(&copy, env);
    struct tf2_graph *graph = tf2__calloc(&copy, 1, sizeof(*graph));
    if (!graph)
        return tf2__fail_memory(error, sizeof(*graph), "a graph");
    tf2__arena_init(&graph->arena, &copy);
    tf2__strmap_init(&graph->names, &copy);
    tf2__strmap_init(&graph->output_names, &copy);
    graph->budget_bytes = SIZE_MAX;
    *out = graph;
    return TF2_OK;
}

void tf2_graph_destroy(struct tf2_graph **graph)
{
    if (!graph || !*graph)
        return;
    struct tf2_env env = (*graph)->arena.env;
    tf2__strmap_finish(&(*graph)->output_names);
    tf2__strmap_finish(&(*graph)->names);
    tf2__arena_finish(&(*graph)->arena);
    tf2__free(&env, *graph);
    *graph = NULL;
}

/* Makes room for one more element of an array in the arena. */
static bool reserve(struct tf2_graph *graph, void **array, uint32_t n, uint32_t *cap, size_t size_bytes)
{
    if (n < *cap)
        return true;
    uint32_t new_cap = *cap ? 2 * *cap : 32;
    void *grown = new_cap > n ? tf2__arena_alloc(&graph->arena, new_cap, size_bytes) : NULL;
    if (!grown)
        return false;
    if (n)
        memcpy(grown, *array, n * size_bytes);
    *array = grown;
    *cap = new_cap;
    return true;
}

#define RESERVE(graph, what)                                                                                 \
    reserve(graph, (void **)&(graph)->what, (graph)->n_##what, &(graph)->cap_##what, sizeof(*(graph)->what))

static enum tf2_status check_name(const struct tf2_graph *graph, const char *name, struct tf2_error *error)
{
    if (!name || !*name)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "tensor without a name");
    if (strlen(name) > MAX_NAME_BYTES)
        return tf2__fail(
            error, TF2_ERR_VALUE, "tensor name of %zu bytes, at most %d allowed", strlen(name),
            MAX_NAME_BYTES);
    if (tf2__graph_find(graph, name) != TF2_NO_TENSOR)
        return tf2__fail(error, TF2_ERR_GRAPH, "%s: two tensors have this name", name);
    return TF2_OK;
}

static enum tf2_status check_shape(const char *name, const struct tf2_shape *shape, struct tf2_error *error)
{
    char text[128];
    if (!shape || shape->n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s: %u dimensions, at most %d supported", name, shape ? shape->n_dims : 0,
            TF2_MAX_DIMS);
    if (tf2_shape_count(shape) == 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s: shape %s: every extent must be 1 or more, their product below 2^31",
            name, tf2_shape_format(shape, text, sizeof(text)));
    return TF2_OK;
}

/* The name and shape have been checked. */
static enum tf2_status add_tensor(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const void *data, uint32_t producer, tf2_tensor_id *id, struct tf2_error *error)
{
    char *copy = tf2__arena_strdup(&graph->arena, name);
    if (!copy || !RESERVE(graph, tensors) || !tf2__strmap_set(&graph->names, copy, graph->n_tensors))
        return tf2__fail_memory(error, sizeof(struct tf2__tensor), "a tensor");
    *id = graph->n_tensors++;
    graph->tensors[*id] = (struct tf2__tensor){
        .name = copy, .dtype = dtype, .shape = *shape, .data = data, .producer = producer};
    return TF2_OK;
}

enum tf2_status tf2__graph_add_typed_input(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, tf2_tensor_id *tensor, struct tf2_error *error)
{
    TF2__TRY(check_name(graph, name, error));
    TF2__TRY(check_shape(name, shape, error));
    if (!RESERVE(graph, inputs))
        return tf2__fail_memory(error, sizeof(*graph->inputs), "a graph input");
    TF2__TRY(add_tensor(graph, name, dtype, shape, NULL, TF2__NO_NODE, tensor, error));
    graph->tensors[*tensor].is_input = true;
    if (quant)
        graph->tensors[*tensor].quant = *quant;
    graph->inputs[graph->n_inputs++] = *tensor;
    return TF2_OK;
}

enum tf2_status tf2_graph_add_input(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    tf2_tensor_id *tensor, struct tf2_error *error)
{
    if (!graph || !tensor)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "graph input: graph or result is NULL");
    if (name && *name && dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: input of type %s, only float32 is supported", name,
            tf2_dtype_name(dtype));
    return tf2__graph_add_typed_input(graph, name, dtype, shape, NULL, tensor, error);
}

/* The index of the first NaN or infinity, SIZE_MAX when there is none. Block by block, which vectorizes. */
static size_t find_not_finite(const float *values, size_t n)
{
    for (size_t first = 0; first < n; first += 1024) {
        size_t end = TF2__MIN(first + 1024, n);
        bool bad = false;
        for (size_t i = first; i < end; i++)
            bad |= !(fabsf(values[i]) <= FLT_MAX);
        for (size_t i = first; bad && i < end; i++) {
            if (!isfinite(values[i]))
                return i;
        }
    }
    return SIZE_MAX;
}

static enum tf2_status check_finite(const char *name, const float *values, size_t n, struct tf2_error *error)
{
    size_t bad = find_not_finite(values, n);
    if (bad == SIZE_MAX)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_VALUE, "%s: weight %zu is %s, wanted a finite number", name, bad,
        isnan(values[bad]) ? "NaN" : "infinite");
}

/* A scale divides and multiplies: it must be neither 0 nor so small or large that a factor overflows. */
static bool is_scale(float scale)
{
    return scale >= 1e-30f && scale <= 1e30f;
}

static enum tf2_status check_quant(
    const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape, const struct tf2__quant *quant,
    struct tf2_error *error)
{
    int64_t n_scales = quant->channel_scale && shape->n_dims ? shape->dim[0] : 0;
    if (dtype != TF2_DTYPE_U8 && dtype != TF2_DTYPE_S8)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%s: a quantized tensor of type %s, wanted uint8 or int8", name,
            tf2_dtype_name(dtype));
    for (int64_t i = 0; i < n_scales; i++) {
        if (!is_scale(quant->channel_scale[i]))
            return tf2__fail(
                error, TF2_ERR_VALUE, "%s: scale %lld is %g, wanted 1e-30 to 1e30", name, (long long)i,
                quant->channel_scale[i]);
    }
    if (n_scales == 0 && !is_scale(quant->scale))
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s: scale %g, wanted 1e-30 to 1e30", name, quant->scale);
    if (quant->zero_point < 0 || quant->zero_point > (dtype == TF2_DTYPE_U8 ? 255 : 0))
        return tf2__fail(error, TF2_ERR_VALUE, "%s: zero point %d", name, quant->zero_point);
    return TF2_OK;
}

enum tf2_status tf2__graph_adopt_quantized(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, const void *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    TF2__TRY(check_name(graph, name, error));
    TF2__TRY(check_shape(name, shape, error));
    if (tf2_dtype_size_bytes(dtype) == 0 || dtype == TF2_DTYPE_S64)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: constant of type %s, wanted float32, uint8, int8 or int32", name,
            tf2_dtype_name(dtype));
    if (dtype == TF2_DTYPE_F32)
        TF2__TRY(check_finite(name, data, (size_t)tf2_shape_count(shape), error));
    if (quant)
        TF2__TRY(check_quant(name, dtype, shape, quant, error));
    TF2__TRY(add_tensor(graph, name, dtype, shape, data, TF2__NO_NODE, tensor, error));
    if (quant)
        graph->tensors[*tensor].quant = *quant;
    return TF2_OK;
}

enum tf2_status tf2__graph_adopt_constant(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const void *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    return tf2__graph_adopt_quantized(graph, name, dtype, shape, NULL, data, tensor, error);
}

enum tf2_status tf2_graph_add_constant(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const void *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    if (!graph || !data || !tensor)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "graph constant: graph, data or result is NULL");
    TF2__TRY(check_shape(name ? name : "constant", shape, error));
    if (dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: constant of type %s, only float32 is supported",
            name ? name : "constant", tf2_dtype_name(dtype));
    size_t n = (size_t)tf2_shape_count(shape);
    size_t element_bytes = tf2_dtype_size_bytes(dtype);
    void *copy = tf2__arena_alloc(&graph->arena, n, element_bytes);
    if (!copy)
        return tf2__fail_memory(error, n * element_bytes, "a constant");
    memcpy(copy, data, n * element_bytes);
    return tf2__graph_adopt_constant(graph, name, dtype, shape, copy, tensor, error);
}

/* Checks what all operators have in common; collects the input shapes. */
static enum tf2_status check_inputs(
    const struct tf2_graph *graph, const struct tf2__op *op, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_shape **shapes, struct tf2_error *error)
{
    if (n_inputs < op->min_inputs || n_inputs > op->max_inputs)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%zu inputs, %s takes %u to %u", n_inputs, op->name, op->min_inputs,
            op->max_inputs);
    for (size_t i = 0; i < n_inputs; i++) {
        shapes[i] = NULL;
        if (inputs[i] == TF2_NO_TENSOR) {
            if (i < op->min_inputs)
                return tf2__fail(error, TF2_ERR_GRAPH, "input %zu is left out, %s needs it", i, op->name);
            continue;
        }
        if (inputs[i] >= graph->n_tensors)
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "input %zu: no tensor %u", i, inputs[i]);
        const struct tf2__tensor *tensor = &graph->tensors[inputs[i]];
        if (i < 32 && (op->constant_inputs >> i & 1) && !tensor->data)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "input %zu of %s ('%s') is computed, only constants are supported", i, op->name,
                tensor->name);
        shapes[i] = &tensor->shape;
    }
    return TF2_OK;
}

bool tf2__node_is_int8(const struct tf2_graph *graph, const struct tf2__node *node)
{
    if (graph->tensors[node->out].dtype == TF2_DTYPE_U8)
        return true;
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] != TF2_NO_TENSOR && graph->tensors[node->in[k]].dtype == TF2_DTYPE_U8)
            return true;
    }
    return false;
}

/* No input that only the integer form would read. */
static enum tf2_status check_float_inputs(const struct tf2__node *node, struct tf2_error *error)
{
    for (uint32_t k = 0; k < node->n_in && k < 32; k++) {
        if ((node->op->int8_inputs >> k & 1) && node->in[k] != TF2_NO_TENSOR)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "input %u on float32, it exists on integers only", k);
    }
    return TF2_OK;
}

/* Operators that plans turn into views and copies: nothing is computed. */
static bool only_moves(enum tf2_op op)
{
    return op == TF2_OP_IDENTITY || op == TF2_OP_DROPOUT || op == TF2_OP_FLATTEN || op == TF2_OP_RESHAPE ||
           op == TF2_OP_SQUEEZE || op == TF2_OP_UNSQUEEZE || op == TF2_OP_SLICE || op == TF2_OP_CONCAT;
}

/* A fused activation is what the operator of that name takes, behind something that computes. */
static enum tf2_status
check_activation(const struct tf2__node *node, const struct tf2_shape *shape, struct tf2_error *error)
{
    struct tf2_shape same;
    if (node->activation.kind != TF2_ACTIVATION_NONE && only_moves(node->op->id))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "a fused activation, wanted none");
    return tf2__op_find(TF2_OP_ACTIVATION)->infer(&node->activation, &shape, 1, &same, error);
}

/* Whether the operator takes tensors of these types. Shapes have been inferred. */
static enum tf2_status check_types(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__type *out,
    struct tf2_error *error)
{
    struct tf2__type types[TF2_MAX_NODE_INPUTS];
    const struct tf2__type *in[TF2_MAX_NODE_INPUTS];
    bool all_f32 = out->dtype == TF2_DTYPE_F32;
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = NULL;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        const struct tf2__tensor *tensor = &graph->tensors[node->in[k]];
        types[k] = (struct tf2__type){tensor->dtype, tensor->shape, tensor->quant};
        in[k] = &types[k];
        all_f32 &= tensor->dtype == TF2_DTYPE_F32;
    }
    TF2__TRY(check_activation(node, &out->shape, error));
    if (all_f32 && node->op->eval)
        return check_float_inputs(node, error);
    if (!node->op->int8)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "only on float32");
    if (!tf2__quant_fuses(node->activation.kind))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "activation %d on integers", (int)node->activation.kind);
    return node->op->int8->check(node->attr, in, node->n_in, out, error);
}

/* Checks a node and infers its shape. node->in and node->attr point to what the caller has. */
static enum tf2_status
check_node(const struct tf2_graph *graph, struct tf2__node *node, struct tf2_shape *out, struct tf2_error *error)
{
    const struct tf2_shape *shapes[TF2_MAX_NODE_INPUTS];
    enum tf2_status status = check_inputs(graph, node->op, node->in, node->n_in, shapes, error);
    if (status == TF2_OK)
        status = node->op->infer(node->attr, shapes, node->n_in, out, error);
    if (status == TF2_OK)
        status = check_shape("output", out, error);
    if (status == TF2_OK && node->op->settle)
        node->op->settle(node->attr, shapes);
    return status;
}

static enum tf2_status add_node(
    struct tf2_graph *graph, enum tf2_op op_id, const char *name, const void *attr,
    const tf2_tensor_id *inputs, size_t n_inputs, const struct tf2_activation *activation,
    enum tf2_dtype dtype, const struct tf2__quant *quant, tf2_tensor_id *output, struct tf2_error *error)
{
    struct tf2__type out = {.dtype = dtype, .quant = quant ? *quant : (struct tf2__quant){0}};
    const struct tf2__op *op = tf2__op_find(op_id);
    if (!graph || !output || (n_inputs && !inputs))
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "graph node: graph, inputs or result is NULL");
    if (!op)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "%s: no operator %d", name ? name : "?", (int)op_id);
    TF2__TRY(check_name(graph, name, error));
    if (n_inputs > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%s (%s): %zu inputs, at most %d supported", name, op->name, n_inputs,
            TF2_MAX_NODE_INPUTS);

    struct tf2__node node = {.op = op, .n_in = (uint32_t)n_inputs};
    node.attr = tf2__arena_alloc(&graph->arena, 1, op->attr_bytes);
    node.in = tf2__arena_alloc(&graph->arena, n_inputs, sizeof(*node.in));
    if (!node.attr || !node.in || !RESERVE(graph, nodes))
        return tf2__fail_memory(error, op->attr_bytes, "a node");
    if (attr)
        memcpy(node.attr, attr, op->attr_bytes);
    if (n_inputs)
        memcpy(node.in, inputs, n_inputs * sizeof(*inputs));
    if (activation)
        node.activation = *activation;

    enum tf2_status status = check_node(graph, &node, &out.shape, error);
    if (status == TF2_OK && quant)
        status = check_quant("output", dtype, &out.shape, quant, error);
    if (status == TF2_OK)
        status = check_types(graph, &node, &out, error);
    if (status != TF2_OK)
        return tf2__fail_prefix(error, status, "%s (%s)", name, op->name);

    TF2__TRY(add_tensor(graph, name, dtype, &out.shape, NULL, graph->n_nodes, &node.out, error));
    node.name = graph->tensors[node.out].name;
    graph->tensors[node.out].quant = out.quant;
    graph->nodes[graph->n_nodes++] = node;
    *output = node.out;
    return TF2_OK;
}

enum tf2_status tf2_graph_add_node(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, tf2_tensor_id *output, struct tf2_error *error)
{
    return add_node(
        graph, op, name, attr, inputs, n_inputs, NULL, TF2_DTYPE_F32, NULL, output, error);
}

enum tf2_status tf2__graph_add_int8(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, const struct tf2_activation *activation, enum tf2_dtype dtype,
    const struct tf2__quant *quant, tf2_tensor_id *output, struct tf2_error *error)
{
    return add_node(
        graph, op, name, attr, inputs, n_inputs, activation, dtype, quant, output, error);
}

enum tf2_status
tf2_graph_add_output(struct tf2_graph *graph, tf2_tensor_id tensor, const char *name, struct tf2_error *error)
{
    if (!graph || tensor >= graph->n_tensors)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "graph output: no such tensor");
    if (!name)
        name = graph->tensors[tensor].name;
    if (tf2__strmap_get(&graph->output_names, name) != TF2__STRMAP_NONE)
        return tf2__fail(error, TF2_ERR_GRAPH, "%s: two graph outputs have this name", name);
    char *copy = tf2__arena_strdup(&graph->arena, name);
    if (!copy || !RESERVE(graph, outputs) || !tf2__strmap_set(&graph->output_names, copy, graph->n_outputs))
        return tf2__fail_memory(error, sizeof(*graph->outputs), "a graph output");
    graph->outputs[graph->n_outputs++] = (struct tf2__graph_output){.name = copy, .tensor = tensor};
    return TF2_OK;
}

const struct tf2_shape *tf2_graph_shape(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    return graph && tensor < graph->n_tensors ? &graph->tensors[tensor].shape : NULL;
}

tf2_tensor_id tf2__graph_find(const struct tf2_graph *graph, const char *name)
{
    uint32_t id = tf2__strmap_get(&graph->names, name);
    return id == TF2__STRMAP_NONE ? TF2_NO_TENSOR : id;
}

const float *tf2__graph_constant_f32(const struct tf2_graph *graph, tf2_tensor_id tensor)
{
    if (tensor == TF2_NO_TENSOR || graph->tensors[tensor].dtype != TF2_DTYPE_F32)
        return NULL;
    return graph->tensors[tensor].data;
}

void tf2__graph_compact(struct tf2_graph *graph)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].dead) {
            graph->tensors[graph->nodes[i].out].producer = TF2__NO_NODE;
            continue;
        }
        graph->nodes[n] = graph->nodes[i];
        graph->tensors[graph->nodes[n].out].producer = n;
        n++;
    }
    graph->n_nodes = n;
}

/* A walk over the nodes: for each node the next input to look at, and the nodes begun but not done. */
struct sorter {
    struct tf2__node *sorted;
    uint32_t *next_in; /* 0: not begun; n_in + 1: done */
    uint32_t *stack;
    uint32_t n_sorted, n_stack;
};

static bool is_sorted(const struct tf2_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++) {
            tf2_tensor_id in = graph->nodes[i].in[k];
            if (in == TF2_NO_TENSOR || graph->tensors[in].producer == TF2__NO_NODE)
                continue;
            if (graph->tensors[in].producer >= i)
                return false;
        }
    }
    return true;
}

/* The next input of `node` that is computed by a node not done yet; TF2__NO_NODE when there is none left. */
static uint32_t next_producer(const struct tf2_graph *graph, struct sorter *sorter, uint32_t node)
{
    while (sorter->next_in[node] < graph->nodes[node].n_in) {
        tf2_tensor_id in = graph->nodes[node].in[sorter->next_in[node]++];
        uint32_t producer = in == TF2_NO_TENSOR ? TF2__NO_NODE : graph->tensors[in].producer;
        if (producer != TF2__NO_NODE && sorter->next_in[producer] <= graph->nodes[producer].n_in)
            return producer;
    }
    return TF2__NO_NODE;
}

/* Emits a node behind everything that it reads: depth first with a stack of our own, files can be deep. */
static bool sort_from(const struct tf2_graph *graph, struct sorter *sorter, uint32_t start)
{
    sorter->stack[sorter->n_stack++] = start;
    while (sorter->n_stack) {
        uint32_t node = sorter->stack[sorter->n_stack - 1];
        uint32_t producer = next_producer(graph, sorter, node);
        if (producer == TF2__NO_NODE) {
            sorter->next_in[node] = graph->nodes[node].n_in + 1;
            sorter->sorted[sorter->n_sorted++] = graph->nodes[node];
            sorter->n_stack--;
        } else {
            if (sorter->next_in[producer] != 0)
                return false; /* begun and not done: it waits for itself */
            sorter->stack[sorter->n_stack++] = producer;
        }
    }
    return true;
}

enum tf2_status tf2__graph_sort(struct tf2_graph *graph, struct tf2_error *error)
{
    const struct tf2_env *env = &graph->arena.env;
    struct sorter sorter = {0};
    enum tf2_status status = TF2_OK;
    tf2__graph_compact(graph);
    if (is_sorted(graph))
        return TF2_OK;

    sorter.sorted = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.sorted));
    sorter.next_in = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.next_in));
    sorter.stack = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.stack));
    if (!sorter.sorted || !sorter.next_in || !sorter.stack) {
        status = tf2__fail_memory(error, graph->n_nodes * sizeof(*sorter.sorted), "sorting nodes");
        goto end;
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (sorter.next_in[i] == 0 && !sort_from(graph, &sorter, i)) {
            status = tf2__fail(error, TF2_ERR_INTERNAL, "%s: depends on itself", graph->nodes[i].name);
            goto end;
        }
    }
    memcpy(graph->nodes, sorter.sorted, graph->n_nodes * sizeof(*graph->nodes));
    tf2__graph_compact(graph);
end:
    tf2__free(env, sorter.stack);
    tf2__free(env, sorter.next_in);
    tf2__free(env, sorter.sorted);
    return status;
}

static enum tf2_status infer_node(
    const struct tf2__node *node, const struct tf2_shape *shapes, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &shapes[node->in[k]];
    *out = (struct tf2_shape){0};
    enum tf2_status status = node->op->infer(node->attr, in, node->n_in, out, error);
    if (status == TF2_OK)
        status = check_shape("output", out, error);
    if (status != TF2_OK)
        return tf2__fail_prefix(error, status, "%s (%s)", node->name, node->op->name);
    return TF2_OK;
}

enum tf2_status tf2__graph_infer(
    const struct tf2_graph *graph, const struct tf2_shape *input_shapes, struct tf2_shape *shapes,
    struct tf2_error *error)
{
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        shapes[i] = graph->tensors[i].shape;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        TF2__TRY(check_shape(graph->tensors[graph->inputs[i]].name, &input_shapes[i], error));
        shapes[graph->inputs[i]] = input_shapes[i];
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        TF2__TRY(infer_node(&graph->nodes[i], shapes, &shapes[graph->nodes[i].out], error));
    return TF2_OK;
}

/* Whether something gives the tensor its values before node number `reader` runs. */
static enum tf2_status
verify_tensor(const struct tf2_graph *graph, tf2_tensor_id id, uint32_t reader, struct tf2_error *error)
{
    if (id >= graph->n_tensors)
        return tf2__fail(error, TF2_ERR_GRAPH, "no tensor %u", id);
    const struct tf2__tensor *tensor = &graph->tensors[id];
    if (tensor->producer == TF2__NO_NODE && !tensor->data && !tensor->is_input)
        return tf2__fail(error, TF2_ERR_GRAPH, "'%s' is read, but nothing computes it", tensor->name);
    if (tensor->producer != TF2__NO_NODE && tensor->producer >= reader)
        return tf2__fail(error, TF2_ERR_GRAPH, "'%s' is read before it is computed", tensor->name);
    return TF2_OK;
}

static enum tf2_status verify_node(const struct tf2_graph *graph, uint32_t index, struct tf2_error *error)
{
    const struct tf2__node *node = &graph->nodes[index];
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    struct tf2_shape shape = {0};
    if (graph->tensors[node->out].producer != index)
        return tf2__fail(error, TF2_ERR_GRAPH, "its output has another producer");
    if (node->n_in < node->op->min_inputs || node->n_in > node->op->max_inputs)
        return tf2__fail(error, TF2_ERR_GRAPH, "%u inputs", node->n_in);
    for (uint32_t k = 0; k < node->n_in; k++) {
        in[k] = NULL;
        if (node->in[k] == TF2_NO_TENSOR)
            continue;
        TF2__TRY(verify_tensor(graph, node->in[k], index, error));
        in[k] = &graph->tensors[node->in[k]].shape;
    }
    TF2__TRY(node->op->infer(node->attr, in, node->n_in, &shape, error));
    if (!tf2_shape_equal(&shape, &graph->tensors[node->out].shape))
        return tf2__fail(error, TF2_ERR_GRAPH, "stored shape differs from the inferred one");
    const struct tf2__tensor *result = &graph->tensors[node->out];
    return check_types(
        graph, node, &(struct tf2__type){result->dtype, result->shape, result->quant}, error);
}

enum tf2_status tf2__graph_verify(const struct tf2_graph *graph, struct tf2_error *error)
{
    if (graph->n_inputs == 0)
        return tf2__fail(error, TF2_ERR_GRAPH, "the network has no input");
    if (graph->n_outputs == 0)
        return tf2__fail(error, TF2_ERR_GRAPH, "the network has no output");
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        enum tf2_status status = verify_node(graph, i, error);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "%s (%s)", graph->nodes[i].name, graph->nodes[i].op->name);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        enum tf2_status status = verify_tensor(graph, graph->outputs[i].tensor, graph->n_nodes, error);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "output %s", graph->outputs[i].name);
    }
    return TF2_OK;
}

int64_t tf2__node_macs(const struct tf2__node *node, const struct tf2_shape *shapes)
{
    const struct tf2_shape *in[TF2_MAX_NODE_INPUTS];
    if (!node->op->macs)
        return 0;
    for (uint32_t k = 0; k < node->n_in; k++)
        in[k] = node->in[k] == TF2_NO_TENSOR ? NULL : &shapes[node->in[k]];
    return node->op->macs(node->attr, in, node->n_in, &shapes[node->out]);
}
