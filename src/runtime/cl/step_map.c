/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_map.c: element-wise steps and everything that only moves data (map.cl).
 */
#include "runtime/cl/operand.h"

#include <math.h>

/* Numbers of MAP_* in map.cl. */
enum map_op {
    MAP_COPY = 0,
    MAP_SUM = 1,
    MAP_PROD = 2,
    MAP_MAX = 3,
    MAP_MIN = 4,
    MAP_SUB = 5,
    MAP_DIV = 6,
    MAP_AFFINE = 7,
    MAP_PRELU = 8,
    MAP_SELECT = 9,
};

#define PIECE 2048 /* elements of the inner dimension that one work item does */

struct map {
    enum map_op op;
    struct tf2_shape shape;
    struct tf2__cl_operand y, a, b, c;
    uint32_t n_operands; /* with y */
    float p, q;
    struct tf2_activation activation;
};

static enum tf2_status make_map(struct tf2__cl_build *build, const struct map *m)
{
    /* Operands that an operation does not have are read all the same: they repeat a, and cost nothing. */
    const struct tf2__cl_operand *b = m->n_operands > 2 ? &m->b : &m->a;
    const struct tf2__cl_operand *c = m->n_operands > 3 ? &m->c : &m->a;
    const int64_t *strides[4] = {m->y.stride, m->a.stride, b->stride, c->stride};
    struct tf2__cl_walk walk;
    uint32_t table;
    const struct tf2__cl_operand *operands[4] = {&m->y, &m->a, b, c};
    const struct tf2_shape shape = tf2__cl_padded_shape(build->plan, &m->shape, operands, m->n_operands);
    tf2__cl_collapse(&shape, strides, 4, &walk);
    TF2__TRY(tf2__cl_walk_table(build, &walk, 4, &table));
    int64_t inner = walk.dim[walk.n_dims - 1];
    TF2__TRY(tf2__cl_launch_begin(build, TF2__CL_MAP, "map"));
    TF2__TRY(tf2__cl_arg_operand(build, &m->y));
    TF2__TRY(tf2__cl_arg_operand(build, &m->a));
    TF2__TRY(tf2__cl_arg_operand(build, b));
    TF2__TRY(tf2__cl_arg_operand(build, c));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, inner);
    tf2__cl_arg_int(build, PIECE);
    tf2__cl_arg_int(build, m->op);
    tf2__cl_arg_float(build, m->p);
    tf2__cl_arg_float(build, m->q);
    tf2__cl_arg_int(build, m->activation.kind);
    tf2__cl_arg_float(build, m->activation.alpha);
    tf2__cl_arg_float(build, m->activation.beta);
    tf2__cl_launch_size(build, tf2__cl_walk_outer(&walk), tf2__ceil_div(inner, PIECE));
    return TF2_OK;
}

enum tf2_status
tf2__cl_make_activation(struct tf2__cl_build *build, const struct tf2_activation *activation, uint32_t tensor)
{
    struct map m = {.op = MAP_COPY, .shape = build->plan->tensors[tensor].shape, .n_operands = 2};
    m.y = m.a = tf2__cl_operand_tensor(build->plan, tensor);
    m.activation = *activation;
    return make_map(build, &m);
}

enum tf2_status tf2__cl_make_add(
    struct tf2__cl_build *build, uint32_t tensor, uint32_t other, const struct tf2_activation *activation)
{
    struct map m = {
        .op = MAP_SUM,
        .shape = build->plan->tensors[tensor].shape,
        .n_operands = 3,
        .p = 1,
        .q = 1,
        .activation = *activation};
    m.y = m.a = tf2__cl_operand_tensor(build->plan, tensor);
    m.b = tf2__cl_operand_tensor(build->plan, other);
    return make_map(build, &m);
}

/* --- rows --- */

/* y and a as the step's output and first input. */
static struct map step_map(struct tf2__cl_build *build, const struct tf2__step *step, enum map_op op)
{
    struct map m = {.op = op, .shape = build->plan->tensors[step->out].shape, .n_operands = 2};
    m.y = tf2__cl_operand_tensor(build->plan, step->out);
    m.a = tf2__cl_operand_tensor(build->plan, step->in[0]);
    m.activation = step->node ? step->node->activation : (struct tf2_activation){0};
    return m;
}

