/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_figures.c: the figures of tf2-sched-bench. Each makes engines of its own. Rates are taken while a load
 * keeps twice as many requests under way as there are devices, so that none waits for the caller; what is
 * compared is measured in turns.
 */
#include "sched_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define WARMUP_S 0.3

/* --- engines and models --- */

static int open_engine(const struct sched_bench *bench, struct tf2_engine **engine)
{
    struct tf2_error error;
    return tf2_engine_create(bench->devices, NULL, engine, &error) == TF2_OK ? 0
                                                                             : cli_fail("%s", error.message);
}

static int load_model(
    struct tf2_engine *engine, struct tf2_model *model, const struct tf2_load_options *options,
    struct tf2_accelerator **accelerator)
{
    struct tf2_error error;
    if (!model)
        return 1;
    return tf2_accelerator_load(engine, model, options, accelerator, &error) == TF2_OK
               ? 0
               : cli_fail("%s", error.message);
}

/* x [1, 8] -> x: nothing to do for a device but to copy. */
static struct tf2_model *empty_model(void)
{
    const struct tf2_shape shape = {.n_dims = 2, .dim = {1, 8}};
    struct tf2_graph *graph = NULL;
    struct tf2_model *model = NULL;
    struct tf2_error error;
    tf2_tensor_id x, y;
    enum tf2_status status = tf2_graph_create(NULL, &graph, &error);
    if (status == TF2_OK)
        status = tf2_graph_add_input(graph, "x", TF2_DTYPE_F32, &shape, &x, &error);
    if (status == TF2_OK)
        status = tf2_graph_add_node(graph, TF2_OP_IDENTITY, "y", NULL, &x, 1, &y, &error);
    if (status == TF2_OK)
        status = tf2_graph_add_output(graph, y, NULL, &error);
    if (status == TF2_OK)
        status = tf2_model_from_graph(&graph, "empty", NULL, &model, &error);
    tf2_graph_destroy(&graph);
    if (status != TF2_OK)
        cli_fail("%s", error.message);
    return model;
}

/* Requests a second with `depth` under way. */
static int measure_rate(
    struct tf2_engine *engine, struct tf2_accelerator *accelerator, unsigned depth, double duration_s,
    double *rate)
{
    struct sched_load load;
    int result = sched_load_open(&load, engine, accelerator, depth, NULL);
    if (result == 0)
        result = sched_load_start(&load);
    if (result == 0) {
        sched_sleep_s(WARMUP_S);
        *rate = sched_load_rate(&load, duration_s);
        result = sched_load_stop(&load);
    }
    sched_load_close(&load);
    return result;
}

/* The times of requests that are made one after the other, in ns. */
static int measure_latency(
    struct tf2_engine *engine, struct tf2_accelerator *accelerator, double duration_s, double *p50, double *p99)
{
    struct sched_load load;
    int result = sched_load_open(&load, engine, accelerator, 1, NULL);
    for (int i = 0; i < 20 && result == 0; i++)
        result = sched_load_once(&load);
    if (result == 0)
        memset(load.latency_ns, 0, sizeof(*load.latency_ns));
    const uint64_t until_ns = sched_now_ns() + (uint64_t)(duration_s * 1e9);
    while (result == 0 && sched_now_ns() < until_ns)
        result = sched_load_once(&load);
    if (result == 0) {
        *p50 = histogram_quantile(load.latency_ns, 0.5);
        *p99 = histogram_quantile(load.latency_ns, 0.99);
    }
    sched_load_close(&load);
    return result;
}

/* --- overhead --- */

