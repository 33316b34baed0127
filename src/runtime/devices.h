/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.h: the opened devices of a tf2_devices handle.
 */
#ifndef TF2__DEVICES_H
#define TF2__DEVICES_H

#include "runtime/device.h"

/* index < tf2_devices_count */
struct tf2__device *tf2__devices_get(struct tf2_devices *devices, size_t index);

const struct tf2_env *tf2__devices_env(const struct tf2_devices *devices);
/* Another handle to the same devices; the last tf2_devices_close closes them. */
struct tf2_devices *tf2__devices_ref(struct tf2_devices *devices);
/* An empty list, and adding a device to one that nobody uses yet: it belongs to the list. For devices that no
 * specification names. */
enum tf2_status
tf2__devices_create(const struct tf2_env *env, struct tf2_devices **devices, struct tf2_error *error);
enum tf2_status
tf2__devices_add(struct tf2_devices *devices, struct tf2__device *device, struct tf2_error *error);

#endif
