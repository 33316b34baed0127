/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_resize.c: Resize and its predecessor Upsample.
 *
 * Upsample and Resize of opset 10 do not say which pixel is taken; as their later versions state and as
 * exporters meant it, output pixel o is o / scale in the input, rounded down. Where the rounding would matter
 * (nearest, and a scale that is not 1 / integer below 1) such a node is refused.
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

/* What the inputs say in one lane: an extent or a scale for each spatial dimension. */
struct target {
    bool has_sizes;
    int64_t size[TF2_MAX_SPATIAL];
    float scale[TF2_MAX_SPATIAL];
};

static enum tf2_status
check_axes(const struct tf2__onnx_list *axes, uint32_t n_dims, size_t n, struct tf2_error *error)
{
    uint32_t mask = 0;
    TF2__TRY(tf2__onnx_axes(axes, n_dims, &mask, error));
    size_t wanted = axes->given ? axes->n : n_dims;
    if (n != wanted)
        return tf2__fail(error, TF2_ERR_SHAPE, "%zu scales or sizes, wanted %zu", n, wanted);
    return TF2_OK;
}

/* Batch and channels keep their extents; spatial ones that are not listed too. */
static enum tf2_status read_sizes(
    const struct tf2__onnx_list *axes, const struct tf2__onnx_array *sizes, const struct tf2_shape *in,
    struct target *target, struct tf2_error *error)
{
    const int64_t *v = sizes->data;
    uint32_t axis = 0;
    if (tf2__onnx_is_float(sizes->type) || sizes->shape.n_dims != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "sizes is no list of integers");
    TF2__TRY(check_axes(axes, in->n_dims, (size_t)sizes->count, error));
    target->has_sizes = true;
    for (uint32_t d = 2; d < in->n_dims; d++)
        target->size[d - 2] = in->dim[d];
    for (int64_t i = 0; i < sizes->count; i++) {
        TF2__TRY(tf2__onnx_axis(axes->given ? axes->v[i] : i, in->n_dims, false, &axis, error));
        if (axis < 2 && v[i] != in->dim[axis])
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "only spatial dimensions can be resized, found %lld to %lld in dimension %u",
                (long long)in->dim[axis], (long long)v[i], axis);
        if (v[i] < 1 || v[i] > INT32_MAX)
            return tf2__fail(error, TF2_ERR_VALUE, "size %lld in dimension %u", (long long)v[i], axis);
        if (axis >= 2)
            target->size[axis - 2] = v[i];
    }
    return TF2_OK;
}

static enum tf2_status read_scales(
    const struct tf2__onnx_list *axes, const float *scales, size_t n, const struct tf2_shape *in,
    struct target *target, struct tf2_error *error)
{
    uint32_t axis = 0;
    TF2__TRY(check_axes(axes, in->n_dims, n, error));
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++)
        target->scale[d] = 1;
    for (size_t i = 0; i < n; i++) {
        TF2__TRY(tf2__onnx_axis(axes->given ? axes->v[i] : (int64_t)i, in->n_dims, false, &axis, error));
        if (!isfinite(scales[i]) || scales[i] <= 0)
            return tf2__fail(error, TF2_ERR_VALUE, "scale %g in dimension %u", scales[i], axis);
        if (axis < 2 && scales[i] != 1)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "only spatial dimensions can be resized, found scale %g in dimension %u", scales[i], axis);
        if (axis >= 2)
            target->scale[axis - 2] = scales[i];
    }
    return TF2_OK;
}

/* Where scales and sizes are found: Upsample 7 has an attribute, the others inputs whose places changed. An
 * empty tensor counts as left out. */
static enum tf2_status read_target(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *scales,
    const struct tf2__onnx_array *sizes, const struct tf2_shape *in, struct target *target,
    struct tf2_error *error)
{
    const Tf2__Onnx__AttributeProto *attr = tf2__onnx_attr(node, "scales");
    struct tf2__onnx_list axes;
    memset(target, 0, sizeof(*target));
    TF2__TRY(tf2__onnx_attr_list(node, "axes", &axes, error));
    bool has_scales = scales && scales->count, has_sizes = sizes && sizes->count;
    if (has_scales + has_sizes + (attr != NULL) != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "wanted either scales or sizes");
    if (has_sizes)
        return read_sizes(&axes, sizes, in, target, error);
    if (attr)
        return read_scales(&axes, attr->floats, attr->n_floats, in, target, error);
    if (!tf2__onnx_is_float(scales->type) || scales->shape.n_dims != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "scales is no list of numbers");
    return read_scales(&axes, scales->data, (size_t)scales->count, in, target, error);
}

