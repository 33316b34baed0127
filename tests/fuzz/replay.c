/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c: calls a fuzz target with each file given, and each file of each folder given. Exit status 1 when
 * a file cannot be read or there is none; what the target finds ends the program.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* The data gets a block of its size, for the address sanitizer to see a read behind it. */
static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    uint8_t *data = NULL;
    bool ok = false;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && (data = malloc(size > 0 ? (size_t)size : 1))) {
        rewind(file);
        ok = fread(data, 1, (size_t)size, file) == (size_t)size;
    }
    if (file)
        fclose(file);
    if (ok) {
        printf("%s\n", path);
        fflush(stdout); /* the last line names the file that ended the program */
        LLVMFuzzerTestOneInput(data, (size_t)size);
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    free(data);
    return ok;
}

/* The number of files; -1 when one cannot be read. */
static int replay(const char *path)
{
    DIR *folder = opendir(path);
    int n = 0;
    if (!folder)
        return replay_file(path) ? 1 : -1;
    for (struct dirent *entry; n >= 0 && (entry = readdir(folder));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        n = replay_file(file) ? n + 1 : -1;
    }
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    int n_files = 0;
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0)
            return 1;
        n_files += n;
    }
    printf("%d files\n", n_files);
    return n_files > 0 ? 0 : 1;
}
