/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_ops_window.c: convolutions and pools.
 *
 *     CONV_2D            filter [O, kh, kw, I]      ─▶ [O, I, kh, kw]       I less than the input's channels: groups
 *     DEPTHWISE_CONV_2D  filter [1, kh, kw, O]      ─▶ [O, 1, kh, kw]       one group per channel
 *     CONV_3D            filter [kd, kh, kw, I, O]  ─▶ [O, I, kd, kh, kw]
 *
 * A dilated convolution may come as SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND (every d-th pixel is gathered in
 * an image of its own): the first two only say that they are part of this (state SPREAD), the last emits it.
 */
#include "transform/import/tflite/tflite.h"

enum {
    CODE_MAX_POOL_2D = 17,
    PADDING_SAME = 0,
    PADDING_VALID = 1,
};

#define N_SPATIAL 2

/* ---- windows ---- */

static enum tf2_status set_padding(uint8_t padding, struct tf2_window *window, struct tf2_error *error)
{
    if (padding > PADDING_VALID)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "padding number %u, wanted SAME (0) or VALID (1)", padding);
    window->auto_pad = padding == PADDING_SAME ? TF2_AUTO_PAD_SAME_UPPER : TF2_AUTO_PAD_VALID;
    return TF2_OK;
}

/* A positive number of the options, in the graph's order of dimensions. */
static enum tf2_status read_extent(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t field, int32_t otherwise,
    const char *what, int32_t *extent, struct tf2_error *error)
{
    *extent = tf2__fb_i32(&lite->fb, &op->options, field, otherwise);
    if (*extent < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "%s %d, wanted 1 or more", what, *extent);
    return TF2_OK;
}

/* ---- convolutions ---- */

/* How a convolution's options and filter are laid out. */
struct conv_form {
    uint32_t n_spatial;
    uint32_t stride[TF2_MAX_SPATIAL], dilation[TF2_MAX_SPATIAL]; /* fields, by dimension of the graph */
    uint32_t activation;                                         /* field */
    uint32_t perm[2 + TF2_MAX_SPATIAL];                          /* of the filter */
};

static const struct conv_form conv_2d = {2, {2, 1}, {5, 4}, 3, {0, 3, 1, 2}};
static const struct conv_form depthwise_2d = {2, {2, 1}, {6, 5}, 4, {3, 0, 1, 2}};
static const struct conv_form conv_3d = {3, {1, 3, 2}, {5, 7, 6}, 4, {4, 3, 0, 1, 2}};

static enum tf2_status read_window(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const struct conv_form *form,
    struct tf2_window *window, struct tf2_error *error)
{
    TF2__TRY(set_padding(tf2__fb_u8(&lite->fb, &op->options, 0, 0), window, error));
    for (uint32_t d = 0; d < form->n_spatial; d++) {
        TF2__TRY(read_extent(lite, op, form->stride[d], 0, "stride", &window->stride[d], error));
        TF2__TRY(read_extent(lite, op, form->dilation[d], 1, "dilation", &window->dilation[d], error));
    }
    return TF2_OK;
}

/* The groups that input channels and filter imply. */
static enum tf2_status find_groups(
    const struct tf2__lite *lite, const struct conv_form *form, const tf2_tensor_id *in, int32_t *group,
    struct tf2_error *error)
{
    const int64_t channels = lite->graph->tensors[in[0]].shape.dim[1];
    const int64_t per_group = lite->graph->tensors[in[1]].shape.dim[1];
    if (form == &depthwise_2d && per_group != 1)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "filter with %lld in dimension 0, wanted 1", (long long)per_group);
    if (channels % per_group)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld channels, the filter is for %lld", (long long)channels,
            (long long)per_group);
    *group = (int32_t)(channels / per_group);
    return TF2_OK;
}

