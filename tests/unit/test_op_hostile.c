/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_hostile.c: attributes as a hostile file may have them. A table says which status each gets; after
 * that random ones go through shape inference and, when that accepts them, through evaluation. The second
 * part means most in a build with the address and undefined-behaviour sanitizers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/hostile.h"

#define WEIGHTS DIMS(6, 4, 3, 3)

#define CONV(what, status, ...)                                                                              \
    {                                                                                                        \
        what, TF2_OP_CONV, ATTR(tf2_conv_attr, __VA_ARGS__), TF2_##status, 2,                                \
        {                                                                                                    \
            IMAGE, WEIGHTS                                                                                   \
        }                                                                                                    \
    }
#define POOL(what, status, ...)                                                                              \
    {                                                                                                        \
        what, TF2_OP_POOL, ATTR(tf2_pool_attr, __VA_ARGS__), TF2_##status, 1,                                \
        {                                                                                                    \
            IMAGE                                                                                            \
        }                                                                                                    \
    }

#define DECONV(what, status, ...)                                                                            \
    {                                                                                                        \
        what, TF2_OP_CONV_TRANSPOSE, ATTR(tf2_conv_transpose_attr, __VA_ARGS__), TF2_##status, 2,            \
        {                                                                                                    \
            IMAGE, WEIGHTS                                                                                   \
        }                                                                                                    \
    }

