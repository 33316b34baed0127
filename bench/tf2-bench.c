/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2-bench.c: measures how fast networks run.
 */
#include "cli.h"
#include "driver.h"
#include "nets.h"
#include "quantize.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char cli_program[] = "tf2-bench";

#define N_TRACED_RUNS 65536

static const char help[] =
    "Usage: tf2-bench [OPTION]... NETWORK\n"
    "       tf2-bench [OPTION]... MODEL [WEIGHTS.caffemodel]\n"
    "Runs a network on random images as fast as it goes and tells images per second and latency.\n"
    "\n"
    "A built-in NETWORK has random weights: squeezenet (1.1), squeezenet1.0, googlenet, resnet18, resnet50,\n"
    "vgg16, alexnet, mobilenet_v1, mobilenet_v2, ssd_vgg, c3d, mtcnn_pnet, mtcnn_rnet, mtcnn_onet, or several\n"
    "one after the other: mtcnn (these three), facenet (mtcnn and squeezenet). MODEL is a file as for tf2-run,\n"
    "also a .tf2; a .prototxt without weights gets random ones.\n"
    "\n"
    "  --devices N|SPEC     how many devices, or all (default), cl:I or host\n"
    "  --inflight N         runs at the same time (default: as many as keep all devices busy)\n"
    "  --batch N            images a run (default 1, or as --input says)\n"
    "  --precision P        fp32 (default) or int8: then a network that is not a .tf2 is quantized first, on "
    "two\n"
    "                       random images, which is good enough for measuring speed; a .tf2 has its own\n"
    "  --placement P        replicate: every image on one device; pipeline: layers are cut into a stage for each\n"
    "                       device; split: every layer on all devices at once; auto (default): measured, for\n"
    "                       throughput\n"
    "  --weight-budget N    bytes that weights may take on a device, also as 3M or 1.5G; more is streamed\n" CLI_MODEL_HELP
    "  --duration S         seconds to measure (default 5)\n"
    "  --warmup S           seconds to run before (default 1)\n"
    "  --seed N             for weights and images (default 1)\n"
    "  --profile            time every step too, and list them\n"
    "  --trace FILE         write what ran when on which device, for chrome://tracing or Perfetto\n"
    "  --metrics FILE       write the engine's figures in the Prometheus text format; - writes to standard output\n"
    "  --json FILE          write the results as JSON; - writes to standard output, instead of text\n"
    "  -h, --help           this text\n"
    "      --version        the version\n"
    "\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum {
    OPTION_DEVICES = CLI_OPTION_FIRST_OWN,
    OPTION_INFLIGHT,
    OPTION_BATCH,
    OPTION_PRECISION,
    OPTION_PLACEMENT,
    OPTION_DURATION,
    OPTION_WARMUP,
    OPTION_SEED,
    OPTION_PROFILE,
    OPTION_TRACE,
    OPTION_METRICS,
    OPTION_WEIGHT_BUDGET,
    OPTION_JSON,
};

static const struct option long_options[] = {
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"inflight", required_argument, NULL, OPTION_INFLIGHT},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    {"placement", required_argument, NULL, OPTION_PLACEMENT},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"profile", no_argument, NULL, OPTION_PROFILE},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"metrics", required_argument, NULL, OPTION_METRICS},
    {"weight-budget", required_argument, NULL, OPTION_WEIGHT_BUDGET},
    {"json", required_argument, NULL, OPTION_JSON},
    CLI_MODEL_LONG_OPTIONS,
    CLI_COMMON_LONG_OPTIONS,
};

struct bench_options {
    struct cli_model model;
    const char *devices;
    const char *precision; /* NULL: not given */
    const char *trace_path;
    const char *metrics_path;
    const char *json_path;
    enum tf2_placement placement;
    size_t weight_budget_bytes;
    long inflight; /* 0: not given */
    long batch;    /* 0: not given */
    long seed;
    double duration_s;
    double warmup_s;
    bool profile;
};

static int take_precision(struct bench_options *o, const char *value)
{
    if (strcmp(value, "fp32") != 0 && strcmp(value, "int8") != 0)
        return cli_usage("precision \"%s\" is not available in this version, wanted fp32 or int8", value);
    o->precision = value;
    return 0;
}

static int take_placement(struct bench_options *o, const char *value)
{
    if (tf2_placement_parse(value, &o->placement))
        return 0;
    return cli_usage("placement \"%s\" is not known, wanted replicate, pipeline, split or auto", value);
}

