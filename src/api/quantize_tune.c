/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_tune.c: TF2_RANGE_AUTO, ranges by what they do to the network's outputs.
 *
 * Cutting off and coarse steps are different errors to a network: rounding is noise that later layers average away,
 * cutting off hits what is largest. Their weights differ from layer to layer, so they are measured: for every group of
 * tensors that share a quantization, ranges from half to all of what was seen are tried on a few samples, each alone in
 * the float network, and the one with the least squared error at the outputs is taken.
 *
 * Other samples will reach further than those seen. By a Gumbel distribution through the ranges of single samples,
 * N_FUTURE samples reach so many times what the calibration samples do; the chosen range is widened by that. So early
 * layers, where all pictures are alike, keep tight ranges, and late ones get room.
 */
#include "api/quantize.h"

#include "transform/quant/round.h"

#define N_FUTURE     1500
#define MAX_SAMPLES  8
#define N_CANDIDATES 6
/* Multiply-accumulates for measuring, on an OpenCL device and on the scalar reference device. */
#define BUDGET_MACS      1e12
#define BUDGET_MACS_HOST 2e10

static const double candidates[N_CANDIDATES] = {1.1, 1, 0.85, 0.7, 0.6, 0.5};

struct tuner {
    struct tf2__quantizer *q;
    struct tf2__scheme *s;
    struct tf2__watch watch;
    struct tf2__disturbed disturbed;
    size_t n_samples;
    size_t n_groups;
    double *noise;  /* [tensor (the group's) * N_CANDIDATES + candidate] */
    float **errors; /* per node: room for its errors */
};

size_t tf2__quantizer_affords(const struct tf2__quantizer *q, size_t n_runs, size_t most)
{
    struct tf2_device_info device = {0};
    double macs = (double)q->model->macs + 1;
    bool host =
        tf2_devices_info(q->devices, q->device_index, &device) == TF2_OK && strcmp(device.id, "host") == 0;
    double n = (host ? BUDGET_MACS_HOST : BUDGET_MACS) / (macs * (double)TF2__MAX(n_runs, 1));
    if (n < 1)
        return host ? 0 : TF2__MIN(most, 2);
    return n < (double)most ? (size_t)n : most;
}

/* Whether tensor t belongs to the group and a node makes it. */
static bool is_made_in(const struct tf2__scheme *s, tf2_tensor_id t, tf2_tensor_id group)
{
    return s->group[t] == group && tf2__scheme_is_source(s, t) &&
           s->graph->tensors[t].producer != TF2__NO_NODE;
}

/* What quantizing adds to n values. */
static void quantization_error(const struct tf2__quant *quant, const float *x, size_t n, float *error)
{
    const double inverse = 1 / (double)quant->scale;
    for (size_t i = 0; i < n; i++) {
        int32_t q = tf2__to_u8(x[i], inverse, quant->zero_point);
        error[i] = (float)(q - quant->zero_point) * quant->scale - x[i];
    }
}

static enum tf2_status
try_candidate(struct tuner *t, tf2_tensor_id group, int candidate, struct tf2_error *error)
{
    const struct tf2__scheme *s = t->s;
    const struct tf2__range range = {
        s->range[group].low * candidates[candidate], s->range[group].high * candidates[candidate]};
    const struct tf2__quant quant = tf2__range_quant(&range);
    double noise = 0;
    for (tf2_tensor_id id = group; id < s->graph->n_tensors; id++) {
        if (!is_made_in(s, id, group))
            continue;
        uint32_t node = s->graph->tensors[id].producer;
        quantization_error(
            &quant, t->watch.outputs[node], (size_t)tf2_shape_count(&s->graph->tensors[id].shape),
            t->errors[node]);
        tf2__disturbed_set(&t->disturbed, node, t->errors[node]);
    }
    enum tf2_status status = tf2__disturbed_noise(&t->disturbed, &noise, error);
    for (tf2_tensor_id id = group; id < s->graph->n_tensors; id++) {
        if (is_made_in(s, id, group))
            tf2__disturbed_set(&t->disturbed, s->graph->tensors[id].producer, NULL);
    }
    t->noise[group * N_CANDIDATES + (size_t)candidate] += noise;
    return status;
}

/* Whether the group is tuned: its first tensor is tensor `group`, which a node makes or which others of it do. */
static bool is_tuned(const struct tf2__scheme *s, tf2_tensor_id group)
{
    for (tf2_tensor_id t = group; s->group[group] == group && t < s->graph->n_tensors; t++) {
        if (is_made_in(s, t, group))
            return true;
    }
    return false;
}

