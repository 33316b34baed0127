/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_share.c: how much of the error at the network's outputs is due to each layer: the error that the layer makes
 * alone goes through the rest of the float network.
 */
#include "api/quantize.h"

static enum tf2_status measure_sample(
    const struct tf2__sim *sim, struct tf2__disturbed *d, size_t sample, double *noise,
    struct tf2_error *error)
{
    const struct tf2_graph *graph = sim->scheme->graph;
    const size_t n_samples = TF2__MIN(sim->n_own, sim->q->n_kept);
    TF2__TRY(tf2__disturbed_start(d, sim->q->samples + sample * graph->n_inputs, error));
    for (uint32_t node = 0; node < graph->n_nodes; node++) {
        double found = 0;
        tf2__quantizer_progress(
            sim->q, "measure layers", sample * graph->n_nodes + node, n_samples * graph->n_nodes);
        if (!sim->scheme->on_int[node])
            continue;
        tf2__disturbed_set(d, node, sim->own_noise[node * sim->n_own + sample]);
        TF2__TRY(tf2__disturbed_noise(d, &found, error));
        tf2__disturbed_set(d, node, NULL);
        noise[node] += found;
    }
    return TF2_OK;
}

enum tf2_status tf2__quantizer_shares(const struct tf2__sim *sim, double *noise, struct tf2_error *error)
{
    const struct tf2_graph *graph = sim->scheme->graph;
    const size_t n_samples = TF2__MIN(sim->n_own, sim->q->n_kept);
    struct tf2__disturbed d;
    memset(noise, 0, graph->n_nodes * sizeof(*noise));
    TF2__TRY(tf2__disturbed_open(sim->q, sim->scheme->on_int, sim->scheme->arena, &d, error));
    enum tf2_status status = TF2_OK;
    for (size_t s = 0; s < n_samples && status == TF2_OK; s++)
        status = measure_sample(sim, &d, s, noise, error);
    tf2__runner_close(&d.runner);
    if (status == TF2_OK)
        tf2__quantizer_progress(
            sim->q, "measure layers", n_samples * graph->n_nodes, n_samples * graph->n_nodes);
    return status;
}
