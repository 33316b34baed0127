/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena_check.c: watches a plan's memory while it runs. The device's own read and write see the whole arena
 * through a plan tensor that is made to span it for the moment: kernels have their arguments already.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kcase.h"
#include "plan_check.h"

struct watch {
    struct tf2__device *device;
    struct tf2__plan *plan;
    struct tf2__run_state *state;
    unsigned char *before, *after; /* the whole arena */
    unsigned char *allowed; /* what the step may change */
    bool good;
};

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        struct tf2_error error = {0};                                                                        \
        struct tf2_error *e = &error;                                                                        \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s: %s", #call, error.message);                                                        \
    } while (0)

static void transfer(struct watch *w, unsigned char *to, const unsigned char *from)
{
    struct tf2__plan_tensor saved = w->plan->tensors[0];
    w->plan->tensors[0] = (struct tf2__plan_tensor){
        .name = "arena",
        .dtype = TF2_DTYPE_U8,
        .shape = {.n_dims = 1, .dim = {w->plan->arena_bytes}},
        .stride = {1},
        .laid_out = true,
        .dense = true,
        .n_elements = w->plan->arena_bytes};
    if (to)
        CHECK(w->device->ops->read(w->state, 0, 0, (size_t)w->plan->arena_bytes, to, e));
    else
        CHECK(w->device->ops->write(w->state, 0, 0, (size_t)w->plan->arena_bytes, from, e));
    w->plan->tensors[0] = saved;
}

static void allow(struct watch *w, int64_t from, int64_t n)
{
    memset(w->allowed + from, 1, (size_t)n);
}

static size_t element_bytes(const struct tf2__plan_tensor *t)
{
    return tf2_dtype_size_bytes(t->dtype);
}

/* The tensor's elements, and the unread lanes behind each pixel. */
static void allow_view(struct watch *w, uint32_t tensor)
{
    const struct tf2__plan_tensor *t = &w->plan->tensors[tensor];
    struct tf2__walk walk;
    for (tf2__walk_start(&walk, &t->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t at = plan_element(w->plan, tensor, walk.index);
        bool last = t->room && walk.index[1] == t->shape.dim[1] - 1;
        memset(w->allowed + (size_t)at * element_bytes(t), 1, (size_t)(last ? 1 + t->room : 1) * element_bytes(t));
    }
}

/* What is not allowed there yet is the halo: zero, or the zero point. */
static void check_halo(struct watch *w, const struct tf2__plan_tensor *t)
{
    int64_t n = t->n_elements * (int64_t)element_bytes(t);
    for (int64_t k = t->arena_bytes; k < t->arena_bytes + n; k++) {
        if (w->allowed[k] || t->quant.channel_zero_point || w->before[k] == t->quant.zero_point)
            continue;
        print_message("  %s: its halo is %d after opening\n", t->name, w->before[k]);
        w->good = false;
        return;
    }
}

/* NaNs (255 in u8 tensors) everywhere but in the halos that were zeroed when the state was opened. */
static void poison(struct watch *w)
{
    transfer(w, w->before, NULL);
    memset(w->allowed, 1, (size_t)w->plan->arena_bytes);
    for (uint32_t i = 0; i < w->plan->n_fill_once; i++) {
        const struct tf2__plan_tensor *t = &w->plan->tensors[w->plan->fill_once[i]];
        memset(w->allowed + t->arena_bytes, 0, (size_t)t->n_elements * element_bytes(t));
        allow_view(w, w->plan->fill_once[i]);
        check_halo(w, t);
    }
    for (int64_t k = 0; k < w->plan->arena_bytes; k++)
        w->before[k] = w->allowed[k] ? 0xff : w->before[k];
    transfer(w, NULL, w->before);
}

static void run_step(struct watch *w, uint32_t index)
{
    const struct tf2__step *step = &w->plan->steps[index];
    transfer(w, w->before, NULL);
    CHECK(w->device->ops->run(w->state, index, index + 1, NULL, NULL, e));
    transfer(w, w->after, NULL);
    memset(w->allowed, 0, (size_t)w->plan->arena_bytes);
    if (step->kind == TF2__STEP_FILL) {
        const struct tf2__plan_tensor *t = &w->plan->tensors[step->out];
        allow(w, t->arena_bytes, t->n_elements * (int64_t)element_bytes(t));
    } else {
        allow_view(w, step->out);
        if (step->scratch_bytes)
            allow(w, step->scratch_at, step->scratch_bytes);
    }
    for (int64_t k = 0; k < w->plan->arena_bytes; k++) {
        if (w->allowed[k] || w->before[k] == w->after[k])
            continue;
        print_message(
            "  step %u (%s, %s) writes byte %lld of the arena, which is not its output's\n", index,
            step->name, step->kernel, (long long)k);
        w->good = false;
        return;
    }
}

static void compare(struct watch *w, const float *const *wanted, double tolerance)
{
    for (uint32_t i = 0; i < w->plan->graph->n_outputs; i++) {
        size_t at = 0, n = (size_t)tf2_shape_count(&w->plan->tensors[w->plan->outputs[i]].shape);
        size_t size_bytes = n * element_bytes(&w->plan->tensors[w->plan->outputs[i]]);
        float *found = malloc(n * sizeof(*found));
        CHECK(w->device->ops->read(w->state, w->plan->outputs[i], 0, size_bytes, found, e));
        double nmse = knmse(found, wanted[i], n, &at);
        if (nmse > tolerance) {
            print_message(
                "  output %u from memory full of NaNs: NMSE %g; element %zu is %g, wanted %g\n", i, nmse, at,
                found[at], wanted[i][at]);
            w->good = false;
        }
        free(found);
    }
}

bool arena_check(
    struct tf2__device *device, struct tf2__plan *plan, const float *const *inputs,
    const float *const *wanted, double tolerance)
{
    struct watch w = {.device = device, .plan = plan, .good = true};
    struct tf2__executable *executable = NULL;
    const struct tf2__part whole = {.n_parts = 1};
    size_t n = (size_t)plan->arena_bytes;
    w.before = calloc(n + 1, 1);
    w.after = calloc(n + 1, 1);
    w.allowed = calloc(n + 1, 1);
    CHECK(device->ops->compile(device, plan, NULL, &executable, e));
    CHECK(device->ops->open(device, executable, &whole, &w.state, e));
    poison(&w);
    for (uint32_t i = 0; i < plan->graph->n_inputs; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[plan->inputs[i]];
        size_t size_bytes = (size_t)tf2_shape_count(&t->shape) * element_bytes(t);
        CHECK(device->ops->write(w.state, plan->inputs[i], 0, size_bytes, inputs[i], e));
    }
    for (uint32_t i = 0; i < plan->n_steps && w.good; i++)
        run_step(&w, i);
    if (w.good)
        compare(&w, wanted, tolerance);
    device->ops->close(device, w.state);
    device->ops->release(device, executable);
    free(w.before);
    free(w.after);
    free(w.allowed);
    return w.good;
}
