/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_norm.c: normalization by statistics of the data itself: InstanceNormalization, LayerNormalization,
 * GroupNormalization.
 *
 *     d = x - mean(x);  y = d * (mean(d * d) + epsilon) ^ (-1/2) * scale + bias
 *
 * The mean is over the pixels of a channel; over the last dimensions; over the pixels and channels of a group. One over
 * the last dimension alone is one over channels when that dimension is turned to be them: where a network has turned its
 * maps to [N, H, W, C] for the sake of it, the two turns cancel.
 */
#include "transform/import/onnx/internal.h"

/* What the mean is over. */
struct region {
    uint32_t axes;
    int64_t n_groups; /* of channels, beside the axes; 0: none */
};

/* Numbers of each channel as the mean over all channels of its group: a convolution of x [N, C, 1, ...] with itself. */
static enum tf2_status mean_of_groups(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, int64_t n_groups, tf2_tensor_id *x,
    struct tf2_error *error)
{
    struct tf2_conv_attr attr = {.group = (int32_t)n_groups};
    struct tf2_shape shape = *tf2__onnx_shape(onnx, *x, 0);
    tf2_tensor_id in[2] = {*x};
    void *data;
    const int64_t n_channels = shape.dim[1], n_in = n_channels / n_groups;
    shape.dim[0] = n_channels;
    shape.dim[1] = n_in;
    for (uint32_t d = 2; d < shape.n_dims; d++)
        shape.dim[d] = 1;
    TF2__TRY(tf2__onnx_alloc(onnx, n_channels * n_in, sizeof(float), true, &data, error));
    for (int64_t i = 0; i < n_channels * n_in; i++)
        ((float *)data)[i] = 1 / (float)n_in;
    TF2__TRY(tf2__onnx_emit_constant(onnx, node, "weights", &shape, data, &in[1], error));
    return tf2__onnx_emit_part(onnx, node, "groups", TF2_OP_CONV, &attr, in, 2, x, error);
}

static enum tf2_status mean_over(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct region *region, tf2_tensor_id *x,
    struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_part_reduce(onnx, node, TF2__ONNX_MEAN, region->axes, x, error));
    return region->n_groups ? mean_of_groups(onnx, node, region->n_groups, x, error) : TF2_OK;
}

/* *x becomes (x - mean) / deviation. */
static enum tf2_status normalize(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct region *region, tf2_tensor_id *x,
    struct tf2_error *error)
{
    const float epsilon = tf2__onnx_attr_float(node, "epsilon", 1e-5f);
    tf2_tensor_id mean = *x, square;
    if (!(epsilon >= 0))
        return tf2__fail(error, TF2_ERR_VALUE, "epsilon is %g, wanted 0 or more", (double)epsilon);
    TF2__TRY(mean_over(onnx, node, region, &mean, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_SUB, *x, mean, x, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, *x, *x, &square, error));
    TF2__TRY(mean_over(onnx, node, region, &square, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 1, epsilon, &square, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_POW, -0.5f, 0, &square, error));
    return tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, *x, square, x, error);
}

/* A constant of these numbers, each of them `repeat` times. */
static enum tf2_status repeated(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, int64_t n, int64_t repeat,
    const struct tf2_shape *shape, tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    char text[128];
    void *data;
    TF2__TRY(tf2__onnx_known_floats(onnx, node, i, &array, error));
    if (array->count != n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input %zu of shape %s, wanted %lld numbers", i,
            tf2_shape_format(&array->shape, text, sizeof(text)), (long long)n);
    TF2__TRY(tf2__onnx_alloc(onnx, n * repeat, sizeof(float), true, &data, error));
    for (int64_t k = 0; k < n * repeat; k++)
        ((float *)data)[k] = ((const float *)array->data)[k / repeat];
    return tf2__onnx_emit_constant(onnx, node, i == 1 ? "scale" : "bias", shape, data, id, error);
}

