/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx.c: a graph as an ONNX file: the table of converters, the walk over the nodes, inputs, outputs and
 * names.
 *
 * The batch is left open ("N") when the graph takes another one; the shapes at that other batch tell
 * converters what depends on it. When one of them cannot leave it open the graph is converted again, with the
 * batch as it is.
 */
#include "transform/export/onnx.h"

#include <tf2/version.h>

#define IR_VERSION 8
#define OPSET      13
#define OPEN_BATCH "N"
#define PRODUCER   "libtf2"

/* `integers`: the converter reads and makes them itself; else it sees float numbers. */
static const struct {
    tf2__export_convert convert;
    bool integers;
} table[] = {
    [TF2_OP_IDENTITY] = {tf2__export_identity, false},
    [TF2_OP_DROPOUT] = {tf2__export_identity, false},
    [TF2_OP_CONV] = {tf2__export_conv, false},
    [TF2_OP_GEMM] = {tf2__export_gemm, false},
    [TF2_OP_POOL] = {tf2__export_pool, false},
    [TF2_OP_ACTIVATION] = {tf2__export_activation, false},
    [TF2_OP_PRELU] = {tf2__export_prelu, false},
    [TF2_OP_BATCH_NORM] = {tf2__export_batch_norm, false},
    [TF2_OP_SCALE] = {tf2__export_scale, false},
    [TF2_OP_LRN] = {tf2__export_lrn, false},
    [TF2_OP_ELTWISE] = {tf2__export_eltwise, false},
    [TF2_OP_CONCAT] = {tf2__export_concat, false},
    [TF2_OP_SLICE] = {tf2__export_slice, false},
    [TF2_OP_SOFTMAX] = {tf2__export_softmax, false},
    [TF2_OP_FLATTEN] = {tf2__export_flatten, false},
    [TF2_OP_RESHAPE] = {tf2__export_reshape, false},
    [TF2_OP_SQUEEZE] = {tf2__export_squeeze, false},
    [TF2_OP_UNSQUEEZE] = {tf2__export_unsqueeze, false},
    [TF2_OP_TRANSPOSE] = {tf2__export_transpose, false},
    [TF2_OP_PAD] = {tf2__export_pad, false},
    [TF2_OP_RESIZE] = {tf2__export_resize, false},
    [TF2_OP_QUANTIZE] = {tf2__export_quantize, true},
    [TF2_OP_DEQUANTIZE] = {tf2__export_dequantize, true},
    [TF2_OP_LOOKUP] = {tf2__export_lookup, true},
    [TF2_OP_CONV_TRANSPOSE] = {tf2__export_conv_transpose, false},
    [TF2_OP_NORMALIZE] = {tf2__export_normalize, false},
};

static int32_t type_of(enum tf2_dtype dtype)
{
    static const int32_t types[] = {
        [TF2_DTYPE_F32] = TF2__EXPORT_FLOAT, [TF2_DTYPE_U8] = TF2__EXPORT_UINT8,
        [TF2_DTYPE_S8] = TF2__EXPORT_INT8,   [TF2_DTYPE_S32] = TF2__EXPORT_INT32,
        [TF2_DTYPE_S64] = TF2__EXPORT_INT64,
    };
    return types[dtype];
}

/* ---- nodes ---- */

/* A constant is written when it is first read. */
static void write_constant(struct tf2__export *e, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    if (!tensor->data || e->values[id].is_written)
        return;
    e->values[id].is_written = true;
    tf2__export_initializer(e, e->values[id].name, type_of(tensor->dtype), &tensor->shape, tensor->data);
}

const char *tf2__export_in(struct tf2__export *e, uint32_t k)
{
    tf2_tensor_id id = k < e->node->n_in ? e->node->in[k] : TF2_NO_TENSOR;
    if (id == TF2_NO_TENSOR)
        return "";
    write_constant(e, id);
    switch (e->graph->tensors[id].dtype) {
    case TF2_DTYPE_F32:
        return e->values[id].name;
    case TF2_DTYPE_U8:
    case TF2_DTYPE_S8:
        return tf2__export_real(e, id);
    case TF2_DTYPE_S32:
        return tf2__export_bias(e, id);
    default:
        return tf2__export_refuse(e, "input %u is %s", k, tf2_dtype_name(e->graph->tensors[id].dtype));
    }
}

