/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_scale.c: layers that scale or combine feature maps: BatchNorm, Scale, Bias, PReLU, Eltwise.
 *
 * Caffe's Scale and Bias stretch a blob over the extents [axis, axis + its rank) of the other; the blob is
 * learned (one bottom) or computed (two bottoms, which becomes a broadcast Eltwise).
 */
#include "transform/import/caffe/caffe.h"

#include <math.h>

/* A vector of n times the same number, as a constant. */
static enum tf2_status add_filled(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *what,
    const struct tf2_shape *shape, float value, tf2_tensor_id *tensor, struct tf2_error *error)
{
    size_t n = (size_t)tf2_shape_count(shape);
    float *data = tf2__arena_alloc(&caffe->graph->arena, n, sizeof(*data));
    if (!data)
        return tf2__fail_memory(error, n * sizeof(*data), "constants");
    for (size_t i = 0; i < n; i++)
        data[i] = value;
    return tf2__caffe_constant(caffe, layer, what, shape, data, tensor, error);
}

/* Mean and variance are stored as sums, with their weight in the third blob. */
static enum tf2_status unscale_statistics(
    float *mean, float *variance, int64_t n, double sum_of_weights, double epsilon, struct tf2_error *error)
{
    double factor = sum_of_weights == 0 ? 0 : 1 / sum_of_weights;
    for (int64_t i = 0; i < n; i++) {
        mean[i] = (float)(mean[i] * factor);
        variance[i] = (float)(variance[i] * factor);
        if (!(variance[i] + epsilon > 0))
            return tf2__fail(
                error, TF2_ERR_VALUE, "variance of channel %lld is %g, wanted a positive number",
                (long long)i, variance[i]);
    }
    return TF2_OK;
}

enum tf2_status
tf2__caffe_batch_norm(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(
        p, Tf2__Caffe__BatchNormParameter, TF2__CAFFE__BATCH_NORM_PARAMETER__INIT, batch_norm_param);
    const struct tf2_shape *x = tf2__caffe_in_shape(caffe, layer, 0);
    const struct tf2_batch_norm_attr attr = {.epsilon = p->eps};
    tf2_tensor_id in[5] = {tf2__caffe_in(caffe, layer, 0)};
    float *data[3];
    if (p->has_use_global_stats && !p->use_global_stats)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "use_global_stats: false (statistics of the batch) is not supported");
    if (x->n_dims < 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "input of %u dimensions, wanted N, C, ...", x->n_dims);
    const struct tf2_shape channels = {.n_dims = 1, .dim = {x->dim[1]}};
    const struct tf2__caffe_blob blobs[3] = {
        {.what = "mean", .shape = channels, .fill = TF2__CAFFE_FILL_VALUE},
        {.what = "variance", .shape = channels, .fill = TF2__CAFFE_FILL_VALUE, .value = 1},
        {.what = "scale factor",
         .shape = {.n_dims = 1, .dim = {1}},
         .fill = TF2__CAFFE_FILL_VALUE,
         .value = 1},
    };
    TF2__TRY(tf2__caffe_blobs(caffe, layer, blobs, 3, data, error));
    TF2__TRY(tf2__caffe_finite(data[2][0], "scale factor", error));
    TF2__TRY(unscale_statistics(data[0], data[1], channels.dim[0], data[2][0], p->eps, error));
    TF2__TRY(add_filled(caffe, layer, "scale", &channels, 1, &in[1], error));
    TF2__TRY(add_filled(caffe, layer, "bias", &channels, 0, &in[2], error));
    TF2__TRY(tf2__caffe_constant(caffe, layer, "mean", &channels, data[0], &in[3], error));
    TF2__TRY(tf2__caffe_constant(caffe, layer, "variance", &channels, data[1], &in[4], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_BATCH_NORM, &attr, in, 5, error);
}

/* The extents that a learned blob has: num_axes of them from `axis` on, all for -1. */
static enum tf2_status span_shape(
    const struct tf2_shape *x, int32_t axis, int32_t num_axes, struct tf2_scale_attr *attr,
    struct tf2_shape *span, struct tf2_error *error)
{
    uint32_t first = 0;
    TF2__TRY(tf2__caffe_axis(axis, x->n_dims, &first, error));
    if (num_axes < -1 || num_axes > (int32_t)(x->n_dims - first))
        return tf2__fail(
            error, TF2_ERR_VALUE, "num_axes is %d with axis %d of a blob of %u dimensions", num_axes, axis,
            x->n_dims);
    attr->axis = (int32_t)first;
    *span = (struct tf2_shape){.n_dims = num_axes < 0 ? x->n_dims - first : (uint32_t)num_axes};
    for (uint32_t d = 0; d < span->n_dims; d++)
        span->dim[d] = x->dim[first + d];
    return TF2_OK;
}

