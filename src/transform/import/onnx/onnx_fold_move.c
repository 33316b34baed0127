/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_fold_move.c: folding of operators that move numbers and do not change them.
 */
#include "transform/import/onnx/internal.h"

/* out[0] is in[0] under another shape; the data is shared. */
static enum tf2_status
reshaped(struct tf2__onnx_fold *fold, const struct tf2_shape *shape, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    char from[128], to[128];
    if (tf2__onnx_count(shape) != in->count)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%s does not have as many elements as %s",
            tf2_shape_format(&in->shape, from, sizeof(from)), tf2_shape_format(shape, to, sizeof(to)));
    fold->out[0] = *in;
    fold->out[0].shape = *shape;
    fold->out[0].steps = NULL; /* their axis may be gone */
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_identity(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    (void)error;
    fold->out[0] = *fold->in[0];
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_reshape(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    struct tf2_reshape_attr attr;
    struct tf2_shape shape;
    const struct tf2__onnx_array *in = fold->in[0];
    TF2__TRY(tf2__onnx_parse_reshape(fold->node, fold->in[1], &attr, error));
    int64_t known = 1, rest = -1;
    shape.n_dims = attr.n_dims;
    for (uint32_t d = 0; d < attr.n_dims; d++) {
        shape.dim[d] = attr.dim[d];
        if (attr.dim[d] == 0)
            shape.dim[d] = d < in->shape.n_dims ? in->shape.dim[d] : 0;
        if (attr.dim[d] == -1)
            rest = d;
        else if (!tf2__mul_i64(known, shape.dim[d], &known))
            known = 0;
    }
    if (rest >= 0)
        shape.dim[rest] = known ? in->count / known : 0;
    return reshaped(fold, &shape, error);
}

enum tf2_status tf2__onnx_fold_flatten(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    struct tf2_shape shape = {.n_dims = 2, .dim = {1, 1}};
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(fold->node, "axis", 1), in->n_dims, true, &axis, error));
    for (uint32_t d = 0; d < in->n_dims; d++)
        shape.dim[d >= axis] *= in->dim[d];
    return reshaped(fold, &shape, error);
}

enum tf2_status tf2__onnx_fold_squeeze(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    struct tf2__onnx_list axes;
    struct tf2_shape shape = {0};
    uint32_t mask = 0;
    TF2__TRY(tf2__onnx_list(fold->node, "axes", fold->n_in > 1 ? fold->in[1] : NULL, &axes, error));
    TF2__TRY(tf2__onnx_axes(&axes, in->n_dims, &mask, error));
    for (uint32_t d = 0; d < in->n_dims; d++) {
        bool drop = axes.given ? mask >> d & 1 : in->dim[d] == 1;
        if (drop && in->dim[d] != 1)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "axis %u has %lld elements, wanted 1", d, (long long)in->dim[d]);
        if (!drop)
            shape.dim[shape.n_dims++] = in->dim[d];
    }
    return reshaped(fold, &shape, error);
}

enum tf2_status tf2__onnx_fold_unsqueeze(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    struct tf2__onnx_list axes;
    struct tf2_shape shape = {0};
    uint32_t mask = 0, from = 0;
    TF2__TRY(tf2__onnx_list(fold->node, "axes", fold->n_in > 1 ? fold->in[1] : NULL, &axes, error));
    if (in->n_dims + axes.n > TF2_MAX_DIMS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d dimensions", TF2_MAX_DIMS);
    shape.n_dims = in->n_dims + (uint32_t)axes.n;
    TF2__TRY(tf2__onnx_axes(&axes, shape.n_dims, &mask, error));
    for (uint32_t d = 0; d < shape.n_dims; d++)
        shape.dim[d] = mask >> d & 1 ? 1 : in->dim[from++];
    return reshaped(fold, &shape, error);
}

enum tf2_status tf2__onnx_fold_transpose(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    struct tf2__onnx_list perm;
    struct tf2_shape shape = {.n_dims = in->n_dims};
    int64_t strides[TF2_MAX_DIMS], stride[TF2_MAX_DIMS];
    uint32_t mask = 0;
    TF2__TRY(tf2__onnx_attr_list(fold->node, "perm", &perm, error));
    TF2__TRY(tf2__onnx_axes(&perm, in->n_dims, &mask, error));
    if (perm.given && perm.n != in->n_dims)
        return tf2__fail(error, TF2_ERR_SHAPE, "perm has %zu numbers, wanted %u", perm.n, in->n_dims);
    tf2__onnx_strides(in, strides);
    for (uint32_t d = 0; d < in->n_dims; d++) {
        uint32_t from = perm.given ? (uint32_t)perm.v[d] : in->n_dims - 1 - d;
        if (from >= in->n_dims)
            return tf2__fail(error, TF2_ERR_SHAPE, "perm has a negative number");
        shape.dim[d] = in->dim[from];
        stride[d] = strides[from];
    }
    return tf2__onnx_fold_strided(fold, 0, fold->in[0], 0, stride, &shape, error);
}

/* The elements `begin`, `begin + step`, ... up to, not including, `end` of an extent, clamped as ONNX says.
 */
static void clamp_slice(int64_t extent, int64_t *begin, int64_t end, int64_t step, int64_t *count)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    int64_t b = *begin < 0 ? *begin + extent : *begin;
    /* An end that lies before the first element stays there: it does not wrap. */
    int64_t e = end < 0 && end >= -extent ? end + extent : end < 0 ? low : end;
    b = TF2__MIN(TF2__MAX(b, 0), high);
    e = TF2__MIN(TF2__MAX(e, low), high);
    *begin = b;
    if (step > 0)
        *count = e > b ? (e - b - 1) / step + 1 : 0;
    else
        *count = e < b ? (b - e - 1) / -step + 1 : 0;
}

