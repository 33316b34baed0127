/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pnm.h: binary PPM and PGM.
 */
#ifndef TF2__API_PNM_H
#define TF2__API_PNM_H

#include "common/base.h"

/* The same contract as tf2__stb_decode. */
enum tf2_status tf2__pnm_decode(
    const char *name, const void *data, size_t size_bytes, const struct tf2_env *env, int32_t *channels,
    int32_t *width, int32_t *height, uint8_t **pixels, struct tf2_error *error);

#endif
