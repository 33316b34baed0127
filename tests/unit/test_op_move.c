/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_move.c: the operators that only move elements (reshape and its relatives, concat, slice, transpose,
 * pad), and resize.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops.h"

static const float counting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Runs an operator that keeps all elements in order. */
static void expect_same_order(enum tf2_op id, const void *attr, struct tf2_shape in, struct tf2_shape out)
{
    uint64_t state = 9;
    struct ops_tensor x = ops_noise(in, &state), copy = ops_values(in, x.block);
    ops_expect(id, attr, &copy, 1, out, x.block, 0);
    ops_free(&x);
}

static void identity_dropout_flatten(void **unused)
{
    struct tf2_no_attr none = {0};
    struct tf2_axis_attr axis = {.axis = 1};
    (void)unused;
    expect_same_order(TF2_OP_IDENTITY, &none, SHAPE(2, 3, 4), SHAPE(2, 3, 4));
    expect_same_order(TF2_OP_DROPOUT, &none, SCALAR, SCALAR);
    expect_same_order(TF2_OP_FLATTEN, &axis, SHAPE(2, 3, 4), SHAPE(2, 12));
    axis.axis = 0;
    expect_same_order(TF2_OP_FLATTEN, &axis, SHAPE(2, 3, 4), SHAPE(1, 24));
    expect_same_order(TF2_OP_FLATTEN, &axis, SCALAR, SHAPE(1, 1));
    axis.axis = 3;
    expect_same_order(TF2_OP_FLATTEN, &axis, SHAPE(2, 3, 4), SHAPE(24, 1));
    axis.axis = -1;
    expect_same_order(TF2_OP_FLATTEN, &axis, SHAPE(2, 3, 4), SHAPE(6, 4));
}

static void reshape(void **unused)
{
    struct tf2_reshape_attr attr = {.n_dims = 2, .dim = {0, -1}};
    (void)unused;
    expect_same_order(TF2_OP_RESHAPE, &attr, SHAPE(2, 3, 4), SHAPE(2, 12));
    attr = (struct tf2_reshape_attr){.n_dims = 4, .dim = {-1, 2, 3, 1}};
    expect_same_order(TF2_OP_RESHAPE, &attr, SHAPE(2, 3, 4), SHAPE(4, 2, 3, 1));
    attr = (struct tf2_reshape_attr){.n_dims = 1, .dim = {24}};
    expect_same_order(TF2_OP_RESHAPE, &attr, SHAPE(2, 3, 4), SHAPE(24));
    attr.n_dims = 0;
    expect_same_order(TF2_OP_RESHAPE, &attr, SHAPE(1, 1), SCALAR);
}

static void squeeze(void **unused)
{
    struct tf2_axes_attr attr = {0};
    (void)unused;
    expect_same_order(TF2_OP_SQUEEZE, &attr, SHAPE(1, 3, 1, 4), SHAPE(3, 4));
    expect_same_order(TF2_OP_SQUEEZE, &attr, SHAPE(1, 1), SCALAR);
    attr.axes = 1 << 2;
    expect_same_order(TF2_OP_SQUEEZE, &attr, SHAPE(1, 3, 1, 4), SHAPE(1, 3, 4));
    attr.axes = 1 << 0 | 1 << 3;
    expect_same_order(TF2_OP_UNSQUEEZE, &attr, SHAPE(3, 4), SHAPE(1, 3, 4, 1));
    attr.axes = 0xff;
    expect_same_order(TF2_OP_UNSQUEEZE, &attr, SCALAR, SHAPE(1, 1, 1, 1, 1, 1, 1, 1));
}

static void transpose(void **unused)
{
    struct tf2_transpose_attr attr = {.n_dims = 2, .perm = {1, 0}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(2, 3), counting);
    ops_expect(TF2_OP_TRANSPOSE, &attr, &in, 1, SHAPE(3, 2), (float[]){0, 3, 1, 4, 2, 5}, 0);
    attr = (struct tf2_transpose_attr){.n_dims = 3, .perm = {2, 0, 1}};
    in = ops_values(SHAPE(2, 3, 2), counting);
    ops_expect(
        TF2_OP_TRANSPOSE, &attr, &in, 1, SHAPE(2, 2, 3), (float[]){0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}, 0);
    attr.n_dims = 0;
    expect_same_order(TF2_OP_TRANSPOSE, &attr, SCALAR, SCALAR);
}

