/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_repository.c: accelerators by name, in a folder made for this test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

struct repository {
    char root[64];
    struct rig rig;
};

/* Values of the output tell which file it is. */
static void save(const struct repository *r, const char *name, int64_t n)
{
    char path[256];
    struct tf2_model *model = model_copy(n);
    snprintf(path, sizeof(path), "%s/%s", r->root, name);
    MUST(tf2_model_save(model, path, NULL, e));
    tf2_model_destroy(&model);
}

static void make_folder(const struct repository *r, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", r->root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_text(const struct repository *r, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", r->root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void open_repository(struct repository *r)
{
    strcpy(r->root, "/tmp/tf2-repository-XXXXXX");
    assert_non_null(mkdtemp(r->root));
    make_folder(r, "repo");
    save(r, "outside.tf2", 99);
    save(r, "repo/com.example.one.tf2", 1);
    make_folder(r, "repo/com.example.many");
    static const char *const versions[] = {"1", "2", "10", "011x", "-3", "12"};
    for (size_t i = 0; i < TF2__COUNT(versions); i++) {
        char name[128];
        snprintf(name, sizeof(name), "repo/com.example.many/%s", versions[i]);
        make_folder(r, name);
        if (i + 1 < TF2__COUNT(versions)) { /* 12 has no model */
            snprintf(name, sizeof(name), "repo/com.example.many/%s/model.tf2", versions[i]);
            save(r, name, 10 + (int64_t)i);
        }
    }
    make_folder(r, "repo/both");
    make_folder(r, "repo/both/7");
    save(r, "repo/both/7/model.tf2", 27);
    save(r, "repo/both.tf2", 20);
    write_text(r, "repo/broken.tf2", "no model");
    make_folder(r, "repo/folder.tf2");
    char repo[80];
    snprintf(repo, sizeof(repo), "%s/repo", r->root);
    const struct tf2_engine_options options = {.repository = repo};
    rig_open(&r->rig, 2, &options);
    memset(repo, 'x', sizeof(repo)); /* the engine has its own */
}

static void close_repository(struct repository *r)
{
    char command[128];
    rig_close(&r->rig);
    snprintf(command, sizeof(command), "rm -r '%s'", r->root);
    assert_int_equal(system(command), 0);
}

static int64_t width_of(struct repository *r, const char *name)
{
    struct tf2_accelerator *accelerator = NULL;
    struct tf2_tensor_info info;
    const struct tf2_load_options options = {.name = "ignored"};
    MUST(tf2_accelerator_open(r->rig.engine, name, &options, &accelerator, e));
    assert_int_equal(tf2_accelerator_input(accelerator, 0, &info), TF2_OK);
    tf2_accelerator_close(&accelerator);
    return info.shape.dim[1];
}

static void test_names_and_versions(void **state)
{
    (void)state;
    struct repository r;
    open_repository(&r);
    assert_int_equal(width_of(&r, "com.example.one"), 1);
    assert_int_equal(width_of(&r, "com.example.many"), 12); /* version 10 */
    assert_int_equal(width_of(&r, "com.example.many:1"), 10);
    assert_int_equal(width_of(&r, "com.example.many:2"), 11);
    assert_int_equal(width_of(&r, "both"), 20);
    assert_int_equal(width_of(&r, "both:7"), 27);
    close_repository(&r);
}

static void test_missing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *word;
    } missing[] = {
        {"com.example.two", "repo/com.example.two.tf2"},
        {"com.example.two", "com.example.two/VERSION/model.tf2"},
        {"com.example.many:3", "com.example.many/3/model.tf2"},
        {"com.example.many:12", "com.example.many/12/model.tf2"},
        {"com.example.one:1", "com.example.one/1/model.tf2"}};
    struct repository r;
    struct tf2_accelerator *accelerator = NULL;
    open_repository(&r);
    for (size_t i = 0; i < TF2__COUNT(missing); i++)
        REFUSED(
            TF2_ERR_NOT_FOUND, missing[i].word,
            tf2_accelerator_open(r.rig.engine, missing[i].name, NULL, &accelerator, e));
    REFUSED(
        TF2_ERR_FORMAT, "broken.tf2", tf2_accelerator_open(r.rig.engine, "broken", NULL, &accelerator, e));
    enum tf2_status status = tf2_accelerator_open(r.rig.engine, "folder", NULL, &accelerator, NULL);
    assert_true(status == TF2_ERR_IO || status == TF2_ERR_NOT_FOUND);
    assert_null(accelerator);
    close_repository(&r);
    struct rig rig;
    rig_open(&rig, 1, NULL);
    REFUSED(
        TF2_ERR_NOT_FOUND, "no repository", tf2_accelerator_open(rig.engine, "both", NULL, &accelerator, e));
    rig_close(&rig);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "../outside",
                                        "repo/../outside",
                                        ".hidden",
                                        "a/b",
                                        "/etc/passwd",
                                        "both:",
                                        "both:x",
                                        "both:-1",
                                        "both:7 ",
                                        "both:7:7",
                                        "both:1234567890",
                                        ":7",
                                        "both/7",
                                        "two words",
                                        "a\nb",
                                        "a%sb",
                                        "\xc3\xa4",
                                        "both:../7"};
    struct repository r;
    char longest[400];
    struct tf2_accelerator *accelerator = NULL;
    open_repository(&r);
    for (size_t i = 0; i < TF2__COUNT(names); i++)
        REFUSED(
            TF2_ERR_INVALID_ARGUMENT, "wanted letters",
            tf2_accelerator_open(r.rig.engine, names[i], NULL, &accelerator, e));
    memset(longest, 'n', sizeof(longest));
    longest[256] = 0;
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "nnnn", tf2_accelerator_open(r.rig.engine, longest, NULL, &accelerator, e));
    longest[255] = 0;
    REFUSED(TF2_ERR_NOT_FOUND, "nnnn", tf2_accelerator_open(r.rig.engine, longest, NULL, &accelerator, e));
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_open(r.rig.engine, NULL, NULL, &accelerator, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_open(NULL, "both", NULL, &accelerator, e));
    REFUSED(TF2_ERR_INVALID_ARGUMENT, "NULL", tf2_accelerator_open(r.rig.engine, "both", NULL, NULL, e));
    assert_null(accelerator);
    close_repository(&r);
}

