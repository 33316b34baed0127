/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_weights_video.c: weights files of C3D 1.0, a fork of an old Caffe: its blobs have five extents, so that their
 * fields have other numbers, and the file is no message of the usual kind. It is read by those numbers and turned into one.
 */
#include "transform/import/caffe/caffe.h"

/* Zeroed. */
static void *take(ProtobufCAllocator *allocator, size_t n, size_t size_bytes)
{
    size_t n_bytes;
    void *data = tf2__mul_size(n, size_bytes, &n_bytes)
                     ? allocator->alloc(allocator->allocator_data, n_bytes + 1)
                     : NULL;
    return data ? memset(data, 0, n_bytes) : NULL;
}

/* The numbers are handed over. */
static Tf2__Caffe__BlobProto *turn_blob(ProtobufCAllocator *allocator, Tf2__Caffe__VideoBlobProto *from)
{
    const int64_t dim[5] = {from->num, from->channels, from->length, from->height, from->width};
    Tf2__Caffe__BlobProto *blob = take(allocator, 1, sizeof(*blob));
    if (!blob)
        return NULL;
    tf2__caffe__blob_proto__init(blob);
    blob->n_data = from->n_data;
    blob->data = from->data;
    from->n_data = 0;
    from->data = NULL;
    blob->shape = take(allocator, 1, sizeof(*blob->shape));
    if (!blob->shape)
        return blob; /* the allocator remembers that it failed */
    tf2__caffe__blob_shape__init(blob->shape);
    blob->shape->dim = take(allocator, TF2__COUNT(dim), sizeof(*dim));
    if (blob->shape->dim) {
        memcpy(blob->shape->dim, dim, sizeof(dim));
        blob->shape->n_dim = TF2__COUNT(dim);
    }
    return blob;
}

static Tf2__Caffe__WeightsLayerV1 *
turn_layer(ProtobufCAllocator *allocator, Tf2__Caffe__VideoWeightsLayer *from)
{
    Tf2__Caffe__WeightsLayerV1 *layer = take(allocator, 1, sizeof(*layer));
    if (!layer)
        return NULL;
    tf2__caffe__weights_layer_v1__init(layer);
    layer->name = from->name;
    from->name = NULL;
    layer->blobs = take(allocator, from->n_blobs, sizeof(*layer->blobs));
    while (layer->blobs && layer->n_blobs < from->n_blobs) {
        Tf2__Caffe__BlobProto *blob = turn_blob(allocator, from->blobs[layer->n_blobs]);
        if (!blob)
            break;
        layer->blobs[layer->n_blobs++] = blob;
    }
    return layer;
}

Tf2__Caffe__WeightsNet *
tf2__caffe_weights_unpack_video(ProtobufCAllocator *allocator, const uint8_t *data, size_t size_bytes)
{
    Tf2__Caffe__VideoWeightsNet *from = tf2__caffe__video_weights_net__unpack(allocator, size_bytes, data);
    Tf2__Caffe__WeightsNet *net = from ? take(allocator, 1, sizeof(*net)) : NULL;
    if (net) {
        tf2__caffe__weights_net__init(net);
        net->layers = take(allocator, from->n_layers, sizeof(*net->layers));
    }
    while (net && net->layers && net->n_layers < from->n_layers) {
        Tf2__Caffe__WeightsLayerV1 *layer = turn_layer(allocator, from->layers[net->n_layers]);
        if (!layer)
            break;
        net->layers[net->n_layers++] = layer;
    }
    if (from)
        tf2__caffe__video_weights_net__free_unpacked(from, allocator);
    return net;
}
