/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c: device buffers. On the cores of this machine they lie in memory that is allocated here and that OpenCL uses
 * in place: several devices, each with a context of its own, can use the same memory. Streaming weights through a
 * CPU's caches is a few per cent faster from huge pages, and first touching them much faster: large buffers are aligned
 * for these.
 */
#define _DEFAULT_SOURCE
#include "runtime/cl/internal.h"

#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define LARGE_BYTES     ((size_t)1 << 20)

/* NULL when out of memory. */
static void *allocate(const struct tf2_env *env, size_t size_bytes)
{
    bool large = size_bytes >= LARGE_BYTES;
    void *host =
        env->allocator.alloc(env->allocator.user, size_bytes, large ? HUGE_PAGE_BYTES : TF2__CL_ALIGNMENT);
#ifdef MADV_HUGEPAGE
    if (host && large)
        (void)madvise(host, size_bytes, MADV_HUGEPAGE); /* a hint: failing is no failure */
#endif
    return host;
}

/* The OpenCL buffer of memory->host. flags: besides the access, what is to be done with the host's memory. */
static enum tf2_status make_buffer(
    struct tf2__cl_device *device, cl_mem_flags flags, const char *what, struct tf2__cl_memory *memory,
    struct tf2_error *error)
{
    cl_int code;
    memory->mem = clCreateBuffer(device->context, flags, memory->size_bytes, memory->host, &code);
    if (memory->mem)
        return TF2_OK;
    tf2__cl_memory_destroy(device, memory);
    return tf2__cl_fail(error, code, what);
}

enum tf2_status tf2__cl_memory_create(
    struct tf2__cl_device *device, cl_mem_flags access, size_t size_bytes, const char *what,
    struct tf2__cl_memory *memory, struct tf2_error *error)
{
    *memory = (struct tf2__cl_memory){.size_bytes = size_bytes};
    if (device->is_pocl_cpu)
        TF2__TRY(tf2__cl_memory_host(device, size_bytes, what, memory, error));
    return make_buffer(device, memory->host ? access | CL_MEM_USE_HOST_PTR : access, what, memory, error);
}

enum tf2_status tf2__cl_memory_host(
    struct tf2__cl_device *device, size_t size_bytes, const char *what, struct tf2__cl_memory *memory,
    struct tf2_error *error)
{
    *memory = (struct tf2__cl_memory){.size_bytes = size_bytes};
    memory->host = allocate(&device->base.env, size_bytes);
    return memory->host ? TF2_OK : tf2__fail_memory(error, size_bytes, what);
}

enum tf2_status tf2__cl_memory_upload(
    struct tf2__cl_device *device, const char *what, struct tf2__cl_memory *memory, struct tf2_error *error)
{
    if (device->is_pocl_cpu)
        return make_buffer(device, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, what, memory, error);
    TF2__TRY(make_buffer(device, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, what, memory, error));
    if (!memory->borrowed)
        tf2__free(&device->base.env, memory->host);
    memory->host = NULL;
    return TF2_OK;
}

enum tf2_status tf2__cl_memory_share(
    struct tf2__cl_device *device, cl_mem_flags access, const struct tf2__cl_memory *other, const char *what,
    struct tf2__cl_memory *memory, struct tf2_error *error)
{
    *memory = (struct tf2__cl_memory){.host = other->host, .size_bytes = other->size_bytes, .borrowed = true};
    if (!other->mem)
        return TF2_OK;
    if (device->is_pocl_cpu)
        return make_buffer(device, access | CL_MEM_USE_HOST_PTR, what, memory, error);
    cl_int code = clRetainMemObject(other->mem); /* of the same device */
    if (code != CL_SUCCESS)
        return tf2__cl_fail(error, code, what);
    memory->mem = other->mem;
    return TF2_OK;
}

void tf2__cl_memory_destroy(struct tf2__cl_device *device, struct tf2__cl_memory *memory)
{
    if (memory->mem)
        clReleaseMemObject(memory->mem);
    if (!memory->borrowed)
        tf2__free(&device->base.env, memory->host);
    memset(memory, 0, sizeof(*memory));
}
