/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_conv.c: convolutions and inner products as offset tables (conv.cl, depthwise.cl).
 *
 * Tap table: element offsets relative to a pixel's base, in the order kernel positions, then channels
 * (ascending addresses in a channels-last map). Pixel table: input base, output offset, residual offset of
 * every output pixel. Weights: [block][tap][R * VW], zero beyond the last channel, so every block costs the
 * same.
 */
#include "runtime/cl/internal.h"

#include <math.h>
#include <stdio.h>

#include "transform/op/window.h"

/* Work items that each part of a divided launch gets at least, if there are so many: half an item is what shares
 * can differ by. */
#define ITEMS_PER_PART 12

/* What a strip of tiles should at least cost, in multiply-accumulates: a launch of a work item takes some 30 ns. */
#define STRIP_MACS 200000

static uint32_t input_or_none(const struct tf2__step *step, uint32_t k)
{
    return k < step->n_in ? step->in[k] : TF2_NO_TENSOR;
}

void tf2__cl_conv_describe(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_conv *p)
{
    const struct tf2_conv_attr *attr = step->node->attr;
    const struct tf2_shape *weights = &plan->tensors[step->in[1]].shape;
    struct tf2__window_dim dims[TF2_MAX_SPATIAL];
    uint32_t n = 0;
    memset(p, 0, sizeof(*p));
    /* Cannot fail: the shapes were inferred with it. */
    (void)tf2__conv_resolve(attr, &plan->tensors[step->in[0]].shape, weights, dims, &n, NULL);
    for (uint32_t d = 0; d < 3; d++) {
        p->window[d].kernel = p->window[d].stride = p->window[d].dilation = 1;
        if (d + n < 3)
            continue;
        p->window[d].kernel = dims[d + n - 3].kernel;
        p->window[d].stride = dims[d + n - 3].stride;
        p->window[d].dilation = dims[d + n - 3].dilation;
        p->window[d].pad_begin = dims[d + n - 3].pad_begin;
    }
    tf2__cl_map_of(plan, step->in[0], &p->x);
    tf2__cl_map_of(plan, step->out, &p->y);
    p->has_add = input_or_none(step, 3) != TF2_NO_TENSOR;
    if (p->has_add)
        tf2__cl_map_of(plan, step->in[3], &p->add);
    p->room = plan->tensors[step->out].room;
    p->groups = attr->group ? attr->group : 1;
    p->in_per_group = p->x.c / p->groups;
    p->out_per_group = p->y.c / p->groups;
    p->n_pixels = p->y.n * p->y.dim[0] * p->y.dim[1] * p->y.dim[2];
    p->n_taps = p->in_per_group * p->window[0].kernel * p->window[1].kernel * p->window[2].kernel;
}

static int64_t map_offset(const struct tf2__cl_map_view *m, int64_t n, int64_t d, int64_t h, int64_t w)
{
    return n * m->stride_n + d * m->stride[0] + h * m->stride[1] + w * m->stride[2];
}

void tf2__cl_conv_pixels(const struct tf2__cl_conv *p, cl_int *table)
{
    cl_int *in = table, *out = table + p->n_pixels, *add = out + p->n_pixels;
    for (int64_t n = 0; n < p->y.n; n++) {
        for (int64_t d = 0; d < p->y.dim[0]; d++) {
            for (int64_t h = 0; h < p->y.dim[1]; h++) {
                for (int64_t w = 0; w < p->y.dim[2]; w++) {
                    *in++ = (cl_int)map_offset(
                        &p->x, n, d * p->window[0].stride - p->window[0].pad_begin,
                        h * p->window[1].stride - p->window[1].pad_begin,
                        w * p->window[2].stride - p->window[2].pad_begin);
                    *out++ = (cl_int)(p->y_at + map_offset(&p->y, n, d, h, w));
                    *add++ = (cl_int)(p->has_add ? map_offset(&p->add, n, d, h, w) : 0);
                }
            }
        }
    }
}

static void fill_taps(const struct tf2__cl_conv *p, cl_int *taps)
{
    for (int64_t d = 0; d < p->window[0].kernel; d++) {
        for (int64_t h = 0; h < p->window[1].kernel; h++) {
            for (int64_t w = 0; w < p->window[2].kernel; w++) {
                int64_t at = map_offset(
                    &p->x, 0, d * p->window[0].dilation, h * p->window[1].dilation,
                    w * p->window[2].dilation);
                for (int64_t c = 0; c < p->in_per_group; c++)
                    *taps++ = (cl_int)(at + c * p->x.stride_c);
            }
        }
    }
}

