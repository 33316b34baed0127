/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_figures.c: the metrics are Prometheus' text format, the trace is Trace Event JSON, whatever names are
 * in them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define MAX_TEXT_BYTES 262144
#define MAX_SERIES     256

/* Quotes, a backslash, a line's end, a tab, bytes that are no UTF-8, and a letter of two bytes. */
#define NASTY "a\"b\\c\nd\te\xff\xc3(\xc3\xa4"

struct text {
    char data[MAX_TEXT_BYTES];
    size_t n;
    int n_calls;
};

static bool keep(void *user, const char *text, size_t n_bytes)
{
    struct text *t = user;
    assert_true(t->n + n_bytes < sizeof(t->data));
    memcpy(t->data + t->n, text, n_bytes);
    t->n += n_bytes;
    t->data[t->n] = 0;
    t->n_calls++;
    return true;
}

static bool refuse(void *user, const char *text, size_t n_bytes)
{
    (void)user;
    (void)text;
    (void)n_bytes;
    return false;
}

/* --- an engine that has done something --- */

struct fixture {
    struct rig rig;
    struct bank bank;
    struct tf2_accelerator *accelerators[3];
    struct tf2_client *clients[4];
    struct text text;
};

static void open_fixture(struct fixture *f, size_t n_trace_events)
{
    const struct tf2_engine_options options = {
        .n_trace_events = n_trace_events, .probe_ns = MS, .max_attempts = 100};
    static const char *const names[] = {"one", NASTY, "one"};
    memset(f, 0, sizeof(*f));
    struct tf2_model *model = model_conv();
    bank_open(&f->bank, model, 4, 1);
    tf2_model_destroy(&model);
    rig_open(&f->rig, 2, &options);
    for (size_t i = 0; i < 3; i++) {
        const struct tf2_load_options load = {.name = names[i], .batch_sizes = {2}, .n_batch_sizes = i == 1};
        f->accelerators[i] = rig_load(&f->rig, model_conv(), &load);
    }
    for (size_t i = 0; i < 4;
         i++) /* two of the same name, one of a name that is cut in the middle of a letter */
        f->clients[i] = rig_client(
            &f->rig, &(struct tf2_client_options){
                         .name = i == 2   ? NASTY
                                 : i == 3 ? "0123456789012345678901\xc3\xa4\xc3\xa4"
                                          : "client"});
    /* One run fails. */
    atomic_store(&f->rig.control[0].next[FAULT_RUN], 1);
    MUST(tf2_client_lease(f->clients[0], 1, TF2_FOREVER, e)); /* of device 0, so that it gets something to do */
    rig_run_items(f->clients[0], f->accelerators[0], &f->bank, 5);
    tf2_client_unlease(f->clients[0]);
    for (size_t i = 1; i < 12; i++)
        rig_run_items(f->clients[i % 4], f->accelerators[i % 3], &f->bank, 5);
    MUST(tf2_client_lease(f->clients[0], 1, TF2_FOREVER, e));
}

static void close_fixture(struct fixture *f)
{
    for (size_t i = 0; i < 4; i++)
        tf2_client_destroy(&f->clients[i]);
    for (size_t i = 0; i < 3; i++)
        tf2_accelerator_close(&f->accelerators[i]);
    bank_close(&f->bank);
    rig_close(&f->rig);
    free(f);
}

