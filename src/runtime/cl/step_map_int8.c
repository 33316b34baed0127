/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_map_int8.c: element-wise steps on u8, copies, the ways between float32 and u8 (map_int8.cl), normalization
 * (lrn_int8.cl).
 */
#include "runtime/cl/operand.h"

#include "transform/op/lrn.h"

/* Numbers of INT8_* in map_int8.cl. */
enum map_op {
    MAP_BYTES = 0,
    MAP_SUM = 1,
    MAP_PROD = 2,
    MAP_MAX = 3,
    MAP_MIN = 4,
    MAP_LOOKUP = 5,
    MAP_QUANTIZE = 6,
    MAP_DEQUANTIZE = 7,
    MAP_PIXELS = 8,
};

#define PIECE        8192 /* elements of the inner dimension that one work item does */
#define MAX_OPERANDS 3    /* inputs of a sum */

struct map {
    enum map_op op;
    struct tf2_shape shape;
    struct tf2__cl_operand y, in[MAX_OPERANDS];
    uint32_t n_in;
    float factor[MAX_OPERANDS];
    int32_t zero_point[MAX_OPERANDS];
    struct tf2__quant_bounds bounds;
    int32_t y_zero_point;
};

static enum tf2_status make_map(struct tf2__cl_build *build, const struct map *m)
{
    /* Operands that an operation does not have repeat the first. */
    const struct tf2__cl_operand *operands[4] = {&m->y, &m->in[0], &m->in[m->n_in > 1], &m->in[m->n_in > 2 ? 2 : 0]};
    const int64_t *strides[4];
    struct tf2__cl_walk walk;
    uint32_t table;
    for (int i = 0; i < 4; i++)
        strides[i] = operands[i]->stride;
    const struct tf2_shape shape = tf2__cl_padded_shape(build->plan, &m->shape, operands, m->n_in + 1);
    tf2__cl_collapse(&shape, strides, 4, &walk);
    TF2__TRY(tf2__cl_walk_table(build, &walk, 4, &table));
    int64_t inner = walk.dim[walk.n_dims - 1];
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_MAP_INT8, "map_int8"));
    for (int i = 0; i < 4; i++)
        TF2__TRY(tf2__cl_arg_operand(build, operands[i]));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, inner);
    tf2__cl_arg_int(build, PIECE);
    tf2__cl_arg_int(build, m->op);
    tf2__cl_arg_int(build, m->n_in + 1);
    for (int i = 0; i < MAX_OPERANDS; i++)
        tf2__cl_arg_float(build, m->factor[i]);
    for (int i = 0; i < MAX_OPERANDS; i++)
        tf2__cl_arg_int(build, m->zero_point[i]);
    tf2__cl_arg_float(build, m->bounds.lo);
    tf2__cl_arg_float(build, m->bounds.hi);
    tf2__cl_arg_int(build, m->y_zero_point);
    tf2__cl_launch_size(build, tf2__cl_walk_outer(&walk), tf2__ceil_div(inner, PIECE));
    return TF2_OK;
}

/* y as the step's output. */
static struct map step_map(const struct tf2__plan *plan, const struct tf2__step *step, enum map_op op)
{
    const struct tf2__plan_tensor *y = &plan->tensors[step->out];
    const struct tf2_activation none = {0};
    struct map m = {.op = op, .shape = y->shape, .n_in = 1, .y_zero_point = y->quant.zero_point};
    m.y = tf2__cl_operand_tensor(plan, step->out);
    m.in[0] = tf2__cl_operand_tensor(plan, step->in[0]);
    m.zero_point[0] = plan->tensors[step->in[0]].quant.zero_point;
    /* A copy that stands for part of a concat is not the node that computes its activation. */
    bool computes = step->node && step->kind == TF2__STEP_NODE;
    m.bounds = tf2__quant_bounds(y->dtype, &y->quant, computes ? &step->node->activation : &none);
    return m;
}

/* --- sums and the like --- */

static bool eltwise_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    (void)plan;
    return step->n_in <= MAX_OPERANDS;
}

