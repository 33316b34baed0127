/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_ops_dense.c: matrix products, biases, batch normalization.
 */
#include "transform/import/tf/internal.h"

/* The last two dimensions swapped. */
static enum tf2_status swap_last(
    struct tf2__tf *tf, const struct tf2__tf_node *node, struct tf2__onnx_value **x, struct tf2_error *error)
{
    const uint32_t n = tf2__tf_shape_of(tf, *x)->n_dims;
    int64_t perm[TF2_MAX_DIMS];
    if (n < 2)
        return tf2__fail(error, TF2_ERR_SHAPE, "a matrix of %u dimensions, wanted 2 or more", n);
    for (uint32_t d = 0; d < n; d++)
        perm[d] = d + 2 < n ? d : d + 1 < n ? n - 1 : n - 2;
    return tf2__tf_run_transpose(tf, node, *x, perm, n, "transposed", x, error);
}

enum tf2_status tf2__tf_convert_matmul(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    static const char *const names[2][2] = {{"transpose_a", "adj_x"}, {"transpose_b", "adj_y"}};
    struct tf2__onnx_value *in[2], *out;
    for (size_t i = 0; i < 2; i++) {
        TF2__TRY(tf2__tf_file(tf, node, i, &in[i], error));
        if (tf2__tf_attr_bool(node, names[i][0], false) || tf2__tf_attr_bool(node, names[i][1], false))
            TF2__TRY(swap_last(tf, node, &in[i], error));
    }
    TF2__TRY(tf2__tf_run_plain(tf, node, "MatMul", 2, in, NULL, &out, error));
    tf2__tf_set_file(node, 0, out);
    return TF2_OK;
}

/* One number for each channel, which is dimension 1 in NCHW. */
enum tf2_status
tf2__tf_convert_bias_add(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__tf_value *x = tf2__tf_in(tf, node, 0), *bias = tf2__tf_in(tf, node, 1), lifted = {0};
    struct tf2__onnx_value *in[2];
    int64_t axes[TF2_MAX_DIMS];
    bool last;
    TF2__TRY(tf2__tf_channels_last(node, &last, error));
    const uint32_t n_dims = tf2__tf_rank(tf, x);
    if (last || n_dims < 3)
        return tf2__tf_binary(tf, node, "Add", x, bias, error);
    TF2__TRY(tf2__tf_as_file(tf, node, bias, &in[0], error));
    for (uint32_t d = 0; d + 2 < n_dims; d++)
        axes[d] = d + 1;
    TF2__TRY(tf2__tf_make_ints(tf, node, axes, n_dims - 2, &in[1], error));
    TF2__TRY(tf2__tf_run_plain(tf, node, "Unsqueeze", 2, in, "lifted", &lifted.file, error));
    return tf2__tf_binary(tf, node, "Add", x, &lifted, error);
}

/* scale, offset, mean, variance */
static enum tf2_status run_batch_norm(
    struct tf2__tf *tf, struct tf2__tf_node *node, bool last, struct tf2__onnx_value *const *statistics,
    float epsilon, struct tf2_error *error)
{
    struct tf2__onnx_value *in[5], *out;
    struct tf2__tf_call call;
    TF2__TRY(last ? tf2__tf_first(tf, node, 0, &in[0], error) : tf2__tf_file(tf, node, 0, &in[0], error));
    memcpy(in + 1, statistics, 4 * sizeof(*in));
    tf2__tf_call_init(&call, "BatchNormalization", 5, in);
    tf2__tf_call_float(&call, "epsilon", epsilon);
    TF2__TRY(tf2__tf_run(tf, node, &call, NULL, &out, error));
    tf2__tf_set(node, 0, last, out);
    return TF2_OK;
}

enum tf2_status
tf2__tf_convert_batch_norm(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    struct tf2__onnx_value *statistics[4];
    bool last;
    if (tf2__tf_attr_bool(node, "is_training", true))
        return tf2__fail(
            error, TF2_ERR_UNSUPPORTED,
            "is_training is true, so that the statistics are those of a batch: export the network for "
            "inference");
    TF2__TRY(tf2__tf_channels_last(node, &last, error));
    for (size_t i = 0; i < 4; i++)
        TF2__TRY(tf2__tf_file(tf, node, i + 1, &statistics[i], error));
    return run_batch_norm(tf, node, last, statistics, tf2__tf_attr_float(node, "epsilon", 1e-4f), error);
}

/* BatchNormWithGlobalNormalization: map, mean, variance, beta, gamma, which only counts with
 * scale_after_normalization. */
enum tf2_status
tf2__tf_convert_old_batch_norm(struct tf2__tf *tf, struct tf2__tf_node *node, struct tf2_error *error)
{
    static const size_t place[4] = {4, 3, 1, 2};
    struct tf2__onnx_value *statistics[4];
    for (size_t i = 0; i < 4; i++)
        TF2__TRY(tf2__tf_file(tf, node, place[i], &statistics[i], error));
    if (!tf2__tf_attr_bool(node, "scale_after_normalization", false))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "scale_after_normalization false is not supported");
    return run_batch_norm(
        tf, node, true, statistics, tf2__tf_attr_float(node, "variance_epsilon", 1e-4f), error);
}
