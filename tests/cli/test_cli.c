/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cli.c: the programs, as a user starts them: exit status, messages, text, JSON and files.
 *
 * TF2_RUN, TF2_BENCH and TF2_INFO say where the programs are; TF2_SOURCE_ROOT where models/digits is. Tests
 * that need ../shared (or TF2_SHARED) are skipped without it.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <tf2/image.h>

extern char **environ;

#define MAX_ARGS 32

static char work_dir[64];
static char out_text[1 << 20];
static char err_text[1 << 16];

static const char *program(const char *variable)
{
    const char *path = getenv(variable);
    if (!path)
        fail_msg("%s is not set", variable);
    return path;
}

static void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(text, 1, size - 1, file) : 0;
    text[n] = 0;
    if (file)
        fclose(file);
}

static const char *at_work(const char *name)
{
    static char paths[64][256]; /* the last so many stay valid */
    static int next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof(paths[0]), "%s/%s", work_dir, name);
    return path;
}

/* Starts a program; its output lands in out_text and err_text. The arguments end with NULL. */
static int run(const char *variable, ...)
{
    char *argv[MAX_ARGS + 1] = {(char *)(uintptr_t)program(variable)};
    posix_spawn_file_actions_t actions;
    char out_path[256], err_path[256];
    pid_t pid;
    int status, n = 1;
    va_list args;
    va_start(args, variable);
    while (n < MAX_ARGS && (argv[n] = va_arg(args, char *)))
        n++;
    va_end(args);
    snprintf(out_path, sizeof(out_path), "%s/out", work_dir);
    snprintf(err_path, sizeof(err_path), "%s/err", work_dir);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    read_text(out_path, out_text, sizeof(out_text));
    read_text(err_path, err_text, sizeof(err_text));
    if (!WIFEXITED(status))
        fail_msg("%s ended by signal %d: %s", variable, WTERMSIG(status), err_text);
    return WEXITSTATUS(status);
}

/* The one line that a failing program writes: its name, then what is told here somewhere. */
static void assert_message(const char *name, const char *message)
{
    size_t n = strlen(err_text);
    if (strncmp(err_text, name, strlen(name)) != 0 || strncmp(err_text + strlen(name), ": ", 2) != 0 ||
        !strstr(err_text, message))
        fail_msg("\"%s\" should begin with %s and hold \"%s\"", err_text, name, message);
    assert_true(n > 0 && strchr(err_text, '\n') == err_text + n - 1);
}

#define FAILS(variable, name, status, message, ...)                                                          \
    do {                                                                                                     \
        int failed_with = run(variable, __VA_ARGS__, NULL);                                                  \
        if (failed_with != (status))                                                                         \
            fail_msg("exit status %d, wanted %d: %s", failed_with, status, err_text);                        \
        assert_message(name, message);                                                                       \
    } while (0)

#define WORKS(variable, ...)                                                                                 \
    do {                                                                                                     \
        int failed_with = run(variable, __VA_ARGS__, NULL);                                                  \
        if (failed_with != 0)                                                                                \
            fail_msg("exit status %d: %s", failed_with, err_text);                                           \
    } while (0)

static const char *source(const char *name)
{
    static char paths[64][1024];
    static int next;
    char *path = paths[next++ % 64];
    const char *root = getenv("TF2_SOURCE_ROOT");
    snprintf(path, sizeof(paths[0]), "%s/%s", root ? root : ".", name);
    return path;
}

static const char *digits(void)
{
    return source("models/digits/digits.onnx");
}

/* A file of ../shared; NULL when it is not there. */
static const char *shared(const char *name)
{
    static char paths[8][1200];
    static int next;
    char *path = paths[next++ % 8];
    const char *root = getenv("TF2_SHARED");
    snprintf(path, sizeof(paths[0]), "%s/%s", root ? root : source("../shared"), name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static json_t *load_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}

static const char *string(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        fail_msg("no string \"%s\"", key);
    return json_string_value(value);
}

static const json_t *list(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value))
        fail_msg("no array \"%s\"", key);
    return value;
}

