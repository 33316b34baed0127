/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_fold_math.c: folding of operators that compute.
 *
 * Integers are computed in int64_t and refused on overflow; floats in double, rounded to float after each
 * operator (for + - * / and square root that is exactly float32 arithmetic).
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

static const int64_t *ints(const struct tf2__onnx_array *array)
{
    return array->data;
}

static const float *floats(const struct tf2__onnx_array *array)
{
    return array->data;
}

/* ---- two inputs ---- */

enum binary {
    ADD,
    SUB,
    MUL,
    DIV,
    MOD,
    POW,
    MAX,
    MIN,
    AND,
    OR,
    EQUAL,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
};

static const char *const binary_names[] = {
    [ADD] = "Add",
    [SUB] = "Sub",
    [MUL] = "Mul",
    [DIV] = "Div",
    [MOD] = "Mod",
    [POW] = "Pow",
    [MAX] = "Max",
    [MIN] = "Min",
    [AND] = "And",
    [OR] = "Or",
    [EQUAL] = "Equal",
    [LESS] = "Less",
    [LESS_EQUAL] = "LessOrEqual",
    [GREATER] = "Greater",
    [GREATER_EQUAL] = "GreaterOrEqual",
};

static enum binary find_binary(const char *type)
{
    for (size_t i = 0; i < TF2__COUNT(binary_names); i++) {
        if (strcmp(type, binary_names[i]) == 0)
            return (enum binary)i;
    }
    return ADD; /* Sum */
}

/* By squaring; an exponent below 0 makes 0, as integer division would (1 and -1 aside). */
static bool int_power(int64_t base, int64_t exponent, int64_t *result)
{
    if (exponent < 0) {
        *result = base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
        return base != 0;
    }
    for (*result = 1; exponent; exponent >>= 1) {
        if ((exponent & 1) && !tf2__mul_i64(*result, base, result))
            return false;
        if (exponent > 1 && !tf2__mul_i64(base, base, &base))
            return false;
    }
    return true;
}

/* The remainder with the divisor's sign (fmod 0) or with the dividend's (fmod 1). */
static int64_t int_remainder(int64_t a, int64_t b, bool fmod_sign)
{
    int64_t rest = a % b;
    return !fmod_sign && rest && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* False: overflow or division by zero. */
static bool int_binary(enum binary op, int64_t a, int64_t b, bool fmod_sign, int64_t *result)
{
    bool divides = b != 0 && !(a == INT64_MIN && b == -1);
    switch (op) {
    case ADD:
        return !__builtin_add_overflow(a, b, result);
    case SUB:
        return !__builtin_sub_overflow(a, b, result);
    case MUL:
        return tf2__mul_i64(a, b, result);
    case DIV:
        *result = divides ? a / b : 0;
        return divides;
    case MOD:
        *result = divides ? int_remainder(a, b, fmod_sign) : 0;
        return divides;
    case POW:
        return int_power(a, b, result);
    case MAX:
        *result = TF2__MAX(a, b);
        return true;
    case MIN:
        *result = TF2__MIN(a, b);
        return true;
    case AND:
        *result = a && b;
        return true;
    case OR:
        *result = a || b;
        return true;
    case EQUAL:
        *result = a == b;
        return true;
    case LESS:
        *result = a < b;
        return true;
    case LESS_EQUAL:
        *result = a <= b;
        return true;
    case GREATER:
        *result = a > b;
        return true;
    case GREATER_EQUAL:
        *result = a >= b;
        return true;
    }
    return false;
}

static double float_binary(enum binary op, double a, double b)
{
    switch (op) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return a / b;
    case MOD:
        return fmod(a, b);
    case POW:
        return pow(a, b);
    case MAX:
        return a > b ? a : b;
    case MIN:
        return a < b ? a : b;
    case EQUAL:
        return a == b;
    case LESS:
        return a < b;
    case LESS_EQUAL:
        return a <= b;
    case GREATER:
        return a > b;
    case GREATER_EQUAL:
        return a >= b;
    default:
        return NAN; /* And, Or: refused before */
    }
}

/* Where the element of a smaller operand lies that belongs to an index of the result. */
static int64_t broadcast_offset(const struct tf2__walk *walk, const struct tf2_shape *in)
{
    int64_t offset = 0;
    uint32_t missing = walk->shape.n_dims - in->n_dims;
    for (uint32_t d = 0; d < in->n_dims; d++)
        offset = offset * in->dim[d] + (in->dim[d] == 1 ? 0 : walk->index[d + missing]);
    return offset;
}

static enum tf2_status binary_types(
    enum binary op, const struct tf2__onnx_array *a, const struct tf2__onnx_array *b, int32_t *type,
    struct tf2_error *error)
{
    bool is_float = tf2__onnx_is_float(a->type);
    if (is_float != tf2__onnx_is_float(b->type) && op != POW)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "inputs of types %s and %s", tf2__onnx_type_name(a->type),
            tf2__onnx_type_name(b->type));
    if (is_float && (op == AND || op == OR))
        return tf2__fail(
            error, TF2_ERR_FORMAT, "inputs of type %s, wanted bool", tf2__onnx_type_name(a->type));
    *type = op >= AND ? TF2__ONNX_BOOL : a->type;
    return TF2_OK;
}

