/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_dense.c: matrix products (Gemm, MatMul) and BatchNormalization.
 *
 * The graph's gemm wants the weights as [outputs, inputs] and one bias for each output; what does not have
 * this form is brought into it here, on constants.
 */
#include "transform/import/onnx/internal.h"

/* The integers behind a matrix [rows, columns], for the constant that is its transpose. */
static enum tf2_status turn_steps(
    struct tf2__onnx *onnx, const struct tf2__onnx_array *b, int64_t rows, int64_t columns, tf2_tensor_id id,
    struct tf2_error *error)
{
    struct tf2__steps *steps = tf2__arena_alloc(&onnx->graph->arena, 1, sizeof(*steps));
    const uint32_t columns_axis = b->shape.n_dims - 1;
    void *data;
    if (!steps)
        return tf2__fail_memory(error, sizeof(*steps), "a quantized constant");
    if (b->shape.n_dims < 2 || (b->steps->n_scales > 1 && b->steps->axis + 1 < columns_axis))
        return TF2_OK;
    TF2__TRY(tf2__onnx_alloc(onnx, rows * columns, sizeof(int32_t), true, &data, error));
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++)
            ((int32_t *)data)[c * rows + r] = b->steps->step[r * columns + c];
    }
    *steps = *b->steps;
    steps->step = data;
    steps->axis = b->steps->axis == columns_axis ? 0 : 1;
    onnx->graph->tensors[id].steps = steps;
    return TF2_OK;
}

/* A new constant [columns, rows] with result[c][r] = factor * matrix[r][c], or with transposed == false
 * [rows, columns] and no change of order. */
static enum tf2_status add_weights(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const struct tf2__onnx_array *b, int64_t rows,
    int64_t columns, bool transposed, float factor, tf2_tensor_id *id, struct tf2_error *error)
{
    struct tf2_shape shape = {.n_dims = 2, .dim = {rows, columns}};
    const float *matrix = b->data;
    void *data;
    TF2__TRY(tf2__onnx_charge(onnx, (uint64_t)rows * (uint64_t)columns * sizeof(float), error));
    TF2__TRY(tf2__onnx_alloc(onnx, rows * columns, sizeof(float), true, &data, error));
    float *result = data;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++)
            result[transposed ? c * rows + r : r * columns + c] = factor * matrix[r * columns + c];
    }
    if (transposed)
        shape = (struct tf2_shape){.n_dims = 2, .dim = {columns, rows}};
    TF2__TRY(tf2__onnx_emit_constant(onnx, node, "weights", &shape, result, id, error));
    return b->steps && factor == 1 && transposed ? turn_steps(onnx, b, rows, columns, *id, error) : TF2_OK;
}

/* ---- Gemm: alpha * A * B + beta * C ---- */

static enum tf2_status gemm_weights(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id *id, struct tf2_error *error)
{
    const struct tf2__onnx_array *b;
    bool transposed = tf2__onnx_attr_int(node, "transB", 0) != 0;
    float alpha = tf2__onnx_attr_float(node, "alpha", 1.0f);
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 1, &b, error));
    if (b->shape.n_dims != 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "B has %u dimensions, wanted 2", b->shape.n_dims);
    if (transposed && alpha == 1)
        return tf2__onnx_data(onnx, node, 1, id, error);
    return add_weights(onnx, node, b, b->shape.dim[0], b->shape.dim[1], !transposed, alpha, id, error);
}

/* True when C is a constant with one number for each column, or one for all. */
static bool is_bias(const struct tf2__onnx_value *c, int64_t n_out)
{
    if (c->state != TF2__ONNX_CONST || c->constant->equal != TF2__ONNX_ALL_LANES ||
        !tf2__onnx_is_float(c->constant->array[0].type))
        return false;
    const struct tf2__onnx_array *array = &c->constant->array[0];
    if (array->shape.n_dims > 2)
        return false;
    return array->count == 1 || (array->count == n_out && array->shape.dim[array->shape.n_dims - 1] == n_out);
}

static enum tf2_status gemm_bias(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, int64_t n_out, tf2_tensor_id *id,
    struct tf2_error *error)
{
    struct tf2_shape shape = {.n_dims = 1, .dim = {n_out}};
    const struct tf2__onnx_array *c;
    float beta = tf2__onnx_attr_float(node, "beta", 1.0f);
    void *data;
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 2, &c, error));
    if (tf2_shape_equal(&c->shape, &shape) && beta == 1)
        return tf2__onnx_data(onnx, node, 2, id, error);
    TF2__TRY(tf2__onnx_alloc(onnx, n_out, sizeof(float), true, &data, error));
    for (int64_t i = 0; i < n_out; i++)
        ((float *)data)[i] = beta * ((const float *)c->data)[c->count == 1 ? 0 : i];
    return tf2__onnx_emit_constant(onnx, node, "bias", &shape, data, id, error);
}

