/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_shape.c: ONNX operators that move data, what exporters compute from shapes, and whether a network that
 * was imported for one batch and size still means the same for others.
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
    ((struct tf2_shape){                                                                                     \
        .n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims, size_t n_dims)
{
    onnx_open(b, opset);
    onnx_input(b, "x", dims, n_dims);
    onnx_node(b, type, inputs, "y");
    onnx_output(b, "y");
}

/* ---- movers ---- */

static void test_concat(void **state)
{
    (void)state;
    struct onnx_builder b;
    char names[512] = "";
    one_node(&b, 13, "Concat", "x z x", DIMS(0, 4, 5));
    onnx_input(&b, "z", DIMS(0, 4, 2));
    onnx_int_attr(&b, "axis", -1);
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(((const struct tf2_axis_attr *)onnx_has_node(&im, 0, TF2_OP_CONCAT, "y", "1x4x12")->attr)->axis, 2);
    onnx_import_free(&im);
    for (int i = 0; i < 70; i++)
        strcat(names, "x ");
    one_node(&b, 13, "Concat", names, DIMS(0, 4, 5));
    onnx_int_attr(&b, "axis", 1);
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_CONCAT, "y.part", "1x256x5");
    onnx_has_node(&im, 1, TF2_OP_CONCAT, "y", "1x280x5");
    onnx_import_free(&im);
    one_node(&b, 13, "Concat", "x x", DIMS(0, 4, 5));
    onnx_refused(&b, TF2_ERR_FORMAT, "axis is missing");
}

static void has_slice(
    const struct onnx_import *im, uint32_t i, const char *name, const char *shape, uint32_t axis, int64_t begin,
    int64_t end, int64_t step)
{
    const struct tf2_slice_attr *attr = onnx_has_node(im, i, TF2_OP_SLICE, name, shape)->attr;
    assert_int_equal(attr->begin[axis], begin);
    assert_int_equal(attr->end[axis], end);
    assert_int_equal(attr->step[axis], step);
    for (uint32_t d = 0; d < attr->n_dims; d++)
        assert_true(d == axis || (attr->begin[d] == 0 && attr->end[d] == INT64_MAX));
}

static void test_split(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int form = 0; form < 2; form++) {
        onnx_open(&b, form ? 13 : 11);
        onnx_input(&b, "x", DIMS(0, 6, 5));
        onnx_node(&b, "Split", form ? "x sizes" : "x", "p q r");
        onnx_int_attr(&b, "axis", 1);
        if (form)
            onnx_ints(&b, "sizes", INTS(1, 2, 3));
        else
            onnx_ints_attr(&b, "split", INTS(1, 2, 3));
        onnx_output(&b, "p");
        onnx_output(&b, "r");
        struct onnx_import im = onnx_imported(&b);
        assert_int_equal(im.graph->n_nodes, 2); /* nobody reads q */
        has_slice(&im, 0, "p", "1x1x5", 1, 0, 1, 1);
        has_slice(&im, 1, "r", "1x3x5", 1, 3, 6, 1);
        onnx_has_batch(&im, 4, "4x1x5");
        onnx_import_free(&im);
    }
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(0, 6, 5));
    onnx_node(&b, "Split", "x", "p q r");
    onnx_int_attr(&b, "axis", 1);
    onnx_output(&b, "q");
    struct onnx_import im = onnx_imported(&b);
    has_slice(&im, 0, "q", "1x2x5", 1, 2, 4, 1);
    onnx_import_free(&im);
}

