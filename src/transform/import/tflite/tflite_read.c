/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_read.c: the tables of a TensorFlow Lite file as arrays of tensors and operators; which operators the outputs
 * need. Only the first subgraph is read: others are bodies of control flow, which is refused where it occurs.
 *
 * A file lists its operators in order of execution. One that reads what a later one computes is damaged.
 */
#include "transform/import/tflite/tflite.h"

#include <stdio.h>

#define MAX_OUTPUTS    1024 /* of the network, and inputs */
#define MAX_OPERANDS   1024 /* of an operator */
#define MAX_NAME_BYTES 900

/* Fields of the schema's tables, by number. */
enum {
    MODEL_VERSION = 0,
    MODEL_CODES = 1,
    MODEL_SUBGRAPHS = 2,
    MODEL_BUFFERS = 4,
    CODE_SHORT = 0, /* a byte; larger codes have 127 here */
    CODE_CUSTOM = 1,
    CODE_LONG = 3,
    GRAPH_TENSORS = 0,
    GRAPH_INPUTS = 1,
    GRAPH_OUTPUTS = 2,
    GRAPH_OPERATORS = 3,
    TENSOR_SHAPE = 0,
    TENSOR_TYPE = 1,
    TENSOR_BUFFER = 2,
    TENSOR_NAME = 3,
    TENSOR_QUANT = 4,
    TENSOR_VARIABLE = 5,
    TENSOR_SPARSITY = 6,
    QUANT_SCALE = 2,
    QUANT_ZERO_POINT = 3,
    QUANT_DETAILS = 4,
    QUANT_AXIS = 6,
    BUFFER_DATA = 0,
    BUFFER_OFFSET = 1,
    BUFFER_SIZE = 2,
    OPERATOR_CODE = 0,
    OPERATOR_INPUTS = 1,
    OPERATOR_OUTPUTS = 2,
    OPERATOR_OPTIONS = 4,
};

#define SCHEMA_VERSION 3
#define LARGEST_SHORT  127
#define CODE_IS_CUSTOM 32

struct type_name {
    int32_t type;
    const char *name;
};

static const struct type_name type_names[] = {
    {0, "float32"},  {1, "float16"},     {2, "int32"},   {3, "uint8"},     {4, "int64"},
    {5, "string"},   {6, "bool"},        {7, "int16"},   {8, "complex64"}, {9, "int8"},
    {10, "float64"}, {11, "complex128"}, {12, "uint64"}, {13, "resource"}, {14, "variant"},
    {15, "uint32"},  {16, "uint16"},     {17, "int4"},   {18, "bfloat16"},
};

const char *tf2__lite_type_name(int32_t type)
{
    for (size_t i = 0; i < TF2__COUNT(type_names); i++) {
        if (type_names[i].type == type)
            return type_names[i].name;
    }
    return "of an unknown type";
}

/* ---- tensors ---- */

/* A string of the file, cut where it is too long for a name. */
static void read_string(
    struct tf2__lite *lite, const struct tf2__fb_table *table, uint32_t field, char text[MAX_NAME_BYTES])
{
    const struct tf2__fb_vector string = tf2__fb_vector(&lite->fb, table, field, 1);
    const size_t n = TF2__MIN(string.n, MAX_NAME_BYTES - 1);
    if (n)
        memcpy(text, lite->fb.data + string.at, n);
    text[n] = '\0';
}

/* The file's name, made unique and kept short enough for a graph. */
static enum tf2_status
read_name(struct tf2__lite *lite, const struct tf2__fb_table *table, uint32_t index, struct tf2_error *error)
{
    char text[MAX_NAME_BYTES], name[MAX_NAME_BYTES + 16];
    read_string(lite, table, TENSOR_NAME, text);
    if (*text)
        snprintf(name, sizeof(name), "%s", text);
    else
        snprintf(name, sizeof(name), "tensor_%u", index);
    if (tf2__strmap_get(&lite->names, name) != TF2__STRMAP_NONE)
        snprintf(name, sizeof(name), "%s#%u", text, index);
    if (tf2__strmap_get(&lite->names, name) != TF2__STRMAP_NONE)
        return tf2__fail(error, TF2_ERR_FORMAT, "two tensors are called '%.100s'", name);
    lite->tensors[index].name = tf2__arena_strdup(&lite->arena, name);
    if (!lite->tensors[index].name || !tf2__strmap_set(&lite->names, lite->tensors[index].name, index))
        return tf2__fail_memory(error, strlen(name), "a tensor's name");
    return TF2_OK;
}

