/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_prototxt.c: the text format: every form of values and fields, and the place of every mistake.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "transform/import/caffe/caffe.pb-c.h"
#include "transform/import/caffe/prototxt.h"
#include "transform/import/caffe/prototxt_lex.h"

struct parsed {
    struct tf2__prototxt text;
    struct tf2__report report;
    const Tf2__Caffe__NetParameter *net;
};

static void parse_bytes(struct parsed *p, const char *text, size_t n)
{
    static const char *const ignored[] = {"engine", "param", "weight_filler"};
    struct tf2_env env;
    struct tf2_error error;
    tf2_env_defaults(&env);
    memset(p, 0, sizeof(*p));
    assert_int_equal(
        tf2__prototxt_parse(
            &env, text, n, &tf2__caffe__net_parameter__descriptor, ignored, TF2__COUNT(ignored), &p->text,
            &p->report, &error),
        TF2_OK);
    p->net = (const Tf2__Caffe__NetParameter *)p->text.message;
    assert_non_null(p->net);
}

static void parse_ok(struct parsed *p, const char *text)
{
    parse_bytes(p, text, strlen(text));
    if (p->report.n_problems)
        fail_msg("%s: %s", text, p->report.text);
    assert_false(p->text.cut);
}

/* One value of layer.power_param.scale. */
static float parse_float(const char *value)
{
    char text[256];
    struct parsed p;
    snprintf(text, sizeof(text), "layer { power_param { scale: %s } }", value);
    parse_ok(&p, text);
    assert_true(p.net->layer[0]->power_param->has_scale);
    float scale = p.net->layer[0]->power_param->scale;
    tf2__prototxt_finish(&p.text);
    return scale;
}

static void floats_in_all_forms(void **state)
{
    (void)state;
    assert_float_equal(parse_float("1"), 1, 0);
    assert_float_equal(parse_float("-1.5"), -1.5, 0);
    assert_float_equal(parse_float("- 1.5"), -1.5, 0);
    assert_float_equal(parse_float(".25"), 0.25, 0);
    assert_float_equal(parse_float("3."), 3, 0);
    assert_float_equal(parse_float("1e-3"), 1e-3f, 0);
    assert_float_equal(parse_float("1.5E+2"), 150, 0);
    assert_float_equal(parse_float("0.017f"), 0.017f, 0);
    assert_float_equal(parse_float("2F"), 2, 0);
    assert_float_equal(parse_float("0x1F"), 31, 0);
    assert_float_equal(parse_float("16777217"), 16777216, 0);
    assert_true(isinf(parse_float("inf")));
    assert_true(parse_float("-Infinity") < 0);
    assert_true(isnan(parse_float("nan")));
    assert_float_equal(parse_float("3.4028234e38"), FLT_MAX, 0);
}

static bool parse_bool(const char *value)
{
    char text[256];
    struct parsed p;
    snprintf(text, sizeof(text), "layer { convolution_param { bias_term: %s } }", value);
    parse_ok(&p, text);
    assert_true(p.net->layer[0]->convolution_param->has_bias_term);
    bool result = p.net->layer[0]->convolution_param->bias_term;
    tf2__prototxt_finish(&p.text);
    return result;
}

static void bools_in_all_forms(void **state)
{
    static const char *const yes[] = {"true", "True", "t", "1", "0x1", "01"};
    static const char *const no[] = {"false", "False", "f", "0", "0x0", "00"};
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(yes); i++) {
        assert_true(parse_bool(yes[i]));
        assert_false(parse_bool(no[i]));
    }
}

static void integers_in_all_forms(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(
        &p, "input_dim: 10 input_dim: 0x10 input_dim: 010 input_dim: -1 input_dim: 2147483647 "
            "input_dim: -2147483648 input_shape { dim: 9223372036854775807 dim: -9223372036854775808 }"
            "layer { convolution_param { num_output: 4294967295 } }");
    const int32_t wanted[] = {10, 16, 8, -1, INT32_MAX, INT32_MIN};
    assert_int_equal(p.net->n_input_dim, TF2__COUNT(wanted));
    for (size_t i = 0; i < TF2__COUNT(wanted); i++)
        assert_int_equal(p.net->input_dim[i], wanted[i]);
    assert_true(p.net->input_shape[0]->dim[0] == INT64_MAX);
    assert_true(p.net->input_shape[0]->dim[1] == INT64_MIN);
    assert_int_equal(p.net->layer[0]->convolution_param->num_output, UINT32_MAX);
    tf2__prototxt_finish(&p.text);
}

