/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_slice.c: operators that take a part of a tensor, or add to its borders: Slice, Split, Pad.
 *
 * Bounds may be computed from shapes, so they can differ between lanes. They are then written relative to the
 * end of the dimension where that says the same in all lanes; otherwise the lanes that differ are dropped.
 */
#include "transform/import/onnx/internal.h"

/* Inputs 1 to 4 of a node, all known. */
#define N_PARAMS 4

static enum tf2_status read_params(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_const **known,
    struct tf2_error *error)
{
    for (size_t i = 0; i < N_PARAMS; i++)
        TF2__TRY(tf2__onnx_known(onnx, node, i + 1, &known[i], error));
    return TF2_OK;
}

/* The same in one lane. False when one of them is not valid there. */
static bool
params_in_lane(const struct tf2__onnx_const *const *known, int lane, const struct tf2__onnx_array **arrays)
{
    for (size_t i = 0; i < N_PARAMS; i++) {
        arrays[i] = known[i] ? &known[i]->array[lane] : NULL;
        if (known[i] && !(known[i]->lanes >> lane & 1))
            return false;
    }
    return true;
}

static void drop_lanes(struct tf2__onnx *onnx, tf2_tensor_id id, uint32_t dead)
{
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if (dead >> l & 1)
            tf2__onnx_drop_lane(onnx, id, l);
    }
}

/* ---- bounds in all lanes ---- */

struct slice_lanes {
    uint32_t lanes, dead; /* as in struct reshape_lanes */
    struct tf2_slice_attr slice[TF2__ONNX_LANES];
    const struct tf2_shape *in[TF2__ONNX_LANES];
};

static int64_t bound(const struct slice_lanes *s, int lane, uint32_t d, bool is_end)
{
    return is_end ? s->slice[lane].end[d] : s->slice[lane].begin[d];
}

/* One bound of dimension d for all lanes. */
static int64_t merge_bound(struct slice_lanes *s, uint32_t d, bool is_end)
{
    int64_t first = bound(s, 0, d, is_end);
    /* Where a bound that counts from the beginning lies, seen from the end. */
    int64_t back = first >= 0 ? first - s->in[0]->dim[d] : 1;
    bool same_back = back <= 0;
    uint32_t differ = 0;
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if (!(s->lanes >> l & 1))
            continue;
        int64_t other = bound(s, l, d, is_end);
        differ |= (uint32_t)(other != first) << l;
        same_back = same_back && other >= 0 && other - s->in[l]->dim[d] == back;
    }
    if (!differ)
        return first;
    if (same_back)
        return back < 0 ? back : INT64_MAX;
    s->dead |= differ;
    return first;
}

static enum tf2_status emit_slice(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, tf2_tensor_id x,
    struct slice_lanes *s, struct tf2_error *error)
{
    struct tf2_slice_attr attr = s->slice[0];
    tf2_tensor_id out;
    for (uint32_t d = 0; d < attr.n_dims; d++) {
        attr.begin[d] = merge_bound(s, d, false);
        attr.end[d] = merge_bound(s, d, true);
        for (int l = 1; l < TF2__ONNX_LANES; l++) {
            if ((s->lanes >> l & 1) && s->slice[l].step[d] != attr.step[d])
                s->dead |= 1u << l;
        }
    }
    TF2__TRY(tf2__onnx_emit(onnx, node, i, TF2_OP_SLICE, &attr, &x, 1, &out, error));
    drop_lanes(onnx, out, s->dead);
    return TF2_OK;
}

void tf2__onnx_slice_all(struct tf2_slice_attr *slice, uint32_t n_dims)
{
    memset(slice, 0, sizeof(*slice));
    slice->n_dims = n_dims;
    for (uint32_t d = 0; d < n_dims; d++) {
        slice->end[d] = INT64_MAX;
        slice->step[d] = 1;
    }
}

/* ---- Slice ---- */

/* No extent is larger than 2^31, so bounds and steps beyond that are cut: nothing overflows afterwards. The
 * two ends of int64_t stay, they say "all". */
static int64_t cut(int64_t value)
{
    if (value == INT64_MAX || value == INT64_MIN)
        return value;
    return TF2__MIN(TF2__MAX(value, -(int64_t)INT32_MAX - 1), (int64_t)INT32_MAX);
}

