/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_random.c: random networks written as ONNX and read again compute the same. Environment: as
 * test_kernels.c; TF2_TEST_ROUNDS defaults to 300. With TF2_TEST_EXPORT_DIR the files stay there, each with
 * inputs and outputs as .npy, for tests/interop/onnx_check.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../kernels/random_graph.h"
#include "../support/reference_run.h"
#include "transform/model/model.h"

#define ROUNDS     300
#define MAX_INPUTS 64

static const char *directory(void)
{
    return getenv("TF2_TEST_EXPORT_DIR");
}

/* DIR/SEED.WHAT.NAME.npy */
static void
keep_array(uint64_t seed, const char *what, const char *name, const struct tf2_shape *shape, const void *data)
{
    char path[512];
    struct tf2_error error = {0};
    snprintf(path, sizeof(path), "%s/%llu.%s.%s.npy", directory(), (unsigned long long)seed, what, name);
    if (tf2_npy_save(path, TF2_DTYPE_F32, shape, data, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

/* The shapes of the graph's inputs at a batch; 0: its own. */
static void find_shapes(const struct tf2_graph *graph, int64_t batch, struct tf2_shape *shapes)
{
    assert_true(graph->n_inputs <= MAX_INPUTS);
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        shapes[i] = graph->tensors[graph->inputs[i]].shape;
        if (batch)
            shapes[i].dim[0] = batch;
    }
}

/* Runs on random inputs, which depend on their name. False: the graph does not take the shapes. */
static bool
run(const struct tf2_graph *graph, const struct tf2_shape *shapes, uint64_t seed, bool keep,
    struct reference_outputs *outputs)
{
    float *inputs[MAX_INPUTS];
    struct tf2_error error = {0};
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const char *name = graph->tensors[graph->inputs[i]].name;
        size_t n = (size_t)tf2_shape_count(&shapes[i]);
        inputs[i] = malloc(n * sizeof(float));
        kfill(inputs[i], n, seed + strlen(name) * 256 + (unsigned char)name[strlen(name) - 1], KDATA_SIGNED);
        if (keep)
            keep_array(seed, "in", name, &shapes[i], inputs[i]);
    }
    enum tf2_status status = reference_run(graph, shapes, (const float *const *)inputs, outputs, &error);
    for (uint32_t i = 0; keep && status == TF2_OK && i < outputs->n; i++)
        keep_array(seed, "out", graph->outputs[i].name, &outputs->shape[i], outputs->data[i]);
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        free(inputs[i]);
    return status == TF2_OK;
}

/* Inputs that no output needs are in the file, but the importer leaves them out. Shapes for those that are
 * left. */
static size_t choose_shapes(
    const char *path, const struct tf2_graph *graph, const struct tf2_shape *shapes,
    struct tf2_named_shape *named, struct tf2_shape *chosen)
{
    struct tf2_model *model = NULL;
    size_t n = 0;
    if (tf2_model_import(path, NULL, NULL, &model, NULL) != TF2_OK)
        return 0;
    for (uint32_t i = 0; i < model->graph->n_inputs; i++) {
        const char *name = model->graph->tensors[model->graph->inputs[i]].name;
        for (uint32_t k = 0; k < graph->n_inputs; k++) {
            if (strcmp(graph->tensors[graph->inputs[k]].name, name) != 0)
                continue;
            named[n] = (struct tf2_named_shape){graph->tensors[graph->inputs[k]].name, shapes[k]};
            chosen[n++] = shapes[k];
        }
    }
    tf2_model_destroy(&model);
    return n;
}

/* Reads the file for these shapes and runs it. */
static bool run_file(
    const char *path, const struct tf2_graph *graph, const struct tf2_shape *shapes, uint64_t seed,
    struct reference_outputs *outputs, struct tf2_error *error)
{
    struct tf2_named_shape named[MAX_INPUTS];
    struct tf2_shape chosen[MAX_INPUTS];
    struct tf2_import_options options = {.input_shapes = named, .no_optimize = true};
    struct tf2_model *model = NULL;
    options.n_input_shapes = choose_shapes(path, graph, shapes, named, chosen);
    bool good = tf2_model_import(path, NULL, &options, &model, error) == TF2_OK;
    if (good) {
        assert_int_equal(model->graph->n_inputs, options.n_input_shapes);
        assert_int_equal(model->graph->n_outputs, graph->n_outputs);
        for (uint32_t i = 0; i < graph->n_outputs; i++)
            assert_string_equal(model->graph->outputs[i].name, graph->outputs[i].name);
        good = run(model->graph, chosen, seed, false, outputs);
    }
    tf2_model_destroy(&model);
    return good;
}

/* Files leave the batch open when there is one, and the graph takes any. */
static bool has_batch(const struct tf2_graph *graph, uint64_t seed)
{
    struct reference_outputs outputs = {0};
    struct tf2_shape shapes[MAX_INPUTS];
    bool same = true;
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        same &=
            graph->tensors[graph->inputs[i]].shape.dim[0] == graph->tensors[graph->inputs[0]].shape.dim[0];
    find_shapes(graph, 1, shapes);
    same = same && run(graph, shapes, seed, false, &outputs);
    reference_outputs_free(&outputs);
    return same;
}

/* The file computes what the graph does at this batch, or the graph does not take the batch. */
static bool
check_batch(const char *path, const struct tf2_graph *graph, int64_t batch, uint64_t seed, bool keep)
{
    struct reference_outputs wanted = {0}, found = {0};
    struct tf2_shape shapes[MAX_INPUTS];
    struct tf2_error error = {0};
    double difference = INFINITY;
    find_shapes(graph, batch, shapes);
    if (!run(graph, shapes, seed, keep, &wanted))
        return batch != 0;
    if (run_file(path, graph, shapes, seed, &found, &error))
        difference = reference_difference(&wanted, &found);
    if (!(difference <= 1e-5))
        print_message(
            "seed %llu, batch %d: outputs differ by %g %s\n", (unsigned long long)seed, (int)batch,
            difference, error.message);
    reference_outputs_free(&found);
    reference_outputs_free(&wanted);
    return difference <= 1e-5;
}

/* *n_refused counts networks that have no ONNX form. */
static bool check(uint64_t seed, bool optimize, uint64_t *n_refused)
{
    struct tf2_error error = {0};
    struct tf2_model *model = kmodel(random_graph, seed, optimize);
    char path[512];
    bool keep = directory() && optimize, good = false;
    if (keep)
        snprintf(path, sizeof(path), "%s/%llu.onnx", directory(), (unsigned long long)seed);
    else
        snprintf(path, sizeof(path), "test_export_random_%ld.onnx", (long)getpid());
    enum tf2_status status = tf2_model_export_onnx(model, path, &error);
    if (status == TF2_OK)
        good = check_batch(path, model->graph, 0, seed, keep) &&
               (!has_batch(model->graph, seed) || check_batch(path, model->graph, 3, seed, false));
    else if (status == TF2_ERR_UNSUPPORTED)
        good = ++*n_refused;
    if (status != TF2_OK)
        print_message("seed %llu: %s\n", (unsigned long long)seed, error.message);
    if (!good)
        kgraph_print(model->graph);
    if (!keep)
        remove(path);
    tf2_model_destroy(&model);
    return good;
}

static void test_random_graphs(void **state)
{
    uint64_t first, n, n_bad = 0, n_refused = 0;
    (void)state;
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n && n_bad < 3; seed++) {
        n_bad += !check(seed, false, &n_refused);
        n_bad += !check(seed, true, &n_refused);
    }
    print_message(
        "%llu of %llu networks refused\n", (unsigned long long)n_refused, 2 * (unsigned long long)n);
    assert_int_equal(n_bad, 0);
    assert_true(n_refused <= n / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    return cmocka_run_group_tests_name("export_random", tests, NULL, NULL);
}
