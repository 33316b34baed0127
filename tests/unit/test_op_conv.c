/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_conv.c: convolution against hand-computed values and against a naive sum over all kernel positions,
 * and the fully connected layer against the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops.h"

/* Output extents by counting windows, not by formula. */
static int64_t count_windows(int64_t in, const struct tf2_window *w, uint32_t d, int64_t kernel)
{
    int64_t n = 0, end = in + w->pad_end[d];
    for (int64_t at = -w->pad_begin[d]; at + (kernel - 1) * w->dilation[d] < end; at += w->stride[d])
        n++;
    return n;
}

/* One output element: every weight of its channel, whether it meets a pixel or not. */
static double naive_element(
    const struct tf2_conv_attr *a, const struct ops_tensor *x, const struct ops_tensor *w, const int64_t *at)
{
    const struct tf2_shape *ws = &w->view.shape;
    struct tf2_shape kernel = *ws;
    struct tf2__walk walk;
    double sum = 0;
    kernel.dim[0] = 1;
    for (tf2__walk_start(&walk, &kernel); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t group = at[1] / (ws->dim[0] / a->group);
        int64_t offset = at[0] * x->view.stride[0] + (group * ws->dim[1] + walk.index[1]) * x->view.stride[1];
        bool inside = true;
        for (uint32_t d = 2; d < ws->n_dims; d++) {
            int64_t i = at[d] * a->window.stride[d - 2] + walk.index[d] * a->window.dilation[d - 2] -
                        a->window.pad_begin[d - 2];
            inside = inside && i >= 0 && i < x->view.shape.dim[d];
            offset += i * x->view.stride[d];
        }
        if (inside)
            sum += (double)x->block[offset] * tf2__walk_at(&walk, &w->view)[at[1] * w->view.stride[0]];
    }
    return sum;
}

static void random_window(uint64_t *state, struct tf2_window *window)
{
    for (int d = 0; d < TF2_MAX_SPATIAL; d++) {
        window->stride[d] = (int32_t)ops_range(state, 1, 3);
        window->dilation[d] = (int32_t)ops_range(state, 1, 3);
        window->pad_begin[d] = (int32_t)ops_range(state, 0, 4);
        window->pad_end[d] = (int32_t)ops_range(state, 0, 4);
    }
}