/* The last node's result gets the tensor's name. */
static void finish_node(struct tf2__export *e, const char *result)
{
    if (e->no_memory || !*result)
        return;
    assert(e->last->output[0] == result);
    e->last->output[0] = (char *)(uintptr_t)e->values[e->node->out].name;
}

static void convert_node(struct tf2__export *e, const struct tf2__node *node)
{
    const bool known = (size_t)node->op->id < TF2__COUNT(table) && table[node->op->id].convert;
    e->node = node;
    if (!known) {
        tf2__export_refuse(e, "has no ONNX form");
        return;
    }
    const char *y = table[node->op->id].convert(e, node);
    if (!table[node->op->id].integers) {
        y = tf2__export_fused(e, &node->activation, y);
        if (e->graph->tensors[node->out].dtype == TF2_DTYPE_U8)
            y = tf2__export_quantized(e, node->out, y);
    }
    finish_node(e, y);
}

/* ---- names ---- */

/* Length of the UTF-8 sequence at `text`; 0 when there is none. Overlong forms, surrogates and what lies
 * beyond Unicode are left to the reader: no protobuf parser stops at these bytes. */
static size_t sequence(const unsigned char *text)
{
    static const struct {
        unsigned char first;
        size_t n;
    } lengths[] = {{0xf5, 0}, {0xf0, 4}, {0xe0, 3}, {0xc2, 2}, {0x80, 0}, {0x00, 1}};
    size_t row = 0;
    while (text[0] < lengths[row].first)
        row++;
    const size_t n = lengths[row].n;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

/* ONNX names are UTF-8, and readers refuse files whose are not. */
static enum tf2_status check_utf8(const char *name, struct tf2_error *error)
{
    const unsigned char *text = (const unsigned char *)name;
    while (*text) {
        size_t n = sequence(text);
        if (!n)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "the name '%.100s' is not UTF-8", name);
        text += n;
    }
    return TF2_OK;
}

static enum tf2_status reserve_name(struct tf2__export *e, const char *name, struct tf2_error *error)
{
    TF2__TRY(check_utf8(name, error));
    if (!tf2__strmap_set(&e->used, name, 1))
        return tf2__fail_memory(error, strlen(name), "a name");
    return TF2_OK;
}

/*
 * Tensors keep their names; outputs that nodes compute are called as outputs. A tensor that is in the way of
 * an output's name gets another one.
 */
static enum tf2_status name_tensors(struct tf2__export *e, struct tf2_error *error)
{
    const struct tf2_graph *graph = e->graph;
    for (uint32_t t = 0; t < graph->n_tensors; t++)
        TF2__TRY(reserve_name(e, graph->tensors[t].name, error));
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        TF2__TRY(reserve_name(e, graph->outputs[i].name, error));
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        const struct tf2__graph_output *output = &graph->outputs[i];
        if (graph->tensors[output->tensor].producer != TF2__NO_NODE && !e->values[output->tensor].name)
            e->values[output->tensor].name = output->name;
    }
    for (uint32_t t = 0; t < graph->n_tensors; t++) {
        const struct tf2__tensor *tensor = &graph->tensors[t];
        if (e->values[t].name)
            continue;
        uint32_t output = tf2__strmap_get(&graph->output_names, tensor->name);
        bool in_the_way =
            output != TF2__STRMAP_NONE && !(tensor->is_input && graph->outputs[output].tensor == t);
        if (in_the_way && tensor->is_input)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "an input and another output are called '%.200s'", tensor->name);
        e->values[t].name = in_the_way ? tf2__export_name(e, tensor->name, "tensor") : tensor->name;
    }
    return TF2_OK;
}

/* ---- inputs and outputs ---- */

