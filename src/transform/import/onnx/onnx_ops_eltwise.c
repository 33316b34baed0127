/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_eltwise.c: Add, Sub, Mul, Div, Sum, Max, Min.
 *
 * With a constant that is one number, or one number for each channel, the result is an affine function of the
 * data: it becomes an activation or a scale, which later passes can fold into a convolution. That is done
 * only where the result stays the same to the last bit (a division only when the reciprocal is exact);
 * everything else is an element-wise node of two tensors.
 */
#include "transform/import/onnx/internal.h"

#include <float.h>
#include <math.h>

#define NO_AXIS UINT32_MAX

/* A constant operand beside data. */
struct operand {
    bool usable;
    const float *data;
    int64_t n;     /* 1, or the extent of the data's dimension `axis` */
    uint32_t axis; /* NO_AXIS when n == 1 */
};

/* What a constant is to data of shape x: one number, one for each index of one dimension (not the batch), or
 * something else. */
static struct operand classify(const struct tf2__onnx_array *array, const struct tf2_shape *x)
{
    struct operand operand = {.data = array->data, .n = array->count, .axis = NO_AXIS};
    if (!tf2__onnx_is_float(array->type) || array->shape.n_dims > x->n_dims || array->count == 0)
        return operand;
    operand.usable = true;
    for (uint32_t d = 0; d < array->shape.n_dims; d++) {
        uint32_t axis = x->n_dims - array->shape.n_dims + d;
        if (array->shape.dim[d] == 1)
            continue;
        operand.usable &= operand.axis == NO_AXIS && axis > 0 && x->dim[axis] == array->shape.dim[d];
        operand.axis = axis;
    }
    /* Infinities and NaN are refused where the constant enters the graph, by its name. */
    for (int64_t i = 0; i < operand.n && operand.usable; i++)
        operand.usable = isfinite(operand.data[i]);
    return operand;
}

/* Every number is a power of two whose reciprocal is a normal float. */
static bool has_exact_reciprocals(const struct operand *operand)
{
    for (int64_t i = 0; i < operand->n; i++) {
        int exponent;
        float fraction = frexpf(operand->data[i], &exponent);
        if (fabsf(fraction) != 0.5f || exponent < -124 || exponent > 126)
            return false;
    }
    return true;
}

/* y = factor * x + term, where either may be the operand. */
struct affine {
    float factor, term;
    bool factor_is_operand, term_is_operand;
    bool reciprocal; /* of the operand as a factor */
    bool negate;     /* the operand as a term */
};

/* The affine form of `x op constant` (or `constant op x` when reversed); false when there is none. */
static bool affine_form(const char *op, bool reversed, const struct operand *operand, struct affine *affine)
{
    *affine = (struct affine){.factor = 1};
    if (strcmp(op, "Add") == 0 || strcmp(op, "Sum") == 0) {
        affine->term_is_operand = true;
    } else if (strcmp(op, "Sub") == 0) {
        affine->factor = reversed ? -1 : 1;
        affine->term_is_operand = true;
        affine->negate = !reversed;
    } else if (strcmp(op, "Mul") == 0) {
        affine->factor_is_operand = true;
    } else if (strcmp(op, "Div") == 0 && !reversed && has_exact_reciprocals(operand)) {
        affine->factor_is_operand = true;
        affine->reciprocal = true;
    } else {
        return false;
    }
    return true;
}

static float factor_at(const struct affine *affine, const struct operand *operand, int64_t i)
{
    if (!affine->factor_is_operand)
        return affine->factor;
    return affine->reciprocal ? 1 / operand->data[i] : operand->data[i];
}

static float term_at(const struct affine *affine, const struct operand *operand, int64_t i)
{
    if (!affine->term_is_operand)
        return affine->term;
    return affine->negate ? -operand->data[i] : operand->data[i];
}

/* One factor and one term for each index of a dimension. */
static enum tf2_status emit_scale(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id x, const struct affine *affine,
    const struct operand *operand, struct tf2_error *error)
{
    struct tf2_shape shape = {.n_dims = 1, .dim = {operand->n}};
    struct tf2_scale_attr attr = {.axis = (int32_t)operand->axis};
    tf2_tensor_id in[3] = {x};
    void *factors, *terms;
    TF2__TRY(tf2__onnx_alloc(onnx, operand->n, sizeof(float), true, &factors, error));
    TF2__TRY(tf2__onnx_alloc(onnx, operand->n, sizeof(float), true, &terms, error));
    for (int64_t i = 0; i < operand->n; i++) {
        ((float *)factors)[i] = factor_at(affine, operand, i);
        ((float *)terms)[i] = term_at(affine, operand, i);
    }
    TF2__TRY(tf2__onnx_emit_constant(onnx, node, "scale", &shape, factors, &in[1], error));
    if (!affine->term_is_operand)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_SCALE, &attr, in, 2, &x, error);
    TF2__TRY(tf2__onnx_emit_constant(onnx, node, "bias", &shape, terms, &in[2], error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SCALE, &attr, in, 3, &x, error);
}

