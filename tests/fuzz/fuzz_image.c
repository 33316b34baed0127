/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_image.c: the input is a picture. It is decoded to as many channels as it has, to one and to three,
 * made smaller, and made to numbers.
 */
#include "fuzz.h"

#include <stdlib.h>

#define SIDE 9

static void use(const struct tf2_image *image)
{
    float values[4 * SIDE * SIDE];
    struct tf2_image small = {0};
    struct tf2_error error = {0};
    for (int fit = TF2_FIT_STRETCH; fit <= TF2_FIT_CENTER_CROP; fit++) {
        enum tf2_status status = tf2_image_resize(image, SIDE, SIDE, (enum tf2_fit)fit, &small, &error);
        fuzz_check_error(status, &error);
        if (status != TF2_OK)
            continue;
        tf2_image_to_tensor(&small, NULL, values);
        tf2_image_finish(&small);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const int32_t channels[] = {0, 1, 3};
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        struct fuzz_memory memory = {0};
        struct tf2_env env = fuzz_env(&memory);
        struct tf2_image image = {0};
        struct tf2_error error = {0};
        enum tf2_status status =
            tf2_image_load_memory("fuzz", data, size_bytes, channels[i], &env, &image, &error);
        fuzz_check_error(status, &error);
        if (status == TF2_OK &&
            (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3)))
            abort();
        if (status == TF2_OK)
            use(&image);
        tf2_image_finish(&image);
        fuzz_check_freed(&memory);
    }
    return 0;
}
