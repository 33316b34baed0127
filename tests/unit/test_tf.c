/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tf.c: TensorFlow's convolutions and pools in both orders of dimensions, against loops over
 * [N, spatial..., C] as TensorFlow documents them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reference_run.h"
#include "tf_builder.h"
#include "transform/ir/layout.h"

/* ---- the definition of a window, [N, D, H, W, C] ---- */

struct window {
    int64_t n, in[3], c, kernel[3], stride[3], dilation[3], begin[3], out[3];
};

/* SAME or VALID for all three dimensions. */
static void set_padding(struct window *w, bool same)
{
    for (int d = 0; d < 3; d++) {
        const int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
        w->out[d] =
            same ? (w->in[d] + w->stride[d] - 1) / w->stride[d] : (w->in[d] - extent) / w->stride[d] + 1;
        const int64_t pad = (w->out[d] - 1) * w->stride[d] + extent - w->in[d];
        w->begin[d] = same && pad > 0 ? pad / 2 : 0;
    }
}

static int64_t count_out(const struct window *w)
{
    return w->n * w->out[0] * w->out[1] * w->out[2];
}

/* The element of the input under tap `tap` of output pixel `pixel`; -1: padding. */
static int64_t under(const struct window *w, int64_t pixel, int64_t tap)
{
    int64_t at[3], index = pixel / (w->out[0] * w->out[1] * w->out[2]);
    const int64_t o[3] = {
        pixel / (w->out[1] * w->out[2]) % w->out[0], pixel / w->out[2] % w->out[1], pixel % w->out[2]};
    const int64_t k[3] = {
        tap / (w->kernel[1] * w->kernel[2]), tap / w->kernel[2] % w->kernel[1], tap % w->kernel[2]};
    for (int d = 0; d < 3; d++) {
        at[d] = o[d] * w->stride[d] - w->begin[d] + k[d] * w->dilation[d];
        if (at[d] < 0 || at[d] >= w->in[d])
            return -1;
        index = index * w->in[d] + at[d];
    }
    return index;
}

/* filter: [taps, C / group, O]. */
static void
conv(const struct window *w, const float *x, const float *filter, int64_t group, int64_t n_out, float *y)
{
    const int64_t n_taps = w->kernel[0] * w->kernel[1] * w->kernel[2], n_in = w->c / group;
    for (int64_t p = 0; p < count_out(w); p++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = 0;
            for (int64_t t = 0; t < n_taps; t++) {
                const int64_t at = under(w, p, t);
                for (int64_t i = 0; i < n_in && at >= 0; i++)
                    sum += (double)x[at * w->c + o / (n_out / group) * n_in + i] *
                           filter[(t * n_in + i) * n_out + o];
            }
            y[p * n_out + o] = (float)sum;
        }
    }
}

/* filter: [taps, C, M]; output c * M + m. */
static void depthwise(const struct window *w, const float *x, const float *filter, int64_t m, float *y)
{
    const int64_t n_taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
    for (int64_t p = 0; p < count_out(w); p++) {
        for (int64_t o = 0; o < w->c * m; o++) {
            double sum = 0;
            for (int64_t t = 0; t < n_taps; t++) {
                const int64_t at = under(w, p, t);
                sum += at < 0 ? 0 : (double)x[at * w->c + o / m] * filter[t * w->c * m + o];
            }
            y[p * w->c * m + o] = (float)sum;
        }
    }
}

static void pool(const struct window *w, const float *x, bool average, float *y)
{
    const int64_t n_taps = w->kernel[0] * w->kernel[1] * w->kernel[2];
    for (int64_t p = 0; p < count_out(w); p++) {
        for (int64_t c = 0; c < w->c; c++) {
            double sum = 0, max = -INFINITY;
            int64_t n = 0;
            for (int64_t t = 0; t < n_taps; t++) {
                const int64_t at = under(w, p, t);
                if (at < 0)
                    continue;
                sum += x[at * w->c + c];
                max = fmax(max, x[at * w->c + c]);
                n++;
            }
            y[p * w->c + c] = (float)(average ? sum / (double)n : max);
        }
    }
}

