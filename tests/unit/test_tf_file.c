/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf_file.c: GraphDefs and SavedModels as files: inputs, outputs, functions, what is refused and how,
 * damage, memory that runs out.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tf_builder.h"
#include "transform/import/tf/internal.h"
#include "transform/ir/layout.h"

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

static void conv(struct tf_builder *b, const char *name, const char *x, const char *filter)
{
    char inputs[128];
    snprintf(inputs, sizeof(inputs), "%s %s", x, filter);
    tf_node(b, "Conv2D", name, inputs);
    tf_ints_attr(b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(b, "padding", "SAME");
}

/* x → conv → y */
static void small_graph(struct tf_builder *b)
{
    tf_open(b);
    tf_placeholder(b, "x", DIMS(-1, 8, 8, 3));
    tf_floats(b, "w", DIMS(3, 3, 3, 4), NULL);
    conv(b, "y", "x", "w");
}

/* ---- inputs and outputs ---- */

static void test_border(void **state)
{
    struct tf_builder b;
    char text[128];
    (void)state;
    small_graph(&b);
    struct tf_import im = tf_imported(&b);
    assert_int_equal(im.graph->n_inputs, 1);
    assert_string_equal(im.graph->tensors[im.graph->inputs[0]].name, "x");
    assert_string_equal(
        tf2_shape_format(&im.graph->tensors[im.graph->inputs[0]].shape, text, sizeof(text)), "1x8x8x3");
    assert_int_equal(im.graph->n_outputs, 1);
    assert_string_equal(im.graph->outputs[0].name, "y");
    assert_int_equal(tf2__layout_of_input(im.graph, 0), TF2_LAYOUT_NHWC);
    assert_int_equal(tf2__layout_of_output(im.graph, 0), TF2_LAYOUT_NHWC);
    tf_has_shape_for(&im, SHAPE(5, 8, 8, 3), "5x8x8x4");
    tf_has_shape_for(&im, SHAPE(1, 20, 30, 3), "1x20x30x4");
    tf_import_free(&im);
}

/* Nodes that nobody reads are the outputs; others can be chosen. What they do not need is not looked at. */
static void test_outputs(void **state)
{
    struct tf_builder b;
    (void)state;
    for (int chosen = 0; chosen < 3; chosen++) {
        const char *const names[2] = {chosen == 2 ? "relu:0" : "relu", "y"};
        const struct tf2_import_options options = {.outputs = names, .n_outputs = chosen ? 2 : 0};
        small_graph(&b);
        tf_node(&b, "Relu", "relu", "y");
        tf_node(&b, "Abs", "abs", "y");
        tf_node(&b, "NoOp", "init", "");
        tf_node(&b, chosen ? "Unheard" : "Identity", "last", "abs ^init");
        struct tf_import im = tf_imported_with(&b, &options);
        assert_int_equal(im.graph->n_outputs, 2);
        assert_string_equal(im.graph->outputs[0].name, names[0]);
        assert_string_equal(im.graph->outputs[1].name, chosen ? "y" : "last");
        tf_import_free(&im);
    }
    small_graph(&b);
    tf_refused_with(
        &b, &(struct tf2_import_options){.outputs = (const char *const[]){"z"}, .n_outputs = 1},
        TF2_ERR_NOT_FOUND, (const char *[]){"output 'z'", NULL});
    tf_open(&b); /* a loop: everything is read */
    tf_node(&b, "Relu", "a", "b");
    tf_node(&b, "Relu", "b", "a");
    tf_refused(&b, TF2_ERR_FORMAT, "every node is read", "--output");
    tf_open(&b);
    tf_node(&b, "Relu", "a", "b");
    tf_node(&b, "Relu", "b", "a");
    tf_node(&b, "Relu", "c", "a");
    tf_refused(&b, TF2_ERR_FORMAT, "needs its own result");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(1, 2));
    tf_floats(&b, "c", DIMS(1, 2), NULL);
    tf_node(&b, "Add", "y", "c c");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "output 'y' is constant");
}

