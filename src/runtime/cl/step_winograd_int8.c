/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_winograd_int8.c: 3x3 convolutions of stride 1 by Winograd's minimal filtering in integers
 * (winograd_int8.cl), for AVX2, which multiplies 16-bit numbers anyway, and for VNNI, where that takes twice as
 * long as bytes.
 *
 * Exact as long as no sum of an output leaves a range that depends on the tile size: that is seen from the weights.
 * Strips as in step_winograd.c.
 */
#include "runtime/cl/conv_int8.h"

#include <stdio.h>

/* Transformed input and products of a strip should stay below this many bytes, a part of a second level cache; more
 * where the weights, which every strip reads, are larger. */
#define STRIP_BYTES (512 * 1024)
/* An odd number of cache lines between points of v (16-bit numbers) and between tiles of m (32-bit numbers), so that
 * what is stored one after the other does not fall on the same cache sets. */
#define POINT_PADDING 32
#define TILE_PADDING  16
/* What conv_int8.cl calls an output that is the sums. */
#define SUMS 2

struct tf2__cl_winograd_int8 {
    enum tf2__cl_dot dot;
    int64_t tile;   /* T of winograd_int8.cl */
    int64_t points; /* (T + 2)^2 */
    int64_t n_tiles;
    int64_t strip, n_strips;           /* tiles per strip */
    int64_t in_channels, out_channels; /* padded to vectors: 16, and what a vector of sums has */
    int64_t n_taps;                    /* pairs of input channels */
    int64_t point_stride, tile_stride; /* of v, of m */
    struct tf2__cl_tile product;
    char product_kernel[32];
};

/* --- is it exact, is it worth it? --- */

/* The largest magnitude that a sum of inputs (0 to 255) times the weights of one output channel can have. */
static int64_t largest_sum(const int8_t *weights, int64_t n_out, int64_t n_inputs)
{
    int64_t largest = 0;
    for (int64_t o = 0; o < n_out; o++, weights += n_inputs) {
        int64_t positive = 0, negative = 0;
        for (int64_t i = 0; i < n_inputs; i++)
            *(weights[i] < 0 ? &negative : &positive) += weights[i];
        largest = TF2__MAX(largest, 255 * TF2__MAX(positive, -negative));
    }
    return largest;
}

static bool is_exact(int64_t tile, int64_t sum)
{
    return sum < (int64_t)1 << (tile == 4 ? 25 : 29);
}

static int64_t count_tiles(const struct tf2__cl_conv *conv, int64_t tile)
{
    return conv->y.n * tf2__ceil_div(conv->y.dim[1], tile) * tf2__ceil_div(conv->y.dim[2], tile);
}

static struct tf2__cl_tile choose_product(enum tf2__cl_dot dot, int64_t n_pixels, int64_t n_out)
{
    size_t n;
    const struct tf2__cl_tile *tiles = tf2__cl_tiles_int8(dot, &n);
    return tf2__cl_tile_best(tiles, n, tf2__cl_dot_lanes(dot, 0), n_pixels, n_out);
}

/*
 * Costs in multiply-accumulates of direct convolution at the speed of large layers, fitted to the layers of
 * SqueezeNet, GoogLeNet and ResNet-50 on a Zen 5 core: of a product, where loops are long; of each number that is
 * transformed, in and out; of a byte of weights from memory.
 */
static const struct {
    double product, in, out, stream;
} costs[] = {
    [TF2__CL_DOT_AVX2] = {1, 2, 6, 5},
    [TF2__CL_DOT_VNNI] = {2, 52, 52, 20},
};

/* Weights (bytes) that do not stay in a cache come from memory. */
static double stream_cost(enum tf2__cl_dot dot, double bytes)
{
    return bytes > (2 << 20) ? (bytes - (2 << 20)) * costs[dot].stream : 0;
}

static double cost(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv, int64_t tile)
{
    const int64_t n_tiles = count_tiles(conv, tile);
    const double points = (double)((tile + 2) * (tile + 2)), in = (double)conv->x.c, out = (double)conv->y.c;
    const struct tf2__cl_tile product = choose_product(dot, n_tiles, conv->y.c);
    const double padded = (double)tf2__round_up(n_tiles, product.pixels) *
                          (double)tf2__round_up(conv->y.c, product.vectors * tf2__cl_dot_lanes(dot, 0));
    const double products = padded * points * in * (1 + 8 / in) * costs[dot].product;
    const double transforms = (double)n_tiles * points * (in * costs[dot].in + out * costs[dot].out);
    return products + transforms + stream_cost(dot, 2 * points * in * out);
}

