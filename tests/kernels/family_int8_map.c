/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_int8_map.c: element by element: sums and the like, lookups, the ways from and to float32.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kint8.h"

static bool is_map(const struct kgraph *k, tf2_tensor_id x)
{
    return kshape(k, x)->n_dims >= 3 && kshape(k, x)->n_dims <= 5;
}

static struct tf2_shape any_shape(struct kgraph *k, int64_t low, int64_t high)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, low, high)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 70) : kextent(k, shape.n_dims > 4 ? 3 : 9);
    return shape;
}

/* Laid out as the caller has it, or by the library, perhaps with a halo. */
static tf2_tensor_id source(struct kgraph *k, struct tf2_shape shape)
{
    tf2_tensor_id x = kinput8(k, shape);
    if (kchance(k, 2))
        x = ksomething8(k, x);
    if (is_map(k, x) && kchance(k, 4))
        koutput8(k, kconv8_same(k, x, 3));
    return x;
}

/* --- sums and the like --- */

static struct tf2_eltwise_attr any_kind(struct kgraph *k, size_t n)
{
    static const enum tf2_eltwise_kind kinds[] = {TF2_ELTWISE_SUM, TF2_ELTWISE_MAX, TF2_ELTWISE_MIN,
                                                  TF2_ELTWISE_SUM, TF2_ELTWISE_SUB, TF2_ELTWISE_PROD};
    struct tf2_eltwise_attr attr = {.kind = kinds[krange(k, 0, n == 2 ? 5 : 3)]};
    attr.has_coefficients = attr.kind == TF2_ELTWISE_SUM && kchance(k, 3);
    for (size_t i = 0; i < n && attr.has_coefficients; i++)
        attr.coefficient[i] = kuniform(k, -2, 2);
    return attr;
}

static void finish(struct kgraph *k, tf2_tensor_id y)
{
    if (is_map(k, y) && kchance(k, 3))
        koutput8(k, kconv8_same(k, y, kchannels(k, 9)));
    koutput8(k, y);
}

static void eltwise(struct kgraph *k)
{
    const struct tf2_shape shape = any_shape(k, 1, 6);
    tf2_tensor_id in[3];
    const size_t n = (size_t)krange(k, 2, 3);
    for (size_t i = 0; i < n; i++)
        in[i] = i && kchance(k, 6) ? in[0] : source(k, shape);
    const struct tf2_eltwise_attr attr = any_kind(k, n);
    finish(k, keltwise8(k, &attr, in, n));
}

/* Extents of 1, and fewer dimensions. The batch is everywhere the same: it may be changed. */
static void eltwise_broadcast(struct kgraph *k)
{
    const struct tf2_shape shape = any_shape(k, 2, 5);
    tf2_tensor_id in[3];
    const size_t n = (size_t)krange(k, 2, 3), whole = (size_t)krange(k, 0, (int64_t)n - 1);
    for (size_t i = 0; i < n; i++) {
        struct tf2_shape part = shape;
        for (uint32_t d = 1; d < shape.n_dims && i != whole; d++) {
            if (kchance(k, 2))
                part.dim[d] = 1;
        }
        in[i] = source(k, part);
    }
    const struct tf2_eltwise_attr attr = any_kind(k, n);
    finish(k, keltwise8(k, &attr, in, n));
}

/* A map times a gate per channel. */
static void eltwise_gate(struct kgraph *k)
{
    tf2_tensor_id x = source(k, kmap_shape(k, 70, 2, 9));
    const struct tf2_pool_attr global = {.kind = TF2_POOL_AVG, .global = true};
    tf2_tensor_id gate = kpool8_try(k, &global, x, false);
    gate = klookup8(k, kconv8_1x1(k, gate, kshape(k, x)->dim[1]), false);
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    finish(k, kchance(k, 2) ? keltwise8(k, &product, KIN(x, gate)) : keltwise8(k, &product, KIN(gate, x)));
}

/* Factors of all sizes, up to what is allowed. */
static void eltwise_factors(struct kgraph *k)
{
    const struct tf2_shape shape = any_shape(k, 1, 4);
    static const double scales[] = {1.0 / 64, 1e-12, 1e10, 1e-25, 1e15};
    struct tf2_eltwise_attr attr = any_kind(k, 2);
    tf2_tensor_id y = TF2_NO_TENSOR, in[2];
    while (y == TF2_NO_TENSOR) {
        for (size_t i = 0; i < 2; i++)
            in[i] = kinput8_as(k, shape, kquant(k, scales[krange(k, 0, 4)]));
        const struct tf2__quant quant = kquant(k, scales[krange(k, 0, 4)]);
        const struct tf2_activation activation = kactivation8(k, quant.scale);
        y = knode8_try(k, TF2_OP_ELTWISE, &attr, in, 2, &activation, &quant);
    }
    koutput8(k, y);
}

