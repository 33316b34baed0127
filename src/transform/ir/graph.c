/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph.c: building graphs, looking things up.
 *
 * Arrays grow by doubling inside the arena; what they outgrow is given back with the graph.
 */
#include "transform/ir/graph.h"
#include "transform/ir/graph_check.h"

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
    TF2__TRY(tf2__graph_check_shape(name, shape, error));
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

enum tf2_status tf2__graph_adopt_quantized(
    struct tf2_graph *graph, const char *name, enum tf2_dtype dtype, const struct tf2_shape *shape,
    const struct tf2__quant *quant, const void *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    TF2__TRY(check_name(graph, name, error));
    TF2__TRY(tf2__graph_check_shape(name, shape, error));
    if (tf2_dtype_size_bytes(dtype) == 0 || dtype == TF2_DTYPE_S64)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: constant of type %s, wanted float32, uint8, int8 or int32", name,
            tf2_dtype_name(dtype));
    if (dtype == TF2_DTYPE_F32)
        TF2__TRY(tf2__graph_check_finite(name, data, (size_t)tf2_shape_count(shape), error));
    if (quant)
        TF2__TRY(tf2__graph_check_quant(name, dtype, shape, quant, error));
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
    TF2__TRY(tf2__graph_check_shape(name ? name : "constant", shape, error));
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

/* Checks a node and infers its shape. node->in and node->attr point to what the caller has. */
static enum tf2_status check_node(
    const struct tf2_graph *graph, struct tf2__node *node, struct tf2_shape *out, struct tf2_error *error)
{
    const struct tf2_shape *shapes[TF2_MAX_NODE_INPUTS];
    enum tf2_status status = tf2__graph_check_inputs(graph, node->op, node->in, node->n_in, shapes, error);
    if (status == TF2_OK)
        status = node->op->infer(node->attr, shapes, node->n_in, out, error);
    if (status == TF2_OK)
        status = tf2__graph_check_shape("output", out, error);
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
        status = tf2__graph_check_quant("output", dtype, &out.shape, quant, error);
    if (status == TF2_OK)
        status = tf2__graph_check_types(graph, &node, &out, error);
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
    return add_node(graph, op, name, attr, inputs, n_inputs, NULL, TF2_DTYPE_F32, NULL, output, error);
}

enum tf2_status tf2__graph_add_int8(
    struct tf2_graph *graph, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *inputs,
    size_t n_inputs, const struct tf2_activation *activation, enum tf2_dtype dtype,
    const struct tf2__quant *quant, tf2_tensor_id *output, struct tf2_error *error)
{
    return add_node(graph, op, name, attr, inputs, n_inputs, activation, dtype, quant, output, error);
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
