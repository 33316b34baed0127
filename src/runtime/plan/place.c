/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c: lifetimes and places in the arena, greedy by size (the largest tensor first, each at the lowest
 * offset where nothing that is alive at the same time lies). Source: Y. Pisarchyk and J. Lee, "Efficient
 * Memory Management for Deep Neural Net Inference", 2020, section 4.2.
 *
 * A halo has to be zero (u8: the zero point) when it is read. Where no other tensor ever touches the memory, once per session is
 * enough; else a FILL step goes before the root's first writer.
 */
#include "runtime/plan/plan.h"

#include <stdlib.h>

struct block {
    int64_t size; /* bytes, like the offset */
    int32_t first, last;
    uint32_t tensor; /* a root, or TF2_NO_TENSOR: scratch of step `first` */
    int64_t offset;
};

static void touch(struct tf2__plan *plan, uint32_t tensor, int32_t when)
{
    if (tensor == TF2_NO_TENSOR || plan->tensors[tensor].data)
        return;
    struct tf2__plan_tensor *root = &plan->tensors[plan->tensors[tensor].root];
    root->first_step = TF2__MIN(root->first_step, when);
    root->last_step = TF2__MAX(root->last_step, when);
}

static void find_lifetimes(struct tf2__plan *plan)
{
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        plan->tensors[i].first_step = INT32_MAX;
        plan->tensors[i].last_step = -2;
    }
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++)
        touch(plan, plan->inputs[i], -1);
    for (uint32_t i = 0; i < plan->graph->n_outputs; i++)
        touch(plan, plan->outputs[i], (int32_t)plan->n_steps);
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        touch(plan, plan->steps[i].out, (int32_t)i);
        for (uint32_t k = 0; k < plan->steps[i].n_in; k++)
            touch(plan, plan->steps[i].in[k], (int32_t)i);
    }
}

static uint32_t list_blocks(const struct tf2__plan *plan, struct block *blocks)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[i];
        if (t->data || t->root != i || !t->laid_out || t->last_step < -1)
            continue;
        int64_t size = t->n_elements * (int64_t)tf2_dtype_size_bytes(t->dtype); /* n_elements < 2^31 */
        blocks[n++] = (struct block){
            .size = tf2__round_up(size, TF2__ALIGNMENT),
            .first = t->first_step,
            .last = t->last_step,
            .tensor = i};
    }
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].scratch_bytes)
            blocks[n++] = (struct block){
                .size = tf2__round_up(plan->steps[i].scratch_bytes, TF2__ALIGNMENT),
                .first = (int32_t)i,
                .last = (int32_t)i,
                .tensor = TF2_NO_TENSOR};
    }
    return n;
}

