/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op_pool.c: pooling against the output sizes of published networks, values of PyTorch, and a naive
 * search through every window.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/ops.h"

struct size_case {
    const char *what;
    enum tf2_pool_rounding rounding;
    int64_t in;
    int32_t kernel, stride, pad_begin, pad_end;
    int64_t out;
};

static const struct size_case size_cases[] = {
    {"squeezenet 1.1 pool1", TF2_POOL_CEIL, 113, 3, 2, 0, 0, 56},
    {"squeezenet 1.1 pool3", TF2_POOL_CEIL, 56, 3, 2, 0, 0, 28},
    {"squeezenet 1.1 pool5", TF2_POOL_CEIL, 28, 3, 2, 0, 0, 14},
    {"squeezenet 1.0 pool1", TF2_POOL_CEIL, 111, 3, 2, 0, 0, 55},
    {"squeezenet 1.0 pool8", TF2_POOL_CEIL, 27, 3, 2, 0, 0, 13},
    {"googlenet pool1", TF2_POOL_CEIL, 112, 3, 2, 0, 0, 56},
    {"googlenet pool4", TF2_POOL_CEIL, 14, 3, 2, 0, 0, 7},
    {"googlenet inception pool", TF2_POOL_CEIL, 28, 3, 1, 1, 1, 28},
    {"resnet 50 pool1, caffe", TF2_POOL_CEIL, 112, 3, 2, 0, 0, 56},
    {"resnet 50 pool1, pytorch", TF2_POOL_FLOOR, 112, 3, 2, 1, 1, 56},
    {"alexnet pool1", TF2_POOL_CEIL, 55, 3, 2, 0, 0, 27},
    {"alexnet pool5", TF2_POOL_CEIL, 13, 3, 2, 0, 0, 6},
    {"ssd300 pool3", TF2_POOL_CEIL, 75, 2, 2, 0, 0, 38},
    {"ssd300 pool5", TF2_POOL_CEIL, 19, 3, 1, 1, 1, 19},
    {"mtcnn rnet pool1", TF2_POOL_CEIL, 22, 3, 2, 0, 0, 11},
    {"mtcnn onet pool1", TF2_POOL_CEIL, 46, 3, 2, 0, 0, 23},
    {"mtcnn onet pool3", TF2_POOL_CEIL, 8, 2, 2, 0, 0, 4},
    {"rounded down", TF2_POOL_FLOOR, 113, 2, 2, 0, 0, 56},
    {"rounded up", TF2_POOL_CEIL, 113, 2, 2, 0, 0, 57},
    {"last window in the trailing padding is dropped", TF2_POOL_CEIL, 3, 2, 2, 1, 1, 2},
    {"the same unevenly padded", TF2_POOL_CEIL, 4, 3, 2, 0, 2, 2},
    {"stride beyond the kernel, last window empty", TF2_POOL_CEIL, 5, 1, 3, 0, 0, 2},
    {"input smaller than the kernel", TF2_POOL_CEIL, 2, 3, 2, 0, 0, 1},
};

static void sizes(void **unused)
{
    const struct tf2__op *pool = tf2__op_find(TF2_OP_POOL);
    (void)unused;
    for (size_t i = 0; i < TF2__COUNT(size_cases); i++) {
        const struct size_case *c = &size_cases[i];
        struct tf2_pool_attr attr = {
            .rounding = c->rounding,
            .window = {
                .kernel = {1, c->kernel},
                .stride = {1, c->stride},
                .pad_begin = {0, c->pad_begin},
                .pad_end = {0, c->pad_end}}};
        const struct tf2_shape x = SHAPE(1, 1, 1, c->in);
        const struct tf2_shape *in[] = {&x};
        struct tf2_shape out;
        if (pool->infer(&attr, in, 1, &out, NULL) != TF2_OK || out.dim[3] != c->out)
            fail_msg("%s: %lld, wanted %lld", c->what, (long long)out.dim[3], (long long)c->out);
    }
}

