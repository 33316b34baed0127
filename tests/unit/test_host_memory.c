/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_host_memory.c: which data lies in memory of tf2_alloc; what is held stays, though it was freed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/host_memory.h"

#define BYTES ((size_t)100000)

static bool can_hold(const void *data, size_t size)
{
    struct tf2__host_block *block = tf2__host_hold(data, size);
    if (block)
        tf2__host_release(block);
    return block != NULL;
}

static void only_what_lies_inside(void **state)
{
    (void)state;
    unsigned char *memory = tf2__host_alloc(BYTES), *other = malloc(BYTES);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 4096, 0);
    assert_true(can_hold(memory, BYTES));
    assert_true(can_hold(memory + 1, BYTES - 1));
    assert_true(can_hold(memory + BYTES - tf2__host_least_bytes, tf2__host_least_bytes));
    assert_false(can_hold(memory + 1, BYTES));
    assert_false(can_hold(memory - 1, tf2__host_least_bytes));
    assert_false(can_hold(memory + BYTES, tf2__host_least_bytes));
    assert_false(can_hold(memory + 1, SIZE_MAX));
    assert_false(can_hold(memory, tf2__host_least_bytes - 1)); /* not worth it */
    assert_false(can_hold(other, BYTES));
    tf2__host_free(memory);
    assert_false(can_hold(memory, BYTES));
    free(other);
    tf2__host_free(NULL);
    assert_null(tf2__host_alloc(0));
    assert_null(tf2__host_alloc(SIZE_MAX));
    assert_null(tf2__host_alloc(SIZE_MAX - 5000));
}

/* Freed in other orders than made. */
static void many_blocks(void **state)
{
    (void)state;
    enum { N = 200 };
    unsigned char *memory[N];
    for (int i = 0; i < N; i++) {
        memory[i] = tf2__host_alloc(BYTES + (size_t)i);
        memset(memory[i], i, BYTES + (size_t)i);
    }
    for (int i = 0; i < N; i++) {
        const int k = i * 77 % N;
        assert_true(can_hold(memory[k], BYTES + (size_t)k));
        assert_true(memory[k][0] == k && memory[k][BYTES + (size_t)k - 1] == k);
        tf2__host_free(memory[k]);
        assert_false(can_hold(memory[k], BYTES));
    }
}

/* The slack too can be read. Large enough that freeing it would unmap it. */
static void held_memory_stays(void **state)
{
    (void)state;
    const size_t size = (size_t)64 << 20;
    volatile unsigned char *memory = tf2__host_alloc(size);
    memory[0] = 1;
    memory[size - 1] = 2;
    struct tf2__host_block *first = tf2__host_hold((const void *)memory, size);
    struct tf2__host_block *second = tf2__host_hold((const void *)(memory + 1000), tf2__host_least_bytes);
    assert_ptr_equal(first, second);
    tf2__host_free((void *)(uintptr_t)memory);
    assert_false(can_hold((const void *)memory, size)); /* nobody takes it up again */
    tf2__host_release(first);
    assert_true(memory[0] == 1 && memory[size - 1] == 2);
    (void)memory[-TF2__HOST_SLACK_BYTES];
    (void)memory[size - 1 + TF2__HOST_SLACK_BYTES];
    tf2__host_release(second);
}

static void *take_and_give(void *user)
{
    (void)user;
    for (int i = 0; i < 2000; i++) {
        unsigned char *memory = tf2__host_alloc(tf2__host_least_bytes + (size_t)(i % 7) * 4096);
        struct tf2__host_block *block = tf2__host_hold(memory, tf2__host_least_bytes);
        if (!memory || !block)
            return (void *)1;
        tf2__host_free(memory);
        tf2__host_release(block);
    }
    return NULL;
}

static void from_many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_lies_inside),
        cmocka_unit_test(many_blocks),
        cmocka_unit_test(held_memory_stays),
        cmocka_unit_test(from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
