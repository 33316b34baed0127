/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_window.c: layers that multiply by weights or slide a window: convolutions, Deconvolution, InnerProduct, Pooling.
 *
 * Semantics: Caffe's BaseConvolutionLayer, InnerProductLayer, PoolingLayer; C3D's Convolution3D and Pooling3D (Tran et
 * al.: Learning Spatiotemporal Features with 3D Convolutional Networks, 2015), which name the time axis apart.
 * Convolutions work on one to three spatial dimensions, pools on images and videos. A pool counts windows by
 * rounding up, and its average counts the padding.
 */
#include "transform/import/caffe/caffe.h"

#include <stdio.h>

/* A window parameter for all spatial dimensions: repeated once or for each, or _h and _w for images. */
struct spatial {
    const char *what;
    const uint32_t *values;
    size_t n_values;
    bool has_h, has_w;
    uint32_t h, w;
    uint32_t fallback;
    bool video; /* dimension 0 is time: `time` where it is given, else the fallback */
    bool has_time;
    uint32_t time;
};

/* A video's windows: height and width are the same. */
static enum tf2_status read_video(const struct spatial *s, int32_t *result, struct tf2_error *error)
{
    const uint32_t values[3] = {
        s->has_time ? s->time : s->fallback, s->n_values ? s->values[0] : s->fallback,
        s->n_values ? s->values[0] : s->fallback};
    if (s->has_h || s->has_w || s->n_values > 1)
        return tf2__fail(
            error, TF2_ERR_VALUE, "more than one %s, wanted one for both height and width", s->what);
    for (int d = 0; d < 3; d++) {
        if (values[d] > INT32_MAX)
            return tf2__fail(error, TF2_ERR_VALUE, "%s is %u, wanted less than 2^31", s->what, values[d]);
        result[d] = (int32_t)values[d];
    }
    return TF2_OK;
}

static enum tf2_status
read_spatial(const struct spatial *s, uint32_t n_spatial, int32_t *result, struct tf2_error *error)
{
    bool by_name = s->has_h || s->has_w;
    if (s->video && n_spatial != 3)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%u spatial dimensions, wanted time, height and width", n_spatial);
    if (s->video)
        return read_video(s, result, error);
    if (s->has_time)
        return tf2__fail(error, TF2_ERR_VALUE, "a time axis of %s is for 3D layers only", s->what);
    if (by_name && s->n_values)
        return tf2__fail(error, TF2_ERR_VALUE, "both %s for all dimensions and for one of h, w", s->what);
    if (by_name && n_spatial != 2)
        return tf2__fail(error, TF2_ERR_VALUE, "%s for h and w on %u spatial dimensions", s->what, n_spatial);
    if (s->n_values > 1 && s->n_values != n_spatial)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%zu values of %s for %u spatial dimensions", s->n_values, s->what,
            n_spatial);
    for (uint32_t d = 0; d < n_spatial; d++) {
        uint32_t value = s->fallback;
        if (by_name)
            value = d == 0 ? s->h : s->w;
        else if (s->n_values)
            value = s->values[s->n_values == 1 ? 0 : d];
        if (value > INT32_MAX)
            return tf2__fail(error, TF2_ERR_VALUE, "%s is %u, wanted less than 2^31", s->what, value);
        result[d] = (int32_t)value;
    }
    return TF2_OK;
}

/* 0 would mean 1 to the operators. */
static enum tf2_status
check_positive(const int32_t *values, uint32_t n, const char *what, struct tf2_error *error)
{
    for (uint32_t d = 0; d < n; d++) {
        if (values[d] < 1)
            return tf2__fail(error, TF2_ERR_VALUE, "%s is %d, wanted 1 or more", what, values[d]);
    }
    return TF2_OK;
}

