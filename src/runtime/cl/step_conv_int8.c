/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_conv_int8.c: convolutions and inner products of u8 by s8 (conv_int8.cl, conv_amx.cl, depthwise_int8.cl).
 *
 * All are the same job: pixels, and inputs of a pixel as byte offsets in the order of a row of weights. What differs
 * between processors is how inputs are grouped into taps and how weights are packed for them.
 */
#include "runtime/cl/job_int8.h"

#include <stdio.h>

/* Bytes of x that AMX works on before it takes the next weights: a part of a second level cache. */
#define AMX_CHUNK_BYTES (512 << 10)

/* Multiply-accumulates that a work item of the depthwise kernel does at least. */
#define DEPTHWISE_STRIP 50000

/* The same distance from each pixel to the next, over rows and images. */
static int64_t pixel_step(const struct tf2__cl_conv *p)
{
    const int64_t extent[4] = {p->y.n, p->y.dim[0], p->y.dim[1], p->y.dim[2]};
    const int64_t stride[4] = {
        p->x.stride_n, p->x.stride[0] * p->window[0].stride, p->x.stride[1] * p->window[1].stride,
        p->x.stride[2] * p->window[2].stride};
    int64_t step = 0, next = 0;
    for (int d = 3; d >= 0; d--) {
        if (extent[d] == 1)
            continue;
        if (step == 0)
            step = stride[d];
        else if (stride[d] != next)
            return 0;
        next = stride[d] * extent[d];
    }
    return step > 0 ? step : 0;
}

/* What follows from job->conv. */
static void describe_sizes(struct tf2__cl_job *job)
{
    const struct tf2__cl_conv *p = &job->conv;
    job->has_add = p->has_add;
    job->n_pixels = p->n_pixels;
    job->n_inputs = p->n_taps;
    job->groups = p->groups;
    job->in_per_group = p->in_per_group;
    job->out_per_group = p->out_per_group;
}

/* The same of a convolution, or of a phase of a transposed one. */
static void describe_windows(struct tf2__cl_job *job)
{
    const struct tf2__cl_conv *p = &job->conv;
    job->x_step = pixel_step(p);
    job->x_group = p->in_per_group * p->x.stride_c;
    job->room = p->groups == 1 ? p->room : 0;
    job->y_stride = p->out_per_group == 1 && p->groups == 1 ? 1 : p->y.stride_c;
    describe_sizes(job);
}

static bool is_gemm(const struct tf2__cl_job *job)
{
    return job->step->node->op->id == TF2_OP_GEMM;
}

static void describe(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_job *job)
{
    memset(job, 0, sizeof(*job));
    job->step = step;
    job->weights = plan->tensors[step->in[1]].data;
    if (!is_gemm(job)) {
        tf2__cl_conv_describe(plan, step, &job->conv);
        describe_windows(job);
        return;
    }
    tf2__cl_gemm_describe(plan, step, &job->conv, &job->axis);
    job->y_stride = job->conv.out_per_group == 1 ? 1 : job->conv.y.stride_c;
    describe_sizes(job);
}

/* Byte offsets of a pixel's inputs in the order of a row of weights: channels, then kernel positions. */
static enum tf2_status make_taps(
    struct tf2__plan *plan, const struct tf2__cl_job *job, int32_t width, struct tf2__cl_taps *taps,
    struct tf2_error *error)
{
    cl_int *offsets = tf2__arena_alloc(&plan->arena, (size_t)job->n_inputs, sizeof(*offsets));
    if (!offsets)
        return tf2__fail_memory(error, (size_t)job->n_inputs * sizeof(*offsets), "a table of taps");
    if (is_gemm(job))
        tf2__cl_gemm_inputs(plan, job->step, job->axis, job->n_inputs, offsets);
    else
        tf2__cl_conv_inputs(&job->conv, offsets);
    return tf2__cl_taps_make(&plan->arena, offsets, job->n_inputs, width, taps, error);
}

/* --- choosing --- */

/* The kernels read a residual by vectors of channels. */
static bool fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    describe(plan, step, &job);
    return !job.has_add || job.conv.add.stride_c == 1 || job.conv.y.c == 1;
}

