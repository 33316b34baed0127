/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_bench.c: tf2-sched-bench, the figures of the scheduler. Not installed: it is for those who work on
 * it.
 */
#include "sched_bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "nets.h"
#include "quantize.h"

const char cli_program[] = "tf2-sched-bench";

static const struct {
    const char *name, *what;
    int (*measure)(struct sched_bench *bench);
} figures[] = {
    {"overhead", "what a request costs with an empty network", sched_overhead},
    {"scaling", "replicas on all devices against one", sched_scaling},
    {"fairness", "shares of clients of weights 1, 2 and 4", sched_fairness},
    {"greedy", "a client beside one with 10000 requests", sched_greedy},
    {"exclusive", "a client with a device for itself beside others", sched_exclusive},
    {"split", "every layer on all devices against one", sched_split},
    {"pipeline", "layers on different devices against one", sched_pipeline},
    {"streaming", "weights that are moved during runs", sched_streaming},
};

#define N_FIGURES (sizeof(figures) / sizeof(figures[0]))

static const char help[] =
    "Usage: tf2-sched-bench [OPTION]... [FIGURE]...\n"
    "Measures the scheduler: what is asked of it, and what it does on this machine.\n"
    "\n"
    "  --devices N|SPEC   how many devices, or all (default), cl:I or host\n"
    "  --duration S       seconds for each measurement (default 2; fairness at least 5)\n"
    "  --json FILE        write the results as JSON; - writes to standard output, instead of text\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "\n"
    "Figures (default: all):\n";

enum {
    OPTION_DEVICES = CLI_OPTION_FIRST_OWN,
    OPTION_DURATION,
    OPTION_JSON,
};

static const struct option long_options[] = {
    {"devices", required_argument, NULL, OPTION_DEVICES},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"json", required_argument, NULL, OPTION_JSON},
    CLI_COMMON_LONG_OPTIONS,
};

/* --- rows --- */

void sched_report(
    struct sched_bench *bench, const char *asked, double value, const char *unit, const char *format, ...)
{
    va_list args;
    if (bench->n_rows == SCHED_MAX_ROWS)
        return;
    struct sched_row *row = &bench->rows[bench->n_rows++];
    va_start(args, format);
    vsnprintf(row->what, sizeof(row->what), format, args);
    va_end(args);
    snprintf(row->measured, sizeof(row->measured), "%.4g %s", value, unit);
    snprintf(row->asked, sizeof(row->asked), "%s", asked ? asked : "");
    row->value = value;
    row->unit = unit;
}

static void print_rows(const struct sched_bench *bench, size_t first)
{
    cli_progress_clear();
    for (size_t i = first; i < bench->n_rows; i++) {
        const struct sched_row *row = &bench->rows[i];
        printf("%-84s | %-26s | %s\n", row->what, *row->asked ? row->asked : "-", row->measured);
    }
    fflush(stdout);
}

static json_t *rows_json(const struct sched_bench *bench)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < bench->n_rows; i++) {
        const struct sched_row *row = &bench->rows[i];
        json_array_append_new(
            rows, json_pack(
                      "{s:o, s:o, s:o, s:s}", "what", cli_text_json(row->what), "asked",
                      cli_text_json(*row->asked ? row->asked : NULL), "measured", cli_real_json(row->value), "unit", row->unit));
    }
    return json_pack(
        "{s:I, s:f, s:o}", "devices", (json_int_t)bench->n_devices, "duration_s", bench->duration_s,
        "figures", rows);
}

/* --- networks --- */

static struct tf2_model *make_net(struct sched_bench *bench, const char *name, struct tf2_model **model)
{
    struct tf2_graph *graph = NULL;
    struct tf2_error error;
    if (*model)
        return *model;
    cli_progress("making %s", name);
    enum tf2_status status = bench_net_build(name, 1, &graph, &error);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, name, NULL, model, &error);
    tf2_graph_destroy(&graph);
    if (status == TF2_OK)
        status = bench_quantize(model, bench->devices, 1, &error);
    cli_progress_clear();
    if (status == TF2_OK)
        return *model;
    tf2_model_destroy(model);
    cli_fail("%s: %s", name, error.message);
    return NULL;
}

struct tf2_model *sched_squeezenet(struct sched_bench *bench)
{
    return make_net(bench, "squeezenet", &bench->squeezenet);
}

struct tf2_model *sched_resnet50(struct sched_bench *bench)
{
    return make_net(bench, "resnet50", &bench->resnet50);
}

/* --- the program --- */

static void list_figures(void)
{
    for (size_t i = 0; i < N_FIGURES; i++)
        printf("  %-18s %s\n", figures[i].name, figures[i].what);
    fputs("\nExit status: 0 done, 1 it failed, 2 wrong usage.\n", stdout);
}

static size_t find_figure(const char *name)
{
    size_t i = 0;
    while (i < N_FIGURES && strcmp(figures[i].name, name) != 0)
        i++;
    return i;
}

/* names: n of them; none: all. */
static int measure(struct sched_bench *bench, char **names, int n, const char *json_path)
{
    const bool text = !json_path || strcmp(json_path, "-") != 0;
    int result = 0;
    if (text)
        printf("%-84s | %-26s | %s\n", "", "asked", "measured");
    for (size_t i = 0; i < N_FIGURES; i++) {
        const size_t first = bench->n_rows;
        bool wanted = n == 0;
        for (int k = 0; k < n; k++)
            wanted |= find_figure(names[k]) == i;
        if (!wanted)
            continue;
        cli_progress("%s", figures[i].name);
        result |= figures[i].measure(bench); /* the others are worth having all the same */
        if (text)
            print_rows(bench, first);
    }
    if (json_path && cli_write_json(rows_json(bench), json_path) != 0)
        return 1;
    return result;
}

struct bench_options {
    struct sched_bench *bench;
    const char *devices, *json_path;
};

static int take_option(void *to, int option, char **argv)
{
    struct bench_options *o = to;
    switch (option) {
    case OPTION_DEVICES:
        o->devices = optarg;
        return 0;
    case OPTION_JSON:
        o->json_path = optarg;
        return 0;
    case OPTION_DURATION:
        return cli_parse_double("--duration", optarg, 0.001, 1e4, &o->bench->duration_s) ? 0 : 2;
    default:
        return cli_bad_option(option, argv);
    }
}

static const struct cli_options options = {
    .help = help, .more_help = list_figures, .long_options = long_options, .take = take_option};

int main(int argc, char **argv)
{
    struct sched_bench bench = {.duration_s = 2};
    struct bench_options o = {.bench = &bench};
    struct tf2_error error;
    int result = cli_take_options(&options, argc, argv, &o);
    if (result != CLI_GO_ON)
        return result;
    for (int i = optind; i < argc; i++) {
        if (find_figure(argv[i]) == N_FIGURES)
            return cli_usage("there is no figure \"%s\"", argv[i]);
    }
    if (tf2_devices_open(o.devices, NULL, &bench.devices, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    bench.n_devices = tf2_devices_count(bench.devices);
    result = measure(&bench, argv + optind, argc - optind, o.json_path);
    tf2_model_destroy(&bench.squeezenet);
    tf2_model_destroy(&bench.resnet50);
    tf2_devices_close(&bench.devices);
    return result ? result : cli_finish_stdout();
}
