/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_file.c: ONNX files as a whole: recognizing them, opsets, inputs and outputs, order of nodes,
 * forms of tensors, all problems at once, damaged files, and every ONNX file of the shared test data.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/file.h"
#include "onnx_builder.h"
#include "transform/import/onnx/internal.h"

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

/* ---- the file ---- */

static bool probed(const void *data, size_t size_bytes)
{
    return tf2__importer_onnx.probe(data, size_bytes);
}

static void test_probe(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "name: \"net\"\nlayer {\n",
        "layers {\n",
        "# a comment\n",
        "input: \"data\"\n",
        "\n\n  name: \"x\"",
        "\x89PNG\r\n",
        "\x08\x07",
        "\x08\x07\xd8\x01\x01",
        "\x0a\x07SqueezeNet",
        "TF2M",
        "\x08",
    };
    for (size_t i = 0; i < TF2__COUNT(others); i++)
        assert_false(probed(others[i], strlen(others[i])));
    struct onnx_builder b;
    size_t size_bytes;
    small_model(&b, 13);
    const unsigned char *bytes = onnx_pack(&b, &size_bytes);
    assert_true(probed(bytes, size_bytes));
    assert_true(probed(bytes, size_bytes - 8)); /* cut short in the graph */
    assert_false(probed(bytes + 1, size_bytes - 1));
    b.model->ir_version = 0;
    bytes = onnx_pack(&b, &size_bytes);
    assert_false(probed(bytes, size_bytes));
    onnx_close(&b);
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        unsigned char random[64];
        for (size_t k = 0; k < sizeof(random); k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            random[k] = (unsigned char)(seed >> 56);
        }
        unsigned char *copy = malloc((size_t)i % 64 + 1); /* so that reading beyond it shows */
        memcpy(copy, random, (size_t)i % 64 + 1);
        probed(copy, (size_t)i % 64 + 1);
        free(copy);
    }
}

static void test_opsets(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int64_t opset = 7; opset <= 23; opset++) {
        small_model(&b, opset);
        struct onnx_import im = onnx_imported(&b);
        onnx_import_free(&im);
    }
    small_model(&b, 6);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "opset 6", "7 to 23");
    small_model(&b, 24);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "opset 24", "7 to 23");
    small_model(&b, 13);
    b.model->n_opset_import = 0;
    onnx_refused(&b, TF2_ERR_FORMAT, "does not say which ONNX opset");
    small_model(&b, 13);
    b.model->opset_import[0]->domain = "ai.onnx";
    struct onnx_import im = onnx_imported(&b);
    onnx_import_free(&im);
    small_model(&b, 13);
    b.model->opset_import[0]->domain = "com.microsoft";
    onnx_refused(&b, TF2_ERR_FORMAT, "does not say which ONNX opset");
    small_model(&b, 13);
    b.model->ir_version = 2;
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "IR version 2");
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; tf2__onnx_op_at(i); i++) {
        const struct tf2__onnx_op *op = tf2__onnx_op_at(i);
        assert_ptr_equal(tf2__onnx_op_find(op->name), op); /* sorted, or the search would not find it */
        assert_true(op->fold || op->convert);
        assert_true(op->max_in == -1 || op->min_in <= op->max_in);
    }
    assert_null(tf2__onnx_op_find("Relu6"));
    assert_null(tf2__onnx_op_find(""));
}

/* ---- inputs ---- */

static void test_inputs(void **state)
{
    (void)state;
    struct onnx_builder b;
    struct tf2_named_shape shape = {.name = "x", .shape = SHAPE(2, 3, 10, 12)};
    struct tf2_import_options options = {.input_shapes = &shape, .n_input_shapes = 1};
    for (int form = 0; form < 2; form++) {
        onnx_open(&b, 13);
        onnx_input(&b, "x", DIMS(-1, 3, -2, 0));
        onnx_node(&b, "Relu", "x", "y");
        onnx_output(&b, "y");
        if (form) { /* no shape at all */
            b.graph->input[0]->type->tensor_type->shape = NULL;
            shape.name = NULL;
        }
        struct onnx_import im = onnx_import(&b, &options);
        assert_int_equal(im.status, TF2_OK);
        onnx_has_node(&im, 0, TF2_OP_ACTIVATION, "y", "2x3x10x12");
        onnx_import_free(&im);
        onnx_refused(&b, TF2_ERR_SHAPE, "input 'x'", form ? "does not tell" : "[d1, 3, d2, ?]", "--input x:");
    }
    small_model(&b, 13);
    shape.name = "x";
    onnx_refused_with(&b, &options, TF2_ERR_SHAPE, (const char *[]){"2 dimensions", "has 4", NULL});
    small_model(&b, 13);
    b.graph->input[0]->type->tensor_type->elem_type = 7;
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "input 'x'", "int64");
    small_model(&b, 13);
    b.graph->input[0]->type->tensor_type = NULL;
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "input 'x'", "not a tensor");
}

