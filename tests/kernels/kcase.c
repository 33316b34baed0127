/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kcase.c: the builder of random graphs: decisions and shorthands. The check is in kcheck.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "kcase.h"

uint64_t krandom(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t krange(struct kgraph *k, int64_t low, int64_t high)
{
    return low + (int64_t)(krandom(&k->random) % (uint64_t)(high - low + 1));
}

bool kchance(struct kgraph *k, int64_t n)
{
    return krange(k, 1, n) == 1;
}

float kuniform(struct kgraph *k, float low, float high)
{
    return low + (high - low) * (float)krange(k, 0, 1024) / 1024;
}

int64_t kchannels(struct kgraph *k, int64_t high)
{
    static const int64_t edges[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15, 16, 17, 20,
                                    23, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70};
    int64_t c = krange(k, 1, high);
    if (kchance(k, 3))
        return c;
    for (int i = 0; i < 8; i++) {
        c = edges[krange(k, 0, (int64_t)(sizeof(edges) / sizeof(edges[0])) - 1)];
        if (c <= high)
            return c;
    }
    return high;
}

int64_t kextent(struct kgraph *k, int64_t high)
{
    static const int64_t edges[] = {1, 1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31};
    for (int i = 0; i < 4; i++) {
        int64_t e = edges[krange(k, 0, (int64_t)(sizeof(edges) / sizeof(edges[0])) - 1)];
        if (e <= high)
            return e;
    }
    return krange(k, 1, high);
}

void kfill(float *values, size_t n, uint64_t seed, enum kdata data)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t r = krandom(&seed) >> 20;
        values[i] =
            data == KDATA_POSITIVE ? (float)(r % 128 + 1) / 64 : (float)((int64_t)(r % 257) - 128) / 64;
    }
}

/* --- building --- */

static const char *next_name(struct kgraph *k, char prefix, char *name, size_t size_bytes)
{
    snprintf(name, size_bytes, "%c%u", prefix, ++k->n_names);
    return name;
}

