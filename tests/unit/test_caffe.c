/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe.c: the Caffe importer as a whole, and tf2__import: formats, inputs, outputs, old and new
 * definitions, phases, names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"

#define RELU(name, bottom, top)                                                                              \
    "layer { name: '" name "' type: 'ReLU' bottom: '" bottom "' top: '" top "' }\n"
#define INPUT_4D "input: 'data' input_dim: 10 input_dim: 3 input_dim: 8 input_dim: 6\n"

/* --- formats --- */

static void
import_bytes(struct caffe_net *net, const void *data, size_t n, const void *weights, size_t n_weights)
{
    const struct tf2__source source = {
        .name = "file", .data = data, .size_bytes = n, .weights = weights, .weights_bytes = n_weights};
    memset(net, 0, sizeof(*net));
    assert_int_equal(tf2_graph_create(NULL, &net->graph, &net->error), TF2_OK);
    net->status = tf2__import(&source, NULL, net->graph, &net->error);
}

static void formats_are_told_by_content(void **state)
{
    static const struct {
        const char *data;
        size_t n;
        enum tf2_status status;
        const char *words;
    } cases[] = {
        {"", 0, TF2_ERR_FORMAT, "file: the file is empty"},
        {"hello: 1", 8, TF2_ERR_FORMAT, "unknown format, wanted an .onnx file or a Caffe .prototxt"},
        {"node { name: 'x' }", 18, TF2_ERR_FORMAT, "unknown format"},
        {"net: 'train.prototxt'", 21, TF2_ERR_FORMAT, "unknown format"},
        {"\x0a\x01x", 3, TF2_ERR_FORMAT, "unknown format"}, /* a protobuf message with a name */
        {"name", 4, TF2_ERR_FORMAT, "unknown format"},
        {"\x00\x01\x02", 3, TF2_ERR_FORMAT, "unknown format"},
        {"PK\x03\x04....", 8, TF2_ERR_UNSUPPORTED, "ZIP"},
        {"\x89HDF\r\n\x1a\n", 8, TF2_ERR_UNSUPPORTED, "HDF5"},
        {"\x1c\0\0\0TFL3", 8, TF2_ERR_FORMAT, "damaged file"},
        {"name: 'x'", 9, TF2_ERR_GRAPH, "no layer"},
        {"# a comment\n\n  layers { ", 24, TF2_ERR_FORMAT, "line 3"},
        {"input: 'data'", 13, TF2_ERR_GRAPH, "no layer"},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct caffe_net net;
        import_bytes(&net, cases[i].data, cases[i].n, NULL, 0);
        caffe_net_fails(&net, cases[i].status, cases[i].words, "file: ", NULL);
        caffe_net_free(&net);
    }
}

static void files_in_wrong_places_are_told(void **state)
{
    const struct caffe_blobs layer = {.name = "conv", .n_blobs = 1, .blob = {{1, {2}, NULL}}};
    const char *text = INPUT_4D RELU("r", "data", "y");
    struct caffe_net net;
    size_t n;
    (void)state;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    import_bytes(&net, weights, n, NULL, 0);
    caffe_net_fails(&net, TF2_ERR_INVALID_ARGUMENT, "this is a Caffe weights file", ".prototxt", NULL);
    caffe_net_free(&net);
    import_bytes(&net, weights, n, text, strlen(text));
    caffe_net_fails(&net, TF2_ERR_INVALID_ARGUMENT, "the other way round", NULL);
    caffe_net_free(&net);
    import_bytes(&net, text, strlen(text), text, 0);
    caffe_net_fails(&net, TF2_ERR_FORMAT, "weights: the file is empty", NULL);
    caffe_net_free(&net);
    free(weights);
    weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_LEGACY, &n);
    import_bytes(&net, weights, n, NULL, 0);
    caffe_net_fails(&net, TF2_ERR_INVALID_ARGUMENT, "this is a Caffe weights file", NULL);
    caffe_net_free(&net);
    free(weights);
    /* enough of an ONNX file to be taken for one */
    static const unsigned char onnx[] = {8, 8, 0x3a, 2, 0x12, 0, 0x42, 2, 0x10, 11};
    import_bytes(&net, onnx, sizeof(onnx), text, strlen(text));
    caffe_net_fails(&net, TF2_ERR_INVALID_ARGUMENT, "ONNX files contain their weights", NULL);
    caffe_net_free(&net);
}

