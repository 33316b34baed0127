/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c: what of the weights stays on the device, and in which pieces the rest comes.
 *
 *     budget   ┌────────────────┬────────────┬────────────┬ ─
 *     (bytes)  │ resident       │ slot 0     │ slot 1     │
 *              └────────────────┴────────────┴────────────┴ ─
 *
 * Slots of a MiB, or together three quarters of the budget, come first. In the rest weights with the least computation
 * per byte stay: their transfer would be the hardest to hide. The others are cut at blocks of output channels and packed one behind the other into pieces of at most a slot, in
 * the order of the run: a piece can have several layers, a layer several pieces. While the device computes from one slot
 * the next pieces come to the others. Two slots are enough for that; three, where each holds a block, keep the
 * reader from having to be woken just in time.
 */
#include "runtime/cl/stream.h"

#include <stdlib.h>

#define COPY_ALIGNMENT 64
/* Smaller slots make more pieces, each with launches of its own: that costs more than what stays saves. */
#define SLOT_BYTES ((size_t)1 << 20)

/* Weights of one buffer, as this run state uses them. */
struct weights {
    uint32_t buffer;
    size_t first_bytes, last_bytes; /* the part of it that is read */
    size_t block_bytes;             /* the largest block */
    uint32_t last_launch, n_launches;
    double macs; /* of each launch that reads it */
};

struct planning {
    const struct tf2__executable *exe;
    struct tf2__arena *arena;
    struct tf2__cl_tasks old;
    struct tf2__cl_tasks *tasks;
    struct tf2__cl_stream *stream;
    struct weights *weights;
    uint32_t n_weights;
    size_t used_bytes;    /* of the last piece's slot */
    uint32_t short_piece; /* from this one on pieces have short_bytes only; TF2__CL_NONE: none */
    size_t short_bytes;
    struct tf2_error *error;
};

/* --- which weights --- */

static struct weights *find_weights(struct planning *p, uint32_t buffer)
{
    for (uint32_t i = 0; i < p->n_weights; i++) {
        if (p->weights[i].buffer == buffer)
            return &p->weights[i];
    }
    struct weights *w = &p->weights[p->n_weights++];
    *w = (struct weights){.buffer = buffer, .first_bytes = SIZE_MAX, .last_launch = TF2__CL_NONE};
    return w;
}

static double share_of(const struct tf2__cl_task *task, const struct tf2__cl_launch *launch)
{
    return (double)(task->size[0] * task->size[1]) / (double)(launch->global[0] * launch->global[1]);
}

static void collect_task(struct planning *p, const struct tf2__step *step, const struct tf2__cl_task *task)
{
    const struct tf2__cl_launch *launch = &p->exe->launches[task->launch];
    const struct tf2__cl_blocks *blocks = launch->blocks;
    struct weights *w = find_weights(p, blocks->buffer);
    size_t last = task->first[1] + task->size[1];
    w->first_bytes = TF2__MIN(w->first_bytes, blocks->start[task->first[1]]);
    w->last_bytes = TF2__MAX(w->last_bytes, blocks->start[last]);
    for (size_t b = task->first[1]; b < last; b++)
        w->block_bytes = TF2__MAX(w->block_bytes, blocks->start[b + 1] - blocks->start[b]);
    w->macs += (double)step->macs * share_of(task, launch);
    w->n_launches += w->last_launch != task->launch;
    w->last_launch = task->launch;
}

/* Several launches of a step that read the same weights do a part of its work each, and each may have them sent. */
static double macs_per_byte(const struct weights *w)
{
    return w->macs / w->n_launches / w->n_launches / (double)(w->last_bytes - w->first_bytes);
}

