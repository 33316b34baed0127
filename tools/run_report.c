/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_report.c: results as text, as JSON and as .npy files.
 */
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run_summary {
    float minimum;
    float maximum;
    double mean;
    size_t n_not_finite; /* left out of the others */
};

static struct run_summary summarize(const float *values, size_t n)
{
    struct run_summary s = {INFINITY, -INFINITY, 0, 0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            s.n_not_finite++;
            continue;
        }
        s.minimum = fminf(s.minimum, values[i]);
        s.maximum = fmaxf(s.maximum, values[i]);
        s.mean += values[i];
    }
    if (s.n_not_finite == n)
        s.minimum = s.maximum = NAN;
    s.mean /= (double)(n - s.n_not_finite);
    return s;
}

/* Indices of the n_top largest, best first, lower index first among equals; NaN is never among them before
 * numbers. */
static size_t find_top(const float *values, size_t n, size_t n_top, size_t *top)
{
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = n_found;
        while (at > 0 &&
               (values[i] > values[top[at - 1]] || (isnan(values[top[at - 1]]) && !isnan(values[i]))))
            at--;
        if (at >= n_top)
            continue;
        n_found += n_found < n_top;
        memmove(top + at + 1, top + at, (n_found - 1 - at) * sizeof(*top));
        top[at] = i;
    }
    return n_found;
}

static const char *label_of(const struct run_task *task, size_t index)
{
    return index < task->labels.n_labels ? task->labels.labels[index] : "";
}

static void print_top(const struct run_task *task, const float *values, const size_t *top, size_t n_top)
{
    for (size_t i = 0; i < n_top; i++) {
        float score = values[top[i]];
        printf(fabsf(score) < 1000 ? "  %3zu  %9.5f  %5zu" : "  %3zu  %9.4g  %5zu", i + 1, score, top[i]);
        printf(task->labels.n_labels ? "  %s\n" : "%s\n", label_of(task, top[i]));
    }
}

static json_t *top_json(const struct run_task *task, const float *values, const size_t *top, size_t n_top)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n_top; i++) {
        json_t *entry = json_object();
        json_t *label = task->labels.n_labels ? json_string(label_of(task, top[i])) : NULL;
        json_object_set_new(entry, "index", json_integer((json_int_t)top[i]));
        json_object_set_new(entry, "label", label ? label : json_null());
        json_object_set_new(entry, "score", cli_real_json(values[top[i]]));
        json_array_append_new(array, entry);
    }
    return array;
}

static void print_summary(const char *name, const struct tf2_shape *item, const struct run_summary *s)
{
    char shape[128];
    printf(
        "  %-24s %-16s min %-12.6g max %-12.6g mean %.6g", name, tf2_shape_format(item, shape, sizeof(shape)),
        s->minimum, s->maximum, s->mean);
    if (s->n_not_finite)
        printf("  (%zu not finite)", s->n_not_finite);
    putchar('\n');
}

/* One output of one item; the JSON object, or NULL when none is wanted. */
static json_t *report_output(
    const struct run_report *report, size_t output, const struct tf2_shape *item, const float *values)
{
    const struct run_task *task = report->task;
    const char *name = task->outputs[output].name;
    size_t n = (size_t)tf2_shape_count(item);
    struct run_summary summary = summarize(values, n);
    size_t n_wanted = (size_t)task->options->n_top < n ? (size_t)task->options->n_top : n;
    size_t *top =
        cli_alloc(n_wanted + 1, sizeof(*top)); /* one more: find_top moves before it drops the last */
    size_t n_top = task->is_class[output] ? find_top(values, n, n_wanted, top) : 0;
    json_t *object = NULL;
    if (report->text && task->is_class[output] && summary.n_not_finite == 0) {
        if (task->info.n_outputs > 1)
            printf("  %s\n", name);
        print_top(task, values, top, n_top);
    } else if (report->text) {
        print_summary(name, item, &summary);
    }
    if (report->results) {
        object = json_object();
        json_object_set_new(object, "name", json_string(name));
        json_object_set_new(object, "shape", cli_shape_json(item));
        json_object_set_new(object, "min", cli_real_json(summary.minimum));
        json_object_set_new(object, "max", cli_real_json(summary.maximum));
        json_object_set_new(object, "mean", cli_real_json(summary.mean));
        json_object_set_new(object, "not_finite", json_integer((json_int_t)summary.n_not_finite));
        if (task->is_class[output])
            json_object_set_new(object, "top", top_json(task, values, top, n_top));
    }
    free(top);
    return object;
}

/* "photo.jpg", or "photos.npy[3]" for one of several. */
static void item_name(const struct run_result *result, size_t item, char *text, size_t size_bytes)
{
    if (result->n_items == 1)
        snprintf(text, size_bytes, "%s", result->job->files[0]);
    else
        snprintf(text, size_bytes, "%s[%zu]", result->job->files[0], item);
}

static void report_item(struct run_report *report, const struct run_result *result, size_t item)
{
    const struct run_task *task = report->task;
    char name[4200];
    json_t *outputs = report->results ? json_array() : NULL;
    item_name(result, item, name, sizeof(name));
    if (report->text)
        printf("%s\n", name);
    for (size_t o = 0; o < task->info.n_outputs; o++) {
        struct tf2_shape shape = run_item_shape(task, o);
        const float *values = result->outputs[o] + item * (size_t)tf2_shape_count(&shape);
        json_t *object = report_output(report, o, &shape, values);
        if (object)
            json_array_append_new(outputs, object);
    }
    if (outputs)
        json_array_append_new(
            report->results, json_pack("{s:o, s:o}", "input", cli_text_json(name), "outputs", outputs));
}

/* All items along the batch axis. */
static bool save_output(
    const struct run_task *task, const struct run_result *result, size_t output, struct tf2_error *error)
{
    struct tf2_shape shape = run_item_shape(task, output);
    char *name = run_safe_name(task->outputs[output].name);
    size_t size = strlen(task->options->npy_dir) + strlen(result->job->stem) + strlen(name) + 16;
    char *path = cli_alloc(size, 1);
    if (shape.n_dims == 0 && result->n_items > 1)
        shape = (struct tf2_shape){1, {1}};
    shape.dim[0] *= (int64_t)result->n_items;
    snprintf(path, size, "%s/%s.%s.npy", task->options->npy_dir, result->job->stem, name);
    enum tf2_status status = tf2_npy_save(path, TF2_DTYPE_F32, &shape, result->outputs[output], error);
    free(name);
    free(path);
    return status == TF2_OK;
}

bool run_report_job(struct run_report *report, const struct run_result *result, struct tf2_error *error)
{
    const struct run_task *task = report->task;
    for (size_t item = 0; item < result->n_items; item++)
        report_item(report, result, item);
    for (size_t o = 0; task->options->npy_dir && o < task->info.n_outputs; o++) {
        if (!save_output(task, result, o, error))
            return false;
    }
    report->n_done++;
    return true;
}