static enum tf2_status read_shape(
    struct tf2__lite *lite, const struct tf2__fb_table *table, struct tf2__lite_tensor *tensor,
    struct tf2_error *error)
{
    const struct tf2__fb_vector shape = tf2__fb_vector(&lite->fb, table, TENSOR_SHAPE, sizeof(int32_t));
    if (shape.n > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%.100s' has %u dimensions, at most %d supported",
            tensor->name, shape.n, TF2_MAX_DIMS);
    tensor->shape.n_dims = shape.n;
    for (uint32_t d = 0; d < shape.n; d++)
        tensor->shape.dim[d] = tf2__fb_i32_at(&lite->fb, &shape, d);
    return TF2_OK;
}

/* A tensor with ranges and no scales is a float tensor that training looked at. */
static enum tf2_status read_quant(
    struct tf2__lite *lite, const struct tf2__fb_table *table, struct tf2__lite_tensor *tensor,
    struct tf2_error *error)
{
    const struct tf2__fb_table quant = tf2__fb_table(&lite->fb, table, TENSOR_QUANT);
    tensor->scales = tf2__fb_vector(&lite->fb, &quant, QUANT_SCALE, sizeof(float));
    tensor->zero_points = tf2__fb_vector(&lite->fb, &quant, QUANT_ZERO_POINT, sizeof(int64_t));
    tensor->quant_axis = tf2__fb_i32(&lite->fb, &quant, QUANT_AXIS, 0);
    if (tf2__fb_u8(&lite->fb, &quant, QUANT_DETAILS, 0))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%.100s' is quantized in a way of its own", tensor->name);
    return TF2_OK;
}

/* Where a tensor's contents lie: no buffer or an empty one says that it is computed. */
static enum tf2_status read_buffer(
    struct tf2__lite *lite, const struct tf2__fb_vector *buffers, const struct tf2__fb_table *table,
    struct tf2__lite_tensor *tensor, struct tf2_error *error)
{
    const uint32_t index = (uint32_t)tf2__fb_i32(&lite->fb, table, TENSOR_BUFFER, 0);
    if (index == 0 && buffers->n == 0)
        return TF2_OK;
    if (index >= buffers->n)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s' is in buffer %u, the file has %u", tensor->name, index,
            buffers->n);
    const struct tf2__fb_table buffer = tf2__fb_table_at(&lite->fb, buffers, index);
    const struct tf2__fb_vector data = tf2__fb_vector(&lite->fb, &buffer, BUFFER_DATA, 1);
    /* Offset 1 is a placeholder that writers leave. */
    if (tf2__fb_i64(&lite->fb, &buffer, BUFFER_OFFSET, 0) > 1 ||
        tf2__fb_i64(&lite->fb, &buffer, BUFFER_SIZE, 0) > 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "tensor '%.100s' is stored behind the tables, as files above 2 GiB do", tensor->name);
    if (data.n) {
        tensor->bytes = lite->fb.data + data.at;
        tensor->n_bytes = data.n;
    }
    return TF2_OK;
}

