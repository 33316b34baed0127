/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c: the list of all operators. Adding one: a line in TF2_OP_MAP (tf2/op.h), a line here, a file
 * beside.
 */
#include "transform/ir/op.h"

#define OP_LIST(X)                                                                                           \
    X(identity)                                                                                              \
    X(dropout)                                                                                               \
    X(conv)                                                                                                  \
    X(gemm)                                                                                                  \
    X(pool)                                                                                                  \
    X(activation)                                                                                            \
    X(prelu)                                                                                                 \
    X(batch_norm)                                                                                            \
    X(scale)                                                                                                 \
    X(lrn)                                                                                                   \
    X(eltwise)                                                                                               \
    X(concat)                                                                                                \
    X(slice)                                                                                                 \
    X(softmax)                                                                                               \
    X(flatten)                                                                                               \
    X(reshape)                                                                                               \
    X(squeeze)                                                                                               \
    X(unsqueeze)                                                                                             \
    X(transpose)                                                                                             \
    X(pad)                                                                                                   \
    X(resize)                                                                                                \
    X(quantize)                                                                                              \
    X(dequantize)                                                                                            \
    X(lookup)                                                                                                \
    X(conv_transpose)                                                                                        \
    X(normalize)                                                                                             \
    X(prior_box)                                                                                             \
    X(detection_output)

#define DECLARE(name) extern const struct tf2__op tf2__op_##name;
OP_LIST(DECLARE)
#undef DECLARE

const struct tf2__op *tf2__op_find(enum tf2_op id)
{
#define ENTRY(name) &tf2__op_##name,
    static const struct tf2__op *const ops[] = {OP_LIST(ENTRY)};
#undef ENTRY
    for (size_t i = 0; i < TF2__COUNT(ops); i++) {
        if (ops[i]->id == id)
            return ops[i];
    }
    return NULL;
}

const char *tf2_op_name(enum tf2_op id)
{
    const struct tf2__op *op = tf2__op_find(id);
    return op ? op->name : "invalid";
}