static int less_work_first(const void *a, const void *b)
{
    const struct weights *x = a, *y = b;
    double of_x = macs_per_byte(x), of_y = macs_per_byte(y);
    if (of_x != of_y)
        return of_x < of_y ? -1 : 1;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

static enum tf2_status collect(struct planning *p)
{
    p->weights = tf2__arena_alloc(p->arena, p->exe->n_buffers, sizeof(*p->weights));
    if (!p->weights)
        return tf2__fail_memory(p->error, p->exe->n_buffers * sizeof(*p->weights), "a list of weights");
    for (uint32_t step = 0; step < p->exe->plan->n_steps; step++) {
        for (uint32_t i = p->old.first[step]; i < p->old.first[step + 1]; i++) {
            const struct tf2__cl_task *task = &p->old.task[i];
            if (task->launch != TF2__CL_NONE && p->exe->launches[task->launch].blocks)
                collect_task(p, &p->exe->plan->steps[step], task);
        }
    }
    qsort(p->weights, p->n_weights, sizeof(*p->weights), less_work_first);
    return TF2_OK;
}

/* --- what stays --- */

static size_t needed_bytes(const struct weights *w)
{
    return w->last_bytes - w->first_bytes;
}

static void keep(struct planning *p, const struct weights *w)
{
    p->stream->resident[w->buffer] = true;
    p->stream->resident_bytes += needed_bytes(w);
}

/* Fills resident and slot_bytes. */
static enum tf2_status choose_resident(struct planning *p)
{
    const size_t budget = p->exe->plan->weight_budget_bytes;
    size_t all = 0, block = 0;
    for (uint32_t i = 0; i < p->n_weights; i++) {
        all += needed_bytes(&p->weights[i]);
        block = TF2__MAX(block, p->weights[i].block_bytes);
    }
    block = (size_t)tf2__round_up((int64_t)block, COPY_ALIGNMENT);
    if (all <= budget) {
        for (uint32_t i = 0; i < p->n_weights; i++)
            keep(p, &p->weights[i]);
        return TF2_OK;
    }
    if (budget < TF2__CL_MIN_SLOTS * block)
        return tf2__fail(
            p->error, TF2_ERR_NO_MEMORY,
            "a budget of %zu bytes for weights on %s: streaming these needs %zu, two blocks of output "
            "channels of the "
            "largest layer",
            budget, p->exe->device->base.info.id, TF2__CL_MIN_SLOTS * block);
    const size_t slots = TF2__MAX(TF2__MIN(budget / 4 * 3, TF2__CL_MAX_SLOTS * SLOT_BYTES), TF2__CL_MIN_SLOTS * block);
    const size_t most = budget - slots;
    for (uint32_t i = 0; i < p->n_weights; i++) {
        if (p->stream->resident_bytes + needed_bytes(&p->weights[i]) <= most)
            keep(p, &p->weights[i]);
    }
    const size_t left = budget - p->stream->resident_bytes;
    const size_t n_slots = TF2__MAX(left / block, TF2__CL_MIN_SLOTS);
    p->stream->n_slots = (uint32_t)TF2__MIN(n_slots, TF2__CL_MAX_SLOTS);
    p->stream->slot_bytes = left / p->stream->n_slots / COPY_ALIGNMENT * COPY_ALIGNMENT;
    return TF2_OK;
}

/* --- pieces --- */

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

static bool begin_piece(struct planning *p)
{
    struct tf2__cl_stream *s = p->stream;
    if (!grow(p->arena, (void **)&s->pieces, s->n_pieces, &s->cap_pieces, sizeof(*s->pieces)))
        return false;
    s->pieces[s->n_pieces++].first_copy = s->n_copies;
    p->used_bytes = 0;
    return true;
}

static bool add_copy(struct planning *p, uint32_t buffer, size_t from, size_t size)
{
    struct tf2__cl_stream *s = p->stream;
    if (!grow(p->arena, (void **)&s->copies, s->n_copies, &s->cap_copies, sizeof(*s->copies)))
        return false;
    s->copies[s->n_copies++] = (struct tf2__cl_copy){buffer, from, size, p->used_bytes};
    p->used_bytes += (size_t)tf2__round_up((int64_t)size, COPY_ALIGNMENT);
    return true;
}

/* A copy in the last piece that begins not later than block `first`; *n_blocks: how many it has from there on, at most
 * those wanted. */
static const struct tf2__cl_copy *
find_copy(const struct planning *p, const struct tf2__cl_blocks *blocks, size_t first, size_t *n_blocks)
{
    const struct tf2__cl_stream *s = p->stream;
    for (uint32_t i = s->n_pieces ? s->pieces[s->n_pieces - 1].first_copy : 0; i < s->n_copies; i++) {
        const struct tf2__cl_copy *copy = &s->copies[i];
        size_t n = 0, end = copy->from_bytes + copy->size_bytes;
        if (copy->buffer != blocks->buffer || copy->from_bytes > blocks->start[first])
            continue;
        while (n < *n_blocks && blocks->start[first + n + 1] <= end)
            n++;
        if (n == 0)
            continue;
        *n_blocks = n;
        return copy;
    }
    return NULL;
}

/* Has the weights of blocks first .. first + *n_blocks - 1 sent, or as many as fit the last piece. */
static const struct tf2__cl_copy *
send_blocks(struct planning *p, const struct tf2__cl_blocks *blocks, size_t first, size_t *n_blocks)
{
    const bool is_short = p->stream->n_pieces && p->stream->n_pieces - 1 >= p->short_piece;
    const size_t wanted = *n_blocks, whole = p->stream->slot_bytes, slot = is_short ? p->short_bytes : whole;
    const struct tf2__cl_copy *copy = find_copy(p, blocks, first, n_blocks);
    if (copy)
        return copy;
    size_t n = 0;
    while (n < wanted && p->used_bytes + blocks->start[first + n + 1] - blocks->start[first] <= slot)
        n++;
    if (p->stream->n_pieces == 0 || n == 0) {
        if (!begin_piece(p))
            return NULL;
        const size_t room = p->stream->n_pieces - 1 >= p->short_piece ? p->short_bytes : whole;
        for (n = 1; n < wanted && blocks->start[first + n + 1] - blocks->start[first] <= room; n++)
            ;
    }
    *n_blocks = n;
    if (!add_copy(p, blocks->buffer, blocks->start[first], blocks->start[first + n] - blocks->start[first]))
        return NULL;
    return &p->stream->copies[p->stream->n_copies - 1];
}

/* The task once per piece that it needs. */
static bool cut_task(struct planning *p, const struct tf2__cl_task *task)
{
    const struct tf2__cl_blocks *blocks = p->exe->launches[task->launch].blocks;
    size_t block = task->first[1], last = block + task->size[1];
    while (block < last) {
        size_t n_blocks = last - block;
        const struct tf2__cl_copy *copy = send_blocks(p, blocks, block, &n_blocks);
        struct tf2__cl_task *part = copy ? tf2__cl_task_add(p->tasks, p->arena) : NULL;
        if (!part)
            return false;
        *part = *task;
        part->meet = task->meet && block == task->first[1];
        part->first[1] = block;
        part->size[1] = n_blocks;
        part->piece = p->stream->n_pieces - 1;
        part->skip = (int64_t)copy->from_bytes - (int64_t)copy->to_bytes;
        block += n_blocks;
    }
    return true;
}

static bool is_streamed(const struct planning *p, const struct tf2__cl_task *task)
{
    const struct tf2__cl_blocks *blocks =
        task->launch == TF2__CL_NONE ? NULL : p->exe->launches[task->launch].blocks;
    return blocks && !p->stream->resident[blocks->buffer];
}

static enum tf2_status cut_all(struct planning *p)
{
    const uint32_t n_steps = p->exe->plan->n_steps;
    bool good = true;
    p->tasks->n = 0;
    p->stream->n_pieces = p->stream->n_copies = 0;
    for (uint32_t step = 0; step < n_steps; step++) {
        p->tasks->first[step] = p->tasks->n;
        for (uint32_t i = p->old.first[step]; i < p->old.first[step + 1] && good; i++) {
            if (is_streamed(p, &p->old.task[i])) {
                good = cut_task(p, &p->old.task[i]);
                continue;
            }
            struct tf2__cl_task *task = tf2__cl_task_add(p->tasks, p->arena);
            good = task != NULL;
            if (task)
                *task = p->old.task[i];
        }
    }
    p->tasks->first[n_steps] = p->tasks->n;
    good = good && grow(
                       p->arena, (void **)&p->stream->pieces, p->stream->n_pieces, &p->stream->cap_pieces,
                       sizeof(*p->stream->pieces));
    if (!good)
        return tf2__fail_memory(p->error, sizeof(struct tf2__cl_task), "pieces of weights");
    p->stream->pieces[p->stream->n_pieces].first_copy = p->stream->n_copies;
    return TF2_OK;
}

/* As many pieces as go evenly into the slots, where that can be: then the last ones of a run and the first ones of the next
 * have different slots. For that the last piece becomes several. */
static enum tf2_status make_pieces(struct planning *p)
{
    p->short_piece = TF2__CL_NONE;
    TF2__TRY(cut_all(p));
    const uint32_t over = p->stream->n_pieces % p->stream->n_slots;
    if (over == 0)
        return TF2_OK;
    p->short_piece = p->stream->n_pieces - 1;
    p->short_bytes = p->used_bytes / (p->stream->n_slots - over + 1);
    return cut_all(p);
}

/* Slots are given back by the last task that reads a piece. */
static void mark_ends(struct tf2__cl_tasks *tasks)
{
    uint32_t next = TF2__CL_NONE;
    for (uint32_t i = tasks->n; i-- > 0;) {
        if (tasks->task[i].piece == TF2__CL_NONE)
            continue;
        tasks->task[i].piece_ends = tasks->task[i].piece != next;
        next = tasks->task[i].piece;
    }
}

/* Kernels count the bytes in front in 32 bits. */
static enum tf2_status check_skips(const struct planning *p)
{
    for (uint32_t i = 0; i < p->tasks->n; i++) {
        const struct tf2__cl_task *task = &p->tasks->task[i];
        if (task->skip > INT32_MAX || task->skip < INT32_MIN)
            return tf2__fail(
                p->error, TF2_ERR_UNSUPPORTED, "%s: weights of 2^31 bytes or more cannot be streamed",
                p->exe->launches[task->launch].kernel);
    }
    return TF2_OK;
}

enum tf2_status tf2__cl_stream_plan(
    const struct tf2__executable *exe, struct tf2__arena *arena, struct tf2__cl_tasks *tasks,
    struct tf2__cl_stream *stream, struct tf2_error *error)
{
    struct planning p = {
        .exe = exe, .arena = arena, .old = *tasks, .tasks = tasks, .stream = stream, .error = error};
    stream->resident = tf2__arena_alloc(arena, exe->n_buffers, sizeof(*stream->resident));
    if (!stream->resident)
        return tf2__fail_memory(error, exe->n_buffers, "a list of weights");
    TF2__TRY(collect(&p));
    TF2__TRY(choose_resident(&p));
    if (!stream->slot_bytes)
        return TF2_OK;
    *tasks = (struct tf2__cl_tasks){0};
    tasks->first = tf2__arena_alloc(arena, (size_t)exe->plan->n_steps + 1, sizeof(*tasks->first));
    if (!tasks->first)
        return tf2__fail_memory(error, exe->plan->n_steps * sizeof(*tasks->first), "a list of tasks");
    TF2__TRY(make_pieces(&p));
    mark_ends(tasks);
    return check_skips(&p);
}
