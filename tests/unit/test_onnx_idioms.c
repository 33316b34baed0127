/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_idioms.c: Reshape, and what exporters compute from shapes: whether a network that was imported
 * for one batch and size still means the same for others, and what cannot is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "onnx_builder.h"

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims,
    size_t n_dims)
{
    onnx_open(b, opset);
    onnx_input(b, "x", dims, n_dims);
    onnx_node(b, type, inputs, "y");
    onnx_output(b, "y");
}

static void has_slice(
    const struct onnx_import *im, uint32_t i, const char *name, const char *shape, uint32_t axis,
    int64_t begin, int64_t end, int64_t step)
{
    const struct tf2_slice_attr *attr = onnx_has_node(im, i, TF2_OP_SLICE, name, shape)->attr;
    assert_int_equal(attr->begin[axis], begin);
    assert_int_equal(attr->end[axis], end);
    assert_int_equal(attr->step[axis], step);
    for (uint32_t d = 0; d < attr->n_dims; d++)
        assert_true(d == axis || (attr->begin[d] == 0 && attr->end[d] == INT64_MAX));
}

/* ---- Reshape: other batches and sizes ---- */

/* x [batch, 4, 6, 8] → reshaped to a constant target. */
static struct onnx_import reshaped(int64_t batch, const int64_t *target, size_t n)
{
    struct onnx_builder b;
    one_node(&b, 13, "Reshape", "x t", DIMS(batch, 4, 6, 8));
    onnx_ints(&b, "t", target, n);
    return onnx_imported(&b);
}

static void test_reshape(void **state)
{
    (void)state;
    struct onnx_import im = reshaped(0, INTS(0, -1));
    onnx_has_node(&im, 0, TF2_OP_RESHAPE, "y", "1x192");
    onnx_has_batch(&im, 3, "3x192");
    onnx_import_free(&im);
    im = reshaped(0, INTS(-1, 192));
    onnx_has_batch(&im, 3, "3x192");
    onnx_import_free(&im);
    /* A number where the batch belongs: this batch, so any. */
    im = reshaped(1, INTS(1, 192));
    onnx_has_batch(&im, 3, "3x192");
    onnx_import_free(&im);
    im = reshaped(1, INTS(1, -1));
    onnx_has_batch(&im, 3, "3x192");
    onnx_import_free(&im);
    /* The file leaves the batch open and puts what is left elsewhere: that is what ONNX does with a batch
     * of 3. */
    im = reshaped(0, INTS(1, -1));
    onnx_has_batch(&im, 3, "1x576");
    onnx_import_free(&im);
    im = reshaped(2, INTS(8, 48));
    onnx_has_batch(&im, 3, "-");
    onnx_import_free(&im);
}

static void test_reshape_refused(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 14, "Reshape", "x t", DIMS(1, 4));
    onnx_ints(&b, "t", INTS(0, 4));
    onnx_int_attr(&b, "allowzero", 1);
    onnx_refused(&b, TF2_ERR_VALUE, "extent 0 of dimension 0");
    one_node(&b, 13, "Reshape", "x t", DIMS(1, 4));
    onnx_ints(&b, "t", INTS(-1, -1));
    onnx_refused(&b, TF2_ERR_VALUE, "only one may be -1");
    one_node(&b, 13, "Reshape", "x t", DIMS(1, 4));
    onnx_ints(&b, "t", INTS(3));
    onnx_refused(&b, TF2_ERR_SHAPE, "does not reshape");
    one_node(&b, 13, "Reshape", "x x", DIMS(1, 4));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "computed from data");
    one_node(&b, 13, "Reshape", "x t", DIMS(1, 4));
    onnx_ints(&b, "t", INTS(1, 1, 1, 1, 1, 1, 1, 1, 4));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "9 dimensions");
}

/* name = extent d of x, as exporters write x.size(d). */
static void size_of(struct onnx_builder *b, const char *name, int64_t d)
{
    char index[32], shape[32], inputs[64];
    snprintf(index, sizeof(index), "%s_index", name);
    snprintf(shape, sizeof(shape), "%s_shape", name);
    snprintf(inputs, sizeof(inputs), "%s %s", shape, index);
    onnx_int(b, index, d);
    onnx_node(b, "Shape", "x", shape);
    onnx_node(b, "Gather", inputs, name);
    onnx_int_attr(b, "axis", 0);
}

