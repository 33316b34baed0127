/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.c: network files to models. The only file of the API that leads to the importers: a program that
 * does not call these functions does not link them, nor their libraries.
 */
#include <tf2/model.h>

#include "common/file.h"
#include "transform/import/import.h"
#include "transform/model/model.h"
#include "transform/quant/lower.h"

#define DEFAULT_NAME "network"
#define SAVED_MODEL  "/saved_model.pb" /* in the directory of a TensorFlow SavedModel */

void tf2_import_options_defaults(struct tf2_import_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static enum tf2_status check_options(const struct tf2_import_options *options, struct tf2_error *error)
{
    char text[192];
    if ((options->n_input_shapes && !options->input_shapes) || (options->n_outputs && !options->outputs))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "import: %zu input shapes, %zu outputs, but a list is NULL",
            options->n_input_shapes, options->n_outputs);
    for (size_t i = 0; i < options->n_input_shapes; i++) {
        const struct tf2_shape *shape = &options->input_shapes[i].shape;
        if (shape->n_dims > TF2_MAX_DIMS)
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT,
                "import: input shape %zu has %u dimensions, at most %d allowed", i, shape->n_dims,
                TF2_MAX_DIMS);
        if (tf2_shape_count(shape) == 0)
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT,
                "import: input shape %zu is %s: every extent must be 1 or more, their product below 2^31", i,
                tf2_shape_format(shape, text, sizeof(text)));
    }
    for (size_t i = 0; i < options->n_outputs; i++) {
        if (!options->outputs[i] || !*options->outputs[i])
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "import: output %zu has no name", i);
    }
    return TF2_OK;
}

/* "/nets/resnet.v2.onnx" gives "resnet.v2", and a SavedModel the name of its directory. */
static char *base_name(const struct tf2_env *env, const char *path)
{
    const size_t length = strlen(path), tail = strlen(SAVED_MODEL);
    char *whole = tf2__strdup(env, path);
    if (!whole)
        return NULL;
    if (length > tail && strcmp(whole + length - tail, SAVED_MODEL) == 0)
        whole[length - tail] = '\0';
    const char *slash = strrchr(whole, '/');
    char *name = tf2__strdup(env, slash ? slash + 1 : whole);
    tf2__free(env, whole);
    char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && dot != name)
        *dot = '\0';
    return name;
}

static bool is_given(const struct tf2_preprocess *preprocess)
{
    bool any = preprocess->channels != TF2_CHANNELS_RGB || preprocess->scale != 0;
    for (size_t i = 0; i < TF2__COUNT(preprocess->mean); i++)
        any |= preprocess->mean[i] != 0;
    return any;
}

/* Arguments have been checked; source->name is the file's. */
static enum tf2_status import_source(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_model **model,
    struct tf2_error *error)
{
    struct tf2_env env;
    struct tf2_graph *graph = NULL;
    char *name = NULL;
    enum tf2_status status;
    tf2__env_copy(&env, options->env);
    status = tf2_graph_create(&env, &graph, error);
    if (status != TF2_OK)
        goto end;
    status = tf2__import(source, options, graph, error);
    if (status != TF2_OK)
        goto end;
    const float pixel_mean = graph->pixels.mean, pixel_scale = graph->pixels.scale;
    if (!options->no_optimize)
        status = tf2__quant_lower(&graph, error);
    if (status != TF2_OK) {
        status = tf2__fail_prefix(error, status, "%s", source->name);
        goto end;
    }
    name = base_name(&env, source->name);
    if (!name) {
        status = tf2__fail_memory(error, strlen(source->name) + 1, "a model's name");
        goto end;
    }
    status = tf2_model_from_graph(&graph, *name ? name : DEFAULT_NAME, options, model, error);
    if (status != TF2_OK)
        status = tf2__fail_prefix(error, status, "%s", source->name);
    else if (pixel_scale != 0 && !is_given(&options->preprocess))
        (*model)->preprocess = (struct tf2_preprocess){
            .mean = {pixel_mean, pixel_mean, pixel_mean, pixel_mean}, .scale = pixel_scale};
end:
    tf2__free(&env, name);
    tf2_graph_destroy(&graph);
    return status;
}