/* [N, pixels, C] to [N, C, pixels]. */
static void to_first(const float *in, int64_t n, int64_t n_pixels, int64_t c, float *out)
{
    for (int64_t i = 0; i < n * n_pixels * c; i++)
        out[(i / c / n_pixels * c + i % c) * n_pixels + i / c % n_pixels] = in[i];
}

/* ---- convolutions and pools ---- */

#define MAX 20000

/* What is the same for all: input x [1, H, W, C] or [1, C, H, W] (or with D), node y. */
static void open_map(struct tf_builder *b, const struct window *w, bool last, bool volume)
{
    const int64_t *in = w->in;
    tf_open(b);
    if (volume && last)
        tf_placeholder(b, "x", DIMS(-1, in[0], in[1], in[2], w->c));
    else if (volume)
        tf_placeholder(b, "x", DIMS(-1, w->c, in[0], in[1], in[2]));
    else if (last)
        tf_placeholder(b, "x", DIMS(-1, in[1], in[2], w->c));
    else
        tf_placeholder(b, "x", DIMS(-1, w->c, in[1], in[2]));
}

static void
window_attrs(struct tf_builder *b, const char *name, const int64_t *values, bool last, bool volume)
{
    if (volume && last)
        tf_ints_attr(b, name, INTS(1, values[0], values[1], values[2], 1));
    else if (volume)
        tf_ints_attr(b, name, INTS(1, 1, values[0], values[1], values[2]));
    else if (last)
        tf_ints_attr(b, name, INTS(1, values[1], values[2], 1));
    else
        tf_ints_attr(b, name, INTS(1, 1, values[1], values[2]));
}

/* Imports, and runs two images. wanted: [2, pixels, n_out]. */
static void check_map(
    struct tf_builder *b, const struct window *w, bool last, bool volume, const float *x, int64_t n_out,
    const float *wanted)
{
    static float x_first[MAX], wanted_first[MAX];
    const int64_t n_in_pixels = w->in[0] * w->in[1] * w->in[2], n_pixels = w->out[0] * w->out[1] * w->out[2];
    struct tf2_shape shape = {.n_dims = volume ? 5 : 4, .dim = {2}};
    char text[128];
    uint32_t d = 1;
    shape.dim[last ? shape.n_dims - 1 : d++] = n_out;
    for (int k = volume ? 0 : 1; k < 3; k++)
        shape.dim[d++] = w->out[k];
    tf2_shape_format(&shape, text, sizeof(text));
    struct tf_import im = tf_imported(b);
    to_first(x, 2, n_in_pixels, w->c, x_first);
    to_first(wanted, 2, n_pixels, n_out, wanted_first);
    const float *const in[] = {last ? x : x_first};
    tf_gives(&im, 2, in, text, last ? wanted : wanted_first);
    assert_int_equal(tf2__layout_of_input(im.graph, 0), last ? TF2_LAYOUT_NHWC : TF2_LAYOUT_NCHW);
    assert_int_equal(tf_count(&im, TF2_OP_TRANSPOSE), last ? 2 : 0);
    tf_import_free(&im);
}

static const char *format_of(bool last, bool volume)
{
    return volume ? (last ? "NDHWC" : "NCDHW") : (last ? "NHWC" : "NCHW");
}

