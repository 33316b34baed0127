/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_sort.c: removing dead nodes, putting nodes in order of computation.
 */
#include "transform/ir/graph.h"

void tf2__graph_compact(struct tf2_graph *graph)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].dead) {
            graph->tensors[graph->nodes[i].out].producer = TF2__NO_NODE;
            continue;
        }
        graph->nodes[n] = graph->nodes[i];
        graph->tensors[graph->nodes[n].out].producer = n;
        n++;
    }
    graph->n_nodes = n;
}

/* A walk over the nodes: for each node the next input to look at, and the nodes begun but not done. */
struct sorter {
    struct tf2__node *sorted;
    uint32_t *next_in; /* 0: not begun; n_in + 1: done */
    uint32_t *stack;
    uint32_t n_sorted, n_stack;
};

static bool is_sorted(const struct tf2_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        for (uint32_t k = 0; k < graph->nodes[i].n_in; k++) {
            tf2_tensor_id in = graph->nodes[i].in[k];
            if (in == TF2_NO_TENSOR || graph->tensors[in].producer == TF2__NO_NODE)
                continue;
            if (graph->tensors[in].producer >= i)
                return false;
        }
    }
    return true;
}

/* The next input of `node` that is computed by a node not done yet; TF2__NO_NODE when there is none left. */
static uint32_t next_producer(const struct tf2_graph *graph, struct sorter *sorter, uint32_t node)
{
    while (sorter->next_in[node] < graph->nodes[node].n_in) {
        tf2_tensor_id in = graph->nodes[node].in[sorter->next_in[node]++];
        uint32_t producer = in == TF2_NO_TENSOR ? TF2__NO_NODE : graph->tensors[in].producer;
        if (producer != TF2__NO_NODE && sorter->next_in[producer] <= graph->nodes[producer].n_in)
            return producer;
    }
    return TF2__NO_NODE;
}

/* Emits a node behind everything that it reads: depth first with a stack of our own, files can be deep. */
static bool sort_from(const struct tf2_graph *graph, struct sorter *sorter, uint32_t start)
{
    sorter->stack[sorter->n_stack++] = start;
    while (sorter->n_stack) {
        uint32_t node = sorter->stack[sorter->n_stack - 1];
        uint32_t producer = next_producer(graph, sorter, node);
        if (producer == TF2__NO_NODE) {
            sorter->next_in[node] = graph->nodes[node].n_in + 1;
            sorter->sorted[sorter->n_sorted++] = graph->nodes[node];
            sorter->n_stack--;
        } else {
            if (sorter->next_in[producer] != 0)
                return false; /* begun and not done: it waits for itself */
            sorter->stack[sorter->n_stack++] = producer;
        }
    }
    return true;
}

enum tf2_status tf2__graph_sort(struct tf2_graph *graph, struct tf2_error *error)
{
    const struct tf2_env *env = &graph->arena.env;
    struct sorter sorter = {0};
    enum tf2_status status = TF2_OK;
    tf2__graph_compact(graph);
    if (is_sorted(graph))
        return TF2_OK;

    sorter.sorted = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.sorted));
    sorter.next_in = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.next_in));
    sorter.stack = tf2__calloc(env, graph->n_nodes, sizeof(*sorter.stack));
    if (!sorter.sorted || !sorter.next_in || !sorter.stack) {
        status = tf2__fail_memory(error, graph->n_nodes * sizeof(*sorter.sorted), "sorting nodes");
        goto end;
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        if (sorter.next_in[i] == 0 && !sort_from(graph, &sorter, i)) {
            status = tf2__fail(error, TF2_ERR_INTERNAL, "%s: depends on itself", graph->nodes[i].name);
            goto end;
        }
    }
    memcpy(graph->nodes, sorter.sorted, graph->n_nodes * sizeof(*graph->nodes));
    tf2__graph_compact(graph);
end:
    tf2__free(env, sorter.stack);
    tf2__free(env, sorter.next_in);
    tf2__free(env, sorter.sorted);
    return status;
}
