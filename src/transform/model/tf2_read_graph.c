/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_read_graph.c: the GRAPH section of a .tf2 file.
 *
 * Tensors get their numbers from the order in which they are added, as in the file. The graph is built by the
 * same functions that importers use, which check operators, shapes, types and names. Here is checked what
 * they take for granted: numbers of tensors, where data lie, what a quantization may have.
 */
#include "transform/model/tf2_format.h"


struct reader {
    struct tf2__cursor *cursor;
    struct tf2_graph *graph;
    const unsigned char *weights;
    size_t weights_bytes;
    size_t weights_used; /* blocks lie in order, so that no two of them overlap */
};

struct quant {
    struct tf2__quant value;
    bool set; /* false: the tensor is not quantized */
};

/* Failures of the functions that build graphs get the place. */
static enum tf2_status located(struct reader *r, const unsigned char *at, enum tf2_status status)
{
    struct tf2__cursor *c = r->cursor;
    if (status == TF2_OK || c->status != TF2_OK)
        return c->status;
    c->status =
        tf2__fail_prefix(c->error, status, "%s section, byte %zu", c->section, (size_t)(at - c->file));
    return c->status;
}

static struct tf2_shape read_shape(struct tf2__cursor *c)
{
    struct tf2_shape shape = {0};
    const unsigned char *at = c->at;
    uint8_t n_dims = tf2__cursor_u8(c, "number of dimensions");
    if (n_dims > TF2_MAX_DIMS) {
        tf2__cursor_fail(c, at, TF2_ERR_FORMAT, "%u dimensions, at most %d allowed", n_dims, TF2_MAX_DIMS);
        return shape;
    }
    shape.n_dims = n_dims;
    for (uint32_t d = 0; d < n_dims; d++)
        shape.dim[d] = tf2__cursor_u32(c, "an extent");
    if (c->status == TF2_OK && tf2_shape_count(&shape) == 0) {
        char text[192];
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "shape %s: every extent must be 1 or more, their product below 2^31",
            tf2_shape_format(&shape, text, sizeof(text)));
    }
    return shape;
}

static enum tf2_dtype read_dtype(struct tf2__cursor *c)
{
    const unsigned char *at = c->at;
    uint8_t dtype = tf2__cursor_u8(c, "data type");
    if (c->status == TF2_OK && (dtype < TF2_DTYPE_F32 || dtype > TF2_DTYPE_S32))
        tf2__cursor_fail(
            c, at, TF2_ERR_UNSUPPORTED, "data type %u, this version knows %d to %d", dtype, TF2_DTYPE_F32,
            TF2_DTYPE_S32);
    return (enum tf2_dtype)dtype;
}

/* A block of WEIGHTS; NULL on failure. */
static const void *read_block(struct reader *r, size_t n_bytes, const char *what)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    uint64_t offset = tf2__cursor_u64(c, what);
    if (c->status != TF2_OK)
        return NULL;
    if (offset % TF2__TF2_ALIGNMENT != 0 || offset < r->weights_used) {
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "%s at %llu in WEIGHTS, wanted a multiple of %d from %zu on", what,
            (unsigned long long)offset, TF2__TF2_ALIGNMENT, r->weights_used);
        return NULL;
    }
    if (offset > r->weights_bytes || n_bytes > r->weights_bytes - offset) {
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "%s: %zu bytes at %llu in WEIGHTS, which has %zu", what, n_bytes,
            (unsigned long long)offset, r->weights_bytes);
        return NULL;
    }
    r->weights_used = (size_t)offset + n_bytes;
    return r->weights + offset;
}

/* What is in the place of the scale and the zero point; arrays follow elsewhere. allowed: bits. */
static uint8_t
read_quant(struct tf2__cursor *c, enum tf2_dtype dtype, bool wanted, unsigned allowed, struct quant *q)
{
    const unsigned char *at = c->at;
    uint8_t bits = tf2__cursor_u8(c, "quantization");
    *q = (struct quant){.set = bits != 0};
    if (c->status != TF2_OK)
        return 0;
    if (bits & ~(TF2__QUANT_SET | TF2__QUANT_CHANNEL_SCALES | TF2__QUANT_CHANNEL_ZERO_POINTS)) {
        tf2__cursor_fail(c, at, TF2_ERR_UNSUPPORTED, "quantization of the kind %u", bits);
        return 0;
    }
    if ((bits & TF2__QUANT_SET) != wanted || (bits & ~allowed) || (bits && !wanted)) {
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "a quantization of the kind %u does not go with this tensor of %s", bits,
            tf2_dtype_name(dtype));
        return 0;
    }
    if (bits && !(bits & TF2__QUANT_CHANNEL_SCALES))
        q->value.scale = tf2__cursor_f32(c, "scale");
    if (bits && !(bits & TF2__QUANT_CHANNEL_ZERO_POINTS) && dtype == TF2_DTYPE_U8)
        q->value.zero_point = tf2__cursor_u8(c, "zero point");
    return bits;
}

