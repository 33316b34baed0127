/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower_dense.c: convolutions and GEMM with the integers of a file as weights and biases.
 *
 * Weights of the file are q less their zero point w: with a zero point from -255 to 255, which 8 bits do not always
 * hold. Where they do not, w is a sum of two or three parts that do, and the input is there as many times:
 *
 *     sum of x * w  =  sum of x * a + x * b         exactly
 *
 * For a GEMM the copies lie behind each other. A convolution gets one more spatial dimension, of as many planes: it is a
 * window that takes all of them, whatever its groups are.
 *
 *     x [N, C, H, W] ─ unsqueeze, concat ─▶ [N, C, 2, H, W] ─ conv, stride 2 ─▶ [N, O, 1, H, W] ─ squeeze ─▶ [N, O, H, W]
 */
#include <math.h>
#include <stdlib.h>

#include "transform/quant/lower_internal.h"
#include "transform/quant/scheme.h"

#define MAX_PARTS 3

/* How far a bias's scale may be from that of the sums: both are rounded to float in files. */
#define SCALE_TOLERANCE 1e-5

#define MAX_SUM 2147483647.0

struct dense {
    const struct tf2__node *node;
    const struct tf2__tensor *w;
    const struct tf2__tensor *bias; /* NULL: none */
    struct tf2__quant x;
    int64_t n_out, n_k;
    uint32_t n_parts;
    struct tf2__quant quant; /* of the weights, in the new graph */
    tf2_tensor_id in[4];     /* in the new graph; the last one is a residual */
};

/* The scale of output o's weights. */
static double weight_scale(const struct dense *d, int64_t o)
{
    return d->w->steps->scale[d->w->steps->n_scales > 1 ? o : 0];
}

/* ---- whether there is an integer form ---- */

/* Scales along the outputs, or one for all; how many parts of 8 bits the largest numbers need. */
static bool find_parts(struct dense *d)
{
    const struct tf2__steps *steps = d->w->steps;
    int32_t low = 0, high = 0;
    if (!steps || (steps->n_scales > 1 && (steps->axis != 0 || steps->n_scales != d->n_out)))
        return false;
    for (int64_t i = 0; i < d->n_out * d->n_k; i++) {
        low = TF2__MIN(low, steps->step[i]);
        high = TF2__MAX(high, steps->step[i]);
    }
    d->n_parts = 1;
    while (d->n_parts <= MAX_PARTS && (low < -128 * (int32_t)d->n_parts || high > 127 * (int32_t)d->n_parts))
        d->n_parts++;
    return d->n_parts <= MAX_PARTS;
}

/* The bias in steps of the sums. */
static double bias_steps(const struct dense *d, int64_t o)
{
    const double unit = d->x.scale * weight_scale(d, o);
    const struct tf2__steps *steps = d->bias ? d->bias->steps : NULL;
    if (!d->bias)
        return 0;
    if (!steps)
        return rint(((const float *)d->bias->data)[o] / unit);
    const double scale = steps->scale[steps->n_scales > 1 ? o : 0];
    const bool same = fabs(scale / unit - 1) < SCALE_TOLERANCE;
    return same ? steps->step[o] : rint(steps->step[o] * scale / unit);
}

/* No sum can leave 32 bits, whatever the input. */
static bool sums_fit(const struct dense *d)
{
    const double largest_x = TF2__MAX(d->x.zero_point, 255 - d->x.zero_point);
    for (int64_t o = 0; o < d->n_out; o++) {
        const int32_t *step = d->w->steps->step + o * d->n_k;
        double sum = 0;
        for (int64_t k = 0; k < d->n_k; k++)
            sum += abs(step[k]);
        if (!(sum * largest_x + fabs(bias_steps(d, o)) <= MAX_SUM))
            return false;
    }
    return true;
}

/* x: of the node's input. */
static bool find_dense(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__quant *x, struct dense *d)
{
    *d = (struct dense){.node = node, .w = &graph->tensors[node->in[1]], .x = *x};
    d->n_out = d->w->shape.dim[0];
    d->n_k = tf2_shape_count(&d->w->shape) / d->n_out;
    if (node->n_in > 3 || !d->w->data)
        return false;
    if (node->n_in == 3 && node->in[2] != TF2_NO_TENSOR)
        d->bias = &graph->tensors[node->in[2]];
    if (d->bias && (!d->bias->data || tf2_shape_count(&d->bias->shape) != d->n_out))
        return false;
    if (d->bias && d->bias->steps && d->bias->steps->n_scales > 1 && d->bias->steps->n_scales != d->n_out)
        return false;
    if (!find_parts(d) || !sums_fit(d))
        return false;
    /* A volume has no dimension left; zero points per channel are for the convolution itself. */
    return d->n_parts == 1 || (d->w->shape.n_dims < 2 + TF2_MAX_SPATIAL && !d->x.channel_zero_point);
}

