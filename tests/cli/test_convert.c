/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_convert.c: tf2-convert as a user starts it, and .tf2 files in the other programs.
 */
#define _GNU_SOURCE
#include "programs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tf2/image.h>

extern char **environ;

#define REFUSED(status, message, ...) FAILS("TF2_CONVERT", "tf2-convert", status, message, __VA_ARGS__)

static const char *samples(void)
{
    return source("models/digits/samples");
}

static size_t file_size(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    return (size_t)info.st_size;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    *size = file_size(path);
    char *data = malloc(*size + 1);
    assert_non_null(file);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static void assert_same_files(const char *a_path, const char *b_path)
{
    size_t a_size, b_size;
    char *a = read_file(a_path, &a_size), *b = read_file(b_path, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    free(a);
    free(b);
}

static void test_usage(void **state)
{
    (void)state;
    assert_int_equal(run("TF2_CONVERT", NULL), 2);
    assert_message("tf2-convert", "no IN given");
    REFUSED(2, "no output given", "x.onnx");
    REFUSED(2, "wanted a name that ends in .tf2 or .onnx", "x.onnx", "-o", "x.caffemodel");
    REFUSED(2, "wanted a name that ends in .tf2 or .onnx", "x.onnx", "-o", ".tf2");
    REFUSED(2, "-o needs a value", "x.onnx", "-o");
    REFUSED(2, "too many arguments", "x.onnx", "y.onnx", "-o", "z.tf2");
    REFUSED(2, "--calibrate with images", "x.onnx", "-o", "x.tf2", "--precision", "int8");
    REFUSED(2, "precision \"pow2\" is not available", "x", "-o", "x.tf2", "--precision", "pow2");
    REFUSED(2, "precision \"int4\" is not available", "x", "-o", "x.tf2", "--precision", "int4");
    REFUSED(2, "--prune is not available", "x", "-o", "x.tf2", "--prune", "channels=0.5");
    REFUSED(2, "random:0: wanted", "x", "-o", "x.tf2", "--calibrate", "random:0");
    REFUSED(2, "random:8x: wanted", "x", "-o", "x.tf2", "--calibrate", "random:8x");
    REFUSED(
        2, "cannot be combined", "x", "-o", "x.tf2", "--precision", "int8", "--calibrate", "random:8",
        "--calibrate", "y.png");
    REFUSED(2, "--range best", "x", "-o", "x.tf2", "--range", "best");
    REFUSED(2, "--rounding up", "x", "-o", "x.tf2", "--rounding", "up");
    REFUSED(2, "--percentile 101", "x", "-o", "x.tf2", "--percentile", "101");
    REFUSED(
        2, "--percentile is for --range percentile", "x", "-o", "x.tf2", "--precision", "int8", "--calibrate",
        "y", "--percentile", "99");
    REFUSED(2, "--max-drop nan", "x", "-o", "x.tf2", "--max-drop", "nan");
    REFUSED(2, "--max-samples 0", "x", "-o", "x.tf2", "--max-samples", "0");
    REFUSED(2, "--keep-float: empty name", "x", "-o", "x.tf2", "--keep-float", "a,,b");
}

/* Options that would do nothing are refused. */
static void test_useless_options(void **state)
{
    static const char *const only_int8[][2] = {
        {"--range", "mse"},
        {"--rounding", "gptq"},
        {"--max-drop", "1"},
        {"--keep-float", "conv"},
        {"--percentile", "99"}};
    (void)state;
    for (size_t i = 0; i < sizeof(only_int8) / sizeof(only_int8[0]); i++)
        REFUSED(2, "is for --precision int8", "x", "-o", "x.tf2", only_int8[i][0], only_int8[i][1]);
    REFUSED(2, "--report is for --precision int8", "x", "-o", "x.tf2", "--report");
    REFUSED(2, "is for --precision int8", "x", "-o", "x.tf2", "--no-equalization");
    REFUSED(2, "is for --precision int8", "x", "-o", "x.tf2", "--no-bias-correction");
    REFUSED(2, "has no use here", "x", "-o", "x.tf2", "--no-example", "--calibrate", "y");
    REFUSED(2, "has no use here", "x", "-o", "x.onnx", "--calibrate", "y");
    REFUSED(2, "are for --calibrate", "x", "-o", "x.tf2", "--max-samples", "3");
    REFUSED(2, "are for --calibrate", "x", "-o", "x.tf2", "--crop");
    REFUSED(2, "has no place", "x", "-o", "x.onnx", "--labels", "y");
    REFUSED(2, "has no place", "x", "-o", "x.onnx", "--mean", "1");
}

static size_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Whatever goes wrong, an older file stays as it is and nothing lies about. */
#define FAILS_AND_KEEPS(message, ...)                                                                        \
    do {                                                                                                     \
        size_t size_before, n_before = count_entries(at_work("keep"));                                       \
        REFUSED(1, message, __VA_ARGS__, "-o", at_work("keep/old.tf2"));                                     \
        char *kept = read_file(at_work("keep/old.tf2"), &size_before);                                       \
        assert_int_equal(size_before, 4);                                                                    \
        assert_memory_equal(kept, "old\n", 4);                                                               \
        free(kept);                                                                                          \
        assert_int_equal(count_entries(at_work("keep")), n_before);                                          \
    } while (0)

static void test_failures(void **state)
{
    const char *text = at_work("text.png");
    (void)state;
    mkdir(at_work("keep"), 0700);
    mkdir(at_work("none"), 0700);
    write_file(at_work("keep/old.tf2"), "old\n", 4);
    write_file(text, "no image\n", 9);
    FAILS_AND_KEEPS("/nonexistent.onnx", "/nonexistent.onnx");
    FAILS_AND_KEEPS("text.png: ", text);
    FAILS_AND_KEEPS("nothing", digits(), "--output", "nothing");
    FAILS_AND_KEEPS("cl:99", digits(), "--devices", "cl:99");
    FAILS_AND_KEEPS("/nonexistent: labels", digits(), "--labels", "/nonexistent");
    FAILS_AND_KEEPS("1 labels, the model's output has 10", digits(), "--labels", text);
    FAILS_AND_KEEPS("--mean has numbers for 3", digits(), "--mean", "1,2,3");
    FAILS_AND_KEEPS("none: no .jpg", digits(), "--precision", "int8", "--calibrate", at_work("none"));
    FAILS_AND_KEEPS("not a JPEG", digits(), "--precision", "int8", "--calibrate", text);
    FAILS_AND_KEEPS(
        "not a JPEG", digits(), "--precision", "int8", "--calibrate", samples(), "--calibrate", text);
    FAILS_AND_KEEPS(
        "shape 360x10 does not fit", digits(), "--precision", "int8", "--calibrate",
        source("models/digits/reference_prob.npy"));
    FAILS_AND_KEEPS(
        "no_such_node", digits(), "--precision", "int8", "--calibrate", samples(), "--keep-float",
        "no_such_node");
    REFUSED(1, "/nonexistent/x.tf2: cannot be written", digits(), "-o", "/nonexistent/x.tf2");
    mkdir(at_work("dir.tf2"), 0700);
    REFUSED(1, "dir.tf2: not a file", digits(), "-o", at_work("dir.tf2"));
    REFUSED(1, "is IN itself", at_work("keep/old.tf2"), "-o", at_work("keep/old.tf2"));
}

static void test_float_round_trip(void **state)
{
    const char *model = at_work("digits.tf2"), *images = source("models/digits/heldout_images.npy");
    (void)state;
    WORKS("TF2_CONVERT", digits(), "-o", model);
    assert_string_equal(err_text, "");
    assert_non_null(strstr(out_text, "digits.tf2: "));
    assert_non_null(strstr(out_text, ", fp32: "));
    assert_non_null(strstr(out_text, "with example"));
    WORKS("TF2_RUN", digits(), images, "--npy-out", at_work("onnx"), "--devices", "1");
    WORKS("TF2_RUN", model, images, "--npy-out", at_work("tf2"), "--devices", "1");
    compare_arrays(at_work("onnx/heldout_images.prob.npy"), at_work("tf2/heldout_images.prob.npy"), 0);
    WORKS("TF2_RUN", "--self-test", model);
    assert_non_null(strstr(out_text, "cl:0   ok\n"));
    WORKS("TF2_RUN", "--self-test", model, "--devices", "host", "--json", "-");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_true(json_object_get(json_array_get(list(root, "self_test"), 0), "ok")));
    json_decref(root);
    /* The same command gives the same bytes; and a .tf2 can be IN. */
    WORKS("TF2_CONVERT", digits(), "-o", at_work("again.tf2"));
    assert_same_files(model, at_work("again.tf2"));
    WORKS("TF2_CONVERT", model, "-o", at_work("again.tf2"));
    assert_same_files(model, at_work("again.tf2"));
}

static void test_preprocess_and_labels(void **state)
{
    const char *model = at_work("pre.tf2"), *image = source("models/digits/samples/sample_00_label_6.png");
    (void)state;
    WORKS(
        "TF2_CONVERT", digits(), "-o", model, "--mean", "3", "--scale", "0.5", "--labels",
        source("models/digits/labels.txt"), "--no-example");
    assert_non_null(strstr(out_text, "10 labels, no example"));
    /* What is stored counts when the options are silent. */
    WORKS("TF2_RUN", model, image, "--npy-out", at_work("stored"), "--devices", "1", "--json", "-");
    json_t *root = json_loads(out_text, 0, NULL);
    const json_t *output = json_array_get(list(json_array_get(list(root, "results"), 0), "outputs"), 0);
    assert_int_equal(strlen(string(json_array_get(list(output, "top"), 0), "label")), 1);
    json_decref(root);
    WORKS(
        "TF2_RUN", digits(), image, "--npy-out", at_work("given"), "--devices", "1", "--mean", "3", "--scale",
        "0.5");
    compare_arrays(
        at_work("stored/sample_00_label_6.prob.npy"), at_work("given/sample_00_label_6.prob.npy"), 0);
    /* Options win, one by one. */
    WORKS("TF2_RUN", model, image, "--npy-out", at_work("stored"), "--devices", "1", "--scale", "2");
    WORKS(
        "TF2_RUN", digits(), image, "--npy-out", at_work("given"), "--devices", "1", "--mean", "3", "--scale",
        "2");
    compare_arrays(
        at_work("stored/sample_00_label_6.prob.npy"), at_work("given/sample_00_label_6.prob.npy"), 0);
    FAILS("TF2_RUN", "tf2-run", 1, "pre.tf2: no example", "--self-test", model);
    WORKS("TF2_CONVERT", model, "-o", at_work("pre2.tf2"), "--scale", "2");
    WORKS("TF2_RUN", at_work("pre2.tf2"), image, "--npy-out", at_work("stored"), "--devices", "1");
    compare_arrays(
        at_work("stored/sample_00_label_6.prob.npy"), at_work("given/sample_00_label_6.prob.npy"), 0);
    /* Back to nothing. */
    WORKS("TF2_CONVERT", model, "-o", at_work("pre2.tf2"), "--scale", "1", "--mean", "0");
    WORKS("TF2_RUN", at_work("pre2.tf2"), image, "--npy-out", at_work("stored"), "--devices", "1");
    WORKS("TF2_RUN", digits(), image, "--npy-out", at_work("given"), "--devices", "1");
    compare_arrays(
        at_work("stored/sample_00_label_6.prob.npy"), at_work("given/sample_00_label_6.prob.npy"), 0);
}

static size_t best_of(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

/* How many of the held-out pictures are right. */
static int count_right(const char *npy)
{
    struct tf2_array prob, labels;
    int n_right = 0;
    assert_int_equal(tf2_npy_load(npy, NULL, &prob, NULL), TF2_OK);
    assert_int_equal(tf2_npy_load(source("models/digits/heldout_labels.npy"), NULL, &labels, NULL), TF2_OK);
    for (size_t i = 0; i < 360; i++)
        n_right += best_of((const float *)prob.data + 10 * i, 10) == ((const uint8_t *)labels.data)[i];
    tf2_array_finish(&prob);
    tf2_array_finish(&labels);
    return n_right;
}

static void check_report(const json_t *root)
{
    const json_t *accuracy = json_object_get(root, "accuracy"), *facts = json_object_get(root, "facts");
    const json_t *layers = list(root, "layers");
    size_t n_int8 = 0;
    assert_string_equal(string(root, "precision"), "int8");
    assert_string_equal(string(root, "format"), "tf2");
    assert_true(json_is_true(json_object_get(root, "example")));
    assert_true(number(root, "size_bytes") == (double)file_size(at_work("int8.tf2")));
    assert_true(number(accuracy, "samples") == 12);
    assert_true(number(accuracy, "sqnr_db") > 15);
    assert_true(number(accuracy, "cosine") > 0.99 && number(accuracy, "cosine") <= 1.000001);
    assert_true(number(accuracy, "same_class_percent") == 100);
    assert_string_equal(string(facts, "source"), "digits.onnx");
    assert_string_equal(string(facts, "precision"), "int8");
    assert_string_equal(string(facts, "calibration.samples"), "12");
    assert_string_equal(string(facts, "calibration.range"), "auto");
    assert_string_equal(string(facts, "rounding"), "nearest");
    assert_string_equal(string(facts, "equalization"), "yes");
    string(facts, "libtf2");
    assert_true(json_array_size(layers) > 10);
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        string(layer, "name");
        string(layer, "op");
        n_int8 += strcmp(string(layer, "precision"), "int8") == 0;
        assert_true(number(layer, "min") <= number(layer, "max"));
    }
    assert_true(n_int8 >= 14); /* the convolutions at least */
    assert_true(number(root, "int8_nodes") >= (double)n_int8);
}

static void test_int8(void **state)
{
    const char *model = at_work("int8.tf2"), *images = source("models/digits/heldout_images.npy");
    (void)state;
    WORKS(
        "TF2_CONVERT", digits(), "-o", model, "--precision", "int8", "--calibrate", samples(), "--labels",
        source("models/digits/labels.txt"), "--report", "--json", at_work("report.json"));
    assert_string_equal(err_text, "");
    assert_non_null(strstr(out_text, "int8.tf2: "));
    assert_non_null(strstr(out_text, ", int8: "));
    assert_non_null(strstr(out_text, "against float32 on 12 samples: SQNR "));
    assert_non_null(strstr(out_text, "\n  layer "));
    json_t *root = load_json(at_work("report.json"));
    check_report(root);
    json_decref(root);
    WORKS("TF2_RUN", "--self-test", model);
    WORKS("TF2_RUN", "--self-test", model, "--devices", "host");
    WORKS("TF2_RUN", model, images, "--npy-out", at_work("int8"));
    assert_true(count_right(at_work("int8/heldout_images.prob.npy")) >= 356); /* float32: 357 */
    /* 40 kB of weights, scales and sums beside them. */
    assert_true(file_size(model) < 64000);
    REFUSED(1, "int8 already", model, "-o", at_work("x.tf2"), "--precision", "fp32");
    REFUSED(
        1, "int8 already", model, "-o", at_work("x.tf2"), "--precision", "int8", "--calibrate", samples());
}

/* The same through a .tf2 of float32, with all that belongs to it; samples from several places. */
static void test_int8_of_tf2(void **state)
{
    (void)state;
    WORKS("TF2_CONVERT", digits(), "-o", at_work("a.tf2"), "--labels", source("models/digits/labels.txt"));
    WORKS(
        "TF2_CONVERT", digits(), "-o", at_work("b.tf2"), "--precision", "int8", "--calibrate", samples(),
        "--labels", source("models/digits/labels.txt"));
    WORKS(
        "TF2_CONVERT", at_work("a.tf2"), source("models/digits/samples/sample_00_label_6.png"), "-o",
        at_work("c.tf2"), "--precision", "int8", "--calibrate", samples(), "--max-samples", "13", "--json",
        "-");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    assert_true(number(json_object_get(root, "accuracy"), "samples") == 13);
    assert_true(number(root, "labels") == 10);
    json_decref(root);
    WORKS(
        "TF2_CONVERT", at_work("a.tf2"), "-o", at_work("c.tf2"), "--precision", "int8", "--calibrate",
        samples());
    assert_same_files(at_work("b.tf2"), at_work("c.tf2"));
}

/* Two of 360 items are the first and the one in the middle, wherever they come from. */
static void test_max_samples(void **state)
{
    const struct tf2_shape shape = {4, {2, 1, 8, 8}};
    uint8_t two[2][64];
    struct tf2_array images;
    (void)state;
    assert_int_equal(tf2_npy_load(source("models/digits/heldout_images.npy"), NULL, &images, NULL), TF2_OK);
    memcpy(two[0], images.data, 64);
    memcpy(two[1], (const uint8_t *)images.data + 180 * 64, 64);
    tf2_array_finish(&images);
    assert_int_equal(tf2_npy_save(at_work("two.npy"), TF2_DTYPE_U8, &shape, two, NULL), TF2_OK);
    WORKS(
        "TF2_CONVERT", digits(), "-o", at_work("two.tf2"), "--precision", "int8", "--calibrate",
        at_work("two.npy"));
    WORKS(
        "TF2_CONVERT", digits(), "-o", at_work("spread.tf2"), "--precision", "int8", "--calibrate",
        source("models/digits/heldout_images.npy"), "--max-samples", "2");
    assert_same_files(at_work("two.tf2"), at_work("spread.tf2"));
}

static void test_random_samples(void **state)
{
    (void)state;
    WORKS(
        "TF2_CONVERT", digits(), "-o", at_work("random.tf2"), "--precision", "int8", "--calibrate",
        "random:4", "--rounding", "gptq", "--range", "percentile", "--percentile", "99.9", "--max-drop", "0");
    assert_non_null(strstr(out_text, "on 4 random samples"));
    WORKS("TF2_RUN", "--self-test", at_work("random.tf2"));
    WORKS("TF2_INFO", at_work("random.tf2"));
    assert_non_null(strstr(out_text, "calibration.data "));
    assert_non_null(strstr(out_text, "calibration.percentile "));
    assert_non_null(strstr(out_text, "max_drop_percent "));
    assert_non_null(strstr(out_text, "gptq"));
}

static void test_onnx_out(void **state)
{
    const char *images = source("models/digits/heldout_images.npy");
    (void)state;
    WORKS("TF2_CONVERT", digits(), "-o", at_work("out.onnx"));
    assert_non_null(strstr(out_text, "out.onnx: "));
    WORKS("TF2_RUN", at_work("out.onnx"), images, "--npy-out", at_work("exported"), "--devices", "1");
    compare_arrays(
        at_work("exported/heldout_images.prob.npy"), source("models/digits/reference_prob.npy"), 1e-5f);
    WORKS(
        "TF2_CONVERT", digits(), "-o", at_work("out8.onnx"), "--precision", "int8", "--calibrate", samples());
    assert_true(file_size(at_work("out8.onnx")) < file_size(at_work("out.onnx")));
    write_file(at_work("old.onnx"), "old\n", 4);
    REFUSED(
        1, "not a JPEG", digits(), "-o", at_work("old.onnx"), "--precision", "int8", "--calibrate",
        source("models/digits/README.md"));
    assert_int_equal(file_size(at_work("old.onnx")), 4);
}

static void test_tf2_in_other_programs(void **state)
{
    const char *model = at_work("other.tf2"), *image = source("models/digits/samples/sample_00_label_6.png");
    (void)state;
    WORKS(
        "TF2_CONVERT", digits(), "-o", model, "--mean", "1,1,1,1", "--labels",
        source("models/digits/labels.txt"));
    FAILS("TF2_RUN", "tf2-run", 2, "--output is for other formats", model, image, "--output", "prob");
    FAILS("TF2_RUN", "tf2-run", 2, "wanted no WEIGHTS", model, "x.caffemodel", image);
    FAILS("TF2_RUN", "tf2-run", 2, "wanted no INPUT", "--self-test", model, image);
    FAILS("TF2_RUN", "tf2-run", 2, "takes no other options", "--self-test", model, "--batch", "2");
    FAILS("TF2_RUN", "tf2-run", 1, "no example", "--self-test", digits());
    FAILS("TF2_INFO", "tf2-info", 2, "wanted no WEIGHTS", model, "x.caffemodel");
    FAILS("TF2_INFO", "tf2-info", 2, "--input is for other formats", model, "--input", "2,1,8,8");
    REFUSED(2, "--input is for other formats", model, "-o", at_work("x.tf2"), "--input", "2,1,8,8");
    /* Shapes of a .tf2 file are set when it is run. */
    WORKS("TF2_RUN", model, image, "--input", "image:2,1,8,8");
    WORKS("TF2_RUN", model, image, "--input", "2,1,8,8");
    WORKS("TF2_INFO", model, "--input", "2,1,8,8", "--kernels", "--json", "-");
    json_t *root = json_loads(out_text, 0, NULL);
    double macs = 0;
    for (size_t i = 0; i < json_array_size(list(root, "steps")); i++)
        macs += number(json_array_get(list(root, "steps"), i), "macs");
    assert_true(macs == 2 * 1217536);
    json_decref(root);
    WORKS("TF2_INFO", model, "--json", "-");
    root = json_loads(out_text, 0, NULL);
    const json_t *info = json_object_get(root, "model");
    assert_true(number(info, "int8_nodes") == 0);
    assert_int_equal(json_array_size(list(info, "labels")), 10);
    assert_string_equal(string(json_object_get(info, "facts"), "source"), "digits.onnx");
    assert_true(json_is_true(json_object_get(info, "example")));
    assert_true(number(json_object_get(info, "preprocess"), "scale") == 1);
    json_decref(root);
}

/* A damaged file is refused, whatever is done with it. */
static void test_damaged(void **state)
{
    size_t size;
    (void)state;
    WORKS("TF2_CONVERT", digits(), "-o", at_work("good.tf2"));
    char *data = read_file(at_work("good.tf2"), &size);
    data[size / 2] ^= 1;
    write_file(at_work("bad.tf2"), data, size);
    FAILS("TF2_RUN", "tf2-run", 1, "bad.tf2: ", at_work("bad.tf2"), samples());
    FAILS("TF2_RUN", "tf2-run", 1, "bad.tf2: ", at_work("bad.tf2"), "--self-test");
    FAILS("TF2_INFO", "tf2-info", 1, "bad.tf2: ", at_work("bad.tf2"));
    REFUSED(1, "bad.tf2: ", at_work("bad.tf2"), "-o", at_work("x.tf2"));
    write_file(at_work("short.tf2"), data, 5);
    FAILS("TF2_RUN", "tf2-run", 1, "short.tf2: ", at_work("short.tf2"), samples());
    free(data);
}

/* A file whose example has other outputs: every device says so. */
static void test_failing_self_test(void **state)
{
    static const float image[64], prob[10] = {1};
    const void *inputs[] = {image}, *outputs[] = {prob};
    const struct tf2_save_options options = {.example_inputs = inputs, .example_outputs = outputs};
    struct tf2_model *model = NULL;
    (void)state;
    assert_int_equal(tf2_model_import(digits(), NULL, NULL, &model, NULL), TF2_OK);
    assert_int_equal(tf2_model_save(model, at_work("wrong.tf2"), &options, NULL), TF2_OK);
    tf2_model_destroy(&model);
    FAILS(
        "TF2_RUN", "tf2-run", 1, "wrong.tf2 on cl:0: self-test: output 'prob'", "--self-test",
        at_work("wrong.tf2"), "--devices", "1");
    assert_int_equal(
        run("TF2_RUN", "--self-test", at_work("wrong.tf2"), "--devices", "host,1", "--json", "-", NULL), 1);
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_array_size(list(root, "self_test")), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *device = json_array_get(list(root, "self_test"), i);
        assert_true(json_is_false(json_object_get(device, "ok")));
        assert_non_null(strstr(string(device, "message"), "'prob'"));
    }
    json_decref(root);
}

