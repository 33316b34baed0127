/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_window.c: convolutions, pools and local response normalization in ONNX.
 *
 * Padding is written as numbers, also where the graph has it automatic, and windows are counted by rounding
 * down: what rounding up adds becomes padding at the end. ONNX runtimes disagree on the last window of
 * ceil_mode and on the divisor of its average; numbers leave nothing to disagree about.
 */
#include "transform/export/onnx.h"
#include "transform/op/window.h"

/* Strides, dilations and padding of the last node. */
static void set_window(struct tf2__export *e, const struct tf2__window_dim *dims, uint32_t n)
{
    int64_t kernel[TF2_MAX_SPATIAL] = {0}, stride[TF2_MAX_SPATIAL] = {0}, dilation[TF2_MAX_SPATIAL] = {0};
    int64_t pads[2 * TF2_MAX_SPATIAL] = {0};
    bool dilated = false, padded = false;
    for (uint32_t d = 0; d < n; d++) {
        kernel[d] = dims[d].kernel;
        stride[d] = dims[d].stride;
        dilation[d] = dims[d].dilation;
        pads[d] = dims[d].pad_begin;
        pads[n + d] = dims[d].pad_end;
        dilated |= dims[d].dilation != 1;
        padded |= dims[d].pad_begin || dims[d].pad_end;
    }
    tf2__export_attr_ints(e, "kernel_shape", kernel, n);
    tf2__export_attr_ints(e, "strides", stride, n);
    if (dilated)
        tf2__export_attr_ints(e, "dilations", dilation, n);
    if (padded)
        tf2__export_attr_ints(e, "pads", pads, 2 * n);
}

const char *tf2__export_conv(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_conv_attr *attr = node->attr;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n;
    if (tf2__conv_resolve(
            attr, tf2__export_shape(e, node->in[0]), tf2__export_shape(e, node->in[1]), dims, &n, NULL) !=
        TF2_OK)
        return tf2__export_refuse(e, "its window does not fit");
    const char *y = tf2__export_main(
        e, "Conv", TF2__EXPORT_IN(tf2__export_in(e, 0), tf2__export_in(e, 1), tf2__export_in(e, 2)));
    set_window(e, dims, n);
    tf2__export_attr_int(e, "group", attr->group ? attr->group : 1);
    const char *add = tf2__export_in(e, 3);
    return *add ? tf2__export_op(e, "Add", TF2__EXPORT_IN(y, add)) : y;
}

/* Weights [O, I / group, ...] as ONNX wants them, [I, O / group, ...]. */
static const char *turned_weights(struct tf2__export *e, const struct tf2__node *node, int64_t group)
{
    const struct tf2_shape *w = tf2__export_shape(e, node->in[1]);
    const uint32_t n = w->n_dims;
    int64_t perm[TF2_MAX_DIMS] = {0, 2, 1}, split[TF2_MAX_DIMS] = {group, w->dim[0] / group, w->dim[1]};
    int64_t joined[TF2_MAX_DIMS] = {w->dim[1] * group, w->dim[0] / group};
    const char *x = tf2__export_in(e, 1);
    for (uint32_t d = 2; d < n; d++) {
        perm[d + 1] = d + 1;
        split[d + 1] = joined[d] = w->dim[d];
    }
    x = tf2__export_op(e, "Reshape", TF2__EXPORT_IN(x, tf2__export_ints(e, "groups", split, n + 1)));
    x = tf2__export_op(e, "Transpose", TF2__EXPORT_IN(x));
    tf2__export_attr_ints(e, "perm", perm, n + 1);
    return tf2__export_op(e, "Reshape", TF2__EXPORT_IN(x, tf2__export_ints(e, "weights", joined, n)));
}

