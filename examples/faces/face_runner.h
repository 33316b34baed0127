/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face_runner.h: requests to run a network once, answered by whichever device is free.
 *
 * This is all that the rest knows of the engine: submit a request, go on, wait for it. A request
 * names its model and the shape of its input, since P-Net runs at a size of its own on every level of every
 * photo.
 */
#ifndef FACE_RUNNER_H
#define FACE_RUNNER_H

#include "face.h"

#define FACE_MAX_OUTPUTS 4

/* One run. Zero-initialize, fill in the first part, keep it in place until it is waited for. */
struct face_request {
    const struct tf2_model *model; /* one input, at most FACE_MAX_OUTPUTS outputs, all float32 */
    struct tf2_shape shape;        /* of the input, batch included */
    float *input;                  /* malloc'ed; the request owns it from submit on */

    /* The answer. */
    enum tf2_status status;
    struct tf2_error error;
    struct tf2_shape output_shapes[FACE_MAX_OUTPUTS];
    float *outputs[FACE_MAX_OUTPUTS];

    bool done; /* the runner's, as the next */
    struct face_runner *runner;
};

void face_runner_submit(struct face_runner *runner, struct face_request *request);
/* Returns when it is done: its status; on failure *error is as the request's. */
enum tf2_status
face_runner_wait(struct face_runner *runner, struct face_request *request, struct tf2_error *error);
/* Frees input and outputs of a request that was waited for or never submitted. */
void face_request_finish(struct face_request *request);

/* Drops what is kept of a model, which no request uses now. */
void face_runner_forget(struct face_runner *runner, const struct tf2_model *model);

size_t face_runner_n_devices(const struct face_runner *runner);

#endif
