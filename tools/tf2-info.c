/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2-info.c: tells what the library finds: devices, directories, environment, and what is in a model.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

const char cli_program[] = "tf2-info";

static const char help[] =
    "Usage: tf2-info [OPTION]... [MODEL [WEIGHTS.caffemodel]]\n"
    "Tells which devices there are, and with MODEL its inputs, outputs and size; of a .tf2 file also what\n"
    "it carries: preprocessing, labels, remarks.\n"
    "\n"
    "  --kernels            prepare the model on the first device and list its steps\n"
    "  --devices SPEC       all (default), a number of devices, cl:I or host\n"
    "  --batch N            for --kernels (default 1, or as --input says)\n" CLI_MODEL_HELP
    "  --json FILE          write it as JSON; - writes to standard output, instead of text\n"
    "  -h, --help           this text\n"
    "      --version        the version\n"
    "\n"
    "A .prototxt without weights is shown with made-up ones.\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum {
    OPTION_KERNELS = CLI_OPTION_FIRST_OWN,
    OPTION_DEVICES,
    OPTION_BATCH,
    OPTION_JSON,
};

static const struct option long_options[] = {
    CLI_MODEL_LONG_OPTIONS,
    {"kernels", no_argument, NULL, OPTION_KERNELS},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"json", required_argument, NULL, OPTION_JSON},
    CLI_COMMON_LONG_OPTIONS,
};

struct info_options {
    struct cli_model model;
    const char *devices;
    const char *json_path;
    long batch;
    bool kernels;
    bool text;
};

/* What the library or OpenCL look at. */
static const char *const variables[] = {"POCL_DEVICES",  "TF2_KEEP_POCL_DEVICES", "TF2_VECTOR_WIDTH", "TF2_DOT",
                                        "TF2_CACHE_DIR", "XDG_CACHE_HOME",        "POCL_CACHE_DIR",   "OCL_ICD_VENDORS"};

#define N_VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* Counts in steps of 1000. */
static void format_count(double n, char text[32])
{
    static const char units[] = " kMGT";
    size_t u = 0;
    while (n >= 10000 && units[u + 1]) {
        n /= 1000;
        u++;
    }
    snprintf(text, 32, u ? "%.1f %c" : "%.0f%c", n, u ? units[u] : ' ');
}

static json_t *device_json(const struct tf2_device_info *d)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", cli_text_json(d->id));
    json_object_set_new(object, "name", cli_text_json(d->name));
    json_object_set_new(object, "vendor", cli_text_json(d->vendor));
    json_object_set_new(object, "driver", cli_text_json(d->driver));
    json_object_set_new(object, "type", cli_text_json(d->type));
    json_object_set_new(object, "vector_width", json_integer(d->vector_width));
    json_object_set_new(object, "compute_units", json_integer(d->compute_units));
    json_object_set_new(object, "memory_bytes", json_integer((json_int_t)d->memory_bytes));
    return object;
}

static void print_device(const struct tf2_device_info *d)
{
    printf("%-6s %s%s%s\n", d->id, d->vendor, *d->vendor ? " " : "", d->name);
    printf(
        "       %s, %u unit%s, %u float lanes", d->type, d->compute_units, d->compute_units == 1 ? "" : "s",
        d->vector_width);
    if (d->memory_bytes)
        printf(", %.1f GiB", (double)d->memory_bytes / (1 << 30));
    printf("\n       %s\n", d->driver);
}

static void show_devices(const struct info_options *o, const struct tf2_devices *devices, json_t *array)
{
    for (size_t i = 0; devices && i < tf2_devices_count(devices); i++) {
        struct tf2_device_info info;
        if (tf2_devices_info(devices, i, &info) != TF2_OK)
            continue;
        if (o->text)
            print_device(&info);
        json_array_append_new(array, device_json(&info));
    }
}

