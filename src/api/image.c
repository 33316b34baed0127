/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c: pictures from files, resizing, and pixels to network input.
 *
 * Resizing is separable with the triangle filter: bilinear with half-pixel centres when it grows, the same
 * filter stretched over the source pixels of an output pixel when it shrinks (as Pillow's BILINEAR). Each
 * output row is first made of whole source rows, one multiply-add per byte, then filtered along the row; so
 * the memory needed beside the two images is one row and the two tables of weights, whatever the sizes.
 */
#include <tf2/image.h>

#include "api/pnm.h"
#include "api/scan.h"
#include "api/stb.h"
#include "common/file.h"

#include <math.h>

static enum tf2_status decode(
    const char *name, const unsigned char *data, size_t size_bytes, struct tf2_image *image,
    struct tf2_error *error)
{
    const char *kind = "BMP";
    switch (tf2__image_sniff(data, size_bytes)) {
    case TF2__IMAGE_NONE:
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%s: %s", name,
            size_bytes == 0 ? "the file is empty" : "not a JPEG, PNG, BMP or PPM image");
    case TF2__IMAGE_PNM:
        return tf2__pnm_decode(
            name, data, size_bytes, &image->env, &image->channels, &image->width, &image->height,
            &image->pixels, error);
    case TF2__IMAGE_JPEG:
        kind = "JPEG";
        TF2__TRY(tf2__jpeg_check(name, data, size_bytes, error));
        break;
    case TF2__IMAGE_PNG:
        kind = "PNG";
        TF2__TRY(tf2__png_check(name, data, size_bytes, error));
        break;
    case TF2__IMAGE_BMP:
        TF2__TRY(tf2__bmp_check(name, data, size_bytes, error));
        break;
    }
    return tf2__stb_decode(
        name, kind, data, size_bytes, &image->env, &image->channels, &image->width, &image->height,
        &image->pixels, error);
}

enum tf2_status tf2_image_load_memory(
    const char *name, const void *data, size_t size_bytes, int32_t channels, const struct tf2_env *env,
    struct tf2_image *image, struct tf2_error *error)
{
    struct tf2_image made = {.channels = channels};
    if (!name || (!data && size_bytes > 0) || !image)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "image: name, data and image are wanted, one is NULL");
    if (channels != 0 && channels != 1 && channels != 3)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "%s: %d channels asked for, wanted 0, 1 or 3", name, channels);
    if (size_bytes > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s: image file of %zu bytes, the limit is %d", name, size_bytes,
            INT32_MAX);
    tf2__env_copy(&made.env, env);
    TF2__TRY(decode(name, data, size_bytes, &made, error));
    *image = made;
    return TF2_OK;
}

enum tf2_status tf2_image_load(
    const char *path, int32_t channels, const struct tf2_env *env, struct tf2_image *image,
    struct tf2_error *error)
{
    struct tf2__file file;
    if (!path || !image)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "image: path and image are wanted, one is NULL");
    TF2__TRY(tf2__file_map(path, &file, error));
    enum tf2_status status =
        tf2_image_load_memory(path, file.data, file.size_bytes, channels, env, image, error);
    tf2__file_unmap(&file);
    return status;
}

void tf2_image_finish(struct tf2_image *image)
{
    if (!image)
        return;
    tf2__free(&image->env, image->pixels);
    memset(image, 0, sizeof(*image));
}

/* Which source pixels make an output pixel, along one axis: n_taps weights from first[o] on, sum 1. */
struct taps {
    int32_t n_taps;
    int32_t *first;
    float *weight;
};

static void taps_finish(struct taps *taps, const struct tf2_env *env)
{
    tf2__free(env, taps->first);
    tf2__free(env, taps->weight);
}

/* Output pixel o of n_out, each `step` source pixels wide, the first at `begin`. Weights behind the last are
 * 0, and first[o] + n_taps never passes n_in. */
static void
taps_fill_one(const struct taps *taps, int32_t o, int32_t n_in, double begin, double step, double support)
{
    float *weight = taps->weight + (size_t)o * (size_t)taps->n_taps;
    double center = begin + (o + 0.5) * step;
    int32_t first = (int32_t)floor(center - support + 0.5);
    double sum = 0;
    first = TF2__MAX(0, TF2__MIN(first, n_in - taps->n_taps));
    for (int32_t t = 0; t < taps->n_taps; t++) {
        double w = 1 - fabs(first + t + 0.5 - center) / support;
        weight[t] = w > 0 ? (float)w : 0;
        sum += weight[t];
    }
    for (int32_t t = 0; t < taps->n_taps; t++)
        weight[t] = (float)(weight[t] / sum);
    taps->first[o] = first;
}

static bool taps_init(
    struct taps *taps, const struct tf2_env *env, int32_t n_in, double begin, double extent, int32_t n_out)
{
    double step = extent / n_out;
    double support = step > 1 ? step : 1;
    double width = ceil(2 * support) + 1;
    taps->n_taps = width < n_in ? (int32_t)width : n_in;
    taps->first = tf2__calloc(env, (size_t)n_out, sizeof(int32_t));
    taps->weight = tf2__calloc(env, (size_t)n_out * (size_t)taps->n_taps, sizeof(float));
    if (!taps->first || !taps->weight)
        return false;
    for (int32_t o = 0; o < n_out; o++)
        taps_fill_one(taps, o, n_in, begin, step, support);
    return true;
}

