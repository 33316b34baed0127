/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_write.c: the new file: facts, labels, an example for the self-test.
 */
#define _POSIX_C_SOURCE 200809L
#include "convert.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define EXAMPLE_CELLS     28
#define EXAMPLE_MAX_BYTES ((size_t)32 << 20)

static const char *const range_names[] = {"auto", "minmax", "percentile", "mse", "kl"};

const struct tf2_model *convert_model(const struct convert_result *result)
{
    return result->quantized ? result->quantized : result->task->model;
}

const char *convert_range_name(const struct convert_options *options)
{
    return range_names[options->quantize.range];
}

const char *convert_rounding_name(const struct convert_options *options)
{
    return options->quantize.rounding == TF2_ROUNDING_GPTQ ? "gptq" : "nearest";
}

static void free_fact(struct tf2_fact *fact)
{
    free((void *)(uintptr_t)fact->key);
    free((void *)(uintptr_t)fact->value);
}

/* Appends a fact; an older one of this key goes. So the order does not tell which way a model came. */
static void set_fact(struct convert_result *result, const char *key, const char *value)
{
    size_t n = 0;
    struct tf2_fact *facts = cli_alloc(result->n_facts + 1, sizeof(*facts));
    for (size_t i = 0; i < result->n_facts; i++) {
        if (strcmp(result->facts[i].key, key) == 0)
            free_fact(&result->facts[i]);
        else
            facts[n++] = result->facts[i];
    }
    free(result->facts);
    facts[n++] = (struct tf2_fact){cli_strdup(key), cli_strdup(value)};
    result->facts = facts;
    result->n_facts = n;
}

static void set_number(struct convert_result *result, const char *key, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof(text), format, value);
    set_fact(result, key, text);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void make_quantize_facts(struct convert_result *result, size_t n_samples)
{
    const struct convert_options *o = result->options;
    const struct tf2_quantize_options *q = &o->quantize;
    set_number(result, "calibration.samples", "%.0f", (double)n_samples);
    if (o->n_calibrate == 0)
        set_fact(result, "calibration.data", "random");
    set_fact(result, "calibration.range", convert_range_name(o));
    if (q->range == TF2_RANGE_PERCENTILE)
        set_number(result, "calibration.percentile", "%.9g", q->percentile ? q->percentile : 99.99);
    if (q->max_drop_percent > 0)
        set_number(result, "max_drop_percent", "%.6g", q->max_drop_percent > 1e-6f ? q->max_drop_percent : 0);
    set_fact(result, "rounding", convert_rounding_name(o));
    set_fact(result, "equalization", q->no_equalization ? "no" : "yes");
    set_fact(result, "bias_correction", q->no_bias_correction ? "no" : "yes");
    set_number(result, "accuracy.sqnr_db", "%.2f", result->report->sqnr_db);
    set_number(result, "accuracy.cosine", "%.6f", result->report->cosine);
    if (result->report->same_class_percent >= 0) /* the output is one of classes */
        set_number(result, "accuracy.same_class_percent", "%.2f", result->report->same_class_percent);
}

void convert_make_facts(struct convert_result *result, size_t n_samples)
{
    const struct cli_model *in = &result->options->run.model;
    struct tf2_model_info info;
    struct tf2_fact fact;
    bool has_source = false;
    for (size_t i = 0; tf2_model_fact(result->task->model, i, &fact) == TF2_OK; i++) {
        has_source = has_source || strcmp(fact.key, "source") == 0;
        set_fact(result, fact.key, fact.value);
    }
    if (!has_source)
        set_fact(result, "source", base_name(in->path));
    if (in->weights_path)
        set_fact(result, "source.weights", base_name(in->weights_path));
    tf2_model_info(convert_model(result), &info);
    set_fact(result, "precision", info.n_int8_nodes ? "int8" : "fp32");
    if (result->report)
        make_quantize_facts(result, n_samples);
    set_fact(result, "libtf2", TF2_VERSION_STRING);
}

/*
 * Makes a picture coarse: EXAMPLE_CELLS by EXAMPLE_CELLS cells or a little more, each of one of its values.
 * Such inputs compress well in the file, and a self-test does not mind.
 */
static void make_coarse(const struct tf2_tensor_info *input, float *values)
{
    const int64_t *dim = input->shape.dim;
    if (input->shape.n_dims != 4)
        return;
    const bool last = input->layout == TF2_LAYOUT_NHWC;
    const size_t height = (size_t)dim[last ? 1 : 2], width = (size_t)dim[last ? 2 : 3];
    const size_t n_inner = last ? (size_t)dim[3] : 1; /* numbers of a pixel that are neighbours */
    const size_t n_planes = (size_t)tf2_shape_count(&input->shape) / (height * width * n_inner);
    const size_t cell = (height > width ? height : width) / EXAMPLE_CELLS;
    for (size_t p = 0; cell > 1 && p < n_planes; p++) {
        float *plane = values + p * height * width * n_inner;
        for (size_t i = 0; i < height * width * n_inner; i++) {
            const size_t y = i / n_inner / width, x = i / n_inner % width;
            plane[i] = plane[((y - y % cell) * width + (x - x % cell)) * n_inner + i % n_inner];
        }
    }
}

