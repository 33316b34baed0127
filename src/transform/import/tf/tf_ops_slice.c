/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_slice.c: Slice, StridedSlice, Split, SplitV, Unpack.
 */
#include "transform/import/nhwc.h"
#include "transform/import/tf/internal.h"

/* A part of a tensor: for some of its dimensions (of the file) where it begins and ends. */
struct part {
    size_t n;
    int64_t axis[TF2_MAX_DIMS], begin[TF2_MAX_DIMS], end[TF2_MAX_DIMS], step[TF2_MAX_DIMS];
};

static enum tf2_status run_slice(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, bool first,
    const struct part *part, const char *suffix, struct tf2__onnx_value **result, struct tf2_error *error)
{
    struct tf2__onnx_value *in[5] = {x};
    const uint32_t n_dims = tf2__tf_shape_of(tf, x)->n_dims;
    int64_t axes[TF2_MAX_DIMS];
    *result = x;
    if (part->n == 0 && suffix)
        return TF2_OK;
    for (size_t i = 0; i < part->n; i++)
        axes[i] = tf2__nhwc_axis(first, n_dims, (uint32_t)part->axis[i]);
    TF2__TRY(tf2__tf_make_ints(tf, node, part->begin, part->n, &in[1], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, part->end, part->n, &in[2], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, part->n, &in[3], error));
    TF2__TRY(tf2__tf_make_ints(tf, node, part->step, part->n, &in[4], error));
    return tf2__tf_run_plain(tf, node, "Slice", 5, in, suffix, result, error);
}

/* ---- Slice: begin and size, -1 for all that is left ---- */

enum tf2_status tf2__tf_convert_slice(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_list begin, size;
    struct tf2__onnx_value *x, *out;
    struct part part = {0};
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    TF2__TRY(tf2__tf_ints(tf, node, 1, &begin, error));
    TF2__TRY(tf2__tf_ints(tf, node, 2, &size, error));
    const struct tf2_shape shape = tf2__tf_file_shape(tf, tf2__tf_in(tf, node, 0));
    if (begin.n != shape.n_dims || size.n != shape.n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "begin has %zu numbers, size %zu, wanted %u", begin.n, size.n,
            shape.n_dims);
    for (uint32_t d = 0; d < shape.n_dims; d++) {
        if (begin.v[d] < 0 || begin.v[d] > shape.dim[d] || size.v[d] < -1 ||
            size.v[d] > shape.dim[d] - begin.v[d])
            return tf2__fail(
                error, TF2_ERR_VALUE, "begin %lld and size %lld of dimension %u, which has %lld elements",
                (long long)begin.v[d], (long long)size.v[d], d, (long long)shape.dim[d]);
        if (begin.v[d] == 0 && (size.v[d] == -1 || (size.v[d] == shape.dim[d] && d == 0)))
            continue; /* all of it, whatever the batch */
        part.axis[part.n] = d;
        part.begin[part.n] = begin.v[d];
        part.end[part.n] = size.v[d] == -1 ? INT64_MAX : begin.v[d] + size.v[d];
        part.step[part.n++] = 1;
    }
    TF2__TRY(run_slice(tf, node, x, first, &part, NULL, &out, error));
    tf2__tf_set(node, 0, first, out);
    return TF2_OK;
}

/* ---- StridedSlice: NumPy's indexing ---- */

/* What the masks make of begin, end and strides. */
struct index {
    struct part part;
    uint32_t squeezed; /* dimensions of the input that were given as one number */
    uint32_t added;    /* dimensions of the result that are new */
};

struct spec {
    struct tf2__onnx_list begin, end, step;
    int64_t begin_mask, end_mask, ellipsis, new_axis, shrink;
};

static enum tf2_status
read_spec(struct tf2__tf *tf, const struct tf2__tf_node *node, struct spec *spec, struct tf2_error *error)
{
    TF2__TRY(tf2__tf_ints(tf, node, 1, &spec->begin, error));
    TF2__TRY(tf2__tf_ints(tf, node, 2, &spec->end, error));
    TF2__TRY(tf2__tf_ints(tf, node, 3, &spec->step, error));
    spec->begin_mask = tf2__tf_attr_int(node, "begin_mask", 0);
    spec->end_mask = tf2__tf_attr_int(node, "end_mask", 0);
    spec->ellipsis = tf2__tf_attr_int(node, "ellipsis_mask", 0);
    spec->new_axis = tf2__tf_attr_int(node, "new_axis_mask", 0);
    spec->shrink = tf2__tf_attr_int(node, "shrink_axis_mask", 0);
    if (spec->end.n != spec->begin.n || spec->step.n != spec->begin.n)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "begin has %zu numbers, end %zu, strides %zu", spec->begin.n, spec->end.n,
            spec->step.n);
    return TF2_OK;
}

