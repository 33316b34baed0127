/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_winograd.c: 3x3 convolutions of stride 1 by Winograd's minimal filtering (winograd.cl).
 *
 * The tiles of a map are cut into strips small enough that a strip's transformed input and products stay in
 * the cache; each strip is three launches on the same scratch: transform in, products (conv.cl with a group
 * per point), transform out. The last strip is shifted back, so that all have the same size.
 */
#include "runtime/cl/internal.h"

#include <stdio.h>

/* Transformed input and products of a strip should stay below this many elements (1 MiB). But every strip reads all
 * weights once more: where those are larger, so is a strip. */
#define STRIP_ELEMENTS (256 * 1024)
/* An odd number of cache lines between points, so that the stores of one tile do not fall on the same cache sets. */
#define POINT_PADDING 16

struct choice {
    int64_t tile;   /* T of winograd.cl */
    int64_t points; /* (T + 2)^2 */
    int64_t n_tiles, tiles_y, tiles_x;
    int64_t strip, n_strips;           /* tiles per strip */
    int64_t in_channels, out_channels; /* padded to vectors */
    int64_t point_stride;
    struct tf2__cl_tile product;
    char kernel[32], product_kernel[32];
};

/* --- is it worth it? --- */

/* Weights that do not stay in the second level cache come from memory. */
static double stream_cost(double weights)
{
    return weights > 262144 ? weights * 20 : 0;
}

/*
 * Costs in multiply-accumulates at the speed of large layers, fitted to measurements of ResNet-50's and
 * GoogLeNet's layers: a transform costs about 5 per element; the products have short inner loops when there
 * are few channels; streaming weights costs about 20 per element.
 */
static double cost(const struct tf2__cl_conv *conv, int64_t tile)
{
    int64_t n = tile + 2;
    double tiles =
        (double)(conv->y.n * tf2__ceil_div(conv->y.dim[1], tile) * tf2__ceil_div(conv->y.dim[2], tile));
    double points = (double)(n * n), in = (double)conv->x.c, out = (double)conv->y.c;
    double weights = points * in * out;
    double products = tiles * points * in * out * (1 + 24 / in);
    double transforms = tiles * points * (in + out) * 5;
    return products + transforms + stream_cost(weights);
}

static double direct_cost(const struct tf2__cl_conv *conv)
{
    double weights = (double)(conv->n_taps * conv->y.c);
    return (double)conv->n_pixels * weights + stream_cost(weights);
}

static int64_t choose_tile_size(const struct tf2__cl_conv *conv)
{
    double direct = direct_cost(conv), two = cost(conv, 2), four = cost(conv, 4);
    if (direct <= two && direct <= four)
        return 0;
    return four <= two ? 4 : 2;
}

bool tf2__cl_winograd_applies(const struct tf2__cl_conv *conv)
{
    for (uint32_t d = 0; d < 3; d++) {
        int64_t kernel = d == 0 ? 1 : 3;
        if (conv->window[d].kernel != kernel || conv->window[d].stride != 1 || conv->window[d].dilation != 1)
            return false;
    }
    return conv->groups == 1 && conv->y.dim[0] == 1 && conv->x.stride_c == 1 && conv->y.stride_c == 1 &&
           (!conv->has_add || conv->add.stride_c == 1);
}

static bool winograd_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_conv conv;
    tf2__cl_conv_describe(plan, step, &conv);
    return tf2__cl_winograd_applies(&conv) && choose_tile_size(&conv) != 0;
}