static double number_at(const struct tf2__onnx_array *array, int64_t i)
{
    return tf2__onnx_is_float(array->type) ? floats(array)[i] : (double)ints(array)[i];
}

/* out[0] = a op b. */
static enum tf2_status compute_binary(
    struct tf2__onnx_fold *fold, enum binary op, const struct tf2__onnx_array *a,
    const struct tf2__onnx_array *b, struct tf2_error *error)
{
    struct tf2_shape shape;
    struct tf2__walk walk;
    int32_t type = 0;
    int64_t k = 0;
    void *data;
    bool is_float = tf2__onnx_is_float(a->type) || tf2__onnx_is_float(b->type);
    bool fmod_sign = op == MOD && tf2__onnx_attr_int(fold->node, "fmod", 0);
    TF2__TRY(binary_types(op, a, b, &type, error));
    if (!tf2__onnx_broadcast(&a->shape, &b->shape, &shape))
        return tf2__fail(error, TF2_ERR_SHAPE, "the inputs' shapes do not broadcast");
    TF2__TRY(tf2__onnx_fold_out(fold, 0, type, &shape, &data, error));
    if (fold->out[0].count == 0)
        return TF2_OK;
    for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        int64_t ia = broadcast_offset(&walk, &a->shape), ib = broadcast_offset(&walk, &b->shape), value = 0;
        if (is_float) {
            double result = float_binary(op, number_at(a, ia), number_at(b, ib));
            if (tf2__onnx_is_float(type))
                ((float *)data)[k] = (float)result;
            else if (fabs(result) < 0x1p63)
                ((int64_t *)data)[k] = (int64_t)result;
            else
                return tf2__fail(error, TF2_ERR_VALUE, "the result does not fit an integer");
            continue;
        }
        if (!int_binary(op, ints(a)[ia], ints(b)[ib], fmod_sign, &value))
            return tf2__fail(
                error, TF2_ERR_VALUE, "%lld and %lld: overflow or division by zero", (long long)ints(a)[ia],
                (long long)ints(b)[ib]);
        ((int64_t *)data)[k] = value;
    }
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_binary(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    return compute_binary(fold, find_binary(fold->node->op->name), fold->in[0], fold->in[1], error);
}

/* Sum, Max, Min of any number of inputs. */
enum tf2_status tf2__onnx_fold_variadic(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    struct tf2__onnx_array result = *fold->in[0];
    for (size_t i = 1; i < fold->n_in; i++) {
        if (!fold->in[i])
            return tf2__fail(error, TF2_ERR_FORMAT, "input %zu is missing", i);
        TF2__TRY(compute_binary(fold, find_binary(fold->node->op->name), &result, fold->in[i], error));
        result = fold->out[0];
    }
    fold->out[0] = result;
    return TF2_OK;
}

/* ---- one input ---- */

enum unary {
    ABS,
    CEIL,
    EXP,
    FLOOR,
    LOG,
    NEG,
    NOT,
    RECIPROCAL,
    ROUND,
    SIGN,
    SQRT,
};

static const char *const unary_names[] = {
    [ABS] = "Abs",     [CEIL] = "Ceil", [EXP] = "Exp",   [FLOOR] = "Floor",
    [LOG] = "Log",     [NEG] = "Neg",   [NOT] = "Not",   [RECIPROCAL] = "Reciprocal",
    [ROUND] = "Round", [SIGN] = "Sign", [SQRT] = "Sqrt",
};

static double float_unary(enum unary op, double x)
{
    switch (op) {
    case ABS:
        return fabs(x);
    case CEIL:
        return ceil(x);
    case EXP:
        return exp(x);
    case FLOOR:
        return floor(x);
    case LOG:
        return log(x);
    case NEG:
        return -x;
    case RECIPROCAL:
        return 1 / x;
    case ROUND:
        return nearbyint(x); /* half to even */
    case SIGN:
        return (x > 0) - (x < 0);
    case SQRT:
        return sqrt(x);
    case NOT:
        break;
    }
    return NAN;
}

static bool int_unary(enum unary op, int64_t x, int64_t *result)
{
    switch (op) {
    case ABS:
        *result = x < 0 ? -(x + (x == INT64_MIN)) : x;
        return x != INT64_MIN;
    case NEG:
        return !__builtin_sub_overflow((int64_t)0, x, result);
    case NOT:
        *result = !x;
        return true;
    case SIGN:
        *result = (x > 0) - (x < 0);
        return true;
    default:
        return false;
    }
}

