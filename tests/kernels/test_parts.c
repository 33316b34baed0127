/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_parts.c: every family of graphs, float and integer, with its steps divided among two and three devices: the bits of
 * one device. The same with weights that are streamed, on the least budget and on a larger one. Weights are packed once. A
 * part that fails takes the others with it, and the next run works.
 *
 * Environment: as test_kernels.c; TF2_TEST_ROUNDS defaults to 12. Unless POCL_DEVICES says otherwise three devices are
 * asked for, however many cores there are.
 */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../bench/nets.h"
#include "families.h"
#include "kint8.h"
#include "kparts.h"
#include "random_graph.h"
#include "random_int8.h"
#include "runtime/devices.h"

#define ROUNDS       12
#define MAX_FAMILIES 200
#define MAX_PRINTED  3
#define N_DEVICES    3

struct suite {
    struct tf2_devices *devices; /* NULL: none that share memory */
    struct tf2__device *device[N_DEVICES];
    size_t n_devices;
    unsigned n_streamed; /* instances that streamed weights */
    struct CMUnitTest tests[MAX_FAMILIES + 1];
    struct row {
        struct suite *suite;
        const char *name;
        kbuild build;
        uint64_t slow;
        bool int8; /* built as it runs: no passes */
        bool may_refuse;
    } rows[MAX_FAMILIES];
    size_t n;
};

/* How a graph runs, against one device alone. */
struct manner {
    uint32_t n_parts;
    const double *shares;
    unsigned budget; /* of weights: 0: no limit; else so many quarters of the least */
};

static const double uneven[N_DEVICES] = {1, 5, 2};
static const struct manner manners[] = {{2, NULL, 0}, {2, uneven, 0}, {3, NULL, 0}, {3, uneven, 0},
                                        {1, NULL, 4}, {1, NULL, 7},   {2, NULL, 4}, {3, uneven, 5}};

static enum tf2_status open_instance(
    const struct suite *suite, const struct tf2_model *model, const struct kvalues *values,
    const struct manner *manner, const struct tf2__instance *like, struct tf2__instance **instance,
    struct tf2_error *error)
{
    struct tf2__instance_options options = {.input_shapes = values->shapes};
    if (!manner->budget)
        return tf2__instance_create(
            model->graph, suite->device, manner->shares, manner->n_parts, &options, like, instance, error);
    /* The message tells the least; there is none when no weights come in blocks. */
    options.weight_budget_bytes = 1;
    enum tf2_status status =
        tf2__instance_create(model->graph, suite->device, NULL, 1, &options, like, instance, error);
    if (status == TF2_ERR_NO_MEMORY) {
        const char *least = strstr(error->message, "needs ");
        assert_non_null(least);
        options.weight_budget_bytes = strtoull(least + 6, NULL, 10) * manner->budget / 4;
        assert_true(options.weight_budget_bytes > 1);
    }
    tf2__instance_destroy(instance);
    return tf2__instance_create(
        model->graph, suite->device, manner->shares, manner->n_parts, &options, like, instance, error);
}

/* Twice, with other numbers between: nothing may stay behind. */
static bool check_manner(
    struct suite *suite, const struct tf2_model *model, struct tf2__instance *alone, int64_t batch,
    const struct manner *manner, uint64_t seed)
{
    struct tf2__instance *instance = NULL;
    struct tf2__instance_stats stats, stats_alone;
    struct tf2_error error = {0};
    bool good = true;
    for (uint64_t round = 0; round < 3 && good; round++) {
        struct kvalues wanted, found;
        kvalues_open(&wanted, model, batch, seed + 10 * (round % 2));
        kvalues_open(&found, model, batch, seed + 10 * (round % 2));
        found.lend = round == 1;
        if (!instance && open_instance(suite, model, &found, manner, alone, &instance, &error) != TF2_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, error.message);
        if (kparts_run(alone, 1, &wanted, &error) != TF2_OK ||
            kparts_run(instance, manner->n_parts, &found, &error) != TF2_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, error.message);
        good = kvalues_equal(&found, &wanted);
        kvalues_close(&wanted);
        kvalues_close(&found);
    }
    tf2__instance_stats(instance, &stats);
    tf2__instance_stats(alone, &stats_alone);
    suite->n_streamed += stats.streamed_bytes > 0;
    if (stats.weights_bytes > stats.shared_weights_bytes &&
        stats.weights_bytes == stats_alone.weights_bytes) {
        print_message(
            "  %zu of %zu bytes of weights are shared\n", stats.shared_weights_bytes, stats.weights_bytes);
        good = false;
    }
    tf2__instance_destroy(&instance);
    return good;
}

