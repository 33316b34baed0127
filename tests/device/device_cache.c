/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_cache.c: compiled programs on disk: written once, used again, ignored when damaged, done without
 * when the directory cannot be written. That a program was compiled shows in the log.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_test.h"

struct cache {
    char dir[64];
    char file[512];   /* the one program in it */
    struct stat stat; /* of the file */
    size_t n_files;
    char saved[4096]; /* TF2_CACHE_DIR before */
    bool had;
};

static void look(struct cache *cache)
{
    DIR *dir = opendir(cache->dir);
    struct dirent *entry;
    cache->n_files = 0;
    cache->file[0] = '\0';
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(cache->file, sizeof(cache->file), "%s/%s", cache->dir, entry->d_name);
        cache->n_files++;
    }
    if (dir)
        closedir(dir);
    if (cache->n_files)
        assert_int_equal(stat(cache->file, &cache->stat), 0);
}

static int setup(void **state)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    const char *saved = getenv("TF2_CACHE_DIR");
    cache->had = saved && strlen(saved) < sizeof(cache->saved);
    if (cache->had)
        strcpy(cache->saved, saved);
    strcpy(cache->dir, "/tmp/tf2-test-cache-XXXXXX");
    if (!mkdtemp(cache->dir))
        return -1;
    setenv("TF2_CACHE_DIR", cache->dir, 1);
    *state = cache;
    return 0;
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char inner[700];
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        remove_all(inner);
    }
    if (dir)
        closedir(dir);
    remove(path);
}

static int teardown(void **state)
{
    struct cache *cache = *state;
    remove_all(cache->dir);
    if (cache->had)
        setenv("TF2_CACHE_DIR", cache->saved, 1);
    else
        unsetenv("TF2_CACHE_DIR");
    free(cache);
    return 0;
}

/* Opens cl:0, runs the small model, closes. What was logged is in counting->log; false: no OpenCL. */
static bool use_device(struct counting_env *counting)
{
    counting_env_init(counting);
    struct tf2_devices *devices = devices_or_null("cl:0", &counting->env);
    if (!devices)
        return false;
    struct tf2_model *model = model_small(&counting->env);
    struct tf2_session *session = NULL;
    float x[7] = {0, 1, -1, 20, -20, 0.5f, 2}, y[7] = {0};
    const void *inputs[] = {x};
    void *outputs[] = {y};
    MUST(tf2_session_create(model, devices, 0, NULL, &session, e));
    MUST(tf2_session_run(session, inputs, outputs, e));
    assert_true(y[0] == 0 && y[3] > 0.9999f && y[4] < -0.9999f && y[1] > 0.76f && y[1] < 0.77f);
    tf2_session_destroy(&session);
    tf2_model_destroy(&model);
    tf2_devices_close(&devices);
    assert_int_equal(atomic_load(&counting->n_live), 0);
    return true;
}

static bool compiled(const struct counting_env *counting)
{
    return strstr(counting->log, "compiling") != NULL;
}

static bool warned(const struct counting_env *counting)
{
    /* A line of the log opens with its level; 2 is TF2_LOG_WARNING. */
    return strncmp(counting->log, "2 ", 2) == 0 || strstr(counting->log, "\n2 ") != NULL;
}

static bool same_time(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ino == b->st_ino;
}

static void test_written_once(void **state)
{
    struct cache *cache = *state;
    struct counting_env counting;
    if (!use_device(&counting))
        skip();
    assert_true(compiled(&counting));
    assert_false(warned(&counting));
    look(cache);
    assert_int_equal(cache->n_files, 1); /* one family, nothing temporary left */
    assert_true(cache->stat.st_size > 100);
    struct stat first = cache->stat;
    for (int i = 0; i < 2; i++) {
        assert_true(use_device(&counting));
        assert_false(compiled(&counting));
        look(cache);
        assert_int_equal(cache->n_files, 1);
        assert_true(same_time(&first, &cache->stat));
        assert_int_equal(first.st_size, cache->stat.st_size);
    }
}

