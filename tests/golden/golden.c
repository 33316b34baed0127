/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.c: see golden.h. Everything here goes through the installed headers; nothing internal is linked.
 */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 1024
#define N_PATHS    8

static const char *joined(const char *folder, const char *name)
{
    static char paths[N_PATHS][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % N_PATHS];
    if ((size_t)snprintf(path, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)
        fail_msg("path too long: %s/%s", folder, name);
    return path;
}

const char *golden_source(const char *name)
{
    const char *root = getenv("TF2_SOURCE_ROOT");
    return joined(root ? root : ".", name);
}

const char *golden_shared(const char *name)
{
    const char *root = getenv("TF2_SHARED");
    return joined(root ? root : golden_source("../shared"), name);
}

const char *golden_sharedf(const char *format, ...)
{
    char name[PATH_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    return golden_shared(name);
}

static int n_with_data, n_without_data;

void golden_need_shared(void)
{
    struct stat info;
    const char *path = golden_shared("reference");
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        n_with_data++;
        return;
    }
    n_without_data++;
    print_message("skipped: no test data in %s; TF2_SHARED can name another folder\n", path);
    skip();
}

int golden_status(int n_failed)
{
    return n_failed == 0 && n_without_data && !n_with_data ? 77 : n_failed;
}

void golden_import(
    struct golden_net *net, const char *path, const char *weights, const struct tf2_import_options *options)
{
    struct tf2_error error;
    *net = (struct golden_net){0};
    if (tf2_model_import(path, weights, options, &net->model, &error) != TF2_OK)
        fail_msg("%s: %s", tf2_status_name(error.status), error.message);
    tf2_model_info(net->model, &net->info);
    assert_int_equal(net->info.n_inputs, 1);
    assert_in_range(net->info.n_outputs, 1, GOLDEN_MAX_OUTPUTS);
}

static void drop_session(struct golden_net *net)
{
    tf2_session_destroy(&net->session);
    tf2_devices_close(&net->devices);
    for (size_t i = 0; i < GOLDEN_MAX_OUTPUTS; i++) {
        free(net->output[i]);
        net->output[i] = NULL;
    }
}

void golden_prepare(struct golden_net *net, const char *device, const struct tf2_session_options *options)
{
    struct tf2_error error;
    drop_session(net);
    if (tf2_devices_open(device, NULL, &net->devices, &error) != TF2_OK ||
        tf2_session_create(net->model, net->devices, 0, options, &net->session, &error) != TF2_OK)
        fail_msg("%s on %s: %s: %s", net->info.name, device, tf2_status_name(error.status), error.message);
    assert_int_equal(tf2_session_input(net->session, 0, &net->input), TF2_OK);
    assert_int_equal(net->input.dtype, options && options->pixels ? TF2_DTYPE_U8 : TF2_DTYPE_F32);
    net->n_input = (size_t)tf2_shape_count(&net->input.shape);
    for (size_t i = 0; i < net->info.n_outputs; i++) {
        assert_int_equal(tf2_session_output(net->session, i, &net->output_info[i]), TF2_OK);
        assert_int_equal(net->output_info[i].dtype, TF2_DTYPE_F32);
        net->output[i] = golden_floats((size_t)tf2_shape_count(&net->output_info[i].shape));
    }
}

void golden_prepare_batch(struct golden_net *net, const char *device, int64_t batch)
{
    struct tf2_session_options options;
    tf2_session_options_defaults(&options);
    options.batch = batch;
    golden_prepare(net, device, &options);
    assert_int_equal(net->input.shape.dim[0], batch);
}

void golden_run(struct golden_net *net, const void *input)
{
    const void *inputs[1] = {input};
    void *outputs[GOLDEN_MAX_OUTPUTS];
    struct tf2_error error;
    for (size_t i = 0; i < net->info.n_outputs; i++) {
        outputs[i] = net->output[i];
        /* NaN bytes: an element that is not written cannot go unseen. */
        memset(outputs[i], 0xff, (size_t)tf2_shape_count(&net->output_info[i].shape) * sizeof(float));
    }
    if (tf2_session_run(net->session, inputs, outputs, &error) != TF2_OK)
        fail_msg("%s: %s: %s", net->info.name, tf2_status_name(error.status), error.message);
}

const float *golden_output(const struct golden_net *net, const char *name, struct tf2_shape shape)
{
    char found[128], wanted[128];
    for (size_t i = 0; i < net->info.n_outputs; i++) {
        const struct tf2_tensor_info *info = &net->output_info[i];
        if (name ? strcmp(info->name, name) != 0 : net->info.n_outputs != 1)
            continue;
        if (!tf2_shape_equal(&info->shape, &shape))
            fail_msg(
                "%s: output %s is %s, wanted %s", net->info.name, info->name,
                tf2_shape_format(&info->shape, found, sizeof(found)),
                tf2_shape_format(&shape, wanted, sizeof(wanted)));
        return net->output[i];
    }
    fail_msg(
        "%s has no output %s among its %zu", net->info.name, name ? name : "(the only)", net->info.n_outputs);
    return NULL;
}

void golden_run_all(struct golden_net *net, const float *items, int64_t n, int64_t per_item, float *results)
{
    const int64_t batch = net->input.shape.dim[0];
    assert_int_equal(net->info.n_outputs, 1);
    assert_int_equal(n % batch, 0);
    assert_int_equal(tf2_shape_count(&net->output_info[0].shape), batch * per_item);
    for (int64_t at = 0; at < n; at += batch) {
        golden_run(net, items + (size_t)(at / batch) * net->n_input);
        memcpy(results + at * per_item, net->output[0], (size_t)(batch * per_item) * sizeof(float));
    }
}

void golden_finish(struct golden_net *net)
{
    drop_session(net);
    tf2_model_destroy(&net->model);
}

struct tf2_array golden_npy(const char *path, enum tf2_dtype dtype, struct tf2_shape shape)
{
    struct tf2_array array;
    struct tf2_error error;
    char found[128], wanted[128];
    if (tf2_npy_load(path, NULL, &array, &error) != TF2_OK)
        fail_msg("%s: %s", tf2_status_name(error.status), error.message);
    if (array.dtype != dtype || !tf2_shape_equal(&array.shape, &shape))
        fail_msg(
            "%s is %s %s, wanted %s %s", path, tf2_dtype_name(array.dtype),
            tf2_shape_format(&array.shape, found, sizeof(found)), tf2_dtype_name(dtype),
            tf2_shape_format(&shape, wanted, sizeof(wanted)));
    return array;
}

json_t *golden_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

float *golden_floats(size_t n)
{
    float *values = calloc(n, sizeof(float));
    assert_non_null(values);
    return values;
}

float *golden_random(size_t n)
{
    float *values = golden_floats(n);
    uint64_t state = 0x9e3779b97f4a7c15u ^ n;
    for (size_t i = 0; i < n; i++) {
        /* xorshift64 (Marsaglia 2003); the high bits are the good ones. */
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[i] = (float)(state >> 40) / (float)(1 << 23) - 1.0f;
    }
    return values;
}

void golden_imagenet(const uint8_t *pixels, int32_t height, int32_t width, float *values)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    const size_t n = (size_t)height * (size_t)width;
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++)
            values[c * n + i] = ((float)pixels[3 * i + c] / 255.0f - mean[c]) / deviation[c];
    }
}

