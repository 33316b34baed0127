/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_check.c: the promises of a plan, checked by listing elements one by one: slow and simple. Tensors here
 * are small.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "plan_check.h"
#include "transform/op/window.h"

/* When a root's memory is in use: from the first write to the last read, in steps; -1 before, n_steps after a
 * run. */
struct life {
    int64_t first, last;
};

struct check {
    const struct tf2__plan *plan;
    struct life *life;    /* per tensor; of roots */
    unsigned char **mark; /* per root: 1 for elements of the tensor itself, 0 for its halo */
    bool good;
};

#define WRONG(c, ...) (print_message(__VA_ARGS__), (c)->good = false)

static bool in_arena(const struct tf2__plan *plan, uint32_t tensor)
{
    return tensor != TF2_NO_TENSOR && !plan->tensors[tensor].data;
}

int64_t plan_element(const struct tf2__plan *plan, uint32_t tensor, const int64_t *index)
{
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    int64_t at = plan->tensors[t->root].arena_bytes / (int64_t)tf2_dtype_size_bytes(t->dtype) + t->offset;
    for (uint32_t d = 0; index && d < t->shape.n_dims; d++)
        at += index[d] * t->stride[d];
    return at;
}

/* --- lifetimes and overlaps --- */

static void use(struct check *c, uint32_t tensor, int64_t when)
{
    if (!in_arena(c->plan, tensor))
        return;
    struct life *life = &c->life[c->plan->tensors[tensor].root];
    if (life->last < life->first) { /* first use */
        life->first = life->last = when;
        return;
    }
    life->first = TF2__MIN(life->first, when);
    life->last = TF2__MAX(life->last, when);
}

static void find_lives(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_tensors; i++)
        c->life[i] = (struct life){0, -1};
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++)
        use(c, plan->inputs[i], -1);
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        for (uint32_t k = 0; k < plan->steps[i].n_in; k++)
            use(c, plan->steps[i].in[k], i);
        use(c, plan->steps[i].out, i);
    }
    for (uint32_t i = 0; i < plan->graph->n_outputs; i++)
        use(c, plan->outputs[i], plan->n_steps);
}

/* -1 and the step numbers are different things to a lifetime that was never used. */
static bool lives(const struct check *c, uint32_t root)
{
    return c->life[root].last >= c->life[root].first;
}

static int64_t size_bytes(const struct tf2__plan_tensor *t)
{
    return t->n_elements * (int64_t)tf2_dtype_size_bytes(t->dtype);
}

/* The root's first element, halo included. */
static int64_t first_element(const struct tf2__plan_tensor *t)
{
    return t->arena_bytes / (int64_t)tf2_dtype_size_bytes(t->dtype);
}

static bool overlap(int64_t a, int64_t a_size, int64_t b, int64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

static void check_pair(struct check *c, uint32_t i, uint32_t k)
{
    const struct tf2__plan_tensor *a = &c->plan->tensors[i], *b = &c->plan->tensors[k];
    if (!overlap(a->arena_bytes, size_bytes(a), b->arena_bytes, size_bytes(b)))
        return;
    if (c->life[i].first <= c->life[k].last && c->life[k].first <= c->life[i].last)
        WRONG(c, "  %s (%u) and %s (%u) are alive together and share memory\n", a->name, i, b->name, k);
}

static void check_scratch(struct check *c, uint32_t step)
{
    const struct tf2__plan *plan = c->plan;
    const struct tf2__step *s = &plan->steps[step];
    if (!s->scratch_bytes)
        return;
    if (s->scratch_at < 0 || s->scratch_at + s->scratch_bytes > plan->arena_bytes)
        WRONG(c, "  step %u: scratch outside the arena\n", step);
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[i];
        if (t->root == i && lives(c, i) && c->life[i].first <= step && step <= c->life[i].last &&
            overlap(s->scratch_at, s->scratch_bytes, t->arena_bytes, size_bytes(t)))
            WRONG(c, "  step %u: scratch lies in %s\n", step, t->name);
    }
}

static void check_overlaps(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[i];
        if (t->root != i || !lives(c, i))
            continue;
        if (t->arena_bytes < 0 || t->arena_bytes + size_bytes(t) + plan->policy.slack_bytes > plan->arena_bytes)
            WRONG(c, "  %s: outside the arena, or without slack behind it\n", t->name);
        for (uint32_t k = 0; k < i; k++) {
            if (plan->tensors[k].root == k && lives(c, k))
                check_pair(c, i, k);
        }
    }
    for (uint32_t i = 0; i < plan->n_steps; i++)
        check_scratch(c, i);
}

/* --- views --- */

static bool next_index(const struct tf2_shape *shape, int64_t *index)
{
    for (uint32_t d = shape->n_dims; d-- > 0;) {
        if (++index[d] < shape->dim[d])
            return true;
        index[d] = 0;
    }
    return false;
}

