/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2-run.c: runs a model on images and arrays, and tells the best classes or a summary of its outputs.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char cli_program[] = "tf2-run";

static const char help[] =
    "Usage: tf2-run [OPTION]... MODEL [WEIGHTS.caffemodel] INPUT...\n"
    "       tf2-run --self-test [--devices SPEC] MODEL.tf2\n"
    "Runs a network on each INPUT and prints the best classes, or a summary of the outputs.\n"
    "\n"
    "MODEL is a .tf2 file (see tf2-convert), a Caffe .prototxt with its .caffemodel, an .onnx or .tflite file, or a\n"
    "TensorFlow .pb file or SavedModel. INPUT is an image (JPEG, PNG, BMP, PPM, PGM), a NumPy .npy file, or\n"
    "a directory of these (sorted by name). A .npy of N items on the batch axis runs as N images; float32\n"
    "goes in as it is, uint8 is preprocessed like an image. A model with several inputs takes NAME=FILE for\n"
    "each.\n"
    "\n"
    "A .tf2 file brings its preprocessing and labels along; options for these take their place. Its outputs\n"
    "are fixed, so it takes no --output.\n"
    "\n"
    "The model:\n" CLI_MODEL_HELP "\n"
    "Images:\n" CLI_PREPROCESS_HELP
    "  --crop               cut the middle out, to keep the aspect ratio (default: stretch)\n"
    "\n"
    "Results:\n"
    "  --labels FILE        names of the classes, one a line\n"
    "  --top N              how many classes are told (default 5)\n"
    "  --npy-out DIR        write outputs as DIR/INPUTNAME.OUTPUTNAME.npy: the input file's name without\n"
    "                       directory and extension; all items of a .npy input in one file\n"
    "  --json FILE          write results as JSON; - writes them to standard output, instead of text\n"
    "\n"
    "Running:\n"
    "  --devices SPEC       all (default), a number of devices, cl:I or host; they share the files\n"
    "  --placement P        replicate (default): each image on one device; pipeline: layers are cut into a stage\n"
    "                       for each device; split: every layer on all devices at once; auto: the quickest for one\n"
    "                       image\n"
    "  --batch N            images at a time (default 1, or as --input says)\n"
    "  --self-test          run the example in a .tf2 file on each device, and compare with the outputs in "
    "it\n"
    "\n"
    "  -h, --help           this text\n"
    "      --version        the version\n"
    "\n"
    "Exit status: 0 done, 1 it failed, 2 wrong usage.\n";

enum {
    OPTION_LABELS = CLI_OPTION_FIRST_OWN,
    OPTION_TOP,
    OPTION_NPY_OUT,
    OPTION_JSON,
    OPTION_DEVICES,
    OPTION_PLACEMENT,
    OPTION_BATCH,
    OPTION_CROP,
    OPTION_SELF_TEST,
};

static const struct option long_options[] = {
    CLI_MODEL_LONG_OPTIONS,
    CLI_PREPROCESS_LONG_OPTIONS,
    {"labels", required_argument, NULL, OPTION_LABELS},
    {"top", required_argument, NULL, OPTION_TOP},
    {"npy-out", required_argument, NULL, OPTION_NPY_OUT},
    {"json", required_argument, NULL, OPTION_JSON},
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"placement", required_argument, NULL, OPTION_PLACEMENT},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"crop", no_argument, NULL, OPTION_CROP},
    {"self-test", no_argument, NULL, OPTION_SELF_TEST},
    CLI_COMMON_LONG_OPTIONS,
};

