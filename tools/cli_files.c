/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_files.c: names and kinds of files; those of a directory, in an order that does not hang on the locale.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const picture_extensions[] = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".pnm"};

void *cli_grow(void *old, size_t n_used, size_t n_new, size_t size_bytes)
{
    void *grown = cli_alloc(n_new, size_bytes);
    if (n_used > 0)
        memcpy(grown, old, n_used * size_bytes);
    free(old);
    return grown;
}

bool cli_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_begins_with(const char *path, const void *bytes, size_t n_bytes)
{
    char found[16];
    int fd = n_bytes <= sizeof(found) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool is = fd >= 0 && read(fd, found, n_bytes) == (ssize_t)n_bytes && memcmp(found, bytes, n_bytes) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

bool cli_is_picture(const char *path)
{
    for (size_t i = 0; i < sizeof(picture_extensions) / sizeof(picture_extensions[0]); i++) {
        if (cli_has_extension(path, picture_extensions[i]))
            return true;
    }
    return false;
}

char *cli_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *stem = cli_strdup(slash ? slash + 1 : path);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem)
        *dot = 0;
    return stem;
}

void cli_paths_keep(struct cli_paths *paths, char *path)
{
    if ((paths->n & (paths->n - 1)) == 0)
        paths->paths = cli_grow(paths->paths, paths->n, paths->n ? 2 * paths->n : 1, sizeof(char *));
    paths->paths[paths->n++] = path;
}

void cli_paths_finish(struct cli_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->paths[i]);
    free(paths->paths);
    memset(paths, 0, sizeof(*paths));
}

static char *join(const char *directory, const char *name)
{
    size_t n = strlen(directory), size = n + strlen(name) + 2;
    char *path = cli_alloc(size, 1);
    snprintf(path, size, "%s%s%s", directory, n > 0 && directory[n - 1] == '/' ? "" : "/", name);
    return path;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* By bytes. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int cli_paths_scan(struct cli_paths *paths, const char *directory, cli_wants_path *wants)
{
    struct dirent **entries = NULL;
    int n = scandir(directory, &entries, is_visible, by_name);
    if (n < 0)
        return cli_fail("%s: directory cannot be read: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = join(directory, entries[i]->d_name);
        free(entries[i]);
        if (wants(path))
            cli_paths_keep(paths, path);
        else
            free(path);
    }
    free(entries);
    return 0;
}
