/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_passes_random.c: all passes on random networks: outputs before and after at the graph's own batch, at
 * 1 and at
 * 3. The seed of a network that fails is printed; TF2_TEST_ROUNDS=first:last in the environment runs others.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "net.h"
#include "pass_check.h"
#include "reference_run.h"
#include "transform/ir/graph.h"

#define MAX_TENSORS 64

/* A network that grows: what has been computed, and the source of random decisions. */
struct grower {
    struct net net;
    tf2_tensor_id tensors[MAX_TENSORS];
    uint32_t n;
    uint64_t random;
};

static uint32_t choose(struct grower *g, uint32_t n)
{
    return (uint32_t)(reference_random(&g->random) * n);
}

static const struct tf2_shape *shape_of(const struct grower *g, tf2_tensor_id x)
{
    return tf2_graph_shape(g->net.graph, x);
}

/* Mostly the newest tensor, so that chains arise. */
static tf2_tensor_id pick(struct grower *g)
{
    return choose(g, 4) ? g->tensors[g->n - 1] : g->tensors[choose(g, g->n)];
}

/* Another tensor of the same shape, or the tensor itself. */
static tf2_tensor_id pick_like(struct grower *g, tf2_tensor_id x)
{
    for (int i = 0; i < 8; i++) {
        tf2_tensor_id other = g->tensors[choose(g, g->n)];
        if (other != x && tf2_shape_equal(shape_of(g, other), shape_of(g, x)))
            return other;
    }
    return x;
}

static bool is_map(const struct grower *g, tf2_tensor_id x)
{
    return shape_of(g, x)->n_dims >= 3 && shape_of(g, x)->n_dims <= 5;
}

static tf2_tensor_id grow_conv(struct grower *g, tf2_tensor_id x)
{
    static const int64_t n_out[] = {2, 4, 6};
    if (!is_map(g, x))
        return net_gemm(&g->net, x, n_out[choose(g, 3)], (int32_t)shape_of(g, x)->n_dims - 1, choose(g, 2));
    if (choose(g, 4) == 0) {
        /* A depthwise one. */
        int64_t c = shape_of(g, x)->dim[1];
        struct tf2_conv_attr attr = {
            .group = (int32_t)c, .window = {.auto_pad = (enum tf2_auto_pad)choose(g, 3)}};
        struct tf2_shape w = *shape_of(g, x);
        w.dim[0] = c;
        w.dim[1] = 1;
        for (uint32_t d = 2; d < w.n_dims; d++)
            w.dim[d] = 1 + choose(g, (uint32_t)(w.dim[d] < 3 ? w.dim[d] : 3));
        tf2_tensor_id weights = net_constant(&g->net, w);
        return net_node(&g->net, TF2_OP_CONV, NULL, &attr, IN(x, weights));
    }
    if (choose(g, 2))
        return net_conv(&g->net, x, n_out[choose(g, 3)], 1, (int32_t)choose(g, 2), choose(g, 2));
    /* The same shape again, for residuals. */
    return net_conv(&g->net, x, shape_of(g, x)->dim[1], 3, 1, choose(g, 2));
}

static tf2_tensor_id grow_activation(struct grower *g, tf2_tensor_id x)
{
    switch (choose(g, 8)) {
    case 0:
        return net_activation(&g->net, x, TF2_ACTIVATION_CLIP, -0.5f, (float)choose(g, 6));
    case 1:
        return net_activation(&g->net, x, TF2_ACTIVATION_LEAKY_RELU, 0.25f, 0);
    case 2:
        return net_activation(&g->net, x, TF2_ACTIVATION_TANH, 0, 0);
    case 3:
        return net_activation(&g->net, x, TF2_ACTIVATION_AFFINE, 0.5f, choose(g, 2) ? 0.25f : 0);
    case 4: {
        tf2_tensor_id gate = net_activation(&g->net, x, TF2_ACTIVATION_HARD_SIGMOID, 1 / 6.0f, 0.5f);
        return net_eltwise(&g->net, TF2_ELTWISE_PROD, x, gate);
    }
    default:
        return net_activation(&g->net, x, TF2_ACTIVATION_RELU, 0, 0);
    }
}

