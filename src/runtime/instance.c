/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.c: a plan, and per part an executable and a run state on its device.
 */
#include "runtime/instance.h"

#include "common/host_memory.h"

#include <math.h>
#include <stdatomic.h>

struct part {
    struct tf2__device *device;
    struct tf2__executable *executable;
    struct tf2__run_state *state;
    struct tf2_error error; /* what it failed with in its last run; others read it behind the barrier */
};

struct tf2__instance {
    struct tf2_env env;
    struct tf2__plan *plan;
    uint32_t n_parts;
    struct part *parts;
    struct tf2__barrier *barrier; /* NULL: one part */
    uint64_t *step_ns;            /* NULL: no profile */
    _Atomic uint64_t n_runs;
    struct tf2__host_block **lent; /* per input; NULL: it was written */
    atomic_uint n_borrowers;       /* parts that have not given back what was lent */
};

/* --- making one --- */

static enum tf2_status
check(struct tf2__device *const *devices, const double *shares, uint32_t n_parts, struct tf2_error *error)
{
    if (n_parts == 0 || n_parts > TF2__BARRIER_MAX_PARTS)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "%u devices for one instance, wanted 1 to %d", n_parts,
            TF2__BARRIER_MAX_PARTS);
    for (uint32_t i = 0; shares && i < n_parts; i++) {
        if (!(shares[i] > 0 && isfinite(shares[i])))
            return tf2__fail(
                error, TF2_ERR_INVALID_ARGUMENT, "device %s: a share of %g, wanted more than 0",
                devices[i]->info.id, shares[i]);
    }
    for (uint32_t i = 0; n_parts > 1 && i < n_parts; i++) {
        if (!devices[i]->memory || devices[i]->memory != devices[0]->memory ||
            devices[i]->ops != devices[0]->ops)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "devices %s and %s share no memory: steps cannot be divided among them", devices[0]->info.id,
                devices[i]->info.id);
    }
    return TF2_OK;
}

static enum tf2_status allocate(struct tf2__instance *instance, bool profile, struct tf2_error *error)
{
    instance->parts = tf2__calloc(&instance->env, instance->n_parts, sizeof(*instance->parts));
    if (instance->n_parts > 1)
        instance->barrier = tf2__barrier_create(&instance->env, instance->n_parts);
    instance->lent = tf2__calloc(&instance->env, instance->plan->graph->n_inputs, sizeof(*instance->lent));
    if (profile)
        instance->step_ns = tf2__calloc(&instance->env, instance->plan->n_steps, sizeof(*instance->step_ns));
    bool complete =
        instance->parts && instance->lent && (instance->n_parts == 1 || instance->barrier) && (!profile || instance->step_ns);
    return complete ? TF2_OK
                    : tf2__fail_memory(error, instance->n_parts * sizeof(*instance->parts), "an instance");
}

/* Whether packed weights of the other can serve at all; the device looks closer. */
static bool
is_like(const struct tf2__instance *like, const struct tf2_graph *graph, const struct tf2__device *device)
{
    const struct tf2__device *other = like ? like->parts[0].device : NULL;
    return like && like->plan->graph == graph && other->ops == device->ops &&
           other->memory == device->memory && (device->memory || other == device);
}

static enum tf2_status open_parts(
    struct tf2__instance *instance, struct tf2__device *const *devices, const double *shares,
    const struct tf2__instance_options *options, const struct tf2__instance *like, struct tf2_error *error)
{
    const struct tf2__executable *same =
        is_like(like, instance->plan->graph, devices[0]) ? like->parts[0].executable : NULL;
    for (uint32_t i = 0; i < instance->n_parts; i++) {
        struct part *part = &instance->parts[i];
        const struct tf2__part share = {
            .part = i,
            .n_parts = instance->n_parts,
            .shares = shares,
            .primary = i ? instance->parts[0].state : NULL};
        part->device = devices[i];
        if (options->enter)
            TF2__TRY(options->enter(options->user, i, error));
        TF2__TRY(part->device->ops->compile(part->device, instance->plan, same, &part->executable, error));
        TF2__TRY(part->device->ops->open(part->device, part->executable, &share, &part->state, error));
        same = instance->parts[0].executable;
    }
    return TF2_OK;
}

enum tf2_status tf2__instance_create(
    const struct tf2_graph *graph, struct tf2__device *const *devices, const double *shares, uint32_t n_parts,
    const struct tf2__instance_options *options, const struct tf2__instance *like, struct tf2__instance **out,
    struct tf2_error *error)
{
    TF2__TRY(check(devices, shares, n_parts, error));
    struct tf2__instance *instance = tf2__calloc(&devices[0]->env, 1, sizeof(*instance));
    if (!instance)
        return tf2__fail_memory(error, sizeof(*instance), "an instance");
    instance->env = devices[0]->env;
    instance->n_parts = n_parts;
    const struct tf2__plan_options plan = {
        .input_shapes = options->input_shapes,
        .pixels = options->pixels,
        .n_parts = n_parts,
        .weight_budget_bytes = options->weight_budget_bytes};
    enum tf2_status status = tf2__plan_create(graph, &plan, devices[0], &instance->plan, error);
    if (status == TF2_OK)
        status = allocate(instance, options->profile, error);
    if (status == TF2_OK)
        status = open_parts(instance, devices, shares, options, like, error);
    if (status != TF2_OK) {
        tf2__instance_destroy(&instance);
        return status;
    }
    *out = instance;
    return TF2_OK;
}

