/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_image_resize.c: resized pixels against the definition of the filter, and sizes at which the tables of
 * stb_image_resize pass what an int counts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tf2/image.h>

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static struct tf2_image make_image(uint8_t *pixels, int32_t width, int32_t height, int32_t channels)
{
    struct tf2_image image = {.width = width, .height = height, .channels = channels, .pixels = pixels};
    tf2_env_defaults(&image.env);
    return image;
}

/* ---- against the definition ---- */

/* The triangle of half-width max(1, step) around the centre of output pixel `o`, over all source pixels,
 * those beyond the edge being the edge's. Adds to weight[n_in]. */
static void triangle(int32_t n_in, int32_t n_out, int32_t o, double *weight)
{
    double step = (double)n_in / n_out, reach = fmax(1, step), center = (o + 0.5) * step, sum = 0;
    for (int i = (int)floor(center - reach) - 1; i <= (int)ceil(center + reach) + 1; i++) {
        double w = fmax(0, 1 - fabs(i + 0.5 - center) / reach);
        weight[i < 0 ? 0 : i >= n_in ? n_in - 1 : i] += w;
        sum += w;
    }
    for (int i = 0; i < n_in; i++)
        weight[i] /= sum;
}

static double by_definition(
    const struct tf2_image *in, const struct tf2_image *out, enum tf2_fit fit, int32_t x, int32_t y,
    int32_t c)
{
    double columns[256], rows[256], sum = 0, width = in->width, height = in->height;
    if (fit == TF2_FIT_CENTER_CROP) {
        double step = fmin(width / out->width, height / out->height);
        width = fmax(1, round(step * out->width));
        height = fmax(1, round(step * out->height));
    }
    int left = (in->width - (int)width) / 2, top = (in->height - (int)height) / 2;
    memset(columns, 0, sizeof(columns));
    memset(rows, 0, sizeof(rows));
    triangle((int32_t)width, out->width, x, columns + left);
    triangle((int32_t)height, out->height, y, rows + top);
    for (int32_t i = 0; i < in->height; i++)
        for (int32_t k = 0; k < in->width; k++)
            sum += rows[i] * columns[k] * in->pixels[(i * in->width + k) * in->channels + c];
    return sum;
}

/* A quarter of the pixels are 0, a quarter 255: a weight at a wrong place shows. */
static void check_random(uint32_t seed)
{
    uint32_t random = seed;
    int32_t side[4], channels = 1 + (int32_t)(next_random(&random) % 4);
    enum tf2_fit fit = (enum tf2_fit)(next_random(&random) % 2);
    struct tf2_image out;
    for (int i = 0; i < 4; i++)
        side[i] = 1 + (int32_t)(next_random(&random) % (next_random(&random) % 4 ? 24 : 200));
    size_t n = (size_t)side[0] * (size_t)side[1] * (size_t)channels;
    uint8_t *pixels = malloc(n);
    for (size_t i = 0; i < n; i++) {
        uint32_t kind = next_random(&random) % 4;
        pixels[i] = (uint8_t)(kind == 0 ? 0 : kind == 1 ? 255 : next_random(&random));
    }
    struct tf2_image in = make_image(pixels, side[0], side[1], channels);
    assert_int_equal(tf2_image_resize(&in, side[2], side[3], fit, &out, NULL), TF2_OK);
    for (int k = 0; k < 40; k++) {
        int32_t x = (int32_t)next_random(&random) % out.width, y = (int32_t)next_random(&random) % out.height;
        int32_t c = (int32_t)next_random(&random) % channels;
        double wanted = by_definition(&in, &out, fit, x, y, c);
        int found = out.pixels[(y * out.width + x) * channels + c];
        if (fabs(found - wanted) > 0.6)
            fail_msg(
                "seed %u: %dx%d to %dx%d, fit %d: pixel %d, %d is %d, wanted %.2f", seed, side[0], side[1],
                side[2], side[3], (int)fit, x, y, found, wanted);
    }
    tf2_image_finish(&out);
    free(pixels);
}

static void test_definition(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 1500; seed++)
        check_random(seed);
}

/* ---- sizes ---- */

/* Answers the first request with a block that nobody may touch, notes the second and refuses it. */
struct refuser {
    size_t asked_bytes;
    int n_calls;
    int n_released;
    unsigned char block[64];
};

static void *refuse_alloc(void *user, size_t size, size_t alignment)
{
    struct refuser *r = user;
    (void)alignment;
    if (r->n_calls++ == 0)
        return r->block;
    r->asked_bytes = size;
    return NULL;
}

static void refuse_release(void *user, void *ptr)
{
    struct refuser *r = user;
    assert_ptr_equal(ptr, r->block);
    r->n_released++;
}

/* Of one axis, by the formulas of the header without their overflows: source pixels per output pixel, and
 * bytes of ranges (8 for each) and weights (2 floats for each). */
