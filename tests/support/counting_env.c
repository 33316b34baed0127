/* SPDX-License-Identifier: Apache-2.0 */
#include "counting_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool shall_fail(struct counting_env *c)
{
    long left = atomic_load(&c->countdown);
    if (left == 0)
        return false;
    left = atomic_fetch_sub(&c->countdown, 1);
    if (left > 1)
        return false;
    if (c->keeps_failing)
        atomic_store(&c->countdown, 1);
    return true;
}

static void *counting_alloc(void *user, size_t size, size_t alignment)
{
    struct counting_env *c = user;
    void *ptr = NULL;
    atomic_fetch_add(&c->n_allocs, 1);
    if (size == 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) {
        fprintf(stderr, "allocator: size %zu, alignment %zu\n", size, alignment);
        abort();
    }
    if (shall_fail(c) ||
        posix_memalign(&ptr, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) != 0)
        return NULL;
    memset(ptr, 0xa5, size); /* nobody may rely on zeros */
    atomic_fetch_add(&c->n_live, 1);
    return ptr;
}

static void counting_release(void *user, void *ptr)
{
    struct counting_env *c = user;
    if (!ptr) {
        fprintf(stderr, "allocator: release of NULL\n");
        abort();
    }
    atomic_fetch_sub(&c->n_live, 1);
    free(ptr);
}

static void counting_write(void *user, enum tf2_log_level level, const char *message)
{
    struct counting_env *c = user;
    pthread_mutex_lock(&c->log_lock);
    int n = snprintf(c->log + c->log_used, sizeof(c->log) - c->log_used, "%d %s\n", (int)level, message);
    if (n > 0 && c->log_used + (size_t)n < sizeof(c->log))
        c->log_used += (size_t)n;
    pthread_mutex_unlock(&c->log_lock);
}

void counting_env_init(struct counting_env *c)
{
    memset(c, 0, sizeof(*c));
    pthread_mutex_init(&c->log_lock, NULL);
    c->env.allocator.alloc = counting_alloc;
    c->env.allocator.release = counting_release;
    c->env.allocator.user = c;
    c->env.logger.write = counting_write;
    c->env.logger.user = c;
    c->env.logger.level = TF2_LOG_INFO;
}