/* Initializers that are listed as inputs are constants; inputs that nobody reads are left out. */
static void test_listed_initializers(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 7);
    onnx_input(&b, "unused", DIMS(-1, -2, -3));
    onnx_input(&b, "w", DIMS(2, 4));
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_floats(&b, "w", DIMS(2, 4), NULL);
    onnx_node(&b, "Gemm", "x w bias", "y");
    onnx_floats(&b, "bias", DIMS(2), NULL);
    onnx_int_attr(&b, "transB", 1);
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->n_inputs, 1);
    assert_string_equal(im.graph->tensors[im.graph->inputs[0]].name, "x");
    onnx_import_free(&im);
}

/* ---- outputs and order ---- */

static void test_cut(void **state)
{
    (void)state;
    struct onnx_builder b;
    const char *outputs[] = {"c", "a"};
    struct tf2_import_options options = {.outputs = outputs, .n_outputs = 2};
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_node(&b, "Relu", "x", "a");
    onnx_node(&b, "Tanh", "a", "c");
    onnx_node(&b, "Einsum", "c", "y"); /* not supported, and not needed */
    onnx_output(&b, "y");
    struct onnx_import im = onnx_import(&b, &options);
    assert_int_equal(im.status, TF2_OK);
    assert_int_equal(im.graph->n_nodes, 2);
    assert_int_equal(im.graph->n_outputs, 2);
    assert_string_equal(im.graph->outputs[0].name, "c");
    assert_string_equal(im.graph->outputs[1].name, "a");
    onnx_import_free(&im);
    outputs[1] = "nowhere";
    onnx_refused_with(&b, &options, TF2_ERR_NOT_FOUND, (const char *[]){"nowhere", NULL});
    small_model(&b, 13);
    outputs[0] = outputs[1] = "y";
    onnx_refused_with(&b, &options, TF2_ERR_INVALID_ARGUMENT, (const char *[]){"two outputs", NULL});
}

static void test_output_problems(void **state)
{
    (void)state;
    struct onnx_builder b;
    small_model(&b, 13);
    b.graph->n_output = 0;
    onnx_refused(&b, TF2_ERR_FORMAT, "no outputs");
    small_model(&b, 13);
    onnx_output(&b, "z");
    onnx_refused(&b, TF2_ERR_FORMAT, "'z'");
    onnx_open(&b, 13);
    onnx_float(&b, "c", 1);
    onnx_node(&b, "Neg", "c", "y");
    onnx_output(&b, "y");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'y' is constant");
    /* An input as it is. */
    small_model(&b, 13);
    onnx_output(&b, "x");
    struct onnx_import im = onnx_imported(&b);
    assert_string_equal(im.graph->outputs[1].name, "x");
    onnx_import_free(&im);
}

static void test_order(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_node(&b, "Add", "b c", "y");
    onnx_node(&b, "Tanh", "a", "c");
    onnx_node(&b, "Exp", "a", "b");
    onnx_node(&b, "Relu", "x", "a");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_ACTIVATION, "a", "1x4");
    onnx_has_node(&im, 3, TF2_OP_ELTWISE, "y", "1x4");
    onnx_import_free(&im);

    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_node(&b, "Add", "x c", "a");
    onnx_node(&b, "Relu", "a", "b");
    onnx_node(&b, "Tanh", "b", "c");
    onnx_node(&b, "Exp", "c", "y");
    onnx_output(&b, "y");
    onnx_refused(&b, TF2_ERR_FORMAT, "cycle", "needs its own result");
}