static const struct hostile window_cases[] = {
    DECONV("plain", OK, .group = 1),
    DECONV("negative stride", ERR_VALUE, .window = {.stride = {-1, 1}}),
    DECONV("largest stride", ERR_SHAPE, .window = {.stride = {INT32_MAX, INT32_MAX}}),
    DECONV("largest stride, same", ERR_SHAPE, .window = {.stride = {INT32_MAX, INT32_MAX}, .auto_pad = 1}),
    DECONV("largest dilation", ERR_SHAPE, .window = {.dilation = {INT32_MAX, INT32_MAX}}),
    DECONV("negative padding", ERR_VALUE, .window = {.pad_begin = {-1}}),
    DECONV("nothing left", ERR_SHAPE, .window = {.pad_begin = {5}, .pad_end = {5}}),
    DECONV("one pixel left", OK, .window = {.pad_begin = {5}, .pad_end = {4}}),
    DECONV("largest padding", ERR_SHAPE, .window = {.pad_begin = {INT32_MAX, INT32_MAX}}),
    DECONV("negative output padding", ERR_VALUE, .output_pad = {0, -1}),
    DECONV("largest output padding", ERR_SHAPE, .output_pad = {INT32_MAX, INT32_MAX}),
    DECONV("unknown automatic padding", ERR_VALUE, .window = {.auto_pad = 4}),
    DECONV("kernel disagrees", ERR_SHAPE, .window = {.kernel = {3, 5}}),
    DECONV("negative group", ERR_VALUE, .group = -1),
    DECONV("group that does not fit the weights", ERR_SHAPE, .group = 2),
    CONV("plain", OK, .group = 1),
    CONV("negative stride", ERR_VALUE, .window = {.stride = {-1, 1}}),
    CONV("smallest stride", ERR_VALUE, .window = {.stride = {1, INT32_MIN}}),
    CONV("largest stride", OK, .window = {.stride = {INT32_MAX, INT32_MAX}}),
    CONV("negative dilation", ERR_VALUE, .window = {.dilation = {1, -2}}),
    CONV("largest dilation", ERR_SHAPE, .window = {.dilation = {INT32_MAX, 1}}),
    CONV("negative padding", ERR_VALUE, .window = {.pad_begin = {-1}}),
    CONV("smallest padding", ERR_VALUE, .window = {.pad_end = {0, INT32_MIN}}),
    CONV("largest padding", ERR_SHAPE, .window = {.pad_begin = {INT32_MAX, INT32_MAX}}),
    CONV(
        "largest of everything", OK,
        .window =
            {.stride = {INT32_MAX, INT32_MAX},
             .dilation = {INT32_MAX, INT32_MAX},
             .pad_begin = {INT32_MAX, INT32_MAX},
             .pad_end = {INT32_MAX, INT32_MAX}}),
    CONV(
        "largest stride, same", OK,
        .window = {.stride = {INT32_MAX, 1}, .dilation = {INT32_MAX, INT32_MAX}, .auto_pad = 1}),
    CONV("unknown automatic padding", ERR_VALUE, .window = {.auto_pad = 4}),
    CONV("negative automatic padding", ERR_VALUE, .window = {.auto_pad = -1}),
    CONV("kernel agrees", OK, .window = {.kernel = {3, 3}}),
    CONV("kernel disagrees", ERR_SHAPE, .window = {.kernel = {3, 5}}),
    CONV("negative group", ERR_VALUE, .group = -1),
    CONV("smallest group", ERR_VALUE, .group = INT32_MIN),
    CONV("group that does not divide", ERR_SHAPE, .group = 3),
    CONV("group that does not fit the weights", ERR_SHAPE, .group = 2),
    CONV("largest group", ERR_SHAPE, .group = INT32_MAX),
    POOL("plain", OK, .window = {.kernel = {2, 2}}),
    POOL("zero kernel: the whole extent", OK, .window = {.kernel = {2, 0}}),
    POOL("negative kernel", ERR_VALUE, .window = {.kernel = {-3, 2}}),
    POOL("largest kernel", ERR_SHAPE, .window = {.kernel = {INT32_MAX, 2}}),
    POOL(
        "largest kernel, dilated", ERR_SHAPE,
        .window = {.kernel = {INT32_MAX, 2}, .dilation = {INT32_MAX, INT32_MAX}}),
    POOL(
        "largest kernel, rounded up", ERR_SHAPE, .rounding = TF2_POOL_CEIL,
        .window = {.kernel = {INT32_MAX, 2}}),
    POOL(
        "largest kernel and padding", OK,
        .window =
            {.kernel = {INT32_MAX, INT32_MAX},
             .stride = {INT32_MAX, INT32_MAX},
             .pad_begin = {INT32_MAX - 1, INT32_MAX - 1},
             .pad_end = {INT32_MAX - 1, INT32_MAX - 1}}),
    POOL("negative stride", ERR_VALUE, .window = {.kernel = {2, 2}, .stride = {-2, 2}}),
    POOL("padding as large as the window", ERR_VALUE, .window = {.kernel = {2, 2}, .pad_begin = {2}}),
    POOL("padding beyond the window", ERR_VALUE, .window = {.kernel = {2, 2}, .pad_end = {0, INT32_MAX}}),
    POOL(
        "dilated over the input", ERR_VALUE,
        .window = {.kernel = {2, 2}, .dilation = {9, 1}, .pad_begin = {1}, .pad_end = {1}}),
    POOL(
        "dilated over the input, but all windows meet it", OK,
        .window =
            {.kernel = {3, 1}, .dilation = {INT32_MAX, 1}, .pad_begin = {INT32_MAX}, .pad_end = {INT32_MAX}}),
    POOL(
        "dilated over the input, too many windows to look at", ERR_VALUE,
        .window =
            {.kernel = {70001, 1},
             .dilation = {9, 1},
             .stride = {9, 1},
             .pad_begin = {630000},
             .pad_end = {630000}}),
    POOL("unknown kind", ERR_VALUE, .kind = 2, .window = {.kernel = {2, 2}}),
    POOL("unknown rounding", ERR_VALUE, .rounding = 7, .window = {.kernel = {2, 2}}),
    {"too few dimensions", TF2_OP_POOL, ATTR(tf2_pool_attr, .global = true), TF2_ERR_SHAPE, 1, {DIMS(4, 4)}},
    {"too many dimensions",
     TF2_OP_POOL,
     ATTR(tf2_pool_attr, .global = true),
     TF2_ERR_SHAPE,
     1,
     {DIMS(1, 1, 1, 1, 1, 1)}},
    {"weights of another rank",
     TF2_OP_CONV,
     ATTR(tf2_conv_attr, 0),
     TF2_ERR_SHAPE,
     2,
     {IMAGE, DIMS(6, 4, 3)}},
    {"scalar weights", TF2_OP_CONV, ATTR(tf2_conv_attr, 0), TF2_ERR_SHAPE, 2, {IMAGE, {0}}},
    {"bias too long", TF2_OP_CONV, ATTR(tf2_conv_attr, 0), TF2_ERR_SHAPE, 3, {IMAGE, WEIGHTS, DIMS(7)}},
    {"bias of two dimensions",
     TF2_OP_CONV,
     ATTR(tf2_conv_attr, 0),
     TF2_ERR_SHAPE,
     3,
     {IMAGE, WEIGHTS, DIMS(6, 1)}},
    {"residual fits",
     TF2_OP_CONV,
     ATTR(tf2_conv_attr, 0),
     TF2_OK,
     4,
     {IMAGE, WEIGHTS, DIMS(6), DIMS(1, 6, 6, 6)}},
    {"residual of another shape",
     TF2_OP_CONV,
     ATTR(tf2_conv_attr, 0),
     TF2_ERR_SHAPE,
     4,
     {IMAGE, WEIGHTS, DIMS(6), DIMS(1, 6, 6, 1)}},
};