/* --- inputs --- */

static void inputs_get_batch_one(void **state)
{
    static const char *const texts[] = {
        INPUT_4D RELU("r", "data", "y"),
        "input: 'data' input_shape { dim: 10 dim: 3 dim: 8 dim: 6 }" RELU("r", "data", "y"),
        "input: 'data' input_shape { dim: [0, 3, 8, 6] }" RELU("r", "data", "y"),
        "layer { name: 'in' type: 'Input' top: 'data' input_param { shape: { dim: 10 dim: 3 dim: 8 dim: 6 } "
        "} }" RELU("r", "data", "y"),
    };
    char text[128];
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(texts); i++) {
        struct caffe_net net;
        caffe_net_random(&net, texts[i]);
        assert_string_equal(caffe_net_shape(&net, "data", text), "1x3x8x6");
        assert_string_equal(caffe_net_shape(&net, "r", text), "1x3x8x6");
        assert_int_equal(net.graph->n_inputs, 1);
        assert_string_equal(net.graph->outputs[0].name, "y");
        caffe_net_free(&net);
    }
}

static void shapes_of_the_caller_win(void **state)
{
    struct tf2_named_shape wanted = {"data", {4, {2, 3, 100, 90}}};
    const struct tf2_import_options options = {.input_shapes = &wanted, .n_input_shapes = 1};
    struct caffe_net net;
    char text[128];
    (void)state;
    caffe_net_import(&net, INPUT_4D RELU("r", "data", "y"), NULL, 0, &options);
    assert_string_equal(caffe_net_shape(&net, "r", text), "2x3x100x90");
    caffe_net_free(&net);
    wanted.name = NULL;
    caffe_net_import(&net, "input: 'data'" RELU("r", "data", "y"), NULL, 0, &options);
    assert_string_equal(caffe_net_shape(&net, "r", text), "2x3x100x90");
    caffe_net_free(&net);
    wanted.name = "dta";
    caffe_net_import(&net, INPUT_4D RELU("r", "data", "y"), NULL, 0, &options);
    caffe_net_fails(&net, TF2_ERR_NOT_FOUND, "'dta'", NULL);
    caffe_net_free(&net);
    wanted.name = "data";
    wanted.shape.n_dims = 3;
    caffe_net_import(&net, INPUT_4D RELU("r", "data", "y"), NULL, 0, &options);
    caffe_net_fails(&net, TF2_ERR_SHAPE, "a shape of 3 dimensions is given, the file has 4", NULL);
    caffe_net_free(&net);
}

static void several_inputs(void **state)
{
    const char *text =
        "input: 'a' input: 'b' input: 'label' input_shape { dim: 4 dim: 2 } input_shape { dim: 4 dim: 2 }\n"
        "input_shape { dim: 4 }\n"
        "layer { name: 's' type: 'Eltwise' bottom: 'b' bottom: 'a' top: 's' }\n"
        "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 's' bottom: 'label' top: 'l' }\n"
        "layer { name: 'quiet' type: 'Silence' bottom: 'l' }";
    struct tf2_named_shape wanted[] = {{"a", {2, {3, 2}}}, {"b", {2, {3, 2}}}};
    struct tf2_import_options options = {.input_shapes = wanted, .n_input_shapes = 2};
    struct caffe_net net;
    char shape[128];
    (void)state;
    caffe_net_random(&net, text);
    assert_int_equal(net.graph->n_inputs, 2);
    assert_string_equal(net.graph->tensors[net.graph->inputs[0]].name, "a");
    assert_int_equal(net.graph->n_outputs, 1);
    assert_string_equal(net.graph->outputs[0].name, "s");
    caffe_net_free(&net);
    caffe_net_import(&net, text, NULL, 0, &options);
    assert_string_equal(caffe_net_shape(&net, "s", shape), "3x2");
    caffe_net_free(&net);
    wanted[1].name = "";
    caffe_net_import(&net, text, NULL, 0, &options);
    caffe_net_fails(&net, TF2_ERR_SHAPE, "bottom 1 is 3x2, bottom 0 is 1x2", NULL);
    caffe_net_free(&net);
}

