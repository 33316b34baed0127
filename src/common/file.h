/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h: files as read-only memory.
 */
#ifndef TF2__COMMON_FILE_H
#define TF2__COMMON_FILE_H

#include "common/base.h"

/* A mapped file. data is NULL for an empty file. */
struct tf2__file {
    const unsigned char *data;
    size_t size_bytes;
};

/* Maps the file at `path`. TF2_ERR_IO with the system's reason, also for directories and devices. */
enum tf2_status tf2__file_map(const char *path, struct tf2__file *file, struct tf2_error *error);
/* Whether there is a directory at `path`. */
bool tf2__file_is_directory(const char *path);
/* Takes a zeroed or already unmapped struct too. */
void tf2__file_unmap(struct tf2__file *file);

#endif
