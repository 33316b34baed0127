/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_quant_fixture.h: an arena for each test of the parts of quantization, and a place for messages. Include
 * after cmocka.h.
 */
#ifndef TEST_QUANT_FIXTURE_H
#define TEST_QUANT_FIXTURE_H

#include <stdlib.h>

#include "common/arena.h"

static struct tf2_error error;

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s", error.message);                                                                   \
    } while (0)

struct fixture {
    struct tf2__arena arena;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct tf2_env env;
    tf2_env_defaults(&env);
    tf2__arena_init(&f->arena, &env);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    tf2__arena_finish(&f->arena);
    free(f);
    return 0;
}

static inline struct tf2__arena *arena_of(void **state)
{
    return &((struct fixture *)*state)->arena;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
