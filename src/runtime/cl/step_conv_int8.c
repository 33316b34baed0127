/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_conv_int8.c: convolutions and inner products of u8 by s8 (conv_int8.cl, conv_amx.cl).
 *
 * All are the same job: pixels, and inputs of a pixel as byte offsets in the order of a row of weights. What differs
 * between processors is how inputs are grouped into taps and how weights are packed for them.
 */
#include "runtime/cl/conv_int8.h"

#include <stdio.h>

/* Bytes of x that AMX works on before it takes the next weights: a part of a second level cache. */
#define AMX_CHUNK_BYTES (512 << 10)

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

static bool is_gemm(const struct tf2__cl_job *job)
{
    return job->step->node->op->id == TF2_OP_GEMM;
}

void tf2__cl_job_of_windows(const struct tf2__step *step, const struct tf2__cl_conv *conv, struct tf2__cl_job *job)
{
    memset(job, 0, sizeof(*job));
    job->step = step;
    job->conv = *conv;
    job->x_step = pixel_step(conv);
    job->x_group = conv->in_per_group * conv->x.stride_c;
    job->room = conv->groups == 1 ? conv->room : 0;
    job->y_stride = conv->out_per_group == 1 && conv->groups == 1 ? 1 : conv->y.stride_c;
    describe_sizes(job);
}

void tf2__cl_job_describe(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__cl_job *job)
{
    struct tf2__cl_conv conv;
    memset(job, 0, sizeof(*job));
    job->step = step;
    if (is_gemm(job)) {
        tf2__cl_gemm_describe(plan, step, &job->conv, &job->axis);
        job->y_stride = job->conv.out_per_group == 1 ? 1 : job->conv.y.stride_c;
        describe_sizes(job);
    } else {
        tf2__cl_conv_describe(plan, step, &conv);
        tf2__cl_job_of_windows(step, &conv, job);
    }
    job->weights = plan->tensors[step->in[1]].data;
}

/* Byte offsets of a pixel's inputs in the order of a row of weights: channels, then kernel positions. */
static enum tf2_status
make_taps(struct tf2__plan *plan, const struct tf2__cl_job *job, int32_t width, struct tf2__cl_taps *taps, struct tf2_error *error)
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

bool tf2__cl_job_reads_add(const struct tf2__cl_job *job)
{
    return !job->has_add || job->conv.add.stride_c == 1 || job->conv.y.c == 1;
}

static bool fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_job job;
    tf2__cl_job_describe(plan, step, &job);
    return tf2__cl_job_reads_add(&job);
}

/* Where channel o of a block of 32 lies in its pair of tiles, and back. */
static int64_t pair_position(int64_t o)
{
    return o % 8 / 4 * 16 + o / 8 * 4 + o % 4;
}

static int64_t pair_channel(int64_t position)
{
    return position % 16 / 4 * 8 + position / 16 * 4 + position % 4;
}

/* Neighbouring channels of u8, and no factor large enough for v to leave 32 bits: instructions that saturate will do. */
static bool can_pack(const struct tf2__plan *plan, const struct tf2__cl_job *job)
{
    const struct tf2__step *step = job->step;
    const struct tf2__plan_tensor *tensors = plan->tensors;
    const struct tf2__plan_tensor *x = &tensors[step->in[0]], *w = &tensors[step->in[1]], *y = &tensors[step->out];
    if (y->dtype != TF2_DTYPE_U8 || job->y_stride != 1)
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

/* The same for pairs of tiles of AMX: whole blocks, and an activation that leaves a byte its whole range. */
static bool can_pair(const struct tf2__plan *plan, const struct tf2__cl_job *job)
{
    const struct tf2__plan_tensor *y = &plan->tensors[job->step->out];
    if (!can_pack(plan, job) || job->out_per_group % 32 != 0)
        return false;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(&y->quant, &job->step->node->activation);
    return bounds.lo == (float)-y->quant.zero_point && bounds.hi == (float)(255 - y->quant.zero_point);
}

/* Runs of how many bytes: the widest that do not make more taps than narrower ones. Tiles that are read in place have
 * one run per tap. */
static enum tf2_status
choose_runs(struct tf2__plan *plan, const struct tf2__cl_job *job, struct tf2__cl_job_choice *choice, struct tf2_error *error)
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
    struct tf2__plan *plan, const struct tf2__cl_job *job, struct tf2__cl_job_choice *choice, struct tf2_error *error)
{
    TF2__TRY(choose_runs(plan, job, choice, error));
    choice->pairs = can_pair(plan, job);
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, 16);
    int64_t tile_bytes = job->x_step ? 16 * job->x_step : choice->n_taps * 1024;
    /* What is written comes back for each block of channels, as what is read does. */
    int64_t touched = tile_bytes + 16 * job->out_per_group * (job->has_add ? 2 : 1);
    choice->chunk = TF2__MAX(AMX_CHUNK_BYTES / touched / 2 * 2, 2);
    choice->chunk = TF2__MIN(choice->chunk, n_tiles);
    if (!job->x_step)
        choice->scratch_bytes = choice->chunk * tile_bytes;
    snprintf(choice->kernel, sizeof(choice->kernel), "conv_amx%s", job->x_step ? "" : "_gather");
    return TF2_OK;
}