enum tf2_status tf2__onnx_fold_slice(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    const struct tf2__onnx_array *arrays[4] = {0};
    struct tf2_slice_attr slice;
    struct tf2_shape shape = {.n_dims = in->n_dims};
    int64_t stride[TF2_MAX_DIMS], first = 0;
    for (size_t i = 1; i < fold->n_in; i++)
        arrays[i - 1] = fold->in[i];
    TF2__TRY(tf2__onnx_parse_slice(fold->node, arrays, in->n_dims, &slice, error));
    tf2__onnx_strides(in, stride);
    for (uint32_t d = 0; d < in->n_dims; d++) {
        int64_t begin = slice.begin[d], step = slice.step[d] ? slice.step[d] : 1;
        clamp_slice(in->dim[d], &begin, slice.end[d], step, &shape.dim[d]);
        first += shape.dim[d] ? begin * stride[d] : 0;
        stride[d] = shape.dim[d] > 1 ? stride[d] * step : 0;
    }
    return tf2__onnx_fold_strided(fold, 0, fold->in[0], first, stride, &shape, error);
}

enum tf2_status tf2__onnx_fold_split(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0], *sizes = fold->n_in > 1 ? fold->in[1] : NULL;
    int64_t stride[TF2_MAX_DIMS], begin = 0, length = 0;
    uint32_t axis = 0;
    TF2__TRY(
        tf2__onnx_axis(tf2__onnx_attr_int(fold->node, "axis", 0), in->shape.n_dims, false, &axis, error));
    tf2__onnx_strides(&in->shape, stride);
    for (size_t i = 0; i < fold->n_out; i++) {
        struct tf2_shape shape = in->shape;
        TF2__TRY(tf2__onnx_parse_split(
            fold->onnx, fold->node, sizes, in->shape.dim[axis], i, &begin, &length, error));
        shape.dim[axis] = length;
        TF2__TRY(tf2__onnx_fold_strided(fold, i, in, begin * stride[axis], stride, &shape, error));
    }
    return TF2_OK;
}

static enum tf2_status concat_shape(
    const struct tf2__onnx_fold *fold, uint32_t *axis, struct tf2_shape *shape, struct tf2_error *error)
{
    *shape = fold->in[0]->shape;
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(fold->node, "axis", 1), shape->n_dims, false, axis, error));
    for (size_t i = 1; i < fold->n_in; i++) {
        struct tf2_shape other;
        if (!fold->in[i])
            return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
        other = fold->in[i]->shape;
        if (tf2__onnx_is_float(fold->in[i]->type) != tf2__onnx_is_float(fold->in[0]->type))
            return tf2__fail(error, TF2_ERR_FORMAT, "inputs of different types");
        int64_t extent = *axis < other.n_dims ? other.dim[*axis] : 0;
        other.dim[*axis] = shape->dim[*axis];
        if (!tf2_shape_equal(&other, shape) || extent > INT32_MAX - shape->dim[*axis])
            return tf2__fail(error, TF2_ERR_SHAPE, "input %zu does not fit the first one", i);
        shape->dim[*axis] += extent;
    }
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_concat(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    struct tf2_shape shape;
    uint32_t axis = 0;
    void *data;
    TF2__TRY(concat_shape(fold, &axis, &shape, error));
    TF2__TRY(tf2__onnx_fold_out(fold, 0, fold->in[0]->type, &shape, &data, error));
    size_t element = tf2__onnx_is_float(fold->in[0]->type) ? sizeof(float) : sizeof(int64_t);
    int64_t outer = 1, inner = 1, at = 0;
    for (uint32_t d = 0; d < axis; d++)
        outer *= shape.dim[d];
    for (uint32_t d = axis + 1; d < shape.n_dims; d++)
        inner *= shape.dim[d];
    for (int64_t o = 0; o < outer && fold->out[0].count; o++) {
        for (size_t i = 0; i < fold->n_in; i++) {
            int64_t run = fold->in[i]->shape.dim[axis] * inner;
            memcpy(
                (char *)data + (size_t)at * element,
                (const char *)fold->in[i]->data + (size_t)(o * run) * element, (size_t)run * element);
            at += run;
        }
    }
    return TF2_OK;
}

