/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_image.c: reading, resizing and converting pictures. test_image_damage.c has the broken ones.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_image_data.h"
#include "test_image_load.h"

static uint8_t *pixel(const struct tf2_image *image, int32_t x, int32_t y)
{
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
}

static void assert_near(int value, int wanted, int tolerance)
{
    if (abs(value - wanted) > tolerance)
        fail_msg("%d, wanted %d +- %d", value, wanted, tolerance);
}

/* The picture that the two arrays show. */
static void check_20x12(const struct tf2_image *image, int tolerance)
{
    assert_int_equal(image->width, 20);
    assert_int_equal(image->height, 12);
    assert_int_equal(image->channels, 3);
    for (int32_t y = 0; y < 12; y++) {
        for (int32_t x = 0; x < 20; x++) {
            assert_near(pixel(image, x, y)[0], x * 12, tolerance);
            assert_near(pixel(image, x, y)[1], y * 20, tolerance);
            assert_near(pixel(image, x, y)[2], 128, tolerance);
        }
    }
}

static void test_png(void **state)
{
    struct tf2_image image;
    (void)state;
    assert_int_equal(load(png_20x12, sizeof(png_20x12), 0, &image, NULL), TF2_OK);
    check_20x12(&image, 0);
    tf2_image_finish(&image);
    assert_null(image.pixels);
    tf2_image_finish(&image);

    assert_int_equal(load(png_20x12, sizeof(png_20x12), 1, &image, NULL), TF2_OK);
    assert_int_equal(image.channels, 1);
    assert_int_equal(*pixel(&image, 3, 2), (36 * 77 + 40 * 150 + 128 * 29) >> 8);
    tf2_image_finish(&image);
}

static void test_jpeg(void **state)
{
    struct tf2_image image;
    (void)state;
    assert_int_equal(load(jpeg_20x12, sizeof(jpeg_20x12), 3, &image, NULL), TF2_OK);
    check_20x12(&image, 24);
    tf2_image_finish(&image);
}

static void test_bmp(void **state)
{
    unsigned char data[256];
    struct tf2_image image;
    size_t size = make_bmp(data, 5, 4);
    (void)state;
    assert_int_equal(load(data, size, 0, &image, NULL), TF2_OK);
    assert_int_equal(image.width, 5);
    assert_int_equal(image.height, 4);
    assert_int_equal(image.channels, 3);
    assert_memory_equal(pixel(&image, 3, 2), ((unsigned char[]){3, 20, 7}), 3);
    tf2_image_finish(&image);
    assert_fails(data, size - 1, TF2_ERR_FORMAT, "BMP is cut short"); /* the row's padding */
    data[19] = 0x40;
    assert_fails(data, size, TF2_ERR_FORMAT, "cannot hold 16389 x 4 pixels");
}

static void test_ppm(void **state)
{
    static const char ppm[] = "P6 # a comment\n2 #x\n 1\n255\n\1\2\3\4\5\6 and more";
    static const char scaled[] = "P5\n4 1\n15\n\0\5\17\20"; /* the last is above the maximum */
    static const char deep[] = "P5 2 1 65535 \x80\x80\xff\xff";
    struct tf2_image image;
    (void)state;
    assert_int_equal(load(ppm, sizeof(ppm) - 1, 0, &image, NULL), TF2_OK);
    assert_int_equal(image.width, 2);
    assert_int_equal(image.channels, 3);
    assert_memory_equal(image.pixels, "\1\2\3\4\5\6", 6);
    tf2_image_finish(&image);

    assert_int_equal(load(scaled, sizeof(scaled) - 1, 0, &image, NULL), TF2_OK);
    assert_int_equal(image.channels, 1);
    assert_memory_equal(image.pixels, "\0\x55\xff\xff", 4);
    tf2_image_finish(&image);

    assert_int_equal(load(deep, sizeof(deep) - 1, 3, &image, NULL), TF2_OK);
    assert_memory_equal(image.pixels, "\x80\x80\x80\xff\xff\xff", 6);
    tf2_image_finish(&image);
}

#define FAILS(text, status, message) assert_fails(text, sizeof(text) - 1, status, message)

