/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_random_graph.c: random networks on OpenCL against the host device, see kcheck. Environment: as
 * test_kernels.c; TF2_TEST_ROUNDS defaults to 1000.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "random_graph.h"

#define ROUNDS      1000
#define MAX_PRINTED 3

static void test_random_graphs(void **state)
{
    /* Errors add up over 25 nodes, and the passes reorder arithmetic. */
    static const struct kfamily family = {"random_graph", random_graph, 1e-9, 0};
    struct kdevices devices = {0};
    struct tf2_error error = {0};
    uint64_t first, n, n_bad = 0;
    char spec[64];
    const char *tested = getenv("TF2_TEST_DEVICE");
    (void)state;
    snprintf(spec, sizeof(spec), "%s,host", tested ? tested : "cl:0");
    enum tf2_status status = tf2_devices_open(spec, NULL, &devices.devices, &error);
    if (status == TF2_ERR_NO_DEVICE) {
        print_message("%s\n", error.message);
        skip();
    }
    if (status != TF2_OK)
        fail_msg("%s: %s", spec, error.message);
    kseeds(&first, &n, ROUNDS);
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
        n_bad += !kcheck(&devices, &family, seed);
    kprint_kernels(&devices);
    tf2_devices_close(&devices.devices);
    if (n_bad)
        fail_msg("%llu or more of %llu seeds differ", (unsigned long long)n_bad, (unsigned long long)n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_graphs)};
    return cmocka_run_group_tests_name("random_graph", tests, NULL, NULL);
}
