/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tflite.c: the input is a .tflite file.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    fuzz_import(data, size_bytes, NULL, 0, 0);
    return 0;
}
