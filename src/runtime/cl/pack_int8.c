/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack_int8.c: weights, biases and factors of integer convolutions in the order in which the kernels read them.
 */
#include "runtime/cl/job_int8.h"

/* Where channel o of a block of 32 lies in its pair of tiles, and back. */
static int64_t pair_position(int64_t o)
{
    return o % 8 / 4 * 16 + o / 8 * 4 + o % 4;
}

static int64_t pair_channel(int64_t position)
{
    return position % 16 / 4 * 8 + position / 16 * 4 + position % 4;
}

/* The sum of zero points times weights of an output channel, which goes into its bias. */
static uint32_t zero_point_sum(
    const struct tf2__cl_job *job, const struct tf2__quant *x, const int8_t *weights, int64_t group)
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

enum tf2_status tf2__cl_job_channels(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, int64_t lanes, bool pairs, uint32_t *bias,
    uint32_t *scale)
{
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const struct tf2__step *step = job->step;
    const struct tf2__plan_tensor *x = &tensors[step->in[0]], *w = &tensors[step->in[1]],
                                  *y = &tensors[step->out];
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
static int64_t place_dot(int64_t place, int64_t o, int64_t lanes, int64_t n_taps)
{
    int64_t block = o / lanes, tap = place / 4;
    return ((block * n_taps + tap) * lanes + o % lanes) * 4 + place % 4;
}

/* Blocks of 32 channels; the last one has 16 when that is enough. */
static int64_t place_amx(int64_t place, int64_t o, int64_t padded, int64_t n_taps, bool pairs)
{
    int64_t block = o / 32, tap = place / 64, byte = place % 64;
    int64_t n = TF2__MIN((padded - block * 32) / 16, 2), at = pairs ? pair_position(o % 32) : o % 32;
    return block * 32 * n_taps * 64 + (tap * n + at / 16) * 1024 + byte / 4 * 64 + at % 16 * 4 + byte % 4;
}

enum tf2_status tf2__cl_job_pack(
    struct tf2__cl_build *build, const struct tf2__cl_job *job, const struct tf2__cl_job_choice *choice,
    int64_t lanes, uint32_t *buffer)
{
    const int8_t *weights = job->weights;
    const struct tf2__cl_taps *taps = &choice->taps;
    const int64_t padded = tf2__round_up(job->out_per_group, lanes);
    const int64_t group_bytes = padded * choice->n_taps * (choice->amx ? 64 : 4);
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, tf2__ceil_div(job->groups * group_bytes, 4), buffer, &data));
    memset(data, 0, (size_t)(job->groups * group_bytes));
    for (int64_t g = 0; g < job->groups; g++) {
        int8_t *to = (int8_t *)data + g * group_bytes;
        for (int64_t o = 0; o < job->out_per_group; o++, weights += job->n_inputs) {
            for (int64_t k = 0; k < job->n_inputs; k++) {
                int64_t at = choice->amx ? place_amx(taps->place[k], o, padded, choice->n_taps, choice->pairs)
                                         : place_dot(taps->place[k], o, lanes, choice->n_taps);
                to[at] = weights[k];
            }
        }
    }
    return tf2__cl_buffer_unmap(build, *buffer, data);
}
