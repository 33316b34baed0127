/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tflite_value.c: tensors of the file as tensors of the graph: constants are decoded, computed ones get their
 * rounding.
 */
#include "transform/import/tflite/tflite.h"

#include <stdio.h>

enum tf2_status tf2__lite_charge(struct tf2__lite *lite, uint64_t n_bytes, struct tf2_error *error)
{
    if (n_bytes > lite->budget_bytes)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "constants too large for a file of %zu bytes",
            lite->source->size_bytes);
    lite->budget_bytes -= n_bytes;
    return TF2_OK;
}

enum tf2_status tf2__lite_alloc(
    struct tf2__lite *lite, int64_t count, size_t size_bytes, void **data, struct tf2_error *error)
{
    TF2__TRY(tf2__lite_charge(lite, (uint64_t)count * size_bytes, error));
    *data = tf2__arena_alloc(&lite->graph->arena, (size_t)count, size_bytes);
    return *data ? TF2_OK : tf2__fail_memory(error, (size_t)count * size_bytes, "a constant");
}

static struct tf2__lite_tensor *
tensor_at(const struct tf2__lite *lite, const struct tf2__fb_vector *ids, uint32_t i)
{
    const int32_t id = i < ids->n ? tf2__fb_i32_at(&lite->fb, ids, i) : -1;
    return id < 0 ? NULL : &lite->tensors[id];
}

struct tf2__lite_tensor *tf2__lite_in(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i)
{
    return tensor_at(lite, &op->in, i);
}

struct tf2__lite_tensor *
tf2__lite_out(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i)
{
    return tensor_at(lite, &op->out, i);
}

bool tf2__lite_is_quantized(const struct tf2__lite_tensor *tensor)
{
    return (tensor->type == TF2__LITE_UINT8 || tensor->type == TF2__LITE_INT8) && tensor->scales.n > 0;
}

enum tf2_status tf2__lite_axis(int64_t axis, uint32_t rank, uint32_t *resolved, struct tf2_error *error)
{
    const int64_t wrapped = axis < 0 ? axis + rank : axis;
    if (wrapped < 0 || wrapped >= rank)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "axis %lld of a tensor of %u dimensions", (long long)axis, rank);
    *resolved = (uint32_t)wrapped;
    return TF2_OK;
}

void tf2__lite_name(const struct tf2__lite *lite, const char *base, const char *suffix, char name[1024])
{
    uint64_t number = lite->graph->n_tensors; /* grows with every name taken: no search from 1 each time */
    snprintf(name, 1024, "%.920s.%s", base, suffix);
    while (tf2__strmap_get(&lite->names, name) != TF2__STRMAP_NONE ||
           tf2__graph_find(lite->graph, name) != TF2_NO_TENSOR)
        snprintf(name, 1024, "%.920s.%s_%llu", base, suffix, (unsigned long long)number++);
}

/* ---- reading ---- */

struct tf2_shape tf2__lite_shape(const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor)
{
    if (tensor->state == TF2__LITE_KNOWN)
        return tensor->known_shape;
    return tensor->value.id == TF2_NO_TENSOR ? tensor->shape : tf2__nhwc_shape(&lite->nhwc, tensor->value);
}

bool tf2__lite_is_first(const struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i)
{
    const struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
    return tensor && tensor->state == TF2__LITE_DATA && tensor->value.first;
}

enum tf2_status tf2__lite_want(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, bool first, tf2_tensor_id *id,
    struct tf2_error *error)
{
    struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
    if (!tensor)
        return tf2__fail(error, TF2_ERR_FORMAT, "input %u is left out", i);
    if (tensor->state == TF2__LITE_SPREAD)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "reads a map whose pixels are spread over the batch: supported is SPACE_TO_BATCH_ND, a "
            "convolution, "
            "BATCH_TO_SPACE_ND");
    if (tensor->value.id == TF2_NO_TENSOR)
        TF2__TRY(tf2__lite_constant(lite, op, i, NULL, NULL, &tensor->value.id, error));
    const uint32_t rank = tf2__lite_shape(lite, tensor).n_dims;
    if (!first)
        return tf2__nhwc_file(&lite->nhwc, tensor->value, id, error);
    if (rank < 3 || rank > 2 + TF2_MAX_SPATIAL)
        return tf2__fail(error, TF2_ERR_SHAPE, "input %u has %u dimensions, wanted a map of 3 to 5", i, rank);
    return tf2__nhwc_first(&lite->nhwc, tensor->value, id, error);
}