/* The indices take the place of the gathered axis. */
enum tf2_status tf2__onnx_fold_gather(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0], *indices = fold->in[1];
    struct tf2_shape shape = {0};
    int64_t stride[TF2_MAX_DIMS];
    uint32_t axis = 0;
    void *data;
    TF2__TRY(
        tf2__onnx_axis(tf2__onnx_attr_int(fold->node, "axis", 0), in->shape.n_dims, false, &axis, error));
    if (tf2__onnx_is_float(indices->type))
        return tf2__fail(error, TF2_ERR_FORMAT, "the indices are no integers");
    if (in->shape.n_dims - 1 + indices->shape.n_dims > TF2_MAX_DIMS)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d dimensions", TF2_MAX_DIMS);
    tf2__onnx_strides(&in->shape, stride);
    for (uint32_t d = 0; d < axis; d++)
        shape.dim[shape.n_dims++] = in->shape.dim[d];
    for (uint32_t d = 0; d < indices->shape.n_dims; d++)
        shape.dim[shape.n_dims++] = indices->shape.dim[d];
    for (uint32_t d = axis + 1; d < in->shape.n_dims; d++)
        shape.dim[shape.n_dims++] = in->shape.dim[d];
    TF2__TRY(tf2__onnx_fold_out(fold, 0, in->type, &shape, &data, error));
    size_t element = tf2__onnx_is_float(in->type) ? sizeof(float) : sizeof(int64_t);
    int64_t extent = in->shape.dim[axis], inner = stride[axis];
    int64_t outer = fold->out[0].count ? fold->out[0].count / (indices->count * inner) : 0;
    for (int64_t k = 0; k < outer * indices->count; k++) {
        int64_t index = ((const int64_t *)indices->data)[k % indices->count];
        index += index < 0 ? extent : 0;
        if (index < 0 || index >= extent)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "index %lld of %lld elements", (long long)index, (long long)extent);
        int64_t from = (k / indices->count * extent + index) * inner;
        memcpy(
            (char *)data + (size_t)(k * inner) * element, (const char *)in->data + (size_t)from * element,
            (size_t)inner * element);
    }
    return TF2_OK;
}

/* Strides that repeat a shape over a larger one. */
static void broadcast_strides(const struct tf2_shape *in, const struct tf2_shape *out, int64_t *stride)
{
    int64_t own[TF2_MAX_DIMS];
    tf2__onnx_strides(in, own);
    for (uint32_t d = 0; d < out->n_dims; d++) {
        uint32_t missing = out->n_dims - in->n_dims;
        stride[d] = d < missing || in->dim[d - missing] == 1 ? 0 : own[d - missing];
    }
}

enum tf2_status tf2__onnx_fold_expand(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    struct tf2_reshape_attr wanted;
    struct tf2_shape to = {0}, shape;
    int64_t stride[TF2_MAX_DIMS];
    TF2__TRY(tf2__onnx_parse_reshape(NULL, fold->in[1], &wanted, error));
    to.n_dims = wanted.n_dims;
    memcpy(to.dim, wanted.dim, sizeof(to.dim));
    if (!tf2__onnx_broadcast(&fold->in[0]->shape, &to, &shape))
        return tf2__fail(error, TF2_ERR_SHAPE, "the input does not broadcast to the wanted shape");
    broadcast_strides(&fold->in[0]->shape, &shape, stride);
    return tf2__onnx_fold_strided(fold, 0, fold->in[0], 0, stride, &shape, error);
}

enum tf2_status tf2__onnx_fold_tile(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    struct tf2__onnx_list repeats;
    struct tf2_shape shape = in->shape;
    struct tf2__walk walk;
    int64_t stride[TF2_MAX_DIMS], k = 0;
    void *data;
    TF2__TRY(tf2__onnx_list(fold->node, "repeats", fold->in[1], &repeats, error));
    if (repeats.n != in->shape.n_dims)
        return tf2__fail(error, TF2_ERR_SHAPE, "%zu repeats, wanted %u", repeats.n, in->shape.n_dims);
    for (uint32_t d = 0; d < shape.n_dims; d++) {
        if (repeats.v[d] < 0 || !tf2__mul_i64(shape.dim[d], repeats.v[d], &shape.dim[d]))
            return tf2__fail(error, TF2_ERR_VALUE, "%lld repeats", (long long)repeats.v[d]);
    }
    TF2__TRY(tf2__onnx_fold_out(fold, 0, in->type, &shape, &data, error));
    tf2__onnx_strides(&in->shape, stride);
    if (fold->out[0].count == 0)
        return TF2_OK;
    for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        int64_t from = 0;
        for (uint32_t d = 0; d < shape.n_dims; d++)
            from += walk.index[d] % in->shape.dim[d] * stride[d];
        if (tf2__onnx_is_float(in->type))
            ((float *)data)[k] = ((const float *)in->data)[from];
        else
            ((int64_t *)data)[k] = ((const int64_t *)in->data)[from];
    }
    return TF2_OK;
}
