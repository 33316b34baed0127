/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_shape.c: operators that change the shape and keep the order of elements (Reshape and its
 * relatives), Transpose, Concat.
 *
 * The aim with Reshape is that the network still works for another batch and, where it can, for another size:
 * a wanted extent that differs between the lanes was computed from the input's shape, and is written as 0
 * (copy the input's extent) or -1 (whatever is left) where that means the same in all lanes.
 */
#include "transform/import/onnx/internal.h"

/* ---- Reshape ---- */

/* node NULL: any list of extents. */
enum tf2_status tf2__onnx_parse_reshape(
    const struct tf2__onnx_node *node, const struct tf2__onnx_array *array, struct tf2_reshape_attr *reshape,
    struct tf2_error *error)
{
    const int64_t *dims = array->data;
    bool allow_zero = node && tf2__onnx_attr_int(node, "allowzero", 0);
    if (tf2__onnx_is_float(array->type) || array->shape.n_dims > 1 || !dims)
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "the wanted shape is a tensor of %u dimensions of type %s, wanted a list of integers",
            array->shape.n_dims, tf2__onnx_type_name(array->type));
    if (array->count > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%lld dimensions, at most %d supported", (long long)array->count,
            TF2_MAX_DIMS);
    memset(reshape, 0, sizeof(*reshape));
    reshape->n_dims = (uint32_t)array->count;
    size_t n_free = 0;
    for (uint32_t d = 0; d < reshape->n_dims; d++) {
        n_free += dims[d] == -1;
        if (node && (dims[d] < -1 || n_free > 1 || (allow_zero && dims[d] == 0)))
            return tf2__fail(
                error, TF2_ERR_VALUE, "wanted extent %lld of dimension %u%s", (long long)dims[d], d,
                n_free > 1 ? ": only one may be -1" : "");
        reshape->dim[d] = dims[d];
    }
    return TF2_OK;
}

/* The wanted shape in all lanes, and the input's. */
struct reshape_lanes {
    uint32_t lanes; /* bit l: want[l] is valid */
    uint32_t dead;  /* bit l: the input is valid, the wanted shape is not, or means something else */
    struct tf2_reshape_attr want[TF2__ONNX_LANES];
    const struct tf2_shape *in[TF2__ONNX_LANES];
};

/* Whether extent d is the input's own extent d in all lanes. */
static bool is_copy(const struct reshape_lanes *r, uint32_t d)
{
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        if ((r->lanes >> l & 1) && (d >= r->in[l]->n_dims || r->want[l].dim[d] != r->in[l]->dim[d]))
            return false;
    }
    return true;
}

/* What -1 and 0 of a lane's wanted shape stand for. A shape that does not fit is left as it is; the graph
 * refuses it. */
static void resolve(struct tf2_reshape_attr *want, const struct tf2_shape *in)
{
    int64_t known = 1, count = tf2_shape_count(in);
    uint32_t rest = TF2_MAX_DIMS;
    for (uint32_t d = 0; d < want->n_dims; d++) {
        if (want->dim[d] == 0 && d < in->n_dims)
            want->dim[d] = in->dim[d];
        if (want->dim[d] == -1)
            rest = d;
        else if (!tf2__mul_i64(known, want->dim[d], &known))
            known = 0;
    }
    if (rest < TF2_MAX_DIMS && known > 0 && count % known == 0)
        want->dim[rest] = count / known;
}

/* The lanes that want another extent d than the first. */
static uint32_t differing(const struct reshape_lanes *r, uint32_t d)
{
    uint32_t differ = 0;
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if ((r->lanes >> l & 1) && r->want[l].dim[d] != r->want[0].dim[d])
            differ |= 1u << l;
    }
    return differ;
}

/*
 * The attribute that gives every lane what it wants, as far as 0 and -1 can say it. `raw` is what the file
 * says: its 0 and -1 stay, unless the -1 is better used elsewhere. False: there is none for all lanes.
 */
static bool
choose_dims(const struct reshape_lanes *r, const struct tf2_reshape_attr *raw, struct tf2_reshape_attr *attr)
{
    uint32_t rest = TF2_MAX_DIMS;
    *attr = *raw;
    for (uint32_t d = 0; d < raw->n_dims; d++) {
        if (raw->dim[d] == -1)
            rest = d;
        else if (differing(r, d) && is_copy(r, d))
            attr->dim[d] = 0;
    }
    for (uint32_t d = 0; d < raw->n_dims; d++) {
        if (attr->dim[d] <= 0 || !differing(r, d))
            continue;
        if (rest < TF2_MAX_DIMS && raw->dim[rest] == -1 && r->want[0].dim[rest] > 0 &&
            (!differing(r, rest) || is_copy(r, rest))) {
            attr->dim[rest] = differing(r, rest) ? 0 : r->want[0].dim[rest];
            rest = TF2_MAX_DIMS;
        }
        if (rest < TF2_MAX_DIMS)
            return false;
        attr->dim[d] = -1;
        rest = d;
    }
    return true;
}

/*
 * When not all lanes can be served the other sizes are given up before the other batch. A -1 that then has
 * one meaning left is written as a number, so that shapes the result is not meant for fail instead of
 * passing.
 */