static void parse_name(const char *value, const char *wanted)
{
    char text[256];
    struct parsed p;
    snprintf(text, sizeof(text), "name: %s", value);
    parse_ok(&p, text);
    assert_string_equal(p.net->name, wanted);
    tf2__prototxt_finish(&p.text);
}

static void strings_in_all_forms(void **state)
{
    (void)state;
    parse_name("\"plain\"", "plain");
    parse_name("'single \"inside\"'", "single \"inside\"");
    parse_name("\"a\\\"b\\\\c\\'d\\?\"", "a\"b\\c'd?");
    parse_name("\"\\101\\x42\\X43\\1012\"", "ABCA2");
}

static void strings_are_joined(void **state)
{
    (void)state;
    parse_name("\"one \" 'two' # comment\n \" three\"", "one two three");
    parse_name("\"\"", "");
    parse_name("\"caf\xc3\xa9\"", "caf\xc3\xa9");
}

static void messages_lists_and_separators(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(
        &p, "\xef\xbb\xbf# a comment\r\n"
            "name: 'x';\n"
            "input: ['a', \"b\"], input_dim: [1, 2,\t3]\v\f input_dim: []\n"
            "layer: < name: 'colon' bottom: 'p' >\n"
            "layer { name: 'none' top: 'q', top: 'r'; }\n"
            "layer: [ { name: 'l1' }, < name: 'l2' > ]\n"
            "layer [ { name: 'l3' } ]#end");
    assert_string_equal(p.net->name, "x");
    assert_int_equal(p.net->n_input, 2);
    assert_string_equal(p.net->input[1], "b");
    assert_int_equal(p.net->n_input_dim, 3);
    assert_int_equal(p.net->input_dim[2], 3);
    assert_int_equal(p.net->n_layer, 5);
    assert_string_equal(p.net->layer[0]->bottom[0], "p");
    assert_int_equal(p.net->layer[1]->n_top, 2);
    assert_string_equal(p.net->layer[4]->name, "l3");
    assert_int_equal(p.text.n_places, 5);
    assert_int_equal(p.text.places[1].line, 5);
    assert_ptr_equal(p.text.places[3].message, p.net->layer[3]);
    tf2__prototxt_finish(&p.text);
}

static void enums_by_name_and_number(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(&p, "layers { type: CONVOLUTION pooling_param { pool: AVE } } layers { type: 18 }");
    assert_int_equal(p.net->layers[0]->type, TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__CONVOLUTION);
    assert_int_equal(p.net->layers[0]->pooling_param->pool, TF2__CAFFE__POOLING_PARAMETER__POOL_METHOD__AVE);
    assert_int_equal(p.net->layers[1]->type, TF2__CAFFE__V1_LAYER_PARAMETER__LAYER_TYPE__RELU);
    tf2__prototxt_finish(&p.text);
}

static void fields_have_their_defaults(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(&p, "layer { lrn_param { } exp_param { base: 2 } }");
    assert_int_equal(p.net->layer[0]->lrn_param->local_size, 5);
    assert_float_equal(p.net->layer[0]->lrn_param->beta, 0.75, 0);
    assert_float_equal(p.net->layer[0]->exp_param->base_, 2, 0);
    assert_float_equal(p.net->layer[0]->exp_param->scale, 1, 0);
    assert_null(p.net->layer[0]->name);
    tf2__prototxt_finish(&p.text);
}

static void unknown_names_are_collected(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(
        &p, "outer: 1\n"
            "layer { name: 'a'\n"
            "  engine: CUDNN param { lr_mult: 1 nested < x: [1, 2] > }\n"
            "  foo_param { bar: 'x' 'y' baz: -inf q { } }\n"
            "  pooling_param { pool: MEDIAN } }\n"
            "layer { [my.ext/x] { a: 1 } }\n");
    assert_int_equal(p.text.n_unknown, 4);
    assert_true(p.text.unknown[0].at_top);
    assert_int_equal(p.text.places[0].first_unknown, 1);
    assert_int_equal(p.text.places[0].n_unknown, 2);
    assert_memory_equal(p.text.unknown[1].name, "foo_param", 9);
    assert_null(p.text.unknown[1].value);
    assert_int_equal(p.text.unknown[1].line, 4);
    assert_int_equal(p.text.unknown[1].column, 3);
    assert_memory_equal(p.text.unknown[2].name, "pool", 4);
    assert_memory_equal(p.text.unknown[2].value, "MEDIAN", 6);
    assert_int_equal(p.text.places[1].n_unknown, 1);
    assert_memory_equal(p.text.unknown[3].name, "[my.ext/x]", 10);
    assert_int_equal(p.text.unknown[3].name_bytes, 10);
    tf2__prototxt_finish(&p.text);
}

