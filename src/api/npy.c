/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy.c: NumPy's .npy files.
 *
 * Format (NEP 1, numpy.lib.format): "\x93NUMPY", version (two bytes), length of the header (2 bytes in 1.0, 4
 * in 2.0 and 3.0, little-endian), the header: a Python dict literal with the keys descr, fortran_order and
 * shape in any order, padded with spaces and a newline so that the data starts at a multiple of 64 bytes;
 * then the data. The header is parsed as the literal it is, not evaluated.
 */
#define _POSIX_C_SOURCE 200809L
#include <tf2/image.h>

#include "common/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies little-endian numbers as they are"
#endif

#define MAX_HEADER_BYTES 65536

static const struct {
    const char *descr;
    enum tf2_dtype dtype;
} dtypes[] = {
    {"<f4", TF2_DTYPE_F32}, {"|u1", TF2_DTYPE_U8},  {"|i1", TF2_DTYPE_S8},
    {"<i4", TF2_DTYPE_S32}, {"<i8", TF2_DTYPE_S64},
};

struct parser {
    const char *name; /* of the file */
    const char *text;
    size_t at;
    size_t end;
    bool has_descr, has_order, has_shape;
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    struct tf2_error *error;
};

static enum tf2_status broken(const struct parser *p, const char *wanted)
{
    return tf2__fail(
        p->error, TF2_ERR_FORMAT, "%s: broken .npy header, at its byte %zu, wanted %s", p->name, p->at,
        wanted);
}

