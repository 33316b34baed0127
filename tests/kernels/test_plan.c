/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_plan.c: plans of random graphs keep their promises, on paper (plan_check) and while they run
 * (arena_check); sessions on two devices in two threads give the bits of one.
 *
 * Environment: TF2_TEST_ROUNDS (default 200 per test), TF2_TEST_SEED, as test_kernels.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "plan_check.h"
#include "random_graph.h"
#include "runtime/devices.h"
#include "transform/model/model.h"

#define ROUNDS      200
#define MAX_PRINTED 3

static const struct kfamily random_family = {"random_graph", random_graph, 1e-9, 0};

/* Where memory plans go wrong: views, halos, outputs. */
static const char *const family_names[] = {
    "conv_planar",   "conv_pixel",    "conv_residual", "conv_chain",  "concat_channels", "concat_axis",
    "concat_nested", "concat_shared", "split_join",    "slice_conv",  "channel_shuffle", "reshape_maps",
    "outputs",       "no_work",       "views",         "pool_max",    "lrn_across",      "softmax",
    "pad",           "transpose",     "gemm_head",     "eltwise_many"};

static const struct kfamily *find_family(const char *name)
{
    const struct kfamily *const lists[] = {
        families_conv, families_map, families_move, families_window, families_net};
    for (size_t i = 0; i < TF2__COUNT(lists); i++) {
        for (const struct kfamily *f = lists[i]; f->name; f++) {
            if (strcmp(f->name, name) == 0)
                return f;
        }
    }
    fail_msg("no family %s", name);
    return NULL;
}

/* --- input numbers and what the host makes of them --- */

struct numbers {
    struct tf2_shape shapes[16];
    float *inputs[16], *outputs[64];
    uint32_t n_inputs, n_outputs;
};

static void open_numbers(struct numbers *n, const struct tf2_model *model, int64_t batch, uint64_t seed)
{
    memset(n, 0, sizeof(*n));
    n->n_inputs = model->graph->n_inputs;
    n->n_outputs = model->graph->n_outputs;
    assert_true(n->n_inputs <= TF2__COUNT(n->inputs) && n->n_outputs <= TF2__COUNT(n->outputs));
    for (uint32_t i = 0; i < n->n_inputs; i++) {
        n->shapes[i] = model->graph->tensors[model->graph->inputs[i]].shape;
        if (batch)
            n->shapes[i].dim[0] = batch;
        size_t count = (size_t)tf2_shape_count(&n->shapes[i]);
        n->inputs[i] = malloc(count * sizeof(float));
        kfill(n->inputs[i], count, seed + i, KDATA_SIGNED);
    }
}

static void close_numbers(struct numbers *n)
{
    for (uint32_t i = 0; i < n->n_inputs; i++)
        free(n->inputs[i]);
    for (uint32_t i = 0; i < n->n_outputs; i++)
        free(n->outputs[i]);
}

static struct tf2_session *
open_session(const struct tf2_model *model, struct tf2_devices *devices, size_t index, int64_t batch)
{
    struct tf2_session_options options;
    struct tf2_session *session = NULL;
    tf2_session_options_defaults(&options);
    options.batch = batch;
    return tf2_session_create(model, devices, index, &options, &session, NULL) == TF2_OK ? session : NULL;
}

