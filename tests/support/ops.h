/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.h: running single operators in tests.
 *
 * ops_run evaluates an operator twice: on dense tensors, and on tensors scattered in memory (dimensions in
 * another order, gaps, negative strides); both have to give the same bits, and the gaps have to stay
 * untouched. Include after cmocka.h.
 */
#ifndef TESTS_SUPPORT_OPS_H
#define TESTS_SUPPORT_OPS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "transform/ir/op.h"

#define SHAPE(...)                                                                                           \
    (struct tf2_shape)                                                                                       \
    {                                                                                                        \
        .n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = { __VA_ARGS__ }                 \
    }
#define SCALAR ((struct tf2_shape){0})

#define OPS_GUARD (-12345.0f) /* what lies in the gaps of scattered tensors */

static inline uint32_t ops_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* low .. high */
static inline int64_t ops_range(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(ops_random(state) % (uint64_t)(high - low + 1));
}

struct ops_tensor {
    struct tf2__view view;
    float *block;
    size_t n_block;
};

static inline struct ops_tensor ops_dense(const struct tf2_shape *shape)
{
    struct ops_tensor t = {.n_block = (size_t)tf2_shape_count(shape)};
    assert_true(t.n_block > 0);
    t.block = calloc(t.n_block, sizeof(float));
    assert_non_null(t.block);
    tf2__view_dense(&t.view, t.block, TF2_DTYPE_F32, shape);
    return t;
}

/* Uninitialized elements are OPS_GUARD too. */
static inline struct ops_tensor ops_scattered(const struct tf2_shape *shape, uint64_t *state)
{
    struct ops_tensor t = {.view = {.dtype = TF2_DTYPE_F32, .shape = *shape}};
    int64_t step = ops_range(state, 1, 2), origin = ops_range(state, 0, 3);
    uint32_t order[TF2_MAX_DIMS];
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        uint32_t other = (uint32_t)ops_range(state, 0, d);
        order[d] = order[other];
        order[other] = d;
    }
    for (uint32_t i = 0; i < shape->n_dims; i++) {
        uint32_t d = order[i];
        bool backwards = ops_range(state, 0, 3) == 0;
        t.view.stride[d] = backwards ? -step : step;
        origin += backwards ? (shape->dim[d] - 1) * step : 0;
        step = step * shape->dim[d] + ops_range(state, 0, 2);
    }
    t.n_block = (size_t)(origin + step + 1);
    t.block = malloc(t.n_block * sizeof(float));
    assert_non_null(t.block);
    for (size_t i = 0; i < t.n_block; i++)
        t.block[i] = OPS_GUARD;
    t.view.data = t.block + origin;
    return t;
}

static inline void ops_free(struct ops_tensor *t)
{
    free(t->block);
    t->block = NULL;
}

static inline struct ops_tensor ops_values(struct tf2_shape shape, const float *values)
{
    struct ops_tensor t = ops_dense(&shape);
    memcpy(t.block, values, t.n_block * sizeof(float));
    return t;
}

/* Numbers between -2 and 2 in steps of 1/64: sums of products of a few thousand are exact. */
static inline struct ops_tensor ops_noise(struct tf2_shape shape, uint64_t *state)
{
    struct ops_tensor t = ops_dense(&shape);
    for (size_t i = 0; i < t.n_block; i++)
        t.block[i] = (float)ops_range(state, -128, 128) / 64;
    return t;
}

static inline void ops_copy(const struct tf2__view *from, const struct tf2__view *to)
{
    struct tf2__walk walk;
    for (tf2__walk_start(&walk, &from->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, to) = *tf2__walk_at(&walk, from);
}

/* How many elements of a block are guards. */
static inline size_t ops_guards(const struct ops_tensor *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_block; i++)
        n += t->block[i] == OPS_GUARD;
    return n;
}

static inline enum tf2_status ops_infer(
    enum tf2_op id, const void *attr, const struct ops_tensor *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_shape *shapes[TF2_MAX_NODE_INPUTS];
    const struct tf2__op *op = tf2__op_find(id);
    assert_non_null(op);
    for (uint32_t i = 0; i < n_in; i++)
        shapes[i] = in[i].block ? &in[i].view.shape : NULL;
    return op->infer(attr, shapes, n_in, out, error);
}

