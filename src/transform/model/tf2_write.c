/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_write.c: saves a model as a .tf2 file (docs/model-format.md). All sections but WEIGHTS are made in
 * memory, and all checksums are known before the first byte is written. The file is written under another
 * name in the same folder, flushed to the disk and renamed, so that whatever goes wrong, the name leads to a
 * whole file.
 */
#define _POSIX_C_SOURCE 200809L
#include "transform/model/tf2_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Sections in the order of the file. WEIGHTS is last and comes from the list of blocks. */
static const enum tf2__section_id order[] = {
    TF2__SECTION_GRAPH, TF2__SECTION_PREPROCESS, TF2__SECTION_LABELS,
    TF2__SECTION_FACTS, TF2__SECTION_EXAMPLE,    TF2__SECTION_WEIGHTS,
};

struct image {
    struct tf2__graph_bytes graph;
    struct tf2__buffer others[TF2__N_SECTIONS]; /* by number; empty: not written */
};

static const unsigned char zeros[TF2__TF2_ALIGNMENT];

static size_t padding(size_t at)
{
    return (TF2__TF2_ALIGNMENT - at % TF2__TF2_ALIGNMENT) % TF2__TF2_ALIGNMENT;
}

/* ---- sections ---- */

static void put_preprocess(const struct tf2_preprocess *p, struct tf2__buffer *out)
{
    static const struct tf2_preprocess none = {0};
    if (p->channels == none.channels && memcmp(p->mean, none.mean, sizeof(p->mean)) == 0 && p->scale == 0)
        return;
    tf2__buffer_u32(out, (uint32_t)p->channels);
    tf2__buffer_put(out, p->mean, sizeof(p->mean));
    tf2__buffer_f32(out, p->scale);
}

static enum tf2_status
put_labels(const char *const *labels, size_t n, struct tf2__buffer *out, struct tf2_error *error)
{
    if (n == 0)
        return TF2_OK;
    if (!labels || n > UINT32_MAX)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "save: %zu labels, but no list (NULL)", n);
    tf2__buffer_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        if (!labels[i])
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "save: label %zu is NULL", i);
        const char *problem = tf2__text_problem(labels[i]);
        if (problem)
            return tf2__fail(error, TF2_ERR_VALUE, "save: label %zu %s", i, problem);
        tf2__buffer_text(out, labels[i]);
    }
    return TF2_OK;
}

static enum tf2_status
put_facts(const struct tf2_fact *facts, size_t n, struct tf2__buffer *out, struct tf2_error *error)
{
    if (n == 0)
        return TF2_OK;
    if (!facts || n > UINT32_MAX)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "save: %zu facts, but no list (NULL)", n);
    tf2__buffer_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        if (!facts[i].key || !facts[i].value)
            return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "save: fact %zu: key or value is NULL", i);
        const char *problem = tf2__name_problem(facts[i].key);
        if (problem)
            return tf2__fail(error, TF2_ERR_VALUE, "save: the key of fact %zu %s", i, problem);
        problem = tf2__text_problem(facts[i].value);
        if (problem)
            return tf2__fail(error, TF2_ERR_VALUE, "save: the value of fact %zu %s", i, problem);
        tf2__buffer_text(out, facts[i].key);
        tf2__buffer_text(out, facts[i].value);
    }
    return TF2_OK;
}

/* What is saved beside the network: what the caller wants, or what came with the model. */
static enum tf2_status put_extras(
    const struct tf2_model *model, const struct tf2_save_options *options, struct tf2__buffer *others,
    struct tf2_error *error)
{
    struct tf2__buffer *labels = &others[TF2__SECTION_LABELS], *facts = &others[TF2__SECTION_FACTS];
    struct tf2__buffer *example = &others[TF2__SECTION_EXAMPLE];
    if (!options) {
        TF2__TRY(put_labels(model->labels, model->n_labels, labels, error));
        TF2__TRY(put_facts(model->facts, model->n_facts, facts, error));
        tf2__buffer_put(example, model->example, model->example_bytes);
        return TF2_OK;
    }
    TF2__TRY(put_labels(options->labels, options->n_labels, labels, error));
    TF2__TRY(put_facts(options->facts, options->n_facts, facts, error));
    if (!options->example_inputs != !options->example_outputs)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "save: an example needs both inputs and outputs, one is NULL");
    if (!options->example_inputs)
        return TF2_OK;
    return tf2__example_write(model, options->example_inputs, options->example_outputs, example, error);
}

