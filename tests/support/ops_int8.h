/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_int8.h: running the integer forms of single operators in tests.
 *
 * q_run evaluates an operator twice: on dense tensors, and on tensors scattered in memory; both have to give the same
 * bytes, and what lies between the output's elements has to stay untouched. The functions that start with q_expect are
 * a second writing of the rules, in the plainest words, to compare with. Include after cmocka.h.
 */
#ifndef TESTS_SUPPORT_OPS_INT8_H
#define TESTS_SUPPORT_OPS_INT8_H

#include "ops.h"

struct q_tensor {
    struct tf2__view view;
    uint8_t *block; /* NULL: an input that is left out */
    size_t n_bytes;
};

#define Q_U8(tensor)  ((uint8_t *)(void *)(tensor).block)
#define Q_S8(tensor)  ((int8_t *)(void *)(tensor).block)
#define Q_S32(tensor) ((int32_t *)(void *)(tensor).block)
#define Q_F32(tensor) ((float *)(void *)(tensor).block)

static inline size_t q_count(const struct q_tensor *t)
{
    return (size_t)tf2_shape_count(&t->view.shape);
}

static inline struct q_tensor q_dense(enum tf2_dtype dtype, struct tf2_shape shape)
{
    struct q_tensor t = {.n_bytes = (size_t)tf2_shape_count(&shape) * tf2_dtype_size_bytes(dtype)};
    assert_true(t.n_bytes > 0);
    t.block = calloc(1, t.n_bytes);
    assert_non_null(t.block);
    tf2__view_dense(&t.view, t.block, dtype, &shape);
    return t;
}

/* Scattered as ops_scattered does it; the block is full of noise. */
static inline struct q_tensor
q_scattered(enum tf2_dtype dtype, const struct tf2_shape *shape, uint64_t *state)
{
    struct ops_tensor floats = ops_scattered(shape, state);
    const size_t size_bytes = tf2_dtype_size_bytes(dtype);
    const ptrdiff_t origin = (float *)floats.view.data - floats.block;
    struct q_tensor t = {.view = floats.view, .n_bytes = floats.n_block * size_bytes};
    t.block = malloc(t.n_bytes);
    assert_non_null(t.block);
    for (size_t i = 0; i < t.n_bytes; i++)
        t.block[i] = (uint8_t)ops_random(state);
    t.view.dtype = dtype;
    t.view.data = t.block + (size_t)origin * size_bytes;
    ops_free(&floats);
    return t;
}

static inline void q_free(struct q_tensor *t)
{
    free(t->block);
    *t = (struct q_tensor){0};
}

/* An element of any type. */
static inline uint8_t *q_at(const struct tf2__walk *walk, const struct tf2__view *view)
{
    return (uint8_t *)view->data + tf2__walk_offset(walk, view) * (int64_t)tf2_dtype_size_bytes(view->dtype);
}

