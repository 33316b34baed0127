/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transpose.c: dimensions in another order.
 */
#include "transform/op/int8.h"

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_transpose_attr *a = attr;
    uint32_t seen = 0;
    (void)n_in;
    TF2__TRY(tf2__check_rank(a->n_dims, in[0], "permutation", error));
    *out = *in[0];
    for (uint32_t d = 0; d < a->n_dims; d++) {
        if (a->perm[d] >= a->n_dims || (seen >> a->perm[d] & 1))
            return tf2__fail(
                error, TF2_ERR_VALUE, "entry %u of the permutation is %u, wanted each of 0 to %u once", d,
                a->perm[d], a->n_dims - 1);
        seen |= 1u << a->perm[d];
        out->dim[d] = in[0]->dim[a->perm[d]];
    }
    return TF2_OK;
}

/* The input with its dimensions in the output's order. */
static struct tf2__view turn(const struct tf2_transpose_attr *a, const struct tf2__view *in)
{
    struct tf2__view turned = *in;
    for (uint32_t d = 0; d < a->n_dims; d++) {
        turned.stride[d] = in->stride[a->perm[d]];
        turned.shape.dim[d] = in->shape.dim[a->perm[d]];
    }
    return turned;
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2__view turned = turn(attr, &in[0]);
    struct tf2__walk walk;
    (void)n_in;
    for (tf2__walk_start(&walk, &out->shape); tf2__walk_more(&walk); tf2__walk_next(&walk))
        *tf2__walk_at(&walk, out) = *tf2__walk_at(&walk, &turned);
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    const struct tf2__view turned = turn(attr, &in[0]);
    uint8_t table[256];
    (void)n_in;
    tf2__int8_table(&in[0].quant, &out->quant, activation, table);
    tf2__int8_map(&turned, table, out);
}

static const struct tf2__op_int8 int8_form = {.check = tf2__int8_check_move, .eval = int8_eval};

const struct tf2__op tf2__op_transpose = {
    .id = TF2_OP_TRANSPOSE,
    .name = "transpose",
    .attr_bytes = sizeof(struct tf2_transpose_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
