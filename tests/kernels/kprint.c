/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kprint.c: prints a graph, so that a failing case can be understood and made by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "kcase.h"
#include "transform/ir/graph.h"

struct text {
    char line[1024];
    size_t used;
};

static void add(struct text *t, const char *format, ...) TF2_PRINTF(2, 3);
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    if (t->used + 1 >= sizeof(t->line))
        return;
    va_start(args, format);
    int n = vsnprintf(t->line + t->used, sizeof(t->line) - t->used, format, args);
    va_end(args);
    t->used = TF2__MIN(t->used + (size_t)n, sizeof(t->line) - 1);
}

static void add_numbers(struct text *t, const char *what, const int64_t *numbers, uint32_t n)
{
    add(t, " %s", what);
    for (uint32_t i = 0; i < n; i++)
        add(t, "%c%lld", i ? ',' : '=', (long long)numbers[i]);
}

static void add_int32(struct text *t, const char *what, const int32_t *numbers, uint32_t n)
{
    add(t, " %s", what);
    for (uint32_t i = 0; i < n; i++)
        add(t, "%c%d", i ? ',' : '=', numbers[i]);
}

static void add_window(struct text *t, const struct tf2_window *w, uint32_t n)
{
    add_int32(t, "kernel", w->kernel, n);
    add_int32(t, "stride", w->stride, n);
    add_int32(t, "dilation", w->dilation, n);
    add_int32(t, "pad_begin", w->pad_begin, n);
    add_int32(t, "pad_end", w->pad_end, n);
    add(t, " auto_pad=%d", (int)w->auto_pad);
}

static void add_activation(struct text *t, const struct tf2_activation *a)
{
    add(t, " kind=%d alpha=%g beta=%g", (int)a->kind, a->alpha, a->beta);
}

static void add_pool(struct text *t, const struct tf2_pool_attr *a, uint32_t n_spatial)
{
    add(t, " kind=%d rounding=%d global=%d count_include_pad=%d", (int)a->kind, (int)a->rounding, a->global,
        a->count_include_pad);
    add_window(t, &a->window, n_spatial);
}

static void add_resize(struct text *t, const struct tf2_resize_attr *a, uint32_t n_spatial)
{
    add(t, " mode=%d coordinates=%d nearest=%d", (int)a->mode, (int)a->coordinates, (int)a->nearest);
    add_numbers(t, "size", a->size, n_spatial);
    for (uint32_t d = 0; d < n_spatial; d++)
        add(t, " scale%u=%g", d, a->scale[d]);
}