static enum tf2_status read_conv_window(
    const Tf2__Caffe__ConvolutionParameter *p, uint32_t n, bool video, struct tf2_window *window,
    struct tf2_error *error)
{
    const struct spatial kernel = {"kernel_size",   p->kernel_size,      p->n_kernel_size, p->has_kernel_h,
                                   p->has_kernel_w, p->kernel_h,         p->kernel_w,      0,
                                   video,           p->has_kernel_depth, p->kernel_depth};
    const struct spatial stride = {
        "stride",    p->stride, p->n_stride, p->has_stride_h,        p->has_stride_w,   p->stride_h,
        p->stride_w, 1,         video,       p->has_temporal_stride, p->temporal_stride};
    const struct spatial pad = {"pad",    p->pad, p->n_pad, p->has_pad_h,        p->has_pad_w,   p->pad_h,
                                p->pad_w, 0,      video,    p->has_temporal_pad, p->temporal_pad};
    const struct spatial dilation = {
        .what = "dilation", .values = p->dilation, .n_values = p->n_dilation, .fallback = 1};
    TF2__TRY(read_spatial(&kernel, n, window->kernel, error));
    TF2__TRY(read_spatial(&stride, n, window->stride, error));
    TF2__TRY(read_spatial(&pad, n, window->pad_begin, error));
    TF2__TRY(read_spatial(&dilation, n, window->dilation, error));
    TF2__TRY(check_positive(window->kernel, n, "kernel_size", error));
    TF2__TRY(check_positive(window->stride, n, "stride", error));
    TF2__TRY(check_positive(window->dilation, n, "dilation", error));
    memcpy(window->pad_end, window->pad_begin, sizeof(window->pad_end));
    return TF2_OK;
}

/* Weights and maybe a bias, of num_output outputs, as inputs 1 and 2 of a node. */
static enum tf2_status add_weights(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const struct tf2_shape *shape,
    bool transposed, bool bias_term, tf2_tensor_id in[3], struct tf2_error *error)
{
    int64_t n_out = shape->dim[0], fan_in = 1;
    float *data[2];
    struct tf2__caffe_blob blobs[2] = {
        {.what = "weights", .shape = *shape, .fill = TF2__CAFFE_FILL_RANDOM},
        {.what = "bias", .shape = {.n_dims = 1, .dim = {n_out}}, .fill = TF2__CAFFE_FILL_VALUE},
    };
    if (tf2_shape_count(shape))
        fan_in = tf2_shape_count(shape) / n_out;
    blobs[0].fan_in = fan_in;
    if (transposed)
        blobs[0].shape = (struct tf2_shape){.n_dims = 2, .dim = {shape->dim[1], n_out}};
    TF2__TRY(tf2__caffe_blobs(caffe, layer, blobs, bias_term ? 2 : 1, data, error));
    if (transposed) {
        float *turned = tf2__arena_alloc(&caffe->graph->arena, (size_t)(n_out * fan_in), sizeof(float));
        if (!turned)
            return tf2__fail_memory(error, (size_t)(n_out * fan_in) * sizeof(float), "weights");
        for (int64_t o = 0; o < n_out; o++) {
            for (int64_t k = 0; k < fan_in; k++)
                turned[o * fan_in + k] = data[0][k * n_out + o];
        }
        data[0] = turned;
    }
    TF2__TRY(tf2__caffe_constant(caffe, layer, "weights", shape, data[0], &in[1], error));
    if (bias_term)
        TF2__TRY(tf2__caffe_constant(caffe, layer, "bias", &blobs[1].shape, data[1], &in[2], error));
    return TF2_OK;
}

