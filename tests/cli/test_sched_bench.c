/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sched_bench.c: tf2-sched-bench: exit status, messages, JSON. Runs are short: no figure is looked at.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs.h"

#include <string.h>

static void check_rows(const json_t *root, size_t n)
{
    assert_true(number(root, "devices") >= 1 && number(root, "duration_s") > 0);
    assert_int_equal(json_array_size(list(root, "figures")), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list(root, "figures"), i);
        const json_t *asked = json_object_get(row, "asked");
        assert_true(strlen(string(row, "what")) > 10 && strlen(string(row, "unit")) > 0);
        assert_true(json_is_null(asked) || json_is_string(asked));
        assert_true(number(row, "measured") > 0);
    }
}

static void test_json(void **state)
{
    (void)state;
    WORKS("TF2_SCHED_BENCH", "--duration", "0.05", "--json", "-", "overhead");
    json_t *root = json_loads(out_text, 0, NULL);
    assert_non_null(root);
    check_rows(root, 3);
    json_decref(root);
}

static void test_text(void **state)
{
    (void)state;
    WORKS(
        "TF2_SCHED_BENCH", "--devices", "host", "--duration", "0.05", "--json", at_work("rows.json"),
        "overhead", "exclusive");
    assert_non_null(strstr(out_text, "| asked"));
    assert_non_null(strstr(out_text, "an empty network on 1 devices"));
    json_t *root = load_json(at_work("rows.json"));
    check_rows(root, 3); /* nobody can have one of one devices for itself beside others */
    json_decref(root);
}

static void test_usage(void **state)
{
    (void)state;
    FAILS("TF2_SCHED_BENCH", "tf2-sched-bench", 2, "no figure \"speed\"", "speed");
    FAILS("TF2_SCHED_BENCH", "tf2-sched-bench", 2, "--duration", "--duration", "no", "overhead");
    FAILS("TF2_SCHED_BENCH", "tf2-sched-bench", 2, "--speed", "--speed");
    FAILS("TF2_SCHED_BENCH", "tf2-sched-bench", 1, "device 'gpu'", "--devices", "gpu", "overhead");
    FAILS(
        "TF2_SCHED_BENCH", "tf2-sched-bench", 1, "nowhere", "--duration", "0.01", "--json",
        "/nowhere/rows.json", "overhead");
    WORKS("TF2_SCHED_BENCH", "--help");
    assert_non_null(strstr(out_text, "fairness"));
    WORKS("TF2_SCHED_BENCH", "--version");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, make_work_dir, remove_work_dir);
}
