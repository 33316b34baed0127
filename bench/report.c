/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c: what tf2-bench tells.
 *
 * Steps are those of the first device (of a pipeline: of all its stages), averaged over its runs, warm-up included.
 */
#define _POSIX_C_SOURCE 200809L
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t peak_memory_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static double count_images(const struct bench_result *r)
{
    return (double)r->n_runs * (double)r->images_per_run;
}

static double fps(const struct bench_result *r)
{
    return r->wall_s > 0 ? count_images(r) / r->wall_s : 0;
}

static double gmacs(const struct bench_result *r)
{
    return r->wall_s > 0 ? (double)r->n_runs * (double)r->macs_per_run / r->wall_s * 1e-9 : 0;
}

static double utilization(const struct bench_report *report, size_t device)
{
    return (double)report->result->devices[device].busy_ns * 1e-9 / report->result->wall_s;
}

/* Cores behind the devices, 0 when one is no CPU: then the cores' peak says nothing. */
static uint32_t count_cores(const struct bench_report *report)
{
    uint32_t n = 0;
    for (size_t k = 0; k < report->result->n_devices; k++) {
        struct tf2_device_info info;
        if (tf2_devices_info(report->setup->devices, k, &info) != TF2_OK)
            return 0;
        if (strcmp(info.type, "cpu") != 0 && strcmp(info.type, "host") != 0)
            return 0;
        n += strcmp(info.type, "host") == 0 || info.compute_units == 0 ? 1 : info.compute_units;
    }
    return n;
}

static void print_head(const struct bench_report *report)
{
    const struct bench_setup *s = report->setup;
    const struct bench_result *r = report->result;
    printf("%s", report->model);
    if (report->random)
        printf(" (random weights, seed %llu)", (unsigned long long)s->seed);
    printf(
        "  %s  batch %lld  %s on %zu device%s\n", report->precision,
        (long long)r->images_per_run, tf2_placement_name(r->stats.placement), r->n_devices,
        r->n_devices == 1 ? "" : "s");
}

/* The unit that the bulk of the work runs on: the peak to compare with. AMX does several times as much, and is told
 * beside it. */
static const struct bench_peak *main_peak(const struct bench_report *report)
{
    if (strcmp(report->precision, "int8") != 0)
        return &report->peaks[BENCH_PEAK_FMA];
    if (report->peaks[BENCH_PEAK_VNNI].gmacs > 0)
        return &report->peaks[BENCH_PEAK_VNNI];
    return &report->peaks[BENCH_PEAK_AVX2];
}

static void print_share(const struct bench_report *report, const struct bench_peak *peak, uint32_t n_cores)
{
    if (peak->gmacs > 0)
        printf(
            ", %.0f %% of %.1f that %s reaches on %u core%s (%.1f each)",
            100 * gmacs(report->result) / (peak->gmacs * n_cores), peak->gmacs * n_cores, peak->kind, n_cores,
            n_cores == 1 ? "" : "s", peak->gmacs);
}

static void print_compute(const struct bench_report *report)
{
    const struct bench_result *r = report->result;
    uint32_t n_cores = count_cores(report);
    printf("  compute     %.1f GMAC/s", gmacs(r));
    if (n_cores > 0) {
        print_share(report, main_peak(report), n_cores);
        if (main_peak(report) == &report->peaks[BENCH_PEAK_VNNI])
            print_share(report, &report->peaks[BENCH_PEAK_AMX], n_cores);
    }
    printf(
        "\n              %.1f MMAC an image\n", (double)r->macs_per_run / (double)r->images_per_run * 1e-6);
}

/* The share of the time to move weights that computing did not have to wait for. */
static double hidden_ratio(const struct bench_result *r)
{
    if (r->stats.transfer_ns == 0)
        return 0;
    return 1 - fmin((double)r->stats.stall_ns / (double)r->stats.transfer_ns, 1);
}

/* Of a pipeline and a split each device works on every image. */
static unsigned long long device_images(const struct bench_report *report, size_t device)
{
    const struct bench_result *r = report->result;
    return r->devices[device].n_items / report->setup->n_models * (unsigned long long)r->images_per_run;
}

