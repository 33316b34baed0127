/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_names.c: what each name stands for, which nodes the outputs need, and in which order they can be
 * computed.
 *
 * Names are hashed once. Needed nodes are found from the outputs backwards with a work list; the order is a
 * depth-first post-order over them in the file's order, which leaves a file that is already sorted (as ONNX
 * demands) as it is. Both use explicit stacks: the depth of a network is the file's choice.
 */
#include "transform/import/onnx/internal.h"

/* Outputs are few in real networks; some steps compare each with each. */
#define MAX_OUTPUTS 1024

struct tf2__onnx_value *tf2__onnx_find(const struct tf2__onnx *onnx, const char *name)
{
    if (!*name)
        return NULL;
    uint32_t i = tf2__strmap_get(&onnx->names, name);
    return i == TF2__STRMAP_NONE ? NULL : onnx->values[i];
}

static bool reserve_value(struct tf2__onnx *onnx)
{
    if (onnx->n_values < onnx->cap_values)
        return true;
    if (onnx->cap_values >= UINT32_MAX / 2)
        return false;
    const uint32_t cap = onnx->cap_values ? 2 * onnx->cap_values : 256;
    struct tf2__onnx_value **values = tf2__arena_alloc(&onnx->arena, cap, sizeof(*values));
    if (!values)
        return false;
    if (onnx->n_values)
        memcpy(values, onnx->values, onnx->n_values * sizeof(*values));
    onnx->values = values;
    onnx->cap_values = cap;
    return true;
}

struct tf2__onnx_value *tf2__onnx_declare(struct tf2__onnx *onnx, const char *name)
{
    struct tf2__onnx_value *value = tf2__onnx_find(onnx, name);
    if (value)
        return value;
    value = reserve_value(onnx) ? tf2__arena_alloc(&onnx->arena, 1, sizeof(*value)) : NULL;
    if (!value || !tf2__strmap_set(&onnx->names, name, onnx->n_values))
        return NULL;
    onnx->values[onnx->n_values++] = value;
    value->name = name;
    value->node = TF2__ONNX_NO_NODE;
    value->tensor = TF2_NO_TENSOR;
    return value;
}

static enum tf2_status declare_initializers(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const char *name = graph->initializer[i]->name;
        if (!name || !*name)
            return tf2__fail(error, TF2_ERR_FORMAT, "initializer %zu has no name", i);
        struct tf2__onnx_value *value = tf2__onnx_declare(onnx, name);
        if (!value)
            return tf2__fail_memory(error, sizeof(*value), "the table of names");
        if (value->initializer)
            return tf2__fail(error, TF2_ERR_FORMAT, "two initializers are called '%s'", name);
        value->initializer = graph->initializer[i];
    }
    return TF2_OK;
}

/* Initializers may or may not be listed as inputs; those are constants all the same. */
static enum tf2_status declare_inputs(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = graph->input[i]->name;
        if (!name || !*name)
            return tf2__fail(error, TF2_ERR_FORMAT, "input %zu has no name", i);
        struct tf2__onnx_value *value = tf2__onnx_declare(onnx, name);
        if (!value)
            return tf2__fail_memory(error, sizeof(*value), "the table of names");
        if (value->input)
            return tf2__fail(error, TF2_ERR_FORMAT, "two inputs are called '%s'", name);
        value->input = graph->input[i];
    }
    return TF2_OK;
}

static enum tf2_status declare_node(struct tf2__onnx *onnx, uint32_t index, struct tf2_error *error)
{
    struct tf2__onnx_node *node = &onnx->nodes[index];
    const Tf2__Onnx__NodeProto *proto = onnx->model->graph->node[index];
    node->proto = proto;
    node->label = proto->name && *proto->name ? proto->name : proto->n_output ? proto->output[0] : "";
    node->type = proto->op_type ? proto->op_type : "";
    for (size_t i = 0; i < proto->n_output; i++) {
        if (!*proto->output[i])
            continue;
        struct tf2__onnx_value *value = tf2__onnx_declare(onnx, proto->output[i]);
        if (!value)
            return tf2__fail_memory(error, sizeof(*value), "the table of names");
        if (value->node != TF2__ONNX_NO_NODE || value->initializer || value->input)
            return tf2__fail(
                error, TF2_ERR_FORMAT,
                "node '%s': its output '%s' is already defined by another node, an input or "
                "an initializer",
                node->label, value->name);
        value->node = index;
    }
    return TF2_OK;
}

