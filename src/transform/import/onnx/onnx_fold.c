/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_fold.c: runs the folding function of a node, once for each lane, and keeps the result as a constant.
 *
 * When all inputs are the same in all lanes the function runs once. Its work and its memory are charged to
 * the import's budget, so that a small file cannot ask for much of either.
 */
#include "transform/import/onnx/internal.h"

/* Shape computations have a handful of numbers; indices that masks are made of, some thousands. */
#define MAX_INTEGERS (1 << 20)

int64_t tf2__onnx_count(const struct tf2_shape *shape)
{
    int64_t count = 1;
    bool empty = false;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        if (shape->dim[d] < 0)
            return -1;
        empty |= shape->dim[d] == 0;
        if (!tf2__mul_i64(count, TF2__MAX(shape->dim[d], 1), &count) || count > INT32_MAX)
            return -1;
    }
    return empty ? 0 : count;
}

void tf2__onnx_strides(const struct tf2_shape *shape, int64_t *stride)
{
    int64_t next = 1;
    for (uint32_t d = shape->n_dims; d-- > 0;) {
        stride[d] = next;
        next *= shape->dim[d];
    }
}

bool tf2__onnx_broadcast(const struct tf2_shape *a, const struct tf2_shape *b, struct tf2_shape *out)
{
    struct tf2_shape shape = {.n_dims = TF2__MAX(a->n_dims, b->n_dims)};
    for (uint32_t back = 1; back <= shape.n_dims; back++) {
        int64_t da = back <= a->n_dims ? a->dim[a->n_dims - back] : 1;
        int64_t db = back <= b->n_dims ? b->dim[b->n_dims - back] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        shape.dim[shape.n_dims - back] = da == 1 ? db : da;
    }
    *out = shape;
    return true;
}

