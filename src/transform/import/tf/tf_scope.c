/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_scope.c: the nodes of the graph and of the functions that it calls, and what names mean.
 *
 * A function's body is copied for each call: its nodes are called "call/node". Arguments and results are not
 * nodes; a name is followed through them to the node that computes the tensor, however many calls lie
 * between:
 *
 *     graph       y = call:1 ─▶ result 1 of f ─▶ "conv:output:0" ─▶ node "call/conv"
 *     f(x)        x ─▶ argument 0 of the call ─▶ whatever the call's input 0 means in the graph
 *
 * How deep calls nest is bounded, and how many nodes there may be: functions that call others twice each
 * would grow without end.
 */
#include "transform/import/tf/internal.h"

#include <stdio.h>

#define MAX_DEPTH 64
#define MAX_NODES ((uint32_t)1 << 18)
#define MAX_STEPS 4096 /* from a name through calls to a node */

static const Tf2__Tf__FunctionDef *find_function(const struct tf2__tf *tf, const char *name)
{
    uint32_t i = name ? tf2__strmap_get(&tf->functions, name) : TF2__STRMAP_NONE;
    return i == TF2__STRMAP_NONE ? NULL : tf->def->library->function[i];
}

/* The function that a node calls, or NULL. */
static const Tf2__Tf__FunctionDef *called_function(const struct tf2__tf *tf, const struct tf2__tf_node *node)
{
    const char *op = node->def->op ? node->def->op : "";
    const Tf2__Tf__AttrValue *f = tf2__tf_attr(node, "f");
    if (strcmp(op, "PartitionedCall") == 0 || strcmp(op, "StatefulPartitionedCall") == 0)
        return f && f->func ? find_function(tf, f->func->name) : NULL;
    return find_function(tf, op);
}

/* ---- making ---- */

static bool grow_nodes(struct tf2__tf *tf)
{
    if (tf->n_nodes < tf->cap_nodes)
        return true;
    const uint32_t cap = tf->cap_nodes ? 2 * tf->cap_nodes : 256;
    void *grown =
        tf2__grow(&tf->onnx.env, tf->nodes, tf->cap_nodes * sizeof(*tf->nodes), cap * sizeof(*tf->nodes));
    if (!grown)
        return false;
    tf->nodes = grown;
    tf->cap_nodes = cap;
    return true;
}

static bool grow_scopes(struct tf2__tf *tf)
{
    if (tf->n_scopes < tf->cap_scopes)
        return true;
    const uint32_t cap = tf->cap_scopes ? 2 * tf->cap_scopes : 16;
    void *grown =
        tf2__grow(&tf->onnx.env, tf->scopes, tf->cap_scopes * sizeof(*tf->scopes), cap * sizeof(*tf->scopes));
    if (!grown)
        return false;
    tf->scopes = grown;
    tf->cap_scopes = cap;
    return true;
}

static char *join(struct tf2__tf *tf, const char *a, const char *b, const char *c)
{
    const size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = tf2__arena_alloc(&tf->onnx.arena, size, 1);
    if (text)
        snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

/* A new scope for what node number `call` calls. */
static enum tf2_status
add_scope(struct tf2__tf *tf, uint32_t call, const Tf2__Tf__FunctionDef *function, struct tf2_error *error)
{
    struct tf2__tf_node *node = &tf->nodes[call];
    const uint32_t depth = tf->scopes[node->scope].depth + 1;
    if (depth > MAX_DEPTH)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "node '%s': functions call each other more than %d deep", node->name,
            MAX_DEPTH);
    const char *prefix = join(tf, node->name, "/", "");
    if (!prefix || !grow_scopes(tf))
        return tf2__fail_memory(error, sizeof(*tf->scopes), "a function call");
    node->callee = tf->n_scopes;
    tf->scopes[tf->n_scopes++] =
        (struct tf2__tf_scope){.function = function, .call = call, .depth = depth, .prefix = prefix};
    return TF2_OK;
}

