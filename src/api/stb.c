/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stb.c: stb_image and stb_image_resize, compiled in here and nowhere else, with all of their functions
 * static.
 *
 * stb_image takes its memory through macros without a user pointer. They find the environment of the running
 * call in a thread-local pointer, which is set for the length of the call only; so threads do not meet, and
 * the pixels that come out were allocated from the caller's environment. No block may be larger than an image
 * of the announced size can need: a few kilobytes that inflate to gigabytes fail early.
 *
 * The data is fed through callbacks, because stb_image reads zeros behind the end of a file without saying
 * so: here the callback notices, and a cut file is an error, not a picture that is gray below.
 *
 * stb_image_resize 0.97 takes one block, through macros with a user pointer. It sums the block's size in int
 * without a look at overflow, so the same sum is made here first, in 64 bits and from above; larger requests
 * are refused, and a block that is larger than the sum is not given out. Its other products stay below that
 * sum or, by the limit on pixels, below 2^30: pixel index * channels, row * stride, coefficient width *
 * pixel, ring entry * row, and margins of at most n_in.
 */
#include "api/stb.h"

struct stb_call {
    const struct tf2_env *env;
    size_t max_block_bytes;
    size_t failed_bytes; /* what could not be had */
    bool over_limit;
};

static _Thread_local struct stb_call *current_call;

static bool stb_block_allowed(size_t size_bytes)
{
    if (size_bytes <= current_call->max_block_bytes)
        return true;
    current_call->over_limit = true;
    return false;
}

static void *stb_alloc(size_t size_bytes)
{
    if (!stb_block_allowed(size_bytes))
        return NULL;
    /* Zeroed: of a broken JPEG, stb_image hands out parts that it never wrote. */
    void *ptr = tf2__calloc(current_call->env, size_bytes, 1);
    if (!ptr)
        current_call->failed_bytes = size_bytes;
    return ptr;
}

static void *stb_grow(void *ptr, size_t old_bytes, size_t new_bytes)
{
    if (!stb_block_allowed(new_bytes))
        return NULL;
    void *grown = tf2__grow(current_call->env, ptr, old_bytes, new_bytes);
    if (!grown)
        current_call->failed_bytes = new_bytes;
    return grown;
}

static void stb_free(void *ptr)
{
    tf2__free(current_call->env, ptr);
}

/* One call of stb_image_resize */
struct resize_call {
    const struct tf2_env *env;
    size_t max_bytes;
    size_t failed_bytes; /* what could not be had */
};

static void *resize_alloc(size_t size_bytes, struct resize_call *call)
{
    void *ptr = size_bytes <= call->max_bytes ? tf2__alloc(call->env, size_bytes) : NULL;
    if (!ptr)
        call->failed_bytes = size_bytes;
    return ptr;
}

static void resize_free(void *ptr, struct resize_call *call)
{
    tf2__free(call->env, ptr);
}

/*
 * Its asserts are off: some demand that the weights of a pixel sum up to about 1 before they are normalized,
 * which the triangle filter's do not (one pair of sizes in ten), and others hold in exact arithmetic only.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#define STBIR_MAX_CHANNELS          4
#define STBIR_ASSERT(x)             ((void)0)
#define STBIR_MALLOC(size, context) resize_alloc(size, context)
#define STBIR_FREE(ptr, context)    resize_free(ptr, context)
#include <stb/stb_image_resize.h>
#pragma GCC diagnostic pop

/*
 * For broken files, stb_image counts on signed numbers that wrap, and shifts a zero by more than 31 when a
 * JPEG's scan ends too early; sanitizers need not tell of these two.
 */