tf2_tensor_id kinput(struct kgraph *k, struct tf2_shape shape)
{
    char name[16];
    struct tf2_error error = {0};
    tf2_tensor_id id = TF2_NO_TENSOR;
    if (tf2_graph_add_input(
            k->graph, next_name(k, 'x', name, sizeof(name)), TF2_DTYPE_F32, &shape, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

tf2_tensor_id kconstant(struct kgraph *k, struct tf2_shape shape)
{
    char name[16];
    struct tf2_error error = {0};
    tf2_tensor_id id = TF2_NO_TENSOR;
    size_t n = (size_t)tf2_shape_count(&shape);
    float *data = malloc((n + 1) * sizeof(*data));
    assert_non_null(data);
    kfill(data, n, krandom(&k->random), k->data);
    enum tf2_status status = tf2_graph_add_constant(
        k->graph, next_name(k, 'c', name, sizeof(name)), TF2_DTYPE_F32, &shape, data, &id, &error);
    free(data);
    if (status != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static tf2_tensor_id add_node(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    struct tf2_error *error)
{
    char name[16];
    tf2_tensor_id id = TF2_NO_TENSOR;
    if (tf2_graph_add_node(
            k->graph, op, next_name(k, 'n', name, sizeof(name)), attr, inputs, n_inputs, &id, error) !=
        TF2_OK)
        return TF2_NO_TENSOR;
    return id;
}

tf2_tensor_id
knode(struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs)
{
    struct tf2_error error = {0};
    tf2_tensor_id id = add_node(k, op, attr, inputs, n_inputs, &error);
    if (id == TF2_NO_TENSOR)
        fail_msg("the generator made a node that is none: %s", error.message);
    return id;
}

tf2_tensor_id
knode_try(struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs)
{
    return add_node(k, op, attr, inputs, n_inputs, NULL);
}

void koutput(struct kgraph *k, tf2_tensor_id tensor)
{
    char name[16];
    struct tf2_error error = {0};
    snprintf(name, sizeof(name), "y%u", ++k->n_outputs);
    if (tf2_graph_add_output(k->graph, tensor, name, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

const struct tf2_shape *kshape(const struct kgraph *k, tf2_tensor_id tensor)
{
    return tf2_graph_shape(k->graph, tensor);
}

struct tf2_shape kmap_shape(struct kgraph *k, int64_t max_channels, uint32_t n_spatial, int64_t max_extent)
{
    struct tf2_shape shape = {.n_dims = 2 + n_spatial};
    shape.dim[0] = kchance(k, 3) ? 2 : 1;
    shape.dim[1] = kchannels(k, max_channels);
    for (uint32_t d = 0; d < n_spatial; d++)
        shape.dim[2 + d] = kextent(k, max_extent);
    return shape;
}

struct tf2_activation kactivation_attr(struct kgraph *k, enum tf2_activation_kind kind)
{
    static const float exponents[] = {2, 3, 0.5f, 1, 1.5f, -1};
    struct tf2_activation attr = {.kind = kind, .alpha = kuniform(k, -1, 1), .beta = kuniform(k, -1, 1)};
    switch (kind) {
    case TF2_ACTIVATION_CLIP:
        attr.beta = attr.alpha + kuniform(k, 0, 2);
        break;
    case TF2_ACTIVATION_HARD_SIGMOID:
        attr.alpha = kuniform(k, 0, 0.5f);
        attr.beta = 0.5f;
        break;
    case TF2_ACTIVATION_POW:
        attr.alpha = exponents[krange(k, 0, 5)];
        break;
    default:
        break;
    }
    return attr;
}

tf2_tensor_id kactivation(struct kgraph *k, tf2_tensor_id x, enum tf2_activation_kind kind)
{
    const struct tf2_activation attr = kactivation_attr(k, kind);
    return knode(k, TF2_OP_ACTIVATION, &attr, KIN(x));
}

tf2_tensor_id krelu(struct kgraph *k, tf2_tensor_id x)
{
    return kactivation(k, x, TF2_ACTIVATION_RELU);
}

struct tf2_window kwindow(struct kgraph *k, uint32_t n_spatial)
{
    struct tf2_window window = {.auto_pad = TF2_AUTO_PAD_EXPLICIT};
    if (kchance(k, 3))
        window.auto_pad = (enum tf2_auto_pad)krange(k, 1, 3);
    bool same = kchance(k, 3);
    for (uint32_t d = 0; d < n_spatial; d++) {
        window.stride[d] = (int32_t)(kchance(k, 2) ? 1 : krange(k, 1, 3));
        window.dilation[d] = (int32_t)(kchance(k, 2) ? 0 : krange(k, 1, 3));
        if (window.auto_pad != TF2_AUTO_PAD_EXPLICIT)
            continue;
        window.pad_begin[d] = (int32_t)krange(k, 0, 4);
        window.pad_end[d] = same ? window.pad_begin[d] : (int32_t)krange(k, 0, 4);
    }
    return window;
}

tf2_tensor_id kconv(
    struct kgraph *k, tf2_tensor_id x, int64_t n_out, int64_t kernel, int64_t group, struct tf2_window window)
{
    struct tf2_conv_attr attr = {.window = window, .group = (int32_t)group};
    struct tf2_shape shape = *kshape(k, x);
    uint32_t n_spatial = shape.n_dims - 2;
    shape.dim[0] = n_out;
    shape.dim[1] /= group ? group : 1;
    for (uint32_t d = 0; d < n_spatial; d++)
        shape.dim[2 + d] = kchance(k, 4) ? krange(k, 1, kernel) : kernel;
    for (int attempt = 0;; attempt++) {
        tf2_tensor_id w = kconstant(k, shape);
        tf2_tensor_id b = kchance(k, 3) ? TF2_NO_TENSOR : kconstant(k, KSHAPE(n_out));
        tf2_tensor_id y = knode_try(k, TF2_OP_CONV, &attr, KIN(x, w, b));
        if (y != TF2_NO_TENSOR)
            return y;
        if (attempt > 8)
            fail_msg("no convolution fits");
        for (uint32_t d = 0; d < n_spatial; d++) {
            attr.window.dilation[d] = 1;
            shape.dim[2 + d] = shape.dim[2 + d] > 1 && attempt ? shape.dim[2 + d] - 1 : shape.dim[2 + d];
        }
    }
}

tf2_tensor_id kconv_same(struct kgraph *k, tf2_tensor_id x, int64_t n_out)
{
    struct tf2_conv_attr attr = {0};
    struct tf2_shape shape = *kshape(k, x);
    shape.dim[0] = n_out;
    for (uint32_t d = 2; d < shape.n_dims; d++) {
        shape.dim[d] = 3;
        attr.window.pad_begin[d - 2] = attr.window.pad_end[d - 2] = 1;
    }
    tf2_tensor_id w = kconstant(k, shape);
    tf2_tensor_id b = kconstant(k, KSHAPE(n_out));
    return knode(k, TF2_OP_CONV, &attr, KIN(x, w, b));
}

tf2_tensor_id kconv_1x1(struct kgraph *k, tf2_tensor_id x, int64_t n_out)
{
    struct tf2_shape shape = *kshape(k, x);
    shape.dim[0] = n_out;
    for (uint32_t d = 2; d < shape.n_dims; d++)
        shape.dim[d] = 1;
    tf2_tensor_id w = kconstant(k, shape);
    return knode(k, TF2_OP_CONV, &(struct tf2_conv_attr){0}, KIN(x, w));
}

tf2_tensor_id kconcat(struct kgraph *k, int32_t axis, const tf2_tensor_id *inputs, size_t n_inputs)
{
    return knode(k, TF2_OP_CONCAT, &(struct tf2_axis_attr){.axis = axis}, inputs, n_inputs);
}

tf2_tensor_id kslice(struct kgraph *k, tf2_tensor_id x, uint32_t axis, int64_t begin, int64_t end)
{
    struct tf2_slice_attr attr = {.n_dims = kshape(k, x)->n_dims};
    for (uint32_t d = 0; d < attr.n_dims; d++)
        attr.end[d] = INT64_MAX;
    attr.begin[axis] = begin;
    attr.end[axis] = end;
    return knode(k, TF2_OP_SLICE, &attr, KIN(x));
}

tf2_tensor_id kreshape(struct kgraph *k, tf2_tensor_id x, struct tf2_shape shape)
{
    struct tf2_reshape_attr attr = {.n_dims = shape.n_dims};
    for (uint32_t d = 0; d < shape.n_dims; d++)
        attr.dim[d] = shape.dim[d];
    return knode(k, TF2_OP_RESHAPE, &attr, KIN(x));
}

tf2_tensor_id ktranspose(struct kgraph *k, tf2_tensor_id x, const uint32_t *perm)
{
    struct tf2_transpose_attr attr = {.n_dims = kshape(k, x)->n_dims};
    for (uint32_t d = 0; d < attr.n_dims; d++)
        attr.perm[d] = perm[d];
    return knode(k, TF2_OP_TRANSPOSE, &attr, KIN(x));
}

tf2_tensor_id ksomething(struct kgraph *k, tf2_tensor_id x)
{
    bool map = kshape(k, x)->n_dims >= 3 && kshape(k, x)->n_dims <= 5;
    switch (krange(k, 0, map ? 3 : 1)) {
    case 0:
        return krelu(k, x);
    case 1:
        return kactivation(k, x, TF2_ACTIVATION_AFFINE);
    case 2:
        return kconv_same(k, x, kshape(k, x)->dim[1]);
    default:
        return kconv_1x1(k, x, kshape(k, x)->dim[1]);
    }
}

void kgraph_open(struct kgraph *k, uint64_t seed)
{
    struct tf2_error error = {0};
    *k = (struct kgraph){.random = seed * 0x2545f4914f6cdd1du + 1};
    if (tf2_graph_create(NULL, &k->graph, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

void kgraph_close(struct kgraph *k)
{
    tf2_graph_destroy(&k->graph);
}

void kseeds(uint64_t *first, uint64_t *n, uint64_t default_rounds)
{
    const char *seed = getenv("TF2_TEST_SEED"), *rounds = getenv("TF2_TEST_ROUNDS");
    *first = seed && *seed ? strtoull(seed, NULL, 0) : 1;
    *n = seed && *seed ? 1 : rounds && *rounds ? strtoull(rounds, NULL, 0) : default_rounds;
}
