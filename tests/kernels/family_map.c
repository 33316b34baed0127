/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_map.c: element-wise operators: activations, slopes, scales, arithmetic with broadcasting.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "families.h"

/* A tensor of rank low .. high; computed in half of the cases. */
static tf2_tensor_id any_tensor(struct kgraph *k, int64_t low, int64_t high)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, low, high)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 40) : kextent(k, shape.n_dims > 3 ? 5 : 13);
    if (shape.n_dims > 4)
        shape.dim[0] = 1;
    tf2_tensor_id x = kinput(k, shape);
    return kchance(k, 2) ? krelu(k, x) : x;
}

static void activation(struct kgraph *k)
{
    enum tf2_activation_kind kind = (enum tf2_activation_kind)krange(k, 0, 15);
    if (kind == TF2_ACTIVATION_LOG || kind == TF2_ACTIVATION_SQRT || kind == TF2_ACTIVATION_POW)
        k->data = kchance(k, 8) ? KDATA_SIGNED : KDATA_POSITIVE;
    tf2_tensor_id x = any_tensor(k, 1, 6);
    koutput(k, kactivation(k, x, kind));
    if (kchance(k, 3))
        koutput(k, kactivation(k, kactivation(k, x, TF2_ACTIVATION_HARD_SWISH), TF2_ACTIVATION_TANH));
}

/* A row longer than what one work item does. */
static void activation_long(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, KSHAPE(1, krange(k, 1, 3), krange(k, 1, 4) * 1024 + krange(k, -1, 1)));
    koutput(k, kactivation(k, x, (enum tf2_activation_kind)krange(k, 1, 9)));
}

/* x * hard_sigmoid(x) and relatives, which the passes know. */
static void gate(struct kgraph *k)
{
    const struct tf2_activation sigmoid = {
        .kind = TF2_ACTIVATION_HARD_SIGMOID, .alpha = kchance(k, 2) ? 1.0f / 6 : 0.2f, .beta = 0.5f};
    tf2_tensor_id x = kconv_1x1(k, kinput(k, kmap_shape(k, 20, 2, 7)), kchannels(k, 40));
    tf2_tensor_id g = kchance(k, 3) ? kactivation(k, x, TF2_ACTIVATION_SIGMOID)
                                    : knode(k, TF2_OP_ACTIVATION, &sigmoid, KIN(x));
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    koutput(
        k, knode(
               k, TF2_OP_ELTWISE, &product, kchance(k, 2) ? (tf2_tensor_id[]){x, g} : (tf2_tensor_id[]){g, x},
               2));
}

static void prelu(struct kgraph *k)
{
    tf2_tensor_id x = any_tensor(k, 1, 5);
    const struct tf2_shape *shape = kshape(k, x);
    bool one = shape->n_dims < 2 || kchance(k, 3);
    int64_t c = one ? 1 : shape->dim[1];
    tf2_tensor_id slope = kconstant(k, kchance(k, 3) ? KSHAPE(c, 1, 1) : KSHAPE(c));
    tf2_tensor_id y = knode(k, TF2_OP_PRELU, NULL, KIN(x, slope));
    koutput(k, y);
}

static void batch_norm(struct kgraph *k)
{
    tf2_tensor_id x = any_tensor(k, 2, 5);
    if (kshape(k, x)->n_dims > 2 && kchance(k, 2))
        x = kconv_1x1(k, x, kchannels(k, 33));
    int64_t c = kshape(k, x)->dim[1];
    const struct tf2_batch_norm_attr attr = {.epsilon = kchance(k, 3) ? 1e-3f : 1e-5f};
    tf2_tensor_id scale = kconstant(k, KSHAPE(c)), bias = kconstant(k, KSHAPE(c)),
                  mean = kconstant(k, KSHAPE(c));
    k->data = KDATA_POSITIVE;
    tf2_tensor_id variance = kconstant(k, KSHAPE(c));
    k->data = KDATA_SIGNED;
    tf2_tensor_id y = knode(k, TF2_OP_BATCH_NORM, &attr, KIN(x, scale, bias, mean, variance));
    koutput(k, kchance(k, 2) ? krelu(k, y) : y);
}

/* A constant of some of x's dimensions from the axis on. */
static tf2_tensor_id span(struct kgraph *k, tf2_tensor_id x, uint32_t axis)
{
    const struct tf2_shape *shape = kshape(k, x);
    struct tf2_shape part = {.n_dims = (uint32_t)krange(k, 0, shape->n_dims - axis)};
    for (uint32_t d = 0; d < part.n_dims; d++)
        part.dim[d] = shape->dim[axis + d];
    return kconstant(k, part);
}

static void scale(struct kgraph *k)
{
    tf2_tensor_id x = any_tensor(k, 1, 5);
    uint32_t n_dims = kshape(k, x)->n_dims, axis = (uint32_t)krange(k, 0, n_dims - 1);
    struct tf2_scale_attr attr = {.axis = (int32_t)axis - (kchance(k, 3) ? (int32_t)n_dims : 0)};
    tf2_tensor_id s = span(k, x, axis), b = kchance(k, 2) ? span(k, x, axis) : TF2_NO_TENSOR;
    tf2_tensor_id y = knode(k, TF2_OP_SCALE, &attr, KIN(x, s, b));
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    koutput(k, y);
}