static enum tf2_status make_sections(
    const struct tf2_model *model, const struct tf2_save_options *options, struct image *image,
    struct tf2_error *error)
{
    TF2__TRY(tf2__model_write_graph(model, &image->graph, error));
    put_preprocess(&model->preprocess, &image->others[TF2__SECTION_PREPROCESS]);
    TF2__TRY(put_extras(model, options, image->others, error));
    for (size_t id = 0; id < TF2__N_SECTIONS; id++) {
        if (image->others[id].failed)
            return tf2__fail_memory(error, image->others[id].n, tf2__section_name((uint32_t)id));
    }
    return TF2_OK;
}

/* ---- header ---- */

static const struct tf2__blob *blobs_of(const struct image *image, size_t *n)
{
    *n = image->graph.blobs.n / sizeof(struct tf2__blob);
    return (const struct tf2__blob *)(const void *)image->graph.blobs.data;
}

static XXH64_hash_t hash_weights(const struct image *image)
{
    XXH3_state_t state;
    size_t n, at = 0;
    const struct tf2__blob *blobs = blobs_of(image, &n);
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < n; i++) {
        XXH3_64bits_update(&state, zeros, blobs[i].offset - at);
        XXH3_64bits_update(&state, blobs[i].data, blobs[i].n_bytes);
        at = blobs[i].offset + blobs[i].n_bytes;
    }
    return XXH3_64bits_digest(&state);
}

static const struct tf2__buffer *section_buffer(const struct image *image, enum tf2__section_id id)
{
    return id == TF2__SECTION_GRAPH ? &image->graph.graph : &image->others[id];
}

static bool is_written(const struct image *image, enum tf2__section_id id)
{
    return id == TF2__SECTION_WEIGHTS || section_buffer(image, id)->n > 0;
}

/* Header, table and checksum. */
static void put_header(const struct image *image, struct tf2__buffer *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < TF2__COUNT(order); i++)
        n += is_written(image, order[i]);
    tf2__buffer_put(out, TF2__TF2_MAGIC, TF2__TF2_MAGIC_BYTES);
    tf2__buffer_u16(out, TF2__TF2_MAJOR);
    tf2__buffer_u16(out, TF2__TF2_MINOR);
    tf2__buffer_u32(out, n);
    tf2__buffer_u64(out, 0); /* the file's size, below */
    size_t at = TF2__TF2_HEADER_BYTES + (size_t)n * TF2__TF2_ROW_BYTES + TF2__TF2_CHECKSUM_BYTES;
    for (size_t i = 0; i < TF2__COUNT(order); i++) {
        if (!is_written(image, order[i]))
            continue;
        const struct tf2__buffer *section = section_buffer(image, order[i]);
        bool weights = order[i] == TF2__SECTION_WEIGHTS;
        size_t n_bytes = weights ? image->graph.weights_bytes : section->n;
        at += padding(at);
        tf2__buffer_u32(out, order[i]);
        tf2__buffer_u32(out, order[i] >= TF2__SECTION_LABELS ? TF2__SECTION_MAY_SKIP : 0);
        tf2__buffer_u64(out, at);
        tf2__buffer_u64(out, n_bytes);
        tf2__buffer_u64(out, weights ? hash_weights(image) : XXH3_64bits(section->data, section->n));
        at += n_bytes;
    }
    if (!out->failed)
        memcpy(out->data + TF2__TF2_HEADER_BYTES - sizeof(uint64_t), &(uint64_t){at}, sizeof(uint64_t));
    tf2__buffer_u64(out, out->failed ? 0 : XXH3_64bits(out->data, out->n));
}

/* ---- file ---- */

/* A file being written; the first failure is kept in `reason`, an errno. */
struct sink {
    int fd;
    int reason;
    size_t at;
};

