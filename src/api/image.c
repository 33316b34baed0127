/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c: pictures from files, resizing, and pixels to network input.
 *
 * Decoding and resizing are stb's (stb.c). Resizing uses the triangle filter, also with fractions of pixels
 * at the edges of a centre crop: bilinear with half-pixel centres when it grows, the same filter stretched
 * over the source pixels of an output pixel when it shrinks.
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

/* The part of the source that is shown: all, or the largest of the output's aspect ratio, to the nearest
 * pixel, from the middle. */
static struct tf2__stb_view
source_view(const struct tf2_image *image, int32_t width, int32_t height, enum tf2_fit fit)
{
    struct tf2__stb_view view = {
        .pixels = image->pixels,
        .width = image->width,
        .height = image->height,
        .stride_bytes = image->width * image->channels,
    };
    if (fit == TF2_FIT_CENTER_CROP) {
        double scale = fmin((double)image->width / width, (double)image->height / height);
        view.width = (int32_t)fmin(fmax(1, round(width * scale)), image->width);
        view.height = (int32_t)fmin(fmax(1, round(height * scale)), image->height);
        view.pixels += (size_t)((image->height - view.height) / 2) * (size_t)view.stride_bytes;
        view.pixels += (size_t)((image->width - view.width) / 2) * (size_t)image->channels;
    }
    return view;
}

static enum tf2_status
resize_into(const struct tf2_image *image, enum tf2_fit fit, struct tf2_image *out, struct tf2_error *error)
{
    struct tf2__stb_view view = source_view(image, out->width, out->height, fit);
    size_t size_bytes = (size_t)out->width * (size_t)out->height * (size_t)out->channels;
    out->pixels = tf2__alloc(&out->env, size_bytes);
    if (!out->pixels)
        return tf2__fail_memory(error, size_bytes, "a resized image");
    enum tf2_status status =
        tf2__stb_resize(&view, out->channels, out->width, out->height, &out->env, out->pixels, error);
    if (status != TF2_OK)
        tf2__free(&out->env, out->pixels);
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
    tf2__env_copy(&out.env, &image->env);
    TF2__TRY(resize_into(image, fit, &out, error));
    *resized = out;
    return TF2_OK;
}

static void plane_to_tensor(const uint8_t *in, size_t stride, size_t n, float mean, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (in[i * stride] - mean) * scale;
}

bool tf2_image_extents(const struct tf2_tensor_info *input, struct tf2_image *extents)
{
    if (!input || !extents || input->shape.n_dims != 4)
        return false;
    const int64_t *dim = input->shape.dim;
    bool last = input->layout == TF2_LAYOUT_NHWC;
    const int64_t channels = last ? dim[3] : dim[1];
    if (channels != 1 && channels != 3)
        return false;
    *extents = (struct tf2_image){
        .channels = (int32_t)channels,
        .height = (int32_t)(last ? dim[1] : dim[2]),
        .width = (int32_t)(last ? dim[2] : dim[3])};
    return true;
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

/* Channels stay interleaved; those of the image in the network's order. */
static void interleaved_to_input(const struct tf2_image *image, const struct tf2_preprocess *p, float *values)
{
    const size_t n = (size_t)image->width * (size_t)image->height, n_channels = (size_t)image->channels;
    const bool reversed = n_channels == 3 && p->channels == TF2_CHANNELS_BGR;
    const float scale = p->scale == 0 ? 1 : p->scale;
    for (size_t c = 0; c < n_channels; c++) {
        const uint8_t *in = image->pixels + (reversed ? n_channels - 1 - c : c);
        const float mean = p->mean[c & 3];
        for (size_t i = 0; i < n; i++)
            values[i * n_channels + c] = (in[i * n_channels] - mean) * scale;
    }
}

enum tf2_status tf2_image_to_input(
    const struct tf2_image *image, const struct tf2_preprocess *preprocess, const struct tf2_tensor_info *input,
    float *values, struct tf2_error *error)
{
    static const struct tf2_preprocess none = {0};
    struct tf2_image wanted;
    char text[128];
    if (!image || !image->pixels || !input || !values)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "image to input: wanted image, input and values, one is NULL");
    if (!tf2_image_extents(input, &wanted) || wanted.channels != image->channels ||
        wanted.height != image->height || wanted.width != image->width)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "an image of %d x %d pixels, %d channels is no input '%s' of shape %s",
            image->width, image->height, image->channels, input->name ? input->name : "",
            tf2_shape_format(&input->shape, text, sizeof(text)));
    if (input->layout == TF2_LAYOUT_NHWC)
        interleaved_to_input(image, preprocess ? preprocess : &none, values);
    else
        tf2_image_to_tensor(image, preprocess, values);
    return TF2_OK;
}
