/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2-convert.c: from a trained network to a .tf2 file, in float32 or quantized to int8, or to an ONNX file.
 */
#define _POSIX_C_SOURCE 200809L
#include "convert.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char cli_program[] = "tf2-convert";

static const char help[] =
    "Usage: tf2-convert [OPTION]... IN [WEIGHTS.caffemodel] -o OUT.tf2|OUT.onnx\n"
    "Makes a model file of a trained network; with --precision int8 a smaller one that runs faster.\n"
    "\n"
    "IN is a Caffe .prototxt with its .caffemodel, an .onnx, .tflite or TensorFlow .pb file, a\n"
    "SavedModel or a .tf2 file. A .tf2 file holds the optimized network with everything that is needed to run it:\n"
    "preprocessing, labels, remarks and an example for tf2-run --self-test. An .onnx file has the network\n"
    "alone, int8 as QuantizeLinear and DequantizeLinear.\n"
    "\n"
    "The model:\n"
    "  -o, --out FILE       what to write; what is there is replaced when all went well\n"
    "  --precision P        fp32 or int8 (default: as IN, and that is fp32 unless IN is an int8 "
    ".tf2)\n" CLI_MODEL_HELP "  --labels FILE        names of the classes, one a line, to be kept in OUT\n"
    "\n"
    "Images, kept in OUT and used for calibration:\n" CLI_PREPROCESS_HELP "\n"
    "For int8:\n"
    "  --calibrate INPUT    typical inputs, a few dozen are enough: an image, a .npy file or a directory, as "
    "for\n"
    "                       tf2-run; may be repeated, and more INPUTs may follow IN. A model with several "
    "inputs\n"
    "                       takes NAME=FILE for each. random:N makes N random inputs up: to measure speed "
    "only\n"
    "  --max-samples N      use at most N of them, evenly spread (default 256)\n"
    "  --crop               cut the middle out of images, to keep the aspect ratio (default: stretch)\n"
    "  --range R            how ranges are chosen: auto (default), minmax, percentile, mse or kl\n"
    "  --percentile P       per cent of the values inside, for --range percentile (default 99.99)\n"
    "  --rounding R         of weights: nearest (default) or gptq, which makes up for errors and takes "
    "longer\n"
    "  --no-equalization    do not balance weights between layers first\n"
    "  --no-bias-correction do not correct the layers' means\n"
    "  --max-drop P         leave layers in float32 until at most P per cent of the samples change their "
    "class\n"
    "  --keep-float N[,N]   names of nodes that stay float32; may be repeated\n"
    "\n"
    "Running and results:\n"
    "  --devices SPEC       where to run it (one device): the first (default), cl:I or host\n"
    "  --no-example         do not store an example (for fp32 nothing is run then)\n"
    "  --report             a line for every layer: range, scale, error\n"
    "  --json FILE          write results as JSON; - writes them to standard output, instead of text\n"
    "\n"
    "  -h, --help           this text\n"
    "      --version        the version\n"
    "\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum {
    OPTION_PRECISION = CLI_OPTION_FIRST_OWN,
    OPTION_LABELS,
    OPTION_CALIBRATE,
    OPTION_MAX_SAMPLES,
    OPTION_CROP,
    OPTION_RANGE,
    OPTION_PERCENTILE,
    OPTION_ROUNDING,
    OPTION_NO_EQUALIZATION,
    OPTION_NO_BIAS_CORRECTION,
    OPTION_MAX_DROP,
    OPTION_KEEP_FLOAT,
    OPTION_PRUNE,
    OPTION_DEVICES,
    OPTION_NO_EXAMPLE,
    OPTION_REPORT,
    OPTION_JSON,
};

static const struct option long_options[] = {
    CLI_MODEL_LONG_OPTIONS,
    CLI_PREPROCESS_LONG_OPTIONS,
    {"out", required_argument, NULL, 'o'},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    {"labels", required_argument, NULL, OPTION_LABELS},
    {"calibrate", required_argument, NULL, OPTION_CALIBRATE},
    {"max-samples", required_argument, NULL, OPTION_MAX_SAMPLES},
    {"crop", no_argument, NULL, OPTION_CROP},
    {"range", required_argument, NULL, OPTION_RANGE},
    {"percentile", required_argument, NULL, OPTION_PERCENTILE},
    {"rounding", required_argument, NULL, OPTION_ROUNDING},
    {"no-equalization", no_argument, NULL, OPTION_NO_EQUALIZATION},
    {"no-bias-correction", no_argument, NULL, OPTION_NO_BIAS_CORRECTION},
    {"max-drop", required_argument, NULL, OPTION_MAX_DROP},
    {"keep-float", required_argument, NULL, OPTION_KEEP_FLOAT},
    {"prune", required_argument, NULL, OPTION_PRUNE},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"no-example", no_argument, NULL, OPTION_NO_EXAMPLE},
    {"report", no_argument, NULL, OPTION_REPORT},
    {"json", required_argument, NULL, OPTION_JSON},
    CLI_COMMON_LONG_OPTIONS,
};

