/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheme.h: what has been decided on quantizing a graph, and the steps that decide and carry it out.
 *
 *     model's graph ─ prepare ─▶ prepared graph ─ equalize ─▶ the same function, other weights
 *     ─ assign ─▶ scheme ─ ranges, weights ─▶ rewrite ─▶ int8 graph
 *
 * Nothing here runs a network: src/api/quantize*.c does, and brings the statistics.
 */
#ifndef TF2__QUANT_SCHEME_H
#define TF2__QUANT_SCHEME_H

#include "transform/pass/rewrite.h"
#include "transform/quant/observe.h"

/*
 * A copy of a float graph with the activations that integer nodes cannot apply split off: node "x" is "x.linear" and
 * the activation is "x". Its constants lie in the graph it was made from.
 */
struct tf2__prepared {
    struct tf2_graph *graph;
    const char **origin; /* per node: the name of the node that it was in the original */
};

enum tf2_status
tf2__quant_prepare(const struct tf2_graph *from, struct tf2__prepared *prepared, struct tf2_error *error);

/* Weights of a convolution or GEMM as integers. */
struct tf2__int_weights {
    int8_t *q;    /* [n_out, n_k] */
    float *scale; /* [n_out] */
    double *bias; /* [n_out], real numbers: the layer's own, what the input's offset adds, corrections */
};

/* Extents of a convolution's or GEMM's weights as a matrix. */
struct tf2__weights_extents {
    int64_t n_out, n_k;
    int64_t n_groups;
    int64_t n_in;   /* input channels per group (GEMM: those of the input's channel dimension, or 0: none) */
    int64_t n_taps; /* n_k / n_in */
};

/*
 * Tensors have a float form, an integer form, or both (a network input read by both kinds of nodes; a QUANTIZE or
 * DEQUANTIZE node makes one from the other).
 */
struct tf2__scheme {
    struct tf2__arena *arena;
    const struct tf2_graph *graph; /* prepared */
    bool *on_int;                  /* per node: computes on integers */
    bool *as_u8, *as_f32;          /* per tensor: the forms that exist */
    tf2_tensor_id *group;          /* per tensor: tensors with the same value here share one quantization */
    struct tf2__range *range;      /* per tensor, where as_u8 */
    struct tf2__quant *quant;      /* per tensor, where as_u8 */
    const float *
        *offset; /* per tensor: NULL, or per channel what the u8 form lacks: real = u8 form + offset */
    struct tf2__int_weights *weights; /* per node, where on_int and it has weights */
};

/* All arrays in the arena; the graph must outlive the scheme. */
enum tf2_status tf2__scheme_init(
    struct tf2__scheme *scheme, const struct tf2_graph *graph, struct tf2__arena *arena,
    struct tf2_error *error);

/* Whether input k of the node is data: neither left out nor a constant. */
bool tf2__scheme_is_data(const struct tf2_graph *graph, const struct tf2__node *node, uint32_t k);
/* Whether the node has weights (CONV, GEMM). */
bool tf2__scheme_has_weights(const struct tf2__node *node);
struct tf2__weights_extents tf2__scheme_extents(const struct tf2_graph *graph, const struct tf2__node *node);
/* The dimension of the node's output that its biases belong to. */
uint32_t tf2__scheme_bias_dim(const struct tf2_graph *graph, const struct tf2__node *node);

/*
 * Decides which nodes compute on integers and which forms tensors have, and joins tensors into groups.
 * forced_float[n_nodes]: nodes that must stay float (NULL: none).
 */
enum tf2_status
tf2__scheme_assign(struct tf2__scheme *scheme, const bool *forced_float, struct tf2_error *error);

/*
 * Chooses range and quantization of every u8 tensor. observers: per tensor. AUTO: what one in N_FUTURE samples will
 * reach, when each sample is cut off where its own squared error is least (the graph's inputs: what was seen).
 */
enum tf2_status tf2__scheme_ranges(
    struct tf2__scheme *scheme, const struct tf2__observer *observers, enum tf2_range method,
    double percentile, struct tf2_error *error);
/* The same for the range that n_future samples reach, times factor[group] (NULL: 1). */
void tf2__scheme_expect(
    struct tf2__scheme *scheme, const struct tf2__observer *observers, double n_future, const double *factor);
