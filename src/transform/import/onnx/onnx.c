/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx.c: imports ONNX models (ONNX specification, IR version 3 and later, opsets 7 to 23 of the default
 * domain).
 *
 * internal.h has the overview. Problems of single nodes are collected, and all of them are told at once: a
 * node that cannot be imported poisons its outputs, and nodes that read poison are passed over in silence.
 */
#include "transform/import/onnx/internal.h"

#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

/* What folding may touch beyond a few times the size of the file: room for the weights of a large network
 * that are made by ConstantOfShape, and the end of files that want to fill the memory. */
#define BUDGET_BYTES ((uint64_t)1 << 30)

/* ---- reading the model ---- */

static enum tf2_status unpack(struct tf2__onnx *onnx, struct tf2_error *error)
{
    ProtobufCAllocator allocator;
    TF2__TRY(tf2__onnx_check_bytes(onnx->source->data, onnx->source->size_bytes, error));
    tf2__import_protobuf_allocator(&onnx->env, &allocator);
    onnx->model = tf2__onnx__model_proto__unpack(&allocator, onnx->source->size_bytes, onnx->source->data);
    if (!onnx->model)
        return tf2__fail_memory(error, onnx->source->size_bytes, "the ONNX file's contents");
    if (!onnx->model->graph)
        return tf2__fail(error, TF2_ERR_FORMAT, "damaged ONNX file: it has no graph");
    if (!onnx->model->has_ir_version || onnx->model->ir_version < 3)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "ONNX IR version %lld, wanted 3 or later",
            (long long)onnx->model->ir_version);
    if (onnx->model->graph->n_sparse_initializer)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu sparse initializers, only dense ones are supported",
            onnx->model->graph->n_sparse_initializer);
    return TF2_OK;
}

static bool is_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static enum tf2_status find_opset(struct tf2__onnx *onnx, struct tf2_error *error)
{
    const Tf2__Onnx__ModelProto *model = onnx->model;
    bool found = false;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        if (!is_default_domain(model->opset_import[i]->domain))
            continue;
        if (found && onnx->opset != model->opset_import[i]->version)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "opset %lld and opset %lld of the same domain", (long long)onnx->opset,
                (long long)model->opset_import[i]->version);
        onnx->opset = model->opset_import[i]->version;
        found = true;
    }
    if (!found)
        return tf2__fail(error, TF2_ERR_FORMAT, "the model does not say which ONNX opset it uses");
    if (onnx->opset < TF2__ONNX_MIN_OPSET || onnx->opset > TF2__ONNX_MAX_OPSET)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "ONNX opset %lld, supported are %d to %d: export again with another opset",
            (long long)onnx->opset, TF2__ONNX_MIN_OPSET, TF2__ONNX_MAX_OPSET);
    return TF2_OK;
}

/* ---- operators that are not supported, gathered by type ---- */

#define MAX_EXAMPLES 3

struct unsupported {
    const char *domain;
    const char *type;
    size_t n;
    const char *example[MAX_EXAMPLES];
};

static void report_unsupported(struct tf2__onnx *onnx, const struct unsupported *entry)
{
    char examples[256];
    size_t used = 0;
    examples[0] = '\0';
    for (size_t i = 0; i < TF2__MIN(entry->n, MAX_EXAMPLES); i++)
        used += (size_t)snprintf(
            examples + used, sizeof(examples) - used, "%s'%.60s'", i ? ", " : "", entry->example[i]);
    tf2__report_add(
        &onnx->report, TF2_ERR_UNSUPPORTED, "operator %.60s%s%.60s: not supported (%zu node%s: %s%s)",
        entry->domain, *entry->domain ? "." : "", entry->type, entry->n, entry->n == 1 ? "" : "s", examples,
        entry->n > MAX_EXAMPLES ? ", ..." : "");
}

/* The key under which nodes of one kind are counted: "domain.type". */
static const char *type_key(struct tf2__onnx *onnx, const char *domain, const char *type)
{
    size_t size = strlen(domain) + strlen(type) + 2;
    char *key = tf2__arena_alloc(&onnx->arena, size, 1);
    if (key)
        snprintf(key, size, "%s.%s", domain, type);
    return key;
}