static inline void q_copy(const struct tf2__view *from, const struct tf2__view *to)
{
    struct tf2__walk walk;
    for (tf2__walk_start(&walk, &from->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        memcpy(q_at(&walk, to), q_at(&walk, from), tf2_dtype_size_bytes(from->dtype));
}

static inline void q_run_scattered(
    enum tf2_op id, const void *attr, const struct q_tensor *in, uint32_t n_in,
    const struct tf2_activation *activation, const struct q_tensor *dense)
{
    struct q_tensor copies[TF2_MAX_NODE_INPUTS];
    struct tf2__view views[TF2_MAX_NODE_INPUTS];
    uint64_t state = dense->n_bytes * 77 + n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        copies[i] = (struct q_tensor){0};
        if (in[i].block) {
            copies[i] = q_scattered(in[i].view.dtype, &in[i].view.shape, &state);
            copies[i].view.quant = in[i].view.quant;
            q_copy(&in[i].view, &copies[i].view);
        }
        views[i] = copies[i].view;
    }
    struct q_tensor out = q_scattered(dense->view.dtype, &dense->view.shape, &state);
    uint8_t *before = malloc(out.n_bytes);
    assert_non_null(before);
    memcpy(before, out.block, out.n_bytes);
    out.view.quant = dense->view.quant;
    tf2__op_find(id)->int8->eval(attr, views, n_in, activation, &out.view);
    struct tf2__walk walk;
    for (tf2__walk_start(&walk, &out.view.shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        const size_t size_bytes = tf2_dtype_size_bytes(out.view.dtype);
        assert_memory_equal(q_at(&walk, &out.view), q_at(&walk, &dense->view), size_bytes);
        memcpy(before + (q_at(&walk, &out.view) - out.block), q_at(&walk, &out.view), size_bytes);
    }
    assert_memory_equal(before, out.block, out.n_bytes); /* written nowhere else */
    free(before);
    q_free(&out);
    for (uint32_t i = 0; i < n_in; i++)
        q_free(&copies[i]);
}

/* Shape inference and the check of types. out: dtype and quantization; gets the shape. */
static inline enum tf2_status q_check(
    enum tf2_op id, const void *attr, const struct q_tensor *in, uint32_t n_in, struct tf2__type *out,
    struct tf2_error *error)
{
    struct tf2__type types[TF2_MAX_NODE_INPUTS];
    const struct tf2__type *pointers[TF2_MAX_NODE_INPUTS];
    const struct tf2_shape *shapes[TF2_MAX_NODE_INPUTS];
    for (uint32_t i = 0; i < n_in; i++) {
        types[i] = (struct tf2__type){in[i].view.dtype, in[i].view.shape, in[i].view.quant};
        pointers[i] = in[i].block ? &types[i] : NULL;
        shapes[i] = in[i].block ? &types[i].shape : NULL;
    }
    enum tf2_status status = tf2__op_find(id)->infer(attr, shapes, n_in, &out->shape, error);
    if (status != TF2_OK)
        return status;
    return tf2__op_find(id)->int8->check(attr, pointers, n_in, out, error);
}

/* The result, dense. quant NULL: float32. */
static inline struct q_tensor q_run(
    enum tf2_op id, const void *attr, const struct q_tensor *in, uint32_t n_in,
    const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    struct tf2__type type = {.dtype = TF2_DTYPE_F32};
    struct tf2__view views[TF2_MAX_NODE_INPUTS];
    struct tf2_error error = {0};
    if (quant) {
        type.dtype = TF2_DTYPE_U8;
        type.quant = *quant;
    }
    if (q_check(id, attr, in, n_in, &type, &error) != TF2_OK)
        fail_msg("%s: %s", tf2_op_name(id), error.message);
    struct q_tensor out = q_dense(type.dtype, type.shape);
    out.view.quant = type.quant;
    for (uint32_t i = 0; i < n_in; i++)
        views[i] = in[i].view;
    tf2__op_find(id)->int8->eval(attr, views, n_in, activation, &out.view);
    q_run_scattered(id, attr, in, n_in, activation, &out);
    return out;
}

/* Random things. Half of the scales are powers of two, which make ties; zero points are often the extreme ones. */
static inline float q_random_scale(uint64_t *state, double about)
{
    if (ops_range(state, 0, 1))
        return (float)exp2(rint(log2(about)) + (double)ops_range(state, -1, 1));
    return (float)(about * exp2((double)ops_range(state, -1000, 1000) / 1000));
}

static inline struct tf2__quant q_random_quant(uint64_t *state, double about)
{
    static const int32_t zero_points[] = {0, 255, 128};
    int64_t i = ops_range(state, 0, 4);
    return (struct tf2__quant){
        .scale = q_random_scale(state, about),
        .zero_point = i < 3 ? zero_points[i] : (int32_t)ops_range(state, 0, 255)};
}

static inline struct tf2_activation q_random_activation(uint64_t *state, double about)
{
    struct tf2_activation activation = {.kind = (enum tf2_activation_kind)ops_range(state, 0, 2)};
    if (activation.kind == TF2_ACTIVATION_CLIP) {
        float a = (float)(about * (double)ops_range(state, -60, 60));
        float b = (float)(about * (double)ops_range(state, -60, 60));
        activation.alpha = ops_range(state, 0, 7) ? fminf(a, b) : -INFINITY;
        activation.beta = ops_range(state, 0, 7) ? fmaxf(a, b) : INFINITY;
    }
    return activation;
}

/* Numbers of all sizes, or nothing but the extreme ones. */
static inline struct q_tensor q_random_u8(struct tf2_shape shape, struct tf2__quant quant, uint64_t *state)
{
    struct q_tensor t = q_dense(TF2_DTYPE_U8, shape);
    const int64_t manner = ops_range(state, 0, 3);
    t.view.quant = quant;
    for (size_t i = 0; i < t.n_bytes; i++)
        t.block[i] = manner == 0 ? (ops_range(state, 0, 1) ? 255 : 0) : (uint8_t)ops_random(state);
    return t;
}

/* The rules once more. Ties and the ends of the range are counted, so that tests can tell that they had some. */
struct q_seen {
    size_t n_ties, n_low, n_high, n_between;
};

static inline float q_expect_factor(double numerator, double denominator)
{
    return (float)(numerator / denominator);
}

static inline uint8_t q_expect_u8(
    float v, const struct tf2__quant *quant, const struct tf2_activation *activation, struct q_seen *seen)
{
    double low = 0, high = 255;
    if (activation->kind == TF2_ACTIVATION_RELU)
        low = quant->zero_point;
    if (activation->kind == TF2_ACTIVATION_CLIP) {
        low = quant->zero_point + nearbyint((double)activation->alpha / quant->scale);
        high = quant->zero_point + nearbyint((double)activation->beta / quant->scale);
        low = low < 0 ? 0 : low > 255 ? 255 : low;
        high = high > 255 ? 255 : high < low ? low : high;
    }
    double q = quant->zero_point + nearbyint((double)v);
    seen->n_ties += fabs((double)v) < 256 && fabs(v - trunc((double)v)) == 0.5;
    seen->n_low += q <= low;
    seen->n_high += q >= high;
    seen->n_between += q > low && q < high;
    return (uint8_t)(q < low ? low : q > high ? high : q);
}

static inline float q_expect_f32(float v, const struct tf2_activation *activation)
{
    if (activation->kind == TF2_ACTIVATION_RELU)
        return v < 0 ? 0 : v;
    if (activation->kind == TF2_ACTIVATION_CLIP)
        return v < activation->alpha ? activation->alpha : v > activation->beta ? activation->beta : v;
    return v;
}

/* Element i of a dense result came from v. */
static inline void q_expect(
    const struct q_tensor *out, size_t i, float v, const struct tf2_activation *activation,
    struct q_seen *seen)
{
    if (out->view.dtype == TF2_DTYPE_F32) {
        const float wanted = q_expect_f32(v, activation);
        if (memcmp(&Q_F32(*out)[i], &wanted, sizeof(wanted)) != 0)
            fail_msg("element %zu is %.9g, wanted %.9g", i, Q_F32(*out)[i], wanted);
        return;
    }
    const uint8_t wanted = q_expect_u8(v, &out->view.quant, activation, seen);
    if (out->block[i] != wanted)
        fail_msg(
            "element %zu is %d, wanted %d: %.9g from zero point %d, scale %.9g, activation %d (%g, %g)", i,
            out->block[i], wanted, v, out->view.quant.zero_point, out->view.quant.scale,
            (int)activation->kind, activation->alpha, activation->beta);
}

static inline void q_expect_seen(const struct q_seen *seen)
{
    assert_true(seen->n_ties > 10 && seen->n_low > 10 && seen->n_high > 10 && seen->n_between > 100);
}

/* The real numbers. */
static inline struct ops_tensor q_real(const struct q_tensor *t)
{
    struct ops_tensor real = ops_dense(&t->view.shape);
    for (size_t i = 0; i < real.n_block; i++)
        real.block[i] = t->view.dtype == TF2_DTYPE_F32
                            ? Q_F32(*t)[i]
                            : (float)(t->block[i] - t->view.quant.zero_point) * t->view.quant.scale;
    return real;
}

/* The operator's float form on the same real numbers gives the same but for the rounding to half a step, or beyond
 * the range its end. in: the float form's inputs. `slack`: of what float32 rounds itself, relative. */
static inline void q_expect_close(
    enum tf2_op id, const void *attr, struct ops_tensor *in, uint32_t n_in,
    const struct tf2_activation *activation, const struct q_tensor *out, double slack)
{
    const struct tf2__quant *quant = &out->view.quant;
    struct ops_tensor wanted = ops_run(id, attr, in, n_in), found = q_real(out);
    tf2__activation_apply(activation, &wanted.view);
    assert_true(tf2_shape_equal(&wanted.view.shape, &found.view.shape));
    for (size_t i = 0; i < wanted.n_block; i++) {
        double w = wanted.block[i], step = 0;
        if (out->view.dtype == TF2_DTYPE_U8) {
            step = quant->scale;
            w = fmin(fmax(w, -quant->zero_point * step), (255 - quant->zero_point) * step);
        }
        /* A clip's bounds are rounded too: one more half. */
        if (!(fabs(w - found.block[i]) <= (1.001 * step) + slack * fmax(1, fabs(w))))
            fail_msg("element %zu is %.9g, the float form has %.9g (step %g)", i, found.block[i], w, step);
    }
    ops_free(&wanted);
    ops_free(&found);
    for (uint32_t i = 0; i < n_in; i++)
        ops_free(&in[i]);
}

#endif
