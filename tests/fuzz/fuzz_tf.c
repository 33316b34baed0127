/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tf.c: the input is a TensorFlow .pb file: a GraphDef or a SavedModel.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    fuzz_import(data, size_bytes, NULL, 0, 0);
    return 0;
}
