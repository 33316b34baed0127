/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_damage.c: ONNX files that are cut short or changed, and memory that runs out: a status, never a
 * crash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "onnx_builder.h"

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

/* x → Relu → y */
static void small_model(struct onnx_builder *b, int64_t opset)
{
    onnx_open(b, opset);
    onnx_input(b, "x", DIMS(0, 4));
    onnx_node(b, "Relu", "x", "y");
    onnx_output(b, "y");
}

/* ---- damaged files ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Imports a copy of exactly these bytes: reading beyond them shows under the address sanitizer. */
static enum tf2_status
import_copy(const unsigned char *bytes, size_t size_bytes, const struct tf2_import_options *options)
{
    unsigned char *copy = malloc(size_bytes + 1);
    memcpy(copy, bytes, size_bytes);
    struct onnx_import im = onnx_import_bytes(copy, size_bytes, options);
    enum tf2_status status = im.status;
    /* Damage is found by looking, not by protobuf-c failing. */
    assert_true(status != TF2_ERR_NO_MEMORY && status != TF2_ERR_INTERNAL);
    onnx_import_free(&im);
    free(copy);
    return status;
}

static void test_truncated(void **state)
{
    (void)state;
    struct onnx_builder b;
    size_t size_bytes;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 3, 8, 8));
    onnx_floats(&b, "w", DIMS(4, 3, 3, 3), NULL);
    onnx_node(&b, "Conv", "x w", "y");
    onnx_output(&b, "y");
    b.model->n_opset_import = 1;
    const unsigned char *bytes = onnx_pack(&b, &size_bytes);
    for (size_t n = 0; n < size_bytes; n++)
        assert_int_equal(import_copy(bytes, n, NULL), TF2_ERR_FORMAT);
    assert_int_equal(import_copy(bytes, size_bytes, NULL), TF2_OK);
    onnx_close(&b);
}

/* Bytes behind a model that is fine without them. */
static void tail_refused(const void *tail, size_t tail_bytes, const char *text)
{
    struct onnx_builder b;
    size_t size_bytes;
    small_model(&b, 13);
    const unsigned char *bytes = onnx_pack(&b, &size_bytes);
    unsigned char *joined = malloc(size_bytes + tail_bytes);
    memcpy(joined, bytes, size_bytes);
    memcpy(joined + size_bytes, tail, tail_bytes);
    struct onnx_import im = onnx_import_bytes(joined, size_bytes + tail_bytes, NULL);
    assert_int_equal(im.status, text ? TF2_ERR_FORMAT : TF2_OK);
    if (text && !strstr(im.error.message, text))
        fail_msg("no \"%s\" in the message: %s", text, im.error.message);
    onnx_import_free(&im);
    free(joined);
    onnx_close(&b);
}

static void test_wire(void **state)
{
    (void)state;
    tail_refused(
        "\x72\x03"
        "abc",
        5, NULL); /* an unknown field */
    tail_refused("\x3a\x00", 2, "a second 'graph' in one ModelProto");
    tail_refused(
        "\x42\x05"
        "abc",
        5, "5 bytes wanted");
    tail_refused("\x08", 1, "a number without end");
    tail_refused("\x0a\x00", 2, "a field of another type"); /* ir_version as bytes */
    tail_refused("\x73", 1, "an unknown kind of field");    /* a group */
    tail_refused("\x00", 1, "a bad tag");
    tail_refused("\xff\xff\xff\xff\xff\xff", 6, "a bad tag");
    tail_refused("\x72\xff\xff\xff\xff\x7f", 6, "a bad length");
    tail_refused("\x75\x00\x00", 3, "a number without end"); /* three bytes of four */
    tail_refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "a number without end");
}

static void mutate(const char *path, const struct tf2_import_options *options, int n_truncated, int n_flipped)
{
    struct tf2__file file;
    uint64_t seed = 7;
    if (!onnx_shared_file(path, &file))
        skip();
    size_t n_ok = 0;
    assert_int_equal(import_copy(file.data, file.size_bytes, options), TF2_OK);
    for (int i = 0; i < n_truncated; i++)
        assert_int_not_equal(import_copy(file.data, next_random(&seed) % file.size_bytes, options), TF2_OK);
    unsigned char *bytes = malloc(file.size_bytes);
    for (int i = 0; i < n_flipped; i++) {
        memcpy(bytes, file.data, file.size_bytes);
        /* A few bytes at once; half of them near each other, in the structure rather than in weights. */
        size_t at = next_random(&seed) % file.size_bytes;
        for (int k = 0; k < 1 + i % 4; k++) {
            size_t where = k % 2 ? at + next_random(&seed) % 16 : next_random(&seed) % file.size_bytes;
            bytes[where % file.size_bytes] ^= (unsigned char)(1u << next_random(&seed) % 8);
        }
        n_ok += import_copy(bytes, file.size_bytes, options) == TF2_OK;
    }
    free(bytes);
    tf2__file_unmap(&file);
    assert_true(n_ok < (size_t)n_flipped);
}

