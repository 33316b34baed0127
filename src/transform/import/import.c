/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.c: the list of importers; finding the one for a file by its content; what all importers share.
 *
 * Adding a format: a const struct tf2__importer in a folder beside this file, a line in `importers`.
 */
#include "transform/import/import.h"

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

static const struct tf2__importer *const importers[] = {
    &tf2__importer_onnx,
    &tf2__importer_caffe,
    &tf2__importer_tflite,
    &tf2__importer_tf,
};

/* Formats that people try and that are none of ours: recognized only to say so. */
struct known_format {
    size_t offset;
    const char *magic;
    size_t magic_bytes;
    const char *what;
};

static const struct known_format known_formats[] = {
    {0, "\x89HDF\r\n\x1a\n", 8, "an HDF5 file (Keras, or Caffe weights saved as .h5)"},
    {0, "PK\x03\x04", 4, "a ZIP archive (PyTorch or Keras; export the network as ONNX)"},
    {0, "\x80\x02", 2, "a Python pickle (PyTorch; export the network as ONNX)"},
    {0, "\x1f\x8b", 2, "compressed by gzip; decompress it first"},
    {0, "7767517\n", 8, "an ncnn parameter file"},
};

/* Why nobody took the file. */
static enum tf2_status refuse_unknown(const struct tf2__source *source, struct tf2_error *error)
{
    char wanted[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < TF2__COUNT(known_formats); i++) {
        const struct known_format *known = &known_formats[i];
        if (source->size_bytes >= known->offset + known->magic_bytes &&
            memcmp(source->data + known->offset, known->magic, known->magic_bytes) == 0)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "%s: unsupported format: this is %s", source->name, known->what);
    }
    for (size_t i = 0; i < TF2__COUNT(importers) && used < sizeof(wanted); i++)
        used += (size_t)snprintf(
            wanted + used, sizeof(wanted) - used, "%s%s", i ? " or " : "", importers[i]->files);
    return tf2__fail(error, TF2_ERR_FORMAT, "%s: unknown format, wanted %s", source->name, wanted);
}

static bool is_weights_file(const struct tf2__importer *importer, const void *data, size_t size_bytes)
{
    return size_bytes && importer->probe_weights && importer->probe_weights(data, size_bytes);
}

/* The importer for source->data; refuses what can be seen to be wrong from the files' kinds alone. */
static enum tf2_status
find_importer(const struct tf2__source *source, const struct tf2__importer **found, struct tf2_error *error)
{
    const struct tf2__importer *importer = NULL;
    for (size_t i = 0; i < TF2__COUNT(importers) && !importer; i++) {
        if (importers[i]->probe(source->data, source->size_bytes))
            importer = importers[i];
    }
    for (size_t i = 0; i < TF2__COUNT(importers) && !importer; i++) {
        if (!is_weights_file(importers[i], source->data, source->size_bytes))
            continue;
        if (source->weights_bytes && importers[i]->probe(source->weights, source->weights_bytes))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT,
                "%s: this is a %s weights file, and '%s' is the network's definition: give them the other "
                "way "
                "round",
                source->name, importers[i]->name, source->weights_name ? source->weights_name : "weights");
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "%s: this is a %s weights file, which does not say how the layers are connected for inference: "
            "give "
            "the network's definition (%s) first and this file as its weights",
            source->name, importers[i]->name, importers[i]->files);
    }
    if (!importer)
        return refuse_unknown(source, error);
    if (source->weights_name && !importer->takes_weights)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "%s: weights file '%s' given, but %s files contain their weights", source->name,
            source->weights_name, importer->name);
    *found = importer;
    return TF2_OK;
}

/* A shape for an input that does not exist would be ignored silently. */
static enum tf2_status check_wanted_shapes(
    const struct tf2__source *source, const struct tf2_import_options *options, const struct tf2_graph *graph,
    struct tf2_error *error)
{
    for (size_t i = 0; i < options->n_input_shapes; i++) {
        const char *name = options->input_shapes[i].name;
        bool found = (!name || !*name) && graph->n_inputs == 1;
        if (!found && (!name || !*name))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT,
                "%s: input shape %zu names no input, and the network has %u of them", source->name, i,
                graph->n_inputs);
        for (uint32_t k = 0; k < graph->n_inputs && !found; k++)
            found = strcmp(graph->tensors[graph->inputs[k]].name, name) == 0;
        if (!found)
            return tf2__fail(
                error, TF2_ERR_NOT_FOUND,
                "%s: a shape is given for input '%s', which the network does not have", source->name, name);
    }
    return TF2_OK;
}

/* Importers name the file they mean; this makes sure of it. */
static enum tf2_status
name_file(const struct tf2__source *source, enum tf2_status status, struct tf2_error *error)
{
    if (!error)
        return status;
    if (strncmp(error->message, source->name, strlen(source->name)) == 0)
        return status;
    if (source->weights_name &&
        strncmp(error->message, source->weights_name, strlen(source->weights_name)) == 0)
        return status;
    return tf2__fail_prefix(error, status, "%s", source->name);
}

enum tf2_status tf2__import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error)
{
    struct tf2_import_options defaults = {0};
    struct tf2__source named = *source;
    const struct tf2__importer *importer = NULL;
    if (!options)
        options = &defaults;
    if (!named.name || !*named.name)
        named.name = "network";
    if (!named.weights_name && named.weights)
        named.weights_name = "weights";
    if (!named.data || !named.size_bytes)
        return tf2__fail(error, TF2_ERR_FORMAT, "%s: the file is empty", named.name);
    if (named.weights_name && (!named.weights || !named.weights_bytes))
        return tf2__fail(error, TF2_ERR_FORMAT, "%s: the file is empty", named.weights_name);
    TF2__TRY(find_importer(&named, &importer, error));

    enum tf2_status status = importer->import(&named, options, graph, error);
    if (status != TF2_OK)
        return name_file(&named, status, error);
    TF2__TRY(check_wanted_shapes(&named, options, graph, error));
    if (graph->n_outputs == 0)
        return tf2__fail(error, TF2_ERR_GRAPH, "%s: the network has no outputs", named.name);
    return TF2_OK;
}

const struct tf2_shape *
tf2__import_wanted_shape(const struct tf2_import_options *options, const char *name, bool only)
{
    const struct tf2_shape *unnamed = NULL;
    for (size_t i = 0; i < options->n_input_shapes; i++) {
        const struct tf2_named_shape *wanted = &options->input_shapes[i];
        if (!wanted->name || !*wanted->name)
            unnamed = only ? &wanted->shape : NULL;
        else if (strcmp(wanted->name, name) == 0)
            return &wanted->shape;
    }
    return unnamed;
}

static void *protobuf_alloc(void *data, size_t size_bytes)
{
    return tf2__alloc(data, size_bytes);
}

static void protobuf_free(void *data, void *ptr)
{
    tf2__free(data, ptr);
}

void tf2__import_protobuf_allocator(const struct tf2_env *env, struct ProtobufCAllocator *allocator)
{
    allocator->alloc = protobuf_alloc;
    allocator->free = protobuf_free;
    allocator->allocator_data = (void *)(uintptr_t)env;
}