static void concat(void **unused)
{
    struct tf2_axis_attr attr = {.axis = 1};
    (void)unused;
    struct ops_tensor in[3] = {
        ops_values(SHAPE(2, 1, 2), (float[]){0, 1, 2, 3}),
        ops_values(SHAPE(2, 2, 2), (float[]){10, 11, 12, 13, 14, 15, 16, 17}),
        ops_values(SHAPE(2, 1, 2), (float[]){20, 21, 22, 23})};
    ops_expect(
        TF2_OP_CONCAT, &attr, in, 3, SHAPE(2, 4, 2),
        (float[]){0, 1, 10, 11, 12, 13, 20, 21, 2, 3, 14, 15, 16, 17, 22, 23}, 0);
    attr.axis = -1;
    in[0] = ops_values(SHAPE(3), counting);
    in[1] = ops_values(SHAPE(2), counting);
    ops_expect(TF2_OP_CONCAT, &attr, in, 2, SHAPE(5), (float[]){0, 1, 2, 0, 1}, 0);
    expect_same_order(TF2_OP_CONCAT, &attr, SHAPE(2, 3), SHAPE(2, 3));
}

struct slice_case {
    int64_t begin, end, step;
    int64_t count;
    float wanted[6];
};

/* Of 0 1 2 3 4 5. */
static const struct slice_case slice_cases[] = {
    {0, INT64_MAX, 0, 6, {0, 1, 2, 3, 4, 5}},
    {1, 4, 1, 3, {1, 2, 3}},
    {0, 100, 2, 3, {0, 2, 4}},
    {-2, INT64_MAX, 1, 2, {4, 5}},
    {INT64_MIN, -3, 1, 3, {0, 1, 2}},
    {5, INT64_MIN, -1, 6, {5, 4, 3, 2, 1, 0}},
    {INT64_MAX, 0, -2, 3, {5, 3, 1}},
    {-1, -100, -4, 2, {5, 1}},
    {-100, INT64_MIN, -1, 1, {0}}, /* begin is clamped to the first element (ONNX; NumPy takes nothing) */
    {3, INT64_MAX, INT64_MAX, 1, {3}},
    {3, INT64_MIN, INT64_MIN, 1, {3}},
    {0, 0, 1, 0, {0}},
    {4, 2, 1, 0, {0}},
    {6, INT64_MAX, 1, 0, {0}},
    {0, INT64_MAX, -1, 0, {0}},
    {2, -4, -1, 0, {0}},
};

static void slice(void **unused)
{
    struct tf2_shape six = SHAPE(6);
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(slice_cases); i++) {
        const struct slice_case *c = &slice_cases[i];
        struct tf2_slice_attr attr = {.n_dims = 1, .begin = {c->begin}, .end = {c->end}, .step = {c->step}};
        if (c->count == 0) {
            ops_expect_status(TF2_OP_SLICE, &attr, &six, 1, TF2_ERR_SHAPE, "nothing left");
            continue;
        }
        struct ops_tensor in = ops_values(six, counting);
        ops_expect(TF2_OP_SLICE, &attr, &in, 1, SHAPE(c->count), c->wanted, 0);
    }
    struct tf2_slice_attr attr = {
        .n_dims = 2, .begin = {0, -1}, .end = {INT64_MAX, INT64_MIN}, .step = {2, -2}};
    struct ops_tensor in = ops_values(SHAPE(3, 4), counting);
    ops_expect(TF2_OP_SLICE, &attr, &in, 1, SHAPE(2, 2), (float[]){3, 1, 11, 9}, 0);
}

