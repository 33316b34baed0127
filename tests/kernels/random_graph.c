/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_graph.c: grows a network: each new node reads tensors that exist, mostly recent ones. Nodes that do
 * not fit are simply not added. Sums are followed by scaling so that numbers neither explode nor vanish.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "random_graph.h"

#define MAX_TENSORS  64
#define MAX_ELEMENTS 3000

struct grower {
    struct kgraph *k;
    tf2_tensor_id tensors[MAX_TENSORS];
    uint32_t n;
    uint64_t read; /* bit per entry: somebody reads it */
};

static uint32_t pick_index(const struct grower *g)
{
    if (kchance(g->k, 2))
        return g->n - 1;
    if (kchance(g->k, 2))
        return (uint32_t)krange(g->k, g->n > 4 ? g->n - 4 : 0, g->n - 1);
    return (uint32_t)krange(g->k, 0, g->n - 1);
}

static tf2_tensor_id pick(struct grower *g)
{
    uint32_t i = pick_index(g);
    g->read |= (uint64_t)1 << i;
    return g->tensors[i];
}

/* One whose shape equals `like` but for `axis` (UINT32_MAX: equal in all); a new constant or input when none
 * is found. */
static tf2_tensor_id pick_like(struct grower *g, tf2_tensor_id like, uint32_t axis)
{
    struct tf2_shape wanted = *kshape(g->k, like);
    for (int i = 0; i < 12; i++) {
        uint32_t at = (uint32_t)krange(g->k, 0, g->n - 1);
        struct tf2_shape found = *kshape(g->k, g->tensors[at]);
        if (found.n_dims == wanted.n_dims && axis < found.n_dims)
            found.dim[axis] = wanted.dim[axis];
        if (tf2_shape_equal(&found, &wanted)) {
            g->read |= (uint64_t)1 << at;
            return g->tensors[at];
        }
    }
    if (axis < wanted.n_dims)
        wanted.dim[axis] = krange(g->k, 1, 9);
    switch (krange(g->k, 0, 5)) {
    case 0:
        return kconstant(g->k, wanted);
    case 1:
        return kinput(g->k, wanted);
    default:
        return like;
    }
}

static bool is_map(const struct grower *g, tf2_tensor_id x)
{
    return kshape(g->k, x)->n_dims >= 3 && kshape(g->k, x)->n_dims <= 5;
}

/* Divides by the square root of the number of terms, so that the numbers stay as large as they are. */
static tf2_tensor_id normalize(struct kgraph *k, tf2_tensor_id x, int64_t n_terms)
{
    float factor = 1;
    for (int64_t n = n_terms; n > 1; n /= 4)
        factor /= 2;
    const struct tf2_activation attr = {.kind = TF2_ACTIVATION_AFFINE, .alpha = factor};
    return knode(k, TF2_OP_ACTIVATION, &attr, KIN(x));
}

static tf2_tensor_id grow_conv(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_conv_attr attr = {.group = 1, .window = kwindow(k, shape.n_dims - 2)};
    struct tf2_shape weights = shape;
    int64_t n_out = kchance(k, 3) ? shape.dim[1] : kchannels(k, 24);
    int64_t kernel = kchance(k, 2) ? 3 : krange(k, 1, 4), n_terms = 1;
    if (kchance(k, 5)) {
        attr.group = (int32_t)shape.dim[1];
        n_out = shape.dim[1];
    } else if (shape.dim[1] % 2 == 0 && kchance(k, 4)) {
        attr.group = 2;
        n_out += n_out % 2;
    }
    if (kchance(k, 2)) { /* keeps the extents */
        attr.window = (struct tf2_window){.auto_pad = TF2_AUTO_PAD_EXPLICIT};
        kernel = kchance(k, 2) ? 3 : 1;
        for (uint32_t d = 0; d < shape.n_dims - 2; d++)
            attr.window.pad_begin[d] = attr.window.pad_end[d] = (int32_t)(kernel / 2);
    }
    weights.dim[0] = n_out;
    weights.dim[1] /= attr.group;
    for (uint32_t d = 2; d < weights.n_dims; d++)
        weights.dim[d] = kernel;
    for (uint32_t d = 1; d < weights.n_dims; d++)
        n_terms *= weights.dim[d];
    tf2_tensor_id w = kconstant(k, weights), b = kchance(k, 2) ? kconstant(k, KSHAPE(n_out)) : TF2_NO_TENSOR;
    tf2_tensor_id y = knode_try(k, TF2_OP_CONV, &attr, KIN(x, w, b));
    return y == TF2_NO_TENSOR ? y : normalize(k, y, n_terms);
}

