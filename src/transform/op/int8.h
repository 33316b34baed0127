/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8.h: what the operators' integer forms share: checks of types, the way from a sum to an output element, and
 * functions of one u8 number as tables. The rules are in ir/quant.h and, in words, in docs/quantization.md.
 */
#ifndef TF2__OP_INT8_H
#define TF2__OP_INT8_H

#include "transform/op/check.h"

/* No factor may be larger: sums of 32 bits times it, and sums of these, stay finite, so that no v is a NaN. */
#define TF2__INT8_MAX_FACTOR 1e20

/* Input `number` is u8 and has a scale and one zero point, or, where per_channel says so, one per channel. */
enum tf2_status tf2__int8_check_input(
    const struct tf2__type *type, uint32_t number, bool per_channel, struct tf2_error *error);
/* The same for the output. */
enum tf2_status
tf2__int8_check_output(const struct tf2__type *out, bool per_channel, struct tf2_error *error);
/* The output is u8 with a scale and one zero point, or float32. */
enum tf2_status tf2__int8_check_result(const struct tf2__type *out, struct tf2_error *error);

/* numerator / denominator is a factor to compute with. what: what it is for, such as "input" and its number. */
enum tf2_status tf2__int8_check_factor(
    double numerator, double denominator, const char *what, int64_t number, struct tf2_error *error);

/*
 * Weights [O, ...], the bias [O] (NULL: none) and the output of a sum over x: s8, s32, u8 or float32, with factors
 * that can be computed with. x has been checked.
 */
enum tf2_status tf2__int8_check_sum(
    const struct tf2__type *x, const struct tf2__type *weights, const struct tf2__type *bias,
    const struct tf2__type *out, struct tf2_error *error);

/* tf2__op_int8.check of operators that move elements: one u8 input, and an output of the same quantization. */
enum tf2_status tf2__int8_check_move(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error);

/* What becomes of v: for all elements of a u8 or float32 output the same. */
struct tf2__int8_sink {
    struct tf2__quant_bounds bounds;
    double scale; /* what v counts in: the output's scale, 1 for float32 */
    int32_t zero_point;
    bool is_u8;
};

static inline struct tf2__int8_sink
tf2__int8_sink(const struct tf2__view *out, const struct tf2_activation *activation)
{
    const bool is_u8 = out->dtype == TF2_DTYPE_U8;
    return (struct tf2__int8_sink){
        .bounds = tf2__quant_bounds(out->dtype, &out->quant, activation),
        .scale = is_u8 ? out->quant.scale : 1,
        .zero_point = out->quant.zero_point,
        .is_u8 = is_u8};
}

/* Element number `at` of data becomes v. */
static inline void tf2__int8_store(const struct tf2__int8_sink *sink, void *data, int64_t at, float v)
{
    if (sink->is_u8)
        ((uint8_t *)data)[at] = tf2__quant_round(v, &sink->bounds, sink->zero_point);
    else
        ((float *)data)[at] = tf2__quant_clamp(v, &sink->bounds);
}

/*
 * table[q]: q of quantization `in` as a number of quantization `out`, within the activation's bounds. Where both are
 * the same this is q, clamped: the multiplication by 1 is exact.
 */
void tf2__int8_table(
    const struct tf2__quant *in, const struct tf2__quant *out, const struct tf2_activation *activation,
    uint8_t table[256]);

/* out = table[in], element by element; both have out's shape. */
void tf2__int8_map(const struct tf2__view *in, const uint8_t table[256], const struct tf2__view *out);

/* Walks over all dimensions of a shape but the last, whose extent is the result: the caller loops over that one
 * without computing indices. A scalar is one row of one element. */
static inline int64_t tf2__int8_rows_start(struct tf2__walk *walk, const struct tf2_shape *shape)
{
    struct tf2_shape rows = *shape;
    rows.n_dims -= rows.n_dims > 0;
    tf2__walk_start(walk, &rows);
    return shape->n_dims ? shape->dim[rows.n_dims] : 1;
}

/* The distance of neighbours in a row. */
static inline int64_t tf2__int8_row_stride(const struct tf2__view *view)
{
    return view->shape.n_dims ? view->stride[view->shape.n_dims - 1] : 1;
}

extern const struct tf2__op_int8 tf2__int8_conv, tf2__int8_conv_transpose;

#endif