static double direct_cost(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv)
{
    double weights = (double)(conv->n_taps * conv->y.c);
    return (double)conv->n_pixels * weights + stream_cost(dot, weights * (dot == TF2__CL_DOT_AVX2 ? 2 : 1));
}

/* 4, 2, or 0: direct convolution. VNNI: F(2x2) has 4 / 9 of the products at half the rate, which transforms eat up. */
static int64_t choose_tile_size(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv, const int8_t *weights)
{
    double least = direct_cost(dot, conv);
    int64_t best = 0, sum = largest_sum(weights, conv->y.c, conv->n_taps);
    for (int64_t tile = dot == TF2__CL_DOT_VNNI ? 4 : 2; tile <= 4; tile += 2) {
        if (is_exact(tile, sum) && cost(dot, conv, tile) < least) {
            best = tile;
            least = cost(dot, conv, tile);
        }
    }
    return best;
}

enum tf2_status tf2__cl_winograd_int8_choose(
    enum tf2__cl_dot dot, struct tf2__plan *plan, struct tf2__step *step, const struct tf2__cl_job *job,
    const struct tf2__cl_winograd_int8 **choice, const char **kernel, struct tf2_error *error)
{
    const struct tf2__cl_conv *conv = &job->conv;
    *choice = NULL;
    /* With VNNI it gains little, which three launches to meet at take away. */
    if (dot == TF2__CL_DOT_VNNI && plan->n_parts > 1)
        return TF2_OK;
    if (step->node->op->id != TF2_OP_CONV || !tf2__cl_winograd_applies(conv))
        return TF2_OK;
    int64_t tile = choose_tile_size(dot, conv, plan->tensors[step->in[1]].data);
    if (tile == 0)
        return TF2_OK;
    struct tf2__cl_winograd_int8 *c = tf2__arena_alloc(&plan->arena, 1, sizeof(*c));
    if (!c)
        return tf2__fail_memory(error, sizeof(*c), "a kernel choice");
    c->dot = dot;
    c->tile = tile;
    c->points = (tile + 2) * (tile + 2);
    c->n_tiles = count_tiles(conv, tile);
    c->in_channels = tf2__round_up(conv->x.c, 16);
    c->out_channels = tf2__round_up(conv->y.c, tf2__cl_dot_lanes(dot, 0));
    c->n_taps = tf2__ceil_div(conv->x.c, 2);
    int64_t tile_bytes = c->points * (2 * c->in_channels + 4 * c->out_channels);
    int64_t weights_bytes = 2 * c->points * c->in_channels * c->out_channels;
    int64_t most = TF2__MAX(STRIP_BYTES, weights_bytes + weights_bytes / 2) / tile_bytes;
    c->n_strips = tf2__ceil_div(c->n_tiles, TF2__MAX(most, TF2__MIN(c->n_tiles, 12)));
    c->strip = tf2__ceil_div(c->n_tiles, c->n_strips);
    c->point_stride = c->strip * c->in_channels + POINT_PADDING;
    c->tile_stride = c->points * c->out_channels + TILE_PADDING;
    c->product = choose_product(dot, c->strip, c->out_channels);
    snprintf(
        c->product_kernel, sizeof(c->product_kernel), "conv_int8_p%dr%d", c->product.pixels, c->product.vectors);
    step->scratch_bytes = 2 * c->points * c->point_stride + c->strip * c->tile_stride * 4;
    *choice = c;
    *kernel = tile == 4 ? "winograd_int8_4" : "winograd_int8_2";
    return TF2_OK;
}

/* --- weights: U = G g G^T, all fractions multiplied out --- */

static void transform_row(int64_t tile, const int32_t *g, int64_t stride, int32_t *u, int64_t u_stride)
{
    const int32_t g0 = g[0], g1 = g[stride], g2 = g[2 * stride];
    if (tile == 2) {
        u[0] = 2 * g0;
        u[u_stride] = g0 + g1 + g2;
        u[2 * u_stride] = g0 - g1 + g2;
        u[3 * u_stride] = 2 * g2;
        return;
    }
    u[0] = 6 * g0;
    u[u_stride] = -4 * (g0 + g1 + g2);
    u[2 * u_stride] = -4 * (g0 - g1 + g2);
    u[3 * u_stride] = g0 + 2 * g1 + 4 * g2;
    u[4 * u_stride] = g0 - 2 * g1 + 4 * g2;
    u[5 * u_stride] = 12 * g2; /* the inverse has the other 2 */
}