static void bad_inputs_are_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"input: 'a'" RELU("r", "a", "y"), "input 'a': the file does not say its shape"},
        {"input: 'a' input_dim: [1, 2, 3]" RELU("r", "a", "y"), "3 of input_dim for 1 of input"},
        {"input: 'a' input_shape { dim: 1 } input_shape { dim: 1 }" RELU("r", "a", "y"), "2 of input_shape"},
        {INPUT_4D "input_shape { dim: 1 }" RELU("r", "data", "y"), "both input_shape and input_dim"},
        {"input: 'a' input_shape { dim: 1 dim: 0 dim: 4 }" RELU("r", "a", "y"),
         "leaves dimension 1 open (0)"},
        {"input: 'a' input_shape { dim: 1 dim: -1 dim: 4 }" RELU("r", "a", "y"),
         "leaves dimension 1 open (-1)"},
        {"input: 'a' input_shape { dim: 1 dim: 2147483648 }" RELU("r", "a", "y"), "below 2^31"},
        {"input: 'a' input_shape { dim: [1, 1, 1, 1, 1, 1, 1, 1, 1] }" RELU("r", "a", "y"), "9 dimensions"},
        {"input: 'a' input: 'a' input_shape { dim: 1 dim: 1 } input_shape { dim: 1 dim: 1 }" RELU(
             "r", "a", "y"),
         "two inputs are called 'a'"},
        {"layer { name: 'i' type: 'Input' top: 'a' top: 'b' top: 'c' input_param { shape { dim: 1 } shape { "
         "dim: 1 } } }" RELU("r", "a", "y"),
         "2 shapes for 3 tops"},
        {"input: 'a' input_shape { }" RELU("r", "a", "a"), "TF2"},
    };
    (void)state;
    for (size_t i = 0; i + 1 < TF2__COUNT(cases); i++) {
        struct caffe_net net;
        caffe_net_import(&net, cases[i].text, NULL, 0, NULL);
        if (net.status == TF2_OK || !strstr(net.error.message, cases[i].words))
            fail_msg("%s: %s", cases[i].text, net.error.message);
        caffe_net_free(&net);
    }
    /* a scalar input has no batch to set, and is none of our business */
    struct caffe_net net;
    caffe_net_import(&net, cases[TF2__COUNT(cases) - 1].text, NULL, 0, NULL);
    caffe_net_free(&net);
}

/* --- wiring, names, outputs --- */

static void blobs_in_place(void **state)
{
    /* 'side' reads x before, 'y' after the layers in place */
    const char *text = INPUT_4D RELU("first", "data", "x") RELU(
        "side", "x", "z") "layer { name: 'tanh' type: 'TanH' bottom: 'x' top: 'x' }" RELU("last", "x", "x");
    struct caffe_net net;
    (void)state;
    caffe_net_random(&net, text);
    const struct tf2_graph *g = net.graph;
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(g->nodes[1].in[0], g->nodes[0].out);
    assert_int_equal(g->nodes[2].in[0], g->nodes[0].out);
    assert_int_equal(g->nodes[3].in[0], g->nodes[2].out);
    assert_int_equal(g->n_outputs, 2);
    assert_string_equal(g->outputs[0].name, "z");
    assert_int_equal(g->outputs[0].tensor, g->nodes[1].out);
    assert_string_equal(g->outputs[1].name, "x");
    assert_int_equal(g->outputs[1].tensor, g->nodes[3].out);
    caffe_net_free(&net);
}

