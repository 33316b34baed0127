/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c: device buffers. Streaming weights through a CPU's caches is a few per cent faster from huge
 * pages, and first touching them much faster: there large buffers are allocated here, aligned to 2 MiB, and
 * handed to OpenCL, which uses them in place.
 */
#define _DEFAULT_SOURCE
#include "runtime/cl/internal.h"

#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define LARGE_BYTES     ((size_t)1 << 20)

/* NULL when out of memory. */
static void *allocate_huge(const struct tf2_env *env, size_t size_bytes)
{
    void *host = env->allocator.alloc(env->allocator.user, size_bytes, HUGE_PAGE_BYTES);
#ifdef MADV_HUGEPAGE
    if (host)
        (void)madvise(host, size_bytes, MADV_HUGEPAGE); /* a hint: failing is no failure */
#endif
    return host;
}

enum tf2_status tf2__cl_memory_create(
    struct tf2__cl_device *device, cl_mem_flags access, size_t size_bytes, const char *what,
    struct tf2__cl_memory *memory, struct tf2_error *error)
{
    cl_int code;
    memset(memory, 0, sizeof(*memory));
    if (device->is_pocl_cpu && size_bytes >= LARGE_BYTES) {
        memory->host = allocate_huge(&device->base.env, size_bytes);
        if (!memory->host)
            return tf2__fail_memory(error, size_bytes, what);
        access |= CL_MEM_USE_HOST_PTR;
    }
    memory->mem = clCreateBuffer(device->context, access, size_bytes, memory->host, &code);
    if (memory->mem)
        return TF2_OK;
    tf2__cl_memory_destroy(device, memory);
    return tf2__cl_fail(error, code, what);
}

void tf2__cl_memory_destroy(struct tf2__cl_device *device, struct tf2__cl_memory *memory)
{
    if (memory->mem)
        clReleaseMemObject(memory->mem);
    tf2__free(&device->base.env, memory->host);
    memset(memory, 0, sizeof(*memory));
}