static void axis_numbers(int64_t n_in, int64_t n_out, int64_t *width, int64_t *margin, int64_t *bytes)
{
    float scale = (float)((double)n_out / (double)n_in);
    *width = scale > 1 ? 2 : (int64_t)ceil(2 / scale);
    *margin = *width / 2;
    *bytes = (scale > 1 ? n_out : n_in + 2 * *margin) * (8 + 2 * 4);
}

static int64_t table_bytes(int64_t w, int64_t h, int64_t w_out, int64_t h_out, int64_t channels)
{
    int64_t width, height, margin_x, margin_y, bytes_x, bytes_y;
    axis_numbers(w, w_out, &width, &margin_x, &bytes_x);
    axis_numbers(h, h_out, &height, &margin_y, &bytes_y);
    int64_t floats = (w + 2 * margin_x) + w_out + w_out * (height + 1);
    return bytes_x + bytes_y + floats * channels * 4;
}

/* Returns true when the request was refused for its size. */
static bool check_sizes(const int32_t *side, int32_t channels, enum tf2_fit fit)
{
    struct refuser refuser = {0};
    uint8_t nothing = 0;
    struct tf2_image out = {0}, image = make_image(&nothing, side[0], side[1], channels);
    struct tf2_error error;
    image.env.allocator.alloc = refuse_alloc;
    image.env.allocator.release = refuse_release;
    image.env.allocator.user = &refuser;
    enum tf2_status status = tf2_image_resize(&image, side[2], side[3], fit, &out, &error);
    int64_t needed = table_bytes(side[0], side[1], side[2], side[3], channels);
    assert_null(out.pixels);
    assert_int_equal(refuser.n_released, 1);
    if (status == TF2_ERR_UNSUPPORTED) {
        assert_non_null(strstr(error.message, "resize in two steps"));
        assert_int_equal(refuser.n_calls, 1);
        if (fit == TF2_FIT_STRETCH) /* a little early, as the sum is made from above; not much */
            assert_true(needed > INT32_MAX / 2);
        return true;
    }
    assert_int_equal(status, TF2_ERR_NO_MEMORY);
    assert_non_null(strstr(error.message, "out of memory"));
    assert_int_equal(refuser.n_calls, 2);
    assert_true(refuser.asked_bytes <= INT32_MAX);
    if (fit == TF2_FIT_STRETCH)
        assert_int_equal(refuser.asked_bytes, needed);
    return false;
}

static void test_extreme_sizes(void **state)
{
    static const int32_t sides[] = {1, 2, 3, 100, 341, 4095, 4096, 5461, 8191, 8192, 8193, 16383, 16384};
    const size_t n = sizeof(sides) / sizeof(sides[0]);
    const int64_t max_pixels = (int64_t)1 << 27;
    int n_refused = 0, n_asked = 0;
    (void)state;
    for (size_t i = 0; i < n * n * n * n; i++) {
        int32_t side[4] = {sides[i % n], sides[i / n % n], sides[i / n / n % n], sides[i / n / n / n]};
        if ((int64_t)side[0] * side[1] > max_pixels || (int64_t)side[2] * side[3] > max_pixels)
            continue;
        for (int32_t channels = 1; channels <= 4; channels++) {
            for (int fit = 0; fit < 2; fit++) {
                bool refused = check_sizes(side, channels, (enum tf2_fit)fit);
                n_refused += refused;
                n_asked += !refused;
            }
        }
    }
    assert_true(n_refused > 100);
    assert_true(n_asked > 100);
    print_message("%d size combinations refused, %d not\n", n_refused, n_asked);
}

/* Resizes a picture of one value, and looks whether it is still one. */
static void check_even(int32_t w, int32_t h, int32_t w_out, int32_t h_out, int32_t channels, enum tf2_fit fit)
{
    size_t n = (size_t)w * (size_t)h * (size_t)channels;
    uint8_t *pixels = malloc(n);
    struct tf2_image out, image = make_image(pixels, w, h, channels);
    memset(pixels, 201, n);
    assert_int_equal(tf2_image_resize(&image, w_out, h_out, fit, &out, NULL), TF2_OK);
    for (size_t i = 0; i < (size_t)w_out * (size_t)h_out * (size_t)channels; i++)
        if (out.pixels[i] != 201)
            fail_msg(
                "%dx%d to %dx%d, fit %d: byte %zu is %d", w, h, w_out, h_out, (int)fit, i, out.pixels[i]);
    tf2_image_finish(&out);
    free(pixels);
}

static void test_extreme_pictures(void **state)
{
    static const int32_t sizes[][4] = {
        {16384, 1, 1, 16384}, {1, 16384, 4000, 1},  {16384, 1, 1, 1},     {1, 16384, 1, 1},
        {1, 1, 16384, 16},    {16384, 3, 3, 5},     {3, 16384, 5, 3},     {16384, 1, 5, 7},
        {1, 1, 1, 16384},     {16383, 2, 16384, 3}, {2, 16383, 3, 16384}, {16384, 2, 8191, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int fit = 0; fit < 2; fit++)
            check_even(
                sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], 1 + (int32_t)i % 4, (enum tf2_fit)fit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_extreme_sizes),
        cmocka_unit_test(test_extreme_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
