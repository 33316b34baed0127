/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execute.c: running an executable: a run state's queue, arena and kernels. A run only enqueues.
 */
#include "runtime/cl/internal.h"

#include "common/clock.h"
#include "common/host_memory.h"
#include "runtime/cl/stream.h"

/* Where a kernel is told where an input lies. */
struct place {
    cl_kernel kernel;
    cl_uint arg; /* the memory; the next argument is the element in it */
    uint32_t input;
    int64_t at; /* elements behind the input's first */
};

struct tf2__run_state {
    const struct tf2__executable *exe;
    uint32_t part;
    cl_command_queue queue;
    struct tf2__cl_memory arena; /* part 0's */
    struct tf2__arena memory;    /* owns the tasks */
    struct tf2__cl_tasks tasks;
    struct tf2__cl_stream stream;
    struct tf2__cl_memory *resident; /* per buffer: weights that stay here though there is a budget */
    struct tf2__cl_reader *reader;   /* NULL: nothing is streamed */
    struct place *places;            /* of the inputs that can be lent */
    uint32_t n_places;
    cl_mem *lent; /* per input; NULL: it lies in the arena */
};

static void destroy(struct tf2__device *base)
{
    struct tf2__cl_device *device = (struct tf2__cl_device *)base;
    struct tf2_env env = base->env;
    for (int i = 0; i < TF2__CL_N_FAMILIES; i++) {
        if (device->programs[i])
            clReleaseProgram(device->programs[i]);
    }
    if (device->context)
        clReleaseContext(device->context);
    pthread_mutex_destroy(&device->lock);
    tf2__free(&env, device->cache_dir);
    tf2__free(&env, device->key);
    tf2__free(&env, device);
}

static void close_state(struct tf2__device *device, struct tf2__run_state *state)
{
    if (!state)
        return;
    if (state->queue)
        clFinish(state->queue); /* a run whose outputs were not read may still be under way */
    tf2__cl_reader_stop(&state->reader);
    for (uint32_t i = 0; i < state->tasks.n; i++) {
        if (state->tasks.task[i].kernel)
            clReleaseKernel(state->tasks.task[i].kernel);
    }
    for (uint32_t i = 0; state->resident && i < state->exe->n_buffers; i++)
        tf2__cl_memory_destroy(state->exe->device, &state->resident[i]);
    for (uint32_t i = 0; state->lent && i < state->exe->plan->graph->n_inputs; i++) {
        if (state->lent[i])
            clReleaseMemObject(state->lent[i]);
    }
    tf2__cl_memory_destroy(state->exe->device, &state->arena);
    if (state->queue)
        clReleaseCommandQueue(state->queue);
    tf2__arena_finish(&state->memory);
    tf2__free(&device->env, state);
}

static cl_int
set_arg(const struct tf2__run_state *state, cl_kernel kernel, cl_uint index, const struct tf2__cl_arg *arg)
{
    const cl_mem *mem;
    switch (arg->kind) {
    case TF2__CL_ARG_ARENA:
    case TF2__CL_ARG_INPUT:
        return clSetKernelArg(kernel, index, sizeof(cl_mem), &state->arena.mem);
    case TF2__CL_ARG_BUFFER:
        mem = &state->exe->buffers[arg->value.buffer].mem;
        if (!*mem && state->resident)
            mem = &state->resident[arg->value.buffer].mem; /* NULL for streamed weights: see set_task_args */
        return clSetKernelArg(kernel, index, sizeof(cl_mem), mem);
    case TF2__CL_ARG_INT:
        return clSetKernelArg(kernel, index, sizeof(cl_int), &arg->value.i);
    case TF2__CL_ARG_FLOAT:
        return clSetKernelArg(kernel, index, sizeof(cl_float), &arg->value.f);
    }
    return CL_INVALID_ARG_VALUE;
}

