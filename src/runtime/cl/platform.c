/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.c: finding OpenCL devices through the ICD loader.
 *
 * PoCL makes the CPU's cores into devices as POCL_DEVICES says, and reads it when its devices are first asked
 * for. Its single-threaded device ("basic", "cpu-minimal" since PoCL 4) runs a command inside the enqueue
 * call, without a thread switch: one per core, driven by one thread each, is the fastest way to use all
 * cores. So unless the user says otherwise the variable is set here, after the platform told its version and
 * before it is asked for devices.
 */
#define _GNU_SOURCE
#include "runtime/cl/internal.h"

#include "common/host_memory.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/environment.h"

#define MAX_PLATFORMS  16
#define MAX_CL_DEVICES 64
/* Two barriers and what they cost in the caches. */
#define DIVIDE_NS 2000.0

struct tf2__cl_platforms {
    struct tf2_env env;
    cl_uint n_devices;
    cl_device_id devices[MAX_CL_DEVICES];
};

const char *tf2__cl_error_name(cl_int code)
{
    switch (code) {
#define NAME(name)                                                                                           \
    case name:                                                                                               \
        return #name;
        NAME(CL_DEVICE_NOT_FOUND)
        NAME(CL_DEVICE_NOT_AVAILABLE)
        NAME(CL_COMPILER_NOT_AVAILABLE)
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        NAME(CL_OUT_OF_RESOURCES)
        NAME(CL_OUT_OF_HOST_MEMORY)
        NAME(CL_MAP_FAILURE)
        NAME(CL_BUILD_PROGRAM_FAILURE)
        NAME(CL_INVALID_VALUE)
        NAME(CL_INVALID_PLATFORM)
        NAME(CL_INVALID_DEVICE)
        NAME(CL_INVALID_CONTEXT)
        NAME(CL_INVALID_COMMAND_QUEUE)
        NAME(CL_INVALID_MEM_OBJECT)
        NAME(CL_INVALID_BINARY)
        NAME(CL_INVALID_BUILD_OPTIONS)
        NAME(CL_INVALID_PROGRAM)
        NAME(CL_INVALID_PROGRAM_EXECUTABLE)
        NAME(CL_INVALID_KERNEL_NAME)
        NAME(CL_INVALID_KERNEL)
        NAME(CL_INVALID_ARG_INDEX)
        NAME(CL_INVALID_ARG_VALUE)
        NAME(CL_INVALID_ARG_SIZE)
        NAME(CL_INVALID_KERNEL_ARGS)
        NAME(CL_INVALID_WORK_GROUP_SIZE)
        NAME(CL_INVALID_BUFFER_SIZE)
        NAME(CL_INVALID_GLOBAL_WORK_SIZE)
#undef NAME
    default:
        return "see CL/cl.h";
    }
}

enum tf2_status tf2__cl_fail(struct tf2_error *error, cl_int code, const char *what)
{
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY ||
                  code == CL_INVALID_BUFFER_SIZE;
    return tf2__fail(
        error, memory ? TF2_ERR_NO_MEMORY : TF2_ERR_DEVICE, "%s failed: OpenCL error %d (%s)", what,
        (int)code, tf2__cl_error_name(code));
}

/* The number of cores that this process may use. */
static int count_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return TF2__MIN(CPU_COUNT(&set), MAX_CL_DEVICES);
}

/* "OpenCL 3.0 PoCL 3.1+debian ..." → 3; 0 for other platforms. */
static int pocl_major(cl_platform_id platform)
{
    char version[256] = "";
    if (clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(version) - 1, version, NULL) != CL_SUCCESS)
        return 0;
    const char *name = strstr(version, "PoCL ") ? strstr(version, "PoCL ") : strstr(version, "pocl ");
    return name ? atoi(name + 5) : 0;
}

static void configure_pocl(const struct tf2_env *env, int major)
{
    char value[MAX_CL_DEVICES * 16] = "";
    size_t used = 0;
    if (!tf2__environment_may_set_pocl_devices())
        return;
    for (int n = count_cores(); n > 0; n--)
        used += (size_t)snprintf(
            value + used, sizeof(value) - used, "%s%s", used ? " " : "",
            major >= 4 ? "cpu-minimal" : "basic");
    tf2__environment_set_pocl_devices(value);
    tf2__log(env, TF2_LOG_INFO, "POCL_DEVICES set to \"%s\"", value);
}

