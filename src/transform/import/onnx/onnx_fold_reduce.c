/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_fold_reduce.c: reductions and bounds of known numbers: what is computed from shapes, and weights that a network
 * normalizes.
 *
 * Floats are summed in double, rounded once; integers are refused on overflow.
 */
#include "transform/import/onnx/internal.h"

#include <float.h>
#include <math.h>

enum kind {
    SUM,
    PRODUCT,
    MAXIMUM,
    MINIMUM,
};

static const struct row {
    const char *name;
    enum kind kind;
    bool mean, square, absolute, root, logarithm;
} rows[] = {
    {"ReduceL1", SUM, .absolute = true},
    {"ReduceL2", SUM, .square = true, .root = true},
    {"ReduceLogSum", SUM, .logarithm = true},
    {"ReduceMax", MAXIMUM},
    {"ReduceMean", SUM, .mean = true},
    {"ReduceMin", MINIMUM},
    {"ReduceProd", PRODUCT},
    {"ReduceSum", SUM},
    {"ReduceSumSquare", SUM, .square = true},
};

static const struct row *find_row(const char *name)
{
    size_t i = 0;
    while (i + 1 < TF2__COUNT(rows) && strcmp(rows[i].name, name) != 0)
        i++;
    return &rows[i];
}

static double join(enum kind kind, double a, double b)
{
    switch (kind) {
    case SUM:
        return a + b;
    case PRODUCT:
        return a * b;
    case MAXIMUM:
        return a > b ? a : b;
    case MINIMUM:
        return a < b ? a : b;
    }
    return a;
}

/* False when the result overflows. */
static bool join_int(enum kind kind, int64_t a, int64_t b, int64_t *result)
{
    switch (kind) {
    case SUM:
        return !__builtin_add_overflow(a, b, result);
    case PRODUCT:
        return !__builtin_mul_overflow(a, b, result);
    case MAXIMUM:
        *result = TF2__MAX(a, b);
        return true;
    case MINIMUM:
        *result = TF2__MIN(a, b);
        return true;
    }
    return false;
}

/* Which dimensions go, the result's shape, and how far apart its elements are along each dimension of the input. */
struct plan {
    uint32_t axes;
    struct tf2_shape shape;
    int64_t count; /* numbers that make one */
    int64_t stride[TF2_MAX_DIMS];
};

static enum tf2_status make_plan(struct tf2__onnx_fold *fold, struct plan *plan, struct tf2_error *error)
{
    const struct tf2_shape *in = &fold->in[0]->shape;
    const bool keeps = tf2__onnx_attr_int(fold->node, "keepdims", 1) != 0;
    struct tf2__onnx_list axes;
    int64_t next = 1;
    TF2__TRY(tf2__onnx_list(fold->node, "axes", fold->n_in > 1 ? fold->in[1] : NULL, &axes, error));
    TF2__TRY(tf2__onnx_axes(&axes, in->n_dims, &plan->axes, error));
    if (axes.n == 0)
        plan->axes = tf2__onnx_attr_int(fold->node, "noop_with_empty_axes", 0) ? 0 : (1u << in->n_dims) - 1;
    plan->shape.n_dims = 0;
    plan->count = 1;
    for (uint32_t d = 0; d < in->n_dims; d++) {
        const bool goes = plan->axes >> d & 1;
        plan->count *= goes ? in->dim[d] : 1; /* at most the input's count */
        if (!goes || keeps)
            plan->shape.dim[plan->shape.n_dims++] = goes ? 1 : in->dim[d];
    }
    for (uint32_t d = in->n_dims; d-- > 0;) {
        plan->stride[d] = plan->axes >> d & 1 ? 0 : next;
        next *= plan->axes >> d & 1 ? 1 : in->dim[d];
    }
    return TF2_OK;
}

static enum tf2_status reduce_ints(
    const struct row *row, const struct plan *plan, const struct tf2__onnx_array *in, int64_t *out,
    struct tf2_error *error)
{
    const int64_t *data = in->data;
    struct tf2__walk walk;
    int64_t k = 0;
    if (row->mean || row->square || row->absolute || row->logarithm)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of integers");
    for (tf2__walk_start(&walk, &in->shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        int64_t at = 0;
        bool first = true;
        for (uint32_t d = 0; d < in->shape.n_dims; d++) {
            at += walk.index[d] * plan->stride[d];
            first = first && !((plan->axes >> d & 1) && walk.index[d]);
        }
        if (first)
            out[at] = data[k];
        else if (!join_int(row->kind, out[at], data[k], &out[at]))
            return tf2__fail(error, TF2_ERR_VALUE, "the result overflows");
    }
    return TF2_OK;
}

static enum tf2_status reduce_floats(
    struct tf2__onnx *onnx, const struct row *row, const struct plan *plan, const struct tf2__onnx_array *in,
    int64_t count, float *out, struct tf2_error *error)
{
    struct tf2__walk walk;
    int64_t k = 0;
    void *memory;
    TF2__TRY(tf2__onnx_alloc(onnx, count, sizeof(double), false, &memory, error));
    double *sum = memory;
    for (tf2__walk_start(&walk, &in->shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        double x = ((const float *)in->data)[k];
        int64_t at = 0;
        bool first = true;
        for (uint32_t d = 0; d < in->shape.n_dims; d++) {
            at += walk.index[d] * plan->stride[d];
            first = first && !((plan->axes >> d & 1) && walk.index[d]);
        }
        x = row->square ? x * x : row->absolute ? fabs(x) : x;
        sum[at] = first ? x : join(row->kind, sum[at], x);
    }
    for (int64_t i = 0; i < count; i++) {
        double x = row->mean ? sum[i] / (double)plan->count : sum[i];
        out[i] = (float)(row->root ? sqrt(x) : row->logarithm ? log(x) : x);
    }
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_reduce(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    const struct row *row = find_row(fold->node->op->name);
    struct plan plan;
    void *data;
    if (in->count == 0)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "nothing to reduce");
    TF2__TRY(make_plan(fold, &plan, error));
    TF2__TRY(tf2__onnx_fold_out(fold, 0, in->type, &plan.shape, &data, error));
    if (!tf2__onnx_is_float(in->type))
        return reduce_ints(row, &plan, in, data, error);
    return reduce_floats(fold->onnx, row, &plan, in, fold->out[0].count, data, error);
}

/* ---- Clip ---- */

static double bound(const struct tf2__onnx_fold *fold, size_t i, const char *name, double otherwise)
{
    const struct tf2__onnx_array *array = i < fold->n_in ? fold->in[i] : NULL;
    double value = tf2__onnx_attr_float(fold->node, name, (float)otherwise);
    if (array && array->count)
        value = tf2__onnx_is_float(array->type) ? (double)((const float *)array->data)[0]
                                                : (double)((const int64_t *)array->data)[0];
    return value;
}

/* Of floats: nobody clips shapes. */
enum tf2_status tf2__onnx_fold_clip(struct tf2__onnx_fold *fold, struct tf2_error *error)
{
    const struct tf2__onnx_array *in = fold->in[0];
    const double low = bound(fold, 1, "min", -FLT_MAX), high = bound(fold, 2, "max", FLT_MAX);
    void *data;
    if (!tf2__onnx_is_float(in->type))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "of integers");
    TF2__TRY(tf2__onnx_fold_out(fold, 0, in->type, &in->shape, &data, error));
    for (int64_t i = 0; i < in->count; i++)
        ((float *)data)[i] = (float)fmin(fmax(((const float *)in->data)[i], low), high);
    return TF2_OK;
}