static void print_memory(const struct bench_result *r)
{
    printf(
        "  memory      weights %.1f MB in all, tensors %.2f MB (%.2f at once at least) a device; process peak %.1f "
        "MB\n",
        (double)r->stats.weights_bytes * 1e-6, (double)r->stats.arena_bytes * 1e-6, (double)r->stats.live_bytes * 1e-6,
        (double)peak_memory_bytes() * 1e-6);
    if (r->stats.streamed_bytes > 0)
        printf(
            "  streaming   %.1f MB of weights an image, %.1f %% of the transfer time hidden\n",
            (double)r->stats.streamed_bytes / count_images(r) * 1e-6, 100 * hidden_ratio(r));
}

void bench_print(const struct bench_report *report)
{
    const struct bench_result *r = report->result;
    const struct histogram *h = &r->latency_ns;
    print_head(report);
    printf("  throughput  %.2f fps (%.0f images in %.3f s)\n", fps(r), count_images(r), r->wall_s);
    printf(
        "  latency     min %.3f  mean %.3f  p50 %.3f  p90 %.3f  p99 %.3f  max %.3f ms\n",
        (double)h->min * 1e-6, histogram_mean(h) * 1e-6, histogram_quantile(h, 0.5) * 1e-6,
        histogram_quantile(h, 0.9) * 1e-6, histogram_quantile(h, 0.99) * 1e-6, (double)h->max * 1e-6);
    print_compute(report);
    print_memory(r);
    for (size_t k = 0; k < r->n_devices; k++) {
        struct tf2_device_info info;
        if (tf2_devices_info(report->setup->devices, k, &info) == TF2_OK)
            printf(
                "  %-10s  %5.1f %% busy  %8llu images  %s\n", info.id, 100 * utilization(report, k),
                device_images(report, k), info.name);
    }
}

/* A step with its time a run. */
struct layer {
    struct tf2_step_info info;
    double ms;
    double gmacs;
};

/* Steps of all models in order; the caller frees. */
static struct layer *read_layers(const struct bench_report *report, size_t *n_layers)
{
    const struct bench_result *r = report->result;
    struct tf2_step_info info;
    size_t n = 0, at = 0;
    for (size_t m = 0; m < report->setup->n_models; m++) {
        for (size_t i = 0; tf2_accelerator_step(r->accelerators[m], i, &info) == TF2_OK; i++)
            n++;
    }
    struct layer *layers = cli_alloc(n, sizeof(*layers));
    for (size_t m = 0; m < report->setup->n_models; m++) {
        for (size_t i = 0; at < n && tf2_accelerator_step(r->accelerators[m], i, &info) == TF2_OK; i++) {
            struct layer *l = &layers[at++];
            l->info = info;
            l->ms = info.n_runs ? (double)info.total_ns / (double)info.n_runs * 1e-6 : 0;
            l->gmacs = l->ms > 0 ? (double)info.macs / l->ms * 1e-6 : 0;
        }
    }
    *n_layers = at;
    return layers;
}

void bench_print_profile(const struct bench_report *report)
{
    size_t n = 0;
    struct layer *layers = read_layers(report, &n);
    double total_ms = 0, total_macs = 0;
    for (size_t i = 0; i < n; i++) {
        total_ms += layers[i].ms;
        total_macs += (double)layers[i].info.macs;
    }
    printf("\n  %-36s %-12s %-22s %9s %9s %6s\n", "step", "op", "kernel", "ms", "GMAC/s", "%");
    for (size_t i = 0; i < n; i++) {
        const struct layer *l = &layers[i];
        printf("  %-36.36s %-12.12s %-22.22s %9.4f ", l->info.name, l->info.op, l->info.kernel, l->ms);
        if (l->info.macs > 0)
            printf("%9.1f ", l->gmacs);
        else
            printf("%9s ", "");
        printf("%6.1f\n", total_ms > 0 ? 100 * l->ms / total_ms : 0);
    }
    printf(
        "  %-36s %-12s %-22s %9.4f %9.1f %6.1f\n", "all steps", "", "", total_ms,
        total_ms > 0 ? total_macs / total_ms * 1e-6 : 0, total_ms > 0 ? 100.0 : 0.0);
    free(layers);
}

static json_t *latency_json(const struct histogram *h)
{
    json_t *object = json_object();
    json_object_set_new(object, "min", json_real((double)h->min * 1e-6));
    json_object_set_new(object, "mean", json_real(histogram_mean(h) * 1e-6));
    json_object_set_new(object, "p50", json_real(histogram_quantile(h, 0.5) * 1e-6));
    json_object_set_new(object, "p90", json_real(histogram_quantile(h, 0.9) * 1e-6));
    json_object_set_new(object, "p99", json_real(histogram_quantile(h, 0.99) * 1e-6));
    json_object_set_new(object, "max", json_real((double)h->max * 1e-6));
    return object;
}