/* 0, or the exit status after a message. */
static int take_option(void *to, int option, char **argv)
{
    struct run_options *o = to;
    if (cli_model_owns(option))
        return cli_model_take(&o->model, option, optarg) ? 0 : 2;
    switch (option) {
    case OPTION_LABELS:
        o->labels_path = optarg;
        return 0;
    case OPTION_TOP:
        return cli_parse_long("--top", optarg, 1, 1000000, &o->n_top) ? 0 : 2;
    case OPTION_NPY_OUT:
        o->npy_dir = optarg;
        return 0;
    case OPTION_JSON:
        o->json_path = optarg;
        return 0;
    case OPTION_DEVICES:
        o->devices = optarg;
        return 0;
    case OPTION_PLACEMENT:
        if (tf2_placement_parse(optarg, &o->placement))
            return 0;
        return cli_usage("placement \"%s\" is not known, wanted replicate, pipeline, split or auto", optarg);
    case OPTION_BATCH:
        return cli_parse_long("--batch", optarg, 1, 65536, &o->batch) ? 0 : 2;
    case OPTION_CROP:
        o->fit = TF2_FIT_CENTER_CROP;
        return 0;
    case OPTION_SELF_TEST:
        o->self_test = true;
        return 0;
    default:
        return cli_bad_option(option, argv);
    }
}

