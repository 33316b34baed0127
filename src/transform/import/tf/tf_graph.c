/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_graph.c: the network's outputs, which nodes they need, and in which order those can be computed.
 *
 * A frozen graph does not say what its outputs are: they are the nodes that nobody reads. A SavedModel says
 * it in a signature. As in the ONNX importer both walks use stacks of their own: the depth of a network is
 * the file's choice.
 */
#include "transform/import/tf/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_OUTPUTS 1024

/* ---- outputs ---- */

/* Nodes that are no outputs though nobody reads them: what runs for its effect, and what is left over. */
static bool is_never_output(const char *op)
{
    static const char *const names[] = {
        "Assert",
        "Assign",
        "AssignVariableOp",
        "Const",
        "MergeV2Checkpoints",
        "NoOp",
        "Placeholder",
        "PlaceholderWithDefault",
        "Print",
        "RestoreV2",
        "SaveV2",
        "ShardedFilename",
        "VarHandleOp",
        "VarIsInitializedOp",
        "Variable",
        "VariableV2",
    };
    for (size_t i = 0; i < TF2__COUNT(names); i++) {
        if (strcmp(names[i], op) == 0)
            return true;
    }
    return false;
}

static enum tf2_status alloc_outputs(struct tf2__tf *tf, size_t n, struct tf2_error *error)
{
    if (n > MAX_OUTPUTS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%zu outputs, at most %d supported", n, MAX_OUTPUTS);
    tf->outputs = tf2__arena_alloc(&tf->onnx.arena, n, sizeof(*tf->outputs));
    return tf->outputs ? TF2_OK : tf2__fail_memory(error, n * sizeof(*tf->outputs), "the list of outputs");
}

static enum tf2_status add_output(
    struct tf2__tf *tf, const char *name, const char *text, enum tf2_status status, struct tf2_error *error)
{
    struct tf2__tf_output *output = &tf->outputs[tf->n_outputs];
    const char *missing;
    if (!tf2__tf_resolve(tf, 0, text, &output->ref, &missing))
        return tf2__fail(error, status, "output '%s': no node computes a tensor of this name", name);
    for (size_t i = 0; i < tf->n_outputs; i++) {
        if (strcmp(tf->outputs[i].name, name) == 0)
            return tf2__fail(error, status, "two outputs are called '%s'", name);
    }
    output->name = name;
    tf->n_outputs++;
    return TF2_OK;
}

static enum tf2_status take_wanted(struct tf2__tf *tf, struct tf2_error *error)
{
    const struct tf2_import_options *options = tf->onnx.options;
    TF2__TRY(alloc_outputs(tf, options->n_outputs, error));
    for (size_t i = 0; i < options->n_outputs; i++)
        TF2__TRY(add_output(tf, options->outputs[i], options->outputs[i], TF2_ERR_NOT_FOUND, error));
    return TF2_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp((*(Tf2__Tf__TensorInfoEntry *const *)a)->key, (*(Tf2__Tf__TensorInfoEntry *const *)b)->key);
}

/* A map has no order: the outputs are sorted by their names, so that it is always the same. */
static enum tf2_status take_signature(struct tf2__tf *tf, struct tf2_error *error)
{
    const Tf2__Tf__SignatureDef *signature = tf->signature;
    const size_t n = signature->n_outputs;
    TF2__TRY(alloc_outputs(tf, n, error));
    Tf2__Tf__TensorInfoEntry **sorted = tf2__arena_alloc(&tf->onnx.arena, n, sizeof(*sorted));
    if (!sorted)
        return tf2__fail_memory(error, n * sizeof(*sorted), "the list of outputs");
    for (size_t i = 0; i < n; i++) {
        sorted[i] = signature->outputs[i];
        if (!sorted[i]->key || !sorted[i]->value || !sorted[i]->value->name)
            return tf2__fail(error, TF2_ERR_FORMAT, "output %zu of the signature has no name", i);
    }
    qsort(sorted, n, sizeof(*sorted), compare_entries);
    for (size_t i = 0; i < n; i++)
        TF2__TRY(add_output(tf, sorted[i]->key, sorted[i]->value->name, TF2_ERR_FORMAT, error));
    return TF2_OK;
}

/* Marks what the graph itself reads, by the nodes' own names: a call counts as a node. */
static enum tf2_status find_read(struct tf2__tf *tf, bool **read, struct tf2_error *error)
{
    struct tf2__strmap names;
    const size_t n = tf->def->n_node;
    bool ok = true;
    *read = tf2__arena_alloc(&tf->onnx.arena, n, sizeof(**read));
    if (!*read)
        return tf2__fail_memory(error, n, "the list of outputs");
    tf2__strmap_init(&names, &tf->onnx.env);
    for (size_t i = 0; i < n && ok; i++)
        ok = tf2__strmap_set(&names, tf->def->node[i]->name, (uint32_t)i);
    for (size_t i = 0; i < n && ok; i++) {
        const Tf2__Tf__NodeDef *def = tf->def->node[i];
        for (size_t k = 0; k < def->n_input; k++) {
            const char *colon = strchr(def->input[k], ':');
            const size_t length = colon ? (size_t)(colon - def->input[k]) : strlen(def->input[k]);
            if (length >= tf->scratch_bytes)
                continue; /* no node has so long a name */
            memcpy(tf->scratch, def->input[k], length);
            tf->scratch[length] = '\0';
            uint32_t from = tf2__strmap_get(&names, tf->scratch);
            if (from != TF2__STRMAP_NONE)
                (*read)[from] = true;
        }
    }
    tf2__strmap_finish(&names);
    return ok ? TF2_OK : tf2__fail_memory(error, n, "the table of names");
}

static enum tf2_status take_unread(struct tf2__tf *tf, struct tf2_error *error)
{
    size_t n = 0;
    bool *read;
    TF2__TRY(find_read(tf, &read, error));
    for (size_t i = 0; i < tf->def->n_node; i++) {
        read[i] |= is_never_output(tf->def->node[i]->op ? tf->def->node[i]->op : "");
        n += !read[i];
    }
    if (n == 0)
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "every node is read by another, so the network's outputs cannot be told: choose them (--output "
            "NAME, or "
            "tf2_import_options.outputs)");
    TF2__TRY(alloc_outputs(tf, n, error));
    for (size_t i = 0; i < tf->def->n_node; i++) {
        if (!read[i])
            TF2__TRY(add_output(tf, tf->def->node[i]->name, tf->def->node[i]->name, TF2_ERR_FORMAT, error));
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_find_outputs(struct tf2__tf *tf, struct tf2_error *error)
{
    if (tf->onnx.options->n_outputs)
        return take_wanted(tf, error);
    return tf->signature ? take_signature(tf, error) : take_unread(tf, error);
}

/* ---- needed nodes ---- */

/* The inputs of a node as references; what is not there goes into the report. */
static enum tf2_status resolve_inputs(struct tf2__tf *tf, uint32_t index, struct tf2_error *error)
{
    struct tf2__tf_node *node = &tf->nodes[index];
    const Tf2__Tf__NodeDef *def = node->def;
    const char *undefined = NULL, *missing;
    node->in = tf2__arena_alloc(&tf->onnx.arena, def->n_input, sizeof(*node->in));
    if (!node->in)
        return tf2__fail_memory(error, def->n_input * sizeof(*node->in), "the inputs of a node");
    for (size_t i = 0; i < def->n_input; i++) {
        if (def->input[i][0] == '^')
            continue;
        if (tf2__tf_resolve(tf, node->scope, def->input[i], &node->in[node->n_in], &missing))
            node->n_in++;
        else
            undefined = missing;
    }
    if (undefined) {
        node->poison = true;
        node->n_in = 0;
        tf2__report_add(
            &tf->onnx.report, TF2_ERR_FORMAT,
            "node '%.100s' (%.60s): nothing in the file defines its input '%.100s'", node->name,
            def->op ? def->op : "", undefined);
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_mark_needed(struct tf2__tf *tf, struct tf2_error *error)
{
    uint32_t n_work = 0, *work = tf2__arena_alloc(&tf->onnx.arena, tf->n_nodes, sizeof(*work));
    if (!work)
        return tf2__fail_memory(error, tf->n_nodes * sizeof(*work), "the list of nodes");
    for (uint32_t i = 0; i < tf->n_nodes; i++) {
        tf->nodes[i].needed = false;
        tf->nodes[i].n_out = 0;
    }
    for (size_t i = 0; i < tf->n_outputs; i++) {
        struct tf2__tf_node *node = &tf->nodes[tf->outputs[i].ref.node];
        node->n_out = TF2__MAX(node->n_out, tf->outputs[i].ref.output + 1);
        if (!node->needed)
            work[n_work++] = tf->outputs[i].ref.node;
        node->needed = true;
    }
    while (n_work) {
        const uint32_t index = work[--n_work];
        if (!tf->nodes[index].in)
            TF2__TRY(resolve_inputs(tf, index, error));
        for (uint32_t i = 0; i < tf->nodes[index].n_in; i++) {
            const struct tf2__tf_ref ref = tf->nodes[index].in[i];
            struct tf2__tf_node *from = &tf->nodes[ref.node];
            from->n_out = TF2__MAX(from->n_out, ref.output + 1);
            if (!from->needed)
                work[n_work++] = ref.node;
            from->needed = true;
        }
    }
    return TF2_OK;
}

/* ---- order ---- */

enum visit {
    NEW = 0,
    OPEN = 1, /* on the stack */
    DONE = 2,
};

struct frame {
    uint32_t node, next_input;
};

static enum tf2_status order_from(
    struct tf2__tf *tf, uint32_t root, unsigned char *visit, struct frame *stack, struct tf2_error *error)
{
    uint32_t depth = 0;
    stack[depth++] = (struct frame){.node = root};
    visit[root] = OPEN;
    while (depth) {
        struct frame *top = &stack[depth - 1];
        const struct tf2__tf_node *node = &tf->nodes[top->node];
        while (top->next_input < node->n_in && visit[node->in[top->next_input].node] == DONE)
            top->next_input++;
        if (top->next_input == node->n_in) {
            visit[top->node] = DONE;
            tf->order[tf->n_order++] = top->node;
            depth--;
            continue;
        }
        const uint32_t producer = node->in[top->next_input].node;
        if (visit[producer] == OPEN)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "node '%s' (%s) needs its own result: loops are not supported",
                tf->nodes[producer].name, tf->nodes[producer].def->op ? tf->nodes[producer].def->op : "");
        visit[producer] = OPEN;
        stack[depth++] = (struct frame){.node = producer};
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_find_order(struct tf2__tf *tf, struct tf2_error *error)
{
    unsigned char *visit = tf2__arena_alloc(&tf->onnx.arena, tf->n_nodes, 1);
    struct frame *stack = tf2__arena_alloc(&tf->onnx.arena, tf->n_nodes, sizeof(*stack));
    tf->order = tf2__arena_alloc(&tf->onnx.arena, tf->n_nodes, sizeof(*tf->order));
    if (!visit || !stack || !tf->order)
        return tf2__fail_memory(error, tf->n_nodes * sizeof(*stack), "the order of nodes");
    for (uint32_t i = 0; i < tf->n_nodes; i++) {
        if (tf->nodes[i].needed && visit[i] == NEW)
            TF2__TRY(order_from(tf, i, visit, stack, error));
    }
    return TF2_OK;
}

/* ---- operators that are not supported, gathered by type ---- */

#define MAX_EXAMPLES 3

struct unsupported {
    const char *type;
    size_t n;
    const char *example[MAX_EXAMPLES];
};

static void report_unsupported(struct tf2__tf *tf, const struct unsupported *entry)
{
    const char *reason = tf2__tf_op_reason(entry->type);
    char examples[256];
    size_t used = 0;
    examples[0] = '\0';
    for (size_t i = 0; i < TF2__MIN(entry->n, MAX_EXAMPLES); i++)
        used += (size_t)snprintf(
            examples + used, sizeof(examples) - used, "%s'%.60s'", i ? ", " : "", entry->example[i]);
    tf2__report_add(
        &tf->onnx.report, TF2_ERR_UNSUPPORTED, "operator %.60s: %s (%zu node%s: %s%s)", entry->type,
        reason ? reason : "not supported", entry->n, entry->n == 1 ? "" : "s", examples,
        entry->n > MAX_EXAMPLES ? ", ..." : "");
}

enum tf2_status tf2__tf_check_ops(struct tf2__tf *tf, struct tf2_error *error)
{
    struct tf2__strmap kinds;
    struct unsupported *list = tf2__arena_alloc(&tf->onnx.arena, tf->n_order, sizeof(*list));
    uint32_t n = 0;
    bool ok = list != NULL;
    tf2__strmap_init(&kinds, &tf->onnx.env);
    for (uint32_t i = 0; i < tf->n_order && ok; i++) {
        struct tf2__tf_node *node = &tf->nodes[tf->order[i]];
        const char *type = node->def->op && *node->def->op ? node->def->op : "(no type)";
        if (!node->op)
            node->op = tf2__tf_op_find(type);
        if (node->op)
            continue;
        node->poison = true;
        uint32_t k = tf2__strmap_get(&kinds, type);
        if (k == TF2__STRMAP_NONE) {
            k = n++;
            list[k] = (struct unsupported){.type = type};
            ok = tf2__strmap_set(&kinds, type, k);
        }
        if (list[k].n < MAX_EXAMPLES)
            list[k].example[list[k].n] = node->name;
        list[k].n++;
    }
    tf2__strmap_finish(&kinds);
    if (!ok)
        return tf2__fail_memory(error, sizeof(*list), "the list of unsupported operators");
    for (uint32_t i = 0; i < n; i++)
        report_unsupported(tf, &list[i]);
    return TF2_OK;
}
