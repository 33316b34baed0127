/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_jobs.c: from arguments to jobs, one file for each input of the model.
 */
#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* File number k for an input belongs to job number k. */
static void add_file(struct run_jobs *jobs, size_t input, char *path)
{
    size_t j = jobs->n_files[input]++;
    cli_paths_keep(&jobs->paths, path);
    if (j == jobs->capacity) {
        size_t capacity = j ? 2 * j : 16;
        jobs->jobs = cli_grow(jobs->jobs, jobs->n_jobs, capacity, sizeof(*jobs->jobs));
        jobs->capacity = capacity;
    }
    if (j == jobs->n_jobs)
        jobs->n_jobs++;
    jobs->jobs[j].files[input] = path;
}

static bool is_readable(const char *path)
{
    return (cli_is_picture(path) || run_is_npy(path)) && !cli_is_directory(path);
}

static int add_directory(struct run_jobs *jobs, size_t input, const char *directory)
{
    struct cli_paths found = {0};
    int result = cli_paths_scan(&found, directory, is_readable);
    if (result == 0 && found.n == 0)
        result = cli_fail("%s: no .jpg, .png, .bmp, .ppm, .pgm or .npy file in this directory", directory);
    for (size_t i = 0; i < found.n; i++)
        add_file(jobs, input, found.paths[i]);
    free(found.paths);
    return result;
}

static int add_path(struct run_jobs *jobs, size_t input, const char *path)
{
    if (access(path, F_OK) != 0)
        return cli_fail("%s: cannot open: %s", path, strerror(errno));
    if (cli_is_directory(path))
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
    cli_paths_finish(&jobs->paths);
    free(jobs->jobs);
    memset(jobs, 0, sizeof(*jobs));
}