/* Dense float32 buffers of the model's inputs and outputs. */
struct buffers {
    float *inputs[RUN_MAX_INPUTS];
    float *outputs[RUN_MAX_OUTPUTS];
};

static void buffers_finish(struct buffers *b)
{
    for (size_t i = 0; i < RUN_MAX_INPUTS; i++)
        free(b->inputs[i]);
    for (size_t o = 0; o < RUN_MAX_OUTPUTS; o++)
        free(b->outputs[o]);
}

static bool all_finite(const float *values, const struct tf2_shape *shape)
{
    size_t n = (size_t)tf2_shape_count(shape), i = 0;
    while (i < n && isfinite(values[i]))
        i++;
    return i == n;
}

/* The file takes finite numbers only. */
static bool example_finite(const struct run_task *task, const struct buffers *b)
{
    bool finite = true;
    for (size_t i = 0; i < task->info.n_inputs && finite; i++)
        finite = all_finite(b->inputs[i], &task->inputs[i].shape);
    for (size_t o = 0; o < task->info.n_outputs && finite; o++)
        finite = all_finite(b->outputs[o], &task->outputs[o].shape);
    return finite;
}

static size_t example_bytes(const struct run_task *task)
{
    size_t n = 0;
    for (size_t i = 0; i < task->info.n_inputs; i++)
        n += (size_t)tf2_shape_count(&task->inputs[i].shape);
    for (size_t o = 0; o < task->info.n_outputs; o++)
        n += (size_t)tf2_shape_count(&task->outputs[o].shape);
    return n * sizeof(float);
}

/* The first sample through the new model. */
static int make_example(
    struct convert_result *result, struct convert_samples *samples, struct tf2_devices *devices,
    struct buffers *b)
{
    const struct run_task *task = result->task;
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    for (size_t i = 0; i < task->info.n_inputs; i++)
        b->inputs[i] = cli_alloc((size_t)tf2_shape_count(&task->inputs[i].shape), sizeof(float));
    for (size_t o = 0; o < task->info.n_outputs; o++)
        b->outputs[o] = cli_alloc((size_t)tf2_shape_count(&task->outputs[o].shape), sizeof(float));
    cli_progress("running the example");
    enum tf2_status status = convert_samples_read(samples, 0, b->inputs, &error);
    for (size_t i = 0; status == TF2_OK && i < task->info.n_inputs; i++)
        make_coarse(&task->inputs[i], b->inputs[i]);
    if (status == TF2_OK)
        status = tf2_session_create(convert_model(result), devices, 0, NULL, &session, &error);
    if (status == TF2_OK)
        status = tf2_session_run(session, (const void *const *)b->inputs, (void *const *)b->outputs, &error);
    tf2_session_destroy(&session);
    cli_progress_clear();
    if (status != TF2_OK)
        return cli_fail("%s", error.message);
    result->has_example = example_finite(task, b);
    if (!result->has_example)
        result->no_example_reason = "not finite";
    return 0;
}

static int
write_tf2(struct convert_result *result, struct convert_samples *samples, struct tf2_devices *devices)
{
    const struct convert_options *o = result->options;
    const struct cli_labels *labels = &result->task->labels;
    struct buffers *example = cli_alloc(1, sizeof(*example));
    struct tf2_save_options save = {
        .labels = (const char *const *)labels->labels,
        .n_labels = labels->n_labels,
        .facts = result->facts,
        .n_facts = result->n_facts,
    };
    struct tf2_error error = {0};
    int status = 0;
    if (!o->no_example && example_bytes(result->task) > EXAMPLE_MAX_BYTES)
        result->no_example_reason = "too large";
    else if (!o->no_example)
        status = make_example(result, samples, devices, example);
    if (result->has_example) {
        save.example_inputs = (const void *const *)example->inputs;
        save.example_outputs = (const void *const *)example->outputs;
    }
    if (status == 0 && tf2_model_save(convert_model(result), o->out_path, &save, &error) != TF2_OK)
        status = cli_fail("%s", error.message);
    buffers_finish(example);
    free(example);
    return status;
}

int convert_write(struct convert_result *result, struct convert_samples *samples, struct tf2_devices *devices)
{
    const char *path = result->options->out_path;
    struct tf2_error error = {0};
    struct stat info;
    int status = 0;
    cli_progress("writing");
    if (!result->options->to_onnx)
        status = write_tf2(result, samples, devices);
    else if (tf2_model_export_onnx(convert_model(result), path, &error) != TF2_OK)
        status = cli_fail("%s", error.message);
    cli_progress_clear();
    if (status != 0)
        return status;
    if (stat(path, &info) != 0)
        return cli_fail("%s: cannot be looked at after it was written: %s", path, strerror(errno));
    result->size_bytes = (size_t)info.st_size;
    return 0;
}

void convert_result_finish(struct convert_result *result)
{
    for (size_t i = 0; i < result->n_facts; i++)
        free_fact(&result->facts[i]);
    free(result->facts);
    tf2_quantize_report_destroy(&result->report);
    tf2_model_destroy(&result->quantized);
}
