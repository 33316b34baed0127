/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_int8.c: sums on integers (convolution, fully connected layer, pool) against plain loops over dense arrays,
 * bit by bit, and against the float forms. docs/quantization.md has the rules.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops_int8.h"

/* A feature map's extents with three spatial dimensions; the missing ones come first. */
struct extents {
    int64_t n, c, s[3];
};

static struct extents extents_of(const struct q_tensor *t)
{
    const struct tf2_shape *shape = &t->view.shape;
    struct extents e = {.n = shape->dim[0], .c = shape->dim[1], .s = {1, 1, 1}};
    for (uint32_t d = 2; d < shape->n_dims; d++)
        e.s[3 - shape->n_dims + d] = shape->dim[d];
    return e;
}

static size_t index_of(const struct extents *e, int64_t n, int64_t c, const int64_t *at)
{
    return (size_t)((((n * e->c + c) * e->s[0] + at[0]) * e->s[1] + at[1]) * e->s[2] + at[2]);
}

/* A window's entry for dimension d of three, or `missing` where the tensor has no such dimension. */
static int64_t entry(const int32_t *entries, uint32_t n_spatial, int d, int64_t missing)
{
    const int first = 3 - (int)n_spatial;
    return d < first ? missing : entries[d - first];
}

/* Where kernel position k of output o lies in the input; false: outside. */
static bool find_pixel(
    const struct tf2_window *w, uint32_t n_spatial, const int64_t *o, const int64_t *k, const int64_t *size,
    int64_t *at)
{
    bool inside = true;
    for (int d = 0; d < 3; d++) {
        at[d] = o[d] * entry(w->stride, n_spatial, d, 1) + k[d] * entry(w->dilation, n_spatial, d, 1) -
                entry(w->pad_begin, n_spatial, d, 0);
        inside = inside && at[d] >= 0 && at[d] < size[d];
    }
    return inside;
}

#define EACH(at, size)                                                                                       \
    for ((at)[0] = 0; (at)[0] < (size)[0]; (at)[0]++)                                                        \
        for ((at)[1] = 0; (at)[1] < (size)[1]; (at)[1]++)                                                    \
            for ((at)[2] = 0; (at)[2] < (size)[2]; (at)[2]++)

static int32_t wrap(int64_t sum)
{
    return (int32_t)(uint32_t)(uint64_t)sum;
}

static int64_t
conv_sum(const struct tf2_conv_attr *a, const struct q_tensor *in, int64_t n, int64_t o, const int64_t *at)
{
    const struct extents x = extents_of(&in[0]), w = extents_of(&in[1]);
    const struct tf2__quant *quant = &in[0].view.quant;
    const int64_t first = o / (w.n / a->group) * w.c;
    int64_t sum = in[2].block ? Q_S32(in[2])[o] : 0;
    int64_t k[3], pixel[3];
    for (int64_t c = 0; c < w.c; c++) {
        int zero_point = quant->channel_zero_point ? quant->channel_zero_point[first + c] : quant->zero_point;
        EACH(k, w.s)
        {
            if (find_pixel(&a->window, in[0].view.shape.n_dims - 2, at, k, x.s, pixel))
                sum += (int64_t)(Q_U8(in[0])[index_of(&x, n, first + c, pixel)] - zero_point) *
                       Q_S8(in[1])[index_of(&w, o, c, k)];
        }
    }
    return sum;
}

static float weight_scale(const struct tf2__quant *quant, int64_t o)
{
    return quant->channel_scale ? quant->channel_scale[o] : quant->scale;
}

static void expect_conv(
    const struct tf2_conv_attr *a, const struct q_tensor *in, const struct tf2_activation *activation,
    const struct q_tensor *out, struct q_seen *seen)
{
    const struct extents y = extents_of(out);
    const double step = out->view.dtype == TF2_DTYPE_U8 ? out->view.quant.scale : 1;
    int64_t at[3];
    for (int64_t n = 0; n < y.n; n++) {
        for (int64_t o = 0; o < y.c; o++) {
            const float f =
                q_expect_factor((double)in[0].view.quant.scale * weight_scale(&in[1].view.quant, o), step);
            EACH(at, y.s)
            {
                const size_t i = index_of(&y, n, o, at);
                float v = (float)wrap(conv_sum(a, in, n, o, at)) * f;
                if (in[3].block) {
                    float add = (float)(Q_U8(in[3])[i] - in[3].view.quant.zero_point) *
                                q_expect_factor(in[3].view.quant.scale, step);
                    v = v + add;
                }
                q_expect(out, i, v, activation, seen);
            }
        }
    }
}

