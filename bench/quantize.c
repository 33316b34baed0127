/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.c: post-training quantization on two random images.
 *
 * Everything that takes time and only makes the results better is left out: the kernels and the work they do are
 * the same.
 */
#include "quantize.h"

#include "cli.h"
#include "driver.h"

#define N_SAMPLES 2

struct source {
    const struct tf2_model *model;
    size_t n_inputs;
    uint64_t seed;
};

/* A sample is asked for several times and has to be the same: its number is part of the seed. */
static enum tf2_status read_sample(void *user, size_t sample, float *const *inputs, struct tf2_error *error)
{
    const struct source *source = user;
    uint64_t state = source->seed + 1000003 * (sample + 1);
    (void)error;
    for (size_t i = 0; i < source->n_inputs; i++) {
        struct tf2_tensor_info info = {0};
        tf2_model_input(source->model, i, &info);
        for (int64_t k = 0; k < tf2_shape_count(&info.shape); k++)
            inputs[i][k] = bench_random_value(&state);
    }
    return TF2_OK;
}

static void show_progress(void *user, const char *stage, size_t done, size_t total)
{
    (void)user;
    cli_progress("quantizing: %s %zu of %zu", stage, done, total);
}

enum tf2_status
bench_quantize(struct tf2_model **model, struct tf2_devices *devices, uint64_t seed, struct tf2_error *error)
{
    struct tf2_model_info info;
    struct tf2_quantize_options options;
    struct tf2_model *quantized = NULL;
    tf2_model_info(*model, &info);
    tf2_quantize_options_defaults(&options);
    options.range = TF2_RANGE_MINMAX;
    options.no_equalization = true;
    options.no_bias_correction = true;
    options.progress = show_progress;
    struct source source = {*model, info.n_inputs, seed};
    enum tf2_status status = tf2_model_quantize(
        *model, devices, 0, read_sample, &source, N_SAMPLES, &options, &quantized, NULL, error);
    cli_progress_clear();
    if (status != TF2_OK)
        return status;
    tf2_model_destroy(model);
    *model = quantized;
    return TF2_OK;
}