static enum tf2_status winograd_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step,
    struct tf2_error *error)
{
    struct tf2__cl_conv conv;
    struct choice *c = tf2__arena_alloc(&plan->arena, 1, sizeof(*c));
    if (!c)
        return tf2__fail_memory(error, sizeof(*c), "a kernel choice");
    tf2__cl_conv_describe(plan, step, &conv);
    c->tile = choose_tile_size(&conv);
    c->points = (c->tile + 2) * (c->tile + 2);
    c->tiles_y = tf2__ceil_div(conv.y.dim[1], c->tile);
    c->tiles_x = tf2__ceil_div(conv.y.dim[2], c->tile);
    c->n_tiles = conv.y.n * c->tiles_y * c->tiles_x;
    c->in_channels = tf2__round_up(conv.x.c, device->vector_width);
    c->out_channels = tf2__round_up(conv.y.c, device->vector_width);
    int64_t weights = c->points * c->in_channels * c->out_channels;
    int64_t most =
        TF2__MAX(STRIP_ELEMENTS, weights + weights / 2) / (c->points * (c->in_channels + c->out_channels));
    c->n_strips = tf2__ceil_div(c->n_tiles, TF2__MAX(most, TF2__MIN(c->n_tiles, 12)));
    c->strip = tf2__ceil_div(c->n_tiles, c->n_strips);
    c->point_stride = c->strip * c->in_channels + POINT_PADDING;
    c->product = tf2__cl_tile_choose(device->vector_width, c->strip, c->out_channels);
    snprintf(c->kernel, sizeof(c->kernel), "winograd_%d", (int)c->tile);
    snprintf(
        c->product_kernel, sizeof(c->product_kernel), "conv_p%dr%d", c->product.pixels, c->product.vectors);
    step->choice = c;
    step->kernel = c->kernel;
    step->scratch_bytes =
        (c->points * c->point_stride + c->strip * c->points * c->out_channels) * (int64_t)sizeof(float);
    return TF2_OK;
}

/* --- weights: U = G g G^T, in double, rounded once --- */

static void transform_row(int64_t tile, const double *g, int64_t stride, double *u, int64_t u_stride)
{
    const double g0 = g[0], g1 = g[stride], g2 = g[2 * stride];
    if (tile == 2) {
        u[0] = g0;
        u[u_stride] = (g0 + g1 + g2) / 2;
        u[2 * u_stride] = (g0 - g1 + g2) / 2;
        u[3 * u_stride] = g2;
        return;
    }
    const double a = 0.75, b = 1.5; /* the points of winograd.cl */
    const double fa = 2 * a * a * (a * a - b * b), fb = 2 * b * b * (b * b - a * a);
    u[0] = g0 / (a * a * b * b);
    u[u_stride] = (g0 + a * g1 + a * a * g2) / fa;
    u[2 * u_stride] = (g0 - a * g1 + a * a * g2) / fa;
    u[3 * u_stride] = (g0 + b * g1 + b * b * g2) / fb;
    u[4 * u_stride] = (g0 - b * g1 + b * b * g2) / fb;
    u[5 * u_stride] = g2;
}

static void transform_weights(int64_t tile, const float *g, double *u)
{
    double rows[6 * 3], kernel[9];
    int64_t n = tile + 2;
    for (int i = 0; i < 9; i++)
        kernel[i] = g[i];
    for (int64_t j = 0; j < 3; j++)
        transform_row(tile, kernel + j, 3, rows + j, 3);
    for (int64_t i = 0; i < n; i++)
        transform_row(tile, rows + 3 * i, 1, u + n * i, 1);
}

