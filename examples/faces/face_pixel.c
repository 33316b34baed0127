/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_pixel.c: regions of a photo as network input, and faces turned upright.
 *
 * Resizing is bilinear with pixel centres at halves and no averaging, in the integers that OpenCV documents
 * in its source for INTER_LINEAR on 8-bit pixels: weights of 11 bits, a row is mixed first, two rows then
 * with 4 and 16 bits shifted out, rounded at the end.
 *
 * Alignment is the least-squares similarity transform of Umeyama (1991, "Least-squares estimation of
 * transformation parameters between two point patterns"), which in two dimensions and without reflection is a
 * closed formula. The places of the landmarks are those of the published 112 x 112 recognition networks
 * (ArcFace); 112 x 96 ones use the same, eight pixels to the left.
 */
#include "face_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_BITS 11
#define WEIGHT_ONE  (1 << WEIGHT_BITS)
#define N_CHANNELS  3

/* A place between two pixels of a row or column: their indices in the photo, and weights. A pixel outside the
 * photo has the weight 0. */
struct tap {
    int32_t at[2];
    int32_t weight[2];
};

static void make_tap(struct tap *tap, double place, int32_t length, int32_t begin, int32_t photo_length)
{
    double whole = floor(place);
    int32_t first = (int32_t)whole;
    double part = place - whole;
    if (first < 0 || first >= length - 1) {
        first = first < 0 ? 0 : length - 1;
        part = 0;
    }
    tap->weight[0] = (int32_t)lrint((1 - part) * WEIGHT_ONE);
    tap->weight[1] = (int32_t)lrint(part * WEIGHT_ONE);
    for (int k = 0; k < 2; k++) {
        tap->at[k] = begin + first + k;
        if (tap->at[k] < 0 || tap->at[k] >= photo_length) {
            tap->at[k] = 0;
            tap->weight[k] = 0;
        }
    }
}

/* n places evenly over `length` pixels that begin at `begin` of the photo. */
static struct tap *make_taps(int32_t n, int32_t length, int32_t begin, int32_t photo_length)
{
    struct tap *taps = malloc((size_t)n * sizeof(*taps));
    double step = (double)length / n;
    for (int32_t i = 0; taps && i < n; i++)
        make_tap(&taps[i], (float)((i + 0.5) * step - 0.5), length, begin, photo_length);
    return taps;
}

/* One row of the photo at the places of `taps`. */
static void mix_row(const struct tf2_image *image, int32_t y, const struct tap *taps, int32_t n, int32_t *row)
{
    const uint8_t *pixels = image->pixels + (size_t)y * (size_t)image->width * N_CHANNELS;
    for (int32_t i = 0; i < n; i++) {
        const uint8_t *a = pixels + (size_t)taps[i].at[0] * N_CHANNELS;
        const uint8_t *b = pixels + (size_t)taps[i].at[1] * N_CHANNELS;
        for (int c = 0; c < N_CHANNELS; c++)
            row[i * N_CHANNELS + c] = a[c] * taps[i].weight[0] + b[c] * taps[i].weight[1];
    }
}

/* What a value of each channel becomes, by the network's order of channels: a table for 8-bit pixels. */
struct levels {
    float value[N_CHANNELS][256];
    size_t offset[N_CHANNELS];
};

static void make_levels(struct levels *l, const struct face_pixels *p, const struct face_strides *strides)
{
    for (size_t c = 0; c < N_CHANNELS; c++) {
        size_t to = p->channels == TF2_CHANNELS_BGR ? N_CHANNELS - 1 - c : c;
        l->offset[c] = to * strides->channel;
        for (int v = 0; v < 256; v++)
            l->value[c][v] = ((float)v - p->mean[to]) * p->scale[to];
    }
}

static void mix_rows(
    const int32_t *const rows[2], const struct tap *tap, int32_t n, const struct levels *l, size_t step,
    float *out)
{
    for (int32_t i = 0; i < n; i++) {
        for (int c = 0; c < N_CHANNELS; c++) {
            int32_t k = i * N_CHANNELS + c;
            int32_t mixed =
                ((tap->weight[0] * (rows[0][k] >> 4)) >> 16) + ((tap->weight[1] * (rows[1][k] >> 4)) >> 16);
            out[(size_t)i * step + l->offset[c]] = l->value[c][(mixed + 2) >> 2];
        }
    }
}

struct resizer {
    struct tap *columns, *lines;
    int32_t *rows; /* two of them */
    struct levels levels;
};

static void resize(
    const struct resizer *r, const struct tf2_image *image, int32_t width, int32_t height,
    const struct face_strides *strides, float *values)
{
    int32_t *rows[2] = {r->rows, r->rows + (size_t)width * N_CHANNELS};
    int32_t in_row[2] = {-1, -1};
    for (int32_t y = 0; y < height; y++) {
        const struct tap *tap = &r->lines[y];
        for (int k = 0; k < 2; k++) {
            if (in_row[k] == tap->at[k])
                continue;
            if (k == 0 && in_row[1] == tap->at[0]) {
                int32_t *swap = rows[0];
                rows[0] = rows[1];
                rows[1] = swap;
                in_row[1] = in_row[0];
            } else {
                mix_row(image, tap->at[k], r->columns, width, rows[k]);
            }
            in_row[k] = tap->at[k];
        }
        mix_rows(
            (const int32_t *const[2]){rows[0], rows[1]}, tap, width, &r->levels, strides->column,
            values + (size_t)y * strides->row);
    }
}

bool face_fill(
    const struct tf2_image *image, const struct face_region *region, int32_t width, int32_t height,
    const struct face_pixels *pixels, const struct face_strides *strides, float *values)
{
    struct resizer *r = malloc(sizeof(*r));
    if (!r)
        return false;
    r->columns = make_taps(width, region->width, region->x, image->width);
    r->lines = make_taps(height, region->height, region->y, image->height);
    r->rows = malloc(2 * (size_t)width * N_CHANNELS * sizeof(*r->rows));
    bool good = r->columns && r->lines && r->rows;
    if (good) {
        make_levels(&r->levels, pixels, strides);
        resize(r, image, width, height, strides, values);
    }
    free(r->rows);
    free(r->lines);
    free(r->columns);
    free(r);
    return good;
}

void face_fill_plain(
    const struct tf2_image *image, const struct face_pixels *pixels, const struct face_strides *strides,
    float *values)
{
    struct levels levels;
    const uint8_t *from = image->pixels;
    make_levels(&levels, pixels, strides);
    for (int32_t y = 0; y < image->height; y++) {
        float *row = values + (size_t)y * strides->row;
        for (int32_t x = 0; x < image->width; x++, from += N_CHANNELS) {
            for (int c = 0; c < N_CHANNELS; c++)
                row[(size_t)x * strides->column + levels.offset[c]] = levels.value[c][from[c]];
        }
    }
}

/* x' = a x - b y + x0, y' = b x + a y + y0 */
struct similarity {
    double a, b, x0, y0;
};

/* Where landmarks belong in a picture of 112 x 112. */
static const struct face_point places[FACE_N_LANDMARKS] = {
    {38.2946f, 51.6963f},
    {73.5318f, 51.5014f},
    {56.0252f, 71.7366f},
    {41.5493f, 92.3655f},
    {70.7299f, 92.2041f}};
#define PLACES_SIZE 112.0

/* From the photo to a picture of width x height, which is as high as the places' picture is and narrower or
 * wider on both sides. */
static bool
find_similarity(const struct face_point *from, int32_t width, int32_t height, struct similarity *s)
{
    double zoom = height / PLACES_SIZE, margin = (width - height) / 2.0;
    double fx = 0, fy = 0, tx = 0, ty = 0, dot = 0, cross = 0, square = 0;
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++) {
        fx += from[i].x / (double)FACE_N_LANDMARKS;
        fy += from[i].y / (double)FACE_N_LANDMARKS;
        tx += (places[i].x * zoom + margin) / FACE_N_LANDMARKS;
        ty += places[i].y * zoom / FACE_N_LANDMARKS;
    }
    for (size_t i = 0; i < FACE_N_LANDMARKS; i++) {
        double x = from[i].x - fx, y = from[i].y - fy;
        double u = places[i].x * zoom + margin - tx, v = places[i].y * zoom - ty;
        dot += x * u + y * v;
        cross += x * v - y * u;
        square += x * x + y * y;
    }
    s->a = dot / square;
    s->b = cross / square;
    s->x0 = tx - s->a * fx + s->b * fy;
    s->y0 = ty - s->b * fx - s->a * fy;
    return isfinite(s->x0) && isfinite(s->y0) && s->a * s->a + s->b * s->b > 1e-12;
}

