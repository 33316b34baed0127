/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.c: an executable: walks the plan's steps, lets each row add its launches, uploads tables and weights.
 */
#include "runtime/cl/internal.h"

#include <stdio.h>

static bool grow(struct tf2__arena *arena, void **array, uint32_t n, uint32_t *cap, size_t size_bytes)
{
    if (n < *cap)
        return true;
    uint32_t new_cap = *cap ? 2 * *cap : 64;
    void *grown = tf2__arena_alloc(arena, new_cap, size_bytes);
    if (!grown)
        return false;
    if (n)
        memcpy(grown, *array, n * size_bytes);
    *array = grown;
    *cap = new_cap;
    return true;
}

enum tf2_status
tf2__cl_launch_begin(struct tf2__cl_build *build, enum tf2__cl_family family, const char *kernel)
{
    struct tf2__executable *exe = build->executable;
    if (!grow(
            &exe->arena, (void **)&exe->launches, exe->n_launches, &exe->cap_launches,
            sizeof(*exe->launches)))
        return tf2__fail_memory(build->error, sizeof(*exe->launches), "a launch");
    build->launch = &exe->launches[exe->n_launches++];
    memset(build->launch, 0, sizeof(*build->launch));
    build->launch->family = family;
    build->launch->global[0] = build->launch->global[1] = 1;
    snprintf(build->launch->kernel, sizeof(build->launch->kernel), "%s", kernel);
    return TF2_OK;
}

static struct tf2__cl_arg *add_arg(struct tf2__cl_build *build, enum tf2__cl_arg_kind kind)
{
    assert(build->launch->n_args < TF2__CL_MAX_ARGS);
    struct tf2__cl_arg *arg = &build->launch->args[build->launch->n_args++];
    arg->kind = kind;
    return arg;
}

void tf2__cl_arg_int(struct tf2__cl_build *build, int64_t value)
{
    build->out_of_range |= value < INT32_MIN || value > INT32_MAX;
    add_arg(build, TF2__CL_ARG_INT)->value.i = (cl_int)value;
}

void tf2__cl_arg_float(struct tf2__cl_build *build, float value)
{
    add_arg(build, TF2__CL_ARG_FLOAT)->value.f = value;
}

void tf2__cl_arg_buffer(struct tf2__cl_build *build, uint32_t buffer)
{
    add_arg(build, TF2__CL_ARG_BUFFER)->value.buffer = buffer;
}

void tf2__cl_arg_arena(struct tf2__cl_build *build)
{
    add_arg(build, TF2__CL_ARG_ARENA);
}

enum tf2_status tf2__cl_arg_tensor(struct tf2__cl_build *build, uint32_t tensor)
{
    struct tf2__executable *exe = build->executable;
    const struct tf2__plan_tensor *t = &build->plan->tensors[tensor];
    if (!t->data) {
        tf2__cl_arg_arena(build);
        tf2__cl_arg_int(build, tf2__plan_offset(build->plan, tensor));
        return TF2_OK;
    }
    if (!exe->constant[tensor]) {
        uint32_t buffer;
        TF2__TRY(tf2__cl_buffer_from(build, t->data, tf2_shape_count(&t->shape), &buffer));
        exe->constant[tensor] = buffer + 1;
    }
    tf2__cl_arg_buffer(build, exe->constant[tensor] - 1);
    tf2__cl_arg_int(build, 0);
    return TF2_OK;
}

void tf2__cl_launch_size(struct tf2__cl_build *build, int64_t size0, int64_t size1)
{
    build->launch->global[0] = (size_t)size0;
    build->launch->global[1] = (size_t)size1;
}

enum tf2_status tf2__cl_buffer_map(struct tf2__cl_build *build, int64_t n, uint32_t *buffer, void **data)
{
    struct tf2__executable *exe = build->executable;
    cl_int code;
    if (!grow(&exe->arena, (void **)&exe->buffers, exe->n_buffers, &exe->cap_buffers, sizeof(*exe->buffers)))
        return tf2__fail_memory(build->error, sizeof(*exe->buffers), "a buffer");
    /* Slack, as in the arena: kernels may read a vector beyond the end. */
    size_t size = (size_t)n * sizeof(float) + build->plan->policy.slack_bytes;
    struct tf2__cl_memory *memory = &exe->buffers[exe->n_buffers];
    TF2__TRY(tf2__cl_memory_create(
        build->device, CL_MEM_READ_ONLY, size, "a buffer of weights", memory, build->error));
    *buffer = exe->n_buffers++;
    *data =
        clEnqueueMapBuffer(build->queue, memory->mem, CL_TRUE, CL_MAP_WRITE, 0, size, 0, NULL, NULL, &code);
    if (!*data)
        return tf2__cl_fail(build->error, code, "clEnqueueMapBuffer (weights)");
    exe->weights_bytes += size;
    return TF2_OK;
}