/* [point][block][input channel][lanes], as conv.cl reads groups. */
static enum tf2_status pack(
    struct tf2__cl_build *build, const struct choice *c, const struct tf2__cl_conv *conv,
    const float *weights, int64_t lanes, uint32_t *buffer)
{
    int64_t blocks = tf2__ceil_div(c->out_channels, lanes);
    int64_t per_point = blocks * conv->x.c * lanes;
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, c->points * per_point, buffer, &data));
    float *packed = data;
    for (int64_t o = 0; o < conv->y.c; o++) {
        for (int64_t i = 0; i < conv->x.c; i++) {
            double u[36];
            transform_weights(c->tile, weights + (o * conv->x.c + i) * 9, u);
            float *to = packed + (o / lanes * conv->x.c + i) * lanes + o % lanes;
            for (int64_t point = 0; point < c->points; point++)
                to[point * per_point] = (float)u[point];
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* --- tables --- */

enum tf2_status tf2__cl_winograd_tiles(
    struct tf2__cl_build *build, const struct tf2__cl_conv *conv, int64_t tile, uint32_t *buffer)
{
    int64_t n = tile + 2, pad_y = conv->window[1].pad_begin, pad_x = conv->window[2].pad_begin;
    /* The input that exists, halo included. */
    int64_t in_rows = conv->y.dim[1] + 2, in_columns = conv->y.dim[2] + 2;
    int64_t n_tiles = conv->y.n * tf2__ceil_div(conv->y.dim[1], tile) * tf2__ceil_div(conv->y.dim[2], tile);
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, 5 * n_tiles, buffer, &data));
    cl_int *t = data;
    for (int64_t image = 0; image < conv->y.n; image++) {
        for (int64_t y = 0; y < conv->y.dim[1]; y += tile) {
            for (int64_t x = 0; x < conv->y.dim[2]; x += tile) {
                *t++ = (cl_int)(image * conv->x.stride_n + (y - pad_y) * conv->x.stride[1] +
                                (x - pad_x) * conv->x.stride[2]);
                *t++ = (cl_int)(image * conv->y.stride_n + y * conv->y.stride[1] + x * conv->y.stride[2]);
                *t++ =
                    (cl_int)(image * conv->add.stride_n + y * conv->add.stride[1] + x * conv->add.stride[2]);
                *t++ = (cl_int)(TF2__MIN(in_rows - y, n) | TF2__MIN(in_columns - x, n) << 8);
                *t++ =
                    (cl_int)(TF2__MIN(conv->y.dim[1] - y, tile) | TF2__MIN(conv->y.dim[2] - x, tile) << 8);
            }
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* What the products read and write: taps are the channels, pixels the tiles of a strip. */
static enum tf2_status make_product_tables(
    struct tf2__cl_build *build, const struct choice *c, const struct tf2__cl_conv *conv, uint32_t *taps,
    uint32_t *pixels)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, conv->x.c, taps, &data));
    for (int64_t i = 0; i < conv->x.c; i++)
        ((cl_int *)data)[i] = (cl_int)i;
    TF2__TRY(tf2__cl_buffer_unmap(build, *taps, data));
    TF2__TRY(tf2__cl_buffer_map(build, 3 * c->strip, pixels, &data));
    for (int64_t i = 0; i < c->strip; i++) {
        ((cl_int *)data)[i] = (cl_int)(i * c->in_channels);
        ((cl_int *)data)[c->strip + i] = (cl_int)(i * c->points * c->out_channels);
        ((cl_int *)data)[2 * c->strip + i] = 0;
    }
    return tf2__cl_buffer_unmap(build, *pixels, data);
}

static enum tf2_status
zeros(struct tf2__cl_build *build, int64_t n, const float *values, int64_t n_values, uint32_t *buffer)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, n, buffer, &data));
    if (values)
        memcpy(data, values, (size_t)n_values * sizeof(float));
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* --- launches --- */

struct parts {
    const struct tf2__step *step;
    const struct choice *c;
    const struct tf2__cl_conv *conv;
    uint32_t tiles, taps, pixels, weights, no_bias, bias;
    int64_t lanes, v, m; /* scratch offsets */
};

static enum tf2_status transform_in(struct tf2__cl_build *build, const struct parts *p, int64_t first)
{
    TF2__TRY(
        tf2__cl_launch_begin(build, TF2__CL_WINOGRAD, p->c->tile == 4 ? "winograd_in_4" : "winograd_in_2"));
    TF2__TRY(tf2__cl_arg_tensor(build, p->step->in[0]));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, p->conv->x.c);
    tf2__cl_arg_int(build, p->conv->x.stride[1]);
    tf2__cl_arg_int(build, p->conv->x.stride[2]);
    tf2__cl_arg_int(build, p->c->point_stride);
    tf2__cl_launch_size(build, p->c->strip, 1);
    return TF2_OK;
}