/* Whole blocks of u8 that saturate by themselves, no factor large enough to leave 32 bits. */
static bool can_pair(const struct tf2__plan *plan, const struct tf2__cl_job *job)
{
    const struct tf2__step *step = job->step;
    const struct tf2__plan_tensor *tensors = plan->tensors;
    const struct tf2__plan_tensor *x = &tensors[step->in[0]], *w = &tensors[step->in[1]], *y = &tensors[step->out];
    if (y->dtype != TF2_DTYPE_U8 || job->y_stride != 1 || job->out_per_group % 32 != 0)
        return false;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(&y->quant, &step->node->activation);
    if (bounds.lo != (float)-y->quant.zero_point || bounds.hi != (float)(255 - y->quant.zero_point))
        return false;
    if (job->has_add && tf2__quant_factor(tensors[step->in[3]].quant.scale, y->quant.scale) > 1e6f)
        return false;
    for (int64_t o = 0; o < job->groups * job->out_per_group; o++) {
        double numerator = (double)x->quant.scale * tf2__quant_scale(&w->quant, o);
        if (tf2__quant_factor(numerator, y->quant.scale) >= 0.5f)
            return false;
    }
    return true;
}

/* Runs of how many bytes: the widest that do not make more taps than narrower ones. Tiles that are read in place have
 * one run per tap. */
static enum tf2_status choose_runs(
    struct tf2__plan *plan, const struct tf2__cl_job *job, struct tf2__cl_job_choice *choice,
    struct tf2_error *error)
{
    choice->n_taps = INT64_MAX;
    for (int32_t run = 64; run >= (job->x_step ? 64 : 16); run /= 2) {
        struct tf2__cl_taps runs;
        TF2__TRY(make_taps(plan, job, run, &runs, error));
        int64_t n_taps = tf2__ceil_div(runs.n * run, 64);
        if (n_taps < choice->n_taps) {
            choice->taps = runs;
            choice->n_taps = n_taps;
            choice->run = run;
        }
    }
    return TF2_OK;
}

static enum tf2_status choose_amx(
    struct tf2__plan *plan, const struct tf2__cl_job *job, struct tf2__cl_job_choice *choice,
    int64_t *scratch_bytes, struct tf2_error *error)
{
    TF2__TRY(choose_runs(plan, job, choice, error));
    choice->pairs = can_pair(plan, job);
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, 16);
    int64_t tile_bytes = job->x_step ? 16 * job->x_step : choice->n_taps * 1024;
    /* What is written comes back for each block of channels, as what is read does. */
    int64_t touched = tile_bytes + 16 * job->out_per_group * (job->has_add ? 2 : 1);
    choice->chunk = TF2__MAX(AMX_CHUNK_BYTES / touched / 2 * 2, 2);
    choice->chunk = TF2__MIN(choice->chunk, n_tiles);
    *scratch_bytes = job->x_step ? 0 : choice->chunk * tile_bytes;
    snprintf(choice->kernel, sizeof(choice->kernel), "conv_amx%s", job->x_step ? "" : "_gather");
    return TF2_OK;
}

static enum tf2_status choose_dot(
    enum tf2__cl_dot dot, int vector_width, struct tf2__plan *plan, const struct tf2__cl_job *job,
    struct tf2__cl_job_choice *choice, struct tf2_error *error)
{
    size_t n_tiles;
    const struct tf2__cl_tile *tiles = tf2__cl_tiles_int8(dot, &n_tiles);
    choice->tile = tf2__cl_tile_best(
        tiles, n_tiles, tf2__cl_dot_lanes(dot, vector_width), job->n_pixels, job->out_per_group);
    snprintf(
        choice->kernel, sizeof(choice->kernel), "conv_int8_p%dr%d", choice->tile.pixels, choice->tile.vectors);
    TF2__TRY(make_taps(plan, job, 4, &choice->taps, error));
    choice->n_taps = choice->taps.n;
    return TF2_OK;
}

/* What a layer costs either way, in cycles of the vector units: products, and what AMX adds to every output and input.
 * Measured on a Sapphire Rapids core. */
static bool amx_pays(
    const struct tf2__cl_job *job, const struct tf2__cl_job_choice *amx, const struct tf2__cl_job_choice *dot)
{
    double tiles = (double)tf2__ceil_div(job->n_pixels, 16), groups = (double)job->groups;
    double halves = (double)tf2__ceil_div(job->out_per_group, 16);
    double multiply = tiles * halves * ((double)amx->n_taps * 24 + 16 * 2.5 + 30) * groups;
    double gather = job->x_step ? 0 : tiles * 16 * (double)amx->taps.n * 2 * groups;
    double lanes = dot->tile.vectors * 16;
    double work = (double)(tf2__round_up(job->n_pixels, dot->tile.pixels) * tf2__round_up(job->out_per_group, (int64_t)lanes));
    double vnni = work / 16 * (double)dot->n_taps / 2 / dot->tile.efficiency * groups;
    return multiply + gather < vnni;
}