static void test_long_chain(void **state)
{
    (void)state;
    struct onnx_builder b;
    enum { N = 20000 };
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    /* In reverse: the depth of the search is the length of the chain. */
    for (int i = N; i > 0; i--) {
        char from[16], to[16];
        snprintf(from, sizeof(from), i > 1 ? "t%d" : "x", i - 1);
        snprintf(to, sizeof(to), "t%d", i);
        Tf2__Onnx__NodeProto *node;
        if (i == N) {
            onnx_node(&b, "Relu", from, to);
            b.graph->node = onnx_block(&b, N, sizeof(*b.graph->node));
            b.graph->node[0] = b.node;
            continue;
        }
        node = onnx_block(&b, 1, sizeof(*node));
        tf2__onnx__node_proto__init(node);
        node->op_type = "Relu";
        node->n_input = node->n_output = 1;
        node->input = onnx_block(&b, 2, sizeof(char *));
        node->output = onnx_block(&b, 2, sizeof(char *));
        node->input[0] = strcpy(onnx_block(&b, 16, 1), from);
        node->output[0] = strcpy(onnx_block(&b, 16, 1), to);
        b.graph->node[b.graph->n_node++] = node;
    }
    onnx_output(&b, "t20000");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->n_nodes, N);
    assert_string_equal(im.graph->nodes[0].name, "t1");
    onnx_import_free(&im);
}

static void test_names(void **state)
{
    (void)state;
    struct onnx_builder b;
    small_model(&b, 13);
    onnx_node(&b, "Tanh", "x", "y");
    onnx_refused(&b, TF2_ERR_FORMAT, "'y' is already defined");
    small_model(&b, 13);
    onnx_node(&b, "Tanh", "y", "x");
    onnx_refused(&b, TF2_ERR_FORMAT, "'x' is already defined");
    small_model(&b, 13);
    onnx_float(&b, "c", 1);
    onnx_float(&b, "c", 1);
    onnx_refused(&b, TF2_ERR_FORMAT, "two initializers are called 'c'");
    small_model(&b, 13);
    onnx_input(&b, "x", DIMS(1));
    onnx_refused(&b, TF2_ERR_FORMAT, "two inputs are called 'x'");
    /* A name that we would make up is taken already. */
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 4));
    onnx_floats(&b, "w", DIMS(4, 4), NULL);
    onnx_node(&b, "Relu", "x", "y.weights");
    onnx_node(&b, "MatMul", "y.weights w", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    assert_string_equal(im.graph->tensors[im.graph->nodes[1].in[1]].name, "y.weights_1");
    onnx_import_free(&im);
}

/* ---- all problems at once ---- */

static void test_all_problems(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 3, 8, 8));
    onnx_input(&b, "open", DIMS(0, -5));
    onnx_floats(&b, "w", DIMS(4, 3, 3, 3), NULL);
    onnx_node(&b, "Einsum", "x", "e1");
    onnx_node(&b, "Einsum", "e1", "e2");
    onnx_node(&b, "Einsum", "e2", "e3");
    onnx_node(&b, "Einsum", "e3", "e4");
    onnx_node(&b, "Conv", "e4 w", "c1"); /* behind something unknown: passed over */
    onnx_node(&b, "Conv", "x w", "c2");
    onnx_int_attr(&b, "mystery", 3);
    onnx_node(&b, "Conv", "c2 w", "c3");
    onnx_ints_attr(&b, "pads", INTS(1, 2)); /* wrong, but behind c2: not known yet */
    onnx_node(&b, "Gelu", "x", "g");
    b.node->domain = "com.microsoft";
    b.node->name = "gelu_node";
    onnx_node(&b, "Relu", "x missing", "r1");
    onnx_node(&b, "Softmax", "x", "s1");
    onnx_int_attr(&b, "axis", 9);
    onnx_node(&b, "Relu", "open", "r2");
    onnx_node(&b, "If", "x", "i1");
    onnx_attr(&b, "then_branch", 5);
    for (const char *name = "c1 c3 g r1 s1 r2 i1"; name; name = strchr(name, ' ')) {
        char word[8];
        name += *name == ' ';
        snprintf(word, sizeof(word), "%.2s", name);
        word[strcspn(word, " ")] = '\0';
        onnx_output(&b, word);
    }
    onnx_refused(
        &b, TF2_ERR_FORMAT, "test.onnx: 7 problems", "Einsum: not supported (4 nodes: 'e1', 'e2', 'e3', ...)",
        "com.microsoft.Gelu: not supported (1 node: 'gelu_node')", "If: not supported",
        "'c2' (Conv): attribute 'mystery'", "'r1' (Relu): nothing in the file defines its input 'missing'",
        "'s1' (Softmax): axis 9", "input 'open'");
}

