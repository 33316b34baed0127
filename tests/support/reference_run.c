/* SPDX-License-Identifier: Apache-2.0 */
#include "reference_run.h"

#include <math.h>
#include <stdlib.h>

double reference_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) / 9007199254740992.0;
}

void reference_fill(float *data, size_t n, uint64_t seed, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (float)(low + (high - low) * reference_random(&seed));
}

/* All buffers of one run. */
struct run {
    const struct tf2_graph *graph;
    struct tf2_shape *shapes;
    const float **data; /* by tensor */
    float **owned;      /* by node */
};

static void run_node(struct run *run, uint32_t index)
{
    const struct tf2__node *node = &run->graph->nodes[index];
    struct tf2__view in[TF2_MAX_NODE_INPUTS], out;
    memset(in, 0, sizeof(in));
    for (uint32_t k = 0; k < node->n_in; k++) {
        tf2_tensor_id id = node->in[k];
        if (id != TF2_NO_TENSOR)
            tf2__view_dense(&in[k], run->data[id], TF2_DTYPE_F32, &run->shapes[id]);
    }
    size_t n = (size_t)tf2_shape_count(&run->shapes[node->out]);
    run->owned[index] = malloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        run->owned[index][i] = NAN; /* an element that is not written shows */
    run->data[node->out] = run->owned[index];
    tf2__view_dense(&out, run->owned[index], TF2_DTYPE_F32, &run->shapes[node->out]);
    node->op->eval(node->attr, in, node->n_in, &out);
    tf2__activation_apply(&node->activation, &out);
}

static void copy_outputs(const struct run *run, struct reference_outputs *outputs)
{
    outputs->n = run->graph->n_outputs;
    outputs->shape = calloc(outputs->n, sizeof(*outputs->shape));
    outputs->data = calloc(outputs->n, sizeof(*outputs->data));
    for (uint32_t i = 0; i < outputs->n; i++) {
        tf2_tensor_id id = run->graph->outputs[i].tensor;
        size_t bytes = (size_t)tf2_shape_count(&run->shapes[id]) * sizeof(float);
        outputs->shape[i] = run->shapes[id];
        outputs->data[i] = malloc(bytes);
        memcpy(outputs->data[i], run->data[id], bytes);
    }
}

enum tf2_status reference_run(
    const struct tf2_graph *graph, const struct tf2_shape *input_shapes, const float *const *inputs,
    struct reference_outputs *outputs, struct tf2_error *error)
{
    struct run run = {.graph = graph};
    struct tf2_shape *own = calloc(graph->n_inputs + 1, sizeof(*own));
    run.shapes = calloc(graph->n_tensors, sizeof(*run.shapes));
    run.data = calloc(graph->n_tensors, sizeof(*run.data));
    run.owned = calloc(graph->n_nodes + 1, sizeof(*run.owned));
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        own[i] = graph->tensors[graph->inputs[i]].shape;

    enum tf2_status status = tf2__graph_infer(graph, input_shapes ? input_shapes : own, run.shapes, error);
    if (status == TF2_OK) {
        for (uint32_t t = 0; t < graph->n_tensors; t++)
            run.data[t] = graph->tensors[t].data;
        for (uint32_t i = 0; i < graph->n_inputs; i++)
            run.data[graph->inputs[i]] = inputs[i];
        for (uint32_t i = 0; i < graph->n_nodes; i++)
            run_node(&run, i);
        copy_outputs(&run, outputs);
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        free(run.owned[i]);
    free(run.owned);
    free(run.data);
    free(run.shapes);
    free(own);
    return status;
}

enum tf2_status reference_run_random(
    const struct tf2_graph *graph, int64_t batch, uint64_t seed, float low, float high,
    struct reference_outputs *outputs, struct tf2_error *error)
{
    struct tf2_shape *shapes = calloc(graph->n_inputs + 1, sizeof(*shapes));
    float **inputs = calloc(graph->n_inputs + 1, sizeof(*inputs));
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        shapes[i] = graph->tensors[graph->inputs[i]].shape;
        if (batch && shapes[i].n_dims)
            shapes[i].dim[0] = batch;
        size_t n = (size_t)tf2_shape_count(&shapes[i]);
        inputs[i] = malloc(n * sizeof(float));
        reference_fill(inputs[i], n, seed + i, low, high);
    }
    enum tf2_status status = reference_run(graph, shapes, (const float *const *)inputs, outputs, error);
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        free(inputs[i]);
    free(inputs);
    free(shapes);
    return status;
}

void reference_outputs_free(struct reference_outputs *outputs)
{
    for (uint32_t i = 0; i < outputs->n; i++)
        free(outputs->data[i]);
    free(outputs->data);
    free(outputs->shape);
    memset(outputs, 0, sizeof(*outputs));
}

static double output_difference(const float *a, const float *b, int64_t n)
{
    double largest = 1e-3, difference = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(a[i]))
            largest = fmax(largest, fabs(a[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))
            continue;
        double d = fabs((double)a[i] - b[i]);
        difference = fmax(difference, isfinite(d) ? d / largest : INFINITY);
    }
    return difference;
}

double reference_difference(const struct reference_outputs *a, const struct reference_outputs *b)
{
    double difference = 0;
    if (a->n != b->n)
        return INFINITY;
    for (uint32_t i = 0; i < a->n; i++) {
        if (!tf2_shape_equal(&a->shape[i], &b->shape[i]))
            return INFINITY;
        difference =
            fmax(difference, output_difference(a->data[i], b->data[i], tf2_shape_count(&a->shape[i])));
    }
    return difference;
}
