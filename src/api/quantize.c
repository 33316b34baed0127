/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.c: tf2_model_quantize, post-training quantization from samples.
 *
 *     prepare ─ observe ─ equalize ─ observe again ─ attempt: assign, ranges, weights, simulate, rewrite, judge
 *                                                       └─ with more layers in float while the limit is not kept
 *
 * Nothing depends on time or addresses: the same inputs on the same device give the same model.
 */
#include "api/quantize.h"

#include "transform/ir/layout.h"

#include <math.h>

#define DEFAULT_PERCENTILE 99.99f
#define MAX_OWN            8 /* samples for the layers' own errors */
#define MAX_OWN_BYTES      ((size_t)1 << 29)

void tf2_quantize_options_defaults(struct tf2_quantize_options *options)
{
    if (options)
        memset(options, 0, sizeof(*options));
}

static enum tf2_status check_options(const struct tf2_quantize_options *o, struct tf2_error *error)
{
    if ((unsigned)o->range > TF2_RANGE_KL || (unsigned)o->rounding > TF2_ROUNDING_GPTQ)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "quantize: no range method %d or rounding %d", (int)o->range,
            (int)o->rounding);
    if (!(o->percentile == 0 || (o->percentile > 50 && o->percentile <= 100)))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "quantize: percentile %g, wanted 50 to 100, or 0",
            (double)o->percentile);
    if (!(o->max_drop_percent >= 0 && o->max_drop_percent <= 100))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "quantize: a drop of at most %g per cent, wanted 0 to 100",
            (double)o->max_drop_percent);
    if (o->n_float_nodes && !o->float_nodes)
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT, "quantize: float_nodes is NULL, n_float_nodes is not 0");
    return TF2_OK;
}

/* Names of the model's nodes or of those that they were split into. All that are neither are told at once. */
static enum tf2_status find_forced(struct tf2__quantizer *q, struct tf2_error *error)
{
    const uint32_t n = q->prepared.graph->n_nodes;
    struct tf2__report unknown = {0};
    q->forced_float = tf2__arena_alloc(&q->arena, n, sizeof(*q->forced_float));
    if (!q->forced_float)
        return tf2__fail_memory(error, n, "names of nodes");
    for (size_t k = 0; k < q->options.n_float_nodes; k++) {
        const char *name = q->options.float_nodes[k];
        bool found = false;
        for (uint32_t i = 0; name && i < n; i++) {
            bool same = strcmp(q->prepared.origin[i], name) == 0 ||
                        strcmp(q->prepared.graph->nodes[i].name, name) == 0;
            q->forced_float[i] |= same;
            found |= same;
        }
        if (!found)
            tf2__report_add(&unknown, TF2_ERR_NOT_FOUND, "no node is called '%s'", name ? name : "");
    }
    return tf2__report_finish(&unknown, "nodes to stay float", error);
}

static enum tf2_status equalize(struct tf2__quantizer *q, struct tf2_error *error)
{
    struct tf2__scheme scheme;
    size_t n_scaled = 0;
    TF2__TRY(tf2__scheme_init(&scheme, q->prepared.graph, &q->arena, error));
    TF2__TRY(tf2__scheme_assign(&scheme, q->forced_float, error));
    TF2__TRY(tf2__quant_equalize(q->prepared.graph, &scheme, q->stats, &n_scaled, error));
    tf2__log(&q->env, TF2_LOG_INFO, "quantize: equalization scaled %zu channels", n_scaled);
    return n_scaled ? tf2__quantizer_observe(q, "calibrate scaled", error) : TF2_OK;
}