/* Twice as large, or half as much again; only what is small. */
static tf2_tensor_id grow_deconv(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape shape = *kshape(k, x);
    struct tf2_conv_transpose_attr attr = {.group = kchance(k, 3) ? (int32_t)shape.dim[1] : 1};
    struct tf2_shape weights = shape;
    int64_t n_terms = shape.dim[1] / attr.group;
    weights.dim[0] = attr.group > 1 ? shape.dim[1] : kchannels(k, 24);
    weights.dim[1] = n_terms;
    for (uint32_t d = 2; d < shape.n_dims; d++) {
        if (shape.dim[d] > 9)
            return TF2_NO_TENSOR;
        attr.window.stride[d - 2] = (int32_t)krange(k, 1, 2);
        attr.window.pad_begin[d - 2] = attr.window.pad_end[d - 2] = (int32_t)krange(k, 0, 1);
        weights.dim[d] = krange(k, 2, 4);
        n_terms *= weights.dim[d];
    }
    tf2_tensor_id w = kconstant(k, weights);
    tf2_tensor_id y = knode_try(k, TF2_OP_CONV_TRANSPOSE, &attr, KIN(x, w));
    return y == TF2_NO_TENSOR ? y : normalize(k, y, n_terms);
}

static tf2_tensor_id grow_gemm(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape *shape = kshape(k, x);
    struct tf2_gemm_attr attr = {.axis = shape->n_dims > 1 ? (int32_t)krange(k, 1, shape->n_dims - 1) : 0};
    int64_t n_in = 1, n_out = kchannels(k, 40);
    for (uint32_t d = (uint32_t)attr.axis; d < shape->n_dims; d++)
        n_in *= shape->dim[d];
    tf2_tensor_id w = kconstant(k, KSHAPE(n_out, n_in));
    return normalize(k, knode(k, TF2_OP_GEMM, &attr, KIN(x, w)), n_in);
}

static tf2_tensor_id grow_affine(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape *shape = kshape(k, x);
    if (shape->n_dims < 2)
        return krelu(k, x);
    int64_t c = shape->dim[1];
    if (kchance(k, 3))
        return knode(k, TF2_OP_PRELU, NULL, KIN(x, kconstant(k, KSHAPE(c))));
    if (kchance(k, 2))
        return knode(
            k, TF2_OP_SCALE, &(struct tf2_scale_attr){.axis = 1},
            KIN(x, kconstant(k, KSHAPE(c)), kchance(k, 2) ? kconstant(k, KSHAPE(c)) : TF2_NO_TENSOR));
    enum kdata before = k->data;
    tf2_tensor_id scale = kconstant(k, KSHAPE(c)), bias = kconstant(k, KSHAPE(c)),
                  mean = kconstant(k, KSHAPE(c));
    k->data = KDATA_POSITIVE;
    tf2_tensor_id variance = kconstant(k, KSHAPE(c));
    k->data = before;
    return knode(
        k, TF2_OP_BATCH_NORM, &(struct tf2_batch_norm_attr){.epsilon = 0.1f},
        KIN(x, scale, bias, mean, variance));
}

static tf2_tensor_id grow_eltwise(struct grower *g, tf2_tensor_id x)
{
    static const enum tf2_eltwise_kind kinds[] = {
        TF2_ELTWISE_SUM, TF2_ELTWISE_SUM, TF2_ELTWISE_MAX, TF2_ELTWISE_MIN, TF2_ELTWISE_SUB};
    struct tf2_eltwise_attr attr = {.kind = kinds[krange(g->k, 0, 4)]};
    return knode(g->k, TF2_OP_ELTWISE, &attr, KIN(x, pick_like(g, x, UINT32_MAX)));
}

/* x times a gate in 0 .. 1, of its own shape or one number per channel (squeeze and excitation). */
static tf2_tensor_id grow_gate(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    tf2_tensor_id gate = x;
    if (is_map(g, x) && kchance(k, 2)) {
        gate = knode(k, TF2_OP_POOL, &global, KIN(x));
        gate = normalize(k, kconv_1x1(k, gate, kshape(k, x)->dim[1]), kshape(k, x)->dim[1]);
    }
    gate = kactivation(k, gate, TF2_ACTIVATION_HARD_SIGMOID);
    return knode(k, TF2_OP_ELTWISE, &product, KIN(x, gate));
}