#if defined(__clang__)
#pragma clang attribute push(                                                                                \
    __attribute__((no_sanitize("signed-integer-overflow", "shift"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("wrapv")
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_GIF
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ASSERT(x)                     ((void)0)
#define STBI_MAX_DIMENSIONS                TF2__IMAGE_MAX_SIDE
#define STBI_MALLOC(size)                  stb_alloc(size)
#define STBI_REALLOC_SIZED(ptr, old, size) stb_grow(ptr, old, size)
#define STBI_FREE(ptr)                     stb_free(ptr)
#include <stb/stb_image.h>
#pragma GCC diagnostic pop
#if defined(__clang__)
#pragma clang attribute pop
#endif

struct source {
    const unsigned char *data;
    size_t left_bytes;
    bool read_behind; /* more was wanted when nothing was left */
};

static int source_read(void *user, char *out, int size)
{
    struct source *s = user;
    size_t n = TF2__MIN((size_t)size, s->left_bytes);
    s->read_behind |= s->left_bytes == 0;
    if (n > 0)
        memcpy(out, s->data, n);
    s->data += n;
    s->left_bytes -= n;
    return (int)n;
}

static void source_skip(void *user, int size)
{
    struct source *s = user;
    size_t wanted = size > 0 ? (size_t)size : 0;
    size_t n = TF2__MIN(wanted, s->left_bytes);
    s->read_behind |= wanted > s->left_bytes;
    s->data += n;
    s->left_bytes -= n;
}

static int source_eof(void *user)
{
    const struct source *s = user;
    return s->left_bytes == 0;
}

static const stbi_io_callbacks source_callbacks = {source_read, source_skip, source_eof};

enum tf2_status
tf2__image_check_size(const char *name, int64_t width, int64_t height, struct tf2_error *error)
{
    if (width < 1 || height < 1)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: the image has no pixels (%lld x %lld)", name, (long long)width,
            (long long)height);
    if (width > TF2__IMAGE_MAX_SIDE || height > TF2__IMAGE_MAX_SIDE || width * height > TF2__IMAGE_MAX_PIXELS)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s: image of %lld x %lld pixels, the limit is %d a side and %lld in all",
            name, (long long)width, (long long)height, TF2__IMAGE_MAX_SIDE, (long long)TF2__IMAGE_MAX_PIXELS);
    return TF2_OK;
}

/* Generous: the largest block is inflated PNG of 16-bit RGBA in a buffer that doubles, or JPEG coefficients.
 */
static size_t block_limit(size_t file_bytes, int64_t width, int64_t height)
{
    return ((size_t)1 << 20) + 2 * file_bytes + 32 * (size_t)(width + 64) * (size_t)(height + 64);
}

static enum tf2_status decode_failed(
    const char *name, const char *kind, const struct stb_call *call, const struct source *source,
    struct tf2_error *error)
{
    if (call->failed_bytes)
        return tf2__fail(
            error, TF2_ERR_NO_MEMORY, "%s: out of memory: %zu bytes for decoding", name, call->failed_bytes);
    if (call->over_limit)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: broken %s: it holds more data than its size tells", name, kind);
    if (source->read_behind)
        return tf2__fail(error, TF2_ERR_FORMAT, "%s: %s is cut short", name, kind);
    const char *reason = stbi_failure_reason();
    return tf2__fail(
        error, TF2_ERR_FORMAT, "%s: broken %s: %s", name, kind, reason ? reason : "unknown reason");
}

/* Asking for the size tries one format after the other, and the reason told is that of the last: decode, to
 * have the right one. */
static enum tf2_status header_failed(
    const char *name, const char *kind, struct stb_call *call, const struct source *whole,
    struct tf2_error *error)
{
    struct source source = *whole;
    int w, h, n_found;
    if (!call->failed_bytes)
        stbi_image_free(stbi_load_from_callbacks(&source_callbacks, &source, &w, &h, &n_found, 0));
    return decode_failed(name, kind, call, &source, error);
}

static enum tf2_status decode(
    const char *name, const char *kind, struct stb_call *call, const struct source *whole, int32_t *channels,
    int32_t *width, int32_t *height, uint8_t **pixels, struct tf2_error *error)
{
    struct source source = *whole;
    int w = 0, h = 0, n_found = 0;
    if (!stbi_info_from_callbacks(&source_callbacks, &source, &w, &h, &n_found) || call->failed_bytes)
        return header_failed(name, kind, call, whole, error);
    TF2__TRY(tf2__image_check_size(name, w, h, error));
    call->max_block_bytes = block_limit(whole->left_bytes, w, h);
    int n_wanted = *channels ? *channels : n_found <= 2 ? 1 : 3;

    source = *whole;
    stbi_uc *decoded = stbi_load_from_callbacks(&source_callbacks, &source, &w, &h, &n_found, n_wanted);
    if (!decoded || source.read_behind || call->failed_bytes) {
        stbi_image_free(decoded);
        return decode_failed(name, kind, call, &source, error);
    }
    *channels = n_wanted;
    *width = w;
    *height = h;
    *pixels = decoded;
    return TF2_OK;
}

enum tf2_status tf2__stb_decode(
    const char *name, const char *kind, const void *data, size_t size_bytes, const struct tf2_env *env,
    int32_t *channels, int32_t *width, int32_t *height, uint8_t **pixels, struct tf2_error *error)
{
    struct stb_call call = {.env = env, .max_block_bytes = (size_t)1 << 20};
    const struct source whole = {.data = data, .left_bytes = size_bytes};
    struct stb_call *outer =
        current_call; /* an allocator that decodes images would come through here twice */
    current_call = &call;
    enum tf2_status status = decode(name, kind, &call, &whole, channels, width, height, pixels, error);
    current_call = outer;
    return status;
}

/* At least the source pixels that stb_image_resize takes for an output pixel: 2 when it grows. */
static int64_t filter_width(int32_t n_in, int32_t n_out)
{
    return TF2__MAX(2, tf2__ceil_div(2 * (int64_t)n_in, n_out)) + 1;
}

/* At least what it makes per axis: for each source pixel, with margins, or output pixel a range and 2
 * weights. */
static int64_t filter_bytes(int32_t n_in, int32_t n_out)
{
    int64_t n = TF2__MAX((int64_t)n_out, n_in + filter_width(n_in, n_out));
    return n * (int64_t)(sizeof(stbir__contributors) + 2 * sizeof(float));
}

/* At least the block that it asks for: tables, a source row with margins, an output row, and a ring of output
 * rows as long as the filter is high. */
static int64_t resize_bytes(const struct tf2__stb_view *in, int32_t channels, int32_t width, int32_t height)
{
    int64_t source_row = in->width + filter_width(in->width, width);
    int64_t output_rows = (filter_width(in->height, height) + 2) * width;
    return filter_bytes(in->width, width) + filter_bytes(in->height, height) +
           (source_row + output_rows) * channels * (int64_t)sizeof(float);
}

/* No part of a source pixel can be asked for (stbir_resize_region, stbir_resize_subpixel): shifted by a
 * fraction, rounding sometimes gives a pixel three weights, and there is room for two. Without a shift it
 * never does. */
enum tf2_status tf2__stb_resize(
    const struct tf2__stb_view *in, int32_t channels, int32_t width, int32_t height,
    const struct tf2_env *env, uint8_t *out, struct tf2_error *error)
{
    int64_t needed = resize_bytes(in, channels, width, height);
    if (needed > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "resize: %d x %d to %d x %d pixels needs tables of %lld bytes, the limit is %d; resize in two "
            "steps",
            in->width, in->height, width, height, (long long)needed, INT32_MAX);
    struct resize_call call = {.env = env, .max_bytes = (size_t)needed};
    if (stbir_resize_uint8_generic(
            in->pixels, in->width, in->height, in->stride_bytes, out, width, height, width * channels,
            channels, STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE,
            STBIR_COLORSPACE_LINEAR, &call))
        return TF2_OK;
    if (call.failed_bytes > call.max_bytes)
        return tf2__fail(
            error, TF2_ERR_INTERNAL, "resize: stb_image_resize wants %zu bytes, %zu were foreseen",
            call.failed_bytes, call.max_bytes);
    return tf2__fail(
        error, TF2_ERR_NO_MEMORY, "out of memory: %zu bytes for resizing an image to %d x %d",
        call.failed_bytes, width, height);
}
