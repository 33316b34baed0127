/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caffe_shape.c: layers that move elements without computing: Concat, Slice, Split, Flatten, Reshape,
 * Permute, Crop.
 *
 * Extents that are copied from the input stay copied (0 in a Reshape), so that the network can run with
 * another batch.
 */
#include "transform/import/caffe/caffe.h"

#include <stdio.h>

/* The axis of Concat and Slice: `axis`, or an old unsigned one that must not be given beside. */
static enum tf2_status pick_axis(
    int32_t axis, bool has_axis, uint32_t old_axis, bool has_old, uint32_t rank, uint32_t *picked,
    struct tf2_error *error)
{
    if (has_axis && has_old)
        return tf2__fail(
            error, TF2_ERR_VALUE, "the axis is given both as axis and as the old concat_dim or slice_dim");
    if (has_old && old_axis >= rank)
        return tf2__fail(error, TF2_ERR_VALUE, "axis %u of a blob of %u dimensions", old_axis, rank);
    return tf2__caffe_axis(has_old ? (int32_t)old_axis : axis, rank, picked, error);
}

enum tf2_status
tf2__caffe_concat(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ConcatParameter, TF2__CAFFE__CONCAT_PARAMETER__INIT, concat_param);
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    uint32_t rank = tf2__caffe_in_shape(caffe, layer, 0)->n_dims, axis = 0;
    TF2__TRY(pick_axis(p->axis, p->has_axis, p->concat_dim, p->has_concat_dim, rank, &axis, error));
    TF2__TRY(tf2__caffe_bottoms(caffe, layer, in, error));
    const struct tf2_axis_attr attr = {.axis = (int32_t)axis};
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_CONCAT, &attr, in, layer->param->n_bottom, error);
}

/* A slice that takes everything. */
static struct tf2_slice_attr slice_all(uint32_t rank)
{
    struct tf2_slice_attr attr = {.n_dims = rank};
    for (uint32_t d = 0; d < rank; d++)
        attr.end[d] = INT64_MAX;
    return attr;
}

/* Where part i of the bottom ends along the axis. */
static enum tf2_status slice_end(
    const Tf2__Caffe__SliceParameter *p, size_t i, size_t n_tops, int64_t extent, int64_t begin, int64_t *end,
    struct tf2_error *error)
{
    *end = i + 1 == n_tops ? extent : 0;
    if (p->n_slice_point && p->n_slice_point != n_tops - 1)
        return tf2__fail(error, TF2_ERR_VALUE, "%zu slice points for %zu tops", p->n_slice_point, n_tops);
    if (!p->n_slice_point && extent % (int64_t)n_tops)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "an extent of %lld is not cut into %zu equal parts", (long long)extent,
            n_tops);
    if (i + 1 < n_tops)
        *end = p->n_slice_point ? p->slice_point[i] : begin + extent / (int64_t)n_tops;
    if (*end <= begin || *end > extent)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "part %zu is %lld to %lld of an extent of %lld", i, (long long)begin,
            (long long)*end, (long long)extent);
    return TF2_OK;
}

enum tf2_status
tf2__caffe_slice(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__SliceParameter, TF2__CAFFE__SLICE_PARAMETER__INIT, slice_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    int64_t begin = 0;
    uint32_t axis = 0;
    TF2__TRY(pick_axis(p->axis, p->has_axis, p->slice_dim, p->has_slice_dim, x.n_dims, &axis, error));
    for (size_t i = 0; i < layer->param->n_top; i++) {
        struct tf2_slice_attr attr = slice_all(x.n_dims);
        tf2_tensor_id part = TF2_NO_TENSOR;
        char name[32];
        attr.begin[axis] = begin;
        TF2__TRY(slice_end(p, i, layer->param->n_top, x.dim[axis], begin, &attr.end[axis], error));
        snprintf(name, sizeof(name), "%zu", i);
        TF2__TRY(tf2__caffe_node(caffe, layer, name, TF2_OP_SLICE, &attr, &in, 1, &part, error));
        tf2__caffe_set_top(caffe, layer, (uint32_t)i, part);
        begin = attr.end[axis];
    }
    return TF2_OK;
}

/* Tops of a Split are the bottom itself: a graph's tensor may have many readers. */
enum tf2_status
tf2__caffe_split(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    (void)error;
    for (uint32_t i = 0; i < layer->param->n_top; i++)
        tf2__caffe_set_top(caffe, layer, i, tf2__caffe_in(caffe, layer, 0));
    return TF2_OK;
}