static enum tf2_status choose_ranges(
    struct tf2__quantizer *q, struct tf2__scheme *s, const struct tf2__scheme *from, struct tf2_error *error)
{
    const struct tf2_preprocess *p = &q->model->preprocess;
    const float percentile = q->options.percentile > 0 ? q->options.percentile : DEFAULT_PERCENTILE;
    if (from)
        tf2__scheme_adopt(s, from, q->observers);
    else if (q->options.range == TF2_RANGE_AUTO)
        TF2__TRY(tf2__quantizer_tune(q, s, error));
    else
        TF2__TRY(tf2__scheme_ranges(s, q->observers, q->options.range, percentile, error));
    if (!q->is_pixels)
        return TF2_OK;
    return tf2__scheme_pixels(s, tf2__layout_inner_input(s->graph, 0), p->mean, p->scale != 0 ? p->scale : 1, error);
}

/* The int8 graph as a model: same names, same preprocessing, nothing optimized again. */
static enum tf2_status make_model(
    const struct tf2__quantizer *q, const struct tf2__scheme *scheme, struct tf2_model **model,
    struct tf2_error *error)
{
    const struct tf2_import_options options = {.preprocess = q->model->preprocess, .no_optimize = true};
    struct tf2_graph *graph = NULL;
    TF2__TRY(tf2__quant_rewrite(scheme, &graph, error));
    enum tf2_status status = tf2_model_from_graph(&graph, q->model->name, &options, model, error);
    tf2_graph_destroy(&graph);
    return status;
}

enum tf2_status tf2__attempt_make(
    struct tf2__quantizer *q, const bool *forced_float, const struct tf2__scheme *from, size_t n_own,
    struct tf2__attempt *a, struct tf2_error *error)
{
    tf2__arena_init(&a->arena, &q->env);
    TF2__TRY(tf2__scheme_init(&a->scheme, q->prepared.graph, &a->arena, error));
    TF2__TRY(tf2__scheme_assign(&a->scheme, forced_float, error));
    TF2__TRY(choose_ranges(q, &a->scheme, from, error));
    TF2__TRY(tf2__scheme_weights(&a->scheme, q->stats, error));
    a->sim = (struct tf2__sim){
        .q = q,
        .scheme = &a->scheme,
        .stage = "quantize layers",
        .correct = !q->options.no_bias_correction,
        .gptq = q->options.rounding == TF2_ROUNDING_GPTQ,
        .n_own = n_own};
    TF2__TRY(tf2__sim_run(&a->sim, error));
    TF2__TRY(make_model(q, &a->scheme, &a->model, error));
    return tf2__quantizer_judge(q, a->model, "compare", &a->verdict, error);
}

void tf2__attempt_finish(struct tf2__attempt *a)
{
    tf2_model_destroy(&a->model);
    tf2__arena_finish(&a->arena);
}

/* Samples for the layers' own errors: they are kept, all layers' at once. */
static size_t count_own(const struct tf2__quantizer *q)
{
    const struct tf2_graph *graph = q->prepared.graph;
    size_t n_bytes = 1;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        n_bytes += (size_t)tf2_shape_count(&graph->tensors[graph->nodes[i].out].shape) * sizeof(float);
    size_t most = TF2__MIN(TF2__MIN(MAX_OWN_BYTES / n_bytes, MAX_OWN), q->n_kept);
    return tf2__quantizer_affords(q, graph->n_nodes, most);
}

/* *noise is NULL when nothing was measured. */
static enum tf2_status
measure_shares(struct tf2__quantizer *q, const struct tf2__sim *sim, double **noise, struct tf2_error *error)
{
    const size_t n = q->prepared.graph->n_nodes;
    *noise = NULL;
    if (sim->n_own == 0)
        return TF2_OK;
    *noise = tf2__arena_alloc(&q->arena, n, sizeof(**noise));
    if (!*noise)
        return tf2__fail_memory(error, n * sizeof(**noise), "shares of layers");
    return tf2__quantizer_shares(sim, *noise, error);
}

