/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_image_load.h: reading pictures from memory, and a BMP. Include after cmocka.h.
 */
#ifndef TEST_IMAGE_LOAD_H
#define TEST_IMAGE_LOAD_H

#include <string.h>

#include <tf2/image.h>

static inline enum tf2_status
load(const void *data, size_t size_bytes, int32_t channels, struct tf2_image *image, struct tf2_error *error)
{
    return tf2_image_load_memory("x.img", data, size_bytes, channels, NULL, image, error);
}

static inline void
assert_fails(const void *data, size_t size_bytes, enum tf2_status status, const char *message)
{
    struct tf2_image image = {0};
    struct tf2_error error = {0};
    assert_int_equal(load(data, size_bytes, 0, &image, &error), status);
    assert_int_equal(error.status, status);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, error.message);
    assert_non_null(strstr(error.message, "x.img: "));
    assert_null(image.pixels);
}

/* 24 bits, rows from the bottom up, each padded to 4 bytes. */
static inline size_t make_bmp(unsigned char *out, int width, int height)
{
    size_t row = ((size_t)width * 3 + 3) / 4 * 4;
    size_t size = 54 + row * (size_t)height;
    memset(out, 0, size);
    memcpy(out, "BM", 2);
    out[2] = (unsigned char)size;
    out[10] = 54;
    out[14] = 40;
    out[18] = (unsigned char)width;
    out[22] = (unsigned char)height;
    out[26] = 1;
    out[28] = 24;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            unsigned char *bgr = out + 54 + (size_t)(height - 1 - y) * row + (size_t)x * 3;
            bgr[0] = 7;
            bgr[1] = (unsigned char)(10 * y);
            bgr[2] = (unsigned char)x;
        }
    }
    return size;
}

#endif
