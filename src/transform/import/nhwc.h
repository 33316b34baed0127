/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nhwc.h: importing networks whose feature maps are [N, spatial..., C] into a graph of [N, C, spatial...].
 *
 * A value of the file is a tensor of the graph and whether that has the channels first. Operators that need
 * one of the two orders ask for it; others (activations, sums) compute in the order that there is and hand it
 * on. Whoever asks gets a transpose, or what was transposed before: there is at most one in each direction
 * per tensor, and none cancels another.
 *
 *     input [N, H, W, C] ─▶ transpose ─▶ conv ─▶ relu ─▶ conv ─▶ transpose ─▶ output [N, H, W, C]
 *                             first: true . . . . . . . . . .     false
 */
#ifndef TF2__IMPORT_NHWC_H
#define TF2__IMPORT_NHWC_H

#include "transform/ir/graph.h"

/* first: the file has [N, spatial..., C], the graph's tensor is [N, C, spatial...]; only with three dimensions or
 * more. */
struct tf2__nhwc_value {
    tf2_tensor_id id;
    bool first;
};

/* Adds the transpose of a tensor to the graph, for importers that keep books of their nodes. */
typedef enum tf2_status (*tf2__nhwc_add)(
    void *user, tf2_tensor_id x, const char *suffix, const struct tf2_transpose_attr *attr, tf2_tensor_id *id,
    struct tf2_error *error);

struct tf2__nhwc {
    struct tf2_graph *graph;
    tf2__nhwc_add add; /* NULL: nodes called "tensor.nchw" and "tensor.nhwc" */
    void *add_user;
    tf2_tensor_id *to_first, *to_last; /* per tensor: its transposes; TF2_NO_TENSOR: none yet */
    uint32_t cap;
};

/* Values of the graph's tensors; add NULL: see above. Finish in any case. */
void tf2__nhwc_init(struct tf2__nhwc *nhwc, struct tf2_graph *graph, tf2__nhwc_add add, void *user);
void tf2__nhwc_finish(struct tf2__nhwc *nhwc);

/* The value as [N, C, spatial...]; with fewer than three dimensions as it is. */
enum tf2_status tf2__nhwc_first(
    struct tf2__nhwc *nhwc, struct tf2__nhwc_value value, tf2_tensor_id *id, struct tf2_error *error);
/* The value as the file has it. */
enum tf2_status tf2__nhwc_file(
    struct tf2__nhwc *nhwc, struct tf2__nhwc_value value, tf2_tensor_id *id, struct tf2_error *error);

/* The shape that the file means. */
struct tf2_shape tf2__nhwc_shape(const struct tf2__nhwc *nhwc, struct tf2__nhwc_value value);
/* Which dimension of the graph's tensor dimension `axis` of the file is (0 <= axis < n_dims), and the
 * other way. */
uint32_t tf2__nhwc_axis(bool first, uint32_t n_dims, uint32_t axis);
uint32_t tf2__nhwc_file_axis(bool first, uint32_t n_dims, uint32_t axis);

/* Dense float data of this shape with its dimensions in another order: dimension d of `to` is perm[d] of
 * `from`. */
void tf2__nhwc_permute(const struct tf2_shape *shape, const uint32_t *perm, const float *from, float *to);

#endif
