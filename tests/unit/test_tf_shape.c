/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf_shape.c: what TensorFlow networks compute from shapes, and operators that move data: right at the
 * batch and size of the import, and at others where the file means it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tf_builder.h"

#define SHAPE(...)                                                                                           \
    ((struct tf2_shape){.n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}})

/* A map with its channels first inside: x is [N, 2, 3, 2] and is pooled by one pixel. */
static void open_map(struct tf_builder *b)
{
    tf_open(b);
    tf_placeholder(b, "x", DIMS(-1, 2, 3, 2));
    tf_node(b, "AvgPool", "map", "x");
    tf_ints_attr(b, "ksize", INTS(1, 1, 1, 1));
    tf_ints_attr(b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(b, "padding", "SAME");
}

/* y for x = 0, 1, ... 11. */
static void check(struct tf_builder *b, const char *shape, const float *wanted)
{
    float x[24];
    const float *const in[] = {x};
    struct tf_import im = tf_imported(b);
    for (int i = 0; i < 24; i++)
        x[i] = (float)i;
    tf_gives(&im, 0, in, shape, wanted);
    tf_import_free(&im);
}

static const float ramp[24] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                               12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

/* Flatten as Keras and Slim write it: the batch is taken from the shape. */
static void test_flatten(void **state)
{
    struct tf_builder b;
    const float *const in[] = {ramp};
    (void)state;
    open_map(&b);
    tf_node(&b, "Shape", "s", "map");
    tf_ints(&b, "zero", INTS(0));
    tf_ints(&b, "one", INTS(1));
    tf_node(&b, "StridedSlice", "batch", "s zero one one");
    tf_int_attr(&b, "shrink_axis_mask", 1);
    tf_int(&b, "rest", -1);
    tf_node(&b, "Pack", "shape", "batch rest");
    tf_node(&b, "Reshape", "y", "map shape");
    struct tf_import im = tf_imported(&b);
    tf_gives(&im, 0, in, "1x12", ramp); /* in TensorFlow's order, though the map has its channels first */
    tf_gives(&im, 2, in, "2x12", ramp);
    tf_import_free(&im);
}

/* The extents are the file's, whatever the order inside; sizes that are computed from them follow another
 * size. */
static void test_resize_to_shape(void **state)
{
    struct tf_builder b;
    const struct tf2_named_shape small = {"x", SHAPE(1, 4, 6, 3)};
    const struct tf2_import_options options = {.input_shapes = &small, .n_input_shapes = 1};
    (void)state;
    tf_open(&b);
    tf_placeholder(&b, "x", DIMS(-1, -1, -1, 3));
    tf_node(&b, "MaxPool", "half", "x");
    tf_ints_attr(&b, "ksize", INTS(1, 2, 2, 1));
    tf_ints_attr(&b, "strides", INTS(1, 2, 2, 1));
    tf_string_attr(&b, "padding", "SAME");
    tf_node(&b, "Shape", "s", "half");
    tf_ints(&b, "one", INTS(1));
    tf_ints(&b, "three", INTS(3));
    tf_node(&b, "StridedSlice", "hw", "s one three one");
    tf_int(&b, "two", 2);
    tf_node(&b, "Mul", "size", "hw two");
    tf_node(&b, "ResizeNearestNeighbor", "y", "half size");
    struct tf_import im = tf_imported_with(&b, &options);
    tf_has_shape_for(&im, SHAPE(1, 4, 6, 3), "1x4x6x3");
    tf_has_shape_for(&im, SHAPE(2, 8, 10, 3), "2x8x10x3");
    tf_import_free(&im);
}

static void test_squeeze_and_expand(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b); /* pooled to one pixel: the mean of 0, 2, 4, ... */
    tf_ints(&b, "axes", INTS(1, 2));
    tf_node(&b, "Mean", "mean", "map axes");
    tf_bool_attr(&b, "keep_dims", true);
    tf_node(&b, "Squeeze", "y", "mean");
    tf_ints_attr(&b, "squeeze_dims", INTS(1, 2));
    check(&b, "1x2", (const float[]){5, 6});

    open_map(&b);
    tf_int(&b, "axis", 1);
    tf_node(&b, "ExpandDims", "y", "map axis");
    check(&b, "1x1x2x3x2", ramp);
    open_map(&b);
    tf_int(&b, "axis", -1);
    tf_node(&b, "ExpandDims", "y", "map axis");
    check(&b, "1x2x3x2x1", ramp);
    open_map(&b); /* the batch goes: the order has to be the file's */
    tf_node(&b, "Squeeze", "y", "map");
    check(&b, "2x3x2", ramp);
}