static void add_devices(struct tf2__cl_platforms *platforms, cl_platform_id platform)
{
    cl_uint room = MAX_CL_DEVICES - platforms->n_devices, n = 0;
    int major = pocl_major(platform);
    if (major)
        configure_pocl(&platforms->env, major);
    cl_int code = room
                      ? clGetDeviceIDs(
                            platform, CL_DEVICE_TYPE_ALL, room, platforms->devices + platforms->n_devices, &n)
                      : CL_SUCCESS;
    if (code != CL_SUCCESS && code != CL_DEVICE_NOT_FOUND)
        tf2__log(
            &platforms->env, TF2_LOG_WARNING, "an OpenCL platform does not list its devices: %s",
            tf2__cl_error_name(code));
    if (code == CL_SUCCESS)
        platforms->n_devices += TF2__MIN(n, room);
}

enum tf2_status
tf2__cl_platforms_open(const struct tf2_env *env, struct tf2__cl_platforms **out, struct tf2_error *error)
{
    cl_platform_id ids[MAX_PLATFORMS];
    cl_uint n = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, ids, &n) != CL_SUCCESS || n == 0)
        return tf2__fail(
            error, TF2_ERR_NO_DEVICE,
            "no OpenCL platform found: install your board's OpenCL driver, or PoCL for the CPU (Debian: "
            "pocl-opencl-icd); device 'host' works without OpenCL");
    struct tf2__cl_platforms *platforms = tf2__calloc(env, 1, sizeof(*platforms));
    if (!platforms)
        return tf2__fail_memory(error, sizeof(*platforms), "OpenCL platforms");
    platforms->env = *env;
    for (cl_uint i = 0; i < TF2__MIN(n, MAX_PLATFORMS); i++)
        add_devices(platforms, ids[i]);
    if (platforms->n_devices == 0) {
        tf2__free(env, platforms);
        return tf2__fail(
            error, TF2_ERR_NO_DEVICE,
            "no OpenCL device found on %u platform%s (POCL_DEVICES=\"%s\"); device 'host' works without "
            "OpenCL",
            n, n == 1 ? "" : "s", tf2__environment_pocl_devices());
    }
    *out = platforms;
    return TF2_OK;
}

void tf2__cl_platforms_close(struct tf2__cl_platforms **platforms)
{
    if (!*platforms)
        return;
    struct tf2_env env = (*platforms)->env;
    tf2__free(&env, *platforms);
    *platforms = NULL;
}

size_t tf2__cl_platforms_count(const struct tf2__cl_platforms *platforms)
{
    return platforms->n_devices;
}

/* --- one device --- */

/* Its address stands for the memory that all cores of this machine work on. */
static const char memory_of_this_machine;

static void read_string(cl_device_id id, cl_device_info what, char *text, size_t size_bytes)
{
    char value[1024] = "";
    clGetDeviceInfo(id, what, sizeof(value) - 1, value, NULL);
    snprintf(text, size_bytes, "%.*s", (int)(size_bytes - 1), value);
}

static int choose_vector_width(cl_device_id id)
{
    cl_uint native = 0;
    if (tf2__environment_vector_width())
        return tf2__environment_vector_width();
    clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof(native), &native, NULL);
    return native >= 16 ? 16 : native >= 8 ? 8 : 4;
}

static const char *type_name(cl_device_id id)
{
    cl_device_type type = 0;
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
    if (type & CL_DEVICE_TYPE_ACCELERATOR)
        return "accelerator";
    return type & CL_DEVICE_TYPE_GPU ? "gpu" : type & CL_DEVICE_TYPE_CPU ? "cpu" : "other";
}

static bool is_pocl_cpu(cl_device_id id)
{
    cl_platform_id platform = NULL;
    if (clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof(platform), &platform, NULL) != CL_SUCCESS)
        return false;
    return pocl_major(platform) > 0 && strcmp(type_name(id), "cpu") == 0;
}

