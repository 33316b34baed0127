/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ranges.c: one range and quantization for every group of tensors, and the special one for pixels.
 */
#include <math.h>

#include "transform/ir/layout.h"
#include "transform/quant/scheme.h"

#define N_FUTURE 300

/* Whether everything in the tensor comes from tensors of the same group. */
static bool is_derived(const struct tf2__scheme *s, tf2_tensor_id t)
{
    uint32_t producer = s->graph->tensors[t].producer;
    if (producer == TF2__NO_NODE || !s->on_int[producer])
        return false;
    const struct tf2__node *node = &s->graph->nodes[producer];
    if (node->op->id == TF2_OP_PAD)
        return false; /* what it adds is new */
    for (uint32_t k = 0; k < node->n_in; k++) {
        if (tf2__scheme_is_data(s->graph, node, k) && s->group[node->in[k]] != s->group[t])
            return false;
    }
    return true;
}

bool tf2__scheme_is_source(const struct tf2__scheme *s, tf2_tensor_id t)
{
    return s->as_u8[t] && !is_derived(s, t);
}

/* Every tensor gets the range of its group. */
static void spread_ranges(struct tf2__scheme *s)
{
    for (tf2_tensor_id t = 0; t < s->graph->n_tensors; t++) {
        if (!s->as_u8[t])
            continue;
        s->range[t] = s->range[s->group[t]];
        s->quant[t] = tf2__range_quant(&s->range[t]);
        s->offset[t] = NULL;
    }
}

/* An input, or one turned to channels first. */
static bool is_inner_input(const struct tf2_graph *graph, tf2_tensor_id t)
{
    const uint32_t producer = graph->tensors[t].producer;
    return graph->tensors[t].is_input ||
           (producer != TF2__NO_NODE && tf2__layout_turns_input(graph, &graph->nodes[producer]));
}

void tf2__scheme_expect(
    struct tf2__scheme *s, const struct tf2__observer *observers, double n_future, const double *factor)
{
    memset(s->range, 0, s->graph->n_tensors * sizeof(*s->range));
    for (tf2_tensor_id t = 0; t < s->graph->n_tensors; t++) {
        struct tf2__range *range = &s->range[s->group[t]];
        if (!tf2__scheme_is_source(s, t))
            continue;
        /* Inputs of a network are bounded, mostly: pixels. */
        struct tf2__range own = is_inner_input(s->graph, t)
                                    ? tf2__range_choose(&observers[t], TF2_RANGE_MINMAX, 100)
                                    : tf2__range_expect(&observers[t], n_future);
        range->low = fmin(range->low, own.low);
        range->high = fmax(range->high, own.high);
    }
    for (tf2_tensor_id t = 0; factor && t < s->graph->n_tensors; t++) {
        s->range[t].low *= factor[t];
        s->range[t].high *= factor[t];
    }
    spread_ranges(s);
}

void tf2__scheme_adopt(
    struct tf2__scheme *s, const struct tf2__scheme *from, const struct tf2__observer *observers)
{
    tf2__scheme_expect(s, observers, N_FUTURE, NULL);
    for (tf2_tensor_id t = 0; t < s->graph->n_tensors; t++) {
        if (s->as_u8[t] && s->group[t] == t && from->as_u8[t])
            s->range[t] = from->range[t];
    }
    spread_ranges(s);
}

enum tf2_status tf2__scheme_ranges(
    struct tf2__scheme *s, const struct tf2__observer *observers, enum tf2_range method, double percentile,
    struct tf2_error *error)
{
    const uint32_t n = s->graph->n_tensors;
    if (method == TF2_RANGE_AUTO) {
        tf2__scheme_expect(s, observers, N_FUTURE, NULL);
        return TF2_OK;
    }
    struct tf2__observer *joint = tf2__arena_alloc(s->arena, n, sizeof(*joint));
    if (!joint)
        return tf2__fail_memory(error, n * sizeof(*joint), "ranges");
    for (tf2_tensor_id t = 0; t < n; t++) {
        tf2_tensor_id group = s->group[t];
        if (!tf2__scheme_is_source(s, t))
            continue;
        if (!joint[group].bins)
            TF2__TRY(tf2__observer_init(&joint[group], s->arena, error));
        tf2__observer_merge(&joint[group], &observers[t]);
    }
    for (tf2_tensor_id t = 0; t < n; t++) {
        if (joint[t].bins)
            s->range[t] = tf2__range_choose(&joint[t], method, percentile);
    }
    spread_ranges(s);
    return TF2_OK;
}

bool tf2__quant_is_pixels(
    const float *values, const struct tf2_shape *shape, uint32_t channel_dim, const float *mean, float scale)
{
    const int64_t n_channels = shape->dim[channel_dim];
    int64_t n_inner = 1;
    for (uint32_t d = channel_dim + 1; d < shape->n_dims; d++)
        n_inner *= shape->dim[d];
    for (int64_t i = 0, n = tf2_shape_count(shape); i < n; i++) {
        double pixel = values[i] / (double)scale + mean[i / n_inner % n_channels];
        if (!(fabs(pixel - rint(pixel)) < 1e-3 && pixel > -0.5 && pixel < 255.5))
            return false;
    }
    return true;
}

/* Whether the integer readers are convolutions that read it as their map. */
static bool only_convolutions_read(const struct tf2__scheme *s, tf2_tensor_id input)
{
    for (uint32_t i = 0; i < s->graph->n_nodes; i++) {
        const struct tf2__node *node = &s->graph->nodes[i];
        for (uint32_t k = 0; s->on_int[i] && k < node->n_in; k++) {
            if (node->in[k] == input && (node->op->id != TF2_OP_CONV || k != 0))
                return false;
        }
    }
    return true;
}

enum tf2_status tf2__scheme_pixels(
    struct tf2__scheme *s, tf2_tensor_id input, const float *mean, float pixel_scale, struct tf2_error *error)
{
    const struct tf2_shape *shape = &s->graph->tensors[input].shape;
    bool suits =
        s->as_u8[input] && shape->n_dims >= 2 && shape->dim[1] <= 4 && only_convolutions_read(s, input);
    for (int64_t c = 0; suits && c < shape->dim[1]; c++)
        suits = mean[c] > -0.5f && mean[c] < 255.5f;
    if (!suits || !(pixel_scale >= 1e-6f && pixel_scale <= 1e6f))
        return TF2_OK;
    const size_t n_channels = (size_t)shape->dim[1];
    uint8_t *zero_point = tf2__arena_alloc(s->arena, n_channels, 1);
    float *offset = tf2__arena_alloc(s->arena, n_channels, sizeof(*offset));
    if (!zero_point || !offset)
        return tf2__fail_memory(error, n_channels * sizeof(*offset), "an input's quantization");
    bool same = true, exact = true;
    double low = 0, high = 0;
    for (size_t c = 0; c < n_channels; c++) {
        zero_point[c] = (uint8_t)rintf(mean[c]);
        offset[c] = (float)((rint((double)mean[c]) - mean[c]) * pixel_scale);
        same &= zero_point[c] == zero_point[0];
        exact &= offset[c] == 0;
        low = fmin(low, -(double)mean[c] * pixel_scale);
        high = fmax(high, (255 - (double)mean[c]) * pixel_scale);
    }
    s->quant[input] = (struct tf2__quant){
        .scale = pixel_scale,
        .zero_point = same ? zero_point[0] : 0,
        .channel_zero_point = same ? NULL : zero_point};
    s->range[input] = (struct tf2__range){low, high};
    s->offset[input] = exact ? NULL : offset;
    return TF2_OK;
}