/* "3000000", "3M", "1.5G", "64K": powers of 1024. */
static int take_budget(struct bench_options *o, const char *value)
{
    static const char units[] = "KMG";
    char *end;
    double bytes = strtod(value, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    bool ok = end != value && (!*end || (unit && !end[1]));
    for (const char *u = units; unit && u <= unit; u++)
        bytes *= 1024;
    if (!ok || !(bytes >= 1) || bytes > 1e15)
        return cli_usage("--weight-budget %s: wanted a number of bytes such as 3000000, 3M or 1.5G", value);
    o->weight_budget_bytes = (size_t)bytes;
    return 0;
}

/* 0, or the exit status after a message. */
static int take_option(void *to, int option, char **argv)
{
    struct bench_options *o = to;
    if (cli_model_owns(option))
        return cli_model_take(&o->model, option, optarg) ? 0 : 2;
    switch (option) {
    case OPTION_DEVICES:
        o->devices = optarg;
        return 0;
    case OPTION_INFLIGHT:
        return cli_parse_long("--inflight", optarg, 1, 65536, &o->inflight) ? 0 : 2;
    case OPTION_BATCH:
        return cli_parse_long("--batch", optarg, 1, 65536, &o->batch) ? 0 : 2;
    case OPTION_PRECISION:
        return take_precision(o, optarg);
    case OPTION_PLACEMENT:
        return take_placement(o, optarg);
    case OPTION_WEIGHT_BUDGET:
        return take_budget(o, optarg);
    case OPTION_METRICS:
        o->metrics_path = optarg;
        return 0;
    case OPTION_DURATION:
        return cli_parse_double("--duration", optarg, 0.001, 1e6, &o->duration_s) ? 0 : 2;
    case OPTION_WARMUP:
        return cli_parse_double("--warmup", optarg, 0, 1e6, &o->warmup_s) ? 0 : 2;
    case OPTION_SEED:
        return cli_parse_long("--seed", optarg, 1, LONG_MAX, &o->seed) ? 0 : 2;
    case OPTION_PROFILE:
        o->profile = true;
        return 0;
    case OPTION_TRACE:
        o->trace_path = optarg;
        return 0;
    case OPTION_JSON:
        o->json_path = optarg;
        return 0;
    default:
        return cli_bad_option(option, argv);
    }
}

/* Names for several networks, which run one after the other. */
static const struct {
    const char *name;
    const char *nets[BENCH_MAX_MODELS]; /* ended by NULL */
} groups[] = {
    {"mtcnn", {"mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet"}},
    {"facenet", {"mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet", "squeezenet"}},
};

/* The networks behind a built-in name: itself, or those of a group. */
static size_t find_builtin(const char *name, const char *nets[BENCH_MAX_MODELS])
{
    size_t n, n_nets = 0;
    const char *const *names = bench_net_names(&n);
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        while (strcmp(name, groups[g].name) == 0 && groups[g].nets[n_nets]) {
            nets[n_nets] = groups[g].nets[n_nets];
            n_nets++;
        }
    }
    if (n_nets > 0)
        return n_nets;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            nets[0] = names[i];
            return 1;
        }
    }
    return 0;
}

static int build_net(struct bench_setup *setup, const char *name, uint64_t seed)
{
    struct tf2_graph *graph = NULL;
    struct tf2_error error;
    enum tf2_status status = bench_net_build(name, seed, &graph, &error);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, name, NULL, &setup->models[setup->n_models], &error);
    tf2_graph_destroy(&graph);
    if (status != TF2_OK)
        return cli_fail("%s: %s", name, error.message);
    setup->n_models++;
    return 0;
}

/* A word that looks like a name, not like a file. */
static bool looks_like_name(const char *text)
{
    return !strpbrk(text, "./") && access(text, F_OK) != 0;
}

