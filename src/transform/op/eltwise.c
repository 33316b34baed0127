/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eltwise.c: sum, product, maximum and so on of two or more tensors, broadcast as in NumPy.
 *
 * On integers each input k has a factor f[k] of its own:
 *
 *     sum, difference     v = (float)(x0 - zero_point0) * f[0], then v = v + (float)(xk - zero_pointk) * f[k]
 *     maximum, minimum    of (float)(xk - zero_pointk) * f[k]
 *     product (of two)    v = (float)((x0 - zero_point0) * (x1 - zero_point1)) * f
 *
 * What one input gives is one of 256 numbers, so these are looked up.
 */
#include "transform/op/int8.h"

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
    if ((unsigned)a->kind > TF2_ELTWISE_SELECT)
        return tf2__fail(error, TF2_ERR_VALUE, "no kind of eltwise has number %d", (int)a->kind);
    if ((a->kind == TF2_ELTWISE_SUB || a->kind == TF2_ELTWISE_DIV) && n_in != 2)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%s of %u inputs, wanted 2",
            a->kind == TF2_ELTWISE_SUB ? "difference" : "quotient", n_in);
    if (a->kind == TF2_ELTWISE_SELECT && n_in != 3)
        return tf2__fail(error, TF2_ERR_VALUE, "choice of %u inputs, wanted 3", n_in);
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
    case TF2_ELTWISE_SELECT:
        break; /* see eval */
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
        if (a->kind == TF2_ELTWISE_SELECT) {
            const bool first = *tf2__walk_at(&walk, &wide[0]) > 0;
            *tf2__walk_at(&walk, out) = *tf2__walk_at(&walk, &wide[first ? 1 : 2]);
            continue;
        }
        for (uint32_t i = 0; i < n_in; i++) {
            double x = *tf2__walk_at(&walk, &wide[i]);
            if (a->has_coefficients)
                x *= a->coefficient[i];
            y = i == 0 ? x : combine(a, y, x);
        }
        *tf2__walk_at(&walk, out) = (float)y;
    }
}

#define CHUNK 128 /* neighbours computed together */

/* The integer form of one node. */
struct int8 {
    enum tf2_eltwise_kind kind;
    uint32_t n_in;
    struct tf2__view in[TF2_ELTWISE_MAX_INPUTS];
    float term[TF2_ELTWISE_MAX_INPUTS][256];
    float factor; /* of what comes out of the terms: the product's; else 1, which changes nothing */
    struct tf2__int8_sink sink;
};

/* What input i is multiplied by, but for the output's scale. */
static double numerator(const struct tf2_eltwise_attr *a, uint32_t i, const struct tf2__quant *quant)
{
    if (a->has_coefficients)
        return (double)a->coefficient[i] * quant->scale;
    return a->kind == TF2_ELTWISE_SUB && i == 1 ? -quant->scale : quant->scale;
}

static void prepare_int8(
    const struct tf2_eltwise_attr *a, const struct tf2__view *in, const struct tf2__view *out, struct int8 *p)
{
    const bool is_product = a->kind == TF2_ELTWISE_PROD;
    p->kind = a->kind;
    p->factor = 1;
    if (is_product)
        p->factor = tf2__quant_factor((double)in[0].quant.scale * in[1].quant.scale, out->quant.scale);
    for (uint32_t i = 0; i < p->n_in; i++) {
        const struct tf2__quant *quant = &in[i].quant;
        float f = is_product ? 1 : tf2__quant_factor(numerator(a, i, quant), out->quant.scale);
        p->in[i] = widen(&in[i], &out->shape);
        for (int32_t q = 0; q < 256; q++)
            p->term[i][q] = (float)(q - quant->zero_point) * f;
    }
}

/* One more input. x: its first element, `step` apart. A product of two integers below 2^8 is exact. */
static void combine_row(
    enum tf2_eltwise_kind kind, const float term[256], const uint8_t *x, int64_t step, float *v, int64_t n)
{
    switch (kind) {
    case TF2_ELTWISE_SUM:
    case TF2_ELTWISE_SUB:
        for (int64_t i = 0; i < n; i++)
            v[i] = v[i] + term[x[i * step]];
        break;
    case TF2_ELTWISE_PROD:
        for (int64_t i = 0; i < n; i++)
            v[i] = v[i] * term[x[i * step]];
        break;
    case TF2_ELTWISE_MAX:
        for (int64_t i = 0; i < n; i++)
            v[i] = TF2__MAX(v[i], term[x[i * step]]);
        break;
    case TF2_ELTWISE_MIN:
        for (int64_t i = 0; i < n; i++)
            v[i] = TF2__MIN(v[i], term[x[i * step]]);
        break;
    case TF2_ELTWISE_DIV:
    case TF2_ELTWISE_SELECT:
        break; /* check has refused them */
    }
}

/* Outputs from .. from + n - 1 of the walk's row. */
static void chunk_int8(
    const struct int8 *p, const struct tf2__walk *walk, int64_t from, int64_t n, const struct tf2__view *out)
{
    const int64_t y_step = tf2__int8_row_stride(out);
    float v[CHUNK];
    for (uint32_t k = 0; k < p->n_in; k++) {
        const int64_t step = tf2__int8_row_stride(&p->in[k]);
        const uint8_t *x = tf2__walk_at_u8(walk, &p->in[k]) + from * step;
        if (k > 0)
            combine_row(p->kind, p->term[k], x, step, v, n);
        for (int64_t i = 0; k == 0 && i < n; i++)
            v[i] = p->term[0][x[i * step]];
    }
    int64_t at = tf2__walk_offset(walk, out) + from * y_step;
    for (int64_t i = 0; i < n; i++)
        tf2__int8_store(&p->sink, out->data, at + i * y_step, v[i] * p->factor);
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    struct int8 p = {.n_in = n_in, .sink = tf2__int8_sink(out, activation)};
    struct tf2__walk walk;
    prepare_int8(attr, in, out, &p);
    const int64_t n = tf2__int8_rows_start(&walk, &out->shape);
    for (; tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        for (int64_t from = 0; from < n; from += CHUNK)
            chunk_int8(&p, &walk, from, TF2__MIN(CHUNK, n - from), out);
    }
}

static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    const struct tf2_eltwise_attr *a = attr;
    TF2__TRY(tf2__int8_check_output(out, false, error));
    if (a->kind == TF2_ELTWISE_DIV || a->kind == TF2_ELTWISE_SELECT)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a %s of integers", a->kind == TF2_ELTWISE_DIV ? "quotient" : "choice");
    if (a->kind == TF2_ELTWISE_PROD && n_in != 2)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "a product of %u inputs on integers, wanted 2", n_in);
    for (uint32_t i = 0; i < n_in; i++) {
        TF2__TRY(tf2__int8_check_input(in[i], i, false, error));
        if (a->kind != TF2_ELTWISE_PROD)
            TF2__TRY(
                tf2__int8_check_factor(numerator(a, i, &in[i]->quant), out->quant.scale, "input", i, error));
    }
    if (a->kind != TF2_ELTWISE_PROD)
        return TF2_OK;
    return tf2__int8_check_factor(
        (double)in[0]->quant.scale * in[1]->quant.scale, out->quant.scale, "product", 0, error);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_eltwise = {
    .id = TF2_OP_ELTWISE,
    .name = "eltwise",
    .attr_bytes = sizeof(struct tf2_eltwise_attr),
    .min_inputs = 2,
    .max_inputs = TF2_ELTWISE_MAX_INPUTS,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
