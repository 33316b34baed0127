/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h: a frozen graph and what belongs to it. Nothing here changes after tf2_model_from_graph or
 * tf2_model_load; any number of threads read it.
 */
#ifndef TF2__MODEL_MODEL_H
#define TF2__MODEL_MODEL_H

#include <stdatomic.h>

#include <tf2/model.h>

#include "common/file.h"
#include "transform/ir/graph.h"

struct tf2_model {
    struct tf2_env env; /* the graph's */
    atomic_uint n_more_handles; /* beside the first one */
    char *name;
    struct tf2_graph *graph;
    struct tf2_preprocess preprocess;
    int64_t macs;         /* at the graph's own shapes */
    size_t weights_bytes; /* constants that nodes read, each once */
    size_t n_int8_nodes;

    /* What came with a .tf2 file, or all zero. The arrays are the model's, the texts lie in the file. */
    const char **labels;
    size_t n_labels;
    struct tf2_fact *facts;
    size_t n_facts;
    const unsigned char *example; /* its section, checked; NULL: none */
    size_t example_bytes;

    /* What constants, texts and example lie in, given back behind the graph. At most one is set. */
    struct tf2__file file;
    void *copy; /* for tf2_model_load_memory */
};

/* Another handle to the same model; the last tf2_model_destroy frees it. */
struct tf2_model *tf2__model_ref(const struct tf2_model *model);

/* Counts the work, the weights and the integer nodes of model->graph, which has been verified. */
enum tf2_status tf2__model_count(struct tf2_model *model, struct tf2_error *error);

/* TF2_ERR_INVALID_ARGUMENT for what no pixels can be multiplied by. */
enum tf2_status tf2__model_check_preprocess(const struct tf2_preprocess *preprocess, struct tf2_error *error);

/* Whether the bytes are a .tf2 file, be it a damaged one. */
bool tf2__model_probe(const void *data, size_t size_bytes);

/* Unpacks the example: floats, values[i] for input i, then one for each output. The model has one. */
enum tf2_status
tf2__model_example(const struct tf2_model *model, float *const *values, struct tf2_error *error);

#endif