static cl_int set_int(cl_kernel kernel, cl_uint index, int64_t value)
{
    const cl_int small = (cl_int)value;
    return clSetKernelArg(kernel, index, sizeof(small), &small);
}

/* Which part of the launch it does, and the piece of weights that it reads. */
static cl_int
set_task_args(const struct tf2__run_state *state, const struct tf2__cl_launch *launch, const struct tf2__cl_task *task)
{
    cl_int code = set_int(task->kernel, launch->n_args, (int64_t)task->first[0]);
    if (code == CL_SUCCESS)
        code = set_int(task->kernel, launch->n_args + 1, (int64_t)task->first[1]);
    if (code != CL_SUCCESS || task->piece == TF2__CL_NONE)
        return code;
    const cl_mem slot = tf2__cl_reader_slot(state->reader, task->piece);
    code = clSetKernelArg(task->kernel, launch->blocks->arg, sizeof(slot), &slot);
    return code == CL_SUCCESS ? set_int(task->kernel, launch->blocks->arg + 1, task->skip) : code;
}

/* A kernel object with all its arguments. */
static enum tf2_status make_kernel(
    const struct tf2__run_state *state, const struct tf2__cl_launch *launch, struct tf2__cl_task *task,
    struct tf2_error *error)
{
    cl_program program;
    cl_int code;
    TF2__TRY(tf2__cl_program_get(state->exe->device, launch->family, &program, error));
    task->kernel = clCreateKernel(program, launch->kernel, &code);
    if (!task->kernel)
        return tf2__cl_fail(error, code, launch->kernel);
    for (uint32_t i = 0; i < launch->n_args && code == CL_SUCCESS; i++)
        code = set_arg(state, task->kernel, i, &launch->args[i]);
    if (code == CL_SUCCESS)
        code = set_task_args(state, launch, task);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "clSetKernelArg");
}

static cl_int enqueue(const struct tf2__run_state *state, const struct tf2__cl_task *task, cl_event *event)
{
    static const size_t local[2] = {1, 1};
    return clEnqueueNDRangeKernel(state->queue, task->kernel, 2, NULL, task->size, local, 0, NULL, event);
}

static enum tf2_status clear_arena(struct tf2__run_state *state, size_t size_bytes, struct tf2_error *error)
{
    static const cl_float zero = 0.0f;
    cl_int code = clEnqueueFillBuffer(
        state->queue, state->arena.mem, &zero, sizeof(zero), 0, size_bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "clEnqueueFillBuffer");
}

static enum tf2_status run_init(struct tf2__run_state *state, struct tf2_error *error)
{
    for (uint32_t i = 0; i < state->exe->n_init; i++) {
        const struct tf2__cl_launch *launch = &state->exe->init[i];
        struct tf2__cl_task task = {.piece = TF2__CL_NONE, .size = {launch->global[0], launch->global[1]}};
        enum tf2_status status = make_kernel(state, launch, &task, error);
        cl_int code = status == TF2_OK ? enqueue(state, &task, NULL) : CL_SUCCESS;
        if (status == TF2_OK && code != CL_SUCCESS)
            status = tf2__cl_fail(error, code, "clearing a halo");
        if (status == TF2_OK && (code = clFinish(state->queue)) != CL_SUCCESS)
            status = tf2__cl_fail(error, code, "clearing a halo");
        if (task.kernel)
            clReleaseKernel(task.kernel);
        TF2__TRY(status);
    }
    return TF2_OK;
}

static enum tf2_status finish(struct tf2__run_state *state, struct tf2_error *error)
{
    cl_int code = clFinish(state->queue);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "running");
}

/* What this part did has to be done before the others go on. */
static enum tf2_status meet(struct tf2__run_state *state, struct tf2__barrier *barrier, struct tf2_error *error)
{
    TF2__TRY(finish(state, error));
    return tf2__barrier_wait(barrier, state->part)
               ? TF2_OK
               : tf2__fail(error, TF2_ERR_CANCELLED, "another device failed");
}

