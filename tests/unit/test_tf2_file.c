/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf2_file.c: saving and loading .tf2 files: what comes back, where it lies, and what else a file
 * carries. What can go wrong is in test_tf2_file_use.c, files that are not as they should be in
 * test_tf2_file_damage.c.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tf2/session.h>

#include "net.h"
#include "tf2_file.h"
#include "transform/model/tf2_format.h"

/* ---- attributes ---- */

/* Bytes of each struct that hold nothing. A field that is added to a struct has to be added to tf2_attr.c
 * too. */
static size_t hole_bytes(enum tf2_op op)
{
    switch (op) {
    case TF2_OP_IDENTITY:
    case TF2_OP_DROPOUT:
    case TF2_OP_PRELU:
    case TF2_OP_QUANTIZE:
    case TF2_OP_DEQUANTIZE:
    case TF2_OP_LOOKUP:
        return sizeof(struct tf2_no_attr);
    case TF2_OP_POOL:
    case TF2_OP_SOFTMAX:
    case TF2_OP_DETECTION_OUTPUT:
        return 2;
    case TF2_OP_ELTWISE:
    case TF2_OP_PRIOR_BOX:
        return 3;
    case TF2_OP_SLICE:
    case TF2_OP_RESHAPE:
    case TF2_OP_PAD:
        return 4;
    case TF2_OP_RESIZE:
        return 8;
    default:
        return 0;
    }
}

/* Every byte of every attribute struct comes back. */
static void test_attributes(void **state)
{
    (void)state;
#define ATTR(name, number, text, type) {TF2_OP_##name, sizeof(type)},
    static const struct {
        enum tf2_op op;
        size_t n_bytes;
    } ops[] = {TF2_OP_MAP(ATTR)};
#undef ATTR
    for (size_t i = 0; i < TF2__COUNT(ops); i++) {
        _Alignas(8) unsigned char attr[TF2__ATTR_MAX_BYTES], back[TF2__ATTR_MAX_BYTES] = {0};
        unsigned char bytes[TF2__ATTR_MAX_BYTES + 1] = {0};
        size_t n_zero = 0;
        assert_in_range(ops[i].n_bytes, 1, sizeof(attr));
        memset(attr, 1, sizeof(attr));
        size_t n = tf2__attr_encode(ops[i].op, attr, bytes);
        assert_int_equal(tf2__attr_decode(ops[i].op, bytes, n, back, NULL), TF2_OK);
        for (size_t b = 0; b < ops[i].n_bytes; b++)
            n_zero += back[b] == 0;
        if (n_zero != hole_bytes(ops[i].op) || back[ops[i].n_bytes] != 0)
            fail_msg("%s: %zu bytes are lost", tf2_op_name(ops[i].op), n_zero);
        assert_int_equal(tf2__attr_decode(ops[i].op, bytes, n + 1, back, NULL), TF2_ERR_UNSUPPORTED);
    }
}

static void test_attribute_bytes(void **state)
{
    (void)state;
    unsigned char bytes[TF2__ATTR_MAX_BYTES];
    struct tf2_conv_attr conv = {.window = {.stride = {2, 1}}}, conv_back = {.group = 7};
    struct tf2_softmax_attr softmax;
    assert_int_equal(tf2__attr_encode(TF2_OP_CONV, &conv, bytes), 17); /* behind kernel[3]: 2, 0, 0, 0, 1 */
    assert_int_equal(bytes[12], 2);
    assert_int_equal(bytes[16], 1);
    assert_int_equal(tf2__attr_decode(TF2_OP_CONV, bytes, 17, &conv_back, NULL), TF2_OK);
    assert_memory_equal(&conv, &conv_back, sizeof(conv));
    assert_int_equal(tf2__attr_decode(TF2_OP_CONV, NULL, 0, &conv_back, NULL), TF2_OK);
    assert_int_equal(conv_back.window.stride[0], 0);
    memcpy(bytes, "\xff\xff\xff\xff\x00\x02", 6);
    assert_int_equal(tf2__attr_decode(TF2_OP_SOFTMAX, bytes, 6, &softmax, NULL), TF2_ERR_FORMAT);
    bytes[5] = 1;
    assert_int_equal(tf2__attr_decode(TF2_OP_SOFTMAX, bytes, 6, &softmax, NULL), TF2_OK);
    assert_int_equal(softmax.axis, -1);
    assert_false(softmax.flatten);
    assert_true(softmax.log);
}