static enum tf2_status add_dim(struct tf2_reshape_attr *attr, int64_t dim, struct tf2_error *error)
{
    if (attr->n_dims == TF2_MAX_DIMS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d dimensions", TF2_MAX_DIMS);
    attr->dim[attr->n_dims++] = dim;
    return TF2_OK;
}

enum tf2_status
tf2__caffe_flatten(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__FlattenParameter, TF2__CAFFE__FLATTEN_PARAMETER__INIT, flatten_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    struct tf2_reshape_attr attr = {0};
    uint32_t first = 0, last = 0;
    TF2__TRY(tf2__caffe_axis(p->axis, x.n_dims, &first, error));
    TF2__TRY(tf2__caffe_axis(p->end_axis, x.n_dims, &last, error));
    if (last < first)
        return tf2__fail(error, TF2_ERR_VALUE, "axis %d lies behind end_axis %d", p->axis, p->end_axis);
    if (first == 1 && last + 1 == x.n_dims) {
        const struct tf2_axis_attr axis = {.axis = 1};
        return tf2__caffe_whole_node(caffe, layer, TF2_OP_FLATTEN, &axis, &in, 1, error);
    }
    for (uint32_t d = 0; d < first; d++)
        TF2__TRY(add_dim(&attr, 0, error));
    TF2__TRY(add_dim(&attr, -1, error));
    for (uint32_t d = last + 1; d < x.n_dims; d++)
        TF2__TRY(add_dim(&attr, x.dim[d], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_RESHAPE, &attr, &in, 1, error);
}

/* The axes [*first, *end) that a Reshape replaces. A negative axis may point behind the last one. */
static enum tf2_status reshape_axes(
    const Tf2__Caffe__ReshapeParameter *p, uint32_t rank, uint32_t *first, uint32_t *end,
    struct tf2_error *error)
{
    int64_t start = p->axis < 0 ? (int64_t)rank + p->axis + 1 : p->axis;
    int64_t stop = p->num_axes < 0 ? rank : start + p->num_axes;
    if (start < 0 || start > rank || stop > rank || p->num_axes < -1)
        return tf2__fail(
            error, TF2_ERR_VALUE, "axis %d with num_axes %d of a blob of %u dimensions", p->axis, p->num_axes,
            rank);
    *first = (uint32_t)start;
    *end = (uint32_t)stop;
    return TF2_OK;
}

enum tf2_status
tf2__caffe_reshape(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__ReshapeParameter, TF2__CAFFE__RESHAPE_PARAMETER__INIT, reshape_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    struct tf2_reshape_attr attr = {0};
    uint32_t first = 0, end = 0;
    TF2__TRY(reshape_axes(p, x.n_dims, &first, &end, error));
    for (uint32_t d = 0; d < first; d++)
        TF2__TRY(add_dim(&attr, 0, error));
    for (size_t i = 0; p->shape && i < p->shape->n_dim; i++) {
        int64_t dim = p->shape->dim[i];
        /* The file's own batch, written out, means the batch: a first extent that stays keeps images apart.
         */
        bool is_batch = attr.n_dims == 0 && (dim == x.dim[0] || dim == caffe->file_batch);
        if (dim == 0 && attr.n_dims >= x.n_dims)
            return tf2__fail(
                error, TF2_ERR_VALUE, "extent %zu of 0 copies a dimension that the bottom lacks", i);
        TF2__TRY(add_dim(&attr, is_batch ? 0 : dim, error));
    }
    for (uint32_t d = end; d < x.n_dims; d++)
        TF2__TRY(add_dim(&attr, x.dim[d], error));
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_RESHAPE, &attr, &in, 1, error);
}

/* Axes that `order` leaves out follow in their own order. */
enum tf2_status
tf2__caffe_permute(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__PermuteParameter, TF2__CAFFE__PERMUTE_PARAMETER__INIT, permute_param);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    uint32_t rank = tf2__caffe_in_shape(caffe, layer, 0)->n_dims, used = 0;
    struct tf2_transpose_attr attr = {0};
    for (size_t i = 0; i < p->n_order; i++) {
        if (p->order[i] >= rank || (used >> p->order[i] & 1))
            return tf2__fail(
                error, TF2_ERR_VALUE, "order %u of a blob of %u dimensions, wanted each once", p->order[i],
                rank);
        used |= 1u << p->order[i];
        attr.perm[attr.n_dims++] = p->order[i];
    }
    for (uint32_t d = 0; d < rank; d++) {
        if (!(used >> d & 1))
            attr.perm[attr.n_dims++] = d;
    }
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_TRANSPOSE, &attr, &in, 1, error);
}

/* Bottom 0 cut to the extents of bottom 1 from `axis` on. */
enum tf2_status
tf2__caffe_crop(struct tf2__caffe *caffe, const struct tf2__caffe_layer *layer, struct tf2_error *error)
{
    TF2__CAFFE_PARAM(p, Tf2__Caffe__CropParameter, TF2__CAFFE__CROP_PARAMETER__INIT, crop_param);
    const struct tf2_shape x = *tf2__caffe_in_shape(caffe, layer, 0);
    const struct tf2_shape size = *tf2__caffe_in_shape(caffe, layer, 1);
    const tf2_tensor_id in = tf2__caffe_in(caffe, layer, 0);
    struct tf2_slice_attr attr = slice_all(x.n_dims);
    uint32_t axis = 0;
    TF2__TRY(tf2__caffe_axis(p->axis, x.n_dims, &axis, error));
    if (size.n_dims != x.n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "bottoms of %u and %u dimensions, wanted the same", x.n_dims, size.n_dims);
    if (p->n_offset > 1 && p->n_offset != x.n_dims - axis)
        return tf2__fail(error, TF2_ERR_VALUE, "%zu offsets for %u dimensions", p->n_offset, x.n_dims - axis);
    for (uint32_t d = axis; d < x.n_dims; d++) {
        int64_t offset = p->n_offset ? p->offset[p->n_offset == 1 ? 0 : d - axis] : 0;
        attr.begin[d] = offset;
        attr.end[d] = offset + size.dim[d];
        if (attr.end[d] > x.dim[d])
            return tf2__fail(
                error, TF2_ERR_SHAPE,
                "offset %lld and extent %lld reach over the bottom's %lld in dimension %u", (long long)offset,
                (long long)size.dim[d], (long long)x.dim[d], d);
    }
    return tf2__caffe_whole_node(caffe, layer, TF2_OP_SLICE, &attr, &in, 1, error);
}