/* Mixes source rows into one row of floats. */
static void mix_rows(const struct tf2_image *image, const struct taps *rows, int32_t y, float *row)
{
    size_t n = (size_t)image->width * (size_t)image->channels;
    const float *weight = rows->weight + (size_t)y * (size_t)rows->n_taps;
    memset(row, 0, n * sizeof(float));
    for (int32_t t = 0; t < rows->n_taps; t++) {
        const uint8_t *in = image->pixels + (size_t)(rows->first[y] + t) * n;
        float w = weight[t];
        if (w == 0)
            continue;
        for (size_t i = 0; i < n; i++)
            row[i] += w * in[i];
    }
}

static void
filter_row(const float *row, const struct taps *columns, int32_t width, int32_t channels, uint8_t *out)
{
    for (int32_t x = 0; x < width; x++) {
        const float *weight = columns->weight + (size_t)x * (size_t)columns->n_taps;
        const float *in = row + (size_t)columns->first[x] * (size_t)channels;
        for (int32_t c = 0; c < channels; c++) {
            float sum = 0.5f;
            for (int32_t t = 0; t < columns->n_taps; t++)
                sum += weight[t] * in[t * channels + c];
            out[x * channels + c] = (uint8_t)(sum < 255 ? sum : 255);
        }
    }
}

struct box {
    double x, y, width, height;
};

/* The part of the source that is shown: all, or the largest of the output's aspect ratio, from the middle. */
static struct box source_box(const struct tf2_image *image, int32_t width, int32_t height, enum tf2_fit fit)
{
    struct box box = {0, 0, image->width, image->height};
    if (fit == TF2_FIT_CENTER_CROP) {
        double scale = fmin((double)image->width / width, (double)image->height / height);
        box.width = fmin(width * scale, image->width);
        box.height = fmin(height * scale, image->height);
        box.x = (image->width - box.width) / 2;
        box.y = (image->height - box.height) / 2;
    }
    return box;
}

static enum tf2_status resize_into(
    const struct tf2_image *image, const struct box *box, struct tf2_image *out, struct tf2_error *error)
{
    const struct tf2_env *env = &out->env;
    struct taps rows = {0}, columns = {0};
    enum tf2_status status = TF2_OK;
    size_t n = (size_t)image->width * (size_t)image->channels;
    size_t n_out = (size_t)out->width * (size_t)out->channels;
    float *row = tf2__calloc(env, n, sizeof(float));
    out->pixels = tf2__alloc(env, n_out * (size_t)out->height);
    if (!row || !out->pixels || !taps_init(&rows, env, image->height, box->y, box->height, out->height) ||
        !taps_init(&columns, env, image->width, box->x, box->width, out->width)) {
        tf2__free(env, out->pixels);
        status = tf2__fail(
            error, TF2_ERR_NO_MEMORY, "out of memory: resizing an image to %d x %d", out->width, out->height);
        goto done;
    }
    for (int32_t y = 0; y < out->height; y++) {
        mix_rows(image, &rows, y, row);
        filter_row(row, &columns, out->width, out->channels, out->pixels + (size_t)y * n_out);
    }
done:
    tf2__free(env, row);
    taps_finish(&rows, env);
    taps_finish(&columns, env);
    return status;
}

enum tf2_status tf2_image_resize(
    const struct tf2_image *image, int32_t width, int32_t height, enum tf2_fit fit, struct tf2_image *resized,
    struct tf2_error *error)
{
    if (!image || !image->pixels || image->channels < 1 || image->channels > 4 || !resized ||
        (fit != TF2_FIT_STRETCH && fit != TF2_FIT_CENTER_CROP))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "resize: wanted an image of 1 to 4 channels and a fit");
    TF2__TRY(tf2__image_check_size("resize", image->width, image->height, error));
    if (width < 1 || height < 1)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "resize: to %d x %d pixels", width, height);
    TF2__TRY(tf2__image_check_size("resize", width, height, error));
    struct tf2_image out = {.width = width, .height = height, .channels = image->channels};
    struct box box = source_box(image, width, height, fit);
    tf2__env_copy(&out.env, &image->env);
    TF2__TRY(resize_into(image, &box, &out, error));
    *resized = out;
    return TF2_OK;
}

static void plane_to_tensor(const uint8_t *in, size_t stride, size_t n, float mean, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (in[i * stride] - mean) * scale;
}

/* The usual case, in one pass over the pixels */
static void rgb_to_tensor(const uint8_t *in, bool bgr, size_t n, const float *mean, float scale, float *out)
{
    float *first = out, *second = out + n, *third = out + 2 * n;
    size_t from_first = bgr ? 2 : 0, from_third = 2 - from_first;
    float mean0 = mean[0], mean1 = mean[1], mean2 = mean[2];
    for (size_t i = 0; i < n; i++) {
        first[i] = (in[3 * i + from_first] - mean0) * scale;
        second[i] = (in[3 * i + 1] - mean1) * scale;
        third[i] = (in[3 * i + from_third] - mean2) * scale;
    }
}

void tf2_image_to_tensor(
    const struct tf2_image *image, const struct tf2_preprocess *preprocess, float *values)
{
    static const struct tf2_preprocess none = {0};
    const struct tf2_preprocess *p = preprocess ? preprocess : &none;
    size_t n = (size_t)image->width * (size_t)image->height;
    float scale = p->scale == 0 ? 1 : p->scale;
    if (image->channels == 3) {
        rgb_to_tensor(image->pixels, p->channels == TF2_CHANNELS_BGR, n, p->mean, scale, values);
        return;
    }
    for (int32_t c = 0; c < image->channels; c++)
        plane_to_tensor(
            image->pixels + c, (size_t)image->channels, n, p->mean[c & 3], scale, values + (size_t)c * n);
}