/* ---- lanes ---- */

struct resize_lanes {
    uint32_t lanes, dead;
    struct target target[TF2__ONNX_LANES];
    const struct tf2_shape *in[TF2__ONNX_LANES];
};

static enum tf2_status read_lanes(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id x, size_t scales_at,
    size_t sizes_at, struct resize_lanes *r, struct tf2_error *error)
{
    const struct tf2__onnx_const *scales, *sizes = NULL;
    TF2__TRY(tf2__onnx_known(onnx, node, scales_at, &scales, error));
    if (sizes_at)
        TF2__TRY(tf2__onnx_known(onnx, node, sizes_at, &sizes, error));
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        r->in[l] = tf2__onnx_shape(onnx, x, l);
        if (!r->in[l])
            continue;
        bool valid = (!scales || (scales->lanes >> l & 1)) && (!sizes || (sizes->lanes >> l & 1));
        enum tf2_status status = TF2_OK;
        if (valid)
            status = read_target(
                node, scales ? &scales->array[l] : NULL, sizes ? &sizes->array[l] : NULL, r->in[l],
                &r->target[l], l ? NULL : error);
        if (l == 0)
            TF2__TRY(status);
        *(valid && status == TF2_OK ? &r->lanes : &r->dead) |= 1u << l;
    }
    return TF2_OK;
}

/* The factor that gives the wanted size in all lanes, when it is an integer; 0 otherwise. */
static int64_t integer_factor(const struct resize_lanes *r, uint32_t d)
{
    int64_t factor = r->target[0].size[d] / r->in[0]->dim[d + 2];
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        if ((r->lanes >> l & 1) && r->target[l].size[d] != factor * r->in[l]->dim[d + 2])
            return 0;
    }
    return factor;
}

/* Spatial dimension d of the attribute, the same for all lanes as far as possible: a size that grows with the
 * input was computed from it, and is a scale. */
static void merge_dim(struct resize_lanes *r, uint32_t d, struct tf2_resize_attr *attr)
{
    const struct target *first = &r->target[0];
    uint32_t differ = 0;
    attr->size[d] = first->size[d];
    attr->scale[d] = first->scale[d];
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        const struct target *other = &r->target[l];
        if ((r->lanes >> l & 1) && (other->size[d] != first->size[d] || other->scale[d] != first->scale[d]))
            differ |= 1u << l;
    }
    if (!differ)
        return;
    int64_t factor = first->has_sizes ? integer_factor(r, d) : 0;
    if (factor >= 1) {
        attr->size[d] = 0;
        attr->scale[d] = (float)factor;
    } else {
        r->dead |= differ;
    }
}

static enum tf2_status emit_resize(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id x, struct resize_lanes *r,
    struct tf2_resize_attr *attr, struct tf2_error *error)
{
    tf2_tensor_id out;
    for (uint32_t d = 0; d + 2 < r->in[0]->n_dims; d++)
        merge_dim(r, d, attr);
    TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_RESIZE, attr, &x, 1, &out, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if (r->dead >> l & 1)
            tf2__onnx_drop_lane(onnx, out, l);
    }
    return TF2_OK;
}

static enum tf2_status check_map(const struct tf2__onnx *onnx, tf2_tensor_id x, struct tf2_error *error)
{
    uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    if (n_dims < 3 || n_dims > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input of %u dimensions, wanted batch, channels and 1 to %d spatial ones", n_dims,
            TF2_MAX_SPATIAL);
    return TF2_OK;
}

static enum tf2_status
read_mode(const struct tf2__onnx_node *node, struct tf2_resize_attr *attr, struct tf2_error *error)
{
    static const char *const words[] = {"nearest", "linear"};
    int word = 0;
    TF2__TRY(tf2__onnx_attr_word(node, "mode", words, TF2__COUNT(words), &word, error));
    attr->mode = word ? TF2_RESIZE_LINEAR : TF2_RESIZE_NEAREST;
    return TF2_OK;
}

/* ---- Upsample, and Resize of opset 10: (x, scales) ---- */