/* *scratch_bytes: what the choice needs. */
static enum tf2_status choose_job(
    struct tf2__cl_device *device, struct tf2__plan *plan, const struct tf2__cl_job *job,
    struct tf2__cl_job_choice *choice, int64_t *scratch_bytes, struct tf2_error *error)
{
    struct tf2__cl_job_choice amx = {.amx = true};
    enum tf2__cl_dot dot;
    *scratch_bytes = 0;
    TF2__TRY(tf2__cl_dot_get(device, &dot, error));
    TF2__TRY(choose_dot(dot, device->vector_width, plan, job, choice, error));
    if (dot != TF2__CL_DOT_AMX || job->n_pixels < 16)
        return TF2_OK;
    int64_t amx_bytes = 0;
    TF2__TRY(choose_amx(plan, job, &amx, &amx_bytes, error));
    if (amx_pays(job, &amx, choice)) {
        *choice = amx;
        *scratch_bytes = amx_bytes;
    }
    return TF2_OK;
}

static enum tf2_status choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    struct tf2__cl_job job;
    struct tf2__cl_job_choice *choice = tf2__arena_alloc(&plan->arena, 1, sizeof(*choice));
    if (!choice)
        return tf2__fail_memory(error, sizeof(*choice), "a kernel choice");
    describe(plan, step, &job);
    TF2__TRY(choose_job(device, plan, &job, choice, &step->scratch_bytes, error));
    step->choice = choice;
    step->kernel = choice->kernel;
    return TF2_OK;
}

/* --- launches --- */

static enum tf2_status
make_pixels(struct tf2__cl_build *build, const struct tf2__cl_job *job, uint32_t *pixels)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, 3 * job->n_pixels, pixels, &data));
    if (is_gemm(job))
        tf2__cl_gemm_pixels(build->plan, job->step, job->axis, job->n_pixels, data);
    else
        tf2__cl_conv_pixels(&job->conv, data);
    return tf2__cl_buffer_unmap(build, *pixels, data);
}

static bool is_float(const struct tf2__cl_build *build, const struct tf2__cl_job *job)
{
    return build->plan->tensors[job->step->out].dtype == TF2_DTYPE_F32;
}

/* The residual: where it lies, zero point and factor. */
static enum tf2_status arg_add(struct tf2__cl_build *build, const struct tf2__cl_job *job)
{
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const struct tf2__plan_tensor *y = &tensors[job->step->out];
    if (!job->has_add) {
        tf2__cl_arg_arena(build);
        tf2__cl_arg_int(build, -1);
        tf2__cl_arg_int(build, 0);
        tf2__cl_arg_float(build, 0);
        return TF2_OK;
    }
    const struct tf2__quant *add = &tensors[job->step->in[3]].quant;
    TF2__TRY(tf2__cl_arg_tensor(build, job->step->in[3]));
    tf2__cl_arg_int(build, add->zero_point);
    tf2__cl_arg_float(build, tf2__quant_factor(add->scale, y->dtype == TF2_DTYPE_U8 ? y->quant.scale : 1));
    return TF2_OK;
}

/* What all kernels take first, up to the output's place. */
static enum tf2_status
arg_head(struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t n_taps, const uint32_t *buffers)
{
    TF2__TRY(tf2__cl_arg_tensor(build, job->step->in[0]));
    tf2__cl_arg_buffer(build, buffers[0]);
    tf2__cl_arg_buffer(build, buffers[1]);
    tf2__cl_arg_int(build, n_taps);
    tf2__cl_arg_buffer(build, buffers[2]);
    tf2__cl_arg_int(build, job->n_pixels);
    tf2__cl_arg_buffer(build, buffers[3]);
    tf2__cl_arg_buffer(build, buffers[4]);
    TF2__TRY(arg_add(build, job));
    return tf2__cl_arg_tensor(build, job->step->out);
}