static enum tf2_status products(struct tf2__cl_build *build, const struct parts *p)
{
    const struct choice *c = p->c;
    int64_t blocks = tf2__ceil_div(c->out_channels, p->lanes);
    int64_t n_tiles = tf2__ceil_div(c->strip, c->product.pixels);
    int64_t strip = tf2__cl_strip(build->plan, &c->product, p->lanes, p->conv->x.c, n_tiles, c->points * blocks);
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_CONV, c->product_kernel));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->v);
    TF2__TRY(tf2__cl_arg_equal_blocks(
        build, p->weights, p->conv->x.c * p->lanes * (int64_t)sizeof(float), c->points * blocks));
    tf2__cl_arg_buffer(build, p->taps);
    tf2__cl_arg_int(build, p->conv->x.c);
    tf2__cl_arg_buffer(build, p->pixels);
    tf2__cl_arg_int(build, c->strip);
    tf2__cl_arg_buffer(build, p->no_bias);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, -1);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->m);
    tf2__cl_arg_int(build, 1);
    tf2__cl_arg_int(build, c->out_channels);
    tf2__cl_arg_int(build, c->out_channels);
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, c->point_stride);
    tf2__cl_arg_int(build, strip);
    tf2__cl_arg_int(build, TF2_ACTIVATION_NONE);
    tf2__cl_arg_float(build, 0);
    tf2__cl_arg_float(build, 0);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), c->points * blocks);
    return TF2_OK;
}

static enum tf2_status transform_out(struct tf2__cl_build *build, const struct parts *p, int64_t first)
{
    const struct tf2__cl_conv *conv = p->conv;
    TF2__TRY(
        tf2__cl_launch_begin(build, TF2__CL_WINOGRAD, p->c->tile == 4 ? "winograd_out_4" : "winograd_out_2"));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, p->m);
    TF2__TRY(tf2__cl_arg_tensor(build, p->step->out));
    TF2__TRY(tf2__cl_arg_residual(build, p->step, conv));
    tf2__cl_arg_buffer(build, p->bias);
    tf2__cl_arg_buffer(build, p->tiles);
    tf2__cl_arg_int(build, first);
    tf2__cl_arg_int(build, p->c->out_channels);
    tf2__cl_arg_int(build, conv->y.c + conv->room);
    tf2__cl_arg_int(build, conv->y.stride[1]);
    tf2__cl_arg_int(build, conv->y.stride[2]);
    tf2__cl_arg_int(build, conv->add.stride[1]);
    tf2__cl_arg_int(build, conv->add.stride[2]);
    tf2__cl_arg_activation(build, conv, &p->step->node->activation);
    tf2__cl_launch_size(build, p->c->strip, 1);
    return TF2_OK;
}

static enum tf2_status winograd_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct choice *c = step->choice;
    const struct tf2__plan *plan = build->plan;
    struct tf2__cl_conv conv;
    tf2__cl_conv_describe(plan, step, &conv);
    struct parts p = {.step = step, .c = c, .conv = &conv};
    p.lanes = (int64_t)c->product.vectors * build->device->vector_width;
    p.v = step->scratch_at / (int64_t)sizeof(float);
    p.m = p.v + c->points * c->point_stride;
    int64_t padded = c->points * tf2__round_up(c->out_channels, p.lanes);
    TF2__TRY(tf2__cl_winograd_tiles(build, &conv, c->tile, &p.tiles));
    TF2__TRY(make_product_tables(build, c, &conv, &p.taps, &p.pixels));
    TF2__TRY(pack(build, c, &conv, plan->tensors[step->in[1]].data, p.lanes, &p.weights));
    TF2__TRY(zeros(build, padded, NULL, 0, &p.no_bias));
    TF2__TRY(zeros(build, c->out_channels, tf2__cl_conv_bias(plan, step), conv.y.c, &p.bias));
    for (int64_t i = 0; i < c->n_strips; i++) {
        int64_t first = TF2__MIN(i * c->strip, c->n_tiles - c->strip);
        TF2__TRY(transform_in(build, &p, first));
        TF2__TRY(products(build, &p));
        TF2__TRY(transform_out(build, &p, first));
    }
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_winograd = {
    .op = TF2_OP_CONV,
    .name = "winograd",
    .fits = winograd_fits,
    .choose = winograd_choose,
    .make = winograd_make};