bool tf2__lower_takes_channels(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__quant *x)
{
    struct dense d;
    return node->op->id == TF2_OP_CONV && find_dense(graph, node, x, &d);
}

/* ---- constants ---- */

/* The weights as s8: part p of number k of output o and input channel c lies at ((o * n_in + c) * n_parts + p) * n_taps +
 * k: behind each other for each channel of a convolution (n_in channels), for a whole row of a GEMM (n_in 1). */
static void split_weights(const struct dense *d, int64_t n_in, int8_t *q)
{
    const int64_t n_taps = d->n_k / n_in;
    const int32_t *step = d->w->steps->step;
    for (int64_t i = 0; i < d->n_out * d->n_k; i++) {
        int32_t rest = step[i];
        for (int64_t p = 0; p < d->n_parts; p++) {
            const int32_t part = TF2__MIN(TF2__MAX(rest, -128), 127);
            q[(i / n_taps * d->n_parts + p) * n_taps + i % n_taps] = (int8_t)part;
            rest -= part;
        }
    }
}

static enum tf2_status add_weights(
    struct tf2__lowering *l, struct dense *d, const struct tf2_shape *shape, int64_t n_in,
    struct tf2_error *error)
{
    const struct tf2__steps *steps = d->w->steps;
    const struct tf2_env *env = &l->from->arena.env;
    const size_t n = (size_t)tf2_shape_count(shape);
    d->quant = (struct tf2__quant){.scale = steps->scale[0]};
    if (steps->n_scales > 1) {
        float *scales = tf2__arena_alloc(&l->to->arena, (size_t)d->n_out, sizeof(*scales));
        if (!scales)
            return tf2__fail_memory(error, (size_t)d->n_out * sizeof(*scales), "scales");
        d->quant = (struct tf2__quant){
            .channel_scale = memcpy(scales, steps->scale, (size_t)d->n_out * sizeof(*scales))};
    }
    int8_t *q = n ? tf2__alloc(env, n) : NULL;
    if (!q)
        return tf2__fail_memory(error, n, "weights");
    split_weights(d, n_in, q);
    const enum tf2_status status =
        tf2__lower_constant(l, d->w->name, TF2_DTYPE_S8, shape, &d->quant, q, &d->in[1], error);
    tf2__free(env, q);
    return status;
}

static enum tf2_status add_bias(struct tf2__lowering *l, struct dense *d, struct tf2_error *error)
{
    const struct tf2_shape shape = {.n_dims = 1, .dim = {d->n_out}};
    const struct tf2_env *env = &l->from->arena.env;
    d->in[2] = TF2_NO_TENSOR;
    if (!d->bias)
        return TF2_OK;
    int32_t *steps = tf2__calloc(env, (size_t)d->n_out, sizeof(*steps));
    if (!steps)
        return tf2__fail_memory(error, (size_t)d->n_out * sizeof(*steps), "a bias");
    for (int64_t o = 0; o < d->n_out; o++)
        steps[o] = (int32_t)bias_steps(d, o);
    const enum tf2_status status =
        tf2__lower_constant(l, d->bias->name, TF2_DTYPE_S32, &shape, NULL, steps, &d->in[2], error);
    tf2__free(env, steps);
    return status;
}

/* ---- nodes ---- */

static enum tf2_status add_node(
    struct tf2__lowering *l, const struct dense *d, const struct tf2__lower_tail *tail, const char *name,
    const void *attr, tf2_tensor_id *out, struct tf2_error *error)
{
    return tf2__graph_add_int8(
        l->to, d->node->op->id, name, attr, d->in,
        d->in[3] != TF2_NO_TENSOR ? 4
        : d->bias                 ? 3
                                  : 2,
        &tail->activation, tail->quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32, tail->quant, out, error);
}

/* A node that moves elements, of any type. */
static enum tf2_status add_move(
    struct tf2__lowering *l, enum tf2_op op, const char *name, const void *attr, const tf2_tensor_id *in,
    uint32_t n_in, tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2__tensor x = l->to->tensors[in[0]];
    return tf2__graph_add_int8(
        l->to, op, name, attr, in, n_in, NULL, x.dtype, x.dtype == TF2_DTYPE_U8 ? &x.quant : NULL, out,
        error);
}

