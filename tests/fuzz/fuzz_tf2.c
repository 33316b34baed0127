/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tf2.c: the input is a .tf2 file. It is loaded as it is, and with all checksums made right, since what
 * a change does behind them would not be seen otherwise. A model that loads is asked for everything that it
 * tells.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEADER_BYTES 24
#define ROW_BYTES    32

static size_t use_text(const char *text)
{
    return text ? strlen(text) : 0;
}

static void use(const struct tf2_model *model)
{
    struct tf2_model_info info;
    struct tf2_tensor_info tensor;
    struct tf2_fact fact;
    size_t n = 0;
    tf2_model_info(model, &info);
    for (size_t i = 0; i < info.n_inputs; i++)
        n += tf2_model_input(model, i, &tensor) == TF2_OK ? use_text(tensor.name) : 0;
    for (size_t i = 0; i < info.n_outputs; i++)
        n += tf2_model_output(model, i, &tensor) == TF2_OK ? use_text(tensor.name) : 0;
    for (size_t i = 0; i < info.n_labels; i++)
        n += use_text(tf2_model_label(model, i));
    for (size_t i = 0; i < info.n_facts; i++)
        n += tf2_model_fact(model, i, &fact) == TF2_OK ? use_text(fact.key) + use_text(fact.value) : 0;
    if (n + use_text(info.name) < info.n_inputs + info.n_outputs + 1) /* no name is empty */
        abort();
}

static void load(const uint8_t *data, size_t size_bytes)
{
    struct fuzz_memory memory = {0};
    struct tf2_env env = fuzz_env(&memory);
    struct tf2_model *model = NULL;
    struct tf2_error error = {0};
    enum tf2_status status = tf2_model_load_memory("fuzz", data, size_bytes, &env, &model, &error);
    fuzz_check_error(status, &error);
    if ((status == TF2_OK) != (model != NULL))
        abort();
    if (model)
        use(model);
    tf2_model_destroy(&model);
    fuzz_check_freed(&memory);
}

static uint64_t get(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static void put(uint8_t *at, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void repair(uint8_t *data, size_t size_bytes)
{
    uint64_t n = get(data + 12, 4);
    if (n > 64 || HEADER_BYTES + ROW_BYTES * n + 8 > size_bytes)
        return;
    put(data + 16, size_bytes);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *row = data + HEADER_BYTES + ROW_BYTES * i;
        uint64_t offset = get(row + 8, 8), section_bytes = get(row + 16, 8);
        if (offset <= size_bytes && section_bytes <= size_bytes - offset)
            put(row + 24, XXH3_64bits(data + offset, (size_t)section_bytes));
    }
    put(data + HEADER_BYTES + ROW_BYTES * n, XXH3_64bits(data, HEADER_BYTES + ROW_BYTES * n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    load(data, size_bytes);
    if (size_bytes < HEADER_BYTES)
        return 0;
    uint8_t *copy = malloc(size_bytes);
    if (!copy)
        return 0;
    memcpy(copy, data, size_bytes);
    repair(copy, size_bytes);
    load(copy, size_bytes);
    free(copy);
    return 0;
}