int sched_overhead(struct sched_bench *bench)
{
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_model *model = empty_model();
    const size_t devices[] = {0, 1}, n = bench->n_devices < 2 ? bench->n_devices : 2;
    const struct tf2_load_options options = {
        .placement = TF2_PLACEMENT_REPLICATE, .devices = devices, .n_devices = n};
    double rate = 0, p50 = 0, p99 = 0;
    int result = open_engine(bench, &engine);
    if (result == 0)
        result = load_model(engine, model, &options, &accelerator);
    if (result == 0)
        result = measure_rate(engine, accelerator, 64, bench->duration_s, &rate);
    if (result == 0)
        result = measure_latency(engine, accelerator, bench->duration_s, &p50, &p99);
    if (result == 0) {
        sched_report(bench, n == 2 ? "<= 10" : NULL, 1e6 / rate, "us", "an empty network on %zu devices: time for a request", n);
        sched_report(bench, NULL, p50 * 1e-3, "us", "the same, one after the other: p50 of submit and wait");
        sched_report(bench, NULL, p99 * 1e-3, "us", "the same: p99");
    }
    tf2_accelerator_close(&accelerator);
    tf2_engine_destroy(&engine);
    tf2_model_destroy(&model);
    return result;
}

/* --- two ways to run a model --- */

#define ROUNDS 5

/* A model in an engine of its own, and what is measured of it. */
struct placed {
    struct tf2_engine *engine;
    struct tf2_accelerator *accelerator;
    unsigned depth; /* requests under way: the rate; 0: one after the other, the median time */
};

static int open_placed(
    const struct sched_bench *bench, struct tf2_model *model, const struct tf2_load_options *options,
    struct placed *placed)
{
    int result = open_engine(bench, &placed->engine);
    return result ? result : load_model(placed->engine, model, options, &placed->accelerator);
}

static void close_placed(struct placed *placed)
{
    tf2_accelerator_close(&placed->accelerator);
    tf2_engine_destroy(&placed->engine);
}

static int measure(const struct placed *placed, double duration_s, double *value)
{
    double p99;
    if (placed->depth)
        return measure_rate(placed->engine, placed->accelerator, placed->depth, duration_s, value);
    return measure_latency(placed->engine, placed->accelerator, duration_s, value, &p99);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(*values), ascending);
    return values[ROUNDS / 2];
}

/* In turns, so that both see the same machine: medians of the first one's values and of the ratios second / first. */
static int compare(
    const struct sched_bench *bench, const struct placed *first, const struct placed *second, double *value,
    double *ratio)
{
    double values[ROUNDS], ratios[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double other = 0;
        int result = measure(first, bench->duration_s / ROUNDS, &values[i]);
        if (result == 0)
            result = measure(second, bench->duration_s / ROUNDS, &other);
        if (result != 0)
            return result;
        ratios[i] = other / values[i];
    }
    *value = median(values);
    *ratio = median(ratios);
    return 0;
}

/* --- placements --- */

/* A placement on all devices against a replica on one. */
static int compare_placement(
    const struct sched_bench *bench, struct tf2_model *model, enum tf2_placement placement, bool latency,
    double *value, double *ratio)
{
    size_t devices[64];
    for (size_t i = 0; i < bench->n_devices && i < 64; i++)
        devices[i] = i;
    const struct tf2_load_options of_one = {
        .placement = TF2_PLACEMENT_REPLICATE, .devices = devices, .n_devices = 1};
    const struct tf2_load_options of_all = {
        .placement = placement, .devices = devices, .n_devices = bench->n_devices};
    struct placed one = {.depth = latency ? 0 : 4};
    struct placed all = {.depth = latency ? 0 : 2 * (unsigned)bench->n_devices + 2};
    int result = open_placed(bench, model, &of_one, &one);
    if (result == 0)
        result = open_placed(bench, model, &of_all, &all);
    if (result == 0)
        result = compare(bench, &one, &all, value, ratio);
    close_placed(&all);
    close_placed(&one);
    return result;
}

/* asked: on two devices; NULL: nothing. */
static int report_placement(
    struct sched_bench *bench, const char *name, struct tf2_model *model, enum tf2_placement placement,
    bool latency, const char *asked)
{
    double value = 0, ratio = 0;
    if (bench->n_devices < 2)
        return 0;
    int result = compare_placement(bench, model, placement, latency, &value, &ratio);
    if (result == 0 && latency)
        sched_report(
            bench, bench->n_devices == 2 ? asked : NULL, ratio, "x",
            "%s int8, %s on %zu devices: p50 of one request against one (%.3f ms)", name,
            tf2_placement_name(placement), bench->n_devices, value * 1e-6);
    if (result == 0 && !latency)
        sched_report(
            bench, bench->n_devices == 2 ? asked : NULL, ratio, "x",
            "%s int8, %s on %zu devices: rate against one (%.1f/s)", name, tf2_placement_name(placement),
            bench->n_devices, value);
    return result;
}