/* A .tf2 file is loaded, not imported: nothing can be changed but how pixels become inputs. */
static enum tf2_status check_tf2_options(
    const char *name, bool weights, const struct tf2_import_options *options, struct tf2_error *error)
{
    if (weights)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "%s: a weights file is given, but .tf2 files contain their weights", name);
    if (options->n_input_shapes)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "%s: shapes for inputs are given, but those of a .tf2 file are fixed; a session can take others",
            name);
    if (options->n_outputs)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "%s: outputs are chosen, but those of a .tf2 file are fixed",
            name);
    return tf2__model_check_preprocess(&options->preprocess, error);
}

/* Preprocessing in the options replaces the file's. */
static void override_preprocess(struct tf2_model *model, const struct tf2_preprocess *preprocess)
{
    if (is_given(preprocess))
        model->preprocess = *preprocess;
}

enum tf2_status tf2_model_import_memory(
    const char *name, const void *data, size_t size_bytes, const void *weights, size_t weights_bytes,
    const struct tf2_import_options *options, struct tf2_model **model, struct tf2_error *error)
{
    const struct tf2_import_options defaults = {0};
    if (!options)
        options = &defaults;
    if (!model || (size_bytes && !data) || (weights_bytes && !weights))
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "import: data or result is NULL");
    TF2__TRY(check_options(options, error));
    if (size_bytes && tf2__model_probe(data, size_bytes)) {
        name = name && *name ? name : DEFAULT_NAME;
        TF2__TRY(check_tf2_options(name, weights != NULL, options, error));
        TF2__TRY(tf2_model_load_memory(name, data, size_bytes, options->env, model, error));
        override_preprocess(*model, &options->preprocess);
        return TF2_OK;
    }
    const struct tf2__source source = {
        .name = name && *name ? name : DEFAULT_NAME,
        .data = data,
        .size_bytes = size_bytes,
        .weights_name = weights ? "weights" : NULL,
        .weights = weights,
        .weights_bytes = weights_bytes,
    };
    return import_source(&source, options, model, error);
}

/* Arguments have been checked. */
static enum tf2_status import_path(
    const char *path, const char *weights_path, const struct tf2_import_options *options,
    struct tf2_model **model, struct tf2_error *error)
{
    struct tf2__file file = {0}, weights = {0};
    enum tf2_status status;
    TF2__TRY(tf2__file_map(path, &file, error));
    if (tf2__model_probe(file.data, file.size_bytes)) {
        tf2__file_unmap(&file);
        TF2__TRY(check_tf2_options(path, weights_path != NULL, options, error));
        TF2__TRY(tf2_model_load(path, options->env, model, error));
        override_preprocess(*model, &options->preprocess);
        return TF2_OK;
    }
    status = weights_path ? tf2__file_map(weights_path, &weights, error) : TF2_OK;
    if (status == TF2_OK) {
        const struct tf2__source source = {
            .name = path,
            .path = path,
            .data = file.data,
            .size_bytes = file.size_bytes,
            .weights_name = weights_path,
            .weights = weights.data,
            .weights_bytes = weights.size_bytes,
        };
        status = import_source(&source, options, model, error);
    }
    tf2__file_unmap(&weights);
    tf2__file_unmap(&file);
    return status;
}

enum tf2_status tf2_model_import(
    const char *path, const char *weights_path, const struct tf2_import_options *options,
    struct tf2_model **model, struct tf2_error *error)
{
    const struct tf2_import_options defaults = {0};
    struct tf2_env env;
    if (!options)
        options = &defaults;
    if (!path || !model)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "import: path or result is NULL");
    TF2__TRY(check_options(options, error));
    if (!tf2__file_is_directory(path))
        return import_path(path, weights_path, options, model, error);

    tf2__env_copy(&env, options->env);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *inside = tf2__alloc(&env, length + sizeof(SAVED_MODEL));
    if (!inside)
        return tf2__fail_memory(error, length + sizeof(SAVED_MODEL), "a path");
    memcpy(inside, path, length);
    memcpy(inside + length, SAVED_MODEL, sizeof(SAVED_MODEL));
    enum tf2_status status = import_path(inside, weights_path, options, model, error);
    tf2__free(&env, inside);
    return status;
}