static const struct hostile math_cases[] = {
    {"axis too large", TF2_OP_GEMM, ATTR(tf2_gemm_attr, 4), TF2_ERR_VALUE, 2, {IMAGE, DIMS(5, 256)}},
    {"smallest axis", TF2_OP_GEMM, ATTR(tf2_gemm_attr, INT32_MIN), TF2_ERR_VALUE, 2, {IMAGE, DIMS(5, 256)}},
    {"wrong length", TF2_OP_GEMM, ATTR(tf2_gemm_attr, 1), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(5, 255)}},
    {"weights turned round", TF2_OP_GEMM, ATTR(tf2_gemm_attr, 1), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(256, 5)}},
    {"scalar", TF2_OP_GEMM, ATTR(tf2_gemm_attr, 0), TF2_ERR_VALUE, 2, {{0}, DIMS(1, 1)}},
    {"output too large",
     TF2_OP_GEMM,
     ATTR(tf2_gemm_attr, 1),
     TF2_ERR_SHAPE,
     2,
     {DIMS(65536, 1), DIMS(65536, 1)}},
    {"epsilon NaN",
     TF2_OP_BATCH_NORM,
     ATTR(tf2_batch_norm_attr, NAN),
     TF2_ERR_VALUE,
     5,
     {IMAGE, DIMS(4), DIMS(4), DIMS(4), DIMS(4)}},
    {"epsilon negative",
     TF2_OP_BATCH_NORM,
     ATTR(tf2_batch_norm_attr, -1),
     TF2_ERR_VALUE,
     5,
     {IMAGE, DIMS(4), DIMS(4), DIMS(4), DIMS(4)}},
    {"variance too short",
     TF2_OP_BATCH_NORM,
     ATTR(tf2_batch_norm_attr, 0),
     TF2_ERR_SHAPE,
     5,
     {IMAGE, DIMS(4), DIMS(4), DIMS(4), DIMS(3)}},
    {"no channels",
     TF2_OP_BATCH_NORM,
     ATTR(tf2_batch_norm_attr, 0),
     TF2_ERR_SHAPE,
     5,
     {DIMS(4), DIMS(4), DIMS(4), DIMS(4), DIMS(4)}},
    {"axis beyond", TF2_OP_SCALE, ATTR(tf2_scale_attr, INT32_MAX), TF2_ERR_VALUE, 2, {IMAGE, DIMS(4)}},
    {"along another axis", TF2_OP_SCALE, ATTR(tf2_scale_attr, 2), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(4)}},
    {"beyond the last axis", TF2_OP_SCALE, ATTR(tf2_scale_attr, -1), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(8, 8)}},
    {"bias too long", TF2_OP_SCALE, ATTR(tf2_scale_attr, 1), TF2_ERR_SHAPE, 3, {IMAGE, DIMS(4), DIMS(5)}},
    /* What lies in a shape behind its last dimension means nothing. */
    {"beyond the last axis, stale extent there",
     TF2_OP_SCALE,
     ATTR(tf2_scale_attr, 1),
     TF2_ERR_SHAPE,
     2,
     {{.n_dims = 2, .dim = {1, 4, 8}}, DIMS(4, 8)}},
    {"slope per pixel", TF2_OP_PRELU, ATTR(tf2_no_attr, 0), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(4, 8, 8)}},
    {"slope in two dimensions", TF2_OP_PRELU, ATTR(tf2_no_attr, 0), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(2, 2)}},
    {"slope of no channel", TF2_OP_PRELU, ATTR(tf2_no_attr, 0), TF2_ERR_SHAPE, 2, {DIMS(4), DIMS(4)}},
    {"even size", TF2_OP_LRN, ATTR(tf2_lrn_attr, .size = 2), TF2_ERR_VALUE, 1, {IMAGE}},
    {"size 0", TF2_OP_LRN, ATTR(tf2_lrn_attr, .size = 0), TF2_ERR_VALUE, 1, {IMAGE}},
    {"negative size", TF2_OP_LRN, ATTR(tf2_lrn_attr, .size = -5), TF2_ERR_VALUE, 1, {IMAGE}},
    {"alpha infinite",
     TF2_OP_LRN,
     ATTR(tf2_lrn_attr, .size = 3, .alpha = INFINITY),
     TF2_ERR_VALUE,
     1,
     {IMAGE}},
    {"unknown region", TF2_OP_LRN, ATTR(tf2_lrn_attr, .size = 3, .region = 2), TF2_ERR_VALUE, 1, {IMAGE}},
    {"within channels, no image",
     TF2_OP_LRN,
     ATTR(tf2_lrn_attr, .size = 3, .region = 1),
     TF2_ERR_SHAPE,
     1,
     {DIMS(1, 4, 8)}},
    {"one input", TF2_OP_ELTWISE, ATTR(tf2_eltwise_attr, 0), TF2_ERR_GRAPH, 1, {IMAGE}},
    {"unknown kind", TF2_OP_ELTWISE, ATTR(tf2_eltwise_attr, .kind = -1), TF2_ERR_VALUE, 2, {IMAGE, IMAGE}},
    {"three in a difference",
     TF2_OP_ELTWISE,
     ATTR(tf2_eltwise_attr, .kind = TF2_ELTWISE_SUB),
     TF2_ERR_VALUE,
     3,
     {IMAGE, IMAGE, IMAGE}},
    {"three in a quotient",
     TF2_OP_ELTWISE,
     ATTR(tf2_eltwise_attr, .kind = TF2_ELTWISE_DIV),
     TF2_ERR_VALUE,
     3,
     {IMAGE, IMAGE, IMAGE}},
    {"product with coefficients",
     TF2_OP_ELTWISE,
     ATTR(tf2_eltwise_attr, .kind = TF2_ELTWISE_PROD, .has_coefficients = true),
     TF2_ERR_VALUE,
     2,
     {IMAGE, IMAGE}},
    {"coefficient NaN",
     TF2_OP_ELTWISE,
     ATTR(tf2_eltwise_attr, .has_coefficients = true, .coefficient = {1, NAN}),
     TF2_ERR_VALUE,
     2,
     {IMAGE, IMAGE}},
    {"no broadcast", TF2_OP_ELTWISE, ATTR(tf2_eltwise_attr, 0), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(4)}},
    {"broadcast too large",
     TF2_OP_ELTWISE,
     ATTR(tf2_eltwise_attr, 0),
     TF2_ERR_SHAPE,
     2,
     {DIMS(65536, 1), DIMS(1, 65536)}},
    {"axis beyond", TF2_OP_SOFTMAX, ATTR(tf2_softmax_attr, .axis = 4), TF2_ERR_VALUE, 1, {IMAGE}},
    {"axis before", TF2_OP_SOFTMAX, ATTR(tf2_softmax_attr, .axis = -5), TF2_ERR_VALUE, 1, {IMAGE}},
    {"scalar", TF2_OP_SOFTMAX, ATTR(tf2_softmax_attr, .axis = 0), TF2_ERR_VALUE, 1, {{0}}},
};