static enum tf2_status read_tensor(
    struct tf2__lite *lite, const struct tf2__fb_vector *tensors, const struct tf2__fb_vector *buffers,
    uint32_t index, struct tf2_error *error)
{
    struct tf2__lite_tensor *tensor = &lite->tensors[index];
    const struct tf2__fb_table table = tf2__fb_table_at(&lite->fb, tensors, index);
    const struct tf2__fb_table sparsity = tf2__fb_table(&lite->fb, &table, TENSOR_SPARSITY);
    tensor->producer = TF2__LITE_NO_OP;
    tensor->value.id = TF2_NO_TENSOR;
    tensor->type = tf2__fb_u8(&lite->fb, &table, TENSOR_TYPE, 0);
    tensor->is_sparse = sparsity.at != 0;
    TF2__TRY(read_name(lite, &table, index, error));
    TF2__TRY(read_shape(lite, &table, tensor, error));
    TF2__TRY(read_quant(lite, &table, tensor, error));
    TF2__TRY(read_buffer(lite, buffers, &table, tensor, error));
    return lite->fb.status;
}

static enum tf2_status read_tensors(
    struct tf2__lite *lite, const struct tf2__fb_table *model, const struct tf2__fb_table *graph,
    struct tf2_error *error)
{
    const struct tf2__fb_vector tensors = tf2__fb_vector(&lite->fb, graph, GRAPH_TENSORS, 4);
    const struct tf2__fb_vector buffers = tf2__fb_vector(&lite->fb, model, MODEL_BUFFERS, 4);
    TF2__TRY(tf2__lite_charge(lite, (uint64_t)tensors.n * (sizeof(*lite->tensors) + MAX_NAME_BYTES), error));
    lite->tensors = tf2__arena_alloc(&lite->arena, tensors.n, sizeof(*lite->tensors));
    if (!lite->tensors)
        return tf2__fail_memory(error, tensors.n * sizeof(*lite->tensors), "the table of tensors");
    lite->n_tensors = tensors.n;
    for (uint32_t i = 0; i < tensors.n; i++)
        TF2__TRY(read_tensor(lite, &tensors, &buffers, i, error));
    return lite->fb.status;
}

/* ---- operators ---- */

static enum tf2_status check_ids(
    const struct tf2__lite *lite, const struct tf2__fb_vector *ids, bool optional, const char *what,
    struct tf2_error *error)
{
    if (ids->n > MAX_OPERANDS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%u times %s, at most %d supported", ids->n, what, MAX_OPERANDS);
    for (uint32_t i = 0; i < ids->n; i++) {
        const int32_t id = tf2__fb_i32_at(&lite->fb, ids, i);
        if ((id < 0 || (uint32_t)id >= lite->n_tensors) && !(optional && id == -1))
            return tf2__fail(
                error, TF2_ERR_FORMAT, "%s %u is tensor %d, the file has %u", what, i, id, lite->n_tensors);
    }
    return TF2_OK;
}

static enum tf2_status read_code(
    struct tf2__lite *lite, const struct tf2__fb_vector *codes, uint32_t index, struct tf2__lite_op *op,
    struct tf2_error *error)
{
    if (index >= codes->n)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "an operator has code number %u, the file has %u", index, codes->n);
    const struct tf2__fb_table code = tf2__fb_table_at(&lite->fb, codes, index);
    const int32_t number = tf2__fb_i32(&lite->fb, &code, CODE_LONG, 0);
    const uint8_t small = tf2__fb_u8(&lite->fb, &code, CODE_SHORT, 0);
    op->code = small < LARGEST_SHORT && number < small ? small : number;
    op->row = tf2__lite_row_find(op->code);
    if (op->code != CODE_IS_CUSTOM)
        return TF2_OK;
    char name[MAX_NAME_BYTES];
    read_string(lite, &code, CODE_CUSTOM, name);
    op->custom = tf2__arena_strdup(&lite->arena, name);
    return op->custom ? TF2_OK : tf2__fail_memory(error, strlen(name), "an operator's name");
}

/* What an operator computes: each tensor once, nothing that is given. */
static enum tf2_status claim_outputs(struct tf2__lite *lite, uint32_t index, struct tf2_error *error)
{
    struct tf2__lite_op *op = &lite->ops[index];
    for (uint32_t k = 0; k < op->out.n; k++) {
        struct tf2__lite_tensor *tensor = tf2__lite_out(lite, op, k);
        if (tensor->producer != TF2__LITE_NO_OP || tensor->is_input || tensor->bytes)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "tensor '%.100s' is computed twice, or computed and given",
                tensor->name);
        tensor->producer = index;
        if (k == 0)
            op->label = tensor->name;
    }
    return TF2_OK;
}