/* What all kinds of convolutions have: a window and groups. */
static enum tf2_status read_convolution(
    const Tf2__Caffe__ConvolutionParameter *p, const struct tf2_shape *x, bool depthwise, bool video,
    struct tf2_window *window, int32_t *group, struct tf2_error *error)
{
    uint32_t axis = 0;
    TF2__TRY(tf2__caffe_axis(p->axis, x->n_dims, &axis, error));
    if (axis != 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "channels on axis %d, only 1 is supported", p->axis);
    if (x->n_dims < 3 || x->n_dims > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input of %u dimensions, wanted 3 to %d", x->n_dims, 2 + TF2_MAX_SPATIAL);
    TF2__TRY(read_conv_window(p, x->n_dims - 2, video, window, error));

    /* Depthwise layers need not say how many groups. */
    int64_t n_groups = depthwise && !p->has_group ? x->dim[1] : p->group;
    if (p->num_output < 1 || p->num_output > INT32_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "num_output is %u, wanted 1 to %d", p->num_output, INT32_MAX);
    if (n_groups < 1 || n_groups > INT32_MAX || p->num_output % n_groups || x->dim[1] % n_groups)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "group %lld does not divide %lld input channels and %u outputs",
            (long long)n_groups, (long long)x->dim[1], p->num_output);
    *group = (int32_t)n_groups;
    return TF2_OK;
}

