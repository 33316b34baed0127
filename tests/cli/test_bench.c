/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bench.c: tf2-bench as a user starts it: exit status, messages, JSON. Runs are short: no figure is looked at.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs.h"

#include <math.h>
#include <string.h>

#include <tf2/tf2.h>

static void check_bench_json(const json_t *root, const char *model, const char *precision, bool profile)
{
    static const char *const numbers[] = {"batch",          "images",      "wall_s",     "fps",
                                          "macs_per_image", "gmacs",       "peak_gmacs", "peak_memory_bytes",
                                          "weights_bytes",  "arena_bytes", "live_bytes"};
    static const char *const latencies[] = {"min", "p50", "p90", "p99", "max"};
    const json_t *latency = json_object_get(root, "latency_ms");
    double before = 0, n_images = 0;
    assert_string_equal(string(root, "model"), model);
    assert_string_equal(string(root, "precision"), precision);
    assert_string_equal(string(root, "placement"), "replicate");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(number(root, numbers[i]) > 0);
    assert_true(number(root, "live_bytes") <= number(root, "arena_bytes"));
    assert_true(number(root, "streamed_bytes") == 0);
    assert_true(number(root, "hidden_transfer_ratio") == 0);
    for (size_t i = 0; i < 5; i++) {
        assert_true(number(latency, latencies[i]) >= before);
        before = number(latency, latencies[i]);
    }
    assert_true(number(latency, "mean") >= number(latency, "min"));
    assert_true(number(latency, "mean") <= number(latency, "max"));
    for (size_t i = 0; i < json_array_size(list(root, "devices")); i++) {
        const json_t *device = json_array_get(list(root, "devices"), i);
        string(device, "name");
        assert_true(number(device, "utilization") > 0 && number(device, "utilization") <= 1.0001);
        n_images += number(device, "images");
    }
    assert_true(n_images == number(root, "images"));
    assert_true(fabs(number(root, "fps") * number(root, "wall_s") / n_images - 1) < 1e-6);
    assert_int_equal(json_object_get(root, "layers") != NULL, profile);
}

static void test_bench_json(void **state)
{
    (void)state;
    WORKS("TF2_BENCH", "mtcnn_pnet", "--duration", "0.2", "--warmup", "0.05", "--json", "-", "--profile");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    check_bench_json(root, "mtcnn_pnet", "fp32", true);
    for (size_t i = 0; i < json_array_size(list(root, "layers")); i++) {
        const json_t *layer = json_array_get(list(root, "layers"), i);
        string(layer, "name");
        string(layer, "op");
        string(layer, "kernel");
        number(layer, "ms");
        number(layer, "gmacs");
    }
    json_decref(root);
}

static void test_bench_model_file(void **state)
{
    (void)state;
    WORKS(
        "TF2_BENCH", digits(), "--duration", "0.1", "--warmup", "0", "--batch", "3", "--devices", "1",
        "--json", at_work("bench.json"), "--trace", at_work("trace.json"));
    assert_non_null(strstr(out_text, "fps"));
    json_t *root = load_json(at_work("bench.json"));
    check_bench_json(root, digits(), "fp32", false);
    assert_true(number(root, "batch") == 3);
    assert_true(number(root, "macs_per_image") > 1000000 && number(root, "macs_per_image") < 1500000);
    assert_false(json_is_true(json_object_get(root, "random_weights")));
    json_t *trace = load_json(at_work("trace.json"));
    assert_true(json_array_size(list(trace, "traceEvents")) >= 2);
    json_decref(trace);
    json_decref(root);
}

/* Layers in stages on two devices, more runs in flight than devices. Every device works on every image. */
static void test_bench_pipeline(void **state)
{
    (void)state;
    WORKS(
        "TF2_BENCH", digits(), "--duration", "0.1", "--warmup", "0", "--devices", "1,host", "--placement", "pipeline",
        "--inflight", "5", "--json", at_work("bench.json"), "--metrics", at_work("metrics"));
    json_t *root = load_json(at_work("bench.json"));
    assert_string_equal(string(root, "placement"), "pipeline");
    assert_true(number(root, "stages") == 2 && number(root, "inflight") == 5);
    for (size_t i = 0; i < 2; i++)
        assert_true(number(json_array_get(list(root, "devices"), i), "images") == number(root, "images"));
    json_decref(root);
    WORKS("TF2_BENCH", digits(), "--duration", "0.01", "--warmup", "0", "--metrics", "-");
    assert_non_null(strstr(out_text, "tf2_requests_total{outcome=\"ok\"}"));
}

