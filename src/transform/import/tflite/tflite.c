/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite.c: imports TensorFlow Lite files, float and quantized. tflite.h has the overview.
 *
 * Problems of single operators are collected, and all of them are told at once: one that cannot be imported poisons its
 * outputs, and operators that read poison are passed over in silence.
 */
#include "transform/import/tflite/tflite.h"

#include <stdio.h>

#define IDENTIFIER "TFL3"

/* What constants may take beyond a few times the size of the file. */
#define BUDGET_BYTES  ((uint64_t)64 << 20)
#define BUDGET_FACTOR 32

/* ---- operators that are not supported, gathered by kind ---- */

#define MAX_EXAMPLES 3

static bool same_kind(const struct tf2__lite_op *a, const struct tf2__lite_op *b)
{
    return a->code == b->code && (!a->custom || strcmp(a->custom, b->custom) == 0);
}

static bool is_unsupported(const struct tf2__lite_op *op)
{
    return op->needed && (!op->row || !op->row->convert);
}

/* One line for all needed operators of the kind of number `first`, which are marked. */
static void report_kind(struct tf2__lite *lite, uint32_t first)
{
    const struct tf2__lite_op *kind = &lite->ops[first];
    char examples[256] = "", name[80];
    size_t used = 0, n = 0;
    for (uint32_t i = first; i < lite->n_ops; i++) {
        struct tf2__lite_op *op = &lite->ops[i];
        if (!is_unsupported(op) || op->refused || !same_kind(op, kind))
            continue;
        op->refused = true;
        if (n++ < MAX_EXAMPLES && used < sizeof(examples))
            used += (size_t)snprintf(
                examples + used, sizeof(examples) - used, "%s'%.60s'", n > 1 ? ", " : "", op->label);
    }
    if (kind->row)
        snprintf(
            name, sizeof(name), "%.60s%s%.16s", kind->row->name, kind->custom ? " " : "",
            kind->custom ? kind->custom : "");
    else
        snprintf(name, sizeof(name), "number %d", kind->code);
    tf2__report_add(
        &lite->report, TF2_ERR_UNSUPPORTED, "operator %s: not supported (%zu: %s%s)", name, n, examples,
        n > MAX_EXAMPLES ? ", ..." : "");
}

/* A kind is looked for once for each that the message has room for: kinds are few, a file's operators are not. */
static void report_unsupported(struct tf2__lite *lite)
{
    uint32_t n_kinds = 0;
    for (uint32_t i = 0; i < lite->n_ops; i++) {
        if (!is_unsupported(&lite->ops[i]) || lite->ops[i].refused)
            continue;
        if (n_kinds++ < 256)
            report_kind(lite, i);
        lite->ops[i].refused = true;
    }
}

/* ---- inputs ---- */

/* Extents that the file leaves open are 1 for the batch; others have to be given. */
static enum tf2_status input_shape(
    const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, struct tf2_shape *shape,
    struct tf2_error *error)
{
    const struct tf2_shape *wanted =
        tf2__import_wanted_shape(lite->options, tensor->name, lite->n_inputs == 1);
    if (wanted && wanted->n_dims != tensor->shape.n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input '%.100s' has %u dimensions, the shape given for it has %u",
            tensor->name, tensor->shape.n_dims, wanted->n_dims);
    *shape = wanted ? *wanted : tensor->shape;
    if (shape->n_dims && shape->dim[0] <= 0)
        shape->dim[0] = 1;
    for (uint32_t d = 1; d < shape->n_dims; d++) {
        if (shape->dim[d] <= 0)
            return tf2__fail(
                error, TF2_ERR_SHAPE,
                "input '%.100s' has an open extent (dimension %u): give its shape (--input %.100s:SHAPE, or "
                "tf2_import_options.input_shapes)",
                tensor->name, d, tensor->name);
    }
    return TF2_OK;
}

/* An input of 8-bit numbers is an image whose pixels they are: signed ones are 128 less. */
static void note_pixels(struct tf2__lite *lite, const struct tf2__lite_tensor *tensor)
{
    struct tf2__quant quant;
    if (lite->n_inputs != 1 || tf2__lite_quant(lite, tensor, &quant, NULL) != TF2_OK)
        return;
    lite->graph->pixels.mean = (float)quant.zero_point;
    lite->graph->pixels.scale = quant.scale;
}