#define RESHAPE(what, status, n, ...)                                                                        \
    {                                                                                                        \
        what, TF2_OP_RESHAPE, ATTR(tf2_reshape_attr, n, {__VA_ARGS__}), TF2_##status, 1,                     \
        {                                                                                                    \
            IMAGE                                                                                            \
        }                                                                                                    \
    }
#define SLICE(what, status, ...)                                                                             \
    {                                                                                                        \
        what, TF2_OP_SLICE, ATTR(tf2_slice_attr, __VA_ARGS__), TF2_##status, 1,                              \
        {                                                                                                    \
            DIMS(6)                                                                                          \
        }                                                                                                    \
    }
#define PAD(what, status, ...)                                                                               \
    {                                                                                                        \
        what, TF2_OP_PAD, ATTR(tf2_pad_attr, __VA_ARGS__), TF2_##status, 1,                                  \
        {                                                                                                    \
            DIMS(6)                                                                                          \
        }                                                                                                    \
    }
#define RESIZE(what, status, ...)                                                                            \
    {                                                                                                        \
        what, TF2_OP_RESIZE, ATTR(tf2_resize_attr, __VA_ARGS__), TF2_##status, 1,                            \
        {                                                                                                    \
            IMAGE                                                                                            \
        }                                                                                                    \
    }
#define TRANSPOSE(what, status, n, ...)                                                                      \
    {                                                                                                        \
        what, TF2_OP_TRANSPOSE, ATTR(tf2_transpose_attr, n, {__VA_ARGS__}), TF2_##status, 1,                 \
        {                                                                                                    \
            IMAGE                                                                                            \
        }                                                                                                    \
    }