static void read_input(struct reader *r)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    tf2_tensor_id id;
    const char *name = tf2__cursor_name(c, "an input's name");
    enum tf2_dtype dtype = read_dtype(c);
    struct tf2_shape shape = read_shape(c);
    if (c->status == TF2_OK)
        located(r, at, tf2_graph_add_input(r->graph, name, dtype, &shape, &id, c->error));
}

static void read_constant(struct reader *r)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    struct quant quant;
    tf2_tensor_id id;
    const char *name = tf2__cursor_name(c, "a constant's name");
    enum tf2_dtype dtype = read_dtype(c);
    struct tf2_shape shape = read_shape(c);
    uint8_t bits = read_quant(
        c, dtype, dtype == TF2_DTYPE_S8, TF2__QUANT_SET | (shape.n_dims > 0 ? TF2__QUANT_CHANNEL_SCALES : 0),
        &quant);
    if (c->status != TF2_OK)
        return;
    size_t n_bytes = (size_t)tf2_shape_count(&shape) * tf2_dtype_size_bytes(dtype);
    const void *data = read_block(r, n_bytes, "a constant");
    if (bits & TF2__QUANT_CHANNEL_SCALES)
        quant.value.channel_scale = read_block(r, (size_t)shape.dim[0] * sizeof(float), "scales");
    if (c->status == TF2_OK)
        located(
            r, at,
            tf2__graph_adopt_quantized(
                r->graph, name, dtype, &shape, quant.set ? &quant.value : NULL, data, &id, c->error));
}

/* Whether the operator takes it is checked when the node is added. */
static struct tf2_activation read_activation(struct tf2__cursor *c)
{
    const unsigned char *at = c->at;
    struct tf2_activation a = {0};
    uint8_t kind = tf2__cursor_u8(c, "activation");
    if (kind == TF2_ACTIVATION_NONE)
        return a;
    a.kind = (enum tf2_activation_kind)kind;
    a.alpha = tf2__cursor_f32(c, "alpha of an activation");
    a.beta = tf2__cursor_f32(c, "beta of an activation");
    if (kind > TF2_ACTIVATION_ERF)
        tf2__cursor_fail(
            c, at, TF2_ERR_UNSUPPORTED, "activation %u, this version knows 0 to %d", kind,
            TF2_ACTIVATION_ERF);
    return a;
}

/* A node as the file has it. */
struct node {
    const struct tf2__op *op;
    const char *name, *own_name;
    uint32_t n_in;
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    _Alignas(max_align_t) unsigned char attr[TF2__ATTR_MAX_BYTES];
    struct tf2_activation activation;
    enum tf2_dtype dtype;
    struct quant quant;
};

static void read_op(struct tf2__cursor *c, struct node *node)
{
    const unsigned char *at = c->at;
    uint16_t number = tf2__cursor_u16(c, "operator");
    node->op = c->status == TF2_OK ? tf2__op_find((enum tf2_op)number) : NULL;
    if (!node->op)
        tf2__cursor_fail(c, at, TF2_ERR_UNSUPPORTED, "operator %u, which this version does not know", number);
}

static void read_names(struct tf2__cursor *c, struct node *node)
{
    node->name = tf2__cursor_name(c, "a node's name");
    const unsigned char *at = c->at;
    node->own_name = tf2__cursor_text(c, "a node's own name");
    const char *problem = *node->own_name ? tf2__name_problem(node->own_name) : NULL;
    if (problem)
        tf2__cursor_fail(c, at, TF2_ERR_FORMAT, "a node's own name %s", problem);
}

static void read_node_inputs(struct reader *r, struct node *node)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    uint8_t n_in = tf2__cursor_u8(c, "number of inputs of a node");
    if (n_in > TF2_MAX_NODE_INPUTS)
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "%s: %u inputs, at most %d allowed", node->name, n_in,
            TF2_MAX_NODE_INPUTS);
    for (uint32_t k = 0; k < n_in && c->status == TF2_OK; k++) {
        at = c->at;
        node->in[k] = tf2__cursor_u32(c, "an input of a node");
        if (node->in[k] != TF2_NO_TENSOR && node->in[k] >= r->graph->n_tensors)
            tf2__cursor_fail(
                c, at, TF2_ERR_FORMAT, "%s reads tensor %u, %u exist before it", node->name, node->in[k],
                r->graph->n_tensors);
    }
    node->n_in = n_in;
}

