/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_ops_shape.c: fully connected layers, and operators that arrange elements anew: reshapes, transposes,
 * concatenation, padding, resizing.
 *
 * Shapes in a file are numbers, the batch among them. Where a reshape keeps the first extent it is written as "the
 * input's", so that the network works for other batches too.
 */
#include "transform/import/tflite/tflite.h"

/* ---- fully connected ---- */

/*
 * The filter [O, K], for an input that is a map with the channels first: its columns follow the map's order, and the
 * input needs no transpose.
 */
static enum tf2_status want_filter(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const struct tf2_shape *x, bool first,
    tf2_tensor_id *id, struct tf2_error *error)
{
    const int64_t n_out = tf2__lite_in(lite, op, 1)->shape.dim[0];
    struct tf2_shape view = *x;
    uint32_t perm[TF2_MAX_DIMS];
    if (!first)
        return tf2__lite_constant(lite, op, 1, NULL, NULL, id, error);
    view.dim[0] = n_out;
    for (uint32_t d = 0; d < x->n_dims; d++)
        perm[tf2__nhwc_axis(true, x->n_dims, d)] = d;
    return tf2__lite_constant(lite, op, 1, &view, perm, id, error);
}

/* The weights of a map are [O, C, H, W], the product wants [O, K]: the same data. */
static void flatten_filter(struct tf2_graph *graph, tf2_tensor_id id)
{
    struct tf2_shape *shape = &graph->tensors[id].shape;
    for (; shape->n_dims > 2; shape->n_dims--)
        shape->dim[1] *= shape->dim[shape->n_dims - 1];
    for (uint32_t d = 2; d < TF2_MAX_DIMS; d++)
        shape->dim[d] = 0;
}

enum tf2_status tf2__lite_convert_fully_connected(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    const struct tf2_shape w = tf2__lite_in(lite, op, 1)->shape;
    const bool keeps = tf2__fb_u8(&lite->fb, &op->options, 2, 0);
    const size_t n_in = tf2__lite_in(lite, op, 2) ? 3 : 2;
    struct tf2_gemm_attr attr = {.axis = -1};
    const struct tf2_axis_attr flatten = {.axis = 1};
    tf2_tensor_id in[3];
    if (tf2__fb_u8(&lite->fb, &op->options, 1, 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "weights in a shuffled order");
    if (w.n_dims != 2 || x.n_dims == 0 || w.dim[1] < 1)
        return tf2__fail(error, TF2_ERR_SHAPE, "weights of %u dimensions, wanted 2", w.n_dims);
    const int64_t per_item = tf2_shape_count(&x) / x.dim[0];
    const bool whole = x.n_dims > 2 && per_item == w.dim[1], first = whole && tf2__lite_is_first(lite, op, 0);
    if (!whole && x.dim[x.n_dims - 1] != w.dim[1])
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld numbers for each item, the weights are for %lld", (long long)per_item,
            (long long)w.dim[1]);
    if (x.n_dims > 2 && !whole && !keeps)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of an input whose dimensions are joined in part");
    TF2__TRY(tf2__lite_want(lite, op, 0, first, &in[0], error));
    TF2__TRY(want_filter(lite, op, &x, first, &in[1], error));
    flatten_filter(lite->graph, in[1]);
    if (n_in == 3)
        TF2__TRY(tf2__lite_want(lite, op, 2, false, &in[2], error));
    if (whole && !keeps)
        TF2__TRY(tf2__lite_part(lite, op, "flat", TF2_OP_FLATTEN, &flatten, in, 1, in, error));
    const uint8_t activation = tf2__fb_u8(&lite->fb, &op->options, 0, 0);
    return tf2__lite_emit(lite, op, 0, false, TF2_OP_GEMM, &attr, in, n_in, activation, error);
}

/* ---- reshapes ---- */

/* One input in the file's order, one output in it. */
static enum tf2_status move_plain(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum tf2_op id, const void *attr,
    struct tf2_error *error)
{
    tf2_tensor_id in;
    TF2__TRY(tf2__lite_want(lite, op, 0, false, &in, error));
    return tf2__lite_emit(lite, op, 0, false, id, attr, &in, 1, TF2__LITE_ACT_NONE, error);
}

/* The wanted extents: an input, or, in old files, the options. */
static enum tf2_status read_new_shape(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_reshape_attr *attr,
    struct tf2_error *error)
{
    const struct tf2__fb_vector stored = tf2__fb_vector(&lite->fb, &op->options, 0, sizeof(int32_t));
    const int64_t *known;
    int64_t n;
    TF2__TRY(tf2__lite_known(lite, op, 1, &known, &n, error));
    if (!known)
        n = stored.n;
    if (n > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "to %lld dimensions, at most %d supported", (long long)n,
            TF2_MAX_DIMS);
    attr->n_dims = (uint32_t)n;
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        attr->dim[d] = known ? known[d] : tf2__fb_i32_at(&lite->fb, &stored, d);
        if (attr->dim[d] == 0 || attr->dim[d] < -1)
            return tf2__fail(
                error, TF2_ERR_VALUE, "extent %lld, wanted 1 or more, or -1", (long long)attr->dim[d]);
    }
    return TF2_OK;
}

