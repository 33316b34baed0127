/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize_observe.c: runs the float network on all samples and collects what every tensor holds.
 */
#include "api/quantize.h"

#include "transform/ir/layout.h"

/* The prepared graph with every computed tensor as an output. */
enum tf2_status
tf2__watch_open(const struct tf2__quantizer *q, struct tf2__watch *watch, struct tf2_error *error)
{
    const struct tf2_graph *graph = q->prepared.graph;
    struct tf2__prepared copy;
    *watch = (struct tf2__watch){.env = q->env, .n = graph->n_nodes};
    watch->outputs = tf2__calloc(&q->env, graph->n_nodes, sizeof(*watch->outputs));
    if (!watch->outputs)
        return tf2__fail_memory(error, graph->n_nodes * sizeof(*watch->outputs), "outputs");
    TF2__TRY(tf2__quant_prepare(graph, &copy, error));
    enum tf2_status status = TF2_OK;
    copy.graph->n_outputs = 0;
    tf2__strmap_finish(&copy.graph->output_names);
    tf2__strmap_init(&copy.graph->output_names, &q->env);
    for (uint32_t i = 0; i < graph->n_nodes && status == TF2_OK; i++) {
        const struct tf2__tensor *tensor = &graph->tensors[graph->nodes[i].out];
        status = tf2_graph_add_output(copy.graph, tf2__graph_find(copy.graph, tensor->name), NULL, error);
        size_t n_bytes = (size_t)tf2_shape_count(&tensor->shape) * sizeof(float);
        watch->outputs[i] = tf2__alloc(&q->env, n_bytes);
        if (!watch->outputs[i])
            status = tf2__fail_memory(error, n_bytes, "a tensor");
    }
    if (status != TF2_OK) {
        tf2_graph_destroy(&copy.graph);
        return status;
    }
    return tf2__runner_open(q, &copy.graph, &watch->runner, error);
}

void tf2__watch_close(struct tf2__watch *watch)
{
    tf2__runner_close(&watch->runner);
    for (uint32_t i = 0; watch->outputs && i < watch->n; i++)
        tf2__free(&watch->env, watch->outputs[i]);
    tf2__free(&watch->env, watch->outputs);
    watch->outputs = NULL;
}

enum tf2_status tf2__watch_run(struct tf2__watch *watch, float *const *inputs, struct tf2_error *error)
{
    return tf2_session_run(
        watch->runner.session, (const void *const *)inputs, (void *const *)watch->outputs, error);
}

/* [N, C, ...]: channels are dimension 1; others have one. */
static int64_t n_channels(const struct tf2_shape *shape)
{
    return shape->n_dims >= 2 ? shape->dim[1] : 1;
}

static enum tf2_status init_stats(struct tf2__quantizer *q, struct tf2_error *error)
{
    const struct tf2_graph *graph = q->prepared.graph;
    const uint32_t n = graph->n_tensors;
    q->observers = tf2__arena_alloc(&q->arena, n, sizeof(*q->observers));
    q->stats = tf2__arena_alloc(&q->arena, n, sizeof(*q->stats));
    if (!q->observers || !q->stats)
        return tf2__fail_memory(error, n * sizeof(*q->observers), "statistics");
    for (uint32_t t = 0; t < n; t++) {
        const struct tf2__tensor *tensor = &graph->tensors[t];
        if (tensor->data)
            continue;
        TF2__TRY(tf2__observer_init(&q->observers[t], &q->arena, error));
        TF2__TRY(tf2__channel_stats_init(&q->stats[t], n_channels(&tensor->shape), &q->arena, error));
    }
    return TF2_OK;
}

static enum tf2_status observe(
    struct tf2__quantizer *q, tf2_tensor_id t, const float *values, size_t sample, struct tf2_error *error)
{
    const struct tf2__tensor *tensor = &q->prepared.graph->tensors[t];
    const int64_t count = tf2_shape_count(&tensor->shape), channels = n_channels(&tensor->shape);
    const int64_t n_outer = tensor->shape.n_dims >= 2 ? tensor->shape.dim[0] : 1;
    size_t bad = tf2__observer_add(&q->observers[t], values, (size_t)count);
    if (bad != SIZE_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "sample %zu: value %zu of tensor '%s' is not finite", sample, bad,
            tensor->name);
    tf2__channel_stats_add(&q->stats[t], values, n_outer, count / n_outer / channels);
    return TF2_OK;
}

static bool is_pixels(const struct tf2__quantizer *q, float *const *inputs)
{
    const struct tf2_graph *graph = q->model->graph;
    const struct tf2_preprocess *p = &q->model->preprocess;
    const struct tf2_shape *shape = &graph->tensors[graph->inputs[0]].shape;
    const uint32_t dim = tf2__layout_channel_dim(tf2__layout_of_input(graph, 0), shape->n_dims);
    return graph->n_inputs == 1 && shape->n_dims >= 2 && shape->dim[dim] <= (int64_t)TF2__COUNT(p->mean) &&
           tf2__quant_is_pixels(inputs[0], shape, dim, p->mean, p->scale != 0 ? p->scale : 1);
}

static enum tf2_status observe_sample(
    struct tf2__quantizer *q, struct tf2__watch *watch, float *const *inputs, size_t sample,
    struct tf2_error *error)
{
    const struct tf2_graph *graph = q->prepared.graph;
    TF2__TRY(tf2__samples_read(q, sample, inputs, error));
    q->is_pixels = q->is_pixels && is_pixels(q, inputs);
    TF2__TRY(tf2__watch_run(watch, inputs, error));
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        TF2__TRY(observe(q, graph->inputs[i], inputs[i], sample, error));
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        TF2__TRY(observe(q, graph->nodes[i].out, watch->outputs[i], sample, error));
    return TF2_OK;
}

enum tf2_status tf2__quantizer_observe(struct tf2__quantizer *q, const char *stage, struct tf2_error *error)
{
    struct tf2__watch watch = {0};
    TF2__TRY(init_stats(q, error));
    q->is_pixels = true;
    float **inputs = tf2__samples_alloc(q, &q->arena);
    if (!inputs)
        return tf2__fail_memory(error, sizeof(float), "a sample");
    enum tf2_status status = tf2__watch_open(q, &watch, error);
    for (size_t s = 0; s < q->n_samples && status == TF2_OK; s++) {
        tf2__quantizer_progress(q, stage, s, q->n_samples);
        status = observe_sample(q, &watch, inputs, s, error);
    }
    if (status == TF2_OK)
        tf2__quantizer_progress(q, stage, q->n_samples, q->n_samples);
    tf2__watch_close(&watch);
    return status;
}
