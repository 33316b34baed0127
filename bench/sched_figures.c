/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_figures.c: the figures of tf2-sched-bench. Each makes an engine of its own. Rates are taken while a
 * load keeps twice as many requests under way as there are devices, so that none waits for the caller.
 */
#include "sched_bench.h"

#include <stdio.h>
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
    const struct sched_bench *bench, struct tf2_engine *engine, struct tf2_accelerator *accelerator,
    unsigned depth, double *rate)
{
    struct sched_load load;
    int result = sched_load_open(&load, engine, accelerator, depth, NULL);
    if (result == 0)
        result = sched_load_start(&load);
    if (result == 0) {
        sched_sleep_s(WARMUP_S);
        *rate = sched_load_rate(&load, bench->duration_s);
        result = sched_load_stop(&load);
    }
    sched_load_close(&load);
    return result;
}

/* The times of requests that are made one after the other, in ns. */
static int measure_latency(
    const struct sched_bench *bench, struct tf2_engine *engine, struct tf2_accelerator *accelerator,
    double *p50, double *p99)
{
    struct sched_load load;
    int result = sched_load_open(&load, engine, accelerator, 1, NULL);
    for (int i = 0; i < 20 && result == 0; i++)
        result = sched_load_once(&load);
    if (result == 0)
        memset(load.latency_ns, 0, sizeof(*load.latency_ns));
    const uint64_t until_ns = sched_now_ns() + (uint64_t)(bench->duration_s * 1e9);
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
        result = measure_rate(bench, engine, accelerator, 64, &rate);
    if (result == 0)
        result = measure_latency(bench, engine, accelerator, &p50, &p99);
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

/* --- rates by placement --- */

/* The rate of a model placed on the first n devices. */
static int rate_on(
    struct sched_bench *bench, struct tf2_model *model, enum tf2_placement placement, size_t n,
    unsigned depth, double *rate)
{
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *accelerator = NULL;
    size_t devices[64];
    for (size_t i = 0; i < n && i < 64; i++)
        devices[i] = i;
    const struct tf2_load_options options = {.placement = placement, .devices = devices, .n_devices = n};
    int result = open_engine(bench, &engine);
    if (result == 0)
        result = load_model(engine, model, &options, &accelerator);
    if (result == 0)
        result = measure_rate(bench, engine, accelerator, depth, rate);
    tf2_accelerator_close(&accelerator);
    tf2_engine_destroy(&engine);
    return result;
}

/* What is asked of a placement; "": nothing. */
static void asked_of(enum tf2_placement placement, const char *name, size_t n, char *text, size_t size)
{
    const bool is_resnet = strcmp(name, "resnet50") == 0;
    *text = 0;
    if (placement == TF2_PLACEMENT_REPLICATE)
        snprintf(text, size, ">= %.2f", 0.95 * (double)n);
    else if (placement == TF2_PLACEMENT_PIPELINE && n == 2 && is_resnet)
        snprintf(text, size, ">= 1.6");
    else if (placement == TF2_PLACEMENT_SPLIT && n == 2)
        snprintf(text, size, ">= 1.72 (0.58 of the time)");
}

/* Rate over n devices against one. depth 1: one request at a time, so it is the latency that counts. */
static int speedup(
    struct sched_bench *bench, const char *name, struct tf2_model *model, enum tf2_placement placement,
    bool latency)
{
    char asked[32];
    const unsigned depth = latency ? 1 : 2 * (unsigned)bench->n_devices + 2;
    double one = 0, all = 0;
    int result = rate_on(bench, model, TF2_PLACEMENT_REPLICATE, 1, latency ? 1 : 4, &one);
    if (result == 0)
        result = rate_on(bench, model, placement, bench->n_devices, depth, &all);
    asked_of(placement, name, bench->n_devices, asked, sizeof(asked));
    if (result == 0)
        sched_report(
            bench, asked, all / one, "x",
            "%s int8, %s on %zu devices: %s against one (%.1f/s)", name, tf2_placement_name(placement),
            bench->n_devices, latency ? "speed of one request" : "rate", one);
    return result;
}

static int speedups(struct sched_bench *bench, enum tf2_placement placement, bool latency)
{
    if (bench->n_devices < 2)
        return 0;
    int result = speedup(bench, "squeezenet", sched_squeezenet(bench), placement, latency);
    if (result == 0)
        result = speedup(bench, "resnet50", sched_resnet50(bench), placement, latency);
    return result;
}

int sched_scaling(struct sched_bench *bench)
{
    return speedups(bench, TF2_PLACEMENT_REPLICATE, false);
}

int sched_split(struct sched_bench *bench)
{
    return speedups(bench, TF2_PLACEMENT_SPLIT, true);
}

int sched_pipeline(struct sched_bench *bench)
{
    return speedups(bench, TF2_PLACEMENT_PIPELINE, false);
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
        result = measure_latency(bench, engine, small, &alone, &alone99);
    if (result == 0)
        result = sched_load_open(&greedy, engine, small, 10000, NULL);
    greedy.once = true;
    if (result == 0)
        result = sched_load_start(&greedy);
    if (result == 0)
        result = measure_latency(bench, engine, small, &p50, &p99);
    if (result == 0) {
        sched_report(
            bench, "<= 2", (p99 - alone99) / alone, "service times",
            "what a client with 10000 requests adds to another's p99 (p50 alone: %.3f ms)", alone * 1e-6);
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
            bench, "-3 to 3", 100 * (beside / alone - 1), "%",
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

static int stream_on_one(
    struct sched_bench *bench, size_t budget_bytes, double *rate, struct tf2_accelerator_stats *stats)
{
    static const size_t first = 0;
    struct tf2_engine *engine = NULL;
    struct tf2_accelerator *large = NULL;
    const struct tf2_load_options options = {
        .placement = TF2_PLACEMENT_REPLICATE,
        .devices = &first,
        .n_devices = 1,
        .weight_budget_bytes = budget_bytes};
    int result = open_engine(bench, &engine);
    if (result == 0)
        result = load_model(engine, sched_resnet50(bench), &options, &large);
    if (result == 0)
        result = measure_rate(bench, engine, large, 4, rate);
    if (result == 0)
        tf2_accelerator_stats(large, stats);
    tf2_accelerator_close(&large);
    tf2_engine_destroy(&engine);
    return result;
}

/* ResNet-50 with an eighth of its weights on the device. */
int sched_streaming(struct sched_bench *bench)
{
    struct tf2_accelerator_stats all = {0}, streamed = {0};
    double resident = 0, rate = 0;
    int result = stream_on_one(bench, 0, &resident, &all);
    if (result == 0)
        result = stream_on_one(bench, all.weights_bytes / 8, &rate, &streamed);
    if (result != 0)
        return result;
    sched_report(
        bench, ">= 0.93", rate / resident, "x",
        "resnet50 int8 in 1/8 of its %.1f MB, rate against all on the device",
        (double)all.weights_bytes * 1e-6);
    sched_report(
        bench, ">= 90 %",
        streamed.transfer_ns ? 100 - 100 * (double)streamed.stall_ns / (double)streamed.transfer_ns : 0, "%",
        "the same: share of the transfers' time that is hidden (%.1f MB moved)",
        (double)streamed.streamed_bytes * 1e-6);
    return 0;
}