static void test_transpose(void **state)
{
    struct tf_builder b;
    struct tf_import im;
    const float *const in[] = {ramp};
    (void)state;
    /* To NCHW and back: nothing is left but what turns the input and the output. */
    open_map(&b);
    tf_ints(&b, "first", INTS(0, 3, 1, 2));
    tf_ints(&b, "last", INTS(0, 2, 3, 1));
    tf_node(&b, "Transpose", "turned", "map first");
    tf_node(&b, "Relu", "relu", "turned");
    tf_node(&b, "Transpose", "back", "relu last");
    tf_node(&b, "MaxPool", "y", "back");
    tf_ints_attr(&b, "ksize", INTS(1, 1, 1, 1));
    tf_ints_attr(&b, "strides", INTS(1, 1, 1, 1));
    tf_string_attr(&b, "padding", "SAME");
    im = tf_imported(&b);
    tf_gives(&im, 0, in, "1x2x3x2", ramp);
    uint32_t read_twice = 0;
    for (uint32_t i = 0; i < im.graph->n_nodes; i++) /* the pools read what the pool and the Relu made */
        read_twice +=
            im.graph->nodes[i].op->id == TF2_OP_POOL &&
            im.graph->tensors[im.graph->nodes[i].in[0]].producer != TF2__NO_NODE &&
            im.graph->nodes[im.graph->tensors[im.graph->nodes[i].in[0]].producer].op->id == TF2_OP_TRANSPOSE;
    assert_int_equal(read_twice, 1);
    tf_import_free(&im);

    open_map(&b); /* rows and columns swapped */
    tf_ints(&b, "perm", INTS(0, 2, 1, 3));
    tf_node(&b, "Transpose", "y", "map perm");
    check(&b, "1x3x2x2", (const float[]){0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11});
    open_map(&b);
    tf_ints(&b, "perm", INTS(0, 2, 2, 3));
    tf_node(&b, "Transpose", "y", "map perm");
    tf_refused(&b, TF2_ERR_VALUE, "'y' (Transpose)", "no order of 4 dimensions");
}

static void test_concat(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b); /* a map and an input as the file has it, along the channels */
    tf_int(&b, "axis", -1);
    tf_node(&b, "ConcatV2", "y", "map x axis");
    check(&b, "1x2x3x4", (const float[]){0, 1, 0, 1, 2, 3, 2, 3, 4,  5,  4,  5,
                                         6, 7, 6, 7, 8, 9, 8, 9, 10, 11, 10, 11});
    open_map(&b);
    tf_int(&b, "axis", 1);
    tf_node(&b, "Concat", "y", "axis map x");
    float wanted[24];
    for (int i = 0; i < 24; i++)
        wanted[i] = (float)(i % 12);
    check(&b, "1x4x3x2", wanted);
}

static void
strided(struct tf_builder *b, const int64_t *begin, const int64_t *end, const int64_t *step, size_t n)
{
    open_map(b);
    tf_ints(b, "begin", begin, n);
    tf_ints(b, "end", end, n);
    tf_ints(b, "step", step, n);
    tf_node(b, "StridedSlice", "y", "map begin end step");
}

#define V(...) ((const int64_t[]){__VA_ARGS__})

static void test_strided_slice(void **state)
{
    struct tf_builder b;
    (void)state;
    strided(&b, V(0, 0, 2, 0), V(0, 0, 0, 0), V(1, 1, -2, 1), 4); /* [:, :, 2::-2, :] */
    tf_int_attr(&b, "begin_mask", 1 | 2 | 8);
    tf_int_attr(&b, "end_mask", 1 | 2 | 4 | 8);
    check(&b, "1x2x2x2", (const float[]){4, 5, 0, 1, 10, 11, 6, 7});
    strided(&b, V(0, -1, 0), V(0, 0, 0), V(1, 1, 1), 3); /* [:, -1, ...] */
    tf_int_attr(&b, "begin_mask", 1);
    tf_int_attr(&b, "end_mask", 1);
    tf_int_attr(&b, "ellipsis_mask", 4);
    tf_int_attr(&b, "shrink_axis_mask", 2);
    check(&b, "1x3x2", (const float[]){6, 7, 8, 9, 10, 11});
    strided(&b, V(0, 0, 1), V(0, 0, 2), V(1, 1, 1), 3); /* [..., newaxis, 1:2] */
    tf_int_attr(&b, "ellipsis_mask", 1);
    tf_int_attr(&b, "new_axis_mask", 2);
    check(&b, "1x2x3x1x1", (const float[]){1, 3, 5, 7, 9, 11});
    strided(&b, V(0, 5), V(1, 6), V(1, 1), 2);
    tf_int_attr(&b, "shrink_axis_mask", 2);
    tf_refused(&b, TF2_ERR_VALUE, "index 5 of dimension 1");
    strided(&b, V(0, 0), V(1, 1), V(1, 0), 2);
    tf_refused(&b, TF2_ERR_VALUE, "stride 0");
    strided(&b, V(0, 0, 0, 0, 0), V(1, 1, 1, 1, 1), V(1, 1, 1, 1, 1), 5);
    tf_refused(&b, TF2_ERR_SHAPE, "5 indices", "4 dimensions");
}

