/* SPDX-License-Identifier: Apache-2.0 */
/* caffe.h: for tests of the Caffe importer: networks from text, weights files made in memory. */
#ifndef TF2_TEST_CAFFE_H
#define TF2_TEST_CAFFE_H

#include "transform/import/import.h"

struct caffe_net {
    enum tf2_status status;
    struct tf2_error error;
    struct tf2_graph *graph;
};

/* Imports `text` with a weights file (NULL: none) through tf2__import. Give it to caffe_net_free. */
void caffe_net_import(
    struct caffe_net *net, const char *text, const void *weights, size_t weights_bytes,
    const struct tf2_import_options *options);
void caffe_net_free(struct caffe_net *net);

/* The same with made-up weights; the import has to succeed. */
void caffe_net_random(struct caffe_net *net, const char *text);
/* The import has to fail with this status, and the message to contain all of the words (the last is NULL). */
void caffe_net_fails(const struct caffe_net *net, enum tf2_status status, ...);

/* The only node with this operator; the test fails unless there is one. */
const struct tf2__node *caffe_net_node(const struct caffe_net *net, enum tf2_op op);
/* The shape of a tensor as text; "none" when there is no such tensor. */
const char *caffe_net_shape(const struct caffe_net *net, const char *name, char text[128]);

struct caffe_blob {
    uint32_t n_dims;
    int64_t dim[5];
    const float *data; /* NULL: 0.5, 1, 1.5 ... */
};

/* A layer of a weights file. */
struct caffe_blobs {
    const char *name;
    size_t n_blobs;
    struct caffe_blob blob[3];
};

enum caffe_weights_form {
    CAFFE_WEIGHTS_NEW,    /* layer, shape */
    CAFFE_WEIGHTS_LEGACY, /* layers (V1), num, channels, height, width; blobs of up to 4 dimensions */
    CAFFE_WEIGHTS_DOUBLE, /* as NEW, in double_data */
};

/* A .caffemodel in memory; free() it. */
unsigned char *caffe_pack_weights(
    const struct caffe_blobs *layers, size_t n_layers, enum caffe_weights_form form, size_t *size_bytes);

/* A file under TF2_SHARED, unmapped by tf2__file_unmap; false (and a line says so) when it is absent. */
struct tf2__file;
bool caffe_shared_file(const char *path, struct tf2__file *file);

#endif
