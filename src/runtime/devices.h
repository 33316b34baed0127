/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.h: the opened devices of a tf2_devices handle.
 */
#ifndef TF2__DEVICES_H
#define TF2__DEVICES_H

#include "runtime/device.h"

/* index < tf2_devices_count */
struct tf2__device *tf2__devices_get(struct tf2_devices *devices, size_t index);

#endif