static void names_are_made_unique(void **state)
{
    /* layers called as an input, as each other, as nothing, and as another's constant */
    const char *text = INPUT_4D RELU("data", "data", "a") RELU("r", "a", "b") RELU("r", "b", "c")
        RELU("r", "c", "r") RELU("", "r", "e")
            RELU("fc.weights", "e", "f") "layer { name: 'fc' type: 'InnerProduct' bottom: 'f' top: "
                                         "'fc.weights' inner_product_param { num_output: 2 } }";
    static const char *const names[] = {"data#2", "r", "r#2", "r#3", "ReLU", "fc.weights", "fc"};
    struct caffe_net net;
    char shape[128];
    (void)state;
    caffe_net_random(&net, text);
    assert_int_equal(net.graph->n_nodes, TF2__COUNT(names));
    for (uint32_t i = 0; i < TF2__COUNT(names); i++)
        assert_string_equal(net.graph->nodes[i].name, names[i]);
    assert_string_equal(caffe_net_shape(&net, "fc.weights#2", shape), "2x144");
    assert_string_equal(caffe_net_shape(&net, "fc.bias", shape), "2");
    assert_string_equal(net.graph->outputs[0].name, "fc.weights");
    caffe_net_free(&net);
}

static void chosen_outputs(void **state)
{
    const char *text = INPUT_4D RELU("l1", "data", "b1") RELU("l2", "b1", "b2") RELU(
        "l3", "b2", "b2") "layer { name: 'odd' type: 'Odd' bottom: 'b2' top: 'odd' odd_param { x: 1 } }"
                          "layer { name: 'b1' type: 'Slice' bottom: 'b2' top: 's1' top: 's2' top: 's3' }";
    const char *names[] = {"b2", "b1", "l1"};
    struct tf2_import_options options = {.outputs = names, .n_outputs = 3};
    struct caffe_net net;
    (void)state;
    caffe_net_import(&net, text, NULL, 0, &options);
    assert_int_equal(net.status, TF2_OK);
    assert_int_equal(net.graph->n_nodes, 3); /* neither Odd nor Slice */
    assert_int_equal(net.graph->outputs[0].tensor, net.graph->nodes[2].out);
    assert_int_equal(net.graph->outputs[1].tensor, net.graph->nodes[0].out);
    assert_string_equal(net.graph->outputs[2].name, "l1");
    assert_int_equal(net.graph->outputs[2].tensor, net.graph->nodes[0].out);
    caffe_net_free(&net);
    names[0] = "l2"; /* the layer's own result, before l3 changes the blob */
    options.n_outputs = 1;
    caffe_net_import(&net, text, NULL, 0, &options);
    assert_int_equal(net.graph->n_nodes, 2);
    caffe_net_free(&net);
    names[0] = "s2";
    caffe_net_import(&net, text, NULL, 0, &options);
    assert_int_equal(net.status, TF2_OK);
    caffe_net_free(&net);
    names[0] = "nothing";
    caffe_net_import(&net, text, NULL, 0, &options);
    caffe_net_fails(&net, TF2_ERR_NOT_FOUND, "output 'nothing'", NULL);
    caffe_net_free(&net);
    names[0] = "odd";
    caffe_net_import(&net, text, NULL, 0, &options);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "layer type Odd is not supported (layer 'odd', line 5)", NULL);
    assert_null(strstr(net.error.message, "odd_param"));
    caffe_net_free(&net);
}

