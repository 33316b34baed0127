/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx.c: what ONNX operators with windows and weights become in the graph, in their old and new forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>

#include "onnx_builder.h"

/* A model with input x of a shape, and one node that makes y of it. */
static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims,
    size_t n_dims)
{
    onnx_open(b, opset);
    onnx_input(b, "x", dims, n_dims);
    onnx_node(b, type, inputs, "y");
    onnx_output(b, "y");
}

/* ---- windows ---- */

static void test_conv(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Conv", "x w bias", DIMS(0, 4, 9, 11));
    onnx_floats(&b, "w", DIMS(6, 2, 3, 2), NULL);
    onnx_floats(&b, "bias", DIMS(6), NULL);
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 2));
    onnx_ints_attr(&b, "pads", INTS(1, 2, 3, 4));
    onnx_ints_attr(&b, "strides", INTS(2, 1));
    onnx_ints_attr(&b, "dilations", INTS(1, 3));
    onnx_int_attr(&b, "group", 2);
    struct onnx_import im = onnx_imported(&b);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_CONV, "y", "1x6x6x14");
    const struct tf2_conv_attr *attr = node->attr;
    assert_int_equal(node->n_in, 3);
    assert_int_equal(attr->group, 2);
    const struct tf2_window wanted = {
        .stride = {2, 1}, .dilation = {1, 3}, .pad_begin = {1, 2}, .pad_end = {3, 4}};
    assert_memory_equal(&attr->window, &wanted, sizeof(wanted));
    onnx_has_constant(&im, node, 1, "6x2x3x2");
    onnx_has_batch(&im, 5, "5x6x6x14");
    onnx_import_free(&im);
}

/* [I, O / group, ...] becomes [O, I / group, ...]. */
static void test_conv_transpose(void **state)
{
    static const float w[8] = {1, 2, 3, 4, 5, 6, 7, 8}, turned[8] = {1, 2, 5, 6, 3, 4, 7, 8};
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "ConvTranspose", "x w bias", DIMS(0, 2, 9, 11));
    onnx_floats(&b, "w", DIMS(2, 2, 1, 2), w);
    onnx_floats(&b, "bias", DIMS(2), NULL);
    onnx_ints_attr(&b, "kernel_shape", INTS(1, 2));
    onnx_ints_attr(&b, "pads", INTS(1, 2, 0, 1));
    onnx_ints_attr(&b, "strides", INTS(2, 1));
    onnx_ints_attr(&b, "output_padding", INTS(1, 0));
    struct onnx_import im = onnx_imported(&b);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_CONV_TRANSPOSE, "y", "1x2x17x9");
    const struct tf2_conv_transpose_attr *attr = node->attr;
    const struct tf2_window wanted = {.stride = {2, 1}, .pad_begin = {1, 2}, .pad_end = {0, 1}};
    assert_memory_equal(&attr->window, &wanted, sizeof(wanted));
    assert_true(attr->output_pad[0] == 1 && attr->output_pad[1] == 0);
    onnx_has_constant(&im, node, 1, "2x2x1x2");
    assert_memory_equal(im.graph->tensors[node->in[1]].data, turned, sizeof(turned));
    onnx_has_batch(&im, 5, "5x2x17x9");
    onnx_import_free(&im);

    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 3)); /* two groups: each of them by itself */
    onnx_floats(&b, "w", DIMS(4, 2, 1), w);
    onnx_int_attr(&b, "group", 2);
    im = onnx_imported(&b);
    node = onnx_has_node(&im, 0, TF2_OP_CONV_TRANSPOSE, "y", "1x4x3");
    static const float by_group[8] = {1, 3, 2, 4, 5, 7, 6, 8};
    onnx_has_constant(&im, node, 1, "4x2x1");
    assert_memory_equal(im.graph->tensors[node->in[1]].data, by_group, sizeof(by_group));
    onnx_import_free(&im);
}

/* 3 * 3 + 3 - 2 = 11 whole pixels: one too many is cut off in front, or with SAME_UPPER behind; one too few comes
 * behind. */
