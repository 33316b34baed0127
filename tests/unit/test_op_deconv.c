/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_deconv.c: the transposed convolution against hand-computed values and against its definition the other way
 * round: every input pixel is scattered into the output. Floats and integers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops.h"
#include "../support/ops_int8.h"

struct hand {
    const char *what;
    struct tf2_conv_transpose_attr attr;
    struct tf2_shape x, w;
    float x_data[16], w_data[16];
    float bias;
    struct tf2_shape y;
    float wanted[36];
};

static const struct hand hands[] = {
    {"stride 2: kernels side by side",
     {.window = {.stride = {2}}},
     {3, {1, 1, 3}},
     {3, {1, 1, 2}},
     {1, 2, 3},
     {1, 10},
     0,
     {3, {1, 1, 6}},
     {1, 10, 2, 20, 3, 30}},
    {"stride 1: they overlap",
     {.group = 1},
     {3, {1, 1, 3}},
     {3, {1, 1, 2}},
     {1, 2, 3},
     {1, 10},
     0.5f,
     {3, {1, 1, 4}},
     {1.5f, 12.5f, 23.5f, 30.5f}},
    {"padding is cut off",
     {.window = {.pad_begin = {1}, .pad_end = {2}}},
     {3, {1, 1, 3}},
     {3, {1, 1, 2}},
     {1, 2, 3},
     {1, 10},
     0,
     {3, {1, 1, 1}},
     {12}},
    {"stride larger than the kernel: gaps are bias",
     {.window = {.stride = {3}}},
     {3, {1, 1, 2}},
     {3, {1, 1, 2}},
     {1, 2},
     {1, 10},
     7,
     {3, {1, 1, 5}},
     {8, 17, 7, 9, 27}},
    {"dilation",
     {.window = {.dilation = {3}}},
     {3, {1, 1, 2}},
     {3, {1, 1, 2}},
     {1, 2},
     {1, 10},
     0,
     {3, {1, 1, 5}},
     {1, 2, 0, 10, 20}},
    {"pixels added at the end",
     {.window = {.stride = {2}}, .output_pad = {1}},
     {3, {1, 1, 2}},
     {3, {1, 1, 2}},
     {1, 2},
     {1, 10},
     0,
     {3, {1, 1, 5}},
     {1, 10, 2, 20, 0}},
    {"same, the odd one at the end",
     {.window = {.stride = {2}, .auto_pad = TF2_AUTO_PAD_SAME_UPPER}},
     {3, {1, 1, 2}},
     {3, {1, 1, 3}},
     {1, 2},
     {1, 10, 100},
     0,
     {3, {1, 1, 4}},
     {1, 10, 102, 20}},
    {"same, the odd one at the beginning",
     {.window = {.stride = {2}, .auto_pad = TF2_AUTO_PAD_SAME_LOWER}},
     {3, {1, 1, 2}},
     {3, {1, 1, 3}},
     {1, 2},
     {1, 10, 100},
     0,
     {3, {1, 1, 4}},
     {10, 102, 20, 200}},
    {"groups",
     {.window = {.stride = {2}}, .group = 2},
     {3, {1, 2, 2}},
     {3, {2, 1, 1}},
     {1, 2, 3, 4},
     {10, 100},
     0,
     {3, {1, 2, 3}},
     {10, 0, 20, 300, 0, 400}},
    {"bilinear, twice as large",
     {.window = {.stride = {2, 2}, .pad_begin = {1, 1}, .pad_end = {1, 1}}},
     {4, {1, 1, 2, 2}},
     {4, {1, 1, 4, 4}},
     {16, 32, 48, 64},
     {1 / 16.f, 3 / 16.f, 3 / 16.f, 1 / 16.f, 3 / 16.f, 9 / 16.f, 9 / 16.f, 3 / 16.f, 3 / 16.f, 9 / 16.f,
      9 / 16.f, 3 / 16.f, 1 / 16.f, 3 / 16.f, 3 / 16.f, 1 / 16.f},
     0,
     {4, {1, 1, 4, 4}},
     {9, 15, 21, 18, 18, 28, 36, 30, 30, 44, 52, 42, 27, 39, 45, 36}},
};

static void by_hand(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(hands); i++) {
        const struct hand *h = &hands[i];
        const float bias[2] = {h->bias, h->bias};
        struct ops_tensor in[3] = {
            ops_values(h->x, h->x_data), ops_values(h->w, h->w_data), ops_values(SHAPE(h->w.dim[0]), bias)};
        print_message("%s\n", h->what);
        ops_expect(TF2_OP_CONV_TRANSPOSE, &h->attr, in, 3, h->y, h->wanted, 0);
    }
}

/* --- random ones --- */

struct deconv_case {
    struct tf2_conv_transpose_attr attr;
    struct tf2_shape x, w, y;
};

