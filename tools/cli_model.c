/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_model.c: the model that a program is told to use: its options, reading it, preprocessing and labels.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* "1,3,227,227" or "1x3x227x227". */
static bool parse_shape(const char *text, struct tf2_shape *shape)
{
    shape->n_dims = 0;
    for (;;) {
        char *end;
        long n = strtol(text, &end, 10);
        if (end == text || n < 1 || n > INT32_MAX || shape->n_dims == TF2_MAX_DIMS)
            return false;
        shape->dim[shape->n_dims++] = n;
        if (!*end)
            return tf2_shape_count(shape) > 0;
        if (*end != ',' && *end != 'x')
            return false;
        text = end + 1;
    }
}

/* NAME:SHAPE or SHAPE; a name may have colons in it. */
static bool take_input(struct cli_model *model, const char *value)
{
    size_t n = model->import.n_input_shapes;
    struct tf2_named_shape *named = &model->shapes[n];
    const char *colon = strrchr(value, ':');
    if (n == CLI_MAX_NAMED) {
        cli_usage("--input more than %d times", CLI_MAX_NAMED);
        return false;
    }
    if (!parse_shape(colon ? colon + 1 : value, &named->shape)) {
        cli_usage("--input %s: wanted NAME:SHAPE such as data:1,3,227,227", value);
        return false;
    }
    if (colon) {
        char *name = cli_strdup(value);
        name[colon - value] = 0;
        named->name = name;
    }
    model->import.input_shapes = model->shapes;
    model->import.n_input_shapes++;
    return true;
}

static bool take_output(struct cli_model *model, const char *value)
{
    if (model->import.n_outputs == CLI_MAX_NAMED) {
        cli_usage("--output more than %d times", CLI_MAX_NAMED);
        return false;
    }
    model->outputs[model->import.n_outputs++] = value;
    model->import.outputs = model->outputs;
    return true;
}

/* One number for all channels, or one each. */
static bool take_mean(struct cli_model *model, const char *value)
{
    float *mean = model->import.preprocess.mean;
    const char *at = value;
    size_t n = 0;
    for (;;) {
        char *end;
        float x = strtof(at, &end);
        if (end == at || n == 4 || !isfinite(x) || (*end && *end != ',')) {
            n = 0;
            break;
        }
        mean[n++] = x;
        if (!*end)
            break;
        at = end + 1;
    }
    if (n == 0) {
        cli_usage("--mean %s: wanted one number, or one for each channel with commas between", value);
        return false;
    }
    model->n_means = n;
    for (size_t c = 1; n == 1 && c < 4; c++)
        mean[c] = mean[0];
    return true;
}

static bool take_scale(struct cli_model *model, const char *value)
{
    double scale;
    if (!cli_parse_double("--scale", value, -1e30, 1e30, &scale))
        return false;
    if ((float)scale == 0) {
        cli_usage("--scale %s: everything would be 0", value);
        return false;
    }
    model->import.preprocess.scale = (float)scale;
    return true;
}

static bool take_channels(struct cli_model *model, const char *value)
{
    bool bgr = strcasecmp(value, "bgr") == 0;
    if (!bgr && strcasecmp(value, "rgb") != 0) {
        cli_usage("--channels %s: wanted rgb or bgr", value);
        return false;
    }
    model->import.preprocess.channels = bgr ? TF2_CHANNELS_BGR : TF2_CHANNELS_RGB;
    model->has_channels = true;
    return true;
}

bool cli_model_owns(int option)
{
    return option >= CLI_OPTION_INPUT && option <= CLI_OPTION_CHANNELS;
}

bool cli_model_take(struct cli_model *model, int option, const char *value)
{
    switch (option) {
    case CLI_OPTION_INPUT:
        return take_input(model, value);
    case CLI_OPTION_OUTPUT:
        return take_output(model, value);
    case CLI_OPTION_MEAN:
        return take_mean(model, value);
    case CLI_OPTION_SCALE:
        return take_scale(model, value);
    case CLI_OPTION_CHANNELS:
        return take_channels(model, value);
    default:
        return false;
    }
}

void cli_model_finish(struct cli_model *model)
{
    for (size_t i = 0; i < model->import.n_input_shapes; i++)
        free((void *)(uintptr_t)model->shapes[i].name);
    memset(model, 0, sizeof(*model));
}

bool cli_model_has_preprocess(const struct cli_model *model)
{
    return model->n_means > 0 || model->has_channels || model->import.preprocess.scale != 0;
}

static void set_preprocess(const struct cli_model *model, struct tf2_preprocess *preprocess)
{
    const struct tf2_preprocess *given = &model->import.preprocess;
    if (model->has_channels)
        preprocess->channels = given->channels;
    if (model->n_means > 0)
        memcpy(preprocess->mean, given->mean, sizeof(given->mean));
    if (given->scale != 0)
        preprocess->scale = given->scale;
    if (preprocess->scale == 0)
        preprocess->scale = 1; /* all zero would mean: as the file says */
}

/* The first half of the magic number; a file that was damaged behind it is told so when it is loaded. */
bool cli_is_tf2(const char *path)
{
    return cli_begins_with(path, "\x89TF2", 4);
}

