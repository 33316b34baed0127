/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h: memory that is given back all at once. A graph or a plan owns one and allocates all its parts
 * there.
 */
#ifndef TF2__COMMON_ARENA_H
#define TF2__COMMON_ARENA_H

#include "common/base.h"

struct tf2__arena_block;

struct tf2__arena {
    struct tf2_env env;
    struct tf2__arena_block *blocks; /* newest first */
    size_t used_bytes;               /* what callers asked for, all blocks */
};

void tf2__arena_init(struct tf2__arena *arena, const struct tf2_env *env);
/* Frees everything; the arena is empty and usable again. */
void tf2__arena_finish(struct tf2__arena *arena);
/* Zeroed, aligned to TF2__ALIGNMENT; n * size_bytes 0 gives a valid pointer. NULL when out of memory. */
void *tf2__arena_alloc(struct tf2__arena *arena, size_t n, size_t size_bytes);
char *tf2__arena_strdup(struct tf2__arena *arena, const char *text);

#endif
