/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice.c: every step-th element between two bounds, in each dimension. Bounds are clamped as ONNX's Slice
 * says: with a negative step, begin to 0 .. extent - 1 and end to -1 .. extent - 1.
 */
#include "transform/op/int8.h"

/* One dimension's bounds in plain numbers: elements begin, begin + step, ... (count of them, 0 when empty).
 */
struct range {
    int64_t begin, step, count;
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return TF2__MIN(TF2__MAX(value, low), high);
}

static struct range resolve(const struct tf2_slice_attr *a, uint32_t d, int64_t extent)
{
    struct range range;
    int64_t begin = a->begin[d] < 0 ? a->begin[d] + extent : a->begin[d];
    int64_t end = a->end[d] < 0 ? a->end[d] + extent : a->end[d];
    /* A longer step than the extent takes one element as well. */
    range.step = clamp(a->step[d] ? a->step[d] : 1, -extent, extent);
    if (range.step > 0) {
        range.begin = clamp(begin, 0, extent);
        end = clamp(end, 0, extent);
        range.count = tf2__ceil_div(end - range.begin, range.step);
    } else {
        range.begin = clamp(begin, 0, extent - 1);
        end = clamp(end, -1, extent - 1);
        range.count = tf2__ceil_div(range.begin - end, -range.step);
    }
    range.count = TF2__MAX(range.count, 0);
    return range;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_slice_attr *a = attr;
    (void)n_in;
    TF2__TRY(tf2__check_rank(a->n_dims, in[0], "slice", error));
    *out = *in[0];
    for (uint32_t d = 0; d < a->n_dims; d++) {
        out->dim[d] = resolve(a, d, in[0]->dim[d]).count;
        if (out->dim[d] == 0)
            return tf2__fail(
                error, TF2_ERR_SHAPE,
                "nothing is left of dimension %u: from %lld to %lld by %lld, extent %lld", d,
                (long long)a->begin[d], (long long)a->end[d], (long long)a->step[d],
                (long long)in[0]->dim[d]);
    }
    return TF2_OK;
}

/* What is left of the input. */
static struct tf2__view cut(const struct tf2_slice_attr *a, const struct tf2__view *in)
{
    struct tf2__view part = *in;
    int64_t offset = 0;
    for (uint32_t d = 0; d < a->n_dims; d++) {
        struct range range = resolve(a, d, in->shape.dim[d]);
        offset += range.begin * in->stride[d];
        part.stride[d] = range.step * in->stride[d];
        part.shape.dim[d] = range.count;
    }
    part.data = (char *)in->data + offset * (int64_t)tf2_dtype_size_bytes(in->dtype);
    return part;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    struct tf2__view part = cut(attr, &in[0]);
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, out) = *tf2__walk_at(&walk, &part);
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__view part = cut(attr, &in[0]);
    uint8_t table[256];
    (void)n_in;
    tf2__int8_table(&in[0].quant, &out->quant, activation, table);
    tf2__int8_map(&part, table, out);
}

static const struct tf2__op_int8 int8_form = {.check = tf2__int8_check_move, .eval = int8_eval};

const struct tf2__op tf2__op_slice = {
    .id = TF2_OP_SLICE,
    .name = "slice",
    .attr_bytes = sizeof(struct tf2_slice_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