static enum tf2_status run_task(
    struct tf2__run_state *state, const struct tf2__cl_task *task, struct tf2__barrier *barrier,
    struct tf2_error *error)
{
    if (task->meet && barrier)
        TF2__TRY(meet(state, barrier, error));
    if (task->launch == TF2__CL_NONE)
        return TF2_OK;
    cl_event last_use = NULL;
    if (task->piece != TF2__CL_NONE)
        TF2__TRY(tf2__cl_reader_acquire(state->reader, state->queue, task->piece, error));
    cl_int code = enqueue(state, task, task->piece_ends ? &last_use : NULL);
    if (code != CL_SUCCESS)
        return tf2__cl_fail(error, code, state->exe->launches[task->launch].kernel);
    if (task->piece_ends)
        tf2__cl_reader_release(state->reader, last_use);
    return TF2_OK;
}

static enum tf2_status run_steps(
    struct tf2__run_state *state, uint32_t first, uint32_t last, struct tf2__barrier *barrier, uint64_t *ns,
    struct tf2_error *error)
{
    const struct tf2__cl_tasks *tasks = &state->tasks;
    for (uint32_t step = first; step < last; step++) {
        uint64_t start = ns ? tf2__clock_ns() : 0;
        enum tf2_status status = TF2_OK;
        for (uint32_t i = tasks->first[step]; status == TF2_OK && i < tasks->first[step + 1]; i++)
            status = run_task(state, &tasks->task[i], barrier, error);
        if (status == TF2_OK && ns)
            status = finish(state, error);
        if (status != TF2_OK)
            return tf2__fail_prefix(error, status, "%s", state->exe->plan->steps[step].name);
        if (ns)
            ns[step] += tf2__clock_ns() - start;
    }
    return TF2_OK;
}

static enum tf2_status make_arena(struct tf2__run_state *state, const struct tf2__part *part, struct tf2_error *error)
{
    static const char what[] = "intermediate tensors";
    const struct tf2__executable *exe = state->exe;
    size_t size_bytes = (size_t)TF2__MAX(exe->plan->arena_bytes, TF2__ALIGNMENT);
    if (part->primary)
        return tf2__cl_memory_share(
            exe->device, CL_MEM_READ_WRITE, &part->primary->arena, what, &state->arena, error);
    TF2__TRY(tf2__cl_memory_create(exe->device, CL_MEM_READ_WRITE, size_bytes, what, &state->arena, error));
    return clear_arena(state, size_bytes, error);
}

/* With a budget: weights that stay, and a reader for those that do not. */
static enum tf2_status make_weights(struct tf2__run_state *state, struct tf2_error *error)
{
    const struct tf2__executable *exe = state->exe;
    TF2__TRY(tf2__cl_stream_plan(exe, &state->memory, &state->tasks, &state->stream, error));
    state->resident = tf2__arena_alloc(&state->memory, exe->n_buffers, sizeof(*state->resident));
    if (!state->resident)
        return tf2__fail_memory(error, exe->n_buffers * sizeof(*state->resident), "a list of weights");
    for (uint32_t i = 0; i < exe->n_buffers; i++) {
        if (!state->stream.resident[i])
            continue;
        state->resident[i] = exe->buffers[i];
        state->resident[i].borrowed = true;
        TF2__TRY(tf2__cl_memory_upload(exe->device, "weights", &state->resident[i], error));
    }
    return state->stream.n_pieces ? tf2__cl_reader_start(exe, &state->stream, &state->reader, error) : TF2_OK;
}

/* The element of the arena that the input begins with. */
static int64_t input_offset(const struct tf2__run_state *state, uint32_t input)
{
    const struct tf2__plan *plan = state->exe->plan;
    return tf2__plan_offset(plan, plan->inputs[input]);
}

