/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.h: what the library knows of an operator. One const struct per operator, each in a file of its own under
 * src/transform/op; tf2__op_find gives them by number.
 *
 * All functions are pure: they may be called from any thread, allocate nothing and keep nothing.
 */
#ifndef TF2__IR_OP_H
#define TF2__IR_OP_H

#include <tf2/op.h>

#include "common/base.h"
#include "transform/ir/quant.h"

/*
 * A tensor in memory: any layout that strides can say. Strides are in elements, one per dimension, and may be 0
 * (broadcast) or negative.
 */
struct tf2__view {
    void *data; /* the element at index 0, 0, ...; NULL: an optional input that is left out */
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    int64_t stride[TF2_MAX_DIMS];
    struct tf2__quant quant; /* dtype U8, S8; else all zero */
};

/* What a tensor is. */
struct tf2__type {
    enum tf2_dtype dtype;
    struct tf2_shape shape;
    struct tf2__quant quant;
    const void *data; /* a constant's elements, dense; else NULL */
};

/* Makes a view of dense row-major data. */
static inline void
tf2__view_dense(struct tf2__view *view, const void *data, enum tf2_dtype dtype, const struct tf2_shape *shape)
{
    int64_t stride = 1;
    view->data = (void *)(uintptr_t)data;
    view->dtype = dtype;
    view->shape = *shape;
    view->quant = (struct tf2__quant){0};
    for (uint32_t d = shape->n_dims; d-- > 0;) {
        view->stride[d] = stride;
        stride *= shape->dim[d];
    }
}

struct tf2__op {
    enum tf2_op id;
    const char *name;
    size_t attr_bytes;
    uint32_t min_inputs;
    uint32_t max_inputs;
    uint32_t constant_inputs; /* bit i: input i has to be a constant */
    uint32_t int8_inputs;     /* bit i: only the integer form has input i */
    bool reads_shapes_only;   /* the result depends on nothing but attributes and the inputs' shapes; eval does not look
                                 at their data, which may be NULL */

    /*
     * Checks attributes and input shapes (in[i] is NULL for an input that is left out) and infers the output's
     * shape. Fails with TF2_ERR_SHAPE or TF2_ERR_VALUE; the message says what was wanted and found (the caller
     * puts the node's name in front). Must stand any attribute values: they come from files.
     */
    enum tf2_status (*infer)(
        const void *attr, const struct tf2_shape *const *in, uint32_t n_in, struct tf2_shape *out,
        struct tf2_error *error);

    /* Makes attributes that stand for "as the extents are" explicit, once, when the node is added: later it may be
     * inferred for other extents. NULL: there are none. */
    void (*settle)(void *attr, const struct tf2_shape *const *in);

    /* Multiply-accumulates for one execution; NULL: none worth counting. Shapes are valid. */
    int64_t (*macs)(
        const void *attr, const struct tf2_shape *const *in, uint32_t n_in, const struct tf2_shape *out);

    /*
     * The definition of the operator: exact scalar C on any strides, sums in double precision, one rounding at
     * the end. in[i].data is NULL for an input that is left out. Shapes are valid, all tensors float32. The host
     * device and constant folding run this. NULL: there is only the integer form.
     */
    void (*eval)(const void *attr, const struct tf2__view *in, uint32_t n_in, const struct tf2__view *out);

    /*
     * The operator on integers. NULL: it has no integer form, all its tensors are float32.
     *
     * check: whether it takes these types (in[i] is NULL for an input that is left out; shapes have passed infer).
     * Data inputs are u8. TF2_ERR_UNSUPPORTED says what was wanted; the types come from files.
     * eval: the definition, by the rules of ir/quant.h; applies the activation (NONE, RELU, CLIP) itself.
     */
    const struct tf2__op_int8 *int8;
};

struct tf2__op_int8 {
    enum tf2_status (*check)(
        const void *attr, const struct tf2__type *const *in, uint32_t n_in, const struct tf2__type *out,
        struct tf2_error *error);
    void (*eval)(
        const void *attr, const struct tf2__view *in, uint32_t n_in,
        const struct tf2_activation *activation, const struct tf2__view *out);
};

/*
 * Walks over all indices of a shape, the last dimension fastest:
 *     for (tf2__walk_start(&walk, &shape); tf2__walk_more(&walk); tf2__walk_next(&walk)) ... walk.index[d] ...
 */
struct tf2__walk {
    struct tf2_shape shape;
    int64_t index[TF2_MAX_DIMS];
    bool done;
};

static inline void tf2__walk_start(struct tf2__walk *walk, const struct tf2_shape *shape)
{
    memset(walk, 0, sizeof(*walk));
    walk->shape = *shape;
}

static inline bool tf2__walk_more(const struct tf2__walk *walk)
{
    return !walk->done;
}

static inline void tf2__walk_next(struct tf2__walk *walk)
{
    uint32_t d = walk->shape.n_dims;
    while (d-- > 0) {
        if (++walk->index[d] < walk->shape.dim[d])
            return;
        walk->index[d] = 0;
    }
    walk->done = true;
}

/* The walk's element in a view of the same rank: how many elements behind view->data it lies. */
static inline int64_t tf2__walk_offset(const struct tf2__walk *walk, const struct tf2__view *view)
{
    int64_t offset = 0;
    for (uint32_t d = 0; d < walk->shape.n_dims; d++)
        offset += walk->index[d] * view->stride[d];
    return offset;
}

/* The element itself, in a float view. */
static inline float *tf2__walk_at(const struct tf2__walk *walk, const struct tf2__view *view)
{
    return (float *)view->data + tf2__walk_offset(walk, view);
}

static inline uint8_t *tf2__walk_at_u8(const struct tf2__walk *walk, const struct tf2__view *view)
{
    return (uint8_t *)view->data + tf2__walk_offset(walk, view);
}

/* NULL for a number that is none. */
const struct tf2__op *tf2__op_find(enum tf2_op id);

/* Applies a fused activation to every element, in place. */
void tf2__activation_apply(const struct tf2_activation *activation, const struct tf2__view *view);
/* The activation of one number, the definition for all devices. */
double tf2__activation_value(const struct tf2_activation *activation, double x);

#endif