static int larger_first(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static bool alive_together(const struct block *a, const struct block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset, from `lead` on, for blocks[i] among the i already placed ones. `sorted` holds those by offset. */
static int64_t find_offset(const struct block *blocks, uint32_t i, const uint32_t *sorted, int64_t lead)
{
    int64_t offset = lead;
    for (uint32_t k = 0; k < i; k++) {
        const struct block *other = &blocks[sorted[k]];
        if (!alive_together(other, &blocks[i]))
            continue;
        if (offset + blocks[i].size <= other->offset)
            break;
        offset = TF2__MAX(offset, other->offset + other->size);
    }
    return offset;
}

static void place_blocks(struct tf2__plan *plan, struct block *blocks, uint32_t n, uint32_t *sorted)
{
    int64_t lead = tf2__round_up(plan->policy.slack_bytes, TF2__ALIGNMENT);
    for (uint32_t i = 0; i < n; i++) {
        blocks[i].offset = find_offset(blocks, i, sorted, lead);
        uint32_t k = i;
        while (k > 0 && blocks[sorted[k - 1]].offset > blocks[i].offset) {
            sorted[k] = sorted[k - 1];
            k--;
        }
        sorted[k] = i;
        plan->arena_bytes = TF2__MAX(plan->arena_bytes, blocks[i].offset + blocks[i].size);
        if (blocks[i].tensor == TF2_NO_TENSOR)
            plan->steps[blocks[i].first].scratch_at = blocks[i].offset;
        else
            plan->tensors[blocks[i].tensor].arena_bytes = blocks[i].offset;
    }
}

static int64_t count_live(const struct tf2__plan *plan, const struct block *blocks, uint32_t n)
{
    int64_t most = 0;
    for (int32_t when = -1; when <= (int32_t)plan->n_steps; when++) {
        int64_t live = 0;
        for (uint32_t i = 0; i < n; i++)
            live += blocks[i].first <= when && when <= blocks[i].last ? blocks[i].size : 0;
        most = TF2__MAX(most, live);
    }
    return most;
}

static bool shares_memory(const struct block *blocks, uint32_t n, uint32_t i)
{
    for (uint32_t k = 0; k < n; k++) {
        if (k != i && blocks[k].offset < blocks[i].offset + blocks[i].size &&
            blocks[i].offset < blocks[k].offset + blocks[k].size)
            return true;
    }
    return false;
}

/* Inserts FILL steps before the first writers of the marked roots. */
static enum tf2_status insert_fills(struct tf2__plan *plan, const bool *fill, struct tf2_error *error)
{
    struct tf2__step *old = plan->steps;
    uint32_t n_old = plan->n_steps;
    bool *done = tf2__arena_alloc(&plan->arena, plan->n_tensors, sizeof(*done));
    if (!done)
        return tf2__fail_memory(error, plan->n_tensors, "halo fills");
    plan->steps = NULL;
    plan->n_steps = plan->cap_steps = 0;
    for (uint32_t i = 0; i < n_old; i++) {
        uint32_t root = plan->tensors[old[i].out].root;
        struct tf2__step *step = NULL;
        if (fill[root] && !done[root]) {
            step = tf2__plan_add_step(plan, TF2__STEP_FILL, plan->tensors[root].name, NULL, 0, root);
            if (!step)
                return tf2__fail_memory(error, sizeof(*step), "a step");
            step->kernel = "halo";
            done[root] = true;
        }
        step = tf2__plan_add_step(plan, old[i].kind, old[i].name, NULL, 0, old[i].out);
        if (!step)
            return tf2__fail_memory(error, sizeof(*step), "a step");
        *step = old[i];
    }
    return TF2_OK;
}

/* Kernels count elements in 32 bits. */
static enum tf2_status
check_reach(const struct tf2__plan *plan, const struct block *blocks, uint32_t n, struct tf2_error *error)
{
    for (uint32_t i = 0; i < n; i++) {
        bool is_tensor = blocks[i].tensor != TF2_NO_TENSOR;
        /* Scratch may be counted in bytes. */
        size_t element_bytes = is_tensor ? tf2_dtype_size_bytes(plan->tensors[blocks[i].tensor].dtype) : 1;
        if ((blocks[i].offset + blocks[i].size) / (int64_t)element_bytes > INT32_MAX)
            return tf2__fail(
                error, TF2_ERR_NO_MEMORY,
                "a run needs %lld MiB of intermediate memory, at most 2^31 elements supported",
                (long long)(plan->arena_bytes >> 20));
    }
    return TF2_OK;
}

enum tf2_status tf2__plan_place(struct tf2__plan *plan, struct tf2_error *error)
{
    uint32_t cap = plan->n_tensors + plan->n_steps;
    struct block *blocks = tf2__arena_alloc(&plan->arena, cap, sizeof(*blocks));
    uint32_t *sorted = tf2__arena_alloc(&plan->arena, cap, sizeof(*sorted));
    bool *fill = tf2__arena_alloc(&plan->arena, plan->n_tensors, sizeof(*fill));
    if (!blocks || !sorted || !fill)
        return tf2__fail_memory(error, cap * sizeof(*blocks), "a memory plan");
    find_lifetimes(plan);
    uint32_t n = list_blocks(plan, blocks);
    qsort(blocks, n, sizeof(*blocks), larger_first);
    place_blocks(plan, blocks, n, sorted);
    plan->live_bytes = count_live(plan, blocks, n);
    plan->arena_bytes = tf2__round_up(plan->arena_bytes + plan->policy.slack_bytes, TF2__ALIGNMENT);
    TF2__TRY(check_reach(plan, blocks, n, error));

    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        if (blocks[i].tensor == TF2_NO_TENSOR || !plan->tensors[blocks[i].tensor].has_halo)
            continue;
        if (shares_memory(blocks, n, i))
            fill[blocks[i].tensor] = any = true;
        else
            plan->fill_once[plan->n_fill_once++] = blocks[i].tensor;
    }
    return any ? insert_fills(plan, fill, error) : TF2_OK;
}
