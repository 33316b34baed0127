/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_weights.c: weights for layers: from a .caffemodel, matched by layer name as Caffe does, or made up.
 *
 * The file is unpacked once; a blob is copied to the graph's arena when its layer asks for it, and freed.
 * Made-up weights come from splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
 * 2014), in the order of the layers, so that a seed always gives the same network.
 */
#include "transform/import/caffe/caffe.h"

#include <math.h>
#include <stdio.h>

/* Made-up networks are for measuring; a typo must not fill the memory. */
#define MAX_MADE_UP_WEIGHTS (INT64_C(1) << 29)

/* The environment, and whether it failed us: protobuf-c does not tell. */
struct watched_env {
    const struct tf2_env *env;
    bool out_of_memory;
};

/* A layer of the weights file that has blobs. */
struct entry {
    const char *name;
    Tf2__Caffe__BlobProto **blobs;
    size_t n_blobs;
    bool ambiguous; /* there is another of this name */
    bool used;
};

struct tf2__caffe_weights {
    struct watched_env watched;
    ProtobufCAllocator allocator;
    Tf2__Caffe__WeightsNet *net;
    struct entry *entries;
    uint32_t n_entries;
    struct tf2__strmap names; /* layer name → entry */
};

static void *watched_alloc(void *data, size_t size_bytes)
{
    struct watched_env *watched = data;
    void *ptr = tf2__alloc(watched->env, size_bytes);
    watched->out_of_memory |= !ptr;
    return ptr;
}

static void watched_free(void *data, void *ptr)
{
    tf2__free(((struct watched_env *)data)->env, ptr);
}

/* --- reading the file --- */

static enum tf2_status add_entry(
    struct tf2__caffe_weights *weights, const char *name, Tf2__Caffe__BlobProto **blobs, size_t n_blobs,
    struct tf2_error *error)
{
    if (!name || !n_blobs)
        return TF2_OK;
    uint32_t before = tf2__strmap_get(&weights->names, name);
    if (before != TF2__STRMAP_NONE) {
        weights->entries[before].ambiguous = true;
        return TF2_OK;
    }
    if (!tf2__strmap_set(&weights->names, name, weights->n_entries))
        return tf2__fail_memory(error, sizeof(struct entry), "a layer's weights");
    weights->entries[weights->n_entries++] = (struct entry){.name = name, .blobs = blobs, .n_blobs = n_blobs};
    return TF2_OK;
}

/* Lists the layers that have blobs. */
static enum tf2_status
index_layers(struct tf2__caffe *caffe, struct tf2__caffe_weights *weights, struct tf2_error *error)
{
    const Tf2__Caffe__WeightsNet *net = weights->net;
    const char *file = caffe->source->weights_name;
    weights->entries = tf2__calloc(&caffe->env, net->n_layer + net->n_layers, sizeof(*weights->entries));
    if (!weights->entries)
        return tf2__fail_memory(error, sizeof(*weights->entries), "the weights' layers");
    for (size_t i = 0; i < net->n_layers; i++) {
        const Tf2__Caffe__WeightsLayerV1 *layer = net->layers[i];
        if (layer->layer)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "%s: this is a V0 weights file, which is not supported: upgrade it with Caffe's "
                "upgrade_net_proto_binary",
                file);
        TF2__TRY(add_entry(weights, layer->name, layer->blobs, layer->n_blobs, error));
    }
    for (size_t i = 0; i < net->n_layer; i++) {
        const Tf2__Caffe__WeightsLayer *layer = net->layer[i];
        TF2__TRY(add_entry(weights, layer->name, layer->blobs, layer->n_blobs, error));
    }
    if (!weights->n_entries)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: no layer with weights in it: wanted a .caffemodel", file);
    return TF2_OK;
}

