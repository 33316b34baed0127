/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h: what a device has to offer. `host` (exact scalar C) and `cl` (OpenCL) implement it.
 *
 * A device is opened by tf2_devices_open and shared by plans and sessions; its functions may be called from
 * several threads for different sessions. choose and compile work on a plan that is not shared yet.
 */
#ifndef TF2__DEVICE_H
#define TF2__DEVICE_H

#include <tf2/device.h>

#include "runtime/plan/plan.h"

struct tf2__device;
struct tf2__executable; /* a plan compiled for its device; defined by each device, frozen */
struct tf2__run_state;  /* one session's memory on the device; defined by each device */

struct tf2__device_ops {
    void (*destroy)(struct tf2__device *device);

    /* Chooses the kernel of every step: fills kernel, scratch_bytes and choice. Layouts are known, places in
     * the arena are not. */
    enum tf2_status (*choose)(struct tf2__device *device, struct tf2__plan *plan, struct tf2_error *error);

    /* Builds programs, packs and uploads weights. The plan outlives the executable. */
    enum tf2_status (*compile)(
        struct tf2__device *device, struct tf2__plan *plan, struct tf2__executable **executable,
        struct tf2_error *error);
    void (*release)(struct tf2__device *device, struct tf2__executable *executable);

    /* Allocates the arena, fills halos once, warms every kernel up. The executable outlives the state. */
    enum tf2_status (*open)(
        struct tf2__device *device, const struct tf2__executable *executable, struct tf2__run_state **state,
        struct tf2_error *error);
    void (*close)(struct tf2__device *device, struct tf2__run_state *state);

    /* Copies dense data into or out of a plan tensor. Complete when the call returns. */
    enum tf2_status (*write)(
        struct tf2__run_state *state, uint32_t tensor, const void *data, struct tf2_error *error);
    enum tf2_status (*read)(
        struct tf2__run_state *state, uint32_t tensor, void *data, struct tf2_error *error);

    /* Runs steps first .. last-1 in order. ns NULL: may return before they are done (read waits); else waits for
     * each and adds its time to ns[step]. */
    enum tf2_status (*run)(
        struct tf2__run_state *state, uint32_t first, uint32_t last, uint64_t *ns, struct tf2_error *error);

    /* Waits until all is done; what failed on the way is reported here at the latest. */
    enum tf2_status (*finish)(struct tf2__run_state *state, struct tf2_error *error);
};

struct tf2__device {
    const struct tf2__device_ops *ops;
    struct tf2_env env;
    struct tf2__layout_policy policy;
    struct tf2_device_info info; /* strings belong to the device */
};

/* The reference device. */
enum tf2_status
tf2__host_open(const struct tf2_env *env, struct tf2__device **device, struct tf2_error *error);

#endif