static void test_split_refused(void **state)
{
    (void)state;
    struct onnx_builder b;
    onnx_open(&b, 11);
    onnx_input(&b, "x", DIMS(0, 5));
    onnx_node(&b, "Split", "x", "p y");
    onnx_int_attr(&b, "axis", 1);
    onnx_output(&b, "y");
    onnx_refused(&b, TF2_ERR_SHAPE, "5 elements", "2 equal parts");
    onnx_open(&b, 18);
    onnx_input(&b, "x", DIMS(0, 5));
    onnx_node(&b, "Split", "x", "p y");
    onnx_int_attr(&b, "axis", 1);
    onnx_int_attr(&b, "num_outputs", 2);
    onnx_output(&b, "y");
    struct onnx_import im = onnx_imported(&b);
    has_slice(&im, 0, "y", "1x2", 1, 3, 5, 1);
    onnx_import_free(&im);
    onnx_open(&b, 13);
    onnx_input(&b, "x", DIMS(0, 5));
    onnx_ints(&b, "sizes", INTS(2, 2));
    onnx_node(&b, "Split", "x sizes", "p y");
    onnx_int_attr(&b, "axis", 1);
    onnx_output(&b, "y");
    onnx_refused(&b, TF2_ERR_SHAPE, "sum up to 4");
}

static void test_slice(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 9, "Slice", "x", DIMS(0, 6, 5));
    onnx_ints_attr(&b, "starts", INTS(1));
    onnx_ints_attr(&b, "ends", INTS(INT64_MAX));
    onnx_ints_attr(&b, "axes", INTS(2));
    struct onnx_import im = onnx_imported(&b);
    has_slice(&im, 0, "y", "1x6x4", 2, 1, INT64_MAX, 1);
    onnx_import_free(&im);
    one_node(&b, 10, "Slice", "x s e a t", DIMS(0, 6, 5));
    onnx_ints(&b, "s", INTS(-1));
    onnx_ints(&b, "e", INTS(INT64_MIN));
    onnx_ints(&b, "a", INTS(-2));
    onnx_ints(&b, "t", INTS(-2));
    im = onnx_imported(&b);
    has_slice(&im, 0, "y", "1x3x5", 1, -1, INT64_MIN, -2);
    onnx_import_free(&im);
    one_node(&b, 10, "Slice", "x s e a t", DIMS(0, 6, 5));
    onnx_ints(&b, "s", INTS(0));
    onnx_ints(&b, "e", INTS(9));
    onnx_ints(&b, "a", INTS(1));
    onnx_ints(&b, "t", INTS(0));
    onnx_refused(&b, TF2_ERR_FORMAT, "step 0");
    one_node(&b, 10, "Slice", "x s e", DIMS(0, 6, 5));
    onnx_ints(&b, "s", INTS(0, 1));
    onnx_ints(&b, "e", INTS(9));
    onnx_refused(&b, TF2_ERR_FORMAT, "2 starts, 1 ends");
    one_node(&b, 10, "Slice", "x s s", DIMS(0, 6, 5));
    onnx_ints(&b, "s", INTS(1));
    onnx_refused(&b, TF2_ERR_SHAPE, "nothing is left");
}

static void test_gather(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Gather", "x i", DIMS(0, 6, 5));
    onnx_int(&b, "i", -1);
    onnx_int_attr(&b, "axis", 1);
    struct onnx_import im = onnx_imported(&b);
    has_slice(&im, 0, "y.slice", "1x1x5", 1, -1, INT64_MAX, 1);
    onnx_has_node(&im, 1, TF2_OP_SQUEEZE, "y", "1x5");
    onnx_import_free(&im);
    one_node(&b, 11, "Gather", "x i", DIMS(0, 6, 5));
    onnx_ints(&b, "i", INTS(4, 2, 0));
    onnx_int_attr(&b, "axis", 1);
    im = onnx_imported(&b);
    has_slice(&im, 0, "y", "1x3x5", 1, 4, INT64_MIN, -2);
    onnx_import_free(&im);
    one_node(&b, 11, "Gather", "x i", DIMS(0, 6, 5));
    onnx_ints(&b, "i", INTS(0, 1, 3));
    onnx_int_attr(&b, "axis", 1);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "evenly spaced");
    one_node(&b, 11, "Gather", "x i", DIMS(0, 6, 5));
    onnx_ints(&b, "i", INTS(6));
    onnx_int_attr(&b, "axis", 1);
    onnx_refused(&b, TF2_ERR_VALUE, "index 6 of 6");
}

