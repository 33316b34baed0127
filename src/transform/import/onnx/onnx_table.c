/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onnx_table.c: the operators that can be imported, sorted by name.
 *
 * Adding one: a row here, a function in an onnx_ops_*.c file (data) or onnx_fold_*.c file (known numbers),
 * its name in the list of internal.h, a test. Attributes that do not concern inference are listed and not
 * read.
 */
#include "transform/import/onnx/internal.h"

#include <stdlib.h>

#define FOLD(f) tf2__onnx_fold_##f
#define CONV(f) tf2__onnx_convert_##f

#define WINDOW_ATTRS "auto_pad:s dilations:I kernel_shape:I pads:I strides:I"
#define RESIZE_ATTRS                                                                                         \
    "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "                 \
    "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s"
#define CONSTANT_ATTRS "value:t value_float:f value_floats:F value_int:i value_ints:I"
#define REDUCE_ATTRS "axes:I keepdims:i noop_with_empty_axes:i"

/* clang-format off */
/*   name                since until  in: min max  out: max  shape only  attributes, fold, convert */
static const struct tf2__onnx_op ops[] = {
    {"Abs",                    1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"Add",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(binary)},
    {"And",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(logic)},
    {"AveragePool",            1, 0, 1, 1, 1, false, WINDOW_ATTRS " ceil_mode:i count_include_pad:i", NULL,
                                                     CONV(average_pool)},
    {"BatchNormalization",     1, 0, 5, 5, 1, false, "epsilon:f momentum:f spatial:i training_mode:i", NULL,
                                                     CONV(batch_norm)},
    {"Cast",                   1, 0, 1, 1, 1, false, "saturate:i to:i", FOLD(cast), CONV(cast)},
    {"Ceil",                   1, 0, 1, 1, 1, false, "", FOLD(unary), NULL},
    {"Celu",                  12, 0, 1, 1, 1, false, "alpha:f", NULL, CONV(celu)},
    {"Clip",                   1, 0, 1, 3, 1, false, "max:x min:x", FOLD(clip), CONV(clip)},
    {"Concat",                 1, 0, 1, -1, 1, false, "axis:i", FOLD(concat), CONV(concat)},
    {"Constant",               1, 0, 0, 0, 1, false, CONSTANT_ATTRS, FOLD(constant), NULL},
    {"ConstantOfShape",        9, 0, 1, 1, 1, false, "value:t", FOLD(constant_of_shape), NULL},
    {"Conv",                   1, 0, 2, 3, 1, false, WINDOW_ATTRS " group:i", NULL, CONV(conv)},
    {"ConvTranspose",          1, 0, 2, 3, 1, false, WINDOW_ATTRS " group:i output_padding:I output_shape:I", NULL,
                                                     CONV(conv_transpose)},
    {"DepthToSpace",           1, 0, 1, 1, 1, false, "blocksize:i mode:s", NULL, CONV(depth_to_space)},
    {"DequantizeLinear",      10, 0, 2, 3, 1, false, "axis:i block_size:i", FOLD(dequantize), CONV(dequantize)},
    {"Div",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(binary)},
    {"Dropout",                1, 0, 1, 3, 1, false, "ratio:f seed:i", NULL, CONV(dropout)},
    {"Elu",                    1, 0, 1, 1, 1, false, "alpha:f", NULL, CONV(act)},
    {"Equal",                  7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(compare)},
    {"Erf",                    9, 0, 1, 1, 1, false, "", NULL, CONV(act)},
    {"Exp",                    1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"Expand",                 8, 0, 2, 2, 1, false, "", FOLD(expand), CONV(expand)},
    {"Flatten",                1, 0, 1, 1, 1, false, "axis:i", FOLD(flatten), CONV(flatten)},
    {"Floor",                  1, 0, 1, 1, 1, false, "", FOLD(unary), NULL},
    {"Gather",                 1, 0, 2, 2, 1, false, "axis:i", FOLD(gather), CONV(gather)},
    {"GatherND",              11, 0, 2, 2, 1, false, "batch_dims:i", NULL, CONV(gather_nd)},
    {"Gelu",                  20, 0, 1, 1, 1, false, "approximate:s", NULL, CONV(gelu)},
    {"Gemm",                   7, 0, 2, 3, 1, false, "alpha:f beta:f transA:i transB:i", NULL, CONV(gemm)},
    {"GlobalAveragePool",      1, 0, 1, 1, 1, false, "", NULL, CONV(global_pool)},
    {"GlobalMaxPool",          1, 0, 1, 1, 1, false, "", NULL, CONV(global_pool)},
    {"Greater",                7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(compare)},
    {"GreaterOrEqual",        12, 0, 2, 2, 1, false, "", FOLD(binary), CONV(compare)},
    {"GroupNormalization",    18, 0, 3, 3, 1, false, "epsilon:f num_groups:i stash_type:i", NULL, CONV(group_norm)},
    {"HardSigmoid",            1, 0, 1, 1, 1, false, "alpha:f beta:f", NULL, CONV(act)},
    {"HardSwish",             14, 0, 1, 1, 1, false, "", NULL, CONV(act)},
    {"Identity",               1, 0, 1, 1, 1, false, "", FOLD(identity), CONV(identity)},
    {"InstanceNormalization",  6, 0, 3, 3, 1, false, "epsilon:f", NULL, CONV(instance_norm)},
    {"LRN",                    1, 0, 1, 1, 1, false, "alpha:f beta:f bias:f size:i", NULL, CONV(lrn)},
    {"LayerNormalization",    17, 0, 2, 3, 1, false, "axis:i epsilon:f stash_type:i", NULL, CONV(layer_norm)},
    {"LeakyRelu",              1, 0, 1, 1, 1, false, "alpha:f", NULL, CONV(act)},
    {"Less",                   7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(compare)},
    {"LessOrEqual",           12, 0, 2, 2, 1, false, "", FOLD(binary), CONV(compare)},
    {"Log",                    1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"LogSoftmax",             1, 0, 1, 1, 1, false, "axis:i", NULL, CONV(softmax)},
    {"LpNormalization",        1, 0, 1, 1, 1, false, "axis:i p:i", NULL, CONV(lp_normalization)},
    {"MatMul",                 1, 0, 2, 2, 1, false, "", NULL, CONV(matmul)},
    {"Max",                    1, 0, 1, -1, 1, false, "", FOLD(variadic), CONV(variadic)},
    {"MaxPool",                1, 0, 1, 1, 1, false, WINDOW_ATTRS " ceil_mode:i storage_order:i", NULL,
                                                     CONV(max_pool)},
    {"Min",                    1, 0, 1, -1, 1, false, "", FOLD(variadic), CONV(variadic)},
    {"Mish",                  18, 0, 1, 1, 1, false, "", NULL, CONV(mish)},
    {"Mod",                   10, 0, 2, 2, 1, false, "fmod:i", FOLD(binary), NULL},
    {"Mul",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(binary)},
    {"Neg",                    1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"Not",                    1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(not)},
    {"Or",                     7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(logic)},
    {"PRelu",                  7, 0, 2, 2, 1, false, "", NULL, CONV(prelu)},
    {"Pad",                    1, 0, 1, 4, 1, false, "mode:s pads:I value:f", NULL, CONV(pad)},
    {"Pow",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(pow)},
    {"QuantizeLinear",        10, 0, 2, 3, 1, false, "axis:i block_size:i output_dtype:i saturate:i", FOLD(quantize),
                                                     CONV(quantize)},
    {"Range",                 11, 0, 3, 3, 1, false, "", FOLD(range), NULL},
    {"Reciprocal",             1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"ReduceL1",               1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceL2",               1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceLogSum",           1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceMax",              1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceMean",             1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceMin",              1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceProd",             1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceSum",              1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"ReduceSumSquare",        1, 0, 1, 2, 1, false, REDUCE_ATTRS, FOLD(reduce), CONV(reduce)},
    {"Relu",                   1, 0, 1, 1, 1, false, "", NULL, CONV(act)},
    {"Reshape",                5, 0, 2, 2, 1, false, "allowzero:i", FOLD(reshape), CONV(reshape)},
    {"Resize",                10, 0, 1, 4, 1, false, RESIZE_ATTRS, NULL, CONV(resize)},
    {"Round",                 11, 0, 1, 1, 1, false, "", FOLD(unary), NULL},
    {"Selu",                   6, 0, 1, 1, 1, false, "alpha:f gamma:f", NULL, CONV(selu)},
    {"Shape",                  1, 0, 1, 1, 1, true, "end:i start:i", FOLD(shape), NULL},
    {"Sigmoid",                1, 0, 1, 1, 1, false, "", NULL, CONV(act)},
    {"Sign",                   9, 0, 1, 1, 1, false, "", FOLD(unary), CONV(sign)},
    {"Size",                   1, 0, 1, 1, 1, true, "", FOLD(size), NULL},
    {"Slice",                  1, 0, 1, 5, 1, false, "axes:I ends:I starts:I", FOLD(slice), CONV(slice)},
    {"Softmax",                1, 0, 1, 1, 1, false, "axis:i", NULL, CONV(softmax)},
    {"Softplus",               1, 0, 1, 1, 1, false, "", NULL, CONV(softplus)},
    {"Softsign",               1, 0, 1, 1, 1, false, "", NULL, CONV(softsign)},
    {"SpaceToDepth",           1, 0, 1, 1, 1, false, "blocksize:i", NULL, CONV(space_to_depth)},
    {"Split",                  1, 0, 1, 2, -1, false, "axis:i num_outputs:i split:I", FOLD(split),
                                                     CONV(split)},
    {"Sqrt",                   1, 0, 1, 1, 1, false, "", FOLD(unary), CONV(act)},
    {"Squeeze",                1, 0, 1, 2, 1, false, "axes:I", FOLD(squeeze), CONV(squeeze)},
    {"Sub",                    7, 0, 2, 2, 1, false, "", FOLD(binary), CONV(binary)},
    {"Sum",                    1, 0, 1, -1, 1, false, "", FOLD(variadic), CONV(variadic)},
    {"Tanh",                   1, 0, 1, 1, 1, false, "", NULL, CONV(act)},
    {"Tile",                   6, 0, 2, 2, 1, false, "", FOLD(tile), CONV(tile)},
    {"Transpose",              1, 0, 1, 1, 1, false, "perm:I", FOLD(transpose), CONV(transpose)},
    {"Unsqueeze",              1, 0, 1, 2, 1, false, "axes:I", FOLD(unsqueeze), CONV(unsqueeze)},
    {"Upsample",               7, 9, 1, 2, 1, false, "mode:s scales:F", NULL, CONV(upsample)},
    {"Where",                  9, 0, 3, 3, 1, false, "", FOLD(where), CONV(where)},
};
/* clang-format on */

static int compare(const void *name, const void *op)
{
    return strcmp(name, ((const struct tf2__onnx_op *)op)->name);
}

const struct tf2__onnx_op *tf2__onnx_op_find(const char *name)
{
    return bsearch(name, ops, TF2__COUNT(ops), sizeof(ops[0]), compare);
}

const struct tf2__onnx_op *tf2__onnx_op_at(size_t i)
{
    return i < TF2__COUNT(ops) ? &ops[i] : NULL;
}