static void transform_weights(int64_t tile, const int8_t *g, int32_t *u)
{
    int32_t rows[6 * 3], kernel[9];
    int64_t n = tile + 2;
    for (int i = 0; i < 9; i++)
        kernel[i] = g[i];
    for (int64_t j = 0; j < 3; j++)
        transform_row(tile, kernel + j, 3, rows + j, 3);
    for (int64_t i = 0; i < n; i++)
        transform_row(tile, rows + 3 * i, 1, u + n * i, 1);
}

/* [point][block][pair of input channels][lanes][2], as conv_int8.cl reads groups. */
static enum tf2_status pack(
    struct tf2__cl_build *build, const struct tf2__cl_winograd_int8 *c, const struct tf2__cl_job *job,
    int64_t lanes, uint32_t *buffer)
{
    const struct tf2__cl_conv *conv = &job->conv;
    const int8_t *weights = build->plan->tensors[job->step->in[1]].data;
    int64_t per_point = tf2__round_up(c->out_channels, lanes) * c->n_taps * 2;
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, c->points * per_point / 2, buffer, &data));
    memset(data, 0, (size_t)(c->points * per_point) * sizeof(int16_t));
    for (int64_t o = 0; o < conv->y.c; o++) {
        for (int64_t i = 0; i < conv->x.c; i++) {
            int32_t u[36];
            transform_weights(c->tile, weights + (o * conv->x.c + i) * 9, u);
            int16_t *to = (int16_t *)data + ((o / lanes * c->n_taps + i / 2) * lanes + o % lanes) * 2 + i % 2;
            for (int64_t point = 0; point < c->points; point++)
                to[point * per_point] = (int16_t)u[point];
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* What the products read and write: taps are pairs of channels, pixels the tiles of a strip. */
static enum tf2_status make_product_tables(
    struct tf2__cl_build *build, const struct tf2__cl_winograd_int8 *c, uint32_t *taps, uint32_t *pixels)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, c->n_taps, taps, &data));
    for (int64_t i = 0; i < c->n_taps; i++)
        ((cl_int *)data)[i] = (cl_int)(2 * i);
    TF2__TRY(tf2__cl_buffer_unmap(build, *taps, data));
    TF2__TRY(tf2__cl_buffer_map(build, 3 * c->strip, pixels, &data));
    for (int64_t i = 0; i < c->strip; i++) {
        ((cl_int *)data)[i] = (cl_int)(i * c->in_channels);
        ((cl_int *)data)[c->strip + i] = (cl_int)(i * c->tile_stride);
        ((cl_int *)data)[2 * c->strip + i] = 0;
    }
    return tf2__cl_buffer_unmap(build, *pixels, data);
}

/* --- launches --- */

struct parts {
    const struct tf2__cl_job *job;
    const struct tf2__cl_winograd_int8 *c;
    uint32_t tiles, taps, pixels, weights, zeros, bias, scale;
    int64_t lanes, v, m; /* scratch offsets, in their own elements */
};

static enum tf2_status transform_in(struct tf2__cl_build *build, const struct parts *p, int64_t first)
{
    const struct tf2__cl_conv *conv = &p->job->conv;
    TF2__TRY(tf2__cl_launch_begin(
        build, TF2__CL_WINOGRAD_INT8, p->c->tile == 4 ? "winograd_int8_in_4" : "winograd_int8_in_2"));
    TF2__TRY(tf2__cl_arg_tensor(build, p->job->step->in[0]));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, conv->x.c);
    tf2__cl_arg_int(build, conv->x.stride[1]);
    tf2__cl_arg_int(build, conv->x.stride[2]);
    tf2__cl_arg_int(build, p->c->point_stride);
    tf2__cl_launch_size(build, p->c->strip, 1);
    return TF2_OK;
}