/* What cannot be said about a .tf2 file, which is not imported; NULL: nothing of that was said. */
static const char *find_refused(const struct cli_model *model)
{
    if (model->weights_path)
        return "a .tf2 file has its weights inside, wanted no WEIGHTS";
    if (model->import.n_outputs > 0)
        return "the outputs of a .tf2 file are fixed, --output is for other formats";
    if (model->import.n_input_shapes > 0 && !model->shapes_at_run)
        return "the shapes in a .tf2 file are fixed, --input is for other formats";
    return NULL;
}

int cli_model_check(const struct cli_model *model)
{
    const char *refused = cli_is_tf2(model->path) ? find_refused(model) : NULL;
    return refused ? cli_usage("%s: %s", model->path, refused) : 0;
}

/* Preprocessing options take the place of what the file says, each of its part. */
static enum tf2_status load_tf2(struct cli_model *options, struct tf2_model **model, struct tf2_error *error)
{
    struct tf2_import_options import = {.preprocess = {.scale = 0}};
    struct tf2_model_info info;
    const char *refused = find_refused(options);
    if (refused) {
        error->status = TF2_ERR_INVALID_ARGUMENT;
        snprintf(error->message, sizeof(error->message), "%.900s: %s", options->path, refused);
        return error->status;
    }
    enum tf2_status status = tf2_model_load(options->path, NULL, model, error);
    if (status != TF2_OK || !cli_model_has_preprocess(options))
        return status;
    tf2_model_info(*model, &info);
    import.preprocess = info.preprocess;
    set_preprocess(options, &import.preprocess);
    tf2_model_destroy(model);
    return tf2_model_import(options->path, NULL, &import, model, error);
}

enum tf2_status cli_model_import(
    struct cli_model *options, uint64_t random_seed, struct tf2_model **model, bool *random,
    struct tf2_error *error)
{
    if (cli_is_tf2(options->path))
        return load_tf2(options, model, error);
    enum tf2_status status =
        tf2_model_import(options->path, options->weights_path, &options->import, model, error);
    if (status == TF2_OK || random_seed == 0 || options->weights_path)
        return status;
    /* The library says no to a file without weights; the second try is for that one reason. */
    options->import.random_weights_seed = random_seed;
    status = tf2_model_import(options->path, NULL, &options->import, model, error);
    if (status == TF2_OK && random)
        *random = true;
    return status;
}

int64_t cli_batch(const struct cli_model *options, const struct tf2_model *model, long wanted)
{
    struct tf2_model_info info;
    struct tf2_tensor_info input;
    if (wanted > 0)
        return wanted;
    if (options->import.n_input_shapes > 0)
        return 0;
    tf2_model_info(model, &info);
    for (size_t i = 0; i < info.n_inputs; i++) {
        if (tf2_model_input(model, i, &input) != TF2_OK || input.shape.n_dims < 2)
            return 0;
    }
    return 1;
}

void cli_session_options(
    const struct cli_model *options, const struct tf2_model *model, long batch,
    struct tf2_session_options *session)
{
    tf2_session_options_defaults(session);
    session->batch = cli_batch(options, model, batch);
    if (options->import.n_input_shapes > 0 && cli_is_tf2(options->path)) {
        session->input_shapes = options->import.input_shapes;
        session->n_input_shapes = options->import.n_input_shapes;
    }
}

static void keep_label(struct cli_labels *labels, const char *text)
{
    if (labels->n_labels == labels->capacity) {
        size_t capacity = labels->capacity ? 2 * labels->capacity : 64;
        char **grown = cli_alloc(capacity, sizeof(char *));
        if (labels->n_labels > 0)
            memcpy(grown, labels->labels, labels->n_labels * sizeof(char *));
        free(labels->labels);
        labels->labels = grown;
        labels->capacity = capacity;
    }
    labels->labels[labels->n_labels++] = cli_strdup(text);
}

int cli_labels_read(struct cli_labels *labels, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    struct stat info;
    FILE *file = fopen(path, "r");
    if (!file)
        return cli_fail("%s: labels cannot be read: %s", path, strerror(errno));
    if (fstat(fileno(file), &info) == 0 && S_ISCHR(info.st_mode)) { /* /dev/zero has no end */
        fclose(file);
        return cli_fail("%s: labels cannot be read: not a regular file", path);
    }
    while ((n = getline(&line, &size, file)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        keep_label(labels, line);
    }
    bool failed = ferror(file) != 0;
    int reason = errno;
    free(line);
    fclose(file);
    if (failed)
        return cli_fail("%s: labels cannot be read: %s", path, strerror(reason));
    return labels->n_labels ? 0 : cli_fail("%s: no labels in this file", path);
}

void cli_labels_of_model(struct cli_labels *labels, const struct tf2_model *model)
{
    const char *text;
    for (size_t i = 0; (text = tf2_model_label(model, i)); i++)
        keep_label(labels, text);
}

void cli_labels_finish(struct cli_labels *labels)
{
    for (size_t i = 0; i < labels->n_labels; i++)
        free(labels->labels[i]);
    free(labels->labels);
    memset(labels, 0, sizeof(*labels));
}
