/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eltwise.c: sum, product, maximum and so on of two or more tensors, broadcast as in NumPy.
 */
#include "transform/op/check.h"

/* Widens *out by one more input. */
static enum tf2_status
broadcast(struct tf2_shape *out, const struct tf2_shape *in, uint32_t number, struct tf2_error *error)
{
    char text[TF2__SHAPE_TEXT], out_text[TF2__SHAPE_TEXT];
    struct tf2_shape wide = out->n_dims >= in->n_dims ? *out : *in;
    const struct tf2_shape *narrow = out->n_dims >= in->n_dims ? in : out;
    const uint32_t missing = wide.n_dims - narrow->n_dims;
    for (uint32_t d = 0; d < narrow->n_dims; d++) {
        int64_t *extent = &wide.dim[missing + d];
        if (*extent == 1)
            *extent = narrow->dim[d];
        else if (narrow->dim[d] != 1 && narrow->dim[d] != *extent)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "input %u of shape %s does not broadcast with %s", number,
                tf2_shape_format(in, text, sizeof(text)), tf2_shape_format(out, out_text, sizeof(out_text)));
    }
    *out = wide;
    return TF2_OK;
}

static enum tf2_status check_attr(const struct tf2_eltwise_attr *a, uint32_t n_in, struct tf2_error *error)
{
    if ((unsigned)a->kind > TF2_ELTWISE_DIV)
        return tf2__fail(error, TF2_ERR_VALUE, "no kind of eltwise has number %d", (int)a->kind);
    if ((a->kind == TF2_ELTWISE_SUB || a->kind == TF2_ELTWISE_DIV) && n_in != 2)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s of %u inputs, wanted 2",
            a->kind == TF2_ELTWISE_SUB ? "difference" : "quotient", n_in);
    if (a->has_coefficients && a->kind != TF2_ELTWISE_SUM)
        return tf2__fail(
            error, TF2_ERR_VALUE, "coefficients with kind %d, wanted a sum (kind %d)", (int)a->kind,
            (int)TF2_ELTWISE_SUM);
    for (uint32_t i = 0; a->has_coefficients && i < n_in; i++)
        TF2__TRY(tf2__check_finite(a->coefficient[i], "coefficient", error));
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    if (n_in < 2 || n_in > TF2_ELTWISE_MAX_INPUTS)
        return tf2__fail(
            error, TF2_ERR_GRAPH, "%u inputs, eltwise takes 2 to %d", n_in, TF2_ELTWISE_MAX_INPUTS);
    TF2__TRY(check_attr(attr, n_in, error));
    *out = *in[0];
    for (uint32_t i = 1; i < n_in; i++) {
        if (!in[i])
            return tf2__fail(error, TF2_ERR_GRAPH, "input %u is left out, eltwise needs all", i);
        TF2__TRY(broadcast(out, in[i], i, error));
    }
    return tf2__check_output(out, error);
}

/* The same data with out's rank; what repeats has stride 0. */
static struct tf2__view widen(const struct tf2__view *in, const struct tf2_shape *out)
{
    struct tf2__view wide = {.data = in->data, .dtype = in->dtype, .shape = *out};
    const uint32_t missing = out->n_dims - in->shape.n_dims;
    for (uint32_t d = missing; d < out->n_dims; d++)
        wide.stride[d] = in->shape.dim[d - missing] == 1 ? 0 : in->stride[d - missing];
    return wide;
}

static double combine(const struct tf2_eltwise_attr *a, double y, double x)
{
    switch (a->kind) {
    case TF2_ELTWISE_SUM:
        return y + x;
    case TF2_ELTWISE_PROD:
        return y * x;
    case TF2_ELTWISE_MAX:
        return x > y ? x : y;
    case TF2_ELTWISE_MIN:
        return x < y ? x : y;
    case TF2_ELTWISE_SUB:
        return y - x;
    case TF2_ELTWISE_DIV:
        return y / x;
    }
    return y;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_eltwise_attr *a = attr;
    struct tf2__view wide[TF2_ELTWISE_MAX_INPUTS];
    struct tf2__walk walk;
    for (uint32_t i = 0; i < n_in; i++)
        wide[i] = widen(&in[i], &out->shape);
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        double y = 0;
        for (uint32_t i = 0; i < n_in; i++) {
            double x = *tf2__walk_at(&walk, &wide[i]);
            if (a->has_coefficients)
                x *= a->coefficient[i];
            y = i == 0 ? x : combine(a, y, x);
        }
        *tf2__walk_at(&walk, out) = (float)y;
    }
}

const struct tf2__op tf2__op_eltwise = {
    .id = TF2_OP_ELTWISE,
    .name = "eltwise",
    .attr_bytes = sizeof(struct tf2_eltwise_attr),
    .min_inputs = 2,
    .max_inputs = TF2_ELTWISE_MAX_INPUTS,
    .infer = infer,
    .eval = eval,
};
