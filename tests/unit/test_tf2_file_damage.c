/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf2_file_damage.c: .tf2 files that are not as they should be.
 *
 * Most of them come from tf2_builder.c, which puts a small file together field by field; a case says which
 * field gets another value. Checksums are right, so that what is tested is the check behind them. The file
 * without a change has to load.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "net.h"
#include "tf2_builder.h"
#include "transform/model/model.h"

/* ---- loading ---- */

static enum tf2_status load(const struct tf2_file_bytes *bytes, struct tf2_error *error)
{
    struct tf2_model *model = NULL;
    memset(error, 0, sizeof(*error));
    enum tf2_status status = tf2_model_load_memory("file", bytes->data, bytes->n, NULL, &model, error);
    assert_int_equal(status == TF2_OK, model != NULL);
    if (status != TF2_OK) {
        assert_int_equal(error->status, status);
        assert_int_equal(strncmp(error->message, "file", 4), 0);
        assert_null(strchr(error->message, '\n'));
    }
    tf2_model_destroy(&model);
    return status;
}

/* Frees the bytes. `what` names the case. Prints what is wrong and returns false. */
static bool loads_as(struct tf2_file_bytes bytes, const char *what, enum tf2_status wanted, const char *piece)
{
    struct tf2_error error;
    enum tf2_status status = load(&bytes, &error);
    bool good = status == wanted && (!piece || strstr(error.message, piece));
    if (!good)
        print_error(
            "%s: %s \"%s\", wanted %s \"%s\"\n", what, tf2_status_name(status), error.message,
            tf2_status_name(wanted), piece ? piece : "");
    free(bytes.data);
    return good;
}

static void check(struct tf2_file_bytes bytes, const char *what, enum tf2_status wanted, const char *piece)
{
    assert_true(loads_as(bytes, what, wanted, piece));
}

/* What the writer above writes means what the specification says. */
static void test_good(void **state)
{
    (void)state;
    struct tf2_file_bytes bytes = build(NULL);
    struct tf2_model *model = tf2_file_load(&bytes);
    const struct tf2_graph *g = model->graph;
    assert_string_equal(model->name, "net");
    assert_int_equal(g->n_tensors, 7);
    assert_int_equal(g->n_nodes, 4);
    assert_string_equal(g->nodes[1].name, "conv's own name");
    assert_string_equal(g->tensors[g->nodes[1].out].name, "conv");
    const struct tf2_conv_attr *conv = g->nodes[1].attr;
    assert_int_equal(conv->window.stride[0], 1);
    assert_int_equal(conv->window.stride[1], 0);
    assert_int_equal(g->nodes[1].activation.kind, TF2_ACTIVATION_CLIP);
    assert_float_equal(g->nodes[1].activation.beta, 2, 0);
    assert_int_equal(g->tensors[3].quant.channel_zero_point[1], 4);
    assert_int_equal(g->tensors[4].quant.zero_point, 100);
    assert_float_equal(g->tensors[1].quant.channel_scale[1], 0.25f, 0);
    assert_int_equal(((const int8_t *)g->tensors[1].data)[3], -4);
    assert_int_equal(((const int32_t *)g->tensors[2].data)[1], -10);
    const struct tf2_softmax_attr *softmax = g->nodes[3].attr;
    assert_int_equal(softmax->axis, 1);
    assert_true(softmax->log && !softmax->flatten);
    assert_string_equal(g->outputs[1].name, "second");
    assert_int_equal(g->outputs[1].tensor, 5);
    assert_int_equal(model->preprocess.channels, TF2_CHANNELS_BGR);
    assert_float_equal(model->preprocess.mean[3], 3, 0);
    assert_string_equal(tf2_model_label(model, 1), "two");

    float x[8], first[8], second[8];
    float *const values[] = {x, first, second};
    static const float wanted[] = {3, 4, 2.5f, 3.5f, 1.5f, 2.5f, 1, 2}; /* 7 9 6 8 | 5 7 4 6 */
    assert_int_equal(tf2__model_example(model, values, NULL), TF2_OK);
    assert_memory_equal(x, wanted, sizeof(x));
    assert_float_equal(first[7], -7, 0);
    assert_float_equal(second[7], -15, 0);
    tf2_model_destroy(&model);
    free(bytes.data);
}

