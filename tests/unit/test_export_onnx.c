/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_onnx.c: float operators written as ONNX: reading the file again gives the same function. What
 * is in the file is looked at in test_export_file.c; tests/interop has random networks, and runs files in
 * ONNX Runtime.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "export_check.h"
#include "transform/model/model.h"

/* Makes x the output; the file has to take any batch. Closes the net. */
static void check(struct net *net, tf2_tensor_id x)
{
    net_output(net, x);
    Tf2__Onnx__ModelProto *model = exported(net);
    assert_string_equal(model->graph->input[0]->type->tensor_type->shape->dim[0]->dim_param, "N");
    tf2__onnx__model_proto__free_unpacked(model, NULL);
    export_check_batch(net, 0);
    export_check_batch(net, 3);
    net_close(net);
    export_remove();
}

/* One node behind an input. */
static void check_op(enum tf2_op op, const void *attr, struct tf2_shape shape)
{
    struct net net;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", shape);
    check(&net, net_node(&net, op, "y", attr, IN(x)));
}

static void test_activations(void **state)
{
    static const struct tf2_activation activations[] = {
        {TF2_ACTIVATION_NONE, 0, 0},
        {TF2_ACTIVATION_RELU, 0, 0},
        {TF2_ACTIVATION_CLIP, -0.5f, 1.25f},
        {TF2_ACTIVATION_CLIP, -FLT_MAX, 1},
        {TF2_ACTIVATION_LEAKY_RELU, 0.125f, 0},
        {TF2_ACTIVATION_SIGMOID, 0, 0},
        {TF2_ACTIVATION_TANH, 0, 0},
        {TF2_ACTIVATION_HARD_SIGMOID, 0.25f, 0.5f},
        {TF2_ACTIVATION_HARD_SWISH, 0, 0},
        {TF2_ACTIVATION_ELU, 0.75f, 0},
        {TF2_ACTIVATION_ABS, 0, 0},
        {TF2_ACTIVATION_EXP, 0, 0},
        {TF2_ACTIVATION_LOG, 0, 0},
        {TF2_ACTIVATION_SQRT, 0, 0},
        {TF2_ACTIVATION_AFFINE, 2, 0.5f},
        {TF2_ACTIVATION_AFFINE, 1, 0.5f},
        {TF2_ACTIVATION_AFFINE, 3, 0},
        {TF2_ACTIVATION_AFFINE, 1, 0},
        {TF2_ACTIVATION_POW, 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(activations); i++) {
        struct net net;
        check_op(TF2_OP_ACTIVATION, &activations[i], SHAPE(2, 3, 4));
        net_open(&net, 1); /* fused */
        tf2_tensor_id x = net_conv(&net, net_input(&net, "x", SHAPE(1, 2, 5, 5)), 3, 3, 1, true);
        net.graph->nodes[0].activation = activations[i];
        check(&net, x);
    }
}

static void test_pools(void **state)
{
    static const struct tf2_pool_attr pools[] = {
        {.window = {.kernel = {3, 2}, .stride = {2, 1}, .pad_begin = {1, 0}, .pad_end = {0, 1}}},
        {.rounding = TF2_POOL_CEIL, .window = {.kernel = {3, 3}, .stride = {2, 2}}},
        {.window = {.kernel = {2, 2}, .dilation = {2, 3}, .pad_begin = {2, 2}, .pad_end = {2, 3}}},
        {.rounding = TF2_POOL_CEIL,
         .window =
             {.kernel = {2, 2},
              .stride = {3, 3},
              .dilation = {2, 3},
              .pad_begin = {2, 2},
              .pad_end = {2, 3}}},
        {.window = {.kernel = {3, 3}, .stride = {2, 2}, .auto_pad = TF2_AUTO_PAD_SAME_UPPER}},
        {.window = {.kernel = {2, 4}, .stride = {2, 3}, .auto_pad = TF2_AUTO_PAD_SAME_LOWER}},
        {.window = {.kernel = {2, 4}, .stride = {2, 3}, .auto_pad = TF2_AUTO_PAD_VALID}},
        {.global = true},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(pools); i++) {
        struct tf2_pool_attr attr = pools[i];
        check_op(TF2_OP_POOL, &attr, SHAPE(2, 3, 6, 7));
        attr.kind = TF2_POOL_AVG;
        check_op(TF2_OP_POOL, &attr, SHAPE(2, 3, 6, 7));
        attr.count_include_pad = true;
        check_op(TF2_OP_POOL, &attr, SHAPE(2, 3, 6, 7));
        check_op(TF2_OP_POOL, &attr, SHAPE(2, 3, 6));
    }
}

static void test_normalization(void **state)
{
    struct tf2_lrn_attr lrn = {.size = 3, .alpha = 0.5f, .beta = 0.75f, .k = 2};
    struct net net;
    (void)state;
    check_op(TF2_OP_LRN, &lrn, SHAPE(1, 5, 3, 4));
    check_op(TF2_OP_LRN, &lrn, SHAPE(1, 5, 3));
    check_op(TF2_OP_LRN, &lrn, SHAPE(1, 5));
    check_op(TF2_OP_LRN, &lrn, SHAPE(1, 5, 2, 3, 4));
    lrn.region = TF2_LRN_WITHIN_CHANNEL;
    check_op(TF2_OP_LRN, &lrn, SHAPE(1, 5, 4, 5));
    net_open(&net, 1);
    check(&net, net_batch_norm(&net, net_input(&net, "x", SHAPE(1, 5, 3, 4))));
    for (int log = 0; log < 2; log++) {
        for (int32_t axis = -3; axis < 3; axis++) {
            const struct tf2_softmax_attr softmax = {.axis = axis, .flatten = true, .log = log},
                                          plain = {.axis = axis, .log = log};
            if (axis != 0 && axis != -3) /* over the batch: there is none */
                check_op(TF2_OP_SOFTMAX, &softmax, SHAPE(2, 3, 4));
            check_op(TF2_OP_SOFTMAX, &plain, SHAPE(2, 3, 4));
        }
    }
}

static void test_transposed_convolutions(void **state)
{
    static const struct tf2_conv_transpose_attr attrs[] = {
        {.window = {.stride = {2, 3}}, .group = 1},
        {.window = {.stride = {2, 2}, .pad_begin = {1, 0}, .pad_end = {0, 1}},
         .group = 2,
         .output_pad = {0, 1}},
        {.window = {.dilation = {2, 1}}},
        {.window = {.stride = {2, 2}, .auto_pad = TF2_AUTO_PAD_SAME_UPPER}},
        {.window = {.stride = {4, 1}, .auto_pad = TF2_AUTO_PAD_SAME_LOWER}},
    };
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(attrs); i++) {
        struct net net;
        net_open(&net, 1);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 5, 6));
        tf2_tensor_id w = net_constant(&net, SHAPE(6, attrs[i].group == 2 ? 2 : 4, 3, 2));
        tf2_tensor_id b = net_constant(&net, SHAPE(6));
        x = net_node(&net, TF2_OP_CONV_TRANSPOSE, "y", &attrs[i], IN(x, w, b));
        if (i == 1)
            net.graph->nodes[0].activation = (struct tf2_activation){.kind = TF2_ACTIVATION_RELU};
        check(&net, x);
    }
}

