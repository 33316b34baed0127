/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.h: one graph with given input shapes, ready to run on one device, or on several devices that share memory
 * and every step (parts).
 */
#ifndef TF2__INSTANCE_H
#define TF2__INSTANCE_H

#include <tf2/session.h>

#include "runtime/device.h"

struct tf2__instance;

struct tf2__instance_options {
    const struct tf2_shape *input_shapes; /* per graph input */
    const struct tf2_preprocess *pixels;  /* see tf2_session_options.pixels; NULL: inputs as the graph says */
    size_t weight_budget_bytes; /* what packed weights may take on the device (on each part's); 0: no limit.
                                             More is streamed */
    bool profile;               /* time every step of part 0 */
    /* Before each part's device is called; another status than TF2_OK ends the making. NULL: none. */
    enum tf2_status (*enter)(void *user, uint32_t part, struct tf2_error *error);
    void *user;
};

/*
 * devices[0 .. n_parts-1]: one: an ordinary instance. More: the work of every step is divided among them; they have to
 * share memory (tf2__device.memory), else TF2_ERR_UNSUPPORTED. shares: relative speeds of the parts, all > 0; NULL:
 * equal. like (NULL allowed): an instance of the same graph on devices of the same memory and kernels, whose packed
 * weights are used where they are the same; it must outlive the new one. Graph and devices must outlive the instance;
 * the arrays are not kept.
 */
enum tf2_status tf2__instance_create(
    const struct tf2_graph *graph, struct tf2__device *const *devices, const double *shares, uint32_t n_parts,
    const struct tf2__instance_options *options, const struct tf2__instance *like,
    struct tf2__instance **instance, struct tf2_error *error);
/* NULL and a cleared handle are allowed. Not while it runs. */
void tf2__instance_destroy(struct tf2__instance **instance);

const struct tf2__plan *tf2__instance_plan(const struct tf2__instance *instance);

/*
 * Copies one item of the batch axis (item >= 0), or everything (item < 0), of an input or output: dense data in the
 * shape and type of the plan's tensor; complete when it returns. By one thread at a time, and not during a run.
 */
enum tf2_status tf2__instance_write(
    struct tf2__instance *instance, uint32_t input, int64_t item, const void *data, struct tf2_error *error);
enum tf2_status tf2__instance_read(
    struct tf2__instance *instance, uint32_t output, int64_t item, void *data, struct tf2_error *error);

/*
 * Lets the next run read all of an input where it is, if it lies in memory of tf2_alloc (common/host_memory.h) and the
 * device can; false: write it. The memory has to stay as it is until the run has ended, but may be freed at any time:
 * parts that are still at work after an abort keep it. Another run needs another lend or write.
 */
bool tf2__instance_lend(struct tf2__instance *instance, uint32_t input, const void *data);

/*
 * Runs part number `part` of all steps and waits for its end. With several parts, each is called once per run, from a
 * thread of its own at about the same time, also after a failure: they wait for each other. When one fails it returns
 * its failure, the others TF2_ERR_CANCELLED with its message. When part 0 returns, all is done, and the next write, read or
 * run may follow.
 */
enum tf2_status tf2__instance_run(struct tf2__instance *instance, uint32_t part, struct tf2_error *error);

/* Ends the run that is under way: parts that wait for another one give up. Any thread. */
void tf2__instance_abort(struct tf2__instance *instance);

/* Whether a part waits for another one in the run that is under way. Any thread. */
bool tf2__instance_waits(const struct tf2__instance *instance, uint32_t part);

struct tf2__instance_stats {
    uint64_t n_runs;                                /* that succeeded */
    uint64_t streamed_bytes, transfer_ns, stall_ns; /* see struct tf2__device_stats; all parts together */
    size_t weights_bytes;                           /* packed weights, those that parts share counted once */
    size_t shared_weights_bytes;                    /* of these, in memory of `like` */
    size_t arena_bytes, live_bytes;
    int64_t macs; /* per run */
};

/* What weights take on the device of this part, see struct tf2__device_stats. */
size_t tf2__instance_device_bytes(const struct tf2__instance *instance, uint32_t part);
/* May be called while other threads run. */
void tf2__instance_stats(const struct tf2__instance *instance, struct tf2__instance_stats *stats);
/* index < plan->n_steps. Times are over all runs, 0 without profile; while other threads run they may be a little old. */
void tf2__instance_step_info(const struct tf2__instance *instance, uint32_t index, struct tf2_step_info *info);

#endif