/* ---- one field at a time ---- */

#define NAN_BITS 0x7fc00000u
#define INF_BITS 0x7f800000u

struct case_of {
    const char *field;
    uint64_t value;
    const char *text;
    enum tf2_status status;
    const char *piece;
};

static const struct case_of cases[] = {
    {"major", 2, NULL, TF2_ERR_UNSUPPORTED, "format version 2.0, this library reads version 1"},
    {"major", 0, NULL, TF2_ERR_FORMAT, "format version 0.0"},
    {"minor", 9, NULL, TF2_OK, NULL},
    {"n_sections", 0, NULL, TF2_ERR_FORMAT, "byte 12: 0 sections, wanted 1 to 64"},
    {"n_sections", 65, NULL, TF2_ERR_FORMAT, "byte 12: 65 sections"},
    {"n_sections", 5, NULL, TF2_ERR_FORMAT, NULL},
    {"row.id", 0, NULL, TF2_ERR_UNSUPPORTED, "byte 24: section 0"},
    {"row.id", 77, NULL, TF2_ERR_UNSUPPORTED, "version is 1.0"},
    {"row.id#2", 77, NULL, TF2_OK, NULL}, /* labels may be skipped */
    {"row.id#1", 4, NULL, TF2_ERR_FORMAT, "a second LABELS section"},
    {"row.flags", 2, NULL, TF2_ERR_UNSUPPORTED, "byte 28: GRAPH 1 has flags 0x2"},
    {"row.flags#3", 0x80000001, NULL, TF2_ERR_UNSUPPORTED, "flags 0x80000001"},
    {"row.offset", 0, NULL, TF2_ERR_FORMAT, "byte 32: GRAPH 1 at 0, wanted 256"},
    {"row.offset#1", 256, NULL, TF2_ERR_FORMAT, "PREPROCESS 3 at 256"},
    {"row.offset#5", UINT64_MAX, NULL, TF2_ERR_FORMAT, "at 18446744073709551615"},
    {"row.size", UINT64_MAX, NULL, TF2_ERR_FORMAT, "byte 40: GRAPH 1 of 18446744073709551615 bytes"},
    {"row.size#5", 0, NULL, TF2_ERR_FORMAT, "the last section ends at byte"},
    {"row.size#5", 257, NULL, TF2_ERR_FORMAT, "the last section ends at byte"},
    {"row.size#5", 259, NULL, TF2_ERR_FORMAT, "of 259 bytes, 258 are left"},

    {"network", 0, "", TF2_ERR_FORMAT, "GRAPH section, byte 256: the network's name is empty"},
    {"network", 0, "a\tb", TF2_ERR_FORMAT, "control character"},
    {"network", 0, "\xff", TF2_ERR_FORMAT, "not valid UTF-8"},
    {"n_inputs", 0, NULL, TF2_ERR_UNSUPPORTED, NULL}, /* what follows is taken for something else */
    {"n_inputs", 2, NULL, TF2_ERR_UNSUPPORTED, NULL},
    {"n_inputs", UINT32_MAX, NULL, TF2_ERR_FORMAT,
     "byte 260: number of inputs: 4294967295, and the section has"},
    {"n_constants", UINT32_MAX, NULL, TF2_ERR_FORMAT, "number of constants: 4294967295"},
    {"n_constants", 1, NULL, TF2_ERR_UNSUPPORTED, NULL}, /* the second is taken for a node */
    {"n_nodes", UINT32_MAX, NULL, TF2_ERR_FORMAT, "number of nodes: 4294967295"},
    {"n_nodes", 3, NULL, TF2_ERR_FORMAT, NULL},
    {"n_outputs", UINT32_MAX, NULL, TF2_ERR_FORMAT, "number of outputs: 4294967295"},
    {"n_outputs", 0, NULL, TF2_ERR_FORMAT, "should end here"},
    {"n_outputs", 1, NULL, TF2_ERR_FORMAT, "should end here, 11 bytes are left"},
    {"n_outputs", 3, NULL, TF2_ERR_FORMAT, "an output's name: a text without an end"},
    {"graph.more", 7, NULL, TF2_ERR_FORMAT, "should end here, 1 bytes are left"},

    {"input.name", 0, "w", TF2_ERR_GRAPH, "two tensors have this name"},
    {"input.name", 0, "", TF2_ERR_FORMAT, "an input's name is empty"},
    {"input.dtype", 2, NULL, TF2_ERR_UNSUPPORTED, "input of type uint8"},
    {"input.dtype", 0, NULL, TF2_ERR_UNSUPPORTED, "data type 0, this version knows 1 to 4"},
    {"input.dtype", 5, NULL, TF2_ERR_UNSUPPORTED, "data type 5"},
    {"n_dims", 9, NULL, TF2_ERR_FORMAT, "9 dimensions, at most 8"},
    {"n_dims", 255, NULL, TF2_ERR_FORMAT, "255 dimensions"},
    {"dim", 0, NULL, TF2_ERR_FORMAT, "shape 0x2x2x2"},
    {"dim", UINT32_MAX, NULL, TF2_ERR_FORMAT, "shape 4294967295x2x2x2"},
    {"dim#1", 3, NULL, TF2_ERR_FORMAT, NULL}, /* zero points end behind WEIGHTS */
    {"dim#3", 3, NULL, TF2_ERR_FORMAT, NULL}, /* another size of the example */
    {"n_dims", 1, NULL, TF2_ERR_FORMAT, NULL},

    {"constant.name#1", 0, "w", TF2_ERR_GRAPH, "two tensors have this name"},
    {"constant.dtype", 1, NULL, TF2_ERR_FORMAT,
     "a quantization of the kind 3 does not go with this tensor of float32"},
    {"constant.dtype", 2, NULL, TF2_ERR_FORMAT, "does not go with this tensor of uint8"},
    {"constant.dtype#1", 3, NULL, TF2_ERR_FORMAT,
     "a quantization of the kind 0 does not go with this tensor of int8"},
    {"constant.dtype#1", 1, NULL, TF2_ERR_VALUE, "weight 1 is NaN"},
    {"constant.quant", 8, NULL, TF2_ERR_UNSUPPORTED, "quantization of the kind 8"},
    {"constant.quant", 2, NULL, TF2_ERR_FORMAT, "quantization of the kind 2"},
    {"constant.quant", 5, NULL, TF2_ERR_FORMAT, "quantization of the kind 5"},
    {"constant.quant#1", 1, NULL, TF2_ERR_FORMAT, "quantization of the kind 1"},
    {"constant.offset", 1, NULL, TF2_ERR_FORMAT,
     "a constant at 1 in WEIGHTS, wanted a multiple of 64 from 0 on"},
    {"constant.offset", 256, NULL, TF2_ERR_FORMAT, "4 bytes at 256 in WEIGHTS, which has 258"},
    {"constant.offset", 64, NULL, TF2_OK, NULL}, /* elsewhere, and still in order */
    {"constant.offset", UINT64_MAX - 63, NULL, TF2_ERR_FORMAT, "at 18446744073709551552 in WEIGHTS"},
    {"constant.offset", (uint64_t)1 << 40, NULL, TF2_ERR_FORMAT, "at 1099511627776 in WEIGHTS"},
    {"constant.scales", 0, NULL, TF2_ERR_FORMAT, "scales at 0 in WEIGHTS, wanted a multiple of 64 from 4 on"},
    {"constant.offset#1", 128, NULL, TF2_ERR_FORMAT,
     "a constant at 128 in WEIGHTS, wanted a multiple of 64 from 136 on"},
    {"weights.scale", NAN_BITS, NULL, TF2_ERR_VALUE, "w: scale 0 is nan"},
    {"weights.scale#1", 0, NULL, TF2_ERR_VALUE, "w: scale 1 is 0"},
    {"weights.scale#1", 0x80000000, NULL, TF2_ERR_VALUE, "w: scale 1 is -0"},

    {"node.op", 0, NULL, TF2_ERR_UNSUPPORTED,
     "(format version 1.0, this library's is 1.0): GRAPH section, byte"},
    {"node.op", 29, NULL, TF2_ERR_UNSUPPORTED, "operator 29, which this version does not know"},
    {"node.op#3", 65535, NULL, TF2_ERR_UNSUPPORTED, "operator 65535"},
    {"node.name", 0, "x", TF2_ERR_GRAPH, "two tensors have this name"},
    {"node.name#1", 0, "", TF2_ERR_FORMAT, "a node's name is empty"},
    {"node.own_name", 0, "\x01", TF2_ERR_FORMAT, "a node's own name has a control character"},
    {"node.own_name", 0, "\xc3", TF2_ERR_FORMAT, "a node's own name is not valid UTF-8"},
    {"node.n_in", 0, NULL, TF2_ERR_UNSUPPORTED, NULL},
    {"node.n_in", 65, NULL, TF2_ERR_FORMAT, "65 inputs, at most 64"},
    {"node.in", 3, NULL, TF2_ERR_FORMAT, "quantize reads tensor 3, 3 exist before it"},
    {"node.in", UINT32_MAX, NULL, TF2_ERR_FORMAT, "no channels"},
    {"node.in", 2, NULL, TF2_ERR_FORMAT, "no channels"},
    {"node.in#1", 0, NULL, TF2_ERR_UNSUPPORTED, "conv (conv)"},
    {"node.in#1", UINT32_MAX, NULL, TF2_ERR_GRAPH, "input 0 is left out"},
    {"node.in#2", 3, NULL, TF2_ERR_UNSUPPORTED, "only constants"},
    {"node.in#3", 1, NULL, TF2_ERR_SHAPE, "conv (conv)"},
    {"node.in#4", 3, NULL, TF2_ERR_UNSUPPORTED, "real (dequantize)"},
    {"node.in#5", 4, NULL, TF2_ERR_UNSUPPORTED, "y (softmax)"},
    {"quantize.attr_bytes", 1, NULL, TF2_ERR_UNSUPPORTED, "1 bytes of attributes, this version knows 0"},
    {"conv.attr_bytes", 69, NULL, TF2_ERR_UNSUPPORTED, "69 bytes of attributes, this version knows 68"},
    {"conv.attr_bytes", 65535, NULL, TF2_ERR_FORMAT, "attributes: 65535 bytes wanted"},
    {"conv.kernel", 3, NULL, TF2_ERR_SHAPE, "conv (conv)"},
    {"conv.stride", 255, NULL, TF2_ERR_FORMAT, NULL}, /* other shapes, another example */
    {"softmax.axis", 4, NULL, TF2_ERR_VALUE, "axis 4 of 4"},
    {"softmax.flatten", 2, NULL, TF2_ERR_FORMAT, "a flag is 2, wanted 0 or 1"},
    {"softmax.log", 255, NULL, TF2_ERR_FORMAT, "a flag is 255"},
    {"quantize.activation", 1, NULL, TF2_OK, NULL},
    {"quantize.activation", 3, NULL, TF2_ERR_UNSUPPORTED, "activation 3 on integers"},
    {"conv.activation", 16, NULL, TF2_ERR_UNSUPPORTED, "activation 16, this version knows 0 to 15"},
    {"conv.activation", 4, NULL, TF2_ERR_UNSUPPORTED, "activation 4 on integers"},
    {"conv.alpha", NAN_BITS, NULL, TF2_ERR_VALUE, "clip from nan"},
    {"conv.beta", NAN_BITS, NULL, TF2_ERR_VALUE, "clip from -1 to nan"},
    {"conv.beta", 0xc0400000, NULL, TF2_ERR_VALUE, "clip from -1 to -3"},
    {"quantize.dtype", 1, NULL, TF2_ERR_FORMAT,
     "a quantization of the kind 5 does not go with this tensor of float32"},
    {"conv.dtype", 3, NULL, TF2_ERR_FORMAT, "conv gives int8, wanted float32 or uint8"},
    {"conv.dtype", 77, NULL, TF2_ERR_UNSUPPORTED, "data type 77"},
    {"real.dtype", 2, NULL, TF2_ERR_FORMAT,
     "a quantization of the kind 0 does not go with this tensor of uint8"},
    {"conv.quant", 5, NULL, TF2_ERR_FORMAT, "a quantization of the kind 5"},
    {"conv.quant", 3, NULL, TF2_ERR_FORMAT, "a quantization of the kind 3"},
    {"conv.quant", 0, NULL, TF2_ERR_FORMAT, "a quantization of the kind 0"},
    {"conv.quant", 255, NULL, TF2_ERR_UNSUPPORTED, "quantization of the kind 255"},
    {"real.quant", 1, NULL, TF2_ERR_FORMAT, "a quantization of the kind 1"},
    {"quantize.scale", 0, NULL, TF2_ERR_VALUE, "scale 0"},
    {"quantize.scale", INF_BITS, NULL, TF2_ERR_VALUE, "scale inf"},
    {"conv.scale", NAN_BITS, NULL, TF2_ERR_VALUE, "scale nan"},
    {"conv.scale", 1, NULL, TF2_ERR_VALUE, "wanted 1e-30 to 1e30"},
    {"quantize.zero_points", 192, NULL, TF2_ERR_FORMAT,
     "zero points at 192 in WEIGHTS, wanted a multiple of 64 from 200 on"},
    {"quantize.zero_points", 320, NULL, TF2_ERR_FORMAT, "2 bytes at 320 in WEIGHTS, which has 258"},

    {"output.name", 0, "second", TF2_ERR_GRAPH, "two graph outputs have this name"},
    {"output.name", 0, "", TF2_ERR_FORMAT, "an output's name is empty"},
    {"output.tensor", 7, NULL, TF2_ERR_FORMAT, "output first is tensor 7, 7 exist"},
    {"output.tensor", UINT32_MAX, NULL, TF2_ERR_FORMAT, "4294967295, 7 exist"},
    {"output.tensor", 4, NULL, TF2_ERR_FORMAT, "an example, but output 'first' is uint8"},

    {"channels", 2, NULL, TF2_ERR_UNSUPPORTED, "order of channels 2, this version knows 0 to 1"},
    {"mean#3", NAN_BITS, NULL, TF2_ERR_FORMAT, "PREPROCESS section, byte"},
    {"scale", INF_BITS, NULL, TF2_ERR_FORMAT, "scale is inf"},
    {"n_labels", 1, NULL, TF2_ERR_FORMAT, "LABELS section, byte"},
    {"n_labels", 3, NULL, TF2_ERR_FORMAT, "a label: a text without an end"},
    {"n_labels", UINT32_MAX, NULL, TF2_ERR_FORMAT,
     "number of labels: 4294967295, and the section has room for 8"},
    {"label#1", 0, "\xc0\x80", TF2_ERR_FORMAT, "a label is not valid UTF-8"},
    {"n_facts", UINT32_MAX, NULL, TF2_ERR_FORMAT, "number of facts: 4294967295"},
    {"n_facts", 0, NULL, TF2_ERR_FORMAT, "should end here"},
    {"fact.key", 0, "", TF2_ERR_FORMAT, "a fact's key is empty"},
    {"fact.value", 0, "\xed\xa0\x80", TF2_ERR_FORMAT, "a fact's value is not valid UTF-8"},

    {"form", 3, NULL, TF2_ERR_FORMAT, "form 3 of an example input, wanted 0 to 2"},
    {"form", 0, NULL, TF2_ERR_FORMAT, NULL},
    {"form", 1, NULL, TF2_ERR_FORMAT, "should end here"},
    {"example.scale", NAN_BITS, NULL, TF2_ERR_FORMAT, "do not give finite numbers"},
    {"example.scale", 0x7f7fffff, NULL, TF2_ERR_FORMAT, "do not give finite numbers"},
    {"example.mean#1", INF_BITS, NULL, TF2_ERR_FORMAT, "do not give finite numbers"},
    {"n_means", 1, NULL, TF2_ERR_FORMAT, "1 means, wanted none or one for each channel"},
    {"n_means", 0, NULL, TF2_ERR_FORMAT, NULL},
    {"distance", 0, NULL, TF2_ERR_FORMAT, "distance 0"},
    {"distance", UINT32_MAX, NULL, TF2_OK, NULL},
    {"n_runs", 4, NULL, TF2_ERR_FORMAT, "a run: 1 bytes wanted, 0 are there"},
    {"n_runs", 6, NULL, TF2_ERR_FORMAT, "should end here, 1 bytes are left"},
    {"n_runs", UINT32_MAX, NULL, TF2_ERR_FORMAT, "runs: 4294967295 bytes wanted"},
    {"literal", 127, NULL, TF2_ERR_FORMAT, "a run: 128 bytes wanted, 4 are there"},
    {"repeat", 125 + 7, NULL, TF2_ERR_FORMAT, "a run of 7 bytes, wanted at most 6"},
    {"repeat", 125 + 5, NULL, TF2_ERR_FORMAT, "a run: 1 bytes wanted, 0 are there"},
    {"expected#15", NAN_BITS, NULL, TF2_ERR_FORMAT, "value 7 is not a finite number"},
};

