/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_ops_slice.c: parts of a tensor: SLICE, STRIDED_SLICE, SPLIT, SPLIT_V. Bounds are known at import.
 */
#include "transform/import/tflite/tflite.h"

/* Everything. */
static struct tf2_slice_attr whole(uint32_t rank)
{
    struct tf2_slice_attr attr = {.n_dims = rank};
    for (uint32_t d = 0; d < rank; d++) {
        attr.end[d] = INT64_MAX;
        attr.step[d] = 1;
    }
    return attr;
}

/* attr is in the file's order of dimensions. */
static enum tf2_status emit_slice(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t input, uint32_t output,
    const struct tf2_slice_attr *attr, struct tf2_error *error)
{
    const bool first = tf2__lite_is_first(lite, op, input);
    struct tf2_slice_attr turned = *attr;
    tf2_tensor_id in;
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        const uint32_t to = tf2__nhwc_axis(first, attr->n_dims, d);
        turned.begin[to] = attr->begin[d];
        turned.end[to] = attr->end[d];
        turned.step[to] = attr->step[d];
    }
    TF2__TRY(tf2__lite_want(lite, op, input, first, &in, error));
    return tf2__lite_emit(lite, op, output, first, TF2_OP_SLICE, &turned, &in, 1, TF2__LITE_ACT_NONE, error);
}

/* A list with one number for each dimension. */
static enum tf2_status read_list(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, uint32_t rank, const int64_t **list,
    struct tf2_error *error)
{
    int64_t n;
    TF2__TRY(tf2__lite_known(lite, op, i, list, &n, error));
    if (n != rank)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "input %u has %lld numbers, wanted %u", i, (long long)n, rank);
    return TF2_OK;
}

/* begin and size; size -1 takes all that is left. */
enum tf2_status
tf2__lite_convert_slice(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_slice_attr attr = whole(x.n_dims);
    const int64_t *begin, *size;
    TF2__TRY(read_list(lite, op, 1, x.n_dims, &begin, error));
    TF2__TRY(read_list(lite, op, 2, x.n_dims, &size, error));
    for (uint32_t d = 0; d < x.n_dims; d++) {
        if (begin[d] < 0 || begin[d] > x.dim[d] || size[d] < -1 || size[d] > x.dim[d] - begin[d])
            return tf2__fail(
                error, TF2_ERR_SHAPE, "%lld elements from %lld on in dimension %u, which has %lld",
                (long long)size[d], (long long)begin[d], d, (long long)x.dim[d]);
        attr.begin[d] = begin[d];
        /* The whole batch, whatever it will be. */
        const bool all = size[d] == -1 || (d == 0 && begin[d] == 0 && size[d] == x.dim[d]);
        attr.end[d] = all ? INT64_MAX : begin[d] + size[d];
    }
    return emit_slice(lite, op, 0, 0, &attr, error);
}

/* ---- STRIDED_SLICE ---- */

struct masks {
    int32_t begin, end, shrink;
};