static void test_mutated_pnet(void **state)
{
    (void)state;
    struct tf2_named_shape shape = {.name = NULL, .shape = SHAPE(1, 3, 24, 32)};
    struct tf2_import_options options = {.input_shapes = &shape, .n_input_shapes = 1};
    mutate("models/mtcnn/onnx/pnet.onnx", &options, 200, 1500);
}

static void test_mutated_light(void **state)
{
    (void)state;
    mutate("models/structure/light_squeezenet.onnx", NULL, 20, 100);
}

static void test_mutated_resnet(void **state)
{
    (void)state;
    mutate("models/resnet20_cifar10/resnet20.onnx", NULL, 20, 60);
}

/* The structure alone: the graph of resnet20 with its weights taken out, where every byte means something. */
static void test_mutated_structure(void **state)
{
    (void)state;
    struct tf2__file file;
    if (!onnx_shared_file("models/resnet20_cifar10/resnet20.onnx", &file))
        skip();
    Tf2__Onnx__ModelProto *model = tf2__onnx__model_proto__unpack(NULL, file.size_bytes, file.data);
    tf2__file_unmap(&file);
    assert_non_null(model);
    size_t n = model->graph->n_initializer, n_ok = 0;
    model->graph->n_initializer = 0;
    for (size_t i = 0; i < n; i++) {
        if (model->graph->initializer[i]->raw_data.len <= 64)
            model->graph->initializer[model->graph->n_initializer++] = model->graph->initializer[i];
        else
            tf2__onnx__tensor_proto__free_unpacked(model->graph->initializer[i], NULL);
    }
    size_t size_bytes = tf2__onnx__model_proto__get_packed_size(model);
    unsigned char *packed = malloc(size_bytes), *bytes = malloc(size_bytes);
    tf2__onnx__model_proto__pack(model, packed);
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    uint64_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        memcpy(bytes, packed, size_bytes);
        for (int k = 0; k < 1 + i % 3; k++)
            bytes[next_random(&seed) % size_bytes] = (unsigned char)next_random(&seed);
        n_ok += import_copy(bytes, size_bytes, NULL) == TF2_OK;
    }
    free(packed);
    free(bytes);
    assert_int_equal(n_ok, 0);
}

/* ---- failing allocations ---- */

struct counting {
    long left;
};

static void *failing_alloc(void *user, size_t size, size_t alignment)
{
    struct counting *counting = user;
    if (counting->left-- <= 0)
        return NULL;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void failing_release(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct onnx_builder b;
    size_t size_bytes;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 3, 8, 8));
    onnx_floats(&b, "w", DIMS(8, 4), NULL);
    onnx_ints(&b, "s", INTS(0, -1, 8));
    onnx_node(&b, "Reshape", "x s", "r");
    onnx_node(&b, "MatMul", "r w", "m");
    onnx_node(&b, "Shape", "m", "n");
    onnx_node(&b, "Reshape", "m n", "y");
    onnx_output(&b, "y");
    const unsigned char *bytes = onnx_pack(&b, &size_bytes);
    enum tf2_status status = TF2_ERR_NO_MEMORY;
    long n = 0;
    for (; status != TF2_OK && n < 10000; n++) {
        struct counting counting = {.left = n + 1000};
        struct tf2_env env = {.allocator = {failing_alloc, failing_release, &counting}};
        struct tf2_import_options options = {0};
        struct tf2_error error;
        struct tf2_graph *graph = NULL;
        struct tf2__source source = {.name = "test.onnx", .data = bytes, .size_bytes = size_bytes};
        assert_int_equal(tf2_graph_create(&env, &graph, NULL), TF2_OK);
        counting.left = n;
        status = tf2__importer_onnx.import(&source, &options, graph, &error);
        assert_true(status == TF2_OK || status == TF2_ERR_NO_MEMORY);
        tf2_graph_destroy(&graph);
    }
    assert_int_equal(status, TF2_OK);
    assert_true(n > 50);
    onnx_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),           cmocka_unit_test(test_wire),
        cmocka_unit_test(test_mutated_pnet),        cmocka_unit_test(test_mutated_light),
        cmocka_unit_test(test_mutated_resnet),      cmocka_unit_test(test_mutated_structure),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