/* Finds the rows of all needed nodes; nodes without one go into the report, one line for each kind. */
static enum tf2_status find_ops(struct tf2__onnx *onnx, struct tf2_error *error)
{
    struct tf2__strmap kinds;
    struct unsupported *list = tf2__arena_alloc(&onnx->arena, onnx->n_order, sizeof(*list));
    uint32_t n = 0;
    bool ok = list != NULL;
    tf2__strmap_init(&kinds, &onnx->env);
    for (uint32_t i = 0; i < onnx->n_order && ok; i++) {
        struct tf2__onnx_node *node = &onnx->nodes[onnx->order[i]];
        const char *domain = node->proto->domain ? node->proto->domain : "";
        const char *type = node->proto->op_type ? node->proto->op_type : "(no type)";
        node->op = is_default_domain(domain) ? tf2__onnx_op_find(type) : NULL;
        if (node->op)
            continue;
        node->refused = true;
        const char *key = type_key(onnx, domain, type);
        uint32_t k = key ? tf2__strmap_get(&kinds, key) : 0;
        ok = key && (k != TF2__STRMAP_NONE || tf2__strmap_set(&kinds, key, n));
        if (!ok)
            break;
        if (k == TF2__STRMAP_NONE) {
            k = n++;
            list[k] = (struct unsupported){.domain = domain, .type = type};
        }
        if (list[k].n < MAX_EXAMPLES)
            list[k].example[list[k].n] = node->label;
        list[k].n++;
    }
    tf2__strmap_finish(&kinds);
    if (!ok)
        return tf2__fail_memory(error, sizeof(*list), "the list of unsupported operators");
    for (uint32_t i = 0; i < n; i++)
        report_unsupported(onnx, &list[i]);
    return TF2_OK;
}

/* ---- nodes ---- */

/* What can be said of a node without its inputs. */
static enum tf2_status
check_node(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_op *op = node->op;
    const Tf2__Onnx__NodeProto *proto = node->proto;
    if (onnx->opset < op->since)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "opset %lld does not have this operator (it came with %d)",
            (long long)onnx->opset, op->since);
    if (op->until && onnx->opset > op->until)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "opset %lld does not have this operator (%d was the last)",
            (long long)onnx->opset, op->until);
    for (size_t i = 0; i < (size_t)op->min_in; i++) {
        if (i >= proto->n_input || !*proto->input[i])
            return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
    }
    if (op->max_in >= 0 && proto->n_input > (size_t)op->max_in)
        return tf2__fail(error, TF2_ERR_FORMAT, "%zu inputs, wanted at most %d", proto->n_input, op->max_in);
    if (proto->n_output == 0)
        return tf2__fail(error, TF2_ERR_FORMAT, "no outputs");
    for (size_t i = 0; i < proto->n_output; i++) {
        if (op->max_out >= 0 && i >= (size_t)op->max_out && tf2__onnx_out_used(onnx, node, i))
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "output %zu ('%s') is used, only the first %d can be", i,
                proto->output[i], op->max_out);
    }
    return tf2__onnx_check_attrs(node, error);
}

static bool reads_poison(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node)
{
    for (size_t i = 0; i < node->proto->n_input; i++) {
        const struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->input[i]);
        if (value && value->state == TF2__ONNX_POISON)
            return true;
    }
    return false;
}

static enum tf2_status
convert_node(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_load_inputs(onnx, node, error));
    if (tf2__onnx_can_fold(onnx, node))
        return tf2__onnx_fold_node(onnx, node, error);
    if (!node->op->convert)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "only supported on constants and on what is computed from shapes, an input is data");
    bool done;
    TF2__TRY(tf2__onnx_convert_moved(onnx, node, &done, error));
    return done ? TF2_OK : node->op->convert(onnx, node, error);
}

/* Marks the outputs that a node should have produced and did not. */
static void poison_outputs(struct tf2__onnx *onnx, const struct tf2__onnx_node *node)
{
    for (size_t i = 0; i < node->proto->n_output; i++) {
        struct tf2__onnx_value *value = tf2__onnx_find(onnx, node->proto->output[i]);
        if (value && value->state == TF2__ONNX_UNSEEN)
            value->state = TF2__ONNX_POISON;
    }
}

/* A problem of one node goes into the report; only trouble of our own ends the import. */
static enum tf2_status note_problem(
    struct tf2__onnx *onnx, struct tf2__onnx_node *node, const struct tf2_error *problem,
    struct tf2_error *error)
{
    node->refused = true;
    if (problem->status == TF2_ERR_NO_MEMORY || problem->status == TF2_ERR_INTERNAL)
        return tf2__fail(error, problem->status, "%s", problem->message);
    tf2__report_add(
        &onnx->report, problem->status, "node '%.100s' (%s): %s", node->label, node->type,
        problem->message);
    return TF2_OK;
}