/* False where padding leaves nothing. */
static bool random_case(uint64_t *state, uint32_t n_spatial, struct deconv_case *c)
{
    const int64_t group = ops_range(state, 1, 3);
    *c = (struct deconv_case){.attr = {.group = (int32_t)group}};
    c->x = (struct tf2_shape){
        .n_dims = 2 + n_spatial, .dim = {ops_range(state, 1, 2), group * ops_range(state, 1, 3)}};
    c->w = (struct tf2_shape){
        .n_dims = 2 + n_spatial, .dim = {group * ops_range(state, 1, 3), c->x.dim[1] / group}};
    c->y = (struct tf2_shape){.n_dims = 2 + n_spatial, .dim = {c->x.dim[0], c->w.dim[0]}};
    for (uint32_t d = 0; d < n_spatial; d++) {
        struct tf2_window *w = &c->attr.window;
        w->stride[d] = (int32_t)ops_range(state, 1, 4);
        w->dilation[d] = (int32_t)ops_range(state, 1, 3);
        w->pad_begin[d] = (int32_t)ops_range(state, 0, 3);
        w->pad_end[d] = (int32_t)ops_range(state, 0, 3);
        c->attr.output_pad[d] = (int32_t)ops_range(state, 0, 2);
        c->x.dim[2 + d] = ops_range(state, 1, n_spatial == 1 ? 200 : 6);
        c->w.dim[2 + d] = ops_range(state, 1, 4);
        c->y.dim[2 + d] = (c->x.dim[2 + d] - 1) * w->stride[d] + (c->w.dim[2 + d] - 1) * w->dilation[d] + 1 -
                          w->pad_begin[d] - w->pad_end[d] + c->attr.output_pad[d];
        if (c->y.dim[2 + d] < 1)
            return false;
    }
    return true;
}

/* Calls add(...) for each weight and input pixel that meet an output: element numbers of dense x, w, y. */
static void scatter(
    const struct deconv_case *c, void (*add)(void *data, int64_t x, int64_t w, int64_t y, int64_t o),
    void *data)
{
    const int64_t group_out = c->w.dim[0] / c->attr.group;
    struct tf2__walk xw, ww;
    struct tf2__view x, w, y;
    struct tf2_shape kernel = c->w;
    kernel.dim[1] = 1;
    tf2__view_dense(&x, NULL, TF2_DTYPE_F32, &c->x);
    tf2__view_dense(&w, NULL, TF2_DTYPE_F32, &c->w);
    tf2__view_dense(&y, NULL, TF2_DTYPE_F32, &c->y);
    for (tf2__walk_start(&xw, &c->x); tf2__walk_more(&xw); tf2__walk_next(&xw)) {
        for (tf2__walk_start(&ww, &kernel); tf2__walk_more(&ww); tf2__walk_next(&ww)) {
            const int64_t o = ww.index[0], channel = xw.index[1] - o / group_out * c->w.dim[1];
            int64_t at = xw.index[0] * y.stride[0] + o * y.stride[1];
            bool inside = channel >= 0 && channel < c->w.dim[1];
            for (uint32_t d = 2; d < c->x.n_dims; d++) {
                const struct tf2_window *window = &c->attr.window;
                int64_t i = xw.index[d] * window->stride[d - 2] + ww.index[d] * window->dilation[d - 2] -
                            window->pad_begin[d - 2];
                inside = inside && i >= 0 && i < c->y.dim[d];
                at += i * y.stride[d];
            }
            if (inside)
                add(data, tf2__walk_offset(&xw, &x), tf2__walk_offset(&ww, &w) + channel * w.stride[1], at,
                    o);
        }
    }
}

struct floats {
    const float *x, *w;
    double *y;
};

static void add_float(void *data, int64_t x, int64_t w, int64_t y, int64_t o)
{
    struct floats *f = data;
    (void)o;
    f->y[y] += (double)f->x[x] * f->w[w];
}

static void random_floats(void **unused)
{
    uint64_t state = 5;
    int n_run = 0;
    (void)unused;
    for (int i = 0; i < 240; i++) {
        struct deconv_case c;
        if (!random_case(&state, 1 + (uint32_t)i % 3, &c))
            continue;
        struct ops_tensor in[3] = {ops_noise(c.x, &state), ops_noise(c.w, &state)};
        if (i % 2)
            in[2] = ops_noise(SHAPE(c.w.dim[0]), &state);
        struct ops_tensor out = ops_run(TF2_OP_CONV_TRANSPOSE, &c.attr, in, 3);
        double *wanted = calloc(out.n_block, sizeof(*wanted));
        struct floats floats = {in[0].block, in[1].block, wanted};
        assert_non_null(wanted);
        ops_assert_shape(&out.view.shape, c.y);
        scatter(&c, add_float, &floats);
        for (size_t k = 0; k < out.n_block; k++) {
            const size_t o = k / (size_t)out.view.stride[1] % (size_t)c.y.dim[1];
            assert_true(out.block[k] == (float)(wanted[k] + (in[2].block ? in[2].block[o] : 0)));
        }
        free(wanted);
        ops_free(&out);
        for (int k = 0; k < 3; k++)
            ops_free(&in[k]);
        n_run++;
    }
    assert_true(n_run > 120);
}

