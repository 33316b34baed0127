/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_caffe_weights.c: weights of the Caffe importer: blobs that do and do not fit, files that are none,
 * made-up weights.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/caffe.h"
#include "transform/import/caffe/caffe.pb-c.h"

#define CONV_NET                                                                                             \
    "input: 'x' input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }\n"                                               \
    "layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 3 "          \
    "kernel_size: 2 } }\n"                                                                                   \
    "layer { name: 'r' type: 'ReLU' bottom: 'c' top: 'c' }\n"                                                \
    "layer { name: 'f' type: 'InnerProduct' bottom: 'c' top: 'f' inner_product_param { num_output: 2 "       \
    "bias_term: false } }\n"

static const float nan_weights[24] = {[5] = NAN};

static void weights_that_do_not_fit(void **state)
{
    static const struct {
        size_t n;
        struct caffe_blobs layers[3];
        const char *words;
        size_t n_problems;
    } cases[] = {
        {2, {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}}, {"f", 1, {{2, {2, 12}, NULL}}}}, NULL, 0},
        {3,
         {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}},
          {"f", 1, {{2, {2, 12}, NULL}}},
          {"other", 1, {{1, {1}, NULL}}}},
         NULL,
         0},
        {1,
         {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}}},
         "layer 'f' (InnerProduct, line 4): the weights file has no weights for this layer",
         1},
        {2,
         {{"c", 1, {{4, {3, 2, 2, 2}, NULL}}}, {"f", 1, {{2, {2, 12}, NULL}}}},
         "layer 'c' (Convolution, line 2): wanted 2 blobs, the weights file has 1",
         1},
        {2,
         {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}},
          {"f", 2, {{2, {2, 12}, NULL}, {1, {2}, NULL}}}},
         "layer 'f' (InnerProduct, line 4): wanted 1 blobs, the weights file has 2",
         1},
        {2,
         {{"c", 2, {{4, {3, 2, 3, 2}, NULL}, {1, {4}, NULL}}}, {"f", 1, {{2, {12, 2}, NULL}}}},
         "weights: wanted 3x2x2x2, the weights file has 3x2x3x2, bias: wanted 3, the weights file has 4",
         2},
        {3,
         {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}},
          {"f", 1, {{2, {2, 12}, NULL}}},
          {"r", 1, {{1, {3}, NULL}}}},
         "layer 'r' (ReLU, line 3): the weights file has 1 blobs for this layer, which takes none",
         1},
        {3,
         {{"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}},
          {"f", 1, {{2, {2, 12}, NULL}}},
          {"f", 1, {{2, {2, 12}, NULL}}}},
         "several layers of this name",
         1},
        {2,
         {{"c", 2, {{4, {3, 2, 2, 2}, nan_weights}, {1, {3}, NULL}}}, {"f", 1, {{2, {2, 12}, NULL}}}},
         "c.weights: weight 5 is NaN",
         1},
        {1, {{"q", 0, {{0, {0}, NULL}}}}, "no layer with weights in it", 1},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        for (int form = CAFFE_WEIGHTS_NEW; form <= CAFFE_WEIGHTS_DOUBLE; form++) {
            size_t n;
            struct caffe_net net;
            unsigned char *weights =
                caffe_pack_weights(cases[i].layers, cases[i].n, (enum caffe_weights_form)form, &n);
            caffe_net_import(&net, CONV_NET, weights, n, NULL);
            if (!cases[i].words && net.status != TF2_OK)
                fail_msg("case %zu: %s", i, net.error.message);
            if (cases[i].words && (net.status == TF2_OK || !strstr(net.error.message, cases[i].words)))
                fail_msg("case %zu: %s", i, net.error.message);
            if (cases[i].n_problems == 1)
                assert_null(strstr(net.error.message, "problems"));
            if (cases[i].n_problems == 2)
                assert_non_null(strstr(net.error.message, "2 problems"));
            caffe_net_free(&net);
            free(weights);
        }
    }
}

