/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_read.c: loads a .tf2 file: header, section table, checksums, then section by section
 * (docs/model-format.md). Nothing is copied that the file has in a form that can be used: the model keeps the
 * mapping, and constants, labels, facts and example point into it.
 */
#include "transform/model/tf2_format.h"


#define XXH_INLINE_ALL
#include <xxhash.h>

struct section {
    const unsigned char *data; /* NULL: not in the file */
    size_t size_bytes;
};

struct file {
    const char *name;
    const unsigned char *data;
    size_t size_bytes;
    struct section sections[TF2__N_SECTIONS];
};

static uint16_t get_u16(const unsigned char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get_u32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

bool tf2__model_probe(const void *data, size_t size_bytes)
{
    return size_bytes >= 4 && memcmp(data, TF2__TF2_MAGIC, 4) == 0;
}

static enum tf2_status check_magic(const struct file *file, struct tf2_error *error)
{
    if (!TF2__TF2_HOST_FITS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s: .tf2 files are read on little-endian machines only", file->name);
    if (!tf2__model_probe(file->data, file->size_bytes))
        return tf2__fail(error, TF2_ERR_FORMAT, "%s: not a .tf2 file", file->name);
    if (file->size_bytes < TF2__TF2_HEADER_BYTES)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: header: %d bytes wanted, the file has %zu", file->name,
            TF2__TF2_HEADER_BYTES, file->size_bytes);
    if (memcmp(file->data, TF2__TF2_MAGIC, TF2__TF2_MAGIC_BYTES) != 0)
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "%s: header, byte 4: damaged, as by a transfer that took the file for text", file->name);
    return TF2_OK;
}

/* Up to the checksum behind the table. Versions come first: a newer header may go on differently. */
static enum tf2_status check_header(const struct file *file, struct tf2_error *error)
{
    uint16_t major = get_u16(file->data + 8), minor = get_u16(file->data + 10);
    uint32_t n = get_u32(file->data + 12);
    uint64_t size = get_u64(file->data + 16);
    if (major != TF2__TF2_MAJOR)
        return tf2__fail(
            error, major ? TF2_ERR_UNSUPPORTED : TF2_ERR_FORMAT,
            "%s: format version %u.%u, this library reads version %d", file->name, major, minor,
            TF2__TF2_MAJOR);
    if (size != file->size_bytes)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: header, byte 16: a file of %llu bytes, %zu are there", file->name,
            (unsigned long long)size, file->size_bytes);
    if (n < 1 || n > TF2__TF2_MAX_SECTIONS)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: header, byte 12: %u sections, wanted 1 to %d", file->name, n,
            TF2__TF2_MAX_SECTIONS);
    size_t table_end = TF2__TF2_HEADER_BYTES + (size_t)n * TF2__TF2_ROW_BYTES;
    if (file->size_bytes < table_end + TF2__TF2_CHECKSUM_BYTES)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: section table: %zu bytes wanted, the file has %zu", file->name,
            table_end + TF2__TF2_CHECKSUM_BYTES, file->size_bytes);
    if (XXH3_64bits(file->data, table_end) != get_u64(file->data + table_end))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: header and section table do not match their checksum at byte %zu",
            file->name, table_end);
    return TF2_OK;
}

/* Zeros from *end to the next multiple of the alignment, which *end becomes. */
static enum tf2_status check_padding(const struct file *file, size_t *end, struct tf2_error *error)
{
    size_t at = *end;
    if (!tf2__add_size(at, TF2__TF2_ALIGNMENT - 1, end))
        *end = SIZE_MAX;
    *end = *end / TF2__TF2_ALIGNMENT * TF2__TF2_ALIGNMENT;
    if (*end > file->size_bytes)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: the file ends at byte %zu, wanted a section at %zu", file->name,
            file->size_bytes, *end);
    for (; at < *end; at++) {
        if (file->data[at] != 0)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "%s: byte %zu between sections is %u, wanted 0", file->name, at,
                file->data[at]);
    }
    return TF2_OK;
}

static enum tf2_status enter_section(
    struct file *file, size_t row_at, uint32_t flags, uint32_t id, struct section section,
    struct tf2_error *error)
{
    bool known = id > 0 && id < TF2__N_SECTIONS;
    if (!known && (flags & TF2__SECTION_MAY_SKIP))
        return TF2_OK;
    if (!known)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "%s: section table, byte %zu: section %u has to be understood, and this library does not know "
            "it; "
            "the file's format version is %u.%u, the library's %d.%d",
            file->name, row_at, id, get_u16(file->data + 8), get_u16(file->data + 10), TF2__TF2_MAJOR,
            TF2__TF2_MINOR);
    if (file->sections[id].data)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: section table, byte %zu: a second %s section", file->name, row_at,
            tf2__section_name(id));
    file->sections[id] = section;
    return TF2_OK;
}