static enum tf2_status
add_input(struct tf2__lite *lite, struct tf2__lite_tensor *tensor, struct tf2_error *error)
{
    struct tf2_shape shape;
    tf2_tensor_id id;
    const bool quantized = tf2__lite_is_quantized(tensor);
    if (tensor->type != TF2__LITE_FLOAT32 && !quantized)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input '%.100s' is of type %s, wanted float32 or quantized int8 or uint8", tensor->name,
            tf2__lite_type_name(tensor->type));
    TF2__TRY(input_shape(lite, tensor, &shape, error));
    TF2__TRY(tf2_graph_add_input(lite->graph, tensor->name, TF2_DTYPE_F32, &shape, &id, error));
    /* A map is turned at once, so that nothing else reads the input. */
    struct tf2__nhwc_value value = {id, shape.n_dims >= 4 && shape.n_dims <= 2 + TF2_MAX_SPATIAL};
    if (value.first)
        TF2__TRY(tf2__nhwc_first(&lite->nhwc, (struct tf2__nhwc_value){id, false}, &value.id, error));
    TF2__TRY(tf2__lite_define(lite, tensor, value, error));
    if (quantized)
        note_pixels(lite, tensor);
    return TF2_OK;
}

/* A problem of one thing goes into the report; only trouble of our own ends the import. */
static enum tf2_status note_problem(
    struct tf2__lite *lite, const char *what, const struct tf2_error *problem, struct tf2_error *error)
{
    if (problem->status == TF2_ERR_NO_MEMORY || problem->status == TF2_ERR_INTERNAL)
        return tf2__fail(error, problem->status, "%s", problem->message);
    tf2__report_add(&lite->report, problem->status, "%s%s", what, problem->message);
    return TF2_OK;
}

static enum tf2_status add_inputs(struct tf2__lite *lite, struct tf2_error *error)
{
    struct tf2_error problem;
    for (uint32_t i = 0; i < lite->n_inputs; i++) {
        struct tf2__lite_tensor *tensor = &lite->tensors[lite->inputs[i]];
        if (!tensor->n_uses || add_input(lite, tensor, &problem) == TF2_OK)
            continue;
        TF2__TRY(note_problem(lite, "", &problem, error));
        tensor->state = TF2__LITE_POISON;
    }
    return TF2_OK;
}

/* ---- operators ---- */

static enum tf2_status
check_op(const struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2__lite_row *row = op->row;
    if (op->in.n < (uint32_t)row->min_in || (row->max_in >= 0 && op->in.n > (uint32_t)row->max_in))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%u inputs, wanted %d%s", op->in.n, row->min_in,
            row->max_in == row->min_in ? "" : " or more");
    if (op->out.n == 0 || (row->n_out >= 0 && op->out.n != (uint32_t)row->n_out))
        return tf2__fail(error, TF2_ERR_FORMAT, "%u outputs, wanted %d", op->out.n, row->n_out);
    for (uint32_t i = 0; i < (uint32_t)row->min_in; i++) {
        if (!tf2__lite_in(lite, op, i))
            return tf2__fail(error, TF2_ERR_FORMAT, "input %u is left out", i);
    }
    return TF2_OK;
}

static bool reads_poison(const struct tf2__lite *lite, const struct tf2__lite_op *op)
{
    for (uint32_t i = 0; i < op->in.n; i++) {
        const struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
        if (tensor && tensor->state == TF2__LITE_POISON)
            return true;
    }
    return false;
}

static enum tf2_status
import_op(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    bool done = false;
    TF2__TRY(check_op(lite, op, error));
    for (uint32_t i = 0; i < op->in.n; i++) {
        struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
        if (tensor)
            TF2__TRY(tf2__lite_load_known(lite, tensor, error));
    }
    TF2__TRY(tf2__lite_fold(lite, op, &done, error));
    if (!done)
        TF2__TRY(op->row->convert(lite, op, error));
    return lite->fb.status;
}

static void poison_outputs(const struct tf2__lite *lite, const struct tf2__lite_op *op)
{
    for (uint32_t i = 0; i < op->out.n; i++) {
        struct tf2__lite_tensor *tensor = tf2__lite_out(lite, op, i);
        if (tensor->state == TF2__LITE_UNSEEN && !tensor->bytes)
            tensor->state = TF2__LITE_POISON;
    }
}

