/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kernels_int8.c: every operator's integer form on OpenCL against the host device: equal bits. One test
 * per row of the family tables.
 *
 * Environment: as test_kernels.c; TF2_TEST_ROUNDS defaults to 80. TF2_DOT says which kernels.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kint8.h"

#define ROUNDS       80
#define MAX_FAMILIES 100
#define MAX_PRINTED  3

struct suite {
    struct kdevices devices;
    bool gave_up; /* kernels that this machine could run did not build */
    struct CMUnitTest tests[MAX_FAMILIES + 1];
    struct row {
        struct suite *suite;
        const struct kfamily8 *family;
    } rows[MAX_FAMILIES];
    size_t n;
};

static void run_family(void **state)
{
    struct row *row = *state;
    uint64_t first, n, n_bad = 0, n_refused = 0;
    if (!row->suite->devices.devices) {
        print_message("no OpenCL device\n");
        skip();
    }
    kseeds(&first, &n, ROUNDS);
    if (row->family->slow)
        n = (n + row->family->slow - 1) / row->family->slow;
    for (uint64_t seed = first; seed < first + n && n_bad < MAX_PRINTED; seed++) {
        const enum kcheck8_result result = kcheck8(&row->suite->devices, row->family, seed);
        n_bad += result == KCHECK8_DIFFERENT;
        n_refused += result == KCHECK8_REFUSED;
    }
    if (n_bad)
        fail_msg(
            "%s: %llu or more of %llu seeds differ", row->family->name, (unsigned long long)n_bad,
            (unsigned long long)n);
    if (n_refused)
        print_message(
            "%s: the device has no kernels for %llu of %llu seeds\n", row->family->name,
            (unsigned long long)n_refused, (unsigned long long)n);
    if (n_refused == n)
        skip();
}

/* What is not compiled is not tested: the device takes simpler kernels then, and warns. */
static void run_built(void **state)
{
    struct suite *suite = *state;
    if (!suite->devices.devices)
        skip();
    if (suite->gave_up)
        fail_msg("kernels for this processor do not build");
}

static void write_log(void *user, enum tf2_log_level level, const char *message)
{
    struct suite *suite = user;
    print_message("%s\n", message);
    suite->gave_up |= level <= TF2_LOG_WARNING;
}

static void add_families(struct suite *suite, const struct kfamily8 *families)
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
    const struct tf2_env env = {.logger = {.write = write_log, .user = &suite, .level = TF2_LOG_WARNING}};
    struct tf2_error error = {0};
    char spec[64];
    const char *tested = getenv("TF2_TEST_DEVICE");
    snprintf(spec, sizeof(spec), "%s,host", tested ? tested : "cl:0");
    enum tf2_status status = tf2_devices_open(spec, &env, &suite.devices.devices, &error);
    if (status != TF2_OK && status != TF2_ERR_NO_DEVICE) {
        fprintf(stderr, "%s: %s\n", spec, error.message);
        return 1;
    }
    add_families(&suite, families8_conv);
    add_families(&suite, families8_map);
    add_families(&suite, families8_move);
    add_families(&suite, families8_window);
    add_families(&suite, families8_net);
    suite.tests[suite.n++] =
        (struct CMUnitTest){.name = "int8_built", .test_func = run_built, .initial_state = &suite};
    int failed = _cmocka_run_group_tests("kernels_int8", suite.tests, suite.n, NULL, NULL);
    kprint_kernels(&suite.devices);
    tf2_devices_close(&suite.devices.devices);
    return failed;
}
