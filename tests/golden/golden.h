/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.h: whole networks through the public API only, compared with the outputs of other runtimes.
 *
 *     struct golden_net net;
 *     golden_import(&net, golden_shared("models/x/x.onnx"), NULL, NULL);
 *     golden_prepare(&net, "cl:0", NULL);
 *     golden_run(&net, input);
 *     golden_compare("x, cl:0", golden_output(&net, "prob", SHAPE(1, 10)), wanted, 10, 1e-4);
 *     golden_finish(&net);
 *
 * A call that fails makes the test fail. Data comes from TF2_SHARED (default: ../shared beside the source
 * root); tests that need it begin with golden_need_shared(), which skips them with a line when the folder is
 * absent.
 */
#ifndef TF2_TEST_GOLDEN_H
#define TF2_TEST_GOLDEN_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <tf2/tf2.h>

#define GOLDEN_MAX_OUTPUTS 4

/* A shape as an argument: SHAPE(1, 3, 8, 8). */
#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

/* Paths in the source tree and in the data folder; the last eight of each stay valid. */
const char *golden_source(const char *name);
const char *golden_shared(const char *name);
/* The same, the name made from a format. */
const char *golden_sharedf(const char *format, ...) TF2_PRINTF(1, 2);
/* Skips the test when the data folder is absent. */
void golden_need_shared(void);
/* The exit status for a number of failed tests: 77, which meson shows as skipped, when no test had the data.
 */
int golden_status(int n_failed);

/* A network with one input (float32, or pixels), and its outputs of the last run. */
struct golden_net {
    struct tf2_model *model;
    struct tf2_devices *devices;
    struct tf2_session *session;
    struct tf2_model_info info;
    struct tf2_tensor_info input; /* as the session has it */
    size_t n_input;               /* elements of it */
    struct tf2_tensor_info output_info[GOLDEN_MAX_OUTPUTS];
    float *output[GOLDEN_MAX_OUTPUTS]; /* owned */
};

/* weights and options may be NULL. */
void golden_import(
    struct golden_net *net, const char *path, const char *weights, const struct tf2_import_options *options);
/* Opens a device and makes a session on it, in place of the one before. options NULL: defaults. */
void golden_prepare(struct golden_net *net, const char *device, const struct tf2_session_options *options);
/* The same with defaults but for the batch. */
void golden_prepare_batch(struct golden_net *net, const char *device, int64_t batch);
void golden_run(struct golden_net *net, const void *input);
/* An output of the last run by name (NULL: the only one), which must have this shape. */
const float *golden_output(const struct golden_net *net, const char *name, struct tf2_shape shape);
/*
 * Runs n items (a multiple of the session's batch) and gathers the only output, which must have `per_item`
 * elements for each.
 */
void golden_run_all(struct golden_net *net, const float *items, int64_t n, int64_t per_item, float *results);
void golden_finish(struct golden_net *net);

/* A .npy file, which must have this type and shape; release with tf2_array_finish. */
struct tf2_array golden_npy(const char *path, enum tf2_dtype dtype, struct tf2_shape shape);
json_t *golden_json(const char *path);
/* n floats; free() them. */
float *golden_floats(size_t n);
/* n numbers in [-1, 1) that depend on n only. */
float *golden_random(size_t n);

/*
 * Pixels, interleaved RGB, to float32 [3, height, width] by ImageNet's rule: (v / 255 - mean) / deviation for
 * each channel.
 */
void golden_imagenet(const uint8_t *pixels, int32_t height, int32_t width, float *values);
/* Swaps the last two axes of n_maps maps of rows x columns. */
void golden_swap(const float *maps, size_t n_maps, size_t rows, size_t columns, float *swapped);

/* Every difference must be at most `tolerance`; NaN is refused. Prints the largest. */
void golden_compare(const char *what, const float *found, const float *wanted, size_t n, double tolerance);
/* Sum of squared differences over the sum of squares of `wanted`; infinite when a number found is not finite.
 */
double golden_nmse(const float *found, const float *wanted, size_t n);
/* The index of the largest of n. */
size_t golden_argmax(const float *values, size_t n);

#endif