static void test_long_path(void **state)
{
    (void)state;
    static char path[5000];
    struct rig rig;
    struct tf2_accelerator *accelerator = NULL;
    memset(path, 'p', sizeof(path) - 1);
    const struct tf2_engine_options options = {.repository = path};
    rig_open(&rig, 1, &options);
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "too long",
        tf2_accelerator_open(rig.engine, "both", NULL, &accelerator, e));
    rig_close(&rig);
}

/* One that is loaded already is found by its name, without a repository. */
static void test_loaded_ones(void **state)
{
    (void)state;
    struct rig rig;
    struct bank bank;
    struct tf2_model *model = model_gemm();
    struct tf2_accelerator *second = NULL;
    const struct tf2_load_options options = {.name = "a name with spaces"};
    bank_open(&bank, model, 2, 1);
    rig_open(&rig, 1, NULL);
    struct tf2_accelerator *first = rig_load(&rig, model, &options);
    struct tf2_client *client = rig_client(&rig, NULL);
    MUST(tf2_accelerator_open(rig.engine, "a name with spaces", NULL, &second, e));
    tf2_accelerator_close(&first);
    rig_run_items(client, second, &bank, 5); /* the other handle keeps it */
    tf2_accelerator_close(&second);
    REFUSED(
        TF2_ERR_INVALID_ARGUMENT, "spaces",
        tf2_accelerator_open(rig.engine, "a name with spaces", NULL, &second, e));
    tf2_client_destroy(&client);
    bank_close(&bank);
    rig_close(&rig);
}

/* --- many threads open the same name --- */

#define N_THREADS 8

struct opener {
    struct repository *r;
    struct tf2_accelerator *accelerator;
    enum tf2_status status;
    pthread_t thread;
};

static void *open_it(void *user)
{
    static const struct tf2_load_options replicas = {.placement = TF2_PLACEMENT_REPLICATE};
    struct opener *o = user;
    o->status = tf2_accelerator_open(o->r->rig.engine, "com.example.one", &replicas, &o->accelerator, NULL);
    return NULL;
}

static void test_opened_once(void **state)
{
    (void)state;
    struct repository r;
    struct opener openers[N_THREADS];
    open_repository(&r);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < N_THREADS; i++) {
            openers[i] = (struct opener){.r = &r};
            assert_int_equal(pthread_create(&openers[i].thread, NULL, open_it, &openers[i]), 0);
        }
        for (int i = 0; i < N_THREADS; i++) {
            pthread_join(openers[i].thread, NULL);
            assert_int_equal(openers[i].status, TF2_OK);
            assert_ptr_equal(openers[i].accelerator, openers[0].accelerator);
        }
        assert_int_equal(atomic_load(&r.rig.control[0].n_states), 1); /* one instance on each device */
        for (int i = 0; i < N_THREADS; i++)
            tf2_accelerator_close(&openers[i].accelerator);
        assert_int_equal(atomic_load(&r.rig.control[0].n_states), 0);
    }
    /* The first one fails: the others try themselves. */
    atomic_store(&r.rig.control[0].next[FAULT_OPEN], 1);
    unsigned n_failed = 0;
    for (int i = 0; i < N_THREADS; i++) {
        openers[i] = (struct opener){.r = &r};
        assert_int_equal(pthread_create(&openers[i].thread, NULL, open_it, &openers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(openers[i].thread, NULL);
        n_failed += openers[i].status == TF2_ERR_DEVICE;
        assert_true(openers[i].status == TF2_OK || !openers[i].accelerator);
        tf2_accelerator_close(&openers[i].accelerator);
    }
    assert_int_equal(n_failed, 1);
    close_repository(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_versions), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_bad_names),          cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_loaded_ones),        cmocka_unit_test(test_opened_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
