/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_import_api.c: tf2_model_import and tf2_model_import_memory: arguments, files that are not there,
 * names. What the formats mean is tested with the importers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tf2/model.h>

static const char net_text[] = "name: \"n\" input: \"data\" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }\n"
                               "layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"r\" }\n";

static void
refused(enum tf2_status status, const struct tf2_error *error, enum tf2_status wanted, const char *text)
{
    if (status != wanted)
        fail_msg(
            "status %s, wanted %s: %s", tf2_status_name(status), tf2_status_name(wanted), error->message);
    assert_int_equal(error->status, wanted);
    if (!strstr(error->message, text))
        fail_msg("message \"%s\", wanted \"%s\" in it", error->message, text);
}

static enum tf2_status import_text(
    const char *name, const struct tf2_import_options *options, struct tf2_model **model,
    struct tf2_error *error)
{
    return tf2_model_import_memory(name, net_text, sizeof(net_text) - 1, NULL, 0, options, model, error);
}

static void test_defaults(void **state)
{
    (void)state;
    struct tf2_import_options options, zero;
    memset(&options, 0xff, sizeof(options));
    memset(&zero, 0, sizeof(zero));
    tf2_import_options_defaults(&options);
    assert_memory_equal(&options, &zero, sizeof(options));
    tf2_import_options_defaults(NULL);
}

static void test_arguments(void **state)
{
    (void)state;
    struct tf2_error error;
    struct tf2_model *untouched = (struct tf2_model *)&error, *model = untouched;
    const char *outputs[] = {"r", NULL};
    const struct tf2_named_shape shapes[] = {
        {"data", {.n_dims = 2, .dim = {1, 0}}},
        {"data", {.n_dims = 9}},
        {"nobody", {.n_dims = 1, .dim = {1}}}};
    struct tf2_import_options options[7] = {0};
    options[0].n_input_shapes = 1;
    options[1].n_outputs = 1;
    options[2].outputs = outputs;
    options[2].n_outputs = 2;
    options[3].input_shapes = &shapes[0];
    options[3].n_input_shapes = 1;
    options[4].input_shapes = &shapes[1];
    options[4].n_input_shapes = 1;
    options[5].preprocess.scale = NAN;
    options[6].input_shapes = &shapes[2];
    options[6].n_input_shapes = 1;
    const char *texts[] = {"NULL", "NULL", "output 1", "1x0", "9 dimensions", "scale", "nobody"};
    for (int i = 0; i < 7; i++)
        refused(
            import_text("n", &options[i], &model, &error), &error,
            i == 6 ? TF2_ERR_NOT_FOUND : TF2_ERR_INVALID_ARGUMENT, texts[i]);
    refused(
        tf2_model_import_memory("n", NULL, 4, NULL, 0, NULL, &model, &error), &error,
        TF2_ERR_INVALID_ARGUMENT, "NULL");
    refused(
        tf2_model_import_memory("n", net_text, 4, NULL, 4, NULL, &model, &error), &error,
        TF2_ERR_INVALID_ARGUMENT, "NULL");
    refused(import_text("n", NULL, NULL, &error), &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    refused(tf2_model_import(NULL, NULL, NULL, &model, &error), &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    refused(tf2_model_import("x", NULL, NULL, NULL, &error), &error, TF2_ERR_INVALID_ARGUMENT, "NULL");
    refused(
        tf2_model_import_memory("empty.onnx", "", 0, NULL, 0, NULL, &model, &error), &error, TF2_ERR_FORMAT,
        "empty.onnx");
    assert_ptr_equal(model, untouched);
}

static void test_name(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"/nets/small.v2.prototxt", "small.v2"},
        {"plain", "plain"},
        {".hidden", ".hidden"},
        {"dir/", "network"},
        {NULL, "network"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct tf2_model *model = NULL;
        struct tf2_error error;
        struct tf2_model_info info;
        if (import_text(names[i][0], NULL, &model, &error) != TF2_OK)
            fail_msg("%s", error.message);
        tf2_model_info(model, &info);
        assert_string_equal(info.name, names[i][1]);
        assert_int_equal(info.n_nodes, 1);
        tf2_model_destroy(&model);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct tf2_error error;
    struct tf2_model *model = NULL;
    char path[] = "/tmp/tf2-import-XXXXXX", weights[64];
    int fd = mkstemp(path);
    assert_int_not_equal(fd, -1);
    refused(tf2_model_import(path, NULL, NULL, &model, &error), &error, TF2_ERR_FORMAT, "empty");
    assert_int_equal(write(fd, net_text, sizeof(net_text) - 1), sizeof(net_text) - 1);
    close(fd);
    snprintf(weights, sizeof(weights), "%s.weights", path);
    refused(tf2_model_import(path, weights, NULL, &model, &error), &error, TF2_ERR_IO, weights);
    refused(tf2_model_import(weights, NULL, NULL, &model, &error), &error, TF2_ERR_IO, weights);
    refused(tf2_model_import("/", NULL, NULL, &model, &error), &error, TF2_ERR_IO, "/");
    assert_null(model);
    if (tf2_model_import(path, NULL, NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_model_destroy(&model);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