static enum tf2_status read_ops(
    struct tf2__lite *lite, const struct tf2__fb_table *model, const struct tf2__fb_table *graph,
    struct tf2_error *error)
{
    const struct tf2__fb_vector operators = tf2__fb_vector(&lite->fb, graph, GRAPH_OPERATORS, 4);
    const struct tf2__fb_vector codes = tf2__fb_vector(&lite->fb, model, MODEL_CODES, 4);
    lite->ops = tf2__arena_alloc(&lite->arena, operators.n, sizeof(*lite->ops));
    if (!lite->ops)
        return tf2__fail_memory(error, operators.n * sizeof(*lite->ops), "the table of operators");
    lite->n_ops = operators.n;
    for (uint32_t i = 0; i < operators.n; i++) {
        struct tf2__lite_op *op = &lite->ops[i];
        const struct tf2__fb_table table = tf2__fb_table_at(&lite->fb, &operators, i);
        const uint32_t code = (uint32_t)tf2__fb_i32(&lite->fb, &table, OPERATOR_CODE, 0);
        op->label = "";
        op->in = tf2__fb_vector(&lite->fb, &table, OPERATOR_INPUTS, sizeof(int32_t));
        op->out = tf2__fb_vector(&lite->fb, &table, OPERATOR_OUTPUTS, sizeof(int32_t));
        op->options = tf2__fb_table(&lite->fb, &table, OPERATOR_OPTIONS);
        TF2__TRY(lite->fb.status);
        TF2__TRY(read_code(lite, &codes, code, op, error));
        TF2__TRY(check_ids(lite, &op->in, true, "an operator's input", error));
        TF2__TRY(check_ids(lite, &op->out, false, "an operator's output", error));
        TF2__TRY(claim_outputs(lite, i, error));
    }
    return lite->fb.status;
}

/* ---- inputs, outputs, and what is needed ---- */

/* The tensors of a list, each once. */
static enum tf2_status read_list(
    struct tf2__lite *lite, const struct tf2__fb_table *graph, uint32_t field, const char *what,
    uint32_t **list, uint32_t *n, struct tf2_error *error)
{
    const struct tf2__fb_vector ids = tf2__fb_vector(&lite->fb, graph, field, sizeof(int32_t));
    TF2__TRY(lite->fb.status);
    TF2__TRY(check_ids(lite, &ids, false, what, error));
    *list = tf2__arena_alloc(&lite->arena, ids.n, sizeof(**list));
    if (!*list)
        return tf2__fail_memory(error, ids.n * sizeof(**list), "a list of tensors");
    for (uint32_t i = 0; i < ids.n; i++)
        (*list)[i] = (uint32_t)tf2__fb_i32_at(&lite->fb, &ids, i);
    *n = ids.n;
    return TF2_OK;
}

