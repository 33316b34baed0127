/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_onnx_shape.c: what ONNX operators that move data or resize it become in the graph, in their old and
 * new forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "onnx_builder.h"

static void one_node(
    struct onnx_builder *b, int64_t opset, const char *type, const char *inputs, const int64_t *dims,
    size_t n_dims)
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
    assert_int_equal(
        ((const struct tf2_axis_attr *)onnx_has_node(&im, 0, TF2_OP_CONCAT, "y", "1x4x12")->attr)->axis, 2);
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
    im = onnx_imported(&b);
    has_slice(&im, 0, "y.slice", "1x2x5", 1, 0, 2, 1);
    has_slice(&im, 1, "y.slice_1", "1x1x5", 1, 3, 4, 1);
    onnx_has_node(&im, 2, TF2_OP_CONCAT, "y", "1x3x5");
    onnx_import_free(&im);
    one_node(&b, 11, "Gather", "x i", DIMS(0, 6, 5));
    onnx_ints(&b, "i", INTS(5, 5, 4, 2, 0, -6));
    onnx_int_attr(&b, "axis", 1);
    im = onnx_imported(&b);
    has_slice(&im, 0, "y.slice", "1x1x5", 1, 5, 6, 1);
    has_slice(&im, 1, "y.slice_1", "1x2x5", 1, 5, 3, -1);
    has_slice(&im, 2, "y.slice_2", "1x2x5", 1, 2, INT64_MIN, -2);
    has_slice(&im, 3, "y.slice_3", "1x1x5", 1, 0, 1, 1);
    onnx_has_node(&im, 4, TF2_OP_CONCAT, "y", "1x6x5");
    onnx_import_free(&im);
    int64_t many[129]; /* squares, no two steps the same */
    for (int64_t i = 0; i < 129; i++)
        many[i] = i * i % 97;
    one_node(&b, 11, "Gather", "x i", DIMS(0, 97, 5));
    onnx_ints(&b, "i", many, 129);
    onnx_int_attr(&b, "axis", 1);
    onnx_refused(&b, TF2_ERR_UNSUPPORTED, "more than 64 evenly spaced parts");
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
        one_node(
            &b, form == 0 ? 10 : 18, "Pad",
            form == 0   ? "x"
            : form == 1 ? "x p v"
                        : "x q v a",
            DIMS(0, 3, 4, 5));
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