/* One row of the table; *end is where the section before ends. */
static enum tf2_status check_section(struct file *file, size_t row_at, size_t *end, struct tf2_error *error)
{
    const unsigned char *row = file->data + row_at;
    uint32_t id = get_u32(row), flags = get_u32(row + 4);
    uint64_t offset = get_u64(row + 8), size = get_u64(row + 16);
    const char *name = tf2__section_name(id);
    TF2__TRY(check_padding(file, end, error));
    if (flags & ~TF2__SECTION_MAY_SKIP)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "%s: section table, byte %zu: %s %u has flags 0x%x, which version %d.%d does not know",
            file->name, row_at + 4, name, id, flags, TF2__TF2_MAJOR, TF2__TF2_MINOR);
    if (offset != *end)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: section table, byte %zu: %s %u at %llu, wanted %zu", file->name,
            row_at + 8, name, id, (unsigned long long)offset, *end);
    if (size > file->size_bytes - *end)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: section table, byte %zu: %s %u of %llu bytes, %zu are left",
            file->name, row_at + 16, name, id, (unsigned long long)size, file->size_bytes - *end);
    if (XXH3_64bits(file->data + offset, (size_t)size) != get_u64(row + 24))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: %s %u, bytes %zu to %llu: does not match its checksum", file->name,
            name, id, *end, (unsigned long long)(offset + size));
    *end += (size_t)size;
    return enter_section(file, row_at, flags, id, (struct section){file->data + offset, (size_t)size}, error);
}

static enum tf2_status check_sections(struct file *file, struct tf2_error *error)
{
    uint32_t n = get_u32(file->data + 12);
    size_t end = TF2__TF2_HEADER_BYTES + (size_t)n * TF2__TF2_ROW_BYTES + TF2__TF2_CHECKSUM_BYTES;
    for (uint32_t i = 0; i < n; i++)
        TF2__TRY(check_section(file, TF2__TF2_HEADER_BYTES + (size_t)i * TF2__TF2_ROW_BYTES, &end, error));
    if (end != file->size_bytes)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: the last section ends at byte %zu, the file at %zu", file->name, end,
            file->size_bytes);
    for (uint32_t id = TF2__SECTION_GRAPH; id <= TF2__SECTION_WEIGHTS; id++) {
        if (!file->sections[id].data)
            return tf2__fail(error, TF2_ERR_FORMAT, "%s: no %s section", file->name, tf2__section_name(id));
    }
    return TF2_OK;
}

/* ---- sections ---- */

static struct tf2__cursor
open_section(const struct file *file, enum tf2__section_id id, struct tf2_error *error)
{
    const struct section *section = &file->sections[id];
    return (struct tf2__cursor){
        .file = file->data,
        .at = section->data,
        .end = section->data + section->size_bytes,
        .section = tf2__section_name(id),
        .error = error,
    };
}

static enum tf2_status read_graph(const struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    struct tf2__cursor c = open_section(file, TF2__SECTION_GRAPH, error);
    const struct section *weights = &file->sections[TF2__SECTION_WEIGHTS];
    const char *name;
    TF2__TRY(tf2_graph_create(&model->env, &model->graph, error));
    TF2__TRY(tf2__model_read_graph(&c, weights->data, weights->size_bytes, model->graph, &name));
    TF2__TRY(tf2__graph_verify(model->graph, error));
    model->name = tf2__strdup(&model->env, name);
    if (!model->name)
        return tf2__fail_memory(error, strlen(name) + 1, "a model's name");
    return tf2__model_count(model, error);
}

static enum tf2_status
read_preprocess(const struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    struct tf2__cursor c = open_section(file, TF2__SECTION_PREPROCESS, error);
    struct tf2_preprocess *p = &model->preprocess;
    uint32_t channels = tf2__cursor_u32(&c, "order of channels");
    for (size_t i = 0; i < TF2__COUNT(p->mean); i++)
        p->mean[i] = tf2__cursor_f32(&c, "mean");
    p->scale = tf2__cursor_f32(&c, "scale");
    if (c.status == TF2_OK && channels > TF2_CHANNELS_BGR)
        tf2__cursor_fail(
            &c, file->sections[TF2__SECTION_PREPROCESS].data, TF2_ERR_UNSUPPORTED,
            "order of channels %u, this version knows 0 to %d", channels, TF2_CHANNELS_BGR);
    p->channels = (enum tf2_channels)channels;
    struct tf2_error problem;
    if (c.status == TF2_OK && tf2__model_check_preprocess(p, &problem) != TF2_OK)
        tf2__cursor_fail(
            &c, file->sections[TF2__SECTION_PREPROCESS].data, TF2_ERR_FORMAT, "%s", problem.message);
    return tf2__cursor_finish(&c);
}

static enum tf2_status read_labels(const struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    struct tf2__cursor c = open_section(file, TF2__SECTION_LABELS, error);
    uint32_t n = tf2__cursor_count(&c, 1, "number of labels");
    model->labels = tf2__calloc(&model->env, n, sizeof(*model->labels));
    if (!model->labels)
        return tf2__fail_memory(error, n * sizeof(*model->labels), "labels");
    for (uint32_t i = 0; i < n && c.status == TF2_OK; i++)
        model->labels[i] = tf2__cursor_text(&c, "a label");
    model->n_labels = n;
    return tf2__cursor_finish(&c);
}

