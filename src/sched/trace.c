/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c: a ring of what ran when, written as Trace Event JSON ("Trace Event Format", Google, 2016): a complete event
 * ("ph": "X") for each run, a thread for each device.
 */
#include "sched/internal.h"
#include "sched/text.h"

void tf2__trace_add(
    struct tf2__worker *worker, const struct tf2__job *job, uint64_t begin_ns, uint64_t end_ns, bool failed)
{
    struct tf2_engine *engine = worker->engine;
    struct tf2__trace_event *event = &engine->trace[engine->n_traced++ % engine->options.n_trace_events];
    *event = (struct tf2__trace_event){
        .begin_ns = begin_ns, .end_ns = end_ns, .worker = worker->index, .stage = job->stage, .n_items = job->n,
        .n_waiting = engine->stats.n_waiting, .failed = failed};
    snprintf(event->name, sizeof(event->name), "%s", job->accelerator->name);
    snprintf(
        event->client, sizeof(event->client), "%s", job->n ? job->requests[0]->flow->client->name : "");
}

static void write_event(struct tf2__text *text, const struct tf2_engine *engine, const struct tf2__trace_event *e)
{
    double begin_us = (double)(e->begin_ns - engine->started_ns) * 1e-3;
    tf2__text_add(text, ",\n{\"name\": ");
    tf2__text_add_json(text, e->name);
    tf2__text_add(
        text, ", \"ph\": \"X\", \"pid\": 1, \"tid\": %u, \"ts\": %.3f, \"dur\": %.3f, \"args\": {\"client\": ",
        e->worker + 1, begin_us, (double)(e->end_ns - e->begin_ns) * 1e-3);
    tf2__text_add_json(text, e->client);
    tf2__text_add(text, ", \"stage\": %u, \"items\": %u%s}}", e->stage, e->n_items, e->failed ? ", \"failed\": true" : "");
    tf2__text_add(
        text, ",\n{\"name\": \"waiting\", \"ph\": \"C\", \"pid\": 1, \"ts\": %.3f, \"args\": {\"requests\": %zu}}",
        (double)(e->end_ns - engine->started_ns) * 1e-3, e->n_waiting);
}

enum tf2_status tf2_engine_write_trace(
    const struct tf2_engine *const_engine, tf2_text_writer write, void *user, struct tf2_error *error)
{
    struct tf2_engine *engine = (struct tf2_engine *)const_engine;
    struct tf2__text text = {0};
    if (!engine || !write)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "trace: engine or writer is NULL");
    if (!engine->trace)
        return tf2__fail(error, TF2_ERR_INVALID_STATE, "trace: the engine was made without n_trace_events");
    tf2__text_init(&text, &engine->env);
    tf2__lock(engine);
    tf2__text_add(
        &text, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n"
               "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"args\": {\"name\": \"libtf2\"}}");
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        tf2__text_add(
            &text, ",\n{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": %u, \"args\": {\"name\": ", i + 1);
        tf2__text_add_json(&text, engine->workers[i].device->info.id);
        tf2__text_add(&text, "}}");
    }
    const uint64_t size = engine->options.n_trace_events;
    uint64_t first = engine->n_traced > size ? engine->n_traced - size : 0;
    for (uint64_t i = first; i < engine->n_traced; i++)
        write_event(&text, engine, &engine->trace[i % size]);
    tf2__unlock(engine);
    tf2__text_add(&text, "\n]}\n");
    return tf2__text_write(&text, write, user, error);
}