static enum tf2_status activation_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    struct map m = step_map(build, step, MAP_COPY);
    m.activation = *(const struct tf2_activation *)step->node->attr;
    TF2__TRY(make_map(build, &m));
    if (step->node->activation.kind == TF2_ACTIVATION_NONE)
        return TF2_OK;
    return tf2__cl_make_activation(build, &step->node->activation, step->out);
}

const struct tf2__cl_row tf2__cl_row_activation = {
    .op = TF2_OP_ACTIVATION, .name = "map_activation", .make = activation_make};

static uint32_t channel_axis(const struct tf2_shape *shape)
{
    return shape->n_dims > 1 ? 1 : 0;
}

static enum tf2_status prelu_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *slope = &build->plan->tensors[step->in[1]];
    struct map m = step_map(build, step, MAP_PRELU);
    int64_t n = tf2_shape_count(&slope->shape);
    uint32_t buffer;
    TF2__TRY(tf2__cl_buffer_from(build, slope->data, n, &buffer));
    m.b = tf2__cl_operand_buffer(buffer, &m.shape, channel_axis(&m.shape), n == 1 ? 0 : 1);
    m.n_operands = 3;
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_prelu = {.op = TF2_OP_PRELU, .name = "map_prelu", .make = prelu_make};

static enum tf2_status batch_norm_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_batch_norm_attr *attr = step->node->attr;
    const struct tf2__plan *plan = build->plan;
    const float *gamma = plan->tensors[step->in[1]].data, *beta = plan->tensors[step->in[2]].data;
    const float *mean = plan->tensors[step->in[3]].data, *variance = plan->tensors[step->in[4]].data;
    struct map m = step_map(build, step, MAP_AFFINE);
    int64_t n = tf2_shape_count(&plan->tensors[step->in[1]].shape);
    uint32_t scale, shift;
    void *scale_data, *shift_data;
    TF2__TRY(tf2__cl_buffer_map(build, n, &scale, &scale_data));
    TF2__TRY(tf2__cl_buffer_map(build, n, &shift, &shift_data));
    for (int64_t i = 0; i < n; i++) {
        double factor = gamma[i] / sqrt((double)variance[i] + attr->epsilon);
        ((float *)scale_data)[i] = (float)factor;
        ((float *)shift_data)[i] = (float)(beta[i] - mean[i] * factor);
    }
    TF2__TRY(tf2__cl_buffer_unmap(build, scale, scale_data));
    TF2__TRY(tf2__cl_buffer_unmap(build, shift, shift_data));
    m.b = tf2__cl_operand_buffer(scale, &m.shape, channel_axis(&m.shape), 1);
    m.c = tf2__cl_operand_buffer(shift, &m.shape, channel_axis(&m.shape), 1);
    m.n_operands = 4;
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_batch_norm = {
    .op = TF2_OP_BATCH_NORM, .name = "map_batch_norm", .make = batch_norm_make};

static enum tf2_status scale_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_scale_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *tensors = build->plan->tensors;
    const struct tf2__plan_tensor *scale = &tensors[step->in[1]];
    bool has_bias = step->n_in > 2 && step->in[2] != TF2_NO_TENSOR;
    struct map m = step_map(build, step, has_bias ? MAP_AFFINE : MAP_PROD);
    uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)m.shape.n_dims : attr->axis);
    uint32_t buffer;
    TF2__TRY(tf2__cl_buffer_from(build, scale->data, tf2_shape_count(&scale->shape), &buffer));
    m.b = tf2__cl_operand_buffer(buffer, &m.shape, axis, scale->shape.n_dims);
    m.n_operands = 3;
    if (has_bias) {
        const struct tf2__plan_tensor *bias = &tensors[step->in[2]];
        TF2__TRY(tf2__cl_buffer_from(build, bias->data, tf2_shape_count(&bias->shape), &buffer));
        m.c = tf2__cl_operand_buffer(buffer, &m.shape, axis, bias->shape.n_dims);
        m.n_operands = 4;
    }
    return make_map(build, &m);
}

