/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_int8.h: what the rows of integer convolutions share: step_conv_int8.c, step_deconv_int8.c,
 * step_depthwise_int8.c, step_winograd_int8.c.
 */
#ifndef TF2__CL_CONV_INT8_H
#define TF2__CL_CONV_INT8_H

#include "runtime/cl/internal.h"

struct tf2__cl_winograd_int8;

/* A convolution, inner product, or phase of a transposed convolution as numbers. */
struct tf2__cl_job {
    const struct tf2__step *step;
    const int8_t *weights;      /* [O, I / group, k...]; NULL while choosing for a phase */
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

/* How it is run, directly. */
struct tf2__cl_job_choice {
    bool amx;
    struct tf2__cl_tile tile;
    struct tf2__cl_taps taps; /* AMX: runs */
    int64_t n_taps;           /* AMX: of 64 bytes, one or more runs each */
    int64_t chunk;            /* AMX: tiles of pixels */
    int32_t run;              /* AMX: bytes of a run */
    bool pairs;               /* AMX: channels are dealt to pairs of tiles, see conv_amx.cl */
    int64_t width;            /* inputs of a tap */
    bool widened;             /* AVX2: x is read as words */
    struct tf2__cl_words words;
    const struct tf2__cl_winograd_int8 *winograd; /* AVX2, VNNI; NULL: direct */
    int64_t scratch_bytes;
    char kernel[32];
};

void tf2__cl_job_describe(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_job *job);
/* The same of a convolution that is a phase of a transposed one; its weights are the caller's to set. */
void tf2__cl_job_of_windows(const struct tf2__step *step, const struct tf2__cl_conv *conv, struct tf2__cl_job *job);
enum tf2_status tf2__cl_job_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, const struct tf2__cl_job *job,
    struct tf2__cl_job_choice *choice, struct tf2_error *error);
enum tf2_status tf2__cl_job_make(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice);
/* The same by depthwise_int8.cl. */
enum tf2_status tf2__cl_job_make_depthwise(struct tf2__cl_build *build, struct tf2__cl_job *job);
/* Whether the kernels can read the residual: by vectors of channels. */
bool tf2__cl_job_reads_add(const struct tf2__cl_job *job);
/* Bias (with the zero point of x) and factor per output channel; groups are padded to `lanes` channels. pairs: in the
 * order of pairs of tiles, see conv_amx.cl. */
enum tf2_status tf2__cl_job_channels(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t lanes, bool pairs, uint32_t *bias,
    uint32_t *scale);
/* The table of pixels: input base, output offset, residual offset, n_pixels each. */
enum tf2_status
tf2__cl_job_pixels(struct tf2__cl_build *build, const struct tf2__cl_job *job, uint32_t *pixels);
bool tf2__cl_job_is_float(const struct tf2__cl_build *build, const struct tf2__cl_job *job);
/* Arguments: the residual (where it lies, zero point, factor); all from the input's place to the output's, which kernels
 * of conv_int8.cl, conv_amx.cl and depthwise_int8.cl take first (words: what is read instead of the input, or NULL; n_blocks of
 * weights of block_bytes each, for conv_int8.cl, else 0);
 * lo, hi and the zero point of the output. */
enum tf2_status tf2__cl_job_arg_add(struct tf2__cl_build *build, const struct tf2__cl_job *job);
enum tf2_status tf2__cl_job_arg_head(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t n_taps, const uint32_t *buffers,
    const struct tf2__cl_words *words, int64_t block_bytes, int64_t n_blocks);
void tf2__cl_job_arg_bounds(struct tf2__cl_build *build, const struct tf2__cl_job *job);

/* --- step_winograd_int8.c: AVX2 and VNNI --- */

/* For a device whose dot is sure. Fills the step's scratch and *choice; NULL: direct convolution is better, or Winograd's
 * not exact. */
enum tf2_status tf2__cl_winograd_int8_choose(
    const struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, const struct tf2__cl_job *job,
    const struct tf2__cl_winograd_int8 **choice, const char **kernel, struct tf2_error *error);
enum tf2_status tf2__cl_winograd_int8_make(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_winograd_int8 *choice);

#endif
