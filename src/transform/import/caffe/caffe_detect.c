/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_detect.c: layers of SSD's detectors (Liu et al.: SSD, 2016): Normalize, PriorBox, DetectionOutput.
 */
#include "transform/import/caffe/caffe.h"

#include <float.h>
#include <math.h>

enum tf2_status
tf2__caffe_normalize(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__NormalizeParameter, TF2__CAFFE__NORMALIZE_PARAMETER__INIT, norm_param);
    const struct tf2_shape *x = tf2__caffe_in_shape(caffe, layer, 0);
    const struct tf2_normalize_attr attr = {
        .region = p->across_spatial ? TF2_NORMALIZE_ALL : TF2_NORMALIZE_CHANNELS, .epsilon = p->eps};
    tf2_tensor_id in[2] = {tf2__caffe_in(caffe, layer, 0)};
    float *data;
    if (x->n_dims < 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "input of %u dimensions, wanted N, C, ...", x->n_dims);
    const struct tf2__caffe_blob scale = {
        .what = "scale",
        .shape = {.n_dims = 1, .dim = {p->channel_shared ? 1 : x->dim[1]}},
        .fill = TF2__CAFFE_FILL_VALUE,
        .value = 1,
    };
    TF2__TRY(tf2__caffe_blobs(caffe, layer, &scale, 1, &data, error));
    TF2__TRY(tf2__caffe_constant(caffe, layer, "scale", &scale.shape, data, &in[1], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_NORMALIZE, &attr, in, 2, error);
}

/* --- PriorBox --- */

static enum tf2_status copy_list(
    const float *from, size_t n, const char *what, float to[TF2_PRIOR_BOX_MAX], uint32_t *n_to,
    struct tf2_error *error)
{
    if (n > TF2_PRIOR_BOX_MAX)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu values of %s, at most %d are supported", n, what,
            TF2_PRIOR_BOX_MAX);
    if (n)
        memcpy(to, from, n * sizeof(*to));
    *n_to = (uint32_t)n;
    return TF2_OK;
}

/* Whether a box of this ratio is there already. */
static bool has_ratio(const struct tf2_prior_box_attr *attr, float ratio)
{
    bool found = fabsf(ratio - 1) < 1e-6f;
    for (uint32_t i = 0; i < attr->n_ratios; i++)
        found |= fabsf(ratio - attr->ratio[i]) < 1e-6f;
    return found;
}

/* A ratio that is there already is left out, and so is its inverse. */
static enum tf2_status
read_ratios(const Tf2__Caffe__PriorBoxParameter *p, struct tf2_prior_box_attr *attr, struct tf2_error *error)
{
    for (size_t i = 0; i < p->n_aspect_ratio; i++) {
        const float ratio = p->aspect_ratio[i];
        if (!(ratio > 0))
            return tf2__fail(error, TF2_ERR_VALUE, "aspect_ratio %zu is %g, wanted more than 0", i, ratio);
        if (has_ratio(attr, ratio))
            continue;
        if (attr->n_ratios + (p->flip ? 2 : 1) > TF2_PRIOR_BOX_MAX)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "more than %d aspect ratios, flipped ones included",
                TF2_PRIOR_BOX_MAX);
        attr->ratio[attr->n_ratios++] = ratio;
        if (p->flip)
            attr->ratio[attr->n_ratios++] = 1 / ratio;
    }
    return TF2_OK;
}

/* One variance for all four numbers, or one each; without any, 0.1. */
static enum tf2_status read_variances(
    const Tf2__Caffe__PriorBoxParameter *p, struct tf2_prior_box_attr *attr, struct tf2_error *error)
{
    if (p->n_variance > 1 && p->n_variance != 4)
        return tf2__fail(error, TF2_ERR_VALUE, "%zu variances, wanted 1 or 4", p->n_variance);
    for (size_t i = 0; i < 4; i++) {
        attr->variance[i] = p->n_variance ? p->variance[p->n_variance == 4 ? i : 0] : 0.1f;
        if (!(attr->variance[i] > 0))
            return tf2__fail(
                error, TF2_ERR_VALUE, "variance %zu is %g, wanted more than 0", i, attr->variance[i]);
    }
    return TF2_OK;
}