/* scale and bias, inputs 1 and 2, along dimensions `axis` and on; each number is for `repeat` elements. */
static enum tf2_status scale_shift(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, uint32_t axis, const struct tf2_shape *shape,
    int64_t repeat, tf2_tensor_id *x, struct tf2_error *error)
{
    const struct tf2_scale_attr attr = {.axis = (int32_t)axis};
    const int64_t n = tf2_shape_count(shape) / repeat;
    const size_t n_in = tf2__onnx_in(onnx, node, 2) ? 3 : 2;
    tf2_tensor_id in[3] = {*x};
    for (size_t i = 1; i < n_in; i++)
        TF2__TRY(repeated(onnx, node, i, n, repeat, shape, &in[i], error));
    return tf2__onnx_emit_part(onnx, node, "scaled", TF2_OP_SCALE, &attr, in, n_in, x, error);
}

/* Data of at least `least` dimensions, and at most as many as pools take. */
static enum tf2_status read_data(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, uint32_t least, tf2_tensor_id *x,
    struct tf2_shape *shape, struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_data(onnx, node, 0, x, error));
    *shape = *tf2__onnx_shape(onnx, *x, 0);
    if (shape->n_dims < least || shape->n_dims > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "input of %u dimensions, %u to %d supported", shape->n_dims, least,
            2 + TF2_MAX_SPATIAL);
    return TF2_OK;
}

enum tf2_status tf2__onnx_convert_instance_norm(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_shape shape;
    tf2_tensor_id x;
    TF2__TRY(read_data(onnx, node, 3, &x, &shape, error));
    const struct region region = {.axes = (1u << shape.n_dims) - 1 - 3};
    const struct tf2_shape channels = {.n_dims = 1, .dim = {shape.dim[1]}};
    TF2__TRY(normalize(onnx, node, &region, &x, error));
    TF2__TRY(scale_shift(onnx, node, 1, &channels, 1, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* Before opset 21 there is one scale for each group. */
enum tf2_status tf2__onnx_convert_group_norm(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const int64_t n_groups = tf2__onnx_attr_int(node, "num_groups", 0);
    struct tf2_shape shape;
    tf2_tensor_id x;
    TF2__TRY(read_data(onnx, node, 3, &x, &shape, error));
    if (n_groups < 1 || shape.dim[1] % n_groups)
        return tf2__fail(
            error, TF2_ERR_VALUE, "num_groups is %lld for %lld channels", (long long)n_groups,
            (long long)shape.dim[1]);
    const struct region region = {.axes = (1u << shape.n_dims) - 1 - 3, .n_groups = n_groups};
    const struct tf2_shape channels = {.n_dims = 1, .dim = {shape.dim[1]}};
    TF2__TRY(normalize(onnx, node, &region, &x, error));
    TF2__TRY(
        scale_shift(onnx, node, 1, &channels, onnx->opset < 21 ? shape.dim[1] / n_groups : 1, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* The last dimension becomes dimension 1, or goes back. */
static enum tf2_status turn_last(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, uint32_t n_dims, bool back, tf2_tensor_id *x,
    struct tf2_error *error)
{
    uint32_t perm[TF2_MAX_DIMS] = {0};
    for (uint32_t d = 1; d < n_dims; d++)
        perm[d] = back ? (d + 1 < n_dims ? d + 1 : 1) : (d == 1 ? n_dims - 1 : d - 1);
    return tf2__onnx_part_transpose(onnx, node, perm, n_dims, x, error);
}

enum tf2_status tf2__onnx_convert_layer_norm(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_shape shape, along;
    struct region region = {0};
    uint32_t axis = 0;
    tf2_tensor_id x;
    TF2__TRY(read_data(onnx, node, 2, &x, &shape, error));
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(node, "axis", -1), shape.n_dims, false, &axis, error));
    along = (struct tf2_shape){.n_dims = shape.n_dims - axis};
    memcpy(along.dim, shape.dim + axis, along.n_dims * sizeof(*along.dim));
    const bool turns = axis > 1 && axis + 1 == shape.n_dims;
    if (turns) {
        TF2__TRY(turn_last(onnx, node, shape.n_dims, false, &x, error));
        axis = 1;
    }
    for (uint32_t d = 0; d < along.n_dims; d++)
        region.axes |= 1u << (axis + d);
    TF2__TRY(normalize(onnx, node, &region, &x, error));
    TF2__TRY(scale_shift(onnx, node, axis, &along, 1, &x, error));
    if (turns)
        TF2__TRY(turn_last(onnx, node, shape.n_dims, true, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}