static const struct hostile move_cases[] = {
    {"axis beyond", TF2_OP_CONCAT, ATTR(tf2_axis_attr, 4), TF2_ERR_VALUE, 2, {IMAGE, IMAGE}},
    {"other extents differ",
     TF2_OP_CONCAT,
     ATTR(tf2_axis_attr, 1),
     TF2_ERR_SHAPE,
     2,
     {IMAGE, DIMS(1, 4, 8, 7)}},
    {"ranks differ", TF2_OP_CONCAT, ATTR(tf2_axis_attr, 1), TF2_ERR_SHAPE, 2, {IMAGE, DIMS(1, 4, 8)}},
    {"too large", TF2_OP_CONCAT, ATTR(tf2_axis_attr, 0), TF2_ERR_SHAPE, 2, {DIMS(INT32_MAX), DIMS(1)}},
    {"axis beyond", TF2_OP_FLATTEN, ATTR(tf2_axis_attr, 5), TF2_ERR_VALUE, 1, {IMAGE}},
    {"axis at the end", TF2_OP_FLATTEN, ATTR(tf2_axis_attr, 4), TF2_OK, 1, {IMAGE}},
    {"smallest axis", TF2_OP_FLATTEN, ATTR(tf2_axis_attr, INT32_MIN), TF2_ERR_VALUE, 1, {IMAGE}},
    {"axis 8 of 4", TF2_OP_SQUEEZE, ATTR(tf2_axes_attr, 1 << 8), TF2_ERR_VALUE, 1, {IMAGE}},
    {"axis 31", TF2_OP_SQUEEZE, ATTR(tf2_axes_attr, 1u << 31), TF2_ERR_VALUE, 1, {IMAGE}},
    {"extent 4", TF2_OP_SQUEEZE, ATTR(tf2_axes_attr, 1 << 1), TF2_ERR_SHAPE, 1, {IMAGE}},
    {"axis 31", TF2_OP_UNSQUEEZE, ATTR(tf2_axes_attr, 1u << 31), TF2_ERR_VALUE, 1, {IMAGE}},
    {"beyond the output", TF2_OP_UNSQUEEZE, ATTR(tf2_axes_attr, 1 << 5), TF2_ERR_VALUE, 1, {IMAGE}},
    {"too many", TF2_OP_UNSQUEEZE, ATTR(tf2_axes_attr, 0x1f), TF2_ERR_VALUE, 1, {IMAGE}},
    {"all bits", TF2_OP_UNSQUEEZE, ATTR(tf2_axes_attr, UINT32_MAX), TF2_ERR_VALUE, 1, {IMAGE}},
    RESHAPE("another count", ERR_SHAPE, 2, 4, 65),
    RESHAPE("does not divide", ERR_SHAPE, 2, 3, -1),
    RESHAPE("two free extents", ERR_VALUE, 2, -1, -1),
    RESHAPE("negative", ERR_VALUE, 2, 4, -2),
    RESHAPE("smallest", ERR_VALUE, 1, INT64_MIN),
    RESHAPE("product overflows", ERR_SHAPE, 3, INT64_C(1) << 32, INT64_C(1) << 32, -1),
    RESHAPE("product overflows to the right count", ERR_SHAPE, 3, INT64_C(1) << 32, INT64_C(1) << 32, 256),
    RESHAPE("largest", ERR_SHAPE, 1, INT64_MAX),
    RESHAPE("nothing to copy", ERR_VALUE, 5, 1, 4, 8, 8, 0),
    {"nothing to copy, stale extent there",
     TF2_OP_RESHAPE,
     ATTR(tf2_reshape_attr, 2, {0, 0}),
     TF2_ERR_VALUE,
     1,
     {{.n_dims = 1, .dim = {4, 1}}}},
    RESHAPE("nine dimensions", ERR_VALUE, 9, 0),
    RESHAPE("many dimensions", ERR_VALUE, UINT32_MAX, 0),
    RESHAPE("scalar", ERR_SHAPE, 0, 0),
    SLICE("of two dimensions", ERR_SHAPE, .n_dims = 2),
    SLICE("of many dimensions", ERR_SHAPE, .n_dims = UINT32_MAX),
    SLICE("of none", ERR_SHAPE, .n_dims = 0),
    SLICE("all zero", ERR_SHAPE, .n_dims = 1),
    SLICE("step 0 is 1", OK, .n_dims = 1, .end = {1}),
    TRANSPOSE("too few", ERR_SHAPE, 3, 0, 1, 2),
    TRANSPOSE("too many", ERR_SHAPE, UINT32_MAX, 0, 1, 2, 3),
    TRANSPOSE("twice the same", ERR_VALUE, 4, 0, 1, 2, 2),
    TRANSPOSE("out of range", ERR_VALUE, 4, 0, 1, 2, 4),
    TRANSPOSE("far out of range", ERR_VALUE, 4, UINT32_MAX, 1, 2, 3),
    PAD("of two dimensions", ERR_SHAPE, .n_dims = 2),
    PAD("unknown mode", ERR_VALUE, .n_dims = 1, .mode = 3),
    PAD("value NaN", ERR_VALUE, .n_dims = 1, .value = NAN),
    PAD("nothing left", ERR_SHAPE, .n_dims = 1, .begin = {-3}, .end = {-3}),
    PAD("more removed than there is", ERR_VALUE, .n_dims = 1, .begin = {-7}, .end = {9}),
    PAD("largest", ERR_VALUE, .n_dims = 1, .begin = {INT64_MAX}, .end = {INT64_MAX}),
    PAD("smallest", ERR_VALUE, .n_dims = 1, .begin = {INT64_MIN}, .end = {INT64_MAX}),
    PAD("too large", ERR_SHAPE, .n_dims = 1, .begin = {INT32_MAX}),
    PAD("reflects less than all", OK, .n_dims = 1, .mode = TF2_PAD_REFLECT, .begin = {5}),
    PAD("reflects all", ERR_VALUE, .n_dims = 1, .mode = TF2_PAD_REFLECT, .begin = {6}),
    PAD("reflection removes", ERR_VALUE, .n_dims = 1, .mode = TF2_PAD_REFLECT, .end = {-1}),
    PAD("edge removes", ERR_VALUE, .n_dims = 1, .mode = TF2_PAD_EDGE, .end = {-1}),
    RESIZE("nothing given", ERR_VALUE, 0),
    RESIZE("one dimension given", ERR_VALUE, .size = {4}),
    RESIZE("negative size", ERR_VALUE, .size = {4, -4}, .scale = {1, 1}),
    RESIZE("smallest size", ERR_VALUE, .size = {4, INT64_MIN}),
    RESIZE("largest size", ERR_SHAPE, .size = {INT64_MAX, INT64_MAX}),
    RESIZE("scale NaN", ERR_VALUE, .scale = {1, NAN}),
    RESIZE("scale negative", ERR_VALUE, .scale = {-1, 1}),
    RESIZE("scale infinite", ERR_SHAPE, .scale = {INFINITY, 1}),
    RESIZE("scale huge", ERR_SHAPE, .scale = {1, 3e38f}),
    RESIZE("scale too small", ERR_SHAPE, .scale = {1, .1f}),
    RESIZE("scale tiny", ERR_SHAPE, .scale = {1e-45f, 1}),
    RESIZE("unknown mode", ERR_VALUE, .mode = 2, .scale = {1, 1}),
    RESIZE("unknown coordinates", ERR_VALUE, .coordinates = 5, .scale = {1, 1}),
    RESIZE("unknown rounding", ERR_VALUE, .nearest = -1, .scale = {1, 1}),
    {"no image", TF2_OP_RESIZE, ATTR(tf2_resize_attr, .scale = {1}), TF2_ERR_SHAPE, 1, {DIMS(4, 4)}},
};