static enum tf2_status try_sample(struct tuner *t, size_t sample, struct tf2_error *error)
{
    float *const *inputs = t->q->samples + sample * t->s->graph->n_inputs;
    size_t done = sample * t->n_groups;
    TF2__TRY(tf2__watch_run(&t->watch, inputs, error));
    TF2__TRY(tf2__disturbed_start(&t->disturbed, inputs, error));
    for (tf2_tensor_id group = 0; group < t->s->graph->n_tensors; group++) {
        if (!is_tuned(t->s, group))
            continue;
        tf2__quantizer_progress(t->q, "choose ranges", done++, t->n_samples * t->n_groups);
        for (int c = 0; c < N_CANDIDATES; c++)
            TF2__TRY(try_candidate(t, group, c, error));
    }
    return TF2_OK;
}

static enum tf2_status prepare(struct tuner *t, struct tf2_error *error)
{
    const struct tf2_graph *graph = t->s->graph;
    struct tf2__arena *arena = t->s->arena;
    bool *chosen = tf2__arena_alloc(arena, graph->n_nodes, sizeof(*chosen));
    t->noise = tf2__arena_alloc(arena, (size_t)graph->n_tensors * N_CANDIDATES, sizeof(*t->noise));
    t->errors = tf2__arena_alloc(arena, graph->n_nodes, sizeof(*t->errors));
    if (!chosen || !t->noise || !t->errors)
        return tf2__fail_memory(error, graph->n_tensors * sizeof(*t->noise), "choosing ranges");
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        tf2_tensor_id out = graph->nodes[i].out;
        chosen[i] = is_made_in(t->s, out, t->s->group[out]);
        if (!chosen[i])
            continue;
        t->errors[i] =
            tf2__arena_alloc(arena, (size_t)tf2_shape_count(&graph->tensors[out].shape), sizeof(float));
        if (!t->errors[i])
            return tf2__fail_memory(error, sizeof(float), "choosing ranges");
    }
    TF2__TRY(tf2__watch_open(t->q, &t->watch, error));
    return tf2__disturbed_open(t->q, chosen, arena, &t->disturbed, error);
}

/* The factor on what N_FUTURE samples reach. */
static enum tf2_status settle(struct tuner *t, struct tf2_error *error)
{
    const uint32_t n = t->s->graph->n_tensors;
    double *factor = tf2__arena_alloc(t->s->arena, n, sizeof(*factor));
    if (!factor)
        return tf2__fail_memory(error, n * sizeof(*factor), "choosing ranges");
    for (tf2_tensor_id g = 0; g < n; g++) {
        const double *noise = t->noise + g * N_CANDIDATES;
        int best = 1; /* as seen */
        for (int c = 0; is_tuned(t->s, g) && c < N_CANDIDATES; c++)
            best = noise[c] < noise[best] ? c : best;
        factor[g] = candidates[best];
    }
    tf2__scheme_expect(t->s, t->q->observers, N_FUTURE, factor);
    return TF2_OK;
}

enum tf2_status
tf2__quantizer_tune(struct tf2__quantizer *q, struct tf2__scheme *scheme, struct tf2_error *error)
{
    struct tuner t = {.q = q, .s = scheme};
    tf2__scheme_expect(scheme, q->observers, N_FUTURE, NULL);
    for (tf2_tensor_id g = 0; g < scheme->graph->n_tensors; g++)
        t.n_groups += is_tuned(scheme, g);
    t.n_samples = tf2__quantizer_affords(q, t.n_groups * N_CANDIDATES, TF2__MIN(MAX_SAMPLES, q->n_kept));
    if (t.n_samples == 0 || t.n_groups == 0)
        return TF2_OK;
    tf2__scheme_expect(scheme, q->observers, (double)q->n_samples, NULL); /* what candidates are parts of */
    enum tf2_status status = prepare(&t, error);
    for (size_t i = 0; i < t.n_samples && status == TF2_OK; i++)
        status = try_sample(&t, i, error);
    if (status == TF2_OK) {
        tf2__quantizer_progress(q, "choose ranges", t.n_samples * t.n_groups, t.n_samples * t.n_groups);
        status = settle(&t, error);
    }
    tf2__runner_close(&t.disturbed.runner);
    tf2__watch_close(&t.watch);
    return status;
}
