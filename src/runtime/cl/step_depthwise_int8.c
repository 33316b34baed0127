/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_depthwise_int8.c: integer convolutions with one input channel per output channel (depthwise_int8.cl).
 */
#include "runtime/cl/conv_int8.h"

/* Multiply-accumulates that a work item does at least. */
#define DEPTHWISE_STRIP 50000

static bool depthwise_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    tf2__cl_job_describe(plan, step, &job);
    return tf2__cl_is_depthwise(&job.conv) && tf2__cl_job_reads_add(&job);
}

/* Rows of weights, padded to vectors of 16; bias and scale of all channels. */
static enum tf2_status depthwise_pack(struct tf2__cl_build *build, struct tf2__cl_job *job, uint32_t *buffers)
{
    const int8_t *from = job->weights;
    const int64_t n_taps = job->n_inputs, row = tf2__round_up(job->groups, 16);
    cl_int *offsets = tf2__arena_alloc(&build->executable->arena, (size_t)n_taps, sizeof(*offsets));
    void *data;
    if (!offsets)
        return tf2__fail_memory(build->error, (size_t)n_taps * sizeof(*offsets), "a table of taps");
    tf2__cl_conv_inputs(&job->conv, offsets);
    TF2__TRY(tf2__cl_buffer_from(build, offsets, n_taps, &buffers[1]));
    TF2__TRY(tf2__cl_job_pixels(build, job, &buffers[2]));
    TF2__TRY(tf2__cl_job_channels(build, job, 1, false, &buffers[3], &buffers[4]));
    TF2__TRY(tf2__cl_buffer_map(build, n_taps * row / 4, &buffers[0], &data));
    for (int64_t c = 0; c < job->groups; c++) {
        for (int64_t j = 0; j < n_taps; j++)
            ((int8_t *)data)[j * row + c] = from[c * n_taps + j];
    }
    return tf2__cl_buffer_unmap(build, buffers[0], data);
}

enum tf2_status tf2__cl_job_make_depthwise(struct tf2__cl_build *build, struct tf2__cl_job *job)
{
    const int64_t tile = 4; /* P in depthwise_int8.cl */
    uint32_t buffers[5];
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, tile);
    int64_t strip = TF2__MIN(TF2__MAX(DEPTHWISE_STRIP / (tile * job->groups * job->n_inputs), 1), n_tiles);
    TF2__TRY(depthwise_pack(build, job, buffers));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_DEPTHWISE_INT8, "depthwise_int8"));
    TF2__TRY(tf2__cl_job_arg_head(build, job, job->n_inputs, buffers, NULL, 0, 0));
    tf2__cl_arg_int(build, tf2__cl_job_is_float(build, job));
    tf2__cl_arg_int(build, job->groups);
    tf2__cl_arg_int(build, job->groups + job->conv.room);
    tf2__cl_arg_int(build, strip);
    tf2__cl_job_arg_bounds(build, job);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), 1);
    return TF2_OK;
}

static enum tf2_status depthwise_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    tf2__cl_job_describe(build->plan, step, &job);
    return tf2__cl_job_make_depthwise(build, &job);
}

const struct tf2__cl_row tf2__cl_row_depthwise_int8 = {
    .op = TF2_OP_CONV, .int8 = true, .name = "depthwise_int8", .fits = depthwise_fits, .make = depthwise_make};
