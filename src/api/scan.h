/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h: looks through an image file before it is decoded.
 */
#ifndef TF2__API_SCAN_H
#define TF2__API_SCAN_H

#include "common/base.h"

enum tf2__image_kind {
    TF2__IMAGE_NONE = 0,
    TF2__IMAGE_JPEG = 1,
    TF2__IMAGE_PNG = 2,
    TF2__IMAGE_BMP = 3,
    TF2__IMAGE_PNM = 4, /* binary PPM or PGM */
};

/* By the first bytes. */
enum tf2__image_kind tf2__image_sniff(const unsigned char *data, size_t size_bytes);

/* What the decoder does not look at: that the file is whole, checksums, effort out of proportion to the file.
 */
enum tf2_status
tf2__jpeg_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error);
enum tf2_status
tf2__png_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error);
enum tf2_status
tf2__bmp_check(const char *name, const unsigned char *data, size_t size_bytes, struct tf2_error *error);

#endif
