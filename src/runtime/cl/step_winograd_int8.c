/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_winograd_int8.c: 3x3 convolutions of stride 1 by Winograd's minimal filtering in integers
 * (winograd_int8.cl), for AVX2, which multiplies 16-bit numbers anyway, and for VNNI, where that takes twice as
 * long as bytes.
 *
 * Exact as long as no sum of an output leaves a range that depends on the tile size: that is seen from the weights.
 * Strips as in step_winograd.c, but the last one may be smaller.
 */
#include "runtime/cl/conv_int8.h"

#include <math.h>

/* The transformed input of a strip should stay in a second level cache, beside a block of weights. */
#define STRIP_BYTES (512 * 1024)
/* An odd number of cache lines between points of v, so that what is stored one after the other does not fall on the same
 * cache sets. */
#define POINT_PADDING 32

struct strips {
    int64_t n_tiles;  /* of the layer */
    int64_t tiles, n; /* tiles of a strip, strips; the last one may have fewer */
    int64_t channels; /* of the input, padded to what is transformed together */
};

struct tf2__cl_winograd_int8 {
    enum tf2__cl_dot dot;
    int64_t tile;   /* T of winograd_int8.cl */
    int64_t points; /* (T + 2)^2 */
    struct strips strips;
    int64_t n_taps;       /* pairs of input channels */
    int64_t point_stride; /* of v */
    int64_t lanes;        /* output channels of a block */
    struct tf2__cl_tile product;
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

static struct strips cut_strips(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv, int64_t tile)
{
    struct strips s = {
        .n_tiles = conv->y.n * tf2__ceil_div(conv->y.dim[1], tile) * tf2__ceil_div(conv->y.dim[2], tile),
        .channels = tf2__round_up(conv->x.c, 2 * tf2__cl_dot_lanes(dot, 0))};
    const int64_t bytes = s.n_tiles * (tile + 2) * (tile + 2) * s.channels * 2;
    s.tiles = tf2__ceil_div(s.n_tiles, tf2__ceil_div(bytes, STRIP_BYTES));
    s.n = tf2__ceil_div(s.n_tiles, s.tiles);
    return s;
}

/*
 * Costs in multiply-accumulates of direct convolution at the speed of large layers, fitted to the layers of
 * SqueezeNet, GoogLeNet and ResNet-50 on a Zen 5 core: of a product, where loops are long; of each number that is
 * transformed, in and out; of a byte of transformed weights, which every strip reads.
 */
static const struct {
    double product, in, out, weight;
} costs[] = {
    [TF2__CL_DOT_AVX2] = {1, 2, 6, 3},
    [TF2__CL_DOT_VNNI] = {2, 10, 16, 4},
};

static double cost(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv, int64_t tile)
{
    const struct strips strips = cut_strips(dot, conv, tile);
    const double points = (double)((tile + 2) * (tile + 2)), in = (double)conv->x.c, out = (double)conv->y.c;
    const struct tf2__cl_tile product = tf2__cl_winograd_int8_tile(dot);
    const int64_t groups = tf2__ceil_div(strips.tiles, product.pixels);
    const double padded = (double)(strips.n * TF2__MAX(strips.tiles, groups * (product.pixels - 1))) *
                          (double)tf2__round_up(conv->y.c, product.vectors * tf2__cl_dot_lanes(dot, 0));
    const double products = padded * points * in * (1 + 8 / in) * costs[dot].product;
    const double transforms = (double)strips.n_tiles * points * (in * costs[dot].in + out * costs[dot].out);
    return products + transforms + (double)strips.n * 2 * points * in * out * costs[dot].weight;
}

/* Weights that do not stay in a cache come from memory. */
static double direct_cost(enum tf2__cl_dot dot, const struct tf2__cl_conv *conv)
{
    const double weights = (double)(conv->n_taps * conv->y.c);
    const double bytes = weights * (dot == TF2__CL_DOT_AVX2 ? 2 : 1);
    return (double)conv->n_pixels * weights + fmax(bytes - (2 << 20), 0) * costs[dot].weight;
}

/*
 * With VNNI, where they are read fastest, transformed weights must come from the last level cache, in which those of the
 * other layers have to fit too. With 32 MiB of it, a layer of 3.7 MB gained 16 %, one of 4.7 MB 8 %, and at times, when
 * others used the cache, nothing.
 */
static bool stays_in_cache(const struct tf2__cl_device *device, const struct tf2__cl_conv *conv, int64_t tile)
{
    const int64_t bytes = 2 * (tile + 2) * (tile + 2) * conv->x.c * conv->y.c;
    return device->dot != TF2__CL_DOT_VNNI || bytes <= device->cache_bytes / 8;
}

/* 4, 2, or 0: direct convolution. VNNI: F(2x2) has 4 / 9 of the products at half the rate, which transforms eat up. */
static int64_t
choose_tile_size(const struct tf2__cl_device *device, const struct tf2__cl_conv *conv, const int8_t *weights)
{
    const enum tf2__cl_dot dot = device->dot;
    double least = direct_cost(dot, conv);
    int64_t best = 0, sum = largest_sum(weights, conv->y.c, conv->n_taps);
    for (int64_t tile = dot == TF2__CL_DOT_VNNI ? 4 : 2; tile <= 4; tile += 2) {
        if (is_exact(tile, sum) && stays_in_cache(device, conv, tile) && cost(dot, conv, tile) < least) {
            best = tile;
            least = cost(dot, conv, tile);
        }
    }
    return best;
}

enum tf2_status tf2__cl_winograd_int8_choose(
    const struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
    const struct tf2__cl_job *job, const struct tf2__cl_winograd_int8 **choice, const char **kernel,
    struct tf2_error *error)
{
    const struct tf2__cl_conv *conv = &job->conv;
    const enum tf2__cl_dot dot = device->dot;
    *choice = NULL;
    if (dot != TF2__CL_DOT_AVX2 && dot != TF2__CL_DOT_VNNI)
        return TF2_OK;
    if (step->node->op->id != TF2_OP_CONV || !tf2__cl_winograd_applies(conv))
        return TF2_OK;
    int64_t tile = choose_tile_size(device, conv, plan->tensors[step->in[1]].data);
    if (tile == 0)
        return TF2_OK;
    struct tf2__cl_winograd_int8 *c = tf2__arena_alloc(&plan->arena, 1, sizeof(*c));
    if (!c)
        return tf2__fail_memory(error, sizeof(*c), "a kernel choice");
    c->dot = dot;
    c->tile = tile;
    c->points = (tile + 2) * (tile + 2);
    c->strips = cut_strips(dot, conv, tile);
    c->n_taps = tf2__ceil_div(conv->x.c, 2);
    c->product = tf2__cl_winograd_int8_tile(dot);
    c->lanes = c->product.vectors * tf2__cl_dot_lanes(dot, 0);
    c->point_stride = c->strips.tiles * c->strips.channels + POINT_PADDING;
    /* Of a group that is not full more tiles are read. */
    step->scratch_bytes = 2 * (c->points * c->point_stride + c->product.pixels * c->strips.channels);
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

/* [block][point][pair of input channels][lanes][2] */
static enum tf2_status pack(
    struct tf2__cl_build *build, const struct tf2__cl_winograd_int8 *c, const struct tf2__cl_job *job,
    uint32_t *buffer)
{
    const struct tf2__cl_conv *conv = &job->conv;
    const int8_t *weights = build->plan->tensors[job->step->in[1]].data;
    const int64_t per_point = c->n_taps * c->lanes * 2, per_block = c->points * per_point;
    const int64_t n = tf2__ceil_div(conv->y.c, c->lanes) * per_block;
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, n / 2, buffer, &data));
    memset(data, 0, (size_t)n * sizeof(int16_t));
    for (int64_t o = 0; o < conv->y.c; o++) {
        for (int64_t i = 0; i < conv->x.c; i++) {
            int32_t u[36];
            transform_weights(c->tile, weights + (o * conv->x.c + i) * 9, u);
            int16_t *to =
                (int16_t *)data + o / c->lanes * per_block + (i / 2 * c->lanes + o % c->lanes) * 2 + i % 2;
            for (int64_t point = 0; point < c->points; point++)
                to[point * per_point] = (int16_t)u[point];
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* --- launches --- */

struct parts {
    const struct tf2__cl_job *job;
    const struct tf2__cl_winograd_int8 *c;
    uint32_t tiles, weights, bias, scale;
    int64_t v; /* scratch offset in its own elements */
};

static enum tf2_status
transform(struct tf2__cl_build *build, const struct parts *p, int64_t first, int64_t n_tiles)
{
    const struct tf2__cl_conv *conv = &p->job->conv;
    TF2__TRY(tf2__cl_launch_begin(
        build, TF2__CL_WINOGRAD_INT8, p->c->tile == 4 ? "winograd_int8_in_4" : "winograd_int8_in_2"));
    TF2__TRY(tf2__cl_arg_tensor(build, p->job->step->in[0]));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, p->c->strips.channels);
    tf2__cl_arg_int(build, conv->x.stride[1]);
    tf2__cl_arg_int(build, conv->x.stride[2]);
    tf2__cl_arg_int(build, p->c->point_stride);
    tf2__cl_launch_size(build, n_tiles, 1);
    return TF2_OK;
}

static enum tf2_status
multiply(struct tf2__cl_build *build, const struct parts *p, int64_t first, int64_t n_tiles)
{
    const struct tf2__cl_winograd_int8 *c = p->c;
    const struct tf2__cl_conv *conv = &p->job->conv;
    const int64_t blocks = tf2__ceil_div(conv->y.c, c->lanes);
    const int64_t n_groups = tf2__ceil_div(n_tiles, c->product.pixels);
    const int64_t groups =
        build->plan->n_parts == 1
            ? n_groups
            : tf2__cl_strip(build->plan, &c->product, c->lanes, 2 * c->n_taps * c->points, n_groups, blocks);
    TF2__TRY(tf2__cl_launch_begin(
        build, TF2__CL_WINOGRAD_INT8, c->tile == 4 ? "winograd_int8_4" : "winograd_int8_2"));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    tf2__cl_arg_int(build, c->point_stride);
    tf2__cl_arg_int(build, c->strips.channels);
    TF2__TRY(tf2__cl_arg_equal_blocks(build, p->weights, c->points * c->n_taps * c->lanes * 4, blocks));
    tf2__cl_arg_int(build, c->n_taps);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, n_tiles);
    tf2__cl_arg_int(build, n_groups);
    tf2__cl_arg_int(build, groups);
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
    tf2__cl_launch_size(build, tf2__ceil_div(n_groups, groups), blocks);
    return TF2_OK;
}

enum tf2_status tf2__cl_winograd_int8_make(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_winograd_int8 *c)
{
    struct parts p = {.job = job, .c = c, .v = job->step->scratch_at / 2};
    TF2__TRY(tf2__cl_winograd_tiles(build, &job->conv, c->tile, &p.tiles));
    TF2__TRY(pack(build, c, job, &p.weights));
    TF2__TRY(tf2__cl_job_channels(build, job, c->lanes, false, &p.bias, &p.scale));
    for (int64_t first = 0; first < c->strips.n_tiles; first += c->strips.tiles) {
        int64_t n_tiles = TF2__MIN(c->strips.tiles, c->strips.n_tiles - first);
        TF2__TRY(transform(build, &p, first, n_tiles));
        TF2__TRY(multiply(build, &p, first, n_tiles));
    }
    return TF2_OK;
}