static struct q_tensor random_weights(struct tf2_shape shape, float *scales, uint64_t *state)
{
    struct q_tensor w = q_dense(TF2_DTYPE_S8, shape);
    const int64_t manner = ops_range(state, 0, 3);
    for (size_t i = 0; i < w.n_bytes; i++)
        Q_S8(w)[i] = (int8_t)(manner == 0 ? 127 + ops_range(state, 0, 1) : ops_range(state, -128, 127));
    w.view.quant.scale = q_random_scale(state, 0.01);
    for (int64_t o = 0; o < shape.dim[0]; o++)
        scales[o] = q_random_scale(state, 0.01);
    if (ops_range(state, 0, 2))
        w.view.quant = (struct tf2__quant){.channel_scale = scales};
    return w;
}

static struct q_tensor random_bias(int64_t n, uint64_t *state)
{
    struct q_tensor bias = q_dense(TF2_DTYPE_S32, SHAPE(n));
    for (int64_t o = 0; o < n; o++) {
        Q_S32(bias)[o] = (int32_t)ops_range(state, -20000, 20000);
        if (ops_range(state, 0, 9) == 0)
            Q_S32(bias)[o] = ops_range(state, 0, 1) ? INT32_MAX : INT32_MIN;
    }
    return bias;
}

static void random_window(uint64_t *state, struct tf2_window *window)
{
    const bool plain = ops_range(state, 0, 3) == 0;
    for (int d = 0; d < 3; d++) {
        window->stride[d] = plain ? 1 : (int32_t)ops_range(state, 1, 3);
        window->dilation[d] = (int32_t)ops_range(state, 1, 3);
        window->pad_begin[d] = plain ? 0 : (int32_t)ops_range(state, 0, 3);
        window->pad_end[d] = plain ? 0 : (int32_t)ops_range(state, 0, 3);
    }
}

/* A convolution that has an output; inputs 2 and 3 may be left out. */
struct conv_case {
    struct tf2_conv_attr attr;
    struct q_tensor in[4];
    float scales[16];
    uint8_t zero_points[16];
};

static bool make_conv(struct conv_case *c, uint32_t n_spatial, int64_t largest, uint64_t *state)
{
    const int64_t group = ops_range(state, 1, 3), group_in = ops_range(state, 1, 5);
    struct tf2_shape xs = {.n_dims = 2 + n_spatial, .dim = {ops_range(state, 1, 2), group * group_in}};
    struct tf2_shape ws = {.n_dims = 2 + n_spatial, .dim = {group * ops_range(state, 1, 3), group_in}}, ys;
    const bool pointwise = ops_range(state, 0, 3) == 0;
    const struct tf2_shape *shapes[] = {&xs, &ws};
    struct tf2__quant quant = q_random_quant(state, 0.1);
    *c = (struct conv_case){.attr = {.group = (int32_t)group}};
    random_window(state, &c->attr.window);
    for (uint32_t d = 2; d < xs.n_dims; d++) {
        xs.dim[d] = ops_range(state, 1, largest);
        ws.dim[d] = pointwise ? 1 : ops_range(state, 1, 4);
    }
    if (tf2__op_find(TF2_OP_CONV)->infer(&c->attr, shapes, 2, &ys, NULL) != TF2_OK)
        return false;
    for (size_t i = 0; i < sizeof(c->zero_points); i++)
        c->zero_points[i] = (uint8_t)ops_random(state);
    if (ops_range(state, 0, 2) == 0)
        quant.channel_zero_point = c->zero_points;
    c->in[0] = q_random_u8(xs, quant, state);
    c->in[1] = random_weights(ws, c->scales, state);
    if (ops_range(state, 0, 3))
        c->in[2] = random_bias(ws.dim[0], state);
    if (ops_range(state, 0, 1))
        c->in[3] = q_random_u8(ys, q_random_quant(state, 0.2), state);
    return true;
}

static void free_conv(struct conv_case *c)
{
    for (int i = 0; i < 4; i++)
        q_free(&c->in[i]);
}