/* A definition alone runs with weights made up. */
static void test_bench_random_weights(void **state)
{
    static const char net[] = "name: \"n\" input: \"data\" input_shape { dim: 10 dim: 3 dim: 16 dim: 16 }\n"
                              "layer { name: \"c\" type: \"Convolution\" bottom: \"data\" top: \"c\"\n"
                              "  convolution_param { num_output: 8 kernel_size: 3 } }\n";
    (void)state;
    write_file(at_work("net.prototxt"), net, sizeof(net) - 1);
    WORKS(
        "TF2_BENCH", at_work("net.prototxt"), "--duration", "0.05", "--warmup", "0", "--json",
        at_work("bench.json"), "--seed", "7");
    assert_non_null(strstr(out_text, "(random weights, seed 7)"));
    json_t *root = load_json(at_work("bench.json"));
    assert_true(number(root, "batch") == 1);
    assert_true(number(root, "macs_per_image") == 8 * 27 * 14 * 14);
    assert_true(json_is_true(json_object_get(root, "random_weights")));
    json_decref(root);
    FAILS("TF2_RUN", "tf2-run", 1, "net.prototxt", at_work("net.prototxt"), at_work("net.prototxt"));
}

/* Built in or from a file: quantized on the fly. Both devices compute on integers. */
static void check_bench_int8(const char *model, const char *devices)
{
    WORKS(
        "TF2_BENCH", model, "--precision", "int8", "--devices", devices, "--duration", "0.05", "--warmup",
        "0", "--json", at_work("bench.json"));
    assert_non_null(strstr(out_text, "  int8  "));
    json_t *root = load_json(at_work("bench.json"));
    check_bench_json(root, model, "int8", false);
    json_decref(root);
}

static void test_bench_int8(void **state)
{
    (void)state;
    check_bench_int8(digits(), "1");
    check_bench_int8(digits(), "host");
    check_bench_int8("mtcnn", "1");
}

/* Several networks for an image: their multiply-accumulates add up. */
static void test_bench_groups(void **state)
{
    static const struct {
        const char *name;
        double macs;
    } groups[] = {
        {"mtcnn", 192639000 + 1530768 + 12909952},
        {"facenet", 192639000 + 1530768 + 12909952 + 387747520}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        WORKS(
            "TF2_BENCH", groups[i].name, "--devices", "1", "--duration", "0.05", "--warmup", "0", "--json", "-");
        json_t *root = json_loads(out_text, 0, NULL);
        assert_non_null(root);
        assert_true(number(root, "macs_per_image") == groups[i].macs);
        json_decref(root);
    }
}

/* Peaks of all units: of those that there are, each does at least what the one before does. */
static void test_bench_peaks(void **state)
{
    static const char *const units[] = {"avx2", "vnni", "amx"};
    double before = 0;
    (void)state;
    WORKS("TF2_BENCH", digits(), "--duration", "0.01", "--warmup", "0", "--json", "-");
    json_t *root = json_loads(out_text, 0, NULL);
    const json_t *peaks = json_object_get(root, "peaks_gmacs");
    assert_true(number(peaks, "fma") == number(root, "peak_gmacs"));
    assert_true(strlen(string(root, "peak_kind")) > 0);
    for (size_t i = 0; i < 3; i++) {
        const json_t *peak = json_object_get(peaks, units[i]);
        assert_non_null(peak);
        if (json_is_null(peak))
            continue;
        assert_true(json_number_value(peak) > before);
        before = json_number_value(peak);
    }
    json_decref(root);
}

static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    (void)user, (void)error;
    for (size_t i = 0; i < 8 * 8; i++)
        inputs[0][i] = (float)((i * 37 + sample) % 17);
    return TF2_OK;
}

/* The digits network as a .tf2 file. */
static void save_digits(const char *path, bool int8)
{
    struct tf2_model *model = NULL, *quantized = NULL;
    struct tf2_devices *devices = NULL;
    struct tf2_error error;
    assert_int_equal(tf2_model_import(digits(), NULL, NULL, &model, &error), TF2_OK);
    if (int8) {
        assert_int_equal(tf2_devices_open("host", NULL, &devices, &error), TF2_OK);
        assert_int_equal(
            tf2_model_quantize(model, devices, 0, read_sample, NULL, 2, NULL, &quantized, NULL, &error),
            TF2_OK);
    }
    assert_int_equal(tf2_model_save(int8 ? quantized : model, path, NULL, &error), TF2_OK);
    tf2_model_destroy(&quantized);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
}

