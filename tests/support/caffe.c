/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "caffe.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "transform/import/caffe/caffe.pb-c.h"

void caffe_net_import(
    struct caffe_net *net, const char *text, const void *weights, size_t weights_bytes,
    const struct tf2_import_options *options)
{
    const struct tf2__source source = {
        .name = "test.prototxt",
        .data = (const unsigned char *)text,
        .size_bytes = strlen(text),
        .weights_name = weights ? "test.caffemodel" : NULL,
        .weights = weights,
        .weights_bytes = weights_bytes,
    };
    memset(net, 0, sizeof(*net));
    assert_int_equal(tf2_graph_create(options ? options->env : NULL, &net->graph, &net->error), TF2_OK);
    net->status = tf2__import(&source, options, net->graph, &net->error);
    if (net->status == TF2_OK)
        assert_int_equal(tf2__graph_verify(net->graph, &net->error), TF2_OK);
    else
        assert_int_equal(net->status, net->error.status);
}

void caffe_net_free(struct caffe_net *net)
{
    tf2_graph_destroy(&net->graph);
}

void caffe_net_random(struct caffe_net *net, const char *text)
{
    const struct tf2_import_options options = {.random_weights_seed = 7};
    caffe_net_import(net, text, NULL, 0, &options);
    if (net->status != TF2_OK)
        fail_msg("%s", net->error.message);
}

void caffe_net_fails(const struct caffe_net *net, enum tf2_status status, ...)
{
    va_list words;
    va_start(words, status);
    if (net->status != status)
        fail_msg(
            "%s instead of %s: %s", tf2_status_name(net->status), tf2_status_name(status),
            net->error.message);
    for (const char *word = va_arg(words, const char *); word; word = va_arg(words, const char *)) {
        if (!strstr(net->error.message, word))
            fail_msg("'%s' is not in: %s", word, net->error.message);
    }
    va_end(words);
    assert_null(strchr(net->error.message, '\n'));
}

const struct tf2__node *caffe_net_node(const struct caffe_net *net, enum tf2_op op)
{
    const struct tf2__node *found = NULL;
    for (uint32_t i = 0; i < net->graph->n_nodes; i++) {
        if (net->graph->nodes[i].op->id != op)
            continue;
        assert_null(found);
        found = &net->graph->nodes[i];
    }
    assert_non_null(found);
    return found;
}

const char *caffe_net_shape(const struct caffe_net *net, const char *name, char text[128])
{
    tf2_tensor_id id = tf2__graph_find(net->graph, name);
    if (id == TF2_NO_TENSOR)
        return "none";
    return tf2_shape_format(tf2_graph_shape(net->graph, id), text, 128);
}

static void fill_data(Tf2__Caffe__BlobProto *blob, const struct caffe_blob *from, bool as_double)
{
    size_t n = 1;
    for (uint32_t d = 0; d < from->n_dims; d++)
        n *= (size_t)from->dim[d];
    if (as_double) {
        blob->n_double_data = n;
        blob->double_data = calloc(n + 1, sizeof(double));
    } else {
        blob->n_data = n;
        blob->data = calloc(n + 1, sizeof(float));
    }
    for (size_t i = 0; i < n; i++) {
        float value = from->data ? from->data[i] : 0.5f * (float)(i + 1);
        if (as_double)
            blob->double_data[i] = value;
        else
            blob->data[i] = value;
    }
}

/* Allocated with malloc throughout, so that free_unpacked frees it. */
static Tf2__Caffe__BlobProto **make_blobs(const struct caffe_blobs *layer, enum caffe_weights_form form)
{
    Tf2__Caffe__BlobProto **blobs = calloc(layer->n_blobs + 1, sizeof(*blobs));
    for (size_t i = 0; i < layer->n_blobs; i++) {
        const struct caffe_blob *from = &layer->blob[i];
        Tf2__Caffe__BlobProto *blob = malloc(sizeof(*blob));
        tf2__caffe__blob_proto__init(blob);
        fill_data(blob, from, form == CAFFE_WEIGHTS_DOUBLE);
        if (form == CAFFE_WEIGHTS_LEGACY) {
            int32_t dim[4] = {1, 1, 1, 1};
            for (uint32_t d = 0; d < from->n_dims; d++)
                dim[4 - from->n_dims + d] = (int32_t)from->dim[d];
            blob->has_num = blob->has_channels = blob->has_height = blob->has_width = 1;
            blob->num = dim[0];
            blob->channels = dim[1];
            blob->height = dim[2];
            blob->width = dim[3];
        } else {
            blob->shape = malloc(sizeof(*blob->shape));
            tf2__caffe__blob_shape__init(blob->shape);
            blob->shape->n_dim = from->n_dims;
            blob->shape->dim = calloc(from->n_dims + 1, sizeof(int64_t));
            memcpy(blob->shape->dim, from->dim, from->n_dims * sizeof(int64_t));
        }
        blobs[i] = blob;
    }
    return blobs;
}

static void
add_layer(Tf2__Caffe__WeightsNet *net, const struct caffe_blobs *from, enum caffe_weights_form form)
{
    if (form == CAFFE_WEIGHTS_LEGACY) {
        Tf2__Caffe__WeightsLayerV1 *layer = malloc(sizeof(*layer));
        tf2__caffe__weights_layer_v1__init(layer);
        layer->name = strdup(from->name);
        layer->n_blobs = from->n_blobs;
        layer->blobs = make_blobs(from, form);
        net->layers[net->n_layers++] = layer;
    } else {
        Tf2__Caffe__WeightsLayer *layer = malloc(sizeof(*layer));
        tf2__caffe__weights_layer__init(layer);
        layer->name = strdup(from->name);
        layer->n_blobs = from->n_blobs;
        layer->blobs = make_blobs(from, form);
        net->layer[net->n_layer++] = layer;
    }
}

unsigned char *caffe_pack_weights(
    const struct caffe_blobs *layers, size_t n_layers, enum caffe_weights_form form, size_t *size_bytes)
{
    Tf2__Caffe__WeightsNet *net = malloc(sizeof(*net));
    tf2__caffe__weights_net__init(net);
    net->name = strdup("test");
    net->layers = calloc(n_layers + 1, sizeof(*net->layers));
    net->layer = calloc(n_layers + 1, sizeof(*net->layer));
    for (size_t i = 0; i < n_layers; i++)
        add_layer(net, &layers[i], form);
    *size_bytes = tf2__caffe__weights_net__get_packed_size(net);
    unsigned char *bytes = malloc(*size_bytes);
    tf2__caffe__weights_net__pack(net, bytes);
    tf2__caffe__weights_net__free_unpacked(net, NULL);
    return bytes;
}

bool caffe_shared_file(const char *path, struct tf2__file *file)
{
    char full[1024];
    struct tf2_error error;
    const char *shared = getenv("TF2_SHARED");
    const char *root = getenv("TF2_SOURCE_ROOT");
    if (shared)
        snprintf(full, sizeof(full), "%s/%s", shared, path);
    else
        snprintf(full, sizeof(full), "%s/../shared/%s", root ? root : ".", path);
    if (tf2__file_map(full, file, &error) == TF2_OK)
        return true;
    print_message("skipped: %s\n", error.message);
    return false;
}
