/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kint8.c: the builder of random graphs on integers. What it makes are the nodes that quantization makes,
 * with numbers that quantization would hardly choose.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "kint8.h"
#include "transform/op/lrn.h"

struct tf2__quant kquant(struct kgraph *k, double about)
{
    static const int32_t zero_points[] = {0, 255, 128};
    int64_t i = krange(k, 0, 7);
    struct tf2__quant quant = {.zero_point = i < 3 ? zero_points[i] : (int32_t)krange(k, 0, 255)};
    if (kchance(k, 2))
        quant.scale = (float)exp2(rint(log2(about)) + (double)krange(k, -1, 1));
    else
        quant.scale = (float)(about * exp2((double)krange(k, -1000, 1000) / 1000));
    return quant;
}

struct tf2__quant kquant_ties(struct kgraph *k, double about, double unit)
{
    struct tf2__quant quant = kquant(k, about);
    if (kchance(k, 2))
        quant.scale = (float)(2 * unit * fmax(rint(about / unit / 2), 1));
    return quant;
}

/* Scales that stay within bounds however many nodes follow each other. */
static struct tf2__quant tame_quant(struct kgraph *k, double about)
{
    return kquant(k, fmin(fmax(about, 1e-5), 1e5));
}

struct tf2__quant kquant_like(struct kgraph *k, struct tf2__quant quant)
{
    struct tf2__quant other = tame_quant(k, quant.scale);
    if (kchance(k, 2) && quant.scale > 1e-5f) /* a fraction of its steps: ties when it is rescaled */
        other.scale = (float)((double)quant.scale / (double)(2 * krange(k, 1, 4)));
    return kchance(k, 2) ? quant : other;
}

const struct tf2__quant *kquant_of(const struct kgraph *k, tf2_tensor_id tensor)
{
    return &k->graph->tensors[tensor].quant;
}

bool kis_u8(const struct kgraph *k, tf2_tensor_id tensor)
{
    return k->graph->tensors[tensor].dtype == TF2_DTYPE_U8;
}

struct tf2_activation kactivation8(struct kgraph *k, double scale)
{
    struct tf2_activation activation = {.kind = (enum tf2_activation_kind)krange(k, 0, 2)};
    if (activation.kind == TF2_ACTIVATION_CLIP) {
        /* Some bounds lie in the middle of two steps, some outside of the range. */
        float a = (float)(scale * (double)krange(k, -400, 400) / 2);
        float b = (float)(scale * (double)krange(k, -400, 400) / 2);
        activation.alpha = kchance(k, 8) ? -INFINITY : fminf(a, b);
        activation.beta = kchance(k, 8) ? INFINITY : fmaxf(a, b);
    }
    return activation;
}

/* Mostly one that leaves some steps of an output of this quantization. */
static struct tf2_activation activation_for(struct kgraph *k, const struct tf2__quant *quant)
{
    const struct tf2_activation none = {0}, activation = kactivation8(k, quant->scale);
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(quant, &activation);
    return bounds.hi - bounds.lo > 40 || kchance(k, 8) ? activation : none;
}

/* --- tensors --- */

static const char *next_name(struct kgraph *k, char prefix, char *name, size_t size_bytes)
{
    snprintf(name, size_bytes, "%c%u", prefix, ++k->n_names);
    return name;
}

/* Memory of the graph. */
static void *alloc(struct kgraph *k, size_t n, size_t element_bytes)
{
    void *data = tf2__arena_alloc(&k->graph->arena, n, element_bytes);
    assert_non_null(data);
    return data;
}