static void test_conv_transpose_output_shape(void **state)
{
    static const struct {
        int64_t wanted;
        const char *auto_pad;
        int32_t begin, end, more;
    } cases[] = {
        {10, NULL, 1, 0, 0}, {10, "SAME_UPPER", 0, 1, 0}, {10, "SAME_LOWER", 1, 0, 0}, {12, NULL, 0, 0, 1}};
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct onnx_builder b;
        char shape[32];
        one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 1, 4));
        onnx_floats(&b, "w", DIMS(1, 1, 2), NULL);
        onnx_ints_attr(&b, "strides", INTS(3));
        onnx_ints_attr(&b, "output_shape", (const int64_t[]){cases[i].wanted}, 1);
        if (cases[i].auto_pad)
            onnx_string_attr(&b, "auto_pad", cases[i].auto_pad);
        struct onnx_import im = onnx_imported(&b);
        snprintf(shape, sizeof(shape), "1x1x%d", (int)cases[i].wanted);
        const struct tf2_conv_transpose_attr *attr =
            onnx_has_node(&im, 0, TF2_OP_CONV_TRANSPOSE, "y", shape)->attr;
        assert_int_equal(attr->window.pad_begin[0], cases[i].begin);
        assert_int_equal(attr->window.pad_end[0], cases[i].end);
        assert_int_equal(attr->output_pad[0], cases[i].more);
        assert_int_equal(attr->window.auto_pad, TF2_AUTO_PAD_EXPLICIT);
        onnx_import_free(&im);
    }
}

static void test_conv_transpose_refused(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_refused(&b, TF2_ERR_SHAPE, "wanted 4 in dimension 0");
    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(4, 4, 3, 3), NULL);
    onnx_int_attr(&b, "group", 3);
    onnx_refused(&b, TF2_ERR_SHAPE, "3 groups");
    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(4, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "output_padding", INTS(1));
    onnx_refused(&b, TF2_ERR_SHAPE, "output_padding has 1 numbers");
    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(4, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "output_padding", INTS(-1, 0));
    onnx_refused(&b, TF2_ERR_VALUE, "output padding -1");
    one_node(&b, 11, "ConvTranspose", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(4, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "output_shape", INTS(8, 0));
    onnx_refused(&b, TF2_ERR_VALUE, "output_shape has 0");
    one_node(&b, 11, "ConvTranspose", "x x", DIMS(1, 4, 8, 8));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "input 1");
}

static void test_lp_normalization(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "LpNormalization", "x", DIMS(2, 4, 5));
    onnx_int_attr(&b, "axis", 1);
    struct onnx_import im = onnx_imported(&b);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_NORMALIZE, "y", "2x4x5");
    const struct tf2_normalize_attr *attr = node->attr;
    assert_true(attr->region == TF2_NORMALIZE_CHANNELS && attr->epsilon == 0);
    onnx_import_free(&im);
    one_node(&b, 11, "LpNormalization", "x", DIMS(2, 4, 5)); /* the last axis */
    im = onnx_imported(&b);
    onnx_has_node(&im, 2, TF2_OP_TRANSPOSE, "y", "2x4x5");
    assert_int_equal(im.graph->nodes[1].op->id, TF2_OP_NORMALIZE);
    assert_int_equal(im.graph->tensors[im.graph->nodes[1].out].shape.dim[1], 5);
    onnx_import_free(&im);
    one_node(&b, 11, "LpNormalization", "x", DIMS(2, 4, 5));
    onnx_int_attr(&b, "p", 1);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "p 1");
}

static void test_conv_dimensions(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 10));
    onnx_floats(&b, "w", DIMS(5, 4, 3), NULL);
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_CONV, "y", "1x5x8");
    onnx_import_free(&im);
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 5, 6, 7));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3, 3), NULL);
    onnx_ints_attr(&b, "pads", INTS(1, 1, 1, 1, 1, 1));
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_CONV, "y", "1x5x5x6x7");
    onnx_import_free(&im);
}

