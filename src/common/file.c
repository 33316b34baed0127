/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c: read-only private mappings.
 */
#define _POSIX_C_SOURCE 200809L
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum tf2_status tf2__file_map(const char *path, struct tf2__file *file, struct tf2_error *error)
{
    struct stat info;
    void *data = NULL;
    /* Opening a pipe waits for somebody who writes, without O_NONBLOCK. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tf2__fail(error, TF2_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return tf2__fail(error, TF2_ERR_IO, "%s: not a regular file", path);
    }
    if (info.st_size > 0) {
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            int reason = errno;
            close(fd);
            return tf2__fail(error, TF2_ERR_IO, "%s: cannot map: %s", path, strerror(reason));
        }
    }
    close(fd);
    file->data = data;
    file->size_bytes = (size_t)info.st_size;
    return TF2_OK;
}

bool tf2__file_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

void tf2__file_unmap(struct tf2__file *file)
{
    if (file->data)
        munmap((void *)(uintptr_t)file->data, file->size_bytes);
    file->data = NULL;
    file->size_bytes = 0;
}
