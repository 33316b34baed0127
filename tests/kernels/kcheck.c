/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kcheck.c: runs a graph in sessions on two devices and compares.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_memory.h"
#include "kcase.h"
#include "transform/model/model.h"

#define TOLERANCE       1e-10
#define MEAN_SQUARE_MIN 1e-4

/* What one session computed. */
struct result {
    enum tf2_status status;
    struct tf2_error error;
    uint32_t n;
    struct tf2_tensor_info *info;
    float **data;
    bool repeatable; /* the same bits before and after other numbers */
};

static void result_free(struct result *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        free(r->data[i]);
    free(r->data);
    free(r->info);
    memset(r, 0, sizeof(*r));
}

struct tf2_model *kmodel(kbuild build, uint64_t seed, bool optimize)
{
    struct kgraph k;
    struct tf2_import_options options;
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    kgraph_open(&k, seed);
    build(&k);
    tf2_import_options_defaults(&options);
    options.no_optimize = !optimize;
    enum tf2_status status = tf2_model_from_graph(&k.graph, "case", &options, &model, &error);
    kgraph_close(&k);
    if (status != TF2_OK)
        fail_msg("seed %llu: no model: %s", (unsigned long long)seed, error.message);
    return model;
}

double knmse(const float *found, const float *wanted, size_t n, size_t *at)
{
    double difference = 0, power = 0, worst = -1;
    for (size_t i = 0; i < n; i++) {
        double d = (double)found[i] - wanted[i];
        if (found[i] == wanted[i] || (isnan(found[i]) && isnan(wanted[i])))
            d = 0;
        else if (!isfinite(found[i]) || !isfinite(wanted[i]))
            d = INFINITY;
        if (isfinite(wanted[i]))
            power += (double)wanted[i] * wanted[i];
        difference += d * d;
        if (fabs(d) > worst) {
            worst = fabs(d);
            *at = i;
        }
    }
    return difference / fmax(power, (double)n * MEAN_SQUARE_MIN);
}

/* --- one session --- */

struct io {
    float **inputs;
    size_t *n_input;
    uint32_t n_inputs;
};

static void fill_inputs(struct io *io, uint64_t seed, enum kdata data, bool nan)
{
    for (uint32_t i = 0; i < io->n_inputs; i++) {
        if (!nan)
            kfill(io->inputs[i], io->n_input[i], seed + 1000 * i, data);
        for (size_t k = 0; nan && k < io->n_input[i]; k++)
            io->inputs[i][k] = NAN;
    }
}

static void open_io(struct io *io, const struct tf2_session *session, const struct tf2_model *model)
{
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    io->n_inputs = (uint32_t)info.n_inputs;
    io->inputs = calloc(io->n_inputs + 1, sizeof(*io->inputs));
    io->n_input = calloc(io->n_inputs + 1, sizeof(*io->n_input));
    for (uint32_t i = 0; i < io->n_inputs; i++) {
        struct tf2_tensor_info tensor;
        assert_int_equal(tf2_session_input(session, i, &tensor), TF2_OK);
        io->n_input[i] = (size_t)tf2_shape_count(&tensor.shape);
        io->inputs[i] = tf2_alloc(io->n_input[i] * sizeof(float));
    }
}

static void close_io(struct io *io)
{
    for (uint32_t i = 0; i < io->n_inputs; i++)
        tf2_free(io->inputs[i]);
    free(io->inputs);
    free(io->n_input);
}

static void open_result(struct result *r, const struct tf2_session *session, const struct tf2_model *model)
{
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    r->n = (uint32_t)info.n_outputs;
    r->info = calloc(r->n + 1, sizeof(*r->info));
    r->data = calloc(r->n + 1, sizeof(*r->data));
    for (uint32_t i = 0; i < r->n; i++) {
        assert_int_equal(tf2_session_output(session, i, &r->info[i]), TF2_OK);
        r->data[i] = malloc((size_t)tf2_shape_count(&r->info[i].shape) * sizeof(float));
    }
}