static void test_fields(void **state)
{
    (void)state;
    bool good = true;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        const struct change change = {cases[i].field, cases[i].value, cases[i].text};
        good &= loads_as(build(&change), cases[i].field, cases[i].status, cases[i].piece);
    }
    assert_true(good);
}

/* ---- header and sections ---- */

static void test_magic(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct tf2_file_bytes bytes = build(NULL);
        bytes.data[i] ^= 0x80;
        tf2_file_repair(&bytes);
        check(bytes, "magic", TF2_ERR_FORMAT, i < 4 ? "not a .tf2 file" : "took the file for text");
    }
    struct tf2_file_bytes bytes = build(NULL);
    bytes.data[16]++;
    tf2_file_repair(&bytes);
    check(bytes, "size", TF2_ERR_FORMAT, "header, byte 16: a file of ");
    bytes = build(NULL);
    bytes.data[24 + 6 * 32]++;
    check(
        bytes, "checksum", TF2_ERR_FORMAT,
        "header and section table do not match their checksum at byte 216");
    bytes = build(NULL);
    bytes.data[300]++;
    check(bytes, "checksum", TF2_ERR_FORMAT, "GRAPH 1, bytes 256 to ");
    bytes = build(NULL);
    bytes.data[255]++;
    check(bytes, "padding", TF2_ERR_FORMAT, "byte 255 between sections is 1, wanted 0");
}