static void read_attr(struct reader *r, struct node *node)
{
    struct tf2__cursor *c = r->cursor;
    uint16_t n_bytes = tf2__cursor_u16(c, "size of attributes");
    const unsigned char *at = c->at;
    const unsigned char *bytes = tf2__cursor_bytes(c, n_bytes, "attributes");
    if (c->status == TF2_OK)
        located(r, at, tf2__attr_decode(node->op->id, bytes, n_bytes, node->attr, c->error));
}

static void read_result(struct reader *r, struct node *node)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    node->dtype = read_dtype(c);
    if (c->status == TF2_OK && node->dtype != TF2_DTYPE_F32 && node->dtype != TF2_DTYPE_U8)
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "%s gives %s, wanted float32 or uint8", node->name,
            tf2_dtype_name(node->dtype));
    unsigned allowed = node->op && node->op->id == TF2_OP_QUANTIZE ? TF2__QUANT_CHANNEL_ZERO_POINTS : 0;
    uint8_t bits =
        read_quant(c, node->dtype, node->dtype == TF2_DTYPE_U8, TF2__QUANT_SET | allowed, &node->quant);
    if (c->status != TF2_OK || !(bits & TF2__QUANT_CHANNEL_ZERO_POINTS))
        return;
    /* A quantize node has its input's shape. */
    const struct tf2_shape *shape =
        node->n_in > 0 && node->in[0] != TF2_NO_TENSOR ? &r->graph->tensors[node->in[0]].shape : NULL;
    if (!shape || shape->n_dims < 2) {
        tf2__cursor_fail(c, at, TF2_ERR_FORMAT, "%s: zero points per channel, but no channels", node->name);
        return;
    }
    node->quant.value.channel_zero_point = read_block(r, (size_t)shape->dim[1], "zero points");
}

static void read_node(struct reader *r)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    struct node node = {0};
    tf2_tensor_id id;
    read_op(c, &node);
    read_names(c, &node);
    read_node_inputs(r, &node);
    if (c->status != TF2_OK)
        return;
    read_attr(r, &node);
    node.activation = read_activation(c);
    read_result(r, &node);
    if (c->status != TF2_OK)
        return;
    enum tf2_status status = tf2__graph_add_int8(
        r->graph, node.op->id, node.name, node.attr, node.in, node.n_in, &node.activation, node.dtype,
        node.quant.set ? &node.quant.value : NULL, &id, c->error);
    if (located(r, at, status) != TF2_OK || !*node.own_name)
        return;
    char *own_name = tf2__arena_strdup(&r->graph->arena, node.own_name);
    if (!own_name)
        c->status = tf2__fail_memory(c->error, strlen(node.own_name) + 1, "a node's name");
    else
        r->graph->nodes[r->graph->n_nodes - 1].name = own_name;
}

static void read_output(struct reader *r)
{
    struct tf2__cursor *c = r->cursor;
    const unsigned char *at = c->at;
    const char *name = tf2__cursor_name(c, "an output's name");
    tf2_tensor_id id = tf2__cursor_u32(c, "an output's tensor");
    if (c->status == TF2_OK && id >= r->graph->n_tensors)
        tf2__cursor_fail(
            c, at, TF2_ERR_FORMAT, "output %s is tensor %u, %u exist", name, id, r->graph->n_tensors);
    if (c->status == TF2_OK)
        located(r, at, tf2_graph_add_output(r->graph, id, name, c->error));
}

enum tf2_status tf2__model_read_graph(
    struct tf2__cursor *cursor, const unsigned char *weights, size_t weights_bytes, struct tf2_graph *graph,
    const char **name)
{
    struct reader r = {.cursor = cursor, .graph = graph, .weights = weights, .weights_bytes = weights_bytes};
    const char *network = tf2__cursor_name(cursor, "the network's name");
    /* The least that a record takes: names of one letter, scalars, no attributes. */
    uint32_t n_inputs = tf2__cursor_count(cursor, 4, "number of inputs");
    uint32_t n_constants = tf2__cursor_count(cursor, 13, "number of constants");
    uint32_t n_nodes = tf2__cursor_count(cursor, 11, "number of nodes");
    uint32_t n_outputs = tf2__cursor_count(cursor, 6, "number of outputs");
    for (uint32_t i = 0; i < n_inputs && cursor->status == TF2_OK; i++)
        read_input(&r);
    for (uint32_t i = 0; i < n_constants && cursor->status == TF2_OK; i++)
        read_constant(&r);
    for (uint32_t i = 0; i < n_nodes && cursor->status == TF2_OK; i++)
        read_node(&r);
    for (uint32_t i = 0; i < n_outputs && cursor->status == TF2_OK; i++)
        read_output(&r);
    *name = network;
    return tf2__cursor_finish(cursor);
}
