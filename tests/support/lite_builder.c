/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lite_builder.c: a FlatBuffers writer that goes forwards: a table is written with places for its references, which
 * are filled in when what they refer to is written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lite_builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void lite_open(struct lite_builder *b)
{
    memset(b, 0, sizeof(*b));
}

void lite_close(struct lite_builder *b)
{
    free(b->bytes);
    b->bytes = NULL;
}

int lite_constant(
    struct lite_builder *b, const char *name, int type, const int32_t *dims, size_t n_dims, const void *data,
    size_t n_bytes)
{
    assert_true(b->n_tensors < LITE_MAX_TENSORS);
    const int id = b->n_tensors++;
    b->tensors[id].name = name;
    b->tensors[id].type = type;
    b->tensors[id].n_dims = n_dims;
    if (n_dims)
        memcpy(b->tensors[id].dims, dims, n_dims * sizeof(*dims));
    b->tensors[id].data = data;
    b->tensors[id].n_bytes = n_bytes;
    return id;
}

int lite_tensor(struct lite_builder *b, const char *name, int type, const int32_t *dims, size_t n_dims)
{
    return lite_constant(b, name, type, dims, n_dims, NULL, 0);
}

int lite_ints(struct lite_builder *b, const char *name, const int32_t *values, size_t n)
{
    return lite_constant(b, name, LITE_I32, DIMS((int32_t)n), values, n * sizeof(*values));
}

void lite_quant(struct lite_builder *b, int id, float scale, int64_t zero_point)
{
    b->tensors[id].n_scales = b->tensors[id].n_zero_points = 1;
    b->tensors[id].scales[0] = scale;
    b->tensors[id].zero_points[0] = zero_point;
}

void lite_op(
    struct lite_builder *b, int32_t code, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out)
{
    assert_true(b->n_ops < LITE_MAX_OPS && n_in <= 16 && n_out <= 16);
    const int i = b->n_ops++;
    b->ops[i].code = code;
    b->ops[i].n_in = n_in;
    b->ops[i].n_out = n_out;
    memcpy(b->ops[i].in, in, n_in * sizeof(*in));
    memcpy(b->ops[i].out, out, n_out * sizeof(*out));
}

void lite_byte(struct lite_builder *b, int field, int32_t value)
{
    b->ops[b->n_ops - 1].options[field] = (struct lite_field){.kind = 'b', .i = value};
}

void lite_int(struct lite_builder *b, int field, int32_t value)
{
    b->ops[b->n_ops - 1].options[field] = (struct lite_field){.kind = 'i', .i = value};
}

void lite_float(struct lite_builder *b, int field, float value)
{
    b->ops[b->n_ops - 1].options[field] = (struct lite_field){.kind = 'f', .f = value};
}

void lite_list(struct lite_builder *b, int field, const int32_t *values, size_t n)
{
    struct lite_field *f = &b->ops[b->n_ops - 1].options[field];
    *f = (struct lite_field){.kind = 'v', .n = n};
    memcpy(f->list, values, n * sizeof(*values));
}

/* ---- writing ---- */

static size_t put(struct lite_builder *b, const void *data, size_t n)
{
    const size_t at = b->n_bytes;
    b->bytes = realloc(b->bytes, b->n_bytes + n + 8);
    assert_non_null(b->bytes);
    if (n)
        memcpy(b->bytes + at, data, n);
    b->n_bytes += n;
    return at;
}

static void align(struct lite_builder *b)
{
    while (b->n_bytes % 8)
        put(b, "", 1);
}

/* The reference at `slot` leads to what is written next. */
static void refer(struct lite_builder *b, size_t slot)
{
    align(b);
    const uint32_t distance = (uint32_t)(b->n_bytes - slot);
    memcpy(b->bytes + slot, &distance, 4);
}

/* Kinds: 0 absent, 'b', 'i', 'r' a reference; numbers in values. slots[i]: where field i lies. */
static void
put_table(struct lite_builder *b, const char *kinds, const int32_t *values, size_t n, size_t *slots)
{
    uint16_t vtable[2 + 16] = {(uint16_t)(4 + 2 * n), (uint16_t)(4 + 4 * n)};
    for (size_t i = 0; i < n; i++)
        vtable[2 + i] = kinds[i] != '-' ? (uint16_t)(4 + 4 * i) : 0;
    const size_t list = put(b, vtable, vtable[0]);
    /* The table itself has to be what a reference leads to: the caller's slot is behind this list. */
    const int32_t back = (int32_t)(b->n_bytes - list);
    put(b, &back, 4);
    for (size_t i = 0; i < n; i++)
        slots[i] = put(b, &values[i], 4);
}