static void wrong_wiring_is_reported(void **state)
{
    struct caffe_net net;
    (void)state;
    caffe_net_random(&net, INPUT_4D RELU("a", "data", "x"));
    caffe_net_free(&net);
    caffe_net_import(&net, INPUT_4D RELU("a", "dta", "x"), NULL, 0, NULL);
    caffe_net_fails(
        &net, TF2_ERR_GRAPH, "layer 'a' (ReLU, line 2): bottom 'dta' is not made by an earlier layer", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, INPUT_4D RELU("a", "data", "x") RELU("b", "data", "x"), NULL, 0, NULL);
    caffe_net_fails(
        &net, TF2_ERR_GRAPH, "layer 'b' (ReLU, line 3): top 'x' is made by an earlier layer too", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, INPUT_4D "layer { name: 'a' type: 'ReLU' top: 'x' }", NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "0 bottoms, wanted 1", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, INPUT_4D "layer { name: 'a' type: 'Silence' bottom: 'data' }", NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_GRAPH, "no layer whose result", NULL);
    caffe_net_free(&net);
}

static void all_problems_are_in_one_report(void **state)
{
    const char *text = INPUT_4D
        "strange: 1\n"
        "layer { name: 'a' type: 'MVN' bottom: 'data' top: 'a' mvn_param { eps: 1 } }\n"
        "layer { name: 'b' type: 'LSTM' bottom: 'a' top: 'b' lstm_param { x: 1 } }\n"
        "layer { name: 'c' type: 'Pooling' bottom: 'data' top: 'c' pooling_param { pool: STOCHASTIC } }\n"
        "layer { name: 'd' type: 'ReLU' bottom: 'data' top: 'd' relu_param { slope: 1 } }\n"
        "layer { name: 'e' type: 'Convolution' bottom: 'data' top: 'e' convolution_param { num_output: 1 "
        "kernel_size: 1 } }\n"
        "layer { name: 'f' type: 'LSTM' bottom: 'e' top: 'f' }\n"
        "layer { name: 'g' type: 'Softmax' bottom: 'b' bottom: 'c' top: 'g' }";
    struct caffe_net net;
    (void)state;
    caffe_net_import(&net, text, NULL, 0, NULL);
    caffe_net_fails(
        &net, TF2_ERR_UNSUPPORTED, "test.prototxt: 7 problems", "line 2, column 1: unknown field 'strange'",
        "layer type MVN is not supported (layer 'a', line 3)",
        "layer type LSTM is not supported (2 layers, the first is 'b', line 4)",
        "layer 'c' (Pooling, line 5)", "line 6, column 69: unknown field 'slope' in layer 'd' (ReLU)",
        "has no weights: give the .caffemodel", "layer 'g' (Softmax, line 9): 2 bottoms", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, "input_dim: x\nlayer { name: 'q' type: 'Odd' top: 'y' }", NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_VALUE, "2 problems", "line 1, column 12", "type Odd", NULL);
    caffe_net_free(&net);
}

/* --- old and new definitions, phases --- */

