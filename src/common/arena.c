/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c: a list of blocks, bump allocation in the newest. Large requests get a block of their own.
 */
#include "common/arena.h"

#define BLOCK_BYTES (64 * 1024)

struct tf2__arena_block {
    struct tf2__arena_block *next;
    size_t size_bytes; /* behind the header */
    size_t used_bytes;
    _Alignas(TF2__ALIGNMENT) unsigned char data[];
};

void tf2__arena_init(struct tf2__arena *arena, const struct tf2_env *env)
{
    memset(arena, 0, sizeof(*arena));
    tf2__env_copy(&arena->env, env);
}

void tf2__arena_finish(struct tf2__arena *arena)
{
    while (arena->blocks) {
        struct tf2__arena_block *next = arena->blocks->next;
        tf2__free(&arena->env, arena->blocks);
        arena->blocks = next;
    }
    arena->used_bytes = 0;
}

static struct tf2__arena_block *add_block(struct tf2__arena *arena, size_t data_bytes)
{
    size_t total;
    if (!tf2__add_size(data_bytes, sizeof(struct tf2__arena_block), &total))
        return NULL;
    struct tf2__arena_block *block = tf2__alloc(&arena->env, total);
    if (!block)
        return NULL;
    memset(block, 0, total);
    block->size_bytes = data_bytes;
    /* A large block goes behind the current one, so that the current one's rest stays in use. */
    if (data_bytes > BLOCK_BYTES && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *tf2__arena_alloc(struct tf2__arena *arena, size_t n, size_t size_bytes)
{
    size_t wanted, rounded;
    if (!tf2__mul_size(n, size_bytes, &wanted) || !tf2__add_size(wanted, TF2__ALIGNMENT, &rounded))
        return NULL;
    rounded = rounded / TF2__ALIGNMENT * TF2__ALIGNMENT;
    struct tf2__arena_block *block = arena->blocks;
    if (!block || block->size_bytes - block->used_bytes < rounded)
        block = add_block(arena, rounded > BLOCK_BYTES / 4 ? rounded : BLOCK_BYTES);
    if (!block)
        return NULL;
    void *ptr = block->data + block->used_bytes;
    block->used_bytes += rounded;
    arena->used_bytes += wanted;
    return ptr;
}

char *tf2__arena_strdup(struct tf2__arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = tf2__arena_alloc(arena, size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}