static enum tf2_status choose_dot(
    enum tf2__cl_dot dot, int vector_width, struct tf2__plan *plan, const struct tf2__cl_job *job, struct tf2__cl_job_choice *choice,
    struct tf2_error *error)
{
    size_t n_tiles;
    const struct tf2__cl_tile *tiles = tf2__cl_tiles_int8(dot, &n_tiles);
    choice->tile = tf2__cl_tile_best(
        tiles, n_tiles, tf2__cl_dot_lanes(dot, vector_width), job->n_pixels, job->out_per_group);
    snprintf(
        choice->kernel, sizeof(choice->kernel), "conv_int8_p%dr%d", choice->tile.pixels, choice->tile.vectors);
    choice->width = tf2__cl_dot_inputs(dot);
    TF2__TRY(make_taps(plan, job, (int32_t)choice->width, &choice->taps, error));
    choice->n_taps = choice->taps.n;
    return TF2_OK;
}

/* The table of pixels: input base, output offset, residual offset, n_pixels each. */
static void fill_pixels(const struct tf2__plan *plan, const struct tf2__cl_job *job, cl_int *table)
{
    if (is_gemm(job))
        tf2__cl_gemm_pixels(plan, job->step, job->axis, job->n_pixels, table);
    else
        tf2__cl_conv_pixels(&job->conv, table);
}

static void extend(const cl_int *offsets, int64_t n, int64_t *least, int64_t *most)
{
    *least = *most = offsets[0];
    for (int64_t i = 1; i < n; i++) {
        *least = TF2__MIN(*least, offsets[i]);
        *most = TF2__MAX(*most, offsets[i]);
    }
}

/* AVX2: x is widened first. */
static enum tf2_status choose_words(
    struct tf2__cl_device *device, struct tf2__plan *plan, const struct tf2__cl_job *job,
    struct tf2__cl_job_choice *choice, struct tf2_error *error)
{
    const size_t size = 3 * (size_t)job->n_pixels * sizeof(cl_int);
    const int64_t groups = (job->groups - 1) * job->x_group;
    int64_t least, most, first_tap, last_tap;
    cl_int *pixels = tf2__alloc(&device->base.env, size);
    if (!pixels)
        return tf2__fail_memory(error, size, "a table of pixels");
    fill_pixels(plan, job, pixels);
    extend(pixels, job->n_pixels, &least, &most);
    tf2__free(&device->base.env, pixels);
    extend(choice->taps.offset, choice->taps.n, &first_tap, &last_tap);
    choice->widened = true;
    choice->words = tf2__cl_words_of(
        &job->conv, least + first_tap + TF2__MIN(groups, 0), most + last_tap + TF2__MAX(groups, 0) + choice->width);
    choice->scratch_bytes = choice->words.scratch_bytes;
    return TF2_OK;
}

/* What a layer costs either way, in cycles of the vector units: products, and what AMX adds to every output and input.
 * Measured on a Sapphire Rapids core. conv_amx is one work item, which cannot be divided among devices. */
static bool
amx_pays(const struct tf2__cl_job *job, const struct tf2__cl_job_choice *amx, const struct tf2__cl_job_choice *dot, uint32_t n_parts)
{
    double tiles = (double)tf2__ceil_div(job->n_pixels, 16), groups = (double)job->groups;
    double halves = (double)tf2__ceil_div(job->out_per_group, 16);
    double multiply = tiles * halves * ((double)amx->n_taps * 24 + 16 * 2.5 + 30) * groups;
    double gather = job->x_step ? 0 : tiles * 16 * (double)amx->taps.n * 2 * groups;
    double lanes = dot->tile.vectors * 16;
    double work = (double)(tf2__round_up(job->n_pixels, dot->tile.pixels) * tf2__round_up(job->out_per_group, (int64_t)lanes));
    double vnni = work / 16 * (double)dot->n_taps / 2 / dot->tile.efficiency * groups;
    return multiply + gather < vnni / n_parts;
}