static bool check_seed(const struct row *row, uint64_t seed)
{
    static const struct manner whole = {1, NULL, 0};
    struct suite *suite = row->suite;
    struct tf2_model *model = kmodel(row->build, seed, !row->int8 && seed % 2);
    const int64_t batch = seed % 3 == 0 ? 3 : 0;
    struct tf2__instance *alone = NULL;
    struct kvalues values;
    struct tf2_error error = {0};
    bool good = true;
    kvalues_open(&values, model, batch, seed);
    enum tf2_status status = open_instance(suite, model, &values, &whole, NULL, &alone, &error);
    if (status != TF2_OK && !batch && !row->may_refuse)
        fail_msg("%s, seed %llu: %s", row->name, (unsigned long long)seed, error.message);
    for (size_t i = 0; status == TF2_OK && i < TF2__COUNT(manners) && good; i++) {
        if (manners[i].n_parts > suite->n_devices)
            continue;
        good = check_manner(suite, model, alone, batch, &manners[i], seed);
        if (!good) {
            print_message(
                "%s, TF2_TEST_SEED=%llu, batch %lld, %u parts%s, budget %u:\n", row->name,
                (unsigned long long)seed, (long long)batch, manners[i].n_parts,
                manners[i].shares ? ", uneven" : "", manners[i].budget);
            kprint8(model->graph);
        }
    }
    tf2__instance_destroy(&alone);
    kvalues_close(&values);
    tf2_model_destroy(&model);
    return good;
}

static void run_row(void **state)
{
    struct row *row = *state;
    uint64_t first, n, n_bad = 0;
    if (row->suite->n_devices < 2) {
        print_message("fewer than two devices that share memory\n");
        skip();
    }
    kseeds(&first, &n, ROUNDS);
    if (row->slow)
        n = (n + row->slow - 1) / row->slow;
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
        n_bad += !check_seed(row, seed);
    if (n_bad)
        fail_msg(
            "%s: %llu or more of %llu seeds differ", row->name, (unsigned long long)n_bad,
            (unsigned long long)n);
}

/* --- failures: the devices' own operations, but for a run that breaks off --- */

static struct tf2__device_ops breaking_ops;
static const struct tf2__device_ops *real_ops;
static _Atomic uint32_t breaks; /* the part that does, N_DEVICES: none */

static enum tf2_status breaking_run(
    struct tf2__run_state *state, uint32_t first, uint32_t last, struct tf2__barrier *barrier, uint64_t *ns,
    struct tf2_error *error)
{
    if (!barrier || kparts_current() != breaks)
        return real_ops->run(state, first, last, barrier, ns, error);
    TF2__TRY(real_ops->run(state, first, first + (last - first) / 2, barrier, ns, error));
    return tf2__fail(error, TF2_ERR_DEVICE, "part %u breaks", kparts_current());
}

/* A chain of convolutions: twenty blocks of weights and more. */
static void chain(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, KSHAPE(1, 24, 9, 11));
    for (int i = 0; i < 8; i++)
        x = krelu(k, kconv_1x1(k, x, krange(k, 90, 150)));
    koutput(k, x);
}

static void failure_in(struct suite *suite, unsigned budget)
{
    const struct manner all = {(uint32_t)suite->n_devices, NULL, budget};
    struct tf2_model *model = kmodel(chain, 5, true);
    struct tf2__instance *instance = NULL;
    struct kvalues values, first;
    struct tf2_error error = {0};
    real_ops = suite->device[0]->ops;
    breaking_ops = *real_ops;
    breaking_ops.run = breaking_run;
    for (size_t i = 0; i < suite->n_devices; i++)
        suite->device[i]->ops = &breaking_ops;
    atomic_store(&breaks, N_DEVICES);
    kvalues_open(&values, model, 0, 1);
    kvalues_open(&first, model, 0, 1);
    assert_int_equal(open_instance(suite, model, &values, &all, NULL, &instance, &error), TF2_OK);
    assert_int_equal(kparts_run(instance, all.n_parts, &first, &error), TF2_OK);
    for (uint32_t round = 0; round < 30; round++) {
        char wanted[40];
        atomic_store(&breaks, round % all.n_parts);
        snprintf(wanted, sizeof(wanted), "part %u breaks", round % all.n_parts);
        values.lend = round % 3 > 0;
        assert_int_equal(kparts_run(instance, all.n_parts, &values, &error), TF2_ERR_DEVICE);
        assert_string_equal(error.message, wanted);
        atomic_store(&breaks, N_DEVICES);
        assert_int_equal(kparts_run(instance, all.n_parts, &values, &error), TF2_OK);
        assert_true(kvalues_equal(&values, &first));
    }
    for (size_t i = 0; i < suite->n_devices; i++)
        suite->device[i]->ops = real_ops;
    tf2__instance_destroy(&instance);
    kvalues_close(&values);
    kvalues_close(&first);
    tf2_model_destroy(&model);
}

