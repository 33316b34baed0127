/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c: a growing string; once memory runs out it takes no more, and says so at the end.
 */
#include "sched/text.h"

#include "common/base.h"

void tf2__text_init(struct tf2__text *text, const struct tf2_env *env)
{
    *text = (struct tf2__text){.env = env};
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

void tf2__text_add_json(struct tf2__text *text, const char *value)
{
    tf2__text_add(text, "\"");
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c == '"' || *c == '\\')
            tf2__text_add(text, "\\%c", *c);
        else if (*c == '\n')
            tf2__text_add(text, "\\n");
        else if (*c < 0x20)
            tf2__text_add(text, " ");
        else
            tf2__text_add(text, "%c", *c);
    }
    tf2__text_add(text, "\"");
}

enum tf2_status
tf2__text_write(struct tf2__text *text, tf2_text_writer write, void *user, struct tf2_error *error)
{
    enum tf2_status status = TF2_OK;
    if (text->failed)
        status = tf2__fail_memory(error, text->size_bytes, "a report");
    else if (text->n && !write(user, text->data, text->n))
        status = tf2__fail(error, TF2_ERR_IO, "the report could not be written");
    tf2__free(text->env, text->data);
    text->data = NULL;
    return status;
}