/* In the order of a row of weights: channels, then kernel positions. */
void tf2__cl_conv_inputs(const struct tf2__cl_conv *p, cl_int *offsets)
{
    int64_t position = 0, n_positions = p->n_taps / p->in_per_group;
    for (int64_t d = 0; d < p->window[0].kernel; d++) {
        for (int64_t h = 0; h < p->window[1].kernel; h++) {
            for (int64_t w = 0; w < p->window[2].kernel; w++, position++) {
                int64_t at = map_offset(
                    &p->x, 0, d * p->window[0].dilation, h * p->window[1].dilation,
                    w * p->window[2].dilation);
                for (int64_t c = 0; c < p->in_per_group; c++)
                    offsets[c * n_positions + position] = (cl_int)(at + c * p->x.stride_c);
            }
        }
    }
}

static enum tf2_status
make_tables(struct tf2__cl_build *build, const struct tf2__cl_conv *p, uint32_t *taps, uint32_t *pixels)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, p->n_taps, taps, &data));
    fill_taps(p, data);
    TF2__TRY(tf2__cl_buffer_unmap(build, *taps, data));
    TF2__TRY(tf2__cl_buffer_map(build, 3 * p->n_pixels, pixels, &data));
    tf2__cl_conv_pixels(p, data);
    return tf2__cl_buffer_unmap(build, *pixels, data);
}

/* weights [O, I, taps per channel]: one block row of `lanes` output channels from `channel` on. */
static void pack_block(
    const struct tf2__cl_conv *p, const float *weights, int64_t channel, int64_t n_valid, int64_t lanes,
    float *packed)
{
    int64_t n_positions = p->n_taps / p->in_per_group;
    for (int64_t j = 0; j < n_positions; j++) {
        for (int64_t c = 0; c < p->in_per_group; c++, packed += lanes) {
            const float *from = weights + channel * p->n_taps + c * n_positions + j;
            for (int64_t o = 0; o < lanes; o++)
                packed[o] = o < n_valid ? from[o * p->n_taps] : 0.0f;
        }
    }
}

static enum tf2_status pack_weights(
    struct tf2__cl_build *build, const struct tf2__cl_conv *p, const float *weights, const float *bias,
    int64_t lanes, uint32_t *weights_buffer, uint32_t *bias_buffer)
{
    int64_t blocks = tf2__ceil_div(p->out_per_group, lanes);
    void *packed, *packed_bias;
    TF2__TRY(tf2__cl_buffer_map(build, p->groups * blocks * lanes, bias_buffer, &packed_bias));
    for (int64_t i = 0; i < p->groups * blocks * lanes; i++) {
        int64_t channel = i % (blocks * lanes);
        bool valid = bias && channel < p->out_per_group;
        ((float *)packed_bias)[i] = valid ? bias[i / (blocks * lanes) * p->out_per_group + channel] : 0.0f;
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, *bias_buffer, packed_bias));
    TF2__TRY(tf2__cl_buffer_map(build, p->groups * blocks * p->n_taps * lanes, weights_buffer, &packed));
    for (int64_t g = 0; g < p->groups; g++) {
        for (int64_t b = 0; b < blocks; b++)
            pack_block(
                p, weights, g * p->out_per_group + b * lanes, p->out_per_group - b * lanes, lanes,
                (float *)packed + (g * blocks + b) * p->n_taps * lanes);
    }
    return tf2__cl_buffer_unmap(build, *weights_buffer, packed);
}

const float *tf2__cl_conv_bias(const struct tf2__plan *plan, const struct tf2__step *step)
{
    uint32_t bias = input_or_none(step, 2);
    return bias == TF2_NO_TENSOR ? NULL : plan->tensors[bias].data;
}

/* The kernels add a residual with adjacent channels; one of another order takes a launch of its own. */
static bool fuses_add(const struct tf2__cl_conv *p)
{
    return p->has_add && (p->add.stride_c == 1 || p->y.c == 1);
}

/* A ReLU is a clip; everything else keeps its number. What a separate residual precedes comes with it. */
void tf2__cl_arg_activation(
    struct tf2__cl_build *build, const struct tf2__cl_conv *p, const struct tf2_activation *activation)
{
    struct tf2_activation a = *activation;
    if (p->has_add && !fuses_add(p))
        a = (struct tf2_activation){0};
    if (a.kind == TF2_ACTIVATION_RELU)
        a = (struct tf2_activation){.kind = TF2_ACTIVATION_CLIP, .alpha = 0, .beta = INFINITY};
    tf2__cl_arg_int(build, a.kind);
    tf2__cl_arg_float(build, a.alpha);
    tf2__cl_arg_float(build, a.beta);
}