static void windows(void **unused)
{
    (void)unused;
    hostile_check(window_cases, TF2__COUNT(window_cases));
}

static void arithmetic(void **unused)
{
    (void)unused;
    hostile_check(math_cases, TF2__COUNT(math_cases));
}

static void moves(void **unused)
{
    (void)unused;
    hostile_check(move_cases, TF2__COUNT(move_cases));
}

/* Inputs behind the required ones may be missing: an error where the operator has no meaning without. */
static void missing_inputs(void **unused)
{
    const struct tf2_shape x = SHAPE(2, 2);
    const struct tf2_shape *in[] = {&x, &x, NULL};
    struct tf2_eltwise_attr sum = {0};
    struct tf2_axis_attr axis = {0};
    struct tf2_shape out;
    (void)unused;
    assert_int_equal(tf2__op_find(TF2_OP_ELTWISE)->infer(&sum, in, 3, &out, NULL), TF2_ERR_GRAPH);
    assert_int_equal(tf2__op_find(TF2_OP_CONCAT)->infer(&axis, in, 3, &out, NULL), TF2_ERR_GRAPH);
}

union any_attr {
    int32_t word[64];
    int64_t pair[32];
    struct tf2_conv_attr conv;
    struct tf2_pool_attr pool;
    struct tf2_eltwise_attr eltwise;
    struct tf2_softmax_attr softmax;
    struct tf2_slice_attr slice;
    struct tf2_pad_attr pad;
    struct tf2_reshape_attr reshape;
    struct tf2_transpose_attr transpose;
    struct tf2_resize_attr resize;
    struct tf2_conv_transpose_attr deconv;
    struct tf2_prior_box_attr prior;
    struct tf2_detection_attr detection;
};