/* Shapes from lines to volumes, rows longer than the evaluation's chunks, u8 and float32 outputs. */
static void conv(void **unused)
{
    static const int64_t largest[] = {700, 14, 6};
    struct q_seen seen = {0};
    uint64_t state = 1;
    size_t n_done = 0;
    (void)unused;
    for (int i = 0; i < 900; i++) {
        const uint32_t n_spatial = 1 + (uint32_t)i % 3;
        struct conv_case c;
        if (!make_conv(&c, n_spatial, largest[n_spatial - 1], &state))
            continue;
        const struct tf2__quant quant = q_random_quant(&state, 0.3);
        const struct tf2_activation activation = q_random_activation(&state, 0.3);
        struct q_tensor out = q_run(
            TF2_OP_CONV, &c.attr, c.in,
            c.in[3].block   ? 4
            : c.in[2].block ? 3
                            : 2,
            &activation, ops_range(&state, 0, 3) ? &quant : NULL);
        expect_conv(&c.attr, c.in, &activation, &out, &seen);
        q_free(&out);
        free_conv(&c);
        n_done++;
    }
    assert_true(n_done > 400);
    q_expect_seen(&seen);
}

static void pointwise_case(struct tf2_conv_attr *attr, struct q_tensor *in, float *scales, uint64_t *state)
{
    struct tf2_shape xs = SHAPE(1, 2, 1, 1, 1), ws = SHAPE(2, 2, 1, 1, 1), ys;
    const struct tf2_shape *shapes[] = {&xs, &ws};
    *attr = (struct tf2_conv_attr){.group = 1};
    for (int d = 0; d < 3; d++) {
        xs.dim[2 + d] = ops_range(state, 1, 5);
        attr->window.stride[d] = ops_range(state, 0, 5) ? 1 : 2;
        attr->window.dilation[d] = 1;
        attr->window.pad_begin[d] = ops_range(state, 0, 5) == 0;
        attr->window.pad_end[d] = (int32_t)(ops_range(state, 0, 3) ? 0 : ops_range(state, 1, 2));
        ws.dim[2 + d] = TF2__MIN(ops_range(state, 0, 5) ? 1 : 2, xs.dim[2 + d]);
    }
    assert_int_equal(tf2__op_find(TF2_OP_CONV)->infer(attr, shapes, 2, &ys, NULL), TF2_OK);
    in[0] = q_random_u8(xs, q_random_quant(state, 0.1), state);
    in[1] = random_weights(ws, scales, state);
    in[2] = (struct q_tensor){0};
    in[3] = q_random_u8(ys, q_random_quant(state, 0.2), state);
}

/* Kernels of one pixel, whose rows may be one long row, and nearly all that forbids it; input and residual dense or
 * scattered in memory, each by itself. */
static void conv_pointwise(void **unused)
{
    const struct tf2__quant quant = {.scale = 0.3f, .zero_point = 100};
    const struct tf2_activation none = {0};
    struct q_seen seen = {0};
    uint64_t state = 5;
    (void)unused;
    for (int i = 0; i < 400; i++) {
        struct tf2__view views[4];
        struct tf2_conv_attr attr;
        struct q_tensor in[4];
        float scales[16];
        pointwise_case(&attr, in, scales, &state);
        struct q_tensor out = q_run(TF2_OP_CONV, &attr, in, 4, &none, &quant);
        expect_conv(&attr, in, &none, &out, &seen);
        for (int k = 0; k < 4; k += 3) {
            struct q_tensor copy = q_scattered(TF2_DTYPE_U8, &in[k].view.shape, &state);
            copy.view.quant = in[k].view.quant;
            q_copy(&in[k].view, &copy.view);
            for (int other = 0; other < 4; other++)
                views[other] = other == k ? copy.view : in[other].view;
            memset(out.block, 0, out.n_bytes);
            tf2__op_find(TF2_OP_CONV)->int8->eval(&attr, views, 4, &none, &out.view);
            expect_conv(&attr, in, &none, &out, &seen);
            q_free(&copy);
        }
        q_free(&out);
        for (int k = 0; k < 4; k++)
            q_free(&in[k]);
    }
    q_expect_seen(&seen);
}

