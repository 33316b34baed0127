/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.c: a program's output goes to files in the work directory and is read back when it has ended.
 */
#define _POSIX_C_SOURCE 200809L
#include "programs.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tf2/image.h>

extern char **environ;

#define MAX_ARGS 32

char work_dir[64];
char out_text[1 << 20];
char err_text[1 << 16];

static const char *program(const char *variable)
{
    const char *path = getenv(variable);
    if (!path)
        fail_msg("%s is not set", variable);
    return path;
}

static void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(text, 1, size - 1, file) : 0;
    text[n] = 0;
    if (file)
        fclose(file);
}

const char *at_work(const char *name)
{
    static char paths[64][256]; /* the last so many stay valid */
    static int next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof(paths[0]), "%s/%s", work_dir, name);
    return path;
}

int run(const char *variable, ...)
{
    char *argv[MAX_ARGS + 1] = {(char *)(uintptr_t)program(variable)};
    posix_spawn_file_actions_t actions;
    char out_path[256], err_path[256];
    pid_t pid;
    int status, n = 1;
    va_list args;
    va_start(args, variable);
    while (n < MAX_ARGS && (argv[n] = va_arg(args, char *)))
        n++;
    va_end(args);
    snprintf(out_path, sizeof(out_path), "%s/out", work_dir);
    snprintf(err_path, sizeof(err_path), "%s/err", work_dir);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    read_text(out_path, out_text, sizeof(out_text));
    read_text(err_path, err_text, sizeof(err_text));
    if (!WIFEXITED(status))
        fail_msg("%s ended by signal %d: %s", variable, WTERMSIG(status), err_text);
    return WEXITSTATUS(status);
}

void assert_message(const char *name, const char *message)
{
    size_t n = strlen(err_text);
    if (strncmp(err_text, name, strlen(name)) != 0 || strncmp(err_text + strlen(name), ": ", 2) != 0 ||
        !strstr(err_text, message))
        fail_msg("\"%s\" should begin with %s and hold \"%s\"", err_text, name, message);
    if (n == 0 || strchr(err_text, '\n') != err_text + n - 1)
        fail_msg("wanted one line on stderr, found \"%s\"", err_text);
}

const char *source(const char *name)
{
    static char paths[64][1024];
    static int next;
    char *path = paths[next++ % 64];
    const char *root = getenv("TF2_SOURCE_ROOT");
    snprintf(path, sizeof(paths[0]), "%s/%s", root ? root : ".", name);
    return path;
}

const char *digits(void)
{
    return source("models/digits/digits.onnx");
}

const char *shared(const char *name)
{
    static char paths[8][1200];
    static int next;
    char *path = paths[next++ % 8];
    const char *root = getenv("TF2_SHARED");
    snprintf(path, sizeof(paths[0]), "%s/%s", root ? root : source("../shared"), name);
    return access(path, R_OK) == 0 ? path : NULL;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

json_t *load_json(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return root;
}

double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}

const char *string(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        fail_msg("no string \"%s\"", key);
    return json_string_value(value);
}

const json_t *list(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value))
        fail_msg("no array \"%s\"", key);
    return value;
}

int make_work_dir(void **state)
{
    (void)state;
    snprintf(work_dir, sizeof(work_dir), "/tmp/test_cli_XXXXXX");
    return mkdtemp(work_dir) ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char child[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(child, sizeof(child), "%.200s/%.255s", path, entry->d_name);
        if (unlink(child) != 0)
            remove_tree(child);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

int remove_work_dir(void **state)
{
    (void)state;
    remove_tree(work_dir);
    return 0;
}

void compare_arrays(const char *a_path, const char *b_path, float tolerance)
{
    struct tf2_array a, b;
    struct tf2_error error = {0};
    if (tf2_npy_load(a_path, NULL, &a, &error) != TF2_OK || tf2_npy_load(b_path, NULL, &b, &error) != TF2_OK)
        fail_msg("%s", error.message);
    assert_true(tf2_shape_equal(&a.shape, &b.shape));
    for (int64_t i = 0; i < tf2_shape_count(&a.shape); i++) {
        float difference = fabsf(((const float *)a.data)[i] - ((const float *)b.data)[i]);
        if (!(difference <= tolerance))
            fail_msg("%s: element %lld differs by %g", a_path, (long long)i, (double)difference);
    }
    tf2_array_finish(&a);
    tf2_array_finish(&b);
}