static void test_input_shapes(void **state)
{
    struct tf_builder b;
    struct tf2_named_shape named = {"", SHAPE(1, 12, 10, 3)};
    const struct tf2_import_options options = {.input_shapes = &named, .n_input_shapes = 1};
    (void)state;
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, -1, -1, 3));
    tf_floats(&b, "w", DIMS(3, 3, 3, 4), NULL);
    conv(&b, "y", "x", "w");
    tf_refused(&b, TF2_ERR_SHAPE, "input 'x' has the shape [?, ?, ?, 3]", "--input x:1x224x224x3");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, -1, -1, 3));
    tf_floats(&b, "w", DIMS(3, 3, 3, 4), NULL);
    conv(&b, "y", "x", "w");
    struct tf_import im = tf_imported_with(&b, &options);
    tf_has_shape_for(&im, SHAPE(1, 12, 10, 3), "1x12x10x4");
    tf_import_free(&im);
    small_graph(&b);
    named.shape.n_dims = 3;
    tf_refused_with(&b, &options, TF2_ERR_SHAPE, (const char *[]){"input 'x' has 4 dimensions", NULL});
    small_graph(&b);
    named = (struct tf2_named_shape){"z", SHAPE(1, 12, 10, 3)};
    tf_refused_with(&b, &options, TF2_ERR_NOT_FOUND, (const char *[]){"input 'z'", NULL});
    tf_open(&b);
    tf_node(&b, "Placeholder", "x", "");
    tf_type_attr(&b, "dtype", 1);
    tf_node(&b, "Relu", "y", "x");
    tf_refused(&b, TF2_ERR_SHAPE, "does not tell the shape of input 'x'", "--input x:SHAPE");
    tf_open(&b);
    tf_node(&b, "Placeholder", "phase", "");
    tf_type_attr(&b, "dtype", 10);
    tf_node(&b, "Relu", "y", "phase");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "input 'phase' is of type bool");
}

/* ---- what is refused ---- */

/* All of it in one message, operators gathered by kind. */
static void test_unsupported(void **state)
{
    struct tf_builder b;
    (void)state;
    small_graph(&b);
    tf_node(&b, "Unheard", "u1", "y");
    tf_node(&b, "Unheard", "u2", "u1");
    tf_node(&b, "ArgMax", "best", "u2");
    tf_node(&b, "MirrorPad", "pad", "y");
    tf_refused(
        &b, TF2_ERR_UNSUPPORTED, "3 problems", "operator Unheard: not supported (2 nodes: 'u1', 'u2')",
        "operator ArgMax", "'pad' (MirrorPad): 1 inputs, wanted 2");
    small_graph(&b);
    tf_node(&b, "Relu", "z", "nothing");
    tf_refused(&b, TF2_ERR_FORMAT, "'z' (Relu)", "nothing in the file defines its input 'nothing'");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
    tf_node(&b, "VarHandleOp", "kernel", "");
    tf_node(&b, "ReadVariableOp", "kernel/read", "kernel");
    conv(&b, "y", "x", "kernel/read");
    tf_refused(
        &b, TF2_ERR_UNSUPPORTED, "variables", "freeze", "convert_variables_to_constants_v2", "'kernel'");
    small_graph(&b);
    tf_node(&b, "Switch", "s", "y y");
    tf_node(&b, "Merge", "m", "s s:1");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "operator Switch: control flow", "operator Merge: control flow");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
    tf_placeholder(&b, "w", DIMS(3, 3, 3, 4));
    conv(&b, "y", "x", "w");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Conv2D)", "computed from data");
}