/* What was lent to a run that did not happen, or not on all parts. Nobody runs now. */
static void take_back(struct tf2__instance *instance, uint32_t input)
{
    if (!instance->lent[input])
        return;
    for (uint32_t i = 0; i < instance->n_parts; i++)
        instance->parts[i].device->ops->lend(instance->parts[i].state, input, NULL);
    tf2__host_release(instance->lent[input]);
    instance->lent[input] = NULL;
}

void tf2__instance_destroy(struct tf2__instance **handle)
{
    if (!handle || !*handle)
        return;
    struct tf2__instance *instance = *handle;
    struct tf2_env env = instance->env;
    for (uint32_t i = 0; instance->lent && i < instance->plan->graph->n_inputs; i++)
        take_back(instance, i);
    for (uint32_t i = instance->parts ? instance->n_parts : 0; i-- > 0;) {
        const struct part *part = &instance->parts[i];
        if (part->state)
            part->device->ops->close(part->device, part->state);
        if (part->executable)
            part->device->ops->release(part->device, part->executable);
    }
    tf2__barrier_destroy(&instance->barrier);
    tf2__plan_destroy(&instance->plan);
    tf2__free(&env, instance->parts);
    tf2__free(&env, instance->step_ns);
    tf2__free(&env, instance->lent);
    tf2__free(&env, instance);
    *handle = NULL;
}

const struct tf2__plan *tf2__instance_plan(const struct tf2__instance *instance)
{
    return instance->plan;
}

/* --- data --- */

/* Which bytes of the tensor `item` is. */
static enum tf2_status find_item(
    const struct tf2__plan_tensor *tensor, int64_t item, size_t *offset_bytes, size_t *size_bytes,
    struct tf2_error *error)
{
    int64_t n_items = tensor->shape.n_dims ? tensor->shape.dim[0] : 1;
    *offset_bytes = 0;
    *size_bytes = (size_t)tf2_shape_count(&tensor->shape) * tf2_dtype_size_bytes(tensor->dtype);
    if (item < 0)
        return TF2_OK;
    if (item >= n_items)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "'%s': item %lld, there are %lld", tensor->name, (long long)item,
            (long long)n_items);
    *size_bytes /= (size_t)n_items;
    *offset_bytes = (size_t)item * *size_bytes;
    return TF2_OK;
}

enum tf2_status tf2__instance_write(
    struct tf2__instance *instance, uint32_t input, int64_t item, const void *data, struct tf2_error *error)
{
    const struct part *part = &instance->parts[0];
    uint32_t tensor = instance->plan->inputs[input];
    size_t offset, size;
    take_back(instance, input);
    TF2__TRY(find_item(&instance->plan->tensors[tensor], item, &offset, &size, error));
    return part->device->ops->write(part->state, tensor, offset, size, data, error);
}

enum tf2_status tf2__instance_read(
    struct tf2__instance *instance, uint32_t output, int64_t item, void *data, struct tf2_error *error)
{
    const struct part *part = &instance->parts[0];
    uint32_t tensor = instance->plan->outputs[output];
    size_t offset, size;
    TF2__TRY(find_item(&instance->plan->tensors[tensor], item, &offset, &size, error));
    return part->device->ops->read(part->state, tensor, offset, size, data, error);
}

/* --- lending --- */

bool tf2__instance_lend(struct tf2__instance *instance, uint32_t input, const void *data)
{
    const struct tf2__plan_tensor *t = &instance->plan->tensors[instance->plan->inputs[input]];
    take_back(instance, input);
    if (!instance->parts[0].device->ops->lend)
        return false;
    struct tf2__host_block *block =
        tf2__host_hold(data, (size_t)tf2_shape_count(&t->shape) * tf2_dtype_size_bytes(t->dtype));
    if (!block)
        return false;
    for (uint32_t i = 0; i < instance->n_parts; i++) {
        const struct part *part = &instance->parts[i];
        if (part->device->ops->lend(part->state, input, data))
            continue;
        while (i-- > 0)
            instance->parts[i].device->ops->lend(instance->parts[i].state, input, NULL);
        tf2__host_release(block);
        return false;
    }
    instance->lent[input] = block;
    atomic_store(&instance->n_borrowers, instance->n_parts);
    return true;
}

