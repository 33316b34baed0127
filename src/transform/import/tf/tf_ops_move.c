/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_move.c: Transpose, ConcatV2, Pack, Tile, Pad, MirrorPad, ResizeBilinear, ResizeNearestNeighbor.
 */
#include "transform/import/nhwc.h"
#include "transform/import/tf/internal.h"

/* ---- Transpose ---- */

static bool is_perm(const int64_t *perm, uint32_t n, uint32_t (*wanted)(bool, uint32_t, uint32_t))
{
    for (uint32_t d = 0; d < n; d++) {
        if (perm[d] != (wanted ? wanted(true, n, d) : d))
            return false;
    }
    return n >= 3 || !wanted;
}

/* Where the file turns a map from one order to the other, and the value is there in that order, nothing is
 * to be done. */
enum tf2_status
tf2__tf_convert_transpose(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    struct tf2__onnx_list perm;
    struct tf2__onnx_value *value, *out;
    uint32_t seen = 0, axis = 0;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &value, &first, error));
    TF2__TRY(tf2__tf_ints(tf, node, 1, &perm, error));
    const uint32_t n = tf2__tf_shape_of(tf, value)->n_dims;
    for (size_t i = 0; i < perm.n; i++) {
        TF2__TRY(tf2__onnx_axis(perm.v[i], n, false, &axis, error));
        perm.v[i] = axis;
        seen |= 1u << axis;
    }
    if (perm.n != n || seen != (1u << n) - 1)
        return tf2__fail(error, TF2_ERR_VALUE, "%zu numbers that are no order of %u dimensions", perm.n, n);
    if (is_perm(perm.v, n, tf2__nhwc_file_axis) && x->first) {
        tf2__tf_set_file(node, 0, x->first);
        return TF2_OK;
    }
    for (uint32_t d = 0; d < n; d++)
        perm.v[d] = tf2__nhwc_axis(first, n, (uint32_t)perm.v[d]);
    if (is_perm(perm.v, n, NULL))
        out = value;
    else
        TF2__TRY(tf2__tf_run_transpose(tf, node, value, perm.v, n, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    if (!first && is_perm(perm.v, n, tf2__nhwc_axis) && node->n_out)
        node->out[0].first = value; /* what was turned is the result with its channels first */
    return TF2_OK;
}

/* ---- Concat, Pack ---- */

static enum tf2_status run_concat(
    struct tf2__tf *tf, struct tf2__tf_node *node, size_t n, struct tf2__onnx_value *const *in, int64_t axis,
    bool first, struct tf2_error *error)
{
    struct tf2__tf_call call;
    struct tf2__onnx_value *out;
    tf2__tf_call_init(&call, "Concat", n, in);
    tf2__tf_call_int(&call, "axis", axis);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, first, out);
    return TF2_OK;
}