/* The number of `text` in a list of names, or -1. */
static int find_name(const char *text, const char *const *names, int n)
{
    int i = 0;
    while (i < n && strcmp(text, names[i]) != 0)
        i++;
    return i < n ? i : -1;
}

static int take_precision(struct convert_options *o, const char *value)
{
    static const char *const names[] = {"fp32", "int8"};
    int found = find_name(value, names, 2);
    if (found < 0)
        return cli_usage("precision \"%s\" is not available in this version, wanted fp32 or int8", value);
    o->precision = found == 0 ? CONVERT_FP32 : CONVERT_INT8;
    return 0;
}

static int take_range(struct convert_options *o, const char *value)
{
    static const char *const names[] = {"auto", "minmax", "percentile", "mse", "kl"}; /* enum tf2_range */
    int found = find_name(value, names, 5);
    if (found < 0)
        return cli_usage("--range %s: wanted auto, minmax, percentile, mse or kl", value);
    o->quantize.range = (enum tf2_range)found;
    return 0;
}

static int take_rounding(struct convert_options *o, const char *value)
{
    static const char *const names[] = {"nearest", "gptq"}; /* enum tf2_rounding */
    int found = find_name(value, names, 2);
    if (found < 0)
        return cli_usage("--rounding %s: wanted nearest or gptq", value);
    o->quantize.rounding = (enum tf2_rounding)found;
    return 0;
}

static int take_percentile(struct convert_options *o, const char *value)
{
    double percentile;
    if (!cli_parse_double("--percentile", value, 50, 100, &percentile))
        return 2;
    o->quantize.percentile = (float)percentile;
    return 0;
}

/* For the library 0 means that any drop is allowed; a drop of less than one sample is none. */
static int take_max_drop(struct convert_options *o, const char *value)
{
    double percent;
    if (!cli_parse_double("--max-drop", value, 0, 100, &percent))
        return 2;
    o->quantize.max_drop_percent = percent > 1e-6 ? (float)percent : 1e-6f;
    return 0;
}

static char **append(char **list, size_t n, char *item)
{
    char **grown = cli_alloc(n + 1, sizeof(*grown));
    if (n > 0)
        memcpy(grown, list, n * sizeof(*grown));
    free(list);
    grown[n] = item;
    return grown;
}

/* random:N makes inputs up; all else is a file, also ./random:8. */
static int take_calibrate(struct convert_options *o, char *value)
{
    if (strncmp(value, "random:", 7) != 0) {
        o->calibrate = append(o->calibrate, o->n_calibrate++, value);
        return 0;
    }
    char *end;
    errno = 0;
    o->n_random = strtol(value + 7, &end, 10);
    if (end == value + 7 || *end || errno || o->n_random < 1 || o->n_random > 65536)
        return cli_usage("--calibrate %s: wanted random: and a whole number from 1 to 65536", value);
    return 0;
}

static int take_keep_float(struct convert_options *o, char *value)
{
    for (char *name = value; name;) {
        char *comma = strchr(name, ',');
        if (comma)
            *comma++ = 0;
        if (!*name)
            return cli_usage("--keep-float: empty name, wanted the names of nodes with commas between");
        o->keep_float = append(o->keep_float, o->quantize.n_float_nodes++, name);
        name = comma;
    }
    return 0;
}

/* Options that say how to quantize. */
static int take_quantize(struct convert_options *o, int option, char *value)
{
    switch (option) {
    case OPTION_RANGE:
        return take_range(o, value);
    case OPTION_PERCENTILE:
        return take_percentile(o, value);
    case OPTION_ROUNDING:
        return take_rounding(o, value);
    case OPTION_NO_EQUALIZATION:
        o->quantize.no_equalization = true;
        return 0;
    case OPTION_NO_BIAS_CORRECTION:
        o->quantize.no_bias_correction = true;
        return 0;
    case OPTION_MAX_DROP:
        return take_max_drop(o, value);
    case OPTION_KEEP_FLOAT:
        return take_keep_float(o, value);
    default: /* OPTION_REPORT */
        o->report = true;
        return 0;
    }
}