/* name = [of], in the opset's form. */
static void as_list(struct onnx_builder *b, int64_t opset, const char *of, const char *name)
{
    char inputs[64], axes[40];
    snprintf(axes, sizeof(axes), "%s_axes", name);
    snprintf(inputs, sizeof(inputs), opset < 13 ? "%s" : "%s %s", of, axes);
    onnx_ints(b, axes, INTS(0));
    onnx_node(b, "Unsqueeze", inputs, name);
    if (opset < 13)
        onnx_ints_attr(b, "axes", INTS(0));
}

/* x.view(x.size(0), -1), and with a number for the rest. */
static void test_flatten_idiom(void **state)
{
    (void)state;
    for (int64_t opset = 9; opset <= 18; opset += 3) {
        for (int form = 0; form < 2; form++) {
            struct onnx_builder b;
            onnx_open(&b, opset);
            onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
            size_of(&b, "n", 0);
            as_list(&b, opset, "n", "n_list");
            onnx_ints(&b, "rest", INTS(form ? -1 : 192));
            onnx_node(&b, "Concat", "n_list rest", "t");
            onnx_int_attr(&b, "axis", 0);
            onnx_node(&b, "Reshape", "x t", "y");
            onnx_output(&b, "y");
            struct onnx_import im = onnx_imported(&b);
            assert_int_equal(im.graph->n_nodes, 1);
            onnx_has_node(&im, 0, TF2_OP_RESHAPE, "y", "1x192");
            onnx_has_batch(&im, 5, "5x192");
            onnx_import_free(&im);
        }
    }
}

/* view(n * 4, -1): the batch is in the first extent, not alone. */
static void test_batch_times_channels(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    size_of(&b, "n", 0);
    onnx_int(&b, "four", 4);
    onnx_node(&b, "Mul", "n four", "n4");
    as_list(&b, 11, "n4", "n_list");
    onnx_ints(&b, "rest", INTS(-1));
    onnx_node(&b, "Concat", "n_list rest", "t");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Reshape", "x t", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_RESHAPE, "y", "4x48");
    onnx_has_batch(&im, 3, "12x48");
    /* What it is not made for does not pass in silence. */
    onnx_has_shape_for(&im, &SHAPE(1, 4, 6, 9), "-");
    onnx_import_free(&im);
}

/* view(n * 4, n, -1) has no form for all batches: it becomes numbers, and another batch is refused. */
static void test_batch_twice(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(2, 4, 6, 8));
    size_of(&b, "n", 0);
    onnx_int(&b, "four", 4);
    onnx_node(&b, "Mul", "n four", "n4");
    as_list(&b, 11, "n4", "n4_list");
    as_list(&b, 11, "n", "n_list");
    onnx_ints(&b, "rest", INTS(-1));
    onnx_node(&b, "Concat", "n4_list n_list rest", "t");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Reshape", "x t", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_RESHAPE, "y", "8x2x24");
    onnx_has_batch(&im, 3, "-");
    onnx_import_free(&im);
}

/* Channel shuffle with every extent taken from x. */
static void test_shuffle_idiom(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    onnx_int(&b, "two", 2);
    onnx_ints(&b, "groups", INTS(2));
    static const char *const sizes[] = {"n", "c", "h", "w"}, *const lists[] = {"nl", "cl", "hl", "wl"};
    for (int d = 0; d < 4; d++)
        size_of(&b, sizes[d], d);
    onnx_node(&b, "Div", "c two", "half");
    for (int d = 0; d < 4; d++)
        as_list(&b, 13, d == 1 ? "half" : sizes[d], lists[d]);
    onnx_node(&b, "Concat", "nl groups cl hl wl", "t");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Reshape", "x t", "split");
    onnx_node(&b, "Transpose", "split", "swapped");
    onnx_ints_attr(&b, "perm", INTS(0, 2, 1, 3, 4));
    onnx_node(&b, "Shape", "x", "back");
    onnx_node(&b, "Reshape", "swapped back", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->n_nodes, 3);
    onnx_has_node(&im, 0, TF2_OP_RESHAPE, "split", "1x2x2x6x8");
    onnx_has_batch(&im, 3, "3x4x6x8");
    onnx_import_free(&im);
}