static void v1_definitions(void **state)
{
    const char *text =
        INPUT_4D "layers { layer_is_new: 0 name: 'skipped' type: DATA include { phase: TRAIN } top: 'data' "
                 "top: 'label' }\n"
                 "layers { name: 'conv' type: CONVOLUTION bottom: 'data' top: 'conv' blobs_lr: 1 blobs_lr: 2 "
                 "weight_decay: 0\n"
                 "  convolution_param { num_output: 4 kernel_size: 3 } }\n"
                 "layers { name: 'relu' type: RELU bottom: 'conv' top: 'conv' }\n"
                 "layers { name: 'pool' type: POOLING bottom: 'conv' top: 'pool' pooling_param { pool: MAX "
                 "kernel_size: 2 stride: 2 } }\n"
                 "layers { name: 'lrn' type: LRN bottom: 'pool' top: 'lrn' lrn_param { local_size: 3 } }\n"
                 "layers { name: 'drop' type: DROPOUT bottom: 'lrn' top: 'lrn' }\n"
                 "layers { name: 'fc' type: INNER_PRODUCT bottom: 'lrn' top: 'fc' inner_product_param { "
                 "num_output: 5 } }\n"
                 "layers { name: 'prob' type: SOFTMAX bottom: 'fc' top: 'prob' }\n"
                 "layers { name: 'acc' type: ACCURACY bottom: 'prob' bottom: 'label' top: 'acc' include: { "
                 "phase: TEST } }\n";
    struct caffe_net net;
    char shape[128];
    (void)state;
    caffe_net_random(&net, text);
    assert_int_equal(net.graph->n_nodes, 7);
    assert_string_equal(caffe_net_shape(&net, "conv", shape), "1x4x6x4");
    assert_string_equal(caffe_net_shape(&net, "prob", shape), "1x5");
    assert_int_equal(net.graph->n_outputs, 1);
    caffe_net_free(&net);
    caffe_net_import(
        &net,
        INPUT_4D
        "layers { name: 'x' type: BNLL bottom: 'data' top: 'x' }\n"
        "layers { name: 'y' type: SPECIAL bottom: 'x' top: 'y' } layers { name: 'z' bottom: 'y' top: 'z' }",
        NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "type BNLL", "type SPECIAL", "type none", "3 problems", NULL);
    caffe_net_free(&net);
    caffe_net_import(
        &net, INPUT_4D "layers { layer { name: 'x' type: 'relu' } bottom: 'data' top: 'x' }", NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "V0", NULL);
    caffe_net_free(&net);
    caffe_net_import(
        &net, INPUT_4D "layers { name: 'x' type: RELU bottom: 'data' top: 'x' }" RELU("r", "x", "y"), NULL, 0,
        NULL);
    caffe_net_fails(&net, TF2_ERR_FORMAT, "both old 'layers' (1) and new 'layer' (1)", NULL);
    caffe_net_free(&net);
}

static bool has_layer(const char *rules, const char *net_state)
{
    char text[512];
    struct caffe_net net;
    snprintf(
        text, sizeof(text),
        "%s input: 'x' input_shape { dim: 1 dim: 2 } " RELU(
            "always", "x", "y") "layer { name: 'maybe' type: 'ReLU' bottom: 'x' top: 'z' %s }",
        net_state, rules);
    caffe_net_random(&net, text);
    bool found = tf2__graph_find(net.graph, "maybe") != TF2_NO_TENSOR;
    caffe_net_free(&net);
    return found;
}

static void phase_rules(void **state)
{
    (void)state;
    assert_true(has_layer("", ""));
    assert_true(has_layer("include { phase: TEST }", ""));
    assert_false(has_layer("include { phase: TRAIN }", ""));
    assert_true(has_layer("include { phase: TRAIN } include { phase: TEST }", ""));
    assert_false(has_layer("exclude { phase: TEST }", ""));
    assert_true(has_layer("exclude { phase: TRAIN }", ""));
    assert_false(has_layer("exclude { }", ""));
    assert_false(has_layer("include { min_level: 1 }", ""));
    assert_true(has_layer("include { min_level: 1 }", "state { level: 2 }"));
    assert_false(has_layer("include { max_level: 1 }", "state { level: 2 }"));
    assert_false(has_layer("include { stage: 'deploy' }", ""));
    assert_true(has_layer("include { stage: 'deploy' }", "state { stage: 'x' stage: 'deploy' }"));
    assert_false(
        has_layer("include { stage: 'deploy' not_stage: 'x' }", "state { stage: 'x' stage: 'deploy' }"));
    assert_false(has_layer("include { phase: TRAIN } some_param { x: 1 }", "state { phase: TRAIN }"));
}

static void data_layers_are_refused(void **state)
{
    const char *text = "layer { name: 'd' type: 'Data' top: 'data' top: 'label' data_param { source: 'x' } "
                       "transform_param { scale: 1 } }" RELU("r", "data", "y");
    struct caffe_net net;
    (void)state;
    caffe_net_import(&net, text, NULL, 0, NULL);
    caffe_net_fails(
        &net, TF2_ERR_UNSUPPORTED, "layer type Data reads its own data, use an Input layer", NULL);
    assert_null(strstr(net.error.message, "data_param"));
    caffe_net_free(&net);
}

