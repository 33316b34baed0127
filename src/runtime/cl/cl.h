/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cl.h: OpenCL devices, as devices.c sees them.
 */
#ifndef TF2__CL_H
#define TF2__CL_H

#include "runtime/device.h"

struct tf2__cl_platforms;

/* Finds all OpenCL devices of all platforms. TF2_ERR_NO_DEVICE when there is none; says what to install. */
enum tf2_status tf2__cl_platforms_open(
    const struct tf2_env *env, struct tf2__cl_platforms **platforms, struct tf2_error *error);
void tf2__cl_platforms_close(struct tf2__cl_platforms **platforms);
size_t tf2__cl_platforms_count(const struct tf2__cl_platforms *platforms);

/* index < count. The device does not need `platforms` afterwards. */
enum tf2_status tf2__cl_device_open(
    const struct tf2__cl_platforms *platforms, size_t index, struct tf2__device **device,
    struct tf2_error *error);

#endif