static void test_texts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "a",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\n\x7f"};
    static const char *const bad[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2"
        "a",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "a\xfe"};
    char name[TF2__TF2_MAX_NAME_BYTES + 2];
    for (size_t i = 0; i < TF2__COUNT(good); i++)
        assert_null(tf2__text_problem(good[i]));
    for (size_t i = 0; i < TF2__COUNT(bad); i++)
        assert_non_null(tf2__text_problem(bad[i]));
    memset(name, 'n', sizeof(name));
    name[TF2__TF2_MAX_NAME_BYTES + 1] = 0;
    assert_non_null(tf2__name_problem(name));
    assert_null(tf2__name_problem(name + 1));
    assert_non_null(tf2__name_problem(""));
    assert_non_null(tf2__name_problem("a\nb"));
    assert_non_null(tf2__name_problem("a\x7f"));
    assert_non_null(tf2__name_problem("\xff"));
}

/* ---- round trips ---- */

static void check_same_results(const struct tf2_model *a, const struct tf2_model *b)
{
    struct tf2_file_example ra = tf2_file_example(a), rb = tf2_file_example(b);
    assert_int_equal(ra.n_values, rb.n_values);
    for (uint32_t i = 0; i < ra.n_values; i++) {
        uint32_t n_inputs = a->graph->n_inputs;
        tf2_tensor_id id = i < n_inputs ? a->graph->inputs[i] : a->graph->outputs[i - n_inputs].tensor;
        size_t n = (size_t)tf2_shape_count(&a->graph->tensors[id].shape);
        assert_memory_equal(ra.values[i], rb.values[i], n * sizeof(float));
    }
    tf2_file_example_free(&ra);
    tf2_file_example_free(&rb);
}

static void check_round_trip(struct tf2_model *model)
{
    struct tf2_file_bytes first = tf2_file_save_full(model), again = tf2_file_save_full(model);
    struct tf2_model *loaded = tf2_file_load(&first);
    tf2_file_check_same(model, loaded);
    check_same_results(model, loaded);
    struct tf2_file_bytes second = tf2_file_save(loaded, NULL);
    assert_int_equal(first.n, again.n);
    assert_memory_equal(first.data, again.data, first.n);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.data, second.data, first.n);
    print_message("%s: %zu bytes\n", model->name, first.n);
    free(first.data);
    free(again.data);
    free(second.data);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
}

static void test_float(void **state)
{
    (void)state;
    struct tf2_model *model = tf2_file_float_model(false);
    bool seen[32] = {0};
    for (uint32_t i = 0; i < model->graph->n_nodes; i++)
        seen[model->graph->nodes[i].op->id] = true;
    for (int op = TF2_OP_IDENTITY; op <= TF2_OP_RESIZE; op++)
        assert_true(seen[op]);
    check_round_trip(model);
}

static void test_float_optimized(void **state)
{
    (void)state;
    struct tf2_model *model = tf2_file_float_model(true);
    bool fused = false, renamed = false;
    for (uint32_t i = 0; i < model->graph->n_nodes; i++) {
        const struct tf2__node *node = &model->graph->nodes[i];
        fused |= node->activation.kind != TF2_ACTIVATION_NONE;
        renamed |= strcmp(node->name, model->graph->tensors[node->out].name) != 0;
    }
    assert_true(fused && renamed);
    check_round_trip(model);
}