static void check_conv(const char *attr, const char *text, const int64_t *list, size_t n, const char *words)
{
    struct tf_builder b;
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
    tf_floats(&b, "w", DIMS(3, 3, 3, 4), NULL);
    tf_node(&b, "Conv2D", "y", "x w");
    if (list)
        tf_ints_attr(&b, attr, list, n);
    else
        tf_string_attr(&b, attr, text);
    tf_ints_attr(&b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(&b, "padding", "SAME");
    size_t size_bytes;
    const unsigned char *bytes = tf_pack(&b, &size_bytes);
    struct tf_import im = tf_import_bytes(bytes, size_bytes, NULL);
    assert_int_not_equal(im.status, TF2_OK);
    if (!strstr(im.error.message, words))
        fail_msg("no \"%s\" in the message: %s", words, im.error.message);
    tf_import_free(&im);
    tf_close(&b);
}

static void test_hostile_attributes(void **state)
{
    struct tf_builder b;
    (void)state;
    check_conv("strides", NULL, INTS(1, 1, 1), "strides has 3 numbers");
    check_conv("strides", NULL, INTS(2, 1, 1, 1), "2 for the batch");
    check_conv("strides", NULL, INTS(1, 0, 1, 1), "strides has 0");
    check_conv("strides", NULL, INTS(1, INT64_MAX, 1, 1), "strides");
    check_conv("dilations", NULL, INTS(1, -1, 1, 1), "dilations has -1");
    check_conv("padding", "FULL", NULL, 0, "padding 'FULL'");
    check_conv("padding", "EXPLICIT", NULL, 0, "explicit_paddings has 0 numbers");
    check_conv("data_format", "NCHW_VECT_C", NULL, 0, "data_format NCHW_VECT_C");
    check_conv("strides", NULL, INTS(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "17 numbers");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
    tf_floats(&b, "w", DIMS(3, 3, 2, 4), NULL);
    conv(&b, "y", "x", "w");
    tf_refused(&b, TF2_ERR_SHAPE, "filter of shape 3x3x2x4 for 3 channels");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8, 8, 3));
    tf_floats(&b, "w", DIMS(3, 3, 3), NULL);
    conv(&b, "y", "x", "w");
    tf_refused(&b, TF2_ERR_SHAPE, "filter of shape 3x3x3");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, 8));
    tf_floats(&b, "w", DIMS(3, 3, 8, 4), NULL);
    conv(&b, "y", "x", "w");
    tf_refused(&b, TF2_ERR_SHAPE, "input of shape 1x8, wanted 4 dimensions");
}

/* The last node is the constant 'c', which the network needs. */
static void constant_refused(struct tf_builder *b, enum tf2_status status, const char *words)
{
    tf_node(b, "Add", "z", "y c");
    tf_refused(b, status, "'c' (Const)", words);
}

static void test_hostile_constants(void **state)
{
    static float two[2] = {1, 2};
    struct tf_builder b;
    Tf2__Tf__TensorProto *tensor;
    (void)state;
    small_graph(&b);
    tf_node(&b, "Const", "c", "");
    constant_refused(&b, TF2_ERR_FORMAT, "no value");
    small_graph(&b);
    tf_tensor(&b, "c", 7, DIMS(1));
    constant_refused(&b, TF2_ERR_UNSUPPORTED, "type string");
    small_graph(&b);
    tf_tensor(&b, "c", 1, DIMS(-1));
    constant_refused(&b, TF2_ERR_SHAPE, "must not be negative");
    small_graph(&b);
    tf_tensor(&b, "c", 1, DIMS(1 << 20, 1 << 20));
    constant_refused(&b, TF2_ERR_SHAPE, "below 2^31");
    small_graph(&b);
    tf_tensor(&b, "c", 1, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1));
    constant_refused(&b, TF2_ERR_UNSUPPORTED, "9 dimensions");
    small_graph(&b);
    tensor = tf_floats(&b, "c", DIMS(4), NULL);
    tensor->tensor_content.len = 15;
    constant_refused(&b, TF2_ERR_FORMAT, "15 bytes of data");
    small_graph(&b);
    tensor = tf_float(&b, "c", 1);
    tensor->float_val = two;
    tensor->n_float_val = 2;
    constant_refused(&b, TF2_ERR_FORMAT, "2 numbers");
    small_graph(&b); /* a few bytes of file, a gigabyte and more of zeros */
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%d", i);
        tf_tensor(&b, name, 2, DIMS(1 << 27));
    }
    tf_node(&b, "AddN", "z", "c0 c1 c2");
    tf_node(&b, "Add", "q", "y z");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "too large for a file");
}