/* After the part's run. Nobody has waited for commands that a failed run left behind. */
static void give_back(struct tf2__instance *instance, const struct part *part, bool failed)
{
    const uint32_t n_inputs = instance->plan->graph->n_inputs;
    if (atomic_load(&instance->n_borrowers) == 0)
        return;
    if (failed)
        (void)part->device->ops->finish(part->state, NULL);
    for (uint32_t i = 0; i < n_inputs; i++) {
        if (instance->lent[i])
            part->device->ops->lend(part->state, i, NULL);
    }
    if (atomic_fetch_sub(&instance->n_borrowers, 1) > 1)
        return;
    for (uint32_t i = 0; i < n_inputs; i++) {
        if (instance->lent[i])
            tf2__host_release(instance->lent[i]);
        instance->lent[i] = NULL;
    }
}

/* --- running --- */

static enum tf2_status
run_steps(struct tf2__instance *instance, uint32_t index, uint64_t *ns, struct tf2_error *error)
{
    struct part *part = &instance->parts[index];
    enum tf2_status status =
        part->device->ops->run(part->state, 0, instance->plan->n_steps, instance->barrier, ns, error);
    if (status == TF2_OK)
        status = part->device->ops->finish(part->state, error);
    give_back(instance, part, status != TF2_OK);
    return status;
}

/* A part that failed tells its own failure, the others that of the part that failed first. */
static enum tf2_status
report(const struct tf2__instance *instance, uint32_t index, enum tf2_status status, struct tf2_error *error)
{
    uint32_t failed = tf2__barrier_failed(instance->barrier, index);
    if (status != TF2_ERR_CANCELLED) {
        if (error)
            *error = instance->parts[index].error;
        return status;
    }
    return tf2__fail(
        error, status, "%s",
        failed < instance->n_parts ? instance->parts[failed].error.message : "the run was given up");
}

static enum tf2_status run_part(struct tf2__instance *instance, uint32_t index, struct tf2_error *error)
{
    struct part *part = &instance->parts[index];
    tf2__barrier_enter(instance->barrier, index);
    part->error.status = TF2_OK;
    enum tf2_status status = run_steps(instance, index, index == 0 ? instance->step_ns : NULL, &part->error);
    if (status != TF2_OK && status != TF2_ERR_CANCELLED)
        tf2__barrier_fail(instance->barrier, index);
    if (status == TF2_OK && !tf2__barrier_wait(instance->barrier, index))
        status = TF2_ERR_CANCELLED;
    if (status != TF2_OK)
        status = report(instance, index, status, error);
    if (status == TF2_OK && index == 0)
        atomic_fetch_add_explicit(&instance->n_runs, 1, memory_order_relaxed);
    tf2__barrier_leave(instance->barrier, index);
    return status;
}

enum tf2_status tf2__instance_run(struct tf2__instance *instance, uint32_t part, struct tf2_error *error)
{
    if (instance->n_parts > 1)
        return run_part(instance, part, error);
    TF2__TRY(run_steps(instance, 0, instance->step_ns, error));
    atomic_fetch_add_explicit(&instance->n_runs, 1, memory_order_relaxed);
    return TF2_OK;
}

void tf2__instance_abort(struct tf2__instance *instance)
{
    if (instance->barrier)
        tf2__barrier_abort(instance->barrier);
}

bool tf2__instance_waits(const struct tf2__instance *instance, uint32_t part)
{
    return instance->barrier && !tf2__barrier_is_last(instance->barrier, part);
}

/* --- figures --- */

void tf2__instance_stats(const struct tf2__instance *instance, struct tf2__instance_stats *stats)
{
    *stats = (struct tf2__instance_stats){
        .n_runs = atomic_load_explicit(&instance->n_runs, memory_order_relaxed),
        .arena_bytes = (size_t)instance->plan->arena_bytes,
        .live_bytes = (size_t)instance->plan->live_bytes,
        .macs = instance->plan->macs};
    for (uint32_t i = 0; i < instance->n_parts; i++) {
        const struct part *part = &instance->parts[i];
        struct tf2__device_stats of_part;
        part->device->ops->stats(part->state, &of_part);
        stats->streamed_bytes += of_part.streamed_bytes;
        stats->transfer_ns += of_part.transfer_ns;
        stats->stall_ns += of_part.stall_ns;
        stats->weights_bytes +=
            i == 0 ? of_part.weights_bytes : of_part.weights_bytes - of_part.shared_weights_bytes;
        stats->shared_weights_bytes += i == 0 ? of_part.shared_weights_bytes : 0;
    }
}

size_t tf2__instance_device_bytes(const struct tf2__instance *instance, uint32_t part)
{
    const struct part *p = &instance->parts[part];
    struct tf2__device_stats stats;
    p->device->ops->stats(p->state, &stats);
    return stats.device_bytes;
}

void tf2__instance_step_info(const struct tf2__instance *instance, uint32_t index, struct tf2_step_info *info)
{
    static const char *const kinds[] = {"", "copy", "fill", "pixels"};
    const struct tf2__step *step = &instance->plan->steps[index];
    *info = (struct tf2_step_info){
        .name = step->name,
        .op = step->node ? step->node->op->name : kinds[step->kind],
        .kernel = step->kernel ? step->kernel : "",
        .macs = step->macs,
        .total_ns = instance->step_ns ? instance->step_ns[index] : 0,
        .n_runs = atomic_load_explicit(&instance->n_runs, memory_order_relaxed)};
}