static void test_squeeze_unsqueeze(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int form = 0; form < 2; form++) {
        onnx_open(&b, form ? 13 : 11);
        onnx_input(&b, "x", DIMS(0, 6, 5));
        onnx_node(&b, "Unsqueeze", form ? "x u" : "x", "a");
        if (!form)
            onnx_ints_attr(&b, "axes", INTS(1, -1));
        onnx_node(&b, "Squeeze", form ? "a s" : "a", "y");
        if (!form)
            onnx_ints_attr(&b, "axes", INTS(-1));
        onnx_ints(&b, "u", INTS(1, -1));
        onnx_ints(&b, "s", INTS(-1));
        onnx_output(&b, "y");
        struct onnx_import im = onnx_imported(&b);
        onnx_has_node(&im, 0, TF2_OP_UNSQUEEZE, "a", "1x1x6x5x1");
        onnx_has_node(&im, 1, TF2_OP_SQUEEZE, "y", "1x1x6x5");
        onnx_import_free(&im);
    }
    /* Without axes: what is 1 now, and only that. A batch of 1 goes too, so no other batch is possible. */
    one_node(&b, 11, "Squeeze", "x", DIMS(1, 6, 1, 1));
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_SQUEEZE, "y", "6");
    onnx_has_batch(&im, 2, "-");
    onnx_import_free(&im);
    one_node(&b, 11, "Squeeze", "x", DIMS(2, 6));
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_IDENTITY, "y", "2x6");
    onnx_import_free(&im);
    one_node(&b, 11, "Unsqueeze", "x", DIMS(2, 6));
    onnx_ints_attr(&b, "axes", INTS(1, 1));
    onnx_refused(&b, TF2_ERR_FORMAT, "listed twice");
}

static void test_transpose_flatten(void **state)
{
    (void)state;
    struct onnx_builder b;
    one_node(&b, 11, "Transpose", "x", DIMS(2, 3, 4, 5));
    struct onnx_import im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_TRANSPOSE, "y", "5x4x3x2");
    onnx_import_free(&im);
    one_node(&b, 11, "Transpose", "x", DIMS(2, 3, 4, 5));
    onnx_ints_attr(&b, "perm", INTS(0, 2, 3, 1));
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_TRANSPOSE, "y", "2x4x5x3");
    onnx_import_free(&im);
    one_node(&b, 11, "Transpose", "x", DIMS(2, 3, 4, 5));
    onnx_ints_attr(&b, "perm", INTS(0, 1));
    onnx_refused(&b, TF2_ERR_SHAPE, "perm has 2");
    static const int64_t axes[] = {0, 1, 3, -1};
    static const char *const shapes[] = {"1x60", "1x60", "12x5", "12x5"};
    for (size_t i = 0; i < TF2__COUNT(axes); i++) {
        one_node(&b, 11, "Flatten", "x", DIMS(1, 3, 4, 5));
        onnx_int_attr(&b, "axis", axes[i]);
        im = onnx_imported(&b);
        onnx_has_node(&im, 0, TF2_OP_FLATTEN, "y", shapes[i]);
        onnx_import_free(&im);
    }
}