static void test_conv_refused(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 5));
    onnx_refused(&b, TF2_ERR_SHAPE, "kernel_shape has 5", "5x4x3x3", "'y' (Conv)");
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "pads", INTS(1, 1));
    onnx_refused(&b, TF2_ERR_SHAPE, "pads has 2 numbers, wanted 4");
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "pads", INTS(1, 1, 1, 1));
    onnx_string_attr(&b, "auto_pad", "SAME_UPPER");
    onnx_refused(&b, TF2_ERR_FORMAT, "auto_pad and pads");
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_ints_attr(&b, "strides", INTS(0, 1));
    onnx_refused(&b, TF2_ERR_VALUE, "strides has 0");
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4, 8, 8));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_int_attr(&b, "group", 0);
    onnx_refused(&b, TF2_ERR_VALUE, "group 0");
    one_node(&b, 11, "Conv", "x x", DIMS(1, 4, 8, 8));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "only constants are supported");
    one_node(&b, 11, "Conv", "x w", DIMS(1, 4));
    onnx_floats(&b, "w", DIMS(5, 4, 3, 3), NULL);
    onnx_refused(&b, TF2_ERR_SHAPE, "spatial dimensions");
}

static void test_auto_pad(void **state)
{
    (void)state;
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    static const enum tf2_auto_pad wanted[] = {
        TF2_AUTO_PAD_EXPLICIT, TF2_AUTO_PAD_SAME_UPPER, TF2_AUTO_PAD_SAME_LOWER, TF2_AUTO_PAD_VALID};
    for (size_t i = 0; i < TF2__COUNT(words); i++) {
        struct onnx_builder b;
        one_node(&b, 9, "MaxPool", "x", DIMS(1, 4, 9, 9));
        onnx_ints_attr(&b, "kernel_shape", INTS(2, 2));
        onnx_ints_attr(&b, "strides", INTS(2, 2));
        onnx_string_attr(&b, "auto_pad", words[i]);
        struct onnx_import im = onnx_imported(&b);
        const struct tf2__node *node =
            onnx_has_node(&im, 0, TF2_OP_POOL, "y", i == 1 || i == 2 ? "1x4x5x5" : "1x4x4x4");
        assert_int_equal(((const struct tf2_pool_attr *)node->attr)->window.auto_pad, wanted[i]);
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 9, "MaxPool", "x", DIMS(1, 4, 9, 9));
    onnx_ints_attr(&b, "kernel_shape", INTS(2, 2));
    onnx_string_attr(&b, "auto_pad", "SOME");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "auto_pad 'SOME'");
}

static void test_pools(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "AveragePool", "x", DIMS(1, 4, 10, 10));
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 3));
    onnx_ints_attr(&b, "strides", INTS(2, 2));
    onnx_int_attr(&b, "ceil_mode", 1);
    onnx_int_attr(&b, "count_include_pad", 1);
    struct onnx_import im = onnx_imported(&b);
    const struct tf2_pool_attr *attr = onnx_has_node(&im, 0, TF2_OP_POOL, "y", "1x4x5x5")->attr;
    assert_int_equal(attr->kind, TF2_POOL_AVG);
    assert_int_equal(attr->rounding, TF2_POOL_CEIL);
    assert_true(attr->count_include_pad && !attr->global);
    onnx_import_free(&im);

    one_node(&b, 11, "MaxPool", "x", DIMS(1, 4, 10, 10));
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 3));
    onnx_int_attr(&b, "storage_order", 1);
    im = onnx_imported(&b);
    attr = onnx_has_node(&im, 0, TF2_OP_POOL, "y", "1x4x8x8")->attr;
    assert_int_equal(attr->kind, TF2_POOL_MAX);
    assert_int_equal(attr->rounding, TF2_POOL_FLOOR);
    onnx_import_free(&im);

    one_node(&b, 11, "GlobalMaxPool", "x", DIMS(1, 4, 10, 10));
    im = onnx_imported(&b);
    attr = onnx_has_node(&im, 0, TF2_OP_POOL, "y", "1x4x1x1")->attr;
    assert_true(attr->global && attr->kind == TF2_POOL_MAX);
    onnx_import_free(&im);

    one_node(&b, 11, "MaxPool", "x", DIMS(1, 4, 10, 10));
    onnx_refused(&b, TF2_ERR_FORMAT, "kernel_shape is missing");
}

static void test_second_output(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(1, 4, 10, 10));
    onnx_node(&b, "MaxPool", "x", "y indices");
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 3));
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b); /* nobody reads it */
    onnx_import_free(&im);
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(1, 4, 10, 10));
    onnx_node(&b, "MaxPool", "x", "y indices");
    onnx_ints_attr(&b, "kernel_shape", INTS(3, 3));
    onnx_output(&b, "y");
    onnx_output(&b, "indices");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'y' (MaxPool)", "output 1 ('indices')");
}