void golden_swap(const float *maps, size_t n_maps, size_t rows, size_t columns, float *swapped)
{
    for (size_t m = 0; m < n_maps; m++) {
        const float *from = maps + m * rows * columns;
        float *to = swapped + m * rows * columns;
        for (size_t y = 0; y < rows; y++) {
            for (size_t x = 0; x < columns; x++)
                to[x * rows + y] = from[y * columns + x];
        }
    }
}

void golden_compare(const char *what, const float *found, const float *wanted, size_t n, double tolerance)
{
    double largest = 0;
    size_t where = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)found[i] - (double)wanted[i]);
        if (!(difference <= largest)) { /* NaN too */
            largest = difference;
            where = i;
        }
        if (isnan(difference))
            break;
    }
    if (!(largest <= tolerance))
        fail_msg(
            "%s: element %zu of %zu is %.9g, wanted %.9g: they differ by %.3g, allowed %.3g", what, where, n,
            (double)found[where], (double)wanted[where], largest, tolerance);
    print_message("  %s: largest difference %.2e, allowed %.0e\n", what, largest, tolerance);
}

double golden_nmse(const float *found, const float *wanted, size_t n)
{
    double errors = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)found[i] - (double)wanted[i];
        if (!isfinite(found[i]) || !isfinite(wanted[i]))
            return (double)INFINITY;
        errors += difference * difference;
        squares += (double)wanted[i] * (double)wanted[i];
    }
    if (squares == 0)
        return errors == 0 ? 0 : (double)INFINITY;
    return errors / squares;
}

size_t golden_argmax(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (values[i] > values[best])
            best = i;
    }
    return best;
}