/* `before`: the values that the variables had before the library set some. */
static void show_environment(const struct info_options *o, char *const *before, json_t *root)
{
    char cache[4096];
    json_t *object = json_object();
    tf2_devices_cache_dir(cache, sizeof(cache));
    if (o->text) {
        printf("\nKernel cache  %s\n", *cache ? cache : "none");
        printf("Environment\n");
    }
    for (size_t i = 0; i < N_VARIABLES; i++) {
        const char *now = getenv(variables[i]);
        json_object_set_new(object, variables[i], cli_text_json(now));
        if (o->text)
            printf(
                "  %-22s %s%s\n", variables[i], now ? now : "(unset)",
                now && !before[i] ? "  (set by the library)" : "");
    }
    json_object_set_new(root, "cache_directory", cli_text_json(*cache ? cache : NULL));
    json_object_set_new(root, "environment", object);
}

static json_t *tensor_json(const struct tf2_tensor_info *t)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", cli_text_json(t->name));
    json_object_set_new(object, "dtype", cli_text_json(tf2_dtype_name(t->dtype)));
    json_object_set_new(object, "shape", cli_shape_json(&t->shape));
    return object;
}

static json_t *show_tensors(
    const struct info_options *o, const struct tf2_model *model, const char *title, size_t n,
    enum tf2_status (*get)(const struct tf2_model *, size_t, struct tf2_tensor_info *))
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        struct tf2_tensor_info info;
        char shape[128];
        if (get(model, i, &info) != TF2_OK)
            continue;
        if (o->text)
            printf(
                "  %-8s %-24s %-18s %s\n", title, info.name,
                tf2_shape_format(&info.shape, shape, sizeof(shape)), tf2_dtype_name(info.dtype));
        json_array_append_new(array, tensor_json(&info));
    }
    return array;
}

/* What a .tf2 file says of pixels. */
static void print_preprocess(const struct tf2_preprocess *p, const char *channels, double scale)
{
    const float *mean = p->mean;
    bool plain = mean[0] == 0 && mean[1] == 0 && mean[2] == 0 && mean[3] == 0 && scale == 1;
    if (plain)
        printf("  pixels   as they are, %s\n", channels);
    else
        printf(
            "  pixels   (value - mean) * scale, %s, mean %g,%g,%g, scale %g\n", channels, mean[0], mean[1],
            mean[2], scale);
}

static void show_preprocess(const struct info_options *o, const struct tf2_preprocess *p, json_t *model)
{
    const char *channels = p->channels == TF2_CHANNELS_BGR ? "bgr" : "rgb";
    double scale = p->scale == 0 ? 1 : (double)p->scale;
    json_t *means = json_array();
    for (size_t c = 0; c < 4; c++)
        json_array_append_new(means, cli_real_json(p->mean[c]));
    if (o->text)
        print_preprocess(p, channels, scale);
    json_object_set_new(
        model, "preprocess",
        json_pack("{s:s, s:o, s:o}", "channels", channels, "mean", means, "scale", cli_real_json(scale)));
}

static void show_labels(const struct info_options *o, const struct tf2_model *model, size_t n, json_t *object)
{
    json_t *array = json_array();
    if (o->text)
        printf(n ? "  labels   %zu: " : "  labels   none", n);
    for (size_t i = 0; i < n; i++) {
        const char *text = tf2_model_label(model, i);
        json_array_append_new(array, cli_text_json(text));
        if (o->text && i < 3)
            printf("%s%s", i ? ", " : "", text);
    }
    if (o->text)
        puts(n > 3 ? ", ..." : "");
    json_object_set_new(object, "labels", array);
}

static void show_facts(const struct info_options *o, const struct tf2_model *model, json_t *model_object)
{
    struct tf2_fact fact;
    json_t *object = json_object();
    for (size_t i = 0; tf2_model_fact(model, i, &fact) == TF2_OK; i++) {
        if (o->text)
            printf("  fact     %-30s %s\n", fact.key, fact.value);
        json_object_set_new(object, fact.key, cli_text_json(fact.value));
    }
    json_object_set_new(model_object, "facts", object);
}