static int report_placements(
    struct sched_bench *bench, enum tf2_placement placement, bool latency, const char *const asked[2])
{
    int result = report_placement(
        bench, "squeezenet", sched_squeezenet(bench), placement, latency, asked[0]);
    return result ? result
                  : report_placement(
                        bench, "resnet50", sched_resnet50(bench), placement, latency, asked[1]);
}

int sched_scaling(struct sched_bench *bench)
{
    static const char *const asked[] = {">= 1.9", ">= 1.9"};
    return report_placements(bench, TF2_PLACEMENT_REPLICATE, false, asked);
}

int sched_split(struct sched_bench *bench)
{
    static const char *const asked[] = {"<= 0.58", "<= 0.58"};
    return report_placements(bench, TF2_PLACEMENT_SPLIT, true, asked);
}

int sched_pipeline(struct sched_bench *bench)
{
    static const char *const asked[] = {NULL, ">= 1.6"};
    return report_placements(bench, TF2_PLACEMENT_PIPELINE, false, asked);
}

/* --- clients --- */

#define N_TENANTS 3

static int fill_engine(
    struct sched_bench *bench, struct tf2_engine **engine, struct tf2_accelerator **small,
    struct tf2_accelerator **large)
{
    int result = open_engine(bench, engine);
    if (result == 0)
        result = load_model(*engine, sched_squeezenet(bench), NULL, small);
    if (result == 0 && large)
        result = load_model(*engine, sched_resnet50(bench), NULL, large);
    return result;
}

static double device_s(const struct sched_load *load)
{
    struct tf2_client_stats stats = {0};
    tf2_client_stats(load->client, &stats);
    return (double)stats.device_ns * 1e-9;
}

/* Weights 1 : 2 : 4; the one of weight 2 has the heavy network. */
int sched_fairness(struct sched_bench *bench)
{
    static const char *const asked[N_TENANTS] = {"13.6 to 15.0", "27.1 to 30.0", "54.3 to 60.0"}; /* 1, 2, 4 of 7 +- 5 % */
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *small = NULL, *large = NULL;
    struct sched_load loads[N_TENANTS] = {{0}};
    double used[N_TENANTS], all = 0;
    int result = fill_engine(bench, &engine, &small, &large);
    for (int i = 0; i < N_TENANTS && result == 0; i++) {
        const struct tf2_client_options options = {.weight = 1 << i};
        result = sched_load_open(
            &loads[i], engine, i == 1 ? large : small, 4 + 2 * (unsigned)bench->n_devices, &options);
    }
    for (int i = 0; i < N_TENANTS && result == 0; i++)
        result = sched_load_start(&loads[i]);
    if (result == 0) {
        sched_sleep_s(WARMUP_S);
        for (int i = 0; i < N_TENANTS; i++)
            used[i] = device_s(&loads[i]);
        sched_sleep_s(bench->duration_s < 5 ? 5 : bench->duration_s);
        for (int i = 0; i < N_TENANTS; i++)
            all += used[i] = device_s(&loads[i]) - used[i];
        for (int i = 0; i < N_TENANTS; i++)
            sched_report(
                bench, asked[i], 100 * used[i] / all, "%", "share of the time of a client of weight %d, %s",
                1 << i, i == 1 ? "resnet50" : "squeezenet");
    }
    for (int i = 0; i < N_TENANTS; i++) {
        if (loads[i].client && sched_load_stop(&loads[i]) != 0)
            result = 1;
        sched_load_close(&loads[i]);
    }
    tf2_accelerator_close(&small);
    tf2_accelerator_close(&large);
    tf2_engine_destroy(&engine);
    return result;
}