/* What the kernel itself does not do. */
enum tf2_status
tf2__cl_conv_finish(struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *p)
{
    if (!p->has_add || fuses_add(p))
        return TF2_OK;
    return tf2__cl_make_add(build, step->out, step->in[3], &step->node->activation);
}

enum tf2_status
tf2__cl_arg_residual(struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *p)
{
    if (fuses_add(p))
        return tf2__cl_arg_tensor(build, step->in[3]);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, -1);
    return TF2_OK;
}

/* --- conv.cl --- */

/*
 * The tile with the least padded work, weighed by what each reaches. Work beyond the last channel and the
 * last pixel is computed and thrown away.
 */
struct tf2__cl_tile tf2__cl_tile_best(
    const struct tf2__cl_tile *tiles, size_t n, int vector_width, int64_t n_pixels, int64_t out_per_group)
{
    struct tf2__cl_tile best = {0};
    double least = 0;
    for (size_t i = 0; i < n; i++) {
        if (tiles[i].pixels > n_pixels)
            continue;
        int64_t lanes = (int64_t)tiles[i].vectors * vector_width;
        double work =
            (double)(tf2__round_up(n_pixels, tiles[i].pixels) * tf2__round_up(out_per_group, lanes));
        if (best.pixels == 0 || work / tiles[i].efficiency < least) {
            best = tiles[i];
            least = work / tiles[i].efficiency;
        }
    }
    return best;
}

struct tf2__cl_tile tf2__cl_tile_choose(int vector_width, int64_t n_pixels, int64_t out_per_group)
{
    size_t n;
    const struct tf2__cl_tile *tiles = tf2__cl_tiles(vector_width, &n);
    return tf2__cl_tile_best(tiles, n, vector_width, n_pixels, out_per_group);
}

int64_t tf2__cl_strip(
    const struct tf2__plan *plan, const struct tf2__cl_tile *tile, int64_t lanes, int64_t n_taps, int64_t n_tiles,
    int64_t n_blocks)
{
    int64_t strip = STRIP_MACS / (tile->pixels * lanes * n_taps);
    if (plan->n_parts > 1)
        strip = TF2__MIN(strip, n_tiles * n_blocks / (ITEMS_PER_PART * (int64_t)plan->n_parts));
    return TF2__MIN(TF2__MAX(strip, 1), n_tiles);
}

void tf2__cl_conv_choose(
    const struct tf2__cl_device *device, const struct tf2__cl_conv *p, struct tf2__cl_conv_choice *choice)
{
    choice->tile = tf2__cl_tile_choose(device->vector_width, p->n_pixels, p->out_per_group);
    snprintf(
        choice->kernel, sizeof(choice->kernel), "conv_p%dr%d", choice->tile.pixels, choice->tile.vectors);
}

static enum tf2_status choose_conv(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
    const struct tf2__cl_conv *p, struct tf2_error *error)
{
    struct tf2__cl_conv_choice *choice = tf2__arena_alloc(&plan->arena, 1, sizeof(*choice));
    if (!choice)
        return tf2__fail_memory(error, sizeof(*choice), "a kernel choice");
    tf2__cl_conv_choose(device, p, choice);
    step->choice = choice;
    step->kernel = choice->kernel;
    return TF2_OK;
}

enum tf2_status tf2__cl_conv_launch(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *p,
    const struct tf2__cl_conv_choice *choice, const float *from)
{
    const struct tf2__plan *plan = build->plan;
    int64_t lanes = (int64_t)choice->tile.vectors * build->device->vector_width;
    int64_t blocks = tf2__ceil_div(p->out_per_group, lanes);
    int64_t n_tiles = tf2__ceil_div(p->n_pixels, choice->tile.pixels);
    int64_t strip = tf2__cl_strip(plan, &choice->tile, lanes, p->n_taps, n_tiles, p->groups * blocks);
    uint32_t taps, pixels, weights, bias;
    TF2__TRY(make_tables(build, p, &taps, &pixels));
    TF2__TRY(pack_weights(build, p, from, tf2__cl_conv_bias(plan, step), lanes, &weights, &bias));

    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_CONV, choice->kernel));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_equal_blocks(build, weights, p->n_taps * lanes * (int64_t)sizeof(float), p->groups * blocks));
    tf2__cl_arg_buffer(build, taps);
    tf2__cl_arg_int(build, p->n_taps);
    tf2__cl_arg_buffer(build, pixels);
    tf2__cl_arg_int(build, p->n_pixels);
    tf2__cl_arg_buffer(build, bias);
    TF2__TRY(tf2__cl_arg_residual(build, step, p));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_int(build, p->out_per_group == 1 && p->groups == 1 ? 1 : p->y.stride_c);
    tf2__cl_arg_int(build, p->out_per_group);
    tf2__cl_arg_int(build, p->out_per_group + (p->groups == 1 ? p->room : 0));
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, p->in_per_group * p->x.stride_c);
    tf2__cl_arg_int(build, strip);
    tf2__cl_arg_activation(build, p, &step->node->activation);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), p->groups * blocks);
    return tf2__cl_conv_finish(build, step, p);
}

