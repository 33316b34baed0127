/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h: text that grows, made under the lock and written without it.
 */
#ifndef TF2__SCHED_TEXT_H
#define TF2__SCHED_TEXT_H

#include <locale.h>
#include <stdio.h>

#include <tf2/engine.h>

struct tf2__text {
    const struct tf2_env *env;
    char *data; /* NULL until something is added, and when memory ran out */
    size_t n, size_bytes;
    bool failed;
    locale_t numbers, before; /* numbers have a point, whatever the program's language is */
};

/* Until tf2__text_write this thread works in the C locale. */
void tf2__text_init(struct tf2__text *text, const struct tf2_env *env);
void tf2__text_add(struct tf2__text *text, const char *format, ...) TF2_PRINTF(2, 3);
/* In quotes, escaped as JSON wants it; Prometheus labels want the same. What is no UTF-8 becomes '?'. */
void tf2__text_add_json(struct tf2__text *text, const char *value);
/* Hands everything over and frees it. TF2_ERR_NO_MEMORY: some of it is missing, nothing was written. */
enum tf2_status
tf2__text_write(struct tf2__text *text, tf2_text_writer write, void *user, struct tf2_error *error);

#endif
