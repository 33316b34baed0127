/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/device.h: the machine's accelerators.
 *
 * Two kinds exist: `cl`, any OpenCL device (FPGA, GPU, or the CPU through PoCL), and `host`, exact scalar C
 * in this process, the reference for all others.
 *
 * Environment: when POCL_DEVICES is unset, opening OpenCL devices sets it to one single-core PoCL device per
 * core ("basic basic ..."), which is the fastest way to use PoCL; TF2_KEEP_POCL_DEVICES=1 prevents this. Open
 * the devices before other threads use the environment or OpenCL. TF2_CACHE_DIR says where compiled kernels
 * are kept (default: $XDG_CACHE_HOME/libtf2 or ~/.cache/libtf2; empty: nowhere).
 */
#ifndef TF2_DEVICE_H
#define TF2_DEVICE_H

#include <tf2/common.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tf2_devices;

/*
 * Opens devices. spec, a comma-separated list:
 *     "all" or NULL or ""  every OpenCL device
 *     "N"                  the first N OpenCL devices
 *     "cl:I"               OpenCL device number I, in the order of tf2-info
 *     "host"               the reference device
 * "host" may stand beside others and more than once. TF2_ERR_NO_DEVICE when there is none: the message says
 * which package is missing. On success *devices is owned by the caller and must outlive its sessions.
 */
TF2_API enum tf2_status tf2_devices_open(
    const char *spec, const struct tf2_env *env, struct tf2_devices **devices, struct tf2_error *error);
/* Closes and clears; NULL and a cleared handle are allowed. */
TF2_API void tf2_devices_close(struct tf2_devices **devices);

TF2_API size_t tf2_devices_count(const struct tf2_devices *devices);

struct tf2_device_info {
    const char *id;     /* "cl:0", "host" */
    const char *name;   /* the driver's name of the device */
    const char *vendor; /* "" for the host device */
    const char *driver; /* platform and driver version */
    const char *type;   /* "cpu", "gpu", "accelerator", "host" */
    uint32_t vector_width;  /* float lanes the kernels use */
    uint32_t compute_units;
    uint64_t memory_bytes;  /* 0: unknown */
};

/* Writes the directory where compiled kernels are kept by the rules above, "" for nowhere. */
TF2_API void tf2_devices_cache_dir(char *path, size_t size_bytes);

/* The strings live as long as `devices`. TF2_ERR_INVALID_ARGUMENT for an index out of range. */
TF2_API enum tf2_status
tf2_devices_info(const struct tf2_devices *devices, size_t index, struct tf2_device_info *info);

#ifdef __cplusplus
}
#endif

#endif
