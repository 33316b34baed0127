/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h: a frozen graph and what belongs to it. Nothing here changes after tf2_model_from_graph; any number
 * of threads read it.
 */
#ifndef TF2__MODEL_MODEL_H
#define TF2__MODEL_MODEL_H

#include <tf2/model.h>

#include "common/file.h"
#include "transform/ir/graph.h"

struct tf2_model {
    struct tf2_env env; /* the graph's */
    char *name;
    struct tf2_graph *graph;
    struct tf2_preprocess preprocess;
    int64_t macs;         /* at the graph's own shapes */
    size_t weights_bytes; /* constants that nodes read, each once */
    size_t n_int8_nodes;

    /* What came with a .tf2 file, or all zero. */
    struct tf2_save_options extra;
    struct tf2__file file; /* the mapping that constants, labels, facts and example lie in */
    void *copy;            /* the same for tf2_model_load_memory */
};

#endif