static void sink_put(struct sink *sink, const void *data, size_t n_bytes)
{
    const unsigned char *from = data;
    sink->at += n_bytes;
    while (n_bytes > 0 && !sink->reason) {
        ssize_t n = write(sink->fd, from, TF2__MIN(n_bytes, (size_t)1 << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sink->reason = errno;
            return;
        }
        from += n;
        n_bytes -= (size_t)n;
    }
}

static void sink_weights(struct sink *sink, const struct image *image)
{
    size_t n, at = 0;
    const struct tf2__blob *blobs = blobs_of(image, &n);
    for (size_t i = 0; i < n; i++) {
        sink_put(sink, zeros, blobs[i].offset - at);
        sink_put(sink, blobs[i].data, blobs[i].n_bytes);
        at = blobs[i].offset + blobs[i].n_bytes;
    }
}

static void sink_image(struct sink *sink, const struct image *image, const struct tf2__buffer *header)
{
    sink_put(sink, header->data, header->n);
    for (size_t i = 0; i < TF2__COUNT(order); i++) {
        if (!is_written(image, order[i]))
            continue;
        sink_put(sink, zeros, padding(sink->at));
        if (order[i] == TF2__SECTION_WEIGHTS)
            sink_weights(sink, image);
        else
            sink_put(sink, section_buffer(image, order[i])->data, section_buffer(image, order[i])->n);
    }
}

/* Opens a new file beside `path`, with the permissions that the process gives new files. `name` gets its
 * name. */
static int open_beside(const char *path, char *name, size_t name_bytes)
{
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, name_bytes, "%s.%ld.%u.tmp", path, (long)getpid(), i);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Returns an errno, 0 when all is well. The file called `name` is gone or has become `path`. */
static int write_file(
    const char *path, char *name, size_t name_bytes, const struct image *image,
    const struct tf2__buffer *header)
{
    struct sink sink = {.fd = open_beside(path, name, name_bytes)};
    if (sink.fd < 0)
        return errno;
    sink_image(&sink, image, header);
    if (!sink.reason && fsync(sink.fd) != 0)
        sink.reason = errno;
    if (close(sink.fd) != 0 && !sink.reason)
        sink.reason = errno;
    if (!sink.reason && rename(name, path) != 0)
        sink.reason = errno;
    if (sink.reason)
        unlink(name);
    return sink.reason;
}

static enum tf2_status write_image(
    const struct tf2_model *model, const char *path, const struct image *image, struct tf2_error *error)
{
    struct stat old;
    struct tf2__buffer header;
    enum tf2_status status = TF2_OK;
    /* Renaming would replace a device or a pipe by a file. */
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode))
        return tf2__fail(error, TF2_ERR_IO, "%s: cannot write: not a regular file", path);
    size_t name_bytes = strlen(path) + 64;
    char *name = tf2__alloc(&model->env, name_bytes);
    tf2__buffer_init(&header, &model->env);
    put_header(image, &header);
    if (!name || header.failed) {
        status = tf2__fail_memory(error, name_bytes, "a model's header");
    } else {
        int reason = write_file(path, name, name_bytes, image, &header);
        if (reason)
            status = tf2__fail(error, TF2_ERR_IO, "%s: cannot write: %s", path, strerror(reason));
    }
    tf2__buffer_finish(&header);
    tf2__free(&model->env, name);
    return status;
}

enum tf2_status tf2_model_save(
    const struct tf2_model *model, const char *path, const struct tf2_save_options *options,
    struct tf2_error *error)
{
    struct image image = {0};
    if (!model || !path || !*path)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "save: model or path is NULL");
    if (!TF2__TF2_HOST_FITS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: .tf2 files are written on little-endian machines only", path);
    for (size_t id = 0; id < TF2__N_SECTIONS; id++)
        tf2__buffer_init(&image.others[id], &model->env);
    enum tf2_status status = make_sections(model, options, &image, error);
    if (status != TF2_OK)
        status = tf2__fail_prefix(error, status, "%s", path);
    else
        status = write_image(model, path, &image, error);
    for (size_t id = 0; id < TF2__N_SECTIONS; id++)
        tf2__buffer_finish(&image.others[id]);
    tf2__buffer_finish(&image.graph.blobs);
    tf2__buffer_finish(&image.graph.graph);
    return status;
}
