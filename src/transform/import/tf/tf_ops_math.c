/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_math.c: element-wise operators, reductions, softmax, LRN, and random numbers, which are a dropout.
 */
#include "transform/import/nhwc.h"
#include "transform/import/tf/internal.h"

/* ---- one input ---- */

enum tf2_status tf2__tf_convert_alias(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    (void)error;
    tf2__tf_alias(node, 0, tf2__tf_in(tf, node, 0));
    return TF2_OK;
}

enum tf2_status
tf2__tf_convert_identity_n(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    (void)error;
    for (uint32_t k = 0; k < node->n_out && k < node->n_in; k++)
        tf2__tf_alias(node, k, tf2__tf_in(tf, node, k));
    return TF2_OK;
}

/* The result of an operator that works on any order of dimensions. */
static enum tf2_status run_any(
    struct tf2__tf *tf, struct tf2__tf_node *node, const struct tf2__tf_call *call, bool first,
    struct tf2_error *error)
{
    struct tf2__onnx_value *out;
    TF2__TRY(tf2__tf_run(tf, node, call, NULL, &out, error));
    tf2__tf_set(node, 0, first, out);
    return TF2_OK;
}

enum tf2_status tf2__tf_convert_unary(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *x;
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    tf2__tf_call_init(&call, node->op->onnx, 1, &x);
    return run_any(tf, node, &call, first, error);
}

static enum tf2_status
run_leaky(struct tf2__tf *tf, struct tf2__tf_node *node, float alpha, struct tf2_error *error)
{
    struct tf2__onnx_value *x;
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    tf2__tf_call_init(&call, "LeakyRelu", 1, &x);
    tf2__tf_call_float(&call, "alpha", alpha);
    return run_any(tf, node, &call, first, error);
}

enum tf2_status tf2__tf_convert_leaky(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return run_leaky(tf, node, tf2__tf_attr_float(node, "alpha", 0.2f), error);
}

enum tf2_status tf2__tf_convert_relu6(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[3];
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    TF2__TRY(tf2__tf_make_float(tf, node, 0, &in[1], error));
    TF2__TRY(tf2__tf_make_float(tf, node, 6, &in[2], error));
    tf2__tf_call_init(&call, "Clip", 3, in);
    return run_any(tf, node, &call, first, error);
}

enum tf2_status tf2__tf_convert_clip(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[3];
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    TF2__TRY(tf2__tf_file(tf, node, 1, &in[1], error));
    TF2__TRY(tf2__tf_file(tf, node, 2, &in[2], error));
    tf2__tf_call_init(&call, "Clip", 3, in);
    return run_any(tf, node, &call, first, error);
}

/* x to the power of -1/2 */
enum tf2_status tf2__tf_convert_rsqrt(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2];
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &in[0], &first, error));
    TF2__TRY(tf2__tf_make_float(tf, node, -0.5f, &in[1], error));
    tf2__tf_call_init(&call, "Pow", 2, in);
    return run_any(tf, node, &call, first, error);
}

enum tf2_status tf2__tf_convert_square(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    return tf2__tf_binary(tf, node, "Mul", x, x, error);
}

enum tf2_status tf2__tf_convert_cast(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const Tf2__Tf__AttrValue *attr = tf2__tf_attr(node, "DstT");
    const int32_t type = attr && attr->has_type ? tf2__tf_onnx_type(attr->type) : 0;
    struct tf2__onnx_value *x;
    struct tf2__tf_call call;
    bool first;
    if (!type)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "a cast to %s", tf2__tf_type_name(attr ? attr->type : 0));
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    tf2__tf_call_init(&call, "Cast", 1, &x);
    tf2__tf_call_int(&call, "to", type);
    return run_any(tf, node, &call, first, error);
}

/* ---- two inputs and more ---- */

