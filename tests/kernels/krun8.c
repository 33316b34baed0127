/* SPDX-License-Identifier: Apache-2.0 */
/*
 * krun8.c: sessions with their inputs and outputs, compared bit by bit; the check of a family's graph.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_memory.h"
#include "kint8.h"
#include "transform/model/model.h"

static size_t bytes_of(const struct tf2_tensor_info *info)
{
    return (size_t)tf2_shape_count(&info->shape) * tf2_dtype_size_bytes(info->dtype);
}

size_t krun_out_bytes(const struct krun *run, uint32_t i)
{
    return bytes_of(&run->out_info[i]);
}

static void open_tensors(struct krun *run, const struct tf2_model *model)
{
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    run->n_in = (uint32_t)info.n_inputs;
    run->n_out = (uint32_t)info.n_outputs;
    run->in_info = calloc(run->n_in + 1, sizeof(*run->in_info));
    run->out_info = calloc(run->n_out + 1, sizeof(*run->out_info));
    run->in = calloc(run->n_in + 1, sizeof(*run->in));
    run->out = calloc(run->n_out + 1, sizeof(*run->out));
    for (uint32_t i = 0; i < run->n_in; i++) {
        assert_int_equal(tf2_session_input(run->session, i, &run->in_info[i]), TF2_OK);
        run->in[i] = tf2_alloc(bytes_of(&run->in_info[i]));
    }
    for (uint32_t i = 0; i < run->n_out; i++) {
        assert_int_equal(tf2_session_output(run->session, i, &run->out_info[i]), TF2_OK);
        run->out[i] = calloc(1, bytes_of(&run->out_info[i]));
    }
}

bool krun_open(
    struct krun *run, const struct tf2_model *model, struct tf2_devices *devices, size_t index, int64_t batch)
{
    struct tf2_session_options options;
    memset(run, 0, sizeof(*run));
    tf2_session_options_defaults(&options);
    options.batch = batch;
    run->status = tf2_session_create(model, devices, index, &options, &run->session, &run->error);
    if (run->session)
        open_tensors(run, model);
    return run->session != NULL;
}

void krun_close(struct krun *run)
{
    for (uint32_t i = 0; i < run->n_in; i++)
        tf2_free(run->in[i]);
    for (uint32_t i = 0; i < run->n_out; i++)
        free(run->out[i]);
    free(run->in);
    free(run->out);
    free(run->in_info);
    free(run->out_info);
    tf2_session_destroy(&run->session);
    memset(run, 0, sizeof(*run));
}

/* For steps of 1/64: steps, halves of steps (ties), beyond both ends of the range, and anything. */
static float number(uint64_t *random, uint64_t manner)
{
    const int64_t n = (int64_t)(krandom(random) >> 20);
    switch (manner) {
    case 0:
        return (float)(n % 513 - 256) / 128;
    case 1:
        return n & 1 ? 1e6f : -1e6f;
    case 2:
        return (float)((double)(n % 1000003) / 1000003 * 8 - 4);
    default:
        return (float)(n % 257 - 128) / 64;
    }
}

/* Not-a-numbers with bits that would show, infinities, the ends of the range. */
static float special_number(uint64_t *random)
{
    static const uint32_t bits[] = {0x7fc00000, 0x7fc12345, 0xffc00077, 0x7f8000ff, 0xffffffff, 0x7f800000,
                                    0xff800000, 0x7f7fffff, 0xff7fffff, 0x80000000, 0x00000123, 0x00800000,
                                    0x4f32d05e, 0xcf32d05e, 0x3c000000, 0x4b7fffff, 0xcb7fffff};
    const uint64_t r = krandom(random) >> 20;
    float special;
    memcpy(&special, &bits[r / 2 % (sizeof(bits) / sizeof(bits[0]))], sizeof(special));
    return r & 1 ? special : number(random, 2);
}

void krun_fill(struct krun *run, uint64_t seed, bool special)
{
    for (uint32_t i = 0; i < run->n_in; i++) {
        const size_t n = (size_t)tf2_shape_count(&run->in_info[i].shape);
        uint64_t random = seed * 31 + i;
        const uint64_t manner = (krandom(&random) >> 20) % 5;
        for (size_t k = 0; k < n; k++)
            run->in[i][k] = special ? special_number(&random) : number(&random, manner);
    }
}

