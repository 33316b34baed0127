/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/image.h: pictures and .npy files in and out.
 *
 * The functions have no state; different threads may use them at once.
 */
#ifndef TF2_IMAGE_H
#define TF2_IMAGE_H

#include <tf2/common.h>
#include <tf2/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 8-bit pixels, rows top to bottom, `channels` interleaved bytes each (1 gray, 3 RGB), no padding. */
struct tf2_image {
    struct tf2_env env; /* what `pixels` was allocated from */
    int32_t width;
    int32_t height;
    int32_t channels;
    uint8_t *pixels;
};

/*
 * Reads JPEG, PNG, BMP or binary PPM/PGM. channels: 1 or 3 converts, 0 keeps gray gray and makes all else RGB
 * (an alpha channel is dropped). TF2_ERR_IO, TF2_ERR_FORMAT. Release with tf2_image_finish.
 */
TF2_API enum tf2_status tf2_image_load(
    const char *path, int32_t channels, const struct tf2_env *env, struct tf2_image *image,
    struct tf2_error *error);
TF2_API enum tf2_status tf2_image_load_memory(
    const char *name, const void *data, size_t size_bytes, int32_t channels, const struct tf2_env *env,
    struct tf2_image *image, struct tf2_error *error);
/* Frees the pixels; a zeroed or finished struct is allowed. */
TF2_API void tf2_image_finish(struct tf2_image *image);

enum tf2_fit {
    TF2_FIT_STRETCH = 0,     /* the aspect ratio is not kept */
    TF2_FIT_CENTER_CROP = 1, /* scaled so that the shorter side fits, the middle is cut out */
};

/*
 * Resizes into a new image (stb_image_resize's triangle filter: bilinear, averaging when it shrinks; a crop
 * is rounded to whole pixels). TF2_ERR_UNSUPPORTED for extreme ratios, such as 16384 x 1 to 1 x 16384.
 * Release both images with tf2_image_finish.
 */
TF2_API enum tf2_status tf2_image_resize(
    const struct tf2_image *image, int32_t width, int32_t height, enum tf2_fit fit, struct tf2_image *resized,
    struct tf2_error *error);

/*
 * Whether an input (of a model or session) takes images of one or three channels: [N, C, H, W], or [N, H, W, C] where
 * its layout says so. Then *extents gets width, height and channels, and no pixels.
 */
TF2_API bool tf2_image_extents(const struct tf2_tensor_info *input, struct tf2_image *extents);

/*
 * Makes network input of one image: float32 numbers in the input's layout, by the rules of tf2_preprocess (NULL: pixels
 * as they are). `values` gets one item of the batch. TF2_ERR_SHAPE: the image has not the extents that the input wants.
 */
TF2_API enum tf2_status tf2_image_to_input(
    const struct tf2_image *image, const struct tf2_preprocess *preprocess, const struct tf2_tensor_info *input,
    float *values, struct tf2_error *error);

/*
 * The same in the order [C, H, W] whatever the input is: float32 for dense `values` of image->channels * height * width
 * numbers, by the rules of tf2_preprocess.
 */
TF2_API void
tf2_image_to_tensor(const struct tf2_image *image, const struct tf2_preprocess *preprocess, float *values);

/* A dense row-major array. */
struct tf2_array {
    struct tf2_env env; /* what `data` was allocated from */
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    void *data;
};

/*
 * Reads a NumPy .npy file, format 1.0 to 3.0, little-endian, C order, of float32, uint8, int8, int32 or
 * int64. Other types and orders are refused by name. Release with tf2_array_finish.
 */
TF2_API enum tf2_status tf2_npy_load(
    const char *path, const struct tf2_env *env, struct tf2_array *array, struct tf2_error *error);
TF2_API enum tf2_status tf2_npy_load_memory(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env, struct tf2_array *array,
    struct tf2_error *error);
/* Writes format 1.0. A file that cannot be written whole is removed. */
TF2_API enum tf2_status tf2_npy_save(
    const char *path, enum tf2_dtype dtype, const struct tf2_shape *shape, const void *data,
    struct tf2_error *error);
TF2_API void tf2_array_finish(struct tf2_array *array);

#ifdef __cplusplus
}
#endif

#endif
