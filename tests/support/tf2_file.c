/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2_file.c: see tf2_file.h. The checksums are computed here, not by the library's code.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tf2/session.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tf2_file.h"
#include "transform/model/tf2_format.h"

/* ---- files ---- */

static char folder[64];

static void remove_folder(void)
{
    rmdir(folder);
}

const char *tf2_file_path(char path[256])
{
    static unsigned n;
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/tmp/tf2-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        atexit(remove_folder);
    }
    snprintf(path, 256, "%s/%u.tf2", folder, n++);
    return path;
}

struct tf2_file_bytes tf2_file_read(const char *path)
{
    struct tf2_file_bytes bytes;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    bytes.n = (size_t)ftell(file);
    rewind(file);
    bytes.data = malloc(bytes.n + 1);
    assert_int_equal(fread(bytes.data, 1, bytes.n, file), bytes.n);
    fclose(file);
    return bytes;
}

void tf2_file_write(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

struct tf2_file_bytes tf2_file_save(const struct tf2_model *model, const struct tf2_save_options *options)
{
    char path[256];
    struct tf2_error error;
    if (tf2_model_save(model, tf2_file_path(path), options, &error) != TF2_OK)
        fail_msg("%s", error.message);
    struct tf2_file_bytes bytes = tf2_file_read(path);
    unlink(path);
    return bytes;
}

struct tf2_file_bytes tf2_file_save_full(const struct tf2_model *model)
{
    static const char *const labels[] = {"cat", "", "Hündin, \"dog\"", "four", "five"};
    static const struct tf2_fact facts[] = {{"source", "made by a test"}, {"calibration.samples", "0"}};
    struct tf2_file_example example = tf2_file_example(model);
    struct tf2_file_bytes bytes = tf2_file_save(
        model, &(struct tf2_save_options){
                   .labels = labels,
                   .n_labels = TF2__COUNT(labels),
                   .facts = facts,
                   .n_facts = TF2__COUNT(facts),
                   .example_inputs = example.inputs,
                   .example_outputs = example.outputs});
    tf2_file_example_free(&example);
    return bytes;
}

struct tf2_file_bytes tf2_file_copy(const struct tf2_file_bytes *bytes)
{
    struct tf2_file_bytes copy = {malloc(bytes->n), bytes->n};
    memcpy(copy.data, bytes->data, bytes->n);
    return copy;
}

struct tf2_model *tf2_file_load(const struct tf2_file_bytes *bytes)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    if (tf2_model_load_memory("bytes", bytes->data, bytes->n, NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

/* ---- inside files ---- */

static uint64_t get(const unsigned char *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static void put(unsigned char *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

unsigned char *tf2_file_row(const struct tf2_file_bytes *bytes, uint32_t id)
{
    uint64_t n = get(bytes->data + 12, 4);
    for (uint64_t i = 0; i < n; i++) {
        unsigned char *row = bytes->data + 24 + 32 * i;
        if (get(row, 4) == id)
            return row;
    }
    return NULL;
}

unsigned char *tf2_file_section(const struct tf2_file_bytes *bytes, uint32_t id, size_t *n)
{
    const unsigned char *row = tf2_file_row(bytes, id);
    if (!row)
        return NULL;
    *n = (size_t)get(row + 16, 8);
    return bytes->data + get(row + 8, 8);
}

void tf2_file_repair(struct tf2_file_bytes *bytes)
{
    if (bytes->n < 24)
        return;
    uint64_t n = get(bytes->data + 12, 4);
    if (n > 64 || 24 + 32 * n + 8 > bytes->n)
        return;
    for (uint64_t i = 0; i < n; i++) {
        unsigned char *row = bytes->data + 24 + 32 * i;
        uint64_t offset = get(row + 8, 8), size = get(row + 16, 8);
        if (offset <= bytes->n && size <= bytes->n - offset)
            put(row + 24, XXH3_64bits(bytes->data + offset, (size_t)size));
    }
    put(bytes->data + 24 + 32 * n, XXH3_64bits(bytes->data, 24 + 32 * n));
}

/* ---- running ---- */

void tf2_file_run(const struct tf2_model *model, const void *const *inputs, float *const *outputs)
{
    struct tf2_devices *devices = NULL;
    struct tf2_session *session = NULL;
    struct tf2_error error;
    enum tf2_status status = tf2_devices_open("host", NULL, &devices, &error);
    if (status == TF2_OK)
        status = tf2_session_create(model, devices, 0, NULL, &session, &error);
    if (status == TF2_OK)
        status = tf2_session_run(session, inputs, (void *const *)outputs, &error);
    if (status != TF2_OK)
        fail_msg("%s", error.message);
    tf2_session_destroy(&session);
    tf2_devices_close(&devices);
}

static float pixel(const struct tf2_preprocess *p, size_t i, size_t plane, uint32_t n_channels)
{
    float value = i < 64 ? (float)(i * i * 7 % 256) : 9; /* the end can be compressed */
    float mean = n_channels <= 4 ? p->mean[i / plane % n_channels] : 0;
    value = value - mean;
    return value * (p->scale == 0 ? 1 : p->scale);
}

struct tf2_file_example tf2_file_example(const struct tf2_model *model)
{
    struct tf2_file_example example = {0};
    struct tf2_model_info info;
    struct tf2_tensor_info tensor;
    tf2_model_info(model, &info);
    for (size_t i = 0; i < info.n_inputs + info.n_outputs; i++) {
        bool is_input = i < info.n_inputs;
        if (is_input)
            tf2_model_input(model, i, &tensor);
        else
            tf2_model_output(model, i - info.n_inputs, &tensor);
        size_t n = (size_t)tf2_shape_count(&tensor.shape), plane = 1;
        for (uint32_t d = 2; d < tensor.shape.n_dims; d++)
            plane *= (size_t)tensor.shape.dim[d];
        uint32_t n_channels = tensor.shape.n_dims >= 2 ? (uint32_t)tensor.shape.dim[1] : 1;
        float *values = calloc(n, sizeof(*values));
        for (size_t e = 0; is_input && e < n; e++)
            values[e] = pixel(&info.preprocess, e, plane, n_channels);
        example.values[i] = values;
        *(is_input ? &example.inputs[i] : &example.outputs[i - info.n_inputs]) = values;
    }
    example.n_values = info.n_inputs + info.n_outputs;
    tf2_file_run(model, example.inputs, example.values + info.n_inputs);
    return example;
}

void tf2_file_example_free(struct tf2_file_example *example)
{
    for (size_t i = 0; i < example->n_values; i++)
        free(example->values[i]);
    *example = (struct tf2_file_example){0};
}

/* ---- comparing ---- */

static void check_array(const void *a, const void *b, size_t n_bytes)
{
    assert_int_equal(!a, !b);
    if (a)
        assert_memory_equal(a, b, n_bytes);
}

static void check_tensor(const struct tf2__tensor *a, const struct tf2__tensor *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_true(tf2_shape_equal(&a->shape, &b->shape));
    check_array(a->data, b->data, (size_t)tf2_shape_count(&a->shape) * tf2_dtype_size_bytes(a->dtype));
    assert_int_equal(a->is_input, b->is_input);
    if (!a->quant.channel_scale)
        assert_memory_equal(&a->quant.scale, &b->quant.scale, sizeof(float));
    if (!a->quant.channel_zero_point)
        assert_int_equal(a->quant.zero_point, b->quant.zero_point);
    check_array(
        a->quant.channel_scale, b->quant.channel_scale,
        a->shape.n_dims ? (size_t)a->shape.dim[0] * sizeof(float) : 0);
    check_array(
        a->quant.channel_zero_point, b->quant.channel_zero_point,
        a->shape.n_dims > 1 ? (size_t)a->shape.dim[1] : 0);
}

/* Field by field: structs have holes. That no field is forgotten is tested elsewhere. */
static void check_attr(const struct tf2__node *a, const struct tf2__node *b)
{
    unsigned char bytes_a[TF2__ATTR_MAX_BYTES], bytes_b[TF2__ATTR_MAX_BYTES];
    size_t n = tf2__attr_encode(a->op->id, a->attr, bytes_a);
    assert_int_equal(tf2__attr_encode(b->op->id, b->attr, bytes_b), n);
    assert_memory_equal(bytes_a, bytes_b, n);
}

static void check_node(
    const struct tf2_graph *ga, const struct tf2__node *a, const struct tf2_graph *gb,
    const struct tf2__node *b)
{
    assert_string_equal(a->name, b->name);
    assert_ptr_equal(a->op, b->op);
    check_attr(a, b);
    assert_memory_equal(&a->activation.kind, &b->activation.kind, sizeof(a->activation.kind));
    if (a->activation.kind != TF2_ACTIVATION_NONE)
        assert_memory_equal(&a->activation, &b->activation, sizeof(a->activation));
    assert_int_equal(a->n_in, b->n_in);
    for (uint32_t k = 0; k < a->n_in; k++) {
        assert_int_equal(a->in[k] == TF2_NO_TENSOR, b->in[k] == TF2_NO_TENSOR);
        if (a->in[k] != TF2_NO_TENSOR)
            check_tensor(&ga->tensors[a->in[k]], &gb->tensors[b->in[k]]);
    }
    check_tensor(&ga->tensors[a->out], &gb->tensors[b->out]);
}

static void check_graph(const struct tf2_graph *a, const struct tf2_graph *b)
{
    assert_int_equal(a->n_inputs, b->n_inputs);
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (uint32_t i = 0; i < a->n_inputs; i++)
        check_tensor(&a->tensors[a->inputs[i]], &b->tensors[b->inputs[i]]);
    for (uint32_t i = 0; i < a->n_nodes; i++)
        check_node(a, &a->nodes[i], b, &b->nodes[i]);
    for (uint32_t i = 0; i < a->n_outputs; i++) {
        assert_string_equal(a->outputs[i].name, b->outputs[i].name);
        check_tensor(&a->tensors[a->outputs[i].tensor], &b->tensors[b->outputs[i].tensor]);
    }
}

void tf2_file_check_same(const struct tf2_model *a, const struct tf2_model *b)
{
    check_graph(a->graph, b->graph);
    assert_string_equal(a->name, b->name);
    assert_memory_equal(&a->preprocess, &b->preprocess, sizeof(a->preprocess));
    assert_int_equal(a->macs, b->macs);
    assert_int_equal(a->weights_bytes, b->weights_bytes);
    assert_int_equal(a->n_int8_nodes, b->n_int8_nodes);
}
