/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf2_file_use.c: what goes wrong around .tf2 files: saves that are refused or fail, tf2_model_import on
 * them, self-tests, running out of memory.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tf2/session.h>

#include "net.h"
#include "tf2_file.h"
#include "transform/model/model.h"

static struct tf2_model *load_path(const char *path)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    if (tf2_model_load(path, NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

/* x [1, 3, 20, 20] through one node. */
static struct tf2_model *copy_model(void)
{
    struct net net;
    struct tf2_model *model;
    const struct tf2_import_options options = {.no_optimize = true};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 20, 20));
    net_output(&net, net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0));
    assert_int_equal(tf2_model_from_graph(&net.graph, "copy", &options, &model, NULL), TF2_OK);
    return model;
}

enum { N_PIXELS = 3 * 20 * 20 };

/* ---- saving that fails ---- */

static void check_refused(
    const struct tf2_model *model, const struct tf2_save_options *options, enum tf2_status wanted,
    const char *piece)
{
    char path[256];
    struct tf2_error error = {0};
    enum tf2_status status = tf2_model_save(model, tf2_file_path(path), options, &error);
    if (status != wanted || !strstr(error.message, piece))
        fail_msg("%s: \"%s\", wanted \"%s\"", tf2_status_name(status), error.message, piece);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_bad_options(void **state)
{
    (void)state;
    struct tf2_model *model = copy_model();
    float values[N_PIXELS] = {0}, bad[N_PIXELS] = {[5] = NAN};
    const char *const labels[] = {"a", NULL}, *const latin[] = {"caf\xe9"};
    const struct tf2_fact facts[] = {{"k", "v"}, {"k", NULL}}, empty[] = {{"", "v"}},
                          not_utf8[] = {{"k", "\xff"}};
    const void *good[] = {values}, *nan[] = {bad}, *none[] = {NULL};
#define REFUSED(status, piece, ...)                                                                          \
    check_refused(model, &(struct tf2_save_options){__VA_ARGS__}, TF2_ERR_##status, piece)
    REFUSED(INVALID_ARGUMENT, "label 1 is NULL", .labels = labels, .n_labels = 2);
    REFUSED(INVALID_ARGUMENT, "1 labels", .n_labels = 1);
    REFUSED(VALUE, "label 0 is not valid UTF-8", .labels = latin, .n_labels = 1);
    REFUSED(INVALID_ARGUMENT, "fact 1", .facts = facts, .n_facts = 2);
    REFUSED(INVALID_ARGUMENT, "2 facts", .n_facts = 2);
    REFUSED(VALUE, "key of fact 0 is empty", .facts = empty, .n_facts = 1);
    REFUSED(VALUE, "value of fact 0 is not valid UTF-8", .facts = not_utf8, .n_facts = 1);
    REFUSED(INVALID_ARGUMENT, "both inputs and outputs", .example_inputs = good);
    REFUSED(INVALID_ARGUMENT, "both inputs and outputs", .example_outputs = good);
    REFUSED(INVALID_ARGUMENT, "no values for 'x'", .example_inputs = none, .example_outputs = good);
    REFUSED(VALUE, "value 5 of 'x'", .example_inputs = nan, .example_outputs = good);
    REFUSED(VALUE, "value 5 of 'n1'", .example_inputs = good, .example_outputs = nan);
#undef REFUSED
    assert_int_equal(tf2_model_save(NULL, "x", NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_save(model, NULL, NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_save(model, "", NULL, NULL), TF2_ERR_INVALID_ARGUMENT);
    tf2_model_destroy(&model);
}

/* Names that a file cannot have. */
static void test_bad_names(void **state)
{
    (void)state;
    static const char *const names[] = {"new\nline", "latin\xe9"};
    for (size_t i = 0; i < TF2__COUNT(names); i++) {
        struct net net;
        struct tf2_model *model;
        net_open(&net, 1);
        net_output(&net, net_input(&net, names[i], SHAPE(1)));
        const struct tf2_import_options options = {.no_optimize = true};
        assert_int_equal(tf2_model_from_graph(&net.graph, "n", &options, &model, NULL), TF2_OK);
        check_refused(model, NULL, TF2_ERR_VALUE, i == 0 ? "control character" : "UTF-8");
        tf2_model_destroy(&model);
    }
}

static unsigned count_entries(const char *path)
{
    char folder[256];
    unsigned n = 0;
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A disk that is full, played by a limit on the size of files. The old file stays, nothing else does. */
static void test_failed_write(void **state)
{
    (void)state;
    char path[256];
    struct tf2_error error;
    struct rlimit limit, old;
    struct tf2_model *model = tf2_file_float_model(false);
    const struct tf2_model *const saved = model;
    struct tf2_file_bytes whole = tf2_file_save(model, NULL);
    assert_true(whole.n > 3000);
    tf2_file_write(tf2_file_path(path), "old", 3);
    unsigned n_before = count_entries(path);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t n = 0; n < whole.n; n += 300) {
        limit = old;
        limit.rlim_cur = n;
        setrlimit(RLIMIT_FSIZE, &limit);
        enum tf2_status status = tf2_model_save(saved, path, NULL, &error);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(status, TF2_ERR_IO);
        assert_non_null(strstr(error.message, "File too large"));
        assert_int_equal(count_entries(path), n_before);
        struct tf2_file_bytes bytes = tf2_file_read(path);
        assert_int_equal(bytes.n, 3);
        assert_memory_equal(bytes.data, "old", 3);
        free(bytes.data);
    }
    assert_int_equal(tf2_model_save(saved, path, NULL, &error), TF2_OK);
    assert_int_equal(count_entries(path), n_before);
    unlink(path);
    free(whole.data);
    tf2_model_destroy(&model);
}

static void test_bad_paths(void **state)
{
    (void)state;
    char path[256], deeper[300];
    struct tf2_error error;
    struct stat info;
    struct tf2_model *model = copy_model();
    assert_int_equal(mkfifo(tf2_file_path(path), 0666), 0); /* a device would be at risk */
    assert_int_equal(tf2_model_save(model, path, NULL, &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, ": cannot write: not a regular file"));
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    unlink(path);
    tf2_file_path(path);
    snprintf(deeper, sizeof(deeper), "%s/x.tf2", path);
    assert_int_equal(tf2_model_save(model, deeper, NULL, &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(tf2_model_save(model, path, NULL, &error), TF2_ERR_IO);
    assert_int_equal(tf2_model_load(path, NULL, &model, &error), TF2_ERR_IO);
    rmdir(path);
    assert_int_equal(tf2_model_load(path, NULL, &model, &error), TF2_ERR_IO);
    assert_int_equal(tf2_model_load(NULL, NULL, &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_load(path, NULL, NULL, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_load_memory("n", NULL, 1, NULL, &model, &error), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_load_memory("n", "", 0, NULL, NULL, &error), TF2_ERR_INVALID_ARGUMENT);
    tf2_model_destroy(&model);
}

/* A model may be saved where it was loaded from; the file gets the usual permissions. */
static void test_save_over_itself(void **state)
{
    (void)state;
    char path[256];
    struct stat info;
    mode_t mask = umask(022);
    struct tf2_model *model = tf2_file_int8_model();
    assert_int_equal(tf2_model_save(model, tf2_file_path(path), NULL, NULL), TF2_OK);
    struct tf2_model *loaded = load_path(path);
    assert_int_equal(tf2_model_save(loaded, path, NULL, NULL), TF2_OK);
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    tf2_file_check_same(model, loaded);
    struct tf2_model *again = load_path(path);
    tf2_file_check_same(model, again);
    unlink(path);
    tf2_model_destroy(&again);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
}

/* ---- tf2_model_import ---- */

static void check_import(
    const struct tf2_file_bytes *bytes, const char *path, const char *weights,
    const struct tf2_import_options *options, enum tf2_status wanted, const char *piece)
{
    struct tf2_model *model = NULL;
    for (int i = 0; i < 2; i++) {
        struct tf2_error error = {0};
        enum tf2_status status =
            i == 0 ? tf2_model_import(path, weights, options, &model, &error)
                   : tf2_model_import_memory(
                         path, bytes->data, bytes->n, weights, weights ? 1 : 0, options, &model, &error);
        if (status != wanted || (piece && !strstr(error.message, piece)))
            fail_msg("%s: \"%s\", wanted \"%s\"", tf2_status_name(status), error.message, piece);
        assert_int_equal(status == TF2_OK, model != NULL);
        tf2_model_destroy(&model);
    }
}

static void test_import(void **state)
{
    (void)state;
    char path[256];
    struct tf2_model *model = tf2_file_int8_model(), *imported;
    struct tf2_file_bytes bytes = tf2_file_save_full(model);
    const struct tf2_named_shape shape = {.name = "x", .shape = {.n_dims = 1, .dim = {1}}};
    const char *const output = "prob";
    struct tf2_import_options options = {0};
    tf2_file_write(tf2_file_path(path), bytes.data, bytes.n);
    check_import(&bytes, path, NULL, NULL, TF2_OK, NULL);
    check_import(&bytes, path, path, NULL, TF2_ERR_INVALID_ARGUMENT, "contain their weights");
    options = (struct tf2_import_options){.input_shapes = &shape, .n_input_shapes = 1};
    check_import(&bytes, path, NULL, &options, TF2_ERR_INVALID_ARGUMENT, "shapes for inputs");
    options = (struct tf2_import_options){.outputs = &output, .n_outputs = 1};
    check_import(&bytes, path, NULL, &options, TF2_ERR_INVALID_ARGUMENT, "outputs are chosen");
    options = (struct tf2_import_options){.preprocess = {.scale = NAN}};
    check_import(&bytes, path, NULL, &options, TF2_ERR_INVALID_ARGUMENT, "scale");

    options = (struct tf2_import_options){0};
    assert_int_equal(tf2_model_import(path, NULL, &options, &imported, NULL), TF2_OK);
    tf2_file_check_same(model, imported);
    assert_int_equal(imported->n_labels, 5);
    tf2_model_destroy(&imported);
    options.preprocess.mean[1] = 7;
    assert_int_equal(tf2_model_import(path, NULL, &options, &imported, NULL), TF2_OK);
    assert_memory_equal(&imported->preprocess, &options.preprocess, sizeof(options.preprocess));
    tf2_model_destroy(&imported);

    tf2_file_write(path, bytes.data, bytes.n - 1);
    bytes.n--;
    check_import(&bytes, path, NULL, NULL, TF2_ERR_FORMAT, "header, byte 16");
    unlink(path);
    free(bytes.data);
    tf2_model_destroy(&model);
}

/* ---- self-test ---- */

static void check_self_test(
    const struct tf2_model *model, struct tf2_devices *devices, enum tf2_status wanted, const char *piece)
{
    struct tf2_error error = {0};
    enum tf2_status status = tf2_model_self_test(model, devices, 0, &error);
    if (status != wanted || (piece && !strstr(error.message, piece)))
        fail_msg(
            "%s: \"%s\", wanted \"%s\"", tf2_status_name(status), error.message, piece ? piece : "success");
}

/* Adds to one of the expected outputs in the file. from_end: floats. */
static struct tf2_model *spoil(const struct tf2_file_bytes *bytes, size_t from_end, float factor, float add)
{
    struct tf2_file_bytes copy = tf2_file_copy(bytes);
    size_t n;
    float value;
    unsigned char *section = tf2_file_section(&copy, 6 /* EXAMPLE */, &n);
    unsigned char *at = section + n - from_end * sizeof(value);
    memcpy(&value, at, sizeof(value));
    value = value * factor + add;
    memcpy(at, &value, sizeof(value));
    tf2_file_repair(&copy);
    struct tf2_model *model = tf2_file_load(&copy);
    free(copy.data);
    return model;
}

static void check_spoiled(
    const struct tf2_file_bytes *bytes, struct tf2_devices *devices, size_t from_end, float factor, float add,
    enum tf2_status wanted, const char *piece)
{
    struct tf2_model *model = spoil(bytes, from_end, factor, add);
    check_self_test(model, devices, wanted, piece);
    tf2_model_destroy(&model);
}

/* [1, 4] through tanh or not, then to integers and back. */
static struct tf2_file_bytes quantized_model(bool computed)
{
    struct net net;
    struct tf2_model *model;
    const struct tf2_import_options options = {.no_optimize = true};
    const struct tf2__quant quant = {.scale = 0.01f, .zero_point = 128};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4));
    if (computed)
        x = net_activation(&net, x, TF2_ACTIVATION_TANH, 0, 0);
    assert_int_equal(
        tf2__graph_add_int8(
            net.graph, TF2_OP_QUANTIZE, "q", NULL, IN(x), NULL, TF2_DTYPE_U8, &quant, &x, NULL),
        TF2_OK);
    assert_int_equal(
        tf2__graph_add_int8(
            net.graph, TF2_OP_DEQUANTIZE, "y", NULL, IN(x), NULL, TF2_DTYPE_F32, NULL, &x, NULL),
        TF2_OK);
    net_output(&net, x);
    assert_int_equal(tf2_model_from_graph(&net.graph, "quantized", &options, &model, NULL), TF2_OK);
    struct tf2_file_bytes bytes = tf2_file_save_full(model);
    tf2_model_destroy(&model);
    return bytes;
}

/* A rounding before a quantization can make a step, not more. */
static void test_self_test_step(void **state)
{
    (void)state;
    struct tf2_devices *devices = NULL;
    assert_int_equal(tf2_devices_open("host", NULL, &devices, NULL), TF2_OK);
    struct tf2_file_bytes bytes = quantized_model(true);
    check_spoiled(&bytes, devices, 1, 1, 0, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 1, 1, 0.01f, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 1, 1, 0.1f, TF2_ERR_VALUE, "output 'y': element 3 is");
    free(bytes.data);
    bytes = quantized_model(false);
    check_spoiled(&bytes, devices, 1, 1, 0, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 1, 1, 0.0001f, TF2_ERR_VALUE, "at most 0 is allowed");
    free(bytes.data);
    tf2_devices_close(&devices);
}

/* log(-1) is found where 0 is wanted, and nothing else differs. */
static void test_self_test_nan(void **state)
{
    (void)state;
    static const float x[] = {-1, 1, 1, 1}, y[] = {0, 0, 0, 0};
    const void *inputs[] = {x}, *outputs[] = {y};
    struct net net;
    struct tf2_model *model;
    struct tf2_devices *devices = NULL;
    net_open(&net, 1);
    net_output(&net, net_activation(&net, net_input(&net, "x", SHAPE(1, 4)), TF2_ACTIVATION_LOG, 0, 0));
    assert_int_equal(tf2_model_from_graph(&net.graph, "log", NULL, &model, NULL), TF2_OK);
    struct tf2_file_bytes bytes = tf2_file_save(
        model, &(struct tf2_save_options){.example_inputs = inputs, .example_outputs = outputs});
    tf2_model_destroy(&model);
    model = tf2_file_load(&bytes);
    assert_int_equal(tf2_devices_open("host", NULL, &devices, NULL), TF2_OK);
    check_self_test(model, devices, TF2_ERR_VALUE, "output 'n1': element 0 is");
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
    free(bytes.data);
}

static void test_self_test(void **state)
{
    (void)state;
    struct tf2_devices *devices = NULL;
    assert_int_equal(tf2_devices_open("host", NULL, &devices, NULL), TF2_OK);
    struct tf2_model *integers = tf2_file_int8_model(), *floats = tf2_file_float_model(false);
    check_self_test(integers, devices, TF2_ERR_NOT_FOUND, "has no example");
    check_self_test(NULL, devices, TF2_ERR_INVALID_ARGUMENT, NULL);
    check_self_test(integers, NULL, TF2_ERR_INVALID_ARGUMENT, NULL);

    /* Both outputs have 144 elements: 'features' is exact, 'prob' float behind it. */
    struct tf2_file_bytes bytes = tf2_file_save_full(integers);
    check_spoiled(&bytes, devices, 1, 1, 0, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 1, 1, 1e-6f, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 144, 1, 1e-4f, TF2_ERR_VALUE, "output 'prob': element 0 is");
    check_spoiled(&bytes, devices, 144 + 3, 1, 1e-6f, TF2_ERR_VALUE, "output 'features': element 141 is");
    free(bytes.data);

    bytes = tf2_file_save_full(floats);
    check_spoiled(&bytes, devices, 4, 1.00005f, 0, TF2_OK, NULL);
    check_spoiled(&bytes, devices, 4, 1, 1e9f, TF2_ERR_VALUE, "output 'identity': element 0 is");
    free(bytes.data);
    tf2_model_destroy(&integers);
    tf2_model_destroy(&floats);
    tf2_devices_close(&devices);
}

/* ---- running out of memory ---- */

struct counted {
    size_t n_calls, fail_at; /* fail_at: the call that fails, from 1 on */
    size_t n_live;
};

static void *counted_alloc(void *user, size_t size, size_t alignment)
{
    struct counted *counted = user;
    void *ptr = NULL;
    if (++counted->n_calls == counted->fail_at || posix_memalign(&ptr, alignment, size) != 0)
        return NULL;
    counted->n_live++;
    return ptr;
}

static void counted_release(void *user, void *ptr)
{
    ((struct counted *)user)->n_live--;
    free(ptr);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[256];
    struct tf2_model *source = tf2_file_int8_model();
    struct tf2_file_bytes bytes = tf2_file_save_full(source);
    struct tf2_file_example example = tf2_file_example(source);
    const char *const labels[] = {"label"};
    const struct tf2_save_options options = {
        .labels = labels,
        .n_labels = 1,
        .example_inputs = example.inputs,
        .example_outputs = example.outputs};
    bool failed = true;
    tf2_file_write(tf2_file_path(path), bytes.data, bytes.n);
    for (size_t fail_at = 1; failed; fail_at++) {
        for (int from_file = 0; from_file < 2; from_file++) {
            struct counted counted = {.fail_at = fail_at};
            const struct tf2_env env = {
                .allocator = {.alloc = counted_alloc, .release = counted_release, .user = &counted}};
            struct tf2_model *model = NULL;
            enum tf2_status status =
                from_file ? tf2_model_load(path, &env, &model, NULL)
                          : tf2_model_load_memory("n", bytes.data, bytes.n, &env, &model, NULL);
            if (status == TF2_OK)
                status = tf2_model_save(model, path, &options, NULL);
            failed = counted.n_calls >= fail_at;
            assert_int_equal(status, failed ? TF2_ERR_NO_MEMORY : TF2_OK);
            tf2_model_destroy(&model);
            assert_int_equal(counted.n_live, 0);
            assert_true(failed || fail_at > 20);
            if (!failed && from_file)
                print_message("%zu allocations\n", counted.n_calls);
        }
    }
    unlink(path);
    tf2_file_example_free(&example);
    free(bytes.data);
    tf2_model_destroy(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_options),      cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_failed_write),     cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_save_over_itself), cmocka_unit_test(test_import),
        cmocka_unit_test(test_self_test_step),   cmocka_unit_test(test_self_test),
        cmocka_unit_test(test_self_test_nan),    cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
