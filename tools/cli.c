/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.c: messages, options and JSON for the programs.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MESSAGE_BYTES 4096

static void print_message(const char *format, va_list args, const char *end)
{
    char text[MESSAGE_BYTES];
    vsnprintf(text, sizeof(text), format, args);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
    }
    cli_progress_clear();
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", cli_program, text, end);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args, "");
    va_end(args);
    return 1;
}

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message(format, args, "; see --help");
    va_end(args);
    return 2;
}

int cli_bad_option(int found, char **argv)
{
    const char *word = argv[optind - 1];
    if (found == ':')
        return cli_usage("option %s needs a value", word);
    if (optopt > 0 && optopt < 256)
        return cli_usage("unknown option -%c", optopt);
    if (optopt != 0)
        return cli_usage("option %s takes no value", word);
    return cli_usage("unknown or ambiguous option %s", word);
}

void cli_print_version(void)
{
    printf("%s (libtf2) %s\n", cli_program, TF2_VERSION_STRING);
}

int cli_finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return cli_fail("standard output cannot be written: %s", strerror(errno));
}

void *cli_alloc(size_t n, size_t size_bytes)
{
    void *ptr = calloc(n ? n : 1, size_bytes ? size_bytes : 1);
    if (!ptr)
        exit(cli_fail("out of memory: %zu times %zu bytes", n, size_bytes));
    return ptr;
}

char *cli_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(cli_alloc(size, 1), text, size);
}

bool cli_parse_long(const char *option, const char *text, long minimum, long maximum, long *value)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < minimum || n > maximum) {
        if (maximum == LONG_MAX)
            cli_usage("%s %s: wanted a whole number from %ld", option, text, minimum);
        else
            cli_usage("%s %s: wanted a whole number from %ld to %ld", option, text, minimum, maximum);
        return false;
    }
    *value = n;
    return true;
}

bool cli_parse_double(const char *option, const char *text, double minimum, double maximum, double *value)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !(x >= minimum && x <= maximum)) {
        cli_usage("%s %s: wanted a number from %g to %g", option, text, minimum, maximum);
        return false;
    }
    *value = x;
    return true;
}

int cli_write_json(json_t *root, const char *path)
{
    const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(9);
    int result = 0;
    if (!root)
        return cli_fail("out of memory: JSON results");
    if (strcmp(path, "-") == 0) {
        if (json_dumpf(root, stdout, flags) != 0 || putchar('\n') == EOF)
            result = cli_fail("standard output: JSON results cannot be written");
    } else {
        FILE *file = fopen(path, "w");
        bool written = file && json_dumpf(root, file, flags) == 0 && fputc('\n', file) != EOF;
        int reason = errno;
        if (file && fclose(file) != 0 && written) {
            written = false;
            reason = errno;
        }
        if (!written)
            result = cli_fail("%s: JSON results cannot be written: %s", path, strerror(reason));
    }
    json_decref(root);
    return result;
}

json_t *cli_shape_json(const struct tf2_shape *shape)
{
    json_t *array = json_array();
    for (uint32_t d = 0; d < shape->n_dims; d++)
        json_array_append_new(array, json_integer(shape->dim[d]));
    return array;
}

json_t *cli_real_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void cli_progress(const char *format, ...)
{
    char text[256];
    va_list args;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "\r%.79s\033[K", text);
    fflush(stderr);
}

void cli_progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

bool cli_has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);
    return n > m && strcasecmp(path + n - m, extension) == 0;
}

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

enum tf2_status cli_model_import(
    struct cli_model *options, uint64_t random_seed, struct tf2_model **model, bool *random,
    struct tf2_error *error)
{
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
