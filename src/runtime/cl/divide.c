/* SPDX-License-Identifier: Apache-2.0 */
/*
 * divide.c: from launches to tasks: what one part does of each launch, as rectangles of its NDRange.
 *
 *     dimension 1  ┌──────────┐   the items one after the other, rows of dimension 0 first; a part gets a range of
 *     (blocks)     │000000000 │   them, which is at most three rectangles. Whole rows or whole columns are taken
 *                  │0000111111│   instead where that is estimated to be faster: fewer launches, or less to read.
 *                  │1111111111│
 *                  └──────────┘ dimension 0 (strips)
 *
 * A launch that is too small to be worth two barriers is left to part 0. A launch waits for the others first ("meet")
 * where it depends on what they did (depend.c).
 */
#include "runtime/cl/depend.h"

/* Rough speeds, for decisions only: multiply-accumulates and bytes per ns, and what a launch takes. */
#define MACS_PER_NS_INT8  200.0
#define MACS_PER_NS_FLOAT 100.0
#define MAP_BYTES_PER_NS  40.0
#define READ_BYTES_PER_NS 30.0
#define LAUNCH_NS         500.0

struct rect {
    size_t first[2], size[2];
};

/* What one part does of a launch. */
struct cut {
    uint32_t n;
    struct rect rect[3];
};

/* A launch as numbers. */
struct work {
    size_t size[2];
    double ns;                     /* all of it, on one device */
    double x_bytes, weights_bytes; /* what it reads; weights belong to dimension 1 alone */
    bool has_blocks;
};

static double tensor_bytes(const struct tf2__plan *plan, uint32_t tensor)
{
    if (tensor == TF2_NO_TENSOR)
        return 0;
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    return (double)tf2_shape_count(&t->shape) * (double)tf2_dtype_size_bytes(t->dtype);
}

static struct work describe(const struct tf2__executable *exe, uint32_t step_index, uint32_t launch_index)
{
    const struct tf2__plan *plan = exe->plan;
    const struct tf2__step *step = &plan->steps[step_index];
    const struct tf2__cl_launch *launch = &exe->launches[launch_index];
    bool int8 = step->kind == TF2__STEP_NODE && tf2__node_is_int8(plan->graph, step->node);
    double n_launches = (double)(exe->first_launch[step_index + 1] - exe->first_launch[step_index]);
    struct work work = {.size = {launch->global[0], launch->global[1]}, .has_blocks = launch->blocks != NULL};
    work.x_bytes = step->n_in ? tensor_bytes(plan, step->in[0]) / n_launches : 0;
    work.ns = (double)step->macs / (int8 ? MACS_PER_NS_INT8 : MACS_PER_NS_FLOAT) / n_launches;
    work.ns += (work.x_bytes + tensor_bytes(plan, step->out) / n_launches) / MAP_BYTES_PER_NS;
    if (launch->blocks)
        work.weights_bytes = (double)launch->blocks->start[launch->blocks->n_blocks];
    return work;
}

/* --- ways to cut --- */

/* Where part number `index` begins, of n items. Of two parts the second gets an odd item: the first has all that is not
 * divided besides. */
static size_t boundary(const struct tf2__part *part, uint32_t index, size_t n)
{
    double before = 0, all = 0;
    if (index == part->n_parts)
        return n;
    for (uint32_t i = 0; i < part->n_parts; i++) {
        double share = part->shares ? part->shares[i] : 1;
        before += i < index ? share : 0;
        all += share;
    }
    return TF2__MIN((size_t)(before / all * (double)n + 0.499), n);
}

static void add_rect(struct cut *cut, size_t first0, size_t size0, size_t first1, size_t size1)
{
    if (size0 && size1)
        cut->rect[cut->n++] = (struct rect){.first = {first0, first1}, .size = {size0, size1}};
}

static struct cut cut_columns(const struct work *work, const struct tf2__part *part, uint32_t index)
{
    struct cut cut = {0};
    size_t first = boundary(part, index, work->size[0]), last = boundary(part, index + 1, work->size[0]);
    add_rect(&cut, first, last - first, 0, work->size[1]);
    return cut;
}

static struct cut cut_rows(const struct work *work, const struct tf2__part *part, uint32_t index)
{
    struct cut cut = {0};
    size_t first = boundary(part, index, work->size[1]), last = boundary(part, index + 1, work->size[1]);
    add_rect(&cut, 0, work->size[0], first, last - first);
    return cut;
}

static struct cut cut_items(const struct work *work, const struct tf2__part *part, uint32_t index)
{
    struct cut cut = {0};
    size_t row = work->size[0], n = row * work->size[1];
    size_t first = boundary(part, index, n), last = boundary(part, index + 1, n);
    if (first / row == last / row) {
        add_rect(&cut, first % row, last - first, first / row, 1);
        return cut;
    }
    size_t whole = (first + row - 1) / row; /* the first row that is begun at its beginning */
    add_rect(&cut, first % row, whole * row - first, first / row, 1);
    add_rect(&cut, 0, row, whole, last / row - whole);
    add_rect(&cut, 0, last % row, last / row, 1);
    return cut;
}

