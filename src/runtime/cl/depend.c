/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depend.c: which launches of a plan that is divided among devices have to wait until earlier ones are done everywhere.
 *
 * A launch reads and writes ranges of the arena: its step's tensors (all memory of their roots) and scratch. It has to
 * wait if one of them meets a range that an earlier launch used since all have met last, and one of the two writes.
 * Two writes into one root do no harm where they are different channels, or a halo and what it surrounds: so branches
 * that end in one concat need not wait for each other.
 */
#include "runtime/cl/depend.h"

static struct tf2__cl_access of_tensor(const struct tf2__plan *plan, uint32_t tensor, bool writes)
{
    const struct tf2__plan_tensor *root = &plan->tensors[plan->tensors[tensor].root];
    const int64_t size = root->n_elements * (int64_t)tf2_dtype_size_bytes(root->dtype);
    return (struct tf2__cl_access){
        .tensor = tensor, .writes = writes, .first = root->arena_bytes, .last = root->arena_bytes + size};
}

/* Different channels of the same pixels: what is written behind the last channel, into the padding, included. */
static bool are_other_channels(const struct tf2__plan_tensor *a, const struct tf2__plan_tensor *b)
{
    if (a->offset > b->offset)
        return are_other_channels(b, a);
    if (a->shape.n_dims != b->shape.n_dims || a->shape.n_dims < 3 || a->stride[1] != 1 || b->stride[1] != 1)
        return false;
    int64_t pixel = INT64_MAX; /* elements from one to the next */
    for (uint32_t d = 0; d < a->shape.n_dims; d++) {
        if (d == 1)
            continue;
        if (a->shape.dim[d] != b->shape.dim[d] || a->stride[d] != b->stride[d])
            return false;
        if (a->shape.dim[d] > 1)
            pixel = TF2__MIN(pixel, a->stride[d]);
    }
    return a->offset + a->shape.dim[1] + a->room <= b->offset &&
           b->offset + b->shape.dim[1] + b->room <= a->offset + pixel;
}

static bool conflict(const struct tf2__plan *plan, const struct tf2__cl_access *a, const struct tf2__cl_access *b)
{
    if (!(a->writes || b->writes) || a->first >= b->last || b->first >= a->last)
        return false;
    if (!a->writes || !b->writes || a->tensor == TF2_NO_TENSOR || b->tensor == TF2_NO_TENSOR)
        return true;
    const struct tf2__plan_tensor *x = &plan->tensors[a->tensor], *y = &plan->tensors[b->tensor];
    return x->root != y->root || !(a->halo != b->halo || are_other_channels(x, y));
}

/* What the step's launches use, appended to `access`: how many. */
static uint32_t list_accesses(
    const struct tf2__plan *plan, const struct tf2__step *step, bool divided, struct tf2__cl_access *access)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < step->n_in; i++) {
        if (step->in[i] != TF2_NO_TENSOR && !plan->tensors[step->in[i]].data)
            access[n++] = of_tensor(plan, step->in[i], false);
    }
    access[n] = of_tensor(plan, step->out, true);
    access[n++].halo = step->kind == TF2__STEP_FILL;
    if (step->scratch_bytes)
        access[n++] = (struct tf2__cl_access){
            .tensor = TF2_NO_TENSOR,
            .writes = true,
            .first = step->scratch_at,
            .last = step->scratch_at + step->scratch_bytes};
    for (uint32_t i = 0; i < n; i++)
        access[i].divided = divided;
    return n;
}

size_t tf2__cl_pending_most(const struct tf2__executable *exe)
{
    size_t most = 0;
    for (uint32_t i = 0; i < exe->plan->n_steps; i++)
        most += (size_t)(exe->first_launch[i + 1] - exe->first_launch[i]) * (exe->plan->steps[i].n_in + 2);
    return most;
}

bool tf2__cl_pending_add(
    struct tf2__cl_pending *pending, const struct tf2__plan *plan, const struct tf2__step *step, bool divided)
{
    struct tf2__cl_access *added = pending->access + pending->n;
    const uint32_t n = list_accesses(plan, step, divided, added);
    bool meet = false;
    for (uint32_t i = 0; i < pending->n && !meet; i++) {
        for (uint32_t k = 0; k < n && (divided || pending->access[i].divided); k++)
            meet |= conflict(plan, &pending->access[i], &added[k]);
    }
    if (meet) {
        memmove(pending->access, added, n * sizeof(*added));
        pending->n = 0;
    }
    pending->n += n;
    return meet;
}
