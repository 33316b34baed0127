/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_jobs.c: from arguments to jobs, one file for each input of the model.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const extensions[] = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".pnm", ".npy"};

static void *grow(void *old, size_t n_used, size_t n_new, size_t size_bytes)
{
    void *grown = cli_alloc(n_new, size_bytes);
    if (n_used > 0)
        memcpy(grown, old, n_used * size_bytes);
    free(old);
    return grown;
}

static void keep_path(struct run_jobs *jobs, char *path)
{
    if ((jobs->n_paths & (jobs->n_paths - 1)) == 0)
        jobs->paths = grow(jobs->paths, jobs->n_paths, jobs->n_paths ? 2 * jobs->n_paths : 1, sizeof(char *));
    jobs->paths[jobs->n_paths++] = path;
}

/* File number k for an input belongs to job number k. */
static void add_file(struct run_jobs *jobs, size_t input, char *path)
{
    size_t j = jobs->n_files[input]++;
    keep_path(jobs, path);
    if (j == jobs->capacity) {
        size_t capacity = j ? 2 * j : 16;
        jobs->jobs = grow(jobs->jobs, jobs->n_jobs, capacity, sizeof(*jobs->jobs));
        jobs->capacity = capacity;
    }
    if (j == jobs->n_jobs)
        jobs->n_jobs++;
    jobs->jobs[j].files[input] = path;
}

static bool is_readable_kind(const char *name)
{
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (name[0] != '.' && cli_has_extension(name, extensions[i]))
            return true;
    }
    return false;
}

static char *join(const char *directory, const char *name)
{
    size_t n = strlen(directory);
    size_t size = n + strlen(name) + 2;
    char *path = cli_alloc(size, 1);
    snprintf(path, size, "%s%s%s", directory, n > 0 && directory[n - 1] == '/' ? "" : "/", name);
    return path;
}

static int keep_entry(const struct dirent *entry)
{
    return is_readable_kind(entry->d_name);
}

/* By bytes, so that the order does not hang on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_directory(struct run_jobs *jobs, size_t input, const char *directory)
{
    struct dirent **entries = NULL;
    size_t n_added = 0;
    int n = scandir(directory, &entries, keep_entry, by_name);
    if (n < 0)
        return cli_fail("%s: directory cannot be read: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = join(directory, entries[i]->d_name);
        struct stat info;
        free(entries[i]);
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
            free(path);
            continue;
        }
        add_file(jobs, input, path);
        n_added++;
    }
    free(entries);
    if (n_added == 0)
        return cli_fail("%s: no .jpg, .png, .bmp, .ppm, .pgm or .npy file in this directory", directory);
    return 0;
}

static int add_path(struct run_jobs *jobs, size_t input, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return cli_fail("%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return add_directory(jobs, input, path);
    add_file(jobs, input, cli_strdup(path));
    return 0;
}

/* NAME=FILE for an input's name, or a plain FILE. */
static int add_argument(struct run_jobs *jobs, const struct run_task *task, const char *arg)
{
    for (size_t i = 0; i < task->info.n_inputs; i++) {
        size_t n = strlen(task->inputs[i].name);
        if (strncmp(arg, task->inputs[i].name, n) == 0 && arg[n] == '=')
            return add_path(jobs, i, arg + n + 1);
    }
    if (task->info.n_inputs == 1)
        return add_path(jobs, 0, arg);
    return cli_usage(
        "%s: the model has %zu inputs, wanted NAME=FILE for each (the first is %s)", arg, task->info.n_inputs,
        task->inputs[0].name);
}

char *run_safe_name(const char *name)
{
    char *safe = cli_strdup(name);
    for (char *at = safe; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
            *at = '_';
    }
    return safe;
}

/* The file's name without directory and extension. */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *stem = run_safe_name(slash ? slash + 1 : path);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = 0;
    return stem;
}

static int by_stem(const void *a, const void *b)
{
    const struct run_job *const *x = a, *const *y = b;
    return strcmp((*x)->stem, (*y)->stem);
}

/* Two jobs of one stem would write the same .npy files. */
static int check_stems(const struct run_jobs *jobs)
{
    int result = 0;
    struct run_job **sorted = cli_alloc(jobs->n_jobs, sizeof(*sorted));
    for (size_t j = 0; j < jobs->n_jobs; j++)
        sorted[j] = &jobs->jobs[j];
    qsort(sorted, jobs->n_jobs, sizeof(*sorted), by_stem);
    for (size_t j = 1; j < jobs->n_jobs && result == 0; j++) {
        if (strcmp(sorted[j - 1]->stem, sorted[j]->stem) == 0)
            result = cli_fail(
                "%s and %s would both be written as %s.*.npy", sorted[j - 1]->files[0], sorted[j]->files[0],
                sorted[j]->stem);
    }
    free(sorted);
    return result;
}

int run_jobs_make(struct run_jobs *jobs, const struct run_task *task, char **args, size_t n_args)
{
    for (size_t i = 0; i < n_args; i++) {
        int result = add_argument(jobs, task, args[i]);
        if (result != 0)
            return result;
    }
    for (size_t j = 0; j < jobs->n_jobs; j++) {
        for (size_t i = 0; i < task->info.n_inputs; i++) {
            if (!jobs->jobs[j].files[i])
                return cli_usage(
                    "input %s got fewer files than the others, wanted %s=FILE", task->inputs[i].name,
                    task->inputs[i].name);
        }
        jobs->jobs[j].stem = stem_of(jobs->jobs[j].files[0]);
    }
    return task->options->npy_dir ? check_stems(jobs) : 0;
}

void run_jobs_finish(struct run_jobs *jobs)
{
    for (size_t j = 0; j < jobs->n_jobs; j++)
        free(jobs->jobs[j].stem);
    for (size_t i = 0; i < jobs->n_paths; i++)
        free(jobs->paths[i]);
    free(jobs->jobs);
    free(jobs->paths);
    memset(jobs, 0, sizeof(*jobs));
}