typedef struct cut (*cut_way)(const struct work *, const struct tf2__part *, uint32_t);

/* How long a part takes. */
static double estimate(const struct work *work, const struct cut *cut)
{
    double ns = 0;
    for (uint32_t i = 0; i < cut->n; i++) {
        double of0 = (double)cut->rect[i].size[0] / (double)work->size[0];
        double of1 = (double)cut->rect[i].size[1] / (double)work->size[1];
        double bytes = work->weights_bytes * of1 + work->x_bytes * of0 * (work->has_blocks ? 1 : of1);
        ns += LAUNCH_NS + work->ns * of0 * of1 + bytes / READ_BYTES_PER_NS;
    }
    return ns;
}

/* The way whose slowest part is the fastest. */
static cut_way choose_way(const struct work *work, const struct tf2__part *part)
{
    static const cut_way ways[] = {cut_rows, cut_columns, cut_items};
    cut_way best = NULL;
    double least = 0;
    for (size_t i = 0; i < TF2__COUNT(ways); i++) {
        double slowest = 0;
        for (uint32_t k = 0; k < part->n_parts; k++) {
            const struct cut cut = ways[i](work, part, k);
            slowest = TF2__MAX(slowest, estimate(work, &cut));
        }
        if (!best || slowest < least) {
            best = ways[i];
            least = slowest;
        }
    }
    return best;
}

/* --- tasks --- */

struct tf2__cl_task *tf2__cl_task_add(struct tf2__cl_tasks *tasks, struct tf2__arena *arena)
{
    if (tasks->n == tasks->cap) {
        uint32_t cap = tasks->cap ? 2 * tasks->cap : 64;
        struct tf2__cl_task *grown = tf2__arena_alloc(arena, cap, sizeof(*grown));
        if (!grown)
            return NULL;
        if (tasks->n)
            memcpy(grown, tasks->task, tasks->n * sizeof(*grown));
        tasks->task = grown;
        tasks->cap = cap;
    }
    struct tf2__cl_task *task = &tasks->task[tasks->n++];
    *task = (struct tf2__cl_task){.launch = TF2__CL_NONE, .piece = TF2__CL_NONE};
    return task;
}

static bool add_rects(
    struct tf2__cl_tasks *tasks, struct tf2__arena *arena, uint32_t launch, const struct cut *cut, bool meet)
{
    for (uint32_t i = 0; i < cut->n || (meet && i == 0); i++) {
        struct tf2__cl_task *task = tf2__cl_task_add(tasks, arena);
        if (!task)
            return false;
        task->meet = meet && i == 0;
        if (i == cut->n)
            break; /* nothing but waiting */
        task->launch = launch;
        memcpy(task->first, cut->rect[i].first, sizeof(task->first));
        memcpy(task->size, cut->rect[i].size, sizeof(task->size));
    }
    return true;
}

static struct cut everything(const struct work *work)
{
    struct cut cut = {0};
    add_rect(&cut, 0, work->size[0], 0, work->size[1]);
    return cut;
}

enum tf2_status tf2__cl_divide(
    const struct tf2__executable *exe, const struct tf2__part *part, struct tf2__arena *arena,
    struct tf2__cl_tasks *tasks, struct tf2_error *error)
{
    const uint32_t n_steps = exe->plan->n_steps;
    const size_t most = tf2__cl_pending_most(exe);
    tasks->first = tf2__arena_alloc(arena, (size_t)n_steps + 1, sizeof(*tasks->first));
    struct tf2__cl_pending pending = {.access = tf2__arena_alloc(arena, most, sizeof(*pending.access))};
    if (!tasks->first || !pending.access)
        return tf2__fail_memory(error, most * sizeof(*pending.access), "a list of tasks");
    for (uint32_t step = 0; step < n_steps; step++) {
        tasks->first[step] = tasks->n;
        for (uint32_t i = exe->first_launch[step]; i < exe->first_launch[step + 1]; i++) {
            const struct work work = describe(exe, step, i);
            bool divided =
                part->n_parts > 1 && work.ns >= exe->device->divide_ns && work.size[0] * work.size[1] > 1;
            bool meet = part->n_parts > 1 && tf2__cl_pending_add(&pending, exe->plan, &exe->plan->steps[step], divided);
            struct cut cut = {0};
            if (divided)
                cut = choose_way(&work, part)(&work, part, part->part);
            else if (part->part == 0)
                cut = everything(&work);
            if (!add_rects(tasks, arena, i, &cut, meet))
                return tf2__fail_memory(error, sizeof(*tasks->task), "a task");
        }
    }
    tasks->first[n_steps] = tasks->n;
    return TF2_OK;
}