static void test_help_and_version(void **state)
{
    static const char *const programs[][2] = {
        {"TF2_RUN", "tf2-run"}, {"TF2_BENCH", "tf2-bench"}, {"TF2_INFO", "tf2-info"}};
    char wanted[128];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        WORKS(programs[i][0], "--help");
        snprintf(wanted, sizeof(wanted), "Usage: %s ", programs[i][1]);
        assert_non_null(strstr(out_text, wanted));
        assert_string_equal(err_text, "");
        WORKS(programs[i][0], "--version");
        snprintf(wanted, sizeof(wanted), "%s (libtf2) ", programs[i][1]);
        assert_non_null(strstr(out_text, wanted));
        FAILS(programs[i][0], programs[i][1], 2, "--nonsense", "--nonsense");
        FAILS(programs[i][0], programs[i][1], 2, "-x", "-x");
        FAILS(programs[i][0], programs[i][1], 2, "--devices needs a value", "--devices");
    }
}

static void test_run_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_RUN", NULL), 2);
    assert_message("tf2-run", "no MODEL");
    FAILS("TF2_RUN", "tf2-run", 2, "no INPUT", "x.onnx");
    FAILS("TF2_RUN", "tf2-run", 2, "no INPUT", "x.prototxt", "x.caffemodel");
    FAILS("TF2_RUN", "tf2-run", 2, "--top 0", "--top", "0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--top 5x", "--top", "5x", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--mean 1,,2", "--mean", "1,,2", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "--scale 0", "--scale", "0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "rgb or bgr", "--channels", "grb", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "NAME:SHAPE", "--input", "data:1,0", "x.onnx", "x.png");
    FAILS("TF2_RUN", "tf2-run", 2, "placement \"split\" is not available", "--placement", "split", "x", "y");
    FAILS("TF2_RUN", "tf2-run", 2, "--crop", "--crop=1", "x.onnx", "x.png");
}

static void test_run_failures(void **state)
{
    const char *image = source("models/digits/samples/sample_00_label_6.png");
    const char *text = at_work("text.png");
    (void)state;
    write_file(text, "no image\n", 9);
    mkdir(at_work("empty"), 0700);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent.onnx", "/nonexistent.onnx", image);
    FAILS("TF2_RUN", "tf2-run", 1, "text.png: ", text, image);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent.png: cannot open", digits(), "/nonexistent.png");
    FAILS("TF2_RUN", "tf2-run", 1, "text.png: not a JPEG, PNG, BMP or PPM", digits(), text);
    FAILS("TF2_RUN", "tf2-run", 1, "empty: no .jpg", digits(), at_work("empty"));
    FAILS(
        "TF2_RUN", "tf2-run", 1, "shape 360x10 does not fit input image, wanted Nx1x8x8", digits(),
        source("models/digits/reference_prob.npy"));
    FAILS("TF2_RUN", "tf2-run", 1, "--mean has numbers for 3", "--mean", "1,2,3", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "labels cannot be read", "--labels", "/nonexistent", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "1 labels, the model's output has 10", "--labels", text, digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "cl:99", "--devices", "cl:99", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "nothing", "--output", "nothing", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "/nonexistent/x.json", "--json", "/nonexistent/x.json", digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "not a directory", "--npy-out", text, digits(), image);
    FAILS("TF2_RUN", "tf2-run", 1, "would both be written as", "--npy-out", work_dir, digits(), image, image);
}