/* Dimension 0 as the graph's inputs have it; 0 when they differ, or one has none. */
static int64_t find_batch(const struct tf2_graph *graph)
{
    int64_t batch = 0;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2_shape *shape = &graph->tensors[graph->inputs[i]].shape;
        if (!shape->n_dims || (i && shape->dim[0] != batch))
            return 0;
        batch = shape->dim[0];
    }
    return batch;
}

/* Shapes at another batch, in the arena; NULL when the graph takes none, or not one image. */
static const struct tf2_shape *find_probe(struct tf2__export *e)
{
    const struct tf2_graph *graph = e->graph;
    const int64_t batch = find_batch(graph), tries[] = {1, batch == 2 ? 3 : 2};
    struct tf2_shape *inputs = tf2__export_alloc(e, graph->n_inputs, sizeof(*inputs));
    struct tf2_shape *shapes = tf2__export_alloc(e, graph->n_tensors, sizeof(*shapes));
    if (!batch || !inputs || !shapes)
        return NULL;
    for (size_t i = 0; i < TF2__COUNT(tries); i++) {
        for (uint32_t k = 0; k < graph->n_inputs; k++) {
            inputs[k] = graph->tensors[graph->inputs[k]].shape;
            inputs[k].dim[0] = tries[i];
        }
        if (tf2__graph_infer(graph, inputs, shapes, NULL) != TF2_OK)
            return NULL;
    }
    return shapes;
}

/* Extent d of an input or output: a number, the batch, or (something else that depends on it) nothing. */
static void describe_extent(
    struct tf2__export *e, tf2_tensor_id id, uint32_t d, Tf2__Onnx__TensorShapeProto__Dimension *extent)
{
    const struct tf2_graph *graph = e->graph;
    const int64_t value = graph->tensors[id].shape.dim[d];
    const int64_t other = e->probe ? e->probe[id].dim[d] : value;
    const tf2_tensor_id input = graph->inputs[0];
    if (value == other) {
        extent->has_dim_value = 1;
        extent->dim_value = value;
    } else if (value == graph->tensors[input].shape.dim[0] && other == e->probe[input].dim[0]) {
        extent->dim_param = (char *)(uintptr_t)OPEN_BATCH;
    }
}

static Tf2__Onnx__TypeProto *describe_type(struct tf2__export *e, tf2_tensor_id id)
{
    const struct tf2__tensor *tensor = &e->graph->tensors[id];
    const uint32_t n = tensor->shape.n_dims;
    struct {
        Tf2__Onnx__TypeProto type;
        Tf2__Onnx__TypeProto__Tensor tensor;
        Tf2__Onnx__TensorShapeProto shape;
        Tf2__Onnx__TensorShapeProto__Dimension *list[TF2_MAX_DIMS], dim[TF2_MAX_DIMS];
    } *all = tf2__export_alloc(e, 1, sizeof(*all));
    if (!all)
        return NULL;
    tf2__onnx__type_proto__init(&all->type);
    tf2__onnx__type_proto__tensor__init(&all->tensor);
    tf2__onnx__tensor_shape_proto__init(&all->shape);
    all->type.tensor_type = &all->tensor;
    all->tensor.has_elem_type = 1;
    all->tensor.elem_type = type_of(tensor->dtype);
    all->tensor.shape = &all->shape;
    all->shape.n_dim = n;
    all->shape.dim = all->list;
    e->batch_is_fixed |= e->probe && e->probe[id].n_dims != n;
    for (uint32_t d = 0; d < n; d++) {
        tf2__onnx__tensor_shape_proto__dimension__init(&all->dim[d]);
        all->list[d] = &all->dim[d];
        describe_extent(e, id, d, &all->dim[d]);
    }
    return &all->type;
}

static Tf2__Onnx__ValueInfoProto *describe(struct tf2__export *e, tf2_tensor_id id, const char *name)
{
    Tf2__Onnx__ValueInfoProto *info = tf2__export_alloc(e, 1, sizeof(*info));
    if (!info)
        return NULL;
    tf2__onnx__value_info_proto__init(info);
    info->name = (char *)(uintptr_t)name;
    info->type = describe_type(e, id);
    return info;
}