static int unknown_name(const char *name)
{
    char list[512] = "";
    size_t n, used = 0;
    const char *const *names = bench_net_names(&n);
    for (size_t i = 0; i < n && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s, ", names[i]);
    return cli_usage("%s is neither a file nor a built-in network, wanted %smtcnn or facenet", name, list);
}

static int import_model(struct bench_options *o, struct bench_setup *setup, bool *random)
{
    struct tf2_error error;
    int result = cli_model_check(&o->model);
    if (result != 0)
        return result;
    if (cli_model_import(&o->model, setup->seed, &setup->models[0], random, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    setup->n_models = 1;
    return 0;
}

static int make_models(struct bench_options *o, struct bench_setup *setup, bool *random)
{
    const char *nets[BENCH_MAX_MODELS];
    size_t n = find_builtin(o->model.path, nets);
    if (n > 0) {
        int result = 0;
        if (o->model.weights_path)
            return cli_usage("the built-in network %s takes no weights", o->model.path);
        if (o->model.import.n_input_shapes > 0 || o->model.import.n_outputs > 0)
            return cli_usage("the built-in network %s takes no --input or --output", o->model.path);
        *random = true;
        for (size_t i = 0; i < n && result == 0; i++)
            result = build_net(setup, nets[i], setup->seed);
        return result;
    }
    if (looks_like_name(o->model.path))
        return unknown_name(o->model.path);
    return import_model(o, setup, random);
}

static bool is_int8(const struct tf2_model *model)
{
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    return info.n_int8_nodes > 0;
}

/*
 * Makes the models int8 if that is wanted; *precision is what they are in the end. A file that was written as .tf2
 * is measured as it is.
 */
static int make_precision(const struct bench_options *o, struct bench_setup *setup, const char **precision)
{
    *precision = is_int8(setup->models[0]) ? "int8" : "fp32";
    if (!o->precision || strcmp(o->precision, *precision) == 0)
        return 0;
    if (cli_is_tf2(o->model.path) || strcmp(o->precision, "int8") != 0)
        return cli_usage("%s is %s, --precision says %s", o->model.path, *precision, o->precision);
    for (size_t m = 0; m < setup->n_models; m++) {
        struct tf2_error error;
        if (bench_quantize(&setup->models[m], setup->devices, setup->seed, &error) != TF2_OK)
            return cli_fail("%s: %s", o->model.path, error.message);
    }
    *precision = o->precision;
    return 0;
}

static int open_devices(const struct bench_options *o, struct bench_setup *setup)
{
    struct tf2_error error;
    if (tf2_devices_open(o->devices, NULL, &setup->devices, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    if (tf2_devices_count(setup->devices) > BENCH_MAX_DEVICES)
        return cli_usage("--devices %s: more than %d", o->devices ? o->devices : "all", BENCH_MAX_DEVICES);
    return 0;
}

static bool write_text(void *user, const char *text, size_t n_bytes)
{
    return fwrite(text, 1, n_bytes, user) == n_bytes;
}

typedef enum tf2_status
engine_report(const struct tf2_engine *, tf2_text_writer, void *user, struct tf2_error *);

/* One of the engine's own reports to a file; - is standard output. */
static int write_engine_report(engine_report *report, const struct tf2_engine *engine, const char *path)
{
    struct tf2_error error = {0};
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "w");
    if (!file)
        return cli_fail("%s: %s", path, strerror(errno));
    enum tf2_status status = report(engine, write_text, file, &error);
    bool closed = is_stdout ? fflush(file) == 0 : fclose(file) == 0;
    if (status != TF2_OK && status != TF2_ERR_IO)
        return cli_fail("%s: %s", path, error.message);
    return status == TF2_OK && closed ? 0 : cli_fail("%s: cannot be written", path);
}

static int write_report(const struct bench_options *o, const struct bench_report *report)
{
    int result = 0;
    if (!o->json_path || strcmp(o->json_path, "-") != 0) {
        bench_print(report);
        if (o->profile)
            bench_print_profile(report);
    }
    if (o->json_path)
        result = cli_write_json(bench_json(report), o->json_path);
    if (result == 0 && o->trace_path)
        result = write_engine_report(tf2_engine_write_trace, report->result->engine, o->trace_path);
    if (result == 0 && o->metrics_path)
        result = write_engine_report(tf2_engine_write_metrics, report->result->engine, o->metrics_path);
    return result;
}

static int
measure(const struct bench_options *o, const struct bench_setup *setup, const char *precision, bool random)
{
    struct bench_result *result = cli_alloc(1, sizeof(*result)); /* its histogram is large for a stack */
    struct tf2_error error = {0};
    int status = 0;
    if (bench_prepare(setup, result, &error) != TF2_OK || bench_measure(setup, result, &error) != TF2_OK) {
        status = cli_fail("%s: %s", o->model.path, error.message);
    } else {
        struct bench_report report = {
            .model = o->model.path,
            .random = random,
            .precision = precision,
            .setup = setup,
            .result = result,
        };
        bench_peak_measure(report.peaks);
        status = write_report(o, &report);
    }
    bench_finish(setup, result);
    free(result);
    return status;
}

static int run(struct bench_options *o)
{
    struct bench_setup setup = {
        .duration_s = o->duration_s,
        .warmup_s = o->warmup_s,
        .seed = (uint64_t)o->seed,
        .n_events = o->trace_path ? N_TRACED_RUNS : 0,
        .n_inflight = (size_t)o->inflight,
    };
    const char *precision = NULL;
    bool random = false;
    int result = make_models(o, &setup, &random);
    if (result == 0)
        result = open_devices(o, &setup);
    if (result == 0)
        result = make_precision(o, &setup, &precision);
    if (result == 0) {
        struct tf2_session_options shapes;
        cli_session_options(&o->model, setup.models[0], o->batch, &shapes);
        setup.load = (struct tf2_load_options){
            .placement = o->placement,
            .batch = shapes.batch,
            .input_shapes = shapes.input_shapes,
            .n_input_shapes = shapes.n_input_shapes,
            .weight_budget_bytes = o->weight_budget_bytes,
            .profile = o->profile};
        result = measure(o, &setup, precision, random);
    }
    for (size_t m = 0; m < setup.n_models; m++)
        tf2_model_destroy(&setup.models[m]);
    tf2_devices_close(&setup.devices);
    return result;
}

static const struct cli_options options = {.help = help, .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    static struct bench_options o = {.model.shapes_at_run = true, .seed = 1, .duration_s = 5, .warmup_s = 1};
    int result = cli_take_options(&options, argc, argv, &o);
    if (result != CLI_GO_ON)
        return result;
    if (optind == argc)
        return cli_usage("no NETWORK or MODEL given");
    o.model.path = argv[optind++];
    if (optind < argc)
        o.model.weights_path = argv[optind++];
    if (optind < argc)
        return cli_usage("%s: too many arguments, wanted MODEL and WEIGHTS at most", argv[optind]);
    result = run(&o);
    cli_model_finish(&o.model);
    int flushed = cli_finish_stdout();
    return result ? result : flushed;
}