/* y = x * scale + bias with learned factors; scale or bias may be left out. */
static enum tf2_status learned(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, tf2_tensor_id x, bool has_scale,
    bool has_bias, const struct tf2_scale_attr *attr, const struct tf2_shape *span, struct tf2_error *error)
{
    const struct tf2__caffe_blob scale = {
        .what = "scale", .shape = *span, .fill = TF2__CAFFE_FILL_VALUE, .value = 1};
    const struct tf2__caffe_blob bias = {.what = "bias", .shape = *span, .fill = TF2__CAFFE_FILL_VALUE};
    const struct tf2__caffe_blob blobs[2] = {has_scale ? scale : bias, bias};
    tf2_tensor_id in[3] = {x, TF2_NO_TENSOR, TF2_NO_TENSOR};
    float *data[2];
    TF2__TRY(tf2__caffe_blobs(caffe, layer, blobs, has_scale && has_bias ? 2 : 1, data, error));
    if (has_scale)
        TF2__TRY(tf2__caffe_constant(caffe, layer, "scale", span, data[0], &in[1], error));
    else
        TF2__TRY(add_filled(caffe, layer, "scale", span, 1, &in[1], error));
    if (has_bias)
        TF2__TRY(tf2__caffe_constant(caffe, layer, "bias", span, data[has_scale], &in[2], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_SCALE, attr, in, has_bias ? 3 : 2, error);
}

/*
 * Bottom 1, whose extents equal those of bottom 0 from `axis` on, with as many trailing extents of 1 as it
 * takes to broadcast; *attr and *span as for learned factors.
 */
static enum tf2_status stretch(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, int32_t axis, struct tf2_scale_attr *attr,
    struct tf2_shape *span, tf2_tensor_id *factor, struct tf2_error *error)
{
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    const struct tf2_shape y = *tf2__caffe_in_shape(caffe, layer, 1);
    char x_text[128], y_text[128];
    uint32_t first = 0;
    TF2__TRY(tf2__caffe_axis(axis, x.n_dims, &first, error));
    bool fits = y.n_dims <= x.n_dims - first;
    for (uint32_t d = 0; d < y.n_dims && fits; d++)
        fits = y.dim[d] == x.dim[first + d];
    if (!fits)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "bottoms of shapes %s and %s, wanted the second to be a part of the first from "
            "axis %d on",
            tf2_shape_format(&x, x_text, sizeof(x_text)), tf2_shape_format(&y, y_text, sizeof(y_text)), axis);
    *span = y;
    attr->axis = (int32_t)first;
    *factor = tf2__caffe_in(caffe, layer, 1);
    uint32_t n_trailing = x.n_dims - first - y.n_dims;
    if (!n_trailing)
        return TF2_OK;
    const struct tf2_axes_attr axes = {.axes = ((1u << n_trailing) - 1) << y.n_dims};
    const tf2_tensor_id in = *factor;
    return tf2__caffe_node(caffe, layer, "unsqueeze", TF2_OP_UNSQUEEZE, &axes, &in, 1, factor, error);
}

enum tf2_status
tf2__caffe_scale(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ScaleParameter, TF2__CAFFE__SCALE_PARAMETER__INIT, scale_param);
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    tf2_tensor_id in[2] = {tf2__caffe_in(caffe, layer, 0)};
    struct tf2_scale_attr attr = {0};
    struct tf2_shape span = {0};
    if (layer->param->n_bottom == 1) {
        TF2__TRY(span_shape(tf2__caffe_in_shape(caffe, layer, 0), p->axis, p->num_axes, &attr, &span, error));
        return learned(caffe, layer, in[0], true, p->bias_term, &attr, &span, error);
    }
    TF2__TRY(stretch(caffe, layer, p->axis, &attr, &span, &in[1], error));
    if (!p->bias_term)
        return tf2__caffe_whole_node(caffe, layer, TF2_OP_ELTWISE, &product, in, 2, error);
    tf2_tensor_id scaled = TF2_NO_TENSOR;
    TF2__TRY(tf2__caffe_node(caffe, layer, "product", TF2_OP_ELTWISE, &product, in, 2, &scaled, error));
    return learned(caffe, layer, scaled, false, true, &attr, &span, error);
}