const struct tf2__cl_row tf2__cl_row_scale = {.op = TF2_OP_SCALE, .name = "map_scale", .make = scale_make};

static enum map_op eltwise_op(enum tf2_eltwise_kind kind)
{
    switch (kind) {
    case TF2_ELTWISE_SUM:
        return MAP_SUM;
    case TF2_ELTWISE_PROD:
        return MAP_PROD;
    case TF2_ELTWISE_MAX:
        return MAP_MAX;
    case TF2_ELTWISE_MIN:
        return MAP_MIN;
    case TF2_ELTWISE_SUB:
        return MAP_SUB;
    case TF2_ELTWISE_DIV:
        return MAP_DIV;
    case TF2_ELTWISE_SELECT:
        return MAP_SELECT;
    }
    return MAP_COPY;
}

/* y = in[0] . in[1]; then y = y . in[k] for the others. A choice takes its three at once. */
static enum tf2_status eltwise_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_eltwise_attr *attr = step->node->attr;
    struct map m = step_map(build, step, eltwise_op(attr->kind));
    m.n_operands = 3;
    m.a = tf2__cl_operand_broadcast(build->plan, step->in[0], &m.shape);
    if (attr->kind == TF2_ELTWISE_SELECT) {
        m.b = tf2__cl_operand_broadcast(build->plan, step->in[1], &m.shape);
        m.c = tf2__cl_operand_broadcast(build->plan, step->in[2], &m.shape);
        m.n_operands = 4;
        return make_map(build, &m);
    }
    m.p = attr->has_coefficients ? attr->coefficient[0] : 1.0f;
    for (uint32_t k = 1; k < step->n_in; k++) {
        m.b = tf2__cl_operand_broadcast(build->plan, step->in[k], &m.shape);
        m.q = attr->has_coefficients ? attr->coefficient[k] : 1.0f;
        m.activation = k + 1 == step->n_in ? step->node->activation : (struct tf2_activation){0};
        TF2__TRY(make_map(build, &m));
        m.a = m.y;
        m.p = 1.0f;
    }
    return TF2_OK;
}

const struct tf2__cl_row tf2__cl_row_eltwise = {
    .op = TF2_OP_ELTWISE, .name = "map_eltwise", .make = eltwise_make};

/* --- copies --- */

/* y = x over the same indices, whatever the orders. */
static enum tf2_status copy_strided(
    struct tf2__cl_build *build, const struct tf2__step *step, const struct tf2_shape *shape,
    const struct tf2__cl_operand *y, const struct tf2__cl_operand *x)
{
    if (build->plan->tensors[step->out].dtype != TF2_DTYPE_F32)
        return tf2__cl_copy_int8(build, step, shape, y, x);
    struct map m = {.op = MAP_COPY, .shape = *shape, .y = *y, .a = *x, .n_operands = 2};
    if (step->kind == TF2__STEP_NODE)
        m.activation = step->node->activation;
    return make_map(build, &m);
}

static enum tf2_status slice_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_slice_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *in = &build->plan->tensors[step->in[0]];
    const struct tf2_shape *shape = &build->plan->tensors[step->out].shape;
    struct tf2__cl_operand y = tf2__cl_operand_tensor(build->plan, step->out);
    struct tf2__cl_operand x = tf2__cl_operand_tensor(build->plan, step->in[0]);
    for (uint32_t d = 0; d < in->shape.n_dims; d++) {
        int64_t stride = attr->step[d] ? attr->step[d] : 1;
        int64_t begin = attr->begin[d] < 0 ? attr->begin[d] + in->shape.dim[d] : attr->begin[d];
        begin = TF2__MIN(TF2__MAX(begin, 0), in->shape.dim[d] - 1);
        x.offset += begin * in->stride[d];
        x.stride[d] = shape->dim[d] == 1 ? 0 : in->stride[d] * stride;
    }
    return copy_strided(build, step, shape, &y, &x);
}

