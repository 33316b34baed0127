/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keval8.c: a graph computed node by node by the operators' definitions, on dense tensors, without a plan: so
 * that what the plan leaves out on all devices alike shows too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kint8.h"

struct values {
    const struct tf2_graph *graph;
    struct tf2_shape *shapes;
    void **data; /* by tensor; of nodes: allocated */
};

static struct tf2__view view_of(const struct values *v, tf2_tensor_id id)
{
    struct tf2__view view;
    tf2__view_dense(&view, v->data[id], v->graph->tensors[id].dtype, &v->shapes[id]);
    view.quant = v->graph->tensors[id].quant;
    return view;
}

static void eval_node(struct values *v, const struct tf2__node *node)
{
    struct tf2__view in[TF2_MAX_NODE_INPUTS], out;
    memset(in, 0, sizeof(in));
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i] != TF2_NO_TENSOR)
            in[i] = view_of(v, node->in[i]);
    }
    const size_t n = (size_t)tf2_shape_count(&v->shapes[node->out]);
    v->data[node->out] = calloc(n, tf2_dtype_size_bytes(v->graph->tensors[node->out].dtype));
    out = view_of(v, node->out);
    if (tf2__node_is_int8(v->graph, node)) {
        node->op->int8->eval(node->attr, in, node->n_in, &node->activation, &out);
        return;
    }
    node->op->eval(node->attr, in, node->n_in, &out);
    tf2__activation_apply(&node->activation, &out);
}

static bool same_outputs(const struct values *v, const struct krun *run)
{
    bool good = true;
    for (uint32_t i = 0; i < run->n_out; i++) {
        if (memcmp(v->data[v->graph->outputs[i].tensor], run->out[i], krun_out_bytes(run, i)) == 0)
            continue;
        print_message("  output %u: host is not what the operators say\n", i);
        good = false;
    }
    return good;
}

bool krun_as_defined(const struct krun *run, const struct tf2_graph *graph)
{
    struct values v = {.graph = graph};
    struct tf2_shape in[64];
    assert_true(run->n_in <= 64);
    v.shapes = calloc(graph->n_tensors + 1, sizeof(*v.shapes));
    v.data = calloc(graph->n_tensors + 1, sizeof(*v.data));
    for (uint32_t i = 0; i < run->n_in; i++)
        in[i] = run->in_info[i].shape;
    assert_int_equal(tf2__graph_infer(graph, in, v.shapes, NULL), TF2_OK);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        v.data[i] = (void *)(uintptr_t)graph->tensors[i].data;
    for (uint32_t i = 0; i < run->n_in; i++)
        v.data[graph->inputs[i]] = run->in[i];
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        eval_node(&v, &graph->nodes[i]);
    const bool good = same_outputs(&v, run);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        free(v.data[graph->nodes[i].out]);
    free(v.data);
    free(v.shapes);
    return good;
}