/* Standard error is a terminal: what it got. */
static void run_on_terminal(char *const *argv, char *text, size_t size)
{
    posix_spawn_file_actions_t actions;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        print_message("no pseudo-terminals here\n");
        skip();
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, ptsname(terminal), O_WRONLY | O_NOCTTY, 0);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    /* Ends with an error when the program has closed its side. */
    while (n < size - 1 && (got = read(terminal, text + n, size - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(terminal);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_progress(void **state)
{
    static char text[1 << 16];
    const char *const argv[] = {getenv("TF2_CONVERT"), digits(),      "-o",
                                at_work("p.tf2"),      "--precision", "int8",
                                "--calibrate",         samples(),     NULL};
    (void)state;
    run_on_terminal((char *const *)(uintptr_t)argv, text, sizeof(text));
    assert_non_null(strstr(text, " of 12"));
    assert_non_null(strstr(text, "\rrunning the example\033[K"));
    /* It is cleared in the end, and was one line all the time. */
    assert_string_equal(text + strlen(text) - 4, "\r\033[K");
    assert_null(strchr(text, '\n'));
}

/* A network whose input is [N, H, W, C], from TensorFlow: images go in, also for calibration; the .tf2 file knows. */
static void test_channels_last(void **state)
{
    const char *graph = source("tests/fuzz/corpus/tf/image.pb"), *model = at_work("last.tf2");
    const char *image = source("models/digits/samples/sample_00_label_6.png");
    (void)state;
    WORKS("TF2_INFO", graph);
    assert_non_null(strstr(out_text, "1x8x8x3"));
    WORKS("TF2_RUN", graph, image, "--mean", "100,110,120", "--scale", "0.01", "--npy-out", at_work("graph"));
    WORKS(
        "TF2_CONVERT", graph, "-o", model, "--mean", "100,110,120", "--scale", "0.01", "--calibrate", samples());
    WORKS("TF2_RUN", "--self-test", model, "--devices", "cl:0,host");
    WORKS("TF2_RUN", model, image, "--npy-out", at_work("float"));
    compare_arrays(
        at_work("graph/sample_00_label_6.y.npy"), at_work("float/sample_00_label_6.y.npy"), 1e-6f);
    /* The example's picture takes a byte a number: 192 and a little, not 768. */
    const size_t with_example = file_size(model);
    WORKS("TF2_CONVERT", graph, "-o", model, "--mean", "100,110,120", "--scale", "0.01", "--no-example");
    assert_true(with_example < file_size(model) + 300);
    WORKS(
        "TF2_CONVERT", graph, "-o", model, "--precision", "int8", "--mean", "100,110,120", "--scale", "0.01",
        "--calibrate", samples());
    WORKS("TF2_RUN", "--self-test", model, "--devices", "cl:0,host");
    WORKS("TF2_CONVERT", graph, "-o", model, "--precision", "int8", "--calibrate", "random:4");
    FAILS(
        "TF2_RUN", "tf2-run", 1, "shape 360x1x8x8 does not fit input x, wanted Nx8x8x3", graph,
        source("models/digits/heldout_images.npy"));
}

static void test_squeezenet(void **state)
{
    const char *definition = shared("models/squeezenet_v1.1/deploy.prototxt");
    const char *weights = shared("models/squeezenet_v1.1/squeezenet_v1.1.caffemodel");
    const char *photos = shared("images/calibration_227"), *model = at_work("squeezenet.tf2");
    (void)state;
    if (!definition || !weights || !photos) {
        print_message("no SqueezeNet in ../shared\n");
        skip();
    }
    WORKS(
        "TF2_CONVERT", definition, weights, "-o", model, "--precision", "int8", "--calibrate", photos,
        "--mean", "104,117,123", "--channels", "bgr", "--max-samples", "8");
    if (file_size(model) > 1363148) /* 1.3 MiB */
        fail_msg("squeezenet.tf2 has %zu bytes", file_size(model));
    WORKS("TF2_RUN", "--self-test", model);
    WORKS("TF2_RUN", model, shared("images/evaluation_227/espresso.ppm"), "--top", "1");
    assert_non_null(strstr(out_text, "  967\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_useless_options),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_float_round_trip),
        cmocka_unit_test(test_preprocess_and_labels),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_int8_of_tf2),
        cmocka_unit_test(test_max_samples),
        cmocka_unit_test(test_random_samples),
        cmocka_unit_test(test_onnx_out),
        cmocka_unit_test(test_tf2_in_other_programs),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_failing_self_test),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_channels_last),
        cmocka_unit_test(test_squeezenet),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