struct mistake {
    const char *text;
    const char *wanted; /* in the report */
    bool cut;           /* nothing after it is read */
};

static const struct mistake mistakes[] = {
    {"name 'x'", "line 1, column 6: wanted ':'", true},
    {"name: 5", "line 1, column 7: name: wanted another type of value, found '5'", false},
    {"name: \"x", "line 1, column 7: a string does not end on its line", true},
    {"name: 'a\\q'", "line 1, column 9: name: an escape that is none", false},
    {"name: 'a\\400'", "line 1, column 9: name: an escape that is none", false},
    {"name: 'a\\0b'", "line 1, column 9: name: a zero byte in a string", false},
    {"name: 'a\\n'", "line 1, column 7: name: a control character", false},
    {"name: 'x'\nname: 'y'", "line 2, column 7: name is given more than once", false},
    {"name: ['x']", "line 1, column 8: wanted one value, not a list", true},
    {"name { }", "line 1, column 6: wanted a value that is no message", true},
    {"layer: 5", "line 1, column 8: wanted '{', found '5'", true},
    {"layer 5", "line 1, column 7: wanted ':' or '{', found '5'", true},
    {"layer {\n\n  name: 'x'", "line 3, column 12: wanted a field's name, found the end of the file", true},
    {"layer { > ", "line 1, column 9: wanted a field's name, found '>'", true},
    {"layer < }", "line 1, column 9: wanted a field's name, found '}'", true},
    {"layer { } }", "line 1, column 11: wanted a field's name, found '}'", true},
    {"layer { lrn_param { } lrn_param { alpha: 1 } }", "line 1, column 33: lrn_param is given more than once",
     false},
    {"input: [ 'a' 'b' \"c\", ]", "line 1, column 23: wanted a value", true},
    {"input: [ 'a'; 'b' ]", "line 1, column 13: wanted ',' or ']'", true},
    {"input_dim: 1.5", "input_dim: wanted a whole number that fits, found '1.5'", false},
    {"input_dim: 2147483648", "a whole number that fits", false},
    {"input_dim: -2147483649", "a whole number that fits", false},
    {"input_dim: 089", "a whole number that fits", false},
    {"input_dim: 0x", "a whole number that fits", false},
    {"input_dim: 99999999999999999999999", "a whole number that fits", false},
    {"input_dim: 'x'", "input_dim: wanted no string", false},
    {"input_dim: - 'x'", "line 1, column 14: wanted a value", true},
    {"input_dim:", "line 1, column 11: wanted a value, found the end of the file", true},
    {"input_dim: --1", "line 1, column 13: wanted a value, found '-'", true},
    {"layer { convolution_param { num_output: -1 } }", "line 1, column 42: num_output: wanted a whole number",
     false},
    {"layer { convolution_param { bias_term: 2 } }", "bias_term: wanted true or false, found '2'", false},
    {"layer { convolution_param { bias_term: yes } }", "bias_term: wanted true or false, found 'yes'", false},
    {"layer { power_param { power: 1e60 } }", "power: wanted a number, found '1e60'", false},
    {"layer { power_param { power: 1.2.3 } }", "power: wanted a number, found '1.2.3'", false},
    {"layer { power_param { power: two } }", "power: wanted a number, found 'two'", false},
    {"layer { pooling_param { pool: 1.5 } }", "pool: wanted a name of its enumeration", false},
    {"na@me: 1", "line 1, column 3: a character that is not allowed", true},
    {"name: \x80", "line 1, column 7: a character that is not allowed", true},
    {"unknown [", "line 1, column 10: wanted a value, found the end", true},
    {"[unknown", "line 1, column 9: wanted an extension's name and ']'", true},
    {"# only\n# comments\n=", "line 3, column 1: a character", true},
};

static void mistakes_are_reported_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < TF2__COUNT(mistakes); i++) {
        struct parsed p;
        parse_bytes(&p, mistakes[i].text, strlen(mistakes[i].text));
        if (p.report.n_problems != 1 || !strstr(p.report.text, mistakes[i].wanted))
            fail_msg("'%s': %zu problems: %s", mistakes[i].text, p.report.n_problems, p.report.text);
        if (p.text.cut != mistakes[i].cut)
            fail_msg("'%s': cut is %d", mistakes[i].text, p.text.cut);
        tf2__prototxt_finish(&p.text);
    }
}