/* C is a matrix or computed: a node of its own adds it. */
static enum tf2_status gemm_add(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, const tf2_tensor_id *in,
    struct tf2_error *error)
{
    struct tf2_gemm_attr attr = {.axis = 1};
    struct tf2_eltwise_attr sum = {.kind = TF2_ELTWISE_SUM, .coefficient = {1, 1}};
    tf2_tensor_id terms[2];
    sum.coefficient[1] = tf2__onnx_attr_float(node, "beta", 1.0f);
    sum.has_coefficients = sum.coefficient[1] != 1;
    TF2__TRY(tf2__onnx_data(onnx, node, 2, &terms[1], error));
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "product", TF2_OP_GEMM, &attr, in, 2, &terms[0], error));
    struct tf2_shape shape, product = *tf2__onnx_shape(onnx, terms[0], 0);
    if (!tf2__onnx_broadcast(&product, tf2__onnx_shape(onnx, terms[1], 0), &shape) ||
        !tf2_shape_equal(&shape, &product))
        return tf2__fail(error, TF2_ERR_SHAPE, "C does not broadcast to the product");
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_ELTWISE, &sum, terms, 2, &terms[0], error);
}

enum tf2_status
tf2__onnx_convert_gemm(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_gemm_attr attr = {.axis = 1};
    const struct tf2__onnx_value *c = tf2__onnx_in(onnx, node, 2);
    tf2_tensor_id in[3], out;
    if (tf2__onnx_attr_int(node, "transA", 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "transA 1 is not supported");
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &in[0], error));
    if (tf2__onnx_shape(onnx, in[0], 0)->n_dims != 2)
        return tf2__fail(
            error, TF2_ERR_SHAPE, "A has %u dimensions, wanted 2", tf2__onnx_shape(onnx, in[0], 0)->n_dims);
    TF2__TRY(gemm_weights(onnx, node, &in[1], error));
    int64_t n_out = tf2__onnx_shape(onnx, in[1], 0)->dim[0];
    if (!c || tf2__onnx_attr_float(node, "beta", 1.0f) == 0)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_GEMM, &attr, in, 2, &out, error);
    if (!is_bias(c, n_out))
        return gemm_add(onnx, node, in, error);
    TF2__TRY(gemm_bias(onnx, node, n_out, &in[2], error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_GEMM, &attr, in, 3, &out, error);
}

/* ---- MatMul: the last dimension of A with a constant matrix ---- */

/* B as a matrix: a vector is one column, leading extents of 1 are dropped. */
static enum tf2_status matmul_extents(
    const struct tf2_shape *b, uint32_t a_dims, int64_t *rows, int64_t *columns, struct tf2_error *error)
{
    char text[128];
    bool ok = b->n_dims > 0 && b->n_dims <= TF2__MAX(a_dims, 2);
    for (uint32_t d = 0; d + 2 < b->n_dims; d++)
        ok = ok && b->dim[d] == 1;
    if (!ok)
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "B of shape %s: only one matrix (or vector) for the whole batch is supported",
            tf2_shape_format(b, text, sizeof(text)));
    *rows = b->dim[b->n_dims - (b->n_dims > 1 ? 2 : 1)];
    *columns = b->n_dims > 1 ? b->dim[b->n_dims - 1] : 1;
    return TF2_OK;
}

enum tf2_status
tf2__onnx_convert_matmul(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_gemm_attr attr = {.axis = -1};
    const struct tf2__onnx_array *b;
    tf2_tensor_id in[2], out;
    int64_t rows = 0, columns = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &in[0], error));
    TF2__TRY(tf2__onnx_known_floats(onnx, node, 1, &b, error));
    uint32_t n_dims = tf2__onnx_shape(onnx, in[0], 0)->n_dims;
    if (n_dims < 2)
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "A has %u dimensions, wanted 2 or more", n_dims);
    TF2__TRY(matmul_extents(&b->shape, n_dims, &rows, &columns, error));
    TF2__TRY(add_weights(onnx, node, b, rows, columns, true, 1, &in[1], error));
    if (b->shape.n_dims > 1)
        return tf2__onnx_emit(onnx, node, 0, TF2_OP_GEMM, &attr, in, 2, &out, error);
    struct tf2_axes_attr last = {.axes = 1u << (n_dims - 1)};
    TF2__TRY(tf2__onnx_emit_part(onnx, node, "product", TF2_OP_GEMM, &attr, in, 2, &out, error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_SQUEEZE, &last, &out, 1, &out, error);
}

/* ---- BatchNormalization ---- */

/* momentum only matters in training; the outputs beyond the first exist only there. */
enum tf2_status tf2__onnx_convert_batch_norm(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    struct tf2_batch_norm_attr attr = {.epsilon = tf2__onnx_attr_float(node, "epsilon", 1e-5f)};
    tf2_tensor_id in[5], out;
    if (tf2__onnx_attr_int(node, "training_mode", 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "training_mode 1: export the model for inference");
    if (!tf2__onnx_attr_int(node, "spatial", 1))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "spatial 0 (statistics per pixel) is not supported");
    for (size_t i = 0; i < 5; i++)
        TF2__TRY(tf2__onnx_data(onnx, node, i, &in[i], error));
    return tf2__onnx_emit(onnx, node, 0, TF2_OP_BATCH_NORM, &attr, in, 5, &out, error);
}