enum tf2_status tf2__onnx_parse_slice(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *const *arrays, uint32_t n_dims,
    struct tf2_slice_attr *slice, struct tf2_error *error)
{
    struct tf2__onnx_list starts, ends, axes, steps;
    uint32_t axis = 0, mask = 0;
    TF2__TRY(tf2__onnx_list(node, "starts", arrays[0], &starts, error));
    TF2__TRY(tf2__onnx_list(node, "ends", arrays[1], &ends, error));
    TF2__TRY(tf2__onnx_list(node, "axes", arrays[2], &axes, error));
    TF2__TRY(tf2__onnx_list(node, "steps", arrays[3], &steps, error));
    if (!starts.given || !ends.given)
        return tf2__fail(error, TF2_ERR_FORMAT, "starts or ends is missing");
    if (ends.n != starts.n || (axes.given && axes.n != starts.n) || (steps.given && steps.n != starts.n))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "%zu starts, %zu ends, %zu axes, %zu steps", starts.n, ends.n, axes.n,
            steps.n);
    tf2__onnx_slice_all(slice, n_dims);
    for (size_t i = 0; i < starts.n; i++) {
        int64_t step = steps.given ? steps.v[i] : 1;
        TF2__TRY(tf2__onnx_axis(axes.given ? axes.v[i] : (int64_t)i, n_dims, false, &axis, error));
        if ((mask >> axis & 1) || step == 0)
            return tf2__fail(
                error, TF2_ERR_FORMAT, step ? "axis %u is listed twice" : "step 0 on axis %u", axis);
        mask |= 1u << axis;
        slice->begin[axis] = cut(starts.v[i]);
        slice->end[axis] = cut(ends.v[i]);
        slice->step[axis] = TF2__MIN(TF2__MAX(step, -INT32_MAX), INT32_MAX);
    }
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_slice(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_const *known[N_PARAMS];
    const struct tf2__onnx_array *arrays[N_PARAMS];
    struct slice_lanes s = {0};
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_params(onnx, node, known, error));
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        s.in[l] = tf2__onnx_shape(onnx, x, l);
        if (!s.in[l])
            continue;
        bool valid = params_in_lane(known, l, arrays);
        enum tf2_status status =
            valid ? tf2__onnx_parse_slice(node, arrays, s.in[l]->n_dims, &s.slice[l], l ? NULL : error)
                  : TF2_OK;
        if (l == 0)
            TF2__TRY(status);
        *(valid && status == TF2_OK ? &s.lanes : &s.dead) |= 1u << l;
    }
    return emit_slice(onnx, node, 0, x, &s, error);
}

/* ---- Split ---- */

/* Equal parts; from opset 18 on the last may be smaller. */
static enum tf2_status equal_part(
    const struct tf2__onnx *onnx, size_t n_parts, int64_t extent, size_t i, int64_t *begin, int64_t *length,
    struct tf2_error *error)
{
    int64_t n = (int64_t)n_parts, part = tf2__ceil_div(extent, n);
    if (onnx->opset < 18 && extent % n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld elements do not split into %lld equal parts", (long long)extent,
            (long long)n);
    *begin = (int64_t)i * part;
    *length = TF2__MIN(part, extent - *begin);
    if (*length < 1)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld elements do not split into %lld parts", (long long)extent,
            (long long)n);
    return TF2_OK;
}

enum tf2_status tf2__onnx_parse_split(
    const struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_array *sizes,
    int64_t extent, size_t i, int64_t *begin, int64_t *length, struct tf2_error *error)
{
    struct tf2__onnx_list list;
    int64_t sum = 0;
    size_t n_parts = node->proto->n_output;
    TF2__TRY(tf2__onnx_list(node, "split", sizes, &list, error));
    if (tf2__onnx_attr_int(node, "num_outputs", (int64_t)n_parts) != (int64_t)n_parts)
        return tf2__fail(error, TF2_ERR_FORMAT, "num_outputs is not the number of outputs (%zu)", n_parts);
    if (!list.given)
        return equal_part(onnx, n_parts, extent, i, begin, length, error);
    if (list.n != n_parts)
        return tf2__fail(error, TF2_ERR_SHAPE, "%zu sizes for %zu outputs", list.n, n_parts);
    for (size_t k = 0; k < list.n; k++) {
        if (list.v[k] < 0 || list.v[k] > extent - sum)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "the sizes do not sum up to the extent %lld", (long long)extent);
        if (k == i)
            *begin = sum;
        sum += list.v[k];
    }
    if (sum != extent)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "the sizes sum up to %lld, the extent is %lld", (long long)sum,
            (long long)extent);
    *length = list.v[i];
    return TF2_OK;
}