/* A shape that fits, with more or fewer numbers than it says. */
static void numbers_that_do_not_fit_their_shape(void **state)
{
    static const struct caffe_blobs layers[] = {
        {"c", 2, {{4, {3, 2, 2, 2}, NULL}, {1, {3}, NULL}}}, {"f", 1, {{2, {2, 12}, NULL}}}};
    static const size_t counts[] = {0, 1, 23, 24};
    size_t n;
    (void)state;
    unsigned char *weights = caffe_pack_weights(layers, 2, CAFFE_WEIGHTS_NEW, &n);
    Tf2__Caffe__WeightsNet *file = tf2__caffe__weights_net__unpack(NULL, n, weights);
    Tf2__Caffe__BlobProto *blob = file->layer[0]->blobs[0];
    Tf2__Caffe__BlobProto *bias = file->layer[0]->blobs[1];
    free(weights);
    for (size_t i = 0; i < TF2__COUNT(counts); i++) {
        struct caffe_net net;
        char words[64];
        blob->n_data = counts[i];
        weights = malloc(tf2__caffe__weights_net__get_packed_size(file));
        n = tf2__caffe__weights_net__pack(file, weights);
        caffe_net_import(&net, CONV_NET, weights, n, NULL);
        snprintf(words, sizeof(words), "weights: wanted 24 numbers, the weights file has %zu", counts[i]);
        if (counts[i] == 24)
            assert_int_equal(net.status, TF2_OK);
        else
            caffe_net_fails(&net, TF2_ERR_SHAPE, words, NULL);
        caffe_net_free(&net);
        free(weights);
    }
    bias->data = realloc(bias->data, 5000 * sizeof(float));
    memset(bias->data, 0, 5000 * sizeof(float));
    bias->n_data = 5000;
    struct caffe_net net;
    weights = malloc(tf2__caffe__weights_net__get_packed_size(file));
    n = tf2__caffe__weights_net__pack(file, weights);
    caffe_net_import(&net, CONV_NET, weights, n, NULL);
    caffe_net_fails(&net, TF2_ERR_SHAPE, "bias: wanted 3 numbers, the weights file has 5000", NULL);
    caffe_net_free(&net);
    free(weights);
    tf2__caffe__weights_net__free_unpacked(file, NULL);
}

static void weights_files_that_are_none(void **state)
{
    static const unsigned char v0[] = {0x12, 4, 0x0a, 2, 0x0a, 0};
    static const unsigned char cut[] = {0xa2, 6, 40, 0x0a, 1, 'c'};
    struct caffe_net net;
    (void)state;
    caffe_net_import(&net, CONV_NET, "\x89HDF\r\n\x1a\n", 8, NULL);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "test.caffemodel: Caffe weights in HDF5", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, CONV_NET, v0, sizeof(v0), NULL);
    caffe_net_fails(&net, TF2_ERR_UNSUPPORTED, "test.caffemodel: this is a V0 weights file", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, CONV_NET, cut, sizeof(cut), NULL);
    caffe_net_fails(&net, TF2_ERR_FORMAT, "test.caffemodel: damaged", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, CONV_NET, "layer { }", 9, NULL);
    caffe_net_fails(&net, TF2_ERR_FORMAT, "test.caffemodel: ", NULL);
    caffe_net_free(&net);
    caffe_net_import(&net, CONV_NET, NULL, 0, NULL);
    caffe_net_fails(&net, TF2_ERR_INVALID_ARGUMENT, "give the .caffemodel", "layer 'c', line 2", NULL);
    caffe_net_free(&net);
}

static void layers_of_one_name_do_not_share_weights(void **state)
{
    const struct caffe_blobs layer = {.name = "f", .n_blobs = 1, .blob = {{2, {2, 2}, NULL}}};
    struct caffe_net net;
    size_t n;
    (void)state;
    unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
    caffe_net_import(
        &net,
        "input: 'x' input_shape { dim: 1 dim: 2 }\n"
        "layer { name: 'f' type: 'InnerProduct' bottom: 'x' top: 'a' inner_product_param { num_output: 2 "
        "bias_term: 0 } }\n"
        "layer { name: 'f' type: 'InnerProduct' bottom: 'a' top: 'b' inner_product_param { num_output: 2 "
        "bias_term: 0 } }",
        weights, n, NULL);
    caffe_net_fails(&net, TF2_ERR_FORMAT, "another layer of this name has taken the weights", NULL);
    caffe_net_free(&net);
    free(weights);
}

