/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass.c: the order of the passes, and running them.
 *
 * The order matters inside one round: what folds into weights goes before what is fused behind them, a
 * residual before the activation that follows it, and GEMM becomes a convolution when everything it can take
 * is in it.
 */
#include "transform/pass/pass.h"

/* What passes may make of constants, all rounds together: without sharing, a network is far below. */
#define BUDGET_BYTES  ((size_t)64 << 20)
#define BUDGET_FACTOR 8

/* One round does nearly everything; the others find what became possible. A graph that needs more is left
 * valid. */
#define MAX_ROUNDS 8

#define PASS_LIST(X)                                                                                         \
    X("drop-identity", drop_identity)                                                                        \
    X("fold-constants", fold_constants)                                                                      \
    X("merge-pad", merge_pad)                                                                                \
    X("fold-scale", fold_scale)                                                                              \
    X("merge-scale", merge_scale)                                                                            \
    X("fold-input-scale", fold_input_scale)                                                                  \
    X("hard-swish", hard_swish)                                                                              \
    X("fuse-add", fuse_add)                                                                                  \
    X("fuse-activation", fuse_activation)                                                                    \
    X("gemm-to-conv", gemm_to_conv)                                                                          \
    X("drop-dead", drop_dead)

#define DECLARE(text, function)                                                                              \
    enum tf2_status tf2__pass_##function(struct tf2_graph *graph, bool *changed, struct tf2_error *error);
PASS_LIST(DECLARE)
#undef DECLARE

#define ROW(text, function) {text, tf2__pass_##function},
const struct tf2__pass tf2__passes[] = {PASS_LIST(ROW)};
#undef ROW
const size_t tf2__n_passes = TF2__COUNT(tf2__passes);

enum tf2_status
tf2__pass_run(const struct tf2__pass *pass, struct tf2_graph *graph, bool *changed, struct tf2_error *error)
{
    uint32_t n_before = graph->n_nodes;
    bool effective = false;
    enum tf2_status status = pass->run(graph, &effective, error);
    if (status == TF2_OK && effective) {
        status = tf2__graph_sort(graph, error);
        if (status == TF2_OK)
            status = tf2__graph_verify(graph, error);
        tf2__log(
            &graph->arena.env, TF2_LOG_DEBUG, "pass %s: %u nodes, %u before", pass->name, graph->n_nodes,
            n_before);
        *changed = true;
    }
    return status == TF2_OK ? TF2_OK : tf2__fail_prefix(error, status, "pass %s", pass->name);
}

/* 2^32 tensors of 2^31 elements do not overflow 64 bits, and no memory holds so many. */
static size_t find_budget(const struct tf2_graph *graph)
{
    size_t n_bytes = 0;
    for (uint32_t t = 0; t < graph->n_tensors; t++) {
        if (graph->tensors[t].data)
            n_bytes += (size_t)tf2_shape_count(&graph->tensors[t].shape) * sizeof(float);
    }
    return BUDGET_BYTES + BUDGET_FACTOR * n_bytes;
}

enum tf2_status tf2__passes_run(struct tf2_graph *graph, struct tf2_error *error)
{
    bool changed = true;
    graph->budget_bytes = find_budget(graph);
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        for (size_t i = 0; i < tf2__n_passes; i++)
            TF2__TRY(tf2__pass_run(&tf2__passes[i], graph, &changed, error));
    }
    return TF2_OK;
}
