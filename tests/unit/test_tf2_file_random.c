/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf2_file_random.c: random networks as .tf2 files: the same network comes back and gives the same bits.
 * TF2_TEST_ROUNDS says how many.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../kernels/random_graph.h"
#include "tf2_file.h"
#include "transform/model/model.h"

#define ROUNDS 100

/* NULL when the passes refuse it. */
static struct tf2_model *make(uint64_t seed, bool optimize)
{
    const struct tf2_import_options options = {.no_optimize = !optimize};
    struct kgraph k;
    struct tf2_model *model = NULL;
    struct tf2_error error;
    kgraph_open(&k, seed);
    random_graph(&k);
    if (tf2_model_from_graph(&k.graph, "random", &options, &model, &error) != TF2_OK)
        print_message("seed %llu: %s\n", (unsigned long long)seed, error.message);
    tf2_graph_destroy(&k.graph);
    return model;
}

/* Twice, on buffers of its own each time. */
static void check_results(const struct tf2_model *a, const struct tf2_model *b)
{
    if (a->graph->n_inputs > 8 || a->graph->n_outputs > 8)
        return;
    struct tf2_file_example ra = tf2_file_example(a), rb = tf2_file_example(b);
    for (uint32_t i = 0; i < a->graph->n_outputs; i++) {
        const struct tf2_shape *shape = &a->graph->tensors[a->graph->outputs[i].tensor].shape;
        assert_memory_equal(ra.outputs[i], rb.outputs[i], (size_t)tf2_shape_count(shape) * sizeof(float));
    }
    tf2_file_example_free(&ra);
    tf2_file_example_free(&rb);
}

static void check_seed(uint64_t seed, bool optimize)
{
    struct tf2_model *model = make(seed, optimize);
    if (!model)
        return;
    struct tf2_file_bytes bytes = tf2_file_save(model, NULL);
    struct tf2_model *loaded = tf2_file_load(&bytes);
    struct tf2_file_bytes again = tf2_file_save(loaded, NULL);
    tf2_file_check_same(model, loaded);
    check_results(model, loaded);
    assert_int_equal(bytes.n, again.n);
    assert_memory_equal(bytes.data, again.data, bytes.n);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
    free(again.data);
    free(bytes.data);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t first, n;
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n; seed++) {
        check_seed(seed, false);
        check_seed(seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