static void test_attributes(void **state)
{
    (void)state;
    struct onnx_builder b;
    small_model(&b, 13);
    onnx_node(&b, "Elu", "x", "z");
    onnx_int_attr(&b, "alpha", 1);
    onnx_output(&b, "z");
    onnx_refused(&b, TF2_ERR_FORMAT, "'alpha' is of another type");
    small_model(&b, 13);
    onnx_node(&b, "Elu", "x", "z");
    onnx_float_attr(&b, "alpha", 1);
    onnx_float_attr(&b, "alpha", 2);
    onnx_output(&b, "z");
    onnx_refused(&b, TF2_ERR_FORMAT, "'alpha' is given twice");
    small_model(&b, 13);
    onnx_node(&b, "Elu", "x", "z");
    onnx_float_attr(&b, "alpha", 1);
    b.node->attribute[0]->ref_attr_name = "other";
    onnx_output(&b, "z");
    onnx_refused(&b, TF2_ERR_FORMAT, "refers to a function's attribute");
    /* Files from before attributes had a type. */
    small_model(&b, 13);
    onnx_node(&b, "Elu", "x", "z");
    onnx_float_attr(&b, "alpha", 3);
    b.node->attribute[0]->has_type = 0;
    onnx_output(&b, "z");
    struct onnx_import im = onnx_imported(&b);
    assert_true(((const struct tf2_activation *)im.graph->nodes[1].attr)->alpha == 3);
    onnx_import_free(&im);
}

/* ---- tensors ---- */

/* y = Concat(x, Cast(c to float)); the constant's numbers have to be these. */
static void has_numbers(struct onnx_builder *b, const float *wanted, size_t n)
{
    onnx_node(b, "Cast", "c", "f");
    onnx_int_attr(b, "to", 1);
    onnx_node(b, "Concat", "x f", "z");
    onnx_int_attr(b, "axis", 1);
    onnx_output(b, "z");
    struct onnx_import im = onnx_imported(b);
    char shape[16];
    snprintf(shape, sizeof(shape), "1x%zu", n);
    const struct tf2__node *node = &im.graph->nodes[im.graph->n_nodes - 1];
    assert_memory_equal(onnx_has_constant(&im, node, 1, shape), wanted, n * sizeof(*wanted));
    onnx_import_free(&im);
}

static void test_raw_tensors(void **state)
{
    (void)state;
    static const float wanted[] = {1, -2};
    const struct {
        int32_t type;
        const void *raw;
        size_t raw_bytes;
    } rows[] = {
        {TF2__ONNX_FLOAT, (const float[]){1, -2}, 8},
        {TF2__ONNX_DOUBLE, (const double[]){1, -2}, 16},
        {TF2__ONNX_FLOAT16, (const uint16_t[]){0x3c00, 0xc000}, 4},
        {TF2__ONNX_BFLOAT16, (const uint16_t[]){0x3f80, 0xc000}, 4},
        {TF2__ONNX_INT64, (const int64_t[]){1, -2}, 16},
        {TF2__ONNX_INT32, (const int32_t[]){1, -2}, 8},
        {TF2__ONNX_INT16, (const int16_t[]){1, -2}, 4},
        {TF2__ONNX_INT8, (const int8_t[]){1, -2}, 2},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct onnx_builder b;
        small_model(&b, 13);
        onnx_initializer(&b, onnx_tensor(&b, "c", rows[i].type, DIMS(1, 2), rows[i].raw, rows[i].raw_bytes));
        has_numbers(&b, wanted, 2);
    }
    struct onnx_builder b;
    small_model(&b, 13);
    /* Subnormal, largest and smallest normal half. */
    static const uint16_t halves[] = {0x0001, 0x83ff, 0x7bff, 0x0400};
    static const float exact[] = {0x1p-24f, -0x1.ff8p-15f, 65504, 0x1p-14f};
    onnx_initializer(&b, onnx_tensor(&b, "c", TF2__ONNX_FLOAT16, DIMS(1, 4), halves, sizeof(halves)));
    has_numbers(&b, exact, 4);
    small_model(&b, 13);
    onnx_initializer(&b, onnx_tensor(&b, "c", TF2__ONNX_UINT8, DIMS(1, 2), "\x01\xff", 2));
    has_numbers(&b, (const float[]){1, 255}, 2);
}

