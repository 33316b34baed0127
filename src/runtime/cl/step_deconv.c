/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_deconv.c: transposed convolutions by the kernels of ordinary ones.
 *
 * Outputs whose positions are the same modulo the stride, a phase, are met by the same kernel positions, and the input
 * pixels that they meet lie next to each other: a phase is a convolution of stride 1 with a part of the kernel, written
 * to every stride-th pixel of the output. No product with a zero between the pixels is computed. (W. Shi et al.: Is the
 * deconvolution layer the same as a convolutional layer?, 2016.) In one dimension, for stride s, dilation e, padding p:
 *
 *     output o = j + s * i                 phase j, its pixel i
 *     residue  r = (j + p) mod s           kernel positions k with k * e = r (mod s): first, first + step, ...
 *     input      = (j + p - r) / s + i - (k * e - r) / s
 *
 * The same holds for each dimension by itself, so there are as many phases as the product of the strides.
 */
#include "runtime/cl/internal.h"

#include "transform/op/window.h"

/* Each is a launch with tables of its own. */
#define MAX_PHASES 4096

static void
resolve(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2__window_dim dims[3])
{
    uint32_t n = 0;
    /* Cannot fail: the shapes were inferred with it. */
    (void)tf2__conv_transpose_resolve(
        step->node->attr, &plan->tensors[step->in[0]].shape, &plan->tensors[step->in[1]].shape, dims, &n,
        NULL);
    for (uint32_t d = 3; d-- > 0;)
        dims[d] = d + n >= 3
                      ? dims[d + n - 3]
                      : (struct tf2__window_dim){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
}

static int64_t phases_of(const struct tf2__window_dim *dim)
{
    return TF2__MIN(dim->stride, dim->out);
}

/* INT64_MAX when that is too many to count. */
int64_t tf2__cl_phases(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__window_dim dims[3];
    int64_t n = 1;
    resolve(plan, step, dims);
    for (int d = 0; d < 3; d++) {
        if (!tf2__mul_i64(n, phases_of(&dims[d]), &n))
            return INT64_MAX;
    }
    return n;
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Dimension d of phase j. */
static void describe_dim(const struct tf2__window_dim *dim, int64_t j, int d, struct tf2__cl_phase *phase)
{
    struct tf2__cl_conv *p = &phase->conv;
    const int64_t residue = (j + dim->pad_begin) % dim->stride, base = (j + dim->pad_begin) / dim->stride;
    const int64_t step = dim->stride / greatest_divisor(dim->stride, dim->dilation);
    int64_t first = 0;
    while (first < TF2__MIN(step, dim->kernel) && first * dim->dilation % dim->stride != residue)
        first++;
    const bool any = first < TF2__MIN(step, dim->kernel);
    phase->kernel[d].first = first;
    phase->kernel[d].step = step;
    phase->kernel[d].n = any ? (dim->kernel - 1 - first) / step + 1 : 0;
    p->window[d].kernel = any ? phase->kernel[d].n : 1;
    p->window[d].stride = 1;
    p->window[d].dilation = -(step * dim->dilation / dim->stride);
    p->window[d].pad_begin = (any ? (first * dim->dilation - residue) / dim->stride : 0) - base;
    p->y.dim[d] = (dim->out - j - 1) / dim->stride + 1;
    p->y_at += j * p->y.stride[d];
    p->y.stride[d] *= dim->stride;
}

void tf2__cl_phase_describe(
    const struct tf2__plan *plan, const struct tf2__step *step, int64_t number, struct tf2__cl_phase *phase)
{
    const struct tf2_conv_transpose_attr *attr = step->node->attr;
    struct tf2__cl_conv *p = &phase->conv;
    struct tf2__window_dim dims[3];
    memset(phase, 0, sizeof(*phase));
    resolve(plan, step, dims);
    tf2__cl_map_of(plan, step->in[0], &p->x);
    tf2__cl_map_of(plan, step->out, &p->y);
    for (int d = 3; d-- > 0;) {
        describe_dim(&dims[d], number % phases_of(&dims[d]), d, phase);
        number /= phases_of(&dims[d]);
    }
    p->room = plan->tensors[step->out].room;
    p->groups = attr->group ? attr->group : 1;
    p->in_per_group = p->x.c / p->groups;
    p->out_per_group = p->y.c / p->groups;
    p->n_pixels = p->y.n * p->y.dim[0] * p->y.dim[1] * p->y.dim[2];
    p->n_taps = p->in_per_group * p->window[0].kernel * p->window[1].kernel * p->window[2].kernel;
}

void *tf2__cl_phase_weights(
    const struct tf2__plan *plan, const struct tf2__step *step, const struct tf2__cl_phase *phase,
    const struct tf2_env *env)
{
    const struct tf2__plan_tensor *weights = &plan->tensors[step->in[1]];
    const size_t element_bytes = tf2_dtype_size_bytes(weights->dtype);
    const uint32_t n_dims = weights->shape.n_dims;
    const int64_t n_rows = weights->shape.dim[0] * weights->shape.dim[1];
    const int64_t extent[3] = {
        n_dims > 4 ? weights->shape.dim[2] : 1, n_dims > 3 ? weights->shape.dim[n_dims - 2] : 1,
        weights->shape.dim[n_dims - 1]};
    const int64_t row = extent[0] * extent[1] * extent[2];
    const unsigned char *from = weights->data;
    const int64_t n = phase->kernel[0].n * phase->kernel[1].n * phase->kernel[2].n;
    const int64_t n_taps =
        phase->conv.n_taps / phase->conv.in_per_group; /* n, or, without any, some of weight 0 */
    unsigned char *data = tf2__calloc(env, (size_t)(n_rows * n_taps), element_bytes), *to = data;
    for (int64_t r = 0; r < n_rows && n && data; r++, from += (size_t)row * element_bytes) {
        for (int64_t i = 0; i < n; i++, to += element_bytes) {
            const int64_t w = i % phase->kernel[2].n, h = i / phase->kernel[2].n % phase->kernel[1].n;
            const int64_t d = i / phase->kernel[2].n / phase->kernel[1].n;
            const int64_t kd = phase->kernel[0].first + d * phase->kernel[0].step;
            const int64_t kh = phase->kernel[1].first + h * phase->kernel[1].step;
            const int64_t kw = phase->kernel[2].first + w * phase->kernel[2].step;
            memcpy(
                to, from + (size_t)((kd * extent[1] + kh) * extent[2] + kw) * element_bytes, element_bytes);
        }
    }
    return data;
}

static bool depthwise_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    struct tf2__cl_phase phase;
    tf2__cl_phase_describe(plan, step, 0, &phase);
    return tf2__cl_is_depthwise(&phase.conv);
}

enum tf2_status
tf2__cl_phases_check(const struct tf2__plan *plan, const struct tf2__step *step, struct tf2_error *error)
{
    const int64_t n = tf2__cl_phases(plan, step);
    if (n > MAX_PHASES)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "%s: strides whose product is above %d, the most that OpenCL devices take", step->name,
            MAX_PHASES);
    return TF2_OK;
}

