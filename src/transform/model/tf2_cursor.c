/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_cursor.c: numbers and texts from and to the bytes of a .tf2 file. Hosts are little-endian as the files
 * are (tf2_format.h), so numbers are copied.
 */
#include "transform/model/tf2_format.h"

#include <stdio.h>

const char *tf2__section_name(uint32_t id)
{
    static const char *const names[TF2__N_SECTIONS] = {
        [TF2__SECTION_GRAPH] = "GRAPH",           [TF2__SECTION_WEIGHTS] = "WEIGHTS",
        [TF2__SECTION_PREPROCESS] = "PREPROCESS", [TF2__SECTION_LABELS] = "LABELS",
        [TF2__SECTION_FACTS] = "FACTS",           [TF2__SECTION_EXAMPLE] = "EXAMPLE",
    };
    return id < TF2__N_SECTIONS && names[id] ? names[id] : "section";
}

/* ---- texts ---- */

/* The length of a UTF-8 sequence (RFC 3629), 0 when it is none. Ends before a byte 0. */
static size_t sequence_bytes(const unsigned char *s)
{
    /* For each first byte: how many follow, and the range of the second. */
    unsigned low = 0x80, high = 0xbf;
    size_t n;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        n = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0; /* below: overlong */
    if (s[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    if (s[0] == 0xf0)
        low = 0x90;
    if (s[0] == 0xf4)
        high = 0x8f; /* above: beyond U+10FFFF */
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    }
    return n;
}

const char *tf2__text_problem(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t n = sequence_bytes(at);
        if (n == 0)
            return "is not valid UTF-8";
        at += n;
    }
    return NULL;
}

const char *tf2__name_problem(const char *name)
{
    if (!*name)
        return "is empty";
    if (strnlen(name, TF2__TF2_MAX_NAME_BYTES + 1) > TF2__TF2_MAX_NAME_BYTES)
        return "has more than 1024 bytes";
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return "has a control character";
    }
    return tf2__text_problem(name);
}

/* ---- reading ---- */

void tf2__cursor_fail(
    struct tf2__cursor *cursor, const unsigned char *at, enum tf2_status status, const char *format, ...)
{
    char message[512];
    va_list args;
    if (cursor->status != TF2_OK)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    cursor->status = tf2__fail(
        cursor->error, status, "%s section, byte %zu: %s", cursor->section, (size_t)(at - cursor->file),
        message);
}

const unsigned char *tf2__cursor_bytes(struct tf2__cursor *cursor, uint64_t n_bytes, const char *what)
{
    const unsigned char *at = cursor->at;
    size_t left = (size_t)(cursor->end - at);
    if (cursor->status != TF2_OK)
        return NULL;
    if (n_bytes > left) {
        tf2__cursor_fail(
            cursor, at, TF2_ERR_FORMAT, "%s: %llu bytes wanted, %zu are there", what,
            (unsigned long long)n_bytes, left);
        return NULL;
    }
    cursor->at += n_bytes;
    return at;
}

#define READ_NUMBER(type, name)                                                                              \
    type tf2__cursor_##name(struct tf2__cursor *cursor, const char *what)                                    \
    {                                                                                                        \
        type value = 0;                                                                                      \
        const unsigned char *bytes = tf2__cursor_bytes(cursor, sizeof(value), what);                         \
        if (bytes)                                                                                           \
            memcpy(&value, bytes, sizeof(value));                                                            \
        return value;                                                                                        \
    }
READ_NUMBER(uint8_t, u8)
READ_NUMBER(uint16_t, u16)
READ_NUMBER(uint32_t, u32)
READ_NUMBER(uint64_t, u64)
READ_NUMBER(float, f32)