/* A table that `slot` refers to. */
static void
refer_table(struct lite_builder *b, size_t slot, const char *kinds, const int32_t *values, size_t *slots)
{
    const size_t n = strlen(kinds);
    align(b);
    const uint32_t distance = (uint32_t)(b->n_bytes + 4 + 2 * n - slot);
    memcpy(b->bytes + slot, &distance, 4);
    put_table(b, kinds, values, n, slots);
}

static void refer_vector(struct lite_builder *b, size_t slot, const void *data, size_t n, size_t element)
{
    const uint32_t count = (uint32_t)n;
    refer(b, slot);
    put(b, &count, 4);
    put(b, data, n * element);
}

/* A vector of n references; returns the first one's place. */
static size_t refer_list(struct lite_builder *b, size_t slot, size_t n)
{
    static const uint32_t zeros[LITE_MAX_TENSORS + 1];
    refer_vector(b, slot, zeros, n, 4);
    return b->n_bytes - 4 * n;
}

static void put_tensor(struct lite_builder *b, size_t slot, int i)
{
    size_t slots[8], quant[8];
    const int32_t values[8] = {0, b->tensors[i].type, b->tensors[i].data ? i + 1 : 0};
    const int32_t axis[8] = {0, 0, 0, 0, 0, 0, b->tensors[i].axis};
    const bool quantized = b->tensors[i].n_scales;
    refer_table(b, slot, quantized ? "rbirr" : "rbir", values, slots);
    refer_vector(b, slots[0], b->tensors[i].dims, b->tensors[i].n_dims, 4);
    refer_vector(b, slots[3], b->tensors[i].name, strlen(b->tensors[i].name), 1);
    if (!quantized)
        return;
    refer_table(b, slots[4], "--rr--i", axis, quant);
    refer_vector(b, quant[2], b->tensors[i].scales, b->tensors[i].n_scales, sizeof(float));
    refer_vector(b, quant[3], b->tensors[i].zero_points, b->tensors[i].n_zero_points, sizeof(int64_t));
}

static void put_options(struct lite_builder *b, size_t slot, const struct lite_field *options)
{
    char kinds[LITE_MAX_FIELDS + 1] = "";
    int32_t values[LITE_MAX_FIELDS] = {0};
    size_t slots[LITE_MAX_FIELDS];
    for (size_t i = 0; i < LITE_MAX_FIELDS; i++) {
        kinds[i] = options[i].kind ? 'i' : '-';
        values[i] = options[i].i;
        if (options[i].kind == 'f')
            memcpy(&values[i], &options[i].f, 4);
    }
    refer_table(b, slot, kinds, values, slots);
    for (size_t i = 0; i < LITE_MAX_FIELDS; i++) {
        if (options[i].kind == 'v')
            refer_vector(b, slots[i], options[i].list, options[i].n, 4);
    }
}

static void put_op(struct lite_builder *b, size_t slot, int i)
{
    size_t slots[8];
    const int32_t values[8] = {i};
    refer_table(b, slot, "irr-r", values, slots);
    refer_vector(b, slots[1], b->ops[i].in, b->ops[i].n_in, 4);
    refer_vector(b, slots[2], b->ops[i].out, b->ops[i].n_out, 4);
    put_options(b, slots[4], b->ops[i].options);
}

static void put_buffers(struct lite_builder *b, size_t slot)
{
    const size_t list = refer_list(b, slot, (size_t)b->n_tensors + 1);
    for (int i = 0; i <= b->n_tensors; i++) {
        size_t slots[8];
        const int32_t none[8] = {0};
        const bool data = i > 0 && b->tensors[i - 1].data;
        refer_table(b, list + 4 * (size_t)i, data ? "r" : "", none, slots);
        if (data)
            refer_vector(b, slots[0], b->tensors[i - 1].data, b->tensors[i - 1].n_bytes, 1);
    }
}