static inline void ops_run_scattered(
    enum tf2_op id, const void *attr, const struct ops_tensor *in, uint32_t n_in,
    const struct ops_tensor *dense)
{
    struct ops_tensor copies[TF2_MAX_NODE_INPUTS], out;
    struct tf2__view views[TF2_MAX_NODE_INPUTS];
    struct tf2__walk walk;
    uint64_t state = dense->n_block * 77 + n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        copies[i] = (struct ops_tensor){0};
        if (in[i].block) {
            copies[i] = ops_scattered(&in[i].view.shape, &state);
            ops_copy(&in[i].view, &copies[i].view);
        }
        views[i] = copies[i].view;
    }
    out = ops_scattered(&dense->view.shape, &state);
    tf2__op_find(id)->eval(attr, views, n_in, &out.view);
    for (tf2__walk_start(&walk, &out.view.shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        assert_memory_equal(tf2__walk_at(&walk, &out.view), tf2__walk_at(&walk, &dense->view), sizeof(float));
    /* Written nowhere else (none of the tests' results is the guard). */
    assert_int_equal(ops_guards(&out), out.n_block - dense->n_block);
    ops_free(&out);
    for (uint32_t i = 0; i < n_in; i++)
        ops_free(&copies[i]);
}

/* The result, dense. Inputs with block NULL are left out. */
static inline struct ops_tensor
ops_run(enum tf2_op id, const void *attr, const struct ops_tensor *in, uint32_t n_in)
{
    struct tf2__view views[TF2_MAX_NODE_INPUTS];
    struct tf2_error error = {0};
    struct tf2_shape shape;
    if (ops_infer(id, attr, in, n_in, &shape, &error) != TF2_OK)
        fail_msg("%s: %s", tf2_op_name(id), error.message);
    struct ops_tensor out = ops_dense(&shape);
    for (uint32_t i = 0; i < n_in; i++)
        views[i] = in[i].view;
    tf2__op_find(id)->eval(attr, views, n_in, &out.view);
    ops_run_scattered(id, attr, in, n_in, &out);
    return out;
}

static inline void ops_assert_shape(const struct tf2_shape *found, struct tf2_shape wanted)
{
    char a[192], b[192];
    if (!tf2_shape_equal(found, &wanted))
        fail_msg(
            "shape %s, wanted %s", tf2_shape_format(found, a, sizeof(a)),
            tf2_shape_format(&wanted, b, sizeof(b)));
}

static inline void ops_assert_values(const struct ops_tensor *found, const float *wanted, double tolerance)
{
    for (size_t i = 0; i < found->n_block; i++) {
        double limit = tolerance * fmax(1, fabs((double)wanted[i]));
        if (found->block[i] != wanted[i] && !(fabs((double)found->block[i] - wanted[i]) <= limit))
            fail_msg("element %zu is %.9g, wanted %.9g", i, found->block[i], wanted[i]);
    }
}

/* Runs with the given inputs, compares with a dense tensor of `shape` and `wanted`, frees everything. */
static inline void ops_expect(
    enum tf2_op id, const void *attr, struct ops_tensor *in, uint32_t n_in, struct tf2_shape shape,
    const float *wanted, double tolerance)
{
    struct ops_tensor out = ops_run(id, attr, in, n_in);
    ops_assert_shape(&out.view.shape, shape);
    ops_assert_values(&out, wanted, tolerance);
    ops_free(&out);
    for (uint32_t i = 0; i < n_in; i++)
        ops_free(&in[i]);
}

/* Shape inference alone; says which case failed. */
static inline void ops_expect_status(
    enum tf2_op id, const void *attr, const struct tf2_shape *in, uint32_t n_in, enum tf2_status wanted,
    const char *what)
{
    const struct tf2_shape *shapes[TF2_MAX_NODE_INPUTS];
    struct tf2_error error = {0};
    struct tf2_shape out = {0};
    for (uint32_t i = 0; i < n_in; i++)
        shapes[i] = &in[i];
    enum tf2_status status = tf2__op_find(id)->infer(attr, shapes, n_in, &out, &error);
    if (status != wanted)
        fail_msg(
            "%s (%s): %s, wanted %s (%s)", what, tf2_op_name(id), tf2_status_name(status),
            tf2_status_name(wanted), error.message);
    if (wanted != TF2_OK) {
        assert_int_equal(error.status, wanted);
        assert_true(error.message[0] != '\0');
    } else {
        assert_true(tf2_shape_count(&out) > 0);
    }
}

#endif