static json_t *devices_json(const struct bench_report *report)
{
    const struct bench_result *r = report->result;
    json_t *array = json_array();
    for (size_t k = 0; k < r->n_devices; k++) {
        struct tf2_device_info info = {0};
        json_t *object = json_object();
        tf2_devices_info(report->setup->devices, k, &info);
        json_object_set_new(object, "id", json_string(info.id ? info.id : ""));
        json_object_set_new(object, "name", json_string(info.name ? info.name : ""));
        json_object_set_new(object, "utilization", cli_real_json(utilization(report, k)));
        json_object_set_new(
            object, "images", json_integer((json_int_t)device_images(report, k)));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *layers_json(const struct bench_report *report)
{
    size_t n = 0;
    struct layer *layers = read_layers(report, &n);
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(layers[i].info.name));
        json_object_set_new(object, "op", json_string(layers[i].info.op));
        json_object_set_new(object, "kernel", json_string(layers[i].info.kernel));
        json_object_set_new(object, "ms", json_real(layers[i].ms));
        json_object_set_new(object, "gmacs", json_real(layers[i].gmacs));
        json_array_append_new(array, object);
    }
    free(layers);
    return array;
}

/* All units; null for one that the machine has not got. */
static json_t *peaks_json(const struct bench_report *report)
{
    json_t *object = json_object();
    for (enum bench_peak_unit unit = 0; unit < BENCH_PEAK_UNITS; unit++) {
        double peak = report->peaks[unit].gmacs;
        json_object_set_new(object, bench_peak_name(unit), peak > 0 ? json_real(peak) : json_null());
    }
    return object;
}

json_t *bench_json(const struct bench_report *report)
{
    const struct bench_result *r = report->result;
    json_t *root = json_object();
    json_object_set_new(root, "model", json_string(report->model));
    json_object_set_new(root, "precision", json_string(report->precision));
    json_object_set_new(root, "devices", devices_json(report));
    json_object_set_new(root, "placement", json_string(tf2_placement_name(r->stats.placement)));
    json_object_set_new(root, "batch", json_integer(r->images_per_run));
    json_object_set_new(root, "images", json_integer((json_int_t)count_images(r)));
    json_object_set_new(root, "wall_s", json_real(r->wall_s));
    json_object_set_new(root, "fps", json_real(fps(r)));
    json_object_set_new(root, "latency_ms", latency_json(&r->latency_ns));
    json_object_set_new(
        root, "macs_per_image", json_integer((json_int_t)(r->macs_per_run / r->images_per_run)));
    json_object_set_new(root, "gmacs", json_real(gmacs(r)));
    json_object_set_new(root, "peak_gmacs", json_real(main_peak(report)->gmacs));
    json_object_set_new(root, "peak_kind", json_string(main_peak(report)->kind));
    json_object_set_new(root, "peaks_gmacs", peaks_json(report));
    json_object_set_new(root, "peak_memory_bytes", json_integer((json_int_t)peak_memory_bytes()));
    json_object_set_new(root, "weights_bytes", json_integer((json_int_t)r->stats.weights_bytes));
    json_object_set_new(root, "arena_bytes", json_integer((json_int_t)r->stats.arena_bytes));
    json_object_set_new(root, "live_bytes", json_integer((json_int_t)r->stats.live_bytes));
    json_object_set_new(root, "streamed_bytes", json_integer((json_int_t)r->stats.streamed_bytes));
    json_object_set_new(root, "transfer_s", json_real((double)r->stats.transfer_ns * 1e-9));
    json_object_set_new(root, "stall_s", json_real((double)r->stats.stall_ns * 1e-9));
    json_object_set_new(root, "hidden_transfer_ratio", json_real(hidden_ratio(r)));
    json_object_set_new(root, "inflight", json_integer((json_int_t)r->n_inflight));
    json_object_set_new(root, "stages", json_integer((json_int_t)r->stats.n_stages));
    json_object_set_new(root, "random_weights", json_boolean(report->random));
    json_object_set_new(root, "seed", json_integer((json_int_t)report->setup->seed));
    if (report->setup->load.profile)
        json_object_set_new(root, "layers", layers_json(report));
    return root;
}