const struct tf2__cl_row tf2__cl_row_slice = {.op = TF2_OP_SLICE, .name = "map_slice", .make = slice_make};
const struct tf2__cl_row tf2__cl_row_slice_int8 = {
    .op = TF2_OP_SLICE, .int8 = true, .name = "map_int8_slice", .make = slice_make};

static enum tf2_status transpose_make(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2_transpose_attr *attr = step->node->attr;
    const struct tf2__plan_tensor *in = &build->plan->tensors[step->in[0]];
    const struct tf2_shape *shape = &build->plan->tensors[step->out].shape;
    struct tf2__cl_operand y = tf2__cl_operand_tensor(build->plan, step->out);
    struct tf2__cl_operand x = tf2__cl_operand_tensor(build->plan, step->in[0]);
    for (uint32_t d = 0; d < shape->n_dims; d++)
        x.stride[d] = in->stride[attr->perm[d]];
    return copy_strided(build, step, shape, &y, &x);
}

const struct tf2__cl_row tf2__cl_row_transpose = {
    .op = TF2_OP_TRANSPOSE, .name = "map_transpose", .make = transpose_make};
const struct tf2__cl_row tf2__cl_row_transpose_int8 = {
    .op = TF2_OP_TRANSPOSE, .int8 = true, .name = "map_int8_transpose", .make = transpose_make};

static bool is_dense(const struct tf2__plan_tensor *t)
{
    int64_t stride = 1;
    for (uint32_t d = t->shape.n_dims; d-- > 0;) {
        if (t->shape.dim[d] != 1 && t->stride[d] != stride)
            return false;
        stride *= t->shape.dim[d];
    }
    return true;
}

static void dense_strides(const struct tf2_shape *shape, int64_t *stride)
{
    int64_t next = 1;
    for (uint32_t d = shape->n_dims; d-- > 0;) {
        stride[d] = next;
        next *= shape->dim[d];
    }
}

/* A reshape between two orders that are both not dense goes through dense scratch. */
int64_t tf2__cl_copy_scratch(const struct tf2__plan *plan, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *in = &plan->tensors[step->in[0]], *out = &plan->tensors[step->out];
    if (tf2_shape_equal(&in->shape, &out->shape) || is_dense(in) || is_dense(out))
        return 0;
    return tf2_shape_count(&out->shape) * (int64_t)tf2_dtype_size_bytes(out->dtype) + plan->policy.slack_bytes;
}

enum tf2_status tf2__cl_make_copy(struct tf2__cl_build *build, const struct tf2__step *step)
{
    const struct tf2__plan_tensor *in = &build->plan->tensors[step->in[0]];
    const struct tf2__plan_tensor *out = &build->plan->tensors[step->out];
    struct tf2__cl_operand x = tf2__cl_operand_tensor(build->plan, step->in[0]);
    struct tf2__cl_operand y = tf2__cl_operand_tensor(build->plan, step->out);
    if (tf2_shape_equal(&in->shape, &out->shape))
        return copy_strided(build, step, &out->shape, &y, &x);
    if (is_dense(in)) { /* seen as the output's shape */
        dense_strides(&out->shape, x.stride);
        return copy_strided(build, step, &out->shape, &y, &x);
    }
    if (is_dense(out)) {
        dense_strides(&in->shape, y.stride);
        return copy_strided(build, step, &in->shape, &y, &x);
    }
    struct tf2__cl_operand scratch = {.place = TF2__CL_PLACE_ARENA, .offset = step->scratch_at / (int64_t)tf2_dtype_size_bytes(out->dtype)};
    dense_strides(&in->shape, scratch.stride);
    TF2__TRY(copy_strided(build, step, &in->shape, &scratch, &x));
    dense_strides(&out->shape, scratch.stride);
    return copy_strided(build, step, &out->shape, &y, &scratch);
}

/* --- halos --- */