/* One number by hand: 2 - 3 * 4 is a tie between -1 and 0 in steps of 20, and the even one is taken. */
static void conv_by_hand(void **unused)
{
    const struct tf2_conv_attr attr = {.group = 1};
    struct q_tensor in[3] = {
        q_dense(TF2_DTYPE_U8, SHAPE(1, 1, 1)), q_dense(TF2_DTYPE_S8, SHAPE(1, 1, 1)),
        q_dense(TF2_DTYPE_S32, SHAPE(1))};
    const struct tf2__quant quant = {.scale = 20, .zero_point = 7};
    const struct tf2_activation none = {0};
    (void)unused;
    in[0].view.quant = (struct tf2__quant){.scale = 1, .zero_point = 5};
    in[1].view.quant = (struct tf2__quant){.scale = 1};
    Q_U8(in[0])[0] = 2;
    Q_S8(in[1])[0] = 4;
    Q_S32(in[2])[0] = 2;
    struct q_tensor out = q_run(TF2_OP_CONV, &attr, in, 3, &none, &quant);
    assert_int_equal(out.block[0], 7);
    q_free(&out);
    Q_S32(in[2])[0] = -18; /* -30 of 20: -1.5, so -2 */
    out = q_run(TF2_OP_CONV, &attr, in, 3, &none, &quant);
    assert_int_equal(out.block[0], 5);
    q_free(&out);
    Q_S32(in[2])[0] = INT32_MIN; /* 12 below that wraps to the other end */
    out = q_run(TF2_OP_CONV, &attr, in, 3, &none, &quant);
    assert_int_equal(out.block[0], 255);
    for (int i = 0; i < 3; i++)
        q_free(&in[i]);
    q_free(&out);
}

/* The sum does not fit 32 bits and wraps, 70000 channels of the largest products. */
static void conv_wraps(void **unused)
{
    const struct tf2_conv_attr attr = {.group = 1};
    const int64_t n = 70000;
    struct q_tensor in[4] = {q_dense(TF2_DTYPE_U8, SHAPE(1, n, 2)), q_dense(TF2_DTYPE_S8, SHAPE(1, n, 1))};
    const struct tf2__quant quant = {.scale = 2e5f, .zero_point = 128};
    const struct tf2_activation none = {0};
    struct q_seen seen = {0};
    (void)unused;
    in[0].view.quant = (struct tf2__quant){.scale = 1, .zero_point = 255};
    in[1].view.quant = (struct tf2__quant){.scale = 0.01f};
    memset(in[1].block, -128, in[1].n_bytes);
    const int64_t at[3] = {0};
    assert_true(conv_sum(&attr, in, 0, 0, at) == n * 255 * 128);
    struct q_tensor out = q_run(TF2_OP_CONV, &attr, in, 2, &none, &quant);
    expect_conv(&attr, in, &none, &out, &seen);
    assert_true(out.block[0] < 128); /* positive without the wrap */
    q_free(&out);
    q_free(&in[0]);
    q_free(&in[1]);
}

/* The inputs of the float form. Biases of the size that wraps are made small. */
static void real_sum(struct q_tensor *in, struct ops_tensor *real)
{
    const struct tf2__quant *xq = &in[0].view.quant;
    const size_t per_channel =
        q_count(&in[0]) / (size_t)in[0].view.shape.dim[0] / (size_t)in[0].view.shape.dim[1];
    const size_t per_output = q_count(&in[1]) / (size_t)in[1].view.shape.dim[0];
    real[0] = q_real(&in[0]);
    for (size_t i = 0; xq->channel_zero_point && i < real[0].n_block; i++) {
        const size_t c = i / per_channel % (size_t)in[0].view.shape.dim[1];
        real[0].block[i] = (float)(Q_U8(in[0])[i] - xq->channel_zero_point[c]) * xq->scale;
    }
    real[1] = ops_dense(&in[1].view.shape);
    for (size_t i = 0; i < real[1].n_block; i++)
        real[1].block[i] = (float)Q_S8(in[1])[i] * weight_scale(&in[1].view.quant, (int64_t)(i / per_output));
    if (!in[2].block)
        return;
    real[2] = ops_dense(&in[2].view.shape);
    for (size_t o = 0; o < real[2].n_block; o++) {
        Q_S32(in[2])[o] %= 30000;
        real[2].block[o] = (float)Q_S32(in[2])[o] * xq->scale * weight_scale(&in[1].view.quant, (int64_t)o);
    }
}

