/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c: a growing string; once memory runs out it takes no more, and says so at the end.
 */
#include "sched/text.h"

#include "common/base.h"

void tf2__text_init(struct tf2__text *text, const struct tf2_env *env)
{
    *text = (struct tf2__text){.env = env, .numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0)};
    if (text->numbers)
        text->before = uselocale(text->numbers);
}

static void restore_locale(struct tf2__text *text)
{
    if (!text->numbers)
        return;
    uselocale(text->before);
    freelocale(text->numbers);
    text->numbers = (locale_t)0;
}

static bool reserve(struct tf2__text *text, size_t n)
{
    if (text->failed || text->n + n < text->size_bytes)
        return !text->failed;
    size_t size_bytes = 2 * (text->n + n) + 4096;
    char *grown = tf2__grow(text->env, text->data, text->n, size_bytes);
    text->failed = !grown;
    if (!grown)
        return false;
    text->data = grown;
    text->size_bytes = size_bytes;
    return true;
}

void tf2__text_add(struct tf2__text *text, const char *format, ...)
{
    for (size_t room = 512;;) {
        va_list args;
        if (!reserve(text, room))
            return;
        va_start(args, format);
        int n = vsnprintf(text->data + text->n, room, format, args);
        va_end(args);
        if (n < 0)
            return;
        if ((size_t)n < room) {
            text->n += (size_t)n;
            return;
        }
        room = (size_t)n + 1;
    }
}

/* The bytes of the UTF-8 character at `c` (RFC 3629); 0: it is none. */
static int utf8_bytes(const unsigned char *c)
{
    static const struct {
        unsigned char first, last, low, high; /* of the first byte, of the second */
        int n;
    } rows[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4}};
    size_t row = 0;
    while (row < TF2__COUNT(rows) && (*c < rows[row].first || *c > rows[row].last))
        row++;
    if (row == TF2__COUNT(rows))
        return 0;
    for (int i = 1; i < rows[row].n; i++) {
        if (c[i] < (i == 1 ? rows[row].low : 0x80) || c[i] > (i == 1 ? rows[row].high : 0xbf))
            return 0;
    }
    return rows[row].n;
}

void tf2__text_add_json(struct tf2__text *text, const char *value)
{
    tf2__text_add(text, "\"");
    for (const unsigned char *c = (const unsigned char *)value; *c;) {
        int n = utf8_bytes(c);
        if (*c == '"' || *c == '\\')
            tf2__text_add(text, "\\%c", *c);
        else if (*c == '\n')
            tf2__text_add(text, "\\n");
        else if (*c < 0x20)
            tf2__text_add(text, " ");
        else if (n == 0)
            tf2__text_add(text, "?");
        else
            tf2__text_add(text, "%.*s", n, (const char *)c);
        c += n ? n : 1;
    }
    tf2__text_add(text, "\"");
}

enum tf2_status
tf2__text_write(struct tf2__text *text, tf2_text_writer write, void *user, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    restore_locale(text);
    if (text->failed)
        status = tf2__fail_memory(error, text->size_bytes, "a report");
    else if (text->n && !write(user, text->data, text->n))
        status = tf2__fail(error, TF2_ERR_IO, "the report could not be written");
    tf2__free(text->env, text->data);
    text->data = NULL;
    return status;
}