/* Inputs in the same steps, the output in an even number of them: sums in the middle of two, if nothing were
 * rounded. */
static void eltwise_ties(struct kgraph *k)
{
    const struct tf2_shape shape = any_shape(k, 1, 4);
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    const size_t n = (size_t)krange(k, 2, 3);
    const struct tf2_eltwise_attr attr = {
        .kind = n == 2 && kchance(k, 2) ? TF2_ELTWISE_SUB : TF2_ELTWISE_SUM};
    struct tf2__quant out = kquant(k, 1);
    tf2_tensor_id in[3];
    for (size_t i = 0; i < n; i++)
        in[i] = kinput8_as(k, shape, quant);
    out.scale = (float)((double)quant.scale * (double)(2 * krange(k, 1, 9)));
    koutput8(k, knode8(k, TF2_OP_ELTWISE, &attr, in, n, NULL, &out));
}

/* --- lookups --- */

static void lookup(struct kgraph *k)
{
    finish(k, klookup8(k, source(k, any_shape(k, 1, 6)), false));
}

static void lookup_channels(struct kgraph *k)
{
    finish(k, klookup8(k, source(k, any_shape(k, 2, 6)), true));
}

/* --- from and to float32 --- */

static tf2_tensor_id quantize(struct kgraph *k, struct tf2_shape shape)
{
    const struct tf2__quant quant = kquant_ties(k, (double)krange(k, 1, 7) / 64, 1.0 / 128);
    tf2_tensor_id x = kinput(k, shape), offset = TF2_NO_TENSOR;
    if (shape.n_dims > 1 && kchance(k, 2))
        offset = kconstant(k, KSHAPE(shape.dim[1]));
    if (kchance(k, 3))
        x = krelu(k, x); /* laid out by the library */
    return knode8(k, TF2_OP_QUANTIZE, NULL, KIN(x, offset), NULL, &quant);
}

static void quantize_any(struct kgraph *k)
{
    finish(k, quantize(k, any_shape(k, 1, 6)));
}

/* Three planes: rows of all lengths. */
static void quantize_rgb(struct kgraph *k)
{
    const struct tf2_shape shape = KSHAPE(krange(k, 1, 3), 3, krange(k, 1, 9), krange(k, 1, 70));
    finish(k, quantize(k, shape));
}

/* A fused activation, and float nodes behind that keep every bit. */
static void dequantize(struct kgraph *k)
{
    tf2_tensor_id x = source(k, any_shape(k, 1, 6));
    const struct tf2_activation activation = kactivation8(k, kquant_of(k, x)->scale);
    x = knode8(k, TF2_OP_DEQUANTIZE, NULL, KIN(x), &activation, NULL);
    koutput(k, kchance(k, 2) ? krelu(k, x) : x);
}

/* There and back again, to other steps. */
static void requantize(struct kgraph *k)
{
    tf2_tensor_id x = source(k, any_shape(k, 1, 5));
    const struct tf2__quant quant = kquant_like(k, *kquant_of(k, x));
    x = knode8(k, TF2_OP_DEQUANTIZE, NULL, KIN(x), NULL, NULL);
    finish(k, knode8(k, TF2_OP_QUANTIZE, NULL, KIN(x), NULL, &quant));
}

const struct kfamily8 families8_map[] = {
    {.name = "int8_eltwise", .build = eltwise},
    {.name = "int8_eltwise_broadcast", .build = eltwise_broadcast},
    {.name = "int8_eltwise_gate", .build = eltwise_gate},
    {.name = "int8_eltwise_ties", .build = eltwise_ties},
    {.name = "int8_eltwise_factors", .build = eltwise_factors},
    {.name = "int8_lookup", .build = lookup},
    {.name = "int8_lookup_channels", .build = lookup_channels},
    {.name = "int8_quantize", .build = quantize_any},
    {.name = "int8_quantize_rgb", .build = quantize_rgb},
    {.name = "int8_dequantize", .build = dequantize},
    {.name = "int8_requantize", .build = requantize},
    {0},
};
