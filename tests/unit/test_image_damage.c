/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_image_damage.c: pictures that are cut, changed, or ask for too much work, and allocations that fail.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "test_image_data.h"
#include "test_image_load.h"

/* An allocator that counts what is alive and fails from allocation number fail_at on (0: never). */
struct counter {
    int n_live;
    int n_calls;
    int fail_at;
};

static void *counting_alloc(void *user, size_t size, size_t alignment)
{
    struct counter *c = user;
    void *ptr = NULL;
    assert_true(size > 0);
    if (++c->n_calls == c->fail_at || posix_memalign(&ptr, alignment, size) != 0)
        return NULL;
    c->n_live++;
    return ptr;
}

static void counting_release(void *user, void *ptr)
{
    struct counter *c = user;
    assert_non_null(ptr);
    c->n_live--;
    free(ptr);
}

static struct tf2_env counting_env(struct counter *c)
{
    struct tf2_env env;
    tf2_env_defaults(&env);
    env.allocator.alloc = counting_alloc;
    env.allocator.release = counting_release;
    env.allocator.user = c;
    return env;
}

/* A file that was cut anywhere never gives a picture. */
static void check_truncation(const unsigned char *data, size_t size_bytes)
{
    unsigned char *copy;
    for (size_t n = 0; n < size_bytes; n++) {
        struct tf2_image image = {0};
        copy = malloc(n ? n : 1); /* of this very size, for the address sanitizer */
        memcpy(copy, data, n);
        if (load(copy, n, 0, &image, NULL) == TF2_OK)
            fail_msg("%zu of %zu bytes give a picture", n, size_bytes);
        free(copy);
    }
}

static void test_truncated(void **state)
{
    unsigned char bmp[256];
    (void)state;
    check_truncation(jpeg_20x12, sizeof(jpeg_20x12));
    check_truncation(png_20x12, sizeof(png_20x12));
    check_truncation(bmp, make_bmp(bmp, 5, 4));
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Changed bytes may give a picture, a picture of that size, or an error; nothing else may happen. */
static void mutate(const unsigned char *data, size_t size_bytes, int n_rounds)
{
    struct counter counter = {0};
    struct tf2_env env = counting_env(&counter);
    unsigned char *copy = malloc(size_bytes);
    uint32_t seed = 1;
    for (int round = 0; round < n_rounds; round++) {
        struct tf2_image image;
        struct tf2_error error = {0};
        memcpy(copy, data, size_bytes);
        for (uint32_t k = 0; k <= next_random(&seed) % 4; k++)
            copy[next_random(&seed) % size_bytes] = (unsigned char)next_random(&seed);
        if (tf2_image_load_memory("x.img", copy, size_bytes, 0, &env, &image, &error) == TF2_OK)
            tf2_image_finish(&image);
        else
            assert_true(error.message[0] != 0);
        assert_int_equal(counter.n_live, 0);
    }
    free(copy);
}

static void test_mutated(void **state)
{
    static const unsigned char ppm[] = "P6 #c\n 2 2\n255\n123456789012";
    unsigned char bmp[256];
    size_t size = make_bmp(bmp, 5, 4);
    (void)state;
    mutate(jpeg_20x12, sizeof(jpeg_20x12), 3000);
    mutate(png_20x12, sizeof(png_20x12), 1000);
    mutate(bmp, size, 1000);
    mutate(ppm, sizeof(ppm) - 1, 1000);
}

static void test_png_checksum(void **state)
{
    unsigned char copy[sizeof(png_20x12)];
    (void)state;
    memcpy(copy, png_20x12, sizeof(copy));
    copy[50] ^= 1;
    assert_fails(copy, sizeof(copy), TF2_ERR_FORMAT, "broken PNG: the checksum");
}

/* A small file that announces many pixels or scans is refused before work begins. */
static void test_effort(void **state)
{
    unsigned char copy[sizeof(jpeg_20x12)];
    unsigned char scans[3 + 4 * 200 + 2] = {0xff, 0xd8};
    size_t at = 2;
    (void)state;
    memcpy(copy, jpeg_20x12, sizeof(copy));
    for (size_t i = 2; i + 9 < sizeof(copy); i++) {
        if (copy[i] == 0xff && copy[i + 1] == 0xc2) {
            copy[i + 5] = copy[i + 7] = 0x20;
            break;
        }
    }
    assert_fails(copy, sizeof(copy), TF2_ERR_FORMAT, "cannot hold");
    for (int i = 0; i < 200; i++) {
        memcpy(scans + at, "\xff\xda\0\2", 4);
        at += 4;
    }
    memcpy(scans + at, "\xff\xd9", 2);
    assert_fails(scans, at + 2, TF2_ERR_VALUE, "more than 100 scans");
}

/* A table of more symbols than there are bytes. */
static void test_huffman_table(void **state)
{
    unsigned char file[4 + 2 + 17 + 300 + 2] = {
        0xff, 0xd8, 0xff, 0xc4, (2 + 17 + 300) >> 8, (2 + 17 + 300) & 255};
    (void)state;
    file[6 + 15] = 255;
    file[6 + 16] = 45;
    memcpy(file + sizeof(file) - 2, "\xff\xd9", 2);
    assert_fails(file, sizeof(file), TF2_ERR_FORMAT, "a Huffman table of 300 symbols");
}

/* Each allocation fails once: a status, nothing leaked, the image untouched. */
static void walk_allocations(const void *data, size_t size_bytes, int32_t channels)
{
    struct counter counter = {0};
    struct tf2_env env = counting_env(&counter);
    for (int n = 1;; n++) {
        struct tf2_image image = {0};
        struct tf2_image small = {0};
        struct tf2_error error = {0};
        counter.n_calls = 0;
        counter.fail_at = n;
        enum tf2_status status =
            tf2_image_load_memory("x.img", data, size_bytes, channels, &env, &image, &error);
        if (status == TF2_OK)
            status = tf2_image_resize(&image, 7, 5, TF2_FIT_CENTER_CROP, &small, &error);
        tf2_image_finish(&image);
        tf2_image_finish(&small);
        assert_int_equal(counter.n_live, 0);
        if (counter.n_calls < n) {
            assert_int_equal(status, TF2_OK);
            assert_true(n > 3); /* the pixels, the resized pixels, the tables for it */
            break;
        }
        assert_int_equal(status, TF2_ERR_NO_MEMORY);
        assert_int_equal(error.status, TF2_ERR_NO_MEMORY);
        assert_non_null(strstr(error.message, "out of memory"));
    }
}

static void test_out_of_memory(void **state)
{
    unsigned char bmp[256];
    size_t size = make_bmp(bmp, 5, 4);
    (void)state;
    walk_allocations(jpeg_20x12, sizeof(jpeg_20x12), 0);
    walk_allocations(jpeg_20x12, sizeof(jpeg_20x12), 1);
    walk_allocations(png_20x12, sizeof(png_20x12), 0);
    walk_allocations(png_20x12, sizeof(png_20x12), 1);
    walk_allocations(bmp, size, 0);
    walk_allocations("P5 2 1 255 ab", 13, 3);
    walk_allocations("P6 1 1 255 abc", 14, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),     cmocka_unit_test(test_mutated),
        cmocka_unit_test(test_png_checksum),  cmocka_unit_test(test_effort),
        cmocka_unit_test(test_huffman_table), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("image_damage", tests, NULL, NULL);
}