/* Room for everything that can be declared: the counts are bounded by the size of the file. */
static enum tf2_status make_tables(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    size_t n = graph->n_initializer + graph->n_input;
    for (size_t i = 0; i < graph->n_node; i++)
        n += graph->node[i]->n_output;
    if (n >= UINT32_MAX || graph->n_node >= UINT32_MAX)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%zu nodes, %zu names: too many", graph->n_node, n);
    onnx->n_nodes = (uint32_t)graph->n_node;
    onnx->nodes = tf2__arena_alloc(&onnx->arena, graph->n_node, sizeof(*onnx->nodes));
    onnx->order = tf2__arena_alloc(&onnx->arena, graph->n_node, sizeof(*onnx->order));
    if (!onnx->nodes || !onnx->order)
        return tf2__fail_memory(error, onnx->n_nodes * sizeof(*onnx->nodes), "the table of nodes");
    return TF2_OK;
}

/* ---- outputs ---- */

static enum tf2_status
add_output(struct tf2__onnx *onnx, const char *name, bool wanted, struct tf2_error *error)
{
    struct tf2__onnx_value *value = name ? tf2__onnx_find(onnx, name) : NULL;
    if (!value)
        return tf2__fail(
            error, wanted ? TF2_ERR_NOT_FOUND : TF2_ERR_FORMAT,
            "output '%s': no node computes a tensor of this name", name ? name : "");
    if (value->is_output)
        return tf2__fail(
            error, wanted ? TF2_ERR_INVALID_ARGUMENT : TF2_ERR_FORMAT, "two outputs are called '%s'", name);
    onnx->outputs[onnx->n_outputs++] = value;
    value->n_uses++;
    value->is_output = true;
    return TF2_OK;
}