/* Part i in all lanes. */
static enum tf2_status split_part(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t i, uint32_t axis,
    const struct tf2__onnx_const *const *known, struct slice_lanes *s, struct tf2_error *error)
{
    const struct tf2__onnx_array *arrays[N_PARAMS];
    int64_t begin = 0, length = 0;
    s->lanes = s->dead = 0;
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        if (!s->in[l])
            continue;
        bool valid = params_in_lane(known, l, arrays);
        enum tf2_status status = TF2_OK;
        if (valid)
            status = tf2__onnx_parse_split(
                onnx, node, arrays[0], s->in[l]->dim[axis], i, &begin, &length, l ? NULL : error);
        if (l == 0)
            TF2__TRY(status);
        *(valid && status == TF2_OK ? &s->lanes : &s->dead) |= 1u << l;
        tf2__onnx_slice_all(&s->slice[l], s->in[l]->n_dims);
        s->slice[l].begin[axis] = begin;
        s->slice[l].end[axis] = begin + length;
    }
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_split(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_const *known[N_PARAMS];
    struct slice_lanes s = {0};
    tf2_tensor_id x;
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_params(onnx, node, known, error));
    uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    TF2__TRY(tf2__onnx_axis(tf2__onnx_attr_int(node, "axis", 0), n_dims, false, &axis, error));
    for (size_t i = 0; i < node->proto->n_output; i++) {
        if (!tf2__onnx_out_used(onnx, node, i))
            continue;
        /* The table of shapes may have moved with the tensor just added. */
        for (int l = 0; l < TF2__ONNX_LANES; l++)
            s.in[l] = tf2__onnx_shape(onnx, x, l);
        TF2__TRY(split_part(onnx, node, i, axis, known, &s, error));
        TF2__TRY(emit_slice(onnx, node, i, x, &s, error));
    }
    return TF2_OK;
}

/* ---- Pad ---- */

/* Beginnings of all (or of the listed) axes, then ends; attributes before opset 11, inputs since, axes
 * since 18. */
static enum tf2_status parse_pads(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *const *arrays, uint32_t n_dims,
    struct tf2_pad_attr *attr, struct tf2_error *error)
{
    struct tf2__onnx_list pads, axes;
    uint32_t axis = 0, mask = 0;
    TF2__TRY(tf2__onnx_list(node, "pads", arrays[0], &pads, error));
    TF2__TRY(tf2__onnx_list(node, "axes", arrays[2], &axes, error));
    TF2__TRY(tf2__onnx_axes(&axes, n_dims, &mask, error));
    size_t n = axes.given ? axes.n : n_dims;
    if (!pads.given || pads.n != 2 * n)
        return tf2__fail(error, TF2_ERR_SHAPE, "pads has %zu numbers, wanted %zu", pads.n, 2 * n);
    attr->n_dims = n_dims;
    for (size_t i = 0; i < n; i++) {
        TF2__TRY(tf2__onnx_axis(axes.given ? axes.v[i] : (int64_t)i, n_dims, false, &axis, error));
        attr->begin[axis] = pads.v[i];
        attr->end[axis] = pads.v[i + n];
    }
    return TF2_OK;
}

static enum tf2_status pad_value(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_pad_attr *attr,
    struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    double value = tf2__onnx_attr_float(node, "value", 0);
    TF2__TRY(tf2__onnx_fixed(onnx, node, 2, &array, error));
    if (array && array->count)
        TF2__TRY(tf2__onnx_number(array, "constant_value", &value, error));
    if (!(value - value == 0))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "the padding's value is %g, wanted a finite number", value);
    attr->value = (float)value;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_pad(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    static const char *const words[] = {"constant", "reflect", "edge"};
    static const enum tf2_pad_mode modes[] = {TF2_PAD_CONSTANT, TF2_PAD_REFLECT, TF2_PAD_EDGE};
    const struct tf2__onnx_const *known[N_PARAMS];
    const struct tf2__onnx_array *arrays[N_PARAMS];
    struct tf2_pad_attr attr = {0};
    tf2_tensor_id x, out;
    uint32_t dead = 0;
    int word = 0;
    bool nothing = true;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_params(onnx, node, known, error));
    TF2__TRY(tf2__onnx_attr_word(node, "mode", words, TF2__COUNT(words), &word, error));
    params_in_lane(known, 0, arrays);
    uint32_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    TF2__TRY(parse_pads(node, arrays, n_dims, &attr, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        struct tf2_pad_attr other = {0};
        if (!params_in_lane(known, l, arrays) || parse_pads(node, arrays, n_dims, &other, NULL) != TF2_OK ||
            memcmp(other.begin, attr.begin, sizeof(attr.begin)) != 0 ||
            memcmp(other.end, attr.end, sizeof(attr.end)) != 0)
            dead |= 1u << l;
    }
    for (uint32_t d = 0; d < n_dims; d++)
        nothing = nothing && attr.begin[d] == 0 && attr.end[d] == 0;
    TF2__TRY(pad_value(onnx, node, &attr, error));
    attr.mode = modes[word];
    if (nothing && !dead)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_PAD, &attr, &x, 1, &out, error));
    drop_lanes(onnx, out, dead);
    return TF2_OK;
}
