/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export_int8.c: random networks of integers written as ONNX. Here only the files' structure is checked:
 * every float operator stands between DequantizeLinear and QuantizeLinear, and all names are defined before
 * they are read. What the files compute is compared in ONNX Runtime by onnx_check.py: with
 * TF2_TEST_EXPORT_DIR the files stay there, each with inputs and outputs as .npy. TF2_TEST_ROUNDS defaults to
 * 100 networks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../kernels/kcase.h"
#include "common/file.h"
#include "common/strmap.h"
#include "transform/import/onnx/onnx.pb-c.h"
#include "transform/ir/graph.h"
#include "transform/model/model.h"
#include "transform/op/lrn.h"

#define ROUNDS      100
#define MAX_TENSORS 32
#define SPREAD      40.0f /* standard deviation of a u8 tensor, in steps */

struct grower {
    struct kgraph k;
    tf2_tensor_id tensors[MAX_TENSORS]; /* u8, with one zero point; others may read them */
    uint32_t n;
};

static const struct tf2__tensor *tensor_of(const struct grower *g, tf2_tensor_id id)
{
    return &g->k.graph->tensors[id];
}

static const char *next_name(struct grower *g, const char *what, char name[32])
{
    snprintf(name, 32, "%s%u", what, ++g->k.n_names);
    return name;
}

static void *arena(struct grower *g, int64_t n, size_t size_bytes)
{
    void *block = tf2__arena_alloc(&g->k.graph->arena, (size_t)n, size_bytes);
    assert_non_null(block);
    return block;
}