static enum tf2_status find_outputs(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    bool wanted = onnx->options->n_outputs != 0;
    size_t n = wanted ? onnx->options->n_outputs : graph->n_output;
    if (n == 0)
        return tf2__fail(error, TF2_ERR_FORMAT, "the network has no outputs");
    if (n > MAX_OUTPUTS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%zu outputs, at most %d supported", n, MAX_OUTPUTS);
    onnx->outputs = tf2__arena_alloc(&onnx->arena, n, sizeof(*onnx->outputs));
    if (!onnx->outputs)
        return tf2__fail_memory(error, n * sizeof(*onnx->outputs), "the list of outputs");
    for (size_t i = 0; i < n; i++)
        TF2__TRY(
            add_output(onnx, wanted ? onnx->options->outputs[i] : graph->output[i]->name, wanted, error));
    return TF2_OK;
}

/* ---- needed nodes ---- */

/* Marks the producer of a value; true when it is a node that was not marked before. */
static bool mark(struct tf2__onnx *onnx, const struct tf2__onnx_value *value)
{
    if (value->node == TF2__ONNX_NO_NODE || onnx->nodes[value->node].needed)
        return false;
    onnx->nodes[value->node].needed = true;
    return true;
}

/* Counts a node's reads and puts the producers that are new on the work list. */
static void mark_inputs(struct tf2__onnx *onnx, struct tf2__onnx_node *node, uint32_t *work, uint32_t *n_work)
{
    const char *undefined = NULL;
    for (size_t i = 0; i < node->proto->n_input; i++) {
        const char *name = node->proto->input[i];
        struct tf2__onnx_value *value = tf2__onnx_find(onnx, name);
        if (!value) {
            undefined = *name ? name : undefined;
            continue;
        }
        value->n_uses++;
        if (mark(onnx, value))
            work[(*n_work)++] = value->node;
    }
    if (undefined) {
        node->refused = true;
        tf2__report_add(
            &onnx->report, TF2_ERR_FORMAT,
            "node '%.100s' (%.60s): nothing in the file defines its input '%.100s'", node->label,
            node->proto->op_type ? node->proto->op_type : "", undefined);
    }
}

static enum tf2_status mark_needed(struct tf2__onnx *onnx, struct tf2_error *error)
{
    uint32_t n_work = 0;
    uint32_t *work = tf2__arena_alloc(&onnx->arena, onnx->n_nodes, sizeof(*work));
    if (!work)
        return tf2__fail_memory(error, onnx->n_nodes * sizeof(*work), "the list of nodes");
    for (uint32_t i = 0; i < onnx->n_outputs; i++) {
        if (mark(onnx, onnx->outputs[i]))
            work[n_work++] = onnx->outputs[i]->node;
    }
    while (n_work)
        mark_inputs(onnx, &onnx->nodes[work[--n_work]], work, &n_work);
    return TF2_OK;
}

/* ---- order ---- */

enum visit {
    NEW = 0,
    OPEN = 1, /* on the stack */
    DONE = 2,
};

struct frame {
    uint32_t node;
    size_t next_input;
};

/* The next producer of the node on top of the stack that is not done yet, or TF2__ONNX_NO_NODE. */
static uint32_t next_producer(const struct tf2__onnx *onnx, const unsigned char *visit, struct frame *top)
{
    const Tf2__Onnx__NodeProto *proto = onnx->nodes[top->node].proto;
    while (top->next_input < proto->n_input) {
        const struct tf2__onnx_value *value = tf2__onnx_find(onnx, proto->input[top->next_input++]);
        if (value && value->node != TF2__ONNX_NO_NODE && visit[value->node] != DONE)
            return value->node;
    }
    return TF2__ONNX_NO_NODE;
}

/* Appends `root` and what it needs to the order. */
static enum tf2_status order_from(
    struct tf2__onnx *onnx, uint32_t root, unsigned char *visit, struct frame *stack, struct tf2_error *error)
{
    uint32_t depth = 0;
    stack[depth++] = (struct frame){.node = root};
    visit[root] = OPEN;
    while (depth) {
        struct frame *top = &stack[depth - 1];
        uint32_t producer = next_producer(onnx, visit, top);
        if (producer == TF2__ONNX_NO_NODE) {
            visit[top->node] = DONE;
            onnx->order[onnx->n_order++] = top->node;
            depth--;
        } else if (visit[producer] == OPEN) {
            return tf2__fail(
                error, TF2_ERR_FORMAT, "node '%s' (%s) needs its own result: the graph has a cycle",
                onnx->nodes[producer].label,
                onnx->nodes[producer].proto->op_type ? onnx->nodes[producer].proto->op_type : "");
        } else {
            visit[producer] = OPEN;
            stack[depth++] = (struct frame){.node = producer};
        }
    }
    return TF2_OK;
}

static enum tf2_status find_order(struct tf2__onnx *onnx, struct tf2_error *error)
{
    unsigned char *visit = tf2__arena_alloc(&onnx->arena, onnx->n_nodes, 1);
    struct frame *stack = tf2__arena_alloc(&onnx->arena, onnx->n_nodes, sizeof(*stack));
    if (!visit || !stack)
        return tf2__fail_memory(error, onnx->n_nodes * sizeof(*stack), "the order of nodes");
    for (uint32_t i = 0; i < onnx->n_nodes; i++) {
        if (onnx->nodes[i].needed && visit[i] == NEW)
            TF2__TRY(order_from(onnx, i, visit, stack, error));
    }
    return TF2_OK;
}

enum tf2_status tf2__onnx_resolve(struct tf2__onnx *onnx, struct tf2_error *error)
{
    TF2__TRY(make_tables(onnx, error));
    TF2__TRY(declare_initializers(onnx, error));
    TF2__TRY(declare_inputs(onnx, error));
    for (uint32_t i = 0; i < onnx->n_nodes; i++)
        TF2__TRY(declare_node(onnx, i, error));
    TF2__TRY(find_outputs(onnx, error));
    TF2__TRY(mark_needed(onnx, error));
    return find_order(onnx, error);
}
