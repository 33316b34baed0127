/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faces_draw.c: boxes, landmarks and names, drawn into the photo and written as a PNG (stb_image_write).
 *
 * Lines and letters grow with the photo. Letters are 3 x 5 dots; what is no letter, digit or one of a few
 * signs is drawn as a question mark.
 */
#define _POSIX_C_SOURCE 200809L
#include "faces.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#define GLYPH_WIDTH  3
#define GLYPH_HEIGHT 5
#define N_CHANNELS   3

struct colour {
    uint8_t rgb[N_CHANNELS];
};

static const struct colour known = {{64, 224, 64}}, unknown = {{255, 208, 0}}, landmark = {{255, 48, 48}},
                           paper = {{0, 0, 0}};

/* The five rows of a letter, an octal digit each. */
static const uint16_t digits[10] = {075557, 026227, 071747, 071717, 055711,
                                    074717, 074757, 071222, 075757, 075717};
static const uint16_t letters[26] = {025755, 065656, 034443, 065556, 074647, 074644, 034553, 055755, 072227,
                                     011152, 055655, 044447, 057755, 065555, 025552, 065644, 025563, 065655,
                                     034216, 072222, 055557, 055552, 055775, 055255, 055222, 071247};
static const struct {
    char sign;
    uint16_t rows;
} signs[] = {{' ', 0}, {'.', 2}, {'-', 0700}, {'_', 7}, {'(', 024442}, {')', 021112}, {'?', 071202}};

static uint16_t glyph_of(char c)
{
    size_t i = 0;
    if (c >= '0' && c <= '9')
        return digits[c - '0'];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return letters[(c | 32) - 'a'];
    while (signs[i].sign != c && signs[i].sign != '?')
        i++;
    return signs[i].rows;
}

/* Fills a rectangle, as far as it lies in the image. */
static void
fill(struct tf2_image *image, int64_t x, int64_t y, int64_t width, int64_t height, struct colour colour)
{
    int64_t left = x < 0 ? 0 : x, right = x + width > image->width ? image->width : x + width;
    int64_t top = y < 0 ? 0 : y, bottom = y + height > image->height ? image->height : y + height;
    for (int64_t v = top; v < bottom; v++) {
        for (int64_t u = left; u < right; u++)
            memcpy(image->pixels + (size_t)(v * image->width + u) * N_CHANNELS, colour.rgb, N_CHANNELS);
    }
}

static void draw_frame(
    struct tf2_image *image, int64_t x, int64_t y, int64_t width, int64_t height, int64_t line,
    struct colour colour)
{
    fill(image, x, y, width, line, colour);
    fill(image, x, y + height - line, width, line, colour);
    fill(image, x, y, line, height, colour);
    fill(image, x + width - line, y, line, height, colour);
}

static void
draw_glyph(struct tf2_image *image, int64_t x, int64_t y, int64_t dot, char c, struct colour colour)
{
    uint16_t rows = glyph_of(c);
    for (int v = 0; v < GLYPH_HEIGHT; v++) {
        for (int u = 0; u < GLYPH_WIDTH; u++) {
            if (rows >> ((GLYPH_HEIGHT - 1 - v) * GLYPH_WIDTH + GLYPH_WIDTH - 1 - u) & 1)
                fill(image, x + u * dot, y + v * dot, dot, dot, colour);
        }
    }
}

static bool begins_letter(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80; /* not one of the later bytes of UTF-8 */
}

/* Above the box, or in it when there is no room above. */
static void
draw_label(struct tf2_image *image, int64_t x, int64_t y, int64_t dot, const char *text, struct colour colour)
{
    int64_t height = (GLYPH_HEIGHT + 2) * dot, n = 0;
    for (const char *at = text; *at; at++)
        n += begins_letter(*at);
    if (y >= height)
        y -= height;
    if (x < 0)
        x = 0;
    fill(image, x, y, (n * (GLYPH_WIDTH + 1) + 1) * dot, height, paper);
    x += dot;
    for (const char *at = text; *at; at++) {
        if (!begins_letter(*at))
            continue;
        draw_glyph(image, x, y + dot, dot, *at, colour);
        x += (GLYPH_WIDTH + 1) * dot;
    }
}

static void draw_landmark(struct tf2_image *image, const struct face_point *at, int64_t around)
{
    fill(image, lrintf(at->x) - around, lrintf(at->y) - around, 2 * around + 1, 2 * around + 1, landmark);
}

static void draw_face(struct faces_result *r, size_t i, int64_t line, int64_t dot)
{
    const struct face *f = &r->list.faces[i];
    const char *name = r->matches[i];
    struct colour colour = r->compared && !name ? unknown : known;
    int64_t x = (int64_t)f->x1, y = (int64_t)f->y1;
    char label[256];
    draw_frame(&r->image, x, y, (int64_t)f->x2 - x + 1, (int64_t)f->y2 - y + 1, line, colour);
    for (size_t k = 0; k < FACE_N_LANDMARKS; k++)
        draw_landmark(&r->image, &f->landmarks[k], f->x2 - f->x1 < 40 ? 0 : line);
    if (!r->compared)
        snprintf(label, sizeof(label), "%.2f", (double)f->score);
    else
        snprintf(label, sizeof(label), "%.200s %.2f", name ? name : "?", r->similarities[i]);
    draw_label(&r->image, x, y < 0 ? 0 : y, dot, label, colour);
}

/* Of what is no ordinary file, such as a pipe, a failed write leaves what it is. */
static int write_failed(const char *path, int reason)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
        remove(path);
    return cli_fail("%s: picture cannot be written: %s", path, strerror(reason));
}

static int write_png(const struct tf2_image *image, const char *path)
{
    int n_bytes = 0;
    unsigned char *png = stbi_write_png_to_mem(
        image->pixels, image->width * image->channels, image->width, image->height, image->channels,
        &n_bytes);
    if (!png)
        return cli_fail("%s: out of memory: the picture as PNG", path);
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(png, 1, (size_t)n_bytes, file) == (size_t)n_bytes;
    int reason = errno;
    free(png);
    if (!file)
        return cli_fail("%s: picture cannot be written: %s", path, strerror(reason));
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    return written ? 0 : write_failed(path, reason);
}

int faces_draw(struct faces_result *r, const char *path)
{
    int64_t side = r->image.width < r->image.height ? r->image.width : r->image.height;
    for (size_t i = 0; i < r->list.n_faces; i++)
        draw_face(r, i, 1 + side / 400, 2 + side / 400);
    return write_png(&r->image, path);
}