/* The caller's outputs instead of the file's. */
static enum tf2_status choose_outputs(struct tf2__lite *lite, struct tf2_error *error)
{
    const struct tf2_import_options *options = lite->options;
    if (options->n_outputs > MAX_OUTPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu outputs, at most %d supported", options->n_outputs, MAX_OUTPUTS);
    if (options->n_outputs) {
        lite->outputs = tf2__arena_alloc(&lite->arena, options->n_outputs, sizeof(*lite->outputs));
        if (!lite->outputs)
            return tf2__fail_memory(
                error, options->n_outputs * sizeof(*lite->outputs), "the list of outputs");
        lite->n_outputs = (uint32_t)options->n_outputs;
    }
    for (uint32_t i = 0; i < options->n_outputs; i++) {
        const uint32_t index = tf2__strmap_get(&lite->names, options->outputs[i]);
        if (index == TF2__STRMAP_NONE || lite->tensors[index].bytes)
            return tf2__fail(
                error, TF2_ERR_NOT_FOUND, "output '%s': no operator computes a tensor of this name",
                options->outputs[i]);
        lite->outputs[i] = index;
    }
    return TF2_OK;
}

static enum tf2_status mark_outputs(struct tf2__lite *lite, struct tf2_error *error)
{
    if (lite->n_outputs == 0)
        return tf2__fail(error, TF2_ERR_FORMAT, "the network has no outputs");
    for (uint32_t i = 0; i < lite->n_outputs; i++) {
        struct tf2__lite_tensor *tensor = &lite->tensors[lite->outputs[i]];
        if (tensor->is_output)
            return tf2__fail(
                error, lite->options->n_outputs ? TF2_ERR_INVALID_ARGUMENT : TF2_ERR_FORMAT,
                "tensor '%.100s' is an output twice", tensor->name);
        tensor->is_output = true;
        tensor->n_uses++;
    }
    return TF2_OK;
}

/* Operators are in order, so one walk backwards finds what is needed. */
static enum tf2_status mark_needed(struct tf2__lite *lite, struct tf2_error *error)
{
    for (uint32_t i = lite->n_ops; i-- > 0;) {
        struct tf2__lite_op *op = &lite->ops[i];
        for (uint32_t k = 0; k < op->out.n; k++)
            op->needed |= tf2__lite_out(lite, op, k)->n_uses > 0;
        for (uint32_t k = 0; op->needed && k < op->in.n; k++) {
            struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, k);
            if (!tensor)
                continue;
            tensor->n_uses++;
            if (tensor->producer != TF2__LITE_NO_OP && tensor->producer >= i)
                return tf2__fail(
                    error, TF2_ERR_FORMAT, "tensor '%.100s' is read before it is computed", tensor->name);
            if (tensor->producer == TF2__LITE_NO_OP && !tensor->is_input && !tensor->bytes)
                return tf2__fail(
                    error, TF2_ERR_FORMAT, "tensor '%.100s' is read, but nothing computes it", tensor->name);
        }
    }
    return TF2_OK;
}

enum tf2_status tf2__lite_read(struct tf2__lite *lite, struct tf2_error *error)
{
    const struct tf2__fb_table model = tf2__fb_root(&lite->fb);
    const int32_t version = tf2__fb_i32(&lite->fb, &model, MODEL_VERSION, 0);
    const struct tf2__fb_vector subgraphs = tf2__fb_vector(&lite->fb, &model, MODEL_SUBGRAPHS, 4);
    TF2__TRY(lite->fb.status);
    if (version != SCHEMA_VERSION)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "TensorFlow Lite schema version %d, wanted %d", version,
            SCHEMA_VERSION);
    if (subgraphs.n == 0)
        return tf2__fail(error, TF2_ERR_FORMAT, "the file has no network");
    const struct tf2__fb_table graph = tf2__fb_table_at(&lite->fb, &subgraphs, 0);
    TF2__TRY(lite->fb.status);
    TF2__TRY(read_tensors(lite, &model, &graph, error));
    TF2__TRY(read_list(lite, &graph, GRAPH_INPUTS, "input", &lite->inputs, &lite->n_inputs, error));
    TF2__TRY(read_list(lite, &graph, GRAPH_OUTPUTS, "output", &lite->outputs, &lite->n_outputs, error));
    for (uint32_t i = 0; i < lite->n_inputs; i++) {
        struct tf2__lite_tensor *tensor = &lite->tensors[lite->inputs[i]];
        if (tensor->is_input || tensor->bytes)
            return tf2__fail(
                error, TF2_ERR_FORMAT, "tensor '%.100s' is an input twice, or constant", tensor->name);
        tensor->is_input = true;
    }
    TF2__TRY(read_ops(lite, &model, &graph, error));
    TF2__TRY(choose_outputs(lite, error));
    TF2__TRY(mark_outputs(lite, error));
    return mark_needed(lite, error);
}