static void test_reduce(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int keep = 0; keep < 2; keep++) {
        for (int form = 0; form < 2; form++) {
            one_node(&b, form ? 18 : 13, "ReduceMean", form ? "x axes" : "x", DIMS(0, 4, 5, 6));
            if (form)
                onnx_ints(&b, "axes", INTS(-1, 2));
            else
                onnx_ints_attr(&b, "axes", INTS(2, 3));
            onnx_int_attr(&b, "keepdims", keep);
            struct onnx_import im = onnx_imported(&b);
            assert_int_equal(im.graph->n_nodes, keep ? 1 : 2);
            const struct tf2_pool_attr *attr =
                onnx_has_node(&im, 0, TF2_OP_POOL, keep ? "y" : "y.pool", "1x4x1x1")->attr;
            assert_true(attr->global && attr->kind == TF2_POOL_AVG);
            if (!keep)
                onnx_has_node(&im, 1, TF2_OP_SQUEEZE, "y", "1x4");
            onnx_has_batch(&im, 3, keep ? "3x4x1x1" : "3x4");
            onnx_import_free(&im);
        }
    }
    one_node(&b, 13, "ReduceProd", "x", DIMS(0, 4, 5, 6));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "constants and shapes");
}

static void test_lrn(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 9, "LRN", "x", DIMS(1, 8, 5, 6));
    onnx_int_attr(&b, "size", 5);
    onnx_float_attr(&b, "bias", 2);
    struct onnx_import im = onnx_imported(&b);
    const struct tf2_lrn_attr *attr = onnx_has_node(&im, 0, TF2_OP_LRN, "y", "1x8x5x6")->attr;
    assert_true(attr->size == 5 && attr->alpha == 1e-4f && attr->beta == 0.75f && attr->k == 2);
    assert_int_equal(attr->region, TF2_LRN_ACROSS_CHANNELS);
    onnx_import_free(&im);
    one_node(&b, 9, "LRN", "x", DIMS(1, 8, 5, 6));
    onnx_refused(&b, TF2_ERR_FORMAT, "size is missing");
}

/* ---- dense ---- */

static void test_gemm(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Gemm", "x w c", DIMS(0, 3));
    onnx_floats(&b, "w", DIMS(3, 2), (const float[]){1, 2, 3, 4, 5, 6});
    onnx_float(&b, "c", 4);
    onnx_float_attr(&b, "alpha", 2);
    onnx_float_attr(&b, "beta", 0.5f);
    struct onnx_import im = onnx_imported(&b);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_GEMM, "y", "1x2");
    assert_int_equal(((const struct tf2_gemm_attr *)node->attr)->axis, 1);
    assert_memory_equal(
        onnx_has_constant(&im, node, 1, "2x3"), ((const float[]){2, 6, 10, 4, 8, 12}), 6 * sizeof(float));
    assert_memory_equal(onnx_has_constant(&im, node, 2, "2"), ((const float[]){2, 2}), 2 * sizeof(float));
    onnx_import_free(&im);

    /* The form that needs no change keeps its constants and their names. */
    one_node(&b, 11, "Gemm", "x w c", DIMS(0, 3));
    onnx_floats(&b, "w", DIMS(2, 3), NULL);
    onnx_floats(&b, "c", DIMS(2), NULL);
    onnx_int_attr(&b, "transB", 1);
    im = onnx_imported(&b);
    node = onnx_has_node(&im, 0, TF2_OP_GEMM, "y", "1x2");
    assert_string_equal(im.graph->tensors[node->in[1]].name, "w");
    assert_string_equal(im.graph->tensors[node->in[2]].name, "c");
    onnx_import_free(&im);
}

