/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_ops_smooth.c: activations that are several of the graph's: Celu, Gelu, Mish, Selu, Softplus, Softsign.
 */
#include "transform/import/onnx/internal.h"

#include <math.h>

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow. */
static enum tf2_status softplus(
    struct tf2__onnx *onnx, const struct tf2__onnx_node *node, tf2_tensor_id x, tf2_tensor_id *out,
    struct tf2_error *error)
{
    tf2_tensor_id rest = x;
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_RELU, 0, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ABS, 0, 0, &rest, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, -1, 0, &rest, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_EXP, 0, 0, &rest, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 1, 1, &rest, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_LOG, 0, 0, &rest, error));
    return tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_SUM, x, rest, out, error);
}

enum tf2_status
tf2__onnx_convert_softplus(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(softplus(onnx, node, x, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* x tanh(softplus(x)) */
enum tf2_status
tf2__onnx_convert_mish(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x, gate;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(softplus(onnx, node, x, &gate, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_TANH, 0, 0, &gate, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, x, gate, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* x / (1 + |x|) */
enum tf2_status
tf2__onnx_convert_softsign(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    tf2_tensor_id x, divisor;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    divisor = x;
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ABS, 0, 0, &divisor, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 1, 1, &divisor, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_DIV, x, divisor, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* max(x, 0) + min(0, alpha (exp(x / alpha) - 1)) = alpha elu(x / alpha) */
enum tf2_status
tf2__onnx_convert_celu(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const float alpha = tf2__onnx_attr_float(node, "alpha", 1);
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    if (!(alpha > 0))
        return tf2__fail(error, TF2_ERR_UNSUPPORTED, "alpha is %g, wanted more than 0", (double)alpha);
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 1 / alpha, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ELU, 1, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, alpha, 0, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* gamma elu(x) */
enum tf2_status
tf2__onnx_convert_selu(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    const float alpha = tf2__onnx_attr_float(node, "alpha", 1.67326319217681884765625f);
    const float gamma = tf2__onnx_attr_float(node, "gamma", 1.05070102214813232421875f);
    tf2_tensor_id x;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ELU, alpha, 0, &x, error));
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, gamma, 0, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}

/* x / 2 (1 + erf(x / sqrt(2))), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) in place of erf. */
enum tf2_status
tf2__onnx_convert_gelu(struct tf2__onnx *onnx, const struct tf2__onnx_node *node, struct tf2_error *error)
{
    static const char *const words[] = {"none", "tanh"};
    tf2_tensor_id x, gate, cube;
    int word = 0;
    TF2__TRY(tf2__onnx_data(onnx, node, 0, &x, error));
    TF2__TRY(tf2__onnx_attr_word(node, "approximate", words, TF2__COUNT(words), &word, error));
    gate = x;
    if (word == 0) {
        TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, (float)sqrt(0.5), 0, &gate, error));
        TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_ERF, 0, 0, &gate, error));
    } else {
        const float factor = (float)sqrt(2 / 3.14159265358979323846);
        TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, x, x, &cube, error));
        TF2__TRY(
            tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 0.044715f * factor, factor, &cube, error));
        TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, x, cube, &gate, error));
        TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_TANH, 0, 0, &gate, error));
    }
    TF2__TRY(tf2__onnx_part_act(onnx, node, TF2_ACTIVATION_AFFINE, 0.5f, 0.5f, &gate, error));
    TF2__TRY(tf2__onnx_part_eltwise(onnx, node, TF2_ELTWISE_PROD, x, gate, &x, error));
    return tf2__onnx_result(onnx, node, x, error);
}
