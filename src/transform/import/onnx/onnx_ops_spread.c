/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_spread.c: operators that repeat data (Expand, Tile) or move it between channels and pixels (DepthToSpace,
 * SpaceToDepth).
 */
#include "transform/import/onnx/internal.h"

/* ---- Expand: a sum with zeros, which broadcasts ---- */

/* What Expand makes of a shape; false when it does not fit. */
static bool expanded(const struct tf2_shape *in, const struct tf2__onnx_array *wanted, struct tf2_shape *out)
{
    struct tf2_reshape_attr dims;
    struct tf2_shape to = {0};
    if (tf2__onnx_parse_reshape(NULL, wanted, &dims, NULL) != TF2_OK)
        return false;
    to.n_dims = dims.n_dims;
    memcpy(to.dim, dims.dim, sizeof(to.dim));
    return tf2__onnx_broadcast(in, &to, out) && tf2__onnx_count(out) > 0;
}

/* Zeros of extent 1, but for the dimensions in which data of shape `in` grows. */
static enum tf2_status emit_zeros(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2_shape *in,
    const struct tf2_shape *out, tf2_tensor_id *id, struct tf2_error *error)
{
    const uint32_t missing = out->n_dims - in->n_dims;
    struct tf2_shape shape = *out;
    void *data;
    for (uint32_t d = missing; d < out->n_dims; d++)
        shape.dim[d] = in->dim[d - missing] == 1 ? out->dim[d] : 1;
    TF2__TRY(tf2__onnx_alloc(onnx, tf2_shape_count(&shape), sizeof(float), true, &data, error));
    return tf2__onnx_emit_constant(onnx, node, "zeros", &shape, data, id, error);
}

enum tf2_status
tf2__onnx_convert_expand(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM};
    const struct tf2__onnx_const *wanted;
    struct tf2_shape in, out[TF2__ONNX_LANES];
    tf2_tensor_id x, id;
    uint32_t valid = 0;
    bool grows = false;
    char text[128];
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_known(onnx, node, 1, &wanted, error));
    in = *tf2__onnx_shape(onnx, x, 0);
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        const struct tf2_shape *shape = tf2__onnx_shape(onnx, x, l);
        if (!shape || !(wanted->lanes >> l & 1) || !expanded(shape, &wanted->array[l], &out[l]))
            continue;
        valid |= 1u << l;
        grows = grows || !tf2_shape_equal(shape, &out[l]);
    }
    if (!(valid & 1))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "an input of shape %s does not broadcast to the wanted shape",
            tf2_shape_format(&in, text, sizeof(text)));
    if (!grows && valid == onnx->lane_shapes[x].lanes)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    if (tf2_shape_equal(&in, &out[0])) {
        TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_IDENTITY, NULL, &x, 1, &id, error));
    } else {
        tf2_tensor_id terms[2] = {x};
        TF2__TRY(emit_zeros(onnx, node, &in, &out[0], &terms[1], error));
        TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_ELTWISE, &sum, terms, 2, &id, error));
    }
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        const struct tf2_shape *shape = tf2__onnx_shape(onnx, id, l);
        if (shape && (!(valid >> l & 1) || !tf2_shape_equal(shape, &out[l])))
            tf2__onnx_drop_lane(onnx, id, l);
    }
    return TF2_OK;
}

/* ---- Tile: concatenation ---- */

enum tf2_status
tf2__onnx_convert_tile(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    struct tf2__onnx_list repeats;
    tf2_tensor_id x, in[TF2_MAX_NODE_INPUTS];
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_list(node, "repeats", array, &repeats, error));
    const uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    if (repeats.n != n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%zu repeats for an input of %u dimensions", repeats.n, n_dims);
    for (uint32_t d = 0; d < n_dims; d++) {
        const struct tf2_axis_attr attr = {.axis = (int32_t)d};
        if (repeats.v[d] < 1 || repeats.v[d] > TF2_MAX_NODE_INPUTS)
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "%lld copies along dimension %u, 1 to %d supported",
                (long long)repeats.v[d], d, TF2_MAX_NODE_INPUTS);
        for (int64_t i = 0; i < repeats.v[d]; i++)
            in[i] = x;
        if (repeats.v[d] > 1)
            TF2__TRY(tf2__onnx_emit_part(
                onnx, node, "copies", TF2_OP_CONCAT, &attr, in, (size_t)repeats.v[d], &x, error));
    }
    return tf2__onnx_result(onnx, node, x, error);
}