static tf2_tensor_id grow_window(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    uint32_t n_spatial = kshape(k, x)->n_dims - 2;
    struct tf2_pool_attr pool = {
        .kind = (enum tf2_pool_kind)krange(k, 0, 1),
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .window = kwindow(k, n_spatial),
        .count_include_pad = kchance(k, 2),
        .global = kchance(k, 8)};
    const struct tf2_lrn_attr lrn = {
        .region = n_spatial == 2 ? (enum tf2_lrn_region)krange(k, 0, 1) : TF2_LRN_ACROSS_CHANNELS,
        .size = (int32_t)(1 + 2 * krange(k, 0, 2)),
        .alpha = 0.5f,
        .beta = 0.75f,
        .k = 1};
    struct tf2_resize_attr resize = {
        .mode = (enum tf2_resize_mode)krange(k, 0, 1),
        .coordinates = (enum tf2_resize_coordinates)krange(k, 0, 4)};
    switch (krange(k, 0, 3)) {
    case 0:
        return knode(k, TF2_OP_LRN, &lrn, KIN(x));
    case 1:
        for (uint32_t d = 0; d < n_spatial; d++)
            resize.size[d] = krange(k, 1, 8);
        return knode(k, TF2_OP_RESIZE, &resize, KIN(x));
    default:
        for (uint32_t d = 0; d < n_spatial; d++) {
            pool.window.kernel[d] = (int32_t)krange(k, 2, 3);
            pool.window.dilation[d] = 0;
            pool.window.pad_begin[d] = (int32_t)krange(k, 0, 1);
            pool.window.pad_end[d] = (int32_t)krange(k, 0, 1);
        }
        return knode_try(k, TF2_OP_POOL, &pool, KIN(x));
    }
}

static tf2_tensor_id grow_concat(struct grower *g, tf2_tensor_id x)
{
    tf2_tensor_id in[5] = {x};
    size_t n = (size_t)krange(g->k, 1, 5);
    uint32_t n_dims = kshape(g->k, x)->n_dims;
    uint32_t axis = n_dims > 1 && !kchance(g->k, 3) ? 1 : (uint32_t)krange(g->k, 0, n_dims - 1);
    for (size_t i = 1; i < n; i++)
        in[i] = pick_like(g, x, axis);
    size_t swap = (size_t)krange(g->k, 0, (int64_t)n - 1);
    in[0] = in[swap];
    in[swap] = x;
    return kconcat(g->k, (int32_t)axis, in, n);
}

static tf2_tensor_id grow_slice(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape *shape = kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape->n_dims};
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        attr.end[d] = INT64_MAX;
        attr.step[d] = 1;
    }
    uint32_t d = shape->n_dims > 1 && kchance(k, 2) ? 1 : (uint32_t)krange(k, 0, shape->n_dims - 1);
    attr.begin[d] = krange(k, 0, shape->dim[d] - 1);
    attr.end[d] = krange(k, attr.begin[d] + 1, shape->dim[d]);
    attr.step[d] = kchance(k, 4) ? 2 : 1;
    return knode(k, TF2_OP_SLICE, &attr, KIN(x));
}

/* [N, C, ...] to [N, g, C / g, ...] transposed and back, or to fewer dimensions. */
static tf2_tensor_id grow_reshape(struct grower *g, tf2_tensor_id x)
{
    static const uint32_t perm[TF2_MAX_DIMS] = {0, 2, 1, 3, 4, 5};
    struct kgraph *k = g->k;
    struct tf2_shape shape = *kshape(k, x), wide = shape;
    if (shape.n_dims < 2)
        return knode(k, TF2_OP_UNSQUEEZE, &(struct tf2_axes_attr){.axes = 2}, KIN(x));
    for (int64_t f = 2; f <= 4 && shape.n_dims <= 5; f++) {
        if (shape.dim[1] % f || kchance(k, 2))
            continue;
        wide = (struct tf2_shape){.n_dims = shape.n_dims + 1, .dim = {0, f, shape.dim[1] / f}};
        for (uint32_t d = 2; d < shape.n_dims; d++)
            wide.dim[d + 1] = shape.dim[d];
        shape.dim[0] = 0;
        return kreshape(k, ktranspose(k, kreshape(k, x, wide), perm), shape);
    }
    switch (krange(k, 0, 3)) {
    case 0:
        return knode(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, KIN(x));
    case 1:
        if (shape.n_dims == 2) /* a vector becomes a map of as many channels */
            return knode(
                k, TF2_OP_UNSQUEEZE, &(struct tf2_axes_attr){.axes = kchance(k, 2) ? 12u : 4u}, KIN(x));
        return kreshape(k, x, KSHAPE(0, 0, -1));
    case 2:
        return kreshape(k, x, KSHAPE(0, -1));
    default:
        return kreshape(k, x, KSHAPE(0, -1, 1, 1));
    }
}

