/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stb.h: the one door to stb_image (JPEG, PNG, BMP) and stb_image_resize.
 */
#ifndef TF2__API_STB_H
#define TF2__API_STB_H

#include "common/base.h"

#define TF2__IMAGE_MAX_SIDE   16384
#define TF2__IMAGE_MAX_PIXELS ((int64_t)1 << 27)

/* TF2_ERR_VALUE when an image of this size is not to be had. `name` stands for the file. */
enum tf2_status
tf2__image_check_size(const char *name, int64_t width, int64_t height, struct tf2_error *error);

/*
 * Decodes to `channels` (1 or 3; 0: 1 for gray, else 3) bytes a pixel, allocated from `env` and owned by the
 * caller. *channels becomes what was made. `kind` is the format's name for messages.
 */
enum tf2_status tf2__stb_decode(
    const char *name, const char *kind, const void *data, size_t size_bytes, const struct tf2_env *env,
    int32_t *channels, int32_t *width, int32_t *height, uint8_t **pixels, struct tf2_error *error);

/* Pixels, and how many bytes a row is from the next. */
struct tf2__stb_view {
    const uint8_t *pixels;
    int32_t width;
    int32_t height;
    int32_t stride_bytes;
};

/*
 * Resizes with the triangle filter, edge pixels repeated, into dense rows at `out`. The sizes have passed
 * tf2__image_check_size; 1 to 4 channels. TF2_ERR_UNSUPPORTED when the tables that stb_image_resize makes
 * pass what it counts in (2 GiB), TF2_ERR_NO_MEMORY; `out` is then as it was.
 */
enum tf2_status tf2__stb_resize(
    const struct tf2__stb_view *in, int32_t channels, int32_t width, int32_t height,
    const struct tf2_env *env, uint8_t *out, struct tf2_error *error);

#endif