/* Where the tasks' kernels are told where inputs lie: how many places, written to `places` if it is not NULL. */
static uint32_t find_places(const struct tf2__run_state *state, struct place *places)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < state->tasks.n; i++) {
        const struct tf2__cl_task *task = &state->tasks.task[i];
        const struct tf2__cl_launch *launch = task->kernel ? &state->exe->launches[task->launch] : NULL;
        for (uint32_t k = 0; launch && k < launch->n_args; k++) {
            const struct tf2__cl_arg *arg = &launch->args[k];
            if (arg->kind != TF2__CL_ARG_INPUT)
                continue;
            const uint32_t input = arg->value.buffer;
            if (places)
                places[n] = (struct place){task->kernel, k, input, arg[1].value.i - input_offset(state, input)};
            n++;
        }
    }
    return n;
}

static enum tf2_status make_places(struct tf2__run_state *state, struct tf2_error *error)
{
    const uint32_t n_inputs = state->exe->plan->graph->n_inputs;
    state->lent = tf2__arena_alloc(&state->memory, n_inputs, sizeof(*state->lent));
    state->places = tf2__arena_alloc(&state->memory, find_places(state, NULL), sizeof(*state->places));
    if (!state->lent || !state->places)
        return tf2__fail_memory(error, n_inputs * sizeof(*state->places), "a list of inputs");
    state->n_places = find_places(state, state->places);
    return TF2_OK;
}

static enum tf2_status make_tasks(struct tf2__run_state *state, const struct tf2__part *part, struct tf2_error *error)
{
    TF2__TRY(tf2__cl_divide(state->exe, part, &state->memory, &state->tasks, error));
    if (state->exe->plan->weight_budget_bytes)
        TF2__TRY(make_weights(state, error));
    for (uint32_t i = 0; i < state->tasks.n; i++) {
        struct tf2__cl_task *task = &state->tasks.task[i];
        if (task->launch != TF2__CL_NONE)
            TF2__TRY(make_kernel(state, &state->exe->launches[task->launch], task, error));
    }
    return make_places(state, error);
}

static enum tf2_status
prepare(struct tf2__run_state *state, const struct tf2__part *part, struct tf2_error *error)
{
    const struct tf2__executable *exe = state->exe;
    cl_int code;
    state->queue = clCreateCommandQueue(exe->device->context, exe->device->id, 0, &code);
    if (!state->queue)
        return tf2__cl_fail(error, code, "clCreateCommandQueue");
    TF2__TRY(make_arena(state, part, error));
    TF2__TRY(make_tasks(state, part, error));
    /* Once through everything: first launches compile and load code. Then the halos, which stay. */
    TF2__TRY(run_steps(state, 0, exe->plan->n_steps, NULL, NULL, error));
    if (part->part == 0)
        TF2__TRY(run_init(state, error));
    code = clFinish(state->queue);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "the first run");
}

static enum tf2_status open_state(
    struct tf2__device *device, const struct tf2__executable *exe, const struct tf2__part *part,
    struct tf2__run_state **out, struct tf2_error *error)
{
    if (part->n_parts > 1 && !device->memory)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%s cannot share steps with other devices", device->info.id);
    struct tf2__run_state *state = tf2__calloc(&device->env, 1, sizeof(*state));
    if (!state)
        return tf2__fail_memory(error, sizeof(*state), "a run state");
    state->exe = exe;
    state->part = part->part;
    tf2__arena_init(&state->memory, &device->env);
    enum tf2_status status = prepare(state, part, error);
    if (status != TF2_OK) {
        close_state(device, state);
        return status;
    }
    *out = state;
    return TF2_OK;
}

/* Where the tensor's first element lies in the arena. */
static size_t tensor_at(const struct tf2__run_state *state, uint32_t tensor)
{
    size_t element_bytes = tf2_dtype_size_bytes(state->exe->plan->tensors[tensor].dtype);
    return (size_t)tf2__plan_offset(state->exe->plan, tensor) * element_bytes;
}

