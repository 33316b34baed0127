/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_test.h: what the files of the device suite share. Include after cmocka.h.
 */
#ifndef TF2_TEST_DEVICE_TEST_H
#define TF2_TEST_DEVICE_TEST_H

#include <tf2/tf2.h>

#include "counting_env.h"

#define MUST(call)                                                                                           \
    do {                                                                                                     \
        struct tf2_error must_error = {0};                                                                   \
        struct tf2_error *e = &must_error;                                                                   \
        if ((call) != TF2_OK)                                                                                \
            fail_msg("%s: %s", #call, must_error.message);                                                   \
    } while (0)

/* NULL where there is no such device: a reason is printed. Everything else that fails makes the test fail. */
struct tf2_devices *devices_or_null(const char *spec, const struct tf2_env *env);

/* x [1,3,9,9] -> conv -> relu -> conv + residual -> pool -> flatten -> gemm -> softmax: y [1,5]. */
struct tf2_model *model_net(const struct tf2_env *env);
/* x [1,3,9,9] -> conv 3x3 pad 1 -> relu: any size. */
struct tf2_model *model_any_size(const struct tf2_env *env);
/* x [1,7] -> activation: one small program. */
struct tf2_model *model_small(const struct tf2_env *env);
/* a [1,3,5,7], b [2,3] -> identity each; outputs a.copy, b.copy, a again. */
struct tf2_model *model_copies(const struct tf2_env *env);

/* x [1,3,9,9] -> quantize -> convolutions, sums, pools on integers -> y [1,5]: the same bits everywhere. */
struct tf2_model *model_int8(const struct tf2_env *env);

/* x [1,3,9,9] -> three inner products -> y [1,5]: several blocks of weights. */
struct tf2_model *model_blocks(const struct tf2_env *env);
/* The least budget of weights with which a session can be made, from the message; 1 where there is no limit. */
size_t least_budget(const struct tf2_model *model, struct tf2_devices *devices);

/* For the tests of one device: */
struct device_case {
    const char *spec; /* "host", "cl:0", ... */
};

/* The suites: one array each, for the device in `initial_state` (a device_case). */
extern const struct CMUnitTest conformance_tests[];
extern const size_t n_conformance_tests;
extern const struct CMUnitTest int8_tests[];
extern const size_t n_int8_tests;
extern const struct CMUnitTest memory_tests[];
extern const size_t n_memory_tests;
/* Once, not per device. */
extern const struct CMUnitTest open_tests[];
extern const size_t n_open_tests;
extern const struct CMUnitTest cache_tests[];
extern const size_t n_cache_tests;

/* In a process without OpenCL: 0 when all is as it should be. */
int child_without_opencl(void);

#endif