static void test_typed_tensors(void **state)
{
    (void)state;
    static const int32_t types[] = {
        TF2__ONNX_FLOAT,  TF2__ONNX_DOUBLE, TF2__ONNX_FLOAT16, TF2__ONNX_INT64,
        TF2__ONNX_UINT32, TF2__ONNX_INT8,   TF2__ONNX_BOOL,
    };
    float floats[] = {1, 2};
    double doubles[] = {1, 2};
    int32_t halves[] = {0x3c00, 0x4000}, ints[] = {1, 2};
    int64_t longs[] = {1, 2};
    uint64_t unsigneds[] = {1, 2};
    for (size_t i = 0; i < TF2__COUNT(types); i++) {
        struct onnx_builder b;
        small_model(&b, 13);
        Tf2__Onnx__TensorProto *t = onnx_tensor(&b, "c", types[i], DIMS(1, 2), NULL, 0);
        t->n_float_data = types[i] == TF2__ONNX_FLOAT ? 2 : 0;
        t->float_data = floats;
        t->n_double_data = types[i] == TF2__ONNX_DOUBLE ? 2 : 0;
        t->double_data = doubles;
        t->n_int64_data = types[i] == TF2__ONNX_INT64 ? 2 : 0;
        t->int64_data = longs;
        t->n_uint64_data = types[i] == TF2__ONNX_UINT32 ? 2 : 0;
        t->uint64_data = unsigneds;
        bool other = !t->n_float_data && !t->n_double_data && !t->n_int64_data && !t->n_uint64_data;
        t->n_int32_data = other ? 2 : 0;
        t->int32_data = types[i] == TF2__ONNX_FLOAT16 ? halves : ints;
        onnx_initializer(&b, t);
        has_numbers(&b, types[i] == TF2__ONNX_BOOL ? (const float[]){1, 1} : floats, 2);
    }
}

static void tensor_refused(
    Tf2__Onnx__TensorProto *tensor, struct onnx_builder *b, enum tf2_status status, const char *text)
{
    onnx_initializer(b, tensor);
    onnx_node(b, "Max", "x c", "z");
    onnx_output(b, "z");
    onnx_refused(b, status, text, "'c'");
}

static void test_tensors_refused(void **state)
{
    (void)state;
    struct onnx_builder b;
    static const float four[4] = {1, 2, NAN, 4};
    small_model(&b, 13);
    tensor_refused(onnx_tensor(&b, "c", 1, DIMS(1, 4), four, 12), &b, TF2_ERR_FORMAT, "12 bytes of data");
    small_model(&b, 13);
    tensor_refused(
        onnx_tensor(&b, "c", 1, DIMS(1, 4), NULL, 0), &b, TF2_ERR_FORMAT, "0 numbers, its shape needs 4");
    small_model(&b, 13);
    Tf2__Onnx__TensorProto *t = onnx_tensor(&b, "c", 1, DIMS(1, 4), four, 16);
    t->n_float_data = 4;
    t->float_data = (float[]){1, 2, 3, 4};
    tensor_refused(t, &b, TF2_ERR_FORMAT, "data twice");
    small_model(&b, 13);
    t = onnx_tensor(&b, "c", 1, DIMS(1, 4), NULL, 0);
    t->has_data_location = 1;
    t->data_location = 1;
    tensor_refused(t, &b, TF2_ERR_FORMAT, "external data without a location");
    small_model(&b, 13);
    tensor_refused(onnx_tensor(&b, "c", 8, DIMS(1, 4), four, 16), &b, TF2_ERR_UNSUPPORTED, "string");
    small_model(&b, 13);
    tensor_refused(onnx_tensor(&b, "c", 1, DIMS(-1, 4), four, 16), &b, TF2_ERR_SHAPE, "-1x4");
    small_model(&b, 13);
    tensor_refused(
        onnx_tensor(&b, "c", 1, DIMS(1 << 30, 1 << 30), four, 16), &b, TF2_ERR_SHAPE, "1073741824");
    small_model(&b, 13);
    tensor_refused(
        onnx_tensor(&b, "c", 1, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 4), four, 16), &b, TF2_ERR_UNSUPPORTED, "9 dim");
    small_model(&b, 13);
    onnx_initializer(&b, onnx_tensor(&b, "c", 1, DIMS(1, 4), four, 16));
    onnx_node(&b, "Max", "x c", "z");
    onnx_output(&b, "z");
    onnx_refused(&b, TF2_ERR_VALUE, "c: weight 2 is NaN");
}