static void test_slice_and_split(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_ints(&b, "begin", INTS(0, 1, 0, 1));
    tf_ints(&b, "size", INTS(-1, 1, 2, -1));
    tf_node(&b, "Slice", "y", "map begin size");
    check(&b, "1x1x2x1", (const float[]){7, 9});
    open_map(&b);
    tf_ints(&b, "begin", INTS(0, 1, 0, 1));
    tf_ints(&b, "size", INTS(-1, 2, 2, -1));
    tf_node(&b, "Slice", "y", "map begin size");
    tf_refused(&b, TF2_ERR_VALUE, "begin 1 and size 2 of dimension 1");

    open_map(&b); /* the second channel */
    tf_int(&b, "axis", 3);
    tf_node(&b, "Split", "parts", "axis map");
    tf_int_attr(&b, "num_split", 2);
    tf_node(&b, "Relu", "y", "parts:1");
    check(&b, "1x2x3x1", (const float[]){1, 3, 5, 7, 9, 11});
    open_map(&b); /* columns 1 and 2 */
    tf_ints(&b, "sizes", INTS(1, -1));
    tf_int(&b, "axis", 2);
    tf_node(&b, "SplitV", "parts", "map sizes axis");
    tf_node(&b, "Relu", "y", "parts:1");
    check(&b, "1x2x2x2", (const float[]){2, 3, 4, 5, 8, 9, 10, 11});
    open_map(&b); /* rows as tensors of their own, stacked behind */
    tf_node(&b, "Unpack", "rows", "map");
    tf_int_attr(&b, "axis", 1);
    tf_int_attr(&b, "num", 2);
    tf_node(&b, "Pack", "y", "rows:1 rows:0");
    tf_int_attr(&b, "axis", -1);
    check(&b, "1x3x2x2", (const float[]){6, 0, 7, 1, 8, 2, 9, 3, 10, 4, 11, 5});
    open_map(&b);
    tf_int(&b, "axis", 3);
    tf_node(&b, "Split", "parts", "axis map");
    tf_int_attr(&b, "num_split", 3);
    tf_node(&b, "Relu", "y", "parts:1");
    tf_refused(&b, TF2_ERR_UNSUPPORTED, "3 parts of a dimension of 2");
    open_map(&b);
    tf_int(&b, "axis", 3);
    tf_node(&b, "Split", "parts", "axis map");
    tf_int_attr(&b, "num_split", 2);
    tf_node(&b, "Relu", "y", "parts:2");
    tf_refused(&b, TF2_ERR_FORMAT, "output 2");
}

/* Fill, Range, Cast, comparisons and Select on known numbers; lists that repeat their last number. */
static void test_folding(void **state)
{
    struct tf_builder b;
    Tf2__Tf__TensorProto *tensor;
    (void)state;
    open_map(&b);
    tf_int(&b, "from", 0);
    tf_int(&b, "to", 2);
    tf_int(&b, "by", 1);
    tf_node(&b, "Range", "range", "from to by"); /* 0 1 */
    tf_node(&b, "Cast", "numbers", "range");
    tf_type_attr(&b, "DstT", 1);
    tf_ints(&b, "two", INTS(2));
    tf_float(&b, "ten", 10);
    tf_node(&b, "Fill", "tens", "two ten"); /* 10 10 */
    tf_float(&b, "half", 0.5f);
    tf_node(&b, "Less", "less", "numbers half");          /* true false */
    tf_node(&b, "Select", "chosen", "less tens numbers"); /* 10 1 */
    tensor = tf_tensor(&b, "hundreds", 1, DIMS(2));       /* 100 100 */
    tensor->float_val = (float[]){100};
    tensor->n_float_val = 1;
    tensor = tf_tensor(&b, "zeros", 1, DIMS(2)); /* without any numbers */
    (void)tensor;
    tf_node(&b, "AddV2", "sum", "chosen hundreds");
    tf_node(&b, "AddV2", "term", "sum zeros");
    tf_node(&b, "AddV2", "y", "map term"); /* + 110, + 101 */
    float wanted[12];
    for (int i = 0; i < 12; i++)
        wanted[i] = (float)i + (i % 2 ? 101 : 110);
    check(&b, "1x2x3x2", wanted);
}

/* A known tensor and data are repeated; nearest upsampling as Keras 3 writes it. */
static void test_tile(void **state)
{
    struct tf_builder b;
    (void)state;
    open_map(&b);
    tf_int(&b, "axis", 3);
    tf_node(&b, "ExpandDims", "lifted", "map axis");
    tf_ints(&b, "multiples", INTS(1, 1, 1, 2, 1));
    tf_node(&b, "Tile", "twice", "lifted multiples");
    tf_ints(&b, "shape", INTS(-1, 2, 6, 2));
    tf_node(&b, "Reshape", "y", "twice shape");
    float wanted[24];
    for (int i = 0; i < 24; i++)
        wanted[i] = (float)(i / 4 * 2 + i % 2);
    check(&b, "1x2x6x2", wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_resize_to_shape),
        cmocka_unit_test(test_squeeze_and_expand),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_strided_slice),
        cmocka_unit_test(test_slice_and_split),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
