/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_move.c: operators that move elements, and Resize, in ONNX. The graph's attributes mean what ONNX's
 * mean, so most of this is copying them into the inputs that ONNX has for them.
 */
#include "transform/export/onnx.h"

const char *tf2__export_identity(struct tf2__export *e, const struct tf2__node *node)
{
    (void)node;
    return tf2__export_main(e, "Identity", TF2__EXPORT_IN(tf2__export_in(e, 0)));
}

const char *tf2__export_flatten(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_axis_attr *attr = node->attr;
    const char *y = tf2__export_main(e, "Flatten", TF2__EXPORT_IN(tf2__export_in(e, 0)));
    tf2__export_attr_int(e, "axis", attr->axis);
    return y;
}

const char *tf2__export_reshape(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_reshape_attr *attr = node->attr;
    const char *shape = tf2__export_ints(e, "shape", attr->dim, attr->n_dims);
    return tf2__export_main(e, "Reshape", TF2__EXPORT_IN(tf2__export_in(e, 0), shape));
}

/* A set of axes as an input. */
static const char *write_axes(struct tf2__export *e, uint32_t axes)
{
    int64_t list[TF2_MAX_DIMS];
    size_t n = 0;
    for (uint32_t d = 0; d < TF2_MAX_DIMS; d++) {
        if (axes >> d & 1)
            list[n++] = d;
    }
    return tf2__export_ints(e, "axes", list, n);
}

/* Without axes ONNX removes every extent of 1, as the graph does. */
const char *tf2__export_squeeze(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_axes_attr *attr = node->attr;
    const char *x = tf2__export_in(e, 0), *axes = attr->axes ? write_axes(e, attr->axes) : "";
    return tf2__export_main(e, "Squeeze", TF2__EXPORT_IN(x, axes));
}

const char *tf2__export_unsqueeze(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_axes_attr *attr = node->attr;
    if (!attr->axes)
        return tf2__export_identity(e, node);
    const char *x = tf2__export_in(e, 0);
    return tf2__export_main(e, "Unsqueeze", TF2__EXPORT_IN(x, write_axes(e, attr->axes)));
}

const char *tf2__export_transpose(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_transpose_attr *attr = node->attr;
    int64_t perm[TF2_MAX_DIMS];
    for (uint32_t d = 0; d < attr->n_dims; d++)
        perm[d] = attr->perm[d];
    const char *y = tf2__export_main(e, "Transpose", TF2__EXPORT_IN(tf2__export_in(e, 0)));
    tf2__export_attr_ints(e, "perm", perm, attr->n_dims);
    return y;
}

/* Only the dimensions of which something is left out, or that run backwards. */
const char *tf2__export_slice(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_slice_attr *attr = node->attr;
    int64_t begin[TF2_MAX_DIMS], end[TF2_MAX_DIMS], step[TF2_MAX_DIMS];
    uint32_t axes = 0;
    size_t n = 0;
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        int64_t by = attr->step[d] ? attr->step[d] : 1;
        if (attr->begin[d] == 0 && attr->end[d] == INT64_MAX && by == 1)
            continue;
        begin[n] = attr->begin[d];
        end[n] = attr->end[d];
        step[n++] = by;
        axes |= 1u << d;
    }
    if (!n)
        return tf2__export_identity(e, node);
    const char *x = tf2__export_in(e, 0);
    const char *starts = tf2__export_ints(e, "starts", begin, n), *ends = tf2__export_ints(e, "ends", end, n);
    const char *which = write_axes(e, axes), *steps = tf2__export_ints(e, "steps", step, n);
    return tf2__export_main(e, "Slice", TF2__EXPORT_IN(x, starts, ends, which, steps));
}

const char *tf2__export_pad(struct tf2__export *e, const struct tf2__node *node)
{
    static const char *const modes[] = {
        [TF2_PAD_CONSTANT] = "constant", [TF2_PAD_REFLECT] = "reflect", [TF2_PAD_EDGE] = "edge"};
    const struct tf2_pad_attr *attr = node->attr;
    int64_t pads[2 * TF2_MAX_DIMS];
    for (uint32_t d = 0; d < attr->n_dims; d++) {
        pads[d] = attr->begin[d];
        pads[attr->n_dims + d] = attr->end[d];
    }
    const char *x = tf2__export_in(e, 0), *amounts = tf2__export_ints(e, "pads", pads, 2 * attr->n_dims);
    const char *value = attr->mode == TF2_PAD_CONSTANT ? tf2__export_number(e, "value", attr->value) : "";
    const char *y = tf2__export_main(e, "Pad", TF2__EXPORT_IN(x, amounts, value));
    tf2__export_attr_string(e, "mode", modes[attr->mode]);
    return y;
}

/* ---- Resize ---- */