static enum tf2_status eltwise_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_eltwise_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const double scale = tensors[step->out].quant.scale;
    struct map m = step_map(build->plan, step, MAP_SUM);
    m.n_in = step->n_in;
    for (uint32_t k = 0; k < step->n_in; k++) {
        const struct tf2__quant *quant = &tensors[step->in[k]].quant;
        double factor = attr->has_coefficients && attr->kind == TF2_ELTWISE_SUM ? attr->coefficient[k] : 1;
        if (attr->kind == TF2_ELTWISE_SUB && k == 1)
            factor = -1;
        m.in[k] = tf2__cl_operand_broadcast(build->plan, step->in[k], &m.shape);
        m.factor[k] = tf2__quant_factor(factor * quant->scale, scale);
        m.zero_point[k] = quant->zero_point;
    }
    if (attr->kind == TF2_ELTWISE_PROD) {
        m.op = MAP_PROD;
        m.factor[0] = tf2__quant_factor(
            (double)tensors[step->in[0]].quant.scale * tensors[step->in[1]].quant.scale, scale);
    } else if (attr->kind == TF2_ELTWISE_MAX || attr->kind == TF2_ELTWISE_MIN) {
        m.op = attr->kind == TF2_ELTWISE_MAX ? MAP_MAX : MAP_MIN;
    }
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_eltwise_int8 = {
    .op = TF2_OP_ELTWISE, .int8 = true, .name = "map_int8_eltwise", .fits = eltwise_fits, .make = eltwise_make};

static enum tf2_status lookup_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *table = &build->plan->tensors[step->in[1]];
    struct map m = step_map(build->plan, step, MAP_LOOKUP);
    uint32_t buffer;
    TF2__TRY(tf2__cl_buffer_from(build, table->data, tf2_shape_count(&table->shape) / 4, &buffer));
    m.in[1] = (struct tf2__cl_operand){.place = TF2__CL_PLACE_BUFFER, .id = buffer};
    m.in[1].stride[1] = table->shape.n_dims == 2 ? 256 : 0;
    m.n_in = 2;
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_lookup = {
    .op = TF2_OP_LOOKUP, .int8 = true, .name = "map_lookup", .make = lookup_make};

/* --- between float32 and u8 --- */

/* Offset and zero point of channel c. */
static float offset_of(const struct tf2__plan *plan, const struct tf2__step *step, int64_t c)
{
    const float *offset = step->n_in > 1 && step->in[1] != TF2_NO_TENSOR ? plan->tensors[step->in[1]].data : NULL;
    return offset ? offset[c] : 0;
}

static int32_t zero_point_of(const struct tf2__quant *quant, int64_t c)
{
    return quant->channel_zero_point ? quant->channel_zero_point[c] : quant->zero_point;
}

/* What a fused activation clamps v to; the range of u8 comes behind it, around the zero point of each channel. */
static struct tf2__quant_bounds activation_bounds(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const double scale = plan->tensors[step->out].quant.scale;
    const struct tf2__quant_bounds real = tf2__quant_bounds_f32(&step->node->activation);
    return (struct tf2__quant_bounds){(float)rint(real.lo / scale), (float)rint(real.hi / scale)};
}

/* Three planes to an interleaved image: what a network's input mostly is. */
static bool is_rgb(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]], *y = &plan->tensors[step->out];
    return x->shape.n_dims == 4 && x->shape.dim[1] == 3 && x->stride[3] == 1 && y->stride[1] == 1 &&
           y->stride[3] == 3;
}

static enum tf2_status rgb_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *x = &build->plan->tensors[step->in[0]];
    const struct tf2__plan_tensor *y = &build->plan->tensors[step->out];
    uint32_t numbers;
    cl_float number[6];
    for (int c = 0; c < 3; c++) {
        number[c] = offset_of(build->plan, step, c);
        number[3 + c] = (cl_float)zero_point_of(&y->quant, c);
    }
    TF2__TRY(tf2__cl_buffer_from(build, number, 6, &numbers));
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_MAP_INT8, "quantize_rgb"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, numbers);
    tf2__cl_arg_float(build, tf2__quant_factor(1, y->quant.scale));
    tf2__cl_arg_int(build, x->shape.dim[2]);
    tf2__cl_arg_int(build, x->shape.dim[3]);
    tf2__cl_arg_int(build, x->stride[0]);
    tf2__cl_arg_int(build, x->stride[1]);
    tf2__cl_arg_int(build, x->stride[2]);
    tf2__cl_arg_int(build, y->stride[0]);
    tf2__cl_arg_int(build, y->stride[2]);
    const struct tf2__quant_bounds bounds = activation_bounds(build->plan, step);
    tf2__cl_arg_float(build, bounds.lo);
    tf2__cl_arg_float(build, bounds.hi);
    tf2__cl_launch_size(build, x->shape.dim[0] * x->shape.dim[2], 1);
    return TF2_OK;
}