static enum tf2_status write_tensor(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, const void *data,
    struct tf2_error *error)
{
    size_t at = tensor_at(state, tensor) + offset_bytes;
    cl_int code =
        clEnqueueWriteBuffer(state->queue, state->arena.mem, CL_TRUE, at, size_bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "writing an input");
}

static bool point_to(struct tf2__run_state *state, uint32_t input, cl_mem mem, int64_t first)
{
    cl_int code = CL_SUCCESS;
    for (uint32_t i = 0; i < state->n_places; i++) {
        const struct place *place = &state->places[i];
        if (place->input != input)
            continue;
        if (code == CL_SUCCESS)
            code = clSetKernelArg(place->kernel, place->arg, sizeof(mem), &mem);
        if (code == CL_SUCCESS)
            code = set_int(place->kernel, place->arg + 1, first + place->at);
    }
    return code == CL_SUCCESS;
}

/* A buffer begins at an aligned address; the input may begin behind that. */
static bool lend_input(struct tf2__run_state *state, uint32_t input, const void *data)
{
    const struct tf2__plan_tensor *t = &state->exe->plan->tensors[state->exe->plan->inputs[input]];
    const size_t element_bytes = tf2_dtype_size_bytes(t->dtype), lead = (uintptr_t)data % TF2__CL_ALIGNMENT;
    if (state->lent[input]) {
        (void)point_to(state, input, state->arena.mem, input_offset(state, input));
        clReleaseMemObject(state->lent[input]);
        state->lent[input] = NULL;
    }
    if (!data || !state->exe->device->is_pocl_cpu || !state->exe->lendable[input] || lead % element_bytes != 0)
        return !data;
    void *host = (unsigned char *)(uintptr_t)data - lead;
    size_t size_bytes = lead + (size_t)tf2_shape_count(&t->shape) * element_bytes;
    state->lent[input] = clCreateBuffer(
        state->exe->device->context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, size_bytes, host, NULL);
    if (state->lent[input] && point_to(state, input, state->lent[input], (int64_t)(lead / element_bytes)))
        return true;
    lend_input(state, input, NULL);
    return false;
}

static enum tf2_status read_tensor(
    struct tf2__run_state *state, uint32_t tensor, size_t offset_bytes, size_t size_bytes, void *data,
    struct tf2_error *error)
{
    const struct tf2__plan_tensor *t = &state->exe->plan->tensors[tensor];
    if (t->data) {
        memcpy(data, (const unsigned char *)t->data + offset_bytes, size_bytes);
        return TF2_OK;
    }
    size_t at = tensor_at(state, tensor) + offset_bytes;
    cl_int code =
        clEnqueueReadBuffer(state->queue, state->arena.mem, CL_TRUE, at, size_bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? TF2_OK : tf2__cl_fail(error, code, "reading an output");
}

static void get_stats(const struct tf2__run_state *state, struct tf2__device_stats *stats)
{
    const struct tf2__executable *exe = state->exe;
    *stats = (struct tf2__device_stats){
        .weights_bytes = exe->weights_bytes,
        .shared_weights_bytes = exe->shared_weights_bytes,
        .device_bytes = exe->plan->weight_budget_bytes
                            ? state->stream.resident_bytes + state->stream.n_slots * state->stream.slot_bytes
                            : exe->weights_bytes - exe->shared_weights_bytes};
    if (state->reader)
        tf2__cl_reader_stats(state->reader, stats);
}

const struct tf2__device_ops tf2__cl_device_ops = {
    .destroy = destroy,
    .choose = tf2__cl_choose,
    .compile = tf2__cl_compile,
    .release = tf2__cl_release,
    .open = open_state,
    .close = close_state,
    .write = write_tensor,
    .read = read_tensor,
    .lend = lend_input,
    .run = run_steps,
    .finish = finish,
    .stats = get_stats,
};
