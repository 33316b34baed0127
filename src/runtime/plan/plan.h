/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h: a model made ready for one device: the list of steps and where every tensor lies.
 *
 *     graph + shapes ──▶ steps (nodes, relayout copies) ──▶ aliases and strides ──▶ kernels (device) ──▶ arena
 *
 * A tensor is a strided view into the arena. Its root is the tensor that owns memory; a concat's inputs, a
 * slice or a reshape are views into another tensor's root and cost nothing. A root may have a halo: a border
 * of zeros (u8: of zero points) as wide as its consumers' padding, so that convolutions need no bounds tests:
 *
 * A pixel of a channels-last root may be padded to whole vectors (`room`), so that kernels store without
 * tails.
 *
 *     root, H x W with halo 1          0 0 0 0 0 0
 *     (channels innermost)             0 x x x x 0     offset: where index 0, 0, ... lies
 *                                      0 x x x x 0
 *                                      0 0 0 0 0 0
 *
 * Frozen once made: sessions share it.
 */
#ifndef TF2__PLAN_H
#define TF2__PLAN_H

#include <tf2/model.h>

#include "common/arena.h"
#include "transform/ir/graph.h"

/* What the planner has to know of a device. */
struct tf2__layout_policy {
    bool channels_last; /* feature maps as N, spatial..., C; else dense row-major */
    bool halo;          /* convolutions read padding from memory */
    /* Channels-last pixels are padded to a multiple of this many elements where it pays; 1: never. */
    uint32_t lanes;       /* float32 */
    uint32_t lanes_u8;    /* u8 */
    uint32_t slack_bytes; /* what a kernel may read (never write) before and behind a tensor */
};

struct tf2__plan_tensor {
    const char *name;
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    struct tf2__quant quant;
    const void
        *data; /* constants, the graph's or the plan's: dense, row-major; they have no place in the arena */
    uint32_t root;    /* the tensor whose memory this one lies in; itself for roots */
    bool laid_out;    /* strides and offset are set */
    bool dense;       /* has to be dense row-major: what the caller reads and writes */
    bool planar;      /* few channels, read by convolutions only: row-major with halo */
    bool reversed;    /* channels lie in memory last to first: RGB pixels of a network that wants BGR */
    int64_t stride[TF2_MAX_DIMS];
    int64_t room;   /* lanes behind a pixel's last channel that nobody reads: writing them is allowed */
    int64_t offset; /* elements from the root's first element (halo included) to index 0, 0, ... */

    /* Roots only. */
    int64_t halo_begin[TF2_MAX_DIMS];
    int64_t halo_end[TF2_MAX_DIMS];
    int64_t n_elements; /* halo included */
    bool has_halo;
    int32_t first_step; /* lifetime: written first, read last; -1 before the run, n_steps after it */
    int32_t last_step;
    int64_t arena_bytes; /* where it lies in the arena: the first byte, halo included */
};

enum tf2__step_kind {
    TF2__STEP_NODE = 0, /* run the node's operator */
    TF2__STEP_COPY = 1, /* out = in[0], of the same shape, or both dense in logical order (reshape); rescaled where
                           the quantizations differ */
    TF2__STEP_FILL = 2, /* zero the halo of the root of `out` (u8: fill it with the zero point) */
    TF2__STEP_PIXELS = 3, /* out (float32) = (in[0] (u8) - mean) * scale, see the plan's preprocess */
};

struct tf2__step {
    enum tf2__step_kind kind;
    const struct tf2__node *node; /* NODE: what to compute; COPY: the node it stands for, or NULL */
    const char *name;
    uint32_t n_in;
    uint32_t *in; /* plan tensors; TF2_NO_TENSOR: left out */
    uint32_t out;
    int64_t macs;

    /* Set by the device's choose(). */
    const char *kernel;       /* for reports */
    int64_t scratch_bytes; /* memory of its own during this step */
    int64_t scratch_at;    /* where it was placed: its first byte in the arena */
    const void *choice;       /* the device's own notes, in the plan's arena */
};

