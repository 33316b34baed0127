/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_int8.c: grows a network: each new node reads tensors that exist, mostly recent ones, so that there
 * are branches, residuals and shared parts. Nodes that do not fit are simply not added. Every tensor in the
 * list is u8.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "transform/op/lrn.h"
#include "random_int8.h"

#define MAX_TENSORS  64
#define MAX_ELEMENTS 4000

struct grower {
    struct kgraph *k;
    tf2_tensor_id tensors[MAX_TENSORS];
    uint32_t n;
    uint64_t read; /* bit per entry: somebody reads it */
};

static tf2_tensor_id take(struct grower *g, uint32_t i)
{
    g->read |= (uint64_t)1 << i;
    return g->tensors[i];
}

static tf2_tensor_id pick(struct grower *g)
{
    if (kchance(g->k, 2))
        return take(g, g->n - 1);
    if (kchance(g->k, 2))
        return take(g, (uint32_t)krange(g->k, g->n > 4 ? g->n - 4 : 0, g->n - 1));
    return take(g, (uint32_t)krange(g->k, 0, g->n - 1));
}

/* One whose shape equals `like` but for `axis` (UINT32_MAX: equal in all); a new input, or `like` itself,
 * when none is found. */
static tf2_tensor_id pick_like(struct grower *g, tf2_tensor_id like, uint32_t axis)
{
    struct tf2_shape wanted = *kshape(g->k, like);
    for (int i = 0; i < 12; i++) {
        uint32_t at = (uint32_t)krange(g->k, 0, g->n - 1);
        struct tf2_shape found = *kshape(g->k, g->tensors[at]);
        if (found.n_dims == wanted.n_dims && axis < found.n_dims)
            found.dim[axis] = wanted.dim[axis];
        if (tf2_shape_equal(&found, &wanted))
            return take(g, at);
    }
    if (axis < wanted.n_dims)
        wanted.dim[axis] = krange(g->k, 1, 9);
    return kchance(g->k, 5) ? kinput8(g->k, wanted) : like;
}

static bool is_map(const struct grower *g, tf2_tensor_id x)
{
    return kshape(g->k, x)->n_dims >= 3 && kshape(g->k, x)->n_dims <= 5;
}

static tf2_tensor_id grow_conv(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape shape = *kshape(k, x);
    const uint32_t n_spatial = shape.n_dims - 2;
    struct kconv8 c = {
        .n_out = kchance(k, 3) ? shape.dim[1] : kchannels(k, 40),
        .kernel = kchance(k, 2) ? 3 : krange(k, 1, 4),
        .window = kwindow(k, n_spatial),
        .no_f32 = true,
        .no_residual = true,
        .extreme = kchance(k, 20),
        .wrap = kchance(k, 40)};
    if (kchance(k, 5)) {
        c.group = c.n_out = shape.dim[1];
    } else if (shape.dim[1] % 2 == 0 && kchance(k, 4)) {
        c.group = 2;
        c.n_out += c.n_out % 2;
    }
    if (kchance(k, 2)) { /* keeps the extents, as the branches of a block have it */
        c.window = (struct tf2_window){.auto_pad = TF2_AUTO_PAD_EXPLICIT};
        c.kernel = kchance(k, 2) ? 3 : 1;
        c.exact_kernel = true;
        for (uint32_t d = 0; d < n_spatial; d++)
            c.window.pad_begin[d] = c.window.pad_end[d] = (int32_t)(c.kernel / 2);
        if (kchance(k, 2)) {
            c.others = g->tensors;
            c.n_others = g->n;
            c.n_out = c.group > 1 ? c.n_out : shape.dim[1];
        }
    }
    return kconv8(k, x, &c);
}

static tf2_tensor_id grow_gemm(struct grower *g, tf2_tensor_id x)
{
    const uint32_t n_dims = kshape(g->k, x)->n_dims;
    if (n_dims < 2)
        return TF2_NO_TENSOR;
    return kgemm8(
        g->k, x, (int32_t)krange(g->k, 1, n_dims - 1), kchannels(g->k, 40), false, kchance(g->k, 20));
}

