/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resize.c: scaling of feature maps, nearest pixel or linear between the two (four, eight) around.
 *
 * Coordinates are those of ONNX's Resize. They are computed in double and rounded to float, because scales
 * such as 1/3 are no floats: 1 / 0.33333334f has to be pixel 3, not the one below it. Beyond the edge the
 * edge repeats.
 */
#include "transform/op/resize.h"

#include "transform/op/int8.h"
#include "transform/op/map.h"

#include <math.h>

static double coordinate(const struct tf2_resize_attr *a, uint32_t d, int64_t in, int64_t out, int64_t o)
{
    const double scale = a->size[d] > 0 ? (double)out / (double)in : (double)a->scale[d];
    switch (a->coordinates) {
    case TF2_RESIZE_HALF_PIXEL:
        return ((double)o + 0.5) / scale - 0.5;
    case TF2_RESIZE_PYTORCH_HALF_PIXEL:
        return out > 1 ? ((double)o + 0.5) / scale - 0.5 : 0;
    case TF2_RESIZE_ALIGN_CORNERS:
        return out > 1 ? (double)o * (double)(in - 1) / (double)(out - 1) : 0;
    case TF2_RESIZE_ASYMMETRIC:
        return (double)o / scale;
    case TF2_RESIZE_TF_HALF_PIXEL:
        return ((double)o + 0.5) / scale;
    }
    return 0;
}

static double round_nearest(enum tf2_resize_nearest nearest, double x)
{
    switch (nearest) {
    case TF2_RESIZE_ROUND_PREFER_FLOOR:
        return ceil(x - 0.5);
    case TF2_RESIZE_ROUND_PREFER_CEIL:
        return floor(x + 0.5);
    case TF2_RESIZE_FLOOR:
        return floor(x);
    case TF2_RESIZE_CEIL:
        return ceil(x);
    }
    return x;
}

struct tf2__resize_tap
tf2__resize_tap_at(const struct tf2_resize_attr *attr, uint32_t d, int64_t in, int64_t out, int64_t o)
{
    struct tf2__resize_tap tap;
    double x = (float)coordinate(attr, d, in, out, o);
    if (attr->mode == TF2_RESIZE_NEAREST)
        x = round_nearest(attr->nearest, x);
    x = fmin(fmax(x, 0), (double)(in - 1));
    tap.low = (int64_t)x;
    tap.weight = x - (double)tap.low;
    tap.high = tap.weight > 0 ? tap.low + 1 : tap.low;
    return tap;
}

static enum tf2_status check_attr(const struct tf2_resize_attr *a, struct tf2_error *error)
{
    if ((unsigned)a->mode > TF2_RESIZE_LINEAR)
        return tf2__fail(error, TF2_ERR_VALUE, "no mode of resizing has number %d", (int)a->mode);
    if ((unsigned)a->coordinates > TF2_RESIZE_TF_HALF_PIXEL)
        return tf2__fail(error, TF2_ERR_VALUE, "no kind of coordinates has number %d", (int)a->coordinates);
    if ((unsigned)a->nearest > TF2_RESIZE_CEIL)
        return tf2__fail(error, TF2_ERR_VALUE, "no rounding to the nearest has number %d", (int)a->nearest);
    return TF2_OK;
}

/* The extent of spatial dimension d; the product is rounded to float, so that 0.7f * 10 is 7. */
static enum tf2_status
output_extent(const struct tf2_resize_attr *a, uint32_t d, int64_t in, int64_t *out, struct tf2_error *error)
{
    if (a->size[d] < 0 || (a->size[d] == 0 && !(a->scale[d] > 0)))
        return tf2__fail(
            error, TF2_ERR_VALUE,
            "size %lld and scale %g of spatial dimension %u, wanted one of them above 0",
            (long long)a->size[d], a->scale[d], d);
    if (a->size[d] > 0) {
        *out = a->size[d];
        return TF2_OK;
    }
    const float extent = floorf((float)((double)in * a->scale[d]));
    if (!(extent >= 1 && extent < (float)INT32_MAX))
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "scale %g of spatial dimension %u makes extent %lld to %g, wanted 1 to 2^31 - 1", a->scale[d], d,
            (long long)in, extent);
    *out = (int64_t)extent;
    return TF2_OK;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_resize_attr *a = attr;
    (void)n_in;
    TF2__TRY(check_attr(a, error));
    TF2__TRY(tf2__check_feature_map(in[0], error));
    *out = *in[0];
    for (uint32_t d = 2; d < out->n_dims; d++)
        TF2__TRY(output_extent(a, d - 2, in[0]->dim[d], &out->dim[d], error));
    return tf2__check_output(out, error);
}