static void conv_like_float(void **unused)
{
    uint64_t state = 2;
    (void)unused;
    for (int i = 0; i < 200; i++) {
        struct ops_tensor real[4] = {{.block = NULL}};
        struct conv_case c;
        if (!make_conv(&c, 2, 12, &state))
            continue;
        const struct tf2__quant quant = q_random_quant(&state, 0.3);
        const struct tf2_activation activation = q_random_activation(&state, 0.3);
        real_sum(c.in, real);
        if (c.in[3].block)
            real[3] = q_real(&c.in[3]);
        struct q_tensor out = q_run(TF2_OP_CONV, &c.attr, c.in, 4, &activation, i % 4 ? &quant : NULL);
        q_expect_close(TF2_OP_CONV, &c.attr, real, 4, &activation, &out, 1e-5);
        q_free(&out);
        free_conv(&c);
    }
}

static void expect_gemm(
    const struct q_tensor *in, const struct tf2_activation *activation, const struct q_tensor *out,
    struct q_seen *seen)
{
    const int64_t n_out = in[1].view.shape.dim[0], n_k = in[1].view.shape.dim[1];
    const double step = out->view.dtype == TF2_DTYPE_U8 ? out->view.quant.scale : 1;
    for (size_t i = 0; i < q_count(out); i++) {
        const int64_t m = (int64_t)i / n_out, o = (int64_t)i % n_out;
        int64_t sum = in[2].block ? Q_S32(in[2])[o] : 0;
        for (int64_t k = 0; k < n_k; k++)
            sum += (Q_U8(in[0])[m * n_k + k] - in[0].view.quant.zero_point) * Q_S8(in[1])[o * n_k + k];
        const float f =
            q_expect_factor((double)in[0].view.quant.scale * weight_scale(&in[1].view.quant, o), step);
        q_expect(out, i, (float)wrap(sum) * f, activation, seen);
    }
}

static void gemm(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 3;
    (void)unused;
    for (int i = 0; i < 400; i++) {
        struct tf2_shape xs = {.n_dims = (uint32_t)ops_range(&state, 1, 5)};
        const int64_t n_out = ops_range(&state, 1, 9), axis = ops_range(&state, 0, xs.n_dims - 1);
        const struct tf2_gemm_attr attr = {.axis = (int32_t)axis};
        const struct tf2__quant quant = q_random_quant(&state, 0.3);
        const struct tf2_activation activation = q_random_activation(&state, 0.3);
        float scales[16];
        int64_t n_k = 1;
        for (uint32_t d = 0; d < xs.n_dims; d++) {
            xs.dim[d] = ops_range(&state, 1, 6);
            n_k *= d >= axis ? xs.dim[d] : 1;
        }
        struct q_tensor in[3] = {
            q_random_u8(xs, q_random_quant(&state, 0.1), &state),
            random_weights(SHAPE(n_out, n_k), scales, &state)};
        if (ops_range(&state, 0, 3))
            in[2] = random_bias(n_out, &state);
        struct q_tensor out =
            q_run(TF2_OP_GEMM, &attr, in, in[2].block ? 3 : 2, &activation, i % 4 ? &quant : NULL);
        expect_gemm(in, &activation, &out, &seen);
        if (i % 8 == 0 && xs.n_dims > 1) {
            struct ops_tensor real[3] = {{.block = NULL}};
            real_sum(in, real);
            q_free(&out);
            out = q_run(TF2_OP_GEMM, &attr, in, 3, &activation, i % 4 ? &quant : NULL);
            q_expect_close(TF2_OP_GEMM, &attr, real, 3, &activation, &out, 1e-5);
        }
        q_free(&out);
        for (int k = 0; k < 3; k++)
            q_free(&in[k]);
    }
    q_expect_seen(&seen);
}

/* What the window at `at` has: the largest number, the sum, how many pixels and how many with padding. */
struct window {
    int32_t max;
    int64_t sum, n, n_padded;
};

static struct window
look(const struct tf2_pool_attr *a, const struct q_tensor *in, int64_t n, int64_t c, const int64_t *at)
{
    const struct extents x = extents_of(in);
    const uint32_t n_spatial = in->view.shape.n_dims - 2;
    struct window w = {.max = -1};
    int64_t kernel[3], k[3], pixel[3];
    for (int d = 0; d < 3; d++)
        kernel[d] = a->global ? x.s[d] : entry(a->window.kernel, n_spatial, d, 1);
    EACH(k, kernel)
    {
        bool padded = true;
        const bool inside = find_pixel(&a->window, n_spatial, at, k, x.s, pixel);
        for (int d = 0; d < 3; d++)
            padded = padded && pixel[d] < x.s[d] + entry(a->window.pad_end, n_spatial, d, 0);
        w.n_padded += padded;
        if (!inside)
            continue;
        const int32_t q = Q_U8(*in)[index_of(&x, n, c, pixel)];
        w.max = TF2__MAX(w.max, q);
        w.sum += q - in->view.quant.zero_point;
        w.n++;
    }
    return w;
}