/* What layers are put back to float by when there was no time to measure what they do to the outputs. */
static enum tf2_status guess_shares(
    const struct tf2__quantizer *q, const struct tf2__sim *sim, double **noise, struct tf2_error *error)
{
    const struct tf2_graph *graph = q->prepared.graph;
    struct tf2__arena *arena = sim->scheme->arena;
    *noise = tf2__arena_alloc(arena, graph->n_nodes, sizeof(**noise));
    if (!*noise)
        return tf2__fail_memory(error, graph->n_nodes * sizeof(**noise), "shares of layers");
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        (*noise)[i] = -tf2__fidelity_db(&sim->tensors[graph->nodes[i].out]);
    return TF2_OK;
}

/* From statistics to the result. */
static enum tf2_status decide(
    struct tf2__quantizer *q, bool want_report, struct tf2_model **result,
    struct tf2_quantize_report **report, struct tf2_error *error)
{
    const float limit = q->options.max_drop_percent > 0 ? q->options.max_drop_percent : 100;
    struct tf2__attempt first = {0}, last;
    double *noise = NULL, *guessed = NULL;
    bool *fell_back = tf2__arena_alloc(&q->arena, q->prepared.graph->n_nodes, sizeof(*fell_back));
    if (!fell_back)
        return tf2__fail_memory(error, q->prepared.graph->n_nodes, "a quantization");
    enum tf2_status status = tf2__attempt_make(
        q, q->forced_float, NULL, want_report || limit < 100 ? count_own(q) : 0, &first, error);
    if (status == TF2_OK)
        status = measure_shares(q, &first.sim, &noise, error);
    last = first;
    bool relax = status == TF2_OK && tf2__verdict_drop(&first.verdict) > limit;
    if (relax && !noise)
        status = guess_shares(q, &first.sim, &guessed, error);
    if (relax && status == TF2_OK)
        status = tf2__quantizer_relax(q, noise ? noise : guessed, &last, fell_back, error);
    relax = relax && last.model != first.model;
    if (status == TF2_OK && want_report)
        status = tf2__quantizer_report(q, &first, &last, noise, fell_back, report, error);
    if (status == TF2_OK) {
        struct tf2_model **made = relax ? &last.model : &first.model;
        *result = *made;
        *made = NULL;
    }
    if (relax)
        tf2__attempt_finish(&last);
    tf2__attempt_finish(&first);
    return status;
}

static enum tf2_status
run(struct tf2__quantizer *q, bool want_report, struct tf2_model **result,
    struct tf2_quantize_report **report, struct tf2_error *error)
{
    TF2__TRY(tf2__quant_prepare(q->model->graph, &q->prepared, error));
    TF2__TRY(find_forced(q, error));
    TF2__TRY(tf2__samples_keep(q, error));
    TF2__TRY(tf2__quantizer_observe(q, "calibrate", error));
    if (!q->options.no_equalization)
        TF2__TRY(equalize(q, error));
    return decide(q, want_report, result, report, error);
}

enum tf2_status tf2_model_quantize(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index, tf2_sample_read read,
    void *read_user, size_t n_samples, const struct tf2_quantize_options *options, struct tf2_model **result,
    struct tf2_quantize_report **report, struct tf2_error *error)
{
    struct tf2_quantize_options defaults;
    tf2_quantize_options_defaults(&defaults);
    if (!model || !devices || !read || !result || device_index >= tf2_devices_count(devices))
        return tf2__fail(
            error, TF2_ERR_INVALID_ARGUMENT,
            "quantize: model, devices, read or result is NULL, or no device %zu", device_index);
    if (n_samples == 0)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "quantize: no samples, wanted one or more");
    TF2__TRY(check_options(options ? options : &defaults, error));
    struct tf2__quantizer q = {
        .env = model->env,
        .model = model,
        .devices = devices,
        .device_index = device_index,
        .read = read,
        .read_user = read_user,
        .n_samples = n_samples,
        .options = options ? *options : defaults};
    tf2__arena_init(&q.arena, &q.env);
    enum tf2_status status = run(&q, report != NULL, result, report, error);
    tf2_graph_destroy(&q.prepared.graph);
    tf2__arena_finish(&q.arena);
    return status;
}