static enum tf2_status
add_node(struct tf2__tf *tf, uint32_t scope, const Tf2__Tf__NodeDef *def, size_t i, struct tf2_error *error)
{
    if (!def->name || !*def->name)
        return tf2__fail(error, TF2_ERR_FORMAT, "node %zu has no name", i);
    if (tf->n_nodes == MAX_NODES)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "more than %u nodes, with all functions where they are called",
            MAX_NODES);
    const char *name = scope ? join(tf, tf->scopes[scope].prefix, def->name, "") : def->name;
    if (!name || !grow_nodes(tf))
        return tf2__fail_memory(error, sizeof(*tf->nodes), "a node");
    if (tf2__strmap_get(&tf->names, name) != TF2__STRMAP_NONE)
        return tf2__fail(error, TF2_ERR_FORMAT, "two nodes are called '%s'", name);
    if (!tf2__strmap_set(&tf->names, name, tf->n_nodes))
        return tf2__fail_memory(error, sizeof(*tf->nodes), "the table of names");
    tf->nodes[tf->n_nodes] =
        (struct tf2__tf_node){.def = def, .name = name, .scope = scope, .callee = TF2__TF_NO_SCOPE};
    tf->n_nodes++;
    const Tf2__Tf__FunctionDef *function = called_function(tf, &tf->nodes[tf->n_nodes - 1]);
    return function ? add_scope(tf, tf->n_nodes - 1, function, error) : TF2_OK;
}

static enum tf2_status index_functions(struct tf2__tf *tf, struct tf2_error *error)
{
    const Tf2__Tf__FunctionDefLibrary *library = tf->def->library;
    for (size_t i = 0; library && i < library->n_function; i++) {
        const Tf2__Tf__OpDef *signature = library->function[i]->signature;
        const char *name = signature ? signature->name : NULL;
        if (!name || !*name)
            return tf2__fail(error, TF2_ERR_FORMAT, "function %zu has no name", i);
        if (tf2__strmap_get(&tf->functions, name) != TF2__STRMAP_NONE)
            return tf2__fail(error, TF2_ERR_FORMAT, "two functions are called '%s'", name);
        if (!tf2__strmap_set(&tf->functions, name, (uint32_t)i))
            return tf2__fail_memory(error, sizeof(uint32_t), "the table of functions");
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_make_nodes(struct tf2__tf *tf, struct tf2_error *error)
{
    TF2__TRY(index_functions(tf, error));
    if (!grow_scopes(tf))
        return tf2__fail_memory(error, sizeof(*tf->scopes), "the graph");
    tf->scopes[tf->n_scopes++] = (struct tf2__tf_scope){.call = TF2__TF_NO_NODE, .prefix = ""};
    for (uint32_t s = 0; s < tf->n_scopes; s++) { /* which the loop adds to */
        const Tf2__Tf__FunctionDef *function = tf->scopes[s].function;
        const size_t n = function ? function->n_node_def : tf->def->n_node;
        for (size_t i = 0; i < n; i++)
            TF2__TRY(add_node(tf, s, function ? function->node_def[i] : tf->def->node[i], i, error));
    }
    for (uint32_t i = 0; i < tf->n_nodes; i++)
        tf->scratch_bytes = TF2__MAX(tf->scratch_bytes, strlen(tf->nodes[i].name) + 1);
    tf->scratch = tf2__arena_alloc(&tf->onnx.arena, tf->scratch_bytes, 1);
    return tf->scratch ? TF2_OK : tf2__fail_memory(error, tf->scratch_bytes, "a name");
}

/* ---- names ---- */

/* The text of an input in its parts: "node", "node:1" in the graph, "node:output:1" or "argument" in a
 * function. */
struct parts {
    size_t base_length;
    const char *output; /* its name, up to the next colon; NULL: none */
    size_t output_length;
    uint32_t index;
};

static bool parse_index(const char *text, uint32_t *index)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (uint64_t)(*text - '0');
        if (value > UINT16_MAX)
            return false;
    }
    *index = (uint32_t)value;
    return true;
}

static bool split_parts(const char *text, bool in_function, struct parts *parts)
{
    const char *first = strchr(text, ':'), *last = first ? strchr(first + 1, ':') : NULL;
    *parts = (struct parts){.base_length = first ? (size_t)(first - text) : strlen(text)};
    if (!first)
        return *text != '^' && *text;
    if (last) {
        parts->output = first + 1;
        parts->output_length = (size_t)(last - first - 1);
        return parse_index(last + 1, &parts->index);
    }
    if (parse_index(first + 1, &parts->index))
        return true;
    parts->output = first + 1;
    parts->output_length = strlen(parts->output);
    return in_function && parts->output_length > 0;
}

