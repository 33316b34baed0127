/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operand.c: operands of element-wise launches, and their walks as the kernels read them.
 */
#include "runtime/cl/operand.h"

#define OUTER_DIMS    5
#define TABLE_NUMBERS 32

struct tf2__cl_operand tf2__cl_operand_tensor(const struct tf2__plan *plan, uint32_t tensor)
{
    struct tf2__cl_operand operand = {.id = tensor};
    memcpy(operand.stride, plan->tensors[tensor].stride, sizeof(operand.stride));
    return operand;
}

struct tf2__cl_operand
tf2__cl_operand_broadcast(const struct tf2__plan *plan, uint32_t tensor, const struct tf2_shape *shape)
{
    const struct tf2__plan_tensor *t = &plan->tensors[tensor];
    struct tf2__cl_operand operand = {.id = tensor};
    for (uint32_t d = 0; d < t->shape.n_dims; d++) {
        if (t->shape.dim[d] != 1)
            operand.stride[shape->n_dims - t->shape.n_dims + d] = t->stride[d];
    }
    return operand;
}

struct tf2__cl_operand
tf2__cl_operand_buffer(uint32_t buffer, const struct tf2_shape *shape, uint32_t axis, uint32_t n)
{
    struct tf2__cl_operand operand = {.place = TF2__CL_PLACE_BUFFER, .id = buffer};
    int64_t stride = 1;
    for (uint32_t d = axis + n; d-- > axis;) {
        operand.stride[d] = shape->dim[d] == 1 ? 0 : stride;
        stride *= shape->dim[d];
    }
    return operand;
}

enum tf2_status tf2__cl_arg_operand(struct tf2__cl_build *build, const struct tf2__cl_operand *operand)
{
    if (operand->place == TF2__CL_PLACE_TENSOR) {
        TF2__TRY(tf2__cl_arg_tensor(build, operand->id));
        build->launch->args[build->launch->n_args - 1].value.i += (cl_int)operand->offset;
        return TF2_OK;
    }
    if (operand->place == TF2__CL_PLACE_BUFFER)
        tf2__cl_arg_buffer(build, operand->id);
    else
        tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, operand->offset);
    return TF2_OK;
}

enum tf2_status tf2__cl_walk_table(
    struct tf2__cl_build *build, const struct tf2__cl_walk *walk, uint32_t n_operands, uint32_t *buffer)
{
    cl_int t[TABLE_NUMBERS] = {0};
    if (walk->n_dims > OUTER_DIMS + 1)
        return tf2__fail(
            build->error, TF2_ERR_UNSUPPORTED, "data in %u separate dimensions, at most %d supported",
            walk->n_dims, OUTER_DIMS + 1);
    for (int d = 0; d < OUTER_DIMS; d++)
        t[d] = 1;
    for (uint32_t d = 0; d + 1 < walk->n_dims; d++) {
        uint32_t to = OUTER_DIMS + 1 - walk->n_dims + d;
        t[to] = (cl_int)walk->dim[d];
        for (uint32_t op = 0; op < n_operands; op++)
            t[5 + 5 * op + to] = (cl_int)walk->stride[op][d];
    }
    for (uint32_t op = 0; op < n_operands; op++)
        t[25 + op] = (cl_int)walk->stride[op][walk->n_dims - 1];
    return tf2__cl_buffer_from(build, t, TABLE_NUMBERS, buffer);
}

int64_t tf2__cl_walk_outer(const struct tf2__cl_walk *walk)
{
    int64_t n = 1;
    for (uint32_t d = 0; d + 2 < walk->n_dims; d++)
        n *= walk->dim[d];
    return n;
}

struct tf2_shape tf2__cl_padded_shape(
    const struct tf2__plan *plan, const struct tf2_shape *shape, const struct tf2__cl_operand *const *operands,
    uint32_t n_operands)
{
    struct tf2_shape padded = *shape;
    const struct tf2__cl_operand *y = operands[0];
    int64_t room = y->place == TF2__CL_PLACE_TENSOR ? plan->tensors[y->id].room : 0;
    for (uint32_t i = 0; i < n_operands; i++) {
        if (operands[i]->stride[1] != 1 && (i == 0 || operands[i]->stride[1] != 0))
            room = 0;
    }
    if (room && tf2_shape_equal(shape, &plan->tensors[y->id].shape))
        padded.dim[1] += room;
    return padded;
}
