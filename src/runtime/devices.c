/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c: the device specification ("2", "cl:0,host") and the list of opened devices.
 */
#include "runtime/devices.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/environment.h"
#include "runtime/cl/cl.h"

#define MAX_DEVICES 256

struct tf2_devices {
    struct tf2_env env;
    atomic_uint n_handles;
    struct tf2__cl_platforms *cl; /* opened when the first OpenCL device is asked for */
    size_t n;
    struct tf2__device *device[MAX_DEVICES];
};

static enum tf2_status open_cl(struct tf2_devices *devices, struct tf2_error *error)
{
    return devices->cl ? TF2_OK : tf2__cl_platforms_open(&devices->env, &devices->cl, error);
}

enum tf2_status
tf2__devices_add(struct tf2_devices *devices, struct tf2__device *device, struct tf2_error *error)
{
    if (devices->n == MAX_DEVICES)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d devices", MAX_DEVICES);
    devices->device[devices->n++] = device;
    return TF2_OK;
}

static enum tf2_status add(struct tf2_devices *devices, bool host, size_t cl_index, struct tf2_error *error)
{
    struct tf2__device *device = NULL;
    TF2__TRY(
        host ? tf2__host_open(&devices->env, &device, error)
             : tf2__cl_device_open(devices->cl, cl_index, &device, error));
    enum tf2_status status = tf2__devices_add(devices, device, error);
    if (status != TF2_OK)
        device->ops->destroy(device);
    return status;
}

static enum tf2_status add_first(struct tf2_devices *devices, size_t n, struct tf2_error *error)
{
    for (size_t i = 0; i < n; i++)
        TF2__TRY(add(devices, false, i, error));
    return TF2_OK;
}

/* A decimal number that fills `text` up to `end`. */
static bool parse_number(const char *text, const char *end, size_t *number)
{
    size_t value = 0;
    if (text == end || end - text > 6)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (size_t)(*text - '0');
    }
    *number = value;
    return true;
}

static enum tf2_status
add_item(struct tf2_devices *devices, const char *item, const char *end, struct tf2_error *error)
{
    int length = (int)TF2__MIN(end - item, 100);
    size_t number, count;
    if (length == 4 && memcmp(item, "host", 4) == 0)
        return add(devices, true, 0, error);
    bool all = length == 3 && memcmp(item, "all", 3) == 0;
    bool one = length > 3 && memcmp(item, "cl:", 3) == 0 && parse_number(item + 3, end, &number);
    bool first = !all && !one && parse_number(item, end, &number);
    if ((!all && !one && !first) || (first && number == 0))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "device '%.*s': wanted 'all', a number of devices, 'cl:I' or 'host'", length, item);
    TF2__TRY(open_cl(devices, error));
    count = tf2__cl_platforms_count(devices->cl);
    if (all)
        return add_first(devices, count, error);
    if (one ? number >= count : number > count)
        return tf2__fail(
            error, TF2_ERR_NO_DEVICE, "device '%.*s': there %s %zu OpenCL device%s", length, item,
            count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    return one ? add(devices, false, number, error) : add_first(devices, number, error);
}

static enum tf2_status add_all(struct tf2_devices *devices, const char *spec, struct tf2_error *error)
{
    for (;;) {
        const char *end = spec + strcspn(spec, ",");
        TF2__TRY(add_item(devices, spec, end, error));
        if (!*end)
            return TF2_OK;
        spec = end + 1;
    }
}

enum tf2_status
tf2__devices_create(const struct tf2_env *env, struct tf2_devices **out, struct tf2_error *error)
{
    struct tf2_env copy;
    tf2__env_copy(&copy, env);
    struct tf2_devices *devices = tf2__calloc(&copy, 1, sizeof(*devices));
    if (!devices)
        return tf2__fail_memory(error, sizeof(*devices), "the devices");
    devices->env = copy;
    atomic_init(&devices->n_handles, 1);
    *out = devices;
    return TF2_OK;
}

enum tf2_status tf2_devices_open(
    const char *spec, const struct tf2_env *env, struct tf2_devices **out, struct tf2_error *error)
{
    struct tf2_devices *devices;
    if (!out)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "devices: no place for the handle (NULL)");
    TF2__TRY(tf2__devices_create(env, &devices, error));
    enum tf2_status status = add_all(devices, spec && *spec ? spec : "all", error);
    if (status != TF2_OK) {
        tf2_devices_close(&devices);
        return status;
    }
    *out = devices;
    return TF2_OK;
}

void tf2_devices_close(struct tf2_devices **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2_devices *devices = *handle;
    struct tf2_env env = devices->env;
    *handle = NULL;
    if (atomic_fetch_sub(&devices->n_handles, 1) > 1)
        return;
    while (devices->n > 0) {
        devices->n--;
        devices->device[devices->n]->ops->destroy(devices->device[devices->n]);
    }
    tf2__cl_platforms_close(&devices->cl);
    tf2__free(&env, devices);
}

struct tf2_devices *tf2__devices_ref(struct tf2_devices *devices)
{
    atomic_fetch_add(&devices->n_handles, 1);
    return devices;
}

const struct tf2_env *tf2__devices_env(const struct tf2_devices *devices)
{
    return &devices->env;
}

size_t tf2_devices_count(const struct tf2_devices *devices)
{
    return devices ? devices->n : 0;
}

enum tf2_status
tf2_devices_info(const struct tf2_devices *devices, size_t index, struct tf2_device_info *info)
{
    if (!devices || !info || index >= devices->n)
        return TF2_ERR_INVALID_ARGUMENT;
    *info = devices->device[index]->info;
    return TF2_OK;
}

void tf2_devices_cache_dir(char *path, size_t size_bytes)
{
    if (path && size_bytes && !tf2__environment_cache_dir(path, size_bytes))
        *path = 0;
}

struct tf2__device *tf2__devices_get(struct tf2_devices *devices, size_t index)
{
    return devices->device[index];
}