enum tf2_status tf2__onnx_fold_unary(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    enum unary op = ABS;
    void *data;
    for (size_t i = 0; i < TF2__COUNT(unary_names); i++) {
        if (strcmp(fold->node->op->name, unary_names[i]) == 0)
            op = (enum unary)i;
    }
    TF2__TRY(tf2__onnx_fold_out(fold, 0, in->type, &in->shape, &data, error));
    for (int64_t k = 0; k < in->count; k++) {
        if (tf2__onnx_is_float(in->type))
            ((float *)data)[k] = (float)float_unary(op, floats(in)[k]);
        else if (!int_unary(op, ints(in)[k], &((int64_t *)data)[k]))
            return tf2__fail(
                error, TF2_ERR_UNSUPPORTED, "not for %lld of type %s", (long long)ints(in)[k],
                tf2__onnx_type_name(in->type));
    }
    return TF2_OK;
}

/* The range of an integer type; int64_t's own for 64 bits. */
static void int_range(int32_t type, int64_t *low, int64_t *high)
{
    static const struct {
        int32_t type;
        int64_t low, high;
    } ranges[] = {
        {TF2__ONNX_BOOL, 0, 1},
        {TF2__ONNX_INT8, INT8_MIN, INT8_MAX},
        {TF2__ONNX_UINT8, 0, UINT8_MAX},
        {TF2__ONNX_INT16, INT16_MIN, INT16_MAX},
        {TF2__ONNX_UINT16, 0, UINT16_MAX},
        {TF2__ONNX_INT32, INT32_MIN, INT32_MAX},
        {TF2__ONNX_UINT32, 0, UINT32_MAX},
        {TF2__ONNX_UINT64, 0, INT64_MAX},
    };
    *low = INT64_MIN;
    *high = INT64_MAX;
    for (size_t i = 0; i < TF2__COUNT(ranges); i++) {
        if (ranges[i].type == type) {
            *low = ranges[i].low;
            *high = ranges[i].high;
        }
    }
}

static bool is_int(int32_t type)
{
    return (type >= TF2__ONNX_UINT8 && type <= TF2__ONNX_INT64) || type == TF2__ONNX_BOOL ||
           type == TF2__ONNX_UINT32 || type == TF2__ONNX_UINT64;
}

/* One number to an integer type; towards zero, as ONNX says. Out of range is undefined there, refused here.
 */
static bool cast_to_int(const struct tf2__onnx_array *in, int64_t i, int32_t type, int64_t *result)
{
    int64_t low, high;
    double x = number_at(in, i);
    if (type == TF2__ONNX_BOOL) {
        *result = x != 0;
        return true;
    }
    if (tf2__onnx_is_float(in->type) && !(fabs(x) < 0x1p63))
        return false;
    *result = tf2__onnx_is_float(in->type) ? (int64_t)x : ints(in)[i];
    int_range(type, &low, &high);
    return *result >= low && *result <= high;
}

enum tf2_status tf2__onnx_fold_cast(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    int64_t wanted = tf2__onnx_attr_int(fold->node, "to", 0);
    int32_t to = wanted > 0 && wanted <= TF2__ONNX_BFLOAT16 ? (int32_t)wanted : 0;
    void *data;
    /* float64 is kept as float, so only what a float holds is promised; 16-bit rounding is not done here. */
    if (to != TF2__ONNX_FLOAT && to != TF2__ONNX_DOUBLE && !is_int(to))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "to type %s (%lld) is not supported", tf2__onnx_type_name(to),
            (long long)wanted);
    TF2__TRY(tf2__onnx_fold_out(fold, 0, to, &in->shape, &data, error));
    for (int64_t k = 0; k < in->count; k++) {
        if (tf2__onnx_is_float(to))
            ((float *)data)[k] = (float)number_at(in, k);
        else if (!cast_to_int(in, k, to, &((int64_t *)data)[k]))
            return tf2__fail(
                error, TF2_ERR_VALUE, "%g does not fit the type %s", number_at(in, k),
                tf2__onnx_type_name(to));
    }
    return TF2_OK;
}

/* ---- three inputs ---- */

enum tf2_status tf2__onnx_fold_where(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *condition = fold->in[0], *a = fold->in[1], *b = fold->in[2];
    struct tf2_shape shape;
    struct tf2__walk walk;
    int64_t k = 0;
    void *data;
    if (condition->type != TF2__ONNX_BOOL || tf2__onnx_is_float(a->type) != tf2__onnx_is_float(b->type))
        return tf2__fail(error, TF2_ERR_FORMAT, "wanted a bool input and two of one type");
    if (!tf2__onnx_broadcast(&a->shape, &b->shape, &shape) ||
        !tf2__onnx_broadcast(&condition->shape, &shape, &shape))
        return tf2__fail(error, TF2_ERR_SHAPE, "the inputs' shapes do not broadcast");
    TF2__TRY(tf2__onnx_fold_out(fold, 0, a->type, &shape, &data, error));
    if (fold->out[0].count == 0)
        return TF2_OK;
    for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        const struct tf2__onnx_array *from =
            ints(condition)[broadcast_offset(&walk, &condition->shape)] ? a : b;
        if (tf2__onnx_is_float(a->type))
            ((float *)data)[k] = floats(from)[broadcast_offset(&walk, &from->shape)];
        else
            ((int64_t *)data)[k] = ints(from)[broadcast_offset(&walk, &from->shape)];
    }
    return TF2_OK;
}