static void test_lengths(void **state)
{
    const struct tf2_normalize_attr attr = {.region = TF2_NORMALIZE_CHANNELS};
    struct net net;
    (void)state;
    check_op(TF2_OP_NORMALIZE, &attr, SHAPE(1, 4, 3, 2));
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 3, 2)), scale = net_constant(&net, SHAPE(4));
    check(&net, net_node(&net, TF2_OP_NORMALIZE, "y", &attr, IN(x, scale)));
}

static void test_dense(void **state)
{
    struct net net;
    (void)state;
    for (int32_t axis = 1; axis < 4; axis++) {
        net_open(&net, 1);
        check(&net, net_gemm(&net, net_input(&net, "x", SHAPE(2, 3, 4, 5)), 6, axis, axis != 2));
    }
    net_open(&net, 1);
    check(&net, net_gemm(&net, net_input(&net, "x", SHAPE(2, 3)), 6, -1, true));
    net_open(&net, 1); /* all of x makes one row: no batch */
    tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 3));
    net_output(&net, net_gemm(&net, x, 6, 0, true));
    tf2__onnx__model_proto__free_unpacked(exported(&net), NULL);
    export_check_batch(&net, 0);
    net_close(&net);
}

static void test_factors(void **state)
{
    static const struct tf2_shape spans[] = {{1, {3}}, {2, {3, 4}}, {3, {3, 4, 2}}, {0, {0}}};
    struct net net;
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(spans); i++) {
        net_open(&net, 1);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 2));
        tf2_tensor_id s = net_constant(&net, spans[i]), b = net_constant(&net, spans[i]);
        x = net_node(&net, TF2_OP_SCALE, NULL, &(struct tf2_scale_attr){.axis = -3}, IN(x, s));
        check(&net, net_node(&net, TF2_OP_SCALE, NULL, &(struct tf2_scale_attr){.axis = 1}, IN(x, s, b)));
    }
    const struct tf2_shape slopes[] = {SHAPE(1), SHAPE(3), SHAPE(3, 1, 1), SHAPE(1, 1)};
    for (size_t i = 0; i < TF2__COUNT(slopes); i++) {
        net_open(&net, 1);
        tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4, 2));
        check(&net, net_node(&net, TF2_OP_PRELU, NULL, NULL, IN(x, net_constant(&net, slopes[i]))));
    }
}