/* What only a .tf2 file has. */
static void show_contents(
    const struct info_options *o, const struct tf2_model *model, const struct tf2_model_info *info,
    json_t *object)
{
    show_preprocess(o, &info->preprocess, object);
    show_labels(o, model, info->n_labels, object);
    if (o->text)
        printf("  example  %s\n", info->has_example ? "yes, see tf2-run --self-test" : "none");
    json_object_set_new(object, "example", json_boolean(info->has_example));
    show_facts(o, model, object);
}

static void show_model(const struct info_options *o, const struct tf2_model *model, bool random, json_t *root)
{
    struct tf2_model_info info;
    char macs[32], int8[64] = "";
    json_t *object = json_object();
    tf2_model_info(model, &info);
    format_count((double)info.macs, macs);
    if (info.n_int8_nodes > 0)
        snprintf(
            int8, sizeof(int8), " (%zu int8, %zu float32)", info.n_int8_nodes,
            info.n_nodes - info.n_int8_nodes);
    if (o->text)
        printf(
            "\n%s\n  %zu node%s%s, %sMAC a run, %.2f MB of weights%s\n", o->model.path, info.n_nodes,
            info.n_nodes == 1 ? "" : "s", int8, macs, (double)info.weights_bytes / 1e6,
            random ? " (made up: none given)" : "");
    json_object_set_new(object, "path", cli_text_json(o->model.path));
    json_object_set_new(object, "name", cli_text_json(info.name));
    json_object_set_new(object, "nodes", json_integer((json_int_t)info.n_nodes));
    json_object_set_new(object, "int8_nodes", json_integer((json_int_t)info.n_int8_nodes));
    json_object_set_new(object, "macs", json_integer(info.macs));
    json_object_set_new(object, "weights_bytes", json_integer((json_int_t)info.weights_bytes));
    json_object_set_new(object, "random_weights", json_boolean(random));
    json_object_set_new(object, "inputs", show_tensors(o, model, "input", info.n_inputs, tf2_model_input));
    json_object_set_new(
        object, "outputs", show_tensors(o, model, "output", info.n_outputs, tf2_model_output));
    if (cli_is_tf2(o->model.path))
        show_contents(o, model, &info, object);
    json_object_set_new(root, "model", object);
}

static void show_steps(const struct info_options *o, const struct tf2_session *session, json_t *root)
{
    struct tf2_session_stats stats;
    json_t *array = json_array();
    tf2_session_stats(session, &stats);
    if (o->text) {
        printf(
            "\nAs prepared: %.2f MB of weights, %.2f MB for tensors (at least %.2f MB)\n",
            (double)stats.weights_bytes / 1e6, (double)stats.arena_bytes / 1e6,
            (double)stats.live_bytes / 1e6);
        printf("  %-36s %-12s %-24s %10s\n", "step", "op", "kernel", "MMAC");
    }
    for (size_t i = 0; i < stats.n_steps; i++) {
        struct tf2_step_info step;
        json_t *object = json_object();
        if (tf2_session_step(session, i, &step) != TF2_OK)
            continue;
        if (o->text)
            printf(
                "  %-36.36s %-12s %-24s %10.3f\n", step.name, step.op, step.kernel, (double)step.macs / 1e6);
        json_object_set_new(object, "name", cli_text_json(step.name));
        json_object_set_new(object, "op", cli_text_json(step.op));
        json_object_set_new(object, "kernel", cli_text_json(step.kernel));
        json_object_set_new(object, "macs", json_integer(step.macs));
        json_array_append_new(array, object);
    }
    json_object_set_new(root, "steps", array);
}