/* Overwrites the file's contents from `offset` on, or cuts it there. */
static void damage(const struct cache *cache, long offset, const char *bytes, size_t n)
{
    if (!bytes) {
        assert_int_equal(truncate(cache->file, offset), 0);
        return;
    }
    FILE *file = fopen(cache->file, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_damaged(void **state)
{
    struct cache *cache = *state;
    struct counting_env counting;
    if (!use_device(&counting))
        skip();
    look(cache);
    const struct {
        long offset;
        const char *bytes;
    } cases[] = {
        {0, NULL},
        {10, NULL},
        {40, NULL},
        {cache->stat.st_size / 2, NULL},
        {cache->stat.st_size - 1, NULL},
        {0, "XXXX"},
        {9, "XXXX"},
        {24, "\377\377\377\377\377\377\377\377"},
        {cache->stat.st_size / 2, "XXXXXXXX"},
        {cache->stat.st_size - 4, "XXXX"},
        {cache->stat.st_size, "more"},
    };
    off_t whole = cache->stat.st_size;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        damage(cache, cases[i].offset, cases[i].bytes, cases[i].bytes ? strlen(cases[i].bytes) : 0);
        assert_true(use_device(&counting));
        if (!compiled(&counting))
            fail_msg("case %zu: a damaged file was used", i);
        assert_true(use_device(&counting));
        if (compiled(&counting))
            fail_msg("case %zu: a damaged file was not replaced", i);
        look(cache);
        assert_int_equal(cache->n_files, 1);
        assert_int_equal(cache->stat.st_size, whole);
    }
}

/* A whole file of a good header and a sum, but under another program's name. */
static void test_foreign(void **state)
{
    struct cache *cache = *state;
    struct counting_env counting;
    char moved[600];
    if (!use_device(&counting))
        skip();
    look(cache);
    /* Another kernel's file takes this one's place: its key does not fit. */
    snprintf(moved, sizeof(moved), "%s/00000000000000000000000000000000.clbin", cache->dir);
    assert_int_equal(rename(cache->file, moved), 0);
    assert_true(use_device(&counting));
    assert_true(compiled(&counting));
    look(cache);
    assert_int_equal(cache->n_files, 2);
    /* Something that is no file where the program should be. */
    remove(moved);
    look(cache);
    assert_int_equal(remove(cache->file), 0);
    assert_int_equal(mkdir(cache->file, 0777), 0);
    snprintf(moved, sizeof(moved), "%s/inside", cache->file);
    assert_int_equal(mkdir(moved, 0777), 0);
    assert_true(use_device(&counting));
    assert_true(compiled(&counting));
    assert_true(warned(&counting));
}

static void test_unwritable(void **state)
{
    struct cache *cache = *state;
    struct counting_env counting;
    char path[200];
    FILE *file;
    /* Under a plain file no directory can be made, not even by root. */
    snprintf(path, sizeof(path), "%s/file", cache->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    strcat(path, "/sub/sub");
    setenv("TF2_CACHE_DIR", path, 1);
    if (!use_device(&counting))
        skip();
    assert_true(compiled(&counting));
    assert_true(warned(&counting));
    /* A path that is too long is no place either. */
    char *endless = calloc(1, 6001);
    memset(endless, 'd', 6000);
    endless[0] = '/';
    setenv("TF2_CACHE_DIR", endless, 1);
    assert_true(use_device(&counting));
    assert_true(compiled(&counting));
    free(endless);
}

/* Empty: no cache; a directory that has to be made first. */
static void test_places(void **state)
{
    struct cache *cache = *state;
    struct counting_env counting;
    char deep[200], base[64];
    setenv("TF2_CACHE_DIR", "", 1);
    if (!use_device(&counting))
        skip();
    assert_true(compiled(&counting));
    assert_false(warned(&counting));
    look(cache);
    assert_int_equal(cache->n_files, 0);
    snprintf(deep, sizeof(deep), "%s/a/b/c", cache->dir);
    setenv("TF2_CACHE_DIR", deep, 1);
    assert_true(use_device(&counting));
    assert_true(use_device(&counting));
    assert_false(compiled(&counting));
    strcpy(base, cache->dir);
    unsetenv("TF2_CACHE_DIR");
    const char *before = getenv("XDG_CACHE_HOME");
    char *saved = before ? strdup(before) : NULL;
    setenv("XDG_CACHE_HOME", base, 1);
    assert_true(use_device(&counting));
    snprintf(deep, sizeof(deep), "%s/libtf2", base);
    assert_int_equal(access(deep, F_OK), 0);
    if (saved)
        setenv("XDG_CACHE_HOME", saved, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    free(saved);
}

const struct CMUnitTest cache_tests[] = {
    cmocka_unit_test_setup_teardown(test_written_once, setup, teardown),
    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
    cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
    cmocka_unit_test_setup_teardown(test_unwritable, setup, teardown),
    cmocka_unit_test_setup_teardown(test_places, setup, teardown),
};
const size_t n_cache_tests = sizeof(cache_tests) / sizeof(cache_tests[0]);