static enum tf2_status import_ops(struct tf2__lite *lite, struct tf2_error *error)
{
    for (uint32_t i = 0; i < lite->n_ops; i++) {
        struct tf2__lite_op *op = &lite->ops[i];
        struct tf2_error problem;
        char what[200];
        if (!op->needed)
            continue;
        lite->fb.error = &problem;
        if (!op->refused && !reads_poison(lite, op) && import_op(lite, op, &problem) != TF2_OK) {
            op->refused = true;
            lite->fb.status = TF2_OK;
            snprintf(what, sizeof(what), "operator '%.100s' (%s): ", op->label, op->row->name);
            TF2__TRY(note_problem(lite, what, &problem, error));
        }
        poison_outputs(lite, op);
    }
    lite->fb.error = error;
    return TF2_OK;
}

static enum tf2_status add_outputs(struct tf2__lite *lite, struct tf2_error *error)
{
    for (uint32_t i = 0; i < lite->n_outputs; i++) {
        const struct tf2__lite_tensor *tensor = &lite->tensors[lite->outputs[i]];
        tf2_tensor_id id;
        if (tensor->state != TF2__LITE_DATA)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "output '%.100s' is constant: it does not depend on the contents of any input", tensor->name);
        TF2__TRY(tf2__nhwc_file(&lite->nhwc, tensor->value, &id, error));
        TF2__TRY(tf2_graph_add_output(lite->graph, id, tensor->name, error));
    }
    return TF2_OK;
}

/* ---- the import ---- */

static enum tf2_status run(struct tf2__lite *lite, struct tf2_error *error)
{
    lite->fb.error = error;
    TF2__TRY(tf2__lite_read(lite, error));
    report_unsupported(lite);
    TF2__TRY(add_inputs(lite, error));
    TF2__TRY(import_ops(lite, error));
    TF2__TRY(tf2__report_finish(&lite->report, lite->source->name, error));
    return add_outputs(lite, error);
}

/* Names come from the file and may hold anything; a message is one line. */
static void make_one_line(struct tf2_error *error)
{
    for (char *c = error->message; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

/* A transpose that nhwc.c wants, under a name that no tensor of the file has. */
static enum tf2_status add_transpose(
    void *user, tf2_tensor_id x, const char *suffix, const struct tf2_transpose_attr *attr, tf2_tensor_id *id,
    struct tf2_error *error)
{
    struct tf2__lite *lite = user;
    char name[1024];
    tf2__lite_name(lite, lite->graph->tensors[x].name, suffix, name);
    return tf2_graph_add_node(lite->graph, TF2_OP_TRANSPOSE, name, attr, &x, 1, id, error);
}

static bool probe(const unsigned char *data, size_t size_bytes)
{
    return tf2__fb_probe(data, size_bytes, IDENTIFIER);
}

static enum tf2_status import(
    const struct tf2__source *source, const struct tf2_import_options *options, struct tf2_graph *graph,
    struct tf2_error *error)
{
    struct tf2_env env = graph->arena.env;
    struct tf2__lite *lite = tf2__calloc(&env, 1, sizeof(*lite));
    if (!lite)
        return tf2__fail_memory(error, sizeof(*lite), "a TensorFlow Lite import");
    lite->source = source;
    lite->options = options;
    lite->graph = graph;
    lite->env = env;
    lite->fb = (struct tf2__flatbuffer){.data = source->data, .size_bytes = source->size_bytes};
    lite->budget_bytes = BUDGET_BYTES + BUDGET_FACTOR * (uint64_t)source->size_bytes;
    tf2__arena_init(&lite->arena, &lite->env);
    tf2__strmap_init(&lite->names, &lite->env);
    tf2__nhwc_init(&lite->nhwc, graph, add_transpose, lite);

    enum tf2_status status = run(lite, error);
    if (status != TF2_OK && error)
        make_one_line(error);
    tf2__nhwc_finish(&lite->nhwc);
    tf2__strmap_finish(&lite->names);
    tf2__arena_finish(&lite->arena);
    tf2__free(&env, lite);
    return status;
}

const struct tf2__importer tf2__importer_tflite = {
    .name = "TensorFlow Lite",
    .files = "a .tflite file",
    .takes_weights = false,
    .probe = probe,
    .import = import,
};