static enum tf2_status read_masks(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct masks *masks, struct tf2_error *error)
{
    *masks = (struct masks){
        tf2__fb_i32(&lite->fb, &op->options, 0, 0), tf2__fb_i32(&lite->fb, &op->options, 1, 0),
        tf2__fb_i32(&lite->fb, &op->options, 4, 0)};
    if (tf2__fb_i32(&lite->fb, &op->options, 2, 0) || tf2__fb_i32(&lite->fb, &op->options, 3, 0) ||
        tf2__fb_u8(&lite->fb, &op->options, 5, 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "an ellipsis, new axes or ends as offsets");
    return TF2_OK;
}

enum tf2_status tf2__lite_convert_strided_slice(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    struct tf2_slice_attr attr = whole(x.n_dims);
    struct tf2_axes_attr squeezed = {0};
    struct masks masks;
    const int64_t *list[3];
    TF2__TRY(read_masks(lite, op, &masks, error));
    for (uint32_t i = 0; i < 3; i++)
        TF2__TRY(read_list(lite, op, 1 + i, x.n_dims, &list[i], error));
    for (uint32_t d = 0; d < x.n_dims; d++) {
        const int64_t step = list[2][d];
        if (step == 0)
            return tf2__fail(error, TF2_ERR_VALUE, "step 0 in dimension %u", d);
        attr.step[d] = step;
        attr.begin[d] = masks.begin >> d & 1 ? (step > 0 ? 0 : INT64_MAX) : list[0][d];
        attr.end[d] = masks.end >> d & 1 ? (step > 0 ? INT64_MAX : INT64_MIN) : list[1][d];
        if (d == 0 && step == 1 && attr.begin[0] == 0 && attr.end[0] == x.dim[0])
            attr.end[0] = INT64_MAX; /* the whole batch */
        if (masks.shrink >> d & 1) {
            attr.begin[d] = list[0][d];
            attr.end[d] = list[0][d] == -1 ? INT64_MAX : list[0][d] + 1;
            attr.step[d] = 1;
            squeezed.axes |= 1u << d;
        }
    }
    if (!squeezed.axes)
        return emit_slice(lite, op, 0, 0, &attr, error);
    tf2_tensor_id id;
    TF2__TRY(tf2__lite_want(lite, op, 0, false, &id, error));
    TF2__TRY(tf2__lite_part(lite, op, "slice", TF2_OP_SLICE, &attr, &id, 1, &id, error));
    return tf2__lite_emit(lite, op, 0, false, TF2_OP_SQUEEZE, &squeezed, &id, 1, TF2__LITE_ACT_NONE, error);
}

/* ---- SPLIT ---- */

static enum tf2_status read_axis(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, uint32_t rank, uint32_t *axis,
    struct tf2_error *error)
{
    const int64_t *known;
    int64_t n;
    TF2__TRY(tf2__lite_known(lite, op, i, &known, &n, error));
    if (n != 1)
        return tf2__fail(error, TF2_ERR_FORMAT, "%lld axes, wanted one", (long long)n);
    return tf2__lite_axis(*known, rank, axis, error);
}

/* Output i: `length` elements from *begin on, which moves behind them. */
static enum tf2_status emit_section(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t input, uint32_t output, uint32_t axis,
    int64_t length, int64_t *begin, struct tf2_error *error)
{
    struct tf2_slice_attr attr = whole(tf2__lite_shape(lite, tf2__lite_in(lite, op, input)).n_dims);
    attr.begin[axis] = *begin;
    attr.end[axis] = *begin += length;
    if (!tf2__lite_out(lite, op, output)->n_uses)
        return TF2_OK;
    return emit_slice(lite, op, input, output, &attr, error);
}

enum tf2_status
tf2__lite_convert_split(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 1));
    uint32_t axis;
    int64_t begin = 0;
    TF2__TRY(read_axis(lite, op, 0, x.n_dims, &axis, error));
    if (x.dim[axis] % op->out.n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "an extent of %lld in %u equal parts", (long long)x.dim[axis], op->out.n);
    for (uint32_t i = 0; i < op->out.n; i++)
        TF2__TRY(emit_section(lite, op, 1, i, axis, x.dim[axis] / op->out.n, &begin, error));
    return TF2_OK;
}

/* One size may be -1: what is left. */
enum tf2_status
tf2__lite_convert_split_v(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    const struct tf2_shape x = tf2__lite_shape(lite, tf2__lite_in(lite, op, 0));
    uint32_t axis, n_open = 0;
    int64_t begin = 0, sum = 0;
    const int64_t *sizes;
    TF2__TRY(read_axis(lite, op, 2, x.n_dims, &axis, error));
    TF2__TRY(read_list(lite, op, 1, op->out.n, &sizes, error));
    for (uint32_t i = 0; i < op->out.n; i++) {
        n_open += sizes[i] == -1;
        if (sizes[i] < -1 || sizes[i] > x.dim[axis])
            return tf2__fail(error, TF2_ERR_VALUE, "a part of %lld elements", (long long)sizes[i]);
        sum += sizes[i] == -1 ? 0 : sizes[i];
    }
    if (n_open > 1 || sum > x.dim[axis] || (n_open == 0 && sum != x.dim[axis]))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "parts of %lld elements and %u open ones of an extent of %lld",
            (long long)sum, n_open, (long long)x.dim[axis]);
    for (uint32_t i = 0; i < op->out.n; i++) {
        const int64_t length = sizes[i] == -1 ? x.dim[axis] - sum : sizes[i];
        TF2__TRY(emit_section(lite, op, 0, i, axis, length, &begin, error));
    }
    return TF2_OK;
}
