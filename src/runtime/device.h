/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h: what a device has to offer. `host` (exact scalar C) and `cl` (OpenCL) implement it.
 *
 * A device is opened by tf2_devices_open and shared by plans and instances; its functions may be called from
 * several threads for different instances. choose and compile work on a plan that is not shared yet.
 *
 * Several devices that work on the same memory can share the steps of one plan: each is a part, with an executable and
 * a run state of its own, driven by a thread of its own. Part 0 owns the arena; what the parts do of a step does not
 * overlap, and they wait for each other at a barrier where a step needs what another part computed.
 */
#ifndef TF2__DEVICE_H
#define TF2__DEVICE_H

#include <tf2/device.h>

#include "common/barrier.h"
#include "runtime/plan/plan.h"

struct tf2__device;
struct tf2__executable; /* a plan compiled for its device; defined by each device, frozen */
struct tf2__run_state;  /* one instance's memory on the device; defined by each device */

/* What a run state does of the steps. */
struct tf2__part {
    uint32_t part, n_parts;         /* 0 of 1: everything */
    const double *shares;           /* relative speeds, n_parts of them; NULL: equal. Not kept */
    struct tf2__run_state *primary; /* the state of part 0, whose arena is used; NULL for part 0 */
};

struct tf2__device_stats {
    size_t weights_bytes;        /* packed weights and tables */
    size_t shared_weights_bytes; /* of these, in memory of another executable */
    size_t device_bytes;         /* what weights take on the device: with a budget at most that much, else those not shared */
    uint64_t streamed_bytes;     /* weights sent to the device during runs (since open) */
    uint64_t transfer_ns;        /* the time that this took, */
    uint64_t stall_ns;           /* and how much of it runs had to wait for */
};

struct tf2__device_ops {
    void (*destroy)(struct tf2__device *device);

    /* Chooses the kernel of every step: fills kernel, scratch_bytes and choice. Layouts are known, places in
     * the arena are not. */
    enum tf2_status (*choose)(struct tf2__device *device, struct tf2__plan *plan, struct tf2_error *error);

    /* Builds programs, packs and uploads weights. The plan outlives the executable; a device of the same memory may
     * have chosen its kernels. like: an executable of the same kind of device that may be from another plan; when it
     * packed the same weights in the same way, its memory is used, and it outlives the new one. NULL: none. */
    enum tf2_status (*compile)(
        struct tf2__device *device, struct tf2__plan *plan, const struct tf2__executable *like,
        struct tf2__executable **executable, struct tf2_error *error);
    void (*release)(struct tf2__device *device, struct tf2__executable *executable);

    /* Allocates the arena, fills halos once, warms every kernel up. The executable and the primary state outlive the
     * state. Parts are opened one after the other, 0 first. */
    enum tf2_status (*open)(
        struct tf2__device *device, const struct tf2__executable *executable, const struct tf2__part *part,
        struct tf2__run_state **state, struct tf2_error *error);
    void (*close)(struct tf2__device *device, struct tf2__run_state *state);

    /* Copies dense data into or out of bytes offset .. offset + size - 1 of a plan tensor. Complete when the call
     * returns. Part 0 only. */
    enum tf2_status (*write)(
        struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, const void *data,
        struct tf2_error *error);
    enum tf2_status (*read)(
        struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, void *data,
        struct tf2_error *error);

    /* Lets the part read an input in the caller's memory, aligned to its elements and with TF2__HOST_SLACK_BYTES around
     * it, until the next call; data NULL: in the arena again. False: it cannot, write it. Not while it runs; NULL: this
     * device never can. */
    bool (*lend)(struct tf2__run_state *state, uint32_t input, const void *data);

    /* Runs the part's work of steps first .. last-1 in order. barrier NULL: there are no other parts, or nobody runs
     * them at this time; else all parts run the same steps and wait for each other between them, not at the end.
     * TF2_ERR_CANCELLED: another part failed. ns NULL: may return before they are done (read waits); else waits for
     * each and adds its time to ns[step]. */
    enum tf2_status (*run)(
        struct tf2__run_state *state, uint32_t first, uint32_t last, struct tf2__barrier *barrier, uint64_t *ns,
        struct tf2_error *error);

    /* Waits until all is done; what failed on the way is reported here at the latest. */
    enum tf2_status (*finish)(struct tf2__run_state *state, struct tf2_error *error);

    /* May be called while another thread runs. */
    void (*stats)(const struct tf2__run_state *state, struct tf2__device_stats *stats);
};

struct tf2__device {
    const struct tf2__device_ops *ops;
    struct tf2_env env;
    struct tf2__layout_policy policy;
    struct tf2_device_info info; /* strings belong to the device */
    /* Devices with the same memory (not NULL) work in place on host memory, so that they can share arenas and weights.
     * NULL: a device of its own; it is part 0 of 1 always. */
    const void *memory;
    bool streams_weights; /* keeps to a plan's weight_budget_bytes */
};

/* The reference device. */
enum tf2_status
tf2__host_open(const struct tf2_env *env, struct tf2__device **device, struct tf2_error *error);

#endif