/* Each operator has a code of its own. */
static void put_codes(struct lite_builder *b, size_t slot)
{
    const size_t list = refer_list(b, slot, (size_t)b->n_ops);
    for (int i = 0; i < b->n_ops; i++) {
        size_t slots[8];
        const int32_t values[8] = {b->ops[i].code < 127 ? b->ops[i].code : 127, 0, 1, b->ops[i].code};
        refer_table(b, list + 4 * (size_t)i, b->ops[i].custom ? "brii" : "b-ii", values, slots);
        if (b->ops[i].custom)
            refer_vector(b, slots[1], b->ops[i].custom, strlen(b->ops[i].custom), 1);
    }
}

const unsigned char *lite_pack(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out, size_t *n_bytes)
{
    size_t model[8], graph[8];
    const int32_t version[8] = {3};
    free(b->bytes);
    b->bytes = NULL;
    b->n_bytes = 0;
    put(b, "\0\0\0\0TFL3", 8);
    refer_table(b, 0, "irr-r", version, model);
    put_codes(b, model[1]);
    const size_t graphs = refer_list(b, model[2], 1);
    refer_table(b, graphs, "rrrr", version, graph);
    const size_t tensors = refer_list(b, graph[0], (size_t)b->n_tensors);
    for (int i = 0; i < b->n_tensors; i++)
        put_tensor(b, tensors + 4 * (size_t)i, i);
    refer_vector(b, graph[1], in, n_in, 4);
    refer_vector(b, graph[2], out, n_out, 4);
    const size_t ops = refer_list(b, graph[3], (size_t)b->n_ops);
    for (int i = 0; i < b->n_ops; i++)
        put_op(b, ops + 4 * (size_t)i, i);
    put_buffers(b, model[4]);
    *n_bytes = b->n_bytes;
    return b->bytes;
}

/* ---- importing ---- */

void lite_run(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    bool no_optimize, const float *input, float *found, size_t n)
{
    const struct tf2_import_options options = {.no_optimize = no_optimize};
    struct tf2_model *model = NULL;
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    struct tf2_tensor_info info;
    struct tf2_error error;
    size_t n_bytes;
    const unsigned char *bytes = lite_pack(b, in, n_in, out, n_out, &n_bytes);
    if (tf2_model_import_memory("test.tflite", bytes, n_bytes, NULL, 0, &options, &model, &error) != TF2_OK ||
        tf2_devices_open("host", NULL, &devices, &error) != TF2_OK ||
        tf2_session_create(model, devices, 0, NULL, &session, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_int_equal(tf2_session_output(session, 0, &info), TF2_OK);
    assert_int_equal(tf2_shape_count(&info.shape), n);
    if (tf2_session_run(session, (const void *[]){input}, (void *[]){found}, &error) != TF2_OK)
        fail_msg("%s", error.message);
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
    tf2_model_destroy(&model);
}

void lite_check(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    const float *input, const float *wanted, size_t n, double tolerance)
{
    float *found = calloc(n, sizeof(*found));
    for (int no_optimize = 0; no_optimize < 2; no_optimize++) {
        lite_run(b, in, n_in, out, n_out, no_optimize, input, found, n);
        for (size_t i = 0; i < n; i++) {
            if (!(fabs((double)found[i] - (double)wanted[i]) <= tolerance))
                fail_msg("element %zu is %.9g, wanted %.9g", i, (double)found[i], (double)wanted[i]);
        }
    }
    free(found);
    lite_close(b);
}

void lite_refused(
    struct lite_builder *b, const int32_t *in, size_t n_in, const int32_t *out, size_t n_out,
    enum tf2_status status, const char *const *words)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    size_t n_bytes;
    const unsigned char *bytes = lite_pack(b, in, n_in, out, n_out, &n_bytes);
    const enum tf2_status found =
        tf2_model_import_memory("test.tflite", bytes, n_bytes, NULL, 0, NULL, &model, &error);
    if (found != status)
        fail_msg(
            "status %s, wanted %s: %s", tf2_status_name(found), tf2_status_name(status),
            found ? error.message : "");
    for (size_t i = 0; words[i]; i++) {
        if (!strstr(error.message, words[i]))
            fail_msg("no \"%s\" in the message: %s", words[i], error.message);
    }
    lite_close(b);
}
