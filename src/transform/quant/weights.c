/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weights.c: weights to integers -127 .. 127 with one scale per output, and biases.
 *
 * The scale is searched between 0.6 and 1 of what the largest weight needs: cutting off one large weight can make all
 * others finer. The error of a weight counts by the mean square of what it is multiplied with, which is its effect on
 * the output when inputs are independent.
 */
#include <math.h>

#include "transform/quant/round.h"
#include "transform/quant/scheme.h"

#define LEVELS       127
#define N_CANDIDATES 21
#define LAST_FACTOR  0.6
#define MIN_SCALE    1e-18
#define MAX_BIAS     1073741824.0 /* steps; the sum of products has as much again */

static double row_error(const float *w, const double *importance, int64_t n, double scale)
{
    const double inverse = 1 / scale;
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
        double e = w[k] - scale * tf2__nearest(tf2__clamp(w[k] * inverse, -LEVELS, LEVELS));
        sum += e * e * (importance ? importance[k] : 1);
    }
    return sum;
}

/* As a float, because the scale is kept as one. */
static double search_scale(const float *w, const double *importance, int64_t n, double min_scale)
{
    double max = 0, best_error = INFINITY, best = 0;
    for (int64_t k = 0; k < n; k++)
        max = fmax(max, fabs((double)w[k]));
    for (int i = 0; i < N_CANDIDATES; i++) {
        double factor = 1 - (1 - LAST_FACTOR) * i / (N_CANDIDATES - 1);
        double scale = (float)fmax(factor * max / LEVELS, min_scale);
        double error = row_error(w, importance, n, scale);
        if (error < best_error) {
            best_error = error;
            best = scale;
        }
    }
    return fmin(best, 1e30);
}

void tf2__weights_round(
    const float *weights, const struct tf2__weights_extents *e, const double *importance,
    const double *min_scale, struct tf2__int_weights *result)
{
    for (int64_t o = 0; o < e->n_out; o++) {
        const int64_t group = o / (e->n_out / e->n_groups);
        const float *w = weights + o * e->n_k;
        const double scale = search_scale(
            w, importance ? importance + group * e->n_k : NULL, e->n_k,
            fmax(min_scale ? min_scale[o] : 0, MIN_SCALE));
        result->scale[o] = (float)scale;
        for (int64_t k = 0; k < e->n_k; k++)
            result->q[o * e->n_k + k] = (int8_t)tf2__nearest(tf2__clamp(w[k] / scale, -LEVELS, LEVELS));
    }
}

/* The channel of the input that column k of a group is multiplied with. */
static int64_t input_channel(const struct tf2__weights_extents *e, int64_t group, int64_t k)
{
    return group * e->n_in + k / e->n_taps;
}

/* What the offset of the input's u8 form adds to every output. At borders it counts where padding is, too. */
static void add_offset(
    const struct tf2__weights_extents *e, const float *w, const float *offset,
    struct tf2__int_weights *result)
{
    for (int64_t o = 0; o < e->n_out; o++) {
        for (int64_t k = 0; k < e->n_k; k++)
            result->bias[o] +=
                (double)w[o * e->n_k + k] * offset[input_channel(e, o / (e->n_out / e->n_groups), k)];
    }
}

/* Mean squares of the inputs in the order of the columns; NULL (and no failure) when channels cannot be told. */
static enum tf2_status find_importance(
    const struct tf2__scheme *s, const struct tf2__node *node, const struct tf2__weights_extents *e,
    const struct tf2__channel_stats *stats, double **importance, struct tf2_error *error)
{
    *importance = NULL;
    if (!stats || e->n_in == 0 || stats[node->in[0]].n == 0)
        return TF2_OK;
    const struct tf2__channel_stats *in = &stats[node->in[0]];
    if (in->n_channels != e->n_in * e->n_groups)
        return TF2_OK;
    double *values = tf2__arena_alloc(s->arena, (size_t)(e->n_groups * e->n_k), sizeof(*values)), sum = 0;
    if (!values)
        return tf2__fail_memory(
            error, (size_t)(e->n_groups * e->n_k) * sizeof(*values), "importance of weights");
    for (int64_t c = 0; c < in->n_channels; c++)
        sum += in->sum_squares[c] / (double)in->n;
    /* A floor, so that a channel that was silent during calibration does not lose its weights. */
    const double floor_value = fmax(sum / (double)in->n_channels * 1e-3, 1e-60);
    for (int64_t g = 0; g < e->n_groups; g++) {
        for (int64_t k = 0; k < e->n_k; k++)
            values[g * e->n_k + k] = in->sum_squares[input_channel(e, g, k)] / (double)in->n + floor_value;
    }
    *importance = values;
    return TF2_OK;
}

static enum tf2_status alloc_weights(
    const struct tf2__scheme *s, const struct tf2__weights_extents *e, struct tf2__int_weights *w,
    struct tf2_error *error)
{
    if (w->q)
        return TF2_OK;
    w->q = tf2__arena_alloc(s->arena, (size_t)(e->n_out * e->n_k), 1);
    w->scale = tf2__arena_alloc(s->arena, (size_t)e->n_out, sizeof(*w->scale));
    w->bias = tf2__arena_alloc(s->arena, (size_t)e->n_out, sizeof(*w->bias));
    if (!w->q || !w->scale || !w->bias)
        return tf2__fail_memory(error, (size_t)(e->n_out * e->n_k), "integer weights");
    return TF2_OK;
}

static enum tf2_status round_node(
    struct tf2__scheme *s, uint32_t index, const struct tf2__channel_stats *stats, struct tf2_error *error)
{
    const struct tf2__node *node = &s->graph->nodes[index];
    const struct tf2__weights_extents e = tf2__scheme_extents(s->graph, node);
    const float *w = tf2__graph_constant_f32(s->graph, node->in[1]);
    const float *bias = node->n_in > 2 ? tf2__graph_constant_f32(s->graph, node->in[2]) : NULL;
    struct tf2__int_weights *result = &s->weights[index];
    double *importance, *min_scale;
    TF2__TRY(alloc_weights(s, &e, result, error));
    TF2__TRY(find_importance(s, node, &e, stats, &importance, error));
    min_scale = tf2__arena_alloc(s->arena, (size_t)e.n_out, sizeof(*min_scale));
    if (!min_scale)
        return tf2__fail_memory(error, (size_t)e.n_out * sizeof(*min_scale), "scales of weights");
    for (int64_t o = 0; o < e.n_out; o++)
        result->bias[o] = bias ? bias[o] : 0;
    if (s->offset[node->in[0]])
        add_offset(&e, w, s->offset[node->in[0]], result);
    /* The bias is kept in steps of the sums: with tiny weights the steps must not be too many. Twice, for corrections. */
    for (int64_t o = 0; o < e.n_out; o++)
        min_scale[o] = 2 * fabs(result->bias[o]) / (MAX_BIAS * s->quant[node->in[0]].scale);
    tf2__weights_round(w, &e, importance, min_scale, result);
    return TF2_OK;
}

enum tf2_status tf2__scheme_weights(
    struct tf2__scheme *scheme, const struct tf2__channel_stats *stats, struct tf2_error *error)
{
    for (uint32_t i = 0; i < scheme->graph->n_nodes; i++) {
        if (scheme->on_int[i] && tf2__scheme_has_weights(&scheme->graph->nodes[i]))
            TF2__TRY(round_node(scheme, i, stats, error));
    }
    return TF2_OK;
}
