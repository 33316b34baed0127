/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_idioms.c: what TensorFlow has no operator for, or had none, and networks write in several nodes: one
 * node is rewritten, the others are not needed any more.
 *
 *     PReLU     Select(x > 0, x, a * x)           max(x, 0) + a * min(x, 0), the minimum also as
 *               -Relu(-x) or (x - |x|) / 2
 *     leaky     Maximum(x, a * x), 0 <= a <= 1
 *     softmax   Exp(x - Max(x)) / Sum(the same Exp), with or without the maximum
 *     dropout   (x / keep) * mask of random numbers: x is not scaled
 */
#include "transform/import/tf/internal.h"

/* Rows for nodes that were rewritten; their names do not occur in files. */
static const struct tf2__tf_op prelu_op = {"PReLU", 2, 2, 1, "PRelu", tf2__tf_convert_prelu};
static const struct tf2__tf_op softmax_op = {"softmax", 1, 1, 1, "Softmax", tf2__tf_convert_idiom};
static const struct tf2__tf_op leaky_op = {"leaky ReLU", 1, 1, 1, "LeakyRelu", tf2__tf_convert_idiom};

/* Behind nodes that only hand on. The number of steps is bounded by the nodes: cycles are found later. */
static struct tf2__tf_ref skip(const struct tf2__tf *tf, struct tf2__tf_ref ref)
{
    for (uint32_t step = 0; step < 16; step++) {
        const struct tf2__tf_node *node = &tf->nodes[ref.node];
        const char *op = node->def->op ? node->def->op : "";
        if (node->op || node->n_in != 1 || (strcmp(op, "Identity") != 0 && strcmp(op, "StopGradient") != 0))
            break;
        ref = node->in[0];
    }
    return ref;
}

static bool same(const struct tf2__tf *tf, struct tf2__tf_ref a, struct tf2__tf_ref b)
{
    a = skip(tf, a);
    b = skip(tf, b);
    return a.node == b.node && a.output == b.output;
}

/* The node behind a reference when it is of this type with n inputs; else NULL. */
static const struct tf2__tf_node *
as_op(const struct tf2__tf *tf, struct tf2__tf_ref ref, const char *op, uint32_t n_in)
{
    ref = skip(tf, ref);
    const struct tf2__tf_node *node = &tf->nodes[ref.node];
    bool is =
        !node->op && ref.output == 0 && node->n_in == n_in && node->def->op && strcmp(node->def->op, op) == 0;
    return is ? node : NULL;
}

static const struct tf2__tf_node *
as_either(const struct tf2__tf *tf, struct tf2__tf_ref ref, const char *op, const char *other, uint32_t n_in)
{
    const struct tf2__tf_node *node = as_op(tf, ref, op, n_in);
    return node ? node : as_op(tf, ref, other, n_in);
}

static bool scalar(const struct tf2__tf *tf, struct tf2__tf_ref ref, double *number)
{
    const struct tf2__tf_node *node = as_op(tf, ref, "Const", 0);
    const Tf2__Tf__AttrValue *attr = node ? tf2__tf_attr(node, "value") : NULL;
    return attr && tf2__tf_scalar(attr->tensor, number);
}

static bool is_scalar(const struct tf2__tf *tf, struct tf2__tf_ref ref, double wanted)
{
    double number;
    return scalar(tf, ref, &number) && number == wanted;
}

/* ---- parts of a PReLU ---- */

/* max(x, 0): then *x. */
static bool is_positive_part(const struct tf2__tf *tf, struct tf2__tf_ref ref, struct tf2__tf_ref *x)
{
    const struct tf2__tf_node *node = as_op(tf, ref, "Relu", 1);
    if (node) {
        *x = node->in[0];
        return true;
    }
    node = as_op(tf, ref, "Maximum", 2);
    for (int i = 0; node && i < 2; i++) {
        if (is_scalar(tf, node->in[1 - i], 0)) {
            *x = node->in[i];
            return true;
        }
    }
    return false;
}

/* max(-x, 0) of this x. */
static bool is_negated_negative_part(const struct tf2__tf *tf, struct tf2__tf_ref ref, struct tf2__tf_ref x)
{
    const struct tf2__tf_node *relu = as_op(tf, ref, "Relu", 1);
    const struct tf2__tf_node *neg = relu ? as_op(tf, relu->in[0], "Neg", 1) : NULL;
    return neg && same(tf, neg->in[0], x);
}

/* min(x, 0) of this x. */
static bool is_negative_part(const struct tf2__tf *tf, struct tf2__tf_ref ref, struct tf2__tf_ref x)
{
    const struct tf2__tf_node *node = as_op(tf, ref, "Neg", 1);
    if (node)
        return is_negated_negative_part(tf, node->in[0], x);
    node = as_op(tf, ref, "Minimum", 2);
    return node && ((same(tf, node->in[0], x) && is_scalar(tf, node->in[1], 0)) ||
                    (same(tf, node->in[1], x) && is_scalar(tf, node->in[0], 0)));
}