/* Fills the outputs; false when the graph does not take the batch. */
static bool host_numbers(
    struct numbers *n, const struct tf2_model *model, struct tf2_devices *devices, size_t host, int64_t batch)
{
    struct tf2_error error = {0};
    struct tf2_session *session = open_session(model, devices, host, batch);
    if (!session)
        return false;
    for (uint32_t i = 0; i < n->n_outputs; i++) {
        struct tf2_tensor_info info;
        assert_int_equal(tf2_session_output(session, i, &info), TF2_OK);
        n->outputs[i] = malloc((size_t)tf2_shape_count(&info.shape) * sizeof(float));
    }
    if (tf2_session_run(session, (const void *const *)n->inputs, (void *const *)n->outputs, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_session_destroy(&session);
    return true;
}

/* --- plans --- */

static bool check_model(
    const struct tf2_model *model, struct tf2_devices *devices, size_t index, int64_t batch, double tolerance)
{
    struct tf2__device *device = tf2__devices_get(devices, index);
    struct tf2__plan *plan = NULL;
    struct numbers numbers;
    bool good = true;
    open_numbers(&numbers, model, batch, 7);
    const struct tf2__plan_options options = {.input_shapes = numbers.shapes};
    if (host_numbers(&numbers, model, devices, tf2_devices_count(devices) - 1, batch) &&
        tf2__plan_create(model->graph, &options, device, &plan, NULL) == TF2_OK) {
        good = plan_check(plan);
        good &= arena_check(
            device, plan, (const float *const *)numbers.inputs, (const float *const *)numbers.outputs,
            tolerance);
    }
    tf2__plan_destroy(&plan);
    close_numbers(&numbers);
    return good;
}

static bool check_seed(const struct kfamily *family, struct tf2_devices *devices, uint64_t seed)
{
    static const int64_t batches[] = {0, 3};
    bool good = true;
    for (int optimize = 0; optimize < 2 && good; optimize++) {
        struct tf2_model *model = kmodel(family->build, seed, optimize);
        for (size_t d = 0; d < tf2_devices_count(devices) && good; d++) {
            for (size_t b = 0; b < TF2__COUNT(batches) && good; b++) {
                good = check_model(
                    model, devices, d, batches[b], family->tolerance > 0 ? family->tolerance : 1e-9);
                if (!good) {
                    struct tf2_device_info info;
                    assert_int_equal(tf2_devices_info(devices, d, &info), TF2_OK);
                    print_message(
                        "%s, TF2_TEST_SEED=%llu, %s, %s, batch %lld:\n", family->name,
                        (unsigned long long)seed, optimize ? "optimized" : "as built", info.id,
                        (long long)batches[b]);
                    kgraph_print(model->graph);
                }
            }
        }
        tf2_model_destroy(&model);
    }
    return good;
}

/* "cl:0,host", or only "host" where there is no OpenCL. */
static struct tf2_devices *open_devices(const char *spec)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_devices_open(spec, NULL, &devices, &error);
    if (status == TF2_ERR_NO_DEVICE) {
        print_message("%s\n", error.message);
        return NULL;
    }
    if (status != TF2_OK)
        fail_msg("%s: %s", spec, error.message);
    return devices;
}

static void test_random_plans(void **state)
{
    uint64_t first, n, n_bad = 0;
    struct tf2_devices *devices = open_devices("cl:0,host");
    (void)state;
    devices = devices ? devices : open_devices("host");
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
        n_bad += !check_seed(&random_family, devices, seed);
    tf2_devices_close(&devices);
    if (n_bad)
        fail_msg("%llu or more of %llu plans are wrong", (unsigned long long)n_bad, (unsigned long long)n);
}

static void test_family_plans(void **state)
{
    uint64_t first, n, n_bad = 0;
    struct tf2_devices *devices = open_devices("cl:0,host");
    (void)state;
    devices = devices ? devices : open_devices("host");
    kseeds(&first, &n, ROUNDS / 10);
    for (size_t f = 0; f < TF2__COUNT(family_names); f++) {
        for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
            n_bad += !check_seed(find_family(family_names[f]), devices, seed);
    }
    tf2_devices_close(&devices);
    if (n_bad)
        fail_msg("%llu or more plans are wrong", (unsigned long long)n_bad);
}

/* --- two threads --- */

#define THREAD_RUNS 20

struct worker {
    struct tf2_session *session;
    const struct numbers *numbers;
    float *outputs[64];
    bool good;
};

static void *work(void *argument)
{
    struct worker *w = argument;
    w->good = true;
    for (int run = 0; run < THREAD_RUNS && w->good; run++) {
        w->good = tf2_session_run(
                      w->session, (const void *const *)w->numbers->inputs, (void *const *)w->outputs, NULL) ==
                  TF2_OK;
        for (uint32_t i = 0; i < w->numbers->n_outputs && w->good; i++) {
            struct tf2_tensor_info info;
            w->good = tf2_session_output(w->session, i, &info) == TF2_OK &&
                      memcmp(
                          w->outputs[i], w->numbers->outputs[i],
                          (size_t)tf2_shape_count(&info.shape) * sizeof(float)) == 0;
        }
    }
    return NULL;
}

/* Both threads at once, many runs each; wanted: the bits of a run alone on the first device. */
static bool check_threads(const struct tf2_model *model, struct tf2_devices *devices)
{
    struct worker workers[2];
    struct numbers numbers;
    pthread_t threads[2];
    bool good = true;
    open_numbers(&numbers, model, 0, 3);
    assert_true(host_numbers(&numbers, model, devices, 0, 0));
    for (size_t t = 0; t < 2; t++) {
        workers[t] = (struct worker){.numbers = &numbers};
        workers[t].session = open_session(model, devices, t, 0);
        assert_non_null(workers[t].session);
        for (uint32_t i = 0; i < numbers.n_outputs; i++) {
            struct tf2_tensor_info info;
            assert_int_equal(tf2_session_output(workers[t].session, i, &info), TF2_OK);
            workers[t].outputs[i] = malloc((size_t)tf2_shape_count(&info.shape) * sizeof(float));
        }
    }
    for (size_t t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    for (size_t t = 0; t < 2; t++) {
        pthread_join(threads[t], NULL);
        good &= workers[t].good;
        tf2_session_destroy(&workers[t].session);
        for (uint32_t i = 0; i < numbers.n_outputs; i++)
            free(workers[t].outputs[i]);
    }
    close_numbers(&numbers);
    return good;
}

/* The second device is another one, or the same one again: sessions are independent there too. */
static void threads_on(const char *spec)
{
    uint64_t first, n, n_bad = 0;
    struct tf2_devices *devices = open_devices(spec);
    if (!devices)
        return;
    kseeds(&first, &n, ROUNDS / 5);
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++) {
        struct tf2_model *model = kmodel(random_graph, seed, true);
        if (!check_threads(model, devices)) {
            print_message("TF2_TEST_SEED=%llu on %s:\n", (unsigned long long)seed, spec);
            kgraph_print(model->graph);
            n_bad++;
        }
        tf2_model_destroy(&model);
    }
    tf2_devices_close(&devices);
    if (n_bad)
        fail_msg("%s: two threads give other bits than one", spec);
}

static void test_threads_two_devices(void **state)
{
    (void)state;
    threads_on("cl:0,cl:1");
}

static void test_threads_one_device_twice(void **state)
{
    (void)state;
    threads_on("cl:0,cl:0");
}

static void test_threads_host(void **state)
{
    (void)state;
    threads_on("host,host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_plans),        cmocka_unit_test(test_family_plans),
        cmocka_unit_test(test_threads_two_devices), cmocka_unit_test(test_threads_one_device_twice),
        cmocka_unit_test(test_threads_host),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