static void failure_takes_all(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    if (suite->n_devices < 2)
        skip();
    failure_in(suite, 0);
    failure_in(suite, 4); /* what was sent and not used is not taken for something else in the next run */
}

/* --- lending --- */

/* What a run reads in place may be freed before it has ended, and memory that came later is other memory. What was lent
 * and not used is forgotten. */
static void lent_memory_stays(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    struct tf2_model *model = kmodel(chain, 6, true);
    if (!suite->n_devices)
        skip();
    for (uint32_t n_parts = 1; n_parts <= suite->n_devices; n_parts++) {
        const struct manner manner = {n_parts, NULL, 0};
        struct tf2__instance *instance = NULL;
        struct tf2_error error = {0};
        struct kvalues wanted, found, other;
        kvalues_open(&wanted, model, 0, 6);
        kvalues_open(&found, model, 0, 6);
        kvalues_open(&other, model, 0, 7);
        const size_t size = (size_t)tf2_shape_count(&found.shapes[0]) * sizeof(float);
        assert_int_equal(open_instance(suite, model, &found, &manner, NULL, &instance, &error), TF2_OK);
        assert_int_equal(kparts_run(instance, n_parts, &wanted, &error), TF2_OK);
        for (int round = 0; round < 3; round++) {
            void *memory = tf2_alloc(size);
            memcpy(memory, round ? other.in[0] : found.in[0], size);
            assert_true(tf2__instance_lend(instance, 0, memory));
            tf2_free(memory);
            void *later = tf2_alloc(size);
            memset(later, 0xff, size);
            found.written = round == 0;
            found.lend = round == 2;
            assert_int_equal(kparts_run(instance, n_parts, &found, &error), TF2_OK);
            assert_true(kvalues_equal(&found, &wanted));
            tf2_free(later);
        }
        assert_true(tf2__instance_lend(instance, 0, other.in[0]));
        tf2__instance_destroy(&instance);
        kvalues_close(&wanted);
        kvalues_close(&found);
        kvalues_close(&other);
    }
    tf2_model_destroy(&model);
}

/* --- streaming --- */

