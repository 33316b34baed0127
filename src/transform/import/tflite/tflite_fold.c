/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_fold.c: integers that are known at import: constants, shapes, and what is computed from them (SHAPE,
 * STRIDED_SLICE, PACK, ... in front of a RESHAPE).
 *
 * Only few integers of up to one dimension matter here, so an operator is a function from short lists to a short list.
 */
#include "transform/import/tflite/tflite.h"

struct list {
    int64_t v[TF2__LITE_MAX_KNOWN];
    int64_t n;
    bool is_scalar;
};

static bool is_integer(int32_t type)
{
    return type == TF2__LITE_INT32 || type == TF2__LITE_INT64 || type == TF2__LITE_BOOL;
}

static size_t integer_bytes(int32_t type)
{
    return type == TF2__LITE_INT64 ? 8 : type == TF2__LITE_INT32 ? 4 : 1;
}

static int64_t integer_at(const unsigned char *bytes, int32_t type, int64_t i)
{
    int64_t wide;
    int32_t narrow;
    if (type == TF2__LITE_BOOL)
        return bytes[i] != 0;
    if (type == TF2__LITE_INT64) {
        memcpy(&wide, bytes + 8 * i, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, bytes + 4 * i, sizeof(narrow));
    return narrow;
}

static enum tf2_status store(
    struct tf2__lite *lite, struct tf2__lite_tensor *tensor, const int64_t *values, int64_t n,
    const struct tf2_shape *shape, struct tf2_error *error)
{
    TF2__TRY(tf2__lite_charge(lite, (uint64_t)n * sizeof(*values), error));
    int64_t *copy = tf2__arena_alloc(&lite->arena, (size_t)n, sizeof(*copy));
    if (!copy)
        return tf2__fail_memory(error, (size_t)n * sizeof(*copy), "known integers");
    if (n)
        memcpy(copy, values, (size_t)n * sizeof(*copy));
    tensor->known = copy;
    tensor->n_known = n;
    tensor->known_shape = *shape;
    tensor->state = TF2__LITE_KNOWN;
    return TF2_OK;
}

/* Extents may be 0 here, unlike in a graph. */
static int64_t count_of(const struct tf2_shape *shape)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] < 0 || !tf2__mul_i64(count, shape->dim[d], &count))
            return -1;
    }
    return count;
}

enum tf2_status
tf2__lite_load_known(struct tf2__lite *lite, struct tf2__lite_tensor *tensor, struct tf2_error *error)
{
    int64_t values[TF2__LITE_MAX_KNOWN];
    if (tensor->state != TF2__LITE_UNSEEN || !is_integer(tensor->type) || tensor->scales.n ||
        tensor->is_sparse || (!tensor->bytes && tensor->producer != TF2__LITE_NO_OP))
        return TF2_OK;
    const int64_t count = count_of(&tensor->shape);
    if (count > TF2__LITE_MAX_KNOWN)
        return TF2_OK;
    if (count < 0 || tensor->n_bytes != (size_t)count * integer_bytes(tensor->type))
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "tensor '%.100s' has %zu bytes of data, its shape needs %lld integers of type %s", tensor->name,
            tensor->n_bytes, (long long)count, tf2__lite_type_name(tensor->type));
    for (int64_t i = 0; i < count; i++)
        values[i] = integer_at(tensor->bytes, tensor->type, i);
    return store(lite, tensor, values, count, &tensor->shape, error);
}

/* ---- operators ---- */

typedef enum tf2_status (*fold_fn)(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error);

static const struct tf2__lite_tensor *
in(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i)
{
    return tf2__lite_in(lite, op, i);
}

static enum tf2_status append(struct list *out, int64_t value, struct tf2_error *error)
{
    if (out->n == TF2__LITE_MAX_KNOWN)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "more than %d integers", TF2__LITE_MAX_KNOWN);
    out->v[out->n++] = value;
    return TF2_OK;
}

static enum tf2_status
fold_shape(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2_shape shape = tf2__lite_shape(lite, in(lite, op, 0));
    for (uint32_t d = 0; d < shape.n_dims; d++)
        TF2__TRY(append(out, shape.dim[d], error));
    return TF2_OK;
}

