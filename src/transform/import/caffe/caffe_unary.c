/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_unary.c: layers of one bottom without much of their own: element-wise functions, LRN, Softmax,
 * Dropout.
 */
#include "transform/import/caffe/caffe.h"

#include <math.h>

enum tf2_status
tf2__caffe_relu(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ReLUParameter, TF2__CAFFE__RE_LUPARAMETER__INIT, relu_param);
    if (p->negative_slope == 0)
        return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_RELU, 0, 0, error);
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_LEAKY_RELU, p->negative_slope, 0, error);
}

enum tf2_status
tf2__caffe_relu6(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_CLIP, 0, 6, error);
}

enum tf2_status
tf2__caffe_clip(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    const Tf2__Caffe__ClipParameter *p = layer->param->clip_param;
    if (!p || !p->has_min || !p->has_max)
        return tf2__fail(error, TF2_ERR_VALUE, "clip_param needs both min and max");
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_CLIP, p->min, p->max, error);
}

enum tf2_status
tf2__caffe_elu(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ELUParameter, TF2__CAFFE__ELUPARAMETER__INIT, elu_param);
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_ELU, p->alpha, 0, error);
}

enum tf2_status
tf2__caffe_sigmoid(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_SIGMOID, 0, 0, error);
}

enum tf2_status
tf2__caffe_tanh(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_TANH, 0, 0, error);
}

enum tf2_status
tf2__caffe_absval(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    return tf2__caffe_activation(caffe, layer, TF2_ACTIVATION_ABS, 0, 0, error);
}

/* One step of a layer that is several: the last (part NULL) is the layer's top. */
static enum tf2_status step(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, const char *part,
    enum tf2_activation_kind kind, double alpha, double beta, tf2_tensor_id *x, struct tf2_error *error)
{
    const struct tf2_activation attr = {.kind = kind, .alpha = (float)alpha, .beta = (float)beta};
    const tf2_tensor_id in = *x;
    TF2__TRY(tf2__caffe_finite(attr.alpha, "parameter", error));
    TF2__TRY(tf2__caffe_finite(attr.beta, "parameter", error));
    TF2__TRY(tf2__caffe_node(caffe, layer, part, TF2_OP_ACTIVATION, &attr, &in, 1, x, error));
    if (!part)
        tf2__caffe_set_top(caffe, layer, 0, *x);
    return TF2_OK;
}

/* y = (shift + scale * x) ^ power */
enum tf2_status
tf2__caffe_power(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__PowerParameter, TF2__CAFFE__POWER_PARAMETER__INIT, power_param);
    tf2_tensor_id x = tf2__caffe_in(caffe, layer, 0);
    if (p->power == 1)
        return step(caffe, layer, NULL, TF2_ACTIVATION_AFFINE, p->scale, p->shift, &x, error);
    if (p->scale != 1 || p->shift != 0)
        TF2__TRY(step(caffe, layer, "affine", TF2_ACTIVATION_AFFINE, p->scale, p->shift, &x, error));
    return step(caffe, layer, NULL, TF2_ACTIVATION_POW, p->power, 0, &x, error);
}

/* The natural logarithm of a base; -1 stands for e. */
static enum tf2_status log_of_base(double base, double *log_base, struct tf2_error *error)
{
    if (base != -1 && !(base > 0))
        return tf2__fail(error, TF2_ERR_VALUE, "base is %g, wanted a positive number or -1 for e", base);
    *log_base = base == -1 ? 1 : log(base);
    return TF2_OK;
}

/* y = base ^ (shift + scale * x) */
enum tf2_status
tf2__caffe_exp(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ExpParameter, TF2__CAFFE__EXP_PARAMETER__INIT, exp_param);
    tf2_tensor_id x = tf2__caffe_in(caffe, layer, 0);
    double log_base = 1;
    TF2__TRY(log_of_base(p->base_, &log_base, error));
    double scale = log_base * p->scale, shift = log_base * p->shift;
    if (scale != 1 || shift != 0)
        TF2__TRY(step(caffe, layer, "affine", TF2_ACTIVATION_AFFINE, scale, shift, &x, error));
    return step(caffe, layer, NULL, TF2_ACTIVATION_EXP, 0, 0, &x, error);
}

/* y = log to the base of (shift + scale * x) */
enum tf2_status
tf2__caffe_log(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__LogParameter, TF2__CAFFE__LOG_PARAMETER__INIT, log_param);
    tf2_tensor_id x = tf2__caffe_in(caffe, layer, 0);
    double log_base = 1;
    TF2__TRY(log_of_base(p->base_, &log_base, error));
    if (log_base == 0)
        return tf2__fail(error, TF2_ERR_VALUE, "there is no logarithm to the base 1");
    if (p->scale != 1 || p->shift != 0)
        TF2__TRY(step(caffe, layer, "affine", TF2_ACTIVATION_AFFINE, p->scale, p->shift, &x, error));
    if (log_base == 1)
        return step(caffe, layer, NULL, TF2_ACTIVATION_LOG, 0, 0, &x, error);
    TF2__TRY(step(caffe, layer, "log", TF2_ACTIVATION_LOG, 0, 0, &x, error));
    return step(caffe, layer, NULL, TF2_ACTIVATION_AFFINE, 1 / log_base, 0, &x, error);
}

/* y = x * sigmoid(beta * x) */
enum tf2_status
tf2__caffe_swish(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__SwishParameter, TF2__CAFFE__SWISH_PARAMETER__INIT, swish_param);
    const struct tf2_eltwise_attr product = {.kind = TF2_ELTWISE_PROD};
    const tf2_tensor_id x = tf2__caffe_in(caffe, layer, 0);
    tf2_tensor_id gate = x;
    if (p->beta != 1)
        TF2__TRY(step(caffe, layer, "affine", TF2_ACTIVATION_AFFINE, p->beta, 0, &gate, error));
    TF2__TRY(step(caffe, layer, "sigmoid", TF2_ACTIVATION_SIGMOID, 0, 0, &gate, error));
    return tf2__caffe_whole_node(
        caffe, layer, TF2_OP_ELTWISE, &product, (const tf2_tensor_id[]){x, gate}, 2, error);
}

/* Within a channel Caffe ignores k, which is 1 then. */
enum tf2_status
tf2__caffe_lrn(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__LRNParameter, TF2__CAFFE__LRNPARAMETER__INIT, lrn_param);
    bool within = p->norm_region == TF2__CAFFE__LRNPARAMETER__NORM_REGION__WITHIN_CHANNEL;
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    if (p->local_size > INT32_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "local_size is %u, wanted less than 2^31", p->local_size);
    const struct tf2_lrn_attr attr = {
        .region = within ? TF2_LRN_WITHIN_CHANNEL : TF2_LRN_ACROSS_CHANNELS,
        .size = (int32_t)p->local_size,
        .alpha = p->alpha,
        .beta = p->beta,
        .k = within ? 1 : p->k,
    };
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_LRN, &attr, &in, 1, error);
}

enum tf2_status
tf2__caffe_softmax(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__SoftmaxParameter, TF2__CAFFE__SOFTMAX_PARAMETER__INIT, softmax_param);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    const struct tf2_softmax_attr attr = {.axis = p->axis};
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_SOFTMAX, &attr, &in, 1, error);
}

/* Caffe scales while training, so nothing is left to do. */
enum tf2_status
tf2__caffe_dropout(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_DROPOUT, NULL, &in, 1, error);
}
