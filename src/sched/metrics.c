/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c: the figures in the Prometheus text format, version 0.0.4. Durations are in seconds, as its conventions want.
 */
#include "sched/internal.h"
#include "sched/text.h"

static void head(struct tf2__text *text, const char *name, const char *type, const char *help)
{
    tf2__text_add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static double seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

static void add_engine(struct tf2__text *text, const struct tf2_engine *engine)
{
    const struct tf2_engine_stats *s = &engine->stats;
    const struct {
        const char *outcome;
        uint64_t n;
    } outcomes[] = {
        {"ok", s->n_completed}, {"failed", s->n_failed}, {"cancelled", s->n_cancelled}, {"deadline", s->n_deadline}};
    head(text, "tf2_requests_submitted_total", "counter", "Requests that were accepted.");
    tf2__text_add(text, "tf2_requests_submitted_total %llu\n", (unsigned long long)s->n_submitted);
    head(text, "tf2_requests_total", "counter", "Requests that are complete.");
    for (size_t i = 0; i < TF2__COUNT(outcomes); i++)
        tf2__text_add(
            text, "tf2_requests_total{outcome=\"%s\"} %llu\n", outcomes[i].outcome, (unsigned long long)outcomes[i].n);
    head(text, "tf2_retries_total", "counter", "Runs that failed and were tried again.");
    tf2__text_add(text, "tf2_retries_total %llu\n", (unsigned long long)s->n_retries);
    head(text, "tf2_requests_waiting", "gauge", "Requests in queues.");
    tf2__text_add(text, "tf2_requests_waiting %zu\n", s->n_waiting);
    head(text, "tf2_requests_running", "gauge", "Requests on devices.");
    tf2__text_add(text, "tf2_requests_running %zu\n", s->n_running);
}

static void add_latency(struct tf2__text *text, const struct tf2_engine *engine)
{
    static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
    const struct tf2__histogram *h = &engine->latency;
    head(text, "tf2_request_seconds", "histogram", "From submission to completion, requests that succeeded.");
    for (size_t i = 0; i < TF2__COUNT(bounds); i++)
        tf2__text_add(
            text, "tf2_request_seconds_bucket{le=\"%g\"} %llu\n", bounds[i],
            (unsigned long long)tf2__histogram_below(h, (uint64_t)(bounds[i] * 1e9)));
    tf2__text_add(
        text, "tf2_request_seconds_bucket{le=\"+Inf\"} %llu\ntf2_request_seconds_sum %.9f\ntf2_request_seconds_count %llu\n",
        (unsigned long long)h->n, seconds(h->sum_ns), (unsigned long long)h->n);
}

/* One line of a metric for a device. */
typedef double device_value(const struct tf2__worker *worker);

static double busy(const struct tf2__worker *w)
{
    return seconds(w->stats.busy_ns);
}
static double runs(const struct tf2__worker *w)
{
    return (double)w->stats.n_runs;
}
static double items(const struct tf2__worker *w)
{
    return (double)w->stats.n_items;
}
static double failures(const struct tf2__worker *w)
{
    return (double)w->stats.n_failures;
}
static double healthy(const struct tf2__worker *w)
{
    return w->state == TF2_DEVICE_HEALTHY;
}
static double leased(const struct tf2__worker *w)
{
    return w->lease != NULL;
}

static double weights(const struct tf2__worker *w)
{
    return (double)w->weights_bytes;
}
static double weight_budget(const struct tf2__worker *w)
{
    return (double)tf2__budget_limit(w);
}

static void add_devices(struct tf2__text *text, const struct tf2_engine *engine)
{
    static const struct {
        const char *name, *type, *help;
        device_value *value;
    } metrics[] = {
        {"tf2_device_busy_seconds_total", "counter", "Time in runs.", busy},
        {"tf2_device_runs_total", "counter", "Runs: batches, stages of pipelines, parts of splits.", runs},
        {"tf2_device_requests_total", "counter", "Requests in these runs.", items},
        {"tf2_device_failures_total", "counter", "Times that the device was set aside.", failures},
        {"tf2_device_healthy", "gauge", "1 while it is in service.", healthy},
        {"tf2_device_leased", "gauge", "1 while a client has it alone.", leased},
        {"tf2_device_weights_bytes", "gauge", "What weights take on it.", weights},
        {"tf2_device_weight_budget_bytes", "gauge", "What they may take; 0: no limit.", weight_budget},
    };
    for (size_t m = 0; m < TF2__COUNT(metrics); m++) {
        head(text, metrics[m].name, metrics[m].type, metrics[m].help);
        for (uint32_t i = 0; i < engine->n_workers; i++) {
            tf2__text_add(text, "%s{number=\"%u\",device=", metrics[m].name, i);
            tf2__text_add_json(text, engine->workers[i].device->info.id);
            tf2__text_add(text, "} %.9g\n", metrics[m].value(&engine->workers[i]));
        }
    }
}

static void add_clients(struct tf2__text *text, const struct tf2_engine *engine)
{
    static const struct {
        const char *name, *type, *help;
    } metrics[] = {
        {"tf2_client_requests_total", "counter", "Requests of a client that succeeded."},
        {"tf2_client_device_seconds_total", "counter", "Device time that a client was charged."},
        {"tf2_client_wait_seconds_total", "counter", "Time its requests waited before they ran."},
        {"tf2_client_requests_waiting", "gauge", "Its requests in queues."},
        {"tf2_client_requests_running", "gauge", "Its requests on devices."},
    };
    for (size_t m = 0; m < TF2__COUNT(metrics); m++) {
        uint32_t number = 0;
        head(text, metrics[m].name, metrics[m].type, metrics[m].help);
        TF2__LIST_EACH(client, &engine->clients, struct tf2_client, link)
        {
            const double values[] = {
                (double)client->stats.n_completed, seconds(client->stats.device_ns), seconds(client->wait.sum_ns),
                (double)client->n_waiting, (double)client->n_running};
            tf2__text_add(text, "%s{number=\"%u\",client=", metrics[m].name, number++);
            tf2__text_add_json(text, client->name);
            tf2__text_add(text, "} %.9g\n", values[m]);
        }
    }
}

static void add_accelerators(struct tf2__text *text, const struct tf2_engine *engine)
{
    static const struct {
        const char *name, *type, *help;
    } metrics[] = {
        {"tf2_accelerator_requests_total", "counter", "Requests to an accelerator that succeeded."},
        {"tf2_accelerator_runs_total", "counter", "Batches that were begun."},
    };
    for (size_t m = 0; m < TF2__COUNT(metrics); m++) {
        uint32_t number = 0;
        head(text, metrics[m].name, metrics[m].type, metrics[m].help);
        TF2__LIST_EACH(a, &engine->accelerators, struct tf2_accelerator, link)
        {
            tf2__text_add(text, "%s{number=\"%u\",accelerator=", metrics[m].name, number++);
            tf2__text_add_json(text, a->name);
            tf2__text_add(
                text, ",placement=\"%s\"} %zu\n", tf2_placement_name(a->placement), m ? a->n_runs : a->n_completed);
        }
    }
}

enum tf2_status tf2_engine_write_metrics(
    const struct tf2_engine *const_engine, tf2_text_writer write, void *user, struct tf2_error *error)
{
    struct tf2_engine *engine = (struct tf2_engine *)(uintptr_t)const_engine;
    struct tf2__text text;
    if (!engine || !write)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "metrics: engine or writer is NULL");
    tf2__text_init(&text, &engine->env);
    tf2__lock(engine);
    add_engine(&text, engine);
    add_latency(&text, engine);
    add_devices(&text, engine);
    add_clients(&text, engine);
    add_accelerators(&text, engine);
    tf2__unlock(engine);
    return tf2__text_write(&text, write, user, error);
}