static void test_arguments(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    open_fixture(f, 0);
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_engine_write_metrics(NULL, keep, &f->text, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_engine_write_metrics(f->rig.engine, NULL, NULL, e));
    REFUSED(TF2_ERR_IO, "written", tf2_engine_write_metrics(f->rig.engine, refuse, NULL, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_engine_write_trace(NULL, keep, &f->text, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_engine_write_trace(f->rig.engine, NULL, NULL, e));
    REFUSED(
        TF2_ERR_INVALID_STATE, "n_trace_events", tf2_engine_write_trace(f->rig.engine, keep, &f->text, e));
    assert_int_equal(f->text.n, 0);
    close_fixture(f);
}

/* --- Prometheus --- */

/* A length of UTF-8 at `c` (RFC 3629), 0 when it is none. */
static size_t utf8_length(const unsigned char *c)
{
    size_t n = *c < 0x80                 ? 1
               : *c >= 0xc2 && *c < 0xe0 ? 2
               : *c >= 0xe0 && *c < 0xf0 ? 3
               : *c >= 0xf0 && *c < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) || (*c == 0xf0 && c[1] < 0x90) ||
        (*c == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

static void check_utf8(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t n = utf8_length(c);
        if (!n)
            fail_msg("no UTF-8: %.20s", (const char *)c);
        c += n;
    }
}

struct series {
    char name[64]; /* of the metric */
    char *labels;  /* with the name, as in the text */
    double value;
};

struct metrics {
    char types[64][2][64]; /* name, type */
    size_t n_types, n_series;
    struct series series[MAX_SERIES];
};

static const char *type_of(const struct metrics *m, const char *name)
{
    for (size_t i = 0; i < m->n_types; i++) {
        size_t n = strlen(m->types[i][0]);
        const char *rest = name + n;
        bool histogram = strcmp(m->types[i][1], "histogram") == 0;
        if (strncmp(name, m->types[i][0], n) != 0)
            continue;
        if (!*rest
                ? !histogram
                : histogram && (!strcmp(rest, "_bucket") || !strcmp(rest, "_sum") || !strcmp(rest, "_count")))
            return m->types[i][1];
    }
    return NULL;
}

/* {name="value",...}: only \\, \" and \n may be escaped. Returns what is behind. */
static char *skip_labels(char *c)
{
    assert_int_equal(*c, '{');
    do {
        c++;
        assert_true(isalpha((unsigned char)*c) || *c == '_');
        while (isalnum((unsigned char)*c) || *c == '_')
            c++;
        assert_memory_equal(c, "=\"", 2);
        for (c += 2; *c != '"'; c++) {
            assert_true((unsigned char)*c >= 0x20);
            if (*c == '\\') {
                c++;
                assert_true(*c == '\\' || *c == '"' || *c == 'n');
            }
        }
        c++;
    } while (*c == ',');
    assert_int_equal(*c, '}');
    return c + 1;
}

static void parse_comment(struct metrics *m, const char *line)
{
    char *type = m->types[m->n_types][1], *name = m->types[m->n_types][0], help[64];
    if (sscanf(line, "# HELP %63s %63s", help, type) == 2)
        return;
    assert_int_equal(sscanf(line, "# TYPE %63s %63s", name, type), 2);
    assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") || !strcmp(type, "histogram"));
    assert_true(strncmp(name, "tf2_", 4) == 0);
    if (!strcmp(type, "counter"))
        assert_string_equal(name + strlen(name) - 6, "_total");
    for (size_t i = 0; i < m->n_types; i++)
        assert_string_not_equal(m->types[i][0], name); /* once */
    m->n_types++;
}

static void parse_series(struct metrics *m, char *line)
{
    struct series *s = &m->series[m->n_series++];
    char *c = line, *end;
    assert_true(m->n_series < MAX_SERIES);
    while (isalnum((unsigned char)*c) || *c == '_')
        c++;
    snprintf(s->name, sizeof(s->name), "%.*s", (int)(c - line), line);
    if (*c == '{')
        c = skip_labels(c);
    assert_int_equal(*c, ' ');
    *c = 0;
    s->labels = line;
    s->value = strtod(c + 1, &end);
    if (end == c + 1 || *end || s->value < 0)
        fail_msg("%s has the value '%s'", line, c + 1);
    if (!type_of(m, s->name))
        fail_msg("%s has no type", line);
    for (size_t i = 0; i + 1 < m->n_series; i++)
        assert_string_not_equal(m->series[i].labels, line);
}

static void parse_metrics(struct metrics *m, char *text)
{
    memset(m, 0, sizeof(*m));
    check_utf8(text);
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end); /* the last one too */
        *end = 0;
        if (*line == '#')
            parse_comment(m, line);
        else
            parse_series(m, line);
    }
}

static double value_of(const struct metrics *m, const char *labels)
{
    for (size_t i = 0; i < m->n_series; i++) {
        if (!strcmp(m->series[i].labels, labels))
            return m->series[i].value;
    }
    fail_msg("there is no %s", labels);
    return 0;
}

static double sum_of(const struct metrics *m, const char *name)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_series; i++)
        sum += strcmp(m->series[i].name, name) ? 0 : m->series[i].value;
    return sum;
}

static void check_histogram(const struct metrics *m)
{
    double last = 0, bound = -1;
    for (size_t i = 0; i < m->n_series; i++) {
        double le;
        if (strcmp(m->series[i].name, "tf2_request_seconds_bucket") != 0)
            continue;
        const char *text = strstr(m->series[i].labels, "le=\"") + 4;
        le = strncmp(text, "+Inf", 4) ? strtod(text, NULL) : 1e300;
        assert_true(le > bound && m->series[i].value >= last); /* ascending, cumulative */
        bound = le;
        last = m->series[i].value;
    }
    assert_true(bound == 1e300 && last == value_of(m, "tf2_request_seconds_count"));
    assert_true(value_of(m, "tf2_request_seconds_sum") > 0);
}

static void test_metrics(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    static struct metrics m;
    open_fixture(f, 0);
    MUST(tf2_engine_write_metrics(f->rig.engine, keep, &f->text, e));
    assert_int_equal(f->text.n_calls, 1);
    parse_metrics(&m, f->text.data);
    assert_true(m.n_types >= 15);
    assert_true(value_of(&m, "tf2_requests_submitted_total") == 60);
    assert_true(value_of(&m, "tf2_requests_total{outcome=\"ok\"}") == 60);
    assert_true(value_of(&m, "tf2_requests_total{outcome=\"failed\"}") == 0);
    assert_true(value_of(&m, "tf2_retries_total") >= 1);
    assert_true(sum_of(&m, "tf2_client_requests_total") == 60);
    assert_true(sum_of(&m, "tf2_accelerator_requests_total") == 60);
    assert_true(sum_of(&m, "tf2_device_requests_total") >= 60);
    assert_true(sum_of(&m, "tf2_device_failures_total") == 1);
    assert_true(sum_of(&m, "tf2_device_leased") == 1);
    assert_true(sum_of(&m, "tf2_device_busy_seconds_total") > 0);
    check_histogram(&m);
    close_fixture(f);
}