/* x - |x| */
static bool is_twice_negative_part(const struct tf2__tf *tf, struct tf2__tf_ref ref, struct tf2__tf_ref x)
{
    const struct tf2__tf_node *sub = as_op(tf, ref, "Sub", 2);
    const struct tf2__tf_node *abs = sub ? as_op(tf, sub->in[1], "Abs", 1) : NULL;
    return abs && same(tf, sub->in[0], x) && same(tf, abs->in[0], x);
}

/* a * min(x, 0): then *a. */
static bool
is_scaled_part(const struct tf2__tf *tf, struct tf2__tf_ref ref, struct tf2__tf_ref x, struct tf2__tf_ref *a)
{
    const struct tf2__tf_node *mul = as_op(tf, ref, "Mul", 2), *neg;
    for (int i = 0; mul && i < 2; i++) {
        const struct tf2__tf_ref other = mul->in[1 - i];
        if (is_negative_part(tf, mul->in[i], x)) {
            *a = other;
            return true;
        }
        neg = as_op(tf, other, "Neg", 1); /* -a * max(-x, 0) */
        if (neg && is_negated_negative_part(tf, mul->in[i], x)) {
            *a = neg->in[0];
            return true;
        }
        if (is_scalar(tf, other, 0.5)) { /* a * (x - |x|) * 0.5 */
            const struct tf2__tf_node *inner = as_op(tf, mul->in[i], "Mul", 2);
            for (int k = 0; inner && k < 2; k++) {
                if (is_twice_negative_part(tf, inner->in[k], x)) {
                    *a = inner->in[1 - k];
                    return true;
                }
            }
        }
    }
    neg = as_op(tf, ref, "Neg", 1); /* -(a * max(-x, 0)) */
    mul = neg ? as_op(tf, neg->in[0], "Mul", 2) : NULL;
    for (int i = 0; mul && i < 2; i++) {
        if (is_negated_negative_part(tf, mul->in[i], x)) {
            *a = mul->in[1 - i];
            return true;
        }
    }
    return false;
}

static void rewrite(
    struct tf2__tf_node *node, const struct tf2__tf_op *op, struct tf2__tf_ref first,
    const struct tf2__tf_ref *second)
{
    node->op = op;
    node->in[0] = first;
    if (second)
        node->in[1] = *second;
    node->n_in = second ? 2 : 1;
}

/* ---- the idioms ---- */

static void find_prelu_sum(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    struct tf2__tf_ref x, a;
    for (int i = 0; i < 2; i++) {
        if (is_positive_part(tf, node->in[i], &x) && is_scaled_part(tf, node->in[1 - i], x, &a)) {
            rewrite(node, &prelu_op, x, &a);
            return;
        }
    }
}

/* max(x, 0) - a * max(-x, 0) */
static void find_prelu_difference(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    const struct tf2__tf_node *mul = as_op(tf, node->in[1], "Mul", 2);
    struct tf2__tf_ref x;
    if (!mul || !is_positive_part(tf, node->in[0], &x))
        return;
    for (int i = 0; i < 2; i++) {
        if (is_negated_negative_part(tf, mul->in[i], x)) {
            const struct tf2__tf_ref a = mul->in[1 - i];
            rewrite(node, &prelu_op, x, &a);
            return;
        }
    }
}

/* Select(x > 0, x, a * x) */
static void find_prelu_select(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    const struct tf2__tf_node *greater = as_either(tf, node->in[0], "Greater", "GreaterEqual", 2);
    const struct tf2__tf_node *mul = as_op(tf, node->in[2], "Mul", 2);
    const struct tf2__tf_ref x = node->in[1];
    if (!greater || !mul || !same(tf, greater->in[0], x) || !is_scalar(tf, greater->in[1], 0))
        return;
    for (int i = 0; i < 2; i++) {
        if (same(tf, mul->in[i], x)) {
            const struct tf2__tf_ref a = mul->in[1 - i];
            rewrite(node, &prelu_op, x, &a);
            return;
        }
    }
}

static void find_leaky(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    double alpha;
    for (int i = 0; i < 2; i++) {
        const struct tf2__tf_node *mul = as_op(tf, node->in[i], "Mul", 2);
        const struct tf2__tf_ref x = node->in[1 - i];
        for (int k = 0; mul && k < 2; k++) {
            if (same(tf, mul->in[k], x) && scalar(tf, mul->in[1 - k], &alpha) && alpha >= 0 && alpha <= 1) {
                node->alpha = (float)alpha;
                rewrite(node, &leaky_op, x, NULL);
                return;
            }
        }
    }
}