static void test_eltwise(void **state)
{
    struct net net;
    (void)state;
    for (int kind = TF2_ELTWISE_SUM; kind <= TF2_ELTWISE_DIV; kind++) {
        for (size_t n = 2; n <= (kind < TF2_ELTWISE_SUB ? 4 : 2); n++) {
            struct tf2_eltwise_attr attr = {
                .kind = (enum tf2_eltwise_kind)kind, .coefficient = {0.5f, 1, -2, 3}};
            attr.has_coefficients = kind == TF2_ELTWISE_SUM && n != 3;
            net_open(&net, 1);
            tf2_tensor_id x = net_input(&net, "x", SHAPE(2, 3, 4));
            const tf2_tensor_id in[] = {
                x, net_constant_in(&net, 1, 2, SHAPE(3, 4)),
                net_activation(&net, x, TF2_ACTIVATION_TANH, 0, 0), x};
            check(&net, net_node(&net, TF2_OP_ELTWISE, "y", &attr, in, n));
        }
    }
}

static void test_moves(void **state)
{
    const struct tf2_slice_attr slice = {
        .n_dims = 3, .begin = {0, -1, 1}, .end = {INT64_MAX, INT64_MIN, -1}, .step = {0, -2, 1}};
    const struct tf2_slice_attr all = {.n_dims = 3, .end = {INT64_MAX, INT64_MAX, INT64_MAX}};
    struct tf2_pad_attr pad = {.n_dims = 4, .value = 1.5f, .begin = {0, 1, 2, -1}, .end = {0, 0, 1, 2}};
    struct net net;
    (void)state;
    check_op(TF2_OP_SLICE, &slice, SHAPE(2, 5, 6));
    check_op(TF2_OP_SLICE, &all, SHAPE(2, 5, 6));
    check_op(TF2_OP_PAD, &pad, SHAPE(2, 3, 4, 5));
    pad.begin[3] = 3;
    pad.mode = TF2_PAD_REFLECT;
    check_op(TF2_OP_PAD, &pad, SHAPE(2, 3, 4, 5));
    pad.mode = TF2_PAD_EDGE;
    check_op(TF2_OP_PAD, &pad, SHAPE(2, 3, 4, 5));
    check_op(TF2_OP_IDENTITY, NULL, SHAPE(2, 3));
    check_op(TF2_OP_DROPOUT, NULL, SHAPE(2, 3));
    check_op(TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = -2}, SHAPE(2, 3, 4));
    check_op(TF2_OP_RESHAPE, &(struct tf2_reshape_attr){.n_dims = 4, .dim = {0, 2, -1, 1}}, SHAPE(2, 4, 3));
    check_op(TF2_OP_SQUEEZE, &(struct tf2_axes_attr){.axes = 10}, SHAPE(2, 1, 3, 1));
    check_op(TF2_OP_UNSQUEEZE, &(struct tf2_axes_attr){.axes = 10}, SHAPE(2, 3));
    check_op(TF2_OP_UNSQUEEZE, &(struct tf2_axes_attr){.axes = 0}, SHAPE(2, 3));
    check_op(TF2_OP_TRANSPOSE, &(struct tf2_transpose_attr){.n_dims = 3, .perm = {0, 2, 1}}, SHAPE(2, 3, 4));
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 3, 4));
    check(&net, net_node(&net, TF2_OP_CONCAT, "y", &(struct tf2_axis_attr){.axis = -1}, IN(x, x, x)));
}