static double pixel_or_black(const struct tf2_image *image, double x, double y, int channel)
{
    if (x < 0 || y < 0 || x >= image->width || y >= image->height)
        return 0;
    return image->pixels[((size_t)y * (size_t)image->width + (size_t)x) * N_CHANNELS + (size_t)channel];
}

static void sample(const struct tf2_image *image, double x, double y, uint8_t *out)
{
    double left = floor(x), top = floor(y), right = x - left, down = y - top;
    for (int c = 0; c < N_CHANNELS; c++) {
        double above = (1 - right) * pixel_or_black(image, left, top, c) +
                       right * pixel_or_black(image, left + 1, top, c);
        double below = (1 - right) * pixel_or_black(image, left, top + 1, c) +
                       right * pixel_or_black(image, left + 1, top + 1, c);
        out[c] = (uint8_t)((1 - down) * above + down * below + 0.5);
    }
}

enum tf2_status face_align(
    const struct tf2_image *image, const struct face_point landmarks[FACE_N_LANDMARKS], int32_t width,
    int32_t height, struct tf2_image *aligned, struct tf2_error *error)
{
    struct similarity s;
    if (image->channels != N_CHANNELS || width < 1 || height < 1 || width > 4096 || height > 4096)
        return face_fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "align: wanted an RGB image, and 1 to 4096 pixels a side of the result");
    if (!find_similarity(landmarks, width, height, &s))
        return face_fail(error, TF2_ERR_VALUE, "align: the landmarks of the face are all at one place");
    struct tf2_image out = {.width = width, .height = height, .channels = N_CHANNELS};
    tf2_env_defaults(&out.env);
    size_t size_bytes = (size_t)width * (size_t)height * N_CHANNELS;
    out.pixels = out.env.allocator.alloc(out.env.allocator.user, size_bytes, sizeof(max_align_t));
    if (!out.pixels)
        return face_fail(error, TF2_ERR_NO_MEMORY, "out of memory: an aligned face of %zu bytes", size_bytes);
    double square = s.a * s.a + s.b * s.b;
    for (int32_t v = 0; v < height; v++) {
        for (int32_t u = 0; u < width; u++) {
            double x = u - s.x0, y = v - s.y0;
            sample(
                image, (s.a * x + s.b * y) / square, (s.a * y - s.b * x) / square,
                out.pixels + ((size_t)v * (size_t)width + (size_t)u) * N_CHANNELS);
        }
    }
    *aligned = out;
    return TF2_OK;
}
