/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched_load.c: closed loops. A request's latency is the time from its submission to its callback,
 * submission in the callback of the one before.
 */
#include "sched_load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "driver.h"

struct sched_slot {
    struct sched_load *load;
    void *outputs[SCHED_MAX_TENSORS];
    uint64_t submitted_ns;
};

uint64_t sched_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sched_sleep_s(double seconds)
{
    const time_t whole = (time_t)seconds;
    nanosleep(&(struct timespec){.tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9)}, NULL);
}

static void add_latency(struct sched_load *load, uint64_t ns)
{
    if (!atomic_load(&load->counts))
        return;
    while (atomic_flag_test_and_set(&load->busy))
        ;
    histogram_add(load->latency_ns, ns);
    atomic_flag_clear(&load->busy);
}

static enum tf2_status submit(struct sched_slot *slot);

static void
told(void *user, struct tf2_request *request, enum tf2_status status, const struct tf2_error *error)
{
    struct sched_slot *slot = user;
    struct sched_load *load = slot->load;
    (void)request;
    (void)error;
    add_latency(load, sched_now_ns() - slot->submitted_ns);
    if (status == TF2_OK)
        atomic_fetch_add(&load->n_done, 1);
    else
        atomic_fetch_add(&load->n_failed, 1);
    if (!load->once && !atomic_load(&load->stop) && status == TF2_OK && submit(slot) == TF2_OK)
        return;
    atomic_fetch_sub(&load->n_open, 1);
}

static enum tf2_status submit(struct sched_slot *slot)
{
    struct sched_load *load = slot->load;
    const struct tf2_request_options options = {.callback = told, .user = slot};
    slot->submitted_ns = sched_now_ns();
    return tf2_client_submit(
        load->client, load->accelerator, (const void *const *)load->inputs, slot->outputs, &options, NULL,
        NULL);
}

static size_t bytes_of(const struct tf2_tensor_info *info)
{
    return (size_t)tf2_shape_count(&info->shape) * tf2_dtype_size_bytes(info->dtype);
}

static void *alloc_tensor(const struct tf2_tensor_info *info)
{
    void *data = tf2_alloc(bytes_of(info));
    if (!data)
        exit(cli_fail("out of memory: %zu bytes", bytes_of(info)));
    return data;
}

static void make_inputs(struct sched_load *load)
{
    struct tf2_tensor_info info;
    uint64_t state = 1;
    while (load->n_inputs < SCHED_MAX_TENSORS &&
           tf2_accelerator_input(load->accelerator, load->n_inputs, &info) == TF2_OK) {
        float *data = load->inputs[load->n_inputs++] = alloc_tensor(&info);
        for (int64_t i = 0; i < tf2_shape_count(&info.shape); i++)
            data[i] = bench_random_value(&state);
    }
}

static void make_outputs(struct sched_load *load, struct sched_slot *slot)
{
    struct tf2_tensor_info info;
    size_t n = 0;
    while (n < SCHED_MAX_TENSORS && tf2_accelerator_output(load->accelerator, n, &info) == TF2_OK)
        slot->outputs[n++] = alloc_tensor(&info);
    slot->load = load;
    load->n_outputs = n;
}

int sched_load_open(
    struct sched_load *load, struct tf2_engine *engine, struct tf2_accelerator *accelerator, unsigned depth,
    const struct tf2_client_options *options)
{
    struct tf2_error error;
    memset(load, 0, sizeof(*load));
    load->accelerator = accelerator;
    load->depth = depth;
    atomic_flag_clear(&load->busy);
    if (tf2_client_create(engine, options, &load->client, &error) != TF2_OK)
        return cli_fail("%s", error.message);
    load->latency_ns = cli_alloc(1, sizeof(*load->latency_ns));
    load->slots = cli_alloc(depth, sizeof(*load->slots));
    make_inputs(load);
    for (unsigned i = 0; i < depth; i++)
        make_outputs(load, &load->slots[i]);
    return 0;
}

int sched_load_start(struct sched_load *load)
{
    atomic_store(&load->stop, false);
    for (unsigned i = 0; i < load->depth; i++) {
        atomic_fetch_add(&load->n_open, 1);
        if (submit(&load->slots[i]) == TF2_OK)
            continue;
        atomic_fetch_sub(&load->n_open, 1);
        return cli_fail("a request was refused");
    }
    return 0;
}

static void wait_for_all(const struct sched_load *load)
{
    while (atomic_load(&load->n_open) > 0)
        sched_sleep_s(0.0001);
}

int sched_load_stop(struct sched_load *load)
{
    atomic_store(&load->stop, true);
    wait_for_all(load);
    return atomic_load(&load->n_failed) ? cli_fail("requests failed") : 0;
}

void sched_load_close(struct sched_load *load)
{
    tf2_client_destroy(&load->client); /* cancels what waits of a load that runs once */
    wait_for_all(load);
    for (unsigned i = 0; load->slots && i < load->depth; i++) {
        for (size_t k = 0; k < load->n_outputs; k++)
            tf2_free(load->slots[i].outputs[k]);
    }
    for (size_t i = 0; i < load->n_inputs; i++)
        tf2_free(load->inputs[i]);
    free(load->slots);
    free(load->latency_ns);
    memset(load, 0, sizeof(*load));
}

int sched_load_once(struct sched_load *load)
{
    struct tf2_error error;
    const uint64_t begin_ns = sched_now_ns();
    if (tf2_client_run(
            load->client, load->accelerator, (const void *const *)load->inputs, load->slots[0].outputs,
            &error) != TF2_OK)
        return cli_fail("%s", error.message);
    histogram_add(load->latency_ns, sched_now_ns() - begin_ns);
    return 0;
}

double sched_load_rate(struct sched_load *load, double duration_s)
{
    const uint64_t before = atomic_load(&load->n_done), begin_ns = sched_now_ns();
    atomic_store(&load->counts, true);
    sched_sleep_s(duration_s);
    atomic_store(&load->counts, false);
    return (double)(atomic_load(&load->n_done) - before) / ((double)(sched_now_ns() - begin_ns) * 1e-9);
}