/* conv_amx wants its weights whole. Packing makes them somewhat larger. */
static bool may_stream(const struct tf2__plan *plan)
{
    double bytes = 0;
    for (uint32_t i = 0; plan->weight_budget_bytes && i < plan->n_tensors; i++) {
        const struct tf2__plan_tensor *t = &plan->tensors[i];
        if (t->data)
            bytes += (double)tf2_shape_count(&t->shape) * (double)tf2_dtype_size_bytes(t->dtype);
    }
    return 2 * bytes > (double)plan->weight_budget_bytes;
}

enum tf2_status tf2__cl_job_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, const struct tf2__cl_job *job,
    struct tf2__cl_job_choice *choice, struct tf2_error *error)
{
    enum tf2__cl_dot dot;
    TF2__TRY(tf2__cl_dot_get(device, &dot, error));
    TF2__TRY(choose_dot(dot, device->vector_width, plan, job, choice, error));
    if (dot == TF2__CL_DOT_AVX2)
        return choose_words(device, plan, job, choice, error);
    if (dot != TF2__CL_DOT_AMX || job->n_pixels < 16 || may_stream(plan))
        return TF2_OK;
    struct tf2__cl_job_choice amx = {.amx = true};
    TF2__TRY(choose_amx(plan, job, &amx, error));
    if (amx_pays(job, &amx, choice, plan->n_parts))
        *choice = amx;
    return TF2_OK;
}

static enum tf2_status choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    struct tf2__cl_job job;
    enum tf2__cl_dot dot;
    struct tf2__cl_job_choice *choice = tf2__arena_alloc(&plan->arena, 1, sizeof(*choice));
    if (!choice)
        return tf2__fail_memory(error, sizeof(*choice), "a kernel choice");
    TF2__TRY(tf2__cl_dot_get(device, &dot, error));
    tf2__cl_job_describe(plan, step, &job);
    TF2__TRY(tf2__cl_winograd_int8_choose(device, plan, step, &job, &choice->winograd, &step->kernel, error));
    if (!choice->winograd) {
        TF2__TRY(tf2__cl_job_choose(device, plan, &job, choice, error));
        step->kernel = choice->kernel;
        step->scratch_bytes = choice->scratch_bytes;
    }
    step->choice = choice;
    return TF2_OK;
}

/* --- packing --- */

/* The sum of zero points times weights of an output channel, which goes into its bias. */
static uint32_t
zero_point_sum(const struct tf2__cl_job *job, const struct tf2__quant *x, const int8_t *weights, int64_t group)
{
    const int64_t n_positions = job->n_inputs / job->in_per_group;
    uint32_t sum = 0;
    for (int64_t c = 0; c < job->in_per_group; c++) {
        int32_t zero_point =
            x->channel_zero_point ? x->channel_zero_point[group * job->in_per_group + c] : x->zero_point;
        int32_t of_channel = 0;
        for (int64_t k = 0; k < n_positions; k++)
            of_channel += weights[c * n_positions + k];
        sum += (uint32_t)zero_point * (uint32_t)of_channel;
    }
    return sum;
}

/* Bias and factor per output channel; groups are padded to `lanes` channels. pairs: in the order of pairs of tiles. */
enum tf2_status tf2__cl_job_channels(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t lanes, bool pairs, uint32_t *bias, uint32_t *scale)
{
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const struct tf2__step *step = job->step;
    const struct tf2__plan_tensor *x = &tensors[step->in[0]], *w = &tensors[step->in[1]], *y = &tensors[step->out];
    const int32_t *from = step->n_in > 2 && step->in[2] != TF2_NO_TENSOR ? tensors[step->in[2]].data : NULL;
    const double y_scale = y->dtype == TF2_DTYPE_U8 ? y->quant.scale : 1;
    const int64_t padded = tf2__round_up(job->out_per_group, lanes);
    void *bias_data, *scale_data;
    TF2__TRY(tf2__cl_buffer_map(build, job->groups * padded, bias, &bias_data));
    TF2__TRY(tf2__cl_buffer_map(build, job->groups * padded, scale, &scale_data));
    for (int64_t i = 0; i < job->groups * padded; i++) {
        int64_t group = i / padded, in_group = i % padded;
        if (pairs)
            in_group = in_group / 32 * 32 + pair_channel(in_group % 32);
        int64_t o = group * job->out_per_group + in_group;
        bool valid = i % padded < job->out_per_group;
        uint32_t value = valid && from ? (uint32_t)from[o] : 0;
        if (valid)
            value -= zero_point_sum(job, &x->quant, job->weights + o * job->n_inputs, group);
        ((cl_int *)bias_data)[i] = (cl_int)value;
        ((cl_float *)scale_data)[i] =
            valid ? tf2__quant_factor((double)x->quant.scale * tf2__quant_scale(&w->quant, o), y_scale) : 0;
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, *bias, bias_data));
    return tf2__cl_buffer_unmap(build, *scale, scale_data);
}

