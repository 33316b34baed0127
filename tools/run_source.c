/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_source.c: a file as input of the model: an image, or a .npy with one or more items.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool fail(struct tf2_error *error, const char *format, ...) TF2_PRINTF(2, 3);

static bool fail(struct tf2_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->status = TF2_ERR_SHAPE;
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return false;
}

bool run_is_npy(const char *path)
{
    return cli_begins_with(path, "\x93NUMPY", 6) || cli_has_extension(path, ".npy");
}

/* Items in an array for an input of this shape: [N, rest...] is N, [rest...] one; 0 when it does not fit. */
static size_t count_items(const struct tf2_shape *array, const struct tf2_shape *input, bool whole)
{
    if (whole)
        return tf2_shape_equal(array, input) ? 1 : 0;
    uint32_t rest = input->n_dims - 1;
    if (array->n_dims + 1 != input->n_dims && array->n_dims != input->n_dims)
        return 0;
    if (memcmp(array->dim + (array->n_dims - rest), input->dim + 1, rest * sizeof(input->dim[0])) != 0)
        return 0;
    return array->n_dims == rest ? 1 : (size_t)array->dim[0];
}

/* "Nx3x227x227" */
static const char *wanted_shape(const struct tf2_shape *input, bool whole, char text[128])
{
    struct tf2_shape rest;
    char rest_text[120];
    if (whole)
        return tf2_shape_format(input, text, 128);
    rest.n_dims = input->n_dims - 1;
    memcpy(rest.dim, input->dim + 1, rest.n_dims * sizeof(rest.dim[0]));
    tf2_shape_format(&rest, rest_text, sizeof(rest_text));
    snprintf(text, 128, "Nx%s", rest_text);
    return text;
}

static size_t n_channels(const struct tf2_tensor_info *input)
{
    const struct tf2_shape *shape = &input->shape;
    return shape->n_dims >= 2 ? (size_t)shape->dim[run_channel_dim(input)] : 1;
}

/* Means for three colours say nothing about other numbers of channels. Those kept with a model (n_means 0)
 * are right. */
static bool mean_fits(const struct run_task *task, size_t channels)
{
    const float *mean = task->info.preprocess.mean;
    size_t n_means = task->options->model.n_means;
    if (n_means == 0 && channels <= 4)
        return true;
    if (mean[0] == mean[1] && mean[1] == mean[2] && mean[2] == mean[3])
        return true;
    return channels == n_means;
}

bool run_task_mean_fits(const struct run_task *task)
{
    for (size_t i = 0; i < task->info.n_inputs; i++) {
        if (mean_fits(task, n_channels(&task->inputs[i])))
            return true;
    }
    return task->options->model.n_means == 0;
}

static bool load_npy(
    struct run_source *source, const struct run_task *task, size_t input, const char *path,
    struct tf2_error *error)
{
    const struct tf2_tensor_info *info = &task->inputs[input];
    bool whole = task->whole;
    char found[128], wanted[128];
    if (tf2_npy_load(path, NULL, &source->array, error) != TF2_OK)
        return false;
    const struct tf2_array *array = &source->array;
    if (array->dtype != TF2_DTYPE_F32 && array->dtype != TF2_DTYPE_U8)
        return fail(
            error, "%s: .npy of %s, wanted float32, or uint8 for pixels", path, tf2_dtype_name(array->dtype));
    source->n_items = count_items(&array->shape, &info->shape, whole);
    if (source->n_items == 0)
        return fail(
            error, "%s: shape %s does not fit input %s, wanted %s", path,
            tf2_shape_format(&array->shape, found, sizeof(found)), info->name,
            wanted_shape(&info->shape, whole, wanted));
    if (array->dtype == TF2_DTYPE_U8 && !mean_fits(task, n_channels(info)))
        return fail(
            error, "%s: --mean has numbers for %zu channels, input %s has %zu", path,
            task->options->model.n_means, info->name, n_channels(info));
    return true;
}