/* Max and Min with one number are one side of a clip. */
static bool clip_form(const char *op, const struct operand *operand, struct tf2_activation *activation)
{
    bool is_max = strcmp(op, "Max") == 0;
    if (operand->axis != NO_AXIS || (!is_max && strcmp(op, "Min") != 0))
        return false;
    *activation = (struct tf2_activation){.kind = TF2_ACTIVATION_CLIP, .alpha = -FLT_MAX, .beta = FLT_MAX};
    *(is_max ? &activation->alpha : &activation->beta) = operand->data[0];
    if (is_max && operand->data[0] == 0)
        *activation = (struct tf2_activation){.kind = TF2_ACTIVATION_RELU};
    return true;
}

/* Data and a constant. *done: the node is emitted. */
static enum tf2_status try_constant(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, size_t data_index, bool *done,
    struct tf2_error *error)
{
    const struct tf2__onnx_value *constant = tf2__onnx_in(onnx, node, 1 - data_index);
    const char *op = node->op->name;
    struct affine affine;
    struct tf2_activation activation = {.kind = TF2_ACTIVATION_AFFINE};
    tf2_tensor_id x;
    *done = false;
    if (!constant || constant->state != TF2__ONNX_CONST || constant->constant->equal != TF2__ONNX_ALL_LANES)
        return TF2_OK;
    TF2__TRY(tf2__onnx_data(onnx, node, data_index, &x, error));
    TF2__TRY(tf2__onnx_charge(onnx, sizeof(float) * (uint64_t)constant->constant->array[0].count, error));
    struct operand operand = classify(&constant->constant->array[0], tf2__onnx_shape(onnx, x, 0));
    if (!operand.usable)
        return TF2_OK;
    bool has_affine = affine_form(op, data_index == 1, &operand, &affine);
    *done = has_affine || clip_form(op, &operand, &activation);
    if (!*done)
        return TF2_OK;
    if (has_affine && operand.axis != NO_AXIS)
        return emit_scale(onnx, node, x, &affine, &operand, error);
    if (has_affine) {
        activation.alpha = factor_at(&affine, &operand, 0);
        activation.beta = term_at(&affine, &operand, 0);
    }
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_ACTIVATION, &activation, &x, 1, &x, error);
}

static enum tf2_eltwise_kind eltwise_kind(const char *op)
{
    static const struct {
        const char *name;
        enum tf2_eltwise_kind kind;
    } rows[] = {
        {"Sub", TF2_ELTWISE_SUB}, {"Mul", TF2_ELTWISE_PROD}, {"Div", TF2_ELTWISE_DIV},
        {"Max", TF2_ELTWISE_MAX}, {"Min", TF2_ELTWISE_MIN},
    };
    for (size_t i = 0; i < TF2__COUNT(rows); i++) {
        if (strcmp(rows[i].name, op) == 0)
            return rows[i].kind;
    }
    return TF2_ELTWISE_SUM;
}

/* Any number of inputs: as many as fit into one node, its result together with the next ones, and so on. */
static enum tf2_status
emit_eltwise(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_eltwise_attr attr = {.kind = eltwise_kind(node->op->name)};
    tf2_tensor_id in[TF2_ELTWISE_MAX_INPUTS];
    size_t n = 0, n_in = node->proto->n_input;
    for (size_t i = 0; i < n_in; i++) {
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[n++], error));
        if (n < TF2_ELTWISE_MAX_INPUTS || i + 1 == n_in)
            continue;
        TF2__TRY(tf2__onnx_emit_part(onnx, node, "part", TF2_OP_ELTWISE, &attr, in, n, &in[0], error));
        n = 1;
    }
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_ELTWISE, &attr, in, n, &in[0], error);
}

enum tf2_status
tf2__onnx_convert_binary(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    bool done = false;
    if (tf2__onnx_in(onnx, node, 0)->n_tables || tf2__onnx_in(onnx, node, 1)->n_tables)
        return tf2__onnx_add_index(onnx, node, error);
    for (size_t i = 0; i < 2 && !done; i++) {
        if (tf2__onnx_in(onnx, node, i)->state == TF2__ONNX_TENSOR)
            TF2__TRY(try_constant(onnx, node, i, &done, error));
    }
    return done ? TF2_OK : emit_eltwise(onnx, node, error);
}

enum tf2_status
tf2__onnx_convert_variadic(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    for (size_t i = 0; i < node->proto->n_input; i++) {
        if (!tf2__onnx_in(onnx, node, i))
            return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
    }
    if (node->proto->n_input == 1)
        return tf2__onnx_pass(onnx, node, 0, 0, error);
    return node->proto->n_input == 2 ? tf2__onnx_convert_binary(onnx, node, error)
                                     : emit_eltwise(onnx, node, error);
}
