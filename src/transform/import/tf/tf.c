/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf.c: imports TensorFlow's frozen graphs (GraphDef) and SavedModels without variables.
 *
 * internal.h has the overview. As in the ONNX importer problems of single nodes are collected, and all of
 * them are told at once: a node that cannot be imported poisons its outputs, and nodes that read poison are
 * passed over in silence.
 */
#include "transform/import/tf/internal.h"

#include <protobuf-c/protobuf-c.h>

#define OPSET 14 /* of the nodes that are made here: has every operator of the table, and axes as inputs */

/* Inputs and outputs, as the row says. */
static enum tf2_status check_node(const struct tf2__tf_node *node, struct tf2_error *error)
{
    const struct tf2__tf_op *op = node->op;
    if (node->n_in < (uint32_t)op->min_in)
        return tf2__fail(error, TF2_ERR_FORMAT, "%u inputs, wanted %d or more", node->n_in, op->min_in);
    if (op->max_in >= 0 && node->n_in > (uint32_t)op->max_in)
        return tf2__fail(error, TF2_ERR_FORMAT, "%u inputs, wanted at most %d", node->n_in, op->max_in);
    if (op->max_out >= 0 && node->n_out > (uint32_t)op->max_out)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "output %u is used, only the first %d can be", node->n_out - 1,
            op->max_out);
    return TF2_OK;
}

static bool reads_poison(const struct tf2__tf *tf, const struct tf2__tf_node *node)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (tf->nodes[node->in[i].node].poison)
            return true;
    }
    return false;
}

static bool reads_random(const struct tf2__tf *tf, const struct tf2__tf_node *node)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (tf2__tf_in(tf, node, i)->random)
            return true;
    }
    return false;
}

/* Every output that somebody reads is there. */
static enum tf2_status check_results(const struct tf2__tf_node *node, struct tf2_error *error)
{
    for (uint32_t k = 0; k < node->n_out; k++) {
        const struct tf2__tf_value *value = &node->out[k];
        if (!value->file && !value->first && !value->spread && !value->random)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "output %u is used, and the node has none of this number", k);
    }
    return TF2_OK;
}

static enum tf2_status convert_node(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    TF2__TRY(check_node(node, error));
    if (reads_random(tf, node) && node->op->convert != tf2__tf_convert_alias)
        TF2__TRY(tf2__tf_convert_random(tf, node, error));
    else
        TF2__TRY(node->op->convert(tf, node, error));
    return check_results(node, error);
}

static enum tf2_status import_node(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2_error problem;
    node->poison = node->poison || reads_poison(tf, node);
    tf->reported = false;
    if (node->poison || convert_node(tf, node, &problem) == TF2_OK)
        return TF2_OK;
    node->poison = true;
    if (problem.status == TF2_ERR_NO_MEMORY || problem.status == TF2_ERR_INTERNAL)
        return tf2__fail(error, problem.status, "%s", problem.message);
    if (!tf->reported)
        tf2__report_add(
            &tf->onnx.report, problem.status, "node '%.100s' (%.60s): %s", node->name,
            node->def->op ? node->def->op : "", problem.message);
    return TF2_OK;
}

static enum tf2_status import_nodes(struct tf2__tf *tf, struct tf2_error *error)
{
    for (uint32_t i = 0; i < tf->n_order; i++) {
        struct tf2__tf_node *node = &tf->nodes[tf->order[i]];
        node->out = tf2__arena_alloc(&tf->onnx.arena, node->n_out, sizeof(*node->out));
        if (!node->out)
            return tf2__fail_memory(error, node->n_out * sizeof(*node->out), "the outputs of a node");
    }
    TF2__TRY(tf2__tf_add_inputs(tf, error));
    for (uint32_t i = 0; i < tf->n_order; i++)
        TF2__TRY(import_node(tf, &tf->nodes[tf->order[i]], error));
    return TF2_OK;
}

static enum tf2_status
add_output(struct tf2__tf *tf, const struct tf2__tf_output *output, struct tf2_error *error)
{
    struct tf2__tf_node *node = &tf->nodes[output->ref.node];
    struct tf2__onnx_value *value;
    const enum tf2_status status = tf2__tf_as_file(tf, node, &node->out[output->ref.output], &value, error);
    if (status != TF2_OK)
        return tf2__fail_prefix(error, status, "output '%s'", output->name);
    if (tf2__tf_is_const(value))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "output '%s' is constant: it does not depend on the contents of any input", output->name);
    if (tf->onnx.graph->tensors[value->tensor].is_input)
        TF2__TRY(tf2__tf_run_plain(tf, node, "Identity", 1, &value, "copy", &value, error));
    return tf2_graph_add_output(tf->onnx.graph, value->tensor, output->name, error);
}

static enum tf2_status run(struct tf2__tf *tf, struct tf2_error *error)
{
    TF2__TRY(tf2__tf_unpack(tf, error));
    TF2__TRY(tf2__tf_make_nodes(tf, error));
    TF2__TRY(tf2__tf_find_outputs(tf, error));
    TF2__TRY(tf2__tf_mark_needed(tf, error));
    tf2__tf_find_idioms(tf);
    TF2__TRY(tf2__tf_mark_needed(tf, error)); /* without what the idioms were made of */
    TF2__TRY(tf2__tf_find_order(tf, error));
    TF2__TRY(tf2__tf_check_ops(tf, error));
    TF2__TRY(import_nodes(tf, error));
    TF2__TRY(tf2__report_finish(&tf->onnx.report, tf->onnx.source->name, error));
    for (size_t i = 0; i < tf->n_outputs; i++)
        TF2__TRY(add_output(tf, &tf->outputs[i], error));
    return TF2_OK;
}

static void finish(struct tf2__tf *tf)
{
    const struct tf2_env *env = &tf->onnx.env;
    ProtobufCAllocator allocator;
    tf2__import_protobuf_allocator(env, &allocator);
    tf2__tf__graph_def__free_unpacked(tf->graph_def, &allocator);
    tf2__tf__saved_model__free_unpacked(tf->saved_model, &allocator);
    tf2__strmap_finish(&tf->functions);
    tf2__strmap_finish(&tf->names);
    tf2__free(env, tf->scopes);
    tf2__free(env, tf->nodes);
    tf2__onnx_finish(&tf->onnx);
}

static enum tf2_status import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error)
{
    const struct tf2_env env = graph->arena.env;
    struct tf2__tf *tf = tf2__calloc(&env, 1, sizeof(*tf));
    if (!tf)
        return tf2__fail_memory(error, sizeof(*tf), "a TensorFlow import");
    tf2__onnx_init(&tf->onnx, source, options, graph);
    tf->onnx.opset = OPSET;
    tf2__strmap_init(&tf->functions, &env);
    tf2__strmap_init(&tf->names, &env);
    enum tf2_status status = run(tf, error);
    if (status != TF2_OK && error)
        tf2__onnx_make_one_line(error);
    finish(tf);
    tf2__free(&env, tf);
    return status;
}

const struct tf2__importer tf2__importer_tf = {
    .name = "TensorFlow",
    .files = "a TensorFlow .pb file",
    .takes_weights = false,
    .probe = tf2__tf_probe,
    .import = import,
};