static void put_nothing(struct builder *b)
{
    (void)b;
}

static void put_junk(struct builder *b)
{
    builder_put(b, "junk", 4);
}

static void put_numbers(struct builder *b, uint32_t n_inputs, uint32_t n_outputs)
{
    const uint32_t numbers[] = {n_inputs, 1 - n_inputs, 0, n_outputs};
    builder_put(b, "net", 4);
    builder_put(b, numbers, sizeof(numbers));
}

/* One input, and nothing else. */
static void put_no_output(struct builder *b)
{
    put_numbers(b, 1, 0);
    builder_put(b, "x\0\1\0", 4);
}

/* One constant, which is the output. */
static void put_no_input(struct builder *b)
{
    put_numbers(b, 0, 1);
    builder_put(b, "c\0\2\0\0\0\0\0\0\0\0\0\0", 13);
    builder_put(b, "y\0\0\0\0", 6);
}

/* Sections in any order, unknown ones, missing ones. */
static void test_sections(void **state)
{
    (void)state;
    struct part list[65];
    for (size_t i = 0; i < N_PARTS; i++)
        list[i] = builder_parts[N_PARTS - 1 - i];
    check(build_parts(list, 6, NULL), "other order", TF2_OK, NULL);
    list[6] = (struct part){900, 1, put_junk};
    check(build_parts(list, 7, NULL), "unknown", TF2_OK, NULL);
    list[7] = (struct part){900, 1, put_junk};
    check(build_parts(list, 8, NULL), "unknown twice", TF2_OK, NULL);
    list[7] = (struct part){901, 0, put_junk};
    check(build_parts(list, 8, NULL), "needed", TF2_ERR_UNSUPPORTED, "section 901 has to be understood");
    list[7] = builder_parts[4];
    check(build_parts(list, 8, NULL), "twice", TF2_ERR_FORMAT, "a second EXAMPLE");
    check(build_parts(builder_parts, 5, NULL), "no weights", TF2_ERR_FORMAT, "no WEIGHTS section");
    check(build_parts(builder_parts + 1, 5, NULL), "no graph", TF2_ERR_FORMAT, "no GRAPH section");
    for (size_t i = 0; i < 64; i++)
        list[i] = (struct part){1000 + (uint32_t)i, 1, put_nothing};
    list[10] = builder_parts[0];
    list[20] = builder_parts[5];
    check(build_parts(list, 64, NULL), "64 sections", TF2_OK, NULL);
    for (size_t i = 1; i < 5; i++) {
        const struct part empty[] = {
            builder_parts[0], {builder_parts[i].id, 1, put_nothing}, builder_parts[5]};
        check(build_parts(empty, 3, NULL), "empty section", TF2_ERR_FORMAT, "wanted, 0 are there");
    }
    const struct part no_output[] = {{1, 0, put_no_output}, builder_parts[5]};
    check(build_parts(no_output, 2, NULL), "no output", TF2_ERR_GRAPH, "the network has no output");
    const struct part no_input[] = {{1, 0, put_no_input}, builder_parts[5]};
    check(build_parts(no_input, 2, NULL), "no input", TF2_ERR_GRAPH, "the network has no input");
    const struct part no_graph[] = {{1, 0, put_nothing}, builder_parts[5]};
    check(build_parts(no_graph, 2, NULL), "empty graph", TF2_ERR_FORMAT, "a text without an end");
    const struct part no_weights[] = {builder_parts[0], {2, 0, put_nothing}};
    check(
        build_parts(no_weights, 2, NULL), "empty weights", TF2_ERR_FORMAT,
        "4 bytes at 0 in WEIGHTS, which has 0");
}