/* ---- constants ---- */

/* IEEE binary16 as float. */
static float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    if (exponent == 31)
        bits = sign | 0x7f800000u | fraction << 13;
    memcpy(&value, &bits, sizeof(value));
    if (exponent == 0)
        value = (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    return value;
}

/* Bytes of an element that can be a float here; 0: none. */
static size_t element_bytes(const struct tf2__lite_tensor *tensor)
{
    switch (tensor->type) {
    case TF2__LITE_FLOAT32:
        return 4;
    case TF2__LITE_FLOAT16:
        return 2;
    case TF2__LITE_INT32:
        return tensor->scales.n ? 4 : 0;
    case TF2__LITE_UINT8:
    case TF2__LITE_INT8:
        return tensor->scales.n ? 1 : 0;
    default:
        return 0;
    }
}

static int32_t integer_at(const struct tf2__lite_tensor *tensor, int64_t i)
{
    int32_t value;
    if (tensor->type == TF2__LITE_UINT8)
        return tensor->bytes[i];
    if (tensor->type == TF2__LITE_INT8)
        return (int8_t)tensor->bytes[i];
    memcpy(&value, tensor->bytes + 4 * i, sizeof(value));
    return value;
}

static float float_at(const struct tf2__lite_tensor *tensor, int64_t i)
{
    float value;
    uint16_t half;
    if (tensor->type == TF2__LITE_FLOAT16) {
        memcpy(&half, tensor->bytes + 2 * i, sizeof(half));
        return half_to_float(half);
    }
    memcpy(&value, tensor->bytes + 4 * i, sizeof(value));
    return value;
}

/* One scale and one zero point per index of an axis, or one for all. */
static enum tf2_status
check_scales(const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, struct tf2_error *error)
{
    const uint32_t n = tensor->scales.n, axis = (uint32_t)tensor->quant_axis;
    if (n > 1 && (axis >= tensor->shape.n_dims || tensor->shape.dim[axis] != n))
        return tf2__fail(
            error, TF2_ERR_FORMAT,
            "tensor '%.100s' has %u scales along dimension %d, wanted one for each index", tensor->name, n,
            tensor->quant_axis);
    if (tensor->zero_points.n > 1 && tensor->zero_points.n != n)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s' has %u scales and %u zero points", tensor->name, n,
            tensor->zero_points.n);
    for (uint32_t i = 0; i < n; i++) {
        const float scale = tf2__fb_f32_at(&lite->fb, &tensor->scales, i);
        if (!(scale >= 1e-30f && scale <= 1e30f))
            return tf2__fail(
                error, TF2_ERR_VALUE, "tensor '%.100s': scale %u is %g, wanted 1e-30 to 1e30", tensor->name,
                i, scale);
    }
    for (uint32_t i = 0; i < tensor->zero_points.n; i++) {
        const int64_t zero_point = tf2__fb_i64_at(&lite->fb, &tensor->zero_points, i);
        const int64_t low = tensor->type == TF2__LITE_INT8 ? -128 : 0;
        const int64_t high = tensor->type == TF2__LITE_INT32 ? 0 : low + 255;
        if (zero_point < low || zero_point > high)
            return tf2__fail(
                error, TF2_ERR_VALUE, "tensor '%.100s': zero point %u is %lld, wanted %lld to %lld",
                tensor->name, i, (long long)zero_point, (long long)low, (long long)high);
    }
    return TF2_OK;
}