/* Extents of a size that is computed: [n, c, -1], which any size can take. */
static void test_pixels_idiom(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 12);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    onnx_ints(&b, "hw_index", INTS(2, 3));
    onnx_ints(&b, "nc_index", INTS(0, 1));
    onnx_node(&b, "Shape", "x", "shape");
    onnx_node(&b, "Gather", "shape hw_index", "hw");
    onnx_node(&b, "ReduceProd", "hw", "pixels");
    onnx_int_attr(&b, "keepdims", 1);
    onnx_node(&b, "Gather", "shape nc_index", "nc");
    onnx_node(&b, "Concat", "nc pixels", "t");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Reshape", "x t", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_RESHAPE, "y", "1x4x48");
    onnx_has_shape_for(&im, &SHAPE(3, 4, 10, 12), "3x4x120");
    onnx_import_free(&im);
}

/* interpolate(scale_factor=2) as exporters write it: sizes computed in float and cast back. */
static void test_upsample_idiom(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    onnx_ints(&b, "zero", INTS(0));
    onnx_ints(&b, "two", INTS(2));
    onnx_ints(&b, "four", INTS(4));
    onnx_float(&b, "factor", 2);
    onnx_list(&b, "none", NULL, 0);
    onnx_node(&b, "Shape", "x", "shape");
    onnx_node(&b, "Slice", "shape zero two zero", "nc");
    onnx_node(&b, "Slice", "shape two four zero", "hw");
    onnx_node(&b, "Cast", "hw", "hwf");
    onnx_int_attr(&b, "to", 1);
    onnx_node(&b, "Mul", "hwf factor", "big");
    onnx_node(&b, "Floor", "big", "whole");
    onnx_node(&b, "Cast", "whole", "sizes");
    onnx_int_attr(&b, "to", 7);
    onnx_node(&b, "Concat", "nc sizes", "all");
    onnx_int_attr(&b, "axis", 0);
    onnx_node(&b, "Resize", "x none none all", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_RESIZE, "y", "1x4x12x16");
    onnx_has_shape_for(&im, &SHAPE(3, 4, 10, 9), "3x4x20x18");
    onnx_import_free(&im);
}

/* x[..., : w - 2] with w from the shape counts from the end; so does the end of an equal split. */
static void test_slice_idiom(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    onnx_int(&b, "two", 2);
    onnx_ints(&b, "begin", INTS(1));
    onnx_ints(&b, "axis", INTS(3));
    size_of(&b, "w", 3);
    onnx_node(&b, "Sub", "w two", "end");
    as_list(&b, 11, "end", "end_list");
    onnx_node(&b, "Slice", "x begin end_list axis", "y");
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    has_slice(&im, 0, "y", "1x4x6x5", 3, 1, -2, 1);
    onnx_has_shape_for(&im, &SHAPE(2, 4, 6, 20), "2x4x6x17");
    onnx_import_free(&im);
}

/* expand() writes its target with Equal and Where, and -1 for what stays. On a constant it is computed. */
static void test_expand_idiom(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(-1, 4, 6, 8));
    onnx_ints(&b, "k", INTS(1, 4, 1, -1));
    onnx_int(&b, "minus", -1);
    onnx_floats(&b, "c", DIMS(1, 4, 1, 1), (const float[]){1, 2, 3, 4});
    onnx_node(&b, "Shape", "k", "rank");
    onnx_node(&b, "ConstantOfShape", "rank", "ones");
    const int64_t one = 1;
    onnx_tensor_attr(&b, "value", onnx_tensor(&b, "v", 7, DIMS(1), &one, sizeof(one)));
    onnx_node(&b, "Mul", "ones minus", "negative");
    onnx_node(&b, "Equal", "k negative", "same");
    onnx_node(&b, "Where", "same ones k", "target");
    onnx_node(&b, "Expand", "c target", "wide");
    onnx_node(&b, "Add", "x wide", "a");
    onnx_node(&b, "Expand", "a target", "y"); /* changes nothing */
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->n_nodes, 2);
    const struct tf2__node *node = onnx_has_node(&im, 0, TF2_OP_SCALE, "a", "1x4x6x8");
    assert_memory_equal(
        onnx_has_constant(&im, node, 2, "4"), ((const float[]){1, 2, 3, 4}), 4 * sizeof(float));
    onnx_import_free(&im);
    one_node(&b, 13, "Expand", "x t", DIMS(1, 1, 6));
    onnx_ints(&b, "t", INTS(1, 4, 6));
    im = onnx_imported(&b);
    onnx_has_constant(&im, onnx_has_node(&im, 0, TF2_OP_ELTWISE, "y", "1x4x6"), 1, "1x4x1");
    onnx_has_batch(&im, 3, "3x4x6");
    onnx_import_free(&im);
    one_node(&b, 13, "Expand", "x t", DIMS(1, 2, 6));
    onnx_ints(&b, "t", INTS(1, 4, 6));
    onnx_refused(&b, TF2_ERR_SHAPE, "Expand", "1x2x6 does not broadcast");
}