static void
choose_for_lanes(struct reshape_lanes *r, const struct tf2_reshape_attr *raw, struct tf2_reshape_attr *attr)
{
    uint32_t lost = 0;
    while (!choose_dims(r, raw, attr)) {
        uint32_t drop = r->lanes >> TF2__ONNX_LANE_SIZE & 1 ? TF2__ONNX_LANE_SIZE : TF2__ONNX_LANE_BATCH;
        lost |= 1u << drop;
        r->lanes &= ~lost;
    }
    r->dead |= lost;
    for (uint32_t d = 0; d < raw->n_dims && lost; d++) {
        if (attr->dim[d] == -1 && r->want[0].dim[d] > 0 && !differing(r, d))
            attr->dim[d] = r->want[0].dim[d];
    }
}

/*
 * A leading extent that is written as a number, where the input has the batch and the number is this batch:
 * copied from the input, it is the same here and makes other batches possible. Not where the file leaves the
 * batch open and has a -1 too: there ONNX would move the batch into that dimension.
 */
static void open_batch(
    const struct tf2__onnx *onnx, const struct reshape_lanes *r, const struct tf2_reshape_attr *raw,
    struct tf2_reshape_attr *attr)
{
    const struct tf2_shape *other = r->in[TF2__ONNX_LANE_BATCH];
    bool has_rest = false;
    if (raw->n_dims == 0 || attr->dim[0] <= 0 || !other || other->n_dims == 0 || r->in[0]->n_dims == 0)
        return;
    for (uint32_t d = 1; d < raw->n_dims; d++)
        has_rest |= attr->dim[d] == -1;
    bool is_batch = other->dim[0] != r->in[0]->dim[0] && attr->dim[0] == r->in[0]->dim[0];
    if (is_batch && !differing(r, 0) && (onnx->batch_fixed || !has_rest))
        attr->dim[0] = 0;
}

static enum tf2_status read_reshape_lanes(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id x, struct reshape_lanes *r,
    struct tf2_reshape_attr *raw, struct tf2_error *error)
{
    const struct tf2__onnx_const *known;
    memset(r, 0, sizeof(*r));
    TF2__TRY(tf2__onnx_known(onnx, node, 1, &known, error));
    TF2__TRY(tf2__onnx_parse_reshape(node, &known->array[0], raw, error));
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        r->in[l] = tf2__onnx_shape(onnx, x, l);
        if (!r->in[l])
            continue;
        bool valid = (known->lanes >> l & 1) &&
                     tf2__onnx_parse_reshape(node, &known->array[l], &r->want[l], NULL) == TF2_OK &&
                     r->want[l].n_dims == raw->n_dims;
        *(valid ? &r->lanes : &r->dead) |= 1u << l;
        if (valid)
            resolve(&r->want[l], r->in[l]);
    }
    return TF2_OK;
}

/* The node that computes a tensor, if it is of this operator; or NULL. */
static const struct tf2__node *producer(const struct tf2_graph *graph, tf2_tensor_id tensor, enum tf2_op op)
{
    uint32_t index = graph->tensors[tensor].producer;
    return index != TF2__NO_NODE && graph->nodes[index].op->id == op ? &graph->nodes[index] : NULL;
}

/* Whether the wanted shape is that of `tensor` in all lanes. */
static bool wants_shape_of(const struct tf2__onnx *onnx, const struct reshape_lanes *r, tf2_tensor_id tensor)
{
    for (int l = 0; l < TF2__ONNX_LANES; l++) {
        const struct tf2_shape *shape = tf2__onnx_shape(onnx, tensor, l);
        bool same = (r->lanes >> l & 1) ? shape && shape->n_dims == r->want[l].n_dims : !r->in[l] || !shape;
        for (uint32_t d = 0; same && (r->lanes >> l & 1) && d < shape->n_dims; d++)
            same = shape->dim[d] == r->want[l].dim[d];
        if (!same)
            return false;
    }
    return true;
}

/*
 * reshape to rows ─ softmax over a row ─ reshape back, which older frameworks write since their softmax takes
 * matrices only: a softmax over the last dimension of what was reshaped, and as such right for all sizes, which the
 * second reshape alone could not say. *from: the tensor, or TF2_NO_TENSOR.
 */
static const struct tf2_softmax_attr *
softmax_of_rows(const struct tf2__onnx *onnx, const struct reshape_lanes *r, tf2_tensor_id x, tf2_tensor_id *from)
{
    const struct tf2_graph *graph = onnx->graph;
    const struct tf2__node *softmax = producer(graph, x, TF2_OP_SOFTMAX);
    const struct tf2__node *rows = softmax ? producer(graph, softmax->in[0], TF2_OP_RESHAPE) : NULL;
    *from = TF2_NO_TENSOR;
    if (!rows || graph->tensors[x].shape.n_dims != 2)
        return NULL;
    const struct tf2_softmax_attr *attr = softmax->attr;
    const struct tf2_shape *shape = &graph->tensors[rows->in[0]].shape;
    if ((attr->axis != 1 && attr->axis != -1) || shape->n_dims < 2 ||
        shape->dim[shape->n_dims - 1] != graph->tensors[x].shape.dim[1] || !wants_shape_of(onnx, r, rows->in[0]))
        return NULL;
    *from = rows->in[0];
    return attr;
}