enum tf2_status tf2__lite_quant(
    const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, struct tf2__quant *quant,
    struct tf2_error *error)
{
    if (tensor->scales.n != 1)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%.100s' has %u scales, wanted one for all that is computed",
            tensor->name, tensor->scales.n);
    TF2__TRY(check_scales(lite, tensor, error));
    const int64_t zero_point = tensor->zero_points.n ? tf2__fb_i64_at(&lite->fb, &tensor->zero_points, 0) : 0;
    *quant = (struct tf2__quant){
        .scale = tf2__fb_f32_at(&lite->fb, &tensor->scales, 0),
        .zero_point = (int32_t)zero_point + (tensor->type == TF2__LITE_INT8 ? 128 : 0)};
    return TF2_OK;
}

/* Whether the constant can be floats and has all of its data. */
static enum tf2_status
check_constant(const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, struct tf2_error *error)
{
    char text[192];
    const int64_t count = tf2_shape_count(&tensor->shape);
    const size_t element = element_bytes(tensor);
    if (!tensor->bytes)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%.100s' is computed, only constants are supported",
            tensor->name);
    if (tensor->is_sparse)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED, "tensor '%.100s' is stored as a sparse one", tensor->name);
    if (!element)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "tensor '%.100s' is of type %s%s, wanted float32, float16 or quantized int8 "
            "or uint8",
            tensor->name, tf2__lite_type_name(tensor->type), tensor->scales.n ? "" : " without a scale");
    if (count == 0)
        return tf2__fail(
            error, TF2_ERR_SHAPE,
            "tensor '%.100s' has the shape %s: extents must be 1 or more, their product below "
            "2^31",
            tensor->name, tf2_shape_format(&tensor->shape, text, sizeof(text)));
    if (tensor->n_bytes / element != (size_t)count || tensor->n_bytes % element)
        return tf2__fail(
            error, TF2_ERR_FORMAT, "tensor '%.100s' has %zu bytes of data, its shape and type need %zu",
            tensor->name, tensor->n_bytes, (size_t)count * element);
    return tensor->scales.n ? check_scales(lite, tensor, error) : TF2_OK;
}

/* Where the elements of a permuted constant come from. */
struct source {
    const struct tf2__lite_tensor *tensor;
    struct tf2_shape shape;       /* permuted */
    int64_t stride[TF2_MAX_DIMS]; /* of its dimensions in the file's data */
    int64_t inner, n_scales;      /* scale of element i in the file: (i / inner) % n_scales */
};

static void find_source(
    const struct tf2__lite_tensor *tensor, const struct tf2_shape *view, const uint32_t *perm,
    struct source *s)
{
    int64_t stride[TF2_MAX_DIMS], next = 1;
    *s = (struct source){
        .tensor = tensor, .shape = *view, .inner = 1, .n_scales = TF2__MAX(tensor->scales.n, 1)};
    for (uint32_t d = view->n_dims; d-- > 0;) {
        stride[d] = next;
        next *= view->dim[d];
    }
    for (uint32_t d = 0; d < view->n_dims; d++) {
        s->shape.dim[d] = view->dim[perm ? perm[d] : d];
        s->stride[d] = stride[perm ? perm[d] : d];
    }
    for (uint32_t d = (uint32_t)tensor->quant_axis + 1; s->n_scales > 1 && d < tensor->shape.n_dims; d++)
        s->inner *= tensor->shape.dim[d];
}

/* The dimension of the permuted constant that the scales run along; its rank: none does. */
static uint32_t find_axis(const struct source *s)
{
    uint32_t axis = 0;
    while (s->n_scales > 1 && axis < s->shape.n_dims &&
           !(s->stride[axis] == s->inner && s->shape.dim[axis] == s->n_scales))
        axis++;
    return axis;
}

/* Fills the floats, and the integers that they stand for (NULL: it is not quantized). */
static void decode(const struct tf2__lite *lite, const struct source *s, float *data, int32_t *step)
{
    const struct tf2__lite_tensor *tensor = s->tensor;
    struct tf2__walk walk;
    int64_t to = 0;
    for (tf2__walk_start(&walk, &s->shape); tf2__walk_more(&walk); tf2__walk_next(&walk), to++) {
        int64_t from = 0;
        for (uint32_t d = 0; d < s->shape.n_dims; d++)
            from += walk.index[d] * s->stride[d];
        if (!step) {
            data[to] = float_at(tensor, from);
            continue;
        }
        const uint32_t k = (uint32_t)(from / s->inner % s->n_scales);
        const uint32_t n_zero_points = tensor->zero_points.n;
        const int64_t zero_point =
            n_zero_points ? tf2__fb_i64_at(&lite->fb, &tensor->zero_points, n_zero_points > 1 ? k : 0) : 0;
        step[to] = (int32_t)(integer_at(tensor, from) - zero_point);
        data[to] = (float)step[to] * tf2__fb_f32_at(&lite->fb, &tensor->scales, k);
    }
}