static void test_run_text(void **state)
{
    char named[1200];
    (void)state;
    WORKS(
        "TF2_RUN", digits(), source("models/digits/samples/sample_00_label_6.png"), "--labels",
        source("models/digits/labels.txt"), "--top", "2");
    assert_non_null(strstr(out_text, "sample_00_label_6.png\n    1"));
    assert_non_null(strstr(out_text, "\n    2"));
    assert_null(strstr(out_text, "\n    3"));
    /* No label file: the same, without names; and the input's name may be told. */
    snprintf(named, sizeof(named), "image=%s", source("models/digits/samples/sample_00_label_6.png"));
    WORKS("TF2_RUN", digits(), named);
    assert_non_null(strstr(out_text, "sample_00_label_6.png\n    1"));
    assert_non_null(strstr(out_text, "\n    5"));
}

/* The whole directory on both ways: sample_NN_label_D.png. */
static void check_samples(const char *devices, const char *batch)
{
    const char *json = at_work("samples.json");
    WORKS(
        "TF2_RUN", digits(), source("models/digits/samples"), "--labels", source("models/digits/labels.txt"),
        "--json", json, "--devices", devices, "--batch", batch);
    json_t *root = load_json(json);
    const json_t *results = list(root, "results");
    assert_string_equal(string(root, "model"), digits());
    assert_int_equal(json_array_size(results), 12);
    int n_right = 0;
    for (size_t i = 0; i < 12; i++) {
        const json_t *result = json_array_get(results, i);
        const json_t *output = json_array_get(list(result, "outputs"), 0);
        const json_t *top = json_array_get(list(output, "top"), 0);
        const char *label = strstr(string(result, "input"), "_label_") + strlen("_label_");
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "sample_%02zu_label_", i);
        assert_non_null(strstr(string(result, "input"), wanted));
        assert_string_equal(string(output, "name"), "prob");
        assert_int_equal(json_array_size(list(output, "shape")), 2);
        assert_int_equal(json_array_size(list(output, "top")), 5);
        assert_true(number(top, "score") > 0.2);
        n_right += string(top, "label")[0] == label[0] && number(top, "index") == label[0] - '0';
    }
    assert_true(n_right >= 11);
    json_decref(root);
}

static void test_run_directory(void **state)
{
    (void)state;
    check_samples("host", "1");
    check_samples("all", "1");
    check_samples("all", "5");
}