static void test_gemm_matrix_c(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Gemm", "x w z", DIMS(0, 3));
    onnx_input(&b, "z", DIMS(0, 2));
    onnx_floats(&b, "w", DIMS(2, 3), NULL);
    onnx_int_attr(&b, "transB", 1);
    onnx_float_attr(&b, "beta", 3);
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_GEMM, "y.product", "1x2");
    const struct tf2_eltwise_attr *sum = onnx_has_node(&im, 1, TF2_OP_ELTWISE, "y", "1x2")->attr;
    assert_true(sum->has_coefficients && sum->coefficient[0] == 1 && sum->coefficient[1] == 3);
    onnx_import_free(&im);

    one_node(&b, 11, "Gemm", "x w", DIMS(3, 2));
    onnx_floats(&b, "w", DIMS(3, 2), NULL);
    onnx_int_attr(&b, "transA", 1);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "transA");
    one_node(&b, 11, "Gemm", "x w", DIMS(3, 2, 1));
    onnx_floats(&b, "w", DIMS(3, 2), NULL);
    onnx_refused(&b, TF2_ERR_SHAPE, "A has 3 dimensions");
    one_node(&b, 11, "Gemm", "x w c", DIMS(1, 3));
    onnx_floats(&b, "w", DIMS(3, 2), NULL);
    onnx_floats(&b, "c", DIMS(4, 2), NULL);
    onnx_refused(&b, TF2_ERR_SHAPE, "C does not broadcast");
}

static void test_matmul(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 13, "MatMul", "x w", DIMS(0, 5, 3));
    onnx_floats(&b, "w", DIMS(3, 2), (const float[]){1, 2, 3, 4, 5, 6});
    struct onnx_import im = onnx_imported(&b);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_GEMM, "y", "1x5x2");
    assert_memory_equal(
        onnx_has_constant(&im, node, 1, "2x3"), ((const float[]){1, 3, 5, 2, 4, 6}), 6 * sizeof(float));
    onnx_has_batch(&im, 4, "4x5x2");
    onnx_import_free(&im);
    one_node(&b, 13, "MatMul", "x w", DIMS(0, 5, 3));
    onnx_floats(&b, "w", DIMS(3), NULL);
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_GEMM, "y.product", "1x5x1");
    onnx_has_node(&im, 1, TF2_OP_SQUEEZE, "y", "1x5");
    onnx_import_free(&im);
    one_node(&b, 13, "MatMul", "x w", DIMS(0, 5, 3));
    onnx_floats(&b, "w", DIMS(2, 3, 2), NULL);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "2x3x2");
    one_node(&b, 13, "MatMul", "x z", DIMS(0, 5, 3));
    onnx_input(&b, "z", DIMS(3, 2));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "'z'", "computed from data");
}

static void test_batch_norm(void **state)
{
    (void)state;
    for (int64_t opset = 7; opset <= 15; opset++) {
        struct onnx_builder b;
        one_node(&b, opset, "BatchNormalization", "x s b m v", DIMS(0, 4, 5, 6));
        for (const char *name = "sbmv"; *name; name++)
            onnx_floats(&b, (const char[]){*name, 0}, DIMS(4), NULL);
        onnx_float_attr(&b, "epsilon", 1e-3f);
        onnx_float_attr(&b, "momentum", 0.9f);
        struct onnx_import im = onnx_imported(&b);
        const struct tf2_batch_norm_attr *attr =
            onnx_has_node(&im, 0, TF2_OP_BATCH_NORM, "y", "1x4x5x6")->attr;
        assert_true(attr->epsilon == 1e-3f);
        onnx_import_free(&im);
    }
    struct onnx_builder b;
    one_node(&b, 15, "BatchNormalization", "x s s s s", DIMS(0, 4, 5, 6));
    onnx_floats(&b, "s", DIMS(4), NULL);
    onnx_int_attr(&b, "training_mode", 1);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "training_mode");
    one_node(&b, 7, "BatchNormalization", "x s s s s", DIMS(0, 4, 5, 6));
    onnx_floats(&b, "s", DIMS(4), NULL);
    onnx_int_attr(&b, "spatial", 0);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "spatial");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_dimensions),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_conv_transpose_output_shape),
        cmocka_unit_test(test_conv_transpose_refused),
        cmocka_unit_test(test_lp_normalization),
        cmocka_unit_test(test_conv_refused),
        cmocka_unit_test(test_auto_pad),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_second_output),
        cmocka_unit_test(test_reduce),
        cmocka_unit_test(test_lrn),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_matrix_c),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_batch_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