static tf2_tensor_id grow_eltwise(struct grower *g, tf2_tensor_id x)
{
    static const enum tf2_eltwise_kind kinds[] = {TF2_ELTWISE_SUM, TF2_ELTWISE_SUM, TF2_ELTWISE_MAX,
                                                  TF2_ELTWISE_MIN, TF2_ELTWISE_SUB, TF2_ELTWISE_PROD};
    struct tf2_eltwise_attr attr = {.kind = kinds[krange(g->k, 0, 5)]};
    const bool two = attr.kind == TF2_ELTWISE_SUB || attr.kind == TF2_ELTWISE_PROD || !kchance(g->k, 4);
    attr.has_coefficients = attr.kind == TF2_ELTWISE_SUM && kchance(g->k, 4);
    for (int i = 0; i < 3; i++)
        attr.coefficient[i] = kuniform(g->k, -1.5f, 1.5f);
    const tf2_tensor_id in[3] = {x, pick_like(g, x, UINT32_MAX), pick_like(g, x, UINT32_MAX)};
    return keltwise8(g->k, &attr, in, two ? 2 : 3);
}

/* x times a number per channel (squeeze and excitation). */
static tf2_tensor_id grow_gate(struct grower *g, tf2_tensor_id x)
{
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    tf2_tensor_id gate = kpool8_try(g->k, &global, x, false);
    gate = klookup8(g->k, kconv8_1x1(g->k, gate, kshape(g->k, x)->dim[1]), false);
    return keltwise8(g->k, &product, KIN(x, gate));
}

static tf2_tensor_id grow_pool(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const uint32_t n_spatial = kshape(k, x)->n_dims - 2;
    struct tf2_pool_attr pool = {
        .kind = (enum tf2_pool_kind)krange(k, 0, 1),
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .window = kwindow(k, n_spatial),
        .count_include_pad = kchance(k, 2),
        .global = kchance(k, 8)};
    for (uint32_t d = 0; d < n_spatial; d++) {
        pool.window.kernel[d] = (int32_t)krange(k, 2, 3);
        pool.window.dilation[d] = 0;
        pool.window.pad_begin[d] = (int32_t)krange(k, 0, 1);
        pool.window.pad_end[d] = (int32_t)krange(k, 0, 1);
    }
    return kpool8_try(k, &pool, x, false);
}

static tf2_tensor_id grow_window(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_lrn_attr lrn = {
        .size = (int32_t)(1 + 2 * krange(k, 0, 2)), .alpha = 0.5f, .beta = 0.75f, .k = 1};
    struct tf2_resize_attr resize = {
        .coordinates = (enum tf2_resize_coordinates)krange(k, 0, 4),
        .nearest = (enum tf2_resize_nearest)krange(k, 0, 3)};
    switch (krange(k, 0, 4)) {
    case 0:
        return kshape(k, x)->dim[1] <= 2048 ? klrn8(k, x, &lrn, kchance(k, 2) ? TF2__LRN_CURVE : 4096)
                                            : TF2_NO_TENSOR;
    case 1:
        for (uint32_t d = 0; d < kshape(k, x)->n_dims - 2; d++)
            resize.size[d] = krange(k, 1, 8);
        return kmove8(k, TF2_OP_RESIZE, &resize, x);
    default:
        return grow_pool(g, x);
    }
}

/* Of tensors with one quantization (a concat that needs no arithmetic), or with several. */
static tf2_tensor_id grow_concat(struct grower *g, tf2_tensor_id x)
{
    const uint32_t n_dims = kshape(g->k, x)->n_dims;
    const size_t n = (size_t)krange(g->k, 1, 5), swap = (size_t)krange(g->k, 0, (int64_t)n - 1);
    const uint32_t axis = n_dims < 3 || !kchance(g->k, 3) ? 1 : (uint32_t)krange(g->k, 1, n_dims - 1);
    tf2_tensor_id in[5] = {x};
    if (n_dims < 2)
        return TF2_NO_TENSOR;
    for (size_t i = 1; i < n; i++)
        in[i] = pick_like(g, x, axis);
    in[0] = in[swap];
    in[swap] = x;
    const struct tf2__quant quant = kquant_like(g->k, *kquant_of(g->k, x));
    const struct tf2_axis_attr attr = {.axis = (int32_t)axis};
    return knode8_try(g->k, TF2_OP_CONCAT, &attr, in, n, NULL, &quant);
}

/* The branches of an Inception or Fire block: read the same, are put together, all with one quantization or
 * not. */