static void test_int8(void **state)
{
    (void)state;
    struct tf2_model *model = tf2_file_int8_model();
    struct tf2_model_info info;
    tf2_model_info(model, &info);
    assert_int_equal(info.n_int8_nodes, 5);
    assert_int_equal(info.n_nodes, 6);
    check_round_trip(model);
}

/* What nobody reads is not in the file. */
static void test_unread_constants(void **state)
{
    (void)state;
    struct net net;
    struct tf2_model *model;
    net_open(&net, 1);
    net_constant(&net, SHAPE(1000));
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 2));
    tf2_tensor_id w = net_constant(&net, SHAPE(2, 2)), constant = net_constant(&net, SHAPE(3));
    const struct tf2_gemm_attr attr = {.axis = 1};
    x = net_node(&net, TF2_OP_GEMM, NULL, &attr, IN(x, w));
    net_output(&net, net_node(&net, TF2_OP_GEMM, NULL, &attr, IN(x, w)));
    net_output(&net, constant);
    const struct tf2_import_options options = {.no_optimize = true};
    assert_int_equal(tf2_model_from_graph(&net.graph, "n", &options, &model, NULL), TF2_OK);
    struct tf2_file_bytes bytes = tf2_file_save(model, NULL);
    struct tf2_model *loaded = tf2_file_load(&bytes);
    size_t n;
    assert_non_null(tf2_file_section(&bytes, TF2__SECTION_WEIGHTS, &n));
    assert_int_equal(n, 64 + 3 * sizeof(float)); /* w once, then the output */
    assert_null(tf2_file_section(&bytes, TF2__SECTION_PREPROCESS, &n));
    assert_null(tf2_file_section(&bytes, TF2__SECTION_LABELS, &n));
    tf2_file_check_same(model, loaded);
    free(bytes.data);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
}