/* An operand with the channels first; one of fewer dimensions is aligned at the file's last first. */
static enum tf2_status lift_first(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__tf_value *value, uint32_t n_dims,
    struct tf2__onnx_value **result, struct tf2_error *error)
{
    struct tf2__tf_value lifted = {0};
    if (tf2__tf_rank(tf, value) == n_dims)
        return tf2__tf_as_first(tf, node, value, result, error);
    TF2__TRY(tf2__tf_as_file(tf, node, value, result, error));
    if (tf2__tf_shape_of(tf, *result)->n_dims == 0)
        return TF2_OK; /* one number */
    TF2__TRY(tf2__tf_lift(tf, node, *result, n_dims, &lifted.file, error));
    return tf2__tf_as_first(tf, node, &lifted, result, error);
}

/* Operands in an order that they have in common. */
static enum tf2_status common_order(
    struct tf2__tf *tf, const struct tf2__tf_node *node, size_t n, struct tf2__tf_value *const *values,
    struct tf2__onnx_value **in, bool *first, struct tf2_error *error)
{
    uint32_t n_dims = 0;
    *first = false;
    for (size_t i = 0; i < n; i++)
        n_dims = TF2__MAX(n_dims, tf2__tf_rank(tf, values[i]));
    for (size_t i = 0; i < n; i++)
        *first |= tf2__tf_prefers_first(tf, values[i]) && tf2__tf_rank(tf, values[i]) == n_dims;
    for (size_t i = 0; i < n; i++) {
        if (*first)
            TF2__TRY(lift_first(tf, node, values[i], n_dims, &in[i], error));
        else
            TF2__TRY(tf2__tf_as_file(tf, node, values[i], &in[i], error));
    }
    return TF2_OK;
}

enum tf2_status tf2__tf_binary(
    struct tf2__tf *tf, struct tf2__tf_node *node, const char *op, struct tf2__tf_value *a,
    struct tf2__tf_value *b, struct tf2_error *error)
{
    struct tf2__tf_value *const values[2] = {a, b};
    struct tf2__onnx_value *in[2];
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(common_order(tf, node, 2, values, in, &first, error));
    tf2__tf_call_init(&call, op, 2, in);
    return run_any(tf, node, &call, first, error);
}

enum tf2_status tf2__tf_convert_binary(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return tf2__tf_binary(tf, node, node->op->onnx, tf2__tf_in(tf, node, 0), tf2__tf_in(tf, node, 1), error);
}

/* ONNX divides integers towards zero: the same for what shapes are made of. */
enum tf2_status
tf2__tf_convert_floor_div(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    for (size_t i = 0; i < 2; i++) {
        const struct tf2__onnx_const *known;
        TF2__TRY(tf2__tf_known(tf, node, i, &known, error));
        const struct tf2__onnx_array *array = &known->array[0];
        for (int64_t k = 0; k < array->count; k++) {
            if (tf2__onnx_is_float(array->type) || ((const int64_t *)array->data)[k] < 0)
                return tf2__fail(
                    error, TF2_ERR_UNSUPPORTED, "input %zu has other than integers from 0 on", i);
        }
    }
    return tf2__tf_convert_binary(tf, node, error);
}

