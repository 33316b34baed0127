/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_memory.c: a table of blocks, sorted by address.
 */
#include "common/host_memory.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE_BYTES ((size_t)4096)

size_t tf2__host_least_bytes = 16384;

struct tf2__host_block {
    unsigned char *memory; /* the caller's */
    size_t size_bytes;
    void *allocated;
    unsigned n_holds;
    bool is_freed; /* by the caller: goes with the last hold */
};

static struct {
    pthread_mutex_t lock;
    struct tf2__host_block **blocks; /* those that are not freed */
    size_t n, cap;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* How many blocks begin at or before the address. */
static size_t count_until(const void *memory)
{
    size_t first = 0, last = table.n;
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if ((uintptr_t)table.blocks[middle]->memory <= (uintptr_t)memory)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

static bool insert(struct tf2__host_block *block)
{
    if (table.n == table.cap) {
        size_t cap = table.cap ? 2 * table.cap : 16;
        struct tf2__host_block **grown = realloc(table.blocks, cap * sizeof(*grown));
        if (!grown)
            return false;
        table.blocks = grown;
        table.cap = cap;
    }
    size_t at = count_until(block->memory);
    memmove(&table.blocks[at + 1], &table.blocks[at], (table.n - at) * sizeof(*table.blocks));
    table.blocks[at] = block;
    table.n++;
    return true;
}

static void remove_at(size_t at)
{
    table.n--;
    memmove(&table.blocks[at], &table.blocks[at + 1], (table.n - at) * sizeof(*table.blocks));
    if (table.n == 0) {
        free(table.blocks);
        table.blocks = NULL;
        table.cap = 0;
    }
}

static void destroy(struct tf2__host_block *block)
{
    free(block->allocated);
    free(block);
}

void *tf2__host_alloc(size_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > SIZE_MAX - 2 * PAGE_BYTES)
        return NULL;
    struct tf2__host_block *block = calloc(1, sizeof(*block));
    if (!block)
        return NULL;
    block->size_bytes = size_bytes;
    if (posix_memalign(&block->allocated, PAGE_BYTES, PAGE_BYTES + size_bytes + TF2__HOST_SLACK_BYTES) != 0) {
        free(block);
        return NULL;
    }
    block->memory = (unsigned char *)block->allocated + PAGE_BYTES;
    pthread_mutex_lock(&table.lock);
    bool inserted = insert(block);
    pthread_mutex_unlock(&table.lock);
    if (!inserted) {
        destroy(block);
        return NULL;
    }
    return block->memory;
}

void tf2__host_free(void *memory)
{
    if (!memory)
        return;
    pthread_mutex_lock(&table.lock);
    size_t n = count_until(memory);
    struct tf2__host_block *block = n ? table.blocks[n - 1] : NULL;
    assert(block && block->memory == memory); /* freed twice, or not of tf2_alloc */
    remove_at(n - 1);
    block->is_freed = true;
    bool held = block->n_holds > 0;
    pthread_mutex_unlock(&table.lock);
    if (!held)
        destroy(block);
}

struct tf2__host_block *tf2__host_hold(const void *data, size_t size_bytes)
{
    if (size_bytes < tf2__host_least_bytes)
        return NULL;
    pthread_mutex_lock(&table.lock);
    size_t n = count_until(data);
    struct tf2__host_block *block = n ? table.blocks[n - 1] : NULL;
    if (block) {
        size_t offset = (uintptr_t)data - (uintptr_t)block->memory;
        if (offset > block->size_bytes || size_bytes > block->size_bytes - offset)
            block = NULL;
        else
            block->n_holds++;
    }
    pthread_mutex_unlock(&table.lock);
    return block;
}

void tf2__host_release(struct tf2__host_block *block)
{
    pthread_mutex_lock(&table.lock);
    bool last = --block->n_holds == 0 && block->is_freed;
    pthread_mutex_unlock(&table.lock);
    if (last)
        destroy(block);
}
