/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_external.c: tensors whose data lies in another file beside the model, as torch.onnx writes them by default
 * (ONNX's "external data": pairs of key and value; location, offset, length).
 *
 * The location is the file's choice, so it has to stay inside the model's folder: a relative path without "..". Files are
 * mapped when they are first needed and stay so until the import is done. Tensors may share bytes, so that a small
 * model could ask for a large file again and again: what they hold is charged to the import's budget, which grows with
 * each mapped file as it does with the model.
 */
#include "transform/import/onnx/internal.h"

#include <ctype.h>

/* Exporters write one file, or one for each large tensor. */
#define MAX_FILES 4096

/* Where a tensor's data is. */
struct place {
    const char *location;
    uint64_t offset, length;
    bool has_length;
};

bool tf2__onnx_is_external(const Tf2__Onnx__TensorProto *proto)
{
    return proto->data_location != 0 || proto->n_external_data;
}

/* A relative path that stays below where it starts. */
static bool is_inside(const char *location)
{
    if (!*location || *location == '/')
        return false;
    for (const char *part = location; part;) {
        const size_t length = strcspn(part, "/");
        if (length == 2 && strncmp(part, "..", 2) == 0)
            return false;
        part = part[length] ? part + length + 1 : NULL;
    }
    return true;
}

/* Digits only, as the specification has them. */
static bool parse_size(const char *text, uint64_t *size)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *size = value;
    return true;
}

static enum tf2_status read_entry(
    const Tf2__Onnx__StringStringEntryProto *entry, const char *what, struct place *place,
    struct tf2_error *error)
{
    const char *key = entry->key ? entry->key : "", *value = entry->value ? entry->value : "";
    bool ok = true;
    if (strcmp(key, "location") == 0) {
        ok = !place->location;
        place->location = value;
    } else if (strcmp(key, "offset") == 0) {
        ok = parse_size(value, &place->offset);
    } else if (strcmp(key, "length") == 0) {
        place->has_length = true;
        ok = parse_size(value, &place->length);
    } else if (strcmp(key, "checksum") != 0) { /* optional, and not checked */
        ok = false;
    }
    if (!ok)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s': external data: bad entry '%.60s' = '%.100s'", what, key,
            value);
    return TF2_OK;
}

static enum tf2_status read_place(
    const Tf2__Onnx__TensorProto *proto, const char *what, struct place *place, struct tf2_error *error)
{
    *place = (struct place){0};
    if (proto->data_location != 1)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s': external data with data_location %d, wanted 1", what,
            (int)proto->data_location);
    if (proto->raw_data.len)
        return tf2__fail(error, TF2_ERR_FORMAT, "tensor '%.100s' has its data twice", what);
    for (size_t i = 0; i < proto->n_external_data; i++)
        TF2__TRY(read_entry(proto->external_data[i], what, place, error));
    if (!place->location)
        return tf2__fail(error, TF2_ERR_FORMAT, "tensor '%.100s': external data without a location", what);
    if (!is_inside(place->location))
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "tensor '%.100s': its data is in '%.200s', wanted a file in the model's own folder", what,
            place->location);
    return TF2_OK;
}

/* The location beside the model, in the importer's arena. NULL: out of memory. */
static const char *beside(struct tf2__onnx *onnx, const char *location)
{
    const char *slash = strrchr(onnx->source->path, '/');
    const size_t folder = slash ? (size_t)(slash - onnx->source->path) + 1 : 0, rest = strlen(location) + 1;
    char *path = tf2__arena_alloc(&onnx->arena, folder + rest, 1);
    if (!path)
        return NULL;
    memcpy(path, onnx->source->path, folder);
    memcpy(path + folder, location, rest);
    return path;
}

static enum tf2_status map_file(
    struct tf2__onnx *onnx, const char *location, const struct tf2__file **found, struct tf2_error *error)
{
    const size_t size = sizeof(*onnx->files);
    const char *path = beside(onnx, location);
    struct tf2__file *files =
        tf2__grow(&onnx->env, onnx->files, onnx->n_files * size, (onnx->n_files + 1) * size);
    if (files)
        onnx->files = files;
    if (!path || !files || !tf2__strmap_set(&onnx->locations, location, onnx->n_files))
        return tf2__fail_memory(error, size, "the list of data files");
    struct tf2__file *file = &files[onnx->n_files];
    *file = (struct tf2__file){0};
    onnx->n_files++; /* also when it cannot be mapped: the next tensor in it is told so at once */
    TF2__TRY(tf2__file_map(path, file, error));
    onnx->budget_bytes += TF2__ONNX_BUDGET_FACTOR * (uint64_t)file->size_bytes;
    *found = file;
    return TF2_OK;
}

/* The mapped file at a location. */
static enum tf2_status find_file(
    struct tf2__onnx *onnx, const char *location, const struct tf2__file **found, struct tf2_error *error)
{
    const uint32_t i = tf2__strmap_get(&onnx->locations, location);
    if (i != TF2__STRMAP_NONE) {
        *found = &onnx->files[i];
        return TF2_OK;
    }
    if (onnx->n_files == MAX_FILES)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d data files", MAX_FILES);
    return map_file(onnx, location, found, error);
}

enum tf2_status tf2__onnx_read_external(
    struct tf2__onnx *onnx, const Tf2__Onnx__TensorProto *proto, const char *what, size_t wanted_bytes,
    Tf2__Onnx__TensorProto *result, struct tf2_error *error)
{
    struct place place;
    const struct tf2__file *file = NULL;
    TF2__TRY(read_place(proto, what, &place, error));
    if (!onnx->source->path)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "tensor '%.100s' keeps its data in '%.200s', which only an import by path can read", what,
            place.location);
    if (place.has_length && place.length != wanted_bytes)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s' has %llu bytes in '%.200s', its shape and type need %zu",
            what, (unsigned long long)place.length, place.location, wanted_bytes);
    TF2__TRY(find_file(onnx, place.location, &file, error));
    if (place.offset > file->size_bytes || wanted_bytes > file->size_bytes - place.offset)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s': %zu bytes from byte %llu of '%.200s' on, which has %zu",
            what, wanted_bytes, (unsigned long long)place.offset, place.location, file->size_bytes);
    TF2__TRY(tf2__onnx_charge(onnx, wanted_bytes, error));
    *result = *proto;
    result->data_location = 0;
    result->n_external_data = 0;
    result->has_raw_data = true;
    result->raw_data.len = wanted_bytes;
    result->raw_data.data = wanted_bytes ? (uint8_t *)(uintptr_t)file->data + place.offset : NULL;
    return TF2_OK;
}

void tf2__onnx_finish_external(struct tf2__onnx *onnx)
{
    for (uint32_t i = 0; i < onnx->n_files; i++)
        tf2__file_unmap(&onnx->files[i]);
    tf2__free(&onnx->env, onnx->files);
    tf2__strmap_finish(&onnx->locations);
}