/* Where input `place` (tap * width + byte) of channel o (within a group padded to `lanes`) goes. */
static int64_t place_dot(int64_t place, int64_t o, int64_t lanes, int64_t n_taps, int64_t width)
{
    int64_t block = o / lanes, tap = place / width;
    return ((block * n_taps + tap) * lanes + o % lanes) * width + place % width;
}

/* Blocks of 32 channels; the last one has 16 when that is enough. */
static int64_t place_amx(int64_t place, int64_t o, int64_t padded, int64_t n_taps, bool pairs)
{
    int64_t block = o / 32, tap = place / 64, byte = place % 64;
    int64_t n = TF2__MIN((padded - block * 32) / 16, 2), at = pairs ? pair_position(o % 32) : o % 32;
    return block * 32 * n_taps * 64 + (tap * n + at / 16) * 1024 + byte / 4 * 64 + at % 16 * 4 + byte % 4;
}

static enum tf2_status
pack(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice, int64_t lanes, uint32_t *buffer)
{
    const int8_t *weights = job->weights;
    const struct tf2__cl_taps *taps = &choice->taps;
    const int64_t padded = tf2__round_up(job->out_per_group, lanes);
    const int64_t group_bytes = padded * choice->n_taps * (choice->amx ? 64 : 4);
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, tf2__ceil_div(job->groups * group_bytes, 4), buffer, &data));
    for (int64_t g = 0; g < job->groups; g++) {
        int8_t *to = (int8_t *)data + g * group_bytes;
        for (int64_t o = 0; o < job->out_per_group; o++, weights += job->n_inputs) {
            for (int64_t k = 0; k < job->n_inputs; k++) {
                int64_t at = choice->amx ? place_amx(taps->place[k], o, padded, choice->n_taps, choice->pairs)
                                         : place_dot(taps->place[k], o, lanes, choice->n_taps, choice->width);
                if (choice->widened)
                    ((int16_t *)to)[at] = weights[k];
                else
                    to[at] = weights[k];
            }
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* --- launches --- */

enum tf2_status tf2__cl_job_pixels(struct tf2__cl_build *build, const struct tf2__cl_job *job, uint32_t *pixels)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, 3 * job->n_pixels, pixels, &data));
    fill_pixels(build->plan, job, data);
    return tf2__cl_buffer_unmap(build, *pixels, data);
}

bool tf2__cl_job_is_float(const struct tf2__cl_build *build, const struct tf2__cl_job *job)
{
    return build->plan->tensors[job->step->out].dtype == TF2_DTYPE_F32;
}

/* The residual: where it lies, zero point and factor. */
enum tf2_status tf2__cl_job_arg_add(struct tf2__cl_build *build, const struct tf2__cl_job *job)
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

/* What all kernels take first, up to the output's place. words: what is read instead of the input, or NULL. n_blocks:
 * of weights, block_bytes each, for conv_int8.cl; else 0. */
enum tf2_status tf2__cl_job_arg_head(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t n_taps, const uint32_t *buffers,
    const struct tf2__cl_words *words, int64_t block_bytes, int64_t n_blocks)
{
    if (words) {
        tf2__cl_arg_arena(build);
        tf2__cl_arg_int(build, job->step->scratch_at / 2 - words->first);
    } else {
        TF2__TRY(tf2__cl_arg_tensor(build, job->step->in[0]));
    }
    if (n_blocks)
        TF2__TRY(tf2__cl_arg_equal_blocks(build, buffers[0], block_bytes, n_blocks));
    else
        tf2__cl_arg_buffer(build, buffers[0]);
    tf2__cl_arg_buffer(build, buffers[1]);
    tf2__cl_arg_int(build, n_taps);
    tf2__cl_arg_buffer(build, buffers[2]);
    tf2__cl_arg_int(build, job->n_pixels);
    tf2__cl_arg_buffer(build, buffers[3]);
    tf2__cl_arg_buffer(build, buffers[4]);
    TF2__TRY(tf2__cl_job_arg_add(build, job));
    return tf2__cl_arg_tensor(build, job->step->out);
}