static tf2_tensor_id grow_block(struct grower *g, tf2_tensor_id x)
{
    const size_t n = (size_t)krange(g->k, 2, 4);
    tf2_tensor_id in[4];
    for (size_t i = 0; i < n; i++) {
        in[i] = kconv8_1x1(g->k, x, kchannels(g->k, 20));
        if (kchance(g->k, 2))
            in[i] = kconv8_same(g->k, in[i], kchannels(g->k, 20));
    }
    const struct tf2__quant quant = *kquant_of(g->k, in[0]);
    const bool shared = kchance(g->k, 2);
    for (size_t i = 1; i < n && shared; i++)
        g->k->graph->tensors[in[i]].quant = quant;
    return kconcat8(g->k, 1, in, n, &quant);
}

static tf2_tensor_id grow_slice(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape *shape = kshape(k, x);
    struct tf2_slice_attr attr = {.n_dims = shape->n_dims};
    for (uint32_t d = 0; d < shape->n_dims; d++)
        attr.end[d] = INT64_MAX;
    if (shape->n_dims < 2)
        return TF2_NO_TENSOR;
    const uint32_t d = kchance(k, 2) ? 1 : (uint32_t)krange(k, 1, shape->n_dims - 1);
    attr.begin[d] = krange(k, 0, shape->dim[d] - 1);
    attr.end[d] = krange(k, attr.begin[d] + 1, shape->dim[d]);
    attr.step[d] = kchance(k, 4) ? 2 : 1;
    return kmove8(k, TF2_OP_SLICE, &attr, x);
}

/* [N, C, ...] to [N, g, C / g, ...] transposed and back. */
static tf2_tensor_id shuffle(struct kgraph *k, tf2_tensor_id x, int64_t group)
{
    const struct tf2_shape shape = *kshape(k, x);
    const struct tf2_transpose_attr swap = {.n_dims = shape.n_dims + 1, .perm = {0, 2, 1, 3, 4, 5}};
    struct tf2_reshape_attr wide = {.n_dims = shape.n_dims + 1, .dim = {0, group, shape.dim[1] / group}};
    struct tf2_reshape_attr back = {.n_dims = shape.n_dims, .dim = {0, -1}};
    for (uint32_t d = 2; d < shape.n_dims; d++)
        wide.dim[d + 1] = back.dim[d] = shape.dim[d];
    x = kmove8(k, TF2_OP_TRANSPOSE, &swap, kmove8(k, TF2_OP_RESHAPE, &wide, x));
    return kmove8(k, TF2_OP_RESHAPE, &back, x);
}

static tf2_tensor_id grow_reshape(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2_shape shape = *kshape(k, x);
    const struct tf2_axes_attr axes = {.axes = kchance(k, 2) ? 12 : 4};
    for (int64_t f = 2; f <= 4 && shape.n_dims >= 2 && shape.n_dims <= 5; f++) {
        if (shape.dim[1] % f == 0 && kchance(k, 2))
            return shuffle(k, x, f);
    }
    switch (krange(k, 0, 2)) {
    case 0:
        return kmove8(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, x);
    case 1:
        if (shape.n_dims == 2) /* a vector becomes a map of as many channels */
            return kmove8(k, TF2_OP_UNSQUEEZE, &axes, x);
        return kmove8(k, TF2_OP_RESHAPE, &(struct tf2_reshape_attr){.n_dims = 3, .dim = {0, 0, -1}}, x);
    default:
        return kmove8(k, TF2_OP_RESHAPE, &(struct tf2_reshape_attr){.n_dims = 4, .dim = {0, -1, 1, 1}}, x);
    }
}

static tf2_tensor_id grow_transpose(struct grower *g, tf2_tensor_id x)
{
    struct tf2_transpose_attr attr = {.n_dims = kshape(g->k, x)->n_dims};
    for (uint32_t d = 0; d < attr.n_dims; d++) {
        const uint32_t other = d ? (uint32_t)krange(g->k, 1, d) : 0;
        attr.perm[d] = attr.perm[other];
        attr.perm[other] = d;
    }
    return kmove8(g->k, TF2_OP_TRANSPOSE, &attr, x);
}

static tf2_tensor_id grow_pad(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    struct tf2_pad_attr attr = {.n_dims = kshape(k, x)->n_dims, .mode = (enum tf2_pad_mode)krange(k, 0, 2)};
    attr.value = kchance(k, 2) ? 0 : kuniform(k, -1, 1);
    for (uint32_t d = 2; d < attr.n_dims; d++) {
        attr.begin[d] = krange(k, 0, 2);
        attr.end[d] = krange(k, 0, 2);
    }
    return kmove8_try(k, TF2_OP_PAD, &attr, x);
}