const char *tf2__export_conv_transpose(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_conv_transpose_attr *attr = node->attr;
    const int64_t group = attr->group ? attr->group : 1;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    int64_t output_padding[TF2_MAX_SPATIAL] = {0};
    bool any = false;
    uint32_t n;
    if (tf2__conv_transpose_resolve(
            attr, tf2__export_shape(e, node->in[0]), tf2__export_shape(e, node->in[1]), dims, &n, NULL) !=
        TF2_OK)
        return tf2__export_refuse(e, "its window does not fit");
    const char *weights = turned_weights(e, node, group);
    const char *y = tf2__export_main(
        e, "ConvTranspose", TF2__EXPORT_IN(tf2__export_in(e, 0), weights, tf2__export_in(e, 2)));
    set_window(e, dims, n);
    for (uint32_t d = 0; d < n; d++) {
        int64_t whole = (dims[d].in - 1) * dims[d].stride + (dims[d].kernel - 1) * dims[d].dilation + 1;
        output_padding[d] = dims[d].out - (whole - dims[d].pad_begin - dims[d].pad_end);
        any |= output_padding[d] != 0;
    }
    if (any)
        tf2__export_attr_ints(e, "output_padding", output_padding, n);
    tf2__export_attr_int(e, "group", group);
    return y;
}

/* ONNX has it along an axis and without an epsilon. */
const char *tf2__export_normalize(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_normalize_attr *attr = node->attr;
    if (attr->region != TF2_NORMALIZE_CHANNELS || attr->epsilon != 0)
        return tf2__export_refuse(e, "has no ONNX form: over whole images, or with an epsilon");
    const char *y = tf2__export_main(e, "LpNormalization", TF2__EXPORT_IN(tf2__export_in(e, 0)));
    tf2__export_attr_int(e, "axis", 1);
    tf2__export_attr_int(e, "p", 2);
    if (node->n_in < 2 || node->in[1] == TF2_NO_TENSOR)
        return y;
    const struct tf2_shape shape = tf2__export_along_channels(
        tf2__export_shape(e, node->in[1])->dim[0], tf2__export_shape(e, node->in[0])->n_dims);
    return tf2__export_op(e, "Mul", TF2__EXPORT_IN(y, tf2__export_floats(e, "scale", node->in[1], &shape)));
}

/* ---- pools ---- */

/* How far the last window reaches beyond the padding; less than the window's extent. */
static int64_t overhang(const struct tf2__window_dim *dim)
{
    int64_t end = (dim->out - 1) * dim->stride + (dim->kernel - 1) * dim->dilation + 1;
    return TF2__MAX(end - (dim->in + dim->pad_begin + dim->pad_end), 0);
}

struct window_traits {
    bool dilated;
    bool padded; /* before what rounding up adds */
    bool overhangs;
    bool pads_fit; /* ONNX runtimes want padding below the kernel's extent, dilated or not */
};

static struct window_traits find_traits(const struct tf2__window_dim *dims, uint32_t n)
{
    struct window_traits traits = {.pads_fit = true};
    for (uint32_t d = 0; d < n; d++) {
        const int64_t beyond = overhang(&dims[d]);
        traits.dilated |= dims[d].dilation != 1;
        traits.padded |= dims[d].pad_begin || dims[d].pad_end;
        traits.overhangs |= beyond > 0;
        traits.pads_fit &= dims[d].pad_begin < dims[d].kernel && dims[d].pad_end + beyond < dims[d].kernel;
    }
    return traits;
}

/* Padding that is never the maximum. The lowest float would do, too, but ONNX Runtime then moves it back into
 * the pool, which does not take it. */
#define LOWEST (-3e38f)

static const char *
pad_in_front(struct tf2__export *e, const char *x, struct tf2__window_dim *dims, uint32_t n)
{
    int64_t pads[2 * TF2_MAX_DIMS] = {0};
    for (uint32_t d = 0; d < n; d++) {
        pads[2 + d] = dims[d].pad_begin;
        pads[n + 4 + d] = dims[d].pad_end;
        dims[d].pad_begin = dims[d].pad_end = 0;
    }
    const char *amounts = tf2__export_ints(e, "pads", pads, 2 * (n + 2));
    x = tf2__export_op(e, "Pad", TF2__EXPORT_IN(x, amounts, tf2__export_number(e, "padding", LOWEST)));
    tf2__export_attr_string(e, "mode", "constant");
    return x;
}

