/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quantize.h: what the files of tf2_model_quantize share.
 *
 *     quantize.c          options, the order of things, the result
 *     quantize_run.c      graphs on the device, samples
 *     quantize_observe.c  the float network on all samples: statistics of every tensor
 *     quantize_sim.c      the quantized network layer by layer beside the float one: corrections, errors
 *     quantize_disturb.c  the float network with errors put in
 *     quantize_tune.c     ranges by their effect on the outputs
 *     quantize_share.c    each layer's part of the error at the outputs
 *     quantize_judge.c    the finished model beside the float one
 *     quantize_mixed.c    layers back to float
 *     quantize_report.c   the report
 */
#ifndef TF2__API_QUANTIZE_H
#define TF2__API_QUANTIZE_H

#include <tf2/quantize.h>
#include <tf2/session.h>

#include "transform/model/model.h"
#include "transform/quant/scheme.h"

/* One call of tf2_model_quantize. */
struct tf2__quantizer {
    struct tf2_env env;
    const struct tf2_model *model;
    struct tf2_devices *devices;
    size_t device_index;
    tf2_sample_read read;
    void *read_user;
    size_t n_samples;
    struct tf2_quantize_options options;
    struct tf2__arena arena;         /* lives as long as the call */
    struct tf2__prepared prepared;   /* its graph is equalized in place */
    bool *forced_float;              /* per node of the prepared graph */
    struct tf2__observer *observers; /* per tensor of the prepared graph */
    struct tf2__channel_stats *stats;
    bool is_pixels;  /* the input is 8-bit pixels in all samples */
    float **samples; /* [n_kept * n_inputs]: inputs of the samples that are simulated */
    size_t n_kept;
};

void tf2__quantizer_progress(const struct tf2__quantizer *q, const char *stage, size_t done, size_t total);

/* A graph on the device. Zero-initialize. */
struct tf2__runner {
    struct tf2_model *model;
    struct tf2_session *session;
};

/* Takes the graph over, also on failure. */
enum tf2_status tf2__runner_open(
    const struct tf2__quantizer *q, struct tf2_graph **graph, struct tf2__runner *runner,
    struct tf2_error *error);
void tf2__runner_close(struct tf2__runner *runner);

/* Buffers for the model's inputs. NULL when out of memory. */
float **tf2__samples_alloc(const struct tf2__quantizer *q, struct tf2__arena *arena);
/* Reads a sample and checks it. */
enum tf2_status tf2__samples_read(
    const struct tf2__quantizer *q, size_t sample, float *const *inputs, struct tf2_error *error);
/* Reads the samples that are simulated, as many as memory allows. */
enum tf2_status tf2__samples_keep(struct tf2__quantizer *q, struct tf2_error *error);

/* Runs the prepared graph on all samples: fills observers, stats and is_pixels. */
enum tf2_status tf2__quantizer_observe(struct tf2__quantizer *q, const char *stage, struct tf2_error *error);

/* The prepared graph with the results of all nodes. Close it also when opening failed. */
struct tf2__watch {
    struct tf2_env env;
    struct tf2__runner runner;
    float **outputs; /* per node */
    uint32_t n;
};
enum tf2_status
tf2__watch_open(const struct tf2__quantizer *q, struct tf2__watch *watch, struct tf2_error *error);
void tf2__watch_close(struct tf2__watch *watch);
enum tf2_status tf2__watch_run(struct tf2__watch *watch, float *const *inputs, struct tf2_error *error);

/* The prepared graph with errors added to chosen nodes' results. Close `runner` after a successful open. */
struct tf2__disturbed {
    struct tf2__arena *arena;
    struct tf2__runner runner;
    uint32_t n_own_inputs, n_inputs, n_outputs;
    uint32_t *input_of; /* per node: the input for its errors */
    const void **inputs;
    float **right, **found; /* outputs without and with errors */
    size_t *n;              /* their elements */
    float *zeros;
};
enum tf2_status tf2__disturbed_open(
    const struct tf2__quantizer *q, const bool *chosen, struct tf2__arena *arena, struct tf2__disturbed *d,
    struct tf2_error *error);
/* Another sample. */
enum tf2_status tf2__disturbed_start(struct tf2__disturbed *d, float *const *inputs, struct tf2_error *error);
/* The errors of one node from now on; NULL: none. Not copied. */
void tf2__disturbed_set(struct tf2__disturbed *d, uint32_t node, const float *errors);
/* The sum of squared differences at what the network is judged by. */
enum tf2_status tf2__disturbed_noise(struct tf2__disturbed *d, double *noise, struct tf2_error *error);