enum tf2_status
tf2__lite_convert_reshape(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_reshape_attr attr = {0};
    TF2__TRY(read_new_shape(lite, op, &attr, error));
    if (attr.n_dims && x.n_dims && attr.dim[0] == x.dim[0])
        attr.dim[0] = 0;
    return move_plain(lite, op, TF2_OP_RESHAPE, &attr, error);
}

enum tf2_status
tf2__lite_convert_squeeze(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    const struct tf2__fb_vector dims = tf2__fb_vector(&lite->fb, &op->options, 0, sizeof(int32_t));
    struct tf2_axes_attr attr = {0};
    uint32_t axis;
    for (uint32_t i = 0; i < TF2__MIN(dims.n, 2 * TF2_MAX_DIMS); i++) {
        TF2__TRY(tf2__lite_axis(tf2__fb_i32_at(&lite->fb, &dims, i), x.n_dims, &axis, error));
        attr.axes |= 1u << axis;
    }
    if (dims.n == 0)
        attr.axes = tf2__shape_ones(&x);
    if (attr.axes == 0) {
        const struct tf2_reshape_attr same = {.n_dims = x.n_dims};
        return move_plain(lite, op, TF2_OP_RESHAPE, &same, error);
    }
    return move_plain(lite, op, TF2_OP_SQUEEZE, &attr, error);
}

enum tf2_status
tf2__lite_convert_expand_dims(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_axes_attr attr = {0};
    const int64_t *axis;
    int64_t n;
    uint32_t resolved;
    TF2__TRY(tf2__lite_known(lite, op, 1, &axis, &n, error));
    if (n != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "%lld axes, wanted one", (long long)n);
    TF2__TRY(tf2__lite_axis(*axis, x.n_dims + 1, &resolved, error));
    attr.axes = 1u << resolved;
    return move_plain(lite, op, TF2_OP_UNSQUEEZE, &attr, error);
}

enum tf2_status
tf2__lite_convert_transpose(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_transpose_attr attr = {.n_dims = x.n_dims};
    const int64_t *perm;
    int64_t n;
    TF2__TRY(tf2__lite_known(lite, op, 1, &perm, &n, error));
    if (n != x.n_dims)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%lld dimensions listed, the input has %u", (long long)n, x.n_dims);
    for (uint32_t d = 0; d < x.n_dims; d++)
        TF2__TRY(tf2__lite_axis(perm[d], x.n_dims, &attr.perm[d], error));
    return move_plain(lite, op, TF2_OP_TRANSPOSE, &attr, error);
}

/* ---- concatenation ---- */

enum tf2_status
tf2__lite_convert_concat(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    struct tf2_axis_attr attr;
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    bool first = false;
    uint32_t axis;
    if (op->in.n > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%u inputs, at most %d supported", op->in.n, TF2_MAX_NODE_INPUTS);
    for (uint32_t i = 0; i < op->in.n; i++) {
        if (!tf2__lite_in(lite, op, i))
            return tf2__fail(error, TF2_ERR_FORMAT, "input %u is left out", i);
        first |= tf2__lite_is_first(lite, op, i);
    }
    const uint32_t rank = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0)).n_dims;
    TF2__TRY(tf2__lite_axis(tf2__fb_i32(&lite->fb, &op->options, 0, 0), rank, &axis, error));
    attr.axis = (int32_t)tf2__nhwc_axis(first, rank, axis);
    for (uint32_t i = 0; i < op->in.n; i++)
        TF2__TRY(tf2__lite_want(lite, op, i, first, &in[i], error));
    const uint8_t activation = tf2__fb_u8(&lite->fb, &op->options, 1, 0);
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_CONCAT, &attr, in, op->in.n, activation, error);
}

/* ---- padding ---- */

/* What is added at both ends of each dimension: [rank, 2]. */
static enum tf2_status read_paddings(
    struct tf2__lite *lite, const struct tf2__lite_op *op, bool first, struct tf2_pad_attr *attr,
    struct tf2_error *error)
{
    const int64_t *pads;
    int64_t n;
    attr->n_dims = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0)).n_dims;
    TF2__TRY(tf2__lite_known(lite, op, 1, &pads, &n, error));
    if (n != 2 * (int64_t)attr->n_dims)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%lld paddings for %u dimensions, wanted two for each", (long long)n,
            attr->n_dims);
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        const uint32_t to = tf2__nhwc_axis(first, attr->n_dims, d);
        attr->begin[to] = pads[2 * d];
        attr->end[to] = pads[2 * d + 1];
        if (pads[2 * d] < 0 || pads[2 * d + 1] < 0 || pads[2 * d] > INT32_MAX || pads[2 * d + 1] > INT32_MAX)
            return tf2__fail(
                error, TF2_ERR_VALUE, "padding of %lld and %lld, wanted 0 or more", (long long)pads[2 * d],
                (long long)pads[2 * d + 1]);
    }
    return TF2_OK;
}