static void write_inputs(struct tf2__export *e)
{
    const struct tf2_graph *graph = e->graph;
    e->onnx->input = tf2__export_alloc(e, graph->n_inputs, sizeof(*e->onnx->input));
    for (uint32_t i = 0; e->onnx->input && i < graph->n_inputs; i++)
        e->onnx->input[i] = describe(e, graph->inputs[i], graph->tensors[graph->inputs[i]].name);
    e->onnx->n_input = graph->n_inputs;
}

/* A tensor can be several outputs, or an input or a constant: a node makes the name then. */
static void write_outputs(struct tf2__export *e)
{
    const struct tf2_graph *graph = e->graph;
    e->onnx->output = tf2__export_alloc(e, graph->n_outputs, sizeof(*e->onnx->output));
    for (uint32_t i = 0; e->onnx->output && i < graph->n_outputs; i++) {
        const struct tf2__graph_output *output = &graph->outputs[i];
        const char *from = e->values[output->tensor].name;
        e->onnx->output[i] = describe(e, output->tensor, output->name);
        if (strcmp(from, output->name) == 0)
            continue;
        write_constant(e, output->tensor);
        tf2__export_op_of(e, output->name, "Identity", TF2__EXPORT_IN(from));
        if (!e->no_memory)
            e->last->output[0] = (char *)(uintptr_t)output->name;
    }
    e->onnx->n_output = graph->n_outputs;
}

/* ---- the file ---- */

static enum tf2_status
write_model(struct tf2__export *e, const char *name, const char *path, struct tf2_error *error)
{
    Tf2__Onnx__ModelProto model = TF2__ONNX__MODEL_PROTO__INIT;
    Tf2__Onnx__OperatorSetIdProto opset = TF2__ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    opset.domain = (char *)(uintptr_t) "";
    opset.has_version = 1;
    opset.version = OPSET;
    model.has_ir_version = 1;
    model.ir_version = IR_VERSION;
    model.producer_name = (char *)(uintptr_t)PRODUCER;
    model.producer_version = (char *)(uintptr_t)TF2_VERSION_STRING;
    model.graph = e->onnx;
    model.n_opset_import = 1;
    model.opset_import = &opsets;
    e->onnx->name = (char *)(uintptr_t)name;
    return tf2__export_write(&model, path, error);
}

static enum tf2_status convert_graph(struct tf2__export *e, struct tf2_error *error)
{
    const struct tf2_graph *graph = e->graph;
    TF2__TRY(name_tensors(e, error));
    write_inputs(e);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        convert_node(e, &graph->nodes[i]);
    write_outputs(e);
    if (e->no_memory)
        return tf2__fail_memory(error, e->arena.used_bytes, "an ONNX graph");
    return tf2__report_finish(&e->report, "ONNX", error);
}

/* One attempt. *again: it has to be made again, with the batch as it is. */
static enum tf2_status export_once(
    const struct tf2_graph *graph, const char *name, const char *path, bool open_batch, bool *again,
    struct tf2_error *error)
{
    struct tf2__export e = {.graph = graph};
    Tf2__Onnx__GraphProto onnx = TF2__ONNX__GRAPH_PROTO__INIT;
    tf2__arena_init(&e.arena, &graph->arena.env);
    tf2__strmap_init(&e.used, &graph->arena.env);
    e.onnx = &onnx;
    e.values = tf2__export_alloc(&e, graph->n_tensors, sizeof(*e.values));
    if (open_batch)
        e.probe = find_probe(&e);
    enum tf2_status status =
        e.values ? convert_graph(&e, error) : tf2__fail_memory(error, 0, "an ONNX graph");
    *again = e.batch_is_fixed && open_batch;
    if (status == TF2_OK && !*again)
        status = write_model(&e, name, path, error);
    tf2__strmap_finish(&e.used);
    tf2__arena_finish(&e.arena);
    return status;
}

enum tf2_status
tf2__export_onnx(const struct tf2_graph *graph, const char *name, const char *path, struct tf2_error *error)
{
    bool again = false;
    TF2__TRY(check_utf8(name, error));
    TF2__TRY(export_once(graph, name, path, true, &again, error));
    return again ? export_once(graph, name, path, false, &again, error) : TF2_OK;
}