static void test_hostile_names(void **state)
{
    struct tf_builder b;
    (void)state;
    small_graph(&b);
    tf_node(&b, "Relu", "y", "x");
    tf_refused(&b, TF2_ERR_FORMAT, "two nodes are called 'y'");
    small_graph(&b);
    tf_node(&b, "Relu", "", "x");
    tf_refused(&b, TF2_ERR_FORMAT, "no name");
    small_graph(&b);
    tf_node(&b, "Relu", "new\nline", "nowhere");
    tf_refused(&b, TF2_ERR_FORMAT, "'new?line' (Relu)");
    small_graph(&b);
    tf_node(&b, "Relu", "z", "y:99999999");
    tf_refused(&b, TF2_ERR_FORMAT, "'y:99999999'");
    small_graph(&b);
    tf_node(&b, "Relu", "z", "y:1");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (Conv2D): output 1 is used");
    small_graph(&b); /* what the importer would call something itself */
    tf_node(&b, "Relu", "y.nchw", "y");
    tf_node(&b, "Relu", "y.filter", "y.nchw");
    struct tf_import im = tf_imported(&b);
    tf_import_free(&im);
}

/* ---- functions ---- */

/* A network in two functions, one within the other, called twice. */
static void test_functions(void **state)
{
    struct tf_builder b;
    (void)state;
    for (int saved = 0; saved < 2; saved++) {
        tf_open(&b);
        tf_placeholder(&b, "serving_default_x", DIMS(-1, 8, 8, 3));
        tf_floats(&b, "w", DIMS(3, 3, 3, 3), NULL);
        tf_node(&b, "StatefulPartitionedCall", "call", "serving_default_x w");
        tf_function_attr(&b, "f", "outer");
        tf_node(&b, "Identity", "first", "call");
        tf_node(&b, "Identity", "second", "call:1");
        tf_begin_function(&b, "outer", "x filter", "twice once");
        tf_node(&b, "PartitionedCall", "inner_1", "x filter");
        tf_function_attr(&b, "f", "inner");
        tf_node(&b, "PartitionedCall", "inner_2", "inner_1:output:0 filter");
        tf_function_attr(&b, "f", "inner");
        tf_result(&b, "twice", "inner_2:output:0");
        tf_result(&b, "once", "inner_1:output:0");
        tf_begin_function(&b, "inner", "map kernel", "y");
        conv(&b, "conv", "map", "kernel");
        tf_node(&b, "Relu", "relu", "conv:output:0");
        tf_result(&b, "y", "relu:activations:0");
        tf_end_function(&b);
        if (saved) {
            tf_saved_model(&b);
            tf_signature_input(&b, "x", "serving_default_x:0");
            tf_signature_output(&b, "b", "first:0");
            tf_signature_output(&b, "a", "call:1");
        }
        struct tf_import im = tf_imported(&b);
        assert_int_equal(tf_count(&im, TF2_OP_CONV), 2);
        assert_int_equal(im.graph->n_outputs, 2);
        assert_string_equal(im.graph->outputs[0].name, saved ? "a" : "first");
        assert_string_equal(im.graph->outputs[1].name, saved ? "b" : "second");
        assert_int_not_equal(tf2__graph_find(im.graph, "call/inner_2/relu"), TF2_NO_TENSOR);
        tf_import_free(&im);
    }
}