static bool is_word(const char *word, const char *text, size_t length)
{
    return word && strlen(word) == length && memcmp(word, text, length) == 0;
}

/* The node `text` (length bytes) of a scope. */
static uint32_t find_node(struct tf2__tf *tf, uint32_t scope, const char *text, size_t length)
{
    const char *prefix = tf->scopes[scope].prefix;
    const size_t prefix_length = strlen(prefix), size = prefix_length + length + 1;
    if (size > tf->scratch_bytes)
        return TF2__STRMAP_NONE; /* no node has so long a name */
    memcpy(tf->scratch, prefix, prefix_length);
    memcpy(tf->scratch + prefix_length, text, length);
    tf->scratch[size - 1] = '\0';
    return tf2__strmap_get(&tf->names, tf->scratch);
}

/* The text of data input k of a node, NULL: none. */
static const char *data_input(const Tf2__Tf__NodeDef *def, uint32_t k)
{
    for (size_t i = 0; i < def->n_input; i++) {
        if (def->input[i][0] == '^')
            continue;
        if (k-- == 0)
            return def->input[i];
    }
    return NULL;
}

/*
 * The number of an output that a function's body names. Only operators of several outputs need their names:
 * those of the batch normalizations, whose first is the one that counts; the parts of the others all have one
 * name and an index.
 */
static uint32_t output_number(const struct tf2__tf_node *node, const struct parts *parts)
{
    bool norm = node->def->op && strncmp(node->def->op, "FusedBatchNorm", 14) == 0;
    return norm && parts->output && !is_word("y", parts->output, parts->output_length) ? 1 : parts->index;
}

/* What result `parts` of a called function is inside of it. */
static const char *result_text(const Tf2__Tf__FunctionDef *function, const struct parts *parts)
{
    const Tf2__Tf__OpDef *signature = function->signature;
    uint32_t k = parts->index;
    /* The output of a call operator is a list called "output"; a function called by its name has outputs
     * of its own. */
    for (uint32_t i = 0; parts->output && i < signature->n_output_arg; i++) {
        const bool list = is_word("output", parts->output, parts->output_length);
        if (!list && is_word(signature->output_arg[i]->name, parts->output, parts->output_length))
            k = i;
    }
    const char *name = k < signature->n_output_arg ? signature->output_arg[k]->name : NULL;
    for (size_t i = 0; name && i < function->n_ret; i++) {
        if (function->ret[i]->key && strcmp(function->ret[i]->key, name) == 0)
            return function->ret[i]->value;
    }
    return NULL;
}

/* The number of an argument, UINT32_MAX: none is called so. */
static uint32_t find_argument(const Tf2__Tf__FunctionDef *function, const char *text, size_t length)
{
    for (uint32_t i = 0; i < function->signature->n_input_arg; i++) {
        if (is_word(function->signature->input_arg[i]->name, text, length))
            return i;
    }
    return UINT32_MAX;
}

bool tf2__tf_resolve(
    struct tf2__tf *tf, uint32_t scope, const char *text, struct tf2__tf_ref *ref, const char **missing)
{
    for (int step = 0; step < MAX_STEPS; step++) {
        struct parts parts;
        *missing = text ? text : "";
        const Tf2__Tf__FunctionDef *function = tf->scopes[scope].function;
        if (!text || !split_parts(text, function != NULL, &parts))
            return false;
        const uint32_t argument = function ? find_argument(function, text, parts.base_length) : UINT32_MAX;
        if (argument != UINT32_MAX) {
            const struct tf2__tf_node *call = &tf->nodes[tf->scopes[scope].call];
            scope = call->scope;
            text = data_input(call->def, argument);
            continue;
        }
        const uint32_t index = find_node(tf, scope, text, parts.base_length);
        if (index == TF2__STRMAP_NONE)
            return false;
        const struct tf2__tf_node *node = &tf->nodes[index];
        if (node->callee == TF2__TF_NO_SCOPE) {
            *ref = (struct tf2__tf_ref){.node = index, .output = output_number(node, &parts)};
            return true;
        }
        scope = node->callee;
        text = result_text(tf->scopes[scope].function, &parts);
    }
    return false;
}