static void compare_arrays(const char *a_path, const char *b_path, float tolerance)
{
    struct tf2_array a, b;
    struct tf2_error error = {0};
    if (tf2_npy_load(a_path, NULL, &a, &error) != TF2_OK || tf2_npy_load(b_path, NULL, &b, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_true(tf2_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < tf2_shape_count(&a.shape); i++) {
        float difference = fabsf(((const float *)a.data)[i] - ((const float *)b.data)[i]);
        if (!(difference <= tolerance))
            fail_msg("%s: element %lld differs by %g", a_path, (long long)i, (double)difference);
    }
    tf2_array_finish(&a);
    tf2_array_finish(&b);
}

/* A uint8 .npy of 360 items, alone and in batches that do not divide it. */
static void test_run_npy(void **state)
{
    static const char *const batches[] = {"1", "7"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        WORKS(
            "TF2_RUN", digits(), source("models/digits/heldout_images.npy"), "--npy-out", at_work("npy"),
            "--json", "-", "--batch", batches[i]);
        compare_arrays(
            at_work("npy/heldout_images.prob.npy"), source("models/digits/reference_prob.npy"), 1e-5f);
        json_t *root = json_loads(out_text, 0, NULL);
        assert_non_null(root);
        assert_int_equal(json_array_size(list(root, "results")), 360);
        const json_t *last = json_array_get(list(root, "results"), 359);
        assert_non_null(strstr(string(last, "input"), "heldout_images.npy[359]"));
        json_decref(root);
        unlink(at_work("npy/heldout_images.prob.npy"));
    }
}

/* float32 goes in as it is: the same as uint8 without mean and scale; with these, uint8 changes. */
static void test_run_float_npy(void **state)
{
    struct tf2_array images;
    static float values[64];
    const struct tf2_shape shape = {4, {1, 1, 8, 8}}, item = {3, {1, 8, 8}};
    (void)state;
    assert_int_equal(tf2_npy_load(source("models/digits/heldout_images.npy"), NULL, &images, NULL), TF2_OK);
    for (size_t i = 0; i < 64; i++)
        values[i] = ((const uint8_t *)images.data)[i];
    assert_int_equal(tf2_npy_save(at_work("f32.npy"), TF2_DTYPE_F32, &shape, values, NULL), TF2_OK);
    assert_int_equal(tf2_npy_save(at_work("u8.npy"), TF2_DTYPE_U8, &item, images.data, NULL), TF2_OK);
    WORKS(
        "TF2_RUN", digits(), at_work("f32.npy"), at_work("u8.npy"), "--npy-out", at_work("npy"), "--devices",
        "1");
    compare_arrays(at_work("npy/f32.prob.npy"), at_work("npy/u8.prob.npy"), 0);
    /* (v - 0) * 0.5 of the doubled values gives them back. */
    for (size_t i = 0; i < 64; i++)
        ((uint8_t *)images.data)[i] = (uint8_t)(((uint8_t *)images.data)[i] / 2);
    assert_int_equal(tf2_npy_save(at_work("u8.npy"), TF2_DTYPE_U8, &item, images.data, NULL), TF2_OK);
    for (size_t i = 0; i < 64; i++)
        values[i] = (float)(((const uint8_t *)images.data)[i] - 3) * 2;
    assert_int_equal(tf2_npy_save(at_work("f32.npy"), TF2_DTYPE_F32, &shape, values, NULL), TF2_OK);
    WORKS(
        "TF2_RUN", digits(), at_work("f32.npy"), at_work("u8.npy"), "--npy-out", at_work("npy"), "--devices",
        "1", "--mean", "3", "--scale", "2");
    compare_arrays(at_work("npy/f32.prob.npy"), at_work("npy/u8.prob.npy"), 0);
    tf2_array_finish(&images);
}

static void test_run_full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    FAILS(
        "TF2_RUN", "tf2-run", 1, "/dev/full", digits(), source("models/digits/samples/sample_00_label_6.png"),
        "--json", "/dev/full");
}

/* The published SqueezeNet on photos, against the recorded probabilities. */
static void test_run_squeezenet(void **state)
{
    const char *definition = shared("models/squeezenet_v1.1/deploy.prototxt");
    const char *weights = shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel");
    (void)state;
    if (!definition || !weights) {
        print_message("no SqueezeNet in ../shared\n");
        skip();
    }
    WORKS(
        "TF2_RUN", definition, weights, shared("images/evaluation_227/espresso.ppm"), "--mean", "104,117,123",
        "--channels", "bgr", "--labels", shared("models/labels/imagenet_synset_words.txt"), "--top", "1",
        "--npy-out", at_work("npy"));
    assert_non_null(strstr(out_text, "  967  n07920052 espresso"));
    /* The recorded input tensor gives the same as the picture that it was made of. */
    WORKS(
        "TF2_RUN", definition, weights, shared("reference/squeezenet_v1.1/input_espresso.npy"), "--npy-out",
        at_work("npy"));
    compare_arrays(at_work("npy/espresso.prob.npy"), at_work("npy/input_espresso.prob.npy"), 1e-6f);
}

static void check_bench_json(const json_t *root, const char *model, bool profile)
{
    static const char *const numbers[] = {"batch",          "images", "wall_s",     "fps",
                                          "macs_per_image", "gmacs",  "peak_gmacs", "peak_memory_bytes",
                                          "weights_bytes"};
    static const char *const latencies[] = {"min", "p50", "p90", "p99", "max"};
    const json_t *latency = json_object_get(root, "latency_ms");
    double before = 0, n_images = 0;
    assert_string_equal(string(root, "model"), model);
    assert_string_equal(string(root, "precision"), "fp32");
    assert_string_equal(string(root, "placement"), "replicate");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(number(root, numbers[i]) > 0);
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
    check_bench_json(root, "mtcnn_pnet", true);
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
    check_bench_json(root, digits(), false);
    assert_true(number(root, "batch") == 3);
    assert_true(number(root, "macs_per_image") > 1000000 && number(root, "macs_per_image") < 1500000);
    assert_false(json_is_true(json_object_get(root, "random_weights")));
    json_t *trace = load_json(at_work("trace.json"));
    assert_true(json_array_size(list(trace, "traceEvents")) >= 2);
    json_decref(trace);
    json_decref(root);
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

static void test_bench_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_BENCH", NULL), 2);
    assert_message("tf2-bench", "no NETWORK");
    FAILS("TF2_BENCH", "tf2-bench", 2, "wanted squeezenet", "nonet");
    FAILS("TF2_BENCH", "tf2-bench", 1, "/nonexistent.onnx", "/nonexistent.onnx");
    FAILS("TF2_BENCH", "tf2-bench", 2, "takes no weights", "squeezenet", "x.caffemodel");
    FAILS("TF2_BENCH", "tf2-bench", 2, "too many", "a", "b", "c");
    FAILS(
        "TF2_BENCH", "tf2-bench", 2, "precision \"int8\" is not available", "squeezenet", "--precision",
        "int8");
    FAILS(
        "TF2_BENCH", "tf2-bench", 2, "precision \"pow2\" is not available", "squeezenet", "--precision",
        "pow2");
    FAILS("TF2_BENCH", "tf2-bench", 2, "placement \"split\" is not", "squeezenet", "--placement", "split");
    FAILS("TF2_BENCH", "tf2-bench", 2, "--duration 0", "squeezenet", "--duration", "0");
    FAILS(
        "TF2_BENCH", "tf2-bench", 2, "--inflight 2: there is 1 device", "mtcnn_pnet", "--inflight", "2",
        "--devices", "1");
}

static void test_info(void **state)
{
    (void)state;
    WORKS("TF2_INFO", "--json", "-", digits(), "--kernels");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    string(root, "version");
    assert_true(json_array_size(list(root, "devices")) >= 1);
    assert_true(json_is_object(json_object_get(root, "environment")));
    const json_t *model = json_object_get(root, "model");
    const json_t *input = json_array_get(list(model, "inputs"), 0);
    assert_string_equal(string(input, "name"), "image");
    assert_int_equal(json_array_size(list(model, "outputs")), 1);
    assert_true(number(model, "macs") == 1217536);
    assert_true(json_array_size(list(root, "steps")) > 10);
    json_decref(root);
    WORKS("TF2_INFO", "--devices", "host");
    assert_non_null(strstr(out_text, "\nhost "));
    assert_non_null(strstr(out_text, "POCL_DEVICES"));
    FAILS("TF2_INFO", "tf2-info", 1, "/nonexistent", "/nonexistent");
    FAILS("TF2_INFO", "tf2-info", 2, "need a MODEL", "--kernels");
}

static int make_work_dir(void **state)
{
    (void)state;
    snprintf(work_dir, sizeof(work_dir), "/tmp/test_cli_XXXXXX");
    return mkdtemp(work_dir) ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char child[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof(child), "%.200s/%.255s", path, entry->d_name);
        if (unlink(child) != 0)
            remove_tree(child);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static int remove_work_dir(void **state)
{
    (void)state;
    remove_tree(work_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_version), cmocka_unit_test(test_run_usage),
        cmocka_unit_test(test_run_failures),     cmocka_unit_test(test_run_text),
        cmocka_unit_test(test_run_directory),    cmocka_unit_test(test_run_npy),
        cmocka_unit_test(test_run_float_npy),    cmocka_unit_test(test_run_full_disk),
        cmocka_unit_test(test_run_squeezenet),   cmocka_unit_test(test_bench_json),
        cmocka_unit_test(test_bench_model_file), cmocka_unit_test(test_bench_random_weights),
        cmocka_unit_test(test_bench_usage),      cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
