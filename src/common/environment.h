/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment.h: the only place that reads or writes environment variables. docs/environment.md lists them.
 */
#ifndef TF2__COMMON_ENVIRONMENT_H
#define TF2__COMMON_ENVIRONMENT_H

#include "common/base.h"

/* Whether POCL_DEVICES may be set by the library: it is unset and TF2_KEEP_POCL_DEVICES does not forbid it. */
bool tf2__environment_may_set_pocl_devices(void);
void tf2__environment_set_pocl_devices(const char *value);
/* POCL_DEVICES, "" when unset. */
const char *tf2__environment_pocl_devices(void);

/* TF2_VECTOR_WIDTH: 4, 8 or 16 float lanes for the OpenCL kernels, whatever the device prefers; 0: not set. */
int tf2__environment_vector_width(void);

/* TF2_DOT: the most that integer kernels may use: "generic", "avx2", "vnni" or "amx"; "" when unset. */
const char *tf2__environment_dot(void);

/*
 * Where compiled kernels are kept: TF2_CACHE_DIR, else $XDG_CACHE_HOME/libtf2, else ~/.cache/libtf2. False:
 * nowhere
 * (TF2_CACHE_DIR is empty, there is no home, or the path is too long).
 */
bool tf2__environment_cache_dir(char *path, size_t size_bytes);

#endif