/* Entry i of the spec for dimension d. */
static enum tf2_status take_entry(
    const struct spec *spec, size_t i, const struct tf2_shape *shape, uint32_t d, struct index *index,
    struct tf2_error *error)
{
    struct part *part = &index->part;
    const int64_t step = spec->step.v[i], begin = spec->begin.v[i];
    bool from_start = spec->begin_mask >> i & 1, to_end = spec->end_mask >> i & 1;
    if (step == 0)
        return tf2__fail(error, TF2_ERR_VALUE, "stride 0");
    part->axis[part->n] = d;
    part->step[part->n] = step;
    part->begin[part->n] = from_start ? (step > 0 ? 0 : INT64_MAX) : begin;
    part->end[part->n] = to_end ? (step > 0 ? INT64_MAX : INT64_MIN) : spec->end.v[i];
    if (spec->shrink >> i & 1) {
        if (begin < -shape->dim[d] || begin >= shape->dim[d])
            return tf2__fail(
                error, TF2_ERR_VALUE, "index %lld of dimension %u, which has %lld elements", (long long)begin,
                d, (long long)shape->dim[d]);
        part->begin[part->n] = begin;
        part->end[part->n] = begin == -1 ? INT64_MAX : begin + 1;
        part->step[part->n] = 1;
        index->squeezed |= 1u << d;
    } else if (from_start && to_end && step == 1) {
        return TF2_OK; /* all of it */
    }
    part->n++;
    return TF2_OK;
}

static enum tf2_status make_index(
    const struct spec *spec, const struct tf2_shape *shape, struct index *index, struct tf2_error *error)
{
    const size_t n = spec->begin.n;
    uint32_t d = 0, out = 0, n_ellipses = 0, n_used = 0;
    *index = (struct index){0};
    for (size_t i = 0; i < n; i++) {
        n_ellipses += spec->ellipsis >> i & 1;
        n_used += !(spec->ellipsis >> i & 1) && !(spec->new_axis >> i & 1);
    }
    if (n_used > shape->n_dims || n_ellipses > 1)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%u indices, %u ellipses for %u dimensions", n_used, n_ellipses,
            shape->n_dims);
    for (size_t i = 0; i < n; i++) {
        if (spec->ellipsis >> i & 1) {
            out += shape->n_dims - n_used;
            d += shape->n_dims - n_used;
        } else if (spec->new_axis >> i & 1) {
            if (out >= TF2_MAX_DIMS)
                return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d dimensions", TF2_MAX_DIMS);
            index->added |= 1u << out++;
        } else {
            TF2__TRY(take_entry(spec, i, shape, d, index, error));
            out += !(spec->shrink >> i & 1);
            d++;
        }
    }
    return TF2_OK;
}

static enum tf2_status run_mask(
    struct tf2__tf *tf, const struct tf2__tf_node *node, const char *op, uint32_t mask,
    struct tf2__onnx_value **x, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2] = {*x};
    int64_t axes[TF2_MAX_DIMS];
    size_t n = 0;
    for (uint32_t d = 0; d < TF2_MAX_DIMS; d++) {
        if (mask >> d & 1)
            axes[n++] = d;
    }
    if (n == 0)
        return TF2_OK;
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, n, &in[1], error));
    return tf2__tf_run_plain(tf, node, op, 2, in, "index", x, error);
}

enum tf2_status
tf2__tf_convert_strided_slice(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *x;
    struct index index;
    struct spec spec;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    TF2__TRY(read_spec(tf, node, &spec, error));
    const struct tf2_shape shape = tf2__tf_file_shape(tf, tf2__tf_in(tf, node, 0));
    TF2__TRY(make_index(&spec, &shape, &index, error));
    if (first && (index.squeezed || index.added)) {
        TF2__TRY(tf2__tf_file(tf, node, 0, &x, error));
        first = false;
    }
    if (!index.squeezed && !index.added) {
        TF2__TRY(run_slice(tf, node, x, first, &index.part, NULL, &x, error));
    } else {
        TF2__TRY(run_slice(tf, node, x, first, &index.part, "slice", &x, error));
        TF2__TRY(run_mask(tf, node, "Squeeze", index.squeezed, &x, error));
        TF2__TRY(run_mask(tf, node, "Unsqueeze", index.added, &x, error));
    }
    tf2__tf_set(node, 0, first, x);
    return TF2_OK;
}

/* ---- Split, Unpack ---- */