static tf2_tensor_id constant(
    struct grower *g, const char *what, enum tf2_dtype dtype, struct tf2_shape shape,
    const struct tf2__quant *quant, const void *data)
{
    char name[32];
    tf2_tensor_id id;
    struct tf2_error error = {0};
    if (tf2__graph_adopt_quantized(
            g->k.graph, next_name(g, what, name), dtype, &shape, quant, data, &id, &error) != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

/* TF2_NO_TENSOR when the operator does not take it. */
static tf2_tensor_id
add(struct grower *g, enum tf2_op op, const void *attr, const tf2_tensor_id *in, size_t n_in,
    const struct tf2_activation *activation, const struct tf2__quant *quant)
{
    char name[32];
    tf2_tensor_id id;
    struct tf2_error error = {0};
    enum tf2_status status = tf2__graph_add_int8(
        g->k.graph, op, next_name(g, tf2_op_name(op), name), attr, in, n_in, activation,
        quant ? TF2_DTYPE_U8 : TF2_DTYPE_F32, quant, &id, &error);
    if (status == TF2_ERR_SHAPE || status == TF2_ERR_VALUE)
        return TF2_NO_TENSOR;
    if (status != TF2_OK)
        fail_msg("%s", error.message);
    return id;
}

static struct tf2_activation random_activation(struct grower *g, float range)
{
    static const enum tf2_activation_kind kinds[] = {
        TF2_ACTIVATION_NONE, TF2_ACTIVATION_RELU, TF2_ACTIVATION_CLIP};
    struct tf2_activation activation = {.kind = kinds[krange(&g->k, 0, 2)]};
    if (activation.kind == TF2_ACTIVATION_CLIP) {
        activation.alpha = -range * kuniform(&g->k, 0, 1);
        activation.beta = range;
    }
    return activation;
}

/* For numbers of a standard deviation. */
static struct tf2__quant random_quant(struct grower *g, float deviation, bool positive)
{
    int32_t zero_point = (int32_t)(positive && kchance(&g->k, 2) ? 0 : krange(&g->k, 60, 190));
    return (struct tf2__quant){
        .scale = deviation / SPREAD * kuniform(&g->k, 0.6f, 1.5f), .zero_point = zero_point};
}

static tf2_tensor_id pick(struct grower *g)
{
    return g->tensors[kchance(&g->k, 2) ? g->n - 1 : (uint32_t)krange(&g->k, 0, g->n - 1)];
}

/* Another tensor of the same shape but for an axis, or the same again. */
static tf2_tensor_id pick_like(struct grower *g, tf2_tensor_id like, uint32_t axis)
{
    for (int i = 0; i < 12; i++) {
        tf2_tensor_id id = g->tensors[krange(&g->k, 0, g->n - 1)];
        struct tf2_shape found = tensor_of(g, id)->shape;
        if (axis < found.n_dims)
            found.dim[axis] = tensor_of(g, like)->shape.dim[axis];
        if (tf2_shape_equal(&found, &tensor_of(g, like)->shape))
            return id;
    }
    return like;
}

/* ---- weights ---- */

static tf2_tensor_id weights(struct grower *g, struct tf2_shape shape, float *scale)
{
    const int64_t n = tf2_shape_count(&shape);
    int8_t *data = arena(g, n, 1);
    struct tf2__quant quant = {.scale = kuniform(&g->k, 0.001f, 0.01f)};
    *scale = quant.scale;
    for (int64_t i = 0; i < n; i++)
        data[i] = (int8_t)krange(&g->k, -127, 127);
    if (kchance(&g->k, 2)) {
        float *scales = arena(g, shape.dim[0], sizeof(*scales));
        for (int64_t o = 0; o < shape.dim[0]; o++)
            scales[o] = quant.scale * kuniform(&g->k, 0.5f, 1.5f);
        quant = (struct tf2__quant){.channel_scale = scales};
    }
    return constant(g, "w", TF2_DTYPE_S8, shape, &quant, data);
}

static tf2_tensor_id bias(struct grower *g, int64_t n)
{
    int32_t *data = arena(g, n, sizeof(*data));
    if (kchance(&g->k, 3))
        return TF2_NO_TENSOR;
    for (int64_t o = 0; o < n; o++)
        data[o] = (int32_t)krange(&g->k, -20000, 20000);
    return constant(g, "b", TF2_DTYPE_S32, KSHAPE(n), NULL, data);
}

/* The deviation of a sum of n products. */
static float sum_deviation(float x_scale, float w_scale, int64_t n)
{
    return SPREAD * x_scale * 73 * w_scale * sqrtf((float)n);
}

static tf2_tensor_id grow_conv(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = &g->k;
    const struct tf2__tensor from = *tensor_of(g, x);
    struct tf2_conv_attr attr = {.group = 1, .window = kwindow(k, from.shape.n_dims - 2)};
    struct tf2_shape shape = from.shape;
    float scale;
    shape.dim[0] = kchance(k, 3) ? from.shape.dim[1] : kchannels(k, 12);
    if (kchance(k, 4))
        attr.group = (int32_t)(shape.dim[0] = from.shape.dim[1]);
    shape.dim[1] /= attr.group;
    bool same = kchance(k, 2);
    if (same)
        attr.window = (struct tf2_window){.auto_pad = TF2_AUTO_PAD_SAME_UPPER};
    for (uint32_t d = 2; d < shape.n_dims; d++)
        shape.dim[d] = krange(k, 1, 3);
    tf2_tensor_id w = weights(g, shape, &scale);
    tf2_tensor_id in[4] = {x, w, bias(g, shape.dim[0]), TF2_NO_TENSOR};
    float deviation = sum_deviation(from.quant.scale, scale, tf2_shape_count(&shape) / shape.dim[0]) +
                      11000 * from.quant.scale * scale;
    struct tf2_activation activation = random_activation(g, 2 * deviation);
    struct tf2__quant quant = random_quant(g, deviation, activation.kind == TF2_ACTIVATION_RELU);
    if (same && shape.dim[0] == from.shape.dim[1])
        in[3] = pick_like(g, x, UINT32_MAX);
    if (kchance(k, 8))
        return add(g, TF2_OP_CONV, &attr, in, 3, &activation, NULL);
    return add(g, TF2_OP_CONV, &attr, in, in[3] == TF2_NO_TENSOR ? 3 : 4, &activation, &quant);
}

static tf2_tensor_id grow_gemm(struct grower *g, tf2_tensor_id x)
{
    const struct tf2__tensor from = *tensor_of(g, x);
    const int32_t axis = (int32_t)krange(&g->k, 0, from.shape.n_dims - 1);
    const struct tf2_gemm_attr attr = {.axis = kchance(&g->k, 2) ? 1 : axis};
    const int64_t n_out = krange(&g->k, 1, 20);
    int64_t n = 1;
    float scale;
    for (uint32_t d = (uint32_t)attr.axis; d < from.shape.n_dims; d++)
        n *= from.shape.dim[d];
    tf2_tensor_id w = weights(g, KSHAPE(n_out, n), &scale);
    float deviation = sum_deviation(from.quant.scale, scale, n) + 11000 * from.quant.scale * scale;
    struct tf2_activation activation = random_activation(g, deviation);
    struct tf2__quant quant = random_quant(g, deviation, false);
    return add(
        g, TF2_OP_GEMM, &attr, KIN(x, w, bias(g, n_out)), &activation, kchance(&g->k, 5) ? NULL : &quant);
}

/* ---- others ---- */

static tf2_tensor_id grow_pool(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = &g->k;
    const struct tf2__tensor from = *tensor_of(g, x);
    struct tf2_pool_attr attr = {
        .kind = (enum tf2_pool_kind)krange(k, 0, 1),
        .rounding = (enum tf2_pool_rounding)krange(k, 0, 1),
        .window = kwindow(k, from.shape.n_dims - 2),
        .count_include_pad = kchance(k, 2),
        .global = kchance(k, 6)};
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++) {
        attr.window.kernel[d] = (int32_t)krange(k, 2, 3);
        attr.window.pad_begin[d] = (int32_t)krange(k, 0, 1);
        attr.window.pad_end[d] = (int32_t)krange(k, 0, 1);
        if (!kchance(k, 4))
            attr.window.dilation[d] = 0;
    }
    struct tf2__quant quant = random_quant(g, from.quant.scale * SPREAD, false);
    struct tf2_activation activation = random_activation(g, SPREAD * from.quant.scale);
    bool to_float = attr.kind == TF2_POOL_AVG && kchance(k, 4);
    return add(g, TF2_OP_POOL, &attr, KIN(x), &activation, to_float ? NULL : &quant);
}

static tf2_tensor_id grow_eltwise(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = &g->k;
    struct tf2_eltwise_attr attr = {.kind = (enum tf2_eltwise_kind)krange(k, 0, 4)};
    const tf2_tensor_id in[3] = {x, pick_like(g, x, UINT32_MAX), pick_like(g, x, UINT32_MAX)};
    const float a = tensor_of(g, x)->quant.scale * SPREAD, b = tensor_of(g, in[1])->quant.scale * SPREAD;
    bool many = kchance(k, 3) && attr.kind != TF2_ELTWISE_SUB && attr.kind != TF2_ELTWISE_PROD;
    attr.has_coefficients = attr.kind == TF2_ELTWISE_SUM && kchance(k, 2);
    for (int i = 0; i < 3 && attr.has_coefficients; i++)
        attr.coefficient[i] = kuniform(k, -1.5f, 1.5f);
    struct tf2_activation activation = random_activation(g, a + b);
    struct tf2__quant quant =
        random_quant(g, attr.kind == TF2_ELTWISE_PROD ? a * b : sqrtf(a * a + b * b), false);
    return add(g, TF2_OP_ELTWISE, &attr, in, many ? 3 : 2, &activation, &quant);
}

static tf2_tensor_id grow_concat(struct grower *g, tf2_tensor_id x)
{
    const uint32_t n_dims = tensor_of(g, x)->shape.n_dims;
    const struct tf2_axis_attr attr = {.axis = (int32_t)krange(&g->k, n_dims > 1, n_dims - 1)};
    tf2_tensor_id other = pick_like(g, x, (uint32_t)attr.axis);
    float a = tensor_of(g, x)->quant.scale, b = tensor_of(g, other)->quant.scale;
    struct tf2__quant quant =
        kchance(&g->k, 3) ? tensor_of(g, x)->quant : random_quant(g, SPREAD * fmaxf(a, b), false);
    return add(g, TF2_OP_CONCAT, &attr, KIN(x, other), NULL, &quant);
}

/* A smooth function, one for all or one per channel: neighbours differ by two steps at most. */
static tf2_tensor_id grow_lookup(struct grower *g, tf2_tensor_id x)
{
    const struct tf2__tensor from = *tensor_of(g, x);
    bool per_channel = kchance(&g->k, 2) && from.shape.n_dims > 1;
    const int64_t n = per_channel ? from.shape.dim[1] : 1;
    uint8_t *table = arena(g, n, 256);
    for (int64_t c = 0; c < n; c++) {
        float slope = kuniform(&g->k, -0.9f, 0.9f);
        for (int q = 0; q < 256; q++)
            table[c * 256 + q] = (uint8_t)(128 + 110 * tanhf(slope * (float)(q - 128) / 110));
    }
    tf2_tensor_id t =
        constant(g, "table", TF2_DTYPE_U8, per_channel ? KSHAPE(n, 256) : KSHAPE(256), NULL, table);
    struct tf2__quant quant = {.scale = from.quant.scale, .zero_point = 128};
    struct tf2_activation activation = random_activation(g, SPREAD * quant.scale);
    return add(g, TF2_OP_LOOKUP, NULL, KIN(x, t), &activation, &quant);
}

/* Its table is near what the float operator computes, not the same: only an output reads it, so that the
 * difference of a step does not grow behind it. */
static tf2_tensor_id grow_lrn(struct grower *g, tf2_tensor_id x)
{
    enum { N_TABLE = 65536 };
    const struct tf2__tensor from = *tensor_of(g, x);
    const struct tf2_lrn_attr attr = {.size = 5, .alpha = 0.02f, .beta = 0.75f, .k = 1};
    struct tf2__quant quant = random_quant(g, SPREAD * from.quant.scale, false);
    float *table = arena(g, N_TABLE, sizeof(*table));
    if (from.shape.n_dims < 2 || from.quant.scale > 1) /* ONNX Runtime's sums of large squares cancel out */
        return TF2_NO_TENSOR;
    assert_true(tf2__lrn_table(&attr, &from.quant, &quant, N_TABLE, table));
    tf2_tensor_id t = constant(g, "table", TF2_DTYPE_F32, KSHAPE(N_TABLE), NULL, table);
    return add(g, TF2_OP_LRN, &attr, KIN(x, t), NULL, &quant);
}

/* Operators that move bytes. */
static tf2_tensor_id grow_move(struct grower *g, tf2_tensor_id x)
{
    struct kgraph *k = &g->k;
    const struct tf2__tensor from = *tensor_of(g, x);
    const uint32_t n_dims = from.shape.n_dims;
    struct tf2_slice_attr slice = {.n_dims = n_dims};
    struct tf2_transpose_attr transpose = {.n_dims = n_dims};
    struct tf2_pad_attr pad = {.n_dims = n_dims, .mode = (enum tf2_pad_mode)krange(k, 0, 2)};
    struct tf2_resize_attr resize = {.nearest = TF2_RESIZE_FLOOR, .coordinates = TF2_RESIZE_ASYMMETRIC};
    const struct tf2_reshape_attr reshape = {.n_dims = 3, .dim = {0, -1, 1}};
    for (uint32_t d = 0; d < n_dims; d++) {
        slice.end[d] = d == 1 ? (from.shape.dim[d] + 1) / 2 : INT64_MAX;
        transpose.perm[d] = d < 2 ? d : n_dims + 1 - d;
        pad.begin[d] = d >= 2;
    }
    pad.value = pad.mode == TF2_PAD_CONSTANT ? kuniform(k, -1, 1) * from.quant.scale * SPREAD : 0;
    for (uint32_t d = 0; d < TF2_MAX_SPATIAL; d++)
        resize.scale[d] = 2;
    switch (krange(k, 0, 6)) {
    case 0:
        return add(g, TF2_OP_SLICE, &slice, KIN(x), NULL, &from.quant);
    case 1:
        return add(g, TF2_OP_TRANSPOSE, &transpose, KIN(x), NULL, &from.quant);
    case 2:
        return add(g, TF2_OP_PAD, &pad, KIN(x), NULL, &from.quant);
    case 3:
        return n_dims < 3 ? TF2_NO_TENSOR : add(g, TF2_OP_RESIZE, &resize, KIN(x), NULL, &from.quant);
    case 4:
        return add(g, TF2_OP_RESHAPE, &reshape, KIN(x), NULL, &from.quant);
    case 5:
        return add(g, TF2_OP_FLATTEN, &(struct tf2_axis_attr){.axis = 1}, KIN(x), NULL, &from.quant);
    default:
        return add(g, TF2_OP_IDENTITY, NULL, KIN(x), NULL, &from.quant);
    }
}

static tf2_tensor_id grow_one(struct grower *g)
{
    tf2_tensor_id x = pick(g);
    bool is_map = tensor_of(g, x)->shape.n_dims >= 3;
    switch (krange(&g->k, 0, 11)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return is_map ? grow_conv(g, x) : grow_gemm(g, x);
    case 4:
        return grow_gemm(g, x);
    case 5:
        return is_map ? grow_pool(g, x) : grow_lookup(g, x);
    case 6:
        return grow_eltwise(g, x);
    case 7:
        return grow_concat(g, x);
    case 8:
        return grow_lookup(g, x);
    case 9:
        return grow_lrn(g, x);
    default:
        return grow_move(g, x);
    }
}

/* The network's input as u8: plainly, or as a preprocessed image has it, read by a convolution. */
static tf2_tensor_id grow_input(struct grower *g)
{
    struct kgraph *k = &g->k;
    uint32_t n_spatial = (uint32_t)(kchance(k, 4) ? krange(k, 1, 3) : 2);
    struct tf2_shape shape = kmap_shape(k, 8, n_spatial, n_spatial == 3 ? 4 : 9);
    const tf2_tensor_id x = kinput(k, shape);
    struct tf2__quant quant = random_quant(g, 1.1f, false);
    struct tf2_activation activation = {0};
    if (kchance(k, 3))
        activation = random_activation(g, 1.5f);
    if (kchance(k, 2))
        return add(g, TF2_OP_QUANTIZE, NULL, KIN(x), &activation, &quant);
    uint8_t *zero_points = arena(g, shape.dim[1], 1);
    for (int64_t c = 0; c < shape.dim[1]; c++)
        zero_points[c] = (uint8_t)krange(k, 90, 160);
    quant.channel_zero_point = zero_points;
    enum kdata before = k->data;
    tf2_tensor_id offset = kchance(k, 2) ? kconstant(k, KSHAPE(shape.dim[1])) : TF2_NO_TENSOR;
    k->data = before;
    tf2_tensor_id u8 = add(g, TF2_OP_QUANTIZE, NULL, KIN(x, offset), &activation, &quant);
    struct tf2_conv_attr attr = {.window = {.auto_pad = TF2_AUTO_PAD_SAME_LOWER}};
    struct tf2_shape w_shape = shape;
    float scale;
    w_shape.dim[0] = kchannels(k, 12);
    for (uint32_t d = 2; d < w_shape.n_dims; d++)
        w_shape.dim[d] = 3;
    tf2_tensor_id w = weights(g, w_shape, &scale);
    struct tf2__quant out =
        random_quant(g, sum_deviation(quant.scale, scale, tf2_shape_count(&w_shape) / w_shape.dim[0]), false);
    return add(g, TF2_OP_CONV, &attr, KIN(u8, w), NULL, &out);
}

static void output_as_float(struct grower *g, tf2_tensor_id id)
{
    if (tensor_of(g, id)->dtype == TF2_DTYPE_U8)
        id = add(g, TF2_OP_DEQUANTIZE, NULL, KIN(id), NULL, NULL);
    koutput(&g->k, id);
}

static struct tf2_model *grow(uint64_t seed)
{
    const struct tf2_import_options options = {.no_optimize = true};
    struct grower g = {.n = 0};
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    kgraph_open(&g.k, seed);
    g.tensors[g.n++] = grow_input(&g);
    int64_t n = krange(&g.k, 2, 12);
    for (int64_t i = 0; i < n; i++) {
        tf2_tensor_id id = grow_one(&g);
        if (id == TF2_NO_TENSOR || tf2_shape_count(&tensor_of(&g, id)->shape) > 20000)
            continue;
        bool is_leaf = tensor_of(&g, id)->dtype == TF2_DTYPE_F32 ||
                       g.k.graph->nodes[tensor_of(&g, id)->producer].op->id == TF2_OP_LRN;
        if (!is_leaf)
            g.tensors[g.n++] = id;
        if (is_leaf || kchance(&g.k, 2))
            output_as_float(&g, id);
    }
    output_as_float(&g, g.tensors[g.n - 1]);
    if (tf2_model_from_graph(&g.k.graph, "random", &options, &model, &error) != TF2_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.message);
    kgraph_close(&g.k);
    return model;
}

/* ---- running ---- */

static const char *directory(void)
{
    return getenv("TF2_TEST_EXPORT_DIR");
}

static void keep_array(uint64_t seed, const char *what, const struct tf2_tensor_info *info, const void *data)
{
    char path[512];
    struct tf2_error error = {0};
    snprintf(
        path, sizeof(path), "%s/int8_%llu.%s.%s.npy", directory(), (unsigned long long)seed, what,
        info->name);
    if (tf2_npy_save(path, TF2_DTYPE_F32, &info->shape, data, &error) != TF2_OK)
        fail_msg("%s", error.message);
}

/* On the host device; inputs and outputs stay in the folder. */
static void run(const struct tf2_model *model, struct tf2_devices *devices, uint64_t seed)
{
    struct tf2_session *session = NULL;
    struct tf2_error error = {0};
    struct tf2_tensor_info info;
    const void *inputs[1];
    void *outputs[MAX_TENSORS];
    assert_int_equal(tf2_model_input(model, 0, &info), TF2_OK);
    const size_t n = (size_t)tf2_shape_count(&info.shape);
    float *x = malloc(n * sizeof(*x));
    kfill(x, n, seed, KDATA_SIGNED);
    keep_array(seed, "in", &info, x);
    inputs[0] = x;
    for (size_t i = 0; tf2_model_output(model, i, &info) == TF2_OK; i++)
        outputs[i] = malloc((size_t)tf2_shape_count(&info.shape) * sizeof(float));
    enum tf2_status status = tf2_session_create(model, devices, 0, NULL, &session, &error);
    if (status == TF2_OK)
        status = tf2_session_run(session, inputs, outputs, &error);
    if (status != TF2_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, error.message);
    for (size_t i = 0; tf2_model_output(model, i, &info) == TF2_OK; i++) {
        keep_array(seed, "out", &info, outputs[i]);
        free(outputs[i]);
    }
    free(x);
    tf2_session_destroy(&session);
}

/* ---- the file ---- */

static Tf2__Onnx__ModelProto *read_file(const char *path)
{
    struct tf2__file file;
    struct tf2_error error = {0};
    if (tf2__file_map(path, &file, &error) != TF2_OK)
        fail_msg("%s", error.message);
    Tf2__Onnx__ModelProto *model = tf2__onnx__model_proto__unpack(NULL, file.size_bytes, file.data);
    tf2__file_unmap(&file);
    assert_non_null(model);
    return model;
}

/* What of a value is known: its place in `kinds`. */
enum kind { FLOAT, INTEGER, OTHER };

/* Initializers by their type: u8, s8, s32 are integers that only conversions may read. */
static void declare_initializers(const Tf2__Onnx__GraphProto *graph, struct tf2__strmap *kinds)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const Tf2__Onnx__TensorProto *t = graph->initializer[i];
        assert_int_equal(tf2__strmap_get(kinds, t->name), TF2__STRMAP_NONE);
        tf2__strmap_set(kinds, t->name, t->data_type == 1 ? FLOAT : t->data_type == 7 ? OTHER : INTEGER);
    }
}