/* Input, filter and bias of a convolution. */
static enum tf2_status read_operands(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const struct tf2__lite_op *input,
    const struct conv_form *form, tf2_tensor_id in[3], size_t *n_in, struct tf2_error *error)
{
    const struct tf2__lite_tensor *filter = tf2__lite_in(lite, op, 1);
    TF2__TRY(tf2__lite_want(lite, input, 0, true, &in[0], error));
    const struct tf2_shape *x = &lite->graph->tensors[in[0]].shape;
    if (x->n_dims != 2 + form->n_spatial || filter->shape.n_dims != 2 + form->n_spatial)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "input of %u and filter of %u dimensions, wanted %u of both", x->n_dims,
            filter->shape.n_dims, 2 + form->n_spatial);
    TF2__TRY(tf2__lite_constant(lite, op, 1, NULL, form->perm, &in[1], error));
    *n_in = tf2__lite_in(lite, op, 2) ? 3 : 2;
    return *n_in == 3 ? tf2__lite_want(lite, op, 2, false, &in[2], error) : TF2_OK;
}

/* The tensor whose pixels a SPACE_TO_BATCH_ND has spread, when input 0 is such. */
static bool is_spread(const struct tf2__lite *lite, const struct tf2__lite_op *op)
{
    return tf2__lite_in(lite, op, 0)->state == TF2__LITE_SPREAD;
}

static enum tf2_status convert_conv(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const struct conv_form *form,
    struct tf2_error *error)
{
    struct tf2_conv_attr attr = {0};
    tf2_tensor_id in[3];
    size_t n_in;
    if (is_spread(lite, op)) {
        tf2__lite_out(lite, op, 0)->state = TF2__LITE_SPREAD;
        return TF2_OK;
    }
    TF2__TRY(read_window(lite, op, form, &attr.window, error));
    TF2__TRY(read_operands(lite, op, op, form, in, &n_in, error));
    TF2__TRY(find_groups(lite, form, in, &attr.group, error));
    const uint8_t activation = tf2__fb_u8(&lite->fb, &op->options, form->activation, 0);
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_CONV, &attr, in, n_in, activation, error);
}

enum tf2_status
tf2__lite_convert_conv(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    return convert_conv(lite, op, &conv_2d, error);
}

enum tf2_status
tf2__lite_convert_depthwise(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    return convert_conv(lite, op, &depthwise_2d, error);
}

enum tf2_status
tf2__lite_convert_conv_3d(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    return convert_conv(lite, op, &conv_3d, error);
}

/* ---- dilation by way of the batch ---- */

enum tf2_status tf2__lite_convert_space_to_batch(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    if (is_spread(lite, op))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "two of these in a row");
    tf2__lite_out(lite, op, 0)->state = TF2__LITE_SPREAD;
    return TF2_OK;
}

/* Block sizes, and what is added or cut at the edges: [2], [2, 2]. */
static enum tf2_status read_blocks(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const int64_t **block, const int64_t **edges,
    struct tf2_error *error)
{
    int64_t n_block, n_edges;
    TF2__TRY(tf2__lite_known(lite, op, 1, block, &n_block, error));
    TF2__TRY(tf2__lite_known(lite, op, 2, edges, &n_edges, error));
    if (n_block != N_SPATIAL || n_edges != N_SPATIAL * 2)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%lld block sizes, %lld paddings, only images (2, 4) are supported",
            (long long)n_block, (long long)n_edges);
    return TF2_OK;
}

/*
 * Pixels o .. of the dilated convolution: padding in front of it less what is cut there. Behind, what only fills the
 * last block is padding that no kept pixel needs more of than it has.
 */
static enum tf2_status set_dilation(
    struct tf2__lite *lite, const struct tf2__lite_op *spread, const struct tf2__lite_op *gather,
    struct tf2_window *window, struct tf2_error *error)
{
    const int64_t *block, *pads, *blocks_back, *crops;
    TF2__TRY(read_blocks(lite, spread, &block, &pads, error));
    TF2__TRY(read_blocks(lite, gather, &blocks_back, &crops, error));
    for (int d = 0; d < N_SPATIAL; d++) {
        const int64_t begin = pads[2 * d] - crops[2 * d], end = pads[2 * d + 1] - crops[2 * d + 1];
        if (block[d] != blocks_back[d] || block[d] < 1 || block[d] > INT32_MAX)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "blocks of %lld and %lld, wanted the same of 1 or more",
                (long long)block[d], (long long)blocks_back[d]);
        if (begin < 0 || end < 0 || begin > INT32_MAX || end > INT32_MAX || pads[2 * d] < 0 ||
            crops[2 * d] < 0 || crops[2 * d + 1] < 0)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more is cut than was padded");
        if (window->stride[d] != 1 || window->dilation[d] != 1)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "the convolution between has a stride or a dilation");
        window->dilation[d] = (int32_t)block[d];
        window->pad_begin[d] = (int32_t)begin;
        window->pad_end[d] = (int32_t)end;
    }
    if (window->auto_pad != TF2_AUTO_PAD_VALID)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "the convolution between has padding of its own");
    window->auto_pad = TF2_AUTO_PAD_EXPLICIT;
    return TF2_OK;
}

