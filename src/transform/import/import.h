/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.h: what a file format brings to the import stage. One const struct tf2__importer per format, in a
 * file
 * (or a few) of its own; the list is in import.c.
 */
#ifndef TF2__IMPORT_H
#define TF2__IMPORT_H

#include <tf2/model.h>

#include "transform/ir/graph.h"

/* The bytes to import. They stay mapped until the import is done, not longer. */
struct tf2__source {
    const char *name; /* for messages: the path */
    const char *path; /* the file, which may name others in its folder; NULL: only in memory */
    const unsigned char *data;
    size_t size_bytes;
    const char *weights_name; /* NULL: none given */
    const unsigned char *weights;
    size_t weights_bytes;
};

struct tf2__importer {
    const char *name; /* "ONNX" */
    const char *files;  /* what its files are called, for messages: "an .onnx file" */
    bool takes_weights; /* a second file holds the weights */
    /* Whether the data looks like this format; must be cheap and safe on anything. */
    bool (*probe)(const unsigned char *data, size_t size_bytes);
    /* Whether the data looks like this format's weights file; only with takes_weights. */
    bool (*probe_weights)(const unsigned char *data, size_t size_bytes);
    /*
     * Adds the whole network to the empty `graph`, inputs and outputs too. On failure the graph is thrown away.
     * options is never NULL here; the environment to use is graph->arena.env. Messages start with the name of the
     * file they are about.
     */
    enum tf2_status (*import)(
        const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
        struct tf2_error *error);
};

extern const struct tf2__importer tf2__importer_caffe;
extern const struct tf2__importer tf2__importer_onnx;
extern const struct tf2__importer tf2__importer_tflite;
extern const struct tf2__importer tf2__importer_tf;

/*
 * Finds the format by content and imports into the empty `graph`. options NULL: defaults. Afterwards every
 * shape in options->input_shapes belongs to an input, and there is at least one output. Messages start with a
 * file's name.
 */
enum tf2_status tf2__import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error);

/* The shape the caller wants for an input, or NULL. `name` may be the only input (only == true). */
const struct tf2_shape *
tf2__import_wanted_shape(const struct tf2_import_options *options, const char *name, bool only);

/* An allocator for protobuf-c over the environment. The env must outlive it. */
struct ProtobufCAllocator;
void tf2__import_protobuf_allocator(const struct tf2_env *env, struct ProtobufCAllocator *allocator);

#endif