/* A .tf2 as it is: its precision is not the user's to choose. */
static void test_bench_tf2(void **state)
{
    const char *path = at_work("digits.tf2");
    (void)state;
    save_digits(path, false);
    WORKS("TF2_BENCH", path, "--duration", "0.05", "--warmup", "0", "--json", at_work("bench.json"));
    json_t *root = load_json(at_work("bench.json"));
    check_bench_json(root, path, "fp32", false);
    json_decref(root);
    WORKS(
        "TF2_BENCH", path, "--duration", "0.01", "--warmup", "0", "--input", "2,1,8,8", "--json",
        at_work("bench.json"));
    root = load_json(at_work("bench.json"));
    assert_true(number(root, "batch") == 2);
    json_decref(root);
    FAILS("TF2_BENCH", "tf2-bench", 2, "is fp32, --precision says int8", path, "--precision", "int8");
    FAILS("TF2_BENCH", "tf2-bench", 2, "wanted no WEIGHTS", path, "x.caffemodel");
    FAILS("TF2_BENCH", "tf2-bench", 2, "--output is for other formats", path, "--output", "prob");
    FAILS("TF2_BENCH", "tf2-bench", 1, "/nonexistent.tf2", "/nonexistent.tf2");
    write_file(path, "no model\n", 9);
    FAILS("TF2_BENCH", "tf2-bench", 1, "digits.tf2", path);
}

static void test_bench_int8_tf2(void **state)
{
    const char *path = at_work("digits.int8.tf2");
    (void)state;
    save_digits(path, true);
    WORKS("TF2_BENCH", path, "--duration", "0.05", "--warmup", "0", "--json", at_work("bench.json"));
    json_t *root = load_json(at_work("bench.json"));
    check_bench_json(root, path, "int8", false);
    json_decref(root);
    WORKS("TF2_BENCH", path, "--precision", "int8", "--duration", "0.01", "--warmup", "0");
    FAILS("TF2_BENCH", "tf2-bench", 2, "is int8, --precision says fp32", path, "--precision", "fp32");
}

static void test_bench_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_BENCH", NULL), 2);
    assert_message("tf2-bench", "no NETWORK");
    FAILS("TF2_BENCH", "tf2-bench", 2, "wanted squeezenet", "nonet");
    FAILS("TF2_BENCH", "tf2-bench", 2, "--weight-budget 3X", "squeezenet", "--weight-budget", "3X");
    FAILS("TF2_BENCH", "tf2-bench", 1, "two blocks of output channels", "mtcnn_onet", "--weight-budget", "1K");
    FAILS("TF2_BENCH", "tf2-bench", 1, "/nonexistent.onnx", "/nonexistent.onnx");
    FAILS("TF2_BENCH", "tf2-bench", 2, "takes no weights", "squeezenet", "x.caffemodel");
    FAILS("TF2_BENCH", "tf2-bench", 2, "too many", "a", "b", "c");
    FAILS(
        "TF2_BENCH", "tf2-bench", 2, "precision \"pow2\" is not available", "squeezenet", "--precision",
        "pow2");
    FAILS("TF2_BENCH", "tf2-bench", 2, "placement \"both\" is not", "squeezenet", "--placement", "both");
    FAILS("TF2_BENCH", "tf2-bench", 2, "--inflight 0", "squeezenet", "--inflight", "0");
    FAILS("TF2_BENCH", "tf2-bench", 2, "--duration 0", "squeezenet", "--duration", "0");
    FAILS("TF2_BENCH", "tf2-bench", 1, "/nonexistent/t", digits(), "--duration", "0.01", "--trace", "/nonexistent/t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_json),
        cmocka_unit_test(test_bench_model_file),
        cmocka_unit_test(test_bench_pipeline),
        cmocka_unit_test(test_bench_random_weights),
        cmocka_unit_test(test_bench_int8),   cmocka_unit_test(test_bench_groups),
        cmocka_unit_test(test_bench_tf2),
        cmocka_unit_test(test_bench_int8_tf2),
        cmocka_unit_test(test_bench_peaks),
        cmocka_unit_test(test_bench_usage),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