/* One client has 10 000 requests waiting, another makes one after the other. */
int sched_greedy(struct sched_bench *bench)
{
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *small = NULL;
    struct sched_load greedy = {0};
    double alone = 0, alone99 = 0, p50 = 0, p99 = 0;
    int result = fill_engine(bench, &engine, &small, NULL);
    if (result == 0)
        result = measure_latency(engine, small, bench->duration_s, &alone, &alone99);
    if (result == 0)
        result = sched_load_open(&greedy, engine, small, 10000, NULL);
    greedy.once = true;
    if (result == 0)
        result = sched_load_start(&greedy);
    if (result == 0)
        result = measure_latency(engine, small, bench->duration_s, &p50, &p99);
    if (result == 0) {
        sched_report(
            bench, NULL, p50 / alone, "service times",
            "beside a client with 10000 requests: p50 of another's");
        sched_report(
            bench, "<= 2", (p99 - alone99) / alone, "service times", "the same: what its p99 is longer than alone");
    }
    sched_load_close(&greedy);
    tf2_accelerator_close(&small);
    tf2_engine_destroy(&engine);
    return result;
}

/* A client with a device for itself, first alone, then while two others flood. */
int sched_exclusive(struct sched_bench *bench)
{
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *small = NULL;
    struct sched_load own = {0}, flood[2] = {{0}};
    struct tf2_error error;
    double alone = 0, beside = 0;
    if (bench->n_devices < 2)
        return 0;
    int result = fill_engine(bench, &engine, &small, NULL);
    if (result == 0)
        result = sched_load_open(&own, engine, small, 2, NULL);
    for (int i = 0; i < 2 && result == 0; i++)
        result = sched_load_open(&flood[i], engine, small, 100, NULL);
    if (result == 0 && tf2_client_lease(own.client, 1, TF2_FOREVER, &error) != TF2_OK)
        result = cli_fail("%s", error.message);
    if (result == 0)
        result = sched_load_start(&own);
    if (result == 0) {
        sched_sleep_s(WARMUP_S);
        alone = sched_load_rate(&own, bench->duration_s);
        for (int i = 0; i < 2; i++)
            result |= sched_load_start(&flood[i]);
        sched_sleep_s(WARMUP_S);
        beside = sched_load_rate(&own, bench->duration_s);
        sched_report(
            bench, "within 3 %", 100 * (beside / alone - 1), "%",
            "change of the rate of a client with a device for itself (%.1f/s)", alone);
    }
    for (int i = 0; i < 2; i++) {
        if (flood[i].client)
            sched_load_stop(&flood[i]);
        sched_load_close(&flood[i]);
    }
    if (own.client)
        sched_load_stop(&own);
    sched_load_close(&own);
    tf2_accelerator_close(&small);
    tf2_engine_destroy(&engine);
    return result;
}

/* --- streaming --- */

/* ResNet-50 on one device, with an eighth of its weights there, against all of them. */
int sched_streaming(struct sched_bench *bench)
{
    static const size_t first = 0;
    struct tf2_load_options options = {
        .placement = TF2_PLACEMENT_REPLICATE, .devices = &first, .n_devices = 1};
    struct tf2_accelerator_stats all = {0}, streamed = {0};
    struct placed resident = {.depth = 4}, stream = {.depth = 4};
    double rate = 0, ratio = 0;
    int result = open_placed(bench, sched_resnet50(bench), &options, &resident);
    if (result == 0) {
        tf2_accelerator_stats(resident.accelerator, &all);
        options.weight_budget_bytes = all.weights_bytes / 8;
        result = open_placed(bench, sched_resnet50(bench), &options, &stream);
    }
    if (result == 0)
        result = compare(bench, &resident, &stream, &rate, &ratio);
    if (result == 0) {
        tf2_accelerator_stats(stream.accelerator, &streamed);
        const double stall = (double)streamed.stall_ns, transfer = (double)streamed.transfer_ns;
        sched_report(
            bench, ">= 0.93", ratio, "x", "resnet50 int8 in 1/8 of its %.1f MB, rate against all of them (%.1f/s)",
            (double)all.weights_bytes * 1e-6, rate);
        sched_report(
            bench, ">= 90 %", transfer > 0 ? 100 - 100 * stall / transfer : 0, "%",
            "the same: share of the transfers' time that is hidden (%.1f MB moved)",
            (double)streamed.streamed_bytes * 1e-6);
    }
    close_placed(&stream);
    close_placed(&resident);
    return result;
}