static bool same_bits(const struct result *a, const struct result *b)
{
    for (uint32_t i = 0; i < a->n; i++) {
        if (memcmp(a->data[i], b->data[i], (size_t)tf2_shape_count(&a->info[i].shape) * sizeof(float)) != 0)
            return false;
    }
    return true;
}

static enum tf2_status
run(struct tf2_session *session, const struct io *io, struct result *r, struct tf2_error *error)
{
    return tf2_session_run(session, (const void *const *)io->inputs, (void *const *)r->data, error);
}

/* The numbers, then NaNs everywhere, then the numbers again: now read in place. */
static void run_thrice(
    struct tf2_session *session, const struct tf2_model *model, uint64_t seed, enum kdata data,
    struct result *r)
{
    struct io io;
    struct result again = {0};
    open_io(&io, session, model);
    open_result(r, session, model);
    open_result(&again, session, model);
    fill_inputs(&io, seed, data, false);
    tf2__host_least_bytes = SIZE_MAX;
    r->status = run(session, &io, r, &r->error);
    fill_inputs(&io, seed, data, true);
    if (r->status == TF2_OK)
        r->status = run(session, &io, &again, &r->error);
    fill_inputs(&io, seed, data, false);
    tf2__host_least_bytes = 1;
    if (r->status == TF2_OK)
        r->status = run(session, &io, &again, &r->error);
    r->repeatable = same_bits(r, &again);
    result_free(&again);
    close_io(&io);
}

void kcount_kernels(struct kdevices *devices, const struct tf2_session *session)
{
    struct tf2_session_stats stats;
    struct tf2_step_info step;
    tf2_session_stats(session, &stats);
    for (size_t i = 0; i < stats.n_steps; i++) {
        size_t k = 0;
        assert_int_equal(tf2_session_step(session, i, &step), TF2_OK);
        while (k < devices->n_kernels && strcmp(devices->kernels[k].name, step.kernel) != 0)
            k++;
        if (k == KMAX_KERNELS)
            continue;
        if (k == devices->n_kernels)
            snprintf(
                devices->kernels[devices->n_kernels++].name, sizeof(devices->kernels[k].name), "%s",
                step.kernel);
        devices->kernels[k].n++;
    }
}

void kprint_kernels(const struct kdevices *devices)
{
    char line[KMAX_KERNELS * 48] = "";
    size_t used = 0;
    for (size_t k = 0; k < devices->n_kernels; k++)
        used += (size_t)snprintf(
            line + used, sizeof(line) - used, " %s:%u", devices->kernels[k].name, devices->kernels[k].n);
    print_message("kernels:%s\n", line);
}

static void run_on(
    struct kdevices *devices, size_t index, const struct tf2_model *model, int64_t batch, uint64_t seed,
    enum kdata data, struct result *r)
{
    struct tf2_session *session = NULL;
    struct tf2_session_options options;
    memset(r, 0, sizeof(*r));
    tf2_session_options_defaults(&options);
    options.batch = batch;
    r->status = tf2_session_create(model, devices->devices, index, &options, &session, &r->error);
    if (r->status == TF2_OK) {
        if (index == 0)
            kcount_kernels(devices, session);
        run_thrice(session, model, seed, data, r);
    }
    tf2_session_destroy(&session);
}

/* --- comparing --- */