static void test_hostile_functions(void **state)
{
    struct tf_builder b;
    (void)state;
    tf_open(&b); /* calls itself */
    tf_placeholder(&b, "x", DIMS(1, 4));
    tf_node(&b, "PartitionedCall", "call", "x");
    tf_function_attr(&b, "f", "f");
    tf_begin_function(&b, "f", "x", "y");
    tf_node(&b, "PartitionedCall", "again", "x");
    tf_function_attr(&b, "f", "f");
    tf_result(&b, "y", "again:output:0");
    tf_end_function(&b);
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "functions call each other more than");
    tf_open(&b); /* twice, so that there would be 2^30 copies */
    tf_placeholder(&b, "x", DIMS(1, 4));
    tf_node(&b, "PartitionedCall", "call", "x");
    tf_function_attr(&b, "f", "f0");
    for (int i = 0; i < 30; i++) {
        char name[8], next[8];
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(next, sizeof(next), "f%d", i + 1);
        tf_begin_function(&b, name, "x", "y");
        tf_node(&b, "PartitionedCall", "a", "x");
        tf_function_attr(&b, "f", next);
        tf_node(&b, "PartitionedCall", "b", "a:output:0");
        tf_function_attr(&b, "f", next);
        tf_result(&b, "y", "b:output:0");
    }
    tf_begin_function(&b, "f30", "x", "y");
    tf_node(&b, "Relu", "relu", "x");
    tf_result(&b, "y", "relu:activations:0");
    tf_end_function(&b);
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "more than 262144 nodes");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(1, 4));
    tf_node(&b, "PartitionedCall", "call", "x");
    tf_function_attr(&b, "f", "missing");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "the function that it calls is not in the file");
    tf_open(&b); /* a result that is its own argument, through two calls and back */
    tf_placeholder(&b, "x", DIMS(1, 4));
    tf_node(&b, "f", "call", "call");
    tf_begin_function(&b, "f", "x", "y");
    tf_result(&b, "y", "x");
    tf_end_function(&b);
    tf_node(&b, "Relu", "z", "call");
    tf_refused(&b, TF2_ERR_FORMAT, "'z' (Relu)", "nothing in the file defines");
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(1, 4));
    tf_node(&b, "f", "call", "x");
    tf_begin_function(&b, "f", "x", "y");
    tf_result(&b, "z", "x");
    tf_end_function(&b);
    tf_node(&b, "Relu", "z", "call");
    tf_refused(&b, TF2_ERR_FORMAT, "'z' (Relu)");
}

/* ---- SavedModels ---- */

static void test_saved_model(void **state)
{
    struct tf_builder b;
    (void)state;
    small_graph(&b); /* without a signature: what nobody reads */
    tf_saved_model(&b);
    struct tf_import im = tf_imported(&b);
    assert_string_equal(im.graph->outputs[0].name, "y");
    tf_import_free(&im);
    small_graph(&b);
    tf_saved_model(&b);
    b.model->meta_graphs[0]->graph_def = NULL;
    tf_refused(&b, TF2_ERR_FORMAT, "SavedModel has 1 graphs");
    small_graph(&b);
    tf_saved_model(&b);
    tf_signature_output(&b, "probabilities", "nothing:0");
    tf_refused(&b, TF2_ERR_FORMAT, "output 'probabilities'");
}

/* A directory stands for the file in it, and gives the model its name. */
static void test_directory(void **state)
{
    char directory[] = "saved-XXXXXX", path[64];
    struct tf_builder b;
    struct tf2_model *model = NULL;
    struct tf2_model_info info;
    struct tf2_error error;
    size_t size_bytes;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/saved_model.pb", directory);
    assert_int_equal(tf2_model_import(directory, NULL, NULL, &model, &error), TF2_ERR_IO);
    assert_non_null(strstr(error.message, "saved_model.pb: cannot open"));
    small_graph(&b);
    tf_saved_model(&b);
    const unsigned char *bytes = tf_pack(&b, &size_bytes);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    fclose(file);
    tf_close(&b);
    snprintf(path, sizeof(path), "%s/", directory);
    for (int i = 0; i < 2; i++) {
        enum tf2_status status = tf2_model_import(i ? path : directory, NULL, NULL, &model, &error);
        if (status != TF2_OK)
            fail_msg("%s", error.message);
        tf2_model_info(model, &info);
        assert_string_equal(info.name, directory);
        tf2_model_destroy(&model);
    }
    snprintf(path, sizeof(path), "%s/saved_model.pb", directory);
    unlink(path);
    rmdir(directory);
}

/* ---- damage ---- */

/* Imports a copy of exactly these bytes: reading beyond them shows under the address sanitizer. */
static enum tf2_status import_copy(const unsigned char *bytes, size_t size_bytes)
{
    unsigned char *copy = malloc(size_bytes + 1);
    memcpy(copy, bytes, size_bytes);
    struct tf_import im = tf_import_bytes(copy, size_bytes, NULL);
    assert_true(im.status != TF2_ERR_NO_MEMORY && im.status != TF2_ERR_INTERNAL);
    tf_import_free(&im);
    free(copy);
    return im.status;
}