/* n parts along dimension `axis` of the file; sizes NULL: equal ones. */
static enum tf2_status run_split(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value *x, bool first, uint32_t axis,
    size_t n, struct tf2__onnx_value *sizes, struct tf2__onnx_value ***parts, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2] = {x, sizes};
    const struct tf2_shape *shape = tf2__tf_shape_of(tf, x);
    const uint32_t inner = tf2__nhwc_axis(first, shape->n_dims, axis);
    struct tf2__tf_call call;
    if (n < 1 || n > (size_t)shape->dim[inner] || n > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu parts of a dimension of %lld elements, wanted 1 to %d", n,
            (long long)shape->dim[inner], TF2_MAX_NODE_INPUTS);
    *parts = tf2__arena_alloc(&tf->onnx.arena, n, sizeof(**parts));
    if (!*parts)
        return tf2__fail_memory(error, n * sizeof(**parts), "parts");
    tf2__tf_call_init(&call, "Split", sizes ? 2 : 1, in);
    tf2__tf_call_int(&call, "axis", inner);
    return tf2__tf_run_many(tf, node, &call, n, *parts, error);
}

static enum tf2_status convert_split(
    struct tf2__tf *tf, struct tf2__tf_node *node, size_t value_at, size_t axis_at, size_t n,
    struct tf2__onnx_value *sizes, struct tf2_error *error)
{
    struct tf2__onnx_value *x, **parts;
    uint32_t axis = 0;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, value_at, &x, &first, error));
    TF2__TRY(tf2__tf_axis(tf, node, axis_at, tf2__tf_shape_of(tf, x)->n_dims, &axis, error));
    TF2__TRY(run_split(tf, node, x, first, axis, n, sizes, &parts, error));
    for (size_t k = 0; k < n; k++)
        tf2__tf_set(node, k, first, parts[k]);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_split(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const int64_t n = tf2__tf_attr_int(node, "num_split", 0);
    return convert_split(tf, node, 1, 0, n < 0 ? 0 : (size_t)n, NULL, error);
}

/* One of the sizes may be -1: what is left. */
enum tf2_status
tf2__tf_convert_split_v(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_list sizes;
    struct tf2__onnx_value *list;
    int64_t left;
    uint32_t axis = 0;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &list, &first, error)); /* a plain tensor */
    const struct tf2_shape shape = tf2__tf_file_shape(tf, tf2__tf_in(tf, node, 0));
    TF2__TRY(tf2__tf_ints(tf, node, 1, &sizes, error));
    TF2__TRY(tf2__tf_axis(tf, node, 2, shape.n_dims, &axis, error));
    left = shape.dim[axis];
    for (size_t i = 0; i < sizes.n; i++) {
        if (sizes.v[i] < -1 || sizes.v[i] > shape.dim[axis])
            return tf2__fail(error, TF2_ERR_VALUE, "a part of %lld elements", (long long)sizes.v[i]);
        left -= TF2__MAX(sizes.v[i], 0);
    }
    for (size_t i = 0; i < sizes.n; i++) {
        if (sizes.v[i] == -1) {
            sizes.v[i] = TF2__MAX(left, 0);
            break;
        }
    }
    TF2__TRY(tf2__tf_make_ints(tf, node, sizes.v, sizes.n, &list, error));
    return convert_split(tf, node, 0, 2, sizes.n, list, error);
}

enum tf2_status tf2__tf_convert_unpack(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2], **parts, *out;
    const int64_t n = tf2__tf_attr_int(node, "num", 0);
    uint32_t axis = 0;
    TF2__TRY(tf2__tf_file(tf, node, 0, &in[0], error));
    const struct tf2_shape *shape = tf2__tf_shape_of(tf, in[0]);
    TF2__TRY(tf2__onnx_axis(tf2__tf_attr_int(node, "axis", 0), shape->n_dims, false, &axis, error));
    if (n != shape->dim[axis])
        return tf2__fail(
            error, TF2_ERR_SHAPE, "num %lld for a dimension of %lld elements", (long long)n,
            (long long)shape->dim[axis]);
    TF2__TRY(run_split(tf, node, in[0], false, axis, (size_t)n, NULL, &parts, error));
    TF2__TRY(tf2__tf_make_ints(tf, node, &(int64_t){axis}, 1, &in[1], error));
    for (size_t k = 0; k < (size_t)n && k < node->n_out; k++) {
        in[0] = parts[k];
        TF2__TRY(tf2__tf_run_plain(tf, node, "Squeeze", 2, in, "part", &out, error));
        tf2__tf_set_file(node, k, out);
    }
    return TF2_OK;
}
