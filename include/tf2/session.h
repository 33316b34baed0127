/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf2/session.h: one model ready to run on one device.
 *
 * Creating a session chooses kernels, packs and uploads weights, builds programs and allocates all memory;
 * running allocates nothing. A session is used by one thread at a time; different sessions are independent,
 * also on the same device.
 */
#ifndef TF2_SESSION_H
#define TF2_SESSION_H

#include <tf2/common.h>
#include <tf2/device.h>
#include <tf2/model.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tf2_session;

struct tf2_session_options {
    int64_t batch; /* extent of dimension 0 of every input; 0: as the model has it */

    /* Shapes for inputs, instead of `batch` and the model's own: a network without fixed-size layers can run at any
     * size. n_input_shapes 0: none. */
    const struct tf2_named_shape *input_shapes;
    size_t n_input_shapes;

    bool profile; /* time every step (costs a little) */

    /*
     * Inputs of one or three channels take 8-bit pixels, as struct tf2_image has them: uint8 [N, H, W, C], gray or
     * RGB. The model's preprocessing is applied on the device; an int8 model whose input was quantized on the grid of
     * its pixels (tf2_model_quantize does that) takes them as they are. All inputs of the model have to be images, see
     * tf2_image_extents.
     */
    bool pixels;
};

/* All zero. */
TF2_API void tf2_session_options_defaults(struct tf2_session_options *options);

/*
 * Prepares `model` on device number `device_index` of `devices`. options NULL: defaults. Model and devices
 * must outlive the session. On success *session is owned by the caller.
 */
TF2_API enum tf2_status tf2_session_create(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index,
    const struct tf2_session_options *options, struct tf2_session **session, struct tf2_error *error);
/* Frees and clears; NULL and a cleared handle are allowed. Not while it runs. */
TF2_API void tf2_session_destroy(struct tf2_session **session);

/* Inputs and outputs with the shapes of this session (batch included). */
TF2_API enum tf2_status
tf2_session_input(const struct tf2_session *session, size_t index, struct tf2_tensor_info *info);
TF2_API enum tf2_status
tf2_session_output(const struct tf2_session *session, size_t index, struct tf2_tensor_info *info);

/*
 * Runs once and waits. inputs[i] and outputs[i] are the caller's buffers for input and output i: dense, in
 * the shape and type that tf2_session_input and tf2_session_output tell, any alignment. An outputs[i] that is
 * NULL is not copied out. On failure the outputs' contents are undefined and the session can be run again.
 */
TF2_API enum tf2_status tf2_session_run(
    struct tf2_session *session, const void *const *inputs, void *const *outputs, struct tf2_error *error);

/*
 * Runs the example that came with a .tf2 file on a device and compares. Outputs that are computed on integers all the
 * way have to be equal; others to within a part of the output's largest value: 1e-4 in a float32 model; in an int8
 * model 1e-5, or 0.05 where float32 results are quantized again, since a rounding can make a step there. TF2_ERR_VALUE
 * says where and by how much they differ; TF2_ERR_NOT_FOUND: the model has no example.
 */
TF2_API enum tf2_status tf2_model_self_test(
    const struct tf2_model *model, struct tf2_devices *devices, size_t device_index, struct tf2_error *error);

struct tf2_session_stats {
    uint64_t n_runs;
    int64_t macs;           /* per run */
    size_t weights_bytes;   /* as packed for the device */
    size_t arena_bytes;     /* all intermediate tensors of a run, padding included */
    size_t live_bytes;      /* the lower bound: the most that is alive at one step */
    size_t n_steps;
};

TF2_API void tf2_session_stats(const struct tf2_session *session, struct tf2_session_stats *stats);

/* One kernel launch (or a few that belong together) of a run. */
struct tf2_step_info {
    const char *name;   /* the node's */
    const char *op;     /* "conv" */
    const char *kernel; /* which implementation, such as "conv_p6r4" */
    int64_t macs;       /* per run */
    uint64_t total_ns;  /* over all profiled runs; 0 without profiling */
    uint64_t n_runs;
};

/* Step number index < n_steps, in order of execution. */
TF2_API enum tf2_status
tf2_session_step(const struct tf2_session *session, size_t index, struct tf2_step_info *info);

#ifdef __cplusplus
}
#endif

#endif
