/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_qlinear.c: operators on integers (QLinearConv and others, as ONNX Runtime's quantizer writes them) become float
 * operators between DequantizeLinear and QuantizeLinear, before anything else looks at the nodes.
 *
 *     QLinearConv(x, xs, xz, w, ws, wz, ys, yz, b)
 *         = QuantizeLinear(Conv(DequantizeLinear(x, xs, xz), DequantizeLinear(w, ws, wz),
 *                               DequantizeLinear(b, xs * ws)), ys, yz)
 *
 * QuantizeLinear and DequantizeLinear of the domain com.microsoft mean what those of ONNX do.
 */
#include "transform/import/onnx/internal.h"

#include <stdio.h>

#define DOMAIN "com.microsoft"

/*
 * in: what the inputs are, in order. x: data, w: weights (both with scale and zero point), b: a bias in steps of x times
 * w, y: scale and zero point of the output; * repeats the one before.
 */
struct form {
    const char *name;
    bool default_domain;
    const char *to;
    const char *in;
    int64_t axis; /* of the weights' scales */
};

static const struct form forms[] = {
    {"QLinearConv", true, "Conv", "xwyb", 0},
    {"QLinearMatMul", true, "MatMul", "xwy", 1},
    {"QGemm", false, "Gemm", "xwby", 1},
    {"QLinearAdd", false, "Add", "xxy", 0},
    {"QLinearMul", false, "Mul", "xxy", 0},
    {"QLinearGlobalAveragePool", false, "GlobalAveragePool", "xy", 0},
    {"QLinearAveragePool", false, "AveragePool", "xy", 0},
    {"QLinearLeakyRelu", false, "LeakyRelu", "xy", 0},
    {"QLinearSigmoid", false, "Sigmoid", "xy", 0},
    {"QLinearConcat", false, "Concat", "yx*", 0},
    {"QLinearSoftmax", false, "Softmax", "xy", 0},
};

/* Making the nodes that stand for one. */
struct writer {
    struct tf2__onnx *onnx;
    const Tf2__Onnx__NodeProto *from;
    const struct form *form;
    Tf2__Onnx__NodeProto **nodes;
    size_t n_nodes, cap_nodes;
    uint32_t serial;
    bool failed; /* out of memory */
};

static bool is_domain(const Tf2__Onnx__NodeProto *node, const char *domain)
{
    return strcmp(node->domain ? node->domain : "", domain) == 0;
}

static const struct form *find_form(const Tf2__Onnx__NodeProto *node)
{
    for (size_t i = 0; i < TF2__COUNT(forms); i++) {
        if (node->op_type && strcmp(node->op_type, forms[i].name) == 0 && node->n_output == 1 &&
            (is_domain(node, DOMAIN) || (forms[i].default_domain && is_domain(node, ""))))
            return &forms[i];
    }
    return NULL;
}

/* What a node becomes at most: three for each input, the operator, the rounding. */
static size_t count_nodes(const Tf2__Onnx__NodeProto *node)
{
    return find_form(node) ? 3 * node->n_input + 2 : 1;
}

static void *take(struct writer *w, size_t n, size_t size_bytes)
{
    void *data = tf2__arena_alloc(&w->onnx->arena, n, size_bytes);
    w->failed |= !data;
    return data;
}

/* "y/DequantizeLinear_3" */
static char *make_name(struct writer *w, const char *type)
{
    const char *base = w->from->output[0];
    const size_t size = strlen(base) + strlen(type) + 16;
    char *name = take(w, size, 1);
    if (name)
        snprintf(name, size, "%s/%s_%u", base, type, ++w->serial);
    return name;
}

/* A node with up to three inputs (NULL: no more) and one output; NULL on failure. */
static Tf2__Onnx__NodeProto *add_node(struct writer *w, const char *type, char *const in[3], char *out)
{
    static const Tf2__Onnx__NodeProto blank = TF2__ONNX__NODE_PROTO__INIT;
    Tf2__Onnx__NodeProto *node = take(w, 1, sizeof(*node));
    char **inputs = take(w, 3, sizeof(*inputs)), **output = take(w, 1, sizeof(*output));
    if (!node || !inputs || !output || w->n_nodes == w->cap_nodes)
        return NULL;
    *node = blank;
    node->name = w->from->name;
    node->op_type = (char *)(uintptr_t)type;
    node->input = inputs;
    while (node->n_input < 3 && in[node->n_input]) {
        inputs[node->n_input] = in[node->n_input];
        node->n_input++;
    }
    output[0] = out;
    node->output = output;
    node->n_output = 1;
    w->nodes[w->n_nodes++] = node;
    return node;
}

static void set_axis(struct writer *w, Tf2__Onnx__NodeProto *node, int64_t axis)
{
    static const Tf2__Onnx__AttributeProto blank = TF2__ONNX__ATTRIBUTE_PROTO__INIT;
    Tf2__Onnx__AttributeProto *attr = take(w, 1, sizeof(*attr)), **list = take(w, 1, sizeof(*list));
    if (!node || !attr || !list)
        return;
    *attr = blank;
    attr->name = (char *)(uintptr_t) "axis";
    attr->has_type = attr->has_i = true;
    attr->type = 2;
    attr->i = axis;
    list[0] = attr;
    node->attribute = list;
    node->n_attribute = 1;
}

/* A float value of integers, as the name of a new tensor. */
static char *dequantized(struct writer *w, char *const in[3], int64_t axis)
{
    char *name = make_name(w, "DequantizeLinear");
    if (name && *in[0])
        set_axis(w, add_node(w, "DequantizeLinear", in, name), axis);
    return name && *in[0] ? name : in[0];
}

/* A bias, its scale the product of those of input and weights. */
static char *read_bias(struct writer *w, char *bias)
{
    char **in = w->from->input, *scale = make_name(w, "Mul");
    char *const scales[3] = {in[1], in[4]};
    char *const operand[3] = {bias, scale};
    if (!*bias || !scale)
        return bias;
    add_node(w, "Mul", scales, scale);
    return dequantized(w, operand, 0);
}

/* What stands for input i and those behind it that belong to it; *i moves on. */
static char *read_operand(struct writer *w, char letter, size_t *i)
{
    char **in = w->from->input;
    if (letter == 'b')
        return read_bias(w, in[(*i)++]);
    char *const operand[3] = {
        in[*i], in[*i + 1], *i + 2 < w->from->n_input && *in[*i + 2] ? in[*i + 2] : NULL};
    *i += 3;
    return dequantized(w, operand, letter == 'w' ? w->form->axis : 1);
}

/* Says nothing: the layout that there is, and for a softmax the meaning that it has in the file's opset. */
static bool is_default(const struct writer *w, const Tf2__Onnx__AttributeProto *attr)
{
    const char *name = attr->name ? attr->name : "";
    return (strcmp(name, "channels_last") == 0 && attr->i == 0) ||
           (strcmp(name, "opset") == 0 && (attr->i >= 13) == (w->onnx->opset >= 13));
}

/* The attributes that the float operator has, too. */
static void copy_attributes(struct writer *w, Tf2__Onnx__NodeProto *to)
{
    to->attribute = take(w, w->from->n_attribute, sizeof(*to->attribute));
    for (size_t i = 0; to->attribute && i < w->from->n_attribute; i++) {
        Tf2__Onnx__AttributeProto *attr = w->from->attribute[i];
        if (!is_default(w, attr))
            to->attribute[to->n_attribute++] = attr;
    }
}

/* How many inputs have to be there: a bias, and what comes behind it or last, can be left out. */
static size_t count_inputs(const struct form *form)
{
    size_t n = 0;
    for (const char *c = form->in; *c && *c != 'b' && *c != '*'; c++)
        n += *c != 'y' ? 3 : c[1] ? 2 : 1;
    return n;
}

static void expand(struct writer *w)
{
    const size_t n = w->from->n_input;
    char **operands = take(w, n, sizeof(*operands)), *scale = NULL, *zero_point = NULL;
    char *const none[3] = {NULL};
    size_t n_operands = 0, i = 0;
    for (const char *c = w->form->in; *c && i < n && operands; c += c[1] != '*') {
        if (*c != 'b' && i + 1 == n)
            break;
        if (*c != 'y') {
            operands[n_operands++] = read_operand(w, *c, &i);
            continue;
        }
        scale = w->from->input[i];
        zero_point = i + 1 < n && *w->from->input[i + 1] ? w->from->input[i + 1] : NULL;
        i += 2;
    }
    const bool rounds = scale && *scale;
    char *real = rounds ? make_name(w, w->form->to) : w->from->output[0];
    char *const rounding[3] = {real, scale, zero_point};
    Tf2__Onnx__NodeProto *node = add_node(w, w->form->to, none, real);
    if (!node)
        return;
    node->input = operands;
    node->n_input = n_operands;
    copy_attributes(w, node);
    if (rounds)
        add_node(w, "QuantizeLinear", rounding, w->from->output[0]);
}

/* The node as it is, or as one of ONNX's own domain. */
static void keep(struct writer *w, Tf2__Onnx__NodeProto *node)
{
    const bool is_linear = node->op_type && (strcmp(node->op_type, "QuantizeLinear") == 0 ||
                                             strcmp(node->op_type, "DequantizeLinear") == 0);
    if (is_linear && is_domain(node, DOMAIN)) {
        Tf2__Onnx__NodeProto *copy = take(w, 1, sizeof(*copy));
        if (!copy)
            return;
        *copy = *node;
        copy->domain = NULL;
        node = copy;
    }
    w->nodes[w->n_nodes++] = node;
}

enum tf2_status tf2__onnx_expand(struct tf2__onnx *onnx, struct tf2_error *error)
{
    Tf2__Onnx__GraphProto *graph = onnx->model->graph;
    struct writer w = {.onnx = onnx};
    for (size_t i = 0; i < graph->n_node; i++)
        w.cap_nodes += count_nodes(graph->node[i]);
    w.nodes = tf2__arena_alloc(&onnx->arena, w.cap_nodes, sizeof(*w.nodes));
    if (!w.nodes)
        return tf2__fail_memory(error, w.cap_nodes * sizeof(*w.nodes), "the list of nodes");
    for (size_t i = 0; i < graph->n_node; i++) {
        w.from = graph->node[i];
        w.form = find_form(w.from);
        if (w.form && w.from->n_input >= count_inputs(w.form))
            expand(&w);
        else
            keep(&w, graph->node[i]);
    }
    if (w.failed)
        return tf2__fail_memory(error, w.cap_nodes * sizeof(*w.nodes), "nodes");
    onnx->file_nodes = graph->node;
    onnx->n_file_nodes = graph->n_node;
    graph->node = w.nodes;
    graph->n_node = w.n_nodes;
    return TF2_OK;
}

void tf2__onnx_restore(struct tf2__onnx *onnx)
{
    if (!onnx->file_nodes)
        return;
    onnx->model->graph->node = onnx->file_nodes;
    onnx->model->graph->n_node = onnx->n_file_nodes;
}