/* An operand that broadcasts to (and perhaps is broadcast with) `shape`. */
static tf2_tensor_id operand(struct kgraph *k, struct tf2_shape shape)
{
    struct tf2_shape part = shape;
    uint32_t cut = kchance(k, 3) ? (uint32_t)krange(k, 0, shape.n_dims) : 0;
    part.n_dims -= cut;
    for (uint32_t d = 0; d < part.n_dims; d++)
        part.dim[d] = kchance(k, 4) ? 1 : shape.dim[d + cut];
    switch (krange(k, 0, part.n_dims ? 4 : 0)) {
    case 0:
        return kconstant(k, part);
    case 1:
    case 2:
        return krelu(k, kinput(k, part));
    default:
        return kinput(k, part);
    }
}

static struct tf2_shape any_shape(struct kgraph *k)
{
    struct tf2_shape shape = {.n_dims = (uint32_t)krange(k, 1, 5)};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = d == 1 ? kchannels(k, 33) : kextent(k, 5);
    return shape;
}

static void eltwise_two(struct kgraph *k)
{
    struct tf2_eltwise_attr attr = {.kind = (enum tf2_eltwise_kind)krange(k, 0, 5)};
    struct tf2_shape shape = any_shape(k);
    if (attr.kind == TF2_ELTWISE_DIV)
        k->data = KDATA_POSITIVE;
    if (attr.kind == TF2_ELTWISE_SUM && kchance(k, 2)) {
        attr.has_coefficients = true;
        attr.coefficient[0] = kuniform(k, -2, 2);
        attr.coefficient[1] = kuniform(k, -2, 2);
    }
    /* One of the two has to be an input for the graph to have one. */
    tf2_tensor_id a = kchance(k, 2) ? kinput(k, shape) : krelu(k, kinput(k, shape)), b = operand(k, shape);
    if (kchance(k, 8))
        b = a;
    bool swap = kchance(k, 2);
    if (attr.kind == TF2_ELTWISE_DIV) /* relu'd zeros as divisor: infinities on both sides */
        swap = kchance(k, 8);
    tf2_tensor_id y = knode(k, TF2_OP_ELTWISE, &attr, KIN(swap ? b : a, swap ? a : b));
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 3));
    koutput(k, y);
}

static void eltwise_many(struct kgraph *k)
{
    tf2_tensor_id in[TF2_ELTWISE_MAX_INPUTS];
    struct tf2_eltwise_attr attr = {.kind = (enum tf2_eltwise_kind)krange(k, 0, 3)};
    struct tf2_shape shape = any_shape(k);
    size_t n = (size_t)(kchance(k, 8) ? krange(k, 5, 16) : krange(k, 3, 4));
    attr.has_coefficients = attr.kind == TF2_ELTWISE_SUM && kchance(k, 2);
    for (size_t i = 0; i < n; i++) {
        in[i] = i && kchance(k, 6) ? in[i - 1] : operand(k, shape);
        attr.coefficient[i] = attr.has_coefficients ? kuniform(k, -2, 2) : 0;
    }
    if (kchance(k, 2))
        in[krange(k, 0, (int64_t)n - 1)] = kinput(k, shape);
    else
        koutput(k, kinput(k, KSHAPE(1, 3)));
    tf2_tensor_id y = knode(k, TF2_OP_ELTWISE, &attr, in, n);
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    koutput(k, y);
}

/* Broadcasting in both directions at once, and maps of other ranks: squeeze-and-excitation is one of these.
 */
static void eltwise_cross(struct kgraph *k)
{
    struct tf2_eltwise_attr attr = {.kind = (enum tf2_eltwise_kind)krange(k, 0, 4)};
    struct tf2_shape shape = any_shape(k), a = shape, b = shape;
    for (uint32_t d = 0; d < shape.n_dims; d++) {
        int64_t which = krange(k, 0, 3);
        a.dim[d] = which == 0 ? 1 : a.dim[d];
        b.dim[d] = which == 1 ? 1 : b.dim[d];
    }
    tf2_tensor_id x = kinput(k, a), y = kinput(k, b);
    if (kchance(k, 2))
        x = a.n_dims >= 3 && a.n_dims <= 5 ? ksomething(k, x) : krelu(k, x);
    if (kchance(k, 2))
        y = krelu(k, y);
    koutput(k, knode(k, TF2_OP_ELTWISE, &attr, KIN(x, y)));
    koutput(k, knode(k, TF2_OP_ELTWISE, &attr, KIN(y, x)));
}

/* Three operands that broadcast; what is chosen by has zeros. */
static void select_one(struct kgraph *k)
{
    const struct tf2_eltwise_attr attr = {.kind = TF2_ELTWISE_SELECT};
    struct tf2_shape shape = any_shape(k);
    tf2_tensor_id in[3];
    for (size_t i = 0; i < 3; i++)
        in[i] = operand(k, shape);
    in[krange(k, 0, 2)] = kinput(k, shape);
    tf2_tensor_id y = knode(k, TF2_OP_ELTWISE, &attr, in, 3);
    if (kchance(k, 2))
        y = kactivation(k, y, (enum tf2_activation_kind)krange(k, 1, 9));
    koutput(k, y);
}

const struct kfamily families_map[] = {
    {"activation", activation, 0, 0},
    {"activation_long", activation_long, 0, 0},
    {"gate", gate, 0, 0},
    {"prelu", prelu, 0, 0},
    {"batch_norm", batch_norm, 0, 0},
    {"scale", scale, 0, 0},
    {"eltwise_two", eltwise_two, 0, 0},
    {"eltwise_many", eltwise_many, 0, 0},
    {"select", select_one, 0, 0},
    {"eltwise_cross", eltwise_cross, 0, 0},
    {0},
};
