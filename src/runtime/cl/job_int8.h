/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_int8.h: an integer convolution, inner product, or phase of a transposed convolution as numbers, how it is run, and
 * its weights as the kernels take them.
 */
#ifndef TF2__CL_JOB_INT8_H
#define TF2__CL_JOB_INT8_H

#include "runtime/cl/internal.h"

struct tf2__cl_job {
    const struct tf2__step *step;
    const int8_t *weights;      /* [O, I / group, k...]; NULL while choosing */
    int64_t n_pixels, n_inputs; /* inputs of one output: a row of weights */
    int64_t groups, in_per_group, out_per_group;
    int64_t x_group;  /* bytes from one group's inputs to the next */
    int64_t y_stride; /* between output channels */
    int64_t room;     /* lanes behind the last output channel that may be written */
    int64_t x_step;   /* bytes between neighbouring pixels if that is the same for all; else 0 */
    bool has_add;
    struct tf2__cl_conv conv;
    uint32_t axis; /* inner products: the first dimension that is summed */
};

struct tf2__cl_job_choice {
    bool amx;
    struct tf2__cl_tile tile;
    struct tf2__cl_taps taps; /* AMX: runs */
    int64_t n_taps;           /* AMX: of 64 bytes, one or more runs each */
    int64_t chunk;            /* AMX: tiles of pixels */
    int32_t run;              /* AMX: bytes of a run */
    bool pairs;               /* AMX: channels are dealt to pairs of tiles, see conv_amx.cl */
    char kernel[32];
};

/* --- pack_int8.c --- */

/* Bias and factor per output channel; groups are padded to `lanes` channels. pairs: in the order of pairs of tiles. */
enum tf2_status tf2__cl_job_channels(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t lanes, bool pairs, uint32_t *bias,
    uint32_t *scale);
/* The weights in the order of the chosen kernel. */
enum tf2_status tf2__cl_job_pack(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice,
    int64_t lanes, uint32_t *buffer);

#endif
