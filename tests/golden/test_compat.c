/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_compat.c: .tf2 files of all released versions can still be read, say the same, and compute the same.
 * make_compat.c wrote them, with the inputs that are made here too.
 */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_VALUES 8

struct wanted {
    const char *file; /* in tests/golden/compat, without its ending */
    const char *name;
    size_t n_inputs, n_outputs, n_nodes, n_int8_nodes, n_labels, n_facts;
    bool has_example;
    float mean;     /* of the third channel */
    size_t n_exact; /* values that are equal on every device; the others come from exp() and the like */
};

static const struct wanted files[] = {
    {"v1_0_bare", "bare", 1, 1, 1, 0, 0, 0, false, 0, 0},
    {"v1_0_gray", "gray", 1, 1, 1, 0, 5, 2, true, 0, 0},
    {"v1_0_float", "every float operator", 2, 2, 29, 0, 5, 2, true, 123.5f, 0},
    {"v1_0_fused", "every float operator", 2, 2, 24, 0, 5, 2, true, 123.5f, 0},
    {"v1_0_int8", "integers", 1, 2, 6, 5, 5, 2, true, 123.5f, 144},
};

static const char *path_of(const struct wanted *wanted, const char *ending)
{
    char name[256];
    snprintf(name, sizeof(name), "tests/golden/compat/%s%s", wanted->file, ending);
    return golden_source(name);
}

static void check_info(const struct tf2_model *model, const struct wanted *wanted)
{
    struct tf2_model_info info;
    struct tf2_fact fact;
    tf2_model_info(model, &info);
    assert_string_equal(info.name, wanted->name);
    assert_int_equal(info.n_inputs, wanted->n_inputs);
    assert_int_equal(info.n_outputs, wanted->n_outputs);
    assert_int_equal(info.n_nodes, wanted->n_nodes);
    assert_int_equal(info.n_int8_nodes, wanted->n_int8_nodes);
    assert_int_equal(info.n_labels, wanted->n_labels);
    assert_int_equal(info.n_facts, wanted->n_facts);
    assert_int_equal(info.has_example, wanted->has_example);
    assert_float_equal(info.preprocess.mean[2], wanted->mean, 0);
    assert_int_equal(info.preprocess.channels, wanted->mean != 0 ? TF2_CHANNELS_BGR : TF2_CHANNELS_RGB);
    if (wanted->n_labels) {
        assert_string_equal(tf2_model_label(model, 2), "H\xc3\xbcndin, \"dog\"");
        assert_string_equal(tf2_model_label(model, 4), "five");
    }
    if (wanted->n_facts) {
        assert_int_equal(tf2_model_fact(model, 0, &fact), TF2_OK);
        assert_string_equal(fact.key, "source");
        assert_string_equal(fact.value, "made by a test");
    }
}

/* Pixels i * i * 7 modulo 256, then 9, in the model's preprocessing. */
static float *make_input(const struct tf2_preprocess *p, const struct tf2_shape *shape)
{
    size_t n = (size_t)tf2_shape_count(shape), plane = 1;
    float *values = malloc(n * sizeof(*values));
    for (uint32_t d = 2; d < shape->n_dims; d++)
        plane *= (size_t)shape->dim[d];
    for (size_t i = 0; i < n; i++) {
        float mean = shape->dim[1] <= 4 ? p->mean[i / plane % (size_t)shape->dim[1]] : 0;
        float pixel = i < 64 ? (float)(i * i * 7 % 256) : 9;
        values[i] = (pixel - mean) * (p->scale == 0 ? 1 : p->scale);
    }
    return values;
}

static void
compare(const struct wanted *wanted, const float *found, const struct tf2_array *expected, size_t n_found)
{
    const float *values = expected->data;
    float largest = 0;
    assert_int_equal(tf2_shape_count(&expected->shape), n_found);
    for (size_t i = 0; i < n_found; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    for (size_t i = 0; i < n_found; i++) {
        float allowed = i < wanted->n_exact ? 0 : 1e-5f * largest;
        if (!(fabsf(values[i] - found[i]) <= allowed))
            fail_msg("%s: value %zu is %.9g, wanted %.9g", wanted->file, i, found[i], values[i]);
    }
}

static void check_results(struct tf2_model *model, struct tf2_devices *devices, const struct wanted *wanted)
{
    struct tf2_session *session = NULL;
    struct tf2_model_info info;
    struct tf2_tensor_info tensor;
    struct tf2_array expected = {0};
    const void *inputs[MAX_VALUES];
    void *outputs[MAX_VALUES];
    float *all = calloc(65536, sizeof(*all));
    size_t n_all = 0;
    tf2_model_info(model, &info);
    for (size_t i = 0; i < info.n_inputs; i++) {
        tf2_model_input(model, i, &tensor);
        inputs[i] = make_input(&info.preprocess, &tensor.shape);
    }
    for (size_t i = 0; i < info.n_outputs; i++) {
        tf2_model_output(model, i, &tensor);
        outputs[i] = all + n_all;
        n_all += (size_t)tf2_shape_count(&tensor.shape);
        assert_true(n_all <= 65536);
    }
    assert_int_equal(tf2_session_create(model, devices, 0, NULL, &session, NULL), TF2_OK);
    assert_int_equal(tf2_session_run(session, inputs, outputs, NULL), TF2_OK);
    assert_int_equal(tf2_npy_load(path_of(wanted, ".npy"), NULL, &expected, NULL), TF2_OK);
    compare(wanted, all, &expected, n_all);
    tf2_array_finish(&expected);
    tf2_session_destroy(&session);
    for (size_t i = 0; i < info.n_inputs; i++)
        free((void *)(uintptr_t)inputs[i]);
    free(all);
}

static void check_file(struct tf2_devices *devices, const struct wanted *wanted)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    char saved[64];
    if (tf2_model_load(path_of(wanted, ".tf2"), NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    check_info(model, wanted);
    check_results(model, devices, wanted);
    enum tf2_status status = tf2_model_self_test(model, devices, 0, &error);
    if (status != (wanted->has_example ? TF2_OK : TF2_ERR_NOT_FOUND))
        fail_msg("%s: %s", wanted->file, error.message);
    /* As the present version writes it. */
    snprintf(saved, sizeof(saved), "/tmp/tf2-compat-%ld.tf2", (long)getpid());
    assert_int_equal(tf2_model_save(model, saved, NULL, NULL), TF2_OK);
    tf2_model_destroy(&model);
    assert_int_equal(tf2_model_load(saved, NULL, &model, NULL), TF2_OK);
    unlink(saved);
    check_info(model, wanted);
    check_results(model, devices, wanted);
    tf2_model_destroy(&model);
}

static void test_files(void **state)
{
    (void)state;
    static const char *const specs[] = {"host", "cl:0"};
    for (size_t d = 0; d < sizeof(specs) / sizeof(specs[0]); d++) {
        struct tf2_devices *devices = NULL;
        struct tf2_error error;
        if (tf2_devices_open(specs[d], NULL, &devices, &error) != TF2_OK) {
            print_message("%s: %s\n", specs[d], error.message);
            assert_true(d > 0);
            continue;
        }
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
            check_file(devices, &files[i]);
        tf2_devices_close(&devices);
    }
}

/* No file is left out. */
static void test_list(void **state)
{
    (void)state;
    DIR *folder = opendir(golden_source("tests/golden/compat"));
    size_t n = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *dot = strrchr(entry->d_name, '.');
        n += dot && strcmp(dot, ".tf2") == 0;
    }
    closedir(folder);
    assert_int_equal(n, sizeof(files) / sizeof(files[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