static void all_wrong_values_are_reported(void **state)
{
    struct parsed p;
    const char *text = "name: 1\ninput_dim: x\nlayer { convolution_param { group: -3 } }\ninput: 'kept'";
    (void)state;
    parse_bytes(&p, text, strlen(text));
    assert_int_equal(p.report.n_problems, 3);
    assert_non_null(strstr(p.report.text, "line 1"));
    assert_non_null(strstr(p.report.text, "line 2"));
    assert_non_null(strstr(p.report.text, "line 3"));
    assert_int_equal(p.net->n_input, 1);
    tf2__prototxt_finish(&p.text);
}

/* As many levels as `depth`, in a field that is skipped. */
static size_t parse_nested(size_t depth)
{
    char *text = malloc(3 * depth);
    struct parsed p;
    for (size_t i = 0; i < depth; i++)
        memcpy(text + 2 * i, "x{", 2);
    memset(text + 2 * depth, '}', depth);
    parse_bytes(&p, text, 3 * depth);
    size_t n_problems = p.report.n_problems;
    if (n_problems)
        assert_non_null(strstr(p.report.text, "inside each other"));
    tf2__prototxt_finish(&p.text);
    free(text);
    return n_problems;
}

static void nesting_is_limited(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(30), 0);
    assert_int_equal(parse_nested(33), 1);
    assert_int_equal(parse_nested(1000000), 1);
}

static void repetition_is_limited(void **state)
{
    const size_t n = 70000;
    char *text = malloc(n * 12 + 1);
    struct parsed p;
    (void)state;
    for (size_t i = 0; i < n; i++)
        memcpy(text + 12 * i, "input_dim:1 ", 12);
    parse_bytes(&p, text, 12 * n);
    assert_int_equal(p.report.n_problems, 1);
    assert_non_null(strstr(p.report.text, "more than 65536 times input_dim"));
    tf2__prototxt_finish(&p.text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 12 * i, "unknown_x:1 ", 12);
    parse_bytes(&p, text, 12 * n);
    assert_non_null(strstr(p.report.text, "more than 10000 unknown names"));
    tf2__prototxt_finish(&p.text);
    free(text);
}

static void nothing_is_a_message(void **state)
{
    struct parsed p;
    (void)state;
    parse_ok(&p, "");
    assert_int_equal(p.net->n_layer, 0);
    tf2__prototxt_finish(&p.text);
    parse_ok(&p, " # comment without newline");
    tf2__prototxt_finish(&p.text);
    tf2__prototxt_finish(&p.text);
}

/* An allocator that fails at the n-th call and counts what is not given back. */
struct failing {
    size_t calls, fail_at, live;
};

static void *failing_alloc(void *user, size_t size, size_t alignment)
{
    struct failing *f = user;
    void *ptr = ++f->calls == f->fail_at
                    ? NULL
                    : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    f->live += ptr != NULL;
    return ptr;
}

static void failing_release(void *user, void *ptr)
{
    ((struct failing *)user)->live--;
    free(ptr);
}

static void every_allocation_may_fail(void **state)
{
    const char *text =
        "name: 'a' 'b' input: ['x', 'y', 'z'] outer: 1 input_dim: [1, 2, 3] layer { name: 'q' foo: 1 "
        "bottom: 'x' lrn_param { alpha: 2 } } layer { top: 'y' }";
    bool done = false;
    (void)state;
    for (size_t n = 1; !done; n++) {
        struct failing failing = {.fail_at = n};
        struct tf2_env env = {.allocator = {failing_alloc, failing_release, &failing}};
        struct tf2__prototxt out;
        struct tf2__report report = {0};
        struct tf2_error error;
        enum tf2_status status = tf2__prototxt_parse(
            &env, text, strlen(text), &tf2__caffe__net_parameter__descriptor, NULL, 0, &out, &report, &error);
        done = failing.calls < n;
        assert_int_equal(status, done ? TF2_OK : TF2_ERR_NO_MEMORY);
        tf2__prototxt_finish(&out);
        assert_int_equal(failing.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_in_all_forms),
        cmocka_unit_test(bools_in_all_forms),
        cmocka_unit_test(integers_in_all_forms),
        cmocka_unit_test(strings_in_all_forms),
        cmocka_unit_test(strings_are_joined),
        cmocka_unit_test(messages_lists_and_separators),
        cmocka_unit_test(enums_by_name_and_number),
        cmocka_unit_test(fields_have_their_defaults),
        cmocka_unit_test(unknown_names_are_collected),
        cmocka_unit_test(mistakes_are_reported_with_their_place),
        cmocka_unit_test(all_wrong_values_are_reported),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(repetition_is_limited),
        cmocka_unit_test(nothing_is_a_message),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