struct tf2__plan {
    struct tf2__arena arena; /* owns everything here */
    const struct tf2_graph *graph;
    struct tf2__layout_policy policy;
    bool pixels; /* inputs are u8 [N, H, W, C] */
    struct tf2_preprocess preprocess;
    uint32_t n_parts;           /* devices that share every step */
    size_t weight_budget_bytes; /* what packed weights may take on each of them; 0: no limit */
    tf2_tensor_id *inner_inputs;      /* per graph input: tf2__layout_inner_input */
    uint32_t *pixel_view;             /* per graph input: its pixels [N, C, H, W], in the network's order of channels */
    struct tf2__plan_tensor *tensors; /* the graph's, then dense stand-ins for inputs and outputs */
    uint32_t n_tensors, cap_tensors;
    struct tf2__step *steps;
    uint32_t n_steps, cap_steps;
    uint32_t *inputs;    /* per graph input: the dense tensor the caller's data goes to */
    uint32_t *outputs;   /* per graph output: the dense tensor it is read from, or a constant */
    uint32_t *fill_once; /* roots whose halo no other tensor touches: zeroed once per session */
    uint32_t n_fill_once;
    int64_t arena_bytes; /* for a run, slack included */
    int64_t live_bytes;  /* the lower bound: the most that is alive at one step */
    int64_t macs;
};

struct tf2__device;

struct tf2__plan_options {
    const struct tf2_shape *input_shapes; /* per graph input */
    const struct tf2_preprocess *pixels;  /* how 8-bit pixels become inputs, see tf2_session_options; NULL: inputs are
                                             what the graph says */
    uint32_t n_parts;                     /* devices that will share every step; 0: 1 */
    size_t weight_budget_bytes;           /* what packed weights may take on each of them; 0: no limit */
};

/*
 * Plans `graph` for `device`. The graph must outlive the plan. Calls the device's choose() on every step, then places
 * everything.
 */
enum tf2_status tf2__plan_create(
    const struct tf2_graph *graph, const struct tf2__plan_options *options, struct tf2__device *device,
    struct tf2__plan **plan, struct tf2_error *error);
void tf2__plan_destroy(struct tf2__plan **plan);
/* Whether two plans are the same to the last offset, made by devices that choose alike. */
bool tf2__plan_equal(const struct tf2__plan *a, const struct tf2__plan *b);

/* What the caller gives and gets; the name lies in the graph. */
void tf2__plan_input_info(const struct tf2__plan *plan, uint32_t index, struct tf2_tensor_info *info);
void tf2__plan_output_info(const struct tf2__plan *plan, uint32_t index, struct tf2_tensor_info *info);

/* Elements of the tensor's type from the arena's start to its index 0, 0, ... */
int64_t tf2__plan_offset(const struct tf2__plan *plan, uint32_t tensor);

/* --- between the planner's files --- */

/* pixels.c: inputs that are pixels: the tensors for graph input i, and what the nodes that read it become. */
enum tf2_status tf2__plan_pixels(struct tf2__plan *plan, uint32_t input, struct tf2_error *error);
/* The pixels behind an inner input; TF2_NO_TENSOR: the tensor is none. */
uint32_t tf2__plan_find_pixels(const struct tf2__plan *plan, tf2_tensor_id tensor);
/* Whether something reads an inner input as float32. */
bool tf2__plan_needs_float(const struct tf2__plan *plan, tf2_tensor_id tensor);
/* Whether a COPY step copies bytes as they are, without rescaling: pixels that are quantized values. */
static inline bool tf2__plan_copies_pixels(const struct tf2__step *step)
{
    return step->kind == TF2__STEP_COPY && step->node && step->node->op->id == TF2_OP_QUANTIZE;
}
/* The pixels that a QUANTIZE node would make of a graph input, when they are the quantized values already; else
 * TF2_NO_TENSOR. */
uint32_t tf2__plan_exact_pixels(const struct tf2__plan *plan, const struct tf2__node *node);
/* layout.c: decides views and strides of all tensors and drops the steps that became views. */
enum tf2_status tf2__plan_layout(struct tf2__plan *plan, struct tf2_error *error);
/* place.c: lifetimes, halo fills, offsets in the arena. */
enum tf2_status tf2__plan_place(struct tf2__plan *plan, struct tf2_error *error);
/* Appends a step; NULL when out of memory. `in` is copied. */
struct tf2__step *tf2__plan_add_step(
    struct tf2__plan *plan, enum tf2__step_kind kind, const char *name, const uint32_t *in, uint32_t n_in,
    uint32_t out);

#endif