static void mark_root(struct check *c, uint32_t id)
{
    const struct tf2__plan_tensor *t = &c->plan->tensors[id];
    int64_t index[TF2_MAX_DIMS] = {0};
    c->mark[id] = calloc((size_t)t->n_elements + 1, 1);
    do {
        int64_t at = plan_element(c->plan, id, index) - first_element(t);
        if (at < 0 || at >= t->n_elements || c->mark[id][at]) {
            WRONG(c, "  %s: its own elements leave its memory or coincide\n", t->name);
            return;
        }
        c->mark[id][at] = 1;
    } while (next_index(&t->shape, index));
}

/* Lanes behind a pixel that may be written: inside the root, and nobody's elements. */
static void check_room(struct check *c, uint32_t id, int64_t at)
{
    const struct tf2__plan_tensor *t = &c->plan->tensors[id], *root = &c->plan->tensors[t->root];
    for (int64_t lane = 1; lane <= t->room; lane++) {
        if (t->stride[1] != 1 || at + lane >= root->n_elements || c->mark[t->root][at + lane]) {
            WRONG(
                c, "  %s (%u): lane %lld behind a pixel's channels is not free\n", t->name, id,
                (long long)lane);
            return;
        }
    }
}

static void check_view(struct check *c, uint32_t id)
{
    const struct tf2__plan_tensor *t = &c->plan->tensors[id], *root = &c->plan->tensors[t->root];
    int64_t index[TF2_MAX_DIMS] = {0};
    bool good = c->good;
    do {
        int64_t at = plan_element(c->plan, id, index) - first_element(root);
        if (at < 0 || at >= root->n_elements || !c->mark[t->root][at]) {
            WRONG(c, "  %s (%u): a view that leaves %s or reaches into its halo\n", t->name, id, root->name);
            return;
        }
        if (t->room && index[1] == t->shape.dim[1] - 1)
            check_room(c, id, at);
    } while (c->good == good && next_index(&t->shape, index));
}

static bool is_used(const struct tf2__plan *plan, uint32_t id)
{
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++) {
        if (plan->inputs[i] == id)
            return true;
    }
    for (uint32_t i = 0; i < plan->graph->n_outputs; i++) {
        if (plan->outputs[i] == id)
            return true;
    }
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].out == id)
            return true;
        for (uint32_t k = 0; k < plan->steps[i].n_in; k++) {
            if (plan->steps[i].in[k] == id)
                return true;
        }
    }
    return false;
}

static void check_views(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[i];
        if (!in_arena(plan, i) || !is_used(plan, i))
            continue;
        if (!t->laid_out || plan->tensors[t->root].root != t->root) {
            WRONG(c, "  %s (%u): used, but without a place\n", t->name, i);
            continue;
        }
        if (!c->mark[t->root])
            mark_root(c, t->root);
        check_view(c, i);
    }
}

/* --- halos --- */

struct conv_reads {
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n;
};

/* Every pixel position that a convolution reads, inside and outside of the map, for channel 0 and the last.
 */
static void check_conv_position(struct check *c, const struct tf2__step *step, const int64_t *index)
{
    const struct tf2__plan_tensor *t = &c->plan->tensors[step->in[0]], *root = &c->plan->tensors[t->root];
    int64_t at = plan_element(c->plan, step->in[0], index) - first_element(root);
    bool inside = true;
    for (uint32_t d = 2; d < t->shape.n_dims; d++)
        inside &= index[d] >= 0 && index[d] < t->shape.dim[d];
    if (inside)
        return; /* a view's element: checked there */
    if (at < 0 || at >= root->n_elements)
        WRONG(c, "  %s: reads padding outside of %s\n", step->name, root->name);
    else if (c->mark[t->root][at])
        WRONG(c, "  %s: finds data of %s where padding should be\n", step->name, root->name);
}

static void check_conv(struct check *c, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *t = &c->plan->tensors[step->in[0]];
    struct conv_reads reads;
    struct tf2_shape positions = {.n_dims = t->shape.n_dims, .dim = {t->shape.dim[0], t->shape.dim[1]}};
    int64_t index[TF2_MAX_DIMS] = {0}, begin[TF2_MAX_DIMS] = {0};
    assert_int_equal(
        tf2__conv_resolve(
            step->node->attr, &t->shape, &c->plan->tensors[step->in[1]].shape, reads.dims, &reads.n, NULL),
        TF2_OK);
    for (uint32_t d = 0; d < reads.n; d++) {
        const struct tf2__window_dim *w = &reads.dims[d];
        begin[2 + d] = -w->pad_begin;
        positions.dim[2 + d] = (w->out - 1) * w->stride + (w->kernel - 1) * w->dilation + 1;
    }
    bool good = c->good;
    do {
        int64_t at[TF2_MAX_DIMS];
        for (uint32_t d = 0; d < positions.n_dims; d++)
            at[d] = begin[d] + index[d];
        check_conv_position(c, step, at);
    } while ((c->good || !good) && next_index(&positions, index));
}