static void wait_ms(long ms)
{
    const struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* What is sent for ten runs, from rest to rest. */
static uint64_t bytes_of_ten(struct tf2__instance *instance, uint32_t n_parts, struct kvalues *values)
{
    struct tf2__instance_stats before, after;
    struct tf2_error error = {0};
    wait_ms(100);
    tf2__instance_stats(instance, &before);
    for (int i = 0; i < 10; i++)
        assert_int_equal(kparts_run(instance, n_parts, values, &error), TF2_OK);
    wait_ms(100);
    tf2__instance_stats(instance, &after);
    assert_true(after.transfer_ns > before.transfer_ns && after.stall_ns >= before.stall_ns);
    assert_int_equal(after.n_runs - before.n_runs, 10);
    return after.streamed_bytes - before.streamed_bytes;
}

/* Every run has the same bytes sent, and all weights but those that stay; nothing without a budget. */
static void stream_counts(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    if (!suite->n_devices)
        skip();
    for (uint64_t seed = 1; seed < 6; seed++) {
        const struct manner least = {1, NULL, 4}, all = {1, NULL, 0};
        struct tf2_model *model = kmodel(chain, seed, true);
        struct tf2__instance *instances[3] = {NULL, NULL, NULL};
        struct tf2_error error = {0};
        struct kvalues values;
        kvalues_open(&values, model, 0, seed);
        assert_int_equal(open_instance(suite, model, &values, &least, NULL, &instances[0], &error), TF2_OK);
        assert_int_equal(open_instance(suite, model, &values, &all, NULL, &instances[2], &error), TF2_OK);
        struct tf2__instance_stats stats;
        tf2__instance_stats(instances[2], &stats);
        const struct tf2__instance_options more = {
            .input_shapes = values.shapes, .weight_budget_bytes = stats.weights_bytes / 4 * 3};
        assert_int_equal(
            tf2__instance_create(
                model->graph, suite->device, NULL, 1, &more, NULL, &instances[1], &error),
            TF2_OK);
        uint64_t of_least = bytes_of_ten(instances[0], 1, &values),
                 of_more = bytes_of_ten(instances[1], 1, &values);
        assert_int_equal(of_least % 10, 0);
        assert_int_equal(of_least, bytes_of_ten(instances[0], 1, &values));
        assert_true(of_more < of_least && of_least / 10 < stats.weights_bytes);
        assert_int_equal(stats.streamed_bytes, 0);
        for (int i = 0; i < 3; i++)
            tf2__instance_destroy(&instances[i]);
        kvalues_close(&values);
        tf2_model_destroy(&model);
    }
}

/* Destroyed at once, while the reader is at work, and after some runs. */
static void stream_ends(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    const struct manner least = {1, NULL, 4};
    struct tf2_model *model = kmodel(chain, 3, true);
    struct tf2_error error = {0};
    struct kvalues values;
    if (!suite->n_devices)
        skip();
    kvalues_open(&values, model, 0, 3);
    for (int i = 0; i < 60; i++) {
        struct tf2__instance *instance = NULL;
        assert_int_equal(open_instance(suite, model, &values, &least, NULL, &instance, &error), TF2_OK);
        for (int run = 0; run < i % 4; run++)
            assert_int_equal(kparts_run(instance, 1, &values, &error), TF2_OK);
        tf2__instance_destroy(&instance);
    }
    kvalues_close(&values);
    tf2_model_destroy(&model);
}

struct streamer {
    struct tf2__instance *instance;
    struct kvalues values;
    const struct kvalues *wanted;
    bool good;
    pthread_t thread;
};

static void *stream_runs(void *user)
{
    struct streamer *s = user;
    s->good = true;
    for (int i = 0; i < 100 && s->good; i++) {
        struct tf2_error error = {0};
        s->good =
            kparts_run(s->instance, 1, &s->values, &error) == TF2_OK && kvalues_equal(&s->values, s->wanted);
    }
    return NULL;
}

/* Two on one device, each with a reader. */
static void stream_twice(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    const struct manner least = {1, NULL, 4}, all = {1, NULL, 0};
    struct tf2_model *model = kmodel(chain, 4, true);
    struct tf2__instance *alone = NULL;
    struct streamer streamers[2] = {{0}};
    struct tf2_error error = {0};
    struct kvalues wanted;
    if (!suite->n_devices)
        skip();
    kvalues_open(&wanted, model, 0, 4);
    assert_int_equal(open_instance(suite, model, &wanted, &all, NULL, &alone, &error), TF2_OK);
    assert_int_equal(kparts_run(alone, 1, &wanted, &error), TF2_OK);
    for (int i = 0; i < 2; i++) {
        struct streamer *s = &streamers[i];
        kvalues_open(&s->values, model, 0, 4);
        s->wanted = &wanted;
        assert_int_equal(
            open_instance(suite, model, &s->values, &least, alone, &s->instance, &error), TF2_OK);
        assert_int_equal(pthread_create(&s->thread, NULL, stream_runs, s), 0);
    }
    for (int i = 0; i < 2; i++) {
        struct streamer *s = &streamers[i];
        pthread_join(s->thread, NULL);
        assert_true(s->good);
        tf2__instance_destroy(&s->instance);
        kvalues_close(&s->values);
    }
    tf2__instance_destroy(&alone);
    kvalues_close(&wanted);
    tf2_model_destroy(&model);
}

/* The families above were about something. */
static void families_streamed(void **state)
{
    const struct suite *suite = ((struct row *)*state)->suite;
    if (suite->n_devices < 2 || getenv("TF2_TEST_FAMILY") || getenv("TF2_TEST_SEED"))
        skip();
    print_message("  %u instances streamed weights\n", suite->n_streamed);
    assert_true(suite->n_streamed > 100);
}

static void refuses(void **state)
{
    struct suite *suite = ((struct row *)*state)->suite;
    struct tf2_model *model = kmodel(random_graph, 5, true);
    struct tf2__instance *instance = NULL;
    struct tf2_devices *hosts = NULL;
    struct tf2_error error = {0};
    struct kvalues values;
    const double zero[2] = {1, 0};
    kvalues_open(&values, model, 0, 1);
    const struct tf2__instance_options options = {.input_shapes = values.shapes};
    assert_int_equal(tf2_devices_open("host,host", NULL, &hosts, &error), TF2_OK);
    struct tf2__device *two[2] = {tf2__devices_get(hosts, 0), tf2__devices_get(hosts, 1)};
    assert_int_equal(
        tf2__instance_create(model->graph, two, NULL, 2, &options, NULL, &instance, &error),
        TF2_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "share no memory"));
    assert_int_equal(
        tf2__instance_create(model->graph, two, NULL, 0, &options, NULL, &instance, &error),
        TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(
        tf2__instance_create(model->graph, two, zero, 2, &options, NULL, &instance, &error),
        TF2_ERR_INVALID_ARGUMENT);
    if (suite->n_devices) {
        two[1] = suite->device[0];
        assert_int_equal(
            tf2__instance_create(model->graph, two, NULL, 2, &options, NULL, &instance, &error),
            TF2_ERR_UNSUPPORTED);
    }
    assert_null(instance);
    kvalues_close(&values);
    tf2_devices_close(&hosts);
    tf2_model_destroy(&model);
}

/* --- the rows --- */

static void add_test(struct suite *suite, const struct row *row, CMUnitTestFunction run)
{
    const char *only = getenv("TF2_TEST_FAMILY");
    if (only && !strstr(row->name, only))
        return;
    assert_true(suite->n < MAX_FAMILIES);
    suite->rows[suite->n] = *row;
    suite->tests[suite->n] =
        (struct CMUnitTest){.name = row->name, .test_func = run, .initial_state = &suite->rows[suite->n]};
    suite->n++;
}

static void add_families(struct suite *suite, const struct kfamily *families)
{
    for (; families->name; families++) {
        const struct row row = {suite, families->name, families->build, families->slow, false, false};
        add_test(suite, &row, run_row);
    }
}

static void add_families8(struct suite *suite, const struct kfamily8 *families)
{
    for (; families->name; families++) {
        const struct row row = {suite,          families->name, families->build,
                                families->slow, true,           families->may_refuse};
        add_test(suite, &row, run_row);
    }
}

static void put_net(struct kgraph *k, const char *name)
{
    struct tf2_error error = {0};
    tf2_graph_destroy(&k->graph);
    if (bench_net_build(name, 1, &k->graph, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

static void squeezenet(struct kgraph *k)
{
    put_net(k, "squeezenet");
}

static void googlenet(struct kgraph *k)
{
    put_net(k, "googlenet");
}

static void add_all(struct suite *suite)
{
    const struct row nets[] = {
        {suite, "squeezenet", squeezenet, ROUNDS, false, false},
        {suite, "googlenet", googlenet, ROUNDS, false, false}};
    const struct row random = {suite, "random_graph", random_graph, 0, false, false};
    const struct row random8 = {suite, "random_int8", random_int8, 0, true, false};
    add_families(suite, families_conv);
    add_families(suite, families_map);
    add_families(suite, families_move);
    add_families(suite, families_window);
    add_families(suite, families_net);
    add_families8(suite, families8_conv);
    add_families8(suite, families8_map);
    add_families8(suite, families8_move);
    add_families8(suite, families8_window);
    add_families8(suite, families8_net);
    add_test(suite, &random, run_row);
    add_test(suite, &random8, run_row);
    add_test(suite, &nets[0], run_row);
    add_test(suite, &nets[1], run_row);
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } others[] = {
        {"failure_takes_all", failure_takes_all},
        {"lent_memory_stays", lent_memory_stays},
        {"stream_counts", stream_counts},
        {"stream_ends", stream_ends},
        {"stream_twice", stream_twice},
        {"families_streamed", families_streamed},
        {"refuses", refuses}};
    for (size_t i = 0; i < TF2__COUNT(others); i++) {
        const struct row row = {.suite = suite, .name = others[i].name};
        add_test(suite, &row, others[i].run);
    }
}

int main(void)
{
    static struct suite suite;
    struct tf2_error error = {0};
    setenv("POCL_DEVICES", "basic basic basic", 0);
    enum tf2_status status = tf2_devices_open("all", NULL, &suite.devices, &error);
    if (status != TF2_OK)
        print_message("%s\n", error.message);
    for (size_t i = 0; i < tf2_devices_count(suite.devices) && suite.n_devices < N_DEVICES; i++) {
        struct tf2__device *device = tf2__devices_get(suite.devices, i);
        if (device->memory)
            suite.device[suite.n_devices++] = device;
    }
    kparts_divide_all(suite.device, suite.n_devices);
    add_all(&suite);
    int failed = _cmocka_run_group_tests("parts", suite.tests, suite.n, NULL, NULL);
    tf2_devices_close(&suite.devices);
    return failed;
}