/* The next character that is no space, 0 at the end. */
static char peek(struct parser *p)
{
    while (p->at < p->end && (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t'))
        p->at++;
    return p->at < p->end ? p->text[p->at] : 0;
}

static bool take(struct parser *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

/* A string without escapes, cut to the buffer (none of the wanted ones is as long). */
static enum tf2_status parse_string(struct parser *p, char *text, size_t size_bytes)
{
    char quote = peek(p);
    size_t n = 0;
    if (quote != '\'' && quote != '"')
        return broken(p, "a string");
    for (p->at++; p->at < p->end && p->text[p->at] != quote; p->at++) {
        unsigned char c = (unsigned char)p->text[p->at];
        if (c == '\\' || c < ' ')
            return broken(p, "a string without escapes");
        if (n + 1 < size_bytes)
            text[n++] = c < 127 ? (char)c : '?';
    }
    text[n] = 0;
    if (p->at >= p->end)
        return broken(p, "the end of a string");
    p->at++;
    return TF2_OK;
}

static enum tf2_status parse_descr(struct parser *p)
{
    char text[32];
    if (peek(p) == '[')
        return tf2__fail(
            p->error, TF2_ERR_UNSUPPORTED, "%s: .npy of structured records is not supported", p->name);
    TF2__TRY(parse_string(p, text, sizeof(text)));
    for (size_t i = 0; i < TF2__COUNT(dtypes); i++) {
        if (strcmp(text, dtypes[i].descr) == 0) {
            p->dtype = dtypes[i].dtype;
            return TF2_OK;
        }
    }
    return tf2__fail(
        p->error, TF2_ERR_UNSUPPORTED,
        "%s: .npy of type '%s'%s is not supported, wanted <f4 (float32), |u1 (uint8), |i1 (int8), <i4 "
        "(int32) or "
        "<i8 (int64)",
        p->name, text, text[0] == '>' ? " (big-endian)" : "");
}

static enum tf2_status parse_order(struct parser *p)
{
    peek(p);
    if (p->end - p->at >= 5 && memcmp(p->text + p->at, "False", 5) == 0) {
        p->at += 5;
        return TF2_OK;
    }
    if (p->end - p->at >= 4 && memcmp(p->text + p->at, "True", 4) == 0)
        return tf2__fail(
            p->error, TF2_ERR_UNSUPPORTED,
            "%s: .npy in Fortran order is not supported, wanted C order (numpy.ascontiguousarray)", p->name);
    return broken(p, "True or False");
}

static enum tf2_status parse_extent(struct parser *p)
{
    int64_t n = 0;
    size_t start = p->at;
    if (p->shape.n_dims == TF2_MAX_DIMS)
        return tf2__fail(
            p->error, TF2_ERR_UNSUPPORTED, "%s: .npy of more than %d dimensions", p->name, TF2_MAX_DIMS);
    for (; p->at < p->end && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++) {
        n = n * 10 + (p->text[p->at] - '0');
        if (n > INT32_MAX)
            return tf2__fail(
                p->error, TF2_ERR_VALUE, "%s: .npy of more than %d elements", p->name, INT32_MAX);
    }
    if (p->at == start)
        return broken(p, "an extent");
    if (n == 0)
        return tf2__fail(p->error, TF2_ERR_SHAPE, "%s: .npy without elements (an extent is 0)", p->name);
    if (p->at < p->end && p->text[p->at] == 'L') /* Python 2 wrote long integers so */
        p->at++;
    p->shape.dim[p->shape.n_dims++] = n;
    return TF2_OK;
}

static enum tf2_status parse_shape(struct parser *p)
{
    if (!take(p, '('))
        return broken(p, "a tuple");
    while (peek(p) != ')') {
        TF2__TRY(parse_extent(p));
        bool comma = take(p, ',');
        if (!comma && (peek(p) != ')' || p->shape.n_dims == 1)) /* (3) is no tuple */
            return broken(p, "a comma");
    }
    p->at++;
    if (tf2_shape_count(&p->shape) == 0)
        return tf2__fail(p->error, TF2_ERR_VALUE, "%s: .npy of more than %d elements", p->name, INT32_MAX);
    return TF2_OK;
}

static enum tf2_status parse_entry(struct parser *p)
{
    char key[32];
    bool *seen = NULL;
    enum tf2_status (*parse)(struct parser * p) = NULL;
    TF2__TRY(parse_string(p, key, sizeof(key)));
    if (strcmp(key, "descr") == 0) {
        seen = &p->has_descr;
        parse = parse_descr;
    } else if (strcmp(key, "fortran_order") == 0) {
        seen = &p->has_order;
        parse = parse_order;
    } else if (strcmp(key, "shape") == 0) {
        seen = &p->has_shape;
        parse = parse_shape;
    }
    if (!seen || *seen)
        return broken(p, "the keys descr, fortran_order and shape, once each");
    *seen = true;
    if (!take(p, ':'))
        return broken(p, "a colon");
    return parse(p);
}

static enum tf2_status parse_header(struct parser *p)
{
    if (!take(p, '{'))
        return broken(p, "a dict");
    while (peek(p) != '}') {
        TF2__TRY(parse_entry(p));
        if (!take(p, ',') && peek(p) != '}')
            return broken(p, "a comma");
    }
    p->at++;
    if (peek(p) != 0 || p->at < p->end)
        return broken(p, "nothing behind the dict");
    if (!p->has_descr || !p->has_order || !p->has_shape)
        return broken(p, "the keys descr, fortran_order and shape, once each");
    return TF2_OK;
}

/* Finds the header; on success parser->text and ->end are set, and *data_at tells where the data starts. */
static enum tf2_status
find_header(const unsigned char *data, size_t size_bytes, struct parser *p, size_t *data_at)
{
    if (size_bytes < 10 || memcmp(data, "\x93NUMPY", 6) != 0)
        return tf2__fail(
            p->error, TF2_ERR_FORMAT, "%s: %s", p->name,
            size_bytes ? "not a .npy file" : "the file is empty");
    if (data[6] < 1 || data[6] > 3 || data[7] != 0)
        return tf2__fail(
            p->error, TF2_ERR_UNSUPPORTED, "%s: .npy format %d.%d is not supported, wanted 1.0 to 3.0",
            p->name, data[6], data[7]);
    size_t start = data[6] == 1 ? 10 : 12;
    size_t length = (size_t)data[8] | (size_t)data[9] << 8;
    if (start == 12 && size_bytes >= 12)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (size_bytes < start || length > size_bytes - start)
        return tf2__fail(p->error, TF2_ERR_FORMAT, "%s: .npy file is cut short in its header", p->name);
    if (length > MAX_HEADER_BYTES)
        return tf2__fail(
            p->error, TF2_ERR_FORMAT, "%s: .npy header of %zu bytes, the limit is %d", p->name, length,
            MAX_HEADER_BYTES);
    p->text = (const char *)data + start;
    p->end = length;
    *data_at = start + length;
    return TF2_OK;
}

enum tf2_status tf2_npy_load_memory(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env, struct tf2_array *array,
    struct tf2_error *error)
{
    struct parser p = {.name = name, .error = error};
    struct tf2_array made;
    size_t data_at = 0;
    if (!name || (!data && size_bytes > 0) || !array)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "npy: name, data and array are wanted, one is NULL");
    TF2__TRY(find_header(data, size_bytes, &p, &data_at));
    TF2__TRY(parse_header(&p));
    size_t wanted = (size_t)tf2_shape_count(&p.shape) * tf2_dtype_size_bytes(p.dtype);
    size_t found = size_bytes - data_at;
    if (found != wanted)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: .npy %s: %zu bytes of data, wanted %zu", name,
            found < wanted ? "file is cut short" : "file has bytes left over", found, wanted);
    tf2__env_copy(&made.env, env);
    made.dtype = p.dtype;
    made.shape = p.shape;
    made.data = tf2__alloc(&made.env, wanted);
    if (!made.data)
        return tf2__fail(error, TF2_ERR_NO_MEMORY, "%s: out of memory: %zu bytes of data", name, wanted);
    memcpy(made.data, (const unsigned char *)data + data_at, wanted);
    *array = made;
    return TF2_OK;
}

enum tf2_status
tf2_npy_load(const char *path, const struct tf2_env *env, struct tf2_array *array, struct tf2_error *error)
{
    struct tf2__file file;
    if (!path || !array)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "npy: path and array are wanted, one is NULL");
    TF2__TRY(tf2__file_map(path, &file, error));
    enum tf2_status status = tf2_npy_load_memory(path, file.data, file.size_bytes, env, array, error);
    tf2__file_unmap(&file);
    return status;
}