static void expect_pool(
    const struct tf2_pool_attr *a, const struct q_tensor *in, const struct tf2_activation *activation,
    const struct q_tensor *out, struct q_seen *seen)
{
    const struct extents y = extents_of(out);
    const struct tf2__quant *quant = &in->view.quant;
    const double step = out->view.dtype == TF2_DTYPE_U8 ? out->view.quant.scale : 1;
    int64_t at[3];
    for (int64_t n = 0; n < y.n; n++) {
        for (int64_t c = 0; c < y.c; c++) {
            EACH(at, y.s)
            {
                const struct window w = look(a, in, n, c, at);
                const double divisor = (double)(a->count_include_pad ? w.n_padded : w.n);
                float v = (float)(w.max - quant->zero_point) * q_expect_factor(quant->scale, step);
                if (a->kind == TF2_POOL_AVG)
                    v = (float)w.sum * q_expect_factor(quant->scale, step * divisor);
                q_expect(out, index_of(&y, n, c, at), v, activation, seen);
            }
        }
    }
}

static void random_pool(struct tf2_pool_attr *a, const struct tf2_shape *xs, uint64_t *state)
{
    *a = (struct tf2_pool_attr){
        .kind = (enum tf2_pool_kind)ops_range(state, 0, 1),
        .rounding = (enum tf2_pool_rounding)ops_range(state, 0, 1),
        .count_include_pad = ops_range(state, 0, 1),
        .global = ops_range(state, 0, 7) == 0};
    for (uint32_t d = 0; d < xs->n_dims - 2; d++) {
        a->window.kernel[d] = (int32_t)ops_range(state, 1, 4);
        a->window.stride[d] = a->global ? 1 : (int32_t)ops_range(state, 1, 3);
        a->window.dilation[d] = a->global ? 1 : (int32_t)ops_range(state, 1, 2);
        a->window.pad_begin[d] = a->global ? 0 : (int32_t)ops_range(state, 0, a->window.kernel[d] - 1);
        a->window.pad_end[d] = a->global ? 0 : (int32_t)ops_range(state, 0, a->window.kernel[d] - 1);
    }
}

static void pool(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 4;
    int n_done = 0;
    (void)unused;
    for (int i = 0; i < 1500; i++) {
        struct tf2_shape xs = {.n_dims = 3 + (uint32_t)i % 3, .dim = {1 + i % 2, 3}};
        struct tf2_pool_attr attr;
        for (uint32_t d = 2; d < xs.n_dims; d++)
            xs.dim[d] = ops_range(&state, 1, 7);
        random_pool(&attr, &xs, &state);
        const struct tf2__quant quant = q_random_quant(&state, 0.1);
        const struct tf2_activation activation = q_random_activation(&state, 0.1);
        const struct tf2_shape *shapes[] = {&xs};
        struct tf2_shape ys;
        if (tf2__op_find(TF2_OP_POOL)->infer(&attr, shapes, 1, &ys, NULL) != TF2_OK)
            continue;
        struct q_tensor in = q_random_u8(xs, q_random_quant(&state, 0.1), &state);
        const bool is_f32 = attr.kind == TF2_POOL_AVG && ops_range(&state, 0, 2) == 0;
        struct q_tensor out = q_run(TF2_OP_POOL, &attr, &in, 1, &activation, is_f32 ? NULL : &quant);
        expect_pool(&attr, &in, &activation, &out, &seen);
        struct ops_tensor real = q_real(&in);
        q_expect_close(TF2_OP_POOL, &attr, &real, 1, &activation, &out, 1e-5);
        q_free(&out);
        q_free(&in);
        n_done++;
    }
    assert_true(n_done > 700);
    q_expect_seen(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv), cmocka_unit_test(conv_by_hand),    cmocka_unit_test(conv_wraps),
        cmocka_unit_test(gemm), cmocka_unit_test(conv_like_float), cmocka_unit_test(conv_pointwise),
        cmocka_unit_test(pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
