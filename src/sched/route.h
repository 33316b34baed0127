/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h: what the makers of routes share.
 */
#ifndef TF2__SCHED_ROUTE_H
#define TF2__SCHED_ROUTE_H

#include <math.h>

#include "sched/internal.h"

/* Another route of the accelerator, with n_stages empty stages; NULL: out of memory. */
struct tf2__route *tf2__route_add(struct tf2_accelerator *accelerator, uint32_t tier, uint32_t n_stages);
enum tf2_status tf2__stage_init(
    struct tf2__route *route, struct tf2__stage *stage, const uint32_t *workers, uint32_t n, struct tf2_error *error);
/*
 * Makes the instances of a stage, one for each batch size, and its check. shapes: of its graph's inputs, for one
 * request. takes_pixels: its inputs are the requests'.
 */
enum tf2_status tf2__stage_prepare(
    struct tf2_accelerator *accelerator, struct tf2__stage *stage, const struct tf2_shape *shapes,
    const double *shares, const struct tf2__stage *like, bool takes_pixels, struct tf2_error *error);
/* The jobs of a route; its buffers are known. */
enum tf2_status tf2__route_jobs(struct tf2__route *route, uint32_t max_jobs, struct tf2_error *error);
/* The device time of a run of one request in ns, all stages and parts together, measured; 0: it could not be run. */
double tf2__route_time(const struct tf2__route *route);

/* pipeline.c */
enum tf2_status
tf2__pipeline_make(struct tf2_accelerator *accelerator, const uint32_t *workers, uint32_t n, struct tf2_error *error);

#endif