static void test_broken_ppm(void **state)
{
    (void)state;
    FAILS("P6 2 1 255 12345", TF2_ERR_FORMAT, "cut short: 5 bytes of pixels, wanted 6");
    FAILS("P6 2 1 255", TF2_ERR_FORMAT, "header at byte 10");
    FAILS("P6 2 x 255 ", TF2_ERR_FORMAT, "header at byte 5");
    FAILS("P62 1 255 123456", TF2_ERR_FORMAT, "header");
    FAILS("P5 2 1 0 12", TF2_ERR_FORMAT, "maximum 0");
    FAILS("P5 2 1 65536 1234", TF2_ERR_FORMAT, "maximum 65536");
    FAILS("P5 0 1 255 ", TF2_ERR_FORMAT, "no pixels");
    FAILS("P5 16385 1 255 ", TF2_ERR_VALUE, "the limit is 16384 a side");
    FAILS("P5 16384 16384 255 ", TF2_ERR_VALUE, "134217728 in all");
    FAILS("P5 99999999999999999999 1 255 ", TF2_ERR_FORMAT, "header");
    FAILS("P5 # only a comment", TF2_ERR_FORMAT, "header");
}

static void test_not_an_image(void **state)
{
    struct tf2_image image;
    struct tf2_error error;
    (void)state;
    assert_fails("", 0, TF2_ERR_FORMAT, "the file is empty");
    FAILS("GIF89a", TF2_ERR_FORMAT, "not a JPEG, PNG, BMP or PPM image");
    FAILS("P3 1 1 255 1 2 3", TF2_ERR_FORMAT, "not a JPEG");
    FAILS("BM", TF2_ERR_FORMAT, "BMP");
    FAILS("\x89PNG\r\n\x1a\n", TF2_ERR_FORMAT, "PNG is cut short");
    FAILS("\xff\xd8\xff", TF2_ERR_FORMAT, "JPEG is cut short");
    FAILS("\xff\xd8\xff\xd9", TF2_ERR_FORMAT, "broken JPEG: ");
    assert_int_equal(tf2_image_load("/nonexistent/x.jpg", 0, NULL, &image, &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "/nonexistent/x.jpg"));
    assert_int_equal(tf2_image_load("/", 0, NULL, &image, &error), TF2_ERR_IO);
    assert_int_equal(tf2_image_load(NULL, 0, NULL, &image, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(load(png_20x12, sizeof(png_20x12), 2, &image, &error), TF2_ERR_INVALID_ARGUMENT);
}

static struct tf2_image make_image(uint8_t *pixels, int32_t width, int32_t height, int32_t channels)
{
    struct tf2_image image = {.width = width, .height = height, .channels = channels, .pixels = pixels};
    tf2_env_defaults(&image.env);
    return image;
}

static void assert_resized(
    const struct tf2_image *image, int32_t width, int32_t height, enum tf2_fit fit, const uint8_t *wanted)
{
    struct tf2_image out;
    assert_int_equal(tf2_image_resize(image, width, height, fit, &out, NULL), TF2_OK);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    assert_int_equal(out.channels, image->channels);
    for (int32_t i = 0; i < width * height * image->channels; i++)
        assert_int_equal(out.pixels[i], wanted[i]);
    tf2_image_finish(&out);
}

static void test_resize_by_hand(void **state)
{
    uint8_t row[4] = {0, 100, 200, 240};
    uint8_t rgb[6] = {0, 10, 20, 100, 110, 120};
    uint8_t map[16] = {0, 0, 9, 9, 0, 0, 9, 9, 50, 50, 80, 80, 50, 50, 80, 80};
    struct tf2_image image = make_image(row, 4, 1, 1);
    (void)state;
    assert_resized(&image, 4, 1, TF2_FIT_STRETCH, row);
    /* Bilinear at half-pixel centres: 0, 0.25, 0.75, ... between neighbours. */
    assert_resized(&image, 8, 1, TF2_FIT_STRETCH, (uint8_t[]){0, 25, 75, 125, 175, 210, 230, 240});
    /* A triangle 4 pixels wide, the edge pixel repeated: (0 + 3 * 0 + 3 * 100 + 200) / 8 = 62.5,
     * (100 + 3 * 200 + 3 * 240 + 240) / 8 = 207.5. */
    assert_resized(&image, 2, 1, TF2_FIT_STRETCH, (uint8_t[]){63, 208});
    image = make_image(row, 1, 4, 1);
    assert_resized(&image, 1, 2, TF2_FIT_STRETCH, (uint8_t[]){63, 208});
    assert_resized(&image, 2, 2, TF2_FIT_STRETCH, (uint8_t[]){63, 63, 208, 208});
    image = make_image(rgb, 2, 1, 3);
    assert_resized(
        &image, 4, 1, TF2_FIT_STRETCH, (uint8_t[]){0, 10, 20, 25, 35, 45, 75, 85, 95, 100, 110, 120});
    image = make_image(map, 4, 4, 1);
    assert_resized(&image, 4, 4, TF2_FIT_CENTER_CROP, map);
    /* The middle two rows, then columns. */
    assert_resized(&image, 4, 2, TF2_FIT_CENTER_CROP, (uint8_t[]){0, 0, 9, 9, 50, 50, 80, 80});
    assert_resized(&image, 2, 4, TF2_FIT_CENTER_CROP, (uint8_t[]){0, 9, 0, 9, 50, 80, 50, 80});
}

static void test_resize_extremes(void **state)
{
    static const int32_t sides[] = {1, 2, 3, 17, 300};
    uint8_t *pixels = malloc(300 * 300 * 3);
    struct tf2_image image, out;
    (void)state;
    memset(pixels, 201, 300 * 300 * 3);
    for (size_t i = 0; i < 5 * 5 * 5 * 5; i++) {
        image = make_image(pixels, sides[i % 5], sides[i / 5 % 5], 3);
        for (int fit = 0; fit < 2; fit++) {
            assert_int_equal(
                tf2_image_resize(&image, sides[i / 25 % 5], sides[i / 125], (enum tf2_fit)fit, &out, NULL),
                TF2_OK);
            for (int32_t k = 0; k < out.width * out.height * 3; k++)
                assert_int_equal(out.pixels[k], 201);
            tf2_image_finish(&out);
        }
    }
    image = make_image(pixels, 1, 1, 3);
    assert_int_equal(tf2_image_resize(&image, 16384, 1, TF2_FIT_STRETCH, &out, NULL), TF2_OK);
    tf2_image_finish(&out);
    assert_int_equal(tf2_image_resize(&image, 16385, 1, TF2_FIT_STRETCH, &out, NULL), TF2_ERR_VALUE);
    assert_int_equal(tf2_image_resize(&image, 0, 1, TF2_FIT_STRETCH, &out, NULL), TF2_ERR_INVALID_ARGUMENT);
    image.channels = 5;
    assert_int_equal(tf2_image_resize(&image, 1, 1, TF2_FIT_STRETCH, &out, NULL), TF2_ERR_INVALID_ARGUMENT);
    free(pixels);
}

static void test_to_tensor(void **state)
{
    uint8_t rgb[6] = {1, 2, 3, 4, 5, 6};
    struct tf2_image image = make_image(rgb, 2, 1, 3);
    struct tf2_preprocess p = {.channels = TF2_CHANNELS_BGR, .mean = {0.5f, 1, 2}, .scale = 2};
    float values[6];
    (void)state;
    tf2_image_to_tensor(&image, &p, values);
    assert_memory_equal(values, ((float[]){5, 11, 2, 8, -2, 4}), sizeof(values));
    p.channels = TF2_CHANNELS_RGB;
    p.scale = 0; /* means 1 */
    tf2_image_to_tensor(&image, &p, values);
    assert_memory_equal(values, ((float[]){0.5f, 3.5f, 1, 4, 1, 4}), sizeof(values));
    tf2_image_to_tensor(&image, NULL, values);
    assert_memory_equal(values, ((float[]){1, 4, 2, 5, 3, 6}), sizeof(values));
    image = make_image(rgb, 6, 1, 1);
    p.channels = TF2_CHANNELS_BGR; /* does not count for gray */
    tf2_image_to_tensor(&image, &p, values);
    assert_memory_equal(values, ((float[]){0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f}), sizeof(values));
}

/* ../shared, or where TF2_SHARED says; NULL and a word when it is not there. */
static const char *shared_dir(void)
{
    static char path[1024];
    const char *root = getenv("TF2_SOURCE_ROOT");
    const char *shared = getenv("TF2_SHARED");
    if (shared)
        snprintf(path, sizeof(path), "%s", shared);
    else
        snprintf(path, sizeof(path), "%s/../shared", root ? root : ".");
    if (access(path, R_OK) == 0)
        return path;
    print_message("no test data at %s\n", path);
    return NULL;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(size + 1);
    assert_int_equal(fread(text, 1, size, file), size);
    text[size] = 0;
    fclose(file);
    return text;
}

/* Width and height by images.json; false when it does not list the file. */
static bool known_size(const char *json, const char *name, int *width, int *height)
{
    char key[600];
    snprintf(key, sizeof(key), "\"%s\"", name);
    const char *at = strstr(json, key);
    const char *w = at ? strstr(at, "\"width\":") : NULL;
    const char *h = at ? strstr(at, "\"height\":") : NULL;
    if (!w || !h)
        return false;
    *width = atoi(w + strlen("\"width\":"));
    *height = atoi(h + strlen("\"height\":"));
    return true;
}

static int check_directory(const char *shared, const char *directory, const char *json, int side)
{
    char path[2048], name[512];
    int n = 0;
    snprintf(path, sizeof(path), "%s/images/%s", shared, directory);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct tf2_image image;
        struct tf2_error error;
        int width = side, height = side;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/images/%s/%s", shared, directory, entry->d_name);
        snprintf(name, sizeof(name), "%s/%s", directory, entry->d_name);
        if (tf2_image_load(path, 3, NULL, &image, &error) != TF2_OK)
            fail_msg("%s", error.message);
        if (side == 0)
            assert_true(known_size(json, name, &width, &height));
        assert_int_equal(image.width, width);
        assert_int_equal(image.height, height);
        tf2_image_finish(&image);
        n++;
    }
    closedir(dir);
    return n;
}

static void test_shared_sizes(void **state)
{
    char path[2048];
    const char *shared = shared_dir();
    (void)state;
    if (!shared)
        skip();
    snprintf(path, sizeof(path), "%s/images/images.json", shared);
    char *json = read_text(path);
    assert_int_equal(check_directory(shared, "calibration", json, 0), 24);
    assert_int_equal(check_directory(shared, "evaluation", json, 0), 25);
    assert_int_equal(check_directory(shared, "calibration_227", json, 227), 24);
    assert_int_equal(check_directory(shared, "evaluation_227", json, 227), 25);
    assert_int_equal(check_directory(shared, "verification_112", json, 112), 32);
    free(json);
}

/* stb_image's JPEG against libjpeg-turbo's decoding of the same file. */
static void compare_pair(const char *shared, const char *name)
{
    char path[2048];
    struct tf2_image jpeg, ppm;
    double sum = 0;
    int worst = 0;
    snprintf(path, sizeof(path), "%s/images/faces/%s.jpg", shared, name);
    assert_int_equal(tf2_image_load(path, 3, NULL, &jpeg, NULL), TF2_OK);
    snprintf(path, sizeof(path), "%s/images/faces_ppm/%s.ppm", shared, name);
    assert_int_equal(tf2_image_load(path, 3, NULL, &ppm, NULL), TF2_OK);
    assert_int_equal(jpeg.width, ppm.width);
    assert_int_equal(jpeg.height, ppm.height);
    int32_t n = ppm.width * ppm.height * 3;
    for (int32_t i = 0; i < n; i++) {
        int difference = abs(jpeg.pixels[i] - ppm.pixels[i]);
        worst = difference > worst ? difference : worst;
        sum += difference;
    }
    print_message("%s: mean difference %.3f, largest %d\n", name, sum / n, worst);
    assert_true(sum / n < 1.0);
    assert_true(worst <= 12);
    tf2_image_finish(&jpeg);
    tf2_image_finish(&ppm);
}

static void test_shared_jpeg_is_ppm(void **state)
{
    const char *shared = shared_dir();
    (void)state;
    if (!shared)
        skip();
    compare_pair(shared, "astronaut");
    compare_pair(shared, "group");
    compare_pair(shared, "street");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_bmp),
        cmocka_unit_test(test_ppm),
        cmocka_unit_test(test_broken_ppm),
        cmocka_unit_test(test_not_an_image),
        cmocka_unit_test(test_resize_by_hand),
        cmocka_unit_test(test_resize_extremes),
        cmocka_unit_test(test_to_tensor),
        cmocka_unit_test(test_shared_sizes),
        cmocka_unit_test(test_shared_jpeg_is_ppm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