static enum tf2_status read_facts(const struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    struct tf2__cursor c = open_section(file, TF2__SECTION_FACTS, error);
    uint32_t n = tf2__cursor_count(&c, 3, "number of facts");
    model->facts = tf2__calloc(&model->env, n, sizeof(*model->facts));
    if (!model->facts)
        return tf2__fail_memory(error, n * sizeof(*model->facts), "facts");
    for (uint32_t i = 0; i < n && c.status == TF2_OK; i++) {
        model->facts[i].key = tf2__cursor_name(&c, "a fact's key");
        model->facts[i].value = tf2__cursor_text(&c, "a fact's value");
    }
    model->n_facts = n;
    return tf2__cursor_finish(&c);
}

static enum tf2_status read_example(const struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    struct tf2__cursor c = open_section(file, TF2__SECTION_EXAMPLE, error);
    model->example = file->sections[TF2__SECTION_EXAMPLE].data;
    model->example_bytes = file->sections[TF2__SECTION_EXAMPLE].size_bytes;
    return tf2__example_read(&c, model->graph, NULL);
}

enum tf2_status
tf2__model_example(const struct tf2_model *model, float *const *values, struct tf2_error *error)
{
    struct tf2__cursor c = {
        .file = model->file.data ? model->file.data : model->copy,
        .at = model->example,
        .end = model->example + model->example_bytes,
        .section = tf2__section_name(TF2__SECTION_EXAMPLE),
        .error = error,
    };
    return tf2__example_read(&c, model->graph, values);
}

/* How sections are read, in an order in which each finds what it needs. */
struct section_reader {
    enum tf2__section_id id;
    enum tf2_status (*read)(const struct file *, struct tf2_model *, struct tf2_error *);
};

static const struct section_reader readers[] = {
    {TF2__SECTION_GRAPH, read_graph},     {TF2__SECTION_PREPROCESS, read_preprocess},
    {TF2__SECTION_LABELS, read_labels},   {TF2__SECTION_FACTS, read_facts},
    {TF2__SECTION_EXAMPLE, read_example},
};

static enum tf2_status read_sections(struct file *file, struct tf2_model *model, struct tf2_error *error)
{
    TF2__TRY(check_magic(file, error));
    TF2__TRY(check_header(file, error));
    TF2__TRY(check_sections(file, error));
    for (size_t i = 0; i < TF2__COUNT(readers); i++) {
        if (!file->sections[readers[i].id].data)
            continue;
        enum tf2_status status = readers[i].read(file, model, error);
        if (status == TF2_ERR_UNSUPPORTED)
            return tf2__fail_prefix(
                error, status, "%s (format version %u.%u, this library's is %d.%d)", file->name,
                get_u16(file->data + 8), get_u16(file->data + 10), TF2__TF2_MAJOR, TF2__TF2_MINOR);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "%s", file->name);
    }
    return TF2_OK;
}

/* ---- loading ---- */

/* A model that owns the mapping or the copy, also when this fails. */
static enum tf2_status load(
    const char *name, struct tf2__file *mapping, void *copy, size_t size_bytes, const struct tf2_env *env,
    struct tf2_model **result, struct tf2_error *error)
{
    struct tf2_model *model = tf2__calloc(env, 1, sizeof(*model));
    if (!model) {
        tf2__file_unmap(mapping);
        tf2__free(env, copy);
        return tf2__fail_memory(error, sizeof(*model), "a model");
    }
    model->env = *env;
    model->file = *mapping;
    model->copy = copy;
    struct file file = {.name = name, .data = copy ? copy : mapping->data, .size_bytes = size_bytes};
    enum tf2_status status = read_sections(&file, model, error);
    if (status != TF2_OK)
        tf2_model_destroy(&model);
    else
        *result = model;
    return status;
}

enum tf2_status
tf2_model_load(const char *path, const struct tf2_env *env, struct tf2_model **model, struct tf2_error *error)
{
    struct tf2_env copy;
    struct tf2__file file = {0};
    if (!path || !model)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "model: path or result is NULL");
    tf2__env_copy(&copy, env);
    TF2__TRY(tf2__file_map(path, &file, error));
    return load(path, &file, NULL, file.size_bytes, &copy, model, error);
}

enum tf2_status tf2_model_load_memory(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env,
    struct tf2_model **model, struct tf2_error *error)
{
    struct tf2_env env_copy;
    struct tf2__file none = {0};
    if (!model || (size_bytes && !data))
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "model: data or result is NULL");
    tf2__env_copy(&env_copy, env);
    void *copy = tf2__alloc(&env_copy, size_bytes);
    if (!copy)
        return tf2__fail_memory(error, size_bytes, "a model's file");
    if (size_bytes)
        memcpy(copy, data, size_bytes);
    return load(name && *name ? name : "network", &none, copy, size_bytes, &env_copy, model, error);
}