/* CAST, SQUEEZE, RESHAPE, EXPAND_DIMS of a list keep its numbers. */
static enum tf2_status
fold_same(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *x = in(lite, op, 0);
    for (int64_t i = 0; i < x->n_known; i++)
        TF2__TRY(append(out, x->known[i], error));
    return TF2_OK;
}

/* PACK of scalars, CONCATENATION of lists. */
static enum tf2_status
fold_join(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    for (uint32_t i = 0; i < op->in.n; i++) {
        for (int64_t k = 0; k < in(lite, op, i)->n_known; k++)
            TF2__TRY(append(out, in(lite, op, i)->known[k], error));
    }
    return TF2_OK;
}

static enum tf2_status
fold_gather(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *x = in(lite, op, 0), *index = in(lite, op, 1);
    for (int64_t i = 0; i < index->n_known; i++) {
        if (index->known[i] < 0 || index->known[i] >= x->n_known)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "element %lld of %lld", (long long)index->known[i],
                (long long)x->n_known);
        TF2__TRY(append(out, x->known[index->known[i]], error));
    }
    return TF2_OK;
}

static enum tf2_status
fold_slice(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *x = in(lite, op, 0), *begin = in(lite, op, 1), *size = in(lite, op, 2);
    if (begin->n_known != 1 || size->n_known != 1)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of integers in more than one dimension");
    const int64_t from = begin->known[0], n = size->known[0] == -1 ? x->n_known - from : size->known[0];
    if (from < 0 || from > x->n_known || n < 0 || n > x->n_known - from)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld elements from %lld on of %lld", (long long)n, (long long)from,
            (long long)x->n_known);
    for (int64_t i = 0; i < n; i++)
        TF2__TRY(append(out, x->known[from + i], error));
    return TF2_OK;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return TF2__MIN(TF2__MAX(value, low), high);
}

static enum tf2_status fold_strided_slice(
    struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *x = in(lite, op, 0);
    const int32_t shrink = tf2__fb_i32(&lite->fb, &op->options, 4, 0);
    const int64_t n = x->n_known;
    for (uint32_t i = 1; i < 4; i++) {
        if (in(lite, op, i)->n_known != 1)
            return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of integers in more than one dimension");
    }
    if (tf2__fb_i32(&lite->fb, &op->options, 2, 0) || tf2__fb_i32(&lite->fb, &op->options, 3, 0) ||
        tf2__fb_u8(&lite->fb, &op->options, 5, 0) || in(lite, op, 3)->known[0] != 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "an ellipsis, new axes, ends as offsets or a step other than 1");
    int64_t begin = in(lite, op, 1)->known[0], end = in(lite, op, 2)->known[0];
    begin = tf2__fb_i32(&lite->fb, &op->options, 0, 0) & 1 ? 0 : begin < 0 ? begin + n : begin;
    end = tf2__fb_i32(&lite->fb, &op->options, 1, 0) & 1 ? n : end < 0 ? end + n : end;
    if (shrink & 1) {
        if (begin < 0 || begin >= n)
            return tf2__fail(error, TF2_ERR_SHAPE, "element %lld of %lld", (long long)begin, (long long)n);
        out->is_scalar = true;
        return append(out, x->known[begin], error);
    }
    for (int64_t i = clamp(begin, 0, n); i < clamp(end, 0, n); i++)
        TF2__TRY(append(out, x->known[i], error));
    return TF2_OK;
}

enum {
    CODE_ADD = 0,
    CODE_MUL = 18,
    CODE_SUB = 41,
    CODE_MAXIMUM = 55,
    CODE_MINIMUM = 57,
    CODE_FLOOR_DIV = 90
};

/* False where it overflows. */
static bool combine(int32_t code, int64_t a, int64_t b, int64_t *result)
{
    switch (code) {
    case CODE_ADD:
        return !__builtin_add_overflow(a, b, result);
    case CODE_SUB:
        return !__builtin_sub_overflow(a, b, result);
    case CODE_MUL:
        return tf2__mul_i64(a, b, result);
    case CODE_MAXIMUM:
        *result = TF2__MAX(a, b);
        return true;
    case CODE_MINIMUM:
        *result = TF2__MIN(a, b);
        return true;
    default: /* FLOOR_DIV */
        if (b == 0 || (a == INT64_MIN && b == -1))
            return false;
        *result = a / b - (a % b != 0 && (a < 0) != (b < 0));
        return true;
    }
}