void tf2_array_finish(struct tf2_array *array)
{
    if (!array)
        return;
    tf2__free(&array->env, array->data);
    memset(array, 0, sizeof(*array));
}

static const char *descr_of(enum tf2_dtype dtype)
{
    for (size_t i = 0; i < TF2__COUNT(dtypes); i++) {
        if (dtypes[i].dtype == dtype)
            return dtypes[i].descr;
    }
    return NULL;
}

/* NumPy fills the header up to a multiple of 64 bytes; with at most 8 extents of at most 10 digits, whose
 * product is below 2^31, this is always 128 (NumPy's room for the first extent to grow included). */
#define HEADER_BYTES 128

/* Magic, version, length and header, byte for byte as NumPy writes them. */
static void make_header(const char *descr, const struct tf2_shape *shape, char header[HEADER_BYTES])
{
    static const char start[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER_BYTES - 10, 0};
    char text[256];
    int n = snprintf(text, sizeof(text), "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t d = 0; d < shape->n_dims; d++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, d ? ", %lld" : "%lld", (long long)shape->dim[d]);
    n += snprintf(text + n, sizeof(text) - (size_t)n, shape->n_dims == 1 ? ",), }" : "), }");
    assert((size_t)n < HEADER_BYTES - sizeof(start));
    memset(header, ' ', HEADER_BYTES - 1);
    memcpy(header, start, sizeof(start));
    memcpy(header + sizeof(start), text, (size_t)n);
    header[HEADER_BYTES - 1] = '\n';
}

static bool write_all(FILE *file, const char *header, const void *data, size_t data_bytes)
{
    return fwrite(header, 1, HEADER_BYTES, file) == HEADER_BYTES &&
           fwrite(data, 1, data_bytes, file) == data_bytes && fflush(file) == 0;
}

enum tf2_status tf2_npy_save(
    const char *path, enum tf2_dtype dtype, const struct tf2_shape *shape, const void *data,
    struct tf2_error *error)
{
    char header[HEADER_BYTES];
    struct stat info;
    if (!path || !shape || !data || shape->n_dims > TF2_MAX_DIMS || tf2_shape_count(shape) == 0 ||
        !descr_of(dtype))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "npy: wanted a path, a type, a valid shape and data");
    make_header(descr_of(dtype), shape, header);
    size_t data_bytes = (size_t)tf2_shape_count(shape) * tf2_dtype_size_bytes(dtype);
    FILE *file = fopen(path, "wb");
    if (!file)
        return tf2__fail(error, TF2_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
    /* Only what was made here is removed, never a device such as /dev/full. */
    bool removable = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode);
    bool written = write_all(file, header, data, data_bytes);
    int reason = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written)
        return TF2_OK;
    if (removable)
        unlink(path);
    return tf2__fail(error, TF2_ERR_IO, "%s: cannot write: %s", path, strerror(reason));
}
