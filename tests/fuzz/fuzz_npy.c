/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_npy.c: the input is a NumPy .npy file. All of the array that comes out is read.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct fuzz_memory memory = {0};
    struct tf2_env env = fuzz_env(&memory);
    struct tf2_array array = {0};
    struct tf2_error error = {0};
    enum tf2_status status = tf2_npy_load_memory("fuzz", data, size_bytes, &env, &array, &error);
    fuzz_check_error(status, &error);
    if (status == TF2_OK) {
        size_t n = (size_t)tf2_shape_count(&array.shape) * tf2_dtype_size_bytes(array.dtype);
        void *copy = malloc(n + 1);
        if (n == 0 || !copy)
            abort();
        memcpy(copy, array.data, n);
        free(copy);
    }
    tf2_array_finish(&array);
    fuzz_check_freed(&memory);
    return 0;
}