void krun_take_item(struct krun *run, const struct krun *of, size_t i)
{
    for (uint32_t k = 0; k < run->n_in; k++) {
        const size_t n_bytes = bytes_of(&run->in_info[k]);
        memcpy(run->in[k], (const char *)of->in[k] + i * n_bytes, n_bytes);
    }
}

bool krun_go(struct krun *run)
{
    run->status =
        tf2_session_run(run->session, (const void *const *)run->in, (void *const *)run->out, &run->error);
    if (run->status != TF2_OK)
        print_message("  the run fails: %s\n", run->error.message);
    return run->status == TF2_OK;
}

/* --- comparing --- */

static void print_difference(const struct krun *found, const struct krun *wanted, uint32_t i)
{
    const struct tf2_tensor_info *info = &wanted->out_info[i];
    const size_t size = tf2_dtype_size_bytes(info->dtype), n = (size_t)tf2_shape_count(&info->shape);
    size_t first = n, n_bad = 0;
    char shape[192];
    for (size_t k = n; k-- > 0;) {
        if (memcmp(found->out[i] + k * size, wanted->out[i] + k * size, size) == 0)
            continue;
        first = k;
        n_bad++;
    }
    double a = found->out[i][first], b = wanted->out[i][first];
    if (info->dtype == TF2_DTYPE_F32) {
        a = ((const float *)(const void *)found->out[i])[first];
        b = ((const float *)(const void *)wanted->out[i])[first];
    }
    print_message(
        "  output %u (%s %s): %zu of %zu differ; element %zu is %.9g, wanted %.9g\n", i,
        tf2_dtype_name(info->dtype), tf2_shape_format(&info->shape, shape, sizeof(shape)), n_bad, n, first, a,
        b);
}

bool krun_equal(const struct krun *found, const struct krun *wanted)
{
    bool good = true;
    for (uint32_t i = 0; i < wanted->n_out; i++) {
        if (found->n_out != wanted->n_out || found->out_info[i].dtype != wanted->out_info[i].dtype ||
            !tf2_shape_equal(&found->out_info[i].shape, &wanted->out_info[i].shape)) {
            print_message("  output %u: another type or shape\n", i);
            return false;
        }
        if (memcmp(found->out[i], wanted->out[i], krun_out_bytes(wanted, i)) == 0)
            continue;
        print_difference(found, wanted, i);
        good = false;
    }
    return good;
}

/* The steps that output i counts in: those of what is dequantized; 0 where the output is something else. */
static float step_of(const struct tf2_model *model, uint32_t i)
{
    const struct tf2_graph *graph = model->graph;
    const uint32_t producer = graph->tensors[graph->outputs[i].tensor].producer;
    if (producer == TF2__NO_NODE || graph->nodes[producer].op->id != TF2_OP_DEQUANTIZE)
        return 0;
    return graph->tensors[graph->nodes[producer].in[0]].quant.scale;
}

bool krun_close_to(const struct krun *found, const struct krun *wanted, const struct tf2_model *model)
{
    bool good = true;
    for (uint32_t i = 0; i < wanted->n_out; i++) {
        const double slack = 1.001 * (double)step_of(model, i);
        const size_t n = krun_out_bytes(wanted, i) / sizeof(float);
        const float *a = (const float *)(const void *)found->out[i],
                    *b = (const float *)(const void *)wanted->out[i];
        for (size_t k = 0; k < n; k++) {
            if (fabs((double)a[k] - b[k]) <= slack)
                continue;
            print_message(
                "  output %u: element %zu is %.9g, wanted %.9g, step %g\n", i, k, a[k], b[k], slack);
            good = false;
            break;
        }
    }
    return good;
}

/* --- a family's graph --- */

static bool same(
    const struct krun *found, const struct krun *wanted, const struct kfamily8 *family,
    const struct tf2_model *model)
{
    return family->one_step ? krun_close_to(found, wanted, model) : krun_equal(found, wanted);
}

/* What the first run gave, for comparing with the last one. */
static unsigned char **copy_outputs(const struct krun *run)
{
    unsigned char **copy = calloc(run->n_out + 1, sizeof(*copy));
    for (uint32_t i = 0; i < run->n_out; i++) {
        copy[i] = malloc(krun_out_bytes(run, i));
        memcpy(copy[i], run->out[i], krun_out_bytes(run, i));
    }
    return copy;
}