static int prepare_npy_dir(const char *path)
{
    struct stat info;
    if (!path || mkdir(path, 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return cli_fail("%s: directory cannot be made: %s", path, strerror(errno));
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return cli_fail("%s: not a directory", path);
    return 0;
}

/* Shapes as they are loaded, and how items lie in them. */
static int read_shapes(struct run_task *task, const struct tf2_accelerator *accelerator)
{
    for (size_t i = 0; i < task->info.n_inputs; i++)
        tf2_accelerator_input(accelerator, i, &task->inputs[i]);
    for (size_t o = 0; o < task->info.n_outputs; o++)
        tf2_accelerator_output(accelerator, o, &task->outputs[o]);
    return run_task_find_batch(task);
}

static int write_results(struct run_report *report, const struct run_options *o)
{
    json_t *results = report->results;
    report->results = NULL;
    if (!results)
        return 0;
    return cli_write_json(
        json_pack("{s:o, s:o}", "model", cli_text_json(o->model.path), "results", results), o->json_path);
}

static int run_on(
    struct run_task *task, const struct run_jobs *jobs, struct tf2_client *client,
    struct tf2_accelerator *accelerator, size_t n_threads)
{
    const struct run_options *o = task->options;
    bool json_to_stdout = o->json_path && strcmp(o->json_path, "-") == 0;
    struct run_report report = {.task = task, .text = !json_to_stdout};
    int result = read_shapes(task, accelerator);
    if (result == 0 && !run_choose_classes(task))
        result = 1;
    if (result == 0)
        result = prepare_npy_dir(o->npy_dir);
    if (result != 0)
        return result;
    report.results = o->json_path ? json_array() : NULL;
    result = run_jobs_run(task, jobs, client, accelerator, n_threads, &report);
    if (result == 0)
        result = write_results(&report, o);
    json_decref(report.results);
    return result;
}

/* So many runs there are. */
static size_t count_runs(size_t n_jobs, int64_t batch)
{
    size_t per_run = batch > 0 ? (size_t)batch : 1;
    return (n_jobs + per_run - 1) / per_run;
}

/* A network is prepared on no more devices than there is work for, where each works alone. */
static int run_on_engine(struct run_task *task, const struct run_jobs *jobs, struct tf2_engine *engine)
{
    const struct run_options *o = task->options;
    struct tf2_session_options shapes;
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_client *client = NULL;
    struct tf2_error error;
    size_t devices[64], n_devices = tf2_engine_n_devices(engine);
    cli_session_options(&o->model, task->model, o->batch, &shapes);
    size_t n_runs = count_runs(jobs->n_jobs, shapes.batch);
    if (o->placement == TF2_PLACEMENT_REPLICATE && n_runs < n_devices)
        n_devices = n_runs;
    for (size_t k = 0; k < n_devices; k++)
        devices[k] = k;
    const struct tf2_load_options load = {
        .placement = o->placement,
        .objective = TF2_OBJECTIVE_LATENCY,
        .batch = shapes.batch,
        .input_shapes = shapes.input_shapes,
        .n_input_shapes = shapes.n_input_shapes,
        .devices = devices,
        .n_devices = n_devices};
    int result = 0;
    cli_progress("preparing %zu device%s", n_devices, n_devices == 1 ? "" : "s");
    if (tf2_accelerator_load(engine, task->model, &load, &accelerator, &error) != TF2_OK ||
        tf2_client_create(engine, NULL, &client, &error) != TF2_OK)
        result = cli_fail("%s", error.message);
    cli_progress_clear();
    size_t n_threads = n_devices * (o->placement == TF2_PLACEMENT_REPLICATE ? 1 : 2);
    if (result == 0)
        result = run_on(task, jobs, client, accelerator, n_runs < n_threads ? n_runs : n_threads);
    tf2_client_destroy(&client);
    tf2_accelerator_close(&accelerator);
    return result;
}

static int run_jobs_on_devices(struct run_task *task, const struct run_jobs *jobs)
{
    static const struct tf2_engine_options options = {.watchdog_ns = 600000000000u}; /* the host device is slow */
    struct tf2_devices *devices = NULL;
    struct tf2_engine *engine = NULL;
    struct tf2_error error;
    int result = 0;
    if (tf2_devices_open(task->options->devices, NULL, &devices, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    if (tf2_engine_create(devices, &options, &engine, &error) != TF2_OK)
        result = cli_fail("%s", error.message);
    tf2_devices_close(&devices);
    if (result == 0)
        result = run_on_engine(task, jobs, engine);
    tf2_engine_destroy(&engine);
    return result;
}

static int run_files(struct run_task *task, char **args, size_t n_args)
{
    struct run_jobs *jobs = cli_alloc(1, sizeof(*jobs));
    int result = run_task_read_labels(task);
    if (result == 0)
        result = run_jobs_make(jobs, task, args, n_args);
    if (result == 0)
        result = run_jobs_on_devices(task, jobs);
    run_jobs_finish(jobs);
    free(jobs);
    return result;
}

static int run(struct run_options *o, char **args, size_t n_args)
{
    struct run_task *task = cli_alloc(1, sizeof(*task));
    task->options = o;
    int result = run_task_read_model(task, &o->model);
    if (result == 0)
        result = o->self_test ? run_self_test(task) : run_files(task, args, n_args);
    run_task_finish(task);
    free(task);
    return result;
}

/* The example is what it is: nothing may be said about inputs. */
static int check_self_test(const struct run_options *o, size_t n_args)
{
    if (n_args > 0 || o->model.weights_path)
        return cli_usage("--self-test runs the example in MODEL.tf2, wanted no INPUT");
    if (o->model.import.n_input_shapes || o->batch || o->npy_dir || o->labels_path || o->fit ||
        cli_model_has_preprocess(&o->model))
        return cli_usage("--self-test takes no other options than --devices and --json");
    return 0;
}

static const struct cli_options options = {.help = help, .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    static struct run_options o = {
        .n_top = 5, .model.shapes_at_run = true, .placement = TF2_PLACEMENT_REPLICATE};
    int result = cli_take_options(&options, argc, argv, &o);
    if (result != CLI_GO_ON)
        return result;
    if (optind == argc)
        return cli_usage("no MODEL given");
    o.model.path = argv[optind++];
    if (optind < argc && cli_has_extension(argv[optind], ".caffemodel"))
        o.model.weights_path = argv[optind++];
    if (optind == argc && !o.self_test)
        return cli_usage("no INPUT given: an image, a .npy file or a directory");
    result = o.self_test ? check_self_test(&o, (size_t)(argc - optind)) : 0;
    if (result != 0)
        return result;
    result = run(&o, argv + optind, (size_t)(argc - optind));
    cli_model_finish(&o.model);
    int flushed = cli_finish_stdout();
    return result ? result : flushed;
}
