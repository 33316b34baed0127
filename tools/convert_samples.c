/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_samples.c: calibration data: files through the jobs and sources of tf2-run, or seeded numbers.
 *
 * The quantizer reads a sample several times. Prepared samples are kept up to KEEP_BYTES; beyond that files
 * are read again, and since it goes through the samples in order, the one file that stays open is the right
 * one.
 */
#include "convert.h"

#include <stdio.h>
#include <string.h>

#define KEEP_BYTES          ((size_t)256 << 20)
#define DEFAULT_MAX_SAMPLES 256

/* Items in each file: an image is one, and is not read for that. */
static int count_items(struct convert_samples *s)
{
    const struct run_task *task = s->task;
    s->first_item = cli_alloc(s->jobs.n_jobs + 1, sizeof(*s->first_item));
    for (size_t j = 0; j < s->jobs.n_jobs; j++) {
        struct run_job *job = &s->jobs.jobs[j];
        struct tf2_error error;
        size_t n_items = 1;
        cli_progress("looking at file %zu of %zu", j + 1, s->jobs.n_jobs);
        if (run_is_npy(job->files[0])) {
            bool good = run_job_load(s->sources, task, job, &error);
            n_items = s->sources[0].n_items;
            run_job_unload(s->sources, task);
            if (!good)
                return cli_fail("%s", error.message);
        }
        s->first_item[j + 1] = s->first_item[j] + n_items;
    }
    cli_progress_clear();
    return 0;
}

static int open_files(struct convert_samples *s, const struct convert_options *o)
{
    size_t batch = (size_t)s->task->batch;
    int result = run_jobs_make(&s->jobs, s->task, o->calibrate, o->n_calibrate);
    if (result == 0)
        result = count_items(s);
    if (result != 0)
        return result;
    size_t n_items = s->first_item[s->jobs.n_jobs];
    s->n_available = n_items / batch;
    if (s->n_available == 0)
        return cli_fail(
            "%zu item%s to calibrate with, the model takes %zu at once", n_items, n_items == 1 ? "" : "s",
            batch);
    return 0;
}

int convert_samples_open(
    struct convert_samples *samples, const struct run_task *task, const struct convert_options *options)
{
    samples->task = task;
    samples->open_job = SIZE_MAX;
    samples->random = options->n_calibrate == 0;
    if (samples->random) {
        samples->n_samples = samples->n_available = options->n_random ? (size_t)options->n_random : 1;
        return 0;
    }
    int result = open_files(samples, options);
    size_t limit = options->max_samples ? (size_t)options->max_samples : DEFAULT_MAX_SAMPLES;
    samples->n_samples = samples->n_available < limit ? samples->n_available : limit;
    samples->kept = cli_alloc(samples->n_samples, sizeof(*samples->kept));
    return result;
}

void convert_samples_finish(struct convert_samples *samples)
{
    for (size_t i = 0; samples->kept && i < samples->n_samples; i++)
        free(samples->kept[i]);
    if (samples->task)
        run_job_unload(samples->sources, samples->task);
    free(samples->kept);
    free(samples->first_item);
    run_jobs_finish(&samples->jobs);
    memset(samples, 0, sizeof(*samples));
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Pixels where an image could be, preprocessed; -1 to 1 elsewhere. */
static void fill_random(const struct run_task *task, size_t input, uint64_t seed, float *values)
{
    const struct tf2_tensor_info *info = &task->inputs[input];
    const struct tf2_preprocess *p = &task->info.preprocess;
    struct tf2_image size;
    bool pixels = tf2_image_extents(info, &size);
    float scale = p->scale == 0 ? 1 : p->scale;
    size_t n = (size_t)tf2_shape_count(&info->shape), n_neighbours = 1; /* of one channel */
    if (pixels && info->layout == TF2_LAYOUT_NCHW)
        n_neighbours = (size_t)size.width * (size_t)size.height;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = next_random(&seed) >> 40;
        if (pixels)
            values[i] = ((float)(bits >> 16) - p->mean[i / n_neighbours % (size_t)size.channels]) * scale;
        else
            values[i] = (float)bits / (float)(1 << 23) - 1;
    }
}

/* Opens the file that has this item, unless it is open; the item's number within it. */
static bool open_item(struct convert_samples *s, size_t item, size_t *within, struct tf2_error *error)
{
    size_t low = 0, high = s->jobs.n_jobs - 1;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (s->first_item[middle] <= item)
            low = middle;
        else
            high = middle - 1;
    }
    *within = item - s->first_item[low];
    if (s->open_job == low)
        return true;
    run_job_unload(s->sources, s->task);
    s->open_job = SIZE_MAX;
    if (!run_job_load(s->sources, s->task, &s->jobs.jobs[low], error))
        return false;
    if (*within >= s->sources[0].n_items) {
        error->status = TF2_ERR_IO;
        snprintf(
            error->message, sizeof(error->message), "%.900s has changed while it was used",
            s->jobs.jobs[low].files[0]);
        return false;
    }
    s->open_job = low;
    return true;
}

static bool
read_files(struct convert_samples *s, size_t sample, float *const *inputs, struct tf2_error *error)
{
    size_t batch = (size_t)s->task->batch;
    size_t first = sample * s->n_available / s->n_samples * batch;
    for (size_t k = 0; k < batch; k++) {
        size_t item = 0;
        if (!open_item(s, first + k, &item, error))
            return false;
        for (size_t i = 0; i < s->task->info.n_inputs; i++)
            run_source_write(&s->sources[i], s->task, i, item, inputs[i] + k * run_item_size(s->task, i));
    }
    return true;
}

static size_t input_size(const struct run_task *task, size_t input)
{
    return (size_t)tf2_shape_count(&task->inputs[input].shape);
}

static void keep(struct convert_samples *s, size_t sample, float *const *inputs)
{
    size_t n_values = 0;
    for (size_t i = 0; i < s->task->info.n_inputs; i++)
        n_values += input_size(s->task, i);
    if (n_values > (KEEP_BYTES - s->kept_bytes) / sizeof(float))
        return;
    float *at = s->kept[sample] = cli_alloc(n_values, sizeof(float));
    s->kept_bytes += n_values * sizeof(float);
    for (size_t i = 0; i < s->task->info.n_inputs; i++) {
        memcpy(at, inputs[i], input_size(s->task, i) * sizeof(float));
        at += input_size(s->task, i);
    }
}

enum tf2_status convert_samples_read(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    struct convert_samples *s = user;
    const float *at = s->random ? NULL : s->kept[sample];
    if (!s->random && !at) {
        if (!read_files(s, sample, inputs, error))
            return error->status;
        keep(s, sample, inputs);
        return TF2_OK;
    }
    for (size_t i = 0; i < s->task->info.n_inputs; i++) {
        if (at)
            memcpy(inputs[i], at, input_size(s->task, i) * sizeof(float));
        else
            fill_random(s->task, i, (uint64_t)sample * RUN_MAX_INPUTS + i + 1, inputs[i]);
        at = at ? at + input_size(s->task, i) : NULL;
    }
    return TF2_OK;
}