enum tf2_status
tf2__onnx_convert_upsample(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_resize_attr attr = {.coordinates = TF2_RESIZE_ASYMMETRIC, .nearest = TF2_RESIZE_FLOOR};
    struct resize_lanes r = {0};
    tf2_tensor_id x;
    TF2__TRY(read_mode(node, &attr, error));
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(check_map(onnx, x, error));
    TF2__TRY(read_lanes(onnx, node, x, 1, 0, &r, error));
    for (uint32_t d = 0; d + 2 < r.in[0]->n_dims && attr.mode == TF2_RESIZE_NEAREST; d++) {
        float scale = r.target[0].scale[d], inverse = 1 / scale;
        if (scale < 1 && fabsf(inverse - rintf(inverse)) > 1e-5f * inverse)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED,
                "nearest with scale %g: before opset 11 ONNX does not say which pixel is taken", scale);
    }
    return emit_resize(onnx, node, x, &r, &attr, error);
}

/* ---- Resize since opset 11: (x, roi, scales, sizes) ---- */

static enum tf2_status read_coordinates(
    const struct tf2__onnx_node *node, struct tf2_resize_attr *attr, bool *symmetric, struct tf2_error *error)
{
    static const char *const words[] = {
        "half_pixel", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "half_pixel_symmetric",
    };
    static const enum tf2_resize_coordinates values[] = {
        TF2_RESIZE_HALF_PIXEL, TF2_RESIZE_PYTORCH_HALF_PIXEL, TF2_RESIZE_ALIGN_CORNERS,
        TF2_RESIZE_ASYMMETRIC, TF2_RESIZE_TF_HALF_PIXEL,      TF2_RESIZE_HALF_PIXEL,
    };
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    static const enum tf2_resize_nearest nearest_values[] = {
        TF2_RESIZE_ROUND_PREFER_FLOOR, TF2_RESIZE_ROUND_PREFER_CEIL, TF2_RESIZE_FLOOR, TF2_RESIZE_CEIL};
    int word = 0, rounding = 0;
    TF2__TRY(
        tf2__onnx_attr_word(node, "coordinate_transformation_mode", words, TF2__COUNT(words), &word, error));
    TF2__TRY(tf2__onnx_attr_word(node, "nearest_mode", nearest, TF2__COUNT(nearest), &rounding, error));
    attr->coordinates = values[word];
    attr->nearest = nearest_values[rounding];
    *symmetric = strcmp(words[word], "half_pixel_symmetric") == 0;
    return TF2_OK;
}

/* half_pixel_symmetric differs from half_pixel only where scale * extent is no integer. */
static enum tf2_status check_symmetric(const struct resize_lanes *r, struct tf2_error *error)
{
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        for (uint32_t d = 0; (r->lanes >> l & 1) && !r->target[l].has_sizes && d + 2 < r->in[l]->n_dims;
             d++) {
            float extent = r->target[l].scale[d] * (float)r->in[l]->dim[d + 2];
            if (extent != rintf(extent))
                return tf2__fail(
                    error, TF2_ERR_UNSUPPORTED, "half_pixel_symmetric with scale %g is not supported",
                    r->target[l].scale[d]);
        }
    }
    return TF2_OK;
}

/* What is not read otherwise: options of cubic interpolation and of cropping mean nothing without those. */
static enum tf2_status refuse_options(const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const char *policy = tf2__onnx_attr_string(node, "keep_aspect_ratio_policy", "stretch");
    if (strcmp(policy, "stretch") != 0)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "keep_aspect_ratio_policy '%.40s' is not supported", policy);
    if (tf2__onnx_attr_int(node, "antialias", 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "antialias is not supported");
    if (tf2__onnx_attr_int(node, "exclude_outside", 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "exclude_outside is not supported");
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_resize(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_resize_attr attr = {0};
    struct resize_lanes r = {0};
    tf2_tensor_id x;
    bool symmetric = false;
    if (onnx->opset < 11)
        return tf2__onnx_convert_upsample(onnx, node, error);
    TF2__TRY(read_mode(node, &attr, error));
    TF2__TRY(read_coordinates(node, &attr, &symmetric, error));
    TF2__TRY(refuse_options(node, error));
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(check_map(onnx, x, error));
    TF2__TRY(read_lanes(onnx, node, x, 2, 3, &r, error));
    if (symmetric)
        TF2__TRY(check_symmetric(&r, error));
    return emit_resize(onnx, node, x, &r, &attr, error);
}