/* --- the trace --- */

static json_t *load_trace(struct fixture *f)
{
    json_error_t error;
    memset(&f->text, 0, sizeof(f->text));
    MUST(tf2_engine_write_trace(f->rig.engine, keep, &f->text, e));
    assert_int_equal(f->text.n_calls, 1);
    json_t *json = json_loads(f->text.data, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("line %d: %s: %.40s", error.line, error.text, f->text.data + error.position);
    assert_true(json_is_array(json_object_get(json, "traceEvents")));
    return json;
}

static double number(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* Runs of one device do not overlap, and lie within the engine's life. Returns how many there are. */
static size_t check_events(const json_t *events, double elapsed_us)
{
    double end_us[3] = {0};
    size_t n = 0, i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        const char *ph = json_string_value(json_object_get(event, "ph"));
        assert_non_null(ph);
        assert_true(json_is_string(json_object_get(event, "name")));
        assert_true(number(event, "pid") == 1);
        if (!strcmp(ph, "X")) {
            const int tid = (int)number(event, "tid");
            const double ts = number(event, "ts"), dur = number(event, "dur");
            const json_t *args = json_object_get(event, "args");
            assert_in_range(tid, 1, 2);
            assert_true(dur >= 0 && ts >= end_us[tid] - 0.002 && ts + dur <= elapsed_us);
            assert_true(json_is_string(json_object_get(args, "client")) && number(args, "items") >= 1);
            end_us[tid] = ts + dur;
            n++;
        } else if (!strcmp(ph, "C")) {
            assert_true(number(event, "ts") >= 0);
        } else {
            assert_string_equal(ph, "M");
        }
    }
    return n;
}

static void test_trace(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    struct tf2_engine_stats stats;
    struct tf2_device_stats device;
    uint64_t n_runs = 0, n_failed = 0;
    size_t i;
    json_t *event;
    open_fixture(f, 1000);
    json_t *json = load_trace(f), *events = json_object_get(json, "traceEvents");
    assert_int_equal(tf2_engine_stats(f->rig.engine, &stats), TF2_OK);
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(tf2_engine_device_stats(f->rig.engine, k, &device), TF2_OK);
        n_runs += device.n_runs;
    }
    assert_int_equal(check_events(events, (double)stats.elapsed_ns * 1e-3), n_runs);
    json_array_foreach(events, i, event) n_failed +=
        json_is_true(json_object_get(json_object_get(event, "args"), "failed"));
    assert_int_equal(n_failed, 1);
    json_decref(json);
    close_fixture(f);
}

/* The newest ones are kept. */
static void test_full_trace(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof(*f));
    open_fixture(f, 7);
    json_t *json = load_trace(f);
    assert_int_equal(check_events(json_object_get(json, "traceEvents"), 1e12), 7);
    json_decref(json);
    uint64_t begin_ns = rig_now();
    struct tf2_engine_stats stats;
    rig_run_items(f->clients[0], f->accelerators[0], &f->bank, 30);
    assert_int_equal(tf2_engine_stats(f->rig.engine, &stats), TF2_OK);
    const double first_us = ((double)stats.elapsed_ns - (double)(rig_now() - begin_ns)) * 1e-3 - 1000;
    json = load_trace(f);
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(json, "traceEvents"), i, event)
    {
        if (!strcmp(json_string_value(json_object_get(event, "ph")), "X"))
            assert_true(number(event, "ts") > first_us);
    }
    json_decref(json);
    close_fixture(f);
}

/* Numbers have a point, whatever the program's language is. */
static void test_decimal_comma(void **state)
{
    (void)state;
    static const char *const names[] = {
        "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8", "cs_CZ.UTF-8"};
    const char *found = NULL;
    static struct metrics m;
    for (size_t i = 0; i < TF2__COUNT(names) && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]);
    if (!found) {
        print_message("skipped: this machine has no language with a decimal comma\n");
        skip();
    }
    struct fixture *f = malloc(sizeof(*f));
    open_fixture(f, 10);
    MUST(tf2_engine_write_metrics(f->rig.engine, keep, &f->text, e));
    MUST(tf2_engine_write_trace(f->rig.engine, keep, &f->text, e));
    assert_string_equal(localeconv()->decimal_point, ","); /* as before */
    setlocale(LC_NUMERIC, "C");
    *strstr(f->text.data, "{\"displayTimeUnit") = 0;
    parse_metrics(&m, f->text.data);
    json_decref(load_trace(f));
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),  cmocka_unit_test(test_metrics),       cmocka_unit_test(test_trace),
        cmocka_unit_test(test_full_trace), cmocka_unit_test(test_decimal_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