/* ---- real networks ---- */

static void test_shared_models(void **state)
{
    (void)state;
    static const struct {
        const char *path, *outputs, *batch_outputs;
    } rows[] = {
        {"squeezenet_v1.1/squeezenet_v1.1.onnx", "prob 1x1000", "prob 3x1000"},
        {"mtcnn/onnx/pnet.onnx", "reg 1x4x7x11 prob 1x2x7x11", "reg 3x4x7x11 prob 3x2x7x11"},
        {"mtcnn/onnx/rnet.onnx", "reg 1x4 prob 1x2", "reg 3x4 prob 3x2"},
        {"mtcnn/onnx/onet.onnx", "reg 1x4 points 1x10 prob 1x2", "reg 3x4 points 3x10 prob 3x2"},
        {"resnet20_cifar10/resnet20.onnx", "logits 1x10", "logits 3x10"},
        {"resnet20_cifar10/resnet20_simple.onnx", "logits 1x10", "logits 3x10"},
        {"mobilefacenet/MobileFaceNet.onnx", "output0 1x128", "output0 3x128"},
        {"meshnet3d/meshnet_gwm.onnx", "logits 1x3x32x40x36", "logits 3x3x32x40x36"},
        {"structure/light_bvlc_alexnet.onnx", "prob_1 1x1000", "prob_1 3x1000"},
        {"structure/light_inception_v1.onnx", "prob_1 1x1000", "prob_1 3x1000"},
        {"structure/light_resnet50.onnx", "gpu_0/softmax_1 1x1000", "gpu_0/softmax_1 3x1000"},
        {"structure/light_shufflenet.onnx", "gpu_0/softmax_1 1x1000", "gpu_0/softmax_1 3x1000"},
        {"structure/light_squeezenet.onnx", "softmaxout_1 1x1000x1x1", "softmaxout_1 3x1000x1x1"},
        {"structure/light_vgg19.onnx", "prob_1 1x1000", "prob_1 3x1000"},
    };
    struct tf2_named_shape shape = {.name = NULL, .shape = SHAPE(1, 3, 24, 32)};
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        struct tf2__file file;
        char path[128], text[128], outputs[2][256] = {"", ""};
        snprintf(path, sizeof(path), "models/%s", rows[i].path);
        if (!onnx_shared_file(path, &file))
            skip();
        assert_true(probed(file.data, file.size_bytes));
        struct tf2_import_options options = {
            .input_shapes = &shape, .n_input_shapes = strstr(path, "pnet") ? 1 : 0};
        struct onnx_import im = onnx_import_bytes(file.data, file.size_bytes, &options);
        tf2__file_unmap(&file); /* nothing of the file is needed any more */
        if (im.status != TF2_OK)
            fail_msg("%s: %s", path, im.error.message);
        struct tf2_shape input = im.graph->tensors[im.graph->inputs[0]].shape;
        struct tf2_shape *shapes = calloc(im.graph->n_tensors, sizeof(*shapes));
        for (int batch = 1; batch <= 3; batch += 2) {
            struct tf2_error error;
            input.dim[0] = batch;
            if (tf2__graph_infer(im.graph, &input, shapes, &error) != TF2_OK)
                fail_msg("%s, batch %d: %s", path, batch, error.message);
            char *all = outputs[batch / 2];
            for (uint32_t o = 0; o < im.graph->n_outputs; o++)
                sprintf(
                    all + strlen(all), "%s%s %s", o ? " " : "", im.graph->outputs[o].name,
                    tf2_shape_format(&shapes[im.graph->outputs[o].tensor], text, sizeof(text)));
        }
        free(shapes);
        assert_string_equal(outputs[0], rows[i].outputs);
        assert_string_equal(outputs[1], rows[i].batch_outputs);
        onnx_import_free(&im);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_opsets),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_listed_initializers),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_output_problems),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_all_problems),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_raw_tensors),
        cmocka_unit_test(test_typed_tensors),
        cmocka_unit_test(test_tensors_refused),
        cmocka_unit_test(test_shared_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