static enum tf2_status conv_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
    struct tf2_error *error)
{
    struct tf2__cl_conv p;
    tf2__cl_conv_describe(plan, step, &p);
    return choose_conv(device, plan, step, &p, error);
}

static enum tf2_status conv_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct tf2__cl_conv p;
    tf2__cl_conv_describe(build->plan, step, &p);
    return tf2__cl_conv_launch(build, step, &p, step->choice, build->plan->tensors[step->in[1]].data);
}

const struct tf2__cl_row tf2__cl_row_conv = {
    .op = TF2_OP_CONV, .name = "conv", .choose = conv_choose, .make = conv_make};

/* --- inner products: rows are pixels, everything from `axis` on is taps --- */

void tf2__cl_gemm_describe(
    const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_conv *p, uint32_t *axis)
{
    const struct tf2_gemm_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]], *y = &plan->tensors[step->out];
    memset(p, 0, sizeof(*p));
    *axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)x->shape.n_dims : attr->axis);
    p->n_pixels = p->n_taps = p->groups = 1;
    for (uint32_t d = 0; d < x->shape.n_dims; d++)
        *(d < *axis ? &p->n_pixels : &p->n_taps) *= x->shape.dim[d];
    p->in_per_group = p->n_taps;
    p->out_per_group = plan->tensors[step->in[1]].shape.dim[0];
    p->y.stride_c = y->stride[*axis];
}

/* Offsets of all indices of dimensions first .. last-1, in logical order. */
static void
fill_offsets(const struct tf2__plan_tensor *t, uint32_t first, uint32_t last, int64_t n, cl_int *offsets)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, offset = 0;
        for (uint32_t d = last; d-- > first;) {
            offset += rest % t->shape.dim[d] * t->stride[d];
            rest /= t->shape.dim[d];
        }
        offsets[i] = (cl_int)offset;
    }
}

void tf2__cl_gemm_inputs(
    const struct tf2__plan *plan, const struct tf2__step *step, uint32_t axis, int64_t n, cl_int *offsets)
{
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]];
    fill_offsets(x, axis, x->shape.n_dims, n, offsets);
}

void tf2__cl_gemm_pixels(
    const struct tf2__plan *plan, const struct tf2__step *step, uint32_t axis, int64_t n, cl_int *table)
{
    fill_offsets(&plan->tensors[step->in[0]], 0, axis, n, table);
    fill_offsets(&plan->tensors[step->out], 0, axis, n, table + n);
    memset(table + 2 * n, 0, (size_t)n * sizeof(*table));
}

static enum tf2_status gemm_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
    struct tf2_error *error)
{
    struct tf2__cl_conv p;
    uint32_t axis;
    tf2__cl_gemm_describe(plan, step, &p, &axis);
    return choose_conv(device, plan, step, &p, error);
}