static enum tf2_status convolve(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const Tf2__Caffe__ConvolutionParameter *p,
    bool depthwise, bool video, struct tf2_error *error)
{
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    struct tf2_conv_attr attr = {0};
    tf2_tensor_id in[3] = {tf2__caffe_in(caffe, layer, 0)};
    TF2__TRY(read_convolution(p, &x, depthwise, video, &attr.window, &attr.group, error));
    struct tf2_shape weights = {.n_dims = x.n_dims, .dim = {p->num_output, x.dim[1] / attr.group}};
    for (uint32_t d = 2; d < x.n_dims; d++)
        weights.dim[d] = attr.window.kernel[d - 2];
    TF2__TRY(add_weights(caffe, layer, &weights, false, p->bias_term, in, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_CONV, &attr, in, p->bias_term ? 3 : 2, error);
}

#define CONVOLUTION_PARAM(variable, field)                                                                   \
    TF2__CAFFE_PARAM(                                                                                        \
        variable, Tf2__Caffe__ConvolutionParameter, TF2__CAFFE__CONVOLUTION_PARAMETER__INIT, field)

enum tf2_status tf2__caffe_convolution(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    CONVOLUTION_PARAM(p, convolution_param);
    return convolve(caffe, layer, p, false, false, error);
}

enum tf2_status
tf2__caffe_depthwise(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    CONVOLUTION_PARAM(p, convolution_param);
    return convolve(caffe, layer, p, true, false, error);
}

/* C3D 1.0 has one message for both kinds of convolutions. */
enum tf2_status tf2__caffe_convolution3d(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    CONVOLUTION_PARAM(p, convolution3d_param);
    CONVOLUTION_PARAM(old, convolution_param);
    if (layer->param->convolution3d_param && layer->param->convolution_param)
        return tf2__fail(error, TF2_ERR_VALUE, "both convolution3d_param and convolution_param");
    return convolve(caffe, layer, layer->param->convolution_param ? old : p, false, true, error);
}

/* Caffe's weights [I, O / group, ...] as those of a convolution, [O, I / group, ...]. NULL: out of memory. */
static float *turn_weights(
    struct tf2__caffe *caffe, const float *from, int64_t n_in, const struct tf2_shape *to, int64_t group)
{
    const int64_t n_taps = tf2_shape_count(to) / to->dim[0] / to->dim[1];
    const int64_t group_out = to->dim[0] / group, group_in = n_in / group;
    float *turned = tf2__arena_alloc(&caffe->graph->arena, (size_t)tf2_shape_count(to), sizeof(float));
    for (int64_t i = 0; i < n_in && turned; i++) {
        for (int64_t o = 0; o < group_out; o++, from += n_taps) {
            int64_t row = (i / group_in * group_out + o) * group_in + i % group_in;
            memcpy(turned + row * n_taps, from, (size_t)n_taps * sizeof(float));
        }
    }
    return turned;
}

enum tf2_status tf2__caffe_deconvolution(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    CONVOLUTION_PARAM(p, convolution_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    struct tf2_conv_transpose_attr attr = {0};
    tf2_tensor_id in[3] = {tf2__caffe_in(caffe, layer, 0)};
    float *data[2];
    TF2__TRY(read_convolution(p, &x, false, false, &attr.window, &attr.group, error));
    struct tf2__caffe_blob blobs[2] = {
        {.what = "weights",
         .shape = {.n_dims = x.n_dims, .dim = {x.dim[1], p->num_output / attr.group}},
         .fill = TF2__CAFFE_FILL_RANDOM,
         .fan_in = x.dim[1] / attr.group},
        {.what = "bias", .shape = {.n_dims = 1, .dim = {p->num_output}}, .fill = TF2__CAFFE_FILL_VALUE},
    };
    struct tf2_shape weights = {.n_dims = x.n_dims, .dim = {p->num_output, x.dim[1] / attr.group}};
    for (uint32_t d = 2; d < x.n_dims; d++)
        blobs[0].shape.dim[d] = weights.dim[d] = attr.window.kernel[d - 2];
    TF2__TRY(tf2__caffe_blobs(caffe, layer, blobs, p->bias_term ? 2 : 1, data, error));
    float *turned = turn_weights(caffe, data[0], x.dim[1], &weights, attr.group);
    if (!turned)
        return tf2__fail_memory(error, (size_t)tf2_shape_count(&weights) * sizeof(float), "weights");
    TF2__TRY(tf2__caffe_constant(caffe, layer, "weights", &weights, turned, &in[1], error));
    if (p->bias_term)
        TF2__TRY(tf2__caffe_constant(caffe, layer, "bias", &blobs[1].shape, data[1], &in[2], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_CONV_TRANSPOSE, &attr, in, p->bias_term ? 3 : 2, error);
}

enum tf2_status tf2__caffe_inner_product(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(
        p, Tf2__Caffe__InnerProductParameter, TF2__CAFFE__INNER_PRODUCT_PARAMETER__INIT, inner_product_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    tf2_tensor_id in[3] = {tf2__caffe_in(caffe, layer, 0)};
    uint32_t axis = 0;
    int64_t n_in = 1;
    TF2__TRY(tf2__caffe_axis(p->axis, x.n_dims, &axis, error));
    if (p->num_output < 1 || p->num_output > INT32_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "num_output is %u, wanted 1 to %d", p->num_output, INT32_MAX);
    for (uint32_t d = axis; d < x.n_dims; d++)
        n_in *= x.dim[d];
    const struct tf2_shape weights = {.n_dims = 2, .dim = {p->num_output, n_in}};
    const struct tf2_gemm_attr attr = {.axis = (int32_t)axis};
    TF2__TRY(add_weights(caffe, layer, &weights, p->transpose, p->bias_term, in, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_GEMM, &attr, in, p->bias_term ? 3 : 2, error);
}

static enum tf2_status read_pool_window(
    const Tf2__Caffe__PoolingParameter *p, uint32_t n, bool video, struct tf2_window *window,
    struct tf2_error *error)
{
    const struct spatial kernel = {"kernel_size",   &p->kernel_size,     p->has_kernel_size, p->has_kernel_h,
                                   p->has_kernel_w, p->kernel_h,         p->kernel_w,        0,
                                   video,           p->has_kernel_depth, p->kernel_depth};
    const struct spatial stride = {
        "stride",    &p->stride, p->has_stride, p->has_stride_h,        p->has_stride_w,   p->stride_h,
        p->stride_w, 1,          video,         p->has_temporal_stride, p->temporal_stride};
    const struct spatial pad = {"pad",    &p->pad, p->has_pad, p->has_pad_h,        p->has_pad_w,   p->pad_h,
                                p->pad_w, 0,       video,      p->has_temporal_pad, p->temporal_pad};
    TF2__TRY(read_spatial(&stride, n, window->stride, error));
    TF2__TRY(read_spatial(&pad, n, window->pad_begin, error));
    TF2__TRY(check_positive(window->stride, n, "stride", error));
    memcpy(window->pad_end, window->pad_begin, sizeof(window->pad_end));
    if (!p->global_pooling) {
        TF2__TRY(read_spatial(&kernel, n, window->kernel, error));
        return check_positive(window->kernel, n, "kernel_size", error);
    }
    if (p->has_kernel_size || p->has_kernel_h || p->has_kernel_w || p->has_kernel_depth)
        return tf2__fail(error, TF2_ERR_VALUE, "both global_pooling and a kernel size");
    for (uint32_t d = 0; d < n; d++) {
        if (window->pad_begin[d] || window->stride[d] != 1)
            return tf2__fail(
                error, TF2_ERR_VALUE, "global_pooling with stride %d and pad %d, wanted 1 and 0",
                window->stride[d], window->pad_begin[d]);
    }
    return TF2_OK;
}

/* Without padding Caffe keeps windows that start behind the input; nothing sensible comes out of them. */
static enum tf2_status
check_last_window(const struct tf2_pool_attr *attr, const struct tf2_shape *x, struct tf2_error *error)
{
    const struct tf2_window *w = &attr->window;
    bool padded = attr->global || attr->rounding != TF2_POOL_CEIL;
    for (uint32_t d = 0; d + 2 < x->n_dims; d++)
        padded |= w->pad_begin[d] != 0;
    for (uint32_t d = 0; d + 2 < x->n_dims && !padded; d++) {
        int64_t in = x->dim[2 + d];
        int64_t last = in > w->kernel[d] ? tf2__round_up(in - w->kernel[d], w->stride[d]) : 0;
        if (last >= in)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "the last window (kernel %d, stride %d, rounded up) starts behind the input of %lld",
                w->kernel[d], w->stride[d], (long long)in);
    }
    return TF2_OK;
}

static enum tf2_status pool(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const Tf2__Caffe__PoolingParameter *p,
    bool video, struct tf2_error *error)
{
    const struct tf2_shape *x = tf2__caffe_in_shape(caffe, layer, 0);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    bool floor = p->round_mode == TF2__CAFFE__POOLING_PARAMETER__ROUND_MODE__FLOOR || !p->ceil_mode;
    struct tf2_pool_attr attr = {
        .kind = p->pool == TF2__CAFFE__POOLING_PARAMETER__POOL_METHOD__AVE ? TF2_POOL_AVG : TF2_POOL_MAX,
        .rounding = floor ? TF2_POOL_FLOOR : TF2_POOL_CEIL,
        .global = p->global_pooling,
        .count_include_pad = true,
    };
    if (p->pool == TF2__CAFFE__POOLING_PARAMETER__POOL_METHOD__STOCHASTIC)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "stochastic pooling is not supported");
    if (x->n_dims != (video ? 5 : 4))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input of %u dimensions, wanted N, C, %sH, W", x->n_dims,
            video ? "L, " : "");
    TF2__TRY(read_pool_window(p, x->n_dims - 2, video, &attr.window, error));
    TF2__TRY(check_last_window(&attr, x, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_POOL, &attr, &in, 1, error);
}

#define POOLING_PARAM(variable, field)                                                                       \
    TF2__CAFFE_PARAM(variable, Tf2__Caffe__PoolingParameter, TF2__CAFFE__POOLING_PARAMETER__INIT, field)

enum tf2_status
tf2__caffe_pooling(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    POOLING_PARAM(p, pooling_param);
    return pool(caffe, layer, p, false, error);
}

/* C3D 1.0 has one message for both kinds of pools. */
enum tf2_status
tf2__caffe_pooling3d(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    POOLING_PARAM(p, pooling3d_param);
    POOLING_PARAM(old, pooling_param);
    if (layer->param->pooling3d_param && layer->param->pooling_param)
        return tf2__fail(error, TF2_ERR_VALUE, "both pooling3d_param and pooling_param");
    return pool(caffe, layer, layer->param->pooling_param ? old : p, true, error);
}