static enum tf2_status depthwise_choose(
    struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    (void)device;
    return tf2__cl_phases_check(plan, step, error);
}

static enum tf2_status
choose(struct tf2__cl_device *device, struct tf2__plan *plan, struct tf2__step *step, struct tf2_error *error)
{
    TF2__TRY(tf2__cl_phases_check(plan, step, error));
    const int64_t n = tf2__cl_phases(plan, step);
    struct tf2__cl_conv_choice *choices = tf2__arena_alloc(&plan->arena, (size_t)n, sizeof(*choices));
    if (!choices)
        return tf2__fail_memory(error, (size_t)n * sizeof(*choices), "kernel choices");
    for (int64_t i = 0; i < n; i++) {
        struct tf2__cl_phase phase;
        tf2__cl_phase_describe(plan, step, i, &phase);
        tf2__cl_conv_choose(device, &phase.conv, &choices[i]);
    }
    step->choice = choices;
    step->kernel = choices[0].kernel;
    return TF2_OK;
}

static enum tf2_status make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__cl_conv_choice *choices = step->choice;
    const struct tf2_env *env = &build->device->base.env;
    enum tf2_status status = TF2_OK;
    for (int64_t i = 0; i < tf2__cl_phases(build->plan, step) && status == TF2_OK; i++) {
        struct tf2__cl_phase phase;
        tf2__cl_phase_describe(build->plan, step, i, &phase);
        float *weights = tf2__cl_phase_weights(build->plan, step, &phase, env);
        if (!weights)
            return tf2__fail_memory(
                build->error, (size_t)phase.conv.n_taps * sizeof(*weights), "weights of a phase");
        status = choices ? tf2__cl_conv_launch(build, step, &phase.conv, &choices[i], weights)
                         : tf2__cl_depthwise_launch(build, step, &phase.conv, weights);
        tf2__free(env, weights);
    }
    return status;
}

const struct tf2__cl_row tf2__cl_row_deconv_depthwise = {
    .op = TF2_OP_CONV_TRANSPOSE,
    .name = "deconv_depthwise",
    .fits = depthwise_fits,
    .choose = depthwise_choose,
    .make = make};

const struct tf2__cl_row tf2__cl_row_deconv = {
    .op = TF2_OP_CONV_TRANSPOSE, .name = "deconv", .choose = choose, .make = make};