/* The image and the distance of centres: one number for both directions, or two. */
static enum tf2_status
read_grid(const Tf2__Caffe__PriorBoxParameter *p, struct tf2_prior_box_attr *attr, struct tf2_error *error)
{
    if ((p->has_img_size && (p->has_img_h || p->has_img_w)) || p->has_img_h != p->has_img_w)
        return tf2__fail(error, TF2_ERR_VALUE, "wanted img_size, or both img_h and img_w, or none");
    if ((p->has_step && (p->has_step_h || p->has_step_w)) || p->has_step_h != p->has_step_w)
        return tf2__fail(error, TF2_ERR_VALUE, "wanted step, or both step_h and step_w, or none");
    const uint32_t height = p->has_img_size ? p->img_size : p->img_h;
    const uint32_t width = p->has_img_size ? p->img_size : p->img_w;
    if (height > INT32_MAX || width > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "an image of %u x %u pixels, wanted less than 2^31", width, height);
    attr->image_height = (int32_t)height;
    attr->image_width = (int32_t)width;
    attr->step_height = p->has_step ? p->step : p->step_h;
    attr->step_width = p->has_step ? p->step : p->step_w;
    attr->offset = p->offset;
    return TF2_OK;
}

enum tf2_status
tf2__caffe_prior_box(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(
        p, Tf2__Caffe__PriorBoxParameter, TF2__CAFFE__PRIOR_BOX_PARAMETER__INIT, prior_box_param);
    const tf2_tensor_id in[2] = {tf2__caffe_in(caffe, layer, 0), tf2__caffe_in(caffe, layer, 1)};
    struct tf2_prior_box_attr attr = {.clip = p->clip};
    TF2__TRY(copy_list(p->min_size, p->n_min_size, "min_size", attr.min_size, &attr.n_sizes, error));
    TF2__TRY(copy_list(p->max_size, p->n_max_size, "max_size", attr.max_size, &attr.n_max_sizes, error));
    TF2__TRY(read_ratios(p, &attr, error));
    TF2__TRY(read_variances(p, &attr, error));
    TF2__TRY(read_grid(p, &attr, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_PRIOR_BOX, &attr, in, 2, error);
}

/* --- DetectionOutput --- */

/* Caffe's -1 stands for all. */
static enum tf2_status read_limit(int32_t limit, const char *what, int32_t *result, struct tf2_error *error)
{
    if (limit != -1 && limit < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "%s is %d, wanted 1 or more, or -1 for all", what, limit);
    *result = limit == -1 ? 0 : limit;
    return TF2_OK;
}

enum tf2_status tf2__caffe_detection_output(
    struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(
        p, Tf2__Caffe__DetectionOutputParameter, TF2__CAFFE__DETECTION_OUTPUT_PARAMETER__INIT,
        detection_output_param);
    static const Tf2__Caffe__NonMaximumSuppressionParameter nms_defaults =
        TF2__CAFFE__NON_MAXIMUM_SUPPRESSION_PARAMETER__INIT;
    const Tf2__Caffe__NonMaximumSuppressionParameter *nms = p->nms_param ? p->nms_param : &nms_defaults;
    static const enum tf2_box_code codes[] = {
        [TF2__CAFFE__DETECTION_OUTPUT_PARAMETER__CODE_TYPE__CORNER] = TF2_BOX_CORNER,
        [TF2__CAFFE__DETECTION_OUTPUT_PARAMETER__CODE_TYPE__CENTER_SIZE] = TF2_BOX_CENTER_SIZE,
        [TF2__CAFFE__DETECTION_OUTPUT_PARAMETER__CODE_TYPE__CORNER_SIZE] = TF2_BOX_CORNER_SIZE,
    };
    const tf2_tensor_id in[3] = {
        tf2__caffe_in(caffe, layer, 0), tf2__caffe_in(caffe, layer, 1), tf2__caffe_in(caffe, layer, 2)};
    struct tf2_detection_attr attr = {
        .background = p->background_label_id < 0 ? -1 : p->background_label_id,
        .code = codes[p->code_type],
        .boxes_per_class = !p->share_location,
        .variance_in_offsets = p->variance_encoded_in_target,
        .confidence = p->has_confidence_threshold ? p->confidence_threshold : -FLT_MAX,
        .nms_threshold = nms->nms_threshold,
        .nms_eta = nms->eta,
    };
    if (p->num_classes < 1 || p->num_classes > INT32_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "num_classes is %u, wanted 1 to %d", p->num_classes, INT32_MAX);
    attr.n_classes = (int32_t)p->num_classes;
    if (attr.background >= attr.n_classes)
        attr.background = -1;
    if (!(nms->eta > 0 && nms->eta <= 1))
        return tf2__fail(error, TF2_ERR_VALUE, "eta is %g, wanted more than 0, at most 1", nms->eta);
    TF2__TRY(read_limit(nms->has_top_k ? nms->top_k : -1, "top_k", &attr.top_k, error));
    TF2__TRY(read_limit(p->keep_top_k, "keep_top_k", &attr.keep_top_k, error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_DETECTION_OUTPUT, &attr, in, 3, error);
}