/* Packs everything and begins the launch of conv_int8.cl or conv_amx.cl. */
static enum tf2_status begin(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice,
    int64_t lanes)
{
    uint32_t buffers[5]; /* weights, taps, pixels, bias, scale */
    TF2__TRY(tf2__cl_job_pack(build, job, choice, lanes, &buffers[0]));
    TF2__TRY(tf2__cl_buffer_from(build, choice->taps.offset, choice->taps.n, &buffers[1]));
    TF2__TRY(make_pixels(build, job, &buffers[2]));
    TF2__TRY(tf2__cl_job_channels(build, job, lanes, choice->pairs, &buffers[3], &buffers[4]));
    TF2__TRY(tf2__cl_launch_begin(
        build, choice->amx ? TF2__CL_CONV_AMX : TF2__CL_CONV_INT8, choice->amx ? "conv_amx" : choice->kernel));
    TF2__TRY(arg_head(build, job, choice->n_taps, buffers));
    tf2__cl_arg_int(build, job->y_stride);
    tf2__cl_arg_int(build, is_float(build, job));
    tf2__cl_arg_int(build, job->out_per_group);
    tf2__cl_arg_int(build, job->out_per_group + job->room);
    return TF2_OK;
}

static void arg_bounds(struct tf2__cl_build *build, const struct tf2__cl_job *job)
{
    const struct tf2__plan_tensor *y = &build->plan->tensors[job->step->out];
    const struct tf2__quant_bounds bounds =
        tf2__quant_bounds(y->dtype, &y->quant, &job->step->node->activation);
    tf2__cl_arg_float(build, bounds.lo);
    tf2__cl_arg_float(build, bounds.hi);
    tf2__cl_arg_int(build, y->quant.zero_point);
}

static enum tf2_status
make_dot(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice)
{
    int64_t lanes = (int64_t)choice->tile.vectors * tf2__cl_dot_lanes(build->device->dot, build->device->vector_width);
    int64_t blocks = tf2__ceil_div(job->out_per_group, lanes);
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, choice->tile.pixels);
    int64_t strip = tf2__cl_strip(&choice->tile, lanes, choice->n_taps * 4, n_tiles);
    TF2__TRY(begin(build, job, choice, lanes));
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, job->x_group);
    tf2__cl_arg_int(build, strip);
    arg_bounds(build, job);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), job->groups * blocks);
    return TF2_OK;
}

static enum tf2_status
make_amx(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice)
{
    uint32_t gathered;
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, choice->n_taps, &gathered, &data));
    for (int64_t j = 0; j < choice->n_taps; j++)
        ((cl_int *)data)[j] = (cl_int)(j * 1024);
    TF2__TRY(tf2__cl_buffer_unmap(build, gathered, data));
    TF2__TRY(begin(build, job, choice, 16));
    tf2__cl_arg_int(build, job->groups);
    tf2__cl_arg_int(build, job->x_group);
    tf2__cl_arg_int(build, choice->chunk);
    arg_bounds(build, job);
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, job->step->scratch_at);
    tf2__cl_arg_buffer(build, gathered);
    tf2__cl_arg_int(build, job->x_step);
    tf2__cl_arg_int(build, choice->run);
    tf2__cl_arg_int(build, choice->taps.n);
    tf2__cl_arg_int(build, choice->pairs);
    tf2__cl_launch_size(build, 1, 1);
    return TF2_OK;
}

static enum tf2_status make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__cl_job_choice *choice = step->choice;
    struct tf2__cl_job job;
    describe(build->plan, step, &job);
    return choice->amx ? make_amx(build, &job, choice) : make_dot(build, &job, choice);
}

const struct tf2__cl_row tf2__cl_row_conv_int8 = {
    .op = TF2_OP_CONV, .int8 = true, .name = "conv_int8", .fits = fits, .choose = choose, .make = make};

const struct tf2__cl_row tf2__cl_row_gemm_int8 = {
    .op = TF2_OP_GEMM, .int8 = true, .name = "gemm_int8", .choose = choose, .make = make};

/* --- depthwise_int8.cl --- */

static bool depthwise_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    describe(plan, step, &job);
    return tf2__cl_is_depthwise(&job.conv) && fits(plan, step);
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
    TF2__TRY(make_pixels(build, job, &buffers[2]));
    TF2__TRY(tf2__cl_job_channels(build, job, 1, false, &buffers[3], &buffers[4]));
    TF2__TRY(tf2__cl_buffer_map(build, n_taps * row / 4, &buffers[0], &data));
    memset(data, 0, (size_t)(n_taps * row));
    for (int64_t c = 0; c < job->groups; c++) {
        for (int64_t j = 0; j < n_taps; j++)
            ((int8_t *)data)[j * row + c] = from[c * n_taps + j];
    }
    return tf2__cl_buffer_unmap(build, buffers[0], data);
}