enum tf2_status
tf2__onnx_convert_reshape(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct reshape_lanes r;
    struct tf2_reshape_attr raw, attr;
    tf2_tensor_id x, out;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(read_reshape_lanes(onnx, node, x, &r, &raw, error));
    const struct tf2_softmax_attr *rows = softmax_of_rows(onnx, &r, x, &out);
    if (rows) {
        const struct tf2_softmax_attr whole = {.axis = -1, .log = rows->log};
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_SOFTMAX, &whole, &out, 1, &out, error);
    }
    choose_for_lanes(&r, &raw, &attr);
    open_batch(onnx, &r, &raw, &attr);
    TF2__TRY(tf2__onnx_emit(onnx, node, 0, TF2_OP_RESHAPE, &attr, &x, 1, &out, error));
    for (int l = 1; l < TF2__ONNX_LANES; l++) {
        if (r.dead >> l & 1)
            tf2__onnx_drop_lane(onnx, out, l);
    }
    return TF2_OK;
}

/* ---- relatives of Reshape ---- */

enum tf2_status
tf2__onnx_convert_flatten(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_axis_attr attr;
    tf2_tensor_id x;
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_axis(
        tf2__onnx_attr_int(node, "axis", 1), tf2__onnx_shape(onnx, x, 0)->n_dims, true, &axis, error));
    attr.axis = (int32_t)axis;
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_FLATTEN, &attr, &x, 1, &x, error);
}

/* Without axes all extents of 1 go: those that are 1 here, written down, so that another batch cannot change
 * which. */
enum tf2_status
tf2__onnx_convert_squeeze(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    struct tf2__onnx_list list;
    struct tf2_axes_attr attr = {0};
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_list(node, "axes", array, &list, error));
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, x, 0);
    TF2__TRY(tf2__onnx_axes(&list, shape->n_dims, &attr.axes, error));
    if (!list.given)
        attr.axes = tf2__shape_ones(shape);
    if (!attr.axes)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SQUEEZE, &attr, &x, 1, &x, error);
}

enum tf2_status tf2__onnx_convert_unsqueeze(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const struct tf2__onnx_array *array;
    struct tf2__onnx_list list;
    struct tf2_axes_attr attr = {0};
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_fixed(onnx, node, 1, &array, error));
    TF2__TRY(tf2__onnx_list(node, "axes", array, &list, error));
    size_t n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims + list.n;
    if (!list.given)
        return tf2__fail(error, TF2_ERR_FORMAT, "axes is missing");
    if (n_dims > TF2_MAX_DIMS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu dimensions, at most %d supported", n_dims, TF2_MAX_DIMS);
    TF2__TRY(tf2__onnx_axes(&list, (uint32_t)n_dims, &attr.axes, error));
    if (!attr.axes)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_UNSQUEEZE, &attr, &x, 1, &x, error);
}

/* ---- Transpose, Concat ---- */

enum tf2_status tf2__onnx_convert_transpose(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_transpose_attr attr = {0};
    struct tf2__onnx_list perm;
    tf2_tensor_id x;
    uint32_t axis = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_attr_list(node, "perm", &perm, error));
    attr.n_dims = tf2__onnx_shape(onnx, x, 0)->n_dims;
    if (perm.given && perm.n != attr.n_dims)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "perm has %zu numbers for an input of %u dimensions", perm.n, attr.n_dims);
    for (uint32_t d = 0; d < attr.n_dims; d++) {
        TF2__TRY(tf2__onnx_axis(
            perm.given ? perm.v[d] : (int64_t)(attr.n_dims - 1 - d), attr.n_dims, false, &axis, error));
        attr.perm[d] = axis;
    }
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_TRANSPOSE, &attr, &x, 1, &x, error);
}

/* More inputs than a node can have are joined in several steps. */
enum tf2_status
tf2__onnx_convert_concat(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_axis_attr attr;
    tf2_tensor_id in[TF2_MAX_NODE_INPUTS];
    size_t n = 0, n_in = node->proto->n_input;
    uint32_t axis = 0;
    if (!tf2__onnx_attr(node, "axis"))
        return tf2__fail(error, TF2_ERR_FORMAT, "axis is missing");
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &in[0], error));
    TF2__TRY(tf2__onnx_axis(
        tf2__onnx_attr_int(node, "axis", 0), tf2__onnx_shape(onnx, in[0], 0)->n_dims, false, &axis, error));
    attr.axis = (int32_t)axis;
    for (size_t i = 0; i < n_in; i++) {
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[n++], error));
        if (n < TF2_MAX_NODE_INPUTS || i + 1 == n_in)
            continue;
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "part", TF2_OP_CONCAT, &attr, in, n, &in[0], error));
        n = 1;
    }
    if (n_in == 1)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_CONCAT, &attr, in, n, &in[0], error);
}