static bool compare(const struct result *found, const struct result *wanted, double tolerance)
{
    char a[192], b[192];
    bool good = true;
    if (found->n != wanted->n) {
        print_message("  %u outputs, wanted %u\n", found->n, wanted->n);
        return false;
    }
    for (uint32_t i = 0; i < found->n; i++) {
        size_t at = 0, n = (size_t)tf2_shape_count(&wanted->info[i].shape);
        if (!tf2_shape_equal(&found->info[i].shape, &wanted->info[i].shape)) {
            print_message(
                "  output %u: shape %s, wanted %s\n", i,
                tf2_shape_format(&found->info[i].shape, a, sizeof(a)),
                tf2_shape_format(&wanted->info[i].shape, b, sizeof(b)));
            return false;
        }
        double nmse = knmse(found->data[i], wanted->data[i], n, &at);
        if (nmse <= tolerance)
            continue;
        print_message(
            "  output %u (%s): NMSE %.3g; element %zu is %.9g, wanted %.9g\n", i,
            tf2_shape_format(&wanted->info[i].shape, a, sizeof(a)), nmse, at, found->data[i][at],
            wanted->data[i][at]);
        good = false;
    }
    return good;
}

static bool
compare_devices(const struct result *found, const struct result *wanted, const char *how, double tolerance)
{
    bool good = true;
    if (wanted->status != found->status) {
        print_message(
            "  %s: tested device: %s (%s), host: %s (%s)\n", how, tf2_status_name(found->status),
            found->error.message, tf2_status_name(wanted->status), wanted->error.message);
        return false;
    }
    if (wanted->status != TF2_OK)
        return true; /* both refuse, for example a reshape at another batch */
    if (!compare(found, wanted, tolerance)) {
        print_message("  ^ %s, tested device against host\n", how);
        good = false;
    }
    if (!found->repeatable || !wanted->repeatable) {
        print_message(
            "  %s: other bits after a run with other numbers on %s\n", how,
            wanted->repeatable ? "the tested device" : "host");
        good = false;
    }
    return good;
}

static enum kdata data_of(kbuild build, uint64_t seed)
{
    struct kgraph k;
    kgraph_open(&k, seed);
    build(&k);
    enum kdata data = k.data;
    kgraph_close(&k);
    return data;
}

static bool check_batch(
    struct kdevices *devices, const struct kfamily *family, struct tf2_model *const *models, uint64_t seed,
    int64_t batch)
{
    static const char *const how[2] = {"as built", "optimized"};
    double tolerance = family->tolerance > 0 ? family->tolerance : TOLERANCE;
    enum kdata data = data_of(family->build, seed);
    struct result tested[2], host[2];
    bool good = true;
    for (int i = 0; i < 2; i++) {
        run_on(devices, 0, models[i], batch, seed, data, &tested[i]);
        run_on(devices, 1, models[i], batch, seed, data, &host[i]);
        good &= compare_devices(&tested[i], &host[i], how[i], tolerance);
    }
    /* The passes may accept more than the graph did, never less. */
    if (host[0].status == TF2_OK && host[1].status != TF2_OK) {
        print_message(
            "  optimized: host: %s (%s), as built it runs\n", tf2_status_name(host[1].status),
            host[1].error.message);
        good = false;
    }
    if (good && host[0].status == TF2_OK && !compare(&host[1], &host[0], 10 * tolerance)) {
        print_message("  ^ host, optimized against as built\n");
        good = false;
    }
    for (int i = 0; i < 2; i++) {
        result_free(&tested[i]);
        result_free(&host[i]);
    }
    return good;
}

bool kcheck(struct kdevices *devices, const struct kfamily *family, uint64_t seed)
{
    struct tf2_model *models[2];
    static const int64_t batches[] = {0, 3};
    bool good = true;
    for (int i = 0; i < 2; i++)
        models[i] = kmodel(family->build, seed, i == 1);
    for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
        if (check_batch(devices, family, models, seed, batches[b]))
            continue;
        good = false;
        if (batches[b])
            print_message("  ^ batch %lld\n", (long long)batches[b]);
        else
            print_message("  ^ the graph's batch\n");
    }
    if (!good) {
        print_message("%s, TF2_TEST_SEED=%llu:\n", family->name, (unsigned long long)seed);
        kgraph_print(models[0]->graph);
        print_message(" optimized:\n");
        kgraph_print(models[1]->graph);
    }
    for (int i = 0; i < 2; i++)
        tf2_model_destroy(&models[i]);
    return good;
}