static enum tf2_status quantize_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *y = &build->plan->tensors[step->out];
    struct map m = step_map(build->plan, step, MAP_QUANTIZE);
    int64_t n = y->shape.n_dims > 1 ? y->shape.dim[1] : 1;
    uint32_t offsets, zero_points;
    void *data;
    if (is_rgb(build->plan, step))
        return rgb_make(build, step);
    TF2__TRY(tf2__cl_buffer_map(build, n, &offsets, &data));
    for (int64_t c = 0; c < n; c++)
        ((cl_float *)data)[c] = offset_of(build->plan, step, c);
    TF2__TRY(tf2__cl_buffer_unmap(build, offsets, data));
    TF2__TRY(tf2__cl_buffer_map(build, tf2__ceil_div(n, 4), &zero_points, &data));
    for (int64_t c = 0; c < n; c++)
        ((cl_uchar *)data)[c] = (cl_uchar)zero_point_of(&y->quant, c);
    TF2__TRY(tf2__cl_buffer_unmap(build, zero_points, data));
    uint32_t axis = y->shape.n_dims > 1 ? 1 : 0, n_axes = y->shape.n_dims > 1 ? 1 : 0;
    m.in[1] = tf2__cl_operand_buffer(offsets, &m.shape, axis, n_axes);
    m.in[2] = tf2__cl_operand_buffer(zero_points, &m.shape, axis, n_axes);
    m.n_in = 3;
    m.factor[0] = tf2__quant_factor(1, y->quant.scale);
    m.bounds = activation_bounds(build->plan, step);
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_quantize = {
    .op = TF2_OP_QUANTIZE, .int8 = true, .name = "quantize", .make = quantize_make};

static enum tf2_status dequantize_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct map m = step_map(build->plan, step, MAP_DEQUANTIZE);
    m.factor[0] = build->plan->tensors[step->in[0]].quant.scale;
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_dequantize = {
    .op = TF2_OP_DEQUANTIZE, .int8 = true, .name = "dequantize", .make = dequantize_make};

enum tf2_status tf2__cl_make_pixels(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_preprocess *preprocess = &build->plan->preprocess;
    struct map m = step_map(build->plan, step, MAP_PIXELS);
    uint32_t means;
    TF2__TRY(tf2__cl_buffer_from(build, preprocess->mean, TF2__COUNT(preprocess->mean), &means));
    m.in[1] = tf2__cl_operand_buffer(means, &m.shape, 1, 1);
    m.n_in = 2;
    m.factor[0] = preprocess->scale == 0 ? 1 : preprocess->scale;
    return make_map(build, &m);
}

/* --- copies --- */

/* Both operands with channels last to first: the same as both first to last. */
static void turn_around(const struct tf2_shape *shape, struct tf2__cl_operand *y, struct tf2__cl_operand *x)
{
    if (shape->n_dims < 2 || y->stride[1] != -1 || x->stride[1] != -1)
        return;
    y->offset -= shape->dim[1] - 1;
    x->offset -= shape->dim[1] - 1;
    y->stride[1] = x->stride[1] = 1;
}

/* y = x over the same indices: bytes, or rescaled where the quantizations of the step's tensors differ. */
enum tf2_status tf2__cl_copy_int8(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2_shape *shape,
    const struct tf2__cl_operand *y, const struct tf2__cl_operand *x)
{
    const struct tf2__quant *from = &build->plan->tensors[step->in[0]].quant;
    const struct tf2__quant *to = &build->plan->tensors[step->out].quant;
    bool computes = step->kind == TF2__STEP_NODE && step->node->activation.kind != TF2_ACTIVATION_NONE;
    bool same = tf2__plan_copies_pixels(step) || (tf2__quant_equal(from, to) && !computes);
    struct map m = step_map(build->plan, step, same ? MAP_BYTES : MAP_SUM);
    m.shape = *shape;
    m.y = *y;
    m.in[0] = *x;
    turn_around(shape, &m.y, &m.in[0]);
    m.factor[0] = tf2__quant_factor(from->scale, to->scale);
    return make_map(build, &m);
}