/* Inputs from .. from + n - 1 along the axis that is input axis_at. */
static enum tf2_status convert_concat(
    struct tf2__tf *tf, struct tf2__tf_node *node, size_t from, size_t n, size_t axis_at,
    struct tf2_error *error)
{
    struct tf2__onnx_value *in[TF2_MAX_NODE_INPUTS];
    bool first = false;
    uint32_t axis = 0;
    if (n > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu inputs, at most %d supported", n, TF2_MAX_NODE_INPUTS);
    TF2__TRY(tf2__tf_any(tf, node, from, &in[0], &first, error));
    const uint32_t n_dims = tf2__tf_shape_of(tf, in[0])->n_dims;
    TF2__TRY(tf2__tf_axis(tf, node, axis_at, n_dims, &axis, error));
    for (size_t i = 0; i < n; i++)
        first |= tf2__tf_prefers_first(tf, tf2__tf_in(tf, node, from + i));
    for (size_t i = 0; i < n; i++)
        TF2__TRY(
            first ? tf2__tf_first(tf, node, from + i, &in[i], error)
                  : tf2__tf_file(tf, node, from + i, &in[i], error));
    return run_concat(tf, node, n, in, tf2__nhwc_axis(first, n_dims, axis), first, error);
}

enum tf2_status tf2__tf_convert_concat(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return convert_concat(tf, node, 0, node->n_in - 1, node->n_in - 1, error);
}

/* The older form has the axis first. */
enum tf2_status
tf2__tf_convert_concat_v1(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return convert_concat(tf, node, 1, node->n_in - 1, 0, error);
}

enum tf2_status tf2__tf_convert_pack(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *parts[TF2_MAX_NODE_INPUTS], *in[2];
    uint32_t axis = 0;
    if (node->n_in > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%u inputs, at most %d supported", node->n_in, TF2_MAX_NODE_INPUTS);
    TF2__TRY(tf2__tf_file(tf, node, 0, &in[0], error));
    TF2__TRY(tf2__onnx_axis(
        tf2__tf_attr_int(node, "axis", 0), tf2__tf_shape_of(tf, in[0])->n_dims + 1, false, &axis, error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){axis}, 1, &in[1], error));
    for (uint32_t i = 0; i < node->n_in; i++) {
        TF2__TRY(tf2__tf_file(tf, node, i, &in[0], error));
        TF2__TRY(tf2__tf_run_plain(tf, node, "Unsqueeze", 2, in, "part", &parts[i], error));
    }
    return run_concat(tf, node, node->n_in, parts, axis, false, error);
}

/* n copies of x along a dimension of the graph's tensor. */
static enum tf2_status repeat(
    struct tf2__tf *tf, const struct tf2__tf_node *node, int64_t n, int64_t axis, struct tf2__onnx_value **x,
    struct tf2_error *error)
{
    struct tf2__tf_call call;
    if (n < 1 || n > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%lld copies of data, wanted 1 to %d", (long long)n,
            TF2_MAX_NODE_INPUTS);
    if (n == 1)
        return TF2_OK;
    tf2__tf_call_init(&call, "Concat", 0, NULL);
    for (int64_t i = 0; i < n; i++)
        call.in[call.n_in++] = *x;
    tf2__tf_call_int(&call, "axis", axis);
    return tf2__tf_run(tf, node, &call, "copies", x, error);
}

/* Constants are repeated at import; data is put together from copies, as nearest upsampling has it in
 * several nodes. */
enum tf2_status tf2__tf_convert_tile(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2];
    struct tf2__onnx_list multiples;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    if (tf2__tf_is_const(in[0])) {
        TF2__TRY(tf2__tf_file(tf, node, 1, &in[1], error));
        TF2__TRY(tf2__tf_run_plain(tf, node, "Tile", 2, in, NULL, &in[0], error));
        tf2__tf_set_file(node, 0, in[0]);
        return TF2_OK;
    }
    TF2__TRY(tf2__tf_ints(tf, node, 1, &multiples, error));
    const uint32_t n_dims = tf2__tf_shape_of(tf, in[0])->n_dims;
    if (multiples.n != n_dims)
        return tf2__fail(error, TF2_ERR_SHAPE, "%zu multiples for %u dimensions", multiples.n, n_dims);
    for (uint32_t d = 0; d < n_dims; d++)
        TF2__TRY(repeat(tf, node, multiples.v[d], tf2__nhwc_axis(first, n_dims, d), &in[0], error));
    tf2__tf_set(node, 0, first, in[0]);
    return TF2_OK;
}

/* ---- Pad ---- */

/*
 * The paddings are [n, 2], before and after each dimension; ONNX wants all of the one kind and then all of
 * the other. They may depend on the input's shape, so they are turned as the constants they are.
 */