static void pad(void **unused)
{
    struct tf2_pad_attr attr = {.n_dims = 1, .value = 9, .begin = {2}, .end = {1}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(3), counting);
    ops_expect(TF2_OP_PAD, &attr, &in, 1, SHAPE(6), (float[]){9, 9, 0, 1, 2, 9}, 0);
    attr.mode = TF2_PAD_REFLECT;
    in = ops_values(SHAPE(3), counting);
    ops_expect(TF2_OP_PAD, &attr, &in, 1, SHAPE(6), (float[]){2, 1, 0, 1, 2, 1}, 0);
    attr.mode = TF2_PAD_EDGE;
    attr.end[0] = 4; /* an edge may repeat beyond the extent */
    in = ops_values(SHAPE(3), counting);
    ops_expect(TF2_OP_PAD, &attr, &in, 1, SHAPE(9), (float[]){0, 0, 0, 1, 2, 2, 2, 2, 2}, 0);
    attr = (struct tf2_pad_attr){.n_dims = 2, .value = -HUGE_VALF, .begin = {-1, 1}, .end = {0, -2}};
    in = ops_values(SHAPE(2, 4), counting);
    ops_expect(TF2_OP_PAD, &attr, &in, 1, SHAPE(1, 3), (float[]){-HUGE_VALF, 4, 5}, 0);
}

#define HALF    TF2_RESIZE_HALF_PIXEL
#define PYTORCH TF2_RESIZE_PYTORCH_HALF_PIXEL
#define ALIGN   TF2_RESIZE_ALIGN_CORNERS
#define ASYM    TF2_RESIZE_ASYMMETRIC
#define TF_HALF TF2_RESIZE_TF_HALF_PIXEL

struct resize_case {
    enum tf2_resize_coordinates coordinates;
    enum tf2_resize_nearest nearest;
    int64_t out;
    float wanted[7];
};

/* Of 1 2 4 8, by onnxruntime 1.20.1; tf_half_pixel, which it has no more, by hand: coordinates 2/7, 6/7, ...
 */
static const struct resize_case linear_cases[] = {
    {HALF, 0, 7, {1, 1.357143f, 1.928571f, 3, 4.285714f, 6.571428f, 8}},
    {HALF, 0, 3, {1.166667f, 3, 7.333333f}},
    {HALF, 0, 1, {3}},
    {PYTORCH, 0, 7, {1, 1.357143f, 1.928571f, 3, 4.285714f, 6.571428f, 8}},
    {PYTORCH, 0, 1, {1}},
    {ALIGN, 0, 7, {1, 1.5f, 2, 3, 4, 6, 8}},
    {ALIGN, 0, 1, {1}},
    {ASYM, 0, 7, {1, 1.571429f, 2.285714f, 3.428572f, 5.142858f, 7.428572f, 8}},
    {ASYM, 0, 3, {1, 2.666667f, 6.666667f}},
    {TF_HALF, 0, 7, {1.285714f, 1.857143f, 2.857143f, 4, 6.285714f, 8, 8}},
};

static const struct resize_case nearest_cases[] = {
    {HALF, TF2_RESIZE_ROUND_PREFER_FLOOR, 7, {1, 1, 2, 2, 4, 8, 8}},
    {HALF, TF2_RESIZE_ROUND_PREFER_CEIL, 7, {1, 1, 2, 4, 4, 8, 8}},
    {HALF, TF2_RESIZE_FLOOR, 7, {1, 1, 1, 2, 4, 4, 8}},
    {HALF, TF2_RESIZE_CEIL, 7, {1, 2, 2, 4, 8, 8, 8}},
    {HALF, TF2_RESIZE_ROUND_PREFER_FLOOR, 3, {1, 2, 8}},
    {HALF, TF2_RESIZE_ROUND_PREFER_CEIL, 3, {1, 4, 8}},
    {HALF, TF2_RESIZE_CEIL, 3, {2, 4, 8}},
    {ALIGN, TF2_RESIZE_ROUND_PREFER_FLOOR, 7, {1, 1, 2, 2, 4, 4, 8}},
    {ALIGN, TF2_RESIZE_ROUND_PREFER_CEIL, 7, {1, 2, 2, 4, 4, 8, 8}},
    {ASYM, TF2_RESIZE_FLOOR, 7, {1, 1, 2, 2, 4, 4, 8}},
    {ASYM, TF2_RESIZE_CEIL, 7, {1, 2, 4, 4, 8, 8, 8}},
    {ASYM, TF2_RESIZE_FLOOR, 3, {1, 2, 4}},
    {TF_HALF, TF2_RESIZE_FLOOR, 3, {1, 4, 8}},
};

