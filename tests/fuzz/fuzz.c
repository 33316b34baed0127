/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.c: the allocator and the checks of the fuzz targets. Whatever a file holds: a status, a message with
 * it, and nothing left behind.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block; as large as the largest alignment that the library asks for. */
#define HEADER_BYTES 64

static void *fuzz_alloc(void *user, size_t size, size_t alignment)
{
    struct fuzz_memory *memory = user;
    unsigned char *block = NULL;
    if (alignment > HEADER_BYTES || size > FUZZ_MAX_BYTES - memory->live_bytes)
        return NULL;
    if (posix_memalign((void **)&block, HEADER_BYTES, size + HEADER_BYTES) != 0)
        return NULL;
    memcpy(block, &size, sizeof(size));
    memory->live_bytes += size;
    memory->n_live++;
    return block + HEADER_BYTES;
}

static void fuzz_release(void *user, void *ptr)
{
    struct fuzz_memory *memory = user;
    unsigned char *block = (unsigned char *)ptr - HEADER_BYTES;
    size_t size;
    memcpy(&size, block, sizeof(size));
    memory->live_bytes -= size;
    memory->n_live--;
    free(block);
}

struct tf2_env fuzz_env(struct fuzz_memory *memory)
{
    struct tf2_env env;
    tf2_env_defaults(&env);
    env.allocator = (struct tf2_allocator){.alloc = fuzz_alloc, .release = fuzz_release, .user = memory};
    return env;
}

void fuzz_check_freed(const struct fuzz_memory *memory)
{
    if (memory->n_live == 0)
        return;
    fprintf(stderr, "%zu blocks of %zu bytes were not freed\n", memory->n_live, memory->live_bytes);
    abort();
}

void fuzz_check_error(enum tf2_status status, const struct tf2_error *error)
{
    if (status == TF2_OK ||
        (error->status == status && error->message[0] != 0 && !strchr(error->message, '\n')))
        return;
    fprintf(
        stderr, "status %s, error %s \"%s\"\n", tf2_status_name(status), tf2_status_name(error->status),
        error->message);
    abort();
}

void fuzz_import(
    const void *data, size_t size_bytes, const void *weights, size_t weights_bytes,
    uint64_t random_weights_seed)
{
    for (int no_optimize = 0; no_optimize < 2; no_optimize++) {
        struct fuzz_memory memory = {0};
        struct tf2_env env = fuzz_env(&memory);
        struct tf2_import_options options;
        struct tf2_model *model = NULL;
        struct tf2_error error = {0};
        tf2_import_options_defaults(&options);
        options.env = &env;
        options.no_optimize = no_optimize;
        options.random_weights_seed = random_weights_seed;
        enum tf2_status status = tf2_model_import_memory(
            "fuzz", data, size_bytes, weights, weights_bytes, &options, &model, &error);
        fuzz_check_error(status, &error);
        if ((status == TF2_OK) != (model != NULL))
            abort();
        tf2_model_destroy(&model);
        fuzz_check_freed(&memory);
    }
}