enum tf2_status
tf2__caffe_bias(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__BiasParameter, TF2__CAFFE__BIAS_PARAMETER__INIT, bias_param);
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    tf2_tensor_id in[2] = {tf2__caffe_in(caffe, layer, 0)};
    struct tf2_scale_attr attr = {0};
    struct tf2_shape span = {0};
    if (layer->param->n_bottom == 1) {
        TF2__TRY(span_shape(tf2__caffe_in_shape(caffe, layer, 0), p->axis, p->num_axes, &attr, &span, error));
        return learned(caffe, layer, in[0], false, true, &attr, &span, error);
    }
    TF2__TRY(stretch(caffe, layer, p->axis, &attr, &span, &in[1], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_ELTWISE, &sum, in, 2, error);
}

enum tf2_status
tf2__caffe_prelu(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__PReLUParameter, TF2__CAFFE__PRE_LUPARAMETER__INIT, prelu_param);
    const struct tf2_shape *x = tf2__caffe_in_shape(caffe, layer, 0);
    tf2_tensor_id in[2] = {tf2__caffe_in(caffe, layer, 0)};
    float *data;
    if (x->n_dims < 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "input of %u dimensions, wanted N, C, ...", x->n_dims);
    const struct tf2__caffe_blob slope = {
        .what = "slope",
        .shape = {.n_dims = 1, .dim = {p->channel_shared ? 1 : x->dim[1]}},
        .fill = TF2__CAFFE_FILL_VALUE,
        .value = 0.25f,
    };
    TF2__TRY(tf2__caffe_blobs(caffe, layer, &slope, 1, &data, error));
    TF2__TRY(tf2__caffe_constant(caffe, layer, "slope", &slope.shape, data, &in[1], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_PRELU, NULL, in, 2, error);
}

/* Caffe does not broadcast here. */
static enum tf2_status check_same_shapes(
    const struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    const struct tf2_shape *first = tf2__caffe_in_shape(caffe, layer, 0);
    char text[128], first_text[128];
    for (uint32_t i = 1; i < layer->param->n_bottom; i++) {
        const struct tf2_shape *shape = tf2__caffe_in_shape(caffe, layer, i);
        if (!tf2_shape_equal(first, shape))
            return tf2__fail(
                error, TF2_ERR_SHAPE, "bottom %u is %s, bottom 0 is %s, wanted the same shape", i,
                tf2_shape_format(shape, text, sizeof(text)),
                tf2_shape_format(first, first_text, sizeof(first_text)));
    }
    return TF2_OK;
}

enum tf2_status
tf2__caffe_eltwise(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__EltwiseParameter, TF2__CAFFE__ELTWISE_PARAMETER__INIT, eltwise_param);
    static const enum tf2_eltwise_kind kinds[] = {
        [TF2__CAFFE__ELTWISE_PARAMETER__ELTWISE_OP__PROD] = TF2_ELTWISE_PROD,
        [TF2__CAFFE__ELTWISE_PARAMETER__ELTWISE_OP__SUM] = TF2_ELTWISE_SUM,
        [TF2__CAFFE__ELTWISE_PARAMETER__ELTWISE_OP__MAX] = TF2_ELTWISE_MAX,
    };
    struct tf2_eltwise_attr attr = {.kind = kinds[p->operation], .has_coefficients = p->n_coeff > 0};
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    size_t n = layer->param->n_bottom;
    TF2__TRY(tf2__caffe_bottoms(caffe, layer, in, error));
    if (n > TF2_ELTWISE_MAX_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu bottoms, at most %d are supported", n, TF2_ELTWISE_MAX_INPUTS);
    if (p->n_coeff && (p->n_coeff != n || attr.kind != TF2_ELTWISE_SUM))
        return tf2__fail(
            error, TF2_ERR_VALUE, "%zu coefficients for %zu bottoms%s", p->n_coeff, n,
            attr.kind == TF2_ELTWISE_SUM ? "" : ", and not for a sum");
    for (size_t i = 0; i < p->n_coeff; i++) {
        TF2__TRY(tf2__caffe_finite(p->coeff[i], "coefficient", error));
        attr.coefficient[i] = p->coeff[i];
    }
    TF2__TRY(check_same_shapes(caffe, layer, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_ELTWISE, &attr, in, n, error);
}