enum tf2_status
tf2__onnx_import_node(struct tf2__onnx *onnx, struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_error problem;
    if (!node->refused && check_node(onnx, node, &problem) != TF2_OK)
        TF2__TRY(note_problem(onnx, node, &problem, error));
    if (!node->refused && !reads_poison(onnx, node) && convert_node(onnx, node, &problem) != TF2_OK)
        TF2__TRY(note_problem(onnx, node, &problem, error));
    poison_outputs(onnx, node);
    return TF2_OK;
}

static enum tf2_status import_nodes(struct tf2__onnx *onnx, struct tf2_error *error)
{
    for (uint32_t i = 0; i < onnx->n_order; i++)
        TF2__TRY(tf2__onnx_import_node(onnx, &onnx->nodes[onnx->order[i]], error));
    return TF2_OK;
}

static enum tf2_status add_outputs(struct tf2__onnx *onnx, struct tf2_error *error)
{
    for (uint32_t i = 0; i < onnx->n_outputs; i++) {
        const struct tf2__onnx_value *value = onnx->outputs[i];
        if (value->state != TF2__ONNX_TENSOR)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "output '%s' is constant: it does not depend on the contents of any input", value->name);
        if (value->n_tables || value->lookup)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "output '%s' is a list of indices", value->name);
        tf2_tensor_id id = value->tensor;
        if (value->integer_type)
            TF2__TRY(tf2__onnx_output_real(onnx, value, &id, error));
        TF2__TRY(tf2_graph_add_output(onnx->graph, id, value->name, error));
    }
    return TF2_OK;
}

/* ---- the import ---- */

static enum tf2_status run(struct tf2__onnx *onnx, struct tf2_error *error)
{
    TF2__TRY(unpack(onnx, error));
    TF2__TRY(find_opset(onnx, error));
    TF2__TRY(tf2__onnx_expand(onnx, error));
    TF2__TRY(tf2__onnx_resolve(onnx, error));
    TF2__TRY(find_ops(onnx, error));
    TF2__TRY(tf2__onnx_add_inputs(onnx, error));
    TF2__TRY(import_nodes(onnx, error));
    TF2__TRY(tf2__report_finish(&onnx->report, onnx->source->name, error));
    return add_outputs(onnx, error);
}

void tf2__onnx_init(
    struct tf2__onnx *onnx, const struct tf2__source *source, const struct tf2_import_options *options,
    struct tf2_graph *graph)
{
    *onnx = (struct tf2__onnx){
        .source = source,
        .options = options,
        .graph = graph,
        .env = graph->arena.env,
        .budget_bytes = BUDGET_BYTES + TF2__ONNX_BUDGET_FACTOR * (uint64_t)source->size_bytes};
    tf2__arena_init(&onnx->arena, &onnx->env);
    tf2__strmap_init(&onnx->names, &onnx->env);
    tf2__strmap_init(&onnx->locations, &onnx->env);
}

void tf2__onnx_finish(struct tf2__onnx *onnx)
{
    ProtobufCAllocator allocator;
    tf2__import_protobuf_allocator(&onnx->env, &allocator);
    if (onnx->model)
        tf2__onnx_restore(onnx);
    tf2__onnx__model_proto__free_unpacked(onnx->model, &allocator);
    tf2__free(&onnx->env, onnx->lane_shapes);
    tf2__strmap_finish(&onnx->names);
    tf2__onnx_finish_external(onnx);
    tf2__arena_finish(&onnx->arena);
}

void tf2__onnx_make_one_line(struct tf2_error *error)
{
    for (char *c = error->message; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

static enum tf2_status import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error)
{
    struct tf2__onnx *onnx = tf2__calloc(&graph->arena.env, 1, sizeof(*onnx));
    if (!onnx)
        return tf2__fail_memory(error, sizeof(*onnx), "an ONNX import");
    tf2__onnx_init(onnx, source, options, graph);
    enum tf2_status status = run(onnx, error);
    if (status != TF2_OK && error)
        tf2__onnx_make_one_line(error);
    tf2__onnx_finish(onnx);
    struct tf2_env env = graph->arena.env;
    tf2__free(&env, onnx);
    return status;
}

const struct tf2__importer tf2__importer_onnx = {
    .name = "ONNX",
    .files = "an .onnx file",
    .takes_weights = false,
    .probe = tf2__onnx_probe,
    .import = import,
};
