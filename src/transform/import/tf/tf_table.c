/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tf_table.c: the operators that can be imported, sorted by name.
 *
 * Adding one: a row here, a function in a tf_ops_*.c file that makes it of ONNX's operators, its name in the
 * list of internal.h, a test. Attributes that do not concern inference are not read.
 */
#include "transform/import/tf/internal.h"

#include <stdlib.h>

#define CONV(f) tf2__tf_convert_##f

/* clang-format off */
/*   name                          in: min max  out: max  ONNX, convert */
static const struct tf2__tf_op ops[] = {
    {"Abs",                        1, 1, 1, "Abs", CONV(unary)},
    {"Add",                        2, 2, 1, "Add", CONV(binary)},
    {"AddN",                       1, -1, 1, "Sum", CONV(add_n)},
    {"AddV2",                      2, 2, 1, "Add", CONV(binary)},
    {"AvgPool",                    1, 1, 1, "AveragePool", CONV(pool)},
    {"AvgPool3D",                  1, 1, 1, "AveragePool", CONV(pool)},
    {"BatchMatMul",                2, 2, 1, "MatMul", CONV(matmul)},
    {"BatchMatMulV2",              2, 2, 1, "MatMul", CONV(matmul)},
    {"BatchMatMulV3",              2, 2, 1, "MatMul", CONV(matmul)},
    {"BatchNormWithGlobalNormalization", 5, 5, 1, "BatchNormalization", CONV(old_batch_norm)},
    {"BatchToSpaceND",             3, 3, 1, NULL, CONV(batch_to_space)},
    {"BiasAdd",                    2, 2, 1, "Add", CONV(bias_add)},
    {"BiasAddV1",                  2, 2, 1, "Add", CONV(bias_add)},
    {"Cast",                       1, 1, 1, "Cast", CONV(cast)},
    {"Ceil",                       1, 1, 1, "Ceil", CONV(unary)},
    {"CheckNumerics",              1, 1, 1, NULL, CONV(alias)},
    {"ClipByValue",                3, 3, 1, "Clip", CONV(clip)},
    {"Concat",                     2, -1, 1, "Concat", CONV(concat_v1)},
    {"ConcatV2",                   2, -1, 1, "Concat", CONV(concat)},
    {"Const",                      0, 0, 1, NULL, CONV(const)},
    {"Conv2D",                     2, 2, 1, "Conv", CONV(conv)},
    {"Conv3D",                     2, 2, 1, "Conv", CONV(conv)},
    {"DepthwiseConv2dNative",      2, 2, 1, "Conv", CONV(conv)},
    {"Div",                        2, 2, 1, "Div", CONV(binary)},
    {"Elu",                        1, 1, 1, "Elu", CONV(unary)},
    {"EnsureShape",                1, 1, 1, NULL, CONV(alias)},
    {"Equal",                      2, 2, 1, "Equal", CONV(binary)},
    {"Exp",                        1, 1, 1, "Exp", CONV(unary)},
    {"ExpandDims",                 2, 2, 1, "Unsqueeze", CONV(expand_dims)},
    {"Fill",                       2, 2, 1, "Expand", CONV(fill)},
    {"Floor",                      1, 1, 1, "Floor", CONV(unary)},
    {"FloorDiv",                   2, 2, 1, "Div", CONV(floor_div)},
    {"FloorMod",                   2, 2, 1, "Mod", CONV(binary)},
    {"FusedBatchNorm",             5, 5, 1, "BatchNormalization", CONV(batch_norm)},
    {"FusedBatchNormV2",           5, 5, 1, "BatchNormalization", CONV(batch_norm)},
    {"FusedBatchNormV3",           5, 5, 1, "BatchNormalization", CONV(batch_norm)},
    {"Gather",                     2, 2, 1, "Gather", CONV(gather)},
    {"GatherV2",                   3, 3, 1, "Gather", CONV(gather)},
    {"Greater",                    2, 2, 1, "Greater", CONV(binary)},
    {"GreaterEqual",               2, 2, 1, "GreaterOrEqual", CONV(binary)},
    {"Identity",                   1, 1, 1, NULL, CONV(alias)},
    {"IdentityN",                  1, -1, -1, NULL, CONV(identity_n)},
    {"Inv",                        1, 1, 1, "Reciprocal", CONV(unary)},
    {"LRN",                        1, 1, 1, "LRN", CONV(lrn)},
    {"LeakyRelu",                  1, 1, 1, "LeakyRelu", CONV(leaky)},
    {"Less",                       2, 2, 1, "Less", CONV(binary)},
    {"LessEqual",                  2, 2, 1, "LessOrEqual", CONV(binary)},
    {"Log",                        1, 1, 1, "Log", CONV(unary)},
    {"LogSoftmax",                 1, 1, 1, "LogSoftmax", CONV(softmax)},
    {"LogicalAnd",                 2, 2, 1, "And", CONV(binary)},
    {"LogicalNot",                 1, 1, 1, "Not", CONV(unary)},
    {"LogicalOr",                  2, 2, 1, "Or", CONV(binary)},
    {"MatMul",                     2, 2, 1, "MatMul", CONV(matmul)},
    {"Max",                        2, 2, 1, "ReduceMax", CONV(reduce)},
    {"MaxPool",                    1, 1, 1, "MaxPool", CONV(pool)},
    {"MaxPool3D",                  1, 1, 1, "MaxPool", CONV(pool)},
    {"MaxPoolV2",                  3, 3, 1, "MaxPool", CONV(pool)},
    {"Maximum",                    2, 2, 1, "Max", CONV(binary)},
    {"Mean",                       2, 2, 1, "ReduceMean", CONV(reduce)},
    {"Min",                        2, 2, 1, "ReduceMin", CONV(reduce)},
    {"Minimum",                    2, 2, 1, "Min", CONV(binary)},
    {"MirrorPad",                  2, 2, 1, "Pad", CONV(mirror_pad)},
    {"Mul",                        2, 2, 1, "Mul", CONV(binary)},
    {"Neg",                        1, 1, 1, "Neg", CONV(unary)},
    {"Pack",                       1, -1, 1, "Concat", CONV(pack)},
    {"Pad",                        2, 2, 1, "Pad", CONV(pad)},
    {"PadV2",                      3, 3, 1, "Pad", CONV(pad)},
    {"Placeholder",                0, 0, 1, NULL, CONV(placeholder)},
    {"PlaceholderWithDefault",     1, 1, 1, NULL, CONV(placeholder)},
    {"Pow",                        2, 2, 1, "Pow", CONV(binary)},
    {"PreventGradient",            1, 1, 1, NULL, CONV(alias)},
    {"Prod",                       2, 2, 1, "ReduceProd", CONV(reduce)},
    {"RandomUniform",              1, 1, 1, NULL, CONV(random)},
    {"Range",                      3, 3, 1, "Range", CONV(range)},
    {"Rank",                       1, 1, 1, NULL, CONV(rank)},
    {"RealDiv",                    2, 2, 1, "Div", CONV(binary)},
    {"Reciprocal",                 1, 1, 1, "Reciprocal", CONV(unary)},
    {"Relu",                       1, 1, 1, "Relu", CONV(unary)},
    {"Relu6",                      1, 1, 1, "Clip", CONV(relu6)},
    {"Reshape",                    2, 2, 1, "Reshape", CONV(reshape)},
    {"ResizeBilinear",             2, 2, 1, "linear", CONV(resize)},
    {"ResizeNearestNeighbor",      2, 2, 1, "nearest", CONV(resize)},
    {"Rint",                       1, 1, 1, "Round", CONV(unary)},
    {"Round",                      1, 1, 1, "Round", CONV(unary)},
    {"Rsqrt",                      1, 1, 1, "Pow", CONV(rsqrt)},
    {"Select",                     3, 3, 1, "Where", CONV(select)},
    {"SelectV2",                   3, 3, 1, "Where", CONV(select)},
    {"Shape",                      1, 1, 1, "Shape", CONV(shape)},
    {"Sigmoid",                    1, 1, 1, "Sigmoid", CONV(unary)},
    {"Sign",                       1, 1, 1, "Sign", CONV(unary)},
    {"Size",                       1, 1, 1, "Size", CONV(shape)},
    {"Slice",                      3, 3, 1, "Slice", CONV(slice)},
    {"Snapshot",                   1, 1, 1, NULL, CONV(alias)},
    {"Softmax",                    1, 1, 1, "Softmax", CONV(softmax)},
    {"SpaceToBatchND",             3, 3, 1, NULL, CONV(space_to_batch)},
    {"Split",                      2, 2, -1, "Split", CONV(split)},
    {"SplitV",                     3, 3, -1, "Split", CONV(split_v)},
    {"Sqrt",                       1, 1, 1, "Sqrt", CONV(unary)},
    {"Square",                     1, 1, 1, "Mul", CONV(square)},
    {"SquaredDifference",          2, 2, 1, "Mul", CONV(squared_difference)},
    {"Squeeze",                    1, 1, 1, "Squeeze", CONV(squeeze)},
    {"StopGradient",               1, 1, 1, NULL, CONV(alias)},
    {"StridedSlice",               4, 4, 1, "Slice", CONV(strided_slice)},
    {"Sub",                        2, 2, 1, "Sub", CONV(binary)},
    {"Sum",                        2, 2, 1, "ReduceSum", CONV(reduce)},
    {"Tanh",                       1, 1, 1, "Tanh", CONV(unary)},
    {"Tile",                       2, 2, 1, "Tile", CONV(tile)},
    {"Transpose",                  2, 2, 1, "Transpose", CONV(transpose)},
    {"Unpack",                     1, 1, -1, "Split", CONV(unpack)},
};
/* clang-format on */

