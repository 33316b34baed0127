/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h: what every file of the library uses: failing with a message, allocating, logging, checked sizes.
 *
 * An error is made where it is found: `return tf2__fail(error, TF2_ERR_SHAPE, "...", ...)`, or, with cleanup
 * to do, `status = tf2__fail(...); goto fail;`.
 */
#ifndef TF2__COMMON_BASE_H
#define TF2__COMMON_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include <tf2/common.h>

#define TF2__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TF2__MIN(a, b)    ((a) < (b) ? (a) : (b))
#define TF2__MAX(a, b)    ((a) > (b) ? (a) : (b))

/* Runs `call`; on failure returns its status from the calling function. For functions with nothing to undo. */
#define TF2__TRY(call)                                                                                       \
    do {                                                                                                     \
        enum tf2_status try_status = (call);                                                                 \
        if (try_status != TF2_OK)                                                                            \
            return try_status;                                                                               \
    } while (0)

/* Fills *error (NULL allowed) and returns `status`. */
enum tf2_status tf2__fail(struct tf2_error *error, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(3, 4);
/* Puts "prefix: " before the message of an error that was already made; returns error->status or `status`. */
enum tf2_status tf2__fail_prefix(struct tf2_error *error, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(3, 4);
enum tf2_status tf2__fail_memory(struct tf2_error *error, size_t size_bytes, const char *what);

/*
 * Problems of one file, collected so that all are told at once. Zero-initialize. tf2__report_finish returns
 * TF2_OK when there was none; else the status of the first, with all of them in one line.
 */
struct tf2__report {
    size_t n_problems;
    enum tf2_status status;
    size_t used;
    size_t n_written;
    char text[TF2_ERROR_MESSAGE_MAX];
};
void tf2__report_add(struct tf2__report *report, enum tf2_status status, const char *format, ...)
    TF2_PRINTF(3, 4);
enum tf2_status
tf2__report_finish(const struct tf2__report *report, const char *subject, struct tf2_error *error);

/* Copies *env, or the defaults when env is NULL or has no allocator. */
void tf2__env_copy(struct tf2_env *copy, const struct tf2_env *env);

#define TF2__ALIGNMENT 64

/* size_bytes 0 gives a valid pointer too. Aligned to TF2__ALIGNMENT. NULL when out of memory. */
void *tf2__alloc(const struct tf2_env *env, size_t size_bytes);
/* The same, zeroed, for n elements; NULL also when n * size overflows. */
void *tf2__calloc(const struct tf2_env *env, size_t n, size_t size_bytes);
/* Grows a block of old_bytes to new_bytes (contents kept); on failure returns NULL and leaves `ptr` alone. */
void *tf2__grow(const struct tf2_env *env, void *ptr, size_t old_bytes, size_t new_bytes);
/* NULL allowed. */
void tf2__free(const struct tf2_env *env, void *ptr);
char *tf2__strdup(const struct tf2_env *env, const char *text);

void tf2__log(const struct tf2_env *env, enum tf2_log_level level, const char *format, ...) TF2_PRINTF(3, 4);

/* Checked arithmetic: false, and *result untouched, on overflow. */
static inline bool tf2__add_size(size_t a, size_t b, size_t *result)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *result = sum;
    return true;
}

static inline bool tf2__mul_size(size_t a, size_t b, size_t *result)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *result = product;
    return true;
}

static inline bool tf2__mul_i64(int64_t a, int64_t b, int64_t *result)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *result = product;
    return true;
}

/* For b > 0. */
static inline int64_t tf2__ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}

static inline int64_t tf2__round_up(int64_t a, int64_t b)
{
    return tf2__ceil_div(a, b) * b;
}

/* The dimensions with an extent of 1, as bits. */
uint32_t tf2__shape_ones(const struct tf2_shape *shape);

#endif
