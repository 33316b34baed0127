/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.c: statuses, errors, reports, the default environment, allocation through the environment's allocator.
 */
#include "common/base.h"

#include <stdio.h>
#include <stdlib.h>

const char *tf2_status_name(enum tf2_status status)
{
    switch (status) {
#define STATUS_NAME(name, number, message)                                                                   \
    case TF2_##name:                                                                                         \
        return "TF2_" #name;
        TF2_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "TF2_ERR_UNKNOWN";
}

const char *tf2_status_message(enum tf2_status status)
{
    switch (status) {
#define STATUS_MESSAGE(name, number, message)                                                                \
    case TF2_##name:                                                                                         \
        return message;
        TF2_STATUS_MAP(STATUS_MESSAGE)
#undef STATUS_MESSAGE
    }
    return "unknown status";
}

const char *tf2_dtype_name(enum tf2_dtype dtype)
{
    switch (dtype) {
#define DTYPE_NAME(name, number, text, size_bytes)                                                           \
    case TF2_DTYPE_##name:                                                                                   \
        return text;
        TF2_DTYPE_MAP(DTYPE_NAME)
#undef DTYPE_NAME
    }
    return "invalid";
}

size_t tf2_dtype_size_bytes(enum tf2_dtype dtype)
{
    switch (dtype) {
#define DTYPE_SIZE(name, number, text, size_bytes)                                                           \
    case TF2_DTYPE_##name:                                                                                   \
        return size_bytes;
        TF2_DTYPE_MAP(DTYPE_SIZE)
#undef DTYPE_SIZE
    }
    return 0;
}

int64_t tf2_shape_count(const struct tf2_shape *shape)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] < 1 || !tf2__mul_i64(count, shape->dim[d], &count) || count > INT32_MAX)
            return 0;
    }
    return count;
}

bool tf2_shape_equal(const struct tf2_shape *a, const struct tf2_shape *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dim, b->dim, a->n_dims * sizeof(a->dim[0])) == 0;
}

uint32_t tf2__shape_ones(const struct tf2_shape *shape)
{
    uint32_t mask = 0;
    for (uint32_t d = TF2_MAX_DIMS; d-- > 0;)
        mask = mask << 1 | (d < shape->n_dims && shape->dim[d] == 1);
    return mask;
}

char *tf2_shape_format(const struct tf2_shape *shape, char *text, size_t size_bytes)
{
    size_t used = 0;
    if (size_bytes == 0)
        return text;
    snprintf(text, size_bytes, "scalar");
    for (uint32_t d = 0; d < shape->n_dims && used < size_bytes; d++)
        used +=
            (size_t)snprintf(text + used, size_bytes - used, d ? "x%lld" : "%lld", (long long)shape->dim[d]);
    return text;
}

enum tf2_status tf2__fail(struct tf2_error *error, enum tf2_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->message, sizeof(error->message), format, args);
        va_end(args);
    }
    return status;
}

enum tf2_status tf2__fail_prefix(struct tf2_error *error, enum tf2_status status, const char *format, ...)
{
    if (error) {
        char message[TF2_ERROR_MESSAGE_MAX];
        va_list args;
        va_start(args, format);
        int used = vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof(message)) /* what does not fit is cut off */
            snprintf(
                message + used, sizeof(message) - (size_t)used, ": %.*s", (int)(sizeof(message) - 3),
                error->message);
        error->status = status;
        memcpy(error->message, message, sizeof(message));
    }
    return status;
}

enum tf2_status tf2__fail_memory(struct tf2_error *error, size_t size_bytes, const char *what)
{
    return tf2__fail(error, TF2_ERR_NO_MEMORY, "out of memory: %zu bytes for %s", size_bytes, what);
}

void tf2__report_add(struct tf2__report *report, enum tf2_status status, const char *format, ...)
{
    /* Room is kept for the subject in front and for "and N more" behind. */
    const size_t limit = sizeof(report->text) - 512;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (report->n_problems++ == 0)
        report->status = status;
    if (report->n_written + 1 == report->n_problems && report->used + strlen(line) + 2 < limit) {
        report->used += (size_t)snprintf(
            report->text + report->used, sizeof(report->text) - report->used, "%s%s",
            report->n_written ? "; " : "", line);
        report->n_written++;
    }
}

enum tf2_status
tf2__report_finish(const struct tf2__report *report, const char *subject, struct tf2_error *error)
{
    if (report->n_problems == 0)
        return TF2_OK;
    if (report->n_problems == 1)
        return tf2__fail(error, report->status, "%s: %s", subject, report->text);
    if (report->n_written == report->n_problems)
        return tf2__fail(
            error, report->status, "%s: %zu problems: %s", subject, report->n_problems, report->text);
    return tf2__fail(
        error, report->status, "%s: %zu problems: %s; and %zu more", subject, report->n_problems,
        report->text, report->n_problems - report->n_written);
}

static void *default_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    size_t rounded;
    if (!tf2__add_size(size, alignment - 1, &rounded))
        return NULL;
    return aligned_alloc(alignment, rounded / alignment * alignment);
}

static void default_release(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

void tf2_env_defaults(struct tf2_env *env)
{
    memset(env, 0, sizeof(*env));
    env->allocator.alloc = default_alloc;
    env->allocator.release = default_release;
}

void tf2__env_copy(struct tf2_env *copy, const struct tf2_env *env)
{
    tf2_env_defaults(copy);
    if (!env)
        return;
    copy->logger = env->logger;
    if (env->allocator.alloc)
        copy->allocator = env->allocator;
}

void *tf2__alloc(const struct tf2_env *env, size_t size_bytes)
{
    return env->allocator.alloc(env->allocator.user, size_bytes ? size_bytes : 1, TF2__ALIGNMENT);
}

void *tf2__calloc(const struct tf2_env *env, size_t n, size_t size_bytes)
{
    size_t total;
    if (!tf2__mul_size(n, size_bytes, &total))
        return NULL;
    void *ptr = tf2__alloc(env, total);
    if (ptr)
        memset(ptr, 0, total);
    return ptr;
}

void *tf2__grow(const struct tf2_env *env, void *ptr, size_t old_bytes, size_t new_bytes)
{
    void *grown = tf2__alloc(env, new_bytes);
    if (!grown)
        return NULL;
    if (ptr) {
        memcpy(grown, ptr, TF2__MIN(old_bytes, new_bytes));
        tf2__free(env, ptr);
    }
    return grown;
}

void tf2__free(const struct tf2_env *env, void *ptr)
{
    if (ptr)
        env->allocator.release(env->allocator.user, ptr);
}

char *tf2__strdup(const struct tf2_env *env, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = tf2__alloc(env, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void tf2__log(const struct tf2_env *env, enum tf2_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;
    if (!env->logger.write || level > env->logger.level)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    env->logger.write(env->logger.user, level, message);
}