struct integers {
    const struct q_tensor *x, *w;
    int64_t *y;
};

static void add_integer(void *data, int64_t x, int64_t w, int64_t y, int64_t o)
{
    struct integers *q = data;
    (void)o;
    q->y[y] += (int64_t)(Q_U8(*q->x)[x] - q->x->view.quant.zero_point) * Q_S8(*q->w)[w];
}

static void
integer_case(const struct deconv_case *c, bool f32, bool bias, uint64_t *state, struct q_seen *seen)
{
    struct q_tensor in[3] = {q_dense(TF2_DTYPE_U8, c->x), q_dense(TF2_DTYPE_S8, c->w)};
    const struct tf2_activation activation = {.kind = (enum tf2_activation_kind)ops_range(state, 0, 1)};
    const int64_t n_y = tf2_shape_count(&c->y), inner = n_y / c->y.dim[0] / c->y.dim[1];
    float scales[9];
    for (size_t i = 0; i < in[0].n_bytes; i++)
        Q_U8(in[0])[i] = (uint8_t)ops_range(state, 0, 255);
    for (size_t i = 0; i < in[1].n_bytes; i++)
        Q_S8(in[1])[i] = (int8_t)ops_range(state, -127, 127);
    for (int64_t o = 0; o < c->w.dim[0]; o++)
        scales[o] = q_random_scale(state, 0.01);
    in[0].view.quant = q_random_quant(state, 0.02);
    in[1].view.quant = (struct tf2__quant){.channel_scale = scales};
    if (bias) {
        in[2] = q_dense(TF2_DTYPE_S32, SHAPE(c->w.dim[0]));
        for (int64_t o = 0; o < c->w.dim[0]; o++)
            Q_S32(in[2])[o] = (int32_t)ops_range(state, -20000, 20000);
    }
    const struct tf2__quant quant = q_random_quant(state, 0.03);
    int64_t *sums = calloc((size_t)n_y, sizeof(*sums));
    struct integers integers = {&in[0], &in[1], sums};
    assert_non_null(sums);
    struct q_tensor out =
        q_run(TF2_OP_CONV_TRANSPOSE, &c->attr, in, bias ? 3 : 2, &activation, f32 ? NULL : &quant);
    scatter(c, add_integer, &integers);
    for (int64_t i = 0; i < n_y; i++) {
        const int64_t o = i / inner % c->y.dim[1];
        const float factor =
            q_expect_factor((double)in[0].view.quant.scale * scales[o], f32 ? 1 : quant.scale);
        const int32_t sum = (int32_t)(sums[i] + (bias ? Q_S32(in[2])[o] : 0));
        q_expect(&out, (size_t)i, (float)sum * factor, &activation, seen);
    }
    free(sums);
    q_free(&out);
    for (int k = 0; k < 3; k++)
        q_free(&in[k]);
}

static void random_integers(void **unused)
{
    struct q_seen seen = {0};
    uint64_t state = 6;
    int n_run = 0;
    (void)unused;
    for (int i = 0; i < 150; i++) {
        struct deconv_case c;
        if (!random_case(&state, 1 + (uint32_t)i % 3, &c))
            continue;
        integer_case(&c, i % 4 == 0, i % 2 == 0, &state, &seen);
        n_run++;
    }
    assert_true(n_run > 80);
    q_expect_seen(&seen);
}

static void counts_macs(void **unused)
{
    const struct tf2_shape x = SHAPE(2, 6, 5, 5), w = SHAPE(8, 3, 4, 4);
    const struct tf2_shape *in[] = {&x, &w};
    const struct tf2_conv_transpose_attr attr = {.group = 2, .window = {.stride = {2, 2}}};
    const struct tf2__op *op = tf2__op_find(TF2_OP_CONV_TRANSPOSE);
    struct tf2_shape out;
    (void)unused;
    assert_int_equal(op->infer(&attr, in, 2, &out, NULL), TF2_OK);
    ops_assert_shape(&out, SHAPE(2, 8, 12, 12));
    assert_int_equal(op->macs(&attr, in, 2, &out), 2 * 25 * 8 * 3 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(random_floats),
        cmocka_unit_test(random_integers),
        cmocka_unit_test(counts_macs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
