/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert.h: the parts of tf2-convert.
 *
 *     IN ─ import ─▶ model ─ quantize, on samples ─▶ model ─ facts, labels, example ─▶ OUT.tf2
 *                                                          └ export ────────────────▶ OUT.onnx
 *
 * A sample is what one run of the model takes: as many items (images, rows of a .npy) as its batch.
 */
#ifndef TF2_TOOLS_CONVERT_H
#define TF2_TOOLS_CONVERT_H

#include "run.h"

enum convert_precision {
    CONVERT_KEEP, /* not given: what IN has */
    CONVERT_FP32,
    CONVERT_INT8,
};

struct convert_options {
    struct run_options run; /* model, labels, devices, json and fit are options here too */
    const char *out_path;
    bool to_onnx;
    enum convert_precision precision;
    char **calibrate; /* arguments of --calibrate, and those after IN */
    size_t n_calibrate;
    long n_random; /* random:N, 0: not given */
    long max_samples;
    struct tf2_quantize_options quantize;
    const char *quantize_option; /* one that only int8 has and was given, NULL: none */
    char **keep_float;           /* quantize.float_nodes */
    bool report;
    bool no_example;
};

/* Where samples come from. Zero-initialize. */
struct convert_samples {
    const struct run_task *task;
    struct run_jobs jobs;
    size_t *first_item; /* of each job; one more: all items */
    size_t n_available; /* samples in the files */
    size_t n_samples;   /* of these are used, evenly spread */
    bool random;        /* no files: seeded numbers */

    /* Samples that were read before, as long as there is room. */
    float **kept;
    size_t kept_bytes;

    /* The job that was read last. */
    struct run_source sources[RUN_MAX_INPUTS];
    size_t open_job; /* SIZE_MAX: none */
};

/* 0, or the exit status after a message. Finish in any case. */
int convert_samples_open(
    struct convert_samples *samples, const struct run_task *task, const struct convert_options *options);
void convert_samples_finish(struct convert_samples *samples);
/* tf2_sample_read with a struct convert_samples. */
enum tf2_status
convert_samples_read(void *user, size_t sample, float *const *inputs, struct tf2_error *error);

/* What was done. */
struct convert_result {
    const struct convert_options *options;
    const struct run_task *task; /* of IN */
    struct tf2_model *quantized; /* NULL: IN as it is */
    struct tf2_quantize_report *report;
    struct tf2_fact *facts; /* key and value are owned */
    size_t n_facts;
    size_t size_bytes; /* of the file */
    bool has_example;
    const char *no_example_reason; /* NULL: there is one, or it was not wanted */
};

const struct tf2_model *convert_model(const struct convert_result *result);
const char *convert_range_name(const struct convert_options *options);
const char *convert_rounding_name(const struct convert_options *options);

/* Makes the facts of the new file. */
void convert_make_facts(struct convert_result *result, size_t n_samples);
/* Writes OUT.tf2 or OUT.onnx; 0, or 1 after a message, and then what was at OUT still is. */
int convert_write(
    struct convert_result *result, struct convert_samples *samples, struct tf2_devices *devices);
void convert_result_finish(struct convert_result *result);

/* What was written and how good it is, as text and as JSON. 0, or 1 after a message. */
int convert_report(const struct convert_result *result);

#endif