/* Through float32, by what does not round there. */
static tf2_tensor_id grow_island(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = g->k;
    const struct tf2__quant quant = kquant_like(k, *kquant_of(k, x));
    const struct tf2_pool_attr pool = {.kind = TF2_POOL_MAX, .global = true};
    const bool map = is_map(g, x);
    x = knode8(k, TF2_OP_DEQUANTIZE, NULL, KIN(x), NULL, NULL);
    if (map && kchance(k, 3))
        x = knode(k, TF2_OP_POOL, &pool, KIN(x));
    else if (kchance(k, 2))
        x = krelu(k, x);
    return knode8(k, TF2_OP_QUANTIZE, NULL, KIN(x), NULL, &quant);
}

static tf2_tensor_id grow_other(struct grower *g, tf2_tensor_id x)
{
    switch (krange(g->k, 0, 5)) {
    case 0:
        return grow_transpose(g, x);
    case 1:
        return grow_pad(g, x);
    case 2:
        return kmove8(g->k, TF2_OP_IDENTITY, NULL, x);
    case 3:
        return grow_island(g, x);
    default:
        return klookup8(g->k, x, kshape(g->k, x)->n_dims > 1 && kchance(g->k, 3));
    }
}

static tf2_tensor_id grow_one(struct grower *g)
{
    tf2_tensor_id x = pick(g);
    const bool map = is_map(g, x);
    switch (krange(g->k, 0, 18)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        return map ? grow_conv(g, x) : grow_gemm(g, x);
    case 6:
        return grow_gemm(g, x);
    case 7:
    case 8:
    case 9:
        return grow_eltwise(g, x);
    case 10:
    case 11:
        return map ? grow_window(g, x) : grow_other(g, x);
    case 12:
        return map ? grow_gate(g, x) : grow_other(g, x);
    case 13:
    case 14:
        return grow_concat(g, x);
    case 15:
        return map ? grow_block(g, x) : grow_concat(g, x);
    case 16:
        return grow_slice(g, x);
    case 17:
        return grow_reshape(g, x);
    default:
        return grow_other(g, x);
    }
}

static void add_inputs(struct grower *g)
{
    const uint32_t n_spatial = (uint32_t)(kchance(g->k, 3) ? krange(g->k, 1, 3) : 2);
    struct tf2_shape shape = kmap_shape(g->k, 32, n_spatial, n_spatial == 3 ? 4 : 9);
    shape.dim[0] = 1;
    for (int64_t n = kchance(g->k, 3) ? 2 : 1; n > 0; n--) {
        g->tensors[g->n++] = kinput8(g->k, shape);
        if (kchance(g->k, 2))
            shape.dim[1] = kchannels(g->k, 32);
    }
}

/* Dequantized, or by a last layer that gives float32. */
static void add_output(struct kgraph *k, tf2_tensor_id x)
{
    const uint32_t n_dims = kshape(k, x)->n_dims;
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    const struct kconv8 conv = {.n_out = kchannels(k, 20), .kernel = 1, .no_residual = true, .f32 = true};
    switch (krange(k, 0, 5)) {
    case 0:
        koutput8(k, n_dims >= 3 && n_dims <= 5 ? kconv8(k, x, &conv) : x);
        break;
    case 1:
        koutput8(k, n_dims >= 2 ? kgemm8(k, x, 1, kchannels(k, 40), true, false) : x);
        break;
    case 2:
        koutput8(k, n_dims >= 3 && n_dims <= 5 ? kpool8_try(k, &global, x, true) : x);
        break;
    default:
        koutput8(k, x);
        break;
    }
}

void random_int8(struct kgraph *k)
{
    struct grower g = {.k = k};
    add_inputs(&g);
    const int64_t n = krange(k, 3, 25);
    for (int64_t i = 0; i < n; i++) {
        tf2_tensor_id x = grow_one(&g);
        if (x == TF2_NO_TENSOR || tf2_shape_count(kshape(k, x)) > MAX_ELEMENTS || g.n == MAX_TENSORS)
            continue;
        g.tensors[g.n++] = x;
    }
    for (uint32_t i = 0; i < g.n; i++) {
        if (!(g.read >> i & 1) || kchance(k, 12))
            add_output(k, g.tensors[i]);
    }
    if (k->n_outputs == 0)
        add_output(k, g.tensors[g.n - 1]);
}
