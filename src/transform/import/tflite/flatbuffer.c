/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flatbuffer.c: the reader. Numbers are little-endian and may lie anywhere: they are put together byte by byte or
 * copied, never read in place.
 */
#include "transform/import/tflite/flatbuffer.h"

#define REFERENCE_BYTES 4

static uint32_t load_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t load_u16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

/* Whether n_bytes at `at` lie in the file; else the problem is noted, at most once. */
static bool inside(struct tf2__flatbuffer *fb, size_t at, size_t n_bytes, const char *what)
{
    if (fb->status != TF2_OK)
        return false;
    if (at <= fb->size_bytes && n_bytes <= fb->size_bytes - at)
        return true;
    fb->status = tf2__fail(
        fb->error, TF2_ERR_FORMAT, "damaged file: %s of %zu bytes at byte %zu, the file has %zu", what,
        n_bytes, at, fb->size_bytes);
    return false;
}

bool tf2__fb_probe(const unsigned char *data, size_t size_bytes, const char *identifier)
{
    return size_bytes >= 8 && memcmp(data + 4, identifier, 4) == 0;
}

/* The place that the reference at `at` leads to; 0 when it is damaged. */
static size_t follow(struct tf2__flatbuffer *fb, size_t at)
{
    size_t to;
    if (!inside(fb, at, REFERENCE_BYTES, "a reference"))
        return 0;
    const uint32_t distance = load_u32(fb->data + at);
    if (distance == 0 || !tf2__add_size(at, distance, &to)) {
        fb->status =
            tf2__fail(fb->error, TF2_ERR_FORMAT, "damaged file: the reference at byte %zu leads nowhere", at);
        return 0;
    }
    return to;
}

static struct tf2__fb_table open_table(struct tf2__flatbuffer *fb, size_t at)
{
    const struct tf2__fb_table none = {0};
    struct tf2__fb_table t = {.at = at};
    if (at == 0 || !inside(fb, at, 4, "a table"))
        return none;
    const int64_t vtable = (int64_t)at - (int32_t)load_u32(fb->data + at);
    if (vtable < 0 || vtable > INT32_MAX) {
        fb->status = tf2__fail(
            fb->error, TF2_ERR_FORMAT,
            "damaged file: the table at byte %zu has its fields listed at byte %lld", at, (long long)vtable);
        return none;
    }
    t.vtable = (size_t)vtable;
    if (!inside(fb, t.vtable, 4, "a list of fields"))
        return none;
    t.vtable_bytes = load_u16(fb->data + t.vtable);
    t.size_bytes = load_u16(fb->data + t.vtable + 2);
    if (!inside(fb, t.vtable, t.vtable_bytes, "a list of fields") || !inside(fb, at, t.size_bytes, "a table"))
        return none;
    return t;
}

struct tf2__fb_table tf2__fb_root(struct tf2__flatbuffer *fb)
{
    return open_table(fb, follow(fb, 0));
}

/* Where a field of n_bytes lies; 0: absent. */
static size_t
find_field(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, size_t n_bytes)
{
    const size_t entry = 4 + 2 * (size_t)field;
    if (fb->status != TF2_OK || t->at == 0 || entry + 2 > t->vtable_bytes)
        return 0;
    const size_t offset = load_u16(fb->data + t->vtable + entry);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset > t->size_bytes || n_bytes > t->size_bytes - offset) {
        fb->status = tf2__fail(
            fb->error, TF2_ERR_FORMAT,
            "damaged file: field %u at %zu of the table at byte %zu, which has %zu bytes", field, offset,
            t->at, t->size_bytes);
        return 0;
    }
    return t->at + offset;
}

uint8_t
tf2__fb_u8(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, uint8_t otherwise)
{
    const size_t at = find_field(fb, t, field, 1);
    return at ? fb->data[at] : otherwise;
}

int32_t
tf2__fb_i32(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, int32_t otherwise)
{
    const size_t at = find_field(fb, t, field, 4);
    return at ? (int32_t)load_u32(fb->data + at) : otherwise;
}

static int64_t load_i64(const unsigned char *p)
{
    return (int64_t)((uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32);
}

static float load_f32(const unsigned char *p)
{
    const uint32_t bits = load_u32(p);
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

int64_t
tf2__fb_i64(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, int64_t otherwise)
{
    const size_t at = find_field(fb, t, field, 8);
    return at ? load_i64(fb->data + at) : otherwise;
}

float tf2__fb_f32(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, float otherwise)
{
    const size_t at = find_field(fb, t, field, 4);
    return at ? load_f32(fb->data + at) : otherwise;
}

struct tf2__fb_table tf2__fb_table(struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field)
{
    const size_t at = find_field(fb, t, field, REFERENCE_BYTES);
    return open_table(fb, at ? follow(fb, at) : 0);
}

struct tf2__fb_vector tf2__fb_vector(
    struct tf2__flatbuffer *fb, const struct tf2__fb_table *t, uint32_t field, size_t element_bytes)
{
    const struct tf2__fb_vector none = {0};
    const size_t at = find_field(fb, t, field, REFERENCE_BYTES);
    const size_t to = at ? follow(fb, at) : 0;
    size_t n_bytes;
    if (to == 0 || !inside(fb, to, 4, "a vector"))
        return none;
    const struct tf2__fb_vector v = {.at = to + 4, .n = load_u32(fb->data + to)};
    if (!tf2__mul_size(v.n, element_bytes, &n_bytes) || !inside(fb, v.at, n_bytes, "a vector"))
        return none;
    return v;
}

int32_t tf2__fb_i32_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i)
{
    return (int32_t)load_u32(fb->data + v->at + (size_t)i * 4);
}

int64_t tf2__fb_i64_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i)
{
    return load_i64(fb->data + v->at + (size_t)i * 8);
}

float tf2__fb_f32_at(const struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i)
{
    return load_f32(fb->data + v->at + (size_t)i * 4);
}

struct tf2__fb_table tf2__fb_table_at(struct tf2__flatbuffer *fb, const struct tf2__fb_vector *v, uint32_t i)
{
    return open_table(fb, follow(fb, v->at + (size_t)i * REFERENCE_BYTES));
}