enum tf2_status
tf2__tf_convert_squared_difference(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *const values[2] = {tf2__tf_in(tf, node, 0), tf2__tf_in(tf, node, 1)};
    struct tf2__onnx_value *in[2], *difference;
    struct tf2__tf_call call;
    bool first;
    TF2__TRY(common_order(tf, node, 2, values, in, &first, error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Sub", 2, in, "difference", &difference, error));
    in[0] = in[1] = difference;
    tf2__tf_call_init(&call, "Mul", 2, in);
    return run_any(tf, node, &call, first, error);
}

enum tf2_status tf2__tf_convert_add_n(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *values[TF2_MAX_NODE_INPUTS];
    struct tf2__tf_call call;
    bool first;
    if (node->n_in > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%u inputs, at most %d supported", node->n_in, TF2_MAX_NODE_INPUTS);
    for (uint32_t i = 0; i < node->n_in; i++)
        values[i] = tf2__tf_in(tf, node, i);
    tf2__tf_call_init(&call, "Sum", 0, NULL);
    TF2__TRY(common_order(tf, node, node->n_in, values, call.in, &first, error));
    call.n_in = node->n_in;
    return run_any(tf, node, &call, first, error);
}

/* The older form chooses whole items of a batch by a list of truth values; that is taken where they are known only. */
enum tf2_status tf2__tf_convert_select(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *in[3];
    struct tf2__tf_call call;
    const uint32_t n_dims = tf2__tf_rank(tf, tf2__tf_in(tf, node, 0));
    if (strcmp(node->def->op, "Select") == 0 && n_dims == 1 && tf2__tf_rank(tf, tf2__tf_in(tf, node, 1)) != 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "a list of truth values that chooses items of a batch");
    for (size_t i = 0; i < 3; i++)
        TF2__TRY(tf2__tf_file(tf, node, i, &in[i], error));
    tf2__tf_call_init(&call, "Where", 3, in);
    return run_any(tf, node, &call, false, error);
}

/* ---- PReLU, which TensorFlow has in several nodes only (tf_idioms.c) ---- */

/* The slopes broadcast from the last dimension on. */
enum tf2_status tf2__tf_convert_prelu(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    struct tf2__onnx_value *in[2];
    struct tf2__tf_call call;
    TF2__TRY(tf2__tf_as_first(tf, node, x, &in[0], error));
    TF2__TRY(lift_first(tf, node, tf2__tf_in(tf, node, 1), tf2__tf_rank(tf, x), &in[1], error));
    tf2__tf_call_init(&call, "PRelu", 2, in);
    return run_any(tf, node, &call, tf2__tf_rank(tf, x) >= 3, error);
}

/* ---- along an axis ---- */

static enum tf2_status run_softmax(
    struct tf2__tf *tf, struct tf2__tf_node *node, const char *op, int64_t axis, struct tf2_error *error)
{
    struct tf2__onnx_value *x;
    struct tf2__tf_call call;
    uint32_t d = 0;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &x, &first, error));
    const uint32_t n_dims = tf2__tf_shape_of(tf, x)->n_dims;
    TF2__TRY(tf2__onnx_axis(axis, n_dims, false, &d, error));
    tf2__tf_call_init(&call, op, 1, &x);
    tf2__tf_call_int(&call, "axis", tf2__nhwc_axis(first, n_dims, d));
    return run_any(tf, node, &call, first, error);
}

enum tf2_status
tf2__tf_convert_softmax(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    return run_softmax(tf, node, node->op->onnx, -1, error);
}

/* Something in several nodes, found by tf_idioms.c. */
enum tf2_status tf2__tf_convert_idiom(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    if (strcmp(node->op->onnx, "Softmax") == 0)
        return run_softmax(tf, node, "Softmax", node->axis, error);
    return run_leaky(tf, node, node->alpha, error);
}

/* alpha counts for the sum of squares, not for their mean as in ONNX. */
enum tf2_status tf2__tf_convert_lrn(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    const int64_t radius = tf2__tf_attr_int(node, "depth_radius", 5);
    struct tf2__onnx_value *x;
    struct tf2__tf_call call;
    if (radius < 0 || radius > INT16_MAX)
        return tf2__fail(error, TF2_ERR_VALUE, "depth_radius %lld", (long long)radius);
    TF2__TRY(tf2__tf_first(tf, node, 0, &x, error));
    tf2__tf_call_init(&call, "LRN", 1, &x);
    tf2__tf_call_int(&call, "size", 2 * radius + 1);
    tf2__tf_call_float(&call, "alpha", tf2__tf_attr_float(node, "alpha", 1) * (float)(2 * radius + 1));
    tf2__tf_call_float(&call, "beta", tf2__tf_attr_float(node, "beta", 0.5f));
    tf2__tf_call_float(&call, "bias", tf2__tf_attr_float(node, "bias", 1));
    return run_any(tf, node, &call, true, error);
}

/* ---- reductions ---- */

/* The axes as bits. */
static enum tf2_status read_axes(
    struct tf2__tf *tf, const struct tf2__tf_node *node, uint32_t n_dims, uint32_t *mask,
    struct tf2_error *error)
{
    struct tf2__onnx_list list;
    TF2__TRY(tf2__tf_ints(tf, node, 1, &list, error));
    return tf2__onnx_axes(&list, n_dims, mask, error);
}

static enum tf2_status run_reduce(
    struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2__onnx_value *x, uint32_t mask, bool first,
    bool keep, struct tf2_error *error)
{
    struct tf2__onnx_value *in[2] = {x}, *out;
    const uint32_t n_dims = tf2__tf_shape_of(tf, x)->n_dims;
    int64_t axes[TF2_MAX_DIMS];
    size_t n = 0;
    struct tf2__tf_call call;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (mask >> d & 1)
            axes[n++] = tf2__nhwc_axis(first, n_dims, d);
    }
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, n, &in[1], error));
    tf2__tf_call_init(&call, node->op->onnx, 2, in);
    tf2__tf_call_int(&call, "keepdims", keep);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, first && keep, out);
    return TF2_OK;
}