enum tf2_status tf2__lite_convert_batch_to_space(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    struct tf2_conv_attr attr = {0};
    tf2_tensor_id in[3];
    size_t n_in;
    const uint32_t conv_index = tf2__lite_in(lite, op, 0)->producer;
    const struct tf2__lite_op *conv = conv_index == TF2__LITE_NO_OP ? NULL : &lite->ops[conv_index];
    const bool depthwise = conv && conv->row && conv->row->convert == tf2__lite_convert_depthwise;
    if (!is_spread(lite, op) || !(depthwise || conv->row->convert == tf2__lite_convert_conv))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "supported only as a dilation: SPACE_TO_BATCH_ND, CONV_2D or DEPTHWISE_CONV_2D, "
            "BATCH_TO_SPACE_ND");
    const struct tf2__lite_op *spread = &lite->ops[tf2__lite_in(lite, conv, 0)->producer];
    const struct conv_form *form = depthwise ? &depthwise_2d : &conv_2d;
    TF2__TRY(read_window(lite, conv, form, &attr.window, error));
    TF2__TRY(set_dilation(lite, spread, op, &attr.window, error));
    TF2__TRY(read_operands(lite, conv, spread, form, in, &n_in, error));
    TF2__TRY(find_groups(lite, form, in, &attr.group, error));
    const uint8_t activation = tf2__fb_u8(&lite->fb, &conv->options, form->activation, 0);
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_CONV, &attr, in, n_in, activation, error);
}

/* ---- pools ---- */

/*
 * Averages of integers round halves away from zero: up those of uint8; of int8 as a signed number, which is a u8 of 128
 * here. Convolutions round halves to even, so an average is a convolution by equal weights in a depthwise one, whose sum is
 * moved a little into that direction, by less than half of the distance between two averages: uint8 by 1 / (4 n), int8 by
 * the 2^-14th part of the number. False: that cannot be said in integers, or the window has padding.
 */
#define POOL_WEIGHT   64
#define POOL_LARGEST  64 /* numbers of a window */
#define POOL_FRACTION 16384

static bool find_shift(
    const struct tf2__lite_tensor *x, const struct tf2__quant *quant, int64_t n, int32_t *bias, float *scale)
{
    if (n > POOL_LARGEST)
        return false;
    const int64_t away = (quant->zero_point - 128) * n * POOL_WEIGHT;
    *bias = POOL_WEIGHT / 4;
    *scale = (float)(1.0 / (double)(POOL_WEIGHT * n));
    if (x->type == TF2__LITE_UINT8)
        return true;
    *bias = (int32_t)(away / POOL_FRACTION);
    *scale = (float)((1 + 1.0 / POOL_FRACTION) / (double)(POOL_WEIGHT * n));
    return away % POOL_FRACTION == 0;
}

/* A constant of equal integers. */
static enum tf2_status add_equal(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const char *suffix, const struct tf2_shape *shape,
    int32_t value, float scale, tf2_tensor_id *id, struct tf2_error *error)
{
    const int64_t n = tf2_shape_count(shape);
    struct tf2__steps *steps = tf2__arena_alloc(&lite->graph->arena, 1, sizeof(*steps));
    void *data, *step, *scales;
    char name[1024];
    TF2__TRY(tf2__lite_alloc(lite, n, sizeof(float), &data, error));
    TF2__TRY(tf2__lite_alloc(lite, n, sizeof(int32_t), &step, error));
    TF2__TRY(tf2__lite_alloc(lite, 1, sizeof(float), &scales, error));
    if (!steps)
        return tf2__fail_memory(error, sizeof(*steps), "a quantized constant");
    for (int64_t i = 0; i < n; i++) {
        ((int32_t *)step)[i] = value;
        ((float *)data)[i] = (float)value * scale;
    }
    *(float *)scales = scale;
    *steps = (struct tf2__steps){.step = step, .scale = scales, .n_scales = 1};
    tf2__lite_name(lite, op->label, suffix, name);
    TF2__TRY(tf2__graph_adopt_constant(lite->graph, name, TF2_DTYPE_F32, shape, data, id, error));
    lite->graph->tensors[*id].steps = steps;
    return TF2_OK;
}