static int compare(const void *name, const void *op)
{
    return strcmp(name, ((const struct tf2__tf_op *)op)->name);
}

const struct tf2__tf_op *tf2__tf_op_find(const char *name)
{
    return bsearch(name, ops, TF2__COUNT(ops), sizeof(ops[0]), compare);
}

const struct tf2__tf_op *tf2__tf_op_at(size_t i)
{
    return i < TF2__COUNT(ops) ? &ops[i] : NULL;
}

#define VARIABLE                                                                                             \
    "the file does not have the values of its variables: freeze the network first "                          \
    "(convert_variables_to_constants_v2 of TensorFlow 2, freeze_graph of TensorFlow 1, or export it as "     \
    "ONNX)"
#define CONTROL  "control flow is not supported: export the network for inference"
#define FUNCTION "the function that it calls is not in the file"

const char *tf2__tf_op_reason(const char *name)
{
    static const struct {
        const char *op;
        const char *reason;
    } reasons[] = {
        {"Enter", CONTROL},
        {"Exit", CONTROL},
        {"If", CONTROL},
        {"LoopCond", CONTROL},
        {"Merge", CONTROL},
        {"NextIteration", CONTROL},
        {"PartitionedCall", FUNCTION},
        {"ReadVariableOp", VARIABLE},
        {"RefSwitch", CONTROL},
        {"ResourceGather", VARIABLE},
        {"RestoreV2", VARIABLE},
        {"StatefulPartitionedCall", FUNCTION},
        {"StatelessIf", CONTROL},
        {"StatelessWhile", CONTROL},
        {"Switch", CONTROL},
        {"VarHandleOp", VARIABLE},
        {"Variable", VARIABLE},
        {"VariableV2", VARIABLE},
        {"While", CONTROL},
    };
    for (size_t i = 0; i < TF2__COUNT(reasons); i++) {
        if (strcmp(reasons[i].op, name) == 0)
            return reasons[i].reason;
    }
    return NULL;
}