/* Numbers, special ones, the first again; from the second run on read in place. */
static bool
run_thrice(struct krun run[2], const struct kfamily8 *family, const struct tf2_model *model, uint64_t seed)
{
    unsigned char **before = NULL;
    bool good = true;
    for (int round = 0; round < 3 && good; round++) {
        tf2__host_least_bytes = round ? 1 : SIZE_MAX;
        for (int d = 0; d < 2; d++) {
            krun_fill(&run[d], seed, round == 1);
            good &= krun_go(&run[d]);
        }
        if (good && (round != 1 || !family->one_step))
            good = same(&run[0], &run[1], family, model);
        if (good && round == 0)
            good = krun_as_defined(&run[1], model->graph);
        if (!good)
            print_message("  ^ run %d%s\n", round, round == 1 ? ", of special numbers" : "");
        if (round == 0)
            before = copy_outputs(&run[0]);
    }
    for (uint32_t i = 0; i < run[0].n_out; i++) {
        if (good && memcmp(before[i], run[0].out[i], krun_out_bytes(&run[0], i)) != 0) {
            print_message("  output %u: other bits after a run with other numbers\n", i);
            good = false;
        }
        free(before[i]);
    }
    free(before);
    return good;
}

bool krun_passes_keep(
    struct kdevices *devices, const struct kfamily8 *family, const struct tf2_model *as_built, uint64_t seed,
    int64_t batch)
{
    struct tf2_model *optimized = kmodel(family->build, seed, true);
    struct krun run[2];
    bool good = true;
    krun_open(&run[0], optimized, devices->devices, 0, batch);
    krun_open(&run[1], as_built, devices->devices, 1, batch);
    if (run[0].session && run[1].session) {
        for (int d = 0; d < 2; d++) {
            krun_fill(&run[d], seed, false);
            good &= krun_go(&run[d]);
        }
        good = good && same(&run[0], &run[1], family, as_built);
    } else if (run[1].session && !(family->may_refuse && run[0].status == TF2_ERR_UNSUPPORTED)) {
        print_message("  %s\n", run[0].error.message);
        good = false;
    }
    if (!good)
        print_message("  ^ with passes on the tested device, without on host\n");
    for (int d = 0; d < 2; d++)
        krun_close(&run[d]);
    tf2_model_destroy(&optimized);
    return good;
}

static enum kcheck8_result check_batch(
    struct kdevices *devices, const struct kfamily8 *family, const struct tf2_model *model, uint64_t seed,
    int64_t batch)
{
    struct krun run[2];
    enum kcheck8_result result = KCHECK8_EQUAL;
    for (size_t d = 0; d < 2; d++)
        krun_open(&run[d], model, devices->devices, d, batch);
    if (run[0].session)
        kcount_kernels(devices, run[0].session);
    if (family->may_refuse && run[1].session && run[0].status == TF2_ERR_UNSUPPORTED) {
        result = KCHECK8_REFUSED;
    } else if (run[0].status != run[1].status) {
        print_message(
            "  tested device: %s (%s), host: %s (%s)\n", tf2_status_name(run[0].status), run[0].error.message,
            tf2_status_name(run[1].status), run[1].error.message);
        result = KCHECK8_DIFFERENT;
    } else if (run[1].session && !run_thrice(run, family, model, seed)) {
        result = KCHECK8_DIFFERENT;
    }
    for (size_t d = 0; d < 2; d++)
        krun_close(&run[d]);
    return result;
}

enum kcheck8_result kcheck8(struct kdevices *devices, const struct kfamily8 *family, uint64_t seed)
{
    struct tf2_model *model = kmodel(family->build, seed, false);
    const int64_t batches[] = {0, 2 + (int64_t)(seed % 7)};
    enum kcheck8_result result = KCHECK8_EQUAL;
    for (size_t b = 0; b < 2 && result == KCHECK8_EQUAL; b++) {
        result = check_batch(devices, family, model, seed, batches[b]);
        if (result == KCHECK8_EQUAL && !krun_passes_keep(devices, family, model, seed, batches[b]))
            result = KCHECK8_DIFFERENT;
        if (result != KCHECK8_DIFFERENT)
            continue;
        print_message("%s, TF2_TEST_SEED=%llu, ", family->name, (unsigned long long)seed);
        if (batches[b])
            print_message("batch %lld:\n", (long long)batches[b]);
        else
            print_message("the graph's batch:\n");
        kprint8(model->graph);
    }
    tf2_model_destroy(&model);
    return result;
}