enum tf2_status tf2__caffe_weights_open(struct tf2__caffe *caffe, struct tf2_error *error)
{
    const struct tf2__source *source = caffe->source;
    if (!source->weights)
        return TF2_OK;
    if (source->weights_bytes > 4 && memcmp(source->weights, "\x89HDF", 4) == 0)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: Caffe weights in HDF5 are not supported, wanted a .caffemodel",
            source->weights_name);
    struct tf2__caffe_weights *weights = tf2__calloc(&caffe->env, 1, sizeof(*weights));
    if (!weights)
        return tf2__fail_memory(error, sizeof(*weights), "weights");
    caffe->weights = weights;
    weights->watched.env = &caffe->env;
    weights->allocator = (ProtobufCAllocator){
        .alloc = watched_alloc, .free = watched_free, .allocator_data = &weights->watched};
    tf2__strmap_init(&weights->names, &caffe->env);
    weights->net =
        tf2__caffe__weights_net__unpack(&weights->allocator, source->weights_bytes, source->weights);
    if (!weights->net && !weights->watched.out_of_memory)
        weights->net =
            tf2__caffe_weights_unpack_video(&weights->allocator, source->weights, source->weights_bytes);
    if (weights->watched.out_of_memory)
        return tf2__fail_memory(error, source->weights_bytes, "the weights file");
    if (!weights->net)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: damaged, or no .caffemodel: its %zu bytes are no protobuf message",
            source->weights_name, source->weights_bytes);
    return index_layers(caffe, weights, error);
}

void tf2__caffe_weights_close(struct tf2__caffe *caffe)
{
    struct tf2__caffe_weights *weights = caffe->weights;
    if (!weights)
        return;
    tf2__strmap_finish(&weights->names);
    if (weights->net)
        tf2__caffe__weights_net__free_unpacked(weights->net, &weights->allocator);
    tf2__free(&caffe->env, weights->entries);
    tf2__free(&caffe->env, weights);
    caffe->weights = NULL;
}

static struct entry *find_entry(const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer)
{
    uint32_t index = tf2__strmap_get(&caffe->weights->names, layer->name);
    return index == TF2__STRMAP_NONE ? NULL : &caffe->weights->entries[index];
}

enum tf2_status tf2__caffe_check_no_blobs(
    const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    const struct entry *entry = caffe->weights ? find_entry(caffe, layer) : NULL;
    if (!entry || entry->used)
        return TF2_OK;
    return tf2__fail(
        error, TF2_ERR_SHAPE, "the weights file has %zu blobs for this layer, which takes none",
        entry->n_blobs);
}

/* Names in the weights file have not been checked; a log message is one line. */
static bool is_printable(const char *name)
{
    for (; *name; name++) {
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            return false;
    }
    return true;
}

void tf2__caffe_weights_log_unused(const struct tf2__caffe *caffe)
{
    uint32_t n_unused = 0;
    const char *first = "";
    for (uint32_t i = 0; caffe->weights && i < caffe->weights->n_entries; i++) {
        const struct entry *entry = &caffe->weights->entries[i];
        if (!entry->used && n_unused++ == 0)
            first = is_printable(entry->name) ? entry->name : "?";
    }
    if (n_unused)
        tf2__log(
            &caffe->env, TF2_LOG_INFO, "%s: weights of %u layers are not used (the first: '%.60s')",
            caffe->source->weights_name, n_unused, first);
}

/* --- blobs of the file --- */

/* Extents as the file says, without leading ones: old files have four whatever the layer needs. */
struct extents {
    int64_t dim[TF2_MAX_DIMS];
    size_t n; /* may be more than fit, then dim is not valid */
};

static struct extents strip(const int64_t *dim, size_t n)
{
    struct extents extents = {.n = n};
    size_t first = 0;
    while (first < n && dim[first] == 1)
        first++;
    extents.n = n - first;
    for (size_t d = 0; d < extents.n && extents.n <= TF2_MAX_DIMS; d++)
        extents.dim[d] = dim[first + d];
    return extents;
}