/* ---- all over the file ---- */

static void test_truncated(void **state)
{
    (void)state;
    struct tf2_file_bytes bytes = build(NULL);
    struct tf2_error error;
    for (size_t n = 0; n < bytes.n; n++) {
        /* A block of the right size, for the address sanitizer. The size in the header: as it was, and
         * right. */
        struct tf2_file_bytes cut = {malloc(n ? n : 1), n};
        memcpy(cut.data, bytes.data, n);
        assert_int_equal(load(&cut, &error), TF2_ERR_FORMAT);
        for (size_t i = 0; i < 8 && n >= 24; i++)
            cut.data[16 + i] = (unsigned char)(n >> 8 * i);
        tf2_file_repair(&cut);
        assert_int_equal(load(&cut, &error), TF2_ERR_FORMAT);
        free(cut.data);
    }
    bytes.data = realloc(bytes.data, bytes.n + 1);
    bytes.data[bytes.n++] = 0;
    check(bytes, "a byte more", TF2_ERR_FORMAT, "header, byte 16");
}

/* No bit can change without being noticed. */
static void test_bit_flips(void **state)
{
    (void)state;
    struct tf2_file_bytes bytes = build(NULL);
    struct tf2_error error;
    for (size_t i = 0; i < 8 * bytes.n; i++) {
        bytes.data[i / 8] ^= (unsigned char)(1u << i % 8);
        enum tf2_status status = load(&bytes, &error);
        if (status != TF2_ERR_FORMAT && status != TF2_ERR_UNSUPPORTED)
            fail_msg("bit %zu of byte %zu: %s", i % 8, i / 8, tf2_status_name(status));
        bytes.data[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    assert_int_equal(load(&bytes, &error), TF2_OK);
    free(bytes.data);
}

/* Behind right checksums anything can stand. What loads can be saved, and is then the same. */
static void
flip_and_load(const struct tf2_file_bytes *bytes, size_t byte, unsigned char mask, unsigned *n_good)
{
    struct tf2_file_bytes flipped = tf2_file_copy(bytes);
    struct tf2_error error;
    struct tf2_model *model = NULL;
    flipped.data[byte] ^= mask;
    tf2_file_repair(&flipped);
    enum tf2_status status = tf2_model_load_memory("file", flipped.data, flipped.n, NULL, &model, &error);
    assert_int_equal(status == TF2_OK, model != NULL);
    if (model) {
        ++*n_good;
        if (*n_good % 500 == 0) {
            struct tf2_file_bytes saved = tf2_file_save(model, NULL);
            struct tf2_model *again = tf2_file_load(&saved);
            tf2_file_check_same(model, again);
            tf2_model_destroy(&again);
            free(saved.data);
        }
    }
    tf2_model_destroy(&model);
    free(flipped.data);
}

static void check_flips(struct tf2_file_bytes bytes)
{
    unsigned n_good = 0;
    for (size_t i = 0; i < 8 * bytes.n; i++)
        flip_and_load(&bytes, i / 8, (unsigned char)(1u << i % 8), &n_good);
    for (size_t i = 0; i < bytes.n; i++)
        flip_and_load(&bytes, i, 0xff, &n_good);
    print_message("%zu bytes, %u of %zu flips load\n", bytes.n, n_good, 9 * bytes.n);
    assert_true(n_good > 0 && n_good < 9 * bytes.n);
    free(bytes.data);
}

static void test_checked_bit_flips(void **state)
{
    (void)state;
    check_flips(build(NULL));
    struct tf2_model *model = tf2_file_float_model(false);
    check_flips(tf2_file_save(model, NULL));
    tf2_model_destroy(&model);
}

/* Many nodes: no quadratic time, no deep recursion. */

static void test_long(void **state)
{
    (void)state;
    struct net net;
    struct tf2_model *model;
    const struct tf2_import_options options = {.no_optimize = true};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2));
    for (int i = 0; i < 20000; i++)
        x = net_eltwise(&net, TF2_ELTWISE_SUM, x, net_constant(&net, SHAPE(1)));
    net_output(&net, x);
    assert_int_equal(tf2_model_from_graph(&net.graph, "long", &options, &model, NULL), TF2_OK);
    struct tf2_file_bytes bytes = tf2_file_save(model, NULL);
    struct tf2_model *loaded = tf2_file_load(&bytes);
    tf2_file_check_same(model, loaded);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
    free(bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_magic),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_checked_bit_flips),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
