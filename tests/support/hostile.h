/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile.h: tables of attributes and input shapes as a hostile file may have them, and which status shape inference gives
 * each. Include after cmocka.h.
 */
#ifndef TESTS_SUPPORT_HOSTILE_H
#define TESTS_SUPPORT_HOSTILE_H

#include "ops.h"

#define MAX_CASE_INPUTS 5

struct hostile {
    const char *what;
    enum tf2_op op;
    const void *attr;
    enum tf2_status status;
    uint32_t n_in;
    struct tf2_shape in[MAX_CASE_INPUTS];
};

#define ATTR(type, ...)                                                                                      \
    (const void *)&(const struct type)                                                                       \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define DIMS(...)                                                                                            \
    {                                                                                                        \
        .n_dims = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = { __VA_ARGS__ }                 \
    }
#define IMAGE   DIMS(1, 4, 8, 8)

static inline void hostile_check(const struct hostile *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ops_expect_status(
            cases[i].op, cases[i].attr, cases[i].in, cases[i].n_in, cases[i].status, cases[i].what);
}

#endif