static void compare_with_naive(
    const struct tf2_conv_attr *attr, struct ops_tensor *in, const struct tf2_shape *wanted_shape)
{
    struct ops_tensor out = ops_run(TF2_OP_CONV, attr, in, 4);
    struct tf2__walk walk;
    ops_assert_shape(&out.view.shape, *wanted_shape);
    for (tf2__walk_start(&walk, &out.view.shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double wanted = naive_element(attr, &in[0], &in[1], walk.index);
        wanted += in[2].block ? in[2].block[walk.index[1]] : 0;
        wanted += in[3].block ? *tf2__walk_at(&walk, &in[3].view) : 0;
        assert_true(*tf2__walk_at(&walk, &out.view) == (float)wanted);
    }
    ops_free(&out);
}

static bool random_case(uint64_t *state, uint32_t n_spatial, int64_t largest)
{
    const uint32_t n_dims = 2 + n_spatial;
    const int64_t group = ops_range(state, 1, 3), group_in = ops_range(state, 1, 3);
    struct tf2_conv_attr attr = {.group = (int32_t)group};
    struct tf2_shape xs = {.n_dims = n_dims, .dim = {ops_range(state, 1, 2), group * group_in}};
    struct tf2_shape ws = {.n_dims = n_dims, .dim = {group * ops_range(state, 1, 3), group_in}};
    struct tf2_shape ys = {.n_dims = n_dims, .dim = {xs.dim[0], ws.dim[0]}};
    random_window(state, &attr.window);
    for (uint32_t d = 2; d < n_dims; d++) {
        xs.dim[d] = ops_range(state, 1, largest);
        ws.dim[d] = ops_range(state, 1, 4);
        ys.dim[d] = count_windows(xs.dim[d], &attr.window, d - 2, ws.dim[d]);
    }
    if (tf2_shape_count(&ys) == 0) {
        const struct tf2_shape in[] = {xs, ws};
        ops_expect_status(TF2_OP_CONV, &attr, in, 2, TF2_ERR_SHAPE, "window larger than the input");
        return false;
    }
    struct ops_tensor in[4] = {ops_noise(xs, state), ops_noise(ws, state)};
    if (ops_range(state, 0, 1))
        in[2] = ops_noise(SHAPE(ws.dim[0]), state);
    if (ops_range(state, 0, 1))
        in[3] = ops_noise(ys, state);
    compare_with_naive(&attr, in, &ys);
    for (int i = 0; i < 4; i++)
        ops_free(&in[i]);
    return true;
}

static void random_shapes(void **unused)
{
    uint64_t state = 1;
    int n_run = 0;
    (void)unused;
    for (int i = 0; i < 240; i++)
        n_run += random_case(&state, 1 + (uint32_t)i % 3, 8);
    assert_true(n_run > 120);
    /* Rows longer than what is summed at a time. */
    for (int i = 0; i < 6; i++)
        random_case(&state, 1, 600);
}

static void by_hand(void **unused)
{
    (void)unused;
    /* 1-D difference, one pixel of padding on the left only. */
    struct tf2_conv_attr attr = {.window = {.pad_begin = {1}}};
    struct ops_tensor in[4] = {
        ops_values(SHAPE(1, 1, 4), (float[]){1, 4, 9, 16}), ops_values(SHAPE(1, 1, 2), (float[]){-1, 1}),
        ops_values(SHAPE(1), (float[]){0.5f})};
    ops_expect(TF2_OP_CONV, &attr, in, 3, SHAPE(1, 1, 4), (float[]){1.5f, 3.5f, 5.5f, 7.5f}, 0);

    /* Cross-correlation, not convolution: the kernel is not turned round. */
    memset(&attr, 0, sizeof(attr));
    in[0] = ops_values(SHAPE(1, 1, 2, 3), (float[]){1, 2, 3, 4, 5, 6});
    in[1] = ops_values(SHAPE(1, 1, 2, 2), (float[]){1, 0, 0, 10});
    ops_expect(TF2_OP_CONV, &attr, in, 2, SHAPE(1, 1, 1, 2), (float[]){51, 62}, 0);

    /* Depthwise with a residual and no bias. */
    attr.group = 2;
    in[0] = ops_values(SHAPE(1, 2, 1, 2), (float[]){1, 2, 3, 4});
    in[1] = ops_values(SHAPE(2, 1, 1, 1), (float[]){10, 100});
    in[2] = (struct ops_tensor){0};
    in[3] = ops_values(SHAPE(1, 2, 1, 2), (float[]){.25f, .5f, .75f, 1});
    ops_expect(TF2_OP_CONV, &attr, in, 4, SHAPE(1, 2, 1, 2), (float[]){10.25f, 20.5f, 300.75f, 401}, 0);
}

/* Sums are in double: in float, 1 would vanish beside 2^24. */
static void double_precision(void **unused)
{
    struct tf2_conv_attr attr = {0};
    struct tf2_gemm_attr axis = {.axis = 1};
    (void)unused;
    struct ops_tensor in[2] = {
        ops_values(SHAPE(1, 3, 1), (float[]){16777216, 1, -16777216}),
        ops_values(SHAPE(1, 3, 1), (float[]){1, 1, 1})};
    ops_expect(TF2_OP_CONV, &attr, in, 2, SHAPE(1, 1, 1), (float[]){1}, 0);
    in[0] = ops_values(SHAPE(1, 3), (float[]){16777216, 1, -16777216});
    in[1] = ops_values(SHAPE(1, 3), (float[]){1, 1, 1});
    ops_expect(TF2_OP_GEMM, &axis, in, 2, SHAPE(1, 1), (float[]){1}, 0);
}

struct same_case {
    enum tf2_auto_pad auto_pad;
    int64_t in, kernel;
    int32_t stride, dilation;
    int64_t out;
    int64_t pad_begin; /* found by which output sees the input's first pixel */
};

/* Output extents and padding as TensorFlow and ONNX define them. */
static const struct same_case same_cases[] = {
    {TF2_AUTO_PAD_SAME_UPPER, 224, 3, 2, 1, 112, 0}, {TF2_AUTO_PAD_SAME_LOWER, 224, 3, 2, 1, 112, 1},
    {TF2_AUTO_PAD_SAME_UPPER, 112, 3, 1, 1, 112, 1}, {TF2_AUTO_PAD_SAME_LOWER, 112, 3, 1, 1, 112, 1},
    {TF2_AUTO_PAD_SAME_UPPER, 113, 3, 2, 1, 57, 1},  {TF2_AUTO_PAD_SAME_UPPER, 5, 2, 1, 1, 5, 0},
    {TF2_AUTO_PAD_SAME_LOWER, 5, 2, 1, 1, 5, 1},     {TF2_AUTO_PAD_SAME_UPPER, 7, 1, 4, 1, 2, 0},
    {TF2_AUTO_PAD_SAME_UPPER, 224, 7, 2, 1, 112, 2}, {TF2_AUTO_PAD_SAME_UPPER, 10, 3, 1, 2, 10, 2},
    {TF2_AUTO_PAD_SAME_UPPER, 10, 4, 2, 2, 5, 2},    {TF2_AUTO_PAD_SAME_LOWER, 10, 4, 2, 2, 5, 3},
    {TF2_AUTO_PAD_SAME_UPPER, 1, 5, 3, 1, 1, 2},     {TF2_AUTO_PAD_VALID, 10, 3, 2, 1, 4, 0},
    {TF2_AUTO_PAD_VALID, 10, 3, 2, 2, 3, 0},
};

/* The explicit paddings are ignored. Only the first pixel is bright, and tap k weighs 1 + k * dilation:
 * output 0 tells which tap meets that pixel. */
static void same_padding(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(same_cases); i++) {
        const struct same_case *c = &same_cases[i];
        struct tf2_conv_attr attr = {
            .window = {
                .stride = {c->stride},
                .dilation = {c->dilation},
                .pad_begin = {-7},
                .pad_end = {1000},
                .auto_pad = c->auto_pad}};
        struct tf2_shape xs = SHAPE(1, 1, c->in), ws = SHAPE(1, 1, c->kernel);
        struct ops_tensor in[2] = {ops_dense(&xs), ops_dense(&ws)};
        in[0].block[0] = 1;
        for (int64_t k = 0; k < c->kernel; k++)
            in[1].block[k] = (float)(1 + k * c->dilation);
        struct ops_tensor out = ops_run(TF2_OP_CONV, &attr, in, 2);
        ops_assert_shape(&out.view.shape, SHAPE(1, 1, c->out));
        bool met = c->pad_begin % c->dilation == 0;
        assert_true(out.block[0] == (met ? (float)(1 + c->pad_begin) : 0));
        ops_free(&out);
        ops_free(&in[0]);
        ops_free(&in[1]);
    }
}