static struct tf2_model *load_path(const char *path)
{
    struct tf2_model *model = NULL;
    struct tf2_error error;
    if (tf2_model_load(path, NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return model;
}

/* Whether this process has the file mapped. */
static bool is_mapped(const char *path)
{
    char line[1024];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        skip();
    while (fgets(line, sizeof(line), maps))
        found |= strstr(line, path) != NULL;
    fclose(maps);
    return found;
}

static void check_inside(const struct tf2_model *model, const void *data, bool aligned)
{
    const unsigned char *at = data;
    assert_true(at >= model->file.data && at < model->file.data + model->file.size_bytes);
    assert_true(!aligned || (uintptr_t)at % 64 == 0);
}

/* Nothing is copied: constants, arrays, texts and example lie in the mapping. */
static void test_mapping(void **state)
{
    (void)state;
    char path[256];
    struct tf2_model *model = tf2_file_int8_model();
    struct tf2_file_bytes bytes = tf2_file_save_full(model);
    struct tf2_fact fact;
    unsigned n = 0;
    tf2_file_write(tf2_file_path(path), bytes.data, bytes.n);
    struct tf2_model *loaded = load_path(path);
    unlink(path); /* the mapping stays */
    for (uint32_t i = 0; i < loaded->graph->n_tensors; i++) {
        const struct tf2__tensor *tensor = &loaded->graph->tensors[i];
        const void *parts[] = {tensor->data, tensor->quant.channel_scale, tensor->quant.channel_zero_point};
        for (size_t k = 0; k < TF2__COUNT(parts); k++) {
            if (parts[k]) {
                check_inside(loaded, parts[k], true);
                n++;
            }
        }
    }
    assert_int_equal(n, 7); /* offset, w1, its scales, b1, w2, table; zero points */
    check_inside(loaded, tf2_model_label(loaded, 0), false);
    assert_int_equal(tf2_model_fact(loaded, 0, &fact), TF2_OK);
    check_inside(loaded, fact.value, false);
    check_inside(loaded, loaded->example, false);
    tf2_file_check_same(model, loaded);
    check_same_results(model, loaded);
    assert_true(is_mapped(path));
    tf2_model_destroy(&loaded);
    assert_false(is_mapped(path));
    tf2_model_destroy(&model);
    free(bytes.data);
}

/* ---- what else a file carries ---- */

static void test_extras(void **state)
{
    (void)state;
    struct tf2_model *model = tf2_file_int8_model();
    struct tf2_file_bytes bytes = tf2_file_save_full(model);
    struct tf2_model *loaded = tf2_file_load(&bytes);
    struct tf2_model_info info;
    struct tf2_fact fact = {0};
    tf2_model_info(model, &info);
    assert_int_equal(info.n_labels + info.n_facts + info.has_example, 0);
    assert_null(tf2_model_label(model, 0));
    assert_int_equal(tf2_model_fact(model, 0, &fact), TF2_ERR_INVALID_ARGUMENT);
    tf2_model_info(loaded, &info);
    assert_int_equal(info.n_labels, 5);
    assert_int_equal(info.n_facts, 2);
    assert_true(info.has_example);
    assert_int_equal(info.preprocess.channels, TF2_CHANNELS_BGR);
    assert_float_equal(info.preprocess.mean[2], 123.5f, 0);
    assert_string_equal(tf2_model_label(loaded, 0), "cat");
    assert_string_equal(tf2_model_label(loaded, 1), "");
    assert_string_equal(tf2_model_label(loaded, 2), "Hündin, \"dog\"");
    assert_null(tf2_model_label(loaded, 5));
    assert_null(tf2_model_label(NULL, 0));
    assert_int_equal(tf2_model_fact(loaded, 1, &fact), TF2_OK);
    assert_string_equal(fact.key, "calibration.samples");
    assert_string_equal(fact.value, "0");
    assert_int_equal(tf2_model_fact(loaded, 2, &fact), TF2_ERR_INVALID_ARGUMENT);
    assert_int_equal(tf2_model_fact(loaded, 0, NULL), TF2_ERR_INVALID_ARGUMENT);
    free(bytes.data);

    /* Options replace all of it. */
    const struct tf2_save_options none = {0};
    bytes = tf2_file_save(loaded, &none);
    tf2_model_destroy(&loaded);
    loaded = tf2_file_load(&bytes);
    tf2_model_info(loaded, &info);
    assert_int_equal(info.n_labels + info.n_facts + info.has_example, 0);
    assert_int_equal(info.preprocess.channels, TF2_CHANNELS_BGR);
    free(bytes.data);
    tf2_model_destroy(&loaded);
    tf2_model_destroy(&model);
}

/* x [1, 3, 20, 20] as it is, and a constant-free copy of it. */
static struct tf2_model *copy_model(bool with_preprocess)
{
    struct net net;
    struct tf2_model *model;
    struct tf2_import_options options = {.no_optimize = true};
    if (with_preprocess)
        options.preprocess = (struct tf2_preprocess){.mean = {127.5f, 100, 3.25f}, .scale = 1 / 127.0f};
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 20, 20));
    net_output(&net, net_activation(&net, x, TF2_ACTIVATION_RELU, 0, 0));
    assert_int_equal(tf2_model_from_graph(&net.graph, "copy", &options, &model, NULL), TF2_OK);
    return model;
}

enum { N_PIXELS = 3 * 20 * 20 };