/* Packs everything and begins the launch of conv_int8.cl or conv_amx.cl. */
static enum tf2_status
begin(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice, int64_t lanes)
{
    uint32_t buffers[5]; /* weights, taps, pixels, bias, scale */
    TF2__TRY(pack(build, job, choice, lanes, &buffers[0]));
    TF2__TRY(tf2__cl_buffer_from(build, choice->taps.offset, choice->taps.n, &buffers[1]));
    TF2__TRY(tf2__cl_job_pixels(build, job, &buffers[2]));
    TF2__TRY(tf2__cl_job_channels(build, job, lanes, choice->pairs, &buffers[3], &buffers[4]));
    if (choice->widened)
        TF2__TRY(tf2__cl_words_make(build, job->step, &choice->words));
    TF2__TRY(tf2__cl_launch_begin(
        build, choice->amx ? TF2__CL_CONV_AMX : TF2__CL_CONV_INT8, choice->amx ? "conv_amx" : choice->kernel));
    int64_t n_blocks = choice->amx ? 0 : job->groups * tf2__ceil_div(job->out_per_group, lanes);
    TF2__TRY(tf2__cl_job_arg_head(
        build, job, choice->n_taps, buffers, choice->widened ? &choice->words : NULL, choice->n_taps * lanes * 4,
        n_blocks));
    tf2__cl_arg_int(build, job->y_stride);
    tf2__cl_arg_int(build, tf2__cl_job_is_float(build, job));
    tf2__cl_arg_int(build, job->out_per_group);
    tf2__cl_arg_int(build, job->out_per_group + job->room);
    return TF2_OK;
}

void tf2__cl_job_arg_bounds(struct tf2__cl_build *build, const struct tf2__cl_job *job)
{
    const struct tf2__plan_tensor *y = &build->plan->tensors[job->step->out];
    const struct tf2__quant_bounds bounds =
        tf2__quant_bounds(y->dtype, &y->quant, &job->step->node->activation);
    tf2__cl_arg_float(build, bounds.lo);
    tf2__cl_arg_float(build, bounds.hi);
    tf2__cl_arg_int(build, y->quant.zero_point);
}

/* Taps as tf2__cl_strip counts them, of so many inputs; VNNI does eight in the time that it reckons with. */
static int64_t strip_taps(enum tf2__cl_dot dot, int64_t n_inputs)
{
    return dot >= TF2__CL_DOT_VNNI ? tf2__ceil_div(n_inputs, 8) : n_inputs;
}

static enum tf2_status make_dot(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice)
{
    int64_t lanes = (int64_t)choice->tile.vectors * tf2__cl_dot_lanes(build->device->dot, build->device->vector_width);
    int64_t blocks = tf2__ceil_div(job->out_per_group, lanes);
    int64_t n_tiles = tf2__ceil_div(job->n_pixels, choice->tile.pixels);
    int64_t strip = tf2__cl_strip(
        build->plan, &choice->tile, lanes, strip_taps(build->device->dot, choice->n_taps * choice->width), n_tiles,
        job->groups * blocks);
    TF2__TRY(begin(build, job, choice, lanes));
    tf2__cl_arg_int(build, blocks);
    tf2__cl_arg_int(build, job->x_group);
    tf2__cl_arg_int(build, strip);
    tf2__cl_job_arg_bounds(build, job);
    tf2__cl_arg_int(build, can_pack(build->plan, job));
    tf2__cl_launch_size(build, tf2__ceil_div(n_tiles, strip), job->groups * blocks);
    return TF2_OK;
}

static enum tf2_status make_amx(struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice)
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
    tf2__cl_job_arg_bounds(build, job);
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

enum tf2_status tf2__cl_job_make(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice)
{
    return choice->amx ? make_amx(build, job, choice) : make_dot(build, job, choice);
}

static enum tf2_status make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__cl_job_choice *choice = step->choice;
    struct tf2__cl_job job;
    tf2__cl_job_describe(build->plan, step, &job);
    if (choice->winograd)
        return tf2__cl_winograd_int8_make(build, &job, choice->winograd);
    return tf2__cl_job_make(build, &job, choice);
}

const struct tf2__cl_row tf2__cl_row_conv_int8 = {
    .op = TF2_OP_CONV, .int8 = true, .name = "conv_int8", .fits = fits, .choose = choose, .make = make};

const struct tf2__cl_row tf2__cl_row_gemm_int8 = {
    .op = TF2_OP_GEMM, .int8 = true, .name = "gemm_int8", .choose = choose, .make = make};