/* The ranges of a scheme with more integer nodes, of the same graph; expected ones where that has none. */
void tf2__scheme_adopt(
    struct tf2__scheme *scheme, const struct tf2__scheme *from, const struct tf2__observer *observers);
/* Whether the tensor's values are made here: not merely moved from other tensors of its group. Only of u8 tensors. */
bool tf2__scheme_is_source(const struct tf2__scheme *scheme, tf2_tensor_id t);

/*
 * An inner input (tf2__layout_inner_input) whose values are (pixel - mean[c]) * scale is quantized so that the u8 numbers are the pixels, when only
 * convolutions read it as integers. Its readers' biases have to take the offset in: see tf2__scheme_weights.
 */
enum tf2_status tf2__scheme_pixels(
    struct tf2__scheme *scheme, tf2_tensor_id input, const float *mean, float pixel_scale,
    struct tf2_error *error);
/* Whether all values are (pixel - mean[c]) * scale for 8-bit pixels. */
bool tf2__quant_is_pixels(
    const float *values, const struct tf2_shape *shape, uint32_t channel_dim, const float *mean, float scale);

/*
 * Rounds the weights of every integer node to nearest, with the scale of least error, and sets the biases. stats: per
 * tensor, or NULL: weights' errors count by the mean square of the input that they are multiplied with.
 */
enum tf2_status tf2__scheme_weights(
    struct tf2__scheme *scheme, const struct tf2__channel_stats *stats, struct tf2_error *error);

/* Rounds one matrix. importance: NULL, or [n_groups, n_k]. min_scale: NULL, or per output. */
void tf2__weights_round(
    const float *weights, const struct tf2__weights_extents *extents, const double *importance,
    const double *min_scale, struct tf2__int_weights *result);

/* The table of an element-wise node (see tf2__scheme_tables) for one channel. */
void tf2__scheme_table(
    const struct tf2_graph *graph, const struct tf2__node *node, int64_t channel, const struct tf2__quant *in,
    const struct tf2__quant *out, uint8_t table[256]);
/* How many tables the node needs: 1, or one per channel; 0 when it is no element-wise function of one input. */
int64_t tf2__scheme_tables(const struct tf2_graph *graph, const struct tf2__node *node);

/*
 * A name "base.suffix" for something new in `to`, numbered where needed: free there, and no tensor's of `from`, which
 * may still have to be copied. constants: whether those of `from` count, too.
 */
void tf2__quant_name(
    const struct tf2_graph *from, const struct tf2_graph *to, bool constants, const char *base,
    const char *suffix, char name[TF2__REWRITE_NAME_BYTES]);

/* Makes the int8 graph. The constants are copied. On success *result is the caller's. */
enum tf2_status
tf2__quant_rewrite(const struct tf2__scheme *scheme, struct tf2_graph **result, struct tf2_error *error);

/*
 * A graph of one node without its activation; its inputs are the distinct data inputs in order (without
 * any: one number that is not used). weights: NULL, or
 * integers to take instead of the node's own weights and bias. Constants are not copied unless they are made here.
 */
enum tf2_status tf2__quant_isolate(
    const struct tf2_graph *graph, const struct tf2__node *node, const struct tf2__int_weights *weights,
    struct tf2_graph **result, struct tf2_error *error);

/*
 * The float graph with one more input per chosen node, in order of nodes: an error that is added to the node's result.
 * outputs: tensors of `from` to be the outputs (those that were named before are left out); none is a constant.
 */
enum tf2_status tf2__quant_perturb(
    const struct tf2_graph *from, const bool *chosen, const tf2_tensor_id *outputs, uint32_t n_outputs,
    struct tf2_graph **result, struct tf2_error *error);

/*
 * Scales channels so that those that share a quantization have more equal ranges, without changing what the graph
 * computes. scheme: assigned, of this graph; stats: per tensor. *n_scaled: channels changed.
 */
enum tf2_status tf2__quant_equalize(
    struct tf2_graph *graph, const struct tf2__scheme *scheme, const struct tf2__channel_stats *stats,
    size_t *n_scaled, struct tf2_error *error);

#endif