/* The bytes of one pixel of a u8 halo: zero points, and anything in the padding. */
static enum tf2_status
make_halo_pixel(struct tf2__cl_build *build, const struct tf2__plan_tensor *t, int64_t pitch, uint32_t *buffer)
{
    void *data;
    TF2__TRY(tf2__cl_buffer_map(build, tf2__ceil_div(pitch, 4), buffer, &data));
    memset(data, t->quant.zero_point, (size_t)pitch);
    const int64_t n = t->shape.dim[1];
    for (int64_t c = 0; c < n && t->quant.channel_zero_point; c++)
        ((cl_uchar *)data)[t->reversed ? n - 1 - c : c] = t->quant.channel_zero_point[c];
    return tf2__cl_buffer_unmap(build, *buffer, data);
}

/* A halo, dimensions in memory order: outer ones, the last one with a halo (width), what is inside of it. */
struct halo {
    cl_int outer[16]; /* the kernel's table */
    int64_t n_rows, row, before, after;
};

static enum tf2_status
describe_halo(const struct tf2__plan_tensor *t, struct halo *halo, struct tf2_error *error)
{
    uint32_t order[TF2_MAX_DIMS], width = 0;
    int64_t inner = 1;
    *halo = (struct halo){.outer = {1, 1, 1, 1}, .n_rows = 1};
    for (uint32_t d = 0; d < t->shape.n_dims; d++) {
        uint32_t k = d;
        for (; k > 0 && t->stride[order[k - 1]] < t->stride[d]; k--)
            order[k] = order[k - 1];
        order[k] = d;
    }
    for (uint32_t i = 0; i < t->shape.n_dims; i++)
        width = t->halo_begin[order[i]] || t->halo_end[order[i]] ? i : width;
    for (uint32_t i = width + 1; i < t->shape.n_dims; i++)
        inner *= t->shape.dim[order[i]] + (order[i] == 1 ? t->room : 0);
    if (width > 4)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "%s: too many dimensions for padding", t->name);
    for (uint32_t i = 0; i < width; i++) {
        uint32_t d = order[i], to = 4 - width + i;
        halo->outer[to] = (cl_int)(t->shape.dim[d] + t->halo_begin[d] + t->halo_end[d]);
        halo->outer[4 + to] = (cl_int)t->halo_begin[d];
        halo->outer[8 + to] = (cl_int)t->halo_end[d];
        halo->n_rows *= halo->outer[to];
    }
    uint32_t d = order[width];
    halo->row = (t->shape.dim[d] + t->halo_begin[d] + t->halo_end[d]) * inner;
    halo->before = t->halo_begin[d] * inner;
    halo->after = t->halo_end[d] * inner;
    return TF2_OK;
}

enum tf2_status tf2__cl_make_fill(struct tf2__cl_build *build, uint32_t root)
{
    const struct tf2__plan_tensor *t = &build->plan->tensors[root];
    bool bytes = t->dtype != TF2_DTYPE_F32;
    int64_t pitch = t->shape.dim[1] + t->room;
    struct halo halo;
    uint32_t table, pixel = 0;
    TF2__TRY(describe_halo(t, &halo, build->error));
    TF2__TRY(tf2__cl_buffer_from(build, halo.outer, TF2__COUNT(halo.outer), &table));
    if (bytes)
        TF2__TRY(make_halo_pixel(build, t, pitch, &pixel));
    TF2__TRY(tf2__cl_launch_begin(
        build, bytes ? TF2__CL_MAP_INT8 : TF2__CL_MAP, bytes ? "halo_int8" : "halo"));
    tf2__cl_arg_arena(build);
    tf2__cl_arg_int(build, t->arena_bytes / (int64_t)tf2_dtype_size_bytes(t->dtype));
    tf2__cl_arg_buffer(build, table);
    tf2__cl_arg_int(build, halo.row);
    tf2__cl_arg_int(build, halo.before);
    tf2__cl_arg_int(build, halo.after);
    if (bytes) {
        tf2__cl_arg_buffer(build, pixel);
        tf2__cl_arg_int(build, pitch);
    }
    tf2__cl_launch_size(build, halo.n_rows, 1);
    return TF2_OK;
}