/* Sums of squares: of the right values, and of the differences from them. */
struct tf2__fidelity {
    double signal, noise;
};
/* Decibels, -200 to 200; what is exact counts as 200, what is not finite as -200. */
double tf2__fidelity_db(const struct tf2__fidelity *f);
void tf2__fidelity_add(struct tf2__fidelity *f, const float *wanted, const float *found, size_t n);

/* A simulation of the quantized network, see quantize_sim.c. */
struct tf2__sim {
    struct tf2__quantizer *q;
    struct tf2__scheme *scheme;
    const char *stage;
    bool correct; /* correct biases */
    bool gptq;    /* round weights with compensation */
    size_t n_own; /* samples for which each layer's own error is kept */

    /* Results, in the scheme's arena. */
    struct tf2__fidelity *tensors; /* per tensor: all before it quantized too */
    struct tf2__fidelity *own;     /* per node: it alone quantized, n_own samples */
    float **own_noise; /* [node * n_own + sample]: difference that the node alone makes to its output */
    struct tf2__fidelity outputs; /* of what the network is judged by */
};
enum tf2_status tf2__sim_run(struct tf2__sim *sim, struct tf2_error *error);

/*
 * What the own noise of every node does to the outputs, as noise per node: own_noise of the simulation through the rest
 * of the float network. noise: per node of the scheme's graph; 0 for nodes that are not on integers.
 */
enum tf2_status tf2__quantizer_shares(const struct tf2__sim *sim, double *noise, struct tf2_error *error);

/*
 * Chooses ranges by what they do to the outputs, on the samples seen so far, and widens them by what can be expected of
 * others. scheme: assigned. Leaves the expected ranges where measuring takes too long.
 */
enum tf2_status
tf2__quantizer_tune(struct tf2__quantizer *q, struct tf2__scheme *scheme, struct tf2_error *error);
/* Samples to take for `n_runs` runs of the network each: few of a large network, none on a slow device. */
size_t tf2__quantizer_affords(const struct tf2__quantizer *q, size_t n_runs, size_t most);

/* How a quantized model does beside the float one, on all samples and the models' own outputs. */
struct tf2__verdict {
    struct tf2__fidelity outputs;
    double cosine; /* the smallest of an output */
    size_t n_rows,
        n_same; /* of the first output: rows, and those with the same best class (a row with a not-a-number has
                   none); n_rows 0: no classes */
};
enum tf2_status tf2__quantizer_judge(
    const struct tf2__quantizer *q, const struct tf2_model *model, const char *stage,
    struct tf2__verdict *verdict, struct tf2_error *error);
/* Per cent that max_drop_percent limits. */
double tf2__verdict_drop(const struct tf2__verdict *verdict);

/* One quantization that was made: with everything that the report tells. */
struct tf2__attempt {
    struct tf2__arena arena;
    struct tf2__scheme scheme;
    struct tf2__sim sim;
    struct tf2_model *model;
    struct tf2__verdict verdict;
};
/* Zero-initialize. forced_float: per node. from: NULL, or ranges to adopt. Finish it also after a failure. */
enum tf2_status tf2__attempt_make(
    struct tf2__quantizer *q, const bool *forced_float, const struct tf2__scheme *from, size_t n_own,
    struct tf2__attempt *attempt, struct tf2_error *error);
void tf2__attempt_finish(struct tf2__attempt *attempt);

/* Makes layers float until max_drop_percent is kept. noise: per node, see tf2__quantizer_shares. fell_back: per node. */
enum tf2_status tf2__quantizer_relax(
    struct tf2__quantizer *q, const double *noise, struct tf2__attempt *attempt, bool *fell_back,
    struct tf2_error *error);

/* noise NULL: shares were not measured. */
enum tf2_status tf2__quantizer_report(
    const struct tf2__quantizer *q, const struct tf2__attempt *first, const struct tf2__attempt *last,
    const double *noise, const bool *fell_back, struct tf2_quantize_report **report, struct tf2_error *error);

/* The tensor that output number `index` is judged by: the input of a final softmax, whose differences count before
 * they are squashed, else the output itself. */
tf2_tensor_id tf2__quantizer_judged(const struct tf2_graph *graph, uint32_t index);

#endif