/* n_parts copies of the input along a dimension. */
static enum tf2_status repeat_input(
    struct tf2__lowering *l, struct dense *d, const char *base, int32_t axis, struct tf2_error *error)
{
    const struct tf2_axis_attr attr = {.axis = axis};
    const tf2_tensor_id copies[MAX_PARTS] = {d->in[0], d->in[0], d->in[0]};
    char name[TF2__REWRITE_NAME_BYTES];
    tf2__quant_name(l->from, l->to, true, base, "copies", name);
    return add_move(l, TF2_OP_CONCAT, name, &attr, copies, d->n_parts, &d->in[0], error);
}

static enum tf2_status split_gemm(
    struct tf2__lowering *l, struct dense *d, const struct tf2__lower_tail *tail, const char *name,
    tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2_shape shape = {.n_dims = 2, .dim = {d->n_out, d->n_k * d->n_parts}};
    const struct tf2_gemm_attr *attr = d->node->attr;
    TF2__TRY(add_weights(l, d, &shape, 1, error));
    TF2__TRY(repeat_input(l, d, name, attr->axis, error));
    return add_node(l, d, tail, name, attr, out, error);
}

/* The window with one more dimension in front, which takes all copies at once. */
static struct tf2_conv_attr deepen(const struct tf2_conv_attr *from, uint32_t n_parts)
{
    struct tf2_conv_attr attr = {.group = from->group, .window.auto_pad = from->window.auto_pad};
    attr.window.stride[0] = (int32_t)n_parts;
    for (int d = 1; d < TF2_MAX_SPATIAL; d++) {
        attr.window.stride[d] = from->window.stride[d - 1];
        attr.window.dilation[d] = from->window.dilation[d - 1];
        attr.window.pad_begin[d] = from->window.pad_begin[d - 1];
        attr.window.pad_end[d] = from->window.pad_end[d - 1];
    }
    return attr;
}

static enum tf2_status split_conv(
    struct tf2__lowering *l, struct dense *d, const struct tf2__lower_tail *tail, const char *name,
    tf2_tensor_id *out, struct tf2_error *error)
{
    const struct tf2_conv_attr attr = deepen(d->node->attr, d->n_parts);
    const struct tf2_axes_attr depth = {.axes = 1u << 2};
    struct tf2_shape shape = d->w->shape;
    char part[TF2__REWRITE_NAME_BYTES];
    shape.n_dims++;
    for (uint32_t k = shape.n_dims - 1; k > 2; k--)
        shape.dim[k] = shape.dim[k - 1];
    shape.dim[2] = d->n_parts;
    TF2__TRY(add_weights(l, d, &shape, d->w->shape.dim[1], error));
    tf2__quant_name(l->from, l->to, true, name, "deep", part);
    TF2__TRY(add_move(l, TF2_OP_UNSQUEEZE, part, &depth, &d->in[0], 1, &d->in[0], error));
    TF2__TRY(repeat_input(l, d, name, 2, error));
    tf2__quant_name(l->from, l->to, true, name, "parts", part);
    TF2__TRY(add_node(l, d, tail, part, &attr, out, error));
    return add_move(l, TF2_OP_SQUEEZE, name, &depth, out, 1, out, error);
}

enum tf2_status tf2__lower_dense(
    struct tf2__lowering *l, const struct tf2__node *node, tf2_tensor_id residual,
    const struct tf2__lower_tail *tail, tf2_tensor_id *out, struct tf2_error *error)
{
    struct dense d;
    char name[TF2__REWRITE_NAME_BYTES];
    const bool conv = node->op->id == TF2_OP_CONV;
    *out = TF2_NO_TENSOR;
    const tf2_tensor_id x = l->u8[node->in[0]];
    if (!find_dense(l->from, node, &l->to->tensors[x].quant, &d) || (residual != TF2_NO_TENSOR && d.n_parts > 1))
        return TF2_OK;
    d.in[0] = x;
    d.in[3] = residual;
    TF2__TRY(add_bias(l, &d, error));
    tf2__lower_name(l, tail->name, "u8", name);
    if (d.n_parts > 1)
        return conv ? split_conv(l, &d, tail, name, out, error) : split_gemm(l, &d, tail, name, out, error);
    TF2__TRY(add_weights(l, &d, &d.w->shape, conv ? d.w->shape.dim[1] : 1, error));
    return add_node(l, &d, tail, name, node->attr, out, error);
}
