/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment.c: environment variables.
 */
#define _POSIX_C_SOURCE 200809L
#include "common/environment.h"

#include <stdio.h>
#include <stdlib.h>

bool tf2__environment_may_set_pocl_devices(void)
{
    const char *keep = getenv("TF2_KEEP_POCL_DEVICES");
    return !getenv("POCL_DEVICES") && (!keep || !*keep || strcmp(keep, "0") == 0);
}

void tf2__environment_set_pocl_devices(const char *value)
{
    setenv("POCL_DEVICES", value, 0);
}

const char *tf2__environment_pocl_devices(void)
{
    const char *value = getenv("POCL_DEVICES");
    return value ? value : "";
}

int tf2__environment_vector_width(void)
{
    const char *value = getenv("TF2_VECTOR_WIDTH");
    int width = value ? atoi(value) : 0;
    return width == 4 || width == 8 || width == 16 ? width : 0;
}

const char *tf2__environment_dot(void)
{
    const char *value = getenv("TF2_DOT");
    return value ? value : "";
}

bool tf2__environment_cache_dir(char *path, size_t size_bytes)
{
    const char *dir = getenv("TF2_CACHE_DIR");
    const char *cache_home = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n = 0;
    if (dir)
        n = snprintf(path, size_bytes, "%s", dir);
    else if (cache_home && *cache_home == '/')
        n = snprintf(path, size_bytes, "%s/libtf2", cache_home);
    else if (home && *home)
        n = snprintf(path, size_bytes, "%s/.cache/libtf2", home);
    return n > 0 && (size_t)n < size_bytes;
}