static struct extents blob_extents(const Tf2__Caffe__BlobProto *blob)
{
    if (blob->has_num || blob->has_channels || blob->has_height || blob->has_width)
        return strip((const int64_t[]){blob->num, blob->channels, blob->height, blob->width}, 4);
    return blob->shape ? strip(blob->shape->dim, blob->shape->n_dim) : strip(NULL, 0);
}

static bool same_extents(const struct extents *a, const struct extents *b)
{
    return a->n == b->n && a->n <= TF2_MAX_DIMS && memcmp(a->dim, b->dim, a->n * sizeof(a->dim[0])) == 0;
}

static void show_extents(const struct extents *extents, char *text, size_t size_bytes)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)extents->n};
    if (extents->n > TF2_MAX_DIMS) {
        snprintf(text, size_bytes, "%zu dimensions", extents->n);
        return;
    }
    memcpy(shape.dim, extents->dim, sizeof(shape.dim));
    if (extents->n)
        tf2_shape_format(&shape, text, size_bytes);
    else
        snprintf(text, size_bytes, "1");
}

static size_t blob_count(const Tf2__Caffe__BlobProto *blob)
{
    return blob->n_data ? blob->n_data : blob->n_double_data;
}

/* What is wrong with one blob, appended to `text`; nothing when it fits. */
static void check_blob(
    const struct tf2__caffe_blob *wanted, const Tf2__Caffe__BlobProto *blob, char *text, size_t size_bytes)
{
    char wanted_text[128], found_text[128];
    size_t used = strlen(text);
    const char *separator = used ? ", " : "";
    struct extents wanted_extents = strip(wanted->shape.dim, wanted->shape.n_dims);
    struct extents found = blob_extents(blob);
    size_t count = (size_t)tf2_shape_count(&wanted->shape);
    if (!same_extents(&wanted_extents, &found)) {
        tf2_shape_format(&wanted->shape, wanted_text, sizeof(wanted_text));
        show_extents(&found, found_text, sizeof(found_text));
        snprintf(
            text + used, size_bytes - used, "%s%s: wanted %s, the weights file has %s", separator,
            wanted->what, wanted_text, found_text);
    } else if (blob_count(blob) != count) {
        snprintf(
            text + used, size_bytes - used, "%s%s: wanted %zu numbers, the weights file has %zu", separator,
            wanted->what, count, blob_count(blob));
    }
}

static enum tf2_status check_entry(
    const struct entry *entry, const struct tf2__caffe_blob *blobs, uint32_t n_blobs, struct tf2_error *error)
{
    char text[300] = "";
    if (!entry)
        return tf2__fail(error, TF2_ERR_NOT_FOUND, "the weights file has no weights for this layer");
    if (entry->ambiguous)
        return tf2__fail(error, TF2_ERR_FORMAT, "the weights file has several layers of this name");
    if (entry->used)
        return tf2__fail(error, TF2_ERR_FORMAT, "another layer of this name has taken the weights");
    for (uint32_t i = 0; i < n_blobs && i < entry->n_blobs; i++)
        check_blob(&blobs[i], entry->blobs[i], text, sizeof(text));
    if (entry->n_blobs != n_blobs)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "wanted %u blobs, the weights file has %zu%s%s", n_blobs, entry->n_blobs,
            *text ? "; " : "", text);
    return *text ? tf2__fail(error, TF2_ERR_SHAPE, "%s", text) : TF2_OK;
}

/* Moves a blob that has been checked. */
static void take_blob(const struct tf2__caffe *caffe, Tf2__Caffe__BlobProto *blob, float *data)
{
    if (blob->n_data)
        memcpy(data, blob->data, blob->n_data * sizeof(*data));
    for (size_t i = 0; i < blob->n_double_data && !blob->n_data; i++)
        data[i] = (float)blob->double_data[i];
    tf2__free(&caffe->env, blob->data);
    tf2__free(&caffe->env, blob->double_data);
    blob->data = NULL;
    blob->double_data = NULL;
    blob->n_data = blob->n_double_data = 0;
}