static void statistics_of_batch_norm(void **state)
{
    static const float minus[] = {-1, -1}, zero[] = {0}, one[] = {1}, tiny[] = {1e-40f};
    const char *text = "input: 'x' input_shape { dim: 1 dim: 2 }\n"
                       "layer { name: 'b' type: 'BatchNorm' bottom: 'x' top: 'y' }";
    const float *factors[] = {one, zero, tiny};
    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct caffe_blobs layer = {
            .name = "b",
            .n_blobs = 3,
            .blob = {{1, {2}, NULL}, {1, {2}, i ? NULL : minus}, {1, {1}, factors[i]}}};
        struct caffe_net net;
        size_t n;
        unsigned char *weights = caffe_pack_weights(&layer, 1, CAFFE_WEIGHTS_NEW, &n);
        caffe_net_import(&net, text, weights, n, NULL);
        if (i == 0)
            caffe_net_fails(&net, TF2_ERR_VALUE, "variance of channel 0 is -1", NULL);
        else if (i == 1) /* as Caffe: no statistics were taken, all zero */
            assert_int_equal(net.status, TF2_OK);
        else
            caffe_net_fails(&net, TF2_ERR_VALUE, "infinite", NULL);
        caffe_net_free(&net);
        free(weights);
    }
}

static void random_weights(void **state)
{
    struct tf2_import_options options = {.random_weights_seed = 1};
    struct caffe_net net, again, other;
    const char *text = "input: 'x' input_shape { dim: 1 dim: 200 }\n"
                       "layer { name: 'f' type: 'InnerProduct' bottom: 'x' top: 'f' inner_product_param { "
                       "num_output: 100 } }";
    double sum = 0, squares = 0, largest = 0;
    (void)state;
    caffe_net_import(&net, text, NULL, 0, &options);
    caffe_net_import(&again, text, NULL, 0, &options);
    options.random_weights_seed = 2;
    caffe_net_import(&other, text, NULL, 0, &options);
    const float *a = tf2__graph_constant_f32(net.graph, tf2__graph_find(net.graph, "f.weights"));
    const float *b = tf2__graph_constant_f32(again.graph, tf2__graph_find(again.graph, "f.weights"));
    const float *c = tf2__graph_constant_f32(other.graph, tf2__graph_find(other.graph, "f.weights"));
    assert_memory_equal(a, b, 20000 * sizeof(float));
    assert_memory_not_equal(a, c, 20000 * sizeof(float));
    for (int i = 0; i < 20000; i++) {
        sum += a[i];
        squares += a[i] * a[i];
        largest = fmax(largest, fabs(a[i]));
    }
    assert_true(fabs(sum / 20000) < 0.003);
    assert_true(fabs(squares / 20000 / (2.0 / 200) - 1) < 0.03);
    assert_true(largest <= sqrt(6.0 / 200) * 1.000001);
    /* the first number of splitmix64 with seed 1, a known value: 0x910a2dec89025cc1 */
    double first = ldexp((double)(UINT64_C(0x910a2dec89025cc1) >> 11), -52) - 1;
    assert_true(fabs(a[0] - first * sqrt(6.0 / 200)) < 1e-7);
    assert_float_equal(tf2__graph_constant_f32(net.graph, tf2__graph_find(net.graph, "f.bias"))[99], 0, 0);
    caffe_net_free(&net);
    caffe_net_free(&again);
    caffe_net_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_do_not_fit),
        cmocka_unit_test(numbers_that_do_not_fit_their_shape),
        cmocka_unit_test(weights_files_that_are_none),
        cmocka_unit_test(layers_of_one_name_do_not_share_weights),
        cmocka_unit_test(statistics_of_batch_norm),
        cmocka_unit_test(random_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