static void test_conv(void **state)
{
    static float x[MAX], filter[MAX], wanted[MAX];
    (void)state;
    for (int bits = 0; bits < 64; bits++) {
        const bool last = bits & 1, same = bits & 2, volume = bits & 4, dilated = bits & 8,
                   strided = bits & 16;
        const int64_t group = bits & 32 ? 2 : 1, d = volume ? 5 : 1, k = volume ? 2 : 1;
        struct window w = {
            .n = 2, .in = {d, 7, 6}, .c = 4, .kernel = {k, 3, 2}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
        struct tf_builder b;
        if (dilated && strided)
            continue;
        w.dilation[1] = w.dilation[2] = dilated ? 2 : 1;
        w.stride[1] = w.stride[2] = strided ? 2 : 1;
        set_padding(&w, same);
        reference_fill(x, MAX, 3, -1, 1);
        reference_fill(filter, MAX, 4, -1, 1);
        conv(&w, x, filter, group, 6, wanted);
        open_map(&b, &w, last, volume);
        if (volume)
            tf_floats(&b, "w", DIMS(k, 3, 2, 4 / group, 6), filter);
        else
            tf_floats(&b, "w", DIMS(3, 2, 4 / group, 6), filter);
        tf_node(&b, volume ? "Conv3D" : "Conv2D", "y", "x w");
        window_attrs(&b, "strides", w.stride, last, volume);
        window_attrs(&b, "dilations", w.dilation, last, volume);
        tf_string_attr(&b, "padding", same ? "SAME" : "VALID");
        tf_string_attr(&b, "data_format", format_of(last, volume));
        check_map(&b, &w, last, volume, x, 6, wanted);
    }
}

static void test_explicit_padding(void **state)
{
    static float x[MAX], filter[MAX], wanted[MAX];
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct window w = {
            .n = 2,
            .in = {1, 7, 6},
            .c = 3,
            .kernel = {1, 3, 3},
            .stride = {1, 1, 2},
            .dilation = {1, 1, 1},
            .begin = {0, 1, 2},
            .out = {1, 8, 4}}; /* 7 + 1 + 2 - 2, (6 + 2 + 1 - 3) / 2 + 1 */
        struct tf_builder b;
        reference_fill(x, MAX, 3, -1, 1);
        reference_fill(filter, MAX, 4, -1, 1);
        conv(&w, x, filter, 1, 5, wanted);
        open_map(&b, &w, last, false);
        tf_floats(&b, "w", DIMS(3, 3, 3, 5), filter);
        tf_node(&b, "Conv2D", "y", "x w");
        window_attrs(&b, "strides", w.stride, last, false);
        tf_string_attr(&b, "padding", "EXPLICIT");
        if (last)
            tf_ints_attr(&b, "explicit_paddings", INTS(0, 0, 1, 2, 2, 1, 0, 0));
        else
            tf_ints_attr(&b, "explicit_paddings", INTS(0, 0, 0, 0, 1, 2, 2, 1));
        tf_string_attr(&b, "data_format", format_of(last, false));
        check_map(&b, &w, last, false, x, 5, wanted);
    }
}

static void test_depthwise(void **state)
{
    static float x[MAX], filter[MAX], wanted[MAX];
    (void)state;
    for (int bits = 0; bits < 8; bits++) {
        const bool last = bits & 1, same = bits & 2;
        const int64_t m = bits & 4 ? 2 : 1;
        struct window w = {
            .n = 2, .in = {1, 7, 6}, .c = 3, .kernel = {1, 3, 3}, .stride = {1, 2, 2}, .dilation = {1, 1, 1}};
        struct tf_builder b;
        set_padding(&w, same);
        reference_fill(x, MAX, 3, -1, 1);
        reference_fill(filter, MAX, 4, -1, 1);
        depthwise(&w, x, filter, m, wanted);
        open_map(&b, &w, last, false);
        tf_floats(&b, "w", DIMS(3, 3, 3, m), filter);
        tf_node(&b, "Identity", "w/read", "w"); /* as frozen variables are read */
        tf_node(&b, "DepthwiseConv2dNative", "y", "x w/read");
        window_attrs(&b, "strides", w.stride, last, false);
        tf_string_attr(&b, "padding", same ? "SAME" : "VALID");
        tf_string_attr(&b, "data_format", format_of(last, false));
        check_map(&b, &w, last, false, x, 3 * m, wanted);
    }
}