static tf2_tensor_id grow_transpose(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    uint32_t perm[TF2_MAX_DIMS], n_dims = kshape(k, x)->n_dims;
    for (uint32_t d = 0; d < n_dims; d++) {
        uint32_t other = d ? (uint32_t)krange(k, 1, d) : 0;
        perm[d] = perm[other];
        perm[other] = d;
    }
    return ktranspose(k, x, perm);
}

static tf2_tensor_id grow_pad(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    struct tf2_pad_attr attr = {.n_dims = kshape(k, x)->n_dims, .mode = (enum tf2_pad_mode)krange(k, 0, 2)};
    for (uint32_t d = 2; d < attr.n_dims; d++) {
        attr.begin[d] = krange(k, 0, 2);
        attr.end[d] = krange(k, 0, 2);
    }
    return knode_try(k, TF2_OP_PAD, &attr, KIN(x));
}

static tf2_tensor_id grow_softmax(struct grower *g, tf2_tensor_id x)
{
    const struct tf2_softmax_attr attr = {
        .axis = (int32_t)krange(g->k, 0, kshape(g->k, x)->n_dims - 1), .flatten = kchance(g->k, 3)};
    tf2_tensor_id y = normalize(g->k, x, 16);
    return knode(g->k, TF2_OP_SOFTMAX, &attr, KIN(y));
}

static tf2_tensor_id grow_activation(struct grower *g, tf2_tensor_id x)
{
    static const enum tf2_activation_kind kinds[] = {
        TF2_ACTIVATION_RELU,       TF2_ACTIVATION_RELU, TF2_ACTIVATION_CLIP, TF2_ACTIVATION_LEAKY_RELU,
        TF2_ACTIVATION_SIGMOID,    TF2_ACTIVATION_TANH, TF2_ACTIVATION_ELU,  TF2_ACTIVATION_HARD_SIGMOID,
        TF2_ACTIVATION_HARD_SWISH, TF2_ACTIVATION_ABS};
    return kactivation(g->k, x, kinds[krange(g->k, 0, 9)]);
}

static tf2_tensor_id grow_one(struct grower *g)
{
    tf2_tensor_id x = pick(g);
    switch (krange(g->k, 0, 19)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        return is_map(g, x) ? grow_conv(g, x) : grow_gemm(g, x);
    case 5:
        if (is_map(g, x) && kchance(g->k, 2))
            return grow_deconv(g, x);
        return is_map(g, x) && !kchance(g->k, 3) ? grow_conv(g, x) : grow_gemm(g, x);
    case 6:
        return grow_affine(g, x);
    case 7:
    case 8:
        return grow_eltwise(g, x);
    case 9:
        return grow_gate(g, x);
    case 10:
    case 11:
        return is_map(g, x) ? grow_window(g, x) : grow_activation(g, x);
    case 12:
    case 13:
        return grow_concat(g, x);
    case 14:
        return grow_slice(g, x);
    case 15:
        return grow_reshape(g, x);
    case 16:
        return kchance(g->k, 2) ? grow_transpose(g, x) : grow_pad(g, x);
    case 17:
        return kchance(g->k, 2) ? grow_softmax(g, x) : knode(g->k, TF2_OP_IDENTITY, NULL, KIN(x));
    default:
        return grow_activation(g, x);
    }
}

static void add_inputs(struct grower *g)
{
    uint32_t n_spatial = (uint32_t)(kchance(g->k, 3) ? krange(g->k, 1, 3) : 2);
    struct tf2_shape shape = kmap_shape(g->k, 24, n_spatial, n_spatial == 3 ? 4 : 8);
    int64_t n = kchance(g->k, 3) ? 2 : 1;
    for (int64_t i = 0; i < n; i++) {
        g->tensors[g->n++] = kinput(g->k, shape);
        if (kchance(g->k, 2))
            shape.dim[1] = kchannels(g->k, 24);
    }
}

void random_graph(struct kgraph *k)
{
    struct grower g = {.k = k};
    add_inputs(&g);
    int64_t n = krange(k, 3, 25);
    for (int64_t i = 0; i < n; i++) {
        tf2_tensor_id x = grow_one(&g);
        if (x == TF2_NO_TENSOR || tf2_shape_count(kshape(k, x)) > MAX_ELEMENTS || g.n == MAX_TENSORS)
            continue;
        g.tensors[g.n++] = x;
    }
    for (uint32_t i = 0; i < g.n; i++) {
        if (!(g.read >> i & 1) || kchance(k, 12))
            koutput(k, g.tensors[i]);
    }
    if (k->n_outputs == 0)
        koutput(k, g.tensors[g.n - 1]);
}