static enum tf2_status products(struct tf2__cl_build *build, const struct parts *p)
{
    const struct tf2__cl_winograd_int8 *c = p->c;
    int64_t blocks = tf2__ceil_div(c->out_channels, p->lanes);
    int64_t n_tiles = tf2__ceil_div(c->strip, c->product.pixels);
    int64_t strip = tf2__cl_strip(build->plan, &c->product, p->lanes, 2 * c->n_taps, n_tiles, c->points * blocks);
    TF2__TRY(tf2__cl_launch_begin(
        build, c->dot == TF2__CL_DOT_AVX2 ? TF2__CL_CONV_INT8 : TF2__CL_CONV_WORDS, c->product_kernel));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    TF2__TRY(tf2__cl_arg_equal_blocks(build, p->weights, c->n_taps * p->lanes * 4, c->points * blocks));
    tf2__cl_arg_buffer(build, p->taps);
    tf2__cl_arg_int(build, c->n_taps);
    tf2__cl_arg_buffer(build, p->pixels);
    tf2__cl_arg_int(build, c->strip);
    tf2__cl_arg_buffer(build, p->zeros);
    tf2__cl_arg_buffer(build, p->zeros);
    tf2__cl_arg_arena(build); /* no residual */
    tf2__cl_arg_int(build, -1);
    tf2__cl_arg_int(build, 0);
    tf2__cl_arg_float(build, 0);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->m);
    tf2__cl_arg_int(build, 1);
    tf2__cl_arg_int(build, SUMS);
    tf2__cl_arg_int(build, c->out_channels);
    tf2__cl_arg_int(build, c->out_channels);
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, c->point_stride);
    tf2__cl_arg_int(build, strip);
    tf2__cl_arg_float(build, 0);
    tf2__cl_arg_float(build, 0);
    tf2__cl_arg_int(build, 0);
    tf2__cl_arg_int(build, 0);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), c->points * blocks);
    return TF2_OK;
}

static enum tf2_status transform_out(struct tf2__cl_build *build, const struct parts *p, int64_t first)
{
    const struct tf2__cl_conv *conv = &p->job->conv;
    TF2__TRY(tf2__cl_launch_begin(
        build, TF2__CL_WINOGRAD_INT8, p->c->tile == 4 ? "winograd_int8_out_4" : "winograd_int8_out_2"));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->m);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, p->c->out_channels);
    tf2__cl_arg_int(build, p->c->tile_stride);
    tf2__cl_arg_buffer(build, p->bias);
    tf2__cl_arg_buffer(build, p->scale);
    TF2__TRY(tf2__cl_job_arg_add(build, p->job));
    TF2__TRY(tf2__cl_arg_tensor(build, p->job->step->out));
    tf2__cl_arg_int(build, tf2__cl_job_is_float(build, p->job));
    tf2__cl_arg_int(build, conv->y.c + p->job->room);
    tf2__cl_arg_int(build, conv->y.stride[1]);
    tf2__cl_arg_int(build, conv->y.stride[2]);
    tf2__cl_arg_int(build, conv->add.stride[1]);
    tf2__cl_arg_int(build, conv->add.stride[2]);
    tf2__cl_job_arg_bounds(build, p->job);
    tf2__cl_launch_size(build, p->c->strip, 1);
    return TF2_OK;
}

static enum tf2_status make_zeros(struct tf2__cl_build *build, int64_t n, uint32_t *buffer)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, n, buffer, &data));
    memset(data, 0, (size_t)n * sizeof(cl_int));
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

enum tf2_status tf2__cl_winograd_int8_make(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_winograd_int8 *c)
{
    struct parts p = {.job = job, .c = c};
    const int64_t lanes = tf2__cl_dot_lanes(c->dot, 0);
    p.lanes = c->product.vectors * lanes;
    p.v = job->step->scratch_at / 2;
    p.m = (job->step->scratch_at + 2 * c->points * c->point_stride) / 4;
    TF2__TRY(tf2__cl_winograd_tiles(build, &job->conv, c->tile, &p.tiles));
    TF2__TRY(make_product_tables(build, c, &p.taps, &p.pixels));
    TF2__TRY(pack(build, c, job, p.lanes, &p.weights));
    TF2__TRY(make_zeros(build, c->points * tf2__round_up(c->out_channels, p.lanes), &p.zeros));
    TF2__TRY(tf2__cl_job_channels(build, job, lanes, false, &p.bias, &p.scale));
    for (int64_t i = 0; i < c->n_strips; i++) {
        int64_t first = TF2__MIN(i * c->strip, c->n_tiles - c->strip);
        TF2__TRY(transform_in(build, &p, first));
        TF2__TRY(products(build, &p));
        TF2__TRY(transform_out(build, &p, first));
    }
    return TF2_OK;
}