/* ---- between channels and pixels ----
 *
 * Channels last, a part of the channels can move into the dimension before them, or out of it, by a reshape alone that
 * copies the two extents in front: it holds for every batch and size. Height and width take turns to be that dimension.
 */

static enum tf2_status read_blocks(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id *x, struct tf2_shape *shape,
    int64_t *block, struct tf2_error *error)
{
    TF2__TRY(tf2__onnx_data(onnx, node, 0, x, error));
    *shape = *tf2__onnx_shape(onnx, *x, 0);
    *block = tf2__onnx_attr_int(node, "blocksize", 0);
    if (shape->n_dims != 4)
        return tf2__fail(error, TF2_ERR_SHAPE, "input of %u dimensions, wanted 4", shape->n_dims);
    if (*block < 1 || *block > INT16_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "blocksize is %lld", (long long)*block);
    return TF2_OK;
}

static const uint32_t to_nwhc[] = {0, 3, 2, 1}, swap_12[] = {0, 2, 1, 3}, to_nchw[] = {0, 3, 1, 2};

/* Channels are (row, column, c) with mode DCR, (c, row, column) with CRD. */
enum tf2_status tf2__onnx_convert_depth_to_space(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    static const char *const words[] = {"DCR", "CRD"};
    static const uint32_t blocks_first[] = {0, 1, 2, 4, 3};
    struct tf2_shape shape;
    int64_t b = 0;
    int word = 0;
    tf2_tensor_id x;
    TF2__TRY(read_blocks(onnx, node, &x, &shape, &b, error));
    TF2__TRY(tf2__onnx_attr_word(node, "mode", words, TF2__COUNT(words), &word, error));
    if (shape.dim[1] % (b * b))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld channels, wanted a multiple of %lld", (long long)shape.dim[1],
            (long long)(b * b));
    const int64_t c = shape.dim[1] / (b * b);
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, to_nwhc, 4, &x, error));
    if (word == 1 && c > 1 && b > 1) {
        TF2__TRY(tf2__onnx_part_reshape(onnx, node, (const int64_t[]){0, 0, 0, c, b * b}, 5, &x, error));
        TF2__TRY(tf2__onnx_part_transpose(onnx, node, blocks_first, 5, &x, error));
    }
    TF2__TRY(tf2__onnx_part_reshape(onnx, node, (const int64_t[]){0, 0, -1, b * c}, 4, &x, error));
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, swap_12, 4, &x, error));
    TF2__TRY(tf2__onnx_part_reshape(onnx, node, (const int64_t[]){0, 0, -1, c}, 4, &x, error));
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, to_nchw, 4, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* Channels become (row, column, c). */
enum tf2_status tf2__onnx_convert_space_to_depth(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    static const uint32_t to_nhwc[] = {0, 2, 3, 1}, nwhc_to_nchw[] = {0, 3, 2, 1};
    struct tf2_shape shape;
    int64_t b = 0;
    tf2_tensor_id x;
    TF2__TRY(read_blocks(onnx, node, &x, &shape, &b, error));
    const int64_t c = shape.dim[1];
    if (shape.dim[2] % b || shape.dim[3] % b)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld x %lld pixels, wanted multiples of %lld", (long long)shape.dim[2],
            (long long)shape.dim[3], (long long)b);
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, to_nhwc, 4, &x, error));
    TF2__TRY(tf2__onnx_part_reshape(onnx, node, (const int64_t[]){0, 0, -1, b * c}, 4, &x, error));
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, swap_12, 4, &x, error));
    TF2__TRY(tf2__onnx_part_reshape(onnx, node, (const int64_t[]){0, 0, -1, b * b * c}, 4, &x, error));
    TF2__TRY(tf2__onnx_part_transpose(onnx, node, nwhc_to_nchw, 4, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}