/* --- made-up weights --- */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Uniform in +-sqrt(6 / fan_in): variance 2 / fan_in, which keeps the size of what flows through ReLU layers.
 */
static void make_up(struct tf2__caffe *caffe, const struct tf2__caffe_blob *blob, float *data, size_t count)
{
    double bound = sqrt(6.0 / (double)TF2__MAX(blob->fan_in, 1));
    for (size_t i = 0; i < count; i++) {
        data[i] = blob->value;
        if (blob->fill == TF2__CAFFE_FILL_RANDOM)
            data[i] = (float)(bound * ((double)(splitmix64(&caffe->random_state) >> 11) * 0x1p-52 - 1));
    }
}

/* --- for the layers --- */

static enum tf2_status
check_wanted(const struct tf2__caffe_blob *blobs, uint32_t n_blobs, struct tf2_error *error)
{
    char text[128];
    for (uint32_t i = 0; i < n_blobs; i++) {
        if (!tf2_shape_count(&blobs[i].shape))
            return tf2__fail(
                error, TF2_ERR_SHAPE,
                "%s of shape %s: every extent must be 1 or more, their product below 2^31", blobs[i].what,
                tf2_shape_format(&blobs[i].shape, text, sizeof(text)));
    }
    return TF2_OK;
}

/*
 * The layer's entry, or NULL when it does not fit. Then that is reported, and zeros stand for the weights:
 * the import fails in the end, but what is wrong with later layers is found too.
 */
static struct entry *find_fitting(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const struct tf2__caffe_blob *blobs,
    uint32_t n_blobs)
{
    struct entry *entry = find_entry(caffe, layer);
    struct tf2_error problem = {0};
    enum tf2_status status = check_entry(entry, blobs, n_blobs, &problem);
    if (entry)
        entry->used = true;
    if (status == TF2_OK)
        return entry;
    tf2__caffe_layer_problem(caffe, &caffe->layers[layer - caffe->layers], status, "%s", problem.message);
    return NULL;
}

enum tf2_status tf2__caffe_blobs(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const struct tf2__caffe_blob *blobs,
    uint32_t n_blobs, float **data, struct tf2_error *error)
{
    struct entry *entry = NULL;
    TF2__TRY(check_wanted(blobs, n_blobs, error));
    if (caffe->weights) {
        entry = find_fitting(caffe, layer, blobs, n_blobs);
    } else if (!caffe->options->random_weights_seed) {
        caffe->weights_missing = true;
        return tf2__fail(error, TF2_ERR_NOT_FOUND, "no weights");
    }
    for (uint32_t i = 0; i < n_blobs; i++) {
        int64_t count = tf2_shape_count(&blobs[i].shape);
        caffe->n_made_up += entry ? 0 : count;
        if (caffe->n_made_up > MAX_MADE_UP_WEIGHTS)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "more than %lld weights are not made up",
                (long long)MAX_MADE_UP_WEIGHTS);
        data[i] = tf2__arena_alloc(&caffe->graph->arena, (size_t)count, sizeof(float));
        if (!data[i])
            return tf2__fail_memory(error, (size_t)count * sizeof(float), "weights");
        if (entry)
            take_blob(caffe, entry->blobs[i], data[i]);
        else if (!caffe->weights || blobs[i].fill == TF2__CAFFE_FILL_VALUE)
            make_up(caffe, &blobs[i], data[i], (size_t)count);
    }
    return TF2_OK;
}

enum tf2_status tf2__caffe_constant(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *what,
    const struct tf2_shape *shape, const float *data, tf2_tensor_id *tensor, struct tf2_error *error)
{
    const char *name = tf2__caffe_tensor_name(caffe, layer, what);
    if (!name)
        return tf2__fail_memory(error, strlen(layer->name), "a name");
    return tf2__graph_adopt_constant(caffe->graph, name, TF2_DTYPE_F32, shape, data, tensor, error);
}