static enum tf2_status describe_steps(
    struct tf2__lite *lite, const struct source *s, const int32_t *step, tf2_tensor_id id,
    struct tf2_error *error)
{
    struct tf2__steps *steps = tf2__arena_alloc(&lite->graph->arena, 1, sizeof(*steps));
    const uint32_t axis = find_axis(s);
    void *scale;
    if (s->n_scales > 1 && axis == s->shape.n_dims)
        return TF2_OK; /* only floats can say it */
    TF2__TRY(tf2__lite_alloc(lite, s->n_scales, sizeof(float), &scale, error));
    if (!steps)
        return tf2__fail_memory(error, sizeof(*steps), "a quantized constant");
    for (int64_t i = 0; i < s->n_scales; i++)
        ((float *)scale)[i] = tf2__fb_f32_at(&lite->fb, &s->tensor->scales, (uint32_t)i);
    *steps = (struct tf2__steps){.step = step, .scale = scale, .n_scales = s->n_scales, .axis = axis};
    lite->graph->tensors[id].steps = steps;
    return TF2_OK;
}

enum tf2_status tf2__lite_constant(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, const struct tf2_shape *view,
    const uint32_t *perm, tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
    char name[1024];
    struct source s;
    void *data, *step = NULL;
    TF2__TRY(check_constant(lite, tensor, error));
    const int64_t count = tf2_shape_count(&tensor->shape);
    if (view && tf2_shape_count(view) != count)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "tensor '%.100s' has %lld numbers, wanted %lld", tensor->name,
            (long long)count, (long long)tf2_shape_count(view));
    find_source(tensor, view ? view : &tensor->shape, perm, &s);
    TF2__TRY(tf2__lite_alloc(lite, count, sizeof(float), &data, error));
    if (tensor->scales.n && tensor->type != TF2__LITE_FLOAT32 && tensor->type != TF2__LITE_FLOAT16)
        TF2__TRY(tf2__lite_alloc(lite, count, sizeof(int32_t), &step, error));
    decode(lite, &s, data, step);
    if (tf2__graph_find(lite->graph, tensor->name) == TF2_NO_TENSOR)
        snprintf(name, sizeof(name), "%s", tensor->name);
    else
        tf2__lite_name(lite, tensor->name, "again", name);
    TF2__TRY(tf2__graph_adopt_constant(lite->graph, name, TF2_DTYPE_F32, &s.shape, data, id, error));
    return step ? describe_steps(lite, &s, step, *id, error) : TF2_OK;
}

enum tf2_status tf2__lite_known(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, const int64_t **known, int64_t *n,
    struct tf2_error *error)
{
    const struct tf2__lite_tensor *tensor = tf2__lite_in(lite, op, i);
    *known = NULL;
    *n = 0;
    if (!tensor)
        return TF2_OK;
    if (tensor->state != TF2__LITE_KNOWN)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "input %u ('%.100s') is not known at import: wanted constant integers or what is computed from "
            "shapes",
            i, tensor->name);
    *known = tensor->known;
    *n = tensor->n_known;
    return TF2_OK;
}

/* ---- results ---- */

enum tf2_status tf2__lite_part(
    struct tf2__lite *lite, const struct tf2__lite_op *op, const char *suffix, enum tf2_op id,
    const void *attr, const tf2_tensor_id *in, size_t n_in, tf2_tensor_id *out, struct tf2_error *error)
{
    char name[1024];
    tf2__lite_name(lite, op->label, suffix, name);
    return tf2_graph_add_node(lite->graph, id, name, attr, in, n_in, out, error);
}