static void expect_resize(enum tf2_resize_mode mode, const struct resize_case *c)
{
    struct tf2_resize_attr attr = {
        .mode = mode, .coordinates = c->coordinates, .nearest = c->nearest, .size = {c->out}, .scale = {NAN}};
    struct ops_tensor in = ops_values(SHAPE(1, 1, 4), (float[]){1, 2, 4, 8});
    ops_expect(TF2_OP_RESIZE, &attr, &in, 1, SHAPE(1, 1, c->out), c->wanted, 1e-6);
}

static void resize(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(linear_cases); i++)
        expect_resize(TF2_RESIZE_LINEAR, &linear_cases[i]);
    for (size_t i = 0; i < TF2__COUNT(nearest_cases); i++)
        expect_resize(TF2_RESIZE_NEAREST, &nearest_cases[i]);

    /* Two channels, the second is the first plus 10; scales 1.5 and 2. */
    struct tf2_resize_attr attr = {.mode = TF2_RESIZE_LINEAR, .scale = {1.5f, 2}};
    struct ops_tensor in = ops_values(SHAPE(1, 2, 2, 2), (float[]){1, 2, 3, 4, 11, 12, 13, 14});
    ops_expect(
        TF2_OP_RESIZE, &attr, &in, 1, SHAPE(1, 2, 3, 4),
        (float[]){1,  1.25f,  1.75f,  2,  2,  2.25f,  2.75f,  3,  3,  3.25f,  3.75f,  4,
                  11, 11.25f, 11.75f, 12, 12, 12.25f, 12.75f, 13, 13, 13.25f, 13.75f, 14},
        1e-6);
}

/* Scales that no float hits: 0.7 * 10 makes 7, and pixel 1 / (1/3) is 3. Coordinates use the scale given, not
 * the ratio of the extents: 2.5 * 3 makes 7 pixels, the last at 6 / 2.5. */
static void resize_scales(void **unused)
{
    struct tf2_resize_attr attr = {
        .coordinates = TF2_RESIZE_ASYMMETRIC, .nearest = TF2_RESIZE_FLOOR, .scale = {0.7f}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 1, 10), counting);
    ops_expect(TF2_OP_RESIZE, &attr, &in, 1, SHAPE(1, 1, 7), (float[]){0, 1, 2, 4, 5, 7, 8}, 0);
    attr.scale[0] = 1.0f / 3;
    in = ops_values(SHAPE(1, 1, 9), counting);
    ops_expect(TF2_OP_RESIZE, &attr, &in, 1, SHAPE(1, 1, 3), (float[]){0, 3, 6}, 0);
    attr.mode = TF2_RESIZE_LINEAR;
    attr.scale[0] = 2.5f;
    in = ops_values(SHAPE(1, 1, 3), (float[]){0, 10, 20});
    ops_expect(TF2_OP_RESIZE, &attr, &in, 1, SHAPE(1, 1, 7), (float[]){0, 4, 8, 12, 16, 20, 20}, 1e-6);
}

/* A linear function of the coordinates stays one in three dimensions, away from the edges. */
static void resize_3d(void **unused)
{
    struct tf2_resize_attr attr = {
        .mode = TF2_RESIZE_LINEAR, .coordinates = TF2_RESIZE_ALIGN_CORNERS, .size = {5, 3, 7}};
    struct tf2_shape shape = SHAPE(1, 1, 3, 2, 4);
    struct ops_tensor in = ops_dense(&shape);
    struct tf2__walk walk;
    (void)unused;
    for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, &in.view) = (float)(100 * walk.index[2] + 10 * walk.index[3] + walk.index[4]);
    struct ops_tensor out = ops_run(TF2_OP_RESIZE, &attr, &in, 1);
    ops_assert_shape(&out.view.shape, SHAPE(1, 1, 5, 3, 7));
    for (tf2__walk_start(&walk, &out.view.shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double wanted = 50. * walk.index[2] + 5. * walk.index[3] + .5 * walk.index[4];
        assert_true(fabs(*tf2__walk_at(&walk, &out.view) - wanted) < 1e-4);
    }
    ops_free(&in);
    ops_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_dropout_flatten),
        cmocka_unit_test(reshape),
        cmocka_unit_test(squeeze),
        cmocka_unit_test(transpose),
        cmocka_unit_test(concat),
        cmocka_unit_test(slice),
        cmocka_unit_test(pad),
        cmocka_unit_test(resize),
        cmocka_unit_test(resize_scales),
        cmocka_unit_test(resize_3d),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