/* --- normalization --- */

#define LRN_MAX_CHANNELS 2048 /* as in lrn_int8.cl */
#define LRN_MAX_HALF     16

static bool lrn_fits(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2_lrn_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *x = &plan->tensors[step->in[0]], *y = &plan->tensors[step->out];
    return x->shape.n_dims >= 2 && x->shape.n_dims <= 5 && x->shape.dim[1] <= LRN_MAX_CHANNELS &&
           attr->size / 2 <= LRN_MAX_HALF && (x->shape.dim[1] == 1 || (x->stride[1] == 1 && y->stride[1] == 1));
}

/* The table as it is; of a curve the octaves twice, for a vector of 16. */
static enum tf2_status
factors_buffer(struct tf2__cl_build *build, const struct tf2__plan_tensor *factors, uint32_t *buffer)
{
    const int64_t n = tf2_shape_count(&factors->shape);
    float curve[TF2__LRN_CURVE + 8];
    if (n != TF2__LRN_CURVE)
        return tf2__cl_buffer_from(build, factors->data, n, buffer);
    memcpy(curve, factors->data, TF2__LRN_CURVE * sizeof(*curve));
    memcpy(curve + TF2__LRN_CURVE, curve + TF2__LRN_OCTAVES, 8 * sizeof(*curve));
    return tf2__cl_buffer_from(build, curve, TF2__COUNT(curve), buffer);
}

static enum tf2_status lrn_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_lrn_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const struct tf2__plan_tensor *factors = &tensors[step->in[1]];
    const struct tf2__quant *xq = &tensors[step->in[0]].quant;
    struct tf2__cl_map_view x, y;
    uint32_t table, factor_buffer;
    const int64_t n_factors = factors->shape.dim[0];
    const int shift =
        n_factors == TF2__LRN_CURVE ? -1 : (int)tf2__lrn_shift(attr->size, xq->zero_point, n_factors);
    tf2__cl_map_of(build->plan, step->in[0], &x);
    tf2__cl_map_of(build->plan, step->out, &y);
    const int64_t numbers[12] = {y.n,        y.dim[0],    y.dim[1],    y.dim[2],   x.stride_n,  x.stride[0],
                                 x.stride[1], x.stride[2], y.stride_n, y.stride[0], y.stride[1], y.stride[2]};
    cl_int t[12];
    for (int i = 0; i < 12; i++)
        t[i] = (cl_int)numbers[i];
    TF2__TRY(tf2__cl_buffer_from(build, t, 12, &table));
    TF2__TRY(factors_buffer(build, factors, &factor_buffer));
    const struct tf2__quant *yq = &tensors[step->out].quant;
    const struct tf2__quant_bounds bounds = tf2__quant_bounds_u8(yq, &step->node->activation);
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_LRN_INT8, "lrn_int8"));
    TF2__TRY(tf2__cl_arg_tensor(build, step->in[0]));
    TF2__TRY(tf2__cl_arg_tensor(build, step->out));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, y.c);
    tf2__cl_arg_int(build, y.c + tensors[step->out].room);
    tf2__cl_arg_int(build, attr->size / 2);
    tf2__cl_arg_buffer(build, factor_buffer);
    tf2__cl_arg_int(build, shift);
    tf2__cl_arg_int(build, xq->zero_point);
    tf2__cl_arg_float(build, bounds.lo);
    tf2__cl_arg_float(build, bounds.hi);
    tf2__cl_arg_int(build, yq->zero_point);
    tf2__cl_launch_size(build, y.n * y.dim[0] * y.dim[1], 1);
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_lrn_int8 = {
    .op = TF2_OP_LRN, .int8 = true, .name = "lrn_int8", .fits = lrn_fits, .make = lrn_make};