/* With a constant: per channel, per element, or one number. */
static tf2_tensor_id grow_constant_operand(struct grower *g, tf2_tensor_id x)
{
    static const enum tf2_eltwise_kind kinds[] = {
        TF2_ELTWISE_SUM, TF2_ELTWISE_PROD, TF2_ELTWISE_SUB, TF2_ELTWISE_DIV, TF2_ELTWISE_MAX};
    enum tf2_eltwise_kind kind = kinds[choose(g, 5)];
    struct tf2_shape shape = *shape_of(g, x);
    uint32_t form = choose(g, 4);
    shape.dim[0] = 1;
    for (uint32_t d = 2; d < shape.n_dims && form; d++)
        shape.dim[d] = 1;
    if (form == 1)
        shape = SHAPE(1);
    tf2_tensor_id c = net_constant_in(&g->net, 0.5f, 2, shape);
    bool swap = kind != TF2_ELTWISE_DIV && choose(g, 2);
    return net_eltwise(&g->net, kind, swap ? c : x, swap ? x : c);
}

static tf2_tensor_id grow_affine(struct grower *g, tf2_tensor_id x)
{
    uint32_t which = choose(g, 3);
    if (shape_of(g, x)->n_dims < 2 || which == 0)
        return grow_constant_operand(g, x);
    return which == 1 ? net_batch_norm(&g->net, x) : net_scale(&g->net, x, choose(g, 2));
}

static tf2_tensor_id grow_sum(struct grower *g, tf2_tensor_id x)
{
    static const enum tf2_eltwise_kind kinds[] = {
        TF2_ELTWISE_SUM, TF2_ELTWISE_SUM, TF2_ELTWISE_MAX, TF2_ELTWISE_SUB};
    return net_eltwise(&g->net, kinds[choose(g, 4)], x, pick_like(g, x));
}

static tf2_tensor_id grow_pad_or_pool(struct grower *g, tf2_tensor_id x)
{
    const struct tf2_shape *shape = shape_of(g, x);
    if (choose(g, 2)) {
        struct tf2_pad_attr attr = {.n_dims = shape->n_dims, .value = choose(g, 4) ? 0 : 0.5f};
        for (uint32_t d = 2; d < shape->n_dims; d++) {
            attr.begin[d] = choose(g, 2);
            attr.end[d] = choose(g, 2);
        }
        return net_node(&g->net, TF2_OP_PAD, NULL, &attr, IN(x));
    }
    struct tf2_pool_attr attr = {
        .kind = (enum tf2_pool_kind)choose(g, 2),
        .rounding = (enum tf2_pool_rounding)choose(g, 2),
        .global = choose(g, 6) == 0,
        .count_include_pad = choose(g, 2),
    };
    if (!is_map(g, x))
        return x;
    for (uint32_t d = 0; d + 2 < shape->n_dims; d++) {
        attr.window.kernel[d] = shape->dim[2 + d] > 1 ? 2 : 1;
        attr.window.pad_begin[d] = attr.window.kernel[d] > 1 ? (int32_t)choose(g, 2) : 0;
        attr.window.stride[d] = 1 + (int32_t)choose(g, 2);
    }
    return net_node(&g->net, TF2_OP_POOL, NULL, &attr, IN(x));
}