/* Linear interpolation in up to three dimensions. x: the channel's first pixel. */
static double interpolate(const struct tf2__map *map, const struct tf2__resize_tap *taps, const float *x)
{
    double sum = 0;
    for (unsigned corner = 0; corner < 1u << TF2_MAX_SPATIAL; corner++) {
        double weight = 1;
        int64_t offset = 0;
        for (unsigned d = 0; d < TF2_MAX_SPATIAL; d++) {
            bool high = corner >> d & 1;
            weight *= high ? taps[d].weight : 1 - taps[d].weight;
            offset += (high ? taps[d].high : taps[d].low) * map->stride[d];
        }
        if (weight > 0)
            sum += weight * x[offset];
    }
    return sum;
}

/* Does one output position for all images and channels, so that its taps are found once. */
typedef void pixel_fn(
    const struct tf2__map *x, const struct tf2__map *y, const struct tf2__resize_tap *taps, const int64_t *at,
    const void *user);

static void resize_pixel(
    const struct tf2__map *x, const struct tf2__map *y, const struct tf2__resize_tap *taps, const int64_t *at,
    const void *unused)
{
    (void)unused;
    const int64_t offset = at[0] * y->stride[0] + at[1] * y->stride[1] + at[2] * y->stride[2];
    for (int64_t n = 0; n < y->n; n++) {
        for (int64_t c = 0; c < y->c; c++)
            tf2__map_at(y, n, c)[offset] = (float)interpolate(x, taps, tf2__map_at(x, n, c));
    }
}

/* user: the table of 256 entries. */
static void resize_pixel_u8(
    const struct tf2__map *x, const struct tf2__map *y, const struct tf2__resize_tap *taps, const int64_t *at,
    const void *user)
{
    const uint8_t *table = user;
    int64_t from = 0, to = 0;
    for (unsigned d = 0; d < TF2_MAX_SPATIAL; d++) {
        from += taps[d].low * x->stride[d];
        to += at[d] * y->stride[d];
    }
    for (int64_t n = 0; n < y->n; n++) {
        for (int64_t c = 0; c < y->c; c++)
            tf2__map_at_u8(y, n, c)[to] = table[tf2__map_at_u8(x, n, c)[from]];
    }
}

static void each_pixel(
    const struct tf2_resize_attr *a, const struct tf2__view *in, const struct tf2__view *out, pixel_fn *pixel,
    const void *user)
{
    const uint32_t first = TF2_MAX_SPATIAL + 2 - out->shape.n_dims; /* of the map's dimensions that exist */
    struct tf2_shape positions = {.n_dims = TF2_MAX_SPATIAL};
    struct tf2__resize_tap taps[TF2_MAX_SPATIAL] = {{0}};
    struct tf2__map x, y;
    struct tf2__walk walk;
    tf2__map_init(&x, in);
    tf2__map_init(&y, out);
    memcpy(positions.dim, y.size, sizeof(y.size));
    for (tf2__walk_start(&walk, &positions); tf2__walk_more(&walk); tf2__walk_next(&walk)) {
        for (uint32_t d = first; d < TF2_MAX_SPATIAL; d++)
            taps[d] = tf2__resize_tap_at(a, d - first, x.size[d], y.size[d], walk.index[d]);
        pixel(&x, &y, taps, walk.index, user);
    }
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    (void)n_in;
    each_pixel(attr, &in[0], out, resize_pixel, NULL);
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    uint8_t table[256];
    (void)n_in;
    tf2__int8_table(&in[0].quant, &out->quant, activation, table);
    each_pixel(attr, &in[0], out, resize_pixel_u8, table);
}

static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    const struct tf2_resize_attr *a = attr;
    if (a->mode != TF2_RESIZE_NEAREST)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "resizing of mode %d on integers, wanted the nearest pixel (mode %d)",
            (int)a->mode, (int)TF2_RESIZE_NEAREST);
    return tf2__int8_check_move(attr, in, n_in, out, error);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_resize = {
    .id = TF2_OP_RESIZE,
    .name = "resize",
    .attr_bytes = sizeof(struct tf2_resize_attr),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
