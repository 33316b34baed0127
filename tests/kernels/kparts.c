/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kparts.c: see kparts.h.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_memory.h"
#include "kcase.h"
#include "kparts.h"
#include "runtime/cl/internal.h"

static _Thread_local uint32_t current;

uint32_t kparts_current(void)
{
    return current;
}

void kvalues_open(struct kvalues *v, const struct tf2_model *model, int64_t batch, uint64_t seed)
{
    const struct tf2_graph *graph = model->graph;
    memset(v, 0, sizeof(*v));
    v->n_in = graph->n_inputs;
    v->n_out = graph->n_outputs;
    assert_true(v->n_in <= TF2__COUNT(v->in) && v->n_out <= TF2__COUNT(v->out));
    for (uint32_t i = 0; i < v->n_in; i++) {
        v->shapes[i] = graph->tensors[graph->inputs[i]].shape;
        if (batch && v->shapes[i].n_dims)
            v->shapes[i].dim[0] = batch;
        size_t n = (size_t)tf2_shape_count(&v->shapes[i]);
        v->in[i] = tf2_alloc(n * sizeof(float));
        kfill(v->in[i], n, seed + i, KDATA_SIGNED);
    }
}

void kvalues_close(struct kvalues *v)
{
    for (uint32_t i = 0; i < v->n_in; i++)
        tf2_free(v->in[i]);
    for (uint32_t i = 0; i < v->n_out; i++)
        free(v->out[i]);
    memset(v, 0, sizeof(*v));
}

struct run {
    struct tf2__instance *instance;
    uint32_t part;
    enum tf2_status status;
    struct tf2_error error;
    pthread_t thread;
};

static void *run_part(void *user)
{
    struct run *run = user;
    current = run->part;
    run->status = tf2__instance_run(run->instance, run->part, &run->error);
    return NULL;
}

static void must(enum tf2_status status, const struct tf2_error *error)
{
    if (status != TF2_OK)
        fail_msg("%s", error->message);
}

static void read_all(struct tf2__instance *instance, struct kvalues *v)
{
    const struct tf2__plan *plan = tf2__instance_plan(instance);
    struct tf2_error error = {0};
    for (uint32_t i = 0; i < v->n_out; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[plan->outputs[i]];
        v->out_bytes[i] = (size_t)tf2_shape_count(&t->shape) * tf2_dtype_size_bytes(t->dtype);
        free(v->out[i]);
        v->out[i] = malloc(v->out_bytes[i]);
        must(tf2__instance_read(instance, i, -1, v->out[i], &error), &error);
    }
}

/* All succeed; or one has failed, and the others were cancelled with its message. */
static enum tf2_status check_runs(const struct run *runs, uint32_t n_parts)
{
    enum tf2_status status = TF2_OK;
    uint32_t n_failed = 0, n_good = 0;
    for (uint32_t i = 0; i < n_parts; i++) {
        n_good += runs[i].status == TF2_OK;
        if (runs[i].status != TF2_OK && runs[i].status != TF2_ERR_CANCELLED) {
            status = runs[i].status;
            n_failed++;
        }
    }
    bool same = true;
    for (uint32_t i = 1; i < n_parts && status != TF2_OK; i++)
        same &= strcmp(runs[i].error.message, runs[0].error.message) == 0;
    if (!same || (status == TF2_OK ? n_good != n_parts : n_failed != 1 || n_good > 0))
        fail_msg(
            "%u of %u parts succeeded, %u failed; part 0: %s (%s)", n_good, n_parts, n_failed,
            tf2_status_name(runs[0].status), runs[0].error.message);
    return status;
}

enum tf2_status
kparts_run(struct tf2__instance *instance, uint32_t n_parts, struct kvalues *v, struct tf2_error *error)
{
    struct run runs[KMAX_PARTS];
    enum tf2_status status;
    assert_true(n_parts <= KMAX_PARTS);
    tf2__host_least_bytes = 1;
    for (uint32_t i = 0; i < v->n_in && !v->written; i++) {
        if (!v->lend || !tf2__instance_lend(instance, i, v->in[i]))
            must(tf2__instance_write(instance, i, -1, v->in[i], error), error);
    }
    for (uint32_t i = 0; i < n_parts; i++)
        runs[i] = (struct run){.instance = instance, .part = i};
    for (uint32_t i = 1; i < n_parts; i++)
        assert_int_equal(pthread_create(&runs[i].thread, NULL, run_part, &runs[i]), 0);
    run_part(&runs[0]);
    for (uint32_t i = 1; i < n_parts; i++)
        pthread_join(runs[i].thread, NULL);
    status = check_runs(runs, n_parts);
    if (status == TF2_OK)
        read_all(instance, v);
    else
        *error = runs[0].error;
    return status;
}

bool kvalues_equal(const struct kvalues *found, const struct kvalues *wanted)
{
    for (uint32_t i = 0; i < wanted->n_out; i++) {
        const unsigned char *a = found->out[i], *b = wanted->out[i];
        for (size_t k = 0; k < wanted->out_bytes[i]; k++) {
            if (a[k] == b[k])
                continue;
            print_message("  output %u differs from byte %zu of %zu on\n", i, k, wanted->out_bytes[i]);
            return false;
        }
    }
    return true;
}

void kparts_divide_all(struct tf2__device *const *devices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (devices[i]->memory)
            ((struct tf2__cl_device *)devices[i])->divide_ns = 0;
    }
}