static enum tf2_status gemm_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__cl_conv_choice *choice = step->choice;
    const struct tf2__plan *plan = build->plan;
    struct tf2__cl_conv p;
    uint32_t axis, taps, pixels, weights, bias;
    void *data;
    tf2__cl_gemm_describe(plan, step, &p, &axis);
    int64_t lanes = (int64_t)choice->tile.vectors * build->device->vector_width;
    int64_t blocks = tf2__ceil_div(p.out_per_group, lanes);
    TF2__TRY(tf2__cl_buffer_map(build, p.n_taps, &taps, &data));
    tf2__cl_gemm_inputs(plan, step, axis, p.n_taps, data);
    TF2__TRY(tf2__cl_buffer_unmap(build, taps, data));
    TF2__TRY(tf2__cl_buffer_map(build, 3 * p.n_pixels, &pixels, &data));
    tf2__cl_gemm_pixels(plan, step, axis, p.n_pixels, data);
    TF2__TRY(tf2__cl_buffer_unmap(build, pixels, data));
    TF2__TRY(pack_weights(
        build, &p, plan->tensors[step->in[1]].data, tf2__cl_conv_bias(plan, step), lanes, &weights, &bias));

    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_CONV, choice->kernel));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_equal_blocks(build, weights, p.n_taps * lanes * (int64_t)sizeof(float), blocks));
    tf2__cl_arg_buffer(build, taps);
    tf2__cl_arg_int(build, p.n_taps);
    tf2__cl_arg_buffer(build, pixels);
    tf2__cl_arg_int(build, p.n_pixels);
    tf2__cl_arg_buffer(build, bias);
    TF2__TRY(tf2__cl_arg_residual(build, step, &p));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_int(build, p.out_per_group == 1 ? 1 : p.y.stride_c);
    tf2__cl_arg_int(build, p.out_per_group);
    tf2__cl_arg_int(build, p.out_per_group);
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, 0);
    tf2__cl_arg_int(build, 1);
    tf2__cl_arg_activation(build, &p, &step->node->activation);
    tf2__cl_launch_size(build, tf2__ceil_div(p.n_pixels, choice->tile.pixels), blocks);
    return tf2__cl_conv_finish(build, step, &p);
}

const struct tf2__cl_row tf2__cl_row_gemm = {
    .op = TF2_OP_GEMM, .name = "gemm", .choose = gemm_choose, .make = gemm_make};

/* --- depthwise.cl --- */

bool tf2__cl_is_depthwise(const struct tf2__cl_conv *p)
{
    return p->groups > 1 && p->in_per_group == 1 && p->out_per_group == 1 && p->x.stride_c == 1 &&
           p->y.stride_c == 1;
}

static bool depthwise_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_conv p;
    tf2__cl_conv_describe(plan, step, &p);
    return tf2__cl_is_depthwise(&p);
}

enum tf2_status tf2__cl_depthwise_launch(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2__cl_conv *p,
    const float *from)
{
    const int64_t tile = 4; /* P in depthwise.cl */
    const float *from_bias = tf2__cl_conv_bias(build->plan, step);
    uint32_t taps, pixels, weights, bias;
    void *data;
    int64_t row = tf2__round_up(p->groups, build->device->vector_width);
    int64_t n_tiles = tf2__ceil_div(p->n_pixels, tile);
    int64_t strip = TF2__MIN(TF2__MAX(STRIP_MACS / 8 / (tile * row * p->n_taps), 1), n_tiles);
    TF2__TRY(make_tables(build, p, &taps, &pixels));
    TF2__TRY(tf2__cl_buffer_map(build, p->n_taps * row, &weights, &data));
    for (int64_t j = 0; j < p->n_taps; j++) {
        for (int64_t c = 0; c < row; c++)
            ((float *)data)[j * row + c] = c < p->groups ? from[c * p->n_taps + j] : 0.0f;
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, weights, data));
    TF2__TRY(tf2__cl_buffer_map(build, row, &bias, &data));
    for (int64_t c = 0; c < row; c++)
        ((float *)data)[c] = from_bias && c < p->groups ? from_bias[c] : 0.0f;
    TF2__TRY(tf2__cl_buffer_unmap(build, bias, data));

    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_DEPTHWISE, "depthwise"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    tf2__cl_arg_buffer(build, weights);
    tf2__cl_arg_buffer(build, taps);
    tf2__cl_arg_int(build, p->n_taps);
    tf2__cl_arg_buffer(build, pixels);
    tf2__cl_arg_int(build, p->n_pixels);
    tf2__cl_arg_buffer(build, bias);
    TF2__TRY(tf2__cl_arg_residual(build, step, p));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_int(build, p->groups);
    tf2__cl_arg_int(build, p->groups + p->room);
    tf2__cl_arg_int(build, strip);
    tf2__cl_arg_activation(build, p, &step->node->activation);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), 1);
    return tf2__cl_conv_finish(build, step, p);
}

static enum tf2_status depthwise_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct tf2__cl_conv p;
    tf2__cl_conv_describe(build->plan, step, &p);
    return tf2__cl_depthwise_launch(build, step, &p, build->plan->tensors[step->in[1]].data);
}

const struct tf2__cl_row tf2__cl_row_depthwise = {
    .op = TF2_OP_CONV, .name = "depthwise", .fits = depthwise_fits, .make = depthwise_make};
