/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h: the parts of tf2-run.
 *
 *     files ─▶ jobs (one file per model input) ─▶ workers (one per device) ─▶ results in the jobs' order
 *
 * A job has one or more items: an image is one, a .npy of N on its batch axis N. A worker takes as many jobs
 * at a time as its session's batch, packs their items into batches, and reports the jobs when all before are
 * reported. tf2-convert takes its calibration data through jobs and sources too.
 */
#ifndef TF2_TOOLS_RUN_H
#define TF2_TOOLS_RUN_H

#include "cli.h"

#define RUN_MAX_INPUTS  64
#define RUN_MAX_OUTPUTS 64

struct run_options {
    struct cli_model model;
    const char *labels_path;
    long n_top;
    const char *npy_dir;
    const char *json_path;
    const char *devices;
    long batch; /* 0: not given */
    enum tf2_fit fit;
    bool self_test;
};

/* What is worked on, shared by the workers and not changed by them. */
struct run_task {
    const struct run_options *options;
    struct tf2_model *model;
    struct tf2_model_info info;
    struct tf2_tensor_info inputs[RUN_MAX_INPUTS];   /* with the session's batch */
    struct tf2_tensor_info outputs[RUN_MAX_OUTPUTS]; /* the same */
    int64_t batch;                                   /* items per run: dimension 0 of all inputs */
    bool whole; /* the inputs have no common batch axis: an item is all of a run's input, batch is 1 */
    struct cli_labels labels;       /* may be none */
    bool is_class[RUN_MAX_OUTPUTS]; /* shown as the best classes */
};

/*
 * Reads the model, its inputs, outputs and preprocessing (as the options change it); then the labels of
 * labels_path, or those that came with the model. 0, or the exit status after a message; finish in any case.
 */
int run_task_read_model(struct run_task *task, struct cli_model *options);
int run_task_read_labels(struct run_task *task);
void run_task_finish(struct run_task *task);
/* Sets batch and whole by the shapes in inputs and outputs; 0, or 1 after a message. */
int run_task_find_batch(struct run_task *task);
/* Has --mean, if given, as many numbers as some input has channels? */
bool run_task_mean_fits(const struct run_task *task);

struct run_job {
    const char *files[RUN_MAX_INPUTS]; /* one for each input; owned by run_jobs */
    char *stem;                        /* of the first file, for names of .npy outputs */
};

struct run_jobs {
    struct run_job *jobs;
    size_t n_jobs;
    size_t capacity;
    size_t n_files[RUN_MAX_INPUTS];
    char **paths; /* all file names */
    size_t n_paths;
};

/*
 * Makes jobs of the arguments: files, directories, NAME=FILE. 0, or 1 or 2 after a message. Whether a file
 * can be read is not looked at yet.
 */
int run_jobs_make(struct run_jobs *jobs, const struct run_task *task, char **args, size_t n_args);
void run_jobs_finish(struct run_jobs *jobs);
/* The name with which a tensor or file goes into a file name: A-Z a-z 0-9 . _ - stay, the rest becomes '_'.
 */
char *run_safe_name(const char *name);

/* One file, read for one input. */
struct run_source {
    struct tf2_array array; /* a .npy */
    float *tensor;          /* an image */
    size_t n_items;
};

/* False with a message in *error. */
bool run_source_load(
    struct run_source *source, const struct run_task *task, size_t input, const char *path,
    struct tf2_error *error);
/* Writes item number `item` as the network wants it: run_item_size() of them. */
void run_source_write(
    const struct run_source *source, const struct run_task *task, size_t input, size_t item, float *values);
void run_source_finish(struct run_source *source);

/* All files of a job, for all inputs; `sources` zeroed. False with a message when one cannot be read or they
 * have different numbers of items. Unload in any case. */
bool run_job_load(
    struct run_source sources[RUN_MAX_INPUTS], const struct run_task *task, const struct run_job *job,
    struct tf2_error *error);
void run_job_unload(struct run_source sources[RUN_MAX_INPUTS], const struct run_task *task);
/* May the file have several items? */
bool run_is_npy(const char *path);

/* A finished job. */
struct run_result {
    const struct run_job *job;
    size_t n_items;
    float *outputs[RUN_MAX_OUTPUTS]; /* n_items times the output's elements / batch */
};

/* Where results go; one thread at a time. */
struct run_report {
    const struct run_task *task;
    json_t *results; /* NULL: no JSON wanted */
    bool text;
    size_t n_done;
};

/* The dimension of an input's channels; for inputs of two or more dimensions. */
size_t run_channel_dim(const struct tf2_tensor_info *input);
/* Elements of one item of an input. */
size_t run_item_size(const struct run_task *task, size_t input);
/* An output's shape for one item. */
struct tf2_shape run_item_shape(const struct run_task *task, size_t output);
/* Decides which outputs are classes; false after a message when the labels fit none. */
bool run_choose_classes(struct run_task *task);
bool run_report_job(struct run_report *report, const struct run_result *result, struct tf2_error *error);

/* Runs all jobs on the sessions, a thread for each; 0, or 1 after a message. */
int run_jobs_run(
    const struct run_task *task, const struct run_jobs *jobs, struct tf2_session **sessions,
    size_t n_sessions, struct run_report *report);

/* Runs the model's example on all devices of the options; 0, or 1 after a message for each that fails. */
int run_self_test(const struct run_task *task);

#endif
