/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_report.c: what was done and measured, node by node. A report owns all its memory.
 */
#include "api/quantize.h"

#include <math.h>

struct owned {
    struct tf2_quantize_report report; /* first: the handle points to it */
    struct tf2__arena arena;
};

/* The first attempt has what was measured of layers alone, the last one is what came out. */
struct reporter {
    const struct tf2__quantizer *q;
    const struct tf2__attempt *first, *last;
    const double *noise;
    const bool *fell_back;
    double total_noise;
};

static void fill_layer(const struct reporter *r, uint32_t index, struct tf2_quantize_layer *layer)
{
    const struct tf2__scheme *s = &r->last->scheme;
    const struct tf2__node *node = &s->graph->nodes[index];
    const struct tf2__observer *seen = &r->q->observers[node->out];
    const bool u8 = s->as_u8[node->out] && s->on_int[index];
    *layer = (struct tf2_quantize_layer){
        .op = node->op->name, /* static */
        .is_int8 = s->on_int[index],
        .fell_back = r->fell_back[index],
        .min = (float)(u8 ? s->range[node->out].low : seen->min),
        .max = (float)(u8 ? s->range[node->out].high : seen->max),
        .scale = u8 ? s->quant[node->out].scale : 0,
        .zero_point = u8 ? s->quant[node->out].zero_point : 0,
        .sqnr_db = tf2__fidelity_db(&r->last->sim.tensors[node->out]),
        .own_sqnr_db = NAN,
        .share = -1};
    if (r->first->sim.n_own && r->first->scheme.on_int[index])
        layer->own_sqnr_db = tf2__fidelity_db(&r->first->sim.own[index]);
    if (r->noise)
        layer->share = r->total_noise > 0 ? r->noise[index] / r->total_noise : 0;
}

static enum tf2_status fill(const struct reporter *r, struct owned *owned, struct tf2_error *error)
{
    const struct tf2__scheme *s = &r->last->scheme;
    const struct tf2__verdict *v = &r->last->verdict;
    const uint32_t n = s->graph->n_nodes;
    struct tf2_quantize_layer *layers = tf2__arena_alloc(&owned->arena, n, sizeof(*layers));
    if (!layers)
        return tf2__fail_memory(error, n * sizeof(*layers), "a report");
    owned->report = (struct tf2_quantize_report){
        .n_layers = n,
        .layers = layers,
        .n_samples = r->q->n_samples,
        .sqnr_db = tf2__fidelity_db(&v->outputs),
        .cosine = v->cosine,
        .same_class_percent = v->n_rows ? 100.0 * (double)v->n_same / (double)v->n_rows : -1};
    for (uint32_t i = 0; i < n; i++) {
        fill_layer(r, i, &layers[i]);
        layers[i].name = tf2__arena_strdup(&owned->arena, s->graph->nodes[i].name);
        if (!layers[i].name)
            return tf2__fail_memory(error, strlen(s->graph->nodes[i].name) + 1, "a report");
        owned->report.n_int8 += layers[i].is_int8;
        owned->report.n_float += !layers[i].is_int8;
        owned->report.n_fell_back += layers[i].fell_back;
    }
    return TF2_OK;
}

enum tf2_status tf2__quantizer_report(
    const struct tf2__quantizer *q, const struct tf2__attempt *first, const struct tf2__attempt *last,
    const double *noise, const bool *fell_back, struct tf2_quantize_report **report, struct tf2_error *error)
{
    struct reporter r = {q, first, last, noise, fell_back, 0};
    struct owned *owned = tf2__calloc(&q->env, 1, sizeof(*owned));
    if (!owned)
        return tf2__fail_memory(error, sizeof(*owned), "a report");
    tf2__arena_init(&owned->arena, &q->env);
    for (uint32_t i = 0; noise && i < last->scheme.graph->n_nodes; i++)
        r.total_noise += noise[i];
    *report = &owned->report;
    enum tf2_status status = fill(&r, owned, error);
    if (status != TF2_OK)
        tf2_quantize_report_destroy(report);
    return status;
}

void tf2_quantize_report_destroy(struct tf2_quantize_report **report)
{
    if (!report || !*report)
        return;
    struct owned *owned = (struct owned *)*report;
    struct tf2_env env = owned->arena.env;
    tf2__arena_finish(&owned->arena);
    tf2__free(&env, owned);
    *report = NULL;
}