static void check_node(const Tf2__Onnx__NodeProto *node, struct tf2__strmap *kinds)
{
    const char *type = node->op_type;
    bool from_integers = strcmp(type, "DequantizeLinear") == 0 || strcmp(type, "Cast") == 0;
    bool table = strcmp(type, "Gather") == 0 || strcmp(type, "Add") == 0; /* of a lookup */
    for (size_t i = 0; i < node->n_input; i++) {
        uint32_t kind = *node->input[i] ? tf2__strmap_get(kinds, node->input[i]) : OTHER;
        if (kind == TF2__STRMAP_NONE)
            fail_msg("%s reads %s, which is not there yet", node->name, node->input[i]);
        if (i == 0 && !table)
            assert_int_equal(kind, from_integers ? INTEGER : FLOAT);
    }
    assert_int_equal(node->n_output, 1);
    assert_int_equal(tf2__strmap_get(kinds, node->output[0]), TF2__STRMAP_NONE);
    bool integers =
        strcmp(type, "QuantizeLinear") == 0 || strcmp(type, "Gather") == 0 || strcmp(type, "Cast") == 0;
    tf2__strmap_set(kinds, node->output[0], integers ? INTEGER : FLOAT);
}

static void check_file(const char *path, const struct tf2_graph *graph)
{
    struct tf2__strmap kinds;
    Tf2__Onnx__ModelProto *model = read_file(path);
    tf2__strmap_init(&kinds, NULL);
    declare_initializers(model->graph, &kinds);
    assert_int_equal(model->graph->n_input, graph->n_inputs);
    assert_int_equal(model->graph->n_output, graph->n_outputs);
    tf2__strmap_set(&kinds, model->graph->input[0]->name, FLOAT);
    for (size_t i = 0; i < model->graph->n_node; i++)
        check_node(model->graph->node[i], &kinds);
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        assert_string_equal(model->graph->output[i]->name, graph->outputs[i].name);
        assert_int_equal(tf2__strmap_get(&kinds, graph->outputs[i].name), FLOAT);
    }
    tf2__strmap_finish(&kinds);
    tf2__onnx__model_proto__free_unpacked(model, NULL);
}

static void test_random_graphs(void **state)
{
    struct tf2_devices *devices = NULL;
    struct tf2_error error = {0};
    uint64_t first, n;
    (void)state;
    if (tf2_devices_open("host", NULL, &devices, &error) != TF2_OK)
        fail_msg("%s", error.message);
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct tf2_model *model = grow(seed);
        char path[512];
        if (directory())
            snprintf(path, sizeof(path), "%s/int8_%llu.onnx", directory(), (unsigned long long)seed);
        else
            snprintf(path, sizeof(path), "test_export_int8_%ld.onnx", (long)getpid());
        enum tf2_status status = tf2_model_export_onnx(model, path, &error);
        if (status != TF2_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, error.message);
        check_file(path, model->graph);
        if (directory())
            run(model, devices, seed);
        else
            remove(path);
        tf2_model_destroy(&model);
    }
    tf2_devices_close(&devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    return cmocka_run_group_tests_name("export_int8", tests, NULL, NULL);
}
