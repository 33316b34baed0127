/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_test.c: runs the example that a model came with, and compares.
 *
 * How close an output has to be depends on how it is computed. Integer operators, and quantizing what the
 * caller gives, are exact on every device. Float operators differ by roundings. Where floats that were
 * computed are quantized again, such a rounding can become a whole step.
 */
#include <tf2/session.h>

#include <math.h>

#include "transform/model/model.h"

/* How a tensor is computed; each kind contains those before it. */
enum closeness {
    EXACT = 0,      /* inputs, constants, integers all the way */
    ROUNDED = 1,    /* float operators at the end */
    REQUANTIZED = 2 /* integers again behind them */
};

/* Largest difference, relative to the largest value of the output. */
#define TOLERANCE_FLOAT_MODEL 1e-4
#define TOLERANCE_ROUNDED     1e-5
#define TOLERANCE_REQUANTIZED 5e-2

/* An output without a value that counts is compared with this magnitude. */
#define LEAST_MAGNITUDE 1e-6

struct test {
    const struct tf2_model *model;
    struct tf2_env env;
    float **values; /* of the example: inputs, outputs; then what came out */
    uint32_t n_values;
    uint8_t *closeness; /* by tensor */
    struct tf2_error *error;
};

/* Float operators that do not compute, so that exact stays exact. */
static bool only_moves(const struct tf2__node *node)
{
    switch (node->op->id) {
    case TF2_OP_IDENTITY:
    case TF2_OP_DROPOUT:
    case TF2_OP_CONCAT:
    case TF2_OP_SLICE:
    case TF2_OP_FLATTEN:
    case TF2_OP_RESHAPE:
    case TF2_OP_SQUEEZE:
    case TF2_OP_UNSQUEEZE:
    case TF2_OP_TRANSPOSE:
        return node->activation.kind == TF2_ACTIVATION_NONE;
    default:
        return false;
    }
}

static void find_closeness(struct test *test)
{
    const struct tf2_graph *graph = test->model->graph;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        uint8_t c = EXACT;
        for (uint32_t k = 0; k < node->n_in; k++) {
            if (node->in[k] != TF2_NO_TENSOR)
                c = TF2__MAX(c, test->closeness[node->in[k]]);
        }
        if (node->op->id == TF2_OP_QUANTIZE && c != EXACT)
            c = REQUANTIZED;
        if (!tf2__node_is_int8(graph, node) && !only_moves(node) && c == EXACT)
            c = ROUNDED;
        test->closeness[node->out] = c;
    }
}

static double tolerance(const struct test *test, enum closeness closeness)
{
    static const double of_int8_model[] = {0, TOLERANCE_ROUNDED, TOLERANCE_REQUANTIZED};
    if (test->model->n_int8_nodes == 0 && closeness != EXACT)
        return TOLERANCE_FLOAT_MODEL;
    return of_int8_model[closeness];
}

/* Not-a-numbers differ from everything. */
static enum tf2_status compare(
    const struct test *test, const char *name, const float *wanted, const float *found, size_t n,
    enum closeness closeness)
{
    double largest = LEAST_MAGNITUDE, worst = 0;
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)wanted[i]));
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)wanted[i] - (double)found[i]);
        if (!(difference <= worst)) {
            worst = difference;
            at = i;
            if (isnan(difference))
                break;
        }
    }
    double allowed = tolerance(test, closeness) * largest;
    if (at == SIZE_MAX || worst <= allowed)
        return TF2_OK;
    return tf2__fail(
        test->error, TF2_ERR_VALUE,
        "self-test: output '%s': element %zu is %.9g, wanted %.9g; they differ by %.3g, at most %.3g is "
        "allowed",
        name, at, (double)found[at], (double)wanted[at], worst, allowed);
}

static const struct tf2__tensor *tensor_of(const struct tf2_graph *graph, uint32_t value)
{
    if (value < graph->n_inputs)
        return &graph->tensors[graph->inputs[value]];
    return &graph->tensors[graph->outputs[(value - graph->n_inputs) % graph->n_outputs].tensor];
}

static enum tf2_status allocate(struct test *test)
{
    const struct tf2_graph *graph = test->model->graph;
    test->n_values = graph->n_inputs + 2 * graph->n_outputs;
    test->values = tf2__calloc(&test->env, test->n_values, sizeof(*test->values));
    test->closeness = tf2__calloc(&test->env, graph->n_tensors, sizeof(*test->closeness));
    if (!test->values || !test->closeness)
        return tf2__fail_memory(test->error, test->n_values * sizeof(*test->values), "a self-test");
    for (uint32_t i = 0; i < test->n_values; i++) {
        size_t n = (size_t)tf2_shape_count(&tensor_of(graph, i)->shape);
        test->values[i] = tf2__calloc(&test->env, n, sizeof(float));
        if (!test->values[i])
            return tf2__fail_memory(test->error, n * sizeof(float), "a self-test");
    }
    return TF2_OK;
}

static enum tf2_status run(struct test *test, struct tf2_devices *devices, size_t device_index)
{
    const struct tf2_graph *graph = test->model->graph;
    struct tf2_session *session = NULL;
    float **results = test->values + graph->n_inputs + graph->n_outputs;
    TF2__TRY(tf2_session_create(test->model, devices, device_index, NULL, &session, test->error));
    enum tf2_status status =
        tf2_session_run(session, (const void *const *)test->values, (void *const *)results, test->error);
    tf2_session_destroy(&session);
    return status;
}

static enum tf2_status test_model(struct test *test, struct tf2_devices *devices, size_t device_index)
{
    const struct tf2_graph *graph = test->model->graph;
    TF2__TRY(allocate(test));
    TF2__TRY(tf2__model_example(test->model, test->values, test->error));
    TF2__TRY(run(test, devices, device_index));
    find_closeness(test);
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        const struct tf2__graph_output *output = &graph->outputs[i];
        const float *wanted = test->values[graph->n_inputs + i];
        TF2__TRY(compare(
            test, output->name, wanted, test->values[graph->n_inputs + graph->n_outputs + i],
            (size_t)tf2_shape_count(&graph->tensors[output->tensor].shape),
            (enum closeness)test->closeness[output->tensor]));
    }
    return TF2_OK;
}

enum tf2_status tf2_model_self_test(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index, struct tf2_error *error)
{
    if (!model || !devices)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "self-test: model or devices is NULL");
    if (!model->example)
        return tf2__fail(error, TF2_ERR_NOT_FOUND, "self-test: model '%s' has no example", model->name);
    struct test test = {.model = model, .env = model->env, .error = error};
    enum tf2_status status = test_model(&test, devices, device_index);
    for (uint32_t i = 0; test.values && i < test.n_values; i++)
        tf2__free(&test.env, test.values[i]);
    tf2__free(&test.env, test.values);
    tf2__free(&test.env, test.closeness);
    return status;
}
