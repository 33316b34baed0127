/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_deconv_int8.c: transposed convolutions of u8 by s8: a convolution for each phase of the output, see step_deconv.c.
 */
#include "runtime/cl/conv_int8.h"

static bool is_depthwise(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_phase phase;
    tf2__cl_phase_describe(plan, step, 0, &phase);
    return tf2__cl_is_depthwise(&phase.conv);
}

static enum tf2_status choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    TF2__TRY(tf2__cl_phases_check(plan, step, error));
    if (is_depthwise(plan, step))
        return TF2_OK;
    const int64_t n = tf2__cl_phases(plan, step);
    struct tf2__cl_job_choice *choices = tf2__arena_alloc(&plan->arena, (size_t)n, sizeof(*choices));
    if (!choices)
        return tf2__fail_memory(error, (size_t)n * sizeof(*choices), "kernel choices");
    for (int64_t i = 0; i < n; i++) {
        struct tf2__cl_phase phase;
        struct tf2__cl_job job;
        tf2__cl_phase_describe(plan, step, i, &phase);
        tf2__cl_job_of_windows(step, &phase.conv, &job);
        TF2__TRY(tf2__cl_job_choose(device, plan, &job, &choices[i], error));
        step->scratch_bytes = TF2__MAX(step->scratch_bytes, choices[i].scratch_bytes);
    }
    step->choice = choices;
    step->kernel = choices[0].kernel;
    return TF2_OK;
}

static enum tf2_status make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_env *env = &build->device->base.env;
    const struct tf2__cl_job_choice *choices = step->choice;
    enum tf2_status status = TF2_OK;
    for (int64_t i = 0; i < tf2__cl_phases(build->plan, step) && status == TF2_OK; i++) {
        struct tf2__cl_phase phase;
        struct tf2__cl_job job;
        tf2__cl_phase_describe(build->plan, step, i, &phase);
        tf2__cl_job_of_windows(step, &phase.conv, &job);
        int8_t *weights = tf2__cl_phase_weights(build->plan, step, &phase, env);
        if (!weights)
            return tf2__fail_memory(build->error, (size_t)job.n_inputs, "weights of a phase");
        job.weights = weights;
        status = choices ? tf2__cl_job_make(build, &job, &choices[i]) : tf2__cl_job_make_depthwise(build, &job);
        tf2__free(env, weights);
    }
    return status;
}

const struct tf2__cl_row tf2__cl_row_deconv_depthwise_int8 = {
    .op = TF2_OP_CONV_TRANSPOSE,
    .int8 = true,
    .name = "deconv_depthwise_int8",
    .fits = is_depthwise,
    .choose = choose,
    .make = make};

const struct tf2__cl_row tf2__cl_row_deconv_int8 = {
    .op = TF2_OP_CONV_TRANSPOSE, .int8 = true, .name = "deconv_int8", .choose = choose, .make = make};