static void add_attr(struct text *t, const struct tf2__node *node, const struct tf2_shape *x)
{
    uint32_t n_spatial = x->n_dims > 2 ? TF2__MIN(x->n_dims - 2, TF2_MAX_SPATIAL) : 0;
    const void *attr = node->attr;
    switch (node->op->id) {
    case TF2_OP_CONV:
        add(t, " group=%d", ((const struct tf2_conv_attr *)attr)->group);
        add_window(t, &((const struct tf2_conv_attr *)attr)->window, n_spatial);
        break;
    case TF2_OP_CONV_TRANSPOSE: {
        const struct tf2_conv_transpose_attr *a = attr;
        add(t, " group=%d output_pad=%d,%d,%d", a->group, a->output_pad[0], a->output_pad[1],
            a->output_pad[2]);
        add_window(t, &a->window, n_spatial);
        break;
    }
    case TF2_OP_NORMALIZE: {
        const struct tf2_normalize_attr *a = attr;
        add(t, " region=%d epsilon=%g", (int)a->region, a->epsilon);
        break;
    }
    case TF2_OP_PRIOR_BOX: {
        const struct tf2_prior_box_attr *a = attr;
        add(t, " sizes=%u max_sizes=%u ratios=%u clip=%d image=%dx%d", a->n_sizes, a->n_max_sizes,
            a->n_ratios, a->clip, a->image_height, a->image_width);
        break;
    }
    case TF2_OP_DETECTION_OUTPUT: {
        const struct tf2_detection_attr *a = attr;
        add(t, " classes=%d background=%d code=%d per_class=%d variance=%d", a->n_classes, a->background,
            (int)a->code, a->boxes_per_class, a->variance_in_offsets);
        add(t, " confidence=%g nms=%g,%g top_k=%d keep=%d", a->confidence, a->nms_threshold, a->nms_eta,
            a->top_k, a->keep_top_k);
        break;
    }
    case TF2_OP_POOL:
        add_pool(t, attr, n_spatial);
        break;
    case TF2_OP_ACTIVATION:
        add_activation(t, attr);
        break;
    case TF2_OP_GEMM:
    case TF2_OP_SCALE:
    case TF2_OP_CONCAT:
    case TF2_OP_FLATTEN:
        add(t, " axis=%d", *(const int32_t *)attr);
        break;
    case TF2_OP_LRN: {
        const struct tf2_lrn_attr *a = attr;
        add(t, " region=%d size=%d alpha=%g beta=%g k=%g", (int)a->region, a->size, a->alpha, a->beta, a->k);
        break;
    }
    case TF2_OP_ELTWISE: {
        const struct tf2_eltwise_attr *a = attr;
        add(t, " kind=%d", (int)a->kind);
        for (uint32_t i = 0; a->has_coefficients && i < node->n_in; i++)
            add(t, " coefficient%u=%g", i, a->coefficient[i]);
        break;
    }
    case TF2_OP_SLICE: {
        const struct tf2_slice_attr *a = attr;
        add_numbers(t, "begin", a->begin, a->n_dims);
        add_numbers(t, "end", a->end, a->n_dims);
        add_numbers(t, "step", a->step, a->n_dims);
        break;
    }
    case TF2_OP_SOFTMAX: {
        const struct tf2_softmax_attr *a = attr;
        add(t, " axis=%d flatten=%d log=%d", a->axis, a->flatten, a->log);
        break;
    }
    case TF2_OP_RESHAPE:
        add_numbers(
            t, "dim", ((const struct tf2_reshape_attr *)attr)->dim,
            ((const struct tf2_reshape_attr *)attr)->n_dims);
        break;
    case TF2_OP_SQUEEZE:
    case TF2_OP_UNSQUEEZE:
        add(t, " axes=0x%x", ((const struct tf2_axes_attr *)attr)->axes);
        break;
    case TF2_OP_TRANSPOSE:
        for (uint32_t d = 0; d < ((const struct tf2_transpose_attr *)attr)->n_dims; d++)
            add(t, "%s%u", d ? "," : " perm=", ((const struct tf2_transpose_attr *)attr)->perm[d]);
        break;
    case TF2_OP_PAD: {
        const struct tf2_pad_attr *a = attr;
        add(t, " mode=%d value=%g", (int)a->mode, a->value);
        add_numbers(t, "begin", a->begin, a->n_dims);
        add_numbers(t, "end", a->end, a->n_dims);
        break;
    }
    case TF2_OP_RESIZE:
        add_resize(t, attr, n_spatial);
        break;
    default:
        break;
    }
}

static void print_node(const struct tf2_graph *graph, const struct tf2__node *node)
{
    struct text t = {.used = 0};
    char shape[192];
    add(&t, "  %s = %s(", node->name, node->op->name);
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (node->in[k] == TF2_NO_TENSOR) {
            add(&t, "%s-", k ? ", " : "");
            continue;
        }
        const struct tf2__tensor *in = &graph->tensors[node->in[k]];
        add(&t, "%s%s%s %s", k ? ", " : "", in->data ? "const " : "", in->name,
            tf2_shape_format(&in->shape, shape, sizeof(shape)));
    }
    add(&t, ") -> %s", tf2_shape_format(&graph->tensors[node->out].shape, shape, sizeof(shape)));
    add_attr(&t, node, &graph->tensors[node->in[0]].shape);
    if (node->activation.kind != TF2_ACTIVATION_NONE) {
        add(&t, " fused");
        add_activation(&t, &node->activation);
    }
    print_message("%s\n", t.line);
}

void kgraph_print(const struct tf2_graph *graph)
{
    char shape[192];
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2__tensor *in = &graph->tensors[graph->inputs[i]];
        print_message("  input %s %s\n", in->name, tf2_shape_format(&in->shape, shape, sizeof(shape)));
    }
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        print_node(graph, &graph->nodes[i]);
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        print_message(
            "  output %s: %s\n", graph->outputs[i].name, graph->tensors[graph->outputs[i].tensor].name);
}
