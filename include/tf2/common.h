/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/common.h: status codes, errors, the environment (allocator and logger), data types and shapes.
 *
 * Everything else in the library is built from these. None of the functions here has state; all of them may
 * be called from any thread.
 */
#ifndef TF2_COMMON_H
#define TF2_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TF2_API __attribute__((visibility("default")))
#define TF2_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define TF2_API
#define TF2_PRINTF(fmt, args)
#endif

/*
 * Status codes: X(name, number, message). Numbers are grouped by decade and only ever appended to:
 * 10 the caller, 20 the machine, 30 the model or other input file, 40 the device, 50 the run, 90 ourselves.
 */
#define TF2_STATUS_MAP(X)                                                                                    \
    X(OK, 0, "success")                                                                                      \
    X(ERR_INVALID_ARGUMENT, 10, "invalid argument")                                                          \
    X(ERR_INVALID_STATE, 11, "not allowed in this state")                                                    \
    X(ERR_NOT_FOUND, 12, "no such thing")                                                                    \
    X(ERR_NO_MEMORY, 20, "out of memory")                                                                    \
    X(ERR_IO, 21, "file cannot be read or written")                                                          \
    X(ERR_THREAD, 22, "thread cannot be started")                                                            \
    X(ERR_FORMAT, 30, "malformed file")                                                                      \
    X(ERR_UNSUPPORTED, 31, "valid, but not supported")                                                       \
    X(ERR_SHAPE, 32, "shapes do not fit")                                                                    \
    X(ERR_GRAPH, 33, "not a valid graph")                                                                    \
    X(ERR_VALUE, 34, "value out of range")                                                                   \
    X(ERR_NO_DEVICE, 40, "no such device")                                                                   \
    X(ERR_DEVICE, 41, "device failed")                                                                       \
    X(ERR_BUILD, 42, "kernel does not build")                                                                \
    X(ERR_CANCELLED, 50, "cancelled")                                                                        \
    X(ERR_TIMEOUT, 51, "timed out")                                                                          \
    X(ERR_INTERNAL, 90, "internal error")

enum tf2_status {
#define TF2_STATUS_ENUM(name, number, message) TF2_##name = number,
    TF2_STATUS_MAP(TF2_STATUS_ENUM)
#undef TF2_STATUS_ENUM
};

/* The symbolic name of a status, such as "TF2_ERR_SHAPE"; "TF2_ERR_UNKNOWN" for a number that is none. */
TF2_API const char *tf2_status_name(enum tf2_status status);
/* A few words on a status, such as "shapes do not fit"; "unknown status" for a number that is none. */
TF2_API const char *tf2_status_message(enum tf2_status status);

#define TF2_ERROR_MESSAGE_MAX 2048

/*
 * What went wrong, in full. The caller owns it (usually on the stack) and passes its address to a call that
 * can fail, or NULL when the status is enough. It is written only on failure. The message is one line, ends
 * without a full stop, and says which file, node or tensor, what was wanted and what was found; a long list
 * of problems is cut with "and N more".
 */
struct tf2_error {
    enum tf2_status status;
    char message[TF2_ERROR_MESSAGE_MAX];
};

/*
 * Where memory comes from. `alloc` returns `size` bytes (never 0) aligned to `alignment` (a power of two), or
 * NULL; `release` takes what `alloc` returned, never NULL. Both may be called from any thread.
 */
struct tf2_allocator {
    void *(*alloc)(void *user, size_t size, size_t alignment);
    void (*release)(void *user, void *ptr);
    void *user;
};

enum tf2_log_level {
    TF2_LOG_NONE = 0,
    TF2_LOG_ERROR = 1,
    TF2_LOG_WARNING = 2,
    TF2_LOG_INFO = 3,
    TF2_LOG_DEBUG = 4,
};

/*
 * Where messages go. `write` gets one line without a newline; it may be called from any thread, and its text
 * is valid only during the call. Messages above `level` are not made at all. write == NULL: no messages.
 */
struct tf2_logger {
    void (*write)(void *user, enum tf2_log_level level, const char *message);
    void *user;
    enum tf2_log_level level;
};

/*
 * What the library takes from the program around it. Objects copy it when they are created; what `user`
 * points to must outlive them. The library itself never prints.
 */
struct tf2_env {
    struct tf2_allocator allocator;
    struct tf2_logger logger;
};

/* The C library's allocator and no logger; the same as passing NULL for an environment. */
TF2_API void tf2_env_defaults(struct tf2_env *env);

/* Element types. Numbers are stored in files: append only. */
#define TF2_DTYPE_MAP(X)                                                                                     \
    X(F32, 1, "float32", 4)                                                                                  \
    X(U8, 2, "uint8", 1)                                                                                     \
    X(S8, 3, "int8", 1)                                                                                      \
    X(S32, 4, "int32", 4)                                                                                    \
    X(S64, 5, "int64", 8)

enum tf2_dtype {
#define TF2_DTYPE_ENUM(name, number, text, size_bytes) TF2_DTYPE_##name = number,
    TF2_DTYPE_MAP(TF2_DTYPE_ENUM)
#undef TF2_DTYPE_ENUM
};

/* NumPy's name of a type ("float32"); "invalid" for a number that is none. */
TF2_API const char *tf2_dtype_name(enum tf2_dtype dtype);
/* Bytes of one element; 0 for a number that is none. */
TF2_API size_t tf2_dtype_size_bytes(enum tf2_dtype dtype);

#define TF2_MAX_DIMS 8

/*
 * Extents of a tensor, outermost first. Feature maps are [N, C, spatial...]: [N, C], [N, C, W], [N, C, H, W]
 * or [N, C, D, H, W]; inputs and outputs of a network can have the channels last (enum tf2_layout). n_dims == 0 is a
 * scalar. Every extent is at least 1.
 */
struct tf2_shape {
    uint32_t n_dims;
    int64_t dim[TF2_MAX_DIMS];
};

/* The order of a feature map's dimensions, for networks that come with their own. */
enum tf2_layout {
    TF2_LAYOUT_NCHW = 0, /* [N, C, spatial...] */
    TF2_LAYOUT_NHWC = 1, /* [N, spatial..., C]: TensorFlow's custom */
};

/* The number of elements, 1 for a scalar; 0 when an extent is below 1 or the product is above INT32_MAX. */
TF2_API int64_t tf2_shape_count(const struct tf2_shape *shape);
TF2_API bool tf2_shape_equal(const struct tf2_shape *a, const struct tf2_shape *b);
/* Writes "1x3x227x227" ("scalar" for n_dims == 0), always terminated, cut to size_bytes; returns `text`. */
TF2_API char *tf2_shape_format(const struct tf2_shape *shape, char *text, size_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