/* Values of PyTorch 1.13 (avg_pool2d and max_pool2d, ceil_mode=True). */
static void values(void **unused)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, -7, 8, 9, 10, 11, 12};
    struct tf2_pool_attr attr = {
        .kind = TF2_POOL_AVG,
        .rounding = TF2_POOL_CEIL,
        .count_include_pad = true,
        .window = {.kernel = {3, 3}, .stride = {2, 2}, .pad_begin = {1, 1}, .pad_end = {1, 1}}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 1, 3, 4), x);
    ops_expect(
        TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 2, 3),
        (float[]){1.555556f, 1.777778f, 2, 3.333333f, 4.444445f, 3.333333f}, 1e-6);
    attr.count_include_pad = false;
    in = ops_values(SHAPE(1, 1, 3, 4), x);
    ops_expect(
        TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 2, 3), (float[]){3.5f, 2.666667f, 6, 7.5f, 6.666667f, 10},
        1e-6);
    attr = (struct tf2_pool_attr){.rounding = TF2_POOL_CEIL, .window = {.kernel = {2, 2}, .stride = {2, 2}}};
    in = ops_values(SHAPE(1, 1, 3, 4), x);
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 2, 2), (float[]){6, 8, 10, 12}, 0);
}

static void global(void **unused)
{
    /* The window is ignored, also where it is nonsense. */
    struct tf2_pool_attr attr = {
        .kind = TF2_POOL_AVG, .global = true, .window = {.kernel = {-1}, .pad_begin = {-9}, .auto_pad = 77}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 2, 2, 2), (float[]){1, 2, 3, 4, -1, -2, -3, -4});
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 2, 1, 1), (float[]){2.5f, -2.5f}, 0);
    attr.kind = TF2_POOL_MAX;
    in = ops_values(SHAPE(1, 2, 2, 2), (float[]){1, 2, 3, 4, -1, -2, -3, -4});
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 2, 1, 1), (float[]){4, -1}, 0);
}

/* A kernel of 0: all of this dimension, whatever its extent is. */
static void whole_extent(void **unused)
{
    struct tf2_pool_attr attr = {.kind = TF2_POOL_AVG, .window = {.kernel = {1, 0}}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 8});
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 2, 1), (float[]){1.5f, 5.5f}, 0);
    attr.window.kernel[0] = 0;
    attr.window.kernel[1] = 1;
    in = ops_values(SHAPE(1, 1, 3, 1), (float[]){1, 2, 9});
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 1, 1), (float[]){4}, 0);
}

/* Padding is not a pixel of value 0. */
static void maximum_ignores_padding(void **unused)
{
    struct tf2_pool_attr attr = {.window = {.kernel = {3}, .pad_begin = {1}, .pad_end = {1}}};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 1, 3), (float[]){-5, -3, -4});
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 3), (float[]){-3, -3, -3}, 0);
}

static int64_t count_windows(const struct tf2_pool_attr *a, uint32_t d, int64_t in)
{
    const struct tf2_window *w = &a->window;
    const int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1, end = in + w->pad_end[d];
    int64_t n = 0, at = -w->pad_begin[d];
    for (; at + extent <= end; at += w->stride[d])
        n++;
    /* Rounding up: one more when the last window leaves pixels or padding, and starts before both end. */
    bool left = n == 0 ? at + extent - end < w->stride[d] : at - w->stride[d] + extent < end;
    if (a->rounding == TF2_POOL_CEIL && left && at < in)
        n++;
    while (a->rounding == TF2_POOL_CEIL && n > 0 && (n - 1) * w->stride[d] - w->pad_begin[d] >= in)
        n--;
    return n;
}

/* Every tap of the window, one after the other, each looked up in the padded input. */
static double
naive_element(const struct tf2_pool_attr *a, const struct ops_tensor *x, const int64_t *at, int64_t *n_pixels)
{
    const uint32_t n_dims = x->view.shape.n_dims;
    struct tf2_shape kernel = {.n_dims = n_dims - 2};
    struct tf2__walk walk;
    double sum = 0, max = -1e30;
    int64_t n_padded = 0;
    *n_pixels = 0;
    for (uint32_t d = 0; d < kernel.n_dims; d++)
        kernel.dim[d] = a->window.kernel[d];
    for (tf2__walk_start(&walk, &kernel); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t offset = at[0] * x->view.stride[0] + at[1] * x->view.stride[1];
        bool pixel = true, padded = true;
        for (uint32_t d = 0; d < kernel.n_dims; d++) {
            int64_t i = at[2 + d] * a->window.stride[d] + walk.index[d] * a->window.dilation[d];
            i -= a->window.pad_begin[d];
            pixel = pixel && i >= 0 && i < x->view.shape.dim[2 + d];
            padded = padded && i < x->view.shape.dim[2 + d] + a->window.pad_end[d];
            offset += i * x->view.stride[2 + d];
        }
        n_padded += padded;
        *n_pixels += pixel;
        sum += pixel ? x->block[offset] : 0;
        max = pixel && x->block[offset] > max ? x->block[offset] : max;
    }
    if (a->kind == TF2_POOL_MAX)
        return max;
    return sum / (double)(a->count_include_pad ? n_padded : *n_pixels);
}

