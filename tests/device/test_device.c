/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_device.c: one conformance suite, run for the host device and up to two OpenCL devices; then what is
 * not about one device: specifications, life without OpenCL, the program cache.
 *
 * The program calls itself with --without-opencl.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "device_test.h"

#define MAX_TESTS 32

/* The tests of a list with the device as their state. */
static int run_for(const char *what, const struct CMUnitTest *tests, size_t n, struct device_case *device)
{
    struct CMUnitTest copy[MAX_TESTS];
    char name[64];
    if (n > MAX_TESTS)
        return 1;
    for (size_t i = 0; i < n; i++) {
        copy[i] = tests[i];
        if (device)
            copy[i].initial_state = device;
    }
    snprintf(name, sizeof(name), "%s%s%s", what, device ? " " : "", device ? device->spec : "");
    return _cmocka_run_group_tests(name, copy, n, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct device_case cases[] = {{"host"}, {"cl:0"}, {"cl:1"}};
    int failed = 0;
    if (argc > 1 && strcmp(argv[1], "--without-opencl") == 0)
        return child_without_opencl();
    failed += run_for("open", open_tests, n_open_tests, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        failed += run_for("conformance", conformance_tests, n_conformance_tests, &cases[i]);
        failed += run_for("int8", int8_tests, n_int8_tests, &cases[i]);
        failed += run_for("memory", memory_tests, n_memory_tests, &cases[i]);
    }
    failed += run_for("cache", cache_tests, n_cache_tests, NULL);
    return failed;
}
