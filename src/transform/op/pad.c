/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pad.c: more elements (or, with a constant, fewer) before and after each dimension.
 */
#include "transform/op/check.h"
#include "transform/op/pad.h"

/* One dimension: reflection needs begin, end < in (the edge is not repeated), removal at most what there is.
 */
static enum tf2_status
check_dim(const struct tf2_pad_attr *a, uint32_t d, int64_t in, int64_t *out, struct tf2_error *error)
{
    const int64_t begin = a->begin[d], end = a->end[d];
    const int64_t low = a->mode == TF2_PAD_CONSTANT ? -in : 0;
    const int64_t high = a->mode == TF2_PAD_REFLECT ? in - 1 : INT32_MAX;
    if (begin < low || begin > high || end < low || end > high)
        return tf2__fail(
            error, TF2_ERR_VALUE, "padding %lld, %lld of dimension %u (extent %lld), wanted %lld to %lld",
            (long long)begin, (long long)end, d, (long long)in, (long long)low, (long long)high);
    *out = begin + in + end;
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_pad_attr *a = attr;
    (void)n_in;
    if ((unsigned)a->mode > TF2_PAD_EDGE)
        return tf2__fail(error, TF2_ERR_VALUE, "no mode of padding has number %d", (int)a->mode);
    if (a->mode == TF2_PAD_CONSTANT && a->value != a->value)
        return tf2__fail(error, TF2_ERR_VALUE, "the padding's value is not a number");
    TF2__TRY(tf2__check_rank(a->n_dims, in[0], "padding", error));
    *out = *in[0];
    for (uint32_t d = 0; d < a->n_dims; d++)
        TF2__TRY(check_dim(a, d, in[0]->dim[d], &out->dim[d], error));
    return tf2__check_output(out, error);
}

/* Where the input has what belongs at index `i` (output index - begin); -1: nowhere. */
int64_t tf2__pad_source(enum tf2_pad_mode mode, int64_t i, int64_t extent)
{
    if (i >= 0 && i < extent)
        return i;
    switch (mode) {
    case TF2_PAD_CONSTANT:
        return -1;
    case TF2_PAD_REFLECT:
        return i < 0 ? -i : 2 * (extent - 1) - i;
    case TF2_PAD_EDGE:
        return i < 0 ? 0 : extent - 1;
    }
    return -1;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_pad_attr *a = attr;
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        int64_t offset = 0;
        bool inside = true;
        for (uint32_t d = 0; d < a->n_dims && inside; d++) {
            int64_t i = tf2__pad_source(a->mode, walk.index[d] - a->begin[d], in[0].shape.dim[d]);
            inside = i >= 0;
            offset += i * in[0].stride[d];
        }
        *tf2__walk_at(&walk, out) = inside ? ((const float *)in[0].data)[offset] : a->value;
    }
}

const struct tf2__op tf2__op_pad = {
    .id = TF2_OP_PAD,
    .name = "pad",
    .attr_bytes = sizeof(struct tf2_pad_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
};
