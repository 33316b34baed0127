/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop_dead.c: removes nodes from which no graph output depends. Nodes are in order of computation, so one
 * walk backwards sees every reader of a tensor before its producer.
 */
#include "transform/pass/rewrite.h"

TF2__PASS_DEFINE(drop_dead)
{
    const struct tf2_env *env = &graph->arena.env;
    bool *needed = tf2__calloc(env, graph->n_tensors, sizeof(*needed));
    if (!needed)
        return tf2__fail_memory(error, graph->n_tensors, "finding unused nodes");
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        needed[graph->outputs[i].tensor] = true;
    for (uint32_t i = graph->n_nodes; i-- > 0;) {
        struct tf2__node *node = &graph->nodes[i];
        if (!needed[node->out])
            *changed = node->dead = true;
        for (uint32_t k = 0; k < node->n_in && !node->dead; k++) {
            if (node->in[k] != TF2_NO_TENSOR)
                needed[node->in[k]] = true;
        }
    }
    tf2__free(env, needed);
    return TF2_OK;
}