/* Now and then an extreme number, else a small one; `rare`: one in how many is extreme. */
static int64_t odd_number(uint64_t *state, int64_t rare, bool wide)
{
    static const int64_t extremes[] = {INT32_MIN,  INT32_MAX,  -1,   INT32_MAX - 1,
                                       0x7f800000, 0x7fc00000, 65536};
    static const int64_t wide_extremes[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, INT32_MAX, -1, INT32_MIN};
    if (ops_range(state, 1, rare) > 1)
        return ops_range(state, 0, 3);
    if (ops_range(state, 0, 3) == 0)
        return ops_range(state, -8, 12);
    return wide ? wide_extremes[ops_random(state) % TF2__COUNT(wide_extremes)]
                : extremes[ops_random(state) % TF2__COUNT(extremes)];
}

static void random_prior(uint64_t *state, int64_t rare, struct tf2_prior_box_attr *prior)
{
    prior->clip = ops_range(state, 0, 1);
    prior->n_max_sizes = (uint32_t)ops_range(state, 0, 1) * prior->n_sizes;
    for (int i = 0; i < TF2_PRIOR_BOX_MAX; i++) {
        prior->min_size[i] = (float)odd_number(state, rare, false) + 1;
        prior->max_size[i] = (float)odd_number(state, rare, false) + 4;
    }
}

static void random_detection(uint64_t *state, int64_t rare, struct tf2_detection_attr *detection)
{
    detection->boxes_per_class = ops_range(state, 0, 1);
    detection->variance_in_offsets = ops_range(state, 0, 1);
    detection->confidence = (float)odd_number(state, rare, false) - 2;
    detection->nms_threshold = (float)odd_number(state, rare, false) / 4;
    detection->nms_eta = (float)odd_number(state, rare, false) / 4;
}

/* Booleans have to be 0 or 1 in C; the rank is mostly right, so that the checks behind it are reached. */
static void random_attr(uint64_t *state, enum tf2_op op, uint32_t n_dims, union any_attr *attr)
{
    const int64_t rare = ops_range(state, 1, 16);
    const bool wide = op == TF2_OP_SLICE || op == TF2_OP_PAD || op == TF2_OP_RESHAPE;
    for (size_t i = 0; i < TF2__COUNT(attr->word); i++)
        attr->word[i] = (int32_t)odd_number(state, rare, false);
    for (size_t i = 1; wide && i < TF2__COUNT(attr->pair); i++)
        attr->pair[i] = odd_number(state, rare, true);
    if (op == TF2_OP_CONV && ops_range(state, 0, 7)) {
        memset(attr->conv.window.kernel, 0, sizeof(attr->conv.window.kernel));
        attr->conv.group = (int32_t)ops_range(state, 0, 1);
    } else if (op == TF2_OP_POOL) {
        for (int d = 0; d < TF2_MAX_SPATIAL; d++)
            attr->pool.window.kernel[d] += attr->pool.window.kernel[d] == 0;
        attr->pool.global = ops_range(state, 0, 5) == 0;
        attr->pool.count_include_pad = ops_range(state, 0, 1);
    } else if (op == TF2_OP_ELTWISE) {
        attr->eltwise.has_coefficients = ops_range(state, 0, 1);
    } else if (op == TF2_OP_SOFTMAX) {
        attr->softmax.flatten = ops_range(state, 0, 1);
        attr->softmax.log = ops_range(state, 0, 1);
    } else if (op == TF2_OP_RESIZE) {
        for (int d = 0; d < TF2_MAX_SPATIAL; d++) {
            attr->resize.size[d] = odd_number(state, rare, true);
            attr->resize.scale[d] = (float)odd_number(state, rare, false) / 2;
        }
    }
    if (op == TF2_OP_CONV_TRANSPOSE && ops_range(state, 0, 7)) {
        memset(attr->deconv.window.kernel, 0, sizeof(attr->deconv.window.kernel));
        attr->deconv.group = (int32_t)ops_range(state, 0, 1);
        for (int d = 0; d < TF2_MAX_SPATIAL; d++)
            attr->deconv.output_pad[d] =
                (int32_t)(ops_range(state, 0, 7) ? 0 : odd_number(state, rare, false));
    } else if (op == TF2_OP_PRIOR_BOX) {
        random_prior(state, rare, &attr->prior);
    } else if (op == TF2_OP_DETECTION_OUTPUT) {
        random_detection(state, rare, &attr->detection);
    }
    if ((wide || op == TF2_OP_TRANSPOSE) && ops_range(state, 0, 15))
        attr->slice.n_dims = n_dims; /* the first member in all four */
}

