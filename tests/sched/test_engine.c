/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine.c: what the calls of an engine accept, refuse and answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "rig.h"

/* --- arguments --- */

static void test_engine_arguments(void **state)
{
    (void)state;
    struct rig rig;
    struct tf2_engine_stats stats;
    struct tf2_device_stats device;
    struct tf2_engine_options options;
    struct tf2_devices *none = NULL;
    struct tf2_engine *engine = NULL;
    memset(&options, 0xff, sizeof(options));
    tf2_engine_options_defaults(&options);
    assert_true(options.watchdog_ns == 0 && options.n_trace_events == 0 && !options.repository);
    tf2_engine_options_defaults(NULL);
    rig_open(&rig, 2, NULL);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "engine", tf2_engine_create(rig.devices, NULL, NULL, e));
    MUST(tf2__devices_create(&rig.env.env, &none, e));
    REFUSED(TF2_ERR_NO_DEVICE, "device", tf2_engine_create(none, NULL, &engine, e));
    tf2_devices_close(&none);
    options.n_trace_events = SIZE_MAX / 2;
    REFUSED(TF2_ERR_NO_MEMORY, "trace", tf2_engine_create(rig.devices, &options, &engine, e));
    assert_null(engine);
    assert_int_equal(tf2_engine_destroy(NULL), TF2_OK);
    assert_int_equal(tf2_engine_destroy(&engine), TF2_OK);
    assert_int_equal(tf2_engine_n_devices(NULL), 0);
    assert_int_equal(tf2_engine_stats(NULL, &stats), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_engine_stats(rig.engine, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_engine_device_stats(NULL, 0, &device), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_engine_device_stats(rig.engine, 2, &device), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_engine_device_stats(rig.engine, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_engine_device_stats(rig.engine, 1, &device), TF2_OK);
    assert_string_equal(device.id, "fault:1");
    assert_true(device.state == TF2_DEVICE_HEALTHY && !device.leased && device.n_runs == 0);
    rig_close(&rig);
}

static void test_too_many_devices(void **state)
{
    (void)state;
    struct rig rig;
    struct tf2_engine *engine = NULL;
    rig_open_devices(&rig, 1);
    for (int i = 1; i < 65; i++)
        fault_device_add(rig.devices, "host", "more", &rig.control[0]);
    REFUSED(TF2_ERR_UNSUPPORTED, "65 devices", tf2_engine_create(rig.devices, NULL, &engine, e));
    rig_close(&rig);
}

static void test_client_arguments(void **state)
{
    (void)state;
    struct rig rig;
    struct tf2_client *client = NULL;
    struct tf2_client_stats stats;
    struct tf2_client_options options;
    static const double weights[] = {-1, NAN, INFINITY, 1e-7, 1.1e6};
    memset(&options, 0xff, sizeof(options));
    tf2_client_options_defaults(&options);
    assert_true(!options.name && options.weight == 0 && !options.ordered);
    tf2_client_options_defaults(NULL);
    rig_open(&rig, 1, NULL);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_client_create(NULL, NULL, &client, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_client_create(rig.engine, NULL, NULL, e));
    for (size_t i = 0; i < TF2__COUNT(weights); i++) {
        options.weight = weights[i];
        REFUSED(TF2_ERR_INVALID_ARGUMENT, "weight", tf2_client_create(rig.engine, &options, &client, e));
    }
    options.weight = 1e6;
    options.priority = (enum tf2_priority)3;
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "priority", tf2_client_create(rig.engine, &options, &client, e));
    options.priority = (enum tf2_priority) - 1;
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "priority", tf2_client_create(rig.engine, &options, &client, e));
    options.priority = TF2_PRIORITY_LOW;
    MUST(tf2_client_create(rig.engine, &options, &client, e));
    assert_int_equal(tf2_client_stats(client, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_client_stats(NULL, &stats), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_client_stats(client, &stats), TF2_OK);
    assert_true(stats.n_submitted == 0 && stats.latency.n == 0 && stats.wait.max_ns == 0);
    tf2_client_destroy(&client);
    assert_null(client);
    tf2_client_destroy(&client);
    tf2_client_destroy(NULL);
    tf2_client_unlease(NULL);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_client_lease(NULL, 1, 0, e));
    rig_close(&rig);
}

struct bad_load {
    enum tf2_status wanted;
    const char *word;
    struct tf2_load_options options;
};

