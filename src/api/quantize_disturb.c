/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_disturb.c: the float network with errors added to the results of chosen nodes: what they do to the outputs.
 */
#include "api/quantize.h"

static enum tf2_status open_session(
    struct tf2__disturbed *d, const struct tf2__quantizer *q, const bool *chosen, struct tf2_error *error)
{
    const struct tf2_graph *graph = q->prepared.graph;
    struct tf2_graph *made = NULL;
    tf2_tensor_id *outputs = tf2__arena_alloc(d->arena, graph->n_outputs, sizeof(*outputs));
    d->input_of = tf2__arena_alloc(d->arena, graph->n_nodes, sizeof(*d->input_of));
    if (!outputs || !d->input_of)
        return tf2__fail_memory(error, graph->n_nodes * sizeof(*outputs), "outputs");
    uint32_t n_judged = 0;
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        outputs[n_judged] = tf2__quantizer_judged(graph, i);
        n_judged += !graph->tensors[outputs[n_judged]].data; /* constants cannot be disturbed */
    }
    TF2__TRY(tf2__quant_perturb(graph, chosen, outputs, n_judged, &made, error));
    d->n_own_inputs = graph->n_inputs;
    d->n_inputs = graph->n_inputs;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        d->input_of[i] = chosen[i] ? d->n_inputs++ : UINT32_MAX;
    d->n_outputs = made->n_outputs;
    return tf2__runner_open(q, &made, &d->runner, error);
}

static enum tf2_status
alloc_buffers(struct tf2__disturbed *d, const struct tf2_graph *graph, struct tf2_error *error)
{
    size_t largest = 1;
    d->inputs = tf2__arena_alloc(d->arena, d->n_inputs, sizeof(*d->inputs));
    d->right = tf2__arena_alloc(d->arena, d->n_outputs, sizeof(*d->right));
    d->found = tf2__arena_alloc(d->arena, d->n_outputs, sizeof(*d->found));
    d->n = tf2__arena_alloc(d->arena, d->n_outputs, sizeof(*d->n));
    bool made = d->inputs && d->right && d->found && d->n;
    for (uint32_t i = 0; i < d->n_outputs && made; i++) {
        struct tf2_tensor_info info = {0};
        tf2_model_output(d->runner.model, i, &info);
        d->n[i] = (size_t)tf2_shape_count(&info.shape);
        d->right[i] = tf2__arena_alloc(d->arena, d->n[i], sizeof(**d->right));
        d->found[i] = tf2__arena_alloc(d->arena, d->n[i], sizeof(**d->found));
        made = d->right[i] && d->found[i];
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        largest = TF2__MAX(largest, (size_t)tf2_shape_count(&graph->tensors[graph->nodes[i].out].shape));
    d->zeros = made ? tf2__arena_alloc(d->arena, largest, sizeof(*d->zeros)) : NULL;
    for (uint32_t i = d->n_own_inputs; d->zeros && i < d->n_inputs; i++)
        d->inputs[i] = d->zeros;
    return d->zeros ? TF2_OK : tf2__fail_memory(error, largest * sizeof(float), "a tensor");
}

enum tf2_status tf2__disturbed_open(
    const struct tf2__quantizer *q, const bool *chosen, struct tf2__arena *arena, struct tf2__disturbed *d,
    struct tf2_error *error)
{
    *d = (struct tf2__disturbed){.arena = arena};
    enum tf2_status status = open_session(d, q, chosen, error);
    if (status == TF2_OK)
        status = alloc_buffers(d, q->prepared.graph, error);
    if (status != TF2_OK)
        tf2__runner_close(&d->runner);
    return status;
}

enum tf2_status tf2__disturbed_start(struct tf2__disturbed *d, float *const *inputs, struct tf2_error *error)
{
    for (uint32_t i = 0; i < d->n_own_inputs; i++)
        d->inputs[i] = inputs[i];
    return tf2_session_run(d->runner.session, d->inputs, (void *const *)d->right, error);
}

void tf2__disturbed_set(struct tf2__disturbed *d, uint32_t node, const float *errors)
{
    d->inputs[d->input_of[node]] = errors ? errors : d->zeros;
}

enum tf2_status tf2__disturbed_noise(struct tf2__disturbed *d, double *noise, struct tf2_error *error)
{
    struct tf2__fidelity f = {0};
    TF2__TRY(tf2_session_run(d->runner.session, d->inputs, (void *const *)d->found, error));
    for (uint32_t i = 0; i < d->n_outputs; i++)
        tf2__fidelity_add(&f, d->right[i], d->found[i], d->n[i]);
    *noise = f.noise;
    return TF2_OK;
}