/* The tensor's own name, or one like it where it is taken: a network's input has it. */
static void name_of(const struct tf2__lite *lite, const struct tf2__lite_tensor *tensor, char name[1024])
{
    if (tf2__graph_find(lite->graph, tensor->name) == TF2_NO_TENSOR)
        snprintf(name, 1024, "%s", tensor->name);
    else
        tf2__lite_name(lite, tensor->name, "u8", name);
}

enum tf2_status tf2__lite_define(
    struct tf2__lite *lite, struct tf2__lite_tensor *tensor, struct tf2__nhwc_value value,
    struct tf2_error *error)
{
    char name[1024];
    struct tf2__quant quant;
    tf2_tensor_id *id = &value.id;
    if (tensor->type != TF2__LITE_FLOAT32 && !tf2__lite_is_quantized(tensor))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "tensor '%.100s' is of type %s%s, wanted float32 or quantized int8 or uint8", tensor->name,
            tf2__lite_type_name(tensor->type), tensor->scales.n ? "" : " without a scale");
    if (tf2__lite_is_quantized(tensor)) {
        TF2__TRY(tf2__lite_quant(lite, tensor, &quant, error));
        name_of(lite, tensor, name);
        TF2__TRY(tf2__graph_add_int8(
            lite->graph, TF2_OP_QUANTIZE, name, NULL, id, 1, NULL, TF2_DTYPE_U8, &quant, id, error));
        tf2__lite_name(lite, tensor->name, "float", name);
        TF2__TRY(tf2__graph_add_int8(
            lite->graph, TF2_OP_DEQUANTIZE, name, NULL, id, 1, NULL, TF2_DTYPE_F32, NULL, id, error));
    }
    tensor->value = value;
    tensor->state = TF2__LITE_DATA;
    return TF2_OK;
}

static enum tf2_status
fused_activation(uint8_t kind, struct tf2_activation *activation, struct tf2_error *error)
{
    static const struct tf2_activation known[] = {
        [TF2__LITE_ACT_NONE] = {.kind = TF2_ACTIVATION_NONE},
        [TF2__LITE_ACT_RELU] = {.kind = TF2_ACTIVATION_RELU},
        [TF2__LITE_ACT_RELU_N1_TO_1] = {.kind = TF2_ACTIVATION_CLIP, .alpha = -1, .beta = 1},
        [TF2__LITE_ACT_RELU6] = {.kind = TF2_ACTIVATION_CLIP, .alpha = 0, .beta = 6},
        [TF2__LITE_ACT_TANH] = {.kind = TF2_ACTIVATION_TANH},
    };
    if (kind >= TF2__COUNT(known))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "fused activation number %u", kind);
    *activation = known[kind];
    return TF2_OK;
}

enum tf2_status tf2__lite_emit(
    struct tf2__lite *lite, const struct tf2__lite_op *op, uint32_t i, bool first, enum tf2_op id,
    const void *attr, const tf2_tensor_id *in, size_t n_in, uint8_t activation, struct tf2_error *error)
{
    struct tf2__lite_tensor *tensor = tf2__lite_out(lite, op, i);
    const bool named = tf2__lite_is_quantized(tensor); /* its name is for the rounded one */
    struct tf2_activation act;
    char name[1024];
    tf2_tensor_id out;
    TF2__TRY(fused_activation(activation, &act, error));
    if (named || act.kind != TF2_ACTIVATION_NONE)
        tf2__lite_name(lite, tensor->name, named ? "real" : "linear", name);
    else
        name_of(lite, tensor, name);
    TF2__TRY(tf2_graph_add_node(lite->graph, id, name, attr, in, n_in, &out, error));
    if (act.kind != TF2_ACTIVATION_NONE) {
        if (named)
            tf2__lite_name(lite, tensor->name, "active", name);
        else
            name_of(lite, tensor, name);
        TF2__TRY(tf2_graph_add_node(lite->graph, TF2_OP_ACTIVATION, name, &act, &out, 1, &out, error));
    }
    return tf2__lite_define(lite, tensor, (struct tf2__nhwc_value){out, first}, error);
}