static bool load_image(
    struct run_source *source, const struct run_task *task, size_t input, const char *path,
    struct tf2_error *error)
{
    const struct tf2_tensor_info *info = &task->inputs[input];
    const struct tf2_shape *shape = &info->shape;
    struct tf2_image wanted, image, resized;
    char text[128];
    if (!tf2_image_extents(info, &wanted) || (task->whole && shape->dim[0] != 1))
        return fail(
            error, "%s: an image cannot be input %s of shape %s, wanted %s, or a .npy", path, info->name,
            tf2_shape_format(shape, text, sizeof(text)),
            info->layout == TF2_LAYOUT_NHWC ? "NxHxWx3 or NxHxWx1" : "Nx3xHxW or Nx1xHxW");
    if (!mean_fits(task, (size_t)wanted.channels))
        return fail(
            error, "%s: --mean has numbers for %zu channels, input %s has %d", path,
            task->options->model.n_means, info->name, (int)wanted.channels);
    if (tf2_image_load(path, wanted.channels, NULL, &image, error) != TF2_OK)
        return false;
    enum tf2_status status =
        tf2_image_resize(&image, wanted.width, wanted.height, task->options->fit, &resized, error);
    tf2_image_finish(&image);
    if (status != TF2_OK)
        return false;
    source->tensor =
        cli_alloc((size_t)wanted.channels * (size_t)wanted.height * (size_t)wanted.width, sizeof(float));
    status = tf2_image_to_input(&resized, &task->info.preprocess, info, source->tensor, error);
    source->n_items = 1;
    tf2_image_finish(&resized);
    return status == TF2_OK;
}

bool run_source_load(
    struct run_source *source, const struct run_task *task, size_t input, const char *path,
    struct tf2_error *error)
{
    memset(source, 0, sizeof(*source));
    return run_is_npy(path) ? load_npy(source, task, input, path, error)
                            : load_image(source, task, input, path, error);
}

size_t run_channel_dim(const struct tf2_tensor_info *input)
{
    return input->layout == TF2_LAYOUT_NHWC ? input->shape.n_dims - 1 : 1;
}

/* Pixels of an array, in the order of the input; channels too. */
static void preprocess_item(
    const uint8_t *pixels, size_t n_values, const struct tf2_tensor_info *input,
    const struct tf2_preprocess *preprocess, float *values)
{
    float scale = preprocess->scale == 0 ? 1 : preprocess->scale;
    size_t channels = n_channels(input);
    size_t n_inner = input->layout == TF2_LAYOUT_NHWC ? 1 : n_values / channels;
    for (size_t first = 0; first < n_values; first += n_inner) {
        size_t c = first / n_inner % channels;
        float mean = preprocess->mean[c < 4 ? c : 0];
        for (size_t i = first; i < first + n_inner; i++)
            values[i] = (pixels[i] - mean) * scale;
    }
}

void run_source_write(
    const struct run_source *source, const struct run_task *task, size_t input, size_t item, float *values)
{
    size_t n = run_item_size(task, input);
    if (source->tensor)
        memcpy(values, source->tensor + item * n, n * sizeof(float));
    else if (source->array.dtype == TF2_DTYPE_F32)
        memcpy(values, (const float *)source->array.data + item * n, n * sizeof(float));
    else
        preprocess_item(
            (const uint8_t *)source->array.data + item * n, n, &task->inputs[input],
            &task->info.preprocess, values);
}

void run_source_finish(struct run_source *source)
{
    tf2_array_finish(&source->array);
    free(source->tensor);
    memset(source, 0, sizeof(*source));
}

bool run_job_load(
    struct run_source sources[RUN_MAX_INPUTS], const struct run_task *task, const struct run_job *job,
    struct tf2_error *error)
{
    for (size_t i = 0; i < task->info.n_inputs; i++) {
        if (!run_source_load(&sources[i], task, i, job->files[i], error))
            return false;
        if (sources[i].n_items != sources[0].n_items)
            return fail(
                error, "%.900s has %zu items, %.900s has %zu", job->files[0], sources[0].n_items,
                job->files[i], sources[i].n_items);
    }
    return true;
}

void run_job_unload(struct run_source sources[RUN_MAX_INPUTS], const struct run_task *task)
{
    for (size_t i = 0; i < task->info.n_inputs; i++)
        run_source_finish(&sources[i]);
}
