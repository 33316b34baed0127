/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/quantize.h: post-training quantization of a float32 model to int8.
 *
 * The model is run on sample inputs (calibration), ranges are chosen, weights are rounded, and a new model is made
 * whose convolutions, inner products, pools and sums run on integers: activations u8 with one scale and zero point
 * per tensor, weights s8 with one scale per output channel, sums s32. What has no integer form stays float32, more
 * only with max_drop_percent or float_nodes.
 * docs/quantization.md has the arithmetic; results are the same bits on every device.
 */
#ifndef TF2_QUANTIZE_H
#define TF2_QUANTIZE_H

#include <tf2/common.h>
#include <tf2/device.h>
#include <tf2/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the range of an activation is chosen from what was seen. */
enum tf2_range {
    TF2_RANGE_AUTO = 0,       /* by the effect on the outputs, with room for what other inputs will reach */
    TF2_RANGE_MINMAX = 1,     /* everything seen */
    TF2_RANGE_PERCENTILE = 2, /* all but the outermost share, see percentile */
    TF2_RANGE_MSE = 3,        /* the least squared error (Sung, Shin, Hwang 2015; Banner et al. 2019) */
    TF2_RANGE_KL = 4,         /* the least Kullback-Leibler divergence (Migacz 2017) */
};

/* How weights are rounded. */
enum tf2_rounding {
    TF2_ROUNDING_NEAREST = 0,
    TF2_ROUNDING_GPTQ = 1, /* one input channel after the other, the others make up for the error
                              (Frantar et al. 2022, after Hassibi and Stork 1993) */
};

/* What is being done, for a progress line. done of total; total does not change within a stage. */
typedef void (*tf2_progress)(void *user, const char *stage, size_t done, size_t total);

/* Fills inputs[i] with input i of one sample: float32, dense, in the shape of the model's input i. A failure ends the
 * quantization with this status; write the message. Called several times for the same sample, from one thread. */
typedef enum tf2_status (*tf2_sample_read)(
    void *user, size_t sample, float *const *inputs, struct tf2_error *error);

struct tf2_quantize_options {
    enum tf2_range range;
    float percentile; /* PERCENTILE: per cent of the values inside; 0: 99.99 */
    enum tf2_rounding rounding;
    bool no_equalization;   /* skip cross-layer equalization (Nagel et al. 2019, section 4.1) */
    bool no_bias_correction; /* skip correcting the means of layers (the same, section 4.2) */

    /*
     * Mixed precision: layers become float32 again, the worst first by its measured share of the output error,
     * until at most this many per cent of the samples have another best class than the float32 model (outputs that
     * are no classes: until the outputs' relative squared error is at most this many per cent). 0: 100, none.
     */
    float max_drop_percent;
    const char *const *float_nodes; /* nodes that stay float32: names of the model or of the report */
    size_t n_float_nodes;

    tf2_progress progress; /* NULL: none */
    void *progress_user;
};

/* All zero. */
TF2_API void tf2_quantize_options_defaults(struct tf2_quantize_options *options);

/* One node of the quantized model. Strings live as long as the report. */
struct tf2_quantize_layer {
    const char *name;
    const char *op;
    bool is_int8;          /* computed on integers */
    bool fell_back;        /* float32 because of max_drop_percent */
    float min, max;        /* the chosen range of its output */
    float scale;           /* of its output; 0: a float32 output */
    int32_t zero_point;
    double sqnr_db;        /* signal to quantization noise of its output, all layers before it quantized too; 200: exact,
                              -200: not finite */
    double own_sqnr_db;    /* the same with this layer alone quantized; NaN: not measured */
    double share;          /* its part of the sum of all layers' own noise at the network's outputs, 0 .. 1; -1: not measured */
};

struct tf2_quantize_report {
    size_t n_layers;
    const struct tf2_quantize_layer *layers;
    size_t n_samples;
    size_t n_int8, n_float, n_fell_back; /* nodes */
    double sqnr_db;        /* of all outputs together, against the float32 model; not finite: -200 */
    double cosine;         /* the smallest cosine similarity of an output over the samples; not finite: -1 */
    double same_class_percent; /* samples whose best class is the same, first output; -1: that is no list of classes */
};

/*
 * Makes an int8 model of `model` (float32, not changed). Samples 0 .. n_samples - 1 come from `read`; a few dozen typical
 * inputs are enough. Runs on device number `device_index` of `devices`. options NULL: defaults. *result is owned by
 * the caller; *report (NULL: not wanted) too, see tf2_quantize_report_destroy.
 */
TF2_API enum tf2_status tf2_model_quantize(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index, tf2_sample_read read,
    void *read_user, size_t n_samples, const struct tf2_quantize_options *options, struct tf2_model **result,
    struct tf2_quantize_report **report, struct tf2_error *error);

/* Frees and clears; NULL and a cleared handle are allowed. */
TF2_API void tf2_quantize_report_destroy(struct tf2_quantize_report **report);

#ifdef __cplusplus
}
#endif

#endif
