/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kernels.c: every operator on OpenCL against the host device: one test per row of the family tables,
 * random shapes, attributes and numbers.
 *
 * Environment: TF2_TEST_ROUNDS how many cases per family (default 200), TF2_TEST_SEED only this one,
 * TF2_TEST_FAMILY only families whose name contains this, TF2_TEST_DEVICE instead of "cl:0".
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extremes.h"
#include "families.h"

#define ROUNDS       200
#define MAX_FAMILIES 100
#define MAX_PRINTED  3

struct suite {
    struct kdevices devices;
    const struct kfamily *families[MAX_FAMILIES];
    struct CMUnitTest tests[MAX_FAMILIES + 1];
    struct row {
        struct suite *suite;
        const struct kfamily *family;
    } rows[MAX_FAMILIES];
    size_t n;
};

static void run_family(void **state)
{
    struct row *row = *state;
    uint64_t first, n, n_bad = 0;
    if (!row->suite->devices.devices) {
        print_message("no OpenCL device\n");
        skip();
    }
    kseeds(&first, &n, ROUNDS);
    if (row->family->slow)
        n = (n + row->family->slow - 1) / row->family->slow;
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++)
        n_bad += !kcheck(&row->suite->devices, row->family, seed);
    if (n_bad)
        fail_msg(
            "%s: %llu or more of %llu seeds differ", row->family->name, (unsigned long long)n_bad,
            (unsigned long long)n);
}

static void run_extremes(void **state)
{
    struct suite *suite = *state;
    if (!suite->devices.devices)
        skip();
    assert_true(extremes_check(&suite->devices));
}

static void add_families(struct suite *suite, const struct kfamily *families)
{
    const char *only = getenv("TF2_TEST_FAMILY");
    for (; families->name; families++) {
        if (only && !strstr(families->name, only))
            continue;
        assert_true(suite->n < MAX_FAMILIES);
        suite->rows[suite->n] = (struct row){suite, families};
        suite->tests[suite->n] = (struct CMUnitTest){
            .name = families->name, .test_func = run_family, .initial_state = &suite->rows[suite->n]};
        suite->n++;
    }
}

int main(void)
{
    static struct suite suite;
    struct tf2_error error = {0};
    char spec[64];
    const char *tested = getenv("TF2_TEST_DEVICE");
    snprintf(spec, sizeof(spec), "%s,host", tested ? tested : "cl:0");
    enum tf2_status status = tf2_devices_open(spec, NULL, &suite.devices.devices, &error);
    if (status != TF2_OK && status != TF2_ERR_NO_DEVICE) {
        fprintf(stderr, "%s: %s\n", spec, error.message);
        return 1;
    }
    add_families(&suite, families_conv);
    add_families(&suite, families_map);
    add_families(&suite, families_move);
    add_families(&suite, families_window);
    add_families(&suite, families_detect);
    add_families(&suite, families_net);
    if (!getenv("TF2_TEST_FAMILY"))
        suite.tests[suite.n++] =
            (struct CMUnitTest){.name = "extremes", .test_func = run_extremes, .initial_state = &suite};
    int failed = _cmocka_run_group_tests("kernels", suite.tests, suite.n, NULL, NULL);
    kprint_kernels(&suite.devices);
    tf2_devices_close(&suite.devices.devices);
    return failed;
}