static tf2_tensor_id grow_shape(struct grower *g, tf2_tensor_id x)
{
    const struct tf2_shape *shape = shape_of(g, x);
    struct tf2_reshape_attr reshape = {.n_dims = 2, .dim = {choose(g, 3) ? 0 : shape->dim[0], -1}};
    struct tf2_slice_attr slice = {.n_dims = shape->n_dims};
    struct tf2_transpose_attr transpose = {.n_dims = shape->n_dims};
    switch (choose(g, 7)) {
    case 0:
        return net_node(&g->net, TF2_OP_FLATTEN, NULL, &(struct tf2_axis_attr){.axis = 1}, IN(x));
    case 1:
        return net_node(&g->net, TF2_OP_RESHAPE, NULL, &reshape, IN(x));
    case 2:
        return net_node(&g->net, choose(g, 2) ? TF2_OP_DROPOUT : TF2_OP_IDENTITY, NULL, NULL, IN(x));
    case 3:
        for (uint32_t d = 0; d < shape->n_dims; d++)
            slice.end[d] = d == 1 && choose(g, 2) ? (shape->dim[d] + 1) / 2 : INT64_MAX;
        return net_node(&g->net, TF2_OP_SLICE, NULL, &slice, IN(x));
    case 4:
        for (uint32_t d = 0; d < shape->n_dims; d++)
            transpose.perm[d] = d;
        if (shape->n_dims > 2 && choose(g, 2)) {
            transpose.perm[1] = 2;
            transpose.perm[2] = 1;
        }
        return net_node(&g->net, TF2_OP_TRANSPOSE, NULL, &transpose, IN(x));
    case 5:
        return net_node(&g->net, TF2_OP_CONCAT, NULL, &(struct tf2_axis_attr){.axis = 1}, &x, 1);
    default: {
        tf2_tensor_id both[] = {x, pick_like(g, x)};
        return net_node(&g->net, TF2_OP_CONCAT, NULL, &(struct tf2_axis_attr){.axis = 1}, both, 2);
    }
    }
}

static tf2_tensor_id grow_one(struct grower *g)
{
    tf2_tensor_id x = pick(g);
    if (choose(g, 40) == 0)
        x = net_constant(&g->net, *shape_of(g, x)); /* something to fold */
    switch (choose(g, 12)) {
    case 0:
    case 1:
    case 2:
        return grow_conv(g, x);
    case 3:
    case 4:
        return grow_activation(g, x);
    case 5:
    case 6:
    case 7:
        return grow_affine(g, x);
    case 8:
        return grow_sum(g, x);
    case 9:
        return grow_pad_or_pool(g, x);
    default:
        return grow_shape(g, x);
    }
}

static void grow(struct grower *g, uint64_t seed)
{
    static const int64_t batches[] = {1, 1, 2};
    *g = (struct grower){.random = seed * 1000003};
    net_open(&g->net, seed);
    int64_t n = batches[choose(g, 3)];
    const struct tf2_shape shapes[] = {
        SHAPE(n, 4, 5), SHAPE(n, 4, 4, 5), SHAPE(n, 3, 4, 4), SHAPE(n, 2, 3, 4, 3), SHAPE(n, 6)};
    g->tensors[g->n++] = net_input(&g->net, "x", shapes[choose(g, TF2__COUNT(shapes))]);
    if (choose(g, 3) == 0)
        g->tensors[g->n++] = net_input(&g->net, "y", shapes[choose(g, TF2__COUNT(shapes))]);
    uint32_t n_grown = 4 + choose(g, 20);
    for (uint32_t i = 0; i < n_grown; i++) {
        uint32_t n_nodes = g->net.graph->n_nodes;
        tf2_tensor_id x = grow_one(g);
        if (g->net.graph->n_nodes == n_nodes)
            continue;
        if (tf2_shape_count(shape_of(g, x)) < 4000) /* concatenations explode */
            g->tensors[g->n++] = x;
    }
    net_output(&g->net, g->tensors[g->n - 1]);
    for (uint32_t i = 0; i + 1 < g->n; i++) {
        if (choose(g, 12) == 0)
            net_output(&g->net, g->tensors[i]);
    }
}

static void test_random_networks(void **state)
{
    (void)state;
    unsigned long first = 0, last = 399, n_before = 0, n_after = 0;
    const char *runs = getenv("TF2_TEST_ROUNDS");
    if (runs && sscanf(runs, "%lu:%lu", &first, &last) < 1)
        fail_msg("TF2_TEST_ROUNDS=%s, wanted FIRST:LAST", runs);
    for (unsigned long seed = first; seed <= last; seed++) {
        struct grower g;
        if (runs)
            print_message("seed %lu\n", seed);
        grow(&g, seed);
        n_before += g.net.graph->n_nodes;
        pass_check(&g.net, NULL, 1e-5);
        n_after += g.net.graph->n_nodes;
        net_close(&g.net);
    }
    print_message("%lu networks, %lu nodes before, %lu after\n", last - first + 1, n_before, n_after);
    if (!runs)
        assert_true(n_after < n_before * 3 / 4); /* the passes have something to do */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