/* The pool as a convolution; *done: it is one now. */
static enum tf2_status average_integers(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const struct tf2_window *window, tf2_tensor_id x,
    uint8_t activation, bool *done, struct tf2_error *error)
{
    const struct tf2__lite_tensor *from = tf2__lite_in(lite, op, 0), *to = tf2__lite_out(lite, op, 0);
    const int64_t channels = lite->graph->tensors[x].shape.dim[1],
                  n = (int64_t)window->kernel[0] * window->kernel[1];
    const struct tf2_shape weights = {
        .n_dims = 4, .dim = {channels, 1, window->kernel[0], window->kernel[1]}};
    const struct tf2_shape biases = {.n_dims = 1, .dim = {channels}};
    struct tf2_conv_attr attr = {.window = *window, .group = (int32_t)channels};
    struct tf2__quant quant, out_quant;
    tf2_tensor_id in[3] = {x};
    int32_t bias;
    float scale;
    *done = false;
    if (window->auto_pad != TF2_AUTO_PAD_VALID || !tf2__lite_is_quantized(from) ||
        !tf2__lite_is_quantized(to))
        return TF2_OK;
    TF2__TRY(tf2__lite_quant(lite, from, &quant, error));
    TF2__TRY(tf2__lite_quant(lite, to, &out_quant, error));
    if (!tf2__quant_equal(&quant, &out_quant) || !find_shift(from, &quant, n, &bias, &scale))
        return TF2_OK;
    *done = true;
    memset(attr.window.kernel, 0, sizeof(attr.window.kernel));
    attr.window.dilation[0] = attr.window.dilation[1] = 1;
    TF2__TRY(add_equal(lite, op, "weights", &weights, POOL_WEIGHT, scale, &in[1], error));
    TF2__TRY(add_equal(lite, op, "bias", &biases, bias, quant.scale * scale, &in[2], error));
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_CONV, &attr, in, 3, activation, error);
}

/* An average's divisor does not count padding. */
enum tf2_status
tf2__lite_convert_pool(struct tf2__lite *lite, const struct tf2__lite_op *op, struct tf2_error *error)
{
    struct tf2_pool_attr attr = {.kind = op->code == CODE_MAX_POOL_2D ? TF2_POOL_MAX : TF2_POOL_AVG};
    struct tf2_window *window = &attr.window;
    tf2_tensor_id in;
    TF2__TRY(set_padding(tf2__fb_u8(&lite->fb, &op->options, 0, 0), window, error));
    TF2__TRY(read_extent(lite, op, 2, 0, "stride", &window->stride[0], error));
    TF2__TRY(read_extent(lite, op, 1, 0, "stride", &window->stride[1], error));
    TF2__TRY(read_extent(lite, op, 4, 0, "filter height", &window->kernel[0], error));
    TF2__TRY(read_extent(lite, op, 3, 0, "filter width", &window->kernel[1], error));
    TF2__TRY(tf2__lite_want(lite, op, 0, true, &in, error));
    const uint32_t rank = lite->graph->tensors[in].shape.n_dims;
    if (rank != 2 + N_SPATIAL)
        return tf2__fail(error, TF2_ERR_SHAPE, "input of %u dimensions, wanted 4", rank);
    const uint8_t activation = tf2__fb_u8(&lite->fb, &op->options, 5, 0);
    bool done = false;
    if (attr.kind == TF2_POOL_AVG)
        TF2__TRY(average_integers(lite, op, window, in, activation, &done, error));
    if (done)
        return TF2_OK;
    return tf2__lite_emit(lite, op, 0, true, TF2_OP_POOL, &attr, &in, 1, activation, error);
}
