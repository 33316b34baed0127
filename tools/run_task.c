/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_task.c: what there is to know of a model before it gets files: its inputs, the batch axis, classes and
 * labels. For tf2-run and tf2-convert.
 */
#include "run.h"

#include <string.h>

int run_task_read_model(struct run_task *task, struct cli_model *options)
{
    struct tf2_error error;
    int result = cli_model_check(options);
    if (result != 0)
        return result;
    if (cli_model_import(options, 0, &task->model, NULL, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    tf2_model_info(task->model, &task->info);
    if (task->info.n_inputs > RUN_MAX_INPUTS || task->info.n_outputs > RUN_MAX_OUTPUTS)
        return cli_fail(
            "%s: %zu inputs and %zu outputs, the limits are %d and %d", options->path, task->info.n_inputs,
            task->info.n_outputs, RUN_MAX_INPUTS, RUN_MAX_OUTPUTS);
    for (size_t i = 0; i < task->info.n_inputs; i++)
        tf2_model_input(task->model, i, &task->inputs[i]);
    for (size_t o = 0; o < task->info.n_outputs; o++)
        tf2_model_output(task->model, o, &task->outputs[o]);
    return 0;
}

int run_task_read_labels(struct run_task *task)
{
    if (task->options->labels_path)
        return cli_labels_read(&task->labels, task->options->labels_path);
    cli_labels_of_model(&task->labels, task->model);
    return 0;
}

void run_task_finish(struct run_task *task)
{
    cli_labels_finish(&task->labels);
    tf2_model_destroy(&task->model);
}

static int check_float(const char *kind, const struct tf2_tensor_info *info)
{
    if (info->dtype == TF2_DTYPE_F32)
        return 0;
    return cli_fail("%s %s is %s, wanted float32", kind, info->name, tf2_dtype_name(info->dtype));
}

int run_task_find_batch(struct run_task *task)
{
    char text[128];
    int result = 0;
    for (size_t i = 0; i < task->info.n_inputs && result == 0; i++) {
        const struct tf2_shape *shape = &task->inputs[i].shape;
        result = check_float("input", &task->inputs[i]);
        if (i == 0)
            task->batch = shape->n_dims ? shape->dim[0] : 0;
        task->whole = task->whole || shape->n_dims < 2 || shape->dim[0] != task->batch;
    }
    if (task->whole)
        task->batch = 1;
    for (size_t o = 0; o < task->info.n_outputs && result == 0; o++) {
        const struct tf2_shape *shape = &task->outputs[o].shape;
        result = check_float("output", &task->outputs[o]);
        if (!task->whole && task->batch > 1 && (shape->n_dims == 0 || shape->dim[0] % task->batch != 0))
            return cli_fail(
                "output %s of shape %s has no batch axis: only a batch of 1 is possible",
                task->outputs[o].name, tf2_shape_format(shape, text, sizeof(text)));
    }
    return result;
}

size_t run_item_size(const struct run_task *task, size_t input)
{
    size_t n = (size_t)tf2_shape_count(&task->inputs[input].shape);
    return task->whole ? n : n / (size_t)task->batch;
}

struct tf2_shape run_item_shape(const struct run_task *task, size_t output)
{
    struct tf2_shape shape = task->outputs[output].shape;
    if (!task->whole && task->batch > 1)
        shape.dim[0] /= task->batch;
    return shape;
}

/* [1, C], [1, C, 1, 1] or [1, 1, 1, C] */
static size_t n_classes(const struct tf2_shape *item, enum tf2_layout layout)
{
    if (item->n_dims < 2 || item->dim[0] != 1)
        return 0;
    const int64_t n = item->dim[layout == TF2_LAYOUT_NHWC ? item->n_dims - 1 : 1];
    return tf2_shape_count(item) == n ? (size_t)n : 0;
}

bool run_choose_classes(struct run_task *task)
{
    size_t n_found = 0, last = 0, n_candidates = 0;
    for (size_t o = 0; o < task->info.n_outputs; o++) {
        struct tf2_shape item = run_item_shape(task, o);
        size_t classes = n_classes(&item, task->outputs[o].layout);
        if (classes < 2)
            continue;
        last = classes;
        n_candidates++;
        task->is_class[o] = task->labels.n_labels == 0 || task->labels.n_labels == classes;
        n_found += task->is_class[o];
    }
    if (task->labels.n_labels == 0 && n_candidates > 1)
        memset(task->is_class, 0, sizeof(task->is_class));
    if (task->labels.n_labels == 0 || n_found > 0)
        return true;
    const char *origin = task->options->labels_path ? task->options->labels_path : task->options->model.path;
    if (n_candidates > 0)
        cli_fail("%s: %zu labels, the model's output has %zu classes", origin, task->labels.n_labels, last);
    else
        cli_fail("%s: labels given, the model has no output of classes", origin);
    return false;
}
