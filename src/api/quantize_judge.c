/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_judge.c: runs the quantized model, as it will be used, and the float model on all samples and compares.
 */
#include "api/quantize.h"

#include <math.h>

struct pair {
    struct tf2_session *sessions[2]; /* float, quantized */
    float **outputs[2];
    float **inputs;
    struct tf2__arena arena;
};

/* Classes: one row of numbers per image. */
static bool is_classes(const struct tf2_shape *shape)
{
    return shape->n_dims >= 2 && shape->dim[1] > 1 && tf2_shape_count(shape) == shape->dim[0] * shape->dim[1];
}

/* n when a number is not a number. */
static size_t best_of(const float *row, size_t n)
{
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(row[i]))
            return n;
        best = row[i] > row[best] ? i : best;
    }
    return best;
}

static bool same_best(const float *a, const float *b, size_t n)
{
    const size_t best = best_of(a, n);
    return best < n && best == best_of(b, n);
}

/* -1 of what is not finite: as bad as can be. */
static double cosine(const float *a, const float *b, size_t n)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    if (!isfinite(aa) || !isfinite(bb))
        return -1;
    if (aa == 0 || bb == 0)
        return aa == bb;
    return ab / sqrt(aa * bb);
}

static void compare(const struct tf2_graph *graph, const struct pair *pair, struct tf2__verdict *verdict)
{
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        const struct tf2_shape *shape = &graph->tensors[graph->outputs[i].tensor].shape;
        const size_t n = (size_t)tf2_shape_count(shape);
        const float *wanted = pair->outputs[0][i], *found = pair->outputs[1][i];
        tf2__fidelity_add(&verdict->outputs, wanted, found, n);
        verdict->cosine = fmin(verdict->cosine, cosine(wanted, found, n));
        if (i > 0 || !is_classes(shape))
            continue;
        const size_t n_classes = (size_t)shape->dim[1];
        for (size_t row = 0; row < n; row += n_classes) {
            verdict->n_rows++;
            verdict->n_same += same_best(wanted + row, found + row, n_classes);
        }
    }
}

static enum tf2_status open_pair(
    const struct tf2__quantizer *q, const struct tf2_model *model, struct pair *pair, struct tf2_error *error)
{
    const struct tf2_graph *graph = q->model->graph;
    const struct tf2_model *models[2] = {q->model, model};
    pair->inputs = tf2__samples_alloc(q, &pair->arena);
    if (!pair->inputs)
        return tf2__fail_memory(error, sizeof(float), "a sample");
    for (int m = 0; m < 2; m++) {
        TF2__TRY(tf2_session_create(models[m], q->devices, q->device_index, NULL, &pair->sessions[m], error));
        pair->outputs[m] = tf2__arena_alloc(&pair->arena, graph->n_outputs, sizeof(*pair->outputs[m]));
        for (uint32_t i = 0; pair->outputs[m] && i < graph->n_outputs; i++) {
            size_t n = (size_t)tf2_shape_count(&graph->tensors[graph->outputs[i].tensor].shape);
            pair->outputs[m][i] = tf2__arena_alloc(&pair->arena, n, sizeof(float));
            if (!pair->outputs[m][i])
                return tf2__fail_memory(error, n * sizeof(float), "an output");
        }
        if (!pair->outputs[m])
            return tf2__fail_memory(error, graph->n_outputs * sizeof(float *), "outputs");
    }
    return TF2_OK;
}

static enum tf2_status judge_sample(
    const struct tf2__quantizer *q, struct pair *pair, size_t sample, struct tf2__verdict *verdict,
    struct tf2_error *error)
{
    TF2__TRY(tf2__samples_read(q, sample, pair->inputs, error));
    for (int m = 0; m < 2; m++)
        TF2__TRY(tf2_session_run(
            pair->sessions[m], (const void *const *)pair->inputs, (void *const *)pair->outputs[m], error));
    compare(q->model->graph, pair, verdict);
    return TF2_OK;
}

enum tf2_status tf2__quantizer_judge(
    const struct tf2__quantizer *q, const struct tf2_model *model, const char *stage,
    struct tf2__verdict *verdict, struct tf2_error *error)
{
    struct pair pair = {0};
    *verdict = (struct tf2__verdict){.cosine = 1};
    tf2__arena_init(&pair.arena, &q->env);
    enum tf2_status status = open_pair(q, model, &pair, error);
    for (size_t s = 0; s < q->n_samples && status == TF2_OK; s++) {
        tf2__quantizer_progress(q, stage, s, q->n_samples);
        status = judge_sample(q, &pair, s, verdict, error);
    }
    if (status == TF2_OK)
        tf2__quantizer_progress(q, stage, q->n_samples, q->n_samples);
    for (int m = 0; m < 2; m++)
        tf2_session_destroy(&pair.sessions[m]);
    tf2__arena_finish(&pair.arena);
    return status;
}

double tf2__verdict_drop(const struct tf2__verdict *v)
{
    if (v->n_rows)
        return 100.0 * (double)(v->n_rows - v->n_same) / (double)v->n_rows;
    if (!isfinite(v->outputs.noise))
        return 100;
    return v->outputs.noise > 0 ? 100 * v->outputs.noise / v->outputs.signal : 0;
}