static enum tf2_status convert_pad(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_pad_attr *attr, struct tf2_error *error)
{
    const bool first = tf2__lite_is_first(lite, op, 0);
    tf2_tensor_id in;
    TF2__TRY(read_paddings(lite, op, first, attr, error));
    for (uint32_t d = 0; attr->mode == TF2_PAD_EDGE && d < attr->n_dims; d++) {
        if (attr->begin[d] > 1 || attr->end[d] > 1)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "mode SYMMETRIC by more than one element");
    }
    TF2__TRY(tf2__lite_want(lite, op, 0, first, &in, error));
    return tf2__lite_emit(lite, op, 0, first, TF2_OP_PAD, attr, &in, 1, TF2__LITE_ACT_NONE, error);
}

/* PAD and PADV2, whose third input is the value. PAD adds zeros. */
enum tf2_status
tf2__lite_convert_pad(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    struct tf2_pad_attr attr = {.mode = TF2_PAD_CONSTANT};
    tf2_tensor_id value;
    if (tf2__lite_in(lite, op, 2)) {
        TF2__TRY(tf2__lite_constant(lite, op, 2, NULL, NULL, &value, error));
        const struct tf2__tensor *tensor = &lite->graph->tensors[value];
        if (tf2_shape_count(&tensor->shape) != 1)
            return tf2__fail(error, TF2_ERR_FORMAT, "more than one value to pad with");
        attr.value = *(const float *)tensor->data;
    }
    return convert_pad(lite, op, &attr, error);
}

/* SYMMETRIC repeats the edge; by one element that is all it does. */
enum tf2_status
tf2__lite_convert_mirror_pad(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const uint8_t mode = tf2__fb_u8(&lite->fb, &op->options, 0, 0);
    struct tf2_pad_attr attr = {.mode = mode ? TF2_PAD_EDGE : TF2_PAD_REFLECT};
    if (mode > 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "mode number %u", mode);
    return convert_pad(lite, op, &attr, error);
}

/* ---- resizing ---- */

static enum tf2_status convert_resize(
    struct tf2__lite *lite, const struct tf2__lite_op *op, enum tf2_resize_mode mode, bool align_corners,
    bool half_pixel, struct tf2_error *error)
{
    const bool nearest = mode == TF2_RESIZE_NEAREST;
    struct tf2_resize_attr attr = {
        .mode = mode,
        .coordinates = TF2_RESIZE_ASYMMETRIC,
        .nearest = align_corners ? TF2_RESIZE_ROUND_PREFER_CEIL : TF2_RESIZE_FLOOR};
    const int64_t *size;
    int64_t n;
    tf2_tensor_id in;
    if (align_corners && half_pixel)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "corners aligned and pixels by their centers");
    if (align_corners)
        attr.coordinates = TF2_RESIZE_ALIGN_CORNERS;
    if (half_pixel)
        attr.coordinates = nearest ? TF2_RESIZE_TF_HALF_PIXEL : TF2_RESIZE_HALF_PIXEL;
    TF2__TRY(tf2__lite_known(lite, op, 1, &size, &n, error));
    if (n != 2 || size[0] < 1 || size[1] < 1)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%lld extents, wanted height and width of 1 or more", (long long)n);
    attr.size[0] = size[0];
    attr.size[1] = size[1];
    TF2__TRY(tf2__lite_want(lite, op, 0, true, &in, error));
    if (lite->graph->tensors[in].shape.n_dims != 4)
        return tf2__fail(error, TF2_ERR_SHAPE, "of a tensor of other than 4 dimensions");
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_RESIZE, &attr, &in, 1, TF2__LITE_ACT_NONE, error);
}

enum tf2_status tf2__lite_convert_resize_bilinear(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    return convert_resize(
        lite, op, TF2_RESIZE_LINEAR, tf2__fb_u8(&lite->fb, &op->options, 2, 0),
        tf2__fb_u8(&lite->fb, &op->options, 3, 0), error);
}

enum tf2_status tf2__lite_convert_resize_nearest(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    return convert_resize(
        lite, op, TF2_RESIZE_NEAREST, tf2__fb_u8(&lite->fb, &op->options, 0, 0),
        tf2__fb_u8(&lite->fb, &op->options, 1, 0), error);
}

/* ---- what exists on known integers only ---- */

enum tf2_status
tf2__lite_convert_shape_only(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    (void)lite;
    (void)op;
    return tf2__fail(
        error, TF2_ERR_UNSUPPORTED,
        "only supported on constants and on what is computed from shapes, an input is data");
}