static int show_kernels(
    const struct info_options *o, const struct tf2_model *model, struct tf2_devices *devices, json_t *root)
{
    struct tf2_session_options options;
    struct tf2_session *session = NULL;
    struct tf2_error error;
    cli_session_options(&o->model, model, o->batch, &options);
    if (tf2_session_create(model, devices, 0, &options, &session, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    show_steps(o, session, root);
    tf2_session_destroy(&session);
    return 0;
}

/* Opens what there is. No device at all is an answer here, not a failure, unless certain ones were asked for.
 */
static int open_devices(const struct info_options *o, struct tf2_devices **devices, json_t *root)
{
    struct tf2_error error;
    enum tf2_status status = tf2_devices_open(o->devices, NULL, devices, &error);
    if (status == TF2_OK)
        return 0;
    if (o->devices || o->kernels || status != TF2_ERR_NO_DEVICE)
        return cli_fail("%s", error.message);
    if (o->text)
        printf("No OpenCL device: %s\n", error.message);
    json_object_set_new(root, "devices_error", cli_text_json(error.message));
    return 0;
}

static int show_all(struct info_options *o, json_t *root, char *const *before)
{
    struct tf2_devices *devices = NULL, *host = NULL;
    struct tf2_model *model = NULL;
    struct tf2_error error;
    bool random = false;
    json_t *array = json_array();
    json_object_set_new(root, "version", cli_text_json(TF2_VERSION_STRING));
    json_object_set_new(root, "devices", array);
    if (o->text)
        printf("libtf2 %s\n\n", TF2_VERSION_STRING);
    int result = open_devices(o, &devices, root);
    if (result == 0) {
        show_devices(o, devices, array);
        if (!o->devices && tf2_devices_open("host", NULL, &host, NULL) == TF2_OK)
            show_devices(o, host, array);
        show_environment(o, before, root);
    }
    if (result == 0 && o->model.path) {
        if (cli_model_import(&o->model, 1, &model, &random, &error) == TF2_OK)
            show_model(o, model, random, root);
        else
            result = cli_fail("%s", error.message);
    }
    if (result == 0 && o->kernels)
        result = show_kernels(o, model, devices, root);
    tf2_model_destroy(&model);
    tf2_devices_close(&host);
    tf2_devices_close(&devices);
    return result;
}

/* The library changes the environment when it opens devices, so this is remembered first. */
static int run(struct info_options *o)
{
    char *before[N_VARIABLES];
    json_t *root = json_object();
    for (size_t i = 0; i < N_VARIABLES; i++)
        before[i] = getenv(variables[i]) ? cli_strdup(getenv(variables[i])) : NULL;
    int result = show_all(o, root, before);
    for (size_t i = 0; i < N_VARIABLES; i++)
        free(before[i]);
    if (result == 0 && o->json_path)
        return cli_write_json(root, o->json_path);
    json_decref(root);
    return result;
}

static int take_option(void *to, int option, char **argv)
{
    struct info_options *o = to;
    if (cli_model_owns(option))
        return cli_model_take(&o->model, option, optarg) ? 0 : 2;
    switch (option) {
    case OPTION_KERNELS:
        o->kernels = true;
        return 0;
    case OPTION_DEVICES:
        o->devices = optarg;
        return 0;
    case OPTION_BATCH:
        return cli_parse_long("--batch", optarg, 1, 65536, &o->batch) ? 0 : 2;
    case OPTION_JSON:
        o->json_path = optarg;
        return 0;
    default:
        return cli_bad_option(option, argv);
    }
}

static const struct cli_options options = {.help = help, .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    static struct info_options o;
    int result = cli_take_options(&options, argc, argv, &o);
    if (result != CLI_GO_ON)
        return result;
    if (optind < argc)
        o.model.path = argv[optind++];
    if (optind < argc)
        o.model.weights_path = argv[optind++];
    if (optind < argc)
        return cli_usage("%s: too many arguments, wanted MODEL and WEIGHTS at most", argv[optind]);
    if (!o.model.path && (o.kernels || o.model.import.n_input_shapes || o.model.import.n_outputs || o.batch))
        return cli_usage("--kernels, --batch, --input and --output need a MODEL");
    o.model.shapes_at_run = o.kernels;
    result = o.model.path ? cli_model_check(&o.model) : 0;
    if (result != 0)
        return result;
    o.text = !o.json_path || strcmp(o.json_path, "-") != 0;
    result = run(&o);
    cli_model_finish(&o.model);
    int flushed = cli_finish_stdout();
    return result ? result : flushed;
}
