/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shapes.c: from named shapes to one for each input.
 */
#include "runtime/shapes.h"

static const struct tf2_shape *
find(const struct tf2_named_shape *named, size_t n_named, const char *name, bool only)
{
    for (size_t i = 0; i < n_named; i++) {
        bool unnamed = !named[i].name || !*named[i].name;
        if (unnamed ? only : strcmp(named[i].name, name) == 0)
            return &named[i].shape;
    }
    return NULL;
}

static enum tf2_status check_names(
    const struct tf2_graph *graph, const struct tf2_named_shape *named, size_t n_named, struct tf2_error *error)
{
    for (size_t i = 0; i < n_named; i++) {
        const char *name = named[i].name;
        bool found = (!name || !*name) && graph->n_inputs == 1;
        for (uint32_t k = 0; k < graph->n_inputs && name && !found; k++)
            found = strcmp(graph->tensors[graph->inputs[k]].name, name) == 0;
        if (!found)
            return tf2__fail(error, TF2_ERR_NOT_FOUND, "no input is called '%s'", name ? name : "");
    }
    return TF2_OK;
}

enum tf2_status tf2__input_shapes(
    const struct tf2_graph *graph, const struct tf2_named_shape *named, size_t n_named, int64_t batch,
    struct tf2_shape *shapes, struct tf2_error *error)
{
    if (n_named && !named)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "input_shapes is NULL, n_input_shapes is not 0");
    if (batch < 0)
        return tf2__fail(error, TF2_ERR_INVALID_ARGUMENT, "batch %lld, wanted 1 or more", (long long)batch);
    TF2__TRY(check_names(graph, named, n_named, error));
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct tf2__tensor *tensor = &graph->tensors[graph->inputs[i]];
        const struct tf2_shape *wanted = find(named, n_named, tensor->name, graph->n_inputs == 1);
        shapes[i] = wanted ? *wanted : tensor->shape;
        if (shapes[i].n_dims != tensor->shape.n_dims)
            return tf2__fail(
                error, TF2_ERR_SHAPE, "input '%s': a shape of %u dimensions, wanted %u", tensor->name,
                shapes[i].n_dims, tensor->shape.n_dims);
        if (!wanted && batch && shapes[i].n_dims > 0)
            shapes[i].dim[0] = batch;
    }
    return TF2_OK;
}
