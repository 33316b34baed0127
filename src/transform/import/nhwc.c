/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nhwc.c: tensors in two orders of dimensions, see nhwc.h.
 */
#include "transform/import/nhwc.h"

#include <stdio.h>

#include "transform/ir/layout.h"

#define MIN_DIMS 3 /* with fewer the two orders are the same */

void tf2__nhwc_init(struct tf2__nhwc *nhwc, struct tf2_graph *graph, tf2__nhwc_add add, void *user)
{
    *nhwc = (struct tf2__nhwc){.graph = graph, .add = add, .add_user = user};
}

void tf2__nhwc_finish(struct tf2__nhwc *nhwc)
{
    if (!nhwc->graph)
        return;
    tf2__free(&nhwc->graph->arena.env, nhwc->to_first);
    tf2__free(&nhwc->graph->arena.env, nhwc->to_last);
    *nhwc = (struct tf2__nhwc){0};
}

static bool grow(const struct tf2_env *env, tf2_tensor_id **ids, uint32_t n, uint32_t cap)
{
    tf2_tensor_id *grown = tf2__grow(env, *ids, n * sizeof(**ids), cap * sizeof(**ids));
    if (!grown)
        return false;
    *ids = grown;
    for (uint32_t i = n; i < cap; i++)
        grown[i] = TF2_NO_TENSOR;
    return true;
}

/* Room for all tensors that the graph has. */
static enum tf2_status reserve(struct tf2__nhwc *nhwc, struct tf2_error *error)
{
    const struct tf2_env *env = &nhwc->graph->arena.env;
    if (nhwc->graph->n_tensors <= nhwc->cap)
        return TF2_OK;
    const uint32_t cap = TF2__MAX(64, 2 * nhwc->graph->n_tensors);
    if (!grow(env, &nhwc->to_first, nhwc->cap, cap) || !grow(env, &nhwc->to_last, nhwc->cap, cap))
        return tf2__fail_memory(error, cap * sizeof(*nhwc->to_first), "transposed tensors");
    nhwc->cap = cap;
    return TF2_OK;
}

static enum tf2_status add_node(
    const struct tf2__nhwc *nhwc, tf2_tensor_id x, const char *suffix, const struct tf2_transpose_attr *attr,
    tf2_tensor_id *id, struct tf2_error *error)
{
    const char *base = nhwc->graph->tensors[x].name;
    char name[1025];
    if (nhwc->add)
        return nhwc->add(nhwc->add_user, x, suffix, attr, id, error);
    snprintf(name, sizeof(name), "%.960s.%s", base, suffix);
    for (uint32_t n = nhwc->graph->n_tensors; tf2__graph_find(nhwc->graph, name) != TF2_NO_TENSOR; n++)
        snprintf(name, sizeof(name), "%.960s.%s.%u", base, suffix, n);
    return tf2_graph_add_node(nhwc->graph, TF2_OP_TRANSPOSE, name, attr, &x, 1, id, error);
}

/* The transpose of x, known or new. */
static enum tf2_status
turn(struct tf2__nhwc *nhwc, tf2_tensor_id x, bool to_first, tf2_tensor_id *id, struct tf2_error *error)
{
    const uint32_t n_dims = nhwc->graph->tensors[x].shape.n_dims;
    TF2__TRY(reserve(nhwc, error));
    *id = (to_first ? nhwc->to_first : nhwc->to_last)[x];
    if (*id != TF2_NO_TENSOR)
        return TF2_OK;
    const struct tf2_transpose_attr attr =
        to_first ? tf2__layout_to_first(n_dims) : tf2__layout_to_last(n_dims);
    TF2__TRY(add_node(nhwc, x, to_first ? "nchw" : "nhwc", &attr, id, error));
    TF2__TRY(reserve(nhwc, error));
    (to_first ? nhwc->to_first : nhwc->to_last)[x] = *id;
    (to_first ? nhwc->to_last : nhwc->to_first)[*id] = x;
    return TF2_OK;
}

enum tf2_status tf2__nhwc_first(
    struct tf2__nhwc *nhwc, struct tf2__nhwc_value value, tf2_tensor_id *id, struct tf2_error *error)
{
    *id = value.id;
    if (value.first || nhwc->graph->tensors[value.id].shape.n_dims < MIN_DIMS)
        return TF2_OK;
    return turn(nhwc, value.id, true, id, error);
}

enum tf2_status tf2__nhwc_file(
    struct tf2__nhwc *nhwc, struct tf2__nhwc_value value, tf2_tensor_id *id, struct tf2_error *error)
{
    *id = value.id;
    if (!value.first || nhwc->graph->tensors[value.id].shape.n_dims < MIN_DIMS)
        return TF2_OK;
    return turn(nhwc, value.id, false, id, error);
}

uint32_t tf2__nhwc_axis(bool first, uint32_t n_dims, uint32_t axis)
{
    if (!first || n_dims < MIN_DIMS || axis == 0)
        return axis;
    return axis + 1 == n_dims ? 1 : axis + 1;
}

uint32_t tf2__nhwc_file_axis(bool first, uint32_t n_dims, uint32_t axis)
{
    if (!first || n_dims < MIN_DIMS || axis == 0)
        return axis;
    return axis == 1 ? n_dims - 1 : axis - 1;
}

struct tf2_shape tf2__nhwc_shape(const struct tf2__nhwc *nhwc, struct tf2__nhwc_value value)
{
    const struct tf2_shape *shape = &nhwc->graph->tensors[value.id].shape;
    struct tf2_shape result = *shape;
    for (uint32_t d = 0; d < shape->n_dims; d++)
        result.dim[d] = shape->dim[tf2__nhwc_axis(value.first, shape->n_dims, d)];
    return result;
}

void tf2__nhwc_permute(const struct tf2_shape *shape, const uint32_t *perm, const float *from, float *to)
{
    struct tf2_transpose_attr attr = {.n_dims = shape->n_dims};
    struct tf2_shape turned = *shape;
    struct tf2__view in, out;
    for (uint32_t d = 0; d < shape->n_dims; d++) {
        attr.perm[d] = perm[d];
        turned.dim[d] = shape->dim[perm[d]];
    }
    tf2__view_dense(&in, from, TF2_DTYPE_F32, shape);
    tf2__view_dense(&out, to, TF2_DTYPE_F32, &turned);
    tf2__op_find(TF2_OP_TRANSPOSE)->eval(&attr, &in, 1, &out);
}