static bool is_quantize_option(int option)
{
    return (option >= OPTION_RANGE && option <= OPTION_KEEP_FLOAT) || option == OPTION_REPORT;
}

static const char *option_name(int option)
{
    const struct option *o = long_options;
    while (o->name && o->val != option)
        o++;
    return o->name;
}

/* 0, or the exit status after a message. */
static int take_option(void *to, int option, char **argv)
{
    struct convert_options *o = to;
    if (cli_model_owns(option))
        return cli_model_take(&o->run.model, option, optarg) ? 0 : 2;
    if (is_quantize_option(option)) {
        o->quantize_option = option_name(option);
        return take_quantize(o, option, optarg);
    }
    switch (option) {
    case 'o':
        o->out_path = optarg;
        return 0;
    case OPTION_PRECISION:
        return take_precision(o, optarg);
    case OPTION_LABELS:
        o->run.labels_path = optarg;
        return 0;
    case OPTION_CALIBRATE:
        return take_calibrate(o, optarg);
    case OPTION_MAX_SAMPLES:
        return cli_parse_long("--max-samples", optarg, 1, 1000000, &o->max_samples) ? 0 : 2;
    case OPTION_CROP:
        o->run.fit = TF2_FIT_CENTER_CROP;
        return 0;
    case OPTION_PRUNE:
        return cli_usage("--prune is not available in this version");
    case OPTION_DEVICES:
        o->run.devices = optarg;
        return 0;
    case OPTION_NO_EXAMPLE:
        o->no_example = true;
        return 0;
    case OPTION_JSON:
        o->run.json_path = optarg;
        return 0;
    default:
        return cli_bad_option(option, argv);
    }
}

static int take_arguments(struct convert_options *o, char **args, size_t n)
{
    size_t i = 0;
    if (n == 0)
        return cli_usage("no IN given: a .prototxt with its .caffemodel, an .onnx, .pb, .tflite or .tf2 file");
    o->run.model.path = args[i++];
    if (i < n && cli_has_extension(args[i], ".caffemodel"))
        o->run.model.weights_path = args[i++];
    if (i < n && o->n_calibrate == 0)
        return cli_usage("%s: too many arguments, wanted IN and WEIGHTS.caffemodel at most", args[i]);
    for (; i < n; i++)
        o->calibrate = append(o->calibrate, o->n_calibrate++, args[i]);
    return 0;
}

/* What is needed for int8, and what only int8 needs. */
static int check_precision(const struct convert_options *o)
{
    bool has_samples = o->n_calibrate > 0 || o->n_random > 0;
    bool runs = o->precision == CONVERT_INT8 || (!o->to_onnx && !o->no_example);
    if (o->n_calibrate > 0 && o->n_random > 0)
        return cli_usage("--calibrate random:N cannot be combined with files");
    if (o->precision == CONVERT_INT8 && !has_samples)
        return cli_usage(
            "--precision int8 needs typical inputs: --calibrate with images, .npy files or a directory");
    if (o->precision != CONVERT_INT8 && o->quantize_option)
        return cli_usage("--%s is for --precision int8", o->quantize_option);
    if (o->quantize.percentile > 0 && o->quantize.range != TF2_RANGE_PERCENTILE)
        return cli_usage("--percentile is for --range percentile");
    if (has_samples && !runs)
        return cli_usage("--calibrate has no use here: nothing is run");
    if (o->n_calibrate == 0 && (o->max_samples > 0 || o->run.fit != TF2_FIT_STRETCH))
        return cli_usage("--max-samples and --crop are for --calibrate with files");
    return 0;
}

static int check_options(struct convert_options *o)
{
    const char *path = o->out_path;
    if (!path)
        return cli_usage("no output given: -o OUT.tf2 or -o OUT.onnx");
    o->to_onnx = cli_has_extension(path, ".onnx");
    if (!o->to_onnx && !cli_has_extension(path, ".tf2"))
        return cli_usage("-o %s: wanted a name that ends in .tf2 or .onnx", path);
    if (o->to_onnx && o->run.labels_path)
        return cli_usage("--labels: an .onnx file has no place for them");
    int result = check_precision(o);
    if (result != 0)
        return result;
    if (o->to_onnx && o->precision != CONVERT_INT8 && cli_model_has_preprocess(&o->run.model))
        return cli_usage("--mean, --scale and --channels: an .onnx file has no place for them");
    o->quantize.float_nodes = (const char *const *)o->keep_float;
    return 0;
}