static void test_damage(void **state)
{
    (void)state;
    for (int saved = 0; saved < 2; saved++) {
        struct tf_builder b;
        size_t size_bytes;
        uint64_t seed = 7;
        small_graph(&b);
        tf_node(&b, "PartitionedCall", "call", "y");
        tf_function_attr(&b, "f", "f");
        tf_begin_function(&b, "f", "x", "y");
        tf_node(&b, "Relu", "relu", "x");
        tf_result(&b, "y", "relu:activations:0");
        tf_end_function(&b);
        if (saved)
            tf_saved_model(&b);
        const unsigned char *bytes = tf_pack(&b, &size_bytes);
        unsigned char *changed = malloc(size_bytes);
        assert_int_equal(import_copy(bytes, size_bytes), TF2_OK);
        size_t n_whole = 0; /* cut between two nodes, the rest is a graph */
        for (size_t n = 0; n < size_bytes; n++)
            n_whole += import_copy(bytes, n) == TF2_OK;
        assert_true(n_whole <= 2);
        for (int i = 0; i < 3000; i++) {
            memcpy(changed, bytes, size_bytes);
            for (int k = 0; k < 1 + i % 3; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                changed[(seed >> 33) % size_bytes] = (unsigned char)(seed >> 24);
            }
            import_copy(changed, size_bytes);
        }
        free(changed);
        tf_close(&b);
    }
}

struct allocations {
    size_t n, fail_at, alive;
};

static void *failing_alloc(void *user, size_t size, size_t alignment)
{
    struct allocations *a = user;
    if (a->n++ == a->fail_at)
        return NULL;
    a->alive++;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void counting_release(void *user, void *ptr)
{
    ((struct allocations *)user)->alive--;
    free(ptr);
}

static void test_out_of_memory(void **state)
{
    struct tf_builder b;
    struct allocations a = {0};
    const struct tf2_env env = {.allocator = {failing_alloc, counting_release, &a}};
    struct tf2_error error = {0};
    size_t size_bytes;
    (void)state;
    small_graph(&b);
    tf_node(&b, "PartitionedCall", "call", "y");
    tf_function_attr(&b, "f", "f");
    tf_begin_function(&b, "f", "x", "y");
    tf_node(&b, "Softmax", "softmax", "x");
    tf_result(&b, "y", "softmax:softmax:0");
    tf_end_function(&b);
    tf_saved_model(&b);
    const unsigned char *bytes = tf_pack(&b, &size_bytes);
    const struct tf2__source source = {.name = "test.pb", .data = bytes, .size_bytes = size_bytes};
    enum tf2_status status = TF2_ERR_NO_MEMORY;
    for (size_t fail_at = 0; status != TF2_OK; fail_at++) {
        struct tf2_graph *graph = NULL;
        a = (struct allocations){.fail_at = fail_at};
        status = tf2_graph_create(&env, &graph, NULL);
        if (status == TF2_OK)
            status = tf2__import(&source, NULL, graph, &error);
        if (status != TF2_OK && status != TF2_ERR_NO_MEMORY)
            fail_msg("allocation %zu: status %d: %s", fail_at, status, error.message);
        tf2_graph_destroy(&graph);
        assert_int_equal(a.alive, 0);
        assert_true(fail_at < 10000);
    }
    tf_close(&b);
}

/* ---- the table ---- */

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; tf2__tf_op_at(i); i++) {
        const struct tf2__tf_op *op = tf2__tf_op_at(i);
        assert_true(i == 0 || strcmp(tf2__tf_op_at(i - 1)->name, op->name) < 0);
        assert_ptr_equal(tf2__tf_op_find(op->name), op);
        assert_null(tf2__tf_op_reason(op->name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_border),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_input_shapes),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_hostile_attributes),
        cmocka_unit_test(test_hostile_constants),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_hostile_functions),
        cmocka_unit_test(test_saved_model),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
