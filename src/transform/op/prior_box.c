/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prior_box.c: the boxes that a detector of SSD's kind starts from (Liu et al.: SSD, 2016, section 2.2; the order is that
 * of Caffe's PriorBox layer). They depend on the sizes of its inputs only: a plan computes them once (plan.c).
 */
#include "transform/op/check.h"

#include <math.h>

static enum tf2_status check_list(const float *values, uint32_t n, const char *what, struct tf2_error *error)
{
    if (n > TF2_PRIOR_BOX_MAX)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%u %ss, at most %d are supported", n, what, TF2_PRIOR_BOX_MAX);
    for (uint32_t i = 0; i < n; i++) {
        TF2__TRY(tf2__check_finite(values[i], what, error));
        if (values[i] <= 0)
            return tf2__fail(error, TF2_ERR_VALUE, "%s %u is %g, wanted more than 0", what, i, values[i]);
    }
    return TF2_OK;
}

static enum tf2_status check_sizes(const struct tf2_prior_box_attr *a, struct tf2_error *error)
{
    TF2__TRY(check_list(a->min_size, a->n_sizes, "min_size", error));
    TF2__TRY(check_list(a->max_size, a->n_max_sizes, "max_size", error));
    TF2__TRY(check_list(a->ratio, a->n_ratios, "ratio", error));
    if (a->n_sizes < 1)
        return tf2__fail(error, TF2_ERR_VALUE, "no min_size, wanted one or more");
    if (a->n_max_sizes && a->n_max_sizes != a->n_sizes)
        return tf2__fail(
            error, TF2_ERR_VALUE, "%u max_sizes for %u min_sizes, wanted as many or none", a->n_max_sizes,
            a->n_sizes);
    for (uint32_t i = 0; i < a->n_max_sizes; i++) {
        if (a->max_size[i] <= a->min_size[i])
            return tf2__fail(
                error, TF2_ERR_VALUE, "max_size %u is %g, wanted more than min_size %g", i, a->max_size[i],
                a->min_size[i]);
    }
    return TF2_OK;
}

static enum tf2_status check_numbers(const struct tf2_prior_box_attr *a, struct tf2_error *error)
{
    for (int i = 0; i < 4; i++)
        TF2__TRY(tf2__check_finite(a->variance[i], "variance", error));
    TF2__TRY(tf2__check_finite(a->step_height, "step_height", error));
    TF2__TRY(tf2__check_finite(a->step_width, "step_width", error));
    TF2__TRY(tf2__check_finite(a->offset, "offset", error));
    if (a->step_height < 0 || a->step_width < 0)
        return tf2__fail(
            error, TF2_ERR_VALUE, "steps of %g, %g pixels, wanted 0 or more", a->step_height, a->step_width);
    if (a->image_height < 0 || a->image_width < 0)
        return tf2__fail(
            error, TF2_ERR_VALUE, "an image of %d x %d pixels, wanted 0 or more", a->image_width,
            a->image_height);
    return TF2_OK;
}

static int64_t boxes_per_pixel(const struct tf2_prior_box_attr *a)
{
    return (int64_t)a->n_sizes * (1 + a->n_ratios) + a->n_max_sizes;
}

static enum tf2_status infer(
    const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
    struct tf2_error *error)
{
    const struct tf2_prior_box_attr *a = attr;
    char text[TF2__SHAPE_TEXT];
    (void)n_in;
    for (int i = 0; i < 2; i++) {
        if (in[i]->n_dims != 4)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "%s %s, wanted [N, C, H, W]", i == 0 ? "map" : "image",
                tf2_shape_format(in[i], text, sizeof(text)));
    }
    TF2__TRY(check_sizes(a, error));
    TF2__TRY(check_numbers(a, error));
    /* Below 2^31 * 272 * 4. */
    *out = (struct tf2_shape){
        .n_dims = 3, .dim = {1, 2, in[0]->dim[2] * in[0]->dim[3] * boxes_per_pixel(a) * 4}};
    return tf2__check_output(out, error);
}

/* Where the next box goes. */
struct sink {
    const struct tf2_prior_box_attr *attr;
    const struct tf2__view *out;
    int64_t at; /* element of a row */
    double image_height, image_width;
};

/* A box of width * height pixels around (x, y). */
static void put_box(struct sink *sink, double x, double y, double width, double height)
{
    const struct tf2_prior_box_attr *a = sink->attr;
    const double corners[4] = {
        (x - width / 2) / sink->image_width, (y - height / 2) / sink->image_height,
        (x + width / 2) / sink->image_width, (y + height / 2) / sink->image_height};
    const int64_t step = sink->out->stride[2];
    for (int i = 0; i < 4; i++, sink->at++) {
        float *box = (float *)sink->out->data + sink->at * step;
        box[0] = (float)(a->clip ? fmin(fmax(corners[i], 0), 1) : corners[i]);
        box[sink->out->stride[1]] = a->variance[i];
    }
}

static void put_pixel(struct sink *sink, double x, double y)
{
    const struct tf2_prior_box_attr *a = sink->attr;
    for (uint32_t s = 0; s < a->n_sizes; s++) {
        const double size = a->min_size[s];
        put_box(sink, x, y, size, size);
        if (a->n_max_sizes) {
            double mean = sqrt(size * a->max_size[s]);
            put_box(sink, x, y, mean, mean);
        }
        for (uint32_t r = 0; r < a->n_ratios; r++) {
            double root = sqrt(a->ratio[r]);
            put_box(sink, x, y, size * root, size / root);
        }
    }
}

static void eval(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out)
{
    const struct tf2_prior_box_attr *a = attr;
    const struct tf2_shape *map = &in[0].shape, *image = &in[1].shape;
    struct sink sink = {.attr = a, .out = out};
    (void)n_in;
    sink.image_height = a->image_height ? a->image_height : (double)image->dim[2];
    sink.image_width = a->image_width ? a->image_width : (double)image->dim[3];
    const double step_height = a->step_height > 0 ? a->step_height : sink.image_height / (double)map->dim[2];
    const double step_width = a->step_width > 0 ? a->step_width : sink.image_width / (double)map->dim[3];
    for (int64_t h = 0; h < map->dim[2]; h++) {
        for (int64_t w = 0; w < map->dim[3]; w++)
            put_pixel(&sink, ((double)w + a->offset) * step_width, ((double)h + a->offset) * step_height);
    }
}

/* Integers have a size too. */
static enum tf2_status int8_check(
    const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
    struct tf2_error *error)
{
    (void)attr;
    (void)in;
    (void)n_in;
    if (out->dtype != TF2_DTYPE_F32)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "boxes of type %s, wanted float32", tf2_dtype_name(out->dtype));
    return TF2_OK;
}

static void int8_eval(
    const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2_activation *activation,
    const struct tf2__view *out)
{
    eval(attr, in, n_in, out);
    tf2__activation_apply(activation, out);
}

static const struct tf2__op_int8 int8_form = {.check = int8_check, .eval = int8_eval};

const struct tf2__op tf2__op_prior_box = {
    .id = TF2_OP_PRIOR_BOX,
    .name = "prior_box",
    .attr_bytes = sizeof(struct tf2_prior_box_attr),
    .min_inputs = 2,
    .max_inputs = 2,
    .reads_shapes_only = true,
    .infer = infer,
    .eval = eval,
    .int8 = &int8_form,
};