enum tf2_status tf2__cl_buffer_unmap(struct tf2__cl_build *build, uint32_t buffer, void *data)
{
    cl_int code =
        clEnqueueUnmapMemObject(build->queue, build->executable->buffers[buffer].mem, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(build->error, code, "clEnqueueUnmapMemObject");
}

enum tf2_status
tf2__cl_buffer_from(struct tf2__cl_build *build, const void *data, int64_t n, uint32_t *buffer)
{
    void *mapped;
    TF2__TRY(tf2__cl_buffer_map(build, n, buffer, &mapped));
    memcpy(mapped, data, (size_t)n * sizeof(float));
    return tf2__cl_buffer_unmap(build, *buffer, mapped);
}

static enum tf2_status make_step(struct tf2__cl_build *build, const struct tf2__step *step)
{
    if (step->kind == TF2__STEP_COPY)
        return tf2__cl_make_copy(build, step);
    if (step->kind == TF2__STEP_PIXELS)
        return tf2__cl_make_pixels(build, step);
    if (step->kind == TF2__STEP_FILL)
        return tf2__cl_make_fill(build, step->out);
    return tf2__cl_row_find(build->plan, step)->make(build, step);
}

static enum tf2_status make_all(struct tf2__cl_build *build)
{
    struct tf2__executable *exe = build->executable;
    struct tf2__plan *plan = build->plan;
    exe->first_launch = tf2__arena_alloc(&exe->arena, plan->n_steps + 1, sizeof(*exe->first_launch));
    exe->constant = tf2__arena_alloc(&exe->arena, plan->n_tensors, sizeof(*exe->constant));
    if (!exe->first_launch || !exe->constant)
        return tf2__fail_memory(build->error, plan->n_tensors * sizeof(*exe->constant), "an executable");

    /* Fills that are done once come first, and are cut off into a list of their own. */
    for (uint32_t i = 0; i < plan->n_fill_once; i++)
        TF2__TRY(tf2__cl_make_fill(build, plan->fill_once[i]));
    exe->init = exe->launches;
    exe->n_init = exe->n_launches;
    exe->launches = NULL;
    exe->n_launches = exe->cap_launches = 0;

    for (uint32_t i = 0; i < plan->n_steps; i++) {
        exe->first_launch[i] = exe->n_launches;
        enum tf2_status status = make_step(build, &plan->steps[i]);
        if (status == TF2_OK && build->out_of_range)
            status = tf2__fail(build->error, TF2_ERR_UNSUPPORTED, "an offset or a count of 2^31 or more");
        if (status != TF2_OK)
            return tf2__fail_prefix(build->error, status, "%s", plan->steps[i].name);
    }
    exe->first_launch[plan->n_steps] = exe->n_launches;
    return TF2_OK;
}

enum tf2_status tf2__cl_compile(
    struct tf2__device *base, struct tf2__plan *plan, const struct tf2__executable *like,
    struct tf2__executable **out, struct tf2_error *error)
{
    (void)like;
    struct tf2__cl_device *device = (struct tf2__cl_device *)base;
    cl_int code;
    struct tf2__executable *exe = tf2__calloc(&base->env, 1, sizeof(*exe));
    if (!exe)
        return tf2__fail_memory(error, sizeof(*exe), "an executable");
    tf2__arena_init(&exe->arena, &base->env);
    exe->device = device;
    exe->plan = plan;
    struct tf2__cl_build build = {.executable = exe, .device = device, .plan = plan, .error = error};
    build.queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    enum tf2_status status =
        build.queue ? make_all(&build) : tf2__cl_fail(error, code, "clCreateCommandQueue");
    if (build.queue) { /* also after a failure: nothing may be under way when buffers go */
        code = clFinish(build.queue);
        if (status == TF2_OK && code != CL_SUCCESS)
            status = tf2__cl_fail(error, code, "uploading weights");
        clReleaseCommandQueue(build.queue);
    }
    if (status != TF2_OK) {
        tf2__cl_release(base, exe);
        return status;
    }
    *out = exe;
    return TF2_OK;
}

void tf2__cl_release(struct tf2__device *device, struct tf2__executable *exe)
{
    if (!exe)
        return;
    for (uint32_t i = 0; i < exe->n_buffers; i++)
        tf2__cl_memory_destroy(exe->device, &exe->buffers[i]);
    tf2__arena_finish(&exe->arena);
    tf2__free(&device->env, exe);
}
