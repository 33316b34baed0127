/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_int8_net.c: situations rather than operators: constants as data, outputs of bytes, float32 in the
 * middle.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "kint8.h"

/* Bytes of the model where others have bytes of the input. */
static void constants(struct kgraph *k)
{
    const struct tf2_shape shape = KSHAPE(1, kchannels(k, 24), krange(k, 1, 6), krange(k, 1, 6));
    tf2_tensor_id x = kinput8(k, shape), c = kconstant8(k, shape), y;
    const struct tf2_eltwise_attr sum = {.kind = (enum tf2_eltwise_kind)krange(k, 0, 4)};
    const struct tf2_pool_attr pool = {.kind = TF2_POOL_AVG, .global = true};
    switch (krange(k, 0, 5)) {
    case 0:
        y = kconv8_same(k, c, kchannels(k, 9));
        break;
    case 1:
        y = kpool8_try(k, &pool, c, kchance(k, 2));
        break;
    case 2:
        y = klookup8(k, kslice8(k, c, 2, 0, 1), true);
        break;
    case 3:
        y = kgemm8(k, c, 1, kchannels(k, 20), kchance(k, 2), false);
        break;
    case 4:
        y = kconcat8(k, 1, KIN(x, c, kmove8(k, TF2_OP_IDENTITY, NULL, c)), kquant_of(k, x));
        break;
    default:
        y = c;
        break;
    }
    koutput8(k, y);
    koutput8(k, keltwise8(k, &sum, KIN(x, c)));
}

/* Outputs that are bytes themselves, of all layouts; the same tensor twice. */
static void u8_outputs(struct kgraph *k)
{
    tf2_tensor_id x = kinput8(k, kmap_shape(k, 40, (uint32_t)krange(k, 1, 3), 5));
    if (kchance(k, 2))
        koutput(k, x);
    tf2_tensor_id y = ksomething8(k, x);
    koutput(k, y);
    if (kchance(k, 2))
        koutput8(k, kconv8_same(k, y, kchannels(k, 9)));
    if (kchance(k, 2))
        koutput(k, kmove8(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, y));
    koutput8(k, y);
}

/* Few channels each, of several inputs, that nothing but convolutions read. */
static void several_inputs(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 9, 2, 7);
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    const int64_t n = krange(k, 2, 4), n_out = kchannels(k, 20);
    tf2_tensor_id parts[4];
    for (int64_t i = 0; i < n; i++) {
        shape.dim[1] = krange(k, 1, 4);
        parts[i] = klookup8(k, kconv8_same(k, kinput8(k, shape), n_out), true);
        parts[i] = keltwise8(k, &sum, KIN(parts[i], parts[i ? i - 1 : 0]));
    }
    koutput8(k, kconcat8(k, 1, parts, (size_t)n, kchance(k, 2) ? kquant_of(k, parts[0]) : &quant));
}

/* Integers, floats, integers: the floats of two devices are close, so that the integers behind differ by a
 * step at most where nothing but moves follows. */
static void float_island(struct kgraph *k)
{
    tf2_tensor_id x =
        kinput8_as(k, KSHAPE(1, kchannels(k, 24), krange(k, 1, 5), krange(k, 1, 5)), kquant(k, 1.0 / 64));
    const struct tf2_softmax_attr softmax = {.axis = 1};
    const struct tf2_resize_attr linear = {.mode = TF2_RESIZE_LINEAR, .scale = {2, 2}};
    x = kconv8_same(k, x, kchannels(k, 24));
    const float step = kquant_of(k, x)->scale;
    const struct tf2_activation smaller = {.kind = TF2_ACTIVATION_AFFINE, .alpha = 1 / (step * 64)};
    x = knode8(k, TF2_OP_DEQUANTIZE, NULL, KIN(x), NULL, NULL);
    x = knode(k, TF2_OP_ACTIVATION, &smaller, KIN(x));
    switch (krange(k, 0, 4)) {
    case 0:
        x = knode(k, TF2_OP_SOFTMAX, &softmax, KIN(x));
        break;
    case 1:
        x = kactivation(k, x, TF2_ACTIVATION_SIGMOID);
        break;
    case 2:
        x = knode(k, TF2_OP_RESIZE, &linear, KIN(x));
        break;
    case 3:
        x = kconv_same(k, x, kchannels(k, 9));
        break;
    default:
        x = kactivation(k, x, TF2_ACTIVATION_HARD_SWISH);
        break;
    }
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    x = knode8(k, TF2_OP_QUANTIZE, NULL, KIN(x), NULL, &quant);
    if (kchance(k, 2))
        x = kmove8(k, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, x);
    koutput8(k, x);
}

/* Floats that integers were summed up to, and what passes would like to take into the node that did: one
 * multiplication or comparison, so that all bits are defined. */
static void float_tail(struct kgraph *k)
{
    const int64_t n_out = kchannels(k, 12);
    const bool gemm = kchance(k, 3);
    const struct kconv8 conv = {.n_out = n_out, .kernel = 3, .f32 = true};
    const enum tf2_activation_kind kinds[] = {
        TF2_ACTIVATION_RELU, TF2_ACTIVATION_CLIP, TF2_ACTIVATION_LEAKY_RELU};
    tf2_tensor_id x = kinput8(k, kmap_shape(k, 12, 2, 5));
    x = gemm ? kgemm8(k, x, 1, n_out, true, false) : kconv8(k, x, &conv);
    if (kchance(k, 2))
        x = kactivation(k, x, kinds[krange(k, 0, 2)]);
    if (kchance(k, 2))
        x = knode(k, TF2_OP_SCALE, &(struct tf2_scale_attr){.axis = 1}, KIN(x, kconstant(k, KSHAPE(n_out))));
    if (kchance(k, 2))
        x = kactivation(k, x, kinds[krange(k, 0, 2)]);
    koutput(k, x);
}

const struct kfamily8 families8_net[] = {
    {.name = "int8_constants", .build = constants},
    {.name = "int8_u8_outputs", .build = u8_outputs},
    {.name = "int8_several_inputs", .build = several_inputs},
    {.name = "int8_float_island", .build = float_island, .one_step = true},
    {.name = "int8_float_tail", .build = float_tail},
    {0},
};