static tf2_tensor_id adopt(
    struct kgraph *k, enum tf2_dtype dtype, struct tf2_shape shape, const struct tf2__quant *quant,
    const void *data)
{
    char name[16];
    struct tf2_error error = {0};
    tf2_tensor_id id = TF2_NO_TENSOR;
    if (tf2__graph_adopt_quantized(
            k->graph, next_name(k, 'c', name, sizeof(name)), dtype, &shape, quant, data, &id, &error) !=
        TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

tf2_tensor_id kinput8_as(struct kgraph *k, struct tf2_shape shape, struct tf2__quant quant)
{
    return knode8(k, TF2_OP_QUANTIZE, NULL, KIN(kinput(k, shape)), NULL, &quant);
}

tf2_tensor_id kinput8(struct kgraph *k, struct tf2_shape shape)
{
    return kinput8_as(k, shape, kquant_ties(k, (double)krange(k, 1, 5) / 64, 1.0 / 128));
}

static uint8_t *random_bytes(struct kgraph *k, size_t n)
{
    uint8_t *bytes = alloc(k, n, 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(krandom(&k->random) >> 30);
    return bytes;
}

tf2_tensor_id kconstant8(struct kgraph *k, struct tf2_shape shape)
{
    const struct tf2__quant quant = kquant(k, 1.0 / 64);
    return adopt(k, TF2_DTYPE_U8, shape, &quant, random_bytes(k, (size_t)tf2_shape_count(&shape)));
}

tf2_tensor_id kweights8(struct kgraph *k, struct tf2_shape shape, bool extreme)
{
    const size_t n = (size_t)tf2_shape_count(&shape), n_out = (size_t)shape.dim[0];
    const double about = 1 / (128 * sqrt((double)(n / n_out))); /* sums stay as large as the input */
    int8_t *data = (int8_t *)random_bytes(k, n);
    struct tf2__quant quant = {.scale = kquant(k, about).scale};
    for (size_t i = 0; i < n && extreme; i++)
        data[i] = data[i] < 0 ? -128 : 127;
    if (!kchance(k, 4)) {
        float *scale = alloc(k, n_out, sizeof(*scale));
        for (size_t o = 0; o < n_out; o++)
            scale[o] = kquant(k, about).scale;
        quant.channel_scale = scale;
    }
    return adopt(k, TF2_DTYPE_S8, shape, &quant, data);
}

tf2_tensor_id kbias8(struct kgraph *k, int64_t n, double limit)
{
    int32_t *data = alloc(k, (size_t)n, sizeof(*data));
    const bool at_ends = limit >= 2147483648.0;
    limit = fmin(limit, 2147483647);
    for (int64_t i = 0; i < n; i++) {
        data[i] = (int32_t)(limit * ((double)krange(k, -(1 << 30), 1 << 30) / (1 << 30)));
        if (at_ends && kchance(k, 2)) /* so that sums do wrap around */
            data[i] =
                (int32_t)(kchance(k, 2) ? INT32_MAX - krange(k, 0, 20000) : INT32_MIN + krange(k, 0, 20000));
    }
    return adopt(k, TF2_DTYPE_S32, KSHAPE(n), NULL, data);
}

/* --- nodes --- */

static tf2_tensor_id add_node(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_activation *activation, const struct tf2__quant *quant, struct tf2_error *error)
{
    char name[16];
    tf2_tensor_id id = TF2_NO_TENSOR;
    if (tf2__graph_add_int8(
            k->graph, op, next_name(k, 'n', name, sizeof(name)), attr, inputs, n_inputs, activation,
            quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32, quant, &id, error) != TF2_OK)
        return TF2_NO_TENSOR;
    return id;
}

tf2_tensor_id knode8(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    struct tf2_error error = {0};
    tf2_tensor_id id = add_node(k, op, attr, inputs, n_inputs, activation, quant, &error);
    if (id == TF2_NO_TENSOR)
        fail_msg("%s", error.message);
    return id;
}

tf2_tensor_id knode8_try(
    struct kgraph *k, enum tf2_op op, const void *attr, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    struct tf2_error error = {0};
    return add_node(k, op, attr, inputs, n_inputs, activation, quant, &error);
}

tf2_tensor_id kmove8(struct kgraph *k, enum tf2_op op, const void *attr, tf2_tensor_id x)
{
    const struct tf2__quant quant = *kquant_of(k, x);
    return knode8(k, op, attr, KIN(x), NULL, &quant);
}

tf2_tensor_id kmove8_try(struct kgraph *k, enum tf2_op op, const void *attr, tf2_tensor_id x)
{
    const struct tf2__quant quant = *kquant_of(k, x);
    return knode8_try(k, op, attr, KIN(x), NULL, &quant);
}

void koutput8(struct kgraph *k, tf2_tensor_id tensor)
{
    if (kis_u8(k, tensor))
        tensor = knode8(k, TF2_OP_DEQUANTIZE, NULL, KIN(tensor), NULL, NULL);
    koutput(k, tensor);
}

/* --- convolutions and inner products --- */

/* Random sums of n products: about 1.5 of these. */
static double sum_size(int64_t n_terms)
{
    return 8000 * sqrt((double)n_terms);
}

/* Of an output whose sums are about `size`: half of the numbers are inside the range, or nearly none. */
static struct tf2__quant sum_quant(struct kgraph *k, double product_scale, double size)
{
    static const double unusual[] = {1e-6, 1e6, 30, 0.03};
    double about = product_scale * size / 60;
    if (kchance(k, 30))
        about *= unusual[krange(k, 0, 3)];
    about = fmin(fmax(about, 1e-5), 1e5);
    return kquant_ties(k, about, product_scale);
}

/* A residual of an output's shape: a map of its own, one that others read, a part of a wider one. */
static tf2_tensor_id residual(struct kgraph *k, struct tf2_shape shape, double scale)
{
    const struct tf2__quant quant = kquant(k, scale);
    struct tf2_shape wide = shape;
    tf2_tensor_id a;
    switch (krange(k, 0, 4)) {
    case 0:
        wide.dim[1] += 3;
        a = kinput8_as(k, wide, quant);
        return kslice8(k, a, 1, 1, 1 + shape.dim[1]);
    case 1:
        a = kinput8_as(k, shape, quant);
        koutput8(k, kconv8_same(k, a, 3)); /* has a halo */
        return a;
    case 2:
        return ksomething8(k, kinput8_as(k, shape, quant));
    default:
        return kinput8_as(k, shape, quant);
    }
}

static tf2_tensor_id
other_of_shape(const struct kgraph *k, const struct kconv8 *c, const struct tf2_shape *shape)
{
    for (size_t i = 0; i < c->n_others; i++) {
        if (kis_u8(k, c->others[i]) && tf2_shape_equal(kshape(k, c->others[i]), shape))
            return c->others[i];
    }
    return TF2_NO_TENSOR;
}

/* The output's shape, or false when the window does not fit. */
static bool conv_shape(
    const struct kgraph *k, const struct tf2_conv_attr *attr, tf2_tensor_id x,
    const struct tf2_shape *weights, struct tf2_shape *out)
{
    const struct tf2_shape *in[] = {kshape(k, x), weights};
    return tf2__op_find(TF2_OP_CONV)->infer(attr, in, 2, out, NULL) == TF2_OK;
}

/* Attributes, weights' and output's shape. */
static struct tf2_shape fit_window(
    struct kgraph *k, tf2_tensor_id x, const struct kconv8 *c, struct tf2_conv_attr *attr,
    struct tf2_shape *out)
{
    struct tf2_shape shape = *kshape(k, x);
    const uint32_t n_spatial = shape.n_dims - 2;
    *attr = (struct tf2_conv_attr){.window = c->window, .group = (int32_t)c->group};
    shape.dim[0] = c->n_out;
    shape.dim[1] /= c->group ? c->group : 1;
    for (uint32_t d = 0; d < n_spatial; d++)
        shape.dim[2 + d] = !c->exact_kernel && kchance(k, 4) ? krange(k, 1, c->kernel) : c->kernel;
    for (int attempt = 0; !conv_shape(k, attr, x, &shape, out); attempt++) {
        if (attempt > 8)
            fail_msg("no convolution fits");
        for (uint32_t d = 0; d < n_spatial; d++) {
            attr->window.dilation[d] = 1;
            shape.dim[2 + d] -= shape.dim[2 + d] > 1 && attempt;
        }
    }
    return shape;
}

static void make_one_sign(struct kgraph *k, tf2_tensor_id weights)
{
    const struct tf2_shape *shape = kshape(k, weights);
    const size_t n_out = (size_t)shape->dim[0], row = (size_t)tf2_shape_count(shape) / n_out;
    int8_t *data = (int8_t *)(uintptr_t)k->graph->tensors[weights].data;
    for (size_t o = 0; o < n_out; o++)
        memset(data + o * row, kchance(k, 2) ? 127 : -128, row);
}

tf2_tensor_id kconv8(struct kgraph *k, tf2_tensor_id x, const struct kconv8 *c)
{
    struct tf2_conv_attr attr;
    struct tf2_shape out, shape = fit_window(k, x, c, &attr, &out);
    tf2_tensor_id in[4] = {x, kweights8(k, shape, c->extreme), TF2_NO_TENSOR, TF2_NO_TENSOR};
    if (c->one_sign)
        make_one_sign(k, in[1]);
    const double size = c->wrap ? 2147483648.0 : sum_size(tf2_shape_count(&shape) / c->n_out);
    const double product_scale =
        (double)kquant_of(k, x)->scale * tf2__quant_scale(kquant_of(k, in[1]), krange(k, 0, c->n_out - 1));
    const bool f32 = c->f32 || (!c->no_f32 && kchance(k, 6));
    const struct tf2__quant quant = sum_quant(k, product_scale, size);
    const double step = f32 ? product_scale * size / 60 : quant.scale;
    size_t n = 2;
    if (c->wrap || !kchance(k, 3))
        in[2] = kbias8(k, c->n_out, size);
    if (c->n_others)
        in[3] = other_of_shape(k, c, &out);
    else if (c->residual || (!c->no_residual && kchance(k, 5)))
        in[3] = residual(k, out, step);
    while (n < 4 && (in[n] != TF2_NO_TENSOR || (n == 2 && in[3] != TF2_NO_TENSOR)))
        n++;
    const struct tf2_activation activation = f32 ? kactivation8(k, step) : activation_for(k, &quant);
    return knode8(k, TF2_OP_CONV, &attr, in, n, &activation, f32 ? NULL : &quant);
}

tf2_tensor_id kconv8_same(struct kgraph *k, tf2_tensor_id x, int64_t n_out)
{
    struct kconv8 c = {
        .n_out = n_out, .kernel = 3, .exact_kernel = true, .no_f32 = true, .no_residual = true};
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++)
        c.window.pad_begin[d] = c.window.pad_end[d] = 1;
    return kconv8(k, x, &c);
}

tf2_tensor_id kconv8_1x1(struct kgraph *k, tf2_tensor_id x, int64_t n_out)
{
    const struct kconv8 c = {
        .n_out = n_out, .kernel = 1, .exact_kernel = true, .no_f32 = true, .no_residual = true};
    return kconv8(k, x, &c);
}

tf2_tensor_id kgemm8(struct kgraph *k, tf2_tensor_id x, int32_t axis, int64_t n_out, bool f32, bool extreme)
{
    const struct tf2_shape *shape = kshape(k, x);
    const struct tf2_gemm_attr attr = {.axis = axis};
    int64_t n_in = 1;
    for (uint32_t d = (uint32_t)(axis < 0 ? axis + (int32_t)shape->n_dims : axis); d < shape->n_dims; d++)
        n_in *= shape->dim[d];
    tf2_tensor_id w = kweights8(k, KSHAPE(n_out, n_in), extreme);
    const double product_scale = (double)kquant_of(k, x)->scale * tf2__quant_scale(kquant_of(k, w), 0);
    const struct tf2__quant quant = sum_quant(k, product_scale, sum_size(n_in));
    const struct tf2_activation activation = activation_for(k, &quant);
    tf2_tensor_id b = kchance(k, 3) ? TF2_NO_TENSOR : kbias8(k, n_out, sum_size(n_in));
    return knode8(k, TF2_OP_GEMM, &attr, KIN(x, w, b), &activation, f32 ? NULL : &quant);
}

/* --- the others --- */

tf2_tensor_id kconcat8(
    struct kgraph *k, int32_t axis, const tf2_tensor_id *inputs, size_t n_inputs,
    const struct tf2__quant *quant)
{
    return knode8(k, TF2_OP_CONCAT, &(struct tf2_axis_attr){.axis = axis}, inputs, n_inputs, NULL, quant);
}

tf2_tensor_id
keltwise8(struct kgraph *k, const struct tf2_eltwise_attr *attr, const tf2_tensor_id *inputs, size_t n_inputs)
{
    double about = kquant_of(k, inputs[0])->scale;
    if (attr->kind == TF2_ELTWISE_PROD)
        about *= 60 * (double)kquant_of(k, inputs[1])->scale;
    const double unit = about * (attr->has_coefficients ? fabs((double)attr->coefficient[0]) + 0.01 : 1);
    struct tf2__quant quant = tame_quant(k, kchance(k, 30) ? about * 1e4 : about);
    if (kchance(k, 2))
        quant = kquant_ties(k, fmin(fmax((double)krange(k, 1, 6) * unit, 1e-5), 1e5), unit);
    const struct tf2_activation activation = activation_for(k, &quant);
    return knode8(k, TF2_OP_ELTWISE, attr, inputs, n_inputs, &activation, &quant);
}

/* How many numbers an average is taken of, mostly. */
static int64_t window_size(const struct kgraph *k, const struct tf2_pool_attr *attr, tf2_tensor_id x)
{
    int64_t n = 1;
    for (uint32_t d = 2; d < kshape(k, x)->n_dims && attr->kind == TF2_POOL_AVG; d++)
        n *= attr->global ? kshape(k, x)->dim[d] : attr->window.kernel[d - 2];
    return n;
}

tf2_tensor_id kpool8_try(struct kgraph *k, const struct tf2_pool_attr *attr, tf2_tensor_id x, bool f32)
{
    const double step = kquant_of(k, x)->scale;
    struct tf2__quant quant = kquant_like(k, *kquant_of(k, x));
    if (kchance(k, 3))
        quant = kquant_ties(k, (double)krange(k, 1, 4) * step, step / (double)window_size(k, attr, x));
    struct tf2_activation activation = activation_for(k, &quant);
    if (kchance(k, 2))
        activation = (struct tf2_activation){0};
    f32 &= attr->kind == TF2_POOL_AVG;
    return knode8_try(k, TF2_OP_POOL, attr, KIN(x), &activation, f32 ? NULL : &quant);
}

tf2_tensor_id klookup8(struct kgraph *k, tf2_tensor_id x, bool per_channel)
{
    const struct tf2_shape shape = per_channel ? KSHAPE(kshape(k, x)->dim[1], 256) : KSHAPE(256);
    const struct tf2__quant quant = tame_quant(k, kquant_of(k, x)->scale);
    const struct tf2_activation activation = activation_for(k, &quant);
    const struct tf2__quant none = {.scale = 1};
    tf2_tensor_id table =
        adopt(k, TF2_DTYPE_U8, shape, &none, random_bytes(k, (size_t)tf2_shape_count(&shape)));
    return knode8(k, TF2_OP_LOOKUP, NULL, KIN(x, table), &activation, &quant);
}

tf2_tensor_id klrn8(struct kgraph *k, tf2_tensor_id x, const struct tf2_lrn_attr *attr, int64_t n_table)
{
    const struct tf2__quant from = *kquant_of(k, x), quant = tame_quant(k, from.scale);
    const struct tf2_activation activation = activation_for(k, &quant);
    struct tf2_lrn_attr own = *attr;
    float *table = alloc(k, (size_t)n_table, sizeof(*table));
    if (n_table == TF2__LRN_CURVE) { /* largest sums are below 2^20: within 8 octaves */
        const double offset = pow(2, kuniform(k, 13, 24));
        own.alpha = (float)(attr->k * attr->size / offset / from.scale / from.scale);
        assert_true(tf2__lrn_curve(&own, &from, &quant, table));
    } else {
        assert_true(tf2__lrn_table(attr, &from, &quant, n_table, table));
    }
    tf2_tensor_id t = adopt(k, TF2_DTYPE_F32, KSHAPE(n_table), NULL, table);
    return knode8(k, TF2_OP_LRN, &own, KIN(x, t), &activation, &quant);
}

tf2_tensor_id kslice8(struct kgraph *k, tf2_tensor_id x, uint32_t axis, int64_t begin, int64_t end)
{
    struct tf2_slice_attr attr = {.n_dims = kshape(k, x)->n_dims};
    for (uint32_t d = 0; d < attr.n_dims; d++)
        attr.end[d] = INT64_MAX;
    attr.begin[axis] = begin;
    attr.end[axis] = end;
    return kmove8(k, TF2_OP_SLICE, &attr, x);
}

tf2_tensor_id ksomething8(struct kgraph *k, tf2_tensor_id x)
{
    const uint32_t n_dims = kshape(k, x)->n_dims;
    switch (krange(k, 0, n_dims >= 3 && n_dims <= 5 ? 3 : 1)) {
    case 0:
        return klookup8(k, x, n_dims > 1 && kchance(k, 3));
    case 1:
        return keltwise8(k, &(struct tf2_eltwise_attr){.kind = TF2_ELTWISE_SUM}, KIN(x, x));
    case 2:
        return kconv8_same(k, x, kshape(k, x)->dim[1]);
    default:
        return kconv8_1x1(k, x, kshape(k, x)->dim[1]);
    }
}

void kprint8(const struct tf2_graph *graph)
{
    kgraph_print(graph);
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct tf2__node *node = &graph->nodes[i];
        const struct tf2__tensor *out = &graph->tensors[node->out];
        print_message(
            "  %s: %s scale %.9g zero point %d%s, activation %d (%g, %g)\n", node->name,
            tf2_dtype_name(out->dtype), out->quant.scale, out->quant.zero_point,
            out->quant.channel_zero_point ? " and others" : "", (int)node->activation.kind,
            node->activation.alpha, node->activation.beta);
    }
}