static void test_pad(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int form = 0; form < 3; form++) {
        one_node(&b, form == 0 ? 10 : 18, "Pad", form == 0 ? "x" : form == 1 ? "x p v" : "x q v a", DIMS(0, 3, 4, 5));
        if (form == 0) {
            onnx_ints_attr(&b, "pads", INTS(0, 0, 1, 0, 0, 0, 2, 3));
            onnx_float_attr(&b, "value", 1.5f);
        }
        onnx_ints(&b, "p", INTS(0, 0, 1, 0, 0, 0, 2, 3));
        onnx_ints(&b, "q", INTS(0, 1, 3, 2));
        onnx_ints(&b, "a", INTS(-1, 2));
        onnx_float(&b, "v", 1.5f);
        struct onnx_import im = onnx_imported(&b);
        const struct tf2_pad_attr *attr = onnx_has_node(&im, 0, TF2_OP_PAD, "y", "1x3x7x8")->attr;
        assert_true(attr->value == 1.5f && attr->mode == TF2_PAD_CONSTANT);
        assert_memory_equal(attr->begin, ((const int64_t[]){0, 0, 1, 0}), 4 * sizeof(int64_t));
        assert_memory_equal(attr->end, ((const int64_t[]){0, 0, 2, 3}), 4 * sizeof(int64_t));
        onnx_import_free(&im);
    }
    one_node(&b, 10, "Pad", "x", DIMS(0, 3, 4, 5));
    onnx_ints_attr(&b, "pads", INTS(0, 0, 1, 0, 0, 0, 2, 3));
    onnx_string_attr(&b, "mode", "edge");
    struct onnx_import im = onnx_imported(&b);
    assert_int_equal(((const struct tf2_pad_attr *)im.graph->nodes[0].attr)->mode, TF2_PAD_EDGE);
    onnx_import_free(&im);
    one_node(&b, 19, "Pad", "x p", DIMS(0, 3, 4, 5));
    onnx_ints(&b, "p", INTS(0, 0, 1, 0, 0, 0, 2, 3));
    onnx_string_attr(&b, "mode", "wrap");
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "mode 'wrap'");
    one_node(&b, 10, "Pad", "x", DIMS(0, 3, 4, 5));
    onnx_ints_attr(&b, "pads", INTS(0, 0, 1));
    onnx_refused(&b, TF2_ERR_SHAPE, "pads has 3 numbers, wanted 8");
}

/* ---- resizing ---- */

static void test_upsample(void **state)
{
    (void)state;
    struct onnx_builder b;
    for (int64_t opset = 7; opset <= 10; opset++) {
        one_node(&b, opset, opset == 10 ? "Resize" : "Upsample", opset < 9 ? "x" : "x s", DIMS(0, 3, 4, 5));
        onnx_string_attr(&b, "mode", opset & 1 ? "linear" : "nearest");
        if (opset < 9)
            onnx_floats_attr(&b, "scales", FLOATS(1, 1, 2, 3));
        onnx_list(&b, "s", FLOATS(1, 1, 2, 3));
        struct onnx_import im = onnx_imported(&b);
        const struct tf2_resize_attr *attr = onnx_has_node(&im, 0, TF2_OP_RESIZE, "y", "1x3x8x15")->attr;
        assert_int_equal(attr->mode, opset & 1 ? TF2_RESIZE_LINEAR : TF2_RESIZE_NEAREST);
        assert_int_equal(attr->coordinates, TF2_RESIZE_ASYMMETRIC);
        assert_int_equal(attr->nearest, TF2_RESIZE_FLOOR);
        assert_true(attr->scale[0] == 2 && attr->scale[1] == 3);
        onnx_import_free(&im);
    }
    one_node(&b, 9, "Upsample", "x s", DIMS(0, 3, 4, 5));
    onnx_list(&b, "s", FLOATS(1, 2, 2, 3));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "only spatial", "dimension 1");
    one_node(&b, 10, "Upsample", "x s", DIMS(0, 3, 4, 5));
    onnx_list(&b, "s", FLOATS(1, 1, 2, 3));
    onnx_refused(&b, TF2_ERR_FORMAT, "opset 10", "9 was the last");
    one_node(&b, 10, "Resize", "x s", DIMS(0, 3, 8, 8));
    onnx_list(&b, "s", FLOATS(1, 1, 0.6f, 0.6f));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "which pixel");
}