/* TF2_DOT can ask for less than the processor can do, not for more. */
static enum tf2__cl_dot choose_dot(bool is_cpu)
{
    static const char *const names[] = {"generic", "avx2", "vnni", "amx"};
    enum tf2__cl_dot best = is_cpu ? tf2__cl_cpu_dot() : TF2__CL_DOT_GENERIC;
    for (int dot = 0; dot < (int)best; dot++) {
        if (strcmp(tf2__environment_dot(), names[dot]) == 0)
            return (enum tf2__cl_dot)dot;
    }
    return best;
}

static void describe(struct tf2__cl_device *device, size_t index)
{
    cl_ulong memory = 0, cache = 0;
    cl_uint units = 0;
    clGetDeviceInfo(device->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(memory), &memory, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof(cache), &cache, NULL);
    device->cache_bytes = (int64_t)TF2__MIN(cache, (cl_ulong)1 << 40);
    snprintf(device->strings[0], sizeof(device->strings[0]), "cl:%zu", index);
    read_string(device->id, CL_DEVICE_NAME, device->strings[1], sizeof(device->strings[1]));
    read_string(device->id, CL_DEVICE_VENDOR, device->strings[2], sizeof(device->strings[2]));
    char version[120], driver[120];
    read_string(device->id, CL_DEVICE_VERSION, version, sizeof(version));
    read_string(device->id, CL_DRIVER_VERSION, driver, sizeof(driver));
    snprintf(device->strings[3], sizeof(device->strings[3]), "%s, driver %s", version, driver);
    device->base.info = (struct tf2_device_info){
        .id = device->strings[0],
        .name = device->strings[1],
        .vendor = device->strings[2],
        .driver = device->strings[3],
        .type = type_name(device->id),
        .vector_width = (uint32_t)device->vector_width,
        .compute_units = units,
        .memory_bytes = memory};
}

/* Everything a compiled program depends on besides its source. */
static char *make_key(const struct tf2__cl_device *device)
{
    char key[1024];
    snprintf(
        key, sizeof(key), "%s|%s|%s|VW=%d|CPU=%d", device->strings[1], device->strings[2], device->strings[3],
        device->vector_width, device->is_pocl_cpu);
    return tf2__strdup(&device->base.env, key);
}

enum tf2_status tf2__cl_device_open(
    const struct tf2__cl_platforms *platforms, size_t index, struct tf2__device **out,
    struct tf2_error *error)
{
    cl_int code;
    struct tf2__cl_device *device = tf2__calloc(&platforms->env, 1, sizeof(*device));
    if (!device)
        return tf2__fail_memory(error, sizeof(*device), "a device");
    device->base.ops = &tf2__cl_device_ops;
    device->base.env = platforms->env;
    device->id = platforms->devices[index];
    device->vector_width = choose_vector_width(device->id);
    device->is_pocl_cpu = is_pocl_cpu(device->id);
    device->divide_ns = DIVIDE_NS;
    device->dot = choose_dot(device->is_pocl_cpu);
    device->base.memory = device->is_pocl_cpu ? &memory_of_this_machine : NULL;
    device->base.streams_weights = true;
    device->base.policy = (struct tf2__layout_policy){
        .channels_last = true,
        .halo = true,
        .lanes = (uint32_t)device->vector_width,
        .lanes_u8 = 16,
        .slack_bytes = TF2__HOST_SLACK_BYTES};
    if (pthread_mutex_init(&device->lock, NULL) != 0) {
        tf2__free(&platforms->env, device);
        return tf2__fail(error, TF2_ERR_THREAD, "a mutex cannot be made");
    }
    describe(device, index);
    char cache_dir[4096];
    if (tf2__environment_cache_dir(cache_dir, sizeof(cache_dir)))
        device->cache_dir = tf2__strdup(&device->base.env, cache_dir);
    device->key = make_key(device);
    device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
    if (!device->key || !device->context) {
        enum tf2_status status = device->key ? tf2__cl_fail(error, code, "clCreateContext")
                                             : tf2__fail_memory(error, 1024, "a device");
        tf2__cl_device_ops.destroy(&device->base);
        return status;
    }
    *out = &device->base;
    return TF2_OK;
}
