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

/* Whether an input owns its memory and no output is a view of it. (Steps never write to inputs.) */
static bool is_lendable(const struct tf2__plan *plan, uint32_t tensor)
{
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    bool lendable = !t->data && t->root == tensor && t->dense && !t->has_halo;
    for (uint32_t i = 0; i < plan->graph->n_outputs && lendable; i++)
        lendable = plan->tensors[plan->outputs[i]].root != tensor;
    return lendable;
}

/* The lendable input whose memory the root is; else TF2__CL_NONE. */
static uint32_t find_lendable(const struct tf2__executable *exe, uint32_t root)
{
    for (uint32_t i = 0; i < exe->plan->graph->n_inputs; i++) {
        if (exe->lendable[i] && exe->plan->inputs[i] == root)
            return i;
    }
    return TF2__CL_NONE;
}

enum tf2_status tf2__cl_arg_tensor(struct tf2__cl_build *build, uint32_t tensor)
{
    struct tf2__executable *exe = build->executable;
    const struct tf2__plan_tensor *t = &build->plan->tensors[tensor];
    if (!t->data) {
        uint32_t input = find_lendable(exe, t->root);
        if (input == TF2__CL_NONE)
            tf2__cl_arg_arena(build);
        else
            add_arg(build, TF2__CL_ARG_INPUT)->value.buffer = input;
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

enum tf2_status tf2__cl_arg_blocks(struct tf2__cl_build *build, uint32_t buffer, const size_t *start, uint32_t n_blocks)
{
    struct tf2__arena *arena = &build->executable->arena;
    struct tf2__cl_blocks *blocks = tf2__arena_alloc(arena, 1, sizeof(*blocks));
    size_t *copy = tf2__arena_alloc(arena, (size_t)n_blocks + 1, sizeof(*copy));
    if (!blocks || !copy)
        return tf2__fail_memory(build->error, ((size_t)n_blocks + 1) * sizeof(*copy), "blocks of weights");
    memcpy(copy, start, ((size_t)n_blocks + 1) * sizeof(*copy));
    *blocks = (struct tf2__cl_blocks){
        .buffer = buffer, .arg = build->launch->n_args, .n_blocks = n_blocks, .start = copy};
    build->launch->blocks = blocks;
    tf2__cl_arg_buffer(build, buffer);
    tf2__cl_arg_int(build, 0);
    return TF2_OK;
}

enum tf2_status
tf2__cl_arg_equal_blocks(struct tf2__cl_build *build, uint32_t buffer, int64_t block_bytes, int64_t n_blocks)
{
    size_t *start = tf2__arena_alloc(&build->executable->arena, (size_t)n_blocks + 1, sizeof(*start));
    if (!start)
        return tf2__fail_memory(build->error, ((size_t)n_blocks + 1) * sizeof(*start), "blocks of weights");
    for (int64_t i = 0; i <= n_blocks; i++)
        start[i] = (size_t)(i * block_bytes);
    return tf2__cl_arg_blocks(build, buffer, start, (uint32_t)n_blocks);
}

/* --- buffers --- */

static const char a_buffer[] = "a buffer of weights";

static struct tf2__cl_memory *add_buffer(struct tf2__cl_build *build)
{
    struct tf2__executable *exe = build->executable;
    if (!grow(&exe->arena, (void **)&exe->buffers, exe->n_buffers, &exe->cap_buffers, sizeof(*exe->buffers))) {
        (void)tf2__fail_memory(build->error, sizeof(*exe->buffers), "a buffer");
        return NULL;
    }
    return &exe->buffers[exe->n_buffers];
}

enum tf2_status tf2__cl_buffer_map(struct tf2__cl_build *build, int64_t n, uint32_t *buffer, void **data)
{
    struct tf2__executable *exe = build->executable;
    struct tf2__cl_memory *memory = add_buffer(build);
    if (!memory)
        return TF2_ERR_NO_MEMORY;
    /* Slack, as in the arena: kernels may read a vector beyond the end. */
    size_t size = (size_t)n * sizeof(float) + build->plan->policy.slack_bytes;
    TF2__TRY(tf2__cl_memory_host(build->device, size, a_buffer, memory, build->error));
    memset(memory->host, 0, size); /* bytes that nobody writes have to be the same in equal buffers */
    *buffer = exe->n_buffers++;
    *data = memory->host;
    return TF2_OK;
}

/* The other executable's copy of the same bytes, or NULL. */
static const struct tf2__cl_memory *find_equal(const struct tf2__executable *like, const struct tf2__cl_memory *memory)
{
    for (uint32_t i = 0; like && i < like->n_buffers; i++) {
        const struct tf2__cl_memory *other = &like->buffers[i];
        if (other->host && other->size_bytes == memory->size_bytes &&
            memcmp(other->host, memory->host, memory->size_bytes) == 0)
            return other;
    }
    return NULL;
}

enum tf2_status tf2__cl_buffer_unmap(struct tf2__cl_build *build, uint32_t buffer, void *data)
{
    struct tf2__executable *exe = build->executable;
    struct tf2__cl_memory *memory = &exe->buffers[buffer];
    const struct tf2__cl_memory *equal = find_equal(build->like, memory);
    (void)data;
    assert(data == memory->host);
    exe->weights_bytes += memory->size_bytes;
    if (equal) {
        exe->shared_weights_bytes += memory->size_bytes;
        tf2__cl_memory_destroy(build->device, memory);
        *memory = (struct tf2__cl_memory){.host = equal->host, .size_bytes = equal->size_bytes, .borrowed = true};
    }
    /* With a budget it is seen later what goes to the device. */
    return build->plan->weight_budget_bytes ? TF2_OK
                                            : tf2__cl_memory_upload(build->device, a_buffer, memory, build->error);
}

enum tf2_status
tf2__cl_buffer_from(struct tf2__cl_build *build, const void *data, int64_t n, uint32_t *buffer)
{
    void *mapped;
    TF2__TRY(tf2__cl_buffer_map(build, n, buffer, &mapped));
    if (n)
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
    exe->lendable = tf2__arena_alloc(&exe->arena, plan->graph->n_inputs, sizeof(*exe->lendable));
    if (!exe->first_launch || !exe->constant || !exe->lendable)
        return tf2__fail_memory(build->error, plan->n_tensors * sizeof(*exe->constant), "an executable");
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++)
        exe->lendable[i] = is_lendable(plan, plan->inputs[i]);

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

/* What is not streamed goes to the device. */
static enum tf2_status upload_rest(struct tf2__cl_build *build)
{
    struct tf2__executable *exe = build->executable;
    for (uint32_t i = 0; i < exe->n_buffers; i++) {
        struct tf2__cl_memory *memory = &exe->buffers[i];
        bool in_pieces = false;
        for (uint32_t k = 0; k < exe->n_launches && !in_pieces; k++)
            in_pieces = exe->launches[k].blocks && exe->launches[k].blocks->buffer == i;
        if (!memory->mem && !in_pieces)
            TF2__TRY(tf2__cl_memory_upload(build->device, a_buffer, memory, build->error));
    }
    return TF2_OK;
}

/* The launches of an executable of the same plan, with the same memory. */
static enum tf2_status copy_all(struct tf2__cl_build *build, const struct tf2__executable *like)
{
    struct tf2__executable *exe = build->executable;
    exe->launches = like->launches;
    exe->n_launches = like->n_launches;
    exe->first_launch = like->first_launch;
    exe->lendable = like->lendable;
    exe->init = like->init;
    exe->n_init = like->n_init;
    for (uint32_t i = 0; i < like->n_buffers; i++) {
        struct tf2__cl_memory *memory = add_buffer(build);
        if (!memory)
            return TF2_ERR_NO_MEMORY;
        TF2__TRY(tf2__cl_memory_share(
            build->device, CL_MEM_READ_ONLY, &like->buffers[i], a_buffer, memory, build->error));
        exe->n_buffers++;
    }
    exe->weights_bytes = exe->shared_weights_bytes = like->weights_bytes;
    return TF2_OK;
}

/* Whether both devices would make the same of a plan. */
static bool is_same_device(const struct tf2__cl_device *a, const struct tf2__cl_device *b)
{
    return a == b || (a->is_pocl_cpu && b->is_pocl_cpu && a->dot == b->dot && strcmp(a->key, b->key) == 0);
}

enum tf2_status tf2__cl_compile(
    struct tf2__device *base, struct tf2__plan *plan, const struct tf2__executable *like,
    struct tf2__executable **out, struct tf2_error *error)
{
    struct tf2__cl_device *device = (struct tf2__cl_device *)base;
    struct tf2__executable *exe = tf2__calloc(&base->env, 1, sizeof(*exe));
    if (!exe)
        return tf2__fail_memory(error, sizeof(*exe), "an executable");
    tf2__arena_init(&exe->arena, &base->env);
    exe->device = device;
    exe->plan = plan;
    struct tf2__cl_build build = {.executable = exe, .device = device, .plan = plan, .like = like, .error = error};
    enum tf2_status status;
    if (like && is_same_device(device, like->device) && tf2__plan_equal(plan, like->plan))
        status = copy_all(&build, like);
    else
        status = make_all(&build);
    if (status == TF2_OK)
        status = upload_rest(&build);
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