/* --- reshape and the batch --- */

static void reshapes_follow_the_batch(void **state)
{
    /* the file's batch of 10 in the reshape means the batch */
    const char *text = INPUT_4D "layer { name: 'r' type: 'Reshape' bottom: 'data' top: 'y' "
                                "reshape_param { shape { dim: 10 dim: 144 } } }";
    const struct tf2_shape batch_of_4 = {4, {4, 3, 8, 6}};
    struct tf2_shape shapes[8];
    struct tf2_error error;
    struct caffe_net net;
    char shape[128];
    (void)state;
    caffe_net_random(&net, text);
    assert_string_equal(caffe_net_shape(&net, "r", shape), "1x144");
    assert_int_equal(tf2__graph_infer(net.graph, &batch_of_4, shapes, &error), TF2_OK);
    assert_string_equal(
        tf2_shape_format(&shapes[net.graph->outputs[0].tensor], shape, sizeof(shape)), "4x144");
    caffe_net_free(&net);
}

struct lines {
    size_t n;
    char text[8][256];
};

static void keep_line(void *user, enum tf2_log_level level, const char *message)
{
    struct lines *lines = user;
    (void)level;
    if (lines->n < TF2__COUNT(lines->text))
        snprintf(lines->text[lines->n], sizeof(lines->text[0]), "%s", message);
    lines->n++;
}

static void what_is_left_out_is_logged(void **state)
{
    const struct caffe_blobs layer = {.name = "other\n", .n_blobs = 1, .blob = {{1, {2}, NULL}}};
    struct lines lines = {0};
    struct tf2_env env;
    size_t n;
    (void)state;
    tf2_env_defaults(&env);
    env.logger = (struct tf2_logger){.write = keep_line, .user = &lines, .level = TF2_LOG_INFO};
    const struct tf2_import_options options = {.env = &env};
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    struct caffe_net net;
    caffe_net_import(
        &net,
        INPUT_4D "input: 'label' input_dim: [1, 1, 1, 1]" RELU(
            "r", "data", "y") "layer { name: 'acc' type: 'Accuracy' bottom: 'y' bottom: 'label' top: 'acc' }"
                              "layer { name: 't' type: 'Odd' bottom: 'y' top: 't' include { phase: TRAIN } }",
        weights, n, &options);
    assert_int_equal(net.status, TF2_OK);
    assert_int_equal(lines.n, 4);
    assert_non_null(strstr(lines.text[0], "layer 'acc' (Accuracy) is left out: it only measures"));
    assert_non_null(strstr(lines.text[1], "layer 't' (Odd) is left out: it is not part of the TEST phase"));
    assert_non_null(strstr(lines.text[2], "input 'label' is not needed"));
    assert_non_null(strstr(lines.text[3], "weights of 1 layers are not used (the first: '?')"));
    caffe_net_free(&net);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_told_by_content),
        cmocka_unit_test(files_in_wrong_places_are_told),
        cmocka_unit_test(inputs_get_batch_one),
        cmocka_unit_test(shapes_of_the_caller_win),
        cmocka_unit_test(several_inputs),
        cmocka_unit_test(bad_inputs_are_refused),
        cmocka_unit_test(blobs_in_place),
        cmocka_unit_test(names_are_made_unique),
        cmocka_unit_test(chosen_outputs),
        cmocka_unit_test(wrong_wiring_is_reported),
        cmocka_unit_test(all_problems_are_in_one_report),
        cmocka_unit_test(v1_definitions),
        cmocka_unit_test(phase_rules),
        cmocka_unit_test(data_layers_are_refused),
        cmocka_unit_test(reshapes_follow_the_batch),
        cmocka_unit_test(what_is_left_out_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