static bool once(const struct tf2__plan *plan, uint32_t root)
{
    for (uint32_t i = 0; i < plan->n_fill_once; i++) {
        if (plan->fill_once[i] == root)
            return true;
    }
    return false;
}

/* A halo that is zeroed once may never share memory with anything, another one is zeroed before the first
 * write. */
static void check_zeroed(struct check *c, uint32_t id)
{
    const struct tf2__plan *plan = c->plan;
    const struct tf2__plan_tensor *t = &plan->tensors[id];
    bool filled = false, written = false;
    if (!t->has_halo || !lives(c, id))
        return;
    for (uint32_t i = 0; i < plan->n_steps && !written && !filled; i++) {
        bool ours = plan->tensors[plan->steps[i].out].root == id;
        filled = ours && plan->steps[i].kind == TF2__STEP_FILL;
        written = ours && !filled;
    }
    if (!filled && !once(plan, id))
        WRONG(c, "  %s: its halo is not zeroed\n", t->name);
    if (filled || !once(plan, id))
        return;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *other = &plan->tensors[i];
        if (i != id && other->root == i && lives(c, i) &&
            overlap(t->arena_bytes, size_bytes(t), other->arena_bytes, size_bytes(other)))
            WRONG(c, "  %s: its halo is zeroed once, and %s overwrites it\n", t->name, other->name);
    }
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct tf2__step *s = &plan->steps[i];
        if (s->scratch_bytes && overlap(t->arena_bytes, size_bytes(t), s->scratch_at, s->scratch_bytes))
            WRONG(c, "  %s: its halo is zeroed once, and scratch of %s overwrites it\n", t->name, s->name);
    }
}

static void check_halos(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        if (in_arena(plan, i) && plan->tensors[i].root == i)
            check_zeroed(c, i);
    }
    for (uint32_t i = 0; plan->policy.halo && i < plan->n_steps; i++) {
        const struct tf2__step *step = &plan->steps[i];
        if (step->kind != TF2__STEP_NODE || step->node->op->id != TF2_OP_CONV)
            continue;
        if (in_arena(plan, step->in[0]))
            check_conv(c, step);
    }
}

/* Nothing in the plan may read what was never written. */
static void check_order(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    bool *written = calloc(plan->n_tensors + 1, sizeof(*written));
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++)
        written[plan->tensors[plan->inputs[i]].root] = true;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        for (uint32_t k = 0; k < plan->steps[i].n_in; k++) {
            uint32_t in = plan->steps[i].in[k];
            if (in_arena(plan, in) && !written[plan->tensors[in].root])
                WRONG(c, "  step %u (%s): input %u was not written before\n", i, plan->steps[i].name, k);
        }
        if (plan->steps[i].kind != TF2__STEP_FILL)
            written[plan->tensors[plan->steps[i].out].root] = true;
    }
    free(written);
}

static void check_live_bound(struct check *c)
{
    const struct tf2__plan *plan = c->plan;
    int64_t most = 0;
    for (int64_t when = -1; when <= (int64_t)plan->n_steps; when++) {
        int64_t live = 0;
        for (uint32_t i = 0; i < plan->n_tensors; i++) {
            if (in_arena(plan, i) && plan->tensors[i].root == i && lives(c, i) && c->life[i].first <= when &&
                when <= c->life[i].last)
                live += size_bytes(&plan->tensors[i]);
        }
        most = TF2__MAX(most, live);
    }
    /* Rounding up to cache lines makes the plan's own bound somewhat larger. */
    if (plan->live_bytes < most || plan->arena_bytes < plan->live_bytes)
        WRONG(
            c, "  alive %lld, reported %lld, arena %lld\n", (long long)most, (long long)plan->live_bytes,
            (long long)plan->arena_bytes);
}

bool plan_check(const struct tf2__plan *plan)
{
    struct check c = {.plan = plan, .good = true};
    c.life = calloc(plan->n_tensors + 1, sizeof(*c.life));
    c.mark = calloc(plan->n_tensors + 1, sizeof(*c.mark));
    find_lives(&c);
    check_overlaps(&c);
    check_order(&c);
    check_live_bound(&c);
    check_views(&c);
    if (c.good)
        check_halos(&c);
    for (uint32_t i = 0; i < plan->n_tensors; i++)
        free(c.mark[i]);
    free(c.mark);
    free(c.life);
    return c.good;
}