/* Saves an example and unpacks it again; *n_bytes gets the size of the section. Returns the form. */
static unsigned example_form(const struct tf2_model *model, const float *input, size_t *n_bytes)
{
    float output[N_PIXELS], unpacked[2][N_PIXELS];
    const void *inputs[] = {input}, *outputs[] = {output};
    float *const values[] = {unpacked[0], unpacked[1]};
    for (size_t i = 0; i < N_PIXELS; i++)
        output[i] = (float)i;
    struct tf2_file_bytes bytes = tf2_file_save(
        model, &(struct tf2_save_options){.example_inputs = inputs, .example_outputs = outputs});
    struct tf2_model *loaded = tf2_file_load(&bytes);
    const unsigned char *section = tf2_file_section(&bytes, TF2__SECTION_EXAMPLE, n_bytes);
    assert_non_null(section);
    unsigned form = section[0];
    assert_int_equal(tf2__model_example(loaded, values, NULL), TF2_OK);
    assert_memory_equal(unpacked[0], input, sizeof(unpacked[0]));
    assert_memory_equal(unpacked[1], output, sizeof(unpacked[1]));
    *n_bytes -= sizeof(output);
    tf2_model_destroy(&loaded);
    free(bytes.data);
    return form;
}

static void test_example_forms(void **state)
{
    (void)state;
    struct tf2_model *plain = copy_model(false), *mean = copy_model(true);
    float x[N_PIXELS], y[N_PIXELS];
    uint64_t random = 5;
    size_t n;
    for (size_t i = 0; i < N_PIXELS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(random >> 56);
        y[i] = x[i] - mean->preprocess.mean[i / 400];
        y[i] *= mean->preprocess.scale;
    }
    assert_int_equal(example_form(plain, x, &n), TF2__EXAMPLE_U8);
    assert_int_equal(n, N_PIXELS + 1 + 4 + 1 + 12);
    assert_int_equal(example_form(mean, y, &n), TF2__EXAMPLE_U8);
    assert_int_equal(example_form(mean, x, &n), TF2__EXAMPLE_U8); /* without the preprocessing */
    assert_int_equal(n, N_PIXELS + 1 + 4 + 1);
    assert_int_equal(example_form(plain, y, &n), TF2__EXAMPLE_F32);
    assert_int_equal(n, N_PIXELS * 4 + 1);
    y[77] = nextafterf(y[77], 1000);
    assert_int_equal(example_form(mean, y, &n), TF2__EXAMPLE_F32);
    y[77] = -0.0f;
    assert_int_equal(example_form(mean, y, &n), TF2__EXAMPLE_F32);
    x[N_PIXELS - 1] = 256;
    assert_int_equal(example_form(plain, x, &n), TF2__EXAMPLE_F32);
    /* Flat squares: a row is like the one above it. */
    for (size_t i = 0; i < N_PIXELS; i++)
        x[i] = (float)(i / 400 * 50 + i % 400 / 100 * 40 + i % 20 / 5 * 3);
    assert_int_equal(example_form(plain, x, &n), TF2__EXAMPLE_RUNS);
    assert_in_range(n, 50, 200);
    tf2_model_destroy(&plain);
    tf2_model_destroy(&mean);
}

/* All lengths of runs around their limits, behind all kinds of neighbours. */
static void test_example_runs(void **state)
{
    (void)state;
    struct tf2_model *model = copy_model(false);
    float x[N_PIXELS];
    size_t n;
    for (size_t length = 1; length <= 400; length += length < 5 || (length > 124 && length < 135) ? 1 : 7) {
        for (size_t literals = 0; literals < 4; literals++) {
            for (size_t i = 0; i < N_PIXELS; i++) {
                size_t at = i % (length + literals);
                x[i] = at < length ? 9 : (float)(20 + 13 * at % 200);
            }
            example_form(model, x, &n);
            assert_in_range(n, 0, N_PIXELS + 18);
        }
    }
    /* Many different bytes in a row, then all the same. */
    for (size_t n_random = 120; n_random < 400; n_random++) {
        uint64_t random = n_random;
        for (size_t i = 0; i < N_PIXELS; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            x[i] = i < n_random ? (float)(random >> 56) : 0;
        }
        assert_int_equal(example_form(model, x, &n), TF2__EXAMPLE_RUNS);
    }
    tf2_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_attribute_bytes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_float_optimized),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_unread_constants),
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_example_forms),
        cmocka_unit_test(test_example_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
