/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c: makes a model of a graph: checks it, runs the passes, counts. The importers are not needed here,
 * so that a program that builds its graphs itself does not link them (they hang on src/api/import.c).
 */
#include "transform/model/model.h"

#include <math.h>

#include "transform/ir/layout.h"
#include "transform/pass/pass.h"

enum tf2_status tf2__model_check_preprocess(const struct tf2_preprocess *preprocess, struct tf2_error *error)
{
    if ((unsigned)preprocess->channels > TF2_CHANNELS_BGR)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "preprocessing: no channel order has number %d",
            (int)preprocess->channels);
    for (size_t i = 0; i < TF2__COUNT(preprocess->mean); i++) {
        if (!isfinite(preprocess->mean[i]))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT, "preprocessing: mean %zu is %g, wanted a finite number", i,
                preprocess->mean[i]);
    }
    if (!isfinite(preprocess->scale))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "preprocessing: scale is %g, wanted a finite number",
            preprocess->scale);
    return TF2_OK;
}

/* Saturates: a file can describe more work than fits. */
static enum tf2_status count_macs(struct tf2_model *model, struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    struct tf2_shape *shapes = tf2__calloc(&model->env, graph->n_tensors, sizeof(*shapes));
    if (!shapes)
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*shapes), "shapes of a model");
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        shapes[t] = graph->tensors[t].shape;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (__builtin_add_overflow(model->macs, tf2__node_macs(&graph->nodes[i], shapes), &model->macs))
            model->macs = INT64_MAX;
    }
    tf2__free(&model->env, shapes);
    return TF2_OK;
}

static enum tf2_status count_weights(struct tf2_model *model, struct tf2_error *error)
{
    const struct tf2_graph *graph = model->graph;
    bool *counted = tf2__calloc(&model->env, graph->n_tensors, sizeof(*counted));
    if (!counted)
        return tf2__fail_memory(error, graph->n_tensors, "counting weights");
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++) {
            tf2_tensor_id id = graph->nodes[i].in[k];
            if (id == TF2_NO_TENSOR || !graph->tensors[id].data || counted[id])
                continue;
            counted[id] = true;
            model->weights_bytes += (size_t)tf2_shape_count(&graph->tensors[id].shape) *
                                    tf2_dtype_size_bytes(graph->tensors[id].dtype);
        }
    }
    tf2__free(&model->env, counted);
    return TF2_OK;
}

static void count_int8_nodes(struct tf2_model *model)
{
    const struct tf2_graph *graph = model->graph;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        model->n_int8_nodes += tf2__node_is_int8(graph, &graph->nodes[i]);
}

enum tf2_status tf2__model_count(struct tf2_model *model, struct tf2_error *error)
{
    count_int8_nodes(model);
    TF2__TRY(count_macs(model, error));
    return count_weights(model, error);
}

static enum tf2_status fill(
    struct tf2_model *model, const char *name, const struct tf2_import_options *options,
    struct tf2_error *error)
{
    model->name = tf2__strdup(&model->env, name);
    if (!model->name)
        return tf2__fail_memory(error, strlen(name) + 1, "a model's name");
    TF2__TRY(tf2__graph_verify(model->graph, error));
    if (!options || !options->no_optimize)
        TF2__TRY(tf2__passes_run(model->graph, error));
    return tf2__model_count(model, error);
}

enum tf2_status tf2_model_from_graph(
    struct tf2_graph **graph, const char *name, const struct tf2_import_options *options,
    struct tf2_model **result, struct tf2_error *error)
{
    if (!graph || !*graph || !name || !result)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "model: graph, name or result is NULL");
    if (options)
        TF2__TRY(tf2__model_check_preprocess(&options->preprocess, error));
    const struct tf2_env *env = &(*graph)->arena.env;
    struct tf2_model *model = tf2__calloc(env, 1, sizeof(*model));
    if (!model)
        return tf2__fail_memory(error, sizeof(*model), "a model");
    model->env = *env;
    model->graph = *graph;
    if (options)
        model->preprocess = options->preprocess;

    enum tf2_status status = fill(model, name, options, error);
    if (status != TF2_OK) {
        model->graph = NULL; /* still the caller's */
        tf2_model_destroy(&model);
        return status;
    }
    *graph = NULL;
    *result = model;
    return TF2_OK;
}

void tf2_model_destroy(struct tf2_model **model)
{
    if (!model || !*model)
        return;
    struct tf2_env env = (*model)->env;
    tf2_graph_destroy(&(*model)->graph);
    tf2__free(&env, (*model)->name);
    tf2__free(&env, (*model)->labels);
    tf2__free(&env, (*model)->facts);
    tf2__file_unmap(&(*model)->file);
    tf2__free(&env, (*model)->copy);
    tf2__free(&env, *model);
    *model = NULL;
}

void tf2_model_info(const struct tf2_model *model, struct tf2_model_info *info)
{
    if (!model || !info)
        return;
    *info = (struct tf2_model_info){
        .name = model->name,
        .n_inputs = model->graph->n_inputs,
        .n_outputs = model->graph->n_outputs,
        .n_nodes = model->graph->n_nodes,
        .macs = model->macs,
        .weights_bytes = model->weights_bytes,
        .preprocess = model->preprocess,
        .n_int8_nodes = model->n_int8_nodes,
        .n_labels = model->n_labels,
        .n_facts = model->n_facts,
        .has_example = model->example != NULL,
    };
}

const char *tf2_model_label(const struct tf2_model *model, size_t index)
{
    return model && index < model->n_labels ? model->labels[index] : NULL;
}

enum tf2_status tf2_model_fact(const struct tf2_model *model, size_t index, struct tf2_fact *fact)
{
    if (!model || !fact || index >= model->n_facts)
        return TF2_ERR_INVALID_ARGUMENT;
    *fact = model->facts[index];
    return TF2_OK;
}

static void describe(
    const struct tf2__tensor *tensor, const char *name, enum tf2_layout layout, struct tf2_tensor_info *info)
{
    *info = (struct tf2_tensor_info){
        .name = name, .dtype = tensor->dtype, .shape = tensor->shape, .layout = layout};
}

enum tf2_status tf2_model_input(const struct tf2_model *model, size_t index, struct tf2_tensor_info *info)
{
    if (!model || !info || index >= model->graph->n_inputs)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2__tensor *tensor = &model->graph->tensors[model->graph->inputs[index]];
    describe(tensor, tensor->name, tf2__layout_of_input(model->graph, (uint32_t)index), info);
    return TF2_OK;
}

enum tf2_status tf2_model_output(const struct tf2_model *model, size_t index, struct tf2_tensor_info *info)
{
    if (!model || !info || index >= model->graph->n_outputs)
        return TF2_ERR_INVALID_ARGUMENT;
    const struct tf2__graph_output *output = &model->graph->outputs[index];
    describe(
        &model->graph->tensors[output->tensor], output->name,
        tf2__layout_of_output(model->graph, (uint32_t)index), info);
    return TF2_OK;
}
