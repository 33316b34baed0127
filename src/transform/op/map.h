/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h: a feature map as [N, C, D, H, W] whatever its number of spatial dimensions: the missing ones come
 * first, with extent 1. So that spatial operators are written once, with three nested loops.
 */
#ifndef TF2__OP_MAP_H
#define TF2__OP_MAP_H

#include "transform/op/window.h"

struct tf2__map {
    void *data; /* float or uint8_t */
    int64_t n, c, size[TF2_MAX_SPATIAL];
    int64_t n_stride, c_stride, stride[TF2_MAX_SPATIAL];
};

/* For views of two to five dimensions. */
static inline void tf2__map_init(struct tf2__map *map, const struct tf2__view *view)
{
    uint32_t n_spatial = view->shape.n_dims - 2;
    uint32_t first = TF2_MAX_SPATIAL - n_spatial;
    map->data = view->data;
    map->n = view->shape.dim[0];
    map->c = view->shape.dim[1];
    map->n_stride = view->stride[0];
    map->c_stride = view->stride[1];
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++) {
        map->size[d] = d < first ? 1 : view->shape.dim[2 + d - first];
        map->stride[d] = d < first ? 0 : view->stride[2 + d - first];
    }
}

static inline float *tf2__map_at(const struct tf2__map *map, int64_t n, int64_t c)
{
    return (float *)map->data + n * map->n_stride + c * map->c_stride;
}

static inline uint8_t *tf2__map_at_u8(const struct tf2__map *map, int64_t n, int64_t c)
{
    return (uint8_t *)map->data + n * map->n_stride + c * map->c_stride;
}

/* Moves resolved windows to the end of dims[TF2_MAX_SPATIAL] and puts trivial ones in front. */
static inline void tf2__map_windows(struct tf2__window_dim *dims, uint32_t n_spatial)
{
    uint32_t first = TF2_MAX_SPATIAL - n_spatial;
    memmove(dims + first, dims, n_spatial * sizeof(*dims));
    for (uint32_t d = 0; d < first; d++)
        dims[d] = (struct tf2__window_dim){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
}

#endif
