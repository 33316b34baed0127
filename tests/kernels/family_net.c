/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_net.c: small networks: several inputs and outputs, outputs that are inputs, constants or read again,
 * constants as data, and random graphs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "families.h"

/* Every kind of tensor as an output, some of them twice. */
static void outputs(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 20, (uint32_t)krange(k, 1, 3), 5);
    tf2_tensor_id x = kinput(k, shape), unread = kinput(k, kmap_shape(k, 5, 2, 3));
    tf2_tensor_id c = kconstant(k, KSHAPE(2, 3));
    tf2_tensor_id y = ksomething(k, x), z = ksomething(k, y);
    tf2_tensor_id all[] = {
        x, unread, c, y, z, knode(k, TF2_OP_IDENTITY, NULL, KIN(y)), kreshape(k, z, KSHAPE(0, -1))};
    koutput(k, z);
    for (int64_t i = krange(k, 2, 6); i > 0; i--)
        koutput(k, all[krange(k, 0, 6)]);
    if (kchance(k, 2))
        koutput(k, z);
}

/* The graph's only outputs are an input, a constant or a view of an input. */
static void no_work(struct kgraph *k)
{
    tf2_tensor_id x = kinput(k, kmap_shape(k, 9, (uint32_t)krange(k, 1, 3), 5));
    switch (krange(k, 0, 4)) {
    case 0:
        koutput(k, x);
        break;
    case 1:
        koutput(k, kconstant(k, KSHAPE(krange(k, 1, 4), krange(k, 1, 5))));
        break;
    case 2:
        koutput(k, kreshape(k, x, KSHAPE(0, -1)));
        break;
    case 3:
        koutput(k, kslice(k, x, 1, 0, 1));
        break;
    default:
        koutput(k, knode(k, TF2_OP_DROPOUT, NULL, KIN(x)));
        koutput(k, x);
        break;
    }
}

static void inputs_outputs(struct kgraph *k)
{
    tf2_tensor_id in[4];
    struct tf2_shape shape = kmap_shape(k, 20, (uint32_t)krange(k, 1, 2), 7);
    int64_t n = krange(k, 2, 4);
    for (int64_t i = 0; i < n; i++) {
        struct tf2_shape own = shape;
        own.dim[1] = kchannels(k, 20);
        in[i] = kinput(k, own);
    }
    for (int64_t i = 0; i < n; i++)
        in[i] = kconv_same(k, kchance(k, 2) ? in[i] : krelu(k, in[i]), shape.dim[1]);
    tf2_tensor_id sum = knode(k, TF2_OP_ELTWISE, NULL, in, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        if (kchance(k, 2))
            koutput(k, in[i]);
    }
    koutput(k, kchance(k, 2) ? kconcat(k, 1, in, (size_t)n) : sum);
    koutput(k, krelu(k, sum));
}

/* Every operator on a constant: folded by the passes, computed without them. */
static void constants(struct kgraph *k)
{
    struct tf2_shape shape = kmap_shape(k, 9, 2, 5);
    tf2_tensor_id c = kconstant(k, shape), y;
    const struct tf2_pool_attr pool = {.kind = TF2_POOL_AVG, .window = {.kernel = {1, 1}, .stride = {2, 2}}};
    const struct tf2_lrn_attr lrn = {
        .region = (enum tf2_lrn_region)krange(k, 0, 1), .size = 3, .alpha = 1, .beta = 0.75f, .k = 1};
    const struct tf2_resize_attr resize = {.mode = TF2_RESIZE_LINEAR, .size = {7, 4}};
    const struct tf2_pad_attr pad = {.n_dims = 4, .begin = {0, 1, 2, 0}, .end = {0, 0, 1, 3}};
    switch (krange(k, 0, 9)) {
    case 0:
        y = kconv_same(k, c, kchannels(k, 9));
        break;
    case 1:
        y = kconv(k, c, shape.dim[1], 2, shape.dim[1], kwindow(k, 2));
        break;
    case 2:
        y = knode(k, TF2_OP_POOL, &pool, KIN(c));
        break;
    case 3:
        y = knode(k, TF2_OP_LRN, &lrn, KIN(c));
        break;
    case 4:
        y = knode(k, TF2_OP_RESIZE, &resize, KIN(c));
        break;
    case 5:
        y = knode(k, TF2_OP_PAD, &pad, KIN(c));
        break;
    case 6:
        y = knode(
            k, TF2_OP_SOFTMAX,
            &(struct tf2_softmax_attr){.axis = (int32_t)krange(k, 0, 3), .flatten = kchance(k, 2)}, KIN(c));
        break;
    case 7:
        y = kconv_same(k, kslice(k, c, 1, 0, krange(k, 1, kshape(k, c)->dim[1])), 5);
        break;
    case 8:
        y = ktranspose(k, c, (const uint32_t[]){0, 3, 1, 2});
        break;
    default:
        y = krelu(k, kreshape(k, c, KSHAPE(0, -1)));
        break;
    }
    koutput(k, y);
    koutput(k, krelu(k, kinput(k, KSHAPE(1, 3))));
}

/* Views of views of views, each also read with padding or as an output. */
static void views(struct kgraph *k)
{
    tf2_tensor_id x = ksomething(k, kinput(k, kmap_shape(k, 24, (uint32_t)krange(k, 1, 3), 5)));
    for (int64_t i = krange(k, 2, 5); i > 0; i--) {
        const struct tf2_shape shape = *kshape(k, x);
        uint32_t axis = (uint32_t)krange(k, 0, shape.n_dims - 1);
        switch (krange(k, 0, 3)) {
        case 0:
            x = knode(k, TF2_OP_IDENTITY, NULL, KIN(x));
            break;
        case 1:
            x = kslice(k, x, axis, krange(k, 0, shape.dim[axis] - 1), shape.dim[axis]);
            break;
        case 2:
            x = kconcat(k, (int32_t)axis, KIN(x));
            break;
        default:
            x = kslice(k, x, 1, 0, krange(k, 1, shape.dim[1]));
            break;
        }
        if (kchance(k, 3))
            koutput(k, x);
        if (kchance(k, 3))
            koutput(k, kconv_same(k, x, kchannels(k, 9)));
    }
    koutput(k, kchance(k, 2) ? kconv_same(k, x, 4) : x);
}

const struct kfamily families_net[] = {
    {"outputs", outputs, 0, 0},     {"no_work", no_work, 0, 0}, {"inputs_outputs", inputs_outputs, 0, 0},
    {"constants", constants, 0, 0}, {"views", views, 0, 0},     {0},
};