/* What can be known of OUT before the work is done. */
static int check_out(const struct convert_options *o)
{
    struct stat in, out;
    char *directory = cli_strdup(o->out_path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = 0;
    bool writable = access(slash ? directory : ".", W_OK) == 0;
    int reason = errno;
    free(directory);
    if (!writable)
        return cli_fail("%s: cannot be written: %s", o->out_path, strerror(reason));
    if (stat(o->out_path, &out) != 0)
        return 0;
    if (!S_ISREG(out.st_mode))
        return cli_fail("%s: not a file that could be replaced", o->out_path);
    if (stat(o->run.model.path, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return cli_fail("%s is IN itself, wanted another name for the output", o->out_path);
    return 0;
}

static int check_model(const struct convert_options *o, const struct run_task *task)
{
    const char *path = o->run.model.path;
    if (task->info.n_int8_nodes > 0 && o->precision != CONVERT_KEEP)
        return cli_fail("%s: is int8 already, wanted a float32 model for --precision", path);
    if (!run_task_mean_fits(task))
        return cli_fail(
            "%s: --mean has numbers for %zu channels, no input has as many", path, o->run.model.n_means);
    return 0;
}

/* The line on the terminal changes at most 20 times a second, and for every stage. */
struct progress {
    char stage[64];
    uint64_t next_ms;
};

static void show_progress(void *user, const char *stage, size_t done, size_t total)
{
    struct progress *p = user;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    if (strncmp(p->stage, stage, sizeof(p->stage) - 1) == 0 && now_ms < p->next_ms)
        return;
    snprintf(p->stage, sizeof(p->stage), "%s", stage);
    p->next_ms = now_ms + 50;
    if (total > 1)
        cli_progress("%s: %zu of %zu", stage, done, total);
    else
        cli_progress("%s", stage);
}

static int
quantize(struct convert_result *result, struct convert_samples *samples, struct tf2_devices *devices)
{
    struct tf2_quantize_options options = result->options->quantize;
    struct progress progress = {.next_ms = 0};
    struct tf2_error error;
    options.progress = show_progress;
    options.progress_user = &progress;
    enum tf2_status status = tf2_model_quantize(
        result->task->model, devices, 0, convert_samples_read, samples, samples->n_samples, &options,
        &result->quantized, &result->report, &error);
    cli_progress_clear();
    return status == TF2_OK ? 0 : cli_fail("%s", error.message);
}

/* The model is read: makes the new one, writes and tells. */
static int make(struct convert_result *result, struct convert_samples *samples)
{
    const struct convert_options *o = result->options;
    struct tf2_devices *devices = NULL;
    struct tf2_error error;
    bool runs = o->precision == CONVERT_INT8 || (!o->to_onnx && !o->no_example);
    if (runs && tf2_devices_open(o->run.devices ? o->run.devices : "1", NULL, &devices, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    int status = runs ? convert_samples_open(samples, result->task, o) : 0;
    if (status == 0 && o->precision == CONVERT_INT8)
        status = quantize(result, samples, devices);
    if (status == 0) {
        convert_make_facts(result, samples->n_samples);
        status = convert_write(result, samples, devices);
    }
    if (status == 0)
        status = convert_report(result);
    tf2_devices_close(&devices);
    return status;
}

static int convert(struct convert_options *o)
{
    struct run_task *task = cli_alloc(1, sizeof(*task));
    struct convert_samples *samples = cli_alloc(1, sizeof(*samples));
    struct convert_result result = {.options = o, .task = task};
    task->options = &o->run;
    int status = check_out(o);
    if (status == 0)
        status = run_task_read_model(task, &o->run.model);
    if (status == 0)
        status = check_model(o, task);
    if (status == 0)
        status = run_task_find_batch(task);
    if (status == 0 && !o->to_onnx)
        status = run_task_read_labels(task);
    if (status == 0 && !run_choose_classes(task))
        status = 1;
    if (status == 0)
        status = make(&result, samples);
    convert_samples_finish(samples);
    convert_result_finish(&result);
    run_task_finish(task);
    free(samples);
    free(task);
    return status;
}

static void finish_options(struct convert_options *o)
{
    cli_model_finish(&o->run.model);
    free(o->calibrate);
    free(o->keep_float);
}

static int run(struct convert_options *o, char **args, size_t n_args)
{
    int result = take_arguments(o, args, n_args);
    if (result == 0)
        result = check_options(o);
    return result ? result : convert(o);
}

static const struct cli_options options = {
    .help = help, .short_options = "o:", .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    static struct convert_options o = {.run.n_top = 1};
    int result = cli_take_options(&options, argc, argv, &o);
    if (result == CLI_GO_ON)
        result = run(&o, argv + optind, (size_t)(argc - optind));
    finish_options(&o);
    int flushed = cli_finish_stdout();
    return result ? result : flushed;
}