static void counts_macs(void **unused)
{
    const struct tf2_shape x = SHAPE(2, 6, 10, 10), w = SHAPE(8, 3, 3, 3);
    const struct tf2_shape *in[] = {&x, &w};
    struct tf2_conv_attr attr = {.group = 2, .window = {.pad_begin = {1, 1}, .pad_end = {1, 1}}};
    const struct tf2__op *conv = tf2__op_find(TF2_OP_CONV), *gemm = tf2__op_find(TF2_OP_GEMM);
    struct tf2_shape out;
    (void)unused;
    assert_int_equal(conv->infer(&attr, in, 2, &out, NULL), TF2_OK);
    ops_assert_shape(&out, SHAPE(2, 8, 10, 10));
    assert_int_equal(conv->macs(&attr, in, 2, &out), 2 * 8 * 100 * 27);
    assert_int_equal(conv->constant_inputs, 1 << 1 | 1 << 2);

    const struct tf2_shape flat = SHAPE(7, 600);
    const struct tf2_shape *gemm_in[] = {&x, &flat};
    struct tf2_gemm_attr axis = {.axis = 1};
    assert_int_equal(gemm->infer(&axis, gemm_in, 2, &out, NULL), TF2_OK);
    ops_assert_shape(&out, SHAPE(2, 7));
    assert_int_equal(gemm->macs(&axis, gemm_in, 2, &out), 2 * 7 * 600);
}

/* Rows by gathering with a walk over each half of the dimensions. */
static void random_gemm(void **unused)
{
    uint64_t state = 3;
    (void)unused;
    for (int i = 0; i < 100; i++) {
        struct tf2_shape xs = {.n_dims = (uint32_t)ops_range(&state, 1, 5)};
        const int32_t axis = (int32_t)ops_range(&state, 0, xs.n_dims - 1);
        int64_t n_m = 1, n_k = 1, n_o = ops_range(&state, 1, 5);
        for (uint32_t d = 0; d < xs.n_dims; d++) {
            xs.dim[d] = ops_range(&state, 1, 4);
            *(d < (uint32_t)axis ? &n_m : &n_k) *= xs.dim[d];
        }
        struct tf2_gemm_attr attr = {.axis = i % 2 ? axis : axis - (int32_t)xs.n_dims};
        struct ops_tensor in[3] = {ops_noise(xs, &state), ops_noise(SHAPE(n_o, n_k), &state)};
        if (i % 3)
            in[2] = ops_noise(SHAPE(n_o), &state);
        struct ops_tensor out = ops_run(TF2_OP_GEMM, &attr, in, 3);
        assert_int_equal(out.view.shape.n_dims, axis + 1);
        assert_int_equal(out.n_block, n_m * n_o);
        for (int64_t m = 0; m < n_m; m++) {
            for (int64_t o = 0; o < n_o; o++) {
                double sum = in[2].block ? in[2].block[o] : 0;
                for (int64_t k = 0; k < n_k; k++)
                    sum += (double)in[0].block[m * n_k + k] * in[1].block[o * n_k + k];
                assert_true(out.block[m * n_o + o] == (float)sum);
            }
        }
        ops_free(&out);
        for (int k = 0; k < 3; k++)
            ops_free(&in[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),      cmocka_unit_test(random_shapes), cmocka_unit_test(double_precision),
        cmocka_unit_test(same_padding), cmocka_unit_test(counts_macs),   cmocka_unit_test(random_gemm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