enum tf2_status tf2__onnx_fold_out(
    struct tf2__onnx_fold *fold, size_t i, int32_t type, const struct tf2_shape *shape, void **data,
    struct tf2_error *error)
{
    struct tf2__onnx_array *out = &fold->out[i];
    bool is_float = tf2__onnx_is_float(type);
    out->type = type;
    out->shape = *shape;
    out->in_graph = is_float;
    out->count = tf2__onnx_count(shape);
    if (out->count < 0 || (!is_float && out->count > MAX_INTEGERS))
        return tf2__fail(error, TF2_ERR_SHAPE, "the result is too large");
    TF2__TRY(tf2__onnx_alloc(
        fold->onnx, out->count, is_float ? sizeof(float) : sizeof(int64_t), is_float, data, error));
    out->data = *data;
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_weights_out(
    struct tf2__onnx_fold *fold, int32_t type, const struct tf2_shape *shape, void **data, struct tf2_error *error)
{
    struct tf2__onnx_array *out = &fold->out[0];
    *out = (struct tf2__onnx_array){.type = type, .shape = *shape, .count = tf2__onnx_count(shape)};
    if (out->count < 0)
        return tf2__fail(error, TF2_ERR_SHAPE, "the result is too large");
    TF2__TRY(tf2__onnx_alloc(fold->onnx, out->count, sizeof(int64_t), false, data, error));
    out->data = *data;
    return TF2_OK;
}

enum tf2_status tf2__onnx_fold_strided(
    struct tf2__onnx_fold *fold, size_t i, const struct tf2__onnx_array *in, int64_t first,
    const int64_t *stride, const struct tf2_shape *shape, struct tf2_error *error)
{
    struct tf2__walk walk;
    void *data;
    int64_t k = 0;
    TF2__TRY(tf2__onnx_fold_out(fold, i, in->type, shape, &data, error));
    if (fold->out[i].count == 0)
        return TF2_OK;
    for (tf2__walk_start(&walk, shape); tf2__walk_more(&walk); tf2__walk_next(&walk), k++) {
        int64_t from = first;
        for (uint32_t d = 0; d < shape->n_dims; d++)
            from += walk.index[d] * stride[d];
        if (tf2__onnx_is_float(in->type))
            ((float *)data)[k] = ((const float *)in->data)[from];
        else
            ((int64_t *)data)[k] = ((const int64_t *)in->data)[from];
    }
    return TF2_OK;
}

bool tf2__onnx_can_fold(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node)
{
    if (!node->op->fold)
        return false;
    for (size_t i = 0; i < node->proto->n_input; i++) {
        const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
        if (value && value->state != TF2__ONNX_CONST && !node->op->shape_only)
            return false;
    }
    return true;
}

/* What one input is in one lane; false when the lane is not valid there. Tensors have only a shape. */
static bool input_in_lane(
    const struct tf2__onnx *onnx, const struct tf2__onnx_value *value, int lane,
    struct tf2__onnx_array *array)
{
    if (value->state == TF2__ONNX_CONST) {
        *array = value->constant->array[lane];
        return value->constant->lanes >> lane & 1;
    }
    const struct tf2_shape *shape = tf2__onnx_shape(onnx, value->tensor, lane);
    if (!shape)
        return false;
    *array =
        (struct tf2__onnx_array){.type = TF2__ONNX_FLOAT, .shape = *shape, .count = tf2_shape_count(shape)};
    return true;
}

/* The inputs of one lane. False: it is not valid. */
static bool gather_inputs(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, int lane, struct tf2__onnx_fold *fold,
    struct tf2__onnx_array *arrays)
{
    for (size_t i = 0; i < fold->n_in; i++) {
        const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
        fold->in[i] = value ? &arrays[i] : NULL;
        if (value && !input_in_lane(onnx, value, lane, &arrays[i]))
            return false;
    }
    return true;
}

static bool inputs_are_constant(const struct tf2__onnx *onnx, const struct tf2__onnx_node *node)
{
    for (size_t i = 0; i < node->proto->n_input; i++) {
        const struct tf2__onnx_value *value = tf2__onnx_in(onnx, node, i);
        if (value && (value->state != TF2__ONNX_CONST || value->constant->equal != TF2__ONNX_ALL_LANES))
            return false;
    }
    return true;
}

/* Runs the folding function for one lane; false in *valid when the lane has no inputs. */
static enum tf2_status run_lane(struct tf2__onnx_fold *fold, int lane, bool *valid, struct tf2_error *error)
{
    struct tf2__onnx_array arrays[TF2_MAX_NODE_INPUTS];
    uint64_t work = 0;
    *valid = gather_inputs(fold->onnx, fold->node, lane, fold, arrays);
    if (!*valid)
        return TF2_OK;
    for (size_t i = 0; i < fold->n_in && !fold->node->op->shape_only; i++)
        work += fold->in[i] ? 4 * (uint64_t)fold->in[i]->count : 0;
    TF2__TRY(tf2__onnx_charge(fold->onnx, work, error));
    return fold->node->op->fold(fold, error);
}

/* Makes output i a constant; its data in lane 0 is fold->out[i]. */
static enum tf2_status start_output(
    struct tf2__onnx_fold *fold, size_t i, bool same, struct tf2__onnx_const **constant,
    struct tf2_error *error)
{
    struct tf2__onnx *onnx = fold->onnx;
    struct tf2__onnx_value *value = tf2__onnx_find(onnx, fold->node->proto->output[i]);
    *constant = NULL;
    if (!value)
        return TF2_OK;
    *constant = tf2__arena_alloc(&onnx->arena, 1, sizeof(**constant));
    if (!*constant)
        return tf2__fail_memory(error, sizeof(**constant), "a constant");
    for (int l = 0; l < TF2__ONNX_LANES; l++)
        (*constant)->array[l] = fold->out[i];
    (*constant)->lanes = (*constant)->equal = same ? TF2__ONNX_ALL_LANES : 1;
    value->constant = *constant;
    value->state = TF2__ONNX_CONST;
    return TF2_OK;
}

/* Adds a lane to a constant. */
static enum tf2_status add_lane(
    struct tf2__onnx *onnx, struct tf2__onnx_const *constant, int lane, const struct tf2__onnx_array *array,
    struct tf2_error *error)
{
    const struct tf2__onnx_array *first = &constant->array[0];
    size_t bytes = (size_t)first->count * (tf2__onnx_is_float(first->type) ? sizeof(float) : sizeof(int64_t));
    TF2__TRY(tf2__onnx_charge(onnx, bytes, error));
    constant->array[lane] = *array;
    constant->lanes |= 1u << lane;
    if (tf2_shape_equal(&first->shape, &array->shape) && memcmp(first->data, array->data, bytes) == 0)
        constant->equal |= 1u << lane;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_fold_node(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2__onnx_const *constants[TF2_MAX_NODE_INPUTS];
    bool valid, same = inputs_are_constant(onnx, node);
    if (node->proto->n_input > TF2_MAX_NODE_INPUTS || node->proto->n_output > TF2_MAX_NODE_INPUTS)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "%zu inputs, %zu outputs, at most %d of each are supported",
            node->proto->n_input, node->proto->n_output, TF2_MAX_NODE_INPUTS);
    struct tf2__onnx_fold fold = {
        .onnx = onnx, .node = node, .n_in = node->proto->n_input, .n_out = node->proto->n_output};
    TF2__TRY(run_lane(&fold, 0, &valid, error));
    for (size_t i = 0; i < fold.n_out; i++)
        TF2__TRY(start_output(&fold, i, same, &constants[i], error));
    /* A lane in which the node fails is a shape that the network cannot take: dropped, no error. */
    for (int l = 1; l < TF2__ONNX_LANES && !same; l++) {
        enum tf2_status status = run_lane(&fold, l, &valid, error);
        if (status == TF2_ERR_NO_MEMORY)
            return status;
        for (size_t i = 0; i < fold.n_out && status == TF2_OK && valid; i++) {
            if (constants[i])
                TF2__TRY(add_lane(onnx, constants[i], l, &fold.out[i], error));
        }
    }
    return TF2_OK;
}