static void add_overhang(struct tf2__window_dim *dims, uint32_t n)
{
    for (uint32_t d = 0; d < n; d++)
        dims[d].pad_end += overhang(&dims[d]);
}

static const char *max_pool(struct tf2__export *e, struct tf2__window_dim *dims, uint32_t n)
{
    const char *x = tf2__export_in(e, 0);
    const bool fit = find_traits(dims, n).pads_fit;
    add_overhang(dims, n);
    if (!fit)
        x = pad_in_front(e, x, dims, n);
    const char *y = tf2__export_main(e, "MaxPool", TF2__EXPORT_IN(x));
    set_window(e, dims, n);
    return y;
}

/* The part of a window's divisor that a dimension contributes. */
static int64_t count_taps(const struct tf2__window_dim *dim, int64_t o, bool count_include_pad)
{
    const int64_t start = o * dim->stride - dim->pad_begin;
    const int64_t last = dim->in - 1 + (count_include_pad ? dim->pad_end : 0);
    const int64_t first = start < 0 && !count_include_pad ? tf2__ceil_div(-start, dim->dilation) : 0;
    const int64_t end = (last - start) / dim->dilation + 1;
    return TF2__MIN(end, dim->kernel) - first;
}

/* What makes means over all of a kernel, padding counted, to those wanted: a factor for each window. */
static const char *
write_ratios(struct tf2__export *e, const struct tf2__window_dim *dims, uint32_t n, bool count_include_pad)
{
    struct tf2_shape shape = {.n_dims = n + 2, .dim = {1, 1}};
    struct tf2__walk walk;
    for (uint32_t d = 0; d < n; d++)
        shape.dim[2 + d] = dims[d].out;
    const char *name = tf2__export_name(e, e->node->name, "ratio");
    float *ratios = tf2__export_alloc(e, (size_t)tf2_shape_count(&shape), sizeof(*ratios));
    float *next = ratios;
    for (tf2__walk_start(&walk, &shape); ratios && tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double ratio = 1;
        for (uint32_t d = 0; d < n; d++)
            ratio *=
                (double)dims[d].kernel / (double)count_taps(&dims[d], walk.index[2 + d], count_include_pad);
        *next++ = (float)ratio;
    }
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, &shape, ratios);
    return name;
}

#define MAX_WEIGHTS (1 << 24) /* absurd beyond; the window comes from a file */

/* A mean as a convolution of each channel: ONNX's dilated means came with opset 19, and runtimes stumble over
 * them. */
static const char *mean_by_conv(struct tf2__export *e, const struct tf2__window_dim *dims, uint32_t n)
{
    struct tf2_shape shape = {.n_dims = n + 2, .dim = {tf2__export_shape(e, e->node->in[0])->dim[1], 1}};
    double kernel = 1;
    for (uint32_t d = 0; d < n; d++)
        kernel *= (double)(shape.dim[2 + d] = dims[d].kernel);
    const int64_t count = tf2_shape_count(&shape);
    if (!count || count > MAX_WEIGHTS)
        return tf2__export_refuse(e, "a dilated average over too large a window");
    float *weights = tf2__export_alloc(e, (size_t)count, sizeof(*weights));
    for (int64_t i = 0; weights && i < count; i++)
        weights[i] = (float)(1 / kernel);
    const char *name = tf2__export_name(e, e->node->name, "weights");
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, &shape, weights);
    const char *y = tf2__export_main(e, "Conv", TF2__EXPORT_IN(tf2__export_in(e, 0), name));
    set_window(e, dims, n);
    tf2__export_attr_int(e, "group", shape.dim[0]);
    return y;
}