uint32_t tf2__cursor_count(struct tf2__cursor *cursor, size_t record_bytes, const char *what)
{
    const unsigned char *at = cursor->at;
    uint32_t n = tf2__cursor_u32(cursor, what);
    size_t most = (size_t)(cursor->end - cursor->at) / record_bytes;
    if (n <= most)
        return n;
    tf2__cursor_fail(cursor, at, TF2_ERR_FORMAT, "%s: %u, and the section has room for %zu", what, n, most);
    return 0;
}

const char *tf2__cursor_text(struct tf2__cursor *cursor, const char *what)
{
    const char *text = (const char *)cursor->at;
    if (cursor->status != TF2_OK)
        return "";
    const unsigned char *zero =
        cursor->at < cursor->end ? memchr(cursor->at, 0, (size_t)(cursor->end - cursor->at)) : NULL;
    if (!zero) {
        tf2__cursor_fail(cursor, cursor->at, TF2_ERR_FORMAT, "%s: a text without an end", what);
        return "";
    }
    const char *problem = tf2__text_problem(text);
    if (problem) {
        tf2__cursor_fail(cursor, cursor->at, TF2_ERR_FORMAT, "%s %s", what, problem);
        return "";
    }
    cursor->at = zero + 1;
    return text;
}

const char *tf2__cursor_name(struct tf2__cursor *cursor, const char *what)
{
    const unsigned char *at = cursor->at;
    const char *name = tf2__cursor_text(cursor, what);
    const char *problem = cursor->status == TF2_OK ? tf2__name_problem(name) : NULL;
    if (!problem)
        return name;
    tf2__cursor_fail(cursor, at, TF2_ERR_FORMAT, "%s %s", what, problem);
    return "";
}

enum tf2_status tf2__cursor_finish(struct tf2__cursor *cursor)
{
    if (cursor->at != cursor->end)
        tf2__cursor_fail(
            cursor, cursor->at, TF2_ERR_FORMAT, "the section should end here, %zu bytes are left",
            (size_t)(cursor->end - cursor->at));
    return cursor->status;
}

/* ---- writing ---- */

void tf2__buffer_init(struct tf2__buffer *buffer, const struct tf2_env *env)
{
    memset(buffer, 0, sizeof(*buffer));
    tf2__env_copy(&buffer->env, env);
}

void tf2__buffer_finish(struct tf2__buffer *buffer)
{
    tf2__free(&buffer->env, buffer->data);
    buffer->data = NULL;
    buffer->n = buffer->cap = 0;
}

static bool reserve(struct tf2__buffer *buffer, size_t n_bytes)
{
    size_t wanted;
    if (buffer->failed || !tf2__add_size(buffer->n, n_bytes, &wanted))
        return false;
    if (wanted <= buffer->cap)
        return true;
    size_t cap = TF2__MAX(TF2__MAX(wanted, buffer->cap + buffer->cap / 2), (size_t)1024);
    unsigned char *grown = tf2__grow(&buffer->env, buffer->data, buffer->n, cap);
    if (!grown)
        return false;
    buffer->data = grown;
    buffer->cap = cap;
    return true;
}

void tf2__buffer_put(struct tf2__buffer *buffer, const void *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return;
    if (!reserve(buffer, n_bytes)) {
        buffer->failed = true;
        return;
    }
    memcpy(buffer->data + buffer->n, data, n_bytes);
    buffer->n += n_bytes;
}

#define WRITE_NUMBER(type, name)                                                                             \
    void tf2__buffer_##name(struct tf2__buffer *buffer, type value)                                          \
    {                                                                                                        \
        tf2__buffer_put(buffer, &value, sizeof(value));                                                      \
    }
WRITE_NUMBER(uint8_t, u8)
WRITE_NUMBER(uint16_t, u16)
WRITE_NUMBER(uint32_t, u32)
WRITE_NUMBER(uint64_t, u64)
WRITE_NUMBER(float, f32)

void tf2__buffer_text(struct tf2__buffer *buffer, const char *text)
{
    tf2__buffer_put(buffer, text, strlen(text) + 1);
}