/* Over any axes. Over all spatial ones of a map it is a global pool of the map with its channels first. */
enum tf2_status tf2__tf_convert_reduce(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0);
    const bool keep = tf2__tf_attr_bool(node, "keep_dims", tf2__tf_attr_bool(node, "keepdims", false));
    struct tf2__onnx_value *value;
    uint32_t mask = 0;
    bool first;
    TF2__TRY(tf2__tf_any(tf, node, 0, &value, &first, error));
    const uint32_t n_dims = tf2__tf_shape_of(tf, value)->n_dims;
    TF2__TRY(read_axes(tf, node, n_dims, &mask, error));
    if (mask == 0) {
        tf2__tf_alias(node, 0, x);
        return TF2_OK;
    }
    if (tf2__tf_is_const(value))
        return run_reduce(tf, node, value, mask, false, keep, error);
    const uint32_t all = (1u << n_dims) - 1, last = n_dims >= 3 ? all & ~1u & ~(1u << (n_dims - 1)) : 0;
    if (mask == last) {
        TF2__TRY(tf2__tf_as_first(tf, node, x, &value, error));
        return run_reduce(tf, node, value, mask, true, keep, error);
    }
    if (keep)
        return run_reduce(tf, node, value, mask, first, keep, error);
    TF2__TRY(tf2__tf_file(tf, node, 0, &value, error)); /* what stays keeps the file's order */
    return run_reduce(tf, node, value, mask, false, keep, error);
}

/* ---- dropout ---- */

enum tf2_status tf2__tf_convert_random(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    static const char *const masks[] = {"Add",          "AddV2", "Cast", "Floor", "Greater",
                                        "GreaterEqual", "Less",  "Mul",  "Sub"};
    const char *op = node->op->name;
    struct tf2__tf_value *data = NULL;
    size_t n_data = 0;
    if (node->n_in == 0 || strcmp(op, "RandomUniform") == 0) {
        tf2__tf_alias(node, 0, &(struct tf2__tf_value){.random = true});
        return TF2_OK;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        struct tf2__tf_value *value = tf2__tf_in(tf, node, i);
        bool constant = value->file && tf2__tf_is_const(value->file);
        if (value->random || constant)
            continue;
        data = value;
        n_data++;
    }
    for (size_t i = 0; i < TF2__COUNT(masks) && n_data == 0; i++) {
        if (strcmp(masks[i], op) == 0) {
            tf2__tf_alias(node, 0, &(struct tf2__tf_value){.random = true});
            return TF2_OK;
        }
    }
    /* The data times the mask: at inference the data. tf_idioms.c has taken off the factor that it is
     * scaled by. */
    const bool product = strcmp(op, "Mul") == 0 || strncmp(op, "Select", 6) == 0;
    if (n_data != 1 || !product)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "random numbers are only supported where they make a dropout");
    tf2__tf_alias(node, 0, data);
    return TF2_OK;
}