static struct tf2_shape random_shape(uint64_t *state, int64_t least, int64_t most)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)ops_range(state, least, most)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = ops_range(state, 1, 5);
    return shape;
}

/* x, and for the others what fits x or nearly so. */
static uint32_t random_inputs(uint64_t *state, enum tf2_op op, struct tf2_shape *in)
{
    const struct tf2__op *info = tf2__op_find(op);
    const uint32_t n_in =
        info->min_inputs + (info->max_inputs > info->min_inputs ? ops_random(state) % 2 : 0);
    in[0] = random_shape(state, 0, 6);
    for (uint32_t i = 1; i < n_in; i++) {
        in[i] = in[0];
        if (op == TF2_OP_BATCH_NORM || (i > 1 && op != TF2_OP_ELTWISE && op != TF2_OP_CONCAT))
            in[i] = SHAPE(in[0].n_dims > 1 ? in[0].dim[1] : 1);
        else if ((op == TF2_OP_CONV || op == TF2_OP_CONV_TRANSPOSE) && in[0].n_dims > 2)
            in[i].dim[0] = in[0].dim[1];
        else if (op == TF2_OP_GEMM)
            in[i] =
                SHAPE(in[0].n_dims > 1 ? in[0].dim[1] : 1, in[0].n_dims ? in[0].dim[in[0].n_dims - 1] : 1);
        else if (op == TF2_OP_NORMALIZE)
            in[i] = SHAPE(in[0].n_dims > 1 && ops_range(state, 0, 1) ? in[0].dim[1] : 1);
        if (ops_range(state, 0, 7) == 0)
            in[i] = random_shape(state, 0, 6);
    }
    if (op == TF2_OP_DETECTION_OUTPUT && ops_range(state, 0, 7)) {
        const int64_t n_images = ops_range(state, 1, 2), n_boxes = ops_range(state, 1, 5);
        in[0] = SHAPE(n_images, n_boxes * 4 * (ops_range(state, 0, 1) ? 1 : ops_range(state, 1, 3)));
        in[1] = SHAPE(n_images, n_boxes * ops_range(state, 1, 3));
        in[2] = SHAPE(1, 2, n_boxes * 4);
    }
    return n_in;
}

/* Small results are computed too, from and into blocks of exactly the right size. */
static bool try_random(uint64_t *state, enum tf2_op op)
{
    struct ops_tensor tensors[TF2_MAX_NODE_INPUTS];
    struct tf2_shape shapes[TF2_MAX_NODE_INPUTS], out = {0};
    struct tf2__view views[TF2_MAX_NODE_INPUTS];
    struct tf2_error error = {0};
    union any_attr attr;
    const uint32_t n_in = random_inputs(state, op, shapes);
    random_attr(state, op, shapes[0].n_dims, &attr);
    for (uint32_t i = 0; i < n_in; i++) {
        tensors[i] = ops_noise(shapes[i], state);
        views[i] = tensors[i].view;
    }
    enum tf2_status status = ops_infer(op, &attr, tensors, n_in, &out, &error);
    if (status == TF2_OK) {
        assert_true(out.n_dims <= TF2_MAX_DIMS && tf2_shape_count(&out) > 0);
        if (tf2_shape_count(&out) <= 4096) {
            struct ops_tensor result = ops_dense(&out);
            tf2__op_find(op)->eval(&attr, views, n_in, &result.view);
            ops_free(&result);
        }
    } else {
        assert_true(status == TF2_ERR_VALUE || status == TF2_ERR_SHAPE);
        assert_int_equal(status, error.status);
        assert_true(strlen(error.message) > 10);
    }
    for (uint32_t i = 0; i < n_in; i++)
        ops_free(&tensors[i]);
    return status == TF2_OK;
}

static void random_attributes(void **unused)
{
    uint64_t state = 1234;
    (void)unused;
    for (int op = TF2_OP_IDENTITY; tf2__op_find((enum tf2_op)op); op++) {
        const int n_tries = 4000;
        int n_accepted = 0;
        if (!tf2__op_find((enum tf2_op)op)->eval)
            continue; /* only on integers */
        for (int i = 0; i < n_tries; i++)
            n_accepted += try_random(&state, (enum tf2_op)op);
        if (n_accepted < n_tries / 100)
            fail_msg("%s: only %d of %d accepted", tf2_op_name((enum tf2_op)op), n_accepted, n_tries);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows),        cmocka_unit_test(arithmetic),        cmocka_unit_test(moves),
        cmocka_unit_test(missing_inputs), cmocka_unit_test(random_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