static bool random_case(uint64_t *state, uint32_t n_spatial)
{
    struct tf2_shape xs = {.n_dims = 2 + n_spatial, .dim = {ops_range(state, 1, 2), ops_range(state, 1, 3)}};
    struct tf2_shape ys = xs;
    struct tf2_pool_attr attr = {
        .kind = (enum tf2_pool_kind)ops_range(state, 0, 1),
        .rounding = (enum tf2_pool_rounding)ops_range(state, 0, 1),
        .count_include_pad = ops_range(state, 0, 1)};
    for (uint32_t d = 0; d < n_spatial; d++) {
        attr.window.kernel[d] = (int32_t)ops_range(state, 1, 4);
        attr.window.stride[d] = (int32_t)ops_range(state, 1, 4);
        attr.window.dilation[d] = (int32_t)ops_range(state, 1, 3);
        attr.window.pad_begin[d] = (int32_t)ops_range(state, 0, attr.window.kernel[d] - 1);
        attr.window.pad_end[d] = (int32_t)ops_range(state, 0, attr.window.kernel[d] - 1);
        xs.dim[2 + d] = ops_range(state, 3, 9);
        ys.dim[2 + d] = count_windows(&attr, d, xs.dim[2 + d]);
    }
    if (tf2_shape_count(&ys) == 0) {
        ops_expect_status(TF2_OP_POOL, &attr, &xs, 1, TF2_ERR_SHAPE, "window larger than the input");
        return false;
    }
    struct ops_tensor x = ops_noise(xs, state);
    struct ops_tensor out = ops_run(TF2_OP_POOL, &attr, &x, 1);
    struct tf2__walk walk;
    ops_assert_shape(&out.view.shape, ys);
    for (tf2__walk_start(&walk, &ys); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t n_pixels;
        double wanted = naive_element(&attr, &x, walk.index, &n_pixels);
        assert_true(n_pixels > 0);
        assert_true(*tf2__walk_at(&walk, &out.view) == (float)wanted);
    }
    ops_free(&out);
    ops_free(&x);
    return true;
}

static void random_shapes(void **unused)
{
    uint64_t state = 5;
    int n_run = 0;
    (void)unused;
    for (int i = 0; i < 400; i++)
        n_run += random_case(&state, 1 + (uint32_t)i % 3);
    assert_true(n_run > 250);
}

/* SAME and VALID; the explicit paddings are ignored. */
static void automatic_padding(void **unused)
{
    struct tf2_pool_attr attr = {
        .kind = TF2_POOL_AVG,
        .window = {
            .kernel = {2},
            .stride = {1},
            .pad_begin = {-3},
            .pad_end = {50},
            .auto_pad = TF2_AUTO_PAD_SAME_UPPER}};
    static const float x[] = {2, 4, 8};
    (void)unused;
    struct ops_tensor in = ops_values(SHAPE(1, 1, 3), x);
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 3), (float[]){3, 6, 8}, 0);
    attr.window.auto_pad = TF2_AUTO_PAD_SAME_LOWER;
    attr.count_include_pad = true;
    in = ops_values(SHAPE(1, 1, 3), x);
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 3), (float[]){1, 3, 6}, 0);
    attr.window.auto_pad = TF2_AUTO_PAD_VALID;
    in = ops_values(SHAPE(1, 1, 3), x);
    ops_expect(TF2_OP_POOL, &attr, &in, 1, SHAPE(1, 1, 2), (float[]){3, 6}, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),         cmocka_unit_test(values),
        cmocka_unit_test(whole_extent),
        cmocka_unit_test(global),        cmocka_unit_test(maximum_ignores_padding),
        cmocka_unit_test(random_shapes), cmocka_unit_test(automatic_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