static void test_load_arguments(void **state)
{
    (void)state;
    static const size_t outside[] = {0, 2}, twice[] = {1, 1};
    const struct tf2_named_shape shape = {.name = "nothing", .shape = {.n_dims = 2, .dim = {1, 3}}};
    const struct bad_load bad[] = {
        {TF2_ERR_INVALID_ARGUMENT, "placement", {.placement = (enum tf2_placement)4}},
        {TF2_ERR_INVALID_ARGUMENT, "placement", {.placement = (enum tf2_placement) - 1}},
        {TF2_ERR_INVALID_ARGUMENT, "objective", {.objective = (enum tf2_objective)2}},
        {TF2_ERR_INVALID_ARGUMENT, "batch sizes", {.n_batch_sizes = TF2_MAX_BATCH_SIZES + 1}},
        {TF2_ERR_INVALID_ARGUMENT, "batch size 0", {.batch_sizes = {0}, .n_batch_sizes = 1}},
        {TF2_ERR_INVALID_ARGUMENT, "batch size 1", {.batch_sizes = {4, 4}, .n_batch_sizes = 2}},
        {TF2_ERR_INVALID_ARGUMENT, "batch size 2", {.batch_sizes = {2, 4, 3}, .n_batch_sizes = 3}},
        {TF2_ERR_INVALID_ARGUMENT, "NULL", {.n_devices = 1}},
        {TF2_ERR_INVALID_ARGUMENT, "device number 2", {.devices = outside, .n_devices = 2}},
        {TF2_ERR_INVALID_ARGUMENT, "device number 1", {.devices = twice, .n_devices = 2}},
        {TF2_ERR_NOT_FOUND, "nothing", {.input_shapes = &shape, .n_input_shapes = 1}},
    };
    struct rig rig;
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_load_options options;
    memset(&options, 0xff, sizeof(options));
    tf2_load_options_defaults(&options);
    assert_true(!options.name && options.n_devices == 0 && options.max_delay_ns == 0);
    tf2_load_options_defaults(NULL);
    rig_open(&rig, 2, NULL);
    struct tf2_model *model = model_copy(3);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_load(NULL, model, NULL, &accelerator, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_load(rig.engine, NULL, NULL, &accelerator, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_load(rig.engine, model, NULL, NULL, e));
    for (size_t i = 0; i < TF2__COUNT(bad); i++)
        REFUSED(
            bad[i].wanted, bad[i].word,
            tf2_accelerator_load(rig.engine, model, &bad[i].options, &accelerator, e));
    const struct tf2_load_options pixels = {.pixels = true};
    enum tf2_status status = tf2_accelerator_load(rig.engine, model, &pixels, &accelerator, NULL);
    assert_true(status != TF2_OK && !accelerator);
    tf2_accelerator_close(&accelerator);
    tf2_accelerator_close(NULL);
    tf2_model_destroy(&model);
    rig_close(&rig);
}

static void test_placement_names(void **state)
{
    (void)state;
    enum tf2_placement placement = TF2_PLACEMENT_SPLIT;
    for (int i = 0; i < 4; i++) {
        assert_true(tf2_placement_parse(tf2_placement_name((enum tf2_placement)i), &placement));
        assert_int_equal(placement, i);
    }
    assert_string_equal(tf2_placement_name((enum tf2_placement)4), "invalid");
    assert_string_equal(tf2_placement_name((enum tf2_placement) - 1), "invalid");
    assert_false(tf2_placement_parse("invalid", &placement));
    assert_false(tf2_placement_parse("Split", &placement));
    assert_false(tf2_placement_parse(NULL, &placement));
    assert_false(tf2_placement_parse("split", NULL));
    assert_int_equal(placement, TF2_PLACEMENT_SPLIT);
}

static void test_submit_arguments(void **state)
{
    (void)state;
    struct rig rig, other;
    float x[3] = {1, 2, 3}, y[3];
    const void *inputs[] = {x}, *no_input[] = {NULL};
    void *outputs[] = {y};
    rig_open(&rig, 1, NULL);
    rig_open(&other, 1, NULL);
    struct tf2_accelerator *accelerator = rig_load(&rig, model_copy(3), NULL);
    struct tf2_client *client = rig_client(&rig, NULL), *foreign = rig_client(&other, NULL);
    struct tf2_request *request = NULL;
    struct tf2_request_info info;
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "NULL",
        tf2_client_submit(NULL, accelerator, inputs, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "NULL",
        tf2_client_submit(client, NULL, inputs, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "NULL",
        tf2_client_submit(client, accelerator, NULL, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "NULL",
        tf2_client_submit(client, accelerator, inputs, NULL, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "input 0",
        tf2_client_submit(client, accelerator, no_input, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "two engines",
        tf2_client_submit(foreign, accelerator, inputs, outputs, NULL, &request, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "two engines", tf2_client_run(foreign, accelerator, inputs, outputs, e));
    assert_null(request);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_request_wait(NULL, 0, e));
    assert_false(tf2_request_done(NULL));
    assert_int_equal(tf2_request_cancel(NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_request_info(NULL, &info), TF2_ERR_INVALID_ARGUMENT);
    tf2_request_release(NULL);
    tf2_request_release(&request);
    MUST(tf2_client_submit(client, accelerator, inputs, outputs, NULL, &request, e));
    assert_int_equal(tf2_request_info(request, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_request_wait(request, TF2_FOREVER, NULL), TF2_OK);
    assert_memory_equal(x, y, sizeof(x));
    tf2_request_release(&request);
    assert_null(request);
    tf2_accelerator_close(&accelerator);
    tf2_client_destroy(&foreign);
    tf2_client_destroy(&client);
    rig_close(&other);
    rig_close(&rig);
}

/* --- what it tells --- */

static void test_inputs_and_outputs(void **state)
{
    (void)state;
    struct rig rig;
    struct tf2_tensor_info info;
    float a[4] = {1, -2, 3, -4}, b[6] = {1, 1, 2, 3, 5, 8}, relu[4], gemm[2], copy[4], again[2];
    const float wanted[4] = {1, 0, 3, 0};
    const void *inputs[] = {a, b};
    void *outputs[] = {relu, gemm, copy}, *some[] = {NULL, again, NULL}, *none[] = {NULL, NULL, NULL};
    rig_open(&rig, 2, NULL);
    struct tf2_accelerator *accelerator = rig_load(&rig, model_two(), NULL);
    struct tf2_client *client = rig_client(&rig, NULL);
    assert_int_equal(tf2_accelerator_input(accelerator, 1, &info), TF2_OK);
    assert_string_equal(info.name, "b");
    assert_true(info.dtype == TF2_DTYPE_F32 && info.shape.n_dims == 2 && info.shape.dim[1] == 6);
    assert_int_equal(tf2_accelerator_output(accelerator, 2, &info), TF2_OK);
    assert_string_equal(info.name, "a.copy");
    assert_int_equal(tf2_accelerator_input(accelerator, 2, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_output(accelerator, 3, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_input(NULL, 0, &info), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_output(accelerator, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    MUST(tf2_client_run(client, accelerator, inputs, outputs, e));
    assert_memory_equal(relu, wanted, sizeof(relu));
    assert_memory_equal(copy, a, sizeof(a));
    MUST(tf2_client_run(client, accelerator, inputs, some, e));
    assert_memory_equal(gemm, again, sizeof(gemm));
    MUST(tf2_client_run(client, accelerator, inputs, none, e));
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    rig_close(&rig);
}

static void test_figures_add_up(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tf2_engine_stats engine;
    struct tf2_client_stats of_client;
    struct tf2_accelerator_stats of_accelerator;
    struct tf2_device_stats device;
    struct tf2_step_info step;
    uint64_t n_runs = 0, n_items = 0;
    size_t n_steps = 0;
    struct tf2_model *model = model_conv();
    const struct tf2_load_options load = {.profile = true};
    bank_open(&bank, model, 16, 1);
    rig_open(&rig, 3, NULL);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, &load);
    struct tf2_client *client = rig_client(&rig, NULL);
    rig_run_items(client, accelerator, &bank, 100);
    assert_int_equal(tf2_engine_stats(rig.engine, &engine), TF2_OK);
    assert_int_equal(engine.n_submitted, 100);
    assert_int_equal(engine.n_completed, 100);
    assert_int_equal(engine.n_failed + engine.n_cancelled + engine.n_deadline + engine.n_retries, 0);
    assert_int_equal(engine.n_waiting + engine.n_running, 0);
    assert_int_equal(engine.latency.n, 100);
    assert_true(
        engine.latency.min_ns <= engine.latency.p50_ns && engine.latency.p50_ns <= engine.latency.p90_ns);
    assert_true(
        engine.latency.p90_ns <= engine.latency.p99_ns && engine.latency.p99_ns <= engine.latency.max_ns);
    assert_true(
        engine.latency.min_ns <= engine.latency.mean_ns && engine.latency.mean_ns <= engine.latency.max_ns);
    assert_int_equal(tf2_client_stats(client, &of_client), TF2_OK);
    assert_int_equal(of_client.n_completed, 100);
    assert_int_equal(of_client.wait.n, 100);
    assert_true(of_client.device_ns > 0 && of_client.latency.n == 100);
    assert_int_equal(tf2_accelerator_stats(accelerator, &of_accelerator), TF2_OK);
    assert_int_equal(of_accelerator.n_completed, 100);
    assert_int_equal(of_accelerator.n_runs, 100);
    assert_true(of_accelerator.macs > 0 && of_accelerator.arena_bytes >= of_accelerator.live_bytes);
    assert_int_equal(tf2_accelerator_stats(NULL, &of_accelerator), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_stats(accelerator, NULL), TF2_ERR_INVALID_ARGUMENT);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tf2_engine_device_stats(rig.engine, i, &device), TF2_OK);
        n_runs += device.n_runs;
        n_items += device.n_items;
        assert_true(device.busy_ns > 0 || device.n_runs == 0);
    }
    assert_true(n_runs >= 100 && n_items >= 100);
    while (tf2_accelerator_step(accelerator, n_steps, &step) == TF2_OK)
        n_steps++;
    assert_true(n_steps >= 3);
    assert_int_equal(tf2_accelerator_step(accelerator, n_steps, &step), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_step(accelerator, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_accelerator_step(NULL, 0, &step), TF2_ERR_INVALID_ARGUMENT);
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

/* Two requests at once use two devices, also when one of the workers is still looking for work. */
static void test_two_requests_use_two_devices(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct call calls[2];
    const struct tf2_engine_options options = {.spin_ns = 20 * MS};
    struct tf2_model *model = model_gemm();
    bank_open(&bank, model, 2, 1);
    rig_open(&rig, 2, &options);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, NULL);
    struct tf2_client *client = rig_client(&rig, NULL);
    for (int round = 0; round < 20; round++) {
        struct tf2_request_info first, second;
        rig_sleep(round % 2 ? 5 * MS : 25 * MS); /* both still spin, or sleep */
        if (round % 3 == 2)
            rig_run_items(client, accelerator, &bank, 1); /* one spins again */
        for (uint32_t i = 0; i < 2; i++)
            atomic_store(&rig.control[i].next[FAULT_HANG], 1);
        call_submit(&calls[0], client, accelerator, &bank, 0, NULL);
        call_submit(&calls[1], client, accelerator, &bank, 1, NULL);
        for (uint32_t i = 0; i < 2; i++)
            RIG_UNTIL(atomic_load(&rig.control[i].n_hanging) == 1);
        for (uint32_t i = 0; i < 2; i++)
            fault_release(&rig.control[i]);
        assert_int_equal(tf2_request_wait(calls[0].request, TF2_FOREVER, NULL), TF2_OK);
        assert_int_equal(tf2_request_wait(calls[1].request, TF2_FOREVER, NULL), TF2_OK);
        assert_int_equal(tf2_request_info(calls[0].request, &first), TF2_OK);
        assert_int_equal(tf2_request_info(calls[1].request, &second), TF2_OK);
        assert_int_not_equal(first.device, second.device);
        call_wait(&calls[0], TF2_OK);
        call_wait(&calls[1], TF2_OK);
    }
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

static void test_memory_is_aligned(void **state)
{
    (void)state;
    void *memory = tf2_alloc(1);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 4096, 0);
    tf2_free(memory);
    tf2_free(NULL);
    assert_null(tf2_alloc(0));
}

/* Other memory works too, with any alignment. */
static void test_odd_addresses(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    char in[sizeof(float) * 50 + 1], out[sizeof(float) * 4 + 1];
    struct tf2_model *model = model_conv();
    bank_open(&bank, model, 1, 1);
    rig_open(&rig, 1, NULL);
    struct tf2_accelerator *accelerator = rig_load(&rig, model, NULL);
    struct tf2_client *client = rig_client(&rig, NULL);
    const void *inputs[] = {in + 1};
    void *outputs[] = {out + 1};
    memcpy(in + 1, bank.in, sizeof(in) - 1);
    MUST(tf2_client_run(client, accelerator, inputs, outputs, e));
    assert_memory_equal(out + 1, bank.wanted, sizeof(out) - 1);
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    bank_close(&bank);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_arguments),
        cmocka_unit_test(test_too_many_devices),
        cmocka_unit_test(test_client_arguments),
        cmocka_unit_test(test_load_arguments),
        cmocka_unit_test(test_placement_names),
        cmocka_unit_test(test_submit_arguments),
        cmocka_unit_test(test_inputs_and_outputs),
        cmocka_unit_test(test_figures_add_up),
        cmocka_unit_test(test_two_requests_use_two_devices),
        cmocka_unit_test(test_memory_is_aligned),
        cmocka_unit_test(test_odd_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