/* ---- reshape to rows, softmax, reshape back ---- */

/* x [n, 4, h, w] turned to [n, h, w, 4]. back: what the second reshape makes; NULL: the shape before the first one. */
static void open_rows(struct onnx_builder *b, const char *softmax, int64_t axis, const int64_t *back, size_t n)
{
    onnx_open(b, 13);
    onnx_input(b, "x", DIMS(1, 4, 6, 8));
    onnx_node(b, "Transpose", "x", "t");
    onnx_ints_attr(b, "perm", INTS(0, 2, 3, 1));
    onnx_ints(b, "to_rows", INTS(-1, 4));
    onnx_node(b, "Reshape", "t to_rows", "rows");
    onnx_node(b, softmax, "rows", "s");
    if (strstr(softmax, "Softmax"))
        onnx_int_attr(b, "axis", axis);
    if (back)
        onnx_ints(b, "back", back, n);
    else
        onnx_node(b, "Shape", "t", "back");
    onnx_node(b, "Reshape", "s back", "y");
    onnx_output(b, "y");
}

/* It is a softmax over the last dimension, for every batch and size, which the second reshape cannot say. */
static void test_softmax_of_rows(void **state)
{
    static const char *const types[] = {"Softmax", "LogSoftmax"};
    const struct tf2_shape larger = SHAPE(3, 4, 10, 9);
    (void)state;
    for (int form = 0; form < 4; form++) {
        struct onnx_builder b;
        open_rows(&b, types[form % 2], form < 2 ? 1 : -1, NULL, 0);
        struct onnx_import im = onnx_imported(&b);
        const struct tf2__node *node = onnx_has_node(&im, im.graph->n_nodes - 1, TF2_OP_SOFTMAX, "y", "1x6x8x4");
        const struct tf2_softmax_attr *attr = node->attr;
        assert_int_equal(attr->axis, -1);
        assert_int_equal(attr->log, form % 2);
        assert_false(attr->flatten);
        assert_int_equal(im.graph->nodes[im.graph->tensors[node->in[0]].producer].op->id, TF2_OP_TRANSPOSE);
        onnx_has_shape_for(&im, &larger, "3x10x9x4");
        onnx_import_free(&im);
    }
}

/* Over columns, another function, numbers for one size, another shape at the end, other rows: as written. */
static void test_no_softmax_of_rows(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int64_t axis, back[4];
        size_t n;
    } cases[] = {
        {"Softmax", 0, {0}, 0},
        {"Sigmoid", 1, {0}, 0},
        {"Softmax", 1, {1, 6, 8, 4}, 4},
        {"Softmax", 1, {1, 8, 6, 4}, 4},
        {"Softmax", 1, {1, 48, 4}, 3},
    };
    for (size_t i = 0; i < TF2__COUNT(cases); i++) {
        struct onnx_builder b;
        open_rows(&b, cases[i].type, cases[i].axis, cases[i].n ? cases[i].back : NULL, cases[i].n);
        struct onnx_import im = onnx_imported(&b);
        assert_int_equal(im.graph->nodes[im.graph->n_nodes - 1].op->id, TF2_OP_RESHAPE);
        onnx_import_free(&im);
    }
    struct onnx_builder b; /* rows of two pixels */
    open_rows(&b, "Softmax", 1, NULL, 0);
    Tf2__Onnx__TensorProto *rows = b.graph->initializer[0];
    memcpy(rows->raw_data.data, (const int64_t[]){-1, 8}, 2 * sizeof(int64_t));
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(im.graph->nodes[im.graph->n_nodes - 1].op->id, TF2_OP_RESHAPE);
    onnx_import_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),       cmocka_unit_test(test_reshape_refused),
        cmocka_unit_test(test_flatten_idiom), cmocka_unit_test(test_batch_times_channels),
        cmocka_unit_test(test_batch_twice),   cmocka_unit_test(test_shuffle_idiom),
        cmocka_unit_test(test_pixels_idiom),  cmocka_unit_test(test_upsample_idiom),
        cmocka_unit_test(test_slice_idiom),   cmocka_unit_test(test_expand_idiom),
        cmocka_unit_test(test_softmax_of_rows), cmocka_unit_test(test_no_softmax_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