/* What rounding up adds never counts; that ONNX cannot say together with padding that does. */
static const char *
average_pool(struct tf2__export *e, struct tf2__window_dim *dims, uint32_t n, bool count_include_pad)
{
    const struct window_traits traits = find_traits(dims, n);
    const bool counts = count_include_pad && traits.padded;
    const bool even = counts && !traits.overhangs; /* the divisor is the kernel's extent everywhere */
    const char *y, *ratios = NULL;
    if (traits.dilated ? traits.padded || traits.overhangs : counts && !even)
        ratios = write_ratios(e, dims, n, counts);
    add_overhang(dims, n);
    if (traits.dilated) {
        y = mean_by_conv(e, dims, n);
    } else {
        y = tf2__export_main(e, "AveragePool", TF2__EXPORT_IN(tf2__export_in(e, 0)));
        set_window(e, dims, n);
        tf2__export_attr_int(e, "count_include_pad", counts);
    }
    return ratios ? tf2__export_op(e, "Mul", TF2__EXPORT_IN(y, ratios)) : y;
}

const char *tf2__export_pool(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_pool_attr *attr = node->attr;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n;
    if (attr->global)
        return tf2__export_main(
            e, attr->kind == TF2_POOL_MAX ? "GlobalMaxPool" : "GlobalAveragePool",
            TF2__EXPORT_IN(tf2__export_in(e, 0)));
    if (tf2__pool_resolve(attr, tf2__export_shape(e, node->in[0]), dims, &n, NULL) != TF2_OK)
        return tf2__export_refuse(e, "its window does not fit");
    return attr->kind == TF2_POOL_MAX ? max_pool(e, dims, n)
                                      : average_pool(e, dims, n, attr->count_include_pad);
}

/* ---- local response normalization ---- */

/* ONNX Runtime takes images only; the channels' neighbourhood does not care how the pixels are laid out. */
static const char *lrn_across(struct tf2__export *e, const struct tf2_lrn_attr *attr, uint32_t n_dims)
{
    static const int64_t flat[] = {0, 0, -1, 1};
    const char *x = tf2__export_in(e, 0);
    if (n_dims != 4)
        x = tf2__export_op(
            e, "Reshape", TF2__EXPORT_IN(x, tf2__export_ints(e, "shape", flat, TF2__COUNT(flat))));
    const char *y = tf2__export_main(e, "LRN", TF2__EXPORT_IN(x));
    tf2__export_attr_int(e, "size", attr->size);
    tf2__export_attr_float(e, "alpha", attr->alpha);
    tf2__export_attr_float(e, "beta", attr->beta);
    tf2__export_attr_float(e, "bias", attr->k);
    return n_dims != 4 ? tf2__export_reshape_to_out(e, y) : y;
}

/* x / (k + alpha * mean of squares)^beta, where the mean counts the padding. */
static const char *lrn_within(struct tf2__export *e, const struct tf2_lrn_attr *attr)
{
    const int64_t size[] = {attr->size, attr->size}, half = attr->size / 2;
    const char *x = tf2__export_in(e, 0);
    const char *y = tf2__export_op(e, "Mul", TF2__EXPORT_IN(x, x));
    y = tf2__export_op(e, "AveragePool", TF2__EXPORT_IN(y));
    tf2__export_attr_ints(e, "kernel_shape", size, 2);
    tf2__export_attr_ints(e, "pads", (const int64_t[]){half, half, half, half}, 4);
    tf2__export_attr_int(e, "count_include_pad", 1);
    y = tf2__export_op(e, "Mul", TF2__EXPORT_IN(y, tf2__export_number(e, "alpha", attr->alpha)));
    y = tf2__export_op(e, "Add", TF2__EXPORT_IN(y, tf2__export_number(e, "k", attr->k)));
    y = tf2__export_op(e, "Pow", TF2__EXPORT_IN(y, tf2__export_number(e, "beta", attr->beta)));
    return tf2__export_main(e, "Div", TF2__EXPORT_IN(x, y));
}

const char *tf2__export_lrn(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_lrn_attr *attr = node->attr;
    return attr->region == TF2_LRN_ACROSS_CHANNELS
               ? lrn_across(e, attr, tf2__export_shape(e, node->in[0])->n_dims)
               : lrn_within(e, attr);
}