static enum tf2_status turn_paddings(
    struct tf2__tf *tf, const struct tf2__tf_node *node, bool first, struct tf2__onnx_value **pads,
    struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    struct tf2__onnx_value *in[2];
    int64_t order[TF2_MAX_DIMS];
    TF2__TRY(tf2__tf_known(tf, node, 1, &known, error));
    const struct tf2_shape *shape = &known->array[0].shape;
    if (shape->n_dims != 2 || shape->dim[1] != 2 || shape->dim[0] > TF2_MAX_DIMS)
        return tf2__fail(error, TF2_ERR_SHAPE, "the paddings are no list of two numbers for each dimension");
    const uint32_t n = (uint32_t)shape->dim[0];
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[0], error));
    for (uint32_t d = 0; d < n; d++)
        order[d] = tf2__nhwc_file_axis(first, n, d);
    TF2__TRY(tf2__tf_make_ints(tf, node, order, n, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Gather", 2, in, "pads", &in[0], error));
    TF2__TRY(tf2__tf_run_transpose(tf, node, in[0], (const int64_t[]){1, 0}, 2, "pads", &in[0], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){-1}, 1, &in[1], error));
    return tf2__tf_run_plain(tf, node, "Reshape", 2, in, "pads", pads, error);
}

static enum tf2_status
run_pad(struct tf2__tf *tf, struct tf2__tf_node *node, const char *mode, struct tf2_error *error)
{
    struct tf2__onnx_value *in[3], *out;
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    TF2__TRY(turn_paddings(tf, node, first, &in[1], error));
    if (node->n_in > 2)
        TF2__TRY(tf2__tf_file(tf, node, 2, &in[2], error));
    tf2__tf_call_init(&call, "Pad", node->n_in > 2 ? 3 : 2, in);
    tf2__tf_call_string(&call, "mode", mode);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, first, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_pad(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return run_pad(tf, node, "constant", error);
}

enum tf2_status
tf2__tf_convert_mirror_pad(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const char *mode = tf2__tf_attr_string(node, "mode", "");
    if (strcmp(mode, "REFLECT") != 0)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "mode %.20s, only REFLECT is supported", mode);
    return run_pad(tf, node, "reflect", error);
}

/* ---- Resize ---- */

/* Where a pixel of the output lies in the input, and which one is the nearest (image_resizer_state.h and
 * resize_nearest_neighbor_op.cc in TensorFlow). */
static enum tf2_status
add_resize_attrs(struct tf2__tf_call *call, const struct tf2__tf_node *node, struct tf2_error *error)
{
    const bool corners = tf2__tf_attr_bool(node, "align_corners", false);
    const bool centers = tf2__tf_attr_bool(node, "half_pixel_centers", false);
    const bool nearest = strcmp(node->op->onnx, "nearest") == 0;
    if (corners && centers)
        return tf2__fail(error, TF2_ERR_VALUE, "align_corners and half_pixel_centers contradict each other");
    tf2__tf_call_string(call, "mode", node->op->onnx);
    tf2__tf_call_string(
        call, "coordinate_transformation_mode",
        corners   ? "align_corners"
        : centers ? "half_pixel"
                  : "asymmetric");
    if (nearest)
        tf2__tf_call_string(call, "nearest_mode", corners || centers ? "round_prefer_ceil" : "floor");
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_resize(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    struct tf2__onnx_value *in[4] = {NULL}, *parts[2], *slice[4], *out;
    struct tf2__tf_call call;
    TF2__TRY(tf2__tf_first(tf, node, 0, &in[0], error));
    TF2__TRY(tf2__tf_known(tf, node, 1, &known, error));
    if (tf2__tf_shape_of(tf, in[0])->n_dims != 4 || known->array[0].count != 2)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "wanted a map of 4 dimensions and two numbers for its new size");
    /* Batch and channels of the map, then the new size. */
    TF2__TRY(tf2__tf_run_plain(tf, node, "Shape", 1, in, "shape", &slice[0], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){0}, 1, &slice[1], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){2}, 1, &slice[2], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Slice", 3, slice, "shape", &parts[0], error));
    TF2__TRY(tf2__tf_file(tf, node, 1, &parts[1], error));
    tf2__tf_call_init(&call, "Concat", 2, parts);
    tf2__tf_call_int(&call, "axis", 0);
    TF2__TRY(tf2__tf_run(tf, node, &call, "sizes", &in[3], error));
    tf2__tf_call_init(&call, "Resize", 4, in);
    TF2__TRY(add_resize_attrs(&call, node, error));
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set_first(node, 0, out);
    return TF2_OK;
}