static const char *const coordinates[] = {
    [TF2_RESIZE_HALF_PIXEL] = "half_pixel",
    [TF2_RESIZE_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
    [TF2_RESIZE_ALIGN_CORNERS] = "align_corners",
    [TF2_RESIZE_ASYMMETRIC] = "asymmetric",
    [TF2_RESIZE_TF_HALF_PIXEL] = NULL,
};
static const char *const nearest[] = {
    [TF2_RESIZE_ROUND_PREFER_FLOOR] = "round_prefer_floor",
    [TF2_RESIZE_ROUND_PREFER_CEIL] = "round_prefer_ceil",
    [TF2_RESIZE_FLOOR] = "floor",
    [TF2_RESIZE_CEIL] = "ceil",
};

/* The extents as an input. Where the batch is open the first two come from x itself: a constant would fix
 * them. */
static const char *write_sizes(struct tf2__export *e, const struct tf2__node *node, const char *x)
{
    static const int64_t zero = 0, two = 2;
    const struct tf2_shape *out = tf2__export_shape(e, node->out);
    const struct tf2_shape *other = e->probe ? &e->probe[node->out] : out;
    if (other->dim[0] == out->dim[0] && other->dim[1] == out->dim[1])
        return tf2__export_ints(e, "sizes", out->dim, out->n_dims);
    const char *outer = tf2__export_op(e, "Shape", TF2__EXPORT_IN(x));
    outer = tf2__export_op(
        e, "Slice",
        TF2__EXPORT_IN(outer, tf2__export_ints(e, "starts", &zero, 1), tf2__export_ints(e, "ends", &two, 1)));
    const char *inner = tf2__export_ints(e, "sizes", &out->dim[2], out->n_dims - 2);
    const char *sizes = tf2__export_op(e, "Concat", TF2__EXPORT_IN(outer, inner));
    tf2__export_attr_int(e, "axis", 0);
    return sizes;
}

static const char *write_scales(struct tf2__export *e, const struct tf2_resize_attr *attr, uint32_t n_dims)
{
    const struct tf2_shape shape = {.n_dims = 1, .dim = {n_dims}};
    const char *name = tf2__export_name(e, e->node->name, "scales");
    float *scales = tf2__export_alloc(e, n_dims, sizeof(*scales));
    for (uint32_t d = 0; scales && d < n_dims; d++)
        scales[d] = d < 2 ? 1 : attr->scale[d - 2];
    tf2__export_initializer(e, name, TF2__EXPORT_FLOAT, &shape, scales);
    return name;
}

/*
 * ONNX takes sizes or scales, for all dimensions. A scale that fits exactly is as good as the size it gives.
 */
static bool wants_sizes(const struct tf2_resize_attr *attr, const struct tf2_shape *in, bool *mixed)
{
    bool any = false, other = false;
    *mixed = false;
    for (uint32_t d = 0; d + 2 < in->n_dims; d++) {
        double extent = (double)in->dim[d + 2] * attr->scale[d];
        any |= attr->size[d] > 0;
        other |= attr->size[d] <= 0 && extent != (double)(int64_t)extent;
    }
    *mixed = any && other;
    return any;
}

/* tf_half_pixel was taken out of ONNX; rounded down it is half_pixel, rounded to the nearest. */
static bool find_coordinates(const struct tf2_resize_attr *attr, const char **where, const char **rounding)
{
    *where = coordinates[attr->coordinates];
    *rounding = nearest[attr->nearest];
    if (*where)
        return true;
    *where = coordinates[TF2_RESIZE_HALF_PIXEL];
    *rounding = nearest[TF2_RESIZE_ROUND_PREFER_CEIL];
    return attr->mode == TF2_RESIZE_NEAREST && attr->nearest == TF2_RESIZE_FLOOR;
}

const char *tf2__export_resize(struct tf2__export *e, const struct tf2__node *node)
{
    const struct tf2_resize_attr *attr = node->attr;
    const struct tf2_shape *in = tf2__export_shape(e, node->in[0]);
    const char *where, *rounding, *x = tf2__export_in(e, 0);
    bool mixed, by_size = wants_sizes(attr, in, &mixed);
    if (mixed)
        return tf2__export_refuse(e, "a size for one dimension and a scale for another");
    if (!find_coordinates(attr, &where, &rounding))
        return tf2__export_refuse(e, "coordinates tf_half_pixel, which ONNX does not have");
    const char *scales = by_size ? "" : write_scales(e, attr, in->n_dims);
    const char *sizes = by_size ? write_sizes(e, node, x) : "";
    const char *y = tf2__export_main(e, "Resize", TF2__EXPORT_IN(x, "", scales, sizes));
    tf2__export_attr_string(e, "mode", attr->mode == TF2_RESIZE_LINEAR ? "linear" : "nearest");
    tf2__export_attr_string(e, "coordinate_transformation_mode", where);
    if (attr->mode == TF2_RESIZE_NEAREST)
        tf2__export_attr_string(e, "nearest_mode", rounding);
    return y;
}