static void test_pool(void **state)
{
    static float x[MAX], wanted[MAX];
    (void)state;
    for (int bits = 0; bits < 16; bits++) {
        const bool last = bits & 1, same = bits & 2, volume = bits & 4, average = bits & 8;
        struct window w = {
            .n = 2,
            .in = {volume ? 5 : 1, 7, 6},
            .c = 3,
            .kernel = {volume ? 2 : 1, 3, 2},
            .stride = {1, 2, 2},
            .dilation = {1, 1, 1}};
        struct tf_builder b;
        set_padding(&w, same);
        reference_fill(x, MAX, 3, -1, 1);
        pool(&w, x, average, wanted);
        open_map(&b, &w, last, volume);
        tf_node(
            &b, average ? (volume ? "AvgPool3D" : "AvgPool") : (volume ? "MaxPool3D" : "MaxPool"), "y", "x");
        window_attrs(&b, "ksize", w.kernel, last, volume);
        window_attrs(&b, "strides", w.stride, last, volume);
        tf_string_attr(&b, "padding", same ? "SAME" : "VALID");
        tf_string_attr(&b, "data_format", format_of(last, volume));
        check_map(&b, &w, last, volume, x, 3, wanted);
    }
}

static void test_max_pool_v2(void **state)
{
    static float x[MAX], wanted[MAX];
    struct window w = {
        .n = 2, .in = {1, 6, 6}, .c = 2, .kernel = {1, 2, 2}, .stride = {1, 2, 2}, .dilation = {1, 1, 1}};
    struct tf_builder b;
    (void)state;
    set_padding(&w, false);
    reference_fill(x, MAX, 3, -1, 1);
    pool(&w, x, false, wanted);
    open_map(&b, &w, true, false);
    tf_ints(&b, "k", INTS(1, 2, 2, 1));
    tf_ints(&b, "s", INTS(1, 2, 2, 1));
    tf_node(&b, "MaxPoolV2", "y", "x k s");
    tf_string_attr(&b, "padding", "VALID");
    check_map(&b, &w, true, false, x, 2, wanted);
}

/* SpaceToBatchND, a convolution, BatchToSpaceND: a dilated convolution, here with SAME padding of 7 x 6
 * pixels. */
static void test_dilated_by_batch(void **state)
{
    static float x[MAX], filter[MAX], wanted[MAX];
    (void)state;
    for (int separable = 0; separable < 2; separable++) {
        struct window w = {
            .n = 2, .in = {1, 7, 6}, .c = 3, .kernel = {1, 3, 3}, .stride = {1, 1, 1}, .dilation = {1, 2, 2}};
        struct tf_builder b;
        set_padding(&w, true);
        reference_fill(x, MAX, 3, -1, 1);
        reference_fill(filter, MAX, 4, -1, 1);
        if (separable)
            depthwise(&w, x, filter, 1, wanted);
        else
            conv(&w, x, filter, 1, 4, wanted);
        open_map(&b, &w, true, false);
        tf_ints(&b, "block", INTS(2, 2));
        tf_int_tensor(&b, "pads", DIMS(2, 2), (const int64_t[]){2, 3, 2, 2});
        tf_int_tensor(&b, "crops", DIMS(2, 2), (const int64_t[]){0, 1, 0, 0});
        tf_floats(&b, "w", DIMS(3, 3, 3, separable ? 1 : 4), filter);
        tf_node(&b, "SpaceToBatchND", "spread", "x block pads");
        tf_node(&b, separable ? "DepthwiseConv2dNative" : "Conv2D", "conv", "spread w");
        tf_ints_attr(&b, "strides", INTS(1, 1, 1, 1));
        tf_string_attr(&b, "padding", "VALID");
        tf_node(&b, "BatchToSpaceND", "y", "conv block crops");
        check_map(&b, &w, true, false, x, separable ? 3 : 4, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),        cmocka_unit_test(test_explicit_padding),
        cmocka_unit_test(test_depthwise),   cmocka_unit_test(test_pool),
        cmocka_unit_test(test_max_pool_v2), cmocka_unit_test(test_dilated_by_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