static void test_resize(void **state)
{
    (void)state;
    for (int c = TF2_RESIZE_HALF_PIXEL; c <= TF2_RESIZE_TF_HALF_PIXEL; c++) {
        struct tf2_resize_attr attr = {.coordinates = (enum tf2_resize_coordinates)c, .scale = {2, 3}};
        for (int nearest = TF2_RESIZE_ROUND_PREFER_FLOOR; nearest <= TF2_RESIZE_CEIL; nearest++) {
            attr.nearest = (enum tf2_resize_nearest)nearest;
            if (c != TF2_RESIZE_TF_HALF_PIXEL || nearest == TF2_RESIZE_FLOOR)
                check_op(TF2_OP_RESIZE, &attr, SHAPE(1, 2, 3, 4));
        }
        attr.mode = TF2_RESIZE_LINEAR;
        attr.size[0] = 7; /* a size and a scale that gives one */
        if (c != TF2_RESIZE_TF_HALF_PIXEL)
            check_op(TF2_OP_RESIZE, &attr, SHAPE(1, 2, 3, 4));
    }
}

static void test_conv(void **state)
{
    struct net net;
    struct tf2_conv_attr attr = {
        .window = {.stride = {2, 1}, .dilation = {1, 2}, .auto_pad = TF2_AUTO_PAD_SAME_LOWER}, .group = 2};
    (void)state;
    net_open(&net, 1);
    tf2_tensor_id x = net_input(&net, "x", SHAPE(1, 4, 6, 7));
    tf2_tensor_id w = net_constant(&net, SHAPE(6, 2, 3, 3)), b = net_constant(&net, SHAPE(6));
    tf2_tensor_id y = net_node(&net, TF2_OP_CONV, "first", &attr, IN(x, w, b));
    check(&net, net_node(&net, TF2_OP_CONV, "second", &attr, IN(x, w, b, y))); /* adds it */
}

/* Reads a network, writes it, reads that. */
static void test_digits(void **state)
{
    char file[512];
    const char *root = getenv("TF2_SOURCE_ROOT");
    struct net net = {0};
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    char path[EXPORT_PATH_MAX];
    (void)state;
    export_path(path);
    snprintf(file, sizeof(file), "%s/models/digits/digits.onnx", root ? root : ".");
    if (tf2_model_import(file, NULL, NULL, &model, &error) != TF2_OK)
        fail_msg("%s", error.message);
    net.graph = model->graph;
    assert_int_equal(tf2_model_export_onnx(model, path, &error), TF2_OK);
    export_check_batch(&net, 0);
    export_check_batch(&net, 3);
    tf2_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_normalization),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_factors),
        cmocka_unit_test(test_eltwise),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_transposed_convolutions),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_digits),
    };
    int failed = cmocka_run_group_tests_name("export_onnx", tests, NULL, NULL);
    export_remove();
    return failed;
}
