/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_run.c: running graphs on the device that calibration uses, and reading samples.
 */
#include "api/quantize.h"

#include <math.h>

/* For the values of simulated samples, see quantize_sim.c. */
#define KEPT_BYTES ((size_t)1 << 30)
#define MAX_KEPT   64

void tf2__quantizer_progress(const struct tf2__quantizer *q, const char *stage, size_t done, size_t total)
{
    if (q->options.progress)
        q->options.progress(q->options.progress_user, stage, done, total);
}

enum tf2_status tf2__runner_open(
    const struct tf2__quantizer *q, struct tf2_graph **graph, struct tf2__runner *runner,
    struct tf2_error *error)
{
    const struct tf2_import_options options = {.no_optimize = true};
    enum tf2_status status = tf2_model_from_graph(graph, "calibration", &options, &runner->model, error);
    if (status == TF2_OK)
        status =
            tf2_session_create(runner->model, q->devices, q->device_index, NULL, &runner->session, error);
    tf2_graph_destroy(graph);
    if (status != TF2_OK)
        tf2__runner_close(runner);
    return status;
}

void tf2__runner_close(struct tf2__runner *runner)
{
    tf2_session_destroy(&runner->session);
    tf2_model_destroy(&runner->model);
}

static const struct tf2__tensor *input_of(const struct tf2__quantizer *q, uint32_t index)
{
    return &q->model->graph->tensors[q->model->graph->inputs[index]];
}

float **tf2__samples_alloc(const struct tf2__quantizer *q, struct tf2__arena *arena)
{
    const uint32_t n = q->model->graph->n_inputs;
    float **inputs = tf2__arena_alloc(arena, n, sizeof(*inputs));
    for (uint32_t i = 0; inputs && i < n; i++) {
        inputs[i] = tf2__arena_alloc(arena, (size_t)tf2_shape_count(&input_of(q, i)->shape), sizeof(float));
        if (!inputs[i])
            return NULL;
    }
    return inputs;
}

enum tf2_status tf2__samples_read(
    const struct tf2__quantizer *q, size_t sample, float *const *inputs, struct tf2_error *error)
{
    struct tf2_error told = {0}; /* the caller may write no message */
    enum tf2_status status = q->read(q->read_user, sample, inputs, &told);
    if (status != TF2_OK)
        return tf2__fail(
            error, status, "sample %zu: %s", sample,
            told.message[0] ? told.message : tf2_status_message(status));
    for (uint32_t i = 0; i < q->model->graph->n_inputs; i++) {
        const struct tf2__tensor *tensor = input_of(q, i);
        const size_t n = (size_t)tf2_shape_count(&tensor->shape);
        for (size_t k = 0; k < n; k++) {
            if (!isfinite(inputs[i][k]))
                return tf2__fail(
                    error, TF2_ERR_VALUE, "sample %zu: value %zu of input '%s' is %s, wanted a finite number",
                    sample, k, tensor->name, isnan(inputs[i][k]) ? "NaN" : "infinite");
        }
    }
    return TF2_OK;
}

/* Bytes that one sample needs while it is simulated, from above: a network is narrower than all its tensors. */
static size_t sample_bytes(const struct tf2_graph *graph)
{
    size_t largest = 0, inputs = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        size_t n = (size_t)tf2_shape_count(&graph->tensors[node->out].shape);
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (tf2__scheme_is_data(graph, node, k))
                n += (size_t)tf2_shape_count(&graph->tensors[node->in[k]].shape);
        }
        largest = TF2__MAX(largest, n);
    }
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        inputs += (size_t)tf2_shape_count(&graph->tensors[graph->inputs[i]].shape);
    return (3 * largest + inputs) * sizeof(float);
}

enum tf2_status tf2__samples_keep(struct tf2__quantizer *q, struct tf2_error *error)
{
    const uint32_t n_inputs = q->model->graph->n_inputs;
    size_t most = KEPT_BYTES / TF2__MAX(sample_bytes(q->prepared.graph), 1);
    q->n_kept = TF2__MIN(q->n_samples, TF2__MIN(TF2__MAX(most, 1), MAX_KEPT));
    q->samples = tf2__arena_alloc(&q->arena, q->n_kept * n_inputs, sizeof(*q->samples));
    if (!q->samples)
        return tf2__fail_memory(error, q->n_kept * n_inputs * sizeof(*q->samples), "samples");
    for (size_t s = 0; s < q->n_kept; s++) {
        float **inputs = tf2__samples_alloc(q, &q->arena);
        if (!inputs)
            return tf2__fail_memory(error, sizeof(float), "a sample");
        /* Spread over all samples: the first ones may be all of one class. */
        TF2__TRY(tf2__samples_read(q, s * q->n_samples / q->n_kept, inputs, error));
        for (uint32_t i = 0; i < n_inputs; i++)
            q->samples[s * n_inputs + i] = inputs[i];
    }
    return TF2_OK;
}