static enum tf2_status depthwise_job(struct tf2__cl_build *build, struct tf2__cl_job *job)
{
    const int64_t tile = 4; /* P in depthwise_int8.cl */
    uint32_t buffers[5];
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, tile);
    int64_t strip = TF2__MIN(TF2__MAX(DEPTHWISE_STRIP / (tile * job->groups * job->n_inputs), 1), n_tiles);
    TF2__TRY(depthwise_pack(build, job, buffers));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_DEPTHWISE_INT8, "depthwise_int8"));
    TF2__TRY(arg_head(build, job, job->n_inputs, buffers));
    tf2__cl_arg_int(build, is_float(build, job));
    tf2__cl_arg_int(build, job->groups);
    tf2__cl_arg_int(build, job->groups + job->conv.room);
    tf2__cl_arg_int(build, strip);
    arg_bounds(build, job);
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), 1);
    return TF2_OK;
}

static enum tf2_status depthwise_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    describe(build->plan, step, &job);
    return depthwise_job(build, &job);
}

const struct tf2__cl_row tf2__cl_row_depthwise_int8 = {
    .op = TF2_OP_CONV, .int8 = true, .name = "depthwise_int8", .fits = depthwise_fits, .make = depthwise_make};

/* --- phases of transposed convolutions --- */

static void
describe_phase(const struct tf2__step *step, const struct tf2__cl_phase *phase, struct tf2__cl_job *job)
{
    memset(job, 0, sizeof(*job));
    job->step = step;
    job->conv = phase->conv;
    describe_windows(job);
}

static bool deconv_is_depthwise(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_phase phase;
    tf2__cl_phase_describe(plan, step, 0, &phase);
    return tf2__cl_is_depthwise(&phase.conv);
}

static enum tf2_status deconv_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    TF2__TRY(tf2__cl_phases_check(plan, step, error));
    if (deconv_is_depthwise(plan, step))
        return TF2_OK;
    const int64_t n = tf2__cl_phases(plan, step);
    struct tf2__cl_job_choice *choices = tf2__arena_alloc(&plan->arena, (size_t)n, sizeof(*choices));
    if (!choices)
        return tf2__fail_memory(error, (size_t)n * sizeof(*choices), "kernel choices");
    for (int64_t i = 0; i < n; i++) {
        struct tf2__cl_phase phase;
        struct tf2__cl_job job;
        int64_t scratch_bytes;
        tf2__cl_phase_describe(plan, step, i, &phase);
        describe_phase(step, &phase, &job);
        TF2__TRY(choose_job(device, plan, &job, &choices[i], &scratch_bytes, error));
        step->scratch_bytes = TF2__MAX(step->scratch_bytes, scratch_bytes);
    }
    step->choice = choices;
    step->kernel = choices[0].kernel;
    return TF2_OK;
}

static enum tf2_status deconv_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_env *env = &build->device->base.env;
    const struct tf2__cl_job_choice *choices = step->choice;
    enum tf2_status status = TF2_OK;
    for (int64_t i = 0; i < tf2__cl_phases(build->plan, step) && status == TF2_OK; i++) {
        struct tf2__cl_phase phase;
        struct tf2__cl_job job;
        tf2__cl_phase_describe(build->plan, step, i, &phase);
        describe_phase(step, &phase, &job);
        int8_t *weights = tf2__cl_phase_weights(build->plan, step, &phase, env);
        if (!weights)
            return tf2__fail_memory(build->error, (size_t)job.n_inputs, "weights of a phase");
        job.weights = weights;
        if (!choices)
            status = depthwise_job(build, &job);
        else
            status = choices[i].amx ? make_amx(build, &job, &choices[i]) : make_dot(build, &job, &choices[i]);
        tf2__free(env, weights);
    }
    return status;
}

const struct tf2__cl_row tf2__cl_row_deconv_depthwise_int8 = {
    .op = TF2_OP_CONV_TRANSPOSE,
    .int8 = true,
    .name = "deconv_depthwise_int8",
    .fits = deconv_is_depthwise,
    .choose = deconv_choose,
    .make = deconv_make};

const struct tf2__cl_row tf2__cl_row_deconv_int8 = {
    .op = TF2_OP_CONV_TRANSPOSE,
    .int8 = true,
    .name = "deconv_int8",
    .choose = deconv_choose,
    .make = deconv_make};