/* A reduction with keep_dims over one axis, which is known. */
static bool reduces(const struct tf2__tf *tf, const struct tf2__tf_node *node, int64_t *axis)
{
    const struct tf2__tf_node *from = as_op(tf, node->in[1], "Const", 0);
    const Tf2__Tf__AttrValue *attr = from ? tf2__tf_attr(from, "value") : NULL;
    const Tf2__Tf__TensorProto *proto = attr ? attr->tensor : NULL;
    struct tf2_shape shape = {0};
    int32_t number = 0;
    bool keep = tf2__tf_attr_bool(node, "keep_dims", false) || tf2__tf_attr_bool(node, "keepdims", false);
    if (!keep || !proto || proto->dtype != TF2__TF_INT32 ||
        (proto->tensor_shape && !tf2__tf_shape(proto->tensor_shape, &shape)) || tf2_shape_count(&shape) != 1)
        return false;
    if (proto->tensor_content.len == sizeof(number))
        memcpy(&number, proto->tensor_content.data, sizeof(number));
    else if (proto->n_int_val)
        number = proto->int_val[0];
    *axis = number;
    return true;
}

static void find_softmax(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    const struct tf2__tf_node *exp = as_op(tf, node->in[0], "Exp", 1);
    const struct tf2__tf_node *sum = as_op(tf, node->in[1], "Sum", 2);
    int64_t axis, max_axis;
    if (!exp || !sum || !same(tf, node->in[0], sum->in[0]) || !reduces(tf, sum, &axis))
        return;
    const struct tf2__tf_node *sub = as_op(tf, exp->in[0], "Sub", 2);
    const struct tf2__tf_node *max = sub ? as_op(tf, sub->in[1], "Max", 2) : NULL;
    struct tf2__tf_ref x = exp->in[0];
    if (max && same(tf, max->in[0], sub->in[0]) && reduces(tf, max, &max_axis) && max_axis == axis)
        x = sub->in[0];
    node->axis = axis;
    rewrite(node, &softmax_op, x, NULL);
}

/* Whether a mask is made of random numbers: a few steps back. */
static bool is_random(const struct tf2__tf *tf, struct tf2__tf_ref ref, int depth)
{
    const struct tf2__tf_node *node = &tf->nodes[ref.node];
    if (node->def->op && strcmp(node->def->op, "RandomUniform") == 0)
        return true;
    for (uint32_t i = 0; depth > 0 && i < node->n_in && i < 2; i++) {
        if (is_random(tf, node->in[i], depth - 1))
            return true;
    }
    return false;
}

/* Takes off the factor that a dropout scales its data by. */
static void unscale(const struct tf2__tf *tf, struct tf2__tf_ref *data)
{
    const struct tf2__tf_node *node = as_either(tf, *data, "RealDiv", "Mul", 2);
    double factor;
    if (node && scalar(tf, node->in[1], &factor))
        *data = node->in[0];
    else if (node && strcmp(node->def->op, "Mul") == 0 && scalar(tf, node->in[0], &factor))
        *data = node->in[1];
}

#define MASK_DEPTH 8 /* Cast, GreaterEqual, Floor, Add, Mul, Sub, ... */

static void find_dropout(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    for (int i = 0; i < 2; i++) {
        if (is_random(tf, node->in[1 - i], MASK_DEPTH) && !is_random(tf, node->in[i], MASK_DEPTH))
            unscale(tf, &node->in[i]);
    }
}

static void find_dropout_select(const struct tf2__tf *tf, struct tf2__tf_node *node)
{
    if (is_random(tf, node->in[0], MASK_DEPTH))
        unscale(tf, &node->in[1]);
}

static const struct {
    const char *op;
    uint32_t n_in;
    void (*find)(const struct tf2__tf *tf, struct tf2__tf_node *node);
} idioms[] = {
    {"Add", 2, find_prelu_sum},         {"AddV2", 2, find_prelu_sum},
    {"Maximum", 2, find_leaky},         {"Mul", 2, find_dropout},
    {"RealDiv", 2, find_softmax},       {"Select", 3, find_dropout_select},
    {"Select", 3, find_prelu_select},   {"SelectV2", 3, find_dropout_select},
    {"SelectV2", 3, find_prelu_select}, {"Sub", 2, find_prelu_difference},
};

void tf2__tf_find_idioms(struct tf2__tf *tf)
{
    for (uint32_t i = 0; i < tf->n_nodes; i++) {
        struct tf2__tf_node *node = &tf->nodes[i];
        const char *op = node->def->op ? node->def->op : "";
        for (size_t k = 0; node->needed && k < TF2__COUNT(idioms) && !node->op; k++) {
            if (idioms[k].n_in == node->n_in && strcmp(idioms[k].op, op) == 0)
                idioms[k].find(tf, node);
        }
    }
}