static enum tf2_status
fold_binary(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *a = in(lite, op, 0), *b = in(lite, op, 1);
    const int64_t n = TF2__MAX(a->n_known, b->n_known);
    if ((a->n_known != n && a->n_known != 1) || (b->n_known != n && b->n_known != 1))
        return tf2__fail(
            error, TF2_ERR_SHAPE, "%lld integers and %lld", (long long)a->n_known, (long long)b->n_known);
    for (int64_t i = 0; i < n; i++) {
        int64_t value;
        if (!combine(op->code, a->known[a->n_known == 1 ? 0 : i], b->known[b->n_known == 1 ? 0 : i], &value))
            return tf2__fail(error, TF2_ERR_VALUE, "the result is out of range");
        TF2__TRY(append(out, value, error));
    }
    out->is_scalar = a->known_shape.n_dims == 0 && b->known_shape.n_dims == 0;
    return TF2_OK;
}

static enum tf2_status
fold_prod(struct tf2__lite *lite, const struct tf2__lite_op *op, struct list *out, struct tf2_error *error)
{
    const struct tf2__lite_tensor *x = in(lite, op, 0);
    int64_t product = 1;
    for (int64_t i = 0; i < x->n_known; i++) {
        if (!tf2__mul_i64(product, x->known[i], &product))
            return tf2__fail(error, TF2_ERR_VALUE, "the product is out of range");
    }
    out->is_scalar = !tf2__fb_u8(&lite->fb, &op->options, 0, 0);
    return append(out, product, error);
}

struct folder {
    int32_t code;
    bool shape_only; /* needs the input's shape, not its numbers */
    fold_fn fold;
};

static const struct folder folders[] = {
    {CODE_ADD, false, fold_binary},
    {2, false, fold_join}, /* CONCATENATION */
    {CODE_MUL, false, fold_binary},
    {22, false, fold_same}, /* RESHAPE */
    {36, false, fold_gather},
    {CODE_SUB, false, fold_binary},
    {43, false, fold_same}, /* SQUEEZE */
    {45, false, fold_strided_slice},
    {53, false, fold_same}, /* CAST */
    {CODE_MAXIMUM, false, fold_binary},
    {CODE_MINIMUM, false, fold_binary},
    {65, false, fold_slice},
    {70, false, fold_same}, /* EXPAND_DIMS */
    {77, true, fold_shape},
    {81, false, fold_prod},
    {83, false, fold_join}, /* PACK */
    {CODE_FLOOR_DIV, false, fold_binary},
};

static bool all_known(const struct tf2__lite *lite, const struct tf2__lite_op *op)
{
    for (uint32_t i = 0; i < op->in.n; i++) {
        if (!in(lite, op, i) || in(lite, op, i)->state != TF2__LITE_KNOWN)
            return false;
    }
    return op->in.n > 0;
}

/* The result is a list, or a scalar where the operator or the file says so. */
static struct tf2_shape shape_of(const struct tf2__lite_tensor *out, const struct list *list)
{
    const bool scalar = list->n == 1 && (list->is_scalar || out->shape.n_dims == 0);
    return (struct tf2_shape){.n_dims = !scalar, .dim = {scalar ? 0 : list->n}};
}

enum tf2_status
tf2__lite_fold(struct tf2__lite *lite, const struct tf2__lite_op *op, bool *done, struct tf2_error *error)
{
    struct tf2__lite_tensor *out = tf2__lite_out(lite, op, 0);
    struct list list = {.n = 0};
    *done = false;
    for (size_t i = 0; i < TF2__COUNT(folders); i++) {
        if (folders[i].code != op->code || !(folders[i].shape_only || all_known(lite, op)) ||
            !is_integer(out->type))
            continue;
        TF2__TRY(folders[i].fold(lite, op, &list, error));
        const struct tf2_shape shape = shape_of(out, &list);
        *done = true;
        return store(lite, out, list.v, list.n, &shape, error);
    }
    return TF2_OK;
}