static void test_resize(void **state)
{
    (void)state;
    struct onnx_builder b;
    struct onnx_import im;
    static const char *const words[] = {
        "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    for (size_t i = 0; i < TF2__COUNT(words); i++) {
        one_node(&b, 11, "Resize", "x roi none sizes", DIMS(0, 3, 4, 5));
        onnx_list(&b, "roi", NULL, 0);
        onnx_list(&b, "none", NULL, 0);
        onnx_ints(&b, "sizes", INTS(1, 3, 6, 7));
        onnx_string_attr(&b, "coordinate_transformation_mode", words[i]);
        onnx_string_attr(&b, "nearest_mode", nearest[i % 4]);
        im = onnx_imported(&b);
        const struct tf2_resize_attr *attr = onnx_has_node(&im, 0, TF2_OP_RESIZE, "y", "1x3x6x7")->attr;
        assert_int_equal(attr->coordinates, i);
        assert_int_equal(attr->nearest, i % 4);
        assert_true(attr->size[0] == 6 && attr->size[1] == 7);
        onnx_has_batch(&im, 2, "2x3x6x7");
        onnx_import_free(&im);
    }
    one_node(&b, 18, "Resize", "x - s", DIMS(0, 3, 4, 5));
    onnx_list(&b, "s", FLOATS(2, 0.5f));
    onnx_ints_attr(&b, "axes", INTS(3, 2));
    onnx_string_attr(&b, "mode", "linear");
    im = onnx_imported(&b);
    onnx_has_node(&im, 0, TF2_OP_RESIZE, "y", "1x3x2x10");
    onnx_import_free(&im);
}

static void test_resize_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *words;
    } rows[] = {
        {"mode", "cubic", "mode 'cubic'"},
        {"coordinate_transformation_mode", "tf_crop_and_resize", "tf_crop_and_resize"},
        {"keep_aspect_ratio_policy", "not_larger", "not_larger"},
        {"antialias", NULL, "antialias"},
        {"exclude_outside", NULL, "exclude_outside"},
        {"wrong", NULL, "attribute 'wrong'"},
    };
    struct onnx_builder b;
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        one_node(&b, 18, "Resize", "x - s", DIMS(0, 3, 4, 5));
        onnx_list(&b, "s", FLOATS(1, 1, 2, 2));
        if (rows[i].value)
            onnx_string_attr(&b, rows[i].name, rows[i].value);
        else
            onnx_int_attr(&b, rows[i].name, 1);
        onnx_refused(&b, TF2_ERR_UNSUPPORTED, rows[i].words, "'y' (Resize)");
    }
    one_node(&b, 13, "Resize", "x", DIMS(0, 3, 4, 5));
    onnx_refused(&b, TF2_ERR_FORMAT, "either scales or sizes");
    one_node(&b, 13, "Resize", "x - - z", DIMS(0, 3, 4, 5));
    onnx_ints(&b, "z", INTS(1, 3, 6));
    onnx_refused(&b, TF2_ERR_SHAPE, "3 scales or sizes, wanted 4");
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
    /* The file leaves the batch open and puts what is left elsewhere: that is what ONNX does with a batch of 3. */
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
    assert_memory_equal(onnx_has_constant(&im, node, 2, "4"), ((const float[]){1, 2, 3, 4}), 4 * sizeof(float));
    onnx_import_free(&im);
    one_node(&b, 13, "Expand", "x t", DIMS(1, 1, 6));
    onnx_ints(&b, "t", INTS(1, 4, 6));
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "Expand", "only supported on constants");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_refused),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_squeeze_unsqueeze),
        cmocka_unit_test(test_transpose_flatten),
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_refused),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_reshape_refused),
        cmocka_unit_test(test_flatten_idiom),
        cmocka_unit_test(test_batch_times_channels),
        cmocka_unit_test(test_shuffle_idiom),
        cmocka_unit_test(test_pixels_idiom),
        cmocka_unit_test(test_upsample_idiom),
        cmocka_unit_test(test_slice_idiom),
        cmocka_unit_test(test_expand_idiom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
